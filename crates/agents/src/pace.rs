//! The pace of requests to one provider: so many in a minute, evenly spread, and so many tokens.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// The least time between two requests on the average, so that agents who are asked together do not arrive as one
/// burst.
const GAP: Duration = Duration::from_micros(200);
/// The least time that a timer waits. A request may come so much before its time, or each gap would take as long; where
/// the provider's rate is declared none does.
const TIMER: Duration = Duration::from_millis(1);
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

/// Spreads requests, and bounds their tokens. Requests begin one gap after another. Tokens are a store that holds
/// those of a minute and is filled evenly: a request begins when the store has what it may take, beside what those
/// under way may; at its end what it took leaves the store, and what it may take is free again.
#[derive(Debug)]
pub(crate) struct Pace {
    gap: Duration,
    /// How long before its time a request may begin.
    early: Duration,
    tokens_per_minute: Option<u64>,
    /// One waits at a time, in the order of asking.
    queue: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Rings for the one who waits when a request has ended.
    ended: Notify,
}

#[derive(Debug)]
struct State {
    /// The first instant for another request.
    request: Instant,
    /// The instant at which the store of tokens is full again.
    full: Instant,
    /// The time that it takes to fill in the tokens which requests under way may take.
    held: Duration,
    /// The end of the time in which the provider wants none.
    quiet: Instant,
}

/// A request that has begun. Dropped without a count it has taken all that it might.
#[derive(Debug)]
pub(crate) struct Begun<'p> {
    pace: &'p Pace,
    /// The tokens that it may take.
    planned: u64,
    held: Duration,
    /// The tokens that it took.
    used: Option<u64>,
}

impl Begun<'_> {
    /// Ends it with the tokens that the provider counted, or with those planned where nobody knows.
    pub(crate) fn end(mut self, used: Option<u64>) {
        self.used = used;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let pace = self.pace;
        {
            let mut state = pace.state();
            state.held = state.held.saturating_sub(self.held);
            let took = pace.share(self.used.unwrap_or(self.planned)).min(DEBT_MAX);
            state.full = state.full.max(Instant::now()) + took;
        }
        pace.ended.notify_one();
    }
}

/// The next moment at which it is worth looking.
enum When {
    Now,
    /// At an instant, or when another request has ended.
    At(Instant),
    /// When another request has ended.
    Ended,
}

impl Pace {
    pub(crate) fn new(rates: Rates) -> Self {
        let gap = rates.requests_per_minute.map_or(GAP, |most| MINUTE / most.max(1));
        let now = Instant::now();
        let state = State { request: now, full: now, held: Duration::ZERO, quiet: now };
        Self {
            gap: gap.max(GAP),
            early: rates.requests_per_minute.map_or(TIMER, |_| Duration::ZERO),
            tokens_per_minute: rates.tokens_per_minute,
            queue: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            ended: Notify::new(),
        }
    }

    /// Waits for the turn of a request that will take about so many tokens, and begins it if it is still let through
    /// then; one that is not takes nothing.
    ///
    /// # Errors
    /// The reason of the one who does not let it through.
    pub(crate) async fn turn<E>(
        &self,
        planned: u64,
        admit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Begun<'_>, E> {
        let _first = self.queue.lock().await;
        // A request that is larger than the store begins when the store is full.
        let held = self.share(planned).min(MINUTE);
        loop {
            match self.when(held) {
                When::Now => break,
                // The provider may want quiet meanwhile, so the time is looked at again.
                When::At(due) => {
                    // An end that rings before the time says to look earlier, and nothing else.
                    let _ = tokio::time::timeout_at(due, self.ended.notified()).await;
                }
                When::Ended => self.ended.notified().await,
            }
        }
        admit()?;
        let mut state = self.state();
        state.request = state.request.max(Instant::now()) + self.gap;
        state.held += held;
        Ok(Begun { pace: self, planned, held, used: None })
    }

    /// When a request may begin that takes so much of the store.
    fn when(&self, held: Duration) -> When {
        let state = self.state();
        let now = Instant::now();
        let wanted = state.held + held;
        if wanted > MINUTE {
            return When::Ended;
        }
        // No more may be missing of the store than what nobody wants.
        let missing = state.full.saturating_duration_since(now).saturating_sub(MINUTE - wanted);
        let request = state.request.checked_sub(self.early).unwrap_or(now);
        let due = request.max(now + missing).max(state.quiet);
        if due <= now { When::Now } else { When::At(due) }
    }

    /// Lets nobody ask for a time.
    pub(crate) fn quiet(&self, time: Duration) {
        let mut state = self.state();
        state.quiet = state.quiet.max(Instant::now() + time);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of a minute that so many tokens fill.
    fn share(&self, tokens: u64) -> Duration {
        let Some(most) = self.tokens_per_minute else { return Duration::ZERO };
        let micros = u128::from(tokens) * MINUTE.as_micros() / u128::from(most.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}
