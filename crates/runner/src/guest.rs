//! A world and its one guest: a client who acts from outside, and for whom time passes while it waits.
//!
//! On the virtual clock the world stands while the guest thinks, as it does for a mind, and goes on to the very tick
//! or turn that the guest waits for. On the wall clock it goes on by itself, and its desk is open.

use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use oikos_kernel::{
    id::Handle,
    limits::EVENTS_PER_OBSERVATION_MAX,
    op::Sleep,
    record::Until,
    refusal::{Code, Refusal},
    time::Time,
    world::{
        World,
        wire::{Viewer, row_json},
    },
};
use serde_json::{Value, json};

use crate::{
    config::ClockKind,
    desk::{NotTaken, Told},
    error::RunError,
    live::{Goal, Live, Stopped},
    models::run_halted,
    open::Outside,
    request::{Decide, Reply, Request},
    sequencer::Sequencer,
    stop::{Stop, Why},
};

/// Errands that wait for the owner of the world.
const ERRANDS_MAX: usize = 64;

/// On the virtual clock, how far agents with turns of their own go between two looks at whether a wait has ended.
const LOOK_AFTER_MS: i64 = 1_000;

/// All that a guest asks of the owner of the world.
enum Errand {
    Ask {
        request: Box<Request>,
        told: Told<Reply>,
    },
    Wait {
        wait: Box<Wait>,
        told: Told<Result<Value, Refusal>>,
    },
    /// To look whether it is to stop.
    Look,
    /// The guest goes.
    Leave,
}

/// A wait of somebody.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The thing that is waited for.
    pub watching: Arc<Watching>,
    /// It ends after so long, in milliseconds of the world's time, whatever comes.
    pub most_ms: i64,
    /// Ends it when asked.
    pub stop: Stop,
}

/// The thing that somebody waits for, looked at as often as somebody likes: it counts from the first look.
#[derive(Debug)]
pub struct Watching {
    who: String,
    awaited: Awaited,
    watch: Mutex<Option<Watch>>,
}

/// The end of a wait.
#[derive(Clone, Debug)]
pub enum Awaited {
    /// The first of the conditions of a `sleep`, though nobody sleeps.
    Any(Box<Sleep>),
    /// The next turn of the agent.
    Turn,
    /// The end of the agent's sleep.
    Waking,
}

/// The guest's side: errands are done in the order in which they are sent.
#[derive(Clone)]
pub struct Guest(SyncSender<Errand>);

/// The owner's side.
pub struct House(Receiver<Errand>, Guest);

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").finish_non_exhaustive()
    }
}

/// Both sides.
#[must_use]
pub fn guest() -> (Guest, House) {
    let (sender, receiver) = sync_channel(ERRANDS_MAX);
    let guest = Guest(sender);
    (guest.clone(), House(receiver, guest))
}

impl Guest {
    /// Sends a request; its answer is told when what it tells is on disk, or at once if it is not taken in.
    pub fn ask(&self, request: Request, told: Told<Reply>) {
        self.send(Errand::Ask { request: Box::new(request), told });
    }

    /// Waits, and is told what ended it, or null, as [`Self::ask`].
    pub fn wait(&self, wait: Wait, told: Told<Result<Value, Refusal>>) {
        self.send(Errand::Wait { wait: Box::new(wait), told });
    }

    /// Says that nothing more comes. It is heard when what was sent before is done.
    pub fn leave(&self) {
        // If there is no room, the owner looks when it has done what waits; the channel may also have closed.
        let _ = self.0.send(Errand::Leave);
    }

    fn send(&self, errand: Errand) {
        let (errand, why) = match self.0.try_send(errand) {
            Ok(()) => return,
            Err(TrySendError::Disconnected(errand)) => (errand, NotTaken::Closed),
            Err(TrySendError::Full(errand)) => {
                let sentence = format!("{ERRANDS_MAX} calls wait for this world already");
                let refusal = Refusal::new(Code::RateLimited, sentence).hint("try again");
                (errand, NotTaken::Busy(Box::new(refusal)))
            }
        };
        match errand {
            Errand::Ask { told, .. } => told(Err(why)),
            Errand::Wait { told, .. } => told(Err(why)),
            Errand::Look | Errand::Leave => {}
        }
    }
}

/// Whether time stands in a world while its guest thinks; in others it passes by itself, and guests come to the desk.
#[must_use]
pub fn stands_still(live: &Live) -> bool {
    live.sequencer.clock() == ClockKind::Virtual
}

