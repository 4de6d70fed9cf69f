//! A line of the log, as `docs/events.md` has it: an event, a tick that begins, an action that was
//! refused, a mind that failed, or the reasons of one.

use oikos_runner::kernel::{
    event::{self, EventKind},
    resource::{ResourceId, SCRIP},
    world::wire::LineType,
};
use serde_json::{Map, Value, json};

use crate::print::{amount, plain_lines, wrapped};

/// Columns before the reasons of a step.
const THINK_INDENT: usize = 9;

/// The kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    /// An event.
    Event(EventKind),
    /// Something else that a record says.
    Other(LineType),
}

impl LineKind {
    /// Every word that `type` may be.
    pub(super) fn words() -> impl Iterator<Item = &'static str> + Clone {
        EventKind::words().chain(LineType::ALL.map(LineType::as_str))
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        let other = || LineType::from_word(word).map(Self::Other);
        EventKind::from_word(word).map(Self::Event).or_else(other)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Event(kind) => kind.as_str(),
            Self::Other(kind) => kind.as_str(),
        }
    }
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) kind: LineKind,
    /// The line for programs.
    pub(super) whole: Value,
}

impl Line {
    /// Reads a line that the kernel has made; nothing comes of what is none.
    pub(super) fn read(whole: Value) -> Option<Self> {
        let kind = LineKind::from_word(whole.get("type")?.as_str()?)?;
        Some(Self { kind, whole })
    }

    /// Names the authors' files in the tracebacks of the line.
    pub(super) fn name_files(&mut self, named: impl Fn(&str) -> String) {
        for place in ["/error/traceback", "/detail"] {
            if let Some(Value::String(text)) = self.whole.pointer_mut(place)
                && text.contains("  File \"")
            {
                *text = named(text);
            }
        }
    }

    /// A field that is text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.whole.get(name).and_then(Value::as_str)
    }

    /// Why it was refused.
    pub(super) fn error(&self) -> Option<&Value> {
        self.whole.get("error")
    }

    /// The op, or the event; none where it is not known which op was refused.
    fn what(&self) -> Option<&str> {
        self.field("op").or(match self.kind {
            LineKind::Other(LineType::Refused | LineType::Thought) => None,
            LineKind::Event(_)
            | LineKind::Other(LineType::Tick | LineType::Think | LineType::Print | LineType::Regrow) => {
                Some(self.kind.as_str())
            }
        })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let number = |name: &str| self.whole.get(name).and_then(Value::as_u64).unwrap_or(0);
        let head = format!("{:>7}  {}", number("seq"), self.field("time").unwrap_or_default());
        if self.kind == LineKind::Other(LineType::Tick) {
            return format!("{head}  tick {}", number("tick"));
        }
        if let (LineKind::Other(LineType::Think), Some(think)) = (self.kind, self.field("think")) {
            let actor = self.field("actor").unwrap_or_default();
            let looks = self.whole.get("looks").and_then(Value::as_array).into_iter().flatten();
            let looks = looks.map(|look| wrapped(&format!("looks {look}"), THINK_INDENT));
            let reasons =
                Some(think).filter(|think| !think.is_empty()).map(|think| wrapped(think, THINK_INDENT));
            let lines = [format!("{head}  {actor} thinks")].into_iter().chain(looks).chain(reasons);
            return lines.collect::<Vec<_>>().join("\n");
        }
        if let (LineKind::Other(LineType::Print), Some(text)) = (self.kind, self.field("text")) {
            let actor = self.field("actor").unwrap_or_default();
            let shown = plain_lines(text);
            return match shown.as_slice() {
                [line] => format!("{head}  {actor} prints: {line}"),
                lines => {
                    let lines = lines.iter().map(|line| format!("{:THINK_INDENT$}{line}", ""));
                    let lines: Vec<String> =
                        [format!("{head}  {actor} prints")].into_iter().chain(lines).collect();
                    lines.join("\n")
                }
            };
        }
        let mut text = head;
        text.push(' ');
        text.extend(self.field("actor").iter().map(|actor| format!(" {actor}")));
        text.extend(self.what().iter().map(|what| format!(" {what}")));
        for (word, name) in [("", "artifact"), ("to ", "to")] {
            text.extend(self.field(name).iter().map(|id| format!(" {word}{id}")));
        }
        let resource = self.field("resource");
        match self.whole.get("amount").and_then(Value::as_i64) {
            Some(count) => {
                let resource = resource.unwrap_or(SCRIP);
                // Numbers of the log stand as they are, for those who look for them.
                let count = if resource == ResourceId::LLM_BUDGET {
                    amount(resource, count)
                } else {
                    count.to_string()
                };
                text.push_str(&format!(" {count} {resource}"));
            }
            None => text.extend(resource.iter().map(|resource| format!(" {resource}"))),
        }
        if let Some(error) = self.error() {
            let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
            let last = part("message").lines().last().unwrap_or_default();
            let is_thought = self.kind == LineKind::Other(LineType::Thought);
            let failed = if is_thought { "thought failed" } else { "refused" };
            text.push_str(&format!(" {failed}: {}: {last}", part("code")));
        } else if let Some(last) = self.field("detail").and_then(|detail| detail.lines().last()) {
            text.push_str(&format!(" ({last})"));
        }
        text
    }
}

