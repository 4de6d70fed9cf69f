//! The work of an action: the one place where it is bounded, and where CPU is charged for it.

use super::{
    Transaction,
    meter::{Bound, RUN_CPU_US_MIN, RUN_WORK_MIN, bytes, rows, words, written},
    stack::{Actor, CodeTask, Task},
};
use crate::{
    code::Meter,
    id::{Handle, Id},
    limits,
    op::{Content, Field, Keep, Op},
    record::{Charge, Spending, WorkStep},
    refusal::{Code, Refusal},
    rules::{CpuMeter, ResourceId, ResourceKind},
    state::State,
};

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

    /// Whether a payer surely has so much work left, and CPU where it was measured.
    pub(super) fn has_room_for(&self, payer: Option<Handle>, units: u64, us: i64) -> bool {
        let cpu = payer.is_none_or(|payer| self.draft.chargeable(payer, ResourceId::CPU) >= us);
        cpu && self.room(payer).0 >= units
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
        if looked > 0 {
            self.record_step(actor.bearer.resources, WorkStep::Host(looked));
        }
        let payer = actor.bearer.resources;
        if let Some(payer) = payer {
            let parts = &mut self.metering.payers.entry(payer).or_default().parts;
            let all = parts.saturating_add(looked);
            *parts = all % limits::PARTS_PER_WORK;
            self.use_work(Some(payer), all / limits::PARTS_PER_WORK, None, Spending::Host);
        }
        let unpaid = self.metering.unpaid.get() + if payer.is_none() { looked } else { 0 };
        self.metering.unpaid.set(unpaid % limits::PARTS_PER_WORK);
        self.use_work(None, unpaid / limits::PARTS_PER_WORK, None, Spending::Host);
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
    pub(super) fn use_work(&mut self, payer: Option<Handle>, units: u64, us: Option<i64>, of: Spending) {
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
        self.consume(Charge { principal: payer, resource: ResourceId::CPU, amount: due, work: units, of });
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
        let memory = meter.memory_bytes;
        task.memory_bytes = memory;
        let (payer, of) = (task.actor.bearer.resources, task.of);
        let us = measured.then_some(us);
        self.record_step(payer, WorkStep::Code(units, us));
        if memory > 0 {
            self.record_step(payer, WorkStep::Held(memory));
        }
        self.use_work(payer, units, us, of);
        if let Some(payer) = payer {
            self.draft.hold_memory(payer, self.memory_held(payer));
        }
    }

    /// Memory of the code under way that one payer pays for, in bytes.
    pub(super) fn memory_held(&self, payer: Handle) -> u64 {
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
                self.draft.charge(*charge);
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
            (Bound::Action | Bound::Agreed(_) | Bound::Cpu, _) if self.trial.is_some() => {
                let refusal =
                    Refusal::new(Code::CodeTimeout, "a trial may use the units of work that it was given");
                refusal.hint("name more of them as `trial`")
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
            refusal.is_crash = true;
            refusal.message = format!("in `{}`: {}", task.file, refusal.message);
        }
        refusal
    }

    /// Charges so many units at once, if a payer can bear them.
    pub(super) fn take_work(
        &mut self,
        payer: Option<Handle>,
        units: u64,
        of: Spending,
    ) -> Result<(), Refusal> {
        let (room, bound) = self.room(payer);
        if room < units {
            return Err(self.out_of_work(payer, bound, units));
        }
        self.use_work(payer, units, None, of);
        Ok(())
    }

    /// Charges a run that begins for the least that it uses, so that this is there when it ends.
    pub(super) fn begin_run(&mut self, payer: Option<Handle>, of: Spending) -> Result<(), Refusal> {
        self.draft.has_room_for_run().map_err(|guard| self.refusal(guard))?;
        let (units, bound) = self.run_budget(payer, 0);
        if units < RUN_WORK_MIN {
            return Err(self.out_of_work(payer, bound, RUN_WORK_MIN));
        }
        let measured = self.draft.world().rules().cpu_meter == CpuMeter::Measured;
        let us = measured.then_some(RUN_CPU_US_MIN);
        self.record_step(payer, WorkStep::Code(RUN_WORK_MIN, us));
        self.use_work(payer, RUN_WORK_MIN, us, of);
        Ok(())
    }

    /// Parts that an op takes by the rows and bytes that it looks at or writes; a query counts as it goes, and
    /// the values that code gives and is given are counted where they are converted.
    pub(super) fn parts_of(&self, op: &Op) -> u64 {
        let text_of = |id: &Id, field: Field| {
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
                let metadata = metadata + set(&op.policy).map_or(0, |policy| policy.kept.size_bytes());
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
            Op::Remember(op) => {
                let tags = op.tags.iter().flat_map(|tags| tags.0.iter().map(|tag| tag.len()));
                words(op.text.0.len()) + written(tags.sum::<usize>())
            }
            Op::Invoke(op) => rows(op.gifts().len()),
            Op::Sleep(op) => rows(op.any.as_ref().map_or(0, |any| any.0.len())),
            Op::Delete(_) => rows(self.draft.world().rules().resources.len()),
            Op::Noop(_)
            | Op::Run(_)
            | Op::Transfer(_)
            | Op::Mandate(_)
            | Op::Charge(_)
            | Op::TransferOwnership(_)
            | Op::SetContract(_)
            | Op::Mint(_)
            | Op::Forget(_)
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
