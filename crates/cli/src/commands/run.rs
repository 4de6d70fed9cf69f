//! `oikos run`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use oikos_runner::kernel::record::{EventKind, Filter};
use oikos_runner::{
    Goal, Journal, Live, Notice, RunError, Stopped, Subscription, Summary, config::WorldFile, measure, report,
};
use serde_json::{Map, Value};

use super::{Usage, log, stop_on_interrupt, world_file};
use crate::{args::OverrideArgs, print, summary};

/// Any type of event.
const ANY: &str = "*";

pub(super) fn run(
    path: &Path,
    db: Option<PathBuf>,
    fresh: bool,
    events: Option<&str>,
    overrides: &OverrideArgs,
    json: bool,
) -> Result<bool> {
    let wanted = events.map(wanted).transpose()?;
    let file = world_file(path, overrides)?;
    let db = db.unwrap_or_else(|| PathBuf::from(format!("{}.oikos", file.plan.name)));
    let mut live = if fresh { start_over(file, &db)? } else { go_on(file, path, &db)? };
    live.notes.iter().for_each(|note| print::note(&note.to_string()));
    let goal = live.goal();
    let far = How::far(&live, goal);
    if far.before > 0 && far.before < far.whole {
        print::note(&format!("going on with {} at {}", db.display(), far.words()));
    }
    let stop = stop_on_interrupt();
    let bar = summary::progress(far.whole, far.unit, json || wanted.is_some());
    bar.set_position(far.before);
    let start_ms = live.world().rules().start.ms();
    let since = live.world().seq();
    let told = wanted.map(|filter| live.sequencer.subscribe(filter, since)).transpose()?;
    let stopped = std::thread::scope(|scope| {
        let telling = told.map(|events| scope.spawn(move || tell(events, json)));
        let run = || {
            live.run_until(goal, &stop, |now, ticks| {
                bar.set_position(match goal {
                    Goal::Ticks(_) => ticks,
                    Goal::Time(_) => seconds(now.ms() - start_ms),
                });
            })
        };
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        // Whatever happened: who tells of events waits for more until this.
        live.sequencer.close_subscriptions();
        let stopped = stopped.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match telling.map(|telling| telling.join()) {
            Some(Ok(told)) => told.and(stopped),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => stopped,
        }
    });
    bar.finish_and_clear();
    let stopped = stopped?;
    finish(&mut live, &db, stopped, json)?;
    Ok(true)
}

/// The events of a type, or of any.
fn wanted(kind: &str) -> Result<Filter> {
    if kind != ANY {
        log::known("--events", kind, EventKind::words().chain([ANY]))?;
    }
    Ok(Filter { kind: EventKind::from_word(kind), ..Filter::default() })
}

/// Prints events as they come.
fn tell(events: Subscription, json: bool) -> Result<(), RunError> {
    for notice in events {
        match notice? {
            Notice::Event(event) => log::show(&event, json),
            Notice::Gap { since, until } => {
                print::note(&format!("the events of the records {} to {until} came too fast", since + 1));
            }
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
    fn far(live: &Live, goal: Goal) -> Self {
        let rules = live.world().rules();
        match goal {
            Goal::Ticks(whole) => Self { before: live.ticks_done().unwrap_or(0), whole, unit: "ticks" },
            Goal::Time(end) => Self {
                before: seconds(live.sequencer.now().ms() - rules.start.ms()),
                whole: seconds(end.ms() - rules.start.ms()),
                unit: "s of world time",
            },
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

fn finish(live: &mut Live, db: &Path, stopped: Stopped, json: bool) -> Result<()> {
    let measures: Vec<_> = live.file.measures.clone();
    let taken: Vec<(String, Result<f64, String>)> = measures
        .iter()
        .map(|measure| (measure.name.clone(), measure::take(&mut live.sequencer, measure)))
        .collect();
    for (name, problem) in taken.iter().filter_map(|(name, value)| Some((name, value.as_ref().err()?))) {
        print::note(&format!("note: the measure `{name}` has no value: {problem}"));
    }
    let head = live.sequencer.head();
    if json {
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
            map.insert("agents".into(), summary::states(live));
            map.insert("finished".into(), (stopped == Stopped::Done).into());
        }
        print::json(&report);
    } else {
        let world = live.world().clone();
        let totals = Summary::read(live.sequencer.journal()?, &world).map_err(RunError::from)?;
        print::line(&summary::text(live, &totals, &taken, db));
    }
    if stopped == Stopped::Interrupted {
        print::note("stopped; the same command goes on from here");
    }
    Ok(())
}

/// Founds the world anew. The old one is moved aside in the moment in which the new one is whole.
fn start_over(file: WorldFile, db: &Path) -> Result<Live> {
    Ok(Live::found(file, || Journal::create_afresh(db))?)
}

fn go_on(file: WorldFile, path: &Path, db: &Path) -> Result<Live> {
    Live::open_or_found(file, db).map_err(|error| match error {
        RunError::Differs { .. } => {
            let again = format!("oikos run {} --db {} --fresh", path.display(), db.display());
            let help = format!("to start over and keep the old world aside: {again}");
            Usage(format!("{error}\n  = help: {help}")).into()
        }
        other => other.into(),
    })
}
