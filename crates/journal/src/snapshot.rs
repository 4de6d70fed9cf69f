//! The state of a world, packed to be stored, and read back in pieces.

use std::io::{BufReader, Read, Write};

use oikos_kernel::world::World;

use crate::{
    batch::Hash,
    error::JournalError,
    log::{Head, Log},
    packed::{Packer, Unpacker, unpacked_max},
};

/// Bytes of one stored piece, about.
const PIECE_BYTES: usize = 1 << 20;
/// How hard snapshots are compressed.
const LEVEL: i32 = 3;

/// The snapshots that are let go: of those before the last `keep`, each without which none is farther from the next
/// than that is from the end. So any moment is near one, and their number grows with the logarithm of the journal.
/// `seqs` are their records, the last first.
pub(crate) fn let_go(seqs: &[u64], keep: usize) -> Vec<u64> {
    let Some(end) = seqs.first().copied() else { return Vec::new() };
    let mut gone = Vec::new();
    let mut later = seqs.get(keep.saturating_sub(1)).copied().unwrap_or_default();
    let mut rest = seqs.iter().copied().skip(keep).peekable();
    while let Some(seq) = rest.next() {
        // Before the first there is the world that is empty.
        let earlier = rest.peek().copied().unwrap_or_default();
        if later - earlier <= end - later {
            gone.push(seq);
        } else {
            later = seq;
        }
    }
    gone
}

/// The state of a world after a record, packed. Packing it needs no journal, so it may be done beside.
#[derive(Debug)]
pub struct Image {
    pub(crate) seq: u64,
    pub(crate) journal_hash: Hash,
    digest: Hash,
    body_hash: Hash,
    bytes: u64,
    pub(crate) pieces: Vec<Vec<u8>>,
}

/// A snapshot but for its pieces, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Where the journal ended when it was the state.
    pub(crate) at: Head,
    /// The state's own hash.
    pub(crate) digest: Hash,
    /// The hash of all of it.
    pub(crate) hash: Hash,
    /// How many bytes its pieces have together.
    pub(crate) bytes: u64,
}

impl Image {
    /// Packs a world; `journal_hash` is the chain over the records that made it.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn of(world: &World, journal_hash: Hash) -> Result<Self, JournalError> {
        let failed = |problem: String| JournalError::corrupt("a new snapshot", problem);
        let packer = Packer::new(LEVEL).map_err(|error| failed(error.to_string()))?;
        let mut packing = Packing {
            packer,
            digest: blake3::Hasher::new(),
            body: blake3::Hasher::new(),
            bytes: 0,
            pieces: Vec::new(),
        };
        let mut buffered = std::io::BufWriter::with_capacity(64 * 1024, &mut packing);
        world.write_image(&mut buffered).map_err(|error| failed(error.to_string()))?;
        buffered.flush().map_err(|error| failed(error.to_string()))?;
        drop(buffered);
        let Packing { packer, digest, mut body, mut bytes, mut pieces } = packing;
        let rest = packer.finish(bytes).map_err(|error| failed(error.to_string()))?;
        for piece in rest.chunks(PIECE_BYTES) {
            body.update(piece);
            bytes += piece.len() as u64;
            pieces.push(piece.to_vec());
        }
        let (digest, body_hash) = (*digest.finalize().as_bytes(), *body.finalize().as_bytes());
        Ok(Self { seq: world.seq(), journal_hash, digest, body_hash, bytes, pieces })
    }

    /// The mark of the snapshot where the journal has this row.
    pub(crate) fn mark(&self, row_hash: Hash) -> Mark {
        let at = Head { seq: self.seq, row_hash, journal_hash: self.journal_hash };
        let mut mark = Mark { at, digest: self.digest, hash: [0; 32], bytes: self.bytes };
        mark.hash = mark.expected_hash(&self.body_hash);
        mark
    }
}

