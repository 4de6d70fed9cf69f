//! The tick scheduler: all think on one snapshot, then all act in an order that the rules decide; in each phase of a
//! tick anew.

use std::sync::Arc;

use oikos_kernel::{
    id::Handle,
    record::Cause,
    rules::HookAt,
    time::Time,
    world::{Tick, World},
};

use crate::{
    agenda::place,
    config::ClockKind,
    desk::Counter,
    error::RunError,
    models::TurnPlace,
    open::{Came, Effect, OpenTurn, Outside},
    sequencer::Sequencer,
    stop::Stop,
    thinkers::think_all,
    turn::{Asked, Thinking, act, pass},
};

/// Runs ticks on a sequencer.
#[derive(Debug)]
pub(crate) struct TickScheduler {
    tick_ms: i64,
    /// The tick that was cut short, as it stood when it began.
    unfinished: Option<Box<World>>,
}

/// The agents whose turn it is in a tick.
pub(crate) struct Turns {
    /// Those who think.
    pub(crate) able: Vec<Handle>,
    /// Those who lack the CPU.
    pub(crate) short: Vec<Handle>,
}

impl TickScheduler {
    /// A scheduler; `snapshot` is the world at the beginning of its last tick, if that may be under way.
    ///
    /// # Errors
    /// When there is no time after the last tick.
    pub(crate) fn new(
        tick_ms: i64,
        snapshot: Option<World>,
        sequencer: &mut Sequencer,
    ) -> Result<Self, RunError> {
        let mut this = Self { tick_ms, unfinished: None };
        let Some(tick) = sequencer.world().tick() else { return Ok(this) };
        let is_left = |snapshot: &World| {
            let left = turns(snapshot, sequencer.world(), tick);
            !(left.able.is_empty() && left.short.is_empty()) || hooks_left(sequencer.world(), tick)
        };
        this.unfinished = snapshot.filter(is_left).map(Box::new);
        match this.unfinished {
            Some(_) => sequencer.set_in_tick(true),
            None => this.end(sequencer, tick)?,
        }
        Ok(this)
    }

    /// The number of the next tick; one that was cut short counts as next.
    pub(crate) fn next_number(&self, world: &World) -> u64 {
        match (world.tick(), &self.unfinished) {
            (Some(tick), Some(_)) => tick.number,
            (Some(_), None) | (None, _) => next_phase(world).0,
        }
    }

    /// Whether a tick has ended, with all its phases, and the next has not begun.
    pub(crate) fn has_ended_one(&self, world: &World) -> bool {
        self.unfinished.is_none() && world.tick().is_some_and(|tick| is_last(world, tick))
    }

    /// Runs the next tick, or what is left of one that was cut short. Says how far it came.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run(
        &mut self,
        sequencer: &mut Sequencer,
        counter: &Counter,
        stop: &Stop,
    ) -> Result<Came, RunError> {
        let snapshot = match self.unfinished.take() {
            Some(snapshot) => snapshot,
            None => {
                let (number, phase) = next_phase(sequencer.world());
                if phase == 0 {
                    let came = self.before(sequencer, number, counter, stop)?;
                    if came != Came::Through {
                        return Ok(came);
                    }
                }
                sequencer.set_in_tick(true);
                sequencer.mark(Cause::Tick { number, phase })?;
                Box::new(sequencer.world().clone())
            }
        };
        let tick = begun(&snapshot);
        sequencer.hold_time(true);
        let ended = turns_of(tick, &snapshot, sequencer, counter, stop).and_then(|came| match came {
            Came::Through if is_last(sequencer.world(), tick) => {
                sequencer.run_hooks(HookAt::TickEnd, tick.number, stop)
            }
            came => Ok(came),
        });
        sequencer.hold_time(false);
        match &ended {
            Ok(Came::Through) => self.end(sequencer, tick)?,
            Ok(_) | Err(RunError::Halt(_) | RunError::Stopped) => self.unfinished = Some(snapshot),
            Err(_) => {}
        }
        ended
    }

    /// All that comes before a tick: its time, what is due in the library, and the hooks of its beginning.
    fn before(
        &self,
        sequencer: &mut Sequencer,
        number: u64,
        counter: &Counter,
        stop: &Stop,
    ) -> Result<Came, RunError> {
        if !self.wait(sequencer, number, counter, stop)? {
            return Ok(Came::Asked);
        }
        if let Err(fault) = sequencer.run_dues(stop) {
            return Came::cut_short(fault);
        }
        for (at, tick) in [(HookAt::Setup, 0), (HookAt::TickStart, number)] {
            let came = sequencer.run_hooks(at, tick, stop)?;
            if came != Came::Through {
                return Ok(came);
            }
        }
        Ok(if stop.is_asked() { Came::Asked } else { Came::Through })
    }

    fn end(&self, sequencer: &mut Sequencer, tick: Tick) -> Result<(), RunError> {
        sequencer.set_in_tick(false);
        if sequencer.clock() == ClockKind::Virtual && is_last(sequencer.world(), tick) {
            sequencer.set_now(tick.time.after_ms(self.tick_ms).ok_or(RunError::EndOfTime)?);
        }
        Ok(())
    }

    /// When a tick is due on the wall clock.
    fn due(&self, world: &World, number: u64) -> Result<Time, RunError> {
        let offset_ms = i64::try_from(number).ok().and_then(|number| number.checked_mul(self.tick_ms));
        let offset_ms = offset_ms.and_then(|offset_ms| offset_ms.checked_add(world.away_ms()));
        let due = offset_ms.and_then(|offset_ms| world.rules().start.after_ms(offset_ms));
        due.ok_or(RunError::EndOfTime)
    }

    /// Waits for a tick's time, and serves the desk meanwhile; false when it was asked to stop.
    fn wait(
        &self,
        sequencer: &mut Sequencer,
        number: u64,
        counter: &Counter,
        stop: &Stop,
    ) -> Result<bool, RunError> {
        counter.serve(sequencer)?;
        loop {
            if stop.is_asked() {
                sequencer.note_time(0)?;
                return Ok(false);
            }
            let left = match sequencer.clock() {
                ClockKind::Virtual => sequencer.held_back(sequencer.now()),
                ClockKind::Wall => {
                    sequencer.break_silence()?;
                    sequencer.until(self.due(sequencer.world(), number)?)
                }
            };
            if left.is_zero() {
                return Ok(true);
            }
            counter.doze(left, true, sequencer)?;
        }
    }
}

