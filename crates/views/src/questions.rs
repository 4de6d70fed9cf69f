//! Questions to the contract of an artifact: pages run no code, so who shows a page may ask them before, and hand the
//! answers in. A contract that is asked decides, and nothing comes of it.

use std::collections::BTreeSet;

use oikos_runner::kernel::{
    contract::Native,
    id::Handle,
    op::Permission,
    rules::Authority,
    world::{World, wire::Viewer},
};

use crate::{page::Page, past::Past};

/// The actions that are asked about.
pub(crate) const ACTIONS: [Permission; 5] =
    [Permission::Read, Permission::Write, Permission::Invoke, Permission::Delete, Permission::Transfer];
/// The most callers that are asked about.
const CALLERS_MAX: usize = 6;

/// A question: whether one may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The one who would act.
    pub caller: Handle,
    /// The action.
    pub action: Permission,
    /// The artifact that it would be done to.
    pub target: Handle,
}

/// The answer of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The question.
    pub question: Question,
    /// Whether it is allowed.
    pub allowed: bool,
    /// The contract's own reason, or why it did not answer.
    pub reason: String,
    /// The scrip that it asks for.
    pub cost: i64,
}

/// The questions whose answers a page shows; none where it shows none, or where a native contract decides, whose
/// answers follow from its words.
#[must_use]
pub fn questions(world: &World, past: &Past, viewer: Viewer, page: &Page) -> Vec<Question> {
    let Page::Artifact(id) = page else { return Vec::new() };
    let Some(target) = world.lookup(id) else { return Vec::new() };
    let Some(artifact) = world.get(target).filter(|artifact| !artifact.is_deleted()) else {
        return Vec::new();
    };
    let is_native = Native::of(artifact.access_contract()).is_some();
    if is_native || world.rules().authority == Authority::Policy {
        return Vec::new();
    }
    let mut decided: Vec<(u64, Handle)> = past
        .facts
        .decisions
        .about(target)
        .map(|(caller, _, decision)| (decision.allowed.1.max(decision.refused.1), caller))
        .collect();
    decided.sort_unstable_by(|one, other| other.cmp(one));
    let me = match viewer {
        Viewer::Artifact(me) => me,
        Viewer::Observer => None,
    };
    let first = [Some(artifact.owner()), Some(target), me].into_iter().flatten();
    let all = first.chain(decided.into_iter().map(|(_, caller)| caller));
    let all = all.chain(world.agents().map(|agent| agent.handle).take(CALLERS_MAX * 4));
    let acts = |who: &Handle| world.get(*who).is_some_and(|one| one.has_standing() && !one.is_deleted());
    let mut seen = BTreeSet::new();
    let callers = all.filter(acts).filter(|who| seen.insert(*who)).take(CALLERS_MAX);
    callers.flat_map(|caller| ACTIONS.map(|action| Question { caller, action, target })).collect()
}
