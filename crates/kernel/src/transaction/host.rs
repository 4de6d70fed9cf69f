//! The functions that code may call: the ops, and a few beside them (`DESIGN.md §8`).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Next, Transaction, meter, stack::Actor};
use crate::{
    code::{HostCall, Meter},
    host_fn::{Function, HostFn, HostSpec, LedgerFn},
    id::Id,
    limits,
    op::{FieldType, Key, Natural, OpKind, Planned, Text, Word, named},
    record::{Handle, Pays},
    refusal::{Code, Refusal},
    rules::{ResourceId, ResourceKind},
    state::State,
    time::Time,
};

impl Transaction<'_> {
    /// Goes on when the code on top calls a host function.
    pub(super) fn host_call(&mut self, call: HostCall, meter: Meter) -> Next {
        self.charge_code(meter);
        let Some(task) = self.top_code() else {
            return Next::Root;
        };
        let actor = task.actor;
        let call = if call.function == HostFn::Function(Function::Attempt) {
            match attempted(call) {
                Ok(call) => {
                    task.attempt = true;
                    call
                }
                // A wrong use of `attempt` itself is raised, not returned.
                Err(refusal) => return self.answer(Err(refusal)),
            }
        } else {
            call
        };
        let given = meter::converted(call.args.iter().chain(call.kwargs.values()));
        match self.look(actor, limits::PARTS_PER_CALL + given) {
            Ok(()) => self.dispatch(actor, call),
            Err(refusal) => self.answer(Err(refusal)),
        }
    }

    fn dispatch(&mut self, actor: Actor, call: HostCall) -> Next {
        let result = match call.function {
            HostFn::Op(kind) => return self.called(actor, kind, call),
            HostFn::Ledger(function) => self.ledger(actor, function, call),
            HostFn::Function(function) => match function {
                Function::Pay => return self.called(actor, OpKind::Transfer, call),
                Function::StorageSet => return self.called(actor, OpKind::Store, call),
                Function::StorageDelete => match named(function.as_str(), function.spec().args, call) {
                    Ok(mut kwargs) => {
                        kwargs.insert("value".into(), Value::Null);
                        let function = HostFn::Op(OpKind::Store);
                        let call = HostCall { function, args: Vec::new(), kwargs };
                        return self.called(actor, OpKind::Store, call);
                    }
                    Err(refusal) => Err(refusal),
                },
                Function::GetBalance => self.get_balance(actor, call),
                Function::StorageGet => self.storage_get(actor, call),
                Function::StorageList => self.storage_list(actor, call),
                Function::GetArtifactInfo => self.get_artifact_info(actor, call),
                Function::Attempt => Err(Refusal::invalid("`attempt` needs the name of an op, not its own")),
                Function::CallLlm => return self.call_llm(actor, call),
            },
        };
        self.answer(result)
    }

    /// An op that code called as a function.
    fn called(&mut self, actor: Actor, kind: OpKind, call: HostCall) -> Next {
        match Planned::from_call(kind, call) {
            Ok(planned) => self.begin(actor, planned, true),
            Err(refusal) => self.answer(Err(refusal)),
        }
    }

    // The functions that are no ops look, and cost the work of looking.

    fn get_balance(&mut self, actor: Actor, call: HostCall) -> Result<Value, Refusal> {
        let mut args = Args::of(Function::GetBalance.as_str(), Function::GetBalance.spec(), call)?;
        let who = self.known(actor, args.take::<Option<Id>>("of")?)?;
        Ok(self.scrip(who).into())
    }

    fn storage_get(&mut self, actor: Actor, call: HostCall) -> Result<Value, Refusal> {
        let mut args = Args::of(Function::StorageGet.as_str(), Function::StorageGet.spec(), call)?;
        let key: Key = args.take("key")?;
        let own = self.own(actor)?;
        let found = self.draft.artifact(own).and_then(|artifact| artifact.storage.get(&*key.0));
        Ok(match found {
            Some(value) => {
                self.look(actor, meter::bytes(value.text_bytes()))?;
                value.to_value()
            }
            None => args.0.remove("default").unwrap_or_default(),
        })
    }

    fn storage_list(&mut self, actor: Actor, call: HostCall) -> Result<Value, Refusal> {
        let mut args = Args::of(Function::StorageList.as_str(), Function::StorageList.spec(), call)?;
        let prefix: Option<Text> = args.take("prefix")?;
        let prefix = prefix.map_or_else(String::new, |text| text.0);
        let after = args.take::<Option<Text>>("after")?.map(|text| text.0);
        let limit = args.take::<Option<Natural>>("limit")?;
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit.0).unwrap_or(usize::MAX));
        let own = self.own(actor)?;
        let Some(artifact) = self.draft.artifact(own) else { return Ok(Value::Array(Vec::new())) };
        let from: Arc<str> =
            after.as_deref().filter(|after| *after > prefix.as_str()).unwrap_or(&prefix).into();
        let keys = artifact.storage.range(from..).map(|(key, _)| key);
        let keys = keys.skip_while(|key| after.as_deref() == Some(&***key));
        let mut given = Vec::new();
        for key in keys.take_while(|key| key.starts_with(&prefix)).take(limit) {
            self.look(actor, 2 * limits::PARTS_PER_ROW)?;
            given.push(Value::from(&**key));
        }
        Ok(Value::Array(given))
    }

    fn get_artifact_info(&mut self, actor: Actor, call: HostCall) -> Result<Value, Refusal> {
        let function = Function::GetArtifactInfo;
        let mut args = Args::of(function.as_str(), function.spec(), call)?;
        let id: Id = args.take("artifact")?;
        let handle = self.target(&id)?;
        self.look(actor, limits::PARTS_PER_METADATA)?;
        Ok(self.metadata(actor, handle))
    }

    /// The read-only ledger that contracts are handed.
    fn ledger(&mut self, actor: Actor, function: LedgerFn, call: HostCall) -> Result<Value, Refusal> {
        let mut args = Args::of(function.as_str(), function.spec(), call)?;
        let id: Id = args.take("principal")?;
        let found = self.draft.find(id.as_str()).filter(|handle| {
            self.draft
                .artifact(*handle)
                .is_some_and(|artifact| artifact.account.is_some() && !artifact.deleted)
        });
        let who = found.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no principal `{id}`")));
        if function != LedgerFn::PrincipalExists {
            self.check_known(actor, who.clone()?)?;
        }
        Ok(match function {
            LedgerFn::PrincipalExists => who.is_ok().into(),
            LedgerFn::GetScrip => self.scrip(who?).into(),
            LedgerFn::CanAffordScrip => (self.scrip(who?) >= args.take::<Natural>("amount")?.0).into(),
            LedgerFn::GetResource => {
                let resource = self.resource(&args.take::<Word<64>>("resource")?.0)?;
                self.free_of(who?, resource).into()
            }
            LedgerFn::CanSpendResource => {
                let resource = self.resource(&args.take::<Word<64>>("resource")?.0)?;
                (self.free_of(who?, resource) >= args.take::<Natural>("amount")?.0).into()
            }
            LedgerFn::GetAllResources => {
                let (who, rules) = (who?, self.draft.world().rules());
                self.look(actor, meter::rows(rules.resources.len()))?;
                let mut all = Map::new();
                for (resource, rule) in rules.by_id() {
                    all.insert(rule.name.clone(), self.free_of(who, resource).into());
                }
                Value::Object(all)
            }
        })
    }

    pub(super) fn free_of(&self, who: Handle, resource: ResourceId) -> i64 {
        let kind = self.draft.world().rules().kind(resource);
        if kind == ResourceKind::Metered {
            return i64::MAX;
        }
        let number = self.draft.artifact(who).and_then(|artifact| artifact.account);
        let cell = number.and_then(|number| State::cell(&self.draft, number, resource));
        let free = cell.map_or(0, |cell| cell.free(kind, self.now));
        free.saturating_sub(self.draft.spent_of(who, resource))
    }

    /// When an amount is free if nothing else is used; `None` if never.
    pub(super) fn free_at(&self, who: Handle, resource: ResourceId, amount: i64) -> Option<Time> {
        let rules = self.draft.world().rules();
        let number = self.draft.artifact(who).and_then(|artifact| artifact.account)?;
        let cell = State::cell(&self.draft, number, resource)?;
        cell.free_at(rules, rules.kind(resource), self.now, self.draft.spent_of(who, resource), amount)
    }

    pub(super) fn limit_of(&self, who: Handle, resource: ResourceId) -> i64 {
        let number = self.draft.artifact(who).and_then(|artifact| artifact.account);
        let cell = number.and_then(|number| State::cell(&self.draft, number, resource));
        cell.map_or(0, |cell| cell.limit)
    }

    pub(super) fn scrip(&self, who: Handle) -> i64 {
        let number = self.draft.artifact(who).and_then(|artifact| artifact.account);
        number.map_or(0, |number| State::account(&self.draft, number).scrip)
    }

    /// The artifact as which the caller acts.
    pub(super) fn own(&self, actor: Actor) -> Result<Handle, Refusal> {
        let nobody = "an observer has nothing of its own; name the principal it is about as `of`";
        let me = actor.me.ok_or_else(|| Refusal::invalid(nobody))?;
        // An action may delete the one who acts.
        match self.draft.artifact(me) {
            Some(artifact) if artifact.deleted => {
                Err(Refusal::new(Code::NotFound, format!("`{}` was deleted", artifact.id)))
            }
            _ => Ok(me),
        }
    }

    /// The principal that a lookup is about, if its affairs may be known.
    pub(super) fn known(&self, actor: Actor, of: Option<Id>) -> Result<Handle, Refusal> {
        let who = self.who(actor, of)?;
        self.check_known(actor, who).map(|()| who)
    }

    /// The principal that a lookup is about: the one that was named, or the caller.
    pub(super) fn who(&self, actor: Actor, of: Option<Id>) -> Result<Handle, Refusal> {
        let Some(id) = of else { return self.own(actor) };
        let handle = self.target(&id)?;
        match self.draft.artifact(handle).and_then(|artifact| artifact.account) {
            Some(_) => Ok(handle),
            None => Err(Refusal::invalid(format!("`{id}` has no standing, so it holds nothing"))),
        }
    }

    /// The resource of a name.
    pub(super) fn resource(&self, name: &str) -> Result<ResourceId, Refusal> {
        self.draft.world().resource_named(name)
    }

    /// Whether an artifact would bear its own costs if it has standing and nothing is said.
    pub(super) fn default_pays(has_loop: bool) -> Pays {
        if has_loop { Pays::Itself } else { Pays::Caller }
    }
}

