//! The verdicts that contracts let be kept.

use std::{collections::VecDeque, sync::Arc};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{id::Handle, limits, record::KeptVerdict};

/// Those of all contracts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdicts {
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    of: OrdMap<Handle, Arc<Kept>>,
}

/// Those of one contract, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    verdicts: VecDeque<KeptVerdict>,
    hits: u64,
    /// How many were ever kept: each was asked for.
    asked: u64,
}

impl Verdicts {
    pub(crate) fn of(&self, contract: Handle) -> impl Iterator<Item = &KeptVerdict> {
        self.of.get(&contract).into_iter().flat_map(|kept| kept.verdicts.iter())
    }

    pub(crate) fn keep(&mut self, contract: Handle, hits: u32, new: &[KeptVerdict]) {
        let of = Arc::make_mut(self.of.entry(contract).or_default());
        of.hits += u64::from(hits);
        of.asked += new.len() as u64;
        for verdict in new {
            let same = |old: &KeptVerdict| {
                (old.target, &old.key, old.values) == (verdict.target, &verdict.key, verdict.values)
            };
            of.verdicts.retain(|old| !same(old));
            if of.verdicts.len() >= limits::VERDICTS_KEPT_MAX {
                of.verdicts.pop_front();
            }
            of.verdicts.push_back(verdict.clone());
        }
    }

    pub(crate) fn forget(&mut self, contract: Handle) {
        self.of.remove(&contract);
    }

    /// How many verdicts of a contract were used again, and how many were kept to be.
    pub(crate) fn counts(&self, contract: Handle) -> Option<(u64, u64)> {
        self.of.get(&contract).map(|kept| (kept.hits, kept.asked))
    }

    /// Every artifact that they name.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> {
        let named = self.of.values().flat_map(|kept| kept.verdicts.iter());
        self.of.keys().copied().chain(named.flat_map(|verdict| [verdict.target, verdict.target_owner]))
    }
}
