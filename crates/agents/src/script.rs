//! Minds that answer at once: the agent's own code, or one written in Rust in its place.

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
