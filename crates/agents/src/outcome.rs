//! The outcomes of a request: an answer, or a failure of one of the kinds that there are.

use std::time::Duration;

pub use oikos_kernel::tape::FailureKind;

/// Bytes of a failure's sentence: enough for a reason, too little for a request.
const SENTENCE_BYTES_MAX: usize = 400;

/// Tokens as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request, those in the cache among them.
    pub tokens_in: u64,
    /// Tokens of the request that the provider had in its cache.
    pub tokens_cached: u64,
    /// Tokens of the answer, those of thinking among them.
    pub tokens_out: u64,
}

/// The tokens of an attempt that a provider bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billed {
    /// None: it was turned down before a model saw it.
    Nothing,
    /// Those that the provider counted.
    Counted(Usage),
    /// The provider did not say: it counts as the worst case.
    Unknown,
}

/// The end of an answer, as the provider tells it; it may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The model had nothing more to say.
    End,
    /// It was cut at the most tokens.
    Length,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The model's text, never empty.
    pub text: String,
    /// How it ended.
    pub stop: Stop,
    /// Its bill.
    pub billed: Billed,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// A short sentence for people; it holds no key.
    pub sentence: String,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Its bill.
    pub billed: Billed,
    /// Whether it would be the same for everybody, so that a run stops: the key, the model or the provider is wrong.
    pub is_fatal: bool,
}

/// A request's outcome.
pub type Outcome = Result<Answer, Failure>;

impl Failure {
    /// A failure that was not billed; its sentence is cut to what a reason takes.
    pub fn new(kind: FailureKind, sentence: impl AsRef<str>) -> Self {
        Self {
            kind,
            sentence: cut(sentence.as_ref(), SENTENCE_BYTES_MAX),
            retry_after: None,
            billed: Billed::Nothing,
            is_fatal: kind == FailureKind::Auth,
        }
    }

    /// The same, of an attempt whose bill nobody knows.
    #[must_use]
    pub fn maybe_billed(mut self) -> Self {
        self.billed = Billed::Unknown;
        self
    }

    /// The same, as one that everybody would meet.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.is_fatal = true;
        self
    }

    /// Whether another attempt may do better, and costs nothing twice.
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        let may_pass = match self.kind {
            FailureKind::RateLimited | FailureKind::Timeout | FailureKind::Server | FailureKind::Network => {
                true
            }
            FailureKind::Auth | FailureKind::Refused | FailureKind::Length | FailureKind::Invalid => false,
        };
        may_pass && !self.is_fatal && self.billed == Billed::Nothing
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.sentence)
    }
}

/// The first bytes of a text on one line, with a mark where it was cut.
#[must_use]
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > bytes_max {
            line.truncate(line.floor_char_boundary(bytes_max));
            line.push_str(" …");
            break;
        }
    }
    line
}
