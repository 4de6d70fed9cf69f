//! The one-line objects that end `run` and `verify`, and that a session's `verify` answers.

use oikos_journal::Verified;
use oikos_kernel::world::World;
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
