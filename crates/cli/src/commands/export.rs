//! `oikos export`.

use std::{fs, io::ErrorKind, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use oikos_runner::{
    Address, When, Workplace,
    export::{self, Anew, Export, ExportTable, Exported, Format, SeriesFrom},
    kernel::id::nearest,
    number,
};
use serde_json::{Value, json};

use super::Usage;
use crate::{
    args::FormatArg,
    print::Printer,
    status::ExitStatus,
    table::{Column, table},
};

/// The part that is wanted, as it was typed.
pub(super) struct Wanted {
    pub(super) out: PathBuf,
    pub(super) format: FormatArg,
    pub(super) tables: Vec<String>,
    pub(super) since: When,
    pub(super) until: Option<When>,
    pub(super) every_ms: Option<i64>,
    /// The keys that are set, where series are taken anew.
    pub(super) anew: Option<Vec<String>>,
    pub(super) force: bool,
}

pub(super) fn export(
    path: &Address,
    wanted: Wanted,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let tables = tables(&wanted.tables)?;
    if wanted.every_ms.is_some() && !tables.contains(&ExportTable::Accounts) {
        bail!(Usage("--every goes with the table `accounts`, which is not among those of --tables".into()));
    }
    let journal = super::reading(path)?;
    let last = journal.head().seq;
    let until = wanted.until.map_or(Ok(last), |until| super::place_of(&journal, until))?.min(last);
    let since = super::place_of(&journal, wanted.since)?;
    if since > until {
        bail!(Usage(format!("--since is after the end: record {since} comes after record {until}")));
    }
    let format = match wanted.format {
        FormatArg::Parquet => Format::Parquet,
        FormatArg::Csv => Format::Csv,
        FormatArg::Jsonl => Format::Jsonl,
    };
    let series = match &wanted.anew {
        None => SeriesFrom::Stored,
        Some(_)
            if !tables
                .iter()
                .any(|table| [ExportTable::Series, ExportTable::AgentSeries].contains(table)) =>
        {
            bail!(Usage(
                "--anew goes with the tables `series` and `agent_series`, of which --tables has none".into()
            ))
        }
        Some(set) => match Anew::of(&journal, &super::pairs(set)?, workplace)? {
            Ok(anew) => SeriesFrom::Anew(Box::new(anew)),
            Err(refusal) => bail!(Usage(refusal.exception_text())),
        },
    };
    let whole =
        Export { folder: wanted.out, format, tables, since, until, every_ms: wanted.every_ms, series };
    make_room(&whole, wanted.force)?;
    let bar = crate::summary::progress(until - since, "records", printer.is_for_programs());
    super::clear_on_signal(&bar);
    let written = export::export(&journal, &whole, |done| bar.set_position(done));
    bar.finish_and_clear();
    let written = written?;
    printer.data(|| json(&whole, &written), || text(&whole, &written))?;
    Ok(ExitStatus::Done)
}

/// The tables of those names, each once, in their own order; without any name, all.
fn tables(names: &[String]) -> Result<Vec<ExportTable>> {
    let mut tables = Vec::new();
    for name in names {
        let name = name.trim();
        let known = || ExportTable::ALL.iter().map(|table| table.name());
        let Some(table) = ExportTable::from_name(name) else {
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the tables are {}", known().collect::<Vec<_>>().join(", ")),
            };
            let name: String = name.chars().take(64).collect();
            bail!(Usage(format!("--tables: there is no table `{name}`; {hint}")));
        };
        tables.push(table);
    }
    tables.sort_unstable();
    tables.dedup();
    Ok(if names.is_empty() { ExportTable::ALL.to_vec() } else { tables })
}

/// Makes the folder; a table that is there already is replaced only where that was asked for.
fn make_room(wanted: &Export, force: bool) -> Result<()> {
    let folder = wanted.folder.display();
    match fs::metadata(&wanted.folder) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => bail!(Usage(format!("--out: `{folder}` is no folder"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(&wanted.folder).with_context(|| format!("`{folder}` can't be made"))?;
        }
        Err(error) => return Err(error).with_context(|| format!("`{folder}` can't be looked at")),
    }
    for table in &wanted.tables {
        let file = wanted.file(*table);
        match fs::symlink_metadata(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("`{}` can't be looked at", file.display()));
            }
            Ok(meta) if meta.is_dir() => {
                bail!(Usage(format!(
                    "--out: `{}` is a folder, and the table of that name can't stand there",
                    file.display()
                )))
            }
            Ok(_) if force => {}
            Ok(_) => {
                let hint = "--force replaces it, or name another folder";
                bail!(Usage(format!("--out: `{}` is there already; {hint}", file.display())))
            }
        }
    }
    Ok(())
}

fn json(wanted: &Export, written: &[Exported]) -> Value {
    let files = written.iter().map(
        |one| json!({ "table": one.table.name(), "file": one.file.display().to_string(), "rows": one.rows }),
    );
    json!({ "since": wanted.since, "until": wanted.until, "files": files.collect::<Vec<_>>() })
}

fn text(wanted: &Export, written: &[Exported]) -> String {
    let row = |one: &Exported| {
        let rows = number(one.rows);
        vec![one.table.name().to_owned(), rows, one.file.display().to_string()]
    };
    let rows: Vec<Vec<String>> = written.iter().map(row).collect();
    let columns = [Column::Word("table"), Column::Number("rows"), Column::Name("file")];
    let (since, until) = (wanted.since, wanted.until);
    format!("{}\n\nrecords {} to {until}", table(&columns, &rows), since + 1)
}
