//! Payers: the cost models of contracts, agreement, failure, and who bears a contract's CPU.

use crate::door::check;

/// `alice` reads `doc`, of `olga`, whose contract `c` is `carl`'s. The columns: the rest of the contract's answer,
/// whose cost is 7; who owns the contract; the most that alice spends; what comes of it.
const MODELS: &str = r#"
    {}                                                                | carl | 7  | ok ; paid alice>olga 7 contract_cost
    {}                                                                | carl | 6  | limit_exceeded 7/6
    {'recipient': 'carl'}                                             | carl | 7  | ok ; paid alice>carl 7 contract_cost
    {'recipient': 'alice'}                                            | carl | 0  | ok ; paid
    {'cost_model': 'invoker_pays'}                                    | carl | 7  | ok ; paid alice>olga 7 contract_cost
    {'cost_model': 'owner_pays'}                                      | carl | 0  | ok ; paid
    {'cost_model': 'owner_pays', 'recipient': 'rita'}                 | olga | 0  | ok ; paid olga>rita 7 contract_cost
    {'cost_model': 'owner_pays', 'recipient': 'rita'}                 | carl | 99 | permission_denied "its contract `c` lets `olga` pay 7 scrip, and `olga` has not agreed to that" "`olga` agrees by giving `c` a mandate, with the op `mandate`, or by having owned it from the beginning"
    {'cost_model': 'artifact_pays', 'recipient': 'rita'}              | olga | 0  | ok ; paid doc>rita 7 contract_cost
    {'cost_model': 'artifact_pays'}                                   | olga | 0  | ok ; paid doc>olga 7 contract_cost
    {'cost_model': 'artifact_pays', 'recipient': 'rita'}              | carl | 99 | permission_denied "lets `doc` pay 7 scrip, and `doc` has not agreed"
    {'cost_model': 'split', 'shares': {'invoker': 1, 'owner': 3}, 'recipient': 'rita'}  | olga | 2  | ok ; paid alice>rita 2 contract_cost, olga>rita 5 contract_cost
    {'cost_model': 'split', 'shares': {'invoker': 1, 'owner': 3}, 'recipient': 'rita'}  | olga | 1  | limit_exceeded 2/1
    {'cost_model': 'split', 'shares': {'invoker': 1, 'owner': 3}}     | olga | 2  | ok ; paid alice>olga 2 contract_cost
    {'cost_model': 'split', 'shares': {'invoker': 1, 'owner': 3}, 'recipient': 'rita'}  | carl | 99 | permission_denied "lets `olga` pay 5 scrip"
    {'cost_model': 'split', 'shares': {'owner': 3}, 'recipient': 'rita'}                | olga | 0  | ok ; paid olga>rita 7 contract_cost
    {'cost_model': 'split', 'shares': {'invoker': 4, 'owner': 0}, 'recipient': 'rita'}  | carl | 7  | ok ; paid alice>rita 7 contract_cost
    {'cost_model': 'split', 'shares': {'invoker': 9223372036854775807, 'owner': 9223372036854775807}, 'recipient': 'rita'} | olga | 4 | ok ; paid alice>rita 4 contract_cost, olga>rita 3 contract_cost
    {'cost_model': {'payer': 'carl'}}                                 | carl | 0  | ok ; paid carl>olga 7 contract_cost
    {'cost_model': {'payer': 'purse'}}                                | carl | 0  | ok ; paid purse>olga 7 contract_cost
    {'cost_model': {'payer': 'purse'}}                                | olga | 99 | permission_denied "lets `purse` pay 7 scrip, and `purse` has not agreed"
    {'cost_model': {'payer': 'rita'}}                                 | carl | 99 | permission_denied "lets `rita` pay 7 scrip, and `rita` has not agreed"
    {'cost_model': {'payer': 'alice'}}                                | carl | 7  | ok ; paid alice>olga 7 contract_cost
    {'cost_model': {'payer': 'alice'}}                                | carl | 6  | limit_exceeded 7/6
    {'cost_model': {'payer': 'alice'}}                                | alice | 0 | ok ; paid alice>olga 7 contract_cost
    {'cost_model': {'payer': 'broke'}}                                | broke | 99 | insufficient_scrip 7/6 "`c`, the contract of `doc`, lets `broke` pay: `broke` has 6 scrip and needs 7"
    {'cost_model': 'owner_pays', 'recipient': 'rita', 'cost': 21}     | olga | 99 | insufficient_scrip 21/20 "lets `olga` pay"
    {'cost_model': 'split', 'shares': {'invoker': 1, 'owner': 9}, 'recipient': 'rita', 'cost': 30} | olga | 99 | insufficient_scrip 27/20 "lets `olga` pay"
    {'cost_model': 'split', 'shares': {'invoker': 9, 'owner': 1}, 'recipient': 'rita', 'cost': 30} | olga | 99 | insufficient_scrip 27/20 "`alice` has 20 scrip"
    {'cost_model': {'payer': 'carl'}, 'cost': 0}                      | olga | 0  | ok ; paid
