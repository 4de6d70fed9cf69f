//! The life of a world's file: founded beside its name, opened, checkpointed, set aside, closed.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    error::JournalError,
    founding::{self, Founding},
    lock::{self, Locked, Rest, Written},
    name::{Identity, Name, identity, length, names_count, open_error, remove, sync_folder, with_suffix},
    reading::{self, Reading},
    schema::{self, Found},
    tables::{Tables, failed, reason_of},
};

/// Bytes in the `-wal` after which it is brought into the main file.
const CHECKPOINT_BYTES: usize = 4 << 20;
/// Bytes that a commit adds to the `-wal` beside its rows, about.
const COMMIT_BYTES: usize = 16 << 10;

/// Something about a file that its owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The founding of a world was cut short, or its file was empty: it is begun afresh.
    BegunAfresh(PathBuf),
    /// The old world, or a file of it, has another name now.
    Aside(PathBuf),
    /// Starting over was cut short: the world is the old one.
    GoesOn(PathBuf),
    /// The file was in use when it was last written, and what SQLite kept beside it is not there.
    WalMissing(PathBuf),
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BegunAfresh(path) => {
                write!(
                    f,
                    "`{}` held no world yet, for its founding was cut short: it is begun afresh",
                    path.display()
                )
            }
            Self::Aside(path) => write!(f, "the old world is now {}", path.display()),
            Self::GoesOn(path) => {
                write!(f, "starting over was cut short: `{}` is the old world, and goes on", path.display())
            }
            Self::WalMissing(path) => write!(
                f,
                "`{0}` was in use when it was copied or its machine stopped, and `{0}-wal` is not there: the last \
                 records may be missing",
                path.display()
            ),
        }
    }
}

/// A journal's tables, as they were opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) tables: Tables,
    /// The real path.
    pub(crate) path: PathBuf,
    pub(crate) notes: Vec<Note>,
}

/// Where tables are.
#[derive(Debug)]
pub(crate) enum Place {
    Memory,
    Reading(Reading),
    Founding(Founding),
    Writing(Writing),
}

/// A file that is written to.
#[derive(Debug)]
pub(crate) struct Writing {
    path: PathBuf,
    file: Identity,
    wal: Identity,
    /// Bytes in the `-wal` since the last checkpoint, about.
    waiting: usize,
    /// A write failed: the main file is left as it is.
    is_failed: bool,
    rest: Rest,
    _wal: Locked,
    _written: Written,
    /// The lock file beside.
    _lock: Locked,
}

/// Begins a journal beside a name; `over` what is there.
pub(crate) fn create(given: &Path, over: bool) -> Result<Opened, JournalError> {
    let name = Name::look(given)?;
    let lock = lock::lock_beside(&name.path)?;
    // It may have changed before it was locked.
    let name = Name::look(&name.path)?;
    let (tables, founding, notes) = founding::begin(&name, lock, over)?;
    Ok(Opened { tables: Tables::new(tables, Place::Founding(founding)), path: name.path, notes })
}

pub(crate) fn holds_world(given: &Path) -> Result<bool, JournalError> {
    let name = Name::look(given)?;
    if name.found.is_none() {
        return Ok(false);
    }
    reading::open(&name).map(|(_, _, found)| found == Found::World)
}

/// Whether somebody writes to a world. Where it can't be told nobody does.
pub(crate) fn is_written(given: &Path) -> bool {
    Name::look(given).is_ok_and(|name| lock::is_held(&name.path))
}

pub(crate) fn open_read_only(given: &Path) -> Result<Opened, JournalError> {
    let name = Name::look(given)?;
    let (db, reading, found) = reading::open(&name)?;
    if found == Found::Unfounded {
        return Err(JournalError::Empty { path: name.path });
    }
    let notes = reading.notes.clone();
    let tables = Tables::new(db, Place::Reading(reading));
    Ok(Opened { tables, path: name.path, notes })
}

