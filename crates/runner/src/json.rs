//! JSON from outside, read strictly: a key that stands twice is an error, and half of a surrogate
//! pair is found where it stands instead of spoiling the whole line.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Stands for half of a surrogate pair in text that holds one; nobody writes these noncharacters.
const LONE: &str = "\u{ffff}\u{fdd0}\u{ffff}";

/// A value, and whether its text held half of a surrogate pair.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The value.
    pub(crate) value: Value,
    /// Whether [`lone_surrogate`] is worth asking.
    pub(crate) broken_text: bool,
}

/// Reads JSON.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    match serde_json::from_str::<Strict>(text) {
        Ok(Strict(value)) => Ok(Parsed { value, broken_text: false }),
        Err(error) => match mark_lone_surrogates(text) {
            Some(marked) => match serde_json::from_str::<Strict>(&marked) {
                Ok(Strict(value)) => Ok(Parsed { value, broken_text: true }),
                Err(error) => Err(told(&error)),
            },
            None => Err(told(&error)),
        },
    }
}

/// Reads JSON in which every object has each key once and all text is text.
///
/// # Errors
/// What is wrong, and where.
pub fn strict(text: &str) -> Result<Value, String> {
    match parse(text)? {
        Parsed { broken_text: true, .. } => Err("it holds half of a surrogate pair, which is no text".into()),
        Parsed { value, .. } => Ok(value),
    }
}

fn told(error: &serde_json::Error) -> String {
    error.to_string().replace("recursion limit exceeded", "it nests too deep")
}

/// Whether a value holds half of a surrogate pair; only for values whose text is known to hold one.
pub(crate) fn lone_surrogate(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(LONE),
        Value::Array(items) => items.iter().any(lone_surrogate),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains(LONE) || lone_surrogate(value)),
        _ => false,
    }
}

/// The text with every escaped half of a surrogate pair replaced by a mark; `None` if there is none.
fn mark_lone_surrogates(text: &str) -> Option<String> {
    let code = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut marked = String::with_capacity(text.len());
    let (mut at, mut found) = (0, false);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if c != '\\' {
            marked.push(c);
            at += c.len_utf8();
            continue;
        }
        match (code(at), code(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => {
                marked.push_str(text.get(at..at + 12).unwrap_or_default());
                at += 12;
            }
            (Some(0xd800..=0xdfff), _) => {
                marked.push_str(LONE);
                found = true;
                at += 6;
            }
            _ => {
                let end =
                    text.get(at + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8) + 1;
                marked.push_str(text.get(at..at + end).unwrap_or_default());
                at += end;
            }
        }
    }
    found.then_some(marked)
}

/// A value whose objects have each key once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed.deserialize(deserializer).map(Self)
    }
}

struct Seed;

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            let value = access.next_value_seed(Self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_json() {
        for (text, fine) in [
            (r#"{"a": [1, -2, 2.5, true, null, "x"]}"#, true),
            (r#"{"a": 1, "a": 2}"#, false),
            (r#"{"a": {"b": 1, "b": 1}}"#, false),
            (r#"{"a": "\ud83d\ude00"}"#, true),
            (r#"{"a": NaN}"#, false),
            (r#"{"a": 1} x"#, false),
            (r#"{"a": "\\ud800"}"#, true),
        ] {
            assert_eq!(parse(text).is_ok_and(|parsed| !parsed.broken_text), fine, "{text}");
        }
        for text in [r#""\ud800""#, r#"["\udc00x"]"#, r#"{"\ud800": 1}"#, r#""\ud800\ud83d\ude00""#] {
            let parsed = parse(text).expect(text);
            assert!(parsed.broken_text && lone_surrogate(&parsed.value), "{text}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(parse(&deep).is_err());
    }
}
