//! The folder of a sweep: one process at a time writes to it, and each run is stored in one step.
//!
//! `sweep.jsonl` begins with a line that says which sweep it is; every other line is the row of a run. A line that was
//! cut short has not been stored. When all runs are there, their lines are put in order: the same sweep makes the same
//! file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions, TryLockError},
    io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use oikos_tables::Partial;
use serde::{Deserialize, Serialize};

use crate::{error::SweepError, order::Row, plan::Plan};

/// The form of the file.
const FORM: u32 = 1;
const ROWS: &str = "sweep.jsonl";
const LOCK: &str = ".lock";
const TIMINGS: &str = "timings.csv";
/// Where worlds stand that are kept, or that are not at their end.
const WORLDS: [(bool, &str); 2] = [(true, "worlds"), (false, "unfinished")];

/// The line that says which sweep a folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    form: u32,
    version: String,
    runtime: String,
    command: String,
    keeps_worlds: bool,
    seeds: Vec<u64>,
    cells: Vec<HeadCell>,
    text: String,
    files: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HeadCell {
    set: Vec<(String, String)>,
    source: String,
}

impl Head {
    fn of(plan: &Plan) -> Self {
        let cell = |cell: &crate::Cell| HeadCell { set: cell.set.clone(), source: cell.source.clone() };
        Self {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").into(),
            runtime: oikos_runner::runtime_name(),
            command: plan.command.clone(),
            keeps_worlds: plan.keeps_worlds,
            seeds: plan.seeds.clone(),
            cells: plan.cells.iter().map(cell).collect(),
            text: plan.source.text.clone(),
            files: plan.source.files.clone(),
        }
    }

    /// In which the sweep of this head differs from another, in words; the path of the world file does not count.
    fn difference(&self, other: &Self) -> Option<String> {
        let set = |head: &Self| head.cells.iter().map(|cell| cell.set.clone()).collect::<Vec<_>>();
        let named = |head: &Self| format!("oikos {} on {}", head.version, head.runtime);
        let is_same = Self { command: other.command.clone(), ..self.clone() } == *other;
        if is_same {
            return None;
        }
        Some(if named(self) != named(other) {
            format!("that one was begun by {}, and this is {}", named(other), named(self))
        } else if self.seeds != other.seeds {
            "the seeds differ".into()
        } else if set(self) != set(other) {
            "the cells differ".into()
        } else if self.keeps_worlds != other.keeps_worlds {
            "only one of them keeps its worlds".into()
        } else if self.text != other.text {
            "the world file differs".into()
        } else {
            let differing = |(name, text): &(&String, &String)| other.files.get(*name) != Some(*text);
            match self.files.iter().find(differing) {
                Some((name, _)) => format!("the file `{name}` that the world file names differs"),
                None => "a file that the world file names differs".into(),
            }
        })
    }
}

/// Where the row of a run stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    begin: u64,
    length: usize,
    is_final: bool,
    paid: u64,
}

/// The folder of a sweep, which this process writes to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file: File,
    end: u64,
    /// By cell and seed; the last row of a run counts.
    rows: BTreeMap<(u64, u64), Place>,
    timings: File,
    /// Whether lines stand in another order than those of a finished sweep.
    is_loose: bool,
    _lock: File,
}

impl Folder {
    /// Opens the folder of a sweep, or makes it.
    ///
    /// # Errors
    /// When it holds something else, another process has it, or it can't be read or written.
    pub fn open(path: &Path, plan: &Plan) -> Result<Self, SweepError> {
        let head = Head::of(plan);
        // Before it is locked, too: the sweep that goes on there may be another one.
        check_head(path, &head)?;
        fs::create_dir_all(path).map_err(|error| SweepError::unwritten(path, &error))?;
        let lock = locked(path)?;
        let rows = path.join(ROWS);
        if !check_head(path, &head)? {
            write_whole(&rows, |file| {
                writeln!(file, "{}", json_line(&head)).map_err(|error| SweepError::unwritten(&rows, &error))
            })?;
        }
        let options = OpenOptions::new().read(true).append(true).clone();
        let file = options.open(&rows).map_err(|error| SweepError::unwritten(&rows, &error))?;
        let timings = open_timings(&path.join(TIMINGS))?;
        let mut this = Self {
            path: path.into(),
            file,
            end: 0,
            rows: BTreeMap::new(),
            timings,
            is_loose: false,
            _lock: lock,
        };
        this.read_places(plan)?;
        Ok(this)
    }

