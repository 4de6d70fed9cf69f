//! The writer of a world: each has a number, and the advisory lock of it for as long as its connection lives.

use postgres::{Client, GenericClient};

use super::enter::{failed, shown};
use crate::{
    address::{Address, InPostgres},
    error::JournalError,
};

/// Writers' locks have numbers above all others here.
const WRITERS: i64 = 0x4f49_4b4f << 32;

/// Whether the one lives whose number is in a column, as a condition: its lock goes with its connection.
pub(super) fn lives(column: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND ((classid::BIGINT << 32) | objid::BIGINT) = {column})"
    )
}

/// Whether a writer lives.
pub(super) fn is_held(
    client: &mut impl postgres::GenericClient,
    writer: i64,
) -> Result<bool, postgres::Error> {
    client.query_one(&format!("SELECT {}", lives("$1::BIGINT")), &[&writer])?.try_get(0)
}

/// Whether somebody writes to a world.
pub(super) fn writer_of(client: &mut impl GenericClient, world: &str) -> Result<bool, postgres::Error> {
    let row = client.query_opt("SELECT writer FROM worlds WHERE world = $1", &[&world])?;
    let writer: Option<i64> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    writer.map_or(Ok(false), |writer| is_held(client, writer))
}

/// The address at which a house has a world that nobody writes to: it loads it when somebody asks.
pub(super) fn house_of(
    client: &mut impl GenericClient,
    world: &str,
) -> Result<Option<String>, postgres::Error> {
    let sql = "SELECT h.number, h.url || '/w/' || w.world FROM worlds w JOIN houses h ON h.number = w.holder
               WHERE w.world = $1";
    let Some(row) = client.query_opt(sql, &[&world])? else { return Ok(None) };
    let lives = is_held(client, row.try_get(0)?)?;
    Ok(if lives { row.try_get(1)? } else { None })
}

/// Takes the row of a world that nobody writes to, for as long as a transaction lasts; says whether there is one. A
/// writer that stands still in the midst of a commit has that row, and is not waited for.
pub(super) fn take(taking: &mut postgres::Transaction<'_>, at: &InPostgres) -> Result<bool, JournalError> {
    let write = |error: postgres::Error| failed(at, "written", &error);
    let sql = "SELECT writer FROM worlds WHERE world = $1 FOR UPDATE SKIP LOCKED";
    let Some(row) = taking.query_opt(sql, &[&at.world]).map_err(write)? else {
        let sql = "SELECT EXISTS (SELECT 1 FROM worlds WHERE world = $1)";
        let is_there = taking.query_one(sql, &[&at.world]).and_then(|row| row.try_get(0)).map_err(write)?;
        return if is_there { Err(busy(taking, at)) } else { Ok(false) };
    };
    match row.try_get::<_, Option<i64>>(0).map_err(write)? {
        Some(writer) if is_held(taking, writer).map_err(write)? => Err(busy(taking, at)),
        _ => Ok(true),
    }
}

/// The fault of a world that somebody writes to, with the words for that one as far as it has said who it is.
pub(super) fn busy(client: &mut impl GenericClient, at: &InPostgres) -> JournalError {
    let sql = "SELECT writer_name, served_at FROM worlds WHERE world = $1";
    let row = client.query_opt(sql, &[&at.world]).ok().flatten();
    let text =
        |column: usize| row.as_ref().and_then(|row| row.try_get::<_, Option<String>>(column).ok().flatten());
    let served = text(1).map(|url| format!("it serves it at {url}"));
    let words: Vec<String> = text(0).into_iter().chain(served).collect();
    JournalError::Busy {
        path: shown(&Address::Postgres(at.clone())),
        writer: Some(words.join("; ")).filter(|words| !words.is_empty()),
    }
}

/// A writer as people find it in the views of the database.
pub(super) const WRITER_NAME: &str =
    "coalesce(host(inet_client_addr()), 'a process beside it') || ', backend ' || pg_backend_pid()";

/// A number for a writer, and its lock, for as long as the connection lives.
pub(super) fn new_writer(client: &mut Client) -> Result<i64, postgres::Error> {
    let sql = "SELECT n, pg_advisory_lock(n) FROM (SELECT $1 + nextval('writers') AS n OFFSET 0) AS writer";
    client.query_one(sql, &[&WRITERS])?.try_get(0)
}
