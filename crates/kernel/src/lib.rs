//! The economy as a value: artifacts, accounts, contracts, operations, transactions, records.
//!
//! Pure and synchronous. It does no I/O, reads no clock, draws no randomness of its own, uses no
//! floats for money or resources, and never calls an interpreter or a network: what it needs from
//! outside it asks for, and is resumed with the answer.

mod action_ids;
mod artifact;
mod cell;
pub mod code;
pub mod contract;
pub mod event;
pub mod founding;
pub mod id;
pub mod image;
mod inbox;
pub mod json;
pub mod limits;
mod loops;
mod observe;
pub mod op;
mod pages;
pub mod receipt;
pub mod record;
mod record_size;
pub mod refusal;
pub mod rules;
pub mod seed;
mod sleepers;
mod state;
pub mod time;
pub mod transaction;
pub mod world;
