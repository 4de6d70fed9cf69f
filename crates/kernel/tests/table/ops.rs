//! Every op: its happy path with its result, and the rules that are its own.

use serde_json::{Value, json};

use crate::door::check;

#[test]
fn every_op_succeeds_with_its_result() {
    check(
        r#"
        world: alice 100, bob 5
        artifact tool by alice code [['return', ['$arg0', '$call.caller', '$call.origin', '$me']]]
        artifact note by alice content hello

        alice noop -> ok null ; events
        alice read {"artifact": "note"} -> ok {"artifact": "note", "kind": "data", "version": 1, "content": "hello"} ; events
        alice read {"artifact": "note", "code": true} -> ok ~{"code": null, "interface": null}
        bob read {"artifact": "tool", "code": true} -> ok ~{"content": null, "code": "[['return', ['$arg0', '$call.caller', '$call.origin', '$me']]]"}
        bob write {"artifact": "mine", "content": {"a": [1]}} -> ok {"artifact": "mine", "created": true, "version": 1, "size": 33} ; events write bob mine
        bob write {"artifact": "mine", "content": "text"} -> ok {"artifact": "mine", "created": false, "version": 2, "size": 28}
        bob edit {"artifact": "mine", "field": "content", "old": "ex", "new": "es"} -> ok {"artifact": "mine", "version": 3} ; events edit bob mine content
        bob read {"artifact": "mine"} -> ok ~{"content": "test"}
        bob set_contract {"artifact": "mine", "contract": "genesis_contract_private"} -> ok {"artifact": "mine", "access_contract": "genesis_contract_private"} ; events set_contract bob mine genesis_contract_private
        bob transfer_ownership {"artifact": "mine", "to": "alice"} -> ok {"artifact": "mine", "owner": "alice"} ; events transfer_ownership bob mine alice
        alice delete {"artifact": "mine"} -> ok {"artifact": "mine", "freed": 4} ; events delete alice mine
        alice invoke {"artifact": "tool", "args": [7]} -> ok [7, "alice", "alice", "tool"] ; events invoke alice tool run
        alice run {"code": "[['call', 'noop'], ['print', 'hi'], ['return', '$call.caller']]"} -> ok "alice" ; events run alice ; output hi
        alice run {"code": "[]"} -> ok null
        alice transfer {"to": "bob", "amount": 5} -> ok {"balance": 95} ; events transfer alice bob 5 ; paid alice>bob 5 transfer
        alice store {"key": "k", "value": {"x": 1}} -> ok null ; events store alice alice k
        alice store {"key": "k", "value": null} -> ok null
        alice query {"what": "balance"} -> ok 95 ; events
        balances alice 95, bob 10
        "#,
    );
}

