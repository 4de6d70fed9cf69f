//! A line of the log, as `docs/events.md` has it: an event, a tick that begins, an action that was
//! refused, a mind that failed, or the reasons of one.

use oikos_runner::kernel::{
    event::{self, EventKind},
    resource::{ResourceId, SCRIP},
    world::wire::LineType,
};
use serde_json::{Map, Value, json};

use crate::{
    print::{COLUMNS, Printer, amount, clean, lines_within, plain_lines},
    style::{self, styled},
};

/// Columns before the reasons of a step, and before the rest of a line that is longer than the terminal is wide.
const HANG: usize = 9;

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
    /// How many agents a founding brought into being, where one line tells of them all, and the last of them.
    many: Option<(usize, String)>,
}

/// The lines of one record; for people, those of agents who came into being by themselves, as in a founding, are one.
pub(super) fn together(lines: Vec<Line>, printer: Printer) -> Vec<Line> {
    if printer.is_for_programs() {
        return lines;
    }
    let mut shown: Vec<Line> = Vec::new();
    for line in lines {
        match shown.last_mut() {
            Some(before) if before.founds() && line.founds() && before.seq() == line.seq() => {
                let count = before.many.as_ref().map_or(1, |(count, _)| *count) + 1;
                before.many = Some((count, line.field("artifact").unwrap_or_default().to_owned()));
            }
            Some(_) | None => shown.push(line),
        }
    }
    shown
}

impl Line {
    /// Reads a line that the kernel has made; nothing comes of what is none.
    pub(super) fn read(whole: Value) -> Option<Self> {
        let kind = LineKind::from_word(whole.get("type")?.as_str()?)?;
        Some(Self { kind, whole, many: None })
    }

    /// Whether an agent came into being by itself.
    fn founds(&self) -> bool {
        self.kind == LineKind::Event(EventKind::Spawn) && self.field("actor") == self.field("artifact")
    }

    fn seq(&self) -> u64 {
        self.whole.get("seq").and_then(Value::as_u64).unwrap_or(0)
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

    /// For people, within so many columns where there are.
    pub(super) fn text(&self, columns: Option<usize>) -> String {
        let head = format!("{:>7}  {}", self.seq(), self.field("time").unwrap_or_default());
        let said = self.said();
        let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(head.chars().count() + 2));
        let mut text = styled(style::FAINT, &head);
        let mut rest = said.lines();
        // The first line stands behind the head, where it has room.
        let first = rest.next().unwrap_or_default();
        if first.chars().count() <= room {
            text.push_str(&format!("  {first}"));
        } else {
            let narrow = columns.unwrap_or(usize::MAX).saturating_sub(HANG);
            let mut lines = lines_within(first, room).into_iter();
            text.push_str(&format!("  {}", lines.next().unwrap_or_default()));
            let left = lines.collect::<Vec<_>>().join(" ");
            for line in lines_within(&left, narrow) {
                text.push_str(&format!("\n{:HANG$}{line}", ""));
            }
        }
        for line in rest.flat_map(|line| lines_within(line, COLUMNS - HANG)) {
            text.push_str(&format!("\n{:HANG$}{line}", ""));
        }
        text
    }

    /// The words of a line, without signs that a terminal would obey; more than one where there are reasons.
    fn said(&self) -> String {
        if let Some((count, last)) = &self.many {
            let first = self.field("artifact").unwrap_or_default();
            return clean(&format!("spawn of {count} agents, {first} to {last}"));
        }
        let actor = || self.field("actor").unwrap_or_default();
        match self.kind {
            LineKind::Other(LineType::Tick) => {
                let tick = self.whole.get("tick").and_then(Value::as_u64).unwrap_or(0);
                format!("tick {tick}")
            }
            LineKind::Other(LineType::Think) => {
                let looks = self.whole.get("looks").and_then(Value::as_array).into_iter().flatten();
                let looks = looks.map(|look| clean(&format!("looks {look}")));
                let think = self.field("think").unwrap_or_default().lines().map(clean);
                let head = clean(&format!("{} thinks", actor()));
                [head].into_iter().chain(looks).chain(think).collect::<Vec<_>>().join("\n")
            }
            LineKind::Other(LineType::Print) => {
                let printed = plain_lines(self.field("text").unwrap_or_default());
                match printed.as_slice() {
                    [line] => format!("{} prints: {line}", actor()),
                    lines => {
                        let head = format!("{} prints", actor());
                        [head].iter().chain(lines).cloned().collect::<Vec<_>>().join("\n")
                    }
                }
            }
            LineKind::Event(_)
            | LineKind::Other(LineType::Refused | LineType::Thought | LineType::Regrow) => {
                clean(&self.deed())
            }
        }
    }

    /// The deed: who did what to whom, and what came of it.
    fn deed(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.field("actor").map(str::to_owned));
        words.extend(self.what().map(str::to_owned));
        for (word, name) in [("", "artifact"), ("to ", "to")] {
            words.extend(self.field(name).map(|id| format!("{word}{id}")));
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
                words.push(format!("{count} {resource}"));
            }
            None => words.extend(resource.map(str::to_owned)),
        }
        if let Some(error) = self.error() {
            let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
            let last = part("message").lines().last().unwrap_or_default();
            let is_thought = self.kind == LineKind::Other(LineType::Thought);
            let failed = if is_thought { "thought failed" } else { "refused" };
            words.push(format!("{failed}: {}: {last}", part("code")));
        } else if let Some(last) = self.field("detail").and_then(|detail| detail.lines().last()) {
            words.push(format!("({last})"));
        }
        words.join(" ")
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
