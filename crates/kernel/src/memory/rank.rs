//! The ranking of entries: words, recency and importance, fused. All in integers, so that it is the same everywhere.
//!
//! - *Words*: BM25 (Robertson and Zaragoza, 2009; `k1` = 1.2, `b` = 0.75) over the entries that may be found, in parts
//!   of the best of them.
//! - *Recency*: halves with each half-life that an entry is old, in a straight line between.
//! - *Importance*: that of the entry.
//!
//! Each is 0 to 1,000. A text ranks and leaves nothing out: an entry with none of its words comes after every one that
//! is as recent and important and has some.

use std::cmp::Reverse;

use super::{Entry, Memory, PINNED, SUPERSEDED, Words};
use crate::{
    limits::{IMPORTANCE_MAX, SCORE_MAX},
    time::Time,
};

/// The terms of a score.
#[derive(Clone, Copy)]
enum Term {
    /// The words of the text that is asked for.
    Words,
    /// How new it is.
    Recency,
    /// How important.
    Importance,
}

impl Term {
    const ALL: [Self; 3] = [Self::Words, Self::Recency, Self::Importance];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Recency => "recency",
            Self::Importance => "importance",
        }
    }

    /// Its part of the score: of words so much that the best match comes before all that have none of them.
    const fn weight(self) -> u64 {
        match self {
            Self::Words => 6,
            Self::Recency | Self::Importance => 2,
        }
    }
}

/// The terms of one entry's score, each 0 to [`SCORE_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) words: u64,
    pub(crate) recency: u64,
    pub(crate) importance: u64,
}

impl Why {
    const fn of(self, term: Term) -> u64 {
        match term {
            Term::Words => self.words,
            Term::Recency => self.recency,
            Term::Importance => self.importance,
        }
    }

    /// The terms fused, 0 to [`SCORE_MAX`].
    pub(crate) fn score(self) -> u64 {
        let sum: u64 = Term::ALL.iter().map(|term| term.weight() * self.of(*term)).sum();
        sum / Term::ALL.iter().map(|term| term.weight()).sum::<u64>()
    }

    /// Each term with its word.
    pub(crate) fn terms(self) -> impl Iterator<Item = (&'static str, u64)> {
        Term::ALL.into_iter().map(move |term| (term.as_str(), self.of(term)))
    }
}

/// A recall.
pub(crate) struct Asked<'a> {
    /// The words of its text.
    pub(crate) words: Option<&'a Words>,
    /// Only entries with all of these.
    pub(crate) tags: Vec<&'a str>,
    /// Only entries after this one.
    pub(crate) after: u64,
    /// Only entries remembered at this instant or later.
    pub(crate) from: Option<Time>,
    pub(crate) now: Time,
    pub(crate) half_life_ms: i64,
    /// At most so many.
    pub(crate) rows: usize,
}

impl Asked<'_> {
    /// Whether entries come in the order in which they were remembered, and not by their score.
    pub(crate) fn in_order(&self) -> bool {
        self.words.is_none() && self.tags.contains(&PINNED)
    }

    fn wants(&self, number: u64, entry: &Entry) -> bool {
        number > self.after
            && self.from.is_none_or(|from| entry.time >= from)
            && (entry.superseded_by.is_none() || self.tags.contains(&SUPERSEDED))
            && self.tags.iter().all(|tag| entry.has(tag))
    }
}

/// An entry that was found.
pub(crate) struct Found<'m> {
    pub(crate) number: u64,
    pub(crate) entry: &'m Entry,
    pub(crate) why: Why,
}

/// The best entries, best first; of equal ones the later.
pub(crate) fn ranked<'m>(memory: &'m Memory, asked: &Asked<'_>) -> Vec<Found<'m>> {
    let wanted = memory.entries().filter(|(number, entry)| asked.wants(*number, entry));
    let mut found: Vec<Found<'m>> = wanted
        .map(|(number, entry)| {
            let recency = recency(asked.now.ms() - entry.time.ms(), asked.half_life_ms);
            let importance = u64::from(entry.memo.importance) * SCORE_MAX / IMPORTANCE_MAX.unsigned_abs();
            Found { number, entry, why: Why { words: 0, recency, importance } }
        })
        .collect();
    if let Some(words) = asked.words {
        score_words(&mut found, words);
    }
    if asked.in_order() {
        found.truncate(asked.rows);
        return found;
    }
    let place = |found: &Found<'_>| (Reverse(found.why.score()), Reverse(found.number));
    if asked.rows < found.len() {
        // The rest needs no order.
        found.select_nth_unstable_by_key(asked.rows, place);
        found.truncate(asked.rows);
    }
    found.sort_unstable_by_key(place);
    found
}

