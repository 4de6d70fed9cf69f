//! A world as a door has it in front of itself: one that goes on here, or one that another process writes.

use oikos_journal::Address;

use crate::{
    config::{ClockKind, Lasts, Plan},
    desk::Desk,
    live::Live,
    reader::Reader,
};

/// All that those need who show a world to others and take in their actions.
#[derive(Clone, Debug)]
pub struct Front {
    /// Its name.
    pub name: String,
    /// Its clock.
    pub clock: ClockKind,
    /// How far it goes.
    pub lasts: Lasts,
    /// How long a tick lasts.
    pub tick_ms: i64,
    /// Where actions are handed in.
    pub desk: Desk,
    /// Where it is looked at.
    pub reader: Reader,
}

impl Front {
    pub(crate) fn of(plan: &Plan, desk: Desk, reader: Reader) -> Self {
        Self {
            name: plan.name.clone(),
            clock: plan.clock,
            lasts: plan.lasts,
            tick_ms: plan.tick_ms,
            desk,
            reader,
        }
    }

    /// The world's file or database, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.reader.address()
    }
}

impl Live {
    /// This world for a door.
    #[must_use]
    pub fn front(&mut self) -> Front {
        let reader = self.reader();
        Front::of(&self.file.plan, self.desk(), reader)
    }
}
