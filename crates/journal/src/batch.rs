//! A batch of records as one row: its bytes, and the two hashes.

use std::io::{Read as _, Write as _};

use oikos_kernel::{
    limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, RECORD_BYTES_MAX},
    record::{DecodeError, Record},
};

use crate::{
    error::JournalError,
    log::Head,
    packed::{Packer, Unpacker, unpacked_max},
};

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Bytes that stand before each record: its length.
const LENGTH_BYTES: usize = 4;
/// How hard batches are compressed.
const LEVEL: i32 = 1;

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

/// A batch that is being put together.
struct Open {
    packer: Packer,
    seq_first: u64,
    count: usize,
    bytes: usize,
}

/// Packs consecutive records that follow `head` into as many rows as they need, and gives the head after
/// them.
pub(crate) fn pack(records: &[Record], epoch: u64, mut head: Head) -> Result<(Vec<Row>, Head), JournalError> {
    let mut rows = Vec::new();
    let mut open: Option<Open> = None;
    for record in records {
        let bytes = record.encode().map_err(|error| match error {
            DecodeError::TooLarge(bytes) => {
                let what = format!("record {}", record.seq);
                JournalError::TooLarge { what, bytes, max: RECORD_BYTES_MAX }
            }
            other @ DecodeError::Bytes(_) => other.into(),
        })?;
        let added = LENGTH_BYTES + bytes.len();
        let is_full =
            |batch: &Open| batch.bytes + added > BATCH_BYTES_MAX || batch.count == BATCH_RECORDS_MAX;
        if open.as_ref().is_some_and(is_full)
            && let Some(full) = open.take()
        {
            rows.push(full.close(epoch, &mut head)?);
        }
        let batch = match &mut open {
            Some(batch) => batch,
            slot => slot.insert(Open::new(record.seq)?),
        };
        batch.add(&bytes).map_err(|error| failed(record.seq, &error))?;
        head.journal_hash = chained(&head.journal_hash, &bytes);
    }
    if let Some(last) = open {
        rows.push(last.close(epoch, &mut head)?);
    }
    Ok((rows, head))
}

fn failed(seq: u64, error: &std::io::Error) -> JournalError {
    JournalError::corrupt(format!("a new batch with record {seq}"), error.to_string())
}

impl Open {
    fn new(seq_first: u64) -> Result<Self, JournalError> {
        let packer = Packer::new(LEVEL).map_err(|error| failed(seq_first, &error))?;
        Ok(Self { packer, seq_first, count: 0, bytes: 0 })
    }

    fn add(&mut self, record: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(record.len()).map_err(std::io::Error::other)?;
        self.packer.write_all(&length.to_le_bytes())?;
        self.packer.write_all(record)?;
        self.count += 1;
        self.bytes += LENGTH_BYTES + record.len();
        Ok(())
    }

    fn close(self, epoch: u64, head: &mut Head) -> Result<Row, JournalError> {
        let (seq_first, count) = (self.seq_first, self.count as u64);
        let body = self.packer.finish(0).map_err(|error| failed(seq_first, &error))?;
        let mut row = Row { seq_first, count, epoch, prev_hash: head.row_hash, hash: [0; 32], body };
        row.hash = row.expected_hash();
        head.seq += count;
        head.row_hash = row.hash;
        Ok(row)
    }
}

impl Row {
    /// The hash that the row should have.
    fn expected_hash(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.prev_hash);
        for number in [self.seq_first, self.count, self.epoch] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.body);
        *hasher.finalize().as_bytes()
    }

    /// The number of its last record; refuses a row whose hash is wrong, or whose numbers are impossible.
    pub(crate) fn check(&self) -> Result<u64, JournalError> {
        let last = self.seq_first.checked_add(self.count).and_then(|next| next.checked_sub(1));
        let problem = match (self.count, last) {
            (0, _) => "it has no records",
            (_, None) => "its records have no numbers",
            (count, _) if count > BATCH_RECORDS_MAX as u64 => "it has more records than a batch may have",
            _ if self.epoch == 0 => "its epoch is 0",
            _ if self.hash != self.expected_hash() => "its hash does not fit its bytes",
            (_, Some(last)) => return Ok(last),
        };
        Err(JournalError::corrupt(self.place(), problem))
    }

    pub(crate) fn place(&self) -> String {
        format!("the batch that begins with record {}", self.seq_first)
    }

    /// Gives the records of the row, one by one, once its hash is right; moves the chain of records on.
    pub(crate) fn records<E: From<JournalError>>(
        &self,
        journal_hash: &mut Hash,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let last = self.check()?;
        let corrupt = |problem: String| JournalError::corrupt(self.place(), problem);
        let most = unpacked_max(self.body.len() as u64).min(BATCH_BYTES_MAX as u64);
        let mut plain = Unpacker::new(self.body.as_slice(), most)
            .map_err(|error| corrupt(format!("it can't be unpacked: {error}")))?;
        let mut bytes = Vec::new();
        for seq in self.seq_first..=last {
            let read = next_record(&mut plain, &mut bytes);
            read.map_err(|problem| corrupt(unpacking(&plain, problem)))?;
            let record = Record::decode(&bytes).map_err(|error| corrupt(error.to_string()))?;
            if record.seq != seq {
                let problem = format!("it holds record {} where {seq} should be", record.seq);
                return Err(corrupt(problem).into());
            }
            *journal_hash = chained(journal_hash, &bytes);
            visit(record)?;
        }
        match plain.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(corrupt(format!("it says {} records and holds more", self.count)).into()),
            Err(_) => Err(corrupt(unpacking(&plain, String::new())).into()),
        }
    }
}

/// The problem, or the unpacker's own, which comes first.
fn unpacking<R: std::io::BufRead>(plain: &Unpacker<R>, problem: String) -> String {
    plain.problem().map_or(problem, |own| format!("it can't be unpacked: {own}"))
}

/// Reads the next record's bytes; memory is taken as they come.
fn next_record(plain: &mut impl std::io::Read, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut length = [0; LENGTH_BYTES];
    plain.read_exact(&mut length).map_err(|_| "it ends in the middle of a length")?;
    let length = u32::from_le_bytes(length);
    if u64::from(length) > RECORD_BYTES_MAX as u64 {
        return Err(format!(
            "it announces a record of {length} bytes, and none has more than {RECORD_BYTES_MAX}"
        ));
    }
    bytes.clear();
    match plain.take(u64::from(length)).read_to_end(bytes) {
        Ok(read) if read as u64 == u64::from(length) => Ok(()),
        Ok(_) | Err(_) => Err("it ends in the middle of a record".into()),
    }
}

fn chained(chain: &Hash, bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain);
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}
