//! Limits of bytes through the binary: an acknowledged write can be read again, however large; room is paid;
//! a read costs the file next to nothing; a repeat is told the first answer.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use small::{COMMAND, Small, oikos, talk};

const MIND: &str = "def step(observation):\n    return None\n";

/// Sends requests to a session, and gives its answers.
fn session(arguments: &[&str], requests: &[Value]) -> Vec<Value> {
    let mut child = Command::new(COMMAND)
        .arg("session")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("its input");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("a thread").expect("it reads all");
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).expect("text");
    answers.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect()
}

fn act(who: &str, mut fields: Value) -> Value {
    fields["as"] = who.into();
    json!({ "act": fields })
}

/// Bytes of a world's files.
fn bytes_of(folder: &Path, name: &str) -> u64 {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file"));
    let ours = files.filter(|file| file.file_name().to_string_lossy().starts_with(name));
    ours.map(|file| file.metadata().expect("its size").len()).sum()
}

/// A world of people without a mind of their own, in a folder, with more of its file.
fn people(ids: &[&str], more: &str) -> Small {
    let mut world = more.to_owned();
    for id in ids {
        let _ = write!(world, "\n[[agents]]\nid = \"{id}\"\ncode_file = \"mind.py\"\n");
    }
    Small::of(&world, MIND)
}

/// The world can be read again: verified, looked at, and gone on with.
fn is_sound(small: &Small) {
    let db = small.path("w.oikos");
    let db = db.to_str().expect("UTF-8");
    for command in [vec!["verify", db], vec!["inspect", db], vec!["log", db, "--limit", "1"]] {
        let output = oikos(&command);
        assert!(output.status.success(), "{command:?}: {}", talk(&output));
    }
    let answers = session(&[db], &[act("a", json!({ "op": "noop" })), json!({ "verify": true })]);
    assert_eq!((&answers[0]["receipt"]["ok"], &answers[1]["result"]["ok"]), (&json!(true), &json!(true)));
}

#[test]
fn no_action_makes_a_world_unreadable() {
    let small = people(&["a", "b"], "");
    let file = small.file();
    let db = small.path("w.oikos");
    let writes = |count: usize| format!("for i in range({count}):\n    write('note', 'x' * 1000000)");
    let snippet = |count: usize| json!({ "op": "run", "code": writes(count) });
    let many = json!({ "ops": vec![snippet(45); 26] });
    let keeps = "for i in range(10000):\n    storage_set('k' + str(i), 'x' * 60000)";
    let caught =
        "for i in range(40):\n    attempt('write', 'd' + str(i), content='y' * 1000000)\nlen('done')";
    let answers = session(
        &[&file, "--db", db.to_str().expect("UTF-8")],
        &[
            act("a", many),
            act("a", json!({ "op": "run", "code": keeps })),
            act("a", snippet(12)),
            act("b", json!({ "op": "run", "code": caught })),
            json!({ "query": { "what": "artifacts", "of": "b" } }),
        ],
    );
    for refused in &answers[..2] {
        let error = &refused["receipt"]["error"];
        assert_eq!(error["code"], "limit_exceeded", "{refused}");
        assert!(error["need"].as_u64() > error["have"].as_u64() && error["hint"].is_string(), "{error}");
    }
    assert_eq!(answers[2]["receipt"]["ok"], true);
    assert_eq!(answers[3]["receipt"]["result"], 4);
    let there = answers[4]["result"].as_array().expect("rows").len();
    assert!((10..20).contains(&there), "code that catches the refusal keeps what found room: {there}");
    is_sound(&small);
}

#[test]
fn a_founding_of_many_large_minds_can_be_opened_again() {
    // One mind for all stands in the file once.
    let mut mind = MIND.to_owned();
    for line in 0..430 {
        let _ = writeln!(mind, "# line {line} of a long comment that says what this mind does and why");
    }
    let world = "[execution]\nticks = 1\n\n[[agents]]\nid = \"a\"\ncode_file = \"mind.py\"\n\n[[agents]]\nid = \"many\"\ncount = 3000\ncode_file = \"mind.py\"\n";
    let small = Small::of(world, &mind);
    small.run("w.oikos", &[]);
    assert!(bytes_of(small.folder.path(), "w.oikos") < 2_000_000);
    is_sound(&small);
    // A founding whose artifacts have nothing in common takes as many records as it needs.
    let mut world = "[execution]\nticks = 1\n\n[[agents]]\nid = \"a\"\ncode_file = \"mind.py\"\n".to_owned();
    let small = Small::of("", MIND);
    let mut number = 1_u64;
    for at in 0..20 {
        let mut text = String::new();
        while text.len() < 1_000_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let _ = write!(text, "{number:x}");
        }
        small.write(&format!("large_{at}.txt"), &text);
        let _ = write!(
            world,
            "\n[[artifacts]]\nid = \"large_{at}\"\nowner = \"a\"\ncontent_file = \"large_{at}.txt\"\n"
        );
    }
    small.write("small.toml", &world);
    let report = small.run("w.oikos", &[]);
    assert_eq!(report["seq"], 4, "two records of the founding, the tick, and a's step: {report}");
    is_sound(&small);
}

