//! Thoughts under way: what is set aside for them, from the record in which a mind is asked to the step that follows.
//!
//! It stands with the agent's loop, and counts on its cells. It is part of balances, so that nothing is lost; nobody
//! can use it, move it or leave it to an heir; the step's own charges take from it, and the rest is free again.

use std::sync::Arc;

use super::{
    World,
    agent::{Agent, Phase},
};
use crate::{
    limits,
    record::{Cause, Handle, Hold, Record, Thought},
    resource::{ResourceId, ResourceKind},
    state::State,
    time::Time,
};

impl World {
    /// The cause of the record by which the mind of an agent is asked, with the most that its thought may take; or by
    /// which the turn passes, because the agent lacks some of it. Resources that the world does not limit hold nothing.
    #[must_use]
    pub fn ask(&self, agent: Handle, turn: u64, now: Time, request: [u8; 32], most: &[Hold]) -> Cause {
        let limited = |hold: &Hold| hold.amount > 0 && holds(self.rules().kind(hold.resource));
        let holds: Vec<Hold> = most.iter().copied().filter(limited).collect();
        match holds.iter().find(|hold| self.capacity(agent, hold.resource, now) < hold.amount) {
            Some(lack) => Cause::Short { agent, turn, lack: Some(*lack) },
            None => {
                let woke = self.woke_before(agent, now);
                Cause::Ask { agent, turn, woke, request: Some(request), holds }
            }
        }
    }

    /// How much of a resource of a principal is set aside for a thought under way, as the journal knows.
    #[must_use]
    pub fn set_aside_of(&self, handle: Handle, resource: ResourceId) -> i64 {
        let number = self.get(handle).and_then(|artifact| artifact.account);
        number.and_then(|number| State::cell(self, number, resource)).map_or(0, |cell| cell.asked)
    }

    /// The amounts that are set aside for an agent's thought.
    pub(crate) fn holds_of(&self, agent: Handle) -> &[Hold] {
        self.agent(agent).map_or(&[], Agent::holds)
    }

    /// Sets aside what a record in which a mind is asked names.
    pub(super) fn set_aside(&mut self, record: &Record) -> Result<(), String> {
        let Cause::Ask { agent, holds: asked, .. } = &record.cause else { return Ok(()) };
        // Where a thought was lost, its agent is asked again.
        self.free_holds(*agent);
        if asked.is_empty() {
            return Ok(());
        }
        if asked.len() > limits::HOLDS_MAX {
            return Err("it sets too much aside for a thought".into());
        }
        let number =
            self.get(*agent).filter(|artifact| !artifact.deleted).and_then(|artifact| artifact.account);
        let number = number.ok_or("nobody thinks")?;
        for (at, hold) in asked.iter().enumerate() {
            let (kind, time) = (self.rules().kind(hold.resource), record.time);
            let again = asked.iter().take(at).any(|before| before.resource == hold.resource);
            let cell = self.cell_mut(number, hold.resource).ok_or("no such resource")?;
            if again || hold.amount < 1 || !holds(kind) || cell.free(kind, time) < hold.amount {
                return Err(format!("{} can't be set aside for a thought", hold.amount));
            }
            cell.asked += hold.amount;
        }
        Ok(())
    }

    /// Frees what was set aside for an agent's thought: before its step is charged, or when the thought is no more.
    pub(super) fn free_holds(&mut self, agent: Handle) -> Arc<[Hold]> {
        let account = self.get(agent).and_then(|artifact| artifact.account);
        let number = self.get(agent).and_then(|artifact| artifact.agent);
        let row = number.and_then(|number| self.agent_mut(number));
        let freed = match row.map(|row| &mut row.phase) {
            Some(Phase::Thinking { holds, .. }) => std::mem::take(holds),
            Some(
                Phase::Ready | Phase::Asleep { .. } | Phase::Blocked { .. } | Phase::Paused | Phase::Stopped,
            )
            | None => Arc::default(),
        };
        for hold in &*freed {
            if let Some(cell) = account.and_then(|number| self.cell_mut(number, hold.resource)) {
                cell.asked -= hold.amount;
            }
        }
        freed
    }

    /// Counts on the cells what the loops of a world that was read have set aside.
    pub(super) fn recount_holds(&mut self) -> Result<(), String> {
        let all: Vec<(Handle, Hold)> =
            self.agents().flat_map(|row| row.holds().iter().map(move |hold| (row.handle, *hold))).collect();
        for (agent, hold) in all {
            let account = self.get(agent).and_then(|artifact| artifact.account);
            let (kind, now) = (self.rules().kind(hold.resource), self.now());
            let cell = account.and_then(|number| self.cell_mut(number, hold.resource));
            let cell = cell.ok_or("something is set aside of nothing")?;
            if hold.amount < 1 || !holds(kind) || cell.free(kind, now) < hold.amount {
                return Err(format!("{} can't be set aside for a thought", hold.amount));
            }
            cell.asked += hold.amount;
        }
        Ok(())
    }

    /// Whether the cells have set aside what the loops say.
    pub(super) fn audit_holds(&self) -> Result<(), String> {
        for (handle, artifact) in self.principals() {
            let number = artifact.account.ok_or("a principal without account")?;
            for (resource, rule) in self.rules().by_id() {
                let says = self.holds_of(handle).iter().find(|hold| hold.resource == resource);
                let asked = State::cell(self, number, resource).map_or(0, |cell| cell.asked);
                if asked != says.map_or(0, |hold| hold.amount) {
                    let name = self.name(handle);
                    return Err(format!("`{name}` has {asked} of `{}` set aside for no thought", rule.name));
                }
            }
        }
        Ok(())
    }
}

/// Whether a resource of this kind can be set aside.
const fn holds(kind: ResourceKind) -> bool {
    match kind {
        ResourceKind::Renewable { .. } | ResourceKind::Depletable => true,
        ResourceKind::Allocatable | ResourceKind::Metered => false,
    }
}

/// Whether a thought took no more than was set aside for it.
pub(super) fn check_settled(holds: &[Hold], thought: &Thought) -> Result<(), String> {
    if thought.think.len() > limits::THINK_BYTES_MAX {
        return Err("its reasons are longer than are kept".into());
    }
    for hold in holds {
        let of = thought.charges.iter().filter(|charge| charge.resource == hold.resource);
        let taken: i128 = of.map(|charge| i128::from(charge.amount)).sum();
        if taken > i128::from(hold.amount) {
            return Err(format!("its thought took {taken}, and {} was set aside for it", hold.amount));
        }
    }
    Ok(())
}
