//! The things that happen by themselves: the hooks of the rules, and what is due in the library.

use oikos_kernel::{
    id::Handle,
    record::{Cause, Outcome},
    rules::HookAt,
    seed::derive,
    transaction::{Finished, Transaction},
};

use crate::{error::RunError, open::Came, sequencer::Sequencer, stop::Stop};

impl Sequencer {
    /// Runs one thing that is due in the library: its own record, borne by the library.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run_due(&mut self, artifact: Handle) -> Result<(), RunError> {
        self.check()?;
        let (world, now) = (self.world(), self.now());
        let seed = derive(world.rules().seed, "due", world.name(artifact), world.seq() + 1);
        let refused = |refusal| Finished::nothing_done(Outcome::Refused(Box::new(refusal)));
        let done = self.execute((), |world, ()| Transaction::due(world, artifact, now, seed))?;
        let mut finished = done.unwrap_or_else(refused);
        let output = std::mem::take(&mut finished.output);
        self.record(Cause::Due { artifact, output }, finished).map(|_| ())
    }

    /// Runs all that is due in the library by now, until somebody asks to stop.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run_dues(&mut self, stop: &Stop) -> Result<(), RunError> {
        self.bring_up()?;
        while let Some((_, artifact)) = self.world().next_due().filter(|(due, _)| *due <= self.now()) {
            if stop.is_asked() {
                break;
            }
            self.run_due(artifact)?;
        }
        Ok(())
    }

    /// Runs one hook of the rules: its own record, borne by the artifact that acts, or by its owner.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run_hook(&mut self, index: u32, tick: u64) -> Result<(), RunError> {
        self.check()?;
        let (world, now) = (self.world(), self.now());
        let hook = world.rules().hooks.get(index as usize).cloned();
        let named = hook.and_then(|hook| Some((world.lookup(&hook.artifact)?, hook)));
        let Some((artifact, hook)) = named else {
            let sentence = "a hook names an artifact that there is not, so the world was founded without it";
            return Err(RunError::Unsupported(sentence.into()));
        };
        let seed = derive(world.rules().seed, "hook", &hook.artifact, world.seq() + 1);
        let refused = |refusal| Finished::nothing_done(Outcome::Refused(Box::new(refusal)));
        let done = self.execute((), |world, ()| Transaction::hook(world, artifact, &hook, now, seed))?;
        let mut finished = done.unwrap_or_else(refused);
        let output = std::mem::take(&mut finished.output);
        self.record(Cause::Hook { index, tick, artifact, output }, finished).map(|_| ())
    }

    /// Runs the hooks of a moment that were not run yet. Says how far it came.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run_hooks(&mut self, at: HookAt, tick: u64, stop: &Stop) -> Result<Came, RunError> {
        while let Some(index) = self.world().next_hook(at, tick) {
            if stop.is_asked() {
                return Ok(Came::Asked);
            }
            self.bring_up()?;
            if let Err(fault) = self.run_hook(index, tick) {
                return Came::cut_short(fault);
            }
        }
        Ok(Came::Through)
    }
}
