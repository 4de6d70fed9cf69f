//! How one effect changes a state, and the guards that refuse it.
//!
//! The same code runs an action on its draft and applies the journal to the world, so that what was
//! executed and what is replayed cannot drift apart.

use std::sync::Arc;

pub(crate) use crate::books::{Account, Guard, State};
use crate::{
    artifact::{Artifact, stored_bytes},
    cell::Cell,
    contract::Native,
    limits,
    mandate::{Mandate, MandateKey},
    memory::{self, memo_bytes},
    record::{Change, Creation, Effect, Handle, KeptVerdict, Memo, Shared, Terms, Until, Use},
    refusal::{Code, Refusal},
    rules::{ResourceId, ResourceKind},
};

/// A guard that failed, as the one who acted is told: the one place that says so.
#[expect(
    clippy::expect_used,
    reason = "an effect that names what there is not fails as broken, not by a guard"
)]
pub(crate) fn refusal<S: State>(state: &S, guard: Guard) -> Refusal {
    let name = |who: Handle| state.artifact(who).expect("a guard is about an artifact that there is").id();
    match guard {
        Guard::Scrip { who, need, have } => Refusal::new(
            Code::InsufficientScrip,
            format!("`{}` has {have} scrip and needs {need}", name(who)),
        )
        .numbers(need, have)
        .hint("earn or borrow scrip, or ask for less")
        .about(who, format!("`{}` has too little scrip", name(who)), None),
        Guard::Free { who, resource, need, have } => {
            let (of, kind) = (state.rules().resource_name(resource), state.rules().kind(resource));
            let sentence = format!("`{}` has {have} of `{of}` free and needs {need}", name(who));
            let (code, hint) = match kind {
                ResourceKind::Allocatable => {
                    (Code::QuotaExceeded, format!("free some `{of}`, or get quota by `transfer`"))
                }
                ResourceKind::Renewable { .. } | ResourceKind::Depletable | ResourceKind::Metered => {
                    (Code::InsufficientResource, format!("get some `{of}` by `transfer`"))
                }
            };
            let without = format!("`{}` has too little of `{of}` free", name(who));
            Refusal::new(code, sentence).numbers(need, have).hint(hint.clone()).about(
                who,
                without,
                Some(hint),
            )
        }
        Guard::Overflow { who } => Refusal::invalid(format!("`{}` can't hold so much", name(who))),
        Guard::Standing { who } => {
            Refusal::invalid(format!("`{}` has no standing: it can't own or hold anything", name(who)))
        }
        Guard::Record { need, have } => {
            let sentence =
                format!("what an action changes and tells takes at most {have} bytes of the journal");
            Refusal::beyond_limit(sentence, need, have).hint("do it in several actions")
        }
        Guard::Broken(problem) => Refusal::invalid(problem),
    }
}

/// Changes the state by one effect.
///
/// # Errors
/// The guard that failed; the state is then as it was.
pub(crate) fn apply<S: State>(state: &mut S, effect: &Effect) -> Result<(), Guard> {
    match effect {
        Effect::Pay { from, to, amount, .. } => pay(state, *from, *to, *amount),
        Effect::Endow { to, amount } => endow(state, *to, *amount),
        Effect::Allot { to, resource, amount } => allot(state, *to, *resource, *amount),
        Effect::Move { from, to, resource, amount } => shift(state, *from, *to, *resource, *amount),
        Effect::Lapse { from, resource, amount } => lapse(state, *from, *resource, *amount),
        Effect::Grow { to, resource, amount } => grow(state, *to, *resource, *amount),
        Effect::Rate { of, resource, limit } => rate(state, *of, *resource, *limit),
        Effect::Create(creation) => create(state, creation),
        Effect::Change { artifact, version, change: fields } => change(state, *artifact, *version, fields),
        Effect::Own { artifact, from, to } => own(state, *artifact, *from, *to),
        Effect::Delete { artifact, heir } => delete(state, *artifact, *heir),
        Effect::Store { artifact, key, value } => store(state, *artifact, key, value.as_ref()),
        Effect::Sleep { agent, until } => sleep(state, *agent, until),
        Effect::Mandate { from, to, resource, terms } => {
            mandate(state, (*from, *to, *resource), terms.as_ref())
        }
        Effect::Remember { memory, memo } => remember(state, *memory, memo),
        Effect::Forget { memory, entry } => forget(state, *memory, *entry),
        Effect::Verdicts { contract, hits, kept } => verdicts(state, *contract, *hits, kept),
        Effect::Draw { from, to, resource, amount } => draw(state, (*from, *to, *resource), *amount),
        Effect::Mint { by, to, amount } => mint(state, *by, *to, *amount),
        Effect::Use(used) => count_use(state, used),
        Effect::Fail { artifact, times } => count_failures(state, *artifact, *times),
    }
}

