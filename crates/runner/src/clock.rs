//! The two clocks. Only here is the time of the machine read.
//!
//! On the wall clock a world's time begins as the machine's, and then passes as the monotonic clock does: it
//! never goes back, and nothing is skipped because somebody set the machine's clock. The machine's clock is
//! compared with it whenever time is asked for. Once they have been apart by more than a second, and stayed
//! so for a second, the clock was moved: set forward, the world's time follows at once; set back, it goes on
//! as it was, ahead of the machine's, until that has caught up.

use std::time::{Duration, Instant, SystemTime};

use oikos_kernel::{
    event::{Event, EventKind},
    id::Handle,
    time::{Time, format_duration_ms},
};

use crate::{config::ClockKind, error::RunError};

/// How far the clocks may be apart, in milliseconds, before one was moved.
const APART_MS_MAX: i64 = 1_000;
/// How long they must have been apart: a clock that was seen wrong once was not moved.
const APART_FOR: Duration = Duration::from_secs(1);
/// How long nobody looks at the clock at most, while a world waits.
pub(crate) const LOOK_AFTER: Duration = Duration::from_secs(10);
/// Where the machine's clock may stand, in milliseconds: the years 1900 to 9900.
const YEARS: std::ops::Range<i64> = -2_208_988_800_000..250_246_627_200_000;

/// A world's clock.
#[derive(Debug)]
pub(crate) enum Clock {
    /// Its time jumps to the next event.
    Virtual,
    /// Its time passes.
    Wall(WallClock),
    /// Its time is told, as it was when it happened, by the clock that a world had.
    Told(ClockKind),
}

impl Clock {
    /// Which of the two it is.
    pub(crate) const fn kind(&self) -> ClockKind {
        match self {
            Self::Virtual => ClockKind::Virtual,
            Self::Wall(_) => ClockKind::Wall,
            Self::Told(kind) => *kind,
        }
    }
}

/// A world's time while it passes, beside the machine's.
#[derive(Debug)]
pub(crate) struct WallClock {
    /// The world's time, in milliseconds, at an instant.
    anchor: (i64, Instant),
    /// How far the machine's clock is ahead of the world's, in milliseconds, as far as that has been told.
    told_ms: i64,
    /// How far it seems to be ahead since an instant.
    suspect: Option<(i64, Instant)>,
}

/// A move of the machine's clock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// How far the world's time has jumped, in milliseconds.
    pub(crate) away_ms: i64,
    /// The event that tells of it.
    pub(crate) event: Event,
}

/// The time of the machine's clock.
///
/// # Errors
/// When it is out of range.
pub fn machine_now() -> Result<Time, RunError> {
    let ms = machine_ms();
    Time::from_ms(ms).filter(|time| YEARS.contains(&time.ms())).ok_or(RunError::Clock { ms })
}

