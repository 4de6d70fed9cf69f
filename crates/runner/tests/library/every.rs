//! Every method of the library, from its interfaces: a new one without a row fails.

use std::collections::BTreeSet;

use oikos_runner::library::founders;
use serde_json::{Value, json};

use crate::{Play, operation, play};

/// A world in which each method has something to do.
pub(crate) const WORLD: &str = r#"
    file: [mint]\nevery = "1m"\n[resources.disk]\nkind = "allocatable"\ntotal = "4 MB"\nsplit = "none"\n[resources.fuel]\nkind = "depletable"\ntotal = 1000\nsplit = "none"
    agent eve 5 disk 5000
    scrip ann 1000 fuel 100 disk 200000, bob 1000 fuel 100 disk 200000, carl 1000 disk 200000
    thing sold ann
    thing house ann
    thing shelf bob
    thing given bob
    thing junk bob
    tool hers by ann price 1: def run(a): return a
    tool his by bob: def run(a): return a
    tool other by bob: def run(a): return a
    ---
    ann genesis_escrow.list [30] give sold -> ok
    bob genesis_escrow.list [7] give shelf -> ok
    ann genesis_vote.propose ["x", ["a", "b"], "1h"] -> ok "vote_1"
    ann genesis_debt.issue ["bob", 10, 12, "1h"] -> ok "claim_1"
    ann genesis_debt.issue ["bob", 10, 12, "1h"] give house -> ok "claim_2"
    bob genesis_debt.accept ["claim_2"] pay 10 -> ok
    ann genesis_debt.issue ["bob", 10, 12, "1s"] -> ok "claim_3"
    bob genesis_debt.accept ["claim_3"] pay 10 -> ok
    ann genesis_tasks.post ["x", [{"args": [1], "result": 1}], [], 50, "1h"] pay 50 -> ok "task_1"
    bob genesis_tasks.post ["y", [{"args": [1], "result": 2}], [], 5, "90s"] pay 5 -> ok "task_2"
    ann genesis_mint.bid ["hers"] pay 20 -> ok
    bob genesis_mint.bid ["his"] pay 10 -> ok
    ann genesis_market.ask ["fuel", "balance", 3, 5] give 3_fuel -> ok ~{"order": "order_1"}
    bob genesis_market.ask ["fuel", "balance", 1, 9] give 1_fuel -> ok ~{"order": "order_2"}
    bob genesis_space.make_grid ["field", 5, 5, true, 1] -> ok "field"
    bob genesis_space.make_graph ["net", [["a", "b"], ["b", "c"]]] -> ok "net"
    ann genesis_space.place ["field", "ann", [0, 0]] -> ok [0, 0]
    bob genesis_space.place ["net", "bob", "b"] -> ok "b"
    advance 2m
"#;

