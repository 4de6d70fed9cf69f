//! The event bus: a subscriber is told of events when they are on disk, in order, each of them once.
//!
//! One that falls behind holds nobody up, and no queue grows without bound: what does not fit its mailbox
//! is read from the journal when its turn comes. Where there is no file to read, the world's latest events
//! are still at hand, and those before are told as a gap.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use oikos_journal::{Address, Journal};
use oikos_kernel::{
    event::{Event, EventRow, Filter},
    record::Record,
    world::{
        World,
        wire::{Viewer, event_json, print_lines, row_json},
    },
};
use serde_json::Value;

use crate::{
    error::RunError,
    writer::{Bell, Release},
};

/// Events that wait for one subscriber; what comes on top it reads from the journal.
pub const MAILBOX_MAX: usize = 4_096;
/// Events that are read from the journal at a time.
const READ_MAX: usize = 1_024;

/// The lines that a subscriber wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The events that fit; none wants no events.
    pub events: Option<Filter>,
    /// The output of code.
    pub prints: bool,
}

impl From<Filter> for Wanted {
    fn from(filter: Filter) -> Self {
        Self { events: Some(filter), prints: false }
    }
}

/// A message to a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// An event, or the output of code, as `docs/events.md` has it.
    Event(Value),
    /// It was too slow, and there is no file: what came after the one record, up to and with the other, is
    /// lost to it.
    Gap {
        /// The last record before.
        since: u64,
        /// The last record that is lost.
        until: u64,
    },
}

/// The events that a subscriber wants, one by one; the next is waited for. It ends when the world is
/// served no more, and all that happened until then has been told.
pub struct Subscription {
    mailbox: Arc<Mailbox>,
    doorbell: Doorbell,
    wanted: Wanted,
    /// The last record before it was there.
    begun: u64,
    at: Option<Address>,
    journal: Option<Journal>,
    ready: VecDeque<Notice>,
    /// The missed events that it is reading from the journal.
    reading: Option<Missed>,
    /// The journal could not be read: later events would not follow the earlier ones.
    failed: bool,
}

/// All subscribers of a world.
#[derive(Default)]
pub(crate) struct Bus {
    subscribers: Vec<Subscriber>,
    doorbell: Doorbell,
}

/// How a subscriber asks for the world, whose names it needs for events that it reads from the journal.
#[derive(Clone, Default)]
struct Doorbell {
    rung: Arc<AtomicBool>,
    bell: Option<Bell>,
}

struct Subscriber {
    mailbox: Arc<Mailbox>,
    wanted: Wanted,
    since: u64,
}

#[derive(Default)]
struct Mailbox {
    slot: Mutex<Slot>,
    bell: Condvar,
}

#[derive(Default)]
struct Slot {
    events: VecDeque<Value>,
    /// The span of records after `events` that did not fit; none is added to them until it has been taken.
    missed: Option<Span>,
    /// A world that knows the names of what was missed, up to where it stands.
    world: Option<Box<World>>,
    /// Whether the subscriber waits for a later one.
    asks: bool,
    closed: bool,
}

/// Records after one, up to and with another.
#[derive(Clone, Copy)]
struct Span {
    since: u64,
    until: u64,
}

/// Records whose events were not put into a mailbox.
struct Missed {
    span: Span,
    /// The world after them, or later, which knows the names.
    world: Box<World>,
}

