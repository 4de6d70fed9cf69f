//! Determinism, resume after any end of the process, and damage: through the binary, on real files.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use rusqlite::{Connection, params};
use serde_json::Value;

use self::small::*;

#[test]
fn the_same_seed_gives_the_same_world_and_another_seed_another() {
    let folder = tempfile::tempdir().expect("a folder");
    for (world, more) in [
        ("bazaar", &["--set", "execution.ticks=30"][..]),
        ("coins", &["--set", "execution.ticks=8"]),
        ("exchange", &["--set", "execution.ticks=8"]),
        ("auction_house", &["--set", "execution.ticks=4"]),
    ] {
        let file = example(world);
        let [first, second, other] =
            ["first", "second", "other"].map(|name| folder.path().join(format!("{world}_{name}")));
        let one = hashes(&run(&file, &first, more));
        let two = hashes(&run(&file, &second, more));
        assert_eq!(one, two, "{world}");
        let other = hashes(&run(&file, &other, &[more, &["--seed", "99"]].concat()));
        assert!(one.0 != other.0 && one.1 != other.1, "{world}: the seed changes nothing");
    }
}

#[test]
fn a_finished_world_tells_its_end_again_and_more_ticks_go_on_with_it() {
    let small = Small::new();
    let short = small.run("a.oikos", &["--set", "execution.ticks=15"]);
    assert_eq!(short, small.run("a.oikos", &["--set", "execution.ticks=15"]));
    let long = small.run("a.oikos", &[]);
    assert_eq!(long, small.run("b.oikos", &[]), "two goes are as good as one");
    assert!(small.verify("a.oikos").status.success());
    // Fewer ticks can't be: the world has gone on.
    let fewer = small.try_run("a.oikos", &["--set", "execution.ticks=15"]);
    assert_eq!(fewer.status.code(), Some(2), "{}", talk(&fewer));
}

#[test]
fn what_differs_is_named_and_fresh_starts_over() {
    let small = Small::new();
    let before = small.run("a.oikos", &[]);
    let refused = |more: &[&str], part: &str| {
        let output = small.try_run("a.oikos", more);
        let talk = talk(&output);
        assert_eq!(output.status.code(), Some(2), "{talk}");
        assert!(talk.contains(part) && talk.contains("--fresh"), "{talk}");
    };
    refused(&["--seed", "8"], "--seed is 8, the database records none");
    refused(&["--set", "scrip.start=9"], "--set is scrip.start=9");
    small.write("mind.py", &MIND.replace("a bad day", "a good day"));
    refused(&[], "`mind.py` differs, first at line 16");
    small.write("mind.py", MIND);
    small.write("small.toml", &WORLD.replace("rate = 20", "rate = 21"));
    refused(&[], "differs, first at line 20");
    small.write("small.toml", WORLD);
    assert_eq!(before, small.run("a.oikos", &[]), "nothing of this touched the world");
    // A world that can't be founded moves nothing aside.
    small.write("mind.py", "def step(observation:\n");
    let broken = small.try_run("a.oikos", &["--fresh"]);
    assert_eq!(broken.status.code(), Some(2), "{}", talk(&broken));
    assert!(small.path("a.oikos").exists() && !small.path("a.oikos.1").exists());
    small.write("mind.py", "def step(observation):\n    return None\n");
    let fresh = small.run("a.oikos", &["--fresh"]);
    assert_ne!(hashes(&before), hashes(&fresh));
    // The old world lies aside, whole.
    let aside = small.verify("a.oikos.1");
    assert!(aside.status.success(), "{}", talk(&aside));
    assert!(String::from_utf8_lossy(&aside.stdout).contains(&hashes(&before).1));
}

