//! Chat completions, as OpenAI and many others speak them.

use reqwest::{Url, header::AUTHORIZATION};
use serde_json::{Value, json};

use super::{ANSWER, End, Said, Wire, below, conversation, count, json_headers, put, system, tool_words};
use crate::{
    outcome::{Billed, Failure, Stop, Usage},
    request::{Request, Schema},
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
        headers.insert(AUTHORIZATION, key.header("Bearer "));
    }
    let first = system(request, rung).map(|text| json!({ "role": "system", "content": text }));
    let rest = conversation(request)
        .map(|message| json!({ "role": message.role.as_str(), "content": message.text }));
    let messages: Vec<Value> = first.into_iter().chain(rest).collect();
    let mut body = json!({ "model": request.model.model, "messages": messages });
    // OpenAI's own newer models know one name, servers that came before them the other.
    let is_theirs = base.host_str().is_some_and(|host| host.ends_with("openai.com"));
    let most = if is_theirs { "max_completion_tokens" } else { "max_tokens" };
    put(&mut body, most, Some(request.max_output_tokens.into()));
    put(&mut body, "temperature", request.temperature.map(Value::from));
    put(&mut body, "seed", request.seed.map(Value::from));
    if let Some(schema) = request.schema.as_ref().map(Schema::value) {
        form(&mut body, schema, rung);
    }
    Ok(Wire { url: below(base, "chat/completions")?, headers, body })
}

/// Says in which form the answer is wanted.
fn form(body: &mut Value, schema: &Value, rung: Structured) {
    let (name, description) = tool_words();
    match rung {
        Structured::Schema => {
            let schema = json!({ "name": ANSWER, "strict": true, "schema": schema });
            put(body, "response_format", Some(json!({ "type": "json_schema", "json_schema": schema })));
        }
        Structured::Json => put(body, "response_format", Some(json!({ "type": "json_object" }))),
        Structured::Tool => {
            let function = json!({ "name": name, "description": description, "parameters": schema });
            put(body, "tools", Some(json!([{ "type": "function", "function": function }])));
            put(body, "tool_choice", Some(json!({ "type": "function", "function": { "name": name } })));
        }
        Structured::Text => {}
    }
}

pub(super) fn read(body: &Value) -> Option<Said> {
    let choice = body.get("choices")?.get(0)?;
    let message = choice.get("message")?;
    let called = message.get("tool_calls").and_then(|calls| calls.get(0)?.get("function")?.get("arguments"));
    let text = match called {
        Some(Value::String(arguments)) => arguments.clone(),
        Some(arguments @ Value::Object(_)) => arguments.to_string(),
        Some(_) | None => content(message.get("content")),
    };
    let declined =
        message.get("refusal").is_some_and(|refusal| refusal.as_str().is_some_and(|says| !says.is_empty()));
    let stop = match choice.get("finish_reason").and_then(Value::as_str) {
        Some("content_filter") => End::Declined,
        Some(_) | None if declined => End::Declined,
        Some("length") => End::Said(Stop::Length),
        Some(_) | None => End::Said(Stop::End),
    };
    Some(Said { text, stop, billed: billed(body) })
}

/// The text of a message, which may be in parts.
fn content(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        Some(_) | None => String::new(),
    }
}

fn billed(body: &Value) -> Billed {
    let of = |path: &[&str]| count(body, path);
    match (of(&["usage", "prompt_tokens"]), of(&["usage", "completion_tokens"])) {
        (Some(tokens_in), Some(tokens_out)) => Billed::Counted(Usage {
            tokens_in,
            tokens_cached: of(&["usage", "prompt_tokens_details", "cached_tokens"]).unwrap_or(0),
            tokens_out,
        }),
        _ => Billed::Unknown,
    }
}