#[test]
fn what_is_only_read_costs_the_file_next_to_nothing() {
    let small = people(&["a", "b"], "");
    let (file, db) = (small.file(), small.path("w.oikos"));
    let db = db.to_str().expect("UTF-8");
    let content: String = (0..100_000_u64).map(|at| format!("{:05}", at * 7_919 % 100_003)).collect();
    session(
        &[&file, "--db", db],
        &[act("a", json!({ "op": "write", "artifact": "big", "content": content }))],
    );
    let before = bytes_of(small.folder.path(), "w.oikos");
    let read = act("b", json!({ "op": "read", "artifact": "big" }));
    let again = act("b", json!({ "op": "read", "artifact": "big", "action_id": "r" }));
    let mut requests = vec![read; 40];
    requests.extend([again.clone(), again.clone()]);
    let answers = session(&[db], &requests);
    for answer in &answers[..41] {
        assert_eq!(answer["receipt"]["result"]["content"], *content, "the first answer has it whole");
    }
    let grown = bytes_of(small.folder.path(), "w.oikos").saturating_sub(before);
    assert!(grown < 100_000, "40 reads of 500 kB made the file {grown} bytes larger");
    // A repeat has its size and hash, now and when the world is opened again.
    let text = answers[40]["receipt"]["result"].to_string();
    let cut = json!({ "cut": text.len(), "hash": blake3::hash(text.as_bytes()).to_hex().as_str() });
    assert_eq!(answers[41]["receipt"]["result"], cut);
    assert_eq!(session(&[db], &[again])[0]["receipt"], answers[41]["receipt"]);
    is_sound(&small);
}

#[test]
fn a_repeat_does_nothing_also_when_the_world_is_opened_again() {
    let small = people(&["a", "b"], "[scrip]\nstart = 5\n");
    let (file, db) = (small.file(), small.path("w.oikos"));
    let db = db.to_str().expect("UTF-8");
    let pay = act("a", json!({ "op": "transfer", "to": "b", "amount": 1, "action_id": "rent-june" }));
    let more = act("a", json!({ "op": "transfer", "to": "b", "amount": 2, "action_id": "rent-june" }));
    let theirs: Vec<Value> =
        (0..1_500).map(|at| json!({ "as": "b", "op": "noop", "action_id": format!("n{at}") })).collect();
    let first = session(&[&file, "--db", db], &[pay.clone(), json!({ "batch": theirs })]);
    let again = session(&[db], &[pay.clone(), more, json!({ "query": { "what": "balance", "of": "a" } })]);
    assert_eq!(again[0], first[0]);
    let error = &again[1]["receipt"]["error"];
    assert_eq!((&error["code"], &again[1]["receipt"]["seq"]), (&json!("conflict"), &Value::Null), "{error}");
    assert!(error["message"].as_str().expect("words").contains("rent-june"), "{error}");
    assert_eq!(again[2]["result"], 4);
    is_sound(&small);
}

#[test]
fn nothing_that_takes_room_is_made_without_disk() {
    let small = people(&["a"], "[resources.disk]\nkind = \"allocatable\"\ntotal = \"1 kB\"\n");
    let made = |what: &str, count: usize, fields: Value| -> Value {
        let op = |at: usize| {
            let mut op = fields.clone();
            op["artifact"] = format!("{what}{at}").into();
            op
        };
        json!({ "ops": (0..count).map(op).collect::<Vec<_>>() })
    };
    let write = |more: Value| {
        let mut op = json!({ "op": "write" });
        op.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        op
    };
    let gone = "for i in range(100):\n    write('g' + str(i))\n    delete('g' + str(i))";
    let keys = "for i in range(100):\n    storage_set('k' + str(i), 0)";
    let attempts = [
        made("empty", 100, write(json!({}))),
        made("agent", 100, write(json!({ "has_loop": true }))),
        made("held", 100, write(json!({ "has_standing": true }))),
        json!({ "op": "run", "code": gone }),
        json!({ "op": "run", "code": keys }),
    ];
    let mut requests: Vec<Value> = attempts.into_iter().map(|attempt| act("a", attempt)).collect();
    requests.extend((0..100).map(|at| act("a", json!({ "op": "noop", "action_id": format!("id{at}") }))));
    let answers = session(&[&small.file()], &requests);
    for answer in answers[..5].iter().chain(answers.last()) {
        assert_eq!(answer["receipt"]["error"]["code"], "quota_exceeded", "{answer}");
    }
}
