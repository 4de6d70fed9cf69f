//! All printing: data on standard output, talk on standard error.

use std::io::{IsTerminal as _, Write as _};

use anstream::{stderr, stdout};
use anstyle::Style;
use oikos_runner::{kernel::resource::ResourceId, number, show_dollars};
use serde_json::{Value, json};

use crate::{
    commands::help_of,
    status::ExitStatus,
    style::{self, styled},
};

/// Characters of a line of an error, and lines, that are shown: a hostile file may fill either.
const LINE_CHARS_MAX: usize = 1_200;
const LINES_MAX: usize = 60;
/// Columns of a terminal.
pub(crate) const COLUMNS: usize = 80;

/// Standard output can't be written to.
#[derive(Debug)]
pub(crate) struct Unprinted(std::io::Error);

impl Unprinted {
    /// Whether it is a pipe whose reader has gone away.
    pub(crate) fn nobody_reads(&self) -> bool {
        self.0.kind() == std::io::ErrorKind::BrokenPipe
    }
}

impl std::error::Error for Unprinted {}

impl std::fmt::Display for Unprinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "standard output can't be written: {}", self.0)
    }
}

/// Prints data on standard output, for people or for programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    /// For programs if `json`.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read it: they want data and nothing else.
    pub(crate) fn is_for_programs(self) -> bool {
        self.json
    }

    /// The columns that a line has room in: those of a terminal; one that goes elsewhere is as long as it is.
    pub(crate) fn columns(self) -> Option<usize> {
        std::io::stdout().is_terminal().then_some(COLUMNS)
    }

    /// For programs a value on one line, for people a text.
    pub(crate) fn data(
        self,
        value: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> Result<(), Unprinted> {
        let shown = if self.json { value().to_string() } else { text() };
        writeln!(stdout(), "{shown}").map_err(Unprinted)
    }

    /// A line that is the same for programs and for people.
    pub(crate) fn line(self, text: &str) -> Result<(), Unprinted> {
        writeln!(stdout(), "{text}").map_err(Unprinted)
    }

    /// A text as it is, with an end of its last line only where a terminal shows it.
    pub(crate) fn raw(self, text: &str) -> Result<(), Unprinted> {
        let is_open = std::io::stdout().is_terminal() && !text.is_empty() && !text.ends_with('\n');
        write!(std::io::stdout(), "{text}{}", if is_open { "\n" } else { "" })
            .and_then(|()| std::io::stdout().flush())
            .map_err(Unprinted)
    }

    /// A value on one line for programs, on many for people.
    pub(crate) fn value(self, value: &Value) -> Result<(), Unprinted> {
        self.data(|| value.clone(), || format!("{value:#}"))
    }
}

/// An error, with its causes and what to do about it.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = format!("{} {error:#}", styled(style::ERROR, "error:"));
    if let Some(help) = help_of(error) {
        text.push_str(&format!("\n  {} {help}", styled(style::HELP, "= help:")));
    }
    let lines = text.lines().take(LINES_MAX).map(|line| match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    });
    let mut shown: Vec<String> = lines.collect();
    let left_out = text.lines().count().saturating_sub(LINES_MAX);
    if left_out > 0 {
        shown.push(format!("… and {left_out} lines more"));
    }
    note(&shown.join("\n"));
}

/// An error as data for programs, as `verify` tells of damage.
pub(crate) fn failure(error: &anyhow::Error, ended: ExitStatus) {
    // Where it can't be printed the exit code says it.
    let _ = writeln!(stdout(), "{}", failed(error, ended));
}

/// The same on standard error, where standard output has lines of another kind.
pub(crate) fn failure_line(error: &anyhow::Error, ended: ExitStatus) {
    let _ = writeln!(stderr(), "{}", failed(error, ended));
}

fn failed(error: &anyhow::Error, ended: ExitStatus) -> Value {
    let mut object = json!({ "ok": false, "problem": format!("{error:#}"), "exit": ended.code() });
    if let (Some(help), Value::Object(map)) = (help_of(error), &mut object) {
        map.insert("help".into(), help.into());
    }
    object
}

