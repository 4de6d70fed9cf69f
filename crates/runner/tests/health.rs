//! Agents that get nowhere are told of under both schedulers, in the same words after a stop in the middle.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::path::Path;

use oikos_runner::{Journal, Live, Stop, session::respond};
use serde_json::{Value, json};

use self::door::world_file;

/// One of each kind, and one that does well.
const AGENTS: &str = r#"
[resources.fuel]
kind = "depletable"
total = 1
split = { poor = 1 }
[costs]
delete = { fuel = 5 }
[[agents]]
id = "idle"
code = "def step(o): return None"
[[agents]]
id = "lost"
scrip = 100
code = """
def step(o):
    if o['step'] == 0:
        return {'op': 'transfer', 'to': 'well', 'amount': 1}
    return {'op': 'read', 'artifact': 'lost_' + str(o['step'])}
"""
[[agents]]
id = "mute"
code = "def step(o): return 'hello'"
[[agents]]
id = "poor"
code = "def step(o): return {'op': 'delete', 'artifact': 'poor'}"
[[agents]]
id = "client"
mind = "external"
[[agents]]
id = "well"
scrip = 500
code = "def step(o): return {'op': 'transfer', 'to': 'lost', 'amount': 1}"
"#;

const TICK: &str = "[execution]\nmode = \"tick\"\nticks = 40\n";
const AUTONOMOUS: &str = "[execution]\nmode = \"autonomous\"\nduration = \"40s\"\npace = \"1s\"\n";

fn ask(live: &mut Live, request: &Value) -> Value {
    let line = respond(live, request.to_string().as_bytes(), &Stop::default()).expect("no fault");
    serde_json::from_str(&line).expect("JSON")
}

/// Runs 40 turns, with a client that decides nothing; where `db` is given the world is shut after each of its turns.
fn run(mode: &str, db: Option<&Path>) -> Live {
    let file = world_file(format!("{mode}{AGENTS}"));
    let mut live =
        Live::found(file, || db.map_or_else(Journal::in_memory, Journal::create)).expect("it is founded");
    let span = || if mode == TICK { json!({ "ticks": 2 }) } else { json!({ "for": "2s" }) };
    for _ in 0..40 {
        let ran = ask(&mut live, &json!({ "run": span() }));
        assert_eq!(ran.get("stopped"), Some(&json!("turns")), "{ran}");
        ask(&mut live, &json!({ "decide": { "as": "client", "ops": null } }));
        if let Some(db) = db.filter(|_| mode != TICK) {
            drop(live);
            live = Live::open(Journal::open(db).expect("it opens")).expect("it goes on");
        }
    }
    live.sequencer.commit().expect("it is on disk");
    live
}

fn told(live: &mut Live) -> Vec<String> {
    let told = ask(live, &json!({ "query": { "what": "events", "type": "health" } }));
    let rows = told.get("result").and_then(Value::as_array).unwrap().iter();
    let mut said: Vec<String> = rows
        .map(|row| {
            let text = |field| row.get(field).and_then(Value::as_str);
            format!("{}: {}", text("actor").unwrap_or("the run"), text("detail").unwrap())
        })
        .collect();
    said.sort();
    said
}

#[test]
fn both_schedulers_tell_of_each_agent_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let starved = "no step for 20";
    for (mode, unit) in [(TICK, "m"), (AUTONOMOUS, "s")] {
        let mut live = run(mode, None);
        let likely = "its ids may be wrong";
        let expected = [
            "client: silent: its first 10 steps had no effect; its mind decides to do nothing".into(),
            "idle: silent: its first 10 steps had no effect; its mind decides to do nothing".into(),
            format!(
                "lost: refused: 12 of its last 16 actions were refused, the last by `not_found`: {likely}"
            ),
            format!("lost: repeating: the same refusal 5 times: `not_found`; {likely}"),
            "mute: malformed: 3 answers in a row were no actions; its mind may not know the form, or be too \
             weak for it"
                .into(),
            format!(
                "poor: starved: {starved}{unit} for want of `fuel`; it does not come back unless somebody gives some"
            ),
        ];
        assert_eq!(told(&mut live), expected, "{mode}");
        let tallies: Vec<u32> = live.world().health().iter().map(|tally| tally.agents).collect();
        assert_eq!(tallies, [2, 1, 1, 1, 1]);
        live.world().audit().expect("the books");
        // A world that was shut again and again says the same.
        let mut again = run(mode, Some(&folder.path().join(unit)));
        assert_eq!(told(&mut again), expected, "{mode}");
        assert_eq!(again.world().digest(), live.world().digest(), "{mode}");
        let read = ask(&mut again, &json!({ "verify": true }));
        assert_eq!(read["result"]["ok"], true, "{read}");
    }
}

#[test]
fn a_run_in_which_nothing_has_an_effect_is_told_of() {
    for (mode, span) in [(TICK, "10 ticks"), (AUTONOMOUS, "10s")] {
        let text =
            format!("{mode}[[agents]]\nid = \"idle\"\ncount = 3\ncode = \"def step(o): return None\"\n");
        let mut live = Live::found(world_file(text), Journal::in_memory).expect("it is founded");
        let goal = live.goal().expect("a goal");
        live.run_until(goal, &Stop::default(), |_, _| ()).expect("no fault");
        let said = told(&mut live);
        let runs = format!(
            "the run: silent: nothing had an effect in the first {span}; `oikos log --refused` shows what was tried"
        );
        assert_eq!(said.iter().filter(|line| **line == runs).count(), 1, "{said:?}");
        assert_eq!(said.len(), 4);
    }
}
