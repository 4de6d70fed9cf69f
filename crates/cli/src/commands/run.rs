//! `oikos run`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use oikos_runner::kernel::{
    record::{EventKind, Filter},
    world::wire::{LineType, log_lines},
};
use oikos_runner::{
    Address, Goal, Journal, Live, Notice, RunError, Stop, Stopped, Subscription, Summary,
    Wanted as LinesWanted, Why, Workplace,
    config::{Lasts, WorldFile},
    measure, quoted, report,
};
use serde_json::{Map, Value};

use super::{
    Usage,
    help::Typed,
    line::{self, Line, LineKind},
    log, stop_on_signal, tell_notes, warning, world_file_at,
};
use crate::{
    args::OverrideArgs,
    print::{self, Printer},
    status::ExitStatus,
    summary,
};

/// Any type of event.
const ANY: &str = "*";

/// How a world is to be run.
pub(super) struct Wanted {
    pub(super) db: Option<Address>,
    pub(super) no_db: bool,
    pub(super) fresh: bool,
    pub(super) events: Option<String>,
    /// Whether failing code is a failure of the command.
    pub(super) strict: bool,
    pub(super) workplace: Workplace,
}

pub(super) fn run(
    path: &Address,
    wanted: Wanted,
    overrides: &OverrideArgs,
    printer: Printer,
) -> Result<ExitStatus> {
    let Wanted { db, no_db, fresh, events, strict, workplace } = wanted;
    let wanted = events.as_deref().map(lines_wanted).transpose()?;
    let world = if is_database(path) {
        if db.is_some() || no_db || fresh || overrides.seed.is_some() || !overrides.set.is_empty() {
            bail!(Usage(with_a_file(path, overrides)));
        }
        None
    } else {
        Some(world_file_at(path, overrides)?)
    };
    let db = match &world {
        None => Some(path.clone()),
        Some(_) if no_db => None,
        Some(file) => Some(db.unwrap_or_else(|| db_of(file))),
    };
    let unit = world.as_ref().map(|file| How::unit(file.plan.lasts));
    let bar = summary::progress(
        0,
        unit.unwrap_or("so far"),
        printer.is_for_programs() || wanted.is_some() || world.is_none(),
    );
    let shown = bar.clone();
    // From here on there is something to be left in order.
    let stop = stop_on_signal(move || shown.finish_and_clear());
    let mut live = begun(&workplace, world, path, (db.as_ref(), fresh))?;
    tell_notes(&live);
    let goal = live.goal()?;
    let far = How::far(&live, goal);
    if far.before > 0 && far.before < far.whole {
        print::note(&format!("going on with {} at {}", named(db.as_ref()), far.words()));
    }
    bar.set_length(far.whole);
    bar.set_position(far.before);
    if let Some(wanted) = wanted.as_ref().filter(|_| live.world().is_new()) {
        tell_founding(&mut live, wanted, printer)?;
    }
    let since = live.world().seq();
    let told = wanted.map(|lines| live.sequencer.subscribe(lines, since)).transpose()?;
    // Places in code are told by the authors' files: those of the code that is there as the run begins.
    let (authors, before) = (live.file.source.authors(), live.world().clone());
    let named = |traceback: &str| authors.named(&before, traceback);
    let stopped = std::thread::scope(|scope| {
        let telling = told.map(|events| scope.spawn(|| tell(events, &stop, printer, &named)));
        let run = || {
            live.run_to_end(goal, &stop, |now, ticks| {
                bar.set_position(match goal {
                    Goal::Ticks(_) => ticks,
                    Goal::Time(end) => far.whole.saturating_sub(seconds(end.ms() - now.ms())),
                });
            })
        };
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        // Also after a panic: the thread that tells of events waits for more until this.
        live.sequencer.close_subscriptions();
        let stopped = stopped.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let told = telling.map_or(Ok(Ok(())), std::thread::ScopedJoinHandle::join);
        let told = told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A fault of the world comes first: it is why there is nothing more to tell.
        let stopped = stopped?;
        told.map(|()| stopped)
    });
    bar.finish_and_clear();
    let stopped = stopped?;
    let has_failed = finish(&mut live, db.as_ref(), stopped, printer)?;
    Ok(match stopped {
        Stopped::Asked(why) => ExitStatus::Asked(why),
        _ if strict && has_failed => ExitStatus::No,
        Stopped::Ticks | Stopped::Duration | Stopped::Until | Stopped::Turns | Stopped::Budget => {
            ExitStatus::Done
        }
    })
}

