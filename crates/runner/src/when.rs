//! A moment of a world, as people write it, and the record at whose end it is.

use oikos_journal::Journal;
use oikos_kernel::{
    record::{Cause, Record},
    refusal::{Code, Refusal},
    rules::Execution,
    time::{Time, format_duration_ms, parse_duration_ms},
};

use crate::{error::RunError, fork::parent};

/// A moment: the state after the last record that is not behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A record, by its number.
    Seq(u64),
    /// An instant.
    Time(Time),
    /// So many milliseconds after the beginning.
    After(i64),
    /// The end of a tick, as far as it came.
    Tick(u64),
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number(text) {
            // Behind the last record there is none, however far.
            return Ok(Self::Seq(text.parse().unwrap_or(u64::MAX)));
        }
        if let Some(number) = text.strip_prefix("tick:").filter(|number| is_number(number)) {
            return Ok(Self::Tick(number.parse().unwrap_or(u64::MAX)));
        }
        let parsed = Time::parse(text).map(Self::Time).or_else(|| parse_duration_ms(text).map(Self::After));
        let forms =
            "a record as 17, a time as 2026-01-01T06:00:00Z, a time since the beginning as 6h, or tick:40";
        parsed.ok_or_else(|| format!("write {forms}"))
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seq(seq) => write!(f, "{seq}"),
            Self::Time(time) => write!(f, "{time}"),
            Self::After(ms) => f.write_str(&format_duration_ms(*ms)),
            Self::Tick(number) => write!(f, "tick:{number}"),
        }
    }
}

impl When {
    /// The last record that is not behind the moment. A moment before the first, and a record or a tick that there is
    /// not, is a refusal.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn seq(self, journal: &Journal) -> Result<Result<u64, Refusal>, RunError> {
        let last = journal.head().seq;
        let (start, tick_ms) = beginning(journal)?;
        let ends = |problem: String| {
            Refusal::new(Code::NotFound, problem)
                .hint(format!("the records are 1 to {last}; `oikos log` shows them"))
        };
        Ok(match self {
            Self::Seq(seq) if (1..=last).contains(&seq) => Ok(seq),
            Self::Seq(seq) => Err(ends(format!("there is no record {seq}"))),
            Self::Time(time) if time < start => {
                Err(Refusal::new(Code::NotFound, format!("the world begins at {start}, after {time}")))
            }
            Self::Time(time) => Ok(at_time(journal, time)?),
            Self::After(ms) => Ok(match start.after_ms(ms) {
                Some(time) => at_time(journal, time)?,
                None => last,
            }),
            Self::Tick(number) => match tick_ms {
                None => Err(Refusal::new(Code::NotFound, "this world has no ticks")
                    .hint("name a record, a time, or a time since the beginning as `6h`")),
                Some(tick_ms) => match at_tick(journal, number, start, tick_ms)? {
                    Some(seq) => Ok(seq),
                    None => Err(ends(format!("there is no tick {number}"))),
                },
            },
        })
    }
}

/// The first instant of a world, and how far a tick moves its clock, if it has ticks.
fn beginning(journal: &Journal) -> Result<(Time, Option<i64>), RunError> {
    Ok(match record(journal, 1)?.map(|record| record.cause) {
        Some(Cause::Genesis { rules, .. }) => match rules.execution {
            Execution::Tick { ms } => (rules.start, Some(ms)),
            Execution::Autonomous { .. } => (rules.start, None),
        },
        Some(_) | None => (Time::default(), None),
    })
}

pub(crate) fn record(journal: &Journal, seq: u64) -> Result<Option<Record>, RunError> {
    let mut found = None;
    journal.records_while(seq, |record| {
        found = Some(record);
        false
    })?;
    Ok(found)
}

/// The last record that is not later than an instant; times of records never go back.
pub(crate) fn at_time(journal: &Journal, time: Time) -> Result<u64, RunError> {
    let (mut low, mut high) = (1, journal.head().seq);
    while low < high {
        let middle = high - (high - low) / 2;
        match record(journal, middle)? {
            Some(record) if record.time <= time => low = middle,
            Some(_) | None => high = middle - 1,
        }
    }
    Ok(low)
}

/// The last record of a tick. None begins before its time, so that all before are passed over.
fn at_tick(journal: &Journal, number: u64, start: Time, tick_ms: i64) -> Result<Option<u64>, RunError> {
    let early = i64::try_from(number).ok().and_then(|number| number.checked_mul(tick_ms));
    let Some(early) = early.and_then(|ms| start.after_ms(ms)) else { return Ok(None) };
    // The ticks of a fork may have another length.
    let is_whole = parent(journal)?.is_none();
    let before = early.after_ms(-1).filter(|before| *before >= start && is_whole);
    let from = before.map_or(Ok(1), |before| at_time(journal, before))?;
    let (mut begun, mut seq) = (false, None);
    journal.records_while(from, |record| {
        if let Cause::Tick { number: this, .. } = record.cause {
            if this > number {
                return false;
            }
            begun = this == number;
        }
        if begun {
            seq = Some(record.seq);
        }
        true
    })?;
    Ok(seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        let time = Time::parse("2026-01-01T06:00:00Z").unwrap();
        for (text, when) in [
            ("17", When::Seq(17)),
            ("0", When::Seq(0)),
            ("99999999999999999999999", When::Seq(u64::MAX)),
            ("tick:40", When::Tick(40)),
            ("6h", When::After(21_600_000)),
            ("1h 30m", When::After(5_400_000)),
            ("2026-01-01T06:00:00Z", When::Time(time)),
            ("2026-01-01T07:00:00+01:00", When::Time(time)),
        ] {
            assert_eq!(text.parse(), Ok(when), "{text}");
            assert_eq!(when.to_string().parse(), Ok(when), "{text}");
        }
        for text in ["", "-1", "tick:", "tick:-1", "tick:x", "yesterday", "1.5", "-6h", "2026-01-01"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