fn live<S: State>(state: &S, handle: Handle) -> Result<&Artifact, Guard> {
    match state.artifact(handle) {
        Some(artifact) if !artifact.deleted => Ok(artifact),
        _ => Err(Guard::Broken(format!("artifact number {} does not exist", handle.0))),
    }
}

fn live_mut<S: State>(state: &mut S, handle: Handle) -> Result<&mut Artifact, Guard> {
    live(state, handle)?;
    state.artifact_mut(handle).ok_or_else(|| Guard::Broken("the artifact vanished".into()))
}

fn account_of<S: State>(state: &S, who: Handle) -> Result<u32, Guard> {
    live(state, who)?.account.ok_or(Guard::Standing { who })
}

fn positive(amount: i64) -> Result<(), Guard> {
    if amount >= 1 { Ok(()) } else { Err(Guard::Broken(format!("an amount of {amount}"))) }
}

fn pay<S: State>(state: &mut S, from: Handle, to: Handle, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let (payer, payee) = (account_of(state, from)?, account_of(state, to)?);
    let mut purse = state.account(payer);
    if purse.scrip < amount {
        return Err(Guard::Scrip { who: from, need: amount, have: purse.scrip });
    }
    if payer == payee {
        return Ok(());
    }
    let mut other = state.account(payee);
    other.scrip = other.scrip.checked_add(amount).ok_or(Guard::Overflow { who: to })?;
    purse.scrip -= amount;
    state.set_account(payer, purse);
    state.set_account(payee, other);
    Ok(())
}

fn endow<S: State>(state: &mut S, to: Handle, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let number = account_of(state, to)?;
    let mut account = state.account(number);
    account.scrip = account.scrip.checked_add(amount).ok_or(Guard::Overflow { who: to })?;
    state.found(None, amount)?;
    state.set_account(number, account);
    Ok(())
}

/// There would be more scrip than anybody can count.
pub(crate) const MINTED_TOO_MUCH: &str = "a world can't hold so much scrip";

fn mint<S: State>(state: &mut S, by: Handle, to: Handle, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let authority = live(state, by)?.id();
    if !state.rules().mint_authorities.iter().any(|id| id == authority) {
        return Err(Guard::Broken(format!("`{authority}` is no mint authority")));
    }
    let number = account_of(state, to)?;
    let mut account = state.account(number);
    account.scrip = account.scrip.checked_add(amount).ok_or(Guard::Overflow { who: to })?;
    state.minted(amount)?;
    state.set_account(number, account);
    Ok(())
}

/// An artifact may be counted as used that the same action deletes.
fn count_use<S: State>(state: &mut S, used: &Use) -> Result<(), Guard> {
    let known = |handle: Handle| state.artifact(handle).is_some();
    if !known(used.artifact) || !used.customer.is_none_or(known) || used.price < 0 {
        return Err(Guard::Broken("an invocation of what is not there".into()));
    }
    state.used(used);
    Ok(())
}

fn count_failures<S: State>(state: &mut S, artifact: Handle, times: u32) -> Result<(), Guard> {
    if state.artifact(artifact).is_none() {
        return Err(Guard::Broken("a failure of what is not there".into()));
    }
    state.failed(artifact, times);
    Ok(())
}

fn cell_of<S: State>(state: &mut S, number: u32, resource: ResourceId) -> Result<&mut Cell, Guard> {
    state.cell_mut(number, resource).ok_or_else(|| Guard::Broken("no such resource".into()))
}

