//! The rules that a world file gives a model: parameters, kinds, order and phases, hooks, an end. Each holds when the
//! world is run, cut short and gone on with, and replayed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use std::path::{Path, PathBuf};

use oikos_runner::{
    Journal, Live, Stop,
    config::{self, Overrides},
    library,
};
use serde_json::{Value, json};

use self::door::workplace;

/// A world in a file of its own.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Founds a world, or goes on with it.
    fn open(&self, text: &str, set: &[(&str, &str)], name: &str) -> Live {
        door::prepare();
        let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut no_files = |_: &str| Err("there is none".to_owned());
        let overrides = Overrides { seed: None, set };
        let file = config::parse("w.toml", text.to_owned(), &mut no_files, &overrides, library::founders())
            .unwrap_or_else(|error| panic!("{error}"));
        workplace().open_or_found(file, &self.path(name)).expect("it goes on")
    }

    /// Runs a world to its end.
    fn run(&self, text: &str, set: &[(&str, &str)], name: &str) -> Live {
        let mut live = self.open(text, set, name);
        run(&mut live);
        live
    }

    /// Whether executing the journal again makes the same records.
    fn assert_replays(&self, name: &str) {
        let journal = Journal::open_read_only(&self.path(name)).expect("a world");
        let until = journal.head().seq;
        let found = oikos_runner::replay(&workplace(), &journal, until, |_| ()).expect("it is read");
        assert!(found.difference.is_none() && found.seq == until, "{name}: {:?}", found.difference);
    }
}

fn run(live: &mut Live) {
    let goal = live.goal().expect("a goal");
    assert!(live.run_to_end(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
}

/// The storage of an artifact.
fn storage(live: &Live, id: &str) -> Value {
    let world = live.world();
    let artifact = world.get(world.lookup(id).expect("it is there")).expect("it is there");
    Value::Object(artifact.storage().map(|(key, value)| (key.to_owned(), value.clone())).collect())
}

/// The hash of a world's journal.
fn hash(live: &Live) -> [u8; 32] {
    live.sequencer.head().journal_hash
}

const FISHERS: &str = r#"
[execution]
ticks = 4
[parameters]
harvest = 3
names = ["a", "b"]
shore = { fee = 0.5 }
[[agents]]
id = "fisher"
code = '''
def step(o):
    assert o["parameters"] == parameters
    return {"op": "invoke", "artifact": "lake", "method": "take", "args": [parameters["harvest"]]}
'''
[[artifacts]]
id = "door"
owner = "fisher"
code = '''
def check_permission(caller, action, target, context, ledger):
    return {"allowed": action != "invoke" or parameters["harvest"] < 12, "reason": "overfished"}
'''
[[artifacts]]
id = "lake"
owner = "fisher"
access_contract = "door"
code = '''
def take(n):
    storage_set("taken", storage_get("taken", 0) + n)
    storage_set("seen", [parameters["harvest"], parameters["names"], parameters["shore"]["fee"]])
'''
"#;

#[test]
fn parameters_are_read_by_minds_methods_and_contracts() {
    let world = World::new();
    let live = world.run(FISHERS, &[], "a.oikos");
    assert_eq!(storage(&live, "lake"), json!({ "taken": 12, "seen": [3, ["a", "b"], 0.5] }));
    drop(live);
    world.assert_replays("a.oikos");
    let set = [("parameters.harvest", "11"), ("parameters.shore.fee", "2")];
    let live = world.run(FISHERS, &set, "b.oikos");
    assert_eq!(storage(&live, "lake"), json!({ "taken": 44, "seen": [11, ["a", "b"], 2] }));
    let whole = hash(&live);
    drop(live);
    world.assert_replays("b.oikos");
    // In two goes, and not with another value.
    let live = world.run(&FISHERS.replace("ticks = 4", "ticks = 2"), &set, "c.oikos");
    drop(live);
    let live = world.run(FISHERS, &set, "c.oikos");
    assert_eq!((storage(&live, "lake")["taken"].clone(), hash(&live)), (json!(44), whole));
    drop(live);
    // A contract that reads them refuses.
    let live = world.run(FISHERS, &[("parameters.harvest", "12")], "d.oikos");
    assert_eq!(storage(&live, "lake"), json!({}));
}

#[test]
fn a_fork_changes_parameters_from_its_moment_on() {
    let world = World::new();
    drop(world.run(FISHERS, &[], "a.oikos"));
    let journal = Journal::open_read_only(&world.path("a.oikos")).expect("a world");
    let at = journal.head().seq - 4;
    let set = [("parameters.harvest".to_owned(), "10".to_owned())];
    let fork = |set: &[(String, String)]| {
        let to = world.path("b.oikos");
        let fork = oikos_runner::Fork { seq: at, to: &to, set, seed: None, acts: &[] };
        oikos_runner::fork(&workplace(), &journal, &fork)
    };
    let refused = fork(&[("parameters.harvst".to_owned(), "10".to_owned())]).expect_err("it declares none");
    assert!(refused.to_string().contains("did you mean `parameters.harvest`?"), "{refused}");
    assert!(matches!(fork(&set).expect("it is made"), oikos_runner::Forking::Made(_)));
    let mut live =
        workplace().open(Journal::open(&world.path("b.oikos")).expect("a world")).expect("it opens");
    run(&mut live);
    // Two ticks under the old rule, two under the new one.
    assert_eq!(storage(&live, "lake")["taken"], json!(2 * 3 + 2 * 10));
    drop(live);
    world.assert_replays("b.oikos");
}
