//! The autonomous scheduler: each agent steps when its own turn comes. Under the virtual clock time
//! jumps to the next turn; under the wall clock it waits for it, and for nothing else.

use oikos_kernel::{id::Handle, time::Time};

use crate::{
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

    /// Runs every turn before an instant, which is the later the longer nothing runs meanwhile. Says whether
    /// it came so far; `progress` is told now and then.
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
        let away_ms = sequencer.world().away_ms();
        // A world that has ended is not gone on with, however long that was ago.
        if sequencer.clock() == ClockKind::Wall && sequencer.world().now() >= end {
            return Ok(true);
        }
        loop {
            counter.serve(sequencer)?;
            sequencer.bring_up()?;
            let end = end.after_ms(sequencer.world().away_ms() - away_ms).ok_or(RunError::EndOfTime)?;
            // Last before a wait: the ring of a stop may have been served away.
            if stop.is_asked() {
                sequencer.note_time(0)?;
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
                    let left = sequencer.until(instant);
                    if !left.is_zero() {
                        progress(sequencer);
                        sequencer.break_silence()?;
                        counter.wait(Some(left), sequencer)?;
                        continue;
                    }
                    // It may have come since the time was asked for.
                    sequencer.tell_time()?;
                    if sequencer.now() >= end {
                        // So that it is known to have ended, however long it is shut after.
                        sequencer.mark_clock()?;
                        return Ok(true);
                    }
                    self.lateness.add(sequencer.since(instant));
                }
            }
            if let Some((_, agent)) = next {
                turn(sequencer, agent)?;
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_PER_PROGRESS) {
                progress(sequencer);
            }
        }
    }
}

fn turn(sequencer: &mut Sequencer, agent: Handle) -> Result<(), RunError> {
    let now = sequencer.now();
    let (world, interpreter) = sequencer.parts();
    let turn = world.agent(agent).map_or(0, |row| row.steps);
    if !world.can_step(agent, now) {
        return pass(sequencer, agent, turn);
    }
    let thought = think(world, interpreter, agent, turn, now)?;
    act(sequencer, thought)
}
