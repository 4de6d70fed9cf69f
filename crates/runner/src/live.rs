//! A live world: made from a world file or opened from its database, run, looked at.

use std::{sync::Arc, time::Duration};

use oikos_journal::{Address, Journal, JournalError, Note};
use oikos_kernel::{
    code::Entry,
    founding::{Founder, Founding},
    id::{nearest, reserved_prefix},
    mind::{Mind, MindKind},
    refusal::Refusal,
    time::{Time, format_duration_ms},
    world::World,
};
use oikos_sandbox::{Sandbox, check};

use crate::{
    autonomous::AutonomousScheduler,
    clock::{Clock, Moved, WallClock, machine_now},
    config::{self, ClockKind, Lasts, NamedMethod, Source, WorldFile},
    desk::{Counter, Desk},
    end::End,
    error::RunError,
    lateness::Lateness,
    library,
    models::Access,
    open::Came,
    past::{Past, SOURCE, encode, founded_from, past, recorded, recorded_source},
    request::Span,
    sequencer::{Clients, Interpreter, Sequencer},
    series::Sampler,
    spread::Spread,
    stop::{Stop, Why},
    tick::TickScheduler,
    when::When,
    workplace::Workplace,
};

/// A world that can go on.
#[derive(Debug)]
pub struct Live {
    /// The only writer.
    pub sequencer: Sequencer,
    scheduler: Scheduler,
    counter: Counter,
    /// Whether the desk stays open between one thing that the world does and the next.
    pub(crate) keeps_open: bool,
    /// The world file it was made from, with the plan as it is now; the founders are in the world.
    pub file: WorldFile,
    /// Things about the database that its owner should know.
    pub notes: Vec<Note>,
    /// The layers that the wall around its code lacks on this machine, and why.
    pub missing: Vec<String>,
    /// Why nobody could tell whether the condition holds that ends a run, when it was looked at last.
    pub untold: Option<String>,
    /// The last record of a run that the condition has ended: until there is another, it is over.
    ended_seq: Option<u64>,
}

/// The interpreter of code, and the layers that the wall around it lacks.
pub(crate) type Code = (Interpreter, Vec<String>);

/// The scheduler of steps.
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
    /// As many ticks have ended as were asked for.
    Ticks,
    /// The world's time has come as far as was asked for.
    Duration,
    /// The condition of the world file holds.
    Until,
    /// Clients are to decide for their agents.
    Turns,
    /// The money for models is spent.
    Budget,
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
            Self::Until => "until",
            Self::Turns => "turns",
            Self::Budget => "budget",
            Self::Asked(why) => why.word(),
        }
    }

    /// Why it was asked to stop, if it did not come as far as it was to.
    #[must_use]
    pub const fn asked(self) -> Option<Why> {
        match self {
            Self::Ticks | Self::Duration | Self::Until | Self::Turns | Self::Budget => None,
            Self::Asked(why) => Some(why),
        }
    }

    /// Whether it came as far as it was to.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Ticks | Self::Duration | Self::Until)
    }
}

impl Live {
    /// Founds the world of a world file. `journal` begins its journal; it is called when nothing but
    /// the disk can fail any more, so that a world file with a mistake leaves no database behind.
    ///
    /// # Errors
    /// When its code is no Python, it can't be founded, or the journal can't be written.
    pub fn found(
        file: WorldFile,
        journal: impl FnOnce() -> Result<Journal, JournalError>,
    ) -> Result<Self, RunError> {
        Self::found_in(&Workplace::default(), file, journal)
    }

    pub(crate) fn found_in(
        workplace: &Workplace,
        mut file: WorldFile,
        journal: impl FnOnce() -> Result<Journal, JournalError>,
    ) -> Result<Self, RunError> {
        let code = workplace.interpreter(&file.plan)?;
        decide(&*code.0.sandbox, &mut file.founding.founders)?;
        check_entries(&*code.0.sandbox, &file)?;
        let clock = match file.plan.clock {
            ClockKind::Virtual => Clock::Virtual,
            ClockKind::Wall => {
                let start = machine_now()?;
                file.founding.rules.start = start;
                Clock::Wall(WallClock::begin(start, None)?.0)
            }
        };
        if let Lasts::Ms(ms) = file.plan.lasts {
            file.founding.rules.start.after_ms(ms).ok_or(RunError::EndOfTime)?;
        }
        let founders = std::mem::take(&mut file.founding.founders);
        let runtime = code.0.sandbox.runtime().to_owned();
        let (world, records) = Founding { founders, runtime, ..file.founding.clone() }.found()?;
        let mut journal = journal()?;
        journal.append(&records, &[(SOURCE, &encode(&file.source))])?;
        journal.import_tape(&std::mem::take(&mut file.tape))?;
        Self::begin(
            Past::of(world),
            journal,
            (code, workplace.access.clone(), workplace.given_from),
            file,
            (clock, None),
        )
    }

