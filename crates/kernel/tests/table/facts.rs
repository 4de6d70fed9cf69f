//! The facts that the kernel counts: of artifacts and of principals.

use crate::door::check;

#[test]
fn invocations_customers_and_revenue_are_counted() {
    check(
        r#"
        world: alice 100, bob 100, carl 100
        artifact tool by alice price 3 code {'run': [['return', 1]], 'fails': [['raise', 'no']], 'catches': [['try', 'invoke', ['bad']]]}
        artifact bad by carl code [['raise', 'no']]
        artifact free by carl code [['return', 1]]
        bob query {"what": "reputation", "artifact": "tool"} -> ok {"artifact": "tool", "invocations": 0, "failures": 0, "customers": 0, "revenue": 0, "first_used": null, "last_used": null}
        bob invoke {"artifact": "tool"} -> ok
        advance 60s
        bob invoke {"artifact": "tool"} -> ok
        carl invoke {"artifact": "tool"} -> ok
        # The owner is no customer of its own, and pays nothing.
        alice invoke {"artifact": "tool"} -> ok
        bob query {"what": "reputation", "artifact": "tool"} -> ok {"artifact": "tool", "invocations": 4, "failures": 0, "customers": 2, "revenue": 9, "first_used": "2026-01-01T00:00:00.000Z", "last_used": "2026-01-01T00:01:00.000Z"}
        bob query {"what": "reputation"} -> ok {"principal": "bob", "earned": 0, "spent": 6, "invocations": 2, "sales": 0, "counterparties": 1}
        bob query {"what": "reputation", "of": "alice"} -> ok {"principal": "alice", "earned": 9, "spent": 0, "invocations": 1, "sales": 3, "counterparties": 2}
        # A failure is counted though all else of it is undone; nothing was paid for it.
        bob invoke {"artifact": "tool", "method": "fails"} -> code_error
        bob query {"what": "reputation", "artifact": "tool"} -> ok ~{"invocations": 4, "failures": 1, "revenue": 9}
        # One that is caught by the caller is one of the artifact that failed, and none of the caller.
        bob invoke {"artifact": "tool", "method": "catches"} -> ok
        bob query {"what": "reputation", "artifact": "bad"} -> ok ~{"invocations": 0, "failures": 1, "customers": 0}
        bob query {"what": "reputation", "artifact": "tool"} -> ok ~{"invocations": 5, "failures": 1, "customers": 2, "revenue": 12}
        # A method that is not there is the caller's mistake, and so is what a refusal keeps from running.
        bob invoke {"artifact": "tool", "method": "gone"} -> not_found
        bob invoke {"artifact": "tool", "max_spend": 2} -> limit_exceeded
        bob query {"what": "reputation", "artifact": "tool"} -> ok ~{"invocations": 5, "failures": 1}
        # A list that is undone was never done.
        bob [{"op": "invoke", "artifact": "free"}, {"op": "transfer", "to": "carl", "amount": 1000}] -> insufficient_scrip @1
        bob query {"what": "reputation", "artifact": "free"} -> ok ~{"invocations": 0}
        bob query {"what": "reputation", "of": "free"} -> invalid_argument "has no standing"
        bob query {"what": "reputation", "of": "bob", "artifact": "free"} -> invalid_argument "give one of them"
        bob query {"what": "reputation", "artifact": "gone"} -> not_found
        "#,
    );
}

#[test]
fn what_is_sent_along_is_no_revenue_and_nested_use_is_its_payers() {
    check(
        r#"
        world: alice 100, bob 100, carl 100
        artifact shop by alice scrip 0 price 2 code [['call', 'invoke', ['part'], {'max_spend': 9}]]
        artifact part by carl price 5 code [['return', 1]]
        artifact self_paid by alice scrip 20 pays self code [['call', 'invoke', ['part'], {'max_spend': 9}]]
        bob invoke {"artifact": "shop", "pay": 50, "max_spend": 7} -> ok ; paid bob>alice 2 price, bob>shop 50 pay, bob>carl 5 price
        bob query {"what": "reputation", "artifact": "shop"} -> ok ~{"invocations": 1, "customers": 1, "revenue": 2}
        bob query {"what": "reputation", "artifact": "part"} -> ok ~{"invocations": 1, "customers": 1, "revenue": 5}
        bob query {"what": "reputation"} -> ok ~{"spent": 7, "invocations": 2, "counterparties": 2}
        # One that pays for itself is a customer itself.
        bob invoke {"artifact": "self_paid"} -> ok
        bob query {"what": "customers", "artifact": "part"} -> ok [{"id": "bob", "highest_price": 5}, {"id": "self_paid", "highest_price": 5}]
        bob query {"what": "reputation", "of": "self_paid"} -> ok ~{"spent": 5, "invocations": 1, "counterparties": 1}
        bob query {"what": "reputation", "of": "carl"} -> ok ~{"earned": 10, "counterparties": 2}
        # Facts of a running action are counted when it has ended.
        bob [{"op": "invoke", "artifact": "part", "max_spend": 5}, {"op": "query", "what": "reputation", "artifact": "part"}] -> ok
        "#,
    );
}

