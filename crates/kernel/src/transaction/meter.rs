//! The work of an action: one budget for all that it causes, and the one place where CPU is charged for it.
//!
//! Code is counted in units of work by its runtime. The host's own work is counted by calls, rows and bytes,
//! in parts of a unit; each payer's parts add up to units, and the rest below a unit is free.

use std::cell::Cell;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::{
    Transaction,
    stack::{Actor, CodeTask, Task},
};
use crate::{
    code::Meter,
    limits,
    op::{Content, Field, Keep, Op},
    record::{Charge, Handle},
    refusal::{Code, Refusal},
    rules::{CpuMeter, ResourceId, ResourceKind, Rules},
    state::State,
};

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
    left: u64,
    payers: FxHashMap<Handle, Account>,
    /// Parts that the host has worked for the actor under way and that are not on an account yet; and how many
    /// it may, as long as nothing is charged and no other acts.
    looked: Cell<u64>,
    allowed: Cell<Option<u64>>,
    /// Parts of work that nobody pays for: those that are not taken from the budget yet.
    unpaid: Cell<u64>,
}

/// The work of an action that one payer bears.
#[derive(Default)]
struct Account {
    /// Parts of a unit that are not on `units` yet.
    parts: u64,
    /// Units whose price in CPU is that of the rules.
    units: u64,
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
    fn affordable(&self, rules: &Rules, payer: Handle, us: i64) -> u64 {
        let units = self.payers.get(&payer).map_or(0, |account| account.units);
        let paid_us = u128::try_from(rules.cpu_us(units)).unwrap_or(0);
        let ns = (paid_us + u128::try_from(us).unwrap_or(0)) * 1_000;
        let all = u64::try_from(ns / u128::from(rules.cpu_ns_per_work)).unwrap_or(u64::MAX);
        all.saturating_sub(units)
    }

    fn parts_of(&self, payer: Option<Handle>) -> u64 {
        match payer {
            Some(payer) => self.payers.get(&payer).map_or(0, |account| account.parts),
            None => self.unpaid.get(),
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
    const VALUE: u64 = 16;
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

/// Parts for a text of so many bytes that is searched for some words.
pub(super) fn searched(count: usize, words: usize) -> u64 {
    bytes(count).saturating_mul(1 + words as u64)
}

/// Parts for rows that are passed over.
pub(super) fn rows(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_ROW)
}

/// Parts for rows that are shown.
pub(super) fn shown(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_ROW_SHOWN)
}

/// Parts for bytes that are written.
fn written(count: usize) -> u64 {
    (count as u64).saturating_mul(limits::PARTS_PER_BYTE_WRITTEN)
}

/// Parts for a source that is compiled.
pub(super) fn compiled(source: &str) -> u64 {
    (source.len() as u64).saturating_mul(limits::PARTS_PER_SOURCE_BYTE)
}

impl Transaction<'_> {
    /// How many units of work a payer's next piece of work may take, and which bound says so.
    fn room(&self, payer: Option<Handle>) -> (u64, Bound) {
        let mut room = (self.metering.left, Bound::Action);
        let Some(payer) = payer else { return room };
        let rules = self.draft.world().rules();
        let mut at_most = |us: i64, bound: Bound| {
            let units = self.metering.affordable(rules, payer, us);
            if units < room.0 {
                room = (units, bound);
            }
        };
        if let Some((us, at)) = self.agreed_left(payer, ResourceId::CPU) {
            at_most(us, Bound::Agreed(at));
        }
        at_most(self.draft.chargeable(payer, ResourceId::CPU), Bound::Cpu);
        room
    }

    /// The budget of a run that has used `so_far` units, counted from its start, and what bounds it.
    pub(super) fn run_budget(&self, payer: Option<Handle>, so_far: u64) -> (u64, Bound) {
        let per_run = self.draft.world().rules().work_per_run.saturating_sub(so_far);
        let (room, bound) = self.room(payer);
        if room < per_run { (so_far + room, bound) } else { (so_far + per_run, Bound::Run) }
    }

