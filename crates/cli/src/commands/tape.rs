//! `oikos tape`: the answers of models leave a world as a file, and come into one.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufWriter, ErrorKind, IntoInnerError, Read as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use oikos_runner::kernel::{limits::TAPE_FILE_BYTES_MAX, tape::Taped};
use oikos_runner::{Address, Journal, RunError, counted};
use serde_json::json;

use super::Usage;
use crate::{
    print::{self, Printer},
    status::ExitStatus,
};

pub(super) fn export(world: &Address, file: Option<&Path>, printer: Printer) -> Result<ExitStatus> {
    let journal = super::reading(world)?;
    let Some(path) = file else {
        journal.tape::<anyhow::Error>(None, |row| Ok(printer.line(&row.to_line())?))?;
        return Ok(ExitStatus::Done);
    };
    let file =
        File::options().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Usage(format!("`{}` is there already", path.display())).into(),
            _ => anyhow::Error::new(error).context(failed(path)),
        })?;
    let written = write(&journal, file, path);
    if written.is_err() {
        // Half a tape would be taken for a whole one.
        let _ = std::fs::remove_file(path);
    }
    let rows = written?;
    printer.data(
        || json!({ "ok": true, "rows": rows, "file": path }),
        || format!("wrote {} to {}", counted(rows, "row"), path.display()),
    )?;
    Ok(ExitStatus::Done)
}

fn failed(path: &Path) -> String {
    format!("`{}` can't be written", path.display())
}

/// Writes the rows to a file; gives how many there are.
fn write(journal: &Journal, file: File, path: &Path) -> Result<usize> {
    let mut lines = BufWriter::new(file);
    let mut rows = 0;
    journal.tape::<anyhow::Error>(None, |row| {
        rows += 1;
        writeln!(lines, "{}", row.to_line()).with_context(|| failed(path))
    })?;
    let file = lines.into_inner().map_err(IntoInnerError::into_error);
    file.and_then(|file| file.sync_all()).with_context(|| failed(path))?;
    Ok(rows)
}

pub(super) fn import(world: &Address, path: &Path, printer: Printer) -> Result<ExitStatus> {
    let rows = read(path)?;
    let askings: HashSet<_> = rows.iter().map(|row| (&row.agent, row.hash, row.n)).collect();
    let (askings, in_file) = (askings.len(), rows.len());
    let mut journal = Journal::open(world).map_err(RunError::from)?;
    journal.notes().iter().for_each(|note| print::note(&note.to_string()));
    let added = journal.import_tape(&rows).map_err(RunError::from).context("nothing was added")?;
    let (kept, repeated) = (askings - added, in_file - askings);
    printer.data(
        || json!({ "ok": true, "added": added, "kept": kept, "repeated": repeated }),
        || {
            let again = match repeated {
                0 => String::new(),
                1 => "\n1 row of the file repeats another".into(),
                more => format!("\n{more} rows of the file repeat others"),
            };
            format!("added {} to the tape of {}; {kept} were there{again}", counted(added, "row"), world)
        },
    )?;
    Ok(ExitStatus::Done)
}

/// The rows of a tape file.
fn read(path: &Path) -> Result<Vec<Taped>> {
    let wrong = |problem: String| Usage(format!("`{}`: {problem}; nothing was added", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    let most = u64::try_from(TAPE_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > TAPE_FILE_BYTES_MAX {
        bail!(wrong(format!("a tape file has at most {TAPE_FILE_BYTES_MAX} bytes; bring it in by parts")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let until = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(until).filter(|byte| **byte == b'\n').count() + 1;
        wrong(format!("line {line}: it is no UTF-8"))
    })?;
    let rows = Taped::from_lines(&text);
    Ok(rows.map_err(|(line, problem)| wrong(format!("line {line}: {problem}")))?)
}
