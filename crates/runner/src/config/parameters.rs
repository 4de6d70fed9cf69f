//! `[parameters]`: values of a world's own, which code and minds read by name.

use oikos_kernel::{json::Json, limits, op::bounded};
use serde_json::{Map, Value};

use super::reader::{Read, Reader};

/// Reads the section, in the order of the names, so that the order of the file decides nothing.
pub(super) fn read(section: &Reader<'_>) -> Read<Json> {
    let mut named = Map::new();
    for (name, _, node) in &section.table.0 {
        let wrong = |problem: String| section.document.error(&node.span, format!("`{name}`: {problem}"));
        let value = node.value.to_json().map_err(wrong)?;
        bounded(name, &value, limits::PARAMETERS_BYTES_MAX)
            .map_err(|refusal| section.document.error(&node.span, refusal.message))?;
        named.insert(name.clone(), value);
    }
    named.sort_keys();
    let all = Value::Object(named);
    bounded("parameters", &all, limits::PARAMETERS_BYTES_MAX)
        .map_err(|refusal| section.document.error(&section.span, refusal.message))?;
    Ok(all.into())
}
