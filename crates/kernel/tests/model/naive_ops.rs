//! The naive model's ops, and the one question that is put to contracts before them.

use oikos_kernel::{
    limits,
    op::OpKind,
    rules::{Missing, ResourceKind},
};
use serde_json::{Map, Value, json};

use super::{
    interpret::Call,
    naive::{Art, Bound, Fail, Model, State, Told, fail, short},
    support::program::decides,
};

/// The one who acts, and those who bear the costs.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) me: String,
    pub(crate) payer: String,
    /// The one who bears prices.
    pub(crate) purse: String,
    pub(crate) origin: String,
    pub(crate) depth: u32,
    /// Whether it is code that acts, and not the submitter itself.
    pub(crate) in_code: bool,
    pub(crate) checks: u32,
    pub(crate) decides: bool,
    /// The callers that wait for it: those whose ops led to it.
    pub(crate) callers: Vec<String>,
}

impl Actor {
    /// The callers of code that it has run.
    pub(crate) fn with_itself(&self) -> Vec<String> {
        self.callers.iter().chain([&self.me]).cloned().collect()
    }
}

pub(crate) type Fields = Map<String, Value>;

/// The end of an action.
pub(crate) struct Ended {
    pub(crate) result: Result<Value, Fail>,
    /// Whether it left a record.
    pub(crate) admitted: bool,
}

impl Model {
    pub(crate) fn act(&mut self, who: &str, action: &Value) -> Ended {
        self.base = self.state.clone();
        self.state =
            State { arts: self.base.arts.clone(), mandates: self.base.mandates.clone(), ..State::default() };
        self.charges.clear();
        self.notices.clear();
        self.ops_left = limits::OPS_PER_ACTION_MAX;
        self.work.clear();
        self.work_left = self.rules.work_per_action;
        self.pending = 0;
        self.agreed.clear();
        let admitted = self.admit(who, action);
        let is_admitted = admitted.is_ok();
        let result = admitted.and_then(|()| self.submitted(who, action));
        self.settle(result.is_ok());
        Ended { result, admitted: is_admitted }
    }

    fn admit(&self, who: &str, action: &Value) -> Result<(), Fail> {
        if !self.state.arts.get(who).is_some_and(|art| art.standing && !art.deleted) {
            return fail("not_found");
        }
        for op in ops_of(action) {
            check_fields(op["op"].as_str().unwrap(), op.as_object().unwrap())?;
        }
        let costs = || ops_of(action).iter().flat_map(|op| self.costs(op["op"].as_str().unwrap()));
        for (resource, _) in costs() {
            let same = costs().filter(|(other, _)| *other == resource);
            let sum = same.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
            if self.chargeable(who, resource) < sum {
                return Err(self.shortage(who, resource, sum));
            }
        }
        Ok(())
    }

    fn costs(&self, name: &str) -> Vec<(usize, i64)> {
        let kind = OpKind::from_word(name).unwrap();
        let costs = self.rules.costs.iter().filter(|(of, _, _)| *of == kind);
        costs.map(|(_, resource, amount)| (usize::from(resource.0), *amount)).collect()
    }

    fn submitted(&mut self, who: &str, action: &Value) -> Result<Value, Fail> {
        let actor = Actor {
            me: who.into(),
            payer: who.into(),
            purse: who.into(),
            origin: who.into(),
            depth: 0,
            in_code: false,
            checks: 0,
            decides: false,
            callers: Vec::new(),
        };
        let mut results = Vec::new();
        for op in ops_of(action) {
            let mut fields = op.as_object().unwrap().clone();
            fields.remove("op");
            let name = op["op"].as_str().unwrap();
            results.push(self.op(&actor, name, &fields)?);
            if name == "store" {
                // A key that code stores is its own affair; a `store` that was submitted is told.
                let detail = Some(text(&fields, "key").into());
                let artifact = Some(who.into());
                self.tell(&actor, "store", Told { artifact, detail, ..Told::default() });
            }
        }
        Ok(if action.is_array() { results.into() } else { results.pop().unwrap() })
    }

