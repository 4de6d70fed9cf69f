//! Resources: costs of ops, CPU of code, windows, quotas, and what can be moved.

use crate::door::check;

#[test]
fn ops_consume_their_costs() {
    check(
        r#"
        resources: actions renewable 60s, credits depletable
        costs: transfer actions 2, noop actions 1, read credits 5
        world: alice 10 actions 5 credits 12, bob 10 actions 1
        artifact note by alice
        alice noop -> ok ; charged alice actions 1
        # Refused at admission: nothing is consumed. Refused later: what was consumed stays.
        bob transfer {"to": "alice", "amount": 1} -> rate_limited 2/1 unrecorded "`bob` may use 1 of `actions` now and needs 2" "its rate never allows so much"
        alice transfer {"to": "bob", "amount": 99} -> insufficient_scrip 99/10 ; charged alice actions 2
        alice {"op": "transfer", "to": "bob"} -> invalid_argument unrecorded
        alice query {"what": "capacity", "resource": "actions", "amount": 3} -> ok {"has": false, "capacity": 2, "time_until": "1m", "time_until_ms": 60000}
        # A list is admitted as a whole.
        alice [{"op": "noop"}, {"op": "noop"}, {"op": "noop"}] -> rate_limited 3/2 unrecorded "wait 1m, until 2026-01-01T00:01:00.000Z"
        alice [{"op": "noop"}, {"op": "transfer", "to": "bob", "amount": 99}] -> rate_limited 3/2 unrecorded
        alice [{"op": "noop"}, {"op": "noop"}] -> ok ; charged alice actions 2
        alice noop -> rate_limited 1/0 unrecorded "wait 1m"
        advance 59999ms
        alice noop -> rate_limited 1/0 unrecorded "wait 1ms"
        advance 1ms
        alice noop -> ok
        # A balance only falls.
        alice read {"artifact": "note"} -> ok ; charged alice credits 5
        alice read {"artifact": "note"} -> ok
        alice read {"artifact": "note"} -> insufficient_resource 5/2 unrecorded "get some `credits` by `transfer`"
        bob read {"artifact": "note"} -> insufficient_resource 5/0 unrecorded
        "#,
    );
}

#[test]
fn costs_of_ops_in_code_fall_to_whoever_pays_for_it() {
    check(
        r#"
        resources: actions renewable 60s
        costs: noop actions 1, invoke actions 1
        world: alice 0 actions 4, bob
        artifact tool by bob code [['call', 'noop'], ['call', 'noop']]
        artifact firm by bob scrip 0 actions 2 pays self code [['call', 'noop'], ['call', 'noop']]
        alice invoke {"artifact": "firm"} -> ok ; charged alice actions 1, firm cpu 3, firm actions 2
        alice invoke {"artifact": "firm"} -> rate_limited 1/0 "`firm` may use 0 of `actions` now" ; charged alice actions 1, firm cpu 3
        alice invoke {"artifact": "tool"} -> rate_limited 1/0 "`alice` may use 0 of `actions` now" ; charged alice actions 2, alice cpu 3
        bob invoke {"artifact": "tool"} -> rate_limited unrecorded
        "#,
    );
}

