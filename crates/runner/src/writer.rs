//! Writes batches and snapshots to the journal while the world goes on: one thread, one job at a time.
//!
//! It decides nothing: what is handed over is on disk when [`Writer::settle`] returns, and not before.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

use oikos_journal::{Head, Journal, JournalError};
use oikos_kernel::{record::Record, world::World};

/// What is to be written.
enum Job {
    /// Records, which come back if somebody wants to know of them.
    Append { records: Vec<Record>, wanted: bool },
    /// The state of the world where the journal ends.
    Snapshot(Box<World>),
}

/// The records that were written, if they were wanted.
pub(crate) type Written = Result<Vec<Record>, JournalError>;

/// The journal, back from a job, and what came of that.
type Done = (Box<Journal>, Written);

/// Rung when a job is done.
pub(crate) type Bell = Arc<dyn Fn() + Send + Sync>;

/// A journal, which is either here or with the thread that writes to it.
pub(crate) struct Writer {
    here: Option<Box<Journal>>,
    /// Where it ended when it was here last.
    head: Head,
    bell: Option<Bell>,
    lane: Option<Lane>,
}

/// The thread; it is there from the first job on.
struct Lane {
    jobs: SyncSender<(Box<Journal>, Job)>,
    done: Receiver<Done>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { head: journal.head(), here: Some(Box::new(journal)), bell: None, lane: None }
    }

    /// Has whoever waits told when a job is done.
    pub(crate) fn set_bell(&mut self, bell: Bell) {
        self.bell = Some(bell);
    }

    /// Where the journal ends, as far as it is known here.
    pub(crate) fn head(&self) -> Head {
        self.here.as_ref().map_or(self.head, |journal| journal.head())
    }

    /// Hands records over, when the job before them is done; gives what came of that.
    ///
    /// # Errors
    /// When the job before failed.
    pub(crate) fn append(&mut self, records: Vec<Record>, wanted: bool) -> Written {
        self.hand_over(Job::Append { records, wanted })
    }

    /// Hands over the world as it is where the journal will end, to be stored as a snapshot.
    ///
    /// # Errors
    /// When the job before failed.
    pub(crate) fn snapshot(&mut self, world: World) -> Written {
        self.hand_over(Job::Snapshot(Box::new(world)))
    }

    /// Waits until all that was handed over is on disk; gives what came of the last job.
    ///
    /// # Errors
    /// When it failed.
    pub(crate) fn settle(&mut self) -> Written {
        self.take_back(|done| done.recv().map_err(|_| TryRecvError::Disconnected))
    }

    /// Whether nothing is under way, as far as it is known here.
    pub(crate) fn is_idle(&self) -> bool {
        self.here.is_some()
    }

    /// As [`Self::settle`], but it does not wait: nothing comes of what is still under way.
    ///
    /// # Errors
    /// When the last job failed.
    pub(crate) fn look(&mut self) -> Written {
        self.take_back(Receiver::try_recv)
    }

    fn take_back(&mut self, receive: impl Fn(&Receiver<Done>) -> Result<Done, TryRecvError>) -> Written {
        let away = self.lane.as_ref().filter(|_| self.here.is_none());
        match away.map(|lane| receive(&lane.done)) {
            Some(Ok((journal, written))) => {
                self.here = Some(journal);
                written
            }
            // The thread ends only when it is told to, or by a bug; the journal is gone with it.
            Some(Err(TryRecvError::Disconnected)) => Err(JournalError::Poisoned),
            Some(Err(TryRecvError::Empty)) | None => Ok(Vec::new()),
        }
    }

    /// The journal; [`Self::settle`] comes first.
    ///
    /// # Errors
    /// When it is not here.
    pub(crate) fn journal(&mut self) -> Result<&mut Journal, JournalError> {
        self.here.as_deref_mut().ok_or(JournalError::Poisoned)
    }

    fn hand_over(&mut self, job: Job) -> Written {
        let before = self.settle()?;
        let journal = self.here.take().ok_or(JournalError::Poisoned)?;
        self.head = journal.head();
        let bell = &self.bell;
        let lane = self.lane.get_or_insert_with(|| Lane::open(bell.clone()));
        lane.jobs.send((journal, job)).map_err(|_| JournalError::Poisoned)?;
        Ok(before)
    }
}

impl Drop for Writer {
    /// What was handed over is written, and whoever opens the world next finds it free.
    fn drop(&mut self) {
        if let Some(Lane { jobs, done, thread }) = self.lane.take() {
            drop(jobs);
            let _ = thread.join();
            drop(done);
        }
    }
}

impl Lane {
    fn open(bell: Option<Bell>) -> Self {
        let (jobs, waiting) = sync_channel::<(Box<Journal>, Job)>(1);
        let (told, done) = sync_channel(1);
        let work = move || {
            for (mut journal, job) in waiting {
                let written = write(&mut journal, job);
                if told.send((journal, written)).is_err() {
                    return;
                }
                bell.iter().for_each(|ring| ring());
            }
        };
        Self { jobs, done, thread: std::thread::spawn(work) }
    }
}

fn write(journal: &mut Journal, job: Job) -> Written {
    match job {
        Job::Append { records, wanted } => {
            journal.append(&records, &[])?;
            Ok(if wanted { records } else { Vec::new() })
        }
        Job::Snapshot(world) => journal.put_snapshot(&world).map(|()| Vec::new()),
    }
}