"#;

#[test]
fn each_cost_model_takes_what_it_says_of_whom_it_says() {
    for row in MODELS.lines().filter(|line| !line.trim().is_empty()) {
        let [answer, owner, most, outcome] =
            row.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        let answer = &answer[1..answer.len() - 1];
        let cost = if answer.contains("'cost'") { "" } else { "'cost': 7, " };
        let comma = if answer.is_empty() { "" } else { ", " };
        let paid = if outcome.contains("; paid") { "" } else { " ; paid" };
        check(&format!(
            r#"
            world: alice 20, olga 20, carl 20, rita 20, broke 6
            artifact c by {owner} code [['return', {{{cost}'allowed': true{comma}{answer}}}]]
            artifact purse by carl scrip 20
            artifact doc by olga scrip 20 contract c content x code {{'run': [['call', 'storage_set', ['ran', 1]]], 'ran': [['call', 'storage_list'], ['return', '$last']]}}
            alice read {{"artifact": "doc", "max_spend": {most}}} -> {outcome}{paid}
            "#
        ));
    }
}

#[test]
fn nothing_runs_before_it_is_paid_and_what_fails_is_not_paid() {
    check(
        r#"
        resources: cpu renewable 60s
        world: alice 20 cpu 900, olga 20, carl 6
        artifact sponsor by carl code [['return', {'allowed': true, 'cost': 4, 'recipient': 'olga', 'cost_model': {'payer': 'carl'}}]]
        artifact tool by olga contract sponsor price 3 code {'run': [['call', 'storage_set', ['ran', 1]], ['return', 1]], 'fails': [['raise', 'no']]}
        artifact keys by olga code [['call', 'invoke', ['tool'], {'max_spend': 9}], ['raise', 'after']]
        alice invoke {"artifact": "tool", "method": "fails"} -> code_error ; paid ; charged alice cpu 6
        alice [{"op": "invoke", "artifact": "tool"}, {"op": "read", "artifact": "nope"}] -> not_found @1 ; paid
        alice invoke {"artifact": "keys", "max_spend": 9} -> code_error ; paid
        balances alice 20, olga 20, carl 6
        alice invoke {"artifact": "tool"} -> ok ; paid carl>olga 4 contract_cost, alice>olga 3 price
        balances alice 17, olga 27, carl 2
        alice invoke {"artifact": "tool", "method": "fails"} -> insufficient_scrip 4/2 "lets `carl` pay" ; paid ; charged alice cpu 3
        balances alice 17, olga 27, carl 2
        "#,
    );
}

#[test]
fn max_spend_counts_the_share_of_the_invoker_through_nested_chains() {
    // alice > shop > tool, each under a contract that takes a part of her and a part of its owner.
    check(
        r#"
        world: alice 20, olga 20, rita 0
        artifact half by olga code [['return', {'allowed': true, 'cost': 5, 'recipient': 'rita', 'cost_model': 'split', 'shares': {'invoker': 1, 'owner': 1}}]]
        artifact tool by olga contract half code [['return', 1]]
        artifact shop by olga contract half code [['call', 'invoke', ['tool'], {'max_spend': 3}], ['return', '$last']]
        alice invoke {"artifact": "shop", "max_spend": 5} -> limit_exceeded 6/5 ; paid
        alice invoke {"artifact": "shop", "max_spend": 6} -> ok 1 ; paid alice>rita 3 contract_cost, olga>rita 2 contract_cost, alice>rita 3 contract_cost, olga>rita 2 contract_cost
        balances alice 14, olga 16, rita 10
        "#,
    );
}

