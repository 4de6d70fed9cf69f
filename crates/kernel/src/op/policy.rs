//! Policies: lists of those who may do something with an artifact. They decide in worlds that keep to them, and
//! elsewhere say which contract would do the same.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::field::{Given, Permission, bounded, integer, unknown_key};
use crate::{
    id::Id,
    json::Json,
    limits,
    refusal::{Code, Refusal},
};

/// A policy as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The part that is stored: each list, and the price of reading.
    pub kept: Json,
    /// The price of an invocation, which is the artifact's own.
    pub invoke_price: Option<i64>,
}

/// The lists, and the permissions that they give.
const LISTS: [(&str, Permission); 3] = [
    ("allow_read", Permission::Read),
    ("allow_write", Permission::Write),
    ("allow_invoke", Permission::Invoke),
];
const PRICES: [&str; 2] = ["read_price", "invoke_price"];

impl Given for Policy {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::METADATA_BYTES_MAX)?;
        let Value::Object(map) = value else {
            return Err(Refusal::invalid(format!("`{name}` must be an object")));
        };
        let known: Vec<&str> = LISTS.iter().map(|(list, _)| *list).chain(PRICES).collect();
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(unknown_key(name, key, &known));
        }
        let price =
            |key: &str| map.get(key).map(|value| integer(&format!("{name}.{key}"), value, 0)).transpose();
        let (read_price, invoke_price) = (price("read_price")?.unwrap_or(0), price("invoke_price")?);
        let mut kept = Map::new();
        for (key, action) in LISTS {
            let open = action != Permission::Write;
            kept.insert(key.into(), list(&format!("{name}.{key}"), map.get(key), open)?);
        }
        kept.insert("read_price".into(), read_price.into());
        Ok(Self { kept: Value::Object(kept).into(), invoke_price })
    }

    fn given_schema() -> Value {
        let ids = json!({ "type": "array", "items": { "type": "string" } });
        let price = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
        json!({ "type": "object", "additionalProperties": false, "properties": {
            "allow_read": ids, "allow_write": ids, "allow_invoke": ids, "read_price": price, "invoke_price": price } })
    }
}

/// A list of ids; without one it is open, or the owner's.
fn list(name: &str, value: Option<&Value>, open: bool) -> Result<Value, Refusal> {
    let wrong = || Refusal::invalid(format!("`{name}` must be an array of ids, or of \"*\""));
    match value {
        None | Some(Value::Null) => Ok(if open { json!(["*"]) } else { json!([]) }),
        Some(Value::Array(ids)) if ids.iter().any(|id| id == "*") => Ok(json!(["*"])),
        Some(Value::Array(ids)) => {
            let is_id = |id: &Value| id.as_str().is_some_and(|id| Id::parse(id).is_ok());
            if ids.iter().all(is_id) { Ok(Value::Array(ids.clone())) } else { Err(wrong()) }
        }
        Some(_) => Err(wrong()),
    }
}

impl Policy {
    /// Refuses a policy, in a world of contracts, that says something else than the default contract.
    ///
    /// # Errors
    /// `unsupported`, with the contract that would do the same.
    pub fn check_default(&self) -> Result<(), Refusal> {
        let kept = self.kept.value();
        let open = json!({ "allow_read": ["*"], "allow_write": [], "allow_invoke": ["*"], "read_price": 0 });
        if *kept == open {
            return Ok(());
        }
        Err(Refusal::new(Code::Unsupported, "in this world contracts decide who may do what, not a `policy`")
            .hint(format!(
                "write an artifact with this code and name it as `access_contract`:\n{}",
                contract(kept)
            )))
    }
}

/// The contract that does what a policy says.
fn contract(kept: &Value) -> String {
    let lists: Map<String, Value> = LISTS
        .iter()
        .map(|(list, action)| (action.as_str().to_owned(), kept.get(*list).cloned().unwrap_or_default()))
        .collect();
    let mut text = String::from("def check_permission(caller, action, target, context, ledger):\n");
    text.push_str("    if caller == context[\"owner\"]:\n        return {\"allowed\": True, \"reason\": \"the owner may\"}\n");
    let _ = writeln!(text, "    allowed = {}.get(action, [])", Value::Object(lists));
    text.push_str("    may = \"*\" in allowed or caller in allowed\n");
    let cost = match kept.get("read_price").and_then(Value::as_i64) {
        Some(price) if price > 0 => format!(", \"cost\": {price} if action == \"read\" else 0"),
        Some(_) | None => String::new(),
    };
    let _ = write!(text, "    return {{\"allowed\": may, \"reason\": \"who is listed may\"{cost}}}");
    text
}
