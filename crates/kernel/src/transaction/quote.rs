//! Quotes: all of an invocation is done but the run of its code, seen, and taken back.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Next, Transaction,
    stack::{Actor, Bearer, OpTask, Quote},
};
use crate::{
    id::Handle,
    op::{Invoke, Op, OpKind, Query, What},
    record::{Effect, Pays},
    refusal::Refusal,
    resource::ResourceId,
    rules::Authority,
    state::State,
};

impl Transaction<'_> {
    /// The invocation that an op only asks about, if it does.
    pub(super) fn begin_quote(&mut self, actor: Actor, op: &Op) -> Result<Option<Arc<Op>>, Refusal> {
        let Op::Query(query) = op else { return Ok(None) };
        if query.what != What::Quote {
            return Ok(None);
        }
        query.check_fields()?;
        let Some(artifact) = query.artifact.clone() else { return Ok(None) };
        self.target(&artifact)?;
        let who = self.asked_of(actor, query)?;
        let is_own = actor.me == Some(who);
        let prices = actor.bearer.prices.filter(|_| is_own).unwrap_or(who);
        let bearer = actor.bearer.resources.filter(|_| is_own).unwrap_or(who);
        let subject = Actor {
            me: Some(who),
            bearer: Bearer { prices: Some(prices), ..actor.bearer },
            origin: actor.origin.or(Some(who)),
            ..actor
        };
        let (method, args, pay) = (query.method.clone(), query.args.clone(), query.pay);
        let asked = Arc::new(Op::Invoke(Invoke { pay, args, ..Invoke::of(artifact, method) }));
        let quote = Quote { actor: subject, op: Arc::clone(&asked), bearer, spend: 0 };
        if let Some(task) = self.top_op() {
            task.quote = Some(Box::new(quote));
        }
        Ok(Some(asked))
    }

    /// The principal that a question about what is allowed is about.
    pub(super) fn asked_of(&self, actor: Actor, query: &Query) -> Result<Handle, Refusal> {
        let who = match &query.principal {
            Some(id) => self.target(id)?,
            None => self.own(actor)?,
        };
        if actor.me != Some(who) {
            self.check_observer(actor, "what another may do")?;
        }
        Ok(who)
    }

    /// Does all of the invocation but the run of its code.
    pub(super) fn quote(&mut self, actor: Actor, op: &Arc<Op>) -> Next {
        let Op::Invoke(invoke) = &**op else { return self.end_op(Ok(Value::Null)) };
        let done = self.check_op_costs().and_then(|()| self.enter(actor, invoke).map(|_| Value::Null));
        self.end_op(done)
    }

    fn check_op_costs(&mut self) -> Result<(), Refusal> {
        let Some(bearer) = self.top_op().and_then(|task| task.quote.as_ref()).map(|quote| quote.bearer)
        else {
            return Ok(());
        };
        let costs = self.costs(OpKind::Invoke).map(|(_, resource, amount)| (*resource, *amount));
        let short =
            costs.into_iter().find(|(resource, amount)| self.draft.chargeable(bearer, *resource) < *amount);
        short.map_or(Ok(()), |(resource, amount)| Err(self.shortage(bearer, resource, amount)))
    }

    /// The answer to a quote, which takes back all that was done for it. Work that the asker could not bear stays
    /// its refusal.
    pub(super) fn end_quote(&mut self, result: Result<Value, Refusal>) -> Result<Value, Refusal> {
        let Some((asker, quote)) = self.top_op().and_then(|task| Some((task.actor, task.quote.take()?)))
        else {
            return result;
        };
        let lacks_work = |refusal: &Refusal| {
            refusal.bound || refusal.lack.is_some_and(|lack| lack.resource == ResourceId::CPU)
        };
        let error = match result {
            Ok(_) => None,
            Err(refusal) if lacks_work(&refusal) => return Err(refusal),
            Err(refusal) => Some(self.told(asker, &refusal)),
        };
        let payments = if error.is_none() { self.quoted_payments(asker) } else { Vec::new() };
        self.undo_top();
        Ok(self.quote_json(&quote, error, payments))
    }

    /// The payments of the op on top, as far as the asker may know of them.
    fn quoted_payments(&mut self, asker: Actor) -> Vec<Value> {
        let savepoint = self.top_op().map(|task: &mut OpTask| task.savepoint);
        let effects = savepoint.map_or(&[][..], |savepoint| self.draft.effects_since(savepoint));
        let rows = effects.iter().filter_map(|effect| {
            let Effect::Pay { from, to, amount, why, of } = effect else { return None };
            let is_party = self.may_know(asker, *from) || self.may_know(asker, *to);
            is_party.then(|| {
                let mut map = Map::new();
                map.insert("from".into(), self.name(*from).into());
                map.insert("to".into(), self.name(*to).into());
                map.insert("amount".into(), (*amount).into());
                map.insert("why".into(), why.as_str().into());
                map.insert("artifact".into(), of.map_or(Value::Null, |of| self.name(of).into()));
                Value::Object(map)
            })
        });
        rows.collect()
    }

    fn quote_json(&self, quote: &Quote, error: Option<Refusal>, payments: Vec<Value>) -> Value {
        let invoked = match &*quote.op {
            Op::Invoke(invoke) => self.draft.find(invoke.artifact.as_str()),
            _ => None,
        };
        let row = invoked.and_then(|invoked| self.draft.artifact(invoked));
        let itself =
            invoked.filter(|_| row.is_some_and(|row| row.pays == Pays::Itself && row.account.is_some()));
        let costs = self.costs(OpKind::Invoke).map(|(_, resource, amount)| {
            json!({
                "principal": self.name(quote.bearer),
                "resource": self.draft.world().rules().resource_name(*resource),
                "amount": amount,
            })
        });
        let by_contracts = self.draft.world().rules().authority == Authority::Contracts;
        json!({
            "allowed": error.is_none(),
            "contract": row.filter(|_| by_contracts).map_or(Value::Null, |row| self.name(row.access_contract).into()),
            "payments": payments,
            "max_spend": if error.is_none() { quote.spend } else { 0 },
            "costs": costs.collect::<Vec<_>>(),
            "cpu": self.name(itself.unwrap_or(quote.bearer)),
            "error": error.map(|error| error.to_json()),
        })
    }
}
