//! The one permission path: every op asks the target's contract here (`DESIGN.md §7`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Next, Transaction,
    stack::{Actor, Ask, Mode, Purpose},
};
use crate::{
    code::{CallInfo, Entry},
    contract::{Native, Verdict},
    json::text_bytes,
    limits,
    op::{Gift, Keep, Op, Permission, bounded},
    record::{Effect, EventKind, Handle, Why},
    refusal::{Code, Refusal},
    rules::Missing,
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
    pub(super) fn asks(&self, op: &Op) -> Result<Vec<Ask>, Refusal> {
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
            Op::Noop(_) | Op::Run(_) | Op::Transfer(_) | Op::Store(_) | Op::Sleep(_) | Op::Query(_) => {
                Ok(Vec::new())
            }
        }
    }

    /// Puts a question to the target's contract.
    pub(super) fn judge(&mut self, actor: Actor, op: &Op, ask: Ask) -> Next {
        let Some(target) = self.draft.artifact(ask.target) else {
            return self.verdict(actor, op, ask, None, Verdict::denied("the target does not exist"));
        };
        let (owner, contract) = (target.owner, target.access_contract);
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
            let verdict = Verdict::denied("Permission check depth exceeded");
            return self.verdict(actor, op, ask, None, verdict);
        }
        let context = self.context(actor, op, ask);
        let inner = Actor {
            me: Some(contract),
            caller: actor.me,
            bearer: actor.bearer,
            origin: actor.origin,
            invoke_depth: actor.invoke_depth,
            check_depth: actor.check_depth + 1,
            mode: Mode::Decide,
        };
        let caller = actor.me.map_or(Value::Null, |me| self.name(me).into());
        let args = vec![caller, action_word(ask.action).into(), self.name(ask.target).into(), context];
        let call = CallInfo {
            caller: self.shared_name(actor.me),
            origin: self.shared_name(actor.origin),
            ..CallInfo::default()
        };
        match self.start_code(inner, source, Entry::Check, args, call, Purpose::Check { ask, contract }) {
            Ok(need) => Next::Need(need),
            // Too little CPU to ask is the asker's shortage, not the contract's answer.
            Err(refusal) => self.end_op(Err(refusal)),
        }
    }

    /// The context that a contract is told beside caller, action and target.
    fn context(&self, actor: Actor, op: &Op, ask: Ask) -> Value {
        let Some(target) = self.draft.artifact(ask.target) else {
            return Value::Null;
        };
        let mut context = json!({
            "owner": self.name(target.owner),
            "creator": self.name(target.creator),
            "artifact_type": &*target.kind,
            "artifact_id": &*target.id,
            "origin": actor.origin.map(|origin| self.name(origin)),
            "method": match op { Op::Invoke(invoke) => invoke.method().into(), _ => Value::Null },
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
        Verdict::denied(format!("its contract `{name}` failed while it decided"))
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
        if let Op::Query(_) = op {
            self.undo_top();
            let contract = self.draft.artifact(ask.target).map(|target| target.access_contract);
            let contract = contract.map_or(Value::Null, |contract| self.name(contract).into());
            let (allowed, reason, cost) = (verdict.allowed, verdict.reason, verdict.cost);
            let answer = json!({ "allowed": allowed, "reason": reason, "cost": cost, "contract": contract });
            return self.end_op(Ok(answer));
        }
        if !verdict.allowed {
            let (action, target) = (action_word(ask.action), self.name(ask.target));
            let who = actor.me.map_or("an observer", |me| self.name(me));
            let reason = if verdict.reason.is_empty() { "no reason was given" } else { &verdict.reason };
            let refusal = Refusal::new(
                Code::PermissionDenied,
                format!("`{who}` may not {action} `{target}`: {reason}"),
            );
            return self.end_op(Err(refusal));
        }
        let to = match self.check_verdict(&verdict) {
            Ok(to) => to,
            Err(problem) => {
                let failed = contract.unwrap_or(ask.target);
                let denied = self.contract_failed(actor, failed, &problem);
                return self.verdict(actor, op, ask, contract, denied);
            }
        };
        match self.settle_verdict(actor, ask, contract, verdict, to) {
            Ok(()) => Next::Advance,
            Err(refusal) => self.end_op(Err(refusal)),
        }
    }

    /// Finds the recipient and looks at the keys and values; what is wrong is the contract's own failure.
    fn check_verdict(&self, verdict: &Verdict) -> Result<Option<Handle>, String> {
        for (key, value) in &verdict.updates {
            let most = limits::STORAGE_KEY_BYTES_MAX;
            if key.is_empty() || key.len() > most {
                return Err(format!("`state_updates`: a key is empty or longer than {most} bytes"));
            }
            bounded("state_updates", value, limits::STORAGE_VALUE_BYTES_MAX)
                .map_err(|refusal| refusal.message)?;
        }
        let Some(id) = &verdict.recipient else {
            return Ok(None);
        };
        let found = crate::id::Id::parse(id).map_err(Refusal::from).and_then(|id| self.target(&id));
        let handle = found.map_err(|refusal| format!("`recipient`: {}", refusal.message))?;
        match self.draft.artifact(handle).and_then(|artifact| artifact.account) {
            Some(_) => Ok(Some(handle)),
            None => Err(format!("`recipient`: `{id}` has no standing")),
        }
    }

    /// Takes the contract's cost, and applies its changes to its own storage.
    fn settle_verdict(
        &mut self,
        actor: Actor,
        ask: Ask,
        contract: Option<Handle>,
        verdict: Verdict,
        recipient: Option<Handle>,
    ) -> Result<(), Refusal> {
        if verdict.cost > 0
            && let Some(payer) = actor.bearer.prices
        {
            let owner = self.draft.artifact(ask.target).map_or(payer, |target| target.owner);
            let to = recipient.unwrap_or(owner);
            if to != payer {
                self.consent(payer, verdict.cost)?;
                self.put(Effect::Pay { from: payer, to, amount: verdict.cost, why: Why::ContractCost })?;
            }
        }
        let Some(contract) = contract else {
            return Ok(());
        };
        for (key, value) in verdict.updates {
            let value = (!value.is_null()).then(|| value.into());
            self.put(Effect::Store { artifact: contract, key, value })?;
        }
        Ok(())
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

/// Contracts are asked about `invoke` by that name only.
fn action_word(action: Permission) -> &'static str {
    match action {
        Permission::Execute => Permission::Invoke.as_str(),
        other => other.as_str(),
    }
}

/// The fields that an op would change, with the sizes of the new values in bytes.
fn proposed(op: &Op) -> Option<Value> {
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
            put("price", op.price.is_some(), op.price.map_or(Value::Null, |price| price.0.into()));
            let contract = op.access_contract.as_ref().map(|id| id.as_str().into());
            put("access_contract", contract.is_some(), contract.unwrap_or(Value::Null));
            Some(Value::Object(map))
        }
        Op::Edit(op) => Some(json!({ op.field.as_str(): op.new.0.len() })),
        Op::SetContract(op) => Some(json!({ "access_contract": op.contract.as_str() })),
        Op::Delete(op) => op.heir.as_ref().map(|heir| json!({ "heir": heir.as_str() })),
        Op::Invoke(op) => Some(json!({
            "args": op.args.as_ref().map_or(2, |args| text_bytes(&Value::Array(args.0.clone()))),
            "pay": op.pay.map_or(0, |pay| pay.0),
        })),
        _ => None,
    }
}
