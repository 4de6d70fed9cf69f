//! The draft of an action: its changes, over a world that stays as it is.
//!
//! Effects can be taken back to a savepoint; charges cannot. The bytes that all of it takes in the record are
//! counted as it comes, so that no action leaves more behind than a record holds.

use rustc_hash::FxHashMap;

use crate::{
    artifact::Artifact,
    cell::Cell,
    record::{Charge, Effect, Event, Handle, Until},
    record_size::CHARGE,
    rules::{ResourceId, ResourceKind, Rules},
    state::{self, Account, Guard, State},
    time::Time,
    world::World,
};

pub(super) struct Draft<'w> {
    world: &'w World,
    now: Time,
    len: u32,
    accounts_len: u32,
    agents_len: u32,
    ids: FxHashMap<String, Handle>,
    artifacts: FxHashMap<Handle, Box<Artifact>>,
    accounts: FxHashMap<u32, Account>,
    cells: FxHashMap<(u32, ResourceId), Cell>,
    refs: FxHashMap<(Handle, Handle), u32>,
    undo: Vec<Undo>,
    effects: Vec<Effect>,
    events: Vec<Event>,
    /// Events that stand though the action fails.
    notices: Vec<Event>,
    charges: Vec<Charge>,
    /// Bytes that it may take in the record.
    bytes_max: usize,
    /// Bytes of the effects and events, which can be taken back, and of the charges and notices.
    bytes_undoable: usize,
    bytes_standing: usize,
    /// Disk that is set aside for the receipt of an action that bears an id: the account, and how many bytes.
    set_aside: Option<(u32, i64)>,
    /// Sum of the charges by account, and the least that was free of it at any time, charges apart.
    spent: FxHashMap<(u32, ResourceId), i64>,
    least: FxHashMap<(u32, ResourceId), i64>,
}

/// How to take one change back.
enum Undo {
    Created { id: String, account: bool, agent: bool },
    Artifact(Handle, Option<Box<Artifact>>),
    Account(u32, Option<Account>),
    Cell(u32, ResourceId, Option<Cell>),
    Refs((Handle, Handle), Option<u32>),
    Least((u32, ResourceId), Option<i64>),
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Savepoint {
    undo: usize,
    effects: usize,
    events: usize,
    bytes: usize,
}

impl<'w> Draft<'w> {
    /// An empty draft that may take so many bytes in the record.
    pub(super) fn new(world: &'w World, now: Time, bytes_max: usize) -> Self {
        Self {
            world,
            now,
            len: State::len(world),
            accounts_len: world.accounts_len(),
            agents_len: world.agents_len(),
            ids: FxHashMap::default(),
            artifacts: FxHashMap::default(),
            accounts: FxHashMap::default(),
            cells: FxHashMap::default(),
            refs: FxHashMap::default(),
            undo: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
            charges: Vec::new(),
            bytes_max,
            bytes_undoable: 0,
            bytes_standing: 0,
            set_aside: None,
            spent: FxHashMap::default(),
            least: FxHashMap::default(),
        }
    }

    pub(super) fn world(&self) -> &'w World {
        self.world
    }

    pub(super) fn savepoint(&self) -> Savepoint {
        let (effects, events) = (self.effects.len(), self.events.len());
        Savepoint { undo: self.undo.len(), effects, events, bytes: self.bytes_undoable }
    }

    pub(super) fn rollback(&mut self, to: Savepoint) {
        self.effects.truncate(to.effects);
        self.events.truncate(to.events);
        self.bytes_undoable = to.bytes;
        fn put<K: std::hash::Hash + Eq, V>(map: &mut FxHashMap<K, V>, key: K, old: Option<V>) {
            match old {
                Some(old) => map.insert(key, old),
                None => map.remove(&key),
            };
        }
        while self.undo.len() > to.undo {
            match self.undo.pop() {
                Some(Undo::Created { id, account, agent }) => {
                    self.ids.remove(&id);
                    self.len -= 1;
                    self.artifacts.remove(&Handle(self.len));
                    self.accounts_len -= u32::from(account);
                    self.agents_len -= u32::from(agent);
                }
                Some(Undo::Artifact(handle, old)) => put(&mut self.artifacts, handle, old),
                Some(Undo::Account(number, old)) => put(&mut self.accounts, number, old),
                Some(Undo::Cell(number, resource, old)) => put(&mut self.cells, (number, resource), old),
                Some(Undo::Refs(key, old)) => put(&mut self.refs, key, old),
                Some(Undo::Least(key, old)) => put(&mut self.least, key, old),
                None => break,
            }
        }
    }

