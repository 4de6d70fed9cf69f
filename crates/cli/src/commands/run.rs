//! `oikos run`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use oikos_runner::{Journal, Live, RunError, Stopped, Summary, config::WorldFile, measure, report};
use serde_json::{Map, Value};

use super::{Usage, stop_on_interrupt, world_file};
use crate::{args::OverrideArgs, print, summary};

pub(super) fn run(
    path: &Path,
    db: Option<PathBuf>,
    fresh: bool,
    overrides: &OverrideArgs,
    json: bool,
) -> Result<bool> {
    let file = world_file(path, overrides)?;
    let db = db.unwrap_or_else(|| PathBuf::from(format!("{}.oikos", file.plan.name)));
    let mut live = if fresh { start_over(file, &db)? } else { go_on(file, path, &db)? };
    let ticks = live.file.plan.ticks;
    let before = live.ticks_done();
    if before > 0 && before < ticks {
        print::note(&format!("going on with {} at tick {before} of {ticks}", db.display()));
    }
    let stop = stop_on_interrupt();
    let bar = summary::progress(ticks, "ticks", json);
    bar.set_position(before);
    let stopped = live.run_until(ticks, &stop, |live| bar.set_position(live.ticks_done()));
    bar.finish_and_clear();
    let stopped = stopped?;
    finish(&mut live, &db, stopped, json)?;
    Ok(true)
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
            map.insert("ticks".into(), live.ticks_done().into());
            map.insert("finished".into(), (stopped == Stopped::Done).into());
        }
        print::json(&report);
    } else {
        let totals = Summary::read(live.sequencer.journal(), live.world()).map_err(RunError::from)?;
        print::line(&summary::text(live, &totals, &taken, db));
    }
    if stopped == Stopped::Interrupted {
        print::note("stopped; the same command goes on from here");
    }
    Ok(())
}

/// Founds the world anew. The old one is moved aside when nothing but the disk can fail any more.
fn start_over(file: WorldFile, db: &Path) -> Result<Live> {
    let mut aside = None;
    let live = Live::found(file, || {
        aside = Journal::set_aside(db)?;
        Journal::create(db)
    });
    if let Some(aside) = aside {
        print::note(&format!("the old world is now {}", aside.display()));
    }
    Ok(live?)
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
