//! The events that concerned an agent since its last step: bounded, with a digest of those left out.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    event::{EventKind, EventRow},
    limits::EVENTS_PER_OBSERVATION_MAX,
};

/// How many events of each type were left out.
pub(crate) type Digest = BTreeMap<EventKind, u64>;

/// Events since the snapshot on which an agent last thought.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Inbox {
    events: VecDeque<Arc<EventRow>>,
    /// Events left out.
    missed: Digest,
    /// Events left out that came after the snapshot `late_seq`: its step has not seen them yet.
    missed_late: Digest,
    late_seq: u64,
}

fn add(to: &mut Digest, from: Digest) {
    for (kind, count) in from {
        *to.entry(kind).or_default() += count;
    }
}

impl Inbox {
    /// Adds an event; `snapshot_seq` is where the agent's step under way has looked.
    pub(crate) fn push(&mut self, row: Arc<EventRow>, snapshot_seq: u64) {
        if self.late_seq != snapshot_seq {
            let late = std::mem::take(&mut self.missed_late);
            add(&mut self.missed, late);
            self.late_seq = snapshot_seq;
        }
        self.events.push_back(row);
        if self.events.len() > EVENTS_PER_OBSERVATION_MAX
            && let Some(gone) = self.events.pop_front()
        {
            let digest = if gone.seq > snapshot_seq { &mut self.missed_late } else { &mut self.missed };
            *digest.entry(gone.kind()).or_default() += 1;
        }
    }

    /// Adds an event in its place unless it is there.
    pub(crate) fn push_once(&mut self, row: &Arc<EventRow>, snapshot_seq: u64) {
        if !self.events.contains(row) {
            self.push(Arc::clone(row), snapshot_seq);
            self.events.make_contiguous().sort_by_key(|row| row.seq);
        }
    }

    /// Forgets what the agent has seen: all until the snapshot that its step has looked at.
    pub(crate) fn forget_until(&mut self, snapshot_seq: u64) {
        self.events.retain(|row| row.seq > snapshot_seq);
        let late = std::mem::take(&mut self.missed_late);
        self.missed = if self.late_seq == snapshot_seq { late } else { Digest::new() };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.missed.is_empty() && self.missed_late.is_empty()
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<EventRow>> {
        self.events.iter()
    }

    /// The number of events left out, by type.
    pub(crate) fn missed(&self) -> Digest {
        let mut all = self.missed.clone();
        add(&mut all, self.missed_late.clone());
        all
    }
}
