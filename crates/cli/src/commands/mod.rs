//! One function per command.

mod ask;
mod bench;
mod compare;
mod cost;
mod dry;
mod export;
mod fork;
mod help;
mod inspect;
mod line;
mod log;
mod make;
mod mcp;
mod pg;
mod python;
mod replay;
mod report;
mod run;
mod serve;
mod serve_all;
mod sign;
mod signals;
mod sweep;
mod tape;
mod token;
mod warning;
mod workplace;

use std::path::Path;

use anyhow::{Result, bail};
use clap::CommandFactory as _;
use indicatif::ProgressBar;
use oikos_runner::kernel::{
    event,
    op::{self, Words},
    receipt::Receipt,
    schema as shown,
    world::wire::{LineType, Viewer},
};
use oikos_runner::{
    Address, Head, Journal, JournalError, Live, Misread, Parent, RunError, Signal, Stop, Verified, When, Why,
    Workplace,
    config::{self, Overrides, WorldFile},
    copy_at, founded_from, library, parent, recorded_source, report as told,
    request::Inspect,
    session::{self as sessions},
    strict_json, verify,
};
use oikos_server::Role;
use serde_json::{Value, json};

use crate::{
    args::{
        Args, Command, OverrideArgs, PgCommand, PythonCommand, SchemaFor, SchemaOf, TapeCommand, TokenArgs,
        WorkplaceArgs,
    },
    passwords::Served,
    print::{self, Printer, Unprinted},
    status::ExitStatus,
    style::{self, styled},
    summary::Bar,
};

pub(crate) use self::help::help_of;