#[test]
fn customers_are_told_by_the_highest_price_that_they_paid_at_once() {
    check(
        r#"
        world: alice 100, bob 100, carl 100, dora 100
        artifact tool by alice price 1 code [['return', 1]]
        bob invoke {"artifact": "tool"} -> ok
        carl invoke {"artifact": "tool"} -> ok
        alice write {"artifact": "tool", "price": 4} -> ok
        carl invoke {"artifact": "tool"} -> ok
        alice write {"artifact": "tool", "price": 0} -> ok
        carl invoke {"artifact": "tool"} -> ok
        dora invoke {"artifact": "tool"} -> ok
        bob query {"what": "customers", "artifact": "tool"} -> ok [{"id": "bob", "highest_price": 1}, {"id": "carl", "highest_price": 4}, {"id": "dora", "highest_price": 0}]
        bob query {"what": "customers", "artifact": "tool", "amount": 1} -> ok [{"id": "bob", "highest_price": 1}, {"id": "carl", "highest_price": 4}]
        bob query {"what": "customers", "artifact": "tool", "amount": 2} -> ok [{"id": "carl", "highest_price": 4}]
        bob query {"what": "customers", "artifact": "tool", "limit": 1} -> ok [{"id": "bob", "highest_price": 1}]
        # In other hands the same customers are no new ones, and the new owner is another partner.
        alice transfer_ownership {"artifact": "tool", "to": "dora"} -> ok
        bob invoke {"artifact": "tool"} -> ok
        dora invoke {"artifact": "tool"} -> ok
        bob query {"what": "reputation", "artifact": "tool"} -> ok ~{"invocations": 7, "customers": 3}
        bob query {"what": "reputation"} -> ok ~{"counterparties": 2, "spent": 1}
        bob query {"what": "reputation", "of": "dora"} -> ok ~{"counterparties": 2, "earned": 0}
        "#,
    );
}

#[test]
fn facts_survive_the_death_of_what_they_are_about() {
    check(
        r#"
        world: alice 100, bob 100
        artifact tool by alice price 3 code [['return', 1]]
        bob [{"op": "invoke", "artifact": "tool"}, {"op": "noop"}] -> ok
        alice delete {"artifact": "tool"} -> ok
        bob query {"what": "reputation", "artifact": "tool"} -> not_found
        bob query {"what": "reputation"} -> ok ~{"spent": 3}
        # An artifact of the same action that ends with it.
        bob [{"op": "write", "artifact": "t", "code": "[['return', 1]]"}, {"op": "invoke", "artifact": "t"}, {"op": "query", "what": "reputation", "artifact": "t"}] -> not_found @2 "nothing is counted of it yet"
        bob [{"op": "write", "artifact": "t", "code": "[['raise', 'no']]"}, {"op": "invoke", "artifact": "t"}] -> code_error @1
        bob [{"op": "write", "artifact": "t", "code": "[['return', 1]]"}, {"op": "invoke", "artifact": "t"}, {"op": "delete", "artifact": "t"}] -> ok
        "#,
    );
}

#[test]
fn counted_facts_tell_the_same_where_balances_are_private() {
    check(
        r#"
        rules: balances own
        world: alice 100, bob 100
        artifact tool by alice scrip 0 price 3 code [['return', 1]]
        bob invoke {"artifact": "tool", "pay": 40} -> ok
        alice query {"what": "reputation", "of": "bob"} -> ok ~{"spent": 3}
        bob query {"what": "reputation", "artifact": "tool"} -> ok ~{"revenue": 3}
        "#,
    );
}
