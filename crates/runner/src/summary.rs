//! The summary of a run, read from the journal: the richest principals, the artifacts built and called, the
//! failures and their reasons, the costs.

use std::collections::{BTreeMap, BTreeSet};

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{
    mind::MindKind,
    op::{Action, OpKind},
    record::{Cause, Effect, EventKind, Handle, Outcome, Record, Why},
    refusal::Code,
    rules::ResourceId,
    time::Time,
    world::World,
};
use serde_json::Value;

use crate::config::Authors;

/// Totals over a journal.
#[derive(Clone, Debug, Default)]
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
    /// The code that failed.
    pub failing: Failures,
    /// Ticks that began after the last record in which somebody did something.
    pub idle_ticks: u64,
    /// The time of that record, or of the beginning, in milliseconds; time in which nothing ran since then is added.
    pub idle_since_ms: i64,
    /// The handle that the next artifact will have.
    next: u32,
}

/// Code that failed: minds, and what actions ran, but for exceptions that an artifact raised itself to refuse.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    /// How often.
    pub count: u64,
    /// Those whose code it was, or who ran it.
    pub whose: BTreeSet<Handle>,
    /// Those who were paused.
    pub paused: BTreeSet<Handle>,
    /// The first.
    pub first: Option<Failure>,
}

/// One failure of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The record.
    pub seq: u64,
    /// The artifact whose code it was, or the one who ran it.
    pub whose: Handle,
    /// The failure on one line.
    pub message: String,
    /// The places in code.
    pub traceback: Option<String>,
}

/// How an artifact was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How often it was called with success.
    pub count: u64,
    /// By how many of them not its owner.
    pub by_others: u64,
}

impl Failure {
    /// The place of the failure: the author's file and the line in it, as far as they are known. `world` is the state
    /// at the end of the journal.
    #[must_use]
    pub fn place(&self, world: &World, authors: &Authors) -> (String, Option<u64>) {
        let place = self.traceback.as_deref().and_then(|traceback| {
            let place = traceback.lines().rev().find_map(|line| line.strip_prefix("  File \""))?;
            let (file, rest) = place.split_once("\", line ")?;
            let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
            Some((file, digits.parse().ok()))
        });
        let whose = world.name(self.whose);
        match place {
            Some((file, line)) if world.lookup(file).is_some() => (authors.name(world, file), line),
            Some((file, line)) => (format!("{file} by {whose}"), line),
            None => (authors.name(world, whose), None),
        }
    }
}

impl Summary {
    /// Reads all of a journal. `world` is the state at its head.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn read(journal: &Journal, world: &World) -> Result<Self, JournalError> {
        let mut summary = Self::default();
        journal.records(1, |record| {
            summary.add(&record, world);
            Ok::<(), JournalError>(())
        })?;
        Ok(summary)
    }

    /// Adds the record that comes next. `world` knows all that it names.
    pub fn add(&mut self, record: &Record, world: &World) {
        let founding = matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
        for effect in &record.effects {
            match effect {
                Effect::Create(_) => {
                    if !founding {
                        self.built.push(Handle(self.next));
                    }
                    self.next += 1;
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
        self.add_failure(record, world);
        self.add_idleness(record);
    }

    fn add_failure(&mut self, record: &Record, world: &World) {
        let is_script = |agent: Handle| {
            world.get(agent).is_some_and(|row| MindKind::of(row.content()) == Ok(MindKind::Script))
        };
        let whose = record.cause.act().map(|(whose, _)| whose);
        let is_mind = match &record.cause {
            Cause::Step { agent, thought, .. } => thought.failed && is_script(*agent),
            _ => false,
        };
        let mut failed = None;
        if let (Some(whose), Outcome::Refused(refusal)) = (whose, &record.outcome)
            && (is_mind || refusal.is_crash)
        {
            let (message, traceback) = (refusal.message.clone(), refusal.traceback().map(str::to_owned));
            failed = Some(Failure { seq: record.seq, whose, message, traceback });
        }
        for event in &record.events {
            match event.kind {
                EventKind::Pause => drop(self.failing.paused.insert(event.actor)),
                EventKind::ContractError => {
                    let (whose, detail) = (event.artifact.unwrap_or(event.actor), event.detail.as_deref());
                    let traceback = detail.filter(|detail| detail.contains('\n')).map(str::to_owned);
                    let last = detail.and_then(|detail| detail.lines().last()).unwrap_or_default();
                    let message = format!("the contract `{}`: {last}", world.name(whose));
                    failed = failed.or(Some(Failure { seq: record.seq, whose, message, traceback }));
                }
                _ => {}
            }
        }
        if let Some(failure) = failed {
            self.failing.count += 1;
            self.failing.whose.insert(failure.whose);
            self.failing.first.get_or_insert(failure);
        }
    }

    /// Counts how long nobody has done anything.
    fn add_idleness(&mut self, record: &Record) {
        match &record.cause {
            Cause::Tick { phase: 0, .. } => self.idle_ticks += 1,
            // Time in which nothing ran.
            Cause::Clock { away_ms } => self.idle_since_ms = self.idle_since_ms.saturating_add(*away_ms),
            Cause::Genesis { .. } => self.deed(record.time),
            Cause::Act { action, .. } if is_deed(record, action.value()) => self.deed(record.time),
            Cause::Step { thought, .. } if is_deed(record, thought.action.value()) => self.deed(record.time),
            Cause::Founding
            | Cause::Tick { .. }
            | Cause::Act { .. }
            | Cause::Step { .. }
            | Cause::Ask { .. }
            | Cause::Short { .. }
            | Cause::Due { .. }
            | Cause::Hook { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => {}
        }
    }

    fn deed(&mut self, at: Time) {
        (self.idle_ticks, self.idle_since_ms) = (0, at.ms());
    }

    /// Scrip paid as prices: what the artifacts of this world earned.
    #[must_use]
    pub fn price_volume(&self) -> i64 {
        self.paid.get(Why::Price.as_str()).map_or(0, |(_, volume)| *volume)
    }
}

/// Whether somebody did something in a record: all but nothing, and what failed.
fn is_deed(record: &Record, action: &Value) -> bool {
    matches!(record.outcome, Outcome::Done(_))
        && Action::parse(action.clone()).is_ok_and(|action| !action.is_noop())
}
