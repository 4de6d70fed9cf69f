//! Journals that are executed again: equal where nothing was touched, and the first record that differs where
//! something was.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use oikos_runner::{
    Journal, JournalError,
    kernel::{
        record::{Cause, Effect, Record},
        tape::Taped,
    },
};
use serde_json::Value;

use self::small::{COMMAND, oikos, talk};

/// Two who give to each other, and pay for a method whose code draws lots; one of them is decided for by a client.
const WORLD: &str = r#"
[world]
name = "w"
seed = 7
[execution]
ticks = 6
[resources.cpu]
kind = "renewable"
window = "60s"
rate = "6s"
[[agents]]
id = "ann"
scrip = 50
code = '''
def step(observation):
    if observation["tick"] == 3:
        return {"op": "transfer", "to": "bob", "amount": 1}
    return [{"op": "transfer", "to": "bob", "amount": 3}, {"op": "invoke", "artifact": "lots", "method": "draw"}]
'''
[[agents]]
id = "bob"
scrip = 50
code = '''
def step(observation):
    print("bob", observation["tick"])
    return {"op": "transfer", "to": "nobody_here", "amount": 1}
'''
[[agents]]
id = "cat"
scrip = 50
mind = "external"
[[artifacts]]
id = "lots"
owner = "bob"
price = 1
code = '''
import random
def draw():
    n = random.randint(1, 1000)
    storage["last"] = n
    return n
'''
"#;

/// Requests from outside to [`WORLD`]; the world is shut after each part.
const DRIVEN: [&[&str]; 3] = [
    &[
        r#"{"act": {"as": "bob", "op": "noop", "action_id": "x"}}"#,
        r#"{"run": {"ticks": 1}}"#,
        r#"{"act": {"as": "cat", "op": "transfer", "to": "ann", "amount": 2}}"#,
        r#"{"decide": {"as": "cat", "ops": [{"op": "transfer", "to": "bob", "amount": 2}]}}"#,
        r#"{"run": {"ticks": 1}}"#,
        r#"{"advance": "5m"}"#,
        r#"{"act": {"as": "ann", "op": "transfer", "to": "bob", "amount": 900}}"#,
    ],
    &[
        r#"{"act": {"as": "cat", "ops": [{"op": "write", "artifact": "n", "content": "x"}, {"op": "noop"}]}}"#,
        r#"{"decide": {"as": "cat", "ops": null}}"#,
        r#"{"run": {"ticks": 2}}"#,
    ],
    &[
        r#"{"run": {"ticks": 1}}"#,
        r#"{"decide": {"as": "cat", "ops": []}}"#,
        r#"{"act": {"as": "bob", "op": "invoke", "artifact": "lots", "method": "draw"}}"#,
        r#"{"run": {"ticks": 2}}"#,
        r#"{"decide": {"as": "cat", "ops": []}}"#,
        r#"{"run": {"ticks": 2}}"#,
        r#"{"decide": {"as": "cat", "ops": [{"op": "transfer", "to": "lots", "amount": 2}]}}"#,
        r#"{"run": {"ticks": 2}}"#,
        r#"{"decide": {"as": "cat", "ops": null}}"#,
        r#"{"run": {"ticks": 2}}"#,
    ],
];

fn session(world: &Path, db: Option<&Path>, requests: &[&str]) {
    let mut command = Command::new(COMMAND);
    command.arg("session").arg(world).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(db) = db {
        command.arg("--db").arg(db);
    }
    let mut child = command.spawn().expect("the binary runs");
    let lines: String = requests.iter().map(|line| format!("{line}\n")).collect();
    child.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("it reads all");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", talk(&output));
    let answers = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(answers.lines().count(), requests.len(), "{answers}");
}

/// The world of a text, driven from outside.
fn driven(folder: &Path, text: &str, name: &str) -> PathBuf {
    let (file, db) = (folder.join(format!("{name}.toml")), folder.join(format!("{name}.oikos")));
    std::fs::write(&file, text).expect("a file");
    for (at, part) in DRIVEN.iter().enumerate() {
        if at == 0 { session(&file, Some(&db), part) } else { session(&db, None, part) }
    }
    db
}