#[test]
fn code_is_charged_for_its_cpu_and_stopped_by_it() {
    check(
        r#"
        resources: cpu renewable 60s, memory allocatable
        world: alice 10 cpu 100 memory 1000, bob 0 cpu 30 memory 1000, poor 5
        artifact t by bob code [['work', 5], ['return', 1]]
        artifact deny by bob code [['work', 3], ['return', {'allowed': false, 'reason': 'no'}]]
        artifact x by bob contract deny
        artifact own by bob scrip 0 cpu 6 pays self code [['work', 2]]
        artifact outer by bob code [['work', 1], ['call', 'invoke', ['t']], ['work', 1]]
        artifact spin by bob code [['work', 200000]]
        # 5 units of 3 µs each.
        alice invoke {"artifact": "t"} -> ok ; charged alice cpu 15
        # Every run uses a unit at least, and its source one for two bytes.
        alice run {"code": "[]"} -> ok ; charged alice cpu 6
        alice read {"artifact": "x"} -> permission_denied "no" ; charged alice cpu 9
        alice invoke {"artifact": "own"} -> ok ; charged own cpu 6
        alice invoke {"artifact": "own"} -> rate_limited 3/0 "`own` may use 0 of `cpu` now and needs 3" ; charged
        alice invoke {"artifact": "outer"} -> ok ; charged alice cpu 21
        # Running out of it charges what there was.
        bob invoke {"artifact": "spin"} -> rate_limited "`bob` may use 0 of `cpu` now" "wait 1m" ; charged bob cpu 30
        bob invoke {"artifact": "t"} -> rate_limited 3/0 ; charged
        poor invoke {"artifact": "t"} -> rate_limited 3/0 "its rate never allows so much"
        poor read {"artifact": "x"} -> rate_limited 3/0
        alice query {"what": "capacity", "resource": "cpu"} -> ok ~{"capacity": 49}
        "#,
    );
}

#[test]
fn uses_come_back_one_window_later_or_at_the_tick() {
    check(
        r#"
        resources: actions renewable 60s
        costs: noop actions 1
        world: alice 0 actions 3
        alice noop -> ok
        advance 20s
        alice noop -> ok
        advance 20s
        alice noop -> ok
        alice query {"what": "capacity", "resource": "actions", "amount": 2} -> ok {"has": false, "capacity": 0, "time_until": "40s", "time_until_ms": 40000}
        alice query {"what": "capacity", "resource": "actions", "amount": 4} -> ok {"has": false, "capacity": 0, "time_until": null, "time_until_ms": null}
        advance 20s
        alice query {"what": "resources"} -> ok ~{"actions": {"kind": "renewable", "rate": 3, "window": "1m", "capacity": 1, "used": 2, "used_total": 3}}
        alice noop -> ok
        alice noop -> rate_limited "wait 20s, until 2026-01-01T00:01:20.000Z"
        "#,
    );
    check(
        r#"
        rules: renewal tick 30s
        resources: actions renewable 60s
        costs: noop actions 1
        world: alice 0 actions 2
        alice [{"op": "noop"}, {"op": "noop"}] -> ok
        advance 29s
        alice noop -> rate_limited "wait 1s, until 2026-01-01T00:00:30.000Z"
        advance 1s
        alice [{"op": "noop"}, {"op": "noop"}] -> ok
        alice [{"op": "noop"}, {"op": "noop"}, {"op": "noop"}] -> rate_limited 3/0 "its rate never allows so much"
        "#,
    );
}

