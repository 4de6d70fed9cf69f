//! `oikos sweep plan`, `run` and `merge`: a sweep whose runs are made one by one, on other machines.

use std::path::Path;

use anyhow::Result;
use oikos_runner::{Why, counted};
use oikos_sweep::{Ended, Merged, Planned, Progress, Row, Setup, Status};
use serde_json::json;

use super::{finish, launch, read, told};
use crate::{
    args::{WantedArgs, WorkplaceArgs},
    commands::{stop_on_signal, workplace},
    print::{self, Printer},
    status::ExitStatus,
};

pub(super) fn plan(wanted: WantedArgs, max_cost: Option<u64>, printer: Printer) -> Result<ExitStatus> {
    let (plan, out) = read(wanted)?;
    let planned = Planned::write(&out, plan, max_cost).map_err(told)?;
    let plan = &planned.plan;
    let (cells, seeds, runs) = (plan.cells.len(), plan.seeds.len(), plan.count());
    printer.data(
        || {
            json!({ "ok": true, "out": out, "command": plan.command, "cells": cells, "seeds": seeds, "runs": runs })
        },
        || {
            let (cells, all, out) = (counted(cells, "cell"), counted(runs, "run"), out.display());
            format!(
                "{}: {all} in {cells}, in {out}/plan.json\n\noikos sweep run {out} --index K, for each K from 0 to {}, \
                 and then oikos sweep merge {out}",
                plan.name,
                runs.saturating_sub(1)
            )
        },
    )?;
    Ok(ExitStatus::Done)
}

pub(super) fn run(
    dir: &Path,
    index: u64,
    mut arguments: WorkplaceArgs,
    printer: Printer,
) -> Result<ExitStatus> {
    let planned = Planned::read(dir).map_err(told)?;
    arguments.max_cost = arguments.max_cost.or(planned.share());
    // A launcher of jobs counts cores: one for each run.
    let setup = Setup {
        jobs: 1,
        workers: 1,
        launch: launch(&arguments)?,
        max_cost: arguments.max_cost,
        workplace: workplace::of(arguments),
    };
    let waits = || print::note(&format!("another process makes run {index}; this one waits for its end"));
    let mut folder = planned.folder(index, waits).map_err(told)?;
    let stop = stop_on_signal(|| ());
    let mut tell = |_: Progress, _: &Row| {};
    let carried = oikos_sweep::carry_out(&planned.plan, &mut folder, &setup, &stop, &mut tell);
    let (ended, progress) = carried.map_err(told)?;
    if let Ended::Asked(why) = ended {
        return asked(index, why);
    }
    let row = folder.only().map_err(told)?;
    printer.data(
        || {
            json!({ "ok": true, "index": index, "cell": row.cell, "seed": row.seed, "status": row.status,
                    "reason": row.reason, "final": row.is_final, "before": progress.before > 0,
                    "micro_dollars": row.cost, "state_digest": row.state_digest, "journal_hash": row.journal_hash })
        },
        || {
            let had = if progress.before > 0 { ", as it was before" } else { "" };
            let reason = row.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            let (cell, seed, status) = (row.cell, row.seed, row.status.word());
            format!("run {index}, cell {cell}, seed {seed}: {status}{reason}{had}")
        },
    )?;
    // A row that would be the same again is all that can be had, and one that the money did not reach for is when there
    // is no more.
    Ok(if row.is_final || row.status == Status::Budget { ExitStatus::Done } else { ExitStatus::No })
}

fn asked(index: u64, why: Why) -> Result<ExitStatus> {
    print::note(&format!("stopped; the same command makes run {index}"));
    Ok(ExitStatus::Asked(why))
}

pub(super) fn merge(dir: &Path, printer: Printer) -> Result<ExitStatus> {
    let planned = Planned::read(dir).map_err(told)?;
    match planned.merge().map_err(told)? {
        Merged::Whole(mut folder, again) => {
            let progress = Progress::of(&folder).map_err(told)?;
            finish(&planned.plan, &mut folder, progress, Some(&again), printer)
        }
        Merged::Missing(missing) => {
            let (all, count) = (planned.plan.count(), missing.len());
            let told = printer.data(
                || json!({ "ok": false, "out": dir, "runs": all, "missing": missing }),
                || {
                    let (has, dir) = (if count == 1 { "has" } else { "have" }, dir.display());
                    let runs = ranges(&missing);
                    format!(
                        "{count} of {} {has} no row yet: {runs}\n\noikos sweep run {dir} --index K makes one",
                        counted(all, "run")
                    )
                },
            );
            ExitStatus::answer(false, told)
        }
    }
}

/// Numbers in order, as the arrays of clusters take them: `0,3,7-9`.
pub(super) fn ranges(all: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for number in all {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let word = |(first, last): &(u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(word).collect::<Vec<_>>().join(",")
}
