//! The tape of a world, in its journal. Rows that come together are put on disk together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oikos_agents::{Later, RequestHash, Tape, TapeFault};
use oikos_journal::JournalError;
use oikos_kernel::tape::Taped;
use tokio::sync::oneshot::{Sender, channel};

use crate::writer::JournalDoor;

/// Something to be written.
enum Job {
    /// A row that was asked.
    Put(Taped),
    /// A row that is used.
    Take(Taped),
}

#[derive(Default)]
struct Waiting {
    /// Each job with who waits for it.
    jobs: Vec<(Job, Sender<Result<(), TapeFault>>)>,
    /// Whether somebody writes, who looks again when that is done.
    is_writing: bool,
}

struct Shared {
    door: JournalDoor,
    /// Whether what is asked and used is written.
    writes: bool,
    waiting: Mutex<Waiting>,
}

/// The tape in a world's journal.
#[derive(Clone)]
pub(super) struct JournalTape(Arc<Shared>);

impl JournalTape {
    pub(super) fn new(door: JournalDoor, writes: bool) -> Self {
        Self(Arc::new(Shared { door, writes, waiting: Mutex::default() }))
    }

    fn write(&self, job: Job) -> Later<'_, Result<(), TapeFault>> {
        if !self.0.writes {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (sender, receiver) = channel();
        let begins = {
            let mut waiting = self.0.waiting();
            waiting.jobs.push((job, sender));
            !std::mem::replace(&mut waiting.is_writing, true)
        };
        if begins {
            let shared = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || shared.write_all());
        }
        Box::pin(async move {
            let lost = || Err(TapeFault("the one who writes it is gone".into()));
            receiver.await.unwrap_or_else(|_| lost())
        })
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all that waits, and all that comes meanwhile.
    fn write_all(&self) {
        let _writing = Writing(self);
        loop {
            let jobs = {
                let mut waiting = self.waiting();
                if waiting.jobs.is_empty() {
                    waiting.is_writing = false;
                    return;
                }
                std::mem::take(&mut waiting.jobs)
            };
            let (mut asked, mut used, mut senders) = (Vec::new(), Vec::new(), Vec::new());
            for (job, sender) in jobs {
                match job {
                    Job::Put(row) => asked.push(row),
                    Job::Take(row) => used.push(row),
                }
                senders.push(sender);
            }
            let mut journal = self.door.journal();
            let done = journal.put_tape(&asked).and_then(|()| journal.use_tape(&used));
            drop(journal);
            let done = done.map_err(|error| fault(&error));
            for sender in senders {
                // A turn that does not wait any more has been stopped.
                let _ = sender.send(done.clone());
            }
        }
    }
}

/// The one who writes. Where a panic ends it, those who wait are told so, and the next row is written anew.
struct Writing<'a>(&'a Shared);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut waiting = self.0.waiting();
            waiting.is_writing = false;
            waiting.jobs.clear();
        }
    }
}

fn fault(error: &JournalError) -> TapeFault {
    TapeFault(error.to_string())
}

impl Tape for JournalTape {
    fn find(&self, agent: &str, hash: &RequestHash, n: u64) -> Result<Option<Taped>, TapeFault> {
        self.0.door.journal().taped(agent, hash, n).map_err(|error| fault(&error))
    }

    fn put(&self, row: Taped) -> Later<'_, Result<(), TapeFault>> {
        self.write(Job::Put(row))
    }

    fn take<'a>(&'a self, row: &'a Taped, _seq: u64) -> Later<'a, Result<(), TapeFault>> {
        self.write(Job::Take(row.clone()))
    }

    fn each(&self, agent: &str, visit: &mut dyn FnMut(&Taped)) -> Result<(), TapeFault> {
        let journal = self.0.door.journal();
        let visited = journal.tape(Some(agent), |row| {
            visit(&row);
            Ok::<(), JournalError>(())
        });
        visited.map_err(|error| fault(&error))
    }
}
