//! The table of ops for others: JSON Schema, and the reference in the handbook.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Amounts, FieldType, Natural, OpKind, OpSpec, SPECS, query::queries};

/// The JSON Schema of one op, as `oikos schema op` prints it: one alternative per op.
#[must_use]
pub fn schema() -> Value {
    let alternatives: Vec<Value> = SPECS.iter().map(op_schema).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Oikos op",
        "oneOf": alternatives,
    })
}

fn op_schema(spec: &OpSpec) -> Value {
    let mut properties = Map::new();
    let mut required = vec![json!("op")];
    properties.insert("op".into(), json!({ "const": spec.kind.as_str() }));
    for field in spec.fields {
        let mut schema = (field.schema)();
        if schema == Value::Bool(true) {
            schema = json!({});
        }
        if let Value::Object(map) = &mut schema {
            map.insert("description".into(), field.doc.trim().into());
        }
        properties.insert(field.name.into(), schema);
        if field.required {
            required.push(field.name.into());
        }
    }
    properties.insert("max_spend".into(), <Option<Natural> as FieldType>::schema());
    properties.insert("max_resources".into(), <Option<Amounts> as FieldType>::schema());
    properties.insert("action_id".into(), json!({ "type": "string", "minLength": 1, "maxLength": 128 }));
    json!({
        "title": spec.kind.as_str(),
        "description": spec.doc.trim(),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The reference of all ops as Markdown, for `handbook_ops`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Operations\n\nAs JSON: `{\"op\": \"transfer\", \"to\": \"bob\", \"amount\": 5}`. \
         In code: `transfer(\"bob\", 5)`.\nEvery op may also carry `max_spend`, the most scrip that prices may take; \
         `max_resources`, the most of each resource that it may take with all that it calls, as in `{\"cpu\": 5000}`; and, when \
         submitted, `action_id`.\n",
    );
    for spec in SPECS {
        let _ = write!(text, "\n## {}\n\n{}\n", spec.kind, spec.doc.trim());
        if !spec.fields.is_empty() {
            text.push('\n');
        }
        for field in spec.fields {
            let must = if field.required { "" } else { " (optional)" };
            let _ = writeln!(text, "- `{}`{must}: {}", field.name, field.doc.trim());
        }
        if spec.kind == OpKind::Query {
            let _ = write!(
                text,
                "\nEach `what` takes some of the fields; those in bold it needs.\n\n{}",
                queries()
            );
        }
    }
    text
}
