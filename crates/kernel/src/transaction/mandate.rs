//! Mandates: how they are given, used and looked at.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Told, Transaction, meter, stack::Actor};
use crate::{
    id::Handle,
    limits,
    mandate::{Beyond, Mandate, MandateKey},
    op::{self, OpKind, Query, Word},
    record::{Effect, Event, EventKind, Terms, Why},
    refusal::{Code, Refusal},
    resource::{ResourceId, ResourceKind, SCRIP},
    state::State,
    time::format_duration_ms,
};

impl Transaction<'_> {
    pub(super) fn give_mandate(&mut self, actor: Actor, op: &op::Mandate) -> Result<Value, Refusal> {
        let from = self.own(actor)?;
        if !self.has_standing(from) {
            let sentence = format!("`{}` has no standing, so it has nothing to be charged", self.name(from));
            return Err(Refusal::invalid(sentence));
        }
        let to = self.target(&op.to)?;
        if from == to {
            return Err(Refusal::invalid(format!("`to`: `{}` needs no mandate of its own", op.to)));
        }
        let resource = self.unit(op.resource.as_ref())?;
        let (key, terms) = ((from, to, resource), self.terms(op)?);
        if terms.is_none() && State::mandate(&self.draft, key).is_none() {
            return Err(self.no_mandate(key));
        }
        self.put(Effect::Mandate { from, to, resource, terms })?;
        let detail = Some(if terms.is_some() { "given" } else { "withdrawn" }.to_owned());
        self.tell(actor, OpKind::Mandate, Told { to: Some(to), resource, detail, ..Told::default() });
        Ok(State::mandate(&self.draft, key).map_or(Value::Null, |mandate| self.mandate_json(key, mandate)))
    }

    /// The bounds that an op names; none where it withdraws.
    fn terms(&self, op: &op::Mandate) -> Result<Option<Terms>, Refusal> {
        if op.per_call.0 == 0 {
            return Ok(None);
        }
        let missing = |field: &str| {
            Refusal::invalid(format!("`{field}` is missing"))
                .hint("a mandate names `per_call`, `per_window` and `window`; `per_call` 0 withdraws it")
        };
        let per_window = op.per_window.ok_or_else(|| missing("per_window"))?.0;
        let window_ms = op.window.as_ref().ok_or_else(|| missing("window"))?.0;
        if window_ms < 1 {
            return Err(Refusal::invalid("`window` must be at least 1ms"));
        }
        if op.until.is_some_and(|until| until <= self.now) {
            return Err(Refusal::invalid(format!("`until` must be later than now, {}", self.now)));
        }
        Ok(Some(Terms { per_call: op.per_call.0, per_window, window_ms, until: op.until }))
    }

    /// The unit of a mandate: scrip, which is none, or a depletable resource.
    fn unit(&self, name: Option<&Word<64>>) -> Result<Option<ResourceId>, Refusal> {
        let Some(name) = name.filter(|name| &*name.0 != SCRIP) else { return Ok(None) };
        let resource = self.resource(&name.0)?;
        if self.draft.world().rules().kind(resource) == ResourceKind::Depletable {
            return Ok(Some(resource));
        }
        let sentence = format!("`{}` can't be charged: it is no depletable resource", name.0);
        Err(Refusal::invalid(sentence).hint("mandates are of `scrip` or of a depletable resource"))
    }

    pub(super) fn charge(&mut self, actor: Actor, op: &op::Charge) -> Result<Value, Refusal> {
        let to = self.own(actor)?;
        if !self.has_standing(to) {
            let sentence = format!("`{}` has no standing to receive what it charges", self.name(to));
            return Err(Refusal::invalid(sentence).hint("an artifact is created with `has_standing`"));
        }
        let (from, amount) = (self.target(&op.payer)?, op.amount.0);
        let resource = self.unit(op.resource.as_ref())?;
        let key = (from, to, resource);
        self.use_mandate(key, amount)?;
        self.put(match resource {
            None => Effect::Pay { from, to, amount, why: Why::Charge, of: None },
            Some(resource) => Effect::Move { from, to, resource, amount },
        })?;
        let reason = op.reason.as_ref().map(|reason| reason.0.as_ref().to_owned());
        self.tell_charge(key, to, amount, reason.filter(|reason| !reason.is_empty()));
        let left = State::mandate(&self.draft, key).map_or(0, |mandate| self.left(mandate));
        Ok(json!({ "payer": op.payer.as_str(), "amount": amount, "left": left }))
    }

    /// Tells of the use of a mandate.
    pub(super) fn tell_charge(&mut self, key: MandateKey, to: Handle, amount: i64, reason: Option<String>) {
        let (payer, holder, resource) = key;
        self.draft.tell(Event {
            artifact: Some(payer),
            to: Some(to),
            amount: Some(amount),
            resource,
            detail: reason,
            ..Event::new(EventKind::Op(OpKind::Charge), holder)
        });
    }

    /// Counts a use of a mandate, if it allows so much.
    pub(super) fn use_mandate(&mut self, key: MandateKey, amount: i64) -> Result<(), Refusal> {
        self.check_mandate(key, amount)?;
        let (from, to, resource) = key;
        self.put(Effect::Draw { from, to, resource, amount })
    }

    /// Refuses a charge that no mandate allows.
    pub(super) fn check_mandate(&self, key: MandateKey, amount: i64) -> Result<(), Refusal> {
        let mandate = State::mandate(&self.draft, key).ok_or_else(|| self.no_mandate(key))?;
        mandate.allows(amount, self.now).map_err(|beyond| self.beyond_mandate(key, mandate, amount, beyond))
    }

    fn no_mandate(&self, (from, to, resource): MandateKey) -> Refusal {
        let (from, to) = (self.name(from), self.name(to));
        let unit = self.draft.world().rules().unit_name(resource);
        Refusal::new(Code::PermissionDenied, format!("`{to}` has no mandate of `{from}` for `{unit}`"))
            .hint(format!("`{from}` can give `{to}` one by the op `mandate`"))
    }

    /// Why a mandate does not allow a charge. Its bounds are the affair of its holder.
    fn beyond_mandate(
        &self,
        (from, to, resource): MandateKey,
        mandate: &Mandate,
        amount: i64,
        beyond: Beyond,
    ) -> Refusal {
        let (giver, holder) = (self.name(from), self.name(to));
        let unit = self.draft.world().rules().unit_name(resource);
        let window = format_duration_ms(mandate.terms.window_ms);
        let back = mandate.back_at(self.now);
        let back = || back.map_or_else(String::new, |back| format!("some of it comes back at {back}"));
        let (code, sentence, have, hint) = match beyond {
            Beyond::Ended(until) => {
                let sentence = format!("the mandate of `{giver}` for `{holder}` ended at {until}");
                return Refusal::new(Code::PermissionDenied, sentence)
                    .hint(format!("`{giver}` can give it anew by `mandate`"));
            }
            Beyond::Call { most } => (
                Code::LimitExceeded,
                format!("`{holder}` may charge `{giver}` {most} of `{unit}` at a time"),
                most,
                format!("ask for less, or let `{giver}` give a larger mandate"),
            ),
            Beyond::Window { left, most } => (
                Code::LimitExceeded,
                format!(
                    "`{holder}` may charge `{giver}` {most} of `{unit}` in {window}, of which {left} is left"
                ),
                left,
                back(),
            ),
            Beyond::Uses => {
                let most = limits::MANDATE_USES_MAX;
                let sentence = format!(
                    "`{holder}` may charge `{giver}` at {most} instants in {window}, and has done so"
                );
                return Refusal::beyond_limit(sentence, most + 1, most).hint(back());
            }
        };
        let without = format!("`{holder}` may not charge `{giver}` so much of `{unit}` now");
        Refusal::new(code, sentence).numbers(amount, have).hint(hint).about(to, without, None)
    }

    pub(super) fn has_standing(&self, handle: Handle) -> bool {
        self.draft.artifact(handle).is_some_and(|artifact| artifact.account.is_some() && !artifact.deleted)
    }

    /// How much a mandate still allows at once.
    fn left(&self, mandate: &Mandate) -> i64 {
        let Terms { per_call, per_window, .. } = mandate.terms;
        let left = per_window.saturating_sub(mandate.used(self.now)).clamp(0, per_call);
        if mandate.holds(self.now) { left } else { 0 }
    }

    fn mandate_json(&self, (from, to, resource): MandateKey, mandate: &Mandate) -> Value {
        let terms = &mandate.terms;
        json!({
            "from": self.name(from),
            "to": self.name(to),
            "resource": self.draft.world().rules().unit_name(resource),
            "per_call": terms.per_call,
            "per_window": terms.per_window,
            "window": format_duration_ms(terms.window_ms),
            "until": terms.until.map(|until| until.to_string()),
            "used": mandate.used(self.now),
            "left": self.left(mandate),
        })
    }

    /// The mandates that an artifact gave and holds.
    pub(super) fn mandates(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let who = match &query.of {
            Some(id) => self.target(id)?,
            None => self.own(actor)?,
        };
        self.check_known(actor, who)?;
        let rows = |keys: Vec<MandateKey>| -> Result<Vec<Value>, Refusal> {
            let rows = keys.into_iter().filter_map(|key| Some((key, State::mandate(&self.draft, key)?)));
            rows.map(|(key, mandate): (MandateKey, &Arc<Mandate>)| {
                self.look(actor, limits::PARTS_PER_ROW_SHOWN)?;
                Ok(self.mandate_json(key, mandate))
            })
            .collect()
        };
        Ok(json!({
            "given": rows(State::mandates_given(&self.draft, who))?,
            "received": rows(State::mandates_held(&self.draft, who))?,
        }))
    }

    /// Whether an artifact holds a mandate of somebody that is in force, of whatever.
    pub(super) fn holds_mandate(&self, holder: Handle, giver: Handle) -> bool {
        let rules = self.draft.world().rules();
        let depletable = rules.by_id().filter(|(_, rule)| rule.kind == ResourceKind::Depletable);
        let units = std::iter::once(None).chain(depletable.map(|(resource, _)| Some(resource)));
        units.into_iter().any(|unit| {
            let mandate = State::mandate(&self.draft, (giver, holder, unit));
            mandate.is_some_and(|mandate| mandate.holds(self.now))
        })
    }

    /// Counts the work of ending the mandates that an artifact holds, and those that it gave if it is deleted.
    pub(super) fn look_at_mandates(
        &self,
        actor: Actor,
        handle: Handle,
        deletes: bool,
    ) -> Result<(), Refusal> {
        let given = if deletes { State::mandates_given(&self.draft, handle).len() } else { 0 };
        self.look(actor, meter::rows(given + State::mandates_held(&self.draft, handle).len()))
    }
}
