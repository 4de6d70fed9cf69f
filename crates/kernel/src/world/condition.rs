//! The condition of agents that get nowhere, and of a run in which nobody gets anywhere. It knows no world.
//!
//! A step is a [`Deed`]; a condition changes by deeds alone. Nothing is kept of an agent that does well.

use std::sync::Arc;

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use crate::{
    id::Handle,
    limits::{
        HEALTH_MALFORMED, HEALTH_REFUSALS, HEALTH_REFUSED, HEALTH_REFUSED_OVER, HEALTH_REPEATS,
        HEALTH_SILENT_STEPS,
    },
    refusal::Code,
    resource::ResourceId,
    words::words,
};

words! {
    /// The ways in which an agent gets nowhere.
    #[derive(PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    Ailment {
        /// Its first steps, or those of the whole run, had no effect.
        Silent = "silent",
        /// The same action or refusal comes again and again.
        Repeating = "repeating",
        /// Most of its last actions were refused.
        Refused = "refused",
        /// Its answers are no actions.
        Malformed = "malformed",
        /// It has not had the capacity for a step for long.
        Starved = "starved",
    }
}

impl Ailment {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The outcome of one step, as far as it tells of an agent's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It returned nothing, or `noop`.
    Nothing,
    /// It went to sleep.
    Rested,
    /// Its client let the turn pass.
    Passed,
    /// Its mind failed.
    Failed(Code),
    /// Its answer was no action.
    Malformed,
    /// It lacked capacity of its own.
    Lacked(ResourceId),
    /// Its action was refused.
    Refused(Code),
    /// It looked at something; the print of the action.
    Looked(u64),
    /// It set what can be set again without a difference; the print of the action.
    Set(u64),
    /// Something moved or came into being, or code was called.
    Acted,
}

impl Deed {
    /// Whether the step left nothing that others may see, and no rest.
    const fn is_idle(self) -> bool {
        match self {
            Self::Nothing
            | Self::Passed
            | Self::Failed(_)
            | Self::Malformed
            | Self::Lacked(_)
            | Self::Refused(_)
            | Self::Looked(_) => true,
            Self::Rested | Self::Set(_) | Self::Acted => false,
        }
    }

    /// Whether it leaves an agent of which nothing is kept as it is.
    pub(crate) const fn is_well(self) -> bool {
        matches!(self, Self::Rested | Self::Acted)
    }
}

/// An outcome that an agent may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Same {
    /// An action that changes nothing when it is repeated, by its print.
    Action(u64),
    /// A refusal.
    Refusal(Code),
}

/// Capacity that an agent has not got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lack {
    /// Since when, in milliseconds of the run.
    pub(crate) since_ms: i64,
    /// Of which resource.
    pub(crate) resource: ResourceId,
    /// When it is to be told, if nothing changes before.
    pub(crate) look_ms: Option<i64>,
}

/// The condition of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Condition {
    /// Steps from its first on, all without effect; 0 once one had an effect.
    idle: u8,
    /// The outcome of its last actions, and how often it came in a row.
    same: Option<Same>,
    times: u8,
    /// Which of its last actions were refused, a bit for each, the latest lowest.
    refused: u16,
    /// Answers in a row that were no actions.
    malformed: u8,
    pub(crate) lack: Option<Lack>,
    /// The ailments it has, by their bits: they were told.
    told: u8,
    /// Those that it ever had.
    ever: u8,
}

impl Condition {
    /// Takes the deed of the step by which an agent has taken `steps` into account.
    pub(crate) fn take(&mut self, deed: Deed, steps: u64) {
        if !deed.is_idle() {
            self.idle = 0;
            self.is_over(Ailment::Silent);
        } else if u64::from(self.idle) + 1 == steps && self.idle < HEALTH_SILENT_STEPS {
            self.idle += 1;
        }
        match deed {
            Deed::Refused(code) => self.again(Same::Refusal(code)),
            Deed::Looked(print) | Deed::Set(print) => self.again(Same::Action(print)),
            Deed::Acted => {
                (self.same, self.times) = (None, 0);
                self.is_over(Ailment::Repeating);
            }
            Deed::Nothing
            | Deed::Rested
            | Deed::Passed
            | Deed::Failed(_)
            | Deed::Malformed
            | Deed::Lacked(_) => {}
        }
        match deed {
            Deed::Refused(_) => self.refused = self.refused << 1 | 1,
            Deed::Looked(_) | Deed::Set(_) | Deed::Acted => self.refused <<= 1,
            Deed::Nothing
            | Deed::Rested
            | Deed::Passed
            | Deed::Failed(_)
            | Deed::Malformed
            | Deed::Lacked(_) => {}
        }
        if self.refusals() <= HEALTH_REFUSED_OVER {
            self.is_over(Ailment::Refused);
        }
        match deed {
            Deed::Malformed => self.malformed = self.malformed.saturating_add(1),
            Deed::Passed | Deed::Failed(_) | Deed::Lacked(_) => {}
            Deed::Nothing
            | Deed::Rested
            | Deed::Refused(_)
            | Deed::Looked(_)
            | Deed::Set(_)
            | Deed::Acted => {
                self.malformed = 0;
                self.is_over(Ailment::Malformed);
            }
        }
    }