#[test]
fn a_new_artifact_has_the_fields_it_was_given_and_defaults() {
    check(
        r#"
        world: alice 100, bob
        artifact c by bob code [['return', {'allowed': true}]]

        alice write {"artifact": "plain"} -> ok {"artifact": "plain", "created": true, "version": 1, "size": 25}
        alice query {"what": "artifact", "artifact": "plain"} -> ok {"id": "plain", "kind": "data", "owner": "alice", "creator": "alice", "access_contract": "genesis_contract_freeware", "price": 0, "pays": "caller", "has_standing": false, "can_execute": false, "has_loop": false, "memory_artifact": null, "depends_on": [], "interface": null, "metadata": null, "version": 1, "created_at": "2026-01-01T00:00:00.000Z", "updated_at": "2026-01-01T00:00:00.000Z", "size": 25}
        advance 60s
        alice write {"artifact": "full", "kind": "agent", "content": "hi", "code": "[]", "interface": [{"name": "run"}], "price": 3, "access_contract": "c", "pays": "caller", "has_standing": true, "has_loop": true, "memory_artifact": "plain", "depends_on": ["plain", "c"], "metadata": {"a": 1}} -> ok ; events write alice full, spawn alice full
        alice query {"what": "artifact", "artifact": "full"} -> ok ~{"kind": "agent", "owner": "alice", "creator": "alice", "access_contract": "c", "price": 3, "pays": "caller", "has_standing": true, "can_execute": true, "has_loop": true, "memory_artifact": "plain", "depends_on": ["plain", "c"], "interface": [{"name": "run"}], "metadata": {"a": 1}, "created_at": "2026-01-01T00:01:00.000Z", "size": 100}
        # Null clears what null can clear; the rest stays.
        alice write {"artifact": "full", "content": null, "code": null, "interface": null, "memory_artifact": null, "metadata": null, "depends_on": []} -> ok ~{"created": false, "version": 2, "size": 41}
        alice query {"what": "artifact", "artifact": "full"} -> ok ~{"access_contract": "c", "price": 3, "can_execute": false, "has_loop": true, "memory_artifact": null, "depends_on": [], "interface": null, "metadata": null}
        # An agent pays for its own code unless it says otherwise.
        alice write {"artifact": "spawned", "has_loop": true} -> ok
        alice query {"what": "artifact", "artifact": "spawned"} -> ok ~{"pays": "self", "has_standing": true, "access_contract": "genesis_contract_freeware", "owner": "alice"}
        # Code that writes owns what it writes, if it has standing.
        alice write {"artifact": "firm", "has_standing": true, "code": "[['call', 'write', ['child', 'x']], ['return', '$last.created']]"} -> ok
        bob invoke {"artifact": "firm"} -> ok true ; events write firm child, invoke bob firm run
        bob query {"what": "artifact", "artifact": "child"} -> ok ~{"owner": "firm", "creator": "firm"}
        alice write {"artifact": "hut", "code": "[['call', 'write', ['child2', 'x']]]"} -> ok
        bob invoke {"artifact": "hut"} -> invalid_argument "`hut` has no standing"
        "#,
    );
}

#[test]
fn what_is_fixed_at_creation_stays() {
    check(
        r#"
        world: alice, bob
        alice write {"artifact": "a", "kind": "tool"} -> ok
        alice write {"artifact": "a", "kind": "data"} -> invalid_argument "`kind` is fixed at creation"
        alice write {"artifact": "a", "kind": "tool", "has_standing": false, "has_loop": false} -> ok
        alice write {"artifact": "a", "has_standing": true} -> invalid_argument "`has_standing` is fixed at creation"
        alice write {"artifact": "a", "has_loop": true} -> invalid_argument "`has_loop` is fixed at creation"
        alice write {"artifact": "e", "has_loop": true} -> ok
        alice write {"artifact": "e", "has_standing": false} -> invalid_argument "`has_standing` is fixed at creation"
        alice write {"artifact": "e", "has_loop": false} -> invalid_argument "`has_loop` is fixed at creation"
        alice write {"artifact": "f", "has_loop": true, "has_standing": false} -> invalid_argument "`has_standing`"
        alice write {"artifact": "a", "pays": "self"} -> invalid_argument "only an artifact with standing can pay for itself"
        alice write {"artifact": "g", "pays": "self"} -> invalid_argument "only an artifact with standing can pay for itself"
        alice write {"artifact": "e", "pays": "caller"} -> ok
        alice write {"artifact": "a", "owner": "bob"} -> invalid_argument unrecorded "`transfer_ownership`"
        alice write {"artifact": "genesis_x"} -> invalid_argument "ids that begin with `genesis_` are reserved"
        alice write {"artifact": "handbook_x"} -> invalid_argument "ids that begin with `handbook_` are reserved"
        alice write {"artifact": "x", "code": "syntax error"} -> invalid_code "SyntaxError"
        alice read {"artifact": "x"} -> not_found "there is no artifact `x`"
        "#,
    );
}

