//! Numbers of options that are at least one: what 0 may have meant is said.

use std::num::{NonZeroU32, NonZeroUsize};

/// How many worlds a process holds at most.
pub(crate) fn share(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| {
        "a whole number from 1 on; leave it out for as many as each of those who share them, and start no process that \
         is to hold none"
            .into()
    })
}

/// How often each token may ask in a second.
pub(crate) fn rate(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| {
        let most = u32::MAX;
        format!(
            "a whole number from 1 to {most}: there is always a limit; `oikos token --revoke` shuts one out"
        )
    })
}
