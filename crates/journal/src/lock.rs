//! Locks: one writer to a world under all its names, and readers of a world at rest.
//!
//! SQLite's own locks are lost when any other handle of the file is closed in the same process. The
//! locks here are on open files instead, and no handle of a world is closed here while SQLite has it.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::JournalError,
    name::{Identity, open_error, with_suffix},
};

/// The worlds that this process writes to.
static WRITTEN: Mutex<Vec<Identity>> = Mutex::new(Vec::new());

fn written() -> MutexGuard<'static, Vec<Identity>> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process writes to the file.
pub(crate) fn is_written_here(file: Identity) -> bool {
    written().contains(&file)
}

/// Says that this process writes to a file, until it is dropped.
#[derive(Debug)]
pub(crate) struct Written(Identity);

impl Written {
    pub(crate) fn new(file: Identity) -> Self {
        written().push(file);
        Self(file)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let mut all = written();
        if let Some(at) = all.iter().position(|file| *file == self.0) {
            all.swap_remove(at);
        }
    }
}

/// A file that only this writer has. Its lock ends with this, also where a process that was just started still has the
/// file open for the moment.
#[derive(Debug)]
pub(crate) struct Locked(File);

impl Locked {
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // If it can't be unlocked, the lock ends with the last who has the file open.
        let _ = self.0.unlock();
    }
}

/// Takes the lock file beside a world, named by its real path. The system lets go of it when the process
/// dies; the file stays.
pub(crate) fn lock_beside(path: &Path) -> Result<Locked, JournalError> {
    let beside = with_suffix(path, ".lock");
    if std::fs::symlink_metadata(&beside).is_ok_and(|found| !found.is_file()) {
        let problem = "it is no regular file, and stands where the writer's lock should; remove it".into();
        return Err(JournalError::Open { path: beside, problem });
    }
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&beside);
    // One that somebody else has made can be locked all the same.
    let opened = opened.or_else(|error| File::open(&beside).map_err(|_| error));
    let file = opened.map_err(|error| open_error(&beside, &error))?;
    give_to_owner(&file, path);
    exclusively(file, path)
}

/// Whether a writer has the lock beside a world. Where nobody has it, it is taken and let go at once.
pub(crate) fn is_held(path: &Path) -> bool {
    let file = File::open(with_suffix(path, ".lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Locks a file that only one writer may have.
pub(crate) fn exclusively(file: File, path: &Path) -> Result<Locked, JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(Locked(file)),
        Err(TryLockError::WouldBlock) => Err(JournalError::Busy { path: path.into(), writer: None }),
        Err(TryLockError::Error(error)) => Err(open_error(path, &error)),
    }
}

/// A file that the machine's administrator makes beside a world, or in its place, is the owner's.
#[cfg(unix)]
pub(crate) fn give_to_owner(file: &File, path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    if let (Ok(world), Ok(mine)) = (std::fs::metadata(path), file.metadata())
        && mine.uid() == 0
        && world.uid() != 0
    {
        // Where it is not allowed, the owner can still lock what can be read.
        let _ = std::os::unix::fs::fchown(file, Some(world.uid()), Some(world.gid()));
    }
}

#[cfg(not(unix))]
pub(crate) fn give_to_owner(_: &File, _: &Path) {}

/// Keeps the main file of a world as it is while somebody reads it without SQLite's locks: shared by such
/// readers, had alone by a writer who is about to change it.
#[derive(Debug)]
pub(crate) struct Rest(File);

impl Rest {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    /// Lets nobody change the main file, from now on; whether nobody is about to this moment.
    pub(crate) fn keep(&self) -> bool {
        !is_locked_elsewhere(self.0.try_lock_shared())
    }

    /// Lets nobody begin to read.
    pub(crate) fn have(&self, path: &Path) -> Result<(), JournalError> {
        if self.is_had() {
            return Ok(());
        }
        let problem = "others are reading it, and it must be changed: wait for them to end".into();
        Err(JournalError::Open { path: path.into(), problem })
    }

    /// Whether nobody reads now; then nobody begins to, until [`Rest::end`].
    pub(crate) fn is_had(&self) -> bool {
        !is_locked_elsewhere(self.0.try_lock())
    }

    pub(crate) fn end(&self) {
        let _ = self.0.unlock();
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the file system has no such locks, nobody is kept out by them.
fn is_locked_elsewhere(tried: Result<(), TryLockError>) -> bool {
    matches!(tried, Err(TryLockError::WouldBlock))
}
