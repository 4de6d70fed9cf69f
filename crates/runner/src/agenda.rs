//! The agenda of turns: every loop that has a due time, once.

use std::collections::BTreeSet;

use oikos_kernel::{record::Handle, seed::mix, time::Time, world::World};

/// The turns to come, the next first. It holds nothing that the world doesn't know.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// `(due, tie, agent)`; the tie makes the order of equal times one that the seed decides.
    turns: BTreeSet<(Time, u64, Handle)>,
    /// The due time under which an agent stands, by handle.
    dues: Vec<Option<Time>>,
    seed: u64,
}

impl Agenda {
    /// The turns of all loops of a world.
    pub(crate) fn of(world: &World) -> Self {
        let mut this = Self { seed: world.rules().seed, ..Self::default() };
        world.agents().for_each(|agent| this.put(agent.handle, agent.due()));
        this
    }

    /// Takes over what the last record changed.
    pub(crate) fn follow(&mut self, world: &World) {
        for agent in world.stirred() {
            self.put(*agent, world.agent(*agent).and_then(|row| row.due()));
        }
    }

    /// The next turn.
    pub(crate) fn first(&self) -> Option<(Time, Handle)> {
        self.turns.first().map(|(due, _, agent)| (*due, *agent))
    }

    fn put(&mut self, agent: Handle, due: Option<Time>) {
        let at = agent.0 as usize;
        if self.dues.len() <= at {
            self.dues.resize(at + 1, None);
        }
        let Some(place) = self.dues.get_mut(at) else { return };
        let before = std::mem::replace(place, due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.turns.remove(&self.key(agent, before));
        }
        if let Some(due) = due {
            self.turns.insert(self.key(agent, due));
        }
    }

    fn key(&self, agent: Handle, due: Time) -> (Time, u64, Handle) {
        (due, tie(self.seed, due, agent), agent)
    }
}

/// The order of turns that come at one instant: decided by the seed, and the same for two agents
/// whichever others have a turn.
pub(crate) fn tie(seed: u64, at: Time, agent: Handle) -> u64 {
    mix(seed ^ at.ms().cast_unsigned(), u64::from(agent.0))
}
