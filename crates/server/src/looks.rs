//! Looks at the world: as it stands, or stood.

use axum::{
    body::Body,
    http::{HeaderValue, Response, header::CONTENT_TYPE},
};
use oikos_runner::{
    Bills, Front, JournalError, Look, Reader, SeriesRow,
    config::{ClockKind, Lasts},
    kernel::{
        id::Handle,
        op::Query,
        refusal::{Code, Refusal},
        rules::Privacy,
        world::{World, wire::Viewer},
    },
    report,
    request::{self, Inspect},
    row,
};
use serde_json::{Map, Value, json};

use crate::{
    call::{Answered, Call, json as answer, text, viewer_of},
    door::Door,
    metrics,
    problem::Problem,
    tokens::Role,
};

/// The type of text that somebody wrote: it is never shown as anything else.
const PLAIN: &str = "text/plain; charset=utf-8";
/// Rows of a list, if nothing is said, and at most.
const ROWS: u64 = 100;
const ROWS_MAX: u64 = 1_000;
/// Values of the series that are looked at for the latest of each measure.
const LATEST: i64 = 256;
/// Turns of an agent that are shown beside it.
const TURNS: i64 = 16;

/// `GET /healthz`.
pub(crate) fn healthz() -> Response<Body> {
    text(None, PLAIN, "ok\n".into())
}

/// `GET /metrics`.
pub(crate) async fn metrics(call: Call) -> Answered {
    let (seq, world) = call.look(|_, look, _| Ok(look.world.clone())).await?;
    Ok(text(Some(seq), "text/plain; version=0.0.4; charset=utf-8", metrics::text(&call.door, &world)))
}

/// `GET /api/v1/world`.
pub(crate) async fn world(call: Call) -> Answered {
    let front = call.door.front.clone();
    let is_now = call.moment()?.is_none();
    let (seq, mut shown) =
        call.look(move |reader, look, viewer| stands(reader, &front, look, viewer, is_now)).await?;
    if let Value::Object(map) = &mut shown {
        let role = &call.token.role;
        map.insert("you".into(), json!({ "role": role.word(), "as": role.principal() }));
        map.extend(is_now.then(|| standing(&call.door)).into_iter().flatten());
    }
    Ok(answer(Some(seq), &shown))
}

/// How the world moves.
pub(crate) fn standing(door: &Door) -> Map<String, Value> {
    let standing = door.helm.standing();
    let speed = standing.speed.times().map_or(Value::from("max"), Value::from);
    let problem = standing.problem.map_or(Value::Null, |problem| problem.to_json());
    let follows = standing.follows.map(|follows| {
        let behind_ms = u64::try_from(follows.behind().as_millis()).unwrap_or(u64::MAX);
        json!({ "behind_ms": behind_ms, "thoughts": follows.thoughts(), "writer": follows.writer })
    });
    let known = [
        ("state".to_owned(), standing.motion.word().into()),
        ("speed".to_owned(), speed),
        ("problem".to_owned(), problem),
    ];
    known.into_iter().chain(follows.map(|follows| ("follows".to_owned(), follows))).collect()
}

fn stands(
    reader: &Reader,
    front: &Front,
    look: &Look,
    viewer: Viewer,
    is_now: bool,
) -> Result<Value, Problem> {
    let Look { world, now } = look;
    let (mode, lasts) = match front.lasts {
        Lasts::Ticks(ticks) => ("tick", ("ticks", Value::from(ticks))),
        Lasts::Ms(ms) => ("autonomous", ("duration_ms", Value::from(ms))),
    };
    let clock = match front.clock {
        ClockKind::Virtual => "virtual",
        ClockKind::Wall => "wall",
    };
    // The measures as they were taken last: of worlds whose balances are private they tell more than a seat may know.
    let measures = if may_sum(world, viewer) { measured(reader, is_now)? } else { Value::Null };
    let mut shown = json!({
        "name": front.name, "clock": clock, "mode": mode, "now": now.to_string(), "seq": world.seq(),
        "begun": world.rules().start.to_string(), lasts.0: lasts.1, "tick_ms": front.tick_ms,
        "supply": world.supply(), "agents": world.population(), "states": report::states(world),
        "measures": measures, "health": report::health(world),
        "versions": { "oikos": env!("CARGO_PKG_VERSION"), "runtime": world.runtime() },
    });
    if let (Some(tick), Value::Object(map)) = (world.tick(), &mut shown) {
        map.insert("tick".into(), tick.number.into());
    }
    Ok(shown)
}

