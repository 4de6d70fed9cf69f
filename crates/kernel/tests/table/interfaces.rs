//! Interfaces: the words of a schema, arguments that do not fit, and the deposit of a tool.

use serde_json::{Value, json};

use crate::{door::check, toy::Toy};

/// A world with a tool whose method `f` has this schema.
fn with_schema(schema: &Value) -> Toy {
    let mut toy = check("world: alice 100, bob 100");
    let interface = json!([{ "name": "f", "inputSchema": schema }]);
    let code = "{'f': [['return', 'ran']], 'free': [['return', 'ran']], 'fails': [['raise', 'no']]}";
    let write =
        json!({ "op": "write", "artifact": "tool", "code": code, "interface": interface, "price": 3 });
    let written = toy.act("alice", &write);
    assert!(written.refusal().is_none(), "{schema}: {written:?}");
    toy
}

/// Arguments for `f`: a part of the refusal of those that do not fit, or `ran`.
fn call(toy: &mut Toy, args: &Value) -> String {
    let receipt = toy.act("bob", &json!({ "op": "invoke", "artifact": "tool", "method": "f", "args": args }));
    match receipt.refusal() {
        None => receipt.outcome.result().as_str().unwrap().into(),
        Some(refusal) => {
            assert_eq!(refusal.code.as_str(), "invalid_argument", "{refusal:?}");
            assert!(receipt.payments.is_empty(), "{receipt:?}");
            format!("{} | {}", refusal.message, refusal.hint.clone().unwrap_or_default())
        }
    }
}

/// Properties, arguments, and `ran` or a part of the refusal.
const FITTING: &str = r#"
    {"a": {"type": "integer"}} [5] ran
    {"a": {"type": "integer"}} [-9223372036854775808] ran
    {"a": {"type": "integer"}} ["five"] in `tool`: `f`: `a` must be of `type` integer, not the string "five" | it is called as `f(a?)`
    {"a": {"type": "integer"}} [5.0] `a` must be of `type` integer, not the number 5.0
    {"a": {"type": "integer"}} [true] `a` must be of `type` integer, not the boolean true
    {"a": {"type": "integer"}} [null] `a` must be of `type` integer, not null
    {"a": {"type": "integer"}} [] ran
    {"a": {"type": "integer"}} [1, 2] `f`: it takes 1 argument, not 2
    {} [1] `f`: it takes 0 arguments, not 1
    {"a": {"type": ["string", "null"]}} [null] ran
    {"a": {"type": ["string", "null"]}} [[]] `a` must be of `type` string or null, not an array
    {"a": {"type": "number"}} [0.5] ran
    {"a": {"type": "boolean"}} [0] `a` must be of `type` boolean, not the number 0
    {"a": {"type": "object"}} [{}] ran
    {"a": {"type": "array"}} [{}] `a` must be of `type` array, not an object
    {"a": {"type": "null"}} [null] ran
    {"a": {}} [{"any": [1]}] ran
    {"a": {"minimum": 1}} [1] ran
    {"a": {"minimum": 1}} [0] `a` has a `minimum` of 1, and is 0
    {"a": {"minimum": 1}} [0.999] `a` has a `minimum` of 1, and is 0.999
    {"a": {"minimum": 1}} ["0"] ran
    {"a": {"maximum": 9}} [9] ran
    {"a": {"maximum": 9}} [9.5] `a` has a `maximum` of 9, and is 9.5
    {"a": {"maximum": 9223372036854775806}} [9223372036854775807] `a` has a `maximum` of 9223372036854775806, and is 9223372036854775807
    {"a": {"maxLength": 2}} ["éé"] ran
    {"a": {"maxLength": 2}} ["abc"] `a` has a `maxLength` of 2, and has 3 characters
    {"a": {"enum": ["buy", 5, null]}} [5] ran
    {"a": {"enum": ["buy", 5, null]}} [null] ran
    {"a": {"enum": ["buy", 5]}} ["sell"] `a` must be one of its `enum`: "buy", 5, not the string "sell"
    {"a": {"enum": [5]}} ["5"] `a` must be one of its `enum`: 5, not the string "5"
    {"a": {"items": {"type": "string", "maxLength": 1}}} [["a", "bc"]] `a[1]` has a `maxLength` of 1, and has 2 characters
    {"a": {"items": {"type": "string"}}} [[]] ran
    {"a": {"properties": {"x": {"type": "integer"}}, "required": ["x", "y"]}} [{"x": 1, "y": 2}] ran
    {"a": {"properties": {"x": {"type": "integer"}}}} [{"x": "1"}] `a.x` must be of `type` integer, not the string "1"
    {"a": {"properties": {"x": {}}, "required": ["x", "y"]}} [{"x": 1}] `a.y` is `required`, and it is missing
    {"a": {"properties": {"x": {}}, "required": ["x"]}} [5] ran
    {"b": {"type": "string"}, "a": {"type": "integer"}} ["first", 2] ran
    {"b": {"type": "string"}, "a": {"type": "integer"}} [2, "first"] `b` must be of `type` string, not the number 2
    {"a": {"title": "A", "description": "the first"}} ["x"] ran
