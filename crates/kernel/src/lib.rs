//! The economy as a value: artifacts, accounts, contracts, operations, transactions, records.
//!
//! Pure and synchronous. It does no I/O, reads no clock, draws no randomness of its own, uses no
//! floats for money or resources, and never calls an interpreter or a network: what it needs from
//! outside it asks for, and is resumed with the answer.

pub mod code;
pub mod founding;
pub mod json;
pub mod limits;
pub mod op;
pub mod record;
pub mod refusal;
pub mod rules;
pub mod time;
pub mod world;
