//! The durable log of one world: batches of records, two hash chains, snapshots, verification.
//!
//! It stores what the kernel made and never decides anything. One file per world, SQLite in WAL mode
//! with `synchronous=FULL`; the same tables in memory for sessions and tests. The format is
//! `docs/journal.md`.
//!
//! In reading order: the words of addresses; how connections are encrypted; addresses; faults; bytes that are packed
//! and how far they may unpack; batches and snapshots of them; what a store must do; the journal over any store; its
//! verification; SQLite as the store: its schema, the series of agents and of measures, the tape, tapes in files, its
//! tables, the life of its file, and the worlds in its folder.

mod words;
mod encryption;
mod address;
mod error;
mod packed;
mod batch;
mod snapshot;
mod log;
mod schema;
mod agent_series;
mod series;
mod tape;
mod tape_file;
mod tables;
mod name;
mod lock;
mod reading;
mod founding;
mod file;
mod postgres;
mod journal;
mod verify;
mod beside;
mod copy;
mod folder;

pub use self::{
    address::{Address, Database, InPostgres, Login},
    agent_series::{AgentPart, AgentRows},
    batch::Hash,
    beside::Beside,
    copy::{copy, copy_series},
    encryption::Variable,
    error::JournalError,
    file::Note,
    folder::worlds_beside,
    journal::Journal,
    log::Head,
    postgres::{
        Holder, Holding, Initialised, Leases, Listed, Offer, Progress, Shard, Shards, Stands, Survey,
        Surveyed, Taken, Taker, check_database, drop_world, holding, init, list,
    },
    series::{Sample, SeriesRow},
    snapshot::Image,
    tape::TapeUsed,
    tape_file::TapeFile,
    verify::{Verified, verify},
};
