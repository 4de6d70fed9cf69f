//! Receipts: what an action did, as the one who submitted it is told.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::{
    json::cut,
    limits,
    record::{Cause, Charge, Effect, Event, EventKind, Handle, Outcome, Record, Why},
    refusal::{Refusal, shorten},
    time::Time,
    world::World,
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
    /// What is left out of a receipt that was kept.
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
    fn to_json(self) -> Value {
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
    /// What is kept of a receipt.
    pub(crate) fn of(receipt: Receipt) -> Self {
        Self::cut(receipt, limits::RESULT_KEPT_BYTES_MAX)
    }

    /// The shortest form, where there is little room: at most [`limits::KEPT_SHORT_BYTES_MAX`].
    pub(crate) fn short(mut receipt: Receipt) -> Self {
        if let Outcome::Refused(refusal) = &mut receipt.outcome {
            shorten(&mut refusal.message, SHORT_MESSAGE_BYTES);
            refusal.hint = None;
        }
        let kept = Self::cut(receipt, SHORT_PART_BYTES);
        let (bytes, most) = (kept.bytes(), limits::KEPT_SHORT_BYTES_MAX);
        assert!(bytes <= most, "the shortest form of a receipt has {bytes} bytes, and none has more than {most}");
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
            Effect::Pay { from, to, amount, why } => {
                Some(Payment { from: *from, to: *to, amount: *amount, why: *why })
            }
            _ => None,
        });
        let output = match &record.cause {
            Cause::Act { output, .. } | Cause::Step { output, .. } => output.clone(),
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Clock
            | Cause::Short { .. } => String::new(),
        };
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

    /// The receipt on the wire, for `viewer`; `world` gives the names.
    #[must_use]
    pub fn to_json(&self, world: &World, viewer: Viewer) -> Value {
        let name = |handle: Handle| world.name(handle);
        let charges = self.charges.iter().map(|charge| {
            json!({
                "principal": name(charge.principal),
                "resource": world.rules().resource_name(charge.resource),
                "amount": charge.amount,
            })
        });
        let payments = self.payments.iter().map(|payment| {
            json!({
                "from": name(payment.from),
                "to": name(payment.to),
                "amount": payment.amount,
                "why": payment.why.as_str(),
            })
        });
        let seq = self.seq.unwrap_or(0);
        let events = self.events.iter().map(|event| event_json(world, seq, self.time, event, viewer));
        let mut map = Map::new();
        map.insert("seq".into(), self.seq.into());
        map.insert("time".into(), self.time.to_string().into());
        map.insert("ok".into(), self.outcome.is_ok().into());
        map.insert("result".into(), self.outcome.result());
        map.insert("error".into(), self.refusal().map_or(Value::Null, Refusal::to_json));
        let or_cut = |cut: Option<Cut>, whole: Value| cut.map_or(whole, Cut::to_json);
        map.insert("charges".into(), or_cut(self.cuts.charges, charges.collect()));
        map.insert("payments".into(), or_cut(self.cuts.payments, payments.collect()));
        map.insert("events".into(), or_cut(self.cuts.events, events.collect()));
        if !self.output.is_empty() || self.cuts.output.is_some() {
            map.insert("output".into(), or_cut(self.cuts.output, self.output.clone().into()));
        }
        Value::Object(map)
    }
}

/// Who looks at an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// An observer, who may see all.
    Observer,
    /// An artifact, if it is known which.
    Artifact(Option<Handle>),
}

impl Viewer {
    /// Whether the viewer may read what went wrong inside an artifact's code: its lines are in it.
    fn may_see_inside(self, world: &World, artifact: Option<Handle>) -> bool {
        let Self::Artifact(viewer) = self else { return true };
        let owner = artifact.and_then(|artifact| world.get(artifact)).map(|artifact| artifact.owner());
        viewer.is_some() && (viewer == artifact || viewer == owner)
    }
}

/// An event on the wire: the one schema of `docs/events.md`.
#[must_use]
pub fn event_json(world: &World, seq: u64, time: Time, event: &Event, viewer: Viewer) -> Value {
    let mut map = Map::new();
    map.insert("seq".into(), seq.into());
    map.insert("time".into(), time.to_string().into());
    map.insert("type".into(), event.kind.as_str().into());
    map.insert("actor".into(), world.name(event.actor).into());
    if let Some(artifact) = event.artifact {
        map.insert("artifact".into(), world.name(artifact).into());
    }
    if let Some(to) = event.to {
        map.insert("to".into(), world.name(to).into());
    }
    if let Some(amount) = event.amount {
        map.insert("amount".into(), amount.into());
    }
    if let Some(resource) = event.resource {
        map.insert("resource".into(), world.rules().resource_name(resource).into());
    }
    let inside = matches!(event.kind, EventKind::ContractError | EventKind::MindError);
    let shown = event.detail.as_ref().filter(|_| !inside || viewer.may_see_inside(world, event.artifact));
    if let Some(detail) = shown {
        map.insert("detail".into(), detail.clone().into());
    }
    Value::Object(map)
}
