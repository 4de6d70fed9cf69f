//! Sweeps elsewhere: a plan in a folder, runs that are made one by one by any process that has the folder, and the
//! same tables in the end.
//!
//! `plan.json` has the sweep in its first line and a run in each line after it. The row of run K stands in
//! `rows/T/K.jsonl`, where T is its thousand; the process that makes the run holds a lock on that file.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use oikos_runner::{
    RunError,
    config::{self, Overrides},
    library,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    error::SweepError,
    folder::{Folder, PLAN, check_empty, locked, time_line, write_rows, write_times},
    head::{FORM, Head, maker},
    order::{Row, source_hash},
    plan::Plan,
    rows::{Places, Run, first_line, json_line, write_whole},
};

/// The end of the first line of a plan, after which its runs follow.
const RUNS: &str = ",\"runs\":[";
/// Files of rows in one folder.
const FOLDED: u64 = 1_000;

/// The first line of a plan.
#[derive(Debug, Serialize, Deserialize)]
struct First {
    form: u32,
    version: String,
    runtime: String,
    max_cost: Option<u64>,
    /// The world file, from the folder of the plan where it can be named from there.
    world: PathBuf,
    plan: Plan,
}

/// The program that made a plan; the rest of another's first line may have another form.
#[derive(Debug, Deserialize)]
struct Made {
    version: String,
    runtime: String,
}

/// The first line of the rows of a run.
#[derive(Debug, Serialize)]
struct OfRun<'a> {
    form: u32,
    plan: &'a str,
    index: u64,
}

/// A sweep whose runs are made one by one.
#[derive(Debug)]
pub struct Planned {
    path: PathBuf,
    hash: String,
    /// The sweep.
    pub plan: Plan,
    /// The most micro-dollars that models may be paid in all runs together.
    pub max_cost: Option<u64>,
}

/// The tables can be made, or runs are missing.
#[derive(Debug)]
pub enum Merged {
    /// Every run has its row, and these would be made again.
    Whole(Folder, Vec<u64>),
    /// Runs that have no row yet.
    Missing(Vec<u64>),
}

impl Planned {
    /// Writes the plan of a sweep into a folder; one that holds the same plan stays as it is.
    ///
    /// # Errors
    /// When it holds something else, another process has it, or it can't be read or written.
    pub fn write(path: &Path, plan: Plan, max_cost: Option<u64>) -> Result<Self, SweepError> {
        let head = Head::of(&plan);
        check_place(path, &head)?;
        fs::create_dir_all(path).map_err(|error| SweepError::unwritten(path, &error))?;
        let _lock = locked(path)?;
        check_place(path, &head)?;
        let file = path.join(PLAN);
        let text = |path: &Path| {
            let sentence = || {
                SweepError::Usage(format!("`{}`: a plan can't name a path that is no UTF-8", path.display()))
            };
            path.to_str().map(PathBuf::from).ok_or_else(sentence)
        };
        text(&plan.world)?;
        let (version, runtime) = (env!("CARGO_PKG_VERSION").into(), oikos_runner::runtime_name());
        let world = text(&from(path, &plan.world)?)?;
        let first = First { form: FORM, version, runtime, max_cost, world, plan };
        let unwritten = |error: std::io::Error| SweepError::unwritten(&file, &error);
        let opening = opening(&first);
        if !file.exists() || first_line(&file)? != format!("{opening}\n").as_bytes() {
            write_whole(&file, |file| {
                writeln!(file, "{opening}").map_err(unwritten)?;
                lines(&first.plan).try_for_each(|line| writeln!(file, "{line}")).map_err(unwritten)
            })?;
        }
        let hash = head.hash();
        Ok(Self { path: path.into(), hash, plan: first.plan, max_cost })
    }

