//! The world as others may look at it while it goes on.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use oikos_kernel::world::World;

use crate::writer::Release;

/// The world as it stood where the journal ended lately, for any number of readers on any thread. It costs
/// nothing while nobody asks: a reader is given the last one, and has a later one made.
#[derive(Clone, Debug, Default)]
pub struct View(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicBool,
    latest: Mutex<Option<Arc<World>>>,
}

impl View {
    /// The world as it was last made for a reader: all of it is on disk. `None` until then; after this call
    /// there will be one soon after the next record, or when all is committed.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<World>> {
        self.0.wanted.store(true, Ordering::SeqCst);
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How a world is shown once it is on disk, if somebody asked.
    pub(crate) fn showing(&self, world: &World) -> Option<Release> {
        if !self.0.wanted.load(Ordering::Relaxed) || !self.0.wanted.swap(false, Ordering::SeqCst) {
            return None;
        }
        let (this, world) = (self.clone(), Arc::new(world.clone()));
        Some(Box::new(move || {
            *this.0.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(world);
        }))
    }
}
