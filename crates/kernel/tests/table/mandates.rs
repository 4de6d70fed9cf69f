//! Mandates: who may charge whom how much, and what ends them.

use crate::door::check;

#[test]
fn a_mandate_allows_so_much_at_a_time_and_in_a_window() {
    check(
        r#"
        world: alice 100, bob 0
        artifact pool by bob scrip 0 code [['call', 'charge', ['alice', '$arg0', null, 'dues']], ['return', '$last']]
        bob invoke {"artifact": "pool", "args": [1]} -> permission_denied "`pool` has no mandate of `alice` for `scrip`" "`alice` can give `pool` one by the op `mandate`"
        alice mandate {"to": "pool", "per_call": 5, "per_window": 8, "window": "1h"} -> ok {"from": "alice", "to": "pool", "resource": "scrip", "per_call": 5, "per_window": 8, "window": "1h", "until": null, "used": 0, "left": 5} ; events mandate alice pool given
        bob invoke {"artifact": "pool", "args": [6]} -> limit_exceeded 6/5 "`pool` may charge `alice` 5 of `scrip` at a time" ; paid
        bob invoke {"artifact": "pool", "args": [5]} -> ok {"payer": "alice", "amount": 5, "left": 3} ; paid alice>pool 5 charge ; events charge pool alice pool 5 dues, invoke bob pool run
        bob invoke {"artifact": "pool", "args": [4]} -> limit_exceeded 4/3 "8 of `scrip` in 1h, of which 3 is left" "some of it comes back at 2026-01-01T01:00:00.000Z"
        advance 30m
        bob invoke {"artifact": "pool", "args": [3]} -> ok ~{"left": 0}
        advance 1799s
        bob invoke {"artifact": "pool", "args": [1]} -> limit_exceeded 1/0
        advance 1s
        bob invoke {"artifact": "pool", "args": [5]} -> ok ~{"left": 0}
        advance 30m
        bob invoke {"artifact": "pool", "args": [3]} -> ok ~{"left": 0}
        balances alice 84, bob 0, pool 16
        bob query {"what": "mandates", "of": "alice"} -> ok ~{"given": [{"to": "pool", "used": 8, "left": 0}], "received": []}
        bob query {"what": "mandates", "of": "pool"} -> ok ~{"given": [], "received": [{"from": "alice", "used": 8, "left": 0}]}
        "#,
    );
}

#[test]
fn what_was_charged_comes_back_if_the_action_fails() {
    check(
        r#"
        world: alice 100, bob 0
        artifact pool by bob scrip 0 code {'run': [['call', 'charge', ['alice', 5]], ['return', '$last.left']], 'fails': [['call', 'charge', ['alice', 5]], ['raise', 'no']], 'tries': [['try', 'invoke', ['pool'], {'method': 'fails'}], ['call', 'charge', ['alice', 5]], ['return', '$last.left']]}
        alice mandate {"to": "pool", "per_call": 5, "per_window": 10, "window": "1h"} -> ok
        bob invoke {"artifact": "pool", "method": "fails"} -> code_error ; paid ; events
        bob query {"what": "mandates", "of": "pool"} -> ok ~{"received": [{"used": 0, "left": 5}]}
        bob invoke {"artifact": "pool", "method": "tries"} -> ok 5 ; paid alice>pool 5 charge
        bob [{"op": "invoke", "artifact": "pool"}, {"op": "read", "artifact": "nope"}] -> not_found ; paid
        bob invoke {"artifact": "pool"} -> ok 0
        balances alice 90, pool 10
        "#,
    );
}

