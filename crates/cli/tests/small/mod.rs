//! Worlds on disk, run by the binary.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// How worlds are run: in worker processes where these tests stand in `isolated.rs`.
fn isolation() -> &'static [&'static str] {
    if module_path!().starts_with("isolated::") { &["--isolation", "process"] } else { &[] }
}

pub(crate) const COMMAND: &str = env!("CARGO_BIN_EXE_oikos");

pub(crate) fn oikos<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    Command::new(COMMAND).args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
}

pub(crate) fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn example(world: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds").join(format!("{world}.toml"));
    file.to_str().expect("a path in UTF-8").into()
}

/// The final report of `run --json`.
pub(crate) fn run(file: &str, db: &Path, more: &[&str]) -> Value {
    let db = db.to_str().expect("a path in UTF-8");
    let output = oikos(["run", file, "--db", db, "--json"].iter().chain(isolation()).chain(more));
    assert!(output.status.success(), "{}", talk(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Digest and journal hash.
pub(crate) fn hashes(report: &Value) -> (String, String) {
    let text = |key: &str| report[key].as_str().expect("a hash").to_owned();
    (text("state_digest"), text("journal_hash"))
}

/// Sends a signal, as a terminal or a service manager would.
pub(crate) fn signal_to(child: &Child, signal: &str) {
    // The shell has a `kill` of its own; not every machine has another.
    let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(kill.expect("a shell").success());
}

/// A folder with a small world that has something of everything: code, storage, contracts, failures.
pub(crate) struct Small {
    pub(crate) folder: tempfile::TempDir,
}

impl Small {
    pub(crate) fn new() -> Self {
        Self::of(WORLD, MIND)
    }

    pub(crate) fn of(world: &str, mind: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let this = Self { folder };
        this.write("small.toml", world);
        this.write("mind.py", mind);
        this
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self) -> String {
        self.path("small.toml").to_str().expect("UTF-8").into()
    }

    pub(crate) fn run(&self, db: &str, more: &[&str]) -> Value {
        run(&self.file(), &self.path(db), more)
    }

    pub(crate) fn try_run(&self, db: &str, more: &[&str]) -> Output {
        let (file, db) = (self.file(), self.path(db));
        oikos(
            ["run", &file, "--db", db.to_str().expect("UTF-8"), "--json"]
                .iter()
                .chain(isolation())
                .chain(more),
        )
    }

    pub(crate) fn start(&self, db: &str, more: &[&str]) -> Child {
        let mut command = Command::new(COMMAND);
        command.args(["run", &self.file(), "--json", "--db"]).arg(self.path(db)).args(isolation()).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    }

    pub(crate) fn verify(&self, db: &str) -> Output {
        oikos(["verify", self.path(db).to_str().expect("UTF-8")])
    }

    /// Waits until so many records are on disk, or the process has ended.
    pub(crate) fn wait(&self, child: &mut Child, db: &str, enough: u64) {
        let begun = Instant::now();
        while self.records(db) < enough && child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(600), "nothing is written");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many records are on disk now.
    pub(crate) fn records(&self, db: &str) -> u64 {
        // A look must not make the file.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let Ok(db) = Connection::open_with_flags(self.path(db), flags) else { return 0 };
        db.query_row("SELECT coalesce(max(seq_first + count), 1) - 1 FROM journal", [], |row| row.get(0))
            .unwrap_or(0)
    }
}

pub(crate) const WORLD: &str = r#"
[world]
name = "small"
seed = 3

[execution]
ticks         = 40
tick_duration = "60s"

[scrip]
start = 50

[resources.disk]
kind = "allocatable"
total = "400 kB"
split = "equal"

[resources.actions]
kind = "renewable"
rate = 20
window = "90s"

[costs]
"*" = { actions = 1 }

[measures]
gini = "gini(scrip)"

[[agents]]
id = "agent"
count = 12
code_file = "mind.py"

[[artifacts]]
id = "counter"
owner = "agent_001"
price = 1
access_contract = "rule"
code = """
def run(by):
    storage_set('n', storage_get('n', 0) + by)
    return storage_get('n')
"""

[[artifacts]]
id = "rule"
owner = "agent_002"
code = """
def check_permission(caller, action, target, context, ledger):
    return {'allowed': ledger.get_scrip(caller) > 20, 'reason': 'twenty scrip', 'cost': 1}
"""
"#;

pub(crate) const MIND: &str = "
import random

def step(observation):
    this = observation['self']
    turn = random.randint(0, 5)
    if turn == 0:
        return {'op': 'invoke', 'artifact': 'counter', 'args': [observation['tick']], 'max_spend': 5}
    if turn == 1:
        return {'op': 'write', 'artifact': f\"note_{this['id']}_{observation['tick']}\", 'content': {'saw': len(observation['events'])}}
    if turn == 2:
        return {'op': 'store', 'key': 'last', 'value': observation['now']}
    if turn == 3:
        return [{'op': 'noop'}, {'op': 'transfer', 'to': 'agent_003', 'amount': 1000}]
    if turn == 4:
        raise ValueError('a bad day')
    other = query('agents', sample=1)[0]['id']
    return {'op': 'transfer', 'to': other, 'amount': random.randint(1, 9)}
";
