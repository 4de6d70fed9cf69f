//! Permission: the native contracts, custom ones, and what a contract may not do.

use serde_json::json;

use crate::{door::check, toy::Toy};

/// The answers of each native contract: to the owner, the artifact itself, and a stranger.
const NATIVE: &str = "
    freeware   read     yes yes yes
    freeware   write    yes no  no
    freeware   invoke   yes yes yes
    freeware   execute  yes yes yes
    freeware   delete   yes no  no
    freeware   transfer yes no  no
    self_owned read     yes yes no
    self_owned write    yes yes no
    self_owned invoke   yes yes no
    self_owned execute  yes yes no
    self_owned delete   yes yes no
    self_owned transfer yes yes no
    private    read     yes no  no
    private    write    yes no  no
    private    invoke   yes no  no
    private    execute  yes no  no
    private    delete   yes no  no
    private    transfer yes no  no
    public     read     yes yes yes
    public     write    yes yes yes
    public     invoke   yes yes yes
    public     execute  yes yes yes
    public     delete   yes yes yes
    public     transfer yes yes yes
";

/// The op that asks for a permission, on the artifact `x`.
fn op_asking(action: &str) -> serde_json::Value {
    match action {
        "read" => json!({ "op": "read", "artifact": "x" }),
        "write" => json!({ "op": "write", "artifact": "x", "content": "new" }),
        "delete" => json!({ "op": "delete", "artifact": "x" }),
        "transfer" => json!({ "op": "transfer_ownership", "artifact": "x", "to": "stranger" }),
        _ => json!({ "op": "invoke", "artifact": "x", "method": "hello" }),
    }
}

#[test]
fn native_contracts_decide_as_their_table_says() {
    for row in NATIVE.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (contract, action) = (words[0], words[1]);
        for (who, says) in ["owner", "x", "stranger"].into_iter().zip(&words[2..]) {
            let mut toy: Toy = check(&format!(
                "world: owner, stranger
                 artifact x by owner scrip 0 contract genesis_contract_{contract} code {{'hello': [['return', 'hi']]}}"
            ));
            let asked = toy
                .act(who, &json!({ "op": "query", "what": "permission", "action": action, "target": "x" }));
            let allowed = &asked.outcome.result()["allowed"];
            let done = toy.act(who, &op_asking(action));
            let refused = done.refusal().map(|refusal| refusal.code.as_str());
            assert_eq!(*allowed, *says == "yes", "{row}: {who}");
            assert_eq!(refused, (*says == "no").then_some("permission_denied"), "{row}: {who}");
        }
    }
}

#[test]
fn a_denial_names_who_what_and_why() {
    check(
        r#"
        world: alice, bob
        artifact free by alice
        artifact priv by alice contract genesis_contract_private
        artifact own by alice contract genesis_contract_self_owned
        bob write {"artifact": "free"} -> permission_denied "`bob` may not write `free`: only the owner may do this; anyone may read and invoke"
        bob edit {"artifact": "free", "field": "content", "old": "a", "new": "b"} -> permission_denied "`bob` may not write `free`"
        bob set_contract {"artifact": "free", "contract": "genesis_contract_public"} -> permission_denied "`bob` may not write `free`"
        bob delete {"artifact": "free"} -> permission_denied "`bob` may not delete `free`"
        bob transfer_ownership {"artifact": "free", "to": "bob"} -> permission_denied "`bob` may not transfer `free`"
        bob read {"artifact": "priv"} -> permission_denied "`bob` may not read `priv`: only the owner may"
        bob invoke {"artifact": "own"} -> permission_denied "`bob` may not invoke `own`: only the artifact itself and its owner may"
        bob query {"what": "artifact", "artifact": "priv"} -> ok ~{"id": "priv"}
        # Ownership moves the right, creation gives none.
        alice transfer_ownership {"artifact": "priv", "to": "bob"} -> ok
        alice read {"artifact": "priv"} -> permission_denied
        bob read {"artifact": "priv"} -> ok
        "#,
    );
}

