//! The world as others may look at it while it goes on.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use oikos_kernel::{time::Time, world::World};

use crate::{
    config::ClockKind,
    desk::within,
    writer::{Bell, Release},
};

/// How long a reader waits at most for a world that holds all of which somebody was told.
const FRESH_WITHIN: Duration = Duration::from_millis(250);

/// The world as it stood where the journal ended lately, for any number of readers on any thread. It costs
/// nothing while nobody asks: a reader is given the last one, and has a later one made.
#[derive(Clone, Debug)]
pub struct View(Arc<Shared>);

struct Shared {
    clock: ClockKind,
    /// The last record that is on disk.
    on_disk: Arc<OnDisk>,
    wanted: AtomicBool,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    latest: Option<(Look, Instant)>,
    /// Readers that wait for a later one.
    waiters: Vec<SyncSender<()>>,
    /// Has the loop look up that makes one.
    bell: Option<Bell>,
}

/// A world to look at, and the time on its clock.
#[derive(Clone, Debug)]
pub struct Look {
    /// The world.
    pub world: Arc<World>,
    /// The time.
    pub now: Time,
}

/// How far the journal is written, and those who are told of it.
#[derive(Default)]
pub(crate) struct OnDisk {
    seq: AtomicU64,
    watchers: Mutex<Vec<Watcher>>,
}

type Watcher = Box<dyn Fn(u64) + Send>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("on_disk", &self.on_disk.seq()).finish_non_exhaustive()
    }
}

impl OnDisk {
    /// The journal ends with this record now.
    pub(crate) fn reach(&self, seq: u64) {
        self.seq.store(seq, Ordering::SeqCst);
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(|watcher| watcher(seq));
    }

    fn seq(&self) -> u64 {
        self.seq.load(Ordering::SeqCst)
    }
}

impl View {
    pub(crate) fn new(on_disk: Arc<OnDisk>, clock: ClockKind) -> Self {
        Self(Arc::new(Shared {
            clock,
            on_disk,
            wanted: AtomicBool::new(false),
            slot: Mutex::new(Slot::default()),
        }))
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as it was last made for a reader: all of it is on disk. `None` until then; after this call
    /// there will be one soon after the next record, or when all is committed.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<World>> {
        self.0.wanted.store(true, Ordering::SeqCst);
        self.slot().latest.as_ref().map(|(look, _)| Arc::clone(&look.world))
    }

    /// The world with all that anybody was told of when this is called. It is made between two turns: where one takes
    /// longer than a reader may wait, it is the last one that was made. `None` if there was none.
    #[must_use]
    pub fn fresh(&self) -> Option<Look> {
        let told = self.on_disk();
        let until = Instant::now() + FRESH_WITHIN;
        loop {
            let (receiver, bell) = {
                let mut slot = self.slot();
                let is_fresh = |(look, _): &&(Look, Instant)| look.world.seq() >= told;
                if let Some(found) = slot.latest.as_ref().filter(is_fresh) {
                    return Some(self.on_time(found));
                }
                let (sender, receiver) = sync_channel(1);
                slot.waiters.push(sender);
                (receiver, slot.bell.clone())
            };
            self.0.wanted.store(true, Ordering::SeqCst);
            bell.iter().for_each(|ring| ring());
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || within(&receiver, left).is_none() {
                return self.slot().latest.as_ref().map(|found| self.on_time(found));
            }
        }
    }

    /// A look at the time that its clock shows now.
    fn on_time(&self, (look, made): &(Look, Instant)) -> Look {
        let passed_ms = match self.0.clock {
            ClockKind::Virtual => 0,
            ClockKind::Wall => i64::try_from(made.elapsed().as_millis()).unwrap_or(i64::MAX),
        };
        Look { world: Arc::clone(&look.world), now: look.now.after_ms(passed_ms).unwrap_or(look.now) }
    }

    /// The last record that is on disk.
    #[must_use]
    pub fn on_disk(&self) -> u64 {
        self.0.on_disk.seq()
    }

    /// Calls `watcher` with the last record that is on disk, whenever there is a later one, on the thread of the
    /// writer: it waits for nothing.
    pub fn watch(&self, watcher: impl Fn(u64) + Send + 'static) {
        let mut watchers = self.0.on_disk.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(Box::new(watcher));
    }

    /// Has the loop told when a reader waits for a world.
    pub(crate) fn set_bell(&self, bell: Bell) {
        self.slot().bell = Some(bell);
    }

    /// How a world is shown once it is on disk, if somebody asked.
    pub(crate) fn showing(&self, world: &World, now: Time) -> Option<Release> {
        if !self.0.wanted.load(Ordering::Relaxed) || !self.0.wanted.swap(false, Ordering::SeqCst) {
            return None;
        }
        let (this, look) = (self.clone(), Look { world: Arc::new(world.clone()), now });
        let made = Instant::now();
        Some(Box::new(move || {
            let waiters = {
                let mut slot = this.slot();
                slot.latest = Some((look, made));
                std::mem::take(&mut slot.waiters)
            };
            // One that has gone away waits no more.
            for waiter in waiters {
                let _ = waiter.try_send(());
            }
        }))
    }
}
