//! The founding of a world: what its world file says, in the kernel's terms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rules::Rules;

/// Who bears the cost of running an artifact's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pays {
    /// The artifact itself; it needs standing.
    #[serde(rename = "self")]
    Itself,
    /// Whoever pays for its caller.
    Caller,
}

impl Pays {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Itself => "self",
            Self::Caller => "caller",
        }
    }
}

/// All that a new world starts with. The native genesis contracts come before the founders by themselves.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The rules.
    pub rules: Rules,
    /// BLAKE3 of the world file with all it refers to.
    pub source: [u8; 32],
    /// The artifacts, in the order of their handles; references may point forward.
    pub founders: Vec<Founder>,
}

/// One artifact of a new world.
#[derive(Clone, Debug, PartialEq)]
pub struct Founder {
    /// Its id; here, and only here, `genesis_` is allowed.
    pub id: String,
    /// Its kind; `data` when nothing else was said.
    pub kind: String,
    /// Text or JSON.
    pub content: Value,
    /// Its code, if it can execute.
    pub code: Option<String>,
    /// MCP-style tool list; null is none.
    pub interface: Value,
    /// Its owner; `None` is itself.
    pub owner: Option<String>,
    /// Its access contract; `None` is `genesis_contract_self_owned` for agents, else `genesis_contract_freeware`.
    pub access_contract: Option<String>,
    /// Scrip per invocation.
    pub price: i64,
    /// Who bears the cost of its code; `None` is itself for agents, else the caller.
    pub pays: Option<Pays>,
    /// Whether it is a principal.
    pub has_standing: bool,
    /// Whether it acts by itself; implies standing.
    pub has_loop: bool,
    /// The artifact that is its memory.
    pub memory_artifact: Option<String>,
    /// Artifacts it builds on.
    pub depends_on: Vec<String>,
    /// Free-form JSON object, or null.
    pub metadata: Value,
    /// Scrip it starts with.
    pub scrip: i64,
    /// Balances, rates and quotas it starts with, by resource name, in base units.
    pub resources: BTreeMap<String, i64>,
}

impl Founder {
    /// A plain artifact of that id that owns nothing and does nothing.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            kind: "data".into(),
            content: Value::Null,
            code: None,
            interface: Value::Null,
            owner: None,
            access_contract: None,
            price: 0,
            pays: None,
            has_standing: false,
            has_loop: false,
            memory_artifact: None,
            depends_on: Vec::new(),
            metadata: Value::Null,
            scrip: 0,
            resources: BTreeMap::new(),
        }
    }
}

/// Why a world can't be founded: which artifact, which of its fields, and what is wrong with it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{id}`: `{field}`: {problem}")]
pub struct FoundingError {
    /// The artifact.
    pub id: String,
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
}
