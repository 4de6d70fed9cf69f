//! The naive model's mandates, and who pays for a permission.

use serde_json::{Value, json};

use oikos_kernel::rules::ResourceKind;

use super::{
    naive::{Fail, Key, Mandate, Model, Told, fail},
    naive_ops::{Actor, Fields, text},
};

/// The recipient of a cost, and its parts: who pays, how much, and whether it is the invoker's own.
type Parts = (String, Vec<(String, i64, bool)>);

impl Model {
    pub(crate) fn mandate(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        self.live(&actor.me)?;
        if !self.can_hold(&actor.me) {
            return fail("invalid_argument");
        }
        let to = text(fields, "to").to_owned();
        self.live(&to)?;
        if to == actor.me {
            return fail("invalid_argument");
        }
        let resource = self.unit(fields)?;
        let key: Key = (actor.me.clone(), to.clone(), resource);
        let per_call = fields["per_call"].as_i64().unwrap();
        let told = |detail: &str| Told {
            to: Some(to.clone()),
            resource: resource.map(|resource| self.rules.resources[resource].name.clone()),
            detail: Some(detail.into()),
            ..Told::default()
        };
        if per_call == 0 {
            let told = told("withdrawn");
            return match self.state.mandates.remove(&key) {
                Some(_) => {
                    self.tell(actor, "mandate", told);
                    Ok(Value::Null)
                }
                None => fail("permission_denied"),
            };
        }
        let number = |name: &str| fields.get(name).and_then(Value::as_i64);
        let Some(per_window) = number("per_window") else { return fail("invalid_argument") };
        let window_ms = match text(fields, "window") {
            "" => return fail("invalid_argument"),
            text => text.strip_suffix("ms").unwrap().parse().unwrap(),
        };
        if window_ms < 1 {
            return fail("invalid_argument");
        }
        let told = told("given");
        let before = self.state.mandates.get(&key);
        if before.is_none() {
            self.room_on_disk(&actor.me, 64)?;
        }
        let uses = before.map_or_else(Vec::new, |before| before.uses.clone());
        let mandate = Mandate { per_call, per_window, window_ms, until: None, uses };
        let shown = self.shown(&key, &mandate, text(fields, "window"));
        self.state.mandates.insert(key, mandate);
        self.check_disk()?;
        self.tell(actor, "mandate", told);
        Ok(shown)
    }

    pub(crate) fn shown(&self, (from, to, resource): &Key, mandate: &Mandate, window: &str) -> Value {
        let used = mandate.used(self.now);
        let unit = resource.map_or("scrip", |resource| &self.rules.resources[resource].name);
        json!({
            "from": from, "to": to, "resource": unit, "per_call": mandate.per_call,
            "per_window": mandate.per_window, "window": window, "until": null, "used": used,
            "left": (mandate.per_window - used).clamp(0, mandate.per_call),
        })
    }

    pub(crate) fn can_hold(&self, id: &str) -> bool {
        self.live(id).is_ok_and(|art| art.standing)
    }

    fn unit(&self, fields: &Fields) -> Result<Option<usize>, Fail> {
        let name = fields.get("resource").and_then(Value::as_str);
        let Some(name) = name.filter(|name| *name != "scrip") else { return Ok(None) };
        let resource = self.resource(name)?;
        match self.kind(resource) {
            ResourceKind::Depletable => Ok(Some(resource)),
            _ => fail("invalid_argument"),
        }
    }

