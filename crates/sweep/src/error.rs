//! Faults of a sweep, and what can't be meant.

use std::path::{Path, PathBuf};

use oikos_runner::RunError;

/// Why a sweep can't begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Something that was typed, or stands in a file, can't be meant.
    #[error("{0}")]
    Usage(String),
    /// The world file is wrong, or this machine can't run it.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of the sweep can't be read or written.
    #[error("`{}` can't be {what}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read`, `written`.
        what: &'static str,
        /// The system's words.
        problem: String,
    },
    /// A file of the sweep is damaged.
    #[error("`{}` is damaged in line {line}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The fault.
        problem: String,
    },
    /// Another process has the folder.
    #[error("another process sweeps into `{}`", .0.display())]
    Locked(PathBuf),
    /// A process that makes runs can't be started.
    #[error("a process that makes runs can't be started: {0}")]
    Child(std::io::Error),
    /// A table can't be written.
    #[error(transparent)]
    Table(#[from] oikos_tables::TableError),
    /// A chart can't be drawn.
    #[error("internal error: {0}")]
    Chart(#[from] oikos_views::chart::ChartError),
}

impl SweepError {
    /// Whether the user's files or arguments are to blame, rather than the machine or us.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::Run(error) => error.is_config(),
            Self::File { .. }
            | Self::Damaged { .. }
            | Self::Locked(_)
            | Self::Child(_)
            | Self::Table(_)
            | Self::Chart(_) => false,
        }
    }

    pub(crate) fn unread(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.into(), what: "read", problem: error.to_string() }
    }

    pub(crate) fn unwritten(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.into(), what: "written", problem: error.to_string() }
    }
}
