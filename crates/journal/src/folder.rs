//! The worlds that stand in one folder.

use std::path::{Path, PathBuf};

use crate::{error::JournalError, name::open_error};

/// The ending of a world's name.
const ENDING: &str = "oikos";
/// Names of a folder that are looked at.
const NAMES_MAX: usize = 10_000;

/// The files in the folder of a world that are named as worlds are, itself not among them, by their names. A link is
/// none: it may lead out of the folder. Whether one holds a world is not known before it is opened.
///
/// # Errors
/// When the folder can't be read.
pub fn worlds_beside(world: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let folder = world.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder).map_err(|error| open_error(folder, &error))?;
    let mut found = Vec::new();
    for entry in names.take(NAMES_MAX) {
        let entry = entry.map_err(|error| open_error(folder, &error))?;
        let path = entry.path();
        let is_named = path.extension().is_some_and(|ending| ending == ENDING);
        let is_itself = path.file_name() == world.file_name();
        // One that is gone meanwhile is no file any more.
        if is_named && !is_itself && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