/// The JSON Schema of a line: that of an event, or one of the six lines that are none.
pub(super) fn schema() -> Value {
    let mut schema = event::schema();
    let common = |kind: LineType| {
        let mut properties = Map::new();
        properties.insert("seq".into(), json!({ "type": "integer", "minimum": 1 }));
        properties.insert("time".into(), json!({ "type": "string", "format": "date-time" }));
        properties.insert("type".into(), json!({ "const": kind.as_str() }));
        properties
    };
    let mut tick = common(LineType::Tick);
    tick.insert("tick".into(), json!({ "type": "integer", "minimum": 0, "description": "its number" }));
    let mut refused = common(LineType::Refused);
    for (name, doc) in [
        ("actor", "the id of the principal who acted"),
        ("op", "the op that was refused"),
        ("artifact", "the artifact that it named"),
        ("to", "the recipient that it named"),
    ] {
        refused.insert(name.into(), json!({ "type": "string", "description": doc }));
    }
    refused.insert("error".into(), json!({ "type": "object", "description": "the refusal, as in receipts" }));
    let mut thought = common(LineType::Thought);
    for name in ["actor", "error"] {
        thought.extend(refused.get(name).map(|field| (name.to_owned(), field.clone())));
    }
    let mut think = common(LineType::Think);
    think.extend(refused.get("actor").map(|field| ("actor".to_owned(), field.clone())));
    think.insert(
        "think".into(),
        json!({ "type": "string", "description": "the reasons, as the mind gave them" }),
    );
    think.insert(
        "looks".into(),
        json!({ "type": "array", "description": "the looks that it took before, if any" }),
    );
    think.insert("ok".into(), json!({ "type": "boolean", "description": "whether the step succeeded" }));
    let mut print = common(LineType::Print);
    print.extend(refused.get("actor").map(|field| ("actor".to_owned(), field.clone())));
    print.insert(
        "of".into(),
        json!({ "enum": ["thought", "action"], "description": "whether the mind printed it, or the action" }),
    );
    print.insert("text".into(), json!({ "type": "string", "description": "the output, as it was printed" }));
    let mut regrow = common(LineType::Regrow);
    for (name, kind, doc) in [
        ("artifact", "string", "the id of the holder"),
        ("amount", "integer", "how much has grown, in base units"),
        ("resource", "string", "the resource"),
    ] {
        regrow.insert(name.into(), json!({ "type": kind, "description": doc }));
    }
    let more = [
        json!({ "title": LineType::Regrow.as_str(), "description": "a stock has grown by the rules", "type": "object",
                "properties": regrow, "required": ["seq", "time", "type", "artifact", "amount", "resource"] }),
        json!({ "title": LineType::Print.as_str(), "description": "the output of code", "type": "object",
                "properties": print, "required": ["seq", "time", "type", "actor", "of", "text"] }),
        json!({ "title": LineType::Tick.as_str(), "description": "a tick begins", "type": "object", "properties": tick,
                "required": ["seq", "time", "type", "tick"] }),
        json!({ "title": LineType::Refused.as_str(), "description": "an action was refused or failed", "type": "object",
                "properties": refused, "required": ["seq", "time", "type", "actor", "error"] }),
        json!({ "title": LineType::Thought.as_str(), "description": "a mind failed, and returned no action",
                "type": "object", "properties": thought, "required": ["seq", "time", "type", "actor", "error"] }),
        json!({ "title": LineType::Think.as_str(), "description": "the reasons that a mind gave for its step",
                "type": "object", "properties": think, "required": ["seq", "time", "type", "actor", "think", "ok"] }),
    ];
    if let Value::Object(map) = &mut schema {
        map.insert("title".into(), "Oikos log line".into());
        if let Some(Value::Array(alternatives)) = map.get_mut("oneOf") {
            alternatives.extend(more);
        }
    }
    schema
}