    fn rows_path(&self) -> PathBuf {
        self.path.join(ROWS)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The places of all rows; a last line that was cut short is cut off.
    fn read_places(&mut self, plan: &Plan) -> Result<(), SweepError> {
        let path = self.rows_path();
        let unread = |error: std::io::Error| SweepError::unread(&path, &error);
        let known: BTreeSet<(u64, u64)> = plan.runs().collect();
        let mut reader = BufReader::new(File::open(&path).map_err(unread)?);
        let (mut begin, mut line, mut number, mut last) = (0_u64, Vec::new(), 0_u64, None);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(unread)?;
            if length == 0 {
                break;
            }
            number += 1;
            let damaged = |problem: &str| SweepError::Damaged {
                path: path.clone(),
                line: number,
                problem: problem.into(),
            };
            let is_whole = line.last() == Some(&b'\n');
            if number > 1 {
                match serde_json::from_slice::<Row>(&line) {
                    Ok(row) if is_whole => {
                        let key = (row.cell, row.seed);
                        if !known.contains(&key) {
                            return Err(damaged("it is the row of no run of this sweep"));
                        }
                        let place = Place { begin, length, is_final: row.is_final, paid: row.paid };
                        let is_again = self.rows.insert(key, place).is_some();
                        self.is_loose |= is_again || last.is_some_and(|last| last > key);
                        last = Some(key);
                    }
                    // A line is stored when its end is.
                    _ if reader.fill_buf().map_err(unread)?.is_empty() && !is_whole => break,
                    Ok(_) => return Err(damaged("it has no end")),
                    Err(error) => return Err(damaged(&error.to_string())),
                }
            }
            begin += length as u64;
        }
        self.end = begin;
        let unwritten = |error: std::io::Error| SweepError::unwritten(&path, &error);
        self.file.set_len(begin).map_err(unwritten)
    }

    /// Whether a run has its row, and would end like this again.
    pub(crate) fn is_final(&self, cell: u64, seed: u64) -> bool {
        self.rows.get(&(cell, seed)).is_some_and(|place| place.is_final)
    }

    /// The sum that models were paid in the rows of all runs, or of one.
    pub(crate) fn paid(&self, run: Option<(u64, u64)>) -> u64 {
        match run {
            Some(run) => self.rows.get(&run).map_or(0, |place| place.paid),
            None => self.rows.values().fold(0, |sum, place| sum.saturating_add(place.paid)),
        }
    }

    /// Stores the row of a run: when this returns, it is on disk.
    pub(crate) fn store(&mut self, row: &Row, seconds: f64) -> Result<(), SweepError> {
        let path = self.rows_path();
        let unwritten = |error: std::io::Error| SweepError::unwritten(&path, &error);
        let line = format!("{}\n", json_line(row));
        let stored = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        stored.map_err(unwritten)?;
        let key = (row.cell, row.seed);
        let place = Place { begin: self.end, length: line.len(), is_final: row.is_final, paid: row.paid };
        self.is_loose |= self.rows.last_key_value().is_some_and(|(last, _)| *last >= key);
        self.rows.insert(key, place);
        self.end += line.len() as u64;
        let timed = writeln!(self.timings, "{},{},{seconds:.3},{}", row.cell, row.seed, row.status.word());
        timed.map_err(|error| SweepError::unwritten(&self.path.join(TIMINGS), &error))
    }

    /// Gives every row, by cell and seed.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(Row) -> Result<(), SweepError>,
    ) -> Result<(), SweepError> {
        let path = self.rows_path();
        let unread = |error: std::io::Error| SweepError::unread(&path, &error);
        let mut reader = BufReader::new(File::open(&path).map_err(unread)?);
        let mut line = Vec::new();
        for place in self.rows.values() {
            reader.seek(SeekFrom::Start(place.begin)).map_err(unread)?;
            line.resize(place.length, 0);
            reader.read_exact(&mut line).map_err(unread)?;
            let damaged = |problem: String| SweepError::Damaged { path: path.clone(), line: 0, problem };
            visit(serde_json::from_slice(&line).map_err(|error| damaged(error.to_string()))?)?;
        }
        Ok(())
    }

    /// Puts the rows in order, each run once.
    pub(crate) fn tidy(&mut self, plan: &Plan) -> Result<(), SweepError> {
        if self.is_loose {
            let path = self.rows_path();
            let mut head = String::new();
            let read = File::open(&path).and_then(|file| BufReader::new(file).read_line(&mut head));
            read.map_err(|error| SweepError::unread(&path, &error))?;
            let unwritten = |error: std::io::Error| SweepError::unwritten(&path, &error);
            write_whole(&path, |file| {
                file.write_all(head.as_bytes()).map_err(unwritten)?;
                self.each(|row| writeln!(file, "{}", json_line(&row)).map_err(unwritten))
            })?;
            self.file = OpenOptions::new().append(true).open(&path).map_err(unwritten)?;
            self.rows.clear();
            self.is_loose = false;
            self.read_places(plan)?;
        }
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
    pub(crate) fn database(&self, run: (u64, u64), is_kept: bool) -> Result<PathBuf, SweepError> {
        let folder = self.worlds(is_kept);
        fs::create_dir_all(&folder).map_err(|error| SweepError::unwritten(&folder, &error))?;
        Ok(folder.join(name_of(run)))
    }

    /// Removes the database of a run that is not kept, with the files beside it.
    pub(crate) fn forget(&self, run: (u64, u64)) {
        let (folder, name) = (self.worlds(false), name_of(run));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)) {
            // It is in nobody's way if it stays.
            drop(fs::remove_file(entry.path()));
        }
    }

    /// The databases of runs that are not at their end.
    pub(crate) fn unfinished(&self) -> Vec<((u64, u64), PathBuf)> {
        let all = [true, false].map(|is_kept| self.worlds(is_kept));
        let entries = all.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let named =
            entries.filter_map(|entry| Some((run_of(&entry.file_name().to_string_lossy())?, entry.path())));
        named.filter(|(run, _)| !self.is_final(run.0, run.1)).collect()
    }
}

