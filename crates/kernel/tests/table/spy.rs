//! A spy tries every channel there is. Two worlds differ in one hidden value only, the size of a bid, and all that
//! the spy is told must be the same in both, letter by letter.

use oikos_kernel::world::wire::Viewer;
use serde_json::{Value, json};

use crate::{door::check, toy::Toy};

const BID: &str = "{'bid': [['call', 'storage_set', ['bid', '$call.paid']]], \
    'payout': [['call', 'transfer', ['bidder', 100000]]], \
    'burn': [['call', 'transfer', ['bidder', 100000, 'fuel']]], \
    'back': [['call', 'storage_get', ['bid']], ['call', 'transfer', ['bidder', '$last']]]}";
const PROBE: &str = "{'one': [['try', '$arg0', '$arg1', '$arg2'], ['return', '$last']], \
    'all': [['call', '$arg0', '$arg1', '$arg2'], ['return', '$last']], \
    'look': [['call', 'attempt', ['invoke', 'house'], {'method': '$arg0'}], ['return', '$last']]}";
const GATE: &str = "{'check_permission': [['try', 'ledger.get_scrip', ['bidder']], \
    ['return', {'allowed': true, 'reason': '$last'}]]}";

/// The world of the spy, founded under these rules.
fn found(rules: &str) -> Toy {
    check(&format!(
        r#"
        rules: {rules}autonomous 1s
        resources: fuel depletable, disk allocatable, actions renewable 60s
        world: bidder 1000 fuel 500 disk 9000 actions 9, other 0 disk 9000, keeper 0 disk 400
        artifact house by keeper scrip 0 fuel 0 code {BID}
        artifact vault by vault scrip 0 disk 50 contract genesis_contract_public
        artifact board by keeper contract genesis_contract_public content x
        agent spy scrip 100 fuel 5 disk 90000 actions 3 code [['return', null]]
        agent late scrip 9 disk 90 code [['return', null]]
        artifact probe by spy code {PROBE}
        artifact gate by spy code {GATE}
        artifact bait by spy contract gate
        "#
    ))
}

/// The actions of the bidder that are nobody else's affair.
fn bid(toy: &mut Toy, amount: i64) {
    let pay = |artifact: &str, method: &str| {
        json!({ "op": "invoke", "artifact": artifact, "method": method, "pay": amount,
                "give": [{ "resource": "fuel", "amount": amount }] })
    };
    for action in [
        pay("house", "bid"),
        json!({ "op": "transfer", "to": "vault", "amount": amount / 5 }),
        json!({ "op": "transfer", "to": "other", "amount": amount / 5 }),
    ] {
        let receipt = toy.act("bidder", &action);
        assert!(receipt.refusal().is_none(), "{action}: {:?}", receipt.refusal());
    }
}

/// The attempts of the spy, as actions of its own.
fn attempts() -> Vec<Value> {
    let mut all = Vec::new();
    let query = |fields: Value| {
        let mut op = fields;
        op["op"] = "query".into();
        op
    };
    for who in ["bidder", "other", "house", "vault", "keeper"] {
        all.push(query(json!({ "what": "balance", "of": who })));
        all.push(query(json!({ "what": "resources", "of": who })));
        for resource in ["fuel", "disk", "actions", "cpu"] {
            for amount in [1, 100, 400, 1_000] {
                all.push(query(
                    json!({ "what": "capacity", "of": who, "resource": resource, "amount": amount }),
                ));
            }
        }
        all.push(query(json!({ "what": "permission", "as": who, "action": "read", "target": "bait" })));
        all.push(query(json!({ "what": "events", "of": who })));
        for (name, args) in [
            ("get_balance", json!([who])),
            ("query", json!(["balance", who])),
            ("query", json!(["resources", who])),
            ("ledger.get_scrip", json!([who])),
            ("ledger.can_afford_scrip", json!([who, 100])),
            ("ledger.get_resource", json!([who, "fuel"])),
            ("ledger.get_resource", json!([who, "disk"])),
            ("ledger.can_spend_resource", json!([who, "fuel", 100])),
            ("ledger.get_all_resources", json!([who])),
        ] {
            for method in ["one", "all"] {
                all.push(json!({ "op": "invoke", "artifact": "probe", "method": method, "args": [name, args, {}] }));
            }
        }
    }
    for method in ["payout", "burn"] {
        all.push(json!({ "op": "invoke", "artifact": "house", "method": method }));
        all.push(json!({ "op": "invoke", "artifact": "probe", "method": "look", "args": [method] }));
        for how in ["one", "all"] {
            let args = json!(["invoke", ["house"], { "method": method }]);
            all.push(json!({ "op": "invoke", "artifact": "probe", "method": how, "args": args }));
        }
    }
    for fields in [
        json!({ "what": "balances" }),
        json!({ "what": "agents" }),
        json!({ "what": "agents", "sample": 3 }),
        json!({ "what": "supply" }),
        json!({ "what": "supply", "resource": "fuel" }),
        json!({ "what": "events" }),
        json!({ "what": "events", "since": 0 }),
        json!({ "what": "events", "type": "invoke", "since": 0 }),
        json!({ "what": "events", "type": "transfer", "since": 0 }),
        json!({ "what": "events", "type": "exhausted" }),
        json!({ "what": "artifacts" }),
        json!({ "what": "search", "text": "house" }),
        json!({ "what": "artifact", "artifact": "house" }),
        json!({ "what": "price", "artifact": "house" }),
        json!({ "what": "permission", "action": "read", "target": "bait" }),
        json!({ "what": "permission", "action": "read", "target": "house" }),
    ] {
        all.push(query(fields));
    }
    let large = "x".repeat(500);
    all.extend([
        json!({ "op": "read", "artifact": "bait" }),
        json!({ "op": "delete", "artifact": "vault" }),
        json!({ "op": "delete", "artifact": "vault", "heir": "vault" }),
        json!({ "op": "delete", "artifact": "house" }),
        json!({ "op": "write", "artifact": "board", "content": large }),
        json!({ "op": "write", "artifact": "board", "content": "xy" }),
        json!([{ "op": "write", "artifact": "large", "content": large },
               { "op": "transfer_ownership", "artifact": "large", "to": "keeper" }]),
        json!({ "op": "invoke", "artifact": "house", "method": "back" }),
    ]);
    all
}