fn replay(db: &Path, more: &[&str]) -> (Output, Value) {
    let db = db.to_str().expect("a path in UTF-8");
    let output = oikos(["replay", db, "--json"].iter().chain(more));
    let told = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, told)
}

fn assert_equal(db: &Path) {
    let (output, told) = replay(db, &[]);
    assert!(output.status.success() && told["ok"] == true, "{db:?}: {}{told:#}", talk(&output));
    let verified = oikos([Path::new("verify"), db, Path::new("--json")]);
    let verified: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    assert_eq!(
        (&told["seq"], &told["state_digest"]),
        (&verified["seq"], &verified["state_digest"]),
        "all of it was executed again"
    );
}

/// So much of each example world that all it has to show has happened.
fn shortened(world: &str) -> &'static [&'static str] {
    match world {
        "coins" | "exchange" => &["--set", "execution.ticks=4"],
        "coins_autonomous" => &["--set", "execution.duration=4m"],
        "bazaar" | "guild" => &["--set", "execution.ticks=25"],
        "auction_house" => &["--set", "execution.ticks=8"],
        "jobs" => &["--set", "execution.ticks=30"],
        _ => &[],
    }
}

#[test]
fn every_example_world_is_equal_when_it_is_executed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds");
    let files = std::fs::read_dir(worlds).expect("the worlds").map(|entry| entry.expect("a file").path());
    let mut count = 0;
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let db = folder.path().join(format!("{name}.oikos"));
        small::run(file.to_str().expect("UTF-8"), &db, shortened(&name));
        assert_equal(&db);
        count += 1;
    }
    assert!(count >= 10, "{count} worlds");
}

#[test]
fn a_world_that_is_driven_from_outside_is_equal() {
    let folder = tempfile::tempdir().expect("a folder");
    let autonomous = WORLD.replace("ticks = 6", "mode = \"autonomous\"\npace = \"60s\"\nduration = \"6m\"");
    let autonomous = autonomous.replace("observation[\"tick\"]", "observation[\"time\"][-6]");
    let db = driven(folder.path(), WORLD, "ticks");
    assert_equal(&db);
    let refused = oikos([Path::new("log"), &db, Path::new("--refused")]);
    assert!(!refused.stdout.is_empty(), "refusals are executed again too");
    let file = folder.path().join("loops.toml");
    let db = folder.path().join("loops.oikos");
    std::fs::write(&file, autonomous).expect("a file");
    let parts = DRIVEN.map(|part| part.iter().map(|line| line.replace("\"ticks\": 1", "\"for\": \"1m\"")));
    for (at, part) in parts.into_iter().enumerate() {
        let lines: Vec<String> = part.map(|line| line.replace("\"ticks\": 2", "\"for\": \"2m\"")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        if at == 0 { session(&file, Some(&db), &lines) } else { session(&db, None, &lines) }
    }
    assert_equal(&db);
}

#[test]
fn the_wall_clock_is_taken_from_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, execution) in [
        ("loops", "mode = \"autonomous\"\npace = \"30ms\"\nduration = \"400ms\""),
        ("ticks", "ticks = 4\ntick_duration = \"50ms\""),
    ] {
        let (file, db) = (folder.path().join("w.toml"), folder.path().join(format!("{name}.oikos")));
        let world = WORLD.replace("ticks = 6", execution).replace("seed = 7", "seed = 7\nclock = \"wall\"");
        let world =
            world.replace("mind = \"external\"", "code = \"def step(observation):\\n    return None\"");
        std::fs::write(&file, world.replace("observation[\"tick\"]", "observation[\"steps\"]"))
            .expect("a file");
        small::run(file.to_str().expect("UTF-8"), &db, &[]);
        assert_equal(&db);
    }
}

/// All records of a world.
fn records(db: &Path) -> (Vec<Record>, Vec<u8>) {
    let journal = Journal::open_read_only(db).expect("a world");
    let mut all = Vec::new();
    let read = journal.records(1, |record| {
        all.push(record);
        Ok::<(), JournalError>(())
    });
    read.expect("its records");
    (all, journal.meta("source").expect("a value").expect("its world file"))
}