    /// Reads the plan of a folder.
    ///
    /// # Errors
    /// When there is none, it was made by another version, or it can't be read.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let file = path.join(PLAN);
        if !file.is_file() {
            return Err(SweepError::Usage(format!(
                "there is no plan of a sweep in `{0}`\n  = help: oikos sweep plan FILE --out {0}",
                path.display()
            )));
        }
        let First { max_cost, world, mut plan, .. } = read_first(path)?;
        let hash = Head::of(&plan).hash();
        plan.place = path.join(world);
        Ok(Self { path: path.into(), hash, plan, max_cost })
    }

    /// The run of a number from 0 on.
    ///
    /// # Errors
    /// When there is none.
    pub fn run(&self, index: u64) -> Result<(u64, u64), SweepError> {
        let run = usize::try_from(index).ok().and_then(|index| self.plan.runs().nth(index));
        run.ok_or_else(|| {
            SweepError::Usage(format!(
                "there is no run {index}: those of `{}` are numbered from 0 to {}",
                self.path.display(),
                self.plan.count().saturating_sub(1)
            ))
        })
    }

    /// The part of the money that each run with models may spend: all have as much.
    #[must_use]
    pub fn share(&self) -> Option<u64> {
        let cells = self.plan.cells.iter().filter(|cell| cell.has_models).count();
        let runs = u64::try_from(cells * self.plan.seeds.len()).unwrap_or(u64::MAX);
        self.max_cost.map(|most| most / runs.max(1))
    }

    /// The folder of one run, for the process that makes it. It `waits` where another one is at it.
    ///
    /// # Errors
    /// When there is no such run, the world file is not that of the plan, or a file can't be read or written.
    pub fn folder(&self, index: u64, waits: impl FnOnce()) -> Result<Folder, SweepError> {
        let (run, path) = (self.run(index)?, self.rows_of(index));
        let unwritten = |error: std::io::Error| SweepError::unwritten(&path, &error);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritten)?;
        let options = OpenOptions::new().read(true).append(true).create(true).clone();
        let mut file = options.open(&path).map_err(unwritten)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waits();
                file.lock().map_err(unwritten)?;
            }
            Err(TryLockError::Error(error)) => return Err(unwritten(error)),
        }
        if !self.is_begun(&path, index)? {
            // A first line that was cut short is written anew.
            let begun = file.set_len(0).and_then(|()| writeln!(file, "{}", self.first_of(index)));
            begun.and_then(|()| file.sync_all()).map_err(unwritten)?;
        }
        let folder = Folder::of_run(&self.path, run, path, file)?;
        if !folder.is_final(run) {
            self.check_world(run)?;
        }
        Ok(folder)
    }

    fn rows_of(&self, index: u64) -> PathBuf {
        self.path.join("rows").join((index / FOLDED).to_string()).join(format!("{index}.jsonl"))
    }

    fn first_of(&self, index: u64) -> String {
        json_line(&OfRun { form: FORM, plan: &self.hash, index })
    }

    /// Whether the file of a run has its first line; that of another plan is refused.
    fn is_begun(&self, path: &Path, index: u64) -> Result<bool, SweepError> {
        let line = first_line(path)?;
        match line.strip_suffix(b"\n") {
            None => Ok(false),
            Some(line) if line == self.first_of(index).as_bytes() => Ok(true),
            Some(_) => Err(SweepError::Usage(format!(
                "`{}` has a row of another plan than `{}`\n  = help: plan this sweep in another folder, or remove that file",
                path.display(),
                self.path.join(PLAN).display()
            ))),
        }
    }

    /// Refuses a world file that is another one than when the sweep was planned.
    fn check_world(&self, run: Run) -> Result<(), SweepError> {
        let Some(cell) = self.plan.cell(run.0).filter(|cell| cell.problem.is_none()) else { return Ok(()) };
        let overrides = Overrides { seed: None, set: cell.set.clone() };
        let loaded = config::load(&self.plan.place, &overrides, library::founders());
        if source_hash(&loaded.map_err(RunError::from)?) == cell.source {
            return Ok(());
        }
        Err(SweepError::Usage(format!(
            "`{}`, or a file that it names, has changed since the sweep was planned\n  = help: undo that, or plan the sweep \
             anew in another folder",
            self.plan.place.display()
        )))
    }

    /// Puts the rows of all runs together, where all are there.
    ///
    /// # Errors
    /// When another process does so, or a file can't be read or written.
    pub fn merge(&self) -> Result<Merged, SweepError> {
        let lock = locked(&self.path)?;
        self.check_lines()?;
        let mut runs: Vec<(Run, u64)> = self.plan.runs().zip(0..).collect();
        runs.sort_unstable();
        let (mut missing, mut again, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (run, index) in &runs {
            let path = self.rows_of(*index);
            let is_there = path.is_file() && self.is_begun(&path, *index)?;
            let mut row = None;
            if is_there {
                Places::read(&path, &BTreeSet::from([*run]))?.each(&path, |found| {
                    row = Some((found.is_final, time_line(&found, found.seconds.unwrap_or(0.0))));
                    Ok(())
                })?;
            }
            match row {
                None => missing.push(*index),
                Some((is_final, time)) => {
                    times.push(time);
                    again.extend((!is_final).then_some(*index));
                }
            }
        }
        missing.sort_unstable();
        again.sort_unstable();
        if !missing.is_empty() {
            return Ok(Merged::Missing(missing));
        }
        write_rows(&self.path, &self.plan, |give| {
            runs.iter().try_for_each(|(run, index)| {
                let path = self.rows_of(*index);
                let places = Places::read(&path, &BTreeSet::from([*run]))?;
                places.each(&path, |row| give(&Row { seconds: None, ..row }))
            })
        })?;
        write_times(&self.path, &times)?;
        Ok(Merged::Whole(Folder::with_rows(&self.path, &self.plan, lock)?, again))
    }

    /// Refuses a plan whose lines are not those of its sweep any more: runs are made by the first alone.
    fn check_lines(&self) -> Result<(), SweepError> {
        let path = self.path.join(PLAN);
        let unread = |error: std::io::Error| SweepError::unread(&path, &error);
        let mut reader = BufReader::new(File::open(&path).map_err(unread)?);
        let mut line = String::new();
        reader.read_line(&mut line).map_err(unread)?;
        for (number, expected) in (2..).zip(lines(&self.plan)) {
            line.clear();
            reader.read_line(&mut line).map_err(unread)?;
            if line.trim_end() != expected {
                let problem = "it is not that of the sweep in line 1".to_owned();
                return Err(SweepError::Damaged { path, line: number, problem });
            }
        }
        Ok(())
    }
}

