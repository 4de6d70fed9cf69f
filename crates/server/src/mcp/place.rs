//! How calls reach the world: as the errands of its one guest, or at the desk of a world that is served.

use std::{sync::Arc, time::Duration};

use oikos_runner::{
    Desk, NotTaken, Stop, Told, Why,
    guest::{Guest, Wait, Watching},
    kernel::refusal::Refusal,
    request::{Reply, Request},
};
use rmcp::ErrorData;
use serde_json::Value;
use tokio::sync::oneshot;

use super::gone;

/// The longest that a call waits on the machine's clock: clients give up after a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(45);

/// The longest that one call lets pass of the world's time, in milliseconds: a day.
const WORLD_WAIT_MAX_MS: i64 = 86_400_000;

/// How often a wait in a world that goes on by itself looks at it.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// The way to a world.
#[derive(Clone, Debug)]
pub enum Place {
    /// The world has one guest, and stands while it thinks.
    Guest(Guest),
    /// The world goes on by itself, and has a desk.
    Served(Desk),
}

/// The answer to something that was asked.
pub(super) enum Answer {
    Reply(Box<Reply>),
    /// Too many wait already.
    Busy(Box<Refusal>),
}

/// The answer is one that this request never has.
pub(super) const ELSE: &str = "the world answered something else than was asked";
const CLOSED: &str = "the world is not served any more";
const UNANSWERED: &str =
    "the world failed before it answered; whether the action happened shows when it is opened again";

impl Place {
    /// Asks, and waits until what the answer tells is on disk.
    ///
    /// # Errors
    /// When the world is not there any more.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, ErrorData> {
        let (sender, receiver) = oneshot::channel();
        // The asker may have gone; the action stays done.
        let told: Told<Reply> = Box::new(move |told| drop(sender.send(told)));
        match self {
            Self::Guest(guest) => guest.ask(request, told),
            Self::Served(desk) => desk.hand_in(request, told),
        }
        let taken = receiver.await.unwrap_or(Err(NotTaken::Unanswered));
        match taken {
            Ok(reply) => Ok(Answer::Reply(Box::new(reply))),
            Err(NotTaken::Busy(refusal)) => Ok(Answer::Busy(refusal)),
            Err(NotTaken::Closed) => Err(gone(CLOSED)),
            Err(NotTaken::Unanswered) => Err(gone(UNANSWERED)),
        }
    }

    /// Waits, and says what ended it; nothing did if it took too long, or was cancelled.
    ///
    /// # Errors
    /// When the world is not there any more.
    pub(super) async fn wait(
        &self,
        watching: Arc<Watching>,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Result<Value, Refusal>, ErrorData> {
        match self {
            Self::Guest(guest) => {
                let stop = Stop::default();
                let wait = Wait { watching, most_ms: WORLD_WAIT_MAX_MS, stop: stop.clone() };
                let (sender, mut receiver) = oneshot::channel();
                guest.wait(wait, Box::new(move |waited| drop(sender.send(waited))));
                tokio::select! {
                    waited = &mut receiver => return heard(waited),
                    () = tokio::time::sleep(WAIT_MAX) => {}
                    () = cancelled => {}
                }
                stop.ask(Why::ClosedPipe);
                heard(receiver.await)
            }
            Self::Served(_) => {
                let end = tokio::time::sleep(WAIT_MAX);
                tokio::pin!(end, cancelled);
                let mut is_last = false;
                loop {
                    let told = match self.ask(Request::Watch(Arc::clone(&watching))).await? {
                        Answer::Reply(reply) => match *reply {
                            Reply::Result(told) => told,
                            Reply::Refused(refusal) => return Ok(Err(refusal)),
                            Reply::Receipt(_) | Reply::Pending | Reply::Now(_) | Reply::Ran { .. } => {
                                return Err(gone(ELSE));
                            }
                        },
                        Answer::Busy(refusal) => return Ok(Err(*refusal)),
                    };
                    if is_last || told.get("ended").is_some_and(|ended| !ended.is_null()) {
                        return Ok(Ok(told));
                    }
                    tokio::select! {
                        () = &mut end => is_last = true,
                        () = &mut cancelled => is_last = true,
                        () = tokio::time::sleep(LOOK_AFTER) => {}
                    }
                }
            }
        }
    }
}

/// The end of a wait, as its guest hears of it.
fn heard<E>(
    told: Result<Result<Result<Value, Refusal>, NotTaken>, E>,
) -> Result<Result<Value, Refusal>, ErrorData> {
    match told {
        Ok(Ok(waited)) => Ok(waited),
        Ok(Err(NotTaken::Busy(refusal))) => Ok(Err(*refusal)),
        Ok(Err(NotTaken::Closed | NotTaken::Unanswered)) | Err(_) => Err(gone(CLOSED)),
    }
}
