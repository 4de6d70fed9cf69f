//! The way to the models of a world, which are opened when somebody first asks them.

use std::sync::Arc;

use oikos_agents::Halt;
use oikos_kernel::{
    mind::LlmMind,
    refusal::{Code, Refusal},
    transaction::{Finished, Transaction},
    world::World,
};

use super::{Access, Had, Lending, ModelTurn, Models, OnDemand, TurnPlace};
use crate::{
    config::{ClockKind, LlmPlan},
    drive::{drive, drive_with},
    error::RunError,
    sequencer::Sequencer,
    stop::Stop,
    writer::{Bell, Writer},
};

/// All that it takes to open the models of a world as it stands.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) access: &'a Access,
    pub(crate) plan: &'a LlmPlan,
    /// The way of requests to followers.
    pub(crate) lending: Option<&'a Lending>,
    pub(crate) world: &'a World,
    pub(crate) writer: &'a Writer,
    /// Whether a tick has begun and not ended.
    pub(crate) in_tick: bool,
    pub(crate) bell: &'a Bell,
    /// Asks those to end who wait for a model.
    pub(crate) stop: &'a Stop,
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
        let models = (self.plan, self.lending.cloned());
        Models::open(self.access, models, world, self.writer.door(), asked_at, self.bell.clone())
    }
}

impl Sequencer {
    /// The models, which are opened where they are not.
    ///
    /// # Errors
    /// When they can't be had.
    pub(crate) fn models(&mut self) -> Result<&mut Models, RunError> {
        let (opening, models, _) = self.with_models();
        opening.models(models)
    }

    /// The turn of a language model; the inner refusal is that of a prompt that can't be had.
    ///
    /// # Errors
    /// Only faults, and when the model can't be asked.
    pub(crate) fn model_turn(
        &mut self,
        place: TurnPlace,
        mind: &LlmMind,
    ) -> Result<Result<ModelTurn, Refusal>, RunError> {
        let (current, sandbox) = (self.share(), Arc::clone(&self.interpreter().sandbox));
        self.models()?.turn(place, mind, &sandbox, &current)
    }

    /// Executes the transaction that `begin` makes of something, on the world as it stands. Its code may call language
    /// models.
    ///
    /// # Errors
    /// As [`drive`].
    pub(crate) fn execute<T: Clone, E>(
        &mut self,
        of: T,
        begin: impl for<'w> Fn(&'w World, T) -> Result<Transaction<'w>, E>,
    ) -> Result<Result<Finished, E>, RunError> {
        let (opening, models, interpreter) = self.with_models();
        let world = opening.world;
        let mut answers = OnDemand::new(opening, models);
        drive(&*interpreter.sandbox, &mut answers, of, |of| begin(world, of))
    }

    /// As [`Self::execute`], of the step of an agent that had answers before. On the wall clock, where each agent has
    /// its own turns, the others go on while a model is asked: `None` is a step that waits for an answer.
    ///
    /// # Errors
    /// As [`drive`].
    pub(crate) fn execute_step<T: Clone, E>(
        &mut self,
        had: &mut Had,
        of: T,
        begin: impl for<'w> Fn(&'w World, T) -> Result<Transaction<'w>, E>,
    ) -> Result<Option<Result<Finished, E>>, RunError> {
        let parks = self.clock() == ClockKind::Wall && self.keeps_agenda() && !self.follows();
        let (opening, models, interpreter) = self.with_models();
        let world = opening.world;
        let mut answers = OnDemand::new(opening, models).for_step(std::mem::take(&mut had.asked), parks);
        let driven = drive_with(&*interpreter.sandbox, &mut answers, had, of, |of| begin(world, of));
        (had.asked, had.pending) = answers.into_parts();
        driven
    }
}

/// The refusal of a request from outside for which language models can't be asked: a run would stop for it. Nothing was
/// done, and the world goes on.
///
/// # Errors
/// Any other fault.
pub(crate) fn unanswered<T>(fault: RunError) -> Result<Result<T, Refusal>, RunError> {
    halted(fault, "nothing was done; with that mended the world goes on from here")
}

/// The refusal of a request to run the world where it has come to such a halt.
///
/// # Errors
/// Any other fault.
pub(crate) fn run_halted<T>(fault: RunError) -> Result<Result<T, Refusal>, RunError> {
    halted(fault, "the world stands where it halted; with that mended it goes on from here")
}

fn halted<T>(fault: RunError, hint: &str) -> Result<Result<T, Refusal>, RunError> {
    let RunError::Halt(halt) = fault else { return Err(fault) };
    Ok(Err(match &halt {
        Halt::Budget(_) => Refusal::new(Code::BudgetExhausted, halt.to_string())
            .hint("a larger `[llm] budget` of the world file, or `--max-cost`, allows it"),
        Halt::Miss { .. } | Halt::Unknown { .. } | Halt::Provider(_) | Halt::Unpriced(_) => {
            Refusal::new(Code::Unsupported, halt.to_string()).hint(hint)
        }
        Halt::Tape(_) => return Err(RunError::Halt(halt)),
    }))
}
