//! Faults of a running world. Refusals are not among them: those are in receipts.

use oikos_agents::Halt;
use oikos_journal::JournalError;
use oikos_kernel::{
    founding::FoundingError,
    world::{ApplyError, image::AuditError},
};
use oikos_sandbox::{RuntimeError, WorkerError};

use crate::config::ConfigError;

/// Why a world can't be opened or can't go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The world file is wrong.
    #[error(transparent)]
    Config(#[from] Box<ConfigError>),
    /// The world can't be founded.
    #[error("the world can't be founded: {0}")]
    Founding(#[from] FoundingError),
    /// The code of an artifact of the world file is no Python.
    #[error("the code of `{id}` is no Python:\n{problem}")]
    Code {
        /// The artifact.
        id: String,
        /// The report.
        problem: String,
    },
    /// The code of an artifact of the world file lacks a function that the world file names.
    #[error("`{id}`: {problem}")]
    Entry {
        /// The artifact.
        id: String,
        /// The fault in it.
        problem: String,
    },
    /// The world file differs from the one that the database records.
    #[error("the world file is not the one that `{db}` was made from:\n{}", differences.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))]
    Differs {
        /// The database.
        db: String,
        /// The differences, one a line.
        differences: Vec<String>,
    },
    /// Something asked for that this version does not have.
    #[error("{0}")]
    Unsupported(String),
    /// There is no interpreter.
    #[error(transparent)]
    Interpreter(#[from] RuntimeError),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The kernel made a record that does not fit its world.
    #[error("internal error: {0}")]
    Apply(#[from] ApplyError),
    /// The books of the world do not add up.
    #[error("internal error: {0}")]
    Audit(#[from] AuditError),
    /// The code of the world ran on another runtime.
    #[error(
        "the code of this world runs on `{made_by}`, and this version of oikos has `{here}`, on which it may do other \
         things: go on with the version that made it, or take the world over by `oikos run FILE --adopt-runtime`, \
         which records the change; `verify`, `log` and `inspect` need no runtime"
    )]
    Runtime {
        /// The name of the runtime that the world records.
        made_by: String,
        /// The name of the one that is here.
        here: String,
    },
    /// There is no process to run code in.
    #[error(
        "{0}; nothing has happened, and the same command goes on; `isolation = \"thread\"` needs no other process"
    )]
    Worker(WorkerError),
    /// Models can't be asked from here.
    #[error("{0}")]
    Models(String),
    /// Models can't be asked any more.
    #[error("{0}; nothing is lost, and the same command goes on when that is mended")]
    Halt(Halt),
    /// Somebody asked to stop while the answer of a language model was waited for.
    #[error("it was stopped while a language model was to answer; nothing of that action has happened")]
    Stopped,
    /// The machine's clock can't be right.
    #[error(
        "the machine's clock says {ms} ms since 1970, which is no year from 1900 to 9900; a world on the wall \
         clock needs the time: set the clock, or use `clock = \"virtual\"`"
    )]
    Clock {
        /// The time it shows, in milliseconds.
        ms: i64,
    },
    /// There is no later time.
    #[error("the world's clock has come to the last instant there is, the end of the year 9999")]
    EndOfTime,
    /// A table could not be written.
    #[error(transparent)]
    Table(#[from] oikos_tables::TableError),
    /// Printing or reading failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl RunError {
    /// Whether it may pass by itself: the database is gone for now, or somebody writes.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Journal(
                JournalError::Failed { .. } | JournalError::Open { .. } | JournalError::Busy { .. }
            )
        )
    }
}

impl From<WorkerError> for RunError {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

impl RunError {
    /// Whether the user's files or arguments are to blame, rather than the machine or us.
    #[must_use]
    pub fn is_config(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Founding(_)
                | Self::Code { .. }
                | Self::Entry { .. }
                | Self::Differs { .. }
                | Self::Runtime { .. }
                | Self::Unsupported(_)
                | Self::Journal(JournalError::Missing { .. } | JournalError::Name { .. })
        )
    }
}
