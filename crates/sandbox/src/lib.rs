//! Runs agent-written code: a Python dialect, metered and limited.
//!
//! It knows no world: what code may do arrives as the answer to a host call. It opens no file, no
//! connection and no clock of the machine but the CPU meter, and it never blocks a thread while a
//! host call waits: suspended code is a value.

mod allocator;
mod convert;
mod host;
mod imports;
mod program;
mod report;
mod run;

use std::sync::Arc;

use oikos_kernel::code::{CodeAnswer, CodeCall, CodeFailure, HostAnswer};

pub use self::{allocator::CountingAllocator, run::ThreadSandbox};

/// Stack that the thread of a sandbox needs: the parser recurses as deep as an expression nests.
pub const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A runner of code, for as many threads at once as ask. It shows no interpreter: the one behind it, here or
/// in another process, takes a [`CodeCall`] and answers with a [`CodeAnswer`].
pub trait Sandbox: Send + Sync {
    /// The name of the runtime and its version: where it is the same, the same code has the same results and
    /// uses the same work.
    fn runtime(&self) -> &str;

    /// Says whether a source is in the dialect, and the names of the functions that it defines to be called.
    ///
    /// # Errors
    /// The construct that is not in the dialect, with its line and a replacement.
    fn check(&self, source: &Arc<str>, file: &str) -> Result<Vec<String>, CodeFailure>;

    /// Runs code up to its first host call or its end.
    fn start(&self, call: CodeCall) -> Progress;
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
