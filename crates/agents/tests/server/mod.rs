//! A local HTTP server that plays a provider, well or badly: it answers each request with bytes from a script.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oikos_agents::{Api, Http, Key, Message, ModelName, ProviderSettings, Request, Role, Schema, Structured};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The key that must be seen nowhere but by the server.
pub(crate) const PLANTED: &str = "sk-planted-0123456789abcdef";

/// A reply of the server.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing more for as long as the client stays.
    Hang(Vec<u8>),
    /// A pause before the reply.
    After(Duration, Box<Reply>),
    /// As many bytes as the client takes, after these.
    Endless(Vec<u8>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

pub(crate) struct Server {
    pub(crate) address: String,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Server {
    /// A server that answers the n-th request by the n-th reply, and the rest by the last.
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let came = Arc::new(Mutex::new(Vec::new()));
        let log = came.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, replies.clone(), log.clone()));
            }
        });
        Self { address, came }
    }

    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    pub(crate) fn settings(&self, api: Api) -> ProviderSettings {
        let url = format!("http://{}/v1", self.address);
        ProviderSettings { url, timeout: Duration::from_secs(30), ..ProviderSettings::of(api) }
    }

    pub(crate) fn provider(&self, api: Api) -> Http {
        Http::new("here", self.settings(api), Some(Key::new(PLANTED).ok().unwrap())).unwrap()
    }

    pub(crate) fn on(&self, api: Api, structured: Structured) -> Http {
        let settings = ProviderSettings { structured, ..self.settings(api) };
        Http::new("here", settings, Some(Key::new(PLANTED).ok().unwrap())).unwrap()
    }
}

async fn serve(mut stream: TcpStream, replies: Vec<Reply>, log: Arc<Mutex<Vec<Came>>>) {
    let Some(came) = receive(&mut stream).await else { return };
    let at = {
        let mut log = log.lock().unwrap();
        log.push(came);
        log.len() - 1
    };
    let mut reply = replies.get(at).or(replies.last()).unwrap().clone();
    while let Reply::After(pause, then) = reply {
        tokio::time::sleep(pause).await;
        reply = *then;
    }
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read(&mut [0; 64]).await;
        }
        Reply::Endless(bytes) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&[b' '; 64 * 1024]).await.is_ok() {}
        }
        Reply::After(..) => unreachable!(),
    }
}

async fn receive(stream: &mut TcpStream) -> Option<Came> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length:").map(|length| length.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            return Some(Came {
                path,
                head: head.into(),
                body: serde_json::from_str(body).unwrap_or(Value::Null),
            });
        }
    }
}

/// A whole response.
pub(crate) fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    bytes.push_str(headers);
    bytes.push_str("\r\n");
    Reply::Bytes([bytes.as_bytes(), body].concat())
}

/// A good answer in the language of an API, as JSON.
pub(crate) fn said(api: Api, text: &str) -> Value {
    match api {
        Api::OpenAi => json!({
            "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 4 } },
        }),
        Api::Anthropic => json!({
            "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
            "usage": { "input_tokens": 16, "cache_read_input_tokens": 4, "output_tokens": 7 },
        }),
        Api::Gemini => json!({
            "candidates": [{ "content": { "parts": [{ "text": text }] }, "finishReason": "STOP" }],
            "usageMetadata": { "promptTokenCount": 20, "cachedContentTokenCount": 4, "candidatesTokenCount": 5,
                               "thoughtsTokenCount": 2 },
        }),
    }
}

pub(crate) fn good(api: Api, text: &str) -> Reply {
    reply(200, "", said(api, text).to_string())
}

pub(crate) fn request() -> Request {
    Request {
        model: ModelName::parse("here::some-model").unwrap(),
        messages: vec![
            Message::new(Role::System, "You keep a shop."),
            Message::new(Role::User, "A secret question of the world."),
        ],
        schema: None,
        max_output_tokens: 600,
        temperature: Some(0.5),
        seed: Some(7),
    }
}

pub(crate) fn with_schema() -> Request {
    let schema = json!({ "type": "object", "properties": { "ops": { "type": "array", "items": { "type": "string" }, "maxItems": 3 } },
                         "required": ["ops"], "additionalProperties": false });
    Request { schema: Some(Schema::new(schema)), ..request() }
}
