//! What concerned an agent since its last step: bounded, with a count of what was left out.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{limits::EVENTS_PER_OBSERVATION_MAX, world::EventRow};

/// Events since the snapshot on which an agent last thought.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Inbox {
    events: VecDeque<Arc<EventRow>>,
    /// Events left out.
    missed: u64,
    /// Events left out that came after the snapshot `late_seq`: its step has not seen them yet.
    missed_late: u64,
    late_seq: u64,
}

impl Inbox {
    /// Adds an event; `snapshot_seq` is where the tick under way began.
    pub(crate) fn push(&mut self, row: Arc<EventRow>, snapshot_seq: u64) {
        if self.late_seq != snapshot_seq {
            self.missed += std::mem::take(&mut self.missed_late);
            self.late_seq = snapshot_seq;
        }
        self.events.push_back(row);
        if self.events.len() > EVENTS_PER_OBSERVATION_MAX
            && let Some(gone) = self.events.pop_front()
        {
            let counter = if gone.seq > snapshot_seq { &mut self.missed_late } else { &mut self.missed };
            *counter += 1;
        }
    }

    /// Forgets what the agent has seen: all until the snapshot of the tick it has stepped in.
    pub(crate) fn forget_until(&mut self, snapshot_seq: u64) {
        self.events.retain(|row| row.seq > snapshot_seq);
        let late = std::mem::take(&mut self.missed_late);
        self.missed = if self.late_seq == snapshot_seq { late } else { 0 };
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<EventRow>> {
        self.events.iter()
    }

    pub(crate) fn missed(&self) -> u64 {
        self.missed + self.missed_late
    }
}
