//! The tick scheduler: all think on one snapshot, then all act in an order that the seed decides.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use oikos_agents::{Decision, decide};
use oikos_kernel::{
    json::Json,
    record::{Cause, Charge, Event, Handle, Outcome, Thought},
    refusal::{Code, Refusal},
    rules::{ResourceId, ResourceKind},
    seed::{derive, shuffle},
    time::Time,
    transaction::{Finished, Transaction},
    world::{Tick, World},
};
use serde_json::Value;

use crate::{config::ClockKind, drive::drive, error::RunError, sequencer::Sequencer};

/// Asks a running world to end soon, in a state that it can go on from.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Runs ticks on a sequencer.
#[derive(Debug)]
pub struct TickScheduler {
    tick_ms: i64,
    clock: ClockKind,
    /// The tick that was under way when the world was opened, as it stood when it began.
    unfinished: Option<Box<World>>,
}

/// What an agent thought, until its turn comes.
struct Pending {
    agent: Handle,
    version: u32,
    cpu_us: i64,
    events: Vec<Event>,
    output: String,
    outcome: Outcome,
}

impl TickScheduler {
    /// A scheduler; `snapshot` is the world at the beginning of its last tick, if it had any.
    #[must_use]
    pub fn new(tick_ms: i64, clock: ClockKind, snapshot: Option<World>, sequencer: &mut Sequencer) -> Self {
        let mut this = Self { tick_ms, clock, unfinished: None };
        if let (Some(snapshot), Some(tick)) = (snapshot, sequencer.world().tick()) {
            if this.left(&snapshot, sequencer.world(), tick).is_empty() {
                this.end(sequencer, tick);
            } else {
                this.unfinished = Some(Box::new(snapshot));
            }
        }
        this
    }

    /// The number of the next tick; one that was cut short counts as next.
    #[must_use]
    pub fn next_number(&self, world: &World) -> u64 {
        match (world.tick(), &self.unfinished) {
            (Some(tick), Some(_)) => tick.number,
            (Some(tick), None) => tick.number + 1,
            (None, _) => 0,
        }
    }

    /// Runs the next tick, or what is left of one that was cut short. Says whether it ended.
    ///
    /// # Errors
    /// Only faults.
    pub fn run(&mut self, sequencer: &mut Sequencer, stop: &Stop) -> Result<bool, RunError> {
        let snapshot = match self.unfinished.take() {
            Some(snapshot) => snapshot,
            None => {
                let number = self.next_number(sequencer.world());
                if !self.wait(sequencer, number, stop) {
                    return Ok(false);
                }
                sequencer.mark(Cause::Tick { number })?;
                sequencer.snapshot_if_due()?;
                Box::new(sequencer.world().clone())
            }
        };
        let Some(tick) = snapshot.tick() else { return Ok(true) };
        let mut left = self.left(&snapshot, sequencer.world(), tick);
        let mut thoughts = Vec::with_capacity(left.len());
        let population = snapshot.population();
        for agent in &left {
            if stop.is_asked() {
                return self.cut_short(sequencer, snapshot, &thoughts);
            }
            thoughts.push(think(&snapshot, sequencer, *agent, tick, population));
        }
        for thought in &thoughts {
            sequencer.world_mut().hold(thought.agent, ResourceId::CPU, thought.cpu_us);
        }
        // The order is drawn over everyone, so that it is the same when some have acted already.
        let mut order: Vec<Handle> = snapshot.agents().map(|agent| agent.handle).collect();
        shuffle(&mut order, derive(snapshot.rules().seed, "order", "", tick.number));
        let mut place = vec![usize::MAX; snapshot.next_handle().0 as usize];
        for (at, agent) in order.iter().enumerate() {
            if let Some(row) = place.get_mut(agent.0 as usize) {
                *row = at;
            }
        }
        let at = |agent: Handle| place.get(agent.0 as usize).copied().unwrap_or(usize::MAX);
        left.clear();
        thoughts.sort_by_key(|thought| at(thought.agent));
        let mut rest = thoughts.into_iter();
        while let Some(thought) = rest.next() {
            if stop.is_asked() {
                let rest: Vec<Pending> = std::iter::once(thought).chain(rest).collect();
                return self.cut_short(sequencer, snapshot, &rest);
            }
            act(sequencer, thought, tick)?;
        }
        self.end(sequencer, tick);
        Ok(true)
    }

    /// Who still has to act in a tick: alive, with CPU to think, and not yet done.
    fn left(&self, snapshot: &World, world: &World, tick: Tick) -> Vec<Handle> {
        let alive =
            |world: &World, agent: Handle| world.get(agent).is_some_and(|artifact| !artifact.is_deleted());
        snapshot
            .agents()
            .filter(|agent| alive(snapshot, agent.handle) && alive(world, agent.handle))
            .filter(|agent| world.agent(agent.handle).is_none_or(|now| now.last_tick != Some(tick.number)))
            .filter(|agent| can_think(snapshot, agent.handle, agent.last_cpu_us, tick.time))
            .map(|agent| agent.handle)
            .collect()
    }

    fn end(&self, sequencer: &mut Sequencer, tick: Tick) {
        if self.clock == ClockKind::Virtual
            && let Some(end) = tick.time.after_ms(self.tick_ms)
        {
            sequencer.set_now(end);
        }
    }

