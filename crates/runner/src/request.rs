//! Requests to a world, and their answers: read once from JSON, and the same over every carrier.

use std::sync::Arc;

use oikos_agents::{
    Decision, decide,
    json::{Parsed, flaw, flaw_in, parse},
};
use oikos_kernel::{
    json::Json,
    limits,
    op::{Action, Op, Query},
    receipt::Receipt,
    refusal::{Code, Refusal},
    time::{DURATION_UNITS, Time, parse_duration_ms},
    world::{World, wire::Viewer},
};
use serde_json::{Map, Value, json};

use crate::{
    error::RunError,
    guest::Watching,
    live::{Live, Stopped},
    models::run_halted,
    open::observed,
    report::verified,
    sequencer::Sequencer,
    stop::Stop,
    when::When,
};

/// A request.
#[derive(Clone, Debug)]
pub enum Request {
    /// A principal acts from outside.
    Act(Act),
    /// Several do, each action for itself; one that is malformed is refused in its place.
    Batch(Vec<Result<Act, Refusal>>),
    /// An observer, who may see all, asks.
    Query(Query),
    /// The virtual clock is moved, by milliseconds; nobody thinks.
    Advance(i64),
    /// The loops are run.
    Run(Span),
    /// The whole journal is verified.
    Verify,
    /// A client decides for its agent, whose turn is open.
    Decide(Decide),
    /// A client decides for its agent if its turn is open, and acts from outside if not. No turn opens in between. The
    /// wait begins with it, so that a turn that comes before somebody looks is one that was waited for.
    DecideOrAct(Decide, Act, Arc<Watching>),
    /// The observation of an agent, as it would be now.
    Observe(String),
    /// The turn of an agent that waits for its client.
    Turn(String),
    /// An observer looks into an artifact.
    Inspect(Inspect),
    /// A principal asks, as it would be answered; it leaves no record and costs nothing.
    Look(String, Query),
    /// Somebody looks how its wait stands.
    Watch(Arc<Watching>),
}

/// A look into an artifact: at its parts that nobody else may see, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspect {
    /// The artifact.
    pub artifact: String,
    /// Whether its storage is shown, an object by key.
    pub storage: bool,
    /// Whether its content is shown.
    pub content: bool,
    /// Whether its code is shown.
    pub code: bool,
}

/// The decision of a client.
#[derive(Clone, Debug)]
pub struct Decide {
    /// The agent.
    pub agent: String,
    /// Its ops, or the reason that they are none.
    pub ops: Result<Json, Refusal>,
}

/// An action from outside.
#[derive(Clone, Debug)]
pub struct Act {
    /// The principal who acts.
    pub principal: String,
    /// The action, or the reason that it is none.
    pub action: Result<Action, Refusal>,
    /// The action as it was submitted.
    pub recorded: Json,
}

/// How long loops are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So many ticks.
    Ticks(u64),
    /// For so many milliseconds of the world's time.
    For(i64),
    /// Up to a moment.
    Until(When),
}

/// The answer to a request, as its asker may see it.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The receipt of an action.
    Receipt(Box<Shown>),
    /// The result of a query or a verification.
    Result(Value),
    /// Where the clock stands.
    Now(Time),
    /// How far a run came.
    Ran {
        /// The clock.
        now: Time,
        /// The last record's number.
        seq: u64,
        /// The span it was to run; none is to the end that the world file names.
        span: Option<Span>,
        /// Why it ended.
        stopped: Stopped,
        /// The turns that are open, each with `as` and `observation`.
        turns: Vec<Value>,
    },
    /// A decision was taken in, and takes effect when the world goes on.
    Pending,
    /// Why it can't be answered.
    Refused(Refusal),
}

impl Reply {
    /// The answer as a session has it, beside the `id`; of a receipt its text.
    #[must_use]
    pub fn to_json(self) -> Value {
        match self {
            Self::Receipt(shown) => {
                json!({ "receipt": serde_json::from_str::<Value>(&shown.text).unwrap_or_default() })
            }
            Self::Result(result) => Map::from_iter([("result".into(), result)]).into(),
            Self::Now(now) => json!({ "now": now.to_string() }),
            Self::Ran { now, seq, stopped: stopped @ Stopped::Turns, turns, .. } => {
                json!({ "now": now.to_string(), "seq": seq, "stopped": stopped.word(), "turns": turns })
            }
            Self::Ran { now, seq, span, stopped, .. } => {
                let whole = span.filter(|_| matches!(stopped, Stopped::Ticks | Stopped::Duration));
                let stopped = whole.map_or(stopped.word(), Span::word);
                json!({ "now": now.to_string(), "seq": seq, "stopped": stopped })
            }
            Self::Pending => json!({ "receipt": null, "pending": true }),
            Self::Refused(refusal) => json!({ "error": refusal.to_json() }),
        }
    }
}

