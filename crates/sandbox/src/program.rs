//! Compiled programs, kept by the hash of their source and entry point.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::Arc,
};

use monty::MontyRun;
use monty_types::{AssertMessageAnnotations, CompileOptions};
use oikos_kernel::{
    code::{CodeFailure, Entry, FailureKind},
    limits,
};

use crate::{imports, report};

/// How many programs a sandbox keeps compiled; when there are more it starts over.
const PROGRAMS_MAX: usize = 4_096;

/// The input that holds the positional arguments.
const ARGS: &str = "_oikos_args";

/// The file name of every program: artifacts share code, and reports name the file of the run instead.
const SHARED: &str = "code";

/// A source compiled for one entry point.
pub(crate) struct Program {
    pub(crate) code: MontyRun,
    /// Whether the source mentions the global `call`, or `me`.
    pub(crate) wants_call: bool,
    pub(crate) wants_me: bool,
    pub(crate) lines: Lines,
}

/// Which lines of the compiled text are the agent's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// Lines before the first of its own.
    pub(crate) before: u32,
    /// How many are its own.
    pub(crate) own: u32,
}

/// A source with the function that is called at its end.
type Key = (Arc<str>, Option<Arc<str>>);

/// The programs of one sandbox.
#[derive(Default)]
pub(crate) struct Programs {
    by_source: HashMap<Key, Program, rustc_hash::FxBuildHasher>,
}

impl Programs {
    /// The program of a source and entry point, compiled now or before.
    pub(crate) fn get(
        &mut self,
        source: &Arc<str>,
        file: &str,
        entry: &Entry,
    ) -> Result<&Program, CodeFailure> {
        let key = (Arc::clone(source), entry.function().map(Arc::from));
        if self.by_source.len() >= PROGRAMS_MAX && !self.by_source.contains_key(&key) {
            self.by_source.clear();
        }
        match self.by_source.entry(key) {
            Slot::Occupied(slot) => Ok(slot.into_mut()),
            Slot::Vacant(slot) => Ok(slot.insert(compile(source, file, entry)?)),
        }
    }
}

/// Compiles a source so that its entry point is called at the end.
pub(crate) fn compile(source: &str, file: &str, entry: &Entry) -> Result<Program, CodeFailure> {
    if source.len() > limits::CODE_BYTES_MAX {
        let message = format!("the code has {} bytes; the most is {}", source.len(), limits::CODE_BYTES_MAX);
        return Err(report::plain(FailureKind::Invalid, message));
    }
    let resolved = imports::resolve(source);
    let mut text = resolved.prelude;
    let count = |text: &str| u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    let lines = Lines { before: count(&text), own: count(&resolved.source).max(1) };
    text.push_str(&resolved.source);
    if let Some(function) = entry.function() {
        if !resolved.bound.iter().any(|name| name == function) || function.starts_with('_') {
            return Err(no_entry(function, &resolved.bound));
        }
        text.push_str(&format!("\n{function}(*{ARGS})"));
    }
    let mut inputs = vec![ARGS.to_owned()];
    let (wants_call, wants_me) = (source.contains("call"), source.contains("me"));
    inputs.extend(wants_call.then(|| "call".to_owned()));
    inputs.extend(wants_me.then(|| "me".to_owned()));
    // An `assert` says what its author wrote, as in Python, and not the values that its condition had.
    let options = CompileOptions { assert_message_annotations: AssertMessageAnnotations::Off };
    let run = MontyRun::new(text, SHARED, inputs, options);
    let code = run.map_err(|error| report::invalid(&error, file, lines))?;
    Ok(Program { code, wants_call, wants_me, lines })
}

fn no_entry(function: &str, bound: &[String]) -> CodeFailure {
    let public: Vec<&str> =
        bound.iter().map(String::as_str).filter(|name| !name.starts_with('_')).take(20).collect();
    let has = if public.is_empty() {
        "it defines none".into()
    } else {
        format!("it defines {}", public.join(", "))
    };
    report::plain(FailureKind::NoEntry, format!("the code has no function `{function}`; {has}"))
}
