//! A client that started a process, while another process serves the world: each line of it is a request to `/mcp`
//! there, and each message that comes back is a line.

use std::{
    collections::HashMap,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use oikos_runner::{
    json::{Parsed, parse},
    session::Line,
};
use rmcp::{
    ErrorData,
    model::{ProtocolVersion, RequestId, ServerJsonRpcMessage},
};
use serde_json::Value;
use tokio::{
    sync::{Mutex, mpsc::Receiver},
    task::{AbortHandle, JoinSet},
    time::{Duration, timeout},
};

use super::{
    lines::{Misread, Out, message},
    post::{Answer, Asked, Elsewhere, Lost, Post},
};

/// The key of the version that a request speaks.
const VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
/// How long calls that are under way may take when the client has gone.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// How long other calls may take to hear that the world is gone.
const HEARS_WITHIN: Duration = Duration::from_secs(1);

/// Serves a client of a world that is served elsewhere, until its lines end; on one thread, so that calls are begun in
/// the order of their lines.
///
/// # Errors
/// When that world is not served any more; or nobody reads the answers.
pub async fn serve_away(
    world: Elsewhere,
    mut lines: Receiver<Line>,
    output: impl Write + Send + 'static,
) -> Result<(), Lost> {
    let out = Out::new(output);
    let mut talk = Talk::new(world, out.clone());
    let served = loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => if let Err(lost) = talk.line(line).await { break Err(lost) },
                None => break Ok(()),
            },
            Some(ended) = talk.calls.join_next() => if let Ok(Err(lost)) = ended { break Err(lost) },
            Some(ended) = talk.feeds.join_next() => if let Ok(Err(lost)) = ended { break Err(lost) },
        }
        if let Some(error) = out.failed() {
            return Err(Lost::Output(error));
        }
    };
    let within = if served.is_ok() { LEAVES_WITHIN } else { HEARS_WITHIN };
    let rest = async { while talk.calls.join_next().await.is_some() {} };
    // A call that takes longer is done there all the same.
    let _ = timeout(within, rest).await;
    if served.is_ok() {
        talk.leave().await;
    }
    out.failed().map_or(served, |error| Err(Lost::Output(error)))
}

/// The talk with one client.
struct Talk {
    world: Arc<Elsewhere>,
    out: Out,
    /// The session of a client that began with `initialize`.
    session: Option<String>,
    /// The version that is spoken.
    version: Option<String>,
    calls: JoinSet<Result<(), Lost>>,
    /// The feeds, which stay open and are waited for by nobody.
    feeds: JoinSet<Result<(), Lost>>,
    /// The calls that may be cancelled, by their ids.
    under_way: HashMap<String, UnderWay>,
    /// Held by the call whose turn it is.
    order: Arc<Mutex<()>>,
}

/// A call that is not answered yet.
struct UnderWay {
    task: AbortHandle,
    has_left: Arc<AtomicBool>,
}

impl Talk {
    fn new(world: Elsewhere, out: Out) -> Self {
        Self {
            world: Arc::new(world),
            out,
            session: None,
            version: None,
            calls: JoinSet::new(),
            feeds: JoinSet::new(),
            under_way: HashMap::new(),
            order: Arc::default(),
        }
    }

