//! Exports: a world's journal, its state and what was measured, as tables for other programs. The world is only read,
//! and may go on meanwhile; records are streamed, and none is kept.

mod agents;
mod rows;
mod spec;
mod state;

use std::path::{Path, PathBuf};

use oikos_journal::{AgentPart, Journal, Sample, SeriesRow};
use oikos_kernel::{
    refusal::Refusal,
    tape::{Origin, Taped},
    world::World,
};
use oikos_tables::{Column, Table};
pub use oikos_tables::{Format, TableError};

pub use self::spec::{ExportTable, reference};
use self::{
    spec::{Row as _, Text, ThoughtRow, Word},
    state::Accounts,
};
use crate::{
    anew::anew,
    config::{self, WorldFile},
    error::RunError,
    library,
    past::{each_until, recorded, recorded_source, state_at},
    workplace::Workplace,
};

/// Records between two tellings of how far it is.
const TOLD_RECORDS: u64 = 4_096;

/// The part of a world that is exported, and how.
#[derive(Clone, Debug)]
pub struct Export {
    /// The folder, which is there.
    pub folder: PathBuf,
    /// The format of its files.
    pub format: Format,
    /// The tables, each once.
    pub tables: Vec<ExportTable>,
    /// Only what comes after this record.
    pub since: u64,
    /// Up to this record, and with it; at most the journal's last.
    pub until: u64,
    /// How often accounts are shown, in milliseconds; at the end in any case.
    pub every_ms: Option<i64>,
    /// Where the series come from.
    pub series: SeriesFrom,
}

/// Where the series of an export come from.
#[derive(Clone, Debug)]
pub enum SeriesFrom {
    /// They are as the world's database has them.
    Stored,
    /// They are taken from the journal anew.
    Anew(Box<Anew>),
}

/// The measures by which series are taken anew.
#[derive(Clone, Debug)]
pub struct Anew {
    workplace: Workplace,
    file: WorldFile,
}

impl Anew {
    /// The measures of a world, and other values for keys of its world file, as `--set` has them: those of `[measures]`
    /// alone. The inner error is the refusal of another key.
    ///
    /// # Errors
    /// When the world file is missing or damaged, or can't be read with these values.
    pub fn of(
        journal: &Journal,
        set: &[(String, String)],
        workplace: &Workplace,
    ) -> Result<Result<Self, Refusal>, RunError> {
        if let Some((key, _)) = set.iter().find(|(key, _)| !key.trim_start().starts_with("measures.")) {
            let shown: String = key.chars().take(64).collect();
            let refusal = Refusal::invalid(format!("`--set {shown}` can't change a world that has been"));
            return Ok(Err(refusal.hint("keys of measures can be set here, such as measures.every=1h")));
        }
        let mut source = recorded_source(journal)?;
        source.set.extend(set.iter().cloned());
        let file = config::reload(&source, library::founders())?;
        Ok(Ok(Self { workplace: workplace.clone(), file }))
    }
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The table.
    pub table: ExportTable,
    /// The file.
    pub file: PathBuf,
    /// How many rows it has.
    pub rows: u64,
}

/// The tables that are being written; one that is not wanted is none.
struct Tables {
    open: Vec<(ExportTable, PathBuf, Table)>,
}

impl Export {
    /// The file of a table.
    #[must_use]
    pub fn file(&self, table: ExportTable) -> PathBuf {
        file(&self.folder, table, self.format)
    }
}

fn file(folder: &Path, table: ExportTable, format: Format) -> PathBuf {
    folder.join(format!("{}.{}", table.name(), format.name()))
}

impl Tables {
    /// Begins the tables; `numbers` are the columns that a world file adds to the numbers of its agents.
    fn create(wanted: &Export, numbers: &[Column]) -> Result<Self, RunError> {
        let create = |table: &ExportTable| {
            let path = wanted.file(*table);
            let more = if *table == ExportTable::AgentSeries { numbers } else { &[] };
            let made = Table::create(&path, wanted.format, [&table.columns(), more].concat())?;
            Ok::<_, RunError>((*table, path, made))
        };
        Ok(Self { open: wanted.tables.iter().map(create).collect::<Result<_, _>>()? })
    }

    /// Writes to a table, if it is wanted.
    fn with(
        &mut self,
        table: ExportTable,
        write: impl FnOnce(&mut Table) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        self.open.iter_mut().find(|(open, ..)| *open == table).map_or(Ok(()), |(_, _, table)| write(table))
    }

    fn finish(self) -> Result<Vec<Exported>, RunError> {
        let finish = |(table, file, open): (ExportTable, PathBuf, Table)| {
            Ok(Exported { table, file, rows: open.finish()? })
        };
        self.open.into_iter().map(finish).collect()
    }
}

