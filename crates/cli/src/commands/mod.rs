//! One function per command.

mod inspect;
mod log;
mod make;
mod run;

use std::path::Path;

use anyhow::{Result, bail};
use oikos_runner::kernel::{event, op, world::wire::Viewer};
use oikos_runner::{
    Journal, Live, RunError, Signal, Stop, Verified, Why,
    config::{self, Overrides, WorldFile},
    founded_from, library, recorded, report, session, strict_json, verify,
};
use serde_json::{Value, json};

use crate::{
    args::{Args, Command, OverrideArgs, SchemaOf},
    print,
};

/// Something typed that can't be meant.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::error::Error for Usage {}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is done.
    Yes,
    /// The answer is no.
    No,
    /// It was asked to end before it was done.
    Asked(Why),
}

impl From<bool> for Ended {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<Ended> {
    let json = args.json;
    match args.command {
        Command::Run { file, db, fresh, events, overrides } => {
            run::run(&file, db, fresh, events.as_deref(), &overrides, json)
        }
        Command::Session { world, db, overrides } => serve(&world, db.as_deref(), &overrides),
        other => look(other, json).map(Ended::from),
    }
}

/// Runs a command that ends by itself. `false` is the answer no.
fn look(command: Command, json: bool) -> Result<bool> {
    match command {
        Command::Run { .. } | Command::Session { .. } => bail!("internal error: this command ends otherwise"),
        Command::Init { name } => make::init(&name, json),
        Command::Validate { file, overrides } => make::validate(&file, &overrides, json),
        Command::Inspect { world, what } => inspect::inspect(&world, &what, json),
        Command::Log { world, since, limit, kind, of, refused } => {
            log::log(&world, &log::Wanted { since, limit, kind, of, refused }, json)
        }
        Command::Verify { world } => check(&world, json),
        Command::Act { world, principal, action } => act(&world, &principal, &action, json),
        Command::Schema { of } => {
            let schema = match of {
                SchemaOf::Op => op::schema(),
                SchemaOf::Query => op::answers(),
                SchemaOf::Event => event::schema(),
                SchemaOf::World => config::schema(),
            };
            if json {
                print::json(&schema)
            } else {
                print::pretty(&schema)
            }
            Ok(true)
        }
    }
}

/// Reads a world file with what the command line changes of it.
pub(crate) fn world_file(path: &Path, overrides: &OverrideArgs) -> Result<WorldFile> {
    let mut set = Vec::new();
    for pair in &overrides.set {
        let Some((key, value)) = pair.split_once('=') else {
            bail!(Usage(format!("--set {pair}: write it as KEY=VALUE, such as execution.ticks=50")));
        };
        set.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    let overrides = Overrides { seed: overrides.seed, set };
    Ok(config::load(path, &overrides, library::founders()).map_err(RunError::from)?)
}

/// Asks the world to stop on Ctrl-C, or when the system asks the process to end; a second time ends it at once.
pub(crate) fn stop_on_interrupt() -> Stop {
    let stop = Stop::default();
    let asked = stop.clone();
    let handler = on_signal(move |signal| {
        let why = Why::Signal(signal);
        if asked.is_asked() {
            std::process::exit(why.exit_code().into());
        }
        asked.ask(why);
    });
    if let Err(error) = handler {
        print::note(&format!("note: Ctrl-C will not stop the world in an orderly way: {error}"));
    }
    stop
}

/// Calls `handle` on a thread of its own whenever a signal comes that asks the process to end.
#[cfg(unix)]
fn on_signal(handle: impl Fn(Signal) + Send + 'static) -> Result<()> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let listen = move || {
        for number in signals.forever() {
            handle(match number {
                SIGHUP => Signal::Hangup,
                SIGTERM => Signal::Terminate,
                _ => Signal::Interrupt,
            });
        }
    };
    std::thread::Builder::new().spawn(listen)?;
    Ok(())
}

/// Calls `handle` on a thread of its own whenever Ctrl-C is pressed.
#[cfg(not(unix))]
fn on_signal(handle: impl Fn(Signal) + Send + 'static) -> Result<()> {
    Ok(ctrlc::set_handler(move || handle(Signal::Interrupt))?)
}

/// Opens a world to read it.
pub(crate) fn reading(world: &Path) -> Result<Journal> {
    let journal = Journal::open_read_only(world).map_err(RunError::from)?;
    journal.notes().iter().for_each(|note| print::note(&note.to_string()));
    Ok(journal)
}

fn check(world: &Path, json: bool) -> Result<bool> {
    let journal = reading(world)?;
    let bar = crate::summary::progress(journal.head().seq, "records", json);
    let found = verify(&journal, |seq| bar.set_position(seq));
    bar.finish_and_clear();
    let found = found.map_err(RunError::from).and_then(|found| {
        founded_from(&found.world, &recorded(&journal)?)?;
        Ok(found)
    });
    let problem = match found {
        Ok(found) => {
            print_verified(&found, json);
            return Ok(true);
        }
        Err(error) => error.to_string(),
    };
    if json {
        let head = journal.head();
        let (seq, hash) = (head.seq, report::hex(&head.journal_hash));
        print::json(
            &json!({ "ok": false, "problem": problem, "seq": seq, "time": null, "state_digest": null,
                             "journal_hash": hash, "supply": null }),
        );
    } else {
        print::line(&format!("not ok: {problem}"));
    }
    Ok(false)
}

fn print_verified(found: &Verified, json: bool) {
    let report = report::verified(found);
    if json {
        return print::json(&report);
    }
    let (records, batches) = (found.world.seq(), found.batches);
    let (snapshots, supply) = (found.snapshots, found.world.supply());
    print::line(&format!(
        "ok: {records} records in {batches} batches re-applied, {snapshots} snapshots compared, \
         {supply} scrip conserved"
    ));
    for key in ["state_digest", "journal_hash"] {
        let hash = report.get(key).and_then(Value::as_str).unwrap_or_default();
        print::line(&format!("{key} {hash}"));
    }
}

fn act(world: &Path, principal: &str, action: &str, json: bool) -> Result<bool> {
    let mut live = Live::open(Journal::open(world).map_err(RunError::from)?)?;
    live.notes.iter().for_each(|note| print::note(&note.to_string()));
    let action: Value = match strict_json(action) {
        Ok(action) => action,
        Err(error) => {
            bail!(Usage(format!("the action is not JSON ({error}); write it as '{{\"op\": \"noop\"}}'")))
        }
    };
    let receipt = live.sequencer.act(principal, action)?;
    live.sequencer.commit()?;
    let receipt_json = receipt.to_json(live.world(), Viewer::Artifact(live.world().lookup(principal)));
    if json {
        print::json(&receipt_json)
    } else {
        print::pretty(&receipt_json)
    }
    Ok(receipt.outcome.is_ok())
}

fn serve(world: &Path, db: Option<&Path>, overrides: &OverrideArgs) -> Result<Ended> {
    let is_file = world.extension().is_some_and(|extension| extension == "toml");
    let mut live = if is_file {
        let file = world_file(world, overrides)?;
        match db {
            Some(db) => Live::open_or_found(file, db)?,
            None => Live::found(file, Journal::in_memory)?,
        }
    } else {
        if db.is_some() || overrides.seed.is_some() || !overrides.set.is_empty() {
            bail!(Usage("--db, --seed and --set go with a world file, not with a world database".into()));
        }
        Live::open(Journal::open(world).map_err(RunError::from)?)?
    };
    live.notes.iter().for_each(|note| print::note(&note.to_string()));
    let stop = stop_on_interrupt();
    let input = std::io::BufReader::with_capacity(session::READ_BYTES, std::io::stdin());
    let why = session::serve(&mut live, input, std::io::stdout().lock(), &stop)?;
    Ok(why.map_or(Ended::Yes, Ended::Asked))
}