/// Something typed that can't be meant.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::error::Error for Usage {}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a command.
pub(crate) fn run(args: Args) -> Result<ExitStatus> {
    let printer = Printer::new(args.json);
    match args.command {
        Command::Run { file, db, dry_run: true, overrides, workplace, .. } => {
            dry::run(&file, db, &overrides, &workplace::of(workplace), printer)
        }
        Command::Run {
            file, db, no_db, fresh, adopt_runtime, events, strict, overrides, workplace, ..
        } => {
            let workplace = Workplace { adopt_runtime, ..workplace::of(workplace) };
            let wanted = run::Wanted { db, no_db, fresh, events, strict, workplace };
            run::run(&file, wanted, &overrides, printer)
        }
        Command::Sweep(wanted) => sweep::sweep(*wanted, printer),
        Command::Runs { workplace } => sweep::serve(&workplace::of(workplace)),
        Command::Init { name } => make::init(&name, printer),
        Command::Validate { file, overrides } => make::validate(&file, &overrides, printer),
        Command::Inspect { world, what, storage, content, code, at } => {
            let workplace = WorkplaceArgs::default();
            let asked = Inspect { artifact: what, storage, content, code };
            inspect::inspect(&world, &asked, at, &workplace::of(workplace), printer)
        }
        Command::Log { world, since, until, limit, tail, follow, kind, of, output, refused, thoughts } => {
            let span = log::Span { since, until, limit, tail, follow };
            let kind = if output { Some(LineType::Print.as_str().to_owned()) } else { kind };
            log::log(&world, &log::Wanted { span, kind, of, refused, thoughts }, printer)
        }
        Command::Ask { world, agent, question, at, workplace } => {
            let workplace = Workplace { workers: Some(1), ..workplace::of(workplace) };
            ask::ask(&world, &ask::Wanted { agent, question, at }, &workplace, printer)
        }
        Command::Bench { rounds, python } => bench::bench(&bench::Wanted { rounds, python }, printer),
        Command::Cost { world } => cost::cost(&world, printer),
        Command::Tape { what: TapeCommand::Export { world, file } } => {
            tape::export(&world, file.as_deref(), printer)
        }
        Command::Tape { what: TapeCommand::Import { world, file } } => tape::import(&world, &file, printer),
        Command::Verify { world } => check(&world, printer),
        Command::Compare { first, second } => {
            let workplace = WorkplaceArgs::default();
            compare::compare(&first, &second, &workplace::of(workplace), printer)
        }
        Command::Fork { world, at, to, acts, overrides, workplace } => {
            let workplace = Workplace { workers: Some(1), ..workplace::of(workplace) };
            fork::fork(&world, &fork::Wanted { at, to, acts, overrides }, &workplace, printer)
        }
        Command::Copy { from, to } => pg::copy(&from, &to, printer),
        Command::Pg { what: PgCommand::Init { database } } => pg::init(&database, printer),
        Command::Pg { what: PgCommand::List { database } } => pg::list(&database, printer),
        Command::Pg { what: PgCommand::Drop { world, yes } } => pg::drop_world(&world, yes, printer),
        Command::Export { world, out, format, tables, since, until, every, anew, set, force } => {
            let anew = anew.then_some(set);
            let wanted = export::Wanted { out, format, tables, since, until, every_ms: every, anew, force };
            let workplace = WorkplaceArgs::default();
            export::export(&world, wanted, &workplace::of(workplace), printer)
        }
        Command::Report { world, at, beside, out, force } => {
            let workplace = WorkplaceArgs::default();
            let wanted = report::Wanted { at, beside, out, force };
            report::report(&world, &wanted, &workplace::of(workplace), printer)
        }
        Command::Replay { world, until, isolation } => {
            let workplace = WorkplaceArgs { isolation, ..WorkplaceArgs::default() };
            replay::replay(&world, until, &workplace::of(workplace), printer)
        }
        Command::Act { world, principal, action, at, workplace } => {
            let workplace = Workplace { workers: Some(1), ..workplace::of(workplace) };
            act(&world, at, (&principal, &action), &workplace, printer)
        }
        Command::Serve {
            world,
            db,
            listen,
            hosts,
            paused,
            speed,
            follow,
            standby,
            all,
            share,
            idle,
            publish,
            url,
            rate,
            overrides,
            workplace,
        } => {
            let workplace = workplace::of(workplace);
            let world = match (world, all) {
                (Served::Database(database), true) => {
                    let wanted =
                        serve_all::Wanted { listen, hosts, url, rate, share, idle, publish, workplace };
                    return serve_all::serve_all(&database, wanted, printer);
                }
                (Served::World(world), false) => world,
                (Served::World(world), true) => bail!(Usage(serve_all::no_database(&world))),
                (Served::Database(database), false) => bail!(Usage(serve_all::no_world(&database))),
            };
            let way = match (follow, standby) {
                (true, _) => serve::Way::Follows,
                (_, true) => serve::Way::StandsBy,
                _ => serve::Way::Writes,
            };
            let wanted =
                serve::Wanted { db, listen, hosts, paused, speed, way, publish, url, rate, workplace };
            serve::serve(&world, wanted, &overrides, printer)
        }
        Command::Token { world, whom, expires, label } => {
            let TokenArgs { principal, observer, operator: _, list, revoke } = whom;
            let role = match principal {
                Some(id) => Role::Principal(id),
                None if observer => Role::Observer,
                None => Role::Operator,
            };
            let wanted = match revoke {
                Some(name) => token::Wanted::Revoke(name),
                None if list => token::Wanted::List,
                None => token::Wanted::Add { role, label, expires_ms: expires },
            };
            token::token(&world, wanted, printer)
        }
        Command::Session { world, db, at, overrides, workplace } => {
            session(&world, (db.as_ref(), at), &overrides, &workplace::of(workplace))
        }
        Command::Mcp { world, principal, token, db, overrides, workplace } => {
            let wanted = mcp::Wanted { principal, token, db, workplace: workplace::of(workplace) };
            mcp::mcp(&world, wanted, &overrides)
        }
        Command::Python { what: PythonCommand::Prepare } => python::prepare(printer),
        Command::Worker { probe, layer } => workplace::worker(probe.as_deref(), layer.as_deref()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "oikos", &mut script);
            printer.line(String::from_utf8_lossy(&script).trim_end())?;
            Ok(ExitStatus::Done)
        }
        Command::Schema { of, whom } => {
            printer.value(&schema(of, whom)?)?;
            Ok(ExitStatus::Done)
        }
    }
}

fn schema(of: SchemaOf, whom: Option<SchemaFor>) -> Result<Value> {
    Ok(match (of, whom) {
        (SchemaOf::Op, None) => op::schema(),
        (SchemaOf::Op, Some(SchemaFor::Llm)) => op::schema_for_models(Words::Without),
        (SchemaOf::Query, None) => op::answers(),
        (SchemaOf::Event, None) => event::schema(),
        (SchemaOf::Log, None) => line::schema(),
        (SchemaOf::World, None) => config::schema(),
        (SchemaOf::Receipt, None) => shown::receipt(),
        (SchemaOf::Observation, None) => shown::observation(),
        (SchemaOf::Request, None) => oikos_runner::schema::request(),
        (SchemaOf::Answer, None) => oikos_runner::schema::answer(),
        (
            SchemaOf::Query
            | SchemaOf::Event
            | SchemaOf::Log
            | SchemaOf::World
            | SchemaOf::Receipt
            | SchemaOf::Request
            | SchemaOf::Answer
            | SchemaOf::Observation,
            Some(SchemaFor::Llm),
        ) => {
            bail!(Usage("--for goes with `op`: oikos schema op --for llm".into()))
        }
    })
}

