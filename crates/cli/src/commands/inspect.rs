//! `oikos inspect`.

use std::path::Path;

use anyhow::{Result, bail};
use oikos_runner::kernel::{
    id::Handle,
    resource::{ResourceId, ResourceKind},
    world::{Agent, World},
};
use serde_json::{Map, Value, json};

use super::Usage;
use crate::{
    print::{Printer, number, table},
    status::ExitStatus,
};

pub(super) fn inspect(path: &Path, what: &str, printer: Printer) -> Result<ExitStatus> {
    let journal = super::reading(path)?;
    let world = oikos_runner::state(&journal)?;
    let alive = |handle: &Handle| world.get(*handle).is_some_and(|artifact| !artifact.is_deleted());
    let handles: Vec<Handle> = match what {
        "principals" | "balances" => world.principals().map(|(handle, _)| handle).filter(alive).collect(),
        "agents" => world.agents().map(|agent| agent.handle).filter(alive).collect(),
        "artifacts" => world.artifacts().map(|(handle, _)| handle).filter(alive).collect(),
        id => return one(&world, id, printer),
    };
    printer.data(
        || handles.iter().map(|handle| row(&world, *handle, what)).collect(),
        || text(&world, &handles, what),
    )?;
    Ok(ExitStatus::Done)
}

/// One artifact as an object.
fn row(world: &World, handle: Handle, what: &str) -> Value {
    let Some(artifact) = world.get(handle) else { return Value::Null };
    let mut map = Map::new();
    map.insert("id".into(), artifact.id().into());
    map.insert("owner".into(), world.name(artifact.owner()).into());
    map.insert("kind".into(), artifact.kind().into());
    map.insert("has_loop".into(), artifact.has_loop().into());
    map.insert("has_standing".into(), artifact.has_standing().into());
    map.insert("can_execute".into(), artifact.code().is_some().into());
    if artifact.has_standing() {
        map.insert("scrip".into(), world.scrip(handle).into());
        map.insert("resources".into(), world.resources_json(handle, world.now()).into());
    }
    if what == "artifacts" {
        map.insert("version".into(), artifact.version().into());
        map.insert("size".into(), artifact.size().into());
        if let Some((hits, asked)) = world.verdicts(handle) {
            // Of a contract that lets verdicts be used again: how often that was, and how often it was asked.
            map.insert("verdicts".into(), json!({ "used_again": hits, "asked": asked }));
        }
    }
    if let Some(agent) = world.agent(handle) {
        map.insert("state".into(), agent.state().into());
        map.insert("steps".into(), agent.steps.into());
        map.insert("due".into(), agent.due().map(|due| due.to_string()).into());
        map.insert("waits_for".into(), agent.waits(world.rules()).into());
        map.insert("errors_in_a_row".into(), agent.errors().into());
        let last = agent.last();
        let last = last.as_ref().and_then(|receipt| receipt.refusal());
        map.insert("last_error".into(), last.map_or(Value::Null, |refusal| refusal.to_json()));
    }
    Value::Object(map)
}

fn text(world: &World, handles: &[Handle], what: &str) -> String {
    let name = |handle: Handle| world.name(handle).to_owned();
    let owner = |handle: Handle| world.get(handle).map_or(String::new(), |artifact| name(artifact.owner()));
    match what {
        "balances" => {
            let rows = handles.iter().map(|handle| vec![name(*handle), number(world.scrip(*handle))]);
            table(&["principal", "scrip#"], rows.collect())
        }
        "artifacts" => {
            let rows = handles.iter().filter_map(|handle| {
                let artifact = world.get(*handle)?;
                let (version, size) = (artifact.version().to_string(), number(artifact.size()));
                Some(vec![name(*handle), artifact.kind().into(), owner(*handle), version, size])
            });
            table(&["artifact", "kind", "owner", "version#", "bytes#"], rows.collect())
        }
        _ => {
            let limited: Vec<(ResourceId, &str)> = world
                .rules()
                .by_id()
                .filter(|(_, rule)| rule.kind != ResourceKind::Metered)
                .map(|(id, rule)| (id, rule.name.as_str()))
                .collect();
            let headings: Vec<String> = limited.iter().map(|(_, name)| format!("{name} free#")).collect();
            let mut heading = vec!["principal", "owner", "state", "steps#", "scrip#"];
            heading.extend(headings.iter().map(String::as_str));
            let rows = handles.iter().map(|handle| {
                let agent = world.agent(*handle);
                let steps = agent.map_or(String::new(), |agent| agent.steps.to_string());
                let state = agent.map_or(String::new(), |agent| state(world, agent));
                let mut row = vec![name(*handle), owner(*handle), state, steps, number(world.scrip(*handle))];
                row.extend(limited.iter().map(|(id, _)| number(world.capacity(*handle, *id, world.now()))));
                row
            });
            table(&heading, rows.collect())
        }
    }
}

/// The state of an agent, its end and its reason.
fn state(world: &World, agent: &Agent) -> String {
    let until = agent.due().filter(|_| agent.waits(world.rules()).is_some());
    let until = until.map_or(String::new(), |due| format!(" until {due}"));
    let waits = agent.waits(world.rules()).filter(|_| until.is_empty());
    let waits = waits.map_or(String::new(), |waits| format!(" ({waits})"));
    format!("{}{until}{waits}", agent.state())
}

/// All there is to see of one artifact.
fn one(world: &World, id: &str, printer: Printer) -> Result<ExitStatus> {
    let Some((handle, artifact)) = world.lookup(id).and_then(|handle| Some((handle, world.get(handle)?)))
    else {
        bail!(Usage(format!(
            "there is no artifact `{id}`; or name principals, agents, artifacts or balances"
        )));
    };
    let mut shown = world.metadata(handle);
    let details = row(world, handle, "artifacts");
    if let (Value::Object(shown), Value::Object(details)) = (&mut shown, details) {
        shown.extend(details);
        shown.insert("deleted".into(), artifact.is_deleted().into());
        shown.insert("content".into(), artifact.content().clone());
        shown.insert("code".into(), artifact.code().map_or(Value::Null, |code| (**code).into()));
    }
    printer.value(&shown)?;
    Ok(ExitStatus::Done)
}
