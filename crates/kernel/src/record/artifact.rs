//! Artifacts as records make and change them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{id::Handle, json::Json, words::words};

words! {
    /// The bearer of the cost of an artifact's code.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    Pays {
        /// The artifact itself; it needs standing.
        #[serde(rename = "self")]
        Itself = "self",
        /// The one who pays for its caller.
        Caller = "caller",
    }
}

/// A value of a new artifact. Those that are alike in a founding share it, so that a million agents with one
/// mind take the room of one mind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shared<T> {
    /// The value.
    Own(T),
    /// The same as that of an earlier artifact, which is as it was created.
    As(Handle),
}

/// A new artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of DESIGN.md §4")]
pub struct Creation {
    pub id: String,
    pub kind: String,
    pub content: Shared<Json>,
    pub code: Option<Shared<Arc<str>>>,
    /// Whether the code defines `check_permission`, so that it can be a contract.
    pub decides: bool,
    pub interface: Shared<Json>,
    pub owner: Handle,
    pub creator: Handle,
    pub access_contract: Handle,
    pub price: i64,
    pub pays: Pays,
    pub has_standing: bool,
    pub has_loop: bool,
    pub memory_artifact: Option<Handle>,
    pub depends_on: Vec<Handle>,
    pub metadata: Shared<Json>,
    /// Null where there is none.
    pub policy: Json,
}

/// New values of the fields of an artifact; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of DESIGN.md §4")]
pub struct Change {
    pub content: Option<Json>,
    /// `Some(None)` removes the code.
    pub code: Option<Option<String>>,
    /// Whether the new code, if there is one, defines `check_permission`.
    pub decides: bool,
    pub interface: Option<Json>,
    pub access_contract: Option<Handle>,
    pub price: Option<i64>,
    pub pays: Option<Pays>,
    /// `Some(None)` unlinks the memory.
    pub memory_artifact: Option<Option<Handle>>,
    pub depends_on: Option<Vec<Handle>>,
    pub metadata: Option<Json>,
    pub policy: Option<Json>,
}
