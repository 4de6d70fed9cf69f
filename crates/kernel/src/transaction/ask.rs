//! The one permission path: every op asks the target's contract here (`DESIGN.md §7`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Next, Transaction,
    stack::{Actor, Ask, Bearer, Mode, Purpose},
};
use crate::{
    artifact::Artifact,
    code::{CallInfo, Entry},
    contract::{Native, Resources, Verdict, by_policy},
    limits,
    op::{Gift, Keep, Op, Permission, What},
    record::{EventKind, Handle},
    refusal::{Code, Refusal},
    rules::{Authority, Missing},
    state::State,
};

impl Transaction<'_> {
    /// The artifact of an id that an op names, tombstones excepted.
    pub(super) fn target(&self, id: &crate::id::Id) -> Result<Handle, Refusal> {
        let handle = self.draft.find(id.as_str());
        match handle.and_then(|handle| self.draft.artifact(handle)).map(|artifact| artifact.deleted) {
            Some(false) => handle.ok_or_else(|| not_found(id)),
            Some(true) => Err(Refusal::new(Code::NotFound, format!("`{id}` was deleted"))),
            None => Err(not_found(id)),
        }
    }

    /// The permissions that an op needs: the table of `DESIGN.md §5`.
    pub(super) fn asks(&self, actor: Actor, op: &Op) -> Result<Vec<Ask>, Refusal> {
        let ask = |action, id| self.target(id).map(|target| vec![Ask { action, target }]);
        match op {
            Op::Read(op) => ask(Permission::Read, &op.artifact),
            Op::Write(op) => match self.draft.find(op.artifact.as_str()) {
                None => Ok(Vec::new()),
                Some(handle) if self.draft.artifact(handle).is_some_and(|artifact| artifact.deleted) => {
                    let sentence = format!("`{}` was deleted, and an id is never used again", op.artifact);
                    Err(Refusal::new(Code::AlreadyExists, sentence).hint("choose another id"))
                }
                Some(target) => Ok(vec![Ask { action: Permission::Write, target }]),
            },
            Op::Edit(op) => ask(Permission::Write, &op.artifact),
            Op::Delete(op) => ask(Permission::Delete, &op.artifact),
            Op::Invoke(op) => {
                let mut asks = ask(Permission::Invoke, &op.artifact)?;
                for gift in op.gifts() {
                    if let Gift::Artifact(id) = gift {
                        asks.extend(ask(Permission::Transfer, id)?);
                    }
                }
                Ok(asks)
            }
            Op::TransferOwnership(op) => ask(Permission::Transfer, &op.artifact),
            Op::SetContract(op) => ask(Permission::Write, &op.artifact),
            Op::Remember(op) => self.ask_memory(actor, Permission::Write, op.artifact.as_ref()),
            Op::Forget(op) => self.ask_memory(actor, Permission::Write, op.artifact.as_ref()),
            // An observer may see all.
            Op::Query(op) if op.what == What::Recall && actor.me.is_some() => {
                op.check_fields()?;
                self.ask_memory(actor, Permission::Read, op.artifact.as_ref())
            }
            Op::Noop(_)
            | Op::Run(_)
            | Op::Transfer(_)
            | Op::Mandate(_)
            | Op::Charge(_)
            | Op::Store(_)
            | Op::Sleep(_)
            | Op::Mint(_)
            | Op::Query(_) => Ok(Vec::new()),
        }
    }

    /// Puts a question to the target's contract.
    pub(super) fn judge(&mut self, actor: Actor, op: &Op, ask: Ask) -> Next {
        let Some(target) = self.draft.artifact(ask.target) else {
            return self.verdict(actor, op, ask, None, Verdict::denied("the target does not exist"));
        };
        let (owner, contract) = (target.owner, target.access_contract);
        if self.draft.world().rules().authority == Authority::Policy {
            let verdict = self.by_policy(actor, ask, target);
            return self.verdict(actor, op, ask, None, verdict);
        }
        if let Some(native) = Native::of(contract) {
            let verdict = native.decide(actor.me, ask.action, ask.target, owner);
            return self.verdict(actor, op, ask, None, verdict);
        }
        let code = match self.draft.artifact(contract) {
            Some(artifact) if !artifact.deleted => artifact.code.clone(),
            _ => {
                let missing = self.draft.world().rules().missing;
                let verdict = match missing {
                    Missing::Freeware => Native::Freeware.decide(actor.me, ask.action, ask.target, owner),
                    Missing::Deny => Verdict::denied("its access contract does not exist"),
                };
                self.notice(
                    actor,
                    EventKind::MissingContract,
                    ask.target,
                    "its access contract does not exist".into(),
                );
                return self.verdict(actor, op, ask, None, verdict);
            }
        };
        let Some(source) = code else {
            let verdict = self.contract_failed(actor, contract, "it has no code");
            return self.verdict(actor, op, ask, None, verdict);
        };
        if actor.check_depth >= limits::PERMISSION_DEPTH_MAX {
            let most = limits::PERMISSION_DEPTH_MAX;
            let verdict = Verdict::denied("Permission check depth exceeded").hint(format!(
                "contracts ask each other at most {most} deep; `{}` may ask in a ring",
                self.name(contract)
            ));
            return self.verdict(actor, op, ask, None, verdict);
        }
        let bearer = match self.bearer_of_contract(actor, contract, owner) {
            Ok(bearer) => bearer,
            Err(problem) => {
                let verdict = self.contract_failed(actor, contract, &problem);
                return self.verdict(actor, op, ask, Some(contract), verdict);
            }
        };
        if let Some(verdict) = self.used_again(actor, op, ask, contract, bearer) {
            return self.verdict(actor, op, ask, Some(contract), verdict);
        }
        let context = self.context(actor, op, ask);
        let inner = Actor {
            me: Some(contract),
            caller: actor.me,
            bearer,
            origin: actor.origin,
            invoke_depth: actor.invoke_depth,
            check_depth: actor.check_depth + 1,
            mode: Mode::Decide,
        };
        let caller = actor.me.map_or(Value::Null, |me| self.name(me).into());
        let args = vec![caller, ask.action.word().into(), self.name(ask.target).into(), context];
        let call = CallInfo {
            caller: self.shared_name(actor.me),
            origin: self.shared_name(actor.origin),
            ..CallInfo::default()
        };
        match self.start_code(inner, source, Entry::Check, args, call, Purpose::Check { ask, contract }) {
            Ok(need) => Next::Need(need),
            // A lack of another bearer is not the asker's.
            Err(refusal) if bearer != actor.bearer && refusal.code != Code::CodeTimeout => {
                let verdict = self.contract_failed(actor, contract, &refusal.message);
                self.verdict(actor, op, ask, Some(contract), verdict)
            }
            // Too little CPU to ask is the asker's shortage, not the contract's answer.
            Err(refusal) => self.end_op(Err(refusal)),
        }
    }

    /// The answer of an artifact's policy. An observer is nobody whom a list names.
    fn by_policy(&self, actor: Actor, ask: Ask, target: &Artifact) -> Verdict {
        let caller = actor.me.map(|me| self.name(me));
        by_policy(target.policy.value(), caller, actor.me == Some(target.owner), ask.action)
    }

    /// The bearer of the CPU of a contract's own code. Its owner is where it says so, but only for the owner's
    /// own artifacts or by the owner's mandate, lest strangers burn its CPU; a thought is its agent's alone.
    fn bearer_of_contract(
        &self,
        actor: Actor,
        contract: Handle,
        target_owner: Handle,
    ) -> Result<Bearer, String> {
        let Some(row) = self.draft.artifact(contract) else { return Ok(actor.bearer) };
        let owner = row.owner;
        Ok(match Resources::of_content(row.content.value())? {
            Resources::Caller => actor.bearer,
            Resources::Owner => {
                let vouches = self.vouches_for(contract) == Some(owner) && target_owner == owner;
                let agreed = vouches || self.holds_mandate(contract, owner);
                let charged = self.has_standing(owner) && self.draft.exists_before(owner);
                actor.bearer.of_owner(Some(owner).filter(|_| agreed && charged && !self.is_thought()))
            }
        })
    }

    /// Whether a mind thinks, which nobody else pays for.
    pub(super) fn is_thought(&self) -> bool {
        self.actor.mode == Mode::Look
    }

    /// The context that a contract is told beside caller, action and target.
    fn context(&self, actor: Actor, op: &Op, ask: Ask) -> Value {
        let Some(target) = self.draft.artifact(ask.target) else {
            return Value::Null;
        };
        // A gift is asked about too, but it is not called.
        let called = match op {
            Op::Invoke(invoke) if matches!(ask.action, Permission::Invoke | Permission::Execute) => {
                Some(invoke)
            }
            _ => None,
        };
        let mut context = json!({
            "owner": self.name(target.owner),
            "creator": self.name(target.creator),
            "artifact_type": &*target.kind,
            "artifact_id": &*target.id,
            "origin": actor.origin.map(|origin| self.name(origin)),
            "method": match op { Op::Invoke(invoke) => invoke.method().into(), _ => Value::Null },
            "args": called.and_then(|invoke| invoke.args.as_ref()).map_or(&[][..], |args| &args.0),
            "pay": called.and_then(|invoke| invoke.pay).map_or(0, |pay| pay.0),
            "now": self.now.to_string(),
        });
        if let (Some(change), Value::Object(map)) = (proposed(op), &mut context) {
            map.insert("change".into(), change);
        }
        context
    }

    /// Denies because the contract failed, and tells its owner why.
    pub(super) fn contract_failed(&mut self, actor: Actor, contract: Handle, problem: &str) -> Verdict {
        let name = self.name(contract).to_owned();
        let detail: String = problem.chars().take(2_000).collect();
        self.notice(actor, EventKind::ContractError, contract, detail);
        let owner = self.draft.artifact(contract).map_or(contract, |contract| contract.owner);
        let hint = format!("`{}`, who owns the contract, is told what went wrong", self.name(owner));
        Verdict::denied(format!("its contract `{name}` failed while it decided")).hint(hint)
    }

    /// Goes on with an op now that a question is answered.
    pub(super) fn verdict(
        &mut self,
        actor: Actor,
        op: &Op,
        ask: Ask,
        contract: Option<Handle>,
        verdict: Verdict,
    ) -> Next {
        if matches!(op, Op::Query(query) if query.what == What::Permission) {
            self.undo_top();
            let contract = self.draft.artifact(ask.target).map(|target| target.access_contract);
            let contract = contract.filter(|_| self.draft.world().rules().authority == Authority::Contracts);
            let contract = contract.map_or(Value::Null, |contract| self.name(contract).into());
            let (allowed, reason, cost) = (verdict.allowed, verdict.reason, verdict.cost);
            let answer = json!({ "allowed": allowed, "reason": reason, "cost": cost, "contract": contract });
            return self.end_op(Ok(answer));
        }
        if !verdict.allowed {
            let (action, target) = (ask.action.word(), self.name(ask.target));
            let who = actor.me.map_or("an observer", |me| self.name(me));
            let reason = if verdict.reason.is_empty() { "no reason was given" } else { &verdict.reason };
            let mut refusal = Refusal::new(
                Code::PermissionDenied,
                format!("`{who}` may not {action} `{target}`: {reason}"),
            );
            refusal.hint = verdict.hint;
            return self.end_op(Err(refusal));
        }
        let settlement = match self.check_verdict(actor, ask, contract, &verdict) {
            Ok(settlement) => settlement,
            Err(problem) => {
                let failed = contract.unwrap_or(ask.target);
                let denied = self.contract_failed(actor, failed, &problem);
                return self.verdict(actor, op, ask, contract, denied);
            }
        };
        match self
            .check_looks(ask, &verdict)
            .and_then(|()| self.settle_verdict(actor, ask, contract, verdict, &settlement))
        {
            Ok(()) => Next::Advance,
            Err(refusal) => self.end_op(Err(refusal)),
        }
    }

    /// Asks without acting: `query("permission", …)`.
    pub(super) fn query_permission(
        &mut self,
        actor: Actor,
        op: &Arc<Op>,
        who: Handle,
        action: Permission,
        target: Handle,
    ) -> Next {
        let asking = Actor { me: Some(who), origin: actor.origin.or(Some(who)), ..actor };
        self.judge(asking, op, Ask { action, target })
    }
}

