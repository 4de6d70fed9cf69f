//! Problem documents (RFC 9457), with the codes of `docs/session.md`. A client is told of a fault without the place of
//! the world: the address of its database, and the folders of this machine, are its owner's alone.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, Uri, header},
};
use oikos_runner::{
    Halt, JournalError, Misread, NotTaken, RunError,
    config::ConfigError,
    kernel::refusal::{Code, Refusal},
};
use oikos_views::{closed, told};
use serde_json::{Value, json};

use crate::{auth::without_token, call::HTML};

/// Seconds after which a request that found no room may be made again, where nothing better is known.
const AGAIN_S: u64 = 1;

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    refusal: Box<Refusal>,
    /// Seconds after which it may be made again.
    again_s: Option<u64>,
    /// Where it may be made instead.
    there: Option<There>,
}

/// Another process that does what was asked for.
#[derive(Clone, Debug)]
struct There {
    /// The same request there.
    location: HeaderValue,
    /// The beginning of the world's addresses there.
    url: String,
    /// Whether the asker's token is known to this process alone, where that was found out.
    is_link: Option<bool>,
}

/// The one who tells a problem, with the beginning of the addresses of what was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Teller<'r> {
    /// The door of a world.
    World(&'r str),
    /// A house, for itself or for a world that is not loaded here.
    House(&'r str),
}

impl Problem {
    pub(crate) fn new(status: StatusCode, refusal: Refusal) -> Self {
        Self { status, refusal: Box::new(refusal), again_s: None, there: None }
    }

    pub(crate) fn bad(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Refusal::invalid(sentence))
    }

    pub(crate) fn misread(misread: Misread) -> Self {
        match misread {
            Misread::Syntax(problem) => Self::bad(format!("the body is not JSON: {problem}")),
            Misread::Unfit(refusal) => Self::new(StatusCode::BAD_REQUEST, refusal),
        }
    }

    pub(crate) fn not_found(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Refusal::new(Code::NotFound, sentence))
    }

    pub(crate) fn unauthorized() -> Self {
        let refusal =
            Refusal::new(Code::PermissionDenied, "a token is needed, and none that is good came along");
        let hint = "send `Authorization: Bearer TOKEN`; `oikos token WORLD` makes tokens";
        Self::new(StatusCode::UNAUTHORIZED, refusal.hint(hint))
    }

    pub(crate) fn forbidden(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Refusal::new(Code::PermissionDenied, sentence))
    }

    pub(crate) fn wrong_method(allowed: &str) -> Self {
        let refusal = Refusal::new(Code::Unsupported, "there is nothing here by that method");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, refusal.hint(format!("there is by {allowed}")))
    }

    pub(crate) fn too_large(sentence: impl Into<String>, most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::new(Code::LimitExceeded, sentence).hint(format!("at most {most} bytes")),
        )
    }

    pub(crate) fn too_many(sentence: impl Into<String>, wait_ms: u64) -> Self {
        let again_s = wait_ms.div_ceil(1_000).max(1);
        let refusal = Refusal::new(Code::RateLimited, sentence).hint(format!("try again in {again_s}s"));
        Self { again_s: Some(again_s), ..Self::new(StatusCode::TOO_MANY_REQUESTS, refusal) }
    }

    pub(crate) fn busy(refusal: Refusal) -> Self {
        Self { again_s: Some(AGAIN_S), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, refusal) }
    }

    /// The world is not served, now or any more.
    pub(crate) fn not_served() -> Self {
        Self::busy(Refusal::new(Code::Unsupported, "the world is not served now"))
    }

    /// The world is followed here, and only its writer does what was asked for.
    pub(crate) fn followed(writer: Option<&str>, asked: &Uri) -> Self {
        let there = writer.and_then(|writer| There::of(writer, asked));
        let (Some(writer), Some(there)) = (writer, there) else {
            let sentence = "this process follows the world, and where its writer serves it is not known now";
            return Self::busy(Refusal::new(Code::Unsupported, sentence));
        };
        let sentence = "this process follows the world, and its writer takes actions";
        let refusal = Refusal::new(Code::Unsupported, sentence).hint(format!("ask {writer}"));
        Self { there: Some(there), ..Self::new(StatusCode::MISDIRECTED_REQUEST, refusal) }
    }

    /// The world is served by another process, below an address.
    pub(crate) fn elsewhere(url: &str, asked: &Uri) -> Self {
        let Some(there) = There::of(url, asked) else { return Self::not_served() };
        let refusal = Refusal::new(Code::Unsupported, "another process serves this world");
        let refusal = refusal.hint(format!("ask {url}"));
        Self { there: Some(there), ..Self::new(StatusCode::MISDIRECTED_REQUEST, refusal) }
    }

    /// Says whether the asker's token is that of the link, which no other process knows.
    pub(crate) fn asked_by_link(mut self, is_link: bool) -> Self {
        if let Some(there) = &mut self.there {
            there.is_link = Some(is_link);
        }
        self
    }

    pub(crate) fn late(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, Refusal::new(Code::RateLimited, sentence))
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.refusal.hint = Some(hint.into());
        self
    }

    /// A refusal of what was asked for, which is not one of the world.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let status = match refusal.code {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::Conflict | Code::AlreadyExists => StatusCode::CONFLICT,
            Code::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Code::RateLimited => return Self::busy(refusal),
            Code::InvalidArgument
            | Code::InvalidCode
            | Code::InsufficientScrip
            | Code::InsufficientResource
            | Code::QuotaExceeded
            | Code::LimitExceeded
            | Code::DepthExceeded
            | Code::CodeError
            | Code::CodeTimeout
            | Code::MemoryExceeded
            | Code::BudgetExhausted
            | Code::WorkerDied => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal)
    }

    /// A fault of the machine; its reader learns no more than that.
    pub(crate) fn fault(error: &RunError) -> Self {
        let sentence = match error {
            RunError::Journal(_) => "the journal of this world can't be read now",
            _ => "this can't be answered now",
        };
        Self::busy(Refusal::new(Code::Unsupported, sentence))
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        let Refusal { code, message, need, have, hint, .. } = &*self.refusal;
        let title = self.status.canonical_reason().unwrap_or("Problem");
        let mut document = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": message,
            "code": code.as_str(),
        });
        if let Value::Object(map) = &mut document {
            map.extend(need.map(|need| ("need".to_owned(), need.into())));
            map.extend(have.map(|have| ("have".to_owned(), have.into())));
            map.extend(hint.as_ref().map(|hint| ("hint".to_owned(), hint.as_str().into())));
        }
        document
    }

    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(again_s) = self.again_s {
            headers.insert(header::RETRY_AFTER, again_s.into());
        }
        headers.extend(self.there.map(|there| (header::LOCATION, there.location)));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"oikos\""));
        }
        response
    }
}

