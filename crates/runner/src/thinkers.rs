//! The thinking of a tick, on as many threads as there are workers. A thought is a function of the tick's snapshot,
//! so it is nobody's affair which thread had it, and when.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::ScopedJoinHandle,
};

use oikos_kernel::{
    id::Handle,
    world::{Tick, World},
};
use oikos_sandbox::Sandbox;

use crate::{
    desk::{Counter, Desk},
    error::RunError,
    sequencer::Sequencer,
    stop::Stop,
    turn::{Thinking, think, think_batch},
};

/// Batches for which a thread of their own is worth its start.
const BATCHES_PER_THREAD_MIN: usize = 2;

/// The thoughts of a batch with its place among the batches.
type Placed = (usize, Result<Vec<Thinking>, RunError>);

/// Has agents think on a snapshot, in any order, each thread one batch at a time; gives their thoughts in the
/// batches' order. The desk is served between any two batches of this thread. `None` if it was asked to stop.
///
/// # Errors
/// Only faults; of several, that of the first agent.
pub(crate) fn think_all(
    snapshot: &World,
    batches: &[Vec<Handle>],
    tick: Tick,
    sequencer: &mut Sequencer,
    counter: &Counter,
    stop: &Stop,
) -> Result<Option<Vec<Thinking>>, RunError> {
    let interpreter = sequencer.interpreter();
    if interpreter.mind.is_some() {
        return think_alone(snapshot, batches, tick, sequencer, counter, stop);
    }
    let threads = interpreter.workers.min(batches.len() / BATCHES_PER_THREAD_MIN).max(1);
    let sandbox = Arc::clone(&interpreter.sandbox);
    let round = Round {
        snapshot,
        batches,
        tick,
        sandbox: &*sandbox,
        next: AtomicUsize::new(0),
        halted: AtomicBool::new(false),
        beside: AtomicUsize::new(0),
    };
    let (own, beside) = std::thread::scope(|scope| {
        let mut beside = Vec::with_capacity(threads - 1);
        for _ in 1..threads {
            let leave = Leave::of(&round, counter.desk());
            let thread = std::thread::Builder::new();
            // Where there is no thread more to be had, those that there are think.
            beside.extend(thread.spawn_scoped(scope, move || leave.think()).ok());
        }
        let own = round.think_here(sequencer, counter, stop);
        round.halted.store(true, Ordering::Relaxed);
        let join = |thread: ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (own, beside.into_iter().map(join).collect::<Vec<Vec<Placed>>>())
    });
    let Some(mut thoughts) = own? else { return Ok(None) };
    thoughts.extend(beside.into_iter().flatten());
    thoughts.sort_unstable_by_key(|(at, _)| *at);
    let thoughts = thoughts.into_iter().map(|(_, batch)| batch).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(thoughts.into_iter().flatten().collect()))
}

/// As [`think_all`], with a mind in the place of code.
fn think_alone(
    snapshot: &World,
    batches: &[Vec<Handle>],
    tick: Tick,
    sequencer: &mut Sequencer,
    counter: &Counter,
    stop: &Stop,
) -> Result<Option<Vec<Thinking>>, RunError> {
    let mut thoughts = Vec::with_capacity(batches.len());
    for agent in batches.iter().flatten() {
        counter.serve(sequencer)?;
        if stop.is_asked() {
            return Ok(None);
        }
        thoughts.push(think(snapshot, sequencer.interpreter(), *agent, tick.number, tick.time)?);
    }
    Ok(Some(thoughts))
}

/// The thinking of one tick, as its threads share it.
struct Round<'a> {
    snapshot: &'a World,
    batches: &'a [Vec<Handle>],
    tick: Tick,
    sandbox: &'a dyn Sandbox,
    /// The place of the next batch that nobody thinks for yet.
    next: AtomicUsize,
    /// Whether no more batches are begun.
    halted: AtomicBool,
    /// How many threads think beside the one that owns the world.
    beside: AtomicUsize,
}

impl Round<'_> {
    /// The thoughts of the next batch; `None` if there are no more. After one that failed none is begun.
    fn think(&self) -> Option<Placed> {
        if self.halted.load(Ordering::Relaxed) {
            return None;
        }
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let batch = self.batches.get(at)?;
        let thoughts = think_batch(self.snapshot, self.sandbox, batch, self.tick.number, self.tick.time);
        if thoughts.is_err() {
            self.halted.store(true, Ordering::Relaxed);
        }
        Some((at, thoughts))
    }

    /// Thinks on the thread that owns the world, and serves the desk, also while only others still think.
    fn think_here(
        &self,
        sequencer: &mut Sequencer,
        counter: &Counter,
        stop: &Stop,
    ) -> Result<Option<Vec<Placed>>, RunError> {
        let mut thoughts = Vec::new();
        loop {
            counter.serve(sequencer)?;
            if stop.is_asked() {
                return Ok(None);
            }
            match self.think() {
                Some(thought) => thoughts.push(thought),
                None if self.beside.load(Ordering::Acquire) == 0 => return Ok(Some(thoughts)),
                None => counter.wait(None, sequencer)?,
            }
        }
    }
}

/// A thread that thinks beside; when it leaves, it rings at the desk.
struct Leave<'a, 'w> {
    round: &'a Round<'w>,
    desk: Desk,
}

impl<'a, 'w> Leave<'a, 'w> {
    fn of(round: &'a Round<'w>, desk: Desk) -> Self {
        round.beside.fetch_add(1, Ordering::Relaxed);
        Self { round, desk }
    }

    fn think(self) -> Vec<Placed> {
        std::iter::from_fn(|| self.round.think()).collect()
    }
}

impl Drop for Leave<'_, '_> {
    fn drop(&mut self) {
        self.round.beside.fetch_sub(1, Ordering::Release);
        self.desk.ring();
    }
}
