//! Compiled programs, kept by their source.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use oikos_kernel::code::Entry;

use crate::values::write_text;

/// How many programs a sandbox keeps compiled.
const PROGRAMS_MAX: usize = 4_096;

/// Bytes of their sources together.
const SOURCE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A compiled source.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) code: Arc<Code>,
    /// The functions that it defines and that may be called.
    pub(crate) defines: Arc<[String]>,
    /// Whether the source mentions the global `call`, `me` or `parameters`.
    pub(crate) wants_call: bool,
    pub(crate) wants_me: bool,
    pub(crate) wants_parameters: bool,
}

/// Marshalled code without the name of its file, which stands in it once: artifacts share code, and each has its own
/// name in reports.
#[derive(Debug)]
pub(crate) struct Code {
    before: Box<[u8]>,
    after: Box<[u8]>,
}

/// A short ASCII text that is referred to later, plain and interned.
const SHORT_TEXTS: [u8; 2] = [b'z' | 0x80, b'Z' | 0x80];

impl Code {
    /// Takes the name of the file out; `None` when it is not there.
    pub(crate) fn without_file(bytes: &[u8], file: &str) -> Option<Self> {
        let length = u8::try_from(file.len()).ok()?;
        let at = bytes.windows(file.len()).position(|window| window == file.as_bytes())?;
        let before = bytes.get(..at)?.strip_suffix(&[length])?;
        let (tag, _) = before.split_last()?;
        if !SHORT_TEXTS.contains(tag) {
            return None;
        }
        Some(Self {
            before: before.get(..before.len() - 1)?.into(),
            after: bytes.get(at + file.len()..)?.into(),
        })
    }

    /// Appends the code, with the name of its file.
    pub(crate) fn write(&self, file: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before);
        let at = out.len();
        write_text(file, out);
        // It is referred to later.
        if let Some(tag) = out.get_mut(at) {
            *tag |= 0x80;
        }
        out.extend_from_slice(&self.after);
    }
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

/// How a source is compiled: a snippet has a value, and its code another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IsSnippet(pub(crate) bool);

impl IsSnippet {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self(*entry == Entry::Snippet)
    }
}

/// The programs of one sandbox, by where their source lies in memory: the world shares its sources, so that nearly
/// every look finds its text where it lay before. Others are found by their text.
#[derive(Default)]
pub(crate) struct Programs {
    by_place: Table<(usize, IsSnippet)>,
    by_text: Table<(Arc<str>, IsSnippet)>,
}

impl Programs {
    /// The program of a source, if it is kept.
    pub(crate) fn get(&mut self, source: &Arc<str>, shape: IsSnippet) -> Option<Program> {
        let place = (Arc::as_ptr(source).addr(), shape);
        if let Some(program) = self.by_place.get(&place) {
            return Some(program);
        }
        let program = self.by_text.get(&(Arc::clone(source), shape))?;
        self.by_place.keep(place, source, program.clone());
        Some(program)
    }

    /// Keeps a program.
    pub(crate) fn keep(&mut self, source: &Arc<str>, shape: IsSnippet, program: Program) {
        self.by_place.keep((Arc::as_ptr(source).addr(), shape), source, program.clone());
        self.by_text.keep((Arc::clone(source), shape), source, program);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_lately_is_kept() {
        let source = |at: usize| Arc::<str>::from(format!("def run():\n    return {at}"));
        let mut programs = Programs::default();
        let shape = IsSnippet(false);
        let code = Code::without_file(b"c\xda\x01fr\0", "f").expect("the file is in it");
        let program = Program {
            code: Arc::new(code),
            defines: Arc::new([]),
            wants_call: false,
            wants_me: false,
            wants_parameters: false,
        };
        let first = source(0);
        programs.keep(&first, shape, program.clone());
        for at in 1..=2 * PROGRAMS_MAX {
            programs.keep(&source(at), shape, program.clone());
            assert!(programs.get(&first, shape).is_some(), "the first is used all the time, {at}");
        }
        assert!(
            programs.get(&source(1), shape).is_none()
                && programs.get(&source(2 * PROGRAMS_MAX), shape).is_some()
        );
        assert!(programs.by_place.kept.len() <= PROGRAMS_MAX && programs.by_text.kept.len() <= PROGRAMS_MAX);
        assert!(programs.get(&first, IsSnippet(true)).is_none(), "a snippet is a program of its own");
    }

    #[test]
    fn a_program_bears_the_name_of_whose_it_is() {
        let code = Code::without_file(b"c\xda\x04file)\x01r", "file").expect("the file is in it");
        let mut out = Vec::new();
        code.write("alice", &mut out);
        assert_eq!(out, b"c\xfa\x05alice)\x01r");
        assert!(Code::without_file(b"c\xda\x04life", "file").is_none());
        assert!(Code::without_file(b"\x04file", "file").is_none());
    }
}
