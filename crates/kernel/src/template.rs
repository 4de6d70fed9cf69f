//! Templates of prompts, as far as they are looked at when they are written: they are rendered outside.
//!
//! A template is written by anyone who may write the agent. Its steps are bounded where it is rendered; a text that is
//! joined to itself grows beyond all memory in forty steps, so a template can't join.

use crate::{id::nearest, limits::TEMPLATE_BYTES_MAX, refusal::Refusal};

/// Refuses a template that is too long, or could grow without bound.
///
/// # Errors
/// `limit_exceeded`, or `invalid_argument` with the sign that lets it grow.
pub fn check(source: &str) -> Result<(), Refusal> {
    let bytes = source.len();
    if bytes > TEMPLATE_BYTES_MAX {
        let sentence = format!("a template may have {TEMPLATE_BYTES_MAX} bytes");
        return Err(Refusal::beyond_limit(sentence, bytes, TEMPLATE_BYTES_MAX));
    }
    match growing(source) {
        None => Ok(()),
        Some(sign) => {
            let sentence = format!("a template can't use `{sign}` within its tags");
            Err(Refusal::invalid(sentence).hint("write the parts one after the other"))
        }
    }
}

/// The names that a rendering has.
pub const NAMES: &[&str] = &[
    "part",
    "id",
    "owner",
    "prompt",
    "content",
    "now",
    "tick",
    "step",
    "woke",
    "scrip",
    "resources",
    "storage_keys",
    "population",
    "parameters",
    "phase",
    "last",
    "events",
    "missed",
    "owned",
    "repeats",
    "digest",
    "pinned",
    "memory",
    "market",
    "ops",
    "looks",
];

/// The filters that a rendering has; it has no functions, and no tests after `is`.
pub const FILTERS: &[&str] = &["text", "json", "rows"];

/// Refuses a template that names what no rendering has: it would fail each step of its agent. Names after a dot are
/// seen when it is rendered.
pub(crate) fn check_names(source: &str, template: &minijinja::Template<'_, '_>) -> Result<(), Refusal> {
    let unknown = |what: &str, word: &str, known: &[&str]| {
        let shown: String = word.chars().take(64).collect();
        let refusal = Refusal::invalid(format!("a template has no {what} `{}`", shown.escape_debug()));
        match nearest(word, known.iter().copied()) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint(format!("it has {}", known.join(", "))),
        }
    };
    let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    names.sort_unstable();
    if let Some(name) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(unknown("name", name, NAMES));
    }
    for tag in tags(source) {
        match unknown_word(tag) {
            None => {}
            Some(Word::Filter(word)) => return Err(unknown("filter", word, FILTERS)),
            Some(Word::Test) => {
                let refusal = Refusal::invalid("a template has no tests after `is`");
                return Err(refusal.hint("compare with `==`, or ask whether there is something with `if`"));
            }
        }
    }
    Ok(())
}

/// A word that no rendering knows.
enum Word<'t> {
    Filter(&'t str),
    Test,
}

/// The first filter or test within a tag that there is not. Strings are passed over.
fn unknown_word(tag: &str) -> Option<Word<'_>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut rest, mut before) = (tag, None);
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            rest = after_string(rest, c);
            before = Some(c);
        } else if is_part(c) {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (word, next) = rest.split_at(end);
            match before {
                Some('|') if !FILTERS.contains(&word) => return Some(Word::Filter(word)),
                Some('.') => {}
                Some(_) | None if word == "is" => return Some(Word::Test),
                Some(_) | None => {}
            }
            (rest, before) = (next, Some('a'));
        } else {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            if !c.is_whitespace() {
                before = Some(c);
            }
        }
    }
    None
}

/// The text after a string that begins it.
fn after_string(text: &str, quote: char) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return text.get(at + c.len_utf8()..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// A sign within the tags of a template that lets text grow: joining, repeating, keeping.
fn growing(source: &str) -> Option<&'static str> {
    const SIGNS: [&str; 4] = ["~", "*", "+", "set"];
    tags(source).into_iter().find_map(|body| {
        let words = body.split(|c: char| !c.is_alphanumeric() && c != '_');
        let keeps = words.into_iter().any(|word| word == "set");
        SIGNS.into_iter().find(|sign| if *sign == "set" { keeps } else { body.contains(sign) })
    })
}

/// The insides of the tags of a template, without those of comments.
fn tags(source: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['{']) {
        let (_, tag) = rest.split_at(at);
        let close = match tag.get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => {
                rest = tag.get(1..).unwrap_or_default();
                continue;
            }
        };
        let inside = tag.get(2..).unwrap_or_default();
        let end = inside.find(close).unwrap_or(inside.len());
        let body = inside.get(..end).unwrap_or_default();
        // A sign at the edge says how to treat the space around.
        let body = body.strip_prefix(['-', '+']).unwrap_or(body);
        if close != "#}" {
            tags.push(body.strip_suffix(['-', '+']).unwrap_or(body));
        }
        rest = inside.get(end..).unwrap_or_default();
    }
    tags
}
