//! Thinking beside the loop that owns the world, on the wall clock: code that thinks for long delays nobody's turn, as
//! long as a thread is free. Each agent has one thought at a time. Actions stay one at a time, each on the world as it is then.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::Scope,
};

use oikos_kernel::{id::Handle, time::Time, world::World};
use oikos_sandbox::{STACK_BYTES, Sandbox};

use crate::{
    desk::Counter,
    error::RunError,
    turn::{Thinking, think_in},
};

/// A thought to be had: an agent's, on the world as it stands when its turn comes.
struct Job {
    world: Box<World>,
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
    busy: Vec<Handle>,
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
                    // If the loop is gone, nobody misses the thought.
                    drop(thought.send((agent, catch_unwind(AssertUnwindSafe(think)))));
                    desk.ring();
                }
            };
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work).ok()
        });
        let threads = started.count();
        Self { jobs, thoughts, threads, busy: Vec::new() }
    }

    /// Whether there are any threads.
    pub(crate) fn is_open(&self) -> bool {
        self.threads > 0
    }

    /// Whether each of them has a thought to have.
    pub(crate) fn is_full(&self) -> bool {
        self.is_open() && self.busy.len() >= self.threads
    }

    /// The agents who think now.
    pub(crate) fn busy(&self) -> &[Handle] {
        &self.busy
    }

    /// Lets an agent think on the world as it is.
    pub(crate) fn think(&mut self, world: &World, agent: Handle, turn: u64, now: Time) {
        self.busy.push(agent);
        let sent = self.jobs.send(Job { world: Box::new(world.clone()), agent, turn, now });
        assert!(sent.is_ok(), "the threads that think end after the loop that they think for");
    }

    /// A thought that has come, if one has.
    ///
    /// # Errors
    /// When there was no process to have it in.
    pub(crate) fn come(&mut self) -> Result<Option<Thinking>, RunError> {
        let come = self.thoughts.try_recv().ok();
        come.map(|come| self.take(come)).transpose()
    }

    /// Waits for a thought, if anybody thinks.
    ///
    /// # Errors
    /// When there was no process to have it in.
    pub(crate) fn last(&mut self) -> Result<Option<Thinking>, RunError> {
        if self.busy.is_empty() {
            return Ok(None);
        }
        let come = self.thoughts.recv().ok();
        come.map(|come| self.take(come)).transpose()
    }

    fn take(&mut self, (agent, thought): (Handle, Thought)) -> Result<Thinking, RunError> {
        self.busy.retain(|busy| *busy != agent);
        thought.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The next thought to be had; `None` when there will be no more.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
