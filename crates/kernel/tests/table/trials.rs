//! Trials: code that is tried is charged what it was given, and tells nothing but its answer.

use serde_json::json;

use crate::door::check;

#[test]
fn a_trial_changes_pays_and_tells_nothing() {
    check(
        r#"
        world: alice 100, bob 100
        artifact pure by alice code [['print', 'seen'], ['work', 5], ['return', '$arg0']]
        artifact busy by alice code [['work', 60], ['return', 1]]
        artifact writes by alice scrip 5 code [['call', 'storage_set', ['k', 1]]]
        artifact pays by alice scrip 5 code [['call', 'pay', ['bob', 1]]]
        artifact sold by alice price 3 code [['return', 'worth it']]
        artifact buys by bob code [['call', 'invoke', ['sold'], {'max_spend': 9}]]
        artifact calls by bob code [['call', 'invoke', ['pure', 8]], ['return', '$last']]
        artifact fails by alice code [['raise', 'no']]
        artifact tries by alice code [['call', 'invoke', ['pure'], {'trial': 5}]]
        bob invoke {"artifact": "pure", "args": [4], "trial": 50} -> ok 4 ; work 50 ; charged bob cpu 150 ; events  ; output null
        # All of it is charged, whatever is used of it.
        bob invoke {"artifact": "fails", "trial": 50} -> code_error ; work 50 ; charged bob cpu 150
        bob invoke {"artifact": "busy", "trial": 50} -> code_timeout "a trial may use the units of work that it was given" ; work 50
        bob invoke {"artifact": "calls", "trial": 50} -> ok 8 ; work 50 ; events 
        bob invoke {"artifact": "writes", "trial": 50} -> permission_denied "changes the world"
        bob invoke {"artifact": "pays", "trial": 50} -> permission_denied
        bob invoke {"artifact": "tries", "trial": 50} -> invalid_argument "can't try other code"
        # Nothing is bought within it, and nothing is had for nothing.
        bob invoke {"artifact": "sold", "trial": 50} -> ok "worth it" ; paid bob>alice 3 price
        bob invoke {"artifact": "sold", "trial": 50, "max_spend": 2} -> limit_exceeded
        bob invoke {"artifact": "buys", "trial": 50} -> permission_denied "can't pay for anything"
        # It takes nothing along.
        bob invoke {"artifact": "writes", "trial": 50, "pay": 1} -> invalid_argument "`pay`: a trial takes nothing along"
        bob invoke {"artifact": "pure", "expect": 1} -> invalid_argument "`expect` goes with `trial`"
        # Only the price that was paid is counted.
        bob query {"what": "reputation", "artifact": "fails"} -> ok ~{"invocations": 0, "failures": 0}
        bob query {"what": "reputation", "artifact": "sold"} -> ok ~{"invocations": 1, "revenue": 3}
        balances alice 103, bob 97
        "#,
    );
}

#[test]
fn an_expected_result_is_answered_by_whether_it_came() {
    check(
        r#"
        world: alice 100, bob 100
        artifact pure by alice code [['return', '$arg0']]
        artifact fails by alice code [['raise', 'no']]
        bob invoke {"artifact": "pure", "args": [4], "trial": 9, "expect": 4} -> ok true
        bob invoke {"artifact": "pure", "args": [4], "trial": 9, "expect": 5} -> ok false
        bob invoke {"artifact": "pure", "args": [{"a": 1, "b": [null]}], "trial": 9, "expect": {"b": [null], "a": 1}} -> ok true
        bob invoke {"artifact": "pure", "args": [null], "trial": 9, "expect": null} -> ok true
        bob invoke {"artifact": "pure", "args": ["4"], "trial": 9, "expect": 4} -> ok false
        bob invoke {"artifact": "fails", "trial": 9, "expect": null} -> ok false
        # Arguments that don't fit its interface are another result, and cost the same.
        alice write {"artifact": "pure", "interface": [{"name": "run", "inputSchema": {"properties": {"n": {"maximum": 3}}}}]} -> ok
        bob invoke {"artifact": "pure", "args": [3], "trial": 9, "expect": 3} -> ok true ; work 9
        bob invoke {"artifact": "pure", "args": [4], "trial": 9, "expect": 4} -> ok false ; work 9
        "#,
    );
}

#[test]
fn a_trial_beyond_the_means_of_who_bears_it_does_not_begin() {
    check(
        r#"
        rules: action 100
        resources: cpu renewable 60s
        world: alice 100 cpu 90, bob 100 cpu 9999
        artifact pure by alice code [['return', 1]]
        alice invoke {"artifact": "pure", "trial": 50} -> rate_limited
        bob invoke {"artifact": "pure", "trial": 101} -> code_timeout "work_per_action"
        bob invoke {"artifact": "pure", "trial": 50, "max_resources": {"cpu": 100}} -> limit_exceeded
        bob invoke {"artifact": "pure", "trial": 50} -> ok
        "#,
    );
}

#[test]
fn nothing_but_the_answer_differs_by_the_argument() {
    // The code does a lot, or nothing, as its argument says; whoever tried it is left with the same.
    let code = "[['if', '$arg0', 1, [['work', 30], ['print', 'one'], ['try', 'invoke', ['noisy']], ['try', 'invoke', ['payer']], ['call', 'query', ['balances']], ['raise', 'long']]]]";
    let mut seen = Vec::new();
    for hidden in [0, 1] {
        let mut toy = check(&format!(
            "rules: action 400
             resources: actions renewable 60s
             costs: invoke actions 1
             world: alice 100 actions 50, bob 100 actions 50
             artifact tried by alice code {code}
             artifact noisy by alice contract odd code [['raise', 'no']]
             artifact odd by alice code [['raise', 'no']]
             artifact payer by alice scrip 9 actions 50 pays self code [['work', 3], ['raise', 'no']]"
        ));
        let list = json!([
            { "op": "invoke", "artifact": "tried", "args": [hidden], "trial": 200, "expect": 7 },
            { "op": "run", "code": "[['work', 100]]" },
        ]);
        let receipt = toy.act("alice", &list);
        assert!(receipt.refusal().is_none(), "{receipt:?}");
        seen.push((format!("{receipt:?}"), toy.world.digest()));
    }
    assert_eq!(seen[0].0, seen[1].0);
}

#[test]
fn a_thought_tries_nothing_that_is_sold() {
    check(
        r#"
        world: alice 10
        artifact sold by alice price 3 code [['return', 'worth it']]
        artifact free by alice code [['return', 'free']]
        agent eve scrip 9 code [['call', 'invoke', ['sold'], {'trial': 50, 'max_spend': 9}]]
        agent fay scrip 9 code [['call', 'invoke', ['free'], {'trial': 50}], ['raise', '$last']]
        step eve -> limit_exceeded "to invoke `sold` costs 3 scrip, and a thought pays for nothing" ; paid
        step fay -> code_error "free"
        observer {"what": "reputation", "artifact": "sold"} -> ok ~{"invocations": 0, "revenue": 0}
        balances alice 10, eve 9, fay 9
        "#,
    );
}
