//! Secrets of the library: a spy in two worlds that differ in what it may not know sees the same in both.

use serde_json::{Value, json};

use crate::{Play, play};

/// All that a spy can ask, of everybody and everything.
fn spied(play: &mut Play) -> Vec<Value> {
    let everybody = ["ann", "bob", "spy", "genesis_mint", "genesis_tasks", "genesis_vote", "a", "b"];
    let mut asked = vec![
        json!({ "op": "query", "what": "events", "since": 0 }),
        json!({ "op": "query", "what": "balances" }),
        json!({ "op": "query", "what": "agents" }),
        json!({ "op": "query", "what": "supply" }),
        json!({ "op": "query", "what": "artifacts" }),
    ];
    for who in everybody {
        for what in ["balance", "resources", "reputation", "events"] {
            asked.push(json!({ "op": "query", "what": what, "of": who }));
        }
        for what in ["artifact", "reputation", "customers"] {
            asked.push(json!({ "op": "query", "what": what, "artifact": who }));
        }
        for amount in [1, 20, 100, 900, 5_000] {
            asked.push(
                json!({ "op": "query", "what": "capacity", "of": who, "resource": "disk", "amount": amount }),
            );
        }
        asked.push(
            json!({ "op": "query", "what": "permission", "as": who, "action": "invoke", "target": "a" }),
        );
        asked.push(json!({ "op": "read", "artifact": who, "code": true }));
        for (artifact, method) in [
            ("genesis_ledger", "balance"),
            ("genesis_rights_registry", "check_quota"),
            ("genesis_store", "reputation"),
            ("genesis_mint", "check"),
            ("genesis_mint", "cancel"),
            ("genesis_tasks", "check"),
        ] {
            asked.push(json!({ "op": "invoke", "artifact": artifact, "method": method, "args": [who] }));
        }
    }
    for (artifact, method, args) in [
        ("genesis_mint", "status", json!([])),
        ("genesis_mint", "due", json!([])),
        ("genesis_mint", "bid", json!(["a"])),
        ("genesis_tasks", "check", json!(["task_1"])),
        ("genesis_tasks", "list_open", json!([])),
        ("genesis_vote", "tally", json!(["vote_1"])),
        ("genesis_event_log", "read", json!([0])),
        ("genesis_ledger", "all_balances", json!([])),
    ] {
        asked.push(json!({ "op": "invoke", "artifact": artifact, "method": method, "args": args }));
    }
    // One who is over its means is told nothing of others' either.
    asked.push(
        json!({ "op": "invoke", "artifact": "genesis_mint", "method": "bid", "args": ["c"], "pay": 5_000 }),
    );
    asked.push(json!({ "op": "run", "code": "transfer('genesis_mint', 10**9)" }));
    asked.into_iter().map(|op| play.act("spy", &op)).collect()
}

const WORLD: &str = r#"
    file: [privacy]\nbalances = "own"\n[mint]\nevery = "2t"\n[resources.disk]\nkind = "allocatable"\ntotal = "400 kB"\nsplit = "none"
    agent eve 0 disk 5000
    scrip ann 100000 disk 50000, bob 100000 disk 50000, spy 1000 disk 50000
    tool a by ann: def run(x): return x + 1
    tool b by bob: def run(x): return x + 1
    tool c by spy: def run(x): return x + 1
    ---
"#;

fn same(one: Vec<Value>, other: Vec<Value>) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}

#[test]
fn a_bid_is_sealed_where_balances_are_private() {
    let seen = [7, 98_765].map(|amount| {
        let mut play = play(WORLD);
        play.line(&format!("ann genesis_mint.bid [\"a\"] pay {amount} -> ok"));
        play.line("bob genesis_mint.bid [\"b\"] pay 500 -> ok");
        play.line("run 1");
        spied(&mut play)
    });
    let [few, many] = seen;
    same(few, many);
    // Where they are public it is not: the same spy sees the difference.
    let public = WORLD.replace("balances = \"own\"", "balances = \"public\"");
    let seen = [7, 98_765].map(|amount| {
        let mut play = play(&public);
        play.line(&format!("ann genesis_mint.bid [\"a\"] pay {amount} -> ok"));
        spied(&mut play)
    });
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn hidden_tests_are_hidden_until_the_task_ends() {
    // The spy's code does a lot when it meets what it looks for: burns, raises, prints, calls its tools.
    let code = "def run(x):\n    if x == 7:\n        print('seven' * 500)\n        for i in range(3000):\n            i * i\n        attempt('invoke', 'tell', 7)\n        raise ValueError('seven' * 900)\n    return 0\n";
    let seen = [7, 8].map(|hidden| {
        let mut play = play(WORLD);
        play.line(&format!(
            "ann genesis_tasks.post [\"x\", [{{\"args\": [1], \"result\": 2}}], [{{\"args\": [{hidden}], \"result\": 99}}], 50, \"1h\"] pay 50 -> ok \"task_1\""
        ));
        let mut seen = Vec::new();
        for write in [
            json!({ "op": "write", "artifact": "tell", "code": "def run(x): return x", "price": 1 }),
            json!({ "op": "write", "artifact": "probe", "code": code }),
            // A schema that only one of the tests fits, and a contract that would be asked.
            json!({ "op": "write", "artifact": "narrow", "code": "def run(x): return 0",
                    "interface": [{ "name": "run", "inputSchema": { "properties": { "x": { "enum": [1, 7] } } } }] }),
            json!({ "op": "write", "artifact": "asked", "code": "def run(x): return 0\ndef check_permission(caller, action, target, context, ledger): return {'allowed': context['args'] != [7], 'reason': str(context)}",
                    "access_contract": "asked" }),
        ] {
            seen.push(play.act("spy", &write));
        }
        for artifact in ["probe", "narrow", "asked"] {
            let submit = json!({ "op": "invoke", "artifact": "genesis_tasks", "method": "submit", "args": ["task_1", artifact] });
            seen.push(play.act("spy", &submit));
            // The rest of an action after a submission tells nothing either.
            let after = json!([
                { "op": "invoke", "artifact": "genesis_tasks", "method": "submit", "args": ["task_1", artifact] },
                { "op": "run", "code": "write('draw_' + str(random()).replace('.', '_'), 1)" },
            ]);
            let mut list = json!({ "act": { "as": "spy" } });
            list["act"] = json!({ "as": "spy", "ops": after });
            seen.push(play.ask(&list));
        }
        seen.extend(spied(&mut play));
        seen
    });
    let [one, other] = seen;
    same(one, other);
}

#[test]
fn ballots_are_nobodys_to_see() {
    let seen = [("yes", "no"), ("no", "yes")].map(|(ann, bob)| {
        let mut play = play(WORLD);
        play.line("ann genesis_vote.propose [\"x\", [\"yes\", \"no\"], \"1h\"] -> ok \"vote_1\"");
        play.line(&format!("ann genesis_vote.vote [\"vote_1\", \"{ann}\"] -> ok"));
        play.line(&format!("bob genesis_vote.vote [\"vote_1\", \"{bob}\"] -> ok"));
        spied(&mut play)
    });
    let [one, other] = seen;
    same(one, other);
}
