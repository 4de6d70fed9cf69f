//! First readings of a past: a long one takes its time, so it goes on by itself, once however many ask for it, and
//! those who look by a browser are told meanwhile how far it is.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use oikos_runner::{
    When,
    kernel::refusal::{Code, Refusal},
};
use tokio::{sync::watch, time::timeout};

use crate::{door::Door, problem::Problem};

/// Readings that are under way at once; more are refused.
const READINGS_MAX: usize = 8;

/// The readings that are under way.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<Vec<Arc<Reading>>>);

/// The reading of all that pages of a moment need.
#[derive(Debug)]
struct Reading {
    /// The moment; none is the present.
    at: Option<When>,
    far: Arc<Far>,
    has_ended: watch::Sender<bool>,
}

/// How far a reading is, in records.
#[derive(Debug, Default)]
pub(crate) struct Far {
    read: AtomicU64,
    of: AtomicU64,
}

impl Far {
    /// Says how far it is.
    pub(crate) fn tell(&self, read: u64, of: u64) {
        self.of.store(of, Ordering::Relaxed);
        self.read.store(read, Ordering::Relaxed);
    }

    /// The records that are read, and all of them.
    pub(crate) fn told(&self) -> (u64, u64) {
        let of = self.of.load(Ordering::Relaxed);
        (self.read.load(Ordering::Relaxed).min(of), of)
    }
}

impl Readings {
    /// The reading of a moment, which is begun if it is not under way. None is left to be waited for where one has
    /// just failed: the page itself says why.
    fn of(&self, door: &Arc<Door>, at: Option<When>) -> Result<Option<Arc<Reading>>, Problem> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = all.iter().position(|one| one.at == at) {
            let found = all.get(place).filter(|one| !*one.has_ended.borrow()).map(Arc::clone);
            if found.is_none() {
                all.remove(place);
            }
            return Ok(found);
        }
        all.retain(|one| !*one.has_ended.borrow());
        if all.len() >= READINGS_MAX {
            let sentence = format!("{READINGS_MAX} moments of this world are being read already");
            return Err(Problem::busy(Refusal::new(Code::RateLimited, sentence)));
        }
        let reading = Arc::new(Reading { at, far: Arc::default(), has_ended: watch::Sender::new(false) });
        all.push(Arc::clone(&reading));
        tokio::spawn(go(Arc::clone(door), Arc::clone(&reading)));
        Ok(Some(reading))
    }

    fn remove(&self, reading: &Arc<Reading>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| !Arc::ptr_eq(one, reading));
    }
}

/// Reads to the end, though nobody may wait for it any more.
async fn go(door: Arc<Door>, reading: Arc<Reading>) {
    let (pages, at, far) = (Arc::clone(&door.pages), reading.at, Arc::clone(&reading.far));
    let read = door.look_long(move |reader| Ok(pages.read(reader, at, &far).is_ok())).await;
    // One that failed stays, so that the next who asks is told of it by the page and not by another reading.
    if matches!(read, Ok(true)) {
        door.pages.readings.remove(&reading);
    }
    reading.has_ended.send_replace(true);
}

/// Waits until all that pages of a moment need is read, or so long. Then it says how far that is.
pub(crate) async fn read_within(
    door: &Arc<Door>,
    at: Option<When>,
    within: Option<Duration>,
) -> Result<Option<(u64, u64)>, Problem> {
    if at.is_none() && door.pages.is_read() {
        return Ok(None);
    }
    let Some(reading) = door.pages.readings.of(door, at)? else { return Ok(None) };
    let mut ended = reading.has_ended.subscribe();
    let end = ended.wait_for(|has_ended| *has_ended);
    let in_time = match within {
        None => end.await.is_ok(),
        Some(within) => timeout(within, end).await.is_ok(),
    };
    if in_time {
        door.pages.readings.remove(&reading);
        return Ok(None);
    }
    // A moment of the past needs its own records first, and then those up to the present.
    let own = reading.far.told();
    Ok(Some(if at.is_some() && (own.0 < own.1 || own.1 == 0) { own } else { door.pages.far() }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use oikos_runner::{
        Helm, Speed, Stop, Why, Workplace,
        config::{self, Overrides},
        library,
    };

    use super::*;
    use crate::{
        door::DoorSetup,
        limits::Limits,
        tokens::{TokenFile, Tokens},
    };

    const WORLD: &str = "[world]\nname = \"w\"\n[[agents]]\nid = \"ann\"\nmind = \"external\"\nscrip = 5\n";

    /// A door of a world that stands, and its server until the test is over.
    fn with_door(test: impl AsyncFnOnce(Arc<Door>)) {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("w.oikos");
        let mut no_files = |_: &str| Err("there is none".to_owned());
        let file =
            config::parse("w.toml", WORLD.into(), &mut no_files, &Overrides::default(), library::founders())
                .unwrap();
        let workplace = Workplace::default();
        let mut live = workplace.open_or_found(file, &db).unwrap();
        let helm = Helm::new(Speed::MAX, true);
        let setup = DoorSetup {
            tokens: Tokens::of(TokenFile::of(Path::new(&db))),
            limits: Limits::default(),
            hosts: Vec::new(),
            workplace,
        };
        let door = Door::new(&mut live, helm.clone(), setup);
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let served = scope.spawn(|| live.serve(&helm, &stop).unwrap());
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(test(door));
            stop.ask(Why::Steered);
            served.join().unwrap();
        });
    }

    #[test]
    fn who_waits_is_told_how_far_it_is_and_then_it_is_there() {
        with_door(async |door| {
            let zero = Some(Duration::ZERO);
            for at in [None, Some(When::Seq(1))] {
                // While somebody holds what is to be read, the reading is under way.
                let held = door.pages.hold();
                for _ in 0..3 {
                    assert!(read_within(&door, at, zero).await.unwrap().is_some(), "{at:?}");
                }
                assert_eq!(door.pages.readings.0.lock().unwrap().len(), 1, "one reading for three who ask");
                drop(held);
                assert_eq!(read_within(&door, at, None).await.unwrap(), None, "{at:?}");
                assert!(door.pages.is_read());
                assert_eq!(door.pages.far().0, door.pages.far().1);
                assert_eq!(door.pages.readings.0.lock().unwrap().len(), 0, "{at:?}");
            }
            assert_eq!(read_within(&door, None, zero).await.unwrap(), None, "the present stays at hand");
        });
    }

    #[test]
    fn a_reading_that_fails_is_told_of_by_the_page() {
        with_door(async |door| {
            let at = Some(When::Seq(999));
            let begun = door.pages.readings.of(&door, at).unwrap().unwrap();
            begun.has_ended.subscribe().wait_for(|ended| *ended).await.unwrap();
            assert_eq!(read_within(&door, at, Some(Duration::ZERO)).await.unwrap(), None);
            assert!(door.pages.readings.0.lock().unwrap().is_empty());
        });
    }

    #[test]
    fn moments_are_read_a_few_at_once() {
        with_door(async |door| {
            let held = door.pages.hold();
            let zero = Some(Duration::ZERO);
            for seq in 0..READINGS_MAX as u64 {
                // The first record is at each of these moments.
                let at = Some(When::After(seq as i64 + 1));
                assert!(read_within(&door, at, zero).await.unwrap().is_some());
            }
            assert!(read_within(&door, Some(When::Tick(7)), zero).await.is_err());
            drop(held);
        });
    }
}
