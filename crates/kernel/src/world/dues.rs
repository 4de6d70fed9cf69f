//! The instants at which the library acts.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{id::Handle, time::Time};

/// The instants at which artifacts of the library are due.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dues {
    /// By artifact, as their storage says.
    #[serde(skip)]
    pub(super) named: OrdMap<Handle, Time>,
    /// Those that failed when they were due, and when they are run again.
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    pub(super) again: OrdMap<Handle, Time>,
}
