//! Providers over HTTP: one attempt on the wire, bounded in time and bytes, and every fault with its kind.
//!
//! The client follows no redirects, so that a key goes nowhere else, and asks no proxy. The three languages each
//! say how a request is written and an answer is read.

mod anthropic;
mod fault;
mod gemini;
mod openai;
mod reading;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode, Url, header::HeaderMap};
use serde_json::{Value, json};

use self::{
    fault::{broken, busy_again, turned_down},
    reading::{Body, read},
};
use crate::{
    outcome::{Answer, Billed, Failure, FailureKind, Outcome, Stop},
    provider::{Later, Provider},
    request::{Message, Request, Role, Schema},
    secret::Key,
    settings::{Api, ProviderSettings, Structured},
};

/// Bytes of an answer as it comes over the wire.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of an error that are read for its reason.
const ERROR_BYTES_MAX: usize = 16 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// The name of the schema and of the tool.
const ANSWER: &str = "answer";

/// Settings that no provider can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The URL is none that can be asked.
    #[error("`url` {0}")]
    Url(String),
    /// The machine can't speak TLS.
    #[error("the HTTP client can't be made: {0}")]
    Client(String),
}

/// A provider over HTTP.
pub struct Http {
    name: String,
    settings: ProviderSettings,
    base: Url,
    key: Option<Key>,
    client: Client,
    /// The rung of [`Structured::ALL`] on which it is asked: it goes down when the provider turns one down and
    /// answers on a lower one.
    rung: AtomicUsize,
}

/// A request in the language of a provider.
struct Wire {
    url: Url,
    headers: HeaderMap,
    body: Value,
}

/// An answer in the language of a provider, read.
struct Said {
    text: String,
    stop: End,
    billed: Billed,
}

/// The end of an answer, as a provider tells it.
enum End {
    Said(Stop),
    /// The model or the provider would not answer.
    Declined,
}

impl Http {
    /// A provider of that name. `key` is the one that its settings name.
    ///
    /// # Errors
    /// When its URL can't be asked.
    pub fn new(name: &str, settings: ProviderSettings, key: Option<Key>) -> Result<Self, SettingsError> {
        let base = base(&settings.url)?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT.min(settings.timeout))
            .user_agent(concat!("oikos/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SettingsError::Client(error.without_url().to_string()))?;
        let rung = AtomicUsize::new(settings.structured as usize);
        Ok(Self { name: name.into(), settings, base, key, client, rung })
    }

    /// Refuses a URL that can't be asked.
    ///
    /// # Errors
    /// Why.
    pub fn check_url(url: &str) -> Result<(), SettingsError> {
        base(url).map(drop)
    }

    /// Whether it is on this machine, or in a network of its own: such a one bills nothing by itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_local(&self.base)
    }

    fn rung(&self) -> Structured {
        Structured::ALL.get(self.rung.load(Ordering::Relaxed)).copied().unwrap_or(Structured::Text)
    }

    fn wire(&self, request: &Request, rung: Structured) -> Result<Wire, Failure> {
        match self.settings.api {
            Api::OpenAi => openai::write(&self.base, self.key.as_ref(), request, rung),
            Api::Anthropic => anthropic::write(&self.base, self.key.as_ref(), request, rung),
            Api::Gemini => gemini::write(&self.base, self.key.as_ref(), request, rung),
        }
    }

    /// Asks on one rung of the ladder.
    async fn ask_on(&self, request: &Request, rung: Structured) -> Result<Outcome, TurnedDown> {
        let wire = match self.wire(request, rung) {
            Ok(wire) => wire,
            Err(failure) => return Ok(Err(failure)),
        };
        let time = self.settings.timeout;
        let sent = self.client.post(wire.url).headers(wire.headers).body(wire.body.to_string());
        let asked = async {
            let response = match sent.send().await {
                Ok(response) => response,
                Err(error) => return Ok(Err(broken(&self.name, error, Billed::Nothing))),
            };
            if response.status().is_success() {
                Ok(self.answer(response, request).await)
            } else {
                self.failure(response, request, rung).await
            }
        };
        match tokio::time::timeout(time, asked).await {
            Ok(done) => done,
            Err(_) => {
                let sentence = format!("`{}` gave no answer within {} s", self.name, time.as_secs_f64());
                Ok(Err(Failure::new(FailureKind::Timeout, sentence).maybe_billed()))
            }
        }
    }

