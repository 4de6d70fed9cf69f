//! Events: their audience, the part that an agent sees, and the document that says so.

use std::collections::{BTreeMap, BTreeSet};

use oikos_kernel::{
    event,
    limits::{EVENTS_KEPT_MAX, EVENTS_PER_ACTION_MAX},
    record::EventKind,
    world::wire::{Viewer, event_json},
};

use serde_json::{Value, json};

use crate::{door::check, toy::Toy};

#[test]
fn agents_are_told_what_concerns_them() {
    check(
        r#"
        world: alice 50, bob
        agent eve scrip 9 code [['return', null]]
        agent sam code [['return', {'op': 'transfer', 'to': 'eve', 'amount': 1}]]
        artifact tool by eve code [['return', 1]]
        tick
        sees eve {"now": "2026-01-01T00:00:00.000Z", "tick": 0, "events": [], "events_missed": 0, "last": null, "population": 2, "self": {"id": "eve", "owner": "eve", "scrip": 9, "storage_keys": []}}
        alice transfer {"to": "bob", "amount": 1} -> ok
        alice transfer {"to": "eve", "amount": 2} -> ok
        alice invoke {"artifact": "tool"} -> ok
        eve store {"key": "k", "value": 1} -> ok
        sees eve {"events": [{"seq": 4, "type": "transfer", "actor": "alice", "to": "eve", "amount": 2}, {"seq": 5, "type": "invoke", "actor": "alice", "artifact": "tool", "detail": "run"}], "self": {"scrip": 11, "storage_keys": ["k"]}}
        sees sam {"events": []}
        # A step sees the tick's beginning; what came after it is seen by the next.
        step eve -> ok null ; events
        sees eve {"last": null, "events": [{"seq": 4}, {"seq": 5}]}
        step sam -> insufficient_scrip 1/0
        sees sam {"last": {"ok": false, "error": {"code": "insufficient_scrip"}}}
        tick
        step eve -> ok null
        sees eve {"events": [], "events_missed": 0}
        alice query {"what": "agents"} -> ok [{"id": "eve", "owner": "eve", "kind": "data", "state": "running", "steps": 2}, {"id": "sam", "owner": "sam", "kind": "data", "state": "running", "steps": 1}]
        "#,
    );
}

#[test]
fn an_observation_is_bounded_and_says_what_it_left_out() {
    let mut text = String::from(
        "world: alice 50\nagent eve code [['return', null]]\ntick\nalice transfer {\"to\": \"eve\", \"amount\": 1} -> ok\ntick\n",
    );
    for _ in 0..22 {
        text.push_str("alice transfer {\"to\": \"eve\", \"amount\": 1} -> ok\n");
    }
    text.push_str("sees eve {\"events_missed\": 3}\nstep eve -> ok null\n");
    // The one before the tick was forgotten, two after it were left out and are still told.
    text.push_str("sees eve {\"events_missed\": 2}\ntick\nstep eve -> ok null\nsees eve {\"events\": [], \"events_missed\": 0}\n");
    let toy = check(&text);
    drop(toy);
}

#[test]
fn an_owner_learns_what_happens_to_what_is_its_own() {
    check(
        r#"
        world: alice 10
        agent eve code [['return', null]]
        agent sam code [['raise', 'lost']]
        artifact door by eve contract genesis_contract_public content x
        artifact c by sam code [['raise', 'broken']]
        artifact x by alice contract c
        alice write {"artifact": "door", "content": "y"} -> ok
        alice transfer_ownership {"artifact": "door", "to": "sam"} -> ok
        alice delete {"artifact": "door"} -> ok
        alice read {"artifact": "x"} -> permission_denied
        sees eve {"events": [{"type": "write"}]}
        sees sam {"events": [{"type": "transfer_ownership", "to": "sam"}, {"type": "delete"}, {"type": "contract_error", "artifact": "c", "detail": "RuntimeError: broken"}]}
        step sam -> code_error "RuntimeError: lost" ; events mind_error sam sam in `sam`: RuntimeError: lost
        alice query {"what": "events", "type": "mind_error"} -> ok ~[{"actor": "sam", "artifact": "sam"}]
        "#,
    );
}