/// Whether a viewer may know sums of what others have.
fn may_sum(world: &World, viewer: Viewer) -> bool {
    viewer == Viewer::Observer || world.rules().privacy != Privacy::Own
}

/// The measures as they were taken last: of a moment of the past there are none, since they are taken as time goes by.
fn measured(reader: &Reader, is_now: bool) -> Result<Value, Problem> {
    if !is_now {
        return Ok(Value::Null);
    }
    let Ok(journal) = reader.journal().map_err(|fault| Problem::fault(&fault))? else { return Ok(json!({})) };
    let mut latest = Map::new();
    let end = journal.series_end().map_err(unread)?;
    let visit = |_, sample: SeriesRow| {
        latest.insert(sample.name, json!({ "time": sample.time.to_string(), "value": sample.value }));
        true
    };
    journal.series_while(end.saturating_sub(LATEST), visit).map_err(unread)?;
    Ok(latest.into())
}

fn unread(error: JournalError) -> Problem {
    Problem::fault(&error.into())
}

/// `POST /api/v1/query`.
pub(crate) async fn query(call: Call) -> Answered {
    let query = call.query()?;
    let (seq, found) = call
        .look(move |reader, look, viewer| {
            let found = reader.query(look, viewer, query).map_err(|fault| Problem::fault(&fault))?;
            Ok(match found {
                Ok(result) => json!({ "result": result }),
                // A mistake in a query is an answer about the world.
                Err(refusal) => json!({ "error": refusal.to_json() }),
            })
        })
        .await?;
    Ok(answer(Some(seq), &found))
}

/// `GET /api/v1/observe`.
pub(crate) async fn observe(call: Call) -> Answered {
    let named = call.field("of").map(str::to_owned);
    let agent = match (&call.token.role, named) {
        (Role::Principal(id), None) => id.clone(),
        (Role::Principal(id), Some(of)) if of == *id => of,
        (Role::Principal(_), Some(_)) => {
            return Err(Problem::forbidden("a principal observes for itself alone"));
        }
        (Role::Observer | Role::Operator, Some(of)) => of,
        (Role::Observer | Role::Operator, None) => {
            return Err(Problem::bad("`of` is missing: name an agent"));
        }
    };
    let observed =
        move |reader: &Reader, look: &Look, _| reader.observe(look, &agent).map_err(Problem::refused);
    let (seq, observation) = call.look(observed).await?;
    Ok(answer(Some(seq), &json!({ "result": observation })))
}

/// The rows that are wanted of a list.
struct Wanted {
    limit: usize,
    after: Option<String>,
    kind: Option<String>,
    owner: Option<String>,
    state: Option<String>,
    text: Option<String>,
}

impl Wanted {
    fn of(call: &Call) -> Result<Self, Problem> {
        let own = |name| call.field(name).map(str::to_owned);
        Ok(Self {
            limit: usize::try_from(call.number("limit", ROWS, ROWS_MAX)?).unwrap_or(usize::MAX),
            after: own("after"),
            kind: own("kind"),
            owner: own("owner"),
            state: own("state"),
            text: own("text"),
        })
    }

    fn fits(&self, world: &World, handle: Handle) -> bool {
        let Some(artifact) = world.get(handle) else { return false };
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let is_in = |text: &str| artifact.id().contains(text);
        !artifact.is_deleted()
            && is(&self.kind, artifact.kind())
            && is(&self.owner, world.name(artifact.owner()))
            && self.text.as_deref().is_none_or(is_in)
            && self
                .state
                .as_deref()
                .is_none_or(|state| world.agent(handle).is_some_and(|row| row.state() == state))
    }