#[test]
fn disk_counts_against_the_owner_and_nobody_is_pushed_over() {
    check(
        r#"
        resources: disk allocatable
        # Alice takes 16 for herself and 16 for her account, with her id and kind 43; `open` takes 24.
        world: alice 0 disk 100, bob 0 disk 80
        artifact open by bob contract genesis_contract_public
        alice query {"what": "resources"} -> ok ~{"disk": {"kind": "allocatable", "quota": 100, "capacity": 57, "used": 43}}
        alice write {"artifact": "a", "content": "1234567890123456789012345678901234567"} -> quota_exceeded 58/57 "`alice` has 57 of `disk` free and needs 58" "free some `disk`, or get quota by `transfer`"
        alice write {"artifact": "a", "content": "123456789012345678901234567890123456"} -> ok
        alice write {"artifact": "b"} -> quota_exceeded 21/0
        alice store {"key": "k", "value": 1} -> quota_exceeded 18/0
        alice write {"artifact": "a", "content": "123456789012345"} -> ok ~{"size": 36}
        # A key counts 16 with itself and its value's text: 16 + 1 + 3.
        alice store {"key": "k", "value": "x"} -> ok
        alice query {"what": "resources"} -> ok ~{"disk": {"quota": 100, "capacity": 1, "used": 99}}
        alice store {"key": "k", "value": "xyz"} -> quota_exceeded 2/1
        alice store {"key": "k", "value": null} -> ok
        alice query {"what": "capacity", "resource": "disk"} -> ok ~{"capacity": 21}
        # The disk is the owner's, not the writer's; and a transfer moves the bytes.
        alice write {"artifact": "open", "content": "1234567890123456"} -> quota_exceeded 16/15 "`bob` has 15 of `disk` free and needs 16"
        alice write {"artifact": "open", "content": "123456789012345"} -> ok
        bob query {"what": "capacity", "resource": "disk"} -> ok ~{"capacity": 0}
        alice transfer_ownership {"artifact": "a", "to": "bob"} -> quota_exceeded 36/0 "`bob`"
        alice transfer_ownership {"artifact": "open", "to": "alice"} -> quota_exceeded 39/21 "`alice`"
        alice write {"artifact": "open", "content": "12345"} -> ok
        alice write {"artifact": "a", "content": "1234567"} -> ok
        alice transfer_ownership {"artifact": "open", "to": "alice"} -> ok
        bob query {"what": "capacity", "resource": "disk"} -> ok ~{"capacity": 39}
        alice edit {"artifact": "open", "field": "content", "old": "5", "new": "55"} -> quota_exceeded 1/0
        alice edit {"artifact": "open", "field": "content", "old": "12345", "new": ""} -> ok
        # Quota that is in use stays.
        alice transfer {"to": "bob", "amount": 6, "resource": "disk"} -> quota_exceeded 6/5
        alice transfer {"to": "bob", "amount": 5, "resource": "disk"} -> ok {"quota": 95}
        "#,
    );
}

#[test]
fn nothing_that_takes_room_is_free() {
    check(
        r#"
        resources: disk allocatable
        world: alice 0 disk 150, bob 0 disk 1000
        # An artifact without content, one with an account, one that depends on others: each takes its rows and words.
        bob write {"artifact": "a"} -> ok ~{"size": 21}
        bob write {"artifact": "b", "kind": "note"} -> ok ~{"size": 21}
        bob write {"artifact": "c", "has_standing": true} -> ok ~{"size": 37}
        bob write {"artifact": "d", "has_loop": true, "code": "[]"} -> ok ~{"size": 39}
        bob write {"artifact": "e", "depends_on": ["a", "b"]} -> ok ~{"size": 53}
        bob write {"artifact": "f", "metadata": {"k": 1}} -> ok ~{"size": 28}
        bob query {"what": "resources"} -> ok ~{"disk": {"used": 240}}
        # A tombstone stays, with its id: on its last owner's disk, and with what it had before it frees nothing else.
        bob delete {"artifact": "a"} -> ok {"artifact": "a", "freed": 0}
        bob delete {"artifact": "e"} -> ok {"artifact": "e", "freed": 32}
        bob delete {"artifact": "d"} -> ok {"artifact": "d", "freed": 2}
        bob query {"what": "resources"} -> ok ~{"disk": {"used": 206}}
        # So no principal makes more of any of them than its quota holds.
        alice write {"artifact": "x1", "content": "12345678901234567890"} -> ok ~{"size": 42}
        alice delete {"artifact": "x1"} -> ok ~{"freed": 20}
        alice [{"op": "write", "artifact": "x2"}, {"op": "delete", "artifact": "x2"}, {"op": "write", "artifact": "x3"}, {"op": "delete", "artifact": "x3"}] -> ok
        alice query {"what": "resources"} -> ok ~{"disk": {"used": 109, "capacity": 41}}
        alice write {"artifact": "x4", "has_loop": true, "code": "[]"} -> ok
        alice write {"artifact": "x5"} -> quota_exceeded 22/1
        alice store {"key": "", "value": 1} -> invalid_argument
        alice store {"key": "k", "value": 1} -> quota_exceeded 18/1
        # Nobody is given another's tombstones, or pushed over a quota by a deletion.
        alice delete {"artifact": "x4"} -> ok ~{"freed": 2}
        alice query {"what": "capacity", "resource": "disk"} -> ok ~{"capacity": 3}
        "#,
    );
}

