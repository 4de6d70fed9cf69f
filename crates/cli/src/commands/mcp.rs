//! `oikos mcp`: an MCP client that started this process lives in a world.

use std::{io::BufReader, net::SocketAddr};

use anyhow::{Result, bail};
use oikos_runner::{
    Address, Journal, Live, Stop, Why, Workplace,
    config::WorldFile,
    guest::{self, Guest, House},
    kernel::id::nearest,
    session::{Line, READ_BYTES, read_line},
};
use oikos_server::mcp::{Client, Elsewhere, Lost, Place, serve_away, serve_lines};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Usage, run, sign, stop_on_signal, tell_notes, world_file_at};
use crate::{args::OverrideArgs, print, status::ExitStatus};

/// Lines that wait to be looked at.
const LINES_AHEAD_MAX: usize = 16;

/// How the world is to be entered.
pub(super) struct Wanted {
    pub(super) principal: Option<String>,
    pub(super) token: Option<String>,
    pub(super) db: Option<Address>,
    pub(super) workplace: Workplace,
}

/// The ends of a talk.
struct Ends {
    /// Asked to end, by a signal or because nobody reads.
    stop: Stop,
    /// Asked when the client has gone; it ends the world's run too.
    gone: Stop,
    guest: Guest,
}

/// The variable that has a token, where none is typed: what is typed can be seen by others of this machine.
const TOKEN: &str = "OIKOS_TOKEN";

pub(super) fn mcp(world: &Address, wanted: Wanted, overrides: &OverrideArgs) -> Result<ExitStatus> {
    let Wanted { principal, token, db, workplace } = wanted;
    let stop = stop_on_signal(|| ());
    let file = if is_file(world) { Some(world_file_at(world, overrides)?) } else { None };
    let path = match (&db, &file) {
        (Some(db), _) => db.clone(),
        (None, Some(file)) => run::db_of(file),
        (None, None) => world.clone(),
    };
    if let Some((address, root)) = door_of(&path) {
        let token = token.or_else(|| std::env::var(TOKEN).ok().filter(|token| !token.is_empty()));
        let Some(token) = token else {
            bail!(Usage(served_at(&path, &format!("{address}{root}"), principal.as_deref())))
        };
        return away(Elsewhere { address, root, token }, principal.as_deref(), &stop);
    }
    let Some(principal) = principal else {
        let shown = &path;
        bail!(Usage(format!(
            "--as ID is needed: `{shown}` is not being served, where a token would say whom the client acts as"
        )));
    };
    let mut live = opened(file, (&path, db.is_some()), &workplace, overrides)?;
    // All talk is on standard error: standard output is the protocol's.
    tell_notes(&live);
    check_seat(&live, &principal)?;
    let (guest, house) = guest::guest();
    let stands = guest::stands_still(&live);
    let place = if stands { Place::Guest(guest.clone()) } else { Place::Served(live.desk()) };
    let client = Client::seated(place, &principal, &live.file.plan.name);
    let gone = Stop::default();
    let ends = Ends { stop: stop.clone(), gone: gone.clone(), guest };
    let lines = lines();
    std::thread::spawn(move || talk(client, lines, &ends));
    let why = attend(&mut live, stands, house, (&stop, &gone))?;
    Ok(why.map_or(ExitStatus::Done, ExitStatus::Asked))
}

/// Where a world is being served, if it is, and the beginning of its paths there: by the sign at its door, or as its
/// database says.
fn door_of(path: &Address) -> Option<(SocketAddr, String)> {
    let told = || match path {
        Address::File(_) => None,
        Address::Postgres(_) => Journal::open_read_only(path).ok()?.served_at().ok()?,
    };
    if let Some(address) = sign::read(&path.beside()) {
        return Some((address, String::new()));
    }
    let told = told()?;
    let rest = told.strip_prefix("http://")?;
    let (address, root) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((address.parse().ok()?, root.to_owned()))
}

/// The sentence for a world that is served, where there is no token.
fn served_at(db: &Address, address: &str, principal: Option<&str>) -> String {
    let (shown, quoted) = (db, oikos_runner::quoted(&db.to_string()));
    let whom = principal.map_or_else(|| "ID".into(), oikos_runner::quoted);
    format!(
        "`{shown}` is being served at http://{address}: a token of the principal is needed, by --token or in {TOKEN}\n  \
         = help: oikos token {quoted} --as {whom} makes one; a client that speaks HTTP takes http://{address}/mcp and \
         the token as its bearer"
    )
}

