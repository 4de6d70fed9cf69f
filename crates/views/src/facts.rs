//! Facts that records add up to, and no state has: who paid whom, prices as they were, which records tell of whom.
//!
//! They are added record by record, so that a world that goes on is read once.

use std::collections::{BTreeMap, VecDeque};

use oikos_runner::{
    Summary,
    kernel::{
        event::{Event, EventKind},
        id::Handle,
        op_kind::OpKind,
        record::{Cause, Effect, Outcome, Record, Use, Why},
        resource::ResourceId,
        rules::Execution,
        time::Time,
        world::World,
    },
};

use crate::{
    buckets::{Buckets, Part},
    deals::Deals,
    decisions::Decisions,
};

/// The most records that are remembered of an artifact, of either kind.
const RECENT_MAX: usize = 24;
/// The most events that stand out.
const MARKS_MAX: usize = 400;
/// The most prices of an artifact that are remembered, the first and the last ones.
const PRICES_MAX: usize = 200;

/// Facts up to a record.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The last record that was added.
    pub(crate) seq: u64,
    /// Totals.
    pub(crate) totals: Summary,
    /// The parts of the world's time.
    pub(crate) buckets: Buckets,
    /// Payments by payer, payee and reason.
    pub(crate) trades: BTreeMap<(Handle, Handle, Why), Trade>,
    /// Uses of artifacts by those who bear their prices.
    pub(crate) users: BTreeMap<(Handle, Handle), Trade>,
    /// Payments for artifacts: their prices, and the costs that contracts asked.
    pub(crate) sales: BTreeMap<Handle, Trade>,
    /// The prices of artifacts since a record, in order.
    pub(crate) prices: BTreeMap<Handle, Vec<(u64, Time, i64)>>,
    /// Events that stand out, in order.
    pub(crate) marks: Vec<Mark>,
    /// The number of those that were left out.
    pub(crate) marks_more: u64,
    /// Decisions by contracts in Python.
    pub(crate) decisions: Decisions,
    /// Sales through escrow.
    pub(crate) deals: Deals,
    /// By handle.
    recent: Vec<Option<Box<Recent>>>,
    /// The records that made the artifacts, by handle.
    made: Vec<u64>,
}

/// Payments or uses: how many, and how much scrip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trade {
    /// Their number.
    pub count: u64,
    /// The scrip of all of them.
    pub scrip: i64,
}

/// An event that stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq: u64,
    pub(crate) time: Time,
    pub(crate) kind: EventKind,
    pub(crate) actor: Handle,
    pub(crate) artifact: Option<Handle>,
    pub(crate) detail: Option<String>,
}

/// The last records that tell of an artifact.
#[derive(Clone, Debug, Default)]
struct Recent {
    /// Those in which it acted.
    own: VecDeque<u64>,
    /// Those in which something was done to it.
    about: VecDeque<u64>,
    /// Those in which its fields or its owner changed.
    changed: VecDeque<u64>,
}

/// The part of an artifact in a record.
#[derive(Clone, Copy)]
enum Kind {
    Own,
    About,
    Changed,
}

impl Trade {
    fn add(&mut self, scrip: i64) {
        self.count += 1;
        self.scrip = self.scrip.saturating_add(scrip);
    }
}

impl Facts {
    /// The facts of no record.
    #[must_use]
    pub fn none() -> Self {
        Self {
            seq: 0,
            totals: Summary::default(),
            buckets: Buckets::from(Time::default(), 1),
            trades: BTreeMap::new(),
            users: BTreeMap::new(),
            sales: BTreeMap::new(),
            prices: BTreeMap::new(),
            marks: Vec::new(),
            marks_more: 0,
            decisions: Decisions::default(),
            deals: Deals::default(),
            recent: Vec::new(),
            made: Vec::new(),
        }
    }

    /// The last record that was added.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Adds the record that comes next. `world` knows all that it names.
    pub fn add(&mut self, record: &Record, world: &World) {
        if self.seq == 0 {
            let least_ms = match world.rules().execution {
                Execution::Tick { ms } => ms,
                Execution::Autonomous { .. } => 1,
            };
            self.buckets = Buckets::from(world.rules().start, least_ms);
        }
        self.seq = record.seq;
        self.totals.add(record, world);
        let mut part = Part { last_seq: record.seq, ..Part::default() };
        self.add_cause(record, &mut part);
        let founding = matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
        for effect in &record.effects {
            self.add_effect(record, effect, founding, &mut part);
        }
        self.decisions.add(record, world);
        self.deals.add(record, world);
        let of_cpu = record.charges.iter().filter(|charge| charge.resource == ResourceId::CPU);
        part.cpu_us = of_cpu.fold(0, |sum: i64, charge| sum.saturating_add(charge.amount));
        if !founding {
            for event in &record.events {
                self.add_event(record, event, &mut part);
            }
        }
        self.buckets.add(record.time, &part);
    }

    fn add_cause(&mut self, record: &Record, part: &mut Part) {
        let Some((actor, _)) = record.cause.act() else { return };
        match &record.outcome {
            Outcome::Done(_) => part.actions += 1,
            Outcome::Refused(_) => part.refused += 1,
            // A step in which nothing was done would push out those that say something.
            Outcome::Nothing => return,
        }
        self.remember(actor, Kind::Own, record.seq);
    }

