//! Messages, as Anthropic speaks them.

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{End, Said, Wire, below, conversation, count, json_headers, put, system, tool_words};
use crate::{
    outcome::{Billed, Failure, Stop, Usage},
    request::{Request, Schema},
    secret::Key,
    settings::Structured,
};

const VERSION: &str = "2023-06-01";

pub(super) fn write(
    base: &Url,
    key: Option<&Key>,
    request: &Request,
    rung: Structured,
) -> Result<Wire, Failure> {
    let mut headers = json_headers();
    headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION));
    if let Some(key) = key {
        headers.insert(HeaderName::from_static("x-api-key"), key.header(""));
    }
    let messages: Vec<Value> = conversation(request)
        .map(|message| json!({ "role": message.role.as_str(), "content": message.text }))
        .collect();
    let mut body = json!({
        "model": request.model.model, "max_tokens": request.max_output_tokens, "messages": messages,
    });
    put(&mut body, "system", system(request, rung).map(Value::from));
    put(&mut body, "temperature", request.temperature.map(Value::from));
    if let Some(schema) = request.schema.as_ref().map(Schema::value) {
        form(&mut body, schema, rung);
    }
    Ok(Wire { url: below(base, "messages")?, headers, body })
}

/// Says in which form the answer is wanted. There is no mode for JSON alone.
fn form(body: &mut Value, schema: &Value, rung: Structured) {
    let (name, description) = tool_words();
    match rung {
        Structured::Schema => {
            let format = json!({ "type": "json_schema", "schema": without_bounds(schema) });
            put(body, "output_config", Some(json!({ "format": format })));
        }
        Structured::Tool => {
            let tool = json!({ "name": name, "description": description, "input_schema": schema });
            put(body, "tools", Some(json!([tool])));
            put(body, "tool_choice", Some(json!({ "type": "tool", "name": name })));
        }
        Structured::Json | Structured::Text => {}
    }
}

/// A schema without the bounds that its decoder does not take.
fn without_bounds(schema: &Value) -> Value {
    const BOUNDS: [&str; 7] =
        ["minimum", "maximum", "minLength", "maxLength", "maxItems", "minItems", "uniqueItems"];
    match schema {
        Value::Object(map) => {
            let is_names = |key: &str| key == "properties";
            let kept = map.iter().filter(|(key, value)| !BOUNDS.contains(&key.as_str()) || value.is_object());
            kept.map(|(key, value)| {
                let inside = match value {
                    Value::Object(fields) if is_names(key) => {
                        fields.iter().map(|(name, field)| (name.clone(), without_bounds(field))).collect()
                    }
                    other => without_bounds(other),
                };
                (key.clone(), inside)
            })
            .collect()
        }
        Value::Array(items) => items.iter().map(without_bounds).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

pub(super) fn read(body: &Value) -> Option<Said> {
    let parts = body.get("content")?.as_array()?;
    let is = |part: &Value, kind: &str| part.get("type").and_then(Value::as_str) == Some(kind);
    let called = parts.iter().find(|part| is(part, "tool_use")).and_then(|part| part.get("input"));
    let text = match called {
        Some(input) => input.to_string(),
        None => {
            let texts = parts.iter().filter(|part| is(part, "text"));
            texts.filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
    };
    let stop = match body.get("stop_reason").and_then(Value::as_str) {
        Some("refusal") => End::Declined,
        Some("max_tokens" | "model_context_window_exceeded") => End::Said(Stop::Length),
        Some(_) | None => End::Said(Stop::End),
    };
    Some(Said { text, stop, billed: billed(body) })
}

/// The bill; tokens read from a cache and those written into it are counted beside the others.
fn billed(body: &Value) -> Billed {
    let of = |name: &str| count(body, &["usage", name]);
    match (of("input_tokens"), of("output_tokens")) {
        (Some(fresh), Some(tokens_out)) => {
            let tokens_cached = of("cache_read_input_tokens").unwrap_or(0);
            let written = of("cache_creation_input_tokens").unwrap_or(0);
            let tokens_in = fresh.saturating_add(tokens_cached).saturating_add(written);
            Billed::Counted(Usage { tokens_in, tokens_cached, tokens_out })
        }
        _ => Billed::Unknown,
    }
}
