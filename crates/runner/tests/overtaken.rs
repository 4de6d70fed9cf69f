//! Thoughts that were overtaken: by a stop, by an action from outside, by a change of the mind itself.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;
mod records;

use oikos_runner::{
    Journal, Live, Mind, Signal, Stop, Stopped, Why,
    kernel::{
        record::{Cause, Handle},
        time::Time,
        world::World,
    },
};
use serde_json::{Value, json};

use self::{
    door::{workplace, world_file},
    records::records,
};

/// Why these worlds are asked to stop.
const WHY: Why = Why::Signal(Signal::Terminate);

const WORLD: &str = r#"
[execution]
ticks = 3

[resources.cpu]
kind = "renewable"
rate = "3us"
window = "10m"

[costs]
noop = { cpu = 1 }

[[agents]]
id = "ann"
code = "def step(observation): return None"

[[agents]]
id = "bob"
code = "def step(observation): return None"
"#;

/// Does nothing, and asks to stop at its first thought.
struct Stops(Stop, bool);

impl Mind for Stops {
    fn step(&mut self, _: &World, _: Handle, _: Time, _: u64) -> Value {
        if !std::mem::replace(&mut self.1, true) {
            self.0.ask(WHY);
        }
        json!({ "op": "noop" })
    }
}

fn found(world: &str) -> Live {
    workplace().found(world_file(world), Journal::in_memory).expect("the world is founded")
}

#[test]
fn who_has_spent_meanwhile_what_its_thought_takes_is_short_of_it() {
    let mut live = found(WORLD);
    let stop = Stop::default();
    live.sequencer.set_mind(Box::new(Stops(stop.clone(), false)));
    let stopped = live.run_until(live.goal().expect("a goal"), &stop, |_, _| ()).expect("it runs");
    assert_eq!(stopped, Stopped::Asked(WHY));
    // Ann has thought, and not acted yet; now she spends all the three microseconds that she has.
    let noop = json!({ "op": "noop" });
    let receipt = live.sequencer.act("ann", json!([noop, noop, noop])).expect("no fault");
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    let stopped =
        live.run_until(live.goal().expect("a goal"), &Stop::default(), |_, _| ()).expect("it goes on");
    assert!(stopped.is_done());
    let records = records(&mut live);
    let ann = live.world().lookup("ann").expect("she is there");
    let turns = |short: bool| {
        let of_ann = records.iter().filter(|record| match record.cause {
            Cause::Short { agent, .. } => agent == ann && short,
            Cause::Step { agent, .. } => agent == ann && !short,
            _ => false,
        });
        of_ann.count()
    };
    assert_eq!((turns(false), turns(true)), (0, 1), "she waits until her window has passed");
}

/// In every tick somebody changes what x is, and for thirty ticks somebody pays it.
const CHANGED: &str = r#"
[execution]
ticks = 40

[[agents]]
id = "x"
access_contract = "genesis_contract_public"
code = """
def step(observation):
    paid = [event for event in observation['events'] if event['type'] == 'transfer']
    return [{'op': 'store', 'key': str(event['seq']), 'value': 1} for event in paid]
"""

[[agents]]
id = "editor"
code = "def step(observation): return {'op': 'write', 'artifact': 'x', 'content': observation['tick']}"

[[agents]]
id = "payer"
scrip = 100
code = """
def step(observation):
    return {'op': 'transfer', 'to': 'x', 'amount': 1} if observation['tick'] < 30 else None
"""
"#;

#[test]
fn a_mind_that_was_changed_while_it_thought_sees_the_same_events_again() {
    let mut live = found(CHANGED);
    live.run_until(live.goal().expect("a goal"), &Stop::default(), |_, _| ()).expect("it runs");
    let records = records(&mut live);
    let x = live.world().lookup("x").expect("it is there");
    let void = records.iter().filter(|record| {
        matches!(record.cause, Cause::Step { agent, .. } if agent == x) && !record.outcome.is_ok()
    });
    let void = void.count();
    assert!((5..35).contains(&void), "{void} of 40 steps were void");
    let paid = records.iter().filter(|record| record.events.iter().any(|event| event.to == Some(x)));
    let mut paid: Vec<String> = paid.map(|record| record.seq.to_string()).collect();
    paid.sort();
    let seen: Vec<String> =
        live.world().get(x).expect("it is there").storage().map(|(key, _)| key.to_owned()).collect();
    assert_eq!(seen, paid);
}
