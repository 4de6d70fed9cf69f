//! Mandates: what one artifact may charge another, within bounds that the giver set.

use serde::{Deserialize, Serialize};

use crate::{id::Handle, limits, record::Terms, resource::ResourceId, time::Time};

/// A mandate's place: giver, holder, and of what; none is scrip.
pub(crate) type MandateKey = (Handle, Handle, Option<ResourceId>);

/// A mandate with its use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mandate {
    pub(crate) terms: Terms,
    /// `(instant in milliseconds, amount)`, oldest first, one entry per instant.
    uses: Vec<(i64, i64)>,
}

/// Why a mandate does not allow a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// It has ended.
    Ended(Time),
    /// More than one call may take.
    Call { most: i64 },
    /// More than is left of the window.
    Window { left: i64, most: i64 },
    /// It was used too many times within its window.
    Uses,
}

impl Mandate {
    /// A mandate on new terms; the use under the earlier ones counts on.
    pub(crate) fn given(terms: Terms, before: Option<&Self>) -> Self {
        Self { terms, uses: before.map_or_else(Vec::new, |before| before.uses.clone()) }
    }

    fn counts(&self, when_ms: i64, now: Time) -> bool {
        now.ms() < when_ms.saturating_add(self.terms.window_ms)
    }

    /// The use that counts at an instant.
    pub(crate) fn used(&self, now: Time) -> i64 {
        let live = self.uses.iter().filter(|(when, _)| self.counts(*when, now));
        live.map(|(_, amount)| *amount).fold(0, i64::saturating_add)
    }

    /// The instant at which the oldest use that counts comes back.
    pub(crate) fn back_at(&self, now: Time) -> Option<Time> {
        let oldest = self.uses.iter().find(|(when, _)| self.counts(*when, now))?;
        Time::from_ms(oldest.0.saturating_add(self.terms.window_ms))
    }

    /// Whether it is in force at an instant.
    pub(crate) fn holds(&self, now: Time) -> bool {
        self.terms.until.is_none_or(|until| now < until)
    }

    /// Whether it allows a charge of `amount` at an instant.
    pub(crate) fn allows(&self, amount: i64, now: Time) -> Result<(), Beyond> {
        let Terms { per_call, per_window, until, .. } = self.terms;
        if let Some(until) = until.filter(|until| now >= *until) {
            return Err(Beyond::Ended(until));
        }
        if amount > per_call {
            return Err(Beyond::Call { most: per_call });
        }
        let left = per_window.saturating_sub(self.used(now)).max(0);
        if amount > left {
            return Err(Beyond::Window { left, most: per_window });
        }
        let live = self.uses.iter().filter(|(when, _)| self.counts(*when, now)).count();
        let is_another = self.uses.last().is_none_or(|(when, _)| *when != now.ms());
        if live >= limits::MANDATE_USES_MAX && is_another {
            return Err(Beyond::Uses);
        }
        Ok(())
    }

    /// Counts a use that it allows.
    pub(crate) fn draw(&mut self, amount: i64, now: Time) {
        let window_ms = self.terms.window_ms;
        self.uses.retain(|(when, _)| now.ms() < when.saturating_add(window_ms));
        match self.uses.last_mut() {
            Some((when, sum)) if *when == now.ms() => *sum = sum.saturating_add(amount),
            Some(_) | None => self.uses.push((now.ms(), amount)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_ms(ms).unwrap()
    }

    #[test]
    fn a_use_counts_until_exactly_one_window_has_passed() {
        let terms = Terms { per_call: 5, per_window: 8, window_ms: 100, until: Some(at(1_000)) };
        let mut mandate = Mandate::given(terms, None);
        assert_eq!(mandate.allows(6, at(0)), Err(Beyond::Call { most: 5 }));
        mandate.draw(5, at(0));
        mandate.draw(2, at(50));
        assert_eq!(mandate.allows(2, at(99)), Err(Beyond::Window { left: 1, most: 8 }));
        assert_eq!(mandate.back_at(at(99)), Some(at(100)));
        assert_eq!(mandate.allows(5, at(100)), Ok(()));
        assert_eq!(mandate.used(at(149)), 2);
        assert_eq!(mandate.used(at(150)), 0);
        // Given anew, with a longer window, it counts what the new window holds.
        let anew = Mandate::given(Terms { window_ms: 200, ..terms }, Some(&mandate));
        assert_eq!(anew.used(at(150)), 7);
        assert_eq!(anew.allows(1, at(999)), Ok(()));
        assert_eq!(anew.allows(1, at(1_000)), Err(Beyond::Ended(at(1_000))));
    }

    #[test]
    fn it_is_used_at_so_many_instants_and_no_more() {
        let terms = Terms { per_call: 1, per_window: i64::MAX, window_ms: i64::MAX, until: None };
        let mut mandate = Mandate::given(terms, None);
        let most = i64::try_from(limits::MANDATE_USES_MAX).unwrap();
        for ms in 0..most {
            assert_eq!(mandate.allows(1, at(ms)), Ok(()));
            mandate.draw(1, at(ms));
        }
        assert_eq!(mandate.allows(1, at(most - 1)), Ok(()), "the same instant is no other");
        assert_eq!(mandate.allows(1, at(most)), Err(Beyond::Uses));
    }
}
