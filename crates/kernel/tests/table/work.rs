//! Units of work: what each takes, the budgets that end them, and the agreements that bound them.

use oikos_kernel::limits;

use crate::door::check;

#[test]
fn an_action_has_one_budget_of_work_for_all_that_it_calls() {
    check(
        r#"
        rules: run 10, action 25
        resources: cpu renewable 60s
        world: alice 10 cpu 1000, bob 0 cpu 1000
        artifact six by bob code [['work', 6], ['return', 'six']]
        artifact ten by bob code [['work', 11]]
        artifact own by bob scrip 0 cpu 1000 pays self code [['work', 9]]
        artifact twice by bob code [['work', 1], ['call', 'invoke', ['six']], ['call', 'invoke', ['six']], ['return', '$last']]
        artifact waits by bob code [['work', 6], ['call', 'get_balance'], ['work', 5]]
        artifact stubborn by bob code [['try', 'invoke', ['six']], ['try', 'invoke', ['six']], ['try', 'invoke', ['six']], ['try', 'invoke', ['six']], ['try', 'invoke', ['six']], ['work', 2], ['return', '$last']]
        artifact rule by bob code [['work', 9], ['return', {'allowed': true}]]
        artifact x by bob contract rule
        alice invoke {"artifact": "six"} -> ok "six" ; work 6 ; charged alice cpu 18
        # One run has its own bound.
        alice invoke {"artifact": "ten"} -> code_timeout 11/10 "in `ten`: one run of code may use 10 units of work: the world's `work_per_run`" ; work 10 ; charged alice cpu 30
        # A call of the host begins nothing anew.
        alice invoke {"artifact": "waits"} -> code_timeout 11/10 "`work_per_run`" ; work 10
        # All that is called counts; the same tool may be called again as long as it lasts.
        alice invoke {"artifact": "twice"} -> ok "six" ; work 13 ; charged alice cpu 39
        alice [{"op": "invoke", "artifact": "twice"}, {"op": "invoke", "artifact": "twice"}] -> code_timeout @1 26/25 "an action may use 25 units of work, with all that it calls: the world's `work_per_action`" ; work 25 ; charged alice cpu 75
        # Code that goes on after the refusal has nothing left to go on with.
        alice invoke {"artifact": "stubborn"} -> code_timeout "`work_per_action`" ; work 25
        # The budget is the action's, and no payer's.
        alice [{"op": "invoke", "artifact": "own"}, {"op": "invoke", "artifact": "own"}, {"op": "invoke", "artifact": "own"}] -> code_timeout @2 "`work_per_action`" ; charged own cpu 75 ; work 25
        # The work of contracts is of the action too, and its end no answer of theirs.
        alice [{"op": "read", "artifact": "x"}, {"op": "read", "artifact": "x"}, {"op": "read", "artifact": "x"}] -> code_timeout @2 "`work_per_action`" ; work 25 ; events
        # The next action begins anew.
        alice invoke {"artifact": "six"} -> ok ; work 6
        "#,
    );
}

#[test]
fn measured_cpu_is_charged_and_work_is_told_beside_it() {
    check(
        r#"
        rules: measured
        resources: cpu renewable 60s
        world: alice 10 cpu 100000
        artifact t by alice code [['work', 5], ['call', 'get_balance'], ['work', 1]]
        # Six units of 7 µs. The host's part is below a unit.
        alice invoke {"artifact": "t"} -> ok ; charged alice cpu 42 ; work 6
        # The host's work has the price of the rules: a source of 96 bytes is 48 units.
        alice write {"artifact": "n", "code": "[['return', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx']]"} -> ok ; charged alice cpu 144 ; work 48
        alice run {"code": "[]"} -> ok ; charged alice cpu 4 ; work 2
        "#,
    );
}