fn allot<S: State>(state: &mut S, to: Handle, resource: ResourceId, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let number = account_of(state, to)?;
    let limit = cell_of(state, number, resource)?.limit;
    let limit = limit.checked_add(amount).ok_or(Guard::Overflow { who: to })?;
    state.found(Some(resource), amount)?;
    cell_of(state, number, resource)?.limit = limit;
    Ok(())
}

fn shift<S: State>(
    state: &mut S,
    from: Handle,
    to: Handle,
    resource: ResourceId,
    amount: i64,
) -> Result<(), Guard> {
    positive(amount)?;
    let (giver, taker) = (account_of(state, from)?, account_of(state, to)?);
    if state.rules().kind(resource) == ResourceKind::Metered {
        return Err(Guard::Broken("a resource without limit can't move".into()));
    }
    let have = state.free(giver, resource);
    if have < amount {
        return Err(Guard::Free { who: from, resource, need: amount, have });
    }
    if giver == taker {
        return Ok(());
    }
    let limit = cell_of(state, taker, resource)?.limit;
    let limit = limit.checked_add(amount).ok_or(Guard::Overflow { who: to })?;
    cell_of(state, giver, resource)?.limit -= amount;
    cell_of(state, taker, resource)?.limit = limit;
    Ok(())
}

/// Ends a rate, all of it, with the uses that have not come back.
fn lapse<S: State>(state: &mut S, from: Handle, resource: ResourceId, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let number = account_of(state, from)?;
    let kind = state.rules().kind(resource);
    let cell = cell_of(state, number, resource)?;
    if !matches!(kind, ResourceKind::Renewable { .. }) || cell.limit != amount {
        return Err(Guard::Broken(format!("there is no rate of {amount} to lapse")));
    }
    cell.limit = 0;
    cell.window = None;
    state.lapsed(resource, amount)
}

fn grow<S: State>(state: &mut S, to: Handle, resource: ResourceId, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let number = account_of(state, to)?;
    let limit = cell_of(state, number, resource)?.limit;
    let limit = limit.checked_add(amount).ok_or(Guard::Overflow { who: to })?;
    state.grown(resource, amount)?;
    cell_of(state, number, resource)?.limit = limit;
    Ok(())
}

fn rate<S: State>(state: &mut S, of: Handle, resource: ResourceId, limit: i64) -> Result<(), Guard> {
    let number = account_of(state, of)?;
    let (kind, now) = (state.rules().kind(resource), state.now());
    let cell = cell_of(state, number, resource)?;
    if !matches!(kind, ResourceKind::Renewable { .. }) || limit < cell.asked {
        return Err(Guard::Broken(format!("no rate can become {limit} here")));
    }
    let before = std::mem::replace(&mut cell.limit, limit);
    cell.forgive(limit - cell.asked, now);
    state.lapsed(resource, before - limit)
}

/// Occupies (or frees) bytes of the owner's disk.
pub(crate) fn occupy<S: State>(state: &mut S, owner: Handle, delta: i64) -> Result<(), Guard> {
    // Genesis artifacts without standing own themselves and have no account to count on.
    let Some(number) = state.artifact(owner).and_then(|owner| owner.account) else {
        return Ok(());
    };
    if delta > 0 && state.rules().kind(ResourceId::DISK) != ResourceKind::Metered {
        let have = state.free(number, ResourceId::DISK);
        if have < delta {
            return Err(Guard::Free { who: owner, resource: ResourceId::DISK, need: delta, have });
        }
    }
    let cell = cell_of(state, number, ResourceId::DISK)?;
    cell.used = cell.used.checked_add(delta).ok_or(Guard::Overflow { who: owner })?;
    Ok(())
}

/// One more, or one less; a count that can't be so contradicts the artifacts that were counted.
fn counted(count: u32, more: bool) -> Result<u32, Guard> {
    let next = if more { count.checked_add(1) } else { count.checked_sub(1) };
    next.ok_or_else(|| Guard::Broken(format!("{count} artifacts were counted, and more are gone")))
}

