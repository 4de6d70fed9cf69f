//! The first record that differs, both versions side by side.

use oikos_kernel::{
    id::Handle,
    record::{Cause, Record},
    time::Time,
    world::World,
};
use serde_json::{Map, Value};

/// The fields of records whose numbers are handles of artifacts.
const HANDLES: [&str; 22] = [
    "access_contract",
    "actor",
    "agent",
    "artifact",
    "by",
    "contract",
    "creator",
    "customer",
    "from",
    "heir",
    "memory",
    "memory_artifact",
    "of",
    "owner",
    "principal",
    "to",
    "Code",
    "Contract",
    "Llm",
    "bearer",
    "holder",
    "giver",
];

/// A record that was made otherwise than it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub time: Time,
    /// Its cause in words: who did what.
    pub cause: String,
    /// Why no record was made, or no such one, where that is known.
    pub why: Option<String>,
    /// The parts that differ: where in the record, as it was recorded, and as it was made again; null is nothing.
    pub parts: Vec<(String, Value, Value)>,
    /// The whole record as it was recorded.
    pub recorded: Value,
    /// The whole record as it was made; null where none was.
    pub replayed: Value,
}

impl Difference {
    /// The difference of two records of one number, or of one and none. `world` is the state before them.
    pub(crate) fn of(
        world: &World,
        recorded: Record,
        made: Option<Record>,
        why: Option<String>,
    ) -> Box<Self> {
        let of = |record: &Record| named(world, serde_json::to_value(record).unwrap_or_default());
        let (left, right) = (of(&recorded), made.as_ref().map_or(Value::Null, of));
        let mut parts = Vec::new();
        if made.is_some() {
            compare("", &left, &right, &mut parts);
        }
        Box::new(Self {
            seq: recorded.seq,
            time: recorded.time,
            cause: cause(world, &recorded.cause),
            why: why.filter(|_| made.is_none()),
            parts,
            recorded: left,
            replayed: right,
        })
    }
}

/// A cause in words.
fn cause(world: &World, cause: &Cause) -> String {
    let name = |handle: Handle| {
        let artifact = world.get(handle);
        artifact.map_or_else(|| format!("artifact {}", handle.0), |artifact| format!("`{}`", artifact.id()))
    };
    match cause {
        Cause::Genesis { .. } | Cause::Founding => "the founding".into(),
        Cause::Tick { number, phase: 0 } => format!("tick {number}"),
        Cause::Tick { number, phase } => format!("phase {phase} of tick {number}"),
        Cause::Clock { .. } => "the clock".into(),
        Cause::Act { actor, .. } => format!("an action of {}", name(*actor)),
        Cause::Step { agent, .. } => format!("a step of {}", name(*agent)),
        Cause::Ask { agent, .. } => format!("{} was asked", name(*agent)),
        Cause::Short { agent, .. } => format!("the turn of {} passed", name(*agent)),
        Cause::Runtime { .. } => "another runtime of code".into(),
        Cause::Regrow => "resources grew back".into(),
        Cause::Due { artifact, .. } => format!("{} was due", name(*artifact)),
        Cause::Hook { artifact, .. } => format!("a hook of {}", name(*artifact)),
        Cause::Rules { .. } => "other rules, of a fork".into(),
    }
}

/// A record as JSON with names in the place of handles, and hashes as text.
fn named(world: &World, value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let handle = value.as_u64().and_then(|number| u32::try_from(number).ok()).map(Handle);
                let is_handle = HANDLES.contains(&key.as_str());
                let artifact = handle.filter(|_| is_handle).and_then(|handle| world.get(handle));
                let value = match artifact {
                    Some(artifact) => artifact.id().into(),
                    None => named(world, value),
                };
                (key, value)
            };
            Value::Object(fields.into_iter().map(field).collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
            match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
                Some(bytes) if bytes.len() == 32 => crate::report::hex(&bytes).into(),
                _ => items.into_iter().map(|item| named(world, item)).collect(),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The parts in which two values differ, as deep as both have the same parts.
fn compare(at: &str, left: &Value, right: &Value, parts: &mut Vec<(String, Value, Value)>) {
    if left == right {
        return;
    }
    let null = Value::Null;
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match (left, right) {
        (Value::Object(ours), Value::Object(theirs)) if ours.keys().any(|key| theirs.contains_key(key)) => {
            let more = theirs.keys().filter(|key| !ours.contains_key(*key));
            for key in ours.keys().chain(more) {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&below(key), &of(ours), &of(theirs), parts);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for index in 0..ours.len().max(theirs.len()) {
                let (ours, theirs) = (ours.get(index).unwrap_or(&null), theirs.get(index).unwrap_or(&null));
                compare(&below(&index.to_string()), ours, theirs, parts);
            }
        }
        _ => parts.push((at.to_owned(), left.clone(), right.clone())),
    }
}
