//! The table of ops for models: a schema that constrained decoders accept, and that weak models can keep to.
//!
//! Every property is required, and one that may be absent can be null instead; there are no boolean schemas, no
//! `oneOf` and no free keys; every string, array and integer has bounds. A field that needs free keys is left out:
//! a snippet of the op `run` can write it.

use serde_json::{Map, Value, json};

use super::{FieldSpec, OpKind, OpSpec, SPECS};
use crate::limits;

/// The largest integer that readers of JSON in floats keep exactly: 2⁵³ − 1.
const INTEGER_MAX: i64 = (1 << 53) - 1;
/// Letters of a text where a field allows more: decoders build their grammars from such bounds.
const TEXT_CHARS_MAX: u64 = 2_000;
/// Letters of a name.
const NAME_CHARS_MAX: u64 = 128;
/// Entries of a list.
const ITEMS_MAX: u64 = 16;
/// Ops of one answer.
const OPS_MAX: u64 = 8;
/// Looks of one turn.
pub const LOOKS_MAX: usize = 4;
/// Letters of the reasons before an answer: a weak model that begins to repeat itself comes to its ops all the same.
const THINK_CHARS_MAX: u64 = 400;
/// The ops by which a model looks before it acts, and the query that is a look by itself.
const LOOKS: [OpKind; 3] = [OpKind::Query, OpKind::Read, OpKind::Invoke];

/// The form in which a schema is written.
#[derive(Clone, Copy)]
struct Form {
    words: Words,
    /// Letters of a text where a field allows more.
    text_chars_max: u64,
    /// Whether an object may have free keys.
    has_free_keys: bool,
}

impl Form {
    /// For a decoder, which makes a grammar of it.
    const fn decoder(words: Words) -> Self {
        Self { words, text_chars_max: TEXT_CHARS_MAX, has_free_keys: false }
    }

    /// For a client that reads it: a text may be as long as an artifact's.
    const CLIENT: Self =
        Self { words: Words::With, text_chars_max: limits::CONTENT_BYTES_MAX as u64, has_free_keys: true };
}

/// Whether the schema says what its parts are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Each op and field with its words.
    With,
    /// None, for requests whose prompt says it.
    Without,
}

/// The JSON Schema of an answer: `think`, then `looks` or `ops`.
#[must_use]
pub fn schema_for_models(words: Words) -> Value {
    let form = Form::decoder(words);
    let ops: Vec<Value> = SPECS.iter().map(|spec| op(spec, form)).collect();
    let looks: Vec<Value> =
        LOOKS.iter().filter_map(|kind| kind.spec()).map(|spec| look(spec, form)).collect();
    let list = |items: Vec<Value>, most: u64| {
        json!({ "anyOf": [
            { "type": "array", "items": { "anyOf": items }, "maxItems": most }, { "type": "null" },
        ] })
    };
    object(vec![
        ("think".into(), nullable(text(THINK_CHARS_MAX))),
        ("looks".into(), list(looks, LOOKS_MAX as u64)),
        ("ops".into(), list(ops, OPS_MAX)),
    ])
}

/// The schema of an op's fields for a client whose tool it is: its name says the op, and what is absent may be null or
/// left out.
#[must_use]
pub fn arguments_for_models(spec: &OpSpec) -> Value {
    let mut schema = op(spec, Form::CLIENT);
    if let Value::Object(map) = &mut schema {
        map.shift_remove("description");
        let must: Vec<&str> =
            spec.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        map.insert("required".into(), json!(must));
        if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
            properties.shift_remove("op");
        }
    }
    schema
}

/// An op as a model wrote it, without the nulls that stand for what is absent. A field that must be given keeps its
/// null, and so does a value that may be anything.
#[must_use]
pub fn without_nulls(op: Value) -> Value {
    let Value::Object(mut map) = op else { return op };
    let word = map.get("op").and_then(Value::as_str);
    let spec = word.and_then(|word| SPECS.iter().find(|spec| spec.kind.as_str() == word));
    let field = |name: &str| spec.and_then(|spec| spec.fields.iter().find(|field| field.name == name));
    map.retain(|name, value| !value.is_null() || field(name).is_some_and(|field| field.required));
    for (name, value) in &mut map {
        if field(name).is_some_and(|field| !is_free(&(field.schema)())) {
            *value = pruned(value.take());
        }
    }
    Value::Object(map)
}

