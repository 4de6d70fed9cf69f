//! Tables for people, as wide as a terminal and no wider.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::{
    print::{COLUMNS, clean, lines_within},
    style::{self, styled},
};

/// Letters that a name keeps, and those that a line of a sentence has, however little room there is.
const NAME_CHARS_MIN: usize = 12;
const TEXT_CHARS_MIN: usize = 24;
/// Spaces between columns.
const GAP: usize = 2;

/// A column by its heading; what it holds says how it makes room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// Names, which are cut in their middle.
    Name(&'a str),
    /// Words that stay whole.
    Word(&'a str),
    /// Numbers, which stay whole and are aligned right.
    Number(&'a str),
    /// Sentences, which are broken between words.
    Text(&'a str),
}

impl Column<'_> {
    const fn heading(&self) -> &str {
        match self {
            Self::Name(heading) | Self::Word(heading) | Self::Number(heading) | Self::Text(heading) => {
                heading
            }
        }
    }

    /// The least that a column of this width can be narrowed to.
    fn least(&self, width: usize) -> usize {
        let least = match self {
            Self::Name(_) => NAME_CHARS_MIN,
            Self::Text(_) => TEXT_CHARS_MIN,
            Self::Word(_) | Self::Number(_) => width,
        };
        // A heading stays whole.
        least.max(chars(self.heading())).min(width)
    }
}

/// A column with its cells.
struct Filled<'a> {
    column: Column<'a>,
    cells: Vec<String>,
    width: usize,
}

/// Rows under a heading. Columns without any cell are left out; those for which there is no room stand below, in a
/// table of their own whose rows begin alike.
pub(crate) fn table(columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    let filled = columns.iter().enumerate().map(|(at, column)| {
        let cell = |row: &Vec<String>| clean(row.get(at).map_or("", String::as_str));
        let cells: Vec<String> = rows.iter().map(cell).collect();
        let widths = cells.iter().map(|cell| chars(cell));
        let width = widths.chain([chars(column.heading())]).max().unwrap_or(0);
        Filled { column: *column, cells, width }
    });
    let mut filled = filled.enumerate().filter(|(at, filled)| {
        *at == 0 || filled.cells.is_empty() || filled.cells.iter().any(|cell| !cell.is_empty())
    });
    let Some((_, first)) = filled.next() else { return String::new() };
    let mut rest: Vec<Filled<'_>> = filled.map(|(_, filled)| filled).collect();
    let mut parts = Vec::new();
    loop {
        let mut used = first.column.least(first.width);
        let fitting = rest.iter().take_while(|next| {
            used += GAP + next.column.least(next.width);
            used <= COLUMNS
        });
        // One that is wider than a terminal stands by itself.
        let fitting = fitting.count().max(1).min(rest.len());
        let below = rest.split_off(fitting);
        parts.push(part(&first, &rest));
        rest = below;
        if rest.is_empty() {
            return parts.join("\n\n");
        }
    }
}

/// A table that has room for its columns.
fn part(first: &Filled<'_>, rest: &[Filled<'_>]) -> String {
    let columns: Vec<&Filled<'_>> = std::iter::once(first).chain(rest).collect();
    let widths = narrowed(&columns);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|filled| filled.column.heading()));
    for at in 0..first.cells.len() {
        let cells = columns.iter().zip(&widths);
        table.add_row(cells.map(|(filled, width)| {
            let cell = filled.cells.get(at).map_or("", String::as_str);
            match filled.column {
                Column::Name(_) => cut(cell, *width),
                Column::Text(_) => lines_within(cell, *width).join("\n"),
                Column::Word(_) | Column::Number(_) => cell.to_owned(),
            }
        }));
    }
    for (at, filled) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            if matches!(filled.column, Column::Number(_)) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            column.set_padding((if at == 0 { 0 } else { 2 }, 0));
        }
    }
    let text = table.to_string();
    let lines = text.lines().map(str::trim_end).enumerate();
    // Headings are words: one line of them.
    let lines = lines.map(|(at, line)| if at == 0 { styled(style::HEADING, line) } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

/// The widths of columns within the terminal's, as far as they can be narrowed: the widest first.
fn narrowed(columns: &[&Filled<'_>]) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|filled| filled.width).collect();
    let all = widths.iter().sum::<usize>() + GAP * columns.len();
    for _ in 0..all.saturating_sub(COLUMNS + GAP) {
        let can = widths.iter_mut().zip(columns);
        let can = can.filter(|(width, filled)| **width > filled.column.least(filled.width));
        let Some(widest) = can.map(|(width, _)| width).max() else { break };
        *widest -= 1;
    }
    widths
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A text of at most so many letters, cut in its middle.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let count = chars(text);
    if count <= most {
        return text.to_owned();
    }
    let before = most / 2;
    let after = most.saturating_sub(before + 1);
    text.chars().take(before).chain(['…']).chain(text.chars().skip(count - after)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the style of headings.
    fn table(columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
        anstream::adapter::strip_str(&super::table(columns, rows)).to_string()
    }

    fn cells(row: &[&str]) -> Vec<String> {
        row.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn a_table_is_no_wider_than_a_terminal_and_loses_no_number() {
        let huge = i64::MIN.to_string();
        let name = "n".repeat(64);
        for numbers in 0..9 {
            let headings: Vec<String> = (0..numbers).map(|at| format!("resource {at} free")).collect();
            let mut columns = vec![Column::Name("agent"), Column::Name("owner"), Column::Word("state")];
            columns.extend(headings.iter().map(|heading| Column::Number(heading)));
            columns.push(Column::Text("waits for"));
            let mut row = cells(&[&name, &name, "thinking"]);
            row.extend(std::iter::repeat_n(huge.clone(), numbers));
            row.push("a word ".repeat(30));
            let text = table(&columns, &[row.clone(), row]);
            assert!(text.lines().all(|line| chars(line) <= COLUMNS), "{text}");
            assert_eq!(text.matches(&huge).count(), 2 * numbers, "{text}");
            assert_eq!(text.matches("thinking").count(), 2, "{text}");
            assert_eq!(text.matches("a word").count() + text.matches("a\n").count(), 60, "{text}");
        }
    }

    #[test]
    fn columns_that_say_nothing_are_left_out_and_the_rest_goes_below() {
        let columns = [Column::Name("a"), Column::Word("b"), Column::Number("c"), Column::Word("d")];
        let wide = "w".repeat(71);
        for (rows, shown) in [
            (vec![], "a  b  c  d".to_owned()),
            (vec![cells(&["x", "", "3", ""])], "a  c\nx  3".to_owned()),
            (
                vec![cells(&["x", "", "", "z"]), cells(&["\u{1b}[1m", "y"])],
                "a     b  d\nx        z\n [1m  y".to_owned(),
            ),
            (
                vec![cells(&["x", &wide, "12345", "z"])],
                format!("a  {:71}\nx  {wide}\n\na      c  d\nx  12345  z", "b"),
            ),
        ] {
            let text = table(&columns, &rows);
            let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
            assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        }
    }
}
