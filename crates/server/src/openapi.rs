//! The reference of the routes: as an OpenAPI document for programs, and as Markdown for people.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::{
    call::{Answered, Call, json as answer},
    mcp,
    routes::{Answers, Field, ROUTES, Rank, Route},
    schemas,
};

/// `GET /api/v1/openapi.json`.
pub(crate) async fn answer_document(call: Call) -> Answered {
    let mut document = document();
    if let (Value::Object(map), false) = (&mut document, call.door.root.is_empty()) {
        map.insert("servers".into(), json!([{ "url": call.door.root }]));
    }
    Ok(answer(None, &document))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(route.method.word().to_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Oikos", "version": env!("CARGO_PKG_VERSION"),
            "description": "A world over HTTP. Every token has a role, which says what its bearer may ask for.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Problem": schemas::problem(), "Event": schemas::event() },
        },
        "security": [{ "token": [] }],
    })
}

fn operation(route: &Route) -> Value {
    let ranks: Vec<&str> = route.ranks.iter().map(|rank| rank.word()).collect();
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.doc,
        "x-ranks": ranks,
        "parameters": route.fields.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(route),
    });
    if let Value::Object(map) = &mut operation {
        if let Some(body) = route.body {
            let kind = match route.answers {
                Answers::Page => "application/x-www-form-urlencoded",
                Answers::Json(_) | Answers::Text | Answers::File(_) | Answers::Nothing | Answers::Feed(_) => {
                    "application/json"
                }
            };
            let content = json!({ kind: { "schema": body() } });
            map.insert("requestBody".into(), json!({ "required": true, "content": content }));
        }
        if route.ranks.contains(&Rank::Stranger) {
            map.insert("security".into(), json!([]));
        }
    }
    operation
}

/// A name for an operation, from its method and path.
fn id(route: &Route) -> String {
    let words = route
        .path
        .split(['/', '.', '{', '}'])
        .filter(|word| !word.is_empty() && !["api", "v1"].contains(word));
    let words: Vec<&str> = std::iter::once(route.method.word()).chain(words).collect();
    words.join("_").to_lowercase()
}

fn parameter(field: &Field) -> Value {
    json!({
        "name": field.name, "in": field.place, "required": field.place == "path", "description": field.doc,
        "schema": { "type": "string" },
    })
}

fn responses(route: &Route) -> Value {
    let content = match route.answers {
        Answers::Json(schema) => json!({ "application/json": { "schema": schema() } }),
        Answers::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Answers::File(kind) => json!({ kind: { "schema": { "type": "string" } } }),
        Answers::Page => json!({ "text/html": { "schema": { "type": "string" } } }),
        Answers::Nothing => {
            let nothing = json!({ "204": { "description": "it is done" }, "default": problem(route) });
            return nothing;
        }
        Answers::Feed(schema) => json!({
            "application/json": { "schema": schema() },
            "text/event-stream": { "schema": { "type": "string" } },
        }),
    };
    let mut responses = Map::new();
    responses.insert("200".into(), json!({ "description": "the answer", "content": content }));
    for status in ["201", "202"] {
        responses.insert(status.into(), json!({ "description": "taken in", "content": content }));
    }
    responses.insert("303".into(), json!({ "description": "a link with `token`: its cookie is set" }));
    responses.insert("default".into(), problem(route));
    responses.into()
}

/// The answer where there is none.
fn problem(route: &Route) -> Value {
    let document = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let mut content = Map::from_iter([("application/problem+json".to_owned(), document)]);
    let text = || json!({ "schema": { "type": "string" } });
    if matches!(route.answers, Answers::Page) {
        // People are told on a page.
        content.insert("text/html".into(), text());
    }
    if route.path == mcp::http::PATH {
        // The protocol has errors of its own.
        content.insert("application/json".into(), json!({ "schema": schemas::message() }));
        content.insert("text/plain".into(), text());
    }
    json!({ "description": "a problem", "content": content })
}

/// The reference as Markdown, for `docs/http.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    for route in ROUTES {
        let ranks: Vec<&str> = match route.ranks {
            ranks if ranks.contains(&Rank::Stranger) => vec!["anybody, without a token"],
            ranks => ranks.iter().map(|rank| rank.word()).collect(),
        };
        let _ = writeln!(text, "### `{} {}`\n", route.method.word(), route.path);
        let _ = writeln!(text, "{}. For: {}.\n", sentence(route.doc), ranks.join(", "));
        if !route.fields.is_empty() {
            let _ = writeln!(text, "| field | in | |\n|---|---|---|");
            for field in route.fields {
                let _ = writeln!(text, "| `{}` | {} | {} |", field.name, field.place, field.doc);
            }
            text.push('\n');
        }
    }
    text
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
