//! Where others hand in actions for a live world: bounded, in order of arrival, answered when what
//! they did is on disk.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use oikos_kernel::{
    event::Filter,
    receipt::Receipt,
    refusal::{Code, Refusal},
    time::{Time, format_duration_ms},
};
use serde_json::Value;

use crate::{
    bus::Subscription,
    config::ClockKind,
    error::RunError,
    request::{Act, Reply, Request},
    sequencer::Sequencer,
    writer::Release,
};

/// Actions that wait for the sequencer; more are refused at the desk.
pub const WAITING_MAX: usize = 1_024;

/// Requests that are looked at in a row, before the turn that is due: so no turn waits for more of them.
pub const SERVED_MAX: usize = 16;

/// How long an answer waits for those of requests that were handed in with it: they share a commit.
const TOGETHER_MAX: Duration = Duration::from_millis(1);

/// All that can be asked of the owner of the world.
enum Message {
    /// To do something, and to be told.
    Ask { request: Request, reply: Answer<Reply> },
    /// To be told of events.
    Subscribe { filter: Filter, since: u64, reply: Answer<Subscription> },
    /// To look whether something else is to be done.
    Look,
}

impl Message {
    /// Tells who handed it in that it was not taken.
    fn turn_away(self, why: NotTaken) {
        match self {
            Self::Ask { reply, .. } => reply.give(Err(why)),
            Self::Subscribe { reply, .. } => reply.give(Err(why)),
            Self::Look => {}
        }
    }
}

/// Called with an answer, on the thread that lets it go: it waits for nothing.
pub type Told<T> = Box<dyn FnOnce(Result<T, NotTaken>) + Send>;

/// Where an answer goes. If it is lost on the way, who asked is told that too.
struct Answer<T>(Option<Told<T>>);

impl<T> Answer<T> {
    fn give(mut self, answer: Result<T, NotTaken>) {
        if let Some(told) = self.0.take() {
            told(answer);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            told(Err(NotTaken::Unanswered));
        }
    }
}

/// Hands in actions from any thread. A clone hands them in at the same desk.
#[derive(Clone)]
pub struct Desk {
    sender: SyncSender<Message>,
    /// Whether somebody serves it, or will. It is held while a request is handed in, so that nothing is
    /// handed in once it is closed.
    open: Arc<RwLock<bool>>,
    /// How long an action took lately, in nanoseconds: what a refusal's retry time is made of.
    pace_ns: Arc<AtomicU64>,
    /// Until when the world dozes, in milliseconds of its time.
    dozes_until_ms: Arc<AtomicI64>,
}

/// No instant: the world does not doze.
const AWAKE: i64 = i64::MIN;

/// The other side of the desk: the owner of the world serves it.
pub(crate) struct Counter {
    receiver: Receiver<Message>,
    desk: Desk,
}

/// Why an action was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Too many wait already; the refusal says when to try again.
    Busy(Box<Refusal>),
    /// The world is not served, now or any more.
    Closed,
    /// It was taken in, and then the world failed: whether it has happened shows when the world is opened again.
    Unanswered,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter").finish_non_exhaustive()
    }
}

impl Desk {
    /// Hands in an action and waits for its receipt, which comes when the action is on disk. Before the
    /// world runs for the first time that may be long; after a run the desk is closed until the next.
    ///
    /// # Errors
    /// When it was not taken in: nothing has happened then, unless it is [`NotTaken::Unanswered`].
    pub fn submit(&self, principal: &str, action: Value) -> Result<Receipt, NotTaken> {
        match self.ask(Request::Act(Act::new(principal.into(), action)))? {
            Reply::Receipt(shown) => Ok(shown.receipt),
            Reply::Result(_) | Reply::Now(_) | Reply::Ran { .. } | Reply::Pending | Reply::Refused(_) => {
                unreachable!("an action is answered by a receipt")
            }
        }
    }

