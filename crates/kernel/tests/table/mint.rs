//! Scrip that comes into being, and what is due in the library.

use oikos_kernel::record::{Cause, Effect};

use crate::door::check;

#[test]
fn only_the_code_of_an_authority_mints() {
    check(
        r#"
        rules: mint gold
        world: alice 100, bob
        artifact gold by alice scrip 0 code {'run': [['call', 'mint', ['$arg0', '$arg1']], ['return', '$last']], 'tries': [['try', 'mint', ['bob', 5]], ['raise', 'no']]}
        artifact brass by alice scrip 0 code [['call', 'mint', ['bob', 5]]]
        artifact through by bob scrip 0 code [['call', 'invoke', ['gold', 'bob', 7]]]
        alice mint {"to": "alice", "amount": 5} -> permission_denied "`alice` is no mint authority of this world" "only the code of gold may create scrip"
        bob invoke {"artifact": "brass"} -> permission_denied
        # The immediate caller counts: neither the owner of the authority nor who began the chain.
        alice run {"code": "[['call', 'mint', ['alice', 5]]]"} -> permission_denied
        bob invoke {"artifact": "gold", "args": ["bob", 30]} -> ok {"supply": 130} ; events mint gold bob 30, invoke bob gold run
        bob invoke {"artifact": "through"} -> ok
        bob invoke {"artifact": "gold", "args": ["gold", 1]} -> ok {"supply": 138}
        bob invoke {"artifact": "gold", "args": ["brass", 9223372036854775807]} -> invalid_argument
        bob invoke {"artifact": "gold", "args": ["through", 9223372036854775700]} -> invalid_argument "can't hold so much scrip"
        bob invoke {"artifact": "gold", "args": ["nobody", 1]} -> not_found
        bob invoke {"artifact": "gold", "method": "tries"} -> code_error
        # An action sees what it made, and what it made ends with it.
        bob [{"op": "invoke", "artifact": "gold", "args": ["bob", 2]}, {"op": "query", "what": "supply"}] -> ok [{"supply": 140}, 140]
        bob [{"op": "invoke", "artifact": "gold", "args": ["bob", 2]}, {"op": "query", "what": "nothing"}] -> invalid_argument
        observer {"what": "supply"} -> ok 140
        balances alice 100, bob 39, gold 1
        "#,
    );
    check(
        r#"
        world: alice 100
        alice mint {"to": "alice", "amount": 5} -> permission_denied "it has none: its scrip stays as it is"
        observer {"what": "supply"} -> ok 100
        "#,
    );
}

#[test]
fn code_that_only_reads_mints_nothing() {
    check(
        r#"
        rules: mint gold
        world: alice 100
        artifact gold by alice scrip 0 code {'run': [['call', 'mint', ['alice', 5]]], 'check_permission': [['call', 'mint', ['alice', 5]], ['return', {'allowed': true}]]}
        artifact doc by alice contract gold
        alice read {"artifact": "doc"} -> permission_denied
        alice invoke {"artifact": "gold", "trial": 50} -> permission_denied "changes the world"
        measure gold run -> permission_denied
        observer {"what": "supply"} -> ok 100
        "#,
    );
}

#[test]
fn a_record_that_mints_without_authority_is_refused() {
    let toy = check("rules: mint gold\nworld: alice 100\nartifact gold by alice scrip 0");
    let (alice, gold) = (toy.handle("alice"), toy.handle("gold"));
    for (by, fits) in [(gold, true), (alice, false)] {
        let mut record = toy.journal.last().unwrap().clone();
        record.seq = toy.world.seq() + 1;
        record.cause = Cause::Clock { away_ms: 0 };
        record.effects = vec![Effect::Mint { by, to: alice, amount: 5 }];
        record.events.clear();
        assert_eq!(toy.world.clone().apply(&record).is_ok(), fits, "{by:?}");
    }
}

#[test]
fn the_library_is_run_when_it_says_so_and_bears_it() {
    check(
        r#"
        resources: actions renewable 60s
        costs: invoke actions 1
        world: alice 10 actions 9
        artifact genesis_clock scrip 5 actions 2 code {'due': [['call', 'storage_set', ['due', '2026-01-01T00:02:00Z']], ['call', 'pay', ['alice', 1]]], 'at': [['call', 'storage_set', ['due', '$arg0']]]}
        artifact other by alice code {'at': [['call', 'storage_set', ['due', '$arg0']]]}
        next_due nothing
        alice invoke {"artifact": "genesis_clock", "method": "at", "args": ["2026-01-01T00:01:00Z"]} -> ok
        next_due genesis_clock 60000ms
        # Only the library's own say so, and only an instant does.
        alice invoke {"artifact": "other", "method": "at", "args": ["2026-01-01T00:00:00Z"]} -> ok
        next_due genesis_clock 60000ms
        alice invoke {"artifact": "genesis_clock", "method": "at", "args": ["soon"]} -> ok
        next_due nothing
        alice invoke {"artifact": "genesis_clock", "method": "at", "args": ["2026-01-01T00:01:00Z"]} -> ok
        advance 60s
        due genesis_clock -> ok ; charged genesis_clock actions 1, genesis_clock cpu 3 ; paid genesis_clock>alice 1 transfer
        next_due genesis_clock 120000ms
        alice invoke {"artifact": "genesis_clock", "method": "at", "args": [null]} -> ok
        next_due nothing
        "#,
    );
}

#[test]
fn the_bound_of_invocations_does_not_bind_what_is_due() {
    check(
        r#"
        resources: cpu renewable 60s
        invoke: cpu 20
        world: alice 10 cpu 9999
        artifact genesis_clock scrip 5 cpu 9999 code {'due': [['work', 50], ['call', 'storage_set', ['due', null]]], 'at': [['call', 'storage_set', ['due', '$arg0']]]}
        alice invoke {"artifact": "genesis_clock", "method": "at", "args": ["2026-01-01T00:00:00Z"]} -> ok
        alice invoke {"artifact": "genesis_clock", "method": "due"} -> limit_exceeded
        due genesis_clock -> ok
        next_due nothing
        "#,
    );
}

#[test]
fn what_was_due_and_failed_is_tried_again_later() {
    check(
        r#"
        resources: actions renewable 10m
        costs: invoke actions 1
        world: alice 10 actions 9
        artifact genesis_clock scrip 0 actions 1 code {'due': [['call', 'pay', ['alice', 1]], ['call', 'storage_set', ['due', null]]], 'at': [['call', 'storage_set', ['due', '$arg0']]]}
        alice invoke {"artifact": "genesis_clock", "method": "at", "args": ["2026-01-01T00:00:00Z"]} -> ok
        next_due genesis_clock 0ms
        due genesis_clock -> insufficient_scrip ; charged genesis_clock actions 1, genesis_clock cpu 3
        next_due genesis_clock 60000ms
        advance 60s
        # Its own allotment bounds it.
        due genesis_clock -> rate_limited
        next_due genesis_clock 120000ms
        advance 10m
        alice transfer {"to": "genesis_clock", "amount": 1} -> ok
        due genesis_clock -> ok
        next_due nothing
        "#,
    );
}
