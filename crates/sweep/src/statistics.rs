//! The figures of a sample: mean, spread, median, and an interval for the mean by the bootstrap.
//!
//! The interval is that of percentiles (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13):
//! of [`RESAMPLES`] samples drawn with replacement from the sample itself, the middle 95 % of their means. The draws
//! follow from a seed, so the same sample gives the same interval on every machine.

use oikos_runner::kernel::seed;

/// Samples that are drawn for an interval.
pub const RESAMPLES: usize = 2_000;
/// The ends of an interval, as shares of the means below.
const ENDS: [f64; 2] = [0.025, 0.975];

/// The figures of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// How many numbers there are.
    pub n: usize,
    /// Their mean; none of nothing.
    pub mean: Option<f64>,
    /// Their standard deviation, by `n - 1`; none of fewer than two.
    pub sd: Option<f64>,
    /// Their median; none of nothing.
    pub median: Option<f64>,
    /// The interval for the mean; none of fewer than two.
    pub interval: Option<(f64, f64)>,
}

impl Figures {
    /// The figures of a sample; `seed` is that of the draws.
    #[must_use]
    pub fn of(sample: &[f64], seed: u64) -> Self {
        let mean = mean(sample);
        let mut sorted = sample.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            n: sample.len(),
            mean,
            sd: mean.and_then(|mean| deviation(sample, mean)),
            median: quantile(&sorted, 0.5),
            interval: interval(sample, seed),
        }
    }
}

/// The numbers of one sample minus those of another with the same label; both are in the order of their labels.
#[must_use]
pub fn paired(sample: &[(u64, f64)], minus: &[(u64, f64)]) -> Vec<f64> {
    let mut others = minus.iter().peekable();
    let mut differences = Vec::new();
    for (label, number) in sample {
        while others.next_if(|(other, _)| other < label).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| other == label) {
            differences.push(number - other);
        }
    }
    differences
}

#[expect(clippy::cast_precision_loss, reason = "no sample has 2^53 numbers")]
fn mean(sample: &[f64]) -> Option<f64> {
    (!sample.is_empty()).then(|| sample.iter().sum::<f64>() / sample.len() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "no sample has 2^53 numbers")]
fn deviation(sample: &[f64], mean: f64) -> Option<f64> {
    let squares: f64 = sample.iter().map(|number| (number - mean) * (number - mean)).sum();
    (sample.len() > 1).then(|| (squares / (sample.len() - 1) as f64).sqrt())
}

/// The number below which a share of sorted numbers is, between the two nearest ones where it is none.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let low = sorted.get(place.floor() as usize)?;
    let high = sorted.get(place.floor() as usize + 1).unwrap_or(low);
    Some(low + place.fract() * (high - low))
}

fn interval(sample: &[f64], seed: u64) -> Option<(f64, f64)> {
    if sample.len() < 2 {
        return None;
    }
    let count = sample.len() as u64;
    let resample = |number: u64| {
        let draw = |at: u64| {
            let random = seed::mix(seed, number.wrapping_mul(count).wrapping_add(at));
            sample.get(seed::below(random, sample.len())).copied().unwrap_or_default()
        };
        let drawn: Vec<f64> = (0..count).map(draw).collect();
        mean(&drawn).unwrap_or_default()
    };
    let mut means: Vec<f64> = (0..RESAMPLES as u64).map(resample).collect();
    means.sort_unstable_by(f64::total_cmp);
    let [low, high] = ENDS.map(|share| quantile(&means, share));
    low.zip(high)
}

#[cfg(test)]
mod tests {
    use super::{Figures, paired, quantile};

    fn near(found: f64, known: f64, within: f64) {
        assert!((found - known).abs() <= within, "{found} is not {known} within {within}");
    }

    /// The additional sleep of ten patients under two drugs, by Cushny and Peebles (1905), with which Student (1908)
    /// introduced his test: the differences have the mean 1.58 and the standard deviation 1.23.
    #[test]
    fn differences_are_those_of_the_sleepers() {
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let labelled = |all: [f64; 10]| (1..).zip(all).collect::<Vec<(u64, f64)>>();
        let figures = Figures::of(&paired(&labelled(second), &labelled(first)), 1);
        assert_eq!(figures.n, 10);
        near(figures.mean.unwrap(), 1.58, 1e-12);
        near(figures.sd.unwrap(), 1.229_995_5, 1e-7);
        near(figures.median.unwrap(), 1.3, 1e-12);
        // Student's own interval is 0.70 to 2.46; that of percentiles is narrower, and leans to the right as they do.
        let (low, high) = figures.interval.unwrap();
        near(low, 0.93, 0.05);
        near(high, 2.33, 0.08);
    }

    /// The survival of seven treated and nine untreated mice, table 2.1 of Efron and Tibshirani (1993).
    #[test]
    fn mice_survive_as_long_as_in_the_book() {
        let treated = Figures::of(&[94.0, 197.0, 16.0, 38.0, 99.0, 141.0, 23.0], 1);
        let control = Figures::of(&[52.0, 104.0, 146.0, 10.0, 51.0, 30.0, 40.0, 27.0, 46.0], 1);
        near(treated.mean.unwrap(), 86.86, 0.005);
        near(treated.sd.unwrap() / 7.0_f64.sqrt(), 25.24, 0.005);
        near(treated.median.unwrap(), 94.0, 0.0);
        near(control.mean.unwrap(), 56.22, 0.005);
        // The book prints 14.14; its nine times give this.
        near(control.sd.unwrap() / 3.0, 14.16, 0.005);
        near(control.median.unwrap(), 46.0, 0.0);
    }

    /// Of four numbers there are 256 samples, whose percentiles can be counted.
    #[test]
    fn an_interval_is_near_that_of_all_samples() {
        let sample = [1.0, 2.0, 4.0, 8.0];
        let mut all = Vec::new();
        for code in 0..256_usize {
            let drawn = (0..4).map(|at| sample[code >> (2 * at) & 3]);
            all.push(drawn.sum::<f64>() / 4.0);
        }
        all.sort_unstable_by(f64::total_cmp);
        let (low, high) = Figures::of(&sample, 1).interval.unwrap();
        near(low, quantile(&all, 0.025).unwrap(), 0.26);
        near(high, quantile(&all, 0.975).unwrap(), 0.26);
        // The same on each machine.
        let pinned = Figures::of(&[1.5, 2.25, 4.0, 8.0, 9.0, 3.0], 1).interval;
        assert_eq!(pinned, Some((2.416_666_666_666_666_5, 6.833_333_333_333_333)));
    }

    #[test]
    fn few_numbers_have_few_figures() {
        let nothing = Figures::default();
        assert_eq!(Figures::of(&[], 1), nothing);
        let one = Figures { n: 1, mean: Some(3.0), median: Some(3.0), ..nothing };
        assert_eq!(Figures::of(&[3.0], 1), one);
        let same = Figures::of(&[2.0, 2.0, 2.0], 1);
        assert_eq!((same.sd, same.interval), (Some(0.0), Some((2.0, 2.0))));
    }

    #[test]
    fn only_common_labels_are_paired() {
        let left = [(1, 10.0), (2, 20.0), (4, 40.0), (9, 90.0)];
        let right = [(2, 1.0), (3, 1.0), (4, 2.0)];
        assert_eq!(paired(&left, &right), [19.0, 38.0]);
        assert_eq!(paired(&right, &left), [-19.0, -38.0]);
        assert!(paired(&left, &[]).is_empty());
    }
}
