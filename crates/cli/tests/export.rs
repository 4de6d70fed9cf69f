//! Exports through the binary: their rows against the journal, parts of a world, and what is refused.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::small::{oikos, talk};

/// One who gives more than 2^53, one who fails, one who does two things, and a measure.
const WORLD: &str = r#"
[world]
name = "w"
[execution]
ticks = 4
tick_duration = "1h"
[measures]
every = "2h"
rich = "max(scrip)"
gifts = "count(event.transfer)"
[measures.agents]
wealth = "scrip"
skill = "content.skill"
[[agents]]
id = "ann"
scrip = 9223372036854775807
code = "def step(o): return {'op': 'transfer', 'to': 'bob', 'amount': 9007199254740993}"
[[agents]]
id = "bob"
code = "def step(o): return [{'op': 'store', 'key': 'n', 'value': 1}, {'op': 'transfer', 'to': 'cid', 'amount': 1}]"
[[agents]]
id = "cid"
content = { skill = 0.5 }
code = "def step(o): return {'op': 'invoke', 'artifact': 'nothing', 'method': 'go'}"
"#;

struct World {
    folder: tempfile::TempDir,
    db: PathBuf,
}

impl World {
    fn new() -> Self {
        Self::of(WORLD)
    }

    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, db) = (folder.path().join("w.toml"), folder.path().join("w.oikos"));
        fs::write(&file, text).expect("a file");
        small::run(file.to_str().expect("UTF-8"), &db, &[]);
        Self { folder, db }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exports lines of JSON.
    fn export(&self, out: &str, more: &[&str]) -> BTreeMap<String, Vec<Value>> {
        export(&self.db, &self.path(out), more)
    }

    fn refused(&self, more: &[&str]) -> String {
        let out = self.path("refused");
        let (db, out) = (self.db.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
        let output = oikos([&["export", db, "--out", out], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
        talk(&output)
    }
}

fn export(db: &Path, out: &Path, more: &[&str]) -> BTreeMap<String, Vec<Value>> {
    let (db, out) = (db.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
    let output = oikos([&["export", db, "--out", out, "--format", "jsonl", "--json"], more].concat());
    assert!(output.status.success(), "{}", talk(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let files = told["files"].as_array().expect("a list").iter();
    files
        .map(|file| {
            let text = fs::read_to_string(file["file"].as_str().expect("a path")).expect("a file");
            let rows: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert_eq!(file["rows"], rows.len(), "{file}");
            (file["table"].as_str().expect("a name").to_owned(), rows)
        })
        .collect()
}

/// The values of one column.
fn column<'a>(rows: &'a [Value], name: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| row.get(name).expect("the column")).collect()
}

#[test]
fn rows_are_those_of_the_journal_and_add_up() {
    let world = World::new();
    let tables = world.export("out", &["--every", "1h"]);
    assert_eq!(tables.len(), 10);
    let actions = &tables["actions"];
    let seqs: Vec<u64> = column(actions, "seq").iter().map(|seq| seq.as_u64().expect("a number")).collect();
    assert_eq!(seqs, (1..=actions.len() as u64).collect::<Vec<_>>(), "one row a record");
    let of = |actor: &str| {
        let rows: Vec<&Value> = actions.iter().filter(|row| row["actor"] == actor).collect();
        assert_eq!(rows.len(), 4, "{actor}");
        rows
    };
    for (turn, row) in of("ann").into_iter().enumerate() {
        assert_eq!(row["turn"], turn);
        assert_eq!((&row["op"], &row["target"]), (&"transfer".into(), &"bob".into()));
        assert_eq!(row["scrip_paid"], 9_007_199_254_740_993_i64);
        assert_eq!((&row["ok"], &row["code"], &row["cause"]), (&true.into(), &Value::Null, &"step".into()));
        assert!(row["cpu"].as_i64().expect("CPU") > 0);
    }
    for row in of("cid") {
        assert_eq!(
            (&row["op"], &row["method"], &row["target"]),
            (&"invoke".into(), &"go".into(), &"nothing".into())
        );
        assert_eq!((&row["ok"], &row["code"]), (&false.into(), &"not_found".into()));
        assert!(row["message"].as_str().expect("words").contains("nothing"));
    }
    for row in of("bob") {
        let expected = if row["ok"] == true { "list" } else { "transfer" };
        assert_eq!((&row["op"], &row["ops"]), (&expected.into(), &2.into()), "a refused list names its op");
    }
    let (founded, end) = (scrip(&tables["accounts"], 0), scrip(&tables["accounts"], usize::MAX));
    let mut flows: BTreeMap<&str, i64> = founded.clone();
    for row in &tables["payments"] {
        if row["time"] == tables["accounts"][0]["time"] {
            continue;
        }
        let amount = row["amount"].as_i64().expect("an amount");
        *flows.entry(row["payer"].as_str().expect("an id")).or_default() -= amount;
        *flows.entry(row["payee"].as_str().expect("an id")).or_default() += amount;
    }
    assert_eq!(flows, end, "what was there, and was paid, is there");
    assert!(end["ann"] > 1 << 62, "{end:?}");
    let of_action: i64 = column(actions, "cpu").iter().map(|cpu| cpu.as_i64().expect("CPU")).sum();
    let charged = tables["charges"].iter().filter(|row| row["resource"] == "cpu");
    assert_eq!(charged.map(|row| row["amount"].as_i64().expect("CPU")).sum::<i64>(), of_action);
    let log = oikos(["log", world.db.to_str().expect("UTF-8"), "--json", "--type", "transfer"]);
    let lines = String::from_utf8(log.stdout).expect("UTF-8");
    let transfers = tables["events"].iter().filter(|row| row["type"] == "transfer").count();
    assert_eq!(transfers, lines.lines().count());
    assert_eq!(tables["series"].len(), 6, "two measures at each of two moments, and the end");
    let rates = tables["series"].iter().filter(|row| row["name"] == "gifts");
    assert_eq!(rates.map(|row| row["value"].as_f64().expect("a rate")).sum::<f64>(), transfers as f64);
    let last: Vec<&Value> = tables["agent_series"].iter().skip(6).collect();
    assert_eq!(tables["agent_series"].len(), 9, "each agent at each moment");
    for row in last {
        let agent = row["agent"].as_str().expect("an id");
        assert_eq!(row["wealth"].as_i64(), Some(end[agent]), "{agent}, exactly");
        assert_eq!(row["skill"].as_f64(), (agent == "cid").then_some(0.5));
    }
    assert!(tables["artifacts"].iter().any(|row| row["id"] == "bob" && row["storage"] == "{\"n\":1}"));
    assert!(tables["meta"].iter().any(|row| row["key"] == "state_digest"));
    assert!(tables["thoughts"].is_empty());
}

/// The scrip of each at the first moment, or at the last.
fn scrip(accounts: &[Value], which: usize) -> BTreeMap<&str, i64> {
    let mut moments: Vec<&str> = accounts.iter().map(|row| row["time"].as_str().expect("a time")).collect();
    moments.dedup();
    assert!(moments.is_sorted() && moments.len() == 4, "each hour once: {moments:?}");
    let moment = moments[which.min(moments.len() - 1)];
    let rows = accounts.iter().filter(|row| row["time"] == moment && row["resource"] == "scrip");
    rows.map(|row| (row["principal"].as_str().expect("an id"), row["amount"].as_i64().expect("an amount")))
        .collect()
}

#[test]
fn parts_follow_each_other_and_a_fork_has_the_past_of_its_parent() {
    let world = World::new();
    let whole = world.export("whole", &[]);
    let first = world.export("first", &["--until", "tick:1"]);
    let second = world.export("second", &["--since", "tick:1"]);
    for table in ["actions", "payments", "charges", "events", "series", "agent_series"] {
        let both = [first[table].clone(), second[table].clone()].concat();
        assert_eq!(both, whole[table], "{table}");
        assert!(!first[table].is_empty() && !second[table].is_empty(), "{table}");
    }
    let (db, fork) = (world.db.to_str().expect("UTF-8"), world.path("fork.oikos"));
    let made = oikos(["fork", db, "--at", "tick:1", "--to", fork.to_str().expect("UTF-8")]);
    assert!(made.status.success(), "{}", talk(&made));
    let forked = export(
        &fork,
        &world.path("forked"),
        &["--tables", "actions,events,accounts,artifacts,series,agent_series"],
    );
    assert_eq!(forked.len(), 6);
    for (table, rows) in &forked {
        assert_eq!(rows, &first[table], "{table} as it was then");
    }
    let ended = oikos(["run", fork.to_str().expect("UTF-8"), "--json"]);
    assert!(ended.status.success(), "{}", talk(&ended));
    for (table, rows) in &export(&fork, &world.path("ended"), &[]) {
        assert!(table == "meta" || rows == &whole[table], "{table} ends as its parent's");
    }
    assert_eq!(whole, world.export("again", &[]), "the same again");
    let files = |out: &str| {
        let file = world.path(out).join("actions.parquet");
        let written =
            oikos(["export", db, "--out", world.path(out).to_str().expect("UTF-8"), "--tables", "actions"]);
        assert!(written.status.success(), "{}", talk(&written));
        fs::read(file).expect("a file")
    };
    assert_eq!(files("p"), files("q"), "to the byte");
}

#[test]
fn files_of_others_stay_and_strange_arguments_are_refused() {
    let world = World::new();
    let out = world.path("out");
    fs::create_dir(&out).expect("a folder");
    fs::write(out.join("notes.txt"), "mine").expect("a file");
    fs::write(out.join("payments.jsonl"), "mine too").expect("a file");
    let told = |more: &[&str]| {
        let (db, out) = (world.db.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
        oikos([&["export", db, "--out", out, "--format", "jsonl"], more].concat())
    };
    let there = told(&[]);
    assert_eq!(there.status.code(), Some(2));
    assert!(
        talk(&there).contains("payments.jsonl` is there already; --force replaces it"),
        "{}",
        talk(&there)
    );
    assert_eq!(fs::read_dir(&out).expect("a folder").count(), 2, "nothing was written");
    assert!(told(&["--tables", "events"]).status.success());
    assert_eq!(fs::read_to_string(out.join("payments.jsonl")).expect("a file"), "mine too");
    assert!(told(&["--force"]).status.success());
    assert_ne!(fs::read_to_string(out.join("payments.jsonl")).expect("a file"), "mine too");
    assert_eq!(fs::read_to_string(out.join("notes.txt")).expect("a file"), "mine");
    for (arguments, words) in [
        (&["--tables", "actoins"][..], "there is no table `actoins`; did you mean `actions`?"),
        (&["--tables", "x"], "the tables are actions, payments"),
        (&["--every", "0s"], "a duration of at least 1ms"),
        (&["--every", "1h", "--tables", "events"], "--every goes with the table `accounts`"),
        (&["--since", "tick:2", "--until", "tick:1"], "--since is after the end"),
        (&["--until", "tick:9"], "there is no tick 9"),
        (&["--format", "xlsx"], "parquet, csv, jsonl"),
    ] {
        let told = world.refused(arguments);
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    assert!(!world.path("refused").exists());
}

#[test]
fn a_damaged_world_leaves_no_file() {
    let world = World::new();
    let db = rusqlite::Connection::open(&world.db).expect("a database");
    db.execute("UPDATE journal SET body = zeroblob(40) WHERE seq_first = 1", []).expect("it is damaged");
    drop(db);
    let out = world.path("out");
    let output = oikos(["export", world.db.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(3), "{}", talk(&output));
    assert_eq!(fs::read_dir(&out).expect("a folder").count(), 0);
    let file = world.path("w.toml");
    let output = oikos(["export", file.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")]);
    assert!(!output.status.success());
}

/// Agents with their own turns, a measure that is a method of an artifact, and an end at which nothing happens.
const PACED: &str = r#"
[world]
name = "p"
[execution]
mode = "autonomous"
duration = "5h"
pace = "25m"
[measures]
every = "1h"
kept = "jar.kept"
paid = "sum(payment.transfer)"
poor = "min(scrip)"
[measures.agents]
wealth = "scrip"
[[artifacts]]
id = "jar"
owner = "ann"
code = """
def kept(call):
    return storage.get('n', 0)
def drop(call):
    storage['n'] = storage.get('n', 0) + 1
"""
[[agents]]
id = "ann"
scrip = 100
code = "def step(o): return [{'op': 'invoke', 'artifact': 'jar', 'method': 'drop'}, {'op': 'transfer', 'to': 'bob', 'amount': 3}]"
[[agents]]
id = "bob"
code = "def step(o): return None"
"#;

#[test]
fn series_that_are_taken_anew_are_those_that_were_taken_while_it_ran() {
    for text in [WORLD, PACED] {
        let world = World::of(text);
        let stored = world.export("stored", &["--tables", "series,agent_series"]);
        let anew = world.export("anew", &["--tables", "series,agent_series", "--anew"]);
        assert!(!stored["series"].is_empty() && !stored["agent_series"].is_empty());
        assert_eq!(stored, anew);
        // Without what was stored they are the same again, and up to a moment they are the first of them.
        let db = rusqlite::Connection::open(&world.db).expect("a database");
        db.execute_batch("DELETE FROM series; DELETE FROM agent_series").expect("they are gone");
        drop(db);
        assert!(world.export("none", &["--tables", "series"])["series"].is_empty());
        assert_eq!(world.export("still", &["--tables", "series,agent_series", "--anew"]), stored);
        let first = world.export("first", &["--tables", "series", "--anew", "--until", "1h"]);
        let until = first["series"].len();
        assert!(until > 0 && until < stored["series"].len(), "{until}");
        assert_eq!(first["series"], stored["series"][..until]);
    }
}

#[test]
fn measures_that_nobody_thought_of_are_taken_from_a_world_that_has_ended() {
    let world = World::new();
    let more = ["--set", "measures.every=1h", "--set", "measures.mean=\"mean(scrip)\"", "--set"];
    let all =
        [&["--tables", "series,agent_series", "--anew"], &more[..], &["measures.agents.half=\"scrip\""]];
    let tables = world.export("more", &all.concat());
    let names: Vec<&Value> = column(&tables["series"], "name").into_iter().take(3).collect();
    assert_eq!(names, ["rich", "gifts", "mean"]);
    // At the start, after each of three hours, and at the end.
    assert_eq!(tables["series"].len(), 3 * 5);
    for row in tables["series"].iter().filter(|row| row["name"] == "mean") {
        assert_eq!(row["value"].as_f64(), Some(9_223_372_036_854_775_807_f64 / 3.0), "scrip is kept");
    }
    let agents = &tables["agent_series"];
    assert_eq!(agents.len(), 3 * 5);
    assert!(agents.iter().all(|row| row["half"] == row["wealth"]));
    for (arguments, words) in [
        (&["--set", "measures.every=1h"][..], "--anew"),
        (&["--anew", "--set", "scrip.start=4"], "keys of measures can be set here"),
        (&["--anew", "--set", "measures.every=soon"], "measures.every"),
        (&["--anew", "--set", "measures.mean=\"mean(scirp)\""], "scirp"),
        (&["--anew", "--tables", "events"], "--anew goes with the tables `series` and `agent_series`"),
    ] {
        let told = world.refused(arguments);
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    assert!(!world.path("refused").exists());
}
