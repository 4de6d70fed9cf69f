//! Tokens: who may do what at the door. Only here are files read and written.
//!
//! A token is 256 random bits. `WORLD.tokens`, or for all worlds of a database `DATABASE+all.tokens`, keeps the BLAKE3
//! hash of each, one JSON object a line; lines are added and never changed, so that nothing is lost however a command
//! ends. A line that can't be read lets nobody in.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use blake3::Hash;
use oikos_runner::{Database, kernel::time::Time, machine_now};
use serde::{Deserialize, Serialize};

/// Begins the text of a token, so that those who look for secrets in files find it.
const PREFIX: &str = "oikos_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Bytes of a file of tokens that are read; there are about 200 for each.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Letters of a label.
pub const LABEL_CHARS_MAX: usize = 128;
/// Hexadecimal digits by which people name a token.
const ID_CHARS: usize = 8;

/// The rights of the bearer of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sees all, and acts never.
    Observer,
    /// Runs the world, sees all, and acts as nobody.
    Operator,
    /// Acts as a principal, and sees what it may see.
    Principal(String),
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Operator => "operator",
            Self::Principal(_) => "principal",
        }
    }

    /// The principal that it acts as.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::Principal(id) => Some(id),
            Self::Observer | Self::Operator => None,
        }
    }
}

/// A token as it is shown once, and known to nobody else afterwards.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    hash: Hash,
    /// The rights of its bearer.
    pub role: Role,
    /// The one whom it was given to, or its purpose.
    pub label: Option<String>,
    /// When it was made.
    pub created: Time,
    /// When it is worth nothing any more.
    pub expires: Option<Time>,
}

impl Token {
    /// The beginning of its hash, by which it is named.
    #[must_use]
    pub fn id(&self) -> String {
        self.hash.to_hex().chars().take(ID_CHARS).collect()
    }

    /// Whether it is worth nothing any more.
    #[must_use]
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The number under which its limits are kept.
    pub(crate) fn key(&self) -> [u8; 32] {
        *self.hash.as_bytes()
    }
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Made {
        hash: String,
        role: String,
        #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
        principal: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        created: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
    },
    Revoked {
        revoked: String,
    },
}

/// Why tokens can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or written.
    #[error("the tokens in `{}` can't be had: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// A line of it is none.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// The problem.
        problem: String,
    },
    /// Others may read it.
    #[error("`{}` may be read or written by others: chmod 600 it, and make new tokens if they were read", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random numbers, or no time.
    #[error("no token can be made: {0}")]
    Machine(String),
}

/// The file of a world's tokens, or of those that are good at all worlds of a database.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
    is_of_all: bool,
}

impl TokenFile {
    /// The file beside a world's database: `WORLD.tokens`.
    #[must_use]
    pub fn of(world: &Path) -> Self {
        let mut path = world.as_os_str().to_owned();
        path.push(".tokens");
        Self { path: path.into(), is_of_all: false }
    }

