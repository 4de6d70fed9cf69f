//! Actions and decisions: handed in at the desk, and answered when they are on disk.

use std::time::Duration;

use axum::http::StatusCode;
use oikos_runner::request::{Reply, Request};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::{
    call::{Answered, Call, json as answer, text},
    problem::Problem,
};

/// How long a turn is waited for, if the client says nothing.
const TURN_WAIT: Duration = Duration::from_secs(30);

/// `POST /api/v1/act`.
pub(crate) async fn act(call: Call) -> Answered {
    let request = call.request("act")?;
    answered(call.door.ask(request, &call.uri).await?)
}

/// `POST /api/v1/decide`.
pub(crate) async fn decide(call: Call) -> Answered {
    let request = call.request("decide")?;
    answered(call.door.ask(request, &call.uri).await?)
}

/// A receipt as it stands, or what else came of it.
fn answered(reply: Reply) -> Answered {
    Ok(match reply {
        Reply::Receipt(shown) => text(shown.receipt.seq, "application/json", shown.text),
        Reply::Refused(refusal) => return Err(Problem::refused(refusal)),
        reply @ (Reply::Pending | Reply::Result(_) | Reply::Now(_) | Reply::Ran { .. }) => {
            let mut response = answer(None, &reply.to_json());
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
    })
}

/// `GET /api/v1/turn`.
pub(crate) async fn turn(call: Call) -> Answered {
    let agent = call.token.role.principal().unwrap_or_default().to_owned();
    let until = Instant::now() + call.wait(TURN_WAIT)?;
    let _open = call.door.meters.stream(&call.token)?;
    let mut on_disk = call.door.on_disk.clone();
    let mut closing = call.door.closing.subscribe();
    loop {
        // Records that come from here on are looked at again.
        let seq = *on_disk.borrow_and_update();
        let turn = match call.door.ask(Request::Turn(agent.clone()), &call.uri).await? {
            Reply::Result(turn) => turn,
            Reply::Refused(refusal) => return Err(Problem::refused(refusal)),
            _ => Value::Null,
        };
        let told = |turn: &Value| {
            let observation = turn.get("observation").cloned().unwrap_or_default();
            answer(Some(seq), &json!({ "open": !turn.is_null(), "observation": observation }))
        };
        if !turn.is_null() || *closing.borrow() {
            return Ok(told(&turn));
        }
        let waited = timeout_at(until, async {
            tokio::select! {
                more = on_disk.changed() => more.is_ok(),
                _ = closing.changed() => true,
            }
        });
        if !waited.await.unwrap_or(false) {
            return Ok(told(&Value::Null));
        }
    }
}