/// The world of a database, or that of a world file: founded, or gone on with; in memory where there is no database.
pub(super) fn begun(
    workplace: &Workplace,
    world: Option<WorldFile>,
    path: &Address,
    (db, fresh): (Option<&Address>, bool),
) -> Result<Live, RunError> {
    match (world, db) {
        (None, _) => workplace.open(Journal::open(path)?),
        (Some(file), None) => workplace.found(file, Journal::in_memory),
        // The old world is moved aside in the moment in which the new one is whole.
        (Some(file), Some(db)) if fresh => workplace.found(file, || Journal::create_afresh(db)),
        (Some(file), Some(db)) => workplace.open_or_found(file, db),
    }
}

/// Whether a path is that of a world database rather than a world file.
pub(super) fn is_database(path: &Address) -> bool {
    match path {
        Address::Postgres(_) => true,
        Address::File(_) => !is_named_as_file(path) && Journal::holds_world(path).unwrap_or(false),
    }
}

/// Whether a path has the name of a world file.
pub(super) fn is_named_as_file(path: &Address) -> bool {
    path.as_file().and_then(Path::extension).is_some_and(|extension| extension == "toml")
}

/// The database of a world file, where none is named.
pub(super) fn db_of(file: &WorldFile) -> Address {
    Address::File(PathBuf::from(format!("{}.oikos", file.plan.name)))
}

/// The sentence for options that go with a world file alone.
fn with_a_file(db: &Address, overrides: &OverrideArgs) -> String {
    let sentence =
        "--db, --no-db, --fresh, --seed and --set go with a world file, and this is a world database";
    let mut fork = format!("oikos fork {} --at WHEN --to FILE", quoted(&db.to_string()));
    fork.extend(overrides.seed.map(|seed| format!(" --seed {seed}")));
    fork.extend(overrides.set.iter().map(|pair| format!(" --set {}", quoted(pair))));
    format!("{sentence}; a world that goes on under other rules is made by: {fork}")
}

/// The name of a database.
fn named(db: Option<&Address>) -> String {
    db.map_or_else(|| "the world in memory".into(), |db| db.to_string())
}

/// Prints the events of a founding that are wanted.
fn tell_founding(live: &mut Live, wanted: &LinesWanted, printer: Printer) -> Result<()> {
    let Some(filter) = &wanted.events else { return Ok(()) };
    let world = live.world().clone();
    let mut lines = Vec::new();
    let journal = live.sequencer.journal()?;
    journal.records(1, |record| {
        let of_record = log_lines(&world, &record).into_iter().filter_map(Line::read);
        lines.extend(of_record.filter(|line| match (line.kind, filter.kind) {
            (LineKind::Event(kind), wanted) => wanted.is_none_or(|wanted| wanted == kind),
            (LineKind::Other(_), _) => false,
        }));
        Ok::<_, RunError>(())
    })?;
    drop(journal);
    for line in line::together(lines, printer) {
        log::show(&line, printer)?;
    }
    Ok(())
}

/// The events of a type, the output of code, or all of it.
fn lines_wanted(kind: &str) -> Result<LinesWanted> {
    let print = LineType::Print.as_str();
    if kind != ANY {
        log::known("--events", kind, EventKind::words().chain([print, ANY]))?;
    }
    let filter = Filter { kind: EventKind::from_word(kind), ..Filter::default() };
    Ok(LinesWanted { events: (kind != print).then_some(filter), prints: [print, ANY].contains(&kind) })
}

/// Prints events as they come. Where they can't be printed, nothing more is to happen.
fn tell(
    events: Subscription,
    stop: &Stop,
    printer: Printer,
    named: &(impl Fn(&str) -> String + Sync),
) -> Result<()> {
    for notice in events {
        let told = match notice? {
            Notice::Event(event) => Line::read(event).map_or(Ok(()), |mut line| {
                line.name_files(named);
                log::show(&line, printer)
            }),
            Notice::Gap { since, until } => {
                print::note(&format!("the events of the records {} to {until} came too fast", since + 1));
                Ok(())
            }
        };
        if let Err(error) = told {
            stop.ask(Why::ClosedPipe);
            // The run ends for it, and says so.
            return if error.nobody_reads() { Ok(()) } else { Err(error.into()) };
        }
    }
    Ok(())
}

