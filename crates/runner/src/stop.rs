//! Asking a running world to end.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Asks a running world to end soon, in a state that it can go on from.
#[derive(Clone, Default)]
pub struct Stop(Arc<Shared>);

/// Why a running world is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The system passed a signal on.
    Signal(Signal),
    /// The reader of the output has gone away.
    ClosedPipe,
    /// The world is to do something else: it is paused, or run otherwise.
    Steered,
}

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal has gone away.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// The manager of the process wants it to end.
    Terminate,
}

impl Why {
    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Signal(_) => "signal",
            Self::ClosedPipe => "closed pipe",
            Self::Steered => "steered",
        }
    }

    /// The exit code of a process that ended for this, as shells have it: 128 and the signal's number.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Signal(Signal::Hangup) => 129,
            Self::Signal(Signal::Interrupt) => 130,
            Self::ClosedPipe => 141,
            // That ends no process.
            Self::Steered => 0,
            Self::Signal(Signal::Terminate) => 143,
        }
    }
}

#[derive(Default)]
struct Shared {
    asked: OnceLock<Why>,
    next: AtomicU64,
    bells: Mutex<Vec<(u64, Ring)>>,
}

type Ring = Box<dyn Fn() + Send>;

/// Rings the loop that waits, until it is dropped.
pub struct Bell(Arc<Shared>, u64);

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.why()).finish()
    }
}

impl Stop {
    /// Asks, and rings everyone who waits. The first reason stays.
    pub fn ask(&self, why: Why) {
        let _ = self.0.asked.set(why);
        let bells = self.0.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.iter().for_each(|(_, ring)| ring());
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.why().is_some()
    }

    /// Why somebody asked, if somebody did.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.0.asked.get().copied()
    }

    /// Calls `ring` when somebody asks, at once if somebody has, so that nobody needs to look again and
    /// again while waiting.
    #[must_use]
    pub fn bell(&self, ring: impl Fn() + Send + 'static) -> Bell {
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
