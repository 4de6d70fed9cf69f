//! The `query` op: kernel facts, as the action sees them.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde_json::{Map, Value, json};

use super::{Next, Transaction, meter, stack::Actor};
use crate::{
    artifact::Artifact,
    contract::{Native, by_policy},
    event::EventRow,
    id::Handle,
    limits,
    op::{Op, Permission, Query, Since, What},
    refusal::{Code, Refusal},
    resource::ResourceKind,
    rules::Authority,
    state::State,
    time::format_duration_ms,
    world::{
        Holding,
        wire::{Viewer, row_json},
    },
};

/// Of fewer agents than so many times those that are wanted, all are looked at.
const DRAWN_OF_MIN: usize = 4;

impl Transaction<'_> {
    /// Answers a query; one about a permission may have to ask a contract first.
    pub(super) fn query(&mut self, actor: Actor, op: &Arc<Op>, query: &Query) -> Next {
        if let Err(refusal) = query.check_fields() {
            return self.end_op(Err(refusal));
        }
        if query.what == What::Permission {
            return match self.permission_query(actor, query) {
                Ok((who, action, target)) => self.query_permission(actor, op, who, action, target),
                Err(refusal) => self.end_op(Err(refusal)),
            };
        }
        let result = self.look_up(actor, query);
        self.end_op(result)
    }

    fn permission_query(
        &self,
        actor: Actor,
        query: &Query,
    ) -> Result<(Handle, crate::op::Permission, Handle), Refusal> {
        let who = self.asked_of(actor, query)?;
        if query.target.is_some() && query.artifact.is_some() {
            return Err(Refusal::invalid("`target` and `artifact` are the same field"));
        }
        let action = query.action.ok_or_else(|| missing("action"))?;
        let target = query.target.as_ref().or(query.artifact.as_ref()).ok_or_else(|| missing("target"))?;
        Ok((who, action, self.target(target)?))
    }

    fn look_up(&mut self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        match query.what {
            What::Balances => self.balances(actor, query),
            What::Balance => self.known(actor, query.of.clone()).map(|who| self.scrip(who).into()),
            What::Resources => {
                let who = self.known(actor, query.of.clone())?;
                self.look(actor, meter::shown(self.draft.world().rules().resources.len()))?;
                Ok(self.resources(who))
            }
            What::Capacity => self.capacity(actor, query),
            What::Artifact => {
                let handle = self.named(query)?;
                self.look(actor, limits::PARTS_PER_METADATA)?;
                Ok(self.metadata(actor, handle))
            }
            What::Price => {
                let handle = self.named(query)?;
                Ok(self.draft.artifact(handle).map_or(0, |artifact| artifact.price).into())
            }
            What::Artifacts | What::Search => self.artifacts(actor, query),
            What::Agents => self.agents(actor, query),
            What::Events => self.events(actor, query),
            What::Supply => self.supply(actor, query),
            What::Mandates => self.mandates(actor, query),
            What::Reputation => self.reputation(actor, query),
            What::Customers => self.customers(actor, query),
            What::Recall => self.recall(actor, query),
            What::History => self.history(actor, query),
            What::Permission | What::Quote => Ok(Value::Null),
        }
    }

    /// The facts that the kernel counted, as they stood before the action.
    fn reputation(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let world = self.draft.world();
        self.look(actor, limits::PARTS_PER_ROW_SHOWN)?;
        if query.artifact.is_none() {
            return Ok(world.dealings(self.who(actor, query.of.clone())?));
        }
        if query.of.is_some() {
            return Err(Refusal::invalid(
                "`of` names a principal and `artifact` an artifact: give one of them",
            ));
        }
        let artifact = self.named(query)?;
        if world.get(artifact).is_none() {
            let refusal =
                Refusal::new(Code::NotFound, "the action created it, so nothing is counted of it yet");
            return Err(refusal);
        }
        Ok(world.service(artifact))
    }

    fn customers(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let (rows, artifact) = (self.rows(actor, query)?, self.named(query)?);
        let (world, least) = (self.draft.world(), query.amount.map_or(0, |amount| amount.0));
        let mut found = Vec::new();
        for (customer, best) in world.customers(artifact) {
            self.look(actor, limits::PARTS_PER_ROW)?;
            if best < least {
                continue;
            }
            if found.len() == rows {
                if query.limit.is_some() {
                    break;
                }
                return Err(too_many("customers", rows + 1, rows));
            }
            self.look(actor, 2 * limits::PARTS_PER_ROW)?;
            found.push(json!({ "id": world.name(customer), "highest_price": best }));
        }
        Ok(Value::Array(found))
    }

    /// The turns of an agent, which are its own affair and its owner's.
    fn history(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let rows = self.rows(actor, query)?;
        let who = self.who(actor, query.of.clone())?;
        let (is_agent, owner) =
            self.draft.artifact(who).map_or((false, who), |artifact| (artifact.has_loop, artifact.owner));
        if !is_agent {
            return Err(Refusal::invalid(format!("`{}` has no loop, so it takes no turns", self.name(who))));
        }
        let is_own = actor.me.is_some_and(|me| me == who || me == owner);
        if !is_own && self.viewer(actor) != Viewer::Observer {
            let sentence = format!("the turns of `{}` are its own affair and its owner's", self.name(who));
            return Err(Refusal::new(Code::PermissionDenied, sentence).hint("ask about yourself"));
        }
        let history = self.draft.world().agent(who).and_then(|row| row.history.clone()).unwrap_or_default();
        let mut shown = Vec::new();
        for turn in history.iter().skip(history.len().saturating_sub(rows)) {
            let bytes = turn.think.len() + turn.action.text_bytes();
            self.look(actor, limits::PARTS_PER_ROW_SHOWN + meter::bytes(bytes))?;
            let think = Some(&*turn.think).filter(|think| !think.is_empty());
            shown.push(json!({
                "turn": turn.turn,
                "time": turn.time.to_string(),
                "think": think,
                "action": turn.action.value(),
                "ok": turn.error.is_none(),
                "error": turn.error.as_deref().map(|refusal| self.told(actor, refusal).to_json()),
            }));
        }
        Ok(shown.into())
    }

    fn named(&self, query: &Query) -> Result<Handle, Refusal> {
        self.target(query.artifact.as_ref().ok_or_else(|| missing("artifact"))?)
    }

    pub(super) fn metadata(&self, actor: Actor, handle: Handle) -> Value {
        let size = self.size_seen(actor, handle);
        let artifact = self.draft.artifact(handle);
        artifact.map_or(Value::Null, |artifact| artifact.metadata(|handle| self.name(handle).into(), size))
    }

    /// How many rows the caller may have, and whether asking for all of them is fine.
    pub(super) fn rows(&self, actor: Actor, query: &Query) -> Result<usize, Refusal> {
        let most = if actor.me.is_some() { limits::QUERY_ROWS_MAX } else { usize::MAX };
        let asked = query.limit.map(|limit| usize::try_from(limit.0).unwrap_or(usize::MAX));
        match asked {
            Some(asked) if asked > most => Err(too_many("`limit`", asked, most)),
            Some(asked) => Ok(asked),
            None => Ok(most),
        }
    }

    fn all_handles(&self) -> impl Iterator<Item = Handle> {
        (0..State::len(&self.draft)).map(Handle)
    }

    fn balances(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let rows = self.rows(actor, query)?;
        let mut map = Map::new();
        for handle in self.all_handles() {
            self.look(actor, 2 * limits::PARTS_PER_ROW)?;
            let Some(artifact) = self.draft.artifact(handle) else {
                continue;
            };
            if !artifact.has_standing() || artifact.deleted || !self.may_know(actor, handle) {
                continue;
            }
            if map.len() == rows {
                if query.limit.is_some() {
                    break;
                }
                return Err(too_many("balances", rows + 1, rows));
            }
            map.insert(artifact.id().into(), self.scrip(handle).into());
        }
        Ok(Value::Object(map))
    }

    /// Every resource of a principal, with its free amount.
    pub(super) fn resources(&self, who: Handle) -> Value {
        let world = self.draft.world();
        let (rules, artifact) = (world.rules(), self.draft.artifact(who));
        let number = artifact.and_then(|artifact| artifact.account);
        let since = artifact.map_or(rules.start, |artifact| artifact.created_at);
        let each = rules.by_id().map(|(resource, rule)| {
            let cell = number.and_then(|number| State::cell(&self.draft, number, resource));
            let cell = cell.cloned().unwrap_or_default();
            let (spent, least) = (self.draft.spent_of(who, resource), world.least_use(who, resource));
            let holding = Holding { rules, rule, cell: &cell, spent, now: self.now, since, least };
            (rule.name.clone(), holding.to_json())
        });
        Value::Object(each.collect())
    }

    fn capacity(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let who = self.known(actor, query.of.clone())?;
        let name = query.resource.as_ref().ok_or_else(|| missing("resource"))?;
        let resource = self.resource(&name.0)?;
        let amount = query.amount.map_or(1, |amount| amount.0);
        let free = self.free_of(who, resource);
        let kind = self.draft.world().rules().kind(resource);
        let at = self.free_at(who, resource, amount);
        let wait_ms = if free >= amount { Some(0) } else { at.map(|at| at.ms() - self.now.ms()) };
        Ok(json!({
            "has": free >= amount,
            "capacity": if kind == ResourceKind::Metered { Value::Null } else { free.into() },
            "time_until": wait_ms.map(format_duration_ms),
            "time_until_ms": wait_ms,
        }))
    }

    fn artifacts(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let rows = self.rows(actor, query)?;
        let owner = match &query.of {
            Some(id) => Some(self.target(id)?),
            None => None,
        };
        let text = match (query.what, &query.text) {
            (What::Search, None) => return Err(missing("text")),
            (_, text) => text.as_ref().map(|text| text.0.to_lowercase()),
        };
        let words: Vec<&str> = text.iter().flat_map(|text| text.split_whitespace()).collect();
        let mut found = Vec::new();
        for handle in self.all_handles() {
            self.look(actor, limits::PARTS_PER_ROW)?;
            let Some(artifact) = self.draft.artifact(handle).filter(|artifact| !artifact.deleted) else {
                continue;
            };
            let wanted = owner.is_none_or(|owner| artifact.owner == owner)
                && query.kind.as_ref().is_none_or(|kind| *kind.0 == *artifact.kind);
            if !wanted {
                continue;
            }
            if !words.is_empty() {
                let reads = self.may_surely_read(actor, handle);
                self.look(actor, parts_of_search(artifact, reads))?;
                if !matches(artifact, &words, reads) {
                    continue;
                }
            }
            if found.len() == rows {
                if query.limit.is_some() {
                    break;
                }
                return Err(too_many("artifacts", rows + 1, rows));
            }
            self.look(actor, limits::PARTS_PER_METADATA)?;
            found.push(self.metadata(actor, handle));
        }
        Ok(Value::Array(found))
    }

    /// Whether a native contract lets the caller read an artifact: what a search may look into. The
    /// others would have to be asked, one by one and at a price.
    pub(super) fn may_surely_read(&self, actor: Actor, handle: Handle) -> bool {
        let Some(me) = actor.me else { return true };
        self.draft.artifact(handle).is_some_and(|artifact| {
            if self.draft.world().rules().authority == Authority::Policy {
                let caller = Some(self.name(me));
                let owns = me == artifact.owner;
                let verdict = by_policy(artifact.policy.value(), caller, owns, Permission::Read);
                return verdict.allowed && verdict.cost == 0;
            }
            let native = Native::of(artifact.access_contract);
            native.is_some_and(|native| {
                native.decide(Some(me), Permission::Read, handle, artifact.owner).allowed
            })
        })
    }

    fn agents(&mut self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let rows = self.rows(actor, query)?;
        let world = self.draft.world();
        let alive = |handle: Handle| world.get(handle).is_some_and(|artifact| !artifact.is_deleted());
        let keeps = self.keeps_from(actor);
        let row = |handle: Handle| {
            let (steps, state) =
                world.agent(handle).map_or((0, "stopped"), |agent| (agent.steps, agent.state()));
            let artifact = world.get(handle);
            let owner = artifact.map_or(handle, |artifact| artifact.owner);
            let kind = artifact.map_or("", |artifact| artifact.kind());
            // Why another waits would tell what it lacks.
            let waits = matches!(state, "sleeping" | "blocked") && keeps && actor.me != Some(handle);
            let state = if waits { "waiting" } else { state };
            json!({
                "id": world.name(handle), "owner": world.name(owner), "kind": kind, "state": state, "steps": steps,
            })
        };
        let wanted_kind = query.agents.as_ref().map(|kind| &*kind.0);
        let is_of = |handle: Handle, or_else: fn(&Artifact) -> bool| {
            world.get(handle).is_some_and(|artifact| {
                wanted_kind.map_or_else(|| or_else(artifact), |kind| artifact.kind() == kind)
            })
        };
        let Some(sample) = query.sample else {
            let shown_max = rows.min(world.agents_len() as usize);
            self.look(actor, meter::rows(world.agents_len() as usize) + meter::shown(shown_max))?;
            let all = world.agents().map(|agent| agent.handle);
            let all = all.filter(|handle| alive(*handle) && is_of(*handle, |_| true));
            let found: Vec<Value> = all.take(rows.saturating_add(1)).map(row).collect();
            if found.len() > rows && query.limit.is_none() {
                return Err(too_many("agents", rows + 1, rows));
            }
            return Ok(found.into_iter().take(rows).collect());
        };
        let wanted = usize::try_from(sample.0).unwrap_or(usize::MAX).min(rows);
        if wanted > limits::QUERY_ROWS_MAX {
            return Err(too_many("`sample`", wanted, limits::QUERY_ROWS_MAX));
        }
        self.look(actor, meter::shown(wanted) + meter::rows(self.rows_to_draw(wanted)))?;
        let others = |handle: Handle| {
            Some(handle) != actor.me && alive(handle) && is_of(handle, |artifact| !artifact.is_coordinator())
        };
        Ok(self.draw_agents(actor, wanted, others)?.into_iter().map(row).collect())
    }

    /// How many rows are passed over at least to draw so many agents.
    fn rows_to_draw(&self, wanted: usize) -> usize {
        let count = self.draft.world().agents_len() as usize;
        if wanted * DRAWN_OF_MIN < count { wanted } else { count }
    }

    /// Draws agents without repetition; all of them, shuffled, when so many are asked for.
    fn draw_agents(
        &mut self,
        actor: Actor,
        wanted: usize,
        fits: impl Fn(Handle) -> bool,
    ) -> Result<Vec<Handle>, Refusal> {
        let world = self.draft.world();
        let count = world.agents_len() as usize;
        if wanted * DRAWN_OF_MIN < count {
            let mut drawn: Vec<Handle> = Vec::with_capacity(wanted);
            let mut known: FxHashSet<Handle> = FxHashSet::default();
            // Drawing again what does not fit ends soon unless hardly anything fits.
            for _ in 0..wanted * 8 + 64 {
                if drawn.len() == wanted {
                    return Ok(drawn);
                }
                let at = crate::seed::below(self.draw(), count);
                let handle = world.agent_at(at).map(|agent| agent.handle);
                drawn.extend(handle.filter(|handle| fits(*handle) && known.insert(*handle)));
            }
            // Hardly anything fits, so that all are looked at.
            self.look(actor, meter::rows(count))?;
        }
        let mut all: Vec<Handle> =
            world.agents().map(|agent| agent.handle).filter(|handle| fits(*handle)).collect();
        let seed = self.draw();
        crate::seed::shuffle(&mut all, seed);
        all.truncate(wanted);
        Ok(all)
    }

    fn events(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let most = if actor.me.is_some() { limits::EVENTS_PER_QUERY_MAX } else { limits::EVENTS_KEPT_MAX };
        let limit = query
            .limit
            .map_or(limits::EVENTS_PER_QUERY_MAX, |limit| usize::try_from(limit.0).unwrap_or(usize::MAX));
        if limit > most {
            return Err(too_many("`limit`", limit, most));
        }
        let since = match query.since {
            None => None,
            Some(Since::Number(number)) => Some(number.unsigned_abs()),
            Some(Since::Time(_)) => {
                let refusal = Refusal::invalid("`since` of \"events\" is the sequence number of a record");
                return Err(refusal.hint("name the `seq` of the last event that you know"));
            }
        };
        let of = match &query.of {
            Some(id) => Some(self.target(id)?),
            None => None,
        };
        let (world, viewer) = (self.draft.world(), self.viewer(actor));
        let wanted = |row: &Arc<EventRow>| {
            let event = &row.event;
            query.kind.as_ref().is_none_or(|kind| *kind.0 == *event.kind.as_str())
                && of.is_none_or(|of| [Some(event.actor), event.artifact, event.to].contains(&Some(of)))
        };
        // One row more, or the refusal with which the looking ends.
        let shown = |row: &Arc<EventRow>| {
            // A price for rows that the viewer is not shown would tell of them.
            let looked = match world.row_seen(row, viewer) {
                Some(_) => self.look(actor, limits::PARTS_PER_ROW),
                None => self.look_unseen(limits::PARTS_PER_ROW),
            };
            if let Err(refusal) = looked {
                return Some(Err(refusal));
            }
            let json = wanted(row).then(|| row_json(world, row, viewer)).flatten()?;
            Some(self.look(actor, limits::PARTS_PER_ROW_SHOWN).map(|()| (row.seq, json)))
        };
        // With `since` a reader catches up from there; without, it sees the latest.
        if let Some(since) = since {
            // The rows before it are not all passed over: they stand in order.
            let after = world.events_after(since).filter_map(shown);
            let mut rows = whole_records(after, limit)?;
            // Whether something between was one of those wanted is not known any more.
            if let Some(lost) = world.events_lost_until().filter(|lost| *lost > since) {
                rows.insert(0, json!({ "type": "gap", "seq": lost, "since": since, "until": lost }));
            }
            return Ok(rows.into());
        }
        let latest = world.events().rev().filter_map(shown).take(limit);
        let mut latest: Vec<Value> = latest.map(|row| row.map(|(_, json)| json)).collect::<Result<_, _>>()?;
        latest.reverse();
        Ok(latest.into())
    }

    fn supply(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let world = self.draft.world();
        let Some(name) = &query.resource else {
            return Ok(self.draft.supply().into());
        };
        let resource = self.resource(&name.0)?;
        // A rate that lapsed with somebody is missing from it.
        self.check_observer(actor, "the supply of a resource")?;
        let total = world.allotted().get(usize::from(resource.0)).copied().unwrap_or(0);
        Ok(total.into())
    }
}

