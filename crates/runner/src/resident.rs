//! A world that goes on by itself, on a thread of its own, as one of many that a process has.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::sync_channel,
    time::{Duration, Instant},
};

use oikos_journal::{Address, Journal, JournalError};
use oikos_kernel::time::Time;

use crate::{
    desk::within,
    error::RunError,
    front::Front,
    helm::{Helm, Speed},
    stop::Stop,
    workplace::Workplace,
};

/// How long a world is waited for whose writer has ended a moment ago: its server may not know that yet.
const FREE_WITHIN: Duration = Duration::from_secs(2);
/// How often it is tried meanwhile.
const TRIED: Duration = Duration::from_millis(20);
/// Stack of its thread: values may nest as deep as a world has them.
const STACK_BYTES: usize = 8 << 20;

/// How a world is to go on.
#[derive(Clone, Debug)]
pub struct Residing {
    /// Where it is kept.
    pub at: Address,
    /// Where it is served, which its database is told.
    pub url: String,
    /// How fast its virtual clock may go.
    pub speed: Speed,
    /// Whether it stands until somebody runs it.
    pub is_paused: bool,
    /// Up to when it had nothing to do while it was shut, as it was left: that time is none in which it was away.
    pub asleep_until: Option<Time>,
}

/// A world that goes on.
#[derive(Debug)]
pub struct Resident {
    /// The world for a door.
    pub front: Front,
    /// Steers it.
    pub helm: Helm,
    /// Things that its owner should know.
    pub notes: Vec<String>,
}

/// How the life of a world in this process ended.
#[derive(Debug)]
pub enum Ending {
    /// Somebody asked it to.
    Asked,
    /// Another process has taken it over.
    Overtaken,
    /// It failed.
    Failed(RunError),
    /// It failed by a mistake of ours.
    Panicked,
}

impl Workplace {
    /// Opens a world on a thread of its own, where it goes on until it is asked to stop. `come` is told of the world
    /// that goes on, or why there is none; after a world, `gone` is told how that ended, when nothing of it is left.
    ///
    /// # Errors
    /// When there is no thread.
    pub fn reside(
        &self,
        residing: Residing,
        stop: Stop,
        come: impl FnOnce(Result<Resident, RunError>) + Send + 'static,
        gone: impl FnOnce(Ending) + Send + 'static,
    ) -> Result<(), std::io::Error> {
        let workplace = self.clone();
        let live = move || {
            let opened = catch_unwind(AssertUnwindSafe(|| workplace.open_to_reside(&residing, &stop)));
            let mut live = match opened {
                Ok(Ok(live)) => live,
                Ok(Err(error)) => return come(Err(error)),
                Err(_) => return come(Err(RunError::Unsupported(OURS.into()))),
            };
            let helm = Helm::new(residing.speed, residing.is_paused);
            let notes = live.notes.iter().map(ToString::to_string).chain(live.missing.iter().cloned());
            let notes = notes.collect();
            come(Ok(Resident { front: live.front(), helm: helm.clone(), notes }));
            // A world whose loop panicked is not looked at again.
            let ended = catch_unwind(AssertUnwindSafe(move || {
                let served = live.serve(&helm, &stop);
                drop(live);
                served
            }));
            gone(match ended {
                Ok(Ok(())) => Ending::Asked,
                Ok(Err(RunError::Journal(JournalError::Moved { .. }))) => Ending::Overtaken,
                Ok(Err(fault)) => Ending::Failed(fault),
                Err(_) => Ending::Panicked,
            });
        };
        let thread = std::thread::Builder::new().name("world".into()).stack_size(STACK_BYTES);
        thread.spawn(live).map(drop)
    }

    fn open_to_reside(&self, residing: &Residing, stop: &Stop) -> Result<crate::live::Live, RunError> {
        let journal = free(&residing.at, stop)?;
        let mut live = crate::live::Live::open_asleep(self, journal, residing.asleep_until)?;
        live.sequencer.journal()?.serve_at(&residing.url)?;
        Ok(live)
    }
}

const OURS: &str = "opening it failed by a mistake of ours";

/// Opens a world to write to it, once its last writer is known to have ended.
fn free(at: &Address, stop: &Stop) -> Result<Journal, JournalError> {
    let (sender, rung) = sync_channel(1);
    let _bell = stop.bell(move || {
        // One ring is enough.
        let _ = sender.try_send(());
    });
    let begun = Instant::now();
    loop {
        match Journal::open(at) {
            Err(JournalError::Busy { .. }) if begun.elapsed() < FREE_WITHIN && !stop.is_asked() => {
                let _ = within(&rung, TRIED);
            }
            opened => return opened,
        }
    }
}
