//! What the world shows of receipts and events: names in the place of numbers, and only what the viewer may see.

use serde_json::{Map, Value, json};

use super::World;
use crate::{
    event::{Event, EventKind},
    id::Handle,
    receipt::{Cut, Receipt},
    refusal::Refusal,
    time::Time,
};

impl Receipt {
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
