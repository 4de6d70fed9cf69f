//! The thinking of a tick, on as many threads as there are workers. A thought is a function of the tick's snapshot,
//! so it is nobody's affair which thread had it, and when; nor which process, where others follow the world.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread::ScopedJoinHandle,
    time::Instant,
};

use oikos_kernel::{
    id::Handle,
    world::{Tick, World},
};
use oikos_sandbox::Sandbox;

use crate::{
    desk::{Counter, Desk, within},
    error::RunError,
    sequencer::Sequencer,
    spread::{Part, Parts, Shared, Spread, Worth},
    stop::Stop,
    turn::{Carried, Thinking, think, think_in},
};

/// Agents for which a thread of their own is worth its start.
const AGENTS_PER_THREAD_MIN: usize = 8;

/// A thought with the place of its agent among those who think.
type Placed = (usize, Result<Thinking, RunError>);

/// Has agents think on a snapshot, in any order, each thread for one at a time; gives their thoughts in the agents'
/// order. The desk is served between any two thoughts of this thread. `None` if it was asked to stop.
///
/// # Errors
/// Only faults; of several, that of the first agent.
pub(crate) fn think_all(
    snapshot: &World,
    agents: &[Handle],
    tick: Tick,
    sequencer: &mut Sequencer,
    counter: &Counter,
    stop: &Stop,
) -> Result<Option<Vec<Thinking>>, RunError> {
    let interpreter = sequencer.interpreter();
    if interpreter.mind.is_some() {
        return think_alone(snapshot, agents, tick, sequencer, counter, stop);
    }
    let threads = interpreter.workers.min(agents.len() / AGENTS_PER_THREAD_MIN).max(1);
    let sandbox = Arc::clone(&interpreter.sandbox);
    let mut spread = sequencer.spread.take();
    let worth = spread.as_ref().map_or(Worth::No, |spread| spread.are_worth(agents.len(), threads));
    let elsewhere = match (worth, &mut spread) {
        (Worth::Yes, Some(spread)) => spread.threads_elsewhere(agents.len()),
        // There may be as many as here.
        (Worth::After(_), _) => threads,
        (Worth::No | Worth::Yes, _) => 0,
    };
    let after = match worth {
        Worth::After(time) => Some(time),
        Worth::No | Worth::Yes => None,
    };
    let parts = match elsewhere {
        0 => Parts::here(agents.len()),
        _ => Parts::Shared(Parts::shared(
            agents.len(),
            threads + elsewhere,
            spread.as_ref().and_then(Spread::thought),
        )),
    };
    if elsewhere > 0 && worth == Worth::Yes {
        // Those who follow the world stand at the tick's beginning once it is on disk.
        sequencer.commit()?;
    }
    let round = Round {
        snapshot,
        agents,
        tick,
        sandbox: &*sandbox,
        parts,
        halted: AtomicBool::new(false),
        beside: AtomicUsize::new(0),
    };
    let began = Instant::now();
    // Rung once nobody here has anything to begin.
    let (rests, rested) = sync_channel(1);
    let (own, beside) = std::thread::scope(|scope| {
        let mut beside = Vec::with_capacity(threads);
        if let (Parts::Shared(shared), Some(spread)) = (&round.parts, &mut spread) {
            let (leave, round) = (Leave::of(&round, counter.desk()), &round);
            let watch = move || {
                // Where all are had before, nobody else is asked.
                let is_over = after.is_some_and(|after| within(&rested, after).is_some());
                if is_over { Vec::new() } else { round.watch(shared, spread, &leave.desk, after.is_none()) }
            };
            beside.extend(std::thread::Builder::new().spawn_scoped(scope, watch).ok());
        }
        for _ in 1..threads {
            let leave = Leave::of(&round, counter.desk());
            let thread = std::thread::Builder::new();
            // Where there is no thread more to be had, those that there are think.
            beside.extend(thread.spawn_scoped(scope, move || leave.think()).ok());
        }
        let own = round.think_here(sequencer, counter, stop, || {
            let _ = rests.try_send(());
        });
        round.halted.store(true, Ordering::Relaxed);
        let join = |thread: ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (own, beside.into_iter().map(join).collect::<Vec<Vec<Placed>>>())
    });
    if let Some(spread) = &mut spread {
        spread.note(began.elapsed(), agents.len(), threads + elsewhere);
    }
    sequencer.spread = spread;
    let Some(mut thoughts) = own? else { return Ok(None) };
    thoughts.extend(beside.into_iter().flatten());
    thoughts.sort_unstable_by_key(|(at, _)| *at);
    let is_whole = thoughts.iter().map(|(at, _)| *at).eq(0..agents.len());
    assert!(is_whole || thoughts.iter().any(|(_, thought)| thought.is_err()), "an agent's thought is lost");
    thoughts.into_iter().map(|(_, thought)| thought).collect::<Result<Vec<_>, _>>().map(Some)
}

