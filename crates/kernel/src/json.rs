//! JSON as the kernel keeps it: a tree whose objects keep the order of their keys, with one text.
//!
//! Integers are those of 64 bits with a sign, floats are finite; both come back from the text as they were.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::Value;

use crate::limits;

/// A shared JSON value. In text formats it is the value itself; in binary formats its text.
#[derive(Clone, Debug, Default)]
pub struct Json(Arc<Node>);

#[derive(Debug, Default)]
struct Node {
    value: Value,
    /// Bytes of its text, once somebody asked.
    text_bytes: OnceLock<usize>,
}

/// Two are equal if their texts are: the order of keys counts, and 1 is not 1.0.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || same(&self.0.value, &other.0.value)
    }
}

/// How a value is called in a message.
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        Value::String(text) => format!("a string of {} bytes", text.len()),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// Whether two values have the same text.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            // Zero and minus zero are equal as numbers, and two texts.
            one.as_f64().map(f64::to_bits) == other.as_f64().map(f64::to_bits)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = || one.iter().zip(other);
            one.len() == other.len()
                && pairs().all(|((key, one), (name, other))| key == name && same(one, other))
        }
        (one, other) => one == other,
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

    /// Bytes of its text; they are counted once.
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

    /// Bytes it counts for on disk: text as it is, null nothing, all else its JSON.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self.value() {
            Value::Null => 0,
            Value::String(text) => text.len(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => self.text_bytes(),
        }
    }
}

/// The stand-in for a value that is too long to keep: its size and its hash.
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

/// The form of JSON within binary formats: its text.
pub(crate) mod as_text {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
        ser::Error as _,
    };

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).map_err(S::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(D::Error::custom)
    }
}

/// Bytes of the JSON of `value`, counted without writing it.
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

/// The reasons for which a JSON value can't enter a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It nests deeper than [`limits::JSON_DEPTH_MAX`].
    Deep,
    /// It holds an integer beyond 64 bits with a sign, at this place, such as `[0].price`.
    Integer {
        /// Where it stands; empty for the value itself.
        place: String,
        /// The integer.
        number: String,
    },
}

/// Looks through a value for what no world may hold.
///
/// # Errors
/// The first thing that is found.
pub fn check(value: &Value) -> Result<(), Unfit> {
    let mut path = Vec::new();
    walk(value, &mut path)
}

/// A step from a value to one inside it.
#[derive(Clone, Copy)]
enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

fn walk<'a>(value: &'a Value, path: &mut Vec<Step<'a>>) -> Result<(), Unfit> {
    let deep = path.len() == limits::JSON_DEPTH_MAX;
    let mut inside = |step: Step<'a>, value: &'a Value| {
        path.push(step);
        walk(value, path)?;
        path.pop();
        Ok(())
    };
    match value {
        Value::Array(_) | Value::Object(_) if deep => Err(Unfit::Deep),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(at, item)| inside(Step::Index(at), item))
        }
        Value::Object(map) => map.iter().try_for_each(|(key, item)| inside(Step::Key(key), item)),
        Value::Number(number) if number.is_u64() && !number.is_i64() => {
            Err(Unfit::Integer { place: place(path), number: number.to_string() })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// A path in words: `[0].price`, its first steps if it is long.
fn place(path: &[Step<'_>]) -> String {
    const STEPS_SHOWN: usize = 8;
    const KEY_CHARS_SHOWN: usize = 64;
    let shown = path.iter().take(STEPS_SHOWN).map(|step| match step {
        Step::Index(at) => format!("[{at}]"),
        Step::Key(key) => {
            let key: String = key.chars().take(KEY_CHARS_SHOWN).collect();
            format!(".{}", key.escape_debug())
        }
    });
    let rest = if path.len() > STEPS_SHOWN { "…" } else { "" };
    shown.chain([rest.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_exact_both_ways() {
        for text in [
            r#"{"b":1,"a":{"z":null,"y":[1,1.0,-0.0,0.0,0]}}"#,
            "[9223372036854775807,-9223372036854775808]",
            "[0.1,1e-320,5e-324,1.7976931348623157e308,0.30000000000000004,123456789012345680000.0]",
        ] {
            let json: Json = serde_json::from_str::<Value>(text).unwrap().into();
            let bytes = postcard::to_stdvec(&json).unwrap();
            let back: Json = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(back, json);
            assert_eq!(back.value().to_string(), json.value().to_string());
            assert_eq!(text_bytes(json.value()), json.value().to_string().len());
        }
    }

    #[test]
    fn equal_is_what_has_the_same_text() {
        let read = |text: &str| Json::from(serde_json::from_str::<Value>(text).unwrap());
        let all =
            [r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, r#"{"a":1}"#, "[1]", "[1.0]", "[0.0]", "[-0.0]", "[]"];
        for one in all {
            for other in all {
                assert_eq!(read(one) == read(other), one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_unfit_is_found_where_it_stands() {
        let found = |value: Value| match check(&value) {
            Ok(()) => "fit".to_owned(),
            Err(Unfit::Deep) => "deep".to_owned(),
            Err(Unfit::Integer { place, number }) => format!("{number} at {place}"),
        };
        let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
        assert_eq!(found(json!([i64::MAX, i64::MIN, 1e300, "x"])), "fit");
        assert_eq!(found(json!(u64::MAX)), "18446744073709551615 at ");
        assert_eq!(found(json!({"a": [0, {"b\n": 1_u64 << 63}]})), "9223372036854775808 at .a[1].b\\n");
        assert_eq!(found(nested(limits::JSON_DEPTH_MAX)), "fit");
        assert_eq!(found(nested(limits::JSON_DEPTH_MAX + 1)), "deep");
        let empty = (0..limits::JSON_DEPTH_MAX).fold(json!([]), |value, _| json!([value]));
        assert_eq!(found(empty), "deep");
    }
}
