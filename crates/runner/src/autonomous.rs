//! The autonomous scheduler: each agent steps when its own turn comes. Under the virtual clock time
//! jumps to the next turn, and one turn follows the other; under the wall clock it waits for it, and for nothing else:
//! others think meanwhile.

use std::sync::Arc;

use oikos_kernel::{id::Handle, rules::HookAt, time::Time, world::Agent};

use crate::{
    beside::{Beside, THOUGHTS_PER_WORKER},
    config::ClockKind,
    desk::Counter,
    error::RunError,
    lateness::Lateness,
    open::{Came, OpenBefore, Outside},
    sequencer::Sequencer,
    stop::Stop,
    turn::{act, act_late, ask, pass, think},
};

/// Turns between two looks at how far the run is.
const TURNS_PER_PROGRESS: u32 = 256;

/// Runs loops on a sequencer.
#[derive(Debug)]
pub(crate) struct AutonomousScheduler {
    /// How late turns were under the wall clock.
    pub(crate) lateness: Lateness,
    open_before: OpenBefore,
}

impl AutonomousScheduler {
    pub(crate) fn new(open_before: OpenBefore, sequencer: &mut Sequencer) -> Self {
        sequencer.keep_agenda();
        Self { lateness: Lateness::default(), open_before }
    }

    /// Runs every turn before an instant, which is the later the longer nothing runs meanwhile. Says how far
    /// it came; `progress` is told now and then.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run(
        &mut self,
        sequencer: &mut Sequencer,
        end: Time,
        counter: &Counter,
        stop: &Stop,
        progress: impl FnMut(&Sequencer),
    ) -> Result<Came, RunError> {
        let is_wall = sequencer.clock() == ClockKind::Wall;
        // A world that has ended is not gone on with, however long that was ago.
        if is_wall && sequencer.world().now() >= end {
            return Ok(Came::Through);
        }
        let came = sequencer.run_hooks(HookAt::Setup, 0, stop)?;
        if came != Came::Through {
            return Ok(came);
        }
        let away_ms = sequencer.world().away_ms();
        let interpreter = sequencer.interpreter();
        let are_beside = is_wall && interpreter.mind.is_none() && interpreter.workers > 1;
        let threads = if are_beside { THOUGHTS_PER_WORKER * interpreter.workers } else { 0 };
        let sandbox = Arc::clone(&interpreter.sandbox);
        std::thread::scope(|scope| {
            let mut beside = Beside::start(scope, threads, &sandbox, counter);
            let again = self.ask_again(sequencer, &mut beside);
            let ran = again.and_then(|()| {
                self.run_turns(sequencer, (end, away_ms), counter, stop, &mut beside, progress)
            });
            let mut came = ran.or_else(Came::cut_short)?;
            while let Some(thought) = beside.last()? {
                sequencer.bring_up()?;
                // One whose action waits for money is thought again.
                if let Err(fault) = act_late(sequencer, thought) {
                    let cut = Came::cut_short(fault)?;
                    came = if came == Came::Asked { came } else { cut };
                }
            }
            if is_wall && came == Came::Through {
                // So that it is known to have ended, however long it is shut after.
                sequencer.mark_clock()?;
            } else {
                sequencer.note_time(0)?;
            }
            Ok(came)
        })
    }

    /// Lets those think again who thought when the world was shut. The thoughts of code are lost, and it sees what
    /// came since; on the virtual clock a client sees what it saw.
    fn ask_again(&mut self, sequencer: &mut Sequencer, beside: &mut Beside) -> Result<(), RunError> {
        sequencer.send_turns()?;
        let open = sequencer.open_turns();
        let parked = sequencer.parked();
        let lost = |agent: &&Agent| {
            agent.is_thinking() && open.of(agent.handle).is_none() && !parked.holds(agent.handle)
        };
        let lost: Vec<(Handle, u64)> =
            sequencer.world().agents().filter(lost).map(|agent| (agent.handle, agent.steps)).collect();
        for (agent, turn) in lost {
            sequencer.bring_up()?;
            if let Some(before) = self.open_before.remove(&agent) {
                sequencer.open_turn_again(before)?;
                continue;
            }
            if let Some(mind) = Outside::of(sequencer.world(), agent) {
                sequencer.open_turn(agent, turn, mind)?;
                continue;
            }
            ask(sequencer, agent, turn)?;
            let now = sequencer.now();
            if beside.is_open() {
                beside.think(sequencer.share(), agent, turn, now);
            } else {
                let (world, interpreter) = sequencer.parts();
                let thought = think(world, interpreter, agent, turn, now)?;
                act(sequencer, thought)?;
            }
        }
        Ok(())
    }

    /// As [`Self::run`], but for the last thoughts of those who think beside.
    fn run_turns(
        &mut self,
        sequencer: &mut Sequencer,
        (end, away_ms): (Time, i64),
        counter: &Counter,
        stop: &Stop,
        beside: &mut Beside,
        mut progress: impl FnMut(&Sequencer),
    ) -> Result<Came, RunError> {
        let mut turns = 0_u32;
        loop {
            counter.serve(sequencer)?;
            sequencer.bring_up()?;
            while let Some(thought) = beside.come()? {
                act_late(sequencer, thought)?;
            }
            if sequencer.hear_models()? {
                return Ok(Came::Spent);
            }
            let end = end.after_ms(sequencer.world().away_ms() - away_ms).ok_or(RunError::EndOfTime)?;
            // Last before a wait: the ring of a stop may have been served away.
            if stop.is_asked() {
                return Ok(Came::Asked);
            }
            if beside.is_full() {
                counter.wait(None, sequencer)?;
                continue;
            }
            let next = next(sequencer).filter(|next| next.due() < end);
            match sequencer.clock() {
                ClockKind::Virtual => {
                    let instant = next.map_or(end, Next::due);
                    let left = sequencer.held_back(instant);
                    if !left.is_zero() {
                        progress(sequencer);
                        counter.wait(Some(left), sequencer)?;
                        continue;
                    }
                    sequencer.set_now(instant);
                    if next.is_none() {
                        return Ok(Came::Through);
                    }
                }
                ClockKind::Wall => {
                    if sequencer.stops_for_clients() && sequencer.are_clients_awaited() {
                        return Ok(Came::Open);
                    }
                    let instant = next.map_or(end, Next::due);
                    let left = sequencer.until(instant);
                    if !left.is_zero() {
                        progress(sequencer);
                        sequencer.break_silence()?;
                        counter.doze(left, !beside.is_busy(), sequencer)?;
                        continue;
                    }
                    // It may have come since the time was asked for.
                    sequencer.tell_time()?;
                    if sequencer.now() >= end {
                        return Ok(Came::Through);
                    }
                    self.lateness.add(sequencer.since(instant));
                }
            }
            sequencer.grow()?;
            match next {
                Some(Next::Growth(_)) => {}
                Some(Next::Turn(_, agent)) => turn(sequencer, agent, beside)?,
                Some(Next::Due(_, artifact)) => sequencer.run_due(artifact)?,
                // It is the next thing that happens: nothing else may happen before it is there.
                Some(Next::Unanswered(..)) => counter.wait(None, sequencer)?,
                Some(Next::Undecided(_, agent)) if sequencer.awaits_client(agent) => return Ok(Came::Open),
                Some(Next::Undecided(_, agent) | Next::Decided(_, agent)) => {
                    sequencer.close_turn(agent)?;
                }
                None => {}
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_PER_PROGRESS) {
                progress(sequencer);
            }
        }
    }
}

