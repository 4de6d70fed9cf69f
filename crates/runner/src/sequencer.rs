//! The sequencer: the only writer of a world. Every change is executed on the world as it stands,
//! becomes a record, is applied, and is handed to the writer of the journal.

use std::{sync::Arc, time::Duration};

use oikos_agents::Mind;
use oikos_journal::{Head, Journal, JournalError};
use oikos_kernel::{
    event::{Event, EventKind},
    id::Handle,
    receipt::Receipt,
    record::{Cause, Outcome, Record},
    refusal::{Code, Refusal},
    seed::derive,
    time::Time,
    transaction::{Finished, Transaction},
    world::{World, wire::Viewer},
};
use oikos_sandbox::Sandbox;
use serde_json::Value;

use crate::{
    agenda::Agenda,
    bus::{Bus, Subscription, Wanted},
    clock::{Clock, Moved},
    config::{ClockKind, LlmPlan},
    error::RunError,
    helm::{Pace, Speed},
    models::{Access, Lending, Models, Opening, Parked, unanswered},
    open::OpenTurns,
    replay::Following,
    request::{Act, Shown},
    series::Sampler,
    spread::Spread,
    stop::Stop,
    view::View,
    writer::{Bell, JournalGuard, Release, Writer},
};

/// Records between two snapshots, at least.
const SNAPSHOT_RECORDS_MIN: u64 = 50_000;
/// Records between two snapshots for each artifact: a snapshot costs by the size of the world, and is worth
/// the records that need not be read again.
const SNAPSHOT_RECORDS_PER_ARTIFACT: u64 = 4;
/// On the wall clock, a record says at least so often how far a world has come, in milliseconds.
const SILENCE_MS_MAX: i64 = 60_000;
/// Records between two audits of the books, in a build for development.
const AUDIT_RECORDS: u64 = 4_096;

/// The sandbox and the mind: they run code and think.
pub(crate) struct Interpreter {
    pub(crate) sandbox: Arc<dyn Sandbox>,
    /// How many may run code at once.
    pub(crate) workers: usize,
    /// A mind that decides for every agent, in the place of their code.
    pub(crate) mind: Option<Box<dyn Mind>>,
}

/// How turns of clients are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clients {
    /// On the wall clock, how long a turn waits.
    pub(crate) timeout_ms: i64,
    /// Whether the world file says of any agent that a client decides for it. Agents may say so of themselves, and
    /// then nobody stops for them who has no clients.
    pub(crate) are_declared: bool,
    /// Whether who runs the world tells the clients: then it stops for them on the wall clock too.
    pub(crate) are_told: bool,
}

/// A world with its journal and what runs its code.
///
/// After its first fault it acknowledges nothing any more: a world that is half changed, or ahead of its
/// journal, must be opened again.
pub struct Sequencer {
    /// Shared with those who think on it; a change makes a copy for as long as somebody does.
    world: Arc<World>,
    pub(crate) writer: Writer,
    interpreter: Interpreter,
    /// The ways to followers: of thoughts, and of requests to models.
    pub(crate) spread: Option<Spread>,
    pub(crate) lending: Option<Lending>,
    clock: Clock,
    /// How fast the virtual clock may go, if there is a bound.
    pace: Option<Pace>,
    /// The move of the machine's clock since the world was open last, until it is recorded.
    moved: Option<Moved>,
    /// The turns to come, where each agent has its own.
    agenda: Option<Agenda>,
    /// The clock as far as it has come; the next record bears it.
    now: Time,
    /// Whether the time stands while a tick is under way: all its actions bear its time.
    holds_time: bool,
    /// Whether a tick has begun and not ended.
    in_tick: bool,
    /// The turns of agents whose minds are clients.
    open: OpenTurns,
    clients: Clients,
    /// How models are reached, and those that are open.
    access: Access,
    llm: LlmPlan,
    models: Option<Models>,
    /// The actions that wait for language models while others act.
    parked: Parked,
    /// Takes the series.
    pub(crate) sampler: Sampler,
    /// Asks those to end who wait for something.
    stop: Stop,
    /// Rings for the loop.
    bell: Bell,
    bus: Bus,
    view: View,
    /// Set where a journal is executed again: records are made, and go nowhere.
    following: Option<Box<Following>>,
    snapshot_seq: u64,
    poisoned: bool,
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

impl Drop for Sequencer {
    fn drop(&mut self) {
        self.bus.close(&self.world);
    }
}

impl Sequencer {
    /// Goes on with a world whose journal ends where it stands; `moved` is the move of its clock to be told.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub(crate) fn new(
        world: World,
        journal: Journal,
        interpreter: Interpreter,
        clock: Clock,
        moved: Option<Moved>,
        clients: Clients,
        (access, llm): (Access, LlmPlan),
    ) -> Result<Self, RunError> {
        let snapshot_seq = journal.snapshot_seq()?;
        let writer = Writer::new(journal);
        let kind = clock.kind();
        Ok(Self {
            snapshot_seq,
            now: world.now(),
            open: OpenTurns::of_world(&world),
            world: Arc::new(world),
            view: View::new(writer.on_disk(), kind),
            writer,
            interpreter,
            spread: None,
            lending: None,
            clock,
            pace: None,
            moved,
            agenda: None,
            holds_time: false,
            in_tick: false,
            clients,
            access,
            llm,
            models: None,
            parked: Parked::default(),
            sampler: Sampler::default(),
            stop: Stop::default(),
            bell: Arc::new(|| ()),
            bus: Bus::default(),
            following: None,
            poisoned: false,
        })
    }

