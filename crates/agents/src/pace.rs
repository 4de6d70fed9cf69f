//! The pace of requests to one provider: so many, and so many tokens, in a minute, evenly spread.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The least time between two requests, so that agents who are asked together do not arrive as one burst.
const GAP: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The longest that tokens which were used hold others up.
const DEBT_MAX: Duration = Duration::from_secs(600);

/// How fast a provider may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens of requests and answers in a minute.
    pub tokens_per_minute: Option<u64>,
}

/// Spreads requests: each begins when the share of a minute that the ones before it took has gone by.
#[derive(Debug)]
pub(crate) struct Pace {
    gap: Duration,
    tokens_per_minute: Option<u64>,
    /// One waits at a time, in the order of asking.
    queue: tokio::sync::Mutex<()>,
    next: Mutex<Next>,
}

#[derive(Debug)]
struct Next {
    /// The first instant for another request.
    request: Instant,
    /// The instant at which the tokens so far have had their share of time.
    tokens: Instant,
    /// The end of the time in which the provider wants none.
    quiet: Instant,
}

impl Pace {
    pub(crate) fn new(rates: Rates) -> Self {
        let gap = rates.requests_per_minute.map_or(GAP, |most| MINUTE / most.max(1));
        let now = Instant::now();
        Self {
            gap: gap.max(GAP),
            tokens_per_minute: rates.tokens_per_minute,
            queue: tokio::sync::Mutex::new(()),
            next: Mutex::new(Next { request: now, tokens: now, quiet: now }),
        }
    }

    /// Waits for the turn of a request that will take about so many tokens.
    pub(crate) async fn turn(&self, tokens: u64) {
        let _first = self.queue.lock().await;
        loop {
            let due = {
                let mut next = self.next();
                let (now, due) = (Instant::now(), next.request.max(next.tokens).max(next.quiet));
                if due <= now {
                    next.request = now + self.gap;
                    next.tokens = now + self.share(tokens);
                    return;
                }
                due
            };
            // The provider may want quiet meanwhile, so the time is looked at again.
            tokio::time::sleep_until(due).await;
        }
    }

    /// Corrects the tokens of a request that took its turn, when they are known.
    pub(crate) fn settle(&self, planned: u64, used: u64) {
        let mut next = self.next();
        if used >= planned {
            next.tokens += self.share(used - planned);
        } else {
            let back = self.share(planned - used);
            next.tokens = next.tokens.checked_sub(back).unwrap_or(next.tokens);
        }
    }

    /// Lets nobody ask for a time.
    pub(crate) fn quiet(&self, time: Duration) {
        let mut next = self.next();
        next.quiet = next.quiet.max(Instant::now() + time);
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of a minute that so many tokens fill.
    fn share(&self, tokens: u64) -> Duration {
        let Some(most) = self.tokens_per_minute else { return Duration::ZERO };
        let micros = u128::from(tokens) * MINUTE.as_micros() / u128::from(most.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).min(DEBT_MAX)
    }
}
