//! The ways into a house: below `/w/NAME` those of a world, and a few of its own.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::State as Shared,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery},
};
use hyper::body::Frame;
use oikos_views::{ListedWorld, style::STYLE, worlds};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    House,
    world::{Entry, Here, State, Visit, root_of},
};
use crate::{
    auth::{Presented, check_host, check_origin, presented, without_token},
    call::{HTML, json as answer_json, text},
    looks::{guarded, healthz},
    pages::is_browser,
    problem::Problem,
    serve::entered,
    tokens::{Token, TokenFile, Tokens},
};

/// How long one waits for a world to be loaded.
const LOADED_WITHIN: Duration = Duration::from_secs(30);
/// The path below which worlds are.
const WORLDS: &str = "/w/";

/// The ways in: one for all, which finds the world by itself.
pub(super) fn router(house: &Arc<House>) -> Router {
    let any = |Shared(house): Shared<Arc<House>>, request: Request<Body>| async move {
        guarded(answer(&house, request).await)
    };
    Router::new().fallback(any).with_state(Arc::clone(house))
}

async fn answer(house: &Arc<House>, request: Request<Body>) -> Response<Body> {
    let uri = request.uri().clone();
    let for_people =
        request.method() == Method::GET && !uri.path().contains("/api/") && is_browser(request.headers());
    let (root, inner) = match below(&uri) {
        Some((name, Some(inner))) => (root_of(name), inner),
        Some(_) | None => (String::new(), uri.clone()),
    };
    let answered = match below(&uri) {
        Some((name, Some(inner))) => world(house, name, inner, request).await,
        // The address of a world is that of a folder.
        Some((name, None)) => see(&root_of(name), &uri),
        None => own(house, &request),
    };
    answered.unwrap_or_else(
        |problem| {
            if for_people { problem.page(&root, Some(&inner)) } else { problem.response() }
        },
    )
}

/// The name of a world in an address, and the address below it; none of that without a slash behind the name.
fn below(uri: &Uri) -> Option<(&str, Option<Uri>)> {
    let rest = uri.path().strip_prefix(WORLDS)?;
    let Some((name, path)) = rest.split_once('/') else { return Some((rest, None)) };
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    // Two slashes would name a host.
    let inner = format!("/{}{query}", path.trim_start_matches('/'));
    let inner = PathAndQuery::try_from(inner).map_or_else(|_| Uri::default(), Uri::from);
    Some((name, Some(inner)))
}

/// The browser is sent on to the page of a world.
fn see(root: &str, uri: &Uri) -> Result<Response<Body>, Problem> {
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    let address = HeaderValue::from_str(&format!("{root}/{query}"))
        .map_err(|_| Problem::bad("that address can't be gone to"))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, address);
    Ok(response)
}

/// Answers a request of a world, which is loaded for it.
async fn world(
    house: &Arc<House>,
    name: &str,
    inner: Uri,
    mut request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    check_host(request.headers(), &house.setup.hosts)?;
    let (is_known, here) = {
        let worlds = house.worlds();
        let entry = worlds.get(name);
        let here = entry.and_then(|entry| match &entry.state {
            State::Here(here) => Some(Arc::clone(here)),
            State::Shut | State::Coming | State::Going(_) => None,
        });
        (entry.is_some(), here)
    };
    // Strangers neither have a world loaded nor keep it so, nor learn which there are.
    let tokens = match (&here, is_known) {
        // Its door has read the file.
        (Some(here), _) => here.door.tokens.clone(),
        (None, true) => house.setup.tokens.and(TokenFile::of(name.as_ref())),
        (None, false) => house.setup.tokens.clone(),
    };
    if bearer(&tokens, request.method(), &inner, request.headers())?.is_none() {
        return match here {
            Some(here) => Ok(at(&here, None, inner, request).await),
            None => Err(Problem::unauthorized()),
        };
    }
    let visit = house.enter(name, &inner).await?;
    let here = Arc::clone(&visit.0);
    *request.uri_mut() = inner.clone();
    Ok(at(&here, Some(visit), inner, request).await)
}

/// The answer of a world's door, which is under way until all of it is read.
async fn at(here: &Here, visit: Option<Visit>, inner: Uri, mut request: Request<Body>) -> Response<Body> {
    *request.uri_mut() = inner;
    let response = here.answer(request).await;
    match visit {
        Some(visit) => response.map(|body| Body::new(Visited { body, _visit: visit })),
        None => response,
    }
}

/// A body that is read by somebody who is at a door.
struct Visited {
    body: Body,
    _visit: Visit,
}

