//! Dollars that may be spent: reserved before a request, settled after it, never exceeded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::prices::show_dollars;

/// A sum of micro-dollars. Requests hold their worst case of it while they are under way.
#[derive(Debug, Default)]
pub struct Budget {
    limit: Option<u64>,
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    spent: u64,
    held: u64,
    /// Holds that are not settled, those of nothing among them.
    holds: u64,
}

/// A budget does not reach for a request, and none is under way whose end could free some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget has {} left, and the request could take {}", show_dollars(*left), show_dollars(*need))]
pub struct Exhausted {
    /// The worst case of the request.
    pub need: u64,
    /// The rest of the budget.
    pub left: u64,
}

/// A part of a budget that is held for a request. Dropped unsettled it is given back.
#[derive(Debug)]
pub struct Held<'a> {
    budget: &'a Budget,
    amount: u64,
}

impl Budget {
    /// A budget of which so much is spent already; without a limit it only counts.
    #[must_use]
    pub fn new(limit: Option<u64>, spent: u64) -> Self {
        let state = Mutex::new(State { spent, ..State::default() });
        Self { limit, state, settled: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Micro-dollars that are spent.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.state().spent
    }

    /// Holds an amount, after a wait for others to settle if there is not enough now.
    ///
    /// # Errors
    /// When it does not fit though nobody else holds any.
    pub async fn hold(&self, amount: u64) -> Result<Held<'_>, Exhausted> {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // A settlement between the look and the wait is heard.
            settled.as_mut().enable();
            match self.try_hold(amount) {
                Ok(held) => return Ok(held),
                Err(Some(exhausted)) => return Err(exhausted),
                Err(None) => settled.await,
            }
        }
    }

    /// Holds an amount now; `None` in the place of a reason when it may fit later.
    fn try_hold(&self, amount: u64) -> Result<Held<'_>, Option<Exhausted>> {
        let mut state = self.state();
        let limit = self.limit.unwrap_or(u64::MAX);
        let taken = state.spent.saturating_add(state.held);
        let fits = taken.checked_add(amount).is_some_and(|all| all <= limit);
        if fits {
            state.held += amount;
            state.holds += 1;
            return Ok(Held { budget: self, amount });
        }
        if state.holds > 0 {
            return Err(None);
        }
        Err(Some(Exhausted { need: amount, left: limit.saturating_sub(state.spent) }))
    }
}

impl Held<'_> {
    /// Spends some of what was held, and gives the rest back.
    pub fn settle(self, spent: u64) {
        let mut state = self.budget.state();
        assert!(spent <= self.amount, "no request costs more than the worst case that it reserved");
        state.spent = state.spent.saturating_add(spent);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.held -= self.amount;
        state.holds -= 1;
        drop(state);
        self.budget.settled.notify_waiters();
    }
}
