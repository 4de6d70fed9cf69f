//! A tick that was cut short goes on where it was, whatever has happened meanwhile.

use oikos_runner::{
    Journal, Live, Mind, Stop, Stopped,
    config::{self, Overrides},
    kernel::{
        record::{Cause, Handle, Record},
        time::Time,
        world::World,
    },
    library, verify,
};
use serde_json::{Value, json};

const WORLD: &str = r#"
[execution]
ticks = 3

[resources.cpu]
kind = "renewable"
rate = "3us"
window = "10m"

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
            self.0.ask();
        }
        json!({ "op": "noop" })
    }
}

#[test]
fn who_has_spent_meanwhile_what_its_thought_takes_is_short_of_it() {
    let mut no_files = |_: &str| Err("there is none".to_owned());
    let file =
        config::parse("w.toml", WORLD.into(), &mut no_files, &Overrides::default(), library::founders())
            .unwrap_or_else(|error| panic!("{error:?}"));
    let mut live = Live::found(file, Journal::in_memory).expect("the world is founded");
    let stop = Stop::default();
    live.sequencer.set_mind(Box::new(Stops(stop.clone(), false)));
    let stopped = live.run_until(live.goal(), &stop, |_, _| ()).expect("it runs");
    assert_eq!(stopped, Stopped::Interrupted);
    // Ann has thought, and not acted yet; now she spends all the three microseconds that she has.
    let snippet = json!({ "op": "run", "code": "None" });
    let receipt = live.sequencer.act("ann", json!([snippet, snippet, snippet])).expect("no fault");
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    let stopped = live.run_until(live.goal(), &Stop::default(), |_, _| ()).expect("it goes on");
    assert_eq!(stopped, Stopped::Done);
    let mut records: Vec<Record> = Vec::new();
    let journal = live.sequencer.journal().expect("no fault");
    verify(journal, |_| ()).expect("the journal verifies");
    let read = journal.records(1, |record| {
        records.push(record);
        Ok::<(), oikos_runner::JournalError>(())
    });
    read.expect("the journal is read");
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
    live.world().audit().expect("the books add up");
}