"#;

#[test]
fn arguments_are_bound_in_order_and_fit_every_word_or_nothing_runs() {
    for row in FITTING.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut values = serde_json::Deserializer::from_str(row).into_iter::<Value>();
        let properties = values.next().unwrap().unwrap();
        let args = values.next().unwrap().unwrap();
        let expected = row[values.byte_offset()..].trim();
        let mut toy = with_schema(&json!({ "type": "object", "properties": properties }));
        let found = call(&mut toy, &args);
        assert!(found.contains(expected), "{row}\n    got {found}");
        toy.world.audit().unwrap();
    }
}

#[test]
fn required_arguments_are_missed_by_name() {
    let mut toy = with_schema(&json!({
        "type": "object", "properties": { "a": {}, "b": {} }, "required": ["b"],
    }));
    assert!(
        call(&mut toy, &json!([1]))
            .contains("`b` is `required`, and it is missing | it is called as `f(a?, b)`")
    );
    assert_eq!(call(&mut toy, &json!([1, 2])), "ran");
    // A schema that names no properties takes anything, and so does one that is not there.
    assert_eq!(call(&mut with_schema(&json!({ "type": "object" })), &json!([1, 2, 3])), "ran");
}

/// An interface, and a part of the refusal of writing it.
const UNFIT: &str = r#"
    "tools" => `interface` must be an array of tools, not the string "tools"
    [{"description": "x"}] => each tool must be an object with a `name`
    [{"name": "f"}, {"name": "f"}] => lists the method `f` twice
    [{"name": "f", "inputSchema": true}] => `interface[0].inputSchema` must be a schema, an object, not the boolean true
    [{"name": "f", "inputSchema": {"type": "array"}}] => `interface[0].inputSchema.type` must be "object"
    [{"name": "f", "inputSchema": {"required": ["a"]}}] => `interface[0].inputSchema.required` names `a`, which is not in `properties`
    [{"name": "f", "inputSchema": {"properties": {"a": {"pattern": "^x"}}}}] => `interface[0].inputSchema.properties.a`: the word `pattern` is not checked here
    [{"name": "f", "inputSchema": {"properties": {"a": {"minlength": 1}}}}] => did you mean `maxLength`?
    [{"name": "f", "inputSchema": {"additionalProperties": false}}] => the word `additionalProperties` is not checked here
    [{"name": "f", "inputSchema": {"properties": {"a": {"default": 1}}}}] => the word `default` is not checked here
    [{"name": "f", "inputSchema": {"properties": {"a": {"items": {"oneOf": []}}}}}] => `interface[0].inputSchema.properties.a.items`: the word `oneOf`
    [{"name": "f", "inputSchema": {"properties": {"a": {"type": "int"}}}}] => there is no type the string "int"
    [{"name": "f", "inputSchema": {"properties": {"a": {"type": []}}}}] => `interface[0].inputSchema.properties.a.type` must be a word or an array of words
    [{"name": "f", "inputSchema": {"properties": {"a": {"enum": []}}}}] => must be an array of at least one value
    [{"name": "f", "inputSchema": {"properties": {"a": {"minimum": 0.5}}}}] => must be an integer, not the number 0.5
    [{"name": "f", "inputSchema": {"properties": {"a": {"maxLength": -1}}}}] => must be an integer of at least 0
    [{"name": "f", "inputSchema": {"properties": []}}] => must be an object of schemas
    [{"name": "f", "deposit": -1}] => `interface[0].deposit` must be a number of bytes, 0 or more
    [{"name": "f", "deposit": "1 kB"}] => `interface[0].deposit` must be a number of bytes
