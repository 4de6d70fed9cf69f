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

/// Cards that are looked at together: most have none that is marked.
const BLOCK: usize = 64;

/// The blocks of a memory's cards that have a mark, with their places. A memory has whole blocks.
#[expect(clippy::expect_used, reason = "a write without a card would be found by the next run")]
fn marked(cards: &mut [u8], memory_bytes: usize) -> impl Iterator<Item = (usize, &mut [u8; BLOCK])> {
    let cards = cards.get_mut(..memory_bytes >> GRAIN_BITS).expect("there are cards for all memory");
    let blocks = cards.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate();
    blocks.filter(|(_, block)| block.iter().fold(0, |any, card| any | card) != 0)
}

/// How many pages of a memory are marked.
pub(crate) fn pages(cards: &mut [u8], memory_bytes: usize) -> usize {
    let pages = |block: &[u8; BLOCK]| block.as_chunks::<4>().0.iter().filter(|page| **page != [0; 4]).count();
    marked(cards, memory_bytes).map(|(_, block)| pages(block)).sum()
}

/// The ranges of memory whose cards are marked, in their order, as far as the memory reaches; the cards are cleared.
pub(crate) fn take(cards: &mut [u8], memory_bytes: usize, ranges: &mut Vec<std::ops::Range<usize>>) {
    for (at, block) in marked(cards, memory_bytes) {
        for (card, _) in block.iter().enumerate().filter(|(_, mark)| **mark != 0) {
            let from = (BLOCK * at + card) << GRAIN_BITS;
            let to = (from + (1 << GRAIN_BITS) + REACH_BYTES).min(memory_bytes);
            match ranges.last_mut() {
                Some(last) if last.end >= from => last.end = to,
                Some(_) | None => ranges.push(from..to),
            }
        }
        *block = [0; BLOCK];
    }
}