    fn begin(
        Past { world, began, open_before, .. }: Past,
        journal: Journal,
        ((interpreter, missing), access, worth): (Code, Access, Option<Duration>),
        mut file: WorldFile,
        (clock, moved): (Clock, Option<Moved>),
    ) -> Result<Self, RunError> {
        file.founding.founders = Vec::new();
        let notes = journal.notes().to_vec();
        let (timeout_ms, are_declared) = (file.plan.external_timeout_ms, file.plan.has_clients);
        let clients = Clients { timeout_ms, are_declared, are_told: false };
        let models = (access, file.plan.llm.clone());
        let spread = Spread::of(&file.plan, journal.address(), interpreter.sandbox.runtime(), worth);
        let mut sequencer = Sequencer::new(world, journal, interpreter, clock, moved, clients, models)?;
        let scheduler = match file.plan.lasts {
            Lasts::Ticks(_) => Scheduler::Tick(TickScheduler::new(file.plan.tick_ms, began, &mut sequencer)?),
            Lasts::Ms(_) => Scheduler::Autonomous(AutonomousScheduler::new(open_before, &mut sequencer)),
        };
        sequencer.sampler = Sampler::of(&file, &mut sequencer)?;
        sequencer.lending = spread.as_ref().map(Spread::lending);
        sequencer.spread = spread;
        let counter = Counter::open();
        let desk = counter.desk();
        sequencer.set_bell(Arc::new(move || desk.ring()));
        let keeps_open = false;
        Ok(Self {
            sequencer,
            scheduler,
            counter,
            keeps_open,
            file,
            notes,
            missing,
            untold: None,
            ended_seq: None,
        })
    }

    /// Opens a world where its journal ends. A tick that was cut short goes on where it was.
    ///
    /// # Errors
    /// When the journal is damaged or can't be read, or its code ran on another runtime.
    pub fn open(journal: Journal) -> Result<Self, RunError> {
        Self::open_in(&Workplace::default(), journal)
    }

    pub(crate) fn open_in(workplace: &Workplace, journal: Journal) -> Result<Self, RunError> {
        Self::open_asleep(workplace, journal, None)
    }

    /// Opens a world that was shut while it had nothing to do before an instant of its wall clock: until then it was
    /// not away, but asleep.
    pub(crate) fn open_asleep(
        workplace: &Workplace,
        journal: Journal,
        until: Option<Time>,
    ) -> Result<Self, RunError> {
        let source = recorded_source(&journal)?;
        let past = Past { asleep_until: until, ..past(&journal)? };
        Self::go_on(workplace, journal, past, &source, false)
    }

    /// Goes on with a world by a world file, which is recorded if it is a new one and nothing refuses to go on.
    fn go_on(
        workplace: &Workplace,
        journal: Journal,
        past: Past,
        source: &Source,
        is_new: bool,
    ) -> Result<Self, RunError> {
        // A file that the world was not founded from is not read: its agents may be millions.
        founded_from(&past.world, source)?;
        let file = config::reload(source, library::founders())?;
        let code = workplace.interpreter(&file.plan)?;
        Self::go_on_from(workplace, journal, past, (file, is_new.then_some(source)), code)
    }

    /// Goes on with a world that stands where its journal ends, by a world file, which is recorded if it is a new one.
    pub(crate) fn go_on_from(
        workplace: &Workplace,
        mut journal: Journal,
        mut past: Past,
        (file, new): (WorldFile, Option<&Source>),
        code: Code,
    ) -> Result<Self, RunError> {
        let world = &past.world;
        let clock = match file.plan.clock {
            ClockKind::Virtual => (Clock::Virtual, None),
            ClockKind::Wall => {
                let (clock, moved) = WallClock::begin(world.now(), past.asleep_until)?;
                // Time has passed: clients are asked anew. The answers of models may be on the tape.
                past.open_before.retain(|_, before| before.is_models());
                (Clock::Wall(clock), moved)
            }
        };
        let runtime = code.0.sandbox.runtime().to_owned();
        let is_other = world.runtime() != runtime;
        if is_other && !workplace.adopt_runtime {
            return Err(RunError::Runtime { made_by: world.runtime().into(), here: runtime });
        }
        if let Some(source) = new {
            journal.set_meta(SOURCE, &encode(source))?;
        }
        let mut live =
            Self::begin(past, journal, (code, workplace.access.clone(), workplace.given_from), file, clock)?;
        if is_other {
            live.sequencer.run_on(runtime)?;
        }
        Ok(live)
    }

