//! A file of rows: a line that says which sweep they are of, and a line for each run. A line that was cut short has
//! not been stored, and the last row of a run counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use oikos_tables::Partial;
use serde::Serialize;

use crate::{error::SweepError, order::Row};

/// A run, by its cell and seed.
pub(crate) type Run = (u64, u64);

/// Where the row of a run stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    begin: u64,
    length: usize,
    is_final: bool,
    paid: u64,
}

/// The places of the rows of a file.
#[derive(Debug, Default)]
pub(crate) struct Places {
    by_run: BTreeMap<Run, Place>,
    end: u64,
    /// Whether lines stand in another order than those of a finished sweep.
    is_loose: bool,
}

impl Places {
    /// Reads a file of rows of these runs; nothing is changed.
    pub(crate) fn read(path: &Path, known: &BTreeSet<Run>) -> Result<Self, SweepError> {
        let unread = |error: std::io::Error| SweepError::unread(path, &error);
        let mut reader = BufReader::new(File::open(path).map_err(unread)?);
        let (mut this, mut line, mut number, mut last) = (Self::default(), Vec::new(), 0_u64, None);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(unread)?;
            if length == 0 {
                break;
            }
            number += 1;
            let damaged = |problem: &str| SweepError::Damaged {
                path: path.into(),
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
                        let (begin, is_final, paid) = (this.end, row.is_final, row.paid);
                        let is_again =
                            this.by_run.insert(key, Place { begin, length, is_final, paid }).is_some();
                        this.is_loose |= is_again || last.is_some_and(|last| last > key);
                        last = Some(key);
                    }
                    // A line is stored when its end is.
                    _ if reader.fill_buf().map_err(unread)?.is_empty() && !is_whole => break,
                    Ok(_) => return Err(damaged("it has no end")),
                    Err(error) => return Err(damaged(&error.to_string())),
                }
            }
            this.end += length as u64;
        }
        Ok(this)
    }

    /// Gives every row, by cell and seed.
    pub(crate) fn each(
        &self,
        path: &Path,
        mut visit: impl FnMut(Row) -> Result<(), SweepError>,
    ) -> Result<(), SweepError> {
        let unread = |error: std::io::Error| SweepError::unread(path, &error);
        let mut reader = BufReader::new(File::open(path).map_err(unread)?);
        let mut line = Vec::new();
        for place in self.by_run.values() {
            reader.seek(SeekFrom::Start(place.begin)).map_err(unread)?;
            line.resize(place.length, 0);
            reader.read_exact(&mut line).map_err(unread)?;
            let damaged = |problem: String| SweepError::Damaged { path: path.into(), line: 0, problem };
            visit(serde_json::from_slice(&line).map_err(|error| damaged(error.to_string()))?)?;
        }
        Ok(())
    }
}

/// A file of rows that this process writes to.
#[derive(Debug)]
pub(crate) struct Rows {
    path: PathBuf,
    file: File,
    places: Places,
}

impl Rows {
    /// Opens a file that has its first line; a last line that was cut short is cut off.
    pub(crate) fn open(path: PathBuf, known: &BTreeSet<Run>) -> Result<Self, SweepError> {
        let unwritten = |error: std::io::Error| SweepError::unwritten(&path, &error);
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(unwritten)?;
        let places = Places::read(&path, known)?;
        file.set_len(places.end).map_err(unwritten)?;
        Ok(Self { path, file, places })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a run has its row, and would end like this again.
    pub(crate) fn is_final(&self, run: Run) -> bool {
        self.places.by_run.get(&run).is_some_and(|place| place.is_final)
    }

    /// The sum that models were paid in the rows of all runs, or of one.
    pub(crate) fn paid(&self, run: Option<Run>) -> u64 {
        match run {
            Some(run) => self.places.by_run.get(&run).map_or(0, |place| place.paid),
            None => self.places.by_run.values().fold(0, |sum, place| sum.saturating_add(place.paid)),
        }
    }

    /// Stores the row of a run: when this returns, it is on disk.
    pub(crate) fn store(&mut self, row: &Row) -> Result<(), SweepError> {
        let unwritten = |error: std::io::Error| SweepError::unwritten(&self.path, &error);
        let line = format!("{}\n", json_line(row));
        let stored = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        stored.map_err(unwritten)?;
        let (key, places) = ((row.cell, row.seed), &mut self.places);
        let place = Place { begin: places.end, length: line.len(), is_final: row.is_final, paid: row.paid };
        places.is_loose |= places.by_run.last_key_value().is_some_and(|(last, _)| *last >= key);
        places.by_run.insert(key, place);
        places.end += line.len() as u64;
        Ok(())
    }

    /// Gives every row, by cell and seed.
    pub(crate) fn each(&self, visit: impl FnMut(Row) -> Result<(), SweepError>) -> Result<(), SweepError> {
        self.places.each(&self.path, visit)
    }

    /// Puts the rows in order, each run once.
    pub(crate) fn tidy(&mut self, known: &BTreeSet<Run>) -> Result<(), SweepError> {
        if !self.places.is_loose {
            return Ok(());
        }
        let head = first_line(&self.path)?;
        let unwritten = |error: std::io::Error| SweepError::unwritten(&self.path, &error);
        write_whole(&self.path, |file| {
            file.write_all(&head).map_err(unwritten)?;
            self.each(|row| writeln!(file, "{}", json_line(&row)).map_err(unwritten))
        })?;
        *self = Self::open(self.path.clone(), known)?;
        Ok(())
    }
}

/// The line that says which sweep the rows of a file are of, with its end, if it has one.
pub(crate) fn first_line(path: &Path) -> Result<Vec<u8>, SweepError> {
    let mut line = Vec::new();
    let read = File::open(path).and_then(|file| BufReader::new(file).read_until(b'\n', &mut line));
    read.map_err(|error| SweepError::unread(path, &error))?;
    Ok(line)
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
pub(crate) fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a row can be written as JSON")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_could_not_be_written_whole_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows");
        let rows = |text: &'static str| {
            move |file: &mut BufWriter<Partial>| {
                file.write_all(text.as_bytes())
                    .map_err(|error| SweepError::unwritten(Path::new("rows"), &error))
            }
        };
        write_whole(&path, rows("one\ntwo\n")).expect("it is written");
        let failed = write_whole(&path, |file| {
            rows("one\n")(file)?;
            Err(SweepError::Damaged { path: "rows".into(), line: 2, problem: "it has no end".into() })
        });
        assert!(matches!(failed, Err(SweepError::Damaged { line: 2, .. })), "{failed:?}");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "one\ntwo\n");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing stands beside it");
    }
}
