//! The autonomous scheduler: each agent steps when its own turn comes. Under the virtual clock time
//! jumps to the next turn; under the wall clock it waits for it, and for nothing else.

use std::time::Duration;

use oikos_kernel::time::Time;

use crate::{
    clock::{since, until, wall_now},
    config::ClockKind,
    desk::Counter,
    error::RunError,
    lateness::Lateness,
    sequencer::Sequencer,
    stop::Stop,
    turn::{act, pass, think},
};

/// Turns between two looks at how far the run is.
const TURNS_PER_PROGRESS: u32 = 256;
/// Before a wait of this length, what is pending is begun to be written; before a shorter one, only what
/// has waited for long, or each record would have a commit of its own.
const WRITE_BEFORE: Duration = Duration::from_millis(20);

/// Runs loops on a sequencer.
#[derive(Debug, Default)]
pub(crate) struct AutonomousScheduler {
    /// How late turns were under the wall clock.
    pub(crate) lateness: Lateness,
}

impl AutonomousScheduler {
    pub(crate) fn new(sequencer: &mut Sequencer) -> Self {
        sequencer.keep_agenda();
        Self::default()
    }

    /// Runs every turn before an instant. Says whether it came so far; `progress` is told now and then.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run(
        &mut self,
        sequencer: &mut Sequencer,
        end: Time,
        counter: &Counter,
        stop: &Stop,
        mut progress: impl FnMut(&Sequencer),
    ) -> Result<bool, RunError> {
        let mut turns = 0_u32;
        loop {
            counter.serve(sequencer)?;
            // Last before a wait: the ring of whoever asks may have been served away.
            if stop.is_asked() {
                return Ok(false);
            }
            let next = sequencer.next_turn().filter(|(due, _)| *due < end);
            match sequencer.clock() {
                ClockKind::Virtual => match next {
                    Some((due, _)) => sequencer.set_now(due),
                    None => {
                        sequencer.set_now(end);
                        return Ok(true);
                    }
                },
                ClockKind::Wall => {
                    let instant = next.map_or(end, |(due, _)| due);
                    if !until(instant).is_zero() {
                        progress(sequencer);
                        wait(sequencer, instant, counter)?;
                        continue;
                    }
                    sequencer.set_now(wall_now());
                    if sequencer.now() >= end {
                        return Ok(true);
                    }
                    self.lateness.add(since(instant));
                }
            }
            if let Some((_, agent)) = next {
                turn(sequencer, agent)?;
                sequencer.snapshot_if_due()?;
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_PER_PROGRESS) {
                progress(sequencer);
            }
        }
    }
}

fn turn(sequencer: &mut Sequencer, agent: oikos_kernel::record::Handle) -> Result<(), RunError> {
    let now = sequencer.now();
    let (world, interpreter) = sequencer.parts();
    let turn = world.agent(agent).map_or(0, |row| row.steps);
    if !world.can_step(agent, now) {
        return pass(sequencer, agent, turn);
    }
    let thought = think(world, interpreter, agent, turn, now);
    act(sequencer, thought)
}

/// Waits on the wall clock, or until somebody rings: whoever hands in an action or asks to stop, and the
/// writer, when something has come to be on disk.
fn wait(sequencer: &mut Sequencer, instant: Time, counter: &Counter) -> Result<(), RunError> {
    sequencer.flush_before_wait(until(instant) > WRITE_BEFORE)?;
    counter.wait(Some(until(instant)), sequencer)
}
