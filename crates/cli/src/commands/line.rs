//! A line of the log, as `docs/events.md` has it: an event, a tick that begins, an action that was
//! refused, or a mind that failed.

use oikos_runner::kernel::{
    event::{self, EventKind},
    record::{Cause, Handle, Outcome, Record},
    refusal::Refusal,
    world::{
        World,
        wire::{Viewer, event_json},
    },
};
use serde_json::{Map, Value, json};

/// Characters of what a refused action named, which may be anything.
const NAMED_CHARS_MAX: usize = 128;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    /// An event.
    Event(EventKind),
    /// A tick begins.
    Tick,
    /// An action was refused or failed; it made no event.
    Refused,
    /// A mind failed, and returned no action.
    Thought,
}

impl LineKind {
    const TICK: &str = "tick";
    const REFUSED: &str = "refused";
    const THOUGHT: &str = "thought";

    /// Every word that `type` may be.
    pub(super) fn words() -> impl Iterator<Item = &'static str> + Clone {
        EventKind::words().chain([Self::TICK, Self::REFUSED, Self::THOUGHT])
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            Self::TICK => Some(Self::Tick),
            Self::REFUSED => Some(Self::Refused),
            Self::THOUGHT => Some(Self::Thought),
            word => EventKind::from_word(word).map(Self::Event),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Event(kind) => kind.as_str(),
            Self::Tick => Self::TICK,
            Self::Refused => Self::REFUSED,
            Self::Thought => Self::THOUGHT,
        }
    }
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) time: String,
    pub(super) kind: LineKind,
    /// Who did it; a tick has nobody.
    pub(super) actor: Option<String>,
    /// The tick that begins.
    pub(super) tick: Option<u64>,
    /// The op that was refused.
    pub(super) op: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) to: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) resource: Option<String>,
    pub(super) detail: Option<String>,
    /// Why it was refused.
    pub(super) error: Option<Box<Refusal>>,
}

impl Line {
    /// The lines of a record: its events, and that its action was refused.
    pub(super) fn of(world: &World, record: &Record) -> Vec<Self> {
        let (seq, time) = (record.seq, record.time);
        let events = record
            .events
            .iter()
            .filter_map(|event| Self::event(&event_json(world, seq, time, event, Viewer::Observer)));
        let mut lines: Vec<Self> = events.collect();
        match &record.cause {
            Cause::Tick { number } => {
                lines.push(Self { tick: Some(*number), ..Self::bare(seq, time.to_string(), LineKind::Tick) })
            }
            Cause::Act { actor, action, .. } => {
                lines.extend(Self::refused(world, record, *actor, action.value()));
            }
            Cause::Step { agent, thought, .. } => {
                lines.extend(Self::refused(world, record, *agent, thought.action.value()));
            }
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Clock
            | Cause::Ask { .. }
            | Cause::Short { .. } => {}
        }
        lines
    }