#[test]
fn small_things_cost_nothing_and_many_of_them_what_they_take() {
    let list = |count: usize| {
        let each = vec![r#"{"op": "transfer", "to": "bob", "amount": 1}"#; count];
        format!("[{}]", each.join(", "))
    };
    // A call takes a quarter of a unit.
    let (three, eight) = (list(3), list(8));
    check(&format!(
        r#"
        resources: cpu renewable 60s
        world: alice 100 cpu 100, bob 0 cpu 100
        alice transfer {{"to": "bob", "amount": 1}} -> ok ; charged ; work 0
        alice noop -> ok ; charged
        alice query {{"what": "balance"}} -> ok ; charged
        alice {three} -> ok ; charged ; work 0
        alice {eight} -> ok ; charged alice cpu 6 ; work 2
        "#
    ));
    assert_eq!(limits::PARTS_PER_WORK, 4 * limits::PARTS_PER_CALL);
}

#[test]
fn searches_cost_what_they_look_through_and_end_where_the_budget_does() {
    let (text, letters) = ("lorem_ipsum_".repeat(2_000), "lörem_ïpsum_".repeat(100));
    let artifacts: Vec<String> =
        (0..60).map(|at| format!("        artifact d{at} by alice content {text}")).collect();
    let artifacts = artifacts.join("\n");
    // Each has 24,000 bytes: about three units.
    check(&format!(
        r#"
        rules: action 100
        resources: cpu renewable 60s
        world: alice 10 cpu 100000, bob 0 cpu 30, spy 0 cpu 100000
{artifacts}
        artifact hidden by alice contract genesis_contract_private content {text}
        artifact other by alice kind other content {letters}
        artifact looks by alice code [['try', 'query', ['search'], {{'text': 'zz'}}], ['return', '$last']]
        # It costs the same with nothing found. The observer looks as far as it likes.
        alice query {{"what": "search", "text": "zz", "limit": 1}} -> code_timeout 103/100 "`work_per_action`" ; work 100 ; charged alice cpu 300
        observer {{"what": "search", "text": "zz"}} -> ok []
        alice query {{"what": "search", "text": "lorem", "limit": 1}} -> ok ; work 7 ; charged alice cpu 21
        # Letters beyond ASCII take longer.
        alice query {{"what": "search", "text": "zz", "type": "other"}} -> ok [] ; work 2
        # A payer whose CPU runs out is told how much it would have taken.
        bob query {{"what": "search", "text": "zz"}} -> rate_limited 36/30 "`bob` may use 30 of `cpu` now and needs 36"
        # In code it is the same.
        alice invoke {{"artifact": "looks"}} -> ok ; work 98
        "#,
    ));
}

#[test]
fn reads_writes_and_compiling_cost_by_the_byte() {
    let text = "x".repeat(8_192);
    let code = format!("[['return', '{}']]", "y".repeat(4_080));
    check(&format!(
        r#"
        resources: cpu renewable 60s
        world: alice 10 cpu 100000
        alice write {{"artifact": "t", "content": "{text}"}} -> ok ; work 8
        alice read {{"artifact": "t"}} -> ok ; work 2
        alice edit {{"artifact": "t", "field": "content", "old": "{text}", "new": "short"}} -> ok ; work 10
        alice read {{"artifact": "t"}} -> ok ; work 0
        # A source takes a unit for two bytes, the second time too: nobody can tell whether it was compiled before.
        alice write {{"artifact": "c", "code": "{code}"}} -> ok ; work 2052
        alice write {{"artifact": "c", "code": "{code}"}} -> ok ; work 2052
        alice run {{"code": "{code}"}} -> ok ; work 2050
        alice run {{"code": "{code}"}} -> ok ; work 2050
        # It was compiled when it was written.
        alice invoke {{"artifact": "c"}} -> ok ; work 2
        "#
    ));
}

#[test]
fn keys_are_listed_in_order_and_in_pages() {
    check(
        r#"
        world: alice 10
        artifact box by alice code {'fill': [['call', 'storage_set', ['b1', 1]], ['call', 'storage_set', ['a', 1]], ['call', 'storage_set', ['b3', 1]], ['call', 'storage_set', ['b2', 1]], ['call', 'storage_set', ['c', 1]]], 'list': [['call', 'storage_list', [], '$arg0'], ['return', '$last']]}
        alice invoke {"artifact": "box", "method": "fill"} -> ok
        alice invoke {"artifact": "box", "method": "list", "args": [{}]} -> ok ["a", "b1", "b2", "b3", "c"]
        alice invoke {"artifact": "box", "method": "list", "args": [{"prefix": "b"}]} -> ok ["b1", "b2", "b3"]
        alice invoke {"artifact": "box", "method": "list", "args": [{"prefix": "b", "after": "b1"}]} -> ok ["b2", "b3"]
        alice invoke {"artifact": "box", "method": "list", "args": [{"after": "b0"}]} -> ok ["b1", "b2", "b3", "c"]
        alice invoke {"artifact": "box", "method": "list", "args": [{"after": "b2", "limit": 1}]} -> ok ["b3"]
        alice invoke {"artifact": "box", "method": "list", "args": [{"prefix": "b", "after": "c"}]} -> ok []
        alice invoke {"artifact": "box", "method": "list", "args": [{"prefix": "b", "after": "a", "limit": 2}]} -> ok ["b1", "b2"]
        alice invoke {"artifact": "box", "method": "list", "args": [{"limit": 0}]} -> ok []
        alice invoke {"artifact": "box", "method": "list", "args": [{"limit": -1}]} -> invalid_argument "`limit`"
        "#,
    );
}

#[test]
fn an_op_takes_no_more_of_its_bearer_than_was_agreed() {
    check(
        r#"
        resources: cpu renewable 60s, actions renewable 60s, disk allocatable
        costs: transfer actions 1, noop actions 1
        world: alice 10 cpu 1000 actions 50 disk 5000, bob 0 cpu 1000 actions 50 disk 5000
        artifact burns by bob code [['work', '$arg0'], ['return', 'done']]
        artifact acts by bob scrip 9 code [['call', 'noop'], ['call', 'noop'], ['return', 'done']]
        artifact own by bob scrip 0 cpu 900 pays self code [['work', 50]]
        artifact calls by bob code [['call', 'invoke', ['burns', 20], {'max_resources': {'cpu': 15}}]]
        artifact dares by bob code [['call', 'invoke', ['burns', 20], {'max_resources': {'cpu': 900}}]]
        artifact catches by bob code [['try', 'invoke', ['burns', 20], {'max_resources': {'cpu': 15}}], ['return', '$last']]
        artifact box by alice code [['call', 'storage_set', ['k', 'some thirty bytes or a few more']]]
        alice invoke {"artifact": "burns", "args": [20]} -> ok ; charged alice cpu 60
        alice invoke {"artifact": "burns", "args": [20], "max_resources": {"cpu": 60}} -> ok ; charged alice cpu 60
        alice invoke {"artifact": "burns", "args": [20], "max_resources": {"cpu": 59}} -> limit_exceeded 60/59 "it would take 60 of `cpu`, and this `invoke` may take 59" "name `max_resources` on the `invoke`, with at least 60 of `cpu`, to allow it" ; charged alice cpu 57
        alice invoke {"artifact": "burns", "args": [20], "max_resources": {"cpu": 0}} -> limit_exceeded 3/0 ; charged
        # The tighter of two holds, from outside and from within.
        alice invoke {"artifact": "calls", "max_resources": {"cpu": 900}} -> limit_exceeded 18/15 ; charged alice cpu 18
        alice invoke {"artifact": "dares", "max_resources": {"cpu": 30}} -> limit_exceeded 33/30 "this `invoke` may take 30" ; charged alice cpu 30
        # It is a refusal like others: code may go on without.
        alice invoke {"artifact": "catches"} -> ok "limit_exceeded: it would take 18 of `cpu`, and this `invoke` may take 15 (need 18, have 15); name `max_resources` on the `invoke`, with at least 18 of `cpu`, to allow it" ; charged alice cpu 18
        # Any resource that ops consume; what was consumed up to the bound stays charged.
        alice invoke {"artifact": "acts", "max_resources": {"actions": 1}} -> limit_exceeded 2/1 "2 of `actions`" ; charged alice cpu 3, alice actions 1
        alice transfer {"to": "bob", "amount": 1, "max_resources": {"actions": 0}} -> limit_exceeded 1/0 "this `transfer` may take 0" ; charged
        # Disk, by how much its use grows.
        alice invoke {"artifact": "box", "max_resources": {"disk": 49}} -> limit_exceeded 50/49 "`disk`" ; charged alice cpu 3
        alice invoke {"artifact": "box", "max_resources": {"disk": 50}} -> ok
        alice invoke {"artifact": "box", "max_resources": {"disk": 0}} -> ok
        alice write {"artifact": "n", "content": "xyz", "max_resources": {"disk": 9}} -> limit_exceeded 24/9
        alice write {"artifact": "n", "content": "xyz", "max_resources": {"disk": 24}} -> ok
        # Code that pays for itself takes nothing of its caller.
        alice invoke {"artifact": "own", "max_resources": {"cpu": 5}} -> ok ; charged own cpu 150
        alice noop {"max_resources": {"lead": 1}} -> invalid_argument "this world has no resource `lead`" ; charged
        alice noop {"max_resources": {"cpu": -1}} -> invalid_argument unrecorded "`max_resources.cpu`"
        alice noop {"max_resources": 5} -> invalid_argument unrecorded "`max_resources` must be an object"
        alice noop {"max_resource": {"cpu": 1}} -> invalid_argument unrecorded "did you mean `max_resources`?"
        "#,
    );
}

#[test]
fn a_world_says_what_an_invocation_takes_where_it_says_nothing() {
    check(
        r#"
        resources: cpu renewable 60s, actions renewable 60s
        invoke: cpu 30, actions 1
        costs: noop actions 1
        world: alice 10 cpu 1000 actions 50
        artifact burns by alice code [['work', '$arg0'], ['return', 'done']]
        artifact acts by alice code [['call', 'noop'], ['call', 'noop'], ['return', 'done']]
        artifact calls by alice code [['call', 'invoke', ['burns', 20]]]
        alice invoke {"artifact": "burns", "args": [10]} -> ok
        alice invoke {"artifact": "burns", "args": [11]} -> limit_exceeded 33/30
        # It may agree to more, and of the rest what the world says holds.
        alice invoke {"artifact": "burns", "args": [11], "max_resources": {"cpu": 33}} -> ok
        alice invoke {"artifact": "acts", "max_resources": {"cpu": 33}} -> limit_exceeded 2/1 "`actions`"
        # Code's own invocations are bound alike.
        alice invoke {"artifact": "calls", "max_resources": {"cpu": 900}} -> limit_exceeded 33/30
        # Other ops are not.
        alice run {"code": "[['work', 20]]"} -> ok
        "#,
    );
}

#[test]
fn memory_is_held_while_code_runs_and_limited_by_its_payers_quota() {
    check(
        r#"
        resources: memory allocatable
        world: alice 10 memory 1000, bob 0 memory 5000, poor 0
        artifact holds by bob code [['hold', '$arg0'], ['return', 'done']]
        artifact outer by bob code [['hold', 600], ['try', 'invoke', ['holds', '$arg0']], ['return', '$last']]
        artifact own by bob scrip 0 memory 5000 pays self code [['hold', 4000], ['return', 'done']]
        artifact mixed by bob code [['hold', 900], ['call', 'invoke', ['own']], ['return', '$last']]
        # It stands among the charges, and is free again.
        alice invoke {"artifact": "holds", "args": [1000]} -> ok ; charged alice cpu 3, alice memory 1000
        alice invoke {"artifact": "holds", "args": [1000]} -> ok
        alice query {"what": "resources"} -> ok ~{"memory": {"kind": "allocatable", "quota": 1000, "capacity": 1000, "used": 0}}
        alice invoke {"artifact": "holds", "args": [1001]} -> memory_exceeded "in `holds`"
        bob invoke {"artifact": "holds", "args": [1001]} -> ok
        poor invoke {"artifact": "holds", "args": [1]} -> memory_exceeded
        # Code that waits holds what it has; both together stand in the charges.
        alice invoke {"artifact": "outer", "args": [400]} -> ok "done" ; charged alice cpu 6, alice memory 1000
        alice invoke {"artifact": "outer", "args": [401]} -> ok "memory_exceeded: in `holds`: MemoryError" ; charged alice cpu 6, alice memory 600
        # One after the other is not both at once.
        alice [{"op": "invoke", "artifact": "holds", "args": [700]}, {"op": "invoke", "artifact": "holds", "args": [800]}] -> ok ; charged alice cpu 6, alice memory 800
        alice invoke {"artifact": "mixed"} -> ok "done" ; charged alice cpu 3, alice memory 900, own cpu 3, own memory 4000
        alice invoke {"artifact": "holds", "args": [500], "max_resources": {"memory": 499}} -> memory_exceeded
        alice invoke {"artifact": "holds", "args": [500], "max_resources": {"memory": 500}} -> ok
        alice transfer {"to": "poor", "amount": 100, "resource": "memory"} -> ok {"quota": 900}
        poor invoke {"artifact": "holds", "args": [100]} -> ok
        alice invoke {"artifact": "holds", "args": [901]} -> memory_exceeded
        "#,
    );
    // Where the world does not name it, it limits nobody and is told nobody.
    check(
        r#"
        world: alice 10
        artifact holds by alice code [['hold', 60000000], ['return', 'done']]
        artifact beyond by alice code [['hold', 70000000], ['return', 'done']]
        alice invoke {"artifact": "holds"} -> ok "done" ; charged alice cpu 3
        alice invoke {"artifact": "beyond"} -> memory_exceeded
        "#,
    );
}