    /// One op: all of it happens, or nothing but what it consumed.
    pub(crate) fn op(&mut self, actor: &Actor, name: &str, fields: &Fields) -> Result<Value, Fail> {
        check_fields(name, fields)?;
        let saved = self.state.clone();
        let posted = match name {
            "invoke" => self.state.arts.get(text(fields, "artifact")).map_or(0, |art| art.price),
            _ => 0,
        };
        let most = fields.get("max_spend").and_then(Value::as_i64).unwrap_or(posted);
        self.state.bounds.push(Bound { payer: actor.purse.clone(), most, taken: 0 });
        self.settle_work(&actor.payer);
        let agreed = self.agree(&actor.payer, fields);
        self.agreed.push(agreed.clone().unwrap_or_default());
        let result = agreed.and_then(|_| self.attempt(actor, name, fields));
        self.settle_work(&actor.payer);
        self.agreed.pop();
        if let Ok(result) = &result {
            self.tell_of(actor, name, fields, result);
        }
        if result.is_err() {
            self.state = saved;
        } else if name == "query" && text(fields, "what") != "recall" {
            // A question changes nothing, however it was answered.
            self.state = saved;
        } else {
            self.state.bounds.pop();
        }
        result
    }

    fn attempt(&mut self, actor: &Actor, name: &str, fields: &Fields) -> Result<Value, Fail> {
        if self.state.arts.get(&actor.me).is_some_and(|art| art.deleted) {
            return fail("not_found");
        }
        self.ops_left = match self.ops_left.checked_sub(1) {
            Some(left) => left,
            None => {
                let most = i64::from(limits::OPS_PER_ACTION_MAX);
                return short("limit_exceeded", most + 1, most);
            }
        };
        let sends = fields.get("pay").and_then(Value::as_i64).unwrap_or(0) > 0
            || fields.get("give").and_then(Value::as_array).is_some_and(|give| !give.is_empty());
        if actor.decides && (sends || !["noop", "read", "query", "invoke"].contains(&name)) {
            return fail("permission_denied");
        }
        let costs = self.costs(name);
        for (resource, amount) in &costs {
            if self.chargeable(&actor.payer, *resource) < *amount {
                return Err(self.shortage(&actor.payer, *resource, *amount));
            }
            self.check_agreed(&actor.payer, *resource, *amount)?;
        }
        for (resource, amount) in costs {
            self.consume(&actor.payer, resource, amount);
        }
        if !actor.in_code {
            self.look(&actor.payer, limits::PARTS_PER_CALL)?;
        }
        for (action, target) in self.asks(actor, name, fields)? {
            self.ask(actor, action, &target)?;
        }
        self.perform(actor, name, fields)
    }

    pub(crate) fn tell(&mut self, actor: &Actor, kind: &str, told: Told) {
        self.state.events.push(Told { kind: kind.into(), actor: actor.me.clone(), ..told });
    }

    fn tell_of(&mut self, actor: &Actor, name: &str, fields: &Fields, result: &Value) {
        let given = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let artifact = given("artifact").or_else(|| result["artifact"].as_str().map(str::to_owned));
        let detail = match name {
            "forget" if result["forgotten"] == 0 => return,
            "write" | "delete" | "transfer" | "transfer_ownership" | "run" | "remember" | "forget" => None,
            "edit" => given("field"),
            "set_contract" => given("contract"),
            "invoke" if !actor.decides => given("method").or_else(|| Some("run".into())),
            _ => return,
        };
        let amount = fields.get(if name == "invoke" { "pay" } else { "amount" }).and_then(Value::as_i64);
        let told = Told {
            artifact: artifact.clone(),
            to: given(if name == "delete" { "heir" } else { "to" }),
            amount: amount.filter(|amount| *amount > 0),
            resource: given("resource"),
            detail,
            ..Told::default()
        };
        self.tell(actor, name, told);
        let spawned =
            name == "write" && result["created"] == true && self.get(text(fields, "artifact")).has_loop;
        if spawned {
            self.tell(actor, "spawn", Told { artifact, ..Told::default() });
        }
    }

    fn asks(&self, actor: &Actor, name: &str, fields: &Fields) -> Result<Vec<(&'static str, String)>, Fail> {
        let id = text(fields, "artifact").to_owned();
        let action = match name {
            "read" => "read",
            "write" => match self.state.arts.get(&id) {
                None => return Ok(Vec::new()),
                Some(art) if art.deleted => return fail("already_exists"),
                Some(_) => "write",
            },
            "remember" | "forget" => return Ok(vec![("write", self.memory_meant(actor, fields)?)]),
            "query" if text(fields, "what") == "recall" => {
                return Ok(vec![("read", self.memory_meant(actor, fields)?)]);
            }
            "edit" | "set_contract" => "write",
            "delete" => "delete",
            "invoke" => "invoke",
            "transfer_ownership" => "transfer",
            _ => return Ok(Vec::new()),
        };
        self.live(&id)?;
        let mut asks = vec![(action, id)];
        for given in fields.get("give").and_then(Value::as_array).into_iter().flatten() {
            let Some(given) = given.as_str() else { continue };
            self.live(given)?;
            asks.push(("transfer", given.into()));
        }
        Ok(asks)
    }

