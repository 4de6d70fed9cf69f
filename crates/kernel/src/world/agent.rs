//! An agent's loop, as the world knows it.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{condition::Condition, inbox::Inbox};
use crate::{
    event::Event,
    id::Handle,
    json::Json,
    limits,
    receipt::{Kept, Receipt},
    record::{Hold, Outcome, Thought, Until, Woke},
    refusal::Refusal,
    resource::ResourceId,
    rules::Rules,
    time::Time,
};

/// An agent's loop, as the world knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agent {
    /// The agent.
    pub handle: Handle,
    /// Steps it has taken.
    pub steps: u64,
    /// CPU that its last step used, in microseconds, thinking and acting.
    pub last_cpu_us: i64,
    pub(crate) last: Option<Kept>,
    /// The tick or number of its last turn, taken or not.
    pub last_turn: Option<u64>,
    /// When that was.
    pub(crate) turn_at: Option<Time>,
    pub(crate) phase: Phase,
    /// Its next turn; `None` while it waits for what has no time.
    pub(crate) due: Option<Time>,
    /// Steps in a row that failed.
    pub(crate) errors: u8,
    /// The end of its sleep or pause, until it steps.
    pub(crate) woke: Option<Woke>,
    /// The events that concerned it since its last step.
    pub(crate) inbox: Option<Arc<Inbox>>,
    /// Its last turns in which it thought or did something, oldest first.
    pub(crate) history: Option<Arc<VecDeque<Turn>>>,
    /// How it gets nowhere; none of one that does well.
    pub(crate) condition: Option<Arc<Condition>>,
}

/// A turn as the agent can look back at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) turn: u64,
    pub(crate) time: Time,
    /// The reasons of its mind; empty where there are none.
    pub(crate) think: Arc<str>,
    pub(crate) action: Json,
    /// The refusal with which it ended.
    pub(crate) error: Option<Arc<Refusal>>,
}

impl Turn {
    /// The turn that a step leaves to look back at; none if nothing was thought or done in it.
    pub(crate) fn of(turn: u64, time: Time, thought: &Thought, outcome: &Outcome) -> Option<Self> {
        let error = match outcome {
            Outcome::Refused(refusal) => Some(Arc::new(Refusal::clone(refusal))),
            Outcome::Done(_) | Outcome::Nothing => None,
        };
        let is_empty = error.is_none() && thought.think.is_empty() && thought.action.value().is_null();
        let action = thought.action.within(limits::RESULT_KEPT_BYTES_MAX);
        (!is_empty).then(|| Self { turn, time, think: thought.think.as_str().into(), action, error })
    }
}

/// The phase of a loop between its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// It steps when it is due.
    Ready,
    /// It sleeps since a record, until the first of these.
    Asleep { until: Arc<[Until]>, since_seq: u64 },
    /// Its mind was asked, in this record, and has not answered; so much is set aside for its thought.
    Thinking { since_seq: u64, request: Option<[u8; 32]>, holds: Arc<[Hold]> },
    /// It waits until so much of a resource is free.
    Blocked { resource: ResourceId, need: i64 },
    /// It failed too often, and waits until something about it changes.
    Paused,
    /// It was deleted.
    Stopped,
}

/// The change of a waiting loop whose account changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    Same,
    /// It was frozen, and is not any more.
    Freed,
    /// It could have waited, and is frozen now.
    Frozen,
}

/// The events that a record tells of loops: those that begin it and those that end it.
#[derive(Debug, Default)]
pub(crate) struct LoopEvents {
    pub(crate) first: Vec<Event>,
    pub(crate) last: Vec<Event>,
    /// The last record that the mind saw whose step this is.
    pub(crate) looked_seq: u64,
}

impl LoopEvents {
    /// Whether a record tells just these.
    pub(crate) fn are_told_by(&self, events: &[Event]) -> bool {
        events.len() >= self.first.len() + self.last.len()
            && events.starts_with(&self.first)
            && events.ends_with(&self.last)
    }

