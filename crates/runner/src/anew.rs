//! The series of a world, taken from its journal anew: by its own measures, or by others that nobody thought of.

use std::sync::Arc;

use oikos_journal::{Journal, Sample};
use oikos_kernel::time::Time;

use crate::{
    autonomous::next,
    config::{Lasts, WorldFile},
    end::End,
    error::RunError,
    past::{apply, each_until, state_at},
    sequencer::Sequencer,
    series::Sampler,
    tick::next_phase,
    workplace::Workplace,
};

/// Takes the series of a journal up to a record by the measures of a world file, whose plan is the journal's own.
/// `take` is shown each sample.
///
/// # Errors
/// When the journal is damaged or in memory, or `take` fails.
pub(crate) fn anew(
    workplace: &Workplace,
    journal: &Journal,
    file: &WorldFile,
    until: u64,
    mut take: impl FnMut(Sample) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let Some(path) = journal.address() else {
        return Err(RunError::Unsupported("the series of a world in memory can't be taken anew".into()));
    };
    // A world has its rules, and with them its start, from its first record on.
    let mut world = state_at(journal, until.min(1))?;
    let (interpreter, _) = workplace.interpreter(&file.plan)?;
    let mut sequencer = workplace.in_the_past(world.clone(), path, interpreter, &file.plan)?;
    sequencer.sampler = Sampler::begun(file, &world);
    // The record after the last one says for how long its state stood.
    each_until(journal, 0, until.saturating_add(1), |record| {
        sequencer.set_now(record.time);
        if sequencer.sampler.is_due(record.time) {
            sequencer.set_world(Arc::new(world.clone()));
            while let Some(sample) = sequencer.sample_due(record.time)? {
                take(sample)?;
            }
        }
        if record.seq > until {
            return Ok(());
        }
        if record.seq > world.seq() {
            apply(&mut world, &record)?;
        }
        sequencer.sampler.rates.count(&world, &record);
        Ok(())
    })?;
    if journal.head().seq > until {
        return Ok(());
    }
    sequencer.set_world(Arc::new(world));
    let end = end(&mut sequencer, file)?;
    while let Some(sample) = sequencer.sample_due(sequencer.now())? {
        take(sample)?;
    }
    sequencer.sample_now(end.is_some())?.map_or(Ok(()), take)
}

/// The instant at which a world came to the end of its run, if it did; it is the sequencer's now.
fn end(sequencer: &mut Sequencer, file: &WorldFile) -> Result<Option<Time>, RunError> {
    let world = sequencer.share();
    let mut condition = End::of(file, &world);
    let (instant, is_through) = match file.plan.lasts {
        Lasts::Ticks(ticks) => {
            let Some(tick) = world.tick() else { return Ok(None) };
            let over = tick.time.after_ms(file.plan.tick_ms).ok_or(RunError::EndOfTime)?;
            (over, next_phase(&world).0 >= ticks)
        }
        Lasts::Ms(ms) => {
            let over = ms.checked_add(world.away_ms()).and_then(|ms| world.rules().start.after_ms(ms));
            let over = over.ok_or(RunError::EndOfTime)?;
            sequencer.keep_agenda();
            let is_through = next(sequencer).is_none_or(|next| next.due() >= over);
            let look = condition.next_look(world.now()).filter(|_| !is_through);
            (look.map_or(over, |look| look.min(over)), is_through)
        }
    };
    if is_through {
        sequencer.set_now(instant);
        return Ok(Some(instant));
    }
    // It is looked at in the state as it stands, and only then is it known that the time went by.
    let has_come = condition.has_come_at(sequencer, instant)?;
    if has_come {
        sequencer.set_now(instant);
    }
    Ok(has_come.then_some(instant))
}