    /// Adds an effect to the draft.
    pub(super) fn put(&mut self, effect: Effect) -> Result<(), Guard> {
        let bytes = effect.bytes_max();
        self.has_room(bytes)?;
        state::apply(self, &effect)?;
        if let Effect::Move { from, to, resource, .. } = &effect {
            // A move to its own holder changes nothing. In the record its guard could fail: there the
            // charges come first, also those that the action makes later.
            if from == to {
                return Ok(());
            }
            let account = self.artifact(*from).and_then(|artifact| artifact.account);
            if let Some(number) = account {
                self.at_least(number, *resource, self.free_apart(number, *resource));
            }
        }
        if let Effect::Delete { artifact, .. } = &effect
            && let Some(number) = self.artifact(*artifact).and_then(|artifact| artifact.account)
        {
            // Its remaining balances and quotas are counted as they were then: nothing more of them can be
            // charged. Its rates can.
            let left = self.world.rules().by_id().filter(|(_, rule)| {
                matches!(rule.kind, ResourceKind::Depletable | ResourceKind::Allocatable)
            });
            for (resource, _) in left {
                let spent = self.spent.get(&(number, resource)).copied().unwrap_or(0);
                self.at_least(number, resource, spent);
            }
        }
        self.effects.push(effect);
        self.bytes_undoable += bytes;
        Ok(())
    }

    /// How many events were told that vanish if the action fails.
    pub(super) fn events_told(&self) -> usize {
        self.events.len()
    }

    /// Adds an event. [`Self::has_room`] is asked when the op that tells it ends.
    pub(super) fn tell(&mut self, event: Event) {
        self.bytes_undoable += event.bytes_max();
        self.events.push(event);
    }

    /// Adds an event that stands though the action fails, if the record has room for it.
    pub(super) fn notice(&mut self, event: Event) {
        let bytes = event.bytes_max();
        if self.has_room(bytes).is_ok() {
            self.bytes_standing += bytes;
            self.notices.push(event);
        }
    }