#[test]
fn a_killed_run_ends_as_if_it_had_never_been_killed() {
    let small = Small::new();
    let more = ["--set", "execution.ticks=500"];
    let whole = small.run("whole.oikos", &more);
    for round in 0..4_u64 {
        let db = format!("killed_{round}.oikos");
        // Killed as soon as so much is on disk, then killed again, then left alone.
        for enough in [round * 1_300, round * 1_300 + 650] {
            let mut child = small.start(&db, &more);
            small.wait(&mut child, &db, enough);
            child.kill().expect("it is ours");
            child.wait().expect("a child");
        }
        let left = small.records(&db);
        assert_eq!(whole, small.run(&db, &more), "round {round}, killed with {left} records on disk");
        assert!(small.verify(&db).status.success());
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_so_and_goes_on() {
    let small = Small::new();
    let more = ["--set", "execution.ticks=1200"];
    let whole = small.run("whole.oikos", &more);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let db = format!("{signal}.oikos");
        let mut child = small.start(&db, &more);
        small.wait(&mut child, &db, 500);
        signal_to(&child, signal);
        let output = child.wait_with_output().expect("a child");
        let report: Value = serde_json::from_slice(&output.stdout).expect("it still reports");
        let told = (output.status.code(), &report["finished"]);
        assert_eq!(told, (Some(code), &Value::Bool(false)), "{signal}: {report}");
        let talk = talk(&output);
        assert!(talk.contains("stopped; this goes on from here: oikos run "), "{signal}: {talk}");
        assert_eq!(whole, small.run(&db, &more), "{signal}");
    }
}

#[test]
fn one_world_has_one_writer_and_any_readers() {
    let small = Small::new();
    let more = ["--set", "execution.ticks=100000"];
    let mut child = small.start("a.oikos", &more);
    small.wait(&mut child, "a.oikos", 500);
    let second = small.try_run("a.oikos", &more);
    assert_eq!(second.status.code(), Some(3), "{}", talk(&second));
    assert!(talk(&second).contains("another process is writing"), "{}", talk(&second));
    // Not even to start over.
    let fresh = small.try_run("a.oikos", &["--fresh", more[0], more[1]]);
    assert!(talk(&fresh).contains("another process is writing"), "{}", talk(&fresh));
    assert!(small.path("a.oikos").exists() && !small.path("a.oikos.1").exists());
    let db = small.path("a.oikos");
    let db = db.to_str().expect("UTF-8");
    for reading in [&["inspect", db, "agents"][..], &["log", db, "--limit", "5"], &["verify", db]] {
        let output = oikos(reading);
        assert!(output.status.success(), "{reading:?}: {}", talk(&output));
    }
    child.kill().expect("it is ours");
    child.wait().expect("a child");
}

/// Copies a finished world, damages the copy, and asserts that `verify` says no, naming what it must.
fn damaged(small: &Small, what: &str, damage: impl FnOnce(&Connection), part: &str) {
    let copy = small.path("copy.oikos");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(small.path(&format!("copy.oikos{suffix}")));
    }
    std::fs::copy(small.path("a.oikos"), &copy).expect("a copy");
    let db = Connection::open(&copy).expect("a database");
    damage(&db);
    drop(db);
    let output = small.verify("copy.oikos");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), talk(&output));
    // One whose tables are gone is no world.
    let code = if what.starts_with("DROP") { 3 } else { 1 };
    assert_eq!(output.status.code(), Some(code), "{what}: {said}");
    assert!(said.contains(part) && !said.contains("panicked"), "{what}: {said}");
    if part == "the head" {
        let told = oikos(["verify", copy.to_str().expect("UTF-8"), "--json"]);
        let answer: Value = serde_json::from_slice(&told.stdout).expect("one JSON object");
        assert_eq!(
            (&answer["ok"], &answer["seq"], &answer["exit"]),
            (&false.into(), &Value::Null, &Value::Null)
        );
        assert!(answer["problem"].as_str().is_some_and(|problem| problem.contains(part)), "{what}: {answer}");
    }
    // Neither is it gone on with.
    let output = small.try_run("copy.oikos", &["--set", "execution.ticks=41"]);
    let said = talk(&output);
    assert!(output.status.code() != Some(0) || part == "snapshot", "{what}: it went on: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
}

/// A finished world, all of it in its main file.
fn finished() -> Small {
    let small = Small::new();
    for ticks in [10, 20, 30, 40] {
        small.run("a.oikos", &["--set", &format!("execution.ticks={ticks}")]);
    }
    let db = Connection::open(small.path("a.oikos")).expect("a database");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    small
}

fn execute(sql: &str) -> impl FnOnce(&Connection) {
    move |db| {
        let changed = db.execute(sql, []).expect("SQL");
        assert!(changed > 0, "{sql} changed nothing");
    }
}

