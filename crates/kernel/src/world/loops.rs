//! Agents' loops: the conditions of their sleeps, their next turns, and their changes by records.
//!
//! All of it follows from the records, so that a world that is read again goes on as it would have.
//! Nothing here runs an agent: a scheduler does when a turn is due.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    World,
    agent::{Agent, Phase, Turned},
    sight::Viewer,
    sleepers::{Signs, events_of},
};
use crate::{
    event::{Event, EventKind, EventRow, Filter},
    limits,
    record::{Bound, Cause, Effect, Handle, Hold, Outcome, Record, Thought, Until, Woke},
    resource::{ResourceId, ResourceKind},
    rules::{Execution, OnExhaustion},
    state::State,
    time::Time,
};

impl World {
    /// The loops whose next turn the last record changed.
    #[must_use]
    pub fn stirred(&self) -> &[Handle] {
        &self.stirred
    }

    /// Whether an agent has the CPU for a step: what its last one used, or the reserve, but never more
    /// than its whole rate (`DESIGN.md §9`).
    #[must_use]
    pub fn can_step(&self, agent: Handle, now: Time) -> bool {
        if self.rules().kind(ResourceId::CPU) == ResourceKind::Metered {
            return true;
        }
        let Some(row) = self.agent(agent) else { return false };
        self.capacity(agent, ResourceId::CPU, now) >= self.step_need(row)
    }

    pub(crate) fn step_need(&self, row: &Agent) -> i64 {
        let rate = self.limit(row.handle, ResourceId::CPU);
        row.last_cpu_us.max(self.rules().step_reserve_us).min(rate).max(1)
    }

    pub(crate) fn loop_of(&self, handle: Handle) -> Option<u32> {
        self.get(handle)?.agent
    }

    pub(crate) fn row(&self, number: u32) -> Option<&Agent> {
        self.agent_at(number as usize)
    }

    /// The first instant at which a loop may step if `at` is what it waits for.
    fn not_before(&self, row: &Agent, at: Time) -> Time {
        let floor_ms = match self.rules().execution {
            Execution::Tick { .. } => 0,
            Execution::Autonomous { .. } => limits::STEP_MS_MIN,
        };
        let floor = row.turn_at.and_then(|turn| turn.after_ms(floor_ms));
        floor.map_or(at, |floor| at.max(floor))
    }

    /// When a loop's turn comes that had one at `now`, under the due time `due`, and neither sleeps nor
    /// failed; `None` beyond the last instant there is. Turns keep the grid of the pace: one that came late
    /// makes no other late, and those that were missed are let go.
    fn next_turn(&self, due: Option<Time>, now: Time) -> Option<Time> {
        match self.rules().execution {
            Execution::Tick { .. } => Some(now),
            Execution::Autonomous { pace_ms } => {
                let (due, pace_ms) = (due.filter(|due| *due <= now).unwrap_or(now), pace_ms.max(1));
                let paces = (now.ms() - due.ms()) / pace_ms + 1;
                due.after_ms(paces.checked_mul(pace_ms)?)
            }
        }
    }

    /// The first turn of a loop that comes into being.
    pub(crate) fn first_turn(&self) -> Option<Time> {
        let now = State::now(self);
        if self.is_founding() { Some(now) } else { self.next_turn(None, now) }
    }

    /// Changes what a loop does, and keeps the table of sleepers true.
    pub(crate) fn set_phase(&mut self, number: u32, phase: Phase, due: Option<Time>) {
        let Some(row) = self.row(number) else { return };
        let handle = row.handle;
        if let Phase::Asleep { until, .. } = &row.phase {
            let until = Arc::clone(until);
            self.sleepers.remove(number, &until);
        }
        // However a thought ends, nothing stays set aside for it.
        self.free_holds(handle);
        if let Phase::Asleep { until, .. } = &phase {
            self.sleepers.insert(number, until);
        }
        if let Some(row) = self.agent_mut(number) {
            row.phase = phase;
            row.due = due;
        }
        self.stirred.push(handle);
    }

    fn set_due(&mut self, number: u32, due: Option<Time>) {
        let handle = self.agent_mut(number).and_then(|row| {
            let changed = row.due != due;
            row.due = due;
            changed.then_some(row.handle)
        });
        self.stirred.extend(handle);
    }

