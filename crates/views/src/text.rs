//! Numbers and durations as people read them, and texts by others, which are never trusted.

use maud::{Markup, PreEscaped, html};
use oikos_runner::{
    kernel::{
        refusal::Code,
        resource::ResourceId,
        time::{Time, format_duration_ms},
    },
    show_dollars,
};
use serde_json::Value;

pub use oikos_runner::{counted, number};

/// Letters of a text by others that stand on a line.
pub const LINE_LETTERS: usize = 160;
/// Bytes of a text by others that stand in a block; the rest is a page of its own.
pub const BLOCK_BYTES: usize = 6 * 1024;

/// A count with its thousands apart.
#[must_use]
pub fn count(value: u64) -> String {
    number(value)
}

/// A number with four digits that say something.
#[must_use]
pub fn digits(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        "0".into()
    } else if !(1e-4..1e9).contains(&size) {
        format!("{number:.3e}")
    } else if number.fract() == 0.0 || size >= 1e5 {
        format!("{number:.0}")
    } else {
        let whole = [10_000.0, 1_000.0, 100.0, 10.0].iter().filter(|bound| size >= **bound).count();
        format!("{number:.0$}", 4_usize.saturating_sub(whole).max(1))
    }
}

/// An amount of a resource with its unit.
#[must_use]
pub fn amount(resource: &str, value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let size = value.unsigned_abs();
    match resource {
        ResourceId::LLM_BUDGET => format!("{sign}{}", show_dollars(size)),
        "cpu" => format!("{sign}{}", scaled(size, &[(1_000_000, "s"), (1_000, "ms")], "µs")),
        "memory" | "disk" => {
            format!("{sign}{}", scaled(size, &[(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")], "B"))
        }
        _ => number(value),
    }
}

/// A size with at most one digit behind the point, in the largest unit of which it has at least one.
fn scaled(size: u64, units: &[(u64, &str)], least: &str) -> String {
    match units.iter().find(|(unit, _)| size >= *unit) {
        Some((unit, word)) => {
            let tenths = u128::from(size) * 10 / u128::from(*unit);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            let whole = count(u64::try_from(whole).unwrap_or(u64::MAX));
            if tenth == 0 { format!("{whole} {word}") } else { format!("{whole}.{tenth} {word}") }
        }
        None => format!("{} {least}", count(size)),
    }
}

/// A span of time in the two largest units that it has.
#[must_use]
pub fn span(ms: i64) -> String {
    if ms.abs() < 1_000 {
        return format_duration_ms(ms.max(0));
    }
    let seconds = ms / 1_000;
    let parts = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds.max(0);
    let mut words = Vec::new();
    for (unit, word) in parts {
        let many = left / unit;
        left %= unit;
        if many > 0 {
            words.push(format!("{many}{word}"));
        }
    }
    words.truncate(2);
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

/// An instant without the parts that say nothing.
#[must_use]
pub fn instant(time: Time) -> String {
    let text = time.to_string();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    text.strip_suffix(".000").unwrap_or(text).replacen('T', " ", 1)
}

/// Whether a sign turns the text around it about, or is not seen: a text by others could seem to be another.
fn is_odd(letter: char) -> bool {
    let is_hidden = matches!(letter,
        '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    is_hidden || (letter.is_control() && !matches!(letter, '\n' | '\t'))
}

/// A text by others, with signs that would deceive the eye named in place of themselves.
#[must_use]
pub fn plain(text: &str) -> Markup {
    if !text.contains(is_odd) {
        return html! { (text) };
    }
    let mut rest = text;
    let mut parts: Vec<Markup> = Vec::new();
    while let Some(at) = rest.find(is_odd) {
        let (before, behind) = rest.split_at(at);
        let mut letters = behind.chars();
        let Some(odd) = letters.next() else { break };
        parts.push(html! { (before) span class="odd" { (format!("U+{:04X}", u32::from(odd))) } });
        rest = letters.as_str();
    }
    parts.push(html! { (rest) });
    PreEscaped(parts.into_iter().map(PreEscaped::into_string).collect())
}

/// A text by others on one line, cut if it is long.
#[must_use]
pub fn line(text: &str) -> Markup {
    on_a_line(text, plain)
}

fn on_a_line(text: &str, shown: impl FnOnce(&str) -> Markup) -> Markup {
    let short = first_letters(text, LINE_LETTERS);
    let flat: String =
        short.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }).collect();
    html! { bdi { (shown(flat.trim_end())) @if short.len() < text.len() { "…" } } }
}

/// A sentence of ours, in which words between backticks stand as code. Texts by others are never given to it.
#[must_use]
pub fn marked(sentence: &str) -> Markup {
    let mut rest = sentence;
    let mut parts: Vec<Markup> = Vec::new();
    while let Some((before, word, behind)) = rest
        .split_once('`')
        .and_then(|(before, rest)| rest.split_once('`').map(|(word, behind)| (before, word, behind)))
    {
        parts.push(html! { (plain(before)) @if word.is_empty() { "``" } @else { code { (plain(word)) } } });
        rest = behind;
    }
    parts.push(plain(rest));
    PreEscaped(parts.into_iter().map(PreEscaped::into_string).collect())
}

/// A sentence of ours on one line, as [`marked`] has it.
#[must_use]
pub fn marked_line(sentence: &str) -> Markup {
    on_a_line(sentence, marked)
}

/// How much of the message of a refusal is ours: the reason that a contract gives, and that for which code failed, are
/// words of its author.
fn ours(code: Code, message: &str) -> usize {
    match code {
        Code::PermissionDenied => message.find("`: ").map_or(message.len(), |at| at + 3),
        Code::CodeError | Code::InvalidCode => 0,
        Code::NotFound
        | Code::AlreadyExists
        | Code::InvalidArgument
        | Code::InsufficientScrip
        | Code::InsufficientResource
        | Code::QuotaExceeded
        | Code::RateLimited
        | Code::BudgetExhausted
        | Code::CodeTimeout
        | Code::MemoryExceeded
        | Code::DepthExceeded
        | Code::LimitExceeded
        | Code::WorkerDied
        | Code::Conflict
        | Code::Unsupported => message.len(),
    }
}

/// The message of a refusal: our words with their marks, those of others as they are.
#[must_use]
pub fn refused(code: Code, message: &str) -> Markup {
    let (ours, theirs) = message.split_at(ours(code, message));
    html! { (marked(ours)) (plain(theirs)) }
}

/// The last line of the message of a refusal, as [`refused`] has it.
#[must_use]
pub fn refused_line(code: Code, message: &str) -> Markup {
    let last = message.lines().last().unwrap_or_default();
    // Of a message of many lines the last is not ours.
    if last.len() < message.len() { line(last) } else { on_a_line(last, |last| refused(code, last)) }
}

/// The first letters of a text.
#[must_use]
pub fn first_letters(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(at, _)| text.get(..at).unwrap_or_default())
}

/// A text by others as a block, cut if it is long; `whole` leads to all of it.
#[must_use]
pub fn block(text: &str, whole: impl FnOnce() -> Markup) -> Markup {
    let shown = first_bytes(text, BLOCK_BYTES);
    html! {
        pre dir="ltr" { (plain(shown)) @if shown.len() < text.len() { "…" } }
        @if shown.len() < text.len() {
            p class="cut" {
                "The first " (count(shown.len() as u64)) " of " (count(text.len() as u64)) " bytes. " (whole())
            }
        }
    }
}

/// The first bytes of a text, as far as whole letters go.
#[must_use]
pub fn first_bytes(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// A value by others as text: a text as it is, anything else as JSON, of which as much stands on a line as fits.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut text = String::new();
            lay_out(other, 0, &mut text);
            text
        }
    }
}

/// Letters of a line of JSON.
const JSON_LETTERS: usize = 96;
/// The depth from which JSON is not laid out any more.
const JSON_DEPTH: usize = 24;

fn lay_out(value: &Value, depth: usize, text: &mut String) {
    let flat = if depth < JSON_DEPTH { within(value, JSON_LETTERS.saturating_sub(2 * depth)) } else { None };
    let (ends, items): (_, Vec<(Option<&String>, &Value)>) = match value {
        Value::Array(list) if depth < JSON_DEPTH => {
            (('[', ']'), list.iter().map(|one| (None, one)).collect())
        }
        Value::Object(map) if depth < JSON_DEPTH => {
            (('{', '}'), map.iter().map(|(key, one)| (Some(key), one)).collect())
        }
        _ => return text.push_str(&value.to_string()),
    };
    if let Some(flat) = flat {
        return text.push_str(&flat);
    }
    let indent = "  ".repeat(depth + 1);
    text.push(ends.0);
    for (at, (key, one)) in items.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&indent);
        if let Some(key) = key {
            text.push_str(&Value::from(key.as_str()).to_string());
            text.push_str(": ");
        }
        lay_out(one, depth + 1, text);
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
    text.push(ends.1);
}

