//! One worker as its parent has it: the process, the connection, and the sources that it knows.

use std::{
    collections::HashMap,
    io::ErrorKind,
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    sync::Arc,
};

use oikos_kernel::code::{CodeCall, HostAnswer};

use super::keeper::Born;
use crate::{
    WorkerError,
    wire::{Ask, Hello, Link, Missing, Setup, Source, Tell},
};

/// Sources that a worker keeps for its parent.
const SOURCES_MAX: usize = 1_024;

/// Bytes of them together.
const SOURCES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The number of the signal that nobody can send to itself by mistake, and that the system sends for want of memory.
const KILL: i32 = 9;

/// Why a worker is gone.
#[derive(Debug)]
pub(crate) enum Gone {
    /// Somebody ended it.
    Killed,
    /// It ended by itself, or said what no worker says.
    Fell,
    /// It has not answered for as long as no code runs.
    Silent,
    /// The question is larger than any message.
    TooLarge(String),
}

/// A worker process. It is ended and waited for when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    link: Link,
    sources: Sources,
}

impl Process {
    /// Waits until a worker that was started says that it is ready; tells the layers of its wall that are missing.
    ///
    /// # Errors
    /// When it can't serve, or ends before it says so.
    pub(crate) fn greet(born: Born, setup: &Setup) -> Result<(Self, Vec<Missing>), GreetError> {
        let Born { child, stream } = born;
        let mut this = Self { child, link: Link::new(stream), sources: Sources::default() };
        let hello = this.link.send(setup).and_then(|()| this.link.receive());
        match hello {
            Ok(Some(Hello::Ready { missing })) => Ok((this, missing)),
            Ok(Some(Hello::Refused { sentence })) => Err(GreetError::Final(WorkerError::Refused(sentence))),
            Err(error) if is_late(&error) => Err(never("it does not say that it is ready")),
            Err(error) if error.kind() == ErrorKind::InvalidData => Err(never(&format!("it sent {error}"))),
            Ok(None) | Err(_) => Err(this.unborn()),
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn unborn(mut self) -> GreetError {
        match self.end() {
            Some(status) if status.signal() == Some(KILL) => GreetError::Killed,
            Some(status) => never(&format!("it ended before it was ready ({status})")),
            None => never("it ended before it was ready"),
        }
    }

    /// Asks whether a source is code.
    ///
    /// # Errors
    /// When the worker is gone.
    pub(crate) fn check(&mut self, source: &Arc<str>, file: &str) -> Result<Tell, Gone> {
        self.ask(&Ask::Check { source: Arc::clone(source), file: file.into() })
    }

    /// Starts a call under a number.
    ///
    /// # Errors
    /// When the worker is gone.
    pub(crate) fn start(&mut self, number: u32, mut call: CodeCall) -> Result<Tell, Gone> {
        let source = self.sources.name(std::mem::replace(&mut call.source, Arc::from("")));
        self.ask(&Ask::Start { number, source, call: Box::new(call) })
    }

    /// Goes on with a call.
    ///
    /// # Errors
    /// When the worker is gone.
    pub(crate) fn resume(&mut self, number: u32, answer: HostAnswer, work_max: u64) -> Result<Tell, Gone> {
        self.ask(&Ask::Resume { number, answer, work_max })
    }

    fn ask(&mut self, ask: &Ask) -> Result<Tell, Gone> {
        let told = self.link.send(ask).and_then(|()| self.link.receive());
        match told {
            Ok(Some(tell)) => Ok(tell),
            Ok(None) => Err(self.gone()),
            Err(error) if error.kind() == ErrorKind::InvalidInput => Err(Gone::TooLarge(error.to_string())),
            Err(error) if is_late(&error) => Err(Gone::Silent),
            Err(error) if error.kind() == ErrorKind::InvalidData => Err(Gone::Fell),
            Err(_) => Err(self.gone()),
        }
    }

    fn gone(&mut self) -> Gone {
        match self.end().and_then(|status| status.signal()) {
            Some(KILL) => Gone::Killed,
            Some(_) | None => Gone::Fell,
        }
    }

    /// Ends it and waits for it. A status that it had before stays.
    fn end(&mut self) -> Option<ExitStatus> {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a worker is not there from the beginning.
#[derive(Debug)]
pub(crate) enum GreetError {
    /// Somebody ended it; another may live.
    Killed,
    /// Another would end the same way.
    Final(WorkerError),
}

fn never(how: &str) -> GreetError {
    GreetError::Final(WorkerError::NotReady(how.into()))
}

/// Whether the time for an answer is over.
fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The sources that a worker knows, by where they lie in memory: the world shares its sources.
#[derive(Debug, Default)]
struct Sources {
    numbers: HashMap<usize, (u32, Arc<str>), rustc_hash::FxBuildHasher>,
    bytes: usize,
}

impl Sources {
    /// The source as the worker is told of it.
    fn name(&mut self, source: Arc<str>) -> Source {
        let place = Arc::as_ptr(&source).addr();
        if let Some((number, _)) = self.numbers.get(&place) {
            return Source::Known(*number);
        }
        let afresh = self.numbers.len() >= SOURCES_MAX || self.bytes + source.len() > SOURCES_BYTES_MAX;
        if afresh {
            self.numbers.clear();
            self.bytes = 0;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.bytes += source.len();
        // While it is kept here, no other text lies in its place.
        self.numbers.insert(place, (number, Arc::clone(&source)));
        if afresh { Source::Afresh(source) } else { Source::New(source) }
    }
}