/// A receipt with its wire form: who reads it needs no world for the names.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The receipt.
    pub receipt: Receipt,
    /// The text of it as JSON, as the one who acted may see it.
    pub text: String,
}

impl Shown {
    /// Whether it was refused for a reason of this kind before anything was done.
    fn is_untaken(&self, code: Code) -> bool {
        let refusal = self.receipt.refusal();
        self.receipt.seq.is_none() && refusal.is_some_and(|refusal| refusal.code == code)
    }
}

/// Why the text of a request is none that a principal may make.
#[derive(Clone, Debug)]
pub enum Misfit {
    /// It can't be read.
    Malformed(Refusal),
    /// It names another principal.
    Other(Refusal),
}

/// Why something is no request.
#[derive(Clone, Debug)]
pub(crate) enum Malformed {
    /// It would be an action, so a receipt says what is wrong.
    Act(Refusal),
    /// It is nothing.
    Request(Refusal),
}

/// The words for requests.
pub(crate) const REQUESTS: [&str; 9] =
    ["act", "batch", "query", "advance", "run", "verify", "decide", "observe", "inspect"];

impl Request {
    /// Reads the request of that word. `flawed` says that its text held what no world can hold.
    pub(crate) fn parse(word: &str, body: Value, flawed: bool) -> Result<Self, Malformed> {
        let flaw = flawed.then(|| flaw(word, &body)).flatten();
        let plain = |wrong: Option<Refusal>| match flaw.or(wrong) {
            Some(refusal) => Err(Malformed::Request(refusal)),
            None => Ok(()),
        };
        match word {
            "act" => Act::parse(body, flawed).map(Self::Act).map_err(Malformed::Act),
            "batch" => {
                let Value::Array(acts) = body else {
                    let refusal = Refusal::invalid("`batch` must be an array of actions");
                    return Err(Malformed::Request(refusal));
                };
                Ok(Self::Batch(acts.into_iter().map(|act| Act::parse(act, flawed)).collect()))
            }
            "query" => query(body, flawed).map(Self::Query).map_err(Malformed::Request),
            "advance" => {
                let ms = body.as_str().and_then(parse_duration_ms);
                let wrong = || {
                    Refusal::invalid("`advance` must be a duration such as \"60s\", in whole milliseconds")
                        .hint(format!("its units are {DURATION_UNITS}"))
                };
                plain(ms.is_none().then(wrong))?;
                Ok(Self::Advance(ms.unwrap_or(0)))
            }
            "run" => {
                let span = span(&body);
                let wrong = || {
                    Refusal::invalid(
                        "`run` must be {\"ticks\": 3}, {\"for\": \"10m\"} or {\"until\": \"tick:40\"}",
                    )
                };
                plain(span.is_none().then(wrong))?;
                span.map(Self::Run).ok_or_else(|| Malformed::Request(wrong()))
            }
            "verify" => {
                let wrong = || Refusal::invalid("`verify` must be true");
                plain((body != Value::Bool(true)).then(wrong))?;
                Ok(Self::Verify)
            }
            "decide" => Decide::parse(body, flawed).map(Self::Decide).map_err(Malformed::Act),
            "observe" => {
                let wrong = || Refusal::invalid("`observe` must be the id of an agent");
                plain(body.as_str().is_none().then(wrong))?;
                let Value::String(agent) = body else { return Err(Malformed::Request(wrong())) };
                Ok(Self::Observe(agent))
            }
            "inspect" => {
                plain(None)?;
                Inspect::parse(body).map(Self::Inspect).map_err(Malformed::Request)
            }
            _ => Err(Malformed::Request(Refusal::invalid("there is no such request"))),
        }
    }
}