#[test]
fn an_owner_bears_the_cpu_of_its_contract_where_it_may() {
    // Each run takes 1 unit, and the work that it says: 3 µs a unit.
    check(
        r#"
        resources: cpu renewable 60s, fuel depletable
        world: alice 20 cpu 900, carl 20 cpu 300 fuel 5, olga 0 cpu 900
        artifact mine by carl content {"resources":"owner"} code [['work', 10], ['return', {'allowed': true}]]
        artifact theirs by carl content {"resources":"caller"} code [['work', 10], ['return', {'allowed': true}]]
        artifact wrong by carl content {"resources":"everybody"} code [['return', {'allowed': true}]]
        artifact asks by carl content {"resources":"owner"} code [['work', 10], ['call', 'invoke', ['slow']], ['return', {'allowed': true}]]
        artifact slow by olga code [['work', 20], ['return', 1]]
        artifact d1 by carl contract mine
        artifact d2 by carl contract theirs
        artifact d3 by olga contract mine
        artifact d4 by carl contract wrong
        artifact d5 by carl contract asks
        alice read {"artifact": "d1"} -> ok ; charged carl cpu 30
        alice read {"artifact": "d2"} -> ok ; charged alice cpu 30
        alice read {"artifact": "d3"} -> ok ; charged alice cpu 30  # olga's, and carl gave no mandate
        alice read {"artifact": "d4"} -> permission_denied "its contract `wrong` failed" ; events contract_error alice wrong `resources` of its content is neither "caller" nor "owner"
        alice read {"artifact": "d5"} -> ok ; charged carl cpu 90
        carl mandate {"to": "mine", "per_call": 1, "per_window": 1, "window": "1h", "resource": "fuel"} -> ok
        alice read {"artifact": "d3"} -> ok ; charged carl cpu 30
        carl mandate {"to": "mine", "per_call": 0, "resource": "fuel"} -> ok
        alice read {"artifact": "d3"} -> ok ; charged alice cpu 30
        alice [{"op": "read", "artifact": "d1"}, {"op": "read", "artifact": "d1"}, {"op": "read", "artifact": "d1"}, {"op": "read", "artifact": "d1"}, {"op": "read", "artifact": "d5"}] -> permission_denied @4 "its contract `asks` failed while it decided"
        advance 60s
        olga query {"what": "permission", "action": "read", "target": "d1", "as": "alice"} -> ok ~{"allowed": true} ; charged carl cpu 30
        "#,
    );
}

/// Ownership can be handed over unasked, with code that the new owner never read: it is no agreement to anything, nor is
/// it any after the contract has come back.
#[test]
fn a_contract_that_was_handed_over_makes_nobody_pay() {
    check(
        r#"
        resources: cpu renewable 60s
        world: mal 20 cpu 900, bob 20 cpu 900
        artifact trap by mal contract genesis_contract_public content {"resources":"owner"} code [['work', 10], ['return', {'allowed': true, 'cost': 5, 'recipient': 'mal', 'cost_model': {'payer': 'bob'}}]]
        artifact bait by mal contract trap
        artifact pot by bob scrip 9
        artifact lent by bob contract genesis_contract_public code [['return', {'allowed': true, 'cost': 5, 'recipient': 'mal', 'cost_model': {'payer': 'pot'}}]]
        artifact lure by mal contract lent
        mal read {"artifact": "bait"} -> permission_denied "`bob` has not agreed to that"
        mal transfer_ownership {"artifact": "trap", "to": "bob"} -> ok
        mal read {"artifact": "bait"} -> permission_denied "`bob` has not agreed to that" "a mandate" ; paid ; charged mal cpu 30
        mal read {"artifact": "lure"} -> ok ; paid pot>mal 5 contract_cost
        bob transfer_ownership {"artifact": "lent", "to": "mal"} -> ok
        mal transfer_ownership {"artifact": "lent", "to": "bob"} -> ok
        mal read {"artifact": "lure"} -> permission_denied "`pot` has not agreed to that" ; paid
        bob mandate {"to": "trap", "per_call": 5, "per_window": 5, "window": "1h"} -> ok
        mal read {"artifact": "bait"} -> ok ; paid bob>mal 5 contract_cost
        mal read {"artifact": "bait"} -> permission_denied
        balances mal 30, bob 15, pot 4
        "#,
    );
}

#[test]
fn a_thought_is_paid_by_who_thinks() {
    check(
        r#"
        resources: cpu renewable 60s
        world: carl 20 cpu 900
        artifact mine by carl content {"resources":"owner"} code [['work', 10], ['call', 'invoke', ['proud']], ['return', {'allowed': true}]]
        artifact proud by carl scrip 0 cpu 900 pays self code [['work', 10], ['return', 1]]
        artifact d1 by carl contract mine
        agent eve scrip 5 cpu 900 code [['call', 'query', ['permission'], {'action': 'read', 'target': 'd1'}], ['return', {'op': 'noop'}]]
        step eve -> ok ; charged eve cpu 63
        carl read {"artifact": "d1"} -> ok ; charged carl cpu 30, proud cpu 30
        "#,
    );
}
