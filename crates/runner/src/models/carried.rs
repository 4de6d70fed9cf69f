//! Requests and outcomes in bytes, as they go from one process to another.

use std::time::Duration;

use oikos_agents::{
    Answer, Billed, Failure, FailureKind, Message, ModelName, Outcome, Request, RequestHash, Role, Schema,
    Stop, Usage,
};
use serde::{Deserialize, Serialize};

/// The form of a request.
#[derive(Serialize, Deserialize)]
struct Asked {
    provider: String,
    model: String,
    messages: Vec<(String, String)>,
    schema: Option<String>,
    max_output_tokens: u32,
    temperature: Option<u64>,
    seed: Option<i64>,
    /// It is the request that was meant if this is its hash.
    hash: RequestHash,
}

/// The form of an outcome.
#[derive(Serialize, Deserialize)]
enum Told {
    Answer { text: String, is_cut: bool, bill: Bill },
    Failure { kind: String, sentence: String, retry_after: Option<Duration>, bill: Bill, is_fatal: bool },
}

#[derive(Serialize, Deserialize)]
enum Bill {
    Nothing,
    Counted { tokens_in: u64, tokens_cached: u64, tokens_out: u64 },
    Unknown,
}

/// A request in bytes.
#[expect(clippy::expect_used, reason = "texts and numbers can always be written")]
pub(super) fn write_request(request: &Request) -> Vec<u8> {
    let asked = Asked {
        provider: request.model.provider.clone(),
        model: request.model.model.clone(),
        messages: request
            .messages
            .iter()
            .map(|one| (one.role.as_str().to_owned(), one.text.clone()))
            .collect(),
        schema: request.schema.as_ref().map(|schema| schema.value().to_string()),
        max_output_tokens: request.max_output_tokens,
        temperature: request.temperature.map(f64::to_bits),
        seed: request.seed,
        hash: request.hash(),
    };
    postcard::to_stdvec(&asked).expect("a request can be written")
}

/// Reads [`write_request`]; `None` where the bytes are none, or another one than was written.
pub(super) fn read_request(bytes: &[u8]) -> Option<Request> {
    let (asked, rest): (Asked, _) = postcard::take_from_bytes(bytes).ok()?;
    let message = |(role, text): (String, String)| {
        let role =
            [Role::System, Role::User, Role::Assistant].into_iter().find(|one| one.as_str() == role)?;
        Some(Message { role, text })
    };
    let schema = match asked.schema {
        Some(text) => Some(Schema::new(serde_json::from_str(&text).ok()?)),
        None => None,
    };
    let request = Request {
        model: ModelName { provider: asked.provider, model: asked.model },
        messages: asked.messages.into_iter().map(message).collect::<Option<_>>()?,
        schema,
        max_output_tokens: asked.max_output_tokens,
        temperature: asked.temperature.map(f64::from_bits),
        seed: asked.seed,
    };
    (rest.is_empty() && request.hash() == asked.hash).then_some(request)
}

/// An outcome in bytes.
#[expect(clippy::expect_used, reason = "texts and numbers can always be written")]
pub(super) fn write_outcome(outcome: &Outcome) -> Vec<u8> {
    let told = match outcome {
        Ok(Answer { text, stop, billed }) => {
            Told::Answer { text: text.clone(), is_cut: *stop == Stop::Length, bill: Bill::of(*billed) }
        }
        Err(Failure { kind, sentence, retry_after, billed, is_fatal }) => Told::Failure {
            kind: kind.as_str().into(),
            sentence: sentence.clone(),
            retry_after: *retry_after,
            bill: Bill::of(*billed),
            is_fatal: *is_fatal,
        },
    };
    postcard::to_stdvec(&told).expect("an outcome can be written")
}

/// Reads [`write_outcome`].
pub(super) fn read_outcome(bytes: &[u8]) -> Option<Outcome> {
    let (told, rest): (Told, _) = postcard::take_from_bytes(bytes).ok()?;
    if !rest.is_empty() {
        return None;
    }
    Some(match told {
        Told::Answer { text, is_cut, bill } => {
            Ok(Answer { text, stop: if is_cut { Stop::Length } else { Stop::End }, billed: bill.billed() })
        }
        Told::Failure { kind, sentence, retry_after, bill, is_fatal } => Err(Failure {
            retry_after,
            billed: bill.billed(),
            is_fatal,
            ..Failure::new(FailureKind::from_word(&kind)?, sentence)
        }),
    })
}

impl Bill {
    fn of(billed: Billed) -> Self {
        match billed {
            Billed::Nothing => Self::Nothing,
            Billed::Counted(Usage { tokens_in, tokens_cached, tokens_out }) => {
                Self::Counted { tokens_in, tokens_cached, tokens_out }
            }
            Billed::Unknown => Self::Unknown,
        }
    }

    fn billed(self) -> Billed {
        match self {
            Self::Nothing => Billed::Nothing,
            Self::Counted { tokens_in, tokens_cached, tokens_out } => {
                Billed::Counted(Usage { tokens_in, tokens_cached, tokens_out })
            }
            Self::Unknown => Billed::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_and_outcomes_come_as_they_went() {
        let request = Request {
            model: ModelName::parse("local::m/1").unwrap(),
            messages: vec![Message::new(Role::System, "S\u{0}"), Message::new(Role::User, "ü")],
            schema: Some(Schema::new(json!({ "type": "object", "b": 1, "a": [0.1, -2] }))),
            max_output_tokens: 7,
            temperature: Some(0.1 + 0.2),
            seed: Some(i64::MIN),
        };
        let bytes = write_request(&request);
        assert_eq!(read_request(&bytes), Some(request.clone()));
        let bare = Request { schema: None, temperature: None, seed: None, messages: Vec::new(), ..request };
        assert_eq!(read_request(&write_request(&bare)), Some(bare));
        // A request that is cut, is longer, or has another letter is none.
        assert_eq!(read_request(bytes.get(1..).unwrap()), None);
        assert_eq!(read_request(&[&bytes[..], &[0]].concat()), None);
        let mut other = bytes;
        *other.iter_mut().find(|byte| **byte == b'S').unwrap() = b'T';
        assert_eq!(read_request(&other), None);

        let usage = Usage { tokens_in: 9, tokens_cached: 3, tokens_out: u64::MAX };
        for outcome in [
            Ok(Answer { text: "x".into(), stop: Stop::End, billed: Billed::Counted(usage) }),
            Ok(Answer { text: "y".into(), stop: Stop::Length, billed: Billed::Unknown }),
            Err(Failure::new(FailureKind::Timeout, "late").maybe_billed()),
            Err(Failure {
                retry_after: Some(Duration::from_millis(1_500)),
                ..Failure::new(FailureKind::RateLimited, "slower").fatal()
            }),
        ] {
            assert_eq!(read_outcome(&write_outcome(&outcome)), Some(outcome));
        }
        assert_eq!(read_outcome(b"\xff\xff"), None);
    }
}