    fn again(&mut self, same: Same) {
        if self.same == Some(same) {
            self.times = self.times.saturating_add(1);
        } else {
            (self.same, self.times) = (Some(same), 1);
            self.is_over(Ailment::Repeating);
        }
    }

    /// How many of the last actions were refused.
    pub(crate) const fn refusals(&self) -> u32 {
        self.refused.count_ones()
    }

    /// The outcome that its last actions had, and how often in a row.
    pub(crate) const fn repeated(&self) -> (Option<Same>, u8) {
        (self.same, self.times)
    }

    /// Answers in a row that were no actions.
    pub(crate) const fn malformed(&self) -> u8 {
        self.malformed
    }

    /// Whether its steps tell of an ailment; the clock tells whether it starves.
    pub(crate) const fn shows(&self, ailment: Ailment) -> bool {
        match ailment {
            Ailment::Silent => self.idle == HEALTH_SILENT_STEPS,
            Ailment::Repeating => match self.same {
                Some(Same::Refusal(_)) => self.times >= HEALTH_REFUSALS,
                Some(Same::Action(_)) => self.times >= HEALTH_REPEATS,
                None => false,
            },
            Ailment::Refused => self.refusals() >= HEALTH_REFUSED,
            Ailment::Malformed => self.malformed >= HEALTH_MALFORMED,
            Ailment::Starved => false,
        }
    }

    pub(crate) const fn has(&self, ailment: Ailment) -> bool {
        self.told & ailment.bit() != 0
    }

    /// Keeps that an ailment is told; says whether it is the first time.
    pub(crate) const fn tell(&mut self, ailment: Ailment) -> bool {
        let first = self.ever & ailment.bit() == 0;
        self.told |= ailment.bit();
        self.ever |= ailment.bit();
        first
    }

    pub(crate) const fn is_over(&mut self, ailment: Ailment) {
        self.told &= !ailment.bit();
    }
}

/// How many agents had an ailment, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Which.
    pub ailment: Ailment,
    /// How many agents had it; 0 where it is the whole run that had it.
    pub agents: u32,
    /// The first agent; [`Handle::NOBODY`] for the whole run.
    pub first: Handle,
    /// The event's words on the first.
    pub detail: Arc<str>,
}

/// The health of a world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Health {
    /// Steps since the founding, all without effect; none once something had one, or it was told.
    pub(crate) quiet: Option<u32>,
    /// The ailments that were told, the run's first, then in the order of their words.
    pub(crate) tallies: Vec<Tally>,
    /// When agents that lack something are looked at, in milliseconds of the run, and the numbers of their loops.
    #[serde(skip)]
    pub(crate) looks: OrdSet<(i64, u32)>,
}

impl Default for Health {
    fn default() -> Self {
        Self { quiet: Some(0), tallies: Vec::new(), looks: OrdSet::new() }
    }
}

impl Health {
    /// Counts an agent, or the run, that has an ailment for the first time.
    pub(crate) fn count(&mut self, ailment: Ailment, agent: Handle, detail: &str) {
        let key = (agent != Handle::NOBODY, ailment);
        let place = self.tallies.binary_search_by_key(&key, |tally| (tally.agents > 0, tally.ailment));
        let agents = u32::from(agent != Handle::NOBODY);
        match place {
            Ok(at) => {
                if let Some(tally) = self.tallies.get_mut(at) {
                    tally.agents = tally.agents.saturating_add(agents);
                }
            }
            Err(at) => {
                self.tallies.insert(at, Tally { ailment, agents, first: agent, detail: detail.into() });
            }
        }
    }
}