    /// Hands in a request and waits for its answer, which comes when what it tells is on disk. The desk
    /// takes actions and queries; requests that move the world's time are for its runner.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn ask(&self, request: Request) -> Result<Reply, NotTaken> {
        self.wait(|reply| Message::Ask { request, reply })
    }

    /// As [`Self::ask`], but that nobody waits: `told` is called with the answer, on the thread of the writer, or at
    /// once where it is not taken in.
    pub fn hand_in(&self, request: Request, told: Told<Reply>) {
        self.put(|reply| Message::Ask { request, reply }, told);
    }

    /// Asks to be told of the events that fit a filter and come after the record `since`.
    ///
    /// # Errors
    /// When it was not taken in.
    pub fn subscribe(&self, filter: Filter, since: u64) -> Result<Subscription, NotTaken> {
        self.wait(|reply| Message::Subscribe { filter, since, reply })
    }

    fn wait<T: Send + 'static>(&self, message: impl FnOnce(Answer<T>) -> Message) -> Result<T, NotTaken> {
        let (sender, answer) = sync_channel(1);
        // The asker waits until then.
        self.put(message, Box::new(move |told| drop(sender.send(told))));
        answer.recv().unwrap_or(Err(NotTaken::Unanswered))
    }

    fn put<T>(&self, message: impl FnOnce(Answer<T>) -> Message, told: Told<T>) {
        let message = message(Answer(Some(told)));
        let refused = {
            let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
            if *open { self.sender.try_send(message) } else { Err(TrySendError::Disconnected(message)) }
        };
        match refused {
            Ok(()) => {}
            Err(TrySendError::Full(message)) => message.turn_away(NotTaken::Busy(Box::new(self.busy()))),
            Err(TrySendError::Disconnected(message)) => message.turn_away(NotTaken::Closed),
        }
    }

    /// A refusal that says when there may be room again.
    fn busy(&self) -> Refusal {
        let waiting = u64::try_from(WAITING_MAX).unwrap_or(u64::MAX);
        let wait_ns = self.pace_ns.load(Ordering::Relaxed).saturating_mul(waiting);
        let wait_ms = i64::try_from(wait_ns.div_ceil(1_000_000)).unwrap_or(i64::MAX).max(1);
        let (need, have) = (waiting.saturating_add(1).cast_signed(), waiting.cast_signed());
        Refusal::new(Code::RateLimited, format!("{WAITING_MAX} actions wait for this world already"))
            .numbers(need, have)
            .hint(format!("try again in {}", format_duration_ms(wait_ms)))
    }

    /// The instant of the wall clock before which the world does nothing by itself, while it waits for that.
    #[must_use]
    pub fn dozes_until(&self) -> Option<Time> {
        let until_ms = self.dozes_until_ms.load(Ordering::SeqCst);
        Some(until_ms).filter(|until_ms| *until_ms != AWAKE).and_then(Time::from_ms)
    }

    /// Lets the loop that waits at the desk look up. Nothing is lost if it can't be sent: then there is
    /// something to look at anyway.
    pub(crate) fn ring(&self) {
        let _ = self.sender.try_send(Message::Look);
    }
}

/// Waits for something that others send, but no longer than `left`.
pub(crate) fn within<T>(receiver: &Receiver<T>, left: Duration) -> Option<T> {
    receiver.recv_timeout(left).ok()
}

impl Counter {
    pub(crate) fn open() -> Self {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let (open, pace_ns) = (Arc::new(RwLock::new(true)), Arc::default());
        let dozes_until_ms = Arc::new(AtomicI64::new(AWAKE));
        Self { receiver, desk: Desk { sender, open, pace_ns, dozes_until_ms } }
    }

    /// Takes requests in from now on.
    pub(crate) fn open_again(&self) {
        self.set_open(true);
    }

    /// Takes nothing in from now on, and sends away all who wait.
    pub(crate) fn close(&self) {
        self.set_open(false);
        self.receiver.try_iter().for_each(|message| message.turn_away(NotTaken::Closed));
    }

    fn set_open(&self, open: bool) {
        *self.desk.open.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Does some of what has been handed in, and waits for nothing; answers go out when they are on disk.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn serve(&self, sequencer: &mut Sequencer) -> Result<(), RunError> {
        self.serve_some(None, SERVED_MAX, sequencer)
    }

    /// As [`Self::serve`], all that waits.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn serve_all(&self, sequencer: &mut Sequencer) -> Result<(), RunError> {
        self.serve_some(None, WAITING_MAX, sequencer)
    }