    /// Reads an answer. From here on the provider may have billed it.
    async fn answer(&self, response: Response, request: &Request) -> Outcome {
        let invalid = |says: &str| {
            let sentence = format!("`{}` answered with {says}", self.name);
            Failure::new(FailureKind::Invalid, sentence).maybe_billed()
        };
        let bytes = match read(response, ANSWER_BYTES_MAX).await {
            Body::Whole(bytes) => bytes,
            Body::TooLong(_) => {
                return Err(invalid(&format!("more than {ANSWER_BYTES_MAX} bytes")));
            }
            Body::Cut(error) => return Err(broken(&self.name, error, Billed::Unknown)),
        };
        let text = String::from_utf8(bytes).map_err(|_| invalid("bytes that are no UTF-8"))?;
        let body: Value =
            serde_json::from_str(&text).map_err(|_| match text.trim_start().chars().next() {
                None => invalid("nothing"),
                Some('<') => invalid("a page in the place of JSON"),
                Some(_) => invalid("JSON that is cut or broken"),
            })?;
        let said = match self.settings.api {
            Api::OpenAi => openai::read(&body),
            Api::Anthropic => anthropic::read(&body),
            Api::Gemini => gemini::read(&body),
        };
        let said = said.ok_or_else(|| invalid("JSON that is none of its language"))?;
        self.told(said, request)
    }

    /// The answer without the key, and with a bill that can be believed.
    fn told(&self, said: Said, request: &Request) -> Outcome {
        let text = match &self.key {
            Some(key) => key.scrub(said.text),
            None => said.text,
        };
        let billed = believed(said.billed, request, !text.is_empty());
        let failed = |kind, says: &str| {
            let sentence = format!("`{}` {says}", self.name);
            Err(Failure { billed, ..Failure::new(kind, sentence) })
        };
        match said.stop {
            End::Declined => failed(FailureKind::Refused, "declined to answer"),
            End::Said(Stop::End) if text.trim().is_empty() => {
                failed(FailureKind::Invalid, "gave an empty answer")
            }
            End::Said(Stop::Length) if text.trim().is_empty() => {
                let most = request.max_output_tokens;
                failed(FailureKind::Length, &format!("used its {most} tokens before it said anything"))
            }
            End::Said(stop) => Ok(Answer { text, stop, billed }),
        }
    }

