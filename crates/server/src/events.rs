//! The lines of the log: a page of them, or all that come.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, header},
};
use oikos_runner::{
    Cursor, Feed, Filtered,
    kernel::{id::nearest, world::wire::Viewer},
};
use serde_json::{Value, json};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    call::{Answered, Call, json as answer, viewer_of},
    door::Door,
    feeds::{AGAIN, Batch},
    limits::{OpenStream, PIECE_WITHIN},
    pieces::{Audience, Page, Piece},
    problem::Problem,
    tokens::Token,
};

/// Lines of a page, if nothing is said, and at most.
const LINES: u64 = 100;
const LINES_MAX: u64 = 1_000;
/// Lines that are read at once to catch up.
const CAUGHT_UP: usize = 1_000;
/// Pieces of a feed that wait for its reader.
const PIECES_MAX: usize = 2;
/// How often a feed says that it is alive.
const BEAT: Duration = Duration::from_secs(15);

/// `GET /api/v1/events`.
pub(crate) async fn events(call: Call) -> Answered {
    let wanted = Filtered { kind: kind(&call)?, of: call.field("of").map(str::to_owned) };
    let accepted =
        call.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepted.split(',').any(|kind| kind.trim().starts_with("text/event-stream")) {
        return feed(call, wanted).await;
    }
    let after = cursor(call.field("since").unwrap_or("0"))?;
    let limit = usize::try_from(call.number("limit", LINES, LINES_MAX)?).unwrap_or(usize::MAX);
    let seq = *call.door.on_disk.borrow();
    let Feed { lines, next, has_more } = page(&call.door, &call.token, &wanted, after, limit).await?;
    let shown = lines.into_iter().map(|told| {
        let mut line = told.line;
        if let Value::Object(map) = &mut line {
            map.insert("id".into(), told.id.to_string().into());
        }
        line
    });
    let shown: Vec<Value> = shown.collect();
    Ok(answer(Some(seq), &json!({ "events": shown, "next": next.to_string(), "more": has_more })))
}

fn cursor(text: &str) -> Result<Cursor, Problem> {
    text.parse().map_err(|problem: String| Problem::bad(format!("`since`: {problem}")))
}

fn kind(call: &Call) -> Result<Option<String>, Problem> {
    let Some(kind) = call.field("type") else { return Ok(None) };
    if Filtered::kinds().any(|known| known == kind) {
        return Ok(Some(kind.to_owned()));
    }
    let shown: String = kind.chars().take(64).collect();
    let problem = Problem::bad(format!("`type`: there is no type of line {shown:?}"));
    Err(match nearest(kind, Filtered::kinds()) {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem.with_hint("docs/events.md has the types"),
    })
}

/// Some lines from the journal.
async fn page(
    door: &Door,
    token: &Token,
    wanted: &Filtered,
    after: Cursor,
    limit: usize,
) -> Result<Feed, Problem> {
    let (role, wanted) = (token.role.clone(), wanted.clone());
    door.look(move |reader| {
        let look = reader.now().ok_or_else(Problem::not_served)?;
        let viewer = viewer_of(&role, &look.world).map_err(Problem::refused)?;
        let read = reader.lines(viewer, &wanted, after, limit);
        read.map_err(|fault| Problem::fault(&fault))?.map_err(Problem::refused)
    })
    .await
}

/// A feed of all lines that come.
async fn feed(call: Call, wanted: Filtered) -> Answered {
    let open = call.door.meters.stream(&call.token)?;
    let last = call.headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    // From here on nothing is missed: what comes waits until the reader has caught up.
    let come = call.door.feeds.subscribe();
    let after = match last.or(call.field("since")) {
        Some(text) => cursor(text)?,
        None => Cursor::after(*call.door.on_disk.borrow()),
    };
    let role = call.token.role.clone();
    let viewer = call
        .door
        .look(move |reader| {
            let look = reader.now().ok_or_else(Problem::not_served)?;
            viewer_of(&role, &look.world).map_err(Problem::refused)
        })
        .await?;
    let (pieces, body) = mpsc::channel(PIECES_MAX);
    let audience = Audience::new(viewer, wanted);
    let teller = Teller { door: call.door, token: call.token, audience, viewer, after, pieces, _open: open };
    tokio::spawn(teller.tell(come));
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(body)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy hands on each piece as it comes.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Tells one reader of the lines that come.
struct Teller {
    door: Arc<Door>,
    token: Token,
    audience: Audience,
    viewer: Viewer,
    /// The last line that was told, or passed over.
    after: Cursor,
    pieces: mpsc::Sender<Result<Bytes, Infallible>>,
    _open: OpenStream,
}

/// The reader is told no more.
struct Ended;

impl Teller {
    async fn tell(mut self, mut come: tokio::sync::broadcast::Receiver<Arc<Batch>>) {
        let (mut closing, reader) = (self.door.closing.subscribe(), self.pieces.clone());
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Where the connection breaks, the reader comes back after a second.
        if self.give("retry: 1000\n\n".into()).await.is_err() || self.catch_up().await.is_err() {
            return;
        }
        while !*closing.borrow_and_update() {
            let told = tokio::select! {
                _ = closing.changed() => return,
                // It has gone, and makes room for another feed at once.
                () = reader.closed() => return,
                _ = beat.tick() => match self.door.tokens.is_good(&self.token) {
                    true => self.give(": \n\n".into()).await,
                    false => return,
                },
                batch = come.recv() => match batch {
                    Ok(batch) => self.batch(&batch).await,
                    // It was too slow: what it missed is in the journal.
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => return,
                },
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Tells all that is on disk by now, from the journal.
    async fn catch_up(&mut self) -> Result<(), Ended> {
        let until = *self.door.on_disk.borrow();
        loop {
            let read = async {
                let (door, token, wanted) = (&self.door, &self.token, &self.audience.wanted);
                let Feed { lines, next, has_more } =
                    page(door, token, wanted, self.after, CAUGHT_UP).await.map_err(|_| Ended)?;
                Ok::<_, Ended>(Page { piece: Piece::of(lines.iter()), next, has_more })
            };
            let read = self.door.feeds.recent.page(&self.audience, self.after, read).await?;
            let Page { piece, next, has_more } = read;
            let moved = next != self.after;
            self.tell_of(&piece).await?;
            self.after = next;
            if !has_more && self.after >= Cursor::after(until) {
                return Ok(());
            }
            if !moved && !has_more {
                // Readers have no world yet that knows the names of the last records.
                sleep(AGAIN).await;
            }
        }
    }

    async fn batch(&mut self, batch: &Batch) -> Result<(), Ended> {
        let (first, last) = batch.span();
        if Cursor::after(last) <= self.after {
            return Ok(());
        }
        if Cursor::after(first.saturating_sub(1)) > self.after {
            // Those before were not among what came.
            self.catch_up().await?;
        }
        self.tell_of(&batch.piece(self.viewer, &self.audience)).await?;
        self.after = self.after.max(Cursor::after(last));
        Ok(())
    }

    /// Tells those of these lines that were not told.
    async fn tell_of(&self, piece: &Piece) -> Result<(), Ended> {
        let (text, count) = piece.after(self.after);
        if count == 0 {
            return Ok(());
        }
        self.door.metrics.count_lines(count);
        self.give(text).await
    }

    /// Gives the reader a piece, for which it has some time.
    async fn give(&self, piece: Bytes) -> Result<(), Ended> {
        match timeout(PIECE_WITHIN, self.pieces.send(Ok(piece))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }
}
