//! Exit codes, as `docs/exit-codes.md` has them: also when nobody reads, and when a signal comes.

#![cfg(unix)]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod small;

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
};

use serde_json::Value;

use self::small::*;

/// Where standard output goes.
enum Output {
    /// To a pipe whose reader has gone away already.
    NoReader,
    /// To a disk that is full.
    Full,
}

/// The exit code of a command, and what it says on standard error.
fn told_to(output: &Output, arguments: &[&str]) -> (Option<i32>, String) {
    let stdout = match output {
        Output::NoReader => {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            Stdio::from(writer)
        }
        Output::Full => {
            Stdio::from(File::options().write(true).open("/dev/full").expect("the system has one"))
        }
    };
    let mut command = Command::new(COMMAND);
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let output = command.spawn().expect("the binary runs").wait_with_output().expect("it ends");
    (output.status.code(), talk(&output))
}

#[test]
fn an_answer_that_is_no_stays_no_when_nobody_reads_it() {
    let small = Small::new();
    small.run("a.oikos", &["--set", "execution.ticks=3"]);
    std::fs::copy(small.path("a.oikos"), small.path("bad.oikos")).expect("a copy");
    let db = rusqlite::Connection::open(small.path("bad.oikos")).expect("a database");
    db.execute("UPDATE journal SET hash = zeroblob(32)", []).expect("SQL");
    drop(db);
    let path = |name: &str| small.path(name).to_str().expect("UTF-8").to_owned();
    let (good, bad) = (path("a.oikos"), path("bad.oikos"));
    let refused = r#"{"op": "transfer", "to": "agent_002", "amount": 1000000}"#;
    let done = r#"{"op": "noop"}"#;
    for (arguments, no_reader, full) in [
        (&["verify", good.as_str()][..], 141, 3),
        (&["log", &good], 141, 3),
        (&["inspect", &good], 141, 3),
        (&["cost", &good], 141, 3),
        (&["inspect", &good, "counter", "--json"], 141, 3),
        (&["schema", "op"], 141, 3),
        (&["validate", &small.file()], 141, 3),
        (&["act", &good, "--as", "agent_001", refused], 1, 1),
        (&["act", &good, "--as", "agent_001", done], 141, 3),
        (&["log", &good, "--type", "transfr"], 2, 2),
    ] {
        for (output, expected) in [(Output::NoReader, no_reader), (Output::Full, full)] {
            let (code, talk) = told_to(&output, arguments);
            assert_eq!(code, Some(expected), "{arguments:?}: {talk}");
            assert!(!talk.contains("panicked"), "{arguments:?}: {talk}");
            let is_said = talk.contains("standard output can't be written: No space left");
            assert_eq!(is_said, matches!(output, Output::Full) && expected != 2, "{arguments:?}: {talk}");
        }
    }
    for output in [Output::NoReader, Output::Full] {
        let (code, talk) = told_to(&output, &["verify", &bad]);
        assert_eq!(code, Some(1), "{talk}");
        assert_eq!(talk.contains("No space left"), matches!(output, Output::Full), "{talk}");
    }
}

#[test]
fn a_run_whose_reader_goes_away_ends_in_order() {
    let small = Small::new();
    let more = ["--set", "execution.ticks=1200"];
    let whole = small.run("whole.oikos", &more);
    let mut child = small.start("a.oikos", &["--events", more[0], more[1]]);
    let mut events = BufReader::new(child.stdout.take().expect("its output"));
    let mut first = String::new();
    events.read_line(&mut first).expect("a line");
    drop(events);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(141), "{}", talk(&output));
    assert!(!talk(&output).contains("panicked"), "{}", talk(&output));
    assert!(small.verify("a.oikos").status.success());
    assert!(small.records("a.oikos") < whole["seq"].as_u64().expect("a number"), "it did not stop for it");
    assert_eq!(whole, small.run("a.oikos", &more), "it goes on as if nothing had happened");
    // Nobody reads the report either.
    let (code, talk) = told_to(
        &Output::NoReader,
        &["run", &small.file(), "--db", small.path("b.oikos").to_str().expect("UTF-8")],
    );
    assert_eq!(code, Some(141), "{talk}");
    let (code, talk) = told_to(
        &Output::Full,
        &["run", &small.file(), "--db", small.path("b.oikos").to_str().expect("UTF-8")],
    );
    assert!(code == Some(3) && talk.contains("No space left"), "{code:?}: {talk}");
    assert!(small.verify("b.oikos").status.success());
}

