//! Writes records and snapshots to the journal while the world goes on.
//!
//! The writer groups: records are handed over one by one as they are made, and its thread begins a batch
//! when somebody waits for it, when there is enough for one, or when the first has waited for long enough.
//! So how much a kill can lose does not depend on what else goes on. An answer that may leave the process
//! only when something is on disk is handed over too, and let go by the writer.

use std::{
    collections::VecDeque,
    ops::Deref,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use oikos_journal::{Address, Hash, Head, Image, Journal, JournalError, Sample};
use oikos_kernel::{limits, record::Record, world::World};

use crate::view::OnDisk;

/// Records that are enough for a batch.
const BATCH_RECORDS: usize = 4_096;
/// Records that wait for the writer at most; the sequencer waits before it makes more.
const WAITING_RECORDS_MAX: usize = 2 * BATCH_RECORDS;
/// How long the first record of a batch waits for others; with the time that a commit takes, nothing is
/// older than a tenth of a second when it is on disk.
const GROUPING_MAX: Duration = Duration::from_millis(50);

/// Batches that go before a snapshot that is ready: where somebody always waits for the next record, it would
/// else never be stored.
const BATCHES_BEFORE_IMAGE: u32 = 256;

/// Rung when something is to be looked at.
pub(crate) type Bell = Arc<dyn Fn() + Send + Sync>;

/// Lets go what waited for a record to be on disk.
pub(crate) type Release = Box<dyn FnOnce() + Send>;

/// The one who writes to a journal.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// It is there from the first record on.
    thread: Option<JoinHandle<()>>,
}

/// A journal with all that has happened, for as long as it is looked at; nothing is written meanwhile.
#[derive(Debug)]
pub struct JournalGuard<'a>(MutexGuard<'a, Journal>);

/// A way to the journal beside its writer.
pub(crate) struct JournalDoor(Arc<Shared>);

impl JournalDoor {
    /// The journal, as far as it is written; nothing else is written while it is held.
    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.journal()
    }
}

struct Shared {
    queue: Mutex<Queue>,
    /// Rung when there may be something to write.
    work: Condvar,
    /// Rung when something is on disk, or can't come to be.
    done: Condvar,
    journal: Mutex<Journal>,
    at: Option<Address>,
    /// How far the journal is written, for those who look on.
    on_disk: Arc<OnDisk>,
    /// Nothing can be written any more.
    failed: AtomicBool,
}

/// All that waits for the writer, and how far it came.
struct Queue {
    records: Vec<Record>,
    /// Samples that were taken before some of the records.
    samples: VecDeque<Sample>,
    bytes: usize,
    /// When the first of the records came.
    since: Instant,
    /// Somebody waits for this record.
    wanted: u64,
    /// A world to be stored as a snapshot; a batch is to end where it stands.
    world: Option<Box<World>>,
    /// Whether the snapshot is being made, by a thread of its own.
    encoding: bool,
    /// The snapshot, to be stored when no record is in a hurry.
    image: Option<Box<Image>>,
    /// Batches that went before it.
    passed: u32,
    /// The answers that may leave the process when their record is on disk, in order.
    releases: VecDeque<(u64, Release)>,
    /// Where the journal ends; all that waited for this has been let go.
    head: Head,
    failed: bool,
    failure: Option<JournalError>,
    closing: bool,
    /// A batch that was written: the next one is about as large.
    spare: Vec<Record>,
    bell: Option<Bell>,
}

/// The next work of the writer.
enum Job {
    Append(Vec<Record>, Vec<Sample>),
    Encode(Box<World>, Hash),
    Store(Box<Image>),
    End,
}

impl Deref for JournalGuard<'_> {
    type Target = Journal;

    fn deref(&self) -> &Journal {
        &self.0
    }
}

