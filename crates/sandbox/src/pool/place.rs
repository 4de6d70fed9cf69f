//! The place of one transaction: a worker of its own, in which all its code runs, the outer suspended while the
//! inner runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oikos_kernel::code::{CodeAnswer, CodeCall, CodeFailure, FailureKind, HostAnswer, Meter};

use super::{
    Shared,
    process::{Gone, Process},
};
use crate::{
    Loss, Place, Progress, Sandbox, Suspended, WorkerError,
    wire::{Tell, is_sound},
};

/// A seat in a pool. It takes a worker when it first needs one.
#[derive(Debug)]
pub(super) struct Seat {
    runtime: Arc<str>,
    used: Arc<Mutex<Used>>,
}

#[derive(Debug)]
struct Used {
    shared: Arc<Shared>,
    process: Option<Process>,
    /// How many workers it has lost: code that was suspended in one of them is lost with it.
    losses: u32,
    /// Calls that are suspended in its worker.
    suspended: u32,
    next: u32,
    loss: Option<Loss>,
}

/// Code that is suspended in a worker.
struct Remote {
    used: Arc<Mutex<Used>>,
    number: u32,
    /// The count of losses when it was started.
    losses: u32,
    output_max: usize,
    meter: Meter,
}

impl Seat {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let runtime = Arc::clone(&shared.runtime);
        let used = Used { shared, process: None, losses: 0, suspended: 0, next: 0, loss: None };
        Self { runtime, used: Arc::new(Mutex::new(used)) }
    }
}

fn lock(used: &Mutex<Used>) -> MutexGuard<'_, Used> {
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sandbox for Seat {
    fn runtime(&self) -> &str {
        &self.runtime
    }

    fn check(&self, source: &Arc<str>, file: &str) -> Result<Vec<String>, CodeFailure> {
        match lock(&self.used).ask(|process| process.check(source, file)) {
            Ok(Tell::Checked(checked)) => checked,
            Ok(Tell::Answer(_)) => Err(lock(&self.used).strange()),
            Err(failure) => Err(failure),
        }
    }

    fn start(&self, call: CodeCall) -> Progress {
        let mut used = lock(&self.used);
        let (number, output_max) = (used.next, call.limits.output_bytes);
        used.next = used.next.wrapping_add(1);
        let told = used.ask(|process| process.start(number, call));
        let (losses, meter) = (used.losses, Meter::default());
        drop(used);
        let remote = Remote { used: Arc::clone(&self.used), number, losses, output_max, meter };
        remote.told(told)
    }
}

impl Place for Seat {
    fn loss(&self) -> Option<Loss> {
        lock(&self.used).loss.take()
    }
}

impl Suspended for Remote {
    fn resume(self: Box<Self>, answer: HostAnswer, work_max: u64) -> Progress {
        let told = {
            let mut used = lock(&self.used);
            if used.losses == self.losses {
                used.suspended -= 1;
                used.ask(|process| process.resume(self.number, answer, work_max))
            } else {
                Err(died())
            }
        };
        self.told(told)
    }
}

impl Remote {
    /// Goes on with an answer, if it is one.
    fn told(mut self, told: Result<Tell, CodeFailure>) -> Progress {
        let answer = match told {
            Ok(Tell::Answer(answer)) if is_sound(&answer, self.meter, self.output_max) => answer,
            Ok(Tell::Answer(_) | Tell::Checked(_)) => return self.end(lock(&self.used).strange()),
            Err(failure) => return self.end(failure),
        };
        if let CodeAnswer::Call { meter, .. } = &answer {
            self.meter = *meter;
            lock(&self.used).suspended += 1;
            return Progress { answer, suspended: Some(Box::new(self)) };
        }
        Progress { answer, suspended: None }
    }

    /// The end of code whose worker is gone: it is charged what it had used when it was heard of last, and the
    /// least that code costs.
    fn end(&self, failure: CodeFailure) -> Progress {
        let meter = Meter { work: self.meter.work.max(1), ..self.meter };
        let answer = CodeAnswer::Done { result: Err(failure), meter, output: String::new() };
        Progress { answer, suspended: None }
    }
}

impl Used {
    /// Asks the worker, which is taken now if there is none.
    fn ask(&mut self, ask: impl FnOnce(&mut Process) -> Result<Tell, Gone>) -> Result<Tell, CodeFailure> {
        let process = match &mut self.process {
            Some(process) => process,
            none => match self.shared.take() {
                Ok(process) => none.insert(process),
                Err(error) => {
                    self.loss = Some(Loss::Fault(error));
                    return Err(died());
                }
            },
        };
        ask(process).map_err(|gone| {
            let loss = match gone {
                Gone::Killed => Loss::Killed,
                Gone::Fell => Loss::Fell,
                Gone::Silent => Loss::Fault(WorkerError::Silent),
                Gone::TooLarge(sentence) => Loss::Fault(WorkerError::TooLarge(sentence)),
            };
            self.lose(loss)
        })
    }

    /// A worker said something that a sandbox does not say: it is ended.
    fn strange(&mut self) -> CodeFailure {
        self.lose(Loss::Fell)
    }

    fn lose(&mut self, loss: Loss) -> CodeFailure {
        if self.process.take().is_some() {
            self.shared.lost();
        }
        self.losses += 1;
        self.suspended = 0;
        self.loss = Some(loss);
        died()
    }
}

/// A worker goes back when nothing is suspended in it; one whose transaction was left in the middle is ended.
impl Drop for Used {
    fn drop(&mut self) {
        match self.process.take() {
            Some(process) if self.suspended == 0 => self.shared.give_back(process),
            Some(process) => {
                drop(process);
                self.shared.lost();
            }
            None => {}
        }
    }
}

fn died() -> CodeFailure {
    CodeFailure::plain(FailureKind::Died, "the process that ran the code did not survive it")
}
