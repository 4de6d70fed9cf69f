//! Two worlds side by side.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::small::{oikos, talk};

/// One who gives, and writes a note; one who asks for too much.
const WORLD: &str = r#"
[world]
name = "w"
[execution]
ticks = 6
[resources.calls]
kind = "renewable"
rate = 1
window = "1s"
[costs]
transfer = { calls = 1 }
[measures]
gini = "gini(scrip)"
[[agents]]
id = "ann"
scrip = 10
code = '''
def step(observation):
    if observation["tick"] == 4:
        return {"op": "write", "artifact": "note", "content": "four"}
    return {"op": "transfer", "to": "bob", "amount": 1}
'''
[[agents]]
id = "bob"
scrip = 0
code = "def step(observation):\n    return {'op': 'transfer', 'to': 'ann', 'amount': 99}"
"#;

fn run(folder: &Path, name: &str, text: &str) -> PathBuf {
    let (file, db) = (folder.join(format!("{name}.toml")), folder.join(format!("{name}.oikos")));
    std::fs::write(&file, text).expect("a file");
    small::run(file.to_str().expect("UTF-8"), &db, &[]);
    db
}

fn compare(first: &Path, second: &Path) -> Value {
    let output = oikos([Path::new("compare"), first, second, Path::new("--json")]);
    assert!(output.status.success(), "{}", talk(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(first: &Path, second: &Path) -> String {
    let output = oikos([Path::new("compare"), first, second]);
    assert!(output.status.success(), "{}", talk(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    text
}

#[test]
fn a_fork_parts_from_its_parent_where_its_rules_are_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = run(folder.path(), "w", WORLD);
    let fork = |name: &str, more: &[&str]| {
        let to = folder.path().join(name);
        let mut arguments = vec!["fork", db.to_str().expect("UTF-8"), "--at", "tick:2", "--to"];
        arguments.push(to.to_str().expect("UTF-8"));
        arguments.extend(more);
        let output = oikos(arguments);
        assert!(output.status.success(), "{}", talk(&output));
        to
    };
    let same = fork("same.oikos", &[]);
    let found = compare(&db, &same);
    assert_eq!((&found["parted"], &found["common"]), (&Value::Null, &found["seq"]["b"]));
    assert!(text(&db, &same).contains("then only A goes on"), "{}", text(&db, &same));
    oikos([Path::new("run"), &same]);
    let found = compare(&db, &same);
    assert_eq!(found["common"], found["seq"]["a"]);
    for (list, none) in [("balances", json!([])), ("refusals", json!([]))] {
        assert_eq!(found[list], none, "{found:#}");
    }
    assert_eq!(found["artifacts"], json!({ "only_a": [], "only_b": [], "differ": [] }));
    assert!(text(&db, &same).starts_with("equal"), "{}", text(&db, &same));

    // A call comes back only in the next minute but one, so that every other gift is refused.
    let other = fork("other.oikos", &["--set", "resources.calls.window=119s"]);
    oikos([Path::new("run"), &other]);
    let found = compare(&db, &other);
    let forked = oikos([Path::new("verify"), &other, Path::new("--json")]);
    let parent: Value = serde_json::from_slice(&forked.stdout).expect("JSON");
    assert_eq!(found["common"], parent["parent"]["seq"], "{found:#}");
    assert_eq!(found["parted"]["seq"], json!(found["common"].as_u64().expect("a number") + 1));
    assert_eq!(found["parted"]["cause"], "tick 3");
    assert!(found["parted"]["b"]["cause"]["Rules"].is_object(), "{found:#}");
    // After its rules the fork goes on alike, until somebody has no second call.
    let first = &found["diverged"];
    let cause = first["cause"].as_str().expect("a cause");
    assert!(["a step of `ann`", "a step of `bob`"].contains(&cause), "{first:#}");
    let seqs = ["seq", "seq_b"].map(|key| first[key].as_u64().expect("a number"));
    assert!(
        seqs[0] > found["parted"]["seq"].as_u64().expect("a number") && seqs[1] == seqs[0] + 1,
        "{seqs:?}"
    );
    assert_eq!(first["b"]["outcome"]["Refused"]["code"], "rate_limited", "{first:#}");
    let ann = |list: &str| {
        let rows = found[list].as_array().expect("rows").iter().filter(|row| row["id"] == "ann");
        rows.map(|row| (row["a"].as_i64(), row["b"].as_i64())).collect::<Vec<_>>()
    };
    assert_eq!(ann("balances"), [(Some(5), Some(6))], "{found:#}");
    let gini = &found["measures"][0];
    assert_ne!(gini["a"], gini["b"], "{gini}");
    let shown = text(&db, &other);
    assert!(shown.contains("they part at record") && shown.contains("principal"), "{shown}");
    assert!(shown.contains(&format!("then they differ at record {} of A", seqs[0])), "{shown}");

    // Rules under which nothing goes otherwise.
    let alike = fork("alike.oikos", &["--set", "resources.calls.window=1s"]);
    oikos([Path::new("run"), &alike]);
    let found = compare(&db, &alike);
    assert_eq!(found["diverged"], Value::Null, "{found:#}");
}

#[test]
fn worlds_of_other_code_differ_from_their_founding_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = run(folder.path(), "one", WORLD);
    let other = run(
        folder.path(),
        "two",
        &WORLD.replace("\"artifact\": \"note\"", "\"artifact\": \"leaf\"").replace("99", "1"),
    );
    let found = compare(&db, &other);
    assert_eq!((&found["common"], &found["parted"]["seq"]), (&json!(0), &json!(1)));
    assert_eq!(
        (&found["artifacts"]["only_a"], &found["artifacts"]["only_b"]),
        (&json!(["note"]), &json!(["leaf"]))
    );
    let differ = found["artifacts"]["differ"].as_array().expect("rows");
    assert!(differ.iter().any(|row| row["id"] == "ann" && row["differs"][0] == "code"), "{differ:?}");
    let refused = found["refusals"].as_array().expect("rows");
    let bob = refused.iter().find(|row| row["id"] == "bob" && row["code"] == "insufficient_scrip");
    assert_eq!(bob.map(|row| (&row["a"], row["b"].as_u64() < row["a"].as_u64())), Some((&json!(6), true)));
    assert!(text(&db, &other).contains("founded otherwise"));
}
