//! Table tests of the kernel: small worlds and scripts as text, through one door.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it says"
)]

#[path = "table/bytes.rs"]
mod bytes;
#[path = "table/wire.rs"]
mod wire;
#[path = "table/secrets_of_code.rs"]
mod secrets_of_code;
#[path = "table/caching.rs"]
mod caching;
#[path = "table/calls.rs"]
mod calls;
#[path = "table/contracts.rs"]
mod contracts;
#[path = "table/door.rs"]
mod door;
#[path = "table/events.rs"]
mod events;
#[path = "table/facts.rs"]
mod facts;
#[path = "table/fields.rs"]
mod fields;
#[path = "table/health.rs"]
mod health;
#[path = "table/interfaces.rs"]
mod interfaces;
#[path = "table/loops.rs"]
mod loops;
#[path = "table/mandates.rs"]
mod mandates;
#[path = "table/memory.rs"]
mod memory;
#[path = "table/mint.rs"]
mod mint;
#[path = "table/money.rs"]
mod money;
#[path = "table/mortals.rs"]
mod mortals;
#[path = "table/ops.rs"]
mod ops;
#[path = "table/payers.rs"]
mod payers;
#[path = "table/policies.rs"]
mod policies;
#[path = "table/queries.rs"]
mod queries;
#[path = "table/quotes.rs"]
mod quotes;
#[path = "table/reach.rs"]
mod reach;
#[path = "table/resources.rs"]
mod resources;
#[path = "table/spy.rs"]
mod spy;
mod toy;
#[path = "table/thoughts.rs"]
mod thoughts;
#[path = "table/trials.rs"]
mod trials;
#[path = "table/work.rs"]
mod work;
