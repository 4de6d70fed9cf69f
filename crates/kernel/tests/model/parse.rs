//! Reading actions: the answer to any JSON is an action or a refusal of one of three codes.

use oikos_kernel::{op::Action, refusal::Code};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Number, Value};

use super::config;

const WORDS: &[&str] = &[
    "op",
    "action_type",
    "artifact",
    "artifact_id",
    "to",
    "amount",
    "resource",
    "part",
    "content",
    "code",
    "kind",
    "artifact_type",
    "field",
    "old",
    "new",
    "old_string",
    "method",
    "args",
    "pay",
    "give",
    "key",
    "value",
    "what",
    "of",
    "as",
    "action",
    "target",
    "max_spend",
    "action_id",
    "price",
    "access_contract",
    "pays",
    "has_standing",
    "has_loop",
    "memory_artifact",
    "depends_on",
    "metadata",
    "interface",
    "contract",
    "noop",
    "read",
    "write",
    "edit",
    "delete",
    "invoke",
    "run",
    "transfer",
    "transfer_ownership",
    "store",
    "set_contract",
    "query",
    "sleep",
    "mint",
    "charge",
    "invoke_artifact",
    "write_artifact",
    "owner",
    "alice",
    "balance",
    "permission",
    "limit",
    "since",
    "name",
    "type",
    "text",
    "sample",
    "",
    "\u{0}",
    "é",
    "\u{10ffff}",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(WORDS).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (1_usize..300).prop_map(|count| "a".repeat(count)),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_i64..3).prop_map(Value::from),
        select(&[u64::MAX, 1 << 63, (1 << 63) - 1][..]).prop_map(Value::from),
        any::<f64>().prop_map(|float| Number::from_f64(float).map_or(Value::Null, Value::Number)),
        word().prop_map(Value::from),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((word(), inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Ops as they should be, to be spoiled.
fn valid() -> impl Strategy<Value = Value> {
    let ops = [
        r#"{"op": "noop"}"#,
        r#"{"op": "read", "artifact": "a", "code": true}"#,
        r#"{"op": "write", "artifact": "a", "content": {"x": 1}, "code": "pass", "price": 2, "kind": "tool",
            "interface": [{"name": "run"}], "depends_on": ["b"], "metadata": {}, "memory_artifact": null,
            "pays": "self", "has_standing": true, "has_loop": false, "access_contract": "c"}"#,
        r#"{"op": "edit", "artifact": "a", "field": "content", "old": "x", "new": "y"}"#,
        r#"{"op": "delete", "artifact": "a"}"#,
        r#"{"op": "invoke", "artifact": "a", "method": "run", "args": [1], "pay": 0, "give": ["b"], "max_spend": 3}"#,
        r#"{"op": "run", "code": "1", "action_id": "x"}"#,
        r#"{"op": "transfer", "to": "b", "amount": 5, "resource": "cpu", "part": "rate"}"#,
        r#"{"op": "transfer_ownership", "artifact": "a", "to": "b"}"#,
        r#"{"op": "sleep", "for": "60s", "event": "transfer", "filter": {"to": "b"}, "any": [{"resource": "scrip", "level": 5}]}"#,
        r#"{"op": "set_contract", "artifact": "a", "contract": "c"}"#,
        r#"{"op": "store", "key": "k", "value": [1]}"#,
        r#"{"op": "query", "what": "capacity", "of": "a", "resource": "cpu", "amount": 3}"#,
        r#"{"op": "query", "what": "permission", "as": "a", "action": "read", "target": "b"}"#,
        r#"{"action_type": "edit_artifact", "artifact_id": "a", "field": "code", "old_string": "x", "new_string": "y"}"#,
    ];
    select(ops.map(|text| serde_json::from_str::<Value>(text).unwrap()).to_vec())
}

/// A valid op with some fields put in, replaced and taken away.
fn spoiled() -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), prop_oneof![word().prop_map(Some), Just(None)], json(), 0..3);
    (valid(), vec(change, 0..4)).prop_map(|(mut op, changes)| {
        let map: &mut Map<String, Value> = op.as_object_mut().unwrap();
        for (at, name, value, what) in changes {
            let there = map.keys().nth(at.index(map.len().max(1))).cloned();
            let name = name.or(there).unwrap_or_default();
            if what == 0 {
                map.remove(&name);
            } else {
                map.insert(name, value);
            }
        }
        op
    })
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn any_json_is_an_action_or_is_refused_with_a_reason(
        action in prop_oneof![json(), valid(), spoiled(), vec(prop_oneof![spoiled(), json()], 0..4).prop_map(Value::from)],
    ) {
        match Action::parse(action.clone()) {
            Ok(read) => prop_assert_eq!(read.is_list, action.is_array()),
            Err(refusal) => {
                let fits = [Code::InvalidArgument, Code::LimitExceeded, Code::Unsupported];
                prop_assert!(fits.contains(&refusal.code), "{:?}", refusal);
                prop_assert!(!refusal.message.is_empty());
                prop_assert_eq!(refusal.index.is_some(), action.is_array(), "{:?}", refusal);
            }
        }
    }

    #[test]
    fn an_op_as_it_should_be_is_read(op in valid()) {
        prop_assert!(Action::parse(op).is_ok());
    }
}
