//! One function per command.

mod inspect;
mod log;
mod make;
mod run;

use std::path::Path;

use anyhow::{Result, bail};
use oikos_runner::kernel::{event, op, receipt::Receipt, world::wire::Viewer};
use oikos_runner::{
    Journal, Live, Misread, RunError, Stop, Verified,
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

/// Runs a command. `false` is the answer no.
pub(crate) fn run(args: Args) -> Result<bool> {
    let json = args.json;
    match args.command {
        Command::Run { file, db, fresh, events, overrides } => {
            run::run(&file, db, fresh, events.as_deref(), &overrides, json)
        }
        Command::Init { name } => make::init(&name, json),
        Command::Validate { file, overrides } => make::validate(&file, &overrides, json),
        Command::Inspect { world, what } => inspect::inspect(&world, &what, json),
        Command::Log { world, since, limit, kind, of, refused } => {
            log::log(&world, &log::Wanted { since, limit, kind, of, refused }, json)
        }
        Command::Verify { world } => check(&world, json),
        Command::Act { world, principal, action } => act(&world, &principal, &action, json),
        Command::Session { world, db, overrides } => serve(&world, db.as_deref(), &overrides),
        Command::Schema { of } => {
            let schema = match of {
                SchemaOf::Op => op::schema(),
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
    let handler = ctrlc::set_handler(move || {
        if asked.is_asked() {
            std::process::exit(130);
        }
        asked.ask();
    });
    if let Err(error) = handler {
        print::note(&format!("note: Ctrl-C will not stop the world in an orderly way: {error}"));
    }
    stop
}

fn check(world: &Path, json: bool) -> Result<bool> {
    let journal = Journal::open_read_only(world).map_err(RunError::from)?;
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
    live.sequencer.tell_time();
    let receipt = match strict_json(action) {
        Ok(action) => live.sequencer.act(principal, action)?,
        Err(Misread::Unfit(refusal)) => Receipt::refused(live.sequencer.now(), refusal),
        Err(Misread::Syntax(error)) => {
            bail!(Usage(format!("the action is not JSON ({error}); write it as '{{\"op\": \"noop\"}}'")))
        }
    };
    live.sequencer.commit()?;
    let receipt_json = receipt.to_json(live.world(), Viewer::Artifact(live.world().lookup(principal)));
    if json {
        print::json(&receipt_json)
    } else {
        print::pretty(&receipt_json)
    }
    Ok(receipt.outcome.is_ok())
}

fn serve(world: &Path, db: Option<&Path>, overrides: &OverrideArgs) -> Result<bool> {
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
    session::serve(&mut live, input, std::io::stdout().lock(), &stop)?;
    Ok(true)
}