#[test]
fn custom_contracts_allow_deny_and_tell_why() {
    check(
        r#"
        world: alice 10, bob, carl
        artifact by_action by carl code [['if', '$arg1', 'read', [['return', {'allowed': true}]]], ['return', {'allowed': false, 'reason': 'ask carl first'}]]
        artifact mute by carl code [['return', {'allowed': false}]]
        artifact sees by carl code [['return', {'allowed': false, 'reason': '$arg3.method'}]]
        artifact asked by carl code [['print', 'considered'], ['return', {'allowed': '$arg3.change'}]]
        artifact doc by alice contract by_action content hi
        artifact shut by alice contract mute
        artifact tool by alice contract sees code [['return', 1]]
        bob read {"artifact": "doc"} -> ok ~{"content": "hi"}
        bob delete {"artifact": "doc"} -> permission_denied "`bob` may not delete `doc`: ask carl first"
        # No bypass for the owner, nor for the contract's owner.
        alice write {"artifact": "doc", "content": "x"} -> permission_denied "`alice` may not write `doc`: ask carl first"
        alice set_contract {"artifact": "doc", "contract": "genesis_contract_public"} -> permission_denied
        alice transfer_ownership {"artifact": "doc", "to": "alice"} -> permission_denied
        carl delete {"artifact": "doc"} -> permission_denied
        alice read {"artifact": "shut"} -> permission_denied "`alice` may not read `shut`: no reason was given"
        bob invoke {"artifact": "tool", "method": "greet"} -> permission_denied "`bob` may not invoke `tool`: greet"
        alice query {"what": "permission", "as": "bob", "action": "write", "target": "doc"} -> ok {"allowed": false, "reason": "ask carl first", "cost": 0, "contract": "by_action"}
        observer {"what": "permission", "as": "bob", "action": "execute", "target": "doc"} -> ok ~{"allowed": false}
        "#,
    );
}

#[test]
fn contracts_are_told_what_is_asked() {
    check(
        r#"
        world: alice, bob
        artifact spy by alice scrip 0 code [['return', {'allowed': true, 'state_updates': {'asked': ['$arg0', '$arg1', '$arg2', '$arg3', '$call.caller', '$call.origin', '$me']}}]]
        artifact look by alice contract genesis_contract_public code [['return', null]]
        artifact doc by alice kind memo contract spy content hello code [['return', 1]]
        artifact via by bob code [['call', 'invoke', ['doc', 7], {'method': 'run'}], ['return', '$last']]
        bob write {"artifact": "doc", "content": "1234", "price": 3, "metadata": {"a": 1}} -> ok
        alice write {"artifact": "spy", "code": "{'check_permission': [['return', {'allowed': true, 'state_updates': {'asked': ['$arg0', '$arg1', '$arg2', '$arg3', '$call.caller', '$call.origin', '$me']}}]], 'told': [['call', 'storage_get', ['asked']], ['return', '$last']]}"} -> ok
        bob write {"artifact": "doc", "content": "1234", "price": 0, "metadata": {"a": 1}} -> ok
        alice invoke {"artifact": "spy", "method": "told"} -> ok ["bob", "write", "doc", {"owner": "alice", "creator": "alice", "artifact_type": "memo", "artifact_id": "doc", "origin": "bob", "method": null, "args": [], "pay": 0, "now": "2026-01-01T00:00:00.000Z", "change": {"content": 4, "price": 0, "metadata": 7}}, "bob", "bob", "spy"]
        alice invoke {"artifact": "via"} -> ok 1
        alice invoke {"artifact": "spy", "method": "told"} -> ok ["via", "invoke", "doc", {"owner": "alice", "creator": "alice", "artifact_type": "memo", "artifact_id": "doc", "origin": "alice", "method": "run", "args": [7], "pay": 0, "now": "2026-01-01T00:00:00.000Z"}, "via", "alice", "spy"]
        bob edit {"artifact": "doc", "field": "content", "old": "1234", "new": "56"} -> ok
        alice invoke {"artifact": "spy", "method": "told"} -> ok ~["bob", "write", "doc", {"change": {"content": 2}}, "bob", "bob", "spy"]
        # Asking changes nothing.
        alice query {"what": "permission", "as": "carl", "action": "read", "target": "doc"} -> not_found
        alice query {"what": "permission", "as": "via", "action": "read", "target": "doc"} -> ok ~{"allowed": true}
        alice invoke {"artifact": "spy", "method": "told"} -> ok ~["bob", "write", "doc", {}, "bob", "bob", "spy"]
        "#,
    );
}

