//! Thoughts of a tick that followers of the world have: they stand at the same record, and a thought is a function of
//! the state there, so it is the same whoever has it. The writer has those itself that nobody takes in time, and again
//! those of a follower that is gone.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use oikos_journal::{Address, JournalError, Shard, Shards};
use oikos_kernel::{id::Handle, record::FORMAT, world::World};

use crate::{config::Plan, models::Lending, turn::Carried};

/// Thoughts of a tick that take less than this here are not worth the way to another process.
pub(crate) const WORTH: Duration = Duration::from_millis(20);
/// Parts for each of those who think at once: so many that nobody waits long for the last one, and none so small that
/// its way takes longer than its thoughts.
const PARTS_PER_THREAD: usize = 32;
const PART: Duration = Duration::from_millis(10);
/// How often the table is looked at while nobody tells of anything.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is asked whether those live who have begun a part.
const ALIVE: Duration = Duration::from_millis(100);
/// How long a part is waited for at least, and how many times as long as the longest that was seen.
const PATIENCE: Duration = Duration::from_millis(250);
const TIMES: u32 = 4;
/// How long the table is left alone that could not be used.
const REST: Duration = Duration::from_secs(5);

/// All on which a thought hangs beside the state: only those who agree in it think for one another.
pub(crate) fn reading(runtime: &str) -> String {
    format!("oikos {}, format {FORMAT}, {runtime}", env!("CARGO_PKG_VERSION"))
}

/// The way to followers that think for a world.
pub(crate) struct Spread {
    at: Address,
    reading: String,
    worth: Duration,
    table: Option<Shards>,
    /// When the table may be used again that could not be.
    rests_until: Option<Instant>,
    /// How long one thread takes for the thought of one agent, as it was in the last tick that had some.
    thought: Option<Duration>,
}

/// Whether thoughts are worth the way to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    No,
    /// Nobody knows: those are that have not all been had here within this time.
    After(Duration),
    Yes,
}

/// The parts of the thinking of a tick.
pub(crate) enum Parts {
    /// All are had here, one agent after the other.
    Here { next: AtomicUsize, agents: usize },
    /// Some are had elsewhere.
    Shared(Shared),
}

/// Parts that are shared with others, each of so many agents.
pub(crate) struct Shared {
    each: usize,
    agents: usize,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    parts: Vec<Slot>,
    /// How long the longest part took that was seen.
    longest: Duration,
}

#[derive(Clone, Copy)]
enum Slot {
    /// Nobody has begun it.
    Open,
    /// It is had here; `is_told` once others know.
    Here { is_told: bool },
    /// Another process has begun it.
    There { taker: i64, since: Instant },
    /// Its thoughts came from another process.
    Done,
}

/// A part that is had here.
pub(crate) struct Part {
    /// The agents' places that are left.
    pub(crate) left: Range<usize>,
    began: Instant,
}

/// The table of a tick's parts, as it is looked after while they are had.
pub(crate) struct Given<'a> {
    table: &'a mut Shards,
    place: (u64, u64),
    asked_alive: Instant,
    /// How long a part is waited for at least.
    patience: Duration,
}

impl Spread {
    /// The way for a world whose thoughts may be had elsewhere; a journal in a file has none.
    pub(crate) fn of(
        plan: &Plan,
        journal: Option<&Address>,
        runtime: &str,
        worth: Option<Duration>,
    ) -> Option<Self> {
        let at = journal.filter(|at| plan.followers_think && Shards::are_at(at))?;
        let (reading, worth) = (reading(runtime), worth.unwrap_or(WORTH));
        Some(Self { at: at.clone(), reading, worth, table: None, rests_until: None, thought: None })
    }

    /// The way for requests to models.
    pub(crate) fn lending(&self) -> Lending {
        Lending { at: self.at.clone(), reading: self.reading.clone() }
    }