fn count_owned<S: State>(state: &mut S, owner: Handle, more: bool) -> Result<(), Guard> {
    let Some(number) = state.artifact(owner).and_then(|owner| owner.account) else {
        return Ok(());
    };
    let mut account = state.account(number);
    account.owned = counted(account.owned, more)?;
    state.set_account(number, account);
    Ok(())
}

/// Counts an artifact of `owner` under a contract, itself and the genesis contracts apart: those are never
/// deleted, and most artifacts are under one.
fn count_ref<S: State>(
    state: &mut S,
    of: Handle,
    owner: Handle,
    contract: Handle,
    more: bool,
) -> Result<(), Guard> {
    if of == contract || Native::of(contract).is_some() {
        return Ok(());
    }
    let refs = counted(state.refs(contract, owner), more)?;
    state.set_refs(contract, owner, refs);
    Ok(())
}

/// The value of a new artifact, or of the earlier one that has the same.
fn shared<S: State, T: Clone>(
    state: &S,
    value: &Shared<T>,
    of: impl Fn(&Artifact) -> Option<&T>,
) -> Result<T, Guard> {
    match value {
        Shared::Own(value) => Ok(value.clone()),
        Shared::As(handle) => {
            let theirs = of(live(state, *handle)?).cloned();
            theirs.ok_or_else(|| Guard::Broken(format!("artifact number {} has nothing to share", handle.0)))
        }
    }
}

fn create<S: State>(state: &mut S, new: &Creation) -> Result<(), Guard> {
    if state.find(&new.id).is_some() {
        return Err(Guard::Broken(format!("id `{}` is taken", new.id)));
    }
    let handle = Handle(state.len());
    let standing = new.has_standing || new.has_loop;
    if new.owner == handle {
        if !standing && !state.is_founding() {
            return Err(Guard::Broken(format!("`{}` has no standing, and would own itself", new.id)));
        }
    } else {
        account_of(state, new.owner)?;
    }
    let now = state.now();
    let mut artifact = Artifact {
        id: new.id.as_str().into(),
        kind: new.kind.as_str().into(),
        content: shared(state, &new.content, |theirs| Some(&theirs.content))?,
        code: match &new.code {
            Some(code) => Some(shared(state, code, |theirs| theirs.code.as_ref())?),
            None => None,
        },
        decides: new.decides,
        interface: shared(state, &new.interface, |theirs| Some(&theirs.interface))?,
        owner: new.owner,
        creator: new.creator,
        access_contract: new.access_contract,
        price: new.price,
        pays: new.pays,
        has_loop: new.has_loop,
        // The number follows once it is known that there is room; a row is counted for it already.
        account: standing.then_some(0),
        agent: None,
        memory_artifact: new.memory_artifact,
        depends_on: new.depends_on.clone(),
        metadata: shared(state, &new.metadata, |theirs| Some(&theirs.metadata))?,
        policy: new.policy.clone(),
        version: 1,
        created_at: now,
        updated_at: now,
        storage: imbl::OrdMap::new(),
        changed_hands: false,
        stored: 0,
        storage_bytes: 0,
        memory: None,
        field_bytes: 0,
        deleted: false,
    };
    artifact.measure();
    let size = artifact.size();
    // The owner's quota decides before anything is changed; an owner that is the artifact itself
    // has no account yet, and is checked once it has one.
    if new.owner != handle {
        occupy(state, new.owner, size)?;
    }
    artifact.account = standing.then(|| state.open_account(handle));
    artifact.agent = new.has_loop.then(|| state.open_loop(handle));
    state.push(artifact);
    count_owned(state, new.owner, true)?;
    count_ref(state, handle, new.owner, new.access_contract, true)?;
    Ok(())
}

/// Bytes of an artifact that owns itself are counted once its quota is there.
pub(crate) fn settle_founder<S: State>(state: &mut S, handle: Handle) -> Result<(), Guard> {
    let artifact = live(state, handle)?;
    let size = artifact.size();
    if artifact.owner == handle { occupy(state, handle, size) } else { Ok(()) }
}