/// The arguments of a host function, by name.
pub(super) struct Args(Map<String, Value>);

impl Args {
    pub(super) fn of(name: &str, spec: HostSpec, call: HostCall) -> Result<Self, Refusal> {
        let map = named(name, spec.args, call)?;
        match map.keys().find(|key| !spec.args.contains(&key.as_str())) {
            Some(stray) => {
                Err(Refusal::invalid(format!("`{name}` has no argument `{}`", stray.escape_debug()))
                    .hint(format!("it takes {}", spec.args.join(", "))))
            }
            None => Ok(Self(map)),
        }
    }

    pub(super) fn take<T: FieldType>(&mut self, name: &str) -> Result<T, Refusal> {
        T::take(name, self.0.remove(name))
    }

    /// An argument that may be anything; null is as if it were left out.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }
}

/// `attempt("transfer", "bob", 5)` is the call `transfer("bob", 5)`.
fn attempted(mut call: HostCall) -> Result<HostCall, Refusal> {
    let hint = "as in attempt(\"invoke\", \"text_analyzer\", text)";
    if call.args.is_empty() {
        return Err(Refusal::invalid("`attempt` needs the name of an op").hint(hint));
    }
    let name = call.args.remove(0);
    let function = name.as_str().and_then(HostFn::from_word);
    match function.filter(|function| *function != HostFn::Function(Function::Attempt)) {
        Some(function) => Ok(HostCall { function, ..call }),
        None => Err(Refusal::invalid(format!("`attempt` needs the name of an op, not {name}")).hint(hint)),
    }
}
