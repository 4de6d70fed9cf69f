//! The way to the models of a world, which are opened when somebody first asks them.

use oikos_kernel::world::World;

use super::{Access, Models};
use crate::{
    config::LlmPlan,
    error::RunError,
    writer::{Bell, Writer},
};

/// All that it takes to open the models of a world as it stands.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) access: &'a Access,
    pub(crate) plan: &'a LlmPlan,
    pub(crate) world: &'a World,
    pub(crate) writer: &'a Writer,
    /// Whether a tick has begun and not ended.
    pub(crate) in_tick: bool,
    pub(crate) bell: &'a Bell,
}

impl Opening<'_> {
    /// Whether the world file names a model or a provider.
    pub(crate) fn names_any(&self) -> bool {
        self.world.rules().llm_model.is_some() || !self.plan.providers.is_empty()
    }

    /// The models, which are opened where they are not.
    ///
    /// # Errors
    /// When they can't be had.
    pub(crate) fn models<'m>(&self, models: &'m mut Option<Models>) -> Result<&'m mut Models, RunError> {
        match models {
            Some(models) => Ok(models),
            None => Ok(models.insert(self.open()?)),
        }
    }

    fn open(&self) -> Result<Models, RunError> {
        let world = self.world;
        let tick_seq = world.tick().filter(|_| self.in_tick).map(|tick| tick.seq);
        let asked_at = |agent: &str| {
            let row = world.lookup(agent).and_then(|agent| world.agent(agent))?;
            row.asked_seq().map(|seq| tick_seq.unwrap_or(seq - 1))
        };
        Models::open(self.access, self.plan, world, self.writer.door(), asked_at, self.bell.clone())
    }
}
