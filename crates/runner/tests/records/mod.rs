//! All the records of a live world, from its journal.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use oikos_runner::{JournalError, Live, kernel::record::Record, verify};

/// The records, once the journal has been verified and the books added up.
pub(crate) fn records(live: &mut Live) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let journal = live.sequencer.journal().expect("no fault");
    verify(&journal, |_| ()).expect("the journal verifies");
    let read = journal.records(1, |record| {
        records.push(record);
        Ok::<(), JournalError>(())
    });
    read.expect("the journal is read");
    drop(journal);
    live.world().audit().expect("the books add up");
    records
}
