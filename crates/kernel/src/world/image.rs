//! A world as bytes, its digest, and the audit of its books.

use std::io::{BufRead, Read as _, Write};

use postcard::{Error as Encoding, de_flavors::Flavor};
use serde::Deserialize as _;

use super::World;
use crate::{
    artifact::Artifact,
    id::Handle,
    limits,
    mandate::MandateKey,
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

/// Bytes that are hashed at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes as they come, for the decoder.
struct Incoming<'r, R> {
    from: &'r mut R,
    /// The bytes that the decoder looks at.
    piece: Vec<u8>,
}

impl<'r, R: BufRead> Flavor<'r> for Incoming<'r, R> {
    type Remainder = ();
    type Source = &'r mut R;

    fn pop(&mut self) -> Result<u8, Encoding> {
        let byte = self.from.fill_buf().ok().and_then(|bytes| bytes.first().copied());
        self.from.consume(usize::from(byte.is_some()));
        byte.ok_or(Encoding::DeserializeUnexpectedEnd)
    }

    /// None of a length that is announced is believed.
    fn size_hint(&self) -> Option<usize> {
        Some(0)
    }

    fn try_take_n(&mut self, _: usize) -> Result<&'r [u8], Encoding> {
        // Nothing outlives the piece that it came in; the types of a world own their bytes.
        Err(Encoding::WontImplement)
    }

    fn try_take_n_temp<'a>(&'a mut self, count: usize) -> Result<&'a [u8], Encoding>
    where
        'r: 'a,
    {
        self.piece.clear();
        let wanted = u64::try_from(count).map_err(|_| Encoding::DeserializeUnexpectedEnd)?;
        match self.from.by_ref().take(wanted).read_to_end(&mut self.piece) {
            Ok(read) if read == count => Ok(&self.piece),
            Ok(_) | Err(_) => Err(Encoding::DeserializeUnexpectedEnd),
        }
    }

    fn finalize(self) -> Result<(), Encoding> {
        Ok(())
    }
}

