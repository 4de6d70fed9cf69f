//! A worker's life: it opens what it needs, shuts itself in, and answers one question after another until its parent
//! is gone.

use std::{
    collections::HashMap,
    io::{Error, ErrorKind},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
};

use oikos_kernel::{
    code::{CallInfo, CodeAnswer, CodeCall, CodeLimits, Entry},
    limits,
    time::Time,
};

use super::layers;
use crate::{
    Progress, Sandbox, Suspended,
    wire::{Ask, Hello, Link, Missing, PROTOCOL, Setup, Source, Tell},
};

/// Loads the sandbox of a worker from the folder that its parent names.
pub type Load<'a> = &'a dyn Fn(Option<&Path>) -> Result<Box<dyn Sandbox>, String>;

/// Serves the parent at the other end of a connection until it is closed. `build` is the build of this program.
///
/// # Errors
/// When the connection breaks, or the parent says what no parent says.
pub fn serve(stream: UnixStream, build: &str, load: Load<'_>) -> Result<(), Error> {
    // If the parent has ended before this, the connection is closed.
    layers::end_with_parent()?;
    layers::keep_pages_small();
    let mut link = Link::new(stream);
    let Some(setup) = link.receive::<Setup>()? else { return Ok(()) };
    let (sandbox, missing) = match begin(&setup, build, load, link.stream()) {
        Ok(begun) => begun,
        Err(sentence) => return link.send(&Hello::Refused { sentence }),
    };
    link.send(&Hello::Ready { missing })?;
    let mut worker = Worker { sandbox, sources: Vec::new(), waiting: HashMap::new() };
    while let Some(ask) = link.receive()? {
        let tell = worker.answer(ask)?;
        link.send(&tell)?;
    }
    Ok(())
}

fn begin(
    setup: &Setup,
    build: &str,
    load: Load<'_>,
    stream: &UnixStream,
) -> Result<(Box<dyn Sandbox>, Vec<Missing>), String> {
    if (setup.protocol, setup.build.as_str()) != (PROTOCOL, build) {
        return Err(format!("it is of the build `{build}`, and its parent of `{}`", setup.build));
    }
    let sandbox = load(setup.folder.as_deref())?;
    if setup.runtime != sandbox.runtime() {
        let (ours, theirs) = (sandbox.runtime(), &setup.runtime);
        return Err(format!("its runtime is `{ours}`, and its parent's `{theirs}`"));
    }
    // Before the wall, so that all is open that code opens at its first run; and behind it, so that a wall which code
    // can't live with is known of before anybody relies on this worker.
    drop(sandbox.start(trial()));
    let missing = layers::shut_in(stream, layers::Layer::ALL);
    drop(sandbox.start(trial()));
    Ok((sandbox, missing))
}

/// A call that does little of everything.
fn trial() -> CodeCall {
    CodeCall {
        source: "print(len(str(1)))".into(),
        file: "trial".into(),
        entry: Entry::Snippet,
        args: Vec::new(),
        me: "trial".into(),
        call: CallInfo::default(),
        parameters: None,
        now: Time::default(),
        seed: 0,
        limits: CodeLimits {
            work: 1_000,
            memory_bytes: limits::CODE_MEMORY_BYTES_MAX,
            output_bytes: 1_024,
            measure_cpu: true,
        },
    }
}

struct Worker {
    sandbox: Box<dyn Sandbox>,
    sources: Vec<Arc<str>>,
    waiting: HashMap<u32, Box<dyn Suspended>>,
}

impl Worker {
    fn answer(&mut self, ask: Ask) -> Result<Tell, Error> {
        let unknown = |what: &str| Error::new(ErrorKind::InvalidData, format!("there is no such {what}"));
        Ok(match ask {
            Ask::Check { source, file } => Tell::Checked(self.sandbox.check(&source, &file)),
            Ask::Start { number, source, call } => {
                let source = self.source(source).ok_or_else(|| unknown("source"))?;
                let progress = self.sandbox.start(CodeCall { source, ..*call });
                Tell::Answer(self.keep(number, progress))
            }
            Ask::Resume { number, answer, work_max } => {
                let waiting = self.waiting.remove(&number).ok_or_else(|| unknown("call"))?;
                let progress = waiting.resume(answer, work_max);
                Tell::Answer(self.keep(number, progress))
            }
        })
    }

    fn source(&mut self, source: Source) -> Option<Arc<str>> {
        match source {
            Source::Known(number) => self.sources.get(usize::try_from(number).ok()?).cloned(),
            Source::New(text) => {
                self.sources.push(Arc::clone(&text));
                Some(text)
            }
            Source::Afresh(text) => {
                self.sources = vec![Arc::clone(&text)];
                Some(text)
            }
        }
    }

    fn keep(&mut self, number: u32, progress: Progress) -> CodeAnswer {
        if let Some(suspended) = progress.suspended {
            self.waiting.insert(number, suspended);
        }
        progress.answer
    }
}
