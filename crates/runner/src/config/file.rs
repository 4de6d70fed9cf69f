//! Reading a world file and what it refers to from disk: regular files only, so much and no more, and nothing
//! that lies outside of the world file's folder.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Component, Path},
};

use oikos_kernel::limits;

/// How a database of SQLite begins.
const DATABASE: &[u8] = b"SQLite format 3\0";

/// The text of a world file.
pub(super) fn world(path: &Path) -> Result<String, String> {
    let mut file = open(path).map_err(|problem| format!("the world file can't be read: {problem}"))?;
    let mut bytes = Vec::new();
    let begun = (&mut file).take(DATABASE.len() as u64).read_to_end(&mut bytes);
    if begun.is_ok() && bytes == DATABASE {
        let looks = "`oikos run`, `oikos inspect`, `oikos log` and `oikos act` take it";
        return Err(format!("the world file can't be read: it is a database, not a world file; {looks}"));
    }
    rest(file, bytes, limits::WORLD_FILE_BYTES_MAX)
        .map_err(|problem| format!("the world file can't be read: {problem}"))
}

/// The text of a file that a world file names, which lies below `folder`, links followed.
pub(super) fn below(folder: &Path, name: &str) -> Result<String, String> {
    read_below(folder, name, limits::CONTENT_BYTES_MAX)
}

/// As [`below`], for a file of answers.
pub(super) fn tape(folder: &Path, name: &str) -> Result<String, String> {
    read_below(folder, name, limits::TAPE_FILE_BYTES_MAX)
}

fn read_below(folder: &Path, name: &str, most: usize) -> Result<String, String> {
    check_name(name)?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let said = |error: std::io::Error| error.to_string();
    let (real, home) =
        (fs::canonicalize(folder.join(name)).map_err(said)?, fs::canonicalize(folder).map_err(said)?);
    if !real.starts_with(home) {
        return Err("it leads out of the folder of the world file".into());
    }
    rest(open(&real)?, Vec::new(), most)
}

/// Refuses a path that can't lie below the world file's folder.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() {
        return Err("the path is empty".into());
    }
    if Path::new(name).components().all(inside) {
        return Ok(());
    }
    Err("only files below the folder of the world file are read".into())
}

/// Opens a regular file; others are not even opened, since that may wait for somebody.
fn open(path: &Path) -> Result<File, String> {
    let regular = |meta: &fs::Metadata| {
        if meta.is_file() {
            Ok(())
        } else if meta.is_dir() {
            Err("it is a folder".to_owned())
        } else {
            Err("it is no regular file".to_owned())
        }
    };
    let said = |error: std::io::Error| error.to_string();
    regular(&fs::metadata(path).map_err(said)?)?;
    let file = File::open(path).map_err(said)?;
    regular(&file.metadata().map_err(said)?)?;
    Ok(file)
}

/// Reads on to the end; `bytes` are those that were read before.
fn rest(mut file: File, mut bytes: Vec<u8>, most: usize) -> Result<String, String> {
    let whole = file.metadata().map_err(|error| error.to_string())?.len();
    let too_large = |size: u64| format!("it has {size} bytes; the most is {most}");
    if whole > most as u64 {
        return Err(too_large(whole));
    }
    // A file may grow meanwhile, or not tell its size.
    let left = (most - bytes.len().min(most)) as u64 + 1;
    (&mut file).take(left).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > most {
        return Err(format!("it has more than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("it is not UTF-8 text; line {line} is the first that is not")
    })
}
