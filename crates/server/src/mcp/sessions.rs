//! The sessions of clients of the versions before 2026-07-28: each belongs to the token that began it, and ends with
//! it.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use rmcp::transport::streamable_http_server::session::{
    SessionId, SessionManager as _, local::LocalSessionManager,
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{door::Door, limits::OpenStream, tokens::Token};

/// A session that nobody uses ends after so long.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(30 * 60);
/// Sessions that one token has at once; where it begins one more, its oldest ends.
const SESSIONS_MAX: usize = 32;
/// How often tokens are looked at.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// The sessions that are open.
pub(super) struct Sessions {
    pub(super) all: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<SessionId, Owner>>,
}

/// The token that began a session, and how many began before it.
struct Owner {
    token: Token,
    place: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        let mut all = LocalSessionManager::default();
        all.session_config.keep_alive = Some(SESSION_IDLE_MAX);
        Self { all: Arc::new(all), owners: Mutex::default() }
    }
}

impl Sessions {
    fn owners(&self) -> MutexGuard<'_, HashMap<SessionId, Owner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is such a session of this token.
    pub(super) async fn is_of(&self, id: &str, token: &Token) -> bool {
        let is_own = self.owners().get(id).is_some_and(|owner| owner.token.key() == token.key());
        is_own && self.all.has_session(&SessionId::from(id)).await.unwrap_or(false)
    }

    /// Keeps a session that a token has begun.
    pub(super) async fn begun(&self, id: &str, token: &Token) {
        let oldest = {
            let mut owners = self.owners();
            let place = owners.values().map(|owner| owner.place + 1).max().unwrap_or(0);
            owners.insert(id.into(), Owner { token: token.clone(), place });
            let own = || owners.iter().filter(|(_, owner)| owner.token.key() == token.key());
            let is_over = own().count() > SESSIONS_MAX;
            let oldest = own().min_by_key(|(_, owner)| owner.place).map(|(id, _)| Arc::clone(id));
            oldest.filter(|_| is_over)
        };
        if let Some(oldest) = oldest {
            self.end(&oldest).await;
        }
    }

    /// Ends a session, with all that it had open.
    pub(super) async fn end(&self, id: &SessionId) {
        self.owners().remove(id);
        // It may have ended by itself.
        let _ = self.all.close_session(id).await;
    }

    /// Ends the sessions whose token is worth nothing any more, and forgets those that have ended.
    async fn look(&self, door: &Door) {
        let known: Vec<(SessionId, Token)> =
            self.owners().iter().map(|(id, owner)| (Arc::clone(id), owner.token.clone())).collect();
        for (id, token) in known {
            let is_there = self.all.has_session(&id).await.unwrap_or(false);
            if !is_there || !door.tokens.is_good(&token) {
                self.end(&id).await;
            }
        }
    }

    /// Looks now and then, for as long as the door is open.
    pub(crate) async fn run(door: Arc<Door>) {
        let mut closing = door.closing.subscribe();
        let mut beat = interval(LOOK_AFTER);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*closing.borrow_and_update() {
            tokio::select! {
                _ = closing.changed() => return,
                _ = beat.tick() => door.mcp.sessions().look(&door).await,
            }
        }
    }
}

/// Waits until the door closes, or a token is worth nothing any more.
async fn over(door: Arc<Door>, token: Token) {
    let mut closing = door.closing.subscribe();
    let mut beat = interval(LOOK_AFTER);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*closing.borrow_and_update() {
        tokio::select! {
            _ = closing.changed() => return,
            _ = beat.tick() => if !door.tokens.is_good(&token) { return },
        }
    }
}

/// An answer that may go on for long: it counts among the feeds of its token until it ends, and ends with the token
/// and with the door.
pub(super) struct Bounded {
    body: Pin<Box<Body>>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    _open: OpenStream,
}

impl Bounded {
    pub(super) fn new(door: &Arc<Door>, token: &Token, open: OpenStream, body: Body) -> Self {
        let over = Box::pin(over(Arc::clone(door), token.clone()));
        Self { body: Box::pin(body), over, _open: open }
    }

    pub(super) fn boxed(self) -> Body {
        Body::new(self)
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        self.body.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
