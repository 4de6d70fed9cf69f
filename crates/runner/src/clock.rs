//! The two clocks. Only here is the time of the machine read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oikos_kernel::time::Time;

/// The wall clock, in whole milliseconds.
pub(crate) fn wall_now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).ok().and_then(Time::from_ms).unwrap_or_default()
}

/// How long it is until an instant of the wall clock; nothing if it has come.
pub(crate) fn until(instant: Time) -> Duration {
    since_epoch(instant).saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// How long ago an instant of the wall clock was; nothing if it is to come.
pub(crate) fn since(instant: Time) -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(since_epoch(instant))
}

fn since_epoch(instant: Time) -> Duration {
    Duration::from_millis(u64::try_from(instant.ms()).unwrap_or(0))
}
