//! Progress for programs: lines on standard error in the place of a bar, where `OIKOS_PROGRESS` is `lines`.

use std::{env, io};

use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};

use crate::print;

/// Lines a second, at most.
const LINES_HZ: u8 = 10;
/// Columns of a line, more than any has.
const LINE_WIDTH: u16 = 512;

/// Whether lines are asked for.
pub(crate) fn are_asked() -> bool {
    env::var_os("OIKOS_PROGRESS").is_some_and(|asked| asked == "lines")
}

/// Has a bar print lines, if they are asked for: JSON objects, whose template is returned.
pub(crate) fn as_lines(bar: &ProgressBar, unit: &str) -> Option<String> {
    if !are_asked() {
        return None;
    }
    bar.set_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(Lines), LINES_HZ));
    Some(format!(r#"{{{{"progress":{{{{"done":{{pos}},"of":{{len}},"unit":"{unit}"}}}}}}}}"#))
}

/// A terminal that prints each picture of a bar as a line of its own, and has no cursor.
#[derive(Debug)]
struct Lines;

impl TermLike for Lines {
    fn width(&self) -> u16 {
        LINE_WIDTH
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // All else that is drawn is room.
        if text.starts_with('{') {
            print::plain(text);
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
