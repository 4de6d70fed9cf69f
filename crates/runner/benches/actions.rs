//! Whole actions through the sequencer, from JSON to receipt, with the real interpreter and journal.
//!
//! In memory nothing is written; durable, every thousand actions share a commit that is on disk
//! before the next thousand begins.

#![expect(clippy::expect_used, reason = "a benchmark that can't be set up has nothing to say")]

use divan::{Bencher, counter::ItemsCount};
use oikos_runner::{Journal, Live, config, library};
use serde_json::{Value, json};

// As in the binary: a quick allocator, and the memory limit of code is counted.
use mimalloc as _;
const ACTIONS: usize = 1_000;

const WORLD: &str = r#"
[world]
name = "bench"

[scrip]
start = 1000000

[[agents]]
id = "alice"
code = "def step(observation):\n    return None\n"

[[agents]]
id = "bob"
code = "def step(observation):\n    return None\n"

[[artifacts]]
id = "increment"
owner = "bob"
code = "def run(x):\n    return x + 1\n"

[[artifacts]]
id = "rule"
owner = "bob"
code = """
def check_permission(caller, action, target, context, ledger):
    return {"allowed": ledger.get_scrip(caller) > 0, "reason": "who has scrip may"}
"""

[[artifacts]]
id = "guarded"
owner = "bob"
access_contract = "rule"
content = "hello"
"#;

fn main() {
    let work = || divan::main();
    // Code is parsed on this thread.
    let thread = std::thread::Builder::new().spawn(work);
    thread.expect("a thread").join().expect("no panic");
}

fn live(db: Option<&std::path::Path>) -> Live {
    let mut no_files = |name: &str| Err(format!("there is no {name}"));
    let overrides = config::Overrides::default();
    let file = config::parse("bench.toml", WORLD.into(), &mut no_files, &overrides, library::founders());
    let file = file.expect("the world file is fine");
    match db {
        Some(db) => Live::found(file, || Journal::create(db)),
        None => Live::found(file, Journal::in_memory),
    }
    .expect("the world is founded")
}

fn actions(live: &mut Live, actions: Vec<Value>) {
    for action in actions {
        let receipt = live.sequencer.act("alice", action).expect("no fault");
        assert!(receipt.outcome.is_ok(), "{:?}", receipt.outcome);
    }
    live.sequencer.commit().expect("no fault");
}

fn bench(bencher: Bencher<'_, '_>, action: Value) {
    let mut live = live(None);
    measure(bencher, &mut live, &action);
}

/// The actions are there before the clock starts, as a session's are when its lines have been read.
fn measure(bencher: Bencher<'_, '_>, live: &mut Live, action: &Value) {
    let inputs = || vec![action.clone(); ACTIONS];
    let bencher = bencher.counter(ItemsCount::new(ACTIONS)).with_inputs(inputs);
    bencher.bench_local_values(|inputs| actions(live, inputs));
}

#[divan::bench]
fn noop(bencher: Bencher<'_, '_>) {
    bench(bencher, json!({ "op": "noop" }));
}

#[divan::bench]
fn transfer(bencher: Bencher<'_, '_>) {
    bench(bencher, json!({ "op": "transfer", "to": "bob", "amount": 1 }));
}

#[divan::bench]
fn invoke_of_x_plus_1(bencher: Bencher<'_, '_>) {
    bench(bencher, json!({ "op": "invoke", "artifact": "increment", "args": [1] }));
}

#[divan::bench]
fn read_under_a_custom_contract(bencher: Bencher<'_, '_>) {
    bench(bencher, json!({ "op": "read", "artifact": "guarded" }));
}

#[divan::bench]
fn durable_transfer(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut live = live(Some(&folder.path().join("bench.oikos")));
    let action = json!({ "op": "transfer", "to": "bob", "amount": 1 });
    measure(bencher, &mut live, &action);
}
