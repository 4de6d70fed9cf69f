//! The standard library in one piece.

use std::{error::Error, fs, path::Path};

/// Folders and modules that are left out: tests, tools, and packages for what the sandbox has not.
const LEFT_OUT: &[&str] = &[
    "__hello__.py",
    "__phello__",
    "_aix_support.py",
    "_android_support.py",
    "_apple_support.py",
    "_dummy_os.py",
    "_dummy_thread.py",
    "_ios_support.py",
    "_osx_support.py",
    "_pycodecs.py",
    "_pyrepl",
    "antigravity.py",
    "compileall.py",
    "ctypes",
    "curses",
    "dbm",
    "dummy_threading.py",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "multiprocessing",
    "pydoc_data",
    "sqlite3",
    "this.py",
    "tkinter",
    "turtle.py",
    "turtledemo",
    "unittest",
    "venv",
    "wsgiref",
    "xmlrpc",
    "zipapp.py",
    "webbrowser.py",
    "pdb.py",
    "doctest.py",
    "pydoc.py",
    "mailbox.py",
    "imaplib.py",
    "smtplib.py",
    "poplib.py",
    "ftplib.py",
    "socketserver.py",
];

/// Every module: the length of its path, its path, the length of its text, its text; in the order of the paths.
pub(crate) fn pack(root: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    found.sort();
    let mut packed = Vec::new();
    for path in found {
        let text = fs::read(root.join(&path))?;
        for part in [path.as_bytes(), text.as_slice()] {
            packed.extend(u32::try_from(part.len())?.to_le_bytes());
            packed.extend(part);
        }
    }
    Ok(packed)
}

fn collect(root: &Path, below: &str, found: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("{name:?} is no text"))?;
        if LEFT_OUT.contains(&name.as_str()) || name == "test" || name == "tests" {
            continue;
        }
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            collect(root, &path, found)?;
        } else if path.ends_with(".py") {
            found.push(path);
        }
    }
    Ok(())
}
