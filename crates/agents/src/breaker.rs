//! The circuit breaker: a provider that only fails is left alone for a while, then asked once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::outcome::{Failure, FailureKind, Outcome};

/// Failures in a row after which nobody is asked.
const FAILURES_MAX: u32 = 10;
/// How long a provider is left alone at first; it doubles with each probe that fails.
const REST: Duration = Duration::from_secs(10);
/// The longest that it is left alone.
const REST_MAX: Duration = Duration::from_secs(300);

/// The breaker of one provider.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Failures since the last answer.
    in_a_row: u32,
    /// The last of them.
    last: Option<FailureKind>,
    /// The end of the rest, once there were too many.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    rest: Duration,
    /// Whether somebody is asking to see whether it answers again.
    is_probed: bool,
}

impl State {
    fn check(&self, provider: &str) -> Result<(), Failure> {
        let Some(open) = &self.open else { return Ok(()) };
        let left = open.until.saturating_duration_since(Instant::now());
        if left.is_zero() && !open.is_probed {
            return Ok(());
        }
        let sentence = format!(
            "`{provider}` was not asked: it failed {} times in a row, and is left alone for {} s",
            self.in_a_row,
            left.as_secs().max(1)
        );
        Err(Failure::new(self.last.unwrap_or(FailureKind::Server), sentence))
    }
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request through, or says why not.
    pub(crate) fn admit(&self, provider: &str) -> Result<(), Failure> {
        let mut state = self.state();
        state.check(provider)?;
        if let Some(open) = &mut state.open {
            open.is_probed = true;
        }
        Ok(())
    }

    /// Says why a request would not be let through now.
    pub(crate) fn check(&self, provider: &str) -> Result<(), Failure> {
        self.state().check(provider)
    }

    /// Takes note of an outcome. A provider that says no, or asks for patience, is at work.
    pub(crate) fn note(&self, outcome: &Outcome) {
        let mut state = self.state();
        let failed = match outcome {
            Ok(_) => None,
            Err(failure) => match failure.kind {
                FailureKind::Timeout | FailureKind::Server | FailureKind::Network => Some(failure.kind),
                FailureKind::RateLimited
                | FailureKind::Auth
                | FailureKind::Refused
                | FailureKind::Length
                | FailureKind::Invalid => None,
            },
        };
        let Some(kind) = failed else {
            *state = State::default();
            return;
        };
        state.in_a_row = state.in_a_row.saturating_add(1);
        state.last = Some(kind);
        let now = Instant::now();
        let rest = match &state.open {
            // Those who were under way when it opened say nothing new.
            Some(open) if !open.is_probed => return,
            Some(open) => (open.rest * 2).min(REST_MAX),
            None if state.in_a_row < FAILURES_MAX => return,
            None => REST,
        };
        state.open = Some(Open { until: now + rest, rest, is_probed: false });
    }

    /// Takes back an admission whose request was given up before its outcome.
    pub(crate) fn give_up(&self) {
        if let Some(open) = &mut self.state().open {
            open.is_probed = false;
        }
    }
}
