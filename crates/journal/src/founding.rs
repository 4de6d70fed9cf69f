//! A founding: made whole in a file beside, which then takes its place at once.
//!
//! At each moment either what was there before is at the world's name, or the new world whole. A world that
//! was there has a second name before it loses its own.

use std::{
    fs::File,
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    error::JournalError,
    file::{Note, Writing, remove_beside, settle, write_to},
    lock::{self, Locked},
    name::{Name, identity, length, names_count, open_error, remove, sync_folder, with_suffix},
    reading,
    schema::{self, Found},
    tables::failed,
};

/// How the name of a founding's own file ends.
const FOUNDING: &str = ".founding";
/// Files of SQLite that hold what the main file does not.
const HOLDING: [&str; 2] = ["-wal", "-journal"];

/// A founding that is under way.
#[derive(Debug)]
pub(crate) struct Founding {
    path: PathBuf,
    /// The file it is made in.
    file: PathBuf,
    /// The name that the old world is to have.
    aside: Option<PathBuf>,
    /// The writer's lock; it goes with the file.
    lock: Option<Locked>,
    is_established: bool,
}

/// The beginning of a database file.
pub(crate) struct Header {
    /// Whether it is in WAL mode.
    pub(crate) is_wal: bool,
    application: [u8; 4],
}

/// The beginning of a database file; `None` if there is less of it.
pub(crate) fn header(mut file: &File) -> Option<Header> {
    let mut bytes = [0_u8; 100];
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut bytes)).ok()?;
    let application = bytes.get(68..72)?.try_into().ok()?;
    Some(Header { is_wal: bytes.get(18..20)? == [2, 2], application })
}

/// Begins to found a world at a name; `over` what is there.
pub(crate) fn begin(
    name: &Name,
    lock: Locked,
    over: bool,
) -> Result<(Connection, Founding, Vec<Note>), JournalError> {
    let path = &name.path;
    let file = with_suffix(path, FOUNDING);
    let was_begun = file.exists();
    let mut notes = Vec::new();
    undo(path)?;
    let has_world = match &name.found {
        None => HOLDING.iter().any(|suffix| with_suffix(path, suffix).exists()),
        Some(_) if over => {
            length(path) > 0 || HOLDING.iter().any(|suffix| length(&with_suffix(path, suffix)) > 0)
        }
        Some(_) => match reading::open(name)?.2 {
            Found::Unfounded => false,
            Found::World => {
                let problem = "it holds a world already".into();
                return Err(JournalError::Open { path: path.into(), problem });
            }
        },
    };
    let aside = has_world.then(|| free_name(path));
    match &aside {
        Some(aside) => notes.push(Note::Aside(aside.clone())),
        None if was_begun || name.found.is_some() => notes.push(Note::BegunAfresh(path.clone())),
        None => {}
    }
    let made = make(&file, name);
    let db = made.map_err(|error| failed(Some(&file), "written", &error))?;
    let founding = Founding { path: path.clone(), file, aside, lock: Some(lock), is_established: false };
    Ok((db, founding, notes))
}

/// Makes the tables in a file of which nothing stands beside, so that a kill leaves that file alone.
fn make(file: &Path, name: &Name) -> rusqlite::Result<Connection> {
    let mode =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if let Some(found) = &name.found
        && let Ok(made) = File::options().write(true).create(true).truncate(false).open(file)
    {
        // The readers and writers of the old world are those of the new one.
        lock::give_to_owner(&made, &name.path);
        let _ = made.set_permissions(found.permissions());
    }
    let db = Connection::open_with_flags(file, mode)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    schema::harden(&db)?;
    schema::create(&db)?;
    Ok(db)
}

/// The first free name `PATH.1`, `PATH.2` and so on.
fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| with_suffix(path, &format!(".{number}"));
    let is_free = |number: &u32| {
        let name = name(*number);
        let taken = |path: &Path| std::fs::symlink_metadata(path).is_ok();
        !taken(&name) && !HOLDING.iter().any(|suffix| taken(&with_suffix(&name, suffix)))
    };
    name((1..u32::MAX).find(is_free).unwrap_or(u32::MAX))
}

