//! `oikos serve --all`.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    sync::mpsc::sync_channel,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use oikos_runner::{Address, Database, RunError, Shared, Workplace, pg_list, quoted};
use oikos_server::{HouseError, HouseServer, HouseSetup, Limits, Nats, Role, TokenFile, Tokens, listener};
use serde_json::json;

use super::{
    Usage,
    serve::{ended, tell_unspecified},
    stop_on_signal,
    token::good,
    workplace::program,
};
use crate::{
    print::{self, Printer},
    status::ExitStatus,
    style::{self, styled},
};

/// How long nobody asked for a world that is unloaded, where nothing else is said.
const IDLE: Duration = Duration::from_secs(60);

/// How the worlds of a database are to be served.
pub(super) struct Wanted {
    pub(super) listen: SocketAddr,
    pub(super) hosts: Vec<String>,
    pub(super) url: Option<String>,
    pub(super) rate: Option<NonZeroU32>,
    pub(super) share: Option<NonZeroUsize>,
    pub(super) idle: Option<i64>,
    pub(super) publish: Option<Box<Nats>>,
    pub(super) workplace: Workplace,
}

/// The sentence for --all with one world.
pub(super) fn no_database(world: &Address) -> String {
    match world {
        Address::File(_) => format!(
            "--all goes with a database of PostgreSQL, and `{world}` is a file; `oikos copy` puts a world into one"
        ),
        Address::Postgres(world) => format!(
            "--all serves every world of a database, and `{world}` names one: leave `world={}` out, or --all",
            world.world
        ),
    }
}

/// The sentence for one world that is not named.
pub(super) fn no_world(database: &Database) -> String {
    format!(
        "`{database}` names no world; write {}, or --all for every world of it",
        database.with_world("NAME")
    )
}

/// How the allocator treats what is free: given back to the system at once, and not in pages of two megabytes, of which
/// each world that was loaded would leave some. It reads this once, before anything else happens.
const FREED: [(&str, &str); 2] = [("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ALLOW_THP", "0")];

/// Begins this process anew with an allocator that gives back what worlds leave that are unloaded. Where somebody has
/// said how the allocator is to be, or it can't be begun anew, it goes on as it is.
#[cfg(unix)]
fn thrift() {
    use std::os::unix::process::CommandExt as _;
    let is_set = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    let this = std::env::current_exe().ok().filter(|this| this.exists()).or_else(program);
    if let Some(this) = this.filter(|_| !FREED.iter().any(is_set)) {
        let mut words = std::env::args_os();
        let name = words.next().unwrap_or_default();
        // It comes back only where that fails.
        let _ = std::process::Command::new(this).arg0(name).args(words).envs(FREED).exec();
    }
}

#[cfg(not(unix))]
fn thrift() {}

pub(super) fn serve_all(database: &Database, wanted: Wanted, printer: Printer) -> Result<ExitStatus> {
    let Wanted { listen, hosts, url, rate, share, idle, publish, workplace } = wanted;
    let file = TokenFile::of_all(database).map_err(Usage)?;
    check_listen(listen, database, &file)?;
    thrift();
    tell_unspecified(listen, url.as_deref());
    let listener = listener(listen).with_context(|| format!("{listen} can't be listened at"))?;
    let stop = stop_on_signal(|| ());
    // One that has to be prepared is so before anybody waits for it.
    workplace.prepare()?;
    let tokens = Tokens::alone(print::note).and(file);
    // The link goes all the same where they can't be read.
    tokens.look();
    let link = tokens.fresh(Role::Observer, "the link of `oikos serve --all`")?;
    let setup = HouseSetup {
        database: database.clone(),
        tokens,
        limits: rate
            .map_or_else(Limits::default, |requests_per_s| Limits { requests_per_s, ..Limits::default() }),
        hosts,
        workplace: Workplace { shared: Some(Shared::default()), ..workplace },
        url,
        share,
        idle: idle.map_or(IDLE, |ms| Duration::from_millis(ms.unsigned_abs())),
        publish: publish.map(|nats| *nats),
        tell: print::note,
    };
    let house = HouseServer::open(listener, setup).map_err(|error| match error {
        HouseError::Journal(error) => anyhow::Error::from(RunError::from(error)),
        HouseError::Io(error) => error.into(),
    })?;
    let address = format!("http://{}", house.address());
    let link = format!("{address}/?token={}", link.text());
    let told = printer.data(
        || json!({ "url": address, "link": link, "database": database.to_string() }),
        || format!("{} {link}", styled(style::GOOD, "open")),
    );
    if told.is_ok() {
        let (sender, asked) = sync_channel(1);
        let _bell = stop.bell(move || {
            // One ring is enough.
            let _ = sender.try_send(());
        });
        // Nobody rings but one who asks it to stop.
        let _ = asked.recv();
    }
    house.close();
    told?;
    Ok(ended(&stop))
}

/// Refuses to be open to other machines while nobody has a token for all of the worlds or for any of them.
fn check_listen(listen: SocketAddr, database: &Database, file: &TokenFile) -> Result<()> {
    if listen.ip().is_loopback() || !good(file)?.is_empty() {
        return Ok(());
    }
    let worlds = pg_list(database).map_err(RunError::from)?;
    // Those that come later have tokens of their own.
    if worlds.is_empty() {
        return Ok(());
    }
    for world in &worlds {
        if !good(&TokenFile::of(world.world.as_ref()))?.is_empty() {
            return Ok(());
        }
    }
    let world = worlds.first().map_or("NAME", |world| world.world.as_str());
    bail!(Usage(format!(
        "{} can be reached from other machines, and none of these worlds has tokens, nor has the database any for all \
         of them\n  = help: make some first: oikos token {} --observer, or for one world: oikos token {} --observer",
        listen.ip(),
        quoted(&database.to_string()),
        quoted(&database.with_world(world))
    )));
}