#[test]
fn mandates_given_anew_withdrawn_ended_and_broke() {
    check(
        r#"
        world: alice 9, bob 0
        artifact pool by bob scrip 0 code [['call', 'charge', ['alice', '$arg0']], ['return', '$last.left']]
        alice mandate {"to": "pool", "per_call": 5, "per_window": 5, "window": "1h"} -> ok
        bob invoke {"artifact": "pool", "args": [4]} -> ok 1
        alice mandate {"to": "pool", "per_call": 5, "per_window": 6, "window": "1h", "until": "2026-01-01T00:10:00Z"} -> ok ~{"used": 4, "left": 2, "until": "2026-01-01T00:10:00.000Z"}
        bob invoke {"artifact": "pool", "args": [3]} -> limit_exceeded 3/2
        bob invoke {"artifact": "pool", "args": [2]} -> ok 0
        alice mandate {"to": "pool", "per_call": 5, "per_window": 99, "window": "1h", "until": "2026-01-01T00:10:00Z"} -> ok
        bob invoke {"artifact": "pool", "args": [5]} -> insufficient_scrip 5/3 ; paid
        advance 599999ms
        bob invoke {"artifact": "pool", "args": [1]} -> ok
        advance 1ms
        bob invoke {"artifact": "pool", "args": [1]} -> permission_denied "the mandate of `alice` for `pool` ended at 2026-01-01T00:10:00.000Z"
        alice mandate {"to": "pool", "per_call": 0} -> ok null ; events mandate alice pool withdrawn
        alice mandate {"to": "pool", "per_call": 0} -> permission_denied "has no mandate"
        bob query {"what": "mandates", "of": "pool"} -> ok {"given": [], "received": []}
        "#,
    );
}

#[test]
fn a_mandate_ends_when_its_holder_changes_hands_or_goes() {
    check(
        r#"
        resources: disk allocatable
        world: alice 50 disk 1000, bob 0 disk 1000, carl 0 disk 1000
        artifact pool by bob scrip 0 disk 0 code [['call', 'charge', ['alice', 1]], ['return', 1]]
        artifact shop by carl scrip 0 disk 100 code [['return', 1]]
        artifact late by bob
        alice mandate {"to": "pool", "per_call": 1, "per_window": 9, "window": "1h"} -> ok
        alice mandate {"to": "late", "per_call": 1, "per_window": 9, "window": "1h"} -> ok
        alice query {"what": "resources"} -> ok ~{"disk": {"used": 171}}
        bob invoke {"artifact": "pool"} -> ok
        bob [{"op": "transfer_ownership", "artifact": "pool", "to": "carl"}, {"op": "read", "artifact": "nope"}] -> not_found
        bob invoke {"artifact": "pool"} -> ok  # it did not change hands
        bob transfer_ownership {"artifact": "pool", "to": "bob"} -> ok
        bob invoke {"artifact": "pool"} -> ok  # nor this time
        bob [{"op": "transfer_ownership", "artifact": "pool", "to": "carl"}, {"op": "invoke", "artifact": "pool"}] -> permission_denied @1 "has no mandate"
        bob transfer_ownership {"artifact": "pool", "to": "carl"} -> ok
        bob invoke {"artifact": "pool"} -> permission_denied "`pool` has no mandate of `alice`"
        carl transfer_ownership {"artifact": "pool", "to": "bob"} -> ok
        bob invoke {"artifact": "pool"} -> permission_denied "`pool` has no mandate of `alice`"
        alice query {"what": "resources"} -> ok ~{"disk": {"used": 107}}
        bob invoke {"artifact": "shop", "give": ["late"]} -> ok
        alice query {"what": "mandates"} -> ok {"given": [], "received": []}
        alice query {"what": "resources"} -> ok ~{"disk": {"used": 43}}
        alice mandate {"to": "shop", "per_call": 1, "per_window": 9, "window": "1h"} -> ok
        carl [{"op": "transfer_ownership", "artifact": "late", "to": "carl"}] -> permission_denied
        bob mandate {"to": "alice", "per_call": 1, "per_window": 9, "window": "1h"} -> ok
        alice mandate {"to": "bob", "per_call": 1, "per_window": 9, "window": "1h"} -> ok
        bob transfer_ownership {"artifact": "pool", "to": "carl"} -> ok
        carl transfer_ownership {"artifact": "bob", "to": "carl"} -> permission_denied
        bob charge {"payer": "alice", "amount": 1} -> ok ; paid alice>bob 1 charge
        alice charge {"payer": "bob", "amount": 1} -> ok ; paid bob>alice 1 charge
        bob delete {"artifact": "bob", "heir": "carl"} -> ok
        alice query {"what": "mandates"} -> ok ~{"given": [{"to": "shop"}], "received": []}
        alice query {"what": "resources"} -> ok ~{"disk": {"used": 107}}  # 64 for the mandate that is left
        alice charge {"payer": "bob", "amount": 1} -> not_found
        "#,
    );
}

