//! The feeds of all readers have one source: one task reads the records that come, once, and each viewer's lines are
//! made once. So the world is held up by none of them, however many and however slow they are.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oikos_runner::{Come, Cursor, FeedLine, Tail, kernel::world::wire::Viewer, lines_of};
use serde_json::Value;
use tokio::{sync::broadcast, time::sleep};

use crate::{door::Door, events::ByViewer};

/// Batches that wait for the slowest reader; one that is slower reads the journal.
const BATCHES_MAX: usize = 32;
/// Records of one batch.
const RECORDS_MAX: usize = 256;
/// When something that was not there is looked at again.
pub(crate) const AGAIN: Duration = Duration::from_millis(50);

/// The source of all feeds.
pub(crate) struct Feeds {
    sender: broadcast::Sender<Arc<Batch>>,
}

impl Default for Feeds {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BATCHES_MAX) }
    }
}

/// Records that came together.
pub(crate) struct Batch {
    come: Come,
    told: Mutex<ByViewer>,
}

/// A line as it goes to a reader.
pub(crate) struct Told {
    pub(crate) id: Cursor,
    pub(crate) line: Value,
    pub(crate) frame: String,
}

impl Told {
    pub(crate) fn of(FeedLine { id, line }: FeedLine) -> Self {
        Self { frame: format!("id: {id}\ndata: {line}\n\n"), id, line }
    }
}

impl Batch {
    /// The first and the last record.
    pub(crate) fn span(&self) -> (u64, u64) {
        let seq =
            |record: Option<&oikos_runner::kernel::record::Record>| record.map_or(0, |record| record.seq);
        (seq(self.come.records.first()), seq(self.come.records.last()))
    }

    /// All lines as a viewer is shown them.
    pub(crate) fn told(&self, viewer: Viewer) -> Arc<Vec<Told>> {
        let key = match viewer {
            Viewer::Observer => None,
            Viewer::Artifact(me) => Some(me.map_or(u32::MAX, |me| me.0)),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = told.entry(key).or_insert_with(|| {
            let Come { records, world } = &self.come;
            let lines = records.iter().flat_map(|record| lines_of(world, record, viewer));
            Arc::new(lines.map(Told::of).collect())
        });
        Arc::clone(lines)
    }
}

impl Feeds {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.sender.subscribe()
    }

    /// Reads on, for as long as the door is open and somebody is told.
    pub(crate) async fn run(door: Arc<Door>) {
        let (mut on_disk, mut closing) = (door.on_disk.clone(), door.closing.subscribe());
        let mut seen = *on_disk.borrow_and_update();
        let mut tail: Option<Tail> = None;
        while !*closing.borrow_and_update() {
            tokio::select! {
                changed = on_disk.changed() => if changed.is_err() { return },
                _ = closing.changed() => return,
            }
            let until = *on_disk.borrow_and_update();
            if door.feeds.sender.receiver_count() == 0 {
                (tail, seen) = (None, until);
                continue;
            }
            while seen < until && door.feeds.sender.receiver_count() > 0 {
                let begun = tail.take();
                let read = door.look(move |reader| Ok(come(reader, begun, seen))).await;
                let Ok((read, come)) = read else { break };
                tail = read;
                match come {
                    Some(come) => {
                        seen = tail.as_ref().map_or(seen, Tail::seq);
                        // A reader that has gone away misses nothing.
                        let _ = door.feeds.sender.send(Arc::new(Batch { come, told: Mutex::default() }));
                    }
                    None => sleep(AGAIN).await,
                }
            }
        }
    }
}

/// Some records after one. Where they can't be read now, they are read anew.
fn come(reader: &oikos_runner::Reader, tail: Option<Tail>, seen: u64) -> (Option<Tail>, Option<Come>) {
    let tail = match tail {
        Some(tail) => Some(tail),
        None => reader.tail(seen).ok().and_then(Result::ok),
    };
    let Some(mut tail) = tail else { return (None, None) };
    match tail.come(RECORDS_MAX) {
        Ok(come) => (Some(tail), come),
        Err(_) => (None, None),
    }
}
