//! Calls of language models by code, with a toy model that uses a token for each byte of its prompt.

use oikos_kernel::{limits, resource::ResourceKind, rules::ResourceRule};

use crate::{door::check, toy::TOLD};

#[test]
fn code_calls_a_model_and_its_bearer_is_charged_by_its_use() {
    check(
        r#"
        rules: model local::toy
        resources: llm_budget depletable, llm_tokens renewable 60s, llm_calls renewable 60s
        world: alice 10 llm_budget 5000 llm_tokens 2000 llm_calls 3, bob 0 llm_budget 70 llm_tokens 2000 llm_calls 9
        artifact says by bob code [['call', 'call_llm', ['$arg0'], {'max_output_tokens': 30}], ['return', '$last']]
        artifact own by bob scrip 0 llm_budget 5000 llm_tokens 2000 llm_calls 9 pays self code [['call', 'call_llm', ['hello'], {'max_output_tokens': 30}], ['return', '$last']]
        alice invoke {"artifact": "says", "args": ["hello"]} -> ok "heard hello" ; called says local::toy ; used alice llm_calls 1, alice llm_tokens 5, alice llm_budget 10 ; llm alice 1 llm_calls says, alice 5 llm_tokens says, alice 10 llm_budget says
        # An artifact that pays for itself pays for its calls.
        alice invoke {"artifact": "own"} -> ok "heard hello" ; used own llm_calls 1, own llm_tokens 5, own llm_budget 10
        # A snippet is its principal's own code; a model that is named is asked in the world's place.
        alice run {"code": "[['call', 'call_llm', ['hi', 'other::m', null, 3]], ['return', '$last']]"} -> ok "heard hi" ; called alice other::m ; llm alice 1 llm_calls alice, alice 2 llm_tokens alice, alice 4 llm_budget alice
        # The worst case must be there, though the use would not take it: nobody is asked.
        bob invoke {"artifact": "says", "args": ["hello"]} -> ok ; used bob llm_calls 1, bob llm_tokens 5, bob llm_budget 10
        bob invoke {"artifact": "says", "args": ["hello"]} -> insufficient_resource 70/60 "`bob` may use 60 of `llm_budget` now and needs 70" "get some `llm_budget` by `transfer`" ; called ; used
        # A window that is used up comes back.
        alice invoke {"artifact": "says", "args": ["a"]} -> ok
        alice invoke {"artifact": "says", "args": ["b"]} -> rate_limited 1/0 "of `llm_calls`" "wait 1m" ; called
        advance 60s
        alice invoke {"artifact": "says", "args": ["b"]} -> ok "heard b"
        observer {"what": "resources", "of": "alice"} -> ok ~{"llm_budget": {"kind": "depletable", "balance": 4982}}
        "#,
    );
}

#[test]
fn where_a_world_names_no_resource_of_models_nothing_is_charged() {
    check(
        r#"
        world: alice 10
        alice run {"code": "[['call', 'call_llm', ['hi', 'local::m']], ['return', '$last']]"} -> ok "heard hi" ; used ; called alice local::m
        "#,
    );
    check(
        r#"
        resources: llm_tokens renewable 60s
        world: alice 10 llm_tokens 1000
        alice run {"code": "[['call', 'call_llm', ['hi', 'local::m']], ['return', '$last']]"} -> ok "heard hi" ; used alice llm_tokens 2
        "#,
    );
}

#[test]
fn a_failure_is_raised_with_its_kind_and_can_be_caught() {
    for kind in ["rate_limited", "timeout", "server", "network", "auth", "refused", "length", "invalid"] {
        let tokens = "fail ".len() + kind.len();
        let cost = 2 * tokens;
        check(&format!(
            r#"
            rules: model local::toy
            resources: llm_budget depletable
            world: alice 10 llm_budget 5000, bob
            artifact bold by alice code [['call', 'call_llm', ['fail {kind}']], ['return', 'not reached']]
            artifact careful by alice code [['try', 'call_llm', ['fail {kind}']], ['return', '$last']]
            artifact tries by alice code [['call', 'attempt', ['call_llm', 'fail {kind}']], ['return', '$last']]
            artifact hidden by alice contract genesis_contract_self_owned code [['call', 'call_llm', ['fail {kind}']]]
            alice invoke {{"artifact": "bold"}} -> code_error "llm {kind}: the toy model does not answer" ; used alice llm_budget {cost}
            alice invoke {{"artifact": "careful"}} -> ok "llm {kind}: the toy model does not answer" ; used alice llm_budget {cost}
            alice invoke {{"artifact": "tries"}} -> ok {{"error": {{"code": "code_error", "message": "llm {kind}: the toy model does not answer"}}, "ok": false, "result": null}}
            # The action fails and the use stays charged; what it did is taken back.
            alice [{{"op": "transfer", "to": "bob", "amount": 1}}, {{"op": "invoke", "artifact": "bold"}}] -> code_error @1 "llm {kind}" ; used alice llm_budget {cost} ; paid
            balances alice 10, bob 0
            "#
        ));
    }
}

