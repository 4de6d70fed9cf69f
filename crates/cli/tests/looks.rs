//! Minds that look while they think: all on one state, for nothing but CPU, and no way round paying.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{fs, path::Path};

use serde_json::{Value, json};

use self::small::{hashes, oikos, run, talk};

const WORLD: &str = r#"
[execution]
ticks = 2
[scrip]
start = 10
[measures]
added = "board.count"
[[artifacts]]
id = "board"
has_standing = true
content = []
code = """
def shown():
    return [count(), call['caller']]
def count():
    return len(read(me)['content'])
def add(told):
    write(me, content=read(me)['content'] + [told])
"""
[[artifacts]]
id = "shop"
owner = "board"
price = 2
code = "def run(): return 7"
[[artifacts]]
id = "tool"
owner = "looker_001"
price = 2
code = "def run(): return 8"
[[agents]]
id = "looker"
count = 3
code = """
def step(o):
    seen, who = invoke('board', method='shown')
    bought = attempt('invoke', 'shop', max_spend=5)['error']
    changed = attempt('invoke', 'board', 0, method='add')['error']
    own = attempt('invoke', 'tool')['result']
    told = [seen, who == me, len(read('board')['content']), bought, changed, own]
    return {'op': 'invoke', 'artifact': 'board', 'method': 'add', 'args': [told]}
"""
"#;

#[test]
fn all_minds_of_a_tick_look_at_one_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("looks.toml");
    fs::write(&file, WORLD).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let [db, apart] = ["one.oikos", "apart.oikos"].map(|name| folder.path().join(name));
    let report = run(file, &db, &[]);
    assert_eq!(report["measures"]["added"], 6.0);
    assert_eq!(report["supply"], 30);
    let seen = seen(&db);
    // Three began on the empty board, and three on that of the first tick.
    assert_eq!(
        seen.iter().map(|told| told[0].as_u64().expect("a number")).collect::<Vec<_>>(),
        [0, 0, 0, 3, 3, 3]
    );
    let mut own = Vec::new();
    for told in &seen {
        assert_eq!(told[1], true, "{told}");
        assert_eq!(told[2], told[0]);
        assert_eq!(told[3]["code"], "limit_exceeded");
        assert!(text(&told[3]["message"]).starts_with("to invoke `shop` costs 2 scrip"), "{told}");
        assert!(text(&told[4]["message"]).contains("changes the world"), "{told}");
        own.push(told[5].clone());
    }
    // An artifact with a price costs its owner nothing, and nobody else looks at it.
    own.sort_by_key(Value::is_null);
    assert_eq!(own, [json!(8), json!(8), json!(null), json!(null), json!(null), json!(null)]);
    assert_eq!(hashes(&report), hashes(&run(file, &apart, &["--isolation", "process"])));
    let replayed = oikos([Path::new("replay"), &db]);
    assert!(replayed.status.success(), "{}", talk(&replayed));
}

/// The entries that the lookers told the board.
fn seen(db: &Path) -> Vec<Value> {
    let shown = oikos([Path::new("inspect"), db, Path::new("board"), Path::new("--json")]);
    assert!(shown.status.success(), "{}", talk(&shown));
    let board: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    board["content"].as_array().expect("a list").clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