fn not_found(id: &crate::id::Id) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no artifact `{id}`"))
        .hint("`query` with what = \"search\" finds artifacts")
}

/// The fields that an op would change, with the sizes of the new values in bytes.
pub(super) fn proposed(op: &Op) -> Option<Value> {
    fn size<T>(value: &Keep<T>, bytes: impl Fn(&T) -> usize) -> Value {
        match value {
            Keep::Set(Some(value)) => bytes(value).into(),
            Keep::Keep | Keep::Set(None) => 0.into(),
        }
    }
    match op {
        Op::Write(op) => {
            let mut map = serde_json::Map::new();
            let mut put = |name: &str, given: bool, value: Value| {
                if given {
                    map.insert(name.into(), value);
                }
            };
            put("content", op.content != Keep::Keep, size(&op.content, |data| data.0.size_bytes()));
            put("code", op.code != Keep::Keep, size(&op.code, |source| source.0.len()));
            put("interface", op.interface != Keep::Keep, size(&op.interface, |data| data.0.size_bytes()));
            put("metadata", op.metadata != Keep::Keep, size(&op.metadata, |data| data.0.size_bytes()));
            put("policy", op.policy != Keep::Keep, size(&op.policy, |policy| policy.kept.size_bytes()));
            put("price", op.price.is_some(), op.price.map_or(Value::Null, |price| price.0.into()));
            let contract = op.access_contract.as_ref().map(|id| id.as_str().into());
            put("access_contract", contract.is_some(), contract.unwrap_or(Value::Null));
            Some(Value::Object(map))
        }
        Op::Edit(op) => Some(json!({ op.field.as_str(): op.new.0.len() })),
        Op::SetContract(op) => Some(json!({ "access_contract": op.contract.as_str() })),
        Op::Remember(op) => Some(json!({ "remember": op.text.0.len() })),
        Op::Forget(op) => Some(json!({ "forget": op.entry.map(|entry| entry.0) })),
        Op::Delete(op) => op.heir.as_ref().map(|heir| json!({ "heir": heir.as_str() })),
        _ => None,
    }
}