    /// A page of rows, and the id after which the next begins, if there may be one.
    fn page(
        &self,
        look: &Look,
        viewer: Viewer,
        with_size: bool,
        handles: impl Iterator<Item = Handle>,
    ) -> Result<(Vec<Value>, Value), Problem> {
        let world = &look.world;
        let after = match &self.after {
            None => None,
            Some(id) => Some(world.lookup(id).ok_or_else(|| unknown(id))?),
        };
        let later = handles.filter(|handle| after.is_none_or(|after| *handle > after));
        let mut fitting = later.filter(|handle| self.fits(world, *handle));
        let page: Vec<Handle> = fitting.by_ref().take(self.limit).collect();
        let more = fitting.next().and(page.last());
        let next = more.map_or(Value::Null, |last| world.name(*last).into());
        Ok((page.into_iter().map(|handle| row(world, handle, with_size, viewer, look.now)).collect(), next))
    }
}

fn unknown(id: &str) -> Problem {
    let shown: String = id.chars().take(128).collect();
    Problem::not_found(format!("there is no artifact {shown:?}"))
}

/// `GET /api/v1/agents`.
pub(crate) async fn agents(call: Call) -> Answered {
    let wanted = Wanted::of(&call)?;
    let rows = move |_: &Reader, look: &Look, viewer| {
        let (rows, next) = wanted.page(look, viewer, false, look.world.agents().map(|agent| agent.handle))?;
        Ok(json!({ "agents": rows, "next": next }))
    };
    let (seq, shown) = call.look(rows).await?;
    Ok(answer(Some(seq), &shown))
}

/// `GET /api/v1/artifacts`.
pub(crate) async fn artifacts(call: Call) -> Answered {
    let wanted = Wanted::of(&call)?;
    let rows = move |_: &Reader, look: &Look, viewer| {
        let (rows, next) =
            wanted.page(look, viewer, true, look.world.artifacts().map(|(handle, _)| handle))?;
        Ok(json!({ "artifacts": rows, "next": next }))
    };
    let (seq, shown) = call.look(rows).await?;
    Ok(answer(Some(seq), &shown))
}

/// A query of our own.
fn asked(query: Value) -> Result<Query, Problem> {
    request::query(query, false).map_err(Problem::refused)
}

/// An artifact that is there, or was.
fn found(world: &World, id: &str) -> Result<Handle, Problem> {
    world.lookup(id).ok_or_else(|| unknown(id))
}

/// All that anybody may know of one artifact: the answer to a query, and its row.
fn one(reader: &Reader, look: &Look, viewer: Viewer, id: &str) -> Result<Map<String, Value>, Problem> {
    let handle = found(&look.world, id)?;
    let query = asked(json!({ "what": "artifact", "artifact": id }))?;
    let mut shown = match reader.query(look, viewer, query).map_err(|fault| Problem::fault(&fault))? {
        Ok(Value::Object(shown)) => shown,
        Ok(_) => Map::new(),
        Err(refusal) => return Err(Problem::refused(refusal)),
    };
    if let Value::Object(more) = row(&look.world, handle, true, viewer, look.now) {
        shown.extend(more);
    }
    Ok(shown)
}

/// `GET /api/v1/agents/{id}`.
pub(crate) async fn agent(call: Call) -> Answered {
    let id = call.part("id").to_owned();
    let shown = move |reader: &Reader, look: &Look, viewer| {
        let handle = found(&look.world, &id)?;
        if look.world.agent(handle).is_none() {
            return Err(Problem::not_found(format!("`{id}` is no agent")));
        }
        let mut shown = one(reader, look, viewer, &id)?;
        let query = asked(json!({ "what": "history", "of": id, "limit": TURNS }))?;
        let turns = reader.query(look, viewer, query).map_err(|fault| Problem::fault(&fault))?;
        // Its thoughts are for itself, its owner, and those who see all.
        shown.insert("turns".into(), turns.unwrap_or_default());
        Ok(Value::from(shown))
    };
    let (seq, shown) = call.look(shown).await?;
    Ok(answer(Some(seq), &shown))
}

