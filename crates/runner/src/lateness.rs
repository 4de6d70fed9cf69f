//! How late turns came under the wall clock: counts by size, in bounded memory.

use std::time::Duration;

/// Buckets of one power of two of microseconds.
const PER_OCTAVE: u32 = 8;
const BUCKETS: usize = 256;

/// A distribution of delays, to within a tenth.
#[derive(Clone, Debug)]
pub struct Lateness {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Lateness {
    pub(crate) fn add(&mut self, late: Duration) {
        // An hour is as late as a year.
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX).clamp(1, 1 << 32);
        let octave = us.ilog2();
        let within = ((us - (1 << octave)) * u64::from(PER_OCTAVE)) >> octave;
        let bucket = octave * PER_OCTAVE + u32::try_from(within).unwrap_or(0);
        if let Some(count) = self.counts.get_mut((bucket as usize).min(BUCKETS - 1)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// How many turns were measured.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.total
    }

    /// The delay that so many of a thousand turns did not exceed; `None` if there was no turn.
    #[must_use]
    pub fn permille(&self, permille: u64) -> Option<Duration> {
        let wanted = self.total.saturating_mul(permille).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (bucket, count) in (0_u32..).zip(self.counts.iter()) {
            seen += count;
            if seen >= wanted && self.total > 0 {
                let (octave, within) = (bucket / PER_OCTAVE, u64::from(bucket % PER_OCTAVE));
                let low = 1_u64 << octave.min(62);
                // The upper end of the bucket.
                return Some(Duration::from_micros(
                    low + (low * (within + 1)).div_ceil(u64::from(PER_OCTAVE)),
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_delays_is_found_to_within_an_eighth() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.permille(500), None);
        (1..=1_000).for_each(|us| lateness.add(Duration::from_micros(us)));
        for (permille, us) in [(1, 1), (500, 500), (990, 990), (1_000, 1_000)] {
            let found = u64::try_from(lateness.permille(permille).unwrap().as_micros()).unwrap();
            assert!(found >= us && found <= us + us / 8 + 1, "{permille}: {found}");
        }
        lateness.add(Duration::MAX);
        assert_eq!(lateness.turns(), 1_001);
    }
}