    pub(crate) fn models_if_open(&self) -> Option<&Models> {
        self.models.as_ref()
    }

    pub(crate) fn parked(&self) -> &Parked {
        &self.parked
    }

    pub(crate) fn parked_mut(&mut self) -> &mut Parked {
        &mut self.parked
    }

    /// The models, if they are open, and the actions that wait for them.
    pub(crate) fn models_and_parked(&mut self) -> (Option<&Models>, &mut Parked) {
        (self.models.as_ref(), &mut self.parked)
    }

    /// Has those who wait for something end when somebody asks.
    pub(crate) fn set_stop(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }

    /// The journal that is executed again; every record is made for the next of it.
    pub(crate) fn following(&mut self) -> &mut Following {
        self.following.get_or_insert_default()
    }

    /// Whether a journal is executed again.
    pub(crate) fn follows(&self) -> bool {
        self.following.is_some()
    }

    /// Takes the world back to where it stood.
    pub(crate) fn set_world(&mut self, world: Arc<World>) {
        self.world = world;
    }

    /// Whether each agent has turns of its own.
    pub(crate) fn keeps_agenda(&self) -> bool {
        self.agenda.is_some()
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

    pub(crate) fn open_turns(&self) -> &OpenTurns {
        &self.open
    }

    pub(crate) fn open_turns_mut(&mut self) -> &mut OpenTurns {
        &mut self.open
    }

    /// How long the turn of a client waits on the wall clock; on the virtual clock no time passes.
    pub(crate) fn clients_timeout_ms(&self) -> Option<i64> {
        match self.clock() {
            ClockKind::Virtual => None,
            ClockKind::Wall => Some(self.clients.timeout_ms),
        }
    }

    /// Says whether clients are told of their turns by who runs the world.
    pub(crate) fn tell_clients(&mut self, are_told: bool) {
        self.clients.are_told = are_told;
    }

    /// Whether the world stops for a turn of a client: where nobody tells the clients, it goes on meanwhile if time
    /// passes by itself, and if none is declared.
    pub(crate) fn stops_for_clients(&self) -> bool {
        self.clients.are_told || (self.clock() == ClockKind::Virtual && self.clients.are_declared)
    }

    /// The world as it stands, committed or not.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn world_mut(&mut self) -> &mut World {
        Arc::make_mut(&mut self.world)
    }

    /// The world as it stands, to think on while it goes on.
    pub(crate) fn share(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// The world to execute on, and what runs its code.
    pub(crate) fn parts(&mut self) -> (&World, &mut Interpreter) {
        (&self.world, &mut self.interpreter)
    }

    /// The world with the way to its models, those that are open, and what runs its code.
    pub(crate) fn with_models(&mut self) -> (Opening<'_>, &mut Option<Models>, &Interpreter) {
        let opening = Opening {
            access: &self.access,
            plan: &self.llm,
            lending: self.lending.as_ref(),
            world: &self.world,
            writer: &self.writer,
            in_tick: self.in_tick,
            bell: &self.bell,
            stop: &self.stop,
        };
        (opening, &mut self.models, &self.interpreter)
    }

    pub(crate) fn interpreter(&mut self) -> &mut Interpreter {
        &mut self.interpreter
    }

    /// Where the journal ends; call [`Self::commit`] first to have all of it.
    #[must_use]
    pub fn head(&self) -> Head {
        self.writer.head()
    }

    /// The journal, with all that has happened. Nothing is written for as long as it is looked at.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn journal(&mut self) -> Result<JournalGuard<'_>, RunError> {
        self.commit()?;
        Ok(self.writer.journal())
    }

