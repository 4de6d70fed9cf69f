//! Ids of artifacts, one namespace with one grammar, and the numbers that stand for them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits;

/// The beginnings of ids that only the founding of a world may use: of the library and of its manual.
const RESERVED_PREFIXES: [&str; 2] = ["genesis_", "handbook_"];

/// The reserved beginning of an id, if it has one.
#[must_use]
pub fn reserved_prefix(id: &str) -> Option<&'static str> {
    RESERVED_PREFIXES.into_iter().find(|prefix| id.starts_with(prefix))
}

/// An artifact's dense number: artifacts are numbered from 0 as they are created, and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle(pub u32);

impl Handle {
    /// Nobody: the actor of an event without one.
    pub const NOBODY: Self = Self(u32::MAX);
}

/// A well-formed id; whether such an artifact exists is another question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

/// Why a text is no id, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(pub String);

impl Id {
    /// Checks the grammar: 1 to 128 of `[A-Za-z0-9_.:-]`, beginning with a letter or digit.
    ///
    /// # Errors
    /// A sentence that names the problem.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError("an id can't be empty".into()));
        }
        let chars = text.chars().count();
        if chars > limits::ID_CHARS_MAX {
            return Err(IdError(format!(
                "an id of {chars} characters is too long; the most is {}",
                limits::ID_CHARS_MAX
            )));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
            return Err(IdError(format!("an id can't hold {bad:?}; use letters, digits and `_ . : -`")));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(IdError(format!("id `{text}` must begin with a letter or digit")));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text.
    #[must_use]
    pub fn shared(&self) -> &Arc<str> {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The candidate nearest to `word`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
