//! A world copied whole from one place to another: the same rows, so the same hashes.

use oikos_kernel::time::Time;

use crate::{
    address::Address,
    agent_series::AgentPart,
    batch::Row,
    beside::Beside,
    error::JournalError,
    journal::Journal,
    log::{Head, Known, Log},
    series::{Sample, SeriesRow},
};

/// Bytes of rows that are copied in one commit, about.
const BYTES: usize = 4 << 20;
/// Rows of the tape that are copied in one commit.
const ROWS: usize = 256;
/// Moments of the series that are copied in one commit.
const SAMPLES: usize = 1_024;
/// All snapshots are kept.
const ALL: usize = usize::MAX;

/// Copies a world, up to where a journal that reads it ends, to where there is none. Each row is checked on the way.
/// The new world has its name when it is whole; until then there is none of that name.
///
/// # Errors
/// When the world is damaged, something has the new name, it can't be written, or it does not go on: nothing is left
/// of the copy then.
pub fn copy(from: &Journal, to: &Address, goes_on: &dyn Fn() -> bool) -> Result<Head, JournalError> {
    let Some(beside) = Beside::of(to)? else {
        let problem = "it is there already, and a copy needs a new name".into();
        return Err(JournalError::Open { path: to.to_string().into(), problem });
    };
    let mut journal = Journal::create(beside.address())?;
    journal.take_all(from, goes_on)?;
    let head = from.head();
    journal.refresh()?;
    if journal.head() != head {
        return Err(JournalError::corrupt("the copy", "it does not end as the world that was copied"));
    }
    drop(journal);
    asked(goes_on)?;
    beside.take_place()?;
    Ok(head)
}

/// Ends the work that is not to go on.
fn asked(goes_on: &dyn Fn() -> bool) -> Result<(), JournalError> {
    if goes_on() { Ok(()) } else { Err(JournalError::Stopped) }
}

/// Copies all rows of a journal to an empty store.
pub(crate) fn rows(
    from: &Journal,
    to: &mut dyn Log,
    goes_on: &dyn Fn() -> bool,
) -> Result<Head, JournalError> {
    let metas = from.metas()?;
    let metas: Vec<(&str, &[u8])> =
        metas.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
    let (mut waiting, mut bytes) = (Vec::<Row>::new(), 0);
    let (mut head, mut next, mut chain) = (Head::default(), Head::default(), [0; 32]);
    from.rows(1, |row| {
        asked(goes_on)?;
        if bytes >= BYTES {
            to.append(&waiting, (head, next), if head.seq == 0 { &metas } else { &[] }, &[])?;
            waiting.clear();
            (head, bytes) = (next, 0);
        }
        let mut last = 0;
        row.records(&mut chain, |record| {
            last = record.seq;
            Ok::<(), JournalError>(())
        })?;
        next = Head { seq: last, row_hash: row.hash, journal_hash: chain };
        bytes += row.body.len();
        waiting.push(row.clone());
        Ok::<(), JournalError>(())
    })?;
    to.append(&waiting, (head, next), if head.seq == 0 { &metas } else { &[] }, &[])?;
    Ok(next)
}

/// Copies the snapshots and the tape.
pub(crate) fn beside_rows(
    from: &Journal,
    to: &mut dyn Log,
    head: Head,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), JournalError> {
    for mark in from.marks()? {
        let mut pieces = Vec::new();
        while let Some(piece) = from.piece(mark.at.seq, pieces.len() as u64)? {
            asked(goes_on)?;
            pieces.push(piece);
        }
        // One that was let go meanwhile is not whole.
        if pieces.iter().map(|piece| piece.len() as u64).sum::<u64>() == mark.bytes {
            to.put_snapshot(&mark, &pieces, ALL)?;
        }
    }
    let mut taped = Vec::new();
    from.tape(None, |row| {
        asked(goes_on)?;
        taped.push(row);
        if taped.len() >= ROWS {
            to.put_tape(head, &taped, Known::Replaced)?;
            taped.clear();
        }
        Ok::<(), JournalError>(())
    })?;
    to.put_tape(head, &taped, Known::Replaced).map(drop)
}

/// Copies the series of a journal, of measures and of agents, to one that has none: the values that are `wanted`, by
/// their record and their moment.
///
/// # Errors
/// When a value is damaged, or a write fails.
pub fn copy_series(
    from: &Journal,
    to: &mut Journal,
    wanted: impl Fn(u64, Time) -> bool,
) -> Result<(), JournalError> {
    let mut samples = Waiting::default();
    from.series(|SeriesRow { seq, time, name, value }| {
        if wanted(seq, time) {
            samples.of(to, (seq, time), 1)?.values.push((name, value));
        }
        Ok::<(), JournalError>(())
    })?;
    to.put_series(&samples.all)?;
    let mut parts = Waiting::default();
    from.agent_series(|AgentPart { seq, time, rows }| {
        if wanted(seq, time) {
            parts.of(to, (seq, time), rows.lines.len())?.agents.push(rows);
        }
        Ok::<(), JournalError>(())
    })?;
    to.put_series(&parts.all)
}

/// Samples that are to be stored in one commit.
#[derive(Default)]
struct Waiting {
    all: Vec<Sample>,
    bytes: usize,
}

impl Waiting {
    /// The sample of a moment, to which something is added; those before it are stored where they are many.
    fn of(
        &mut self,
        to: &mut Journal,
        (seq, time): (u64, Time),
        bytes: usize,
    ) -> Result<&mut Sample, JournalError> {
        if self.all.last().is_none_or(|sample| sample.time != time) {
            if self.all.len() >= SAMPLES || self.bytes >= BYTES {
                to.put_series(&self.all)?;
                *self = Self::default();
            }
            // Nothing of a new journal is in its way.
            let (after, values, agents) = (Some(time), Vec::new(), Vec::new());
            self.all.push(Sample { seq, time, after, values, agents });
        }
        self.bytes += bytes;
        self.all.last_mut().ok_or_else(|| JournalError::corrupt("the series", "a sample is missing"))
    }
}
