//! The sequencer: the only writer of a world. Every change is executed on the world as it stands,
//! becomes a record, is applied, and goes to the journal in batches.

use std::time::{Duration, Instant};

use oikos_agents::Mind;
use oikos_journal::{Head, Journal};
use oikos_kernel::{
    json::Json,
    op::{Action, Query},
    receipt::Receipt,
    record::{Cause, Filter, Handle, Outcome, Record},
    refusal::{Code, Refusal},
    seed::derive,
    time::Time,
    transaction::{Finished, Transaction},
    world::World,
};
use oikos_sandbox::Sandbox;
use serde_json::Value;

use crate::{
    agenda::Agenda,
    bus::{Bus, Subscription},
    clock::wall_now,
    config::ClockKind,
    drive::drive,
    error::RunError,
    writer::{Bell, Writer, Written},
};

/// Records that wait for one commit.
const PENDING_MAX: usize = 4_096;
/// How long a record waits for a commit while more are coming; nothing that waits was acknowledged.
const PENDING_AGE_MAX: Duration = Duration::from_millis(100);
/// Records between two snapshots, at least.
const SNAPSHOT_RECORDS_MIN: u64 = 50_000;
/// Records between two snapshots for each artifact: a snapshot costs by the size of the world, and is worth
/// the records that need not be read again.
const SNAPSHOT_RECORDS_PER_ARTIFACT: u64 = 4;

/// What thinks and runs code.
pub(crate) struct Interpreter {
    pub(crate) sandbox: Box<dyn Sandbox>,
    /// A mind that decides for every agent, in the place of their code.
    pub(crate) mind: Option<Box<dyn Mind>>,
}

/// A world with its journal and what runs its code.
pub struct Sequencer {
    world: World,
    writer: Writer,
    interpreter: Interpreter,
    clock: ClockKind,
    /// The turns to come, where each agent has its own.
    agenda: Option<Agenda>,
    /// The clock as far as it has come; the next record bears it.
    now: Time,
    pending: Vec<Record>,
    bus: Bus,
    committed_at: Instant,
    snapshot_seq: u64,
}

impl std::fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interpreter").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer").field("seq", &self.world.seq()).finish_non_exhaustive()
    }
}