/// `GET /api/v1/artifacts/{id}`.
pub(crate) async fn artifact(call: Call) -> Answered {
    let id = call.part("id").to_owned();
    let is_own = call.token.role.principal().is_none_or(|me| me == id);
    let shown = move |reader: &Reader, look: &Look, viewer| {
        let mut shown = one(reader, look, viewer, &id)?;
        if is_own {
            let asked = Inspect { artifact: id.clone(), storage: true, ..Inspect::default() };
            let parts = asked.of(&look.world).map_err(Problem::refused)?;
            shown.extend(parts.get("storage").map(|storage| ("storage".to_owned(), storage.clone())));
        }
        Ok(Value::from(shown))
    };
    let (seq, shown) = call.look(shown).await?;
    Ok(answer(Some(seq), &shown))
}

/// `GET /api/v1/artifacts/{id}/content`.
pub(crate) async fn content(call: Call) -> Answered {
    part(call, "content", |id| Inspect { artifact: id, content: true, ..Inspect::default() }).await
}

/// `GET /api/v1/artifacts/{id}/code`.
pub(crate) async fn code(call: Call) -> Answered {
    part(call, "code", |id| Inspect { artifact: id, code: true, ..Inspect::default() }).await
}

/// A part of an artifact as the text that it is. It is plain text, whatever it says.
async fn part(call: Call, name: &'static str, asked: fn(String) -> Inspect) -> Answered {
    let id = call.part("id").to_owned();
    let shown = move |_: &Reader, look: &Look, _| {
        let parts = asked(id.clone()).of(&look.world).map_err(Problem::refused)?;
        match parts.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            None | Some(Value::Null) => Err(Problem::not_found(format!("`{id}` has no {name}"))),
            Some(value) => Ok(value.to_string()),
        }
    };
    let (seq, shown) = call.look(shown).await?;
    Ok(text(Some(seq), PLAIN, shown))
}

/// `GET /api/v1/series`.
pub(crate) async fn series(call: Call) -> Answered {
    let name = call.field("name").map(str::to_owned);
    let after = i64::try_from(call.number("after", 0, i64::MAX.unsigned_abs())?).unwrap_or(i64::MAX);
    let limit = usize::try_from(call.number("limit", ROWS, ROWS_MAX)?).unwrap_or(usize::MAX);
    let role = call.token.role.clone();
    let rows = move |reader: &Reader| {
        let look = reader.now().ok_or_else(Problem::not_served)?;
        let viewer = viewer_of(&role, &look.world).map_err(Problem::refused)?;
        if !may_sum(&look.world, viewer) {
            let sentence = "balances are private in this world: its measures are for observers";
            return Err(Problem::refused(Refusal::new(Code::PermissionDenied, sentence)));
        }
        let journal = reader.journal().map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?;
        let (mut rows, mut next) = (Vec::new(), Value::Null);
        let mut last = after;
        let visit = |place: i64, sample: SeriesRow| {
            if name.as_deref().is_some_and(|name| name != sample.name) {
                return true;
            }
            if rows.len() >= limit {
                next = last.into();
                return false;
            }
            last = place;
            let (seq, time) = (sample.seq, sample.time.to_string());
            rows.push(json!({ "seq": seq, "time": time, "name": sample.name, "value": sample.value }));
            true
        };
        journal.series_while(after, visit).map_err(unread)?;
        Ok((look.world.seq(), json!({ "series": rows, "next": next })))
    };
    let (seq, shown) = call.door.look_long(rows).await?;
    Ok(answer(Some(seq), &shown))
}

/// `GET /api/v1/costs`.
pub(crate) async fn costs(call: Call) -> Answered {
    let role = call.token.role.clone();
    let bills = move |reader: &Reader| {
        let journal = reader.journal().map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?;
        let bills = Bills::of(&journal).map_err(|fault| Problem::fault(&fault))?;
        match role.principal() {
            Some(id) => Ok(bills.of_one(id).to_json(None)),
            None => {
                let forecast = bills.forecast(&journal).map_err(|fault| Problem::fault(&fault))?;
                Ok(bills.to_json(forecast.as_ref()))
            }
        }
    };
    Ok(answer(None, &call.door.look_long(bills).await?))
}

/// Puts on an answer the headers that all have: nobody keeps it, and no browser takes it for anything but what it is.
pub(crate) fn guarded(mut response: Response<Body>) -> Response<Body> {
    const HEADERS: [(&str, &str); 5] = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        // Forms need it: without any a browser names no `Origin`.
        ("referrer-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(PLAIN));
    response
}