    /// The file of tokens that are good at all worlds of a database: `DATABASE+all.tokens`. Nobody acts by one of
    /// those, for a principal is one of a world.
    ///
    /// # Errors
    /// A sentence, when the database has no name.
    pub fn of_all(database: &Database) -> Result<Self, String> {
        Ok(Self { is_of_all: true, ..Self::of(&database.beside()?) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a token, which is on disk when this returns.
    ///
    /// # Errors
    /// When it can't be kept.
    pub fn add(
        &self,
        role: Role,
        label: Option<String>,
        expires: Option<Time>,
    ) -> Result<(Secret, Token), TokenError> {
        let (secret, token) = made(role, label, expires)?;
        self.write(&Line::Made {
            hash: token.hash.to_hex().to_string(),
            role: token.role.word().to_owned(),
            principal: token.role.principal().map(str::to_owned),
            label: token.label.clone(),
            created: token.created.to_string(),
            expires: token.expires.map(|expires| expires.to_string()),
        })?;
        Ok((secret, token))
    }

    /// Revokes a token, which is done when this returns.
    ///
    /// # Errors
    /// When that can't be kept.
    pub fn revoke(&self, token: &Token) -> Result<(), TokenError> {
        self.write(&Line::Revoked { revoked: token.hash.to_hex().to_string() })
    }

    /// The tokens, in the order in which they were made; those that were revoked are left out.
    ///
    /// # Errors
    /// When a line can't be read, or others may read the file.
    pub fn tokens(&self) -> Result<Vec<Token>, TokenError> {
        match self.open(OpenOptions::new().read(true)) {
            Ok(file) => self.read(&file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The length of the file, and on Unix what else tells that it is another; every line that is added changes it.
    fn stamp(&self) -> Stamp {
        let found = std::fs::metadata(&self.path).ok()?;
        #[cfg(unix)]
        let more = {
            use std::os::unix::fs::MetadataExt as _;
            [found.ino().cast_signed(), found.mtime(), found.mtime_nsec(), found.mode().into()]
        };
        #[cfg(not(unix))]
        let more = [0; 4];
        Some((found.len(), more))
    }

    fn failed(&self, error: std::io::Error) -> TokenError {
        TokenError::File { path: self.path.clone(), error }
    }

    fn open(&self, options: &mut OpenOptions) -> Result<File, std::io::Error> {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
        options.open(&self.path)
    }

    fn read(&self, file: &File) -> Result<Vec<Token>, TokenError> {
        self.check_private(file)?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| self.failed(error))?;
        let mut tokens: Vec<Token> = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |problem: String| TokenError::Line { path: self.path.clone(), line: at + 1, problem };
            let line: Line =
                serde_json::from_str(line).map_err(|_| wrong("this is no line about a token".into()))?;
            match line {
                Line::Made { hash, role, principal, label, created, expires } => {
                    let time =
                        |text: &str| Time::parse(text).ok_or_else(|| wrong(format!("{text:?} is no time")));
                    let role = match (role.as_str(), principal) {
                        ("observer", None) => Role::Observer,
                        ("operator", None) => Role::Operator,
                        ("principal", Some(_)) if self.is_of_all => {
                            return Err(wrong(
                                "a principal is one of a world, and these are tokens of all".into(),
                            ));
                        }
                        ("principal", Some(id)) => Role::Principal(id),
                        _ => return Err(wrong("there is no such role".into())),
                    };
                    tokens.push(Token {
                        hash: Hash::from_hex(&hash).map_err(|_| wrong("this is no hash".into()))?,
                        role,
                        label,
                        created: time(&created)?,
                        expires: expires.as_deref().map(time).transpose()?,
                    });
                }
                Line::Revoked { revoked } => {
                    let hash = Hash::from_hex(&revoked).map_err(|_| wrong("this is no hash".into()))?;
                    tokens.retain(|token| token.hash != hash);
                }
            }
        }
        Ok(tokens)
    }

    #[cfg(unix)]
    fn check_private(&self, file: &File) -> Result<(), TokenError> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(|error| self.failed(error))?.permissions().mode();
        if mode & 0o077 == 0 { Ok(()) } else { Err(TokenError::Open { path: self.path.clone() }) }
    }

    #[cfg(not(unix))]
    fn check_private(&self, _: &File) -> Result<(), TokenError> {
        Ok(())
    }

    /// Adds a line at the end, alone among all who do.
    fn write(&self, line: &Line) -> Result<(), TokenError> {
        let failed = |error| self.failed(error);
        let mut file = self.open(OpenOptions::new().read(true).append(true).create(true)).map_err(failed)?;
        self.check_private(&file)?;
        file.lock().map_err(failed)?;
        let mut text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        // A line that was cut short by the end of the machine is told apart from the next.
        let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if end > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
            if last != *b"\n" {
                text.insert(0, '\n');
            }
        }
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }
}

type Stamp = Option<(u64, [i64; 4])>;

/// A new token.
fn made(role: Role, label: Option<String>, expires: Option<Time>) -> Result<(Secret, Token), TokenError> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::Machine(error.to_string()))?;
    let text = format!("{PREFIX}{}", oikos_runner::report::hex(&bytes));
    let created = machine_now().map_err(|error| TokenError::Machine(error.to_string()))?;
    let token = Token { hash: blake3::hash(text.as_bytes()), role, label, created, expires };
    Ok((Secret(text), token))
}

/// The tokens that are good at a door: those of files, read again whenever they change, and those that are known to
/// this process alone. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Tokens {
    files: Vec<Arc<Kept>>,
    own: Arc<Mutex<Vec<Token>>>,
    /// Told of a file that can't be used, and of one that can again.
    tell: fn(&str),
}

/// A file as it is kept.
#[derive(Debug)]
struct Kept {
    file: TokenFile,
    read: Mutex<Option<Read>>,
}

