//! The compiled snapshot, kept in a folder between processes.
//!
//! Compiled code is executed as it stands, so a file is only taken that nobody else can write: it and its folder
//! belong to this user, and others have no right to write to them.
#![expect(unsafe_code, reason = "mapping compiled code is as safe as the file that it comes from")]

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use wasmtime::{Engine, Module};

use crate::{Error, SNAPSHOT_SHA256, Stage, boot, engine, image, snapshot};

/// Bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// The compiled snapshot, from the folder if it is there, else made; and then kept there if that can be.
pub(crate) fn module(
    engine: &Engine,
    folder: Option<&Path>,
    tell: &mut dyn FnMut(Stage),
) -> Result<Module, Error> {
    let Some(place) = folder.and_then(|folder| Place::open(engine, folder).ok()) else {
        tell(Stage::NotKept);
        return compile(engine, tell);
    };
    if let Some(module) = place.load(engine) {
        return Ok(module);
    }
    // One process makes it, and those that come meanwhile wait for it.
    let lock = place.lock(tell);
    if let Some(module) = lock.as_ref().ok().and_then(|_| place.load(engine)) {
        return Ok(module);
    }
    let snapshot = sealed(engine, tell)?;
    tell(Stage::Sealing);
    let failed = |error: wasmtime::Error| Error::Boot(format!("{error:#}"));
    let compiled = engine.precompile_module(&snapshot).map_err(failed)?;
    tell(Stage::Storing);
    let kept = place.store(&compiled).ok().and_then(|()| place.load(engine));
    kept.map_or_else(
        || {
            tell(Stage::NotKept);
            Module::from_binary(engine, &snapshot).map_err(failed)
        },
        Ok,
    )
}

fn compile(engine: &Engine, tell: &mut dyn FnMut(Stage)) -> Result<Module, Error> {
    let snapshot = sealed(engine, tell)?;
    tell(Stage::Sealing);
    Module::from_binary(engine, &snapshot).map_err(|error| Error::Boot(format!("{error:#}")))
}

/// The snapshot, which must be the known one.
fn sealed(engine: &Engine, tell: &mut dyn FnMut(Stage)) -> Result<Vec<u8>, Error> {
    let bytes = boot::boot(engine, tell)?;
    let found = snapshot::sha256(&bytes);
    if found != SNAPSHOT_SHA256 {
        return Err(Error::Snapshot { found, known: SNAPSHOT_SHA256 });
    }
    Ok(bytes)
}

/// Where the compiled file lies.
struct Place {
    folder: PathBuf,
    name: String,
}

impl Place {
    fn open(engine: &Engine, folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let folder = folder.canonicalize()?;
        ours(&fs::metadata(&folder)?)?;
        Ok(Self { folder, name: format!("cpython-{}", engine::key(engine, image::SOURCES)) })
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }

    /// The module of the file; `None` if it is not there, is not ours, or was made by another build.
    fn load(&self, engine: &Engine) -> Option<Module> {
        let file = File::options()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(self.path("compiled"))
            .ok()?;
        ours(&file.metadata().ok()?).ok()?;
        // SAFETY: `ours` says that none but this user can have written the file, and it is renamed into place
        // whole; the engine compares its own version and settings with those in it.
        unsafe { Module::deserialize_open_file(engine, file).ok() }
    }

    /// Held while the file is made.
    fn lock(&self, tell: &mut dyn FnMut(Stage)) -> io::Result<File> {
        let file = File::options().create(true).append(true).mode(0o600).open(self.path("lock"))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            tell(Stage::Waiting);
            flock(&file, FlockOperation::LockExclusive)?;
        }
        Ok(file)
    }

    fn store(&self, compiled: &[u8]) -> io::Result<()> {
        let new = self.path(&format!("{}.new", std::process::id()));
        let written = (|| {
            let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(compiled)?;
            file.sync_all()?;
            fs::rename(&new, self.path("compiled"))
        })();
        if written.is_err() {
            // Half a file is in nobody's way under this name, but takes room.
            drop(fs::remove_file(&new));
        }
        written
    }
}

/// Refuses a file or folder that others can write.
fn ours(metadata: &fs::Metadata) -> io::Result<()> {
    let owned = metadata.uid() == rustix::process::geteuid().as_raw();
    if owned && metadata.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can write it"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The smallest module.
    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
    }

    /// Code that others can write is never run: not from their file, not from their folder, not by a link.
    #[test]
    fn a_file_that_others_can_write_is_not_taken() {
        let engine = engine::engine().expect("an engine");
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::open(&engine, &folder.path().join("cache")).expect("a place");
        let compiled = engine.precompile_module(EMPTY).expect("it compiles");
        assert!(place.load(&engine).is_none(), "there is nothing yet");
        place.store(&compiled).expect("it is stored");
        assert!(place.load(&engine).is_some());

        let path = place.path("compiled");
        for (mode, taken) in [(0o620, false), (0o602, false), (0o644, true), (0o600, true)] {
            set_mode(&path, mode);
            assert_eq!(place.load(&engine).is_some(), taken, "mode {mode:o}");
        }
        for bytes in [&b"no code"[..], &[], compiled.get(..compiled.len() / 2).expect("half of it")] {
            fs::write(&path, bytes).expect("it can be written");
            assert!(place.load(&engine).is_none(), "{} bytes that are no compiled code", bytes.len());
        }
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, &compiled).expect("it can be written");
        fs::remove_file(&path).expect("it can be removed");
        std::os::unix::fs::symlink(&elsewhere, &path).expect("a link");
        assert!(place.load(&engine).is_none(), "a link is not followed");

        place.store(&compiled).expect("it takes the place of whatever was there");
        assert!(place.load(&engine).is_some());
        set_mode(&place.folder, 0o777);
        assert!(Place::open(&engine, &place.folder).is_err(), "others could rename a file into place");
        set_mode(&place.folder, 0o700);
        let left = fs::read_dir(&place.folder).expect("it can be read").count();
        assert_eq!(left, 1, "no half a file is left");
    }
}
