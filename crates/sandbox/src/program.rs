//! Compiled programs, kept by their source and entry point.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use monty::MontyRun;
use monty_types::{AssertMessageAnnotations, CompileOptions};
use oikos_kernel::{
    code::{CodeFailure, Entry, FailureKind},
    limits,
};

use crate::{imports, report};

/// How many programs a sandbox keeps compiled.
const PROGRAMS_MAX: usize = 4_096;

/// Bytes of their sources together.
const SOURCE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The input that holds the positional arguments.
const ARGS: &str = "_oikos_args";

/// The file name of every program: artifacts share code, and reports name the file of the run instead.
const SHARED: &str = "code";

/// A source compiled for one entry point.
#[derive(Clone)]
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

/// A program that is kept, with its source: while it is kept, no other text lies where that one does.
struct Kept {
    source: Arc<str>,
    program: Program,
    /// When it was last used, counted in uses.
    used: u64,
}

/// Programs by a key, as many as there is room for.
struct Table<K> {
    kept: HashMap<K, Kept, rustc_hash::FxBuildHasher>,
    source_bytes: usize,
    uses: u64,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { kept: HashMap::default(), source_bytes: 0, uses: 0 }
    }
}

impl<K: Hash + Eq> Table<K> {
    fn get(&mut self, key: &K) -> Option<Program> {
        self.uses += 1;
        let kept = self.kept.get_mut(key)?;
        kept.used = self.uses;
        Some(kept.program.clone())
    }

    /// When there are too many, or their sources are too large together, the half that was used longest ago goes.
    fn keep(&mut self, key: K, source: &Arc<str>, program: Program) {
        if self.kept.len() >= PROGRAMS_MAX || self.source_bytes + source.len() > SOURCE_BYTES_MAX {
            let mut used: Vec<u64> = self.kept.values().map(|kept| kept.used).collect();
            used.sort_unstable();
            let middle = used.get(used.len() / 2).copied().unwrap_or(self.uses);
            self.kept.retain(|_, kept| kept.used > middle);
            self.source_bytes = self.kept.values().map(|kept| kept.source.len()).sum();
        }
        let kept = Kept { source: Arc::clone(source), program, used: self.uses };
        self.source_bytes += source.len();
        if let Some(before) = self.kept.insert(key, kept) {
            self.source_bytes -= before.source.len();
        }
    }
}

/// The programs of one sandbox, by entry point and by where their source lies in memory: the world shares its
/// sources, so that nearly every look finds its text where it lay before. Others are found by their text.
#[derive(Default)]
pub(crate) struct Programs {
    by_place: Table<(usize, Entry)>,
    by_text: Table<(Arc<str>, Entry)>,
}

impl Programs {
    /// A copy of the program of a source and entry point, if it is kept: a run needs one of its own, since the
    /// interpreter writes into it.
    pub(crate) fn get(&mut self, source: &Arc<str>, entry: &Entry) -> Option<Program> {
        let place = (Arc::as_ptr(source).addr(), entry.clone());
        if let Some(program) = self.by_place.get(&place) {
            return Some(program);
        }
        let program = self.by_text.get(&(Arc::clone(source), entry.clone()))?;
        self.by_place.keep(place, source, program.clone());
        Some(program)
    }

    /// Keeps a program.
    pub(crate) fn keep(&mut self, source: &Arc<str>, entry: &Entry, program: Program) {
        self.by_place.keep((Arc::as_ptr(source).addr(), entry.clone()), source, program.clone());
        self.by_text.keep((Arc::clone(source), entry.clone()), source, program);
    }
}

/// The names of the functions that a source defines to be called.
pub(crate) fn defines(source: &str) -> Vec<String> {
    let bound = imports::resolve(source).bound;
    bound.into_iter().filter(|name| is_public(name)).collect()
}

fn is_public(name: &str) -> bool {
    !name.starts_with('_')
}

/// Compiles a source so that its entry point is called at the end.
pub(crate) fn compile(source: &str, file: &str, entry: &Entry) -> Result<Program, CodeFailure> {
    if source.len() > limits::CODE_BYTES_MAX {
        let message = format!("the code has {} bytes; the most is {}", source.len(), limits::CODE_BYTES_MAX);
        return Err(CodeFailure::plain(FailureKind::Invalid, message));
    }
    let resolved = imports::resolve(source);
    let mut text = resolved.prelude;
    let count = |text: &str| u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    let lines = Lines { before: count(&text), own: count(&resolved.source).max(1) };
    text.push_str(&resolved.source);
    if let Some(function) = entry.function() {
        if !resolved.bound.iter().any(|name| name == function) || !is_public(function) {
            return Err(no_entry(function, resolved.bound));
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

fn no_entry(function: &str, bound: Vec<String>) -> CodeFailure {
    let defines = bound.into_iter().filter(|name| is_public(name)).collect();
    let message = format!("the code has no function `{function}`");
    CodeFailure { defines, ..CodeFailure::plain(FailureKind::NoEntry, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_lately_is_kept() {
        let source = |at: usize| Arc::<str>::from(format!("def run():\n    return {at}"));
        let mut programs = Programs::default();
        let entry = Entry::Method("run".into());
        let program = compile("def run(): pass", "tool", &entry).expect("it compiles");
        let first = source(0);
        programs.keep(&first, &entry, program.clone());
        for at in 1..=2 * PROGRAMS_MAX {
            programs.keep(&source(at), &entry, program.clone());
            assert!(programs.get(&first, &entry).is_some(), "the first is used all the time, {at}");
        }
        assert!(
            programs.get(&source(1), &entry).is_none()
                && programs.get(&source(2 * PROGRAMS_MAX), &entry).is_some()
        );
        assert!(programs.by_place.kept.len() <= PROGRAMS_MAX && programs.by_text.kept.len() <= PROGRAMS_MAX);
        assert!(programs.get(&first, &Entry::Snippet).is_none(), "an entry point is a program of its own");
    }
}
