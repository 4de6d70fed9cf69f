//! The draft of an action: its changes, over a world that stays as it is.
//!
//! Effects can be taken back to a savepoint; charges cannot. The bytes that all of it takes in the record are
//! counted as it comes, so that no action leaves more behind than a record holds.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;

use crate::{
    artifact::Artifact,
    cell::Cell,
    limits,
    mandate::{Mandate, MandateKey},
    record::{Charge, Effect, Event, Handle, KeptVerdict, Spending, Until, Use},
    record_size::{CHARGE, COUNT},
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
    /// Mandates that the action has changed, or ended.
    mandates: BTreeMap<MandateKey, Option<Arc<Mandate>>>,
    undo: Vec<Undo>,
    effects: Vec<Effect>,
    events: Vec<Event>,
    /// Events that stand though the action fails.
    notices: Vec<Event>,
    charges: Vec<Charge>,
    /// Verdicts that are kept, and those that were used again, which have none.
    verdicts: Vec<(Handle, Option<KeptVerdict>)>,
    /// The places of the charges.
    lines: FxHashMap<(Handle, ResourceId, Spending), usize>,
    /// Invocations that failed by an artifact's own code; they are counted though the action fails.
    failures: Vec<(Handle, u32)>,
    /// Scrip that it makes.
    minted: i64,
    /// Bytes that it may take in the record.
    bytes_max: usize,
    /// Bytes of the effects and events, which can be taken back, and of the charges and notices.
    bytes_undoable: usize,
    bytes_standing: usize,
    /// Disk that is set aside for the receipt of an action that bears an id: the account, and how many bytes.
    set_aside: Option<(u32, i64)>,
    /// The amounts that were set aside for the thought whose action it is.
    released: FxHashMap<(u32, ResourceId), i64>,
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
    Mandate(MandateKey, Option<Option<Arc<Mandate>>>),
    Least((u32, ResourceId), Option<i64>),
    Minted(i64),
}

