//! The routes: one table, from which come the router, the reference in `docs/http.md`, the OpenAPI document, and the
//! test of who may ask for what. There is no other way to answer under a path.

use std::{future::Future, pin::Pin};

use axum::{body::Body, http::Response};
use serde_json::Value;

use crate::{
    acts,
    call::{Answered, Call},
    events, forms, looks, mcp, openapi, pages, schemas, steer,
    tokens::Role,
};

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Looks.
    Get,
    /// Does something.
    Post,
    /// Ends something.
    Delete,
}

impl Verb {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// The askers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Anybody, without a token.
    Stranger,
    /// A token of an observer.
    Observer,
    /// A token of a principal.
    Seat,
    /// A token of an operator.
    Operator,
}

impl Rank {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stranger, Self::Observer, Self::Seat, Self::Operator];

    /// The rank of a role.
    #[must_use]
    pub const fn of(role: &Role) -> Self {
        match role {
            Role::Observer => Self::Observer,
            Role::Operator => Self::Operator,
            Role::Principal(_) => Self::Seat,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stranger => "anybody",
            Self::Observer => "observer",
            Self::Seat => "seat",
            Self::Operator => "operator",
        }
    }
}

const ANYBODY: &[Rank] = &[Rank::Stranger, Rank::Observer, Rank::Seat, Rank::Operator];
const ALL: &[Rank] = &[Rank::Observer, Rank::Seat, Rank::Operator];
const SEAT: &[Rank] = &[Rank::Seat];
const OPERATOR: &[Rank] = &[Rank::Operator];
const WATCHERS: &[Rank] = &[Rank::Observer, Rank::Operator];

/// A field behind the path, a part of the path, or a header.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it stands: `query`, `path` or `header`.
    pub place: &'static str,
    /// Its meaning.
    pub doc: &'static str,
}

const fn field(name: &'static str, doc: &'static str) -> Field {
    Field { name, place: "query", doc }
}

const fn part(name: &'static str, doc: &'static str) -> Field {
    Field { name, place: "path", doc }
}

const fn head(name: &'static str, doc: &'static str) -> Field {
    Field { name, place: "header", doc }
}

const AT: Field =
    field("at", "a moment: a record as 17, a time, a time since the beginning as 6h, or tick:40");
const LIMIT: Field = field("limit", "how many at most, up to 1000; 100 if it is not given");
const AFTER: Field = field("after", "only those after this id, as `next` has it");
const WAIT: Field = field("wait", "how long to wait at most, up to 60s");

/// The body of a request, by its schema.
pub type Schema = fn() -> Value;

/// The type of an answer.
#[derive(Clone, Copy)]
pub enum Answers {
    /// JSON, by its schema.
    Json(Schema),
    /// Plain text.
    Text,
    /// A file of ours, of this type.
    File(&'static str),
    /// Nothing.
    Nothing,
    /// JSON, or a feed of events where that is accepted.
    Feed(Schema),
    /// A page for people.
    Page,
}

/// A handler.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// It knows nothing of who asks, nor of the world.
    Open(fn() -> Response<Body>),
    /// It answers somebody.
    Asked(Asked),
}

/// A row of the table.
pub struct Route {
    /// The method.
    pub method: Verb,
    /// The path, with its parts in braces.
    pub path: &'static str,
    /// Those who may ask.
    pub ranks: &'static [Rank],
    /// Its work, in words.
    pub doc: &'static str,
    /// The fields that it takes.
    pub fields: &'static [Field],
    /// The body that it takes.
    pub body: Option<Schema>,
    /// The answer.
    pub answers: Answers,
    pub(crate) handler: Handler,
}

/// A handler of those that answer somebody.
pub(crate) type Asked = fn(Call) -> Pin<Box<dyn Future<Output = Answered> + Send>>;

impl Route {
    /// The route with its handler, if it answers somebody.
    pub(crate) const fn asked(&'static self) -> Option<(&'static Self, Asked)> {
        match self.handler {
            Handler::Asked(handler) => Some((self, handler)),
            Handler::Open(_) => None,
        }
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method.word(), self.path)
    }
}

