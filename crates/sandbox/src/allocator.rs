//! Counts what code allocates: the memory limit of a run must depend on nothing but the run.
//!
//! The interpreter asks one counter of the process how much memory is live. Only what a thread allocates and
//! frees while it interprets is counted there; whatever else goes on in the process meanwhile is not.

#![expect(unsafe_code, reason = "an allocator is unsafe to be; what is added to the system's is not")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::Ordering,
};

use monty_types::{BASELINE_MEMORY, LIVE_MEMORY};

/// Where the count of a run begins: a run may free what was allocated before it, and that must not take the
/// count below nothing.
const START: usize = 1 << (usize::BITS - 2);

thread_local! {
    /// Whether this thread interprets code.
    static INTERPRETS: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, which counts what interpreted code allocates. Code's memory limit binds only in a
/// process whose global allocator this is.
#[derive(Debug)]
pub struct CountingAllocator;

/// Bytes that a run has allocated and not freed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live(usize);

impl Live {
    /// A run that has not begun.
    pub(crate) const NONE: Self = Self(START);

    /// The count at which a run has reached `limit` bytes.
    pub(crate) fn at(limit: usize) -> usize {
        START.saturating_add(limit)
    }

    /// The bytes; none if it has freed more than it allocated.
    pub(crate) fn bytes(self) -> usize {
        self.0.saturating_sub(START)
    }

    /// Does a piece of a run's work, which is counted on.
    pub(crate) fn counting<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // The interpreter measures from a baseline of the process; a run is measured from its own start.
        BASELINE_MEMORY.store(0, Ordering::Relaxed);
        LIVE_MEMORY.store(self.0, Ordering::Relaxed);
        let before = INTERPRETS.replace(true);
        let done = work();
        INTERPRETS.set(before);
        self.0 = LIVE_MEMORY.load(Ordering::Relaxed);
        done
    }
}

fn grow(bytes: usize) {
    // A thread that is ending interprets nothing.
    if INTERPRETS.try_with(Cell::get).unwrap_or(false) {
        LIVE_MEMORY.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn shrink(bytes: usize) {
    if INTERPRETS.try_with(Cell::get).unwrap_or(false) {
        LIVE_MEMORY.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every method hands its arguments on to `System` as they are, and gives back what `System` gave.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: our contract with the caller is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: as for `alloc`; the pointer came from `System` by way of us.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        match bytes.checked_sub(layout.size()) {
            Some(more) => grow(more),
            None => shrink(layout.size() - bytes),
        }
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
