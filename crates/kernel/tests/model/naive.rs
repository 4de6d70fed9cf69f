//! The naive model's books: plain maps that are copied whole for every savepoint, uses in a plain list
//! that is summed anew for every question, disk counted by visiting every artifact.
//!
//! Written from `DESIGN.md`, without a look at how the kernel does it; only the order in which several
//! things that are wrong at once are noticed follows the kernel, because the design leaves it open.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use oikos_kernel::{
    contract::Native,
    founding::Founder,
    record::Pays,
    rules::{Renewal, ResourceKind, Rules},
};
use serde_json::Value;

use super::naive_memory::Entry;

/// A refusal: its code, and the numbers where it has some.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fail {
    pub(crate) code: &'static str,
    pub(crate) numbers: Option<(i64, i64)>,
    /// Whether it tells the payer what it lacks, or which bound of its own it met.
    pub(crate) is_payers: bool,
}

pub(crate) fn fail<T>(code: &'static str) -> Result<T, Fail> {
    Err(Fail { code, numbers: None, is_payers: false })
}

pub(crate) fn short<T>(code: &'static str, need: i64, have: i64) -> Result<T, Fail> {
    Err(Fail { code, numbers: Some((need, have)), is_payers: false })
}

/// An artifact with its account, if it has standing.
#[derive(Clone, Debug)]
pub(crate) struct Art {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) content: Value,
    pub(crate) code: Option<String>,
    pub(crate) owner: String,
    pub(crate) changed_hands: bool,
    pub(crate) contract: String,
    pub(crate) price: i64,
    pub(crate) pays_itself: bool,
    pub(crate) standing: bool,
    pub(crate) has_loop: bool,
    pub(crate) version: i64,
    pub(crate) deleted: bool,
    pub(crate) storage: BTreeMap<String, Value>,
    /// The artifact that is its memory, and its own entries, with the number of the last one that there was.
    pub(crate) memory: Option<String>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) last_entry: i64,
    pub(crate) scrip: i64,
    /// By resource: rate, balance or quota.
    pub(crate) limits: Vec<i64>,
    /// By resource: set aside for a thought under way.
    pub(crate) asked: Vec<i64>,
    /// By resource: every use ever, `(when, how much)`.
    pub(crate) uses: Vec<Vec<(i64, i64)>>,
}

impl Art {
    /// Bytes on the owner's disk, of a tombstone too: sixteen for the artifact, its account and each key, and
    /// the words and values.
    pub(crate) fn size(&self) -> i64 {
        let rows = 1 + usize::from(self.standing) + self.storage.len();
        let content = match &self.content {
            Value::Null => 0,
            Value::String(text) => text.len(),
            other => other.to_string().len(),
        };
        let stored: usize = self.storage.iter().map(|(key, value)| key.len() + value.to_string().len()).sum();
        let words = self.id.len() + self.kind.len() + self.code.as_ref().map_or(0, String::len);
        let remembered: usize = self.entries.iter().map(Entry::size).sum();
        i64::try_from(16 * rows + words + content + stored + remembered).unwrap()
    }
}

/// A mandate, with every use ever.
#[derive(Clone, Debug)]
pub(crate) struct Mandate {
    pub(crate) per_call: i64,
    pub(crate) per_window: i64,
    pub(crate) window_ms: i64,
    pub(crate) until: Option<i64>,
    /// `(when, how much)`.
    pub(crate) uses: Vec<(i64, i64)>,
}

/// `(giver, holder, of what)`; none is scrip.
pub(crate) type Key = (String, String, Option<usize>);

impl Mandate {
    pub(crate) fn used(&self, now: i64) -> i64 {
        let live = self.uses.iter().filter(|(when, _)| now < when + self.window_ms);
        live.fold(0, |sum: i64, (_, amount)| sum.saturating_add(*amount))
    }

