//! A world copied whole from one place to another: the same rows, so the same hashes.

use crate::{
    address::Address,
    batch::Row,
    beside::Beside,
    error::JournalError,
    journal::Journal,
    log::{Head, Known, Log},
    series::Sample,
};

/// Bytes of rows that are copied in one commit, about.
const BYTES: usize = 4 << 20;
/// Rows of the tape, or values of the series, that are copied in one commit.
const ROWS: usize = 256;
/// All snapshots are kept.
const ALL: usize = usize::MAX;

/// Copies a world, up to where a journal that reads it ends, to where there is none. Each row is checked on the way.
/// The new world has its name when it is whole; until then there is none of that name.
///
/// # Errors
/// When the world is damaged, something has the new name, or it can't be written.
pub fn copy(from: &Journal, to: &Address) -> Result<Head, JournalError> {
    let Some(beside) = Beside::of(to)? else {
        let problem = "it is there already, and a copy needs a new name".into();
        return Err(JournalError::Open { path: to.to_string().into(), problem });
    };
    let mut journal = Journal::create(beside.address())?;
    journal.take_all(from)?;
    let head = from.head();
    journal.refresh()?;
    if journal.head() != head {
        return Err(JournalError::corrupt("the copy", "it does not end as the world that was copied"));
    }
    drop(journal);
    beside.take_place()?;
    Ok(head)
}

/// Copies all rows of a journal to an empty store.
pub(crate) fn rows(from: &Journal, to: &mut dyn Log) -> Result<Head, JournalError> {
    let metas = from.metas()?;
    let metas: Vec<(&str, &[u8])> =
        metas.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
    let (mut waiting, mut bytes) = (Vec::<Row>::new(), 0);
    let (mut head, mut next, mut chain) = (Head::default(), Head::default(), [0; 32]);
    from.rows(1, |row| {
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

/// Copies all that stands beside the rows: snapshots, series and the tape.
pub(crate) fn beside_rows(from: &Journal, to: &mut dyn Log, head: Head) -> Result<(), JournalError> {
    for mark in from.marks()? {
        let mut pieces = Vec::new();
        while let Some(piece) = from.piece(mark.at.seq, pieces.len() as u64)? {
            pieces.push(piece);
        }
        // One that was let go meanwhile has none.
        if !pieces.is_empty() {
            to.put_snapshot(&mark, &pieces, ALL)?;
        }
    }
    let mut samples: Vec<Sample> = Vec::new();
    from.series(|row| {
        let same = samples.last_mut().filter(|sample| (sample.time, sample.seq) == (row.time, row.seq));
        match same {
            Some(sample) => sample.values.push((row.name, row.value)),
            None => {
                if samples.len() >= ROWS {
                    to.put_series(head, &samples)?;
                    samples.clear();
                }
                // Nothing of a new journal is in its way.
                samples.push(Sample {
                    seq: row.seq,
                    time: row.time,
                    after: Some(row.time),
                    values: vec![(row.name, row.value)],
                    agents: Vec::new(),
                });
            }
        }
        Ok::<(), JournalError>(())
    })?;
    to.put_series(head, &samples)?;
    let mut parts: Vec<Sample> = Vec::new();
    from.agent_series(|part| {
        let lines: usize = parts.iter().flat_map(|part| &part.agents).map(|rows| rows.lines.len()).sum();
        match parts.last_mut().filter(|sample| (sample.time, sample.seq) == (part.time, part.seq)) {
            Some(sample) => sample.agents.push(part.rows),
            None => {
                if lines >= BYTES {
                    to.put_series(head, &parts)?;
                    parts.clear();
                }
                let (values, agents) = (Vec::new(), vec![part.rows]);
                parts.push(Sample { seq: part.seq, time: part.time, after: Some(part.time), values, agents });
            }
        }
        Ok::<(), JournalError>(())
    })?;
    to.put_series(head, &parts)?;
    let mut taped = Vec::new();
    from.tape(None, |row| {
        taped.push(row);
        if taped.len() >= ROWS {
            to.put_tape(head, &taped, Known::Replaced)?;
            taped.clear();
        }
        Ok::<(), JournalError>(())
    })?;
    to.put_tape(head, &taped, Known::Replaced).map(drop)
}
