//! Where code is run on this machine, and by how many: no rule of a world, whose history is the same in any workplace.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oikos_journal::{Address, Journal, JournalError};
use oikos_kernel::world::World;
use oikos_sandbox::{PythonSandbox, Sandbox, Stage};

use crate::{
    beside::THOUGHTS_PER_WORKER,
    clock::Clock,
    config::{ClockKind, Isolation, Lasts, Plan, WorldFile},
    error::RunError,
    live::Live,
    models::Access,
    sequencer::{Clients, Interpreter, Sequencer},
};

/// A workplace. The default one has no worker processes.
#[derive(Clone, Debug, Default)]
pub struct Workplace {
    /// Where code runs, whatever the world file says.
    pub isolation: Option<Isolation>,
    /// How many run code at once, whatever the world file says.
    pub workers: Option<usize>,
    /// The folder where the runtime of code is kept between runs.
    pub cache: Option<PathBuf>,
    /// Told how far the runtime is, where it has to be prepared first.
    pub telling: Option<fn(Stage)>,
    /// How a worker process is started, where there may be any.
    pub worker: Option<Worker>,
    /// How long the thoughts of a tick take here at least where they are shared with followers of the world.
    pub given_from: Option<Duration>,
    /// Whether a world whose code ran on another runtime is taken over, which is recorded.
    pub adopt_runtime: bool,
    /// How language models are reached.
    pub access: Access,
    /// Where the worlds of one process share what runs their code.
    pub shared: Option<Shared>,
}

/// The sandboxes of many worlds of one process: for each isolation one, made when it is needed first. No outcome
/// hangs on who else runs code there.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<BTreeMap<Isolation, Runs>>>);

/// A sandbox, and the layers that the wall around it lacks, in words.
type Runs = (Arc<dyn Sandbox>, Vec<String>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// How a worker process is started.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The build of the program that starts it; it refuses another.
    pub build: String,
}

impl Workplace {
    /// As [`Live::found`], in this workplace.
    ///
    /// # Errors
    /// As [`Live::found`], and when worker processes can't be had.
    pub fn found(
        &self,
        file: WorldFile,
        journal: impl FnOnce() -> Result<Journal, JournalError>,
    ) -> Result<Live, RunError> {
        Live::found_in(self, file, journal)
    }

    /// As [`Live::open`], in this workplace.
    ///
    /// # Errors
    /// As [`Live::open`], and when worker processes can't be had.
    pub fn open(&self, journal: Journal) -> Result<Live, RunError> {
        Live::open_in(self, journal)
    }

    /// As [`Live::open_or_found`], in this workplace.
    ///
    /// # Errors
    /// As [`Live::open_or_found`], and when worker processes can't be had.
    pub fn open_or_found(&self, file: WorldFile, db: impl Into<Address>) -> Result<Live, RunError> {
        Live::open_or_found_in(self, file, &db.into())
    }

    /// Prepares the runtime of code, where it is not prepared: a process that has it needs no folder for it any more.
    ///
    /// # Errors
    /// When this machine can't run it.
    pub fn prepare(&self) -> Result<(), RunError> {
        self.python().map(|_| ())
    }

    fn python(&self) -> Result<PythonSandbox, RunError> {
        let mut tell = |stage| self.telling.into_iter().for_each(|tell| tell(stage));
        Ok(PythonSandbox::open(self.cache.as_deref(), &mut tell)?)
    }

    /// The interpreter of a world, and the layers that the wall around it lacks, in words.
    ///
    /// # Errors
    /// When worker processes can't be had.
    pub(crate) fn interpreter(&self, plan: &Plan) -> Result<(Interpreter, Vec<String>), RunError> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let isolation = self.isolation.unwrap_or(plan.isolation);
        if let Some(Shared(shared)) = &self.shared {
            // Workers are those of the machine: a world that wants more of them is one of many here.
            let workers = self.workers.unwrap_or_else(cores).max(1);
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (sandbox, missing) = match shared.entry(isolation) {
                Entry::Occupied(entry) => entry.get().clone(),
                Entry::Vacant(entry) => {
                    let most = THOUGHTS_PER_WORKER * workers + 1;
                    entry.insert(self.runs(isolation, workers, most)?).clone()
                }
            };
            return Ok((Interpreter { sandbox, workers, mind: None }, missing));
        }
        let workers = self.workers.or(plan.workers).unwrap_or_else(cores).max(1);
        // Where agents think beside the loop, it needs one for what it does itself.
        let are_beside = plan.clock == ClockKind::Wall && matches!(plan.lasts, Lasts::Ms(_));
        let most = if are_beside { THOUGHTS_PER_WORKER * workers + 1 } else { workers };
        let (sandbox, missing) = self.runs(isolation, workers, most)?;
        Ok((Interpreter { sandbox, workers, mind: None }, missing))
    }

    fn runs(&self, isolation: Isolation, workers: usize, most: usize) -> Result<Runs, RunError> {
        let within = self.python()?;
        match isolation {
            Isolation::Thread => Ok((Arc::new(within), Vec::new())),
            Isolation::Process => self.pool(workers, most, within.runtime()),
        }
    }

    /// A sequencer on a world of the past of a journal, which is only read: it is told the time, and asks no model.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub(crate) fn in_the_past(
        &self,
        world: World,
        journal: &Address,
        interpreter: Interpreter,
        plan: &Plan,
    ) -> Result<Sequencer, RunError> {
        let clients =
            Clients { timeout_ms: plan.external_timeout_ms, are_declared: plan.has_clients, are_told: false };
        let models = (self.access.clone().deaf(), plan.llm.clone());
        let (journal, clock) = (Journal::open_read_only(journal)?, Clock::Told(plan.clock));
        Sequencer::new(world, journal, interpreter, clock, None, clients, models)
    }

    #[cfg(unix)]
    fn pool(
        &self,
        workers: usize,
        most: usize,
        runtime: &str,
    ) -> Result<(Arc<dyn Sandbox>, Vec<String>), RunError> {
        use oikos_sandbox::pool::{Pool, PoolSetup};
        let Some(Worker { program, arguments, build }) = self.worker.clone() else {
            let sentence = "code can't be run in processes here: no program is known that they would run";
            return Err(RunError::Unsupported(sentence.into()));
        };
        let (runtime, folder) = (runtime.to_owned(), self.cache.clone());
        let pool = Pool::open(PoolSetup { program, arguments, workers, most, build, runtime, folder })?;
        let told = |missing: &oikos_sandbox::pool::Missing| {
            format!("worker processes run without the layer `{}`: {}", missing.layer, missing.why)
        };
        let missing = pool.missing().iter().map(told).collect();
        Ok((Arc::new(pool), missing))
    }

    #[cfg(not(unix))]
    fn pool(&self, _: usize, _: usize, _: &str) -> Result<(Arc<dyn Sandbox>, Vec<String>), RunError> {
        Err(RunError::Unsupported("`isolation = \"process\"` is not on this system".into()))
    }
}

/// Runs code for the process at the other end of a connection, until it is closed.
///
/// # Errors
/// When the connection breaks, or the other end says what no such process says.
#[cfg(unix)]
pub fn serve_code(connection: std::os::unix::net::UnixStream, build: &str) -> Result<(), std::io::Error> {
    oikos_sandbox::worker::serve(connection, build, &|folder| {
        let sandbox = PythonSandbox::open(folder, &mut |_| {}).map_err(|error| error.to_string())?;
        Ok(Box::new(sandbox))
    })
}
