//! All that a world's author can see of it: code that fails, output, and the things that artifacts keep.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use self::small::{COMMAND, oikos, talk};

/// A folder with a world file, a mind beside it, and the database of its run.
struct World {
    folder: tempfile::TempDir,
}

/// The mind beside the world file.
const MIND: &str = "def step(o):\n    return helper(o)\n\ndef helper(o):\n    return o.self\n";

impl World {
    fn new(text: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::write(world.path("w.toml"), format!("[world]\nname = \"w\"\n{text}")).expect("a file");
        std::fs::write(world.path("mind.py"), MIND).expect("a file");
        world
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn run(&self, more: &[&str]) -> Output {
        let (file, db) = (self.path("w.toml"), self.path("w.oikos"));
        oikos(["run", &file, "--db", &db].iter().chain(more))
    }

    /// The output of a command on the database; it must be done.
    fn told(&self, command: &[&str]) -> String {
        let db = self.path("w.oikos");
        let (name, more) = command.split_first().expect("a command");
        let output = oikos([*name, &db].iter().chain(more));
        assert!(output.status.success(), "{command:?}: {}", talk(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn lines(&self, command: &[&str]) -> Vec<Value> {
        let told = self.told(&[command, &["--json"]].concat());
        told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The answers of a session on a copy of the database, which is as it was before; and on itself.
    fn session(&self, requests: &[Value]) -> Vec<Value> {
        let mut session = Command::new(COMMAND)
            .args(["session", &self.path("w.oikos")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut input = session.stdin.take().expect("a pipe");
        for request in requests {
            writeln!(input, "{request}").expect("it listens");
        }
        drop(input);
        let told = session.wait_with_output().expect("it ends").stdout;
        String::from_utf8(told)
            .expect("UTF-8")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", talk(output)))
}

/// An agent `a` with this code, more of the file, and the ticks.
fn agent(code: &str, ticks: u64) -> String {
    format!("[execution]\nticks = {ticks}\n[[agents]]\nid = \"a\"\ncode = '''\n{code}\n'''\n")
}

#[test]
fn code_that_fails_is_told_with_its_authors_file_and_line() {
    let file = "[execution]\nticks = 6\n[[agents]]\nid = \"many\"\ncount = 3\ncode_file = \"mind.py\"\n";
    let method = |body: &str, call: &str| {
        let step =
            format!("def step(o):\n    return {{'op': 'invoke', 'artifact': 'tool', 'args': [{call}]}}");
        let tool = format!(
            "[[artifacts]]\nid = \"tool\"\nowner = \"a\"\ncode = '''\ndef run(x):\n    {body}\n'''\n"
        );
        agent(&step, 2) + &tool
    };
    let contract = "def check_permission(caller, action, target, context, ledger):\n    return nothing";
    let guarded = agent("def step(o):\n    return {'op': 'read', 'artifact': 'thing'}", 2)
        + &format!("[[artifacts]]\nid = \"law\"\nowner = \"a\"\ncode = '''\n{contract}\n'''\n")
        + "[[artifacts]]\nid = \"thing\"\nowner = \"b\"\naccess_contract = \"law\"\n"
        + "[[agents]]\nid = \"b\"\ncode = \"def step(o): return None\"\n";
    // The world; the file, the line and the error that are named; failures, agents, those paused.
    type Named<'a> = Option<(&'a str, Value, &'a str, [u64; 3])>;
    let rows: &[(&str, Named<'_>)] = &[
        (
            &agent("def step(o):\n    return o.self.scrip", 6),
            Some((
                "agents.a.code",
                json!(2),
                "AttributeError: 'dict' object has no attribute 'self'",
                [5, 1, 1],
            )),
        ),
        (
            file,
            Some(("mind.py", json!(5), "AttributeError: 'dict' object has no attribute 'self'", [15, 3, 3])),
        ),
        // There is no place in code, and still somebody whose code it is.
        (
            &agent("def Step(o):\n    return None", 2),
            Some(("agents.a.code", Value::Null, "the code has no function `step`", [2, 1, 0])),
        ),
        (&agent("def step(o):\n    return 5", 1), Some(("agents.a.code", Value::Null, "", [1, 1, 0]))),
        (
            &agent("def step(o):\n    return {'op': 'run', 'code': '1 / 0'}", 1),
            Some(("<run> by a", json!(1), "ZeroDivisionError: division by zero", [1, 1, 0])),
        ),
        (
            &method("return x + 1", "'1'"),
            Some((
                "artifacts.tool.code",
                json!(2),
                "TypeError: can only concatenate str (not \"int\") to str",
                [2, 1, 0],
            )),
        ),
        (&guarded, Some(("artifacts.law.code", json!(2), "", [2, 0, 0]))),
        // A tool that refuses its caller has not failed, and nor has an op that was refused.
        (&method("raise ValueError('too low')", "1"), None),
        (&agent("def step(o):\n    return {'op': 'transfer', 'to': 'b', 'amount': 5}", 3), None),
        (&agent("def step(o):\n    return None", 49), None),
    ];
    for (text, expected) in rows {
        let world = World::new(text);
        let output = world.run(&["--json", "--strict"]);
        let report = report(&output);
        let code = output.status.code();
        let Some((file, line, error, [failures, agents, paused])) = expected else {
            assert_eq!((code, &report["warnings"]), (Some(0), &json!([])), "{text}");
            assert!(!talk(&output).contains("warning"), "{text}");
            continue;
        };
        assert_eq!(code, Some(1), "{text}");
        let warning = &report["warnings"][0];
        assert_eq!(warning["code"], "failing_code", "{text}: {report}");
        assert_eq!((&warning["file"], &warning["line"]), (&json!(file), line), "{warning}");
        assert!(warning["error"].as_str().expect("text").contains(error), "{warning}");
        let counts = ["failures", "agents", "paused"].map(|count| warning[count].as_u64().expect("a number"));
        assert_eq!(counts, [*failures, *agents, *paused], "{warning}");
        if let Some(traceback) = warning["traceback"].as_str().filter(|_| !line.is_null()) {
            assert!(
                traceback.contains(&format!("File \"{}\"", file.split(' ').next().expect("a word"))),
                "{traceback}"
            );
        }
        // Without `--strict` it is only said, and the command that it names shows more.
        let plain = world.run(&[]);
        let said = talk(&plain);
        assert_eq!(plain.status.code(), Some(0), "{said}");
        assert!(said.contains("warning: code failed") && said.contains(*file), "{said}");
        assert!(said.contains(&format!("oikos log {} --refused --json", world.path("w.oikos"))), "{said}");
    }
}

#[test]
fn a_message_is_one_line_and_its_traceback_stands_beside_it() {
    let tool = "[[artifacts]]\nid = \"tool\"\nowner = \"a\"\nhas_standing = true\ncode = '''\ndef run():\n    transfer(\"a\", 5)\n'''\n";
    let world = World::new(&(agent("def step(o):\n    raise ValueError('one\\ntwo')", 1) + tool));
    world.run(&[]);
    let line = &world.lines(&["log", "--type", "thought"])[0];
    let error = &line["error"];
    assert_eq!(error["message"], "in `a`, line 2: ValueError: one …");
    let traceback = error["traceback"].as_str().expect("a traceback");
    assert!(
        traceback
            .starts_with("Traceback (most recent call last):\n  File \"agents.a.code\", line 2, in step\n")
    );
    assert!(traceback.ends_with("ValueError: one\ntwo"), "{traceback}");
    let told = world.session(&[
        json!({"id": 1, "act": {"as": "a", "op": "run", "code": "x = 1\ninvoke('tool')"}}),
        json!({"id": 2, "act": {"as": "a", "op": "transfer", "to": "tool", "amount": 5}}),
        json!({"id": 3, "act": {"as": "a", "op": "write", "artifact": "new", "code": "def run(:"}}),
    ]);
    // A refused op inside code keeps its own words, and has the places through which it came.
    let error = &told[0]["receipt"]["error"];
    assert_eq!((&error["code"], &error["need"]), (&json!("insufficient_scrip"), &json!(5)));
    assert!(!error["message"].as_str().expect("text").contains('\n'));
    let traceback = error["traceback"].as_str().expect("a traceback");
    let places =
        ["File \"<run>\", line 2, in <module>", "File \"tool\", line 2, in run", "insufficient_scrip"];
    let found: Vec<usize> = places.iter().map(|place| traceback.find(place).expect(place)).collect();
    assert!(found.is_sorted(), "{traceback}");
    assert_eq!(traceback.matches("Traceback").count(), 1, "{traceback}");
    // Where no code ran there is none.
    assert!(told[1]["receipt"]["error"].get("traceback").is_none(), "{}", told[1]);
    let error = &told[2]["receipt"]["error"];
    assert_eq!(error["code"], "invalid_code");
    assert!(error["message"].as_str().expect("text").starts_with("in `new`, line 1: SyntaxError"), "{error}");
}

#[test]
fn it_is_said_when_nobody_does_anything() {
    let idle = "def step(o):\n    return {'op': 'noop'} if o['tick'] % 2 else {'op': 'transfer', 'to': 'x', 'amount': 1}";
    let once = |tick: u64| {
        format!(
            "def step(o):\n    return {{'op': 'store', 'key': 'k', 'value': 1}} if o['tick'] == {tick} else None"
        )
    };
    let alone = |pace: &str| {
        let section = format!("[execution]\nmode = \"autonomous\"\nduration = \"100s\"\npace = \"{pace}\"\n");
        agent("def step(o):\n    return None", 0).replace("[execution]\nticks = 0\n", &section)
    };
    // A recorder whose series has outgrown what a key of storage holds.
    let recorder = "def step(o):\n    return {'op': 'invoke', 'artifact': me, 'method': 'note'}\n\ndef note():\n    series = storage_get('series', [])\n    storage_set('series', series + [random()] * 2000)";
    for (text, says) in [
        (agent(recorder, 60), Some("the last 59 ticks")),
        (agent(idle, 50), Some("the last 50 ticks")),
        (agent(idle, 49), None),
        (agent(&once(0), 51), Some("the last 50 ticks")),
        (agent(&once(0), 1_101), Some("the last 1,100 ticks")),
        (agent(&once(0), 50), None),
        (agent(&once(59), 60), None),
        (alone("2s"), Some("the last 100s")),
        (alone("3s"), None),
        ("[execution]\nticks = 60\n".into(), None),
    ] {
        let world = World::new(&text);
        // Nothing has failed that `--strict` is about.
        let output = world.run(&["--json", "--strict"]);
        assert_eq!(output.status.code(), Some(0), "{}", talk(&output));
        let report = report(&output);
        let warnings = report["warnings"].as_array().expect("an array");
        match says {
            Some(span) => {
                assert_eq!(warnings[0]["code"], "nobody_acts", "{text}");
                assert!(warnings[0]["message"].as_str().expect("text").contains(span), "{warnings:?}");
            }
            None => assert!(warnings.is_empty(), "{text}: {warnings:?}"),
        }
    }
}

const PRINTS: &str = r#"
[execution]
ticks = 2
[[agents]]
id = "a"
code = '''
def step(o):
    print("HERE")
    print("and there")
    return {"op": "run", "code": "log('acting', 1)"}
'''
[[agents]]
id = "b"
code = '''
def step(o):
    seen = query("events", since=0)
    return {"op": "store", "key": str(o["tick"]), "value": "HERE" in str(seen) + str(o)}
'''
"#;

#[test]
fn output_of_minds_and_actions_is_in_the_record_for_observers() {
    let world = World::new(PRINTS);
    let live = world.run(&["--events=print", "--json"]);
    let live: Vec<Value> = String::from_utf8(live.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &Value| line.get("type").is_some())
        .collect();
    let of = |lines: &[Value]| -> Vec<(String, String, String)> {
        let text = |line: &Value, key: &str| line[key].as_str().expect(key).to_owned();
        lines.iter().map(|line| (text(line, "actor"), text(line, "of"), text(line, "text"))).collect()
    };
    let one = [("a", "thought", "HERE\nand there\n"), ("a", "action", "acting 1\n")];
    let all: Vec<_> =
        one.iter().chain(&one).map(|(a, b, c)| ((*a).into(), (*b).into(), (*c).into())).collect();
    let logged = world.lines(&["log", "--output"]);
    assert_eq!(of(&logged), all);
    assert_eq!(live, logged);
    assert_eq!(world.lines(&["log", "--type", "print"]), logged);
    assert_eq!(world.lines(&["log", "--output", "--of", "b"]), [json!(null); 0]);
    let shown = world.told(&["log", "--output"]);
    assert!(
        shown.contains("  a prints: acting 1") && shown.contains("         HERE\n         and there"),
        "{shown}"
    );
    // Among all lines it stands before what came of the step.
    let types: Vec<Value> =
        world.lines(&["log", "--of", "a"]).iter().map(|line| line["type"].clone()).collect();
    let first = types.iter().position(|kind| kind == "print").expect("it is there");
    assert_eq!(types[first..first + 3], [json!("print"), json!("print"), json!("run")]);
    // Nobody in the world learns of it.
    assert_eq!(
        world.told(&["inspect", "b", "--storage", "--json"]).trim(),
        r#"{"id":"b","storage":{"0":false,"1":false}}"#
    );
    // A replay compares it, and a fork keeps it.
    assert!(world.told(&["replay"]).starts_with("equal"));
    let (db, fork) = (world.path("w.oikos"), world.path("fork.oikos"));
    assert!(oikos(["fork", &db, "--at", "tick:0", "--to", &fork]).status.success());
    let kept = oikos(["log", &fork, "--output"]).stdout;
    assert_eq!(String::from_utf8_lossy(&kept).matches("HERE").count(), 1);
}

#[test]
fn output_is_bounded_and_paid_by_who_prints() {
    let step = "def step(o):\n    return None\n\ndef run(n):\n    print('x' * n, end='')\n\ndef twice(n):\n    invoke(me, n)\n    invoke(me, n)";
    let world = World::new(&agent(step, 1));
    world.run(&[]);
    let call = |method: &str, n: u64| json!({"id": 1, "act": {"as": "a", "op": "invoke", "artifact": "a", "method": method, "args": [n]}});
    let told =
        world.session(&[call("run", 10), call("run", 65_536), call("run", 65_537), call("twice", 40_000)]);
    let receipt = |at: usize| &told[at]["receipt"];
    let cpu = |at: usize| receipt(at)["charges"][0]["amount"].as_u64().expect("a charge");
    let mark = "the rest of the output is not kept";
    let kept = |at: usize| receipt(at)["output"].as_str().unwrap_or_default().matches('x').count();
    assert_eq!([0, 1, 3].map(kept), [10, 65_536, 65_536]);
    assert!(!receipt(1)["output"].as_str().expect("text").contains(mark));
    assert_eq!(receipt(2)["error"]["code"], "limit_exceeded");
    assert!(receipt(3)["output"].as_str().expect("text").ends_with(&format!("… {mark}\n")));
    // A byte that is written takes four parts of 4,096 of a unit of work, which is 5 µs.
    assert!(cpu(1) - cpu(0) >= 65_526 * 4 / 4_096 * 5, "{} {}", cpu(0), cpu(1));
    let logged = world.lines(&["log", "--output"]);
    assert_eq!(logged.len(), 4);
    assert!(logged[2]["text"].as_str().expect("text").contains(mark), "the part that went is told too");
}

const KEEPS: &str = r#"
[execution]
ticks = 3
[[agents]]
id = "a"
content = { mood = 0 }
code = '''
def step(o):
    return [{"op": "store", "key": "wealth", "value": o["tick"]}, {"op": "write", "artifact": me, "content": {"mood": o["tick"]}}]'''
[[artifacts]]
id = "note"
owner = "a"
content = "two\nlines"
"#;

#[test]
fn an_observer_sees_what_artifacts_keep_and_leaves_no_trace() {
    let world = World::new(KEEPS);
    let before = report(&world.run(&["--json"]));
    let code = "def step(o):\n    return [{\"op\": \"store\", \"key\": \"wealth\", \"value\": o[\"tick\"]}, {\"op\": \"write\", \"artifact\": me, \"content\": {\"mood\": o[\"tick\"]}}]";
    for (asked, told) in [
        // Raw, to the last byte.
        (&["a", "--code"][..], code.to_owned()),
        (&["note", "--content"], "two\nlines".into()),
        (&["a", "--content"], "{\n  \"mood\": 2\n}\n".into()),
        (&["a", "--storage"], "{\n  \"wealth\": 2\n}\n".into()),
        (&["note", "--storage"], "{}\n".into()),
        (&["a", "--storage", "--at", "tick:0"], "{\n  \"wealth\": 0\n}\n".into()),
        (
            &["a", "--content", "--storage", "--json"],
            "{\"id\":\"a\",\"content\":{\"mood\":2},\"storage\":{\"wealth\":2}}\n".into(),
        ),
        (&["note", "--code", "--json"], "{\"id\":\"note\",\"code\":null}\n".into()),
    ] {
        assert_eq!(world.told(&[&["inspect"], asked].concat()), told, "{asked:?}");
    }
    for (asked, says) in [
        (&["note", "--code"][..], "`note` has no code"),
        (&["nix", "--code"], "there is no artifact `nix`"),
        (&["agents", "--code"], "go with one artifact"),
    ] {
        let db = world.path("w.oikos");
        let output = oikos(["inspect", &db].iter().chain(asked));
        assert_eq!(output.status.code(), Some(2), "{asked:?}");
        assert!(talk(&output).contains(says), "{}", talk(&output));
    }
    let whole = json!({"id": "a", "content": {"mood": 2}, "code": code, "storage": {"wealth": 2}});
    let told = world.session(&[
        json!({"id": 1, "inspect": "a"}),
        json!({"id": 2, "inspect": {"artifact": "a", "storage": true}}),
        json!({"id": 3, "inspect": {"artifact": "a", "storage": false}}),
        json!({"id": 4, "inspect": "nix"}),
        json!({"id": 5, "inspect": 5}),
        json!({"id": 6, "inspect": {"artifact": "a", "secrets": true}}),
        json!({"id": 7, "inspect": {"artifact": "a", "code": 1}}),
        json!({"id": 8, "inspect": {"code": true}}),
        json!({"id": 9, "verify": true}),
    ]);
    assert_eq!(told[0]["result"], whole);
    assert_eq!(told[1]["result"], json!({"id": "a", "storage": {"wealth": 2}}));
    assert_eq!(told[2]["result"], whole);
    let codes: Vec<&Value> = told[3..8].iter().map(|told| &told["error"]["code"]).collect();
    let invalid = &json!("invalid_argument");
    assert_eq!(codes, [&json!("not_found"), invalid, invalid, invalid, invalid]);
    for hash in ["state_digest", "journal_hash"] {
        assert_eq!(told[8]["result"][hash], before[hash], "{hash}");
    }
}