"#;

#[test]
fn a_schema_that_would_not_be_checked_is_refused_when_it_is_written() {
    for row in UNFIT.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (interface, expected) = row.split_once(" => ").unwrap();
        let interface: Value = serde_json::from_str(interface).unwrap();
        let mut toy = check("world: alice\nartifact old by alice");
        for artifact in ["new", "old"] {
            let write = json!({ "op": "write", "artifact": artifact, "interface": interface });
            let receipt = toy.act("alice", &write);
            let refusal = receipt.refusal().unwrap_or_else(|| panic!("{row}: it was written"));
            let said = format!("{} {}", refusal.message, refusal.hint.as_deref().unwrap_or(""));
            assert_eq!(refusal.code.as_str(), "invalid_argument", "{row}");
            assert!(said.contains(expected), "{row}\n    got {said}");
        }
    }
}

#[test]
fn interfaces_are_checked_wherever_code_is_invoked_and_only_listed_methods_are() {
    check(
        r#"
        world: alice 100, bob 100
        alice write {"artifact": "tool", "price": 3, "has_standing": true, "code": "{'f': [['return', '$call']], 'free': [['return', '$arg0']]}", "interface": [{"name": "f", "inputSchema": {"properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}}]} -> ok
        # A method that is not listed is unchecked, and one that is not there is told by the code.
        bob invoke {"artifact": "tool", "method": "free", "args": ["x", "y"]} -> ok "x" ; paid bob>alice 3 price
        bob invoke {"artifact": "tool", "method": "gone"} -> not_found
        # Nothing sent along is taken, and no price.
        bob invoke {"artifact": "tool", "method": "f", "args": [0], "pay": 5} -> invalid_argument "`n` has a `minimum` of 1, and is 0"
        # Code is told what anyone is told, and may go on.
        alice write {"artifact": "user", "code": "[['try', 'invoke', ['tool', 0], {'method': 'f', 'max_spend': 9}], ['set', 'first', '$last'], ['call', 'invoke', ['tool', 1], {'method': 'f', 'max_spend': 9}], ['return', '$first']]"} -> ok
        bob invoke {"artifact": "user", "max_spend": 9} -> ok "invalid_argument: in `tool`: `f`: `n` has a `minimum` of 1, and is 0; it is called as `f(n)`" ; paid bob>alice 3 price
        # A refusal of permission comes first, and a list is undone as one.
        alice set_contract {"artifact": "tool", "contract": "genesis_contract_private"} -> ok
        bob invoke {"artifact": "tool", "method": "f", "args": [0]} -> permission_denied
        alice [{"op": "transfer", "to": "bob", "amount": 1}, {"op": "invoke", "artifact": "tool", "method": "f"}] -> invalid_argument @1 "`n` is `required`, and it is missing"
        # An interface that is taken away checks nothing more.
        alice write {"artifact": "tool", "interface": null} -> ok
        alice invoke {"artifact": "tool", "method": "f"} -> ok
        balances alice 106, bob 94
        "#,
    );
}

#[test]
fn a_deposit_is_sent_along_where_disk_is_limited() {
    check(
        r#"
        resources: disk allocatable
        world: alice 10 disk 9000, bob 10 disk 2000, poor 10 disk 700
        alice write {"artifact": "shop", "has_standing": true, "code": "{'keep': [['return', '$call']], 'back': [['call', 'transfer', ['bob', 500, 'disk']]], 'fails': [['raise', 'no']]}", "interface": [{"name": "keep", "deposit": 500}, {"name": "fails", "deposit": 500}]} -> ok
        bob invoke {"artifact": "shop", "method": "keep"} -> ok ~{"given": [{"resource": "disk", "amount": 500}]}
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 1500}}
        bob invoke {"artifact": "shop", "method": "back"} -> ok
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 2000}}
        # A call that gives disk itself gives what it says.
        bob invoke {"artifact": "shop", "method": "keep", "give": [{"resource": "disk", "amount": 20}]} -> ok ~{"given": [{"resource": "disk", "amount": 20}]}
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 1980}}
        # All of it comes back if the call fails, and one who has too little is told so.
        bob invoke {"artifact": "shop", "method": "fails"} -> code_error
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 1980}}
        alice [{"op": "transfer", "to": "bob", "amount": 1}, {"op": "transfer", "to": "alice", "amount": 1}] -> ok
        poor transfer {"to": "bob", "amount": 300, "resource": "disk"} -> ok
        poor invoke {"artifact": "shop", "method": "keep"} -> quota_exceeded
        poor query {"what": "resources"} -> ok ~{"disk": {"quota": 400}}
        # An artifact without standing can keep nothing of others.
        alice write {"artifact": "plain", "code": "{'keep': [['return', 1]]}", "interface": [{"name": "keep", "deposit": 5}]} -> ok
        bob invoke {"artifact": "plain", "method": "keep"} -> invalid_argument "`deposit`: `plain` has no standing to receive anything"
        "#,
    );
    // The artifacts that are given lie on it; where it is free only without them they go first.
    check(
        r#"
        resources: disk allocatable
        world: alice 10 disk 9000, bob 10 disk 2000
        alice write {"artifact": "shop", "has_standing": true, "code": "{'keep': [['return', '$call']]}", "interface": [{"name": "keep", "deposit": 100}]} -> ok
        bob write {"artifact": "thing", "content": "0123456789"} -> ok ~{"size": 35}
        bob invoke {"artifact": "shop", "method": "keep", "give": ["thing"]} -> ok ~{"given": ["thing", {"resource": "disk", "amount": 135}]}
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 1865}}
        alice query {"what": "resources", "of": "shop"} -> ok ~{"disk": {"quota": 135, "used": 35}}
        "#,
    );
    // Where disk limits nobody there is nothing to send.
    check(
        r#"
        world: alice 10, bob 10
        alice write {"artifact": "shop", "has_standing": true, "code": "{'keep': [['return', '$call']]}", "interface": [{"name": "keep", "deposit": 500}]} -> ok
        bob invoke {"artifact": "shop", "method": "keep"} -> ok ~{"given": []}
        "#,
    );
}