/// Wrong answers of a contract, and the message to its owner.
const WRONG_SHAPES: &str = r#"
    null                                             -> it returned no dict
    true                                             -> it returned no dict
    'yes'                                            -> it returned no dict
    []                                               -> it returned no dict
    {}                                               -> `allowed` is not True or False
    {'allowed': null}                                -> `allowed` is not True or False
    {'allowed': 1}                                   -> `allowed` is not True or False
    {'allowed': 'true'}                              -> `allowed` is not True or False
    {'allowed': true, 'reason': 5}                   -> `reason` is not a string
    {'allowed': true, 'cost': -1}                    -> `cost` is not an integer of at least 0
    {'allowed': true, 'cost': 1.5}                   -> `cost` is not an integer of at least 0
    {'allowed': true, 'cost': '5'}                   -> `cost` is not an integer of at least 0
    {'allowed': true, 'cost': true}                  -> `cost` is not an integer of at least 0
    {'allowed': true, 'cost': 9223372036854775808}   -> `cost` is not an integer of at least 0
    {'allowed': true, 'recipient': 5}                -> `recipient` is not an id
    {'allowed': true, 'cost': 1, 'recipient': 'a b'} -> `recipient`: an id can't hold ' '; use letters, digits and `_ . : -`
    {'allowed': true, 'cost': 1, 'recipient': 'zz'}  -> `recipient`: there is no artifact `zz`
    {'allowed': true, 'cost': 1, 'recipient': 'x'}   -> `recipient`: `x` has no standing
    {'allowed': true, 'state_updates': []}           -> `state_updates` is not a dict
    {'allowed': 1}                                   -> `allowed` is not True or False
    {'allowed': true, 'alowed': false}               -> it returned the unknown key `alowed`; the keys are allowed, reason, cost, recipient, cost_model, shares, state_updates, cache
    {'allowed': true, 'cost_model': 'ownr_pays'}     -> `cost_model` is none of invoker_pays, owner_pays, artifact_pays, split, and not {"payer": an id}
    {'allowed': true, 'cost_model': 5}               -> `cost_model` is none of invoker_pays, owner_pays, artifact_pays, split, and not {"payer": an id}
    {'allowed': true, 'cost_model': {}}              -> `cost_model` is none of invoker_pays, owner_pays, artifact_pays, split, and not {"payer": an id}
    {'allowed': true, 'cost_model': {'payer': 5}}    -> `cost_model` is none of invoker_pays, owner_pays, artifact_pays, split, and not {"payer": an id}
    {'allowed': true, 'cost_model': {'payer': 'bob', 'x': 1}} -> `cost_model` is none of invoker_pays, owner_pays, artifact_pays, split, and not {"payer": an id}
    {'allowed': true, 'cost_model': {'payer': 'zz'}} -> `cost_model`: there is no artifact `zz`
    {'allowed': true, 'cost_model': {'payer': 'x'}}  -> `cost_model`: `x` has no standing
    {'allowed': true, 'cost': 1, 'cost_model': 'artifact_pays'} -> `cost_model`: `x` has no standing
    {'allowed': true, 'cost_model': 'split'}         -> `shares` is not as {"invoker": 1, "owner": 3}: integers of at least 0, not all of them 0
    {'allowed': true, 'cost_model': 'split', 'shares': {'invoker': 0}} -> `shares` is not as {"invoker": 1, "owner": 3}: integers of at least 0, not all of them 0
    {'allowed': true, 'cost_model': 'split', 'shares': {'owner': -1, 'invoker': 2}} -> `shares` is not as {"invoker": 1, "owner": 3}: integers of at least 0, not all of them 0
    {'allowed': true, 'cost_model': 'split', 'shares': {'owner': 1.5}} -> `shares` is not as {"invoker": 1, "owner": 3}: integers of at least 0, not all of them 0
    {'allowed': true, 'cost_model': 'split', 'shares': {'carl': 1}} -> `shares` is not as {"invoker": 1, "owner": 3}: integers of at least 0, not all of them 0
    {'allowed': true, 'shares': {'owner': 1}}        -> `shares` goes with the `cost_model` `split`
    {'allowed': true, 'cache': 60}                   -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'cache': {}}                   -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'cache': {'ttl': -1}}          -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'cache': {'ttl': 1.5}}         -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'cache': {'ttl': 'soon'}}      -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'cache': {'ttl': 1, 'key': ['weather']}} -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'cache': {'ttl': 1, 'keys': []}} -> `cache` is not as {"ttl": "60s", "key": ["caller", …]}; the words of `key` are caller, action, origin, method, args, pay, change, owner, balance
    {'allowed': true, 'state_updates': {'': 1}}      -> `state_updates`: a key is empty or longer than 256 bytes
