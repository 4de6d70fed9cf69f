//! The protocol over HTTP: `/mcp`, whose token says who speaks.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};
use oikos_runner::{
    Desk,
    json::{Parsed, parse},
    kernel::limits,
};
use rmcp::{
    ErrorData,
    model::ServerJsonRpcMessage,
    transport::{
        common::http_header::HEADER_SESSION_ID,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};

use super::{
    Client, Flaw, Place, Seat, lines,
    sessions::{Bounded, Sessions},
};
use crate::{
    call::{Answered, Call},
    door::Door,
    problem::Problem,
    tokens::Token,
};

/// The path of it.
pub(crate) const PATH: &str = "/mcp";

/// The principal of a request, as its token has it; it goes with the request.
#[derive(Clone, Debug)]
pub(super) struct Seated(pub(super) Arc<str>);

/// Speaks with all clients of a world that is served.
pub(crate) struct Speaker {
    service: StreamableHttpService<Client, LocalSessionManager>,
    sessions: Sessions,
}

impl Speaker {
    /// For the world of that name. `Host` and `Origin` have been looked at by the door.
    pub(crate) fn new(desk: Desk, world: &str) -> Self {
        let sessions = Sessions::default();
        let world: Arc<str> = world.into();
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(limits::LINE_BYTES_MAX);
        let client = move || Ok(Client::new(Place::Served(desk.clone()), Seat::OfRequest, &world));
        Self { service: StreamableHttpService::new(client, Arc::clone(&sessions.all), config), sessions }
    }

    pub(super) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Ends sessions with their tokens, for as long as the door is open.
    pub(crate) async fn run(door: Arc<Door>) {
        Sessions::run(door).await;
    }
}

/// `POST /mcp`. The body is read strictly, as a line is.
pub(crate) async fn speak(call: Call) -> Answered {
    call.door.check_writes(&call.uri)?;
    let Call { door, token, headers, body, .. } = call;
    let (body, flaw) = match strict(body) {
        Ok(read) => read,
        Err(error) => return Ok(refused(error)),
    };
    let named = check_session(&door, &token, &headers).await?;
    let request = request(Method::POST, headers, body, seat_of(token.role.principal(), flaw));
    let answer = answered(&door, &token, request).await?;
    let begun = answer.headers().get(HEADER_SESSION_ID).and_then(|id| id.to_str().ok());
    if let (None, Some(begun)) = (named, begun) {
        door.mcp.sessions.begun(begun, &token).await;
    }
    Ok(answer)
}

/// `GET /mcp`: the messages that come unasked for.
pub(crate) async fn hear(call: Call) -> Answered {
    call.door.check_writes(&call.uri)?;
    let Call { door, token, headers, .. } = call;
    needs_session(check_session(&door, &token, &headers).await?)?;
    let request = request(Method::GET, headers, Vec::new(), seat_of(token.role.principal(), None));
    answered(&door, &token, request).await
}

/// `DELETE /mcp`.
pub(crate) async fn leave(call: Call) -> Answered {
    let Call { door, token, headers, .. } = call;
    let id = needs_session(check_session(&door, &token, &headers).await?)?;
    door.mcp.sessions.end(&id.into()).await;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The session that a request names. That of another token is none.
async fn check_session(door: &Door, token: &Token, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(id) = headers.get(HEADER_SESSION_ID) else { return Ok(None) };
    let id = id.to_str().unwrap_or_default();
    if door.mcp.sessions.is_of(id, token).await {
        return Ok(Some(id.to_owned()));
    }
    Err(Problem::not_found("there is no such session of this token, or it has ended")
        .with_hint("`initialize` begins another"))
}

fn needs_session(named: Option<String>) -> Result<String, Problem> {
    named.ok_or_else(|| Problem::bad("this needs the header `Mcp-Session-Id`, as `initialize` has given it"))
}

fn request(
    method: Method,
    headers: HeaderMap,
    body: Vec<u8>,
    extensions: axum::http::Extensions,
) -> Request<Body> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = axum::http::Uri::from_static(PATH);
    *request.headers_mut() = headers;
    request.headers_mut().remove(header::CONTENT_LENGTH);
    *request.extensions_mut() = extensions;
    request
}

/// The answer of the protocol. A feed may be open for long, so that it counts among those of its token.
async fn answered(door: &Arc<Door>, token: &Token, request: Request<Body>) -> Answered {
    let open = door.meters.stream(token)?;
    let answer = door.mcp.service.handle(request).await;
    Ok(answer.map(|body| Bounded::new(door, token, open, Body::new(body)).boxed()))
}

fn seat_of(principal: Option<&str>, flaw: Option<Flaw>) -> axum::http::Extensions {
    let mut extensions = axum::http::Extensions::new();
    if let Some(principal) = principal {
        extensions.insert(Seated(principal.into()));
    }
    if let Some(flaw) = flaw {
        extensions.insert(flaw);
    }
    extensions
}

/// Looks at a body as strictly as at a line: an object has each key once, and no number is changed in silence. One that
/// has something in it that no world can hold goes on with marks in its place.
fn strict(bytes: Vec<u8>) -> Result<(Vec<u8>, Option<Flaw>), ErrorData> {
    let text =
        str::from_utf8(&bytes).map_err(|_| ErrorData::parse_error("the message is not UTF-8", None))?;
    let Parsed { mut value, flawed } = parse(text)
        .map_err(|problem| ErrorData::parse_error(format!("the message is not JSON: {problem}"), None))?;
    if value.get("jsonrpc").is_none_or(|version| version != "2.0") {
        return Err(ErrorData::invalid_request("a message is a JSON object with \"jsonrpc\": \"2.0\"", None));
    }
    if !flawed {
        return Ok((bytes, None));
    }
    let flaw = lines::flaw_of(&mut value).map_err(|sentence| ErrorData::invalid_request(sentence, None))?;
    Ok((value.to_string().into_bytes(), flaw))
}

fn refused(error: ErrorData) -> Response<Body> {
    let message = ServerJsonRpcMessage::error(error, None);
    let mut response = Response::new(Body::from(serde_json::to_string(&message).unwrap_or_default()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
