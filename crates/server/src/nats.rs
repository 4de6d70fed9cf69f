//! A NATS server: its address, the way in, and sentences on what keeps one out.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Auth, AuthError, Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr,
    jetstream::{
        self, Context, ErrorCode,
        context::{CreateStreamErrorKind, RequestErrorKind},
        message::StreamMessage,
        stream::{Config, LastRawMessageErrorKind, Stream},
    },
};
use nkeys::KeyPair;

/// The schemes of its addresses.
const SCHEMES: [&str; 2] = ["nats", "tls"];
/// How long it may take to connect, and to answer.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How soon a dead connection is noticed: half of this.
const PING: Duration = Duration::from_secs(5);

/// A NATS server, and the login for it.
#[derive(Clone)]
pub struct Nats {
    address: ServerAddr,
    login: Option<Login>,
    root: Option<PathBuf>,
}

#[derive(Clone)]
enum Login {
    Password { user: String, password: String },
    Credentials { jwt: String, key: Arc<KeyPair> },
}

impl std::fmt::Debug for Nats {
    /// The login is nobody's to see.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Nats").field(&self.address.as_url_str()).finish()
    }
}

impl std::fmt::Display for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.address.as_url_str())
    }
}

impl std::str::FromStr for Nats {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| Err(format!("{problem}; write nats://HOST:PORT, or tls://HOST:PORT"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong("it is no address of a NATS server");
        };
        if !SCHEMES.contains(&scheme) {
            return wrong("it is no address of a NATS server");
        }
        if rest.contains('@') {
            return Err("an address holds no login, since all on a machine may see it: set NATS_USER and \
                        NATS_PASSWORD, or NATS_CREDS for a file of credentials"
                .into());
        }
        if rest.trim_end_matches('/').contains(['/', '?', '#', ',']) {
            return wrong("it names more than one server and its port");
        }
        let address: ServerAddr = match text.parse() {
            Ok(address) => address,
            Err(error) => return wrong(&error.to_string()),
        };
        if address
            .as_url_str()
            .split_once("://")
            .is_none_or(|(_, host)| host.starts_with([':', '/']) || host.is_empty())
        {
            return wrong("it names no host");
        }
        Ok(Self { address, login: None, root: None })
    }
}

impl Nats {
    /// Enters as a user with a password.
    pub fn set_password(&mut self, user: String, password: String) {
        self.login = Some(Login::Password { user, password });
    }

    /// Enters by the text of a file of credentials, which has a token and a key.
    ///
    /// # Errors
    /// A sentence, when it has them not.
    pub fn set_credentials(&mut self, text: &str) -> Result<(), String> {
        let part = |name: &str| {
            let (_, rest) = text.split_once(&format!("-----BEGIN {name}-----"))?;
            // It may end with more dashes than it begins with.
            rest.split_once("---").map(|(part, _)| part.trim().to_owned())
        };
        let (Some(jwt), Some(seed)) = (part("NATS USER JWT"), part("USER NKEY SEED")) else {
            return Err(
                "it has no part `NATS USER JWT` and `USER NKEY SEED`, as `nsc generate creds` writes them"
                    .into(),
            );
        };
        let key = KeyPair::from_seed(&seed).map_err(|error| format!("its key can't be read: {error}"))?;
        self.login = Some(Login::Credentials { jwt, key: Arc::new(key) });
        Ok(())
    }

    /// Trusts an authority of a file, and no others.
    pub fn set_root(&mut self, file: PathBuf) {
        self.root = Some(file);
    }

