//! Asking a running world to end.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Asks a running world to end soon, in a state that it can go on from.
#[derive(Clone, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    asked: AtomicBool,
    next: AtomicU64,
    bells: Mutex<Vec<(u64, Ring)>>,
}

type Ring = Box<dyn Fn() + Send>;

/// Rings whoever waits, until it is dropped.
pub(crate) struct Bell(Arc<Shared>, u64);

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.is_asked()).finish()
    }
}

impl Stop {
    /// Asks, and rings everyone who waits.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        let bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.iter().for_each(|(_, ring)| ring());
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Calls `ring` when somebody asks, at once if somebody has, so that nobody needs to look again and
    /// again while waiting.
    pub(crate) fn bell(&self, ring: impl Fn() + Send + 'static) -> Bell {
        let number = self.0.next.fetch_add(1, Ordering::SeqCst);
        let mut bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_asked() {
            ring();
        }
        bells.push((number, Box::new(ring)));
        drop(bells);
        Bell(Arc::clone(&self.0), number)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|(number, _)| *number != self.1);
    }
}
