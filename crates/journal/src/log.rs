//! The door to a store: rows, values and snapshots, and nothing of what they mean.

use oikos_kernel::tape::Taped;

use crate::{
    agent_series::AgentPart,
    batch::{Hash, Row},
    error::JournalError,
    series::{Sample, SeriesRow},
    snapshot::Mark,
};

/// Where a journal ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last record's number; 0 when there is none.
    pub seq: u64,
    /// The last row's hash.
    pub row_hash: Hash,
    /// The chain over all records; it does not depend on their batches.
    pub journal_hash: Hash,
}

impl Head {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.seq.to_le_bytes()[..], &self.row_hash, &self.journal_hash].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (row_hash, rest) = rest.split_first_chunk::<32>()?;
        let journal_hash = rest.try_into().ok()?;
        Some(Self { seq: u64::from_le_bytes(*seq), row_hash: *row_hash, journal_hash })
    }
}

/// Where one world's rows, values and snapshots are kept.
///
/// A committed row stays, also when the machine loses power. Rows never change. A reader may
/// see more from one call to the next, never less, but for snapshots that were let go.
pub(crate) trait Log: std::fmt::Debug + Send {
    /// Whether the journal ends there still, where that is told sooner than where it ends.
    fn is_at(&self, _head: Head) -> Result<bool, JournalError> {
        Ok(false)
    }

    /// Where the journal ends, and the last row, both of one moment; `None` when nothing was committed.
    fn end(&self) -> Result<Option<(Head, Row)>, JournalError>;

    /// Whether nothing of it is there any more, though it was opened.
    fn is_gone(&self) -> Result<bool, JournalError> {
        Ok(false)
    }

    /// The row that begins with the greatest number that is not above `seq`.
    fn row_from(&self, seq: u64) -> Result<Option<Row>, JournalError>;

    /// The row that begins with the smallest number above `seq`.
    fn row_after(&self, seq: u64) -> Result<Option<Row>, JournalError>;

    /// Whether somebody writes to it at this moment; `None` where that is told by its address.
    fn has_writer(&self) -> Result<Option<bool>, JournalError> {
        Ok(None)
    }

    /// The address at which its writer serves it, where the store keeps that.
    fn served_at(&self) -> Result<Option<String>, JournalError> {
        Ok(None)
    }

    /// Keeps the address at which it is served by this writer, for as long as it writes, where the store keeps that.
    fn serve_at(&mut self, _head: Head, _url: &str) -> Result<(), JournalError> {
        Ok(())
    }

    /// Adds rows, moves the head from the first of two to the second, sets values and adds samples, all at once. When
    /// the head is not the first any more, somebody else has written: nothing is added.
    fn append(
        &mut self,
        rows: &[Row],
        heads: (Head, Head),
        meta: &[(&str, &[u8])],
        samples: &[Sample],
    ) -> Result<(), JournalError>;

    /// Adds samples of the series, all at once, where the journal ends with `head`.
    fn put_series(&mut self, head: Head, samples: &[Sample]) -> Result<(), JournalError>;

    /// The first value of the series after a place, with its own place.
    fn series_after(&self, place: i64) -> Result<Option<(i64, SeriesRow)>, JournalError>;

    /// The place of the last value of the series; 0 where there is none.
    fn series_end(&self) -> Result<i64, JournalError>;

    /// The first part of the series of agents after a place, with its own place.
    fn agents_after(&self, place: i64) -> Result<Option<(i64, AgentPart)>, JournalError>;

    /// A value.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError>;

    /// All values that the writer keeps, by their keys.
    fn metas(&self) -> Result<Vec<(String, Vec<u8>)>, JournalError>;

    /// Sets a value, where the journal ends with `head`.
    fn set_meta(&mut self, head: Head, key: &str, value: &[u8]) -> Result<(), JournalError>;

    /// The snapshots of records up to `seq`, the first `count` of them counted from the last.
    fn snapshots(&self, seq: u64, count: usize) -> Result<Vec<Mark>, JournalError>;

    /// A piece of a snapshot, counted from 0.
    fn piece(&self, seq: u64, number: u64) -> Result<Option<Vec<u8>>, JournalError>;

    /// Adds a snapshot and lets go of some before the last `keep`, all at once.
    fn put_snapshot(&mut self, mark: &Mark, pieces: &[Vec<u8>], keep: usize) -> Result<(), JournalError>;

    /// Adds rows to the tape, all at once, where the journal ends with `head`; gives how many were added or changed.
    fn put_tape(&mut self, head: Head, rows: &[Taped], known: Known) -> Result<usize, JournalError>;

    /// Marks the rows of askings as used, each at the state of its `seq`, all at once, where the journal ends with
    /// `head`.
    fn use_tape(&mut self, head: Head, rows: &[Taped]) -> Result<(), JournalError>;

    /// The row of one asking.
    fn taped(&self, agent: &str, hash: &Hash, n: u64) -> Result<Option<Taped>, JournalError>;

    /// The first row of the tape after a place, of one agent or of all, with its own place.
    fn tape_after(&self, place: i64, agent: Option<&str>) -> Result<Option<(i64, Taped)>, JournalError>;
}

/// The fate of a row of the tape for an asking of which there is one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The new one takes its place.
    Replaced,
    /// The old one stays.
    Kept,
}
