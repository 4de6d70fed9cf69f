//! The JSON Schemas of the lines of a session.

use oikos_kernel::{
    op,
    op_kind::OpKind,
    schema::{DIALECT, object, observation, receipt_object, refusal},
};
use serde_json::{Value, json};

use crate::stop::{Signal, Why};

/// Fields of the op `query` that a request for facts has not.
const OF_ACTIONS: [&str; 4] = ["op", "max_spend", "max_resources", "action_id"];

/// The schema of a request: a line into a session.
#[must_use]
pub fn request() -> Value {
    let (acts, query) = (acts(), query());
    let act = json!({ "$ref": "#/$defs/act" });
    let op = json!({ "$ref": "#/$defs/op" });
    let run = spans();
    let decide = object(
        &[
            ("as", json!({ "type": "string", "description": "the agent whose turn is open" })),
            ("ops", json!({ "type": ["array", "null"], "items": op })),
        ],
        &[],
    );
    let artifact = json!({ "type": "string", "minLength": 1 });
    let parts = ["storage", "content", "code"].map(|part| (part, json!({ "type": "boolean" })));
    let inspect = json!({ "oneOf": [artifact.clone(), object(&[("artifact", artifact)], &parts)] });
    let each = [
        ("act", "a principal acts", act.clone()),
        ("batch", "several actions, each for itself", json!({ "type": "array", "items": act })),
        ("query", "an observer, who may see all, asks", query),
        ("advance", "the virtual clock is moved, and nobody thinks", duration("how far")),
        ("run", "the loops are run", run),
        ("verify", "the whole journal is verified", json!({ "const": true })),
        ("decide", "a client decides for its agent", decide),
        ("observe", "the observation of an agent, as it would be now", json!({ "type": "string" })),
        ("inspect", "an observer looks into an artifact, without a record", inspect),
    ];
    let alternatives = each.into_iter().map(|(word, doc, body)| {
        let mut schema = object(&[(word, body)], &[("id", id())]);
        if let Value::Object(map) = &mut schema {
            map.insert("title".into(), word.into());
            map.insert("description".into(), doc.into());
        }
        schema
    });
    json!({
        "$schema": DIALECT, "title": "Oikos request: a line into a session",
        "oneOf": alternatives.collect::<Vec<_>>(),
        "$defs": { "act": { "oneOf": acts }, "op": { "oneOf": ops() } },
    })
}

/// The schema of an action of somebody who need not be named: an op, or a list of ops.
#[must_use]
pub fn action() -> Value {
    let mut all = ops();
    all.push(object(&[("ops", json!({ "type": "array", "items": { "oneOf": ops() } }))], &[]));
    json!({ "oneOf": all })
}

/// The schema of a decision of an agent that need not be named.
#[must_use]
pub fn decision() -> Value {
    object(&[("ops", json!({ "type": ["array", "null"], "items": { "oneOf": ops() } }))], &[])
}

/// The schema of a span for which a world is run.
#[must_use]
pub fn spans() -> Value {
    json!({ "oneOf": [
        object(&[("ticks", json!({ "type": "integer", "minimum": 0 }))], &[]),
        object(&[("for", duration("of the world's time"))], &[]),
        object(&[("until", moment())], &[]),
    ] })
}

/// The schema of an answer: a line out of a session.
#[must_use]
pub fn answer() -> Value {
    let receipt = json!({ "$ref": "#/$defs/receipt" });
    let now = json!({ "type": "string", "format": "date-time", "description": "where the clock stands" });
    let seq = json!({ "type": "integer", "minimum": 0, "description": "the number of the last record" });
    let turn = object(
        &[("as", json!({ "type": "string" })), ("observation", json!({ "$ref": "#/$defs/observation" }))],
        &[],
    );
    let turns = json!({ "type": "array", "items": turn, "description": "the turns that are open" });
    let asked = [Why::Signal(Signal::Interrupt).word(), Why::ClosedPipe.word()];
    let words = ["ticks", "for", "moment", "until", "budget", asked[0], asked[1]];
    let ran =
        |stopped: Value| [("id", id()), ("now", now.clone()), ("seq", seq.clone()), ("stopped", stopped)];
    let mut with_turns = ran(json!({ "const": "turns" })).to_vec();
    with_turns.push(("turns", turns));
    let mut observation = observation();
    if let Some(last) = observation.pointer_mut("/properties/last/oneOf/1") {
        *last = receipt.clone();
    }
    let observation = without_words(observation);
    json!({
        "$schema": DIALECT, "title": "Oikos answer: a line out of a session",
        "oneOf": [
            object(&[("id", id()), ("receipt", receipt.clone())], &[]),
            object(&[("id", id()), ("receipt", json!({ "type": "null" })), ("pending", json!({ "const": true }))], &[]),
            object(&[("id", id()), ("receipts", json!({ "type": "array", "items": receipt }))], &[]),
            object(&[("id", id()), ("result", json!({ "description": "as `oikos schema query` says" }))], &[]),
            object(&[("id", id()), ("now", now.clone())], &[]),
            object(&ran(json!({ "enum": words })), &[]),
            object(&with_turns, &[]),
            object(&[("id", id()), ("error", refusal())], &[]),
        ],
        "$defs": { "receipt": receipt_object(), "observation": observation },
    })
}

fn ops() -> Vec<Value> {
    let schema = op::schema();
    schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The actions of a principal: an op with `as`, or a list of ops.
fn acts() -> Vec<Value> {
    let principal = || json!({ "type": "string", "description": "the principal who acts" });
    let mut acts: Vec<Value> = ops();
    for act in &mut acts {
        if let Some(Value::Object(properties)) = act.get_mut("properties") {
            properties.insert("as".into(), principal());
        }
        if let Some(Value::Array(required)) = act.get_mut("required") {
            required.push("as".into());
        }
    }
    let list = json!({ "type": "array", "items": { "$ref": "#/$defs/op" } });
    acts.push(object(&[("as", principal()), ("ops", list)], &[]));
    acts
}

/// The schema of a query.
#[must_use]
pub fn query() -> Value {
    let is_query = |op: &Value| op.pointer("/properties/op/const") == Some(&OpKind::Query.as_str().into());
    let mut query = ops().into_iter().find(is_query).unwrap_or_default();
    if let Some(Value::Object(properties)) = query.get_mut("properties") {
        properties.retain(|name, _| !OF_ACTIONS.contains(&name.as_str()));
    }
    if let Some(Value::Array(required)) = query.get_mut("required") {
        required.retain(|name| name != "op");
    }
    query
}

fn id() -> Value {
    json!({ "description": "any JSON, which comes back as it was" })
}

fn moment() -> Value {
    json!({ "type": "string", "examples": ["2026-01-01T06:00:00Z", "6h", "tick:40"],
            "description": "a time, a time since the beginning, or the end of a tick" })
}

fn duration(doc: &str) -> Value {
    json!({ "type": "string", "examples": ["60s", "1d 12h"], "description": doc })
}

/// Without the words that stand around a schema of its own.
fn without_words(mut schema: Value) -> Value {
    if let Value::Object(map) = &mut schema {
        map.retain(|name, _| !["$schema", "title"].contains(&name.as_str()));
    }
    schema
}
