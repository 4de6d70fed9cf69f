//! Actions whose code waits for the answer of a language model, while others act. On the wall clock such an action is
//! dropped, and executed anew on the state as it is when the answer is there.

use std::collections::{HashMap, VecDeque};

use oikos_agents::Question;
use oikos_kernel::{
    id::Handle,
    record::{Charge, Spending},
    time::Time,
    world::World,
};

use super::{calls::Kept, turn::of_models};
use crate::turn::Thinking;

/// The answers that the calls of an action have had, and all that it has asked.
#[derive(Debug, Default)]
pub(crate) struct Had {
    pub(super) kept: Vec<Kept>,
    pub(super) asked: Vec<Question>,
}

impl Had {
    /// The action is begun, or begun again: it has used none of them.
    pub(crate) fn begin(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.is_used = false);
    }

    /// The charges for answers that the action did not use in the end, for on another state it did something else: they
    /// are paid, so its actor bears them, as far as it can.
    pub(crate) fn unused(&self, world: &World, actor: Handle, now: Time, charged: &[Charge]) -> Vec<Charge> {
        let mut charges: Vec<Charge> = Vec::new();
        for kept in self.kept.iter().filter(|kept| !kept.is_used) {
            for (resource, amount) in of_models(world, kept.told.used.cost, kept.told.used.tokens) {
                match charges.iter_mut().find(|charge| charge.resource == resource) {
                    Some(charge) => charge.amount = charge.amount.saturating_add(amount),
                    None => charges.push(Charge {
                        principal: actor,
                        resource,
                        amount,
                        work: 0,
                        of: Spending::Llm(Some(actor)),
                    }),
                }
            }
        }
        for charge in &mut charges {
            let is_same = |other: &&Charge| (other.principal, other.resource) == (actor, charge.resource);
            let taken: i64 = charged.iter().filter(is_same).map(|other| other.amount).sum();
            let free = world.capacity(actor, charge.resource, now).saturating_sub(taken);
            charge.amount = charge.amount.min(free.max(0));
        }
        charges.retain(|charge| charge.amount > 0);
        charges
    }
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