#[test]
fn an_answer_fits_the_schema_or_is_none() {
    let schema = "{'type': 'object', 'properties': {'n': {'type': 'integer', 'minimum': 1}, 'why': {'type': 'string'}}, 'required': ['n']}";
    let call = |prompt: &str| {
        format!(
            "run {{\"code\": \"[['try', 'call_llm', [{prompt}], {{'schema': {schema}}}], ['return', '$last']]\"}}"
        )
    };
    // In toy code `'` is `"`, and in a prompt there can be none: the prompt comes as an argument.
    check(&format!(
        r#"
        rules: model local::toy
        resources: llm_calls renewable 60s
        world: alice 10 llm_calls 100
        artifact asks by alice code [['try', 'call_llm', ['$arg0'], {{'schema': {schema}}}], ['return', '$last']]
        artifact words by alice code [['try', 'call_llm', ['$arg0'], {{'schema': {{'type': 'string', 'enum': ['yes', 'no']}}}}], ['return', '$last']]
        artifact any by alice code [['try', 'call_llm', ['$arg0'], {{'schema': {{}}}}], ['return', '$last']]
        alice invoke {{"artifact": "asks", "args": ["json {{\"n\": 2, \"why\": \"so\"}}"]}} -> ok {{"n": 2, "why": "so"}}
        alice invoke {{"artifact": "asks", "args": ["json {{\"n\": 2, \"more\": null}}"]}} -> ok {{"n": 2, "more": null}}
        alice invoke {{"artifact": "asks", "args": ["json {{\"n\": 0}}"]}} -> ok "llm invalid: `answer.n` has a `minimum` of 1, and is 0" ; used alice llm_calls 1
        alice invoke {{"artifact": "asks", "args": ["json {{\"n\": 1.5}}"]}} -> ok "llm invalid: `answer.n` must be of `type` integer, not the number 1.5"
        alice invoke {{"artifact": "asks", "args": ["json {{}}"]}} -> ok "llm invalid: `answer.n` is `required`, and it is missing"
        alice invoke {{"artifact": "asks", "args": ["json [1]"]}} -> ok "llm invalid: `answer` must be of `type` object, not an array"
        alice invoke {{"artifact": "asks", "args": ["json {{\"n\": 9223372036854775808}}"]}} -> ok "llm invalid: the answer holds 9223372036854775808, which 64 bits don't"
        alice invoke {{"artifact": "words", "args": ["json \"yes\""]}} -> ok "yes"
        alice invoke {{"artifact": "words", "args": ["json \"perhaps\""]}} -> ok "llm invalid: `answer` must be one of its `enum`: \"yes\", \"no\", not the string \"perhaps\""
        alice invoke {{"artifact": "any", "args": ["json [null, 1]"]}} -> ok [null, 1]
        alice {} -> ok "llm invalid: `answer` must be of `type` object, not the string \"heard hi\""
        "#,
        call("'hi'")
    ));
}

