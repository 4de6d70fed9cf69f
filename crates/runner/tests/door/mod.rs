//! World files as text, for worlds that live in tests; and where their code runs.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses its part, and fails by panicking"
)]

use std::path::Path;

use oikos_runner::{
    JournalError, Live, Worker, Workplace,
    config::{self, Isolation, Overrides, WorldFile},
    kernel::tape::Taped,
    library,
};

/// The binary of worker processes, where these tests are built beside it: there code runs in them.
const BINARY: Option<&str> = option_env!("CARGO_BIN_EXE_oikos");

/// Whether code runs in processes, which take longer to start than worlds in memory.
pub(crate) const IN_PROCESSES: bool = BINARY.is_some();

/// Where code runs. The folder of the runtime is one that all tests share, so that it is prepared once.
pub(crate) fn workplace() -> Workplace {
    let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("python"));
    let Some(program) = BINARY else { return Workplace { cache, ..Workplace::default() } };
    let build = concat!("oikos ", env!("CARGO_PKG_VERSION")).into();
    let worker = Worker { program: program.into(), arguments: vec!["worker".into()], build };
    Workplace { isolation: Some(Isolation::Process), worker: Some(worker), cache, ..Workplace::default() }
}

/// Has the runtime at hand, from the folder that all tests share: it is prepared once.
pub(crate) fn prepare() {
    workplace().prepare().expect("the runtime can be had");
}

/// Reads a world file that refers to no other files. Its world finds the runtime prepared.
#[allow(dead_code, reason = "one of the tests reads its world files itself")]
pub(crate) fn world_file(text: impl Into<String>) -> WorldFile {
    prepare();
    let mut no_files = |_: &str| Err("there is none".to_owned());
    config::parse("w.toml", text.into(), &mut no_files, &Overrides::default(), library::founders())
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// The rows of a world's tape, with all that has happened on disk.
pub(crate) fn tape(live: &mut Live) -> Vec<Taped> {
    live.sequencer.commit().expect("it is on disk");
    let journal = live.sequencer.journal().expect("the journal");
    let mut rows = Vec::new();
    let read = journal.tape(None, |row| {
        rows.push(row);
        Ok::<(), JournalError>(())
    });
    read.expect("the tape");
    rows
}
