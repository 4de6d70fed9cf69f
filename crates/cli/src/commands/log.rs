//! `oikos log`.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Result, bail};
use oikos_runner::kernel::{
    id::nearest,
    op_kind::OpKind,
    record::Record,
    world::{
        World,
        wire::{LineType, log_lines, think_line},
    },
};
use oikos_runner::{Address, Journal, RunError, When, recorded_source};

use super::{
    Usage,
    line::{Line, LineKind, together},
};
use crate::{print::Printer, status::ExitStatus};

/// How often a world is looked at for more.
const POLL: Duration = Duration::from_millis(200);

/// From where to where, and how many lines.
pub(super) struct Span {
    pub(super) since: When,
    pub(super) until: Option<When>,
    pub(super) limit: Option<u64>,
    pub(super) tail: Option<usize>,
    pub(super) follow: bool,
}

/// Which lines are wanted.
pub(super) struct Wanted {
    pub(super) span: Span,
    pub(super) kind: Option<String>,
    pub(super) of: Option<String>,
    pub(super) refused: bool,
    pub(super) thoughts: bool,
}

pub(super) fn log(path: &Address, wanted: &Wanted, printer: Printer) -> Result<ExitStatus> {
    // Asked before it is read: what comes after the end of its writer is nothing.
    let mut is_written = wanted.span.follow && Journal::is_written(path);
    let mut journal = super::reading(path)?;
    let mut world = oikos_runner::state(&journal)?;
    check(&world, wanted)?;
    let since = super::place_of(&journal, wanted.span.since)?;
    let until = wanted.span.until.map_or(Ok(u64::MAX), |when| super::place_of(&journal, when))?;
    let until = until.min(world.seq());
    let authors = recorded_source(&journal)?.authors();
    let told = |world: &World, record: &Record| -> Vec<Line> {
        let mut lines: Vec<Line> = lines(world, record, wanted);
        lines.iter_mut().for_each(|line| line.name_files(|traceback| authors.named(world, traceback)));
        lines
    };
    print_until(&journal, &world, (since, until), wanted, printer, &told)?;
    while is_written {
        std::thread::sleep(POLL);
        is_written = Journal::is_written(path);
        journal.refresh().map_err(RunError::from)?;
        let mut shown = Ok(());
        oikos_runner::go_on(&mut world, &journal, |world, record| {
            for line in together(told(world, record), printer) {
                shown = show(&line, printer);
                if shown.is_err() {
                    return false;
                }
            }
            true
        })?;
        shown?;
    }
    Ok(ExitStatus::Done)
}

/// Prints the lines of the records after one up to another.
fn print_until(
    journal: &Journal,
    world: &World,
    (since, until): (u64, u64),
    wanted: &Wanted,
    printer: Printer,
    lines: &impl Fn(&World, &Record) -> Vec<Line>,
) -> Result<()> {
    let mut left = wanted.span.limit.unwrap_or(u64::MAX);
    let mut kept: VecDeque<Line> = VecDeque::new();
    let mut told = Ok(());
    // Nothing comes after the last record.
    let read = journal.records_while(since.min(journal.head().seq) + 1, |record| {
        if record.seq > until {
            // Another process has gone on with the world meanwhile; it may name what is not known here.
            return false;
        }
        for line in together(lines(world, &record), printer) {
            if left == 0 {
                return false;
            }
            left -= 1;
            match wanted.span.tail {
                Some(tail) => {
                    kept.push_back(line);
                    kept.drain(..kept.len().saturating_sub(tail));
                }
                None => told = show(&line, printer),
            }
            if told.is_err() {
                return false;
            }
        }
        true
    });
    read.map_err(RunError::from)?;
    told?;
    Ok(kept.iter().try_for_each(|line| show(line, printer))?)
}

/// Refuses a filter that could match no line of any log.
fn check(world: &World, wanted: &Wanted) -> Result<()> {
    if let Some(kind) = wanted.kind.as_deref() {
        if wanted.refused {
            known("--type", kind, OpKind::ALL.map(OpKind::as_str).into_iter())?;
        } else {
            known("--type", kind, LineKind::words())?;
        }
    }
    if let Some(of) = wanted.of.as_deref().filter(|of| world.lookup(of).is_none()) {
        let hint = "`oikos inspect WORLD artifacts` lists what there is";
        let of: String = of.chars().take(128).collect();
        bail!(Usage(format!("--of: there never was an artifact `{of}`; {hint}")));
    }
    Ok(())
}

/// Refuses a type that there is not.
pub(super) fn known(flag: &str, kind: &str, types: impl Iterator<Item = &'static str>) -> Result<()> {
    let types: Vec<&str> = types.collect();
    if types.contains(&kind) {
        return Ok(());
    }
    let hint = match nearest(kind, types.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the types are {}", types.join(", ")),
    };
    let kind: String = kind.chars().take(64).collect();
    bail!(Usage(format!("{flag}: there is no type of event `{kind}`; {hint}")))
}

/// The lines of a record that are wanted. The reasons of a step come before what came of it; they are wanted with
/// any of its lines, and for their own sake.
fn lines(world: &World, record: &Record, wanted: &Wanted) -> Vec<Line> {
    let of_record = log_lines(world, record).into_iter().filter_map(Line::read);
    let mut lines: Vec<Line> = of_record.filter(|line| fits(line, wanted)).collect();
    let are_theirs = wanted.kind.as_deref().and_then(LineKind::from_word) == Some(THINK) && !wanted.refused;
    if wanted.thoughts || are_theirs {
        let think = think_line(world, record).and_then(Line::read);
        let think = think.filter(|line| !lines.is_empty() || fits(line, wanted));
        lines.splice(0..0, think);
    }
    lines
}

/// The kind of a line with reasons.
const THINK: LineKind = LineKind::Other(LineType::Think);

/// `--type` is that of a line; with `--refused` it is the op that was refused.
fn fits(line: &Line, wanted: &Wanted) -> bool {
    let is_of_type = wanted.kind.as_deref().is_none_or(|kind| {
        if wanted.refused {
            line.field("op") == Some(kind)
        } else {
            LineKind::from_word(kind) == Some(line.kind)
        }
    });
    let is_about = |of: &str| ["actor", "artifact", "to"].iter().any(|name| line.field(name) == Some(of));
    is_of_type && (!wanted.refused || line.error().is_some()) && wanted.of.as_deref().is_none_or(is_about)
}

/// Prints a line of the log.
pub(super) fn show(line: &Line, printer: Printer) -> Result<(), crate::print::Unprinted> {
    printer.data(|| line.whole.clone(), || line.text(printer.columns()))
}
