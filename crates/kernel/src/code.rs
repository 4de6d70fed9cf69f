//! The messages between the kernel and an interpreter of code. The kernel asks by a [`CodeCall`]
//! and goes on when it is answered; it never calls an interpreter itself. The types have a form in bytes, in
//! which they can go to another process and back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    host_fn::HostFn,
    json::{Json, as_text},
    time::Time,
};

/// One run of code that the kernel asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeCall {
    /// The source text, at most [`crate::limits::CODE_BYTES_MAX`] bytes.
    pub source: Arc<str>,
    /// The name that error reports show for the source: the artifact's id, or `<run>`.
    pub file: Arc<str>,
    /// Where to begin.
    pub entry: Entry,
    /// The positional arguments of the entry point.
    #[serde(with = "as_text")]
    pub args: Vec<Value>,
    /// The global `me`: the id under whose authority the code runs.
    pub me: Arc<str>,
    /// The global `call`.
    pub call: CallInfo,
    /// The global `parameters`, where the world has any and the source names them.
    pub parameters: Option<Json>,
    /// The action's clock; `now()`, `time` and `datetime` show it.
    pub now: Time,
    /// The seed of `random` for this run.
    pub seed: u64,
    /// The limits of this run.
    pub limits: CodeLimits,
}

impl CodeCall {
    /// The global by which code reads [`Self::parameters`].
    pub const PARAMETERS: &str = "parameters";
}

/// Where code begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// The whole text, as a `run` op has it; its result is the value of a last expression, else null.
    Snippet,
    /// A function of that name, called with the arguments.
    Method(Arc<str>),
    /// `check_permission(caller, action, target, context, ledger)`: four arguments are given, `ledger`
    /// is an object whose methods are the host calls [`HostFn::Ledger`].
    Check,
    /// `step(observation)` of a mind.
    Step,
}

impl Entry {
    /// The name of the function, or `None` for a snippet.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Snippet => None,
            Self::Method(name) => Some(name),
            Self::Check => Some("check_permission"),
            Self::Step => Some("step"),
        }
    }
}

/// The mapping `call` that code sees (`DESIGN.md §5`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallInfo {
    /// The immediate caller.
    pub caller: Option<Arc<str>>,
    /// The principal whose action started the chain.
    pub origin: Option<Arc<str>>,
    /// Scrip that was sent along.
    pub paid: i64,
    /// The gifts sent along beside scrip: ids of artifacts, and `{"resource", "amount"}`.
    #[serde(with = "as_text")]
    pub given: Vec<Value>,
}

/// The limits of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeLimits {
    /// Units of work in all, counted from the start of the run.
    pub work: u64,
    /// Memory of the run, in bytes.
    pub memory_bytes: u64,
    /// Bytes printed and logged.
    pub output_bytes: usize,
    /// Whether its CPU time is to be measured: asking the system for it costs as much as a small run.
    pub measure_cpu: bool,
}

/// The use of a run since its start; it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Units of work, each of [`crate::limits::FUEL_PER_WORK`] fuel: rounded up, at least 1; the same on every
    /// machine.
    pub work: u64,
    /// Measured CPU time, in nanoseconds; 0 where it was not to be measured.
    pub cpu_ns: u64,
    /// Peak memory, in bytes, as far as it is known.
    pub memory_bytes: u64,
}

/// How far a run came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CodeAnswer {
    /// The code is suspended at a call of a host function.
    Call {
        /// The call.
        call: HostCall,
        /// Used so far.
        meter: Meter,
    },
    /// The code has ended.
    Done {
        /// Its result as JSON, or why there is none.
        #[serde(with = "as_text")]
        result: Result<Value, CodeFailure>,
        /// Used in all.
        meter: Meter,
        /// The lines it printed and logged.
        output: String,
    },
}

/// A call of a host function: an op of `DESIGN.md §5` or one of the few functions beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostCall {
    /// The function.
    pub function: HostFn,
    /// Positional arguments.
    #[serde(with = "as_text")]
    pub args: Vec<Value>,
    /// Keyword arguments.
    #[serde(with = "as_text")]
    pub kwargs: Map<String, Value>,
}