    /// Opens the world of a world file's database, or founds it where there is none.
    ///
    /// # Errors
    /// As [`Self::found`] and [`Self::open`], and when the database was made from something else.
    pub fn open_or_found(file: WorldFile, db: impl Into<Address>) -> Result<Self, RunError> {
        Self::open_or_found_in(&Workplace::default(), file, &db.into())
    }

    pub(crate) fn open_or_found_in(
        workplace: &Workplace,
        file: WorldFile,
        db: &Address,
    ) -> Result<Self, RunError> {
        if !Journal::holds_world(db)? {
            return Self::found_in(workplace, file, || Journal::create(db));
        }
        let journal = Journal::open(db)?;
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
            return Err(RunError::Differs { db: db.to_string(), differences });
        }
        let past = past(&journal)?;
        Self::go_on(workplace, journal, past, &file.source, file.source != before.source)
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

    /// How far the world file says that it runs; time in which nothing ran is not counted.
    ///
    /// # Errors
    /// When there is no such time.
    pub fn goal(&self) -> Result<Goal, RunError> {
        match self.file.plan.lasts {
            Lasts::Ticks(ticks) => Ok(Goal::Ticks(ticks)),
            Lasts::Ms(ms) => {
                let (start, away_ms) = (self.world().rules().start, self.world().away_ms());
                let end = ms.checked_add(away_ms).and_then(|ms| start.after_ms(ms));
                end.map(Goal::Time).ok_or(RunError::EndOfTime)
            }
        }
    }

    /// For how long the world has run, in milliseconds of its time.
    #[must_use]
    pub fn ran_ms(&self) -> i64 {
        self.sequencer.now().ms() - self.world().rules().start.ms() - self.world().away_ms()
    }

    /// Runs for a span from here: so many ticks, or as many as begin within a duration, or every turn that
    /// comes before its end. A span that can't be run is a refusal.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run_for(&mut self, span: Span, stop: &Stop) -> Result<Result<Stopped, Refusal>, RunError> {
        self.sequencer.bring_up()?;
        let goal = match self.goal_of(span) {
            Ok(goal) => goal,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.sequencer.tell_clients(true);
        let stopped = self.run_until(goal, stop, |_, _| ());
        self.sequencer.tell_clients(false);
        let stopped = stopped?;
        // Where the clock stands when nothing happened at the end is known to nobody but the journal.
        if matches!(goal, Goal::Time(_)) && self.sequencer.now() > self.world().now() {
            self.sequencer.mark_clock()?;
        }
        Ok(Ok(stopped))
    }