/// Bob's call, the scrip that moves by it, and the things that the method takes along; `looks` if it changes nothing.
const ROWS: &str = r#"
    genesis_escrow.list [3] give given || artifacts disk
    genesis_escrow.purchase ["sold"] pay 30 | bob>genesis_escrow 30 pay, genesis_escrow>ann 30 transfer | pay
    genesis_escrow.cancel ["shelf"] ||
    genesis_escrow.check ["sold"] || looks
    genesis_escrow.list_active [] || looks
    genesis_vote.propose ["y", ["a", "b"], "1h"] || disk
    genesis_vote.vote ["vote_1", "a"] || disk
    genesis_vote.tally ["vote_1"] || looks
    genesis_vote.due [] || looks
    genesis_debt.issue ["ann", 1, 1, "1h"] || artifacts disk fuel
    genesis_debt.accept ["claim_1"] pay 10 | bob>genesis_debt 10 pay, genesis_debt>ann 10 transfer | pay
    genesis_debt.repay ["claim_2"] pay 5 | bob>genesis_debt 5 pay, genesis_debt>bob 5 transfer | pay
    genesis_debt.overdue ["claim_3"] || looks
    genesis_debt.default ["claim_3"] ||
    genesis_debt.transfer ["claim_2", "carl"] ||
    genesis_debt.cancel ["claim_2"] ||
    genesis_debt.check ["claim_2"] || looks
    genesis_mint.bid ["other"] pay 20 | bob>genesis_mint 20 pay | pay disk
    genesis_mint.cancel ["his"] | genesis_mint>bob 10 transfer |
    genesis_mint.check ["his"] || looks
    genesis_mint.status [] || looks
    genesis_mint.due [] | genesis_mint>ann 10 transfer |
    genesis_scorer.score ["hers"] || looks
    genesis_store.search ["his"] || looks
    genesis_store.get_metadata ["his"] || looks
    genesis_store.get_interface ["his"] || looks
    genesis_store.prices [] || looks
    genesis_store.reputation ["bob"] || looks
    genesis_store.create ["new", "x"] ||
    genesis_store.delete [] give given || artifacts disk
    genesis_tasks.post ["z", [{"args": [], "result": 1}], [], 5, "1h"] pay 5 | bob>genesis_tasks 5 pay | pay disk
    genesis_tasks.submit ["task_1", "his"] | genesis_tasks>bob 50 transfer |
    genesis_tasks.check ["task_1"] || looks
    genesis_tasks.list_open [] || looks
    genesis_tasks.cancel ["task_2"] | genesis_tasks>bob 5 transfer |
    genesis_tasks.due [] | genesis_tasks>bob 5 transfer |
    genesis_market.ask ["fuel", "balance", 1, 9] give 1_fuel || fuel disk
    genesis_market.bid ["fuel", "balance", 1, 5] pay 5 | bob>genesis_market 5 pay, genesis_market>ann 5 transfer | pay disk
    genesis_market.cancel ["order_2"] ||
    genesis_market.book ["fuel", "balance"] || looks
    genesis_space.make_grid ["board", 3, 3] || disk
    genesis_space.make_graph ["web", [[1, 2]]] || disk
    genesis_space.connect ["net", [["c", "d"]]] || disk
    genesis_space.place ["field", "bob", [1, 1]] || disk
    genesis_space.move ["net", "c"] ||
    genesis_space.leave ["field", "ann"] ||
    genesis_space.where ["field", "ann"] || looks
    genesis_space.at ["field", [0, 0]] || looks
    genesis_space.near ["field", [1, 1], 2] || looks
    genesis_space.neighbours ["net", "b"] || looks
    genesis_space.free ["field", 3] || looks
    genesis_space.info ["field"] || looks
    genesis_ledger.balance ["bob"] || looks
    genesis_ledger.all_balances [] || looks
    genesis_ledger.transfer ["carl"] pay 5 | bob>genesis_ledger 5 pay, genesis_ledger>carl 5 transfer | pay
    genesis_ledger.spawn_principal ["kid"] ||
    genesis_ledger.transfer_ownership ["carl"] give given || artifacts disk fuel
    genesis_rights_registry.check_quota ["bob"] || looks
    genesis_rights_registry.all_quotas [] || looks
    genesis_rights_registry.transfer_quota ["carl"] give 5_fuel || fuel disk
    genesis_event_log.read [0] || looks
"#;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) op: Value,
    payments: &'static str,
    takes: Vec<&'static str>,
}

impl Row {
    pub(crate) fn looks(&self) -> bool {
        self.takes.contains(&"looks")
    }

    fn takes(&self, what: &str) -> bool {
        self.takes.contains(&what)
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let lines = ROWS.lines().map(str::trim).filter(|line| !line.is_empty());
    let rows = lines.map(|line| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = parts[0].split_whitespace().next().expect("a method");
        Row {
            name,
            op: operation(parts[0]),
            payments: parts[1],
            takes: parts[2].split_whitespace().collect(),
        }
    });
    rows.collect()
}

/// The names of all methods that the library lists, with their schemas.
fn listed() -> Vec<(String, Value)> {
    let services = founders().into_iter().filter(|founder| founder.code.is_some());
    let tools = services.flat_map(|founder| {
        let tools = founder.interface.value().as_array().expect("tools").clone();
        let named = tools
            .into_iter()
            .map(move |tool| (format!("{}.{}", founder.id, tool["name"].as_str().expect("a name")), tool));
        named.collect::<Vec<_>>()
    });
    tools.collect()
}

fn scrip_of_all(play: &Play) -> Vec<i64> {
    let world = play.live.world();
    let all =
        ["ann", "bob", "carl", "eve", "genesis_escrow", "genesis_mint", "genesis_tasks", "genesis_market"];
    all.into_iter().map(|id| world.scrip(world.lookup(id).expect("it is there"))).collect()
}

#[test]
fn each_method_that_is_listed_has_a_row() {
    let listed: BTreeSet<String> = listed().into_iter().map(|(name, _)| name).collect();
    let rows: BTreeSet<String> = rows().iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(listed, rows);
}