#[test]
fn an_edit_replaces_the_one_occurrence() {
    check(
        r#"
        world: alice
        artifact note by alice content one
        artifact tool by alice code [['return',1]]
        artifact data by alice content {"a":1}
        alice edit {"artifact": "note", "field": "content", "old": "two", "new": ""} -> invalid_argument "`old` occurs 0 times in the content of `note`" "letter by letter"
        alice edit {"artifact": "note", "field": "content", "old": "", "new": "x"} -> invalid_argument "`old` can't be empty"
        alice edit {"artifact": "note", "field": "content", "old": "one", "new": "aa aa"} -> ok
        alice edit {"artifact": "note", "field": "content", "old": "aa", "new": "b"} -> invalid_argument "`old` occurs 2 times"
        alice edit {"artifact": "note", "field": "content", "old": "aa aa", "new": ""} -> ok
        alice edit {"artifact": "data", "field": "content", "old": "a", "new": "b"} -> invalid_argument "`data` has no text in `content`"
        alice edit {"artifact": "data", "field": "code", "old": "a", "new": "b"} -> invalid_argument "`data` has no text in `code`"
        alice edit {"artifact": "tool", "field": "code", "old": "1", "new": "2"} -> ok {"artifact": "tool", "version": 2}
        alice invoke {"artifact": "tool"} -> ok 2
        alice edit {"artifact": "tool", "field": "code", "old": "2", "new": "syntax error"} -> invalid_code
        alice invoke {"artifact": "tool"} -> ok 2
        alice edit {"artifact": "gone", "field": "code", "old": "2", "new": "3"} -> not_found
        "#,
    );
}

#[test]
fn what_holds_something_cannot_be_deleted() {
    check(
        r#"
        resources: actions renewable 60s, budget depletable
        world: alice 10, bob, carl 3, dora 0 actions 5, emil 0 budget 7, finn, gina
        artifact c by gina code [['return', {'allowed': true}]]
        artifact x by gina contract c
        artifact y by gina contract c
        carl delete {"artifact": "carl"} -> invalid_argument "holds 3 scrip" "name an `heir`" "`transfer`"
        dora delete {"artifact": "dora"} -> ok
        emil delete {"artifact": "emil"} -> invalid_argument "holds 7 of `budget`"
        gina delete {"artifact": "gina"} -> invalid_argument "owns 3 other artifacts" "`c`" "`x`" "`y`"
        gina delete {"artifact": "c"} -> invalid_argument "is the access contract of 2 other artifacts" "`x`" "`y`"
        gina set_contract {"artifact": "x", "contract": "genesis_contract_public"} -> ok
        gina delete {"artifact": "c"} -> invalid_argument "is the access contract of 1 other artifact" "`y`"
        gina delete {"artifact": "y"} -> ok
        gina delete {"artifact": "c"} -> ok
        finn delete {"artifact": "x"} -> ok
        gina delete {"artifact": "gina"} -> ok
        finn delete {"artifact": "finn"} -> ok
        carl [{"op": "transfer", "to": "bob", "amount": 3}, {"op": "delete", "artifact": "carl"}] -> ok
        # A contract that decides about itself does not stand in its own way.
        alice write {"artifact": "own", "code": "[['return', {'allowed': true}]]", "access_contract": "own"} -> ok
        alice delete {"artifact": "own"} -> ok
        "#,
    );
    check(
        r#"
        resources: disk allocatable
        world: alice 0 disk 1000, bob 0 disk 41
        bob delete {"artifact": "bob"} -> invalid_argument "holds 41 of `disk`"
        # Freed bytes come back; the tombstone stays.
        alice write {"artifact": "big", "content": "1234567890"} -> ok
        alice query {"what": "capacity", "resource": "disk"} -> ok ~{"capacity": 924}
        alice delete {"artifact": "big"} -> ok ~{"freed": 10}
        alice query {"what": "capacity", "resource": "disk"} -> ok ~{"capacity": 934}
        "#,
    );
}