/// A value on a line of so many letters, if it fits.
fn within(value: &Value, most: usize) -> Option<String> {
    let many = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        Value::String(text) => text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    if many > most {
        return None;
    }
    let part = |one: &Value| within(one, most);
    let text = match value {
        Value::Array(list) => {
            let parts: Option<Vec<String>> = list.iter().map(part).collect();
            format!("[{}]", parts?.join(", "))
        }
        Value::Object(map) => {
            let parts: Option<Vec<String>> = map
                .iter()
                .map(|(key, one)| Some(format!("{}: {}", Value::from(key.as_str()), part(one)?)))
                .collect();
            format!("{{{}}}", parts?.join(", "))
        }
        other => other.to_string(),
    };
    (text.len() <= most).then_some(text)
}

/// A value by others as text on one line.
#[must_use]
pub fn short_value(value: &Value) -> String {
    match value {
        Value::String(text) => first_letters(text, LINE_LETTERS + 1).to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_by_others_stand_as_text() {
        for (text, shown) in [
            ("a < b & c", "a &lt; b &amp; c"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("a\u{202e}b", "a<span class=\"odd\">U+202E</span>b"),
            ("\u{1b}[31m", "<span class=\"odd\">U+001B</span>[31m"),
            ("line\n\ttab", "line\n\ttab"),
            ("\u{feff}\u{200b}", "<span class=\"odd\">U+FEFF</span><span class=\"odd\">U+200B</span>"),
            ("é 好 🎈", "é 好 🎈"),
        ] {
            assert_eq!(plain(text).into_string(), shown);
        }
    }

    #[test]
    fn our_words_have_marks_and_those_of_others_have_none() {
        for (sentence, shown) in [
            ("it lacks `cpu`", "it lacks <code>cpu</code>"),
            ("`a` and `b`", "<code>a</code> and <code>b</code>"),
            ("one ` alone", "one ` alone"),
            ("``", "``"),
            ("`<b>`", "<code>&lt;b&gt;</code>"),
            ("`a\u{202e}`", "<code>a<span class=\"odd\">U+202E</span></code>"),
            ("", ""),
        ] {
            assert_eq!(marked(sentence).into_string(), shown);
        }
        for (code, message, block, on_a_line) in [
            (Code::NotFound, "no `x`", "no <code>x</code>", "<bdi>no <code>x</code></bdi>"),
            (
                Code::PermissionDenied,
                "`a` may not read `b`: pay `me`",
                "<code>a</code> may not read <code>b</code>: pay `me`",
                "<bdi><code>a</code> may not read <code>b</code>: pay `me`</bdi>",
            ),
            (Code::CodeError, "ValueError: `x`", "ValueError: `x`", "<bdi>ValueError: `x`</bdi>"),
            (
                Code::PermissionDenied,
                "`a` may not read `b`: no\n`evil`",
                "<code>a</code> may not read <code>b</code>: no\n`evil`",
                "<bdi>`evil`</bdi>",
            ),
        ] {
            assert_eq!(refused(code, message).into_string(), block);
            assert_eq!(refused_line(code, message).into_string(), on_a_line);
        }
    }

    #[test]
    fn json_stands_on_as_few_lines_as_fit() {
        let long = "x".repeat(90);
        for (json, shown) in [
            (serde_json::json!({ "a": [1, 2, { "b": null }] }), r#"{"a": [1, 2, {"b": null}]}"#.to_owned()),
            (serde_json::json!([]), "[]".to_owned()),
            (serde_json::json!("bare"), "bare".to_owned()),
            (
                serde_json::json!([{ "op": "noop" }, long]),
                format!("[\n  {{\"op\": \"noop\"}},\n  \"{long}\"\n]"),
            ),
        ] {
            assert_eq!(value(&json), shown);
        }
        // Depth ends nothing.
        let deep = (0..100).fold(Value::Null, |inner, _| Value::from(vec![inner]));
        assert_eq!(value(&deep).matches('[').count(), 100);
    }

    #[test]
    fn amounts_have_the_unit_of_their_resource() {
        for (resource, value, shown) in [
            ("cpu", 1_500, "1.5 ms"),
            ("cpu", 12, "12 µs"),
            ("disk", 10_000_000, "10 MB"),
            ("disk", -2_560, "-2.5 kB"),
            ("llm_budget", 1_250_000, "$1.25"),
            ("actions", 12_345, "12,345"),
            ("cpu", i64::MIN, "-9,223,372,036,854.7 s"),
        ] {
            assert_eq!(amount(resource, value), shown);
        }
        for (ms, shown) in [(0, "0s"), (1_500, "1s"), (61_000, "1m 1s"), (90_061_000, "1d 1h"), (-5, "0s")] {
            assert_eq!(span(ms), shown);
        }
    }
}
