//! The protocol over HTTP: routes for `/mcp`, mounted by a server that knows whose request it is.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, header, request::Parts},
    response::Response,
    routing::any,
};
use oikos_runner::{
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

use super::{Client, Place, Seat, lines};

/// The principal of a request; `None` if its token has no seat.
pub type SeatOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// A session that nobody uses ends after so long.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(30 * 60);

/// The routes of a world that is served. `Host` and `Origin` are the server's to check, and so is the token of a
/// request, whose principal `seat` finds in the extensions that the server has given it. A body is read strictly, as a
/// line of a session is.
pub fn routes(place: Place, world: &str, seat: SeatOf) -> Router {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_IDLE_MAX);
    let world: Arc<str> = world.into();
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(limits::LINE_BYTES_MAX);
    let client = move || Ok(Client::new(place.clone(), Seat::OfRequest(Arc::clone(&seat)), &world));
    let service = StreamableHttpService::new(client, Arc::new(sessions), config);
    Router::new().route("/mcp", any(move |request| speak(service.clone(), request)))
}

async fn speak(
    service: StreamableHttpService<Client, LocalSessionManager>,
    request: Request,
) -> Response {
    let (mut parts, mut body) = request.into_parts();
    if parts.method == Method::POST {
        let Ok(bytes) = to_bytes(body, limits::LINE_BYTES_MAX).await else {
            let sentence = format!("a message may have {} bytes", limits::LINE_BYTES_MAX);
            let error = ErrorData::invalid_request(sentence, None);
            return refused(StatusCode::PAYLOAD_TOO_LARGE, error);
        };
        body = match strict(&mut parts, &bytes) {
            Ok(None) => Body::from(bytes),
            Ok(Some(marked)) => Body::from(marked),
            Err(error) => return refused(StatusCode::BAD_REQUEST, error),
        };
    }
    service.handle(Request::from_parts(parts, body)).await.map(Body::new)
}

/// Looks at a body as strictly as at a line: an object has each key once, and no number is changed in silence. A body
/// that has something in it that no world can hold is given on with marks in its place.
fn strict(parts: &mut Parts, bytes: &[u8]) -> Result<Option<String>, ErrorData> {
    let text = str::from_utf8(bytes).map_err(|_| ErrorData::parse_error("the message is not UTF-8", None))?;
    let Parsed { mut value, flawed } = parse(text)
        .map_err(|problem| ErrorData::parse_error(format!("the message is not JSON: {problem}"), None))?;
    if !flawed {
        return Ok(None);
    }
    let flaw = lines::flaw_of(&mut value).map_err(|sentence| ErrorData::invalid_request(sentence, None))?;
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Some(flaw) = flaw {
        parts.extensions.insert(flaw);
    }
    Ok(Some(value.to_string()))
}

fn refused(status: StatusCode, error: ErrorData) -> Response {
    let message = ServerJsonRpcMessage::error(error, None);
    let text = serde_json::to_string(&message).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
