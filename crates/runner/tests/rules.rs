//! The rules that a world file gives a model: parameters, kinds, order and phases, hooks, an end. Each holds when the
//! world is run, cut short and gone on with, and replayed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use std::path::PathBuf;

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
        workplace().open_or_found(file, self.path(name)).expect("it goes on")
    }

    /// Runs a world to its end.
    fn run(&self, text: &str, set: &[(&str, &str)], name: &str) -> Live {
        let mut live = self.open(text, set, name);
        run(&mut live);
        live
    }

    /// Whether executing the journal again makes the same records.
    fn assert_replays(&self, name: &str) {
        let journal = Journal::open_read_only(self.path(name)).expect("a world");
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
    let journal = Journal::open_read_only(world.path("a.oikos")).expect("a world");
    let at = journal.head().seq - 4;
    let set = [("parameters.harvest".to_owned(), "10".to_owned())];
    let fork = |set: &[(String, String)]| {
        let to = world.path("b.oikos");
        let fork = oikos_runner::Fork { seq: at, to: &(&to).into(), set, seed: None, acts: &[] };
        oikos_runner::fork(&workplace(), &journal, &fork)
    };
    let refused = fork(&[("parameters.harvst".to_owned(), "10".to_owned())]).expect_err("it declares none");
    assert!(refused.to_string().contains("did you mean `parameters.harvest`?"), "{refused}");
    assert!(matches!(fork(&set).expect("it is made"), oikos_runner::Forking::Made(_)));
    let mut live =
        workplace().open(Journal::open(world.path("b.oikos")).expect("a world")).expect("it opens");
    run(&mut live);
    // Two ticks under the old rule, two under the new one.
    assert_eq!(storage(&live, "lake")["taken"], json!(2 * 3 + 2 * 10));
    drop(live);
    world.assert_replays("b.oikos");
}

impl World {
    /// Runs a world in one go, in two, and from its journal: each is the same world.
    fn run_every_way(&self, text: &str, ticks: u64) -> Live {
        let (whole, parts) = (format!("{ticks}.oikos"), format!("{ticks}-parts.oikos"));
        let of = |ticks: u64| text.replace("TICKS", &format!("ticks = {ticks}"));
        let live = self.run(&of(ticks), &[], &whole);
        let hash = hash(&live);
        for ticks in 1..ticks {
            drop(self.run(&of(ticks), &[], &parts));
        }
        let again = self.run(&of(ticks), &[], &parts);
        assert_eq!(self::hash(&again), hash, "in parts");
        drop((live, again));
        self.assert_replays(&whole);
        self.open(&of(ticks), &[], &whole)
    }
}

/// The value of a measure now.
fn measure(live: &mut Live, name: &str) -> f64 {
    let measures = live.file.measures.clone();
    let taken = oikos_runner::measure::take_all(&mut live.sequencer, &measures).expect("no fault");
    let number = taken.into_iter().find(|(of, _)| of == name).map(|(_, number)| number);
    number.expect("it is declared").expect("a number")
}

/// Ten people and a bank that acts by itself and is none of them.
const BANK: &str = r#"
[execution]
ticks = 20
[measures]
gini = "gini(scrip)"
people = { of = "count()", where = { kind = "person" } }
same = { of = "count()", where = 'kind = "person"' }
banks = { of = "sum(scrip)", where = { kind = "coord*" } }
by_id = { of = "count()", where = "bank" }
all = "count()"
with_bank = "notes.with_bank"
[[artifacts]]
id = "notes"
owner = "bank"
code = '''
def note():
    drawn = query("agents", sample=11)
    assert len(drawn) == 10 and all(row["kind"] == "person" for row in drawn)
    assert [row["id"] for row in query("agents", kind="coordinator", sample=3)] == ["bank"]
    assert query("agents", kind="nobody") == []
    if query("agents", sample=1)[0]["id"] == "bank":
        storage_set("n", storage_get("n", 0) + 1)
def with_bank():
    return storage_get("n", 0)
'''
[[agents]]
id = "person"
count = 10
scrip = 10
code = '''
def step(o):
    assert all(row["kind"] == "person" for row in query("agents", sample=5))
    return {"op": "invoke", "artifact": "notes", "method": "note"}
'''
[[agents]]
id = "bank"
kind = "coordinator"
scrip = 1000000
code = "def step(o):\n    return None\n"
"#;

