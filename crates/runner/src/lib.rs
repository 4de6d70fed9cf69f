//! Owns a live world: the world file, the sequencer, the scheduler, the clock.
//!
//! It joins the kernel, which calls nothing, to what it needs: an interpreter, a journal, the time.
//! It prints nothing and reads no command line.

pub mod config;
mod drive;
mod error;
mod json;
pub mod library;
mod live;
pub mod measure;
pub mod report;
mod sequencer;
pub mod session;
mod summary;
mod tick;

pub use oikos_journal::{Head, Journal, JournalError, Verified, verify};
/// The kernel, whose read-only views the command line prints.
pub use oikos_kernel as kernel;
/// The allocator with which the memory limit of code binds; the binary makes it its global one.
pub use oikos_sandbox::CountingAllocator;
/// Stack that the thread of a live world needs.
pub use oikos_sandbox::STACK_BYTES;

pub use self::{
    error::RunError,
    json::strict as strict_json,
    live::{Live, Stopped, founded_from, recorded, state},
    sequencer::Sequencer,
    summary::{Calls, Summary},
    tick::{Stop, TickScheduler, wall_now},
};
