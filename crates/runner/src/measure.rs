//! Measures: numbers that a world file declares, taken on the world as it stands.

use oikos_journal::AgentRows;
use oikos_kernel::{
    resource::ResourceId,
    rules::ResourceKind,
    time::Time,
    world::{Agent, World},
};
use serde_json::Value;

use crate::{
    config::{Compare, Measure, MeasureKind, Measured, Statistic, Until, Whom},
    error::RunError,
    rates::Rates,
    sequencer::Sequencer,
};

/// A measure by its name, with its number or the reason, in words, that it has none: nobody to measure, or a method
/// that failed.
pub type Taken = (String, Result<f64, String>);

/// Takes measures, now. A rate is that of the whole run; the journal is read once for all of them.
///
/// # Errors
/// Only faults.
pub fn take_all(sequencer: &mut Sequencer, measures: &[Measure]) -> Result<Vec<Taken>, RunError> {
    let now = sequencer.now();
    let mut rates = Rates::of(measures);
    if !rates.is_empty() {
        rates.count_on(sequencer, 1)?;
    }
    let mut taken = Vec::with_capacity(measures.len());
    for measure in measures {
        let number = match rates.value(&measure.what) {
            Some(number) => Ok(number),
            None => at(sequencer, measure, now)?,
        };
        taken.push((measure.name.clone(), number));
    }
    Ok(taken)
}

/// Takes a measure as of an instant; the inner error is why there is no number, in words.
///
/// # Errors
/// Only faults.
pub(crate) fn at(
    sequencer: &mut Sequencer,
    measure: &Measure,
    now: Time,
) -> Result<Result<f64, String>, RunError> {
    number(sequencer, &measure.what, now)
}

fn number(sequencer: &mut Sequencer, what: &MeasureKind, now: Time) -> Result<Result<f64, String>, RunError> {
    let (artifact, method) = match what {
        MeasureKind::Statistic { function, of, whom } => {
            let amounts = amounts(sequencer.world(), of, whom, now);
            let value = statistic(*function, &amounts);
            return Ok(value.ok_or_else(|| "there is nobody to measure".into()));
        }
        // A rate is counted as records come, not found in a world.
        MeasureKind::Rate { .. } => {
            return Ok(Ok(sequencer.sampler.rates.value(what).unwrap_or_default()));
        }
        MeasureKind::Method { artifact, method } => (artifact, method),
    };
    let told = returned(sequencer, artifact, method, now)?;
    Ok(told.and_then(|value| {
        value.as_f64().ok_or_else(|| format!("`{artifact}.{method}` returned {value}, not a number"))
    }))
}

fn returned(
    sequencer: &mut Sequencer,
    artifact: &str,
    method: &str,
    now: Time,
) -> Result<Result<Value, String>, RunError> {
    let Some(handle) = sequencer.world().lookup(artifact) else {
        return Ok(Err(format!("there is no artifact `{artifact}`")));
    };
    Ok(sequencer.measure(handle, method, now)?.map_err(|refusal| refusal.to_string()))
}

/// Whether a condition holds as of an instant; the inner error is why nobody can tell, in words.
///
/// # Errors
/// Only faults.
pub(crate) fn holds(
    sequencer: &mut Sequencer,
    until: &Until,
    now: Time,
) -> Result<Result<bool, String>, RunError> {
    let Some((compare, bound)) = until.bound else {
        return match &until.what {
            MeasureKind::Method { artifact, method } => {
                Ok(returned(sequencer, artifact, method, now)?.map(|value| is_true(&value)))
            }
            MeasureKind::Statistic { .. } | MeasureKind::Rate { .. } => {
                Ok(Err("a measure ends a run by a bound".into()))
            }
        };
    };
    Ok(number(sequencer, &until.what, now)?.map(|number| compare.holds(number, bound)))
}

impl Compare {
    #[expect(clippy::float_cmp, reason = "the author asks for the very number")]
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Above => number > bound,
            Self::AtLeast => number >= bound,
            Self::Below => number < bound,
            Self::AtMost => number <= bound,
            Self::Equal => number == bound,
            Self::Other => number != bound,
        }
    }
}

/// Truth as Python has it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Bytes of lines that are one part of the rows of a moment; the last line may go beyond.
const PART_BYTES: usize = 4 << 20;

