//! Rates: how many events or payments there were, and how much scrip was paid, since a moment.

use oikos_kernel::{
    id::Handle,
    record::{Effect, Record},
    world::World,
};

use crate::{
    config::{Flow, Measure, MeasureKind, Whom},
    error::RunError,
    measure::fits,
    past::each_until,
    sequencer::Sequencer,
};

/// The rates among measures, each counted since the same moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates(Vec<Rate>);

#[derive(Clone, Debug)]
struct Rate {
    /// The rate as a measure.
    what: MeasureKind,
    flow: Flow,
    whom: Whom,
    /// Exact, as far as scrip goes.
    sum: i128,
}

impl Rates {
    /// The rates among measures, with nothing counted.
    pub(crate) fn of<'a>(measures: impl IntoIterator<Item = &'a Measure>) -> Self {
        let rate = |measure: &Measure| match &measure.what {
            MeasureKind::Rate { flow, whom } => {
                Some(Rate { what: measure.what.clone(), flow: *flow, whom: whom.clone(), sum: 0 })
            }
            MeasureKind::Statistic { .. } | MeasureKind::Method { .. } => None,
        };
        Self(measures.into_iter().filter_map(rate).collect())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins to count anew.
    pub(crate) fn begin(&mut self) {
        self.0.iter_mut().for_each(|rate| rate.sum = 0);
    }

    /// Counts a record; `world` knows the names.
    pub(crate) fn count(&mut self, world: &World, record: &Record) {
        for rate in &mut self.0 {
            let is_theirs = |who: Handle| match &rate.whom {
                Whom::All => true,
                Whom::Id(pattern) => fits(pattern, world.name(who)),
                Whom::Kind(pattern) => world.get(who).is_some_and(|artifact| fits(pattern, artifact.kind())),
            };
            let payments = record.effects.iter().filter_map(|effect| {
                let Effect::Pay { from, amount, why, .. } = effect else { return None };
                is_theirs(*from).then_some((*why, *amount))
            });
            rate.sum += match rate.flow {
                Flow::Events(kind) => {
                    let events = record.events.iter().filter(|event| is_theirs(event.actor));
                    events.filter(|event| kind.is_none_or(|kind| event.kind == kind)).map(|_| 1).sum::<i128>()
                }
                Flow::Payments(wanted) => {
                    payments.filter(|(why, _)| wanted.is_none_or(|wanted| *why == wanted)).map(|_| 1).sum()
                }
                Flow::Paid(wanted) => payments
                    .filter(|(why, _)| wanted.is_none_or(|wanted| *why == wanted))
                    .map(|(_, amount)| i128::from(amount))
                    .sum(),
            };
        }
    }

    /// Counts what a sequencer's journal has from a record on.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn count_on(&mut self, sequencer: &mut Sequencer, from: u64) -> Result<(), RunError> {
        let world = sequencer.world().clone();
        let journal = sequencer.journal()?;
        each_until(&journal, from.saturating_sub(1), world.seq(), |record| {
            self.count(&world, &record);
            Ok(())
        })
    }

    /// A rate that is among them, as far as it is counted.
    #[expect(clippy::cast_precision_loss, reason = "a rate is no account: it may be rounded")]
    pub(crate) fn value(&self, what: &MeasureKind) -> Option<f64> {
        self.0.iter().find(|rate| rate.what == *what).map(|rate| rate.sum as f64)
    }
}