    /// The line of an event as it is told; nothing if it is none.
    pub(super) fn event(event: &Value) -> Option<Self> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            actor: text("actor"),
            op: None,
            artifact: text("artifact"),
            to: text("to"),
            amount: event.get("amount").and_then(Value::as_i64),
            resource: text("resource"),
            detail: text("detail"),
            error: None,
            ..Self::bare(
                event.get("seq").and_then(Value::as_u64)?,
                text("time")?,
                LineKind::Event(EventKind::from_word(event.get("type").and_then(Value::as_str)?)?),
            )
        })
    }

    const fn bare(seq: u64, time: String, kind: LineKind) -> Self {
        Self {
            seq,
            time,
            kind,
            actor: None,
            tick: None,
            op: None,
            artifact: None,
            to: None,
            amount: None,
            resource: None,
            detail: None,
            error: None,
        }
    }

    fn refused(world: &World, record: &Record, actor: Handle, action: &Value) -> Option<Self> {
        let Outcome::Refused(refusal) = &record.outcome else { return None };
        let at = refusal.index.and_then(|index| action.get(usize::try_from(index).ok()?));
        let op = at.unwrap_or(action);
        // Only text names anything; the action may hold whatever JSON there is.
        let named =
            |name: &str| Some(op.get(name)?.as_str()?.chars().take(NAMED_CHARS_MAX).collect::<String>());
        let kind = if action.is_null() { LineKind::Thought } else { LineKind::Refused };
        Some(Self {
            actor: Some(world.name(actor).to_owned()),
            op: named("op").or_else(|| named("action_type")),
            artifact: named("artifact").or_else(|| named("artifact_id")),
            to: named("to"),
            error: Some(refusal.clone()),
            ..Self::bare(record.seq, record.time.to_string(), kind)
        })
    }

    /// For programs. A field that does not apply is left out.
    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(name.into(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::String);
        put("seq", Some(self.seq.into()));
        put("time", Some(self.time.as_str().into()));
        put("type", Some(self.kind.as_str().into()));
        put("actor", text(&self.actor));
        put("tick", self.tick.map(Value::from));
        put("op", text(&self.op));
        put("artifact", text(&self.artifact));
        put("to", text(&self.to));
        put("amount", self.amount.map(Value::from));
        put("resource", text(&self.resource));
        put("detail", text(&self.detail));
        put("error", self.error.as_ref().map(|error| error.to_json()));
        Value::Object(map)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let (seq, time) = (self.seq, &self.time);
        let detail = self.detail.as_deref().unwrap_or_default();
        if let Some(tick) = self.tick {
            return format!("{seq:>7}  {time}  tick {tick}");
        }
        let what = self.op.as_deref().unwrap_or(self.kind.as_str());
        let mut text = format!("{seq:>7}  {time}  {} {what}", self.actor.as_deref().unwrap_or_default());
        for (word, id) in [("", &self.artifact), ("to ", &self.to)] {
            text.extend(id.iter().map(|id| format!(" {word}{id}")));
        }
        let resource = self.resource.as_deref();
        match self.amount {
            Some(amount) => text.push_str(&format!(" {amount} {}", resource.unwrap_or("scrip"))),
            None => text.extend(resource.iter().map(|resource| format!(" {resource}"))),
        }
        if let Some(error) = &self.error {
            let last = error.message.lines().last().unwrap_or_default();
            text.push_str(&format!(" refused: {}: {last}", error.code.as_str()));
        } else if let Some(last) = detail.lines().last() {
            text.push_str(&format!(" ({last})"));
        }
        text
    }
}

/// The JSON Schema of a line: that of an event, or one of the three lines that are none.
pub(super) fn schema() -> Value {
    let mut schema = event::schema();
    let common = |kind: LineKind| {
        let mut properties = Map::new();
        properties.insert("seq".into(), json!({ "type": "integer", "minimum": 1 }));
        properties.insert("time".into(), json!({ "type": "string", "format": "date-time" }));
        properties.insert("type".into(), json!({ "const": kind.as_str() }));
        properties
    };
    let mut tick = common(LineKind::Tick);
    tick.insert("tick".into(), json!({ "type": "integer", "minimum": 0, "description": "its number" }));
    let mut refused = common(LineKind::Refused);
    for (name, doc) in [
        ("actor", "the id of who acted"),
        ("op", "the op that was refused"),
        ("artifact", "the artifact that it named"),
        ("to", "the one whom it named"),
    ] {
        refused.insert(name.into(), json!({ "type": "string", "description": doc }));
    }
    refused.insert("error".into(), json!({ "type": "object", "description": "the refusal, as in receipts" }));
    let mut thought = common(LineKind::Thought);
    for name in ["actor", "error"] {
        thought.extend(refused.get(name).map(|field| (name.to_owned(), field.clone())));
    }
    let more = [
        json!({ "title": LineKind::TICK, "description": "a tick begins", "type": "object", "properties": tick,
                "required": ["seq", "time", "type", "tick"] }),
        json!({ "title": LineKind::REFUSED, "description": "an action was refused or failed", "type": "object",
                "properties": refused, "required": ["seq", "time", "type", "actor", "error"] }),
        json!({ "title": LineKind::THOUGHT, "description": "a mind failed, and returned no action",
                "type": "object", "properties": thought, "required": ["seq", "time", "type", "actor", "error"] }),
    ];
    if let Value::Object(map) = &mut schema {
        map.insert("title".into(), "Oikos log line".into());
        if let Some(Value::Array(alternatives)) = map.get_mut("oneOf") {
            alternatives.extend(more);
        }
    }
    schema
}
