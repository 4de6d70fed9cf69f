//! The table `agent_series` in SQLite: numbers of each agent, as they were taken while the world went on. It follows
//! from the records, and no hash depends on it.

use std::io::{Read as _, Write as _};

use oikos_kernel::time::Time;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    error::JournalError,
    packed::{Packer, Unpacker, unpacked_max},
};

/// How well it is packed: soon rather than small.
const LEVEL: i32 = 1;

/// Numbers of agents at one moment, or some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRows {
    /// The names of the numbers, as a JSON list.
    pub columns: String,
    /// For each agent a line: a JSON list of its id and its numbers, null where it has none.
    pub lines: Vec<u8>,
}

/// A part of the series, with its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPart {
    /// The last record at or before the moment.
    pub seq: u64,
    /// The moment.
    pub time: Time,
    /// The numbers.
    pub rows: AgentRows,
}

/// The lines of a part as they are stored.
pub(crate) fn packed(lines: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = Packer::new(LEVEL)?;
    packer.write_all(lines)?;
    packer.finish(0)
}

/// Stores the parts of one moment, which is written as `time`, after those of the time from `after` to it are gone.
pub(crate) fn insert(
    db: &Connection,
    seq: u64,
    (after, time): (&str, &str),
    parts: &[AgentRows],
) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM agent_series WHERE time > ? AND time <= ?")?.execute([after, time])?;
    let sql = "INSERT INTO agent_series (seq, time, number, columns, body) VALUES (?, ?, ?, ?, ?)";
    let mut insert = db.prepare_cached(sql)?;
    for (number, AgentRows { columns, lines }) in (0_i64..).zip(parts) {
        let failed = |error: std::io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
        insert.execute(params![seq, time, number, columns, packed(lines).map_err(failed)?])?;
    }
    Ok(())
}

/// A part as it stands in the file, with its place.
pub(crate) type Raw = (i64, u64, String, String, Vec<u8>);

pub(crate) fn after(db: &Connection, place: i64) -> rusqlite::Result<Option<Raw>> {
    let sql =
        "SELECT rowid, seq, time, columns, body FROM agent_series WHERE rowid > ? ORDER BY rowid LIMIT 1";
    db.prepare_cached(sql)?
        .query_row([place], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()
}

pub(crate) fn checked((_, seq, time, columns, body): Raw) -> Result<AgentPart, JournalError> {
    let corrupt = |problem: String| JournalError::corrupt("the series of agents", problem);
    let Some(moment) = Time::parse(&time) else {
        let shown: String = time.chars().take(64).collect();
        return Err(corrupt(format!("{shown:?} is no time")));
    };
    let mut lines = Vec::new();
    Unpacker::new(body.as_slice(), unpacked_max(body.len() as u64))
        .and_then(|mut unpacker| unpacker.read_to_end(&mut lines))
        .map_err(|error| corrupt(format!("the numbers at {time}: {error}")))?;
    Ok(AgentPart { seq, time: moment, rows: AgentRows { columns, lines } })
}