#[test]
fn what_is_pushed_onto_the_library_brings_the_disk_on_which_it_lies() {
    check(
        r#"
        resources: disk allocatable
        world: alice 10 disk 9000, bob 10 disk 200
        artifact genesis_shop by genesis_shop scrip 0 disk 300
        artifact free by alice contract genesis_contract_public
        artifact code by alice contract genesis_contract_public code [['call', 'transfer_ownership', ['free', 'genesis_shop']]]
        alice write {"artifact": "thing", "content": "0123456789"} -> ok ~{"size": 35}
        alice transfer_ownership {"artifact": "thing", "to": "bob"} -> ok
        # Of one to another it takes the other's room; onto the library it brings its own.
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 200, "used": 76}}
        bob transfer_ownership {"artifact": "thing", "to": "genesis_shop"} -> ok
        bob query {"what": "resources"} -> ok ~{"disk": {"quota": 165, "used": 41}}
        bob query {"what": "resources", "of": "genesis_shop"} -> ok ~{"disk": {"quota": 335}}
        # The mover bears it, also with another's.
        bob transfer_ownership {"artifact": "free", "to": "genesis_shop"} -> ok
        alice query {"what": "resources"} -> ok ~{"disk": {"quota": 9000}}
        # Code without standing has nothing to bring.
        alice write {"artifact": "free", "content": "x"} -> ok
        alice transfer_ownership {"artifact": "free", "to": "alice"} -> ok
        bob invoke {"artifact": "code"} -> invalid_argument "who hands things to the library lends the disk for them"
        # Room that is free only without the thing goes after it.
        bob write {"artifact": "big", "content": "0123456789012345678901234567890123456789012345678901"} -> ok
        bob transfer_ownership {"artifact": "big", "to": "genesis_shop"} -> ok
        "#,
    );
}
