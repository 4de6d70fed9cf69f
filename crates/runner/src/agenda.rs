//! The agenda of turns: every loop that has a due time, once.

use std::collections::BTreeSet;

use oikos_kernel::{record::Handle, rules::Order, seed::mix, time::Time, world::World};

/// The place of an agent among those whose turn comes at one instant: its rank, and what the seed decides.
pub(crate) type Place = (usize, u64);

/// The turns to come, the next first. It holds nothing that the world doesn't know.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// `(due, place, agent)`.
    turns: BTreeSet<(Time, Place, Handle)>,
    /// The due time, and the place, under which an agent stands, by handle.
    dues: Vec<Option<(Time, Place)>>,
}

impl Agenda {
    /// The turns of all loops of a world.
    pub(crate) fn of(world: &World) -> Self {
        let mut this = Self::default();
        world.agents().for_each(|agent| this.put(world, agent.handle, agent.due()));
        this
    }

    /// Takes over what the last record changed.
    pub(crate) fn follow(&mut self, world: &World) {
        for agent in world.stirred() {
            self.put(world, *agent, world.agent(*agent).and_then(|row| row.due()));
        }
    }

    /// The next turn.
    pub(crate) fn first(&self) -> Option<(Time, Handle)> {
        self.turns.first().map(|(due, _, agent)| (*due, *agent))
    }

    fn put(&mut self, world: &World, agent: Handle, due: Option<Time>) {
        let due = due.map(|due| (due, place(world, due, 0, agent)));
        let at = agent.0 as usize;
        if self.dues.len() <= at {
            self.dues.resize(at + 1, None);
        }
        let Some(place) = self.dues.get_mut(at) else { return };
        let before = std::mem::replace(place, due);
        if before == due {
            return;
        }
        if let Some((before, place)) = before {
            self.turns.remove(&(before, place, agent));
        }
        if let Some((due, place)) = due {
            self.turns.insert((due, place, agent));
        }
    }
}

/// The place of an agent among those whose turn comes at one instant, in a phase of it: the same for two agents
/// whichever others have a turn.
pub(crate) fn place(world: &World, at: Time, phase: u32, agent: Handle) -> Place {
    let rules = world.rules();
    let tie = || tie(rules.seed ^ u64::from(phase).rotate_right(16), at, agent);
    match &rules.order {
        Order::Random => (0, tie()),
        Order::Fixed => (0, 0),
        Order::ByKind { kinds } => {
            let kind = world.get(agent).map_or("", |artifact| artifact.kind());
            (kinds.iter().position(|known| known == kind).unwrap_or(kinds.len()), tie())
        }
    }
}

/// The number that the seed makes of an agent and an instant: an order of all agents, another one at each instant.
pub(crate) fn tie(seed: u64, at: Time, agent: Handle) -> u64 {
    mix(seed ^ at.ms().cast_unsigned(), u64::from(agent.0))
}
