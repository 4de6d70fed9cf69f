//! Receipts: the account of an action for its submitter.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    json::{Json, cut},
    limits,
    record::{Charge, Effect, Event, Handle, Outcome, Record, Why},
    refusal::Refusal,
    time::Time,
};

/// A payment of scrip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The payer.
    pub from: Handle,
    /// The payee.
    pub to: Handle,
    /// How much scrip.
    pub amount: i64,
    /// For what.
    pub why: Why,
    /// The artifact that asks for it: the one whose price it is, or the contract.
    pub of: Option<Handle>,
}

/// The account of an action: outcome, charges, payments and events (`DESIGN.md §16.2`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The record's number; `None` when it was refused at admission and left no record.
    pub seq: Option<u64>,
    /// When.
    pub time: Time,
    /// How it ended.
    pub outcome: Outcome,
    /// The resources consumed, also when it failed.
    pub charges: Vec<Charge>,
    /// The scrip that moved.
    pub payments: Vec<Payment>,
    /// The events it made.
    pub events: Vec<Event>,
    /// The output of its code.
    pub output: String,
    /// The parts left out of a receipt that was kept.
    pub cuts: Cuts,
}

/// The parts of a kept receipt that were too long to keep: of each its size and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuts {
    /// In the place of the charges.
    pub charges: Option<Cut>,
    /// In the place of the payments.
    pub payments: Option<Cut>,
    /// In the place of the events.
    pub events: Option<Cut>,
    /// In the place of the output.
    pub output: Option<Cut>,
}

/// A part that was too long to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Bytes of it, as the journal writes it.
    pub bytes: u64,
    /// BLAKE3 of them.
    pub hash: [u8; 32],
}

impl Cut {
    pub(crate) fn to_json(self) -> Value {
        cut(usize::try_from(self.bytes).unwrap_or(usize::MAX), self.hash.into())
    }

    /// Cuts a part that has more bytes than may be kept.
    fn longer_than<T: Default + Serialize>(part: &mut T, bytes_max: usize) -> Option<Self> {
        let bytes = written(part);
        if bytes.len() <= bytes_max {
            return None;
        }
        *part = T::default();
        Some(Self { bytes: bytes.len() as u64, hash: *blake3::hash(&bytes).as_bytes() })
    }
}

#[expect(clippy::expect_used, reason = "parts of receipts are plain data, which the encoder always takes")]
fn written<T: Serialize>(part: &T) -> Vec<u8> {
    postcard::to_stdvec(part).expect("a receipt can be written")
}

/// A receipt that is kept for later as its bytes, which take less room. None of its parts is longer than
/// [`limits::RESULT_KEPT_BYTES_MAX`].
#[derive(Clone, Debug)]
pub(crate) struct Kept(Arc<[u8]>);

/// Bytes of a list or a text that the shortest form of a kept receipt has whole.
const SHORT_PART_BYTES: usize = 8;
/// Bytes of a sentence that the shortest form has.
const SHORT_MESSAGE_BYTES: usize = 256;

impl Kept {
    /// A receipt as it is kept: parts that are too long are cut.
    pub(crate) fn of(receipt: Receipt) -> Self {
        Self::cut(receipt, limits::RESULT_KEPT_BYTES_MAX)
    }

    /// The shortest form, where there is little room: at most [`limits::KEPT_SHORT_BYTES_MAX`].
    pub(crate) fn short(mut receipt: Receipt) -> Self {
        if let Outcome::Refused(refusal) = &mut receipt.outcome {
            refusal.shorten(SHORT_MESSAGE_BYTES, 0, 0);
        }
        let kept = Self::cut(receipt, SHORT_PART_BYTES);
        let (bytes, most) = (kept.bytes(), limits::KEPT_SHORT_BYTES_MAX);
        assert!(
            bytes <= most,
            "the shortest form of a receipt has {bytes} bytes, and none has more than {most}"
        );
        kept
    }

    fn cut(mut receipt: Receipt, bytes_max: usize) -> Self {
        if let Outcome::Done(result) = &mut receipt.outcome {
            *result = result.within(bytes_max);
        }
        receipt.cuts.charges = Cut::longer_than(&mut receipt.charges, bytes_max);
        receipt.cuts.payments = Cut::longer_than(&mut receipt.payments, bytes_max);
        receipt.cuts.events = Cut::longer_than(&mut receipt.events, bytes_max);
        receipt.cuts.output = Cut::longer_than(&mut receipt.output, bytes_max);
        Self(written(&receipt).into())
    }

    /// The receipt.
    #[expect(clippy::expect_used, reason = "the bytes were made of a receipt, and nothing changes them")]
    pub(crate) fn receipt(&self) -> Receipt {
        postcard::from_bytes(&self.0).expect("a kept receipt can be read")
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.receipt().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(written(&Receipt::deserialize(deserializer)?).into()))
    }
}

impl Receipt {
    /// The receipt of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let payments = record.effects.iter().filter_map(|effect| match effect {
            Effect::Pay { from, to, amount, why, of } => {
                Some(Payment { from: *from, to: *to, amount: *amount, why: *why, of: *of })
            }
            _ => None,
        });
        let output = record.cause.act().map_or_else(String::new, |(_, output)| output.to_owned());
        Self {
            seq: Some(record.seq),
            time: record.time,
            outcome: record.outcome.clone(),
            charges: record.charges.clone(),
            payments: payments.collect(),
            events: record.events.clone(),
            output,
            cuts: Cuts::default(),
        }
    }

    /// The receipt for who waits for it now: with the whole result, where the record holds its size and hash.
    #[must_use]
    pub fn with_whole(mut self, result: Option<Json>) -> Self {
        if let Some(result) = result {
            self.outcome = Outcome::Done(result);
        }
        self
    }

    /// The receipt of an action that was refused at admission: it consumed nothing and left no record.
    #[must_use]
    pub fn refused(time: Time, refusal: Refusal) -> Self {
        Self {
            seq: None,
            time,
            outcome: Outcome::Refused(Box::new(refusal)),
            charges: Vec::new(),
            payments: Vec::new(),
            events: Vec::new(),
            output: String::new(),
            cuts: Cuts::default(),
        }
    }

    /// Why it was refused or failed.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            Outcome::Nothing | Outcome::Done(_) => None,
        }
    }
}
