//! The series of a world: its measures, taken at each multiple of a time from its start, on the world as it stands
//! after the last record at or before that time; and at the end.

use oikos_journal::Sample;
use oikos_kernel::{time::Time, world::World};

use crate::{
    config::{Measure, WorldFile},
    error::RunError,
    measure,
    sequencer::Sequencer,
};

/// The most samples that are taken of a time in which nothing happened; of a longer one the last are.
const IDLE_MAX: i64 = 10_000;

/// Takes samples as time goes by.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    measures: Vec<Measure>,
    every_ms: Option<i64>,
    start: Time,
    /// The next sample to take; none after the last instant there is, or where only the end is measured.
    next: Option<Time>,
}

impl Sampler {
    /// A sampler that goes on where a world stands, or begins with it.
    pub(crate) fn of(file: &WorldFile, world: &World) -> Self {
        let start = world.rules().start;
        let mut this = Self { measures: file.measures.clone(), every_ms: file.every_ms, start, next: None };
        this.next = this.at_or_after(world.now());
        this
    }

    /// The first moment of a sample that is not before an instant.
    fn at_or_after(&self, time: Time) -> Option<Time> {
        let every = self.every_ms.filter(|_| !self.measures.is_empty())?;
        let gone = time.ms().saturating_sub(self.start.ms()).max(0);
        let times = gone / every + i64::from(gone % every != 0);
        self.start.after_ms(times.checked_mul(every)?)
    }

    /// The moment of a sample that is due before `time`, and the one before it.
    fn due(&mut self, time: Time) -> Option<(Time, Option<Time>)> {
        let every = self.every_ms?;
        let next = self.next.filter(|next| *next < time)?;
        // A time without end in which nothing happens is not measured without end.
        let idle = (time.ms() - 1 - next.ms()) / every;
        let next = next.after_ms((idle - (IDLE_MAX - 1)).max(0).saturating_mul(every))?;
        self.next = next.after_ms(every);
        Some((next, next.after_ms(-every)))
    }
}

impl Sequencer {
    /// Takes the samples that are due before an instant at which something happens.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn sample_before(&mut self, time: Time) -> Result<(), RunError> {
        while let Some((at, after)) = self.sampler.due(time) {
            let sample = self.sample(at, after)?;
            // It is stored with the record that comes next.
            self.writer.push_sample(sample);
        }
        Ok(())
    }

    /// Takes the samples that are due by now, and one of now if the world has come to its end.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn sample_end(&mut self, is_end: bool) -> Result<(), RunError> {
        let now = self.now();
        let mut samples = Vec::new();
        while let Some((at, after)) = self.sampler.due(now) {
            samples.push(self.sample(at, after)?);
        }
        let sampler = &self.sampler;
        if !sampler.measures.is_empty() && (is_end || sampler.next == Some(now)) {
            // It is taken again if more happens at this instant, or after it.
            let every_ms = sampler.every_ms.unwrap_or_default();
            let after = sampler.next.and_then(|next| next.after_ms(-every_ms));
            samples.push(self.sample(now, after)?);
        }
        self.commit()?;
        let put = self.writer.journal_mut().put_series(&samples);
        self.sound(put)
    }

    fn sample(&mut self, at: Time, after: Option<Time>) -> Result<Sample, RunError> {
        let measures = std::mem::take(&mut self.sampler.measures);
        let seq = self.world().seq();
        let mut values = Vec::with_capacity(measures.len());
        for one in &measures {
            values.push((one.name.clone(), measure::at(self, one, at)?.ok()));
        }
        self.sampler.measures = measures;
        Ok(Sample { seq, time: at, after, values })
    }
}