    /// Ends a sleep or a pause before its time.
    pub(crate) fn rouse(&mut self, number: u32, woke: Woke) {
        let Some(row) = self.row(number) else { return };
        let due = self.not_before(row, State::now(self));
        self.set_phase(number, Phase::Ready, Some(due));
        if let Some(row) = self.agent_mut(number) {
            row.woke = Some(woke);
            row.errors = 0;
        }
    }

    /// The end of an agent's sleep at `now`, and its cause; `None` while it sleeps on.
    pub(crate) fn woke(&self, row: &Agent, now: Time) -> Option<Woke> {
        match &row.phase {
            Phase::Asleep { until, .. } => {
                let (end, woke) = self.sleep_ends(row.handle, until, now)?;
                (end <= now).then_some(woke)
            }
            _ => row.woke,
        }
    }

    /// The end of the sleep of an agent that thinks on this world at `now`, and its cause, for its step.
    #[must_use]
    pub fn woke_before(&self, agent: Handle, now: Time) -> Option<Woke> {
        self.agent(agent).and_then(|row| self.woke(row, now))
    }

    /// The end of a wait, as observations show it.
    #[must_use]
    pub fn woke_json(&self, woke: Woke) -> Value {
        match woke {
            Woke::Time => json!({ "by": "time" }),
            Woke::Event(seq) => json!({ "by": "event", "seq": seq }),
            Woke::Level(resource) => json!({ "by": "level", "resource": self.rules().unit_name(resource) }),
            Woke::Change => json!({ "by": "change" }),
        }
    }

    /// The first instant, from `now`, that ends a sleep by itself, and why.
    #[must_use]
    pub fn sleep_ends(&self, agent: Handle, until: &[Until], now: Time) -> Option<(Time, Woke)> {
        let ends = until.iter().filter_map(|until| match until {
            Until::Time(time) => Some((*time, Woke::Time)),
            Until::Event(_) => None,
            Until::Level { resource, bound, level } => self
                .level_at(agent, *resource, *bound, *level, now)
                .map(|time| (time, Woke::Level(*resource))),
        });
        ends.min_by_key(|(time, _)| *time)
    }

    fn level_at(
        &self,
        agent: Handle,
        resource: Option<ResourceId>,
        bound: Bound,
        level: i64,
        now: Time,
    ) -> Option<Time> {
        let Some(resource) = resource else {
            return bound.holds(self.scrip(agent), level).then_some(now);
        };
        let number = self.get(agent)?.account?;
        let (rules, cell) = (self.rules(), State::cell(self, number, resource)?);
        let kind = rules.kind(resource);
        match bound {
            // An amount set aside for a thought under way is no part of the state.
            Bound::AtLeast => cell.free_at(rules, kind, now, -cell.held, level),
            Bound::AtMost => {
                bound.holds(cell.free(kind, now).saturating_add(cell.held), level).then_some(now)
            }
        }
    }

    /// Looks again at a loop that waits, after its account changed.
    pub(crate) fn reconsider(&mut self, number: u32) -> Turned {
        let now = State::now(self);
        let Some(row) = self.row(number) else { return Turned::Same };
        match &row.phase {
            Phase::Ready | Phase::Thinking { .. } | Phase::Paused | Phase::Stopped => Turned::Same,
            Phase::Asleep { until, .. } => {
                let until = Arc::clone(until);
                match self.sleep_ends(row.handle, &until, now) {
                    Some((end, woke @ Woke::Level(_))) if end <= now => self.rouse(number, woke),
                    end => {
                        let due = end.map(|(end, _)| self.not_before(row, end));
                        self.set_due(number, due);
                    }
                }
                Turned::Same
            }
            Phase::Blocked { resource, need } => {
                let (resource, before) = (*resource, row.due);
                let need = if resource == ResourceId::CPU { self.step_need(row) } else { *need };
                let end = self.level_at(row.handle, Some(resource), Bound::AtLeast, need, now);
                let due = end.map(|end| self.not_before(row, end));
                self.set_due(number, due);
                match (before, due) {
                    (None, Some(_)) => Turned::Freed,
                    (Some(_), None) => Turned::Frozen,
                    _ => Turned::Same,
                }
            }
        }
    }

