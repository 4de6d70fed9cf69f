//! Thinking beside the loop that owns the world, on the wall clock. The loop waits for a thought as long as a slice;
//! one that takes longer delays nobody's turn any more, as long as a thread is free. Each agent has one thought at a
//! time, and actions stay one at a time.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::Scope,
    time::{Duration, Instant},
};

use oikos_kernel::{id::Handle, time::Time, world::World};
use oikos_sandbox::Sandbox;

use crate::{
    desk::{Counter, within},
    error::RunError,
    turn::{Thinking, think_in},
};

/// How long the loop waits for a thought, before it turns to others.
const SLICE: Duration = Duration::from_millis(5);

/// Thoughts that may be under way at once, for each who may run code at once: where more are slow than there are cores,
/// the system shares the cores among them.
pub(crate) const THOUGHTS_PER_WORKER: usize = 4;

/// A thought to be had: an agent's, on the world as it stands when its turn comes.
struct Job {
    world: Arc<World>,
    agent: Handle,
    turn: u64,
    now: Time,
}

/// A thought, or the panic that came in its place.
type Thought = Result<Result<Thinking, RunError>, Box<dyn Any + Send>>;

/// The threads that think beside; none, where all think on the loop's own.
pub(crate) struct Beside {
    jobs: Sender<Job>,
    thoughts: Receiver<(Handle, Thought)>,
    threads: usize,
    /// Thoughts that have come, and that nobody has looked at.
    come: VecDeque<(Handle, Thought)>,
    /// How many think.
    busy: usize,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("busy", &self.busy).finish_non_exhaustive()
    }
}

impl Beside {
    /// Starts threads that end when this is dropped. Each rings at the desk after a thought.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
        sandbox: &Arc<dyn Sandbox>,
        counter: &Counter,
    ) -> Self {
        let (jobs, received) = channel::<Job>();
        let (thought, thoughts) = channel();
        let received = Arc::new(Mutex::new(received));
        let started = (0..threads).map_while(|_| {
            let (received, thought) = (Arc::clone(&received), thought.clone());
            let (sandbox, desk) = (Arc::clone(sandbox), counter.desk());
            let work = move || {
                while let Some(Job { world, agent, turn, now }) = next(&received) {
                    let think = || think_in(&world, &*sandbox, agent, turn, now);
                    let thought_of = (agent, catch_unwind(AssertUnwindSafe(think)));
                    // Before the loop changes the world, or it would change a copy.
                    drop(world);
                    // If the loop is gone, nobody misses the thought.
                    drop(thought.send(thought_of));
                    desk.ring();
                }
            };
            std::thread::Builder::new().spawn_scoped(scope, work).ok()
        });
        let threads = started.count();
        Self { jobs, thoughts, threads, come: VecDeque::new(), busy: 0 }
    }

    /// Whether there are any threads.
    pub(crate) fn is_open(&self) -> bool {
        self.threads > 0
    }

    /// Whether each of them has a thought to have.
    pub(crate) fn is_full(&self) -> bool {
        self.is_open() && self.busy >= self.threads
    }

    /// Whether somebody thinks.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy > 0
    }

    /// Lets an agent think on a world.
    pub(crate) fn think(&mut self, world: Arc<World>, agent: Handle, turn: u64, now: Time) {
        self.busy += 1;
        let sent = self.jobs.send(Job { world, agent, turn, now });
        assert!(sent.is_ok(), "the threads that think end after the loop that they think for");
    }

    /// The thought of an agent, if it comes within a slice.
    ///
    /// # Errors
    /// When there was no process to have it in.
    pub(crate) fn soon(&mut self, agent: Handle) -> Result<Option<Thinking>, RunError> {
        let began = Instant::now();
        while let Some(come) = within(&self.thoughts, SLICE.saturating_sub(began.elapsed())) {
            if come.0 == agent {
                return self.take(come).map(Some);
            }
            self.come.push_back(come);
        }
        Ok(None)
    }

    /// A thought that has come, if one has.
    ///
    /// # Errors
    /// When there was no process to have it in.
    pub(crate) fn come(&mut self) -> Result<Option<Thinking>, RunError> {
        let come = self.come.pop_front().or_else(|| self.thoughts.try_recv().ok());
        come.map(|come| self.take(come)).transpose()
    }

    /// Waits for a thought, if anybody thinks.
    ///
    /// # Errors
    /// When there was no process to have it in.
    pub(crate) fn last(&mut self) -> Result<Option<Thinking>, RunError> {
        if self.busy == 0 {
            return Ok(None);
        }
        let come = self.come.pop_front().or_else(|| self.thoughts.recv().ok());
        come.map(|come| self.take(come)).transpose()
    }

    fn take(&mut self, (_, thought): (Handle, Thought)) -> Result<Thinking, RunError> {
        self.busy -= 1;
        thought.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The next thought to be had; `None` when there will be no more.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
