//! The entries of a memory (`design/MINDS.md §8`): texts with a time, an importance and tags, numbered from 1.
//!
//! They are part of the artifact's state. A clone shares all of them, with the words of each, which are found when it
//! is remembered, or, in a world that was read, when a recall first needs them.

// Its parts:
mod word;
// Built on it:
mod rank;

use std::sync::{Arc, OnceLock};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    rank::{Asked, Found, ranked},
    word::Words,
};
use crate::{
    limits::{BASE_BYTES, IMPORTANCE_MAX, MEMORY_ENTRIES_MAX},
    record::Memo,
    time::Time,
};

/// The kind of artifacts that hold entries.
pub(crate) const KIND: &str = "memory";

/// The tag of entries that are always in the prompt of the agent whose memory it is.
pub(crate) const PINNED: &str = "pinned";

/// The tag that a recall finds superseded entries by; the world gives it, and nobody else.
pub(crate) const SUPERSEDED: &str = "superseded";

/// An entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) memo: Arc<Memo>,
    /// When it was remembered.
    pub(crate) time: Time,
    /// The entry that stands in its place.
    pub(crate) superseded_by: Option<u64>,
    #[serde(skip)]
    words: Arc<OnceLock<Words>>,
}

/// Words that a recall has found are no part of an entry.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (&self.memo, self.time, self.superseded_by) == (&other.memo, other.time, other.superseded_by)
    }
}

impl Entry {
    /// The words of its text.
    pub(crate) fn words(&self) -> &Words {
        self.words.get_or_init(|| Words::of(&self.memo.text))
    }

    /// Whether it has a tag; `superseded` is had by those that are.
    pub(crate) fn has(&self, tag: &str) -> bool {
        if tag == SUPERSEDED {
            self.superseded_by.is_some()
        } else {
            self.memo.tags.iter().any(|own| own == tag)
        }
    }
}

/// The entries of one artifact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    entries: OrdMap<u64, Arc<Entry>>,
    /// The number of the last entry; no number is given twice.
    last: u64,
    /// Bytes that all of them count for.
    bytes: i64,
}

/// Bytes that an entry counts for on the disk of the memory's owner.
pub(crate) fn memo_bytes(memo: &Memo) -> i64 {
    let words = memo.text.len() + memo.tags.iter().map(|tag| BASE_BYTES + tag.len()).sum::<usize>();
    i64::try_from(BASE_BYTES + words).unwrap_or(i64::MAX)
}

impl Memory {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> i64 {
        self.bytes
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number).map(AsRef::as_ref)
    }

    /// Every entry with its number, in the order in which they were remembered.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(number, entry)| (*number, &**entry))
    }

    /// The number that the next entry will have.
    pub(crate) fn next(&self) -> u64 {
        self.last + 1
    }

    /// Whether an entry fits into it.
    pub(crate) fn check(&self, memo: &Memo) -> Result<(), String> {
        if self.len() >= MEMORY_ENTRIES_MAX {
            return Err(format!("a memory has {MEMORY_ENTRIES_MAX} entries"));
        }
        if i64::from(memo.importance) > IMPORTANCE_MAX {
            return Err(format!("an importance of {}", memo.importance));
        }
        match memo.supersedes.map(|number| self.get(number)) {
            None | Some(Some(Entry { superseded_by: None, .. })) => Ok(()),
            Some(_) => Err("it supersedes an entry that does not stand".into()),
        }
    }

    /// Adds an entry that [`Self::check`] lets in.
    pub(crate) fn add(&mut self, memo: &Arc<Memo>, time: Time) {
        let number = self.next();
        if let Some(before) = memo.supersedes.and_then(|before| self.entries.get_mut(&before)) {
            Arc::make_mut(before).superseded_by = Some(number);
        }
        let entry = Entry { memo: Arc::clone(memo), time, superseded_by: None, words: Arc::default() };
        // A first recall does not wait for the words of thousands.
        entry.words();
        self.last = number;
        self.bytes += memo_bytes(memo);
        self.entries.insert(number, Arc::new(entry));
    }

    /// Takes an entry out. The one that it superseded stands again, unless the entry did not stand itself.
    pub(crate) fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        self.bytes -= memo_bytes(&entry.memo);
        if entry.superseded_by.is_some() {
            return;
        }
        let before = entry.memo.supersedes.and_then(|before| self.entries.get_mut(&before));
        if let Some(before) = before.filter(|before| before.superseded_by == Some(number)) {
            Arc::make_mut(before).superseded_by = None;
        }
    }

    /// Takes all entries out.
    pub(crate) fn clear(&mut self) {
        self.entries = OrdMap::new();
        self.bytes = 0;
    }

    /// Whether its numbers and bytes are those of its entries.
    pub(crate) fn is_sound(&self) -> bool {
        let bytes: i64 = self.entries().map(|(_, entry)| memo_bytes(&entry.memo)).sum();
        let numbers = self.entries().all(|(number, entry)| {
            // The entry in whose place another stands may be gone, when it did not stand itself.
            let stands = entry.superseded_by.is_none_or(|by| {
                by <= self.last && self.get(by).is_none_or(|by| by.memo.supersedes == Some(number))
            });
            number >= 1 && number <= self.last && stands && i64::from(entry.memo.importance) <= IMPORTANCE_MAX
        });
        bytes == self.bytes && numbers
    }
}
