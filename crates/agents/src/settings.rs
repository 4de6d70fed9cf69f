//! The settings of a provider (`[llm.providers.NAME]`), and those of the providers that are there undeclared.

use std::time::Duration;

use crate::{gate::Limits, pace::Rates};

/// The language that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Chat completions, which many servers speak.
    OpenAi,
    /// Messages.
    Anthropic,
    /// Generate content.
    Gemini,
}

impl Api {
    /// Every one, in order.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// The word of the world file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// The meaning of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.as_str() == word)
    }

    /// Where it is usually spoken.
    #[must_use]
    pub const fn url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1/",
            Self::Anthropic => "https://api.anthropic.com/v1/",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta/",
        }
    }

    /// The variable that usually holds its key.
    #[must_use]
    pub const fn key_env(self) -> &'static str {
        match self {
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Gemini => "GEMINI_API_KEY",
        }
    }

    /// Where on the ladder it begins. Anthropic's schemas take few optional fields, so its tools come first.
    #[must_use]
    pub const fn structured(self) -> Structured {
        match self {
            Self::OpenAi | Self::Gemini => Structured::Schema,
            Self::Anthropic => Structured::Tool,
        }
    }
}

/// The rungs of the ladder: how a provider is made to answer in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Structured {
    /// The provider holds the model to a schema.
    Schema,
    /// The provider holds the model to JSON; the schema stands in the prompt.
    Json,
    /// The answer is the call of a tool whose arguments have the schema.
    Tool,
    /// The schema stands in the prompt, and nothing else is done.
    Text,
}

impl Structured {
    /// Every rung, the highest first.
    pub const ALL: [Self; 4] = [Self::Schema, Self::Json, Self::Tool, Self::Text];

    /// The word of the world file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Json => "json",
            Self::Tool => "tool",
            Self::Text => "text",
        }
    }

    /// The meaning of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == word)
    }

    /// The rung below, on which a provider is asked that turns this one down. Anthropic has no mode for JSON alone.
    #[must_use]
    pub const fn below(self, api: Api) -> Option<Self> {
        match (self, api) {
            (Self::Schema, Api::OpenAi | Api::Gemini) => Some(Self::Json),
            (Self::Schema, Api::Anthropic) | (Self::Json, _) => Some(Self::Tool),
            (Self::Tool, _) => Some(Self::Text),
            (Self::Text, _) => None,
        }
    }
}

/// A provider, as a world file declares it. The key is handed in beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The language.
    pub api: Api,
    /// Where it is spoken.
    pub url: String,
    /// The variable that holds the key; `None`: no key is sent.
    pub key_env: Option<String>,
    /// Requests at the same time.
    pub in_flight: usize,
    /// Requests and tokens in a minute.
    pub rates: Rates,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Where on the ladder to begin.
    pub structured: Structured,
}

impl ProviderSettings {
    /// The settings of a provider that is there without being declared.
    #[must_use]
    pub fn of(api: Api) -> Self {
        Self {
            api,
            url: api.url().into(),
            key_env: Some(api.key_env().into()),
            in_flight: 4,
            rates: Rates::default(),
            timeout: Duration::from_secs(120),
            structured: api.structured(),
        }
    }

    /// The limits of its gate.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { in_flight: self.in_flight, rates: self.rates }
    }
}
