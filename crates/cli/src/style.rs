//! The one style of the terminal. Whether there are colours is decided once: by `--color`, by `NO_COLOR` and
//! `CLICOLOR_FORCE`, and by what is at the other end; where there are none, all that is printed loses them on its way.

use std::ffi::OsString;

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use clap::builder::Styles;

use crate::args::ColorArg;

/// Headings of tables.
pub(crate) const HEADING: Style = Style::new().bold();
/// The word before an error, and an answer that is no.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word before a warning.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// The word before help, and commands that can be typed.
pub(crate) const HELP: Style = AnsiColor::Cyan.on_default();
/// An answer that is yes.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Numbers of records and times, which stand in every line.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The same for what the parser of the command line prints.
pub(crate) const CLAP: Styles = Styles::styled()
    .header(HEADING)
    .usage(HEADING)
    .literal(HELP)
    .error(ERROR)
    .valid(GOOD)
    .invalid(AnsiColor::Yellow.on_default());

/// A text in a style.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Decides about colours before the command line is read, whose mistakes are printed in them too.
pub(crate) fn choose(words: &[OsString]) {
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None if word == "--" => return,
            None => None,
        };
        let choice = value.and_then(ColorArg::from_word).map(|choice| match choice {
            ColorArg::Auto => ColorChoice::Auto,
            ColorArg::Always => ColorChoice::Always,
            ColorArg::Never => ColorChoice::Never,
        });
        if let Some(choice) = choice {
            choice.write_global();
        }
    }
}