#[test]
fn a_session_whose_reader_goes_away_ends_in_order() {
    let small = Small::new();
    let db = small.path("a.oikos");
    let mut command = Command::new(COMMAND);
    command.args(["session", &small.file(), "--db"]).arg(&db);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("its input");
    let act = "{\"act\": {\"as\": \"agent_001\", \"op\": \"store\", \"key\": \"k\", \"value\": 1}}\n";
    input.write_all(act.as_bytes()).expect("it reads");
    let mut answers = BufReader::new(child.stdout.take().expect("its output"));
    answers.read_line(&mut String::new()).expect("an answer");
    drop(answers);
    // An answer it can't tell ends it, though its input goes on.
    input.write_all(act.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    assert_eq!((output.status.code(), talk(&output).as_str()), (Some(141), ""));
    assert!(small.verify("a.oikos").status.success());
}

#[test]
fn a_run_says_why_it_stopped() {
    let small = Small::new();
    let report = small.run("ticks.oikos", &["--set", "execution.ticks=3"]);
    assert_eq!((&report["stopped"], &report["finished"]), (&"ticks".into(), &true.into()));
    let loops = ["--set", "execution.mode=autonomous", "--set", "execution.duration=5s"];
    let report = small.run("loops.oikos", &loops);
    assert_eq!((&report["stopped"], &report["finished"]), (&"duration".into(), &true.into()));
    let far = ["--set", "execution.ticks=1000000"];
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = small.start(&format!("{signal}.oikos"), &far);
        small.wait(&mut child, &format!("{signal}.oikos"), 50);
        signal_to(&child, signal);
        let output = child.wait_with_output().expect("it ends");
        let report: Value = serde_json::from_slice(&output.stdout).expect("it still reports");
        assert_eq!((output.status.code(), &report["stopped"]), (Some(code), &"signal".into()), "{report}");
        assert!(small.verify(&format!("{signal}.oikos")).status.success());
    }
}

#[test]
fn a_session_that_waits_is_ended_by_a_signal() {
    let small = Small::new();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command = Command::new(COMMAND);
        command.args(["session", &small.file()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(b"{\"query\": {\"what\": \"supply\"}}\n").expect("it reads");
        let mut answers = BufReader::new(child.stdout.take().expect("its output"));
        answers.read_line(&mut String::new()).expect("an answer");
        // Its input stays open.
        signal_to(&child, signal);
        let mut rest = String::new();
        answers.read_to_string(&mut rest).expect("its end");
        assert_eq!((child.wait().expect("it ends").code(), rest.as_str()), (Some(code), ""), "{signal}");
        drop(input);
    }
}

#[test]
fn a_session_at_work_is_ended_by_a_signal_after_the_action_under_way() {
    let mind = "def step(observation):\n    return None\n";
    let small = Small::of("[[agents]]\nid = 'agent_001'\ncode_file = 'mind.py'\n", mind);
    let act = r#"{"as": "agent_001", "op": "run", "code": "for i in range(100000):\n    x = i"}"#;
    let acts = 2_000;
    for (name, request) in [
        ("lines.oikos", format!("{{\"act\": {act}}}\n").repeat(acts)),
        ("batch.oikos", format!("{{\"batch\": [{}]}}\n", vec![act; acts].join(", "))),
    ] {
        let db = small.path(name);
        let mut command = Command::new(COMMAND);
        command.args(["session", &small.file(), "--db"]).arg(&db);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(b"{\"query\": {\"what\": \"supply\"}}\n").expect("it reads");
        let mut answers = BufReader::new(child.stdout.take().expect("its output"));
        answers.read_line(&mut String::new()).expect("an answer");
        let writing = std::thread::spawn(move || {
            // It may end before it has read all.
            let _ = input.write_all(request.as_bytes());
            input
        });
        std::thread::sleep(std::time::Duration::from_millis(500));
        signal_to(&child, "TERM");
        let mut rest = String::new();
        answers.read_to_string(&mut rest).expect("its end");
        assert_eq!(child.wait().expect("it ends").code(), Some(143), "{name}");
        drop(writing.join());
        let answers = rest.lines().map(|line| serde_json::from_str::<Value>(line).expect("whole lines"));
        let receipts: Vec<Value> = answers
            .flat_map(|answer| match answer.get("receipts").and_then(Value::as_array) {
                Some(receipts) => receipts.clone(),
                None => vec![answer.get("receipt").cloned().expect("a receipt")],
            })
            .collect();
        assert!(receipts.len() < acts, "{name}: {} are done", receipts.len());
        let verified = oikos(["verify", db.to_str().expect("UTF-8"), "--json"]);
        let verified: Value = serde_json::from_slice(&verified.stdout).expect("one JSON object");
        // The founding is the first record; each receipt that was told is one more, and nothing else is.
        let founding = Value::from(1);
        let last = receipts.last().map_or(Some(&founding), |receipt| receipt.get("seq"));
        assert_eq!((verified.get("ok"), verified.get("seq")), (Some(&true.into()), last), "{name}");
    }
}

#[test]
fn the_second_signal_ends_a_run_at_once() {
    // A tick is thought to its end: with so many who think as long as they may, that takes many minutes.
    let mind = "def step(observation):\n    n = 0\n    while True:\n        n = n + 1\n";
    let small = Small::of("[[agents]]\nid = 'a'\ncount = 5000\ncode_file = 'mind.py'\n", mind);
    let mut child = small.start("a.oikos", &["--set", "execution.ticks=1000000"]);
    // The second record is the beginning of the tick, and is written while it is thought.
    small.wait(&mut child, "a.oikos", 2);
    // Two that come at the same time are one.
    let status = loop {
        signal_to(&child, "INT");
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
    };
    assert_eq!(status.code(), Some(130));
    let mut report = String::new();
    child.stdout.take().expect("its output").read_to_string(&mut report).expect("its end");
    assert_eq!(report, "", "it ended in order, so it was not the second signal that ended it");
    // It opens again all the same.
    assert!(small.verify("a.oikos").status.success());
}
