//! The table `tape` in SQLite: its rows written and read. They are believed as little as the rest of the file.

use std::collections::BTreeMap;

use oikos_kernel::{
    tape::{Origin, Purpose, Taped},
    time::Time,
};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};

use crate::{batch::Hash, error::JournalError, log::Known, schema};

const COLUMNS: &str = "hash, n, seq, agent, purpose, provider, model, request, outcome, answer, tokens_in, \
                       tokens_cached, tokens_out, cost, latency_ms, asked_at, answered_at, origin";

/// The part of a tape that a world has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapeUsed {
    /// How often each agent has asked each request, by its hash.
    pub asked: BTreeMap<(String, Hash), u64>,
    /// Micro-dollars by provider and model.
    pub costs: BTreeMap<(String, String), u64>,
}

impl TapeUsed {
    pub(crate) fn count(&mut self, row: Taped, is_used: bool) {
        if is_used {
            // Beyond the greatest number: one that came to nothing may be missing before it.
            let next = self.asked.entry((row.agent, row.hash)).or_default();
            *next = (*next).max(row.n + 1);
        }
        let sum = self.costs.entry((row.provider, row.model)).or_default();
        *sum = sum.saturating_add(row.cost);
    }
}

/// A row as it stands in the file: the words may be none of ours.
pub(crate) struct Raw {
    pub(crate) row: Taped,
    pub(crate) purpose: String,
    pub(crate) outcome: String,
    pub(crate) asked_at: String,
    pub(crate) answered_at: String,
    pub(crate) origin: String,
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
        format!("{verb} INTO tape ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
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
            row.origin.as_str(),
        ])?;
    }
    Ok(added)
}

/// Marks a row as used at its `seq`: an imported one counts as replayed.
pub(crate) fn mark_used(db: &Connection, row: &Taped) -> rusqlite::Result<()> {
    let sql = "UPDATE tape SET seq = ?, origin = iif(origin = ?, ?, origin)
               WHERE hash = ? AND n = ? AND agent = ?";
    let (from, to) = (Origin::Imported.as_str(), Origin::Replayed.as_str());
    db.prepare_cached(sql)?.execute(params![row.seq, from, to, row.hash, row.n, row.agent]).map(drop)
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
        origin: row.get(at(17))?,
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
            origin: Origin::Imported,
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
        origin: Origin::from_word(&raw.origin).ok_or_else(|| of("origin"))?,
        ..raw.row
    };
    let problem = row.check();
    problem.map_err(|problem| JournalError::corrupt("the tape", problem)).map(|()| row)
}