    pub(crate) fn charge_by_mandate(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        self.live(&actor.me)?;
        if !self.can_hold(&actor.me) {
            return fail("invalid_argument");
        }
        let payer = text(fields, "payer").to_owned();
        self.live(&payer)?;
        let (resource, amount) = (self.unit(fields)?, fields["amount"].as_i64().unwrap());
        let key: Key = (payer.clone(), actor.me.clone(), resource);
        self.use_mandate(&key, amount)?;
        match resource {
            None => self.pay(&payer, &actor.me, amount, "charge")?,
            Some(resource) => self.shift(&payer, &actor.me, resource, amount)?,
        }
        let reason = fields.get("reason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
        self.tell_charge(&key, &actor.me, amount, reason.map(str::to_owned));
        let mandate = &self.state.mandates[&key];
        let left = (mandate.per_window - mandate.used(self.now)).clamp(0, mandate.per_call);
        Ok(json!({ "payer": payer, "amount": amount, "left": left }))
    }

    fn use_mandate(&mut self, key: &Key, amount: i64) -> Result<(), Fail> {
        let now = self.now;
        let Some(mandate) = self.state.mandates.get_mut(key) else { return fail("permission_denied") };
        mandate.check(amount, now)?;
        mandate.uses.push((now, amount));
        Ok(())
    }

    fn tell_charge(
        &mut self,
        (payer, holder, resource): &Key,
        to: &str,
        amount: i64,
        detail: Option<String>,
    ) {
        self.state.events.push(Told {
            kind: "charge".into(),
            actor: holder.clone(),
            artifact: Some(payer.clone()),
            to: Some(to.into()),
            amount: Some(amount),
            resource: resource.map(|resource| self.rules.resources[resource].name.clone()),
            detail,
        });
    }

    /// The mandates that an artifact holds end with its owner's.
    pub(crate) fn end_mandates_held(&mut self, id: &str) {
        self.state.mandates.retain(|(_, holder, _), _| holder != id);
    }

    /// Whether a contract's owner bears its CPU for a question about an artifact of `target_owner`.
    pub(crate) fn owner_bears(&self, contract: &str, target_owner: &str) -> Result<Option<String>, Fail> {
        let art = self.get(contract);
        match art.content.get("resources") {
            None => return Ok(None),
            Some(word) if *word == "caller" => return Ok(None),
            Some(word) if *word == "owner" => {}
            Some(_) => return fail("permission_denied"),
        }
        let owner = art.owner.clone();
        let agreed = target_owner == owner && !art.changed_hands
            || self.state.mandates.iter().any(|((giver, holder, _), mandate)| {
                *giver == owner && holder == contract && mandate.holds(self.now)
            });
        let charged = self.can_hold(&owner) && self.base.arts.contains_key(&owner);
        Ok(Some(owner).filter(|_| agreed && charged))
    }

    /// The parts of a cost. `None` where the contract names somebody who can't pay or be paid.
    fn parts(&self, actor: &Actor, target: &str, verdict: &Value) -> Option<Parts> {
        let owner = self.get(target).owner.clone();
        let cost = verdict["cost"].as_i64().unwrap_or(0);
        let recipient = verdict["recipient"].as_str().unwrap_or(&owner).to_owned();
        if (cost > 0 || verdict["recipient"].is_string()) && !self.can_hold(&recipient) {
            return None;
        }
        let model = &verdict["cost_model"];
        let named = model["payer"].as_str();
        let other = match (named, model.as_str()) {
            (Some(id), _) => id.to_owned(),
            (None, Some("artifact_pays")) => target.to_owned(),
            _ => owner,
        };
        let pays = named.is_some() || (cost > 0 && model.is_string() && *model != "invoker_pays");
        if pays && !self.can_hold(&other) {
            return None;
        }
        let invokers = match model.as_str() {
            None | Some("invoker_pays") if named.is_none() => cost,
            Some("split") => {
                let share = |name: &str| i128::from(verdict["shares"][name].as_i64().unwrap_or(0));
                let owners = i128::from(cost) * share("owner") / (share("invoker") + share("owner"));
                cost - i64::try_from(owners).unwrap()
            }
            _ => 0,
        };
        let parts = vec![(actor.purse.clone(), invokers, true), (other, cost - invokers, false)];
        let parts =
            parts.into_iter().filter(|(payer, amount, _)| *amount > 0 && *payer != recipient).collect();
        Some((recipient, parts))
    }

    /// Takes what a contract asks for, of those who have agreed to it.
    pub(crate) fn settle_cost(
        &mut self,
        actor: &Actor,
        contract: &str,
        (action, target): (&str, &str),
        verdict: &Value,
    ) -> Result<(), Fail> {
        let Some((recipient, parts)) = self.parts(actor, target, verdict) else {
            // The contract named someone who can't pay or be paid: that is its failure, and so it denies.
            self.notice(actor, contract);
            return fail("permission_denied");
        };
        let owner = Some(self.get(contract)).filter(|it| !it.changed_hands).map(|it| it.owner.clone());
        let mut taken = Vec::new();
        for (payer, amount, is_invokers) in parts {
            let key: Key = (payer.clone(), contract.to_owned(), None);
            let allowed = self.state.mandates.get(&key).is_some_and(|it| it.check(amount, self.now).is_ok());
            let how = if is_invokers {
                "bound"
            } else if owner.as_ref().is_some_and(|owner| payer == *owner || self.get(&payer).owner == *owner)
            {
                "owner"
            } else if allowed {
                "mandate"
            } else if payer == actor.purse {
                "bound"
            } else {
                // A mandate that does not suffice says by how much.
                let why = self.state.mandates.get(&key).map(|mandate| mandate.check(amount, self.now));
                let numbers = why.and_then(Result::err).and_then(|why| why.numbers);
                return Err(Fail { code: "permission_denied", numbers, is_payers: false });
            };
            taken.push((key, amount, how));
        }
        for (key, amount, how) in taken {
            match how {
                "bound" => self.consent(&key.0, amount)?,
                "mandate" => self.use_mandate(&key, amount)?,
                _ => {}
            }
            self.pay(&key.0, &recipient, amount, "contract_cost")?;
            if how == "mandate" {
                self.tell_charge(&key, &recipient, amount, Some(format!("{action} {target}")));
            }
        }
        Ok(())
    }
}