    /// Whether nothing went wrong yet.
    ///
    /// # Errors
    /// When something did: nothing is acknowledged any more.
    pub(crate) fn check(&mut self) -> Result<(), RunError> {
        if self.poisoned {
            return Err(JournalError::Poisoned.into());
        }
        if self.writer.has_failed() {
            let failed = self.writer.settle(0);
            return self.sound(failed);
        }
        Ok(())
    }

    /// Takes note of a fault.
    pub(crate) fn sound<T, E: Into<RunError>>(&mut self, result: Result<T, E>) -> Result<T, RunError> {
        self.poisoned = self.poisoned || result.is_err();
        result.map_err(Into::into)
    }

    /// Which clock the world goes by.
    #[must_use]
    pub fn clock(&self) -> ClockKind {
        self.clock.kind()
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The clock as it stands by itself, also while the time is held.
    pub(crate) fn clock_now(&self) -> Option<Time> {
        match &self.clock {
            Clock::Virtual | Clock::Told(_) => Some(self.now),
            Clock::Wall(clock) => clock.now(),
        }
    }

    /// Moves the clock, never back, without leaving a record: the next record will bear it.
    pub(crate) fn set_now(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Has the virtual clock go no faster than at a speed, from now on.
    pub(crate) fn set_pace(&mut self, speed: Speed) {
        self.pace = Pace::from(speed, self.now);
    }

    /// How long the virtual clock has to be held back before it may show an instant.
    pub(crate) fn held_back(&self, time: Time) -> Duration {
        self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.left(time))
    }

    /// On the wall clock: brings the clock up to now, for a look.
    ///
    /// # Errors
    /// When there is no later instant.
    pub fn tell_time(&mut self) -> Result<(), RunError> {
        let Clock::Wall(clock) = &self.clock else { return Ok(()) };
        if !self.holds_time {
            let now = clock.now().ok_or(RunError::EndOfTime)?;
            self.set_now(now);
        }
        Ok(())
    }

    /// Before an action or a turn: on the wall clock brings the clock up to now, and records a move of the machine's
    /// clock; records the growth of resources until then.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn bring_up(&mut self) -> Result<(), RunError> {
        if self.holds_time {
            return Ok(());
        }
        let Clock::Wall(clock) = &mut self.clock else { return self.grow() };
        let moved = self.moved.take().or_else(|| clock.look());
        self.tell_time()?;
        if let Some(Moved { away_ms, event }) = moved {
            let away_ms = away_ms.min(self.now.ms() - self.world.now().ms());
            self.happen(Cause::Clock { away_ms }, vec![event])?;
        }
        self.grow()
    }

