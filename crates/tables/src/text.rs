//! Tables as lines of text: CSV and JSON.

use std::io::{self, BufWriter, Write};

use crate::{Column, Value, beside::Partial};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 18;

/// A table of which each row is a line.
#[derive(Debug)]
pub(crate) struct Lines {
    out: BufWriter<Partial>,
    /// Before each value of a row as JSON: `{"name":` and `,"name":`. Empty in CSV.
    keys: Vec<String>,
}

impl Lines {
    pub(crate) fn csv(file: Partial, columns: &[Column]) -> io::Result<Self> {
        let mut this = Self { out: BufWriter::with_capacity(BUFFER_BYTES, file), keys: Vec::new() };
        let names: Vec<Value<'_>> = columns.iter().map(|column| Value::Text(&column.name)).collect();
        this.push_csv(&names)?;
        Ok(this)
    }

    pub(crate) fn json(file: Partial, columns: &[Column]) -> Self {
        let key = |(place, column): (usize, &Column)| {
            let name = serde_json::Value::from(column.name.as_str());
            format!("{}{name}:", if place == 0 { '{' } else { ',' })
        };
        let keys = columns.iter().enumerate().map(key).collect();
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, file), keys }
    }

    pub(crate) fn push(&mut self, row: &[Value<'_>]) -> io::Result<()> {
        if self.keys.is_empty() { self.push_csv(row) } else { self.push_json(row) }
    }

    fn push_csv(&mut self, row: &[Value<'_>]) -> io::Result<()> {
        let out = &mut self.out;
        for (place, value) in row.iter().enumerate() {
            if place > 0 {
                out.write_all(b",")?;
            }
            match value {
                // A line without anything is none: readers pass over it.
                Value::Null if row.len() == 1 => out.write_all(b"NULL")?,
                Value::Null => (),
                Value::Int(number) => write!(out, "{number}")?,
                Value::Float(number) => write!(out, "{number:?}")?,
                Value::Bool(is) => write!(out, "{is}")?,
                Value::Time(ms) => write!(out, "{:.3}", timestamp(*ms))?,
                Value::Text(text) if needs_quotes(text) => {
                    for (place, part) in text.split('"').enumerate() {
                        out.write_all(if place == 0 { b"\"" } else { b"\"\"" })?;
                        out.write_all(part.as_bytes())?;
                    }
                    out.write_all(b"\"")?;
                }
                Value::Text(text) => out.write_all(text.as_bytes())?,
            }
        }
        out.write_all(b"\n")
    }

    fn push_json(&mut self, row: &[Value<'_>]) -> io::Result<()> {
        let out = &mut self.out;
        for (key, value) in self.keys.iter().zip(row) {
            out.write_all(key.as_bytes())?;
            match value {
                Value::Null => out.write_all(b"null")?,
                Value::Int(number) => write!(out, "{number}")?,
                Value::Float(number) => serde_json::to_writer(&mut *out, number)?,
                Value::Text(text) => serde_json::to_writer(&mut *out, text)?,
                Value::Bool(is) => write!(out, "{is}")?,
                Value::Time(ms) => write!(out, "\"{:.3}\"", timestamp(*ms))?,
            }
        }
        out.write_all(b"}\n")
    }

    pub(crate) fn finish(self) -> Result<Partial, String> {
        self.out.into_inner().map_err(|error| error.to_string())
    }
}

/// Whether a text could be taken for something else: for more fields or rows, or for none.
fn needs_quotes(text: &str) -> bool {
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b',' | b'\n' | b'\r');
    text.is_empty() || text.starts_with(' ') || text.ends_with(' ') || !text.as_bytes().iter().all(is_plain)
}

#[expect(clippy::expect_used, reason = "times of a table end with the year 9999, as its documentation says")]
fn timestamp(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).expect("a time of a table is before the year 10000")
}
