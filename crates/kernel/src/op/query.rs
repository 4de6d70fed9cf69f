//! The things that a query may ask for: one table, from which come the check of its fields, the reference in
//! the handbook and in `docs/queries.md`, and the JSON Schema of each answer.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{OpKind, Query, What};
use crate::refusal::Refusal;

/// A row of the table: one thing to ask for.
#[derive(Debug)]
pub struct QuerySpec {
    /// The word for it.
    pub what: What,
    /// The answer, in words.
    pub answer: &'static str,
    /// The fields that it takes beside `what`; those without which there is no answer end with `!`.
    fields: &'static [&'static str],
    /// The JSON Schema of the answer.
    pub schema: fn() -> Value,
}

/// The table.
pub const QUERIES: &[QuerySpec] = &[
    QuerySpec {
        what: What::Balances,
        answer: "the scrip of every principal whose balance may be seen, as {id: scrip}",
        fields: &["limit"],
        schema: || map_of(integer()),
    },
    QuerySpec { what: What::Balance, answer: "the scrip of one principal", fields: &["of"], schema: integer },
    QuerySpec {
        what: What::Resources,
        answer: "every resource of one principal, as {name: {`kind`, `rate` or `balance` or `quota`, `capacity`, `used`, …}}",
        fields: &["of"],
        schema: || map_of(resource()),
    },
    QuerySpec {
        what: What::Capacity,
        answer: "whether a principal could use an amount (default 1) now: {`has`, `capacity`, `time_until`, `time_until_ms`}; null is never",
        fields: &["of", "resource!", "amount"],
        schema: || {
            object(&[
                ("has", json!({ "type": "boolean" })),
                ("capacity", or_null("integer")),
                ("time_until", or_null("string")),
                ("time_until_ms", or_null("integer")),
            ])
        },
    },
    QuerySpec {
        what: What::Artifact,
        answer: "the metadata of one artifact, without content and code",
        fields: &["artifact!"],
        schema: metadata,
    },
    QuerySpec {
        what: What::Artifacts,
        answer: "the metadata of every artifact, or of those of one owner, one kind, or with all words of a text",
        fields: &["of", "type", "text", "limit"],
        schema: || list_of(metadata()),
    },
    QuerySpec {
        what: What::Search,
        answer: "the metadata of the artifacts with all words of a text in id, kind, metadata, interface or readable content",
        fields: &["text!", "of", "type", "limit"],
        schema: || list_of(metadata()),
    },
    QuerySpec {
        what: What::Agents,
        answer: "the agents, or those of one `kind`; with `sample` so many others drawn by the seed, coordinators only where `kind` names them: [{`id`, `owner`, `kind`, `state`, `steps`}]",
        fields: &["limit", "sample", "kind"],
        schema: || {
            list_of(object(&[
                ("id", string()),
                ("owner", string()),
                ("kind", string()),
                (
                    "state",
                    json!({ "enum": ["starting", "running", "sleeping", "blocked", "waiting", "paused", "stopped"] }),
                ),
                ("steps", integer()),
            ]))
        },
    },
    QuerySpec {
        what: What::Events,
        answer: "the events after a record, oldest first, or without `since` the latest; those of one record together",
        fields: &["of", "since", "type", "limit"],
        schema: || list_of(json!({ "type": "object", "description": "as `oikos schema event`, or a gap" })),
    },
    QuerySpec {
        what: What::Supply,
        answer: "all the scrip there is, or all of a resource that principals hold",
        fields: &["resource"],
        schema: integer,
    },
    QuerySpec {
        what: What::Permission,
        answer: "the decision of a contract, without acting: {`allowed`, `reason`, `cost`, `contract`}; `artifact` is another name of `target`",
        fields: &["as", "action!", "target", "artifact"],
        schema: || {
            object(&[
                ("allowed", json!({ "type": "boolean" })),
                ("reason", string()),
                ("cost", integer()),
                ("contract", or_null("string")),
            ])
        },
    },
    QuerySpec {
        what: What::Price,
        answer: "the posted price of an invocation",
        fields: &["artifact!"],
        schema: integer,
    },
    QuerySpec {
        what: What::Quote,
        answer: "the cost of an invocation by `as` without acting: whether it would be `allowed`, by which `contract`; the `payments` before its code runs, and the `max_spend` that they need; the `costs` of the op; whose `cpu` its code would use; the `error` that it would end with",
        fields: &["artifact!", "method", "args", "pay", "as"],
        schema: || {
            let payment = object(&[
                ("from", string()),
                ("to", string()),
                ("amount", integer()),
                ("why", string()),
                ("artifact", or_null("string")),
            ]);
            let cost = object(&[("principal", string()), ("resource", string()), ("amount", integer())]);
            object(&[
                ("allowed", json!({ "type": "boolean" })),
                ("contract", or_null("string")),
                ("payments", list_of(payment)),
                ("max_spend", integer()),
                ("costs", list_of(cost)),
                ("cpu", string()),
                ("error", or_null("object")),
            ])
        },
    },
    QuerySpec {
        what: What::Mandates,
        answer: "the mandates that one artifact has `given` and has `received`: of each {`from`, `to`, `resource`, `per_call`, `per_window`, `window`, `until`, `used`, `left`}",
        fields: &["of"],
        schema: || object(&[("given", list_of(mandate())), ("received", list_of(mandate()))]),
    },
    QuerySpec {
        what: What::Reputation,
        answer: "the counts of the kernel: of an `artifact` its `invocations`, `failures`, distinct `customers`, `revenue`, `first_used`, `last_used`; \
                 or of a principal what it `earned` and `spent` by prices, the `invocations` it bore, the `sales` it made at a price, its distinct `counterparties`",
        fields: &["artifact", "of"],
        schema: || json!({ "oneOf": [service(), dealings()] }),
    },
    QuerySpec {
        what: What::Customers,
        answer: "the principals beside the owner who used an artifact, or those who paid a price of at least `amount` at once, oldest first: [{`id`, `highest_price`}]",
        fields: &["artifact!", "amount", "limit"],
        schema: || list_of(object(&[("id", string()), ("highest_price", integer())])),
    },
    QuerySpec {
        what: What::Recall,
        answer: "the best entries of a memory, by default the caller's own: [{`entry`, `time`, `text`, `importance`, `tags`, `score`, `why`}], at most `limit` (default 10), best first. \
                 Its contract is asked for `read`. A `text` ranks by its words and leaves nothing out; \
                 `since` is an entry's number or an instant; superseded entries come only with the tag `superseded`; \
                 with the tag `pinned` and no `text` all come in order",
        fields: &["artifact", "text", "limit", "since", "tags"],
        schema: || list_of(entry()),
    },
    QuerySpec {
        what: What::History,
        answer: "the last turns of an agent in which it thought or did something, oldest first, for itself and its owner: [{`turn`, `time`, `think`, `action`, `ok`, `error`}]",
        fields: &["of", "limit"],
        schema: || {
            list_of(object(&[
                ("turn", integer()),
                ("time", string()),
                ("think", or_null("string")),
                ("action", json!({})),
                ("ok", json!({ "type": "boolean" })),
                ("error", or_null("object")),
            ]))
        },
    },
];