    /// Reads an error. A rung that is turned down is none.
    async fn failure(
        &self,
        response: Response,
        request: &Request,
        rung: Structured,
    ) -> Result<Outcome, TurnedDown> {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = match read(response, ERROR_BYTES_MAX).await {
            Body::Whole(bytes) | Body::TooLong(bytes) => bytes,
            Body::Cut(_) => Vec::new(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = match &self.key {
            Some(key) => key.scrub(text),
            None => text,
        };
        let may_be_rung = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_IMPLEMENTED
        );
        let is_last = rung.below(self.settings.api).is_none();
        if may_be_rung && request.schema.is_some() && !is_last && turned_down(&text) {
            return Err(TurnedDown);
        }
        let mut failure = fault::of_status(&self.name, &request.model.model, status, &text);
        failure.retry_after = busy_again(&headers);
        Ok(Err(failure))
    }
}

/// The provider does not know the rung on which it was asked.
struct TurnedDown;

impl Provider for Http {
    fn ask<'a>(&'a self, request: &'a Request) -> Later<'a, Outcome> {
        Box::pin(async move {
            let mut rung = self.rung();
            loop {
                match self.ask_on(request, rung).await {
                    Ok(outcome) => {
                        // A request that no rung answers was at fault itself: the others stay where they are.
                        if outcome.is_ok() && request.schema.is_some() {
                            self.rung.fetch_max(rung as usize, Ordering::Relaxed);
                        }
                        return outcome;
                    }
                    // The lowest rung is turned down by nobody.
                    Err(TurnedDown) => rung = rung.below(self.settings.api).unwrap_or(Structured::Text),
                }
            }
        })
    }
}

/// The bill, if it can be one of this request: a provider's numbers may be missing, zero or beyond all bounds.
fn believed(billed: Billed, request: &Request, has_text: bool) -> Billed {
    let Billed::Counted(mut usage) = billed else { return Billed::Unknown };
    let no_output = usage.tokens_out == 0 && has_text;
    if usage.tokens_in == 0 || no_output {
        return Billed::Unknown;
    }
    // More than the worst case can't be reserved, so it is not charged either.
    usage.tokens_in = usage.tokens_in.min(request.tokens_in_max());
    usage.tokens_out = usage.tokens_out.min(u64::from(request.max_output_tokens));
    usage.tokens_cached = usage.tokens_cached.min(usage.tokens_in);
    Billed::Counted(usage)
}

/// The URL below which a provider's paths lie, with a slash at its end.
fn base(text: &str) -> Result<Url, SettingsError> {
    let wrong = |says: &str| SettingsError::Url(says.into());
    let mut text = text.trim().trim_end_matches('/');
    // Some copy the whole path from an example.
    for path in ["/chat/completions", "/messages", "/responses"] {
        text = text.strip_suffix(path).unwrap_or(text);
    }
    let mut url = Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with `http://` or `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a name or a password: give the key by `key_env`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a part after `?` or `#`, which no provider needs"));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// A URL below another one.
fn below(base: &Url, path: &str) -> Result<Url, Failure> {
    let joined = base.join(path).ok().filter(|url| url.as_str().starts_with(base.as_str()));
    joined.ok_or_else(|| {
        let sentence = format!("`{path}` can't be part of a URL");
        Failure::new(FailureKind::Invalid, sentence).fatal()
    })
}

/// Whether a URL's host is this machine or one in a private network.
#[must_use]
pub fn is_local(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}

/// The messages of the system as one text, with the schema where it has to stand in the prompt.
fn system(request: &Request, rung: Structured) -> Option<String> {
    let texts = request.messages.iter().filter(|message| message.role == Role::System);
    let mut parts: Vec<String> = texts.map(|message| message.text.clone()).collect();
    if let (Some(schema), Structured::Json | Structured::Text) =
        (request.schema.as_ref().map(Schema::value), rung)
    {
        parts.push(format!(
            "Answer with one JSON object and nothing else. It must have this JSON Schema:\n{schema}"
        ));
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// The messages after those of the system.
fn conversation(request: &Request) -> impl Iterator<Item = &Message> {
    request.messages.iter().filter(|message| message.role != Role::System)
}

/// The tool whose arguments are the answer.
fn tool_words() -> (&'static str, &'static str) {
    (ANSWER, "Gives your answer. Call it once.")
}

/// A count of tokens, if it is one; some write it as a float.
fn count(value: &Value, path: &[&str]) -> Option<u64> {
    let count = path.iter().try_fold(value, |value, key| value.get(key))?;
    count.as_u64().or_else(|| whole(count.as_f64()?))
}

/// A float that is a natural number, as far as floats tell such numbers apart.
fn whole(number: f64) -> Option<u64> {
    const MOST: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    let is_whole = (0.0..=MOST).contains(&number) && number.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative and no more than 64 bits hold"
    )]
    is_whole.then_some(number as u64)
}

/// A header map with the type of JSON.
fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let json = reqwest::header::HeaderValue::from_static("application/json");
    headers.insert(reqwest::header::CONTENT_TYPE, json);
    headers
}

/// An object that holds only what was given.
fn put(body: &mut Value, key: &str, value: Option<Value>) {
    if let (Value::Object(map), Some(value)) = (body, value) {
        map.insert(key.into(), value);
    }
}

/// An empty object.
fn object() -> Value {
    json!({})
}
