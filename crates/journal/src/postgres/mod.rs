//! Worlds in a database of PostgreSQL: the same tables as in a file, with the world's name in front.
//!
//! In reading order: the way in, and faults on it; proxies before it; how it is encrypted; who writes; rows as they
//! stand in tables; the store; work that is given away; worlds that are being made, and those that end; processes that
//! serve many.

mod enter;
mod poolers;
mod tls;
mod writers;
mod rows;
mod store;
mod shards;
mod making;
mod dropping;
mod houses;

pub use self::dropping::{Holding, drop_world, holding};
pub use self::enter::{Initialised, Listed, check_database, init, list};
pub use self::houses::{Holder, Leases, Stands, Survey, Surveyed};
pub(crate) use self::making::Making;
pub use self::shards::{Offer, Progress, Shard, Shards, Taken, Taker};
pub(crate) use self::store::{Opened, create, holds_world, is_written, open, open_read_only};
