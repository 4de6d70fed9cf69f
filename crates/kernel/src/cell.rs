//! One principal's account of one resource, and the exact rolling window of the renewable ones.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    rules::{Renewal, ResourceKind, Rules},
    time::Time,
};

/// A balance, a rate or a quota, and what was used of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Renewable: the rate. Depletable: the balance. Allocatable: the quota.
    pub(crate) limit: i64,
    /// Allocatable: the amount in use now. All else: the use in all.
    pub(crate) used: i64,
    /// Set aside for something under way; never written to the journal.
    #[serde(skip)]
    pub(crate) held: i64,
    /// Set aside for a thought that the journal knows of: it stands with the loop of the agent.
    #[serde(skip)]
    pub(crate) asked: i64,
    /// Renewable: what was used and has not come back.
    pub(crate) window: Option<Arc<Window>>,
}

/// Uses that have not come back yet, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// `(the instant it comes back in milliseconds, amount)`, one entry per instant.
    entries: VecDeque<(i64, i64)>,
    /// The sum of all entries.
    sum: i64,
}

impl Window {
    fn expired(&self, now: Time) -> i64 {
        self.entries.iter().take_while(|(back, _)| *back <= now.ms()).map(|(_, amount)| amount).sum()
    }

    fn live(&self, now: Time) -> i64 {
        self.sum - self.expired(now)
    }

    /// Takes over other rules: what has not come back comes back as if it had been used under them.
    fn follow(&mut self, (before, before_ms): (&Rules, i64), (rules, window_ms): (&Rules, i64), now: Time) {
        while let Some((_, gone)) = self.entries.front().copied().filter(|(back, _)| *back <= now.ms()) {
            self.entries.pop_front();
            self.sum -= gone;
        }
        let latest = back_ms(rules, window_ms, now);
        for (back, _) in &mut self.entries {
            let moved = match (before.renewal, rules.renewal) {
                (Renewal::Rolling, Renewal::Rolling) => back.saturating_add(window_ms - before_ms),
                (Renewal::Rolling | Renewal::Tick { .. }, Renewal::Rolling | Renewal::Tick { .. }) => *back,
            };
            *back = moved.min(latest);
        }
    }

    /// Gives back the oldest uses until no more than `most` is left.
    fn forgive(&mut self, most: i64, now: Time) {
        while let Some((back, amount)) = self.entries.front_mut() {
            let over = if *back <= now.ms() { *amount } else { (self.sum - most).clamp(0, *amount) };
            *amount -= over;
            self.sum -= over;
            if *amount > 0 {
                break;
            }
            self.entries.pop_front();
        }
    }

    fn push(&mut self, now: Time, back_ms: i64, amount: i64) {
        while let Some((back, gone)) = self.entries.front().copied() {
            if back > now.ms() {
                break;
            }
            self.entries.pop_front();
            self.sum -= gone;
        }
        match self.entries.back_mut() {
            Some((back, sum)) if *back == back_ms => *sum += amount,
            _ => self.entries.push_back((back_ms, amount)),
        }
        self.sum += amount;
    }
}

/// The instant at which a use made `now` comes back (`DESIGN.md §9`): it counts while earlier than that.
fn back_ms(rules: &Rules, window_ms: i64, now: Time) -> i64 {
    match rules.renewal {
        Renewal::Rolling => now.ms().saturating_add(window_ms),
        Renewal::Tick { ms } => {
            let since = now.ms() - rules.start.ms();
            rules.start.ms().saturating_add((since.div_euclid(ms) + 1).saturating_mul(ms))
        }
    }
}

impl Cell {
    /// How much could be used now.
    pub(crate) fn free(&self, kind: ResourceKind, now: Time) -> i64 {
        let free = match kind {
            ResourceKind::Renewable { .. } => self.limit - self.live(now),
            ResourceKind::Depletable => self.limit,
            ResourceKind::Allocatable => self.limit - self.used,
            ResourceKind::Metered => return i64::MAX,
        };
        free - self.held - self.asked
    }

    /// The part of a renewable resource that was used and has not come back.
    pub(crate) fn live(&self, now: Time) -> i64 {
        self.window.as_ref().map_or(0, |window| window.live(now))
    }

    /// Takes over other rules, under which its resource is of the same kind.
    pub(crate) fn follow(
        &mut self,
        (before, was): (&Rules, ResourceKind),
        (rules, is): (&Rules, ResourceKind),
        now: Time,
    ) {
        if let (ResourceKind::Renewable { window_ms: before_ms }, ResourceKind::Renewable { window_ms }) =
            (was, is)
            && let Some(window) = &mut self.window
        {
            Arc::make_mut(window).follow((before, before_ms), (rules, window_ms), now);
        }
    }

    /// Gives back the oldest uses of a renewable resource, as far as more than `most` has not come back.
    pub(crate) fn forgive(&mut self, most: i64, now: Time) {
        if self.live(now) > most
            && let Some(window) = &mut self.window
        {
            Arc::make_mut(window).forgive(most, now);
        }
    }

