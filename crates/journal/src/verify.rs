//! Verification: everything from the first record on, against everything else.

use oikos_kernel::world::World;

use crate::{
    batch::Hash,
    error::JournalError,
    store::{Head, Journal},
};

/// How many records lie between two audits of the books.
const AUDIT_RECORDS: u64 = 50_000;

/// What verification found, when it found nothing wrong.
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
}

/// Re-applies the journal from the first record, and checks every hash, guard, sum and snapshot, and
/// the head. `progress` is told the number of each batch's last record.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn verify(journal: &Journal, mut progress: impl FnMut(u64)) -> Result<Verified, JournalError> {
    let snapshots = journal.snapshot_seqs()?;
    let mut due = snapshots.iter().copied().peekable();
    let mut world = World::empty();
    let mut end = Head::default();
    let (mut batches, mut epochs, mut last_epoch, mut audited) = (0, 0, 0, 0);
    journal.rows(0, |row| {
        let place = format!("the batch that begins with record {}", row.seq_first);
        if row.epoch < last_epoch || row.epoch == 0 {
            return Err(JournalError::corrupt(
                place,
                format!("its epoch {} is before {last_epoch}", row.epoch),
            ));
        }
        epochs += u64::from(row.epoch != last_epoch);
        last_epoch = row.epoch;
        let mut chain = end.journal_hash;
        for record in row.unpack(&mut chain)? {
            world
                .apply(&record)
                .map_err(|error| JournalError::corrupt(format!("record {}", record.seq), error.problem))?;
        }
        // Snapshots are taken where a batch ends.
        if due.next_if_eq(&world.seq()).is_some() {
            compare(journal, &world, chain)?;
        }
        end = Head { seq: world.seq(), row_hash: row.hash, journal_hash: chain };
        batches += 1;
        if world.seq() >= audited + AUDIT_RECORDS {
            audited = world.seq();
            audit(&world)?;
        }
        progress(world.seq());
        Ok(())
    })?;
    if end != journal.head() {
        let head = journal.head();
        let problem = if end.seq == head.seq {
            "its hashes are not those of the journal".into()
        } else {
            format!("it names record {}, but the journal ends with {}", head.seq, end.seq)
        };
        return Err(JournalError::corrupt("the head", problem));
    }
    if let Some(seq) = due.next() {
        return Err(JournalError::corrupt(format!("the snapshot at record {seq}"), "no batch ends there"));
    }
    audit(&world)?;
    let snapshots = snapshots.len() as u64;
    Ok(Verified { world, journal_hash: end.journal_hash, batches, snapshots, epochs })
}

fn audit(world: &World) -> Result<(), JournalError> {
    let place = || format!("record {}", world.seq());
    world.audit().map_err(|error| JournalError::corrupt(place(), error.to_string()))
}

/// A snapshot must be the state that the records make.
fn compare(journal: &Journal, world: &World, chain: Hash) -> Result<(), JournalError> {
    let Some(snapshot) = journal.snapshot(world.seq())? else { return Ok(()) };
    let digest = world.digest();
    if snapshot.digest != digest || snapshot.journal_hash != chain || snapshot.world()?.digest() != digest {
        let place = format!("the snapshot at record {}", world.seq());
        return Err(JournalError::corrupt(place, "it is not the state that the records make"));
    }
    Ok(())
}