/// Whether a schema has a part that any value fits.
fn is_free(schema: &Value) -> bool {
    let Value::Object(map) = schema else { return true };
    let inside = |key: &str| map.get(key).and_then(Value::as_array).into_iter().flatten();
    if map.contains_key("enum") || map.contains_key("const") {
        return false;
    }
    match map.get("type").and_then(Value::as_str) {
        None => {
            inside("anyOf").chain(inside("oneOf")).any(is_free)
                || !(map.contains_key("anyOf") || map.contains_key("oneOf"))
        }
        Some("array") => map.get("items").is_none_or(is_free),
        Some("object") => {
            map.get("properties").and_then(Value::as_object).is_none_or(|fields| fields.values().any(is_free))
        }
        Some(_) => false,
    }
}

/// A value of a known shape without nulls at any depth.
fn pruned(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, pruned(value)))
            .collect(),
        Value::Array(items) => items.into_iter().filter(|item| !item.is_null()).map(pruned).collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

/// The schema of one op for models; its properties stand in the order in which they are to be written.
fn op(spec: &OpSpec, form: Form) -> Value {
    let mut properties = vec![("op".to_owned(), json!({ "type": "string", "enum": [spec.kind.as_str()] }))];
    let (required, optional): (Vec<_>, Vec<_>) = spec.fields.iter().partition(|field| field.required);
    properties.extend(required.into_iter().chain(optional).filter_map(|field| property(field, form)));
    // Only some ops bear prices.
    if matches!(spec.kind, OpKind::Invoke | OpKind::Run) {
        properties.push(("max_spend".into(), nullable(integer(0))));
    }
    described(object(properties), spec.doc, form.words)
}

/// The schema of a look: an op without what would cost.
fn look(spec: &OpSpec, form: Form) -> Value {
    const COSTS: [&str; 5] = ["pay", "give", "trial", "expect", "max_spend"];
    let mut schema = op(spec, form);
    if spec.kind == OpKind::Query {
        return schema;
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !COSTS.contains(&name.as_str()));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !COSTS.iter().any(|cost| name == cost));
    }
    schema
}

fn property(field: &FieldSpec, form: Form) -> Option<(String, Value)> {
    let whole = (field.schema)();
    let narrow = narrowed(&whole, form.text_chars_max);
    let schema = narrow.or_else(|| form.has_free_keys.then_some(whole))?;
    let schema = if field.required { schema } else { nullable(schema) };
    Some((field.name.to_owned(), described(schema, field.doc, form.words)))
}

fn described(mut schema: Value, doc: &str, words: Words) -> Value {
    if let (Value::Object(map), Words::With) = (&mut schema, words) {
        map.insert("description".into(), doc.trim().into());
    }
    schema
}

/// A field's schema as decoders take it; `None` where it needs free keys.
fn narrowed(schema: &Value, texts: u64) -> Option<Value> {
    let Value::Object(map) = schema else { return Some(any(texts)) };
    if let Some(words) = map.get("enum") {
        return Some(json!({ "type": "string", "enum": words }));
    }
    if let Some(only) = map.get("const") {
        return Some(json!({ "type": "string", "enum": [only] }));
    }
    if let Some(choices) = map.get("anyOf").or_else(|| map.get("oneOf")).and_then(Value::as_array) {
        let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
        let kept: Vec<Value> = choices.iter().filter_map(|choice| narrowed(choice, texts)).collect();
        return if kept.iter().all(is_null) { None } else { one_of(kept) };
    }
    match map.get("type").and_then(Value::as_str) {
        None => Some(any(texts)),
        Some("string") => {
            let most = map.get("maxLength").and_then(Value::as_u64).unwrap_or(texts);
            let is_name =
                map.contains_key("pattern") || map.contains_key("format") || map.contains_key("examples");
            Some(text(if is_name { NAME_CHARS_MAX } else { most.min(texts) }))
        }
        Some("integer") => Some(integer(map.get("minimum").and_then(Value::as_i64).unwrap_or(-INTEGER_MAX))),
        Some("array") => {
            let items = match map.get("items") {
                Some(items) => narrowed(items, texts)?,
                None => any(texts),
            };
            let most = map.get("maxItems").and_then(Value::as_u64).unwrap_or(ITEMS_MAX).min(ITEMS_MAX);
            Some(json!({ "type": "array", "items": items, "maxItems": most }))
        }
        Some("object") => fixed(map, texts),
        Some(kind) => Some(json!({ "type": kind })),
    }
}