/// The kernel's answer to a [`HostCall`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HostAnswer {
    /// The call's value.
    Value(#[serde(with = "as_text")] Value),
    /// Raise an exception with this text, which code can catch as `Exception`.
    Raise(String),
}

/// Why code has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFailure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// One line as Python would print it, such as `ValueError: bad price`; an exception's own
    /// text may have more.
    pub message: String,
    /// The bare text of the exception that was not caught, if one was.
    pub exception: Option<String>,
    /// Whether that text is the author's own: raised by a `raise` or an `assert` of the code, and not by the
    /// interpreter, whose texts quote names and values of the code.
    pub own_words: bool,
    /// The functions that may be called instead, where the entry point is not defined.
    pub defines: Vec<String>,
    /// The traceback in Python's layout, naming the agent's own lines; may be empty.
    pub traceback: String,
}

impl CodeFailure {
    /// A failure of which there is only a sentence.
    #[must_use]
    pub fn plain(kind: FailureKind, message: impl Into<String>) -> Self {
        let (message, traceback) = (message.into(), String::new());
        Self { kind, message, exception: None, own_words: false, defines: Vec::new(), traceback }
    }

    /// All there is to tell: the traceback, which ends with the message, or the message.
    #[must_use]
    pub fn text(&self) -> &str {
        if self.traceback.is_empty() { &self.message } else { &self.traceback }
    }

    /// The failure on one line, and its traceback, which ends with all of the message. `file` is the name of the code,
    /// and `is_open` whether those who are told may read it.
    #[must_use]
    pub fn told(&self, file: &str, is_open: bool) -> (String, Option<String>) {
        let words = if is_open { &self.message } else { self.discreet_words() };
        let frames = self.frames();
        let first = words.lines().next().unwrap_or_default();
        let more = if first.len() < words.trim_end().len() { " …" } else { "" };
        let line = last_line_of(frames, file).map_or(String::new(), |line| format!(", line {line}"));
        let sentence = format!("in `{file}`{line}: {first}{more}");
        let traceback = if is_open { self.text().to_owned() } else { self.discreet() };
        let has_more = !frames.is_empty() || !more.is_empty();
        (sentence, has_more.then_some(traceback))
    }

    /// The traceback without the message that ends it.
    fn frames(&self) -> &str {
        self.traceback.strip_suffix(&self.message).unwrap_or_default()
    }

    /// The failure as told to those who may not read the code: its places and kind, without lines, names and
    /// values; the message of an exception that the code raised itself, in its author's words.
    #[must_use]
    pub fn discreet(&self) -> String {
        let places = self.frames().lines().filter_map(|line| match line.strip_prefix("  File ") {
            // `"vault", line 3, in run`: the function's name is the code's own.
            Some(place) => {
                Some(format!("  File {}\n", place.rsplit_once(", in ").map_or(place, |(at, _)| at)))
            }
            None => line.starts_with("Traceback").then(|| format!("{line}\n")),
        });
        places.chain([self.discreet_words().to_owned()]).collect()
    }

    fn discreet_words(&self) -> &str {
        let kind = || self.message.split_once(':').map_or(self.message.as_str(), |(kind, _)| kind);
        match self.kind {
            FailureKind::Raised if self.own_words => &self.message,
            FailureKind::Raised | FailureKind::Invalid => kind(),
            FailureKind::NotJson => "TypeError: the result is no JSON",
            FailureKind::NoEntry
            | FailureKind::Work
            | FailureKind::Memory
            | FailureKind::Recursion
            | FailureKind::Output
            | FailureKind::Died => &self.message,
        }
    }
}

/// The line of a file in the innermost place of a traceback that names it.
fn last_line_of(frames: &str, file: &str) -> Option<u64> {
    let start = format!("  File \"{file}\", line ");
    let place = frames.lines().rev().find_map(|line| line.strip_prefix(&start))?;
    place.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// The kinds of [`CodeFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The source is no Python.
    Invalid,
    /// The entry point is not defined.
    NoEntry,
    /// An exception was not caught.
    Raised,
    /// The budget of work (`limits.work`) ran out.
    Work,
    /// The memory limit passed.
    Memory,
    /// Calls nested too deep.
    Recursion,
    /// It printed too much.
    Output,
    /// The result is not JSON, or is too large or too deep.
    NotJson,
    /// The interpreter itself died.
    Died,
}