"#;

#[test]
fn a_contract_that_fails_denies_and_its_owner_is_told() {
    let rows = WRONG_SHAPES.lines().filter_map(|line| line.split_once("->"));
    let mut cases: Vec<(String, String)> =
        rows.map(|(shape, why)| (format!("[['return', {}]]", shape.trim()), why.trim().into())).collect();
    let fails = [
        ("[['raise', 'oh no']]", "RuntimeError: oh no"),
        ("[['fail', 'memory']]", "ToyError: memory"),
        ("[['fail', 'died']]", "ToyError: died"),
        ("[['work', 200001]]", "TimeoutError: too much work"),
    ];
    cases.extend(fails.map(|(code, why)| (code.to_owned(), why.to_owned())));
    for (code, why) in cases {
        check(&format!(
            r#"
            world: alice 10, bob 10
            artifact c by bob code {code}
            artifact x by alice contract c
            alice read {{"artifact": "x"}} -> permission_denied "`alice` may not read `x`: its contract `c` failed while it decided" "`bob`, who owns the contract, is told what went wrong" ; paid ; events contract_error alice c {why}
            "#
        ));
    }
    let long = "k".repeat(257);
    check(&format!(
        r#"
        world: alice, bob
        artifact c by bob code [['return', {{'allowed': true, 'state_updates': {{'{long}': 1}}}}]]
        artifact x by alice contract c
        alice read {{"artifact": "x"}} -> permission_denied "failed while it decided"
        "#
    ));
}

#[test]
fn an_answer_may_name_what_is_so_anyway() {
    check(
        r#"
        world: alice, bob
        artifact c by bob code [['return', {'allowed': true, 'reason': null, 'cost': null, 'recipient': null, 'cost_model': 'invoker_pays', 'state_updates': null, 'cache': null}]]
        artifact x by alice contract c
        bob read {"artifact": "x"} -> ok
        "#,
    );
}