/// The file as it was read.
#[derive(Debug)]
struct Read {
    stamp: Stamp,
    tokens: Arc<Vec<Token>>,
    problem: Option<String>,
}

impl Kept {
    /// The tokens of the file; a problem with it is told once, and so is its end.
    fn tokens(&self, tell: fn(&str)) -> Result<Arc<Vec<Token>>, String> {
        let stamp = self.file.stamp();
        let mut slot = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let before = slot.take();
        let read = match before {
            Some(read) if read.stamp == stamp => read,
            before => {
                let read = match self.file.tokens() {
                    Ok(tokens) => Read { stamp, tokens: Arc::new(tokens), problem: None },
                    Err(error) => Read { stamp, tokens: Arc::default(), problem: Some(error.to_string()) },
                };
                let told = before.and_then(|read| read.problem);
                match (&read.problem, told) {
                    (Some(problem), told) if told.as_ref() != Some(problem) => {
                        tell(&format!("{problem}; until that is mended nobody gets in by those tokens"));
                    }
                    (None, Some(_)) => {
                        tell(&format!("`{}` is mended: its tokens are good again", self.file.path.display()));
                    }
                    (Some(_) | None, _) => {}
                }
                read
            }
        };
        let read = slot.insert(read);
        match &read.problem {
            None => Ok(Arc::clone(&read.tokens)),
            Some(problem) => Err(problem.clone()),
        }
    }
}

impl Tokens {
    /// Those that are known to this process alone; `tell` is told of problems with files that are added.
    #[must_use]
    pub fn alone(tell: fn(&str)) -> Self {
        Self { files: Vec::new(), own: Arc::default(), tell }
    }

    /// The same ones, and beside them those of a file.
    #[must_use]
    pub fn and(&self, file: TokenFile) -> Self {
        let mut all = self.clone();
        all.files.push(Arc::new(Kept { file, read: Mutex::default() }));
        all
    }

    /// Looks at the files, so that problems with them are told now.
    pub fn look(&self) {
        // They are told on the way.
        let _ = self.read();
    }

    /// Makes a token that is good for as long as this process serves.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn fresh(&self, role: Role, label: &str) -> Result<Secret, TokenError> {
        let (secret, token) = made(role, Some(label.to_owned()), None)?;
        self.own.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        Ok(secret)
    }

    /// The token of that text, if it is good; each one is compared, in the same time whatever they are.
    ///
    /// # Errors
    /// When it is none of those that can be read, and a file can't be: nobody of that is let in.
    pub fn find(&self, text: &str) -> Result<Option<Token>, String> {
        let hash = blake3::hash(text.as_bytes());
        let (read, problem) = self.read();
        // The equality of hashes takes the same time for all.
        let found = read
            .iter()
            .flat_map(|tokens| tokens.iter())
            .fold(None, |found, token| if token.hash == hash { Some(token) } else { found });
        match (found, problem) {
            (Some(token), _) if token.expires.is_none() => Ok(Some(token.clone())),
            (Some(token), _) => {
                let now = machine_now().map_err(|error| error.to_string())?;
                Ok(Some(token).filter(|token| !token.is_expired(now)).cloned())
            }
            (None, None) => Ok(None),
            (None, Some(problem)) => Err(problem),
        }
    }

    /// Whether a token is still good.
    #[must_use]
    pub fn is_good(&self, token: &Token) -> bool {
        let is_in = |tokens: &Arc<Vec<Token>>| tokens.iter().any(|known| known.hash == token.hash);
        let is_expired = token.expires.is_some() && machine_now().map_or(true, |now| token.is_expired(now));
        !is_expired && self.read().0.iter().any(is_in)
    }

    /// Whether a token is known to this process alone, as that of the link that it prints.
    pub(crate) fn is_own(&self, token: &Token) -> bool {
        self.own().iter().any(|known| known.hash == token.hash)
    }

    fn own(&self) -> Vec<Token> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that can be read, and the problem with what can't be.
    fn read(&self) -> (Vec<Arc<Vec<Token>>>, Option<String>) {
        let (mut read, mut problem) = (vec![Arc::new(self.own())], None);
        for kept in &self.files {
            match kept.tokens(self.tell) {
                Ok(tokens) => read.push(tokens),
                Err(error) => problem = Some(error),
            }
        }
        (read, problem)
    }
}