/// Gives a mandate, gives it anew, or ends it; it takes room on the giver's disk.
fn mandate<S: State>(state: &mut S, key: MandateKey, terms: Option<&Terms>) -> Result<(), Guard> {
    let (from, to, resource) = key;
    account_of(state, from)?;
    live(state, to)?;
    if from == to || !resource.is_none_or(|unit| state.rules().kind(unit) == ResourceKind::Depletable) {
        return Err(Guard::Broken("there is no such mandate".into()));
    }
    let before = state.mandate(key).map(Arc::clone);
    let Some(terms) = terms else {
        let there = before.ok_or_else(|| Guard::Broken("there is no mandate to withdraw".into()));
        return there.and_then(|_| end_mandate(state, key));
    };
    positive(terms.per_call.min(terms.per_window).min(terms.window_ms))?;
    if before.is_none() {
        occupy(state, from, limits::MANDATE_BYTES)?;
    }
    state.set_mandate(key, Some(Arc::new(Mandate::given(*terms, before.as_deref()))));
    Ok(())
}

fn end_mandate<S: State>(state: &mut S, key: MandateKey) -> Result<(), Guard> {
    state.set_mandate(key, None);
    occupy(state, key.0, -limits::MANDATE_BYTES)
}

/// Ends the mandates that an artifact holds: it is in other hands now, or gone.
fn end_mandates_held<S: State>(state: &mut S, holder: Handle) -> Result<(), Guard> {
    state.mandates_held(holder).into_iter().try_for_each(|key| end_mandate(state, key))
}

/// Keeps verdicts of a contract. They change nothing that anybody has.
fn verdicts<S: State>(state: &mut S, contract: Handle, hits: u32, kept: &[KeptVerdict]) -> Result<(), Guard> {
    live(state, contract)?;
    let strange = |handle: Handle| state.artifact(handle).is_none();
    if kept.iter().any(|kept| strange(kept.target) || strange(kept.target_owner)) {
        return Err(Guard::Broken("a verdict is about nothing".into()));
    }
    state.keep_verdicts(contract, hits, kept);
    Ok(())
}

/// Counts a use of a mandate.
fn draw<S: State>(state: &mut S, key: MandateKey, amount: i64) -> Result<(), Guard> {
    positive(amount)?;
    let now = state.now();
    let allowing = state.mandate(key).filter(|mandate| mandate.allows(amount, now).is_ok());
    let mut mandate = Mandate::clone(
        allowing.ok_or_else(|| Guard::Broken(format!("no mandate allows a charge of {amount}")))?,
    );
    mandate.draw(amount, now);
    state.set_mandate(key, Some(Arc::new(mandate)));
    Ok(())
}

fn change<S: State>(state: &mut S, handle: Handle, version: u32, fields: &Change) -> Result<(), Guard> {
    let now = state.now();
    let artifact = live(state, handle)?;
    if artifact.version != version {
        return Err(Guard::Broken(format!(
            "`{}` is at version {}, not {version}",
            artifact.id, artifact.version
        )));
    }
    let mut next = artifact.clone();
    next.set(fields);
    next.version = version.checked_add(1).ok_or_else(|| Guard::Broken("too many versions".into()))?;
    next.updated_at = now;
    let (owner, before, after) = (artifact.owner, artifact.access_contract, next.access_contract);
    let delta = next.size() - artifact.size();
    occupy(state, owner, delta)?;
    *live_mut(state, handle)? = next;
    if before != after {
        count_ref(state, handle, owner, before, false)?;
        count_ref(state, handle, owner, after, true)?;
    }
    Ok(())
}

fn own<S: State>(state: &mut S, handle: Handle, from: Handle, to: Handle) -> Result<(), Guard> {
    let artifact = live(state, handle)?;
    if artifact.owner != from {
        return Err(Guard::Broken(format!("`{}` has another owner", artifact.id)));
    }
    let (size, contract) = (artifact.size(), artifact.access_contract);
    account_of(state, to)?;
    if from == to {
        return Ok(());
    }
    occupy(state, to, size)?;
    occupy(state, from, -size)?;
    count_owned(state, from, false)?;
    count_owned(state, to, true)?;
    count_ref(state, handle, from, contract, false)?;
    count_ref(state, handle, to, contract, true)?;
    let now = state.now();
    let artifact = live_mut(state, handle)?;
    (artifact.owner, artifact.changed_hands) = (to, true);
    artifact.updated_at = now;
    end_mandates_held(state, handle)
}