#[test]
fn a_mind_looks_and_does_nothing() {
    for (call, says) in [
        ("'store', ['k', 1]", "`store` changes the world"),
        ("'delete', ['alice']", "`delete` changes the world"),
    ] {
        check(&format!(
            r#"
            world: alice 10
            agent eve code [['call', {call}]]
            step eve -> permission_denied "{says}"
            "#
        ));
    }
    check(
        r#"
        world: alice 10
        agent eve code [['call', 'query', ['balance'], {'of': 'alice'}], ['return', {'op': 'store', 'key': 'seen', 'value': '$last'}]]
        agent bad code [['return', {'op': 'nop'}]]
        agent list scrip 3 code [['return', [{'op': 'transfer', 'to': 'eve', 'amount': 1}, {'op': 'noop'}]]]
        step eve -> ok null ; events store eve eve seen ; charged eve cpu 3
        step bad -> invalid_argument "there is no op `nop`" ; charged bad cpu 3
        step list -> ok [{"balance": 2}, null] ; paid list>eve 1 transfer
        sees eve {"self": {"storage_keys": ["seen"]}}
        "#,
    );
}

#[test]
fn a_mind_looks_at_what_it_may_and_at_nothing_that_costs() {
    let toy = check(
        r#"
        resources: actions renewable 60s
        costs: read actions 1, invoke actions 1
        world: alice 10, sue 5
        artifact free by sue content open code [['return', 7]]
        artifact sells by sue code [['call', 'store', ['k', 1]], ['return', 7]]
        artifact nested by sue code [['call', 'invoke', ['shop'], {'max_spend': 9}]]
        artifact shop by sue price 2 code [['return', 7]]
        artifact toll by alice code [['return', {'allowed': true, 'cost': 4}]]
        artifact counts by alice code [['return', {'allowed': true, 'state_updates': {'n': 1}}]]
        artifact shut by alice code [['return', {'allowed': false}]]
        artifact paid by sue contract toll content secret
        artifact counted by sue contract counts content secret
        artifact closed by sue contract shut content secret
        artifact diary by eve contract counts price 3 content mine code [['return', 8]]
        agent eve scrip 10 code [['call', 'read', ['free']], ['set', 'a', '$last.content'], ['call', 'invoke', ['free']], ['set', 'b', '$last'], ['try', 'read', ['paid'], {'max_spend': 9}], ['set', 'c', '$last'], ['try', 'read', ['counted']], ['set', 'd', '$last'], ['try', 'read', ['closed']], ['set', 'e', '$last'], ['try', 'invoke', ['shop'], {'max_spend': 9}], ['set', 'f', '$last'], ['try', 'invoke', ['nested'], {'max_spend': 9}], ['set', 'g', '$last'], ['try', 'invoke', ['sells']], ['set', 'h', '$last'], ['call', 'invoke', ['diary']], ['set', 'i', '$last'], ['return', {'op': 'store', 'key': 'seen', 'value': ['$a', '$b', '$c', '$d', '$e', '$f', '$g', '$h', '$i']}]]
        step eve -> ok ; paid
        sees eve {"self": {"scrip": 10}}
        balances alice 10, sue 5, eve 10
        "#,
    );
    let eve = toy.world.get(toy.handle("eve")).unwrap();
    let (_, seen) = eve.storage().next().unwrap();
    let words: Vec<String> = seen.as_array().unwrap().iter().map(|seen| seen.to_string()).collect();
    for (seen, says) in words.iter().zip([
        "open",
        "7",
        "limit_exceeded: to read `paid` costs 4 scrip",
        "limit_exceeded: the contract of `counted` keeps account",
        "permission_denied",
        "limit_exceeded: to invoke `shop` costs 2 scrip",
        "limit_exceeded: to invoke `shop` costs 2 scrip",
        "`store` changes the world",
        "8",
    ]) {
        assert!(seen.contains(says), "{says}: {seen}");
    }
}

