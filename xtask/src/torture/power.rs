//! A disk whose power can be cut: from the calls of a program, the files as they may be found afterwards.
//!
//! Only synced bytes are sure. Of the bytes written since, all, none, or any part may be there. A name
//! is sure when its folder was synced; names change in order, so that any first part of the changes may be
//! there. SQLite's `-shm` files are left out: their contents don't outlive the machine.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fs,
    hash::{Hash as _, Hasher as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};

use super::log::{Call, Entry};

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The files of one folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    renames: Vec<NameChange>,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// The bytes that are sure.
    sure: Vec<u8>,
    /// The bytes that a reader is given now.
    cached: Vec<u8>,
    /// The changes since it was synced.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Cut(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, u64),
    Remove(String),
    Move(String, String),
}

/// The part of the unsure changes that is there after the power is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// All names, but none of the data.
    Names,
    /// All data, but none of the names.
    Data,
    /// All names, and one change of data.
    Only(usize),
    /// All names, and all data but one change.
    But(usize),
    /// By chance: each change whole, in part, or not, and some of the names.
    Chance(u64),
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::All => f.write_str("all"),
            Self::Names => f.write_str("names"),
            Self::Data => f.write_str("data"),
            Self::Only(change) => write!(f, "only-{change}"),
            Self::But(change) => write!(f, "but-{change}"),
            Self::Chance(seed) => write!(f, "chance-{seed}"),
        }
    }
}

impl std::str::FromStr for Found {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse::<u64>().context("--found takes a number behind the dash");
        let index = |text: &str| Ok::<_, anyhow::Error>(usize::try_from(number(text)?)?);
        Ok(match text.split_once('-') {
            None if text == "nothing" => Self::Nothing,
            None if text == "all" => Self::All,
            None if text == "names" => Self::Names,
            None if text == "data" => Self::Data,
            Some(("only", rest)) => Self::Only(index(rest)?),
            Some(("but", rest)) => Self::But(index(rest)?),
            Some(("chance", rest)) => Self::Chance(number(rest)?),
            _ => anyhow::bail!("--found is nothing, all, names, data, only-N, but-N or chance-N"),
        })
    }
}

impl Disk {
    /// The files of a folder, all of them sure.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut this = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (inode, bytes) = (entry.metadata()?.ino(), fs::read(entry.path())?);
            this.names.insert(name, inode);
            this.files.insert(inode, File { sure: bytes.clone(), cached: bytes, pending: Vec::new() });
        }
        Ok(this)
    }

    /// Has a call happen.
    pub(crate) fn take(&mut self, entry: &Entry) {
        let was_synced = entry.call == Call::Sync;
        if entry.failed && was_synced {
            // The system forgets what it could not write: a later sync does not make it sure.
            self.files.entry(entry.inode).or_default().pending.clear();
            return;
        }
        if entry.failed && entry.data.is_empty() {
            return;
        }
        match &entry.call {
            Call::Write => {
                let at = usize::try_from(entry.offset).unwrap_or(usize::MAX);
                self.change(entry.inode, Change::Write { at, data: entry.data.clone() });
            }
            Call::Cut => {
                self.change(entry.inode, Change::Cut(usize::try_from(entry.offset).unwrap_or(usize::MAX)));
            }
            Call::Create => {
                // A number may have belonged to a file that is gone.
                self.files.insert(entry.inode, File::default());
                self.renames.push(NameChange::Add(entry.name.clone(), entry.inode));
            }
            Call::Unlink => self.renames.push(NameChange::Remove(entry.name.clone())),
            Call::Rename(to) => self.renames.push(NameChange::Move(entry.name.clone(), to.clone())),
            Call::Link(to) => self.renames.push(NameChange::Add(to.clone(), entry.inode)),
            Call::Sync if entry.name.is_empty() => {
                for change in std::mem::take(&mut self.renames) {
                    change.apply(&mut self.names);
                }
            }
            Call::Sync => {
                let file = self.files.entry(entry.inode).or_default();
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.sure);
                }
            }
            Call::MakeFolder | Call::Output => {}
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let file = self.files.entry(inode).or_default();
        change.apply(&mut file.cached);
        file.pending.push(change);
    }

    /// How many changes of data are not sure.
    pub(crate) fn pending(&self) -> usize {
        self.files.values().map(|file| file.pending.len()).sum()
    }

    /// The files as they may be found, by name.
    pub(crate) fn found(&self, found: Found) -> BTreeMap<String, Vec<u8>> {
        let mut chance = Chance(if let Found::Chance(seed) = found { seed } else { 0 });
        let whole = self.renames.len();
        let renamed = match found {
            Found::Nothing | Found::Data => 0,
            Found::All | Found::Names | Found::Only(_) | Found::But(_) => whole,
            Found::Chance(_) => chance.below(whole + 1),
        };
        let mut names = self.names.clone();
        for change in self.renames.iter().take(renamed) {
            change.apply(&mut names);
        }
        let (mut contents, mut number) = (BTreeMap::new(), 0);
        for (inode, file) in &self.files {
            let mut bytes = file.sure.clone();
            match found {
                Found::Nothing | Found::Names => {}
                Found::All | Found::Data => bytes.clone_from(&file.cached),
                Found::Only(_) | Found::But(_) | Found::Chance(_) => {
                    for change in &file.pending {
                        match found {
                            Found::Only(only) if only != number => {}
                            Found::But(but) if but == number => {}
                            Found::Chance(_) => change.by_chance(&mut chance, &mut bytes),
                            _ => change.apply(&mut bytes),
                        }
                        number += 1;
                    }
                }
            }
            contents.insert(*inode, bytes);
        }
        let there = names.into_iter().filter(|(name, _)| !name.ends_with("-shm") && !name.contains('/'));
        there.filter_map(|(name, inode)| Some((name, contents.get(&inode)?.clone()))).collect()
    }
}

