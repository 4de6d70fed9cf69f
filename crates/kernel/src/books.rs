//! The books: a state that effects change, which is the world or the draft of an action, and the guards that refuse
//! an effect.

use std::sync::Arc;

use crate::{
    artifact::Artifact,
    cell::Cell,
    mandate::{Mandate, MandateKey},
    record::{Handle, KeptVerdict, Until, Use},
    rules::{ResourceId, Rules},
    time::Time,
};

/// The holdings of a principal beside its resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Account {
    /// Scrip, never negative.
    pub(crate) scrip: i64,
    /// How many artifacts it owns, itself included.
    pub(crate) owned: u32,
    /// Bytes on its disk of the tombstones that it pays for.
    pub(crate) buried: i64,
    /// Bytes on its disk of the receipts that are kept for its action ids.
    pub(crate) kept: i64,
}

/// Why an effect does not fit the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Not enough scrip.
    Scrip { who: Handle, need: i64, have: i64 },
    /// Not enough of a resource free.
    Free { who: Handle, resource: ResourceId, need: i64, have: i64 },
    /// An amount beyond `i64`.
    Overflow { who: Handle },
    /// Someone without standing would hold something.
    Standing { who: Handle },
    /// More than a record holds.
    Record { need: usize, have: usize },
    /// Something that a well-made action never asks for.
    Broken(String),
}

/// A state that effects change: the world, or the draft of an action.
pub(crate) trait State {
    fn rules(&self) -> &Rules;
    fn now(&self) -> Time;
    /// How many artifacts there have been: the next handle.
    fn len(&self) -> u32;
    fn find(&self, id: &str) -> Option<Handle>;
    fn artifact(&self, handle: Handle) -> Option<&Artifact>;
    fn artifact_mut(&mut self, handle: Handle) -> Option<&mut Artifact>;
    fn account(&self, number: u32) -> Account;
    fn set_account(&mut self, number: u32, account: Account);
    fn cell(&self, number: u32, resource: ResourceId) -> Option<&Cell>;
    fn cell_mut(&mut self, number: u32, resource: ResourceId) -> Option<&mut Cell>;
    /// How much of a resource could be moved away, or newly occupied, now.
    fn free(&self, number: u32, resource: ResourceId) -> i64;
    /// How many other artifacts of this owner are under this contract.
    fn refs(&self, contract: Handle, owner: Handle) -> u32;
    fn set_refs(&mut self, contract: Handle, owner: Handle, refs: u32);
    /// Verdicts of a contract are kept, and so many were used again.
    fn keep_verdicts(&mut self, contract: Handle, hits: u32, kept: &[KeptVerdict]);
    /// A contract is gone, and its verdicts with it.
    fn forget_verdicts(&mut self, contract: Handle);
    fn mandate(&self, key: MandateKey) -> Option<&Arc<Mandate>>;
    fn set_mandate(&mut self, key: MandateKey, mandate: Option<Arc<Mandate>>);
    /// The mandates that a principal has given, in order.
    fn mandates_given(&self, giver: Handle) -> Vec<MandateKey>;
    /// The mandates that an artifact holds, in order of givers.
    fn mandates_held(&self, holder: Handle) -> Vec<MandateKey>;
    /// Adds an artifact under the next handle.
    fn push(&mut self, artifact: Artifact);
    /// The next account, open and empty.
    fn open_account(&mut self, owner: Handle) -> u32;
    /// The next loop.
    fn open_loop(&mut self, agent: Handle) -> u32;
    /// A loop waits for the first of these.
    fn put_to_sleep(&mut self, number: u32, until: &[Until]);
    /// A loop has ended for good.
    fn close_loop(&mut self, number: u32);
    /// A principal is gone, and the receipts that were kept for its action ids with it.
    fn forget_action_ids(&mut self, number: u32);
    /// Whether the world is being founded: only then can something without standing own itself.
    fn is_founding(&self) -> bool;
    /// Scrip or a resource (`Some`) comes into being; only a world being founded allows it.
    fn found(&mut self, resource: Option<ResourceId>, amount: i64) -> Result<(), Guard>;
    /// Scrip comes into being by an authority.
    fn minted(&mut self, amount: i64) -> Result<(), Guard>;
    /// An invocation is counted.
    fn used(&mut self, used: &Use);
    /// Failures of an artifact's code are counted.
    fn failed(&mut self, artifact: Handle, times: u32);
    /// So much of a resource has grown by the rules.
    fn grown(&mut self, resource: ResourceId, amount: i64) -> Result<(), Guard>;
    /// So much of a resource is no more.
    fn lapsed(&mut self, resource: ResourceId, amount: i64) -> Result<(), Guard>;
}
