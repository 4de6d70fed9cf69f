//! The JSON Schemas of what is shown: receipts, and the observations of minds.

use serde_json::{Map, Value, json};

use crate::{
    event,
    op::answers,
    record::{Spending, Why},
    refusal::Code,
};

/// The dialect that all schemas are written in.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a receipt, as `act` and sessions answer, and as agents find their last one.
#[must_use]
pub fn receipt() -> Value {
    let mut schema = json!({ "$schema": DIALECT, "title": "Oikos receipt" });
    with(&mut schema, receipt_object());
    schema
}

/// The schema of an observation, as minds are given it.
#[must_use]
pub fn observation() -> Value {
    let resources = answers().pointer("/properties/resources").cloned().unwrap_or_default();
    let event_types = json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 1 },
        "description": "how many of each type came in too fast to be told" });
    let last = json!({ "oneOf": [{ "type": "null" }, receipt_object()],
        "description": "the receipt of its last step, with the results that are kept" });
    json!({
        "$schema": DIALECT, "title": "Oikos observation", "type": "object", "additionalProperties": false,
        "properties": {
            "now": time("the time of the world"),
            "tick": { "type": ["integer", "null"], "description": "the number of the tick; null where there are none" },
            "step": { "type": "integer", "minimum": 0, "description": "how many steps it has had" },
            "woke": { "oneOf": [{ "type": "null" }, woke()], "description": "the end of its sleep, if it slept" },
            "self": object(&[
                ("id", text("its id")),
                ("owner", text("the id of its owner")),
                ("scrip", json!({ "type": "integer", "description": "its scrip" })),
                ("resources", resources),
                ("content", json!({ "description": "its content" })),
                ("storage_keys", json!({ "type": "array", "items": { "type": "string" },
                    "description": "the first hundred keys of its storage, in order" })),
            ], &[]),
            "last": last,
            "events": { "type": "array", "items": event_object(),
                "description": "the latest twenty events that concern it, oldest first" },
            "events_missed": { "type": "integer", "minimum": 0, "description": "how many more there were" },
            "missed": event_types,
            "population": { "type": "integer", "minimum": 0, "description": "how many agents there are" },
            "phase": { "type": "string", "description": "the phase of the tick, where ticks have phases" },
            "parameters": { "type": "object", "description": "the `[parameters]` of the world file, if it has any" },
        },
        "required": ["now", "tick", "step", "woke", "self", "last", "events", "events_missed", "missed", "population"],
    })
}

/// The schema of the refusal in a receipt, or in the answer of a session.
#[must_use]
pub fn refusal() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let number = |doc: &str| json!({ "type": "integer", "description": doc });
    object(
        &[("code", json!({ "enum": codes })), ("message", text("one line"))],
        &[
            ("traceback", text("the whole of a message that has more lines")),
            ("need", number("the amount that it would have taken")),
            ("have", number("the amount that there was")),
            ("hint", text("the next thing to try")),
            (
                "index",
                json!({ "type": "integer", "minimum": 0, "description": "which op of a list it is about" }),
            ),
        ],
    )
}

/// A receipt without the words around a schema.
#[must_use]
pub fn receipt_object() -> Value {
    let amount = || json!({ "type": "integer", "minimum": 0 });
    let charge = object(
        &[("principal", text("who used it")), ("resource", text("of what")), ("amount", amount())],
        &[],
    );
    let whys = Why::WORDS;
    let payment = object(
        &[
            ("from", text("the payer")),
            ("to", text("the payee")),
            ("amount", amount()),
            ("why", json!({ "enum": whys })),
        ],
        &[],
    );
    let all = [whys, &Spending::WORDS].concat();
    let line = object(
        &[
            ("payer", text("who bore it")),
            ("resource", text("of what; `scrip` where it was paid")),
            ("amount", amount()),
            ("for", json!({ "enum": all })),
        ],
        &[
            ("artifact", text("whose code, contract or price it was")),
            ("op", text("the op whose cost it was")),
            ("to", text("the payee")),
        ],
    );
    let list = |items: Value, doc: &str| {
        let whole = json!({ "type": "array", "items": items });
        json!({ "oneOf": [whole, cut()], "description": doc })
    };
    let error =
        json!({ "oneOf": [{ "type": "null" }, refusal()], "description": "why it was refused or failed" });
    object(
        &[
            (
                "seq",
                json!({ "type": ["integer", "null"], "minimum": 1,
                "description": "the number of its record; null where it was refused at admission and left none" }),
            ),
            ("time", time("when")),
            ("ok", json!({ "type": "boolean", "description": "whether its effects happened" })),
            (
                "result",
                json!({ "description": "of one op its result, of a list one each; null where it failed" }),
            ),
            ("error", error),
            ("charges", list(charge, "what was used, also where it failed")),
            ("payments", list(payment, "the scrip that moved")),
            ("events", list(event_object(), "what others may see of it")),
        ],
        &[
            (
                "work",
                json!({ "type": "integer", "minimum": 1, "description": "units of work behind its CPU" }),
            ),
            ("lines", list(line, "charges and payments line by line")),
            (
                "output",
                json!({ "oneOf": [{ "type": "string" }, cut()], "description": "what its code printed" }),
            ),
        ],
    )
}

/// An event, of any type.
fn event_object() -> Value {
    json!({ "oneOf": event::schema().get("oneOf").cloned().unwrap_or_default() })
}

fn woke() -> Value {
    let by = |word: &str| ("by", json!({ "const": word }));
    let seq = json!({ "type": "integer", "minimum": 1, "description": "the record of the event" });
    json!({ "oneOf": [
        object(&[by("time")], &[]),
        object(&[by("event"), ("seq", seq)], &[]),
        object(&[by("level"), ("resource", text("of what"))], &[]),
        object(&[by("change")], &[]),
    ] })
}

/// The stand-in for a part that was too long to keep.
fn cut() -> Value {
    let bytes = json!({ "type": "integer", "minimum": 0, "description": "bytes of it" });
    object(&[("cut", bytes), ("hash", text("BLAKE3 of them"))], &[])
}

fn text(doc: &str) -> Value {
    json!({ "type": "string", "description": doc })
}

fn time(doc: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": doc })
}

/// An object with fields that are always there, others that may be, and no more.
#[must_use]
pub fn object(always: &[(&str, Value)], else_there: &[(&str, Value)]) -> Value {
    let all = always.iter().chain(else_there);
    let properties: Map<String, Value> =
        all.map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = always.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn with(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