/// Writes the tables; `visit` is told how many records are done. Files take their names only when all are whole.
///
/// # Errors
/// When the journal is damaged, or a file can't be written.
pub fn export(
    journal: &Journal,
    wanted: &Export,
    mut visit: impl FnMut(u64),
) -> Result<Vec<Exported>, RunError> {
    let end = state_at(journal, wanted.until)?;
    let numbers = match &wanted.series {
        SeriesFrom::Stored => agents::columns(&recorded(journal)?),
        SeriesFrom::Anew(anew) => agents::columns(&anew.file),
    };
    let mut tables = Tables::create(wanted, &numbers)?;
    records(journal, wanted, &end, &mut tables, &mut visit)?;
    tables.with(ExportTable::Artifacts, |table| state::artifacts(&end, table))?;
    series(journal, wanted, &numbers, &mut tables)?;
    tables.with(ExportTable::Thoughts, |table| thoughts(journal, wanted, table))?;
    tables.with(ExportTable::Meta, |table| state::meta(journal, wanted, &end, table))?;
    tables.finish()
}

/// The tables that records make, one after the other, and the accounts at their moments.
fn records(
    journal: &Journal,
    wanted: &Export,
    end: &World,
    tables: &mut Tables,
    visit: &mut dyn FnMut(u64),
) -> Result<(), RunError> {
    let has = |table: &ExportTable| wanted.tables.contains(table);
    let (accounts, of_records) = (has(&ExportTable::Accounts), rows::TABLES.iter().any(has));
    let mut walk = match wanted.every_ms.filter(|_| accounts) {
        Some(every_ms) => Some(Accounts::walk(journal, wanted.since, every_ms, end.rules().start)?),
        None => None,
    };
    if of_records || walk.is_some() {
        each_until(journal, wanted.since, wanted.until, |record| {
            if let Some(walk) = &mut walk {
                tables.with(ExportTable::Accounts, |table| walk.go(&record, table))?;
            }
            rows::of(end, &record, tables)?;
            if record.seq.is_multiple_of(TOLD_RECORDS) {
                visit(record.seq - wanted.since);
            }
            Ok(())
        })?;
    }
    tables.with(ExportTable::Accounts, |table| match &mut walk {
        Some(walk) => walk.end(table),
        None => state::accounts(end, end.now(), table),
    })
}

/// The series of the world and of its agents.
fn series(
    journal: &Journal,
    wanted: &Export,
    numbers: &[Column],
    tables: &mut Tables,
) -> Result<(), RunError> {
    let value = |row: &SeriesRow, table: &mut Table| {
        let SeriesRow { seq, time, name, value } = row;
        Ok(spec::SeriesRow { seq: int(*seq), time: *time, name: Word(name), value: *value }.push(table)?)
    };
    let part = |part: &AgentPart, table: &mut Table| agents::part(part, numbers, table);
    let is_within = |seq: u64| seq > wanted.since && seq <= wanted.until;
    let SeriesFrom::Anew(anew_by) = &wanted.series else {
        tables.with(ExportTable::Series, |table| {
            journal.series(|row| if is_within(row.seq) { value(&row, table) } else { Ok(()) })
        })?;
        return tables.with(ExportTable::AgentSeries, |table| {
            journal.agent_series(|row| if is_within(row.seq) { part(&row, table) } else { Ok(()) })
        });
    };
    let wanted_tables = [ExportTable::Series, ExportTable::AgentSeries];
    if !wanted_tables.iter().any(|table| wanted.tables.contains(table)) {
        return Ok(());
    }
    let Anew { workplace, file } = &**anew_by;
    anew(workplace, journal, file, wanted.until, |Sample { seq, time, values, agents, .. }| {
        if !is_within(seq) {
            return Ok(());
        }
        tables.with(ExportTable::Series, |table| {
            values
                .into_iter()
                .try_for_each(|(name, one)| value(&SeriesRow { seq, time, name, value: one }, table))
        })?;
        tables.with(ExportTable::AgentSeries, |table| {
            agents.into_iter().try_for_each(|rows| part(&AgentPart { seq, time, rows }, table))
        })
    })
}

fn thoughts(journal: &Journal, wanted: &Export, table: &mut Table) -> Result<(), RunError> {
    let is_whole = wanted.until == journal.head().seq;
    journal.tape(None, |row: Taped| {
        let is_within = row.seq >= wanted.since && (row.seq < wanted.until || is_whole);
        if !is_within || row.origin == Origin::Imported {
            return Ok(());
        }
        let shown = ThoughtRow {
            seq: int(row.seq),
            agent: Word(&row.agent),
            purpose: Word(row.purpose.as_str()),
            provider: Word(&row.provider),
            model: Word(&row.model),
            outcome: Word(row.outcome()),
            tokens_in: int(row.tokens_in),
            tokens_cached: int(row.tokens_cached),
            tokens_out: int(row.tokens_out),
            cost: int(row.cost),
            latency_ms: int(row.latency_ms),
            asked_at: row.asked_at,
            answered_at: row.answered_at,
            origin: Word(row.origin.as_str()),
            request: Text(&row.request),
            answer: Text(&row.answer),
        };
        Ok(shown.push(table)?)
    })
}

/// A count as a number of a table; none comes near the most there is.
fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
