//! Requests to the door of a world that another process serves.

use std::{io::Error, net::SocketAddr};

use axum::{
    body::Bytes,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use rmcp::transport::common::http_header::{
    BASE64_HEADER_PREFIX, BASE64_HEADER_SUFFIX, HEADER_MCP_METHOD, HEADER_MCP_NAME,
    HEADER_MCP_PROTOCOL_VERSION, HEADER_SESSION_ID,
};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Duration, sleep},
};

/// How often a request is made again that the door had no time for.
const TRIES_MAX: u32 = 10;
/// The longest time until then.
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer that is no feed, and of one message of a feed.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The door of a world that another process serves.
#[derive(Clone)]
pub struct Elsewhere {
    /// Where it listens.
    pub address: SocketAddr,
    /// The beginning of every path, where the world is one of many there; else nothing.
    pub root: String,
    /// The token of the seat.
    pub token: String,
}

impl std::fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elsewhere").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why there is no more talk.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The door is not there any more.
    #[error(
        "the world that was served at http://{address} is not served any more ({problem}); the log of the world says \
         whether this was done"
    )]
    Door {
        /// Where it listened.
        address: SocketAddr,
        /// The reason.
        problem: String,
    },
    /// The door has another opinion of the token.
    #[error("the door at http://{address} says: {problem}")]
    Refused {
        /// Where it listens.
        address: SocketAddr,
        /// Its sentence.
        problem: String,
    },
    /// Nobody reads the answers.
    #[error("{0}")]
    Output(Error),
}

/// A message for the door.
#[derive(Clone, Debug, Default)]
pub(super) struct Post {
    pub(super) session: Option<String>,
    pub(super) version: Option<String>,
    /// The method and the thing that it names, in the version that has them in headers.
    pub(super) method: Option<String>,
    pub(super) name: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A request that was taken in.
pub(super) struct Asked {
    pub(super) session: Option<String>,
    status: StatusCode,
    is_feed: bool,
    body: Incoming,
    read: Vec<u8>,
    /// The connection, which ends with this.
    _sender: SendRequest<Full<Bytes>>,
}

/// A thing that comes back.
pub(super) enum Answer {
    Message(Value),
    /// The door's own no.
    Problem(String),
}

impl Elsewhere {
    /// The principal whose seat the token is.
    ///
    /// # Errors
    /// When nobody answers there, or the token is not that of a seat.
    pub async fn seat(&self) -> Result<String, Lost> {
        let asked = self.send(Method::GET, "/api/v1/world", &Post::default()).await?;
        let (status, read) = (asked.status, asked.whole(self).await?);
        let told: Value = serde_json::from_slice(&read).unwrap_or_default();
        let refused = |problem: String| Err(Lost::Refused { address: self.address, problem });
        if status != StatusCode::OK {
            return refused(problem_of(status, &told));
        }
        match (
            told.pointer("/you/role").and_then(Value::as_str),
            told.pointer("/you/as").and_then(Value::as_str),
        ) {
            (_, Some(principal)) => Ok(principal.to_owned()),
            (Some(role), None) => {
                refused(format!("this is the token of an {role}, and only a principal acts"))
            }
            (None, None) => refused("it is the door of no world that this version knows".into()),
        }
    }

    pub(super) async fn post(&self, post: &Post) -> Result<Asked, Lost> {
        self.send(Method::POST, "/mcp", post).await
    }

    pub(super) async fn hear(&self, post: &Post) -> Result<Asked, Lost> {
        self.send(Method::GET, "/mcp", post).await
    }

    pub(super) async fn leave(&self, post: &Post) -> Result<(), Lost> {
        self.send(Method::DELETE, "/mcp", post).await.map(|_| ())
    }

    /// Sends a request; where it comes too soon, it is made again later.
    async fn send(&self, method: Method, path: &'static str, post: &Post) -> Result<Asked, Lost> {
        let mut tries = 0;
        loop {
            let asked = self.send_once(method.clone(), path, post).await?;
            tries += 1;
            let Some(wait) = asked.1.filter(|_| tries < TRIES_MAX) else { return Ok(asked.0) };
            sleep(wait.min(AGAIN_MAX)).await;
        }
    }