/// As [`world_file`], where a world may be named too.
pub(crate) fn world_file_at(at: &Address, overrides: &OverrideArgs) -> Result<WorldFile> {
    match at {
        Address::File(path) => world_file(path, overrides),
        Address::Postgres(_) => bail!(Usage(format!("a world file is wanted, and `{at}` is a world"))),
    }
}

/// Reads a world file with what the command line changes of it.
pub(crate) fn world_file(path: &Path, overrides: &OverrideArgs) -> Result<WorldFile> {
    let overrides = Overrides { seed: overrides.seed, set: pairs(&overrides.set)? };
    let loaded = config::load(path, &overrides, library::founders());
    if loaded.is_err() && oikos_sweep::is_sweep(path) {
        let file = path.display();
        bail!(Usage(format!("`{file}` is a sweep file, not a world file\n  = help: oikos sweep {file}")));
    }
    Ok(loaded.map_err(RunError::from)?)
}

/// The keys and values of `--set`.
pub(crate) fn pairs(set: &[String]) -> Result<Vec<(String, String)>> {
    let read = |pair: &String| match pair.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => bail!(Usage(format!("--set {pair}: write it as KEY=VALUE, such as execution.ticks=50"))),
    };
    set.iter().map(read).collect()
}

/// The action of an `act`, or the refusal of one that is none.
pub(crate) fn action(text: &str) -> Result<std::result::Result<Value, Misread>> {
    match strict_json(text) {
        Err(Misread::Syntax(error)) => {
            bail!(Usage(format!("the action is not JSON ({error}); write it as '{{\"op\": \"noop\"}}'")))
        }
        read => Ok(read),
    }
}

/// Says which world a world was forked from, if it was.
pub(crate) fn tell_parent(parent: Option<&Parent>, printer: Printer) {
    if let Some(Parent { file, seq, journal_hash }) = parent.filter(|_| !printer.is_for_programs()) {
        let hash = journal_hash.get(..16).unwrap_or_default();
        print::note(&format!("forked from {file} after record {seq}, its journal {hash}…"));
    }
}

/// Asks the world to stop on Ctrl-C, or when the system asks the process to end. A second time ends it at once,
/// after `give_up`, which may tidy the terminal.
pub(crate) fn stop_on_signal(give_up: impl Fn() + Send + 'static) -> Stop {
    let stop = Stop::default();
    if let Err(error) = signals::listen(stop.clone(), give_up) {
        print::note(&format!("note: Ctrl-C will not stop the world in an orderly way: {error}"));
    }
    stop
}

/// Takes a bar away before a signal ends this process, where there is nothing else to put in order.
pub(crate) fn clear_on_signal(bar: &Bar) {
    let (stop, bar) = (Stop::default(), ProgressBar::clone(bar));
    // The first signal is the last one here.
    stop.ask(Why::Signal(Signal::Interrupt));
    // Without a listener the signal itself ends it, and the bar stays.
    let _ = signals::listen(stop, move || bar.finish_and_clear());
}

/// Says the things that the owner of a world should know.
pub(crate) fn tell_notes(live: &Live) {
    live.notes.iter().for_each(|note| print::note(&note.to_string()));
    live.missing.iter().for_each(|missing| print::note(&format!("note: {missing}")));
}

/// The record at whose end a moment is.
pub(crate) fn record_at(journal: &Journal, when: When) -> Result<u64> {
    when.seq(journal)?.map_err(|refusal| Usage(refusal.exception_text()).into())
}

/// The place of a moment among the records: any whole number is one, behind the last too.
pub(crate) fn place_of(journal: &Journal, when: When) -> Result<u64> {
    match when {
        When::Seq(seq) => Ok(seq),
        When::Time(_) | When::After(_) | When::Tick(_) => record_at(journal, when),
    }
}

/// Opens a world to go on with it; or a copy in memory as it was at a moment.
fn opened(world: &Address, at: Option<When>) -> Result<Journal> {
    let Some(at) = at else { return Ok(Journal::open(world).map_err(RunError::from)?) };
    let journal = reading(world)?;
    Ok(copy_at(&journal, record_at(&journal, at)?)?)
}

/// Opens a world to read it.
pub(crate) fn reading(world: &Address) -> Result<Journal> {
    let journal = Journal::open_read_only(world).map_err(RunError::from)?;
    journal.notes().iter().for_each(|note| print::note(&note.to_string()));
    Ok(journal)
}

