//! The JSON Schemas of bodies and answers: those of the kernel and of sessions, and around them what the door adds.

use oikos_runner::{
    Motion,
    kernel::{event, schema as shown},
    schema,
};
use serde_json::{Map, Value, json};

fn string() -> Value {
    json!({ "type": "string" })
}

fn object(properties: &[(&str, Value)]) -> Value {
    shown::object(properties, &[])
}

pub(crate) fn any() -> Value {
    json!({ "type": "object" })
}

/// A message of the Model Context Protocol, which has schemas of its own.
pub(crate) fn message() -> Value {
    json!({ "type": "object", "properties": { "jsonrpc": { "const": "2.0" } }, "required": ["jsonrpc"] })
}

pub(crate) fn act() -> Value {
    schema::action()
}

pub(crate) fn query() -> Value {
    schema::query()
}

pub(crate) fn decide() -> Value {
    schema::decision()
}

pub(crate) fn receipt() -> Value {
    shown::receipt_object()
}

pub(crate) fn decided() -> Value {
    let pending = object(&[("receipt", json!({ "type": "null" })), ("pending", json!({ "const": true }))]);
    json!({ "oneOf": [receipt(), pending] })
}

pub(crate) fn result() -> Value {
    json!({ "oneOf": [
        object(&[("result", json!({ "description": "as `oikos schema query` says" }))]),
        object(&[("error", shown::refusal())]),
    ] })
}

pub(crate) fn turn() -> Value {
    object(&[
        ("open", json!({ "type": "boolean" })),
        ("observation", json!({ "description": "as `oikos schema observation` says, or null" })),
    ])
}

pub(crate) fn events() -> Value {
    object(&[
        (
            "events",
            list(json!({ "type": "object", "description": "as `oikos schema log` says, with its `id`" })),
        ),
        ("next", json!({ "type": "string", "description": "the `since` of the next page" })),
        ("more", json!({ "type": "boolean", "description": "whether there was more when this was read" })),
    ])
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn page(name: &str) -> Value {
    object(&[(name, list(one())), ("next", json!({ "type": ["string", "null"] }))])
}

pub(crate) fn agents() -> Value {
    page("agents")
}

pub(crate) fn artifacts() -> Value {
    page("artifacts")
}

pub(crate) fn one() -> Value {
    json!({ "type": "object", "properties": { "id": string(), "owner": string(), "kind": string() },
            "required": ["id", "owner", "kind"] })
}

pub(crate) fn series() -> Value {
    let value = object(&[
        ("seq", json!({ "type": "integer" })),
        ("time", json!({ "type": "string", "format": "date-time" })),
        ("name", string()),
        ("value", json!({ "type": ["number", "null"] })),
    ]);
    object(&[("series", list(value)), ("next", json!({ "type": ["integer", "null"] }))])
}

pub(crate) fn costs() -> Value {
    json!({ "type": "object", "properties": { "rows": list(any()), "paid": any(), "replayed": any() },
            "required": ["rows", "paid", "replayed"] })
}

pub(crate) fn run() -> Value {
    let mut spans = schema::spans();
    if let Some(Value::Array(alternatives)) = spans.get_mut("oneOf") {
        alternatives.push(
            json!({ "type": "object", "maxProperties": 0, "description": "to the end of the world file" }),
        );
    }
    spans
}

pub(crate) fn ran() -> Value {
    let came = object(&[
        ("now", json!({ "type": "string", "format": "date-time" })),
        ("seq", json!({ "type": "integer" })),
        ("stopped", string()),
    ]);
    json!({ "oneOf": [came, standing()] })
}

pub(crate) fn standing() -> Value {
    let follows = object(&[
        ("behind_ms", json!({ "type": "integer", "minimum": 0 })),
        ("thoughts", json!({ "type": "integer", "minimum": 0 })),
        ("writer", json!({ "type": ["string", "null"] })),
    ]);
    shown::object(
        &[
            ("state", json!({ "enum": Motion::ALL.map(Motion::word) })),
            ("speed", json!({ "oneOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "const": "max" }] })),
            ("problem", json!({ "oneOf": [{ "type": "null" }, shown::refusal()] })),
        ],
        &[("follows", follows)],
    )
}

pub(crate) fn speed() -> Value {
    let speed = json!({ "oneOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "const": "max" }] });
    object(&[("speed", speed)])
}

pub(crate) fn fork() -> Value {
    let set = json!({ "type": "object", "description": "other values for keys of the world file" });
    shown::object(
        &[("at", json!({ "type": "string", "examples": ["tick:40", "6h", "17"] })), ("to", string())],
        &[("set", set), ("seed", json!({ "type": "integer", "minimum": 0 }))],
    )
}

/// The form by which a world is steered.
pub(crate) fn steer_form() -> Value {
    let words = json!({ "enum": ["run", "pause", "step", "speed", "fork"] });
    shown::object(&[("do", words)], &["span", "speed", "at", "to"].map(|name| (name, string())))
}

/// The form by which an agent's model is asked.
pub(crate) fn ask_form() -> Value {
    shown::object(&["agent", "at", "question"].map(|name| (name, string())), &[])
}

/// The form by which a seat acts.
pub(crate) fn act_form() -> Value {
    let named = ["op", "json", "key"].map(|name| (name.to_owned(), string()));
    json!({
        "type": "object", "properties": named.into_iter().collect::<Map<String, Value>>(),
        "additionalProperties": { "type": "string", "description": "a field of the op" },
    })
}

pub(crate) fn forked() -> Value {
    object(&[
        ("world", string()),
        ("parent", any()),
        ("seq", json!({ "type": "integer" })),
        ("journal_hash", string()),
    ])
}

pub(crate) fn world() -> Value {
    let words = ["name", "clock", "mode", "now", "begun"];
    let mut properties: Vec<(&str, Value)> = words.iter().map(|word| (*word, string())).collect();
    let numbers = ["seq", "supply", "agents"];
    properties.extend(numbers.iter().map(|word| (*word, json!({ "type": "integer" }))));
    properties.extend(["states", "versions", "you"].iter().map(|word| (*word, any())));
    properties.push(("health", list(any())));
    let mut schema = shown::object(&properties, &[("state", string()), ("measures", json!({}))]);
    if let Value::Object(map) = &mut schema {
        map.remove("additionalProperties");
    }
    schema
}

pub(crate) fn problem() -> Value {
    let codes = shown::refusal().pointer("/properties/code").cloned().unwrap_or_else(string);
    json!({
        "type": "object", "description": "RFC 9457",
        "properties": {
            "type": string(), "title": string(), "status": { "type": "integer" }, "detail": string(), "code": codes,
            "hint": string(), "need": { "type": "integer" }, "have": { "type": "integer" },
        },
        "required": ["type", "title", "status", "detail", "code"],
    })
}

/// The events of a feed.
pub(crate) fn event() -> Value {
    event::schema()
}
