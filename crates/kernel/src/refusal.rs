//! Refusals: outcomes that an agent reads and can act on. A refusal is data, never a fault.

use serde::{Deserialize, Serialize};

use crate::{
    id::{Handle, IdError},
    limits,
    resource::ResourceId,
};

/// The stable codes of `DESIGN.md §16.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is the code itself")]
pub enum Code {
    NotFound,
    AlreadyExists,
    InvalidArgument,
    InvalidCode,
    PermissionDenied,
    InsufficientScrip,
    InsufficientResource,
    QuotaExceeded,
    RateLimited,
    BudgetExhausted,
    CodeError,
    CodeTimeout,
    MemoryExceeded,
    DepthExceeded,
    LimitExceeded,
    WorkerDied,
    Conflict,
    Unsupported,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::NotFound,
        Self::AlreadyExists,
        Self::InvalidArgument,
        Self::InvalidCode,
        Self::PermissionDenied,
        Self::InsufficientScrip,
        Self::InsufficientResource,
        Self::QuotaExceeded,
        Self::RateLimited,
        Self::BudgetExhausted,
        Self::CodeError,
        Self::CodeTimeout,
        Self::MemoryExceeded,
        Self::DepthExceeded,
        Self::LimitExceeded,
        Self::WorkerDied,
        Self::Conflict,
        Self::Unsupported,
    ];

    /// The code as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidCode => "invalid_code",
            Self::PermissionDenied => "permission_denied",
            Self::InsufficientScrip => "insufficient_scrip",
            Self::InsufficientResource => "insufficient_resource",
            Self::QuotaExceeded => "quota_exceeded",
            Self::RateLimited => "rate_limited",
            Self::BudgetExhausted => "budget_exhausted",
            Self::CodeError => "code_error",
            Self::CodeTimeout => "code_timeout",
            Self::MemoryExceeded => "memory_exceeded",
            Self::DepthExceeded => "depth_exceeded",
            Self::LimitExceeded => "limit_exceeded",
            Self::WorkerDied => "worker_died",
            Self::Conflict => "conflict",
            Self::Unsupported => "unsupported",
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The places in code at which something failed, as Python reports them. Few refusals have them, so they stand apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traceback(pub String);

/// Why an op was refused or failed: a stable code, a sentence, the numbers, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// A lower-case sentence without a full stop, on one line; names in backticks.
    pub message: String,
    /// The places in code at which it happened, as Python reports them, where code failed.
    pub traceback: Option<Box<Traceback>>,
    /// Whether code failed otherwise than by an exception that it raised itself, or let through.
    pub is_crash: bool,
    /// The amount it would have taken, in base units.
    pub need: Option<i64>,
    /// The amount there was, in base units.
    pub have: Option<i64>,
    /// The next thing to try.
    pub hint: Option<String>,
    /// Which op of a list failed, counted from 0.
    pub index: Option<u32>,
    /// The principal and the resource that fell short, if that is the reason.
    pub lack: Option<Lack>,
    /// Whether a bound of the payer's own (`max_spend`, `max_resources`) or of the whole action is the reason.
    pub bound: bool,
    /// The principal whose affairs it tells, where they may be private, and the words for those who may not
    /// know them.
    pub about: Option<Box<About>>,
}

/// A refusal tells how much somebody has or may spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The principal.
    pub who: Handle,
    /// The sentence without amounts.
    pub sentence: String,
    /// The hint without amounts.
    pub hint: Option<String>,
}

/// A principal has not enough of a resource to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// The principal whose use it would have been.
    pub principal: Handle,
    /// Of what.
    pub resource: ResourceId,
}

