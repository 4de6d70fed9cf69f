//! The way into a database: connected, with a schema that is known, on a server that keeps what it has acknowledged.

use std::{path::PathBuf, time::Duration};

use postgres::{Client, NoTls, config::SslMode, error::SqlState};

use super::{
    poolers::{Mark, keeps_sessions, takes_no_options},
    tls,
    writers::is_held,
};
use crate::{
    address::{Address, Database},
    encryption::Mode,
    error::JournalError,
    log::Head,
};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// One at a time makes the schema: the advisory lock for it, below all those of writers.
const MAKING: i64 = 0x4f49_4b4f;
/// How soon a dead connection is noticed, by either side.
const NOTICED: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(4);
const BETWEEN: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;
/// How long a row is waited for that another has, so that nobody waits for one who stands still.
const ROW_WITHIN: Duration = Duration::from_secs(20);

/// The bytes of a world's rows and snapshots, where its name is `w.world`.
pub(super) const BYTES: &str =
    "((SELECT coalesce(sum(octet_length(body)), 0) FROM journal j WHERE j.world = w.world)
      + (SELECT coalesce(sum(octet_length(body)), 0) FROM snapshots s WHERE s.world = w.world)
      + (SELECT coalesce(sum(octet_length(body)), 0) FROM pieces p WHERE p.world = w.world))::BIGINT";

/// The outcome of making the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initialised {
    /// The version that the schema has now.
    pub version: i32,
    /// How many migrations that took; 0 where it had that version already.
    pub applied: usize,
}

/// A world of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub world: String,
    /// Where its journal ends.
    pub head: Head,
    /// How often a writer has opened it.
    pub epoch: u64,
    /// The process that writes to it: its host and its number there, as the database was told.
    pub writer: Option<String>,
    /// The address at which that process serves it, or at which a house has it that holds it.
    pub served_at: Option<String>,
    /// Bytes of its rows and snapshots.
    pub bytes: u64,
}

/// Why a session could not be begun.
enum Outside {
    Address(String),
    Database(postgres::Error),
}

/// Begins a session, encrypted as the address says, with a mark if one is given.
fn begin(database: &Database, mark: Option<&Mark>) -> Result<Client, Outside> {
    let mut config = database.config().map_err(Outside::Address)?;
    config
        .application_name("oikos")
        .connect_timeout(NOTICED)
        .tcp_user_timeout(NOTICED)
        .keepalives_idle(IDLE)
        .keepalives_interval(BETWEEN)
        .keepalives_retries(PROBES);
    if let Some(mark) = mark {
        let options = [config.get_options().unwrap_or_default(), &mark.option()].join(" ");
        config.options(&options);
    }
    let encryption = database.encryption().map_err(Outside::Address)?;
    let is_preferred = encryption.0 == Mode::Prefer;
    let Some(connector) = tls::connector(encryption).map_err(Outside::Address)? else {
        return config.ssl_mode(SslMode::Disable).connect(NoTls).map_err(Outside::Database);
    };
    config.ssl_mode(if is_preferred { SslMode::Prefer } else { SslMode::Require });
    match config.connect(connector) {
        // A server may let this role in only where nothing is encrypted.
        Err(error)
            if is_preferred && error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION) =>
        {
            let plain = config.ssl_mode(SslMode::Disable).connect(NoTls);
            plain.map_err(|_| Outside::Database(error))
        }
        entered => entered.map_err(Outside::Database),
    }
}

/// Enters a database, and asks nothing of its schema.
fn connect(database: &Database) -> Result<Client, JournalError> {
    begin(database, None)
        .map_err(|outside| not_entered(database, outside))
        .and_then(|client| held(database, client))
}

/// As [`connect`], where the session must be this client's alone.
fn connect_alone(database: &Database) -> Result<Client, JournalError> {
    let mark = Mark::new();
    let read = |error: postgres::Error| failed(database, "opened", &error);
    let mut client = match begin(database, Some(&mark)) {
        Ok(client) => held(database, client)?,
        Err(Outside::Database(error)) if takes_no_options(&error) => connect(database)?,
        Err(outside) => return Err(not_entered(database, outside)),
    };
    if mark.stands(&mut client).map_err(read)? {
        return Ok(client);
    }
    let mut other = connect(database)?;
    if keeps_sessions(&mut client, &mut other).map_err(read)? {
        return Ok(client);
    }
    Err(refused(
        database,
        "a proxy stands before it that pools transactions, and a writer's lock needs a session: connect to the \
         server itself, or set `pool_mode = session` for this database",
    ))
}

