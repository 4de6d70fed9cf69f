//! Minds: what decides for an agent.
//!
//! A mind sees an observation and returns what should be done; it never acts. A `script` mind is the
//! `step(observation)` of the agent's own code, and the runner lends it an interpreter. An `llm` mind is a prompt,
//! a provider, and an answer that is one action.
//!
//! It knows no journal and no scheduler, reads no environment variable and no file, and of clocks only tokio's.

// Minds that answer at once.
mod script;

// Those who answer requests.
mod request; // a request, in one form
mod outcome; // an answer, or a failure of a kind
mod provider; // the door to those who answer
pub mod fake; // one that answers by a script
mod secret; // keys
mod pace; // so many requests and tokens in a minute
mod breaker; // leaving alone what only fails
mod gate; // all limits before a provider
mod settings; // the settings of a provider
mod http; // one attempt on the wire

// The cost, and the record.
mod prices; // micro-dollars
mod budget; // sums that are not exceeded
mod tape; // answers that are there already

// From an observation to a decision.
mod prompt; // an observation as text
pub mod json; // JSON without doubt
mod decision; // the answer as an action or looks
mod form; // the answer as the JSON that code asks for
mod asker; // tape, budget, provider, tape
mod turn; // one turn: looks, a repair, a decision
mod connect; // from settings to those who can be asked

pub use self::{
    asker::{Asked, Asker, Halt, Question, Told},
    budget::{Budget, Exhausted, Held},
    connect::{connect, connect_through, reach, settings_of},
    decision::{Decided, Look, THINK_BYTES_MAX, Wanted, Wish, read_answer},
    form::{read_answer_as, schema_as_asked},
    gate::{Gate, Limits},
    http::{Http, SettingsError, is_local},
    outcome::{Answer, Billed, Failure, FailureKind, Outcome, Stop, Usage},
    pace::Rates,
    prices::{PRICES_AS_OF, Place, Price, Prices, Spent, Unpriced, dollars, embedded, show_dollars},
    prompt::{DEFAULT_TEMPLATE, Rendered, Template, View},
    provider::{Later, Provider},
    request::{Message, ModelName, Request, RequestHash, Role, Schema, hash},
    script::{Decision, Mind, decide},
    secret::{Key, KeyError},
    settings::{Api, ProviderSettings, Structured},
    tape::{MemoryTape, Tape, TapeFault, TapeMode, difference},
    turn::{End, Looker, Purse, Turn, Turned},
};
