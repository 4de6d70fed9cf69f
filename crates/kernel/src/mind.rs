//! Kinds of minds: an agent's stands in its content, under `mind`, so that those who may write the agent
//! may change it.

use serde_json::Value;

use crate::{
    id::nearest,
    refusal::{Code, Refusal},
    words::words,
};

words! {
    /// The kind of mind that decides for an agent.
    MindKind {
        /// The artifact's own `step(observation)`; the kind of an artifact that names none.
        Script = "script",
        /// A prompt and a language model.
        Llm = "llm",
        /// A client.
        External = "external",
    }
}

impl MindKind {
    /// The kind that an agent's content names.
    ///
    /// # Errors
    /// `invalid_argument` when its `mind` is no mind, naming the field.
    pub fn of(content: &Value) -> Result<Self, Refusal> {
        let Some(mind) = content.as_object().and_then(|content| content.get("mind")) else {
            return Ok(Self::Script);
        };
        let Some(mind) = mind.as_object() else {
            let refusal = Refusal::invalid("`content`: `mind` must be an object with a `kind`");
            return Err(refusal.hint("leave `mind` out for an agent that decides by its `step`"));
        };
        let kinds = Self::WORDS.join(", ");
        let Some(kind) = mind.get("kind").and_then(Value::as_str) else {
            return Err(Refusal::invalid(format!("`content`: `mind.kind` must be one of {kinds}")));
        };
        Self::from_word(kind).ok_or_else(|| {
            let shown: String = kind.chars().take(64).collect();
            let refusal =
                Refusal::invalid(format!("`content`: `mind.kind` can't be {shown:?}; it is one of {kinds}"));
            match nearest(kind, Self::WORDS.iter().copied()) {
                Some(near) => refusal.hint(format!("did you mean `{near}`?")),
                None => refusal,
            }
        })
    }

    /// Refuses the content of an agent whose mind can't be had.
    ///
    /// # Errors
    /// As [`Self::of`]; `unsupported` for the kinds that this version lacks.
    pub fn check(content: &Value) -> Result<(), Refusal> {
        match Self::of(content)? {
            Self::Script => Ok(()),
            kind @ (Self::Llm | Self::External) => {
                let sentence = format!("`content`: this version has no `{}` minds", kind.as_str());
                Err(Refusal::new(Code::Unsupported, sentence).hint("an agent's own `step` decides for it"))
            }
        }
    }
}