/// The mail of a subscriber.
enum Mail {
    Events(VecDeque<Value>),
    Missed(Missed),
    Closed,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Bus {
    /// Has the owner of the world told when a subscriber asks for it.
    pub(crate) fn set_bell(&mut self, bell: Bell) {
        self.doorbell.bell = Some(bell);
    }

    /// A subscription to what is wanted and comes after the record `since`. Records that the
    /// world has already applied are read from the journal, which must hold them by then.
    pub(crate) fn subscribe(
        &mut self,
        wanted: Wanted,
        since: u64,
        world: &World,
        at: Option<&Address>,
    ) -> Subscription {
        let (until, begun) = (world.seq(), world.seq());
        let missed = (since < until).then_some(Span { since, until });
        let world = missed.map(|_| Box::new(world.clone()));
        let slot = Slot { missed, world, ..Slot::default() };
        let mailbox = Arc::new(Mailbox { slot: Mutex::new(slot), bell: Condvar::new() });
        let subscriber = Subscriber { mailbox: Arc::clone(&mailbox), wanted: wanted.clone(), since };
        self.subscribers.push(subscriber);
        Subscription {
            mailbox,
            doorbell: self.doorbell.clone(),
            wanted,
            begun,
            at: at.cloned(),
            journal: None,
            ready: VecDeque::new(),
            reading: None,
            failed: false,
        }
    }

    /// How subscribers are told of a record that was just applied, once it is on disk; `None` if nobody
    /// wants to be.
    pub(crate) fn telling(&mut self, world: &World, record: &Record) -> Option<Release> {
        self.subscribers.retain(|subscriber| Arc::strong_count(&subscriber.mailbox) > 1);
        let seq = record.seq;
        let telling = |subscriber: &Subscriber| {
            let told = told(world, &subscriber.wanted, record);
            (!told.is_empty()).then(|| (Arc::clone(&subscriber.mailbox), told))
        };
        let wanting = self.subscribers.iter().filter(|subscriber| seq > subscriber.since);
        let letters: Vec<(Arc<Mailbox>, Vec<Value>)> = wanting.filter_map(telling).collect();
        if letters.is_empty() {
            return None;
        }
        let tell = move || letters.into_iter().for_each(|(mailbox, told)| mailbox.put(seq, told));
        Some(Box::new(tell))
    }

    /// Lends the world to subscribers who wait for it.
    pub(crate) fn lend_if_asked(&self, world: &World) {
        if self.doorbell.rung.swap(false, Ordering::SeqCst) {
            self.subscribers.iter().for_each(|subscriber| subscriber.mailbox.lend(world, true));
        }
    }

    /// Lends the world to subscribers who have missed something.
    pub(crate) fn lend(&self, world: &World) {
        self.subscribers.iter().for_each(|subscriber| subscriber.mailbox.lend(world, false));
    }

    /// Tells every subscriber that nothing more comes.
    pub(crate) fn close(&mut self, world: &World) {
        for subscriber in self.subscribers.drain(..) {
            // In one step: what was missed between two would be lent to nobody.
            let mut slot = subscriber.mailbox.open();
            slot.lend(world);
            slot.closed = true;
            subscriber.mailbox.bell.notify_all();
        }
    }
}

/// The lines about a record that are wanted.
fn told(world: &World, wanted: &Wanted, record: &Record) -> Vec<Value> {
    let prints = if wanted.prints { print_lines(world, record) } else { Vec::new() };
    let fits = |event: &&Event| wanted.events.as_ref().is_some_and(|filter| world.fits(filter, event));
    let events = record.events.iter().filter(fits);
    let events =
        events.filter_map(|event| event_json(world, record.seq, record.time, event, Viewer::Observer));
    prints.into_iter().chain(events).collect()
}

impl Slot {
    /// Puts the world there, if something was missed and there is none as late.
    fn lend(&mut self, world: &World) {
        let Some(missed) = self.missed else { return };
        if self.world.as_ref().is_none_or(|there| there.seq() < missed.until) {
            self.world = Some(Box::new(world.clone()));
        }
    }
}

impl Mailbox {
    fn open(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in the events of a record that is on disk, or notes that there is no room for them.
    fn put(&self, seq: u64, told: Vec<Value>) {
        let mut slot = self.open();
        if slot.closed {
            return;
        }
        if let Some(missed) = &mut slot.missed {
            missed.until = seq;
        } else if slot.events.len() + told.len() > MAILBOX_MAX {
            slot.missed = Some(Span { since: seq - 1, until: seq });
        } else {
            slot.events.extend(told);
        }
        self.bell.notify_one();
    }

    /// Lends the world to a subscriber that has missed events and has none as late; `if_asked`, only to one
    /// that waits for it.
    fn lend(&self, world: &World, if_asked: bool) {
        let mut slot = self.open();
        if slot.asks || !if_asked {
            slot.lend(world);
            self.bell.notify_one();
        }
    }

    /// Waits until there is something.
    fn take(&self, doorbell: &Doorbell) -> Mail {
        let mut slot = self.open();
        loop {
            if !slot.events.is_empty() {
                return Mail::Events(std::mem::take(&mut slot.events));
            }
            match slot.missed {
                Some(Span { since, until }) => {
                    if let Some(world) = slot.world.take().filter(|world| world.seq() > since) {
                        // Records after this world are known to a later one.
                        let known = until.min(world.seq());
                        slot.missed = (known < until).then_some(Span { since: known, until });
                        slot.asks = false;
                        return Mail::Missed(Missed { span: Span { since, until: known }, world });
                    }
                    slot.asks = true;
                    doorbell.ring();
                }
                None if slot.closed => return Mail::Closed,
                None => {}
            }
            slot = self.bell.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Doorbell {
    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.bell.iter().for_each(|ring| ring());
    }
}

impl Subscription {
    /// Tells the missed events that the world still holds, behind a gap for those it has let go.
    fn recall(&mut self, missed: &Missed) {
        let (Span { since, until }, world) = (missed.span, &missed.world);
        // No world keeps the output of code.
        let lost_prints = (self.wanted.prints && until > self.begun).then_some(until);
        let lost = world.events_lost_until().max(lost_prints);
        let from = lost.map_or(since, |lost| lost.clamp(since, until));
        self.ready.extend((from > since).then_some(Notice::Gap { since, until: from }));
        let rows = world.events().filter(|row| row.seq > from && row.seq <= until);
        let filter = self.wanted.events.as_ref();
        let wanted = rows.filter(|row| filter.is_some_and(|filter| world.fits(filter, &row.event)));
        let event = |row: &Arc<EventRow>| row_json(world, row, Viewer::Observer).map(Notice::Event);
        self.ready.extend(wanted.filter_map(event));
    }

    /// Reads the missed events on in the journal.
    fn read(&mut self, mut missed: Missed, at: &Address) -> Result<(), RunError> {
        let mut journal = match self.journal.take() {
            Some(journal) => journal,
            None => Journal::open_read_only(at)?,
        };
        if journal.head().seq < missed.span.until {
            journal.refresh()?;
        }
        let mut whole = true;
        let span = &mut missed.span;
        journal.records_while(span.since + 1, |record| {
            whole = record.seq <= span.until && self.ready.len() < READ_MAX;
            if whole {
                span.since = record.seq;
                self.ready.extend(told(&missed.world, &self.wanted, &record).into_iter().map(Notice::Event));
            }
            whole
        })?;
        self.journal = Some(journal);
        self.reading = (!whole && missed.span.since < missed.span.until).then_some(missed);
        Ok(())
    }
}

impl Iterator for Subscription {
    type Item = Result<Notice, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(notice) = self.ready.pop_front() {
                return Some(Ok(notice));
            }
            if self.failed {
                return None;
            }
            let missed = match self.reading.take() {
                Some(missed) => missed,
                None => match self.mailbox.take(&self.doorbell) {
                    Mail::Missed(missed) => missed,
                    Mail::Events(events) => {
                        self.ready.extend(events.into_iter().map(Notice::Event));
                        continue;
                    }
                    Mail::Closed => return None,
                },
            };
            let Some(at) = self.at.clone() else {
                self.recall(&missed);
                continue;
            };
            if let Err(error) = self.read(missed, &at) {
                self.failed = true;
                return Some(Err(error));
            }
        }
    }
}