/// Opens a world to write to it.
pub(crate) fn open(given: &Path) -> Result<Opened, JournalError> {
    let name = Name::look(given)?;
    if name.found.is_none() {
        return Err(JournalError::Missing { path: name.path });
    }
    let lock = lock::lock_beside(&name.path)?;
    let mut notes = founding::undo(&name.path)?;
    let name = Name::look(&name.path)?;
    let (db, reading, found) = reading::open(&name)?;
    notes.extend(reading.notes.iter().cloned());
    drop((db, reading));
    if found == Found::Unfounded {
        return Err(JournalError::Empty { path: name.path });
    }
    let (db, writing) = write_to(&name.path, lock)?;
    Ok(Opened { tables: Tables::new(db, Place::Writing(writing)), path: name.path, notes })
}

/// Opens the file of a world, which nobody else writes to, in WAL mode.
pub(crate) fn write_to(path: &Path, lock: Locked) -> Result<(Connection, Writing), JournalError> {
    let file = File::options().read(true).write(true).open(path).map_err(|error| open_error(path, &error))?;
    let found = file.metadata().map_err(|error| open_error(path, &error))?;
    if names_count(&found) != 1 {
        let problem =
            "it has another name (a hard link), and a world has one: remove the other, or copy it".into();
        return Err(JournalError::Open { path: path.into(), problem });
    }
    let rest = Rest::new(file);
    let written = Written::new(identity(&found));
    let failed = |error: rusqlite::Error| failed(Some(path), "written", &error);
    let is_wal = founding::header(rest.file()).is_some_and(|header| header.is_wal);
    let must_change = !is_wal || reading::is_unfinished(path);
    if must_change {
        rest.have(path)?;
    }
    let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, mode).map_err(failed)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    into_wal_mode(&db, is_wal).map_err(failed)?;
    schema::harden(&db).map_err(failed)?;
    schema::inspect(&db, path)?;
    rest.end();
    let beside = with_suffix(path, "-wal");
    let wal = File::open(&beside).map_err(|error| {
        open_error(&beside, &reason_of(path, "written").unwrap_or_else(|| not_made(error)))
    })?;
    let wal = lock::exclusively(wal, path)?;
    schema::mark_open(&db, true).map_err(failed)?;
    let of_wal = identity(&wal.file().metadata().map_err(|error| open_error(&beside, &error))?);
    let mut writing = Writing {
        path: path.into(),
        file: identity(&found),
        wal: of_wal,
        waiting: usize::try_from(length(&beside)).unwrap_or(usize::MAX),
        is_failed: false,
        rest,
        _wal: wal,
        _written: written,
        _lock: lock,
    };
    writing.checkpoint(&db)?;
    Ok((db, writing))
}

/// Why there is no `-wal` though SQLite says that it writes one: a call failed that it does not tell of.
fn not_made(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            std::io::Error::other("SQLite could not make it, and does not say why: the disk is full or fails")
        }
        _ => error,
    }
}

/// Every commit is on disk when it returns, and only checkpoints change the main file.
fn into_wal_mode(db: &Connection, is_wal: bool) -> rusqlite::Result<()> {
    if !is_wal {
        // One sector of the first page changes, so that no journal is needed, nor left behind by a kill.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    }
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let told = format!("it stays in the mode `{mode}`, and must be in `wal`");
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some(told),
        ));
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    db.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))
}

