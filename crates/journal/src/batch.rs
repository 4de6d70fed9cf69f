//! A batch of records as one row: its bytes, and the two hashes.

use oikos_kernel::record::Record;

use crate::error::JournalError;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Bytes of one batch before compression; a row that unpacks to more is no batch of ours.
const BATCH_BYTES_MAX: usize = 1 << 30;

/// A row of the table `journal`, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seq_first: u64,
    pub(crate) count: u64,
    pub(crate) epoch: u64,
    pub(crate) prev_hash: Hash,
    pub(crate) hash: Hash,
    pub(crate) body: Vec<u8>,
}

impl Row {
    /// Packs consecutive records, at least one, and moves the chain of records on.
    pub(crate) fn pack(
        records: &[Record],
        epoch: u64,
        prev_hash: Hash,
        journal_hash: &mut Hash,
    ) -> Result<Self, JournalError> {
        let mut plain = Vec::new();
        let mut chain = *journal_hash;
        for record in records {
            let bytes = record.encode()?;
            chain = chained(&chain, &bytes);
            let length = u32::try_from(bytes.len())
                .map_err(|_| JournalError::corrupt(format!("record {}", record.seq), "it is too large"))?;
            plain.extend_from_slice(&length.to_le_bytes());
            plain.extend_from_slice(&bytes);
        }
        let body = zstd::bulk::compress(&plain, 1)
            .map_err(|error| JournalError::corrupt("a new batch", error.to_string()))?;
        *journal_hash = chain;
        let seq_first = records.first().map_or(0, |record| record.seq);
        let mut row = Self { seq_first, count: records.len() as u64, epoch, prev_hash, hash: [0; 32], body };
        row.hash = row.expected_hash();
        Ok(row)
    }

    /// The hash that the row should have.
    pub(crate) fn expected_hash(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.prev_hash);
        for number in [self.seq_first, self.count, self.epoch] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.body);
        *hasher.finalize().as_bytes()
    }

    /// Refuses a row whose hash is wrong, or that holds no record.
    pub(crate) fn check_hash(&self) -> Result<(), JournalError> {
        let problem = match self.count {
            0 => "it has no records",
            _ if self.hash != self.expected_hash() => "its hash does not fit its bytes",
            _ => return Ok(()),
        };
        Err(JournalError::corrupt(self.place(), problem))
    }

    fn place(&self) -> String {
        format!("the batch that begins with record {}", self.seq_first)
    }

    /// The records of the row, whose hash must be right; moves the chain of records on.
    pub(crate) fn unpack(&self, journal_hash: &mut Hash) -> Result<Vec<Record>, JournalError> {
        let corrupt = |problem: String| JournalError::corrupt(self.place(), problem);
        self.check_hash()?;
        let plain = zstd::bulk::decompress(&self.body, BATCH_BYTES_MAX.min(unpacked_bytes(&self.body)))
            .map_err(|error| corrupt(format!("it can't be unpacked: {error}")))?;
        let mut rest = plain.as_slice();
        let mut records = Vec::new();
        while !rest.is_empty() {
            let cut = rest.split_first_chunk::<4>();
            let (length, tail) = cut.ok_or_else(|| corrupt("it ends in the middle of a length".into()))?;
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let (bytes, tail) = tail
                .split_at_checked(length)
                .ok_or_else(|| corrupt("it ends in the middle of a record".into()))?;
            let record = Record::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
            let seq = self.seq_first + records.len() as u64;
            if record.seq != seq {
                return Err(corrupt(format!("it holds record {} where {seq} should be", record.seq)));
            }
            *journal_hash = chained(journal_hash, bytes);
            records.push(record);
            rest = tail;
        }
        if records.len() as u64 != self.count {
            return Err(corrupt(format!("it says {} records and holds {}", self.count, records.len())));
        }
        Ok(records)
    }
}

/// The size that a compressed body announces; a body that announces nothing is not ours.
fn unpacked_bytes(body: &[u8]) -> usize {
    zstd::zstd_safe::get_frame_content_size(body)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(0)
}

fn chained(chain: &Hash, bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

/// Compresses the image of a snapshot.
pub(crate) fn compress(bytes: &[u8]) -> Result<Vec<u8>, JournalError> {
    zstd::bulk::compress(bytes, 3).map_err(|error| JournalError::corrupt("a new snapshot", error.to_string()))
}

/// Unpacks the image of a snapshot. What it announces of its size is not trusted with memory.
pub(crate) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, String> {
    zstd::stream::decode_all(bytes).map_err(|error| error.to_string())
}
