//! `oikos report`.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use oikos_runner::{Address, RunError, When, Workplace, number, quoted};
use oikos_views::{Beside, Past, Sheet, Unshown, sheet};
use serde_json::json;

use super::Usage;
use crate::{print::Printer, status::ExitStatus};

/// The report that is wanted, as it was typed.
pub(super) struct Wanted {
    pub(super) at: Option<When>,
    pub(super) beside: Option<Address>,
    pub(super) out: PathBuf,
    pub(super) force: bool,
}

pub(super) fn report(
    path: &Address,
    wanted: &Wanted,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let journal = super::reading(path)?;
    let head = journal.head().seq;
    let seq = wanted.at.map_or(Ok(head), |at| super::record_at(&journal, at))?;
    make_room(&wanted.out, wanted.force)?;
    let bar = crate::summary::progress(seq, "records", printer.is_for_programs());
    super::clear_on_signal(&bar);
    let world =
        if seq == head { oikos_runner::state(&journal)? } else { oikos_runner::state_at(&journal, seq)? };
    let past = Past::read(&journal, &world, |seq| bar.set_position(seq))?;
    let beside = wanted.beside.as_ref().map(|other| beside(&journal, other, workplace)).transpose()?;
    bar.finish_and_clear();
    let file = quoted(&path.to_string());
    let made =
        sheet(&Sheet { world: &world, past: &past, journal: &journal, file: &file, beside: beside.as_ref() });
    let page = made.map_err(|error| match error {
        Unshown::Fault(error) => error.into(),
        other => anyhow::Error::new(other),
    })?;
    let page = page.into_string();
    write(&wanted.out, page.as_bytes())?;
    printer.data(
        || json!({ "ok": true, "seq": seq, "time": world.now().to_string(), "file": wanted.out, "bytes": page.len() }),
        || {
            let bytes = number(page.len());
            let end = if seq == head { ", its end" } else { "" };
            format!(
                "wrote {}: the world after record {}{end}, in {bytes} bytes",
                wanted.out.display(),
                number(seq)
            )
        },
    )?;
    Ok(ExitStatus::Done)
}

/// Another world, as it ends, beside this one.
fn beside(journal: &oikos_runner::Journal, other: &Address, workplace: &Workplace) -> Result<Beside> {
    let there = super::reading(other)?;
    let comparison = oikos_runner::compare(workplace, journal, &there)?;
    Ok(Beside::of(other.to_string(), &there, comparison)?)
}

/// Refuses a name that something has, unless that may be replaced.
fn make_room(out: &Path, force: bool) -> Result<()> {
    let file = out.display();
    match fs::symlink_metadata(out) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("`{file}` can't be looked at")),
        Ok(meta) if meta.is_dir() => bail!(Usage(format!("--out: `{file}` is a folder; name a file in it"))),
        Ok(_) if force => Ok(()),
        Ok(_) => bail!(Usage(format!(
            "--out: `{file}` is there already; --force replaces it, or name another file"
        ))),
    }
}

/// Writes a file that takes its name when it is whole and on disk.
fn write(out: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = out.as_os_str().to_owned();
    beside.push(format!(".{}.partial", std::process::id()));
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, out)
    });
    if written.is_err() {
        // Half a page would be taken for a whole one.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(RunError::from).with_context(|| format!("`{}` can't be written", out.display()))
}