/// A point to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Savepoint {
    undo: usize,
    effects: usize,
    events: usize,
    verdicts: usize,
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
            mandates: BTreeMap::new(),
            undo: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
            notices: Vec::new(),
            charges: Vec::new(),
            verdicts: Vec::new(),
            lines: FxHashMap::default(),
            failures: Vec::new(),
            minted: 0,
            bytes_max,
            bytes_undoable: 0,
            bytes_standing: 0,
            set_aside: None,
            released: FxHashMap::default(),
            spent: FxHashMap::default(),
            least: FxHashMap::default(),
        }
    }

    pub(super) fn world(&self) -> &'w World {
        self.world
    }

    pub(super) fn savepoint(&self) -> Savepoint {
        let (effects, events) = (self.effects.len(), self.events.len());
        let verdicts = self.verdicts.len();
        Savepoint { undo: self.undo.len(), effects, events, verdicts, bytes: self.bytes_undoable }
    }

    pub(super) fn rollback(&mut self, to: Savepoint) {
        self.effects.truncate(to.effects);
        self.events.truncate(to.events);
        self.verdicts.truncate(to.verdicts);
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
                Some(Undo::Mandate(key, Some(old))) => {
                    self.mandates.insert(key, old);
                }
                Some(Undo::Mandate(key, None)) => {
                    self.mandates.remove(&key);
                }
                Some(Undo::Least(key, old)) => put(&mut self.least, key, old),
                Some(Undo::Minted(amount)) => self.minted -= amount,
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

    /// A verdict is kept for later, or (`None`) was used again. It takes its room in the record's frame.
    pub(super) fn keep_verdict(&mut self, contract: Handle, kept: Option<KeptVerdict>) {
        self.verdicts.push((contract, kept));
    }

    /// The effects since a savepoint.
    pub(super) fn effects_since(&self, savepoint: Savepoint) -> &[Effect] {
        self.effects.get(savepoint.effects..).unwrap_or_default()
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

    /// Adds an event that stands though the action fails, if the record has room for it beside the charges of
    /// the op that goes on.
    pub(super) fn notice(&mut self, event: Event) {
        let bytes = event.bytes_max();
        if self.has_room(bytes + 8 * CHARGE).is_ok() {
            self.bytes_standing += bytes;
            self.notices.push(event);
        }
    }

    /// Counts an invocation that failed by the artifact's own code, though the action fails. An artifact that the
    /// action itself created may not outlive it.
    pub(super) fn fail(&mut self, artifact: Handle) {
        if !self.exists_before(artifact) {
            return;
        }
        match self.failures.iter_mut().find(|(of, _)| *of == artifact) {
            Some((_, times)) => *times = times.saturating_add(1),
            None => {
                self.bytes_standing += COUNT;
                self.failures.push((artifact, 1));
            }
        }
    }

    /// All the scrip there is.
    pub(super) fn supply(&self) -> i64 {
        self.world.supply() + self.minted
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

    /// Whether a run finds room for its lines: its CPU, its memory, and the host's work for it.
    pub(super) fn has_room_for_run(&self) -> Result<(), Guard> {
        self.has_room(3 * CHARGE)
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

    /// Frees what was set aside for an agent's thought: its charges come out of that.
    pub(super) fn free_holds(&mut self, agent: Handle) {
        let Some(number) = self.world.get(agent).and_then(|artifact| artifact.account) else { return };
        for hold in self.world.holds_of(agent) {
            let key = (number, hold.resource);
            if let Some(cell) = State::cell(self.world, number, hold.resource) {
                self.cells.insert(key, Cell { asked: cell.asked - hold.amount, ..cell.clone() });
                self.released.insert(key, hold.amount);
            }
        }
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
        let released = self.released.get(&(number, resource)).copied().unwrap_or(0);
        let base = State::cell(self.world, number, resource).map_or(0, |cell| cell.free(kind, self.now));
        let base = base.saturating_add(released);
        let least = self.least.get(&(number, resource)).copied().unwrap_or(i64::MAX);
        let spent = self.spent.get(&(number, resource)).copied().unwrap_or(0);
        // Its rates have lapsed with it, but charges come before effects.
        let now = if deleted { i64::MAX } else { self.free_apart(number, resource) };
        base.min(least).min(now) - spent
    }

    /// The charges so far.
    pub(super) fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Charges what is known to be [`Self::chargeable`].
    #[expect(clippy::expect_used, reason = "nothing can be charged to what is no principal")]
    pub(super) fn charge(&mut self, charge: Charge) {
        let Charge { principal, resource, amount, work, of } = charge;
        let number = self.artifact(principal).and_then(|artifact| artifact.account);
        let number = number.expect("only a principal is charged");
        // Only what is merely metered can come near the end of `i64`: its sum stays there.
        let spent = self.spent.entry((number, resource)).or_insert(0);
        *spent = spent.saturating_add(amount);
        let mut at = self.lines.get(&(principal, resource, of)).copied();
        if amount == 0 && at.is_none() {
            // Work that costs nothing by itself has no line of its own.
            let same = |line: &Charge| line.principal == principal && line.resource == resource;
            at = self.charges.iter().position(same);
        }
        match at.and_then(|at| self.charges.get_mut(at)) {
            Some(line) => {
                line.amount = line.amount.saturating_add(amount);
                line.work = line.work.saturating_add(work);
            }
            // Nothing was left to charge it to.
            None if amount == 0 => {}
            None => self.push_charge(charge),
        }
    }

    fn push_charge(&mut self, charge: Charge) {
        self.bytes_standing += CHARGE;
        self.lines.insert((charge.principal, charge.resource, charge.of), self.charges.len());
        self.charges.push(charge);
    }

    /// Remembers how much memory code held for a principal at once, where the world names it: the record tells the
    /// most of it, and all of it is free again when the action ends.
    pub(super) fn hold_memory(&mut self, principal: Handle, bytes: u64) {
        let resource = ResourceId::MEMORY;
        if bytes == 0 || self.world.rules().kind(resource) == ResourceKind::Metered {
            return;
        }
        let amount = i64::try_from(bytes).unwrap_or(i64::MAX).min(self.chargeable(principal, resource));
        let of = Spending::Held;
        let at = self.lines.get(&(principal, resource, of)).copied();
        match at.and_then(|at| self.charges.get_mut(at)) {
            Some(line) => line.amount = line.amount.max(amount),
            None if amount < 1 => {}
            None => self.push_charge(Charge { principal, resource, amount, work: 0, of }),
        }
    }

    /// All that is to be recorded: charges, effects, and events after the notices.
    pub(super) fn finish(self) -> (Vec<Charge>, Vec<Effect>, Vec<Event>) {
        let mut verdicts: BTreeMap<Handle, (u32, Vec<KeptVerdict>)> = BTreeMap::new();
        let mut room = limits::VERDICTS_PER_ACTION_MAX;
        for (contract, kept) in &self.verdicts {
            if self.artifact(*contract).is_none_or(|contract| contract.deleted) {
                continue;
            }
            let of = verdicts.entry(*contract).or_default();
            match kept {
                Some(kept) if room > 0 => {
                    room -= 1;
                    of.1.push(kept.clone());
                }
                Some(_) => {}
                None => of.0 += 1,
            }
        }
        let (mut events, mut effects) = (self.notices, self.effects);
        events.extend(self.events);
        let failures = self.failures.into_iter();
        effects.extend(failures.map(|(artifact, times)| Effect::Fail { artifact, times }));
        effects.extend(
            verdicts
                .into_iter()
                .take(limits::VERDICTS_PER_ACTION_MAX)
                .map(|(contract, (hits, kept))| Effect::Verdicts { contract, hits, kept }),
        );
        (self.charges, effects, events)
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

    // They are known to the actions that follow.
    fn keep_verdicts(&mut self, _contract: Handle, _hits: u32, _kept: &[KeptVerdict]) {}

    fn forget_verdicts(&mut self, _contract: Handle) {}

    fn mandate(&self, key: MandateKey) -> Option<&Arc<Mandate>> {
        match self.mandates.get(&key) {
            Some(changed) => changed.as_ref(),
            None => State::mandate(self.world, key),
        }
    }

    fn set_mandate(&mut self, key: MandateKey, mandate: Option<Arc<Mandate>>) {
        let old = self.mandates.insert(key, mandate);
        self.undo.push(Undo::Mandate(key, old));
    }

    fn mandates_given(&self, giver: Handle) -> Vec<MandateKey> {
        self.mandates_now(State::mandates_given(self.world, giver), |key| key.0 == giver)
    }

    fn mandates_held(&self, holder: Handle) -> Vec<MandateKey> {
        self.mandates_now(State::mandates_held(self.world, holder), |key| key.1 == holder)
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

    fn minted(&mut self, amount: i64) -> Result<(), Guard> {
        let supply = self.supply().checked_add(amount);
        supply.ok_or_else(|| Guard::Broken(state::MINTED_TOO_MUCH.into()))?;
        self.minted += amount;
        self.undo.push(Undo::Minted(amount));
        Ok(())
    }

    // Facts are counted when the action has ended.
    fn used(&mut self, _used: &Use) {}

    fn failed(&mut self, _artifact: Handle, _times: u32) {}

    fn grown(&mut self, _resource: ResourceId, _amount: i64) -> Result<(), Guard> {
        Err(Guard::Broken("nothing grows by an action".into()))
    }

    // The total is the world's own.
    fn lapsed(&mut self, _resource: ResourceId, _amount: i64) -> Result<(), Guard> {
        Ok(())
    }
}

impl Savepoint {
    /// Before the first effect.
    pub(super) const START: Self = Self { undo: 0, effects: 0, events: 0, verdicts: 0, bytes: 0 };
}

impl Draft<'_> {
    /// Mandates as the draft has them: those of the world that it has not ended, and its own.
    fn mandates_now(&self, mut keys: Vec<MandateKey>, fits: impl Fn(&MandateKey) -> bool) -> Vec<MandateKey> {
        keys.extend(self.mandates.keys().filter(|key| fits(key)));
        keys.retain(|key| State::mandate(self, *key).is_some());
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The charges of a principal so far.
    pub(super) fn spent_of(&self, principal: Handle, resource: ResourceId) -> i64 {
        let number = self.artifact(principal).and_then(|artifact| artifact.account);
        number.and_then(|number| self.spent.get(&(number, resource)).copied()).unwrap_or(0)
    }
}
