//! The forms of the pages, as browsers send them without script: each is the request of a program in other clothes,
//! done by the same handler and with the same limits, and answered by a page.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use oikos_runner::{
    Address, Answered as AnsweredAsk, Ask, Reader, RunError, When, ask as ask_agent, ask_tape,
    kernel::refusal::{Code, Refusal},
    request::Reply,
    show_dollars,
};
use oikos_views::{Named, Page, act_of, answered};
use serde_json::{Map, Value, json};

use crate::{
    call::{Answered, Call, HTML, text},
    pages::{named, page_of},
    problem::{Problem, Teller, shown},
    steer,
};

/// How long a step of the world is waited for, so that the page that comes shows it.
const STEP_WAIT: &str = "2s";
/// The header in which the key of an action is sent by programs.
const KEY: &str = "idempotency-key";

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn of(call: &Call) -> Result<Self, Problem> {
        let text = std::str::from_utf8(&call.body).map_err(|_| Problem::bad("the body is not UTF-8"))?;
        if text.trim().is_empty() {
            return Err(Problem::bad("the form is empty"));
        }
        Ok(Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
    }

    /// Takes a field; an empty one is none.
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let value = self.0.remove(at).1.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    fn needs(&mut self, name: &str) -> Result<String, Problem> {
        self.take(name).ok_or_else(|| Problem::bad(format!("`{name}` is missing")))
    }

    /// Refuses what is left.
    fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(64).collect();
                Err(Problem::bad(format!("there is no field {shown:?} here, or it stands there twice")))
            }
        }
    }
}

/// `POST /steer`.
pub(crate) async fn steer(call: Call) -> Answered {
    let root = call.door.root.clone();
    told(&root, steered(&root, call).await)
}

async fn steered(root: &str, call: Call) -> Answered {
    let mut form = Form::of(&call)?;
    let word = form.needs("do")?;
    let (body, wait) = match word.as_str() {
        "run" => (json!({}), "0s"),
        "pause" => (Value::Null, "0s"),
        "step" => (span(&form.needs("span")?), STEP_WAIT),
        "speed" => (speed(form.needs("speed")?), "0s"),
        "fork" => (json!({ "at": form.needs("at")?, "to": form.needs("to")? }), "0s"),
        _ => return Err(Problem::bad("`do` must be run, pause, step, speed or fork")),
    };
    form.end()?;
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let fields = vec![("wait".to_owned(), wait.to_owned())];
    let call = Call { body, fields, ..call };
    match word.as_str() {
        "run" | "step" => steer::run(call).await?,
        "pause" => steer::pause(call).await?,
        "speed" => steer::speed(call).await?,
        _ => return forked(root, call).await,
    };
    see(root, "/")
}

/// How far a step goes: a number of ticks, or a span of time.
fn span(text: &str) -> Value {
    match text.parse::<u64>() {
        Ok(ticks) => json!({ "ticks": ticks }),
        Err(_) => json!({ "for": text }),
    }
}

fn speed(text: String) -> Value {
    let number = text.parse::<f64>().ok().map(Value::from);
    json!({ "speed": number.unwrap_or_else(|| text.into()) })
}

/// The page that says which world was made.
async fn forked(root: &str, call: Call) -> Answered {
    let (reader, has_list) = (call.door.front.reader.clone(), call.has_list());
    let answer = steer::fork(call).await?;
    let status = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
    let made: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let world = made.get("world").and_then(Value::as_str).unwrap_or_default();
    let seq = made.get("seq").cloned().unwrap_or_default();
    let named = named(&reader);
    let page = |sentence: &str, on: (&str, &str)| Ok(page_of(root, status, "A fork was made", sentence, on));
    if named.in_database.is_none() {
        let sentence = format!(
            "`{world}` stands beside this world, and goes on from record {seq}: `oikos serve {world}` opens it, and \
             `oikos run {world}` runs it, so that the two can be compared."
        );
        let compared = format!("{root}{}", Page::Compare(Some(world.to_owned())).href(None));
        return page(&sentence, (&compared, "The two side by side"));
    }
    let (other, this) = (Named::beside(world), named.world);
    let begun = format!("`{world}` stands beside this world in its database, and goes on from record {seq}");
    let compared = format!("`oikos compare {this} {other}` says where the two part");
    // It is one of many at this listener.
    if !root.is_empty() {
        let sentence = format!(
            "{begun}: one of the processes that serve all worlds of the database takes it within a second. It has \
             tokens of its own, which `oikos token {other}` makes; {compared}."
        );
        let (there, home) = (format!("/w/{world}/"), format!("{root}/"));
        let on =
            if has_list { (there.as_str(), "To the new world") } else { (home.as_str(), "To this world") };
        return page(&sentence, on);
    }
    let sentence =
        format!("{begun}: `oikos serve {other}` opens it, and `oikos run {other}` runs it; {compared}.");
    page(&sentence, (&format!("{root}/"), "To this world"))
}