impl Place {
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::Reading(reading) => Some(&reading.path),
            Self::Founding(founding) => Some(founding.path()),
            Self::Writing(writing) => Some(&writing.path),
        }
    }

    /// Whether the file is still where it was; `seq` is the last record that is surely in it.
    pub(crate) fn check(&mut self, seq: u64) -> Result<(), JournalError> {
        let Self::Writing(writing) = self else { return Ok(()) };
        let Some((problem, help)) = writing.problem() else { return Ok(()) };
        Err(JournalError::Moved { problem, seq, help })
    }

    /// The founding is in the tables: its file takes its place, and the tables go on there.
    pub(crate) fn establish(&mut self, db: Connection) -> Result<Connection, JournalError> {
        match self {
            Self::Founding(founding) => {
                let (db, writing) = founding.establish(db)?;
                *self = Self::Writing(writing);
                Ok(db)
            }
            Self::Memory | Self::Reading(_) | Self::Writing(_) => Ok(db),
        }
    }

    /// Brings the `-wal` into the main file when so much has come into it.
    pub(crate) fn checkpoint_if_due(&mut self, db: &Connection, added: usize) -> Result<(), JournalError> {
        if let Self::Writing(writing) = self {
            writing.waiting = writing.waiting.saturating_add(added + COMMIT_BYTES);
            if writing.waiting < CHECKPOINT_BYTES {
                return Ok(());
            }
        }
        self.checkpoint(db)
    }

    /// Brings the `-wal` into the main file, unless somebody reads that as it is.
    pub(crate) fn checkpoint(&mut self, db: &Connection) -> Result<(), JournalError> {
        match self {
            Self::Writing(writing) => writing.checkpoint(db),
            Self::Memory | Self::Reading(_) | Self::Founding(_) => Ok(()),
        }
    }

    /// A write failed.
    pub(crate) fn fail(&mut self) {
        if let Self::Writing(writing) = self {
            writing.fail();
        }
    }

    /// Ends the use of the tables. Nothing is left beside a world but its lock file, when all went well and
    /// nobody reads it.
    pub(crate) fn close(&mut self, db: Connection) {
        match self {
            Self::Writing(writing) => writing.close(db),
            Self::Founding(founding) => founding.give_up(db),
            Self::Memory | Self::Reading(_) => drop(db),
        }
    }
}

impl Writing {
    /// The change of the file under the writer, and the next step for the user; `None` if it is in its place.
    fn problem(&self) -> Option<(String, String)> {
        let shown = |path: &Path| format!("`{}`", path.display());
        let elsewhere = "what was acknowledged goes with the file, if that is kept";
        let happened = match std::fs::metadata(&self.path) {
            Err(_) => "was deleted or renamed",
            Ok(found) if identity(&found) != self.file => "was replaced by another file",
            Ok(found) if names_count(&found) != 1 => "got another name (a hard link)",
            Ok(_) => {
                let wal = with_suffix(&self.path, "-wal");
                let help = "`oikos verify` says how far the world goes";
                return match std::fs::metadata(&wal) {
                    Ok(found) if identity(&found) == self.wal => None,
                    Ok(_) | Err(_) => Some((format!("{} was deleted or replaced", shown(&wal)), help.into())),
                };
            }
        };
        Some((format!("{} {happened}", shown(&self.path)), elsewhere.into()))
    }

    fn checkpoint(&mut self, db: &Connection) -> Result<(), JournalError> {
        if !self.rest.is_had() {
            return Ok(());
        }
        let done = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        self.rest.end();
        self.waiting = 0;
        done.map_err(|error| {
            self.is_failed = true;
            failed(Some(&self.path), "written", &error)
        })
    }

    /// Brings all into the main file, wherever that is now, so that it is whole by itself.
    fn close(&mut self, db: Connection) {
        let wal = std::fs::metadata(with_suffix(&self.path, "-wal"));
        let is_others = wal.is_ok_and(|found| identity(&found) != self.wal);
        if self.is_failed || is_others || !self.rest.is_had() {
            return drop(db);
        }
        let stands = self.problem().is_none();
        let marked = if stands { schema::mark_open(&db, false) } else { Ok(()) };
        let brought = marked
            .and_then(|()| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)));
        if brought == Ok(false) && stands {
            // The last one to close removes the empty `-wal` and its index.
            let _ = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
        drop(db);
        self.rest.end();
    }

    /// Leaves the main file as it is from now on.
    fn fail(&mut self) {
        self.is_failed = true;
    }
}

/// Brings all that stands beside a file into it; returns whether that went well.
pub(crate) fn settle(path: &Path) -> bool {
    let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let settled = Connection::open_with_flags(path, mode).and_then(|db| {
        schema::harden(&db)?;
        if schema::inspect(&db, path).is_ok_and(|found| found == Found::World) {
            schema::mark_open(&db, false)?;
        }
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
    });
    settled == Ok(false) && ["-wal", "-journal"].iter().all(|suffix| length(&with_suffix(path, suffix)) == 0)
}

/// Removes what stands beside a file.
pub(crate) fn remove_beside(path: &Path, suffixes: &[&str]) -> Result<(), JournalError> {
    suffixes.iter().try_for_each(|suffix| remove(&with_suffix(path, suffix)))?;
    sync_folder(path)
}
