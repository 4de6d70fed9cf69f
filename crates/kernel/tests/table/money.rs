//! Scrip: transfers, prices, what is sent along, consent, atomicity.

use crate::door::check;

#[test]
fn a_transfer_moves_what_there_is_and_no_more() {
    check(
        r#"
        world: alice 100, bob 5, rich 9223372036854775702
        artifact note by alice
        alice transfer {"to": "bob", "amount": 100} -> ok {"balance": 0}
        alice transfer {"to": "bob", "amount": 1} -> insufficient_scrip 1/0 "`alice` has 0 scrip and needs 1"
        bob transfer {"to": "alice", "amount": 9223372036854775807} -> insufficient_scrip 9223372036854775807/105
        bob transfer {"to": "bob", "amount": 5} -> ok {"balance": 105}
        bob transfer {"to": "bob", "amount": 106} -> insufficient_scrip 106/105
        bob transfer {"to": "nobody", "amount": 5} -> not_found "there is no artifact `nobody`"
        bob transfer {"to": "note", "amount": 5} -> invalid_argument "`to`: `note` has no standing"
        bob transfer {"to": "genesis_contract_public", "amount": 5} -> invalid_argument "has no standing"
        bob transfer {"to": "alice", "amount": 5, "part": "balance"} -> invalid_argument "`part` goes with `resource`"
        rich transfer {"to": "bob", "amount": 9223372036854775702} -> ok
        balances alice 0, bob 9223372036854775807, rich 0
        "#,
    );
}

#[test]
fn prices_go_to_the_owner_and_pay_to_the_artifact() {
    check(
        r#"
        world: alice 100, bob 5
        artifact tool by bob price 3 code [['return', '$call.paid']]
        artifact shop by bob scrip 0 price 2 code [['return', ['$call.paid', '$call.given']]]
        artifact fails by bob scrip 0 price 2 code [['raise', 'no']]
        artifact gift by alice
        alice invoke {"artifact": "tool"} -> ok 0 ; paid alice>bob 3 price
        bob invoke {"artifact": "tool"} -> ok 0 ; paid
        alice invoke {"artifact": "tool", "pay": 1} -> invalid_argument "`pay`: `tool` has no standing to receive anything" ; paid
        alice invoke {"artifact": "tool", "give": ["gift"]} -> invalid_argument "`give`: `tool` has no standing to receive anything"
        alice invoke {"artifact": "shop", "pay": 10, "give": ["gift"]} -> ok [10, ["gift"]] ; paid alice>bob 2 price, alice>shop 10 pay ; events transfer_ownership alice gift shop, invoke alice shop 10 run
        alice query {"what": "artifact", "artifact": "gift"} -> ok ~{"owner": "shop"}
        alice invoke {"artifact": "shop", "give": ["gift"]} -> permission_denied "`alice` may not transfer `gift`"
        alice invoke {"artifact": "shop", "give": ["nothing"]} -> not_found "`nothing`"
        alice invoke {"artifact": "fails", "pay": 10} -> code_error "in `fails`: RuntimeError: no" ; paid
        alice invoke {"artifact": "shop", "pay": 90} -> insufficient_scrip 90/83
        alice invoke {"artifact": "shop", "pay": 83} -> ok ; paid alice>bob 2 price, alice>shop 83 pay
        "#,
    );
}

