//! The protocol over HTTP: a service for `POST /mcp`, mounted by a server that knows whose request it is.

use std::{sync::Arc, time::Duration};

use axum::http::request::Parts;
use oikos_runner::kernel::limits;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};

use super::{Client, Place, Seat};

/// The principal of a request; `None` if its token has no seat.
pub type SeatOf = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// A session that nobody uses ends after so long.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(30 * 60);

/// A service for one address. `Host` and `Origin` are the server's to check, and so is the token of a request, whose
/// principal `seat` finds in the extensions that the server has given it.
#[must_use]
pub fn service(
    place: Place,
    world: &str,
    seat: SeatOf,
) -> StreamableHttpService<Client, LocalSessionManager> {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_IDLE_MAX);
    let world: Arc<str> = world.into();
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(limits::LINE_BYTES_MAX);
    let client = move || Ok(Client::new(place.clone(), Seat::OfRequest(Arc::clone(&seat)), &world));
    StreamableHttpService::new(client, Arc::new(sessions), config)
}