#[test]
fn the_document_has_the_reference_of_every_type() {
    let (document, reference) = (include_str!("../../../../docs/events.md"), event::reference());
    assert!(document.contains(&reference), "docs/events.md lacks the reference as it is now:\n{reference}");
    let kinds: BTreeSet<&str> = EventKind::words().collect();
    assert_eq!(kinds.len(), event::SPECS.len(), "each type stands in the table once");
}

#[test]
fn every_type_is_told_with_all_of_its_fields() {
    let toy = check(
        r#"
        rules: mint gold
        resources: actions renewable 60s, fuel depletable
        costs: noop actions 1
        world: alice 10 actions 5 fuel 5, bob
        artifact gold scrip 0 code [['call', 'mint', ['bob', 5]]]
        agent sam code [['raise', 'lost']]
        agent eve code [['return', {'op': 'transfer', 'to': 'sam', 'amount': 1}]]
        agent cy actions 3 code [['return', {'op': 'noop'}]]
        artifact c by bob code [['raise', 'no']]
        artifact gone by bob
        artifact x by alice contract c
        artifact y by alice
        artifact shop by alice scrip 0 code [['return', 1]]
        artifact notes by alice kind memory
        alice write {"artifact": "a", "content": "abc", "has_loop": true} -> ok
        alice edit {"artifact": "a", "field": "content", "old": "b", "new": "c"} -> ok
        alice set_contract {"artifact": "a", "contract": "genesis_contract_public"} -> ok
        alice transfer_ownership {"artifact": "a", "to": "bob"} -> ok
        bob delete {"artifact": "a", "heir": "alice"} -> ok
        alice invoke {"artifact": "shop", "pay": 1} -> ok
        alice run {"code": "[]"} -> ok
        alice transfer {"to": "bob", "amount": 1, "resource": "actions"} -> ok
        alice store {"key": "k", "value": 1} -> ok
        alice remember {"text": "x", "artifact": "notes"} -> ok
        alice forget {"artifact": "notes"} -> ok
        alice mandate {"to": "bob", "per_call": 5, "per_window": 5, "window": "1h", "resource": "fuel"} -> ok
        bob charge {"payer": "alice", "amount": 1, "resource": "fuel", "reason": "dues"} -> ok
        alice read {"artifact": "x"} -> permission_denied
        bob delete {"artifact": "gone"} -> ok
        orphan y by gone
        alice read {"artifact": "y"} -> ok
        step sam -> code_error
        step sam -> code_error
        step sam -> code_error
        step sam -> code_error
        step sam -> code_error
        eve sleep {"for": "0s"} -> ok
        step eve -> insufficient_scrip
        cy transfer {"to": "bob", "amount": 3, "resource": "actions"} -> ok
        step cy -> rate_limited
        alice transfer {"to": "cy", "amount": 1, "resource": "actions"} -> ok
        step cy -> ok
        step cy -> rate_limited
        step eve -> insufficient_scrip
        step eve -> insufficient_scrip
        step eve -> insufficient_scrip
        step eve -> insufficient_scrip
        gold invoke {"artifact": "gold"} -> ok
        clock back 1h
        runtime another 1.0
        "#,
    );
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in toy.world.events() {
        assert!(event::is_as_specified(&row.event), "{:?}", row.event);
        let json = event_json(&toy.world, row.seq, row.time, &row.event, Viewer::Observer).unwrap();
        let always = ["seq", "time", "type", "actor"];
        let is_nobodys = matches!(row.event.kind, EventKind::Clock | EventKind::Runtime);
        assert_eq!(json.get("actor").is_none(), is_nobodys, "{json}");
        let fields = json.as_object().unwrap().keys().filter(|key| !always.contains(&key.as_str()));
        seen.entry(row.event.kind.as_str()).or_default().extend(fields.cloned());
    }
    let said = event::SPECS.iter().map(|spec| {
        let fields = spec.fields.iter().map(|field| field.part.as_str().to_owned());
        (spec.kind.as_str(), fields.collect())
    });
    assert_eq!(seen, said.collect());
}

