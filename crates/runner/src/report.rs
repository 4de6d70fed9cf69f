//! The one-line objects that end `run` and `verify`, and that a session's `verify` answers.

use std::collections::BTreeMap;

use oikos_journal::Verified;
use oikos_kernel::{
    id::Handle,
    world::{Tally, World},
};
use serde_json::{Value, json};

/// A hash as text.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a world stands.
#[must_use]
pub fn state(world: &World, journal_hash: &[u8; 32]) -> Value {
    json!({
        "ok": true,
        "seq": world.seq(),
        "time": world.now().to_string(),
        "state_digest": hex(&world.digest()),
        "journal_hash": hex(journal_hash),
        "supply": world.supply(),
    })
}

/// How many agents are in which state.
#[must_use]
pub fn states(world: &World) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for agent in world.agents() {
        *counts.entry(agent.state()).or_default() += 1;
    }
    counts.into_iter().map(|(state, count)| (state.to_owned(), Value::from(count))).collect()
}

/// The ailments that agents, or the whole run, had.
#[must_use]
pub fn health(world: &World) -> Value {
    let rows = world.health().iter().map(|Tally { ailment, agents, first, detail }| {
        let first = (*first != Handle::NOBODY).then(|| world.name(*first));
        json!({ "ailment": ailment.as_str(), "agents": agents, "first": first, "detail": &**detail })
    });
    rows.collect()
}

/// The report of a verification that found nothing wrong.
#[must_use]
pub fn verified(found: &Verified) -> Value {
    let mut report = state(&found.world, &found.journal_hash);
    if let Value::Object(map) = &mut report {
        map.insert("batches".into(), found.batches.into());
        map.insert("snapshots".into(), found.snapshots.into());
        map.insert("epochs".into(), found.epochs.into());
    }
    report
}