    /// Whether the thoughts of so many agents are worth the way.
    pub(crate) fn are_worth(&self, agents: usize, threads: usize) -> Worth {
        let each = u32::try_from(agents / threads.max(1)).unwrap_or(u32::MAX);
        if agents < 2 || self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Worth::No;
        }
        match self.thought {
            None => Worth::After(self.worth),
            Some(thought) if thought.saturating_mul(each) < self.worth => Worth::No,
            Some(_) => Worth::Yes,
        }
    }

    /// How many threads of others there are for the thoughts of so many agents.
    pub(crate) fn threads_elsewhere(&mut self, agents: usize) -> usize {
        let takers = self.table().and_then(|table| {
            let takers = table.0.takers(table.1)?;
            if !takers.is_empty() {
                table.0.begin()?;
            }
            Ok(takers)
        });
        let takers = self.usable(takers).unwrap_or_default();
        let threads: u64 = takers.iter().map(|taker| taker.threads.min(agents as u64)).sum();
        usize::try_from(threads).unwrap_or(agents).min(agents)
    }

    fn table(&mut self) -> Result<(&mut Shards, &str), JournalError> {
        let table = match self.table.take() {
            Some(table) => table,
            None => Shards::open(&self.at)?,
        };
        Ok((self.table.insert(table), &self.reading))
    }

    /// A table that fails is left alone for a while: all is had here meanwhile.
    fn usable<T>(&mut self, done: Result<T, JournalError>) -> Option<T> {
        if done.is_err() {
            self.failed();
        }
        done.ok()
    }

    pub(crate) fn failed(&mut self) {
        self.table = None;
        self.rests_until = Some(Instant::now() + REST);
    }

    /// Gives the parts of a turn away, on a world as it stands: to those who have come as far.
    pub(crate) fn give(
        &mut self,
        shared: &Shared,
        (world, agents): (&World, &[Handle]),
        turn: u64,
    ) -> Option<Given<'_>> {
        let seq = world.seq();
        let shard = |(agents, part)| Shard { seq, turn, part, body: Carried::asked(world, agents) };
        let shards: Vec<Shard> = agents.chunks(shared.each).zip(0..).map(shard).collect();
        let given = self.table().and_then(|(table, reading)| table.offer(reading, &shards));
        self.usable(given)?;
        let each = u32::try_from(shared.each).unwrap_or(u32::MAX);
        let expected = self.thought.unwrap_or_default().saturating_mul(each).saturating_mul(TIMES);
        let table = self.table.as_mut()?;
        let patience = PATIENCE.max(expected);
        Some(Given { table, place: (seq, turn), asked_alive: Instant::now(), patience })
    }

    pub(crate) fn thought(&self) -> Option<Duration> {
        self.thought
    }

    /// Takes note of how long the thoughts of so many agents took, on so many threads.
    pub(crate) fn note(&mut self, took: Duration, agents: usize, threads: usize) {
        let Some(agents) = u32::try_from(agents).ok().filter(|agents| *agents > 0) else { return };
        self.thought = Some(took.saturating_mul(u32::try_from(threads).unwrap_or(u32::MAX)) / agents);
    }
}

impl Parts {
    /// Parts that are all had here.
    pub(crate) fn here(agents: usize) -> Self {
        Self::Here { next: AtomicUsize::new(0), agents }
    }

    /// Parts for so many threads here and elsewhere, where a thought takes so long.
    pub(crate) fn shared(agents: usize, threads: usize, thought: Option<Duration>) -> Shared {
        let worth = PART.as_nanos() / thought.map_or(PART, |thought| thought).as_nanos().max(1);
        let worth = usize::try_from(worth).unwrap_or(agents).clamp(1, agents.div_ceil(threads.max(1)).max(1));
        let each = agents.div_ceil(threads.saturating_mul(PARTS_PER_THREAD)).max(worth);
        let parts = vec![Slot::Open; agents.div_ceil(each)];
        let slots = Mutex::new(Slots { parts, longest: Duration::ZERO });
        Shared { each, agents, slots }
    }

