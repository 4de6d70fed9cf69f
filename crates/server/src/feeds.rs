//! The feeds of all readers have one source: one task reads the records that come, once, and each audience's text is
//! made once. Batches come apart by a while, so that a reader is told much at a time where much comes. So the world is
//! held up by none of them, however many and however slow they are.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oikos_runner::{Come, FeedLine, Tail, kernel::world::wire::Viewer, lines_of};
use tokio::{sync::broadcast, time::sleep};

use crate::{
    door::Door,
    pieces::{Audience, Piece, Recent, Seer, Shared, seer},
};

/// Batches that wait for the slowest reader; one that is slower reads the journal.
const BATCHES_MAX: usize = 32;
/// Records of one batch.
const RECORDS_MAX: usize = 1_024;
/// The least time between two batches, but where more is there than one can hold.
const APART: Duration = Duration::from_millis(50);
/// When something that was not there is looked at again.
pub(crate) const AGAIN: Duration = Duration::from_millis(50);

/// The source of all feeds.
pub(crate) struct Feeds {
    sender: broadcast::Sender<Arc<Batch>>,
    /// The pages that readers read who fell behind.
    pub(crate) recent: Recent,
}

impl Default for Feeds {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BATCHES_MAX), recent: Recent::default() }
    }
}

/// Records that came together.
pub(crate) struct Batch {
    come: Come,
    lines: Shared<Seer, Arc<Vec<FeedLine>>>,
    pieces: Shared<Audience, Piece>,
}

impl Batch {
    fn of(come: Come) -> Self {
        Self { come, lines: Shared::default(), pieces: Shared::default() }
    }

    /// The first and the last record.
    pub(crate) fn span(&self) -> (u64, u64) {
        let seq =
            |record: Option<&oikos_runner::kernel::record::Record>| record.map_or(0, |record| record.seq);
        (seq(self.come.records.first()), seq(self.come.records.last()))
    }

    /// The lines that an audience wants, of which this is the viewer.
    pub(crate) fn piece(&self, viewer: Viewer, audience: &Audience) -> Piece {
        self.pieces.get(audience.clone(), || {
            let lines = self.lines.get(seer(viewer), || {
                let Come { records, world } = &self.come;
                Arc::new(records.iter().flat_map(|record| lines_of(world, record, viewer)).collect())
            });
            Piece::of(lines.iter().filter(|told| audience.wanted.fits(&told.line)))
        })
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
        let mut tail: Option<Open> = None;
        let mut sent = Instant::now();
        while !*closing.borrow_and_update() {
            tokio::select! {
                changed = on_disk.changed() => if changed.is_err() { return },
                _ = closing.changed() => return,
            }
            let since = sent.elapsed();
            if since < APART {
                sleep(APART - since).await;
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
                        seen = tail.as_ref().map_or(seen, Open::seq);
                        // A reader that has gone away misses nothing.
                        let _ = door.feeds.sender.send(Arc::new(Batch::of(come)));
                        sent = Instant::now();
                    }
                    None => sleep(AGAIN).await,
                }
            }
        }
    }
}

/// A reader of the records that come. It ends on a thread where that may take long: a connection to a database blocks
/// as it is closed.
pub(crate) struct Open(Option<Tail>);

impl Open {
    pub(crate) fn seq(&self) -> u64 {
        self.0.as_ref().map_or(0, Tail::seq)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let tail = self.0.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(tail));
        }
    }
}

/// Some records after one. Where they can't be read now, they are read anew.
pub(crate) fn come(
    reader: &oikos_runner::Reader,
    open: Option<Open>,
    seen: u64,
) -> (Option<Open>, Option<Come>) {
    let open = open.or_else(|| Some(Open(Some(reader.tail(seen).ok()?.ok()?))));
    let Some(mut open) = open else { return (None, None) };
    match open.0.as_mut().map(|tail| tail.come(RECORDS_MAX)) {
        Some(Ok(come)) => (Some(open), come),
        Some(Err(_)) | None => (None, None),
    }
}
