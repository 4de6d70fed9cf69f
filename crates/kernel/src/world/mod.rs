//! The state of a world: a value that records change and everyone else reads.
//!
//! A clone shares its pages with the original, so a snapshot or a fork costs a pointer per page.
//! The only way to change a world is [`World::apply`].

// Its parts:
pub(crate) mod action_ids;
mod inbox;
mod mandates;
mod verdicts;
mod condition;
mod agent;
mod sleepers;
mod rows;
mod facts;
mod dues;
// Built on it:
mod sight;
mod reputation;
mod due;
mod regrow;
mod thinking;
mod health;
mod held;
mod apply;
mod loops;
mod waits;
pub mod wire;
mod account;
mod observe;
pub mod brief;
pub mod image;

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cell::Cell,
    event::EventRow,
    id::Handle,
    json::Json,
    pages::{Index, Pages},
    receipt::Receipt,
    record::{Charge, FORMAT, KeptVerdict},
    refusal::Refusal,
    resource::ResourceId,
    rules::HookAt,
    rules::Rules,
    state::{self, Account, Guard, State},
    time::Time,
};

pub(crate) use self::account::Holding;
use self::{
    action_ids::ActionIds, agent::Phase, condition::Health, dues::Dues, facts::Facts, mandates::Mandates,
    sleepers::Sleepers, verdicts::Verdicts,
};
pub use self::{
    agent::Agent,
    condition::{Ailment, Tally},
};
pub use crate::artifact::Artifact;

/// A world between two records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    format: u32,
    rules: Arc<Rules>,
    source: [u8; 32],
    /// The runtime of code, by its name.
    runtime: Arc<str>,
    seq: u64,
    now: Time,
    tick: Option<Tick>,
    hooked: Option<Hooked>,
    /// Time since the founding that is no time of a run, in milliseconds.
    away_ms: i64,
    #[serde(skip)]
    index: Index,
    #[serde(with = "rows")]
    artifacts: Pages<Arc<Artifact>>,
    /// How many artifacts of an owner are under a contract, by contract and owner.
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    refs: OrdMap<(Handle, Handle), u32>,
    accounts: Pages<Account>,
    /// The holders of accounts, by number.
    holders: Pages<Handle>,
    /// Cells of all accounts, each account's resources side by side.
    cells: Pages<Cell>,
    agents: Pages<Agent>,
    /// Agents that were not deleted.
    #[serde(skip)]
    population: usize,
    /// The sleepers and the events they wait for, by the numbers of their loops.
    #[serde(skip)]
    sleepers: Sleepers,
    /// The agents whose next turn the last record changed.
    #[serde(skip)]
    stirred: Vec<Handle>,
    events: Vector<Arc<EventRow>>,
    /// The record of the last event that was let go.
    lost_until: Option<u64>,
    /// The ids of each principal's actions, by the number of its account.
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    action_ids: OrdMap<u32, ActionIds>,
    mandates: Mandates,
    verdicts: Verdicts,
    facts: Facts,
    dues: Dues,
    health: Health,
    /// How many artifacts the founding brings.
    founders: u32,
    /// Whether the record that is being applied is of the founding.
    #[serde(skip)]
    founding: bool,
    supply: i64,
    allotted: Vec<i64>,
}

/// The tick that is under way, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Its number, counted from 0.
    pub number: u64,
    /// The phase of it, counted from 0.
    pub phase: u32,
    /// The number of the turn that agents have in it: that of the tick, where ticks have no phases.
    pub turn: u64,
    /// The sequence number of the record that began it.
    pub seq: u64,
    /// The time of all its actions.
    pub time: Time,
}

/// The hook that was run last: hooks are run in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hooked {
    /// The tick; 0 before the first.
    tick: u64,
    /// The moment.
    at: HookAt,
    /// Its place among the hooks of the rules.
    index: u32,
}

/// An amount set aside (`DESIGN.md §9`): reserved before it is known what something costs, settled after.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is set aside is free again only when it is settled"]
pub struct Reservation {
    account: u32,
    resource: ResourceId,
    amount: i64,
}

/// Why a record does not fit the world: the journal is corrupt.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("record {seq} does not fit the world: {problem}")]
pub struct ApplyError {
    /// The record's number.
    pub seq: u64,
    /// Which guard failed.
    pub problem: String,
}

