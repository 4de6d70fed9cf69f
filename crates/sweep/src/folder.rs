//! The folder of a sweep: each run is stored in one step.
//!
//! Where all runs are made here, one process at a time writes to it, and the rows stand in `sweep.jsonl`; when all are
//! there, their lines are put in order, so that the same sweep makes the same file. Where they are made elsewhere
//! (`planned`), each has a file of its own, and one process at a time makes it.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    error::SweepError,
    head::Head,
    order::Row,
    plan::Plan,
    rows::{Rows, Run, first_line, json_line, write_whole},
};

pub(crate) const ROWS: &str = "sweep.jsonl";
pub(crate) const PLAN: &str = "plan.json";
const LOCK: &str = ".lock";
const TIMINGS: &str = "timings.csv";
/// The columns of the wall times, which are told and never read.
const TIMES: &str = "cell,seed,seconds,status";
/// Where worlds stand that are kept, or that are not at their end.
const WORLDS: [(bool, &str); 2] = [(true, "worlds"), (false, "unfinished")];

/// The folder of a sweep, which this process writes to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    rows: Rows,
    times: Times,
    _lock: File,
}

/// The place of the wall times.
#[derive(Debug)]
enum Times {
    /// A file beside the rows, in the order in which runs ended.
    Beside(File),
    /// The row of this run, which is made by itself.
    Within(Run),
}

impl Folder {
    /// Opens the folder of a sweep whose runs are made here, or makes it.
    ///
    /// # Errors
    /// When it holds something else, another process has it, or it can't be read or written.
    pub fn open(path: &Path, plan: &Plan) -> Result<Self, SweepError> {
        if path.join(PLAN).exists() {
            return Err(SweepError::Usage(format!(
                "the sweep in `{0}` was planned, to be made run by run\n  = help: `oikos sweep run {0} --index K` makes a \
                 run, and `oikos sweep merge {0}` the tables; for a sweep of its own name another folder with --out",
                path.display()
            )));
        }
        let head = Head::of(plan);
        // Before it is locked, too: the sweep that goes on there may be another one.
        check_head(path, &head)?;
        fs::create_dir_all(path).map_err(|error| SweepError::unwritten(path, &error))?;
        let lock = locked(path)?;
        if !check_head(path, &head)? {
            write_rows(path, plan, |_| Ok(()))?;
        }
        Self::with_rows(path, plan, lock)
    }

    /// A folder that has its rows and is locked.
    pub(crate) fn with_rows(path: &Path, plan: &Plan, lock: File) -> Result<Self, SweepError> {
        let rows = Rows::open(path.join(ROWS), &plan.runs().collect())?;
        let times = Times::Beside(open_times(&path.join(TIMINGS))?);
        Ok(Self { path: path.into(), rows, times, _lock: lock })
    }

    /// A folder of which this process makes one run.
    pub(crate) fn of_run(path: &Path, run: Run, rows: PathBuf, lock: File) -> Result<Self, SweepError> {
        let rows = Rows::open(rows, &BTreeSet::from([run]))?;
        Ok(Self { path: path.into(), rows, times: Times::Within(run), _lock: lock })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this process makes a run, if it has no row.
    pub(crate) fn makes(&self, run: Run) -> bool {
        match self.times {
            Times::Beside(_) => true,
            Times::Within(only) => only == run,
        }
    }

    /// Whether a run has its row, and would end like this again.
    pub(crate) fn is_final(&self, run: Run) -> bool {
        self.rows.is_final(run)
    }

    /// The sum that models were paid in the rows of all runs, or of one.
    pub(crate) fn paid(&self, run: Option<Run>) -> u64 {
        self.rows.paid(run)
    }

    /// Stores the row of a run: when this returns, it is on disk.
    pub(crate) fn store(&mut self, row: &Row, seconds: f64) -> Result<(), SweepError> {
        match &mut self.times {
            Times::Within(_) => self.rows.store(&Row { seconds: Some(seconds), ..row.clone() }),
            Times::Beside(file) => {
                self.rows.store(row)?;
                let told = writeln!(file, "{}", time_line(row, seconds));
                told.map_err(|error| SweepError::unwritten(&self.path.join(TIMINGS), &error))
            }
        }
    }

    /// Gives every row, by cell and seed.
    pub(crate) fn each(&self, visit: impl FnMut(Row) -> Result<(), SweepError>) -> Result<(), SweepError> {
        self.rows.each(visit)
    }

    /// The row of the run that this process has made.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn only(&self) -> Result<Row, SweepError> {
        let mut only = None;
        self.each(|row| {
            only = Some(row);
            Ok(())
        })?;
        let problem = "it has no row".to_owned();
        only.ok_or_else(|| SweepError::Damaged { path: self.rows.path().into(), line: 2, problem })
    }

    /// Puts the rows in order, each run once.
    pub(crate) fn tidy(&mut self, plan: &Plan) -> Result<(), SweepError> {
        self.rows.tidy(&plan.runs().collect())?;
        // Worlds that came to their end and are not kept are gone already; those of failed runs go on another time.
        let unfinished = self.worlds(false);
        if unfinished.exists() && fs::read_dir(&unfinished).is_ok_and(|mut all| all.next().is_none()) {
            drop(fs::remove_dir(&unfinished));
        }
        Ok(())
    }

