//! Health: agents that get nowhere are told of, each with the likely cause (`design/MINDS.md §10`).
//!
//! It follows from the records, and is said once until it changes.

use std::sync::Arc;

use serde_json::Value;

use super::{
    World,
    agent::Phase,
    condition::{Ailment, Condition, Deed, Lack, Same, Tally},
};
use crate::{
    event::{Event, EventKind},
    limits::{HEALTH_SILENT_STEPS, HEALTH_SILENT_TURNS, HEALTH_STARVED_PER_RECORD, HEALTH_STARVED_TURNS},
    op::Action,
    op_kind::OpKind,
    record::{Cause, Effect, Handle, Outcome, Record, Thought},
    refusal::Code,
    resource::{ResourceId, ResourceKind},
    rules::Execution,
    state::State,
    time::{Time, format_duration_ms},
};

impl World {
    /// The ailments that agents, or the run, had so far: those of the run first, then in the order of their words.
    #[must_use]
    pub fn health(&self) -> &[Tally] {
        &self.health.tallies
    }

    /// The ailments that an agent has.
    pub fn ailments(&self, agent: Handle) -> impl Iterator<Item = Ailment> {
        let condition = self.agent(agent).and_then(|row| row.condition.as_ref());
        Ailment::ALL.into_iter().filter(move |ailment| condition.is_some_and(|one| one.has(*ailment)))
    }

