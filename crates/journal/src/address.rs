//! Where a world is kept: in a file, or in a database of PostgreSQL.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    encryption::{Encryption, Mode, Roots, Variable},
    words,
};

/// The beginnings of an address of PostgreSQL.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// Characters of a world's name at most.
const NAME_MAX: usize = 100;

/// Where a world is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A file.
    File(PathBuf),
    /// A world in a database of PostgreSQL.
    Postgres(InPostgres),
}

/// A world's name, and the database of PostgreSQL that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPostgres {
    /// The database.
    pub database: Database,
    /// The world's name in it.
    pub world: String,
}

/// A database of PostgreSQL, which may hold many worlds.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    /// The address as it was given.
    url: String,
    /// The same without the words about encryption.
    bare: String,
    password: Option<String>,
    encryption: Encryption,
}

impl fmt::Debug for Database {
    /// The password is nobody's to see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.url).finish()
    }
}

/// The parts by which a password is found, as the file of passwords has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The server's name, or the folder of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role that enters.
    pub user: String,
}

impl Address {
    /// Reads an address: all that does not begin as one of PostgreSQL is the name of a file.
    ///
    /// # Errors
    /// A sentence, when an address of PostgreSQL is none or names no world.
    pub fn read(text: PathBuf) -> Result<Self, String> {
        let url = text.to_str().filter(|text| is_postgres(text)).map(str::to_owned);
        let Some(url) = url else { return Ok(Self::File(text)) };
        let (rest, world) = without_world(&url)?;
        let Some(world) = world else {
            return Err(format!("it names no world; write {}", with_world(&url, "NAME")));
        };
        check_name(&world)?;
        Ok(Self::Postgres(InPostgres { database: Database::read(&rest)?, world }))
    }

    /// The file, if it is one.
    #[must_use]
    pub fn as_file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The database of PostgreSQL, if it is in one.
    #[must_use]
    pub fn database_mut(&mut self) -> Option<&mut Database> {
        match self {
            Self::File(_) => None,
            Self::Postgres(world) => Some(&mut world.database),
        }
    }

    /// The beginning of the names of files that belong to it: its own name, or in the folder where one is, the world's.
    #[must_use]
    pub fn beside(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Postgres(world) => PathBuf::from(&world.world),
        }
    }

    /// A short name: the file's without its folder, or the world's.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Self::Postgres(world) => world.world.clone(),
        }
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

impl From<&PathBuf> for Address {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(world) => world.fmt(f),
        }
    }
}

impl fmt::Display for InPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.database.with_world(&self.world))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Database {
    /// Reads the address of a database, which names no world.
    ///
    /// # Errors
    /// A sentence, when it is none.
    pub fn read(url: &str) -> Result<Self, String> {
        if !is_postgres(url) {
            return Err(format!(
                "it is no address of PostgreSQL, such as {}oikos@localhost/oikos",
                SCHEMES[0]
            ));
        }
        if without_world(url)?.1.is_some() {
            return Err("it names a world, and a database is wanted: leave `world=…` out".into());
        }
        let (bare, encryption) = Encryption::of(url)?;
        let this = Self { url: url.into(), bare, password: None, encryption };
        let config = this.config()?;
        if config.get_password().is_some() {
            return Err("an address holds no password, since all on a machine may see it: \
                        set PGPASSWORD, or write it into ~/.pgpass"
                .into());
        }
        if config.get_hosts().len() != 1 {
            return Err("it names no server, or several; name one (a socket by `host=FOLDER` alone, as in \
                        postgres://USER@/DATABASE?host=/run/postgresql)"
                .into());
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(format!(
                "it must name a user and a database, as in {}oikos@localhost/oikos",
                SCHEMES[0]
            ));
        }
        Ok(this)
    }

    /// The parts by which its password is found.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn login(&self) -> Result<Login, String> {
        use postgres::config::Host;
        let config = self.config()?;
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => String::new(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok(Login { host, port, database: text(config.get_dbname()), user: text(config.get_user()) })
    }

