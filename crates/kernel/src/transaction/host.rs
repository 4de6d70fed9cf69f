//! What code may call: the ops, and the few functions beside them (`DESIGN.md §8`).

use serde_json::{Map, Value, json};

use super::{Next, Transaction, stack::Actor};
use crate::{
    code::{HostCall, Meter},
    id::Id,
    op::{Key, OpKind, Planned, Text, Word, argument},
    record::{Handle, Pays},
    refusal::{Code, Refusal},
    rules::{ResourceId, ResourceKind},
    state::State,
    time::Time,
};

impl Transaction<'_> {
    /// Goes on when the code on top calls a host function.
    pub(super) fn host_call(&mut self, call: HostCall, meter: Meter) -> Next {
        self.charge_code(meter, false);
        let Some(task) = self.top_code() else {
            return Next::Root;
        };
        let actor = task.actor;
        if call.name == "attempt" {
            task.attempt = true;
            return match attempted(call) {
                Ok(call) => self.dispatch(actor, call),
                Err(refusal) => {
                    // A wrong use of `attempt` itself is raised, not returned.
                    if let Some(task) = self.top_code() {
                        task.attempt = false;
                    }
                    self.answer(Err(refusal))
                }
            };
        }
        self.dispatch(actor, call)
    }

    fn dispatch(&mut self, actor: Actor, call: HostCall) -> Next {
        let call = renamed(call);
        if let Some(kind) = OpKind::from_word(&call.name) {
            return match Planned::from_call(kind, call) {
                Ok(planned) => self.begin(actor, planned, true),
                Err(refusal) => self.answer(Err(refusal)),
            };
        }
        let result = self.function(actor, call);
        self.answer(result)
    }

    /// The functions that are no ops: they look, and cost nothing beyond CPU.
    fn function(&mut self, actor: Actor, mut call: HostCall) -> Result<Value, Refusal> {
        let value = match call.name.as_str() {
            "get_balance" => {
                only(&call, &["of"])?;
                let who = self.who(actor, argument::<Option<Id>>(&mut call, 0, "of")?)?;
                self.scrip(who).into()
            }
            "storage_get" => {
                only(&call, &["key", "default"])?;
                let key: Key = argument(&mut call, 0, "key")?;
                let default = call.args.get_mut(1).map(Value::take).or_else(|| call.kwargs.remove("default"));
                let own = self.own(actor)?;
                let found = self.draft.artifact(own).and_then(|artifact| artifact.storage.get(&*key.0));
                found.map_or_else(|| default.unwrap_or_default(), crate::json::Json::to_value)
            }
            "storage_list" => {
                only(&call, &["prefix"])?;
                let prefix: Option<Text> = argument(&mut call, 0, "prefix")?;
                let prefix = prefix.map_or_else(String::new, |text| text.0);
                let own = self.own(actor)?;
                let keys = self.draft.artifact(own).map(|artifact| &artifact.storage);
                let keys = keys
                    .into_iter()
                    .flat_map(|storage| storage.range(std::sync::Arc::from(prefix.as_str())..));
                let keys = keys.map(|(key, _)| key).take_while(|key| key.starts_with(&prefix));
                keys.map(|key| Value::from(&**key)).collect()
            }
            "get_artifact_info" => {
                only(&call, &["artifact"])?;
                let id: Id = argument(&mut call, 0, "artifact")?;
                let handle = self.target(&id)?;
                return Ok(self.metadata(handle));
            }
            name => match name.strip_prefix("ledger.") {
                Some(name) => return self.ledger(name.to_owned().as_str(), call),
                None => {
                    let sentence = format!("this version of the kernel does not have `{name}`");
                    return Err(Refusal::new(Code::Unsupported, sentence));
                }
            },
        };
        Ok(value)
    }

    /// The read-only ledger that contracts are handed.
    fn ledger(&mut self, name: &str, mut call: HostCall) -> Result<Value, Refusal> {
        let arguments: &[&str] = match name {
            "principal_exists" | "get_scrip" | "get_all_resources" => &["principal"],
            "can_afford_scrip" => &["principal", "amount"],
            "get_resource" => &["principal", "resource"],
            "can_spend_resource" => &["principal", "resource", "amount"],
            other => {
                let sentence = format!("`ledger` has no method `{}`", other.escape_debug());
                return Err(Refusal::new(Code::Unsupported, sentence));
            }
        };
        only(&call, arguments)?;
        let id: Id = argument(&mut call, 0, "principal")?;
        let found = self.draft.find(id.as_str()).filter(|handle| {
            self.draft
                .artifact(*handle)
                .is_some_and(|artifact| artifact.account.is_some() && !artifact.deleted)
        });
        if name == "principal_exists" {
            return Ok(found.is_some().into());
        }
        let who =
            found.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no principal `{id}`")))?;
        let amount_at = |call: &mut HostCall, at| argument::<crate::op::Natural>(call, at, "amount");
        match name {
            "get_scrip" => Ok(self.scrip(who).into()),
            "can_afford_scrip" => Ok((self.scrip(who) >= amount_at(&mut call, 1)?.0).into()),
            "get_all_resources" => {
                let rules = self.draft.world().rules();
                let mut all = Map::new();
                for (at, rule) in rules.resources.iter().enumerate() {
                    let resource = ResourceId(u16::try_from(at).unwrap_or(u16::MAX));
                    all.insert(rule.name.clone(), self.free_of(who, resource).into());
                }
                Ok(Value::Object(all))
            }
            _ => {
                let name_of: Word<64> = argument(&mut call, 1, "resource")?;
                let resource = self.resource(&name_of.0)?;
                let free = self.free_of(who, resource);
                if name == "get_resource" {
                    return Ok(free.into());
                }
                Ok((free >= amount_at(&mut call, 2)?.0).into())
            }
        }
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
        let nobody = "an observer has nothing of its own; name whom it is about as `of`";
        let me = actor.me.ok_or_else(|| Refusal::invalid(nobody))?;
        // An action may delete the one who acts.
        match self.draft.artifact(me) {
            Some(artifact) if artifact.deleted => {
                Err(Refusal::new(Code::NotFound, format!("`{}` was deleted", artifact.id)))
            }
            _ => Ok(me),
        }
    }

    /// Whom a lookup is about: who was named, or the caller.
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
        let rules = self.draft.world().rules();
        rules.resource(name).ok_or_else(|| {
            let names = rules.resources.iter().map(|rule| rule.name.as_str());
            let refusal = Refusal::invalid(format!("this world has no resource `{}`", name.escape_debug()));
            match crate::id::nearest(name, names.clone()) {
                Some(near) => refusal.hint(format!("did you mean `{near}`?")),
                None => refusal.hint(format!("it has {}", names.collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// Whether an artifact would bear its own costs if it has standing and nothing is said.
    pub(super) fn default_pays(has_loop: bool) -> Pays {
        if has_loop { Pays::Itself } else { Pays::Caller }
    }
}

/// Refuses arguments that a function doesn't have, lest they seem to mean something.
fn only(call: &HostCall, names: &[&str]) -> Result<(), Refusal> {
    let (name, most) = (&call.name, names.len());
    if call.args.len() > most {
        let plural = if most == 1 { "" } else { "s" };
        return Err(Refusal::invalid(format!("`{name}` takes at most {most} positional argument{plural}")));
    }
    match call.kwargs.keys().find(|key| !names.contains(&key.as_str())) {
        Some(stray) => Err(Refusal::invalid(format!("`{name}` has no argument `{}`", stray.escape_debug()))
            .hint(format!("it takes {}", names.join(", ")))),
        None => Ok(()),
    }
}

/// `attempt("transfer", "bob", 5)` is the call `transfer("bob", 5)`.
fn attempted(mut call: HostCall) -> Result<HostCall, Refusal> {
    let hint = "as in attempt(\"invoke\", \"text_analyzer\", text)";
    if call.args.is_empty() {
        return Err(Refusal::invalid("`attempt` needs the name of an op").hint(hint));
    }
    match call.args.remove(0) {
        Value::String(name) if name != "attempt" => Ok(HostCall { name, ..call }),
        other => Err(Refusal::invalid(format!("`attempt` needs the name of an op, not {other}")).hint(hint)),
    }
}

/// Functions that are an op under another name.
fn renamed(mut call: HostCall) -> HostCall {
    match call.name.as_str() {
        "pay" => call.name = "transfer".into(),
        "storage_set" => call.name = "store".into(),
        "storage_delete" => {
            call.name = "store".into();
            if call.args.len() == 1 {
                call.args.push(Value::Null);
            } else {
                call.kwargs.insert("value".into(), json!(null));
            }
        }
        _ => {}
    }
    call
}