impl HttpBody for Visited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// The good token of a request, if it bears one.
fn bearer(
    tokens: &Tokens,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Token>, Problem> {
    match presented(method, uri, headers) {
        // The file says no more to those outside.
        Some(presented) => tokens.find(presented.text()).map_err(|_| Problem::not_served()),
        None => Ok(None),
    }
}

/// The next step towards a world.
enum Step {
    In(Visit),
    Wait,
    No(Problem),
}

impl House {
    /// Comes into a world, which is loaded if it is not.
    async fn enter(self: &Arc<Self>, name: &str, asked: &Uri) -> Result<Visit, Problem> {
        let mut changed = self.changed.subscribe();
        let until = Instant::now() + LOADED_WITHIN;
        loop {
            changed.borrow_and_update();
            match self.step(name, asked) {
                Step::In(visit) => return Ok(visit),
                Step::No(problem) => return Err(problem),
                Step::Wait => {}
            }
            if timeout_at(until, changed.changed()).await.is_err() {
                return Err(Problem::not_served());
            }
        }
    }

    fn step(self: &Arc<Self>, name: &str, asked: &Uri) -> Step {
        let mut worlds = self.worlds();
        let Some(entry) = worlds.get_mut(name) else {
            return Step::No(Problem::not_found(format!("there is no world {name:?}")));
        };
        if let State::Here(here) = &entry.state {
            return Step::In(Visit::begin(here));
        }
        if !entry.is_ours {
            return Step::No(match &entry.elsewhere {
                Some(url) => Problem::elsewhere(url, asked),
                None => Problem::not_served(),
            });
        }
        if self.is_ending() {
            return Step::No(Problem::not_served());
        }
        if matches!(entry.state, State::Shut) {
            if !entry.is_fit() {
                let problem = Problem::not_served();
                return Step::No(problem.with_hint("it can't be opened now; the list of worlds says why"));
            }
            entry.state = State::Coming;
            tokio::spawn(Arc::clone(self).load(name.to_owned()));
        }
        Step::Wait
    }
}

/// Answers a request of the house's own.
fn own(house: &House, request: &Request<Body>) -> Result<Response<Body>, Problem> {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    check_host(headers, &house.setup.hosts)?;
    let presented = presented(method, uri, headers);
    check_origin(method, headers, presented.as_ref())?;
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::wrong_method("GET"));
    }
    if uri.path() == "/healthz" {
        return Ok(healthz());
    }
    let token = bearer(&house.setup.tokens, method, uri, headers)?.ok_or_else(Problem::unauthorized)?;
    if let Some(Presented::Link(text)) = &presented {
        return entered(headers, text, ("", &without_token(uri)));
    }
    house.meters.request(&token)?;
    let told = |kind, told: &str| Ok(text(None, kind, told.to_owned()));
    match uri.path() {
        "/" => told(HTML, &worlds(&house.url, &house.listed()).into_string()),
        "/style.css" => told("text/css; charset=utf-8", STYLE),
        "/icon.svg" => told("image/svg+xml", include_str!("../icon.svg")),
        "/api/v1/worlds" => Ok(answer_json(None, &house.told())),
        "/metrics" => told("text/plain; version=0.0.4; charset=utf-8", &house.metrics()),
        path => {
            let shown: String = path.chars().take(128).collect();
            let problem = Problem::not_found(format!("there is nothing at {shown:?}"));
            Err(problem.with_hint("the worlds are at /w/NAME/, and /api/v1/worlds lists them"))
        }
    }
}

impl House {
    fn listed(&self) -> Vec<ListedWorld> {
        let listed = |(name, entry): (&String, &Entry)| ListedWorld {
            name: name.clone(),
            href: match (entry.is_ours, &entry.elsewhere) {
                (true, _) => Some(format!("{}/", root_of(name))),
                (false, Some(url)) => Some(format!("{url}/")),
                (false, None) => None,
            },
            state: entry.motion(),
            place: entry.place(),
            seq: entry.last_seq(),
            problem: entry.failing.as_ref().map(|failing| failing.problem.clone()),
        };
        self.worlds().iter().map(listed).collect()
    }

    /// The worlds as JSON.
    fn told(&self) -> Value {
        let told = |(name, entry): (&String, &Entry)| {
            let ours = entry.is_ours.then(|| format!("{}{}", self.url, root_of(name)));
            let due = entry.stands.as_ref().and_then(|stands| stands.due);
            json!({
                "world": name, "state": entry.motion(), "place": entry.place(), "seq": entry.last_seq(),
                "served_at": ours.or_else(|| entry.elsewhere.clone()), "due": due.map(|due| due.to_string()),
                "problem": entry.failing.as_ref().map(|failing| failing.problem.clone()),
            })
        };
        let worlds: Vec<Value> = self.worlds().iter().map(told).collect();
        json!({ "url": self.url, "worlds": worlds })
    }

    fn metrics(&self) -> String {
        let mut text = String::from("# HELP oikos_house_worlds Worlds, by where they are.\n");
        text.push_str("# TYPE oikos_house_worlds gauge\n");
        let worlds = self.worlds();
        let mut counts = std::collections::BTreeMap::new();
        for place in worlds.values().map(Entry::place) {
            *counts.entry(place).or_insert(0_usize) += 1;
        }
        for (place, count) in counts {
            text.push_str(&format!("oikos_house_worlds{{place=\"{place}\"}} {count}\n"));
        }
        let failing = worlds.values().filter(|entry| entry.failing.is_some()).count();
        text.push_str("# HELP oikos_house_failing Worlds that can't be opened now.\n");
        text.push_str(&format!("# TYPE oikos_house_failing gauge\noikos_house_failing {failing}\n"));
        text
    }
}