/// The numbers of each agent, as of an instant.
pub(crate) fn of_agents(world: &World, columns: &[(String, Measured)], now: Time) -> Vec<AgentRows> {
    let names = Value::from_iter(columns.iter().map(|(name, _)| name.as_str())).to_string();
    let (mut parts, mut lines) = (Vec::new(), Vec::new());
    for agent in world.agents().filter(|agent| is_meant(world, agent, &Whom::All)) {
        lines.push(b'[');
        lines.extend(Value::from(world.name(agent.handle)).to_string().bytes());
        for (_, of) in columns {
            lines.push(b',');
            match of {
                Measured::Content(path) => {
                    let number = content(world, agent, path);
                    lines.extend(number.map_or("null".into(), Value::to_string).bytes());
                }
                Measured::Scrip => lines.extend(world.scrip(agent.handle).to_string().bytes()),
                Measured::Resource(resource) => {
                    lines.extend(amount(world, agent, *resource, now).to_string().bytes());
                }
            }
        }
        lines.extend(b"]\n");
        if lines.len() >= PART_BYTES {
            parts.push(AgentRows { columns: names.clone(), lines: std::mem::take(&mut lines) });
        }
    }
    if !lines.is_empty() {
        parts.push(AgentRows { columns: names, lines });
    }
    parts
}

/// The free amount of a resource that an agent has, or its use of one that limits nobody.
fn amount(world: &World, agent: &Agent, resource: ResourceId, now: Time) -> i64 {
    if world.rules().kind(resource) == ResourceKind::Metered {
        world.used(agent.handle, resource)
    } else {
        world.capacity(agent.handle, resource, now)
    }
}

/// The number in an agent's content below these keys.
fn content<'a>(world: &'a World, agent: &Agent, path: &[String]) -> Option<&'a Value> {
    let whole = world.get(agent.handle)?.content();
    path.iter().try_fold(whole, |value, key| value.get(key)).filter(|value| value.is_number())
}

/// Numbers of agents; whole ones are added up exactly.
enum Amounts {
    Whole(Vec<i64>),
    Broken(Vec<f64>),
}

/// The scrip of each agent that is meant, its free amount of a resource (of one that limits nobody, its use), or a
/// number in its content; those who have no such number are left out.
fn amounts(world: &World, of: &Measured, whom: &Whom, now: Time) -> Amounts {
    let meant = world.agents().filter(|agent| is_meant(world, agent, whom));
    let path = match of {
        Measured::Scrip => return Amounts::Whole(meant.map(|agent| world.scrip(agent.handle)).collect()),
        Measured::Resource(resource) => {
            return Amounts::Whole(meant.map(|agent| amount(world, agent, *resource, now)).collect());
        }
        Measured::Content(path) => path,
    };
    let numbers: Vec<&Value> = meant.filter_map(|agent| content(world, agent, path)).collect();
    let whole: Option<Vec<i64>> = numbers.iter().map(|number| number.as_i64()).collect();
    whole.map_or_else(
        || Amounts::Broken(numbers.iter().filter_map(|number| number.as_f64()).collect()),
        Amounts::Whole,
    )
}

/// Whether a measure means an agent.
fn is_meant(world: &World, agent: &Agent, whom: &Whom) -> bool {
    let there = world.get(agent.handle).filter(|artifact| !artifact.is_deleted());
    there.is_some_and(|artifact| match whom {
        Whom::All => !artifact.is_coordinator(),
        Whom::Id(pattern) => fits(pattern, artifact.id()),
        Whom::Kind(pattern) => fits(pattern, artifact.kind()),
    })
}

/// Whether an id fits a pattern, in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, id: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == id };
    let Some(mut id) = id.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match id.find(part) {
            Some(at) => id = id.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    id.ends_with(last)
}

