//! The gate before a provider: who may ask now, at which pace, how often again, and when no more.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::Semaphore;

use crate::{
    breaker::Breaker,
    outcome::{Billed, Failure, FailureKind, Outcome},
    pace::{Pace, Rates},
    provider::{Later, Provider},
    request::Request,
};

/// Attempts after the first.
const REPEATS_MAX: usize = 4;
/// The pause before the second attempt; it doubles, with jitter.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause of our own.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest pause that a provider may ask for; beyond it the request fails at once.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Bytes of text that a token stands for, about; for the pace alone, never for money.
const BYTES_PER_TOKEN: u64 = 4;

/// The limits of asking one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the same time.
    pub in_flight: usize,
    /// Requests and tokens in a minute.
    pub rates: Rates,
}

/// A provider behind its limits. It asks again by itself while that costs nothing twice.
pub struct Gate {
    name: String,
    inner: Arc<dyn Provider>,
    slots: Semaphore,
    pace: Pace,
    breaker: Breaker,
}

impl Gate {
    /// The gate of a provider; its clock is that of tokio.
    pub fn new(name: impl Into<String>, inner: Arc<dyn Provider>, limits: Limits) -> Self {
        Self {
            name: name.into(),
            inner,
            slots: Semaphore::new(limits.in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            pace: Pace::new(limits.rates),
            breaker: Breaker::default(),
        }
    }

    /// One attempt, when it is its turn.
    #[expect(clippy::expect_used, reason = "nobody closes the semaphore")]
    async fn attempt(&self, request: &Request) -> Outcome {
        self.breaker.check(&self.name)?;
        let slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let admit = || self.breaker.admit(&self.name);
        let begun = self.pace.turn(planned(request), admit).await?;
        let admitted = Admitted(Some(&self.breaker));
        let outcome = self.inner.ask(request).await;
        drop(slot);
        admitted.end(&outcome);
        begun.end(counted(&outcome));
        if let Err(Failure { retry_after: Some(time), .. }) = &outcome {
            self.pace.quiet((*time).min(RETRY_AFTER_MAX));
        }
        outcome
    }
}

/// A request that the breaker let through. Dropped without an outcome it lets another one try.
struct Admitted<'a>(Option<&'a Breaker>);

impl Admitted<'_> {
    fn end(mut self, outcome: &Outcome) {
        if let Some(breaker) = self.0.take() {
            breaker.note(outcome);
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = self.0.take() {
            breaker.give_up();
        }
    }
}

/// The tokens that a request may take, about.
fn planned(request: &Request) -> u64 {
    request.text_bytes() / BYTES_PER_TOKEN + u64::from(request.max_output_tokens)
}

/// The tokens that a provider counts towards its own limits; none where it does not say.
fn counted(outcome: &Outcome) -> Option<u64> {
    let billed = match outcome {
        Ok(answer) => answer.billed,
        Err(failure) => failure.billed,
    };
    match billed {
        Billed::Nothing => Some(0),
        Billed::Counted(usage) => Some(usage.tokens_in.saturating_add(usage.tokens_out)),
        Billed::Unknown => None,
    }
}

impl Provider for Gate {
    fn ask<'a>(&'a self, request: &'a Request) -> Later<'a, Outcome> {
        Box::pin(async move {
            let pauses = ExponentialBuilder::default().with_min_delay(PAUSE).with_max_delay(PAUSE_MAX);
            let mut pauses = pauses.with_max_times(REPEATS_MAX).with_jitter().build();
            loop {
                let failure = match self.attempt(request).await {
                    Err(failure) if failure.may_be_repeated() => failure,
                    outcome => return outcome,
                };
                let wanted = failure.retry_after.unwrap_or_default();
                let Some(pause) = pauses.next().filter(|_| wanted <= RETRY_AFTER_MAX) else {
                    return Err(failure);
                };
                let pause = match failure.kind {
                    // Everybody waits at the pace for a provider that said how long.
                    FailureKind::RateLimited if !wanted.is_zero() => wanted.max(pause / 4),
                    _ => pause.max(wanted),
                };
                tokio::time::sleep(pause).await;
            }
        })
    }
}
