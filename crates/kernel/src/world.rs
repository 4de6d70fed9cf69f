//! The state of a world (interface).
use crate::{record::Record, time::Time};
/// A world.
#[derive(Clone, Debug, Default)]
pub struct World { seq: u64, now: Time }
/// Why a record does not fit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("record {seq} does not fit the world: {problem}")]
pub struct ApplyError {
    /// seq
    pub seq: u64,
    /// what
    pub problem: String }
/// Why books do not balance.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct AuditError(pub String);
/// Why an image is none.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ImageError(pub String);
impl World {
    /// A world before its first record.
    #[must_use]
    pub fn empty() -> Self { Self::default() }
    /// Applies the next record; on an error the world must be thrown away.
    /// # Errors
    /// When a guard of the record fails: the journal is corrupt.
    pub fn apply(&mut self, record: &Record) -> Result<(), ApplyError> {
        if record.seq != self.seq + 1 { return Err(ApplyError { seq: record.seq, problem: format!("expected {}", self.seq + 1) }); }
        self.seq = record.seq; self.now = record.time; Ok(()) }
    /// The last applied record's number; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u64 { self.seq }
    /// The last applied record's time.
    #[must_use]
    pub fn now(&self) -> Time { self.now }
    /// BLAKE3 of the canonical state.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] { *blake3::hash(&self.seq.to_le_bytes()).as_bytes() }
    /// Conservation of scrip and resources, quotas, sizes: the books against the artifacts.
    /// # Errors
    /// The first thing that does not add up.
    pub fn audit(&self) -> Result<(), AuditError> { Ok(()) }
    /// The state as bytes.
    #[must_use]
    pub fn to_image(&self) -> Vec<u8> { let mut b = self.seq.to_le_bytes().to_vec(); b.extend(self.now.ms().to_le_bytes()); b }
    /// The state from bytes.
    /// # Errors
    /// When the bytes are no image of this format.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageError> {
        let seq = bytes.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).ok_or_else(|| ImageError("short".into()))?;
        let ms = bytes.get(8..16).and_then(|b| b.try_into().ok()).map(i64::from_le_bytes).ok_or_else(|| ImageError("short".into()))?;
        Ok(Self { seq, now: Time::from_ms(ms).ok_or_else(|| ImageError("time".into()))? }) }
}