#[test]
fn a_holder_that_changes_its_code_takes_no_more() {
    check(
        r#"
        world: alice 100, bob 0
        artifact pool by bob scrip 0 code [['call', 'charge', ['alice', 1]]]
        artifact greedy by bob scrip 0 code [['return', 1]]
        alice mandate {"to": "pool", "per_call": 5, "per_window": 8, "window": "1h"} -> ok
        bob write {"artifact": "pool", "code": "[['try', 'charge', ['alice', 99]], ['try', 'charge', ['alice', 5]], ['try', 'charge', ['alice', 5]], ['try', 'charge', ['alice', 3]], ['try', 'charge', ['alice', 1]], ['call', 'pay', ['greedy', 8]]]"} -> ok
        bob invoke {"artifact": "pool"} -> ok ; paid alice>pool 5 charge, alice>pool 3 charge, pool>greedy 8 transfer
        bob invoke {"artifact": "pool"} -> insufficient_scrip 8/0 ; paid
        bob invoke {"artifact": "greedy"} -> ok
        balances alice 92, bob 0, pool 0, greedy 8
        "#,
    );
}

#[test]
fn mandates_of_resources_move_balances() {
    check(
        r#"
        resources: fuel depletable, actions renewable 60s
        world: alice 0 fuel 10, bob 5
        artifact pump by bob fuel 0 code [['call', 'charge', ['alice', '$arg0', 'fuel']], ['return', '$last.left']]
        artifact bare by bob code [['call', 'charge', ['alice', 1]], ['return', 1]]
        alice mandate {"to": "pump", "per_call": 4, "per_window": 20, "window": "1h", "resource": "fuel"} -> ok ~{"resource": "fuel"} ; events mandate alice pump fuel given
        alice mandate {"to": "pump", "per_call": 4, "per_window": 20, "window": "1h", "resource": "scrip"} -> ok ~{"resource": "scrip"}
        alice mandate {"to": "bare", "per_call": 4, "per_window": 20, "window": "1h"} -> ok
        alice mandate {"to": "pump", "per_call": 4, "per_window": 20, "window": "1h", "resource": "actions"} -> invalid_argument "`actions` can't be charged: it is no depletable resource"
        alice mandate {"to": "pump", "per_call": 4, "per_window": 20, "window": "1h", "resource": "gold"} -> invalid_argument "no resource `gold`"
        bob invoke {"artifact": "pump", "args": [4]} -> ok 4 ; paid ; events charge pump alice pump 4 fuel, invoke bob pump run
        bob invoke {"artifact": "pump", "args": [4]} -> ok 4
        bob invoke {"artifact": "pump", "args": [4]} -> insufficient_resource 4/2
        alice query {"what": "resources"} -> ok ~{"fuel": {"balance": 2}}
        bob invoke {"artifact": "bare"} -> invalid_argument "`bare` has no standing to receive what it charges"
        "#,
    );
}

#[test]
fn a_mandate_that_makes_no_sense_is_refused() {
    check(
        r#"
        world: alice 5, bob 5
        artifact bare by alice code [['call', 'mandate', ['bob', 1, 1, '1h']], ['return', 1]]
        artifact rich by alice scrip 5 code [['call', 'mandate', ['bob', 1, 2, '1h'], {'until': '2027-01-01T00:00:00Z'}], ['return', '$last.per_window']]
        alice mandate {"to": "alice", "per_call": 1, "per_window": 1, "window": "1h"} -> invalid_argument "needs no mandate of its own"
        alice mandate {"to": "nope", "per_call": 1, "per_window": 1, "window": "1h"} -> not_found
        alice mandate {"to": "bob", "per_call": -1, "per_window": 1, "window": "1h"} -> invalid_argument "per_call" unrecorded
        alice mandate {"to": "bob", "per_call": 1, "per_window": 0, "window": "1h"} -> invalid_argument "per_window" unrecorded
        alice mandate {"to": "bob", "per_call": 1, "window": "1h"} -> invalid_argument "`per_window` is missing"
        alice mandate {"to": "bob", "per_call": 1, "per_window": 1} -> invalid_argument "`window` is missing" "`per_call` 0 withdraws it"
        alice mandate {"to": "bob", "per_call": 1, "per_window": 1, "window": "0s"} -> invalid_argument "`window` must be at least 1ms"
        alice mandate {"to": "bob", "per_call": 1, "per_window": 1, "window": "1h", "until": "2026-01-01T00:00:00Z"} -> invalid_argument "`until` must be later than now"
        alice charge {"payer": "alice", "amount": 1} -> permission_denied "has no mandate"
        alice charge {"payer": "nope", "amount": 1} -> not_found
        alice charge {"payer": "bob", "amount": 0} -> invalid_argument unrecorded
        alice invoke {"artifact": "bare"} -> invalid_argument "`bare` has no standing"
        alice invoke {"artifact": "rich"} -> ok 2
        bob charge {"payer": "rich", "amount": 1} -> ok {"payer": "rich", "amount": 1, "left": 1} ; paid rich>bob 1 charge
        "#,
    );
}

