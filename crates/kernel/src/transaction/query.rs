//! The `query` op: kernel facts, as the action sees them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Next, Transaction, stack::Actor};
use crate::{
    contract::Native,
    event::EventRow,
    id::Handle,
    limits,
    op::{Op, OpKind, Permission, Query, What},
    refusal::{Code, Refusal},
    rules::{ResourceId, ResourceKind},
    state::State,
    time::format_duration_ms,
    world::wire::{Viewer, event_json},
};

impl Transaction<'_> {
    /// Answers a query; one about a permission may have to ask a contract first.
    pub(super) fn query(&mut self, actor: Actor, op: &Arc<Op>, query: &Query) -> Next {
        if let Err(refusal) = check_fields(query) {
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
        let who = match &query.principal {
            Some(id) => self.target(id)?,
            None => self.own(actor)?,
        };
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
            What::Balance => self.who(actor, query.of.clone()).map(|who| self.scrip(who).into()),
            What::Resources => self.who(actor, query.of.clone()).map(|who| self.resources(who)),
            What::Capacity => self.capacity(actor, query),
            What::Artifact | What::Price => {
                let id = query.artifact.as_ref().ok_or_else(|| missing("artifact"))?;
                let handle = self.target(id)?;
                Ok(match query.what {
                    What::Artifact => self.metadata(handle),
                    _ => self.draft.artifact(handle).map_or(0, |artifact| artifact.price).into(),
                })
            }
            What::Artifacts | What::Search => self.artifacts(actor, query),
            What::Agents => self.agents(actor, query),
            What::Events => self.events(actor, query),
            What::Supply => self.supply(query),
            What::Permission => Ok(Value::Null),
        }
    }

    pub(super) fn metadata(&self, handle: Handle) -> Value {
        let artifact = self.draft.artifact(handle);
        artifact.map_or(Value::Null, |artifact| artifact.metadata(|handle| self.name(handle).into()))
    }

    /// How many rows the caller may have, and whether asking for all of them is fine.
    fn rows(&self, actor: Actor, query: &Query) -> Result<usize, Refusal> {
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
            let Some(artifact) = self.draft.artifact(handle) else {
                continue;
            };
            if !artifact.has_standing() || artifact.deleted {
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

    /// What a principal may use of everything.
    pub(super) fn resources(&self, who: Handle) -> Value {
        let rules = self.draft.world().rules();
        let number = self.draft.artifact(who).and_then(|artifact| artifact.account);
        let mut all = Map::new();
        for (at, rule) in rules.resources.iter().enumerate() {
            let resource = ResourceId(u16::try_from(at).unwrap_or(u16::MAX));
            let cell = number.and_then(|number| State::cell(&self.draft, number, resource));
            let cell = cell.cloned().unwrap_or_default();
            let spent = self.draft.spent_of(who, resource);
            let used = cell.used.saturating_add(spent);
            let free = self.free_of(who, resource);
            all.insert(
                rule.name.clone(),
                match rule.kind {
                    ResourceKind::Renewable { window_ms } => json!({
                        "kind": "renewable", "rate": cell.limit, "window": format_duration_ms(window_ms),
                        "capacity": free, "used": cell.live(self.now) + spent, "used_total": used,
                    }),
                    ResourceKind::Depletable => {
                        json!({ "kind": "depletable", "balance": free, "capacity": free, "used": used })
                    }
                    ResourceKind::Allocatable => {
                        json!({ "kind": "allocatable", "quota": cell.limit, "capacity": free, "used": used })
                    }
                    ResourceKind::Metered => json!({ "kind": "metered", "used": used }),
                },
            );
        }
        Value::Object(all)
    }

    fn capacity(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let who = self.who(actor, query.of.clone())?;
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
            let Some(artifact) = self.draft.artifact(handle).filter(|artifact| !artifact.deleted) else {
                continue;
            };
            let wanted = owner.is_none_or(|owner| artifact.owner == owner)
                && query.kind.as_ref().is_none_or(|kind| *kind.0 == *artifact.kind)
                && (words.is_empty() || matches(artifact, &words, self.may_surely_read(actor, handle)));
            if !wanted {
                continue;
            }
            if found.len() == rows {
                if query.limit.is_some() {
                    break;
                }
                return Err(too_many("artifacts", rows + 1, rows));
            }
            found.push(self.metadata(handle));
        }
        Ok(Value::Array(found))
    }

    /// Whether a native contract lets the caller read an artifact: what a search may look into. The
    /// others would have to be asked, one by one and at a price.
    pub(super) fn may_surely_read(&self, actor: Actor, handle: Handle) -> bool {
        let Some(me) = actor.me else { return true };
        self.draft.artifact(handle).is_some_and(|artifact| {
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
        let row = |handle: Handle| {
            let (steps, state) =
                world.agent(handle).map_or((0, "stopped"), |agent| (agent.steps, agent.state()));
            let owner = world.get(handle).map_or(handle, |artifact| artifact.owner);
            json!({ "id": world.name(handle), "owner": world.name(owner), "state": state, "steps": steps })
        };
        let Some(sample) = query.sample else {
            let all = world.agents().map(|agent| agent.handle).filter(|handle| alive(*handle));
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
        let others = |handle: Handle| Some(handle) != actor.me && alive(handle);
        Ok(self.draw_agents(wanted, others).into_iter().map(row).collect())
    }

    /// Draws agents without repetition; all of them, shuffled, when so many are asked for.
    fn draw_agents(&mut self, wanted: usize, fits: impl Fn(Handle) -> bool) -> Vec<Handle> {
        let world = self.draft.world();
        let count = world.agents_len() as usize;
        if wanted * 4 < count {
            let mut drawn: Vec<Handle> = Vec::with_capacity(wanted);
            // Drawing again what does not fit ends soon unless hardly anything fits.
            for _ in 0..wanted * 8 + 64 {
                if drawn.len() == wanted {
                    return drawn;
                }
                let at = crate::seed::below(self.draw(), count);
                let handle = world.agent_at(at).map(|agent| agent.handle);
                drawn.extend(handle.filter(|handle| fits(*handle) && !drawn.contains(handle)));
            }
        }
        let mut all: Vec<Handle> =
            world.agents().map(|agent| agent.handle).filter(|handle| fits(*handle)).collect();
        let seed = self.draw();
        crate::seed::shuffle(&mut all, seed);
        all.truncate(wanted);
        all
    }

    fn events(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let most = if actor.me.is_some() { limits::EVENTS_PER_QUERY_MAX } else { limits::EVENTS_KEPT_MAX };
        let limit = query
            .limit
            .map_or(limits::EVENTS_PER_QUERY_MAX, |limit| usize::try_from(limit.0).unwrap_or(usize::MAX));
        if limit > most {
            return Err(too_many("`limit`", limit, most));
        }
        let since = query.since.map(|since| u64::try_from(since.0).unwrap_or(0));
        let of = match &query.of {
            Some(id) => Some(self.target(id)?),
            None => None,
        };
        let viewer = actor.me.map_or(Viewer::Observer, |me| Viewer::Artifact(Some(me)));
        let world = self.draft.world();
        let wanted = |row: &&Arc<EventRow>| {
            let event = &row.event;
            since.is_none_or(|since| row.seq > since)
                && query.kind.as_ref().is_none_or(|kind| *kind.0 == *event.kind.as_str())
                && of.is_none_or(|of| [Some(event.actor), event.artifact, event.to].contains(&Some(of)))
        };
        let json = |row: &Arc<EventRow>| event_json(world, row.seq, row.time, &row.event, viewer);
        // With `since` a reader catches up from there; without, it sees the latest.
        if let Some(since) = since {
            let mut rows: Vec<Value> = world.events().filter(wanted).take(limit).map(json).collect();
            // Whether something between was one of those wanted is not known any more.
            let lost = world.events_lost_until().filter(|lost| *lost > since);
            if let Some(lost) = lost {
                rows.insert(0, json!({ "type": "gap", "since": since, "until": lost }));
            }
            return Ok(rows.into());
        }
        let mut latest: Vec<Value> = world.events().rev().filter(wanted).take(limit).map(json).collect();
        latest.reverse();
        Ok(latest.into())
    }

    fn supply(&self, query: &Query) -> Result<Value, Refusal> {
        let world = self.draft.world();
        let Some(name) = &query.resource else {
            return Ok(world.supply().into());
        };
        let resource = self.resource(&name.0)?;
        let total = world.allotted().get(usize::from(resource.0)).copied().unwrap_or(0);
        Ok(total.into())
    }
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

/// Whether all words occur in what describes an artifact, and in its content if that may be read.
fn matches(artifact: &crate::artifact::Artifact, words: &[&str], reads: bool) -> bool {
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

/// Fields that mean nothing for what is asked are refused, lest they seem to filter.
fn check_fields(query: &Query) -> Result<(), Refusal> {
    let allowed: &[&str] = match query.what {
        What::Balances => &["limit"],
        What::Balance | What::Resources => &["of"],
        What::Capacity => &["of", "resource", "amount"],
        What::Artifact | What::Price => &["artifact"],
        What::Artifacts => &["of", "type", "text", "limit"],
        What::Search => &["text", "of", "type", "limit"],
        What::Agents => &["limit", "sample"],
        What::Events => &["of", "since", "type", "limit"],
        What::Supply => &["resource"],
        What::Permission => &["as", "action", "target", "artifact"],
    };
    let given = [
        ("of", query.of.is_some()),
        ("artifact", query.artifact.is_some()),
        ("resource", query.resource.is_some()),
        ("amount", query.amount.is_some()),
        ("text", query.text.is_some()),
        ("since", query.since.is_some()),
        ("type", query.kind.is_some()),
        ("limit", query.limit.is_some()),
        ("sample", query.sample.is_some()),
        ("as", query.principal.is_some()),
        ("action", query.action.is_some()),
        ("target", query.target.is_some()),
    ];
    let stray = given.iter().find(|(name, given)| *given && !allowed.contains(name));
    match stray {
        Some((name, _)) => {
            let what = query.what.as_str();
            Err(Refusal::invalid(format!("`{}` of \"{what}\" takes no `{name}`", OpKind::Query))
                .hint(format!("it takes {}", allowed.join(", "))))
        }
        None => Ok(()),
    }
}
