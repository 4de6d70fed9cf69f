//! The store in SQLite: rows, values and snapshots, on disk or in memory.

use std::{io::Write as _, path::Path};

use oikos_kernel::tape::Taped;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, TransactionBehavior, params};

use crate::{
    agent_series::{self, AgentPart},
    batch::{Hash, Row},
    error::JournalError,
    file::Place,
    log::{Head, Known, Log},
    schema,
    series::{self, Sample, SeriesRow},
    snapshot::{Mark, let_go},
    tape,
};

const COLUMNS: &str = "SELECT seq_first, count, epoch, prev_hash, hash, body FROM journal";

/// The tables of one world.
#[derive(Debug)]
pub(crate) struct Tables {
    // Before `place`, whose locks must outlast it.
    db: Option<Connection>,
    place: Place,
}

impl Tables {
    pub(crate) fn new(db: Connection, place: Place) -> Self {
        Self { db: Some(db), place }
    }

    /// Tables that are gone with the process.
    pub(crate) fn in_memory() -> Result<Self, JournalError> {
        let made = Connection::open_in_memory().and_then(|db| {
            schema::harden(&db)?;
            schema::create(&db)?;
            Ok(db)
        });
        Ok(Self::new(made.map_err(|error| failed(None, "written", &error))?, Place::Memory))
    }

    fn db(&self) -> Result<&Connection, JournalError> {
        self.db.as_ref().ok_or(JournalError::Poisoned)
    }

    /// Reads, and says which table it was if that fails.
    fn read<T>(
        &self,
        table: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        read(self.db()?).map_err(|error| misread(self.place.path(), table, &error))
    }

    /// Writes in one transaction. The file must be where it was, before and after.
    fn write(
        &mut self,
        seq: u64,
        write: impl FnOnce(&Connection) -> Result<(), Wrong>,
    ) -> Result<(), JournalError> {
        self.place.check(seq)?;
        let path = self.place.path().map(Path::to_path_buf);
        let db = self.db.as_mut().ok_or(JournalError::Poisoned)?;
        let done = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Wrong::from)
            .and_then(|commit| {
                write(&commit)?;
                Ok(commit.commit()?)
            });
        match done {
            Ok(()) => self.place.check(seq),
            Err(Wrong::Database(error)) => {
                // A file that is gone says less of itself than its place does.
                self.place.check(seq)?;
                self.place.fail();
                Err(failed(path.as_deref(), "written", &error))
            }
            Err(Wrong::Overtaken) => {
                let file = path.map_or_else(String::new, |path| format!("`{}`", path.display()));
                Err(JournalError::Moved {
                    problem: format!("{file} was written to by another process"),
                    seq,
                    help: "open it again, with one writer".into(),
                })
            }
        }
    }
}

