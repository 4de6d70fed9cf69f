//! The event bus: a subscriber is told of events when they are on disk, in order, each of them once.
//!
//! One that falls behind holds nobody up, and no queue grows without bound: what does not fit its mailbox
//! is read from the journal when its turn comes. Where there is no file to read, the world's latest events
//! are still at hand, and those before are told as a gap.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use oikos_journal::Journal;
use oikos_kernel::{
    event::EventRow,
    record::{Filter, Record},
    world::World,
    world::wire::{Viewer, event_json, row_json},
};
use serde_json::Value;

use crate::error::RunError;

/// Events that wait for one subscriber; what comes on top it reads from the journal.
pub const MAILBOX_MAX: usize = 4_096;
/// Events that are read from the journal at a time.
const READ_MAX: usize = 1_024;

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// An event, as `docs/events.md` has it.
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
    filter: Filter,
    file: Option<PathBuf>,
    journal: Option<Journal>,
    ready: VecDeque<Notice>,
    /// What it is reading from the journal.
    reading: Option<Box<Missed>>,
    /// The journal could not be read: what comes after would not follow what came before.
    failed: bool,
}

/// All subscribers of a world.
#[derive(Default)]
pub(crate) struct Bus {
    subscribers: Vec<Subscriber>,
}

struct Subscriber {
    mailbox: Arc<Mailbox>,
    filter: Filter,
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
    /// What came after `events` and did not fit; nothing is added to them until it has been taken.
    missed: Option<Box<Missed>>,
    closed: bool,
}

/// Records whose events were not put into a mailbox.
struct Missed {
    since: u64,
    until: u64,
    /// The world after them, which knows the names.
    world: World,
}

/// What a subscriber finds in its mailbox.
enum Mail {
    Events(VecDeque<Value>),
    Missed(Box<Missed>),
    Closed,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("filter", &self.filter).finish_non_exhaustive()
    }
}

impl Bus {
    /// A subscription to the events that fit a filter and come after the record `since`. `world` is as
    /// the journal, which ends with the record `head`, has it.
    pub(crate) fn subscribe(
        &mut self,
        filter: Filter,
        since: u64,
        head: u64,
        world: &World,
        file: Option<&Path>,
    ) -> Subscription {
        let missed = (since < head).then(|| Box::new(Missed { since, until: head, world: world.clone() }));
        let slot = Slot { missed, ..Slot::default() };
        let mailbox = Arc::new(Mailbox { slot: Mutex::new(slot), bell: Condvar::new() });
        let subscriber = Subscriber { mailbox: Arc::clone(&mailbox), filter: filter.clone(), since };
        self.subscribers.push(subscriber);
        Subscription {
            mailbox,
            filter,
            file: file.map(Path::to_path_buf),
            journal: None,
            ready: VecDeque::new(),
            reading: None,
            failed: false,
        }
    }

    /// Whether nobody wants to be told.
    pub(crate) fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// Tells of records that are on disk now.
    pub(crate) fn publish(&mut self, world: &World, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        self.subscribers.retain(|subscriber| Arc::strong_count(&subscriber.mailbox) > 1);
        for subscriber in &self.subscribers {
            subscriber.tell(world, records);
        }
    }

    /// Tells every subscriber that nothing more comes.
    pub(crate) fn close(&mut self) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.mailbox.open().closed = true;
            subscriber.mailbox.bell.notify_all();
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.close();
    }
}

impl Subscriber {
    fn tell(&self, world: &World, records: &[Record]) {
        let mut slot = self.mailbox.open();
        for record in records.iter().filter(|record| record.seq > self.since) {
            if let Some(missed) = &mut slot.missed {
                missed.until = record.seq;
                continue;
            }
            let told = told(world, &self.filter, record);
            if slot.events.len() + told.len() > MAILBOX_MAX {
                let (since, until) = (record.seq - 1, record.seq);
                slot.missed = Some(Box::new(Missed { since, until, world: world.clone() }));
            } else {
                slot.events.extend(told);
            }
        }
        if let Some(missed) = &mut slot.missed {
            missed.world = world.clone();
        }
        self.mailbox.bell.notify_one();
    }
}

/// The events of a record that fit a filter.
fn told(world: &World, filter: &Filter, record: &Record) -> Vec<Value> {
    let wanted = record.events.iter().filter(|event| world.fits(filter, event));
    wanted.filter_map(|event| event_json(world, record.seq, record.time, event, Viewer::Observer)).collect()
}

impl Mailbox {
    fn open(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something.
    fn take(&self) -> Mail {
        let mut slot = self.open();
        loop {
            if !slot.events.is_empty() {
                return Mail::Events(std::mem::take(&mut slot.events));
            }
            if let Some(missed) = slot.missed.take() {
                return Mail::Missed(missed);
            }
            if slot.closed {
                return Mail::Closed;
            }
            slot = self.bell.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Subscription {
    /// Tells what the world still has of what was missed.
    fn recall(&mut self, missed: &Missed) {
        let (since, until, world) = (missed.since, missed.until, &missed.world);
        let from = world.events_lost_until().map_or(since, |lost| lost.clamp(since, until));
        self.ready.extend((from > since).then_some(Notice::Gap { since, until: from }));
        let rows = world.events().filter(|row| row.seq > from && row.seq <= until);
        let wanted = rows.filter(|row| world.fits(&self.filter, &row.event));
        let event = |row: &Arc<EventRow>| row_json(world, row, Viewer::Observer).map(Notice::Event);
        self.ready.extend(wanted.filter_map(event));
    }

    /// Reads on in the journal what was missed.
    fn read(&mut self, mut missed: Box<Missed>, file: &Path) -> Result<(), RunError> {
        let journal = match &mut self.journal {
            Some(journal) => journal,
            slot => slot.insert(Journal::open_read_only(file)?),
        };
        journal.refresh()?;
        let mut whole = true;
        journal.records_while(missed.since.saturating_add(1), |record| {
            whole = record.seq <= missed.until && self.ready.len() < READ_MAX;
            if whole {
                missed.since = record.seq;
                self.ready.extend(told(&missed.world, &self.filter, &record).into_iter().map(Notice::Event));
            }
            whole
        })?;
        self.reading = (!whole && missed.since < missed.until).then_some(missed);
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
                None => match self.mailbox.take() {
                    Mail::Missed(missed) => missed,
                    Mail::Events(events) => {
                        self.ready.extend(events.into_iter().map(Notice::Event));
                        continue;
                    }
                    Mail::Closed => return None,
                },
            };
            let Some(file) = self.file.clone() else {
                self.recall(&missed);
                continue;
            };
            if let Err(error) = self.read(missed, &file) {
                self.failed = true;
                return Some(Err(error));
            }
        }
    }
}
