//! First readings of a past: a long one takes its time, so it goes on by itself, once however many ask for it, and
//! those who look by a browser are told meanwhile how far it is.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use oikos_runner::kernel::refusal::{Code, Refusal};
use tokio::{sync::watch, time::timeout};

use crate::problem::Problem;

/// Readings that are under way at once; more are refused.
const READINGS_MAX: usize = 8;

/// The readings that are under way, of things of one kind.
#[derive(Debug)]
pub(crate) struct Readings<K>(Mutex<Vec<Arc<Reading<K>>>>);

impl<K> Default for Readings<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The reading of all that pages about one thing need.
#[derive(Debug)]
struct Reading<K> {
    /// The thing.
    of: K,
    far: Arc<Far>,
    /// Whether it has ended, and whether it came to its end then.
    ended: watch::Sender<Option<bool>>,
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

impl<K> Reading<K> {
    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }
}

impl<K: Clone + PartialEq + Send + Sync + 'static> Readings<K> {
    /// The reading of a thing, which is begun by `read` if it is not under way. There is none where one has just
    /// failed: the page itself says why, so that nobody waits for it again and again.
    fn of<F>(
        self: &Arc<Self>,
        key: &K,
        read: impl FnOnce(Arc<Far>) -> F,
    ) -> Result<Option<Arc<Reading<K>>>, Problem>
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let mut all = self.all();
        if let Some(found) = all.iter().find(|one| one.of == *key).map(Arc::clone) {
            if found.has_ended() {
                all.retain(|one| one.of != *key);
                return Ok(None);
            }
            return Ok(Some(found));
        }
        all.retain(|one| !one.has_ended());
        if all.len() >= READINGS_MAX {
            let sentence = format!("{READINGS_MAX} pages of this kind are being read for already");
            return Err(Problem::busy(Refusal::new(Code::RateLimited, sentence)));
        }
        let reading =
            Arc::new(Reading { of: key.clone(), far: Arc::default(), ended: watch::Sender::new(None) });
        all.push(Arc::clone(&reading));
        let (this, going, read) = (Arc::clone(self), Arc::clone(&reading), read(Arc::clone(&reading.far)));
        // It goes on though nobody may wait for it any more.
        tokio::spawn(async move {
            let is_read = read.await;
            if is_read {
                this.remove(&going);
            }
            going.ended.send_replace(Some(is_read));
        });
        Ok(Some(reading))
    }

    /// Waits until a thing is read by `read`, or so long. Then it says how far that is.
    pub(crate) async fn within<F>(
        self: &Arc<Self>,
        key: &K,
        within: Option<Duration>,
        read: impl FnOnce(Arc<Far>) -> F,
    ) -> Result<Option<Arc<Far>>, Problem>
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let Some(reading) = self.of(key, read)? else { return Ok(None) };
        let mut ended = reading.ended.subscribe();
        let end = ended.wait_for(Option::is_some);
        let is_in_time = match within {
            None => end.await.is_ok(),
            Some(within) => timeout(within, end).await.is_ok(),
        };
        if is_in_time {
            self.remove(&reading);
            return Ok(None);
        }
        Ok(Some(Arc::clone(&reading.far)))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Reading<K>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, reading: &Arc<Reading<K>>) {
        self.all().retain(|one| !Arc::ptr_eq(one, reading));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use oikos_runner::When;

    use super::*;

    /// Readings that end when they are told how.
    #[derive(Default)]
    struct Told {
        readings: Arc<Readings<Option<When>>>,
        begun: AtomicUsize,
        end: watch::Sender<Option<bool>>,
    }

    impl Told {
        async fn ask(
            &self,
            at: Option<When>,
            within: Option<Duration>,
        ) -> Result<Option<(u64, u64)>, Problem> {
            let mut end = self.end.subscribe();
            let read = |far: Arc<Far>| {
                self.begun.fetch_add(1, Ordering::SeqCst);
                far.tell(3, 10);
                async move { end.wait_for(Option::is_some).await.is_ok_and(|end| *end == Some(true)) }
            };
            Ok(self.readings.within(&at, within, read).await?.map(|far| far.told()))
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn all_who_ask_wait_for_one_reading_and_are_told_how_far_it_is() {
        run(async {
            for at in [None, Some(When::Seq(7))] {
                let told = Told::default();
                for _ in 0..3 {
                    assert_eq!(told.ask(at, Some(Duration::ZERO)).await.unwrap(), Some((3, 10)));
                }
                let ends = async { told.end.send_replace(Some(true)) };
                let (first, second, _) = tokio::join!(told.ask(at, None), told.ask(at, None), ends);
                assert_eq!((first.unwrap(), second.unwrap()), (None, None));
                assert_eq!(told.begun(), 1);
                assert!(told.readings.all().is_empty());
            }
        });
    }

    #[test]
    fn one_that_failed_is_not_read_again_before_somebody_was_told() {
        run(async {
            let told = Told::default();
            assert!(told.ask(None, Some(Duration::ZERO)).await.unwrap().is_some());
            let reading = told.readings.all().first().map(Arc::clone).unwrap();
            told.end.send_replace(Some(false));
            assert!(reading.ended.subscribe().wait_for(Option::is_some).await.is_ok());
            assert_eq!(told.ask(None, Some(Duration::ZERO)).await.unwrap(), None, "the page says why");
            assert_eq!(told.begun(), 1);
            told.end.send_replace(None);
            assert!(
                told.ask(None, Some(Duration::ZERO)).await.unwrap().is_some(),
                "and then it is tried anew"
            );
            assert_eq!(told.begun(), 2);
        });
    }

    #[test]
    fn a_few_moments_are_read_at_once() {
        run(async {
            let told = Told::default();
            for seq in 0..READINGS_MAX as u64 {
                assert!(told.ask(Some(When::Seq(seq)), Some(Duration::ZERO)).await.unwrap().is_some());
            }
            assert!(told.ask(None, Some(Duration::ZERO)).await.is_err());
            assert!(told.ask(Some(When::Seq(0)), Some(Duration::ZERO)).await.is_ok(), "it is under way");
            told.end.send_replace(Some(true));
            assert_eq!(told.ask(Some(When::Seq(0)), None).await.unwrap(), None);
        });
    }
}