    fn worlds(&self, are_kept: bool) -> PathBuf {
        let name = WORLDS.iter().find(|(kept, _)| *kept == are_kept).map_or("", |(_, name)| name);
        self.path.join(name)
    }

    /// The database of a run, where it has one, its folder made.
    pub(crate) fn database(&self, run: Run, is_kept: bool) -> Result<PathBuf, SweepError> {
        let folder = self.worlds(is_kept);
        fs::create_dir_all(&folder).map_err(|error| SweepError::unwritten(&folder, &error))?;
        Ok(folder.join(name_of(run)))
    }

    /// Removes the database of a run that is not kept, with the files beside it.
    pub(crate) fn forget(&self, run: Run) {
        let (folder, name) = (self.worlds(false), name_of(run));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)) {
            // It is in nobody's way if it stays.
            drop(fs::remove_file(entry.path()));
        }
    }

    /// The databases of runs of this process that are not at their end.
    pub(crate) fn unfinished(&self) -> Vec<(Run, PathBuf)> {
        let all = [true, false].map(|is_kept| self.worlds(is_kept));
        let entries = all.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let named =
            entries.filter_map(|entry| Some((run_of(&entry.file_name().to_string_lossy())?, entry.path())));
        named.filter(|(run, _)| self.makes(*run) && !self.is_final(*run)).collect()
    }
}

fn name_of((cell, seed): Run) -> String {
    format!("cell-{cell}-seed-{seed}.oikos")
}

fn run_of(name: &str) -> Option<Run> {
    let (cell, seed) = name.strip_prefix("cell-")?.strip_suffix(".oikos")?.split_once("-seed-")?;
    Some((cell.parse().ok()?, seed.parse().ok()?))
}

/// Whether a folder holds this sweep; one that holds none must hold nothing else.
fn check_head(path: &Path, head: &Head) -> Result<bool, SweepError> {
    let rows = path.join(ROWS);
    if !rows.exists() {
        check_empty(path, &[ROWS, TIMINGS])?;
        return Ok(false);
    }
    let problem = |error: serde_json::Error| SweepError::Damaged {
        path: rows.clone(),
        line: 1,
        problem: error.to_string(),
    };
    let there: Head = serde_json::from_slice(&first_line(&rows)?).map_err(problem)?;
    head.check(&there, path)?;
    Ok(true)
}

/// Refuses a folder with files that no sweep has left which did not come to its first row.
pub(crate) fn check_empty(path: &Path, ours: &[&str]) -> Result<(), SweepError> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let is_ours = |name: &str| name == LOCK || ours.iter().any(|ours| name.starts_with(ours));
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.find(|name| !is_ours(name)) {
        Some(stray) => Err(SweepError::Usage(format!(
            "`{}` holds other files, such as `{stray}`, and no sweep\n  = help: name a new folder with --out",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Turns other processes away from a folder as long as the file is open.
pub(crate) fn locked(path: &Path) -> Result<File, SweepError> {
    let name = path.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| SweepError::unwritten(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SweepError::Locked(path.into())),
        Err(TryLockError::Error(error)) => Err(SweepError::unwritten(&name, &error)),
    }
}

/// Writes the rows of a sweep whole, from a giver of them.
pub(crate) fn write_rows(
    path: &Path,
    plan: &Plan,
    give: impl FnOnce(&mut dyn FnMut(&Row) -> Result<(), SweepError>) -> Result<(), SweepError>,
) -> Result<(), SweepError> {
    let rows = path.join(ROWS);
    let unwritten = |error: std::io::Error| SweepError::unwritten(&rows, &error);
    write_whole(&rows, |file| {
        writeln!(file, "{}", json_line(&Head::of(plan))).map_err(unwritten)?;
        give(&mut |row| writeln!(file, "{}", json_line(row)).map_err(unwritten))
    })
}

/// Writes the wall times of all runs anew.
pub(crate) fn write_times(path: &Path, lines: &[String]) -> Result<(), SweepError> {
    let times = path.join(TIMINGS);
    write_whole(&times, |file| {
        let mut all = std::iter::once(TIMES).chain(lines.iter().map(String::as_str));
        all.try_for_each(|line| writeln!(file, "{line}"))
            .map_err(|error| SweepError::unwritten(&times, &error))
    })
}

/// The wall time of a run, as a line.
pub(crate) fn time_line(row: &Row, seconds: f64) -> String {
    format!("{},{},{seconds:.3},{}", row.cell, row.seed, row.status.word())
}

fn open_times(path: &Path) -> Result<File, SweepError> {
    let unwritten = |error: std::io::Error| SweepError::unwritten(path, &error);
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(unwritten)?;
    if file.metadata().map_err(unwritten)?.len() == 0 {
        writeln!(file, "{TIMES}").map_err(unwritten)?;
    }
    Ok(file)
}