/// `POST /act`.
pub(crate) async fn act(call: Call) -> Answered {
    let root = call.door.root.clone();
    told(&root, acted(&root, call).await)
}

async fn acted(root: &str, mut call: Call) -> Answered {
    let mut form = Form::of(&call)?;
    if let Some(key) = form.take("key") {
        let key = HeaderValue::from_str(&key).map_err(|_| Problem::bad("`key` must be plain text"))?;
        call.headers.insert(KEY, key);
    }
    call.body = act_of(&form.0).map_err(Problem::bad)?.into_bytes();
    let request = call.request("act")?;
    let home = format!("/artifacts/{}", call.token.role.principal().unwrap_or_default());
    match call.door.ask(request, &call.uri).await? {
        Reply::Refused(refusal) => Err(Problem::refused(refusal)),
        Reply::Receipt(shown) => match shown.receipt.seq {
            // The record is the receipt, with all that came of it.
            Some(seq) => see(root, &format!("/events/{seq}")),
            None => {
                let receipt: Map<String, Value> = serde_json::from_str(&shown.text).unwrap_or_default();
                let error = receipt.get("error").unwrap_or(&Value::Null);
                let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
                let sentence = format!("{}: {} {}", part("code"), part("message"), part("hint"));
                Ok(page_of(
                    root,
                    StatusCode::OK,
                    "It was refused, and left no record",
                    &sentence,
                    (&format!("{root}{home}"), "Back"),
                ))
            }
        },
        Reply::Pending | Reply::Result(_) | Reply::Now(_) | Reply::Ran { .. } => see(root, &home),
    }
}

/// `POST /ask`.
pub(crate) async fn ask(call: Call) -> Answered {
    let root = call.door.root.clone();
    told(&root, asked(&root, call).await)
}

async fn asked(root: &str, call: Call) -> Answered {
    let mut form = Form::of(&call)?;
    let (agent, at, question) = (form.needs("agent")?, form.needs("at")?, form.needs("question")?);
    form.end()?;
    let at: When = at.parse().map_err(|problem: String| Problem::bad(format!("`at`: {problem}")))?;
    call.door.check_writes(&call.uri)?;
    let _open = call.door.meters.stream(&call.token)?;
    let workplace = call.door.workplace.clone();
    let (named, words) = (agent.clone(), question.clone());
    let put = move |reader: &Reader| {
        let journal = reader.journal().map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?;
        let tape = ask_tape(&reader.address().map(Address::beside).unwrap_or_default());
        let ask = Ask { agent: &named, question: &words, at: Some(at), tape: &tape };
        match ask_agent(&workplace, &journal, &ask) {
            Ok(answered) => answered.map_err(Problem::refused),
            // The operator is told why; keys stand in no message.
            Err(fault @ (RunError::Models(_) | RunError::Halt(_))) => {
                Err(Problem::busy(Refusal::new(Code::Unsupported, shown(&fault))))
            }
            Err(fault) => Err(Problem::fault(&fault)),
        }
    };
    let Some(AnsweredAsk { row, is_replayed }) = call.door.ask_model(put).await? else {
        let sentence = "another question is being answered; ask again when it is";
        return Err(Problem::busy(Refusal::new(Code::RateLimited, sentence)));
    };
    let cost = if is_replayed {
        "It was asked this before: nothing is paid.".to_owned()
    } else {
        format!("{} for {} tokens in and {} out.", show_dollars(row.cost), row.tokens_in, row.tokens_out)
    };
    let cut = if row.failure.is_some() { " It is cut at `max_output_tokens`." } else { "" };
    let note = format!("`{}::{}` answered after record {}. {cost}{cut}", row.provider, row.model, row.seq);
    let back = Page::Agent(agent.clone()).href(Some(When::Seq(row.seq)));
    Ok(text(None, HTML, answered(root, &agent, (&question, &row.answer), &note, &back).into_string()))
}

/// The browser is sent on to a page, so that loading it again does nothing again.
fn see(root: &str, address: &str) -> Answered {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let address = HeaderValue::from_str(&format!("{root}{address}"))
        .map_err(|_| Problem::bad("that address can't be gone to"))?;
    response.headers_mut().insert(header::LOCATION, address);
    Ok(response)
}

/// A problem as a page, for people.
fn told(root: &str, answered: Answered) -> Answered {
    Ok(answered.unwrap_or_else(|problem| problem.page(Teller::World(root), None)))
}
