//! Time as the kernel knows it: whole milliseconds that somebody else hands in. It reads no clock.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(i64);

impl Time {
    /// The latest instant that can be printed, in milliseconds: the end of the year 9999.
    const MS_MAX: i64 = 253_402_207_200_000;

    /// An instant from milliseconds since the epoch; `None` beyond the years that can be printed.
    #[must_use]
    pub fn from_ms(ms: i64) -> Option<Self> {
        (-Self::MS_MAX..=Self::MS_MAX).contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 instant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let stamp: Timestamp = text.parse().ok()?;
        Self::from_ms(stamp.as_millisecond())
    }

    /// This instant and `ms` milliseconds; `None` beyond what can be printed.
    #[must_use]
    pub fn after_ms(self, ms: i64) -> Option<Self> {
        Self::from_ms(self.0.checked_add(ms)?)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Reads a duration such as `250ms`, `60s`, `1h 30m`, in whole microseconds; negative, fractional
/// microseconds and anything else give `None`.
#[must_use]
pub fn parse_duration_us(text: &str) -> Option<i64> {
    let duration: SignedDuration = text.trim().parse().ok()?;
    if duration.is_negative() || duration.subsec_nanos() % 1_000 != 0 {
        return None;
    }
    i64::try_from(duration.as_micros()).ok()
}

/// Reads a duration in whole milliseconds.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let us = parse_duration_us(text)?;
    (us % 1_000 == 0).then_some(us / 1_000)
}

/// Writes a duration of milliseconds in its largest even unit: `90s`, `1500ms`, `2h`.
#[must_use]
pub fn format_duration_ms(ms: i64) -> String {
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms != 0 && ms % size == 0 {
            return format!("{}{unit}", ms / size);
        }
    }
    if ms == 0 { "0s".into() } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_durations_read_and_print() {
        for text in ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00.5Z"] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Time::parse("yesterday"), None);
        assert_eq!(Time::from_ms(i64::MAX), None);
        for (text, us) in [
            ("500ms", Some(500_000)),
            ("60s", Some(60_000_000)),
            ("1h 30m", Some(5_400_000_000)),
            ("3us", Some(3)),
            ("-1s", None),
            ("", None),
            ("60", None),
            ("1ns", None),
        ] {
            assert_eq!(parse_duration_us(text), us, "{text}");
        }
        for (ms, text) in [(0, "0s"), (1, "1ms"), (60_000, "1m"), (90_000, "90s"), (7_200_000, "2h")] {
            assert_eq!(format_duration_ms(ms), text);
        }
    }
}