impl JournalGuard<'_> {
    /// As [`Journal::serve_at`].
    ///
    /// # Errors
    /// As [`Journal::serve_at`].
    pub fn serve_at(&mut self, url: &str) -> Result<(), JournalError> {
        self.0.serve_at(url)
    }
}

impl Writer {
    pub(crate) fn new(journal: Journal) -> Self {
        let queue = Queue {
            records: Vec::new(),
            samples: VecDeque::new(),
            bytes: 0,
            since: Instant::now(),
            wanted: 0,
            world: None,
            encoding: false,
            image: None,
            passed: 0,
            releases: VecDeque::new(),
            head: journal.head(),
            failed: false,
            failure: None,
            closing: false,
            spare: Vec::new(),
            bell: None,
        };
        let on_disk = Arc::<OnDisk>::default();
        on_disk.reach(queue.head.seq);
        let shared = Shared {
            queue: Mutex::new(queue),
            on_disk,
            work: Condvar::new(),
            done: Condvar::new(),
            at: journal.address().cloned(),
            failed: AtomicBool::new(false),
            journal: Mutex::new(journal),
        };
        Self { shared: Arc::new(shared), thread: None }
    }

    /// Has a loop that waits for something else told when a write failed.
    pub(crate) fn set_bell(&self, bell: Bell) {
        self.shared.open().bell = Some(bell);
    }

    /// Where the journal ends.
    pub(crate) fn head(&self) -> Head {
        self.shared.open().head
    }

    /// Whether nothing can be written any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::SeqCst)
    }

    /// The journal's file, if it has one.
    pub(crate) fn address(&self) -> Option<&Address> {
        self.shared.at.as_ref()
    }

    /// Takes a record over. It waits if too much waits already.
    ///
    /// # Errors
    /// When a write failed, before or meanwhile.
    pub(crate) fn push(&mut self, record: Record) -> Result<(), JournalError> {
        self.start();
        let bytes = record.bytes_max();
        let mut queue = self.shared.open();
        while !queue.failed && queue.is_full() {
            queue = self.shared.until_done(queue);
        }
        queue.check()?;
        let before = (queue.records.is_empty(), queue.is_enough());
        if before.0 {
            queue.since = Instant::now();
        }
        queue.records.push(record);
        queue.bytes += bytes;
        if before.0 || (queue.is_enough() && !before.1) {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// Has `release` called when a record is on disk: at once, or by the writer. It is dropped if a write
    /// fails before. The writer makes haste for it.
    pub(crate) fn release(&self, seq: u64, release: Release) {
        if let Some(mut queue) = self.released(seq, release) {
            queue.want(seq);
            self.shared.work.notify_one();
        }
    }

    /// As [`Self::release`], but without haste.
    pub(crate) fn release_in_time(&self, seq: u64, release: Release) {
        drop(self.released(seq, release));
    }

    /// Calls `release` if a record is on disk, or has it wait: then the queue is given.
    fn released(&self, seq: u64, release: Release) -> Option<MutexGuard<'_, Queue>> {
        let mut queue = self.shared.open();
        if queue.failed {
            return None;
        }
        if queue.head.seq >= seq {
            drop(queue);
            release();
            return None;
        }
        queue.releases.push_back((seq, release));
        Some(queue)
    }

    /// How far the journal is written.
    pub(crate) fn on_disk(&self) -> Arc<OnDisk> {
        Arc::clone(&self.shared.on_disk)
    }

    /// Takes over the world as it stands after the last record, to be stored as a snapshot; says whether
    /// it did: one at a time.
    pub(crate) fn snapshot(&mut self, world: &World) -> bool {
        self.start();
        let mut queue = self.shared.open();
        if queue.failed || queue.world.is_some() || queue.encoding || queue.image.is_some() {
            return false;
        }
        queue.world = Some(Box::new(world.clone()));
        self.shared.work.notify_one();
        true
    }

    /// Waits until a record is on disk, and what waited for it has been let go.
    ///
    /// # Errors
    /// When a write failed, before or meanwhile.
    pub(crate) fn settle(&self, seq: u64) -> Result<(), JournalError> {
        let mut queue = self.shared.open();
        queue.want(seq);
        self.shared.work.notify_one();
        while !queue.failed && queue.head.seq < seq {
            queue = self.shared.until_done(queue);
        }
        queue.check()
    }

    /// Takes a sample over, which is stored with the record that comes next.
    pub(crate) fn push_sample(&self, sample: Sample) {
        self.shared.open().samples.push_back(sample);
    }

    /// The journal, to be written to beside the records; [`Self::settle`] comes first.
    pub(crate) fn journal_mut(&self) -> MutexGuard<'_, Journal> {
        self.shared.journal()
    }

    /// The journal; [`Self::settle`] comes first.
    pub(crate) fn journal(&self) -> JournalGuard<'_> {
        JournalGuard(self.shared.journal())
    }

    /// A door to the journal for those who write to its tape while the world goes on.
    pub(crate) fn door(&self) -> JournalDoor {
        JournalDoor(Arc::clone(&self.shared))
    }

    fn start(&mut self) {
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            self.thread = Some(std::thread::spawn(move || shared.write_on()));
        }
    }
}