fn refused(database: &Database, problem: impl Into<String>) -> JournalError {
    JournalError::Open { path: PathBuf::from(database.to_string()), problem: problem.into() }
}

/// Has the server notice soon when this client is gone.
fn held(database: &Database, mut client: Client) -> Result<Client, JournalError> {
    let seconds = |time: Duration| time.as_secs();
    let noticed = format!(
        "SET tcp_keepalives_idle = {}; SET tcp_keepalives_interval = {}; SET tcp_keepalives_count = {PROBES}; \
         SET tcp_user_timeout = '{}s'; SET lock_timeout = '{}s'",
        seconds(IDLE),
        seconds(BETWEEN),
        seconds(NOTICED),
        seconds(ROW_WITHIN)
    );
    client.batch_execute(&noticed).map_err(|error| failed(database, "opened", &error))?;
    Ok(client)
}

/// Why one is not let in, and the next step.
fn not_entered(database: &Database, outside: Outside) -> JournalError {
    let error = match outside {
        Outside::Address(problem) => return refused(database, problem),
        Outside::Database(error) => error,
    };
    if let Some(problem) = tls::problem(&error) {
        return refused(database, problem);
    }
    let problem = words(&error);
    let advice = match error.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "; the password is that of PGPASSWORD, or of the line for this server in ~/.pgpass"
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => "; `createdb` makes it",
        None if problem.contains("password") => "; set PGPASSWORD, or write it into ~/.pgpass",
        None if problem.contains("refused") || problem.contains("No such file") => {
            "; no server listens there: look whether it runs, and at which port"
        }
        Some(_) | None => "",
    };
    refused(database, format!("{problem}{advice}"))
}

