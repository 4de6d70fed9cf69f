//! The form of an answer that code asks for by a schema: as providers are asked for it, and as it is read.
//!
//! Strict decoders know a part of JSON Schema: an object has all its fields, and an answer is one. So a field that may
//! be absent can be null there, which is read as absent, and an answer that is no object stands in one, as `answer`.
//! Such a decoder turns the rest down, for everybody who asks it: a schema beyond its part stands in words.

use serde_json::{Map, Value, json};

use crate::{decision::read_object, request::Schema};

/// The field in which an answer stands that is no object.
const ANSWER: &str = "answer";

/// The schema as a provider is asked for it; or the words that ask for it, where strict decoders would turn it down.
///
/// # Errors
/// The words.
pub fn schema_as_asked(schema: &Value) -> Result<Schema, String> {
    let whole = if is_whole(schema) {
        schema.clone()
    } else {
        json!({ "type": "object", "properties": { ANSWER: schema }, "required": [ANSWER] })
    };
    strict(&whole).map(Schema::new).ok_or_else(|| {
        format!("Answer with one JSON object and nothing else. It must have this JSON Schema:\n{whole}")
    })
}

/// The value that a text answers to [`schema_as_asked`]. Whether it fits the schema is not looked at.
///
/// # Errors
/// Why there is none.
pub fn read_answer_as(schema: &Value, text: &str) -> Result<Value, String> {
    let mut map = read_object(text)?;
    let inner = if is_whole(schema) { None } else { map.shift_remove(ANSWER) };
    // A model may leave the object around its answer out.
    let mut value = inner.unwrap_or_else(|| Value::Object(map));
    drop_absent(schema, &mut value);
    Ok(value)
}

/// Whether an answer is the object itself.
fn is_whole(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object")
        && schema.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty())
}