#[test]
fn strange_arguments_are_refused_and_nobody_is_asked() {
    let wide = "y".repeat(limits::SCHEMA_BYTES_MAX);
    for (args, refused) in [
        ("[]", "invalid_argument \"`prompt` is missing\""),
        ("[null]", "invalid_argument \"`prompt` must be a string\""),
        ("[5]", "invalid_argument \"`prompt` must be a string\""),
        ("[['a']]", "invalid_argument \"`prompt` must be a string\""),
        ("['']", "invalid_argument \"`prompt` is empty\""),
        ("[' \\t ']", "invalid_argument \"`prompt` is empty\""),
        ("['hi', 'm']", "invalid_argument \"`model` names no provider\" \"write `PROVIDER::MODEL`\""),
        ("['hi', '::m']", "invalid_argument \"`model` has a provider of other letters\""),
        ("['hi', 'a::']", "invalid_argument \"`model` names no model\""),
        ("['hi', 7]", "invalid_argument \"`model` must be a string\""),
        ("['hi', 'none::m']", "unsupported \"there is no provider for `none::m`\""),
        ("['hi', null, 'json']", "invalid_argument \"`schema` must be a schema, an object\""),
        ("['hi', null, {'type': 'text'}]", "invalid_argument \"`schema.type`: there is no type\""),
        (
            "['hi', null, {'anyOf': []}]",
            "invalid_argument \"`schema`: the word `anyOf` is not checked here\"",
        ),
        (
            &format!("['hi', null, {{'title': '{wide}'}}]"),
            "limit_exceeded \"`schema` has more than 16384 bytes\"",
        ),
        ("['hi', null, null, 0]", "invalid_argument \"`max_output_tokens` must be at least 1\""),
        ("['hi', null, null, -1]", "invalid_argument \"`max_output_tokens`\""),
        ("['hi', null, null, 1.5]", "invalid_argument \"`max_output_tokens`\""),
        ("['hi', null, null, '9']", "invalid_argument \"`max_output_tokens`\""),
        ("['hi', null, null, true]", "invalid_argument \"`max_output_tokens`\""),
        (
            "['hi', null, null, 100001]",
            "limit_exceeded 100001/100000 \"`max_output_tokens` may be 100000 at most\"",
        ),
        (
            "['hi', null, null, 9223372036854775807]",
            "limit_exceeded \"`max_output_tokens` may be 100000 at most\"",
        ),
        ("['hi', null, null, 1, 2]", "invalid_argument \"`call_llm`\""),
    ] {
        check(&format!(
            r#"
            rules: model local::toy
            resources: llm_calls renewable 60s, llm_budget depletable
            world: alice 10 llm_calls 100 llm_budget 1000000
            alice write {{"artifact": "t", "code": "[['call', 'call_llm', {}]]"}} -> ok
            alice invoke {{"artifact": "t"}} -> {refused} ; called ; used
            "#,
            args.replace('\\', "\\\\")
        ));
    }
    let long = "x".repeat(limits::PROMPT_BYTES_MAX);
    check(&format!(
        r#"
        rules: model local::toy
        world: alice 10
        artifact just by alice content {long}
        artifact longer by alice content {long}x
        artifact t by alice code [['call', 'read', ['$arg0']], ['call', 'call_llm', ['$last.content']], ['return', 1]]
        alice invoke {{"artifact": "just"}} -> invalid_argument
        alice invoke {{"artifact": "t", "args": ["just"]}} -> ok 1 ; called t local::toy
        alice invoke {{"artifact": "t", "args": ["longer"]}} -> limit_exceeded 262145/262144 "`prompt` has more than 262144 bytes" "the part that matters" ; called
        "#
    ));
    check(
        r#"
        world: alice 10
        alice run {"code": "[['call', 'call_llm', ['hi']]]"} -> invalid_argument "`model` is missing, and this world names none" "name one as `PROVIDER::MODEL`"
        alice run {"code": "[['call', 'call_llm', ['hi'], {'temperature': 1}]]"} -> invalid_argument "`call_llm` has no argument `temperature`" "it takes prompt, model, schema, max_output_tokens"
        alice run {"code": "[['call', 'call_llm', ['hi'], {'prompt': 'ho'}]]"} -> invalid_argument "`prompt`"
        "#,
    );
}

#[test]
fn who_only_looks_calls_no_model() {
    check(
        r#"
        rules: model local::toy
        resources: llm_calls renewable 60s, cpu renewable 60s
        world: alice 10 llm_calls 100 cpu 100000, bob
        artifact tool by bob code [['try', 'call_llm', ['hi']], ['return', '$last']]
        artifact rule by bob code [['try', 'call_llm', ['may it?']], ['return', {'allowed': false, 'reason': '$last'}]]
        artifact x by bob contract rule
        artifact seen by bob contract rule code [['return', 1]]
        agent eve scrip 5 cpu 100000 llm_calls 100 code [['try', 'call_llm', ['hi']], ['return', {'op': 'run', 'code': ['$last']}]]
        agent fay scrip 5 cpu 100000 llm_calls 100 code [['call', 'call_llm', ['hi']]]
        # A mind's own code, while it thinks.
        step eve -> invalid_argument ; called ; used
        step fay -> permission_denied "`call_llm` is a part of an action, and this code only looks" "in what `step` returns" ; called
        # A measure, an observer's question, code that is tried.
        measure tool run -> ok "permission_denied: `call_llm` is a part of an action, and this code only looks; call it in a method that is invoked, or in what `step` returns" ; called
        observer {"what": "permission", "action": "read", "target": "x", "as": "alice"} -> ok ; called
        alice invoke {"artifact": "tool", "trial": 50} -> ok "permission_denied: code that is tried can't call a language model; call it in a method that is invoked, or in what `step` returns" ; called
        # The same tool, invoked.
        alice invoke {"artifact": "tool"} -> ok "heard hi" ; called tool local::toy
        "#,
    );
}