/// The next thing that happens.
#[derive(Clone, Copy)]
pub(crate) enum Next {
    /// Resources grow back.
    Growth(Time),
    /// Something is due in the library.
    Due(Time, Handle),
    /// The turn of an agent.
    Turn(Time, Handle),
    /// A decision takes effect.
    Decided(Time, Handle),
    /// The answer of a language model should take effect.
    Unanswered(Time),
    /// The decision of a client should take effect, or is waited for no longer.
    Undecided(Time, Handle),
}

impl Next {
    pub(crate) fn due(self) -> Time {
        match self {
            Self::Due(due, _)
            | Self::Turn(due, _)
            | Self::Decided(due, _)
            | Self::Growth(due)
            | Self::Unanswered(due)
            | Self::Undecided(due, _) => due,
        }
    }
}

/// The next thing: at one instant resources grow first, then comes the library, and what was thought before any turn.
pub(crate) fn next(sequencer: &mut Sequencer) -> Option<Next> {
    let growth = sequencer.world().next_growth().map(Next::Growth);
    let due = sequencer.world().next_due().map(|(due, artifact)| Next::Due(due, artifact));
    let turn = sequencer.next_turn().map(|(due, agent)| Next::Turn(due, agent));
    let open = sequencer.next_open().map(|open| match (open.is_decided(), open.is_models()) {
        (true, _) => Next::Decided(open.due(), open.agent()),
        (false, true) => Next::Unanswered(open.due()),
        (false, false) => Next::Undecided(open.due(), open.agent()),
    });
    // The first of equal ones.
    [growth, due, open, turn].into_iter().flatten().min_by_key(|next| next.due())
}

/// Takes the turn of an agent. If it thinks for longer than a slice, it acts when it comes to an end.
fn turn(sequencer: &mut Sequencer, agent: Handle, beside: &mut Beside) -> Result<(), RunError> {
    let now = sequencer.now();
    let turn = sequencer.world().agent(agent).map_or(0, |row| row.steps);
    if !sequencer.world().can_step(agent, now) {
        return pass(sequencer, agent, turn);
    }
    if let Some(mind) = Outside::of(sequencer.world(), agent) {
        return sequencer.open_turn(agent, turn, mind);
    }
    if !beside.is_open() {
        let (world, interpreter) = sequencer.parts();
        let thought = think(world, interpreter, agent, turn, now)?;
        return act(sequencer, thought).map(|_| ());
    }
    beside.think(sequencer.share(), agent, turn, now);
    match beside.soon(agent)? {
        Some(thought) => act(sequencer, thought).map(|_| ()),
        None => ask(sequencer, agent, turn),
    }
}
