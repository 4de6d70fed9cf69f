//! Worlds as their journals have them, at the end or at a moment, and the world files that they were made from.

use std::collections::BTreeSet;

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{
    id::Handle,
    record::{Cause, Record},
    time::Time,
    world::{Agent, ApplyError, World},
};

use crate::{
    config::{self, Source, WorldFile},
    error::RunError,
    library,
    open::{AskedBefore, OpenBefore},
};

/// Where the database keeps the world file.
pub(crate) const SOURCE: &str = "source";

/// A world at the head of a journal, and what is needed of its past to go on.
pub(crate) struct Past {
    pub(crate) world: World,
    /// The world as it stood when its last tick began.
    pub(crate) began: Option<World>,
    /// The turns of clients that are open.
    pub(crate) open_before: OpenBefore,
    /// Up to when it had nothing to do on the wall clock, as it was left.
    pub(crate) asleep_until: Option<Time>,
}

impl Past {
    pub(crate) fn of(world: World) -> Self {
        Self { world, began: None, open_before: OpenBefore::default(), asleep_until: None }
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, record: &Record) -> Result<(), RunError> {
        self.open_before.extend(asked_by(&self.world, record));
        apply(&mut self.world, record)?;
        match record.cause {
            Cause::Tick { .. } => self.began = Some(self.world.clone()),
            Cause::Step { agent, .. } | Cause::Short { agent, .. } => drop(self.open_before.remove(&agent)),
            _ => {}
        }
        Ok(())
    }
}

/// The world at the head of a journal, for those who only look.
///
/// # Errors
/// When the journal is damaged.
pub fn state(journal: &Journal) -> Result<World, RunError> {
    let (mut world, at) = journal.last_snapshot()?;
    journal.records_after(at, |record| apply(&mut world, &record))?;
    Ok(world)
}

/// The world after a record, which is not beyond the head.
///
/// # Errors
/// When the journal is damaged.
pub fn state_at(journal: &Journal, seq: u64) -> Result<World, RunError> {
    let (mut world, _) = journal.snapshot_at(seq)?;
    each_until(journal, world.seq(), seq, |record| apply(&mut world, &record))?;
    Ok(world)
}

/// Brings a world from where it stands to the head of its journal; `visit` is shown it after each record, and says
/// whether to go on.
///
/// # Errors
/// When the journal is damaged.
pub fn go_on(
    world: &mut World,
    journal: &Journal,
    mut visit: impl FnMut(&World, &Record) -> bool,
) -> Result<(), RunError> {
    if world.seq() >= journal.head().seq {
        return Ok(());
    }
    let mut gone = Ok(());
    journal.records_while(world.seq() + 1, |record| {
        gone = apply(world, &record);
        gone.is_ok() && visit(world, &record)
    })?;
    gone
}

/// Visits the records after one up to another.
pub(crate) fn each_until(
    journal: &Journal,
    after: u64,
    until: u64,
    mut visit: impl FnMut(Record) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let mut visited = Ok(());
    journal.records_while(after + 1, |record| {
        if record.seq > until {
            return false;
        }
        visited = visit(record);
        visited.is_ok()
    })?;
    visited
}

/// Applies a record that was read.
pub(crate) fn apply(world: &mut World, record: &Record) -> Result<(), RunError> {
    let corrupt = |error: ApplyError| {
        let place = format!("record {}", error.seq);
        JournalError::Corrupt { place, problem: error.problem }
    };
    Ok(world.apply(record).map_err(corrupt)?)
}

/// The world at the head of a journal, and what is needed of its past.
///
/// # Errors
/// When the journal is damaged.
pub(crate) fn past(journal: &Journal) -> Result<Past, RunError> {
    let (world, at) = journal.last_snapshot()?;
    let began = world.tick().filter(|tick| tick.seq == world.seq()).map(|_| world.clone());
    let mut past = Past { began, ..Past::of(world) };
    journal.records_after(at, |record| past.take(&record))?;
    let asked = past.world.agents().filter_map(Agent::asked_seq);
    let earlier: BTreeSet<u64> = asked.filter(|seq| *seq <= at.seq).collect();
    if let Some(first) = earlier.first() {
        // They were asked before the snapshot, which does not say what they saw.
        let (mut before, _) = journal.snapshot_at(first - 1)?;
        each_until(journal, before.seq(), at.seq, |record| {
            if earlier.contains(&record.seq) {
                past.open_before.extend(asked_by(&before, &record));
            }
            apply(&mut before, &record)
        })?;
    }
    Ok(past)
}

/// The turn that a record says was opened on a world as it was before: the record itself ends the wait that its agent
/// is told of.
fn asked_by(world: &World, record: &Record) -> Option<(Handle, AskedBefore)> {
    let Cause::Ask { agent, turn, .. } = record.cause else { return None };
    Some((agent, AskedBefore::of(world, agent, turn, record.time)?))
}

/// The world file that a database was made from.
pub(crate) fn recorded(journal: &Journal) -> Result<WorldFile, RunError> {
    Ok(config::reload(&recorded_source(journal)?, library::founders())?)
}

/// The text of the world file that a database was made from, with all it refers to.
///
/// # Errors
/// When it is missing or damaged.
pub fn recorded_source(journal: &Journal) -> Result<Source, RunError> {
    let corrupt = |problem: String| JournalError::Corrupt { place: "meta".into(), problem };
    let bytes = journal.meta(SOURCE)?.ok_or_else(|| corrupt("the world file is missing".into()))?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?)
}

/// The text of the world file with a digest: the one that a database records, or one that it had before it was forked.
///
/// # Errors
/// When it is missing or damaged.
pub(crate) fn source_of(journal: &Journal, digest: [u8; 32]) -> Result<Source, RunError> {
    let source = recorded_source(journal)?;
    if source.digest() == digest {
        return Ok(source);
    }
    let corrupt = |problem: String| JournalError::Corrupt { place: "meta".into(), problem };
    let bytes = journal.meta(&source_key(digest))?.ok_or_else(|| {
        corrupt("the recorded world file is not the one that the world was founded from".into())
    })?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?)
}

/// Where the database of a fork keeps a world file of its past.
pub(crate) fn source_key(digest: [u8; 32]) -> String {
    format!("{SOURCE}:{}", crate::report::hex(&digest))
}

/// Whether a world was founded from a recorded world file, or goes by it since it was forked.
///
/// # Errors
/// When it was not.
pub fn founded_from(world: &World, source: &Source) -> Result<(), RunError> {
    if source.digest() == world.source() {
        return Ok(());
    }
    let problem = "the recorded world file is not the one that the world was founded from".into();
    Err(JournalError::Corrupt { place: "meta".into(), problem }.into())
}

#[expect(clippy::expect_used, reason = "a source is text, and text is JSON")]
pub(crate) fn encode(source: &Source) -> Vec<u8> {
    serde_json::to_vec(source).expect("a world file can be written as JSON")
}
