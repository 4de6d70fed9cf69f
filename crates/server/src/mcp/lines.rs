//! The protocol over lines of text, one message a line: what a client speaks with a process that it started.

use std::{
    io::{Error, Write},
    sync::{Arc, Mutex, PoisonError},
};

use oikos_runner::{
    json::{Parsed, flaw, flaw_in, parse},
    kernel::limits,
    session::Line,
};
use rmcp::{
    ErrorData, RoleServer, ServiceExt,
    model::{ClientJsonRpcMessage, GetExtensions, RequestId, ServerJsonRpcMessage},
    service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage},
    transport::Transport,
};
use serde_json::Value;
use tokio::sync::mpsc::Receiver;

use super::{Client, Flaw};

/// Serves a client until its lines end.
///
/// # Errors
/// When nobody reads the answers any more, or the client began with something else than the protocol has.
pub async fn serve_lines(
    client: Client,
    lines: Receiver<Line>,
    output: impl Write + Send + 'static,
) -> Result<(), Error> {
    let out = Out::new(output);
    let lines = Lines { lines, out: out.clone(), has_begun: false };
    match client.serve(lines).await {
        Ok(running) => drop(running.waiting().await),
        Err(ServerInitializeError::ConnectionClosed(_)) => {}
        Err(error) => return Err(Error::other(error.to_string())),
    }
    out.failed().map_or(Ok(()), Err)
}

/// Lines in, lines out.
struct Lines {
    lines: Receiver<Line>,
    out: Out,
    /// Whether a request has come: before it nothing else means anything.
    has_begun: bool,
}

/// A line that is no message, as it is answered.
#[derive(Debug)]
pub(super) struct Misread {
    pub(super) error: ErrorData,
    pub(super) id: Option<RequestId>,
}

/// Where lines go. A clone goes to the same place.
#[derive(Clone)]
pub(super) struct Out {
    output: Arc<Mutex<dyn Write + Send>>,
    /// The first failure of it.
    failed: Arc<Mutex<Option<Error>>>,
}

impl Out {
    pub(super) fn new(output: impl Write + Send + 'static) -> Self {
        Self { output: Arc::new(Mutex::new(output)), failed: Arc::default() }
    }

    /// Writes a message, which has left when this returns.
    pub(super) fn put(&self, message: &impl serde::Serialize) -> Result<(), Error> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&line).and_then(|()| output.flush()).inspect_err(|error| {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| again(error));
        })
    }

    /// The first failure, if nobody reads any more.
    pub(super) fn failed(&self) -> Option<Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(again)
    }
}

/// The same error once more.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string())
}

impl Transport<RoleServer> for Lines {
    type Error = Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let out = self.out.clone();
        async move { out.put(&item) }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        while let Some(line) = self.lines.recv().await {
            match message(line) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    self.has_begun = self.has_begun || matches!(message, ClientJsonRpcMessage::Request(_));
                    if self.has_begun {
                        return Some(message);
                    }
                }
                Err(misread) => {
                    let answer = ServerJsonRpcMessage::error(misread.error, misread.id);
                    if self.out.put(&answer).is_err() {
                        return None;
                    }
                }
            }
            // Nobody reads what is answered.
            if self.out.failed().is_some() {
                return None;
            }
        }
        None
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.lines.close();
        Ok(())
    }
}

/// Reads a line; an empty one is no message, and no mistake either.
pub(super) fn message(line: Line) -> Result<Option<ClientJsonRpcMessage>, Box<Misread>> {
    let misread = |error| Box::new(Misread { error, id: None });
    let Line::Text(bytes) = line else {
        let sentence = format!("a message may have {} bytes", limits::LINE_BYTES_MAX);
        return Err(misread(ErrorData::invalid_request(sentence, None)));
    };
    let text = str::from_utf8(&bytes)
        .map_err(|_| misread(ErrorData::parse_error("the message is not UTF-8", None)))?
        .trim();
    if text.is_empty() {
        return Ok(None);
    }
    let Parsed { mut value, flawed } = parse(text).map_err(|problem| {
        misread(ErrorData::parse_error(format!("the message is not JSON: {problem}"), None))
    })?;
    let id = value.get("id").and_then(id_of);
    let invalid = |sentence: String| {
        Box::new(Misread { error: ErrorData::invalid_request(sentence, None), id: id.clone() })
    };
    if !value.is_object() {
        return Err(invalid("a message is a JSON object; several are sent one by one".into()));
    }
    let flaw = if flawed { flaw_of(&mut value).map_err(&invalid)? } else { None };
    let read: Result<ClientJsonRpcMessage, _> = serde_json::from_value(value);
    let mut message = read.map_err(|_| {
        let needs = "it needs \"jsonrpc\": \"2.0\", a `method` and, for an answer, an `id`";
        invalid(format!("the message is none of JSON-RPC 2.0: {needs}"))
    })?;
    if let (ClientJsonRpcMessage::Request(request), Some(flaw)) = (&mut message, flaw) {
        request.request.extensions_mut().insert(flaw);
    }
    Ok(Some(message))
}

fn id_of(id: &Value) -> Option<RequestId> {
    match id {
        Value::String(text) => Some(RequestId::String(text.as_str().into())),
        Value::Number(number) => number.as_i64().map(RequestId::Number),
        _ => None,
    }
}

/// Something in the arguments of a call that no world can hold, which is refused as an action is. Anywhere else it is
/// a mistake of the message.
pub(super) fn flaw_of(message: &mut Value) -> Result<Option<Flaw>, String> {
    let is_call = message.get("method").is_some_and(|method| method == "tools/call");
    let arguments = message.pointer_mut("/params/arguments").filter(|_| is_call).map(Value::take);
    let refusal = match &arguments {
        Some(Value::Object(arguments)) => flaw_in(arguments),
        Some(_) | None => None,
    };
    if let Some(refusal) = flaw("message", message) {
        return Err(refusal.message);
    }
    if let (Some(place), Some(arguments)) = (message.pointer_mut("/params/arguments"), arguments) {
        *place = arguments;
    }
    Ok(refusal.map(Flaw))
}
