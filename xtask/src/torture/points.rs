//! The points at which harm is done, and which of them are tried.

use super::{
    Extent,
    check::Asked,
    log::{Call, Entry},
    power::{Chance, Disk, Found},
    shim::{EIO, ENOSPC},
};

/// The most points of one kind of one scenario that are tried if not all are asked for.
const USUAL_MAX: usize = 250;
/// How many states by chance are tried at each cut.
const CHANCES: u64 = 4;

/// One harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Killed at a call that changes a file; `torn` if half of it is done.
    Kill { at: u64, torn: bool },
    /// A call fails; with a full disk all that follow and need room fail too.
    Fail { at: u64, error: u32 },
    /// The power is cut after so many calls.
    Cut { after: usize, found: Found },
}

impl std::fmt::Display for Point {
    /// As the command line has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kill { at, torn } => write!(f, "--kill {at}{}", if *torn { " --torn" } else { "" }),
            Self::Fail { at, error } => {
                write!(f, "--fail {at} --errno {}", if *error == ENOSPC { "ENOSPC" } else { "EIO" })
            }
            Self::Cut { after, found } => write!(f, "--cut {after} --found {found}"),
        }
    }
}

impl Point {
    /// How the promises are asked: not always in the same way, but the same way for the same point.
    pub(crate) fn asked(self) -> Asked {
        let number = match self {
            Self::Kill { at, .. } | Self::Fail { at, .. } => at,
            Self::Cut { after, found } => {
                let more = if let Found::Chance(seed) = found { seed } else { 0 };
                u64::try_from(after).unwrap_or(0).wrapping_add(more)
            }
        };
        let killed_again = number.is_multiple_of(3).then(|| {
            let mut chance = Chance(number);
            u64::try_from(chance.below(60)).unwrap_or(0) + 1
        });
        Asked { reader_first: number.is_multiple_of(2), killed_again }
    }

    /// The call at which it happens.
    pub(crate) fn place(self, entries: &[Entry]) -> String {
        let entry = match self {
            Self::Kill { at, .. } | Self::Fail { at, .. } => entries.iter().find(|entry| entry.number == at),
            Self::Cut { after, .. } => entries.get(after),
        };
        entry.map_or_else(|| "the end".to_owned(), Entry::text)
    }
}

/// The points that are tried.
pub(crate) fn choose(entries: &[Entry], calls: u64, sample: usize, extent: Extent) -> Vec<Point> {
    let most = match extent {
        Extent::Short => sample,
        Extent::Usual => USUAL_MAX,
        Extent::Full => usize::MAX,
    };
    let writes = |at: u64| entries.iter().any(|entry| entry.number == at && entry.call == Call::Write);
    let kills = (1..=calls).flat_map(|at| {
        let torn = (extent != Extent::Short || at.is_multiple_of(2)) && writes(at);
        let whole = !torn || extent != Extent::Short;
        [whole.then_some(Point::Kill { at, torn: false }), torn.then_some(Point::Kill { at, torn: true })]
    });
    let fails = |error| (1..=calls).map(move |at| Point::Fail { at, error });
    let half = most.div_ceil(2);
    let mut points = some(kills.flatten().collect(), most);
    points.extend(some(fails(EIO).collect(), half));
    points.extend(some(fails(ENOSPC).collect(), half));
    points.extend(some(cuts(entries, extent), most));
    points
}

/// The states that may be found when the power is cut just before a sync, when the most is unsure, or just
/// after something was printed, when the most was promised; and at the end.
fn cuts(entries: &[Entry], extent: Extent) -> Vec<Point> {
    let mut points = Vec::new();
    let mut disk = Disk::default();
    for (at, entry) in entries.iter().enumerate() {
        if entry.call == Call::Sync {
            let pending = disk.pending();
            let mut states = vec![Found::Nothing, Found::All, Found::Names, Found::Data];
            if extent == Extent::Short {
                states.push(Found::Chance(1));
            } else {
                states.extend((0..pending).flat_map(|change| [Found::Only(change), Found::But(change)]));
                states.extend((0..CHANCES).map(Found::Chance));
            }
            points.extend(states.into_iter().map(|found| Point::Cut { after: at, found }));
        }
        disk.take(entry);
        if entry.call == Call::Output {
            points.extend([Found::Nothing, Found::Data].map(|found| Point::Cut { after: at + 1, found }));
        }
    }
    points.push(Point::Cut { after: entries.len(), found: Found::Nothing });
    points
}

/// At most so many of the points, from all over them; the first and the last are among them.
fn some(points: Vec<Point>, most: usize) -> Vec<Point> {
    let (whole, most) = (points.len(), most.max(2));
    if whole <= most {
        return points;
    }
    let chosen = (0..most).map(|at| at * (whole - 1) / (most - 1));
    chosen.filter_map(|at| points.get(at).copied()).collect()
}

/// How many there are of each kind, in words.
pub(crate) fn count(points: &[Point]) -> String {
    let of = |wanted: fn(&Point) -> bool| points.iter().filter(|point| wanted(point)).count();
    format!(
        "{} kills, {} errors, {} times a full disk, {} power cuts",
        of(|point| matches!(point, Point::Kill { .. })),
        of(|point| matches!(point, Point::Fail { error: EIO, .. })),
        of(|point| matches!(point, Point::Fail { error: ENOSPC, .. })),
        of(|point| matches!(point, Point::Cut { .. })),
    )
}
