//! A world that is made whole under another name, before it takes its own.

use tempfile::TempDir;

use crate::{
    address::{Address, InPostgres},
    error::JournalError,
    name::{open_error, sync_folder},
    postgres,
};
use std::path::{Path, PathBuf};

/// The place of a world that is being made; it goes with all in it, unless the world takes its name.
#[derive(Debug)]
pub struct Beside(Kind);

#[derive(Debug)]
enum Kind {
    File { folder: TempDir, to: PathBuf },
    Postgres { made: Box<postgres::Making>, to: InPostgres },
}

impl Beside {
    /// A place for a world that is to have a name; none if something has that name.
    ///
    /// # Errors
    /// When there can be no such place.
    pub fn of(to: impl Into<Address>) -> Result<Option<Self>, JournalError> {
        match to.into() {
            Address::File(to) => Self::of_file(&to),
            Address::Postgres(to) => {
                if postgres::holds_world(&to)? {
                    return Ok(None);
                }
                let made = Box::new(postgres::Making::of(&to)?);
                Ok(Some(Self(Kind::Postgres { made, to })))
            }
        }
    }

    fn of_file(to: &Path) -> Result<Option<Self>, JournalError> {
        if std::fs::symlink_metadata(to).is_ok() {
            return Ok(None);
        }
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".oikos-").tempdir_in(folder);
        let folder = made.map_err(|error| open_error(to, &error))?;
        Ok(Some(Self(Kind::File { folder, to: to.into() })))
    }

    /// Where the world is until then.
    #[must_use]
    pub fn address(&self) -> Address {
        match &self.0 {
            Kind::File { folder, .. } => Address::File(folder.path().join("world")),
            Kind::Postgres { made, .. } => Address::Postgres(made.at.clone()),
        }
    }

    /// Gives the world its name; nobody writes to it any more.
    ///
    /// # Errors
    /// When something has got that name meanwhile, or the disk fails.
    pub fn take_place(self) -> Result<(), JournalError> {
        let to = match &self.0 {
            Kind::File { to, .. } => to,
            Kind::Postgres { made, to } => return made.take_place(to),
        };
        let Address::File(made) = self.address() else { return Ok(()) };
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
