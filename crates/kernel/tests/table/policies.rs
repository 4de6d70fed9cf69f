//! Worlds that go by policies: lists beneath the owner, at the one place where permissions are asked.

use serde_json::json;

use crate::door::check;

/// A policy, what is done, and the outcome for the owner `olga`, the listed `alice` and the stranger `sam`.
const DECIDED: &str = r#"
    null                                        | read     | yes yes yes
    null                                        | invoke   | yes yes yes
    null                                        | write    | yes no  no
    null                                        | delete   | yes no  no
    null                                        | transfer | yes no  no
    {"allow_read": ["alice"]}                   | read     | yes yes no
    {"allow_read": ["alice"]}                   | invoke   | yes yes yes
    {"allow_read": []}                          | read     | yes no  no
    {"allow_invoke": ["alice"]}                 | invoke   | yes yes no
    {"allow_invoke": ["alice"]}                 | execute  | yes yes no
    {"allow_invoke": []}                        | invoke   | yes no  no
    {"allow_write": ["alice"]}                  | write    | yes yes no
    {"allow_write": ["*"]}                      | write    | yes yes yes
    {"allow_write": ["*"]}                      | delete   | yes no  no
    {"allow_write": ["*"], "allow_read": ["*"]} | transfer | yes no  no
"#;

#[test]
fn a_policy_decides_as_the_table_says_and_the_owner_is_above_it() {
    for row in DECIDED.lines().filter(|line| !line.trim().is_empty()) {
        let [policy, action, says] = row.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        for (who, says) in ["olga", "alice", "sam"].into_iter().zip(says.split_whitespace()) {
            let mut toy = check(&format!(
                r#"
                rules: policy
                world: olga, alice, sam
                artifact strict by olga code [['return', {{'allowed': false}}]]
                artifact x by olga contract strict
                olga write {{"artifact": "x", "policy": {policy}, "code": "[['return', 1]]"}} -> ok
                "#
            ));
            let asked = toy
                .act(who, &json!({ "op": "query", "what": "permission", "action": action, "target": "x" }));
            assert_eq!(asked.outcome.result()["contract"], json!(null), "{row}");
            let allowed = asked.outcome.result()["allowed"] == true;
            let op = match action {
                "read" => json!({ "op": "read", "artifact": "x" }),
                "write" => json!({ "op": "write", "artifact": "x", "content": "new" }),
                "delete" => json!({ "op": "delete", "artifact": "x" }),
                "transfer" => json!({ "op": "transfer_ownership", "artifact": "x", "to": "sam" }),
                _ => json!({ "op": "invoke", "artifact": "x" }),
            };
            let done = toy.act(who, &op);
            let code = done.refusal().map(|refusal| refusal.code.as_str());
            assert_eq!(code, (says == "no").then_some("permission_denied"), "{who}: {row}");
            assert_eq!(allowed, says == "yes", "{who}: {row}");
        }
    }
}

#[test]
fn prices_of_a_policy_go_to_the_owner_on_success_only() {
    check(
        r#"
        rules: policy
        world: olga 0, alice 20
        olga write {"artifact": "x", "content": "words", "code": "{'run': [['return', 1]], 'fails': [['raise', 'no']]}", "policy": {"read_price": 2, "invoke_price": 3}} -> ok
        olga query {"what": "artifact", "artifact": "x"} -> ok ~{"price": 3, "policy": {"allow_read": ["*"], "allow_write": [], "allow_invoke": ["*"], "read_price": 2}}
        alice read {"artifact": "x"} -> limit_exceeded 2/0 "`max_spend`, at least 2" ; paid
        alice read {"artifact": "x", "max_spend": 2} -> ok ; paid alice>olga 2 contract_cost ; lines alice 2 scrip contract_cost x olga
        alice invoke {"artifact": "x"} -> ok 1 ; paid alice>olga 3 price
        alice invoke {"artifact": "x", "method": "fails"} -> code_error ; paid
        alice [{"op": "read", "artifact": "x", "max_spend": 2}, {"op": "read", "artifact": "nope"}] -> not_found ; paid
        olga read {"artifact": "x"} -> ok ; paid
        alice query {"what": "quote", "artifact": "x"} -> ok ~{"allowed": true, "contract": null, "max_spend": 3}
        olga write {"artifact": "x", "policy": null} -> ok
        alice read {"artifact": "x"} -> ok ; paid
        alice invoke {"artifact": "x"} -> ok 1 ; paid alice>olga 3 price
        balances olga 8, alice 12
        "#,
    );
}

#[test]
fn policies_are_asked_of_whoever_acts_and_take_room() {
    check(
        r#"
        rules: policy
        resources: disk allocatable
        world: olga 0 disk 350, alice 20 disk 300
        artifact via by alice code [['call', 'read', ['x']], ['return', '$last.content']]
        artifact ask by olga code [['call', 'query', ['permission'], {'action': 'read', 'target': 'x'}], ['return', '$last.allowed']]
        olga write {"artifact": "x", "content": "words", "policy": {"allow_read": ["via"]}} -> ok ~{"size": 101}
        alice read {"artifact": "x"} -> permission_denied "`alice` may not read `x`: its policy's `allow_read` does not name it"
        alice invoke {"artifact": "via"} -> ok "words"
        alice invoke {"artifact": "ask"} -> ok false
        alice query {"what": "search", "text": "words"} -> ok []
        observer {"what": "permission", "as": "via", "action": "read", "target": "x"} -> ok ~{"allowed": true}
        olga write {"artifact": "x", "policy": {"allow_read": ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}} -> quota_exceeded
        olga delete {"artifact": "x"} -> ok
        "#,
    );
}
