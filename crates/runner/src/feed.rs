//! The lines of a log as a viewer is shown them, each with its place, so that who was cut off goes on where it was.

use std::fmt::Display;

use oikos_journal::Journal;
use oikos_kernel::{
    event::{Event, EventKind},
    record::{Outcome, Record},
    world::{
        World,
        wire::{LineType, Viewer, event_json, log_lines, think_line},
    },
};
use serde_json::Value;

use crate::error::RunError;

/// Records that are looked at for one page.
const RECORDS_MAX: usize = 20_000;

/// The place of a line: after how many lines of which record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The record.
    pub seq: u64,
    /// How many of its lines were told; all, where the record is done with.
    pub lines: u32,
}

impl Cursor {
    /// After all of a record.
    #[must_use]
    pub const fn after(seq: u64) -> Self {
        Self { seq, lines: u32::MAX }
    }
}

/// As the id of the last line that was told: its record, and its place in it from 0 on.
impl Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.lines {
            u32::MAX => write!(f, "{}", self.seq),
            lines => write!(f, "{}.{}", self.seq, i64::from(lines) - 1),
        }
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write the number of a record, as 17, or the id of a line, as 17.0".to_owned();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (seq, place) = text.split_once('.').map_or((text, None), |(seq, place)| (seq, Some(place)));
        if !is_number(seq) || !place.is_none_or(is_number) {
            return Err(wrong());
        }
        // Behind the last record there is none, however far.
        let seq = seq.parse().unwrap_or(u64::MAX);
        let lines = place.map(|place| place.parse::<u32>().unwrap_or(u32::MAX).saturating_add(1));
        let lines = lines.unwrap_or(u32::MAX);
        Ok(Self { seq, lines })
    }
}

/// The lines that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filtered {
    /// Those of a type.
    pub kind: Option<String>,
    /// Those that name an artifact.
    pub of: Option<String>,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedLine {
    /// The id of it.
    pub id: Cursor,
    /// The line, as `docs/events.md` has it.
    pub line: Value,
}

/// Some lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// The lines, in order.
    pub lines: Vec<FeedLine>,
    /// Where to go on.
    pub next: Cursor,
    /// Whether there was more when they were read.
    pub has_more: bool,
}

impl Feed {
    pub(crate) const fn nothing(next: Cursor) -> Self {
        Self { lines: Vec::new(), next, has_more: false }
    }
}

impl Filtered {
    /// Whether a line is wanted. Reasons are wanted only by their type.
    #[must_use]
    pub fn fits(&self, line: &Value) -> bool {
        let is = |name: &str, wanted: &str| line.get(name).and_then(Value::as_str) == Some(wanted);
        let think = LineType::Think.as_str();
        let is_of_type = match &self.kind {
            Some(kind) => is("type", kind),
            None => !is("type", think),
        };
        is_of_type
            && self.of.as_deref().is_none_or(|of| ["actor", "artifact", "to"].iter().any(|name| is(name, of)))
    }

    /// The words for types of lines.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        EventKind::words().chain(LineType::ALL.iter().map(|kind| kind.as_str()))
    }
}

/// All lines about a record as a viewer is shown them, with their ids. A principal is shown events as any bystander,
/// and the lines about what it did itself.
#[must_use]
pub fn lines_of(world: &World, record: &Record, viewer: Viewer) -> Vec<FeedLine> {
    let think = think_line(world, record);
    let lines: Vec<Value> = match viewer {
        Viewer::Observer => think.into_iter().chain(log_lines(world, record)).collect(),
        Viewer::Artifact(me) => {
            let me = me.map_or("", |me| world.name(me));
            let is_own = |line: &Value| {
                let is = |name: &str| line.get(name).and_then(Value::as_str) == Some(me);
                let kind = line.get("type").and_then(Value::as_str).and_then(LineType::from_word);
                match kind {
                    Some(LineType::Tick) => true,
                    Some(LineType::Regrow) => is("artifact"),
                    Some(LineType::Refused | LineType::Thought | LineType::Think | LineType::Print) => {
                        is("actor")
                    }
                    None => false,
                }
            };
            let told = |mut line: Value| {
                if let (Outcome::Refused(refusal), Some(error)) = (&record.outcome, line.get_mut("error")) {
                    *error = refusal.as_told(|who| world.may_know(viewer, who)).to_json();
                }
                line
            };
            let own = think.into_iter().chain(log_lines(world, record)).filter(is_own).map(told);
            let seen = |event: &Event| event_json(world, record.seq, record.time, event, viewer);
            own.chain(record.events.iter().filter_map(seen)).collect()
        }
    };
    let id = |at: usize| {
        let lines = u32::try_from(at).unwrap_or(u32::MAX - 2) + 1;
        Cursor { seq: record.seq, lines }
    };
    lines.into_iter().enumerate().map(|(at, line)| FeedLine { id: id(at), line }).collect()
}

/// The lines after one, at most so many.
///
/// # Errors
/// When the journal can't be read.
pub(crate) fn page(
    journal: &Journal,
    world: &World,
    viewer: Viewer,
    wanted: &Filtered,
    after: Cursor,
    limit: usize,
) -> Result<Feed, RunError> {
    let until = world.seq().min(journal.head().seq);
    let mut feed = Feed::nothing(after);
    if after.seq > until || (after.seq == until && after.lines == u32::MAX) {
        return Ok(feed);
    }
    let mut looked_at = 0_usize;
    let from = if after.lines == u32::MAX { after.seq + 1 } else { after.seq };
    journal.records_while(from.max(1), |record| {
        if record.seq > until {
            return false;
        }
        looked_at += 1;
        if looked_at > RECORDS_MAX {
            feed.has_more = true;
            return false;
        }
        let seq = record.seq;
        for told in lines_of(world, &record, viewer) {
            if told.id <= after || !wanted.fits(&told.line) {
                continue;
            }
            if feed.lines.len() >= limit {
                feed.has_more = true;
                return false;
            }
            feed.next = told.id;
            feed.lines.push(told);
        }
        feed.next = Cursor::after(seq);
        true
    })?;
    Ok(feed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for (text, cursor) in [
            ("0", Cursor::after(0)),
            ("17", Cursor::after(17)),
            ("17.0", Cursor { seq: 17, lines: 1 }),
            ("17.41", Cursor { seq: 17, lines: 42 }),
        ] {
            assert_eq!(text.parse(), Ok(cursor), "{text}");
            assert_eq!(cursor.to_string(), text);
        }
        for text in ["", ".", "17.", ".3", "-1", "17.-1", "a", "1.2.3", " 17"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
