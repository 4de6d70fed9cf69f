//! The economy as a value: artifacts, accounts, contracts, operations, transactions, records.
//!
//! Pure and synchronous. It does no I/O, reads no clock, draws no randomness of its own, uses no
//! floats for money or resources, and never calls an interpreter or a network: what it needs from
//! outside it asks for, and is resumed with the answer.
//!
//! The modules stand in the order in which they are best read. Each imports only those before it, and
//! `cargo xtask layers` sees to that.

// Words.
mod words; // enums of words
pub mod limits; // every limit, once
pub mod time; // instants and durations
pub mod json; // JSON as it is kept
pub mod seed; // randomness from a seed
pub mod id; // ids and their numbers
pub mod resource; // resources: their places, kinds and rules
pub mod op_kind; // the kinds of ops

// The stored types.
pub mod refusal; // why something was refused
pub mod template; // templates of prompts
pub mod mind; // minds, as contents say them
pub mod tape; // requests to models, and their answers
pub mod event; // events and their types
pub mod rules; // the rules that a world file fixed
pub mod kept; // verdicts that are kept
pub mod record; // the records of the journal
mod record_size; // the bytes that a record takes
pub mod receipt; // receipts: the account of an action

// Calls, ops and answers.
pub mod host_fn; // the functions that code may call
pub mod code; // calls of code, and their answers
pub mod call; // calls of language models by code, and their answers
pub mod interface; // the tools that an artifact lists
pub mod op; // ops and actions
pub mod schema; // the JSON Schemas of receipts and observations
pub mod contract; // the answers of contracts

// The state.
mod pages; // copy-on-write tables
mod cell; // one resource of one account
mod memory; // the entries of a memory, and their ranking
mod artifact; // artifacts
mod mandate; // mandates
mod books; // a state that effects change
mod state; // how one effect changes a state
pub mod world; // the state of a world, and what is done with it

// Where a world comes from, and how it goes on.
pub mod founding; // the first record
pub mod transaction; // one action