#[test]
fn each_method_moves_what_its_row_says() {
    for row in rows() {
        let mut play = play(WORLD);
        let supply = play.live.world().supply();
        let receipt = play.act("bob", &row.op);
        let told = format!("{}: {receipt}", row.name);
        assert!(receipt["ok"] == true, "{told}");
        let payments = receipt["payments"].as_array().expect("payments").iter();
        let payments = payments.map(|paid| {
            let word = |key: &str| paid[key].as_str().expect("a word");
            format!("{}>{} {} {}", word("from"), word("to"), paid["amount"], word("why"))
        });
        assert_eq!(payments.collect::<Vec<_>>().join(", "), row.payments, "{told}");
        assert_eq!(play.live.world().supply(), supply, "{told}");
        play.live.world().audit().expect("the books add up");
        play.end();
    }
}

#[test]
fn no_method_keeps_things_that_it_does_not_take() {
    for row in rows() {
        let mut play = play(WORLD);
        let before = scrip_of_all(&play);
        let mut tries = Vec::new();
        if !row.takes("pay") {
            let mut op = row.op.clone();
            op["pay"] = 7.into();
            tries.push(op);
        }
        for (kind, gift) in [
            ("artifacts", json!("junk")),
            ("disk", json!({ "resource": "disk", "amount": 9_000 })),
            ("fuel", json!({ "resource": "fuel", "amount": 1 })),
        ] {
            if row.takes(kind) {
                continue;
            }
            let mut op = row.op.clone();
            let mut gifts = op["give"].as_array().cloned().unwrap_or_default();
            gifts.push(gift);
            op["give"] = gifts.into();
            tries.push(op);
        }
        for op in tries {
            let receipt = play.act("bob", &op);
            assert!(receipt["ok"] == false, "{op}: {receipt}");
        }
        assert_eq!(scrip_of_all(&play), before, "{}", row.name);
        play.line("owner junk bob");
        play.line("quota bob fuel 99");
        play.end();
    }
}

/// Methods with a number that may be as large as it likes: of rows that are shown, of a promise, of votes.
const MAY_BE_LARGE: [&str; 8] = [
    "genesis_escrow.list",
    "genesis_escrow.list_active",
    "genesis_debt.issue",
    "genesis_vote.propose",
    "genesis_tasks.list_open",
    "genesis_store.search",
    "genesis_store.prices",
    "genesis_event_log.read",
];

/// Numbers beyond all that anybody can hold, and below.
fn extremes() -> [Value; 6] {
    [json!(i64::MAX), json!(u64::MAX), json!(i64::MIN), json!(-1), json!(1e30), json!(i64::MAX / 2 + 1)]
}

#[test]
fn numbers_at_the_edges_do_no_harm() {
    let mut tried = 0;
    for (name, tool) in listed() {
        let row = rows().into_iter().find(|row| row.name == name).expect("a row");
        let mut play = play(WORLD);
        let supply = play.live.world().supply();
        let mut tries = Vec::new();
        let properties = tool["inputSchema"]["properties"].as_object().cloned().unwrap_or_default();
        for (at, (_, schema)) in properties.iter().enumerate() {
            let is_number = schema["type"] == "integer"
                || schema["type"].as_array().is_some_and(|types| types.contains(&"integer".into()));
            for number in extremes().into_iter().filter(|_| is_number) {
                let mut op = row.op.clone();
                let args = op["args"].as_array_mut().expect("arguments");
                while args.len() <= at {
                    args.push(Value::Null);
                }
                args[at] = number;
                tries.push(op);
            }
        }
        for number in extremes() {
            let mut paid = row.op.clone();
            paid["pay"] = number.clone();
            let mut given = row.op.clone();
            given["give"] = json!([{ "resource": "fuel", "amount": number }]);
            tries.extend([paid, given]);
        }
        for op in tries {
            let receipt = play.act("bob", &op);
            let told = format!("{op}: {receipt}");
            play.live.world().audit().expect(&told);
            assert_eq!(play.live.world().supply(), supply, "{told}");
            // One that is done takes no more than there is, and promises may be as large as they like.
            if receipt["ok"] == true {
                assert!(MAY_BE_LARGE.contains(&&*name), "{told}");
            }
            tried += 1;
        }
        play.end();
    }
    assert!(tried > 700, "{tried}");
}