fn machine_ms() -> i64 {
    let now = SystemTime::now();
    let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

impl WallClock {
    /// Begins to run; the world has come as far as `last`, and had nothing to do `asleep_until` an instant. Returns the
    /// move of the clock since, if it is worth a record.
    ///
    /// # Errors
    /// When the machine's clock is out of range.
    pub(crate) fn begin(last: Time, asleep_until: Option<Time>) -> Result<(Self, Option<Moved>), RunError> {
        let now = machine_now()?;
        let slept = asleep_until.map_or(last, |until| last.max(until.min(now)));
        Ok(Self::begin_at(slept, now.ms(), Instant::now()))
    }

    fn begin_at(last: Time, machine_ms: i64, instant: Instant) -> (Self, Option<Moved>) {
        let ahead_ms = machine_ms - last.ms();
        let told_ms = if ahead_ms < -APART_MS_MAX { ahead_ms } else { 0 };
        let this = Self { anchor: (last.ms().max(machine_ms), instant), told_ms, suspect: None };
        let word = if ahead_ms > 0 { "away" } else { "back" };
        let moved = || Moved { away_ms: ahead_ms.max(0), event: event(word, ahead_ms) };
        (this, (ahead_ms.abs() > APART_MS_MAX).then(moved))
    }

    /// The world's time; `None` beyond the last instant there is.
    pub(crate) fn now(&self) -> Option<Time> {
        Time::from_ms(self.ms_at(Instant::now()))
    }

    fn ms_at(&self, instant: Instant) -> i64 {
        let (ms, since) = self.anchor;
        let passed = instant.saturating_duration_since(since).as_millis();
        ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// How long it is until an instant of the world's time; nothing if it has come.
    pub(crate) fn until(&self, time: Time) -> Duration {
        self.span_to(time).saturating_sub(self.anchor.1.elapsed())
    }

    /// How long ago an instant of the world's time was; nothing if it is to come.
    pub(crate) fn since(&self, time: Time) -> Duration {
        self.anchor.1.elapsed().saturating_sub(self.span_to(time))
    }

    /// From the anchor to an instant.
    fn span_to(&self, time: Time) -> Duration {
        Duration::from_millis(u64::try_from(time.ms().saturating_sub(self.anchor.0)).unwrap_or(0))
    }

    /// Compares the clocks. Returns the move of the machine's, if it was moved.
    pub(crate) fn look(&mut self) -> Option<Moved> {
        self.look_at(machine_ms(), Instant::now())
    }

    fn look_at(&mut self, machine_ms: i64, instant: Instant) -> Option<Moved> {
        let ahead_ms = machine_ms.saturating_sub(self.ms_at(instant));
        let moved_ms = ahead_ms.saturating_sub(self.told_ms);
        if moved_ms.abs() <= APART_MS_MAX {
            self.suspect = None;
            return None;
        }
        match self.suspect {
            Some((suspect_ms, since)) if suspect_ms.saturating_sub(ahead_ms).abs() <= APART_MS_MAX => {
                if instant.saturating_duration_since(since) < APART_FOR {
                    return None;
                }
            }
            _ => {
                self.suspect = Some((ahead_ms, instant));
                return None;
            }
        }
        self.suspect = None;
        // A clock that says what no clock should is told of, and not followed.
        let away_ms = if YEARS.contains(&machine_ms) { ahead_ms.max(0) } else { 0 };
        self.told_ms = ahead_ms - away_ms;
        self.anchor.0 = self.anchor.0.saturating_add(away_ms);
        let word = if moved_ms > 0 { "forward" } else { "back" };
        Some(Moved { away_ms, event: event(word, moved_ms) })
    }

    /// Whether the clocks seem to be apart: they are to be compared again soon.
    pub(crate) fn suspects(&self) -> Option<Duration> {
        self.suspect.map(|(_, since)| APART_FOR.saturating_sub(since.elapsed()))
    }
}

/// The event that tells of it, to the second.
fn event(word: &str, ms: i64) -> Event {
    let seconds = ms.unsigned_abs().div_euclid(1_000).cast_signed();
    let detail = format!("{word} {}", format_duration_ms(seconds.saturating_mul(1_000)));
    Event { detail: Some(detail), ..Event::new(EventKind::Clock, Handle::NOBODY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock, and the machine's: a row is so long after the beginning and how far the machine's clock was
    /// moved by then, both in milliseconds; what is told, how far the world's time jumps, and where it
    /// stands, from the beginning.
    fn check(rows: &[(u64, i64, &str, i64, i64)]) {
        let (start, began) = (1_800_000_000_000, Instant::now());
        let (mut clock, moved) = WallClock::begin_at(Time::from_ms(start).unwrap(), start, began);
        assert_eq!(moved, None);
        for (after_ms, by_ms, told, away_ms, stands_ms) in rows {
            let instant = began + Duration::from_millis(*after_ms);
            let moved = clock.look_at(start + after_ms.cast_signed() + by_ms, instant);
            let row = (*after_ms, *by_ms);
            let detail = moved.as_ref().and_then(|moved| moved.event.detail.clone());
            assert_eq!(detail.unwrap_or_default(), *told, "{row:?}");
            assert_eq!(moved.map_or(0, |moved| moved.away_ms), *away_ms, "{row:?}");
            assert_eq!(clock.ms_at(instant) - start, *stands_ms, "{row:?}");
        }
    }

    #[test]
    fn a_clock_that_was_moved_is_told_of_once_and_followed_forward_only() {
        const HOUR: i64 = 3_600_000;
        // A little is no move, and neither is what was seen once.
        check(&[(500, 900, "", 0, 500), (2_000, -900, "", 0, 2_000), (9_000, 800, "", 0, 9_000)]);
        check(&[(500, HOUR, "", 0, 500), (600, 0, "", 0, 600), (1_700, HOUR, "", 0, 1_700)]);
        check(&[(500, HOUR, "", 0, 500), (900, -HOUR, "", 0, 900), (1_600, HOUR, "", 0, 1_600)]);
        // Forward, it is followed.
        check(&[
            (500, HOUR, "", 0, 500),
            (1_499, HOUR, "", 0, 1_499),
            (1_500, HOUR, "forward 1h", HOUR, HOUR + 1_500),
            (9_000, HOUR, "", 0, HOUR + 9_000),
        ]);
        // Back, it is not; nor when it comes right again, or half of it.
        check(&[
            (500, -HOUR, "", 0, 500),
            (1_500, -HOUR, "back 1h", 0, 1_500),
            (5_000, -HOUR, "", 0, 5_000),
            (6_000, -HOUR / 2, "", 0, 6_000),
            (7_000, -HOUR / 2, "forward 30m", 0, 7_000),
            (8_000, 0, "", 0, 8_000),
            (9_000, 0, "forward 30m", 0, 9_000),
            (9_500, 2_500, "", 0, 9_500),
            (10_600, 2_500, "forward 2s", 2_500, 13_100),
        ]);
        // A clock that is out of its mind is not followed either.
        let beyond = 12_000 * 31_557_600_000;
        check(&[
            (0, beyond, "", 0, 0),
            (1_000, beyond, "forward 105192000h", 0, 1_000),
            (9_000, 0, "", 0, 9_000),
        ]);
        check(&[(0, i64::MAX / 2, "", 0, 0), (1_000, i64::MIN / 2, "", 0, 1_000)]);
    }

    #[test]
    fn what_passed_while_nothing_ran_is_told() {
        let start = 1_800_000_000_000;
        for (machine_ms, told, away_ms, stands_ms) in [
            (0, None, 0, 0),
            (400, None, 0, 400),
            (3_600_000, Some("away 1h"), 3_600_000, 3_600_000),
            (-400, None, 0, 0),
            (-3_600_000, Some("back 1h"), 0, 0),
        ] {
            let last = Time::from_ms(start).unwrap();
            let (mut clock, moved) = WallClock::begin_at(last, start + machine_ms, Instant::now());
            let detail = moved.as_ref().and_then(|moved| moved.event.detail.as_deref());
            assert_eq!(detail, told, "{machine_ms}");
            assert_eq!(moved.map_or(0, |moved| moved.away_ms), away_ms);
            let instant = clock.anchor.1;
            assert_eq!(clock.ms_at(instant), start + stands_ms);
            // A move is told once.
            for seconds in [0, 2, 4] {
                let later = instant + Duration::from_secs(seconds);
                let machine_ms = start + machine_ms + 1_000 * seconds.cast_signed();
                assert_eq!(clock.look_at(machine_ms, later), None, "{machine_ms}");
            }
        }
    }
}
