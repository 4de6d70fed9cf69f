//! Templates of prompts, as far as they are looked at when they are written: they are rendered outside.
//!
//! A template is written by anyone who may write the agent. Its steps are bounded where it is rendered; a text that is
//! joined to itself grows beyond all memory in forty steps, so a template can't join.

use crate::{limits::TEMPLATE_BYTES_MAX, refusal::Refusal};

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

/// A sign within the tags of a template that lets text grow: joining, repeating, keeping.
fn growing(source: &str) -> Option<&'static str> {
    const SIGNS: [&str; 4] = ["~", "*", "+", "set"];
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
        let body = body.strip_suffix(['-', '+']).unwrap_or(body);
        if close != "#}" {
            let words = body.split(|c: char| !c.is_alphanumeric() && c != '_');
            let keeps = words.into_iter().any(|word| word == "set");
            let found = SIGNS.iter().find(|sign| if **sign == "set" { keeps } else { body.contains(**sign) });
            if let Some(sign) = found {
                return Some(sign);
            }
        }
        rest = inside.get(end..).unwrap_or_default();
    }
    None
}
