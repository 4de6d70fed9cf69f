//! Faults of HTTP and their kinds.

use std::time::Duration;

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use crate::outcome::{Billed, Failure, FailureKind, cut};

/// Bytes of a provider's own words that are told.
const WORDS_BYTES_MAX: usize = 200;
/// The status of a provider that has too much to do, as Anthropic says it.
const OVERLOADED: u16 = 529;

/// The failure of a connection.
pub(super) fn broken(provider: &str, error: reqwest::Error, billed: Billed) -> Failure {
    // A URL or a header is no part of the sentence.
    let kind =
        if error.is_timeout() && !error.is_connect() { FailureKind::Timeout } else { FailureKind::Network };
    let error = error.without_url();
    let mut reason = String::new();
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = source {
        reason = error.to_string();
        source = error.source();
    }
    let done = match billed {
        Billed::Nothing => "could not be reached",
        Billed::Counted(_) | Billed::Unknown => "broke off its answer",
    };
    Failure {
        billed,
        ..Failure::new(kind, format!("`{provider}` {done}: {}", cut(&reason, WORDS_BYTES_MAX)))
    }
}

/// The failure that a status stands for. `text` is the body, without the key.
pub(super) fn of_status(provider: &str, model: &str, status: StatusCode, text: &str) -> Failure {
    let words = words(text);
    let says = if words.is_empty() { String::new() } else { format!(": {words}") };
    let code = status.as_u16();
    let failure = |kind, done: &str| Failure::new(kind, format!("`{provider}` {done} ({code}){says}"));
    match code {
        403 if is_moderated(text) => failure(FailureKind::Refused, "declined the request"),
        // Their words may hold parts of the key.
        401 | 403 => Failure::new(
            FailureKind::Auth,
            format!("`{provider}` does not accept the key ({code}): look at its `key_env`"),
        ),
        402 => failure(FailureKind::Auth, "wants to be paid first"),
        429 if is_out_of_credit(text) => failure(FailureKind::Auth, "has no credit for this key"),
        404 => {
            failure(FailureKind::Invalid, &format!("does not know the model `{}`", cut(model, 100))).fatal()
        }
        408 => failure(FailureKind::Timeout, "took too long"),
        425 | 429 | OVERLOADED => failure(FailureKind::RateLimited, "wants to be asked less often"),
        300..=399 => {
            failure(FailureKind::Invalid, "is somewhere else: give its new address as `url`").fatal()
        }
        409 | 500..=599 => failure(FailureKind::Server, "failed"),
        _ => failure(FailureKind::Invalid, "did not take the request"),
    }
}

/// Whether a limit is one of money, which no waiting lifts.
fn is_out_of_credit(text: &str) -> bool {
    text.contains("insufficient_quota")
}

/// Whether a provider forbids what was asked, and not who asks.
fn is_moderated(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["moderation", "flagged"].iter().any(|sign| text.contains(sign))
}

/// Whether an error is about the form in which the answer was wanted.
pub(super) fn turned_down(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    const SIGNS: [&str; 13] = [
        "response_format",
        "json_schema",
        "json schema",
        "json_object",
        "schema",
        "structured",
        "output_config",
        "responsemimetype",
        "response_mime_type",
        "tool",
        "grammar",
        "function",
        "format",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// The reason in a provider's words, if they are words: of a page only its text.
fn words(text: &str) -> String {
    let told = serde_json::from_str::<Value>(text).ok().and_then(|body| {
        let error = body.get("error").or_else(|| body.get(0)?.get("error")).unwrap_or(&body);
        let message = error.get("message").or(Some(error)).and_then(Value::as_str);
        message.map(str::to_owned)
    });
    let text = told.unwrap_or_else(|| without_tags(text));
    cut(&text, WORDS_BYTES_MAX)
}

fn without_tags(text: &str) -> String {
    let mut inside = false;
    let mut shown = String::new();
    for letter in text.chars().take(4 * WORDS_BYTES_MAX) {
        match letter {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                shown.push(' ');
            }
            _ if inside => {}
            _ => shown.push(letter),
        }
    }
    shown
}

/// The time after which a provider wants to be asked again, by either header.
pub(super) fn busy_again(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let ms = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).map(|ms| ms / 1_000.0);
    let seconds = ms.or_else(|| text("retry-after").and_then(|text| text.parse::<f64>().ok()))?;
    Duration::try_from_secs_f64(seconds).ok()
}