/// Something worth knowing beside the data.
pub(crate) fn note(text: &str) {
    // Where nobody listens there is nobody to tell that either.
    let _ = writeln!(stderr(), "{text}");
}

/// A warning, of something that is likely not meant, with the next step where it is known.
pub(crate) fn warning(text: &str, help: Option<&str>) {
    let columns = std::io::stderr().is_terminal().then_some(COLUMNS);
    note(&warned(text, help, columns));
}

/// The lines of a warning: of at most so many columns, or as long as they are.
fn warned(text: &str, help: Option<&str>, columns: Option<usize>) -> String {
    let behind = |style: Style, word: &str, text: &str, indent: usize| {
        let spaces = " ".repeat(indent);
        let lines = match columns {
            Some(columns) => {
                lines_within(&format!("{word} {text}"), columns - indent).join(&format!("\n{spaces}"))
            }
            None => format!("{word} {text}"),
        };
        format!("{spaces}{}{}", styled(style, word), lines.strip_prefix(word).unwrap_or_default())
    };
    let help = help.map(|help| format!("\n{}", behind(style::HELP, "= help:", help, 2)));
    behind(style::WARNING, "warning:", text, 0) + &help.unwrap_or_default()
}

/// As [`note`], without a look at what is at the other end: behind a wall only writing is left.
pub(crate) fn plain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An amount of a resource: dollars where it is counted in millionths of them.
pub(crate) fn amount(resource: &str, value: i64) -> String {
    if resource != ResourceId::LLM_BUDGET {
        return number(value);
    }
    format!("{}{}", if value < 0 { "-" } else { "" }, show_dollars(value.unsigned_abs()))
}

/// The lines of a text by others as they are, without signs that a terminal would obey.
pub(crate) fn plain_lines(text: &str) -> Vec<String> {
    text.lines().map(clean).collect()
}

/// A text on one line, without signs that a terminal would obey.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text by others in lines of the terminal's width, behind so many spaces, without signs that a
/// terminal would obey.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let spaces = " ".repeat(indent);
    let lines = lines_within(text, COLUMNS.saturating_sub(indent));
    let lines: Vec<String> =
        lines.iter().map(|line| format!("{spaces}{line}").trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A text by others in lines of at most so many letters, broken between words where they have room, without signs that
/// a terminal would obey.
pub(crate) fn lines_within(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = clean(line);
        let mut shown = String::new();
        let mut used = 0;
        for word in line.split_whitespace() {
            let mut letters: Vec<char> = word.chars().collect();
            if used > 0 && used + 1 + letters.len() > width {
                lines.push(std::mem::take(&mut shown));
                used = 0;
            }
            while letters.len() > width {
                let rest = letters.split_off(width);
                lines.push(letters.into_iter().collect());
                letters = rest;
            }
            if used > 0 {
                shown.push(' ');
                used += 1;
            }
            used += letters.len();
            shown.extend(letters);
        }
        lines.push(shown);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_no_wider_than_a_terminal() {
        let (text, help) = (
            "code failed 14 times, of 1 agent, which was paused for it; first agents.mute.code: an action is an object \
             with an `op`",
            "`oikos log a/rather/long/path/to/the/town.oikos --refused --json` shows each, with its traceback",
        );
        let bare = |columns| anstream::adapter::strip_str(&warned(text, Some(help), columns)).to_string();
        assert_eq!(bare(None), format!("warning: {text}\n  = help: {help}"));
        assert_eq!(
            bare(Some(COLUMNS)),
            "warning: code failed 14 times, of 1 agent, which was paused for it; first\n\
             agents.mute.code: an action is an object with an `op`\n  \
             = help: `oikos log a/rather/long/path/to/the/town.oikos --refused --json`\n  \
             shows each, with its traceback"
        );
        assert_eq!(
            anstream::adapter::strip_str(&warned("short", None, Some(COLUMNS))).to_string(),
            "warning: short"
        );
        assert_ne!(warned("short", None, Some(COLUMNS)), "warning: short", "the word has a style");
    }
}