/// The words of an error, the server's own where it has spoken.
pub(super) fn words(error: &postgres::Error) -> String {
    if let Some(told) = error.as_db_error() {
        return told.message().to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// A failure of the database, in its words.
pub(super) fn failed(
    at: &impl std::fmt::Display,
    doing: &'static str,
    error: &postgres::Error,
) -> JournalError {
    let advice = match error.code() {
        Some(&SqlState::DISK_FULL) => "; make room on its server, then open the world again",
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => "; its owner may GRANT that to this role",
        Some(&SqlState::LOCK_NOT_AVAILABLE) => "; another process stands still in the midst of a commit",
        Some(&SqlState::DUPLICATE_PSTATEMENT | &SqlState::INVALID_SQL_STATEMENT_NAME) => {
            "; a proxy that pools transactions stands before it: connect to the server itself"
        }
        _ => "",
    };
    JournalError::Failed { file: format!("`{at}`"), doing, problem: format!("{}{advice}", words(error)) }
}

/// Enters a database whose schema is the one known here.
pub(super) fn enter(database: &Database) -> Result<Client, JournalError> {
    known_schema(database, connect(database)?)
}

fn known_schema(database: &Database, mut client: Client) -> Result<Client, JournalError> {
    let found = version(&mut client).map_err(|error| failed(database, "read", &error))?;
    check(database, found)?;
    Ok(client)
}

/// Enters a database to write to it: one that keeps what it has acknowledged.
pub(super) fn enter_to_write(database: &Database) -> Result<Client, JournalError> {
    let mut client = known_schema(database, connect_alone(database)?)?;
    let read = |error: &postgres::Error| failed(database, "read", error);
    let refused = |problem: &str| Err(refused(database, problem));
    let row = client
        .query_one(
            "SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync'), \
             current_setting('transaction_read_only')",
            &[],
        )
        .map_err(|error| read(&error))?;
    let text = |column: usize| row.try_get::<_, String>(column).map_err(|error| read(&error));
    if row.try_get(0).map_err(|error| read(&error))? {
        return refused("it is a standby, which can only be read: write to the server that it follows");
    }
    if text(1)? == "off" {
        return refused(
            "its `synchronous_commit` is off, so it would lose what it has acknowledged: \
             ALTER DATABASE … SET synchronous_commit = on",
        );
    }
    if text(2)? == "off" {
        return refused("its `fsync` is off, so it would lose what it has acknowledged: set `fsync = on`");
    }
    if text(3)? == "on" {
        return refused(
            "its transactions are read-only: SET default_transaction_read_only = off for this role",
        );
    }
    Ok(client)
}

/// The version of the schema; `None` when there is none.
fn version(client: &mut Client) -> Result<Option<i32>, postgres::Error> {
    let there: bool =
        client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[])?.try_get(0)?;
    if !there {
        return Ok(None);
    }
    client.query_one("SELECT max(version) FROM refinery_schema_history", &[])?.try_get(0)
}

/// The version of the schema that is read and written here.
fn known() -> i32 {
    migrations::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

fn check(database: &Database, found: Option<i32>) -> Result<(), JournalError> {
    let known = known();
    let problem = match found {
        Some(found) if found == known => return Ok(()),
        None => format!("it has no tables for worlds yet; `oikos pg init {database}` makes them"),
        Some(found) if found < known => {
            format!(
                "its tables have version {found}, and this is {known}; `oikos pg init {database}` changes them"
            )
        }
        Some(found) => {
            format!(
                "its tables have version {found}, and this oikos knows {known}: use the later version of oikos"
            )
        }
    };
    Err(JournalError::NotAWorld { path: PathBuf::from(database.to_string()), problem })
}

/// Makes the schema, or brings it up to the version that is known here.
///
/// # Errors
/// When the database can't be entered, has a later version, or does not let this role make tables.
pub fn init(database: &Database) -> Result<Initialised, JournalError> {
    let mut client = connect(database)?;
    let write = |error: postgres::Error| failed(database, "written", &error);
    client.execute("SELECT pg_advisory_lock($1)", &[&MAKING]).map_err(write)?;
    let found = version(&mut client).map_err(write)?;
    if found.is_some_and(|found| found > known()) {
        check(database, found)?;
    }
    let report = migrations::migrations::runner().run(&mut client).map_err(|error| {
        let mut problem = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            problem = inner.downcast_ref::<postgres::Error>().map_or_else(
                || format!("{problem}: {inner}"),
                |inner| format!("{problem}: {}", words(inner)),
            );
            cause = inner.source();
        }
        JournalError::Failed { file: format!("`{database}`"), doing: "written", problem }
    })?;
    Ok(Initialised { version: known(), applied: report.applied_migrations().len() })
}

/// Looks whether a database can be entered, and has tables for worlds.
///
/// # Errors
/// When it can't be, or its schema is another.
pub fn check_database(database: &Database) -> Result<(), JournalError> {
    enter(database).map(drop)
}

/// The worlds of a database, by name.
///
/// # Errors
/// When it can't be read, or its schema is another.
pub fn list(database: &Database) -> Result<Vec<Listed>, JournalError> {
    let mut client = enter(database)?;
    let read = |error: postgres::Error| failed(database, "read", &error);
    let rows = client
        .query(
            &format!(
                "SELECT w.world, w.head, w.epoch, w.writer, w.writer_name, w.served_at, h.number,
                        h.url || '/w/' || w.world, {BYTES}
                 FROM worlds w LEFT JOIN houses h ON h.number = w.holder ORDER BY w.world"
            ),
            &[],
        )
        .map_err(read)?;
    let mut listed = Vec::new();
    for row in rows {
        let head: Vec<u8> = row.try_get(1).map_err(read)?;
        let head = Head::from_bytes(&head)
            .ok_or_else(|| JournalError::corrupt("worlds", "the head of a world is malformed"))?;
        let writer: Option<i64> = row.try_get(3).map_err(read)?;
        let mut lives =
            |one: Option<i64>| one.map_or(Ok(false), |one| is_held(&mut client, one)).map_err(read);
        let (is_written, is_housed) = (lives(writer)?, lives(row.try_get(6).map_err(read)?)?);
        let served_at: Option<String> = match (is_written, is_housed) {
            (true, _) => row.try_get(5).map_err(read)?,
            // A house holds it, and has it not loaded.
            (false, true) => row.try_get(7).map_err(read)?,
            (false, false) => None,
        };
        let name: Option<String> = row.try_get(4).map_err(read)?;
        listed.push(Listed {
            world: row.try_get(0).map_err(read)?,
            head,
            epoch: row.try_get::<_, i64>(2).map_err(read)?.unsigned_abs(),
            writer: name.filter(|_| is_written),
            served_at,
            bytes: row.try_get::<_, i64>(8).map_err(read)?.unsigned_abs(),
        });
    }
    Ok(listed)
}

/// The address as faults show it.
pub(super) fn shown(address: &Address) -> PathBuf {
    PathBuf::from(address.to_string())
}
