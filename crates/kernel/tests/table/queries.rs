//! Queries and the looks that code has: each `what`, its fields, and who may ask for how much.

use oikos_kernel::op::{OpKind, QUERIES, What, answers, queries};

use serde_json::{Value, json};

use crate::door::{check, observe};

#[test]
fn each_question_has_its_answer() {
    check(
        r#"
        resources: actions renewable 60s
        world: alice 10 actions 3, bob 5
        agent eve scrip 7 code [['return', null]]
        artifact tool by alice kind tool price 3 content greets code [['return', 1]]
        alice query {"what": "balances"} -> ok {"alice": 10, "bob": 5, "eve": 7}
        alice query {"what": "balances", "limit": 2} -> ok {"alice": 10, "bob": 5}
        alice query {"what": "balances", "limit": 0} -> ok {}
        alice query {"what": "balance"} -> ok 10
        alice query {"what": "balance", "of": "eve"} -> ok 7
        alice query {"what": "balance", "of": "tool"} -> invalid_argument "`tool` has no standing"
        alice query {"what": "balance", "of": "nope"} -> not_found
        alice query {"what": "resources"} -> ok {"actions": {"kind": "renewable", "rate": 3, "window": "1m", "capacity": 3, "used": 0, "used_total": 0, "burn_per_minute": 0, "time_until_capacity": "0s"}, "cpu": {"kind": "metered", "used": 0}, "disk": {"kind": "metered", "used": 88}, "memory": {"kind": "metered", "used": 0}}
        alice query {"what": "capacity", "resource": "actions"} -> ok {"has": true, "capacity": 3, "time_until": "0s", "time_until_ms": 0}
        alice query {"what": "capacity", "resource": "cpu", "amount": 99} -> ok {"has": true, "capacity": null, "time_until": "0s", "time_until_ms": 0}
        alice query {"what": "capacity"} -> invalid_argument "`resource` is missing"
        alice query {"what": "capacity", "resource": "gpu"} -> invalid_argument "this world has no resource `gpu`" "did you mean `cpu`?"
        alice query {"what": "artifact", "artifact": "tool"} -> ok ~{"id": "tool", "kind": "tool", "price": 3, "owner": "alice"}
        alice query {"what": "artifact"} -> invalid_argument "`artifact` is missing"
        alice query {"what": "price", "artifact": "tool"} -> ok 3
        alice query {"what": "price", "artifact": "bob"} -> ok 0
        alice query {"what": "price"} -> invalid_argument "`artifact` is missing"
        alice query {"what": "artifacts", "of": "alice"} -> ok ~[{"id": "alice"}, {"id": "tool"}]
        alice query {"what": "artifacts", "type": "tool"} -> ok ~[{"id": "tool"}]
        alice query {"what": "artifacts", "of": "alice", "limit": 1} -> ok ~[{"id": "alice"}]
        alice query {"what": "artifacts", "text": "GREETS tool"} -> ok ~[{"id": "tool"}]
        alice query {"what": "search", "text": "greets"} -> ok ~[{"id": "tool"}]
        alice query {"what": "search", "text": "greets nobody"} -> ok []
        alice query {"what": "search"} -> invalid_argument "`text` is missing"
        alice query {"what": "agents"} -> ok [{"id": "eve", "owner": "eve", "kind": "data", "state": "starting", "steps": 0}]
        alice query {"what": "agents", "sample": 5} -> ok ~[{"id": "eve"}]
        eve query {"what": "agents", "sample": 5} -> ok []
        alice query {"what": "agents", "kind": "data"} -> ok ~[{"id": "eve"}]
        alice query {"what": "agents", "kind": "wolf"} -> ok []
        alice query {"what": "agents", "kind": "wolf", "sample": 1} -> ok []
        alice query {"what": "supply"} -> ok 22
        alice query {"what": "supply", "resource": "actions"} -> ok 3
        alice query {"what": "permission", "action": "write", "target": "tool"} -> ok {"allowed": true, "reason": "the owner may", "cost": 0, "contract": "genesis_contract_freeware"}
        alice query {"what": "permission", "as": "bob", "action": "write", "target": "tool"} -> ok ~{"allowed": false}
        alice query {"what": "permission", "action": "write"} -> invalid_argument "`target` is missing"
        alice query {"what": "permission", "target": "tool"} -> invalid_argument "`action` is missing"
        alice query {"what": "permission", "action": "write", "target": "nope"} -> not_found
        alice query {"what": "permission", "action": "write", "target": "tool", "artifact": "bob"} -> invalid_argument "`target` and `artifact` are the same field"
        # An observer sees all, and must name the principal.
        observer {"what": "balances"} -> ok {"alice": 10, "bob": 5, "eve": 7}
        observer {"what": "balance"} -> invalid_argument "an observer has nothing of its own"
        observer {"what": "balance", "of": "bob"} -> ok 5
        observer {"what": "permission", "action": "read", "target": "tool"} -> invalid_argument "an observer"
        observer {"what": "permission", "as": "bob", "action": "read", "target": "tool"} -> ok ~{"allowed": true}
        "#,
    );
}

