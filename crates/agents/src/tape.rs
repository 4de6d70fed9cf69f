//! The tape as minds see it: answers that are there already, and those that must be on disk before they are seen.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use oikos_kernel::tape::Taped;
use serde_json::Value;

use crate::{
    provider::Later,
    request::{Request, RequestHash},
};

/// How the tape is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeMode {
    /// An answer that is on the tape is taken from there, the rest is asked.
    Auto,
    /// Nothing is asked.
    Replay,
    /// All is asked.
    Record,
}

impl TapeMode {
    /// Every one, in order.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Replay, Self::Record];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Replay => "replay",
            Self::Record => "record",
        }
    }

    /// The meaning of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word)
    }
}

/// The tape can't be read or written, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tape: {0}")]
pub struct TapeFault(pub String);

/// A tape. It is kept by whoever keeps the world.
pub trait Tape: Send + Sync {
    /// The `n`-th asking, counted from 0, of a request by an agent.
    ///
    /// # Errors
    /// When it can't be read.
    fn find(&self, agent: &str, hash: &RequestHash, n: u64) -> Result<Option<Taped>, TapeFault>;

    /// Puts a row on the tape: when it is done, the row is on disk.
    fn put(&self, row: Taped) -> Later<'_, Result<(), TapeFault>>;

    /// Marks a row as used at the state of record `seq`: when it is done, that is on disk.
    fn take<'a>(&'a self, row: &'a Taped, seq: u64) -> Later<'a, Result<(), TapeFault>>;

    /// Gives the rows of an agent, the first first.
    ///
    /// # Errors
    /// When they can't be read.
    fn each(&self, agent: &str, visit: &mut dyn FnMut(&Taped)) -> Result<(), TapeFault>;
}

/// A tape in memory: for tests, rehearsals, and tape files.
#[derive(Debug, Default)]
pub struct MemoryTape(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Taped>,
    places: HashMap<(RequestHash, u64, String), usize>,
}

impl MemoryTape {
    /// A tape with rows.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = Taped>) -> Self {
        let this = Self::default();
        rows.into_iter().for_each(|row| this.rows().put(row));
        this
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of its rows, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> Vec<Taped> {
        self.rows().rows.clone()
    }
}

impl Rows {
    fn put(&mut self, row: Taped) {
        let key = (row.hash, row.n, row.agent.clone());
        match self.places.get(&key).and_then(|at| self.rows.get_mut(*at)) {
            Some(place) => *place = row,
            None => {
                self.places.insert(key, self.rows.len());
                self.rows.push(row);
            }
        }
    }
}

impl Tape for MemoryTape {
    fn find(&self, agent: &str, hash: &RequestHash, n: u64) -> Result<Option<Taped>, TapeFault> {
        let rows = self.rows();
        let at = rows.places.get(&(*hash, n, agent.to_owned()));
        Ok(at.and_then(|at| rows.rows.get(*at)).cloned())
    }

    fn put(&self, row: Taped) -> Later<'_, Result<(), TapeFault>> {
        self.rows().put(row);
        Box::pin(std::future::ready(Ok(())))
    }

    fn take<'a>(&'a self, row: &'a Taped, seq: u64) -> Later<'a, Result<(), TapeFault>> {
        let mut rows = self.rows();
        let at = rows.places.get(&(row.hash, row.n, row.agent.clone())).copied();
        if let Some(row) = at.and_then(|at| rows.rows.get_mut(at)) {
            row.take(seq);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn each(&self, agent: &str, visit: &mut dyn FnMut(&Taped)) -> Result<(), TapeFault> {
        self.rows().rows.iter().filter(|row| row.agent == agent).for_each(visit);
        Ok(())
    }
}

/// Letters of each side of a difference that are shown.
const SHOWN_CHARS: usize = 60;

/// The difference of a request from the recorded one of the same agent that is nearest to it, in lines for people.
///
/// # Errors
/// When the tape can't be read.
pub fn difference(tape: &dyn Tape, agent: &str, request: &Request, n: u64) -> Result<String, TapeFault> {
    let asked = request.canonical();
    let mut nearest: Option<(usize, Taped)> = None;
    let mut count = 0_usize;
    tape.each(agent, &mut |row| {
        count += 1;
        let alike = alike(&asked, &row.request);
        // Of those that are equally near the last is most likely the one.
        if nearest.as_ref().is_none_or(|(most, _)| alike >= *most) {
            nearest = Some((alike, row.clone()));
        }
    })?;
    let Some((_, row)) = nearest else {
        return Ok(format!("the tape holds no request of `{agent}`"));
    };
    if row.request == asked {
        return Ok(format!("the tape holds this request of `{agent}`, but not its repetition number {n}"));
    }
    let mut lines = vec![format!(
        "the nearest of the {count} requests of `{agent}` on the tape is of record {}; it differs so:",
        row.seq
    )];
    let theirs = serde_json::from_str(&row.request).unwrap_or(Value::Null);
    let ours = serde_json::from_str(&asked).unwrap_or(Value::Null);
    lines.extend(parts(&theirs, &ours));
    Ok(lines.join("\n"))
}

/// How many bytes two texts have alike at their beginnings and ends.
fn alike(one: &str, other: &str) -> usize {
    let before = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let rest = one.len().min(other.len()) - before;
    let after =
        one.bytes().rev().zip(other.bytes().rev()).take(rest).take_while(|(one, other)| one == other).count();
    before + after
}

/// The parts of two requests that differ, a line for what was recorded and one for what is asked.
fn parts(recorded: &Value, asked: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut keys: Vec<&String> =
        [recorded, asked].iter().filter_map(|value| value.as_object()).flat_map(|map| map.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (theirs, ours) = (recorded.get(key), asked.get(key));
        if theirs == ours {
            continue;
        }
        if key == "messages" {
            messages(theirs, ours, &mut lines);
        } else {
            let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".into(), Value::to_string);
            show(key, &shown(theirs), &shown(ours), &mut lines);
        }
    }
    lines
}

fn messages(recorded: Option<&Value>, asked: Option<&Value>, lines: &mut Vec<String>) {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (theirs, ours) = (list(recorded), list(asked));
    for at in 0..theirs.len().max(ours.len()) {
        let (one, other) = (theirs.get(at), ours.get(at));
        if one != other {
            let text = |message: Option<&Value>| {
                let text = message.and_then(|message| message.get("content")).and_then(Value::as_str);
                text.map_or_else(|| "nothing".to_owned(), str::to_owned)
            };
            show(&format!("messages[{at}]"), &text(one), &text(other), lines);
        }
    }
}

/// Two lines around the first place at which two texts differ.
fn show(place: &str, recorded: &str, asked: &str, lines: &mut Vec<String>) {
    let same = recorded.chars().zip(asked.chars()).take_while(|(one, other)| one == other).count();
    let from = same.saturating_sub(SHOWN_CHARS / 3);
    let cut = |text: &str| {
        let before = if from > 0 { "…" } else { "" };
        let shown: String = text.chars().skip(from).take(SHOWN_CHARS).collect();
        let after = if text.chars().count() > from + SHOWN_CHARS { "…" } else { "" };
        format!("{before}{}{after}", shown.escape_debug())
    };
    lines.push(format!("- {place}, recorded: {}", cut(recorded)));
    lines.push(format!("+ {place}, asked:    {}", cut(asked)));
}