    /// These around the others.
    pub(crate) fn around(self, mut events: Vec<Event>) -> Vec<Event> {
        if !self.first.is_empty() {
            events.splice(0..0, self.first);
        }
        events.extend(self.last);
        events
    }
}

impl Agent {
    pub(crate) fn new(handle: Handle, due: Option<Time>) -> Self {
        Self {
            handle,
            steps: 0,
            last_cpu_us: 0,
            last: None,
            last_turn: None,
            turn_at: None,
            phase: Phase::Ready,
            due,
            errors: 0,
            woke: None,
            inbox: None,
            history: None,
            condition: None,
        }
    }

    /// Its state in a word: `starting`, `running`, `sleeping`, `thinking`, `blocked`, `paused` or `stopped`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Ready if self.steps == 0 => "starting",
            Phase::Ready => "running",
            Phase::Asleep { .. } => "sleeping",
            Phase::Thinking { .. } => "thinking",
            Phase::Blocked { .. } => "blocked",
            Phase::Paused => "paused",
            Phase::Stopped => "stopped",
        }
    }

    /// Whether its mind was asked, and has not answered.
    #[must_use]
    pub fn is_thinking(&self) -> bool {
        matches!(self.phase, Phase::Thinking { .. })
    }

    /// The record in which its mind was asked that has not answered.
    #[must_use]
    pub fn asked_seq(&self) -> Option<u64> {
        match &self.phase {
            Phase::Thinking { since_seq, .. } => Some(*since_seq),
            Phase::Ready | Phase::Asleep { .. } | Phase::Blocked { .. } | Phase::Paused | Phase::Stopped => {
                None
            }
        }
    }

    /// The hash of the request that its mind has not answered.
    #[must_use]
    pub fn request(&self) -> Option<[u8; 32]> {
        match &self.phase {
            Phase::Thinking { request, .. } => *request,
            Phase::Ready | Phase::Asleep { .. } | Phase::Blocked { .. } | Phase::Paused | Phase::Stopped => {
                None
            }
        }
    }

    /// The amounts that are set aside for the thought under way.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        match &self.phase {
            Phase::Thinking { holds, .. } => holds,
            Phase::Ready | Phase::Asleep { .. } | Phase::Blocked { .. } | Phase::Paused | Phase::Stopped => {
                &[]
            }
        }
    }

    /// Adds a turn to look back at, and lets go of the oldest.
    pub(crate) fn look_back(&mut self, turn: Turn) {
        let history = Arc::make_mut(self.history.get_or_insert_default());
        if history.len() == limits::HISTORY_TURNS_MAX {
            history.pop_front();
        }
        history.push_back(turn);
    }

    /// The receipt of its last step, if it did anything.
    #[must_use]
    pub fn last(&self) -> Option<Receipt> {
        self.last.as_ref().map(Kept::receipt)
    }

    /// Its next turn, if nothing happens before; `None` if only something that happens brings it.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.due
    }

    /// Steps in a row that failed.
    #[must_use]
    pub fn errors(&self) -> u8 {
        self.errors
    }

    /// The resource that it waits for, and how much of it.
    #[must_use]
    pub fn lacks(&self) -> Option<(ResourceId, i64)> {
        match &self.phase {
            Phase::Blocked { resource, need } => Some((*resource, *need)),
            Phase::Ready | Phase::Asleep { .. } | Phase::Thinking { .. } | Phase::Paused | Phase::Stopped => {
                None
            }
        }
    }

    /// The condition it waits for, in words; `None` if it waits only for its turn.
    #[must_use]
    pub fn waits(&self, rules: &Rules) -> Option<String> {
        match &self.phase {
            Phase::Asleep { until, .. } => {
                let words: Vec<String> = until.iter().map(|until| until.words(rules)).collect();
                Some(words.join(", or "))
            }
            Phase::Blocked { resource, need } => {
                Some(format!("{need} of {}", rules.resource_name(*resource)))
            }
            Phase::Paused => Some("something about it to change".into()),
            Phase::Thinking { .. } => Some("its mind to answer".into()),
            Phase::Ready | Phase::Stopped => None,
        }
    }
}
