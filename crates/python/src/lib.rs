//! CPython, compiled to WebAssembly and run in the process: every run in a fresh instance, every instruction
//! counted as fuel, nothing reachable but one host call.
//!
//! It takes bytes and gives bytes; their layout is between the driver inside (`guest/driver.py`) and the caller. The
//! build script links the interpreter and packs it into the binary. On a machine's first use it is booted once and
//! its memory becomes a snapshot, the same bit for bit everywhere; the compiled snapshot is kept in a cache folder.

mod boot;
mod cache;
mod cards;
mod engine;
mod image;
mod instance;
mod run;
mod snapshot;
mod wasi;

use std::{path::Path, sync::Arc};

pub use self::run::{Limits, Outcome, Step, Trap, Waiting};

/// The SHA-256 of the snapshot, which every boot must yield.
pub const SNAPSHOT_SHA256: &str = include_str!("snapshot.sha256").trim_ascii();

/// The runtime, ready to run: as many runs at once, in as many threads, as are asked for.
#[derive(Clone)]
pub struct Runtime(Arc<instance::Prepared>);

/// How far the preparation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Another process prepares it; this one waits for that.
    Waiting,
    /// The interpreter is compiled.
    Compiling,
    /// The interpreter boots, and reads its library.
    Booting,
    /// Its snapshot is compiled.
    Sealing,
    /// The compiled snapshot is written.
    Storing,
    /// It can't be kept in the folder; the next process prepares it anew.
    NotKept,
    /// It is prepared. Told at last, where anything was told before.
    Ready,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine can't run it.
    #[error("the Python runtime can't be set up: {0}")]
    Engine(String),
    /// The boot failed.
    #[error("the Python runtime does not boot: {0}")]
    Boot(String),
    /// The boot yielded another snapshot than the one that is known.
    #[error(
        "the Python runtime booted to the snapshot {found}, and not to the known {known}: this build must not be used"
    )]
    Snapshot {
        /// Its hash.
        found: String,
        /// The known hash.
        known: &'static str,
    },
}

impl Runtime {
    /// Opens the runtime: as it was left in the cache folder, or booted and compiled anew, which takes some ten seconds
    /// and is told of. Without a folder, or where it can't be used, all is kept in memory only.
    ///
    /// # Errors
    /// When the machine can't run it, or the boot does not yield the known snapshot.
    pub fn open(folder: Option<&Path>, tell: &mut dyn FnMut(Stage)) -> Result<Self, Error> {
        let engine = engine::engine()?;
        let mut told = false;
        let module = cache::module(&engine, folder, &mut |stage| {
            told = true;
            tell(stage);
        })?;
        let prepared = instance::Prepared::new(&module)?;
        if told {
            tell(Stage::Ready);
        }
        Ok(Self(Arc::new(prepared)))
    }

    /// The name that a world's header records: another name is another runtime, under which code may end otherwise.
    #[must_use]
    pub fn name() -> String {
        format!("cpython 3.14.0 {SNAPSHOT_SHA256} cranelift, lazy tables")
    }

    /// Runs the driver on a request in a fresh instance, up to its first host call or its end.
    #[must_use]
    pub fn start(&self, request: Vec<u8>, limits: Limits) -> Step {
        self.0.start(request, limits)
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// The snapshot of a boot, for whoever pins its hash anew: its SHA-256.
///
/// # Errors
/// When it does not boot.
#[doc(hidden)]
pub fn boot_hash() -> Result<String, Error> {
    let engine = engine::engine()?;
    boot::boot(&engine, &mut |_| {}).map(|snapshot| snapshot::sha256(&snapshot))
}