/// A world's bytes on their way into pieces.
struct Packing {
    packer: Packer,
    digest: blake3::Hasher,
    body: blake3::Hasher,
    bytes: u64,
    pieces: Vec<Vec<u8>>,
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.packer.write_all(bytes)?;
        self.digest.update(bytes);
        if let Some(piece) = self.packer.take(PIECE_BYTES) {
            self.body.update(&piece);
            self.bytes += piece.len() as u64;
            self.pieces.push(piece);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Mark {
    fn expected_hash(&self, body_hash: &Hash) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.at.seq.to_le_bytes());
        for hash in [&self.at.row_hash, &self.at.journal_hash, &self.digest] {
            hasher.update(hash);
        }
        hasher.update(&self.bytes.to_le_bytes());
        hasher.update(body_hash);
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn place(&self) -> String {
        format!("the snapshot at record {}", self.at.seq)
    }

    fn corrupt(&self, problem: impl Into<String>) -> JournalError {
        JournalError::corrupt(self.place(), problem)
    }

    /// The world of the snapshot, once its hash, its digest and its number are right.
    pub(crate) fn world(&self, log: &dyn Log) -> Result<World, JournalError> {
        let pieces = Pieces { log, seq: self.at.seq, next: 0, piece: Vec::new(), at: 0, problem: None };
        // One byte more shows that there are too many.
        let pieces = pieces.take(self.bytes.saturating_add(1));
        let mut body = Hashing { from: pieces, hasher: blake3::Hasher::new(), bytes: 0 };
        let plain = Unpacker::new(BufReader::new(&mut body), unpacked_max(self.bytes))
            .map_err(|error| self.corrupt(format!("it can't be unpacked: {error}")))?;
        let mut image = Hashing { from: plain, hasher: blake3::Hasher::new(), bytes: 0 };
        let read = World::read_image(BufReader::with_capacity(64 * 1024, &mut image));
        let unpacking = image.from.problem().map(ToOwned::to_owned);
        let digest = *image.hasher.finalize().as_bytes();
        drop(image);
        if let Some(problem) = body.from.get_mut().problem.take() {
            return Err(problem);
        }
        // The image may end before its pieces do.
        std::io::copy(&mut body, &mut std::io::sink()).map_err(|error| self.corrupt(error.to_string()))?;
        if body.bytes != self.bytes || self.hash != self.expected_hash(body.hasher.finalize().as_bytes()) {
            return Err(self.corrupt("its hash does not fit its bytes"));
        }
        let world = match (read, unpacking) {
            (Ok(world), _) => world,
            (Err(_), Some(problem)) => return Err(self.corrupt(format!("it can't be unpacked: {problem}"))),
            (Err(error), None) => return Err(self.corrupt(error.to_string())),
        };
        if digest != self.digest {
            return Err(self.corrupt("its state is not the one of its digest"));
        }
        if world.seq() != self.at.seq {
            return Err(self.corrupt(format!("it is of record {}", world.seq())));
        }
        Ok(world)
    }
}

/// Hashes and counts the bytes that go by.
struct Hashing<R> {
    from: R,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(to)?;
        self.hasher.update(to.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The pieces of a snapshot, read one at a time.
struct Pieces<'l> {
    log: &'l dyn Log,
    seq: u64,
    next: u64,
    piece: Vec<u8>,
    at: usize,
    problem: Option<JournalError>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.piece.len() {
            match self.log.piece(self.seq, self.next) {
                Ok(Some(piece)) => (self.piece, self.at, self.next) = (piece, 0, self.next + 1),
                Ok(None) => return Ok(0),
                Err(error) => {
                    let told = std::io::Error::other(error.to_string());
                    self.problem = Some(error);
                    return Err(told);
                }
            }
        }
        let mut rest = self.piece.get(self.at..).unwrap_or_default();
        let read = rest.read(to)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_the_farther_apart_the_older_they_are() {
        let mut seqs: Vec<u64> = Vec::new();
        for end in (10..20_000).step_by(10) {
            seqs.insert(0, end);
            let gone = let_go(&seqs, 4);
            seqs.retain(|seq| !gone.contains(seq));
            let last: Vec<u64> = seqs.iter().copied().take(4).collect();
            let all: Vec<u64> =
                (0..4).map(|back| end.saturating_sub(10 * back)).filter(|seq| *seq > 0).collect();
            assert_eq!(last, all, "the last are there");
            // From any record it is no farther back to one than forward to the end, and a few.
            for moment in (1..end).step_by(7) {
                let near = seqs.iter().copied().find(|seq| *seq <= moment).unwrap_or_default();
                assert!(moment - near <= (end - moment) + 40, "{moment} of {end}: {seqs:?}");
            }
            assert!(seqs.len() <= 4 + 2 * (end / 10).ilog2() as usize, "{end}: {seqs:?}");
        }
    }
}