/// How far a run is, in ticks or in seconds of world time.
struct How {
    before: u64,
    whole: u64,
    unit: &'static str,
}

impl How {
    fn unit(lasts: Lasts) -> &'static str {
        match lasts {
            Lasts::Ticks(_) => "ticks",
            Lasts::Ms(_) => "s of world time",
        }
    }

    fn far(live: &Live, goal: Goal) -> Self {
        let unit = Self::unit(live.file.plan.lasts);
        match goal {
            Goal::Ticks(whole) => Self { before: live.ticks_done().unwrap_or(0), whole, unit },
            Goal::Time(end) => {
                let left = seconds(end.ms() - live.sequencer.now().ms());
                let before = seconds(live.ran_ms());
                Self { before, whole: before.saturating_add(left), unit }
            }
        }
    }

    fn words(&self) -> String {
        match self.unit {
            "ticks" => format!("tick {} of {}", self.before, self.whole),
            unit => format!("{} of {} {unit}", self.before, self.whole),
        }
    }
}

fn seconds(ms: i64) -> u64 {
    u64::try_from(ms / 1_000).unwrap_or(0)
}

/// Says how the run ended, and answers whether code failed in it.
fn finish(live: &mut Live, db: Option<&Address>, stopped: Stopped, printer: Printer) -> Result<bool> {
    let measures: Vec<_> = live.file.measures.clone();
    let taken = measure::take_all(&mut live.sequencer, &measures)?;
    for (name, problem) in taken.iter().filter_map(|(name, value)| Some((name, value.as_ref().err()?))) {
        print::note(&format!("note: the measure `{name}` has no value: {problem}"));
    }
    let head = live.sequencer.head();
    let world = live.world().clone();
    let journal = live.sequencer.journal()?;
    let totals = Summary::read(&journal, &world).map_err(RunError::from)?;
    drop(journal);
    let warnings = warning::of(live, &totals, db);
    if printer.is_for_programs() {
        let mut report = report::state(live.world(), &head.journal_hash);
        if let Value::Object(map) = &mut report {
            let numbers: Map<String, Value> = taken
                .into_iter()
                .map(|(name, value)| (name, value.map_or(Value::Null, Value::from)))
                .collect();
            map.insert("measures".into(), Value::Object(numbers));
            if let Some(ticks) = live.ticks_done() {
                map.insert("ticks".into(), ticks.into());
            }
            map.insert("agents".into(), report::states(live.world()));
            map.insert("health".into(), report::health(live.world()));
            let told = warnings.iter().map(|warning| warning.whole.clone());
            map.insert("warnings".into(), told.collect());
            map.insert("finished".into(), stopped.is_done().into());
            map.insert("stopped".into(), stopped.word().into());
        }
        printer.value(&report)?;
    } else {
        printer.data(|| Value::Null, || summary::text(live, &totals, &taken, db))?;
    }
    if let (Some(until), Some(problem)) = (&live.file.plan.until, &live.untold) {
        print::note(&format!("`until` ({}) could not be told: {problem}", until.text));
    }
    match stopped {
        Stopped::Ticks | Stopped::Duration => {}
        Stopped::Until => {
            let text = live.file.plan.until.as_ref().map_or("", |until| &until.text);
            print::note(&format!("ended by `until`: {text}"));
        }
        Stopped::Turns => {
            print::note(&format!(
                "clients are to decide for their agents; they do so in `oikos session {}`",
                db.map_or_else(|| "WORLD".into(), |db| quoted(&db.to_string()))
            ));
        }
        Stopped::Budget => print::note(
            "the money for models does not reach for the next answer; the same command goes on with more of it: \
             `[llm] budget`, or `--max-cost` where that was given",
        ),
        Stopped::Asked(_) if db.is_none() => print::note("stopped; nothing of the world is kept"),
        Stopped::Asked(_) => {
            let again = Typed::now().without("--fresh");
            print::note(&format!("stopped; this goes on from here: {again}"));
        }
    }
    warnings.iter().for_each(|warning| print::warning(&warning.text, Some(&warning.help)));
    Ok(warnings.iter().any(|warning| warning.is_failure))
}
