//! A request as it is asked, hashed and taped: in one form, whoever answers it.

use std::{fmt::Write as _, sync::Arc};

use serde_json::{Map, Value};

/// The hash of a canonical request.
pub type RequestHash = [u8; 32];

/// A model by the name of its provider and its own: `local::qwen2.5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName {
    /// The provider, as the world file names it.
    pub provider: String,
    /// The model, as the provider names it.
    pub model: String,
}

impl ModelName {
    /// Reads `PROVIDER::MODEL`. The provider is a word of letters, digits, `-` and `_`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (provider, model) = text.split_once("::")?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_name = !provider.is_empty() && provider.chars().all(is_word);
        let is_model = !model.is_empty() && !model.chars().any(char::is_control);
        (is_name && is_model).then(|| Self { provider: provider.into(), model: model.into() })
    }
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.provider, self.model)
    }
}

/// The speaker of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The part that does not change from step to step.
    System,
    /// The world.
    User,
    /// The model itself, earlier in the same conversation.
    Assistant,
}

impl Role {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The speaker.
    pub role: Role,
    /// The text.
    pub text: String,
}

impl Message {
    /// A message.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

/// The JSON Schema of an answer. Its text is written once, however often it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema(Arc<Inner>);

#[derive(Debug, PartialEq)]
struct Inner {
    value: Value,
    /// The same with sorted keys.
    canonical: String,
}

impl Schema {
    /// A schema; the order of its keys is that in which they are to be written.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let canonical = sorted(&value).to_string();
        Self(Arc::new(Inner { value, canonical }))
    }

    /// The schema.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }
}

/// A canonical request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model that is asked.
    pub model: ModelName,
    /// The conversation; the first message may be the system's.
    pub messages: Vec<Message>,
    /// The JSON Schema of the answer, if it is to be JSON.
    pub schema: Option<Schema>,
    /// The most tokens that the answer may have.
    pub max_output_tokens: u32,
    /// How far the choice of words is left to chance; a number that is finite.
    pub temperature: Option<f64>,
    /// The seed of that chance, for providers that take one.
    pub seed: Option<i64>,
}

impl Request {
    /// The canonical text: JSON with sorted keys, without the provider. The tape keeps it.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = format!("{{\"max_output_tokens\":{},\"messages\":[", self.max_output_tokens);
        for (at, message) in self.messages.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let (content, role) = (quoted(&message.text), message.role.as_str());
            let _ = write!(text, "{comma}{{\"content\":{content},\"role\":\"{role}\"}}");
        }
        let _ = write!(text, "],\"model\":{}", quoted(&self.model.model));
        if let Some(schema) = &self.schema {
            text.push_str(",\"schema\":");
            text.push_str(&schema.0.canonical);
        }
        if let Some(seed) = self.seed {
            let _ = write!(text, ",\"seed\":{seed}");
        }
        if let Some(temperature) = self.temperature {
            let _ = write!(text, ",\"temperature\":{}", Value::from(temperature));
        }
        text.push('}');
        text
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> RequestHash {
        hash(&self.canonical())
    }

    /// The bytes of its texts and of its schema.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        let texts: usize = self.messages.iter().map(|message| message.text.len()).sum();
        (texts + self.schema_bytes()) as u64
    }

    fn schema_bytes(&self) -> usize {
        self.schema.as_ref().map_or(0, |schema| schema.0.canonical.len())
    }

    /// The tokens that it takes at most. In byte-level BPE, and in SentencePiece that falls back to bytes, each token
    /// stands for at least one byte of the text. So the bytes of all texts bound their tokens; the marks of a
    /// template around each message and each request are added, and the schema twice, since a provider may lay
    /// it out with spaces.
    #[must_use]
    pub fn tokens_in_max(&self) -> u64 {
        let marks = self.messages.len() * TOKENS_PER_MESSAGE_MAX + TOKENS_PER_REQUEST_MAX;
        self.text_bytes() + (self.schema_bytes() + marks) as u64
    }
}

/// Tokens that a template puts around one message, at most: its role, its marks and a space that a tokenizer adds.
const TOKENS_PER_MESSAGE_MAX: usize = 16;
/// Tokens that a provider adds to a request, at most: its own words about tools and schemas.
const TOKENS_PER_REQUEST_MAX: usize = 1_024;

/// A text as JSON.
#[expect(clippy::expect_used, reason = "a text has a form in JSON")]
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

/// The hash of a canonical text.
#[must_use]
pub fn hash(canonical: &str) -> RequestHash {
    *blake3::hash(canonical.as_bytes()).as_bytes()
}

/// A value whose objects have their keys in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<(&String, &Value)> = map.iter().collect();
            keys.sort_unstable_by_key(|(key, _)| *key);
            keys.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(model: &str) -> Request {
        Request {
            model: ModelName::parse(model).unwrap(),
            messages: vec![Message::new(Role::System, "You."), Message::new(Role::User, "Now?")],
            schema: Some(Schema::new(json!({ "type": "object", "a": [{ "z": 1, "b": 2 }] }))),
            max_output_tokens: 600,
            temperature: Some(0.7),
            seed: None,
        }
    }

    #[test]
    fn the_canonical_text_is_pinned() {
        assert_eq!(
            request("local::qwen2.5").canonical(),
            r#"{"max_output_tokens":600,"messages":[{"content":"You.","role":"system"},{"content":"Now?","role":"user"}],"model":"qwen2.5","schema":{"a":[{"b":2,"z":1}],"type":"object"},"temperature":0.7}"#
        );
        let bare = Request { schema: None, temperature: None, seed: Some(-1), ..request("a::m") };
        assert!(bare.canonical().ends_with(r#""model":"m","seed":-1}"#), "{}", bare.canonical());
    }

    #[test]
    fn the_canonical_text_is_json_with_sorted_keys() {
        let strange = "\u{0} \" \\ \u{1f9d1} </script> \u{2028}";
        let request = Request {
            messages: vec![Message::new(Role::Assistant, strange)],
            seed: Some(i64::MIN),
            ..request("a::m")
        };
        let text = request.canonical();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(sorted(&value).to_string(), text);
        assert_eq!(value["messages"][0]["content"], strange);
    }

    #[test]
    fn the_hash_tells_all_but_the_provider_apart() {
        let one = request("local::m");
        assert_eq!(one.hash(), request("other::m").hash());
        let others = [
            request("local::n"),
            Request { messages: vec![], ..one.clone() },
            Request { schema: None, ..one.clone() },
            Request { max_output_tokens: 601, ..one.clone() },
            Request { temperature: Some(0.8), ..one.clone() },
            Request { seed: Some(1), ..one.clone() },
        ];
        assert!(others.iter().all(|other| other.hash() != one.hash()));
        let turned = Request {
            schema: Some(Schema::new(json!({ "a": [{ "b": 2, "z": 1 }], "type": "object" }))),
            ..one.clone()
        };
        assert_eq!(turned.hash(), one.hash(), "the order of a schema's keys is none of its meaning");
    }

    #[test]
    fn a_model_is_named_with_its_provider() {
        let model = ModelName::parse("open-router_2::meta/llama-3:free").unwrap();
        assert_eq!((model.provider.as_str(), model.model.as_str()), ("open-router_2", "meta/llama-3:free"));
        assert_eq!(model.to_string(), "open-router_2::meta/llama-3:free");
        for bad in ["", "gpt", "::m", "a::", "a b::m", "a:m", "ü::m", "a::m\n"] {
            assert_eq!(ModelName::parse(bad), None, "{bad}");
        }
    }
}
