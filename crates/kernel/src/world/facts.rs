//! Facts that the kernel counts: of each artifact its use, of each principal its dealings.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{id::Handle, limits::FACT_PAIR_BYTES, pages::Pages, time::Time};

/// All that is counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// By artifact, as far as one was used.
    pub(super) services: Pages<Service>,
    /// By account, as far as one dealt.
    pub(super) dealings: Pages<Dealings>,
    /// By artifact and customer.
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    pub(super) customers: OrdMap<(Handle, Handle), Custom>,
    /// The pairs of principals that dealt with each other, the lower number first.
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    pub(super) partners: OrdMap<(Handle, Handle), ()>,
}

/// The use of an artifact.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) invocations: u64,
    pub(super) failures: u64,
    pub(super) customers: u32,
    pub(super) revenue: i64,
    pub(super) first: Option<Time>,
    pub(super) last: Option<Time>,
}

/// The dealings of a principal.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Dealings {
    pub(super) earned: i64,
    pub(super) spent: i64,
    pub(super) invocations: u64,
    pub(super) sales: u64,
    pub(super) counterparties: u32,
}

/// A customer of an artifact.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Custom {
    /// The highest price that it paid at once.
    pub(super) best: i64,
    /// The owner with whom it dealt last.
    pub(super) owner: Handle,
}

const _: () = {
    let pair = size_of::<(Handle, Handle)>();
    assert!(2 * pair + size_of::<Custom>() <= FACT_PAIR_BYTES);
};

/// The row of a number; the table is as long as it needs to be.
#[expect(clippy::expect_used, reason = "the row was added just before")]
pub(super) fn row<T: Clone + Default>(rows: &mut Pages<T>, at: usize) -> &mut T {
    while rows.len() <= at {
        rows.push(T::default());
    }
    rows.get_mut(at).expect("a row up to which the table was filled")
}
