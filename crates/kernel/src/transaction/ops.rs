//! The effect of each op once it is allowed.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Need, Next, Told, Transaction, meter,
    stack::{Actor, OpTask, Task},
};
use crate::{
    artifact::Artifact,
    code::{CodeFailure, Entry},
    contract::Native,
    id::{Id, reserved_prefix},
    json::Json,
    limits,
    mind::Mind,
    op::{Content, Edit, Field, Keep, Mint, Op, OpKind, Part, Read, SetContract, Store, Transfer, Write},
    record::{Change, Creation, Effect, EventKind, Handle, Pays, Shared, Why},
    refusal::{Code, Refusal},
    rules::{Authority, ResourceId, ResourceKind},
    state::State,
};

impl Transaction<'_> {
    /// Performs the op on top, all of whose questions are answered.
    pub(super) fn perform(&mut self, actor: Actor, op: &Arc<Op>) -> Next {
        match self.look_at(actor, op) {
            Ok(Some(need)) => return Next::Need(need),
            Ok(None) => {}
            Err(refusal) => return self.end_op(Err(refusal)),
        }
        let result = match &**op {
            Op::Invoke(invoke) => {
                return self.invoke(actor, invoke).unwrap_or_else(|refusal| self.end_op(Err(refusal)));
            }
            Op::Run(run) => {
                return self.snippet(actor, run).unwrap_or_else(|refusal| self.end_op(Err(refusal)));
            }
            Op::Query(query) => return self.query(actor, op, query),
            Op::Noop(_) => Ok(Value::Null),
            Op::Read(op) => self.read(op),
            Op::Write(op) => self.write(actor, op),
            Op::Edit(op) => self.edit(actor, op),
            Op::Delete(op) => self.delete(actor, op),
            Op::Transfer(op) => self.transfer(actor, op),
            Op::Mandate(op) => self.give_mandate(actor, op),
            Op::Charge(op) => self.charge(actor, op),
            Op::TransferOwnership(op) => self.transfer_ownership(actor, op),
            Op::SetContract(op) => self.set_contract(actor, op),
            Op::Store(op) => self.store(actor, op),
            Op::Remember(op) => self.remember(actor, op),
            Op::Forget(op) => self.forget(actor, op),
            Op::Sleep(op) => self.sleep(actor, op),
            Op::Mint(op) => self.mint(actor, op),
        };
        self.end_op(result)
    }

    /// The work of the op on top is counted before it is done, and new code looked at before it is stored.
    fn look_at(&mut self, actor: Actor, op: &Op) -> Result<Option<Need>, Refusal> {
        if self.top_op().is_none_or(|task| std::mem::replace(&mut task.looked_at, true)) {
            return Ok(None);
        }
        self.look(actor, self.parts_of(op))?;
        let (source, id) = match op {
            Op::Write(op) => match &op.code {
                Keep::Set(Some(source)) => (Arc::clone(&source.0), &op.artifact),
                Keep::Keep | Keep::Set(None) => return Ok(None),
            },
            // An edit that can't be made is refused by the edit itself.
            Op::Edit(op) if op.field == Field::Code => match self.edited(op) {
                Ok(source) => (Arc::from(source), &op.artifact),
                Err(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.look(actor, meter::compiled(&source))?;
        Ok(Some(Need::Check { source, file: Arc::clone(id.shared()) }))
    }

    /// Goes on when new code has been looked at; `names` are those of the functions that it defines.
    pub(super) fn checked(&mut self, names: Result<Vec<String>, CodeFailure>) -> Next {
        let Some(task) = self.top_op() else {
            return Next::Root;
        };
        match names {
            Ok(names) => {
                task.decides = names.iter().any(|name| Some(name.as_str()) == Entry::Check.function());
                Next::Advance
            }
            Err(failure) => {
                let (actor, op) = (task.actor, Arc::clone(&task.op));
                // An editor who may not read knows one piece of the code only.
                let open = match &*op {
                    Op::Edit(op) => {
                        self.target(&op.artifact).is_ok_and(|handle| self.may_surely_read(actor, handle))
                    }
                    _ => true,
                };
                let file = match &*op {
                    Op::Edit(op) => op.artifact.as_str(),
                    Op::Write(op) => op.artifact.as_str(),
                    _ => "<run>",
                };
                let (sentence, traceback) = failure.told(file, open);
                self.end_op(Err(Refusal::new(Code::InvalidCode, sentence).at(traceback)))
            }
        }
    }

    /// Whether the new code of the op on top defines `check_permission`.
    fn decides(&mut self) -> bool {
        self.top_op().is_some_and(|task| task.decides)
    }

    pub(super) fn artifact(&self, id: &Id) -> Result<(Handle, &Artifact), Refusal> {
        let handle = self.target(id)?;
        let artifact = self.draft.artifact(handle);
        artifact
            .map(|artifact| (handle, artifact))
            .ok_or_else(|| Refusal::invalid(format!("`{id}` vanished")))
    }

    fn read(&self, op: &Read) -> Result<Value, Refusal> {
        let (_, artifact) = self.artifact(&op.artifact)?;
        let mut result = json!({
            "artifact": artifact.id(),
            "kind": artifact.kind(),
            "version": artifact.version,
            "content": artifact.content(),
        });
        if let (true, Value::Object(map)) = (op.code == Some(true), &mut result) {
            map.insert("code".into(), artifact.code.as_deref().map_or(Value::Null, Value::from));
            map.insert("interface".into(), artifact.interface.to_value());
        }
        Ok(result)
    }

    fn write(&mut self, actor: Actor, op: &Write) -> Result<Value, Refusal> {
        let handle = match self.draft.find(op.artifact.as_str()) {
            Some(handle) => self.rewrite(actor, handle, op)?,
            None => self.create(actor, op)?,
        };
        self.tell(actor, OpKind::Write, Told { artifact: Some(handle), ..Told::default() });
        let created = self.draft.artifact(handle).is_some_and(|artifact| artifact.version == 1);
        if created && self.draft.artifact(handle).is_some_and(Artifact::has_loop) {
            self.tell_of(actor, EventKind::Spawn, Told { artifact: Some(handle), ..Told::default() });
        }
        let (version, size) = (
            self.draft.artifact(handle).map_or(0, |artifact| artifact.version),
            self.size_seen(actor, handle),
        );
        Ok(json!({ "artifact": op.artifact.as_str(), "created": created, "version": version, "size": size }))
    }

    fn create(&mut self, actor: Actor, op: &Write) -> Result<Handle, Refusal> {
        if let Some(prefix) = reserved_prefix(op.artifact.as_str()) {
            return Err(Refusal::invalid(format!("ids that begin with `{prefix}` are reserved")));
        }
        let owner = self.own(actor)?;
        let decides = self.decides();
        let next = Handle(State::len(&self.draft));
        let has_loop = op.has_loop == Some(true);
        if has_loop && op.has_standing == Some(false) {
            return Err(Refusal::invalid("`has_standing`: an artifact with a loop has standing"));
        }
        let has_standing = has_loop || op.has_standing == Some(true);
        let pays = op.pays.unwrap_or(Self::default_pays(has_loop));
        check_pays(pays, has_standing)?;
        self.check_mind(has_loop, &op.content)?;
        let access_contract = match &op.access_contract {
            Some(id) => self.contract(id, &op.artifact, decides)?.unwrap_or(next),
            None => Native::Freeware.handle(),
        };
        let creation = Creation {
            id: op.artifact.as_str().into(),
            kind: op
                .kind
                .as_ref()
                .map_or_else(|| self.kind_of_new(actor, has_loop), |kind| kind.0.as_ref().into()),
            content: Shared::Own(set_json(&op.content, |data| &data.0)),
            code: match &op.code {
                Keep::Set(Some(source)) => Some(Shared::Own(Arc::clone(&source.0))),
                Keep::Keep | Keep::Set(None) => None,
            },
            decides,
            interface: Shared::Own(set_json(&op.interface, |data| &data.0)),
            owner,
            creator: owner,
            access_contract,
            price: price(op)?.unwrap_or(0),
            pays,
            has_standing,
            has_loop,
            memory_artifact: match &op.memory_artifact {
                Keep::Set(Some(id)) => Some(self.target(id)?),
                Keep::Keep | Keep::Set(None) => None,
            },
            depends_on: self.dependencies(actor, next, op)?.unwrap_or_default(),
            metadata: Shared::Own(set_json(&op.metadata, |data| &data.0)),
            policy: self.kept_policy(op)?.unwrap_or_default(),
        };
        self.put(Effect::Create(Box::new(creation)))?;
        Ok(next)
    }

    /// The kind of an artifact that is made without naming one: a new agent is of the kind of the agent whose action
    /// made it.
    fn kind_of_new(&self, actor: Actor, has_loop: bool) -> String {
        if !has_loop {
            return "data".into();
        }
        let parent = actor.origin.and_then(|origin| self.draft.artifact(origin));
        let kind =
            parent.filter(|parent| parent.has_loop && !parent.is_coordinator()).map(|parent| &*parent.kind);
        kind.unwrap_or("data").into()
    }

    fn rewrite(&mut self, actor: Actor, handle: Handle, op: &Write) -> Result<Handle, Refusal> {
        let (_, artifact) = self.artifact(&op.artifact)?;
        let fixed = [
            ("kind", op.kind.as_ref().is_some_and(|kind| *kind.0 != *artifact.kind)),
            ("has_standing", op.has_standing.is_some_and(|given| given != artifact.has_standing())),
            ("has_loop", op.has_loop.is_some_and(|given| given != artifact.has_loop)),
        ];
        if let Some((field, _)) = fixed.into_iter().find(|(_, changed)| *changed) {
            return Err(Refusal::invalid(format!("`{field}` is fixed at creation")));
        }
        if let Some(pays) = op.pays {
            check_pays(pays, artifact.has_standing())?;
        }
        self.check_mind(artifact.has_loop, &op.content)?;
        let (version, decided, before) = (artifact.version, artifact.decides, artifact.access_contract);
        let new_decides = self.decides();
        let will_decide = if op.code == Keep::Keep { decided } else { new_decides };
        let access_contract = match &op.access_contract {
            Some(id) => Some(self.contract(id, &op.artifact, will_decide)?.unwrap_or(handle)),
            None => None,
        };
        stays_own_contract(&op.artifact, handle, access_contract.unwrap_or(before), will_decide)?;
        let change = Change {
            content: changed_json(&op.content, |data| &data.0),
            code: match &op.code {
                Keep::Keep => None,
                Keep::Set(code) => Some(code.as_ref().map(|source| source.0.as_ref().into())),
            },
            decides: new_decides,
            interface: changed_json(&op.interface, |data| &data.0),
            access_contract,
            price: price(op)?,
            pays: op.pays,
            memory_artifact: match &op.memory_artifact {
                Keep::Keep => None,
                Keep::Set(None) => Some(None),
                Keep::Set(Some(id)) => Some(Some(self.target(id)?)),
            },
            depends_on: self.dependencies(actor, handle, op)?,
            metadata: changed_json(&op.metadata, |data| &data.0),
            policy: self.kept_policy(op)?,
        };
        self.put(Effect::Change { artifact: handle, version, change: Box::new(change) })?;
        Ok(handle)
    }

    /// An agent's content says what kind of mind it has.
    fn check_mind(&self, has_loop: bool, content: &Keep<Content>) -> Result<(), Refusal> {
        let model = self.draft.world().rules().llm_model.as_deref();
        match content {
            Keep::Set(Some(content)) if has_loop => Mind::of(content.0.value(), model).map(drop),
            Keep::Set(_) | Keep::Keep => Ok(()),
        }
    }

    /// The kept part of a policy that an op writes: in a world of contracts nothing, and only the default may be.
    fn kept_policy(&self, op: &Write) -> Result<Option<Json>, Refusal> {
        match (self.draft.world().rules().authority, &op.policy) {
            (Authority::Policy, policy) => Ok(changed_json(policy, |policy| &policy.kept)),
            (Authority::Contracts, Keep::Set(Some(policy))) => policy.check_default().map(|()| None),
            (Authority::Contracts, Keep::Keep | Keep::Set(None)) => Ok(None),
        }
    }

    /// The handle of a contract that an artifact is put under; `None` is the artifact itself.
    fn contract(&self, id: &Id, of: &Id, of_decides: bool) -> Result<Option<Handle>, Refusal> {
        let (handle, decides) = if id == of {
            (None, of_decides)
        } else {
            let (handle, artifact) = self.artifact(id)?;
            (Some(handle), artifact.decides)
        };
        if decides {
            return Ok(handle);
        }
        let sentence = format!("`{id}` can't be a contract: it has no code that defines `check_permission`");
        Err(Refusal::invalid(sentence).hint("`handbook_contracts` says how a contract is written"))
    }

    /// The artifacts that one builds on: they exist, without circles, to a limited depth.
    fn dependencies(&self, actor: Actor, of: Handle, op: &Write) -> Result<Option<Vec<Handle>>, Refusal> {
        let Some(ids) = &op.depends_on else {
            return Ok(None);
        };
        let handles: Vec<Handle> = ids.0.iter().map(|id| self.target(id)).collect::<Result<_, _>>()?;
        let most = limits::DEPENDS_ON_DEPTH_MAX;
        let mut level = handles.clone();
        for depth in 1.. {
            if level.contains(&of) {
                return Err(Refusal::invalid(format!(
                    "`depends_on`: `{}` would depend on itself",
                    op.artifact
                )));
            }
            if level.is_empty() {
                break;
            }
            if depth > most {
                return Err(Refusal::new(Code::LimitExceeded, format!("`depends_on` may be {most} deep"))
                    .numbers(i64::from(depth), i64::from(most)));
            }
            self.look(actor, meter::rows(level.len()))?;
            let deeper = level.iter().filter_map(|handle| self.draft.artifact(*handle));
            let mut next: Vec<Handle> =
                deeper.flat_map(|artifact| artifact.depends_on.iter().copied()).collect();
            next.sort_unstable();
            next.dedup();
            level = next;
        }
        Ok(Some(handles))
    }

    /// The text after an edit.
    fn edited(&self, op: &Edit) -> Result<String, Refusal> {
        let (_, artifact) = self.artifact(&op.artifact)?;
        let field = op.field.as_str();
        let text = match op.field {
            Field::Content => artifact.content.value().as_str(),
            Field::Code => artifact.code.as_deref(),
        };
        let text =
            text.ok_or_else(|| Refusal::invalid(format!("`{}` has no text in `{field}`", op.artifact)))?;
        if op.old.0.is_empty() {
            return Err(Refusal::invalid("`old` can't be empty"));
        }
        let count = text.matches(&op.old.0).count();
        if count != 1 {
            return Err(Refusal::invalid(format!(
                "`old` occurs {count} times in the {field} of `{}`",
                op.artifact
            ))
            .hint(match count {
                0 => "`read` it again: the piece must be there, letter by letter",
                _ => "give a longer piece that occurs exactly once",
            }));
        }
        let text = text.replacen(&op.old.0, &op.new.0, 1);
        let most = match op.field {
            Field::Content => limits::CONTENT_BYTES_MAX,
            Field::Code => limits::CODE_BYTES_MAX,
        };
        if text.len() > most {
            return Err(Refusal::new(Code::LimitExceeded, format!("the {field} would be too large"))
                .numbers(
                    i64::try_from(text.len()).unwrap_or(i64::MAX),
                    i64::try_from(most).unwrap_or(i64::MAX),
                ));
        }
        Ok(text)
    }

    fn edit(&mut self, actor: Actor, op: &Edit) -> Result<Value, Refusal> {
        let text = self.edited(op)?;
        let decides = self.decides();
        let (artifact, row) = self.artifact(&op.artifact)?;
        let version = row.version;
        let will_decide = if op.field == Field::Code { decides } else { row.decides };
        stays_own_contract(&op.artifact, artifact, row.access_contract, will_decide)?;
        let change = match op.field {
            Field::Content => Change { content: Some(Json::from(Value::String(text))), ..Change::default() },
            Field::Code => Change { code: Some(Some(text)), decides, ..Change::default() },
        };
        self.put(Effect::Change { artifact, version, change: Box::new(change) })?;
        let detail = Some(op.field.as_str().to_owned());
        self.tell(actor, OpKind::Edit, Told { artifact: Some(artifact), detail, ..Told::default() });
        Ok(json!({ "artifact": op.artifact.as_str(), "version": version + 1 }))
    }

    /// A principal that receives something.
    pub(super) fn recipient(&self, id: &Id) -> Result<Handle, Refusal> {
        let (handle, artifact) = self.artifact(id)?;
        if artifact.has_standing() {
            return Ok(handle);
        }
        Err(Refusal::invalid(format!("`to`: `{id}` has no standing: it can't own or hold anything")))
    }

    fn transfer(&mut self, actor: Actor, op: &Transfer) -> Result<Value, Refusal> {
        let (from, to, amount) = (self.own(actor)?, self.recipient(&op.to)?, op.amount.0);
        let Some(name) = &op.resource else {
            if op.part.is_some() {
                return Err(Refusal::invalid("`part` goes with `resource`"));
            }
            self.put(Effect::Pay { from, to, amount, why: Why::Transfer, of: None })?;
            self.tell(
                actor,
                OpKind::Transfer,
                Told { to: Some(to), amount: Some(amount), ..Told::default() },
            );
            return Ok(json!({ "balance": self.scrip(from) }));
        };
        let resource = self.resource(&name.0)?;
        let own_part = self.movable(resource)?;
        if let Some(part) = op.part.filter(|part| *part != own_part) {
            let (part, own) = (part.as_str(), own_part.as_str());
            return Err(Refusal::invalid(format!("`part`: `{}` has no {part}; it has a {own}", name.0)));
        }
        self.shift(actor, (from, to), resource, amount, false)?;
        // A balance falls by the action's use so far; a rate or a quota stays as it is.
        let held = match own_part {
            Part::Balance => self.free_of(from, resource),
            Part::Rate | Part::Quota => self.limit_of(from, resource),
        };
        Ok(json!({ own_part.as_str(): held }))
    }

    fn mint(&mut self, actor: Actor, op: &Mint) -> Result<Value, Refusal> {
        let by = self.own(actor)?;
        let (name, authorities) = (self.name(by), &self.draft.world().rules().mint_authorities);
        if !authorities.iter().any(|id| id == name) {
            let refusal =
                Refusal::new(Code::PermissionDenied, format!("`{name}` is no mint authority of this world"));
            return Err(refusal.hint(match authorities.as_slice() {
                [] => "it has none: its scrip stays as it is".to_owned(),
                all => format!("only the code of {} may create scrip", all.join(", ")),
            }));
        }
        let (to, amount) = (self.recipient(&op.to)?, op.amount.0);
        self.put(Effect::Mint { by, to, amount })?;
        self.tell(actor, OpKind::Mint, Told { to: Some(to), amount: Some(amount), ..Told::default() });
        Ok(json!({ "supply": self.draft.supply() }))
    }

    /// The part of a resource that principals hold and can move.
    fn movable(&self, resource: ResourceId) -> Result<Part, Refusal> {
        let rules = self.draft.world().rules();
        match rules.kind(resource) {
            ResourceKind::Renewable { .. } => Ok(Part::Rate),
            ResourceKind::Depletable => Ok(Part::Balance),
            ResourceKind::Allocatable => Ok(Part::Quota),
            ResourceKind::Metered => {
                let name = rules.resource_name(resource);
                let sentence =
                    format!("`{name}` is unlimited in this world, so there is nothing to transfer");
                Err(Refusal::invalid(sentence))
            }
        }
    }

    /// Moves a balance, rate or quota from one principal to another.
    pub(super) fn shift(
        &mut self,
        actor: Actor,
        (from, to): (Handle, Handle),
        resource: ResourceId,
        amount: i64,
        sent: bool,
    ) -> Result<(), Refusal> {
        self.movable(resource)?;
        self.put(Effect::Move { from, to, resource, amount })?;
        let (to, amount, resource) = (Some(to), Some(amount), Some(resource));
        let told = Told { to, amount, resource, sent, ..Told::default() };
        self.tell(actor, OpKind::Transfer, told);
        Ok(())
    }

    fn set_contract(&mut self, actor: Actor, op: &SetContract) -> Result<Value, Refusal> {
        let (artifact, row) = self.artifact(&op.artifact)?;
        let (version, decides) = (row.version, row.decides);
        let contract = self.contract(&op.contract, &op.artifact, decides)?.unwrap_or(artifact);
        let change = Change { access_contract: Some(contract), ..Change::default() };
        self.put(Effect::Change { artifact, version, change: Box::new(change) })?;
        let detail = Some(op.contract.as_str().to_owned());
        self.tell(actor, OpKind::SetContract, Told { artifact: Some(artifact), detail, ..Told::default() });
        Ok(json!({ "artifact": op.artifact.as_str(), "access_contract": op.contract.as_str() }))
    }

    fn store(&mut self, actor: Actor, op: &Store) -> Result<Value, Refusal> {
        let artifact = self.own(actor)?;
        let (bytes, most) = (op.key.0.len(), limits::STORAGE_KEY_BYTES_MAX);
        if bytes > most {
            let sentence = format!("`key` is too large: the most is {most} bytes");
            return Err(Refusal::new(Code::LimitExceeded, sentence)
                .numbers(i64::try_from(bytes).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX)));
        }
        let value = op.value.0.as_ref().map(|value| value.0.clone());
        self.put(Effect::Store { artifact, key: op.key.0.as_ref().into(), value })?;
        // A key that code stores is its own affair; a `store` that was submitted is told.
        if matches!(self.stack.last(), Some(Task::Op(task)) if !OpTask::is_by_code(task)) {
            let detail = Some(op.key.0.as_ref().to_owned());
            self.tell(actor, OpKind::Store, Told { artifact: Some(artifact), detail, ..Told::default() });
        }
        Ok(Value::Null)
    }
}

impl OpTask {
    fn is_by_code(&self) -> bool {
        self.by_code
    }
}

/// Refuses a change that would leave an artifact under itself with nothing that decides: nobody could ever
/// change it again. Others under it are their owners' affair; for them it denies.
fn stays_own_contract(id: &Id, handle: Handle, contract: Handle, decides: bool) -> Result<(), Refusal> {
    if contract != handle || decides {
        return Ok(());
    }
    let sentence = format!("`{id}` is its own contract, so its code must define `check_permission`");
    Err(Refusal::invalid(sentence).hint("put it under another contract first, by `set_contract`"))
}

/// The price that an op writes, by itself or within a policy.
fn price(op: &Write) -> Result<Option<i64>, Refusal> {
    let (own, posted) = (
        op.price.map(|price| price.0),
        match &op.policy {
            Keep::Set(Some(policy)) => policy.invoke_price,
            Keep::Keep | Keep::Set(None) => None,
        },
    );
    match (own, posted) {
        (Some(own), Some(posted)) if own != posted => {
            Err(Refusal::invalid("`price` and `policy.invoke_price` are the same field"))
        }
        _ => Ok(own.or(posted)),
    }
}

fn check_pays(pays: Pays, has_standing: bool) -> Result<(), Refusal> {
    if pays == Pays::Itself && !has_standing {
        return Err(Refusal::invalid("`pays`: only an artifact with standing can pay for itself"));
    }
    Ok(())
}

fn set_json<T>(value: &Keep<T>, json: impl Fn(&T) -> &Json) -> Json {
    changed_json(value, json).unwrap_or_default()
}

fn changed_json<T>(value: &Keep<T>, json: impl Fn(&T) -> &Json) -> Option<Json> {
    match value {
        Keep::Keep => None,
        Keep::Set(None) => Some(Json::default()),
        Keep::Set(Some(value)) => Some(json(value).clone()),
    }
}