#[test]
fn stray_fields_are_refused() {
    let fields = [
        ("of", "\"alice\""),
        ("artifact", "\"alice\""),
        ("resource", "\"cpu\""),
        ("amount", "5"),
        ("text", "\"x\""),
        ("since", "5"),
        ("type", "\"x\""),
        ("limit", "5"),
        ("sample", "5"),
        ("kind", "\"x\""),
        ("as", "\"alice\""),
        ("action", "\"read\""),
        ("target", "\"alice\""),
        ("method", "\"run\""),
        ("args", "[1]"),
        ("pay", "5"),
        ("tags", "[\"x\"]"),
    ];
    let takes = [
        ("balances", "limit"),
        ("balance", "of"),
        ("resources", "of"),
        ("capacity", "of resource amount"),
        ("artifact", "artifact"),
        ("artifacts", "of type text limit"),
        ("search", "text of type limit"),
        ("agents", "limit sample kind"),
        ("events", "of since type limit"),
        ("supply", "resource"),
        ("permission", "as action target artifact"),
        ("price", "artifact"),
        ("quote", "artifact method args pay as"),
        ("mandates", "of"),
        ("reputation", "artifact of"),
        ("customers", "artifact amount limit"),
        ("recall", "artifact text limit since tags"),
        ("history", "of limit"),
    ];
    assert_eq!(takes.map(|(what, _)| what).as_slice(), What::WORDS);
    // Every field of the op is of use to some question, and each question has one row in the table.
    let known =
        OpKind::Query.spec().unwrap().fields.iter().map(|field| field.name).filter(|name| *name != "what");
    assert_eq!(known.collect::<Vec<_>>(), fields.map(|(name, _)| name));
    assert_eq!(QUERIES.iter().map(|spec| spec.what).collect::<Vec<_>>(), What::ALL);
    let mut text = String::from("world: alice\n");
    for (what, takes) in takes {
        for (field, value) in fields {
            if !takes.split(' ').any(|takes| takes == field) {
                text.push_str(&format!(
                    "alice query {{\"what\": \"{what}\", \"{field}\": {value}}} -> invalid_argument \"takes no `{field}`\" \"it takes {}\"\n",
                    takes.replace(' ', ", ")
                ));
            }
        }
    }
    check(&text);
}

#[test]
fn an_agent_asks_for_so_much_and_an_observer_for_all() {
    check(
        r#"
        world: alice, bob
        alice query {"what": "events", "limit": 101} -> limit_exceeded 101/100 "smaller `limit`"
        observer {"what": "events", "limit": 101} -> ok []
        observer {"what": "events", "limit": 4097} -> limit_exceeded 4097/4096
        alice query {"what": "artifacts", "limit": 10001} -> limit_exceeded 10001/10000
        alice query {"what": "balances", "limit": 10001} -> limit_exceeded 10001/10000
        alice query {"what": "agents", "limit": 10001} -> limit_exceeded 10001/10000
        alice query {"what": "agents", "sample": 99999} -> ok []
        observer {"what": "artifacts", "limit": 10001} -> ok
        "#,
    );
}