#[test]
fn a_tombstone_keeps_its_id_and_nothing_else() {
    check(
        r#"
        world: alice, bob
        artifact t by alice code [['return', 1]]
        alice delete {"artifact": "t"} -> ok
        alice write {"artifact": "t"} -> already_exists "never used again" "choose another id"
        alice read {"artifact": "t"} -> not_found "`t` was deleted"
        alice invoke {"artifact": "t"} -> not_found "`t` was deleted"
        alice edit {"artifact": "t", "field": "code", "old": "1", "new": "2"} -> not_found
        alice delete {"artifact": "t"} -> not_found
        alice transfer_ownership {"artifact": "t", "to": "bob"} -> not_found
        alice set_contract {"artifact": "t", "contract": "genesis_contract_public"} -> not_found
        alice write {"artifact": "u", "access_contract": "t"} -> not_found
        alice write {"artifact": "u", "memory_artifact": "t"} -> not_found
        alice write {"artifact": "u", "depends_on": ["t"]} -> not_found
        alice query {"what": "artifact", "artifact": "t"} -> not_found
        alice query {"what": "search", "text": "t"} -> ok ~[{"id": "genesis_contract_freeware"}, {"id": "genesis_contract_self_owned"}, {"id": "genesis_contract_private"}, {"id": "genesis_contract_public"}]
        bob delete {"artifact": "bob"} -> ok
        alice transfer {"to": "bob", "amount": 1} -> not_found "`bob` was deleted"
        # Within one action too.
        alice [{"op": "write", "artifact": "v"}, {"op": "delete", "artifact": "v"}, {"op": "write", "artifact": "v"}] -> already_exists @2
        alice [{"op": "delete", "artifact": "alice"}, {"op": "write", "artifact": "w"}] -> not_found @1 "`alice` was deleted"
        alice write {"artifact": "v"} -> ok
        "#,
    );
}

#[test]
fn dependencies_exist_make_no_circle_and_are_not_too_deep() {
    check(
        r#"
        world: alice
        alice write {"artifact": "d1"} -> ok
        alice write {"artifact": "d1", "depends_on": ["d1"]} -> invalid_argument "`d1` would depend on itself"
        alice write {"artifact": "d2", "depends_on": ["d2"]} -> not_found "`d2`"
        alice write {"artifact": "d2", "depends_on": ["d1"]} -> ok
        alice write {"artifact": "d3", "depends_on": ["d2", "d1"]} -> ok
        alice write {"artifact": "d1", "depends_on": ["d3"]} -> invalid_argument "`d1` would depend on itself"
        alice write {"artifact": "d4", "depends_on": ["d3"]} -> ok
        alice write {"artifact": "d5", "depends_on": ["d4"]} -> ok
        alice write {"artifact": "d6", "depends_on": ["d5"]} -> ok
        alice write {"artifact": "d7", "depends_on": ["d6"]} -> ok
        alice write {"artifact": "d8", "depends_on": ["d7"]} -> ok
        alice write {"artifact": "d9", "depends_on": ["d8"]} -> ok
        alice write {"artifact": "d10", "depends_on": ["d9"]} -> ok
        alice write {"artifact": "d11", "depends_on": ["d10"]} -> ok
        alice write {"artifact": "d12", "depends_on": ["d11"]} -> limit_exceeded 11/10 "`depends_on`"
        alice write {"artifact": "d11", "depends_on": []} -> ok
        alice write {"artifact": "d12", "depends_on": ["d11"]} -> ok
        "#,
    );
}

#[test]
fn a_list_is_one_action() {
    check(
        r#"
        world: alice 10, bob
        alice [] -> ok []
        alice [{"op": "noop"}] -> ok [null]
        alice [{"op": "transfer", "to": "bob", "amount": 4}, {"op": "query", "what": "balance"}] -> ok [{"balance": 6}, 6]
        alice [{"op": "write", "artifact": "a"}, {"op": "transfer", "to": "bob", "amount": 1}, {"op": "transfer", "to": "bob", "amount": 9}, {"op": "noop"}] -> insufficient_scrip @2 9/5 ; events ; paid
        alice read {"artifact": "a"} -> not_found
        alice [{"op": "noop"}, {"op": "transfer", "to": "bob", "amount": 0}] -> invalid_argument @1 unrecorded "`amount`"
        alice [{"op": "noop"}, 5] -> invalid_argument @1 unrecorded "each entry of a list must be an object"
        alice [{"op": "noop"}, {"op": "noop", "action_id": "a"}] -> invalid_argument @1 unrecorded "`action_id`" "first op"
        alice "noop" -> invalid_argument unrecorded "an action is an object with an `op`, or an array of them"
        alice null -> invalid_argument unrecorded
        alice 5 -> invalid_argument unrecorded
        balances alice 6, bob 4
        "#,
    );
    let mut toy = check("world: alice");
    let many: Vec<Value> = (0..10_001).map(|_| json!({ "op": "noop" })).collect();
    let receipt = toy.act("alice", &many.into());
    let refusal = receipt.refusal().unwrap();
    assert_eq!((refusal.code.as_str(), refusal.need, receipt.seq), ("limit_exceeded", Some(10_001), None));
}

