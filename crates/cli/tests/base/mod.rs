//! Databases of the tests of worlds in PostgreSQL: `cargo xtask postgres` starts a server of its own for them, and says by
//! variables where it is; each test makes a database of its own.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses its part, and fails by panicking"
)]

use std::{
    process::{Child, Output},
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use postgres::{Client, NoTls};
use serde_json::Value;

use super::small::{oikos, talk};

/// How long something may take before a test says that it never comes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const WHY: &str = "cargo xtask postgres says where a server is";
/// One of these restarts the server: nothing else goes on then.
pub(crate) static SERVER: RwLock<()> = RwLock::new(());

/// Asks until the answer is the one that is waited for.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "it never comes: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A database of a test.
pub(crate) struct Base {
    pub(crate) url: String,
    pub(crate) client: Client,
    _goes_on: Option<RwLockReadGuard<'static, ()>>,
}

pub(crate) fn server() -> String {
    std::env::var("OIKOS_POSTGRES").expect(WHY)
}

pub(crate) fn client(url: &str) -> Client {
    let mut config: postgres::Config = url.parse().expect("an address");
    config.password(std::env::var("PGPASSWORD").expect(WHY)).connect(NoTls).expect("a server")
}

impl Base {
    pub(crate) fn bare(name: &str) -> Self {
        let goes_on = SERVER.read().unwrap_or_else(PoisonError::into_inner);
        Self::made(name, Some(goes_on))
    }

    pub(crate) fn made(name: &str, goes_on: Option<RwLockReadGuard<'static, ()>>) -> Self {
        let mut all = client(&format!("{}postgres", server()));
        all.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).expect("it goes");
        all.batch_execute(&format!("CREATE DATABASE {name}")).expect("a database");
        let url = format!("{}{name}", server());
        let client = client(&url);
        Self { url, client, _goes_on: goes_on }
    }

    pub(crate) fn new(name: &str) -> Self {
        let this = Self::bare(name);
        good(&oikos(["pg", "init", &this.url]));
        this
    }

    pub(crate) fn world(&self, name: &str) -> String {
        format!("{}?world={name}", self.url)
    }

    pub(crate) fn count(&mut self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).expect("an answer").get(0)
    }

    /// Waits until no writer holds its lock.
    pub(crate) fn wait_for_nobody(&mut self) {
        let begun = Instant::now();
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
                   (SELECT oid FROM pg_database WHERE datname = current_database())";
        while self.count(sql) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "a lock outlives its connection");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a writer has written so many records of a world.
    pub(crate) fn wait(&mut self, writer: &mut Child, world: &str, enough: i64) {
        let begun = Instant::now();
        let sql = "SELECT coalesce(max(head_seq), 0) FROM worlds WHERE world = $1";
        loop {
            // Asked before the head is: what it has written when it ends is there.
            let ended = writer.try_wait().expect("a child");
            let head = self.client.query_one(sql, &[&world]).expect("an answer").get::<_, i64>(0);
            if head >= enough {
                return;
            }
            if let Some(status) = ended {
                let mut talk = String::new();
                let mut errors = writer.stderr.take().expect("its errors");
                std::io::Read::read_to_string(&mut errors, &mut talk).expect("text");
                panic!("it ended with {status} at record {head} of {enough}: {talk}");
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing is written after record {head}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

pub(crate) fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", talk(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn report(output: &Output) -> Value {
    serde_json::from_str(&good(output)).expect("one JSON object")
}

pub(crate) fn run_at(file: &str, db: &str, more: &[&str]) -> Value {
    report(&oikos(["run", file, "--db", db, "--json"].iter().chain(more)))
}

pub(crate) fn refused(output: &Output, code: i32, parts: &[&str]) {
    let talk = talk(output);
    assert_eq!(output.status.code(), Some(code), "{talk}");
    parts.iter().for_each(|part| assert!(talk.contains(part), "{part:?} is not in {talk}"));
}
