//! Receipts: what an action did, as the one who submitted it is told.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

use crate::{
    record::{Cause, Charge, Effect, Event, Handle, Outcome, Record, Why},
    refusal::Refusal,
    time::Time,
};

/// A payment of scrip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Who paid.
    pub from: Handle,
    /// Who was paid.
    pub to: Handle,
    /// How much scrip.
    pub amount: i64,
    /// For what.
    pub why: Why,
}

/// What an action did (`DESIGN.md §16.2`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The record's number; `None` when it was refused at admission and left no record.
    pub seq: Option<u64>,
    /// When.
    pub time: Time,
    /// How it ended.
    pub outcome: Outcome,
    /// What was consumed, also when it failed.
    pub charges: Vec<Charge>,
    /// What was paid.
    pub payments: Vec<Payment>,
    /// What others may learn of it.
    pub events: Vec<Event>,
    /// What its code printed.
    pub output: String,
}

/// A receipt that is kept for later as its bytes, which take less room.
#[derive(Clone, Debug)]
pub(crate) struct Kept(Arc<[u8]>);

impl Kept {
    /// The receipt; `None` never, for what was kept.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        postcard::from_bytes(&self.0).ok()
    }
}

impl From<&Receipt> for Kept {
    fn from(receipt: &Receipt) -> Self {
        Self(postcard::to_stdvec(receipt).unwrap_or_default().into())
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let receipt = self.receipt().ok_or_else(|| S::Error::custom("no receipt"))?;
        receipt.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Self::from(&Receipt::deserialize(deserializer)?);
        if kept.0.is_empty() { Err(D::Error::custom("a receipt that can't be kept")) } else { Ok(kept) }
    }
}

impl Receipt {
    /// The receipt of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let payments = record.effects.iter().filter_map(|effect| match effect {
            Effect::Pay { from, to, amount, why } => {
                Some(Payment { from: *from, to: *to, amount: *amount, why: *why })
            }
            _ => None,
        });
        let output = match &record.cause {
            Cause::Act { output, .. } | Cause::Step { output, .. } => output.clone(),
            Cause::Genesis { .. } | Cause::Tick { .. } | Cause::Clock | Cause::Short { .. } => String::new(),
        };
        Self {
            seq: Some(record.seq),
            time: record.time,
            outcome: record.outcome.clone(),
            charges: record.charges.clone(),
            payments: payments.collect(),
            events: record.events.clone(),
            output,
        }
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