#[test]
fn the_results_of_an_action_are_bounded() {
    let mut toy = check("world: alice");
    let big = "x".repeat(1_000_000);
    assert!(toy.act("alice", &json!({ "op": "write", "artifact": "big", "content": big })).outcome.is_ok());
    let reads = |count| json!(vec![json!({ "op": "read", "artifact": "big" }); count]);
    assert!(toy.act("alice", &reads(4)).outcome.is_ok());
    let receipt = toy.act("alice", &reads(5));
    let refusal = receipt.refusal().unwrap();
    assert_eq!(
        (refusal.code.as_str(), refusal.index, refusal.have),
        ("limit_exceeded", Some(4), Some(4 << 20))
    );
}

#[test]
fn an_action_executes_so_many_ops_nested_ones_included() {
    let mut toy = check("world: alice");
    let calls = vec!["['call','noop']"; 4_000].join(",");
    let run = json!({ "op": "run", "code": format!("[{calls}]") });
    let two = toy.act("alice", &json!([run, run]));
    assert!(two.outcome.is_ok());
    let three = toy.act("alice", &json!([run, run, run]));
    let refusal = three.refusal().unwrap();
    assert_eq!(
        (refusal.code.as_str(), refusal.need, refusal.index),
        ("limit_exceeded", Some(10_001), Some(2))
    );
}

#[test]
fn a_repeat_of_an_action_id_returns_the_first_receipt() {
    check(
        r#"
        world: alice 10, bob 10
        alice transfer {"to": "bob", "amount": 4, "action_id": "t-1"} -> ok {"balance": 6}
        alice transfer {"to": "bob", "amount": 4, "action_id": "t-1"} -> ok {"balance": 6}
        alice transfer {"amount": 4, "action_id": "t-1", "to": "bob"} -> ok {"balance": 6} ; paid alice>bob 4 transfer
        # An id names one action: with other fields, or another op, it is refused.
        alice transfer {"to": "bob", "amount": 2, "action_id": "t-1"} -> conflict unrecorded "`action_id`: `t-1` names another action" "give this one an id of its own"
        alice noop {"action_id": "t-1"} -> conflict unrecorded
        alice [{"op": "transfer", "to": "bob", "amount": 4, "action_id": "t-1"}] -> conflict unrecorded
        balances alice 6, bob 14
        # An id is the submitter's own; a refusal is remembered too, and one at admission is not.
        bob transfer {"to": "alice", "amount": 4, "action_id": "t-1"} -> ok {"balance": 10}
        bob transfer {"to": "alice", "amount": 99, "action_id": "t-2"} -> insufficient_scrip 99/10
        alice transfer {"to": "bob", "amount": 10} -> ok
        bob transfer {"to": "alice", "amount": 99, "action_id": "t-2"} -> insufficient_scrip 99/10
        bob transfer {"to": "alice", "amount": 0, "action_id": "t-3"} -> invalid_argument unrecorded
        bob transfer {"to": "alice", "amount": 1, "action_id": "t-3"} -> ok
        bob [{"op": "noop", "action_id": "l"}, {"op": "noop"}] -> ok [null, null]
        bob [{"op": "noop", "action_id": "l"}, {"op": "noop"}] -> ok [null, null]
        bob noop {"action_id": "l"} -> conflict unrecorded
        "#,
    );
}