#[test]
fn one_op_of_the_code_of_one_agent_makes_the_first_record_that_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = driven(folder.path(), WORLD, "first");
    // Of the same length, so that all other records fit the edited copy.
    let edited = WORLD.replace("\"amount\": 1}\n    return [", "\"amount\": 2}\n    return [");
    assert_ne!(edited, WORLD);
    let other = driven(folder.path(), &edited, "other");
    let ((mut ours, _), (theirs, source)) = (records(&db), records(&other));
    let founded = |record: &Record| matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
    let founding = theirs.iter().take_while(|record| founded(record)).count();
    ours[..founding].clone_from_slice(&theirs[..founding]);
    let copy = folder.path().join("copy.oikos");
    let mut journal = Journal::create(&copy).expect("a journal");
    journal.append(&ours, &[("source", &source)]).expect("the copy");
    drop(journal);

    let (output, told) = replay(&copy, &[]);
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    let difference = &told["difference"];
    let created = theirs[..founding].iter().flat_map(|record| &record.effects);
    let mut ids = created.filter_map(|effect| match effect {
        Effect::Create(new) => Some(new.id.as_str()),
        _ => None,
    });
    let ann = ids.position(|id| id == "ann").expect("ann");
    let expected = ours.iter().find(
        |record| matches!(&record.cause, Cause::Step { agent, turn: 3, .. } if agent.0 as usize == ann),
    );
    let seq = expected.expect("ann steps in tick 3").seq;
    assert_eq!((&difference["seq"], &difference["cause"]), (&seq.into(), &"a step of `ann`".into()));
    assert_eq!(told["seq"], seq - 1, "all before it is equal");
    let parts = difference["parts"].as_array().expect("parts");
    let paid = parts.iter().find(|part| part["at"] == "effects.0.Pay.amount").expect("the payment differs");
    assert_eq!((&paid["recorded"], &paid["replayed"]), (&1.into(), &2.into()));

    // People see both versions, within the terminal.
    let output = oikos([Path::new("replay"), &copy]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.contains(&format!("not equal: record {seq} differs")) && text.contains("a step of `ann`"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    // Up to the record before it all is equal; the original is equal to its end.
    let (output, told) = replay(&copy, &["--until", &(seq - 1).to_string()]);
    assert!(output.status.success() && told["seq"] == seq - 1, "{told:#}");
    let (output, told) = replay(&copy, &["--until", "tick:2"]);
    assert!(output.status.success(), "{told:#}");
    assert!(!replay(&copy, &["--until", "tick:3"]).0.status.success());
    assert_equal(&db);
    for (until, problem) in
        [("tick:99", "there is no tick 99"), ("99999", "there is no record"), ("soon", "tick:40")]
    {
        let output = oikos([Path::new("replay"), &copy, Path::new("--until"), Path::new(until)]);
        assert_eq!(output.status.code(), Some(2), "{until}");
        assert!(talk(&output).contains(problem), "{}", talk(&output));
    }
}

#[test]
fn an_answer_that_was_edited_on_the_tape_makes_a_record_that_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("salon.oikos");
    small::run(&small::example("salon"), &db, &[]);
    let mut rows: Vec<Taped> = Vec::new();
    let mut journal = Journal::open(&db).expect("a world");
    let read = journal.tape(None, |row| {
        rows.push(row);
        Ok::<(), JournalError>(())
    });
    read.expect("the tape");
    let at = rows.iter().position(|row| row.failure.is_none() && row.seq > 20).expect("an answer");
    let row = Taped { answer: "{\"think\": \"edited\", \"ops\": []}".into(), ..rows[at].clone() };
    let agent = row.agent.clone();
    journal.put_tape(&[row]).expect("it is written");
    drop(journal);
    let (output, told) = replay(&db, &[]);
    assert_eq!(output.status.code(), Some(1), "{told:#}");
    assert_eq!(told["difference"]["cause"], format!("a step of `{agent}`"), "{told:#}");
}
