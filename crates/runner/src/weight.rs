//! How much a record weighs: the bytes that it takes in the journal before they are packed, or a little more.

use oikos_kernel::{
    event::Event,
    json::{Json, text_bytes},
    record::{Cause, Change, Creation, Effect, Outcome, Record},
};
use serde_json::Value;

/// What each entry of a record counts beside its text.
const ENTRY_BYTES: usize = 64;

/// Bytes of a record, give or take its small numbers.
pub(crate) fn weight(record: &Record) -> usize {
    let cause = match &record.cause {
        Cause::Act { action, action_id, output, .. } => {
            json(action) + output.len() + action_id.as_ref().map_or(0, String::len)
        }
        Cause::Step { thought, output, .. } => json(&thought.action) + thought.output.len() + output.len(),
        Cause::Genesis { .. }
        | Cause::Tick { .. }
        | Cause::Clock { .. }
        | Cause::Ask { .. }
        | Cause::Short { .. } => 0,
    };
    let outcome = match &record.outcome {
        Outcome::Done(result) => json(result),
        Outcome::Refused(refusal) => refusal.message.len() + refusal.hint.as_ref().map_or(0, String::len),
        Outcome::Nothing => 0,
    };
    let effects: usize = record.effects.iter().map(effect).sum();
    let events: usize = record.events.iter().map(event).sum();
    ENTRY_BYTES * (2 + record.charges.len()) + cause + outcome + effects + events
}

fn effect(effect: &Effect) -> usize {
    ENTRY_BYTES
        + match effect {
            Effect::Create(creation) => created(creation),
            Effect::Change { change, .. } => changed(change),
            Effect::Store { key, value, .. } => key.len() + value.as_ref().map_or(0, json),
            Effect::Sleep { until, .. } => until.len() * 4 * ENTRY_BYTES,
            Effect::Pay { .. }
            | Effect::Endow { .. }
            | Effect::Allot { .. }
            | Effect::Move { .. }
            | Effect::Own { .. }
            | Effect::Delete { .. } => 0,
        }
}

fn created(creation: &Creation) -> usize {
    let Creation { id, kind, content, code, interface, metadata, depends_on, .. } = creation;
    let code = code.as_ref().map_or(0, String::len);
    id.len() + kind.len() + json(content) + code + json(interface) + json(metadata) + 8 * depends_on.len()
}

fn changed(change: &Change) -> usize {
    let Change { content, code, interface, metadata, .. } = change;
    let code = code.as_ref().and_then(Option::as_ref).map_or(0, String::len);
    code + [content, interface, metadata].into_iter().flatten().map(json).sum::<usize>()
}

fn event(event: &Event) -> usize {
    ENTRY_BYTES + event.detail.as_ref().map_or(0, String::len)
}

/// Bytes of the text of a value; small ones are not counted one by one.
fn json(json: &Json) -> usize {
    match json.value() {
        Value::Null | Value::Bool(_) | Value::Number(_) => ENTRY_BYTES,
        value => text_bytes(value),
    }
}
