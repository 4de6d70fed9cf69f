//! The money of a sweep: each run is given a share of the rest before it begins, so that runs at the same time never
//! spend more together than there is.

/// The money, in micro-dollars.
#[derive(Debug)]
pub(crate) struct Money {
    most: u64,
    spent: u64,
    /// The sum that runs under way may spend.
    held: u64,
}

/// A share of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Micro-dollars.
    pub(crate) most: u64,
    /// Whether it is all there is.
    pub(crate) is_all: bool,
}

impl Money {
    pub(crate) fn new(most: u64, spent: u64) -> Self {
        Self { most, spent, held: 0 }
    }

    /// A share for one of so many who would take one now; none where there is nothing left to share.
    pub(crate) fn take(&mut self, takers: usize) -> Option<Share> {
        let rest = self.most.saturating_sub(self.spent).saturating_sub(self.held);
        let share = rest / u64::try_from(takers.max(1)).unwrap_or(u64::MAX);
        let share = if share == 0 { rest } else { share };
        let is_all = self.held == 0 && share == rest;
        self.held += share;
        (share > 0).then_some(Share { most: share, is_all })
    }

    /// Gives a share back, of which so much was spent.
    pub(crate) fn give_back(&mut self, share: Share, spent: u64) {
        self.held = self.held.saturating_sub(share.most);
        self.spent = self.spent.saturating_add(spent);
    }

    /// Whether runs under way may give something back.
    pub(crate) const fn is_held(&self) -> bool {
        self.held > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Money, Share};

    #[test]
    fn shares_are_never_more_than_there_is() {
        let mut money = Money::new(100, 10);
        let first = money.take(2).unwrap();
        let second = money.take(1).unwrap();
        assert_eq!((first, second), (Share { most: 45, is_all: false }, Share { most: 45, is_all: false }));
        assert_eq!(money.take(1), None);
        assert!(money.is_held());
        money.give_back(first, 5);
        assert_eq!(money.take(1), Some(Share { most: 40, is_all: false }));
        money.give_back(second, 45);
        money.give_back(Share { most: 40, is_all: false }, 0);
        assert!(!money.is_held());
        // Less than there are takers is one's.
        assert_eq!(Money::new(2, 0).take(3), Some(Share { most: 2, is_all: true }));
        assert_eq!(money.take(1), Some(Share { most: 40, is_all: true }));
    }
}
