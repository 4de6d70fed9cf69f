//! Consent: the most that an op may take of the one who bears its costs, in scrip and in resources.
//!
//! A bound covers all that the op calls, as long as the same principal bears it; of the bounds of several ops
//! under way the tightest holds.

use super::{
    Transaction,
    stack::{Agreed, OpTask, Task},
};
use crate::{
    op::{Op, OpKind, Planned},
    record::{Charge, Handle, Spending},
    refusal::{Code, Refusal},
    rules::ResourceId,
    state::State,
};

impl Transaction<'_> {
    /// The posted price of an invocation; nothing else costs scrip unless it is said.
    pub(super) fn default_bound(&self, op: &Op) -> i64 {
        match op {
            Op::Invoke(invoke) => {
                let artifact = self.draft.find(invoke.artifact.as_str());
                artifact.and_then(|handle| self.draft.artifact(handle)).map_or(0, |artifact| artifact.price)
            }
            _ => 0,
        }
    }

    /// The most of each resource that an op may take of who bears it: what it says, and for an invocation what the
    /// world says of the rest.
    pub(super) fn agreed(&self, planned: &Planned, bearer: Option<Handle>) -> Result<Vec<Agreed>, Refusal> {
        let mut all: Vec<Agreed> = Vec::new();
        let said = planned.max_resources.iter().flat_map(|amounts| amounts.0.iter());
        for (name, most) in said {
            let resource = self.resource(name)?;
            all.push(Agreed { resource, most: *most, used: 0, before: self.in_use(bearer, resource) });
        }
        if planned.op.kind() == OpKind::Invoke {
            for (resource, most) in &self.draft.world().rules().resources_per_invoke {
                if all.iter().all(|agreed| agreed.resource != *resource) {
                    let (resource, most, before) = (*resource, *most, self.in_use(bearer, *resource));
                    all.push(Agreed { resource, most, used: 0, before });
                }
            }
        }
        Ok(all)
    }

    /// How much disk a principal has in use; 0 of all else, whose use is charged.
    fn in_use(&self, who: Option<Handle>, resource: ResourceId) -> i64 {
        let number = who.and_then(|who| self.draft.artifact(who)).and_then(|artifact| artifact.account);
        match number {
            Some(number) if resource == ResourceId::DISK => {
                State::cell(&self.draft, number, resource).map_or(0, |cell| cell.used)
            }
            Some(_) | None => 0,
        }
    }

    /// How much an op has taken of a resource so far: of disk, by how much its use has grown.
    fn taken(&self, agreed: &Agreed, bearer: Option<Handle>) -> i64 {
        agreed.used.saturating_add(self.in_use(bearer, agreed.resource)).saturating_sub(agreed.before)
    }

    /// The ops under way whose resources a principal bears, each with its place.
    fn borne_by(&self, payer: Handle) -> impl Iterator<Item = (usize, &OpTask)> {
        self.stack.iter().enumerate().filter_map(move |(at, task)| match task {
            Task::Op(task) if task.actor.bearer.resources == Some(payer) => Some((at, &**task)),
            Task::Op(_) | Task::Code(_) => None,
        })
    }

    /// How much of a resource the ops under way may still take of a principal, and the place of the op that says so.
    pub(super) fn agreed_left(&self, payer: Handle, resource: ResourceId) -> Option<(i64, usize)> {
        let all =
            self.borne_by(payer).flat_map(|(at, task)| task.agreed.iter().map(move |agreed| (agreed, at)));
        let of = all.filter(|(agreed, _)| agreed.resource == resource);
        let left = of.map(|(agreed, at)| (agreed.most.saturating_sub(self.taken(agreed, Some(payer))), at));
        left.min_by_key(|(left, _)| *left)
    }

    /// Refuses what would take more of a resource than was agreed.
    pub(super) fn check_agreed(
        &self,
        payer: Handle,
        resource: ResourceId,
        amount: i64,
    ) -> Result<(), Refusal> {
        match self.agreed_left(payer, resource) {
            Some((left, at)) if left < amount => Err(self.beyond_agreed(at, resource, amount)),
            Some(_) | None => Ok(()),
        }
    }

    /// The refusal of an amount more of a resource than the op at a place may take.
    pub(super) fn beyond_agreed(&self, at: usize, resource: ResourceId, amount: i64) -> Refusal {
        let name = self.draft.world().rules().resource_name(resource);
        let task = match self.stack.get(at) {
            Some(Task::Op(task)) => Some(task),
            Some(Task::Code(_)) | None => None,
        };
        let agreed = task.and_then(|task| task.agreed.iter().find(|agreed| agreed.resource == resource));
        let bearer = task.and_then(|task| task.actor.bearer.resources);
        let (most, used) = agreed.map_or((0, 0), |agreed| (agreed.most, self.taken(agreed, bearer)));
        let op = task.map_or(OpKind::Invoke, |task| task.op.kind());
        let total = used.saturating_add(amount);
        let sentence = format!("it would take {total} of `{name}`, and this `{op}` may take {most}");
        let mut refusal = Refusal::new(Code::LimitExceeded, sentence).numbers(total, most).hint(format!(
            "name `max_resources` on the `{op}`, with at least {total} of `{name}`, to allow it"
        ));
        if let Some(who) = task.and_then(|task| task.actor.me.or(task.actor.bearer.resources)) {
            let without = format!("it would take more of `{name}` than this `{op}` may take");
            let hint = format!("a larger `max_resources` on the `{op}` would allow it");
            refusal = refusal.about(who, without, Some(hint));
        }
        refusal.bound = true;
        refusal
    }

    /// Charges what was seen to be chargeable, and counts it against every bound that it falls under.
    pub(super) fn consume(&mut self, charge: Charge) {
        let Charge { principal: payer, resource, amount, .. } = charge;
        self.metering.forget_room();
        // A thought is one thing to who bears it.
        let of = if self.is_thought() { Spending::Thought } else { charge.of };
        self.draft.charge(Charge { of, ..charge });
        for task in &mut self.stack {
            let Task::Op(task) = task else { continue };
            if task.actor.bearer.resources == Some(payer) {
                let all = task.agreed.iter_mut().filter(|agreed| agreed.resource == resource);
                all.for_each(|agreed| agreed.used = agreed.used.saturating_add(amount));
            }
        }
    }

    /// Refuses an effect after which an op has taken more disk of its bearer than was agreed.
    pub(super) fn check_disk_agreed(&self) -> Result<(), Refusal> {
        for (at, task) in self.stack.iter().enumerate() {
            let Task::Op(task) = task else { continue };
            let agreed = task.agreed.iter().find(|agreed| agreed.resource == ResourceId::DISK);
            if agreed.is_some_and(|agreed| self.taken(agreed, task.actor.bearer.resources) > agreed.most) {
                return Err(self.beyond_agreed(at, ResourceId::DISK, 0));
            }
        }
        Ok(())
    }

    /// Counts a price against every bound it falls under (`DESIGN.md §7`, consent).
    pub(super) fn consent(&mut self, payer: Handle, amount: i64) -> Result<(), Refusal> {
        if let Some(quote) = self.top_op().and_then(|task| task.quote.as_mut()) {
            quote.spend = quote.spend.saturating_add(amount);
            return Ok(());
        }
        let mut ops: Vec<&mut OpTask> = Vec::new();
        for task in &mut self.stack {
            if let Task::Op(task) = task
                && task.actor.bearer.prices == Some(payer)
            {
                ops.push(task);
            }
        }
        for task in &ops {
            // A sum beyond `i64` is beyond every bound.
            if task.spent.checked_add(amount).is_none_or(|total| total > task.bound) {
                let total = task.spent.saturating_add(amount);
                let op = task.op.kind();
                let sentence =
                    format!("prices would take {total} scrip, and this `{op}` may spend {}", task.bound);
                let mut refusal = Refusal::new(Code::LimitExceeded, sentence)
                    .numbers(total, task.bound)
                    .hint(format!("name `max_spend`, at least {total}, on the `{op}` to allow it"))
                    .about(
                        task.actor.me.unwrap_or(payer),
                        format!("prices would take more scrip than this `{op}` may spend"),
                        Some(format!("a larger `max_spend` on the `{op}` would allow it")),
                    );
                refusal.bound = true;
                return Err(refusal);
            }
        }
        for task in ops {
            task.spent += amount;
        }
        self.prices.push((payer, amount));
        Ok(())
    }

    /// Takes back the prices of an op that failed from the bounds above it.
    pub(super) fn refund(&mut self, from: usize) {
        for (payer, amount) in self.prices.split_off(from) {
            for task in &mut self.stack {
                if let Task::Op(task) = task
                    && task.actor.bearer.prices == Some(payer)
                {
                    task.spent -= amount;
                }
            }
        }
    }
}
