//! Runs agent-written code: Python, metered and limited.
//!
//! It knows no world: what code may do arrives as the answer to a host call. It opens no file, no
//! connection and no clock of the machine but the CPU meter and, while an end of a connection looks
//! out for a message, one that nothing depends on. It never blocks a thread while a host call waits: suspended code
//! is a value.

mod driver;
#[cfg(unix)]
mod lookout;
#[cfg(unix)]
pub mod pool;
mod program;
mod run;
mod values;
#[cfg(unix)]
mod wire;
#[cfg(unix)]
pub mod worker;

use std::sync::Arc;

use oikos_kernel::code::{CodeAnswer, CodeCall, CodeFailure, HostAnswer};

pub use oikos_python::{Error as RuntimeError, Stage};

/// The name of the runtime of agents' code, as a world's header records it.
#[must_use]
pub fn runtime_name() -> String {
    oikos_python::Runtime::name()
}

pub use self::run::PythonSandbox;

/// Why there is no worker process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// The system can't start one.
    #[error("a worker process can't be started from `{program}`: {problem}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        problem: String,
    },
    /// It was started, and did not come to serve.
    #[error("a worker process was started, but {0}")]
    NotReady(String),
    /// It does not serve this process.
    #[error("a worker process refused to serve: {0}")]
    Refused(String),
    /// It does not answer.
    #[error("a worker process has not answered for ten minutes")]
    Silent,
    /// A question is too large.
    #[error("code can't be given {0}")]
    TooLarge(String),
}

/// A runner of code, for as many threads at once as ask. It shows no interpreter: the one behind it, here or
/// in another process, takes a [`CodeCall`] and answers with a [`CodeAnswer`].
pub trait Sandbox: Send + Sync {
    /// The name of the runtime and its version: where it is the same, the same code has the same results and
    /// uses the same work.
    fn runtime(&self) -> &str;

    /// Says whether a source is Python, and the names of the functions that it defines to be called.
    ///
    /// # Errors
    /// The line that is no Python, as Python prints it.
    fn check(&self, source: &Arc<str>, file: &str) -> Result<Vec<String>, CodeFailure>;

    /// Runs code up to its first host call or its end.
    fn start(&self, call: CodeCall) -> Progress;

    /// A place for the code of one transaction, where it can be lost on the way; `None` where it can't, and
    /// runs anywhere.
    fn place(&self) -> Option<Box<dyn Place>> {
        None
    }
}

/// Where the code of one transaction runs, from its first call to its last.
pub trait Place: Sandbox {
    /// The loss that the last answer tells of, if it does: the code of this transaction is gone, and nothing of it
    /// has happened. It may be begun again in a new place, or go on with that answer.
    fn loss(&self) -> Option<Loss>;
}

/// Why code was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Somebody ended the process in which it ran.
    Killed,
    /// The process in which it ran did not survive it.
    Fell,
    /// There is no process to run it in.
    Fault(WorkerError),
}

/// How often the code of one transaction was lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    killed: u32,
    fell: u32,
}

impl Losses {
    /// Takes note of a loss. Says whether the transaction is to be begun again; else it is the code that its worker
    /// does not survive, and the answer that told of the loss stands.
    ///
    /// # Errors
    /// When there is no process to begin it in.
    pub fn again(&mut self, loss: Loss) -> Result<bool, WorkerError> {
        match loss {
            Loss::Killed => self.killed += 1,
            Loss::Fell => self.fell += 1,
            Loss::Fault(error) => return Err(error),
        }
        Ok(self.killed < KILLED_MAX && self.fell < FELL_MAX)
    }
}

/// How often a transaction's worker may be ended by others: nobody does so often by chance, but for a system that
/// is out of memory.
const KILLED_MAX: u32 = 50;

/// How often a transaction's worker may fall by itself: once may be chance.
const FELL_MAX: u32 = 3;

/// As [`Sandbox::check`], once more if it is lost on the way.
///
/// # Errors
/// When there is no process to check it in; in it, as [`Sandbox::check`].
pub fn check(
    sandbox: &dyn Sandbox,
    source: &Arc<str>,
    file: &str,
) -> Result<Result<Vec<String>, CodeFailure>, WorkerError> {
    let mut losses = Losses::default();
    while let Some(place) = sandbox.place() {
        let checked = place.check(source, file);
        if let Some(loss) = place.loss()
            && losses.again(loss)?
        {
            continue;
        }
        return Ok(checked);
    }
    Ok(sandbox.check(source, file))
}

/// Code that waits for the answer to a host call.
pub trait Suspended: Send {
    /// Goes on with the answer. `work_max` is the budget in units of work, counted from the start of the run.
    fn resume(self: Box<Self>, answer: HostAnswer, work_max: u64) -> Progress;
}

/// How far code came.
pub struct Progress {
    /// Its call or its end.
    pub answer: CodeAnswer,
    /// Itself, when it waits for the answer to a host call.
    pub suspended: Option<Box<dyn Suspended>>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("answer", &self.answer).finish_non_exhaustive()
    }
}