    pub(crate) fn holds(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The refusal of a charge, if it is refused.
    pub(crate) fn check(&self, amount: i64, now: i64) -> Result<(), Fail> {
        if !self.holds(now) {
            return fail("permission_denied");
        }
        if amount > self.per_call {
            return short("limit_exceeded", amount, self.per_call);
        }
        let left = (self.per_window - self.used(now)).max(0);
        if amount > left { short("limit_exceeded", amount, left) } else { Ok(()) }
    }
}

/// The most that prices may take from the payer of an op under way.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) payer: String,
    pub(crate) most: i64,
    pub(crate) taken: i128,
}

/// The most that an op under way may take of a resource of its payer.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) payer: String,
    pub(crate) resource: usize,
    pub(crate) most: i64,
    pub(crate) used: i64,
    /// Bytes on its disk when the op began.
    pub(crate) before: i64,
}

/// All that a failing op takes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) arts: BTreeMap<String, Rc<Art>>,
    /// `(from, to, amount, why)`.
    pub(crate) payments: Vec<(String, String, i64, &'static str)>,
    /// The least that was free of a resource after any move that still stands.
    pub(crate) least: HashMap<(String, usize), i64>,
    pub(crate) bounds: Vec<Bound>,
    pub(crate) events: Vec<Told>,
    pub(crate) mandates: BTreeMap<Key, Mandate>,
}

/// An event, by names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) actor: String,
    pub(crate) artifact: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) amount: Option<i64>,
    pub(crate) resource: Option<String>,
    /// Left out where it is a sentence.
    pub(crate) detail: Option<String>,
}

pub(crate) struct Model {
    pub(crate) rules: Rules,
    pub(crate) now: i64,
    pub(crate) state: State,
    /// As it was before the action: what the action itself brings in can't be charged.
    pub(crate) base: State,
    pub(crate) charges: BTreeMap<(String, usize), i64>,
    /// Events that stand though the action fails.
    pub(crate) notices: Vec<Told>,
    pub(crate) ops_left: u32,
    /// Of each payer, units of work and parts of the next.
    pub(crate) work: BTreeMap<String, (u64, u64)>,
    pub(crate) work_left: u64,
    /// Parts of the one who acts that are not on its account yet.
    pub(crate) pending: u64,
    /// Of each op under way.
    pub(crate) agreed: Vec<Vec<Agreed>>,
}

impl Model {
    pub(crate) fn new(rules: &Rules, founders: &[Founder]) -> Self {
        let mut state = State::default();
        for native in Native::ALL {
            let mut art = blank(native.id(), native.id(), rules.resources.len());
            art.kind = "contract".into();
            art.code = Some(native.source().into());
            state.arts.insert(native.id().into(), Rc::new(art));
        }
        for founder in founders {
            let owner = founder.owner.as_ref().unwrap_or(&founder.id);
            let mut art = blank(&founder.id, owner, rules.resources.len());
            art.kind.clone_from(&founder.kind);
            art.content = founder.content.to_value();
            art.code = founder.code.as_deref().map(Into::into);
            let default = if founder.has_loop { Native::SelfOwned } else { Native::Freeware };
            art.contract = founder.access_contract.clone().unwrap_or_else(|| default.id().into());
            art.price = founder.price;
            art.has_loop = founder.has_loop;
            art.memory.clone_from(&founder.memory_artifact);
            art.standing = founder.has_standing || founder.has_loop;
            art.pays_itself = founder.pays.map_or(founder.has_loop, |pays| pays == Pays::Itself);
            art.scrip = founder.scrip;
            for (at, rule) in rules.resources.iter().enumerate() {
                art.limits[at] = founder.resources.get(&rule.name).copied().unwrap_or(0);
            }
            state.arts.insert(founder.id.clone(), Rc::new(art));
        }
        Self {
            now: rules.start.ms(),
            rules: rules.clone(),
            base: state.clone(),
            state,
            charges: BTreeMap::new(),
            notices: Vec::new(),
            ops_left: 0,
            work: BTreeMap::new(),
            work_left: 0,
            pending: 0,
            agreed: Vec::new(),
        }
    }

    pub(crate) fn blank(&self, id: &str, owner: &str) -> Art {
        blank(id, owner, self.rules.resources.len())
    }