    /// Enters, for as long as this one connection lasts.
    pub(crate) async fn enter(&self) -> Result<Entered, String> {
        let (login, is_over) = (self.login.clone(), Arc::new(AtomicBool::new(false)));
        let said: Arc<Mutex<Option<String>>> = Arc::default();
        // A client that came back by itself would send the rest of messages whose first part was lost.
        let auth = move |nonce: Vec<u8>| {
            let is_again = is_over.swap(true, Ordering::SeqCst);
            let auth = login_of(login.as_ref(), &nonce);
            async move { if is_again { Err(AuthError::new(LOST)) } else { auth } }
        };
        let heard = Arc::clone(&said);
        let mut options = ConnectOptions::with_auth_callback(auth)
            .name("oikos")
            .max_reconnects(1)
            .connection_timeout(CONNECTS_WITHIN)
            .request_timeout(Some(ANSWERS_WITHIN))
            .ping_interval(PING)
            .require_tls(self.address.tls_required())
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
                std::future::ready(())
            });
        if let Some(root) = &self.root {
            options = options.add_root_certificates(root.clone());
        }
        let client = options.connect(self.address.clone()).await.map_err(|error| self.kept_out(&error))?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWERS_WITHIN);
        Ok(Entered { client, context, said })
    }

    fn kept_out(&self, error: &async_nats::ConnectError) -> String {
        let words = words(error);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation if self.login.is_none() => {
                "it lets in nobody without a login: set NATS_USER and NATS_PASSWORD, or NATS_CREDS for a file of \
                 credentials"
                    .into()
            }
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                "it refuses the login; it is that of NATS_USER and NATS_PASSWORD, or of the file of NATS_CREDS".into()
            }
            ConnectErrorKind::Dns => format!("the name of its host is not known: {words}"),
            ConnectErrorKind::TimedOut => "it does not answer".into(),
            _ if words.contains("refused") => {
                "no server listens there: look whether it runs, and at which port".into()
            }
            _ if words.contains("corrupt message") => "it offers no encryption; write nats:// to go without".into(),
            _ if words.contains("certificate") => {
                format!("its certificate is not trusted ({words}); NATS_CA names the file of its authority")
            }
            _ => words,
        }
    }
}

/// The login of one connection, which signs the number that the server has thought of.
fn login_of(login: Option<&Login>, nonce: &[u8]) -> Result<Auth, AuthError> {
    let mut auth = Auth::new();
    match login {
        None => {}
        Some(Login::Password { user, password }) => {
            (auth.username, auth.password) = (Some(user.clone()), Some(password.clone()));
        }
        Some(Login::Credentials { jwt, key }) => {
            auth.jwt = Some(jwt.clone());
            auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
        }
    }
    Ok(auth)
}

/// The words for a connection that is no more.
pub(crate) const LOST: &str = "the connection was lost";

/// The words of an error and of its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source().or_else(|| {
            let held = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref)?;
            held.source()
        });
    }
    text
}

/// A connection.
pub(crate) struct Entered {
    client: Client,
    pub(crate) context: Context,
    /// The last error that the server told.
    said: Arc<Mutex<Option<String>>>,
}

impl Entered {
    /// Bytes that a message may have at most.
    pub(crate) fn message_bytes_max(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// The stream that takes a subject; one of this name, which takes all of these subjects, is made where none does.
    pub(crate) async fn stream(&self, subject: &str, name: &str, all: &str) -> Result<Stream, String> {
        match self.context.stream_by_subject(subject).await {
            Ok(name) => {
                let stream = self.context.get_stream(&name).await;
                stream.map_err(|error| {
                    self.unable(format!("its stream `{name}` can't be used: {}", words(&error)))
                })
            }
            Err(error) if error.kind() == jetstream::context::GetStreamByNameErrorKind::NotFound => {
                let wanted = Config { name: name.into(), subjects: vec![all.into()], ..Config::default() };
                self.context.create_stream(wanted).await.map_err(|error| {
                    let problem = match error.kind() {
                        CreateStreamErrorKind::JetStream(told) if told.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                            format!(
                                "its stream `{name}` does not take `{subject}`: add {all} to the subjects of that \
                                 stream, or of another"
                            )
                        }
                        kind => format!("a stream `{name}` can't be made there: {kind}"),
                    };
                    self.unable(problem)
                })
            }
            Err(error) => Err(self.unasked(&error)),
        }
    }

