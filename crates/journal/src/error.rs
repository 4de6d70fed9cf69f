//! Faults of the journal: each names the file or the place, the system's message, and the next step.

use std::path::PathBuf;

/// Why a journal can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The name can't be that of a world database.
    #[error("`{}` can't be a world database: {problem}", path.display())]
    Name {
        /// The name.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// The file can't be opened or created.
    #[error("`{}` can't be opened: {problem}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's message.
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
        /// The kind of file it is instead.
        problem: String,
    },
    /// The file was written by another version.
    #[error(
        "`{}` has journal format {found}, which {}; this version reads format {known}", path.display(), reader(*found, *known)
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The format that is read here.
        known: i64,
    },
    /// Another process writes to the world.
    #[error("another process is writing to `{}`{}; wait for it to end, or stop it", path.display(), named(writer.as_deref()))]
    Busy {
        /// The file.
        path: PathBuf,
        /// The words for that process, where it is known.
        writer: Option<String>,
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
        /// The flaw, in words.
        problem: String,
    },
    /// A record or a value is larger than what can be read again.
    #[error("{what} has {bytes} bytes, and the journal takes {max}: it is not written")]
    TooLarge {
        /// The record, batch or value.
        what: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// Reading or writing failed: disk full, an I/O error.
    #[error("{file} can't be {doing}: {problem}")]
    Failed {
        /// The file, in backticks, or the journal in memory.
        file: String,
        /// `read` or `written`.
        doing: &'static str,
        /// The system's message.
        problem: String,
    },
    /// The file was deleted, replaced, renamed or linked under the writer.
    #[error("{problem} while the world was open: nothing after record {seq} was acknowledged; {help}")]
    Moved {
        /// The file and its change, in words.
        problem: String,
        /// The last record that is surely in it.
        seq: u64,
        /// The next step for the user.
        help: String,
    },
    /// A record could not be encoded.
    #[error(transparent)]
    Encode(#[from] oikos_kernel::record::DecodeError),
    /// Somebody asked for an end before it was done.
    #[error("it was stopped before it was done")]
    Stopped,
    /// An earlier write failed, so nothing more is accepted.
    #[error("the journal stopped after a failed write; open the world again")]
    Poisoned,
}

fn named(writer: Option<&str>) -> String {
    writer.map_or(String::new(), |writer| format!(" ({writer})"))
}

/// Which version reads a format.
fn reader(found: i64, known: i64) -> &'static str {
    match found {
        3 => "oikos 0.1 reads: go on with that version, or run the world anew with `--fresh`",
        4 => "oikos 0.2 reads: go on with that version, or run the world anew with `--fresh`",
        5 => "oikos 0.3 reads: go on with that version, or run the world anew with `--fresh`",
        _ if found > known => "a later version reads",
        _ => "no released version reads",
    }
}

impl JournalError {
    /// A world that is gone from its database while it was followed up to a record.
    pub(crate) fn dropped(at: &impl std::fmt::Display, seq: u64) -> Self {
        Self::Moved {
            problem: format!("`{at}` was dropped, or got another name,"),
            seq,
            help: "its database has no world of that name any more".into(),
        }
    }

    pub(crate) fn corrupt(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Corrupt { place: place.into(), problem: problem.into() }
    }
}
