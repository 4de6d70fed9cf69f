//! A live world: made from a world file or opened from its database, run, looked at.

use std::{path::Path, sync::Arc};

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{record::Cause, world::World};
use oikos_sandbox::{Sandbox, ThreadSandbox};

use crate::{
    config::{self, ClockKind, Source, WorldFile},
    error::RunError,
    library,
    sequencer::Sequencer,
    tick::{Stop, TickScheduler, wall_now},
};

/// Where the database keeps the world file.
const SOURCE: &str = "source";

/// A world that can go on.
#[derive(Debug)]
pub struct Live {
    /// The only writer.
    pub sequencer: Sequencer,
    scheduler: TickScheduler,
    /// The world file it was made from, with the plan as it is now.
    pub file: WorldFile,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It ran as far as it was asked to.
    Done,
    /// Somebody asked it to stop.
    Interrupted,
}

impl Live {
    /// Founds the world of a world file. `journal` begins its journal; it is called when nothing but
    /// the disk can fail any more, so that a world file with a mistake leaves no database behind.
    ///
    /// # Errors
    /// When its code is not in the dialect, it can't be founded, or the journal can't be written.
    pub fn found(
        mut file: WorldFile,
        journal: impl FnOnce() -> Result<Journal, JournalError>,
    ) -> Result<Self, RunError> {
        let mut sandbox: Box<dyn Sandbox> = Box::new(ThreadSandbox::new());
        let mut checked: Vec<&str> = Vec::new();
        for founder in &file.founding.founders {
            // Agents made by `count` share their code.
            let Some(code) = founder.code.as_deref().filter(|code| checked.last() != Some(code)) else {
                continue;
            };
            checked.push(code);
            sandbox.check(&Arc::from(code), &founder.id).map_err(|failure| {
                let problem = if failure.traceback.is_empty() { failure.message } else { failure.traceback };
                RunError::Code { id: founder.id.clone(), problem }
            })?;
        }
        if file.plan.clock == ClockKind::Wall {
            file.founding.rules.start = wall_now();
        }
        let (world, record) = file.founding.clone().found()?;
        let mut journal = journal()?;
        journal.append(&[record], &[(SOURCE, &encode(&file.source))])?;
        let now = world.now();
        let mut sequencer = Sequencer::new(world, journal, sandbox, now);
        let scheduler = TickScheduler::new(file.plan.tick_ms, file.plan.clock, None, &mut sequencer);
        Ok(Self { sequencer, scheduler, file })
    }

    /// Opens a world where its journal ends. A tick that was cut short goes on where it was.
    ///
    /// # Errors
    /// When the journal is damaged or can't be read.
    pub fn open(journal: Journal) -> Result<Self, RunError> {
        let file = recorded(&journal)?;
        let (world, began) = state(&journal)?;
        founded_from(&world, &file)?;
        let now = world.now();
        let mut sequencer = Sequencer::new(world, journal, Box::new(ThreadSandbox::new()), now);
        let scheduler = TickScheduler::new(file.plan.tick_ms, file.plan.clock, began, &mut sequencer);
        Ok(Self { sequencer, scheduler, file })
    }

    /// Opens the world of a world file's database, or founds it where there is none.
    ///
    /// # Errors
    /// As [`Self::found`] and [`Self::open`], and when the database was made from something else.
    pub fn open_or_found(file: WorldFile, db: &Path) -> Result<Self, RunError> {
        if !Journal::holds_world(db)? {
            return Self::found(file, || Journal::create(db));
        }
        let mut journal = Journal::open(db)?;
        let before = recorded(&journal)?;
        let mut differences = file.source.differences(&before.source);
        if file.plan.ticks < before.plan.ticks {
            let (ours, theirs) = (file.plan.ticks, before.plan.ticks);
            differences.push(format!(
                "ticks is {ours}, the database records {theirs}; only more ticks go on with a world"
            ));
        }
        if !differences.is_empty() {
            return Err(RunError::Differs { db: db.display().to_string(), differences });
        }
        if file.source != before.source {
            journal.set_meta(SOURCE, &encode(&file.source))?;
        }
        Self::open(journal)
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &World {
        self.sequencer.world()
    }

    /// How many ticks have ended.
    #[must_use]
    pub fn ticks_done(&self) -> u64 {
        self.scheduler.next_number(self.world())
    }

    /// Runs until so many ticks have ended since the founding; `progress` is told after each.
    ///
    /// # Errors
    /// Only faults.
    pub fn run_until(
        &mut self,
        ticks: u64,
        stop: &Stop,
        mut progress: impl FnMut(&Self),
    ) -> Result<Stopped, RunError> {
        while self.ticks_done() < ticks {
            let ended = self.scheduler.run(&mut self.sequencer, stop)?;
            progress(self);
            if !ended {
                self.sequencer.commit()?;
                return Ok(Stopped::Interrupted);
            }
        }
        self.sequencer.commit()?;
        Ok(Stopped::Done)
    }

    /// Moves the virtual clock, waking nobody's loop.
    ///
    /// # Errors
    /// Why it can't, in words, or a fault.
    pub fn advance(&mut self, ms: i64) -> Result<Result<(), String>, RunError> {
        if self.file.plan.clock == ClockKind::Wall {
            return Ok(Err("the wall clock can't be moved".into()));
        }
        let Some(now) = self.sequencer.now().after_ms(ms) else {
            return Ok(Err("that is beyond the last instant there is".into()));
        };
        self.sequencer.set_now(now);
        self.sequencer.mark(Cause::Clock)?;
        Ok(Ok(()))
    }

    /// On the wall clock: brings the clock up to now, for actions from outside.
    pub fn tell_time(&mut self) {
        if self.file.plan.clock == ClockKind::Wall {
            self.sequencer.set_now(wall_now());
        }
    }
}

/// The world at the head of a journal, and as it stood when its last tick began.
///
/// # Errors
/// When the journal is damaged.
pub fn state(journal: &Journal) -> Result<(World, Option<World>), RunError> {
    let mut world = journal.last_snapshot()?;
    let mut began = world.tick().filter(|tick| tick.seq == world.seq()).map(|_| world.clone());
    journal.records(world.seq() + 1, |record| {
        world.apply(&record).map_err(|error| JournalError::Corrupt {
            place: format!("record {}", error.seq),
            problem: error.problem,
        })?;
        if let Cause::Tick { .. } = record.cause {
            began = Some(world.clone());
        }
        Ok::<(), RunError>(())
    })?;
    Ok((world, began))
}

/// The world file that a database was made from.
///
/// # Errors
/// When it is missing or damaged.
pub fn recorded(journal: &Journal) -> Result<WorldFile, RunError> {
    let corrupt = |problem: String| JournalError::Corrupt { place: "meta".into(), problem };
    let bytes = journal.meta(SOURCE)?.ok_or_else(|| corrupt("the world file is missing".into()))?;
    let source: Source = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    Ok(config::reload(&source, library::founders())?)
}

/// Whether a world was founded from a recorded world file.
///
/// # Errors
/// When it was not.
pub fn founded_from(world: &World, file: &WorldFile) -> Result<(), RunError> {
    if file.source.digest() == world.source() {
        return Ok(());
    }
    let problem = "the recorded world file is not the one that the world was founded from".into();
    Err(JournalError::Corrupt { place: "meta".into(), problem }.into())
}

fn encode(source: &Source) -> Vec<u8> {
    serde_json::to_vec(source).unwrap_or_default()
}