impl Founding {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The founding is committed: its file is brought to its place, and opened there.
    pub(crate) fn establish(&mut self, db: Connection) -> Result<(Connection, Writing), JournalError> {
        let (path, file) = (&self.path, &self.file);
        db.close().map_err(|(_, error)| failed(Some(file), "written", &error))?;
        let synced = File::open(file).and_then(|file| file.sync_all());
        synced.map_err(|error| JournalError::Failed {
            file: format!("`{}`", file.display()),
            doing: "written",
            problem: error.to_string(),
        })?;
        match &self.aside {
            Some(aside) => set_aside(path, aside)?,
            // Files beside one without a world are of no use to the next world.
            None => remove_beside(path, &["-wal", "-journal", "-shm"])?,
        }
        std::fs::rename(file, path).map_err(|error| open_error(path, &error))?;
        self.is_established = true;
        sync_folder(path)?;
        let lock = self.lock.take().ok_or(JournalError::Poisoned)?;
        write_to(path, lock)
    }

    /// Nothing was founded: nothing is left of it.
    pub(crate) fn give_up(&self, db: Connection) {
        drop(db);
        if !self.is_established {
            let _ = remove(&self.file);
        }
    }
}

/// Gives the old world a second name, of all its files; its own is free to be taken over. Files that can't be
/// brought into its main file, as that is damaged, get a second name too, and lose their own first: they must
/// not be read with the new world.
fn set_aside(path: &Path, aside: &Path) -> Result<(), JournalError> {
    let holding: &[&str] = if path.exists() && settle(path) { &[] } else { &HOLDING };
    for suffix in [""].iter().chain(holding) {
        let (from, to) = (with_suffix(path, suffix), with_suffix(aside, suffix));
        match std::fs::hard_link(&from, &to) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // A file system without links: the name is free for a moment.
            Err(error) if has_no_links(&error) && from.exists() => {
                std::fs::rename(&from, &to).map_err(|error| open_error(&from, &error))?;
            }
            Err(error) if from.exists() => return Err(open_error(&to, &error)),
            Ok(()) | Err(_) => {}
        }
    }
    sync_folder(path)?;
    remove_beside(path, &["-wal", "-journal", "-shm"])
}

/// Whether a file can't get a second name where it is, or no more of them.
fn has_no_links(error: &std::io::Error) -> bool {
    use ErrorKind::{PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), PermissionDenied | TooManyLinks | Unsupported)
}

/// Undoes what was cut short: a founding that had not taken its place, and a second name of the old world.
pub(crate) fn undo(path: &Path) -> Result<Vec<Note>, JournalError> {
    let mut notes = Vec::new();
    if let Some(aside) = second_name(path)? {
        for suffix in HOLDING {
            let (held, own) = (with_suffix(&aside, suffix), with_suffix(path, suffix));
            if held.exists() && !own.exists() {
                std::fs::rename(&held, &own).map_err(|error| open_error(&held, &error))?;
            } else {
                remove(&held)?;
            }
        }
        remove(&aside)?;
        sync_folder(path)?;
        notes.push(Note::GoesOn(path.into()));
    }
    let file = with_suffix(path, FOUNDING);
    if std::fs::symlink_metadata(&file).is_ok() {
        if !is_ours(&file)? {
            let problem =
                "it is no founding that was cut short, and stands where one is to be made; move it".into();
            return Err(JournalError::Open { path: file, problem });
        }
        remove_beside(&file, &["", "-wal", "-journal", "-shm"])?;
        if notes.is_empty() && path.exists() {
            notes.push(Note::GoesOn(path.into()));
        }
    }
    Ok(notes)
}

/// The name `PATH.1` or so that is the same file as `path`, if that has two names.
fn second_name(path: &Path) -> Result<Option<PathBuf>, JournalError> {
    let found = match std::fs::metadata(path) {
        Ok(found) if names_count(&found) == 2 => found,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(open_error(path, &error)),
    };
    let names = (1..u32::MAX).map(|number| with_suffix(path, &format!(".{number}")));
    let taken = names.map_while(|name| Some((std::fs::symlink_metadata(&name).ok()?, name)));
    Ok(taken.filter(|(other, _)| identity(other) == identity(&found)).map(|(_, name)| name).next())
}

/// Whether a file can be a founding that was cut short: a regular file that is empty or marked as ours, or
/// whose first page was never written.
fn is_ours(file: &Path) -> Result<bool, JournalError> {
    let found = std::fs::symlink_metadata(file).map_err(|error| open_error(file, &error))?;
    if !found.is_file() {
        return Ok(false);
    }
    let opened = File::open(file).map_err(|error| open_error(file, &error))?;
    Ok(found.len() == 0
        || header(&opened)
            .is_some_and(|header| header.application == *b"OIKO" || header.application == [0; 4]))
}
