//! A journal that is executed again, code included: each record is made anew from the world as it stood before it,
//! and compared with the one that was recorded.
//!
//! The journal gives what came from outside: actions, the decisions of clients, the clock, and on the wall clock the
//! CPU that was measured. The tape gives the answers of models. All else is found again: who has the turn, what it
//! thinks on which world, and what comes of that.

mod difference;
mod following;
mod tick;

use std::{collections::HashMap, sync::Arc};

use oikos_journal::Journal;
use oikos_kernel::{
    event::EventKind,
    founding::Founding,
    id::Handle,
    record::{Cause, Outcome, Record},
    refusal::Code,
    rules::CpuMeter,
    time::Time,
    transaction::Finished,
    world::{Agent, World},
};

pub use self::difference::Difference;
pub(crate) use self::following::Following;
use self::tick::TickAgain;
use crate::{
    config::{self, Lasts},
    error::RunError,
    fork::rates,
    library,
    live::decide,
    models::TurnPlace,
    open::{Effect, OpenTurn, Outside},
    past::{founded_from, recorded_source, source_of},
    request::Act,
    sequencer::Sequencer,
    turn::{Asked, Thinking, act, act_late, ask, pass, think_in},
    workplace::Workplace,
};

/// The end of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The last record that was executed again and is equal.
    pub seq: u64,
    /// The world after it.
    pub world: World,
    /// The first record that differs, if one does.
    pub difference: Option<Box<Difference>>,
}

/// Why a record can't be made again, in words.
type Why = String;

/// An agent that was asked: it thinks on a world that stays as it was.
struct AskedAgain {
    world: Arc<World>,
    turn: u64,
    now: Time,
    asked: Asked,
    is_client: bool,
}

/// A journal that is executed again.
struct Again {
    sequencer: Sequencer,
    /// The same journal, to look up the world files of forks.
    sources: Journal,
    runtime: String,
    is_measured: bool,
    /// The tick that is under way, in worlds that have ticks.
    tick: Option<TickAgain>,
    /// Those who think; language models are among the open turns of the sequencer.
    asked: HashMap<Handle, AskedAgain>,
}

/// Executes a journal again up to a record, and compares. `progress` is told of each record.
///
/// # Errors
/// When the journal is damaged or in memory, or its code ran on another runtime.
pub fn replay(
    workplace: &Workplace,
    journal: &Journal,
    until: u64,
    mut progress: impl FnMut(u64),
) -> Result<Replayed, RunError> {
    let founding = founding_of(journal)?;
    let (mut again, difference) = Again::found(workplace, journal, &founding)?;
    let founded = founding.len() as u64;
    let seq = difference.as_ref().map_or(founded, |difference| difference.seq - 1);
    let mut replayed = Replayed { seq, world: again.sequencer.world().clone(), difference };
    if replayed.difference.is_some() {
        return Ok(replayed);
    }
    let mut done = Ok(());
    journal.records_while(founded + 1, |record| {
        if record.seq > until {
            return false;
        }
        let seq = record.seq;
        done = again.go_on(record).map(|difference| replayed.difference = difference);
        progress(seq);
        let goes_on = done.is_ok() && replayed.difference.is_none();
        replayed.seq = if goes_on { seq } else { replayed.seq };
        goes_on
    })?;
    done?;
    if replayed.difference.is_none() {
        replayed.world = again.sequencer.world().clone();
    }
    Ok(replayed)
}

/// The records of the founding.
fn founding_of(journal: &Journal) -> Result<Vec<Record>, RunError> {
    let mut founding = Vec::new();
    journal.records_while(1, |record| {
        let founds = matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
        if founds {
            founding.push(record);
        }
        founds
    })?;
    Ok(founding)
}

impl Again {
    /// Founds the world again from the recorded source, and compares.
    fn found(
        workplace: &Workplace,
        journal: &Journal,
        recorded: &[Record],
    ) -> Result<(Self, Option<Box<Difference>>), RunError> {
        let Some(path) = journal.address() else {
            return Err(RunError::Unsupported("a world in memory can't be replayed".into()));
        };
        let source = match recorded.first().map(|record| &record.cause) {
            Some(Cause::Genesis { source, .. }) => source_of(journal, *source)?,
            Some(_) | None => recorded_source(journal)?,
        };
        let mut file = config::reload(&source, library::founders())?;
        let (interpreter, _) = workplace.interpreter(&file.plan)?;
        let here = interpreter.sandbox.runtime().to_owned();
        decide(&*interpreter.sandbox, &mut file.founding.founders)?;
        let genesis = recorded.first().map(|record| &record.cause);
        if let Some(Cause::Genesis { rules, runtime, .. }) = genesis {
            // On the wall clock a world begins when it is founded.
            file.founding.rules.start = rules.start;
            if *runtime != here {
                return Err(RunError::Runtime { made_by: runtime.clone(), here });
            }
        }
        let founding = Founding { runtime: here.clone(), ..file.founding };
        let is_measured = founding.rules.cpu_meter == CpuMeter::Measured;
        let (world, made) = founding.found()?;
        let pairs = recorded.iter().zip(made.iter().map(Some).chain(std::iter::repeat(None)));
        let difference = pairs
            .filter(|(recorded, made)| Some(*recorded) != *made)
            .map(|(recorded, made)| Difference::of(&world, recorded.clone(), made.cloned(), None))
            .next();
        if difference.is_none() {
            founded_from(&world, &source)?;
        }
        let plan = &file.plan;
        let mut sequencer = workplace.in_the_past(world, path, interpreter, plan)?;
        sequencer.following();
        let tick = match plan.lasts {
            Lasts::Ticks(_) => Some(TickAgain::default()),
            Lasts::Ms(_) => {
                sequencer.keep_agenda();
                None
            }
        };
        let sources = Journal::open_read_only(path)?;
        let mut this = Self { sequencer, sources, runtime: here, is_measured, tick, asked: HashMap::new() };
        if this.sequencer.with_models().0.names_any() {
            // From here on each asking is counted as it was.
            this.sequencer.models()?;
        }
        Ok((this, difference))
    }

