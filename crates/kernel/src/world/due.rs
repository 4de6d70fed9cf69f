//! The things that are due in the library: an artifact of it names an instant in its storage, and the scheduler runs it
//! then.

use serde_json::{Value, json};

use super::World;
use crate::{
    id::{Handle, reserved_prefix},
    json::Json,
    limits::DUE_RETRY_MS,
    record::{Cause, Effect, Record},
    rules::Hook,
    time::Time,
};

/// The key of storage under which an artifact of the library names the next instant at which it is due.
const KEY: &str = "due";

fn named(value: Option<&Json>) -> Option<Time> {
    value.and_then(|value| value.value().as_str()).and_then(Time::parse)
}

impl World {
    /// The artifact of the library that is due next, and when: of those due at one instant the earliest made.
    #[must_use]
    pub fn next_due(&self) -> Option<(Time, Handle)> {
        let all = self.dues.named.iter().map(|(artifact, time)| {
            let again = self.dues.again.get(artifact).copied().unwrap_or_default();
            (again.max(*time), *artifact)
        });
        all.min()
    }

    /// The op by which the scheduler runs what is due.
    #[must_use]
    pub fn due_call(id: &str) -> Value {
        json!({ "op": "invoke", "artifact": id, "method": KEY })
    }

    /// The op by which the scheduler runs a hook.
    #[must_use]
    pub fn hook_call(hook: &Hook) -> Value {
        json!({ "op": "invoke", "artifact": hook.artifact, "method": hook.method, "args": hook.args })
    }

    /// The principal that bears a hook of an artifact: itself, or the owner that it has.
    #[must_use]
    pub fn bearer_of(&self, artifact: Handle) -> Option<Handle> {
        let found = self.get(artifact)?;
        if found.has_standing() {
            return Some(artifact);
        }
        self.get(found.owner()).filter(|owner| owner.has_standing()).map(|_| found.owner())
    }

    /// Finds all that is due, in a world that was read from bytes.
    pub(super) fn find_dues(&mut self) {
        let all: Vec<(Handle, Time)> = self
            .artifacts()
            .filter(|(_, artifact)| reserved_prefix(artifact.id()).is_some())
            .filter_map(|(handle, artifact)| Some((handle, named(artifact.storage.get(KEY))?)))
            .collect();
        self.dues.named = all.into_iter().collect();
    }

    /// Takes note of what a record makes of all that is due.
    pub(super) fn note_dues(&mut self, record: &Record) -> Result<(), String> {
        for effect in &record.effects {
            if let Effect::Store { artifact, key, value } = effect
                && key == KEY
                && self.get(*artifact).is_some_and(|artifact| reserved_prefix(artifact.id()).is_some())
            {
                match named(value.as_ref()) {
                    Some(time) => self.dues.named.insert(*artifact, time),
                    None => self.dues.named.remove(artifact),
                };
            }
        }
        let Cause::Due { artifact, .. } = record.cause else { return Ok(()) };
        if self.get(artifact).is_none_or(|artifact| reserved_prefix(artifact.id()).is_none()) {
            return Err("something is due that is not of the library".into());
        }
        if record.outcome.is_ok() {
            self.dues.again.remove(&artifact);
        } else if let Some(again) = record.time.after_ms(DUE_RETRY_MS) {
            self.dues.again.insert(artifact, again);
        }
        Ok(())
    }
}
