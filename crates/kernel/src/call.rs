//! Calls of language models by code (`design/MINDS.md §4a`), and their answers. Code waits for them as for any call of
//! the host: the kernel asks what a call may take at most, sees that somebody can bear it, and asks for the answer.

use std::sync::Arc;

use serde_json::Value;

use crate::{json::Json, tape::FailureKind};

/// A call of a language model by code. Two that are equal ask the very same.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmCall {
    /// The id of the artifact whose code calls, or of the principal whose snippet does.
    pub by: Arc<str>,
    /// The model, as `PROVIDER::MODEL`.
    pub model: String,
    /// The prompt, at most [`crate::limits::PROMPT_BYTES_MAX`] bytes.
    pub prompt: String,
    /// The schema that the answer is to fit, where it is to be JSON.
    pub schema: Option<Json>,
    /// The most tokens of the answer, from 1 to [`crate::limits::OUTPUT_TOKENS_MAX`].
    pub max_output_tokens: u32,
}

/// The use of one call of a language model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LlmUse {
    /// Calls: 1, or none where the call was charged before.
    pub calls: u64,
    /// Tokens of the request and of the answer.
    pub tokens: u64,
    /// Micro-dollars.
    pub cost: u64,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmTold {
    /// A text, or the JSON where the call has a schema; or why there is none.
    pub outcome: Result<Value, LlmFailure>,
    /// The use that is charged for it.
    pub used: LlmUse,
}

/// A call to which no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmFailure {
    /// The kind.
    pub kind: FailureKind,
    /// A lower-case sentence.
    pub sentence: String,
}

impl std::fmt::Display for LlmFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "llm {}: {}", self.kind, self.sentence)
    }
}
