//! Why a page can't be shown.

use oikos_runner::{JournalError, RunError};

/// Why a page can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum Unshown {
    /// There is no such page, or nothing in this world that it could show.
    #[error("{0}")]
    NotFound(String),
    /// The address has a part that can't be meant.
    #[error("{0}")]
    Misread(String),
    /// The viewer may not see it.
    #[error("{0}")]
    Hidden(String),
    /// The world can't be read.
    #[error(transparent)]
    Fault(#[from] RunError),
    /// A chart can't be drawn.
    #[error("internal error: {0}")]
    Chart(#[from] crate::chart::ChartError),
}

impl From<JournalError> for Unshown {
    fn from(error: JournalError) -> Self {
        Self::Fault(error.into())
    }
}
