//! The files of a sweep: `runs`, `series`, `summary`.

use std::path::PathBuf;

use oikos_tables::{Column, Format, Kind, Table, Value};

use crate::{
    error::SweepError,
    figures::{COUNTS, Line, Measured, dollars, whole},
    folder::Folder,
    order::Row,
    plan::Plan,
    text::{parsed, shown},
};

/// Columns of every table of runs, before and after those of the sweep.
const BEFORE: [&str; 2] = ["cell", "seed"];
const AFTER: [&str; 4] = ["state_digest", "journal_hash", "status", "reason"];

/// The files that were written, and the figures in them.
#[derive(Debug)]
pub struct Written {
    pub(crate) measured: Measured,
    /// Each line of the summary.
    pub lines: Vec<Line>,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// Writes the tables of a sweep whose runs all have their rows, and puts the rows in order.
///
/// # Errors
/// When a file can't be read or written.
pub fn write(plan: &Plan, folder: &mut Folder) -> Result<Written, SweepError> {
    folder.tidy(plan)?;
    let measured = Measured::read(plan, folder)?;
    let lines = measured.lines();
    let mut files = vec![runs(plan, folder, &measured, Format::Parquet)?];
    files.push(runs(plan, folder, &measured, Format::Csv)?);
    files.push(series(folder)?);
    files.push(summary(plan, folder, &lines)?);
    Ok(Written { measured, lines, files })
}

/// The columns of the keys: whole numbers, numbers, truths or words, as all cells have them.
fn key_columns(plan: &Plan) -> Vec<Column> {
    let column = |(at, key): (usize, &String)| {
        let values = plan.cells.iter().filter_map(|cell| cell.set.get(at)).map(|(_, value)| parsed(value));
        let mut kinds = values.map(|value| match value {
            Some(toml::Value::Integer(_)) => Kind::Int,
            Some(toml::Value::Float(_)) => Kind::Float,
            Some(toml::Value::Boolean(_)) => Kind::Bool,
            Some(_) | None => Kind::Word,
        });
        let first = kinds.next().unwrap_or(Kind::Word);
        let kind = kinds.fold(first, |kind, next| match (kind, next) {
            (kind, next) if kind == next => kind,
            (Kind::Int | Kind::Float, Kind::Int | Kind::Float) => Kind::Float,
            _ => Kind::Word,
        });
        Column::new(key.clone(), kind)
    };
    plan.keys.iter().enumerate().map(column).collect()
}

/// A cell's value of a key.
enum Setting {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl Setting {
    fn of(text: &str, kind: Kind) -> Self {
        match (kind, parsed(text)) {
            (Kind::Int, Some(toml::Value::Integer(number))) => Self::Int(number),
            #[expect(clippy::cast_precision_loss, reason = "a column with broken numbers has no exact ones")]
            (Kind::Float, Some(toml::Value::Integer(number))) => Self::Float(number as f64),
            (Kind::Float, Some(toml::Value::Float(number))) => Self::Float(number),
            (Kind::Bool, Some(toml::Value::Boolean(is))) => Self::Bool(is),
            _ => Self::Text(shown(text)),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(number) => Value::Int(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(is) => Value::Bool(*is),
            Self::Text(text) => Value::Text(text),
        }
    }
}

/// The settings of every cell, in the order of the keys.
fn settings(plan: &Plan, columns: &[Column]) -> Vec<Vec<Setting>> {
    let of = |cell: &crate::Cell| {
        let pairs = cell.set.iter().zip(columns);
        pairs.map(|((_, value), column)| Setting::of(value, column.kind)).collect()
    };
    plan.cells.iter().map(of).collect()
}

fn of_cell<T>(all: &[Vec<T>], cell: u64) -> &[T] {
    let at = usize::try_from(cell).ok().and_then(|cell| cell.checked_sub(1));
    at.and_then(|at| all.get(at)).map_or(&[], Vec::as_slice)
}

/// A name that no other column has: a measure may have the name of one of ours, or of a key.
fn free(name: &str, taken: &mut Vec<String>) -> String {
    let mut free = name.to_owned();
    if taken.contains(&free) {
        free = format!("measure.{name}");
    }
    while taken.contains(&free) {
        free.push('_');
    }
    taken.push(free.clone());
    free
}

fn runs(plan: &Plan, folder: &Folder, measured: &Measured, format: Format) -> Result<PathBuf, SweepError> {
    let path = folder.path().join(format!("runs.{}", format.name()));
    let keys = key_columns(plan);
    let settings = settings(plan, &keys);
    let fixed = BEFORE.iter().chain(&COUNTS).chain(&AFTER).map(|name| (*name).to_owned());
    let mut taken: Vec<String> = fixed.chain(plan.keys.iter().cloned()).collect();
    let mut columns: Vec<Column> = BEFORE.map(|name| Column::new(name, Kind::Int)).into();
    columns.extend(keys);
    let measures = measured.names.iter().take(plan.measures.len());
    columns.extend(measures.clone().map(|(name, is_whole)| {
        Column::nullable(free(name, &mut taken), if *is_whole { Kind::Int } else { Kind::Float })
    }));
    let [actions, refusals, cost] = COUNTS;
    columns.extend([actions, refusals].map(|name| Column::nullable(name, Kind::Int)));
    columns.push(Column::new(cost, Kind::Float));
    let [digest, hash, status, reason] = AFTER;
    columns.extend([digest, hash].map(|name| Column::nullable(name, Kind::Text)));
    columns.extend([Column::new(status, Kind::Word), Column::nullable(reason, Kind::Word)]);
    let mut table = Table::create(&path, format, columns)?;
    folder.each(|row| {
        let mut values = vec![Value::Int(signed(row.cell)), Value::Int(signed(row.seed))];
        values.extend(of_cell(&settings, row.cell).iter().map(Setting::value));
        values.extend(measures.clone().map(|(name, is_whole)| value_of(&row, name, *is_whole)));
        values.extend([row.actions, row.refusals].map(|count| Value::from(count.map(signed))));
        values.push(Value::Float(dollars(row.cost)));
        values.extend([&row.state_digest, &row.journal_hash].map(|hash| Value::from(hash.as_deref())));
        values.extend([Value::Text(row.status.word()), Value::from(row.reason.as_deref())]);
        Ok(table.push(&values)?)
    })?;
    table.finish()?;
    Ok(path)
}

fn value_of<'a>(row: &Row, name: &str, is_whole: bool) -> Value<'a> {
    let value = row.measures.iter().find(|(measure, _)| measure == name).and_then(|(_, value)| *value);
    match value {
        Some(number) if is_whole => Value::from(whole(number.0)),
        Some(number) => Value::Float(number.0),
        None => Value::Null,
    }
}

/// Seeds and counts are below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn series(folder: &Folder) -> Result<PathBuf, SweepError> {
    let path = folder.path().join("series.parquet");
    let columns = vec![
        Column::new("cell", Kind::Int),
        Column::new("seed", Kind::Int),
        Column::new("time", Kind::Time),
        Column::new("name", Kind::Word),
        Column::nullable("value", Kind::Float),
    ];
    let mut table = Table::create(&path, Format::Parquet, columns)?;
    folder.each(|row| {
        for (time, name, value) in &row.series {
            let value = Value::from(value.map(|value| value.0));
            let (cell, seed) = (Value::Int(signed(row.cell)), Value::Int(signed(row.seed)));
            table.push(&[cell, seed, Value::Time(*time), Value::Text(name), value])?;
        }
        Ok(())
    })?;
    table.finish()?;
    Ok(path)
}

fn summary(plan: &Plan, folder: &Folder, lines: &[Line]) -> Result<PathBuf, SweepError> {
    let path = folder.path().join("summary.csv");
    let keys = key_columns(plan);
    let settings = settings(plan, &keys);
    let mut columns = vec![Column::new("cell", Kind::Int), Column::nullable("minus", Kind::Int)];
    columns.extend(keys);
    columns.extend([Column::new("measure", Kind::Word), Column::new("n", Kind::Int)]);
    columns.extend(
        ["mean", "sd", "median", "ci95_low", "ci95_high"].map(|name| Column::nullable(name, Kind::Float)),
    );
    let mut table = Table::create(&path, Format::Csv, columns)?;
    for Line { cell, minus, measure, is_count, figures } in lines {
        // As the column of `runs` is called.
        let renamed = (!is_count && COUNTS.contains(&measure.as_str())).then(|| format!("measure.{measure}"));
        let mut row = vec![Value::Int(signed(*cell)), Value::from(minus.map(signed))];
        row.extend(of_cell(&settings, *cell).iter().map(Setting::value));
        row.extend([
            Value::Text(renamed.as_deref().unwrap_or(measure)),
            Value::Int(signed(figures.n as u64)),
        ]);
        let (low, high) = figures.interval.unzip();
        row.extend([figures.mean, figures.sd, figures.median, low, high].map(Value::from));
        table.push(&row)?;
    }
    table.finish()?;
    Ok(path)
}