#[test]
fn events_are_read_from_a_place_or_from_the_end() {
    check(
        r#"
        world: alice 10, bob
        alice transfer {"to": "bob", "amount": 1} -> ok
        alice store {"key": "k", "value": 1} -> ok
        bob transfer {"to": "alice", "amount": 1} -> ok
        alice query {"what": "events"} -> ok [{"seq": 2, "time": "2026-01-01T00:00:00.000Z", "type": "transfer", "actor": "alice", "to": "bob", "amount": 1}, {"seq": 3, "time": "2026-01-01T00:00:00.000Z", "type": "store", "actor": "alice", "artifact": "alice", "detail": "k"}, {"seq": 4, "time": "2026-01-01T00:00:00.000Z", "type": "transfer", "actor": "bob", "to": "alice", "amount": 1}]
        alice query {"what": "events", "limit": 1} -> ok ~[{"seq": 4}]
        alice query {"what": "events", "since": 0, "limit": 1} -> ok ~[{"seq": 2}]
        alice query {"what": "events", "since": 3} -> ok ~[{"seq": 4}]
        alice query {"what": "events", "type": "store"} -> ok ~[{"seq": 3}]
        alice query {"what": "events", "of": "bob"} -> ok ~[{"seq": 2}, {"seq": 4}]
        alice query {"what": "events", "of": "nobody"} -> not_found
        alice query {"what": "events", "limit": 0} -> ok []
        "#,
    );
}

#[test]
fn storage_belongs_to_the_code_that_keeps_it() {
    check(
        r#"
        world: alice, bob
        artifact box by alice code {'put': [['call', 'storage_set', ['$arg0', '$arg1']]], 'get': [['call', 'storage_get', ['$arg0', 'none']], ['return', '$last']], 'drop': [['call', 'storage_delete', ['$arg0']]], 'keys': [['call', 'storage_list', ['$arg0']], ['return', '$last']], 'all': [['call', 'storage_list'], ['return', '$last']], 'bad': [['call', 'storage_list', [5]]], 'extra': [['call', 'storage_get', ['k'], {'defualt': 3}]], 'more': [['call', 'get_balance', ['alice', 'bob']]]}
        bob invoke {"artifact": "box", "method": "get", "args": ["a1"]} -> ok "none"
        bob invoke {"artifact": "box", "method": "put", "args": ["a1", {"x": 1}]} -> ok null ; events invoke bob box put
        bob invoke {"artifact": "box", "method": "put", "args": ["a2", 2]} -> ok
        bob invoke {"artifact": "box", "method": "put", "args": ["b", 3]} -> ok
        bob invoke {"artifact": "box", "method": "get", "args": ["a1"]} -> ok {"x": 1}
        bob invoke {"artifact": "box", "method": "keys", "args": ["a"]} -> ok ["a1", "a2"]
        bob invoke {"artifact": "box", "method": "keys", "args": [""]} -> ok ["a1", "a2", "b"]
        bob invoke {"artifact": "box", "method": "all"} -> ok ["a1", "a2", "b"]
        bob invoke {"artifact": "box", "method": "bad"} -> invalid_argument "`prefix` must be a string"
        bob invoke {"artifact": "box", "method": "extra"} -> invalid_argument "`storage_get` has no argument `defualt`"
        bob invoke {"artifact": "box", "method": "more"} -> invalid_argument "`get_balance` takes at most 1 positional argument"
        bob invoke {"artifact": "box", "method": "drop", "args": ["a1"]} -> ok
        bob invoke {"artifact": "box", "method": "get", "args": ["a1"]} -> ok "none"
        bob invoke {"artifact": "box", "method": "put", "args": ["", 1]} -> invalid_argument "`key` can't be empty"
        bob run {"code": "[['call', 'storage_get', ['b']], ['return', '$last']]"} -> ok null
        # A store submitted by a principal is its own, and may not forget the value.
        bob store {"key": "k"} -> invalid_argument unrecorded "`value` is missing" "may be null"
        bob store {"key": "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää", "value": 1} -> ok
        bob store {"key": "äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää", "value": 1} -> limit_exceeded 258/256 "`key`"
        "#,
    );
}

