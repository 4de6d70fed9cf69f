//! The table `tape` in SQLite: its rows written and read. They are believed as little as the rest of the file.

use oikos_kernel::{
    tape::{Purpose, Taped},
    time::Time,
};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use crate::{batch::Hash, error::JournalError, log::Known, schema};

const COLUMNS: &str = "hash, n, seq, agent, purpose, provider, model, request, outcome, answer, tokens_in, \
                       tokens_cached, tokens_out, cost, latency_ms, asked_at, answered_at";

/// A row as it stands in the file: the words may be none of ours.
pub(crate) struct Raw {
    row: Taped,
    purpose: String,
    outcome: String,
    asked_at: String,
    answered_at: String,
}

/// Bytes that a row takes, about.
pub(crate) fn bytes(row: &Taped) -> usize {
    const REST: usize = 256;
    row.request.len() + row.answer.len() + row.agent.len() + row.model.len() + row.provider.len() + REST
}

/// Refuses a row that could not be read again.
pub(crate) fn bounded(row: &Taped) -> Result<(), JournalError> {
    let (bytes, max) = (bytes(row), schema::VALUE_BYTES_MAX / 2);
    if bytes <= max {
        return Ok(());
    }
    Err(JournalError::TooLarge { what: "a row of the tape".into(), bytes, max })
}

pub(crate) fn insert(db: &Connection, rows: &[Taped], known: Known) -> rusqlite::Result<usize> {
    let verb = match known {
        Known::Replaced => "INSERT OR REPLACE",
        Known::Kept => "INSERT OR IGNORE",
    };
    let sql =
        format!("{verb} INTO tape ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let mut insert = db.prepare_cached(&sql)?;
    let mut added = 0;
    for row in rows {
        added += insert.execute(params![
            row.hash,
            row.n,
            row.seq,
            row.agent,
            row.purpose.as_str(),
            row.provider,
            row.model,
            row.request,
            row.outcome(),
            row.answer,
            row.tokens_in,
            row.tokens_cached,
            row.tokens_out,
            row.cost,
            row.latency_ms,
            row.asked_at.to_string(),
            row.answered_at.to_string(),
        ])?;
    }
    Ok(added)
}

pub(crate) fn find(db: &Connection, agent: &str, hash: &Hash, n: i64) -> rusqlite::Result<Option<Raw>> {
    let sql = format!("SELECT {COLUMNS} FROM tape WHERE hash = ? AND n = ? AND agent = ?");
    db.prepare_cached(&sql)?.query_row(params![hash, n, agent], |row| raw(row, 0)).optional()
}

pub(crate) fn after(
    db: &Connection,
    place: i64,
    agent: Option<&str>,
) -> rusqlite::Result<Option<(i64, Raw)>> {
    let sql = format!(
        "SELECT rowid, {COLUMNS} FROM tape WHERE rowid > ?1 AND (?2 IS NULL OR agent = ?2) ORDER BY rowid LIMIT 1"
    );
    let found = |row: &SqlRow<'_>| Ok((row.get(0)?, raw(row, 1)?));
    db.prepare_cached(&sql)?.query_row(params![place, agent], found).optional()
}

/// Reads the columns from one on; the words are read by [`checked`].
fn raw(row: &SqlRow<'_>, from: usize) -> rusqlite::Result<Raw> {
    let at = |column: usize| from + column;
    Ok(Raw {
        purpose: row.get(at(4))?,
        outcome: row.get(at(8))?,
        asked_at: row.get(at(15))?,
        answered_at: row.get(at(16))?,
        row: Taped {
            hash: row.get(at(0))?,
            n: row.get(at(1))?,
            seq: row.get(at(2))?,
            agent: row.get(at(3))?,
            purpose: Purpose::Step,
            provider: row.get(at(5))?,
            model: row.get(at(6))?,
            request: row.get(at(7))?,
            failure: None,
            answer: row.get(at(9))?,
            tokens_in: row.get(at(10))?,
            tokens_cached: row.get(at(11))?,
            tokens_out: row.get(at(12))?,
            cost: row.get(at(13))?,
            latency_ms: row.get(at(14))?,
            asked_at: Time::default(),
            answered_at: Time::default(),
        },
    })
}

/// The row, if it can be one.
pub(crate) fn checked(raw: Raw) -> Result<Taped, JournalError> {
    let of = |name: &str| {
        JournalError::corrupt(
            format!("a row of the tape of `{}`", raw.row.agent.escape_debug()),
            format!("its `{name}` is none"),
        )
    };
    let row = Taped {
        purpose: Purpose::from_word(&raw.purpose).ok_or_else(|| of("purpose"))?,
        failure: Taped::outcome_from_word(&raw.outcome).ok_or_else(|| of("outcome"))?,
        asked_at: Time::parse(&raw.asked_at).ok_or_else(|| of("asked_at"))?,
        answered_at: Time::parse(&raw.answered_at).ok_or_else(|| of("answered_at"))?,
        ..raw.row
    };
    let problem = row.check();
    problem.map_err(|problem| JournalError::corrupt("the tape", problem)).map(|()| row)
}
