//! A request as a handler is given it: who asks, and what for, read once and checked.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use oikos_runner::{
    Look, Reader, When,
    kernel::{
        id::{Handle, nearest},
        op::Query,
        refusal::{Code, Refusal},
        time::parse_duration_ms,
        world::{World, wire::Viewer},
    },
    request::{Misfit, Request},
};
use serde_json::Value;

use crate::{
    door::Door,
    limits::WAIT_MAX,
    problem::Problem,
    tokens::{Role, Token},
};

/// The type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
/// The header with the record that an answer is the state after.
pub(crate) const SEQ: &str = "oikos-seq";

/// A request.
pub(crate) struct Call {
    pub(crate) door: Arc<Door>,
    pub(crate) token: Token,
    pub(crate) headers: HeaderMap,
    /// The address as it came.
    pub(crate) uri: Uri,
    /// The parts of the path that stand for something.
    pub(crate) parts: Vec<(String, String)>,
    /// The names and values behind the path.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer, or why there is none.
pub(crate) type Answered = Result<Response<Body>, Problem>;

impl Call {
    /// A part of the path.
    pub(crate) fn part(&self, name: &str) -> &str {
        let found = self.parts.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether its token is good at the list of all worlds, where there is one above this.
    pub(crate) fn has_list(&self) -> bool {
        self.door.house.as_ref().is_some_and(|tokens| tokens.is_good(&self.token))
    }

    /// A field, if it is given.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field that is a whole number, at most so much.
    pub(crate) fn number(&self, name: &str, otherwise: u64, most: u64) -> Result<u64, Problem> {
        let Some(text) = self.field(name) else { return Ok(otherwise) };
        let number = text.parse::<u64>().ok().filter(|number| *number <= most);
        number.ok_or_else(|| Problem::bad(format!("`{name}` must be a whole number from 0 to {most}")))
    }

    /// How long the client wants to wait.
    pub(crate) fn wait(&self, otherwise: std::time::Duration) -> Result<std::time::Duration, Problem> {
        let Some(text) = self.field("wait") else { return Ok(otherwise) };
        let ms = parse_duration_ms(text).and_then(|ms| u64::try_from(ms).ok());
        let wait = ms.map(std::time::Duration::from_millis).filter(|wait| *wait <= WAIT_MAX);
        wait.ok_or_else(|| Problem::bad("`wait` must be a duration up to 60s, such as 30s"))
    }

    /// The moment that is asked about; none is now.
    pub(crate) fn moment(&self) -> Result<Option<When>, Problem> {
        let Some(text) = self.field("at") else { return Ok(None) };
        text.parse().map(Some).map_err(|problem: String| Problem::bad(format!("`at`: {problem}")))
    }

    /// The request that the body is, in the name of the token's principal.
    pub(crate) fn request(&self, word: &str) -> Result<Request, Problem> {
        let key = match self.headers.get("idempotency-key") {
            None => None,
            Some(key) => {
                Some(key.to_str().map_err(|_| Problem::bad("`Idempotency-Key` must be plain text"))?)
            }
        };
        let principal = self.token.role.principal();
        Request::read(word, &self.body, principal, key).map_err(|misfit| match misfit {
            Misfit::Malformed(refusal) => Problem::new(StatusCode::BAD_REQUEST, refusal),
            Misfit::Other(refusal) => Problem::new(StatusCode::FORBIDDEN, refusal),
        })
    }

    /// The query that the body is.
    pub(crate) fn query(&self) -> Result<Query, Problem> {
        match Request::read("query", &self.body, None, None) {
            Ok(Request::Query(query)) => Ok(query),
            Ok(_) => Err(Problem::bad("a query is an object with `what`")),
            Err(Misfit::Malformed(refusal) | Misfit::Other(refusal)) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, refusal))
            }
        }
    }

    /// The reading by `read` of the world at the moment that is asked about, on another thread.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader, &Look, Viewer) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(u64, T), Problem> {
        let moment = self.moment()?;
        let role = self.token.role.clone();
        let looked = move |reader: &Reader| {
            let look = match moment {
                None => reader.now().ok_or_else(Problem::not_served)?,
                Some(moment) => {
                    reader.at(moment).map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?
                }
            };
            let viewer = viewer_of(&role, &look.world).map_err(Problem::refused)?;
            Ok((look.world.seq(), read(reader, &look, viewer)?))
        };
        match moment {
            None => self.door.look(looked).await,
            Some(_) => self.door.look_long(looked).await,
        }
    }
}

/// The viewer whom a role stands for.
pub(crate) fn viewer_of(role: &Role, world: &World) -> Result<Viewer, Refusal> {
    match role {
        Role::Observer | Role::Operator => Ok(Viewer::Observer),
        Role::Principal(id) => {
            let me: Option<Handle> = Reader::principal(world, id);
            me.map(|me| Viewer::Artifact(Some(me))).ok_or_else(|| {
                Refusal::new(Code::NotFound, format!("the principal `{id}` of this token is not there"))
            })
        }
    }
}

/// Refuses fields that mean nothing here, lest they seem to.
pub(crate) fn check_fields(
    fields: &[(String, String)],
    known: impl Iterator<Item = &'static str> + Clone,
) -> Result<(), Problem> {
    for (at, (name, _)) in fields.iter().enumerate() {
        if !known.clone().any(|known| known == name) {
            let shown: String = name.chars().take(64).collect();
            let problem = Problem::bad(format!("there is no field {shown:?} here"));
            return Err(match nearest(name, known.clone()) {
                Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        if fields.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(Problem::bad(format!("`{name}` stands there twice")));
        }
    }
    Ok(())
}

/// An answer that is JSON.
pub(crate) fn json(seq: Option<u64>, value: &Value) -> Response<Body> {
    text(seq, "application/json", value.to_string())
}

/// An answer of a type.
pub(crate) fn text(seq: Option<u64>, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(seq) = seq {
        headers.insert(SEQ, seq.into());
    }
    response
}
