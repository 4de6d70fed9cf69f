//! The language models of a world.

mod calls;

pub use self::calls::{Answers, FromAsker};
pub(crate) use self::calls::{Given, Nobody};