    /// Why JetStream does not answer.
    fn unasked(&self, error: &dyn std::error::Error) -> String {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(request) = inner.downcast_ref::<jetstream::context::RequestError>()
                && request.kind() == RequestErrorKind::NoResponders
            {
                return "JetStream is not on there: `nats-server -js` has it on".into();
            }
            cause = inner.source();
        }
        let text = words(error);
        if text.contains("requested JetStream resource does not exist") || text.contains("not enabled") {
            return "JetStream is not on there, or not for this account: `nats-server -js` has it on".into();
        }
        self.unable(text)
    }

    /// A problem, or the server's own words: one who has no right to ask is told so, and not answered.
    fn unable(&self, problem: String) -> String {
        if problem.contains("channel closed") || problem.contains("broken pipe") {
            return LOST.into();
        }
        match self.said.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(said) => format!(
                "{said}; this login has to publish to `oikos.>` and `$JS.API.>`, and to subscribe to `_INBOX.>`"
            ),
            None => problem,
        }
    }

    /// As [`Self::unable`], of a message that was not taken.
    pub(crate) fn untaken(&self, error: &dyn std::error::Error) -> String {
        self.unable(format!("a message was not taken: {}", words(error)))
    }

    /// The last message of some subjects.
    pub(crate) async fn last(
        &self,
        stream: &Stream,
        subjects: &str,
    ) -> Result<Option<StreamMessage>, String> {
        found(self, stream.get_last_raw_message_by_subject(subjects).await)
    }

    /// The first message of some subjects from a place of the stream on.
    pub(crate) async fn next(
        &self,
        stream: &Stream,
        subjects: &str,
        from: u64,
    ) -> Result<Option<StreamMessage>, String> {
        found(self, stream.raw_message_builder().sequence(from).next_by_subject(subjects).send().await)
    }
}

fn found(
    entered: &Entered,
    message: Result<StreamMessage, async_nats::jetstream::stream::LastRawMessageError>,
) -> Result<Option<StreamMessage>, String> {
    match message {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(entered.unable(format!("its stream can't be read: {}", words(&error)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_one_server_and_no_login() {
        for (text, problem) in [
            ("nats://localhost:4222", None),
            ("nats://10.0.0.1", None),
            ("tls://nats.example:4443/", None),
            ("nats://[::1]:4222", None),
            ("localhost:4222", Some("no address of a NATS server")),
            ("http://localhost", Some("no address of a NATS server")),
            ("", Some("no address of a NATS server")),
            ("nats://bob:secret@localhost", Some("NATS_PASSWORD")),
            ("nats://bob@localhost", Some("NATS_CREDS")),
            ("nats://", Some("nats://HOST:PORT")),
            ("nats://:4222", Some("nats://HOST:PORT")),
            ("nats://a,nats://b", Some("more than one server")),
            ("nats://a/stream", Some("more than one server")),
            ("nats://a:99999", Some("nats://HOST:PORT")),
        ] {
            match (text.parse::<Nats>(), problem) {
                (Ok(_), None) => {}
                (Err(told), Some(part)) => {
                    assert!(told.contains(part), "{text}: {told}");
                    assert!(!told.contains("secret"), "{text}: {told}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn credentials_have_a_token_and_a_key() {
        let mut nats: Nats = "nats://localhost".parse().unwrap_or_else(|problem| panic!("{problem}"));
        let key = KeyPair::new_user();
        let seed = key.seed().unwrap_or_else(|error| panic!("{error}"));
        let text = format!(
            "-----BEGIN NATS USER JWT-----\nabc.def\n------END NATS USER JWT------\n\n*** a note ***\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        assert_eq!(nats.set_credentials(&text), Ok(()));
        let auth = login_of(nats.login.as_ref(), b"a number").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(auth.jwt.as_deref(), Some("abc.def"));
        assert!(key.verify(b"a number", &auth.signature.unwrap_or_default()).is_ok());
        for (text, part) in [
            (String::new(), "NATS USER JWT"),
            (text.replace("BEGIN USER", "BEGIN OTHER"), "USER NKEY SEED"),
            (text.replace(&seed, "SUAB"), "its key can't be read"),
        ] {
            assert!(nats.set_credentials(&text).is_err_and(|told| told.contains(part)), "{part}");
        }
    }
}
