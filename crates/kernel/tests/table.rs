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
#[path = "table/contracts.rs"]
mod contracts;
#[path = "table/door.rs"]
mod door;
#[path = "table/events.rs"]
mod events;
#[path = "table/fields.rs"]
mod fields;
#[path = "table/loops.rs"]
mod loops;
#[path = "table/money.rs"]
mod money;
#[path = "table/mortals.rs"]
mod mortals;
#[path = "table/ops.rs"]
mod ops;
#[path = "table/queries.rs"]
mod queries;
#[path = "table/resources.rs"]
mod resources;
#[path = "table/spy.rs"]
mod spy;
mod toy;
#[path = "table/work.rs"]
mod work;