    /// The end of a span that begins now.
    ///
    /// # Errors
    /// When it can't be run.
    pub(crate) fn goal_of(&self, span: Span) -> Result<Goal, Refusal> {
        let beyond = || Refusal::invalid("`run` would end beyond the last instant there is");
        let now = self.sequencer.now();
        let ticks_of = |done: u64, ms: i64| {
            let (ms, tick_ms) = (ms.max(0), self.file.plan.tick_ms.max(1));
            let begun = (ms / tick_ms + i64::from(ms % tick_ms != 0)).unsigned_abs();
            done.checked_add(begun).map(Goal::Ticks)
        };
        let to = |time: Time| match self.ticks_done() {
            Some(done) => ticks_of(done, time.ms().saturating_sub(now.ms())),
            None => Some(Goal::Time(time)),
        };
        let goal = match (self.ticks_done(), span) {
            (Some(done), Span::Ticks(ticks)) => done.checked_add(ticks).map(Goal::Ticks),
            (Some(done), Span::For(ms)) => ticks_of(done, ms),
            (None, Span::For(ms)) => now.after_ms(ms).map(Goal::Time),
            (Some(_), Span::Until(When::Tick(number))) => number.checked_add(1).map(Goal::Ticks),
            (_, Span::Until(When::Time(time))) => to(time),
            (_, Span::Until(When::After(ms))) => self.world().rules().start.after_ms(ms).and_then(to),
            (_, Span::Until(When::Seq(_))) => {
                let refusal = Refusal::invalid("`until`: nobody knows when a record will be");
                return Err(refusal.hint("name a time, a time since the beginning as 6h, or tick:40"));
            }
            (None, Span::Ticks(_) | Span::Until(When::Tick(_))) => {
                let refusal = Refusal::invalid("`ticks`: in this world each agent has its own turns");
                return Err(refusal.hint("run it for a duration, as in {\"for\": \"10m\"}"));
            }
        };
        goal.ok_or_else(beyond)
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
        if self.ended_seq == Some(self.world().seq()) {
            return Ok(Stopped::Until);
        }
        let mut end = End::of(&self.file, self.world());
        let ran = self.open_desk(stop, |scheduler, sequencer, counter| match (scheduler, goal) {
            (Scheduler::Tick(scheduler), Goal::Ticks(ticks)) => loop {
                let number = scheduler.next_number(sequencer.world());
                progress(sequencer.now(), number);
                if scheduler.has_ended_one(sequencer.world()) && end.has_come(sequencer)? {
                    break Ok(Came::Through);
                }
                if number >= ticks {
                    break Ok(Came::Through);
                }
                let came = scheduler.run(sequencer, counter, stop)?;
                if came != Came::Through {
                    break Ok(came);
                }
            },
            (Scheduler::Autonomous(scheduler), Goal::Time(time)) => loop {
                let next = end.next_look(sequencer.now()).filter(|next| *next <= time);
                let told = |sequencer: &Sequencer| progress(sequencer.now(), 0);
                let came = scheduler.run(sequencer, next.unwrap_or(time), counter, stop, told)?;
                let Some(next) = next.filter(|_| came == Came::Through) else { break Ok(came) };
                sequencer.set_now(next);
                if end.has_come(sequencer)? {
                    break Ok(Came::Through);
                }
            },
            _ => Ok(Came::Through),
        });
        let ran = match ran {
            Err(RunError::Stopped) => Came::Asked,
            ran => ran?,
        };
        self.untold = end.untold;
        if end.is_there {
            self.ended_seq = Some(self.world().seq());
            return Ok(Stopped::Until);
        }
        let far = match goal {
            Goal::Ticks(_) => Stopped::Ticks,
            Goal::Time(_) => Stopped::Duration,
        };
        Ok(match ran {
            Came::Through => far,
            Came::Open => Stopped::Turns,
            Came::Spent => Stopped::Budget,
            Came::Asked => stop.why().map_or(far, Stopped::Asked),
        })
    }

    /// As [`Self::run_until`], to an end after which nobody goes on: unless somebody asked it to stop, no answer of a
    /// language model is lost that is paid.
    ///
    /// # Errors
    /// As [`Self::run_until`].
    pub fn run_to_end(
        &mut self,
        goal: Goal,
        stop: &Stop,
        progress: impl FnMut(Time, u64),
    ) -> Result<Stopped, RunError> {
        let ran = self.run_until(goal, stop, progress);
        match &ran {
            Ok(Stopped::Asked(_)) => {}
            Ok(Stopped::Turns | Stopped::Budget) => self.await_models(stop)?,
            Ok(Stopped::Ticks | Stopped::Duration | Stopped::Until) => {
                self.await_models(stop)?;
                self.sequencer.sample_end(true)?;
            }
            // The first halt is the one that is told.
            Err(RunError::Halt(_)) => drop(self.await_models(stop)),
            Err(_) => {}
        }
        ran
    }

    /// Waits for the language models that are asked, so that no answer is lost that is paid; they take effect when the
    /// world goes on.
    ///
    /// # Errors
    /// Only faults, and when the models can't be asked any more; all others have answered by then.
    pub(crate) fn await_models(&mut self, stop: &Stop) -> Result<(), RunError> {
        self.open_desk(stop, |_, sequencer, counter| {
            let mut halted = None;
            loop {
                match sequencer.take_answers() {
                    Ok(_) => {}
                    Err(halt @ RunError::Halt(_)) => {
                        halted.get_or_insert(halt);
                        continue;
                    }
                    Err(fault) => return Err(fault),
                }
                let is_asked = sequencer.open_turns().are_models_asked() || sequencer.parked().is_waiting();
                if stop.is_asked() || !is_asked {
                    return halted.map_or(Ok(()), Err);
                }
                counter.wait(None, sequencer)?;
            }
        })
    }

    /// Serves the desk, and runs nobody's loop, until somebody asks to stop.
    ///
    /// # Errors
    /// Only faults.
    pub fn attend(&mut self, stop: &Stop) -> Result<(), RunError> {
        self.open_desk(stop, |_, sequencer, counter| {
            while !stop.is_asked() {
                counter.wait(None, sequencer)?;
                sequencer.break_silence()?;
            }
            Ok(())
        })
    }

