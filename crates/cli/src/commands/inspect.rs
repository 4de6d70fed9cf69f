//! `oikos inspect`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use oikos_runner::kernel::{
    id::Handle,
    mind::Mind,
    resource::{ResourceId, ResourceKind},
    world::{Agent, World, wire::Viewer},
};
use oikos_runner::{
    Address, Bills, Journal, Sums, When, Workplace, config::Authors, mind, number, recorded_source, report,
    request::Inspect, row, show_dollars,
};
use serde_json::{Map, Value, json};

use super::Usage;
use crate::{
    print::{Printer, amount},
    status::ExitStatus,
    table::{Column, table},
};

pub(super) fn inspect(
    path: &Address,
    look: &Inspect,
    at: Option<When>,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let what = look.artifact.as_str();
    let journal = super::reading(path)?;
    let world = match at {
        Some(at) => oikos_runner::state_at(&journal, super::record_at(&journal, at)?)?,
        None => oikos_runner::state(&journal)?,
    };
    if what == "summary" {
        return stands(&journal, &world, workplace, printer);
    }
    super::tell_parent(oikos_runner::parent(&journal)?.as_ref(), printer);
    let has_parts = look.storage || look.content || look.code;
    let alive = |handle: &Handle| world.get(*handle).is_some_and(|artifact| !artifact.is_deleted());
    let handles: Vec<Handle> = match what {
        "principals" | "balances" => world.principals().map(|(handle, _)| handle).filter(alive).collect(),
        "agents" => world.agents().map(|agent| agent.handle).filter(alive).collect(),
        "artifacts" => world.artifacts().map(|(handle, _)| handle).filter(alive).collect(),
        _ if has_parts => return parts(&world, look, printer),
        id => return one(&world, id, &recorded_source(&journal)?.authors(), printer),
    };
    if has_parts {
        let sentence = "--storage, --content and --code go with one artifact";
        bail!(Usage(format!("{sentence}: oikos inspect WORLD ID --storage")));
    }
    // The tape tells of the end.
    let asked = if what == "agents" && at.is_none() { asked(&world, &handles, &journal)? } else { None };
    printer.data(
        || {
            let rows = handles.iter().map(|handle| {
                let mut row = row(&world, *handle, what == "artifacts", Viewer::Observer, world.now());
                if let (Some(asked), Value::Object(row)) = (&asked, &mut row) {
                    row.extend(asked_json(&world, *handle, asked));
                }
                row
            });
            rows.collect()
        },
        || {
            let minds = asked.as_ref().map(|asked| minds(&world, &handles, asked));
            let parts = [Some(text(&world, &handles, what)), minds];
            parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
        },
    )?;
    Ok(ExitStatus::Done)
}

/// How a world stands, as `run --json` says it at the end of a run.
fn stands(journal: &Journal, world: &World, workplace: &Workplace, printer: Printer) -> Result<ExitStatus> {
    let measures = oikos_runner::measures(workplace, journal, world)?;
    let head = journal.head();
    let mut report = report::state(world, &head.journal_hash);
    if let Value::Object(map) = &mut report {
        // The hash of the journal is kept for its end.
        if world.seq() != head.seq {
            map.insert("journal_hash".into(), Value::Null);
        }
        let measures: Map<String, Value> =
            measures.into_iter().map(|(name, value)| (name, value.into())).collect();
        map.insert("measures".into(), Value::Object(measures));
        if let Some(tick) = world.tick() {
            map.insert("ticks".into(), (tick.number + 1).into());
        }
        map.insert("agents".into(), report::states(world));
        map.insert("health".into(), report::health(world));
        map.insert("parent".into(), json!(oikos_runner::parent(journal)?));
    }
    printer.value(&report)?;
    Ok(ExitStatus::Done)
}

/// The askings of each agent, and the micro-dollars that somebody billed for them.
type Asked = BTreeMap<String, (Sums, u64)>;

/// The askings by agent, where a mind of them is a model.
fn asked(world: &World, agents: &[Handle], journal: &Journal) -> Result<Option<Asked>> {
    if !agents.iter().any(|agent| matches!(mind(world, *agent), Some(Mind::Llm(_)))) {
        return Ok(None);
    }
    let mut asked = Asked::new();
    for bill in Bills::of(journal)?.bills {
        let (sums, dollars) = asked.entry(bill.agent).or_default();
        sums.add(bill.sums);
        if !bill.kind.is_internal {
            *dollars = dollars.saturating_add(bill.sums.cost);
        }
    }
    Ok(Some(asked))
}