/// Everything that the spy is told, each with how it got it.
fn told(rules: &str, amount: i64) -> Vec<(String, String)> {
    let mut toy = found(rules);
    let spy = toy.handle("spy");
    // It lies in wait for events of a size: that it wakes would tell.
    for (agent, event) in [("spy", "invoke"), ("late", "transfer")] {
        let wait = json!({ "op": "sleep", "event": event, "filter": { "amount": 100 } });
        assert!(toy.act(agent, &wait).refusal().is_none());
    }
    bid(&mut toy, amount);
    let mut all = Vec::new();
    for agent in ["spy", "late"] {
        let handle = toy.handle(agent);
        let seen = toy.world.observation(handle, toy.now, toy.world.population());
        all.push((format!("what {agent} observes"), seen.to_string()));
        let due = toy.world.agent(handle).unwrap().due();
        all.push((format!("when {agent} wakes"), format!("{due:?}")));
    }
    for attempt in attempts() {
        let receipt = toy.act("spy", &attempt);
        all.push((attempt.to_string(), receipt.to_json(&toy.world, Viewer::Artifact(Some(spy))).to_string()));
    }
    // It becomes the owner of the house when all is over: the past stays as closed as it was.
    let done = toy.act("keeper", &json!({ "op": "transfer_ownership", "artifact": "house", "to": "spy" }));
    assert!(done.refusal().is_none(), "{:?}", done.refusal());
    let after = toy.act("spy", &json!({ "op": "query", "what": "events", "since": 0, "type": "invoke" }));
    all.push((
        "the past of what it owns".into(),
        after.to_json(&toy.world, Viewer::Artifact(Some(spy))).to_string(),
    ));
    all
}

fn leaks(rules: &str, amounts: [i64; 2]) -> Vec<String> {
    let [few, many] = amounts.map(|amount| told(rules, amount));
    let pairs = few.into_iter().zip(many).filter(|(few, many)| few.1 != many.1);
    pairs.map(|((how, few), (_, many))| format!("{how}\n    {few}\n    {many}")).collect()
}

#[test]
fn a_spy_is_told_the_same_whatever_was_bid() {
    // With 500 the bidder has given all its fuel away.
    let leaks = leaks("balances own, ", [5, 500]);
    assert!(leaks.is_empty(), "\n{}\n", leaks.join("\n"));
}

#[test]
fn where_balances_are_public_events_still_keep_what_was_sent_along() {
    let leaks = leaks("", [5, 500]);
    let how = |leak: &String| leak.lines().next().unwrap_or_default().to_owned();
    let leaky: Vec<String> = leaks.iter().map(how).collect();
    let invocations = json!({ "op": "query", "what": "events", "type": "invoke", "since": 0 }).to_string();
    for closed in [invocations.as_str(), "when spy wakes", "what spy observes", "the past of what it owns"] {
        assert!(!leaky.iter().any(|leak| leak == closed), "{closed}");
    }
    // The same attempts do tell the balances, so that they would find a leak.
    for channel in
        ["\"what\":\"balances\"", "get_balance", "ledger.get_scrip", "\"method\":\"payout\"", "\"delete\""]
    {
        assert!(leaks.iter().any(|leak| leak.contains(channel)), "{channel} tells nothing");
    }
}

#[test]
fn what_a_sleeper_waits_for_tells_what_it_has_and_is_its_own_affair() {
    for (rules, is_public) in [("", true), ("balances own, ", false)] {
        let mut toy = found(rules);
        let wait = json!({ "op": "sleep", "resource": "scrip", "level": { "at_least": 100 } });
        assert!(toy.act("late", &wait).refusal().is_none());
        let viewer = |who| Viewer::Artifact(Some(toy.handle(who)));
        for (viewer, sees) in [(viewer("late"), true), (viewer("spy"), is_public), (Viewer::Observer, true)] {
            let slept = toy.world.events().find(|row| row.event.kind.as_str() == "sleep").unwrap();
            let shown = toy.world.row_seen(slept, viewer).unwrap();
            assert_eq!(shown.detail.as_deref(), sees.then_some("scrip at least 100"), "{viewer:?}");
        }
    }
}

#[test]
fn the_parties_and_observers_are_told() {
    let mut toy = found("balances own, ");
    bid(&mut toy, 500);
    for (who, sees) in [("bidder", true), ("house", true), ("keeper", true), ("other", false), ("spy", false)]
    {
        let viewer = Viewer::Artifact(Some(toy.handle(who)));
        let amounts: Vec<bool> = ["invoke", "transfer"]
            .into_iter()
            .map(|kind| {
                let mut rows = toy.world.events().filter(|row| row.event.kind.as_str() == kind);
                rows.any(|row| toy.world.row_seen(row, viewer).is_some_and(|event| event.amount == Some(500)))
            })
            .collect();
        // The keeper owns the house, and so is a party to its invocations; the gift went to the house itself.
        let gift = sees && who != "keeper";
        assert_eq!(amounts, [sees, gift], "{who}");
    }
    let seen = toy.world.events().filter(|row| {
        toy.world.row_seen(row, Viewer::Observer).is_some_and(|event| event.amount == Some(500))
    });
    assert_eq!(seen.count(), 2);
}
