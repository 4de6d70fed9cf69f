//! JSON from outside, read strictly: a key that stands twice is an error; a value that no world can hold
//! (half of a surrogate pair, an integer beyond 64 bits, a float beyond all floats) is found where it stands
//! instead of being changed in silence or spoiling the whole line.

use oikos_kernel::{op::beyond, refusal::Refusal};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Stands for half of a surrogate pair in text that holds one; nobody writes these noncharacters.
const LONE: &str = "\u{ffff}\u{fdd0}\u{ffff}";

/// Begins the text that stands for a number that no world can hold.
const NUMBER: &str = "\u{ffff}\u{fdd1}\u{ffff}";

/// A value as it was read.
#[derive(Debug)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// Whether it holds what no world can hold, so that [`flaw`] is worth asking.
    pub flawed: bool,
}

/// Why a text is not the JSON of a value.
#[derive(Debug)]
pub enum Misread {
    /// It is no JSON, or has a key twice.
    Syntax(String),
    /// It is JSON of what no world can hold.
    Unfit(Refusal),
}

/// Reads JSON.
///
/// # Errors
/// The problem and its place.
pub fn parse(text: &str) -> Result<Parsed, String> {
    let error = match read(text, Seed { wary: true }) {
        Ok(value) => return Ok(Parsed { value, flawed: false }),
        Err(error) => error,
    };
    // Something is wrong with it, or a number is so large that its text must be looked at.
    let marked = mark(text);
    let text = marked.text.as_deref().unwrap_or(text);
    match read(text, Seed { wary: false }) {
        Ok(value) => Ok(Parsed { value, flawed: marked.flawed }),
        Err(other) => Err(told(&if marked.text.is_some() { other } else { error })),
    }
}

fn told(error: &serde_json::Error) -> String {
    error.to_string().replace("recursion limit exceeded", "it nests too deep")
}

/// Reads the JSON value that a text begins with, as [`strict`] does, and how many bytes it has.
///
/// # Errors
/// The problem: it is cut, nests too deep, or is not to be read strictly.
pub(crate) fn first(text: &str) -> Result<(Value, usize), String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        None => return Err("there is none".into()),
        Some(Err(error)) => return Err(told(&error)),
        Some(Ok(IgnoredAny)) => {}
    }
    let bytes = values.byte_offset();
    match strict(text.get(..bytes).unwrap_or_default()) {
        Ok(value) => Ok((value, bytes)),
        Err(Misread::Syntax(problem)) => Err(problem),
        Err(Misread::Unfit(refusal)) => Err(refusal.message),
    }
}

fn read(text: &str, seed: Seed) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads JSON in which every object has each key once, all text is text and all numbers can be held.
///
/// # Errors
/// The problem and its place.
pub fn strict(text: &str) -> Result<Value, Misread> {
    let Parsed { value, flawed } = parse(text).map_err(Misread::Syntax)?;
    match flawed.then(|| flaw("action", &value)).flatten() {
        Some(refusal) => Err(Misread::Unfit(refusal)),
        None => Ok(value),
    }
}

