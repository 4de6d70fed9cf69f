//! All printing: data on standard output, talk on standard error.

use std::io::Write as _;

use anstream::{eprintln, stdout};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use oikos_runner::Why;
use serde_json::Value;

/// An error, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// Something worth knowing beside the data.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A line of data. A reader that has gone away ends the command quietly.
pub(crate) fn line(text: &str) {
    if try_line(text).is_err() {
        std::process::exit(Why::ClosedPipe.exit_code().into());
    }
}

/// A line of data, for whom the end of its reader is not the end of all.
pub(crate) fn try_line(text: &str) -> std::io::Result<()> {
    writeln!(stdout(), "{text}")
}

/// One JSON value on one line.
pub(crate) fn json(value: &Value) {
    line(&value.to_string());
}

/// A JSON value for people.
pub(crate) fn pretty(value: &Value) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Rows under a heading; columns whose heading ends in `#` are numbers, aligned right.
pub(crate) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading.iter().map(|name| name.trim_end_matches('#')));
    for row in rows {
        table.add_row(row);
    }
    for (at, name) in heading.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            if name.ends_with('#') {
                column.set_cell_alignment(CellAlignment::Right);
            }
            column.set_padding((if at == 0 { 0 } else { 2 }, 0));
        }
    }
    let text: Vec<String> = table.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    text.join("\n")
}

/// A number with its thousands apart.
pub(crate) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}
