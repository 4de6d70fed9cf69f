//! Calls that are repeated: a client that lost an answer sends the same call under the same id, and gets the same
//! result; nothing is done twice.
//!
//! They are kept here and not as action ids in the world: an id takes room on its principal's disk, and a client's
//! session never outlives this process.

use std::collections::{HashMap, VecDeque};

use rmcp::model::{CallToolResult, JsonObject, RequestId};

/// Calls of one session that are kept; with the next one the oldest is forgotten.
const KEPT_MAX: usize = 1_024;

/// Bytes of their results, give or take the last.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A call as it is known again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    id: RequestId,
    /// The hash of who calls, of the tool's name and of the arguments.
    call: [u8; 32],
}

impl Key {
    pub(super) fn of(id: &RequestId, principal: &str, tool: &str, arguments: &JsonObject) -> Self {
        let mut hasher = blake3::Hasher::new();
        for word in [principal, tool] {
            hasher.update(word.as_bytes()).update(&[0]);
        }
        // Anything that was read from JSON can be written as JSON.
        hasher.update(serde_json::to_string(arguments).unwrap_or_default().as_bytes());
        Self { id: id.clone(), call: *hasher.finalize().as_bytes() }
    }
}

/// The calls of one session.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    results: HashMap<Key, (CallToolResult, usize)>,
    order: VecDeque<Key>,
    bytes: usize,
}

impl Repeats {
    /// The result of a call that was done.
    pub(super) fn get(&self, key: &Key) -> Option<CallToolResult> {
        self.results.get(key).map(|(result, _)| result.clone())
    }

    /// Keeps the result of a call.
    pub(super) fn keep(&mut self, key: Key, result: &CallToolResult) {
        let texts = result.content.iter().filter_map(|block| block.as_text());
        // The text and the structure beside it.
        let bytes = 2 * texts.map(|text| text.text.len()).sum::<usize>();
        self.bytes += bytes;
        if self.results.insert(key.clone(), (result.clone(), bytes)).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > KEPT_MAX || (self.bytes > KEPT_BYTES_MAX && self.order.len() > 1) {
            let Some(oldest) = self.order.pop_front() else { break };
            let gone = self.results.remove(&oldest).map_or(0, |(_, bytes)| bytes);
            self.bytes = self.bytes.saturating_sub(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::ContentBlock;
    use serde_json::json;

    use super::*;

    fn key(id: i64, amount: i64) -> Key {
        let arguments = json!({ "to": "bob", "amount": amount });
        Key::of(&RequestId::Number(id), "alice", "transfer", arguments.as_object().unwrap())
    }

    #[test]
    fn a_call_is_known_by_its_id_and_all_that_it_says() {
        let mut repeats = Repeats::default();
        let first = CallToolResult::success(vec![ContentBlock::text("first")]);
        repeats.keep(key(1, 5), &first);
        assert_eq!(repeats.get(&key(1, 5)), Some(first));
        assert_eq!(repeats.get(&key(1, 6)), None, "another call under the same id is another call");
        assert_eq!(repeats.get(&key(2, 5)), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut repeats = Repeats::default();
        let small = CallToolResult::success(vec![ContentBlock::text("x")]);
        (0..=1_024).for_each(|id| repeats.keep(key(id, 5), &small));
        assert_eq!((repeats.get(&key(0, 5)).is_some(), repeats.get(&key(1, 5)).is_some()), (false, true));
        let large = CallToolResult::success(vec![ContentBlock::text("x".repeat(KEPT_BYTES_MAX))]);
        repeats.keep(key(-1, 5), &large);
        assert_eq!(
            (repeats.results.len(), repeats.order.len()),
            (1, 1),
            "the last is kept however large it is"
        );
    }
}
