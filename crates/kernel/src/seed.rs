//! Seeds: everything random follows from the world's seed and a name for what is drawn.

/// A seed for something named by `what` and a number, under the world's seed.
#[must_use]
pub fn derive(seed: u64, what: &str, name: &str, number: u64) -> u64 {
    let parts = [&seed.to_le_bytes()[..], what.as_bytes(), &[0], name.as_bytes(), &number.to_le_bytes()];
    // One hash of a few bytes is much cheaper than a hasher that is fed piece by piece.
    let mut bytes = [0_u8; 256];
    let mut length = 0;
    for part in parts {
        let Some(room) = bytes.get_mut(length..length + part.len()) else {
            return first_word(&blake3::hash(&parts.concat()));
        };
        room.copy_from_slice(part);
        length += part.len();
    }
    first_word(&blake3::hash(bytes.get(..length).unwrap_or_default()))
}

fn first_word(hash: &blake3::Hash) -> u64 {
    hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The `number`-th value of the sequence of `seed`: the SplitMix64 of Steele, Lea and Flood (2014).
#[must_use]
pub const fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Puts `rows` into an order that `seed` decides (Fisher and Yates).
pub fn shuffle<T>(rows: &mut [T], seed: u64) {
    for last in (1..rows.len()).rev() {
        rows.swap(last, below(mix(seed, last as u64), last + 1));
    }
}

/// A number below `bound` (at least 1) from 64 random bits.
#[must_use]
pub fn below(random: u64, bound: usize) -> usize {
    let wide = u128::from(random) * bound as u128;
    usize::try_from(wide >> 64).unwrap_or(0)
}
