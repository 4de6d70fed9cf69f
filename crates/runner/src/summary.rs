//! The summary of a run, read from the journal: the richest principals, the artifacts built and called, the
//! failures and their reasons, the costs.

use std::collections::BTreeMap;

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{
    op::OpKind,
    record::{Cause, Effect, EventKind, Handle, Outcome, Record, Why},
    refusal::Code,
    rules::ResourceId,
    world::World,
};

/// Totals over a journal.
#[derive(Debug, Default)]
pub struct Summary {
    /// Actions that succeeded, steps with nothing to do apart.
    pub actions: u64,
    /// Actions that were refused or failed.
    pub failures: u64,
    /// Invocations by artifact: how often it was called, and what it earned by its price.
    pub calls: BTreeMap<Handle, Calls>,
    /// Artifacts that were made after the founding, in order.
    pub built: Vec<Handle>,
    /// Failures by code, with one message of each.
    pub reasons: BTreeMap<Code, (u64, String)>,
    /// The amounts consumed, by resource.
    pub consumed: BTreeMap<ResourceId, i64>,
    /// The payments by reason: how many, and how much scrip.
    pub paid: BTreeMap<&'static str, (u64, i64)>,
}

/// How an artifact was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How often it was called with success.
    pub count: u64,
    /// By how many of them not its owner.
    pub by_others: u64,
}

impl Summary {
    /// Reads all of a journal. `world` is the state at its head.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn read(journal: &Journal, world: &World) -> Result<Self, JournalError> {
        let mut summary = Self::default();
        let mut next = 0_u32;
        journal.records(1, |record| {
            summary.add(&record, world, &mut next);
            Ok::<(), JournalError>(())
        })?;
        Ok(summary)
    }

    fn add(&mut self, record: &Record, world: &World, next: &mut u32) {
        let founding = matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
        for effect in &record.effects {
            match effect {
                Effect::Create(_) => {
                    if !founding {
                        self.built.push(Handle(*next));
                    }
                    *next += 1;
                }
                Effect::Pay { amount, why, .. } => {
                    let paid = self.paid.entry(why.as_str()).or_default();
                    paid.0 += 1;
                    paid.1 = paid.1.saturating_add(*amount);
                }
                _ => {}
            }
        }
        for charge in &record.charges {
            let sum = self.consumed.entry(charge.resource).or_default();
            *sum = sum.saturating_add(charge.amount);
        }
        for event in &record.events {
            if let (EventKind::Op(OpKind::Invoke), Some(artifact)) = (event.kind, event.artifact) {
                let calls = self.calls.entry(artifact).or_default();
                calls.count += 1;
                let owner = world.get(artifact).map(|artifact| artifact.owner());
                calls.by_others += u64::from(owner != Some(event.actor));
            }
        }
        match (&record.cause, &record.outcome) {
            (Cause::Act { .. } | Cause::Step { .. } | Cause::Hook { .. }, Outcome::Refused(refusal)) => {
                self.failures += 1;
                let reason = self.reasons.entry(refusal.code).or_insert_with(|| (0, refusal.message.clone()));
                reason.0 += 1;
            }
            (Cause::Act { .. } | Cause::Step { .. } | Cause::Hook { .. }, Outcome::Done(_)) => {
                self.actions += 1
            }
            _ => {}
        }
    }

    /// Scrip paid as prices: what the artifacts of this world earned.
    #[must_use]
    pub fn price_volume(&self) -> i64 {
        self.paid.get(Why::Price.as_str()).map_or(0, |(_, volume)| *volume)
    }
}