    async fn send_once(
        &self,
        method: Method,
        path: &'static str,
        post: &Post,
    ) -> Result<(Asked, Option<Duration>), Lost> {
        let lost = |error: &dyn std::fmt::Display| self.lost(error);
        let stream = TcpStream::connect(self.address).await.map_err(|error| lost(&error))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        // The connection ends with its sender, and its faults come to light there.
        tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::new(Full::new(Bytes::from(post.body.clone())));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.root).parse().map_err(|_| Lost::Refused {
            address: self.address,
            problem: format!("there is no path {:?}", self.root),
        })?;
        let fields = [
            ("host", Some(self.address.to_string())),
            ("authorization", Some(format!("Bearer {}", self.token))),
            ("content-type", (!post.body.is_empty()).then(|| "application/json".to_owned())),
            ("accept", Some("application/json, text/event-stream".to_owned())),
            (HEADER_SESSION_ID, post.session.clone()),
            (HEADER_MCP_PROTOCOL_VERSION, post.version.clone()),
            (HEADER_MCP_METHOD, post.method.as_deref().map(plain)),
            (HEADER_MCP_NAME, post.name.as_deref().map(plain)),
        ];
        for (name, value) in fields {
            let Some(value) = value else { continue };
            let value = HeaderValue::from_str(&value).map_err(|_| Lost::Refused {
                address: self.address,
                problem: format!("`{name}` can't be sent as it is: it holds signs that no header has"),
            })?;
            let name = header::HeaderName::from_bytes(name.as_bytes());
            request.headers_mut().extend(name.ok().map(|name| (name, value)));
        }
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let (head, body) = response.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let wait = (head.status == StatusCode::TOO_MANY_REQUESTS).then(|| {
            let seconds = text("retry-after").and_then(|text| text.parse().ok()).unwrap_or(1);
            Duration::from_secs(seconds)
        });
        let is_feed = text("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let session = text(HEADER_SESSION_ID).map(str::to_owned);
        let asked = Asked { session, status: head.status, is_feed, body, read: Vec::new(), _sender: sender };
        Ok((asked, wait))
    }

    fn lost(&self, error: &dyn std::fmt::Display) -> Lost {
        Lost::Door { address: self.address, problem: error.to_string() }
    }
}

impl Asked {
    /// The next thing that comes back, if there is one more.
    pub(super) async fn next(&mut self, world: &Elsewhere) -> Result<Option<Answer>, Lost> {
        if !self.is_feed {
            return self.only(world).await;
        }
        loop {
            if let Some(end) = end_of_event(&self.read) {
                let event: Vec<u8> = self.read.drain(..end).collect();
                match message_of(&String::from_utf8_lossy(&event)) {
                    Some(message) => return Ok(Some(Answer::Message(message))),
                    None => continue,
                }
            }
            if self.read.len() > ANSWER_BYTES_MAX {
                return Err(world.lost(&"its answer has no end"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => self.read.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(world.lost(&error)),
            }
        }
    }

    async fn only(&mut self, world: &Elsewhere) -> Result<Option<Answer>, Lost> {
        let read = Limited::new(&mut self.body, ANSWER_BYTES_MAX).collect().await;
        let read = read.map_err(|error| world.lost(&error))?.to_bytes();
        let told: Value = serde_json::from_slice(&read).unwrap_or_default();
        if told.get("jsonrpc").is_some() {
            return Ok(Some(Answer::Message(told)));
        }
        let is_fine = self.status.is_success();
        Ok((!is_fine).then(|| Answer::Problem(format!("the door says: {}", problem_of(self.status, &told)))))
    }

    async fn whole(self, world: &Elsewhere) -> Result<Bytes, Lost> {
        let read = Limited::new(self.body, ANSWER_BYTES_MAX).collect().await;
        Ok(read.map_err(|error| world.lost(&error))?.to_bytes())
    }
}

/// The sentence of a problem document.
fn problem_of(status: StatusCode, told: &Value) -> String {
    let text = |key: &str| told.get(key).and_then(Value::as_str);
    match (text("detail"), text("hint")) {
        (Some(detail), Some(hint)) => format!("{detail} ({hint})"),
        (Some(detail), None) => detail.to_owned(),
        (None, _) => status.to_string(),
    }
}

/// A text as a header has it.
fn plain(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text;
    let is_marked = text.starts_with(BASE64_HEADER_PREFIX) && text.ends_with(BASE64_HEADER_SUFFIX);
    if is_plain && !is_marked {
        return text.to_owned();
    }
    format!("{BASE64_HEADER_PREFIX}{}{BASE64_HEADER_SUFFIX}", BASE64_STANDARD.encode(text))
}

/// The end of the first event of a feed, if all of it has come.
fn end_of_event(read: &[u8]) -> Option<usize> {
    read.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2)
}

/// The message of an event; one that only says that the feed is alive has none.
fn message_of(event: &str) -> Option<Value> {
    let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
    let data: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    serde_json::from_str(&data.join("\n")).ok().filter(Value::is_object)
}