impl Sequencer {
    /// Goes on with a world whose journal ends where it stands.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn new(
        world: World,
        journal: Journal,
        sandbox: Box<dyn Sandbox>,
        clock: ClockKind,
    ) -> Result<Self, RunError> {
        Ok(Self {
            snapshot_seq: journal.snapshot_seq()?,
            now: world.now(),
            world,
            writer: Writer::new(journal),
            interpreter: Interpreter { sandbox, mind: None },
            clock,
            agenda: None,
            pending: Vec::new(),
            bus: Bus::default(),
            committed_at: Instant::now(),
        })
    }

    /// Lets a mind decide for every agent, in the place of their code.
    pub fn set_mind(&mut self, mind: Box<dyn Mind>) {
        self.interpreter.mind = Some(mind);
    }

    /// Keeps the turns to come from now on.
    pub(crate) fn keep_agenda(&mut self) {
        self.agenda = Some(Agenda::of(&self.world));
    }

    /// The next turn of an agent.
    pub(crate) fn next_turn(&self) -> Option<(Time, Handle)> {
        self.agenda.as_ref().and_then(Agenda::first)
    }

    /// The world as it stands, committed or not.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// The world to execute on, and what runs its code.
    pub(crate) fn parts(&mut self) -> (&World, &mut Interpreter) {
        (&self.world, &mut self.interpreter)
    }

    pub(crate) fn interpreter(&mut self) -> &mut Interpreter {
        &mut self.interpreter
    }

    /// Where the journal ends; call [`Self::commit`] first to have all of it.
    #[must_use]
    pub fn head(&self) -> Head {
        self.writer.head()
    }

    /// The journal, with all that has happened.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn journal(&mut self) -> Result<&Journal, RunError> {
        self.commit()?;
        Ok(self.writer.journal()?)
    }

    /// Which clock the world goes by.
    #[must_use]
    pub fn clock(&self) -> ClockKind {
        self.clock
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Moves the clock, never back, without leaving a record: the next record will bear it.
    pub(crate) fn set_now(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// On the wall clock: brings the clock up to now, for actions from outside.
    pub fn tell_time(&mut self) {
        if self.clock == ClockKind::Wall {
            self.set_now(wall_now());
        }
    }

    /// Lets a principal act from outside. A refusal at admission leaves no record.
    ///
    /// # Errors
    /// Only faults: the journal can't be written, or the kernel contradicts itself.
    pub fn act(&mut self, principal: &str, action: Value) -> Result<Receipt, RunError> {
        let actor = match self.principal(principal) {
            Ok(actor) => actor,
            Err(refusal) => return Ok(Receipt::refused(self.now, refusal)),
        };
        let recorded = Json::from(action.clone());
        let action = match Action::parse(action) {
            Ok(action) => action,
            Err(refusal) => return Ok(Receipt::refused(self.now, refusal)),
        };
        let action_id = action.action_id.clone();
        if let Some(told) = action_id.as_deref().and_then(|id| self.world.repeated(actor, id, &recorded)) {
            return Ok(told.unwrap_or_else(|refusal| Receipt::refused(self.now, refusal)));
        }
        let seed = derive(self.world.rules().seed, "act", principal, self.world.seq() + 1);
        let finished = match Transaction::act(&self.world, actor, action, self.now, seed) {
            Ok(mut transaction) => drive(&mut transaction, &mut *self.interpreter.sandbox),
            Err(refusal) => return Ok(Receipt::refused(self.now, refusal)),
        };
        let output = finished.output.clone();
        let cause = Cause::Act { actor, action: recorded, action_id, output };
        self.record(cause, finished)
    }

    fn principal(&self, id: &str) -> Result<Handle, Refusal> {
        let handle = self.world.lookup(id);
        let found = handle.and_then(|handle| Some((handle, self.world.get(handle)?)));
        match found {
            Some((handle, artifact)) if artifact.has_standing() && !artifact.is_deleted() => Ok(handle),
            Some((_, artifact)) if artifact.is_deleted() => {
                Err(Refusal::new(Code::NotFound, format!("`as`: `{id}` was deleted")))
            }
            Some(_) => Err(Refusal::invalid(format!("`as`: `{id}` has no standing, so it can't act"))),
            None => {
                let shown: String = id.chars().take(128).collect();
                Err(Refusal::new(Code::NotFound, format!("`as`: there is no principal {shown:?}"))
                    .hint("`oikos inspect WORLD principals` lists them"))
            }
        }
    }

    /// Answers a query as an observer; it leaves no record.
    pub fn observe(&mut self, query: Query) -> Result<Value, Refusal> {
        let seed = derive(self.world.rules().seed, "observe", "", self.world.seq());
        let mut transaction = Transaction::observe(&self.world, query, self.now, seed);
        answer(drive(&mut transaction, &mut *self.interpreter.sandbox))
    }

    /// Calls a method read-only, for a measure; it leaves no record.
    pub fn measure(&mut self, artifact: Handle, method: &str) -> Result<Value, Refusal> {
        let seed = derive(self.world.rules().seed, "measure", method, self.world.seq());
        let mut transaction = Transaction::measure(&self.world, artifact, method, self.now, seed);
        answer(drive(&mut transaction, &mut *self.interpreter.sandbox))
    }

    /// Makes the record of a cause, applies it and queues it for the journal.
    pub(crate) fn record(&mut self, cause: Cause, finished: Finished) -> Result<Receipt, RunError> {
        let Finished { charges, effects, events, outcome, whole, .. } = finished;
        let (seq, time) = (self.world.seq() + 1, self.now);
        let record = Record { seq, time, cause, charges, effects, events, outcome };
        let record = self.world.enact(record)?;
        if let Some(agenda) = &mut self.agenda {
            agenda.follow(&self.world);
        }
        let receipt = Receipt::of(&record).with_whole(whole);
        self.pending.push(record);
        if !self.bus.is_empty() {
            self.tell_written()?;
        }
        if self.pending.len() >= PENDING_MAX || (self.is_commit_due() && self.writer.is_idle()) {
            self.flush()?;
        }
        Ok(receipt)
    }

    /// A record of something that happens to nobody: a tick, the clock.
    pub(crate) fn mark(&mut self, cause: Cause) -> Result<(), RunError> {
        self.record(cause, Finished::nothing_done(Outcome::Nothing)).map(|_| ())
    }

    /// Whether something has waited for a commit as long as it may.
    fn is_commit_due(&self) -> bool {
        self.committed_at.elapsed() > PENDING_AGE_MAX
    }

    /// Begins to write what is pending, at once if there is time or when it is due, and waits for nothing.
    ///
    /// # Errors
    /// When the journal can't be written; nothing more is accepted then.
    pub(crate) fn flush_before_wait(&mut self, there_is_time: bool) -> Result<(), RunError> {
        self.tell_written()?;
        let wanted = there_is_time || self.is_commit_due();
        if wanted && self.writer.is_idle() { self.flush() } else { Ok(()) }
    }

    /// Has whoever waits told when something has come to be on disk.
    pub(crate) fn set_bell(&mut self, bell: Bell) {
        self.writer.set_bell(bell);
    }

    /// Tells subscribers of what has come to be on disk meanwhile.
    fn tell_written(&mut self) -> Result<(), RunError> {
        let written = self.writer.look();
        self.tell(written)
    }

    fn tell(&mut self, written: Written) -> Result<(), RunError> {
        self.bus.publish(&self.world, &written?);
        Ok(())
    }

    /// Begins to write what is pending, once what is being written is on disk.
    ///
    /// # Errors
    /// When the journal can't be written; nothing more is accepted then.
    fn flush(&mut self) -> Result<(), RunError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // The next batch will be about as large.
        let next = Vec::with_capacity(self.pending.len());
        let records = std::mem::replace(&mut self.pending, next);
        let written = self.writer.append(records, !self.bus.is_empty());
        self.tell(written)?;
        self.committed_at = Instant::now();
        self.audit()
    }

    /// Writes what is pending; when this returns, every receipt so far may leave the process.
    ///
    /// # Errors
    /// When the journal can't be written; nothing more is accepted then.
    pub fn commit(&mut self) -> Result<(), RunError> {
        let written = self.writer.settle();
        self.tell(written)?;
        if !self.pending.is_empty() {
            self.writer.journal()?.append(&self.pending, &[])?;
            self.bus.publish(&self.world, &self.pending);
            self.pending.clear();
        }
        self.committed_at = Instant::now();
        self.audit()
    }

    /// Adds up the books of a build for development, now and then.
    fn audit(&self) -> Result<(), RunError> {
        if cfg!(debug_assertions) && self.world.seq().is_multiple_of(64) {
            self.world.audit()?;
        }
        Ok(())
    }

    /// Tells of the events that fit a filter and come after the record `since`, from now on and as long
    /// as this lives. What is on disk already is read from the journal.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub fn subscribe(&mut self, filter: Filter, since: u64) -> Result<Subscription, RunError> {
        self.commit()?;
        let journal = self.writer.journal()?;
        Ok(self.bus.subscribe(filter, since, journal.head().seq, &self.world, journal.file()))
    }

    /// Ends every subscription, as if no more came; what has happened is still told.
    pub fn close_subscriptions(&mut self) {
        self.bus.close();
    }

    /// Stores a snapshot if the last is far behind. Where there are ticks, only the beginning of one is
    /// a good place: from there a tick that was cut short is thought again.
    pub(crate) fn snapshot_if_due(&mut self) -> Result<(), RunError> {
        let size = u64::from(self.world.next_handle().0).saturating_mul(SNAPSHOT_RECORDS_PER_ARTIFACT);
        if self.world.seq() - self.snapshot_seq < size.max(SNAPSHOT_RECORDS_MIN) {
            return Ok(());
        }
        self.flush()?;
        let written = self.writer.snapshot(self.world.clone());
        self.tell(written)?;
        self.snapshot_seq = self.world.seq();
        Ok(())
    }
}

fn answer(finished: Finished) -> Result<Value, Refusal> {
    match finished.outcome {
        Outcome::Done(value) => Ok(value.to_value()),
        Outcome::Nothing => Ok(Value::Null),
        Outcome::Refused(refusal) => Err(*refusal),
    }
}
