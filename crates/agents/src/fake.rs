//! A provider that answers by a function, after a time of tokio's clock: for tests, benches and rehearsals.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

pub use crate::request::Request;
use crate::{
    outcome::{Answer, Billed, Outcome, Stop, Usage},
    provider::{Later, Provider},
};

/// One scripted outcome: how long it takes, and what comes.
#[derive(Clone, Debug)]
pub struct Scripted {
    /// The time until it comes.
    pub latency: Duration,
    /// The outcome.
    pub outcome: Outcome,
}

type Script = dyn Fn(u64, &Request) -> Scripted + Send + Sync;

/// A scripted provider.
pub struct Fake {
    script: Box<Script>,
    asked: AtomicU64,
    in_flight: AtomicU64,
    most: AtomicU64,
}

impl Fake {
    /// A provider that answers the `n`-th request, counted from 0, as `script` says.
    pub fn new(script: impl Fn(u64, &Request) -> Scripted + Send + Sync + 'static) -> Self {
        let zero = || AtomicU64::new(0);
        Self { script: Box::new(script), asked: zero(), in_flight: zero(), most: zero() }
    }

    /// A provider that gives one text for everything.
    pub fn always(text: impl Into<String>, latency: Duration) -> Self {
        let text = text.into();
        Self::new(move |_, _| Scripted { latency, outcome: Ok(answer(text.clone())) })
    }

    /// How many requests came.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many requests there were at once, at most.
    pub fn in_flight_max(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }
}

/// An answer with a plausible bill.
#[must_use]
pub fn answer(text: impl Into<String>) -> Answer {
    let text = text.into();
    let tokens_out = 1 + text.len() as u64 / 4;
    billed(text, 10, tokens_out)
}

/// An answer with a bill of so many tokens.
#[must_use]
pub fn billed(text: impl Into<String>, tokens_in: u64, tokens_out: u64) -> Answer {
    let usage = Usage { tokens_in, tokens_cached: 0, tokens_out };
    Answer { text: text.into(), stop: Stop::End, billed: Billed::Counted(usage) }
}

/// Counts a request as under way until it is dropped.
struct Flight<'a>(&'a AtomicU64);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider for Fake {
    fn ask<'a>(&'a self, request: &'a Request) -> Later<'a, Outcome> {
        Box::pin(async move {
            let Scripted { latency, outcome } =
                (self.script)(self.asked.fetch_add(1, Ordering::SeqCst), request);
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            let _flight = Flight(&self.in_flight);
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(latency).await;
            outcome
        })
    }
}
