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
use oikos_views::style::STYLE;
use tokio::time::{Instant, timeout_at};

use super::{
    House,
    own::OWN,
    world::{Here, State, Visit, root_of},
};
use crate::{
    auth::{Presented, check_host, check_origin, presented, without_token},
    call::text,
    looks::guarded,
    pages::is_browser,
    problem::{Problem, Teller},
    serve::entered,
    tokens::{Token, Tokens},
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
    let for_people = !uri.path().contains("/api/") && is_browser(request.headers());
    let (root, inner) = match below(&uri) {
        Some((name, Some(inner))) => (root_of(name), inner),
        Some(_) | None => (String::new(), uri.clone()),
    };
    let asked = (request.method() == Method::GET).then(|| inner.clone());
    let answered = match below(&uri) {
        Some((name, Some(_))) => world(house, name, inner, request).await,
        // The address of a world is that of a folder.
        Some((name, None)) => see(&root_of(name), &uri),
        None => own(house, &request),
    };
    answered.unwrap_or_else(|problem| {
        if for_people { problem.page(Teller::House(&root), asked.as_ref()) } else { problem.response() }
    })
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
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    check_host(request.headers(), &house.setup.hosts)?;
    let here = house.worlds().get(name).and_then(|entry| match &entry.state {
        State::Here(here) => Some(Arc::clone(here)),
        State::Shut | State::Coming | State::Going(_) => None,
    });
    // Strangers neither have a world loaded nor keep it so, nor learn which there are.
    let tokens = house.tokens_of(name);
    let Some(token) = bearer(&tokens, request.method(), &inner, request.headers())? else {
        return match here {
            Some(here) => Ok(at(&here, None, inner, request).await),
            None => Err(Problem::unauthorized()),
        };
    };
    if let Some(Presented::Link(text)) = presented(request.method(), &inner, request.headers()) {
        return entered(request.headers(), &text, (&root_of(name), &without_token(&inner)));
    }
    if let (None, Some(file), true) = (&here, file(inner.path()), request.method() == Method::GET) {
        // Pages that say why there is no world are as other pages, and have none loaded.
        house.meters.request(&token)?;
        return Ok(file);
    }
    let entered = house.enter(name, &inner).await;
    let visit = entered.map_err(|problem| problem.asked_by_link(tokens.is_own(&token)))?;
    let here = Arc::clone(&visit.0);
    Ok(at(&here, Some(visit), inner, request).await)
}

/// A file that pages load.
fn file(path: &str) -> Option<Response<Body>> {
    match path {
        "/style.css" => Some(text(None, "text/css; charset=utf-8", STYLE.to_owned())),
        "/icon.svg" => Some(text(None, "image/svg+xml", include_str!("../icon.svg").to_owned())),
        _ => None,
    }
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
    let found = OWN.iter().find(|own| own.path == uri.path());
    if let Some(own) = found.filter(|own| own.is_open) {
        return Ok((own.answer)(house));
    }
    let token = bearer(&house.setup.tokens, method, uri, headers)?.ok_or_else(Problem::unauthorized)?;
    if let Some(Presented::Link(text)) = &presented {
        return entered(headers, text, ("", &without_token(uri)));
    }
    house.meters.request(&token)?;
    if let Some(answer) = found.map(|own| (own.answer)(house)).or_else(|| file(uri.path())) {
        return Ok(answer);
    }
    let shown: String = uri.path().chars().take(128).collect();
    let problem = Problem::not_found(format!("there is nothing at {shown:?}"));
    Err(problem.with_hint("the worlds are at /w/NAME/, and /api/v1/worlds lists them"))
}
