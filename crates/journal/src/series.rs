//! The table `series` in SQLite: measures as they were taken while the world went on. It follows from the records, and
//! no hash depends on it.

use oikos_kernel::time::Time;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    agent_series::{self, AgentRows},
    error::JournalError,
};

/// The measures of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The last record at or before that moment.
    pub seq: u64,
    /// The moment.
    pub time: Time,
    /// The moment before, of which samples are kept. Those between the two were taken where a run ended, and the world
    /// went on.
    pub after: Option<Time>,
    /// Each measure with its value, if it had one.
    pub values: Vec<(String, Option<f64>)>,
    /// The numbers of each agent, in parts.
    pub agents: Vec<AgentRows>,
}

/// One value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRow {
    /// The last record at or before its moment.
    pub seq: u64,
    /// The moment.
    pub time: Time,
    /// The measure.
    pub name: String,
    /// Its value, if it had one.
    pub value: Option<f64>,
}

/// Bytes that a row takes, about.
const ROW_BYTES: usize = 96;

/// Bytes that samples take, about.
pub(crate) fn bytes(samples: &[Sample]) -> usize {
    let lines = |sample: &Sample| sample.agents.iter().map(|part| part.lines.len()).sum::<usize>();
    samples.iter().map(|sample| sample.values.len() * ROW_BYTES + lines(sample)).sum()
}

pub(crate) fn insert(db: &Connection, samples: &[Sample]) -> rusqlite::Result<()> {
    if samples.is_empty() {
        return Ok(());
    }
    let mut clear = db.prepare_cached("DELETE FROM series WHERE time > ? AND time <= ?")?;
    let mut insert = db.prepare_cached("INSERT INTO series (seq, time, name, value) VALUES (?, ?, ?, ?)")?;
    for Sample { seq, time, after, values, agents } in samples {
        let time = time.to_string();
        let after = after.map(|after| after.to_string()).unwrap_or_default();
        clear.execute([&after, &time])?;
        for (name, value) in values {
            insert.execute(params![seq, time, name, value])?;
        }
        if !agents.is_empty() {
            agent_series::insert(db, *seq, (&after, &time), agents)?;
        }
    }
    Ok(())
}

/// A row as it stands in the file, with its place.
pub(crate) type Raw = (i64, u64, String, String, Option<f64>);

pub(crate) fn after(db: &Connection, place: i64) -> rusqlite::Result<Option<Raw>> {
    let sql = "SELECT rowid, seq, time, name, value FROM series WHERE rowid > ? ORDER BY rowid LIMIT 1";
    db.prepare_cached(sql)?
        .query_row([place], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()
}

pub(crate) fn end(db: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(rowid), 0) FROM series";
    db.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

pub(crate) fn checked((_, seq, time, name, value): Raw) -> Result<SeriesRow, JournalError> {
    let Some(moment) = Time::parse(&time) else {
        let shown: String = time.chars().take(64).collect();
        return Err(JournalError::corrupt("the series", format!("{shown:?} is no time")));
    };
    Ok(SeriesRow { seq, time: moment, name, value })
}
