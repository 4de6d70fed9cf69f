//! Other worlds beside the one that is served: its kin in its own folder, each read for a page as far as the two are
//! compared, and kept for the next who asks. A request names one of a list, and never a path.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oikos_runner::{Journal, Kin, When, Workplace, aligned, compare_at, kin};
use oikos_views::{Beside, Unshown};

use crate::readings::{Far, Readings};

/// Comparisons that are kept.
const KEPT_MAX: usize = 4;
/// How long a comparison with the present stands for it at least, however far the worlds have gone on.
const FRESH: Duration = Duration::from_secs(10);
/// So many times as long as it took to make, it stands at least: readers who load the page anew take a bounded share
/// of this machine.
const FRESH_TIMES: u32 = 10;

/// The comparison that is asked for: at a moment, or none for the present, with the world of a name.
pub(crate) type Asked = (Option<When>, String);

/// The comparisons that were made.
#[derive(Debug, Default)]
pub(crate) struct Besides {
    kept: Mutex<VecDeque<Kept>>,
    pub(crate) readings: Arc<Readings<Asked>>,
}

#[derive(Clone, Debug)]
struct Kept {
    of: Asked,
    /// The records after which the two were compared, and the hash of the other's journal there.
    ends: (u64, u64),
    hash: [u8; 32],
    made: Instant,
    took: Duration,
    beside: Arc<Beside>,
}

impl Kept {
    /// Whether it stands for the present still.
    fn is_fresh(&self) -> bool {
        self.made.elapsed() < FRESH.max(self.took.saturating_mul(FRESH_TIMES))
    }
}

impl Besides {
    /// A comparison that stands for the one that is asked for, if it was made lately.
    pub(crate) fn fresh(&self, asked: &Asked) -> Option<Arc<Beside>> {
        let kept = self.kept();
        kept.iter().find(|one| one.of == *asked && one.is_fresh()).map(|one| Arc::clone(&one.beside))
    }

    /// The comparison of this world, as it is after a record, with another; it is made if it is not there.
    pub(crate) fn of(
        &self,
        workplace: &Workplace,
        (journal, seq): (&Journal, u64),
        asked: &Asked,
        far: &Far,
    ) -> Result<Arc<Beside>, Unshown> {
        let begun = Instant::now();
        let Kin { file, name, shared, .. } = found(journal, &asked.1)?;
        let other = Journal::open_read_only(&file)?;
        let ends = aligned(journal, seq, (&other, shared))?;
        let hash = other.row_hash(ends.1)?;
        let is_it = |one: &&mut Kept| one.of.1 == name && one.ends == ends && one.hash == hash;
        if let Some(one) = self.kept().iter_mut().find(is_it) {
            (one.of, one.made) = (asked.clone(), begun);
            return Ok(Arc::clone(&one.beside));
        }
        let tell = |read, of| far.tell(read, of);
        let comparison = compare_at(workplace, (journal, ends.0), (&other, ends.1), tell)?;
        // A name is no descent: another world may have had it.
        if comparison.common < shared.min(ends.0).min(ends.1) {
            let sentence =
                format!("`{name}` is named as kin of this world, and their records part too early");
            return Err(Unshown::NotFound(sentence));
        }
        let beside = Arc::new(Beside::of(name, &other, comparison)?);
        let took = begun.elapsed();
        let made =
            Kept { of: asked.clone(), ends, hash, made: begun + took, took, beside: Arc::clone(&beside) };
        let mut kept = self.kept();
        kept.retain(|one| one.of != *asked);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(made);
        Ok(beside)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kin of that name.
fn found(journal: &Journal, name: &str) -> Result<Kin, Unshown> {
    let found = kin(journal)?.into_iter().find(|kin| kin.name == name);
    found.ok_or_else(|| {
        let shown: String = name.chars().take(64).collect();
        Unshown::NotFound(format!("no world beside this one that is its kin is named `{shown}`"))
    })
}
