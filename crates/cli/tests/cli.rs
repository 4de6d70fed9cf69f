//! The terminal: commands, their output, talk and exit codes, as snapshots.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Command};

use serde_json::Value;

const WORLD: &str = r#"[world]
name = "village"
seed = 4

[execution]
ticks = 5

[scrip]
start = 10

[measures]
gini = "gini(scrip)"

[[agents]]
id = "agent"
count = 4
code_file = "mind.py"

[[artifacts]]
id = "oven"
owner = "agent_001"
kind = "tool"
price = 2
code = "def run(flour):\n    return flour * 2\n"
"#;

const MIND: &str = r#"def step(observation):
    if observation["tick"] == 3:
        return {"op": "transfer", "to": "agent_002", "amount": 1000}
    return {"op": "invoke", "artifact": "oven", "args": [observation["tick"]]}
"#;

/// Agents that get nowhere, each in its own way, and one that does well.
const ILL: &str = r#"
[world]
name = "ill"
[execution]
mode = "tick"
ticks = 15
[[agents]]
id = "idle"
count = 2
code = "def step(observation): return None"
[[agents]]
id = "a_reader_with_a_name_that_is_rather_long"
code = "def step(observation): return {'op': 'read', 'artifact': 'lost'}"
[[agents]]
id = "mute"
code = "def step(observation): return 'hello'"
[[agents]]
id = "well"
scrip = 20
code = "def step(observation): return {'op': 'transfer', 'to': 'mute', 'amount': 1}"
"#;

/// A folder in which commands are run.
struct Shell {
    folder: tempfile::TempDir,
}

struct Ran {
    code: Option<i32>,
    out: String,
    talk: String,
}

impl Shell {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().expect("a folder") };
        this.write("village.toml", WORLD);
        this.write("mind.py", MIND);
        this
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
        let output =
            command.current_dir(self.folder.path()).args(arguments).output().expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Ran { code: output.status.code(), out: text(&output.stdout), talk: text(&output.stderr) }
    }

    /// A command as shown: its line, exit code, output and talk.
    fn show(&self, arguments: &[&str]) -> String {
        let Ran { code, out, talk } = self.run(arguments);
        for text in [&out, &talk] {
            assert!(
                !text.contains('\u{1b}') && !text.contains('\r'),
                "colour or a bar where there is no terminal"
            );
        }
        let code = code.expect("it ends by itself");
        // The folder has another name each time.
        let folder = format!("{}/", self.folder.path().canonicalize().expect("a folder").display());
        let [out, talk] = [out, talk].map(|text| text.replace(&folder, ""));
        format!("$ oikos {}\n-- exit {code}\n{out}-- talk\n{talk}", arguments.join(" "))
    }
}

/// Compares what commands show with the snapshot of that name.
fn snapshot(name: &str, shell: &Shell, commands: &[&[&str]]) {
    let shown: Vec<String> = commands.iter().map(|arguments| shell.show(arguments)).collect();
    insta::with_settings!({ omit_expression => true, snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, without_batches(&without_hashes(&shown.join("\n"))));
    });
}

/// In how many batches records came to the disk depends on how busy the machine is.
fn without_batches(text: &str) -> String {
    let without = |line: &str| match line.split_once(" records in ") {
        Some((records, rest)) => {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!(
                "{records} records in N batches{}",
                rest.trim_start_matches(" batch").trim_start_matches("es")
            )
        }
        None => match line.split_once("\"batches\":") {
            Some((before, rest)) => {
                let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}\"batches\":N{rest}")
            }
            None => line.to_owned(),
        },
    };
    text.split('\n').map(without).collect::<Vec<_>>().join("\n")
}