#[test]
fn a_coordinator_is_in_no_sample_and_no_measure_that_does_not_name_it() {
    let world = World::new();
    let mut live = world.run(BANK, &[], "a.oikos");
    for (name, value) in [
        ("gini", 0.0),
        ("people", 10.0),
        ("same", 10.0),
        ("banks", 1_000_000.0),
        ("by_id", 1.0),
        ("all", 10.0),
        ("with_bank", 0.0),
    ] {
        assert!((measure(&mut live, name) - value).abs() < 1e-9, "{name} is {}", measure(&mut live, name));
    }
    let summary = oikos_runner::Summary::read(
        &live.sequencer.journal().expect("a journal"),
        &World::state(&world, "a"),
    )
    .expect("it is read");
    assert_eq!((summary.actions, summary.failures), (200, 0), "{:?}", summary.reasons);
}

impl World {
    /// The state of a world on disk.
    fn state(&self, name: &str) -> oikos_runner::kernel::world::World {
        let journal = Journal::open_read_only(self.path(&format!("{name}.oikos"))).expect("a world");
        oikos_runner::state(&journal).expect("a state")
    }
}

#[test]
fn a_child_is_of_the_kind_of_its_parent() {
    let world = World::new();
    let text = r#"
[execution]
ticks = 1
[[agents]]
id = "hen"
count = 1
code = '''
def step(o):
    return [{"op": "write", "artifact": name, "content": None, "code": "def step(o): pass", "has_loop": True, **more}
            for name, more in [("chick", {}), ("duck", {"kind": "duck"})]]
'''
[[agents]]
id = "bank"
kind = "coordinator"
code = '''
def step(o):
    return {"op": "write", "artifact": "branch", "content": None, "code": "def step(o): pass", "has_loop": True}
'''
"#;
    let live = world.run(text, &[], "a.oikos");
    let kind = |id: &str| {
        let world = live.world();
        world.get(world.lookup(id).expect("it is there")).expect("it is there").kind().to_owned()
    };
    for (id, is) in
        [("hen_001", "hen"), ("chick", "hen"), ("duck", "duck"), ("bank", "coordinator"), ("branch", "data")]
    {
        assert_eq!(kind(id), is, "{id}");
    }
}

/// Agents of two kinds that each write their name down.
const ROLL: &str = r#"
[execution]
ORDER
TICKS
[[agents]]
id = "wolf"
count = 3
code = "def step(o):\n    return {'op': 'invoke', 'artifact': 'roll', 'method': 'call_out'}"
[[agents]]
id = "sheep"
count = 3
code = "def step(o):\n    return {'op': 'invoke', 'artifact': 'roll', 'method': 'call_out'}"
[[artifacts]]
id = "roll"
owner = "wolf_001"
code = '''
def call_out():
    names = storage_get("names", [])
    storage_set("names", names + [call["caller"].replace("_00", "")])
'''
"#;