#[test]
fn steps_and_what_is_due_call_models() {
    check(
        r#"
        rules: model local::toy
        resources: llm_calls renewable 60s
        world: alice 10 llm_calls 5
        artifact tool by alice code [['call', 'call_llm', ['hi']], ['return', '$last']]
        agent eve scrip 5 llm_calls 1 code [['return', {'op': 'invoke', 'artifact': 'tool'}]]
        artifact genesis_clock by genesis_clock scrip 0 llm_calls 5 code {'due': [['call', 'call_llm', ['late?']], ['return', '$last']]}
        step eve -> ok "heard hi" ; called tool local::toy ; used eve llm_calls 1
        step eve -> rate_limited 1/0 "`llm_calls`" ; called
        due genesis_clock -> ok "heard late?" ; called genesis_clock local::toy ; used genesis_clock llm_calls 1
        "#,
    );
}

#[test]
fn contracts_may_call_and_their_bearer_pays() {
    check(
        r#"
        rules: model local::toy
        resources: llm_calls renewable 60s
        world: alice 10 llm_calls 9, bob 0 llm_calls 9, carl 0
        artifact judge by bob code [['call', 'call_llm', ['may it?']], ['if', '$last', 'heard may it?', [['return', {'allowed': true, 'cache': {'ttl': '1h', 'key': ['caller']}}]]], ['return', {'allowed': false}]]
        artifact plain by bob code [['return', {'allowed': true, 'cache': {'ttl': '1h', 'key': ['caller']}}]]
        artifact owned by bob content {"resources":"owner"} code [['call', 'call_llm', ['may it?']], ['return', {'allowed': true}]]
        artifact x by bob contract judge content x
        artifact y by bob contract plain content y
        artifact z by bob contract owned content z
        # A verdict that took a call is not kept, whatever it says: it is asked for each time.
        alice read {"artifact": "x"} -> ok ; called judge local::toy ; used alice llm_calls 1 ; llm alice 1 llm_calls judge
        alice read {"artifact": "x"} -> ok ; called judge local::toy ; used alice llm_calls 1
        alice read {"artifact": "y"} -> ok
        # The owner bears what its contract does where it says so.
        alice read {"artifact": "z"} -> ok ; called owned local::toy ; used bob llm_calls 1
        # A contract that lets a refusal through has failed, as by any other: nobody is asked.
        carl read {"artifact": "x"} -> permission_denied "its contract `judge` failed while it decided" ; called ; used
        # Asking whether something may be done asks the contract, and costs the same.
        alice query {"what": "permission", "target": "x", "action": "read"} -> ok ; called judge local::toy ; used alice llm_calls 1
        "#,
    );
}

#[test]
fn an_action_has_so_many_calls_with_all_that_it_calls() {
    let calls = vec!["['call', 'call_llm', ['hi']]"; 17].join(", ");
    let caught = vec!["['try', 'call_llm', ['hi', 'm']]"; 16].join(", ");
    check(&format!(
        r#"
        rules: model local::toy
        resources: llm_calls renewable 60s
        world: alice 10 llm_calls 1000
        artifact many by alice code [{calls}]
        artifact one by alice code [['call', 'call_llm', ['hi']], ['return', 1]]
        artifact refused by alice code [{caught}, ['call', 'invoke', ['one']], ['return', '$last']]
        alice invoke {{"artifact": "many"}} -> limit_exceeded 17/16 "an action may call language models 16 times" ; used alice llm_calls 16
        # Those that were refused count too.
        alice invoke {{"artifact": "refused"}} -> limit_exceeded 17/16 "16 times" ; used
        alice invoke {{"artifact": "one"}} -> ok 1
        "#
    ));
}

#[test]
fn agreements_bound_what_calls_take() {
    check(
        r#"
        rules: model local::toy
        resources: llm_budget depletable
        invoke: llm_budget 100
        world: alice 10 llm_budget 100000, bob
        artifact dear by bob code [['call', 'call_llm', ['hi'], {'max_output_tokens': 100}], ['return', '$last']]
        artifact cheap by bob code [['call', 'call_llm', ['hi'], {'max_output_tokens': 40}], ['return', '$last']]
        artifact outer by bob code [['call', 'invoke', ['dear'], {'max_resources': {'llm_budget': 500}}], ['return', '$last']]
        alice invoke {"artifact": "dear"} -> limit_exceeded 204/100 "it would take 204 of `llm_budget`, and this `invoke` may take 100" "name `max_resources`" ; called ; used
        alice invoke {"artifact": "cheap"} -> ok "heard hi" ; used alice llm_budget 4
        alice invoke {"artifact": "dear", "max_resources": {"llm_budget": 204}} -> ok ; used alice llm_budget 4
        # The tightest bound of those under way holds.
        alice invoke {"artifact": "outer"} -> limit_exceeded 204/100 ; called
        "#,
    );
}

