//! Whether JSON has a part, as fixtures say it.

use serde_json::Value;

/// Whether `part` is in `whole`: objects by their keys, everything else exactly.
pub(crate) fn within(whole: &Value, part: &Value) -> Result<(), String> {
    match (whole, part) {
        (Value::Object(has), Value::Object(wants)) => wants.iter().try_for_each(|(key, want)| {
            within(has.get(key).unwrap_or(&Value::Null), want).map_err(|problem| format!("{key}: {problem}"))
        }),
        (Value::Array(has), Value::Array(wants)) if has.len() == wants.len() => {
            has.iter().zip(wants).try_for_each(|(has, want)| within(has, want))
        }
        _ if whole == part => Ok(()),
        _ => Err(format!("got {whole}")),
    }
}
