//! A file that stands beside its name until it is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file that is being written, as `NAME.partial`. Dropped before it is kept, it is removed.
#[derive(Debug)]
pub struct Partial {
    file: File,
    name: PathBuf,
    beside: PathBuf,
    is_kept: bool,
}

impl Partial {
    /// Begins a file that will stand at `name`, in the place of any file there.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn create(name: &Path) -> io::Result<Self> {
        let mut beside = name.as_os_str().to_owned();
        beside.push(".partial");
        let beside = PathBuf::from(beside);
        Ok(Self { file: File::create(&beside)?, name: name.into(), beside, is_kept: false })
    }

    /// Gives the file its name, once it is on disk.
    ///
    /// # Errors
    /// When it can't be brought to disk or named; nothing is left of it then, and a file of that name is as it was.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.name)?;
        self.is_kept = true;
        let folder = self.name.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Not every system lets a folder be brought to disk.
        drop(File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()));
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
