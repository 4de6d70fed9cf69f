//! A proxy that pools transactions gives its clients the sessions of the server for a transaction each: the lock of a
//! writer would stay behind in one of them. Writers are not let in through it.

use postgres::{Client, SimpleQueryMessage, error::SqlState};

use super::enter::words;

/// The setting by which a session is known as the one that this process began.
const MARK: &str = "oikos.session";
/// How often two clients are looked at, each twice running.
const ROUNDS: usize = 4;

/// A setting that a server takes when it begins a session, and nobody else can have made.
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn new() -> Self {
        use std::hash::{BuildHasher as _, Hasher as _};
        let any = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self(format!("{any:016x}"))
    }

    /// As an option of the connection's beginning.
    pub(super) fn option(&self) -> String {
        format!("-c {MARK}={}", self.0)
    }

    /// Whether the session was begun for this client: no proxy has it from another, nor gives it to one.
    pub(super) fn stands(&self, client: &mut Client) -> Result<bool, postgres::Error> {
        Ok(one(client, &format!("SELECT current_setting('{MARK}', true)"))?.as_ref() == Some(&self.0))
    }
}

/// Whether one was turned away since options can't be passed on: no server does that, and proxies do.
pub(super) fn takes_no_options(error: &postgres::Error) -> bool {
    error.code() == Some(&SqlState::PROTOCOL_VIOLATION) && words(error).contains("startup parameter")
}

/// Whether a proxy leaves each of two clients a session of its own. One that pools transactions gives the session that
/// was used last, so both get the same, or else in turn, so one of them gets another: one would have to chance upon
/// neither, time after time.
pub(super) fn keeps_sessions(one_client: &mut Client, other: &mut Client) -> Result<bool, postgres::Error> {
    let backend = |client: &mut Client| one(client, "SELECT pg_backend_pid()");
    let (mine, others) = (backend(one_client)?, backend(other)?);
    for _ in 0..ROUNDS {
        for (client, its_own) in [(&mut *one_client, &mine), (&mut *other, &others)] {
            if backend(client)? != *its_own || backend(client)? != *its_own {
                return Ok(false);
            }
        }
    }
    Ok(mine != others)
}

/// The one value of an answer, asked for without a prepared statement.
fn one(client: &mut Client, sql: &str) -> Result<Option<String>, postgres::Error> {
    let rows = client.simple_query(sql)?;
    Ok(rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
