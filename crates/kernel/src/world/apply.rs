//! How a record changes a world: the only way there is.

use std::sync::Arc;

use super::{ApplyError, Hooked, Tick, World};
use crate::{
    cell::Cell,
    event::{self, EventRow},
    json::Json,
    limits,
    receipt::{Kept, Receipt},
    record::{Cause, Charge, Effect, Handle, Record, Thought},
    resource::{ResourceId, ResourceKind},
    rules::{Execution, Rules},
    state::{self, State},
    time::Time,
    world::{
        agent::{LoopEvents, Phase, Turn},
        thinking::check_settled,
    },
};

impl World {
    /// Applies the next record. On an error the world is half changed and must be thrown away.
    ///
    /// # Errors
    /// When a guard of the record fails: the journal is corrupt.
    pub fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        let problem = match self.change(record).and_then(|told| self.check_handles(record).map(|()| told)) {
            Ok(told) if told.are_told_by(&record.events) => match self.remember(record, told.looked_seq) {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            },
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
        let seq = record.seq;
        let wrong = |problem| ApplyError { seq, problem };
        let told = self.change(&record).map_err(wrong)?;
        let looked_seq = told.looked_seq;
        record.events = told.around(record.events);
        debug_assert!(record.events.iter().all(event::is_as_specified), "{:?}", record.events);
        self.remember(&record, looked_seq).map_err(wrong)?;
        Ok(record)
    }

    fn change(&mut self, record: &Record) -> Result<LoopEvents, String> {
        if record.seq != self.seq + 1 {
            return Err(format!("expected record {}", self.seq + 1));
        }
        self.begin(record)?;
        self.stirred.clear();
        let before = self.thinking_since(record);
        let first = self.turn_begins(record);
        self.set_aside(record)?;
        if let Cause::Step { agent, thought, .. } = &record.cause {
            check_thought(record, *agent, thought)?;
            check_settled(&self.free_holds(*agent), thought)?;
        }
        self.seq = record.seq;
        self.now = record.time;
        if let Cause::Tick { number, phase } = record.cause {
            self.tick = Some(self.tick_of(number, phase, record)?);
        }
        if let Cause::Hook { index, tick, artifact, .. } = record.cause {
            self.note_hook(index, tick, artifact)?;
        }
        for charge in &record.charges {
            self.charge(*charge)?;
        }
        let founded = State::len(self);
        let is_fork = matches!(record.cause, Cause::Rules { .. });
        if !is_fork && record.effects.iter().any(|effect| matches!(effect, Effect::Rate { .. })) {
            return Err("a rate becomes another only where a world is forked".into());
        }
        for effect in &record.effects {
            state::apply(self, effect).map_err(|guard| self.explain(guard))?;
        }
        if self.founding {
            for handle in (founded..State::len(self)).map(Handle) {
                state::settle_founder(self, handle).map_err(|guard| self.explain(guard))?;
            }
        }
        self.note_dues(record)?;
        let looked_seq = before.unwrap_or_else(|| self.looked_seq(record));
        let last = self.turn_ends(record, looked_seq);
        Ok(LoopEvents { first, last, looked_seq })
    }

