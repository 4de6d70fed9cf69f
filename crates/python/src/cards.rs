//! The cards on which a run's writes are marked: one byte for each grain of its memory.

/// A grain has two to the power of it bytes.
pub(crate) const GRAIN_BITS: i32 = 10;
/// A value that begins in a marked grain ends less than so many bytes behind it.
pub(crate) const REACH_BYTES: usize = 16;
/// The bytes of a page of the system, by which written memory is counted.
pub(crate) const PAGE_BYTES: usize = 4 << GRAIN_BITS;
/// The most memory that an instance can be granted, in bytes.
pub(crate) const MEMORY_BYTES_MAX: usize = 1 << 30;

/// Marks the cards of a range.
pub(crate) fn mark(cards: &mut [u8], from: usize, length: usize) {
    if let Some(reach) = length.checked_sub(1) {
        let (first, last) = (from >> GRAIN_BITS, (from + reach) >> GRAIN_BITS);
        cards.iter_mut().take(last + 1).skip(first).for_each(|card| *card = 1);
    }
}

/// How many pages of a memory are marked.
pub(crate) fn pages(cards: &[u8], memory_bytes: usize) -> usize {
    let cards = cards.get(..memory_bytes >> GRAIN_BITS).unwrap_or_default();
    cards.as_chunks::<4>().0.iter().filter(|page| **page != [0; 4]).count()
}

/// The ranges of memory whose cards are marked, in their order, as far as the memory reaches; the cards are cleared.
pub(crate) fn take(cards: &mut [u8], memory_bytes: usize, ranges: &mut Vec<std::ops::Range<usize>>) {
    let cards = cards.get_mut(..memory_bytes >> GRAIN_BITS).unwrap_or_default();
    let (words, _) = cards.as_chunks_mut::<8>();
    for (at, word) in words.iter_mut().enumerate() {
        if *word == [0; 8] {
            continue;
        }
        for (card, marked) in word.iter().enumerate() {
            if *marked == 0 {
                continue;
            }
            let from = (8 * at + card) << GRAIN_BITS;
            let to = (from + (1 << GRAIN_BITS) + REACH_BYTES).min(memory_bytes);
            match ranges.last_mut() {
                Some(last) if last.end >= from => last.end = to,
                Some(_) | None => ranges.push(from..to),
            }
        }
        *word = [0; 8];
    }
}
