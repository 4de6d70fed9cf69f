//! The ways in which a transaction begins.

use serde_json::Value;

use super::{
    Transaction,
    meter::Metering,
    stack::{Actor, Bearer, Mode},
};
use crate::{
    op::{Action, Amounts, Op, Planned, Query},
    record::{Charge, Handle},
    refusal::Refusal,
    rules::Hook,
    time::Time,
    world::World,
};

impl<'w> Transaction<'w> {
    /// A principal's action at time `now`; `seed` decides what is random in it.
    ///
    /// # Errors
    /// A refusal at admission, which consumes nothing: the payer can't afford the ops' `[costs]`.
    pub fn act(
        world: &'w World,
        actor: Handle,
        action: Action,
        now: Time,
        seed: u64,
    ) -> Result<Self, Refusal> {
        let mut this = Self::new(world, now, seed, Actor::principal(actor, Mode::Act));
        this.admit(actor, &action)?;
        this.is_list = action.is_list;
        this.queue = action.ops.into();
        Ok(this)
    }

    /// The things that are due of an artifact of the library, which bears all of it.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn due(world: &'w World, artifact: Handle, now: Time, seed: u64) -> Result<Self, Refusal> {
        let action = Self::unbounded(world, World::due_call(world.name(artifact)))?;
        Self::act(world, artifact, action, now, seed)
    }

    /// A hook of the rules: the artifact invokes its own method. It bears all of it, or its owner where it has no
    /// standing.
    ///
    /// # Errors
    /// As [`Self::act`], and where there is nobody to bear it.
    pub fn hook(
        world: &'w World,
        artifact: Handle,
        hook: &Hook,
        now: Time,
        seed: u64,
    ) -> Result<Self, Refusal> {
        let action = Self::unbounded(world, World::hook_call(hook))?;
        let Some(bearer) = world.bearer_of(artifact) else {
            let sentence =
                format!("nobody can bear what `{}` does: it has no standing, and no owner", hook.artifact);
            return Err(Refusal::invalid(sentence));
        };
        let actor = Actor {
            bearer: Bearer::of(bearer),
            origin: Some(bearer),
            ..Actor::principal(artifact, Mode::Act)
        };
        let mut this = Self::new(world, now, seed, actor);
        this.admit(bearer, &action)?;
        this.queue = action.ops.into();
        Ok(this)
    }

    /// An action of the scheduler's.
    fn unbounded(world: &World, action: Value) -> Result<Action, Refusal> {
        let mut action = Action::parse(action)?;
        // The bound that the world puts on invocations protects callers, and here is none.
        let rules = world.rules();
        let names = rules.resources_per_invoke.iter().map(|(resource, _)| rules.resource_name(*resource));
        let all = Amounts(names.map(|name| (name.into(), i64::MAX)).collect());
        for planned in &mut action.ops {
            planned.max_resources = Some(all.clone());
        }
        Ok(action)
    }

    /// An agent's own step: as [`Self::act`], after it thought: the thought's charges come first.
    /// A `sleep` in the list that it returned is the step's: it holds though another
    /// op of the list is refused, unless the loop waits for what it lacked.
    ///
    /// # Errors
    /// As [`Self::act`], if no sleep holds.
    pub fn act_after(
        world: &'w World,
        actor: Handle,
        action: Action,
        now: Time,
        seed: u64,
        thought: &[Charge],
    ) -> Result<Self, Refusal> {
        let mut this = Self::new(world, now, seed, Actor::principal(actor, Mode::Act));
        this.draft.free_holds(actor);
        this.is_step = true;
        this.take_over(thought);
        this.is_list = action.is_list;
        if action.is_list {
            let sleeps = (0..).zip(&action.ops).filter_map(|(at, planned)| match &planned.op {
                Op::Sleep(sleep) => Some((at, sleep.clone())),
                _ => None,
            });
            this.sleeps = sleeps.collect();
        }
        if let Err(refusal) = this.admit(actor, &action) {
            if !this.hold_sleeps(&refusal, 0, None) {
                return Err(refusal);
            }
            this.outcome = Some(Err(refusal));
        }
        this.queue = action.ops.into();
        Ok(this)
    }

    /// Runs an agent's `step(observation)`: it may look, and is charged, but changes nothing.
    #[must_use]
    pub fn think(world: &'w World, agent: Handle, observation: Value, now: Time, seed: u64) -> Self {
        let mut this = Self::new(world, now, seed, Actor::principal(agent, Mode::Look));
        this.start_thought(agent, observation);
        this
    }

    /// Answers the look of an agent that thinks: as code that thinks it may look, and is charged, but changes nothing.
    #[must_use]
    pub fn peek(world: &'w World, agent: Handle, look: Action, now: Time, seed: u64) -> Self {
        let mut this = Self::new(world, now, seed, Actor::principal(agent, Mode::Look));
        this.is_list = look.is_list;
        this.queue = look.ops.into();
        this
    }

    /// Answers a query as an observer who may see all, and whose work nobody bounds.
    #[must_use]
    pub fn observe(world: &'w World, query: Query, now: Time, seed: u64) -> Self {
        let mut this = Self::new(world, now, seed, Actor::observer(Mode::Look));
        this.metering = Metering::new(u64::MAX);
        this.queue.push_back(Planned::of(Op::Query(query)));
        this
    }

    /// Answers a query as a principal would be answered, charged to nobody; a principal that there is not is refused.
    #[must_use]
    pub fn look_as(world: &'w World, principal: Handle, query: Query, now: Time, seed: u64) -> Self {
        let actor = Actor { bearer: Bearer::NOBODY, ..Actor::principal(principal, Mode::Look) };
        let mut this = Self::new(world, now, seed, actor);
        this.queue.push_back(Planned::of(Op::Query(query)));
        this
    }

    /// Calls a method read-only, charged to nobody: for measures.
    #[must_use]
    pub fn measure(world: &'w World, artifact: Handle, method: &str, now: Time, seed: u64) -> Self {
        let mut this = Self::new(world, now, seed, Actor::observer(Mode::Decide));
        this.start_measure(artifact, method);
        this
    }
}
