//! Faults of the journal: each names the file and the place.

use std::path::PathBuf;

/// Why a journal can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be opened or created.
    #[error("`{}` can't be opened: {problem}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// There is no such file.
    #[error("there is no world database `{}`; `oikos run` makes one from a world file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("`{}` is not a world database: {problem}", path.display())]
    NotAWorld {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: String,
    },
    /// The file was written by another version.
    #[error("`{}` has journal format {found}; this version reads format {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The format that is read here.
        known: i64,
    },
    /// Another process writes to the world.
    #[error("another process is writing to `{}`; wait for it to end, or stop it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// There is no committed first batch.
    #[error("`{}` holds no world yet: its founding was never committed", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The contents contradict themselves.
    #[error("the world is corrupt at {place}: {problem}")]
    Corrupt {
        /// Table and sequence number.
        place: String,
        /// What was found instead of what.
        problem: String,
    },
    /// SQLite failed: disk full, an I/O error, a damaged file.
    #[error("the world database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A record could not be encoded.
    #[error(transparent)]
    Encode(#[from] oikos_kernel::record::DecodeError),
    /// An earlier write failed, so nothing more is accepted.
    #[error("the journal stopped after a failed write; open the world again")]
    Poisoned,
}

impl JournalError {
    pub(crate) fn corrupt(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Corrupt { place: place.into(), problem: problem.into() }
    }
}