    /// Serves the desk until a client has decided of those that the world waits for, or somebody asks to stop.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn attend_clients(&mut self, stop: &Stop) -> Result<(), RunError> {
        self.open_desk(stop, |_, sequencer, counter| {
            let waited = sequencer.clients_waited_for();
            // Those who were waited for may have decided as the run ended.
            while !stop.is_asked() && !waited.is_empty() && sequencer.clients_waited_for() == waited {
                counter.wait(None, sequencer)?;
            }
            Ok(())
        })
    }

    /// Does some work with the desk open; requests handed in at the last moment are answered. A request to
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
        sequencer.set_stop(stop);
        let done = work(&mut self.scheduler, sequencer, counter).and_then(|done| {
            counter.serve_all(sequencer)?;
            sequencer.commit()?;
            Ok(done)
        });
        // After a fault nothing is done for anybody.
        if !self.keeps_open || done.is_err() {
            counter.close();
        }
        done
    }

    /// Takes nothing in any more, if it was kept open.
    pub(crate) fn close_desk(&mut self) {
        self.keeps_open = false;
        self.counter.close();
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
        self.sequencer.grow()?;
        self.sequencer.mark_clock()?;
        Ok(Ok(()))
    }
}

/// Has the code of founders looked at, which of it defines `check_permission`.
///
/// # Errors
/// When it is no Python, or there is no process to look at it in.
pub(crate) fn decide(sandbox: &dyn Sandbox, founders: &mut [Founder]) -> Result<(), RunError> {
    let mut looked_at: Option<(Arc<str>, bool)> = None;
    for founder in founders {
        let Some(code) = &founder.code else { continue };
        // The library's own code is known, and its tests run all of it.
        if reserved_prefix(&founder.id).is_some() {
            founder.decides = library::decides(code);
            continue;
        }
        // Agents made by `count` share their code.
        let known = looked_at.as_ref().filter(|(last, _)| Arc::ptr_eq(last, code) || last == code);
        let decides = match known {
            Some((_, decides)) => *decides,
            None => {
                let names = check(sandbox, code, &founder.id)?.map_err(|failure| RunError::Code {
                    id: founder.id.clone(),
                    problem: failure.text().to_owned(),
                })?;
                names.iter().any(|name| Some(name.as_str()) == Entry::Check.function())
            }
        };
        looked_at = Some((Arc::clone(code), decides));
        founder.decides = decides;
    }
    Ok(())
}

/// Whether the code of founders has the functions that the world file names: phases of minds, methods of hooks,
/// measures and the condition that ends a run.
///
/// # Errors
/// The first that is missing, or when there is no process to look at code in.
fn check_entries(sandbox: &dyn Sandbox, file: &WorldFile) -> Result<(), RunError> {
    let founders = &file.founding.founders;
    let rules = &file.founding.rules;
    let lacks = |founder: &Founder, name: &str, whose: String| -> Result<(), RunError> {
        let code = founder.code.as_ref();
        let known = code.map(|code| check(sandbox, code, &founder.id)).transpose()?;
        let known = known.and_then(Result::ok).unwrap_or_default();
        if known.iter().any(|is| is == name) {
            return Ok(());
        }
        let near = nearest(name, known.iter().map(String::as_str));
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let problem = match code {
            Some(_) => format!("its code has no function `{name}`, which {whose} names{near}"),
            None => format!("it has no code, and {whose} names its function `{name}`"),
        };
        Err(RunError::Entry { id: founder.id.clone(), problem })
    };
    let mut last: Option<&Arc<str>> = None;
    for founder in founders.iter().filter(|founder| founder.has_loop && !rules.phases.is_empty()) {
        let Some(code) = &founder.code else { continue };
        let is_known = last.is_some_and(|last| Arc::ptr_eq(last, code));
        last = Some(code);
        let is_script = Mind::of(founder.content.value(), rules.llm_model.as_deref())
            .is_ok_and(|mind| mind.kind() == MindKind::Script);
        if !is_known && is_script {
            rules.phases.iter().try_for_each(|phase| lacks(founder, phase, "`[execution] phases`".into()))?;
        }
    }
    let of = |id: &str| founders.iter().find(|founder| founder.id == id);
    for NamedMethod { whose, artifact, method, .. } in file.named_methods() {
        if let Some(founder) = of(artifact) {
            lacks(founder, method, whose)?;
        }
    }
    Ok(())
}