/// Why a transaction was not committed.
enum Wrong {
    Database(rusqlite::Error),
    /// Somebody else has written meanwhile.
    Overtaken,
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl Log for Tables {
    fn end(&self) -> Result<Option<(Head, Row)>, JournalError> {
        let path = self.place.path();
        let db = self.db()?;
        // A writer may commit between two looks: all are of one state.
        let moment = db.unchecked_transaction().map_err(|error| misread(path, "meta", &error))?;
        let Some(head) = self.meta("head")? else { return Ok(None) };
        let head = Head::from_bytes(&head)
            .ok_or_else(|| JournalError::corrupt("meta", "the head is missing or malformed"))?;
        let Some(last) = self.row_from(u64::MAX)? else { return Ok(None) };
        let sql = "SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 1";
        let newest =
            self.read("snapshots", |db| db.query_row(sql, [], |row| row.get::<_, u64>(0)).optional())?;
        if let Some(newest) = newest.filter(|newest| *newest > head.seq) {
            let problem = format!("the journal ends with record {}", head.seq);
            return Err(JournalError::corrupt(format!("the snapshot at record {newest}"), problem));
        }
        moment.commit().map_err(|error| misread(path, "meta", &error))?;
        Ok(Some((head, last)))
    }

    fn row_from(&self, seq: u64) -> Result<Option<Row>, JournalError> {
        let sql = format!("{COLUMNS} WHERE seq_first <= ? ORDER BY seq_first DESC LIMIT 1");
        self.read("journal", |db| db.prepare_cached(&sql)?.query_row([number(seq)], row).optional())
    }

    fn row_after(&self, seq: u64) -> Result<Option<Row>, JournalError> {
        let sql = format!("{COLUMNS} WHERE seq_first > ? ORDER BY seq_first LIMIT 1");
        self.read("journal", |db| db.prepare_cached(&sql)?.query_row([number(seq)], row).optional())
    }

    fn append(
        &mut self,
        rows: &[Row],
        (before, after): (Head, Head),
        meta: &[(&str, &[u8])],
        samples: &[Sample],
    ) -> Result<(), JournalError> {
        meta.iter().try_for_each(|(key, value)| bounded(key, value))?;
        self.write(before.seq, |db| {
            let stands = db
                .prepare_cached("SELECT value FROM meta WHERE key = 'head'")?
                .query_row([], |row| row.get::<_, Vec<u8>>(0))
                .optional()?;
            if stands != (before.seq > 0).then(|| before.to_bytes()) {
                return Err(Wrong::Overtaken);
            }
            let mut insert = db.prepare_cached(
                "INSERT INTO journal (seq_first, count, epoch, prev_hash, hash, body) VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            for row in rows {
                let (first, count, epoch) = (row.seq_first, row.count, row.epoch);
                insert.execute(params![first, count, epoch, row.prev_hash, row.hash, row.body])?;
            }
            set(db, "head", &after.to_bytes())?;
            series::insert(db, samples)?;
            Ok(meta.iter().try_for_each(|(key, value)| set(db, key, value))?)
        })?;
        if before.seq == 0 {
            // A founding that is whole takes its place; the tables go on there.
            let db = self.db.take().ok_or(JournalError::Poisoned)?;
            self.db = Some(self.place.establish(db)?);
        }
        let written = rows.iter().map(|row| row.body.len()).sum::<usize>() + series::bytes(samples);
        self.place.checkpoint_if_due(self.db.as_ref().ok_or(JournalError::Poisoned)?, written)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        self.read("meta", |db| db.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional())
    }

    fn metas(&self) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        // The others are the file's own.
        let sql = "SELECT key, value FROM meta WHERE key NOT IN ('head', 'open') ORDER BY key";
        self.read("meta", |db| {
            db.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    fn set_meta(&mut self, head: Head, key: &str, value: &[u8]) -> Result<(), JournalError> {
        bounded(key, value)?;
        self.write(head.seq, |db| Ok(set(db, key, value)?))
    }

    fn snapshots(&self, seq: u64, count: usize) -> Result<Vec<Mark>, JournalError> {
        let sql = "SELECT seq, row_hash, journal_hash, digest, hash, bytes FROM snapshots
                   WHERE seq <= ? ORDER BY seq DESC LIMIT ?";
        let mark = |row: &SqlRow<'_>| {
            let at = Head { seq: row.get(0)?, row_hash: row.get(1)?, journal_hash: row.get(2)? };
            Ok(Mark { at, digest: row.get(3)?, hash: row.get(4)?, bytes: row.get(5)? })
        };
        let mut marks: Vec<Mark> = self.read("snapshots", |db| {
            db.prepare_cached(sql)?.query_map(params![number(seq), count], mark)?.collect()
        })?;
        marks.reverse();
        // How far a snapshot may unpack hangs on its size, which must not be believed.
        let room = self.read("snapshots", room)?;
        if let Some(mark) = marks.iter().find(|mark| mark.bytes > room) {
            let problem = format!("it says that it has {} bytes, and its file has {room}", mark.bytes);
            return Err(JournalError::corrupt(mark.place(), problem));
        }
        Ok(marks)
    }

    fn piece(&self, seq: u64, number: u64) -> Result<Option<Vec<u8>>, JournalError> {
        if number == 0 {
            let sql = "SELECT body FROM snapshots WHERE seq = ?";
            return self.read("snapshots", |db| {
                db.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()
            });
        }
        let sql = "SELECT body FROM pieces WHERE seq = ? AND number = ?";
        self.read("pieces", |db| {
            db.prepare_cached(sql)?.query_row(params![seq, number], |row| row.get(0)).optional()
        })
    }

    fn put_snapshot(&mut self, mark: &Mark, pieces: &[Vec<u8>], keep: usize) -> Result<(), JournalError> {
        let at = mark.at;
        self.write(at.seq, |db| {
            db.execute("DELETE FROM pieces WHERE seq = ?", [at.seq])?;
            let mut insert = db.prepare_cached("INSERT INTO pieces (seq, number, body) VALUES (?, ?, ?)")?;
            for (number, piece) in pieces.iter().enumerate().skip(1) {
                insert.execute(params![at.seq, number, piece])?;
            }
            db.execute(
                "INSERT OR REPLACE INTO snapshots (seq, row_hash, journal_hash, digest, hash, bytes, body)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
                params![
                    at.seq,
                    at.row_hash,
                    at.journal_hash,
                    mark.digest,
                    mark.hash,
                    mark.bytes,
                    pieces.first().map_or(&[][..], Vec::as_slice)
                ],
            )?;
            let mut seqs = db.prepare_cached("SELECT seq FROM snapshots ORDER BY seq DESC")?;
            let seqs = seqs.query_map([], |row| row.get(0))?.collect::<Result<Vec<u64>, _>>()?;
            for seq in let_go(&seqs, keep) {
                db.execute("DELETE FROM snapshots WHERE seq = ?", [seq])?;
            }
            db.execute("DELETE FROM pieces WHERE seq NOT IN (SELECT seq FROM snapshots)", [])?;
            Ok(())
        })?;
        self.place.checkpoint(self.db.as_ref().ok_or(JournalError::Poisoned)?)
    }

    fn put_tape(&mut self, head: Head, rows: &[Taped], known: Known) -> Result<usize, JournalError> {
        let bytes = rows.iter().map(tape::bytes).sum();
        rows.iter().try_for_each(tape::bounded)?;
        let mut added = 0;
        self.write(head.seq, |db| {
            added = tape::insert(db, rows, known)?;
            Ok(())
        })?;
        self.place.checkpoint_if_due(self.db.as_ref().ok_or(JournalError::Poisoned)?, bytes)?;
        Ok(added)
    }

    fn put_series(&mut self, head: Head, samples: &[Sample]) -> Result<(), JournalError> {
        self.write(head.seq, |db| Ok(series::insert(db, samples)?))?;
        let db = self.db.as_ref().ok_or(JournalError::Poisoned)?;
        self.place.checkpoint_if_due(db, series::bytes(samples))
    }

    fn series_after(&self, place: i64) -> Result<Option<(i64, SeriesRow)>, JournalError> {
        let found = self.read("series", |db| series::after(db, place))?;
        found.map(|raw| Ok((raw.0, series::checked(raw)?))).transpose()
    }

    fn series_end(&self) -> Result<i64, JournalError> {
        self.read("series", series::end)
    }

    fn agents_after(&self, place: i64) -> Result<Option<(i64, AgentPart)>, JournalError> {
        let found = self.read("agent_series", |db| agent_series::after(db, place))?;
        found.map(|raw| Ok((raw.0, agent_series::checked(raw)?))).transpose()
    }

    fn use_tape(&mut self, head: Head, rows: &[Taped]) -> Result<(), JournalError> {
        const ROW_BYTES: usize = 256;
        self.write(head.seq, |db| {
            rows.iter().try_for_each(|row| tape::mark_used(db, row))?;
            Ok(())
        })?;
        let db = self.db.as_ref().ok_or(JournalError::Poisoned)?;
        self.place.checkpoint_if_due(db, ROW_BYTES * rows.len())
    }

    fn taped(&self, agent: &str, hash: &Hash, n: u64) -> Result<Option<Taped>, JournalError> {
        let found = self.read("tape", |db| tape::find(db, agent, hash, number(n)))?;
        found.map(tape::checked).transpose()
    }

    fn tape_after(&self, place: i64, agent: Option<&str>) -> Result<Option<(i64, Taped)>, JournalError> {
        let found = self.read("tape", |db| tape::after(db, place, agent))?;
        found.map(|(at, row)| tape::checked(row).map(|row| (at, row))).transpose()
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            self.place.close(db);
        }
    }
}

/// Bytes of all pages.
fn room(db: &Connection) -> rusqlite::Result<u64> {
    let number = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    Ok(number("page_count")?.saturating_mul(number("page_size")?))
}

/// SQLite's numbers end where those of `i64` do.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let (seq_first, count, epoch) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Row { seq_first, count, epoch, prev_hash: row.get(3)?, hash: row.get(4)?, body: row.get(5)? })
}

