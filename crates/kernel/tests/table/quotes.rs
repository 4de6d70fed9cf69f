//! The cost of an action, line by line, and beforehand.

use crate::door::check;

#[test]
fn a_receipt_says_line_by_line_what_was_used_for_what_and_who_bore_it() {
    check(
        r#"
        resources: cpu renewable 60s, actions renewable 60s
        costs: invoke actions 2, read actions 1
        world: alice 20 cpu 900 actions 90, olga 0 cpu 900, carl 20 cpu 900
        artifact half by olga content {"resources":"owner"} code [['work', 9], ['return', {'allowed': true, 'cost': 5, 'recipient': 'carl', 'cost_model': 'split', 'shares': {'invoker': 4, 'owner': 1}}]]
        artifact tool by olga scrip 6 cpu 50 price 3 pays self contract half code {'run': [['work', 4], ['call', 'invoke', ['free']], ['return', 1]], 'fails': [['raise', 'no']]}
        artifact free by olga code [['work', 2], ['return', 1]]
        artifact own by olga scrip 5 contract mine content x
        artifact mine by olga code [['return', {'allowed': true, 'cost': 2, 'recipient': 'carl', 'cost_model': 'artifact_pays'}]]
        alice run {"code": "[['work', 1]]"} -> ok ; lines alice 18 cpu host, alice 3 cpu snippet
        alice invoke {"artifact": "free"} -> ok ; lines alice 2 actions op invoke, alice 6 cpu code free
        alice read {"artifact": "own"} -> ok ; lines alice 1 actions op read, alice 3 cpu contract mine, own 2 scrip contract_cost mine carl
        alice invoke {"artifact": "tool", "method": "fails", "max_spend": 9} -> insufficient_scrip 1/0 "`half`, the contract of `tool`, lets `olga` pay" ; paid
        carl transfer {"to": "olga", "amount": 1} -> ok ; lines carl 1 scrip transfer olga
        alice invoke {"artifact": "tool", "method": "fails", "max_spend": 9} -> code_error ; charged alice actions 2, olga cpu 27, tool cpu 3 ; lines alice 2 actions op invoke, olga 27 cpu contract half, tool 3 cpu code tool
        alice invoke {"artifact": "tool", "max_spend": 9} -> rate_limited ; lines alice 2 actions op invoke, olga 27 cpu contract half, tool 12 cpu code tool
        "#,
    );
    check(
        r#"
        resources: cpu renewable 60s, memory allocatable
        world: alice 20 cpu 900 memory 1000, olga 0
        artifact c by olga code [['return', {'allowed': true, 'cost': 4}]]
        artifact tool by olga price 3 contract c code [['hold', 70], ['return', 1]]
        artifact made by olga scrip 0 code [['call', 'write', ['new'], {'code': '$arg0'}], ['call', 'invoke', ['new']], ['return', 1]]
        agent eve cpu 900 code [['work', 2], ['return', {'op': 'invoke', 'artifact': 'free'}]]
        artifact free by olga code [['work', 2], ['return', 1]]
        alice invoke {"artifact": "tool", "max_spend": 7} -> ok ; charged alice cpu 6, alice memory 70 ; lines alice 3 cpu contract c, alice 3 cpu code tool, alice 70 memory held, alice 4 scrip contract_cost c olga, alice 3 scrip price tool olga
        alice invoke {"artifact": "made", "args": ["[['return', 1]]"]} -> ok ; lines alice 3 cpu code made, alice 24 cpu host, alice 3 cpu code
        step eve -> ok ; charged eve cpu 12 ; lines eve 6 cpu thought, eve 6 cpu code free
        "#,
    );
}