/// Follows the events of a type as a reader does: each page begins after the last event's `seq`.
fn followed(toy: &mut Toy, reader: &str, kind: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut since, mut all, mut pages) = (0, Vec::new(), Vec::new());
    loop {
        let query = json!({ "op": "query", "what": "events", "type": kind, "since": since, "limit": limit });
        let page = toy.act(reader, &query).outcome.result();
        let page = page.as_array().unwrap().clone();
        let Some(last) = page.last() else { return (all, pages) };
        since = last["seq"].as_u64().unwrap();
        pages.push(page.len());
        all.extend(page);
    }
}

#[test]
fn who_pages_through_events_misses_none() {
    let mut toy = check("world: thief 500, mule, alice");
    let pay = |amount: i64| json!({ "op": "transfer", "to": "mule", "amount": amount });
    let list = |count: usize| Value::Array((0..count).map(|_| pay(1)).collect());
    for action in [list(3), list(2), list(101), pay(7), list(4), pay(5)] {
        assert!(toy.act("thief", &action).refusal().is_none());
    }
    // A page ends where a record does; one that has more than a page by itself comes alone and whole.
    for (limit, lengths) in [
        (100, vec![5, 101, 6]),
        (4, vec![3, 2, 101, 1, 4, 1]),
        (1, vec![3, 2, 101, 1, 4, 1]),
        (5, vec![5, 101, 5, 1]),
    ] {
        let (all, pages) = followed(&mut toy, "alice", "transfer", limit);
        assert_eq!(pages, lengths, "by {limit}");
        let moved: i64 = all.iter().map(|event| event["amount"].as_i64().unwrap()).sum();
        assert_eq!(moved, toy.world.scrip(toy.handle("mule")), "by {limit}");
    }
    let none = toy.act("alice", &json!({ "op": "query", "what": "events", "since": 0, "limit": 0 }));
    assert_eq!(none.outcome.result(), json!([]));
}

#[test]
fn a_gap_is_told_only_where_events_were_let_go() {
    let mut toy = check("rules: autonomous 1s\nworld: alice 9999, bob");
    let pay = json!({ "op": "transfer", "to": "bob", "amount": 1 });
    for _ in 0..EVENTS_KEPT_MAX {
        toy.act("alice", &pay);
    }
    assert_eq!(toy.world.events_lost_until(), None);
    let ask = |since: u64| json!({ "op": "query", "what": "events", "since": since, "limit": 1 });
    let page = |toy: &mut Toy, since| toy.act("bob", &ask(since)).outcome.result();
    assert_eq!(page(&mut toy, 0)[0]["seq"], 2);
    toy.act("alice", &pay);
    // The first record with an event was number 2: it was let go, and the reader goes on from there.
    let lost = toy.world.events_lost_until().unwrap();
    assert_eq!(lost, 2);
    let first = page(&mut toy, 0);
    assert_eq!(first[0], json!({ "type": "gap", "seq": 2, "since": 0, "until": 2 }));
    assert_eq!(page(&mut toy, lost)[0]["type"], "transfer");
    assert_eq!(page(&mut toy, i64::MAX.unsigned_abs()), json!([]));
    let beyond = json!({ "op": "query", "what": "events", "since": u64::MAX });
    assert_eq!(toy.act("bob", &beyond).refusal().unwrap().code.as_str(), "invalid_argument");
}

#[test]
fn an_action_makes_so_many_events_at_most_and_a_page_holds_them() {
    let mut toy = check("world: alice, bob");
    // A spawn makes two.
    let spawns = |count: usize| -> Value {
        let one = |at: usize| json!({ "op": "write", "artifact": format!("a{at}"), "has_loop": true });
        (0..count).map(one).collect()
    };
    let refused = toy.act("alice", &spawns(EVENTS_PER_ACTION_MAX / 2 + 1));
    let refusal = refused.refusal().unwrap();
    assert_eq!((refusal.code.as_str(), refusal.index), ("limit_exceeded", Some(5_000)));
    let done = toy.act("alice", &spawns(EVENTS_PER_ACTION_MAX / 2));
    assert!(done.refusal().is_none(), "{:?}", done.refusal());
    let since = done.seq.unwrap() - 1;
    let page = toy.act("bob", &json!({ "op": "query", "what": "events", "since": since, "type": "spawn" }));
    assert_eq!(page.outcome.result().as_array().unwrap().len(), EVENTS_PER_ACTION_MAX / 2);
}
