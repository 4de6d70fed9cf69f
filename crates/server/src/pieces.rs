//! Lines of events as they go to readers: one text, made once for all who see the same and want the same. No reader
//! sees a line of another's text: the audience is the key of each that is shared.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use oikos_runner::{Cursor, FeedLine, Filtered, kernel::world::wire::Viewer};
use tokio::sync::OnceCell;

/// Pages that are kept for those who ask for the same meanwhile, and how long.
const PAGES_MAX: usize = 16;
const KEPT: Duration = Duration::from_secs(1);

/// All who see the same and want the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Audience {
    viewer: Seer,
    pub(crate) wanted: Filtered,
}

/// A viewer, as a key: nothing for observers, and `u32::MAX` for an artifact that is not known.
pub(crate) type Seer = Option<u32>;

pub(crate) fn seer(viewer: Viewer) -> Seer {
    match viewer {
        Viewer::Observer => None,
        Viewer::Artifact(me) => Some(me.map_or(u32::MAX, |me| me.0)),
    }
}

impl Audience {
    pub(crate) fn new(viewer: Viewer, wanted: Filtered) -> Self {
        Self { viewer: seer(viewer), wanted }
    }
}

/// Lines that follow each other, as one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    text: Bytes,
    /// The id of each line, and where it ends.
    ends: Arc<[(Cursor, usize)]>,
}

impl Piece {
    pub(crate) fn of<'l>(lines: impl Iterator<Item = &'l FeedLine>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for FeedLine { id, line } in lines {
            // A string takes whatever is written.
            let _ = write!(text, "id: {id}\ndata: {line}\n\n");
            ends.push((*id, text.len()));
        }
        Self { text: text.into(), ends: ends.into() }
    }

    /// The lines after one: their text, and how many they are.
    pub(crate) fn after(&self, after: Cursor) -> (Bytes, usize) {
        let at = self.ends.partition_point(|(id, _)| *id <= after);
        let begin = at.checked_sub(1).and_then(|at| self.ends.get(at)).map_or(0, |(_, end)| *end);
        (self.text.slice(begin..), self.ends.len() - at)
    }
}

/// Things that are made once, and shared by all who ask by the same key.
#[derive(Debug)]
pub(crate) struct Shared<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Shared<K, V> {
    /// The thing of a key; who asks meanwhile waits until it is made.
    pub(crate) fn get(&self, key: K, make: impl FnOnce() -> V) -> V {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(key).or_insert_with(make).clone()
    }
}

/// Lines that were read from the journal.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) piece: Piece,
    /// Where to go on.
    pub(crate) next: Cursor,
    pub(crate) has_more: bool,
}

/// The pages that are read now, and were a moment ago: readers who fall behind together read the journal once.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<Read>>);

#[derive(Debug)]
struct Read {
    of: (Audience, Cursor),
    begun: Instant,
    page: Arc<OnceCell<Page>>,
}

impl Read {
    /// Whether it may be given to one who asks now: a page that ends where the journal ended may be longer by now.
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < KEPT && self.page.get().is_none_or(|page| page.has_more)
    }
}

impl Recent {
    /// The page after a line: one that is read already, or else that which `read` reads.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) async fn page<E>(
        &self,
        audience: &Audience,
        after: Cursor,
        read: impl Future<Output = Result<Page, E>>,
    ) -> Result<Page, E> {
        self.begun(audience, after).get_or_try_init(|| read).await.cloned()
    }

    fn begun(&self, audience: &Audience, after: Cursor) -> Arc<OnceCell<Page>> {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        reads.retain(|read| read.is_fresh(now));
        if let Some(read) = reads.iter().find(|read| read.of.1 == after && read.of.0 == *audience) {
            return Arc::clone(&read.page);
        }
        let page = Arc::default();
        reads.truncate(PAGES_MAX - 1);
        let of = (audience.clone(), after);
        reads.push_front(Read { of, begun: now, page: Arc::clone(&page) });
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(ids: &[(u64, u32)]) -> Vec<FeedLine> {
        ids.iter()
            .map(|(seq, lines)| FeedLine { id: Cursor { seq: *seq, lines: *lines }, line: (*seq).into() })
            .collect()
    }

    #[test]
    fn a_piece_goes_on_after_any_line() {
        let piece = Piece::of(lines(&[(3, 1), (3, 2), (5, 1)]).iter());
        for (after, text) in [
            (Cursor::after(0), "id: 3.0\ndata: 3\n\nid: 3.1\ndata: 3\n\nid: 5.0\ndata: 5\n\n"),
            (Cursor { seq: 3, lines: 1 }, "id: 3.1\ndata: 3\n\nid: 5.0\ndata: 5\n\n"),
            (Cursor::after(3), "id: 5.0\ndata: 5\n\n"),
            (Cursor { seq: 4, lines: 7 }, "id: 5.0\ndata: 5\n\n"),
            (Cursor { seq: 5, lines: 1 }, ""),
            (Cursor::after(9), ""),
        ] {
            let (told, count) = piece.after(after);
            assert_eq!((&*told, count), (text.as_bytes(), text.matches("id").count()), "{after}");
        }
        assert_eq!(Piece::of([].iter()).after(Cursor::after(0)).1, 0);
    }

    #[test]
    fn a_page_is_shared_by_those_who_see_the_same_and_by_nobody_else() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
        let recent = Recent::default();
        let of = |viewer, kind: Option<&str>| {
            Audience::new(viewer, Filtered { kind: kind.map(Into::into), of: None })
        };
        let (mut reads, observer) = (0, of(Viewer::Observer, None));
        let mut ask = |audience: &Audience, after: Cursor, has_more| {
            let mut is_read = false;
            let read = async {
                is_read = true;
                reads += 1;
                let line = FeedLine { id: Cursor::after(reads), line: reads.into() };
                Ok::<_, ()>(Page { piece: Piece::of([line].iter()), next: after, has_more })
            };
            let page = runtime.block_on(recent.page(audience, after, read)).map(|page| page.piece.text);
            (is_read, page)
        };
        let begin = Cursor::after(0);
        let (is_read, first) = ask(&observer, begin, true);
        assert!(is_read);
        assert_eq!(ask(&observer, begin, true), (false, first), "the same text");
        let others = [Viewer::Artifact(None), Viewer::Artifact(Some(oikos_runner::kernel::id::Handle(0)))];
        for other in others {
            assert!(ask(&of(other, None), begin, true).0, "{other:?}");
        }
        assert!(ask(&of(Viewer::Observer, Some("transfer")), begin, true).0);
        assert!(ask(&observer, Cursor::after(1), false).0);
        assert!(ask(&observer, Cursor::after(1), false).0, "there may be more by now");
    }
}