#[test]
fn a_quote_says_what_an_invocation_would_cost_whom() {
    check(
        r#"
        resources: cpu renewable 60s, actions renewable 60s
        costs: invoke actions 2
        world: alice 20 cpu 900 actions 90, olga 5 cpu 900, carl 0 actions 1, rita 0
        artifact half by olga code [['work', 9], ['if', '$arg3.args', [7], [['return', {'allowed': false, 'reason': 'not seven'}]]], ['return', {'allowed': true, 'cost': 5, 'recipient': 'rita', 'cost_model': 'split', 'shares': {'invoker': 4, 'owner': 1}, 'state_updates': {'n': 1}}]]
        artifact tool by olga scrip 0 price 3 contract half code [['call', 'storage_set', ['ran', 1]]]
        artifact stern by olga scrip 0 cpu 9 pays self code [['work', 99]]
        artifact text by olga content x
        artifact broken by olga contract fails code []
        artifact fails by olga code [['raise', 'no']]
        alice query {"what": "quote", "artifact": "tool", "pay": 2} -> ok {"allowed": true, "contract": "half", "payments": [{"from": "alice", "to": "rita", "amount": 4, "why": "contract_cost", "artifact": "half"}, {"from": "olga", "to": "rita", "amount": 1, "why": "contract_cost", "artifact": "half"}, {"from": "alice", "to": "olga", "amount": 3, "why": "price", "artifact": "tool"}, {"from": "alice", "to": "tool", "amount": 2, "why": "pay", "artifact": null}], "max_spend": 7, "costs": [{"principal": "alice", "resource": "actions", "amount": 2}], "cpu": "alice", "error": null} ; paid ; events ; charged alice cpu 27
        balances alice 20, olga 5, carl 0, rita 0
        alice query {"what": "quote", "artifact": "tool", "args": [7]} -> ok ~{"allowed": false, "payments": [], "max_spend": 0, "error": {"code": "permission_denied", "message": "`alice` may not invoke `tool`: not seven"}}
        alice query {"what": "quote", "artifact": "tool", "pay": 14} -> ok ~{"allowed": false, "error": {"code": "insufficient_scrip", "need": 14, "have": 13}}
        alice query {"what": "quote", "artifact": "stern"} -> ok ~{"allowed": true, "max_spend": 0, "cpu": "stern"}
        alice query {"what": "quote", "artifact": "text"} -> ok ~{"allowed": false, "error": {"code": "invalid_argument"}}
        alice query {"what": "quote", "artifact": "broken"} -> ok ~{"allowed": false, "error": {"code": "permission_denied"}} ; events contract_error alice fails RuntimeError: no
        alice query {"what": "quote", "artifact": "nope"} -> not_found
        alice query {"what": "quote"} -> invalid_argument "`artifact` is missing"
        alice query {"what": "quote", "artifact": "tool", "as": "carl"} -> ok ~{"allowed": false, "error": {"code": "insufficient_scrip", "need": 4, "have": 0}}
        alice query {"what": "quote", "artifact": "stern", "as": "carl"} -> ok ~{"allowed": false, "cpu": "stern", "error": {"code": "rate_limited", "need": 2, "have": 1}}
        observer {"what": "quote", "artifact": "tool", "as": "alice"} -> ok ~{"allowed": true, "max_spend": 7}
        alice invoke {"artifact": "tool", "max_spend": 6} -> limit_exceeded 7/6
        alice invoke {"artifact": "tool", "max_spend": 7, "pay": 2} -> ok ; paid alice>rita 4 contract_cost, olga>rita 1 contract_cost, alice>olga 3 price, alice>tool 2 pay
        alice run {"code": "[['call', 'query', ['quote'], {'artifact': 'tool'}], ['return', '$last.max_spend']]", "max_spend": 0} -> ok 7
        "#,
    );
}

#[test]
fn a_quote_does_nothing_and_tells_no_more_than_may_be_known() {
    check(
        r#"
        rules: balances own
        world: alice 20, olga 5, sue 3, carl 0
        artifact c by olga code [['return', {'allowed': true, 'cost': 4, 'cost_model': {'payer': 'sue'}}]]
        artifact free by sue code [['return', {'allowed': true, 'cost': 1, 'recipient': 'carl', 'cost_model': {'payer': 'sue'}}]]
        artifact tool by olga contract c code [['return', 1]]
        artifact gift by olga contract free code [['return', 1]]
        sue mandate {"to": "c", "per_call": 4, "per_window": 9, "window": "1h"} -> ok
        alice query {"what": "quote", "artifact": "tool"} -> ok ~{"allowed": false, "error": {"code": "insufficient_scrip", "message": "`c`, the contract of `tool`, lets `sue` pay: `sue` has too little scrip", "need": null, "have": null}}
        alice query {"what": "quote", "artifact": "gift"} -> ok ~{"allowed": true, "payments": [], "max_spend": 0}
        alice query {"what": "quote", "artifact": "gift", "as": "carl"} -> permission_denied "what another may do is for observers"
        observer {"what": "quote", "artifact": "gift", "as": "alice"} -> ok ~{"payments": [{"from": "sue", "to": "carl", "amount": 1}]}
        observer {"what": "mandates", "of": "sue"} -> ok ~{"given": [{"used": 0}]}
        balances alice 20, olga 5, sue 3, carl 0
        "#,
    );
}

#[test]
fn a_contract_that_changes_between_quote_and_act_takes_no_more_than_was_agreed() {
    check(
        r#"
        world: alice 20, olga 0
        artifact c by olga code [['return', {'allowed': true, 'cost': 4}]]
        artifact tool by olga contract c code [['return', 1]]
        alice query {"what": "quote", "artifact": "tool"} -> ok ~{"allowed": true, "max_spend": 4}
        olga write {"artifact": "c", "code": "[['return', {'allowed': true, 'cost': 19}]]"} -> ok
        alice invoke {"artifact": "tool", "max_spend": 4} -> limit_exceeded 19/4 ; paid
        balances alice 20, olga 0
        "#,
    );
}