#[test]
fn only_what_decides_can_be_a_contract() {
    check(
        r#"
        world: alice, bob
        artifact tool by bob code {'run': [['return', 1]]}
        artifact own by alice contract own code {'check_permission': [['return', {'allowed': true}]], 'run': []}
        artifact x by alice
        alice write {"artifact": "a", "code": "{'run': []}"} -> ok
        alice write {"artifact": "y", "access_contract": "a"} -> invalid_argument "`a` can't be a contract: it has no code that defines `check_permission`" "`handbook_contracts`"
        alice write {"artifact": "y", "access_contract": "tool"} -> invalid_argument "`tool` can't be a contract"
        alice set_contract {"artifact": "x", "contract": "tool"} -> invalid_argument "`tool` can't be a contract"
        alice write {"artifact": "x", "access_contract": "x"} -> invalid_argument "`x` can't be a contract"
        alice write {"artifact": "x", "access_contract": "x", "code": "{'run': []}"} -> invalid_argument "`x` can't be a contract"
        alice write {"artifact": "e", "access_contract": "e", "code": "{'run': []}"} -> invalid_argument "`e` can't be a contract"
        alice write {"artifact": "e", "access_contract": "e", "code": "{'check_permission': [['return', {'allowed': true}]]}"} -> ok
        bob read {"artifact": "e"} -> ok
        alice [{"op": "write", "artifact": "c", "code": "{'check_permission': [['return', {'allowed': false}]]}"}, {"op": "write", "artifact": "z", "access_contract": "c"}] -> ok
        bob read {"artifact": "z"} -> permission_denied
        alice edit {"artifact": "a", "field": "code", "old": "run", "new": "check_permission"} -> ok
        alice write {"artifact": "y", "access_contract": "a"} -> ok
        alice set_contract {"artifact": "own", "contract": "own"} -> ok
        alice write {"artifact": "own", "code": "{'run': []}"} -> invalid_argument "`own` is its own contract, so its code must define `check_permission`" "`set_contract`"
        alice write {"artifact": "own", "code": null} -> invalid_argument "`own` is its own contract"
        alice edit {"artifact": "own", "field": "code", "old": "check_permission", "new": "chek"} -> invalid_argument "`own` is its own contract"
        alice write {"artifact": "own", "code": "{'run': []}", "access_contract": "genesis_contract_freeware"} -> ok
        alice set_contract {"artifact": "own", "contract": "own"} -> invalid_argument "can't be a contract"
        "#,
    );
}

#[test]
fn a_contract_that_no_longer_decides_denies() {
    // Nobody can keep a stranger from changing the stranger's own code by naming it as a contract.
    check(
        r#"
        world: alice, bob
        artifact c by bob code {'check_permission': [['return', {'allowed': true}]]}
        artifact x by alice contract c
        bob read {"artifact": "x"} -> ok
        bob write {"artifact": "c", "code": "{'run': []}"} -> ok
        bob read {"artifact": "x"} -> permission_denied "its contract `c` failed while it decided" ; events contract_error bob c it defines no function `check_permission`
        alice write {"artifact": "y", "access_contract": "c"} -> invalid_argument "`c` can't be a contract"
        "#,
    );
}

#[test]
fn a_contract_without_code_denies() {
    check(
        r#"
        world: alice, bob
        artifact c by bob code [['return', {'allowed': true}]]
        artifact x by alice contract c
        alice write {"artifact": "y", "access_contract": "alice"} -> invalid_argument "`alice` can't be a contract: it has no code"
        alice write {"artifact": "y", "access_contract": "y"} -> invalid_argument "`y` can't be a contract"
        alice write {"artifact": "y", "access_contract": "nope"} -> not_found "`nope`"
        alice set_contract {"artifact": "x", "contract": "alice"} -> invalid_argument "can't be a contract"
        alice set_contract {"artifact": "x", "contract": "nope"} -> not_found
        bob write {"artifact": "c", "code": null} -> ok
        alice read {"artifact": "x"} -> permission_denied "its contract `c` failed" ; events contract_error alice c it has no code
        "#,
    );
}

#[test]
fn a_missing_contract_is_freeware_or_denies() {
    for (rule, read) in [
        ("missing deny", "permission_denied \"its access contract does not exist\""),
        ("renewal tick 60s", "ok"),
    ] {
        check(&format!(
            r#"
            rules: {rule}
            world: alice, bob
            artifact c by bob
            artifact x by alice
            bob delete {{"artifact": "c"}} -> ok
            orphan x by c
            bob read {{"artifact": "x"}} -> {read} ; events missing_contract bob x its access contract does not exist
            bob write {{"artifact": "x"}} -> permission_denied ; events missing_contract bob x its access contract does not exist
            bob query {{"what": "permission", "action": "write", "target": "x"}} -> ok ~{{"allowed": false, "contract": "c"}}
            "#
        ));
    }
}