/// A handler as the table has it.
macro_rules! by {
    ($handler:path) => {
        Handler::Asked(|call| Box::pin($handler(call)))
    };
}

const fn get(
    path: &'static str,
    ranks: &'static [Rank],
    doc: &'static str,
    fields: &'static [Field],
    answers: Answers,
    handler: Handler,
) -> Route {
    Route { method: Verb::Get, path, ranks, doc, fields, body: None, answers, handler }
}

const fn post(
    path: &'static str,
    ranks: &'static [Rank],
    doc: &'static str,
    fields: &'static [Field],
    body: Option<Schema>,
    answers: Answers,
    handler: Handler,
) -> Route {
    Route { method: Verb::Post, path, ranks, doc, fields, body, answers, handler }
}

const SESSION: Field =
    head("Mcp-Session-Id", "the session of a client that began with `initialize`, as its answer names it");

const FROM: Field = field("from", "the first that is shown, counted from 0");

/// A page.
const fn page(path: &'static str, doc: &'static str, fields: &'static [Field]) -> Route {
    get(path, ALL, doc, fields, Answers::Page, by!(pages::page))
}

/// A file of ours.
const fn file(path: &'static str, doc: &'static str, kind: &'static str, handler: Handler) -> Route {
    get(path, ALL, doc, &[], Answers::File(kind), handler)
}