/// An object all of whose keys are known.
fn fixed(map: &Map<String, Value>, texts: u64) -> Option<Value> {
    let properties = map.get("properties")?.as_object()?;
    let must = map.get("required").and_then(Value::as_array);
    let is_required = |name: &str| must.is_some_and(|names| names.iter().any(|other| other == name));
    let fields = properties.iter().map(|(name, schema)| {
        let schema = narrowed(schema, texts)?;
        Some((name.clone(), if is_required(name) { schema } else { nullable(schema) }))
    });
    fields.collect::<Option<Vec<_>>>().filter(|fields| !fields.is_empty()).map(object)
}

fn object(properties: Vec<(String, Value)>) -> Value {
    let names: Vec<&String> = properties.iter().map(|(name, _)| name).collect();
    let required = json!(names);
    let properties: Map<String, Value> = properties.into_iter().collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn text(most: u64) -> Value {
    json!({ "type": "string", "maxLength": most })
}

fn integer(least: i64) -> Value {
    json!({ "type": "integer", "minimum": least.max(-INTEGER_MAX), "maximum": INTEGER_MAX })
}

/// Any value without free keys: text, a number, a truth, or a list of these.
fn any(texts: u64) -> Value {
    let plain = || [text(texts), integer(-INTEGER_MAX), json!({ "type": "boolean" })];
    let list = json!({ "type": "array", "items": { "anyOf": plain() }, "maxItems": ITEMS_MAX });
    json!({ "anyOf": plain().into_iter().chain([list]).collect::<Vec<_>>() })
}

/// One of several, without those that stand there twice.
fn one_of(choices: Vec<Value>) -> Option<Value> {
    let mut distinct: Vec<Value> = Vec::new();
    for choice in choices {
        let inner = choice.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![choice]);
        for choice in inner {
            if !distinct.contains(&choice) {
                distinct.push(choice);
            }
        }
    }
    match distinct.len() {
        0 => None,
        1 => distinct.pop(),
        _ => Some(json!({ "anyOf": distinct })),
    }
}