/// A fault in the words for those outside, who learn of no file, folder or database.
pub(crate) fn shown(error: &RunError) -> String {
    let here = "the process that serves it says more on its standard error";
    match error {
        RunError::Journal(error) => match error {
            JournalError::Name { .. } => "no world can have that name here".into(),
            JournalError::Open { .. } | JournalError::Failed { .. } => {
                format!("its journal can't be read or written now; {here}")
            }
            JournalError::Missing { .. } => "it is not there any more".into(),
            JournalError::NotAWorld { .. } => {
                format!("it is in no database of worlds of this version; {here}")
            }
            JournalError::Version { found, known, .. } => {
                format!("it has journal format {found}, and this version of oikos reads format {known}")
            }
            JournalError::Busy { .. } => "another process is writing to it".into(),
            JournalError::Empty { .. } => "its founding was never committed".into(),
            JournalError::Moved { seq, .. } => {
                format!(
                    "it was taken away while it was open: nothing after record {seq} was acknowledged; {here}"
                )
            }
            JournalError::Corrupt { .. }
            | JournalError::TooLarge { .. }
            | JournalError::Encode(_)
            | JournalError::Stopped
            | JournalError::Poisoned => error.to_string(),
        },
        RunError::Config(error) => {
            let file = match error.file.as_str() {
                // An option stands there as it was given.
                option if option.starts_with("--") => option,
                file => file.rsplit(['/', '\\']).next().unwrap_or_default(),
            };
            ConfigError { file: file.to_owned(), ..(**error).clone() }.to_string()
        }
        RunError::Differs { differences, .. } => {
            format!("the world file is another than that of the world: {}", differences.join("; "))
        }
        RunError::Interpreter(_)
        | RunError::Worker(_)
        | RunError::Table(_)
        | RunError::Io(_)
        | RunError::Halt(Halt::Tape(_)) => {
            format!("this machine can't do that now; {here}")
        }
        RunError::Founding(_)
        | RunError::Code { .. }
        | RunError::Entry { .. }
        | RunError::Unsupported(_)
        | RunError::Apply(_)
        | RunError::Audit(_)
        | RunError::Runtime { .. }
        | RunError::Models(_)
        | RunError::Halt(_)
        | RunError::Stopped
        | RunError::Clock { .. }
        | RunError::EndOfTime => error.to_string(),
    }
}

