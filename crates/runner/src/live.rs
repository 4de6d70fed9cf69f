//! A live world: made from a world file or opened from its database, run, looked at.

use std::{path::Path, sync::Arc};

use oikos_journal::{Journal, JournalError, Note};
use oikos_kernel::{
    code::Entry,
    founding::Founding,
    record::Cause,
    time::{Time, format_duration_ms},
    world::World,
};
use oikos_sandbox::{Sandbox, ThreadSandbox};

use crate::{
    autonomous::AutonomousScheduler,
    clock::wall_now,
    config::{self, ClockKind, Lasts, Source, WorldFile},
    desk::{Counter, Desk},
    error::RunError,
    lateness::Lateness,
    library,
    sequencer::Sequencer,
    stop::{Stop, Why},
    tick::TickScheduler,
};

/// Where the database keeps the world file.
const SOURCE: &str = "source";

/// What runs the code of a world: the only place that says which sandbox that is.
fn sandbox() -> Box<dyn Sandbox> {
    Box::new(ThreadSandbox::new())
}

/// A world that can go on.
#[derive(Debug)]
pub struct Live {
    /// The only writer.
    pub sequencer: Sequencer,
    scheduler: Scheduler,
    counter: Counter,
    /// The world file it was made from, with the plan as it is now; the founders are in the world.
    pub file: WorldFile,
    /// Things about the database that its owner should know.
    pub notes: Vec<Note>,
}

/// Who steps when.
#[derive(Debug)]
enum Scheduler {
    Tick(TickScheduler),
    Autonomous(AutonomousScheduler),
}

/// How far a world is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Until so many ticks have ended since the founding.
    Ticks(u64),
    /// Until an instant.
    Time(Time),
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// So many ticks have ended.
    Ticks,
    /// So much time has passed.
    Duration,
    /// Somebody asked it to stop.
    Asked(Why),
}