#[test]
fn every_kind_of_tampering_is_found_at_its_place() {
    let small = finished();
    assert!(small.verify("a.oikos").status.success());
    let db = Connection::open(small.path("a.oikos")).expect("a database");
    let firsts: Vec<u64> = {
        let mut select = db.prepare("SELECT seq_first FROM journal ORDER BY seq_first").expect("SQL");
        select.query_map([], |row| row.get(0)).expect("rows").map(|first| first.expect("a number")).collect()
    };
    drop(db);
    assert!(firsts.len() >= 4, "{firsts:?}");
    let last = *firsts.last().expect("a batch");
    for first in &firsts {
        let place = format!("batch that begins with record {first}");
        let length: usize = {
            let db = Connection::open(small.path("a.oikos")).expect("a database");
            db.query_row("SELECT length(body) FROM journal WHERE seq_first = ?", [first], |row| row.get(0))
                .expect("a length")
        };
        // One flipped bit in bytes all over the body; the tests of the journal flip every one.
        for at in (0..length).step_by(length / 5 + 1).chain([length - 1]) {
            damaged(&small, &format!("byte {at} of the {place}"), |db| flip(db, *first, at), &place);
        }
    }
    for (column, value) in [
        ("epoch", "epoch + 1"),
        ("count", "count + 1"),
        ("hash", "zeroblob(32)"),
        ("prev_hash", "zeroblob(32)"),
    ] {
        let sql = format!("UPDATE journal SET {column} = {value} WHERE seq_first = {last}");
        damaged(&small, &sql, execute(&sql), "record");
    }
    for (sql, part) in [
        (format!("DELETE FROM journal WHERE seq_first = {last}"), "the head"),
        ("DELETE FROM journal WHERE seq_first = 1".into(), "record 1 is missing"),
        (format!("DELETE FROM journal WHERE seq_first = {}", firsts[1]), "is missing"),
        ("DELETE FROM journal".into(), "there are none"),
        ("DELETE FROM meta WHERE key = 'head'".into(), "the head"),
        ("UPDATE meta SET value = x'00' WHERE key = 'head'".into(), "the head"),
        ("UPDATE meta SET value = 'text' WHERE key = 'head'".into(), "meta"),
        ("DELETE FROM meta WHERE key = 'source'".into(), "the world file is missing"),
        ("UPDATE meta SET value = x'7b7d' WHERE key = 'source'".into(), "meta"),
        ("UPDATE meta SET value = CAST(replace(CAST(value AS TEXT), 'rate = 20', 'rate = 21') AS BLOB) WHERE key = 'source'".into(), "not the one that the world was founded from"),
        (format!("UPDATE journal SET body = x'' WHERE seq_first = {last}"), "hash does not fit"),
        (format!("UPDATE journal SET body = 'text' WHERE seq_first = {last}"), "journal"),
        (format!("UPDATE journal SET count = -1 WHERE seq_first = {last}"), ""),
        (format!("UPDATE journal SET count = 9223372036854775807 WHERE seq_first = {last}"), ""),
        (format!("UPDATE journal SET epoch = -5 WHERE seq_first = {last}"), "journal"),
        (format!("UPDATE journal SET hash = x'00' WHERE seq_first = {last}"), "journal"),
        ("DROP TABLE journal".into(), ""),
        ("DROP TABLE meta".into(), ""),
    ] {
        let drop = sql.starts_with("DROP");
        let run = |db: &Connection| { assert!(db.execute(&sql, []).expect("SQL") > 0 || drop, "{sql}"); };
        damaged(&small, &sql, run, part);
    }
    let swap = |db: &Connection| {
        let (one, other) = (firsts[1], firsts[2]);
        db.execute_batch(&format!(
            "UPDATE journal SET seq_first = -1 WHERE seq_first = {one};
             UPDATE journal SET seq_first = {one} WHERE seq_first = {other};
             UPDATE journal SET seq_first = {other} WHERE seq_first = -1;"
        ))
        .expect("SQL");
    };
    damaged(&small, "two batches in another order", swap, "batch that begins with record");
    let swap_bodies = |db: &Connection| {
        let body = |first: u64| -> Vec<u8> {
            db.query_row("SELECT body FROM journal WHERE seq_first = ?", [first], |row| row.get(0))
                .expect("a body")
        };
        for (first, body) in [(firsts[1], body(firsts[2])), (firsts[2], body(firsts[1]))] {
            db.execute("UPDATE journal SET body = ? WHERE seq_first = ?", params![body, first]).expect("SQL");
        }
    };
    damaged(&small, "two bodies in another order", swap_bodies, "hash does not fit");
}

/// Flips one bit of a body.
fn flip(db: &Connection, first: u64, at: usize) {
    let mut body: Vec<u8> = db
        .query_row("SELECT body FROM journal WHERE seq_first = ?", [first], |row| row.get(0))
        .expect("a body");
    body[at] ^= 1 << (at % 8);
    db.execute("UPDATE journal SET body = ? WHERE seq_first = ?", params![body, first]).expect("SQL");
}

