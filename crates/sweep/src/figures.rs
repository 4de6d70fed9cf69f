//! The figures of all runs that came to their end: by cell and measure, and by time.

use std::collections::{BTreeMap, BTreeSet};

use oikos_runner::kernel::seed;

use crate::{
    error::SweepError,
    folder::Folder,
    order::{Row, Status},
    plan::Plan,
    statistics::{Figures, paired},
};

/// Up to so many cells, each is compared with each; above, each with the first.
const CELLS_COMPARED: usize = 16;

/// Numbers that every run has.
pub(crate) const COUNTS: [&str; 3] = ["actions", "refusals", "cost"];

/// The values measured in all runs.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// The names of the measures, and whether all their values are whole numbers of 64 bits.
    pub(crate) names: Vec<(String, bool)>,
    /// By cell (from 0) and measure: seeds in order, with the value.
    values: Vec<Vec<Vec<(u64, f64)>>>,
    /// By measure, cell number and time since the beginning.
    pub(crate) series: BTreeMap<String, BTreeMap<u64, BTreeMap<i64, Moments>>>,
    /// Runs by cell number that came to their end, and others.
    pub(crate) ended: BTreeMap<u64, (u64, u64)>,
}

/// A count, a mean and the squares of what differs from it, one number after the other (Welford 1962).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    count: u32,
    pub(crate) mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, number: f64) {
        self.count += 1;
        let off = number - self.mean;
        self.mean += off / f64::from(self.count);
        self.squares += off * (number - self.mean);
    }

    /// The standard deviation; 0 of one number.
    pub(crate) fn sd(&self) -> f64 {
        (self.squares / f64::from(self.count.saturating_sub(1).max(1))).sqrt()
    }
}

/// A line of the summary.
#[derive(Clone, Debug)]
pub struct Line {
    /// The number of a cell.
    pub cell: u64,
    /// The cell whose numbers are taken off, run by run of the same seed.
    pub minus: Option<u64>,
    /// The measure.
    pub measure: String,
    /// Whether it is no measure of the world, but a number that every run has.
    pub is_count: bool,
    /// The figures.
    pub figures: Figures,
}

impl Measured {
    /// Reads all rows.
    pub(crate) fn read(plan: &Plan, folder: &Folder) -> Result<Self, SweepError> {
        let counts = COUNTS.map(|name| (name.to_owned(), name != "cost"));
        let names: Vec<(String, bool)> = plan.measures.iter().cloned().chain(counts).collect();
        let values = vec![vec![Vec::new(); names.len()]; plan.cells.len()];
        let mut this = Self { names, values, ..Self::default() };
        folder.each(|row| {
            this.add(&row, plan.measures.len());
            Ok(())
        })?;
        Ok(this)
    }

    fn add(&mut self, row: &Row, measures: usize) {
        let ended = self.ended.entry(row.cell).or_default();
        let is_done = row.status == Status::Done;
        *(if is_done { &mut ended.0 } else { &mut ended.1 }) += 1;
        for (name, value) in &row.measures {
            let known =
                self.names.iter_mut().take(measures).enumerate().find(|(_, (known, _))| known == name);
            let (Some((at, (_, is_whole))), Some(value)) = (known, value) else { continue };
            *is_whole &= whole(value.0).is_some();
            if is_done {
                self.push(row, at, value.0);
            }
        }
        if !is_done {
            return;
        }
        let counts = [row.actions.map(number), row.refusals.map(number), Some(dollars(row.cost))];
        for (at, value) in (measures..).zip(counts) {
            value.into_iter().for_each(|value| self.push(row, at, value));
        }
        for (time, name, value) in &row.series {
            if let (Some(value), Some(start)) = (value, row.start_ms) {
                let of = self.series.entry(name.clone()).or_default().entry(row.cell).or_default();
                of.entry(time - start).or_default().add(value.0);
            }
        }
    }

    fn push(&mut self, row: &Row, measure: usize, value: f64) {
        let cell = usize::try_from(row.cell).ok().and_then(|cell| self.values.get_mut(cell.checked_sub(1)?));
        if let Some(values) = cell.and_then(|cell| cell.get_mut(measure)) {
            values.push((row.seed, value));
        }
    }

    /// The values of a measure in a cell, by seed.
    pub(crate) fn of(&self, cell: u64, measure: usize) -> &[(u64, f64)] {
        let cell = usize::try_from(cell).ok().and_then(|cell| self.values.get(cell.checked_sub(1)?));
        cell.and_then(|cell| cell.get(measure)).map_or(&[], Vec::as_slice)
    }

    /// Every line of the summary: the cells by measure, then the differences between cells.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let cells = self.values.len() as u64;
        let firsts = if self.values.len() > CELLS_COMPARED { 1 } else { cells };
        let pairs = (1..=firsts).flat_map(|minus| (minus + 1..=cells).map(move |cell| (cell, Some(minus))));
        let all: Vec<(u64, Option<u64>)> = (1..=cells).map(|cell| (cell, None)).chain(pairs).collect();
        let mut lines = Vec::new();
        for (at, (measure, _)) in self.names.iter().enumerate() {
            let is_count = at + COUNTS.len() >= self.names.len();
            for (cell, minus) in all.iter().copied() {
                let sample = match minus {
                    None => self.of(cell, at).iter().map(|(_, value)| *value).collect(),
                    Some(minus) => paired(self.of(cell, at), self.of(minus, at)),
                };
                let number = (cell << 32) | minus.unwrap_or(0);
                let figures = Figures::of(&sample, seed::derive(0, "bootstrap", measure, number));
                lines.push(Line { cell, minus, measure: measure.clone(), is_count, figures });
            }
        }
        lines
    }

    /// Whether differences are those from the first cell alone.
    pub(crate) fn compares_with_first(&self) -> bool {
        self.values.len() > CELLS_COMPARED
    }

    /// The cells whose row of a measure has values.
    pub(crate) fn cells_with(&self, measure: usize) -> BTreeSet<u64> {
        (1..=self.values.len() as u64).filter(|cell| !self.of(*cell, measure).is_empty()).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of actions is far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Micro-dollars as dollars.
#[expect(clippy::cast_precision_loss, reason = "a sum of dollars is far below 2^53 millionths")]
pub(crate) fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// A number as a whole one of 64 bits, if it is one.
#[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
pub(crate) fn whole(number: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-END..END).contains(&number)).then_some(number as i64)
}
