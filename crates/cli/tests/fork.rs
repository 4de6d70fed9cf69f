//! Worlds that go on from a moment of another: as they were, and under changed rules.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use self::small::{oikos, talk};

/// Two who buy lots at each step, as far as their calls go, and one who sells them.
const WORLD: &str = r#"
[world]
name = "w"
seed = 7
[execution]
MODE
[resources.calls]
kind = "renewable"
rate = 4
window = "4m"
[costs]
invoke = { calls = 1 }
[measures]
every = "90s"
sold = { of = "sum(scrip)", where = "seller" }
[[agents]]
id = "buyer"
count = 2
scrip = 100
code = '''
import random
def step(observation):
    return [{"op": "invoke", "artifact": "lots", "method": "draw"} for _ in range(random.randint(1, 2))]
'''
[[agents]]
id = "seller"
scrip = 10
code = "def step(observation):\n    return None"
[[artifacts]]
id = "lots"
owner = "seller"
price = 1
code = '''
import random
def draw():
    return random.randint(1, 1000)
'''
"#;

const MODES: [&str; 2] = ["ticks = 12", "mode = \"autonomous\"\npace = \"20s\"\nduration = \"8m\""];

struct Worlds {
    folder: tempfile::TempDir,
}

impl Worlds {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A world that has run to its end.
    fn ran(&self, mode: &str) -> PathBuf {
        let (file, db) = (self.path("w.toml"), self.path("w.oikos"));
        std::fs::write(&file, WORLD.replace("MODE", mode)).expect("a file");
        let _ = std::fs::remove_file(&db);
        small::run(file.to_str().expect("UTF-8"), &db, &[]);
        db
    }

    fn fork(&self, from: &Path, to: &str, more: &[&str]) -> (Output, PathBuf) {
        let to = self.path(to);
        let mut arguments = vec!["fork", from.to_str().expect("UTF-8"), "--json", "--to"];
        arguments.push(to.to_str().expect("UTF-8"));
        arguments.extend(more);
        (oikos(arguments), to)
    }

    /// A fork that is made and run to its end; its report.
    fn fork_and_run(&self, from: &Path, to: &str, more: &[&str]) -> (PathBuf, Value) {
        let (output, to) = self.fork(from, to, more);
        assert!(output.status.success(), "{more:?}: {}", talk(&output));
        let report = run_on(&to);
        let found = told(&["verify", to.to_str().expect("UTF-8")]);
        assert_eq!(found["ok"], true, "{more:?}: {found}");
        (to, report)
    }
}

fn told(arguments: &[&str]) -> Value {
    let output = oikos(arguments.iter().chain(&["--json"]));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", talk(&output)))
}

fn run_on(db: &Path) -> Value {
    told(&["run", db.to_str().expect("UTF-8")])
}

/// The series of a world, as text.
fn series(db: &Path) -> Vec<String> {
    let journal = oikos_runner::Journal::open_read_only(db).expect("a world");
    let mut rows = Vec::new();
    let read = journal.series(|row| {
        rows.push(format!("{row:?}"));
        Ok::<(), oikos_runner::JournalError>(())
    });
    read.expect("a series");
    rows
}

fn assert_replays(db: &Path) {
    let found = told(&["replay", db.to_str().expect("UTF-8")]);
    assert_eq!(found["ok"], true, "{found:#}");
}

#[test]
fn an_unchanged_fork_ends_in_the_hash_of_its_parent() {
    let worlds = Worlds::new();
    for mode in MODES {
        let db = worlds.ran(mode);
        let before = std::fs::read(&db).expect("a file");
        let measured = series(&db);
        assert!(measured.len() > 5, "{measured:?}");
        let whole = told(&["verify", db.to_str().expect("UTF-8")]);
        let last = whole["seq"].as_u64().expect("a number");
        let founded =
            (1..=last).find(|seq| worlds.fork(&db, "x", &["--at", &seq.to_string()]).0.status.success());
        let _ = std::fs::remove_file(worlds.path("x"));
        // In the middle of a tick too.
        for at in (founded.expect("a founding")..=last).step_by(5).chain([last]) {
            let name = format!("{at}.oikos");
            let (fork, report) = worlds.fork_and_run(&db, &name, &["--at", &at.to_string()]);
            assert_eq!(report["journal_hash"], whole["journal_hash"], "{mode} at {at}");
            assert_eq!(series(&fork), measured, "{mode} at {at}");
            let parent = &told(&["verify", fork.to_str().expect("UTF-8")])["parent"];
            assert_eq!((&parent["file"], &parent["seq"]), (&"w.oikos".into(), &at.into()));
            std::fs::remove_file(fork).expect("it can be removed");
        }
        assert_eq!(before, std::fs::read(&db).expect("a file"), "the parent is never touched");
    }
}

#[test]
fn a_fork_has_the_whole_tape_and_asks_nobody_again() {
    let worlds = Worlds::new();
    for example in ["salon", "interview"] {
        let db = worlds.path(&format!("{example}.oikos"));
        let whole = small::run(&small::example(example), &db, &[]);
        let last = whole["seq"].as_u64().expect("a number");
        for at in (20..=last).step_by(11) {
            let name = format!("{example}-{at}.oikos");
            let (_, report) = worlds.fork_and_run(&db, &name, &["--at", &at.to_string()]);
            assert_eq!(report["journal_hash"], whole["journal_hash"], "{example} at {at}");
        }
    }
}

