//! The economy as a value: artifacts, accounts, contracts, operations, transactions, records.
//!
//! Pure and synchronous. It does no I/O, reads no clock, draws no randomness of its own, uses no
//! floats for money or resources, and never calls an interpreter or a network: what it needs from
//! outside it asks for, and is resumed with the answer.
//!
//! The modules stand in the order in which they are best read. Each imports only those before it, and
//! `cargo xtask layers` sees to that.

// Words.
/// Enums of words.
mod words;
/// Every limit, once.
pub mod limits;
/// Instants and durations.
pub mod time;
/// JSON as it is kept.
pub mod json;
/// Randomness from a seed.
pub mod seed;
/// Ids and their numbers.
pub mod id;
/// Resources: their places, kinds and rules.
pub mod resource;
/// The kinds of ops.
pub mod op_kind;

// The stored types.
/// Why something was refused.
pub mod refusal;
/// Kinds of minds.
pub mod mind;
/// Events and their types.
pub mod event;
/// The rules that a world file fixed.
pub mod rules;
/// The records of the journal.
pub mod record;
/// The bytes that a record takes.
mod record_size;
/// Receipts: the account of an action.
pub mod receipt;

// Calls, ops and answers.
/// The functions that code may call.
pub mod host_fn;
/// Calls of code, and their answers.
pub mod code;
/// Ops and actions.
pub mod op;
/// The answers of contracts.
pub mod contract;

// The state.
/// Copy-on-write tables.
mod pages;
/// One resource of one account.
mod cell;
/// Artifacts.
mod artifact;
/// How one effect changes a state.
mod state;
/// The state of a world, and what is done with it.
pub mod world;

// Where a world comes from, and how it goes on.
/// The first record.
pub mod founding;
/// One action.
pub mod transaction;