#[test]
fn a_contract_may_ask_a_price() {
    check(
        r#"
        world: alice 20, bob 0, carl 0
        artifact toll by carl code [['return', {'allowed': true, 'cost': 4, 'reason': 'toll'}]]
        artifact fee by carl code [['return', {'allowed': true, 'cost': 4, 'recipient': 'carl'}]]
        artifact never by carl code [['return', {'allowed': false, 'cost': 4}]]
        artifact road by bob contract toll price 3 code [['return', 1]]
        artifact lane by bob contract fee content x
        artifact wall by bob contract never
        alice read {"artifact": "road"} -> limit_exceeded 4/0 "this `read` may spend 0" "`max_spend`, at least 4" ; paid
        alice read {"artifact": "road", "max_spend": 4} -> ok ; paid alice>bob 4 contract_cost
        bob read {"artifact": "road"} -> ok ; paid
        alice invoke {"artifact": "road"} -> limit_exceeded 4/3
        alice invoke {"artifact": "road", "max_spend": 6} -> limit_exceeded 7/6 ; paid
        alice invoke {"artifact": "road", "max_spend": 7} -> ok ; paid alice>bob 4 contract_cost, alice>bob 3 price
        alice read {"artifact": "lane", "max_spend": 4} -> ok ; paid alice>carl 4 contract_cost
        alice read {"artifact": "wall", "max_spend": 9} -> permission_denied ; paid
        alice query {"what": "permission", "action": "read", "target": "lane"} -> ok {"allowed": true, "reason": "", "cost": 4, "contract": "fee"} ; paid
        alice read {"artifact": "lane", "max_spend": 4} -> ok ; paid alice>carl 4 contract_cost
        alice read {"artifact": "lane", "max_spend": 4} -> insufficient_scrip 4/1
        balances alice 1, bob 11, carl 8
        "#,
    );
}

#[test]
fn contracts_that_ask_each_other_in_a_ring_deny() {
    check(
        r#"
        world: alice 10, bob
        artifact c1 by bob code [['call', 'read', ['x2']], ['return', {'allowed': true}]]
        artifact c2 by bob code [['try', 'read', ['x1']], ['return', {'allowed': false, 'reason': '$last'}]]
        artifact c3 by bob code [['call', 'invoke', ['t3']], ['return', {'allowed': true}]]
        artifact x1 by bob contract c1
        artifact x2 by bob contract c2
        artifact t3 by bob contract c3 code [['return', 1]]
        artifact loop by bob code [['call', 'invoke', ['loop']]]
        alice read {"artifact": "x1"} -> permission_denied "`alice` may not read `x1`: its contract `c1` failed while it decided" "`bob`, who owns the contract, is told what went wrong"
        alice read {"artifact": "x2"} -> permission_denied "`alice` may not read `x2`: permission_denied: `c2` may not read `x1`"
        alice invoke {"artifact": "t3"} -> permission_denied "its contract `c3` failed"
        alice invoke {"artifact": "loop"} -> depth_exceeded 6/5 "invocations nest at most 5 deep"
        "#,
    );
}

#[test]
fn a_contract_keeps_so_much_and_no_more() {
    // With its key and 16 bytes, and its quotes, a value of 32,000 letters takes 32,019 bytes: two of them fit.
    let value = "v".repeat(32_000);
    check(&format!(
        r#"
        world: alice 10, bob
        artifact big by bob content {value}
        artifact log by bob code {{'check_permission': [['call', 'read', ['big']], ['set', 'v', '$last.content'], ['call', 'storage_list'], ['if', '$last', [], [['return', {{'allowed': true, 'state_updates': {{'a': '$v'}}}}]]], ['if', '$last', ['a'], [['return', {{'allowed': true, 'state_updates': {{'b': '$v'}}}}]]], ['if', '$arg0', 'bob', [['return', {{'allowed': true, 'state_updates': {{'b': null}}}}]]], ['return', {{'allowed': true, 'cost': 1, 'state_updates': {{'c': '$v'}}}}]], 'keys': [['call', 'storage_list'], ['return', '$last']], 'more': [['call', 'storage_set', ['d', '$arg0']], ['call', 'storage_set', ['e', '$arg0']]]}}
        artifact doc by bob contract log content x
        alice read {{"artifact": "doc"}} -> ok
        alice read {{"artifact": "doc"}} -> ok
        alice read {{"artifact": "doc", "max_spend": 9}} -> permission_denied "its contract `log` failed" ; paid ; events contract_error alice log `state_updates`: its storage would grow to 96057 bytes; the most is 65536
        alice invoke {{"artifact": "log", "method": "keys"}} -> ok ["a", "b"]
        alice invoke {{"artifact": "log", "method": "more", "args": ["{value}"]}} -> ok
        bob read {{"artifact": "doc"}} -> ok  # what does not grow it is no matter
        alice invoke {{"artifact": "log", "method": "keys"}} -> ok ["a", "d", "e"]
        "#
    ));
}