impl QuerySpec {
    /// The fields that it takes, with whether each must be given.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.fields.iter().map(|field| match field.strip_suffix('!') {
            Some(name) => (name, true),
            None => (*field, false),
        })
    }
}

impl What {
    /// Its row in the table.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the table has a row for each word, as a test sees")]
    pub fn spec(self) -> &'static QuerySpec {
        QUERIES.iter().find(|spec| spec.what == self).expect("a row of the table of queries")
    }
}

impl Query {
    /// Refuses fields that mean nothing for what is asked, lest they seem to filter.
    pub(crate) fn check_fields(&self) -> Result<(), Refusal> {
        let spec = self.what.spec();
        let known = |name: &str| name == "what" || spec.fields().any(|(field, _)| field == name);
        let given = self.given();
        let what = self.what.as_str();
        if let Some(name) = given.iter().find(|name| !known(name)) {
            let all: Vec<&str> = spec.fields().map(|(name, _)| name).collect();
            return Err(Refusal::invalid(format!("`{}` of \"{what}\" takes no `{name}`", OpKind::Query))
                .hint(format!("it takes {}", all.join(", "))));
        }
        match spec.fields().find(|(name, must)| *must && !given.contains(name)) {
            Some((name, _)) => Err(Refusal::invalid(format!("`{name}` is missing"))),
            None => Ok(()),
        }
    }
}