fn name_of((cell, seed): (u64, u64)) -> String {
    format!("cell-{cell}-seed-{seed}.oikos")
}

fn run_of(name: &str) -> Option<(u64, u64)> {
    let (cell, seed) = name.strip_prefix("cell-")?.strip_suffix(".oikos")?.split_once("-seed-")?;
    Some((cell.parse().ok()?, seed.parse().ok()?))
}

/// Whether a folder holds this sweep; one that holds none must hold nothing else.
fn check_head(path: &Path, head: &Head) -> Result<bool, SweepError> {
    let rows = path.join(ROWS);
    let mut line = Vec::new();
    match File::open(&rows) {
        Ok(file) => {
            let read = BufReader::new(file).read_until(b'\n', &mut line);
            read.map_err(|error| SweepError::unread(&rows, &error))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let is_ours = |name: &str| name == LOCK || name == TIMINGS || name.starts_with(ROWS);
            let stray = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            return match stray.into_iter().find(|name| !is_ours(name)) {
                Some(stray) => Err(SweepError::Usage(format!(
                    "`{}` holds other files, such as `{stray}`, and no sweep\n  = help: name a new folder with --out",
                    path.display()
                ))),
                None => Ok(false),
            };
        }
        Err(error) => return Err(SweepError::unread(&rows, &error)),
    }
    let problem =
        |error: serde_json::Error| SweepError::Damaged { path: rows, line: 1, problem: error.to_string() };
    let there: Head = serde_json::from_slice(&line).map_err(problem)?;
    match head.difference(&there) {
        None => Ok(true),
        Some(difference) => Err(SweepError::Usage(format!(
            "`{}` holds another sweep: {difference}\n  there  {}\n  here   {}\n  = help: name another folder with --out, \
             or remove that one",
            path.display(),
            there.command,
            head.command
        ))),
    }
}

fn locked(path: &Path) -> Result<File, SweepError> {
    let name = path.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| SweepError::unwritten(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SweepError::Locked(path.into())),
        Err(TryLockError::Error(error)) => Err(SweepError::unwritten(&name, &error)),
    }
}

/// The wall times, in the order in which runs ended. They are told and never read.
fn open_timings(path: &Path) -> Result<File, SweepError> {
    let unwritten = |error: std::io::Error| SweepError::unwritten(path, &error);
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(unwritten)?;
    if file.metadata().map_err(unwritten)?.len() == 0 {
        writeln!(file, "cell,seed,seconds,status").map_err(unwritten)?;
    }
    Ok(file)
}

/// Writes a file that takes its name when it is whole and on disk; where that fails, a file of that name is as it was.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<Partial>) -> Result<(), SweepError>,
) -> Result<(), SweepError> {
    let unwritten = |error: std::io::Error| SweepError::unwritten(path, &error);
    let mut file = Partial::create(path).map(BufWriter::new).map_err(unwritten)?;
    write(&mut file)?;
    let file = file.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.keep().map_err(unwritten)
}

#[expect(clippy::expect_used, reason = "all of it is text, whole numbers and lists")]
fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a row can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_could_not_be_written_whole_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(ROWS);
        let rows = |text: &'static str| {
            move |file: &mut BufWriter<Partial>| {
                file.write_all(text.as_bytes())
                    .map_err(|error| SweepError::unwritten(Path::new(ROWS), &error))
            }
        };
        write_whole(&path, rows("one\ntwo\n")).expect("it is written");
        let failed = write_whole(&path, |file| {
            rows("one\n")(file)?;
            Err(SweepError::Damaged { path: ROWS.into(), line: 2, problem: "it has no end".into() })
        });
        assert!(matches!(failed, Err(SweepError::Damaged { line: 2, .. })), "{failed:?}");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "one\ntwo\n");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing stands beside it");
    }
}
