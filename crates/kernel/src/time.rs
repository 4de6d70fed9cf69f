//! Time as the kernel knows it: whole milliseconds that somebody else hands in. It reads no clock.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Time(i64);

impl Time {
    /// The earliest instant that can be printed in four digits of the year: the beginning of the year 0.
    const MS_MIN: i64 = -62_167_219_200_000;
    /// The latest: the end of the year 9999.
    const MS_MAX: i64 = 253_402_207_200_000;

    /// The last instant there is.
    pub const LAST: Self = Self(Self::MS_MAX);

    /// An instant from milliseconds since the epoch; `None` outside the years 0 to 9999.
    #[must_use]
    pub fn from_ms(ms: i64) -> Option<Self> {
        (Self::MS_MIN..=Self::MS_MAX).contains(&ms).then_some(Self(ms))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 instant, of whatever offset and digits; less than a millisecond is dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let stamp: Timestamp = text.parse().ok()?;
        Self::from_ms(stamp.as_nanosecond().div_euclid(1_000_000).try_into().ok()?)
    }

    /// This instant and `ms` milliseconds; `None` beyond what can be printed.
    #[must_use]
    pub fn after_ms(self, ms: i64) -> Option<Self> {
        Self::from_ms(self.0.checked_add(ms)?)
    }
}

/// A file gives instants that can be printed, or none.
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ms = i64::deserialize(deserializer)?;
        Self::from_ms(ms).ok_or_else(|| D::Error::custom("an instant outside the years 0 to 9999"))
    }
}

/// In UTC, with exactly three digits of the fraction: the order of the texts is the order of the instants.
impl std::fmt::Display for Time {
    #[expect(clippy::expect_used, reason = "an instant that can't be printed is never made")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stamp = Timestamp::from_millisecond(self.0).expect("an instant lies in the years 0 to 9999");
        write!(f, "{stamp:.3}")
    }
}

/// The units of durations, for messages.
pub const DURATION_UNITS: &str = "us, ms, s, m, h, d (24 hours), w (7 days)";

/// Reads a duration such as `250ms`, `60s`, `1h 30m`, `1d12h`, `2w`, in whole microseconds; negative, fractional
/// microseconds and anything else give `None`. A day has 24 hours.
#[must_use]
pub fn parse_duration_us(text: &str) -> Option<i64> {
    let text = text.trim();
    let of_days = || {
        let span: Span = text.parse().ok()?;
        span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
    };
    let duration: SignedDuration = text.parse().ok().or_else(of_days)?;
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
    fn text_order_is_time_order() {
        let step = 123_456_789_321;
        let times = (Time::MS_MIN..=Time::MS_MAX).step_by(step).filter_map(Time::from_ms);
        let near = [-1, 0, 1, 9, 10, 99, 100, 500, 999, 1_000].into_iter().filter_map(Time::from_ms);
        let mut times: Vec<Time> = times.chain(near).collect();
        times.sort_unstable();
        let texts: Vec<String> = times.iter().map(Time::to_string).collect();
        assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == texts[0].len()));
    }

    #[test]
    fn instants_and_durations_read_and_print() {
        for (text, printed) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
            ("2026-01-01T00:01:00.5Z", "2026-01-01T00:01:00.500Z"),
            ("2026-01-01T02:00:00.123456789+02:00", "2026-01-01T00:00:00.123Z"),
            ("2025-12-31t19:00:00-05:00", "2026-01-01T00:00:00.000Z"),
            ("1969-12-31T23:59:59.9995Z", "1969-12-31T23:59:59.999Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"),
        ] {
            let time = Time::parse(text).unwrap();
            assert_eq!(time.to_string(), printed);
            assert_eq!(Time::parse(printed), Some(time), "what is printed can be read again");
        }
        for text in ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "", "-000001-12-31T23:59:59Z"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        for ms in [i64::MAX, i64::MIN, Time::MS_MIN - 1, Time::MS_MAX + 1] {
            assert_eq!(Time::from_ms(ms), None);
            assert!(postcard::from_bytes::<Time>(&postcard::to_stdvec(&ms).unwrap()).is_err());
        }
        for (text, us) in [
            ("500ms", Some(500_000)),
            ("60s", Some(60_000_000)),
            ("1h 30m", Some(5_400_000_000)),
            ("3us", Some(3)),
            ("2d", Some(172_800_000_000)),
            ("1w", Some(604_800_000_000)),
            ("1d12h", Some(129_600_000_000)),
            ("1d 12h", Some(129_600_000_000)),
            ("1 week 2 days", Some(777_600_000_000)),
            ("1mo", None),
            ("1y", None),
            ("-1d", None),
            ("9999999999999999999d", None),
            ("5 parsecs", None),
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