impl World {
    /// BLAKE3 of the canonical bytes of the whole state.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a hasher takes every byte")]
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
        let mut buffered = std::io::BufWriter::with_capacity(PIECE_BYTES, Hash(blake3::Hasher::new()));
        self.write_image(&mut buffered).expect("a world has bytes");
        let hash =
            buffered.into_inner().map_err(|error| error.into_error()).expect("a hasher takes every byte");
        *hash.0.finalize().as_bytes()
    }

    /// Writes the state as bytes, in small pieces.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_image(&self, to: impl Write) -> Result<(), ImageError> {
        postcard::to_io(self, to).map(drop).map_err(|error| ImageError(error.to_string()))
    }

    /// The state as bytes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "memory takes every byte")]
    pub fn to_image(&self) -> Vec<u8> {
        let mut image = Vec::new();
        self.write_image(&mut image).expect("memory takes every byte");
        image
    }

    /// The state from bytes.
    ///
    /// # Errors
    /// When the bytes are no image of this format.
    pub fn from_image(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::read_image(bytes)
    }

    /// The state from bytes as they come. Memory is taken as bytes come, not for an announced length.
    ///
    /// # Errors
    /// When the bytes are no image of this format, or the reader fails.
    pub fn read_image(mut from: impl BufRead) -> Result<Self, ImageError> {
        let source = Incoming { from: &mut from, piece: Vec::new() };
        let mut reader = postcard::Deserializer::from_flavor(source);
        let mut world = Self::deserialize(&mut reader).map_err(|error| ImageError(error.to_string()))?;
        if !from.fill_buf().map_err(|error| ImageError(error.to_string()))?.is_empty() {
            return Err(ImageError("it has bytes too many".into()));
        }
        if world.format() != FORMAT {
            return Err(ImageError(format!("its format is {}, not {FORMAT}", world.format())));
        }
        world.reindex().map_err(ImageError)?;
        Ok(world)
    }

    /// Whether every handle and number is of something that there is.
    pub(super) fn check_numbers(&self) -> Result<(), String> {
        let (artifacts, accounts, agents) = (State::len(self), self.accounts_len(), self.agents_len());
        let resources = self.rules.resources.len();
        self.rules.check().map_err(|(field, problem)| format!("its `{field}`: {problem}"))?;
        if self.seq > 0 && self.allotted.len() != resources {
            return Err("it has not one total for each resource".into());
        }
        if self.holders.len() != accounts as usize || self.cells.len() != accounts as usize * resources {
            return Err("its accounts are not as many as their holders".into());
        }
        let mut handles = self.artifacts.iter().flat_map(|artifact| artifact.handles());
        let mut others = self.holders.iter().copied().chain(self.agents.iter().map(|agent| agent.handle));
        let mut told = self.events.iter().flat_map(|row| row.event.handles());
        if handles.any(|handle| handle.0 >= artifacts)
            || others.any(|handle| handle.0 >= artifacts)
            || told.any(|handle| handle.0 >= artifacts)
        {
            return Err("it names an artifact that is not there".into());
        }
        let ill =
            self.health.tallies.iter().map(|tally| tally.first).filter(|first| *first != Handle::NOBODY);
        if ill.into_iter().any(|handle| handle.0 >= artifacts) {
            return Err("it tells of the health of nobody".into());
        }
        let numbers = self.artifacts.iter().map(|artifact| (artifact.account, artifact.agent));
        let beyond = |(account, agent): (Option<u32>, Option<u32>)| {
            account.is_some_and(|number| number >= accounts) || agent.is_some_and(|number| number >= agents)
        };
        if numbers.into_iter().any(beyond) || self.action_ids.keys().any(|number| *number >= accounts) {
            return Err("it names an account that is not there".into());
        }
        if !self
            .artifacts
            .iter()
            .filter_map(|artifact| artifact.memory.as_ref())
            .all(|memory| memory.is_sound())
        {
            return Err("it has a memory that is not as it says".into());
        }
        if self.verdicts.handles().any(|handle| handle.0 >= artifacts) {
            return Err("it keeps a verdict about nothing".into());
        }
        let no_party = |(giver, holder, _): &MandateKey| {
            let live = |who: Handle| self.get(who).filter(|artifact| !artifact.deleted);
            live(*giver).is_none_or(|giver| giver.account.is_none()) || live(*holder).is_none()
        };
        if self.mandates.iter().any(|(key, _)| no_party(key)) {
            return Err("it has a mandate of nobody".into());
        }
        self.check_facts()
    }

    /// Adds up the books: scrip against the supply, resources against what was allotted, and each
    /// principal's disk against the artifacts it owns.
    ///
    /// # Errors
    /// The first sum that is wrong.
    pub fn audit(&self) -> Result<(), AuditError> {
        self.audit_founding()
            .and_then(|()| self.audit_sums())
            .and_then(|()| self.audit_disk())
            .and_then(|()| self.audit_facts())
            .and_then(|()| self.audit_holds())
            .map_err(AuditError)
    }

    fn audit_founding(&self) -> Result<(), String> {
        let (there, founders) = (State::len(self), self.founders());
        if there < founders {
            return Err(format!("{there} of {founders} artifacts are founded"));
        }
        Ok(())
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
            for ((resource, rule), sum) in self.rules().by_id().zip(&mut sums) {
                let cell = State::cell(self, number, resource).ok_or("a missing cell")?;
                *sum += i128::from(cell.limit);
                let over = match rule.kind {
                    ResourceKind::Depletable => {
                        *sum += i128::from(cell.used);
                        cell.limit < cell.asked || cell.asked < 0
                    }
                    ResourceKind::Renewable { .. } => cell.live(self.now()) + cell.asked > cell.limit,
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
        let mut used = vec![(0_i64, 0_u32); self.accounts_len() as usize];
        // Tombstones may be paid by another than their last owner, but all of them are paid.
        let (mut tombstones, mut buried) = (0_i64, 0_i64);
        let owner_account = |artifact: &Artifact| self.get(artifact.owner).and_then(|owner| owner.account);
        for (_, artifact) in self.artifacts() {
            let mut measured = artifact.clone();
            measured.measure();
            let stored: i64 =
                artifact.storage.iter().map(|(key, value)| crate::artifact::stored_bytes(key, value)).sum();
            let sound = artifact.memory.as_ref().is_none_or(|memory| memory.is_sound());
            if measured.size() != artifact.size() || stored != artifact.storage_bytes || !sound {
                return Err(format!("`{}` is not as large as it says", artifact.id()));
            }
            let row = owner_account(artifact).and_then(|number| used.get_mut(number as usize));
            match row {
                Some(_) if artifact.deleted => tombstones += artifact.size(),
                Some(row) => {
                    row.0 += artifact.size();
                    row.1 += 1;
                }
                // An artifact of the library owns itself, and has no account.
                None => {}
            }
        }
        for (handle, artifact) in self.principals() {
            let number = artifact.account.ok_or("a principal without account")?;
            let (bytes, owned) = *used.get(number as usize).ok_or("an account that is not there")?;
            let account = State::account(self, number);
            if account.kept != self.kept_bytes(number) {
                return Err(format!(
                    "`{}` keeps receipts that are not as large as it says",
                    self.name(handle)
                ));
            }
            buried += account.buried;
            let mandates = State::mandates_given(self, handle).len();
            let given = i64::try_from(mandates).unwrap_or(i64::MAX).saturating_mul(limits::MANDATE_BYTES);
            let bytes = bytes + account.buried + account.kept + given;
            if self.used(handle, ResourceId::DISK) != bytes {
                let says = self.used(handle, ResourceId::DISK);
                return Err(format!("`{}` uses {bytes} bytes of disk, not {says}", self.name(handle)));
            }
            if account.owned != owned {
                return Err(format!("`{}` owns {owned} artifacts, not what it says", self.name(handle)));
            }
        }
        if buried != tombstones {
            return Err(format!("tombstones take {tombstones} bytes of disk, and {buried} are paid"));
        }
        Ok(())
    }

    /// The handle that the next artifact will have.
    #[must_use]
    pub fn next_handle(&self) -> Handle {
        Handle(State::len(self))
    }
}
