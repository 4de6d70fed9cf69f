//! JSON as the kernel keeps it: a tree that sorts its keys, with one canonical text.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value;

/// A shared JSON value. In text formats it is the value itself; in binary formats its canonical text.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Json(Arc<Value>);

impl Json {
    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// An owned copy of the value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::clone(&self.0)
    }

    /// Bytes it counts for on disk: text as it is, null nothing, all else its canonical text.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self.value() {
            Value::Null => 0,
            Value::String(text) => text.len(),
            other => text_bytes(other),
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let text = serde_json::to_string(&*self.0).map_err(S::Error::custom)?;
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
