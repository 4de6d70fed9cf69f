//! The end of a run by a condition of the world file.

use oikos_kernel::{time::Time, world::World};

use crate::{
    config::{Until, WorldFile},
    error::RunError,
    measure,
    sequencer::Sequencer,
};

/// The condition that ends a run, as it is looked at.
pub(crate) struct End {
    until: Option<Until>,
    start: Time,
    every_ms: Option<i64>,
    /// Whether it holds.
    pub(crate) is_there: bool,
    pub(crate) untold: Option<String>,
}

impl End {
    pub(crate) fn of(file: &WorldFile, world: &World) -> Self {
        let (until, every_ms) = (file.plan.until.clone(), file.every_ms);
        Self { until, start: world.rules().start, every_ms, is_there: false, untold: None }
    }

    /// The first moment after an instant at which it is looked at, where each agent has its own turns.
    pub(crate) fn next_look(&self, now: Time) -> Option<Time> {
        let every_ms = self.every_ms.filter(|_| self.until.is_some())?;
        let times = now.ms().saturating_sub(self.start.ms()).max(0) / every_ms + 1;
        self.start.after_ms(times.checked_mul(every_ms)?)
    }

    /// Looks whether it holds now. Where nobody can tell, the run goes on.
    pub(crate) fn has_come(&mut self, sequencer: &mut Sequencer) -> Result<bool, RunError> {
        self.has_come_at(sequencer, sequencer.now())
    }

    /// Looks whether it holds at an instant, in the state as it stands.
    pub(crate) fn has_come_at(&mut self, sequencer: &mut Sequencer, now: Time) -> Result<bool, RunError> {
        let Some(until) = &self.until else { return Ok(false) };
        match measure::holds(sequencer, until, now)? {
            Ok(holds) => (self.is_there, self.untold) = (holds, None),
            Err(problem) => self.untold = Some(problem),
        }
        Ok(self.is_there)
    }
}
