//! The meter of an action: its one budget of work, each payer's account of it, and what the host's work takes.
//!
//! Code is counted in units of work by its runtime. The host's own work is counted by calls, rows and bytes,
//! in parts of a unit; each payer's parts add up to units, and the rest below a unit is free.

use std::cell::Cell;

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::{id::Handle, limits, rules::Rules};

/// Units of work that every run of code uses at least, and microseconds where they are measured.
pub(super) const RUN_WORK_MIN: u64 = 1;
pub(super) const RUN_CPU_US_MIN: i64 = 1;

/// The bound that ends code, or refuses work of the host, when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// `[execution] work_per_run`.
    Run,
    /// `[execution] work_per_action`.
    Action,
    /// The `max_resources` of the op at this place of the stack.
    Agreed(usize),
    /// The CPU that the payer has.
    Cpu,
}

/// The meter of one action.
pub(super) struct Metering {
    /// Units of work that the action may still use.
    pub(super) left: u64,
    pub(super) payers: FxHashMap<Handle, Account>,
    /// Parts that the host has worked for the actor under way and that are not on an account yet; and how many
    /// it may, as long as nothing is charged and no other acts.
    pub(super) looked: Cell<u64>,
    pub(super) allowed: Cell<Option<u64>>,
    /// Parts of work that nobody pays for: those that are not taken from the budget yet.
    pub(super) unpaid: Cell<u64>,
}

/// The work of an action that one payer bears.
#[derive(Default)]
pub(super) struct Account {
    /// Parts of a unit that are not on `units` yet.
    pub(super) parts: u64,
    /// Units whose price in CPU is that of the rules.
    pub(super) units: u64,
}

impl Metering {
    pub(super) fn new(work_max: u64) -> Self {
        Self {
            left: work_max,
            payers: FxHashMap::default(),
            looked: Cell::new(0),
            allowed: Cell::new(None),
            unpaid: Cell::new(0),
        }
    }

    /// Something was charged or agreed: how much may still be done is to be found anew.
    pub(super) fn forget_room(&self) {
        self.allowed.set(None);
    }

    /// How many units more a payer's microseconds pay for.
    pub(super) fn affordable(&self, rules: &Rules, payer: Handle, us: i64) -> u64 {
        let units = self.payers.get(&payer).map_or(0, |account| account.units);
        let paid_us = u128::try_from(rules.cpu_us(units)).unwrap_or(0);
        let ns = (paid_us + u128::try_from(us).unwrap_or(0)) * 1_000;
        let all = u64::try_from(ns / u128::from(rules.cpu_ns_per_work)).unwrap_or(u64::MAX);
        all.saturating_sub(units)
    }

    /// Parts below a unit that a payer, or nobody, has used.
    pub(super) fn parts_of(&self, payer: Option<Handle>) -> u64 {
        match payer {
            Some(payer) => self.payers.get(&payer).map_or(0, |account| account.parts),
            None => self.unpaid.get() % limits::PARTS_PER_WORK,
        }
    }
}

/// Parts for values that are converted: those that fill no page are part of the call.
pub(super) fn converted<'v>(values: impl IntoIterator<Item = &'v Value>) -> u64 {
    let pages = values.into_iter().map(weight).fold(0, u64::saturating_add) / limits::PAGE_BYTES;
    pages.saturating_mul(limits::PAGE_BYTES).saturating_mul(limits::PARTS_PER_BYTE)
}

/// Bytes of a JSON value as it is converted: those of its texts, and some for each value.
fn weight(value: &Value) -> u64 {
    const VALUE: u64 = 24;
    let text = |text: &str| text.len() as u64;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => VALUE,
        Value::String(string) => VALUE + text(string),
        Value::Array(items) => VALUE + items.iter().map(weight).sum::<u64>(),
        Value::Object(map) => VALUE + map.iter().map(|(key, item)| text(key) + weight(item)).sum::<u64>(),
    }
}

/// Parts for bytes that are read, searched or converted.
pub(super) fn bytes(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_BYTE)
}

/// Parts for a text that is searched, with all the words of one query: letters beyond ASCII take longer to compare
/// in any case.
pub(super) fn searched(text: &str) -> u64 {
    let count = text.len() as u64;
    if text.is_ascii() {
        count / limits::BYTES_SEARCHED_PER_PART
    } else {
        count.saturating_mul(limits::PARTS_PER_BYTE_SEARCHED)
    }
}

/// Parts for rows that are passed over.
pub(super) fn rows(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_ROW)
}

/// Parts for a text whose words are told apart.
pub(super) fn words(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_BYTE_OF_WORDS)
}

/// Parts for rows that are shown.
pub(super) fn shown(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_ROW_SHOWN)
}

/// Parts for bytes that are written.
pub(super) fn written(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_BYTE_WRITTEN)
}

/// Parts for a source that is compiled.
pub(super) fn compiled(source: &str) -> u64 {
    (source.len() as u64).saturating_mul(limits::PARTS_PER_SOURCE_BYTE)
}