    /// Looks at the health of those whom a record concerns that has been applied, and of those who have waited long.
    pub(super) fn examine(&mut self, record: &Record, told: &mut Vec<Event>) {
        match &record.cause {
            Cause::Step { agent, thought, .. } if !record.outcome.is_void() => {
                self.examine_step(record, *agent, thought, told);
            }
            Cause::Short { agent, lack, .. } => {
                let resource = lack.map_or(ResourceId::CPU, |lack| lack.resource);
                self.examine_lack(*agent, resource, told);
            }
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Clock { .. }
            | Cause::Act { .. }
            | Cause::Step { .. }
            | Cause::Ask { .. }
            | Cause::Due { .. }
            | Cause::Hook { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => {}
        }
        self.examine_run(record, told);
        self.examine_waiting(told);
    }

    fn examine_step(&mut self, record: &Record, agent: Handle, thought: &Thought, told: &mut Vec<Event>) {
        let deed = deed(record, agent, thought);
        if let Deed::Lacked(resource) = deed {
            self.examine_lack(agent, resource, told);
        } else {
            self.has_capacity(agent);
        }
        let Some(number) = self.loop_of(agent) else { return };
        let Some(row) = self.row(number).filter(|row| row.phase != Phase::Stopped) else { return };
        let steps = row.steps;
        if row.condition.is_none() && deed.is_well() {
            return;
        }
        let mut condition = row.condition.as_deref().cloned().unwrap_or_default();
        condition.take(deed, steps);
        for ailment in Ailment::ALL {
            if condition.shows(ailment) && !condition.has(ailment) {
                let words = self.cause_of(ailment, &condition, deed);
                self.tell_ailment(&mut condition, ailment, agent, &words, told);
            }
        }
        self.set_condition(number, condition);
    }

    fn set_condition(&mut self, number: u32, condition: Condition) {
        if let Some(row) = self.agent_mut(number) {
            row.condition = (condition != Condition::default()).then(|| Arc::new(condition));
        }
    }

    fn tell_ailment(
        &mut self,
        condition: &mut Condition,
        ailment: Ailment,
        agent: Handle,
        words: &str,
        told: &mut Vec<Event>,
    ) {
        let detail = format!("{}: {words}", ailment.as_str());
        if condition.tell(ailment) {
            self.health.count(ailment, agent, &detail);
        }
        let event = Event::new(EventKind::Health, agent);
        told.push(Event { artifact: Some(agent), detail: Some(detail), ..event });
    }

    /// An ailment and its likely cause in words.
    fn cause_of(&self, ailment: Ailment, condition: &Condition, deed: Deed) -> String {
        match ailment {
            Ailment::Silent => {
                format!("its first {HEALTH_SILENT_STEPS} steps had no effect; {}", self.idleness(deed))
            }
            Ailment::Repeating => match condition.repeated() {
                (Some(Same::Refusal(code)), times) => {
                    format!("the same refusal {times} times: `{code}`; {}", likely(code))
                }
                (Some(Same::Action(_)) | None, times) => {
                    format!(
                        "the same action {times} times, which changes nothing more; it may not read its result"
                    )
                }
            },
            Ailment::Refused => {
                let cause = match deed {
                    Deed::Refused(code) => format!("the last by `{code}`: {}", likely(code)),
                    _ => String::new(),
                };
                format!("{} of its last 16 actions were refused, {cause}", condition.refusals())
            }
            Ailment::Malformed => format!(
                "{} answers in a row were no actions; its mind may not know the form, or be too weak for it",
                condition.malformed()
            ),
            Ailment::Starved => String::new(),
        }
    }

    /// Why a step had no effect.
    fn idleness(&self, deed: Deed) -> String {
        match deed {
            Deed::Nothing => "its mind decides to do nothing".into(),
            Deed::Passed => "its client decides nothing".into(),
            Deed::Failed(code) => format!("its mind fails with `{code}`"),
            Deed::Malformed => "its answers are no actions".into(),
            Deed::Lacked(resource) => format!("it lacks `{}`", self.rules().resource_name(resource)),
            Deed::Refused(code) => format!("the last was refused by `{code}`: {}", likely(code)),
            Deed::Looked(_) => "it looks, and does not act".into(),
            Deed::Rested | Deed::Set(_) | Deed::Acted => String::new(),
        }
    }

    /// The time of the run at the last record, in milliseconds.
    fn ran_ms(&self) -> i64 {
        State::now(self).ms().saturating_sub(self.away_ms)
    }

    fn turn_ms(&self) -> i64 {
        match self.rules().execution {
            Execution::Tick { ms } => ms.max(1),
            Execution::Autonomous { pace_ms } => pace_ms.max(1),
        }
    }

    /// How long an agent lacks a resource until it is starved.
    fn long_ms(&self, resource: ResourceId) -> i64 {
        let window_ms = match self.rules().kind(resource) {
            ResourceKind::Renewable { window_ms } => window_ms.saturating_add(self.turn_ms()),
            ResourceKind::Depletable | ResourceKind::Allocatable | ResourceKind::Metered => 0,
        };
        self.turn_ms().saturating_mul(HEALTH_STARVED_TURNS).max(window_ms)
    }

    /// An agent has not the capacity for a step.
    fn examine_lack(&mut self, agent: Handle, resource: ResourceId, told: &mut Vec<Event>) {
        let Some(number) = self.loop_of(agent) else { return };
        let Some(row) = self.row(number).filter(|row| row.phase != Phase::Stopped) else { return };
        let waits = matches!(row.phase, Phase::Blocked { .. });
        let mut condition = row.condition.as_deref().cloned().unwrap_or_default();
        let ran_ms = self.ran_ms();
        let before = condition.lack.take();
        self.unlook(number, before);
        let since_ms = before.map_or(ran_ms, |lack| lack.since_ms);
        let end_ms = since_ms.saturating_add(self.long_ms(resource));
        let starves = condition.has(Ailment::Starved);
        let look_ms = Some(end_ms).filter(|end_ms| waits && !starves && *end_ms > ran_ms);
        condition.lack = Some(Lack { since_ms, resource, look_ms });
        if let Some(look_ms) = look_ms {
            self.health.looks.insert((look_ms, number));
        }
        if !starves && end_ms <= ran_ms {
            self.tell_starved(&mut condition, agent, told);
        }
        self.set_condition(number, condition);
    }

    fn tell_starved(&mut self, condition: &mut Condition, agent: Handle, told: &mut Vec<Event>) {
        let Some(Lack { since_ms, resource, .. }) = condition.lack else { return };
        let cause = match self.rules().kind(resource) {
            ResourceKind::Renewable { .. } | ResourceKind::Metered => "its rate may be too small",
            ResourceKind::Depletable => "it does not come back unless somebody gives some",
            ResourceKind::Allocatable => "it has to free some, or to be given more",
        };
        let words = format!(
            "no step for {} for want of `{}`; {cause}",
            format_duration_ms(self.ran_ms().saturating_sub(since_ms)),
            self.rules().resource_name(resource)
        );
        self.tell_ailment(condition, Ailment::Starved, agent, &words, told);
    }

    fn unlook(&mut self, number: u32, lack: Option<Lack>) {
        if let Some(look_ms) = lack.and_then(|lack| lack.look_ms) {
            self.health.looks.remove(&(look_ms, number));
        }
    }

    /// An agent had the capacity for a step.
    fn has_capacity(&mut self, agent: Handle) {
        let Some(number) = self.loop_of(agent) else { return };
        let condition = self.row(number).and_then(|row| row.condition.clone());
        let Some(condition) = condition.filter(|condition| condition.lack.is_some()) else { return };
        let mut condition = Arc::unwrap_or_clone(condition);
        self.unlook(number, condition.lack.take());
        condition.is_over(Ailment::Starved);
        self.set_condition(number, condition);
    }

    /// Lets go of the condition of an agent that is no more.
    pub(super) fn forget_condition(&mut self, number: u32) {
        let condition = self.agent_mut(number).and_then(|row| row.condition.take());
        self.unlook(number, condition.and_then(|condition| condition.lack));
    }

    /// Tells of those who have lacked something for long, some of them at a time.
    fn examine_waiting(&mut self, told: &mut Vec<Event>) {
        let (now, ran_ms) = (State::now(self), self.ran_ms());
        for _ in 0..HEALTH_STARVED_PER_RECORD {
            let first = self.health.looks.get_min().copied();
            let Some((at, number)) = first.filter(|(at, _)| *at <= ran_ms) else { return };
            self.health.looks.remove(&(at, number));
            let Some(row) = self.row(number) else { continue };
            let (agent, waits) = (row.handle, waits_at(&row.phase, row.due, now));
            let Some(mut condition) = row.condition.as_deref().cloned() else { continue };
            if let Some(lack) = &mut condition.lack {
                lack.look_ms = None;
            }
            if waits {
                self.tell_starved(&mut condition, agent, told);
            }
            self.set_condition(number, condition);
        }
    }

    /// Derives when agents are looked at, after a world was read from bytes.
    pub(super) fn find_looks(&mut self) {
        let look = |number: u32| self.row(number)?.condition.as_ref()?.lack?.look_ms;
        let looks = (0..self.agents_len()).filter_map(|number| Some((look(number)?, number))).collect();
        self.health.looks = looks;
    }

    /// Counts the steps until something has an effect, and tells when nothing has for long.
    fn examine_run(&mut self, record: &Record, told: &mut Vec<Event>) {
        let Some(steps) = self.health.quiet else { return };
        let has_effect = has_effect(record);
        self.health.quiet = match &record.cause {
            Cause::Step { .. } | Cause::Act { .. } if has_effect => None,
            Cause::Step { .. } => Some(steps.saturating_add(1)),
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
            | Cause::Rules { .. } => Some(steps),
        };
        let turns = i64::from(HEALTH_SILENT_TURNS);
        let span = match (&record.cause, self.rules().execution) {
            (Cause::Tick { number, .. }, Execution::Tick { .. }) => {
                (*number >= u64::from(HEALTH_SILENT_TURNS)).then(|| format!("{turns} ticks"))
            }
            (_, Execution::Tick { .. }) => None,
            (_, Execution::Autonomous { .. }) => {
                let span_ms = self.turn_ms().saturating_mul(turns);
                let begun_ms = self.rules().start.ms();
                (self.ran_ms().saturating_sub(begun_ms) >= span_ms).then(|| format_duration_ms(span_ms))
            }
        };
        let Some(span) = span.filter(|_| self.health.quiet.is_some_and(|steps| steps >= HEALTH_SILENT_TURNS))
        else {
            return;
        };
        self.health.quiet = None;
        let word = Ailment::Silent.as_str();
        let detail = format!(
            "{word}: nothing had an effect in the first {span}; `oikos log --refused` shows what was tried"
        );
        self.health.count(Ailment::Silent, Handle::NOBODY, &detail);
        told.push(Event { detail: Some(detail), ..Event::new(EventKind::Health, Handle::NOBODY) });
    }
}

/// Whether a loop waits for capacity that is not there at `now`.
fn waits_at(phase: &Phase, due: Option<Time>, now: Time) -> bool {
    match phase {
        Phase::Blocked { .. } => due.is_none_or(|due| due > now),
        Phase::Ready | Phase::Asleep { .. } | Phase::Thinking { .. } | Phase::Paused | Phase::Stopped => {
            false
        }
    }
}

/// The step of a record as a deed.
fn deed(record: &Record, agent: Handle, thought: &Thought) -> Deed {
    match &record.outcome {
        Outcome::Nothing => Deed::Nothing,
        Outcome::Refused(refusal) => match refusal.lack.filter(|lack| lack.principal == agent) {
            Some(lack) => Deed::Lacked(lack.resource),
            None if thought.failed => {
                let answered = !thought.action.value().is_null() || refusal.code == Code::InvalidArgument;
                if answered { Deed::Malformed } else { Deed::Failed(refusal.code) }
            }
            None if thought.unanswered => Deed::Failed(refusal.code),
            None if thought.action.value().is_null() => Deed::Passed,
            None => Deed::Refused(refusal.code),
        },
        Outcome::Done(_) => done(record, thought.action.value()),
    }
}

fn done(record: &Record, action: &Value) -> Deed {
    if !has_effect(record) {
        let sleeps = record.effects.iter().any(|effect| matches!(effect, Effect::Sleep { .. }));
        return if sleeps {
            Deed::Rested
        } else if is_noop(action) {
            Deed::Nothing
        } else {
            Deed::Looked(print(action))
        };
    }
    let told = record.events.iter().all(|event| match event.kind {
        EventKind::Op(op) => matches!(op, OpKind::Write | OpKind::Store | OpKind::Remember),
        _ => true,
    });
    let sets = |effect: &Effect| {
        matches!(effect, Effect::Store { .. } | Effect::Change { .. } | Effect::Remember { .. })
    };
    if told && record.effects.iter().all(sets) { Deed::Set(print(action)) } else { Deed::Acted }
}

/// Whether an action left something that others may see: a change, or that something was called. Its own rest is none.
fn has_effect(record: &Record) -> bool {
    let called = record.events.iter().any(|event| match event.kind {
        EventKind::Op(op) => op != OpKind::Sleep,
        _ => false,
    });
    let is_change = |effect: &Effect| {
        !matches!(
            effect,
            Effect::Sleep { .. } | Effect::Use(_) | Effect::Fail { .. } | Effect::Verdicts { .. }
        )
    };
    called || record.effects.iter().any(is_change)
}

fn is_noop(action: &Value) -> bool {
    Action::parse(action.clone()).is_ok_and(|action| action.is_noop())
}

/// A print of an action: two that differ have the same by chance only.
fn print(action: &Value) -> u64 {
    let hash = blake3::hash(action.to_string().as_bytes());
    let (first, _) = hash.as_bytes().split_at(8);
    first.iter().fold(0, |print, byte| print << 8 | u64::from(*byte))
}

/// The likely cause of refusals with a code.
const fn likely(code: Code) -> &'static str {
    match code {
        Code::NotFound => "its ids may be wrong",
        Code::AlreadyExists => "it may not know what there is already",
        Code::InvalidArgument => "it may not know the fields of the op",
        Code::InvalidCode => "its code is no Python",
        Code::PermissionDenied => "it may not know whose contract denies it",
        Code::InsufficientScrip => "it has too little scrip for what it wants",
        Code::QuotaExceeded => "a quota is full, perhaps its `disk`",
        Code::InsufficientResource | Code::RateLimited => "somebody lacks the capacity for it",
        Code::BudgetExhausted => "the budget is used up",
        Code::CodeError => "the code that it calls fails",
        Code::CodeTimeout | Code::MemoryExceeded => "the code that it calls takes too much",
        Code::DepthExceeded => "the code that it calls calls itself",
        Code::LimitExceeded => "what it wants is too large",
        Code::WorkerDied => "the code that it calls ends its process",
        Code::Conflict => "others change what it acts on",
        Code::Unsupported => "this version does not have it",
    }
}