#[test]
fn a_file_that_is_no_world_is_refused_whatever_it_is() {
    let small = finished();
    let bytes = std::fs::read(small.path("a.oikos")).expect("a file");
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("text", b"[world]\nname = 'x'\n".to_vec()),
        ("garbage", (0..9_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        ("half", bytes[..bytes.len() / 2].to_vec()),
        ("a page", bytes[..4_096].to_vec()),
        ("a page less", bytes[..bytes.len() - 4_096].to_vec()),
        ("a byte less", bytes[..bytes.len() - 1].to_vec()),
        ("100 bytes", bytes[..100].to_vec()),
    ];
    for (what, bytes) in files {
        std::fs::write(small.path("x.oikos"), &bytes).expect("a file");
        let db = small.path("x.oikos");
        let db = db.to_str().expect("UTF-8");
        for command in [
            &["verify", db][..],
            &["inspect", db],
            &["log", db],
            &["act", db, "--as", "agent_001", "{}"],
            &["session", db],
        ] {
            let output = oikos(command);
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), talk(&output));
            // A text may be meant as a world file: then the command was not typed as it was meant.
            let is_fit =
                output.status.code().is_some_and(|code| (code == 2) == (what == "text") && code != 0);
            assert!(is_fit, "{what}, {command:?}: {said}");
            assert!(!said.contains("panicked") && said.len() > 20, "{what}, {command:?}: {said}");
        }
        let _ = std::fs::remove_file(small.path("x.oikos-wal"));
        let _ = std::fs::remove_file(small.path("x.oikos-shm"));
    }
    let missing = oikos(["inspect", "no/such.oikos"]);
    assert_eq!(missing.status.code(), Some(2), "{}", talk(&missing));
    // Another version, another application.
    for (pragma, part) in
        [("user_version = 999", "journal format 999"), ("application_id = 7", "another application")]
    {
        std::fs::write(small.path("x.oikos"), &bytes).expect("a file");
        let db = Connection::open(small.path("x.oikos")).expect("a database");
        db.execute_batch(&format!("PRAGMA {pragma}")).expect("SQL");
        drop(db);
        let output = small.verify("x.oikos");
        assert_eq!(output.status.code(), Some(3), "{}", talk(&output));
        assert!(talk(&output).contains(part), "{}", talk(&output));
    }
}

#[test]
fn a_world_whose_founding_was_never_committed_is_begun_afresh() {
    let small = Small::new();
    std::fs::write(small.path("a.oikos"), b"").expect("a file");
    let whole = small.run("a.oikos", &[]);
    assert_eq!(whole, small.run("b.oikos", &[]));
    // Killed when the file was made and marked, and held no table yet.
    let marked = rusqlite::Connection::open(small.path("marked.oikos")).expect("a database");
    let marks = "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x4f494b4f; PRAGMA user_version = 3;";
    marked.execute_batch(marks).expect("it is written");
    drop(marked);
    assert_eq!(whole, small.run("marked.oikos", &[]));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let small = Small::new();
    for enough in [1, 700, 5_000] {
        let db = format!("session_{enough}.oikos");
        let mut command = Command::new(COMMAND);
        command.args(["session", &small.file(), "--db"]).arg(small.path(&db));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut input = child.stdin.take().expect("its input");
        let writer = std::thread::spawn(move || {
            let line = b"{\"act\": {\"as\": \"agent_001\", \"op\": \"noop\"}}\n";
            // Until the session is gone.
            while input.write_all(&line.repeat(100)).is_ok() {}
        });
        let mut answers = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut acknowledged = 0;
        for _ in 0..enough {
            let line = answers.next().expect("an answer").expect("UTF-8");
            let answer: Value = serde_json::from_str(&line).expect("JSON");
            // An action refused at admission leaves no record.
            acknowledged = answer["receipt"]["seq"].as_u64().unwrap_or(acknowledged);
        }
        child.kill().expect("it is ours");
        child.wait().expect("a child");
        writer.join().expect("no panic");
        let verified = oikos(["verify", small.path(&db).to_str().expect("UTF-8"), "--json"]);
        let verified: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
        assert_eq!(verified["ok"], true, "{verified}");
        assert!(verified["seq"].as_u64().unwrap_or(0) >= acknowledged, "{acknowledged}: {verified}");
        assert!(acknowledged > 1 || enough == 1);
    }
}
