//! Verdicts that are used again: how their work is recorded, and done again on paper.
//!
//! A hit leaves the very receipt that asking would have left. Where it could not, because somebody lacks what the
//! contract would use, the contract is asked.

use serde_json::Value;

use super::{
    Transaction, ask,
    stack::{Actor, Ask, Bearer, Mode, OpTask, Recording, Task},
};
use crate::{
    contract::{Cache, Verdict},
    id::Handle,
    limits,
    op::{Op, OpKind, Permission},
    record::{KeptVerdict, KeyPart, Spending, WorkStep},
    state::State,
};

impl Transaction<'_> {
    /// Begins to record the work of a contract whose code is next on the stack.
    pub(super) fn begin_recording(&mut self, payer: Option<Handle>) {
        self.recording = Some(Recording {
            at: self.stack.len(),
            payer,
            steps: Vec::new(),
            ops_left: self.ops_left,
            runs: self.runs,
            draws: self.draws,
            llm_calls: self.llm_calls,
            output: self.output.len(),
        });
    }

    /// Records a piece of work, if it is of the contract that is recorded.
    pub(super) fn record_step(&mut self, payer: Option<Handle>, step: WorkStep) {
        if matches!(step, WorkStep::Code(0, None | Some(0))) {
            return;
        }
        let depth = self.stack.len();
        let Some(recording) = self.recording.as_mut() else { return };
        if recording.payer == payer
            && depth <= recording.at + 1
            && recording.steps.len() <= limits::VERDICT_STEPS_MAX
        {
            recording.steps.push(step);
        }
    }

    /// Keeps a verdict whose contract allows it: one that costs and changes nothing, and for which the contract
    /// ran by itself. Only what is done is a reason to keep one, never a question or a thought.
    pub(super) fn keep_verdict(
        &mut self,
        actor: Actor,
        op: &Op,
        ask: Ask,
        contract: Handle,
        verdict: &Verdict,
        printed: bool,
    ) {
        let Some(recording) = self.recording.take() else { return };
        let Some(cache) = verdict.cache.as_ref().filter(|cache| cache.ttl_ms > 0) else { return };
        let by_itself = recording.at == self.stack.len()
            && recording.steps.len() <= limits::VERDICT_STEPS_MAX
            && (recording.ops_left, recording.runs + 1, recording.draws, recording.llm_calls)
                == (self.ops_left, self.runs, self.draws, self.llm_calls)
            && recording.output == self.output.len()
            && !printed;
        let is_plain = verdict.cost == 0 && verdict.updates.is_empty();
        if !by_itself || !is_plain || !self.may_keep() {
            return;
        }
        let Some(kept) = self.kept(actor, op, ask, contract, verdict, cache, recording.steps) else { return };
        self.draft.keep_verdict(contract, Some(kept));
    }

    /// Whether what is under way is done, and not only asked or tried.
    fn may_keep(&self) -> bool {
        let asks = |task: &OpTask| task.quote.is_some() || task.op.kind() == OpKind::Query;
        let ops = self.stack.iter().filter_map(|task| match task {
            Task::Op(task) => Some(&**task),
            Task::Code(_) => None,
        });
        self.actor.mode == Mode::Act && self.trial.is_none() && !ops.into_iter().any(asks)
    }

    #[expect(clippy::too_many_arguments, reason = "a verdict is kept with all that it was about")]
    fn kept(
        &self,
        actor: Actor,
        op: &Op,
        ask: Ask,
        contract: Handle,
        verdict: &Verdict,
        cache: &Cache,
        steps: Vec<WorkStep>,
    ) -> Option<KeptVerdict> {
        let (target, row) = (self.draft.artifact(ask.target)?, self.draft.artifact(contract)?);
        let are_old = self.draft.exists_before(ask.target) && self.draft.exists_before(contract);
        are_old.then_some(())?;
        Some(KeptVerdict {
            target: ask.target,
            target_version: target.version,
            target_owner: target.owner,
            contract_version: row.version,
            contract_stored: row.stored,
            values: self.values(&cache.key, actor, op, ask),
            key: cache.key.clone(),
            until: self.now.after_ms(cache.ttl_ms)?,
            allowed: verdict.allowed,
            reason: verdict.reason.clone(),
            steps,
        })
    }

    /// A verdict that was kept and holds, its work done on paper; `None` where the contract is to be asked.
    pub(super) fn used_again(
        &mut self,
        actor: Actor,
        op: &Op,
        ask: Ask,
        contract: Handle,
        bearer: Bearer,
    ) -> Option<Verdict> {
        let world = self.draft.world();
        let (target, row) = (self.draft.artifact(ask.target)?, self.draft.artifact(contract)?);
        let mut known: Option<(&[KeyPart], [u8; 32])> = None;
        let mut found = None;
        for kept in world.kept_verdicts(contract) {
            let stands = kept.target == ask.target
                && kept.target_version == target.version
                && kept.target_owner == target.owner
                && kept.contract_version == row.version
                && kept.contract_stored == row.stored
                && self.now < kept.until;
            if !stands {
                continue;
            }
            let values = match known {
                Some((key, values)) if key == kept.key => values,
                Some(_) | None => self.values(&kept.key, actor, op, ask),
            };
            known = Some((&kept.key, values));
            if values == kept.values {
                found = Some(kept);
            }
        }
        let kept = found?;
        self.settle_top();
        self.has_room_for_steps(bearer.resources, &kept.steps).then_some(())?;
        self.runs += 1;
        let inner = Actor { me: Some(contract), bearer, ..actor };
        for step in &kept.steps {
            self.work_again(inner, contract, *step);
        }
        if self.may_keep() {
            self.draft.keep_verdict(contract, None);
        }
        let reason = kept.reason.as_str();
        Some(if kept.allowed { Verdict::allowed(reason) } else { Verdict::denied(reason) })
    }

    fn has_room_for_steps(&self, payer: Option<Handle>, steps: &[WorkStep]) -> bool {
        let (mut units, mut parts, mut held, mut us) = (0_u64, 0_u64, 0_u64, 0_i64);
        for step in steps {
            match step {
                WorkStep::Host(more) => parts += more,
                WorkStep::Code(more, measured) => {
                    units += more;
                    us = us.saturating_add(measured.unwrap_or(0));
                }
                WorkStep::Held(bytes) => held = held.max(*bytes),
            }
        }
        let units = units + parts / limits::PARTS_PER_WORK + 2;
        self.has_room_for(payer, units, us)
            && self.memory_max(payer) >= held
            && self.draft.has_room_for_run().is_ok()
    }

    fn work_again(&mut self, inner: Actor, contract: Handle, step: WorkStep) {
        let payer = inner.bearer.resources;
        match step {
            WorkStep::Host(parts) => {
                self.look_at_last(inner, parts);
                self.settle(inner);
            }
            WorkStep::Code(units, us) => {
                let me = Some(contract).filter(|contract| self.draft.exists_before(*contract));
                self.use_work(payer, units, us, Spending::Contract(me));
            }
            WorkStep::Held(bytes) => {
                if let Some(payer) = payer {
                    self.draft.hold_memory(payer, self.memory_held(payer).saturating_add(bytes));
                }
            }
        }
    }

    /// BLAKE3 of the values on which a verdict depends, each with its length before it.
    fn values(&self, key: &[KeyPart], actor: Actor, op: &Op, ask: Ask) -> [u8; 32] {
        let called = match op {
            Op::Invoke(invoke) if matches!(ask.action, Permission::Invoke | Permission::Execute) => {
                Some(invoke)
            }
            _ => None,
        };
        let handle = |handle: Option<Handle>| handle.map_or(-1, |handle| i64::from(handle.0));
        let mut bytes = Vec::with_capacity(64);
        for part in key {
            match part {
                KeyPart::Caller => put(&mut bytes, &handle(actor.me).to_le_bytes()),
                KeyPart::Action => put(&mut bytes, ask.action.word().as_bytes()),
                KeyPart::Origin => put(&mut bytes, &handle(actor.origin).to_le_bytes()),
                KeyPart::Method => match op {
                    Op::Invoke(invoke) => put(&mut bytes, invoke.method().as_bytes()),
                    _ => put(&mut bytes, &[]),
                },
                KeyPart::Args => {
                    let args = called.and_then(|invoke| invoke.args.as_ref()).map_or(&[][..], |args| &args.0);
                    put(&mut bytes, Value::from(args).to_string().as_bytes());
                }
                KeyPart::Pay => {
                    let pay = called.and_then(|invoke| invoke.pay).map_or(0, |pay| pay.0);
                    put(&mut bytes, &pay.to_le_bytes());
                }
                KeyPart::Change => {
                    put(&mut bytes, ask::proposed(op).unwrap_or_default().to_string().as_bytes());
                }
                KeyPart::Owner => {
                    let owner = self.draft.artifact(ask.target).map(|target| target.owner);
                    put(&mut bytes, &handle(owner).to_le_bytes());
                }
                KeyPart::Balance => {
                    let scrip = actor.me.map_or(-1, |me| self.scrip(me));
                    put(&mut bytes, &scrip.to_le_bytes());
                }
            }
        }
        *blake3::hash(&bytes).as_bytes()
    }
}

fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value);
}
