//! Worlds in a database of PostgreSQL: the same tables as in a file, with the world's name in front.
//!
//! In reading order: the way in, and faults on it; proxies before it; how it is encrypted; who writes; rows as they
//! stand in tables; the store; worlds that are being made.

mod enter;
mod poolers;
mod tls;
mod writers;
mod rows;
mod store;
mod making;

pub use self::enter::{Initialised, Listed, init, list};
pub(crate) use self::making::Making;
pub(crate) use self::store::{Opened, create, holds_world, is_written, open, open_read_only};