#[expect(clippy::cast_precision_loss, reason = "a statistic is no account: it may be rounded")]
fn statistic(function: Statistic, amounts: &Amounts) -> Option<f64> {
    let numbers: Vec<f64> = match amounts {
        Amounts::Whole(amounts) => amounts.iter().map(|amount| *amount as f64).collect(),
        Amounts::Broken(numbers) => numbers.clone(),
    };
    let count = numbers.len() as f64;
    if function == Statistic::Count {
        return Some(count);
    }
    if numbers.is_empty() {
        return None;
    }
    let sorted = || {
        let mut numbers = numbers.clone();
        numbers.sort_unstable_by(f64::total_cmp);
        numbers
    };
    let sum = match amounts {
        Amounts::Whole(amounts) => amounts.iter().copied().map(i128::from).sum::<i128>() as f64,
        Amounts::Broken(numbers) => numbers.iter().sum(),
    };
    match function {
        Statistic::Sum => Some(sum),
        Statistic::Count => Some(count),
        Statistic::Mean => Some(sum / count),
        Statistic::ShareZero => Some(numbers.iter().filter(|number| **number == 0.0).count() as f64 / count),
        Statistic::Min => sorted().first().copied(),
        Statistic::Max => sorted().last().copied(),
        Statistic::Quantile { ppm } => {
            let sorted = sorted();
            let place = f64::from(ppm) / 1e6 * (count - 1.0);
            let (below, part) = (place.floor(), place.fract());
            let at = |place: f64| sorted.iter().copied().nth(index(place));
            let low = at(below)?;
            Some(at(below + 1.0).map_or(low, |high| low + part * (high - low)))
        }
        Statistic::TopShare { ppm } => {
            if sum == 0.0 {
                return Some(0.0);
            }
            let top = (u64::from(ppm) * numbers.len() as u64).div_ceil(1_000_000).max(1);
            let held: f64 = (0..top).zip(sorted().iter().rev()).map(|(_, held)| held).sum();
            Some(held / sum)
        }
        Statistic::Gini if sum == 0.0 => Some(0.0),
        Statistic::Gini => {
            let weighted = match amounts {
                Amounts::Whole(amounts) => {
                    let mut amounts = amounts.clone();
                    amounts.sort_unstable();
                    (1_i128..).zip(&amounts).map(|(rank, amount)| rank * i128::from(*amount)).sum::<i128>()
                        as f64
                }
                Amounts::Broken(_) => (1_u32..).zip(sorted()).map(|(rank, one)| f64::from(rank) * one).sum(),
            };
            Some(2.0 * weighted / (count * sum) - (count + 1.0) / count)
        }
    }
}

/// A place in a list.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is between 0 and the length"
)]
fn index(place: f64) -> usize {
    place as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_small_distributions() {
        let quantile = |ppm| Statistic::Quantile { ppm };
        let top = |ppm| Statistic::TopShare { ppm };
        for (function, amounts, value) in [
            (Statistic::Gini, vec![5, 5, 5], 0.0),
            (Statistic::Gini, vec![0, 0, 0, 12], 0.75),
            (Statistic::Gini, vec![1, 3], 0.25),
            (Statistic::Gini, vec![0, 0], 0.0),
            (Statistic::ShareZero, vec![0, 1, 0, 7], 0.5),
            (Statistic::Mean, vec![1, 2], 1.5),
            (Statistic::Sum, vec![i64::MAX, 1], 9_223_372_036_854_775_808.0),
            (Statistic::Count, vec![], 0.0),
            (Statistic::Count, vec![4, 4], 2.0),
            (Statistic::Min, vec![3, -2, 9], -2.0),
            (Statistic::Max, vec![3, -2, 9], 9.0),
            (quantile(500_000), vec![4, 1, 3, 2], 2.5),
            (quantile(500_000), vec![7], 7.0),
            (quantile(250_000), vec![10, 0, 20, 30, 40], 10.0),
            (quantile(900_000), vec![0, 10], 9.0),
            (quantile(0), vec![3, 1, 2], 1.0),
            (quantile(1_000_000), vec![3, 1, 2], 3.0),
            (top(100_000), vec![1, 1, 1, 1, 1, 1, 1, 1, 1, 11], 0.55),
            (top(250_000), vec![0, 0, 0], 0.0),
            (top(1_000_000), vec![1, 2, 3], 1.0),
            // Of three, a tenth is one.
            (top(100_000), vec![1, 2, 3], 0.5),
        ] {
            let taken = statistic(function, &Amounts::Whole(amounts.clone())).unwrap();
            assert!((taken - value).abs() < 1e-12, "{function:?} of {amounts:?} is {taken}");
            let broken = Amounts::Broken(amounts.iter().map(|amount| *amount as f64).collect());
            let taken = statistic(function, &broken).unwrap();
            assert!((taken - value).abs() < 1e-12, "{function:?} of {amounts:?} is {taken}");
        }
        for function in [Statistic::Gini, Statistic::Mean, Statistic::Max, quantile(500_000), top(1)] {
            assert_eq!(statistic(function, &Amounts::Whole(Vec::new())), None);
        }
        let halves = Amounts::Broken(vec![0.5, 1.5]);
        assert_eq!(statistic(Statistic::Mean, &halves), Some(1.0));
        assert_eq!(statistic(Statistic::Gini, &halves), Some(0.25));
    }

    #[test]
    fn patterns_fit_ids() {
        for (pattern, id, is) in [
            ("trader_*", "trader_001", true),
            ("trader_*", "trader", false),
            ("*", "anyone", true),
            ("*_001", "trader_001", true),
            ("t*r_*1", "trader_001", true),
            ("t*r_*2", "trader_001", false),
            ("a*a", "a", false),
            ("trader_001", "trader_001", true),
            ("trader_00", "trader_001", false),
        ] {
            assert_eq!(fits(pattern, id), is, "{pattern} {id}");
        }
    }
}