#[test]
fn a_contract_charges_by_the_mandate_of_a_payer() {
    check(
        r#"
        world: alice 20, sue 20, olga 0, carl 0
        artifact c by carl code [['if', '$arg0', 'olga', [['return', {'allowed': true, 'cost': 9, 'cost_model': {'payer': 'sue'}, 'recipient': 'carl'}]]], ['return', {'allowed': true, 'cost': 4, 'cost_model': {'payer': 'sue'}}]]
        artifact doc by olga contract c content x
        sue mandate {"to": "c", "per_call": 4, "per_window": 8, "window": "1h"} -> ok
        alice read {"artifact": "doc"} -> ok ; paid sue>olga 4 contract_cost ; events charge c sue olga 4 read doc
        olga read {"artifact": "doc"} -> permission_denied 9/4 "`olga` may not read `doc`: its contract `c` lets `sue` pay 9 scrip, and `c` may charge `sue` 4 of `scrip` at a time" ; paid
        alice [{"op": "read", "artifact": "doc"}, {"op": "read", "artifact": "nope"}] -> not_found ; paid
        alice query {"what": "permission", "action": "read", "target": "doc"} -> ok ~{"allowed": true, "cost": 4} ; paid ; events
        sue query {"what": "mandates"} -> ok ~{"given": [{"used": 4, "left": 4}]}
        alice read {"artifact": "doc"} -> ok
        alice read {"artifact": "doc"} -> permission_denied 4/0 "of which 0 is left" ; paid
        carl transfer_ownership {"artifact": "c", "to": "alice"} -> ok
        advance 1h
        alice read {"artifact": "doc"} -> permission_denied "`sue` has not agreed to that"
        balances alice 20, sue 12, olga 8
        "#,
    );
}

#[test]
fn a_subscription_takes_of_its_subscriber_without_max_spend() {
    check(
        r#"
        world: alice 20, bob 20, carl 0
        artifact plan by carl code [['return', {'allowed': true, 'cost': 4, 'cost_model': {'payer': '$arg0'}, 'recipient': 'carl'}]]
        artifact doc by carl contract plan content x
        alice mandate {"to": "plan", "per_call": 4, "per_window": 4, "window": "1h"} -> ok
        alice read {"artifact": "doc"} -> ok ; paid alice>carl 4 contract_cost
        alice read {"artifact": "doc"} -> limit_exceeded 4/0  # beyond the mandate her own bound holds
        alice read {"artifact": "doc", "max_spend": 4} -> ok ; paid alice>carl 4 contract_cost
        bob read {"artifact": "doc"} -> limit_exceeded 4/0
        balances alice 12, bob 20, carl 8
        "#,
    );
}

#[test]
fn mandates_are_as_private_as_balances() {
    check(
        r#"
        rules: balances own
        world: alice 20, bob 0, eve 0
        artifact pool by bob scrip 0 code {'run': [['call', 'charge', ['alice', '$arg0', null, 'dues']], ['return', 1]], 'mine': [['call', 'query', ['mandates']], ['return', '$last.received.0.left']]}
        alice mandate {"to": "pool", "per_call": 5, "per_window": 8, "window": "1h"} -> ok
        eve query {"what": "mandates", "of": "alice"} -> permission_denied "balances are private"
        eve query {"what": "mandates", "of": "pool"} -> permission_denied "balances are private"
        alice query {"what": "mandates"} -> ok ~{"given": [{"left": 5}]}
        bob invoke {"artifact": "pool", "method": "mine"} -> ok 5
        observer {"what": "mandates", "of": "alice"} -> ok ~{"given": [{"left": 5}]}
        bob invoke {"artifact": "pool", "args": [5]} -> ok
        eve query {"what": "events", "type": "charge"} -> ok ~[{"actor": "pool", "artifact": "alice", "amount": null, "detail": null}]
        alice query {"what": "events", "type": "charge"} -> ok ~[{"actor": "pool", "artifact": "alice", "amount": 5, "detail": "dues"}]
        "#,
    );
}