impl Request {
    /// Reads the body of a request that is a text of its own, such as one over HTTP. A request in the name of a
    /// principal is that of `principal`, and names no other; `action_id` is that of its action.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(
        word: &str,
        text: &[u8],
        principal: Option<&str>,
        action_id: Option<&str>,
    ) -> Result<Self, Misfit> {
        let wrong = |sentence: &str| Misfit::Malformed(Refusal::invalid(sentence));
        let text = std::str::from_utf8(text).map_err(|_| wrong("the body is not UTF-8"))?;
        if text.trim().is_empty() {
            return Err(wrong("the body is empty; a request is a JSON object"));
        }
        let Parsed { mut value, flawed } =
            parse(text).map_err(|problem| wrong(&format!("the body is not JSON: {problem}")))?;
        let Value::Object(body) = &mut value else { return Err(wrong("a request is a JSON object")) };
        if let Some(principal) = principal {
            match body.get("as") {
                None => drop(body.insert("as".into(), principal.into())),
                Some(Value::String(named)) if named == principal => {}
                Some(_) => {
                    let sentence = format!("`as`: this token acts as `{principal}`, and as nobody else");
                    let refusal = Refusal::new(Code::PermissionDenied, sentence);
                    return Err(Misfit::Other(refusal.hint("leave `as` out")));
                }
            }
        }
        if let Some(id) = action_id {
            name_action(body, id).map_err(Misfit::Malformed)?;
        }
        let request = Self::parse(word, value, flawed).map_err(|malformed| match malformed {
            Malformed::Act(refusal) | Malformed::Request(refusal) => Misfit::Malformed(refusal),
        })?;
        match &request {
            Self::Act(Act { action: Err(refusal), .. }) | Self::Decide(Decide { ops: Err(refusal), .. }) => {
                Err(Misfit::Malformed(refusal.clone()))
            }
            _ => Ok(request),
        }
    }
}

/// Gives an action an id, on its op or the first op of its list; it may bear the same one already.
fn name_action(body: &mut Map<String, Value>, id: &str) -> Result<(), Refusal> {
    let op = match body.get_mut("ops") {
        None => Some(body),
        Some(ops) => ops.as_array_mut().and_then(|ops| ops.first_mut()).and_then(Value::as_object_mut),
    };
    // Where there is no op, what is wrong is said when it is read.
    let Some(op) = op else { return Ok(()) };
    match op.get("action_id") {
        None => drop(op.insert("action_id".into(), id.into())),
        Some(named) if named == id => {}
        Some(_) => {
            let refusal = Refusal::invalid("`action_id` and the header `Idempotency-Key` differ");
            return Err(refusal.hint("give one of them"));
        }
    }
    Ok(())
}

impl Inspect {
    /// Reads an id, which asks for all parts, or an object that names some.
    fn parse(body: Value) -> Result<Self, Refusal> {
        let wrong =
            || Refusal::invalid("`inspect` must be the id of an artifact, or an object with `artifact`");
        let all = |artifact| Self { artifact, storage: true, content: true, code: true };
        let fields = match body {
            Value::String(artifact) => return Ok(all(artifact)),
            Value::Object(fields) => fields,
            _ => return Err(wrong()),
        };
        let mut asked = Self::default();
        for (key, value) in &fields {
            let part = match key.as_str() {
                "artifact" => {
                    asked.artifact = value.as_str().ok_or_else(wrong)?.to_owned();
                    continue;
                }
                "storage" => &mut asked.storage,
                "content" => &mut asked.content,
                "code" => &mut asked.code,
                _ => {
                    let shown: String = key.chars().take(64).collect();
                    return Err(Refusal::invalid(format!("`inspect` has no field {shown:?}"))
                        .hint("it has `artifact`, `storage`, `content` and `code`"));
                }
            };
            *part =
                value.as_bool().ok_or_else(|| Refusal::invalid(format!("`{key}` must be true or false")))?;
        }
        match asked.artifact.as_str() {
            "" => Err(wrong()),
            _ if !asked.storage && !asked.content && !asked.code => Ok(all(asked.artifact)),
            _ => Ok(asked),
        }
    }

    /// The parts of an artifact that are asked for, beside its id.
    ///
    /// # Errors
    /// When there never was such an artifact.
    pub fn of(&self, world: &World) -> Result<Value, Refusal> {
        let Some(artifact) = world.lookup(&self.artifact).and_then(|handle| world.get(handle)) else {
            let shown: String = self.artifact.chars().take(limits::ID_CHARS_MAX).collect();
            let sentence = format!("there is no artifact `{shown}`");
            return Err(Refusal::new(Code::NotFound, sentence).hint("`search` finds artifacts"));
        };
        let mut shown = Map::new();
        shown.insert("id".into(), artifact.id().into());
        if self.content {
            shown.insert("content".into(), artifact.content().clone());
        }
        if self.code {
            shown.insert("code".into(), artifact.code().map_or(Value::Null, |code| (**code).into()));
        }
        if self.storage {
            let storage = artifact.storage().map(|(key, value)| (key.to_owned(), value.clone()));
            shown.insert("storage".into(), Value::Object(storage.collect()));
        }
        Ok(shown.into())
    }
}

