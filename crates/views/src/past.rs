//! All that is read of a journal before pages are shown: once for a moment, and then on with what comes.

use oikos_runner::{
    Bills, Forecast, Journal, Parent, RunError,
    config::{self, Authors, Lasts},
    kernel::{time::Time, world::World},
    library, parent, recorded_source,
};

use crate::facts::Facts;

/// Records between two tellings of how far it is.
const TOLD_RECORDS: u64 = 4_096;

/// The past of a world up to a record.
#[derive(Clone, Debug)]
pub struct Past {
    /// The facts.
    pub(crate) facts: Facts,
    /// The bills of models.
    pub(crate) bills: Bills,
    /// The dollars of the whole run, where there is something to go by.
    pub(crate) forecast: Option<Forecast>,
    /// The length of a run.
    pub(crate) lasts: Lasts,
    /// Where the code of artifacts stands.
    pub(crate) authors: Authors,
    /// The world that it was forked from.
    pub(crate) parent: Option<Parent>,
    /// The measures as they were taken, by name: those of the world file first.
    pub(crate) series: Series,
}

/// Measures by time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    /// The values of each, by its name.
    pub(crate) lines: Vec<(String, Vec<(Time, f64)>)>,
    /// The last moment of them, whose values may be taken again, and the place of the last value before it.
    last: (Option<Time>, i64),
}

impl Past {
    /// Reads the past of a world; `visit` is told how many records are read.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn read(journal: &Journal, world: &World, visit: impl FnMut(u64)) -> Result<Self, RunError> {
        let source = recorded_source(journal)?;
        let authors = source.authors();
        let file = config::reload(&source, library::founders())?;
        let mut past = Self {
            facts: Facts::none(),
            bills: Bills::none(&file.plan),
            forecast: None,
            lasts: file.plan.lasts,
            series: Series::of(file.measures.into_iter().map(|measure| measure.name)),
            authors,
            parent: parent(journal)?,
        };
        past.go_on(journal, world, visit)?;
        Ok(past)
    }

    /// Goes on to a later state of the world.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn go_on(
        &mut self,
        journal: &Journal,
        world: &World,
        mut visit: impl FnMut(u64),
    ) -> Result<(), RunError> {
        let until = world.seq();
        journal.records_while(self.facts.seq() + 1, |record| {
            if record.seq > until {
                return false;
            }
            self.facts.add(&record, world);
            if record.seq.is_multiple_of(TOLD_RECORDS) {
                visit(record.seq);
            }
            true
        })?;
        self.bills.read(journal, until)?;
        let is_end = until == journal.head().seq;
        self.forecast = if is_end { self.bills.forecast(journal)? } else { None };
        self.series.go_on(journal, until)
    }
}

impl Series {
    /// No values of measures of these names.
    fn of(names: impl Iterator<Item = String>) -> Self {
        Self { lines: names.map(|name| (name, Vec::new())).collect(), last: (None, 0) }
    }

    /// Reads on to a record.
    pub(crate) fn go_on(&mut self, journal: &Journal, until: u64) -> Result<(), RunError> {
        let Self { lines: series, last: (last, before) } = self;
        if let Some(moment) = last.take() {
            series.iter_mut().for_each(|(_, points)| points.retain(|(time, _)| *time != moment));
        }
        let mut place = *before;
        Ok(journal.series_while(place, |at, row| {
            if row.seq > until {
                return false;
            }
            if *last != Some(row.time) {
                (*last, *before) = (Some(row.time), place);
            }
            place = at;
            if let Some(value) = row.value {
                match series.iter_mut().find(|(name, _)| *name == row.name) {
                    Some((_, points)) => points.push((row.time, value)),
                    // A fork may have measured something else.
                    None => series.push((row.name, vec![(row.time, value)])),
                }
            }
            true
        })?)
    }
}
