//! The runtime as a machine has it: its snapshot, and the file that is kept of it.
#![expect(clippy::expect_used, reason = "a test may stop")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use oikos_python::{Runtime, Stage};

/// The folder that all tests of the workspace share.
fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("python")
}

/// Opens the runtime, and says whether it was booted for that.
fn booted(folder: &Path) -> bool {
    let mut stages = Vec::new();
    Runtime::open(Some(folder), &mut |stage| stages.push(stage)).expect("the runtime opens");
    stages.contains(&Stage::Booting)
}

/// Every boot yields the pinned snapshot, or there is no runtime; once kept, nothing boots again.
#[test]
fn a_compiled_file_is_kept_and_is_taken_by_the_next() {
    booted(&shared());
    assert!(!booted(&shared()));
}

/// Without a place to keep it, it is made and runs all the same.
#[test]
fn no_folder_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("a file");
    assert!(booted(&file.join("below")), "a file is no folder");
    assert_eq!(fs::read_dir(folder.path()).expect("it can be read").count(), 1, "nothing was left behind");
}
