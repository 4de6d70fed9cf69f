//! How a record changes a world: the only way there is.

use std::sync::Arc;

use super::{ApplyError, Tick, World};
use crate::{
    cell::Cell,
    event::{self, EventRow},
    limits,
    receipt::{Kept, Receipt},
    record::{Cause, Charge, Handle, Record},
    resource::ResourceKind,
    rules::{Execution, Rules},
    state::{self, State},
    time::Time,
    world::agent::{LoopEvents, Phase},
};

impl World {
    /// Applies the next record. On an error the world is half changed and must be thrown away.
    ///
    /// # Errors
    /// When a guard of the record fails: the journal is corrupt.
    pub fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        let problem = match self.change(record) {
            Ok(told) if told.are_told_by(&record.events) => {
                self.remember(record);
                return Ok(());
            }
            Ok(_) => "it does not tell what becomes of the loops".into(),
            Err(problem) => problem,
        };
        Err(ApplyError { seq: record.seq, problem })
    }

    /// Applies a record that is being made, and adds to its events what it makes of agents' loops. On
    /// an error the world is half changed and must be thrown away.
    ///
    /// # Errors
    /// When a guard of the record fails: the kernel contradicts itself.
    pub fn enact(&mut self, mut record: Record) -> Result<Record, ApplyError> {
        let told = self.change(&record).map_err(|problem| ApplyError { seq: record.seq, problem })?;
        record.events = told.around(record.events);
        debug_assert!(record.events.iter().all(event::is_as_specified), "{:?}", record.events);
        self.remember(&record);
        Ok(record)
    }

    fn change(&mut self, record: &Record) -> Result<LoopEvents, String> {
        if record.seq != self.seq + 1 {
            return Err(format!("expected record {}", self.seq + 1));
        }
        let genesis = matches!(record.cause, Cause::Genesis { .. });
        if genesis != (self.seq == 0) {
            return Err("the founding is the first record, and only the first".into());
        }
        if let Cause::Genesis { rules, source } = &record.cause {
            self.rules = Arc::new(Rules::clone(rules));
            self.source = *source;
            self.allotted = vec![0; self.rules.resources.len()];
        } else if record.time < self.now {
            return Err(format!("its time {} is before {}", record.time, self.now));
        }
        self.stirred.clear();
        let first = self.turn_begins(record);
        self.seq = record.seq;
        self.now = record.time;
        if let Cause::Tick { number } = record.cause {
            self.tick = Some(Tick { number, seq: record.seq, time: record.time });
        }
        for charge in &record.charges {
            self.charge(*charge)?;
        }
        for effect in &record.effects {
            state::apply(self, effect).map_err(|guard| self.explain(&guard))?;
        }
        if genesis {
            for at in 0..self.artifacts.len() {
                let handle = Handle(u32::try_from(at).map_err(|_| "too many artifacts")?);
                state::settle_founder(self, handle).map_err(|guard| self.explain(&guard))?;
            }
        }
        Ok(LoopEvents { first, last: self.turn_ends(record) })
    }

    fn charge(&mut self, charge: Charge) -> Result<(), String> {
        let Charge { principal, resource, amount } = charge;
        let account = self.get(principal).and_then(|artifact| artifact.account);
        let number = account.ok_or_else(|| format!("artifact number {} can't be charged", principal.0))?;
        let kind = self.rules.kind(resource);
        let (rules, now) = (Arc::clone(&self.rules), self.now);
        let cell = self.cell_mut(number, resource).ok_or("no such resource")?;
        if amount < 1 || cell.limit_left(kind, now) < amount {
            return Err(format!("`{}` can't be charged {amount}", self.name(principal)));
        }
        cell.consume(&rules, kind, now, amount);
        Ok(())
    }

    /// Where the step that a record is about has looked: what came later it has not seen.
    fn looked_seq(&self, record: &Record) -> u64 {
        match self.rules.execution {
            Execution::Tick { .. } => self.tick.map_or(0, |tick| tick.seq),
            Execution::Autonomous { .. } => record.seq - 1,
        }
    }

    /// Keeps what observations and queries show of a record, and wakes whom its events wake.
    fn remember(&mut self, record: &Record) {
        let looked_seq = self.looked_seq(record);
        for event in &record.events {
            let row = Arc::new(EventRow { seq: record.seq, time: record.time, event: event.clone() });
            self.deliver(&row, looked_seq);
            self.wake_by(&row, looked_seq);
            self.events.push_back(row);
        }
        self.let_go_of_events();
        match &record.cause {
            Cause::Step { agent, thought, .. } => {
                let acted = !thought.action.value().is_null() || !record.outcome.is_ok();
                let last = acted.then(|| Kept::from(&Receipt::of(record)));
                let number = self.get(*agent).and_then(|artifact| artifact.agent);
                if let Some(row) = number.and_then(|number| self.agent_mut(number)) {
                    row.last = last;
                    // A mind that was changed while it thought has acted on nothing that it saw.
                    if let Some(inbox) = row.inbox.as_mut().filter(|_| !record.outcome.is_void()) {
                        Arc::make_mut(inbox).forget_until(looked_seq);
                        if inbox.is_empty() {
                            row.inbox = None;
                        }
                    }
                }
            }
            Cause::Act { actor, action_id: Some(id), .. } => {
                let key = (*actor, Arc::<str>::from(id.as_str()));
                self.receipts.insert(key.clone(), Kept::from(&Receipt::of(record)));
                self.receipts_order.push_back(key);
                if self.receipts_order.len() > limits::ACTION_IDS_MAX
                    && let Some(oldest) = self.receipts_order.pop_front()
                {
                    self.receipts.remove(&oldest);
                }
            }
            Cause::Genesis { .. }
            | Cause::Tick { .. }
            | Cause::Clock
            | Cause::Act { .. }
            | Cause::Short { .. } => {}
        }
    }

    /// Lets go of old events, but not of those since the tick began: who falls asleep in it looks for them.
    fn let_go_of_events(&mut self) {
        let tick_seq = self.tick.map_or(u64::MAX, |tick| tick.seq);
        let is_old = |row: &Arc<EventRow>| row.seq <= tick_seq;
        while self.events.len() > limits::EVENTS_KEPT_MAX && self.events.front().is_some_and(is_old) {
            self.events.pop_front();
        }
    }

    /// Puts an event into the inboxes of the agents it concerns, but for the one who did it.
    fn deliver(&mut self, row: &Arc<EventRow>, looked_seq: u64) {
        let event = &row.event;
        let owner = event.artifact.and_then(|artifact| self.get(artifact)).map(|artifact| artifact.owner);
        let concerned = [event.to, event.artifact, owner];
        for (at, handle) in concerned.iter().enumerate() {
            let seen = concerned.iter().take(at).any(|other| other == handle);
            let Some(handle) = handle.filter(|handle| *handle != event.actor && !seen) else {
                continue;
            };
            let number = self.get(handle).and_then(|artifact| artifact.agent);
            let agent = number.and_then(|number| self.agent_mut(number));
            if let Some(agent) = agent.filter(|agent| agent.phase != Phase::Stopped) {
                Arc::make_mut(agent.inbox.get_or_insert_default()).push(Arc::clone(row), looked_seq);
            }
        }
    }
}

impl Cell {
    /// What is there for a charge: what is held was held for it.
    fn limit_left(&self, kind: ResourceKind, now: Time) -> i64 {
        self.free(kind, now).saturating_add(self.held)
    }
}