impl Drop for Writer {
    /// Writes the records that were handed over, and frees the file for its next opener.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.open().closing = true;
            self.shared.work.notify_one();
            // If it panicked, it has said so.
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn check(&mut self) -> Result<(), JournalError> {
        if self.failed { Err(self.failure.take().unwrap_or(JournalError::Poisoned)) } else { Ok(()) }
    }

    fn want(&mut self, seq: u64) {
        self.wanted = self.wanted.max(seq);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= WAITING_RECORDS_MAX || self.bytes >= limits::PENDING_BYTES_MAX
    }

    /// Whether there is enough for a batch.
    fn is_enough(&self) -> bool {
        self.records.len() >= BATCH_RECORDS || self.bytes >= limits::PENDING_BYTES_MAX
    }

    /// The next job, or how long there is none; `None` is until something comes.
    fn next(&mut self) -> Result<Job, Option<Duration>> {
        if self.failed {
            return Ok(Job::End);
        }
        let first = self.records.first().map(|record| record.seq);
        // All before a snapshot goes first, and by itself.
        if let Some(seq) = self.world.as_ref().map(|world| world.seq()) {
            return Ok(match first.filter(|first| *first <= seq) {
                Some(first) => self.append(seq - first + 1),
                None => match self.world.take() {
                    Some(world) => {
                        self.encoding = true;
                        Job::Encode(world, self.head.journal_hash)
                    }
                    None => Job::End,
                },
            });
        }
        let waited = self.since.elapsed();
        let is_due =
            |first| self.closing || self.wanted >= first || self.is_enough() || waited >= GROUPING_MAX;
        let has_waited = self.image.is_some() && self.passed >= BATCHES_BEFORE_IMAGE;
        if first.is_some_and(is_due) && !has_waited {
            self.passed += u32::from(self.image.is_some());
            return Ok(self.append(u64::MAX));
        }
        if let Some(image) = self.image.take() {
            self.passed = 0;
            return Ok(Job::Store(image));
        }
        match first {
            Some(_) => Err(Some(GROUPING_MAX.saturating_sub(waited))),
            None if self.closing && !self.encoding => Ok(Job::End),
            None => Err(None),
        }
    }

    /// The first records, at most so many, with the samples that were taken before one of them.
    fn append(&mut self, most: u64) -> Job {
        let records = self.take(most);
        let last = records.last().map_or(0, |record| record.seq);
        let count = self.samples.iter().take_while(|sample| sample.seq < last).count();
        Job::Append(records, self.samples.drain(..count).collect())
    }