impl Stopped {
    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ticks => "ticks",
            Self::Duration => "duration",
            Self::Asked(why) => why.word(),
        }
    }

    /// Whether it came to a bound that the user set.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Ticks | Self::Duration)
    }
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
        let sandbox = sandbox();
        let mut looked_at: Option<(Arc<str>, bool)> = None;
        for founder in &mut file.founding.founders {
            let Some(code) = &founder.code else { continue };
            // Agents made by `count` share their code.
            let known = looked_at.as_ref().filter(|(last, _)| Arc::ptr_eq(last, code) || last == code);
            let decides = match known {
                Some((_, decides)) => *decides,
                None => {
                    let names = sandbox.check(code, &founder.id).map_err(|failure| RunError::Code {
                        id: founder.id.clone(),
                        problem: failure.text().to_owned(),
                    })?;
                    names.iter().any(|name| Some(name.as_str()) == Entry::Check.function())
                }
            };
            looked_at = Some((Arc::clone(code), decides));
            founder.decides = decides;
        }
        if file.plan.clock == ClockKind::Wall {
            file.founding.rules.start = wall_now();
        }
        let founders = std::mem::take(&mut file.founding.founders);
        let (world, records) = Founding { founders, ..file.founding.clone() }.found()?;
        let mut journal = journal()?;
        journal.append(&records, &[(SOURCE, &encode(&file.source))])?;
        Self::begin(world, None, journal, sandbox, file)
    }

    fn begin(
        world: World,
        began: Option<World>,
        journal: Journal,
        sandbox: Box<dyn Sandbox>,
        mut file: WorldFile,
    ) -> Result<Self, RunError> {
        file.founding.founders = Vec::new();
        let notes = journal.notes().to_vec();
        let mut sequencer = Sequencer::new(world, journal, sandbox, file.plan.clock)?;
        let scheduler = match file.plan.lasts {
            Lasts::Ticks(_) => Scheduler::Tick(TickScheduler::new(file.plan.tick_ms, began, &mut sequencer)),
            Lasts::Ms(_) => Scheduler::Autonomous(AutonomousScheduler::new(&mut sequencer)),
        };
        let counter = Counter::open();
        let desk = counter.desk();
        sequencer.set_bell(Arc::new(move || desk.ring()));
        Ok(Self { sequencer, scheduler, counter, file, notes })
    }

    /// Opens a world where its journal ends. A tick that was cut short goes on where it was.
    ///
    /// # Errors
    /// When the journal is damaged or can't be read.
    pub fn open(journal: Journal) -> Result<Self, RunError> {
        let file = recorded(&journal)?;
        let (world, began) = state(&journal)?;
        founded_from(&world, &file)?;
        Self::begin(world, began, journal, sandbox(), file)
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
        match (file.plan.lasts, before.plan.lasts) {
            (Lasts::Ticks(ours), Lasts::Ticks(theirs)) if ours < theirs => differences.push(format!(
                "ticks is {ours}, the database records {theirs}; only more ticks go on with a world"
            )),
            (Lasts::Ms(ours), Lasts::Ms(theirs)) if ours < theirs => differences.push(format!(
                "duration is {}, the database records {}; only a longer one goes on with a world",
                format_duration_ms(ours),
                format_duration_ms(theirs)
            )),
            _ => {}
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

    /// Where others hand in actions while the world runs.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.counter.desk()
    }

    /// How many ticks have ended; `None` where there are none.
    #[must_use]
    pub fn ticks_done(&self) -> Option<u64> {
        match &self.scheduler {
            Scheduler::Tick(scheduler) => Some(scheduler.next_number(self.world())),
            Scheduler::Autonomous(_) => None,
        }
    }

    /// How late turns came under the wall clock, where agents have their own.
    #[must_use]
    pub fn lateness(&self) -> Option<&Lateness> {
        match &self.scheduler {
            Scheduler::Tick(_) => None,
            Scheduler::Autonomous(scheduler) => Some(&scheduler.lateness),
        }
    }

    /// How far the world file says that it runs.
    #[must_use]
    pub fn goal(&self) -> Goal {
        match self.file.plan.lasts {
            Lasts::Ticks(ticks) => Goal::Ticks(ticks),
            Lasts::Ms(ms) => {
                let start = self.world().rules().start;
                Goal::Time(start.after_ms(ms).unwrap_or(start))
            }
        }
    }

    /// Runs to a goal; `progress` is told of the clock and the ticks now and then.
    ///
    /// # Errors
    /// Only faults. A goal of the other scheduler's is one that has been reached.
    pub fn run_until(
        &mut self,
        goal: Goal,
        stop: &Stop,
        mut progress: impl FnMut(Time, u64),
    ) -> Result<Stopped, RunError> {
        let ran = self.open_desk(stop, |scheduler, sequencer, counter| match (scheduler, goal) {
            (Scheduler::Tick(scheduler), Goal::Ticks(ticks)) => loop {
                let number = scheduler.next_number(sequencer.world());
                progress(sequencer.now(), number);
                if number >= ticks {
                    break Ok(true);
                }
                if !scheduler.run(sequencer, counter, stop)? {
                    break Ok(false);
                }
            },
            (Scheduler::Autonomous(scheduler), Goal::Time(end)) => {
                scheduler.run(sequencer, end, counter, stop, |sequencer| progress(sequencer.now(), 0))
            }
            _ => Ok(true),
        })?;
        let bound = if matches!(goal, Goal::Ticks(_)) { Stopped::Ticks } else { Stopped::Duration };
        Ok(stop.why().filter(|_| !ran).map_or(bound, Stopped::Asked))
    }

    /// Serves the desk, and runs nobody's loop, until somebody asks to stop.
    ///
    /// # Errors
    /// Only faults.
    pub fn attend(&mut self, stop: &Stop) -> Result<(), RunError> {
        self.open_desk(stop, |_, sequencer, counter| {
            while !stop.is_asked() {
                counter.wait(None, sequencer)?;
            }
            Ok(())
        })
    }

    /// Does some work with the desk open; what was handed in at the last moment is answered. Whoever asks to
    /// stop meanwhile rings at the desk.
    fn open_desk<T>(
        &mut self,
        stop: &Stop,
        work: impl FnOnce(&mut Scheduler, &mut Sequencer, &Counter) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let (desk, counter) = (self.desk(), &self.counter);
        counter.open_again();
        let _bell = stop.bell(move || desk.ring());
        let sequencer = &mut self.sequencer;
        let done = work(&mut self.scheduler, sequencer, counter).and_then(|done| {
            counter.serve(sequencer)?;
            sequencer.commit()?;
            Ok(done)
        });
        counter.close();
        done
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
}

/// The world at the head of a journal, and as it stood when its last tick began.
///
/// # Errors
/// When the journal is damaged.
pub fn state(journal: &Journal) -> Result<(World, Option<World>), RunError> {
    let (mut world, at) = journal.last_snapshot()?;
    let mut began = world.tick().filter(|tick| tick.seq == world.seq()).map(|_| world.clone());
    journal.records_after(at, |record| {
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
