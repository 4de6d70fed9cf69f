//! The limits of what comes through the door: for each token, and for all.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::{problem::Problem, tokens::Token};

/// Bytes of a body: those of a line of a session.
pub const BODY_BYTES_MAX: usize = oikos_runner::kernel::limits::LINE_BYTES_MAX;
/// How long the header of a request may take to come.
pub(crate) const HEADER_WITHIN: Duration = Duration::from_secs(15);
/// How long a body may take to come.
pub(crate) const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may ask to wait.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a client may take to read the next piece of a feed.
pub(crate) const PIECE_WITHIN: Duration = Duration::from_secs(60);
/// Connections at once; more wait to be taken.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// Connections that wait to be taken. The system may have a lower bound of its own.
pub(crate) const BACKLOG: u32 = 1_024;
/// Looks at the world at once; more wait.
pub(crate) const LOOKS_MAX: usize = 8;
/// Looks at the past, or at all of a journal, at once; more are refused.
pub(crate) const LONG_LOOKS_MAX: usize = 2;
/// Models that are asked at once for people; more are refused.
pub(crate) const ASKS_MAX: usize = 1;
/// Looks that wait.
pub(crate) const LOOKS_WAITING_MAX: usize = 1_024;

/// The limits for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a second, and as many at once.
    pub requests_per_s: NonZeroU32,
    /// Bytes of bodies in a second, and as many at once.
    pub bytes_per_s: NonZeroU32,
    /// Feeds and long polls that are open at once.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self { requests_per_s: number(1_000), bytes_per_s: number(16 << 20), streams: 32 }
    }
}

type Key = [u8; 32];
type Rates = RateLimiter<Key, HashMapStateStore<Key>, MonotonicClock, NoOpMiddleware<std::time::Instant>>;

/// Counts what each token has used.
pub(crate) struct Meters {
    limits: Limits,
    requests: Rates,
    bytes: Rates,
    open: Mutex<HashMap<Key, usize>>,
}

/// A feed that is open, until it is dropped.
pub(crate) struct OpenStream {
    meters: Arc<Meters>,
    key: Key,
}

impl Meters {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            requests: RateLimiter::hashmap_with_clock(
                Quota::per_second(limits.requests_per_s),
                MonotonicClock,
            ),
            bytes: RateLimiter::hashmap_with_clock(Quota::per_second(limits.bytes_per_s), MonotonicClock),
            open: Mutex::default(),
            limits,
        }
    }

    /// Counts a request.
    pub(crate) fn request(&self, token: &Token) -> Result<(), Problem> {
        self.requests.check_key(&token.key()).map_err(|until| {
            let wait = until.wait_time_from(MonotonicClock.now());
            let most = self.limits.requests_per_s;
            Problem::too_many(format!("a token may ask {most} times in a second"), millis(wait))
        })
    }

    /// Counts the bytes of a body.
    pub(crate) fn body(&self, token: &Token, bytes: usize) -> Result<(), Problem> {
        let most = self.limits.bytes_per_s;
        let sentence = || format!("a token may send {most} bytes in a second");
        let Some(bytes) = u32::try_from(bytes).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        match self.bytes.check_key_n(&token.key(), bytes) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => {
                Err(Problem::too_many(sentence(), millis(until.wait_time_from(MonotonicClock.now()))))
            }
            Err(_) => Err(Problem::too_large(sentence(), usize::try_from(most.get()).unwrap_or(usize::MAX))),
        }
    }

    /// Counts a feed, for as long as what comes back lives.
    pub(crate) fn stream(self: &Arc<Self>, token: &Token) -> Result<OpenStream, Problem> {
        let key = token.key();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_default();
        if *count >= self.limits.streams {
            let most = self.limits.streams;
            return Err(Problem::too_many(format!("a token may have {most} feeds open"), 1_000));
        }
        *count += 1;
        Ok(OpenStream { meters: Arc::clone(self), key })
    }

    /// How many feeds are open.
    pub(crate) fn streams(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.meters.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
