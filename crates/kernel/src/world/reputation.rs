//! Counting facts, and telling them.
//!
//! They are counted when an action has ended, from its record. They count prices and never things that are sent
//! along, so they tell nothing that events don't tell everybody.

use serde_json::{Value, json};

use super::{
    World,
    facts::{Custom, Dealings, row},
};
use crate::{id::Handle, record::Use, state::State, time::Time};

impl World {
    /// Counts an invocation that succeeded.
    pub(super) fn count_use(&mut self, used: &Use) {
        let Use { artifact, customer, price } = *used;
        let now = self.now;
        let Some(owner) = self.get(artifact).map(|artifact| artifact.owner) else { return };
        let facts = &mut self.facts;
        let service = row(&mut facts.services, artifact.0 as usize);
        service.invocations += 1;
        // A sum that nobody can hold stays at the end.
        service.revenue = service.revenue.saturating_add(price);
        service.first = service.first.or(Some(now));
        service.last = Some(now);
        let Some(customer) = customer else { return };
        if customer == owner {
            self.count_dealing(customer, |dealings| dealings.invocations += 1);
            return;
        }
        let before = facts.customers.get(&(artifact, customer)).copied();
        if before.is_none() {
            service.customers += 1;
        }
        let is_new_partner = before.is_none_or(|custom| custom.owner != owner)
            && facts.partners.insert((customer.min(owner), customer.max(owner)), ()).is_none();
        let custom = Custom { best: before.map_or(price, |custom| custom.best.max(price)), owner };
        if before.is_none_or(|before| before.best != custom.best || before.owner != custom.owner) {
            facts.customers.insert((artifact, customer), custom);
        }
        self.count_dealing(customer, |dealings| {
            dealings.invocations += 1;
            dealings.spent = dealings.spent.saturating_add(price);
            dealings.counterparties += u32::from(is_new_partner);
        });
        if price > 0 || is_new_partner {
            self.count_dealing(owner, |dealings| {
                dealings.earned = dealings.earned.saturating_add(price);
                dealings.sales += u64::from(price > 0);
                dealings.counterparties += u32::from(is_new_partner);
            });
        }
    }

    /// Counts invocations that failed by the artifact's own code.
    pub(super) fn count_failures(&mut self, artifact: Handle, times: u32) {
        let now = self.now;
        let service = row(&mut self.facts.services, artifact.0 as usize);
        service.failures += u64::from(times);
        service.first = service.first.or(Some(now));
        service.last = Some(now);
    }

    fn count_dealing(&mut self, who: Handle, count: impl FnOnce(&mut Dealings)) {
        // An artifact of the library that owns itself may have no account, and deals for nobody.
        if let Some(number) = self.get(who).and_then(|artifact| artifact.account) {
            count(row(&mut self.facts.dealings, number as usize));
        }
    }

    /// The facts of an artifact.
    pub(crate) fn service(&self, artifact: Handle) -> Value {
        let facts = self.facts.services.get(artifact.0 as usize).copied().unwrap_or_default();
        let time = |time: Option<Time>| time.map_or(Value::Null, |time| time.to_string().into());
        json!({
            "artifact": self.get(artifact).map_or("?", |artifact| artifact.id()),
            "invocations": facts.invocations,
            "failures": facts.failures,
            "customers": facts.customers,
            "revenue": facts.revenue,
            "first_used": time(facts.first),
            "last_used": time(facts.last),
        })
    }

    /// How often an artifact was invoked, and what that earned by its prices.
    #[must_use]
    pub fn use_of(&self, artifact: Handle) -> (u64, i64) {
        let facts = self.facts.services.get(artifact.0 as usize);
        facts.map_or((0, 0), |facts| (facts.invocations, facts.revenue))
    }

    /// The facts of a principal.
    pub(crate) fn dealings(&self, who: Handle) -> Value {
        let artifact = self.get(who);
        let number = artifact.and_then(|artifact| artifact.account);
        let facts = number.and_then(|number| self.facts.dealings.get(number as usize)).copied();
        let facts = facts.unwrap_or_default();
        json!({
            "principal": artifact.map_or("?", |artifact| artifact.id()),
            "earned": facts.earned,
            "spent": facts.spent,
            "invocations": facts.invocations,
            "sales": facts.sales,
            "counterparties": facts.counterparties,
        })
    }

    /// The customers of an artifact with the highest price that each paid at once, in the order of creation.
    pub(crate) fn customers(&self, artifact: Handle) -> impl Iterator<Item = (Handle, i64)> {
        let all = self.facts.customers.range((artifact, Handle(0))..=(artifact, Handle(u32::MAX)));
        all.map(|((_, customer), custom)| (*customer, custom.best))
    }

    /// Whether the facts are of artifacts and accounts that there are.
    pub(super) fn check_facts(&self) -> Result<(), String> {
        let facts = &self.facts;
        let pairs = facts.customers.iter().map(|((one, other), custom)| [*one, *other, custom.owner]);
        let beyond = |handle: &Handle| handle.0 >= State::len(self);
        let stray = pairs.flatten().chain(facts.partners.keys().flat_map(|(one, other)| [*one, *other]));
        if facts.services.len() > State::len(self) as usize
            || facts.dealings.len() > self.accounts_len() as usize
            || stray.into_iter().any(|handle| beyond(&handle))
        {
            return Err("it counts facts of what is not there".into());
        }
        Ok(())
    }

    /// Adds the facts up: every customer and every partner is counted once.
    pub(super) fn audit_facts(&self) -> Result<(), String> {
        let customers: u64 = self.facts.services.iter().map(|service| u64::from(service.customers)).sum();
        let partners: u64 =
            self.facts.dealings.iter().map(|dealings| u64::from(dealings.counterparties)).sum();
        let (pairs, partnerships) = (self.facts.customers.len() as u64, self.facts.partners.len() as u64);
        if customers == pairs && partners <= 2 * partnerships {
            return Ok(());
        }
        Err(format!(
            "{customers} customers and {partners} partners are counted, of {pairs} and {partnerships} pairs"
        ))
    }
}
