//! JSON and Python values, one into the other.

use monty_types::MontyObject;
use oikos_kernel::{json::text_bytes, limits};
use serde_json::{Map, Number, Value};

/// A Python value from JSON.
pub(crate) fn to_python(value: Value) -> MontyObject {
    match value {
        Value::Null => MontyObject::None,
        Value::Bool(value) => MontyObject::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => MontyObject::Int(value),
            (None, Some(value)) => MontyObject::BigInt(value.into()),
            (None, None) => MontyObject::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => MontyObject::String(text),
        Value::Array(items) => MontyObject::List(items.into_iter().map(to_python).collect()),
        Value::Object(map) => {
            let pairs = map.into_iter().map(|(key, value)| (MontyObject::String(key), to_python(value)));
            MontyObject::Dict(pairs.collect())
        }
    }
}

/// JSON from a Python value, within the limits of size and depth.
///
/// # Errors
/// The value that JSON can't hold, and its place.
pub(crate) fn to_json(object: MontyObject) -> Result<Value, String> {
    let value = json(object, &mut Vec::new())?;
    let bytes = text_bytes(&value);
    if bytes > limits::RESULT_BYTES_MAX {
        return Err(format!("the value has {bytes} bytes as JSON; the most is {}", limits::RESULT_BYTES_MAX));
    }
    Ok(value)
}

fn json(object: MontyObject, path: &mut Vec<String>) -> Result<Value, String> {
    if path.len() > limits::JSON_DEPTH_MAX {
        return Err(format!("the value nests deeper than {} levels", limits::JSON_DEPTH_MAX));
    }
    Ok(match object {
        MontyObject::None => Value::Null,
        MontyObject::Bool(value) => Value::Bool(value),
        MontyObject::Int(value) => Value::Number(value.into()),
        // Those that fit into 64 bits with a sign are of the other kind.
        MontyObject::BigInt(_) => return Err(unfit(path, "an int beyond 64 bits")),
        MontyObject::Float(value) => match Number::from_f64(value) {
            Some(number) => Value::Number(number),
            None => return Err(unfit(path, &format!("the float {value}"))),
        },
        MontyObject::String(text) => Value::String(text),
        MontyObject::List(items) | MontyObject::Tuple(items) => list(items, path)?,
        MontyObject::NamedTuple { values, .. } => list(values, path)?,
        MontyObject::Dict(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let key = key_text(key, path)?;
                path.push(key);
                let value = json(value, path)?;
                if let Some(key) = path.pop()
                    && let Some(_) = map.insert(key.clone(), value)
                {
                    return Err(unfit(path, &format!("two keys that both read {key:?}")));
                }
            }
            Value::Object(map)
        }
        // Functions, classes and modules leave the interpreter as their `repr`.
        MontyObject::Repr(text) => return Err(unfit(path, &text)),
        other => return Err(unfit(path, &format!("a value of type {}", other.type_name()))),
    })
}

fn list(items: Vec<MontyObject>, path: &mut Vec<String>) -> Result<Value, String> {
    let mut values = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        path.push(at.to_string());
        values.push(json(item, path)?);
        path.pop();
    }
    Ok(Value::Array(values))
}

/// Keys as Python's `json.dumps` writes them.
fn key_text(key: MontyObject, path: &[String]) -> Result<String, String> {
    match key {
        MontyObject::String(text) => Ok(text),
        MontyObject::Int(value) => Ok(value.to_string()),
        MontyObject::Bool(true) => Ok("true".into()),
        MontyObject::Bool(false) => Ok("false".into()),
        MontyObject::None => Ok("null".into()),
        other => Err(unfit(path, &format!("a dict key of type {}", other.type_name()))),
    }
}

fn unfit(path: &[String], what: &str) -> String {
    let place = path.iter().take(8).fold(String::new(), |place, step| format!("{place}[{step}]"));
    let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
    format!("JSON can't hold {what}{place}")
}