impl Refusal {
    /// A refusal with a sentence and no numbers.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            traceback: None,
            is_crash: false,
            need: None,
            have: None,
            hint: None,
            index: None,
            lack: None,
            bound: false,
            about: None,
        }
    }

    /// A field that is missing, of a wrong type or out of range.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// Something that is larger or more than a limit allows: the sentence, the size and the limit.
    pub fn beyond_limit(message: impl Into<String>, need: usize, most: usize) -> Self {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self::new(Code::LimitExceeded, message).numbers(number(need), number(most))
    }

    /// Cuts the sentence and the hint to what a record holds of them.
    #[must_use]
    pub(crate) fn shortened(mut self) -> Self {
        self.shorten(limits::MESSAGE_BYTES_MAX, limits::HINT_BYTES_MAX, limits::TRACEBACK_BYTES_MAX);
        self
    }

    /// Cuts all its sentences and hints, those for who may not know the amounts too, and the beginning of the
    /// traceback; a hint or a traceback of no bytes is none.
    pub(crate) fn shorten(&mut self, message_bytes: usize, hint_bytes: usize, traceback_bytes: usize) {
        self.traceback = self.traceback.take().filter(|_| traceback_bytes > 0);
        if let Some(traceback) = &mut self.traceback {
            shorten_front(&mut traceback.0, traceback_bytes);
        }
        let about = self.about.as_deref_mut().map(|about| (&mut about.sentence, &mut about.hint));
        for (sentence, hint) in std::iter::once((&mut self.message, &mut self.hint)).chain(about) {
            shorten(sentence, message_bytes);
            *hint = hint.take().filter(|_| hint_bytes > 0);
            if let Some(hint) = hint {
                shorten(hint, hint_bytes);
            }
        }
    }

    /// Adds the two numbers that decided.
    #[must_use]
    pub fn numbers(mut self, need: i64, have: i64) -> Self {
        self.need = Some(need);
        self.have = Some(have);
        self
    }

    /// Says whose affairs it tells, and the words for those who may not know them.
    #[must_use]
    pub fn about(mut self, who: Handle, sentence: impl Into<String>, hint: Option<String>) -> Self {
        self.about = Some(Box::new(About { who, sentence: sentence.into(), hint }));
        self
    }

    /// The refusal for a reader: without amounts, unless `knows` says that the reader may know the affairs of
    /// the principal it is about.
    #[must_use]
    pub fn as_told(&self, knows: impl Fn(Handle) -> bool) -> Self {
        let Some(about) = self.about.as_deref().filter(|about| !knows(about.who)) else {
            return self.clone();
        };
        Self {
            message: about.sentence.clone(),
            // Its last line has the amounts.
            traceback: None,
            hint: about.hint.clone(),
            need: None,
            have: None,
            ..self.clone()
        }
    }

    /// Adds the places in code.
    #[must_use]
    pub(crate) fn at(mut self, traceback: Option<String>) -> Self {
        self.traceback = traceback.map(|traceback| Box::new(Traceback(traceback)));
        self
    }

    /// The places in code, as text.
    #[must_use]
    pub fn traceback(&self) -> Option<&str> {
        self.traceback.as_deref().map(|traceback| traceback.0.as_str())
    }

    /// All there is to tell of what happened: the traceback, which ends with the message of what failed, or the
    /// sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        self.traceback().unwrap_or(&self.message)
    }

    /// Adds what to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The text of the exception that code sees: the code first, then the sentence and the hint.
    #[must_use]
    pub fn exception_text(&self) -> String {
        let mut text = format!("{}: {}", self.code, self.message);
        if let (Some(need), Some(have)) = (self.need, self.have) {
            text.push_str(&format!(" (need {need}, have {have})"));
        }
        if let Some(hint) = &self.hint {
            text.push_str("; ");
            text.push_str(hint);
        }
        text
    }

    /// The `error` object of a receipt.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut map = serde_json::Map::new();
        map.insert("code".into(), self.code.as_str().into());
        map.insert("message".into(), self.message.clone().into());
        if let Some(traceback) = self.traceback() {
            map.insert("traceback".into(), traceback.into());
        }
        if let Some(need) = self.need {
            map.insert("need".into(), need.into());
        }
        if let Some(have) = self.have {
            map.insert("have".into(), have.into());
        }
        if let Some(hint) = &self.hint {
            map.insert("hint".into(), hint.clone().into());
        }
        if let Some(index) = self.index {
            map.insert("index".into(), index.into());
        }
        serde_json::Value::Object(map)
    }
}

/// Cuts a text to so many bytes, and says so at its end.
fn shorten(text: &mut String, bytes_max: usize) {
    const MARK: &str = " …";
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
}

/// Cuts the beginning of a text of many lines, and says so in its place.
fn shorten_front(text: &mut String, bytes_max: usize) {
    const MARK: &str = "…\n";
    if text.len() > bytes_max {
        let from = text.ceil_char_boundary(text.len() - bytes_max.saturating_sub(MARK.len()));
        text.replace_range(..from, MARK);
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.exception_text())
    }
}

impl From<IdError> for Refusal {
    fn from(error: IdError) -> Self {
        Self::invalid(error.0)
    }
}