/// At most `limit` events, but those of one record together: a next query for the events after the last one's
/// `seq` misses none. A record that has more by itself comes alone, and whole.
fn whole_records(
    rows: impl Iterator<Item = Result<(u64, Value), Refusal>>,
    limit: usize,
) -> Result<Vec<Value>, Refusal> {
    let (mut page, mut first, mut last, mut whole) = (Vec::new(), None, None, 0);
    for row in rows.take_while(|_| limit > 0) {
        let (seq, json) = row?;
        if last != Some(seq) {
            whole = page.len();
            if whole >= limit {
                break;
            }
            first = first.or(Some(seq));
            last = Some(seq);
        } else if page.len() >= limit && first != Some(seq) {
            page.truncate(whole);
            break;
        }
        page.push(json);
    }
    Ok(page)
}

fn missing(field: &str) -> Refusal {
    Refusal::invalid(format!("`{field}` is missing"))
}

fn too_many(what: &str, need: usize, most: usize) -> Refusal {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Refusal::new(Code::LimitExceeded, format!("{what}: a query returns at most {most} rows"))
        .numbers(number(need), number(most))
        .hint("name a smaller `limit`, or a `sample`")
}

/// Parts for the search of an artifact: of its content, if that may be read, and of the description.
fn parts_of_search(artifact: &Artifact, reads: bool) -> u64 {
    let content = artifact.content.value().as_str().filter(|_| reads).map_or(0, meter::searched);
    content + meter::bytes(artifact.metadata.text_bytes() + artifact.interface.text_bytes())
}

/// Whether all words occur in what describes an artifact, and in its content if that may be read.
fn matches(artifact: &Artifact, words: &[&str], reads: bool) -> bool {
    let mut text = format!("{} {} ", artifact.id(), artifact.kind());
    if let Some(content) = artifact.content().as_str().filter(|_| reads) {
        text.push_str(content);
    }
    for json in [&artifact.metadata, &artifact.interface] {
        text.push_str(&json.value().to_string());
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}