    fn add_effect(&mut self, record: &Record, effect: &Effect, founding: bool, part: &mut Part) {
        match effect {
            Effect::Create(new) => {
                let made = self.next();
                self.made.push(record.seq);
                self.decisions.put_under(made, new.access_contract);
                if new.price > 0 {
                    self.add_price(record, made, new.price);
                }
                if !founding {
                    self.remember(made, Kind::About, record.seq);
                }
            }
            Effect::Change { artifact, change, .. } => {
                if let Some(price) = change.price {
                    self.add_price(record, *artifact, price);
                }
                if let Some(contract) = change.access_contract {
                    self.decisions.put_under(*artifact, contract);
                }
                self.remember(*artifact, Kind::About, record.seq);
                self.remember(*artifact, Kind::Changed, record.seq);
            }
            Effect::Own { artifact, .. } => {
                self.remember(*artifact, Kind::About, record.seq);
                self.remember(*artifact, Kind::Changed, record.seq);
            }
            Effect::Delete { artifact, .. } => self.remember(*artifact, Kind::About, record.seq),
            Effect::Pay { from, to, amount, why, of } => {
                self.trades.entry((*from, *to, *why)).or_default().add(*amount);
                if matches!(why, Why::Price | Why::ContractCost) {
                    part.paid = part.paid.saturating_add(*amount);
                    of.iter().for_each(|of| self.sales.entry(*of).or_default().add(*amount));
                }
                if *why != Why::Heir {
                    self.remember(*to, Kind::About, record.seq);
                }
            }
            Effect::Mint { amount, to, .. } => {
                part.minted = part.minted.saturating_add(*amount);
                self.remember(*to, Kind::About, record.seq);
            }
            Effect::Use(Use { artifact, customer, price }) => {
                if let Some(customer) = customer {
                    self.users.entry((*artifact, *customer)).or_default().add(*price);
                }
            }
            Effect::Endow { amount, .. } => part.minted = part.minted.saturating_add(*amount),
            Effect::Allot { .. }
            | Effect::Move { .. }
            | Effect::Lapse { .. }
            | Effect::Rate { .. }
            | Effect::Store { .. }
            | Effect::Sleep { .. }
            | Effect::Fail { .. }
            | Effect::Mandate { .. }
            | Effect::Draw { .. }
            | Effect::Remember { .. }
            | Effect::Forget { .. }
            | Effect::Verdicts { .. }
            | Effect::Grow { .. } => {}
        }
    }

    /// The handle of the next artifact.
    fn next(&self) -> Handle {
        Handle(u32::try_from(self.made.len()).unwrap_or(u32::MAX))
    }

    fn add_price(&mut self, record: &Record, artifact: Handle, price: i64) {
        let prices = self.prices.entry(artifact).or_default();
        if prices.last().is_some_and(|(_, _, before)| *before == price) {
            return;
        }
        if prices.len() >= PRICES_MAX {
            prices.remove(PRICES_MAX / 2);
        }
        prices.push((record.seq, record.time, price));
    }

    fn add_event(&mut self, record: &Record, event: &Event, part: &mut Part) {
        for about in [event.artifact, event.to].into_iter().flatten() {
            self.remember(about, Kind::About, record.seq);
        }
        let is_ill = matches!(event.kind, EventKind::Health | EventKind::Pause | EventKind::Freeze);
        part.ills += u64::from(is_ill);
        let stands_out = is_ill
            || matches!(
                event.kind,
                EventKind::Rescue
                    | EventKind::ContractError
                    | EventKind::Op(OpKind::Mint)
                    | EventKind::Runtime
            );
        if !stands_out {
            return;
        }
        if self.marks.len() >= MARKS_MAX {
            self.marks_more += 1;
            return;
        }
        let detail = event.detail.as_deref().map(|detail| crate::text::first_bytes(detail, 600).to_owned());
        self.marks.push(Mark {
            seq: record.seq,
            time: record.time,
            kind: event.kind,
            actor: event.actor,
            artifact: event.artifact,
            detail,
        });
    }

    /// Remembers that a record tells of an artifact.
    fn remember(&mut self, who: Handle, kind: Kind, seq: u64) {
        let at = who.0 as usize;
        // Nobody has no place among the artifacts.
        if who == Handle::NOBODY {
            return;
        }
        if self.recent.len() <= at {
            self.recent.resize(at + 1, None);
        }
        let Some(recent) = self.recent.get_mut(at) else { return };
        let recent = recent.get_or_insert_default();
        let list = match kind {
            Kind::Own => &mut recent.own,
            Kind::About => &mut recent.about,
            Kind::Changed => &mut recent.changed,
        };
        if list.back() == Some(&seq) {
            return;
        }
        if list.len() == RECENT_MAX {
            list.pop_front();
        }
        list.push_back(seq);
    }

    /// The last records in which an artifact acted, the earliest first.
    pub(crate) fn acts_of(&self, who: Handle) -> impl Iterator<Item = u64> {
        let recent = self.recent.get(who.0 as usize).and_then(Option::as_ref);
        recent.into_iter().flat_map(|recent| recent.own.iter().copied())
    }

    /// The last records in which something was done to an artifact, the earliest first.
    pub(crate) fn told_of(&self, who: Handle) -> impl Iterator<Item = u64> {
        let recent = self.recent.get(who.0 as usize).and_then(Option::as_ref);
        recent.into_iter().flat_map(|recent| recent.about.iter().copied())
    }

    /// The last records in which its fields or its owner changed, the earliest first.
    pub(crate) fn changes_of(&self, who: Handle) -> impl Iterator<Item = u64> {
        let recent = self.recent.get(who.0 as usize).and_then(Option::as_ref);
        recent.into_iter().flat_map(|recent| recent.changed.iter().copied())
    }

    /// The record that made an artifact.
    pub(crate) fn made(&self, who: Handle) -> Option<u64> {
        self.made.get(who.0 as usize).copied()
    }
}
