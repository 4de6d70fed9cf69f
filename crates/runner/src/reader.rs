//! Looks at a world that goes on, from any thread: at the last state that is on disk, or at a moment of its past. They
//! leave no record, and hold nobody up.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use oikos_journal::{Address, Journal};
use oikos_kernel::{
    id::Handle,
    op::Query,
    record::Record,
    refusal::{Code, Refusal},
    world::{World, wire::Viewer},
};
use oikos_sandbox::Sandbox;
use serde_json::Value;

use crate::{
    error::RunError,
    feed::{Cursor, Feed, Filtered, page},
    live::Live,
    look::look,
    open::observed,
    past::state_at,
    view::{Look, View},
    when::When,
};

/// Moments of the past whose worlds are kept, for the next who asks.
const KEPT_MAX: usize = 4;

/// Looks at a world that goes on. A clone looks at the same one.
#[derive(Clone)]
pub struct Reader {
    view: View,
    sandbox: Arc<dyn Sandbox>,
    at: Option<Address>,
    kept: Arc<Mutex<VecDeque<Look>>>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("view", &self.view).finish_non_exhaustive()
    }
}

impl Live {
    /// A reader of this world.
    #[must_use]
    pub fn reader(&mut self) -> Reader {
        let at = self.sequencer.writer.address().cloned();
        let sandbox = Arc::clone(&self.sequencer.interpreter().sandbox);
        Reader::new(self.sequencer.view(), sandbox, at)
    }
}

impl Reader {
    pub(crate) fn new(view: View, sandbox: Arc<dyn Sandbox>, at: Option<Address>) -> Self {
        Self { view, sandbox, at, kept: Arc::default() }
    }

    /// The world as it is published.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The world's file, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.at.as_ref()
    }

    /// The world as it stands; `None` before it is served.
    #[must_use]
    pub fn now(&self) -> Option<Look> {
        self.view.fresh()
    }

    /// The world as it stood at a moment.
    ///
    /// # Errors
    /// When the journal can't be read; a moment that there is not is a refusal.
    pub fn at(&self, when: When) -> Result<Result<Look, Refusal>, RunError> {
        let journal = match self.journal()? {
            Ok(journal) => journal,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let seq = match when.seq(&journal)? {
            Ok(seq) => seq,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept().iter().find(|look| look.world.seq() == seq) {
            return Ok(Ok(found.clone()));
        }
        let world = Arc::new(state_at(&journal, seq)?);
        let look = Look { now: world.now(), world };
        let mut kept = kept();
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(look.clone());
        Ok(Ok(look))
    }

    /// The journal, as far as it is written; to be read.
    ///
    /// # Errors
    /// When it can't be read; a world without a file has none.
    pub fn journal(&self) -> Result<Result<Journal, Refusal>, RunError> {
        let Some(at) = &self.at else {
            let refusal =
                Refusal::new(Code::Unsupported, "this world is in memory alone: its past is not kept");
            return Ok(Err(refusal));
        };
        Ok(Ok(Journal::open_read_only(at)?))
    }

    /// Answers a query as a viewer: an observer, or a principal as it would see its answer.
    ///
    /// # Errors
    /// Only faults; what is wrong with the query is a refusal.
    pub fn query(&self, at: &Look, viewer: Viewer, query: Query) -> Result<Result<Value, Refusal>, RunError> {
        look(&*self.sandbox, at, viewer, query)
    }

    /// The observation of an agent, as its mind would have it.
    ///
    /// # Errors
    /// When there is no such agent.
    pub fn observe(&self, at: &Look, agent: &str) -> Result<Value, Refusal> {
        observed(&at.world, agent, at.now)
    }

    /// Some lines of the log after one, as a viewer sees them.
    ///
    /// # Errors
    /// When the journal can't be read; a world without a file has none.
    pub fn lines(
        &self,
        viewer: Viewer,
        wanted: &Filtered,
        after: Cursor,
        limit: usize,
    ) -> Result<Result<Feed, Refusal>, RunError> {
        let journal = match self.journal()? {
            Ok(journal) => journal,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // The world knows all the names of what is read up to where it stands.
        let Some(Look { world, .. }) = self.now() else { return Ok(Ok(Feed::nothing(after))) };
        Ok(Ok(page(&journal, &world, viewer, wanted, after, limit)?))
    }

    /// A reader of the records that come after one.
    ///
    /// # Errors
    /// When the journal can't be read; a world without a file has none.
    pub fn tail(&self, seq: u64) -> Result<Result<Tail, Refusal>, RunError> {
        Ok(self.journal()?.map(|journal| Tail { journal, view: self.view.clone(), seq }))
    }

    /// The principal of an id, if there is such a one that can act.
    #[must_use]
    pub fn principal(world: &World, id: &str) -> Option<Handle> {
        let handle = world.lookup(id)?;
        world.get(handle).filter(|artifact| artifact.has_standing() && !artifact.is_deleted()).map(|_| handle)
    }
}

/// Reads the records that come, as they come to be on disk.
#[derive(Debug)]
pub struct Tail {
    journal: Journal,
    view: View,
    seq: u64,
}

/// Records, and a world that knows all their names.
#[derive(Clone, Debug)]
pub struct Come {
    /// The records, in order.
    pub records: Vec<Record>,
    /// The world, after them or later.
    pub world: Arc<World>,
}

impl Tail {
    /// The last record that was read.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The records that are on disk by now, at most so many; nothing if there are none.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn come(&mut self, most: usize) -> Result<Option<Come>, RunError> {
        if self.view.on_disk() <= self.seq {
            return Ok(None);
        }
        let Some(Look { world, .. }) = self.view.fresh().filter(|look| look.world.seq() > self.seq) else {
            return Ok(None);
        };
        self.journal.refresh()?;
        let until = world.seq().min(self.journal.head().seq);
        let mut records = Vec::new();
        self.journal.records_while(self.seq + 1, |record| {
            let is_wanted = record.seq <= until && records.len() < most;
            if is_wanted {
                records.push(record);
            }
            is_wanted
        })?;
        self.seq = records.last().map_or(self.seq, |record| record.seq);
        Ok((!records.is_empty()).then_some(Come { records, world }))
    }
}