/// The tick and the phase of it that come after the last ones that began.
pub(crate) fn next_phase(world: &World) -> (u64, u32) {
    match world.tick() {
        Some(tick) if is_last(world, tick) => (tick.number + 1, 0),
        Some(tick) => (tick.number, tick.phase + 1),
        None => (0, 0),
    }
}

/// Whether a tick has no phase after this one.
fn is_last(world: &World, tick: Tick) -> bool {
    u64::from(tick.phase) + 1 >= world.rules().turns_per_tick()
}

/// Whether hooks of the end of a tick are still to be run.
pub(crate) fn hooks_left(world: &World, tick: Tick) -> bool {
    is_last(world, tick) && world.next_hook(HookAt::TickEnd, tick.number).is_some()
}

#[expect(clippy::expect_used, reason = "a tick's snapshot is taken when its record has been applied")]
fn begun(snapshot: &World) -> Tick {
    snapshot.tick().expect("a snapshot of a tick knows the tick")
}

/// Takes the turns of a tick that are left: thinking, then acting. The desk is served between any two. Says how far
/// it came.
fn turns_of(
    tick: Tick,
    snapshot: &World,
    sequencer: &mut Sequencer,
    counter: &Counter,
    stop: &Stop,
) -> Result<Came, RunError> {
    let left = turns(snapshot, sequencer.world(), tick);
    for agent in left.short {
        pass(sequencer, agent, tick.turn)?;
    }
    let (outside, scripts): (Vec<_>, Vec<_>) = left
        .able
        .into_iter()
        .map(|agent| (agent, Outside::of(snapshot, agent)))
        .partition(|(_, mind)| mind.is_some());
    let scripts: Vec<Handle> = scripts.into_iter().map(|(agent, _)| agent).collect();
    let asked: Vec<Handle> = outside.iter().map(|(agent, _)| *agent).collect();
    open_all(snapshot, outside, tick, sequencer)?;
    let came = decided(sequencer, counter, stop)?;
    if came != Came::Through {
        return Ok(came);
    }
    let thoughts = think_all(snapshot, &scripts, tick, sequencer, counter, stop)?;
    let Some(mut thoughts) = thoughts else { return Ok(Came::Asked) };
    // A decision stays until it has taken effect: if the tick is cut short, nobody is asked again.
    let timeout_ms = sequencer.clients_timeout_ms();
    let open = sequencer.open_turns();
    thoughts.extend(asked.iter().filter_map(|agent| open.of(*agent)).map(|turn| turn.thought(timeout_ms)));
    // The costs of thinking are charged when the agent acts; until then nobody else may use them.
    let world = sequencer.world_mut();
    let reserve = |thought: Thinking| {
        let reserved = world.reserve_all(thought.unpaid(), tick.time);
        (thought, reserved)
    };
    let mut thoughts: Vec<_> = thoughts.into_iter().map(reserve).collect();
    thoughts.sort_by_cached_key(|(thought, _)| {
        (place(snapshot, tick.time, tick.phase, thought.agent()), thought.agent())
    });
    let (mut stopped, mut halted) = (false, None);
    for (thought, reserved) in thoughts {
        if !stopped {
            counter.serve(sequencer)?;
        }
        let funded = reserved.map(|reserved| sequencer.world_mut().settle_all(reserved)).is_some();
        stopped = stopped || stop.is_asked();
        if stopped {
            continue;
        }
        let agent = thought.agent();
        if funded {
            match act(sequencer, thought) {
                Err(RunError::Halt(halt)) => {
                    (stopped, halted) = (true, Some(halt));
                    continue;
                }
                Err(RunError::Stopped) => {
                    stopped = true;
                    continue;
                }
                acted => drop(acted?),
            }
        } else {
            // It thought on the beginning of the tick, and an action from outside has used since what
            // that takes.
            pass(sequencer, agent, tick.turn)?;
        }
        sequencer.open_turns_mut().close(agent);
    }
    match halted {
        Some(halt) if halt.is_budget() => Ok(Came::Spent),
        Some(halt) => Err(RunError::Halt(halt)),
        None => Ok(if stopped { Came::Asked } else { Came::Through }),
    }
}