#[test]
fn max_spend_bounds_what_prices_take() {
    check(
        r#"
        world: alice 100, bob 0, carl 0
        artifact tool by bob price 3 code [['return', 1]]
        artifact chain by carl price 2 code [['call', 'invoke', ['tool']], ['return', '$last']]
        artifact twice by carl code [['call', 'invoke', ['tool']], ['call', 'invoke', ['tool']], ['return', 2]]
        artifact careful by carl code [['try', 'invoke', ['tool']], ['return', '$last']]
        artifact firm by carl scrip 9 pays self code [['call', 'invoke', ['tool']], ['return', '$last']]
        # The posted price is agreed to by default; more must be said.
        alice invoke {"artifact": "tool"} -> ok 1 ; paid alice>bob 3 price
        alice invoke {"artifact": "tool", "max_spend": 2} -> limit_exceeded 3/2 "this `invoke` may spend 2" "name `max_spend`, at least 3"
        alice invoke {"artifact": "tool", "max_spend": 3} -> ok ; paid alice>bob 3 price
        alice invoke {"artifact": "tool", "max_spend": 99} -> ok ; paid alice>bob 3 price
        # A nested price falls to the payer of the code, within the outer bound.
        alice invoke {"artifact": "chain"} -> limit_exceeded 5/2 ; paid
        alice invoke {"artifact": "chain", "max_spend": 5} -> ok 1 ; paid alice>carl 2 price, alice>bob 3 price
        alice invoke {"artifact": "twice", "max_spend": 5} -> limit_exceeded 6/5 ; paid
        alice invoke {"artifact": "twice", "max_spend": 6} -> ok 2 ; paid alice>bob 3 price, alice>bob 3 price
        alice invoke {"artifact": "careful"} -> ok "limit_exceeded: prices would take 3 scrip, and this `invoke` may spend 0 (need 3, have 0); name `max_spend`, at least 3, on the `invoke` to allow it" ; paid
        # An artifact that pays for itself spends its own, and asks nobody.
        alice invoke {"artifact": "firm"} -> ok 1 ; paid firm>bob 3 price
        alice invoke {"artifact": "firm", "max_spend": 0} -> ok 1 ; paid firm>bob 3 price
        alice invoke {"artifact": "firm"} -> ok 1 ; paid firm>bob 3 price
        alice invoke {"artifact": "firm"} -> insufficient_scrip 3/0 "`firm` has 0 scrip"
        # A snippet may spend nothing unless it is said.
        alice run {"code": "[['call', 'invoke', ['tool']]]"} -> limit_exceeded 3/0 "this `run` may spend 0"
        alice run {"code": "[['call', 'invoke', ['tool']]]", "max_spend": 3} -> ok ; paid alice>bob 3 price
        alice run {"code": "[['call', 'invoke', ['tool'], {'max_spend': 2}]]", "max_spend": 9} -> limit_exceeded 3/2
        "#,
    );
    check(
        r#"
        world: alice 100, bob 0
        artifact tool by bob price 3 code [['return', 1]]
        artifact broken by bob price 3 code [['raise', 'no']]
        # A price that came back does not count against the bound.
        alice run {"code": "[['try', 'invoke', ['broken']], ['call', 'invoke', ['tool']]]", "max_spend": 3} -> ok ; paid alice>bob 3 price
        alice write {"artifact": "poor", "has_standing": true, "price": 1, "code": "[['call', 'pay', ['bob', 1]]]"} -> ok
        alice invoke {"artifact": "poor"} -> insufficient_scrip 1/0 "`poor`"
        alice invoke {"artifact": "poor", "pay": 1} -> ok ; paid alice>poor 1 pay, poor>bob 1 transfer
        "#,
    );
}

#[test]
fn code_acts_with_its_own_authority_only() {
    check(
        r#"
        world: alice 100, bob 0, carl 10
        artifact thief by bob code [['call', 'transfer', ['bob', 5]]]
        artifact bank by bob scrip 50 code [['call', 'transfer', ['$call.caller', 5]], ['return', '$last.balance']]
        artifact nosy by bob scrip 0 code [['call', 'write', ['secret', 'mine now']]]
        artifact secret by alice content x
        artifact outer by carl scrip 0 code [['call', 'invoke', ['inner', 1]], ['return', '$last']]
        artifact inner by carl code [['return', ['$call.caller', '$call.origin', '$arg0']]]
        alice invoke {"artifact": "thief"} -> invalid_argument "`thief` has no standing"
        alice invoke {"artifact": "bank"} -> ok 45 ; paid bank>alice 5 transfer
        alice invoke {"artifact": "nosy"} -> permission_denied "`nosy` may not write `secret`"
        alice invoke {"artifact": "outer"} -> ok ["outer", "alice", 1]
        # In a snippet everything is the submitter's own.
        alice run {"code": "[['call', 'pay', ['bob', 5]], ['call', 'storage_set', ['k', 1]], ['call', 'write', ['secret', 'new']], ['return', '$me']]"} -> ok "alice" ; paid alice>bob 5 transfer
        alice run {"code": "[['call', 'storage_get', ['k']], ['return', '$last']]"} -> ok 1
        balances alice 100, bob 5, bank 45
        "#,
    );
}

#[test]
fn a_failed_callee_is_undone_and_its_caller_goes_on() {
    check(
        r#"
        world: alice 100, bob 0
        artifact box by bob scrip 0 code [['call', 'store', ['inner', 1]], ['call', 'write', ['made', 'x']], ['raise', 'too bad']]
        artifact desk by bob scrip 0 code [['call', 'store', ['outer', 1]], ['try', 'invoke', ['box'], {'pay': 1}], ['call', 'storage_list'], ['return', ['$last']]]
        artifact lax by bob scrip 5 code [['call', 'attempt', ['invoke', 'box']], ['return', ['$last.ok', '$last.error.code', '$last.error.message']]]
        alice invoke {"artifact": "box", "pay": 7} -> code_error "in `box`: RuntimeError: too bad" ; paid ; events
        alice invoke {"artifact": "desk", "pay": 3} -> ok [["outer"]] ; paid alice>desk 3 pay ; events invoke alice desk 3 run
        alice read {"artifact": "made"} -> not_found
        alice invoke {"artifact": "lax"} -> ok [false, "code_error", "in `box`: RuntimeError: too bad"]
        # A refusal that nobody catches keeps its code and numbers all the way up.
        alice write {"artifact": "up1", "code": "[['call', 'transfer', ['bob', 5]]]", "has_standing": true} -> ok
        alice write {"artifact": "up2", "code": "[['call', 'invoke', ['up1']]]"} -> ok
        alice invoke {"artifact": "up2"} -> insufficient_scrip 5/0 "`up1` has 0 scrip"
        # One that is raised anew under another text is the code's own.
        alice write {"artifact": "up3", "code": "[['try', 'invoke', ['up1']], ['raise', 'sorry']]"} -> ok
        alice invoke {"artifact": "up3"} -> code_error "sorry"
        balances alice 97, bob 0, box 0, desk 3
        "#,
    );
}

