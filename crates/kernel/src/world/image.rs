//! A world as bytes, its digest, and the audit of its books.

use std::io::Write;

use super::World;
use crate::{
    artifact::Artifact,
    id::Handle,
    record::FORMAT,
    resource::{ResourceId, ResourceKind},
    state::State,
};

/// Why the books of a world do not add up.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the books do not add up: {0}")]
pub struct AuditError(pub String);

/// Why bytes are no image of a world.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the image of the world can't be read: {0}")]
pub struct ImageError(pub String);

impl World {
    /// BLAKE3 of the canonical bytes of the whole state.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        struct Hash(blake3::Hasher);
        impl Write for Hash {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let buffered = std::io::BufWriter::with_capacity(64 * 1024, Hash(blake3::Hasher::new()));
        let hash = postcard::to_io(self, buffered).ok().and_then(|buffered| buffered.into_inner().ok());
        hash.map_or([0; 32], |hash| *hash.0.finalize().as_bytes())
    }

    /// The state as bytes.
    #[must_use]
    pub fn to_image(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// The state from bytes.
    ///
    /// # Errors
    /// When the bytes are no image of this format.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageError> {
        let (mut world, rest) =
            postcard::take_from_bytes::<Self>(bytes).map_err(|error| ImageError(error.to_string()))?;
        if !rest.is_empty() {
            return Err(ImageError(format!("{} bytes too many", rest.len())));
        }
        if world.format() != FORMAT {
            return Err(ImageError(format!("its format is {}, not {FORMAT}", world.format())));
        }
        world.reindex().map_err(ImageError)?;
        Ok(world)
    }

    /// Adds up the books: scrip against the supply, resources against what was allotted, and each
    /// principal's disk against the artifacts it owns.
    ///
    /// # Errors
    /// The first sum that is wrong.
    pub fn audit(&self) -> Result<(), AuditError> {
        self.audit_sums().and_then(|()| self.audit_disk()).map_err(AuditError)
    }

    fn audit_sums(&self) -> Result<(), String> {
        let mut scrip = 0_i128;
        let mut sums = vec![0_i128; self.rules().resources.len()];
        for (handle, artifact) in self.principals() {
            let number = artifact.account.ok_or("a principal without account")?;
            let account = State::account(self, number);
            if account.scrip < 0 {
                return Err(format!("`{}` has {} scrip", self.name(handle), account.scrip));
            }
            scrip += i128::from(account.scrip);
            for (at, (rule, sum)) in self.rules().resources.iter().zip(&mut sums).enumerate() {
                let resource = ResourceId(u16::try_from(at).map_err(|_| "too many resources")?);
                let cell = State::cell(self, number, resource).ok_or("a missing cell")?;
                *sum += i128::from(cell.limit);
                let over = match rule.kind {
                    ResourceKind::Depletable => {
                        *sum += i128::from(cell.used);
                        cell.limit < 0
                    }
                    ResourceKind::Renewable { .. } => cell.live(self.now()) > cell.limit,
                    ResourceKind::Allocatable => cell.used > cell.limit || cell.used < 0,
                    ResourceKind::Metered => cell.used < 0,
                };
                if over {
                    return Err(format!("`{}` is over its limit of `{}`", self.name(handle), rule.name));
                }
            }
        }
        if scrip != i128::from(self.supply()) {
            return Err(format!("there are {scrip} scrip, but {} came into being", self.supply()));
        }
        let totals = self.rules().resources.iter().zip(sums).zip(self.allotted());
        for ((rule, sum), allotted) in totals {
            if sum != i128::from(*allotted) {
                return Err(format!("there are {sum} of `{}`, but {allotted} came into being", rule.name));
            }
        }
        Ok(())
    }

    fn audit_disk(&self) -> Result<(), String> {
        let mut used = vec![(0_i64, 0_u32); self.accounts_len()];
        let owner_account = |artifact: &Artifact| self.get(artifact.owner).and_then(|owner| owner.account);
        for (_, artifact) in self.artifacts().filter(|(_, artifact)| !artifact.deleted) {
            let mut measured = artifact.clone();
            measured.measure();
            let stored: i64 =
                artifact.storage.iter().map(|(key, value)| crate::artifact::stored_bytes(key, value)).sum();
            if measured.size() != artifact.size() || stored != artifact.storage_bytes {
                return Err(format!("`{}` is not as large as it says", artifact.id()));
            }
            if let Some(row) = owner_account(artifact).and_then(|number| used.get_mut(number as usize)) {
                row.0 += artifact.size();
                row.1 += 1;
            }
        }
        for (handle, artifact) in self.principals() {
            let number = artifact.account.ok_or("a principal without account")?;
            let (bytes, owned) = used.get(number as usize).copied().unwrap_or_default();
            if self.used(handle, ResourceId::DISK) != bytes {
                let says = self.used(handle, ResourceId::DISK);
                return Err(format!("`{}` uses {bytes} bytes of disk, not {says}", self.name(handle)));
            }
            if State::account(self, number).owned != owned {
                return Err(format!("`{}` owns {owned} artifacts, not what it says", self.name(handle)));
            }
        }
        Ok(())
    }

    /// The handle that the next artifact will have.
    #[must_use]
    pub fn next_handle(&self) -> Handle {
        Handle(State::len(self))
    }
}
