//! Failures as the author of the code is told: as Python prints them, with the lines of its own code,
//! and a replacement for a construct that the dialect lacks.

use std::fmt::Write as _;

use monty_types::{ExcType, MontyException};
use oikos_kernel::code::{CodeFailure, FailureKind};

use crate::program::Lines;

/// Frames shown of a traceback: the outermost and the innermost.
const FRAMES_EACH_END: usize = 5;

/// Characters shown of a source line. A longer one is shown without the mark under the place.
const LINE_CHARS_MAX: usize = 160;

/// Hints: a part of the interpreter's message, and the hint for it.
const HINTS: &[(&str, &str)] = &[
    ("the 'del' statement", "`del d[k]` is not in this dialect; use `d.pop(k)`, or `xs.pop(i)` for a list"),
    ("pattern matching", "`match` is not in this dialect; use `if` and `elif`"),
    ("yield", "generators are not in this dialect; build a list, or use a generator expression"),
    (
        "class inheritance",
        "inheritance is not in this dialect; hold the other object in an attribute, or use functions",
    ),
    (
        "method decorators",
        "`@property`, `@classmethod` and `@staticmethod` are not in this dialect; use a plain method or function",
    ),
    (
        "invalid unpacking target",
        "only names can stand left of `=` in an unpacking; swap through a third name: `t = xs[i]; xs[i] = xs[j]; xs[j] = t`",
    ),
    ("unsupported operand type(s) for %: 'str'", "`%` formatting is not in this dialect; use an f-string"),
    (
        "unsupported operand type(s) for |: 'dict'",
        "`a | b` of dicts is not in this dialect; use `{**a, **b}`",
    ),
    (
        "No module named",
        "the modules are math, json, re, random, datetime, time, statistics, itertools, collections, functools, string, copy, heapq, hashlib, uuid, typing, dataclasses; files, network and processes are out of reach",
    ),
    ("name 'eval'", "`eval` is out of reach; use the op `run`, or json.loads"),
    ("name 'exec'", "`exec` is out of reach; use the op `run`"),
    ("name 'callable'", "`callable` is not in this dialect; try the call and catch the exception"),
    ("name 'issubclass'", "`issubclass` is not in this dialect"),
    ("name 'vars'", "`vars` is not in this dialect; name the attributes"),
    ("name 'exit'", "code can't exit; `return` from the function"),
    ("name 'quit'", "code can't exit; `return` from the function"),
    ("name '__import__'", "use a plain `import` statement"),
    (
        "exceptions can only be called with",
        "an exception takes one string, as in `raise ValueError(\"why\")`; join the parts with an f-string",
    ),
    (
        "is not yet supported in this context",
        "a function that is handed to `sorted`, `map`, `filter`, `min` or `max` can't ask the world; compute first, as in `[get_balance(x) for x in xs]`",
    ),
    ("name 'input'", "nobody answers `input`; take arguments"),
];

/// A source that did not compile.
pub(crate) fn invalid(error: &MontyException, file: &str, lines: Lines) -> CodeFailure {
    let mut failure = told(error, file, lines, FailureKind::Invalid);
    failure.exception = None;
    failure
}

/// An exception that was not caught, or a limit that the interpreter itself met.
pub(crate) fn raised(error: &MontyException, file: &str, lines: Lines) -> CodeFailure {
    let message = error.message().unwrap_or_default();
    let kind = match error.exc_type() {
        ExcType::MemoryError if message.starts_with("memory limit exceeded") => FailureKind::Memory,
        ExcType::RecursionError => FailureKind::Recursion,
        _ => FailureKind::Raised,
    };
    told(error, file, lines, kind)
}

fn told(error: &MontyException, file: &str, lines: Lines, kind: FailureKind) -> CodeFailure {
    let mut message = match kind {
        // The numbers of these limits are measured, so they differ from run to run.
        FailureKind::Memory => "MemoryError: the code used more memory than it may".to_owned(),
        _ => error.summary(),
    };
    message = message
        .replace("The monty syntax parser does not yet support", "this dialect does not have")
        .replace("Internal error in monty: ", "");
    if let Some((_, hint)) = HINTS.iter().find(|(sign, _)| error.summary().contains(sign)) {
        let _ = write!(message, " ({hint})");
    }
    let traceback = traceback(error, file, lines, &message);
    let exception = error.message().map(str::to_owned);
    let own_words = kind == FailureKind::Raised && own_words(error, lines);
    CodeFailure { kind, message, exception, own_words, defines: Vec::new(), traceback }
}

/// Whether an exception was raised by a `raise` or an `assert` of the agent's own lines. Where that can't be
/// seen, as of an exception that is raised again by a name, its text may be the interpreter's.
fn own_words(error: &MontyException, lines: Lines) -> bool {
    let Some(frame) = error.traceback().last() else { return false };
    let own = frame.start.line.checked_sub(lines.before).is_some_and(|line| (1..=lines.own).contains(&line));
    if !own {
        return false;
    }
    let exc_type = error.exc_type();
    if exc_type == ExcType::AssertionError {
        return true;
    }
    // The place is that of the exception's expression: `raise` stands before it.
    let line = frame.preview_line.as_deref().unwrap_or_default();
    let column = usize::try_from(frame.start.column).unwrap_or(usize::MAX).saturating_sub(1);
    let at = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let (before, after) = line.split_at(at);
    let name = exc_type.to_string();
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    before.trim_end().ends_with("raise") && after.strip_prefix(name.as_str()).is_some_and(ends)
}

/// The traceback in Python's layout, of the agent's own lines only.
fn traceback(error: &MontyException, file: &str, lines: Lines, message: &str) -> String {
    let own = error.traceback().iter().filter_map(|frame| {
        let line =
            frame.start.line.checked_sub(lines.before).filter(|line| (1..=lines.own).contains(line))?;
        let mut frame = frame.clone();
        file.clone_into(&mut frame.filename);
        frame.end.line = line + frame.end.line.saturating_sub(frame.start.line);
        frame.start.line = line;
        if let Some(long) = frame.preview_line.as_deref().filter(|line| line.len() > LINE_CHARS_MAX) {
            let shown: String = long.trim_start().chars().take(LINE_CHARS_MAX).collect();
            frame.preview_line = Some(format!("{shown} ...").into());
            frame.hide_caret = true;
        }
        Some(frame.to_string())
    });
    let frames: Vec<String> = own.collect();
    if frames.is_empty() {
        return String::new();
    }
    let mut text = String::from("Traceback (most recent call last):\n");
    let hidden = frames.len().saturating_sub(2 * FRAMES_EACH_END);
    for (at, frame) in frames.iter().enumerate() {
        if hidden > 0 && (FRAMES_EACH_END..FRAMES_EACH_END + hidden).contains(&at) {
            if at == FRAMES_EACH_END {
                let _ = writeln!(text, "  [{hidden} calls left out]");
            }
            continue;
        }
        text.push_str(frame);
    }
    text.push_str(message);
    text
}