/// The JSON Schema of the answers, as `oikos schema query` prints it: one property per thing to ask for.
#[must_use]
pub fn answers() -> Value {
    let each = QUERIES.iter().map(|spec| {
        let mut schema = (spec.schema)();
        if let Value::Object(map) = &mut schema {
            map.insert("description".into(), spec.answer.into());
            let takes: Map<String, Value> =
                spec.fields().map(|(name, must)| (name.into(), must.into())).collect();
            map.insert("x-fields".into(), takes.into());
        }
        (spec.what.as_str().to_owned(), schema)
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Oikos answers to queries, by `what`; `x-fields` says which fields it takes, and which it needs",
        "type": "object",
        "properties": each.collect::<Map<String, Value>>(),
    })
}

/// The table as Markdown, for the handbook and `docs/queries.md`.
#[must_use]
pub fn queries() -> String {
    let mut text = String::from("| `what` | takes | answer |\n|---|---|---|\n");
    for spec in QUERIES {
        let fields =
            spec.fields().map(|(name, must)| if must { format!("**{name}**") } else { name.to_owned() });
        let fields = fields.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "| `{}` | {fields} | {} |", spec.what.as_str(), spec.answer);
    }
    text
}

fn integer() -> Value {
    json!({ "type": "integer" })
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn or_null(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn list_of(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map_of(value: Value) -> Value {
    json!({ "type": "object", "additionalProperties": value })
}

fn object(fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

/// A resource of an account, by its kind.
fn resource() -> Value {
    let kind = |word: &str| ("kind", json!({ "const": word }));
    let (capacity, used) = (("capacity", integer()), ("used", integer()));
    let burn = ("burn_per_minute", integer());
    json!({ "oneOf": [
        object(&[
            kind("renewable"), ("rate", integer()), ("window", string()), capacity.clone(), used.clone(),
            ("used_total", integer()), burn.clone(), ("time_until_capacity", or_null("string")),
        ]),
        object(&[
            kind("depletable"), ("balance", integer()), capacity.clone(), used.clone(), burn,
            ("time_until_exhaustion", or_null("string")),
        ]),
        object(&[kind("allocatable"), ("quota", integer()), capacity, used.clone()]),
        object(&[kind("metered"), used]),
    ] })
}

fn mandate() -> Value {
    object(&[
        ("from", string()),
        ("to", string()),
        ("resource", string()),
        ("per_call", integer()),
        ("per_window", integer()),
        ("window", string()),
        ("until", or_null("string")),
        ("used", integer()),
        ("left", integer()),
    ])
}

fn entry() -> Value {
    let why = object(&[("words", integer()), ("recency", integer()), ("importance", integer())]);
    let mut schema = object(&[
        ("entry", integer()),
        ("time", string()),
        ("text", string()),
        ("importance", integer()),
        ("tags", list_of(string())),
        ("score", integer()),
        ("why", why),
    ]);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("supersedes".into(), integer());
        properties.insert("superseded_by".into(), integer());
    }
    schema
}

fn service() -> Value {
    object(&[
        ("artifact", string()),
        ("invocations", integer()),
        ("failures", integer()),
        ("customers", integer()),
        ("revenue", integer()),
        ("first_used", or_null("string")),
        ("last_used", or_null("string")),
    ])
}

fn dealings() -> Value {
    object(&[
        ("principal", string()),
        ("earned", integer()),
        ("spent", integer()),
        ("invocations", integer()),
        ("sales", integer()),
        ("counterparties", integer()),
    ])
}

/// The metadata of an artifact, with its policy if it has one.
fn metadata() -> Value {
    let mut schema = plain_metadata();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("policy".into(), json!({ "type": "object" }));
    }
    schema
}

fn plain_metadata() -> Value {
    let boolean = || json!({ "type": "boolean" });
    object(&[
        ("id", string()),
        ("kind", string()),
        ("owner", string()),
        ("creator", string()),
        ("access_contract", string()),
        ("price", integer()),
        ("pays", json!({ "enum": ["self", "caller"] })),
        ("has_standing", boolean()),
        ("can_execute", boolean()),
        ("has_loop", boolean()),
        ("memory_artifact", or_null("string")),
        ("depends_on", list_of(string())),
        ("interface", json!({})),
        ("metadata", json!({})),
        ("version", integer()),
        ("created_at", string()),
        ("updated_at", string()),
        ("size", integer()),
    ])
}
