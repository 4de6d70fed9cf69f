//! What an agent sees before it thinks (`DESIGN.md §11`).

use serde_json::{Map, Value, json};

use super::{
    World,
    wire::{Viewer, event_json},
};
use crate::{
    id::Handle,
    resource::{ResourceId, ResourceKind},
    state::State,
    time::{Time, format_duration_ms},
};

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
            .map(|event| event_json(self, event.seq, event.time, &event.event, Viewer::Artifact(Some(agent))))
            .collect();
        let keys: Vec<&str> = artifact.storage.keys().take(STORAGE_KEYS_MAX).map(AsRef::as_ref).collect();
        let missed = row.and_then(|row| row.inbox.as_ref()).map(|inbox| inbox.missed()).unwrap_or_default();
        let digest: Map<String, Value> =
            missed.iter().map(|(kind, count)| (kind.as_str().to_owned(), (*count).into())).collect();
        let woke = row.and_then(|row| self.woke(row, now));
        json!({
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
        })
    }

    fn observed_resources(&self, agent: Handle, now: Time) -> Value {
        let rules = self.rules();
        let number = self.get(agent).and_then(|artifact| artifact.account);
        let since = self.get(agent).map_or(rules.start, |artifact| artifact.created_at);
        let elapsed_ms = (now.ms() - since.ms()).max(1);
        let mut all = Map::new();
        for (at, rule) in rules.resources.iter().enumerate() {
            let resource = ResourceId(u16::try_from(at).unwrap_or(u16::MAX));
            let Some(cell) = number.and_then(|number| State::cell(self, number, resource)) else {
                continue;
            };
            let free = cell.free(rule.kind, now);
            let per_minute = |used: i64, ms: i64| {
                i64::try_from(i128::from(used) * 60_000 / i128::from(ms.max(1))).unwrap_or(i64::MAX)
            };
            all.insert(rule.name.clone(), match rule.kind {
                ResourceKind::Renewable { window_ms } => json!({
                    "kind": "renewable", "rate": cell.limit, "window": format_duration_ms(window_ms),
                    "capacity": free, "burn_per_minute": per_minute(cell.live(now), rules.counts_ms(window_ms)),
                    "time_until_capacity": cell
                        .free_at(rules, rule.kind, now, 0, self.least_use(agent, resource))
                        .map(|at| format_duration_ms(at.ms() - now.ms())),
                }),
                ResourceKind::Depletable => json!({
                    "kind": "depletable", "capacity": free,
                    "burn_per_minute": per_minute(cell.used, elapsed_ms),
                    "time_until_exhaustion": lasts_ms(free, cell.used, elapsed_ms).map(format_duration_ms),
                }),
                ResourceKind::Allocatable => {
                    json!({ "kind": "allocatable", "quota": cell.limit, "capacity": free, "used": cell.used })
                }
                ResourceKind::Metered => continue,
            });
        }
        Value::Object(all)
    }

    /// The least that an agent can do something with: of CPU what a step needs, else one unit.
    fn least_use(&self, agent: Handle, resource: ResourceId) -> i64 {
        let row = self.agent(agent).filter(|_| resource == ResourceId::CPU);
        row.map_or(1, |row| self.step_need(row))
    }
}

/// How long a balance lasts, in milliseconds, if it is used as it was until now.
fn lasts_ms(balance: i64, used: i64, elapsed_ms: i64) -> Option<i64> {
    let ms = i128::from(balance) * i128::from(elapsed_ms);
    (used > 0).then(|| i64::try_from(ms / i128::from(used)).unwrap_or(i64::MAX))
}
