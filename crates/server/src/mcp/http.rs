//! The protocol over HTTP: `POST /mcp`, whose token says who speaks.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use oikos_runner::{
    Desk,
    json::{Parsed, parse},
    kernel::limits,
};
use rmcp::{
    ErrorData,
    model::ServerJsonRpcMessage,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};

use super::{Client, Flaw, Place, Seat, lines};
use crate::call::{Answered, Call};

/// A session that nobody uses ends after so long.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(30 * 60);

/// The principal of a request, as its token has it; it goes with the request.
#[derive(Clone, Debug)]
pub(super) struct Seated(pub(super) Arc<str>);

/// Speaks with all clients of a world that is served.
pub(crate) struct Speaker(StreamableHttpService<Client, LocalSessionManager>);

impl Speaker {
    /// For the world of that name. `Host` and `Origin` have been looked at by the door.
    pub(crate) fn new(desk: Desk, world: &str) -> Self {
        let mut sessions = LocalSessionManager::default();
        sessions.session_config.keep_alive = Some(SESSION_IDLE_MAX);
        let world: Arc<str> = world.into();
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(limits::LINE_BYTES_MAX);
        let client = move || Ok(Client::new(Place::Served(desk.clone()), Seat::OfRequest, &world));
        Self(StreamableHttpService::new(client, Arc::new(sessions), config))
    }
}

/// `POST /mcp`. The body is read strictly, as a line is.
pub(crate) async fn speak(call: Call) -> Answered {
    let Call { door, token, headers, body, .. } = call;
    let (body, flaw) = match strict(body) {
        Ok(read) => read,
        Err(error) => return Ok(refused(error)),
    };
    let mut request = Request::post("/mcp").body(Body::from(body)).unwrap_or_default();
    *request.headers_mut() = headers;
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request.extensions_mut().extend(seat_of(token.role.principal(), flaw));
    Ok(door.mcp.0.handle(request).await.map(Body::new))
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