#[test]
fn a_fork_goes_on_under_other_rules_and_is_the_same_again() {
    let worlds = Worlds::new();
    let calls = |db: &Path| {
        let log =
            oikos([Path::new("log"), db, Path::new("--type"), Path::new("invoke"), Path::new("--json")]);
        String::from_utf8(log.stdout).expect("UTF-8").lines().count()
    };
    for mode in MODES {
        let db = worlds.ran(mode);
        let few = calls(&db);
        let at = if mode.starts_with("ticks") { "tick:3" } else { "90s" };
        let mut hashes = vec![told(&["verify", db.to_str().expect("UTF-8")])["journal_hash"].clone()];
        for (name, change) in [
            ("window", &["--set", "resources.calls.window=1s"][..]),
            ("rate", &["--set", "resources.calls.rate=9"]),
            ("cost", &["--set", "costs.invoke.calls=3"]),
            ("seed", &["--seed", "8"]),
            ("act", &["--act", "seller", r#"{"op": "write", "artifact": "lots", "price": 9}"#]),
            ("longer", &["--set", "execution.ticks=14", "--set", "execution.duration=10m"]),
            ("both", &["--seed", "8", "--set", "execution.on_exhaustion=skip"]),
        ] {
            let more = [&["--at", at], change].concat();
            let (fork, report) = worlds.fork_and_run(&db, &format!("{name}.oikos"), &more);
            let (again, repeated) = worlds.fork_and_run(&db, &format!("{name}-again.oikos"), &more);
            assert_eq!(report["journal_hash"], repeated["journal_hash"], "{name}");
            assert_eq!(report["supply"], 210, "{name}");
            assert!(!hashes.contains(&report["journal_hash"]), "{name} is another world");
            hashes.push(report["journal_hash"].clone());
            assert_replays(&fork);
            match name {
                "window" | "rate" | "longer" => {
                    assert!(calls(&fork) > few, "{name}: {} of {few}", calls(&fork))
                }
                "cost" => assert!(calls(&fork) < few, "{name}: {} of {few}", calls(&fork)),
                _ => {}
            }
            // A fork of the fork knows the rules of both.
            let more = ["--at", "99999h", "--set", "execution.step_reserve=2ms"];
            let (second, _) = worlds.fork_and_run(&again, &format!("{name}-second.oikos"), &more);
            assert_replays(&second);
            for path in [fork, again, second] {
                std::fs::remove_file(path).expect("it can be removed");
            }
        }
    }
}

#[test]
fn a_change_that_no_running_world_can_make_is_refused_with_its_reason() {
    let worlds = Worlds::new();
    let db = worlds.ran(MODES[0]);
    for (change, code, problem) in [
        (&["--set", "world.clock=wall"][..], 2, "by the clock that the world began with"),
        (&["--set", "world.name=v"], 2, "a world keeps its name"),
        (&["--set", "resources.fuel={kind = \"renewable\", rate = 1}"], 2, "by the resources, and the kinds"),
        (&["--set", "permissions.mode=policy"], 2, "has its contract, or policy, already"),
        (&["--set", "execution.mode=autonomous"], 2, "the mode that the world began with"),
        (&["--set", "agents.buyer.scrip=9"], 2, "founded with"),
        (&["--set", "execution.phases=[\"step\"]"], 2, "by the phases that the world began with"),
        (&["--set", "execution.tick=9"], 2, "unknown key `tick`"),
        (&["--set", "execution.ticks"], 2, "KEY=VALUE"),
        (&["--act", "seller", "{"], 2, "not JSON"),
        (&["--act", "seller", r#"{"op": "transfer", "to": "lots", "amount": 5000}"#], 1, ""),
        (&["--act", "nobody", r#"{"op": "noop"}"#], 1, ""),
    ] {
        let (output, to) = worlds.fork(&db, "no.oikos", &[&["--at", "tick:3"], change].concat());
        assert_eq!(output.status.code(), Some(code), "{change:?}: {}", talk(&output));
        assert!(talk(&output).contains(problem), "{change:?}: {}", talk(&output));
        assert!(!to.exists(), "{change:?} made a world");
    }
    for (at, problem) in [
        ("tick:12", "there is no tick 12"),
        ("999999", "there is no record"),
        ("0", "there is no record"),
        ("2025-01-01T00:00:00Z", "begins at"),
    ] {
        let (output, to) = worlds.fork(&db, "no.oikos", &["--at", at]);
        assert_eq!(output.status.code(), Some(2), "{at}");
        assert!(talk(&output).contains(problem) && !to.exists(), "{at}: {}", talk(&output));
    }
    // A file that is there stays.
    let (output, _) = worlds.fork(&db, "w.oikos", &["--at", "tick:3"]);
    assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
    let beside = std::fs::read_dir(worlds.folder.path()).expect("a folder").count();
    assert!(beside <= 3, "nothing is left of what was not made");
    // A world that goes on by itself takes no other rules.
    let output = oikos([Path::new("run"), &db, Path::new("--seed"), Path::new("3")]);
    assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
    assert!(talk(&output).contains("oikos fork"), "{}", talk(&output));
}
