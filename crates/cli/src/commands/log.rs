//! `oikos log`.

use std::path::Path;

use anyhow::{Result, bail};
use oikos_runner::kernel::{
    id::nearest,
    op::OpKind,
    record::{Cause, EventKind, Handle, Outcome, Record},
    world::World,
    world::wire::{Viewer, event_json},
};
use oikos_runner::{Journal, RunError};
use serde_json::{Value, json};

use super::Usage;
use crate::print;

/// The type of the line that begins a tick, and of the failure of a mind that returned no op.
const TICK: &str = "tick";
const THOUGHT: &str = "thought";

/// Which lines are wanted.
pub(super) struct Wanted {
    pub(super) since: u64,
    pub(super) limit: Option<u64>,
    pub(super) kind: Option<String>,
    pub(super) of: Option<String>,
    pub(super) refused: bool,
}

pub(super) fn log(path: &Path, wanted: &Wanted, json: bool) -> Result<bool> {
    let journal = Journal::open_read_only(path).map_err(RunError::from)?;
    let (world, _) = oikos_runner::state(&journal)?;
    check(&world, wanted)?;
    let mut left = wanted.limit.unwrap_or(u64::MAX);
    let read = journal.records_while(wanted.since + 1, |record| {
        if record.seq > world.seq() {
            // Another process has gone on with the world meanwhile; it may name what is not known here.
            return false;
        }
        for line in lines(&world, &record).iter().filter(|line| fits(line, wanted)) {
            if left == 0 {
                return false;
            }
            left -= 1;
            show(line, json);
        }
        true
    });
    read.map_err(RunError::from)?;
    Ok(true)
}

/// Refuses what would match nothing, whatever has happened.
fn check(world: &World, wanted: &Wanted) -> Result<()> {
    if let Some(kind) = wanted.kind.as_deref() {
        let ops = OpKind::ALL.map(OpKind::as_str).into_iter();
        known("--type", kind, ops.chain(EventKind::words()).chain([TICK, THOUGHT]))?;
    }
    if let Some(of) = wanted.of.as_deref().filter(|of| world.lookup(of).is_none()) {
        let hint = "`oikos inspect WORLD artifacts` lists what there is";
        bail!(Usage(format!("--of: there never was an artifact `{of}`; {hint}")));
    }
    Ok(())
}

/// Refuses a type that there is not.
pub(super) fn known(flag: &str, kind: &str, types: impl Iterator<Item = &'static str>) -> Result<()> {
    let types: Vec<&str> = types.collect();
    if types.contains(&kind) {
        return Ok(());
    }
    let hint = match nearest(kind, types.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the types are {}", types.join(", ")),
    };
    bail!(Usage(format!("{flag}: there is no type of event `{kind}`; {hint}")))
}

/// What a record tells: its events, and that its action failed.
fn lines(world: &World, record: &Record) -> Vec<Value> {
    let (seq, time) = (record.seq, record.time);
    let mut lines: Vec<Value> =
        record.events.iter().map(|event| event_json(world, seq, time, event, Viewer::Observer)).collect();
    match &record.cause {
        Cause::Tick { number } => {
            lines.push(
                json!({ "seq": seq, "time": time.to_string(), "type": TICK, "detail": number.to_string() }),
            );
        }
        Cause::Act { actor, action, .. } => lines.extend(failure(world, record, *actor, action.value())),
        Cause::Step { agent, thought, .. } => {
            lines.extend(failure(world, record, *agent, thought.action.value()));
        }
        Cause::Genesis { .. } | Cause::Founding | Cause::Clock | Cause::Ask { .. } | Cause::Short { .. } => {}
    }
    lines
}

fn failure(world: &World, record: &Record, actor: Handle, action: &Value) -> Option<Value> {
    let Outcome::Refused(refusal) = &record.outcome else { return None };
    let at = refusal.index.and_then(|index| action.get(usize::try_from(index).ok()?));
    let op = at.unwrap_or(action);
    let kind = op.get("op").or(op.get("action_type")).and_then(Value::as_str).unwrap_or(THOUGHT);
    Some(json!({
        "seq": record.seq, "time": record.time.to_string(), "type": kind, "actor": world.name(actor),
        "artifact": op.get("artifact"), "to": op.get("to"), "error": refusal.to_json(),
    }))
}

fn fits(line: &Value, wanted: &Wanted) -> bool {
    let field = |name: &str| line.get(name).and_then(Value::as_str);
    wanted.kind.as_deref().is_none_or(|kind| field("type") == Some(kind))
        && (!wanted.refused || line.get("error").is_some_and(Value::is_object))
        && wanted
            .of
            .as_deref()
            .is_none_or(|of| ["actor", "artifact", "to"].iter().any(|name| field(name) == Some(of)))
}

/// Prints a line of the log.
pub(super) fn show(line: &Value, json: bool) {
    if json { print::json(line) } else { print::line(&text(line)) }
}

/// A line for people.
fn text(line: &Value) -> String {
    let field = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    let seq = line.get("seq").and_then(Value::as_u64).unwrap_or(0);
    let mut text = format!("{seq:>7}  {}  {} {}", field("time"), field("actor"), field("type"));
    if field("type") == TICK {
        return format!("{seq:>7}  {}  tick {}", field("time"), field("detail"));
    }
    for (word, name) in [("", "artifact"), ("to ", "to")] {
        if !field(name).is_empty() {
            text.push_str(&format!(" {word}{}", field(name)));
        }
    }
    if let Some(amount) = line.get("amount").and_then(Value::as_i64) {
        let of = if field("resource").is_empty() { "scrip" } else { field("resource") };
        text.push_str(&format!(" {amount} {of}"));
    } else if !field("resource").is_empty() {
        text.push_str(&format!(" {}", field("resource")));
    }
    if let Some(error) = line.get("error").filter(|error| error.is_object()) {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let message = part("message").lines().last().unwrap_or_default().to_owned();
        text.push_str(&format!(" refused: {}: {message}", part("code")));
    } else if !field("detail").is_empty() {
        let detail = field("detail").lines().last().unwrap_or_default();
        text.push_str(&format!(" ({detail})"));
    }
    text
}
