//! A world's time in parts of equal length: as it grows, two parts become one, so that there are never many.

use oikos_runner::kernel::time::Time;

/// The most parts.
const PARTS_MAX: usize = 120;

/// The events of one part of a world's time, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The last record of the part; 0 of one in which nothing happened.
    pub(crate) last_seq: u64,
    pub(crate) actions: u64,
    pub(crate) refused: u64,
    /// Scrip paid as prices and costs of contracts.
    pub(crate) paid: i64,
    /// Scrip that came into being.
    pub(crate) minted: i64,
    /// CPU used, in microseconds.
    pub(crate) cpu_us: i64,
    /// Agents told of as unwell, frozen or paused.
    pub(crate) ills: u64,
}

/// The parts of a world's time from its start.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    start: Time,
    /// The length of a part, in milliseconds.
    pub(crate) length_ms: i64,
    pub(crate) parts: Vec<Part>,
}

impl Part {
    fn add(&mut self, more: &Self) {
        self.last_seq = self.last_seq.max(more.last_seq);
        self.actions += more.actions;
        self.refused += more.refused;
        self.paid = self.paid.saturating_add(more.paid);
        self.minted = self.minted.saturating_add(more.minted);
        self.cpu_us = self.cpu_us.saturating_add(more.cpu_us);
        self.ills += more.ills;
    }
}

impl Buckets {
    /// No parts yet; the least length of one is at least a millisecond.
    pub(crate) fn from(start: Time, least_ms: i64) -> Self {
        Self { start, length_ms: least_ms.max(1), parts: Vec::new() }
    }

    /// Adds what happened at an instant, which is not before what was added last.
    pub(crate) fn add(&mut self, time: Time, more: &Part) {
        let after = time.ms().saturating_sub(self.start.ms()).max(0);
        let most = i64::try_from(PARTS_MAX).unwrap_or(i64::MAX);
        while after / self.length_ms >= most {
            self.halve();
        }
        let at = usize::try_from(after / self.length_ms).unwrap_or(0);
        if self.parts.len() <= at {
            self.parts.resize(at + 1, Part::default());
        }
        if let Some(part) = self.parts.get_mut(at) {
            part.add(more);
        }
    }

    fn halve(&mut self) {
        self.length_ms = self.length_ms.saturating_mul(2);
        self.parts = self
            .parts
            .chunks(2)
            .map(|pair| {
                let mut both = Part::default();
                pair.iter().for_each(|part| both.add(part));
                both
            })
            .collect();
    }

    /// The beginning of a part.
    pub(crate) fn begins(&self, at: usize) -> Option<Time> {
        self.start.after_ms(i64::try_from(at).ok()?.checked_mul(self.length_ms)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_together_and_lose_nothing() {
        let start = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let mut buckets = Buckets::from(start, 1_000);
        for at in 0..1_000_u64 {
            let time = start.after_ms(i64::try_from(at * 60_000).unwrap()).unwrap();
            buckets.add(time, &Part { last_seq: at + 1, actions: 1, paid: 2, ..Part::default() });
        }
        assert!(buckets.parts.len() <= PARTS_MAX && buckets.parts.len() > PARTS_MAX / 2);
        let sum = |of: fn(&Part) -> i64| buckets.parts.iter().map(of).sum::<i64>();
        assert_eq!(sum(|part| part.paid), 2_000);
        assert_eq!(buckets.parts.iter().map(|part| part.actions).sum::<u64>(), 1_000);
        assert_eq!(buckets.parts.last().unwrap().last_seq, 1_000);
        // The last instant there is has a place too.
        buckets.add(Time::LAST, &Part { last_seq: 1_001, ..Part::default() });
        assert!(buckets.parts.len() <= PARTS_MAX);
        assert_eq!(buckets.parts.iter().map(|part| part.actions).sum::<u64>(), 1_000);
    }
}