    /// Asks the target's contract and takes what it costs.
    fn ask(&mut self, actor: &Actor, action: &str, target: &str) -> Result<(), Fail> {
        let contract = self.get(target).contract.clone();
        let verdict = self.verdict(actor, &actor.me, action, target)?;
        if verdict["allowed"] != true {
            return fail("permission_denied");
        }
        self.settle_cost(actor, &contract, (action, target), &verdict)?;
        for (key, value) in verdict["state_updates"].as_object().into_iter().flatten() {
            self.store(&contract, key, value)?;
        }
        Ok(())
    }

    pub(crate) fn verdict(
        &mut self,
        actor: &Actor,
        who: &str,
        action: &str,
        target: &str,
    ) -> Result<Value, Fail> {
        let art = self.get(target);
        let (contract, is_owner) = (art.contract.clone(), art.owner == who);
        let open = action == "read" || action == "invoke";
        let native = match contract.as_str() {
            "genesis_contract_freeware" => Some(open || is_owner),
            "genesis_contract_self_owned" => Some(is_owner || who == target),
            "genesis_contract_private" => Some(is_owner),
            "genesis_contract_public" => Some(true),
            _ => None,
        };
        if let Some(allowed) = native {
            return Ok(json!({ "allowed": allowed, "cost": 0 }));
        }
        let denied = json!({ "allowed": false, "cost": 0 });
        if self.get(&contract).deleted {
            let missing = self.rules.missing == Missing::Freeware && (open || is_owner);
            let detail = Some("its access contract does not exist".into());
            self.notice_of(actor, "missing_contract", target, detail);
            return Ok(json!({ "allowed": missing, "cost": 0 }));
        }
        let Some(code) = self.get(&contract).code.clone() else {
            self.notice(actor, &contract);
            return Ok(denied);
        };
        if actor.checks >= limits::PERMISSION_DEPTH_MAX {
            return Ok(denied);
        }
        let Ok(owner) = self.owner_bears(&contract, &self.get(target).owner.clone()) else {
            self.notice(actor, &contract);
            return Ok(denied);
        };
        let payer = owner.unwrap_or_else(|| actor.payer.clone());
        let inner = Actor {
            me: contract.clone(),
            payer: payer.clone(),
            checks: actor.checks + 1,
            decides: true,
            callers: actor.with_itself(),
            ..actor.clone()
        };
        let args = vec![who.into(), action.into(), target.into(), Value::Null];
        let call = Call { args, caller: who.into(), paid: 0, given: Vec::new() };
        let ran = match self.run(inner, &code, "check_permission", call, &actor.payer) {
            // A lack of another bearer is not the asker's.
            Err(lack) if payer != actor.payer && lack.code != "code_timeout" => Err(lack),
            other => other?,
        };
        let well_formed = |verdict: &Value| {
            let shares = verdict["shares"].is_object();
            verdict["allowed"].is_boolean() && (shares == (verdict["cost_model"] == "split"))
        };
        match ran {
            Ok(verdict) if well_formed(&verdict) => Ok(json!({
                "allowed": verdict["allowed"], "cost": verdict["cost"].as_i64().unwrap_or(0),
                "recipient": verdict["recipient"], "state_updates": verdict["state_updates"],
                "cost_model": verdict["cost_model"], "shares": verdict["shares"],
            })),
            _ => {
                self.notice(actor, &contract);
                Ok(denied)
            }
        }
    }

    /// A contract failed. An artifact that the action created may not outlive it, and so is not named.
    pub(crate) fn notice(&mut self, actor: &Actor, contract: &str) {
        self.notice_of(actor, "contract_error", contract, None);
    }

    fn notice_of(&mut self, actor: &Actor, kind: &str, artifact: &str, detail: Option<String>) {
        if self.base.arts.contains_key(&actor.me) && self.base.arts.contains_key(artifact) {
            self.notices.push(Told {
                kind: kind.into(),
                actor: actor.me.clone(),
                artifact: Some(artifact.into()),
                detail,
                ..Told::default()
            });
        }
    }

