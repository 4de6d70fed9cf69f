//! The kin of a world: the one that it was forked from and those that were forked from it, as far as they stand in its
//! folder; and the records at which two of them are as old.

use std::path::{Path, PathBuf};

use oikos_journal::{Address, Journal, worlds_beside};

use crate::{
    error::RunError,
    fork::{Parent, parent},
    when::{at_time, record},
};

/// Files of a folder that are opened to see whether they are kin.
const OPENED_MAX: usize = 200;

/// Another world of the same descent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kin {
    /// The name of its file, which stands in the folder of the first.
    pub name: String,
    /// Its descent.
    pub kinship: Kinship,
    /// The last record that both had when they parted.
    pub shared: u64,
    /// Its last record.
    pub head: u64,
    /// The file.
    pub file: PathBuf,
}

/// The descent of another world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// The world was forked from it.
    Parent,
    /// It was forked from the world.
    Fork,
}

/// The kin of a world, by their names. Files that can't be read as worlds are passed over, and so are those with names
/// that are no text.
///
/// # Errors
/// When the world's own journal or its folder can't be read.
pub fn kin(journal: &Journal) -> Result<Vec<Kin>, RunError> {
    let Some(world) = journal.address().and_then(Address::as_file) else { return Ok(Vec::new()) };
    let own = parent(journal)?;
    let head = journal.head().seq;
    let Some(own_name) = name_of(world) else { return Ok(Vec::new()) };
    let found = worlds_beside(world)?.into_iter().take(OPENED_MAX).filter_map(|file| {
        let name = name_of(&file)?.to_owned();
        let other = Journal::open_read_only(&file).ok()?;
        let shares = |parent: &Parent, name: &str, until: u64| parent.file == name && parent.seq <= until;
        let there = other.head().seq;
        let theirs = parent(&other).ok()?.filter(|parent| shares(parent, own_name, head));
        let (kinship, parent) = match (theirs, &own) {
            (Some(parent), _) => (Kinship::Fork, parent),
            (None, Some(parent)) if shares(parent, &name, there) => (Kinship::Parent, parent.clone()),
            (None, _) => return None,
        };
        Some(Kin { name, kinship, shared: parent.seq, head: there, file })
    });
    Ok(found.collect())
}

fn name_of(file: &Path) -> Option<&str> {
    file.file_name()?.to_str()
}

/// The records after which two worlds stood at the same time, which is that of the first after a record, or that of
/// the second's end where that is earlier. Up to the last record that they share it is the same record.
///
/// # Errors
/// When a journal can't be read.
pub fn aligned(first: &Journal, seq: u64, (second, shared): (&Journal, u64)) -> Result<(u64, u64), RunError> {
    let end = second.head().seq;
    if seq <= shared {
        return Ok((seq, seq.min(end)));
    }
    let time = |journal: &Journal, seq: u64| record(journal, seq).map(|record| record.map(|one| one.time));
    match (time(first, seq)?, time(second, end)?) {
        (Some(ours), Some(theirs)) if theirs < ours => Ok((at_time(first, theirs)?.clamp(shared, seq), end)),
        (Some(ours), Some(_)) => Ok((seq, at_time(second, ours)?.max(shared))),
        (_, None) | (None, _) => Ok((seq, end)),
    }
}