#[test]
fn resources_can_be_sent_along() {
    check(
        r#"
        resources: actions renewable 60s, credits depletable, disk allocatable
        costs: noop actions 1
        world: alice 0 actions 5 credits 5 disk 120, bob 0 disk 500
        artifact note by alice
        artifact keeps by bob scrip 0 code [['return', '$call.given']]
        artifact fails by bob scrip 0 code [['raise', 'no']]
        artifact sells by bob scrip 0 code [['call', 'transfer', ['bob', 5, 'disk']], ['call', 'transfer', ['bob', 6, 'disk']]]
        artifact plain by bob code [['return', 1]]
        alice noop -> ok
        alice invoke {"artifact": "keeps", "give": [{"resource": "disk", "amount": 30}, "note", {"resource": "actions", "amount": 2}]} -> ok [{"resource": "disk", "amount": 30}, "note", {"resource": "actions", "amount": 2}] ; events transfer alice keeps 30 disk, transfer_ownership alice note keeps, transfer alice keeps 2 actions, invoke alice keeps run
        alice query {"what": "resources"} -> ok ~{"actions": {"rate": 3, "capacity": 2}, "disk": {"quota": 90}}
        alice query {"what": "resources", "of": "keeps"} -> ok ~{"actions": {"rate": 2, "capacity": 2}, "disk": {"quota": 30}}
        # A use within the window is in use.
        alice invoke {"artifact": "keeps", "give": [{"resource": "actions", "amount": 3}]} -> insufficient_resource 3/2
        # All of it comes back.
        alice invoke {"artifact": "fails", "give": [{"resource": "credits", "amount": 5}]} -> code_error "no"
        alice invoke {"artifact": "sells", "give": [{"resource": "disk", "amount": 10}]} -> quota_exceeded
        alice invoke {"artifact": "sells", "give": [{"resource": "disk", "amount": 11}]} -> ok ; events transfer alice sells 11 disk, transfer sells bob 5 disk, transfer sells bob 6 disk, invoke alice sells run
        alice query {"what": "resources"} -> ok ~{"credits": {"balance": 5}, "disk": {"quota": 79}}
        alice invoke {"artifact": "plain", "give": [{"resource": "disk", "amount": 1}]} -> invalid_argument "`give`: `plain` has no standing"
        alice invoke {"artifact": "keeps", "give": [{"resource": "cpu", "amount": 1}]} -> invalid_argument "`cpu` is unlimited in this world"
        alice invoke {"artifact": "keeps", "give": [{"resource": "gold", "amount": 1}]} -> invalid_argument "this world has no resource `gold`"
        alice invoke {"artifact": "keeps", "give": [{"resource": "disk", "amount": 37}]} -> quota_exceeded 37/36
        observer {"what": "supply", "resource": "disk"} -> ok 620
        "#,
    );
}

#[test]
fn what_a_new_principal_stores_counts_against_its_owner() {
    check(
        r#"
        resources: disk allocatable
        world: alice 0 disk 500
        alice write {"artifact": "keeper", "has_standing": true, "code": "[['call','store',['k','$arg0']]]"} -> ok ~{"size": 74}
        alice invoke {"artifact": "keeper", "args": ["12"]} -> ok
        alice query {"what": "resources"} -> ok ~{"disk": {"used": 138}}
        alice query {"what": "resources", "of": "keeper"} -> ok ~{"disk": {"quota": 0, "used": 0}}
        "#,
    );
}

