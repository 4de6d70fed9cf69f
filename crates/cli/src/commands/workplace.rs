//! Worker processes: how they are started, and `oikos worker`, which is one.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use oikos_runner::{Access, TapeMode, Worker, Workplace, config::Isolation};

use super::{Usage, python};
use crate::{
    args::{IsolationArg, TapeArg, WorkplaceArgs},
    print,
    status::ExitStatus,
};

/// The build: a worker serves no other.
const BUILD: &str = concat!("oikos ", env!("CARGO_PKG_VERSION"));

/// This process's own program. Its file may be replaced meanwhile; under this name the system still has it.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// This process's own program, to be started again.
pub(super) fn program() -> Option<PathBuf> {
    let this = Path::new(THIS_PROGRAM);
    if this.exists() { Some(this.to_path_buf()) } else { std::env::current_exe().ok() }
}

/// The workplace that the command line asks for.
pub(super) fn of(arguments: WorkplaceArgs) -> Workplace {
    let worker = program().map(|program: PathBuf| Worker {
        program,
        arguments: vec!["worker".into()],
        build: BUILD.into(),
    });
    let isolation = arguments.isolation.map(|isolation| match isolation {
        IsolationArg::Thread => Isolation::Thread,
        IsolationArg::Process => Isolation::Process,
    });
    let tape = arguments.tape.map(|tape| match tape {
        TapeArg::Auto => TapeMode::Auto,
        TapeArg::Replay => TapeMode::Replay,
        TapeArg::Record => TapeMode::Record,
    });
    let access = Access::default().with_tape(tape).with_max_cost(arguments.max_cost);
    Workplace {
        access: access.with_keys(|variable| std::env::var(variable).ok()),
        isolation,
        given_from: arguments.give_from.map(|ms| Duration::from_millis(ms.unsigned_abs())),
        worker,
        cache: python::folder(),
        telling: Some(python::tell),
        ..Workplace::default()
    }
}

/// `oikos worker`: serves the process that started this one, or attempts something from inside the wall.
#[cfg(unix)]
pub(super) fn worker(probe: Option<&str>, layer: Option<&str>) -> Result<ExitStatus> {
    use std::os::{fd::AsFd as _, unix::net::UnixStream};

    use oikos_runner::{probe, serve_code};

    if let Some(word) = probe {
        let Some(attempt) = probe::Attempt::ALL.into_iter().find(|attempt| attempt.word() == word) else {
            let words = probe::Attempt::ALL.map(probe::Attempt::word).join(", ");
            bail!(Usage(format!("--probe {word}: it is one of {words}")));
        };
        let (told, status) = match probe::probe(attempt, layer) {
            Ok(()) => ("it can be done".into(), ExitStatus::Done),
            Err(problem) => (problem, ExitStatus::No),
        };
        print::plain(&format!("{word}: {told}"));
        return Ok(status);
    }
    let parent = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    if parent.peer_addr().is_err() {
        bail!(Usage(
            "`oikos worker` is started by a world whose code runs in processes, and by nobody else".into()
        ));
    }
    serve_code(parent, BUILD)?;
    Ok(ExitStatus::Done)
}

/// `oikos worker`, where there is no such thing.
#[cfg(not(unix))]
pub(super) fn worker(_: Option<&str>, _: Option<&str>) -> Result<ExitStatus> {
    bail!(Usage("there are no worker processes on this system".into()))
}
