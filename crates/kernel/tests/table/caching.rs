//! Verdicts that are used again. The reason of these contracts is the instant at which they were asked, so it shows
//! whether they were asked anew.

use crate::{door::check, toy::Toy};

/// Hits, and verdicts that were kept.
fn counts(toy: &Toy, contract: &str) -> Option<(u64, u64)> {
    toy.world.verdicts(toy.handle(contract))
}

/// Asks what `who` may do with `doc`, and when that was decided, in seconds since the beginning.
const CLOCK: &str = "['return', {'allowed': true, 'reason': '$arg3.now', 'cache': {'ttl': '60s', 'key': ['caller', 'action']}}]";

#[test]
fn a_verdict_is_used_again_until_its_time_is_over() {
    let toy = check(&format!(
        r#"
        resources: cpu renewable 1h
        world: alice 20 cpu 9000, bob 0 cpu 9000, olga 0 cpu 9000
        artifact c by olga code [['work', 9], {CLOCK}]
        artifact doc by olga contract c content x
        alice query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:00.000Z"}} ; charged alice cpu 27
        advance 10s
        alice query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:10.000Z"}}  # a question keeps nothing
        alice read {{"artifact": "doc"}} -> ok ; charged alice cpu 27 ; lines alice 27 cpu contract c
        advance 30s
        alice query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:10.000Z"}} ; charged alice cpu 27
        bob query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:40.000Z"}}
        alice query {{"what": "permission", "action": "write", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:40.000Z"}}
        observer {{"what": "permission", "as": "alice", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:10.000Z"}}
        alice read {{"artifact": "doc"}} -> ok ; charged alice cpu 27 ; lines alice 27 cpu contract c
        advance 29s
        alice query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:10.000Z"}}
        advance 1s
        alice query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:01:10.000Z"}}
        "#
    ));
    assert_eq!(counts(&toy, "c"), Some((1, 1)), "questions don't count");
}

#[test]
fn what_changes_drops_a_verdict_at_once() {
    let edits = [
        ("bob transfer {\"to\": \"alice\", \"amount\": 1} -> ok", true),
        ("olga write {\"artifact\": \"doc\", \"content\": \"y\"} -> ok", false),
        ("olga set_contract {\"artifact\": \"doc\", \"contract\": \"d\"} -> ok", false),
        ("olga transfer_ownership {\"artifact\": \"doc\", \"to\": \"bob\"} -> ok", false),
        ("olga write {\"artifact\": \"c\", \"content\": \"new\"} -> ok", false),
        (
            "olga edit {\"artifact\": \"c\", \"field\": \"code\", \"old\": \"'work', 9\", \"new\": \"'work', 8\"} -> ok",
            false,
        ),
        ("olga invoke {\"artifact\": \"c\", \"method\": \"keep\"} -> ok", false),
        ("olga write {\"artifact\": \"other\", \"content\": \"y\"} -> ok", true),
    ];
    for (edit, stays) in edits {
        let seconds = if stays { "00" } else { "10" };
        check(&format!(
            r#"
            world: alice 20, bob 5, olga 0
            artifact c by olga code {{'check_permission': [['work', 9], {CLOCK}], 'keep': [['call', 'storage_set', ['k', 1]]]}}
            artifact d by olga code [{CLOCK}]
            artifact doc by olga contract c content x
            artifact other by olga content x
            alice read {{"artifact": "doc"}} -> ok
            advance 10s
            {edit}
            alice query {{"what": "permission", "action": "read", "target": "doc"}} -> ok ~{{"reason": "2026-01-01T00:00:{seconds}.000Z"}}
            "#
        ));
    }
}

#[test]
fn only_what_is_done_and_plain_is_kept() {
    let rows = [
        // Costs, changes of storage, nested code and output are not kept.
        (
            "['return', {'allowed': true, 'cost': 1, 'cache': {'ttl': 60}}]",
            "alice read {\"artifact\": \"doc\", \"max_spend\": 1} -> ok",
            None,
        ),
        (
            "['return', {'allowed': true, 'state_updates': {'k': 1}, 'cache': {'ttl': 60}}]",
            "alice read {\"artifact\": \"doc\"} -> ok",
            None,
        ),
        (
            "['call', 'invoke', ['free']], ['return', {'allowed': true, 'cache': {'ttl': 60}}]",
            "alice read {\"artifact\": \"doc\"} -> ok",
            None,
        ),
        (
            "['print', 'hm'], ['return', {'allowed': true, 'cache': {'ttl': 60}}]",
            "alice read {\"artifact\": \"doc\"} -> ok",
            None,
        ),
        (
            "['return', {'allowed': true, 'cache': {'ttl': 0}}]",
            "alice read {\"artifact\": \"doc\"} -> ok",
            None,
        ),
        ("['return', {'allowed': true}]", "alice read {\"artifact\": \"doc\"} -> ok", None),
        // Verdicts by looking things up are.
        (
            "['call', 'ledger.get_scrip', ['$arg0']], ['return', {'allowed': true, 'cache': {'ttl': 60, 'key': ['caller', 'balance']}}]",
            "alice read {\"artifact\": \"doc\"} -> ok",
            Some((1, 1)),
        ),
        // A failed action leaves nothing, whether its question was answered or not.
        (
            "['return', {'allowed': true, 'cache': {'ttl': 60}}]",
            "alice [{\"op\": \"read\", \"artifact\": \"doc\"}, {\"op\": \"read\", \"artifact\": \"nope\"}] -> not_found",
            Some((0, 1)),
        ),
        (
            "['return', {'allowed': false, 'cache': {'ttl': 60}}]",
            "alice read {\"artifact\": \"doc\"} -> permission_denied",
            None,
        ),
        // A quote and a thought keep nothing; what code does is done.
        (
            "['return', {'allowed': true, 'cache': {'ttl': 60}}]",
            "alice query {\"what\": \"quote\", \"artifact\": \"doc\"} -> ok",
            Some((0, 1)),
        ),
        (
            "['return', {'allowed': true, 'cache': {'ttl': 60}}]",
            "alice invoke {\"artifact\": \"reads\"} -> ok",
            Some((0, 2)),
        ),
    ];
    for (code, first, expected) in rows {
        let again = if first.contains("denied") {
            ""
        } else {
            "alice read {\"artifact\": \"doc\", \"max_spend\": 1} -> ok"
        };
        let toy = check(&format!(
            r#"
            world: alice 20, olga 0
            artifact c by olga code [{code}]
            artifact free by olga code [['return', 1]]
            artifact reads by alice code [['call', 'read', ['doc']]]
            artifact doc by olga contract c content x code [['return', 1]]
            {first}
            {again}
            "#
        ));
        assert_eq!(counts(&toy, "c"), expected, "{code}: {first}");
    }
}

#[test]
fn a_hit_that_cannot_be_paid_is_asked_for_and_refused_as_ever() {
    check(&format!(
        r#"
        resources: cpu renewable 60s
        world: alice 20 cpu 50, olga 0 cpu 900
        artifact c by olga code [['work', 9], {CLOCK}]
        artifact doc by olga contract c content x
        alice read {{"artifact": "doc"}} -> ok ; charged alice cpu 27
        alice read {{"artifact": "doc"}} -> rate_limited ; charged alice cpu 21
        advance 30s
        alice read {{"artifact": "doc", "max_resources": {{"cpu": 9}}}} -> rate_limited
        "#
    ));
}

#[test]
fn so_many_verdicts_are_kept_and_those_of_what_is_gone_are_not() {
    let mut text = format!("world: alice 20, olga 0\nartifact c by olga code [{CLOCK}]\n");
    for at in 0..70 {
        text.push_str(&format!("artifact d{at} by olga contract c content x\n"));
    }
    for at in 0..70 {
        text.push_str(&format!("alice read {{\"artifact\": \"d{at}\"}} -> ok\n"));
    }
    text.push_str("advance 1s\n");
    // The first six went.
    text.push_str("alice query {\"what\": \"permission\", \"action\": \"read\", \"target\": \"d5\"} -> ok ~{\"reason\": \"2026-01-01T00:00:01.000Z\"}\n");
    text.push_str("alice query {\"what\": \"permission\", \"action\": \"read\", \"target\": \"d6\"} -> ok ~{\"reason\": \"2026-01-01T00:00:00.000Z\"}\n");
    let toy = check(&text);
    assert_eq!(counts(&toy, "c"), Some((0, 70)));
}
