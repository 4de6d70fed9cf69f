//! The durable log of one world: batches of records, two hash chains, snapshots, verification.
//!
//! It stores what the kernel made and never decides anything. One file per world, SQLite in WAL mode
//! with `synchronous=FULL`; the same tables in memory for sessions and tests. The format is
//! `docs/journal.md`.

mod batch;
mod error;
mod store;
mod verify;

pub use self::{
    batch::Hash,
    error::JournalError,
    store::{Head, Image, Journal},
    verify::{Verified, verify},
};
