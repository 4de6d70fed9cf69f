//! Receipts: what an action did, as the one who submitted it is told.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::{Map, Value, json};

use crate::{
    record::{Cause, Charge, Effect, Event, EventKind, Handle, Outcome, Record, Why},
    refusal::Refusal,
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
        map.insert("charges".into(), charges.collect());
        map.insert("payments".into(), payments.collect());
        map.insert("events".into(), events.collect());
        if !self.output.is_empty() {
            map.insert("output".into(), self.output.clone().into());
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