#[test]
fn those_act_first_whom_the_order_names() {
    let sorted = ["wolf1", "wolf2", "wolf3", "sheep1", "sheep2", "sheep3"];
    let mut found = Vec::new();
    for order in ["", "order = \"random\"", "order = \"fixed\"", "order = \"by_kind\""] {
        let world = World::new();
        let live = world.run_every_way(&ROLL.replace("ORDER", order), 6);
        let names = storage(&live, "roll")["names"].as_array().cloned().expect("names");
        let names: Vec<String> =
            names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
        let ticks: Vec<&[String]> = names.chunks(6).collect();
        assert_eq!(ticks.len(), 6, "{order}");
        for tick in &ticks {
            let kinds: Vec<&str> = tick.iter().map(|name| name.trim_end_matches(char::is_numeric)).collect();
            match order {
                "order = \"fixed\"" => assert_eq!(*tick, sorted),
                "order = \"by_kind\"" => {
                    assert_eq!(kinds, ["wolf", "wolf", "wolf", "sheep", "sheep", "sheep"])
                }
                _ => {}
            }
        }
        let is_shuffled = ticks.iter().any(|tick| *tick != ticks.first().copied().unwrap_or_default());
        assert_eq!(is_shuffled, order != "order = \"fixed\"", "{order}: {ticks:?}");
        found.push(names);
    }
    assert_eq!(found.first(), found.get(1), "random is the default");
    // By themselves, of those whose turn comes at one instant.
    for (order, first) in [("order = \"fixed\"", "wolf1"), ("order = \"by_kind\"", "wolf")] {
        let world = World::new();
        let text = ROLL.replace("ORDER", order).replace("TICKS", "mode = \"autonomous\"\nduration = \"5s\"");
        let live = world.run(&text, &[], "a.oikos");
        let names = storage(&live, "roll")["names"].as_array().cloned().expect("names");
        assert_eq!(names.len(), 30);
        assert!(
            names
                .chunks(6)
                .all(|tick| tick.first().and_then(Value::as_str).is_some_and(|name| name.starts_with(first))),
            "{names:?}"
        );
        drop(live);
        world.assert_replays("a.oikos");
    }
}

/// Traders who plan on one snapshot and trade on the next, and hooks around them.
const PHASES: &str = r#"
[execution]
phases = ["plan", "trade"]
TICKS
[[hooks]]
at = "setup"
artifact = "desk"
method = "open"
args = ["setup"]
[[hooks]]
at = "tick_start"
artifact = "desk"
method = "note"
args = ["start"]
[[hooks]]
at = "tick_end"
artifact = "desk"
method = "note"
args = ["end"]
[[hooks]]
at = "tick_end"
artifact = "desk"
method = "fails"
[[agents]]
id = "trader"
count = 3
scrip = 5
code = '''
def plan(o):
    assert o["phase"] == "plan"
    return {"op": "invoke", "artifact": "desk", "method": "note", "args": ["plan"]}
def trade(o):
    seen = query("artifact", artifact="desk")["price"]
    return {"op": "invoke", "artifact": "desk", "method": "note", "args": [o["phase"]]}
'''
[[artifacts]]
id = "desk"
owner = "trader_001"
code = '''
def open(word):
    storage_set("log", [word + " by " + call["caller"]])
def note(word):
    storage_set("log", storage_get("log") + [word])
def fails():
    storage_set("log", [])
    raise ValueError("no such day")
'''
"#;

#[test]
fn phases_and_hooks_come_in_their_order() {
    let world = World::new();
    let mut live = world.run_every_way(PHASES, 3);
    let tick = ["start", "plan", "plan", "plan", "trade", "trade", "trade", "end"];
    let log: Vec<&str> =
        std::iter::once("setup by desk").chain(std::iter::repeat_n(tick, 3).flatten()).collect();
    assert_eq!(storage(&live, "desk"), json!({ "log": log }));
    assert_eq!(live.ticks_done(), Some(3));
    let time = live.world().now();
    assert_eq!(time.ms() - live.world().rules().start.ms(), 120_000, "both phases of a tick are at its time");
    let journal = live.sequencer.journal().expect("a journal");
    let summary = oikos_runner::Summary::read(&journal, &world.state("3")).expect("it is read");
    assert_eq!((summary.actions, summary.failures), (3 * 6 + 1 + 2 * 3, 3));
    let reasons: Vec<&String> = summary.reasons.values().map(|(_, message)| message).collect();
    assert!(reasons.iter().any(|reason| reason.contains("no such day")), "{reasons:?}");
}

