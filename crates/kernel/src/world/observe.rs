//! The observation of an agent before it thinks (`DESIGN.md §11`).

use serde_json::{Map, Value, json};

use super::{
    World,
    wire::{Viewer, row_json},
};
use crate::{id::Handle, resource::ResourceKind, time::Time};

/// Storage keys an observation names; `storage_list` has all.
const STORAGE_KEYS_MAX: usize = 100;

impl World {
    /// The observation of an agent on this snapshot, which holds `population` agents.
    #[must_use]
    pub fn observation(&self, agent: Handle, now: Time, population: usize) -> Value {
        let Some(artifact) = self.get(agent) else {
            return Value::Null;
        };
        let row = self.agent(agent);
        let events: Vec<Value> = row
            .into_iter()
            .filter_map(|row| row.inbox.as_ref())
            .flat_map(|inbox| inbox.events())
            .filter_map(|row| row_json(self, row, Viewer::Artifact(Some(agent))))
            .collect();
        let keys: Vec<&str> = artifact.storage.keys().take(STORAGE_KEYS_MAX).map(AsRef::as_ref).collect();
        let missed = row.and_then(|row| row.inbox.as_ref()).map(|inbox| inbox.missed()).unwrap_or_default();
        let digest: Map<String, Value> =
            missed.iter().map(|(kind, count)| (kind.as_str().to_owned(), (*count).into())).collect();
        let woke = row.and_then(|row| self.woke(row, now));
        let mut seen = json!({
            "now": now.to_string(),
            "tick": self.tick().map(|tick| tick.number),
            "step": row.map_or(0, |row| row.steps),
            "woke": woke.map(|woke| self.woke_json(woke)),
            "self": {
                "id": artifact.id(),
                "owner": self.name(artifact.owner),
                "scrip": self.scrip(agent),
                "resources": self.observed_resources(agent, now),
                "content": artifact.content(),
                "storage_keys": keys,
            },
            "last": row.and_then(|row| row.last()).map(|receipt| receipt.to_json(self, Viewer::Artifact(Some(agent)))),
            "events": events,
            "events_missed": missed.values().sum::<u64>(),
            "missed": digest,
            "population": population,
        });
        let phase = self.tick().and_then(|tick| self.rules().phase(tick.phase));
        if let (Some(phase), Some(seen)) = (phase, seen.as_object_mut()) {
            seen.insert("phase".into(), phase.into());
        }
        if let (Some(parameters), Some(seen)) = (self.rules().named_parameters(), seen.as_object_mut()) {
            seen.insert("parameters".into(), parameters.to_value());
        }
        seen
    }

    /// The resources that limit an agent; those that are merely metered are not for minds.
    fn observed_resources(&self, agent: Handle, now: Time) -> Value {
        let mut all = self.resources_json(agent, now);
        for rule in self.rules().resources.iter().filter(|rule| rule.kind == ResourceKind::Metered) {
            all.remove(&rule.name);
        }
        Value::Object(all)
    }
}