    /// The first records, at most so many.
    fn take(&mut self, most: u64) -> Vec<Record> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if most >= self.records.len() {
            self.bytes = 0;
            return std::mem::replace(&mut self.records, std::mem::take(&mut self.spare));
        }
        let rest = self.records.split_off(most);
        let taken = std::mem::replace(&mut self.records, rest);
        self.bytes = self.records.iter().map(Record::bytes_max).sum();
        taken
    }
}

/// Says that the writer is gone, if it goes by a panic.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(JournalError::Poisoned);
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until_done<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.done.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    fn write_on(self: Arc<Self>) {
        let _alarm = Alarm(&self);
        loop {
            let done = match self.next() {
                Job::Append(records, samples) => self.append(records, &samples),
                Job::Store(image) => self.journal().put_image(*image),
                Job::Encode(world, hash) => {
                    let shared = Arc::clone(&self);
                    drop(std::thread::spawn(move || shared.encode(&world, hash)));
                    Ok(())
                }
                Job::End => return,
            };
            if let Err(error) = done {
                self.fail(error);
            }
        }
    }

    fn next(&self) -> Job {
        let mut queue = self.open();
        loop {
            let wait = match queue.next() {
                Ok(job) => return job,
                Err(wait) => wait,
            };
            queue = match wait {
                None => self.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => self.work.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn append(&self, mut records: Vec<Record>, samples: &[Sample]) -> Result<(), JournalError> {
        let head = {
            let mut journal = self.journal();
            journal.append_with(&records, &[], samples)?;
            journal.head()
        };
        self.on_disk.reach(head.seq);
        records.clear();
        loop {
            let mut queue = self.open();
            let due = queue.releases.front().is_some_and(|(seq, _)| *seq <= head.seq);
            let next = if due { queue.releases.pop_front() } else { None };
            let Some((_, release)) = next else {
                queue.head = head;
                if queue.spare.capacity() < records.capacity() {
                    queue.spare = records;
                }
                self.done.notify_all();
                return Ok(());
            };
            drop(queue);
            release();
        }
    }

    fn encode(&self, world: &World, hash: Hash) {
        let _alarm = Alarm(self);
        match Image::of(world, hash) {
            Ok(image) => {
                let mut queue = self.open();
                (queue.image, queue.encoding) = (Some(Box::new(image)), false);
                self.work.notify_one();
            }
            Err(error) => self.fail(error),
        }
    }

    /// Nothing is written from now on, and nobody who waits for that is let go.
    fn fail(&self, error: JournalError) {
        let (dropped, bell) = {
            let mut queue = self.open();
            queue.failed = true;
            self.failed.store(true, Ordering::SeqCst);
            queue.failure.get_or_insert(error);
            (std::mem::take(&mut queue.releases), queue.bell.clone())
        };
        drop(dropped);
        self.done.notify_all();
        self.work.notify_one();
        bell.iter().for_each(|ring| ring());
    }
}

#[cfg(test)]
mod tests {
    use oikos_kernel::{
        record::{Cause, Outcome},
        time::Time,
    };

    use super::*;

    #[test]
    fn a_snapshot_is_stored_though_somebody_always_waits_for_a_record() {
        let writer = Writer::new(Journal::in_memory().expect("a journal"));
        let mut queue = writer.shared.open();
        queue.image = Some(Box::new(Image::of(&World::empty(), [0; 32]).expect("an image")));
        let batches = (1..).take_while(|seq| {
            queue.records.push(Record {
                seq: *seq,
                time: Time::default(),
                cause: Cause::Clock { away_ms: 0 },
                charges: Vec::new(),
                effects: Vec::new(),
                events: Vec::new(),
                outcome: Outcome::Nothing,
            });
            queue.want(*seq);
            matches!(queue.next(), Ok(Job::Append(..)))
        });
        assert_eq!(batches.count(), 256);
        assert!(queue.image.is_none() && queue.records.len() == 1, "the record goes next");
        assert!(matches!(queue.next(), Ok(Job::Append(..))));
    }
}