#[test]
fn attempts_look_instead_of_catching() {
    check(
        r#"
        world: alice 10, bob 0
        alice run {"code": "[['call', 'attempt', ['transfer', 'bob', 4]], ['return', '$last']]"} -> ok {"ok": true, "result": {"balance": 6}, "error": null}
        alice run {"code": "[['call', 'attempt', ['transfer', 'bob'], {'amount': 40}], ['return', '$last']]"} -> ok {"ok": false, "result": null, "error": {"code": "insufficient_scrip", "message": "`alice` has 6 scrip and needs 40", "need": 40, "have": 6, "hint": "earn or borrow scrip, or ask for less"}}
        alice run {"code": "[['call', 'attempt', ['get_balance', 'bob']], ['return', '$last.result']]"} -> ok 4
        alice run {"code": "[['call', 'attempt']]"} -> invalid_argument "`attempt` needs the name of an op"
        alice run {"code": "[['call', 'attempt', ['attempt']]]"} -> invalid_argument "`attempt` needs the name of an op"
        alice run {"code": "[['call', 'attempt', [5]]]"} -> invalid_argument "`attempt` needs the name of an op"
        alice run {"code": "[['call', 'transfer', ['bob', 1], {'amount': 1}]]"} -> invalid_argument "`transfer` got `amount` twice"
        alice run {"code": "[['call', 'transfer', ['bob', 1, 'cpu', 'rate', 5]]]"} -> invalid_argument "`transfer` takes at most 4 positional arguments"
        alice run {"code": "[['call', 'noop', [], {'action_id': 'x'}]]"} -> invalid_argument "`action_id`"
        alice run {"code": "[['call', 'invoke', ['x', 1], {'args': [2]}]]"} -> invalid_argument "`invoke` got `args` twice"
        balances alice 6, bob 4
        "#,
    );
}

#[test]
fn invocations_nest_to_a_depth() {
    check(
        r#"
        world: alice
        artifact down by alice code [['if', '$arg0', 0, [['return', 'bottom']]], ['call', 'invoke', ['next', '$arg0']], ['return', '$last']]
        artifact next by alice code {'run': [['if', '$arg0', 4, [['call', 'invoke', ['down', 3]]]], ['if', '$arg0', 3, [['call', 'invoke', ['down', 2]]]], ['if', '$arg0', 2, [['call', 'invoke', ['down', 0]]]], ['return', '$last']]}
        artifact self by alice code [['call', 'invoke', ['self']]]
        alice invoke {"artifact": "down", "args": [0]} -> ok "bottom"
        alice invoke {"artifact": "down", "args": [2]} -> ok "bottom"
        alice invoke {"artifact": "down", "args": [3]} -> ok "bottom"
        alice invoke {"artifact": "down", "args": [4]} -> depth_exceeded 6/5
        alice invoke {"artifact": "self"} -> depth_exceeded 6/5 "invocations nest at most 5 deep"
        "#,
    );
}

#[test]
fn code_fails_with_the_code_of_its_failure() {
    check(
        r#"
        world: alice
        artifact t by alice code [['fail', '$arg0']]
        artifact methods by alice code {'run': [['return', 1]], 'other': [['return', 2]]}
        artifact bad by alice code nonsense
        artifact spins by alice code [['work', 200001]]
        artifact plain by alice
        alice invoke {"artifact": "t", "args": ["memory"]} -> memory_exceeded
        alice invoke {"artifact": "t", "args": ["recursion"]} -> code_error
        alice invoke {"artifact": "t", "args": ["not_json"]} -> code_error
        alice invoke {"artifact": "t", "args": ["output"]} -> limit_exceeded
        alice invoke {"artifact": "t", "args": ["died"]} -> worker_died
        alice invoke {"artifact": "spins"} -> code_timeout ; charged alice cpu 600000
        alice invoke {"artifact": "bad"} -> invalid_code "in `bad`"
        alice run {"code": "nonsense"} -> invalid_code "in `<run>`"
        alice run {"code": "[['raise', 'oops']]"} -> code_error "in `<run>`: RuntimeError: oops"
        alice invoke {"artifact": "methods", "method": "other"} -> ok 2
        alice invoke {"artifact": "methods", "method": "third"} -> not_found "in `methods`: it defines no function `third`"
        alice invoke {"artifact": "plain"} -> invalid_argument "`plain` has no code to invoke"
        alice invoke {"artifact": "nothing"} -> not_found "there is no artifact `nothing`"
        "#,
    );
}
