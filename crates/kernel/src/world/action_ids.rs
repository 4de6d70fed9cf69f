//! The ids that clients gave their actions, with the receipts: a client that repeats an action is told its
//! first outcome, and nothing happens twice.
//!
//! Each principal has its own, up to [`limits::ACTION_IDS_MAX`], so that nobody can push out another's, and
//! pays for them on its own disk.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use crate::{
    json::Json,
    limits,
    receipt::{Kept, Receipt},
    refusal::{Code, Refusal},
};

/// The ids of one principal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ActionIds {
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    by_id: OrdMap<Arc<str>, Done>,
    /// The ids, oldest first.
    order: Vector<Arc<str>>,
}

/// An action that bore an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Done {
    /// [`Json::digest`] of the action as it was submitted.
    action: [u8; 32],
    receipt: Kept,
}

/// Bytes that an id counts for on its principal's disk, its receipt apart.
fn base_bytes(id: &str) -> usize {
    limits::BASE_BYTES + id.len()
}

/// Bytes of disk that must be free before an action with that id is begun: what its receipt takes in its
/// shortest form.
pub(crate) fn bytes_needed(id: &str) -> i64 {
    signed(base_bytes(id) + limits::KEPT_SHORT_BYTES_MAX)
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl ActionIds {
    /// The answer to an action under an id that was used: the first receipt if it is the same action.
    /// `None` if the id is new, or forgotten.
    pub(crate) fn repeated(&self, id: &str, action: &Json) -> Option<Result<Receipt, Refusal>> {
        let done = self.by_id.get(id)?;
        if done.action == action.digest() {
            return Some(Ok(done.receipt.receipt()));
        }
        let refusal = Refusal::new(Code::Conflict, format!("`action_id`: `{id}` names another action"));
        Some(Err(
            refusal.hint("repeat the action as it was, letter by letter, or give this one an id of its own")
        ))
    }

    /// Whether an id is in use.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// Bytes that one more id frees, because it pushes out the oldest.
    pub(crate) fn next_frees(&self) -> i64 {
        let oldest = self.order.front().filter(|_| self.order.len() >= limits::ACTION_IDS_MAX);
        oldest.and_then(|id| self.by_id.get(id).map(|done| done.bytes(id))).unwrap_or(0)
    }

    /// Forgets the oldest if there is no room for one more.
    pub(crate) fn make_room(&mut self) {
        if self.order.len() >= limits::ACTION_IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// Keeps an id, which is new, with as much of the receipt as `room` bytes hold; says how many bytes it takes.
    pub(crate) fn keep(&mut self, id: &str, action: &Json, receipt: Receipt, room: i64) -> i64 {
        let whole = Kept::of(receipt.clone());
        let fits = signed(base_bytes(id) + whole.bytes()) <= room;
        let done = Done { action: action.digest(), receipt: if fits { whole } else { Kept::short(receipt) } };
        let bytes = done.bytes(id);
        let id = Arc::<str>::from(id);
        self.order.push_back(Arc::clone(&id));
        self.by_id.insert(id, done);
        bytes
    }

    /// Bytes that all of them take.
    pub(crate) fn bytes(&self) -> i64 {
        self.by_id.iter().map(|(id, done)| done.bytes(id)).sum()
    }
}

impl Done {
    fn bytes(&self, id: &str) -> i64 {
        signed(base_bytes(id) + self.receipt.bytes())
    }
}