    /// Whether a record names only artifacts that there are, or that the founding brings.
    fn check_handles(&self, record: &Record) -> Result<(), String> {
        let end = State::len(self).max(self.founders);
        let actor = match &record.cause {
            Cause::Act { actor: one, .. }
            | Cause::Step { agent: one, .. }
            | Cause::Ask { agent: one, .. }
            | Cause::Short { agent: one, .. }
            | Cause::Due { artifact: one, .. }
            | Cause::Hook { artifact: one, .. } => Some(*one),
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Clock { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => None,
        };
        let effects = record.effects.iter().flat_map(|effect| effect.handles());
        let events = record.events.iter().flat_map(|event| event.handles());
        let thought = match &record.cause {
            Cause::Step { thought, .. } => thought.charges.as_slice(),
            _ => &[],
        };
        let charges = record.charges.iter().chain(thought).filter_map(|charge| charge.of.artifact());
        match effects.chain(events).chain(charges).chain(actor).find(|handle| handle.0 >= end) {
            Some(handle) => Err(format!("artifact number {} does not exist", handle.0)),
            None => Ok(()),
        }
    }

    /// Takes the rules from the first record, and looks whether a record may come now.
    fn begin(&mut self, record: &Record) -> Result<(), String> {
        self.founding = matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
        match &record.cause {
            Cause::Genesis { .. } if self.seq != 0 => {
                return Err("the founding begins with the first record, and only there".into());
            }
            Cause::Genesis { rules, source, artifacts, runtime } => {
                self.run_on(runtime)?;
                rules.check().map_err(|(field, problem)| format!("its `{field}`: {problem}"))?;
                self.rules = Arc::new(Rules::clone(rules));
                self.source = *source;
                self.founders = *artifacts;
                self.allotted = vec![0; self.rules.resources.len()];
                self.now = self.rules.start;
            }
            _ if self.seq == 0 => return Err("the first record is the founding".into()),
            _ if self.founding != (State::len(self) < self.founders) => {
                return Err(format!("{} of {} artifacts are founded", State::len(self), self.founders));
            }
            _ => {}
        }
        if record.time < self.now || (self.founding && record.time != self.now) {
            return Err(format!("its time {} does not fit {}", record.time, self.now));
        }
        self.check_growth(record)?;
        match &record.cause {
            Cause::Runtime { name } => self.run_on(name)?,
            Cause::Rules { rules, source } => self.go_by(rules, *source, record.time)?,
            _ => {}
        }
        if let Cause::Clock { away_ms } = record.cause {
            if !(0..=record.time.ms() - self.now.ms()).contains(&away_ms) {
                return Err(format!("{away_ms} ms have not passed since {}", self.now));
            }
            self.away_ms = self.away_ms.checked_add(away_ms).ok_or("there is no such time")?;
        }
        Ok(())
    }

    /// Goes on by other rules.
    fn go_by(&mut self, rules: &Rules, source: [u8; 32], now: Time) -> Result<(), String> {
        let told = |(field, problem): (&str, &str)| format!("its `{field}`: {problem}");
        rules.check().map_err(told)?;
        self.rules.may_become(rules).map_err(told)?;
        let before = std::mem::replace(&mut self.rules, Arc::new(rules.clone()));
        let ids: Vec<ResourceId> = rules.by_id().map(|(resource, _)| resource).collect();
        for number in 0..self.accounts_len() {
            for resource in &ids {
                let (was, is) = (before.kind(*resource), rules.kind(*resource));
                let cell = self.cell_mut(number, *resource).ok_or("no such resource")?;
                cell.follow((&before, was), (rules, is), now);
            }
        }
        self.source = source;
        Ok(())
    }

    /// The tick, or the phase of one, that a record begins.
    fn tick_of(&self, number: u64, phase: u32, record: &Record) -> Result<Tick, String> {
        let turn = number
            .checked_mul(self.rules.turns_per_tick())
            .and_then(|turn| turn.checked_add(u64::from(phase)));
        match turn.filter(|_| u64::from(phase) < self.rules.turns_per_tick()) {
            Some(turn) => Ok(Tick { number, phase, turn, seq: record.seq, time: record.time }),
            None => Err(format!("there is no phase {phase} of tick {number}")),
        }
    }

    /// Takes note of a hook that was run.
    fn note_hook(&mut self, index: u32, tick: u64, artifact: Handle) -> Result<(), String> {
        let hook = self.rules.hooks.get(index as usize).ok_or("there is no such hook")?;
        let hooked = Hooked { tick, at: hook.at, index };
        if self.lookup(&hook.artifact) != Some(artifact) || self.hooked.is_some_and(|last| last >= hooked) {
            return Err("it is not the turn of that hook".into());
        }
        self.hooked = Some(hooked);
        Ok(())
    }

    /// Takes the name of the runtime of code over.
    fn run_on(&mut self, name: &str) -> Result<(), String> {
        let most = limits::RUNTIME_BYTES_MAX;
        if name.is_empty() || name.len() > most {
            return Err(format!("the name of its runtime has {} bytes; it has 1 to {most}", name.len()));
        }
        self.runtime = name.into();
        Ok(())
    }

    fn charge(&mut self, charge: Charge) -> Result<(), String> {
        let Charge { principal, resource, amount, work, of: _ } = charge;
        let account = self.get(principal).and_then(|artifact| artifact.account);
        let number = account.ok_or_else(|| format!("artifact number {} can't be charged", principal.0))?;
        let kind = self.rules.kind(resource);
        let (rules, now) = (Arc::clone(&self.rules), self.now);
        let cell = self.cell_mut(number, resource).ok_or("no such resource")?;
        if amount < 1 || cell.limit_left(kind, now) < amount || (work > 0 && resource != ResourceId::CPU) {
            return Err(format!("`{}` can't be charged {amount}", self.name(principal)));
        }
        // Memory was held while code ran, and is free again.
        if kind != ResourceKind::Allocatable {
            cell.consume(&rules, kind, now, amount);
        }
        Ok(())
    }

    /// The record in which the mind was asked whose step a record is; `None` where it thought at once.
    fn thinking_since(&self, record: &Record) -> Option<u64> {
        let Cause::Step { agent, .. } = record.cause else { return None };
        match self.agent(agent)?.phase {
            Phase::Thinking { since_seq, .. } => Some(since_seq),
            Phase::Ready | Phase::Asleep { .. } | Phase::Blocked { .. } | Phase::Paused | Phase::Stopped => {
                None
            }
        }
    }

    /// Where the step that a record is about has looked: what came later it has not seen.
    fn looked_seq(&self, record: &Record) -> u64 {
        match self.rules.execution {
            Execution::Tick { .. } => self.tick.map_or(0, |tick| tick.seq),
            Execution::Autonomous { .. } => record.seq - 1,
        }
    }

    /// Keeps the events of a record for observations and queries, and wakes the sleepers that wait for them.
    fn remember(&mut self, record: &Record, looked_seq: u64) -> Result<(), String> {
        for event in &record.events {
            let owner = event.artifact.and_then(|artifact| self.get(artifact)).map(|artifact| artifact.owner);
            let (seq, time, event) = (record.seq, record.time, event.clone());
            let row = Arc::new(EventRow { seq, time, owner, event });
            self.deliver(&row, looked_seq);
            self.wake_by(&row, looked_seq);
            self.events.push_back(row);
        }
        self.let_go_of_events();
        match &record.cause {
            Cause::Step { agent, turn, thought, .. } => {
                let looked_back = Turn::of(*turn, record.time, thought, &record.outcome);
                let acted = !thought.action.value().is_null() || !record.outcome.is_ok();
                let last = acted.then(|| Kept::of(Receipt::of(record)));
                let number = self.get(*agent).and_then(|artifact| artifact.agent);
                if let Some(row) = number.and_then(|number| self.agent_mut(number)) {
                    row.last = last;
                    if let Some(turn) = looked_back.filter(|_| row.phase != Phase::Stopped) {
                        row.look_back(turn);
                    }
                    // A mind that was changed while it thought has acted on nothing that it saw.
                    if let Some(inbox) = row.inbox.as_mut().filter(|_| !record.outcome.is_void()) {
                        Arc::make_mut(inbox).forget_until(looked_seq);
                        if inbox.is_empty() {
                            row.inbox = None;
                        }
                    }
                }
            }
            Cause::Act { actor, action, action_id: Some(id), .. } => {
                return self.keep_receipt(record, *actor, id, action);
            }
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Clock { .. }
            | Cause::Act { .. }
            | Cause::Ask { .. }
            | Cause::Short { .. }
            | Cause::Due { .. }
            | Cause::Hook { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => {}
        }
        Ok(())
    }

    /// Keeps the receipt of an action that bears an id, on the disk of who submitted it. The transaction has
    /// seen to it that there is room for its shortest form.
    fn keep_receipt(
        &mut self,
        record: &Record,
        actor: Handle,
        id: &str,
        action: &Json,
    ) -> Result<(), String> {
        let live = self.get(actor).filter(|artifact| !artifact.deleted);
        let Some(number) = live.and_then(|artifact| artifact.account) else { return Ok(()) };
        let mut ids = self.action_ids.get(&number).cloned().unwrap_or_default();
        if ids.holds(id) {
            return Err(format!("its action id `{id}` stands for an earlier action"));
        }
        let freed = ids.next_frees();
        ids.make_room();
        let room = State::free(self, number, ResourceId::DISK).saturating_add(freed);
        let taken = ids.keep(id, action, Receipt::of(record), room);
        state::occupy(self, actor, taken - freed).map_err(|guard| self.explain(guard))?;
        let mut account = State::account(self, number);
        account.kept += taken - freed;
        self.set_account(number, account);
        self.action_ids.insert(number, ids);
        self.disk_taken(number);
        Ok(())
    }

    /// Lets go of old events, all those of a record together, so that as many as are promised stay; but not of
    /// those since the tick began: who falls asleep in it looks for them.
    fn let_go_of_events(&mut self) {
        let tick_seq = self.tick.map_or(u64::MAX, |tick| tick.seq);
        while self.events.len() > limits::EVENTS_KEPT_MAX {
            let Some(seq) = self.events.front().map(|row| row.seq).filter(|seq| *seq <= tick_seq) else {
                break;
            };
            let gone = self.events_until(seq);
            if self.events.len() - gone < limits::EVENTS_KEPT_MAX {
                break;
            }
            for _ in 0..gone {
                self.events.pop_front();
            }
            self.lost_until = Some(seq);
        }
    }

    /// Puts an event into the inboxes of the agents it concerns, but for the one who did it.
    fn deliver(&mut self, row: &Arc<EventRow>, looked_seq: u64) {
        let event = &row.event;
        let concerned = [event.to, event.artifact, row.owner];
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

/// Whether a record charges what its thought cost.
fn check_thought(record: &Record, agent: Handle, thought: &Thought) -> Result<(), String> {
    for charge in &thought.charges {
        let same = |other: &&Charge| other.principal == agent && other.resource == charge.resource;
        let charged: i128 = record.charges.iter().filter(same).map(|other| i128::from(other.amount)).sum();
        if charge.principal != agent || charge.amount < 1 || charged < i128::from(charge.amount) {
            return Err("it does not charge what its thought cost".into());
        }
    }
    Ok(())
}

impl Cell {
    /// The amount there is for a charge: the amount set aside was set aside for it.
    fn limit_left(&self, kind: ResourceKind, now: Time) -> i64 {
        self.free(kind, now).saturating_add(self.held)
    }
}