#[test]
fn balances_rates_and_quotas_move() {
    check(
        r#"
        resources: actions renewable 60s, credits depletable, disk allocatable
        costs: noop actions 1, store credits 1
        world: alice 0 actions 5 credits 5 disk 150, bob 0 disk 50
        artifact note by alice
        alice noop -> ok
        alice transfer {"to": "bob", "amount": 5, "resource": "actions"} -> insufficient_resource 5/4
        alice transfer {"to": "bob", "amount": 2, "resource": "actions", "part": "rate"} -> ok {"rate": 3} ; events transfer alice bob 2 actions ; paid
        bob query {"what": "capacity", "resource": "actions", "amount": 2} -> ok ~{"has": true, "capacity": 2}
        bob noop -> ok
        alice store {"key": "k", "value": null} -> ok
        alice transfer {"to": "bob", "amount": 3, "resource": "credits", "part": "balance"} -> ok {"balance": 1}
        alice transfer {"to": "bob", "amount": 2, "resource": "credits"} -> insufficient_resource 2/1 "`alice` has 1 of `credits` free and needs 2"
        alice transfer {"to": "bob", "amount": 20, "resource": "disk", "part": "quota"} -> ok {"quota": 130}
        alice transfer {"to": "alice", "amount": 5, "resource": "disk"} -> ok {"quota": 130}
        alice transfer {"to": "bob", "amount": 1, "resource": "disk", "part": "rate"} -> invalid_argument "`part`: `disk` has no rate; it has a quota"
        alice transfer {"to": "bob", "amount": 1, "resource": "actions", "part": "balance"} -> invalid_argument "`actions` has no balance; it has a rate"
        alice transfer {"to": "bob", "amount": 1, "resource": "cpu"} -> invalid_argument "`cpu` is unlimited in this world"
        alice transfer {"to": "bob", "amount": 1, "resource": "action"} -> invalid_argument "this world has no resource `action`" "did you mean `actions`?"
        alice transfer {"to": "bob", "amount": 1, "resource": "gold"} -> invalid_argument "it has cpu, memory, disk, actions, credits"
        alice transfer {"to": "note", "amount": 1, "resource": "disk"} -> invalid_argument "`note` has no standing"
        bob query {"what": "resources"} -> ok ~{"actions": {"rate": 2, "used": 1}, "credits": {"balance": 3}, "disk": {"quota": 70}}
        observer {"what": "supply", "resource": "disk"} -> ok 200
        # An action can't consume what it received: it may have to give it back.
        bob transfer {"to": "alice", "amount": 3, "resource": "credits"} -> ok
        bob store {"key": "k", "value": null} -> insufficient_resource 1/0 unrecorded
        "#,
    );
}

#[test]
fn what_is_set_aside_is_neither_used_nor_given_away_until_it_is_settled() {
    check(
        r#"
        resources: budget depletable, actions renewable 60s, disk allocatable
        costs: noop budget 3, query actions 2
        world: alice 9 budget 10 actions 5 disk 143, bob 0 disk 41
        # The most that a call can cost is reserved, the actual is charged, the rest is free again.
        reserve alice budget 8
        alice noop -> insufficient_resource 3/2 unrecorded
        alice transfer {"to": "bob", "amount": 3, "resource": "budget"} -> insufficient_resource 3/2
        unreserved alice budget 3
        alice transfer {"to": "bob", "amount": 2, "resource": "budget"} -> ok
        unreserved alice budget 1
        settle
        alice noop -> ok ; charged alice budget 3
        alice transfer {"to": "bob", "amount": 6, "resource": "budget"} -> insufficient_resource 6/5
        reserve alice budget 5
        settle
        # A hard stop at nothing.
        alice noop -> ok
        alice noop -> insufficient_resource 3/2 unrecorded
        # The same gate for a renewable resource, and for an allocatable one.
        reserve alice actions 4
        alice query {"what": "supply"} -> rate_limited 2/1 unrecorded
        alice transfer {"to": "bob", "amount": 2, "resource": "actions"} -> insufficient_resource 2/1
        settle
        alice query {"what": "supply"} -> ok
        reserve alice disk 90
        alice write {"artifact": "a", "content": "twelve bytes"} -> quota_exceeded 33/10
        unreserved alice disk 11
        unreserved bob disk 1
        settle
        alice write {"artifact": "a", "content": "twelve bytes"} -> ok
        "#,
    );
}