#[test]
fn a_fork_in_the_middle_of_phases_ends_as_its_parent() {
    let world = World::new();
    let live = world.run(&PHASES.replace("TICKS", "ticks = 2"), &[], "a.oikos");
    let whole = hash(&live);
    drop(live);
    let journal = Journal::open_read_only(world.path("a.oikos")).expect("a world");
    let last = journal.head().seq;
    for at in last - 21..=last {
        let to = world.path(&format!("{at}.oikos"));
        let fork = oikos_runner::Fork { seq: at, to: &(&to).into(), set: &[], seed: None, acts: &[] };
        assert!(matches!(
            oikos_runner::fork(&workplace(), &journal, &fork),
            Ok(oikos_runner::Forking::Made(_))
        ));
        let mut live = workplace().open(Journal::open(&to).expect("a world")).expect("it opens");
        run(&mut live);
        assert_eq!(hash(&live), whole, "at {at} of {last}");
    }
}

/// A pot that fills by one with each tick.
const POT: &str = r#"
[execution]
UNTIL
TICKS
[measures]
every = "1m"
filled = "pot.filled"
[[agents]]
id = "a"
code = "def step(o):\n    return {'op': 'invoke', 'artifact': 'pot', 'method': 'fill'}"
[[artifacts]]
id = "pot"
owner = "a"
code = '''
def fill():
    storage_set("n", storage_get("n", 0) + 1)
def filled():
    return storage_get("n", 0)
def is_full():
    return storage_get("n", 0) >= 4
def breaks():
    raise ValueError("nobody knows")
'''
"#;

#[test]
fn a_condition_ends_a_run_and_no_run_goes_past_it() {
    let alone = "mode = \"autonomous\"\npace = \"1m\"\nduration = \"10m\"";
    for (until, full) in [
        ("pot.is_full", Some(4)),
        ("filled >= 3", Some(3)),
        ("pot.filled > 5", Some(6)),
        ("count() == 1", Some(1)),
        ("filled < 0", None),
        ("pot.breaks", None),
    ] {
        for how in ["ticks = 9", alone] {
            let world = World::new();
            let text = POT.replace("UNTIL", &format!("until = \"{until}\"")).replace("TICKS", how);
            let mut live = world.open(&text, &[], "a.oikos");
            let goal = live.goal().expect("a goal");
            let run = |live: &mut Live| live.run_to_end(goal, &Stop::default(), |_, _| ()).expect("it runs");
            let stopped = run(&mut live);
            let case = format!("{until} {how}");
            assert_eq!(stopped.word() == "until", full.is_some(), "{case}");
            assert_eq!(live.untold.is_some(), until == "pot.breaks", "{case}: {:?}", live.untold);
            let all = if how == alone { 10 } else { 9 };
            assert_eq!(storage(&live, "pot")["n"], full.unwrap_or(all), "{case}");
            let (seq, hash) = (live.world().seq(), hash(&live));
            assert_eq!(run(&mut live).word(), stopped.word(), "{case}");
            drop(live);
            // Opened again it has ended already; another condition lets it go on.
            let mut live = world.open(&text, &[], "a.oikos");
            assert_eq!(
                (run(&mut live), live.world().seq(), self::hash(&live)),
                (stopped, seq, hash),
                "{case}"
            );
            drop(live);
            world.assert_replays("a.oikos");
            let mut live = world.open(&POT.replace("UNTIL", "").replace("TICKS", how), &[], "a.oikos");
            run(&mut live);
            assert_eq!(storage(&live, "pot")["n"], all, "{case}");
        }
    }
}

#[test]
fn functions_that_a_world_file_names_are_looked_for() {
    for (text, part) in [
        (
            PHASES.replace("\"trade\"]", "\"trad\"]"),
            "`trader_001`: its code has no function `trad`, which `[execution] phases` names; did you mean `trade`?",
        ),
        (
            PHASES.replace("method = \"open\"", "method = \"opne\""),
            "`desk`: its code has no function `opne`, which `[[hooks]]` names; did you mean `open`?",
        ),
        (
            POT.replace("UNTIL", "until = \"pot.is_ful\""),
            "`pot`: its code has no function `is_ful`, which `[execution] until` names; did you mean `is_full`?",
        ),
        (
            POT.replace("UNTIL", "").replace("\"pot.filled\"", "\"pot.fillled\""),
            "which the measure `filled` names; did you mean `filled`?",
        ),
    ] {
        let text = text.replace("TICKS", "");
        let error = Live::found(door::world_file(text), Journal::in_memory).expect_err("it lacks a function");
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(error.is_config());
    }
}