    fn perform(&mut self, actor: &Actor, name: &str, fields: &Fields) -> Result<Value, Fail> {
        let id = text(fields, "artifact");
        self.look(&actor.payer, self.parts_of(name, fields))?;
        self.compile(actor, name, fields)?;
        match name {
            "noop" => Ok(Value::Null),
            "read" => {
                let art = self.get(id);
                let mut shown = json!({
                    "artifact": id, "kind": art.kind, "version": art.version, "content": art.content,
                });
                if fields.get("code") == Some(&json!(true)) {
                    shown["code"] = art.code.clone().into();
                    shown["interface"] = Value::Null;
                }
                Ok(shown)
            }
            "write" => self.write(actor, id, fields),
            "edit" => self.edit(id, fields),
            "delete" => self.delete(actor, id, fields.get("heir").and_then(Value::as_str)),
            "invoke" => self.invoke(actor, id, fields),
            "run" => {
                let call = Call { args: Vec::new(), caller: actor.me.clone(), paid: 0, given: Vec::new() };
                let mut inner = actor.clone();
                inner.depth += u32::from(actor.in_code);
                if inner.depth > limits::INVOKE_DEPTH_MAX {
                    return short("depth_exceeded", inner.depth.into(), limits::INVOKE_DEPTH_MAX.into());
                }
                let code = text(fields, "code");
                self.look(&actor.payer, code.len() as u64 * limits::PARTS_PER_SOURCE_BYTE)?;
                self.run(inner, code, "main", call, &actor.payer)?
            }
            "transfer" => self.transfer(actor, fields),
            "mandate" => self.mandate(actor, fields),
            "charge" => self.charge_by_mandate(actor, fields),
            "transfer_ownership" => {
                let to = self.recipient(fields)?;
                self.own(actor, id, &to)?;
                Ok(json!({ "artifact": id, "owner": to }))
            }
            "set_contract" => {
                let contract = text(fields, "contract");
                self.contract(contract, id)?;
                let mut art = self.get(id).clone();
                art.contract = contract.into();
                art.version += 1;
                self.replace(id, art)?;
                Ok(json!({ "artifact": id, "access_contract": contract }))
            }
            "store" => {
                self.store(&actor.me, text(fields, "key"), &fields["value"])?;
                Ok(Value::Null)
            }
            "remember" => self.remember(actor, fields),
            "forget" => self.forget(actor, fields),
            "query" => self.query(actor, fields),
            other => panic!("the model doesn't know {other}"),
        }
    }

    /// Whether another artifact can be a contract.
    fn contract(&self, contract: &str, of: &str) -> Result<(), Fail> {
        let code = if contract == of { &self.get(of).code } else { &self.live(contract)?.code };
        // The native ones are Python, and no toy.
        let native = contract.starts_with("genesis_contract_");
        if native || code.as_deref().is_some_and(decides) { Ok(()) } else { fail("invalid_argument") }
    }

    /// Whether an artifact that is its own contract can still decide.
    fn own_contract(id: &str, art: &Art) -> Result<(), Fail> {
        let fine = art.contract != id || art.code.as_deref().is_some_and(decides);
        if fine { Ok(()) } else { fail("invalid_argument") }
    }