    /// Whether so many bytes more find room in the record.
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), Guard> {
        let need = self.bytes_undoable + self.bytes_standing + bytes;
        if need <= self.bytes_max { Ok(()) } else { Err(Guard::Record { need, have: self.bytes_max }) }
    }

    /// Whether an op finds room for its charges: `costs` of them, and the CPU and memory of what it runs and asks.
    pub(super) fn has_room_for_charges(&self, costs: usize) -> Result<(), Guard> {
        self.has_room((costs + 4) * CHARGE)
    }

    /// Sets disk of a principal aside until the action has ended.
    pub(super) fn set_disk_aside(&mut self, principal: Handle, bytes: i64) -> Result<(), Guard> {
        let Some(number) = self.artifact(principal).and_then(|artifact| artifact.account) else {
            return Err(Guard::Standing { who: principal });
        };
        if self.world.rules().kind(ResourceId::DISK) == ResourceKind::Metered {
            return Ok(());
        }
        let have = self.free_apart(number, ResourceId::DISK);
        if have < bytes {
            return Err(Guard::Free { who: principal, resource: ResourceId::DISK, need: bytes, have });
        }
        self.set_aside = Some((number, bytes));
        Ok(())
    }

    /// Remembers how little was free of a resource, charges apart.
    fn at_least(&mut self, number: u32, resource: ResourceId, free: i64) {
        let key = (number, resource);
        let old = self.least.get(&key).copied();
        self.least.insert(key, old.map_or(free, |least| least.min(free)));
        self.undo.push(Undo::Least(key, old));
    }

    /// The free amount over the draft, charges apart.
    fn free_apart(&self, number: u32, resource: ResourceId) -> i64 {
        let kind = self.world.rules().kind(resource);
        let free = State::cell(self, number, resource).map_or(0, |cell| cell.free(kind, self.now));
        match self.set_aside {
            Some((of, bytes)) if of == number && resource == ResourceId::DISK => free - bytes,
            Some(_) | None => free,
        }
    }

    /// How much a principal could be charged now. An amount received within the action doesn't count:
    /// the action may fail and take it back, and its charges stay.
    pub(super) fn chargeable(&self, principal: Handle, resource: ResourceId) -> i64 {
        let Some((number, deleted)) =
            self.artifact(principal).and_then(|artifact| Some((artifact.account?, artifact.deleted)))
        else {
            return 0;
        };
        let kind = self.world.rules().kind(resource);
        if kind == ResourceKind::Metered {
            return i64::MAX;
        }
        let base = State::cell(self.world, number, resource).map_or(0, |cell| cell.free(kind, self.now));
        let least = self.least.get(&(number, resource)).copied().unwrap_or(i64::MAX);
        let spent = self.spent.get(&(number, resource)).copied().unwrap_or(0);
        // Its rates have lapsed with it, but charges come before effects.
        let now = if deleted { i64::MAX } else { self.free_apart(number, resource) };
        base.min(least).min(now) - spent
    }

    /// Charges what is known to be [`Self::chargeable`].
    #[expect(clippy::expect_used, reason = "nothing can be charged to what is no principal")]
    pub(super) fn charge(&mut self, principal: Handle, resource: ResourceId, amount: i64, work: u64) {
        let number = self.artifact(principal).and_then(|artifact| artifact.account);
        let number = number.expect("only a principal is charged");
        // Only what is merely metered can come near the end of `i64`: its sum stays there.
        let spent = self.spent.entry((number, resource)).or_insert(0);
        *spent = spent.saturating_add(amount);
        let same = |charge: &&mut Charge| charge.principal == principal && charge.resource == resource;
        match self.charges.iter_mut().find(same) {
            Some(charge) => {
                charge.amount = charge.amount.saturating_add(amount);
                charge.work = charge.work.saturating_add(work);
            }
            // Nothing was left to charge it to.
            None if amount == 0 => {}
            None => {
                self.bytes_standing += CHARGE;
                self.charges.push(Charge { principal, resource, amount, work });
            }
        }
    }

    /// Remembers how much memory code held for a principal at once, where the world names it: the record tells the
    /// most of it, and all of it is free again when the action ends.
    pub(super) fn hold_memory(&mut self, principal: Handle, bytes: u64) {
        let resource = ResourceId::MEMORY;
        if bytes == 0 || self.world.rules().kind(resource) == ResourceKind::Metered {
            return;
        }
        let amount = i64::try_from(bytes).unwrap_or(i64::MAX).min(self.chargeable(principal, resource));
        let same = |charge: &&mut Charge| charge.principal == principal && charge.resource == resource;
        match self.charges.iter_mut().find(same) {
            Some(charge) => charge.amount = charge.amount.max(amount),
            None if amount < 1 => {}
            None => {
                self.bytes_standing += CHARGE;
                self.charges.push(Charge { principal, resource, amount, work: 0 });
            }
        }
    }

    /// All that is to be recorded: charges, effects, and events after the notices.
    pub(super) fn finish(self) -> (Vec<Charge>, Vec<Effect>, Vec<Event>) {
        let mut events = self.notices;
        events.extend(self.events);
        (self.charges, self.effects, events)
    }

    /// Whether it was there before the action. The bearer of a charge may have been created by the action
    /// itself, and such a charge can't outlive it.
    pub(super) fn exists_before(&self, handle: Handle) -> bool {
        self.world.get(handle).is_some()
    }
}