    /// Hands one line on. Its answer is waited for beside, so that calls begin in the order of the lines.
    async fn line(&mut self, line: Line) -> Result<(), Lost> {
        let bytes = match &line {
            Line::Text(bytes) => bytes.clone(),
            Line::TooLong => Vec::new(),
        };
        match message(line) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(misread) => {
                let Misread { error, id } = *misread;
                return self.out.put(&ServerJsonRpcMessage::error(error, id)).map_err(Lost::Output);
            }
        }
        // It has just been read.
        let Ok(Ok(Parsed { value, .. })) = str::from_utf8(&bytes).map(|text| parse(text.trim())) else {
            return Ok(());
        };
        let method = value.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = value.get("id").filter(|_| !method.is_empty()).cloned();
        let own_version = value.pointer(VERSION).and_then(Value::as_str).map(str::to_owned);
        if own_version.is_some() {
            self.version.clone_from(&own_version);
        }
        let is_last = self.version.as_deref().is_some_and(|it| it >= ProtocolVersion::V_2026_07_28.as_str());
        if method == "notifications/cancelled" && self.cancel(&value, is_last) {
            return Ok(());
        }
        let is_hello = method == "initialize";
        let post = Post {
            version: if is_hello { None } else { self.version.clone() },
            session: if is_hello || own_version.is_some() { None } else { self.session.clone() },
            method: is_last.then(|| method.clone()),
            name: is_last.then(|| name_of(&method, &value)).flatten(),
            body: bytes,
        };
        let call = Call { out: self.out.clone(), id: id.clone(), world: Arc::clone(&self.world) };
        if is_hello {
            let asked = call.post(&post).await?;
            self.session = asked.session.clone().or(self.session.take());
            let hello = call.answer(asked).await?;
            let version = hello.as_ref().and_then(|it| it.pointer("/result/protocolVersion")?.as_str());
            self.version = version.map(str::to_owned);
        } else if let Some(id) = id {
            self.call(&method, &id, call, post);
        } else {
            // A notice has no answer.
            self.world.post(&post).await?;
            if method == "notifications/initialized" && self.session.is_some() {
                self.hear();
            }
        }
        Ok(())
    }

    /// Makes a request. Those that act do so one after another, in the order of their lines.
    fn call(&mut self, method: &str, id: &Value, call: Call, post: Post) {
        let acts = ["tools/call", "resources/read"].contains(&method);
        let (order, has_left) = (Arc::clone(&self.order), Arc::new(AtomicBool::new(false)));
        let left = Arc::clone(&has_left);
        let answer = async move {
            let _turn = if acts { Some(order.lock_owned().await) } else { None };
            left.store(true, Ordering::SeqCst);
            let asked = call.post(&post).await?;
            call.answer(asked).await.map(|_| ())
        };
        let goes_on = method == "subscriptions/listen";
        let task = if goes_on { self.feeds.spawn(answer) } else { self.calls.spawn(answer) };
        self.under_way.retain(|_, under_way| !under_way.task.is_finished());
        self.under_way.insert(id.to_string(), UnderWay { task, has_left });
    }

    /// Gives up a call that has not left, or that there is cancelled by nobody waiting for it any more; says whether
    /// that is all there is to do.
    fn cancel(&mut self, notice: &Value, is_last: bool) -> bool {
        let named = notice.pointer("/params/requestId").map(Value::to_string).unwrap_or_default();
        let Some(under_way) = self.under_way.get(&named) else { return is_last };
        let gives_up = is_last || !under_way.has_left.load(Ordering::SeqCst);
        if gives_up {
            under_way.task.abort();
        }
        gives_up
    }

    /// Listens to the messages that come unasked for.
    fn hear(&mut self) {
        let (world, out) = (Arc::clone(&self.world), self.out.clone());
        let post = Post { session: self.session.clone(), version: self.version.clone(), ..Post::default() };
        self.feeds.spawn(async move {
            let asked = world.hear(&post).await?;
            Call { out, id: None, world }.answer(asked).await.map(|_| ())
        });
    }

    /// Ends the session there, if there is one.
    async fn leave(&self) {
        if self.session.is_some() {
            let post =
                Post { session: self.session.clone(), version: self.version.clone(), ..Post::default() };
            // It ends by itself, too.
            let _ = timeout(HEARS_WITHIN, self.world.leave(&post)).await;
        }
    }
}

/// One message that was handed on, and what comes back.
struct Call {
    out: Out,
    id: Option<Value>,
    world: Arc<Elsewhere>,
}

impl Call {
    /// Sends it; where that can't be, the client is told so.
    async fn post(&self, post: &Post) -> Result<Asked, Lost> {
        let asked = self.world.post(post).await;
        if let (Err(lost), Some(id)) = (&asked, &self.id) {
            tell(&self.out, id, &lost.to_string())?;
        }
        asked
    }

    /// Tells the client all that comes back, and gives the answer itself.
    async fn answer(&self, mut asked: Asked) -> Result<Option<Value>, Lost> {
        let mut answer = None;
        loop {
            match asked.next(&self.world).await {
                Ok(Some(Answer::Message(message))) => {
                    let is_own = self.id.is_some() && message.get("id") == self.id.as_ref();
                    let message = self.with_id(message);
                    self.out.put(&message).map_err(Lost::Output)?;
                    if is_own || message.get("error").is_some() {
                        answer = Some(message);
                    }
                }
                Ok(Some(Answer::Problem(sentence))) => {
                    if let Some(id) = &self.id {
                        tell(&self.out, id, &sentence)?;
                    }
                    return Ok(None);
                }
                Ok(None) => break,
                Err(lost) => {
                    if let (Some(id), None) = (&self.id, &answer) {
                        tell(&self.out, id, &lost.to_string())?;
                    }
                    return Err(lost);
                }
            }
        }
        if let (Some(id), None) = (&self.id, &answer) {
            tell(
                &self.out,
                id,
                "the world ended this before it was answered: its token may have been revoked",
            )?;
        }
        Ok(answer)
    }

    /// An error that could not say whose it is, says it.
    fn with_id(&self, mut message: Value) -> Value {
        if let (Some(id), Value::Object(map)) = (&self.id, &mut message)
            && map.contains_key("error")
            && map.get("id").is_none_or(Value::is_null)
        {
            map.insert("id".into(), id.clone());
        }
        message
    }
}

/// Answers a request by an error.
fn tell(out: &Out, id: &Value, sentence: &str) -> Result<(), Lost> {
    let id = match id {
        Value::String(text) => Some(RequestId::String(text.as_str().into())),
        id => id.as_i64().map(RequestId::Number),
    };
    let error = ErrorData::internal_error(sentence.to_owned(), None);
    out.put(&ServerJsonRpcMessage::error(error, id)).map_err(Lost::Output)
}

/// The thing that a request names, as its header says it.
fn name_of(method: &str, message: &Value) -> Option<String> {
    let field = match method {
        "tools/call" => "name",
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
        _ => return None,
    };
    message.get("params")?.get(field)?.as_str().map(str::to_owned)
}
