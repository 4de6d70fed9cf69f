//! Verification: everything from the first record on, against everything else.

use oikos_kernel::world::World;

use crate::{batch::Hash, error::JournalError, journal::Journal, log::Head, snapshot::Mark};

/// How many records lie between two audits of the books.
const AUDIT_RECORDS: u64 = 50_000;

/// The findings of a verification that found nothing wrong.
#[derive(Debug)]
pub struct Verified {
    /// The world at the head, made from the records alone.
    pub world: World,
    /// The chain over all records.
    pub journal_hash: Hash,
    /// How many batches there are.
    pub batches: u64,
    /// How many snapshots were compared.
    pub snapshots: u64,
    /// How often a writer opened the world and wrote.
    pub epochs: u64,
    /// How many rows the tape has, each with the hash of its own request.
    pub taped: u64,
}

/// Re-applies the journal from the first record, and checks every hash, guard, sum and snapshot, and
/// the head, and reads the tape. `progress` is told the number of each batch's last record.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn verify(journal: &Journal, mut progress: impl FnMut(u64)) -> Result<Verified, JournalError> {
    let marks = journal.marks()?;
    let mut due = marks.iter().peekable();
    let mut world = World::empty();
    let mut end = Head::default();
    let (mut batches, mut epochs, mut last_epoch, mut audited, mut snapshots) = (0, 0, 0, 0, 0);
    journal.rows(1, |row| {
        if row.epoch < last_epoch {
            let problem = format!("its epoch {} is before {last_epoch}", row.epoch);
            return Err(JournalError::corrupt(row.place(), problem));
        }
        epochs += u64::from(row.epoch != last_epoch);
        last_epoch = row.epoch;
        let mut chain = end.journal_hash;
        row.records(&mut chain, |record| {
            world
                .apply(&record)
                .map_err(|error| JournalError::corrupt(format!("record {}", record.seq), error.problem))
        })?;
        end = Head { seq: world.seq(), row_hash: row.hash, journal_hash: chain };
        // Snapshots are taken where a batch ends.
        if let Some(mark) = due.next_if(|mark| mark.at.seq == end.seq) {
            snapshots += u64::from(compare(journal, mark, &world, end)?);
        }
        batches += 1;
        if world.seq() >= audited + AUDIT_RECORDS {
            audited = world.seq();
            audit(&world)?;
        }
        progress(world.seq());
        Ok(())
    })?;
    if end != journal.head() {
        return Err(JournalError::corrupt("the head", "its hashes are not those of the journal"));
    }
    if let Some(mark) = due.next() {
        return Err(JournalError::corrupt(mark.place(), "no batch ends there"));
    }
    audit(&world)?;
    let mut taped = 0;
    journal.tape(None, |_| {
        taped += 1;
        Ok::<(), JournalError>(())
    })?;
    Ok(Verified { world, journal_hash: end.journal_hash, batches, snapshots, epochs, taped })
}

fn audit(world: &World) -> Result<(), JournalError> {
    let place = || format!("record {}", world.seq());
    world.audit().map_err(|error| JournalError::corrupt(place(), error.to_string()))
}

/// A snapshot must be the state that the records make. Whether it was there to be compared: the writer lets
/// go of old ones.
fn compare(journal: &Journal, mark: &Mark, world: &World, end: Head) -> Result<bool, JournalError> {
    let Some(stored) = journal.world(mark)? else { return Ok(false) };
    let digest = world.digest();
    if mark.at != end || mark.digest != digest || stored.digest() != digest {
        return Err(JournalError::corrupt(mark.place(), "it is not the state that the records make"));
    }
    Ok(true)
}
