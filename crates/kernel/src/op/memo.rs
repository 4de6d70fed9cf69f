//! The fields of ops about memories.

use std::sync::Arc;

use serde_json::{Value, json};

use super::field::{Given, Word, bounded, integer, list, wrong};
use crate::{limits, refusal::Refusal, time::Time};

/// The text of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub Arc<str>);

impl Given for Note {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::MEMO_BYTES_MAX).map_err(|refusal| {
            refusal.hint("say it in fewer words, or write an artifact and remember its id")
        })?;
        match value {
            Value::String(text) if text.is_empty() => {
                Err(Refusal::invalid(format!("`{name}` can't be empty")))
            }
            Value::String(text) => Ok(Self(text.into())),
            other => Err(wrong(name, "a string", &other)),
        }
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": limits::MEMO_BYTES_MAX })
    }
}

/// The importance of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Importance(pub u8);

impl Given for Importance {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let given = value.as_i64().filter(|given| *given <= limits::IMPORTANCE_MAX);
        let expected = format!("an integer from 0 to {}", limits::IMPORTANCE_MAX);
        let given = given.and_then(|given| u8::try_from(given).ok());
        given.map(Self).ok_or_else(|| wrong(name, &expected, &value))
    }

    fn given_schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": limits::IMPORTANCE_MAX })
    }
}

/// The number of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Given for Entry {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        integer(name, &value, 1).map(|number| Self(number.unsigned_abs()))
    }

    fn given_schema() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX })
    }
}

/// Tags, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags(pub Vec<Arc<str>>);

/// One tag.
type Tag = Word<{ limits::TAG_CHARS_MAX }>;

impl Given for Tags {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let mut tags: Vec<Arc<str>> = Vec::new();
        for (at, item) in list(name, value, limits::MEMO_TAGS_MAX)?.into_iter().enumerate() {
            let tag = Tag::given(&format!("{name}[{at}]"), item)?.0;
            if tags.contains(&tag) {
                return Err(Refusal::invalid(format!("`{name}` names `{}` twice", tag.escape_debug())));
            }
            tags.push(tag);
        }
        Ok(Self(tags))
    }

    fn given_schema() -> Value {
        json!({
            "type": "array", "items": Tag::given_schema(), "maxItems": limits::MEMO_TAGS_MAX, "uniqueItems": true,
        })
    }
}

/// The beginning of what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// All after this number.
    Number(i64),
    /// All from this instant on.
    Time(Time),
}

impl Given for Since {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        match value.as_str() {
            None => integer(name, &value, 0).map(Self::Number),
            Some(text) => Time::parse(text)
                .map(Self::Time)
                .ok_or_else(|| wrong(name, "a number or an RFC 3339 time", &value)),
        }
    }

    fn given_schema() -> Value {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": i64::MAX },
            { "type": "string", "format": "date-time" },
        ] })
    }
}
