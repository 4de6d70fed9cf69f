//! The words of a text, as a recall compares them.
//!
//! A word is one by the rules of Unicode (UAX #29), parted at `_`, `'`, `’`, `.` and `:` too, so that `bob's` and
//! `genesis_escrow` are found by their parts. Upper and lower case are one: each letter is put into upper case and then
//! into lower case. There are no stems and no words that are left out: rare words count for more by themselves.

use unicode_segmentation::UnicodeSegmentation as _;

/// A word by the beginning of its BLAKE3.
pub(crate) type Word = u64;

/// The words of a text: each once, in the order of their numbers, with how often it stands there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    counts: Box<[(Word, u32)]>,
    /// How many words the text has.
    pub(super) len: u64,
}

impl Words {
    /// The words of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut all: Vec<Word> = text.unicode_words().flat_map(parts).map(number).collect();
        all.sort_unstable();
        let mut counts: Vec<(Word, u32)> = Vec::new();
        for word in &all {
            match counts.last_mut() {
                Some((last, count)) if last == word => *count = count.saturating_add(1),
                Some(_) | None => counts.push((*word, 1)),
            }
        }
        Self { counts: counts.into(), len: all.len() as u64 }
    }

    /// How many different words there are.
    pub(crate) fn different(&self) -> usize {
        self.counts.len()
    }

    /// The words that both texts have: the place of each in this one, and how often the other has it.
    pub(super) fn in_other<'w>(&'w self, other: &'w Self) -> impl Iterator<Item = (usize, u32)> + 'w {
        let mut theirs = other.counts.iter().peekable();
        self.counts.iter().enumerate().filter_map(move |(at, (word, _))| {
            while theirs.next_if(|(their, _)| their < word).is_some() {}
            theirs.next_if(|(their, _)| their == word).map(|(_, count)| (at, *count))
        })
    }
}

fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split(['_', '\'', '’', '.', ':']).filter(|part| !part.is_empty())
}

fn number(word: &str) -> Word {
    let folded: String = word.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    blake3::hash(folded.as_bytes()).as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(one: &str, other: &str) -> usize {
        Words::of(one).in_other(&Words::of(other)).count()
    }

    #[test]
    fn words_are_those_of_unicode_in_any_case() {
        for (one, other, both) in [
            ("Bread costs 3", "the BREAD of bob", 1),
            ("bob's genesis_escrow", "escrow by Bob", 2),
            ("straße ΟΔΟΣ", "STRASSE οδος", 2),
            ("面包很贵", "面", 1),
            ("naïve", "naive", 0),
            ("a-b c/d", "a b c d", 4),
            ("… !? —", "!?", 0),
            ("", "bread", 0),
            ("bread bread", "bread", 1),
        ] {
            assert_eq!(shared(one, other), both, "{one} | {other}");
            assert_eq!(shared(other, one), both, "{other} | {one}");
        }
        let words = Words::of("bread Bread, BREAD and salt");
        assert_eq!((words.len, words.different()), (5, 3));
        let bread = Words::of("bread");
        assert_eq!(bread.in_other(&words).collect::<Vec<_>>(), [(0, 3)]);
    }
}