#[test]
fn a_use_beyond_its_worst_case_takes_no_more_than_there_is() {
    check(
        r#"
        rules: model local::toy
        resources: llm_budget depletable, llm_tokens renewable 60s
        world: alice 10 llm_budget 3000 llm_tokens 5000, bob
        artifact t by bob code [['call', 'call_llm', ['dear']], ['return', '$last']]
        alice invoke {"artifact": "t", "max_resources": {"llm_tokens": 700}} -> ok "gold" ; used alice llm_tokens 700, alice llm_budget 3000
        alice invoke {"artifact": "t"} -> insufficient_resource 1208/0 "`llm_budget`" ; called
        "#,
    );
}

#[test]
fn what_an_action_brings_pays_for_no_call() {
    check(
        r#"
        rules: model local::toy
        resources: llm_budget depletable
        world: alice 10 llm_budget 10000, bob 0
        artifact t by bob code [['call', 'call_llm', ['hi']], ['return', '$last']]
        artifact gives by alice code [['call', 'transfer', ['bob', 9000], {'resource': 'llm_budget'}], ['return', 1]]
        # An amount that came within the action may be taken back with it.
        bob invoke {"artifact": "t"} -> insufficient_resource 1204/0 ; called
        alice [{"op": "transfer", "to": "bob", "amount": 9000, "resource": "llm_budget"}, {"op": "invoke", "artifact": "t"}] -> insufficient_resource @1 1204/1000 ; called
        alice transfer {"to": "bob", "amount": 9000, "resource": "llm_budget"} -> ok
        bob invoke {"artifact": "t"} -> ok ; used bob llm_budget 4
        "#,
    );
}

#[test]
fn nested_code_calls_with_its_own_bearer_and_by_its_own_name() {
    check(
        r#"
        rules: model local::toy
        resources: llm_calls renewable 60s
        world: alice 10 llm_calls 9, bob
        artifact inner by bob code [['call', 'call_llm', ['in']], ['return', '$last']]
        artifact self by bob scrip 0 llm_calls 9 pays self code [['call', 'call_llm', ['self']], ['call', 'invoke', ['inner']], ['return', '$last']]
        artifact outer by bob code [['call', 'call_llm', ['out']], ['set', 'a', '$last'], ['call', 'invoke', ['inner']], ['set', 'b', '$last'], ['call', 'invoke', ['self']], ['call', 'run', ['[[\"call\", \"call_llm\", [\"snip\"]], [\"return\", \"$last\"]]']], ['return', ['$a', '$b', '$last']]]
        alice invoke {"artifact": "outer"} -> ok ["heard out", "heard in", "heard snip"] ; called outer local::toy, inner local::toy, self local::toy, inner local::toy, outer local::toy ; llm alice 2 llm_calls outer, alice 1 llm_calls inner, self 1 llm_calls self, self 1 llm_calls inner
        "#,
    );
}

#[test]
fn equal_calls_are_equal_and_all_parts_count() {
    check(
        r#"
        rules: model local::toy
        world: alice 10
        alice run {"code": "[['call', 'call_llm', ['a']], ['call', 'call_llm', ['a', 'local::toy']], ['call', 'call_llm', ['a'], {'max_output_tokens': 600}]]"} -> ok ; called alice local::toy, alice local::toy, alice local::toy
        "#,
    );
    let told = TOLD.with_borrow(Clone::clone);
    assert_eq!(told[0], told[2], "the defaults are what is meant");
    assert_eq!(told[0], told[1], "so is the world's own model");
    assert_eq!(told[0].max_output_tokens, 600);
}

#[test]
fn resources_of_models_are_not_allocatable() {
    for name in ["llm_budget", "llm_tokens", "llm_calls"] {
        let start = oikos_kernel::time::Time::parse("2026-01-01T00:00:00Z").unwrap();
        let mut rules = oikos_kernel::rules::Rules::unlimited("w", 1, start);
        rules.resources.push(ResourceRule { name: name.into(), kind: ResourceKind::Allocatable });
        let founding = oikos_kernel::founding::Founding {
            rules,
            source: [0; 32],
            runtime: "toy".into(),
            founders: Vec::new(),
        };
        let problem = founding.found().unwrap_err().to_string();
        assert!(problem.contains("not allocatable"), "{problem}");
    }
}