    fn cut_short(
        &mut self,
        sequencer: &mut Sequencer,
        snapshot: Box<World>,
        thoughts: &[Pending],
    ) -> Result<bool, RunError> {
        for thought in thoughts {
            sequencer.world_mut().hold(thought.agent, ResourceId::CPU, 0);
        }
        self.unfinished = Some(snapshot);
        sequencer.commit()?;
        Ok(false)
    }

    /// Waits for a tick's time on the wall clock; false when it was asked to stop.
    fn wait(&self, sequencer: &mut Sequencer, number: u64, stop: &Stop) -> bool {
        if stop.is_asked() {
            return false;
        }
        if self.clock == ClockKind::Virtual {
            return true;
        }
        let start_ms = sequencer.world().rules().start.ms();
        let offset_ms = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(self.tick_ms);
        let due_ms = start_ms.saturating_add(offset_ms);
        loop {
            let now = wall_now();
            let left_ms = due_ms.saturating_sub(now.ms());
            if left_ms <= 0 {
                sequencer.set_now(now);
                return true;
            }
            if stop.is_asked() {
                return false;
            }
            // Whoever asks to stop also unparks this thread.
            std::thread::park_timeout(Duration::from_millis(left_ms.unsigned_abs()));
        }
    }
}

/// The wall clock, in whole milliseconds.
#[must_use]
pub fn wall_now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok().and_then(Time::from_ms).unwrap_or_default()
}

/// Whether an agent has the CPU for a step: what its last one used, or the reserve, but never more
/// than its whole rate.
fn can_think(world: &World, agent: Handle, last_cpu_us: i64, now: Time) -> bool {
    let rules = world.rules();
    if rules.kind(ResourceId::CPU) == ResourceKind::Metered {
        return true;
    }
    let rate = world.limit(agent, ResourceId::CPU);
    let needs = last_cpu_us.max(rules.step_reserve_us).min(rate).max(1);
    world.capacity(agent, ResourceId::CPU, now) >= needs
}

fn think(
    snapshot: &World,
    sequencer: &mut Sequencer,
    agent: Handle,
    tick: Tick,
    population: usize,
) -> Pending {
    let observation = snapshot.observation(agent, tick.time, population);
    let seed = derive(snapshot.rules().seed, "think", snapshot.name(agent), tick.number);
    let mut transaction = Transaction::think(snapshot, agent, observation, tick.time, seed);
    let finished = drive(&mut transaction, &mut *sequencer.sandbox);
    let cpu = |charge: &&Charge| charge.principal == agent && charge.resource == ResourceId::CPU;
    Pending {
        agent,
        version: snapshot.get(agent).map_or(0, |artifact| artifact.version()),
        cpu_us: finished.charges.iter().filter(cpu).map(|charge| charge.amount).sum(),
        events: finished.events,
        output: finished.output,
        outcome: finished.outcome,
    }
}

/// An agent's turn: what it thought becomes an action on the world as it is now. One record, always.
fn act(sequencer: &mut Sequencer, pending: Pending, tick: Tick) -> Result<(), RunError> {
    let Pending { agent, version, cpu_us, events, output, outcome } = pending;
    sequencer.world_mut().hold(agent, ResourceId::CPU, 0);
    let world = sequencer.world();
    let Some(artifact) = world.get(agent).filter(|artifact| !artifact.is_deleted()) else { return Ok(()) };
    let returned = match &outcome {
        Outcome::Done(value) => value.clone(),
        Outcome::Nothing | Outcome::Refused(_) => Json::default(),
    };
    let mut finished = if artifact.version() == version {
        match outcome {
            Outcome::Refused(refusal) => nothing_done(Outcome::Refused(refusal)),
            Outcome::Nothing | Outcome::Done(_) => execute(sequencer, agent, returned.value(), tick, cpu_us),
        }
    } else {
        let refusal =
            Refusal::new(Code::Conflict, "the mind was changed while it thought, so its action is void");
        nothing_done(Outcome::Refused(Box::new(refusal)))
    };
    if finished.charges.is_empty() && cpu_us > 0 {
        finished.charges.push(Charge { principal: agent, resource: ResourceId::CPU, amount: cpu_us });
    }
    finished.events.splice(0..0, events);
    let thought = Thought { action: returned, cpu_us, output };
    let output = std::mem::take(&mut finished.output);
    let cause = Cause::Step { agent, tick: tick.number, thought, output };
    sequencer.record(cause, finished).map(|_| ())
}

/// Carries out what a mind returned; thinking is charged with it.
fn execute(sequencer: &mut Sequencer, agent: Handle, returned: &Value, tick: Tick, cpu_us: i64) -> Finished {
    let action = match decide(returned) {
        Decision::Nothing => return nothing_done(Outcome::Nothing),
        Decision::Malformed(refusal) => return nothing_done(Outcome::Refused(Box::new(refusal))),
        Decision::Act(action) => action,
    };
    let (world, sandbox) = sequencer.parts();
    let seed = derive(world.rules().seed, "step", world.name(agent), tick.number);
    match Transaction::act_after(world, agent, action, tick.time, seed, cpu_us) {
        Ok(mut transaction) => drive(&mut transaction, sandbox),
        Err(refusal) => nothing_done(Outcome::Refused(Box::new(refusal))),
    }
}

fn nothing_done(outcome: Outcome) -> Finished {
    Finished { charges: Vec::new(), effects: Vec::new(), events: Vec::new(), outcome, output: String::new() }
}
