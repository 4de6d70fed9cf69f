//! Many runs of one world file, under other rules and seeds, and the figures that they have in common.
//!
//! It prints nothing. Each run is made by a process of its own program, which ends with this one; its row is stored in
//! one step, so that a sweep that was killed goes on where it was. The same sweep makes the same files, however many
//! runs go on at once, and whether one process orders all of them or each is made by itself, on any machine.

mod crew;
mod child;
mod design;
mod error;
mod figures;
mod file;
mod folder;
mod head;
mod money;
mod order;
mod plan;
mod planned;
mod report;
mod rows;
pub mod statistics;
mod tables;
mod text;

pub use self::{
    child::{Launch, serve},
    crew::{Ended, Progress, Setup, carry_out},
    error::SweepError,
    figures::Line,
    file::is_sweep,
    folder::Folder,
    order::{Row, Status},
    plan::{Cell, Plan, Wanted},
    planned::{Merged, Planned},
    report::write as write_report,
    tables::{Written, write},
};