    /// On the wall clock: has a record say how far the world has come, if the last one is `old`.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn note_time(&mut self, old_ms: i64) -> Result<(), RunError> {
        self.bring_up()?;
        let is_wall = self.clock() == ClockKind::Wall;
        if is_wall && self.now.ms() - self.world.now().ms() > old_ms { self.mark_clock() } else { Ok(()) }
    }

    /// As [`Self::note_time`], while nothing happens.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn break_silence(&mut self) -> Result<(), RunError> {
        self.note_time(SILENCE_MS_MAX)
    }

    /// A record of where the clock stands.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn mark_clock(&mut self) -> Result<(), RunError> {
        self.mark(Cause::Clock { away_ms: 0 })
    }

    /// A record of the runtime on which code runs from here on.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn run_on(&mut self, name: String) -> Result<(), RunError> {
        let event = Event { detail: Some(name.clone()), ..Event::new(EventKind::Runtime, Handle::NOBODY) };
        self.happen(Cause::Runtime { name }, vec![event])
    }

    /// How long it is until an instant; nothing if it has come, or under the virtual clock.
    pub(crate) fn until(&self, time: Time) -> Duration {
        match &self.clock {
            Clock::Virtual | Clock::Told(_) => Duration::ZERO,
            Clock::Wall(clock) => clock.until(time),
        }
    }

    /// How long ago an instant was; nothing if it is to come, or under the virtual clock.
    pub(crate) fn since(&self, time: Time) -> Duration {
        match &self.clock {
            Clock::Virtual | Clock::Told(_) => Duration::ZERO,
            Clock::Wall(clock) => clock.since(time),
        }
    }

    /// When the machine's clock is to be looked at again, at the latest.
    pub(crate) fn look_again(&self) -> Option<Duration> {
        match &self.clock {
            Clock::Virtual | Clock::Told(_) => None,
            Clock::Wall(clock) => Some(clock.suspects().unwrap_or(crate::clock::LOOK_AFTER)),
        }
    }

    /// While a tick is under way, all that happens bears its time.
    pub(crate) fn hold_time(&mut self, holds: bool) {
        self.holds_time = holds;
    }

    /// A tick has begun, or ended.
    pub(crate) fn set_in_tick(&mut self, in_tick: bool) {
        self.in_tick = in_tick;
    }

    /// Lets a principal act from outside. A refusal at admission leaves no record.
    ///
    /// # Errors
    /// Only faults: the journal can't be written, or the kernel contradicts itself.
    pub fn act(&mut self, principal: &str, action: Value) -> Result<Receipt, RunError> {
        self.perform(Act::new(principal.into(), action))
    }

    /// Lets a principal act from outside, and shows what came of it as the principal may see it.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn perform_shown(&mut self, act: Act) -> Result<Shown, RunError> {
        let principal = act.principal.clone();
        let receipt = self.perform(act)?;
        let text = receipt.shown(&self.world, Viewer::Artifact(self.world.lookup(&principal))).text();
        Ok(Shown { receipt, text })
    }

    /// Lets a principal act from outside.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn perform(&mut self, act: Act) -> Result<Receipt, RunError> {
        self.check()?;
        self.bring_up()?;
        let Act { principal, action, recorded } = act;
        let actor = match self.principal(&principal) {
            Ok(actor) => actor,
            Err(refusal) => return Ok(Receipt::refused(self.now, refusal)),
        };
        let action = match action {
            Ok(action) => action,
            Err(refusal) => return Ok(Receipt::refused(self.now, refusal)),
        };
        let action_id = action.action_id.clone();
        if let Some(told) = action_id.as_deref().and_then(|id| self.world.repeated(actor, id, &recorded)) {
            return Ok(told.unwrap_or_else(|refusal| Receipt::refused(self.now, refusal)));
        }
        let seed = derive(self.world.rules().seed, "act", &principal, self.world.seq() + 1);
        let now = self.now;
        let done = self.execute(action, |world, action| Transaction::act(world, actor, action, now, seed));
        let finished = match done.or_else(unanswered)? {
            Ok(finished) => finished,
            Err(refusal) => return Ok(Receipt::refused(now, refusal)),
        };
        let output = finished.output.clone();
        let cause = Cause::Act { actor, action: recorded, action_id, output };
        self.record(cause, finished)
    }

    /// The principal of an id, who may act.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn principal(&self, id: &str) -> Result<Handle, Refusal> {
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

    /// Makes the record of a cause, applies it and hands it to the writer.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn record(&mut self, cause: Cause, finished: Finished) -> Result<Receipt, RunError> {
        self.check()?;
        let Finished { charges, effects, events, outcome, whole, .. } = finished;
        self.sample_before(self.now)?;
        let (seq, time) = (self.world.seq() + 1, self.now);
        let mut record = Record { seq, time, cause, charges, effects, events, outcome };
        if let Some(following) = &self.following {
            following.tell_measured(&mut record);
        }
        let enacted = Arc::make_mut(&mut self.world).enact(record);
        let record = self.sound(enacted)?;
        if let Some(agenda) = &mut self.agenda {
            agenda.follow(&self.world);
        }
        self.sampler.rates.count(&self.world, &record);
        let receipt = Receipt::of(&record).with_whole(whole);
        if let Some(following) = &mut self.following {
            following.made = Some(record);
            return Ok(receipt);
        }
        if let Some(release) = self.bus.telling(&self.world, &record) {
            self.writer.release_in_time(seq, release);
        }
        self.bus.lend_if_asked(&self.world);
        if let Some(release) = self.view.showing(&self.world, self.now) {
            self.writer.release_in_time(seq, release);
        }
        let pushed = self.writer.push(record);
        self.sound(pushed)?;
        if seq.is_multiple_of(AUDIT_RECORDS) {
            self.audit()?;
        }
        self.snapshot_if_due();
        Ok(receipt)
    }

    /// A record of something that happens to nobody: a tick, the clock.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn mark(&mut self, cause: Cause) -> Result<(), RunError> {
        self.happen(cause, Vec::new())
    }

    pub(crate) fn happen(&mut self, cause: Cause, events: Vec<Event>) -> Result<(), RunError> {
        let passes_time = matches!(cause, Cause::Clock { .. });
        let effects = if passes_time { self.world.growth(self.now) } else { Vec::new() };
        self.record(cause, Finished { effects, events, ..Finished::nothing_done(Outcome::Nothing) })
            .map(|_| ())
    }

    /// Has the waiting loop told when there is something to look at: a write that failed, a subscriber that
    /// asks for the world.
    pub(crate) fn set_bell(&mut self, bell: Bell) {
        self.writer.set_bell(Bell::clone(&bell));
        self.bell = Bell::clone(&bell);
        self.view.set_bell(Bell::clone(&bell));
        self.bus.set_bell(bell);
    }

    /// Looks at what somebody rang for.
    ///
    /// # Errors
    /// When a write failed.
    pub(crate) fn look(&mut self) -> Result<(), RunError> {
        self.bus.lend_if_asked(&self.world);
        self.tell_time()?;
        if let Some(release) = self.view.showing(&self.world, self.now) {
            self.writer.release_in_time(self.world.seq(), release);
        }
        self.check()
    }

    /// Has `release` called when all that has happened until now is on disk; it is dropped if that fails.
    pub(crate) fn when_on_disk(&self, release: Release) {
        self.writer.release(self.world.seq(), release);
    }

    /// Waits until all that has happened is on disk; when this returns, every receipt so far may leave the
    /// process.
    ///
    /// # Errors
    /// When the journal can't be written; nothing more is accepted then.
    pub fn commit(&mut self) -> Result<(), RunError> {
        self.check()?;
        let settled = self.writer.settle(self.world.seq());
        self.sound(settled)?;
        assert_eq!(
            self.writer.head().seq,
            self.world.seq(),
            "the journal ends with another record than the world: it must be opened again"
        );
        self.bus.lend(&self.world);
        if let Some(show) = self.view.showing(&self.world, self.now) {
            show();
        }
        self.audit()
    }

    /// Adds up the books, in a build for development.
    fn audit(&mut self) -> Result<(), RunError> {
        let audited = if cfg!(debug_assertions) { self.world.audit() } else { Ok(()) };
        self.sound(audited)
    }

    /// Tells of the events that fit a filter, or else are wanted, and come after the record `since`, from now on and as
    /// long as this lives. Events that are on disk already are read from the journal.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub fn subscribe(&mut self, wanted: impl Into<Wanted>, since: u64) -> Result<Subscription, RunError> {
        self.commit()?;
        Ok(self.subscription(wanted.into(), since))
    }

    /// As [`Self::subscribe`]; it may be read once all that has happened until now is on disk.
    pub(crate) fn subscription(&mut self, wanted: Wanted, since: u64) -> Subscription {
        let at = self.writer.address();
        self.bus.subscribe(wanted, since, &self.world, at)
    }

    /// Ends every subscription, as if no more came; what has happened is still told.
    pub fn close_subscriptions(&mut self) {
        self.bus.close(&self.world);
    }

    /// The world as others may look at it while it goes on: as it stood where the journal ended lately.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Stores a snapshot if the last is far behind. While a tick is under way only its beginning is a good
    /// place: from there a tick that was cut short is thought again.
    fn snapshot_if_due(&mut self) {
        let size = u64::from(self.world.next_handle().0).saturating_mul(SNAPSHOT_RECORDS_PER_ARTIFACT);
        let seq = self.world.seq();
        if seq - self.snapshot_seq < size.max(SNAPSHOT_RECORDS_MIN) {
            return;
        }
        let begins = self.world.tick().is_some_and(|tick| tick.seq == seq);
        if (begins || !self.in_tick) && self.writer.snapshot(&self.world) {
            self.snapshot_seq = seq;
        }
    }
}