    /// Counts work of the host for an actor, before it is done.
    ///
    /// # Errors
    /// When it goes beyond what the action, the payer's CPU or an agreement allows: it is not counted then.
    pub(super) fn look(&self, actor: Actor, parts: u64) -> Result<(), Refusal> {
        let payer = actor.bearer.resources;
        let looked = self.metering.looked.get().saturating_add(parts);
        let allowed = match self.metering.allowed.get() {
            Some(allowed) => allowed,
            None => {
                let free = limits::PARTS_PER_WORK - 1 - self.metering.parts_of(payer);
                let allowed = self.room(payer).0.saturating_mul(limits::PARTS_PER_WORK).saturating_add(free);
                self.metering.allowed.set(Some(allowed));
                allowed
            }
        };
        if looked > allowed {
            let (have, bound) = self.room(payer);
            let need = (self.metering.parts_of(payer) + looked) / limits::PARTS_PER_WORK;
            return Err(self.out_of_work(payer, bound, need.max(have + 1)));
        }
        self.metering.looked.set(looked);
        Ok(())
    }

    /// Counts work that an actor may not know of: it is taken from the action's budget, and charged to nobody.
    ///
    /// # Errors
    /// When it goes beyond what the action may use.
    pub(super) fn look_unseen(&self, parts: u64) -> Result<(), Refusal> {
        let unpaid = self.metering.unpaid.get().saturating_add(parts);
        let units = unpaid / limits::PARTS_PER_WORK;
        if units > self.metering.left {
            return Err(self.out_of_work(None, Bound::Action, units));
        }
        self.metering.unpaid.set(unpaid);
        Ok(())
    }

    /// Counts work of the host that is done already: what is left, if that is less.
    pub(super) fn look_at_last(&self, actor: Actor, parts: u64) {
        if self.look(actor, parts).is_err() {
            let allowed = self.metering.allowed.get().unwrap_or_default();
            self.metering.looked.set(allowed);
        }
    }

    /// Charges the host's work that was counted for an actor.
    pub(super) fn settle(&mut self, actor: Actor) {
        self.metering.forget_room();
        let looked = self.metering.looked.take();
        let payer = actor.bearer.resources;
        if let Some(payer) = payer {
            let parts = &mut self.metering.payers.entry(payer).or_default().parts;
            let all = parts.saturating_add(looked);
            *parts = all % limits::PARTS_PER_WORK;
            self.use_work(Some(payer), all / limits::PARTS_PER_WORK, None);
        }
        let unpaid = self.metering.unpaid.get() + if payer.is_none() { looked } else { 0 };
        self.metering.unpaid.set(unpaid % limits::PARTS_PER_WORK);
        self.use_work(None, unpaid / limits::PARTS_PER_WORK, None);
    }

    /// Charges the host's work that was counted for the op on top, before another acts.
    pub(super) fn settle_top(&mut self) {
        let actor = match self.stack.last() {
            Some(Task::Op(task)) => task.actor,
            Some(Task::Code(task)) => task.actor,
            None => self.actor,
        };
        self.settle(actor);
    }

    /// Takes units from the action's budget and charges them; `us` is their CPU where it was measured.
    fn use_work(&mut self, payer: Option<Handle>, units: u64, us: Option<i64>) {
        self.metering.left = self.metering.left.saturating_sub(units);
        let Some(payer) = payer else { return };
        let rules = self.draft.world().rules();
        if units == 0 && us.is_none_or(|us| us == 0) {
            return;
        }
        let due = us.unwrap_or_else(|| {
            let account = self.metering.payers.entry(payer).or_default();
            let before_us = rules.cpu_us(account.units);
            account.units = account.units.saturating_add(units);
            rules.cpu_us(account.units) - before_us
        });
        // Measured CPU may be more than was allowed.
        let agreed = self.agreed_left(payer, ResourceId::CPU).map_or(i64::MAX, |(left, _)| left);
        let due = due.min(self.draft.chargeable(payer, ResourceId::CPU)).min(agreed).max(0);
        self.consume(payer, ResourceId::CPU, due, units);
    }

