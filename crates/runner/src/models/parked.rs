//! Actions whose code waits for the answer of a language model, while others act. On the wall clock such an action is
//! dropped, and executed anew on the state as it is when the answer is there. Its bearers owe what an answer took from
//! then on, whatever the action does with it, and the CPU of the executions that were dropped; so much is kept from
//! others meanwhile.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use oikos_agents::Question;
use oikos_kernel::{
    call::{LlmCall, LlmUse},
    id::Handle,
    record::{Charge, Spending},
    resource::ResourceId,
    time::Time,
    world::{Reservation, World},
};

use super::{calls::Kept, turn::of_models};
use crate::turn::Thinking;

/// A call that waits for its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) call: Arc<LlmCall>,
    pub(super) question: Question,
    /// The most that it may take.
    pub(super) worst: LlmUse,
}

/// The answers that the calls of an action have had, and all that it has asked.
#[derive(Debug, Default)]
pub(crate) struct Had {
    pub(super) kept: Vec<Kept>,
    pub(super) asked: Vec<Question>,
    /// The call for whose answer the action was dropped.
    pub(crate) pending: Option<Pending>,
    /// The bearer of that call, and as what it is charged.
    pub(super) bearing: Option<(Handle, Spending)>,
    /// The costs of executions that were dropped, and of the answers that they had.
    owed: Vec<Charge>,
    reserved: Vec<Reservation>,
}

impl Had {
    /// The action is begun, or begun again: it has used none of them.
    pub(crate) fn begin(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.is_used = false);
    }

    /// An execution is dropped that took this CPU.
    pub(crate) fn drop_run(&mut self, bearing: Option<(Handle, Spending)>, cpu: Vec<Charge>) {
        self.bearing = bearing;
        cpu.into_iter().for_each(|charge| self.owe(charge));
    }

    /// The answer that was waited for took this.
    pub(super) fn owe_answer(&mut self, world: &World, used: &LlmUse) {
        let Some((principal, of)) = self.bearing.take() else { return };
        for (resource, amount) in of_models(world, used) {
            self.owe(Charge { principal, resource, amount, work: 0, of });
        }
    }

    fn owe(&mut self, charge: Charge) {
        let is_same = |other: &&mut Charge| {
            (other.principal, other.resource, other.of) == (charge.principal, charge.resource, charge.of)
        };
        match self.owed.iter_mut().find(is_same) {
            Some(other) => {
                other.amount = other.amount.saturating_add(charge.amount);
                other.work = other.work.saturating_add(charge.work);
            }
            None => self.owed.push(charge),
        }
    }

    /// Keeps from others what the action owes, its thought among it, and what the call that it waits for may take.
    pub(crate) fn reserve(&mut self, world: &mut World, thought: &[Charge], now: Time) {
        let worst: Vec<Charge> = match (&self.pending, self.bearing) {
            (Some(pending), Some((principal, of))) => of_models(world, &pending.worst)
                .into_iter()
                .map(|(resource, amount)| Charge { principal, resource, amount, work: 0, of })
                .collect(),
            _ => Vec::new(),
        };
        for charge in thought.iter().chain(&self.owed).chain(&worst) {
            // All of it was there when the execution was dropped, but for those who were deleted with it.
            let reserved = world.reserve_all(std::slice::from_ref(charge), now);
            self.reserved.extend(reserved.into_iter().flatten());
        }
    }

    /// The reservations, which end before the action is executed anew.
    pub(crate) fn take_reserved(&mut self) -> Vec<Reservation> {
        std::mem::take(&mut self.reserved)
    }

    /// The amounts that are owed beside a thought's own charges, as far as their bearers have them.
    pub(crate) fn owed(
        &self,
        world: &World,
        thinker: (Handle, bool),
        thought: &[Charge],
        now: Time,
    ) -> Vec<Charge> {
        let mut charges: Vec<Charge> = Vec::new();
        for owed in self.owed.iter().filter(|owed| {
            world.get(owed.principal).is_some_and(|bearer| bearer.has_standing() && !bearer.is_deleted())
        }) {
            let is_same =
                |other: &&Charge| (other.principal, other.resource) == (owed.principal, owed.resource);
            let taken: i64 = thought.iter().chain(&charges).filter(is_same).map(|other| other.amount).sum();
            let held = match thinker {
                (agent, true) if agent == owed.principal => held(world, agent, owed.resource),
                _ => 0,
            };
            let free = world.capacity(owed.principal, owed.resource, now).saturating_add(held);
            let amount = owed.amount.min(free.saturating_sub(taken));
            if amount > 0 {
                charges.push(Charge { amount, ..*owed });
            }
        }
        charges
    }
}

/// The amount that is set aside for the thought of an agent.
fn held(world: &World, agent: Handle, resource: ResourceId) -> i64 {
    let holds = world.agent(agent).map_or(&[][..], oikos_kernel::world::Agent::holds);
    holds.iter().filter(|hold| hold.resource == resource).map(|hold| hold.amount).sum()
}

/// The actions that wait, each with the thought that it comes from.
#[derive(Default)]
pub(crate) struct Parked {
    thoughts: HashMap<Handle, Thinking>,
    /// Those who can go on, in order.
    ready: VecDeque<Handle>,
}

impl Parked {
    /// Sets an action aside, which is not ready.
    pub(crate) fn park(&mut self, thinking: Thinking) {
        self.thoughts.insert(thinking.agent(), thinking);
    }

    /// Whether the action of an agent waits.
    pub(crate) fn holds(&self, agent: Handle) -> bool {
        self.thoughts.contains_key(&agent)
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.thoughts.len() > self.ready.len()
    }

    /// The action of an agent can go on, with an answer or to ask again.
    pub(crate) fn readied(&mut self, agent: Handle) -> Option<&mut Had> {
        let thinking = self.thoughts.get_mut(&agent)?;
        self.ready.push_back(agent);
        Some(&mut thinking.had)
    }

    /// The next action that can go on.
    pub(crate) fn next(&mut self) -> Option<Thinking> {
        let agent = self.ready.pop_front()?;
        self.thoughts.remove(&agent)
    }
}