    /// Makes the next record again; gives the difference, if there is one.
    fn go_on(&mut self, record: Record) -> Result<Option<Box<Difference>>, RunError> {
        self.sequencer.set_now(record.time);
        let before = self.sequencer.share();
        let why = self.make(&record)?;
        let mut made = self.sequencer.following().made.take();
        if made.as_ref() != Some(&record) && matches!(record.cause, Cause::Act { .. }) {
            // Whether costs of thoughts were set aside when somebody acted from outside is in no record.
            self.sequencer.set_world(Arc::clone(&before));
            if self.turn_reservations_over()? {
                self.make(&record)?;
                made = self.sequencer.following().made.take();
            }
        }
        if made.as_ref() == Some(&record) {
            return Ok(None);
        }
        Ok(Some(Difference::of(&before, record, made, why)))
    }

    /// Executes the cause of a record again. Says why, where that makes none.
    fn make(&mut self, record: &Record) -> Result<Option<Why>, RunError> {
        self.sequencer.following().expected = self.is_measured.then(|| Box::new(record.clone()));
        let made = match &record.cause {
            Cause::Genesis { .. } | Cause::Founding => Ok(Some("the founding is over".to_owned())),
            Cause::Tick { number, phase } => self.begin_tick(*number, *phase),
            Cause::Clock { .. } => {
                let own = record.events.iter().filter(|event| event.kind == EventKind::Clock);
                self.sequencer.happen(record.cause.clone(), own.cloned().collect()).map(|()| None)
            }
            Cause::Act { actor, action, .. } => {
                let name = self.sequencer.world().name(*actor).to_owned();
                let act = Act::new(name, action.to_value());
                self.sequencer.perform(act).map(|receipt| match receipt.outcome {
                    Outcome::Refused(refusal) => Some(refusal.message),
                    Outcome::Done(_) | Outcome::Nothing => None,
                })
            }
            Cause::Step { agent, .. } | Cause::Ask { agent, .. } | Cause::Short { agent, .. } => {
                self.take_turn(*agent, record)
            }
            Cause::Regrow => self.sequencer.grow().map(|()| None),
            Cause::Rules { source, .. } => self.go_by(*source),
            Cause::Runtime { name } if *name != self.runtime => {
                return Err(RunError::Runtime { made_by: name.clone(), here: self.runtime.clone() });
            }
            Cause::Runtime { name } => self.sequencer.run_on(name.clone()).map(|()| None),
            Cause::Hook { index, tick, .. } => self.run_hook(*index, *tick),
            Cause::Due { artifact, .. } => {
                let (world, now) = (self.sequencer.world(), self.sequencer.now());
                let next = world.next_due().filter(|(due, _)| *due <= now);
                if next.is_some_and(|(_, next)| next == *artifact) {
                    self.sequencer.run_due(*artifact).map(|()| None)
                } else {
                    Ok(Some("nothing of it is due".to_owned()))
                }
            }
        };
        match made {
            // The tape lacks what the replay asks: it asks something else.
            Err(RunError::Halt(halt)) => Ok(Some(halt.to_string())),
            made => made,
        }
    }

    /// Goes on by the rules of a fork, as its world file has them.
    fn go_by(&mut self, source: [u8; 32]) -> Result<Option<Why>, RunError> {
        let mut file = config::reload(&source_of(&self.sources, source)?, library::founders())?;
        let world = self.sequencer.share();
        let before = config::reload(&source_of(&self.sources, world.source())?, library::founders())?;
        let rules = &mut file.founding.rules;
        rules.start = world.rules().start;
        let effects = rates(&world, rules, &before.founding.founders, &file.founding.founders);
        let cause = Cause::Rules { rules: Box::new(rules.clone()), source };
        self.sequencer.record(cause, Finished { effects, ..Finished::nothing_done(Outcome::Nothing) })?;
        if self.tick.is_none() {
            // The seed orders turns of one instant.
            self.sequencer.keep_agenda();
        }
        Ok(None)
    }

