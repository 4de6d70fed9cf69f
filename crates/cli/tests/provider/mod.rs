//! A provider of models on this machine, which speaks the chat of OpenAI over HTTP: it answers by what it is asked alone,
//! and as badly as it is told to.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

/// The way in which it answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// An answer, after so many milliseconds.
    Well(u64),
    /// A status, with a body that repeats the key.
    Status(u16),
    /// A status with `retry-after-ms`, after which it answers.
    Later(u16),
    /// Half of an answer, and the end of the connection.
    Cut,
    /// An answer that is no JSON, with the key in it.
    Garbage,
    /// A text that is no action, with the key in it.
    Prose,
    /// JSON in a fence, with prose around it.
    Fenced,
    /// Nothing at all.
    Empty,
    /// Bytes that are no text.
    NoText,
    /// Nothing, ever.
    Hung,
}

/// A provider that runs until the test ends.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Provider {
    /// One that treats the `n`-th request, counted from 0, as `way` says.
    pub(crate) fn start(way: impl Fn(u64) -> Way + Send + Sync + 'static) -> Self {
        Self::begin(way, said)
    }

    /// One that answers well, in these words to each request.
    pub(crate) fn saying(say: impl Fn(&Value) -> String + Send + Sync + 'static) -> Self {
        Self::begin(|_| Way::Well(0), say)
    }

    fn begin(
        way: impl Fn(u64) -> Way + Send + Sync + 'static,
        say: impl Fn(&Value) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, ways) = (Arc::new(AtomicU64::new(0)), Arc::new((way, say)));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, ways) = (Arc::clone(&count), Arc::clone(&ways));
                // One that is not read any more is done.
                std::thread::spawn(move || drop(serve(stream, &count, &ways.0, &ways.1)));
            }
        });
        Self { address, asked }
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

fn serve(
    stream: TcpStream,
    asked: &AtomicU64,
    way: &dyn Fn(u64) -> Way,
    say: &dyn Fn(&Value) -> String,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let (mut length, mut key, mut line) = (0, String::new(), String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse().unwrap_or(0),
                    "authorization" => key = value.trim().trim_start_matches("Bearer ").to_owned(),
                    _ => {}
                }
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let n = asked.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        answer(&mut writer, way(n), &body, &say(&body), &key)?;
    }
}

fn answer(writer: &mut TcpStream, way: Way, body: &Value, good: &str, key: &str) -> std::io::Result<()> {
    match way {
        Way::Well(ms) => {
            std::thread::sleep(Duration::from_millis(ms));
            reply(writer, 200, "", chat(body, good).to_string().as_bytes())
        }
        Way::Status(status) => {
            let text = format!("<html>the key {key} is no good, {{\"error\": \"{key}\"}}</html>");
            reply(writer, status, "", text.as_bytes())
        }
        Way::Later(status) => reply(writer, status, "retry-after-ms: 5\r\n", b"{\"error\": \"slow down\"}"),
        Way::Cut => {
            let text = chat(body, good).to_string();
            let half = text.get(..text.len() / 2).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
            writer.write_all(head.as_bytes())?;
            writer.write_all(half.as_bytes())?;
            writer.shutdown(std::net::Shutdown::Both)
        }
        Way::Garbage => reply(writer, 200, "", format!("<p>{key}</p>").as_bytes()),
        Way::Prose => reply(
            writer,
            200,
            "",
            chat(body, &format!("I know your key, {key}, and say no.")).to_string().as_bytes(),
        ),
        Way::Fenced => {
            let text = format!("Sure!\n```json\n{good}\n```\nThat is all.");
            reply(writer, 200, "", chat(body, &text).to_string().as_bytes())
        }
        Way::Empty => reply(writer, 200, "", b""),
        Way::NoText => reply(writer, 200, "", &[0xff, 0xfe, 0x00, 0x80]),
        Way::Hung => {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        }
    }
}

/// The answer to a request: by its text alone.
fn said(body: &Value) -> String {
    let messages = body["messages"].to_string();
    let hash = blake3::hash(messages.as_bytes());
    let byte = hash.as_bytes()[0];
    if messages.contains("Your looks:") || messages.contains("can't be used") {
        return r#"{"think": "enough", "ops": [{"op": "burn", "amount": 1}]}"#.into();
    }
    match byte % 4 {
        0 => r#"{"think": "who?", "looks": [{"op": "query", "what": "agents"}]}"#.into(),
        1 => "no action at all".into(),
        _ => json!({ "think": format!("because {byte}"), "ops": [{ "op": "store", "key": "k", "value": byte }] })
            .to_string(),
    }
}

fn chat(body: &Value, text: &str) -> Value {
    let (tokens_in, tokens_out) = (body.to_string().len() / 4, 1 + text.len() / 4);
    json!({
        "id": "chat", "object": "chat.completion",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
    "usage": { "prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out },
    })
}

fn reply(writer: &mut TcpStream, status: u16, more: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n",
        body.len()
    );
    writer.write_all(head.as_bytes())?;
    writer.write_all(body)
}