/// Opens the turns of a tick whose minds are outside, and asks the language models among them, all on the tick's
/// beginning.
fn open_all(
    snapshot: &World,
    outside: Vec<(Handle, Option<Outside>)>,
    tick: Tick,
    sequencer: &mut Sequencer,
) -> Result<(), RunError> {
    if outside.is_empty() {
        return Ok(());
    }
    let seen = Arc::new(snapshot.clone());
    for (agent, mind) in outside {
        if sequencer.open_turns().of(agent).is_some() {
            continue;
        }
        let asked = Asked::of(snapshot, agent, tick.turn, tick.time);
        match mind {
            Some(Outside::Client { .. }) => {
                let due = sequencer.passes_at()?;
                let turn = OpenTurn::of_client(snapshot, asked, tick.time, Effect::InTick, due);
                sequencer.open_turns_mut().open(turn);
            }
            // All are prepared before the first is asked: where one can't be, nothing is paid that would be lost.
            Some(Outside::Model { mind, .. }) => {
                let world = Arc::clone(&seen);
                let place = TurnPlace { world, agent, turn: tick.turn, now: tick.time };
                sequencer.open_model_turn(asked, place, &mind, Effect::InTick, Time::LAST)?;
            }
            None => {}
        }
    }
    sequencer.send_turns()
}

/// Waits until all have decided whose turns are open, or passed; says how far it came.
fn decided(sequencer: &mut Sequencer, counter: &Counter, stop: &Stop) -> Result<Came, RunError> {
    loop {
        counter.serve(sequencer)?;
        if stop.is_asked() {
            return Ok(Came::Asked);
        }
        let world = sequencer.share();
        sequencer.open_turns_mut().forget_deleted(&world);
        drop(world);
        if sequencer.hear_models()? {
            return Ok(Came::Spent);
        }
        let Some(due) = sequencer.open_turns().waits_until(sequencer.world()) else {
            if sequencer.open_turns().awaits_models() {
                counter.wait(None, sequencer)?;
                continue;
            }
            return Ok(Came::Through);
        };
        let left = sequencer.until(due);
        match (sequencer.clock(), sequencer.stops_for_clients()) {
            (ClockKind::Wall, _) if left.is_zero() => sequencer.open_turns_mut().pass_all(),
            (ClockKind::Virtual, false) => sequencer.open_turns_mut().pass_all(),
            (ClockKind::Wall, false) => counter.wait(Some(left), sequencer)?,
            (ClockKind::Wall | ClockKind::Virtual, true) => return Ok(Came::Open),
        }
    }
}

/// Whether an agent's turn is still to come.
fn is_left(snapshot: &World, world: &World, agent: Handle, tick: Tick) -> bool {
    let alive = |world: &World| world.get(agent).is_some_and(|artifact| !artifact.is_deleted());
    alive(snapshot)
        && alive(world)
        && world.agent(agent).is_none_or(|now| {
            // One that is asked has still to act.
            now.last_turn != Some(tick.turn) || now.is_thinking()
        })
}

/// The agents whose turn it is, or still is: due as the tick began, and without a turn in it so far.
pub(crate) fn turns(snapshot: &World, world: &World, tick: Tick) -> Turns {
    let due = snapshot.agents().filter(|agent| agent.due().is_some_and(|due| due <= tick.time));
    let due = due.map(|agent| agent.handle).filter(|agent| is_left(snapshot, world, *agent, tick));
    let (able, short): (Vec<_>, Vec<_>) = due.partition(|agent| snapshot.can_step(*agent, tick.time));
    Turns { able, short }
}