    /// A receipt was kept on an account's disk after all else of the record: who sleeps until a level of it has
    /// perhaps reached it.
    pub(crate) fn disk_taken(&mut self, number: u32) {
        let holder = self.holder(number).and_then(|holder| self.loop_of(holder));
        let asleep = |row: &Agent| matches!(row.phase, Phase::Asleep { .. });
        if let Some(number) = holder.filter(|number| self.row(*number).is_some_and(asleep)) {
            self.reconsider(number);
        }
    }

    /// The events that a step tells first: that a wait has ended, as the mind saw it when it thought.
    pub(crate) fn turn_begins(&self, record: &Record) -> Vec<Event> {
        let (agent, woke) = match &record.cause {
            Cause::Step { agent, thought, .. } => (*agent, thought.woke),
            Cause::Ask { agent, woke, .. } => (*agent, *woke),
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Clock { .. }
            | Cause::Act { .. }
            | Cause::Short { .. }
            | Cause::Due { .. }
            | Cause::Hook { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => return Vec::new(),
        };
        let Some(row) = self.agent(agent) else { return Vec::new() };
        // The end of a wait was told when the mind was asked.
        if matches!(row.phase, Phase::Thinking { .. }) {
            return Vec::new();
        }
        let mut told = Vec::new();
        if let Some(woke) = woke {
            let detail = match woke {
                Woke::Time => "time".into(),
                Woke::Event(seq) => format!("event {seq}"),
                Woke::Level(resource) => format!("level of {}", self.rules().unit_name(resource)),
                Woke::Change => "change".into(),
            };
            told.push(Event { detail: Some(detail), ..Event::new(EventKind::Wake, agent) });
        }
        if let Phase::Blocked { resource, .. } = row.phase {
            told.push(Event { resource: Some(resource), ..Event::new(EventKind::Unblock, agent) });
        }
        told
    }

    /// Changes the loops by a record that has been applied. Returns the events that tell of it.
    pub(crate) fn turn_ends(&mut self, record: &Record, looked_seq: u64) -> Vec<Event> {
        let mut told = Vec::new();
        match &record.cause {
            Cause::Step { agent, turn, thought, .. } => {
                self.stepped(record, *agent, *turn, thought, &mut told);
            }
            Cause::Ask { agent, turn, request, holds, .. } => {
                self.asked(record.seq, *agent, *turn, (*request, holds));
            }
            Cause::Short { agent, turn, lack } => self.fell_short(*agent, *turn, *lack, &mut told),
            Cause::Genesis { .. } | Cause::Founding => return told,
            Cause::Tick { .. }
            | Cause::Clock { .. }
            | Cause::Act { .. }
            | Cause::Due { .. }
            | Cause::Hook { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => {}
        }
        self.tell_exhausted(record, &mut told);
        for charge in &record.charges {
            self.account_changed(charge.principal, None, &mut told);
        }
        for effect in &record.effects {
            match effect {
                Effect::Pay { from, to, .. } => {
                    self.account_changed(*from, None, &mut told);
                    self.account_changed(*to, None, &mut told);
                    self.unpause(*to);
                }
                Effect::Move { from, to, resource, amount } => {
                    self.account_changed(*from, None, &mut told);
                    self.account_changed(*to, Some((*from, *resource, *amount)), &mut told);
                    self.unpause(*to);
                }
                Effect::Sleep { agent, .. } => self.fall_asleep(record, *agent, looked_seq),
                Effect::Change { artifact, .. } => {
                    self.disk_changed(*artifact, &mut told);
                    self.unpause(*artifact);
                }
                Effect::Own { artifact, from, .. } => {
                    self.account_changed(*from, None, &mut told);
                    self.disk_changed(*artifact, &mut told);
                    self.unpause(*artifact);
                }
                Effect::Store { artifact: changed, .. }
                | Effect::Remember { memory: changed, .. }
                | Effect::Forget { memory: changed, .. } => self.disk_changed(*changed, &mut told),
                Effect::Delete { artifact, heir } => {
                    self.disk_changed(*artifact, &mut told);
                    if let Some(heir) = heir {
                        self.account_changed(*heir, None, &mut told);
                        self.unpause(*heir);
                    }
                }
                Effect::Rate { of, .. } => self.account_changed(*of, None, &mut told),
                Effect::Create(creation) => self.account_changed(creation.owner, None, &mut told),
                Effect::Mint { to, .. } => {
                    self.account_changed(*to, None, &mut told);
                    self.unpause(*to);
                }
                Effect::Endow { .. }
                | Effect::Allot { .. }
                | Effect::Grow { .. }
                | Effect::Lapse { .. }
                | Effect::Mandate { .. }
                | Effect::Draw { .. }
                | Effect::Verdicts { .. }
                | Effect::Use(_)
                | Effect::Fail { .. } => {}
            }
        }
        // The disk of those whose mandates began or ended.
        for giver in self.mandates.take_stirred() {
            self.account_changed(giver, None, &mut told);
        }
        self.examine(record, &mut told);
        told
    }

    fn stepped(
        &mut self,
        record: &Record,
        agent: Handle,
        turn: u64,
        thought: &Thought,
        told: &mut Vec<Event>,
    ) {
        let Some(number) = self.loop_of(agent) else { return };
        let (now, charges) = (record.time, record.charges.iter());
        let cpu = charges.filter(|charge| charge.principal == agent && charge.resource == ResourceId::CPU);
        // A record that nobody made here may charge it twice.
        let cpu_us = cpu.map(|charge| charge.amount).fold(0, i64::saturating_add);
        let lack = match &record.outcome {
            Outcome::Refused(refusal) => {
                let own = refusal.lack.filter(|lack| lack.principal == agent);
                own.map(|lack| (lack.resource, refusal.need.unwrap_or(1)))
            }
            Outcome::Done(_) | Outcome::Nothing => None,
        };
        let failed = (thought.failed || thought.unanswered) && lack.is_none();
        let Some(row) = self.agent_mut(number) else { return };
        let due = row.due;
        row.steps += 1;
        row.last_turn = Some(turn);
        row.turn_at = Some(now);
        row.last_cpu_us = cpu_us;
        row.woke = None;
        row.errors = if failed { row.errors.saturating_add(1) } else { 0 };
        let (errors, stopped) = (row.errors, row.phase == Phase::Stopped);
        let slept = matches!(&row.phase, Phase::Asleep { since_seq, .. } if *since_seq == record.seq);
        if stopped || slept {
            return;
        }
        if let Some((resource, need)) = lack {
            return self.lacks(number, resource, need, told);
        }
        if !failed {
            return self.set_phase(number, Phase::Ready, self.next_turn(due, now));
        }
        if errors >= limits::ERRORS_IN_A_ROW_MAX && !thought.unanswered {
            let detail = Some(format!("{errors} errors in a row"));
            told.push(Event { detail, ..Event::new(EventKind::Pause, agent) });
            return self.set_phase(number, Phase::Paused, None);
        }
        let backoff = backoff_ms(errors);
        let due =
            now.after_ms(backoff).zip(self.next_turn(due, now)).map(|(backed, paced)| backed.max(paced));
        self.set_phase(number, Phase::Ready, due);
    }

    /// An agent's mind is asked: it thinks until its step, through all that happens meanwhile.
    fn asked(&mut self, seq: u64, agent: Handle, turn: u64, of: (Option<[u8; 32]>, &[Hold])) {
        let Some(number) = self.loop_of(agent) else { return };
        self.turn_came(number, turn);
        let (request, holds) = of;
        self.set_phase(number, Phase::Thinking { since_seq: seq, request, holds: holds.into() }, None);
    }

    fn fell_short(&mut self, agent: Handle, turn: u64, lack: Option<Hold>, told: &mut Vec<Event>) {
        let Some(number) = self.loop_of(agent) else { return };
        self.turn_came(number, turn);
        let cpu = || self.row(number).map_or(1, |row| self.step_need(row));
        let (resource, need) =
            lack.map_or_else(|| (ResourceId::CPU, cpu()), |lack| (lack.resource, lack.amount));
        self.lacks(number, resource, need, told);
    }

    /// A turn came that is no step yet: why the loop woke is told when it steps.
    fn turn_came(&mut self, number: u32, turn: u64) {
        let now = State::now(self);
        let woke = self.row(number).and_then(|row| self.woke(row, now));
        if let Some(row) = self.agent_mut(number) {
            row.last_turn = Some(turn);
            row.turn_at = Some(now);
            row.woke = woke;
        }
    }

    /// A loop needs more of a resource than there is: it waits, or lets the turn pass.
    fn lacks(&mut self, number: u32, resource: ResourceId, need: i64, told: &mut Vec<Event>) {
        let now = State::now(self);
        let Some((agent, due)) = self.row(number).map(|row| (row.handle, row.due)) else { return };
        let of = |kind| Event { resource: Some(resource), amount: Some(need), ..Event::new(kind, agent) };
        told.push(of(EventKind::Exhausted));
        if self.rules().on_exhaustion == OnExhaustion::Skip {
            return self.set_phase(number, Phase::Ready, self.next_turn(due, now));
        }
        self.set_phase(number, Phase::Blocked { resource, need }, None);
        self.reconsider(number);
        match self.row(number).and_then(|row| row.due) {
            Some(due) => {
                told.push(Event { detail: Some(format!("until {due}")), ..of(EventKind::Block) });
            }
            None => told.push(of(EventKind::Freeze)),
        }
    }

    /// Tells whose use or gift has left nothing of a resource.
    fn tell_exhausted(&self, record: &Record, told: &mut Vec<Event>) {
        let used = record.charges.iter().map(|charge| (charge.principal, charge.resource));
        let moved = record.effects.iter().filter_map(|effect| match effect {
            Effect::Move { from, resource, .. } => Some((*from, *resource)),
            _ => None,
        });
        for (principal, resource) in used.chain(moved) {
            let kind = self.rules().kind(resource);
            let gone = self.get(principal).is_none_or(|artifact| artifact.deleted);
            if gone || !matches!(kind, ResourceKind::Renewable { .. } | ResourceKind::Depletable) {
                continue;
            }
            let number = self.get(principal).and_then(|artifact| artifact.account);
            let cell = number.and_then(|number| State::cell(self, number, resource));
            let left =
                cell.map_or(0, |cell| cell.free(kind, record.time).saturating_add(cell.held + cell.asked));
            let known = |event: &Event| {
                event.kind == EventKind::Exhausted
                    && event.actor == principal
                    && event.resource == Some(resource)
            };
            if left < 1 && !told.iter().any(known) {
                told.push(Event { resource: Some(resource), ..Event::new(EventKind::Exhausted, principal) });
            }
        }
    }

    /// Reconsiders the loop of a principal whose account changed. `gift` is the transfer that changed it:
    /// giver, resource and amount.
    fn account_changed(
        &mut self,
        holder: Handle,
        gift: Option<(Handle, ResourceId, i64)>,
        told: &mut Vec<Event>,
    ) {
        let Some(number) = self.loop_of(holder) else { return };
        match (self.reconsider(number), gift) {
            (Turned::Freed, Some((giver, resource, amount))) => told.push(Event {
                to: Some(holder),
                amount: Some(amount),
                resource: Some(resource),
                ..Event::new(EventKind::Rescue, giver)
            }),
            (Turned::Frozen, _) => {
                if let Some(Phase::Blocked { resource, need }) = self.row(number).map(|row| &row.phase) {
                    let (resource, amount) = (Some(*resource), Some(*need));
                    told.push(Event { resource, amount, ..Event::new(EventKind::Freeze, holder) });
                }
            }
            _ => {}
        }
    }

    /// Bytes of an artifact may have been freed on its owner's disk, or taken.
    fn disk_changed(&mut self, artifact: Handle, told: &mut Vec<Event>) {
        if let Some(owner) = self.get(artifact).map(|artifact| artifact.owner) {
            self.account_changed(owner, None, told);
        }
    }

    fn unpause(&mut self, agent: Handle) {
        let number = self.loop_of(agent);
        if let Some(number) =
            number.filter(|number| self.row(*number).is_some_and(|row| row.phase == Phase::Paused))
        {
            self.rouse(number, Woke::Change);
        }
    }

    /// Settles when a loop that a record put to sleep wakes: at once if what it waits for is so already.
    fn fall_asleep(&mut self, record: &Record, agent: Handle, looked_seq: u64) {
        let Some(number) = self.loop_of(agent) else { return };
        self.reconsider(number);
        let Some(row) = self.row(number) else { return };
        let (Phase::Asleep { until, .. }, Cause::Step { .. }) = (&row.phase, &record.cause) else { return };
        if events_of(until).next().is_none() {
            return;
        }
        // It decided on its observation, and may have missed a later event that it waits for.
        let since = self.events().rev().take_while(|event| event.seq > looked_seq);
        let viewer = Viewer::Artifact(Some(agent));
        let missed =
            since.filter(|event| events_of(until).any(|filter| self.row_fits(filter, event, viewer)));
        if let Some(row) = missed.last().map(Arc::clone) {
            self.rouse_by(number, &row, looked_seq);
        }
    }

    /// Wakes a sleeper by an event, and shows it to it.
    fn rouse_by(&mut self, number: u32, row: &Arc<EventRow>, looked_seq: u64) {
        self.rouse(number, Woke::Event(row.seq));
        if let Some(agent) = self.agent_mut(number) {
            Arc::make_mut(agent.inbox.get_or_insert_default()).push_once(row, looked_seq);
        }
    }

    /// Wakes those who wait for an event.
    pub(crate) fn wake_by(&mut self, row: &Arc<EventRow>, looked_seq: u64) {
        if self.sleepers.is_empty() {
            return;
        }
        let event = &row.event;
        let id = |handle: Handle| self.get(handle).map(|artifact| Arc::clone(&artifact.id));
        let signs = Signs {
            kind: event.kind,
            actor: id(event.actor),
            artifact: event.artifact.and_then(id),
            to: event.to.and_then(id),
        };
        for number in self.sleepers.candidates(signs) {
            if self.waits_for(number, row) {
                self.rouse_by(number, row, looked_seq);
            }
        }
    }

    /// Whether a sleeper waits for an event that came after it fell asleep.
    fn waits_for(&self, number: u32, row: &EventRow) -> bool {
        let Some((handle, Phase::Asleep { until, since_seq })) =
            self.row(number).map(|row| (row.handle, &row.phase))
        else {
            return false;
        };
        row.seq > *since_seq
            && events_of(until).any(|filter| self.row_fits(filter, row, Viewer::Artifact(Some(handle))))
    }

    /// Whether an event is one of those that a filter means.
    #[must_use]
    pub fn fits(&self, filter: &Filter, event: &Event) -> bool {
        let id = |wanted: &Option<String>, handle: Option<Handle>| {
            wanted.as_deref().is_none_or(|wanted| handle.is_some_and(|handle| self.name(handle) == wanted))
        };
        let detail = |wanted: &str| event.detail.as_deref() == Some(wanted);
        let resource = |wanted: &str| self.rules().unit_name(event.resource) == wanted;
        filter.kind.is_none_or(|kind| kind == event.kind)
            && id(&filter.actor, Some(event.actor).filter(|actor| *actor != Handle::NOBODY))
            && id(&filter.artifact, event.artifact)
            && id(&filter.to, event.to)
            && filter.resource.as_deref().is_none_or(resource)
            && filter.detail.as_deref().is_none_or(detail)
            && filter.amount.is_none_or(|least| event.amount.is_some_and(|amount| amount >= least))
    }
}

impl Bound {
    fn holds(self, has: i64, level: i64) -> bool {
        match self {
            Self::AtLeast => has >= level,
            Self::AtMost => has <= level,
        }
    }
}

/// How long a loop waits after so many failures in a row.
fn backoff_ms(errors: u8) -> i64 {
    let doubled = 1_i64.checked_shl(u32::from(errors.saturating_sub(1))).unwrap_or(i64::MAX);
    limits::ERROR_BACKOFF_MS.saturating_mul(doubled).min(limits::ERROR_BACKOFF_MS_MAX)
}
