//! How many worlds a house holds, and which of them have something to do: sums over what the database says.

use oikos_runner::{Motion, Stands, kernel::time::Time};

/// How long before a world is due it is loaded, in milliseconds.
pub(super) const LEAD_MS: i64 = 2_000;

/// How many of so many worlds a house is to hold that takes `ours` at most, beside the others that live; `shares` has
/// all of them, this one among them. Those that take fewer than others leave the rest to them.
pub(super) fn aim(worlds: usize, shares: &[Option<usize>], ours: Option<usize>) -> usize {
    let bound = |share: &Option<usize>| share.unwrap_or(usize::MAX);
    let mut bounds: Vec<usize> = shares.iter().map(bound).collect();
    bounds.sort_unstable();
    let (mut left, mut houses) = (worlds, bounds.len().max(1));
    let mut most = left;
    for bound in bounds {
        most = left.div_ceil(houses);
        if bound >= most {
            break;
        }
        left -= bound;
        houses = houses.saturating_sub(1).max(1);
    }
    most.min(bound(&ours))
}

/// Whether a world that is not loaded has something to do by now; one of which nothing is known may have.
pub(super) fn has_to_do(stands: Option<&Stands>, now: Option<Time>) -> bool {
    let Some(stands) = stands else { return true };
    if stands.motion != Motion::Running.word() {
        return false;
    }
    match (stands.due, now) {
        (Some(due), Some(now)) => due.ms().saturating_sub(now.ms()) <= LEAD_MS,
        (None, _) | (_, None) => true,
    }
}

/// Up to when such a world had nothing to do: without end where it stands.
pub(super) fn asleep_until(stands: Option<&Stands>, now: Option<Time>) -> Option<Time> {
    let stands = stands?;
    if stands.motion == Motion::Running.word() { stands.due } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn houses_share_fairly() {
        for (worlds, shares, aims) in [
            (0, &[None][..], &[0][..]),
            (200, &[None], &[200]),
            (200, &[None, None], &[100, 100]),
            (3, &[None, None], &[2, 2]),
            (200, &[Some(10), None], &[10, 190]),
            (200, &[None, Some(10), Some(60)], &[130, 10, 60]),
            (200, &[Some(10), Some(20)], &[10, 20]),
            (10, &[Some(100), None], &[5, 5]),
            (9, &[Some(2), None, None], &[2, 4, 4]),
            (1, &[None, None, None], &[1, 1, 1]),
        ] {
            let told: Vec<usize> = shares.iter().map(|ours| aim(worlds, shares, *ours)).collect();
            assert_eq!(told, aims, "{worlds} {shares:?}");
        }
        // A house that is not told of yet.
        assert_eq!(aim(7, &[], None), 7);
    }

    #[test]
    fn worlds_are_loaded_in_time() {
        let time = |ms| Time::from_ms(1_800_000_000_000 + ms);
        let stands = |motion: Motion, due| Stands { motion: motion.word().into(), speed: None, due };
        for (stands, to_do, asleep) in [
            (None, true, None),
            (Some(stands(Motion::Running, None)), true, None),
            (Some(stands(Motion::Running, time(60_000))), false, time(60_000)),
            (Some(stands(Motion::Running, time(LEAD_MS))), true, time(LEAD_MS)),
            (Some(stands(Motion::Running, time(-1))), true, time(-1)),
            (Some(stands(Motion::Paused, None)), false, time(0)),
            (Some(stands(Motion::Ended, None)), false, time(0)),
            (Some(stands(Motion::Waiting, None)), false, time(0)),
            (Some(stands(Motion::Halted, None)), false, time(0)),
        ] {
            assert_eq!(has_to_do(stands.as_ref(), time(0)), to_do, "{stands:?}");
            assert_eq!(asleep_until(stands.as_ref(), time(0)), asleep, "{stands:?}");
        }
    }
}