#[test]
fn a_contract_is_told_what_is_called_and_paid() {
    check(
        r#"
        world: alice 10, bob
        artifact args by bob code [['return', {'allowed': false, 'reason': '$arg3.args.1.k'}]]
        artifact pay by bob code [['if', '$arg3.pay', 7, [['return', {'allowed': false, 'reason': 'seven'}]]], ['if', '$arg3.pay', 0, [['return', {'allowed': false, 'reason': 'nothing'}]]], ['return', {'allowed': true}]]
        artifact none by bob code [['if', '$arg3.args', [], [['return', {'allowed': false, 'reason': 'no args'}]]], ['return', {'allowed': true}]]
        artifact sized by bob code [['if', '$arg3.change.content', 3, [['return', {'allowed': false, 'reason': 'three bytes'}]]], ['return', {'allowed': true}]]
        artifact t1 by bob scrip 0 contract args code [['return', 1]]
        artifact t2 by bob scrip 0 contract pay code [['return', 1]]
        artifact t3 by bob scrip 0 contract none code [['return', 1]]
        artifact t4 by bob contract sized
        artifact gift by alice contract none
        artifact box by bob scrip 0 code [['return', 1]]
        alice invoke {"artifact": "t1", "args": [1, {"k": "word"}], "method": "run"} -> permission_denied "may not invoke `t1`: word"
        alice invoke {"artifact": "t2", "pay": 7} -> permission_denied "seven"
        alice invoke {"artifact": "t2"} -> permission_denied "nothing"
        alice read {"artifact": "t2"} -> permission_denied "nothing"
        alice read {"artifact": "t3"} -> permission_denied "no args"
        alice invoke {"artifact": "t3"} -> permission_denied "no args"
        alice invoke {"artifact": "t3", "args": [1]} -> ok 1
        alice write {"artifact": "t4", "content": "abc"} -> permission_denied "three bytes"
        alice invoke {"artifact": "box", "args": [1], "give": ["gift"]} -> permission_denied "may not transfer `gift`: no args"
        "#,
    );
}

#[test]
fn state_updates_apply_with_the_action_only() {
    check(
        r#"
        world: alice 10, bob
        artifact log by bob code {'check_permission': [['call', 'storage_get', ['n', 0]], ['if', '$last', 1, [['return', {'allowed': true, 'state_updates': {'n': null, 'm': 2}}]]], ['return', {'allowed': true, 'state_updates': {'n': 1}}]], 'keys': [['call', 'storage_list'], ['return', '$last']]}
        artifact doc by alice contract log content x
        alice invoke {"artifact": "log", "method": "keys"} -> ok []
        alice [{"op": "read", "artifact": "doc"}, {"op": "read", "artifact": "nope"}] -> not_found @1
        alice invoke {"artifact": "log", "method": "keys"} -> ok []
        alice read {"artifact": "doc"} -> ok
        alice invoke {"artifact": "log", "method": "keys"} -> ok ["n"]
        alice read {"artifact": "doc"} -> ok
        alice invoke {"artifact": "log", "method": "keys"} -> ok ["m"]
        "#,
    );
}