#[test]
fn code_may_look_things_up() {
    check(
        r#"
        resources: actions renewable 60s
        world: alice 10 actions 3, bob 4
        artifact t by alice code [['call', 'get_balance'], ['return', '$last']]
        alice run {"code": "[['call', 'get_balance'], ['return', '$last']]"} -> ok 10
        alice run {"code": "[['call', 'get_balance', ['bob']], ['return', '$last']]"} -> ok 4
        alice run {"code": "[['call', 'query', ['balances']], ['return', '$last.bob']]"} -> ok 4
        alice run {"code": "[['call', 'get_artifact_info', ['t']], ['return', '$last.owner']]"} -> ok "alice"
        alice run {"code": "[['call', 'get_artifact_info', ['nope']]]"} -> not_found
        alice run {"code": "[['call', 'ledger.get_resource', ['alice', 'actions']], ['return', '$last']]"} -> ok 3
        alice run {"code": "[['call', 'ledger.can_spend_resource', ['alice', 'actions', 4]], ['return', '$last']]"} -> ok false
        alice run {"code": "[['call', 'ledger.get_scrip', ['nobody']]]"} -> not_found "there is no principal `nobody`"
        alice invoke {"artifact": "t"} -> ok 0
        # Within an action, what it did so far is seen.
        alice [{"op": "transfer", "to": "bob", "amount": 3}, {"op": "query", "what": "balances"}] -> ok [{"balance": 7}, {"alice": 7, "bob": 7}]
        measure t run -> ok 0
        "#,
    );
}

#[test]
fn the_reference_is_the_table() {
    let document = include_str!("../../../../docs/queries.md");
    assert!(document.contains(&queries()), "docs/queries.md is to hold this:\n{}", queries());
    let reference = oikos_kernel::op::reference();
    assert!(reference.contains(&queries()));
    assert_eq!(answers()["properties"].as_object().unwrap().len(), What::ALL.len());
}

#[test]
fn answers_are_as_their_schemas_say() {
    let toy = check(
        r#"
        resources: actions renewable 60s, fuel depletable, disk allocatable
        world: alice 10 actions 3 fuel 2 disk 300, bob 5 disk 100
        agent eve scrip 7 disk 90 code [['return', null]]
        artifact tool by alice kind tool price 3 content greets code [['return', 1]]
        alice mandate {"to": "bob", "per_call": 1, "per_window": 1, "window": "1h", "until": "2026-01-02T00:00:00Z"} -> ok
        "#,
    );
    let schemas = answers();
    for (what, fields) in [
        ("balances", json!({})),
        ("balance", json!({ "of": "alice" })),
        ("resources", json!({ "of": "alice" })),
        ("capacity", json!({ "of": "alice", "resource": "fuel" })),
        ("artifact", json!({ "artifact": "tool" })),
        ("artifacts", json!({})),
        ("search", json!({ "text": "greets" })),
        ("agents", json!({})),
        ("events", json!({ "since": 0 })),
        ("supply", json!({})),
        ("permission", json!({ "as": "bob", "action": "read", "target": "tool" })),
        ("price", json!({ "artifact": "tool" })),
        ("quote", json!({ "artifact": "tool", "as": "bob" })),
        ("mandates", json!({ "of": "alice" })),
    ] {
        let mut query = fields;
        query["what"] = what.into();
        let answer = observe(&toy, &query.to_string()).outcome.result();
        assert!(!answer.is_null(), "{what}");
        fits(&answer, &schemas["properties"][what]).unwrap_or_else(|problem| panic!("{what}: {problem}"));
    }
}

/// Whether a value is as a schema says, of the words that the table uses. Every field must be in the schema.
fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    let wrong = || Err(format!("{value} is not as {schema}"));
    if let Some(choices) = schema["oneOf"].as_array() {
        let good = choices.iter().filter(|choice| fits(value, choice).is_ok()).count();
        return if good == 1 { Ok(()) } else { wrong() };
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        return Err(format!("{value} is none of {words:?}"));
    }
    if schema.get("const").is_some_and(|word| word != value) {
        return wrong();
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => Vec::new(),
        kind => vec![kind.clone()],
    };
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "integer" => value.is_i64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("the table says `{kind}`"),
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        return wrong();
    }
    for item in value.as_array().into_iter().flatten() {
        fits(item, &schema["items"])?;
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => fits(field, schema)?,
            (None, None) if schema.get("properties").is_some() => return Err(format!("a stray `{name}`")),
            (None, None) => {}
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    match required.map(|name| name.as_str().unwrap()).find(|name| value.get(name).is_none()) {
        Some(name) => Err(format!("`{name}` is missing")),
        None => Ok(()),
    }
}
