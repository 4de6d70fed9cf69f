//! Worlds that are looked at, and tried out, as they were at a moment.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use self::small::{COMMAND, oikos, talk};

/// One who gives one scrip away in each of six ticks.
const WORLD: &str = r#"
[world]
name = "w"
[execution]
ticks = 6
tick_duration = "1h"
[measures]
least = "min(scrip)"
nobody = { of = "min(scrip)", where = "nobody" }
[[agents]]
id = "ann"
scrip = 10
code = "def step(observation):\n    return {'op': 'transfer', 'to': 'bob', 'amount': 1}"
[[agents]]
id = "bob"
scrip = 0
code = "def step(observation):\n    return None"
"#;

struct World {
    _folder: tempfile::TempDir,
    db: PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, db) = (folder.path().join("w.toml"), folder.path().join("w.oikos"));
        std::fs::write(&file, WORLD).expect("a file");
        small::run(file.to_str().expect("UTF-8"), &db, &[]);
        Self { _folder: folder, db }
    }

    fn tell(&self, command: &str, more: &[&str]) -> Output {
        oikos([&[command, self.db.to_str().expect("UTF-8"), "--json"], more].concat())
    }

    fn scrip_at(&self, at: &str) -> Result<(i64, i64), String> {
        let output = self.tell("inspect", &["balances", "--at", at]);
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(2), "{at}");
            return Err(talk(&output));
        }
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let of = |id: &str| {
            let row = rows.iter().find(|row| row["id"] == id).expect("an agent");
            row["scrip"].as_i64().expect("a number")
        };
        Ok((of("ann"), of("bob")))
    }

    /// The ticks of the transfers that the log tells.
    fn transfers(&self, more: &[&str]) -> Vec<String> {
        let output = self.tell("log", &[&["--type", "transfer"], more].concat());
        assert!(output.status.success(), "{}", talk(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.map(|line| line["time"].as_str().expect("a time")[11..13].to_owned()).collect()
    }
}

#[test]
fn every_way_to_write_a_moment_means_the_state_after_the_last_record_before_it() {
    let world = World::new();
    for (at, ann) in [
        ("0h", 9),
        ("59m", 9),
        ("1h", 8),
        ("2h 59m", 7),
        ("99h", 4),
        ("tick:0", 9),
        ("tick:2", 7),
        ("tick:5", 4),
        ("2026-01-01T00:00:00Z", 9),
        ("2026-01-01T02:30:00+01:00", 8),
        ("2030-01-01T00:00:00Z", 4),
    ] {
        assert_eq!(world.scrip_at(at), Ok((ann, 10 - ann)), "{at}");
    }
    for (at, problem) in [
        ("tick:6", "there is no tick 6"),
        ("0", "there is no record 0"),
        ("1000", "there is no record 1000"),
        ("2025-12-31T23:59:59Z", "begins at 2026"),
        ("monday", "tick:40"),
    ] {
        let told = world.scrip_at(at).expect_err(at);
        assert!(told.contains(problem), "{at}: {told}");
    }
    // Each record by its number: the sum is always there.
    for seq in 1..1_000 {
        let Ok((ann, bob)) = world.scrip_at(&seq.to_string()) else { break };
        assert!(seq < 2 || ann + bob == 10, "{seq}: {ann} {bob}");
    }
}

#[test]
fn the_log_tells_what_happened_between_two_moments() {
    let world = World::new();
    for (more, hours) in [
        (&[][..], &["00", "01", "02", "03", "04", "05"][..]),
        (&["--since", "tick:3"], &["04", "05"]),
        (&["--until", "tick:1"], &["00", "01"]),
        (&["--since", "1h", "--until", "3h"], &["02", "03"]),
        (&["--since", "tick:3", "--until", "tick:2"], &[]),
        (&["--since", "-5", "--until", "99999"], &["00", "01", "02", "03", "04", "05"]),
        (&["--since", "99999"], &[]),
        (&["--until", "0"], &[]),
    ] {
        assert_eq!(world.transfers(more), hours, "{more:?}");
    }
    let output = world.tell("log", &["--since", "tick:77"]);
    assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
}

#[test]
fn a_moment_can_be_tried_out_and_nothing_is_kept() {
    let world = World::new();
    let before = std::fs::read(&world.db).expect("a file");
    let give = |amount: i64| format!(r#"{{"op": "transfer", "to": "bob", "amount": {amount}}}"#);
    // At the end of tick 1 there are eight left, at the end of all four.
    for (at, amount, code) in [("tick:1", 8, 0), ("tick:1", 9, 1), ("99h", 4, 0), ("99h", 5, 1)] {
        let output = world.tell("act", &["--as", "ann", &give(amount), "--at", at]);
        assert_eq!(output.status.code(), Some(code), "{at} {amount}: {}", talk(&output));
    }
    let mut child = Command::new(COMMAND)
        .args(["session", "--at", "tick:1"])
        .arg(&world.db)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let lines = "{\"act\": {\"as\": \"ann\", \"op\": \"transfer\", \"to\": \"bob\", \"amount\": 7}}\n\
                 {\"run\": {\"ticks\": 3}}\n{\"query\": {\"what\": \"supply\"}}\n{\"verify\": true}\n";
    child.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("it reads all");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", talk(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers[0]["receipt"]["ok"], true, "{text}");
    assert_eq!(answers[1]["now"], "2026-01-01T05:00:00.000Z", "it goes on from there: {text}");
    assert_eq!(answers[2]["result"], 10, "{text}");
    assert_eq!(answers[3]["result"]["ok"], true, "{text}");
    assert_eq!(before, std::fs::read(&world.db).expect("a file"), "nothing is kept");
    let output = oikos(["session", "w.toml", "--at", "tick:1"]);
    assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
}

#[test]
fn a_summary_is_that_of_the_run_and_of_each_moment() {
    let world = World::new();
    let of = |more: &[&str]| -> Value {
        let output = world.tell("inspect", &[&["summary"], more].concat());
        assert!(output.status.success(), "{}", talk(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let output = oikos(["run", world.db.to_str().expect("UTF-8"), "--json"]);
    let run: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut now = of(&[]);
    let more = now.as_object_mut().expect("an object").remove("parent");
    assert_eq!(more, Some(Value::Null));
    for (key, value) in now.as_object().expect("an object") {
        assert_eq!(value, &run[key], "{key}");
    }
    assert_eq!(now["measures"], serde_json::json!({ "least": 4.0, "nobody": null }));
    let then = of(&["--at", "tick:1"]);
    assert_eq!((&then["measures"]["least"], &then["ticks"]), (&2.0.into(), &2.into()));
    assert_eq!((&then["supply"], &then["journal_hash"]), (&10.into(), &Value::Null));
}

#[test]
fn programs_are_told_how_far_a_command_is() {
    let world = World::new();
    let db = world.db.to_str().expect("UTF-8");
    for (asked, is_told) in [("lines", true), ("bar", false)] {
        let output =
            Command::new(COMMAND).args(["replay", db, "--json"]).env("OIKOS_PROGRESS", asked).output();
        let output = output.expect("a process");
        let lines = talk(&output);
        let told: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(!told.is_empty(), is_told, "{asked}: {lines}");
        for line in told {
            let far = &line["progress"];
            assert!(far["done"].as_u64() <= far["of"].as_u64() && far["unit"] == "records", "{line}");
        }
        assert!(output.status.success());
    }
}
