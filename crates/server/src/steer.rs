//! The operator's requests: whether the world runs, how far and how fast, and forks of it.

use std::{path::PathBuf, time::Duration};

use axum::http::StatusCode;
use oikos_runner::{
    Address, Fork, Forking, Speed, When,
    config::ClockKind,
    fork as make_fork,
    kernel::{
        id::Id,
        refusal::{Code, Refusal},
    },
    report,
    request::{Reply, Request},
    strict_json,
};
use serde_json::{Map, Value, json};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    call::{Answered, Call, json as answer},
    looks::standing,
    problem::{Problem, shown},
};

/// How long the end of a run is waited for, if the client says nothing.
const RUN_WAIT: Duration = Duration::from_secs(30);

/// `POST /api/v1/run`.
pub(crate) async fn run(call: Call) -> Answered {
    call.door.check_writes(&call.uri)?;
    let wait = call.wait(RUN_WAIT)?;
    let body = object(&call.body)?;
    let span = if body.is_empty() {
        None
    } else {
        match call.request("run")? {
            Request::Run(span) => Some(span),
            _ => return Err(Problem::bad("this is no span")),
        }
    };
    let _open = call.door.meters.stream(&call.token)?;
    let (sender, ended) = oneshot::channel();
    call.door.helm.run(span, Box::new(move |told| drop(sender.send(told))));
    match timeout(wait, ended).await {
        Ok(Ok(told)) => match told? {
            Reply::Refused(refusal) => Err(Problem::refused(refusal)),
            reply => Ok(answer(None, &reply.to_json())),
        },
        Ok(Err(_)) => Err(Problem::not_served()),
        Err(_) => {
            let mut response = moves(&call);
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
    }
}

fn moves(call: &Call) -> axum::http::Response<axum::body::Body> {
    answer(None, &Value::from(standing(&call.door)))
}

/// `POST /api/v1/pause`.
pub(crate) async fn pause(call: Call) -> Answered {
    call.door.check_writes(&call.uri)?;
    call.door.helm.pause();
    Ok(moves(&call))
}

/// `POST /api/v1/speed`.
pub(crate) async fn speed(call: Call) -> Answered {
    call.door.check_writes(&call.uri)?;
    let body = object(&call.body)?;
    only(&body, &["speed"])?;
    let wrong = || Problem::bad("`speed` must be how many seconds pass in one, such as 60, or \"max\"");
    let speed = match body.get("speed") {
        Some(Value::String(text)) => text.parse::<Speed>().map_err(|_| wrong())?,
        Some(Value::Number(number)) => number.as_f64().and_then(Speed::of).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    if call.door.front.clock == ClockKind::Wall {
        let sentence = "this world goes by the clock on the wall, which has one speed";
        return Err(Problem::refused(Refusal::new(Code::Unsupported, sentence)));
    }
    call.door.helm.set_speed(speed);
    Ok(moves(&call))
}

/// `POST /api/v1/fork`.
pub(crate) async fn fork(call: Call) -> Answered {
    let body = object(&call.body)?;
    only(&body, &["at", "to", "set", "seed"])?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let at = text("at").ok_or_else(|| Problem::bad("`at` is missing: name a moment, such as tick:40"))?;
    let at: When = at.parse().map_err(|problem: String| Problem::bad(format!("`at`: {problem}")))?;
    let name = text("to").ok_or_else(|| Problem::bad("`to` is missing: name the new world"))?;
    // The new world stands beside this one, wherever that is: a name is no path.
    if Id::parse(&name).is_err() || name.contains(':') {
        return Err(Problem::bad("`to` must be a plain name, of letters, digits, `_`, `-` and `.`"));
    }
    let set = settings(body.get("set"))?;
    let seed = match body.get("seed") {
        None | Some(Value::Null) => None,
        Some(seed) => Some(seed.as_u64().ok_or_else(|| Problem::bad("`seed` must be a whole number"))?),
    };
    let workplace = call.door.workplace.clone();
    let forked = move |reader: &oikos_runner::Reader| {
        let journal = reader.journal().map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?;
        let seq = at.seq(&journal).map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)?;
        let to =
            beside(reader.address(), name.strip_suffix(".oikos").unwrap_or(&name)).map_err(Problem::bad)?;
        let wanted = Fork { seq, to: &to, set: &set, seed, acts: &[] };
        match make_fork(&workplace, &journal, &wanted) {
            Ok(Forking::Made(made)) => {
                let hash = report::hex(&made.journal_hash);
                Ok(
                    json!({ "world": to.name(), "parent": made.parent, "seq": made.seq, "journal_hash": hash }),
                )
            }
            Ok(Forking::Refused(refusal)) => Err(Problem::refused(refusal)),
            Ok(Forking::Failed(receipt)) => Ok(receipt),
            Err(fault) if fault.is_config() => Err(Problem::bad(shown(&fault))),
            Err(fault) => Err(Problem::fault(&fault)),
        }
    };
    let made = call.door.look_long(forked).await?;
    let mut response = answer(None, &made);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Where a new world stands beside another: in the same folder, or in the same database.
fn beside(of: Option<&Address>, name: &str) -> Result<Address, String> {
    match of {
        Some(Address::Postgres(world)) => world.database.world(name),
        Some(Address::File(path)) => Ok(path.with_file_name(format!("{name}.oikos")).into()),
        None => Ok(PathBuf::from(format!("{name}.oikos")).into()),
    }
}

/// The other values for keys of the world file.
fn settings(set: Option<&Value>) -> Result<Vec<(String, String)>, Problem> {
    let wrong = || {
        Problem::bad("`set` must be an object of keys of the world file and their values, as --set has them")
    };
    let object = match set {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(wrong()),
    };
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((key.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((key.clone(), value.to_string())),
        _ => Err(wrong()),
    };
    object.iter().map(pair).collect()
}

/// The body as an object; an empty one is an empty object.
fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::bad("the body is not UTF-8"))?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match strict_json(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Problem::bad("a request is a JSON object")),
        Err(misread) => Err(Problem::misread(misread)),
    }
}

/// Refuses fields that mean nothing.
fn only(body: &Map<String, Value>, known: &[&str]) -> Result<(), Problem> {
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let shown: String = key.chars().take(64).collect();
            let problem = Problem::bad(format!("there is no field {shown:?} here"));
            Err(problem.with_hint(format!("it has {}", known.join(", "))))
        }
    }
}