    /// Takes the turn of an agent as it comes now.
    fn take_turn(&mut self, agent: Handle, record: &Record) -> Result<Option<Why>, RunError> {
        if self.tick.is_some() {
            return self.take_turn_in_tick(agent, record);
        }
        if let Some(before) = self.asked.remove(&agent) {
            return match record.cause {
                Cause::Ask { .. } => self.ask_again(agent),
                _ => self.answer(agent, &before, record).map(|()| None),
            };
        }
        if self.sequencer.open_turns().of(agent).is_some() {
            return self.answer_of_model(agent).map(|()| None);
        }
        if self.sequencer.next_turn().is_none_or(|(_, next)| next != agent) {
            return Ok(Some("it is not its turn".to_owned()));
        }
        let (world, now) = (self.sequencer.share(), self.sequencer.now());
        let turn = world.agent(agent).map_or(0, |row| row.steps);
        if !world.can_step(agent, now) {
            return pass(&mut self.sequencer, agent, turn).map(|()| None);
        }
        let asked = Asked::of(&world, agent, turn, now);
        match Outside::of(&world, agent) {
            Some(Outside::Model { mind, .. }) => {
                let place = TurnPlace { world, agent, turn, now };
                self.sequencer.open_model_turn(asked, place, &mind, Effect::InTick, Time::LAST)?;
            }
            outside => {
                let is_client = outside.is_some();
                let before = AskedAgain { world, turn, now, asked, is_client };
                if is_client || matches!(record.cause, Cause::Ask { .. }) {
                    self.asked.insert(agent, before);
                    ask(&mut self.sequencer, agent, turn)?;
                } else {
                    self.answer(agent, &before, record)?;
                }
            }
        }
        Ok(None)
    }

    /// Asks an agent again whose thought was lost when the world was shut: its code thinks on the world after that.
    fn ask_again(&mut self, agent: Handle) -> Result<Option<Why>, RunError> {
        let now = self.sequencer.now();
        let (seen, turn) = {
            let world = self.sequencer.share();
            let turn = world.agent(agent).map_or(0, |row| row.steps);
            (world, turn)
        };
        let is_client = Outside::of(&seen, agent).is_some();
        let mut asked = Asked::of(&seen, agent, turn, now);
        ask(&mut self.sequencer, agent, turn)?;
        let mut world = seen;
        if !is_client {
            world = self.sequencer.share();
            asked = Asked::of(&world, agent, turn, now);
        }
        self.asked.insert(agent, AskedAgain { world, turn, now, asked, is_client });
        Ok(None)
    }

    /// The thought of an agent that was asked, and what comes of it.
    fn answer(&mut self, agent: Handle, before: &AskedAgain, record: &Record) -> Result<(), RunError> {
        let thinking = if before.is_client {
            told_by(before.asked.clone(), record)
        } else {
            let sandbox = Arc::clone(&self.sequencer.interpreter().sandbox);
            self.measured(think_in(&before.world, &*sandbox, agent, before.turn, before.now)?, record)
        };
        act_late(&mut self.sequencer, thinking)
    }

    /// The answer of a language model that was asked, from the tape, and what comes of it.
    fn answer_of_model(&mut self, agent: Handle) -> Result<(), RunError> {
        let open = self.sequencer.open_turns().of(agent).and_then(OpenTurn::unanswered);
        let Some((asked, turn)) = open.map(|(asked, turn)| (asked.clone(), turn.clone())) else {
            return Ok(());
        };
        let thought = self.sequencer.models()?.take(turn)?;
        act(&mut self.sequencer, asked.told(thought))?;
        self.sequencer.open_turns_mut().close(agent);
        Ok(())
    }

    /// A thought with the CPU that was measured when it was thought.
    fn measured(&self, mut thinking: Thinking, record: &Record) -> Thinking {
        if let Cause::Step { thought, .. } = &record.cause
            && self.is_measured
        {
            following::tell(&mut thinking.charges, &thought.charges);
        }
        thinking
    }
}

/// The decision of a client, or that its turn passed, as a record tells it.
fn told_by(asked: Asked, record: &Record) -> Thinking {
    let Cause::Step { thought, .. } = &record.cause else { return asked.answered(Default::default()) };
    match &record.outcome {
        Outcome::Refused(refusal)
            if thought.action.value().is_null()
                && matches!(refusal.code, Code::Unsupported | Code::CodeTimeout) =>
        {
            asked.passes(refusal.as_ref().clone())
        }
        Outcome::Refused(_) | Outcome::Done(_) | Outcome::Nothing => asked.answered(thought.action.clone()),
    }
}

/// Whether an agent thinks, as the journal knows.
fn is_thinking(world: &World, agent: Handle) -> bool {
    world.agent(agent).is_some_and(Agent::is_thinking)
}