/// The schema as strict decoders accept it, if it can be said so.
fn strict(schema: &Value) -> Option<Value> {
    let words = schema.as_object()?;
    match words.get("type")? {
        Value::String(kind) => one(kind, words),
        // Of which type each value of an `enum` is to be is not said.
        Value::Array(_) if words.contains_key("enum") => None,
        Value::Array(kinds) => {
            let forms = kinds.iter().map(|kind| one(kind.as_str()?, words));
            let forms = forms.collect::<Option<Vec<_>>>()?;
            Some(json!({ "anyOf": forms }))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The schema for one of its types.
fn one(kind: &str, words: &Map<String, Value>) -> Option<Value> {
    let own: &[&str] = match kind {
        "object" | "array" | "boolean" | "null" => &["description", "enum"],
        "string" => &["description", "enum", "maxLength"],
        "integer" | "number" => &["description", "enum", "minimum", "maximum"],
        _ => return None,
    };
    let mut form = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    for word in own {
        if let Some(value) = words.get(*word) {
            form.insert((*word).into(), value.clone());
        }
    }
    match kind {
        "object" => {
            let fields = words.get("properties")?.as_object().filter(|fields| !fields.is_empty())?;
            let must = required(words);
            must.iter().all(|name| fields.contains_key(*name)).then_some(())?;
            let properties = fields.iter().map(|(name, schema)| {
                let schema = strict(schema)?;
                let may_be_absent = !must.contains(&name.as_str());
                Some((name.clone(), if may_be_absent { nullable(schema) } else { schema }))
            });
            let properties = properties.collect::<Option<Map<_, _>>>()?;
            let names: Vec<Value> = properties.keys().map(|name| name.as_str().into()).collect();
            form.insert("properties".into(), properties.into());
            form.insert("required".into(), names.into());
            form.insert("additionalProperties".into(), false.into());
        }
        "array" => {
            form.insert("items".into(), strict(words.get("items")?)?);
        }
        _ => {}
    }
    Some(form.into())
}

fn required(words: &Map<String, Value>) -> Vec<&str> {
    words.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn nullable(schema: Value) -> Value {
    let nothing = json!({ "type": "null" });
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(forms) if forms.contains(&nothing) => schema,
        Some(forms) => json!({ "anyOf": forms.iter().cloned().chain([nothing]).collect::<Vec<_>>() }),
        None => json!({ "anyOf": [schema, nothing] }),
    }
}

/// Takes out the nulls that stand for absent fields.
fn drop_absent(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let Some(words) = schema.as_object() else { return };
            let must = required(words);
            for (name, schema) in words.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let is_absent = map.get(name).is_some_and(Value::is_null)
                    && !must.contains(&name.as_str())
                    && !may_be_null(schema);
                if is_absent {
                    map.shift_remove(name);
                } else if let Some(inner) = map.get_mut(name) {
                    drop_absent(schema, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| drop_absent(schema, item));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn may_be_null(schema: &Value) -> bool {
    let named = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
        Some(kind) => kind == "null",
        None => true,
    };
    let listed = schema.get("enum").and_then(Value::as_array);
    named && listed.is_none_or(|values| values.contains(&Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_asked_for_as_strict_decoders_accept_it() {
        let schema = json!({
            "type": "object",
            "properties": {
                "n": { "type": "integer", "minimum": 1, "title": "N" },
                "why": { "type": "string", "maxLength": 9 },
                "tags": { "type": ["array", "null"], "items": { "type": "string", "enum": ["a", "b"] } },
            },
            "required": ["n"],
        });
        let asked = schema_as_asked(&schema).unwrap();
        assert_eq!(
            asked.value(),
            &json!({
                "type": "object",
                "properties": {
                    "n": { "type": "integer", "minimum": 1 },
                    "why": { "anyOf": [{ "type": "string", "maxLength": 9 }, { "type": "null" }] },
                    "tags": { "anyOf": [
                        { "type": "array", "items": { "type": "string", "enum": ["a", "b"] } }, { "type": "null" },
                    ] },
                },
                "required": ["n", "why", "tags"],
                "additionalProperties": false,
            })
        );
        for (text, value) in [
            (r#"{"n": 1, "why": null, "tags": null}"#, json!({ "n": 1, "tags": null })),
            ("Sure:\n```json\n{\"n\": 1, \"tags\": [\"a\"]}\n```", json!({ "n": 1, "tags": ["a"] })),
            // Whether it fits is not looked at here.
            (r#"{"n": null, "more": null, "answer": 5}"#, json!({ "n": null, "more": null, "answer": 5 })),
        ] {
            assert_eq!(read_answer_as(&schema, text).unwrap(), value);
        }
        for (text, says) in [
            ("no", "no JSON object"),
            ("{\"n\": 1, \"n\": 2}", "stands twice"),
            ("{\"n\": 1", "can't be read"),
            ("[{\"op\": \"noop\"}]", "a list"),
        ] {
            let problem = read_answer_as(&schema, text).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }

    #[test]
    fn an_answer_that_is_no_object_stands_in_one() {
        let schema = json!({ "type": "string", "enum": ["yes", "no"] });
        let asked = schema_as_asked(&schema).unwrap();
        assert_eq!(asked.value()["properties"]["answer"], schema);
        assert_eq!(read_answer_as(&schema, r#"{"answer": "yes"}"#).unwrap(), json!("yes"));
        let list = json!({ "type": "array", "items": { "type": "integer" } });
        assert!(schema_as_asked(&list).is_ok());
        assert_eq!(read_answer_as(&list, r#"{"answer": [1]}"#).unwrap(), json!([1]));
    }

    #[test]
    fn a_schema_that_strict_decoders_turn_down_is_asked_for_in_words() {
        for schema in [
            json!({}),
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": {} }),
            json!({ "type": "array" }),
            json!({ "enum": [1, "a"] }),
            json!({ "type": ["string", "null"], "enum": ["a", null] }),
            json!({ "type": "object", "properties": { "a": {} } }),
            json!({ "type": "object", "properties": { "a": { "type": "null" } }, "required": ["b"] }),
        ] {
            let words = schema_as_asked(&schema).unwrap_err();
            assert!(words.contains(&schema.to_string()), "{words}");
        }
        let free = json!({ "type": "object" });
        assert_eq!(read_answer_as(&free, r#"{"answer": {"a": null}}"#).unwrap(), json!({ "a": null }));
        assert_eq!(read_answer_as(&free, r#"{"a": 1}"#).unwrap(), json!({ "a": 1 }));
    }
}