fn nullable(schema: Value) -> Value {
    let null = json!({ "type": "null" });
    match one_of(vec![schema, null.clone()]) {
        Some(schema) => schema,
        None => null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `look` on each schema within one, with its path.
    fn each(schema: &Value, path: &str, look: &mut dyn FnMut(&str, &Map<String, Value>)) {
        let map = schema.as_object().unwrap_or_else(|| panic!("{path} is no object: {schema}"));
        look(path, map);
        for (name, inner) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            each(inner, &format!("{path}.{name}"), look);
        }
        for (at, inner) in map.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
            each(inner, &format!("{path}|{at}"), look);
        }
        if let Some(items) = map.get("items") {
            each(items, &format!("{path}[]"), look);
        }
    }

    #[test]
    fn the_schema_is_what_strict_decoders_accept() {
        for words in [Words::With, Words::Without] {
            let schema = schema_for_models(words);
            each(&schema, "$", &mut |path, map| {
                for key in map.keys() {
                    let known = [
                        "type",
                        "properties",
                        "required",
                        "additionalProperties",
                        "anyOf",
                        "items",
                        "enum",
                        "maxLength",
                        "maxItems",
                        "minimum",
                        "maximum",
                        "description",
                    ];
                    assert!(known.contains(&key.as_str()), "{path}: {key}");
                }
                match map.get("type").and_then(Value::as_str) {
                    None => assert!(map.contains_key("anyOf"), "{path} has no type"),
                    Some("string") => {
                        assert!(map.contains_key("enum") || map.contains_key("maxLength"), "{path}");
                    }
                    Some("integer") => {
                        assert!(map["minimum"].as_i64().unwrap() >= -INTEGER_MAX, "{path}");
                        assert_eq!(map["maximum"], INTEGER_MAX, "{path}");
                    }
                    Some("array") => {
                        assert!(map.contains_key("maxItems") && map.contains_key("items"), "{path}")
                    }
                    Some("object") => {
                        assert_eq!(map["additionalProperties"], false, "{path}");
                        let names: Vec<&String> = map["properties"].as_object().unwrap().keys().collect();
                        assert_eq!(map["required"], json!(names), "{path}: all are required, in order");
                    }
                    Some("boolean" | "null") => {}
                    Some(other) => panic!("{path}: {other}"),
                }
            });
        }
    }

    #[test]
    fn each_op_is_there_with_its_required_fields_first() {
        let schema = schema_for_models(Words::Without);
        let ops = schema["properties"]["ops"]["anyOf"][0]["items"]["anyOf"].as_array().unwrap();
        assert_eq!(ops.len(), SPECS.len());
        let mut left_out = Vec::new();
        for (spec, schema) in SPECS.iter().zip(ops) {
            let names: Vec<&str> =
                schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names[0], "op");
            let required: Vec<&str> =
                spec.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
            assert_eq!(names[1..=required.len()], required, "{}", spec.kind);
            left_out.extend(spec.fields.iter().map(|field| field.name).filter(|name| !names.contains(name)));
        }
        left_out.sort_unstable();
        left_out.dedup();
        assert_eq!(left_out, ["interface", "metadata"], "only fields with free keys are left out");
        assert!(!schema.to_string().contains("action_id"));
    }

    #[test]
    fn a_client_may_give_every_field_and_must_give_what_the_table_says() {
        for spec in SPECS {
            let schema = arguments_for_models(spec);
            let fields = schema["properties"].as_object().unwrap();
            let all = spec.fields.iter().all(|field| fields.contains_key(field.name));
            assert!(all && !fields.contains_key("op"), "{}: {schema}", spec.kind);
            let must: Vec<&str> =
                spec.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
            assert_eq!(schema["required"], json!(must), "{}", spec.kind);
        }
        let code = OpKind::Write.spec().map(arguments_for_models).unwrap();
        let text = &code["properties"]["code"]["anyOf"][0]["maxLength"];
        assert_eq!(text, limits::CODE_BYTES_MAX, "a tool may be as long as the world allows");
    }

    #[test]
    fn a_null_is_read_as_absent_where_it_can_mean_nothing_else() {
        for (written, read) in [
            (json!({ "op": "noop", "max_spend": null }), json!({ "op": "noop" })),
            (
                json!({ "op": "store", "key": "k", "value": null }),
                json!({ "op": "store", "key": "k", "value": null }),
            ),
            (
                json!({ "op": "write", "artifact": "a", "content": null, "code": null, "price": 0,
                        "policy": { "allow_read": null, "invoke_price": 2 } }),
                json!({ "op": "write", "artifact": "a", "price": 0, "policy": { "invoke_price": 2 } }),
            ),
            (
                json!({ "op": "sleep", "for": null, "any": [{ "for": "5s", "until": null, "filter": { "actor": null, "to": "b" } }] }),
                json!({ "op": "sleep", "any": [{ "for": "5s", "filter": { "to": "b" } }] }),
            ),
            (
                json!({ "op": "invoke", "artifact": "a", "args": [null, { "x": null }], "pay": null, "give": null }),
                json!({ "op": "invoke", "artifact": "a", "args": [null, { "x": null }] }),
            ),
            (json!({ "op": "unknown", "x": null }), json!({ "op": "unknown" })),
            (json!([null]), json!([null])),
        ] {
            assert_eq!(without_nulls(written), read);
        }
    }
}