/// Hashes depend on every word of the handbook, so they are not shown.
fn without_hashes(text: &str) -> String {
    let mut shown = String::new();
    for piece in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if word.len() == 64 {
            shown.push_str("HASH");
            shown.push_str(piece.strip_prefix(word).unwrap_or_default());
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

#[test]
fn help_tells_what_there_is() {
    let shell = Shell::new();
    snapshot(
        "help",
        &shell,
        &[
            &["--help"],
            &["run", "--help"],
            &["log", "--help"],
            &["ask", "--help"],
            &["tape", "--help"],
            &["session", "--help"],
            &["--version"],
        ],
    );
}

#[test]
fn a_world_is_run_and_looked_at() {
    let shell = Shell::new();
    snapshot(
        "village",
        &shell,
        &[
            &["validate", "village.toml"],
            &["run", "village.toml"],
            &["run", "village.toml"],
            &["run", "village.toml", "--json"],
            &["run", "village.toml", "--db", "told.oikos", "--events=invoke"],
            &["verify", "village.oikos"],
            &["verify", "village.oikos", "--json"],
            &["inspect", "village.oikos"],
            &["inspect", "village.oikos", "agents"],
            &["inspect", "village.oikos", "artifacts"],
            &["inspect", "village.oikos", "balances"],
            &["inspect", "village.oikos", "oven"],
            &["log", "village.oikos", "--limit", "8"],
            &["log", "village.oikos", "--refused", "--json"],
            &[
                "act",
                "village.oikos",
                "--as",
                "agent_002",
                r#"{"op": "transfer", "to": "agent_001", "amount": 1}"#,
            ],
            &[
                "act",
                "village.oikos",
                "--as",
                "agent_002",
                r#"{"op": "transfer", "to": "agent_001", "amount": 1000}"#,
            ],
        ],
    );
}

#[test]
fn a_run_tells_of_those_who_get_nowhere() {
    let shell = Shell::new();
    shell.write("ill.toml", ILL);
    snapshot(
        "ill",
        &shell,
        &[
            &["run", "ill.toml"],
            &["run", "ill.toml", "--json"],
            &["log", "ill.oikos", "--type", "health"],
            &["log", "ill.oikos", "--type", "health", "--limit", "1", "--json"],
        ],
    );
}

#[test]
fn what_can_not_be_meant_is_told_with_what_can() {
    let shell = Shell::new();
    shell.run(&["run", "village.toml"]);
    shell.write("typo.toml", "[world]\nname = \"x\"\n\n[execution]\ntikcs = 5\n");
    shell.write(
        "code.toml",
        "[[agents]]\nid = \"a\"\ncode = \"\"\"\ndef step(observation)\n    return None\n\"\"\"\n",
    );
    shell.write("broken.toml", "[world\n");
    snapshot(
        "wrong",
        &shell,
        &[
            &["rnu", "village.toml"],
            &["run"],
            &["run", "nowhere.toml"],
            &["run", "typo.toml"],
            &["run", "broken.toml"],
            &["validate", "code.toml"],
            &["validate", "village.toml", "--set", "execution.tiks=5"],
            &["validate", "village.toml", "--set", "ticks"],
            &["validate", "village.toml", "--seed", "-1"],
            &["run", "village.toml", "--seed", "9"],
            &["inspect", "nowhere.oikos"],
            &["inspect", "village.toml"],
            &["inspect", "village.oikos", "nothing"],
            &["log", "village.oikos", "--type", "transfr"],
            &["run", "village.toml", "--events=transfr"],
            &["log", "village.oikos", "--of", "nobody"],
            &["act", "village.oikos", "--as", "nobody", r#"{"op": "noop"}"#],
            &["act", "village.oikos", "--as", "agent_001", "noop"],
            &["act", "village.oikos", "--as", "agent_001", r#"{"op": "nop"}"#],
            &["session", "village.oikos", "--seed", "4"],
            &["init", "bad name"],
        ],
    );
}

#[test]
fn a_new_world_begins_with_init() {
    let shell = Shell::new();
    snapshot(
        "init",
        &shell,
        &[&["init", "town"], &["init", "town"], &["validate", "town.toml"], &["run", "town.toml"]],
    );
}

#[test]
fn every_answer_for_programs_is_json() {
    let shell = Shell::new();
    for arguments in [
        &["validate", "village.toml"][..],
        &["run", "village.toml"],
        &["verify", "village.oikos"],
        &["inspect", "village.oikos", "principals"],
        &["inspect", "village.oikos", "agents"],
        &["inspect", "village.oikos", "artifacts"],
        &["inspect", "village.oikos", "balances"],
        &["inspect", "village.oikos", "oven"],
        &["log", "village.oikos"],
        &["log", "village.oikos", "--thoughts"],
        &["cost", "village.oikos"],
        &["tape", "export", "village.oikos", "tape.jsonl"],
        &["tape", "import", "village.oikos", "tape.jsonl"],
        &["act", "village.oikos", "--as", "agent_001", r#"{"op": "noop"}"#],
        &["schema", "op"],
        &["schema", "world"],
        &["init", "town"],
    ] {
        let ran = shell.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.talk);
        assert!(!ran.out.is_empty(), "{arguments:?}");
        for line in ran.out.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{arguments:?}: {line}");
        }
    }
    let principals = shell.run(&["inspect", "village.oikos", "principals", "--json"]).out;
    let principals: Vec<Value> = serde_json::from_str(&principals).expect("an array");
    for field in ["id", "owner", "has_loop", "scrip", "resources"] {
        assert!(principals.iter().all(|principal| principal.get(field).is_some()), "{field}");
    }
}

/// `docs/drive_a_world.py`, as its document says to run it.
#[test]
fn a_python_script_drives_a_world() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new("python3");
    command.current_dir(&root).args(["docs/drive_a_world.py", env!("CARGO_BIN_EXE_oikos")]);
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("there is no python3 here, so the script was not run");
            return;
        }
        output => output.expect("the script runs"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().expect("JSON");
    let of = |at: usize, pointer: &str| answers.get(at).and_then(|answer| answer.pointer(pointer)).cloned();
    assert_eq!(of(0, "/stopped"), Some("ticks".into()), "{text}");
    assert_eq!(of(1, "/receipt/ok"), Some(true.into()), "{text}");
    assert_eq!(of(3, "/result/ok"), Some(true.into()), "{text}");
}

/// Whichever command is the first to need Python prepares it, says so, and keeps it for the next.
#[test]
fn python_is_prepared_once() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.toml"), "[[agents]]\nid = 'a'\ncode = 'def step(o): return None'\n")
        .expect("a file");
    let validate = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
        command
            .args(["validate", "a.toml"])
            .current_dir(&folder)
            .env("OIKOS_CACHE", folder.path().join("cache"));
        let output = command.output().expect("the binary runs");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (first, second) = (validate(), validate());
    assert!(first.contains("Python is prepared for this machine, once"), "{first}");
    assert_eq!(second, "");
}
