//! Resources: their places, kinds and rules.

use serde::{Deserialize, Serialize};

/// The name of money where a resource is named.
pub const SCRIP: &str = "scrip";

/// A resource's place in a world's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(pub u16);

impl ResourceId {
    /// `cpu`, in microseconds.
    pub const CPU: Self = Self(0);
    /// `memory`, in bytes.
    pub const MEMORY: Self = Self(1);
    /// `disk`, in bytes.
    pub const DISK: Self = Self(2);
    /// Micro-dollars for language models, in worlds that name it.
    pub const LLM_BUDGET: &'static str = "llm_budget";
    /// Tokens of language models, those asked and those answered, in worlds that name it.
    pub const LLM_TOKENS: &'static str = "llm_tokens";
    /// Questions to language models, in worlds that name it.
    pub const LLM_CALLS: &'static str = "llm_calls";
    /// The names that every world has, in the order of their ids.
    pub const BUILT_IN: [&'static str; 3] = ["cpu", "memory", "disk"];
}

/// How a resource is scarce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A rate per window.
    Renewable {
        /// The window, in milliseconds, at least 1.
        window_ms: i64,
    },
    /// A balance that only falls by use.
    Depletable,
    /// A quota that is in use or free.
    Allocatable,
    /// Metered and reported; limits nobody.
    Metered,
}

impl ResourceKind {
    /// The word for it in queries and world files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renewable { .. } => "renewable",
            Self::Depletable => "depletable",
            Self::Allocatable => "allocatable",
            Self::Metered => "metered",
        }
    }
}

/// One resource of a world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRule {
    /// Its name, such as `cpu` or `actions`.
    pub name: String,
    /// How it is scarce.
    pub kind: ResourceKind,
}