/// Agents with a rate, one of whom gives part of its own away.
const RATES: &str = r#"
[execution]
ticks = 12
[resources.calls]
kind = "renewable"
rate = 4
window = "1m"
[costs]
invoke = { calls = 1 }
[[agents]]
id = "a"
count = 2
code = "def step(o):\n    return [{'op': 'invoke', 'artifact': 'pot', 'method': 'fill'}] * o['self']['resources']['calls']['capacity']"
[[agents]]
id = "rich"
resources = { calls = 7 }
code = "def step(o):\n    return {'op': 'transfer', 'to': 'a_001', 'amount': 6, 'resource': 'calls'} if o['tick'] == 0 else None"
[[artifacts]]
id = "pot"
owner = "a_001"
code = "def fill():\n    storage_set('n', storage_get('n', 0) + 1)"
"#;

#[test]
fn a_fork_changes_rates() {
    let world = World::new();
    drop(world.run(RATES, &[], "a.oikos"));
    let journal = Journal::open_read_only(world.path("a.oikos")).expect("a world");
    let head = journal.head().seq;
    for (number, (set, limits)) in [
        (&[][..], [10, 4, 1]),
        (&[("resources.calls.rate", "9")][..], [15, 9, 1]),
        (&[("resources.calls.rate", "1")], [7, 1, 1]),
        (&[("agents.rich.resources.calls", "3")], [10, 4, 0]),
        (&[("resources.calls.rate", "0"), ("resources.calls.window", "2m")], [6, 0, 1]),
    ]
    .into_iter()
    .enumerate()
    {
        for at in [head, head - 4] {
            let to = world.path(&format!("{number}-{at}.oikos"));
            let set: Vec<(String, String)> = set
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .chain([("execution.ticks".to_owned(), "20".to_owned())])
                .collect();
            let fork = oikos_runner::Fork { seq: at, to: &(&to).into(), set: &set, seed: None, acts: &[] };
            let forked = oikos_runner::fork(&workplace(), &journal, &fork).expect("it can be forked");
            assert!(matches!(forked, oikos_runner::Forking::Made(_)), "{set:?}: {forked:?}");
            let mut live = workplace().open(Journal::open(&to).expect("a world")).expect("it opens");
            run(&mut live);
            let world_now = live.world();
            let calls = world_now.rules().resource("calls").expect("a resource");
            let limit = |id: &str| world_now.limit(world_now.lookup(id).expect("it is there"), calls);
            assert_eq!([limit("a_001"), limit("a_002"), limit("rich")], limits, "{set:?} at {at}");
            world_now.audit().expect("the books add up");
            drop(live);
            let name = format!("{number}-{at}.oikos");
            world.assert_replays(&name);
            let journal = Journal::open_read_only(&to).expect("a world");
            oikos_runner::verify(&journal, |_| ()).expect("it is sound");
        }
    }
    for (key, value, problem) in [
        ("resources.calls.kind", "depletable", "by the resources, and the kinds"),
        ("agents.a.scrip", "9", "founded with"),
        ("agents.a.count", "3", "founded with"),
    ] {
        let (to, set) = (world.path("no.oikos"), [(key.to_owned(), value.to_owned())]);
        let fork = oikos_runner::Fork { seq: head, to: &(&to).into(), set: &set, seed: None, acts: &[] };
        let told = format!("{:?}", oikos_runner::fork(&workplace(), &journal, &fork));
        assert!(told.contains(problem) || key.ends_with("kind"), "{key}: {told}");
        assert!(!to.exists(), "{key}");
    }
}
