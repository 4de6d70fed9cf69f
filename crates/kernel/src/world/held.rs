//! A world as the state that effects change.

use std::sync::Arc;

use super::{Agent, World, agent::Phase, count};
use crate::{
    artifact::Artifact,
    cell::Cell,
    id::Handle,
    mandate::{Mandate, MandateKey},
    record::{KeptVerdict, Until, Use},
    resource::ResourceId,
    rules::Rules,
    state::{Account, Guard, MINTED_TOO_MUCH, State},
    time::Time,
};

impl State for World {
    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn now(&self) -> Time {
        self.now
    }

    fn len(&self) -> u32 {
        count(self.artifacts.len())
    }

    fn find(&self, id: &str) -> Option<Handle> {
        self.lookup(id)
    }

    fn artifact(&self, handle: Handle) -> Option<&Artifact> {
        self.get(handle)
    }

    fn artifact_mut(&mut self, handle: Handle) -> Option<&mut Artifact> {
        self.artifacts.get_mut(handle.0 as usize).map(Arc::make_mut)
    }

    #[expect(
        clippy::expect_used,
        reason = "numbers of accounts stand in artifacts, and images are looked at"
    )]
    fn account(&self, number: u32) -> Account {
        *self.accounts.get(number as usize).expect("a principal has an account")
    }

    #[expect(
        clippy::expect_used,
        reason = "numbers of accounts stand in artifacts, and images are looked at"
    )]
    fn set_account(&mut self, number: u32, account: Account) {
        *self.accounts.get_mut(number as usize).expect("a principal has an account") = account;
    }

    fn cell(&self, number: u32, resource: ResourceId) -> Option<&Cell> {
        self.cells.get(number as usize * self.rules.resources.len() + usize::from(resource.0))
    }

    fn cell_mut(&mut self, number: u32, resource: ResourceId) -> Option<&mut Cell> {
        self.cells.get_mut(number as usize * self.rules.resources.len() + usize::from(resource.0))
    }

    fn free(&self, number: u32, resource: ResourceId) -> i64 {
        State::cell(self, number, resource).map_or(0, |cell| cell.free(self.rules.kind(resource), self.now))
    }

    fn refs(&self, contract: Handle, owner: Handle) -> u32 {
        self.refs.get(&(contract, owner)).copied().unwrap_or(0)
    }

    fn set_refs(&mut self, contract: Handle, owner: Handle, refs: u32) {
        if refs == 0 {
            self.refs.remove(&(contract, owner));
        } else {
            self.refs.insert((contract, owner), refs);
        }
    }

    fn keep_verdicts(&mut self, contract: Handle, hits: u32, kept: &[KeptVerdict]) {
        self.verdicts.keep(contract, hits, kept);
    }

    fn forget_verdicts(&mut self, contract: Handle) {
        self.verdicts.forget(contract);
    }

    fn mandate(&self, key: MandateKey) -> Option<&Arc<Mandate>> {
        self.mandates.get(key)
    }

    fn set_mandate(&mut self, key: MandateKey, mandate: Option<Arc<Mandate>>) {
        self.mandates.set(key, mandate);
    }

    fn mandates_given(&self, giver: Handle) -> Vec<MandateKey> {
        self.mandates.given_by(giver).collect()
    }

    fn mandates_held(&self, holder: Handle) -> Vec<MandateKey> {
        self.mandates.held_by(holder).collect()
    }

    fn push(&mut self, artifact: Artifact) {
        let handle = State::len(self);
        let id = Arc::clone(&artifact.id);
        self.artifacts.push(Arc::new(artifact));
        self.share_with_last(handle as usize);
        let artifacts = &self.artifacts;
        self.index.insert(&id, handle, |row| artifacts.get(row as usize).map(|row| &*row.id));
    }

    fn open_account(&mut self, owner: Handle) -> u32 {
        let number = self.accounts_len();
        self.accounts.push(Account::default());
        self.holders.push(owner);
        for _ in 0..self.rules.resources.len() {
            self.cells.push(Cell::default());
        }
        number
    }

    fn open_loop(&mut self, agent: Handle) -> u32 {
        let number = self.agents_len();
        self.agents.push(Agent::new(agent, self.first_turn()));
        self.population += 1;
        self.stirred.push(agent);
        number
    }

    fn put_to_sleep(&mut self, number: u32, until: &[Until]) {
        let asleep = Phase::Asleep { until: until.into(), since_seq: self.seq };
        self.set_phase(number, asleep, None);
    }

    fn close_loop(&mut self, number: u32) {
        self.population -= 1;
        self.set_phase(number, Phase::Stopped, None);
        if let Some(row) = self.agent_mut(number) {
            (row.inbox, row.history) = (None, None);
        }
        self.forget_condition(number);
    }

    fn is_founding(&self) -> bool {
        self.founding
    }

    fn forget_action_ids(&mut self, number: u32) {
        self.action_ids.remove(&number);
    }

    fn found(&mut self, resource: Option<ResourceId>, amount: i64) -> Result<(), Guard> {
        if !self.is_founding() {
            return Err(Guard::Broken("nothing comes from nothing after the founding".into()));
        }
        match resource {
            None => self.minted(amount),
            Some(resource) => self.grown(resource, amount),
        }
    }

    fn minted(&mut self, amount: i64) -> Result<(), Guard> {
        let supply = self.supply.checked_add(amount);
        self.supply = supply.ok_or_else(|| Guard::Broken(MINTED_TOO_MUCH.into()))?;
        Ok(())
    }

    fn used(&mut self, used: &Use) {
        self.count_use(used);
    }

    fn failed(&mut self, artifact: Handle, times: u32) {
        self.count_failures(artifact, times);
    }

    fn grown(&mut self, resource: ResourceId, amount: i64) -> Result<(), Guard> {
        self.allot_more(resource, amount)
    }

    fn lapsed(&mut self, resource: ResourceId, amount: i64) -> Result<(), Guard> {
        let total = self.allotted.get_mut(usize::from(resource.0));
        let left = total.as_ref().and_then(|total| total.checked_sub(amount)).filter(|left| *left >= 0);
        match (total, left) {
            (Some(total), Some(left)) => *total = left,
            _ => return Err(Guard::Broken("a rate lapses that never came into being".into())),
        }
        Ok(())
    }
}
