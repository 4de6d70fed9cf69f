//! Generate content, as Gemini speaks it.

use reqwest::{Url, header::HeaderName};
use serde_json::{Value, json};

use super::{End, Said, Wire, below, conversation, count, json_headers, object, put, system, tool_words};
use crate::{
    outcome::{Billed, Failure, Stop, Usage},
    request::{Request, Role, Schema},
    secret::Key,
    settings::Structured,
};

pub(super) fn write(
    base: &Url,
    key: Option<&Key>,
    request: &Request,
    rung: Structured,
) -> Result<Wire, Failure> {
    let mut headers = json_headers();
    if let Some(key) = key {
        headers.insert(HeaderName::from_static("x-goog-api-key"), key.header(""));
    }
    let contents: Vec<Value> = conversation(request)
        .map(|message| {
            let role = if message.role == Role::Assistant { "model" } else { "user" };
            json!({ "role": role, "parts": [{ "text": message.text }] })
        })
        .collect();
    let mut body = json!({ "contents": contents });
    let system = system(request, rung).map(|text| json!({ "parts": [{ "text": text }] }));
    put(&mut body, "systemInstruction", system);
    let mut config = object();
    put(&mut config, "maxOutputTokens", Some(request.max_output_tokens.into()));
    put(&mut config, "temperature", request.temperature.map(Value::from));
    put(&mut config, "seed", request.seed.map(Value::from));
    if let Some(schema) = request.schema.as_ref().map(Schema::value) {
        form(&mut body, &mut config, schema, rung);
    }
    put(&mut body, "generationConfig", Some(config));
    let model: String = request.model.model.chars().map(escaped).collect();
    Ok(Wire { url: below(base, &format!("models/{model}:generateContent"))?, headers, body })
}

/// A letter of a model's name, as a path holds it.
fn escaped(letter: char) -> String {
    if letter.is_ascii_alphanumeric() || "-_.~/".contains(letter) {
        return letter.to_string();
    }
    let mut bytes = [0; 4];
    letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Says in which form the answer is wanted.
fn form(body: &mut Value, config: &mut Value, schema: &Value, rung: Structured) {
    let (name, description) = tool_words();
    match rung {
        Structured::Schema | Structured::Json => {
            put(config, "responseMimeType", Some("application/json".into()));
            let schema = (rung == Structured::Schema).then(|| schema.clone());
            put(config, "responseJsonSchema", schema);
        }
        Structured::Tool => {
            let function =
                json!({ "name": name, "description": description, "parametersJsonSchema": schema });
            put(body, "tools", Some(json!([{ "functionDeclarations": [function] }])));
            let calling = json!({ "mode": "ANY", "allowedFunctionNames": [name] });
            put(body, "toolConfig", Some(json!({ "functionCallingConfig": calling })));
        }
        Structured::Text => {}
    }
}

pub(super) fn read(body: &Value) -> Option<Said> {
    let blocked = body.get("promptFeedback").is_some_and(|feedback| feedback.get("blockReason").is_some());
    let Some(candidate) = body.get("candidates").and_then(|all| all.get(0)) else {
        return blocked.then(|| Said { text: String::new(), stop: End::Declined, billed: billed(body) });
    };
    let none = Vec::new();
    let parts = candidate.get("content").and_then(|content| content.get("parts"));
    let parts = parts.and_then(Value::as_array).unwrap_or(&none);
    let called = parts.iter().find_map(|part| part.get("functionCall")?.get("args"));
    let text = match called {
        Some(arguments) => arguments.to_string(),
        None => {
            // Thoughts are no part of the answer.
            let said = parts.iter().filter(|part| part.get("thought") != Some(&Value::Bool(true)));
            said.filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
    };
    let stop = match candidate.get("finishReason").and_then(Value::as_str) {
        Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII") => End::Declined,
        Some("MAX_TOKENS") => End::Said(Stop::Length),
        Some(_) | None => End::Said(Stop::End),
    };
    Some(Said { text, stop, billed: billed(body) })
}

/// The bill; thoughts are output.
fn billed(body: &Value) -> Billed {
    let of = |name: &str| count(body, &["usageMetadata", name]);
    match of("promptTokenCount") {
        Some(tokens_in) => Billed::Counted(Usage {
            tokens_in,
            tokens_cached: of("cachedContentTokenCount").unwrap_or(0),
            tokens_out: of("candidatesTokenCount")
                .unwrap_or(0)
                .saturating_add(of("thoughtsTokenCount").unwrap_or(0)),
        }),
        None => Billed::Unknown,
    }
}