    /// Charges the code on top for what it has used since the last time.
    pub(super) fn charge_code(&mut self, meter: Meter) {
        self.metering.forget_room();
        let measured = self.draft.world().rules().cpu_meter == CpuMeter::Measured;
        let Some(task) = self.top_code() else { return };
        let work = meter.work.max(task.work);
        let cpu_us = i64::try_from(meter.cpu_ns.div_ceil(1_000)).unwrap_or(i64::MAX).max(task.cpu_us);
        let (units, us) = (work - task.work, cpu_us - task.cpu_us);
        (task.work, task.cpu_us) = (work, cpu_us);
        task.memory_bytes = meter.memory_bytes;
        let payer = task.actor.bearer.resources;
        self.use_work(payer, units, measured.then_some(us));
        if let Some(payer) = payer {
            self.draft.hold_memory(payer, self.memory_held(payer));
        }
    }

    /// Memory of the code under way that one payer pays for, in bytes.
    fn memory_held(&self, payer: Handle) -> u64 {
        let tasks = self.stack.iter().filter_map(|task| match task {
            Task::Code(task) if task.actor.bearer.resources == Some(payer) => Some(task.memory_bytes),
            Task::Code(_) | Task::Op(_) => None,
        });
        tasks.fold(0, u64::saturating_add)
    }

    /// The memory that a run may take: what is free of its payer's quota beside the code that waits for it.
    pub(super) fn memory_max(&self, payer: Option<Handle>) -> u64 {
        let most = limits::CODE_MEMORY_BYTES_MAX;
        let Some(payer) = payer else { return most };
        let held = self.memory_held(payer);
        let free = |bytes: i64| u64::try_from(bytes).unwrap_or(0).saturating_sub(held);
        let agreed = self.agreed_left(payer, ResourceId::MEMORY).map_or(most, |(left, _)| free(left));
        let quota = match self.draft.world().rules().kind(ResourceId::MEMORY) {
            ResourceKind::Metered => most,
            _ => free(self.draft.chargeable(payer, ResourceId::MEMORY)),
        };
        most.min(agreed).min(quota)
    }

    /// Takes the charges of a thought over into the action that follows from it.
    pub(super) fn take_over(&mut self, thought: &[Charge]) {
        for charge in thought {
            if charge.resource == ResourceId::MEMORY {
                self.draft.hold_memory(charge.principal, charge.amount.unsigned_abs());
            } else {
                self.draft.charge(charge.principal, charge.resource, charge.amount, charge.work);
            }
        }
    }

    /// The refusal of work beyond a bound; `need` is how many units it would take.
    fn out_of_work(&self, payer: Option<Handle>, bound: Bound, need: u64) -> Refusal {
        let rules = self.draft.world().rules();
        match (bound, payer) {
            (Bound::Cpu, Some(payer)) => self.shortage(payer, ResourceId::CPU, self.price_us(payer, need)),
            (Bound::Agreed(at), Some(payer)) => {
                self.beyond_agreed(at, ResourceId::CPU, self.price_us(payer, need))
            }
            (Bound::Run, _) => {
                let most = rules.work_per_run;
                timeout(format!("one run of code may use {most} units of work"), "work_per_run")
                    .numbers(number(most.saturating_add(need)), number(most))
                    .hint("do less at a time, or in several invocations")
            }
            (Bound::Action | Bound::Agreed(_) | Bound::Cpu, _) => {
                let most = rules.work_per_action;
                let sentence = format!("an action may use {most} units of work, with all that it calls");
                timeout(sentence, "work_per_action")
                    .numbers(number((most - self.metering.left).saturating_add(need)), number(most))
                    .hint("do the rest in another action")
            }
        }
    }