    /// Uses `amount`, which must be free.
    pub(crate) fn consume(&mut self, rules: &Rules, kind: ResourceKind, now: Time, amount: i64) {
        self.used = self.used.saturating_add(amount);
        match kind {
            ResourceKind::Renewable { window_ms } => {
                let window = Arc::make_mut(self.window.get_or_insert_default());
                window.push(now, back_ms(rules, window_ms, now), amount);
            }
            ResourceKind::Depletable => self.limit -= amount,
            ResourceKind::Allocatable | ResourceKind::Metered => {}
        }
    }

    /// The first instant at which `amount` is free if nothing is used beside what the cell knows and
    /// `spent` now: `None` if never.
    pub(crate) fn free_at(
        &self,
        rules: &Rules,
        kind: ResourceKind,
        now: Time,
        spent: i64,
        amount: i64,
    ) -> Option<Time> {
        let mut free = self.free(kind, now).saturating_sub(spent);
        if free >= amount {
            return Some(now);
        }
        let ResourceKind::Renewable { window_ms } = kind else {
            return None;
        };
        let used = self.window.iter().flat_map(|window| window.entries.iter().copied());
        // A use made now comes back last.
        let last = (back_ms(rules, window_ms, now), spent);
        for (back, gone) in used.filter(|(back, _)| *back > now.ms()).chain([last]) {
            free = free.saturating_add(gone);
            if free >= amount {
                return Time::from_ms(back);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_ms(ms).unwrap()
    }

    #[test]
    fn under_other_rules_a_use_comes_back_as_if_it_had_been_made_under_them() {
        let rules = |renewal| Rules { renewal, ..Rules::unlimited("w", 1, at(0)) };
        let tick = |ms| Renewal::Tick { ms };
        let rolling = Renewal::Rolling;
        // Used at 10 under one rule; at `now` another holds; back at `back`, and not a moment before.
        for (before, after, now, back) in [
            ((rolling, 100), (rolling, 50), 40, 60),
            ((rolling, 100), (rolling, 200), 40, 210),
            ((rolling, 100), (rolling, 20), 40, 30),
            ((rolling, 100), (rolling, 500), 120, 110),
            ((tick(100), 1), (tick(30), 1), 40, 60),
            ((rolling, 100), (tick(100), 1), 40, 100),
            ((tick(100), 1), (rolling, 80), 40, 100),
        ] {
            let of = |window_ms| ResourceKind::Renewable { window_ms };
            let (was, is) = ((rules(before.0), of(before.1)), (rules(after.0), of(after.1)));
            let mut cell = Cell { limit: 5, ..Cell::default() };
            cell.consume(&was.0, was.1, at(10), 3);
            cell.follow((&was.0, was.1), (&is.0, is.1), at(now));
            for time in now..now + 300 {
                let free = if time >= back { 5 } else { 2 };
                assert_eq!(cell.free(is.1, at(time)), free, "{before:?} {after:?} at {time}");
            }
            // One more use stands behind it, or with it.
            cell.consume(&is.0, is.1, at(now), 1);
            assert_eq!(cell.free(is.1, at(now)), if now >= back { 4 } else { 1 });
            assert_eq!((cell.free(is.1, at(now + 1_000)), cell.used), (5, 4));
        }
    }

    #[test]
    fn a_use_counts_until_its_window_has_passed() {
        let kind = ResourceKind::Renewable { window_ms: 100 };
        let mut rules = Rules::unlimited("w", 1, at(0));
        for (renewal, free) in
            [(Renewal::Rolling, [5, 2, 2, 1, 1, 4, 5]), (Renewal::Tick { ms: 100 }, [5, 2, 2, 1, 5, 5, 5])]
        {
            rules.renewal = renewal;
            let mut cell = Cell { limit: 5, ..Cell::default() };
            let mut seen = vec![cell.free(kind, at(0))];
            cell.consume(&rules, kind, at(10), 3);
            seen.push(cell.free(kind, at(10)));
            seen.push(cell.free(kind, at(59)));
            cell.consume(&rules, kind, at(60), 1);
            seen.extend([60, 109, 110, 160].map(|ms| cell.free(kind, at(ms))));
            // At 100 the tick refills what the rolling window still holds.
            assert_eq!(seen, free, "{renewal:?}");
        }
    }

    #[test]
    fn waiting_time_is_exact() {
        let kind = ResourceKind::Renewable { window_ms: 100 };
        let rules = Rules::unlimited("w", 1, at(0));
        let mut cell = Cell { limit: 5, ..Cell::default() };
        cell.consume(&rules, kind, at(10), 3);
        cell.consume(&rules, kind, at(20), 2);
        let free_at = |ms, spent, amount| cell.free_at(&rules, kind, at(ms), spent, amount);
        assert_eq!(free_at(30, 0, 1), Some(at(110)));
        assert_eq!(free_at(30, 0, 4), Some(at(120)));
        assert_eq!(free_at(30, 0, 6), None);
        assert_eq!(free_at(110, 0, 3), Some(at(110)));
        assert_eq!(free_at(110, 3, 2), Some(at(120)));
        assert_eq!(free_at(110, 3, 3), Some(at(210)));
    }
}