fn delete<S: State>(state: &mut S, handle: Handle, heir: Option<Handle>) -> Result<(), Guard> {
    let now = state.now();
    let artifact = live(state, handle)?;
    let (owner, size, contract) = (artifact.owner, artifact.size(), artifact.access_contract);
    let (agent, account) = (artifact.agent, artifact.account);
    let mut tombstone = artifact.clone();
    tombstone.bury();
    tombstone.updated_at = now;
    let remains = tombstone.size();
    let passes = |kind: ResourceKind| heir.is_some() && kind == ResourceKind::Allocatable;
    let stays = still_held(state, handle).into_iter().any(|held| match held {
        Held::Resource { resource, .. } => !passes(state.rules().kind(resource)),
        Held::Contract { .. } | Held::Scrip { .. } | Held::Owned { .. } | Held::SetAside { .. } => true,
    });
    if stays || account.is_some_and(|number| holds_rate(state, number)) {
        return Err(Guard::Broken(format!("artifact number {} still holds something", handle.0)));
    }
    forget_action_ids(state, handle, account)?;
    end_mandates_held(state, handle)?;
    state.forget_verdicts(handle);
    state.mandates_given(handle).into_iter().try_for_each(|key| end_mandate(state, key))?;
    occupy(state, owner, remains - size)?;
    count_owned(state, owner, false)?;
    count_buried(state, owner, remains);
    count_ref(state, handle, owner, contract, false)?;
    if let (Some(number), Some(heir)) = (account, heir) {
        leave_quotas(state, number, handle, heir)?;
    }
    if let Some(number) = agent {
        state.close_loop(number);
    }
    *live_mut(state, handle)? = tombstone;
    Ok(())
}

/// Nobody can repeat an action as a principal that is gone.
fn forget_action_ids<S: State>(state: &mut S, who: Handle, number: Option<u32>) -> Result<(), Guard> {
    let Some(number) = number else { return Ok(()) };
    let mut account = state.account(number);
    if account.kept > 0 {
        occupy(state, who, -account.kept)?;
        account.kept = 0;
        state.set_account(number, account);
    }
    state.forget_action_ids(number);
    Ok(())
}

/// A tombstone stays on the disk of its last owner.
fn count_buried<S: State>(state: &mut S, owner: Handle, bytes: i64) {
    if let Some(number) = state.artifact(owner).and_then(|owner| owner.account) {
        let mut account = state.account(number);
        account.buried += bytes;
        state.set_account(number, account);
    }
}

fn sleep<S: State>(state: &mut S, agent: Handle, until: &[Until]) -> Result<(), Guard> {
    let artifact = live(state, agent)?;
    let number = artifact.agent.ok_or_else(|| Guard::Broken(format!("`{}` has no loop", artifact.id)))?;
    if until.is_empty() {
        return Err(Guard::Broken("a sleep without end".into()));
    }
    state.put_to_sleep(number, until);
    Ok(())
}

/// One of the things that keep an artifact from being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Other artifacts of its owner are under it.
    Contract { others: u32 },
    /// It owns other artifacts.
    Owned { others: u32 },
    /// It has scrip.
    Scrip { amount: i64 },
    /// It has a balance or a quota.
    Resource { resource: ResourceId, amount: i64 },
    /// Some of a balance is set aside for its thought under way.
    SetAside { resource: ResourceId, amount: i64 },
}