/// The refusal of what a value holds and no world can, naming the place below `name`; only for values of
/// which it is known that there may be something.
pub fn flaw(name: &str, value: &Value) -> Option<Refusal> {
    match value {
        Value::String(text) if text.contains(LONE) => Some(lone_surrogate(&format!("`{name}`"))),
        Value::String(text) => text.strip_prefix(NUMBER).map(|number| {
            if number.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
                return beyond(name, number);
            }
            Refusal::invalid(format!(
                "`{name}`: the number {} is beyond what a float can hold",
                shown(number)
            ))
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| flaw(&format!("{name}[{at}]"), item))
        }
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            if key.contains(LONE) {
                return Some(lone_surrogate(&format!("a key in `{name}`")));
            }
            flaw(&format!("{name}.{}", shown(key).escape_debug()), value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The same for the fields of a request or an op, by their own names.
pub fn flaw_in(map: &Map<String, Value>) -> Option<Refusal> {
    flawed_key(map).or_else(|| map.iter().find_map(|(key, value)| flaw(&shown(key), value)))
}

/// The refusal of a field's name that is no text.
pub fn flawed_key(map: &Map<String, Value>) -> Option<Refusal> {
    map.keys().any(|key| key.contains(LONE)).then(|| lone_surrogate("the name of a field"))
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

fn lone_surrogate(what: &str) -> Refusal {
    Refusal::invalid(format!("{what} holds a lone surrogate, which is no text"))
        .hint("write characters beyond U+FFFF as a pair, or as themselves")
}

/// A text in which what no world can hold is replaced by marks.
struct Marked {
    /// The text, if it had to be changed.
    text: Option<String>,
    /// Whether there are marks in it.
    flawed: bool,
}

/// Replaces every half of a surrogate pair and every number that can't be held by a mark, and `-0` by `0`:
/// it is an integer, and would be read as a float.
fn mark(text: &str) -> Marked {
    let mut marked = String::with_capacity(text.len());
    let (mut at, mut changed, mut flawed, mut in_string) = (0, false, false, false);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let piece = match c {
            '\\' if in_string => escape(text, at),
            '-' | '0'..='9' if !in_string => number(text, at),
            _ => {
                in_string ^= c == '"';
                Piece { bytes: c.len_utf8(), becomes: None }
            }
        };
        match &piece.becomes {
            None => marked.push_str(text.get(at..at + piece.bytes).unwrap_or_default()),
            Some(becomes) => {
                changed = true;
                flawed = flawed || becomes.contains('\u{ffff}');
                marked.push_str(becomes);
            }
        }
        at += piece.bytes;
    }
    Marked { text: changed.then_some(marked), flawed }
}

/// A piece of text, and what it is replaced by.
struct Piece {
    bytes: usize,
    becomes: Option<String>,
}

/// An escape in a string; both halves of a pair are one piece.
fn escape(text: &str, at: usize) -> Piece {
    let code = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match (code(at), code(at + 6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => Piece { bytes: 12, becomes: None },
        (Some(0xd800..=0xdfff), _) => Piece { bytes: 6, becomes: Some(LONE.to_owned()) },
        _ => {
            let next = text.get(at + 1..).and_then(|rest| rest.chars().next());
            Piece { bytes: 1 + next.map_or(0, char::len_utf8), becomes: None }
        }
    }
}

/// A number outside of strings.
fn number(text: &str, at: usize) -> Piece {
    let rest = text.get(at..).unwrap_or_default();
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let bytes = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    let literal = rest.get(..bytes).unwrap_or_default();
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = if is_integer {
        literal.parse::<i64>().is_ok()
    } else {
        // A literal that is no number at all is left to the reader.
        !literal.parse::<f64>().is_ok_and(f64::is_infinite)
    };
    let becomes = match literal {
        "-0" => Some("0".to_owned()),
        _ => (!fits).then(|| format!("\"{NUMBER}{literal}\"")),
    };
    Piece { bytes, becomes }
}

/// Reads a value whose objects have each key once.
#[derive(Clone, Copy)]
struct Seed {
    /// Whether a number of which the text must be looked at is an error.
    wary: bool,
}

impl Seed {
    /// An integer beyond 64 bits arrives as a float or without its sign, and `-0` as a float.
    fn check<E: Error>(self, suspect: bool) -> Result<(), E> {
        if self.wary && suspect { Err(E::custom("a number that needs a look")) } else { Ok(()) }
    }
}

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
        self.check(value > i64::MAX.unsigned_abs())?;
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        const FIRST_BEYOND: f64 = 9_223_372_036_854_775_808.0;
        self.check(value.abs() >= FIRST_BEYOND || (value == 0.0 && value.is_sign_negative()))?;
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
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {:?} stands twice", shown(&key))));
            }
            let value = access.next_value_seed(self)?;
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
            (r#"{"a": 99999999999999999999} x"#, false),
            (r#"{"a": "\\ud800"}"#, true),
            (r#"{"a": "99999999999999999999 1e999"}"#, true),
        ] {
            assert_eq!(parse(text).is_ok_and(|parsed| !parsed.flawed), fine, "{text}");
        }
        for text in [r#""\ud800""#, r#"["\udc00x"]"#, r#"{"\ud800": 1}"#, r#""\ud800\ud83d\ude00""#] {
            let parsed = parse(text).expect(text);
            assert!(parsed.flawed && flaw("x", &parsed.value).is_some(), "{text}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn a_value_ends_where_something_else_begins() {
        for (text, found) in [
            (r#"{"a": 1} and so on"#, Ok((r#"{"a":1}"#, 8))),
            ("[-0] {", Ok(("[0]", 4))),
            (r#"{"a": 9223372036854775808} x"#, Err("the integer 9223372036854775808 is beyond 64 bits")),
            (r#"{"a": "\ud800"} x"#, Err("a lone surrogate")),
            (r#"{"a": 1, "a": 2} x"#, Err("the key \"a\" stands twice")),
            (r#"{"a": 1"#, Err("EOF")),
            ("", Err("there is none")),
            (&("[".repeat(200) + &"]".repeat(200)), Err("it nests too deep")),
        ] {
            match (first(text), found) {
                (Ok((value, bytes)), Ok(found)) => assert_eq!((value.to_string().as_str(), bytes), found),
                (Err(problem), Err(says)) => assert!(problem.contains(says), "{text}: {problem}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        for (text, is) in [
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("[-0, -0.0, 0]", "[0,-0.0,0]"),
            ("[1e300, 1E19, -12345678901234567890.5, 1e-400]", "[1e+300,1e+19,-1.2345678901234567e+19,0.0]"),
            (r#"{"b": 1, "a": {"z": 0.1, "y": 1.0}}"#, r#"{"b":1,"a":{"z":0.1,"y":1.0}}"#),
            ("9223372036854775808", "`x`: the integer 9223372036854775808 is beyond 64 bits"),
            ("-9223372036854775809", "`x`: the integer -9223372036854775809 is beyond 64 bits"),
            (
                r#"{"a": [1, {"b \"": 18446744073709551616}]}"#,
                r#"`x.a[1].b \"`: the integer 18446744073709551616 is beyond 64 bits"#,
            ),
            ("[1e400]", "`x[0]`: the number 1e400 is beyond what a float can hold"),
            ("[-1e999]", "`x[0]`: the number -1e999 is beyond what a float can hold"),
        ] {
            let parsed = parse(text).expect(text);
            let said = flaw("x", &parsed.value).map(|refusal| refusal.message);
            assert_eq!(parsed.flawed, said.is_some(), "{text}");
            assert_eq!(said.unwrap_or_else(|| parsed.value.to_string()), is, "{text}");
        }
    }
}