/// Has the errands of a guest done until it leaves; says why, if something else ended it.
///
/// # Errors
/// Only faults; the world can be opened again.
pub fn host(live: &mut Live, house: House, stop: &Stop) -> Result<Option<Why>, RunError> {
    let House(errands, waker) = house;
    // If it can't be sent, there is something to wake up for.
    let _bell = stop.bell(move || drop(waker.0.try_send(Errand::Look)));
    live.sequencer.set_stop(stop);
    while !stop.is_asked() {
        match errands.recv() {
            Ok(Errand::Ask { request, told }) => {
                let reply = match live.answer(*request, stop) {
                    // An action that waited for a language model has not been done.
                    Err(RunError::Stopped) => break,
                    reply => reply?,
                };
                live.sequencer.commit()?;
                told(Ok(reply));
            }
            Ok(Errand::Wait { wait, told }) => {
                live.sequencer.tell_clients(true);
                let waited = live.wait(&wait, stop);
                live.sequencer.tell_clients(false);
                let waited = waited?;
                live.sequencer.commit()?;
                told(Ok(waited));
            }
            Ok(Errand::Look) => {}
            Ok(Errand::Leave) | Err(_) => break,
        }
    }
    live.leave(stop)
}

/// Lets a world go on by itself, as far as its file says, while guests come to its desk; from there on they find it
/// standing. It ends when somebody asks.
///
/// # Errors
/// Only faults; the world can be opened again.
pub fn open_house(live: &mut Live, stop: &Stop) -> Result<Option<Why>, RunError> {
    let goal = live.goal()?;
    let ran = live.run_to_end(goal, stop, |_, _| ())?;
    if ran.asked().is_none() {
        live.attend(stop)?;
    }
    live.leave(stop)
}

/// A wait that has begun.
#[derive(Clone, Debug)]
struct Watch {
    who: Handle,
    until: Vec<Until>,
    since_seq: u64,
}

impl Watching {
    /// A wait of a principal that has not begun.
    #[must_use]
    pub fn new(who: &str, awaited: Awaited) -> Self {
        Self { who: who.into(), awaited, watch: Mutex::default() }
    }

    /// Begins the wait. One that can't be waited for begins never, as who looks at it is told.
    pub(crate) fn begin(&self, world: &World, now: Time) {
        drop(self.begun(world, now));
    }

    /// The wait, which begins here if it has not begun.
    fn begun(&self, world: &World, now: Time) -> Result<Watch, Refusal> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_none() {
            *watch = Some(Watch::begin(world, now, &self.who, &self.awaited)?);
        }
        watch.clone().ok_or_else(|| Refusal::invalid("a wait needs something that ends it"))
    }
}

impl Watch {
    fn begin(world: &World, now: Time, who: &str, awaited: &Awaited) -> Result<Self, Refusal> {
        let found = world.lookup(who).filter(|who| world.get(*who).is_some_and(|who| !who.is_deleted()));
        let Some(who) = found else {
            let shown: String = who.chars().take(128).collect();
            return Err(Refusal::new(Code::NotFound, format!("there is no principal {shown:?}")));
        };
        let until = match awaited {
            Awaited::Any(sleep) => world.conditions(sleep, now)?,
            Awaited::Turn | Awaited::Waking => Vec::new(),
        };
        let sentence = match awaited {
            Awaited::Any(_) if until.is_empty() => Some("a wait needs something that ends it".into()),
            Awaited::Turn | Awaited::Waking if world.agent(who).is_none() => {
                let name = world.name(who);
                Some(format!("`{name}` has no loop and so no turns: its wait needs something that ends it"))
            }
            Awaited::Any(_) | Awaited::Turn | Awaited::Waking => None,
        };
        match sentence {
            Some(sentence) => {
                Err(Refusal::invalid(sentence)
                    .hint("name `for`, `until`, `event`, or `resource` with `level`"))
            }
            None => Ok(Self { who, until, since_seq: world.seq() }),
        }
    }

    /// A wait as it is told, with what ended it, or null, and the latest events that concern who waited.
    fn told(&self, world: &World, now: Time, ended: Value) -> Value {
        let viewer = Viewer::Artifact(Some(self.who));
        let rows: Vec<_> = world.concerning(self.who, self.since_seq).collect();
        let missed = rows.len().saturating_sub(EVENTS_PER_OBSERVATION_MAX);
        let events: Vec<Value> =
            rows.iter().skip(missed).filter_map(|row| row_json(world, row, viewer)).collect();
        json!({ "now": now.to_string(), "ended": ended, "events": events, "events_missed": missed })
    }
}

