//! Messages of code: those who may not read code are told its author's words, and nothing that the
//! interpreter or the kernel would add of its lines, names and values.

use super::door::check;

/// Bob's `vault` may be invoked and not read; `open` may be read; `through` calls the vault, and may be read.
const WORLD: &str = r#"
    world: alice 9, bob 9, carl 9
    artifact use_only by bob code {'check_permission': [['if', '$arg1', 'invoke', [['return', {'allowed': true}]]], ['return', {'allowed': false, 'reason': 'use only'}]]}
    artifact write_only by bob code {'check_permission': [['if', '$arg1', 'write', [['return', {'allowed': true}]]], ['return', {'allowed': false, 'reason': 'write only'}]]}
    artifact vault by bob scrip 1 contract use_only code {'run': [['raise', 'too low']], 'fault': [['fault', 'hidden_key']], 'shape': [['fail', 'not_json']], 'ends': [['fail', 'memory']], 'pays': [['call', 'pay', ['carl', 4711]]], 'asks': [['call', 'invoke', ['secret_partner']]], 'takes': [['call', 'invoke', ['paid']]], 'snippet': [['call', 'run', ['a secret']]], 'writes': [['call', 'write', ['z'], {'code': 'a syntax error'}]], 'backdoor_for_carl': []}
    artifact paid by carl price 3 code [['return', 1]]
    artifact open by bob code {'run': [['fault', 'shown_key']], 'asks': [['call', 'invoke', ['no_partner']]]}
    artifact through by carl code {'run': [['call', 'invoke', ['vault'], {'method': '$arg0', 'max_spend': 9}]], 'tries': [['call', 'attempt', ['invoke', 'vault'], {'method': '$arg0'}], ['return', '$last.error']], 'catches': [['try', 'invoke', ['vault'], {'method': '$arg0'}], ['return', '$last']]}
    artifact draft by bob contract write_only code ['a secret', 'line']
"#;

fn in_world(script: &str) {
    check(&format!("{WORLD}\n{script}"));
}

#[test]
fn its_author_s_words_are_told_and_the_interpreter_s_are_not() {
    in_world(
        r#"
        alice read {"artifact": "vault", "code": true} -> permission_denied "use only"
        alice invoke {"artifact": "vault"} -> code_error "in `vault`: RuntimeError: too low"
        alice invoke {"artifact": "vault", "method": "fault"} -> code_error "KeyError"
        alice invoke {"artifact": "vault", "method": "ends"} -> memory_exceeded
        alice invoke {"artifact": "open"} -> code_error "KeyError: shown_key"
        "#,
    );
    for (artifact, method, hides) in [
        ("vault", "fault", true),
        ("vault", "shape", true),
        ("vault", "pays", true),
        ("vault", "asks", true),
        ("vault", "snippet", true),
        ("vault", "writes", true),
        ("vault", "nothing", true),
        ("open", "run", false),
        ("open", "asks", false),
        ("open", "nothing", false),
    ] {
        let said =
            told(&format!(r#"alice {{"op": "invoke", "artifact": "{artifact}", "method": "{method}"}}"#));
        let shows =
            ["hidden", "secret", "4711", "backdoor", "syntax", "ToyError", "shown_key", "no_partner", "run"];
        let found: Vec<&str> = shows.into_iter().filter(|word| said.contains(word)).collect();
        assert_eq!(found.is_empty(), hides, "{artifact}.{method}: {said} shows {found:?}");
    }
}

/// The error that an action ends with, as text.
fn told(line: &str) -> String {
    let (who, action) = line.trim().split_once(' ').unwrap();
    let mut toy = check(WORLD);
    let receipt = toy.act(who, &serde_json::from_str(action).unwrap());
    receipt.refusal().unwrap().to_json().to_string()
}

#[test]
fn a_failure_that_passes_through_other_code_stays_discreet() {
    for method in ["fault", "shape", "pays", "asks", "snippet", "writes", "nothing"] {
        let through = format!(r#"alice {{"op": "invoke", "artifact": "through", "args": ["{method}"]}}"#);
        let said = told(&through);
        for word in ["hidden", "secret", "4711", "backdoor", "syntax", "ToyError"] {
            assert!(!said.contains(word), "{method}: {said}");
        }
        for way in ["tries", "catches"] {
            let mut toy = check(WORLD);
            let action =
                serde_json::json!({ "op": "invoke", "artifact": "through", "method": way, "args": [method] });
            let said = toy.act("alice", &action).outcome.result().to_string();
            for word in ["hidden", "secret", "4711", "backdoor", "syntax", "ToyError"] {
                assert!(!said.contains(word), "{way} {method}: {said}");
            }
        }
    }
}

#[test]
fn a_refusal_inside_keeps_its_code_and_tells_the_payer_what_it_lacks() {
    in_world(
        r#"
        alice invoke {"artifact": "vault", "method": "pays"} -> insufficient_scrip "in `vault`: an op of its code was refused as `insufficient_scrip`"
        alice invoke {"artifact": "vault", "method": "asks"} -> not_found "in `vault`: an op of its code was refused as `not_found`"
        alice invoke {"artifact": "vault", "method": "takes"} -> limit_exceeded 3/0 "`max_spend`, at least 3"
        alice invoke {"artifact": "open", "method": "asks"} -> not_found "there is no artifact `no_partner`"
        bob invoke {"artifact": "through", "args": ["pays"]} -> insufficient_scrip "an op of its code was refused"
        "#,
    );
}

#[test]
fn a_wrong_method_names_others_to_readers_and_the_interface_to_all() {
    in_world(
        r#"
        alice invoke {"artifact": "vault", "method": "x"} -> not_found "in `vault`: it defines no function `x`" "its code can't be read, and it has no `interface`"
        alice invoke {"artifact": "open", "method": "x"} -> not_found "it defines run, asks"
        alice write {"artifact": "mine", "code": "{}", "access_contract": "genesis_contract_private"} -> ok
        alice invoke {"artifact": "mine", "method": "x"} -> not_found "its code defines no function that can be called"
        alice write {"artifact": "listed", "code": "{'sell': [], 'hide': []}", "interface": [{"name": "sell"}]} -> ok
        alice set_contract {"artifact": "listed", "contract": "use_only"} -> ok
        bob invoke {"artifact": "listed", "method": "x"} -> not_found "its interface lists sell"
        "#,
    );
}

#[test]
fn who_edits_without_reading_is_shown_no_line() {
    in_world(
        r#"
        carl edit {"artifact": "draft", "field": "code", "old": "line", "new": "syntax error"} -> invalid_code "SyntaxError"
        carl write {"artifact": "draft", "code": "my syntax error"} -> invalid_code "SyntaxError: invalid syntax"
        "#,
    );
    let said = told(
        r#"carl {"op": "edit", "artifact": "draft", "field": "code", "old": "line", "new": "syntax error"}"#,
    );
    assert!(!said.contains("secret"), "{said}");
}