#[test]
fn a_contract_looks_and_never_changes_anything() {
    for (call, named) in [
        ("'write', ['z', 'x']", "write"),
        ("'edit', ['doc', 'content', 'x', 'y']", "edit"),
        ("'delete', ['doc']", "delete"),
        ("'transfer', ['bob', 1]", "transfer"),
        ("'pay', ['bob', 1]", "transfer"),
        ("'transfer_ownership', ['doc', 'bob']", "transfer_ownership"),
        ("'set_contract', ['doc', 'genesis_contract_public']", "set_contract"),
        ("'store', ['k', 1]", "store"),
        ("'storage_set', ['k', 1]", "store"),
        ("'storage_delete', ['k']", "store"),
        ("'run', ['[]']", "run"),
        ("'mandate', ['bob', 1, 1, '1h']", "mandate"),
        ("'charge', ['alice', 1]", "charge"),
        ("'invoke', ['mutates']", "store"),
    ] {
        check(&format!(
            r#"
            world: alice 10, bob
            artifact mutates by bob scrip 5 code [['call', 'store', ['k', 1]]]
            artifact c by bob scrip 5 code [['try', {call}], ['return', {{'allowed': false, 'reason': '$last'}}]]
            artifact doc by bob contract c content x
            alice read {{"artifact": "doc"}} -> permission_denied "permission_denied: `{named}` changes the world; this code only reads" ; paid
            "#
        ));
    }
    check(
        r#"
        world: alice 10, bob 3
        artifact shop by bob scrip 0 code [['return', 1]]
        artifact gift by bob
        artifact c by bob scrip 5 code [['try', 'invoke', ['shop'], {'pay': 1}], ['return', {'allowed': false, 'reason': '$last'}]]
        artifact d by bob scrip 5 code [['try', 'invoke', ['shop'], {'give': ['gift']}], ['return', {'allowed': false, 'reason': '$last'}]]
        artifact rich by bob code [['call', 'get_balance', ['$arg0']], ['if', '$last', 10, [['return', {'allowed': true}]]], ['return', {'allowed': false, 'reason': 'too poor'}]]
        artifact book by bob code [['call', 'ledger.principal_exists', ['nobody']], ['set', 'a', '$last'], ['call', 'ledger.get_scrip', ['$arg0']], ['set', 'b', '$last'], ['call', 'ledger.can_afford_scrip', ['$arg0', 11]], ['set', 'c', '$last'], ['call', 'ledger.get_all_resources', ['$arg0']], ['set', 'd', '$last'], ['call', 'get_artifact_info', ['$arg2']], ['call', 'invoke', ['answer', ['$a', '$b', '$c', '$last.owner']]], ['return', {'allowed': false, 'reason': '$last'}]]
        artifact answer by bob code [['if', '$arg0', [false, 10, false, 'bob'], [['return', 'as it should be']]], ['return', 'wrong']]
        artifact x1 by bob contract c
        artifact x2 by bob contract d
        artifact x3 by bob contract rich
        artifact x4 by bob contract book
        alice read {"artifact": "x1"} -> permission_denied "`pay` changes the world; this code only reads"
        alice read {"artifact": "x2"} -> permission_denied "`give` changes the world; this code only reads"
        alice read {"artifact": "x3"} -> ok
        bob read {"artifact": "x3"} -> permission_denied "too poor"
        alice read {"artifact": "x4"} -> permission_denied "as it should be"
        "#,
    );
}

#[test]
fn checks_nest_to_a_depth() {
    // Each contract reads the next artifact, whose contract it must ask: c10 asks c9, and so on.
    for (depth, ends) in [(9, "ok"), (10, "ok"), (11, "permission_denied \"its contract `c11` failed\"")] {
        let mut text = String::from("world: alice, bob\n");
        text.push_str("artifact x0 by bob\n");
        for at in 1..=depth {
            let below = at - 1;
            text.push_str(&format!(
                "artifact c{at} by bob code [['call', 'read', ['x{below}']], ['return', {{'allowed': true}}]]\n\
                 artifact x{at} by bob contract c{at}\n"
            ));
        }
        text.push_str(&format!("alice read {{\"artifact\": \"x{depth}\"}} -> {ends}\n"));
        check(&text);
    }
    check(
        r#"
        world: alice, bob
        artifact c by bob contract c code [['try', 'read', ['c']], ['return', {'allowed': false, 'reason': '$last'}]]
        alice read {"artifact": "c"} -> permission_denied "may not read `c`: Permission check depth exceeded" "at most 10 deep; `c` may ask in a ring"
        "#,
    );
}