impl Sequencer {
    /// Looks how a wait stands. While it goes on, a turn of who waits is let pass: a client acts when it likes.
    ///
    /// # Errors
    /// Only faults; what can't be waited for is a refusal.
    pub(crate) fn watch(&mut self, watching: &Watching) -> Result<Result<Value, Refusal>, RunError> {
        self.bring_up()?;
        let now = self.now();
        let watch = match watching.begun(self.world(), now) {
            Ok(watch) => watch,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let ended = self.wait_ended(&watch, &watching.awaited, now);
        if ended.is_none() && self.is_turn_of(watch.who) {
            self.decide(Decide::new(watching.who.clone(), Value::Null))?;
        }
        Ok(Ok(watch.told(self.world(), now, ended.unwrap_or_default())))
    }

    /// The end of a wait as it is told, if it has come.
    fn wait_ended(&self, watch: &Watch, awaited: &Awaited, now: Time) -> Option<Value> {
        let world = self.world();
        let is_turn = self.is_turn_of(watch.who);
        let turn = || match world.woke_before(watch.who, now) {
            Some(woke) => world.woke_json(woke),
            None => json!({ "by": "turn" }),
        };
        match awaited {
            Awaited::Any(_) => {
                let woke = world.waited(watch.who, &watch.until, watch.since_seq, now)?;
                Some(world.woke_json(woke))
            }
            // A turn that was open as the wait began is no news.
            Awaited::Turn => (is_turn && world.seq() > watch.since_seq).then(turn),
            Awaited::Waking => {
                let sleeps = world.agent(watch.who).is_some_and(|agent| agent.state() == "sleeping");
                (is_turn || !sleeps).then(turn)
            }
        }
    }

    /// Whether the turn of an agent is open whose mind is a client.
    fn is_turn_of(&self, agent: Handle) -> bool {
        self.open_turns().of(agent).is_some_and(|turn| turn.is_waiting(self.world()))
    }
}

impl Live {
    /// Lets the world go on until a wait has ended, or as long as it may take.
    fn wait(&mut self, wait: &Wait, stop: &Stop) -> Result<Result<Value, Refusal>, RunError> {
        self.sequencer.bring_up()?;
        let Some(end) = self.sequencer.now().after_ms(wait.most_ms) else {
            return Ok(Err(Refusal::invalid("the wait would end beyond the last instant there is")));
        };
        let asked = wait.stop.clone();
        let _bell = stop.bell(move || asked.ask(Why::ClosedPipe));
        loop {
            let mut told = match self.sequencer.watch(&wait.watching)? {
                Ok(told) => told,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let now = self.sequencer.now();
            let has_ended = told.get("ended").is_some_and(|ended| !ended.is_null());
            if has_ended || now >= end || wait.stop.is_asked() {
                return Ok(Ok(told));
            }
            self.let_turns_pass()?;
            let goal = self.next_look(&wait.watching, now, end)?;
            match self.run_until(goal, &wait.stop, |_, _| ()).map(Ok).or_else(run_halted)? {
                Ok(Stopped::Ticks | Stopped::Duration | Stopped::Turns | Stopped::Asked(_)) => {}
                Ok(Stopped::Until) => {
                    if let Some(ended) = told.get_mut("ended") {
                        *ended = json!({ "by": "end", "hint": "the world's own `until` holds: it is over" });
                    }
                    return Ok(Ok(told));
                }
                Ok(Stopped::Budget) => {
                    let sentence = "the money for models does not reach for the next answer";
                    return Ok(Err(Refusal::new(Code::BudgetExhausted, sentence)));
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    /// Has all clients do nothing whose turns are open: the guest acts when it likes, and others are not here.
    fn let_turns_pass(&mut self) -> Result<(), RunError> {
        let turns = self.sequencer.open_turns().told(self.world());
        let names = turns.iter().filter_map(|turn| turn.get("as")?.as_str().map(str::to_owned));
        for name in names.collect::<Vec<_>>() {
            self.sequencer.decide(Decide::new(name, Value::Null))?;
        }
        Ok(())
    }

    /// How far the world goes before it is looked at again.
    fn next_look(&self, watching: &Watching, now: Time, end: Time) -> Result<Goal, RunError> {
        if let Some(done) = self.ticks_done() {
            return Ok(Goal::Ticks(done.saturating_add(1)));
        }
        let world = self.world();
        let begun = watching.begun(world, now).ok();
        let who = begun.as_ref().map_or(Handle::NOBODY, |watch| watch.who);
        let is_clients = matches!(Outside::of(world, who), Some(Outside::Client { .. }));
        // The run stops by itself at the turn of a client.
        let look = match watching.awaited {
            Awaited::Turn | Awaited::Waking if is_clients => end,
            Awaited::Any(_) | Awaited::Turn | Awaited::Waking => {
                now.after_ms(LOOK_AFTER_MS).ok_or(RunError::EndOfTime)?
            }
        };
        let by_itself = begun.and_then(|watch| world.sleep_ends(who, &watch.until, now));
        let by_itself = by_itself.map(|(at, _)| at).filter(|at| *at > now);
        Ok(Goal::Time(by_itself.into_iter().chain([look, end]).min().unwrap_or(end)))
    }

    /// Puts everything in order when nobody asks any more.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn leave(&mut self, stop: &Stop) -> Result<Option<Why>, RunError> {
        let why = match stop.why() {
            // Nobody is told any more what stops a run.
            None => self.await_models(stop).map(|()| None).or_else(|fault| match fault {
                RunError::Halt(_) => Ok(stop.why()),
                fault => Err(fault),
            })?,
            why => why,
        };
        self.sequencer.sample_end(false)?;
        self.sequencer.commit()?;
        Ok(why)
    }
}