    /// Microseconds of CPU that so many units more would take of a payer.
    fn price_us(&self, payer: Handle, units: u64) -> i64 {
        let rules = self.draft.world().rules();
        let before = self.metering.payers.get(&payer).map_or(0, |account| account.units);
        rules.cpu_us(before.saturating_add(units)) - rules.cpu_us(before)
    }

    /// The refusal that tells why code ran out of work.
    pub(super) fn code_out_of_work(&self, task: &CodeTask) -> Refusal {
        let mut refusal = self.out_of_work(task.actor.bearer.resources, task.bound, 1);
        if refusal.code == Code::CodeTimeout {
            refusal.message = format!("in `{}`: {}", task.file, refusal.message);
        }
        refusal
    }

    /// Charges a run that begins for the least that it uses, so that this is there when it ends.
    pub(super) fn begin_run(&mut self, payer: Option<Handle>) -> Result<(), Refusal> {
        let (units, bound) = self.run_budget(payer, 0);
        if units < RUN_WORK_MIN {
            return Err(self.out_of_work(payer, bound, RUN_WORK_MIN));
        }
        let measured = self.draft.world().rules().cpu_meter == CpuMeter::Measured;
        self.use_work(payer, RUN_WORK_MIN, measured.then_some(RUN_CPU_US_MIN));
        Ok(())
    }

    /// Parts that an op takes by the rows and bytes that it looks at or writes; a query counts as it goes, and
    /// the values that code gives and is given are counted where they are converted.
    pub(super) fn parts_of(&self, op: &Op) -> u64 {
        let text_of = |id: &crate::id::Id, field: Field| {
            let artifact = self.draft.find(id.as_str()).and_then(|handle| self.draft.artifact(handle));
            artifact.map_or(0, |artifact| match field {
                Field::Content => artifact.content.size_bytes(),
                Field::Code => artifact.code.as_ref().map_or(0, |code| code.len()),
            })
        };
        match op {
            Op::Read(op) => {
                let code = if op.code == Some(true) { text_of(&op.artifact, Field::Code) } else { 0 };
                bytes(text_of(&op.artifact, Field::Content) + code)
            }
            Op::Write(op) => {
                let content = set(&op.content).map_or(0, |content: &Content| content.0.size_bytes());
                let code = set(&op.code).map_or(0, |source| source.0.len());
                let interface = set(&op.interface).map_or(0, |interface| interface.0.size_bytes());
                let metadata = set(&op.metadata).map_or(0, |metadata| metadata.0.size_bytes());
                let depends_on = op.depends_on.as_ref().map_or(0, |ids| ids.0.len());
                written(content + code + interface + metadata) + rows(depends_on)
            }
            Op::Edit(op) => {
                let before = text_of(&op.artifact, op.field);
                bytes(before) + written(before + op.new.0.len())
            }
            Op::Store(op) => {
                let value = op.value.0.as_ref().map_or(0, |value| value.0.size_bytes());
                written(op.key.0.len() + value)
            }
            Op::Invoke(op) => rows(op.gifts().len()),
            Op::Sleep(op) => rows(op.any.as_ref().map_or(0, |any| any.0.len())),
            Op::Delete(_) => rows(self.draft.world().rules().resources.len()),
            Op::Noop(_)
            | Op::Run(_)
            | Op::Transfer(_)
            | Op::TransferOwnership(_)
            | Op::SetContract(_)
            | Op::Query(_) => 0,
        }
    }
}

fn set<T>(field: &Keep<T>) -> Option<&T> {
    match field {
        Keep::Set(value) => value.as_ref(),
        Keep::Keep => None,
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A limit of the world that work has reached. It tells of nobody.
fn timeout(sentence: String, key: &str) -> Refusal {
    let mut refusal = Refusal::new(Code::CodeTimeout, format!("{sentence}: the world's `{key}`"));
    refusal.bound = true;
    refusal
}