    fn write(&mut self, actor: &Actor, id: &str, fields: &Fields) -> Result<Value, Fail> {
        let created = !self.state.arts.contains_key(id);
        if created && id.starts_with("genesis_") {
            return fail("invalid_argument");
        }
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool);
        if created {
            self.live(&actor.me)?;
        }
        let mut art = if created { self.blank(id, &actor.me) } else { Art::clone(self.get(id)) };
        if created {
            if flag("has_loop") == Some(true) && flag("has_standing") == Some(false) {
                return fail("invalid_argument");
            }
            art.has_loop = flag("has_loop") == Some(true);
            art.standing = art.has_loop || flag("has_standing") == Some(true);
            art.pays_itself = art.has_loop;
            art.kind = fields.get("kind").and_then(Value::as_str).unwrap_or("data").into();
        } else {
            let fixed = fields.get("kind").is_some_and(|kind| *kind != art.kind.as_str())
                || flag("has_loop").is_some_and(|given| given != art.has_loop)
                || flag("has_standing").is_some_and(|given| given != art.standing);
            if fixed {
                return fail("invalid_argument");
            }
            art.version += 1;
        }
        if let Some(pays) = fields.get("pays") {
            art.pays_itself = *pays == "self";
            if art.pays_itself && !art.standing {
                return fail("invalid_argument");
            }
        }
        if let Some(code) = fields.get("code") {
            art.code = code.as_str().map(Into::into);
        }
        if let Some(contract) = fields.get("access_contract").and_then(Value::as_str) {
            if contract != id {
                self.contract(contract, id)?;
            }
            art.contract = contract.into();
        }
        Self::own_contract(id, &art)?;
        if let Some(content) = fields.get("content") {
            art.content = content.clone();
        }
        if let Some(price) = fields.get("price").and_then(Value::as_i64) {
            art.price = price;
        }
        let result =
            json!({ "artifact": id, "created": created, "version": art.version, "size": art.size() });
        if created {
            if !self.can_hold(&actor.me) {
                return fail("invalid_argument");
            }
            self.room_on_disk(&actor.me, art.size())?;
            self.state.arts.insert(id.into(), art.into());
            self.check_disk()?;
        } else {
            self.replace(id, art)?;
        }
        Ok(result)
    }

    fn edit(&mut self, id: &str, fields: &Fields) -> Result<Value, Fail> {
        let mut art = Art::clone(self.get(id));
        let in_code = text(fields, "field") == "code";
        let before = if in_code { art.code.clone() } else { art.content.as_str().map(Into::into) };
        let (old, new) = (text(fields, "old"), text(fields, "new"));
        let Some(before) = before.filter(|before| !old.is_empty() && before.matches(old).count() == 1) else {
            return fail("invalid_argument");
        };
        let after = before.replace(old, new);
        if in_code {
            art.code = Some(after);
            Self::own_contract(id, &art)?;
        } else {
            art.content = after.into();
        }
        art.version += 1;
        let version = art.version;
        self.replace(id, art)?;
        Ok(json!({ "artifact": id, "version": version }))
    }

    fn delete(&mut self, actor: &Actor, id: &str, heir: Option<&str>) -> Result<Value, Fail> {
        let standing = self.get(id).standing;
        if let Some(heir) = heir
            && (!self.live(heir)?.standing || heir == id || !standing)
        {
            return fail("invalid_argument");
        }
        let owner = self.get(id).owner.clone();
        let others = || self.state.arts.iter().filter(|(other, art)| !art.deleted && *other != id);
        let owns = others().any(|(_, other)| other.owner == id);
        let governs = others().any(|(_, other)| other.contract == id && other.owner == owner);
        let all = 0..self.rules.resources.len();
        let holds = self.get(id).scrip > 0
            || all.clone().any(|resource| match self.kind(resource) {
                ResourceKind::Depletable => self.free(id, resource) > 0,
                ResourceKind::Allocatable => self.get(id).limits[resource] > 0,
                ResourceKind::Renewable { .. } | ResourceKind::Metered => false,
            });
        let thinks = all.clone().any(|resource| {
            self.kind(resource) == ResourceKind::Depletable && self.get(id).asked[resource] > 0
        });
        if governs || (standing && (owns || thinks || (holds && heir.is_none()))) {
            self.look(&actor.payer, self.state.arts.len() as u64 * limits::PARTS_PER_ROW)?;
            return fail("invalid_argument");
        }
        let (held, given) = self.mandates_of(id);
        self.look(&actor.payer, (held + given) * limits::PARTS_PER_ROW)?;
        let before = self.get(id).size();
        if let Some(heir) = heir {
            let scrip = self.get(id).scrip;
            if scrip > 0 {
                self.pay(id, heir, scrip, "heir")?;
            }
            for resource in all.clone() {
                let amount = self.free(id, resource);
                if self.kind(resource) == ResourceKind::Depletable && amount > 0 {
                    self.shift(id, heir, resource, amount)?;
                }
            }
        }
        self.end_mandates_held(id);
        self.state.mandates.retain(|(giver, _, _), _| giver != id);
        let art = self.get_mut(id);
        art.deleted = true;
        art.storage.clear();
        art.entries.clear();
        art.memory = None;
        art.asked.fill(0);
        art.content = Value::Null;
        art.code = None;
        let freed = before - self.get(id).size();
        if !standing {
            return Ok(json!({ "artifact": id, "freed": freed }));
        }
        for resource in all {
            match self.kind(resource) {
                ResourceKind::Renewable { .. } => self.get_mut(id).limits[resource] = 0,
                ResourceKind::Depletable | ResourceKind::Allocatable => {
                    if let Some(heir) = heir.filter(|_| self.kind(resource) == ResourceKind::Allocatable) {
                        let quota = self.free(id, resource);
                        self.get_mut(id).limits[resource] -= quota;
                        self.get_mut(heir).limits[resource] += quota;
                    }
                    // Nothing more of it can be charged.
                    let charged = self.charged(id, resource);
                    let least = self.state.least.entry((id.to_owned(), resource)).or_insert(charged);
                    *least = charged.min(*least);
                }
                ResourceKind::Metered => {}
            }
        }
        Ok(json!({ "artifact": id, "freed": freed }))
    }

    fn recipient(&self, fields: &Fields) -> Result<String, Fail> {
        let to = text(fields, "to");
        if self.live(to)?.standing { Ok(to.into()) } else { fail("invalid_argument") }
    }

    pub(crate) fn own(&mut self, actor: &Actor, id: &str, to: &str) -> Result<(), Fail> {
        let mut art = Art::clone(self.live(id)?);
        self.look(&actor.payer, self.mandates_of(id).0 * limits::PARTS_PER_ROW)?;
        if art.owner != to {
            self.room_on_disk(to, art.size())?;
            art.changed_hands |= art.owner != to;
            art.owner = to.into();
            self.state.arts.insert(id.into(), art.into());
            self.end_mandates_held(id);
        }
        self.check_disk()
    }

    fn transfer(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        // A principal deleted within the action has nothing any more, and can't act as itself.
        self.live(&actor.me)?;
        let (to, amount) = (self.recipient(fields)?, fields["amount"].as_i64().unwrap());
        let Some(name) = fields.get("resource").and_then(Value::as_str) else {
            if fields.contains_key("part") {
                return fail("invalid_argument");
            }
            self.pay(&actor.me, &to, amount, "transfer")?;
            return Ok(json!({ "balance": self.get(&actor.me).scrip }));
        };
        let resource = self.resource(name)?;
        let part = match self.kind(resource) {
            ResourceKind::Metered => return fail("invalid_argument"),
            ResourceKind::Renewable { .. } => "rate",
            ResourceKind::Depletable => "balance",
            ResourceKind::Allocatable => "quota",
        };
        if fields.get("part").is_some_and(|given| *given != part) || !self.can_hold(&actor.me) {
            return fail("invalid_argument");
        }
        self.shift(&actor.me, &to, resource, amount)?;
        // A balance falls by the use; a rate or a quota stays as it is.
        let held = match part {
            "balance" => self.free(&actor.me, resource),
            _ => self.get(&actor.me).limits[resource],
        };
        Ok(json!({ part: held }))
    }

    pub(crate) fn resource(&self, name: &str) -> Result<usize, Fail> {
        match self.rules.resources.iter().position(|rule| rule.name == name) {
            Some(resource) => Ok(resource),
            None => fail("invalid_argument"),
        }
    }

    fn store(&mut self, id: &str, key: &str, value: &Value) -> Result<(), Fail> {
        let mut art = Art::clone(self.live(id)?);
        if value.is_null() {
            art.storage.remove(key);
        } else {
            art.storage.insert(key.into(), value.clone());
        }
        self.replace(id, art)
    }
}

pub(crate) fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or("")
}

fn ops_of(action: &Value) -> &[Value] {
    match action {
        Value::Array(ops) => ops,
        op => std::slice::from_ref(op),
    }
}

/// The faults that a well-formed op may still have in these tests: the size of an amount, and giving twice.
fn check_fields(name: &str, fields: &Fields) -> Result<(), Fail> {
    let amount = fields.get("amount").and_then(Value::as_i64);
    if amount.is_some_and(|amount| amount < 1) && ["transfer", "query", "charge"].contains(&name) {
        return fail("invalid_argument");
    }
    let given = fields.get("give").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |gift: &Value| gift.get("resource").unwrap_or(gift).clone();
    let kind = |gift: &Value| (gift.is_string(), of(gift));
    let twice =
        given.iter().enumerate().any(|(at, gift)| given[..at].iter().any(|other| kind(other) == kind(gift)));
    let nothing =
        given.iter().any(|gift| gift.get("amount").and_then(Value::as_i64).is_some_and(|much| much < 1));
    if twice || nothing { fail("invalid_argument") } else { Ok(()) }
}