impl Default for World {
    fn default() -> Self {
        Self::empty()
    }
}

impl World {
    /// A world before its first record.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            format: FORMAT,
            rules: Arc::new(Rules::unlimited("", 0, Time::default())),
            source: [0; 32],
            runtime: Arc::from(""),
            seq: 0,
            now: Time::default(),
            tick: None,
            hooked: None,
            away_ms: 0,
            index: Index::default(),
            artifacts: Pages::default(),
            refs: OrdMap::new(),
            accounts: Pages::default(),
            holders: Pages::default(),
            cells: Pages::default(),
            agents: Pages::default(),
            population: 0,
            sleepers: Sleepers::default(),
            stirred: Vec::new(),
            events: Vector::new(),
            lost_until: None,
            action_ids: OrdMap::new(),
            mandates: Mandates::default(),
            verdicts: Verdicts::default(),
            facts: Facts::default(),
            dues: Dues::default(),
            health: Health::default(),
            founders: 0,
            founding: false,
            supply: 0,
            allotted: Vec::new(),
        }
    }

    fn explain(&self, guard: Guard) -> String {
        state::refusal(self, guard).message
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// BLAKE3 of the world file with all it refers to.
    #[must_use]
    pub fn source(&self) -> [u8; 32] {
        self.source
    }

    /// The name of the runtime on which its code runs: another one may run it otherwise.
    #[must_use]
    pub fn runtime(&self) -> &str {
        &self.runtime
    }

    /// Whether nothing has happened since the founding, as far as the records that were applied tell.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.founding
    }

    /// The last applied record's number; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The last applied record's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The tick that is under way, or was last.
    #[must_use]
    pub fn tick(&self) -> Option<Tick> {
        self.tick
    }

    /// The next hook of a moment of a tick that was not run yet: its place among the hooks of the rules.
    #[must_use]
    pub fn next_hook(&self, at: HookAt, tick: u64) -> Option<u32> {
        let is_left = |index: u32| self.hooked.is_none_or(|last| last < Hooked { tick, at, index });
        let hooks = (0..).zip(&self.rules.hooks).filter(|(_, hook)| hook.at == at);
        hooks.map(|(index, _)| index).find(|index| is_left(*index))
    }

    /// How much of the time since the founding is no time of a run, in milliseconds: nothing ran, or the
    /// machine's clock was set forward. Under the virtual clock there is none.
    #[must_use]
    pub fn away_ms(&self) -> i64 {
        self.away_ms
    }

    /// All the scrip there is.
    #[must_use]
    pub fn supply(&self) -> i64 {
        self.supply
    }

    pub(crate) fn allotted(&self) -> &[i64] {
        &self.allotted
    }

    pub(crate) fn founders(&self) -> u32 {
        self.founders
    }

    pub(crate) fn format(&self) -> u32 {
        self.format
    }

    /// Derives the tables that are not stored, after a world was read from bytes, and checks its invariants.
    pub(crate) fn reindex(&mut self) -> Result<(), String> {
        self.check_numbers()?;
        self.index = Index::default();
        for at in 0..self.artifacts.len() {
            let handle = count(at);
            let id = self.artifacts.get(at).map(|artifact| Arc::clone(&artifact.id)).ok_or("a hole")?;
            if self.lookup(&id).is_some() {
                return Err(format!("id `{id}` stands twice"));
            }
            let artifacts = &self.artifacts;
            self.index.insert(&id, handle, |row| artifacts.get(row as usize).map(|row| &*row.id));
        }
        self.mandates.reindex();
        self.find_dues();
        self.find_looks();
        self.recount_holds()?;
        self.population = self.agents.iter().filter(|row| row.phase != Phase::Stopped).count();
        self.sleepers = Sleepers::default();
        for number in 0..self.agents_len() {
            if let Some(Phase::Asleep { until, .. }) = self.agent_at(number as usize).map(|row| &row.phase) {
                let until = Arc::clone(until);
                self.sleepers.insert(number, &until);
            }
        }
        Ok(())
    }

    /// Agents that were made by one entry of a world file are alike: they share what they have in common.
    fn share_with_last(&mut self, at: usize) {
        let Some(last) = at.checked_sub(1).and_then(|last| self.artifacts.get(last)).map(Arc::clone) else {
            return;
        };
        if let Some(artifact) = self.artifacts.get_mut(at) {
            Arc::make_mut(artifact).share(&last);
        }
    }

    /// How many verdicts of a contract were used again, and how many were asked for and kept; `None` for a
    /// contract that lets none be kept.
    #[must_use]
    pub fn verdicts(&self, contract: Handle) -> Option<(u64, u64)> {
        self.verdicts.counts(contract)
    }

    pub(crate) fn kept_verdicts(&self, contract: Handle) -> impl Iterator<Item = &KeptVerdict> {
        self.verdicts.of(contract)
    }

    /// The handle of an id, of a tombstone too.
    #[must_use]
    pub fn lookup(&self, id: &str) -> Option<Handle> {
        let id_of = |row: u32| self.artifacts.get(row as usize).map(|artifact| &*artifact.id);
        self.index.find(id, id_of).map(Handle)
    }

    /// The artifact of a handle, a tombstone too.
    #[must_use]
    pub fn get(&self, handle: Handle) -> Option<&Artifact> {
        self.artifacts.get(handle.0 as usize).map(AsRef::as_ref)
    }

    /// The id of a handle.
    #[must_use]
    #[expect(clippy::expect_used, reason = "handles are looked at where records and images are read")]
    pub fn name(&self, handle: Handle) -> &str {
        &self.get(handle).expect("a handle is an artifact's").id
    }

    /// The metadata of an artifact, all of it, as an observer sees it; null for a number that none has.
    #[must_use]
    pub fn metadata(&self, handle: Handle) -> Value {
        let artifact = self.get(handle);
        artifact.map_or(Value::Null, |artifact| {
            artifact.metadata(|handle| self.name(handle).into(), artifact.size())
        })
    }

    /// Every artifact with its handle, in the order of creation, tombstones too.
    pub fn artifacts(&self) -> impl Iterator<Item = (Handle, &Artifact)> {
        (0..).map(Handle).zip(self.artifacts.iter().map(AsRef::as_ref))
    }

    /// Every principal that was ever there, in the order of creation.
    pub fn principals(&self) -> impl Iterator<Item = (Handle, &Artifact)> {
        self.holders.iter().filter_map(|handle| Some((*handle, self.get(*handle)?)))
    }

    pub(crate) fn holder(&self, account: u32) -> Option<Handle> {
        self.holders.get(account as usize).copied()
    }

    /// Every agent that was ever there, in the order of creation.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.iter()
    }

    /// The loop of an agent.
    #[must_use]
    pub fn agent(&self, handle: Handle) -> Option<&Agent> {
        self.agents.get(self.get(handle)?.agent? as usize)
    }

    pub(crate) fn agent_at(&self, number: usize) -> Option<&Agent> {
        self.agents.get(number)
    }

    pub(crate) fn agent_mut(&mut self, number: u32) -> Option<&mut Agent> {
        self.agents.get_mut(number as usize)
    }

    /// How many agents there are, those that were deleted apart.
    #[must_use]
    pub fn population(&self) -> usize {
        self.population
    }

    pub(crate) fn agents_len(&self) -> u32 {
        count(self.agents.len())
    }

    pub(crate) fn accounts_len(&self) -> u32 {
        count(self.accounts.len())
    }

    /// Scrip of a principal; 0 for what has no standing.
    #[must_use]
    pub fn scrip(&self, handle: Handle) -> i64 {
        let number = self.get(handle).and_then(|artifact| artifact.account);
        number.and_then(|number| self.accounts.get(number as usize)).map_or(0, |account| account.scrip)
    }

    /// The use of a resource by a principal in all; of an allocatable one, the amount in use.
    #[must_use]
    pub fn used(&self, handle: Handle, resource: ResourceId) -> i64 {
        let number = self.get(handle).and_then(|artifact| artifact.account);
        number.and_then(|number| State::cell(self, number, resource)).map_or(0, |cell| cell.used)
    }

    /// Rate, balance or quota of a principal.
    #[must_use]
    pub fn limit(&self, handle: Handle, resource: ResourceId) -> i64 {
        let number = self.get(handle).and_then(|artifact| artifact.account);
        number.and_then(|number| State::cell(self, number, resource)).map_or(0, |cell| cell.limit)
    }

    /// How much of a resource a principal could use at `now`.
    #[must_use]
    pub fn capacity(&self, handle: Handle, resource: ResourceId, now: Time) -> i64 {
        let number = self.get(handle).and_then(|artifact| artifact.account);
        let cell = number.and_then(|number| State::cell(self, number, resource));
        cell.map_or(0, |cell| cell.free(self.rules.kind(resource), now))
    }

    /// Sets an amount aside for something under way, so that nobody else's action uses it; `None` if
    /// it is not free. It is not journaled, and gone with the process.
    pub fn reserve(
        &mut self,
        principal: Handle,
        resource: ResourceId,
        amount: i64,
        now: Time,
    ) -> Option<Reservation> {
        let number = self.get(principal)?.account?;
        let kind = self.rules.kind(resource);
        let cell = self.cell_mut(number, resource)?;
        if amount < 0 || cell.free(kind, now) < amount {
            return None;
        }
        cell.held = cell.held.checked_add(amount)?;
        Some(Reservation { account: number, resource, amount })
    }

    /// Ends a reservation: all of it is free again. The record that settles it charges what was used,
    /// which is at most what was set aside.
    pub fn settle(&mut self, reservation: Reservation) {
        let Reservation { account, resource, amount } = reservation;
        if let Some(cell) = self.cell_mut(account, resource) {
            cell.held -= amount;
        }
    }

    /// Sets aside what all of these charges take, or nothing; `None` if not all of it is free. Memory is free again
    /// when code has ended, and what a thought takes of its hold is set aside already.
    pub fn reserve_all(&mut self, charges: &[Charge], now: Time) -> Option<Vec<Reservation>> {
        let mut reserved = Vec::with_capacity(charges.len());
        for charge in charges.iter().filter(|charge| charge.resource != ResourceId::MEMORY) {
            let mut holds = self.holds_of(charge.principal).iter();
            if holds.any(|hold| hold.resource == charge.resource && charge.amount <= hold.amount) {
                continue;
            }
            let Some(reservation) = self.reserve(charge.principal, charge.resource, charge.amount, now)
            else {
                self.settle_all(reserved);
                return None;
            };
            reserved.push(reservation);
        }
        Some(reserved)
    }

    /// Ends reservations, as [`Self::settle`].
    pub fn settle_all(&mut self, reservations: Vec<Reservation>) {
        reservations.into_iter().for_each(|reservation| self.settle(reservation));
    }

    /// Recent events, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<EventRow>> {
        self.events.iter()
    }

    /// Recent events of the records after one, oldest first.
    pub(crate) fn events_after(&self, seq: u64) -> impl Iterator<Item = &Arc<EventRow>> {
        (self.events_until(seq)..self.events.len()).filter_map(|at| self.events.get(at))
    }

    /// How many of the recent events are of records up to one.
    fn events_until(&self, seq: u64) -> usize {
        let (mut low, mut high) = (0, self.events.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.events.get(middle) {
                Some(row) if row.seq <= seq => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// The last record of which an event is not at hand any more, if any event was let go.
    #[must_use]
    pub fn events_lost_until(&self) -> Option<u64> {
        self.lost_until
    }

    /// The answer to an action under an id that its principal has used: the first receipt, or the refusal
    /// that the id names another action. `None` if the id is new, or forgotten.
    #[must_use]
    pub fn repeated(
        &self,
        actor: Handle,
        action_id: &str,
        action: &Json,
    ) -> Option<Result<Receipt, Refusal>> {
        self.action_ids(actor)?.repeated(action_id, action)
    }

    pub(crate) fn action_ids(&self, actor: Handle) -> Option<&ActionIds> {
        self.action_ids.get(&self.get(actor)?.account?)
    }

    /// The bytes of the kept receipts of an account, as they are; its row has the sum.
    pub(crate) fn kept_bytes(&self, number: u32) -> i64 {
        self.action_ids.get(&number).map_or(0, ActionIds::bytes)
    }
}

/// The number of rows of a table. Each artifact takes hundreds of bytes, so that memory ends long before `u32` does.
#[expect(clippy::expect_used, reason = "four billion rows fit into no memory there is")]
fn count(rows: usize) -> u32 {
    u32::try_from(rows).expect("a world has less than four billion artifacts")
}
