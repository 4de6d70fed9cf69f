//! `oikos sweep`, and `oikos runs`, which is a process that makes its runs.

mod elsewhere;

use std::{
    fmt::Write as _,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use indicatif::ProgressStyle;
use oikos_runner::{Journal, Stop, Workplace, config::Isolation, counted, show_dollars};
use oikos_sweep::{Ended, Folder, Launch, Plan, Progress, Row, Setup, SweepError, Wanted, Written};
use serde_json::{Value, json};

use super::{Usage, stop_on_signal, workplace, world_file};
use crate::{
    args::{
        ElsewhereCommand, IsolationArg, KeepArg, OverrideArgs, SweepArgs, TapeArg, WantedArgs, WorkplaceArgs,
    },
    print::{self, Printer},
    progress,
    status::ExitStatus,
    summary,
    table::{Column, table},
};

/// Rows of each table.
const ROWS: usize = 20;
/// Cells of a sweep file that `validate` founds.
const CELLS_FOUNDED: usize = 100;
/// Where no terminal shows a bar: so many lines tell how far the sweep is.
const LINES: usize = 10;

/// The error as a command tells it: a line that can't be meant, or a fault.
fn told(error: SweepError) -> anyhow::Error {
    match error {
        SweepError::Run(error) => error.into(),
        SweepError::Usage(sentence) => Usage(sentence).into(),
        error => error.into(),
    }
}

/// Reads the sweep that is wanted, and the name of its folder.
fn read(arguments: WantedArgs) -> Result<(Plan, PathBuf)> {
    let WantedArgs { file, seeds, set, design, samples, design_seed, out, keep } = arguments;
    let keeps_worlds = matches!(keep, Some(KeepArg::Worlds));
    let file = file.unwrap_or_default();
    let wanted = Wanted { file, seeds, set, design, samples, design_seed, keeps_worlds };
    let plan = Plan::read(&wanted).map_err(told)?;
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{}-sweep", plan.name)));
    Ok((plan, out))
}

pub(super) fn sweep(arguments: SweepArgs, printer: Printer) -> Result<ExitStatus> {
    let SweepArgs { elsewhere, wanted, jobs, dry_run, workplace } = arguments;
    match elsewhere {
        None => {}
        Some(ElsewhereCommand::Plan { wanted, max_cost }) => {
            return elsewhere::plan(wanted, max_cost, printer);
        }
        Some(ElsewhereCommand::Run { dir, index, workplace }) => {
            return elsewhere::run(&dir, index, workplace, printer);
        }
        Some(ElsewhereCommand::Merge { dir }) => return elsewhere::merge(&dir, printer),
    }
    let (plan, out) = read(wanted)?;
    if dry_run {
        printer.data(|| listed(&plan), || listed_text(&plan))?;
        return Ok(ExitStatus::Done);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = jobs.map_or(cores, std::num::NonZero::get);
    let setup = Setup {
        jobs: jobs.min(plan.count()).max(1),
        workers: (cores / jobs).max(1),
        launch: launch(&workplace)?,
        max_cost: workplace.max_cost,
        workplace: workplace::of(workplace),
    };
    let mut folder = Folder::open(&out, &plan).map_err(told)?;
    let telling = Telling::new(&plan, printer);
    let shown = telling.bar.clone();
    let stop = stop_on_signal(move || shown.finish_and_clear());
    let ended = make(&plan, &mut folder, &setup, &stop, &telling);
    telling.bar.finish_and_clear();
    let (ended, progress) = ended?;
    match ended {
        Ended::Asked(why) => {
            let (made, all) = (progress.made, plan.count());
            if printer.is_for_programs() {
                printer.value(&report(&plan, &out, progress, why.word(), &[]))?;
            }
            print::note(&format!(
                "stopped; {made} of {all} runs are done, and the same command goes on from here"
            ));
            Ok(ExitStatus::Asked(why))
        }
        Ended::Done => finish(&plan, &mut folder, progress, None, printer),
    }
}

/// Writes the tables and the report of a sweep whose runs all have their row. Those of a plan `again` are those which
/// would be made again.
fn finish(
    plan: &Plan,
    folder: &mut Folder,
    progress: Progress,
    again: Option<&[u64]>,
    printer: Printer,
) -> Result<ExitStatus> {
    let mut written = oikos_sweep::write(plan, folder).map_err(told)?;
    written.files.push(oikos_sweep::write_report(plan, folder, &written).map_err(told)?);
    let (stopped, out) = (if progress.unpaid > 0 { "budget" } else { "done" }, folder.path());
    printer.data(
        || {
            let mut report = report(plan, out, progress, stopped, &written.files);
            if let (Some(again), Some(report)) = (again, report.as_object_mut()) {
                report.insert("again".into(), json!(again));
            }
            report
        },
        || text(plan, out, progress, &written, again),
    )?;
    Ok(if progress.failed > 0 { ExitStatus::No } else { ExitStatus::Done })
}

fn make(
    plan: &Plan,
    folder: &mut Folder,
    setup: &Setup,
    stop: &Stop,
    telling: &Telling,
) -> Result<(Ended, Progress)> {
    let mut begun = false;
    let mut tell = |progress: Progress, _: &Row| {
        if !std::mem::replace(&mut begun, true) {
            telling.begin(progress.before);
        }
        telling.tell(progress);
    };
    oikos_sweep::carry_out(plan, folder, setup, stop, &mut tell).map_err(told)
}

/// Tells how far a sweep is: by a bar, or by lines where there is no terminal.
struct Telling {
    bar: summary::Bar,
    all: usize,
    by_lines: bool,
}

impl Telling {
    fn new(plan: &Plan, printer: Printer) -> Self {
        let bar = summary::progress(plan.count() as u64, "runs", printer.is_for_programs());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs{msg}  {elapsed} (left {eta})");
        // Programs have a line of their own.
        style.into_iter().filter(|_| !progress::are_asked()).for_each(|style| bar.set_style(style));
        let by_lines = !printer.is_for_programs() && !std::io::stderr().is_terminal();
        Self { bar, all: plan.count(), by_lines }
    }

    fn begin(&self, before: usize) {
        if before > 0 {
            let sentence = format!("going on at run {} of {}", before + 1, self.all);
            self.bar.suspend(|| print::note(&sentence));
        }
        self.bar.set_position(before as u64);
        self.bar.reset_eta();
    }

    fn tell(&self, progress: Progress) {
        self.bar.set_message(words(progress));
        self.bar.set_position(progress.made as u64);
        let line = |made: usize| made * LINES / self.all.max(1);
        if self.by_lines && line(progress.made) > line(progress.made - 1) {
            let eta = self.bar.eta().as_secs();
            let left = if progress.made < self.all { format!(", {eta} s left") } else { String::new() };
            print::note(&format!("{} of {} runs{}{left}", progress.made, self.all, words(progress)));
        }
    }
}

/// Failures and dollars, where there are any.
fn words(progress: Progress) -> String {
    let mut text = String::new();
    if progress.failed > 0 {
        let _ = write!(text, ", {} failed", progress.failed);
    }
    if progress.unpaid > 0 {
        let _ = write!(text, ", {} without money", progress.unpaid);
    }
    if progress.cost > 0 {
        let _ = write!(text, ", {}", show_dollars(progress.cost));
    }
    text
}

/// How a process that makes runs is started: this program, with the same workplace.
fn launch(workplace: &WorkplaceArgs) -> Result<Launch> {
    let program =
        workplace::program().ok_or_else(|| anyhow::anyhow!("this program's own file can't be found"))?;
    let mut arguments = vec!["make-runs".to_owned()];
    if let Some(isolation) = workplace.isolation {
        let word = match isolation {
            IsolationArg::Thread => "thread",
            IsolationArg::Process => "process",
        };
        arguments.extend(["--isolation".into(), word.into()]);
    }
    if let Some(tape) = workplace.tape {
        let word = match tape {
            TapeArg::Auto => "auto",
            TapeArg::Replay => "replay",
            TapeArg::Record => "record",
        };
        arguments.extend(["--tape".into(), word.into()]);
    }
    Ok(Launch { program, arguments })
}

/// `oikos runs`.
pub(super) fn serve(workplace: &Workplace) -> Result<ExitStatus> {
    oikos_sweep::serve(workplace)?;
    Ok(ExitStatus::Done)
}

fn report(plan: &Plan, out: &Path, progress: Progress, stopped: &str, files: &[PathBuf]) -> Value {
    let Progress { made, failed, unpaid, before, cost } = progress;
    json!({
        "ok": true, "out": out, "command": plan.command, "cells": plan.cells.len(), "seeds": plan.seeds.len(),
        "runs": plan.count(), "done": made - failed - unpaid, "failed": failed, "unpaid": unpaid, "before": before,
        "micro_dollars": cost, "finished": made == plan.count() && unpaid == 0, "stopped": stopped, "files": files,
    })
}

fn text(plan: &Plan, out: &Path, progress: Progress, written: &Written, again: Option<&[u64]>) -> String {
    let Progress { made, failed, unpaid, .. } = progress;
    let cells = plan.cells.len();
    let mut text = format!(
        "{}: {} in {}, {} done{}",
        plan.name,
        counted(made, "run"),
        counted(cells, "cell"),
        made - failed - unpaid,
        words(progress)
    );
    let measures: Vec<_> =
        written.lines.iter().filter(|line| line.minus.is_none() && !line.is_count).collect();
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let rows = measures.iter().take(ROWS).map(|line| {
        let interval = line.figures.interval;
        let between = interval.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.4} … {high:.4}"));
        let (name, settings) = (line.measure.clone(), settings(plan, line.cell));
        vec![name, settings, line.figures.n.to_string(), figure(line.figures.mean), between]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        let columns = [
            Column::Name("Measure"),
            Column::Text("cell"),
            Column::Number("n"),
            Column::Number("mean"),
            Column::Number("95 % interval"),
        ];
        let _ = write!(text, "\n\n{}", table(&columns, &rows));
        let left_out = measures.len().saturating_sub(ROWS);
        if left_out > 0 {
            let _ = write!(text, "\n… and {left_out} more in {}", out.join("summary.csv").display());
        }
    }
    if failed > 0 {
        let _ =
            write!(text, "\n\n{} failed; the column `reason` of runs.csv says why", counted(failed, "run"));
    }
    if unpaid > 0 {
        let goes_on = if again.is_some() {
            "each goes on by `sweep run` with more --max-cost for it"
        } else {
            "the same command with a higher --max-cost goes on"
        };
        let runs = counted(unpaid, "run");
        let _ = write!(text, "\n\nthe money for models did not reach for {runs}; {goes_on}");
    }
    if let Some(again) = again.filter(|again| !again.is_empty()) {
        let _ = write!(text, "\n\nto be made again: {}", elsewhere::ranges(again));
    }
    let names = written.files.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy());
    let names: Vec<_> = names.collect();
    let _ = write!(text, "\n\nresults  {}: {}", out.display(), names.join(" "));
    text
}

/// The settings of a cell in words.
fn settings(plan: &Plan, cell: u64) -> String {
    let set = plan.cell(cell).map(|cell| cell.set.as_slice()).unwrap_or_default();
    set.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// The runs in the order of the tables.
fn runs(plan: &Plan) -> impl Iterator<Item = (u64, u64)> + '_ {
    let cells = plan.cells.len() as u64;
    (1..=cells).flat_map(|cell| plan.seeds.iter().map(move |seed| (cell, *seed)))
}

fn listed(plan: &Plan) -> Value {
    let run = |(cell, seed): (u64, u64)| {
        let set = plan.cell(cell).map(|cell| cell.set.as_slice()).unwrap_or_default();
        let set: serde_json::Map<String, Value> =
            set.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        json!({ "cell": cell, "seed": seed, "set": set, "problem": plan.cell(cell).and_then(|cell| cell.problem.clone()) })
    };
    let all: Vec<Value> = runs(plan).map(run).collect();
    json!({ "command": plan.command, "cells": plan.cells.len(), "seeds": plan.seeds.len(), "runs": all })
}

fn listed_text(plan: &Plan) -> String {
    let rows: Vec<Vec<String>> = runs(plan)
        .take(ROWS)
        .map(|(cell, seed)| vec![cell.to_string(), seed.to_string(), settings(plan, cell)])
        .collect();
    let columns = [Column::Number("Cell"), Column::Number("seed"), Column::Text("settings")];
    let mut text = table(&columns, &rows);
    if plan.count() > ROWS {
        let _ = write!(text, "\n… and {} more; --json has all", plan.count() - ROWS);
    }
    for (number, cell) in (1..).zip(&plan.cells) {
        if let Some(problem) = &cell.problem {
            let _ = write!(text, "\ncell {number} can't be run: {problem}");
        }
    }
    let all = counted(plan.count(), "run");
    let _ = write!(text, "\n\n{all} would be made; nothing was run.\n{}", plan.command);
    text
}

/// `oikos validate` of a sweep file: its own words, and the world of each cell.
pub(super) fn validate(path: &Path, overrides: &OverrideArgs, printer: Printer) -> Result<ExitStatus> {
    if overrides.seed.is_some() {
        bail!(Usage("--seed goes with a world file, and this is a sweep file".into()));
    }
    let wanted = Wanted { file: path.into(), set: overrides.set.clone(), ..Wanted::default() };
    let plan = Plan::read(&wanted).map_err(told)?;
    let thread = Some(Isolation::Thread);
    let workplace = Workplace { isolation: thread, ..workplace::of(WorkplaceArgs::default()) };
    let mut problems = Vec::new();
    for (number, cell) in (1..).zip(&plan.cells) {
        let set = cell.set.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let problem = match &cell.problem {
            Some(problem) => Some(problem.clone()),
            None if number > CELLS_FOUNDED => None,
            None => {
                let file = world_file(&plan.world, &OverrideArgs { seed: None, set })?;
                workplace.found(file, Journal::in_memory).err().map(|error| error.to_string())
            }
        };
        problems.extend(
            problem.map(|problem| format!("cell {number} ({}): {problem}", settings(&plan, number as u64))),
        );
    }
    if !problems.is_empty() {
        let left_out = problems.len().saturating_sub(ROWS);
        let more = (left_out > 0).then(|| format!("… and {left_out} cells more"));
        let shown: Vec<String> = problems.into_iter().take(ROWS).chain(more).collect();
        bail!(Usage(shown.join("\n")));
    }
    let (cells, seeds, runs) = (plan.cells.len(), plan.seeds.len(), plan.count());
    printer.data(
        || json!({ "ok": true, "name": plan.name, "sweep": true, "cells": cells, "seeds": seeds, "runs": runs }),
        || {
            let (cells, seeds, runs) = (counted(cells, "cell"), counted(seeds, "seed"), counted(runs, "run"));
            format!("a sweep of {} is fine: {cells}, {seeds}, {runs}", plan.name)
        },
    )?;
    Ok(ExitStatus::Done)
}
