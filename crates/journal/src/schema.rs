//! The schema of a world database, and what makes reading a strange one safe.

use std::path::Path;

use oikos_kernel::limits::BATCH_BYTES_MAX;
use rusqlite::{Connection, config::DbConfig, limits::Limit};

use crate::{error::JournalError, tables::failed};

/// `OIKO`: what SQLite calls the application id of a world database.
const APPLICATION_ID: i64 = 0x4f49_4b4f;
/// The version of tables and records.
const FORMAT: i64 = oikos_kernel::record::FORMAT as i64;
/// Bytes of one value, or of one row: a batch that does not compress fits.
pub(crate) const VALUE_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;
/// How long one waits for SQLite's own locks.
const BUSY_MS: u64 = 5_000;

/// The tables, by name, each as it is created.
const TABLES: [(&str, &str); 7] = [
    (
        "journal",
        "CREATE TABLE journal (
            seq_first INTEGER PRIMARY KEY, count INTEGER NOT NULL, epoch INTEGER NOT NULL,
            prev_hash BLOB NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL)",
    ),
    (
        "snapshots",
        "CREATE TABLE snapshots (
            seq INTEGER PRIMARY KEY, row_hash BLOB NOT NULL, journal_hash BLOB NOT NULL,
            digest BLOB NOT NULL, hash BLOB NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL)",
    ),
    (
        "pieces",
        "CREATE TABLE pieces (
            seq INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
            PRIMARY KEY (seq, number))",
    ),
    (
        "tape",
        "CREATE TABLE tape (
            hash BLOB NOT NULL, n INTEGER NOT NULL, seq INTEGER NOT NULL, agent TEXT NOT NULL,
            purpose TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL,
            outcome TEXT NOT NULL, answer TEXT NOT NULL, tokens_in INTEGER NOT NULL,
            tokens_cached INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost INTEGER NOT NULL,
            latency_ms INTEGER NOT NULL, asked_at TEXT NOT NULL, answered_at TEXT NOT NULL,
            origin TEXT NOT NULL,
            PRIMARY KEY (hash, n, agent))",
    ),
    (
        "series",
        "CREATE TABLE series (
            seq INTEGER NOT NULL, time TEXT NOT NULL, name TEXT NOT NULL, value REAL,
            PRIMARY KEY (time, name))",
    ),
    (
        "agent_series",
        "CREATE TABLE agent_series (
            seq INTEGER NOT NULL, time TEXT NOT NULL, number INTEGER NOT NULL, columns TEXT NOT NULL,
            body BLOB NOT NULL, PRIMARY KEY (time, number))",
    ),
    ("meta", "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL)"),
];

/// A database that is ours, or might become so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No table was ever committed, or no batch.
    Unfounded,
    /// A world.
    World,
}

/// Lets a connection trust nothing that is in the file.
pub(crate) fn harden(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(VALUE_BYTES_MAX).unwrap_or(i32::MAX))?;
    db.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.pragma_update(None, "mmap_size", 0)
}

/// Makes the tables, at once.
pub(crate) fn create(db: &Connection) -> rusqlite::Result<()> {
    let tables: Vec<&str> = TABLES.iter().map(|(_, sql)| *sql).collect();
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};");
    db.execute_batch(&format!("BEGIN; {marks} {}; COMMIT;", tables.join("; ")))
}

/// Marks that a writer has the world open, or that it has closed it. A main file that says so, with no `-wal`
/// beside it, has lost that.
pub(crate) fn mark_open(db: &Connection, is_open: bool) -> rusqlite::Result<()> {
    let sql = if is_open {
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('open', x'01')"
    } else {
        "DELETE FROM meta WHERE key = 'open'"
    };
    db.execute(sql, []).map(drop)
}

/// Whether a writer had the world open when the main file was last written.
pub(crate) fn is_marked_open(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'open')", [], |row| row.get(0))
}

/// Says what a database is, by its numbers before anything else of it, then by its schema, which must be
/// ours to the letter.
pub(crate) fn inspect(db: &Connection, path: &Path) -> Result<Found, JournalError> {
    let not_a_world = |problem: String| JournalError::NotAWorld { path: path.into(), problem };
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(|error| misread(path, error))?;
    let format = pragma("user_version").map_err(|error| misread(path, error))?;
    if application != APPLICATION_ID && application != 0 {
        return Err(not_a_world("it is a database of another application".into()));
    }
    let tables = tables(db).map_err(|error| misread(path, error))?;
    if tables.is_empty() {
        return Ok(Found::Unfounded);
    }
    if application != APPLICATION_ID {
        return Err(not_a_world("it is a database of another application".into()));
    }
    if format != FORMAT {
        return Err(JournalError::Version { path: path.into(), found: format, known: FORMAT });
    }
    compare(&tables).map_err(not_a_world)?;
    let any =
        |sql: &str| db.query_row(sql, [], |row| row.get::<_, bool>(0)).map_err(|error| misread(path, error));
    let batches = any("SELECT EXISTS (SELECT 1 FROM journal)")?;
    let head = any("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'head')")?;
    match (batches, head) {
        (true, _) => Ok(Found::World),
        (false, true) => {
            Err(JournalError::corrupt("the journal", "the head names records, but there are none"))
        }
        (false, false) => Ok(Found::Unfounded),
    }
}

/// An entry of the schema: type, name and text.
type Entry = (String, String, String);

/// The schema; of a longer one only the beginning.
fn tables(db: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let most = 4 * TABLES.len();
    let sql =
        "SELECT type, substr(name, 1, 64), coalesce(substr(sql, 1, 4096), '') FROM sqlite_schema LIMIT ?";
    let mut select = db.prepare(sql)?;
    let entries = select.query_map([most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    entries.collect()
}

fn compare(found: &[Entry]) -> Result<(), String> {
    let mut missing: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
    for (kind, name, sql) in found {
        // SQLite's own indexes of primary keys have no text.
        if kind == "index" && sql.is_empty() {
            continue;
        }
        let ours = TABLES.iter().find(|(table, _)| kind == "table" && table == name);
        let Some((_, wanted)) = ours else {
            return Err(format!("its schema has the {kind} `{name}`, which no world has"));
        };
        // SQLite quotes the name of a table that was renamed.
        let sql = sql.replacen(&format!("\"{name}\""), name, 1);
        if !words(&sql).eq(words(wanted)) {
            return Err(format!("its table `{name}` is not made as a world's"));
        }
        missing.retain(|table| table != name);
    }
    match missing.first() {
        Some(name) => Err(format!("its schema has no table `{name}`")),
        None => Ok(()),
    }
}

/// The words and signs of a statement. Only space that parts no words is nothing: `INTEGERPRIMARYKEY`, or
/// three words in quotes, would be the name of a type, and leave rows without their order.
fn words(sql: &str) -> impl Iterator<Item = String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    let mut rest = sql;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let sign = rest.chars().next()?.len_utf8();
        let (word, after) = rest.split_at(end.max(sign));
        rest = after;
        Some(word.to_ascii_lowercase())
    })
}

/// Why a database could not be looked at.
fn misread(path: &Path, error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            JournalError::NotAWorld { path: path.into(), problem: "it is no SQLite file".into() }
        }
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            JournalError::corrupt(format!("`{}`", path.display()), error.to_string())
        }
        _ => failed(Some(path), "read", &error),
    }
}