/// Has the talk with a world that another process serves.
fn away(world: Elsewhere, principal: Option<&str>, stop: &Stop) -> Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seat = runtime.block_on(world.seat())?;
    if let Some(principal) = principal.filter(|principal| *principal != seat) {
        let shown: String = principal.chars().take(128).collect();
        bail!(Usage(format!("--as {shown}: the token is that of `{seat}`")));
    }
    let (asked, mut bell) = tokio::sync::mpsc::channel(1);
    let _bell = stop.bell(move || {
        // One signal is enough.
        let _ = asked.try_send(());
    });
    let spoken = runtime.block_on(async {
        tokio::select! {
            spoken = serve_away(world, lines(), std::io::stdout()) => spoken,
            _ = bell.recv() => Ok(()),
        }
    });
    match spoken {
        Ok(()) => Ok(stop.why().map_or(ExitStatus::Done, ExitStatus::Asked)),
        Err(Lost::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Ok(ExitStatus::Asked(Why::ClosedPipe))
        }
        Err(lost) => Err(lost.into()),
    }
}

/// Whether this is a world file.
fn is_file(world: &Address) -> bool {
    run::is_named_as_file(world) && !run::is_database(world)
}

/// The lines of standard input, as they come.
fn lines() -> Receiver<Line> {
    let (sender, lines) = channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || read(&sender));
    lines
}

/// Has the world's side of the talk until the client has gone; says why, if something else ended it.
fn attend(live: &mut Live, stands: bool, house: House, (stop, gone): (&Stop, &Stop)) -> Result<Option<Why>> {
    if stands {
        return Ok(guest::host(live, house, stop)?);
    }
    let asked = gone.clone();
    let _bell = stop.bell(move || asked.ask(Why::ClosedPipe));
    guest::open_house(live, gone)?;
    Ok(stop.why())
}

/// The world of a database, or that of a world file in its database.
fn opened(
    file: Option<WorldFile>,
    (path, is_named): (&Address, bool),
    workplace: &Workplace,
    overrides: &OverrideArgs,
) -> Result<Live> {
    if file.is_none() && (is_named || overrides.seed.is_some() || !overrides.set.is_empty()) {
        bail!(Usage("--db, --seed and --set go with a world file, not with a world database".into()));
    }
    Ok(run::begun(workplace, file, path, (Some(path), false))?)
}

/// Whether there is such a principal.
fn check_seat(live: &Live, principal: &str) -> Result<()> {
    let world = live.world();
    let found = world.lookup(principal).and_then(|handle| world.get(handle));
    if found.is_some_and(|artifact| artifact.has_standing() && !artifact.is_deleted()) {
        return Ok(());
    }
    let names = world.principals().map(|(_, artifact)| artifact).filter(|artifact| !artifact.is_deleted());
    let near = nearest(principal, names.map(|artifact| artifact.id()));
    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    let shown: String = principal.chars().take(128).collect();
    bail!(Usage(format!(
        "--as {shown}: there is no such principal{hint}\n  = help: `oikos inspect WORLD principals` lists them; \
         docs/mcp.md says how somebody lets another in"
    )))
}

/// Reads lines until the input ends; then nothing more is sent.
fn read(lines: &Sender<Line>) {
    let mut input = BufReader::with_capacity(READ_BYTES, std::io::stdin());
    loop {
        match read_line(&mut input) {
            Ok(None) => return,
            Ok(Some(line)) => {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
            Err(error) => {
                print::note(&format!("standard input can't be read any more: {error}"));
                return;
            }
        }
    }
}

/// Speaks with the client until its lines end, and has the world end then. One thread does it all, so that calls are
/// begun in the order in which they came.
fn talk(client: Client, lines: Receiver<Line>, ends: &Ends) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let spoken = runtime.and_then(|runtime| runtime.block_on(serve_lines(client, lines, std::io::stdout())));
    if let Err(error) = spoken {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            ends.stop.ask(Why::ClosedPipe);
        } else {
            print::note(&format!("the client can't be spoken with any more: {error}"));
        }
    }
    ends.guest.leave();
    ends.gone.ask(Why::ClosedPipe);
}
