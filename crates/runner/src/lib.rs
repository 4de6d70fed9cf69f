//! Owns a live world: the world file, the sequencer, the scheduler, the clock.
//!
//! It joins the kernel, which calls nothing, to what it needs: an interpreter, a journal, the time.
//! It prints nothing and reads no command line.

pub mod config;
mod drive;
mod error;
mod sequencer;
mod tick;

pub use self::{
    error::RunError,
    sequencer::Sequencer,
    tick::{Stop, TickScheduler, wall_now},
};
