//! JSON as the kernel keeps it: a tree that sorts its keys, with one canonical text.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value;

/// A shared JSON value. In text formats it is the value itself; in binary formats its canonical text.
#[derive(Clone, Debug, Default)]
pub struct Json(Arc<Node>);

#[derive(Debug, Default)]
struct Node {
    value: Value,
    /// Bytes of its text, once somebody asked.
    text_bytes: OnceLock<usize>,
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || self.0.value == other.0.value
    }
}

impl Json {
    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// An owned copy of the value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.0.value.clone()
    }

    /// Whether both are one value in memory.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where it lies in memory: what is shared lies at one place.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Bytes of its canonical text; they are counted once.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        *self.0.text_bytes.get_or_init(|| text_bytes(&self.0.value))
    }

    /// The value if its text has at most so many bytes, else `{"cut": BYTES, "hash": …}`: the size of its text and
    /// the BLAKE3 of it.
    #[must_use]
    pub fn within(&self, bytes_max: usize) -> Self {
        if self.text_bytes() <= bytes_max {
            return self.clone();
        }
        let mut hasher = blake3::Hasher::new();
        let written = serde_json::to_writer(&mut hasher, self.value());
        assert!(written.is_ok(), "JSON without floats that are no numbers has a text");
        Self::from(cut(self.text_bytes(), hasher.finalize()))
    }

    /// BLAKE3 of the value, whatever the order of its keys.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        fn feed(hasher: &mut blake3::Hasher, value: &Value) {
            let mut text = |tag: u8, text: &str| {
                hasher.update(&[tag]);
                hasher.update(&text.len().to_le_bytes());
                hasher.update(text.as_bytes());
            };
            match value {
                Value::Null => text(b'n', ""),
                Value::Bool(bool) => text(b'b', if *bool { "true" } else { "false" }),
                Value::Number(number) => text(b'd', &number.to_string()),
                Value::String(string) => text(b's', string),
                Value::Array(items) => {
                    text(b'a', &items.len().to_string());
                    items.iter().for_each(|item| feed(hasher, item));
                }
                Value::Object(map) => {
                    text(b'o', &map.len().to_string());
                    let mut keys: Vec<(&String, &Value)> = map.iter().collect();
                    keys.sort_unstable_by_key(|(key, _)| *key);
                    for (key, item) in keys {
                        hasher.update(&key.len().to_le_bytes());
                        hasher.update(key.as_bytes());
                        feed(hasher, item);
                    }
                }
            }
        }
        let mut hasher = blake3::Hasher::new();
        feed(&mut hasher, self.value());
        *hasher.finalize().as_bytes()
    }

    /// Bytes it counts for on disk: text as it is, null nothing, all else its canonical text.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self.value() {
            Value::Null => 0,
            Value::String(text) => text.len(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => self.text_bytes(),
        }
    }
}

/// What stands for something that is too long to keep.
pub(crate) fn cut(bytes: usize, hash: blake3::Hash) -> Value {
    serde_json::json!({ "cut": bytes, "hash": hash.to_hex().as_str() })
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(Arc::new(Node { value, text_bytes: OnceLock::new() }))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.value().serialize(serializer);
        }
        let text = serde_json::to_string(self.value()).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Value::deserialize(deserializer).map(Self::from);
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        serde_json::from_str::<Value>(&text).map(Self::from).map_err(D::Error::custom)
    }
}

/// Bytes of the canonical text of `value`, counted without writing it.
#[must_use]
pub fn text_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

/// Depth of nesting of `value`; a scalar has depth 0. It stops counting just past `max`.
#[must_use]
pub fn depth(value: &Value, max: usize) -> usize {
    let inner = |deepest: usize| if deepest > max { deepest } else { deepest + 1 };
    match value {
        _ if max == 0 => usize::from(value.is_array() || value.is_object()),
        Value::Array(items) => inner(items.iter().map(|item| depth(item, max - 1)).max().unwrap_or(0)),
        Value::Object(map) => inner(map.values().map(|item| depth(item, max - 1)).max().unwrap_or(0)),
        _ => 0,
    }
}
