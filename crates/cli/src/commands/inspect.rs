//! `oikos inspect`.

use std::path::Path;

use anyhow::{Result, bail};
use oikos_runner::kernel::{
    op::{Action, Op},
    record::Handle,
    rules::{ResourceId, ResourceKind},
    time::format_duration_ms,
    transaction::{Answer, Need, Transaction},
    world::{Agent, World},
};
use oikos_runner::{Journal, RunError};
use serde_json::{Map, Value, json};

use super::Usage;
use crate::print::{self, number, table};

pub(super) fn inspect(path: &Path, what: &str, json: bool) -> Result<bool> {
    let journal = Journal::open_read_only(path).map_err(RunError::from)?;
    let (world, _) = oikos_runner::state(&journal)?;
    let alive = |handle: &Handle| world.get(*handle).is_some_and(|artifact| !artifact.is_deleted());
    let handles: Vec<Handle> = match what {
        "principals" | "balances" => world.principals().map(|(handle, _)| handle).filter(alive).collect(),
        "agents" => world.agents().map(|agent| agent.handle).filter(alive).collect(),
        "artifacts" => world.artifacts().map(|(handle, _)| handle).filter(alive).collect(),
        id => return one(&world, id, json),
    };
    let rows: Vec<Value> = handles.iter().map(|handle| row(&world, *handle, what)).collect();
    if json {
        print::json(&Value::Array(rows));
        return Ok(true);
    }
    print::line(&text(&world, &handles, what));
    Ok(true)
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
        map.insert("resources".into(), resources(world, handle));
    }
    if what == "artifacts" {
        map.insert("version".into(), artifact.version().into());
        map.insert("size".into(), artifact.size().into());
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

fn resources(world: &World, handle: Handle) -> Value {
    let rules = world.rules();
    let each = rules.resources.iter().enumerate().map(|(at, rule)| {
        let resource = ResourceId(u16::try_from(at).unwrap_or(u16::MAX));
        let (limit, used) = (world.limit(handle, resource), world.used(handle, resource));
        let capacity = world.capacity(handle, resource, world.now());
        let value = match rule.kind {
            ResourceKind::Renewable { window_ms } => {
                json!({ "kind": "renewable", "rate": limit, "capacity": capacity,
                "window": format_duration_ms(window_ms), "used_total": used })
            }
            ResourceKind::Depletable => {
                json!({ "kind": "depletable", "balance": limit, "capacity": capacity, "used": used })
            }
            ResourceKind::Allocatable => {
                json!({ "kind": "allocatable", "quota": limit, "capacity": capacity, "used": used })
            }
            ResourceKind::Metered => json!({ "kind": "metered", "used": used }),
        };
        (rule.name.clone(), value)
    });
    Value::Object(each.collect())
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
                .resources
                .iter()
                .enumerate()
                .filter(|(_, rule)| rule.kind != ResourceKind::Metered)
                .map(|(at, rule)| (ResourceId(u16::try_from(at).unwrap_or(u16::MAX)), rule.name.as_str()))
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

/// What an agent does, until when and why.
fn state(world: &World, agent: &Agent) -> String {
    let until = agent.due().filter(|_| agent.waits(world.rules()).is_some());
    let until = until.map_or(String::new(), |due| format!(" until {due}"));
    let waits = agent.waits(world.rules()).filter(|_| until.is_empty());
    let waits = waits.map_or(String::new(), |waits| format!(" ({waits})"));
    format!("{}{until}{waits}", agent.state())
}

/// All there is to see of one artifact.
fn one(world: &World, id: &str, json: bool) -> Result<bool> {
    let Some((handle, artifact)) = world.lookup(id).and_then(|handle| Some((handle, world.get(handle)?)))
    else {
        bail!(Usage(format!(
            "there is no artifact `{id}`; or name principals, agents, artifacts or balances"
        )));
    };
    let query = Action::parse(json!({ "op": "query", "what": "artifact", "artifact": id }));
    let op = query.ok().and_then(|mut action| action.ops.pop()).map(|planned| planned.op);
    let mut shown = match op {
        Some(Op::Query(query)) => {
            match Transaction::observe(world, query, world.now(), 0).step(Answer::Begin) {
                Need::Done(finished) => finished.outcome.result(),
                _ => Value::Null,
            }
        }
        _ => Value::Null,
    };
    let details = row(world, handle, "artifacts");
    if let (Value::Object(shown), Value::Object(details)) = (&mut shown, details) {
        shown.extend(details);
        shown.insert("content".into(), artifact.content().clone());
        shown.insert("code".into(), artifact.code().map_or(Value::Null, |code| (**code).into()));
    }
    if json {
        print::json(&shown)
    } else {
        print::pretty(&shown)
    }
    Ok(true)
}