/// The table.
pub const ROUTES: &[Route] = &[
    get("/healthz", ANYBODY, "says that the door is open", &[], Answers::Text, Handler::Open(looks::healthz)),
    get(
        "/api/v1/world",
        ALL,
        "the world: name, clock, mode, how it moves, supply, measures, health, versions, and `you`, the role of the token",
        &[AT],
        Answers::Json(schemas::world),
        by!(looks::world),
    ),
    post(
        "/api/v1/act",
        SEAT,
        "acts as the token's principal: an op, or a list `ops`. The receipt, when it is on disk; a refusal by the world is a receipt too",
        &[head(
            "Idempotency-Key",
            "the `action_id`: a repeat of the same action is answered by the first receipt, and nothing is done",
        )],
        Some(schemas::act),
        Answers::Json(schemas::receipt),
        by!(acts::act),
    ),
    post(
        "/api/v1/query",
        ALL,
        "answers a query, as the token's principal would be answered, or as an observer; it leaves no record and costs nothing",
        &[AT],
        Some(schemas::query),
        Answers::Json(schemas::result),
        by!(looks::query),
    ),
    post(
        "/mcp",
        SEAT,
        "speaks the Model Context Protocol with a client that lives in the world as the token's principal (mcp.md)",
        &[SESSION],
        Some(schemas::message),
        Answers::Feed(schemas::message),
        by!(mcp::http::speak),
    ),
    get(
        "/mcp",
        SEAT,
        "tells a client of the versions before 2026-07-28 of changes to the resources that it subscribed to, as a feed of messages",
        &[SESSION, head("Last-Event-ID", "the id of the last message that was read, after which it goes on")],
        Answers::Feed(schemas::message),
        by!(mcp::http::hear),
    ),
    Route {
        method: Verb::Delete,
        path: "/mcp",
        ranks: SEAT,
        doc: "ends a session of the Model Context Protocol",
        fields: &[SESSION],
        body: None,
        answers: Answers::Nothing,
        handler: by!(mcp::http::leave),
    },
    get(
        "/api/v1/observe",
        ALL,
        "the observation of an agent, as its mind would have it: the token's principal, or `of` for those who see all",
        &[AT, field("of", "the agent")],
        Answers::Json(schemas::result),
        by!(looks::observe),
    ),
    get(
        "/api/v1/turn",
        SEAT,
        "the turn of the token's agent that waits for its client, with its observation; it is waited for, and null if none comes",
        &[WAIT],
        Answers::Json(schemas::turn),
        by!(acts::turn),
    ),
    post(
        "/api/v1/decide",
        SEAT,
        "decides in the turn that is open: `ops`, or null to do nothing. The receipt, or `pending`",
        &[],
        Some(schemas::decide),
        Answers::Json(schemas::decided),
        by!(acts::decide),
    ),
    get(
        "/api/v1/events",
        ALL,
        "the lines of the log after one; with `Accept: text/event-stream` all that come, as they come to be on disk",
        &[
            field(
                "since",
                "after this record, as 17, or this line, as 17.0; a feed begins with what comes if it is not given",
            ),
            field("type", "only lines of this type, such as transfer or refused"),
            field("of", "only lines that name this artifact"),
            LIMIT,
            head("Last-Event-ID", "of a feed: the id of the last line that was read, after which it goes on"),
        ],
        Answers::Feed(schemas::events),
        by!(events::events),
    ),
    get(
        "/api/v1/agents",
        ALL,
        "the agents, in the order in which they came into being",
        &[
            AT,
            LIMIT,
            AFTER,
            field("kind", "only those of this kind"),
            field("owner", "only those of this owner"),
            field("state", "only those in this state"),
        ],
        Answers::Json(schemas::agents),
        by!(looks::agents),
    ),
    get(
        "/api/v1/agents/{id}",
        ALL,
        "an agent: its row, its metadata, and for itself, its owner and those who see all its last turns",
        &[part("id", "the agent"), AT],
        Answers::Json(schemas::one),
        by!(looks::agent),
    ),
    get(
        "/api/v1/artifacts",
        ALL,
        "the artifacts that are there, in the order in which they came into being",
        &[
            AT,
            LIMIT,
            AFTER,
            field("kind", "only those of this kind"),
            field("owner", "only those of this owner"),
            field("text", "only those whose id holds this text"),
        ],
        Answers::Json(schemas::artifacts),
        by!(looks::artifacts),
    ),
    get(
        "/api/v1/artifacts/{id}",
        ALL,
        "an artifact: its row and its metadata; for those who see all its storage too, and a principal's own",
        &[part("id", "the artifact"), AT],
        Answers::Json(schemas::one),
        by!(looks::artifact),
    ),
    get(
        "/api/v1/artifacts/{id}/content",
        WATCHERS,
        "the content of an artifact as text; principals use the op `read`, which its contract is asked for",
        &[part("id", "the artifact"), AT],
        Answers::Text,
        by!(looks::content),
    ),
    get(
        "/api/v1/artifacts/{id}/code",
        WATCHERS,
        "the code of an artifact as text; principals use the op `read`, which its contract is asked for",
        &[part("id", "the artifact"), AT],
        Answers::Text,
        by!(looks::code),
    ),
    get(
        "/api/v1/series",
        ALL,
        "the measures as they were taken, oldest first; those of worlds with private balances are for those who see all",
        &[
            field("name", "only this measure"),
            field("after", "only those after this place, as `next` has it"),
            LIMIT,
        ],
        Answers::Json(schemas::series),
        by!(looks::series),
    ),
    get(
        "/api/v1/costs",
        ALL,
        "the calls of models and their cost, as `oikos cost --json` prints them; for a principal its own",
        &[],
        Answers::Json(schemas::costs),
        by!(looks::costs),
    ),
    post(
        "/api/v1/run",
        OPERATOR,
        "runs the world for {\"ticks\": 3}, {\"for\": \"10m\"} or {\"until\": \"tick:40\"}, or with {} to its end. How far it came, or where it is when that is not waited for any longer",
        &[WAIT],
        Some(schemas::run),
        Answers::Json(schemas::ran),
        by!(steer::run),
    ),
    post(
        "/api/v1/pause",
        OPERATOR,
        "has the world stand still; actions are still taken in",
        &[],
        None,
        Answers::Json(schemas::standing),
        by!(steer::pause),
    ),
    post(
        "/api/v1/speed",
        OPERATOR,
        "has the virtual clock go no faster than {\"speed\": 60} seconds in one, or as fast as it can with {\"speed\": \"max\"}",
        &[],
        Some(schemas::speed),
        Answers::Json(schemas::standing),
        by!(steer::speed),
    ),
    post(
        "/api/v1/fork",
        OPERATOR,
        "makes a new world beside this one that goes on from a moment of it: {\"at\": WHEN, \"to\": NAME}",
        &[],
        Some(schemas::fork),
        Answers::Json(schemas::forked),
        by!(steer::fork),
    ),
    get(
        "/api/v1/openapi.json",
        ALL,
        "this reference as an OpenAPI document",
        &[],
        Answers::Json(schemas::any),
        by!(openapi::answer_document),
    ),
    get(
        "/metrics",
        WATCHERS,
        "the counts of the door, in the text format of Prometheus",
        &[],
        Answers::Text,
        by!(looks::metrics),
    ),
    page("/", "the world at a glance", &[AT]),
    page(
        "/events",
        "the events, the latest first",
        &[
            field("type", "only lines of this type"),
            field("of", "only lines that name this artifact"),
            field("code", "only refusals of this code"),
            field("text", "only lines that hold this text"),
            field("before", "only lines before this record"),
            AT,
        ],
    ),
    page(
        "/events/{seq}",
        "one record: a step from the observation to its effects",
        &[part("seq", "the record"), AT],
    ),
    page("/agents", "the agents", &[FROM, AT]),
    page("/agents/{id}", "one agent", &[part("id", "the agent"), AT]),
    page("/artifacts", "the artifacts", &[FROM, AT]),
    page(
        "/artifacts/{id}",
        "one artifact, or one long text of it",
        &[
            part("id", "the artifact"),
            field("part", "`content`, `code` or `storage`: all of that text"),
            FROM,
            AT,
        ],
    ),
    page("/market", "prices, sales, and who trades with whom", &[AT]),
    page("/ledger", "the holdings of all", &[field("resource", "a resource; scrip if it is not given"), AT]),
    page("/cost", "dollars and tokens, by agent and by model", &[AT]),
    get(
        "/compare",
        WATCHERS,
        "this world beside one that it was forked from, or that was forked from it and stands in its folder: the list of them, or both at the same time of the world",
        &[field("with", "the name of the other's file, as the list has it"), AT],
        Answers::Page,
        by!(pages::page),
    ),
    file("/style.css", "the stylesheet of the pages", "text/css", by!(pages::stylesheet)),
    file("/live.js", "the script of the pages", "text/javascript", by!(pages::script)),
    file("/play.js", "the script that plays the past", "text/javascript", by!(pages::player)),
    file("/icon.svg", "the mark of the pages in a browser", "image/svg+xml", by!(pages::icon)),
    post(
        "/steer",
        OPERATOR,
        "steers the world by a form of a page: `do` is run, pause, step, speed or fork. A page, or the way to one",
        &[],
        Some(schemas::steer_form),
        Answers::Page,
        by!(forms::steer),
    ),
    post(
        "/ask",
        OPERATOR,
        "asks an agent's model by a form of a page, as `oikos ask` does: `agent`, `at`, a moment, and `question`. Nothing of the world changes. A page with the answer",
        &[],
        Some(schemas::ask_form),
        Answers::Page,
        by!(forms::ask),
    ),
    post(
        "/act",
        SEAT,
        "acts as the token's principal by a form of a page: `op` with its fields, or `json`. The way to the record, which is the receipt",
        &[],
        Some(schemas::act_form),
        Answers::Page,
        by!(forms::act),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_has_a_row_with_its_fields() {
        for page in oikos_views::ROUTES {
            let route = ROUTES.iter().find(|route| route.path == page.path);
            let route = route.unwrap_or_else(|| panic!("{} has no row", page.path));
            let named = route.fields.iter().filter(|field| field.place == "query").map(|field| field.name);
            let wanted = page.parameters.iter().copied().chain(["at"]);
            assert_eq!(named.collect::<BTreeSet<_>>(), wanted.collect::<BTreeSet<_>>(), "{}", page.path);
            assert!(matches!(route.answers, Answers::Page), "{}", page.path);
        }
    }
}
