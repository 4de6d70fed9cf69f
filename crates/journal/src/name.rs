//! Names of world databases: each is a regular file, or is to become one.

use std::{
    ffi::OsStr,
    fs::{FileType, Metadata},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::error::JournalError;

/// Endings of the files that stand beside a world.
const BESIDE: [&str; 5] = ["-wal", "-shm", "-journal", ".lock", ".founding"];

/// A name that has been looked at.
#[derive(Debug)]
pub(crate) struct Name {
    /// The real path: no link leads to another one.
    pub(crate) path: PathBuf,
    /// The metadata of the file that is there now.
    pub(crate) found: Option<Metadata>,
}

/// Device and inode, which stay while a file is only renamed.
pub(crate) type Identity = (u64, u64);

#[cfg(unix)]
pub(crate) fn identity(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

#[cfg(unix)]
pub(crate) fn names_count(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

#[cfg(not(unix))]
pub(crate) fn identity(_: &Metadata) -> Identity {
    (0, 0)
}

#[cfg(not(unix))]
pub(crate) fn names_count(_: &Metadata) -> u64 {
    1
}

impl Name {
    /// Looks at a name, and refuses one that is not, and can't become, a regular file's.
    pub(crate) fn look(given: &Path) -> Result<Self, JournalError> {
        let refuse = |problem: String| JournalError::Name { path: given.into(), problem };
        let file_name = check_words(given).map_err(refuse)?;
        let is_link = std::fs::symlink_metadata(given).is_ok_and(|found| found.is_symlink());
        let found = match std::fs::metadata(given) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound && is_link => {
                return Err(refuse(
                    "it is a link to nothing; remove the link, or name the file itself".into(),
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = given.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                let folder = match std::fs::canonicalize(folder) {
                    Ok(folder) => folder,
                    // There can't be a file either.
                    Err(error) if error.kind() == ErrorKind::NotFound => folder.to_path_buf(),
                    Err(error) => return Err(open_error(given, &error)),
                };
                return Ok(Self { path: folder.join(file_name), found: None });
            }
            Err(error) => return Err(open_error(given, &error)),
        };
        if !found.is_file() {
            return Err(refuse(format!("it is {}; name a file", kind(found.file_type()))));
        }
        let path = std::fs::canonicalize(given).map_err(|error| open_error(given, &error))?;
        check_words(&path).map_err(refuse)?;
        Ok(Self { path, found: Some(found) })
    }
}

/// The last part of a path, if it can be a world's name.
fn check_words(path: &Path) -> Result<&OsStr, String> {
    let words = path.to_string_lossy();
    let Some(name) = path.file_name().filter(|_| !words.ends_with('/')) else {
        return Err("it names no file; write a name such as `world.oikos`".into());
    };
    if words.starts_with("file:") || words.contains(":memory:") {
        return Err(
            "it is the spelling of a database that is no file; `oikos run FILE --no-db` runs a world in memory; write \
             `./` before it if it is a file"
                .into()
        );
    }
    let last = name.to_string_lossy();
    match BESIDE.iter().find(|ending| last.ends_with(**ending)) {
        Some(ending) => {
            Err(format!("files that end in `{ending}` stand beside a world; name the world itself"))
        }
        None => Ok(name),
    }
}

#[cfg(unix)]
fn kind(found: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn kind(found: FileType) -> &'static str {
    if found.is_dir() { "a folder" } else { "no regular file" }
}

pub(crate) fn open_error(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Open { path: path.into(), problem: error.to_string() }
}

/// The name of a file beside another.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The bytes of a file; 0 when there is none.
pub(crate) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

/// Brings the names in the folder of a file to the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), JournalError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| open_error(folder, &error))?;
    }
    Ok(())
}

/// Removes a file, if there is one.
pub(crate) fn remove(path: &Path) -> Result<(), JournalError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(open_error(path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