fn check(world: &Address, printer: Printer) -> Result<ExitStatus> {
    let journal = match reading(world) {
        Ok(journal) => journal,
        Err(error) if is_corrupt(&error) => {
            return ExitStatus::answer(false, tell_corrupt(None, None, &error, printer));
        }
        Err(error) => return Err(error),
    };
    let bar = crate::summary::progress(journal.head().seq, "records", printer.is_for_programs());
    clear_on_signal(&bar);
    let found = verify(&journal, |seq| bar.set_position(seq));
    bar.finish_and_clear();
    let found = found.map_err(RunError::from).and_then(|found| {
        founded_from(&found.world, &recorded_source(&journal)?)?;
        Ok((found, parent(&journal)?))
    });
    match found {
        Ok((found, forked)) => {
            tell_parent(forked.as_ref(), printer);
            let report = || {
                let mut report = told::verified(&found);
                if let Value::Object(map) = &mut report {
                    map.insert("parent".into(), json!(forked));
                }
                report
            };
            ExitStatus::answer(true, printer.data(report, || verified_text(&found)))
        }
        Err(error) => {
            // It may be the damage itself that says nothing of where the world is from.
            let forked = parent(&journal).ok().flatten();
            tell_parent(forked.as_ref(), printer);
            let told = tell_corrupt(Some(journal.head()), forked.as_ref(), &error.into(), printer);
            ExitStatus::answer(false, told)
        }
    }
}

/// Whether a world contradicts itself.
fn is_corrupt(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<RunError>(), Some(RunError::Journal(JournalError::Corrupt { .. })))
}

/// Says that a world is not whole, as far as it could be read.
fn tell_corrupt(
    head: Option<Head>,
    forked: Option<&Parent>,
    error: &anyhow::Error,
    printer: Printer,
) -> std::result::Result<(), Unprinted> {
    printer.data(
        || {
            json!({ "ok": false, "problem": error.to_string(), "seq": head.map(|head| head.seq), "time": null,
                    "state_digest": null, "journal_hash": head.map(|head| told::hex(&head.journal_hash)),
                    "supply": null, "parent": forked })
        },
        || format!("{}: {error}", styled(style::ERROR, "not ok")),
    )
}

fn verified_text(found: &Verified) -> String {
    let report = told::verified(found);
    let (records, batches) = (found.world.seq(), found.batches);
    let (snapshots, supply) = (found.snapshots, found.world.supply());
    let hash = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!(
        "{}: {records} records in {batches} batches re-applied, {snapshots} snapshots compared, \
         {supply} scrip conserved\nstate_digest {}\njournal_hash {}",
        styled(style::GOOD, "ok"),
        hash("state_digest"),
        hash("journal_hash")
    )
}

fn act(
    world: &Address,
    at: Option<When>,
    (principal, action): (&str, &str),
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let action = self::action(action)?;
    let mut live = workplace.open(opened(world, at)?)?;
    tell_notes(&live);
    live.sequencer.tell_time()?;
    let receipt = match action {
        Ok(action) => live.sequencer.act(principal, action)?,
        Err(Misread::Unfit(refusal)) => Receipt::refused(live.sequencer.now(), refusal),
        Err(Misread::Syntax(error)) => bail!(Usage(error)),
    };
    live.sequencer.commit()?;
    let shown = receipt.to_json(live.world(), Viewer::Artifact(live.world().lookup(principal)));
    ExitStatus::answer(receipt.outcome.is_ok(), printer.value(&shown))
}

fn session(
    world: &Address,
    (db, at): (Option<&Address>, Option<When>),
    overrides: &OverrideArgs,
    workplace: &Workplace,
) -> Result<ExitStatus> {
    let stop = stop_on_signal(|| ());
    let is_file = run::is_named_as_file(world);
    let mut live = if is_file {
        if at.is_some() {
            bail!(Usage("--at goes with a world database, not with a world file".into()));
        }
        let file = world_file_at(world, overrides)?;
        match db {
            Some(db) => workplace.open_or_found(file, db)?,
            None => workplace.found(file, Journal::in_memory)?,
        }
    } else {
        if db.is_some() || overrides.seed.is_some() || !overrides.set.is_empty() {
            bail!(Usage("--db, --seed and --set go with a world file, not with a world database".into()));
        }
        workplace.open(opened(world, at)?)?
    };
    tell_notes(&live);
    let input = std::io::BufReader::with_capacity(sessions::READ_BYTES, std::io::stdin());
    let why = sessions::serve(&mut live, input, std::io::stdout().lock(), &stop)?;
    Ok(why.map_or(ExitStatus::Done, ExitStatus::Asked))
}
