//! Measures: numbers that a world file declares, taken on the world as it stands.

use oikos_kernel::{
    rules::{ResourceId, ResourceKind},
    world::World,
};

use crate::{
    config::{Measure, MeasureKind, Statistic},
    sequencer::Sequencer,
};

/// Takes a measure. `None` when it has no value: nobody to measure, or a method that failed.
///
/// # Errors
/// Why a method gave no number, in words.
pub fn take(sequencer: &mut Sequencer, measure: &Measure) -> Result<f64, String> {
    match &measure.what {
        MeasureKind::Statistic { function, resource } => {
            let amounts = amounts(sequencer.world(), *resource);
            statistic(*function, amounts).ok_or_else(|| "there are no agents".into())
        }
        MeasureKind::Method { artifact, method } => {
            let handle = sequencer
                .world()
                .lookup(artifact)
                .ok_or_else(|| format!("there is no artifact `{artifact}`"))?;
            let value = sequencer
                .measure(handle, method)
                .map_err(|fault| fault.to_string())?
                .map_err(|refusal| refusal.to_string())?;
            value.as_f64().ok_or_else(|| format!("`{artifact}.{method}` returned {value}, not a number"))
        }
    }
}

/// The scrip of each agent, or its free amount of a resource; of a resource that limits nobody, its use.
fn amounts(world: &World, resource: Option<ResourceId>) -> Vec<i64> {
    let alive =
        world.agents().filter(|agent| world.get(agent.handle).is_some_and(|artifact| !artifact.is_deleted()));
    alive
        .map(|agent| match resource {
            None => world.scrip(agent.handle),
            Some(resource) if world.rules().kind(resource) == ResourceKind::Metered => {
                world.used(agent.handle, resource)
            }
            Some(resource) => world.capacity(agent.handle, resource, world.now()),
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a statistic is no account: it may be rounded")]
fn statistic(function: Statistic, mut amounts: Vec<i64>) -> Option<f64> {
    let count = amounts.len() as f64;
    if amounts.is_empty() {
        return None;
    }
    let sum: i128 = amounts.iter().copied().map(i128::from).sum();
    Some(match function {
        Statistic::Sum => sum as f64,
        Statistic::Mean => sum as f64 / count,
        Statistic::ShareZero => amounts.iter().filter(|amount| **amount == 0).count() as f64 / count,
        Statistic::Gini => {
            amounts.sort_unstable();
            let weighted: i128 =
                (1_i128..).zip(&amounts).map(|(rank, amount)| rank * i128::from(*amount)).sum();
            if sum == 0 {
                return Some(0.0);
            }
            2.0 * weighted as f64 / (count * sum as f64) - (count + 1.0) / count
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_small_distributions() {
        for (function, amounts, value) in [
            (Statistic::Gini, vec![5, 5, 5], 0.0),
            (Statistic::Gini, vec![0, 0, 0, 12], 0.75),
            (Statistic::Gini, vec![1, 3], 0.25),
            (Statistic::Gini, vec![0, 0], 0.0),
            (Statistic::ShareZero, vec![0, 1, 0, 7], 0.5),
            (Statistic::Mean, vec![1, 2], 1.5),
            (Statistic::Sum, vec![i64::MAX, 1], 9_223_372_036_854_775_808.0),
        ] {
            let taken = statistic(function, amounts.clone()).unwrap();
            assert!((taken - value).abs() < 1e-12, "{function:?} of {amounts:?} is {taken}");
        }
        assert_eq!(statistic(Statistic::Gini, Vec::new()), None);
    }
}
