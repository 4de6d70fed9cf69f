//! Independent loops through the binary: they end anywhere, and go on where they were.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    collections::BTreeMap,
    process::Child,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::small::{Small, hashes, oikos, run, signal_to, talk};

/// Agents that trade, nap, wait for payments, fail, and run short of what they need.
const WORLD: &str = r#"
[world]
name = "small"
seed = 5

[execution]
mode     = "autonomous"
duration = "40m"
pace     = "300ms"

[scrip]
start = 50

[resources.cpu]
kind   = "renewable"
rate   = "300us"
window = "10s"

[resources.actions]
kind   = "renewable"
rate   = 20
window = "30s"

[costs]
"*" = { actions = 1 }

[measures]
gini = "gini(scrip)"

[[agents]]
id = "agent"
count = 12
code_file = "mind.py"
"#;

const MIND: &str = "
def step(observation):
    this = observation['self']
    turn = int(random() * 6)
    if turn == 0:
        return {'op': 'sleep', 'event': 'transfer', 'filter': {'to': this['id']}, 'for': '20s'}
    if turn == 1:
        return [{'op': 'store', 'key': 'seen', 'value': len(observation['events'])}, {'op': 'sleep', 'for': '1500ms'}]
    if turn == 2:
        return {'op': 'sleep', 'resource': 'actions', 'level': 15, 'for': '1m'}
    if turn == 3:
        return {'op': 'transfer', 'to': 'agent_003', 'amount': 1000}
    if turn == 4 and observation['step'] % 7 == 0:
        raise ValueError('a bad day')
    other = query('agents', sample=1)[0]['id']
    return {'op': 'transfer', 'to': other, 'amount': 1 + int(random() * 4)}
";

