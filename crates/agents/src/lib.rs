//! Minds: what decides for an agent.
//!
//! A mind sees an observation and returns what should be done; it never acts. A `script` mind is the
//! `step(observation)` of the agent's own code, and the runner lends it an interpreter. An `llm` mind is a prompt,
//! a provider, and an answer that is one action.
//!
//! In reading order: requests and their outcomes, and the door to those who answer; one attempt over HTTP;
//! the gate that spreads, repeats and gives up.

mod request;
mod outcome;
mod provider;
mod secret;
mod pace;
mod breaker;
mod gate;
mod settings;
mod http;
pub mod fake;
mod strict;
mod decision;
mod prices;
mod budget;
mod tape;
mod asker;
mod turn;
mod prompt;

pub use self::{
    asker::{Asked, Asker, Halt, Question, Told},
    budget::{Budget, Exhausted, Held},
    decision::{Decided, Look, THINK_BYTES_MAX, Wanted, Wish, read},
    gate::{Gate, Limits},
    http::{Http, SettingsError, is_local},
    outcome::{Answer, Billed, Failure, FailureKind, Outcome, Stop, Usage},
    pace::Rates,
    prices::{PRICES_AS_OF, Place, Price, Prices, Spent, Unpriced, dollars, embedded, show_dollars},
    prompt::{DEFAULT_TEMPLATE, Rendered, Template, View},
    provider::{Later, Provider},
    request::{Message, ModelName, Request, RequestHash, Role, hash},
    secret::{Key, KeyError},
    settings::{Api, ProviderSettings, Structured},
    tape::{MemoryTape, Tape, TapeFault, TapeMode, difference},
    turn::{End, Looker, Purse, Turn, Turned},
};
use oikos_kernel::{op::Action, record::Handle, refusal::Refusal, time::Time, world::World};
use serde_json::Value;

/// A mind written in Rust, which decides for every agent of a world in the place of their code. It sees
/// the world that its agent would observe, and is charged the least that code costs.
pub trait Mind: Send {
    /// The decision of an agent: null is nothing; else one op, or a list of ops, as JSON. All chance in it
    /// must follow from `seed`, or the world can't be repeated.
    fn step(&mut self, world: &World, agent: Handle, now: Time, seed: u64) -> Value;
}

/// The decision that a mind returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// To do nothing.
    Nothing,
    /// To act.
    Act(Action),
    /// Something that is no action: the agent is told so in its next observation.
    Malformed(Refusal),
}

/// Reads what `step` returned: `None`, one op, or a list of ops that succeed or fail together.
#[must_use]
pub fn decide(returned: &Value) -> Decision {
    match returned {
        Value::Null => Decision::Nothing,
        Value::Array(ops) if ops.is_empty() => Decision::Nothing,
        other => match Action::parse(other.clone()) {
            Ok(action) => Decision::Act(action),
            Err(refusal) => Decision::Malformed(refusal),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mind_returns_nothing_one_op_or_a_list() {
        assert_eq!(decide(&Value::Null), Decision::Nothing);
        assert_eq!(decide(&json!([])), Decision::Nothing);
        assert!(matches!(decide(&json!({"op": "noop"})), Decision::Act(action) if !action.is_list));
        assert!(matches!(decide(&json!([{"op": "noop"}])), Decision::Act(action) if action.is_list));
        for bad in [json!(5), json!("noop"), json!({"op": "nop"}), json!([5])] {
            assert!(matches!(decide(&bad), Decision::Malformed(_)), "{bad}");
        }
    }
}