impl Decide {
    /// The decision of an agent's client: a list of ops, or null for nothing.
    #[must_use]
    pub fn new(agent: String, ops: Value) -> Self {
        let ops = match decide(&ops) {
            Decision::Nothing | Decision::Act(_) => Ok(Json::from(ops)),
            Decision::Malformed(refusal) => Err(refusal),
        };
        Self { agent, ops }
    }

    /// Reads `as` and `ops`.
    fn parse(body: Value, flawed: bool) -> Result<Self, Refusal> {
        let Value::Object(mut body) = body else {
            return Err(Refusal::invalid("`decide` must be an object with `as` and `ops`"));
        };
        if let Some(refusal) = flawed.then(|| flaw_in(&body)).flatten() {
            return Err(refusal);
        }
        let agent = match body.shift_remove("as") {
            Some(Value::String(agent)) => agent,
            Some(_) => return Err(Refusal::invalid("`as` must be a string")),
            None => {
                return Err(Refusal::invalid("`as` is missing").hint("name the agent whose turn is open"));
            }
        };
        let Some(ops) = body.shift_remove("ops") else {
            let refusal = Refusal::invalid("`ops` is missing");
            return Err(refusal.hint("give an array of ops; null or an empty one is to do nothing"));
        };
        match body.keys().next() {
            Some(key) => {
                let shown: String = key.chars().take(64).collect();
                Err(Refusal::invalid(format!("`decide` has no field {shown:?}"))
                    .hint("it has `as` and `ops`"))
            }
            None if ops.is_null() || ops.is_array() => Ok(Self::new(agent, ops)),
            None => Err(Refusal::invalid("`ops` must be an array of ops, or null to do nothing")),
        }
    }
}

impl Act {
    /// An action as its JSON has it: an op, or a list of ops.
    #[must_use]
    pub fn new(principal: String, action: Value) -> Self {
        let recorded = Json::from(action.clone());
        Self { principal, action: Action::parse(action), recorded }
    }

    /// Reads `as`, and an op with its fields or a list `ops`.
    fn parse(act: Value, flawed: bool) -> Result<Self, Refusal> {
        let Value::Object(mut act) = act else {
            return Err(Refusal::invalid("`act` must be an object with `as` and `op`"));
        };
        if let Some(refusal) = flawed.then(|| flaw_in(&act)).flatten() {
            return Err(refusal);
        }
        let principal = match act.shift_remove("as") {
            Some(Value::String(principal)) => principal,
            Some(_) => return Err(Refusal::invalid("`as` must be a string")),
            None => {
                return Err(Refusal::invalid("`as` is missing").hint("name the principal that acts"));
            }
        };
        match act.shift_remove("ops") {
            None => Ok(Self::new(principal, Value::Object(act))),
            Some(ops) if act.is_empty() && ops.is_array() => Ok(Self::new(principal, ops)),
            Some(_) if act.is_empty() => Err(Refusal::invalid("`ops` must be an array of ops")),
            Some(_) => Err(Refusal::invalid("give an `op` with its fields, or `ops`, not both")),
        }
    }
}

impl Span {
    /// The word for it in a request.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ticks(_) => "ticks",
            Self::For(_) => "for",
            Self::Until(_) => "moment",
        }
    }
}

/// Reads a query; `flawed` says that its text held what no world can hold.
///
/// # Errors
/// Why it is none.
pub fn query(body: Value, flawed: bool) -> Result<Query, Refusal> {
    let Value::Object(mut query) = body else {
        return Err(Refusal::invalid("`query` must be an object with `what`"));
    };
    if let Some(refusal) = flawed.then(|| flaw_in(&query)).flatten() {
        return Err(refusal);
    }
    for field in ["op", "max_spend", "max_resources", "action_id"] {
        if query.contains_key(field) {
            return Err(Refusal::invalid(format!("`query` has no field `{field}`")));
        }
    }
    query.insert("op".into(), "query".into());
    match Action::parse(Value::Object(query))?.ops.pop().map(|planned| planned.op) {
        Some(Op::Query(query)) => Ok(query),
        _ => Err(Refusal::invalid("`query` must be a query")),
    }
}