    /// The next part for a thread here, if there is one that nobody has begun.
    pub(crate) fn next(&self) -> Option<Part> {
        match self {
            Self::Here { next, agents } => {
                let at = next.fetch_add(1, Ordering::Relaxed);
                (at < *agents).then(|| Part { left: at..at + 1, began: Instant::now() })
            }
            Self::Shared(shared) => shared.next(),
        }
    }

    /// A part has been had here.
    pub(crate) fn had(&self, part: &Part) {
        if let Self::Shared(shared) = self {
            let mut slots = shared.slots();
            slots.longest = slots.longest.max(part.began.elapsed());
        }
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others begin with the first part, so here it is begun with the last.
    fn next(&self) -> Option<Part> {
        let mut slots = self.slots();
        let at = slots.parts.iter().rposition(|slot| matches!(slot, Slot::Open))?;
        slots.set(at, Slot::Here { is_told: false });
        Some(Part { left: self.agents_of(at), began: Instant::now() })
    }

    fn agents_of(&self, part: usize) -> Range<usize> {
        let from = part * self.each;
        from..(from + self.each).min(self.agents)
    }

    /// Whether nothing comes from elsewhere any more, and all parts have been begun.
    fn is_through(&self) -> bool {
        self.slots().parts.iter().all(|slot| matches!(slot, Slot::Here { .. } | Slot::Done))
    }

    /// All that others have not done is to be had here.
    pub(crate) fn take_all_back(&self) {
        for slot in &mut self.slots().parts {
            if matches!(slot, Slot::There { .. }) {
                *slot = Slot::Open;
            }
        }
    }
}

impl Slots {
    fn set(&mut self, at: usize, to: Slot) {
        if let Some(slot) = self.parts.get_mut(at) {
            *slot = to;
        }
    }

    fn at(&self, part: u64) -> Option<(usize, Slot)> {
        let at = usize::try_from(part).ok()?;
        Some((at, *self.parts.get(at)?))
    }

    /// Parts with the place that they have in the table.
    fn those(&self, are_meant: impl Fn(&Slot) -> bool) -> Vec<u64> {
        self.parts.iter().zip(0..).filter(|(slot, _)| are_meant(slot)).map(|(_, at)| at).collect()
    }
}

impl Given<'_> {
    /// Looks after the parts once: takes what others have thought, tells them what is had here, and takes back what
    /// comes too late. Says whether all has come, and whether some parts are open again.
    ///
    /// `take` is given the places of agents and what came for them, and says whether that is the thoughts of all.
    pub(crate) fn look(
        &mut self,
        shared: &Shared,
        mut take: impl FnMut(Range<usize>, &[u8]) -> bool,
    ) -> Result<(bool, bool), JournalError> {
        self.table.wait(LOOK)?;
        let (seq, turn) = self.place;
        let progress = self.table.progress(seq, turn)?;
        let mut has_back = false;
        {
            let mut slots = shared.slots();
            for (part, taker) in progress.taken {
                if let Some((at, Slot::Open)) = slots.at(part) {
                    slots.set(at, Slot::There { taker, since: Instant::now() });
                }
            }
            for (part, body) in progress.done {
                let Some((at, slot @ (Slot::Open | Slot::There { .. }))) = slots.at(part) else { continue };
                if let Slot::There { since, .. } = slot {
                    slots.longest = slots.longest.max(since.elapsed());
                }
                // Bytes that are no answer are as none.
                let is_whole = take(shared.agents_of(at), &body);
                slots.set(at, if is_whole { Slot::Done } else { Slot::Open });
                has_back |= !is_whole;
            }
            let told = slots.those(|slot| matches!(slot, Slot::Here { is_told: false }));
            for part in &told {
                if let Some((at, _)) = slots.at(*part) {
                    slots.set(at, Slot::Here { is_told: true });
                }
            }
            drop(slots);
            self.table.take_back(seq, turn, &told)?;
        }
        let gone = self.gone(shared)?;
        self.table.take_back(seq, turn, &gone)?;
        let mut slots = shared.slots();
        for part in &gone {
            if let Some((at, _)) = slots.at(*part) {
                slots.set(at, Slot::Open);
            }
        }
        drop(slots);
        Ok((shared.is_through(), has_back || !gone.is_empty()))
    }