impl There {
    fn of(url: &str, asked: &Uri) -> Option<Self> {
        let location = HeaderValue::from_str(&format!("{url}{}", without_token(asked))).ok()?;
        Some(Self { location, url: url.to_owned(), is_link: None })
    }

    /// The sentence about the asker's token there.
    const fn of_token(&self) -> &'static str {
        match self.is_link {
            Some(true) => {
                " The token of the link that this process printed is not known there: enter by the link that the other \
                 process printed, or by a token that `oikos token` made."
            }
            Some(false) => " A token is asked for there once, in a browser that has not been there.",
            None => "",
        }
    }
}

impl<'r> Teller<'r> {
    const fn root(self) -> &'r str {
        match self {
            Self::World(root) | Self::House(root) => root,
        }
    }

    /// The way on from a problem.
    fn on(self) -> (String, &'static str) {
        match self {
            Self::World(root) => (format!("{root}/"), "To the world"),
            Self::House(_) => ("/".into(), "To the worlds"),
        }
    }

    /// Whether a world is one of many here. A stranger is told the same of worlds that are there and that are not.
    const fn is_of_many(self) -> bool {
        matches!(self, Self::House(_)) || !self.root().is_empty()
    }
}

impl Problem {
    /// The problem as a page, for people: about a page that was asked for, or a form that was sent. The address is one
    /// below the teller's root.
    pub(crate) fn page(self, teller: Teller<'_>, asked: Option<&Uri>) -> Response<Body> {
        let (sentence, root) = (self.sentence(), teller.root());
        let (on, words) = teller.on();
        let on = (on.as_str(), words);
        let closed = |title: &str| {
            let (path, fields) =
                asked.map_or_else(|| (format!("{root}/"), Vec::new()), |uri| address(root, uri));
            closed(title, &sentence, teller.is_of_many(), &path, &fields)
        };
        let page = match (self.status, &self.there, asked) {
            (StatusCode::UNAUTHORIZED, ..) => closed("A token is needed"),
            (_, Some(there), Some(_)) => {
                let sentence = format!("{sentence}{}", there.of_token());
                let location = there.location.to_str().unwrap_or(&there.url);
                told(root, "It is served elsewhere", &sentence, (location, "To the world"))
            }
            (_, Some(there), None) => {
                let token = there.of_token();
                let sentence = format!("{sentence} Send it from a page there; nothing was done here.{token}");
                told(root, "This was not done", &sentence, (&format!("{}/", there.url), "To the world"))
            }
            (_, None, None) => told(root, "This was not done", &sentence, on),
            (StatusCode::FORBIDDEN, ..) => closed("This is not for your token"),
            (StatusCode::NOT_FOUND, ..) => told(root, "There is no such page", &sentence, on),
            (StatusCode::SERVICE_UNAVAILABLE, None, Some(uri)) => {
                let again = format!("{root}{}", without_token(uri));
                told(root, "This can't be shown now", &sentence, (&again, "Try again"))
            }
            (status, ..) => told(root, status.canonical_reason().unwrap_or("Problem"), &sentence, on),
        };
        let mut response = self.response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
        *response.body_mut() = Body::from(page.into_string());
        response
    }

