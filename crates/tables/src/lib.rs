//! Tables in files, for other programs: typed columns, row by row, as Parquet, CSV or JSON lines.
//!
//! It knows no world. A table of any length takes a bounded amount of memory. A file stands beside its name until it is
//! whole. The same rows make the same bytes: nothing of the machine or the moment is in them.

mod beside;
mod columns;
mod text;

use std::path::{Path, PathBuf};

pub use self::beside::Partial;
use self::{columns::Columns, text::Lines};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet, compressed by Zstandard.
    Parquet,
    /// Comma-separated values under a line of names, UTF-8, as RFC 4180 has it but with `\n` at the end of a line.
    Csv,
    /// One JSON object in each line.
    Jsonl,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Parquet, Self::Csv, Self::Jsonl];

    /// Its name, which is also how names of its files end.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// The values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits, with a sign; exact in every format.
    Int,
    /// Numbers of 64 bits in binary floating point; their text reads back as the same number.
    Float,
    /// Text in UTF-8.
    Text,
    /// Text of which the same values come again and again, such as ids: in Parquet in a dictionary, as long as that
    /// pays.
    Word,
    /// True or false.
    Bool,
    /// Milliseconds since 1970 in UTC; RFC 3339 in text.
    Time,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; no two columns of a table have the same.
    pub name: String,
    /// Its values.
    pub kind: Kind,
    /// Whether a row may lack it.
    pub is_nullable: bool,
}

impl Column {
    /// A column that every row has.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, is_nullable: false }
    }

    /// A column that a row may lack.
    #[must_use]
    pub fn nullable(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, is_nullable: true }
    }
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// None: nothing at all in CSV (an empty text is `""` there), `null` in JSON.
    Null,
    /// For [`Kind::Int`].
    Int(i64),
    /// For [`Kind::Float`]. In JSON a number that is not finite is `null`.
    Float(f64),
    /// For [`Kind::Text`] and [`Kind::Word`].
    Text(&'a str),
    /// For [`Kind::Bool`].
    Bool(bool),
    /// For [`Kind::Time`], of the years up to 9999.
    Time(i64),
}

impl Value<'_> {
    fn fits(&self, column: &Column) -> bool {
        match (self, column.kind) {
            (Self::Null, _) => column.is_nullable,
            (Self::Int(_), kind) => kind == Kind::Int,
            (Self::Float(_), kind) => kind == Kind::Float,
            (Self::Text(_), kind) => matches!(kind, Kind::Text | Kind::Word),
            (Self::Bool(_), kind) => kind == Kind::Bool,
            (Self::Time(_), kind) => kind == Kind::Time,
        }
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Float)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
#[error("`{}` can't be written: {problem}", path.display())]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// The system's or the format's words.
    pub problem: String,
}

/// A table that is being written. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    columns: Vec<Column>,
    rows: u64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Parquet(Box<Columns>),
    Lines(Lines),
}

impl Table {
    /// Begins a table that will stand at `path`, in the place of any file there.
    ///
    /// # Errors
    /// When the file can't be made.
    ///
    /// # Panics
    /// When a table has no columns, or two of one name.
    pub fn create(path: &Path, format: Format, columns: Vec<Column>) -> Result<Self, TableError> {
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert!(
            !columns.is_empty() && names.len() == columns.len(),
            "a table has columns, each of another name"
        );
        let failed = |problem: String| TableError { path: path.into(), problem };
        let file = beside::Partial::create(path).map_err(|error| failed(error.to_string()))?;
        let form = match format {
            Format::Parquet => Form::Parquet(Box::new(Columns::begin(file, &columns).map_err(failed)?)),
            Format::Csv => {
                Form::Lines(Lines::csv(file, &columns).map_err(|error| failed(error.to_string()))?)
            }
            Format::Jsonl => Form::Lines(Lines::json(file, &columns)),
        };
        Ok(Self { path: path.into(), columns, rows: 0, form })
    }

    /// Adds a row, its values in the order of the columns.
    ///
    /// # Errors
    /// When the file can't be written; the table is lost then.
    ///
    /// # Panics
    /// When the values are not those of the columns.
    pub fn push(&mut self, row: &[Value<'_>]) -> Result<(), TableError> {
        assert_eq!(row.len(), self.columns.len(), "a row has a value for each column");
        for (value, column) in row.iter().zip(&self.columns) {
            assert!(value.fits(column), "{value:?} is none of the values of the column `{}`", column.name);
        }
        self.rows += 1;
        let pushed = match &mut self.form {
            Form::Parquet(columns) => columns.push(row),
            Form::Lines(lines) => lines.push(row).map_err(|error| error.to_string()),
        };
        pushed.map_err(|problem| TableError { path: self.path.clone(), problem })
    }

    /// Brings the table to disk and gives it its name; the number of its rows.
    ///
    /// # Errors
    /// When the file can't be written or named; nothing is left of it then, and a file of that name is as it was.
    pub fn finish(self) -> Result<u64, TableError> {
        let finished = match self.form {
            Form::Parquet(columns) => columns.finish(),
            Form::Lines(lines) => lines.finish(),
        };
        match finished.and_then(|file| file.keep().map_err(|error| error.to_string())) {
            Ok(()) => Ok(self.rows),
            Err(problem) => Err(TableError { path: self.path, problem }),
        }
    }
}