    /// Takes back all that was given away.
    pub(crate) fn end(&mut self, shared: &Shared) -> Result<(), JournalError> {
        let all = shared.slots().those(|_| true);
        self.table.take_back(self.place.0, self.place.1, &all).map(drop)
    }

    /// The parts whose thoughts are not waited for any more, where nothing is left to do here meanwhile.
    fn gone(&mut self, shared: &Shared) -> Result<Vec<u64>, JournalError> {
        let (there, patience) = {
            let slots = shared.slots();
            if slots.parts.iter().any(|slot| matches!(slot, Slot::Open)) {
                return Ok(Vec::new());
            }
            let there = |(slot, at): (&Slot, u64)| match slot {
                Slot::There { taker, since } => Some((at, *taker, *since)),
                Slot::Open | Slot::Here { .. } | Slot::Done => None,
            };
            let there: Vec<_> = slots.parts.iter().zip(0..).filter_map(there).collect();
            (there, self.patience.max(slots.longest.saturating_mul(TIMES)))
        };
        let mut dead = BTreeSet::new();
        if self.asked_alive.elapsed() >= ALIVE {
            self.asked_alive = Instant::now();
            for taker in there.iter().map(|(_, taker, _)| *taker).collect::<BTreeSet<i64>>() {
                if !self.table.lives(taker)? {
                    dead.insert(taker);
                }
            }
        }
        let is_gone =
            |(_, taker, since): &(u64, i64, Instant)| dead.contains(taker) || since.elapsed() > patience;
        Ok(there.into_iter().filter(is_gone).map(|(at, _, _)| at).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_agent_once() {
        let ms = Duration::from_millis;
        for (agents, threads, thought, parts) in [
            (1, 2, None, 1),
            (200, 2, Some(ms(13)), 50),
            (200, 2, Some(ms(1)), 20),
            // No part is larger than what each has to do.
            (200, 2, Some(Duration::ZERO), 2),
            (100_000, 4, Some(ms(1)), 128),
            (7, 64, Some(ms(100)), 7),
        ] {
            let shared = Parts::shared(agents, threads, thought);
            let mut had: Vec<usize> =
                std::iter::from_fn(|| shared.next()).flat_map(|part| part.left).collect();
            assert_eq!(shared.slots().parts.len(), parts, "{agents} {threads} {thought:?}");
            had.sort_unstable();
            assert!(had.into_iter().eq(0..agents), "{agents} {threads} {thought:?}");
            assert!(shared.is_through());
        }
        let here = Parts::here(3);
        let had: Vec<usize> = std::iter::from_fn(|| here.next()).flat_map(|part| part.left).collect();
        assert_eq!(had, [0, 1, 2]);
    }

    #[test]
    fn parts_that_come_back_are_had_here() {
        let shared = Parts::shared(4, 2, None);
        shared.slots().set(0, Slot::There { taker: 1, since: Instant::now() });
        shared.slots().set(1, Slot::Done);
        assert_eq!(shared.next().map(|part| part.left), Some(3..4));
        assert_eq!(shared.next().map(|part| part.left), Some(2..3));
        assert!(shared.next().is_none() && !shared.is_through());
        shared.take_all_back();
        assert_eq!(shared.next().map(|part| part.left), Some(0..1));
        assert!(shared.next().is_none() && shared.is_through());
    }
}