/// All that keeps an artifact from being deleted. A rate does not: it lapses. Nor does a stranger who put
/// artifacts under it: they fall under the rule for missing contracts.
pub(crate) fn still_held<S: State>(state: &S, handle: Handle) -> Vec<Held> {
    let mut all = Vec::new();
    let Some(artifact) = state.artifact(handle) else { return all };
    let refs = state.refs(handle, artifact.owner);
    all.extend((refs > 0).then_some(Held::Contract { others: refs }));
    let Some(number) = artifact.account else { return all };
    let account = state.account(number);
    let others = account.owned - u32::from(artifact.owner == handle);
    all.extend((others > 0).then_some(Held::Owned { others }));
    all.extend((account.scrip > 0).then_some(Held::Scrip { amount: account.scrip }));
    for (resource, rule) in state.rules().by_id() {
        let amount = match rule.kind {
            // The amounts set aside for a thought under way are held too: the journal knows nothing of them.
            ResourceKind::Depletable => {
                let held = state.cell(number, resource).map_or(0, |cell| cell.held);
                state.free(number, resource).saturating_add(held)
            }
            ResourceKind::Allocatable => state.cell(number, resource).map_or(0, |cell| cell.limit),
            ResourceKind::Renewable { .. } | ResourceKind::Metered => 0,
        };
        all.extend((amount > 0).then_some(Held::Resource { resource, amount }));
        let asked = state.cell(number, resource).map_or(0, |cell| cell.asked);
        if rule.kind == ResourceKind::Depletable && asked > 0 {
            all.push(Held::SetAside { resource, amount: asked });
        }
    }
    all
}

fn holds_rate<S: State>(state: &S, number: u32) -> bool {
    state.rules().by_id().any(|(resource, rule)| {
        matches!(rule.kind, ResourceKind::Renewable { .. })
            && state.cell(number, resource).is_some_and(|cell| cell.limit > 0)
    })
}

/// Hands over the quotas of a deleted principal, its own bytes gone already; the quota in use stays behind.
fn leave_quotas<S: State>(state: &mut S, number: u32, from: Handle, heir: Handle) -> Result<(), Guard> {
    let allocatable: Vec<ResourceId> = state
        .rules()
        .by_id()
        .filter_map(|(id, rule)| (rule.kind == ResourceKind::Allocatable).then_some(id))
        .collect();
    for resource in allocatable {
        let amount = state.free(number, resource);
        if amount > 0 {
            shift(state, from, heir, resource, amount)?;
        }
    }
    Ok(())
}

fn store<S: State>(
    state: &mut S,
    handle: Handle,
    key: &str,
    value: Option<&crate::json::Json>,
) -> Result<(), Guard> {
    let artifact = live(state, handle)?;
    let owner = artifact.owner;
    let before = artifact.storage.get(key).map_or(0, |old| stored_bytes(key, old));
    let after = value.map_or(0, |new| stored_bytes(key, new));
    occupy(state, owner, after - before)?;
    let artifact = live_mut(state, handle)?;
    artifact.storage_bytes += after - before;
    artifact.stored += 1;
    match value {
        Some(value) => artifact.storage.insert(key.into(), value.clone()),
        None => artifact.storage.remove(key),
    };
    Ok(())
}

/// The artifact of a memory.
fn memory_of<S: State>(state: &S, handle: Handle) -> Result<&Artifact, Guard> {
    let artifact = live(state, handle)?;
    if *artifact.kind == *memory::KIND {
        return Ok(artifact);
    }
    Err(Guard::Broken(format!("`{}` is no memory", artifact.id)))
}

fn remember<S: State>(state: &mut S, handle: Handle, memo: &Arc<Memo>) -> Result<(), Guard> {
    let (artifact, now) = (memory_of(state, handle)?, state.now());
    let owner = artifact.owner;
    let empty = Arc::default();
    artifact.memory.as_ref().unwrap_or(&empty).check(memo).map_err(Guard::Broken)?;
    occupy(state, owner, memo_bytes(memo))?;
    Arc::make_mut(live_mut(state, handle)?.memory.get_or_insert_default()).add(memo, now);
    Ok(())
}

fn forget<S: State>(state: &mut S, handle: Handle, entry: Option<u64>) -> Result<(), Guard> {
    let artifact = memory_of(state, handle)?;
    let owner = artifact.owner;
    let Some(mut memory) = artifact.memory.as_deref().cloned() else {
        return Err(Guard::Broken("there is nothing to forget".into()));
    };
    let before = memory.bytes();
    match entry {
        None => memory.clear(),
        Some(entry) if memory.get(entry).is_some() => memory.remove(entry),
        Some(entry) => return Err(Guard::Broken(format!("there is no entry {entry}"))),
    }
    occupy(state, owner, memory.bytes() - before)?;
    live_mut(state, handle)?.memory = Some(Arc::new(memory));
    Ok(())
}