    /// Waits until something is handed in or rung, or so much time has passed; `None` waits without end. On
    /// the wall clock it waits no longer than nobody may have looked at the clock.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn wait(&self, left: Option<Duration>, sequencer: &mut Sequencer) -> Result<(), RunError> {
        let left = left.into_iter().chain(sequencer.look_again()).min();
        let message = match left {
            Some(left) => self.receiver.recv_timeout(left),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(first) => self.serve_some(Some(first), SERVED_MAX, sequencer),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    /// As [`Self::wait`], for what the world itself does next. On the wall clock it dozes meanwhile, if it is calm:
    /// nobody thinks, and no mind from outside is waited for.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn doze(
        &self,
        left: Duration,
        is_calm: bool,
        sequencer: &mut Sequencer,
    ) -> Result<(), RunError> {
        let is_calm = is_calm && sequencer.next_open().is_none() && !sequencer.parked().is_waiting();
        let is_wall = sequencer.clock() == ClockKind::Wall;
        let until = i64::try_from(left.as_millis()).ok().and_then(|ms| sequencer.now().after_ms(ms));
        if let Some(until) = until.filter(|_| is_calm && is_wall) {
            self.desk.dozes_until_ms.store(until.ms(), Ordering::SeqCst);
        }
        let waited = self.wait(Some(left), sequencer);
        self.desk.dozes_until_ms.store(AWAKE, Ordering::SeqCst);
        waited
    }

    fn serve_some(
        &self,
        first: Option<Message>,
        most: usize,
        sequencer: &mut Sequencer,
    ) -> Result<(), RunError> {
        let (mut began, mut asked) = (None, 0_u32);
        let mut together: Vec<Release> = Vec::new();
        let mut since = None;
        let mut served = Ok(());
        for message in first.into_iter().chain(self.receiver.try_iter()).take(most) {
            let release: Release = match message {
                Message::Ask { request, reply } => {
                    began.get_or_insert_with(Instant::now);
                    asked += 1;
                    match sequencer.answer(request) {
                        // The asker may have gone; the action stays done.
                        Ok(answer) => Box::new(move || reply.give(Ok(answer))),
                        Err(fault) => {
                            served = Err(fault);
                            break;
                        }
                    }
                }
                Message::Subscribe { filter, since, reply } => {
                    let subscription = sequencer.subscription(filter.into(), since);
                    Box::new(move || reply.give(Ok(subscription)))
                }
                Message::Look => match sequencer.look() {
                    Ok(()) => continue,
                    Err(fault) => {
                        served = Err(fault);
                        break;
                    }
                },
            };
            together.push(release);
            if since.get_or_insert_with(Instant::now).elapsed() > TOGETHER_MAX {
                since = None;
                leave(sequencer, &mut together);
            }
        }
        leave(sequencer, &mut together);
        if let Some(began) = began {
            let each = began.elapsed() / asked.max(1);
            self.desk.pace_ns.store(u64::try_from(each.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        served
    }
}

/// Lets answers leave together, when all that they tell is on disk.
fn leave(sequencer: &Sequencer, together: &mut Vec<Release>) {
    let answers = std::mem::take(together);
    if !answers.is_empty() {
        sequencer.when_on_disk(Box::new(move || answers.into_iter().for_each(|answer| answer())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_desk_refuses_and_says_when_to_try_again() {
        let counter = Counter::open();
        let desk = counter.desk();
        desk.pace_ns.store(2_000_000, Ordering::Relaxed);
        (0..WAITING_MAX).for_each(|_| desk.ring());
        // There is no room for another, and nobody waits for an answer that may never come.
        for refused in [
            desk.submit("alice", serde_json::json!({ "op": "noop" })).map(|_| ()),
            desk.subscribe(Filter::default(), 0).map(|_| ()),
        ] {
            let Err(NotTaken::Busy(refusal)) = refused else { panic!("{refused:?}") };
            assert_eq!(
                (refusal.code, refusal.need, refusal.have),
                (Code::RateLimited, Some(1_025), Some(1_024))
            );
            assert_eq!(refusal.hint.as_deref(), Some("try again in 2048ms"));
        }
        // Those who wait are sent away when it closes; and until it opens, nobody waits.
        counter.close();
        counter.open_again();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| desk.submit("alice", Value::Null));
            // It is handed in, or not yet: either way it is told.
            counter.close();
            assert!(matches!(waiter.join().unwrap(), Err(NotTaken::Closed)));
        });
        drop(counter);
        assert!(matches!(desk.submit("alice", Value::Null), Err(NotTaken::Closed)));
    }
}
