//! The other side of process isolation: a process that runs code for its parent, and can do nothing else.

mod layers;
pub mod probe;
mod serve;

pub use self::serve::{Load, serve};