/// Refuses a folder with another sweep, or with other files.
fn check_place(path: &Path, head: &Head) -> Result<(), SweepError> {
    if !path.join(PLAN).exists() {
        return check_empty(path, &[PLAN]);
    }
    head.check(&Head::of(&read_first(path)?.plan), path)
}

/// The first line of the plan in a folder, which this version made.
fn read_first(path: &Path) -> Result<First, SweepError> {
    let file = path.join(PLAN);
    let line = first_line(&file)?;
    let damaged = |problem: String| SweepError::Damaged { path: file.clone(), line: 1, problem };
    let text = String::from_utf8(line).map_err(|error| damaged(error.to_string()))?;
    let Some(text) = text.trim_end().strip_suffix(RUNS) else {
        return Err(damaged("it is not the beginning of a plan".into()));
    };
    let (text, wrong) = (format!("{text}}}"), |error: serde_json::Error| damaged(error.to_string()));
    let Made { version, runtime } = serde_json::from_str(&text).map_err(wrong)?;
    let here = maker(env!("CARGO_PKG_VERSION"), &oikos_runner::runtime_name());
    let there = maker(&version, &runtime);
    if here != there {
        return Err(SweepError::Usage(format!(
            "the sweep in `{}` was planned by {there}, and this is {here}\n  = help: make its runs by that one, or plan it \
             anew in another folder",
            path.display()
        )));
    }
    serde_json::from_str(&text).map_err(wrong)
}

fn opening(first: &First) -> String {
    let text = json_line(first);
    format!("{}{RUNS}", text.strip_suffix('}').unwrap_or(&text))
}

/// The lines of the runs, and the last line.
fn lines(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    let last = plan.count().saturating_sub(1);
    let line = move |(index, (cell, seed)): (usize, Run)| {
        let set = plan.cell(cell).map(|cell| cell.set.as_slice()).unwrap_or_default();
        let set: serde_json::Map<_, _> =
            set.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        let comma = if index < last { "," } else { "" };
        format!("{}{comma}", json!({ "index": index, "cell": cell, "seed": seed, "set": set }))
    };
    plan.runs().enumerate().map(line).chain(["]}".to_owned()])
}

/// A file as it is named from a folder, so that both may stand elsewhere together; by its whole path where they have
/// nothing above them in common.
fn from(folder: &Path, file: &Path) -> Result<PathBuf, SweepError> {
    let whole = |path: &Path| fs::canonicalize(path).map_err(|error| SweepError::unread(path, &error));
    let (folder, file) = (whole(folder)?, whole(file)?);
    let shared = folder.components().zip(file.components()).take_while(|(one, other)| one == other).count();
    if folder.components().take(shared).all(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Ok(file);
    }
    let up = folder.components().skip(shared).map(|_| std::path::Component::ParentDir);
    Ok(up.chain(file.components().skip(shared)).collect())
}
