//! A brief for minds that read: their property, and what can be had.

use serde_json::{Value, json};

use super::World;
use crate::id::{Handle, reserved_prefix};

/// Rows of each part of a brief.
const ROWS_MAX: usize = 24;

/// The parts of a brief; each is null where there is nothing to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brief {
    /// The artifacts that the agent owns, itself apart: ids, kinds, prices, how often they were invoked and what they
    /// earned. Those that earned most come first.
    pub owned: Value,
    /// The artifacts of others that were invoked most, with their prices, and the institutions.
    pub market: Value,
    /// How many times in a row the refusal of the last action came; none where it did not come before.
    pub repeats: Option<u64>,
}

impl World {
    /// A brief for an agent.
    #[must_use]
    pub fn brief(&self, agent: Handle) -> Brief {
        let (mut owned, mut used, mut houses) = (Vec::new(), Vec::new(), Vec::new());
        for (handle, artifact) in self.artifacts().filter(|(_, artifact)| !artifact.deleted) {
            if artifact.owner == agent {
                if handle != agent {
                    owned.push((self.use_of(handle).1, handle));
                }
            } else if artifact.code.is_some() && !artifact.has_loop() {
                let id = artifact.id();
                if reserved_prefix(id).is_none() {
                    used.push((self.use_of(handle).0, handle));
                } else if artifact.interface.value().is_array() {
                    houses.push(id.to_owned());
                }
            }
        }
        first(&mut owned);
        first(&mut used);
        let owned: Vec<Value> = owned.into_iter().map(|(_, handle)| self.own_row(handle)).collect();
        let mut market: Vec<Value> = used.into_iter().map(|(_, handle)| self.market_row(handle)).collect();
        if !houses.is_empty() {
            market.push(json!({ "institutions": houses }));
        }
        Brief { owned: or_null(owned), market: or_null(market), repeats: self.repeats(agent) }
    }

    /// Whether an agent has a memory.
    #[must_use]
    pub fn has_memory(&self, agent: Handle) -> bool {
        let memory = self.get(agent).and_then(|artifact| artifact.memory_artifact);
        memory.is_some_and(|memory| self.get(memory).is_some_and(|memory| !memory.deleted))
    }

    fn own_row(&self, handle: Handle) -> Value {
        let Some(artifact) = self.get(handle) else { return Value::Null };
        json!({
            "id": artifact.id(),
            "kind": &*artifact.kind,
            "price": artifact.price,
            "invocations": self.use_of(handle).0,
            "revenue": self.use_of(handle).1,
        })
    }

    fn market_row(&self, handle: Handle) -> Value {
        let Some(artifact) = self.get(handle) else { return Value::Null };
        let tools = artifact.interface.value().as_array().into_iter().flatten();
        let methods: Vec<&str> = tools.filter_map(|tool| tool.get("name")?.as_str()).collect();
        json!({
            "id": artifact.id(),
            "owner": self.name(artifact.owner),
            "price": artifact.price,
            "methods": methods,
            "invocations": self.use_of(handle).0,
        })
    }

    /// How many of an agent's last turns ended in the same refusal, where more than one did.
    fn repeats(&self, agent: Handle) -> Option<u64> {
        let history = self.agent(agent)?.history.as_deref()?;
        let last = history.back()?.error.as_deref()?;
        let same = |turn: &&super::agent::Turn| {
            turn.error
                .as_deref()
                .is_some_and(|error| (error.code, &error.message) == (last.code, &last.message))
        };
        let count = history.iter().rev().take_while(same).count();
        (count > 1).then_some(count as u64)
    }
}

/// The first rows, the greatest number first; of equal ones the one that was made first.
fn first<N: Ord + Copy>(rows: &mut Vec<(N, Handle)>) {
    rows.sort_by_key(|(number, handle)| (std::cmp::Reverse(*number), *handle));
    rows.truncate(ROWS_MAX);
}

fn or_null(rows: Vec<Value>) -> Value {
    if rows.is_empty() { Value::Null } else { rows.into() }
}
