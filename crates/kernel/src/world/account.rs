//! A principal's resources as JSON: the one shape that queries, observations and `inspect` show.

use serde_json::{Map, Value, json};

use super::World;
use crate::{
    cell::Cell,
    id::Handle,
    resource::{ResourceId, ResourceKind, ResourceRule},
    rules::Rules,
    state::State,
    time::{Time, format_duration_ms},
};

/// A principal's part of one resource at an instant.
pub(crate) struct Holding<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) rule: &'a ResourceRule,
    pub(crate) cell: &'a Cell,
    /// The use by an action under way, which the cell does not know yet.
    pub(crate) spent: i64,
    pub(crate) now: Time,
    /// When the principal came into being.
    pub(crate) since: Time,
    /// The least amount with which the principal can do something.
    pub(crate) least: i64,
}

impl Holding<'_> {
    /// How much could be used now.
    pub(crate) fn free(&self) -> i64 {
        self.cell.free(self.rule.kind, self.now).saturating_sub(self.spent)
    }

    /// With the amount that is set aside for a thought under way, if some is.
    pub(crate) fn to_json(&self) -> Value {
        let mut shown = self.without_holds();
        if let (true, Value::Object(map)) = (self.cell.asked > 0, &mut shown) {
            map.insert("held".into(), self.cell.asked.into());
        }
        shown
    }

    fn without_holds(&self) -> Value {
        let used = self.cell.used.saturating_add(self.spent);
        let kind = self.rule.kind.as_str();
        match self.rule.kind {
            ResourceKind::Renewable { window_ms } => {
                let in_window = self.cell.live(self.now).saturating_add(self.spent);
                json!({
                    "kind": kind, "rate": self.cell.limit, "window": format_duration_ms(window_ms),
                    "capacity": self.free(), "used": in_window, "used_total": used,
                    "burn_per_minute": per_minute(in_window, self.rules.counts_ms(window_ms)),
                    "time_until_capacity": self
                        .cell
                        .free_at(self.rules, self.rule.kind, self.now, self.spent, self.least)
                        .map(|at| format_duration_ms(at.ms() - self.now.ms())),
                })
            }
            ResourceKind::Depletable => {
                let (free, elapsed_ms) = (self.free(), (self.now.ms() - self.since.ms()).max(1));
                json!({
                    "kind": kind, "balance": free, "capacity": free, "used": used,
                    "burn_per_minute": per_minute(used, elapsed_ms),
                    "time_until_exhaustion": lasts_ms(free, used, elapsed_ms).map(format_duration_ms),
                })
            }
            ResourceKind::Allocatable => {
                json!({ "kind": kind, "quota": self.cell.limit, "capacity": self.free(), "used": used })
            }
            ResourceKind::Metered => json!({ "kind": kind, "used": used }),
        }
    }
}

impl World {
    /// Every resource of a principal at `now`, by name.
    #[must_use]
    pub fn resources_json(&self, who: Handle, now: Time) -> Map<String, Value> {
        let rules = self.rules();
        let number = self.get(who).and_then(|artifact| artifact.account);
        let since = self.get(who).map_or(rules.start, |artifact| artifact.created_at);
        let each = rules.by_id().filter_map(|(resource, rule)| {
            let cell = State::cell(self, number?, resource)?;
            let least = self.least_use(who, resource);
            let holding = Holding { rules, rule, cell, spent: 0, now, since, least };
            Some((rule.name.clone(), holding.to_json()))
        });
        each.collect()
    }

    /// The least that a principal can do something with: of CPU what a step needs, else one unit.
    pub(crate) fn least_use(&self, who: Handle, resource: ResourceId) -> i64 {
        let row = self.agent(who).filter(|_| resource == ResourceId::CPU);
        row.map_or(1, |row| self.step_need(row))
    }
}

/// A use in so many milliseconds as what it comes to in a minute; `i64::MAX` if that is beyond it.
fn per_minute(used: i64, ms: i64) -> i64 {
    i64::try_from(i128::from(used) * 60_000 / i128::from(ms.max(1))).unwrap_or(i64::MAX)
}

/// How long a balance lasts, in milliseconds, if it is used as it was until now.
fn lasts_ms(balance: i64, used: i64, elapsed_ms: i64) -> Option<i64> {
    let ms = i128::from(balance) * i128::from(elapsed_ms);
    (used > 0).then(|| i64::try_from(ms / i128::from(used)).unwrap_or(i64::MAX))
}
