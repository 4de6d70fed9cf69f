//! Opening a world to read it, without writing anything, beside the file neither.
//!
//! A world at rest, whose `-wal` is missing or empty, is read as a file that does not change; writers leave
//! its main file alone meanwhile. With a `-wal` and SQLite's index of it, SQLite's own locks do. Without the
//! index it is made in memory. Only a file with an unfinished change of another program is copied.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    error::JournalError,
    file::Note,
    founding::header,
    lock::{Rest, is_written_here},
    name::{Name, identity, length, open_error, with_suffix},
    schema::{self, Found},
    tables::failed,
};

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) path: PathBuf,
    pub(crate) notes: Vec<Note>,
    /// Held while it is read as a file that does not change.
    rest: Option<Rest>,
    /// The folder of a copy, which goes with it.
    _copy: Option<tempfile::TempDir>,
}

/// Opens the file of a name, and tells its kind.
pub(crate) fn open(name: &Name) -> Result<(Connection, Reading, Found), JournalError> {
    let path = &name.path;
    let (db, mut reading) = connect(name)?;
    let set = schema::harden(&db).and_then(|()| db.pragma_update(None, "query_only", true));
    set.map_err(|error| failed(Some(path), "read", &error))?;
    let found = schema::inspect(&db, path)?;
    let had_wal =
        reading.rest.as_ref().and_then(|rest| header(rest.file())).is_some_and(|header| header.is_wal);
    if found == Found::World && had_wal && length(&with_suffix(path, "-wal")) == 0 {
        let marked = schema::is_marked_open(&db).map_err(|error| failed(Some(path), "read", &error))?;
        reading.notes.extend(marked.then(|| Note::WalMissing(path.clone())));
    }
    Ok((db, reading, found))
}

fn connect(name: &Name) -> Result<(Connection, Reading), JournalError> {
    let path = &name.path;
    let Some(found) = &name.found else { return Err(JournalError::Missing { path: path.into() }) };
    let reading = |rest, copy| Reading { path: path.into(), notes: Vec::new(), rest, _copy: copy };
    if is_written_here(identity(found)) {
        return Ok((plainly(path)?, reading(None, None)));
    }
    let [wal, shm] = ["-wal", "-shm"].map(|suffix| with_suffix(path, suffix));
    let rest = Rest::new(File::open(path).map_err(|error| open_error(path, &error))?);
    if !rest.keep() {
        // A writer is at the main file this moment, and has SQLite's own locks.
        drop(rest);
        return Ok((plainly(path)?, reading(None, None)));
    }
    if is_unfinished(path) {
        let copy = copied(path)?;
        let db =
            Connection::open_with_flags(copy.path().join("world"), flags(OpenFlags::SQLITE_OPEN_READ_WRITE));
        return Ok((db.map_err(|error| failed(Some(path), "read", &error))?, reading(None, Some(copy))));
    }
    if length(&wal) == 0 {
        return Ok((as_it_is(path)?, reading(Some(rest), None)));
    }
    if length(path) == 0 {
        let problem = format!("it is empty, but `{}` is not: its beginning is lost", wal.display());
        return Err(JournalError::NotAWorld { path: path.into(), problem });
    }
    if shm.exists() {
        // Its handle is closed before SQLite has one.
        drop(rest);
        if let Ok(db) = plainly(path) {
            return Ok((db, reading(None, None)));
        }
        let rest = Rest::new(File::open(path).map_err(|error| open_error(path, &error))?);
        if !rest.keep() {
            return plainly(path).map(|db| (db, reading(None, None)));
        }
        return Ok((without_index(path)?, reading(Some(rest), None)));
    }
    Ok((without_index(path)?, reading(Some(rest), None)))
}

/// Whether a change in rollback mode was cut short: SQLite zeroes the beginning of a journal that is done.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let mut first = [0];
    File::open(with_suffix(path, "-journal")).is_ok_and(|mut file| file.read_exact(&mut first).is_ok())
        && first != [0]
}

fn flags(mode: OpenFlags) -> OpenFlags {
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// With SQLite's own locks. It is looked at, so that one that can't be read fails here.
fn plainly(path: &Path) -> Result<Connection, JournalError> {
    let looked = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY)).and_then(|db| {
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.query_row("PRAGMA application_id", [], |row| row.get::<_, i64>(0))?;
        Ok(db)
    });
    looked.map_err(|error| failed(Some(path), "read", &error))
}

/// As a file that does not change.
fn as_it_is(path: &Path) -> Result<Connection, JournalError> {
    let mode = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let opened = Connection::open_with_flags(address(path), flags(mode));
    opened.map_err(|error| failed(Some(path), "read", &error))
}

/// With the index of its `-wal` in memory.
fn without_index(path: &Path) -> Result<Connection, JournalError> {
    let mode = flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
    let opened = Connection::open_with_flags_and_vfs(path, mode, "unix-none").and_then(|db| {
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        Ok(db)
    });
    opened.map_err(|error| failed(Some(path), "read", &error))
}

/// The path as SQLite's address of a file that does not change.
fn address(path: &Path) -> String {
    let mut address = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                address.push(char::from(*byte))
            }
            other => address.push_str(&format!("%{other:02x}")),
        }
    }
    address.push_str("?mode=ro&immutable=1");
    address
}

fn copied(path: &Path) -> Result<tempfile::TempDir, JournalError> {
    let copy = |folder: &tempfile::TempDir| {
        let world = folder.path().join("world");
        for suffix in ["", "-journal", "-wal"] {
            let from = with_suffix(path, suffix);
            if from.exists() {
                std::fs::copy(from, with_suffix(&world, suffix))?;
            }
        }
        Ok(())
    };
    let made = tempfile::tempdir().and_then(|folder| copy(&folder).map(|()| folder));
    made.map_err(|error: std::io::Error| {
        let problem =
            format!("another program's change of it was cut short, and it can't be copied: {error}");
        JournalError::Open { path: path.into(), problem }
    })
}