/// A number by which two states of a folder are told apart.
pub(crate) fn fingerprint(files: &BTreeMap<String, Vec<u8>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { at, data } => {
                let (at, end) = (*at, at.saturating_add(data.len()));
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(at..end) {
                    place.copy_from_slice(data);
                }
            }
            Self::Cut(length) => bytes.resize(*length, 0),
        }
    }

    /// Whole, not at all, or some of its sectors.
    fn by_chance(&self, chance: &mut Chance, bytes: &mut Vec<u8>) {
        match (chance.below(4), self) {
            (0, _) => {}
            (1, Self::Write { at, data }) => {
                let first = SECTOR - at % SECTOR;
                let (head, tail) = data.split_at(first.min(data.len()));
                let mut place = *at;
                for piece in std::iter::once(head).chain(tail.chunks(SECTOR)) {
                    if chance.below(2) == 0 {
                        Self::Write { at: place, data: piece.to_vec() }.apply(bytes);
                    }
                    place += piece.len();
                }
            }
            (_, whole) => whole.apply(bytes),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Add(name, inode) => drop(names.insert(name.clone(), *inode)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Move(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

/// Numbers that look like chance and are the same for the same seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(call: Call, name: &str, inode: u64, offset: u64, data: &[u8]) -> Entry {
        Entry { number: 1, call, name: name.into(), inode, offset, data: data.to_vec(), failed: false }
    }

    #[test]
    fn only_what_was_synced_is_sure() {
        let mut disk = Disk::default();
        let text = |disk: &Disk, found| {
            let files = disk.found(found).into_iter();
            files
                .map(|(name, bytes)| format!("{name}={}", String::from_utf8_lossy(&bytes)))
                .collect::<Vec<_>>()
        };
        disk.take(&entry(Call::Create, "a", 1, 0, b""));
        disk.take(&entry(Call::Write, "a", 1, 0, b"one"));
        assert!(text(&disk, Found::Nothing).is_empty() && text(&disk, Found::Data).is_empty());
        assert_eq!(
            (text(&disk, Found::Names), text(&disk, Found::All)),
            (vec!["a=".into()], vec!["a=one".into()])
        );
        disk.take(&entry(Call::Sync, "a", 1, 0, b""));
        disk.take(&entry(Call::Sync, "", 9, 0, b""));
        disk.take(&entry(Call::Write, "a", 1, 3, b"two"));
        disk.take(&entry(Call::Write, "a", 1, 0, b"ONE"));
        disk.take(&entry(Call::Rename("b".into()), "a", 1, 0, b""));
        assert_eq!(text(&disk, Found::Nothing), ["a=one"]);
        assert_eq!(text(&disk, Found::Only(0)), ["b=onetwo"]);
        assert_eq!(text(&disk, Found::But(0)), ["b=ONE"]);
        // A sync that failed makes nothing sure, and neither does the next one.
        let failed = Entry { failed: true, ..entry(Call::Sync, "a", 1, 0, b"") };
        disk.take(&failed);
        disk.take(&entry(Call::Sync, "a", 1, 0, b""));
        assert_eq!(
            (text(&disk, Found::Nothing), text(&disk, Found::All)),
            (vec!["a=one".into()], vec!["b=ONEtwo".into()])
        );
    }
}
