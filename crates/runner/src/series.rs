//! The series of a world: its measures, taken at each multiple of a time from its start, on the world as it stands
//! after the last record at or before that time; and at the end.

use oikos_journal::Sample;
use oikos_kernel::{time::Time, world::World};

use crate::{
    config::{Measure, Measured, WorldFile},
    error::RunError,
    measure,
    rates::Rates,
    sequencer::Sequencer,
    when::at_time,
};

/// The most samples that are taken of a time in which nothing happened; of a longer one the last are.
const IDLE_MAX: i64 = 10_000;

/// Moments as time goes by: the multiples of a time from a world's start.
#[derive(Debug)]
pub(crate) struct Moments {
    every_ms: i64,
    /// The next one; none after the last instant there is.
    next: Option<Time>,
}

impl Moments {
    /// The moments that are not before an instant.
    pub(crate) fn from(start: Time, every_ms: i64, from: Time) -> Self {
        let gone = from.ms().saturating_sub(start.ms()).max(0);
        let times = gone / every_ms + i64::from(gone % every_ms != 0);
        Self { every_ms, next: times.checked_mul(every_ms).and_then(|ms| start.after_ms(ms)) }
    }

    /// The moment that is due before `time`, and the one before it.
    pub(crate) fn due(&mut self, time: Time) -> Option<(Time, Option<Time>)> {
        let every = self.every_ms;
        let next = self.next.filter(|next| *next < time)?;
        // A time without end in which nothing happens is not measured without end.
        let idle = (time.ms() - 1 - next.ms()) / every;
        let next = next.after_ms((idle - (IDLE_MAX - 1)).max(0).saturating_mul(every))?;
        self.next = next.after_ms(every);
        Some((next, next.after_ms(-every)))
    }

    /// The one that was due last, or before.
    fn before(&self) -> Option<Time> {
        self.next.and_then(|next| next.after_ms(-self.every_ms))
    }
}

/// Takes samples as time goes by.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    measures: Vec<Measure>,
    /// The numbers of each agent, by name.
    columns: Vec<(String, Measured)>,
    /// Those of the measures that are counted, since the moment before.
    pub(crate) rates: Rates,
    /// When they are taken; none where only the end is measured.
    moments: Option<Moments>,
}

impl Sampler {
    /// A sampler that goes on where a world stands, or begins with it.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn of(file: &WorldFile, sequencer: &mut Sequencer) -> Result<Self, RunError> {
        let mut this = Self::begun(file, sequencer.world());
        if this.rates.is_empty() {
            return Ok(this);
        }
        let before = this.moments.as_ref().and_then(Moments::before);
        let from = match before.filter(|before| *before >= sequencer.world().rules().start) {
            Some(before) => at_time(&*sequencer.journal()?, before)? + 1,
            None => 1,
        };
        this.rates.count_on(sequencer, from)?;
        Ok(this)
    }

    /// A sampler that begins where a world stands.
    pub(crate) fn begun(file: &WorldFile, world: &World) -> Self {
        let every_ms = file.every_ms.filter(|_| !file.measures.is_empty() || !file.columns.is_empty());
        let moments = every_ms.map(|every_ms| Moments::from(world.rules().start, every_ms, world.now()));
        Self {
            measures: file.measures.clone(),
            columns: file.columns.clone(),
            rates: Rates::of(&file.measures),
            moments,
        }
    }

    /// Whether a sample is due before an instant.
    pub(crate) fn is_due(&self, time: Time) -> bool {
        self.moments.as_ref().and_then(|moments| moments.next).is_some_and(|next| next < time)
    }

    fn due(&mut self, time: Time) -> Option<(Time, Option<Time>)> {
        self.moments.as_mut()?.due(time)
    }
}

impl Sequencer {
    /// Takes the samples that are due before an instant at which something happens.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn sample_before(&mut self, time: Time) -> Result<(), RunError> {
        while let Some(sample) = self.sample_due(time)? {
            // It is stored with the record that comes next.
            self.writer.push_sample(sample);
        }
        Ok(())
    }

    /// The next sample that is due before an instant.
    pub(crate) fn sample_due(&mut self, time: Time) -> Result<Option<Sample>, RunError> {
        let Some((at, after)) = self.sampler.due(time) else { return Ok(None) };
        let sample = self.sample(at, after)?;
        self.sampler.rates.begin();
        Ok(Some(sample))
    }

    /// Takes the samples that are due by now, and one of now if the world has come to its end.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn sample_end(&mut self, is_end: bool) -> Result<(), RunError> {
        let mut samples = Vec::new();
        while let Some(sample) = self.sample_due(self.now())? {
            samples.push(sample);
        }
        samples.extend(self.sample_now(is_end)?);
        self.commit()?;
        let put = self.writer.journal_mut().put_series(&samples);
        self.sound(put)
    }

    /// A sample of now, if one is due or this is the end. It is taken again if more happens at this instant, or after
    /// it.
    pub(crate) fn sample_now(&mut self, is_end: bool) -> Result<Option<Sample>, RunError> {
        let now = self.now();
        let Sampler { measures, columns, moments, .. } = &self.sampler;
        let is_due = moments.as_ref().is_some_and(|moments| moments.next == Some(now));
        if (measures.is_empty() && columns.is_empty()) || !(is_end || is_due) {
            return Ok(None);
        }
        let after = moments.as_ref().and_then(Moments::before);
        Ok(Some(self.sample(now, after)?))
    }

    fn sample(&mut self, at: Time, after: Option<Time>) -> Result<Sample, RunError> {
        let measures = std::mem::take(&mut self.sampler.measures);
        let seq = self.world().seq();
        let mut values = Vec::with_capacity(measures.len());
        for one in &measures {
            values.push((one.name.clone(), measure::at(self, one, at)?.ok()));
        }
        self.sampler.measures = measures;
        let agents = match self.sampler.columns.as_slice() {
            [] => Vec::new(),
            columns => measure::of_agents(self.world(), columns, at),
        };
        Ok(Sample { seq, time: at, after, values, agents })
    }
}
