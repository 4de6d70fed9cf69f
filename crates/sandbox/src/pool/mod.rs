//! Process isolation: code runs in worker processes, behind a second wall, one transaction in one worker.
//!
//! A worker that is ended from outside costs nothing but time: the transaction whose code it ran has changed nothing
//! yet, and is begun again. Only code that its worker does not survive ends as the death of a worker.

mod keeper;
mod place;
mod process;

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use oikos_kernel::code::{CodeCall, CodeFailure};

use self::{
    keeper::Keeper,
    place::Seat,
    process::{GreetError, Process},
};
pub use crate::wire::Missing;
use crate::{
    Place, Progress, Sandbox, WorkerError,
    wire::{PROTOCOL, Setup},
};

/// How many workers in a row may be ended by others before they are ready.
const UNBORN_MAX: u32 = 100;

/// How a pool is made.
#[derive(Clone, Debug)]
pub struct PoolSetup {
    /// The program of a worker, and its arguments.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How many workers there are at once.
    pub workers: usize,
    /// How many there may be: the others are started when they are needed.
    pub most: usize,
    /// The build of this process: a worker of another one refuses to serve it.
    pub build: String,
    /// The runtime: a worker that has another one refuses.
    pub runtime: String,
    /// The folder from which workers load the runtime.
    pub folder: Option<PathBuf>,
}

/// A pool of workers.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    missing: Vec<Missing>,
}

#[derive(Debug)]
struct Shared {
    keeper: Keeper,
    setup: Setup,
    runtime: Arc<str>,
    program: String,
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

/// The workers: those that nobody uses, and how many there are in all, with those that are being started.
#[derive(Debug, Default)]
struct State {
    idle: Vec<Process>,
    alive: usize,
}

impl Pool {
    /// Starts workers, all at once.
    ///
    /// # Errors
    /// When one can't serve.
    pub fn open(setup: PoolSetup) -> Result<Self, WorkerError> {
        let PoolSetup { program, arguments, workers, most, build, runtime, folder } = setup;
        let shown = program.display().to_string();
        let keeper = Keeper::new(program, arguments).map_err(|error| WorkerError::NotStarted {
            program: shown.clone(),
            problem: error.to_string(),
        })?;
        let shared = Shared {
            keeper,
            runtime: Arc::from(&*runtime),
            setup: Setup { protocol: PROTOCOL, build, runtime, folder },
            program: shown,
            most: most.max(workers).max(1),
            state: Mutex::default(),
            freed: Condvar::new(),
        };
        let missing = shared.start_all(workers.max(1))?;
        Ok(Self { shared: Arc::new(shared), missing })
    }

    /// The layers of the second wall that its workers lack, each with the reason.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// The process ids of the workers that run nobody's code now.
    #[must_use]
    pub fn idle_ids(&self) -> Vec<u32> {
        self.shared.state().idle.iter().map(Process::id).collect()
    }

    fn seat(&self) -> Seat {
        Seat::new(Arc::clone(&self.shared))
    }
}

impl Sandbox for Pool {
    fn runtime(&self) -> &str {
        &self.shared.runtime
    }

    fn check(&self, source: &Arc<str>, file: &str) -> Result<Vec<String>, CodeFailure> {
        self.seat().check(source, file)
    }

    fn start(&self, call: CodeCall) -> Progress {
        self.seat().start(call)
    }

    fn place(&self) -> Option<Box<dyn Place>> {
        Some(Box::new(self.seat()))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts as many workers as there are to be, side by side.
    fn start_all(&self, workers: usize) -> Result<Vec<Missing>, WorkerError> {
        let born = (0..workers).map(|_| self.bear()).collect::<Result<Vec<_>, _>>()?;
        let mut all = Vec::new();
        for born in born {
            let (process, missing) = match Process::greet(born, &self.setup) {
                Ok(ready) => ready,
                Err(GreetError::Killed) => self.begin()?,
                Err(GreetError::Final(error)) => return Err(error),
            };
            let mut state = self.state();
            state.alive += 1;
            state.idle.push(process);
            all = missing;
        }
        Ok(all)
    }

    fn bear(&self) -> Result<keeper::Born, WorkerError> {
        self.keeper.bear().map_err(|error| WorkerError::NotStarted {
            program: self.program.clone(),
            problem: error.to_string(),
        })
    }

    /// Starts a worker, and another if somebody ends it at once.
    fn begin(&self) -> Result<(Process, Vec<Missing>), WorkerError> {
        let mut unborn = 0;
        loop {
            match Process::greet(self.bear()?, &self.setup) {
                Ok(ready) => return Ok(ready),
                Err(GreetError::Killed) if unborn < UNBORN_MAX => unborn += 1,
                Err(GreetError::Killed) => {
                    return Err(WorkerError::NotReady("somebody ends every one before it is ready".into()));
                }
                Err(GreetError::Final(error)) => return Err(error),
            }
        }
    }

    /// A worker for one's own, until it is given back or lost. Waits for one.
    ///
    /// # Errors
    /// When one that is lost can't be replaced.
    fn take(&self) -> Result<Process, WorkerError> {
        let mut state = self.state();
        loop {
            if let Some(process) = state.idle.pop() {
                return Ok(process);
            }
            if state.alive < self.most {
                state.alive += 1;
                drop(state);
                let begun = self.begin().map(|(process, _)| process);
                if begun.is_err() {
                    self.lost();
                }
                return begun;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, process: Process) {
        self.state().idle.push(process);
        self.freed.notify_one();
    }

    /// A worker is no more; whoever waits may have another.
    fn lost(&self) {
        self.state().alive -= 1;
        self.freed.notify_one();
    }
}
