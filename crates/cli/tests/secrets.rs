//! Private balances, agents that end, and logs that mix nothing: worlds in Python, run by the binary.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use serde_json::Value;

use self::small::{Small, oikos, talk};

/// The lines that a command prints about a world on disk.
fn lines(small: &Small, command: &str, db: &str, more: &[&str]) -> Vec<Value> {
    let path = small.path(db);
    let arguments = [command, path.to_str().expect("UTF-8"), "--json"];
    let output = oikos(arguments.iter().chain(more));
    assert!(output.status.success(), "{}", talk(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// One artifact as an observer sees it.
fn artifact(small: &Small, db: &str, id: &str) -> Value {
    let path = small.path(db);
    let output = oikos(["inspect", path.to_str().expect("UTF-8"), id, "--json"]);
    assert!(output.status.success(), "{}", talk(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const AUCTION: &str = r#"
[world]
name = "small"
[execution]
ticks = 3
[privacy]
balances = "PRIVACY"
[scrip]
start = 100000
[resources.fuel]
kind = "depletable"
total = 30000
[[artifacts]]
id = "house"
owner = "house"
has_standing = true
code = """
def bid():
    storage_set(call["caller"], call["paid"])
def status():
    return len(storage_list())
def payout():
    transfer(call["caller"], 10 ** 9)
"""
[[agents]]
id = "bidder"
count = 2
code = '''
def step(o):
    return {"op": "invoke", "artifact": "house", "method": "bid", "pay": BID, "give": [{"resource": "fuel", "amount": BID}]}
'''
[[agents]]
id = "spy"
code_file = "mind.py"
"#;

const SPY: &str = r#"
def step(o):
    seen = {"o": {k: o[k] for k in o if k != "self"}, "look": look()}
    return [{"op": "write", "artifact": me + "_" + str(o["step"]), "content": seen},
            {"op": "invoke", "artifact": me, "method": "snoop", "args": [o["step"]]}]

def look():
    return [told(what, fields) for what, fields in QUESTIONS]

def told(what, fields):
    try:
        return query(what, **fields)
    except Exception as e:
        return str(e)

def snoop(step):
    seen = {"look": look(), "refused": attempt("invoke", "house", method="payout")}
    for who in ["bidder_001", "bidder_002", "house", "spy"]:
        for of in [None, who]:
            seen[who + str(of)] = [attempt("invoke", "genesis_ledger", of, method="balance"),
                                   attempt("invoke", "genesis_rights_registry", of, method="check_quota")]
    seen["all"] = [attempt("invoke", "genesis_ledger", method="all_balances"),
                   attempt("invoke", "genesis_rights_registry", method="all_quotas"),
                   attempt("invoke", "genesis_event_log", 0, method="read")]
    write(me + "_did_" + str(step), seen)

QUESTIONS = [("events", {"since": 0}), ("events", {}), ("events", {"type": "invoke"}), ("events", {"type": "transfer"}),
             ("balances", {}), ("agents", {}), ("supply", {}), ("supply", {"resource": "fuel"}),
             ("artifact", {"artifact": "house"}), ("artifacts", {"type": "data"}),
             ("permission", {"as": "bidder_001", "action": "invoke", "target": "house"})]
QUESTIONS += [(what, {"of": who}) for what in ["balance", "resources", "events"]
              for who in ["bidder_001", "bidder_002", "house"]]
QUESTIONS += [("capacity", {"of": who, "resource": "fuel", "amount": much})
              for who in ["bidder_001", "house"] for much in [1, 1000, 9000, 9999]]
"#;

/// Everything that the spy came to know, as it wrote it down.
fn notes(privacy: &str, bid: u32) -> Vec<Value> {
    let world = AUCTION.replace("PRIVACY", privacy).replace("BID", &bid.to_string());
    let small = Small::of(&world, SPY);
    assert_eq!(small.run("a.oikos", &[])["ok"], true);
    let log = lines(&small, "log", "a.oikos", &["--type", "refused"]);
    assert!(log.iter().all(|line| line["actor"] != "spy"), "{log:?}");
    // Observers see all.
    let bids = lines(&small, "log", "a.oikos", &["--type", "invoke", "--of", "house"]);
    assert!(bids.iter().any(|line| line["amount"] == bid), "{bids:?}");
    let of_step = |step: u8| {
        [format!("spy_{step}"), format!("spy_did_{step}")]
            .map(|id| artifact(&small, "a.oikos", &id)["content"].clone())
    };
    (0..3).flat_map(of_step).collect()
}

#[test]
fn sealed_bids_are_sealed_where_balances_are_private() {
    let (few, many) = (notes("own", 5), notes("own", 3000));
    for (few, many) in few.iter().zip(&many) {
        assert_eq!(few, many);
    }
    // The spy has looked: it knows of the bids, and of itself.
    let last = &few[5];
    assert_eq!(last["spyspy"][0]["result"], 100_000);
    assert_eq!(last["bidder_001bidder_001"][0]["error"]["code"], "permission_denied");
    assert!(last["look"][2].as_array().expect("events").iter().any(|event| event["detail"] == "bid"));
}

#[test]
fn where_balances_are_public_only_what_was_sent_along_is_hidden() {
    let (few, many) = (notes("public", 5), notes("public", 3000));
    assert_ne!(few, many);
    for kind in [2, 3] {
        assert_eq!(few[5]["look"][kind], many[5]["look"][kind], "events tell what was sent along");
    }
}

const MORTALS: &str = r#"
[world]
name = "small"
[execution]
ticks = 4
tick_duration = "60s"
EXECUTION
[resources.cpu]
kind = "renewable"
rate = "500ms"
window = "60s"
[resources.actions]
kind = "renewable"
rate = 30
window = "60s"
[costs]
"*" = { actions = 1 }
[scrip]
start = 3
[[agents]]
id = "mayfly"
count = 3
code = """
def step(o):
    have = o["self"]["resources"]["cpu"]["capacity"]
    return [{"op": "transfer", "to": "hunter", "amount": have - 10000, "resource": "cpu"},
            {"op": "delete", "artifact": me, "heir": "hunter"}]
"""
[[agents]]
id = "prey"
count = 2
access_contract = "genesis_contract_public"
code = "def step(o):\n    return {'op': 'sleep', 'event': 'edit'}"
[[agents]]
id = "parent"
code_file = "mind.py"
[[agents]]
id = "hunter"
code = """
def step(o):
    prey = [a["id"] for a in query("agents") if a["id"].startswith("prey")]
    return {"op": "delete", "artifact": prey[0], "heir": me} if prey else None
"""
"#;

const PARENT: &str = r#"
def step(o):
    if o["step"] == 0:
        return [{"op": "write", "artifact": "child", "has_loop": True, "code": "def step(o):\n    return None",
                 "access_contract": "genesis_contract_self_owned"},
                {"op": "transfer", "to": "child", "amount": 10000, "resource": "cpu"}]
    if o["step"] == 1:
        return {"op": "delete", "artifact": "child"}
"#;

#[test]
fn populations_shrink_and_the_books_add_up() {
    for execution in ["", "mode = \"autonomous\"\nduration = \"4m\"\npace = \"60s\""] {
        let world = match execution {
            "" => MORTALS.replace("EXECUTION", ""),
            mode => MORTALS.replace("ticks = 4\n", "").replace("EXECUTION", mode),
        };
        let small = Small::of(&world, PARENT);
        let report = small.run("m.oikos", &[]);
        assert_eq!(report["supply"], 3 * 7, "{report}");
        let output = oikos(["inspect", small.path("m.oikos").to_str().expect("UTF-8"), "agents", "--json"]);
        let agents: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let ids: Vec<&str> = agents.iter().map(|agent| agent["id"].as_str().expect("an id")).collect();
        assert_eq!(ids, ["parent", "hunter"], "{execution}");
        let hunter = artifact(&small, "m.oikos", "hunter");
        assert_eq!(hunter["scrip"], 3 * 6, "{execution}");
        assert!(small.verify("m.oikos").status.success(), "{execution}");
        let refused = lines(&small, "log", "m.oikos", &["--refused"]);
        assert!(refused.is_empty(), "{execution}: {refused:?}");
    }
}

#[test]
fn the_log_counts_what_happened_and_tells_refusals_apart() {
    let world = r#"
[world]
name = "small"
[execution]
ticks = 2
[resources.actions]
kind = "renewable"
rate = 0
[costs]
store = { actions = 1 }
[[agents]]
id = "a"
code_file = "mind.py"
[[agents]]
id = "b"
code = "def step(o):\n    return o['nothing']"
"#;
    let small = Small::of(world, "def step(o):\n    return {'op': 'store', 'key': 'n', 'value': 1}");
    let output = small.try_run("l.oikos", &["--events"]);
    let printed: Vec<Value> = String::from_utf8(output.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &Value| line.get("type").is_some())
        .collect();
    let log = lines(&small, "log", "l.oikos", &[]);
    let others = ["tick", "refused", "thought"];
    let (other, events): (Vec<Value>, Vec<Value>) =
        log.into_iter().partition(|line| others.contains(&line["type"].as_str().expect("a type")));
    assert_eq!(events, printed);
    let shapes: Vec<Vec<&str>> = other
        .iter()
        .map(|line| line.as_object().expect("an object").iter())
        .map(|fields| {
            let there = fields.filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str());
            let mut names: Vec<&str> = there.collect();
            names.sort_unstable();
            names
        })
        .collect();
    let refused = ["actor", "error", "op", "seq", "time", "type"];
    assert!(
        other.iter().zip(&shapes).all(|(line, shape)| match line["type"].as_str() {
            Some("tick") => *shape == ["seq", "tick", "time", "type"],
            Some("refused") =>
                *shape == refused && line["op"] == "store" && line["error"]["code"] == "rate_limited",
            Some("thought") => *shape == ["actor", "error", "seq", "time", "type"],
            _ => false,
        }),
        "{other:?}"
    );
    for kind in others {
        assert!(other.iter().any(|line| line["type"] == kind), "{kind}");
    }
    assert!(lines(&small, "log", "l.oikos", &["--type", "store"]).is_empty());
    assert!(lines(&small, "log", "l.oikos", &["--since", &u64::MAX.to_string()]).is_empty());
}