/// As [`think_all`], with a mind in the place of code.
fn think_alone(
    snapshot: &World,
    agents: &[Handle],
    tick: Tick,
    sequencer: &mut Sequencer,
    counter: &Counter,
    stop: &Stop,
) -> Result<Option<Vec<Thinking>>, RunError> {
    let mut thoughts = Vec::with_capacity(agents.len());
    for agent in agents {
        counter.serve(sequencer)?;
        if stop.is_asked() {
            return Ok(None);
        }
        thoughts.push(think(snapshot, sequencer.interpreter(), *agent, tick.turn, tick.time)?);
    }
    Ok(Some(thoughts))
}

/// The thinking of one tick, as its threads share it.
struct Round<'a> {
    snapshot: &'a World,
    agents: &'a [Handle],
    tick: Tick,
    sandbox: &'a dyn Sandbox,
    parts: Parts,
    /// Whether no more thoughts are begun.
    halted: AtomicBool,
    /// How many threads think beside the one that owns the world.
    beside: AtomicUsize,
}

impl Round<'_> {
    /// The thought of the next agent, of the part in hand or of the next one; `None` if there are no more. After one
    /// that failed none is begun.
    fn think(&self, hand: &mut Option<Part>) -> Option<Placed> {
        if self.halted.load(Ordering::Relaxed) {
            return None;
        }
        let part = match hand {
            Some(part) => part,
            None => hand.insert(self.parts.next()?),
        };
        let at = part.left.next()?;
        let agent = *self.agents.get(at)?;
        let thought = think_in(self.snapshot, self.sandbox, agent, self.tick.turn, self.tick.time);
        if thought.is_err() {
            self.halted.store(true, Ordering::Relaxed);
        }
        if part.left.is_empty() {
            self.parts.had(part);
            *hand = None;
        }
        Some((at, thought))
    }

    /// Thinks on the thread that owns the world, and serves the desk, also while only others still think.
    fn think_here(
        &self,
        sequencer: &mut Sequencer,
        counter: &Counter,
        stop: &Stop,
        rests: impl Fn(),
    ) -> Result<Option<Vec<Placed>>, RunError> {
        let (mut thoughts, mut hand) = (Vec::new(), None);
        loop {
            counter.serve(sequencer)?;
            if stop.is_asked() {
                return Ok(None);
            }
            // Those beside leave no part open that they do not have themselves.
            let is_alone = self.beside.load(Ordering::Acquire) == 0;
            match self.think(&mut hand) {
                Some(thought) => thoughts.push(thought),
                None if is_alone => return Ok(Some(thoughts)),
                None => {
                    rests();
                    counter.wait(None, sequencer)?;
                }
            }
        }
    }

    /// Looks after the parts that others have, if there are others, and gives their thoughts. Where the table fails,
    /// all that is left is had here.
    fn watch(&self, shared: &Shared, spread: &mut Spread, desk: &Desk, are_known: bool) -> Vec<Placed> {
        let mut thoughts = Vec::new();
        if !are_known && spread.threads_elsewhere(self.agents.len()) == 0 {
            return thoughts;
        }
        let looked = self.looked(shared, spread, desk, &mut thoughts);
        if looked.is_none() {
            spread.failed();
            shared.take_all_back();
        }
        thoughts
    }

    fn looked(
        &self,
        shared: &Shared,
        spread: &mut Spread,
        desk: &Desk,
        thoughts: &mut Vec<Placed>,
    ) -> Option<()> {
        let mut given = spread.give(shared, (self.snapshot, self.agents), self.tick.turn)?;
        let mut take = |places: std::ops::Range<usize>, bytes: &[u8]| {
            let Some(agents) = self.agents.get(places.clone()) else { return false };
            let when = (self.tick.turn, self.tick.time);
            let Some(read) = Carried::read(bytes, agents, self.snapshot, when) else { return false };
            thoughts.extend(places.zip(read.into_iter().map(Ok)));
            true
        };
        while !self.halted.load(Ordering::Relaxed) {
            let (is_through, is_open_again) = given.look(shared, &mut take).ok()?;
            if is_open_again {
                desk.ring();
            }
            if is_through {
                return Some(());
            }
        }
        // Nobody wants the rest any more.
        given.end(shared).ok()
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
        let mut hand = None;
        std::iter::from_fn(|| self.round.think(&mut hand)).collect()
    }
}

impl Drop for Leave<'_, '_> {
    fn drop(&mut self) {
        self.round.beside.fetch_sub(1, Ordering::Release);
        self.desk.ring();
    }
}
