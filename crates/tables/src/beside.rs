//! A file that stands beside its name until it is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file that is being written, as `NAME.partial`. Dropped before it is kept, it is removed.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    name: PathBuf,
    beside: PathBuf,
    is_kept: bool,
}

impl Partial {
    pub(crate) fn create(name: &Path) -> io::Result<Self> {
        let mut beside = name.as_os_str().to_owned();
        beside.push(".partial");
        let beside = PathBuf::from(beside);
        Ok(Self { file: File::create(&beside)?, name: name.into(), beside, is_kept: false })
    }

    /// Gives the file its name, once it is on disk.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.name)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept {
            // It may be gone already, with its folder.
            drop(fs::remove_file(&self.beside));
        }
    }
}
