//! A tape in a file of lines, beside a world: rows are added, and none is changed.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use oikos_kernel::tape::Taped;

use crate::error::JournalError;

/// A tape file that rows are added to.
#[derive(Clone, Debug)]
pub struct TapeFile(PathBuf);

impl TapeFile {
    /// The file, and its rows; one that is not there has none, and is made with the first.
    ///
    /// # Errors
    /// When it can't be read, or a line of it is no row.
    pub fn open(path: &Path) -> Result<(Self, Vec<Taped>), JournalError> {
        let this = Self(path.into());
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| this.failed("read", error.to_string()))?,
        };
        let wrong =
            |(line, problem)| this.failed("read", format!("line {line}: {problem}; take the line out"));
        let rows = Taped::from_lines(&text).map_err(wrong)?;
        Ok((this, rows))
    }

    /// Adds a row: when this returns, it is on disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&self, row: &Taped) -> Result<(), JournalError> {
        let file = File::options().append(true).create(true).open(&self.0);
        let written = file.and_then(|mut file| {
            // In one piece, so that two who add at once don't mix their lines.
            file.write_all(format!("{}\n", row.to_line()).as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| self.failed("written", error.to_string()))
    }

    fn failed(&self, doing: &'static str, problem: String) -> JournalError {
        JournalError::Failed { file: format!("`{}`", self.0.display()), doing, problem }
    }
}