/// The lines of a log.
fn log(small: &Small, db: &str, more: &[&str]) -> Vec<Value> {
    let path = small.path(db);
    let output = oikos(["log", path.to_str().expect("UTF-8"), "--json"].iter().chain(more));
    assert!(output.status.success(), "{}", talk(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn loops_that_were_killed_end_as_if_they_had_not_been() {
    let small = Small::of(WORLD, MIND);
    let whole = small.run("whole.oikos", &[]);
    assert_eq!(whole, small.run("again.oikos", &[]), "the same seed gives the same world");
    let records = whole["seq"].as_u64().expect("a number");
    assert!(records > 4_000, "{whole}");
    let kinds: Vec<String> = log(&small, "whole.oikos", &[])
        .iter()
        .map(|line| line["type"].as_str().expect("a type").into())
        .collect();
    for kind in ["wake", "sleep", "block", "unblock", "exhausted", "mind_error", "transfer", "store"] {
        assert!(kinds.iter().any(|one| one == kind), "nothing tells of {kind}");
    }
    for round in 0..5_u64 {
        let db = format!("killed_{round}.oikos");
        for enough in [round * records / 6, round * records / 6 + records / 12] {
            let mut child = small.start(&db, &[]);
            small.wait(&mut child, &db, enough);
            child.kill().expect("it is ours");
            child.wait().expect("a child");
        }
        let left = small.records(&db);
        assert_eq!(whole, small.run(&db, &[]), "round {round}, killed with {left} records on disk");
        assert!(small.verify(&db).status.success());
    }
    // Shorter first, then on: the same.
    let short = small.run("two.oikos", &["--set", "execution.duration=17m"]);
    assert_ne!(hashes(&short), hashes(&whole));
    assert_eq!(whole, small.run("two.oikos", &[]));
    let shorter = small.try_run("two.oikos", &["--set", "execution.duration=17m"]);
    assert_eq!(shorter.status.code(), Some(2));
    assert!(talk(&shorter).contains("only a longer one goes on with a world"), "{}", talk(&shorter));
}

#[test]
fn a_run_tells_its_events_as_the_log_does() {
    let small = Small::of(WORLD, MIND);
    let told = |db: &str, more: &[&str]| {
        let (file, path) = (small.file(), small.path(db));
        let path = path.to_str().expect("UTF-8");
        let output = oikos(["run", &file, "--db", path, "--json"].iter().chain(more));
        assert!(output.status.success(), "{}", talk(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.pop().expect("a report")["ok"], Value::Bool(true));
        lines
    };
    // In two goes: each tells what happens in it.
    let mut events = told("told.oikos", &["--events", "--set", "execution.duration=15m"]);
    events.extend(told("told.oikos", &["--events"]));
    let logged: Vec<Value> =
        log(&small, "told.oikos", &[]).into_iter().filter(|line| line["error"].is_null()).collect();
    assert!(events.len() > 4_000 && events == logged, "{} and {}", events.len(), logged.len());
    for kind in ["sleep", "transfer"] {
        let (db, events) = (format!("{kind}.oikos"), format!("--events={kind}"));
        let told = told(&db, &[&events]);
        let logged = log(&small, &db, &["--type", kind]);
        assert!(told.len() > 100 && told == logged, "{kind}: {} and {}", told.len(), logged.len());
        // A refusal is a line of its own, of no event's type and with nothing that is null.
        let refused = log(&small, &db, &["--refused", "--type", kind]);
        assert_eq!(refused.is_empty(), kind == "sleep", "{kind}");
        for line in &refused {
            assert_eq!((&line["type"], &line["op"]), (&"refused".into(), &kind.into()), "{line}");
            let fields = line.as_object().expect("an object");
            assert!(fields.contains_key("error") && !fields.values().any(Value::is_null), "{line}");
        }
    }
    // A place after the last record, before the first, or that no record could have: none of it is a fault.
    let all = log(&small, "sleep.oikos", &[]).len();
    for (since, lines) in [
        ("18446744073709551615", 0),
        ("9223372036854775808", 0),
        ("9223372036854775807", 0),
        ("99999999999999999999999999", 0),
        ("0", all),
        ("-5", all),
        ("-99999999999999999999999999", all),
    ] {
        assert_eq!(log(&small, "sleep.oikos", &["--since", since]).len(), lines, "{since}");
    }
    for since in ["", "x", "1.5", "1e3", "0x10", "-", "NaN"] {
        let path = small.path("sleep.oikos");
        let output = oikos(["log", path.to_str().expect("UTF-8"), "--since", since]);
        assert_eq!(output.status.code(), Some(2), "{since}: {}", talk(&output));
    }
}

#[cfg(unix)]
#[test]
fn loops_that_were_interrupted_go_on() {
    let small = Small::of(WORLD, MIND);
    let more = ["--set", "execution.duration=4h"];
    let whole = small.run("whole.oikos", &more);
    for (signal, enough) in [("INT", 3_000), ("TERM", 9_000)] {
        let db = format!("{signal}.oikos");
        let mut child = small.start(&db, &more);
        small.wait(&mut child, &db, enough);
        signal_to(&child, signal);
        let asked = Instant::now();
        let output = child.wait_with_output().expect("a child");
        // An action under way may take what code may take at most.
        assert!(asked.elapsed() < Duration::from_secs(60), "it took {:?}", asked.elapsed());
        let report: Value = serde_json::from_slice(&output.stdout).expect("it still reports");
        assert_eq!(report["finished"], Value::Bool(false), "{report}");
        // Every loop is accounted for.
        let states = report["agents"].as_object().expect("states").values();
        assert_eq!(states.map(|count| count.as_u64().expect("a number")).sum::<u64>(), 12, "{report}");
        assert_eq!(whole, small.run(&db, &more), "{signal}");
    }
}

/// On the wall clock: one pays every 50 ms, eight wait for that, four nap.
const WALL: &str = r#"
[world]
name  = "wall"
clock = "wall"

[execution]
mode     = "autonomous"
duration = "6s"

[[agents]]
id = "payer"
scrip = 10000
code = """
def step(observation):
    pays = [{'op': 'transfer', 'to': f'waiter_{n:03}', 'amount': 1} for n in range(1, 9)]
    return pays + [{'op': 'sleep', 'for': '50ms'}]
"""

[[agents]]
id = "waiter"
count = 8
code_file = "mind.py"

[[agents]]
id = "napper"
count = 4
code = """
def step(observation):
    return {'op': 'sleep', 'for': '700ms'}
"""
"#;

const WAITER: &str = "
def step(observation):
    me = observation['self']['id']
    seen = [{'op': 'store', 'key': 'seen' + str(e['seq']), 'value': 1} for e in observation['events']]
    return seen + [{'op': 'sleep', 'event': 'transfer', 'filter': {'to': me}}]
";

#[cfg(unix)]
#[test]
fn on_the_wall_clock_too_nothing_is_lost_and_nothing_comes_twice() {
    let small = Small::of(WALL, WAITER);
    let db = "wall.oikos";
    for (signal, enough) in [("KILL", 60), ("INT", 180), ("KILL", 300), ("TERM", 400)] {
        let mut child = small.start(db, &[]);
        small.wait(&mut child, db, enough);
        signal_to(&child, signal);
        let status = child.wait().expect("a child");
        let code = match signal {
            "INT" => Some(130),
            "TERM" => Some(143),
            _ => None,
        };
        assert_eq!(status.code(), code, "{signal}");
    }
    let report = run(&small.file(), &small.path(db), &[]);
    assert_eq!(report["finished"], Value::Bool(true));
    assert!(small.verify(db).status.success());
    let lines = log(&small, db, &[]);
    let of = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let time = |line: &Value| {
        let text = of(line, "time");
        let seconds: f64 = text[17..text.len() - 1].parse().expect("seconds");
        seconds + 60.0 * text[14..16].parse::<f64>().expect("minutes")
    };
    // Each nap lasts 700 ms or, across a kill, longer; never less.
    let mut since: BTreeMap<String, f64> = BTreeMap::new();
    for line in lines.iter().filter(|line| of(line, "actor").starts_with("napper")) {
        match of(line, "type").as_str() {
            "sleep" => drop(since.insert(of(line, "actor"), time(line))),
            "wake" => {
                let slept = (time(line) - since[&of(line, "actor")]).rem_euclid(3_600.0);
                assert!((0.699..6.0).contains(&slept), "{slept}: {line}");
            }
            _ => {}
        }
    }
    assert_eq!(since.len(), 4, "all of them nap");
    // An agent that waits for payments sees each of them in exactly one step, those of the last moment apart.
    for waiter in (1..=8).map(|number| format!("waiter_{number:03}")) {
        let all = |kind: &'static str, who: &'static str| {
            lines
                .iter()
                .filter(|line| of(line, "type") == kind && of(line, who) == waiter)
                .collect::<Vec<_>>()
        };
        let paid: Vec<u64> =
            all("transfer", "to").iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
        let detail = |line: &&Value| of(line, "detail").trim_start_matches("seen").parse::<u64>();
        let mut seen: Vec<u64> =
            all("store", "actor").iter().map(|line| detail(line).expect("a number")).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "{waiter} was told twice");
        assert!(
            paid.len() > 20 && paid.len() - seen.len() <= 1,
            "{waiter}: {} of {}",
            seen.len(),
            paid.len()
        );
        assert_eq!(paid[..seen.len()], seen[..], "{waiter}");
    }
}

/// A loop that thinks for long, and quick ones, on the wall clock.
const SLOW: &str = "[world]\nname = 'small'\nclock = 'wall'\n[execution]\nmode = 'autonomous'\nduration = '30s'\n\
    pace = '20ms'\n[[agents]]\nid = 'slow'\ncode = '''\ndef step(observation):\n    for number in range(8000000):\n\
    \x20       pass\n    return {'op': 'noop'}\n'''\n[[agents]]\nid = 'quick'\ncount = 2\ncode_file = 'mind.py'\n";

#[test]
fn a_thought_that_was_under_way_at_a_kill_is_had_again() {
    for (isolation, workers) in [("thread", 2), ("process", 2), ("thread", 1)] {
        let small = Small::of(SLOW, "def step(observation): return {'op': 'noop'}\n");
        let slow = || {
            let db = small.path("a.oikos");
            let output = oikos(["inspect", db.to_str().expect("UTF-8"), "agents", "--json"]);
            let agents: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let row = agents.as_array().into_iter().flatten().find(|row| row["id"] == "slow").cloned();
            row.map(|row| (row["state"] == "thinking", row["steps"].as_u64().unwrap_or(0)))
        };
        // A run that finds somebody reading in the moment in which it opens the file ends and says so.
        let run_until = |more: &[&str], what: &str, is_so: &dyn Fn((bool, u64)) -> bool| loop {
            let mut child = small.start("a.oikos", more);
            while child.try_wait().expect("a child").is_none() {
                if slow().is_some_and(is_so) {
                    return child;
                }
            }
            let output = child.wait_with_output().expect("a child");
            let says = talk(&output);
            assert!(
                says.contains("others are reading it"),
                "{isolation}, {workers}: it never {what}: {says}"
            );
        };
        // It thinks nearly all the time, so that a kill finds it at it.
        let mut left = 0;
        while left == 0 {
            let set = &["--set", "execution.workers=2"];
            let mut child: Child = run_until(set, "thinks", &|(thinks, _)| thinks);
            child.kill().expect("it is ours");
            child.wait().expect("a child");
            left = slow().filter(|(thinks, _)| *thinks).map_or(0, |(_, steps)| steps + 1);
        }
        let set = format!("execution.workers={workers}");
        let more = ["--isolation", isolation, "--set", &set];
        let mut child = run_until(&more, "steps again", &|(_, steps)| steps >= left);
        signal_to(&child, "INT");
        child.wait().expect("a child");
        assert!(small.verify("a.oikos").status.success());
    }
}
