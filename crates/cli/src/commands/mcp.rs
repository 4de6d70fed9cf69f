//! `oikos mcp`: an MCP client that started this process lives in a world.

use std::{
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use oikos_runner::{
    Live, Stop, Why, Workplace,
    guest::{self, Guest, House},
    kernel::id::nearest,
    session::{Line, READ_BYTES, read_line},
};
use oikos_server::mcp::{Client, Place, serve_lines};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Usage, run, stop_on_signal, tell_notes, world_file};
use crate::{args::OverrideArgs, print, status::ExitStatus};

/// Lines that wait to be looked at.
const LINES_AHEAD_MAX: usize = 16;

/// How the world is to be entered.
pub(super) struct Wanted {
    pub(super) principal: String,
    pub(super) db: Option<PathBuf>,
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

pub(super) fn mcp(world: &Path, wanted: Wanted, overrides: &OverrideArgs) -> Result<ExitStatus> {
    let Wanted { principal, db, workplace } = wanted;
    let stop = stop_on_signal(|| ());
    let mut live = opened(world, db, &workplace, overrides)?;
    // All talk is on standard error: standard output is the protocol's.
    tell_notes(&live);
    check_seat(&live, &principal)?;
    let (guest, house) = guest::guest();
    let stands = guest::stands_still(&live);
    let place = if stands { Place::Guest(guest.clone()) } else { Place::Served(live.desk()) };
    let client = Client::seated(place, &principal, &live.file.plan.name);
    let gone = Stop::default();
    let (sender, lines) = channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || read(&sender));
    let ends = Ends { stop: stop.clone(), gone: gone.clone(), guest };
    std::thread::spawn(move || talk(client, lines, &ends));
    let why = attend(&mut live, stands, house, (&stop, &gone))?;
    Ok(why.map_or(ExitStatus::Done, ExitStatus::Asked))
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
    world: &Path,
    db: Option<PathBuf>,
    workplace: &Workplace,
    overrides: &OverrideArgs,
) -> Result<Live> {
    if world.extension().is_some_and(|extension| extension == "toml") && !run::is_database(world) {
        let file = world_file(world, overrides)?;
        let db = db.unwrap_or_else(|| run::db_of(&file));
        return Ok(run::begun(workplace, Some(file), world, (Some(db.as_path()), false))?);
    }
    if db.is_some() || overrides.seed.is_some() || !overrides.set.is_empty() {
        bail!(Usage("--db, --seed and --set go with a world file, not with a world database".into()));
    }
    Ok(run::begun(workplace, None, world, (None, false))?)
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
