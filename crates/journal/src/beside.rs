//! A world that is made whole in a folder beside, before it takes its name.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{
    error::JournalError,
    name::{open_error, sync_folder},
};

/// The place of a world that is being made; it goes with all in it, unless the world takes its name.
#[derive(Debug)]
pub struct Beside {
    folder: TempDir,
    to: PathBuf,
}

impl Beside {
    /// A place for a world that is to have a name; none if something has that name.
    ///
    /// # Errors
    /// When there can be no folder beside.
    pub fn of(to: &Path) -> Result<Option<Self>, JournalError> {
        if std::fs::symlink_metadata(to).is_ok() {
            return Ok(None);
        }
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".oikos-").tempdir_in(folder);
        let folder = made.map_err(|error| open_error(to, &error))?;
        Ok(Some(Self { folder, to: to.into() }))
    }

    /// The name of the world's file until then.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("world")
    }

    /// Gives the world its name; nobody writes to it any more.
    ///
    /// # Errors
    /// When something has got that name meanwhile, or the disk fails.
    pub fn take_place(self) -> Result<(), JournalError> {
        let (made, to) = (self.path(), &self.to);
        let moved = match std::fs::hard_link(&made, to) {
            Ok(()) => std::fs::remove_file(&made),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(error),
            // A file system without links.
            Err(_) => std::fs::rename(&made, to),
        };
        moved.map_err(|error| open_error(to, &error))?;
        sync_folder(to)
    }
}