    /// The password by which one enters.
    pub fn set_password(&mut self, password: String) {
        self.password = Some(password);
    }

    /// Has it encrypted as variables say, in the words of `sslmode` and `sslrootcert`, where the address does not say.
    ///
    /// # Errors
    /// A sentence that names the variable, when its word means nothing, or contradicts the address.
    pub fn encrypt(&mut self, mode: Option<Variable<'_>>, roots: Option<Variable<'_>>) -> Result<(), String> {
        self.encryption.or(mode, roots)
    }

    /// How its connections are encrypted: those by a socket are not, as they leave no machine.
    pub(crate) fn encryption(&self) -> Result<(Mode, Option<Roots>), String> {
        #[cfg(unix)]
        if matches!(self.config()?.get_hosts(), [postgres::config::Host::Unix(_)]) {
            return Ok((Mode::Disable, None));
        }
        self.encryption.resolved()
    }

    pub(crate) fn config(&self) -> Result<postgres::Config, String> {
        let mut config: postgres::Config = self.bare.parse().map_err(|error: postgres::Error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("it is no address of PostgreSQL ({error}{})", cause.unwrap_or_default())
        })?;
        if let Some(password) = &self.password {
            config.password(password);
        }
        Ok(config)
    }

    /// The beginning of the names of files that belong to all of its worlds, in the folder where one is. It is that of
    /// no world's files, for no world's name has a `+`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn beside(&self) -> Result<PathBuf, String> {
        let name = self.login()?.database;
        let mut plain = String::new();
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
                plain.push(char::from(byte));
            } else {
                plain.push_str(&format!("%{byte:02X}"));
            }
        }
        Ok(PathBuf::from(format!("{plain}+all")))
    }

    /// The address of one of its worlds, in words that are filled in.
    #[must_use]
    pub fn with_world(&self, name: &str) -> String {
        with_world(&self.url, name)
    }

    /// One of its worlds.
    ///
    /// # Errors
    /// A sentence, when that can be no world's name.
    pub fn world(&self, name: &str) -> Result<Address, String> {
        check_name(name)?;
        Ok(Address::Postgres(InPostgres { database: self.clone(), world: name.into() }))
    }
}

fn is_postgres(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Names stand in addresses as they are.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    // Names stand in paths too, where some are words of their own.
    let is_word = name.chars().all(|c| c == '.');
    if is_word || name.len() > NAME_MAX || !name.chars().all(fits) {
        return Err(format!(
            "`{}` can't be the name of a world: it has 1 to {NAME_MAX} letters, digits, `_`, `-` and `.`, and not dots alone",
            name.escape_debug()
        ));
    }
    Ok(())
}

/// An address with a world's name, where it has none.
fn with_world(url: &str, name: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{}={name}", words::WORLD)
}

/// An address without its `world=NAME`, and that name. All its words are known.
fn without_world(url: &str) -> Result<(String, Option<String>), String> {
    words::check(url)?;
    let Some((before, query)) = url.split_once('?') else { return Ok((url.into(), None)) };
    let (mut rest, mut world) = (Vec::new(), None);
    for part in query.split('&') {
        match part.split_once('=') {
            Some((words::WORLD, name)) => world = Some(name.to_owned()),
            _ => rest.push(part),
        }
    }
    let sign = if rest.is_empty() { "" } else { "?" };
    Ok((format!("{before}{sign}{}", rest.join("&")), world))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_worlds_are_called_as_those_of_no_world() {
        for (database, file) in [
            ("oikos", "oikos+all"),
            ("a%2Fb", "a%2Fb+all"),
            ("a%252Fb", "a%252Fb+all"),
            ("a%2Ball", "a%2Ball+all"),
            ("..", "..+all"),
            ("%C3%B6", "%C3%B6+all"),
        ] {
            let read = Database::read(&format!("postgres://alice@localhost/{database}"));
            let beside = read.unwrap_or_else(|problem| panic!("{problem}")).beside();
            assert_eq!(beside.as_deref(), Ok(Path::new(file)), "{database}");
            assert!(check_name(file).is_err(), "{file}");
        }
    }
}