fn asked_json(world: &World, agent: Handle, asked: &Asked) -> Map<String, Value> {
    let (sums, dollars) = asked.get(world.name(agent)).copied().unwrap_or_default();
    let fields = [
        ("calls", Value::from(sums.calls)),
        ("failures", sums.failures.into()),
        ("tokens", sums.tokens().into()),
        ("dollars", show_dollars(dollars).into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The mind of each agent, and its askings.
fn minds(world: &World, agents: &[Handle], asked: &Asked) -> String {
    let rows = agents.iter().map(|agent| {
        let name = world.name(*agent);
        let mind = match mind(world, *agent) {
            Some(Mind::Llm(mind)) => mind.model,
            Some(mind @ (Mind::Script | Mind::External { .. })) => mind.kind().as_str().to_owned(),
            None => String::new(),
        };
        let mut row = vec![name.to_owned(), mind];
        match asked.get(name) {
            Some((sums, dollars)) => {
                row.extend([sums.calls, sums.failures, sums.tokens()].map(number));
                row.push(show_dollars(*dollars));
            }
            None => row.extend(std::iter::repeat_n(String::new(), 4)),
        }
        row
    });
    let numbers = ["calls", "failed", "tokens", "dollars"].map(Column::Number);
    let columns: Vec<_> = [Column::Name("agent"), Column::Name("mind")].into_iter().chain(numbers).collect();
    table(&columns, &rows.collect::<Vec<_>>())
}

fn text(world: &World, handles: &[Handle], what: &str) -> String {
    let name = |handle: Handle| world.name(handle).to_owned();
    let owner = |handle: Handle| world.get(handle).map_or(String::new(), |artifact| name(artifact.owner()));
    match what {
        "balances" => {
            let rows = handles.iter().map(|handle| vec![name(*handle), number(world.scrip(*handle))]);
            table(&[Column::Name("principal"), Column::Number("scrip")], &rows.collect::<Vec<_>>())
        }
        "artifacts" => {
            let rows = handles.iter().filter_map(|handle| {
                let artifact = world.get(*handle)?;
                let (version, size) = (artifact.version().to_string(), number(artifact.size()));
                Some(vec![name(*handle), artifact.kind().into(), owner(*handle), version, size])
            });
            let names = ["artifact", "kind", "owner"].map(Column::Name);
            let columns: Vec<_> = names.into_iter().chain(["version", "bytes"].map(Column::Number)).collect();
            table(&columns, &rows.collect::<Vec<_>>())
        }
        _ => {
            let limited: Vec<(ResourceId, &str)> = world
                .rules()
                .by_id()
                .filter(|(_, rule)| rule.kind != ResourceKind::Metered)
                .map(|(id, rule)| (id, rule.name.as_str()))
                .collect();
            let headings: Vec<String> = limited.iter().map(|(_, name)| format!("{name} free")).collect();
            let mut columns = vec![
                Column::Name(if what == "agents" { "agent" } else { "principal" }),
                Column::Name("kind"),
                Column::Name("owner"),
                Column::Word("state"),
                Column::Number("steps"),
                Column::Number("scrip"),
                Column::Text("waits for"),
            ];
            columns.extend(headings.iter().map(|heading| Column::Number(heading)));
            // Where everybody owns himself a column says nothing.
            let are_owned = handles.iter().any(|handle| owner(*handle) != world.name(*handle));
            let rows = handles.iter().map(|handle| {
                let owner = if are_owned { owner(*handle) } else { String::new() };
                let agent = world.agent(*handle);
                let steps = agent.map_or(String::new(), |agent| agent.steps.to_string());
                let state = agent.map_or(String::new(), |agent| agent.state().to_owned());
                let waits = agent.map_or(String::new(), |agent| waits(world, agent));
                let scrip = number(world.scrip(*handle));
                let kind = world.get(*handle).map_or("", |artifact| artifact.kind()).to_owned();
                let mut row = vec![name(*handle), kind, owner, state, steps, scrip, waits];
                row.extend(
                    limited.iter().map(|(id, name)| amount(name, world.capacity(*handle, *id, world.now()))),
                );
                row
            });
            table(&columns, &rows.collect::<Vec<_>>())
        }
    }
}

/// The reason for which an agent does not go on, and the end of it where that is known.
fn waits(world: &World, agent: &Agent) -> String {
    let lacks = agent.lacks().map(|(resource, need)| {
        let name = world.rules().resource_name(resource);
        format!("{} of {name}", amount(name, need))
    });
    let Some(waits) = lacks.or_else(|| agent.waits(world.rules())) else { return String::new() };
    match agent.due().map(|due| due.to_string()).filter(|due| !waits.contains(due)) {
        Some(due) => format!("{waits}, until {due}"),
        None => waits,
    }
}

/// All there is to see of one artifact.
fn one(world: &World, id: &str, authors: &Authors, printer: Printer) -> Result<ExitStatus> {
    let Some((handle, artifact)) = world.lookup(id).and_then(|handle| Some((handle, world.get(handle)?)))
    else {
        bail!(Usage(format!(
            "there is no artifact `{id}`; or name principals, agents, artifacts or balances"
        )));
    };
    let mut shown = world.metadata(handle);
    let details = row(world, handle, true, Viewer::Observer, world.now());
    if let (Value::Object(shown), Value::Object(details)) = (&mut shown, details) {
        shown.extend(details);
        if let Some(Value::String(text)) =
            shown.get_mut("last_error").and_then(|error| error.get_mut("traceback"))
        {
            *text = authors.named(world, text);
        }
        shown.insert("deleted".into(), artifact.is_deleted().into());
        shown.insert("content".into(), artifact.content().clone());
        shown.insert("code".into(), artifact.code().map_or(Value::Null, |code| (**code).into()));
    }
    printer.value(&shown)?;
    Ok(ExitStatus::Done)
}

/// The parts of one artifact that are asked for: one of them as it is, many as an object.
fn parts(world: &World, asked: &Inspect, printer: Printer) -> Result<ExitStatus> {
    let shown = asked.of(world).map_err(|refusal| {
        let names = "or name principals, agents, artifacts or balances";
        Usage(format!("{}; {names}", refusal.message))
    })?;
    let one = match (asked.storage, asked.content, asked.code) {
        (true, false, false) => Some("storage"),
        (false, true, false) => Some("content"),
        (false, false, true) => Some("code"),
        _ => None,
    };
    match one.and_then(|part| shown.get(part)).filter(|_| !printer.is_for_programs()) {
        Some(Value::String(text)) => printer.raw(text)?,
        Some(Value::Null) if asked.code => bail!(Usage(format!("`{}` has no code", asked.artifact))),
        Some(part) => printer.value(part)?,
        None => printer.value(&shown)?,
    }
    Ok(ExitStatus::Done)
}