fn span(body: &Value) -> Option<Span> {
    let fields = body.as_object().filter(|fields| fields.len() == 1)?;
    let (word, value) = fields.iter().next()?;
    match word.as_str() {
        "ticks" => value.as_u64().map(Span::Ticks),
        "for" => value.as_str().and_then(parse_duration_ms).map(Span::For),
        "until" => value.as_str().and_then(|text| text.parse().ok()).map(Span::Until),
        _ => None,
    }
}

impl Sequencer {
    /// Answers a request that needs no scheduler. Nothing of it may leave the process before all records
    /// until then are on disk.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn answer(&mut self, request: Request) -> Result<Reply, RunError> {
        Ok(match request {
            Request::Act(act) => Reply::Receipt(Box::new(self.perform_shown(act)?)),
            Request::Query(query) => {
                self.tell_time()?;
                self.observe(query)?.map_or_else(Reply::Refused, Reply::Result)
            }
            Request::Batch(_) => {
                let refusal = Refusal::new(Code::Unsupported, "the desk takes one action at a time");
                Reply::Refused(refusal.hint("hand in each action by itself; those that wait share a commit"))
            }
            Request::Decide(decide) => self.decide(decide)?,
            Request::DecideOrAct(decide, act, watching) => {
                self.bring_up()?;
                watching.begin(self.world(), self.now());
                match self.decide(decide)? {
                    Reply::Receipt(shown) if shown.is_untaken(Code::Conflict) => {
                        Reply::Receipt(Box::new(self.perform_shown(act)?))
                    }
                    decided => decided,
                }
            }
            Request::Observe(agent) => {
                self.tell_time()?;
                observed(self.world(), &agent, self.now()).map_or_else(Reply::Refused, Reply::Result)
            }
            Request::Turn(agent) => self.turn_of(&agent).map_or_else(Reply::Refused, Reply::Result),
            Request::Inspect(asked) => asked.of(self.world()).map_or_else(Reply::Refused, Reply::Result),
            Request::Look(principal, query) => {
                self.look_as(&principal, query)?.map_or_else(Reply::Refused, Reply::Result)
            }
            Request::Watch(watching) => self.watch(&watching)?.map_or_else(Reply::Refused, Reply::Result),
            Request::Advance(_) | Request::Run(_) | Request::Verify => {
                let sentence = "the world is being run, and only who runs it moves its time or verifies it";
                Reply::Refused(Refusal::new(Code::Unsupported, sentence))
            }
        })
    }

    /// The receipt of what never became an action.
    pub(crate) fn refused(&self, refusal: Refusal) -> Shown {
        let receipt = Receipt::refused(self.now(), refusal);
        let text = receipt.shown(self.world(), Viewer::Artifact(None)).text();
        Shown { receipt, text }
    }
}

impl Live {
    /// Answers a request, batches apart. Nothing of it may leave the process before
    /// [`Sequencer::commit`] has returned.
    ///
    /// # Errors
    /// Only faults.
    pub fn answer(&mut self, request: Request, stop: &Stop) -> Result<Reply, RunError> {
        Ok(match request {
            Request::Act(_)
            | Request::Batch(_)
            | Request::Query(_)
            | Request::Decide(_)
            | Request::DecideOrAct(..)
            | Request::Observe(_)
            | Request::Turn(_)
            | Request::Inspect(_)
            | Request::Look(..)
            | Request::Watch(_) => self.sequencer.answer(request)?,
            Request::Advance(ms) => match self.advance(ms)? {
                Ok(()) => Reply::Now(self.sequencer.now()),
                Err(problem) => Reply::Refused(Refusal::invalid(problem)),
            },
            Request::Run(span) => match self.run_for(span, stop).or_else(run_halted)? {
                Ok(stopped) => {
                    let (now, seq) = (self.sequencer.now(), self.world().seq());
                    let turns = match stopped {
                        Stopped::Turns => self.sequencer.open_turns().told(self.world()),
                        Stopped::Ticks
                        | Stopped::Duration
                        | Stopped::Until
                        | Stopped::Budget
                        | Stopped::Asked(_) => Vec::new(),
                    };
                    Reply::Ran { now, seq, span: Some(span), stopped, turns }
                }
                Err(refusal) => Reply::Refused(refusal),
            },
            Request::Verify => {
                let journal = self.sequencer.journal()?;
                Reply::Result(match oikos_journal::verify(&journal, |_| ()) {
                    Ok(found) => verified(&found),
                    Err(error) => serde_json::json!({ "ok": false, "problem": error.to_string() }),
                })
            }
        })
    }
}