    /// The problem in words.
    fn sentence(&self) -> String {
        let Refusal { message, hint, .. } = &*self.refusal;
        // A person who has no token sends no header.
        let hint = hint.as_deref().filter(|_| self.status != StatusCode::UNAUTHORIZED);
        let parts = [Some(message.as_str()), hint].into_iter().flatten();
        let parts: Vec<&str> = parts.map(|part| part.trim_end_matches('.')).collect();
        let mut sentence = parts.join("; ");
        if !sentence.ends_with('?') {
            sentence.push('.');
        }
        let mut letters = sentence.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    }
}

/// A path of this door, and its fields but for the token.
fn address(root: &str, uri: &Uri) -> (String, Vec<(String, String)>) {
    let address = without_token(uri);
    let (path, query) = address.split_once('?').unwrap_or((&address, ""));
    (format!("{root}{path}"), form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Self {
        Self::busy(match why {
            NotTaken::Busy(refusal) => *refusal,
            NotTaken::Closed => {
                Refusal::new(Code::Unsupported, "the world is not served now; nothing has happened")
            }
            NotTaken::Unanswered => Refusal::new(
                Code::Unsupported,
                "the world failed meanwhile: it shows when it is opened again whether this has happened",
            )
            .hint("repeat it with the same Idempotency-Key"),
        })
    }
}

#[cfg(test)]
mod tests {
    use oikos_runner::config::Place;

    use super::*;

    #[test]
    fn those_outside_learn_of_no_file_and_no_database() {
        let path = || std::path::PathBuf::from("postgres://alice@10.0.0.9/secret?world=one");
        let problem = || "could not connect to 10.0.0.9 as alice, for secret".to_owned();
        let faults = [
            JournalError::Name { path: path(), problem: problem() },
            JournalError::Open { path: path(), problem: problem() },
            JournalError::Missing { path: path() },
            JournalError::NotAWorld { path: path(), problem: problem() },
            JournalError::Version { path: path(), found: 9, known: 7 },
            JournalError::Busy { path: path(), writer: Some("127.0.0.1, backend 7".into()) },
            JournalError::Empty { path: path() },
            JournalError::Failed {
                file: format!("`{}`", path().display()),
                doing: "read",
                problem: problem(),
            },
            JournalError::Moved { problem: path().display().to_string(), seq: 5, help: problem() },
        ];
        let faults = faults.map(RunError::from).into_iter().chain([
            RunError::Config(Box::new(ConfigError {
                file: "/alice/secret/world.toml".into(),
                place: Some(Place { line: 1, column: 1, text: "ticks = 0".into(), indent: 0, length: 1 }),
                message: "it must be at least 1".into(),
                help: None,
            })),
            RunError::Differs { db: path().display().to_string(), differences: vec!["ticks".into()] },
            RunError::Io(std::io::Error::other("/alice/secret is full")),
        ]);
        for fault in faults {
            let told = shown(&fault);
            assert!(!told.contains("alice") && !told.contains("secret") && !told.contains("10.0"), "{told}");
            assert!(fault.to_string().contains("secret"), "its owner learns more: {fault}");
        }
        let corrupt = JournalError::Corrupt { place: "journal, record 3".into(), problem: "no hash".into() };
        assert!(shown(&corrupt.into()).contains("record 3"));
    }

    #[test]
    fn a_full_desk_is_told_as_such() {
        let refusal =
            Refusal::new(Code::RateLimited, "1024 actions wait for this world already").numbers(1_025, 1_024);
        let problem = Problem::from(NotTaken::Busy(Box::new(refusal)));
        let document = problem.document();
        assert_eq!(
            (&document["code"], &document["need"]),
            (&json!("rate_limited"), &json!(1_025)),
            "{document}"
        );
        let response = problem.response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers().get(header::RETRY_AFTER), Some(&HeaderValue::from_static("1")));
        let wait = Problem::too_many("too often", 1_500).response();
        assert_eq!(wait.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(wait.headers().get(header::RETRY_AFTER), Some(&HeaderValue::from_static("2")));
    }
}
