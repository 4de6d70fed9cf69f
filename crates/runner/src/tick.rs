//! The tick scheduler: all think on one snapshot, then all act in an order that the seed decides.

use oikos_kernel::{
    record::{Cause, Handle},
    seed::{derive, shuffle},
    world::{Tick, World},
};

use crate::{
    clock::{until, wall_now},
    config::ClockKind,
    desk::Counter,
    error::RunError,
    sequencer::Sequencer,
    stop::Stop,
    turn::{Thinking, act, pass, think},
};

/// Runs ticks on a sequencer.
#[derive(Debug)]
pub(crate) struct TickScheduler {
    tick_ms: i64,
    /// The tick that was under way when the world was opened, as it stood when it began.
    unfinished: Option<Box<World>>,
}

/// Whose turn it is in a tick.
struct Turns {
    /// Those who think.
    able: Vec<Handle>,
    /// Those who lack the CPU.
    short: Vec<Handle>,
}

impl TickScheduler {
    /// A scheduler; `snapshot` is the world at the beginning of its last tick, if it had any.
    pub(crate) fn new(tick_ms: i64, snapshot: Option<World>, sequencer: &mut Sequencer) -> Self {
        let mut this = Self { tick_ms, unfinished: None };
        if let (Some(snapshot), Some(tick)) = (snapshot, sequencer.world().tick()) {
            let left = turns(&snapshot, sequencer.world(), tick);
            if left.able.is_empty() && left.short.is_empty() {
                this.end(sequencer, tick);
            } else {
                this.unfinished = Some(Box::new(snapshot));
            }
        }
        this
    }

    /// The number of the next tick; one that was cut short counts as next.
    pub(crate) fn next_number(&self, world: &World) -> u64 {
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
    pub(crate) fn run(
        &mut self,
        sequencer: &mut Sequencer,
        counter: &Counter,
        stop: &Stop,
    ) -> Result<bool, RunError> {
        let snapshot = match self.unfinished.take() {
            Some(snapshot) => snapshot,
            None => {
                let number = self.next_number(sequencer.world());
                if !self.wait(sequencer, number, counter, stop)? {
                    return Ok(false);
                }
                counter.serve(sequencer)?;
                sequencer.mark(Cause::Tick { number })?;
                sequencer.snapshot_if_due()?;
                Box::new(sequencer.world().clone())
            }
        };
        let Some(tick) = snapshot.tick() else { return Ok(true) };
        let left = turns(&snapshot, sequencer.world(), tick);
        for agent in left.short {
            pass(sequencer, agent, tick.number)?;
        }
        let mut thoughts = Vec::with_capacity(left.able.len());
        for agent in left.able {
            if stop.is_asked() {
                return self.cut_short(sequencer, snapshot);
            }
            thoughts.push(think(&snapshot, sequencer.interpreter(), agent, tick.number, tick.time));
        }
        // What was thought is charged when it is acted on; until then nobody else may use it.
        let world = sequencer.world_mut();
        let reserve = |thought: Thinking| {
            let reserved = world.reserve_all(&thought.charges, tick.time);
            (thought, reserved)
        };
        let mut thoughts: Vec<_> = thoughts.into_iter().map(reserve).collect();
        let place = order(&snapshot, tick);
        let at = |agent: Handle| place.get(agent.0 as usize).copied().unwrap_or(usize::MAX);
        thoughts.sort_by_key(|(thought, _)| at(thought.agent));
        let mut stopped = false;
        for (thought, reserved) in thoughts {
            let funded = reserved.map(|reserved| sequencer.world_mut().settle_all(reserved)).is_some();
            stopped = stopped || stop.is_asked();
            if stopped {
                continue;
            }
            if funded {
                act(sequencer, thought)?;
            } else {
                // It thought on the beginning of the tick, and an action from outside has used since what
                // that takes.
                pass(sequencer, thought.agent, tick.number)?;
            }
        }
        if stopped {
            return self.cut_short(sequencer, snapshot);
        }
        self.end(sequencer, tick);
        Ok(true)
    }

    fn end(&self, sequencer: &mut Sequencer, tick: Tick) {
        if sequencer.clock() == ClockKind::Virtual
            && let Some(end) = tick.time.after_ms(self.tick_ms)
        {
            sequencer.set_now(end);
        }
    }

    fn cut_short(&mut self, sequencer: &mut Sequencer, snapshot: Box<World>) -> Result<bool, RunError> {
        self.unfinished = Some(snapshot);
        sequencer.commit()?;
        Ok(false)
    }

    /// Waits for a tick's time on the wall clock; false when it was asked to stop.
    fn wait(
        &self,
        sequencer: &mut Sequencer,
        number: u64,
        counter: &Counter,
        stop: &Stop,
    ) -> Result<bool, RunError> {
        let start_ms = sequencer.world().rules().start.ms();
        let offset_ms = i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(self.tick_ms);
        let due = oikos_kernel::time::Time::from_ms(start_ms.saturating_add(offset_ms)).unwrap_or_default();
        loop {
            if stop.is_asked() {
                return Ok(false);
            }
            if sequencer.clock() == ClockKind::Virtual {
                return Ok(true);
            }
            if until(due).is_zero() {
                sequencer.set_now(wall_now());
                return Ok(true);
            }
            sequencer.commit()?;
            counter.wait(Some(until(due)), sequencer)?;
        }
    }
}

/// Whose turn it is, or still is: as the tick began they were due, and they have had no turn in it.
fn turns(snapshot: &World, world: &World, tick: Tick) -> Turns {
    let alive =
        |world: &World, agent: Handle| world.get(agent).is_some_and(|artifact| !artifact.is_deleted());
    let due = snapshot
        .agents()
        .filter(|agent| agent.due().is_some_and(|due| due <= tick.time))
        .filter(|agent| alive(snapshot, agent.handle) && alive(world, agent.handle))
        .filter(|agent| world.agent(agent.handle).is_none_or(|now| now.last_turn != Some(tick.number)))
        .map(|agent| agent.handle);
    let (able, short) = due.partition(|agent| snapshot.can_step(*agent, tick.time));
    Turns { able, short }
}

/// Each agent's place in a tick, by handle. It is drawn over everyone, so that it is the same when some
/// have acted already.
fn order(snapshot: &World, tick: Tick) -> Vec<usize> {
    let mut order: Vec<Handle> = snapshot.agents().map(|agent| agent.handle).collect();
    shuffle(&mut order, derive(snapshot.rules().seed, "order", "", tick.number));
    let mut place = vec![usize::MAX; snapshot.next_handle().0 as usize];
    for (at, agent) in order.iter().enumerate() {
        if let Some(row) = place.get_mut(agent.0 as usize) {
            *row = at;
        }
    }
    place
}
