//! The door to a provider: a canonical request in, an answer or a failure of an enumerated kind out.

use std::pin::Pin;

use crate::{outcome::Outcome, request::Request};

/// Something that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Somebody who answers requests.
pub trait Provider: Send + Sync {
    /// Asks once. A future that is dropped takes the request back as far as that can be done.
    fn ask<'a>(&'a self, request: &'a Request) -> Later<'a, Outcome>;
}