/// The recency of an age, both in milliseconds.
fn recency(age_ms: i64, half_life_ms: i64) -> u64 {
    let (age, half) = (age_ms.max(0).unsigned_abs(), half_life_ms.max(1).unsigned_abs());
    let base =
        u32::try_from(age / half).ok().and_then(|halvings| SCORE_MAX.checked_shr(halvings)).unwrap_or(0);
    let gone = u128::from(base) * u128::from(age % half) / (2 * u128::from(half));
    base - u64::try_from(gone).unwrap_or(base)
}

/// BM25 of each entry, in parts of the best.
fn score_words(found: &mut [Found<'_>], words: &Words) {
    let mut holders = vec![0_u64; words.different()];
    let mut length = 0;
    for found in found.iter() {
        let theirs = found.entry.words();
        length += theirs.len;
        for (at, _) in words.in_other(theirs) {
            if let Some(holders) = holders.get_mut(at) {
                *holders += 1;
            }
        }
    }
    let rows = found.len() as u64;
    let rarity: Vec<u64> = holders.iter().map(|holders| log2(2 * rows + 2, 2 * holders + 1)).collect();
    for found in found.iter_mut() {
        let theirs = found.entry.words();
        let mut score = 0;
        for (at, times) in words.in_other(theirs) {
            let Some(rarity) = rarity.get(at) else { continue };
            // times · (k1 + 1) / (times + k1 · (1 - b + b · own length / mean length)); above and below the line
            // stands 10 · `length` more.
            let times = u64::from(times);
            let above = 22 * times * length;
            let below = 10 * times * length + 3 * length + 9 * theirs.len * rows;
            score += rarity * above / below;
        }
        found.why.words = score;
    }
    let best = found.iter().map(|found| found.why.words).max().unwrap_or(0).max(1);
    for found in found {
        found.why.words = found.why.words * SCORE_MAX / best;
    }
}

/// The binary logarithm of a ratio of at least 1, in parts of 1,024.
fn log2(above: u64, below: u64) -> u64 {
    const FRACTION_BITS: u32 = 10;
    const ONE: u128 = 1 << 32;
    let mut x = (u128::from(above) << 32) / u128::from(below);
    let mut log = 0;
    while x >= 2 * ONE {
        x >>= 1;
        log += 1;
    }
    for _ in 0..FRACTION_BITS {
        x = (x * x) >> 32;
        log <<= 1;
        if x >= 2 * ONE {
            x >>= 1;
            log |= 1;
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_halvings_are_exact() {
        for (above, below, log) in [
            (1, 1, 0),
            (2, 1, 1_024),
            (1_024, 1, 10_240),
            (3, 2, 599),
            (20_002, 1, 14_630),
            (20_002, 20_001, 0),
        ] {
            assert_eq!(log2(above, below), log, "{above}/{below}");
        }
        let hour = 3_600_000;
        for (age, recency_is) in [
            (0, 1_000),
            (-5, 1_000),
            (hour / 2, 750),
            (hour, 500),
            (2 * hour, 250),
            (3 * hour / 2, 375),
            (10 * hour, 0),
            (i64::MAX, 0),
        ] {
            assert_eq!(recency(age, hour), recency_is, "{age}");
        }
        assert_eq!(recency(1, i64::MAX), 1_000);
        assert_eq!(recency(i64::MAX, i64::MAX), 500);
    }

    #[test]
    fn the_best_match_comes_before_all_that_have_none_of_the_words() {
        let match_only = Why { words: SCORE_MAX, ..Why::default() };
        let rest_only = Why { words: 0, recency: SCORE_MAX, importance: SCORE_MAX };
        assert!(match_only.score() > rest_only.score());
        assert_eq!(Why { words: SCORE_MAX, ..rest_only }.score(), SCORE_MAX);
    }
}