impl State for Draft<'_> {
    fn rules(&self) -> &Rules {
        self.world.rules()
    }

    fn now(&self) -> Time {
        self.now
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn find(&self, id: &str) -> Option<Handle> {
        self.world.lookup(id).or_else(|| self.ids.get(id).copied())
    }

    fn artifact(&self, handle: Handle) -> Option<&Artifact> {
        self.artifacts.get(&handle).map(AsRef::as_ref).or_else(|| self.world.get(handle))
    }

    fn artifact_mut(&mut self, handle: Handle) -> Option<&mut Artifact> {
        let old = self.artifacts.get(&handle).cloned();
        let next = match &old {
            Some(old) => Box::clone(old),
            None => Box::new(self.world.get(handle)?.clone()),
        };
        self.undo.push(Undo::Artifact(handle, old));
        self.artifacts.insert(handle, next);
        self.artifacts.get_mut(&handle).map(AsMut::as_mut)
    }

    fn account(&self, number: u32) -> Account {
        // An account that the draft opened is not in the world yet.
        let before = || {
            if number < self.world.accounts_len() {
                State::account(self.world, number)
            } else {
                Account::default()
            }
        };
        self.accounts.get(&number).copied().unwrap_or_else(before)
    }

    fn set_account(&mut self, number: u32, account: Account) {
        let old = self.accounts.insert(number, account);
        self.undo.push(Undo::Account(number, old));
    }

    fn cell(&self, number: u32, resource: ResourceId) -> Option<&Cell> {
        let draft = self.cells.get(&(number, resource));
        draft.or_else(|| State::cell(self.world, number, resource))
    }

    fn cell_mut(&mut self, number: u32, resource: ResourceId) -> Option<&mut Cell> {
        if usize::from(resource.0) >= self.world.rules().resources.len() {
            return None;
        }
        let old = self.cells.get(&(number, resource)).cloned();
        let next = old.clone().or_else(|| State::cell(self.world, number, resource).cloned());
        self.undo.push(Undo::Cell(number, resource, old));
        self.cells.insert((number, resource), next.unwrap_or_default());
        self.cells.get_mut(&(number, resource))
    }

    fn free(&self, number: u32, resource: ResourceId) -> i64 {
        let spent = self.spent.get(&(number, resource)).copied().unwrap_or(0);
        self.free_apart(number, resource).saturating_sub(spent)
    }

    fn refs(&self, contract: Handle, owner: Handle) -> u32 {
        let known = self.refs.get(&(contract, owner)).copied();
        known.unwrap_or_else(|| self.world.refs(contract, owner))
    }

    fn set_refs(&mut self, contract: Handle, owner: Handle, refs: u32) {
        let key = (contract, owner);
        let old = self.refs.insert(key, refs);
        self.undo.push(Undo::Refs(key, old));
    }

    fn push(&mut self, artifact: Artifact) {
        let id = artifact.id().to_owned();
        let (account, agent) = (artifact.account.is_some(), artifact.agent.is_some());
        self.undo.push(Undo::Created { id: id.clone(), account, agent });
        self.ids.insert(id, Handle(self.len));
        self.artifacts.insert(Handle(self.len), Box::new(artifact));
        self.len += 1;
    }

    fn open_account(&mut self, _owner: Handle) -> u32 {
        // `push` follows at once, and its undo closes the account again.
        self.accounts_len += 1;
        self.accounts_len - 1
    }

    fn open_loop(&mut self, _agent: Handle) -> u32 {
        self.agents_len += 1;
        self.agents_len - 1
    }

    // A sleep concerns nobody before the action has ended.
    fn put_to_sleep(&mut self, _number: u32, _until: &[Until]) {}

    fn close_loop(&mut self, _number: u32) {}

    // They are forgotten when the record is applied; until then the action may fail.
    fn forget_action_ids(&mut self, _number: u32) {}

    fn is_founding(&self) -> bool {
        false
    }

    fn found(&mut self, _resource: Option<ResourceId>, _amount: i64) -> Result<(), Guard> {
        Err(Guard::Broken("an action can't make something of nothing".into()))
    }

    // The total is the world's own.
    fn lapsed(&mut self, _resource: ResourceId, _amount: i64) -> Result<(), Guard> {
        Ok(())
    }
}

impl Savepoint {
    /// Before the first effect.
    pub(super) const START: Self = Self { undo: 0, effects: 0, events: 0, bytes: 0 };
}

impl Draft<'_> {
    /// The charges of a principal so far.
    pub(super) fn spent_of(&self, principal: Handle, resource: ResourceId) -> i64 {
        let number = self.artifact(principal).and_then(|artifact| artifact.account);
        number.and_then(|number| self.spent.get(&(number, resource)).copied()).unwrap_or(0)
    }
}