    pub(crate) fn live(&self, id: &str) -> Result<&Rc<Art>, Fail> {
        match self.state.arts.get(id) {
            Some(art) if !art.deleted => Ok(art),
            _ => fail("not_found"),
        }
    }

    pub(crate) fn get(&self, id: &str) -> &Art {
        &self.state.arts[id]
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> &mut Art {
        Rc::make_mut(self.state.arts.get_mut(id).unwrap())
    }

    pub(crate) fn kind(&self, resource: usize) -> ResourceKind {
        self.rules.resources[resource].kind
    }

    pub(crate) fn disk(&self) -> usize {
        2
    }

    /// Uses of a renewable that still count at an instant.
    pub(crate) fn live_uses(&self, state: &State, who: &str, resource: usize, at: i64) -> i64 {
        let ResourceKind::Renewable { window_ms } = self.kind(resource) else { return 0 };
        let start = self.rules.start.ms();
        let counts = |when: i64| match self.rules.renewal {
            Renewal::Rolling => at < when + window_ms,
            Renewal::Tick { ms } => (when - start).div_euclid(ms) == (at - start).div_euclid(ms),
        };
        let art = &state.arts[who];
        if art.deleted {
            return 0;
        }
        art.uses[resource].iter().filter(|(when, _)| counts(*when)).map(|(_, amount)| amount).sum()
    }

    /// Bytes that count on an owner's quota, those of its tombstones and mandates too.
    pub(crate) fn bytes_of(&self, state: &State, owner: &str) -> i64 {
        let given = state.mandates.keys().filter(|(giver, _, _)| giver == owner).count();
        let arts = state.arts.values().filter(|art| art.owner == owner).map(|art| art.size());
        arts.sum::<i64>() + 64 * i64::try_from(given).unwrap()
    }

    /// How many mandates an artifact holds, and gave.
    pub(crate) fn mandates_of(&self, id: &str) -> (u64, u64) {
        let count = |part: fn(&Key) -> &String| {
            self.state.mandates.keys().filter(|key| part(key) == id).count() as u64
        };
        (count(|key| &key.1), count(|key| &key.0))
    }

    fn free_in(&self, state: &State, who: &str, resource: usize) -> i64 {
        let Some(art) = state.arts.get(who).filter(|art| art.standing) else { return 0 };
        match self.kind(resource) {
            ResourceKind::Metered => i64::MAX,
            ResourceKind::Depletable => art.limits[resource] - art.asked[resource],
            ResourceKind::Renewable { .. } => {
                let live = self.live_uses(state, who, resource, self.now);
                art.limits[resource] - live - art.asked[resource]
            }
            ResourceKind::Allocatable if resource == self.disk() => {
                art.limits[resource] - self.bytes_of(state, who)
            }
            ResourceKind::Allocatable => art.limits[resource],
        }
    }

    pub(crate) fn charged(&self, who: &str, resource: usize) -> i64 {
        self.charges.get(&(who.to_owned(), resource)).copied().unwrap_or(0)
    }

    /// The amount that is free now, and may be moved away.
    pub(crate) fn free(&self, who: &str, resource: usize) -> i64 {
        match self.kind(resource) {
            ResourceKind::Metered => i64::MAX,
            _ => self.free_in(&self.state, who, resource) - self.charged(who, resource),
        }
    }

    /// The amount that may be charged: it must fit whether the action succeeds or fails.
    pub(crate) fn chargeable(&self, who: &str, resource: usize) -> i64 {
        if self.kind(resource) == ResourceKind::Metered {
            return i64::MAX;
        }
        let least = self.state.least.get(&(who.to_owned(), resource)).copied().unwrap_or(i64::MAX);
        let before = self.free_in(&self.base, who, resource);
        // The rates of who was deleted have lapsed, and can be charged to the end of the action.
        let deleted = self.state.arts.get(who).is_some_and(|art| art.deleted);
        let now = if deleted { i64::MAX } else { self.free_in(&self.state, who, resource) };
        before.min(least).min(now) - self.charged(who, resource)
    }

    pub(crate) fn charge(&mut self, who: &str, resource: usize, amount: i64) {
        let sum = self.charges.entry((who.to_owned(), resource)).or_insert(0);
        *sum = sum.saturating_add(amount);
    }

    pub(crate) fn shortage(&self, who: &str, resource: usize, need: i64) -> Fail {
        let code = match self.kind(resource) {
            ResourceKind::Renewable { .. } => "rate_limited",
            _ => "insufficient_resource",
        };
        Fail { code, numbers: Some((need, self.chargeable(who, resource).max(0))), is_payers: true }
    }

    /// The first instant at which an amount is free if nothing else is used, as a wait.
    pub(crate) fn wait(&self, who: &str, resource: usize, amount: i64) -> Option<i64> {
        if self.free(who, resource) >= amount {
            return Some(0);
        }
        let ResourceKind::Renewable { window_ms } = self.kind(resource) else { return None };
        let mut state = self.state.clone();
        let art = Rc::make_mut(state.arts.get_mut(who).unwrap());
        art.uses[resource].push((self.now, self.charged(who, resource)));
        let uses = art.uses[resource].clone();
        let limit = art.limits[resource] - art.asked[resource];
        let start = self.rules.start.ms();
        let back = |when: i64| match self.rules.renewal {
            Renewal::Rolling => when + window_ms,
            Renewal::Tick { ms } => start + ((when - start).div_euclid(ms) + 1) * ms,
        };
        let mut instants: Vec<i64> = uses.iter().map(|(when, _)| back(*when)).collect();
        instants.sort_unstable();
        let fits = |at: &i64| *at > self.now && limit - self.live_uses(&state, who, resource, *at) >= amount;
        instants.into_iter().find(fits).map(|at| at - self.now)
    }

    /// Sets the most that a thought may take aside; says whether all of it was there.
    pub(crate) fn set_aside(&mut self, who: &str, most: &[(usize, i64)]) -> bool {
        self.charges.clear();
        let limited = |resource: usize| {
            matches!(self.kind(resource), ResourceKind::Renewable { .. } | ResourceKind::Depletable)
        };
        let holds: Vec<(usize, i64)> =
            most.iter().copied().filter(|(resource, amount)| *amount > 0 && limited(*resource)).collect();
        if holds.iter().any(|(resource, amount)| self.free_in(&self.state, who, *resource) < *amount) {
            return false;
        }
        for (resource, amount) in holds {
            self.get_mut(who).asked[resource] = amount;
        }
        true
    }

    /// A thought has ended: so much of what was set aside is used, and the rest is free.
    pub(crate) fn answered(&mut self, who: &str, used: &[(usize, i64)]) {
        let (now, resources) = (self.now, self.rules.resources.len());
        self.get_mut(who).asked = vec![0; resources];
        for (resource, amount) in used {
            let kind = self.kind(*resource);
            let art = self.get_mut(who);
            match kind {
                ResourceKind::Depletable => art.limits[*resource] -= amount,
                _ => art.uses[*resource].push((now, *amount)),
            }
        }
    }

    pub(crate) fn pay(&mut self, from: &str, to: &str, amount: i64, why: &'static str) -> Result<(), Fail> {
        for who in [from, to] {
            let standing = self.state.arts.get(who).is_some_and(|art| art.standing && !art.deleted);
            if !standing {
                return fail("invalid_argument");
            }
        }
        let have = self.get(from).scrip;
        if have < amount {
            return short("insufficient_scrip", amount, have);
        }
        if from != to {
            if self.get(to).scrip.checked_add(amount).is_none() {
                return fail("invalid_argument");
            }
            self.get_mut(from).scrip -= amount;
            self.get_mut(to).scrip += amount;
        }
        self.state.payments.push((from.into(), to.into(), amount, why));
        Ok(())
    }

    pub(crate) fn shift(&mut self, from: &str, to: &str, resource: usize, amount: i64) -> Result<(), Fail> {
        let have = self.free(from, resource);
        if have < amount {
            let code = match self.kind(resource) {
                ResourceKind::Allocatable => "quota_exceeded",
                _ => "insufficient_resource",
            };
            return short(code, amount, have);
        }
        if from != to {
            if self.get(to).limits[resource].checked_add(amount).is_none() {
                return fail("invalid_argument");
            }
            self.get_mut(from).limits[resource] -= amount;
            self.get_mut(to).limits[resource] += amount;
        }
        let free = self.free_in(&self.state, from, resource);
        let least = self.state.least.entry((from.to_owned(), resource)).or_insert(free);
        *least = free.min(*least);
        Ok(())
    }

    /// Refuses a growth that the owner's quota doesn't have room for.
    pub(crate) fn room_on_disk(&self, owner: &str, growth: i64) -> Result<(), Fail> {
        let have = self.free_in(&self.state, owner, self.disk());
        if growth > 0 && self.get(owner).standing && have < growth {
            return short("quota_exceeded", growth, have);
        }
        Ok(())
    }

    /// Puts a changed artifact in its place if its owner has room for it.
    pub(crate) fn replace(&mut self, id: &str, art: Art) -> Result<(), Fail> {
        self.room_on_disk(&art.owner, art.size() - self.get(id).size())?;
        self.state.arts.insert(id.into(), Rc::new(art));
        self.check_disk()
    }

    /// Counts a price against the bound of every op under way that the payer pays for.
    pub(crate) fn consent(&mut self, payer: &str, amount: i64) -> Result<(), Fail> {
        let over = |bound: &&Bound| {
            bound.payer == payer && bound.taken + i128::from(amount) > i128::from(bound.most)
        };
        if let Some(bound) = self.state.bounds.iter().find(over) {
            let total = i64::try_from(bound.taken + i128::from(amount)).unwrap_or(i64::MAX);
            let numbers = Some((total, bound.most));
            return Err(Fail { code: "limit_exceeded", numbers, is_payers: true });
        }
        for bound in self.state.bounds.iter_mut().filter(|bound| bound.payer == payer) {
            bound.taken += i128::from(amount);
        }
        Ok(())
    }

    /// The principals whose use or gift has left nothing of a resource, after the action has ended.
    pub(crate) fn exhausted(&self, succeeded: bool) -> BTreeSet<(String, usize)> {
        let moved = self.state.least.keys().filter(|_| succeeded);
        let touched = self.charges.keys().chain(moved);
        let runs_out = |resource: usize| {
            matches!(self.kind(resource), ResourceKind::Renewable { .. } | ResourceKind::Depletable)
        };
        // An amount that is set aside for a thought is there still.
        let left = |who: &str, resource: usize| {
            self.free_in(&self.state, who, resource) + self.get(who).asked[resource]
        };
        let empty = touched
            .filter(|(who, _)| !self.get(who).deleted)
            .filter(|(who, resource)| runs_out(*resource) && left(who, *resource) < 1);
        empty.cloned().collect()
    }

    /// Ends an action: charges stand, the rest only if it succeeded.
    pub(crate) fn settle(&mut self, ok: bool) {
        if !ok {
            self.state = self.base.clone();
        }
        let charges = self.charges.clone();
        for ((who, resource), amount) in &charges {
            let (kind, now) = (self.kind(*resource), self.now);
            let art = self.get_mut(who);
            match kind {
                ResourceKind::Depletable => art.limits[*resource] -= amount,
                _ => art.uses[*resource].push((now, *amount)),
            }
        }
    }
}

fn blank(id: &str, owner: &str, resources: usize) -> Art {
    Art {
        id: id.into(),
        kind: "data".into(),
        content: Value::Null,
        code: None,
        owner: owner.into(),
        changed_hands: false,
        contract: Native::Freeware.id().into(),
        price: 0,
        pays_itself: false,
        standing: false,
        has_loop: false,
        version: 1,
        deleted: false,
        storage: BTreeMap::new(),
        memory: None,
        entries: Vec::new(),
        last_entry: 0,
        scrip: 0,
        limits: vec![0; resources],
        asked: vec![0; resources],
        uses: vec![Vec::new(); resources],
    }
}