fn set(db: &Connection, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)";
    db.prepare_cached(sql)?.execute(params![key, value]).map(drop)
}

/// Refuses a value that could not be read again.
pub(crate) fn bounded(key: &str, value: &[u8]) -> Result<(), JournalError> {
    let max = schema::VALUE_BYTES_MAX / 2;
    if value.len() <= max {
        return Ok(());
    }
    Err(JournalError::TooLarge { what: format!("the value `{key}`"), bytes: value.len(), max })
}

/// A value of a wrong type or length is damage; the rest is the database's own failure.
fn misread(path: Option<&Path>, table: &str, error: &rusqlite::Error) -> JournalError {
    use rusqlite::{Error, ErrorCode};
    match (error, error.sqlite_error_code()) {
        (
            Error::InvalidColumnType(..)
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..),
            _,
        )
        | (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::TooBig | ErrorCode::NotADatabase)) => {
            JournalError::corrupt(table, error.to_string())
        }
        _ => failed(path, "read", error),
    }
}

/// A failure of the database, in the system's words.
pub(crate) fn failed(path: Option<&Path>, doing: &'static str, error: &rusqlite::Error) -> JournalError {
    let file = path.map_or_else(|| "the journal in memory".into(), |path| format!("`{}`", path.display()));
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    let advice = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => "; make room, then open the world again",
        Some(rusqlite::ErrorCode::SystemIoFailure) => "; look after the disk, then open the world again",
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "; another program holds it: end that one"
        }
        _ => "",
    };
    let reason = path.filter(|_| error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen));
    let reason =
        reason.and_then(|path| reason_of(path, doing)).map_or_else(String::new, |said| format!(": {said}"));
    JournalError::Failed { file, doing, problem: format!("{error}{reason} (SQLite's code {code}){advice}") }
}

/// The system's reason why a file can't be opened, or none be made beside it: SQLite keeps it to itself.
pub(crate) fn reason_of(path: &Path, doing: &str) -> Option<std::io::Error> {
    let is_written = doing == "written";
    let opened = std::fs::File::options().read(true).write(is_written).open(path);
    let folder = path.parent().filter(|_| is_written);
    opened.err().or_else(|| tempfile::tempfile_in(folder?).and_then(|mut file| file.write_all(&[0])).err())
}
