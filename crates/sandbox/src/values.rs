//! JSON and the marshalled values of Python, one into the other.
//!
//! Bytes from code are believed in nothing: no length is allocated before it is there, and a part that is shared
//! counts each time that it is written out.

use oikos_kernel::{json::text_bytes, limits};
use serde_json::{Map, Number, Value};

/// The bit of a type's byte that says that the value is referred to later.
const FLAG_REF: u8 = 0x80;

/// Digits of a long integer have so many bits.
const DIGIT_BITS: u32 = 15;

/// Steps of a place that are told.
const STEPS_SHOWN: usize = 8;

/// Appends a value.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'N'),
        Value::Bool(true) => out.push(b'T'),
        Value::Bool(false) => out.push(b'F'),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            write_length(items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(map) => {
            out.push(b'{');
            for (key, item) in map {
                write_text(key, out);
                write(item, out);
            }
            out.push(b'0');
        }
    }
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole, number.as_f64()) {
        (Some(whole), _) => write_int(whole, out),
        (None, float) => {
            out.push(b'g');
            out.extend(float.unwrap_or(f64::NAN).to_le_bytes());
        }
    }
}

fn write_int(whole: i128, out: &mut Vec<u8>) {
    if let Ok(short) = i32::try_from(whole) {
        out.push(b'i');
        out.extend(short.to_le_bytes());
        return;
    }
    let mut digits = Vec::new();
    let mut left = whole.unsigned_abs();
    while left > 0 {
        // A digit is below 2¹⁵.
        digits.push(u16::try_from(left & 0x7fff).unwrap_or(0));
        left >>= DIGIT_BITS;
    }
    let count = i32::try_from(digits.len()).unwrap_or(0);
    out.push(b'l');
    out.extend((if whole < 0 { -count } else { count }).to_le_bytes());
    digits.iter().for_each(|digit| out.extend(digit.to_le_bytes()));
}

/// Appends a text.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(length) if text.is_ascii() => {
            out.push(b'z');
            out.push(length);
        }
        _ => {
            out.push(b'u');
            write_length(text.len(), out);
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of a tuple of so many parts.
pub(crate) fn write_tuple(parts: usize, out: &mut Vec<u8>) {
    out.push(b'(');
    write_length(parts, out);
}

/// A length: all that is written is far below two gigabytes, as limits of the kernel have it.
fn write_length(length: usize, out: &mut Vec<u8>) {
    out.extend(i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes());
}

/// Why bytes are no JSON.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// JSON can't hold a value; the steps to its place, the last one first.
    Value { what: String, place: Vec<String> },
    /// It nests too deep.
    Deep,
    /// It has more bytes than it may.
    Long(usize),
    /// No Python wrote them.
    Forged,
}

impl Unfit {
    fn value(what: impl Into<String>) -> Self {
        Self::Value { what: what.into(), place: Vec::new() }
    }

    /// The same, seen from one step further out.
    fn within(mut self, step: impl ToString) -> Self {
        if let Self::Value { place, .. } = &mut self {
            place.push(step.to_string());
        }
        self
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value { what, place } => {
                write!(f, "JSON can't hold {what}")?;
                if !place.is_empty() {
                    f.write_str(" at ")?;
                }
                place.iter().rev().take(STEPS_SHOWN).try_for_each(|step| write!(f, "[{step}]"))
            }
            Self::Deep => write!(f, "the value nests deeper than {} levels", limits::JSON_DEPTH_MAX),
            Self::Long(most) => write!(f, "the value has more than {most} bytes as JSON"),
            Self::Forged => f.write_str("its bytes were not written by Python"),
        }
    }
}

/// Reads marshalled bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where each value begins that may be referred to, and whether it has ended.
    refs: Vec<(usize, bool)>,
    /// How many values are being written out once more.
    again: usize,
    bytes_max: usize,
    /// Where it stops, because no fuel is left for more.
    stop: usize,
    /// Bytes of the JSON so far, floats counted for their least.
    written: usize,
}

/// Fuel that a byte takes of values that are read and turn out to be unfit; of those that are fit, the kernel counts
/// the work.
const FUEL_PER_BYTE: u64 = 500;

/// Bytes that are read whatever fuel is left.
const BYTES_FREE: usize = 64 * 1024;

/// Items of a list for which room is made before they are there.
const ITEMS_AT_ONCE: usize = 1_024;

/// The least bytes of a float's text, and how many times as many it may have.
const FLOAT_BYTES_MIN: usize = 3;
const FLOAT_BYTES_TIMES: usize = 9;

type Read<T> = Result<T, Unfit>;

impl<'a> Reader<'a> {
    /// A reader of values that have at most so many bytes as JSON together.
    pub(crate) const fn new(bytes: &'a [u8], bytes_max: usize) -> Self {
        Self { bytes, at: 0, refs: Vec::new(), again: 0, bytes_max, stop: bytes_max, written: 0 }
    }

    /// As [`Reader::new`], of values that code hands over with so much fuel left: no more is read than that is worth.
    pub(crate) fn within(bytes: &'a [u8], bytes_max: usize, fuel_left: u64) -> Self {
        let worth = usize::try_from(fuel_left / FUEL_PER_BYTE).unwrap_or(usize::MAX);
        Self { stop: bytes_max.min(worth.max(BYTES_FREE)), ..Self::new(bytes, bytes_max) }
    }

    /// Whether it stopped because no fuel was left.
    pub(crate) const fn is_out_of_fuel(&self) -> bool {
        self.written > self.stop && self.stop < self.bytes_max
    }

    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or(Unfit::Forged)?;
        let taken = self.bytes.get(self.at..end).ok_or(Unfit::Forged)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.first_chunk().copied().ok_or(Unfit::Forged)
    }

    fn byte(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// A length. Each part that it counts has at least one byte, so a larger one than the rest is a lie.
    fn length(&mut self) -> Read<usize> {
        let length = usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| Unfit::Forged)?;
        if length > self.bytes.len() { Err(Unfit::Forged) } else { Ok(length) }
    }

    /// The type of the next value, and its number among those that may be referred to.
    fn tag(&mut self) -> Read<(u8, Option<usize>)> {
        let start = self.at;
        let byte = self.byte()?;
        let named = byte & FLAG_REF != 0 && self.again == 0;
        if named {
            self.refs.push((start, false));
        }
        Ok((byte & !FLAG_REF, named.then(|| self.refs.len() - 1)))
    }

    /// Says that a value has ended.
    fn ended(&mut self, number: Option<usize>) {
        if let Some((_, ended)) = number.and_then(|number| self.refs.get_mut(number)) {
            *ended = true;
        }
    }

    /// Reads the value that a reference refers to.
    fn referred<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let number = usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| Unfit::Forged)?;
        let (start, ended) = self.refs.get(number).copied().ok_or(Unfit::Forged)?;
        if !ended {
            return Err(Unfit::value("a value that contains itself"));
        }
        let back = std::mem::replace(&mut self.at, start);
        self.again += 1;
        let value = read(self);
        self.again -= 1;
        self.at = back;
        value
    }

    fn count(&mut self, bytes: usize) -> Read<()> {
        self.written = self.written.saturating_add(bytes);
        if self.written > self.stop { Err(Unfit::Long(self.bytes_max)) } else { Ok(()) }
    }

    /// The head of a tuple: how many parts it has. They are to be read one after another.
    pub(crate) fn tuple(&mut self) -> Read<usize> {
        match self.tag()? {
            (b')', _) => Ok(usize::from(self.byte()?)),
            (b'(' | b'[', _) => self.length(),
            _ => Err(Unfit::Forged),
        }
    }

    /// A text that is no JSON value of anybody's.
    pub(crate) fn text(&mut self) -> Read<String> {
        let (tag, number) = self.tag()?;
        let text = match tag {
            b'r' => self.referred(Self::text)?,
            tag => self.text_of(tag)?.ok_or(Unfit::Forged)?.to_owned(),
        };
        self.ended(number);
        Ok(text)
    }

    /// A text, or `None`.
    pub(crate) fn text_or_none(&mut self) -> Read<Option<String>> {
        if self.bytes.get(self.at).is_some_and(|byte| byte & !FLAG_REF == b'N') {
            self.byte()?;
            return Ok(None);
        }
        self.text().map(Some)
    }

    /// A small number that is no JSON value of anybody's.
    pub(crate) fn small(&mut self) -> Read<i32> {
        match self.tag()? {
            (b'i', number) => {
                let small = i32::from_le_bytes(self.array()?);
                self.ended(number);
                Ok(small)
            }
            (b'T', _) => Ok(1),
            (b'F', _) => Ok(0),
            (b'r', _) => self.referred(Self::small),
            _ => Err(Unfit::Forged),
        }
    }

    /// Bytes that are no JSON value of anybody's.
    pub(crate) fn raw(&mut self) -> Read<&'a [u8]> {
        match self.tag()? {
            (b's', number) => {
                let length = self.length()?;
                self.ended(number);
                self.take(length)
            }
            _ => Err(Unfit::Forged),
        }
    }

    /// Pairs of names and values, as keyword arguments are.
    pub(crate) fn named(&mut self) -> Read<Map<String, Value>> {
        match self.value()? {
            Value::Object(map) => Ok(map),
            _ => Err(Unfit::Forged),
        }
    }

    /// A value.
    pub(crate) fn value(&mut self) -> Read<Value> {
        self.json(0)
    }

    /// Fuel for the values that were read so far.
    pub(crate) fn fuel(&self) -> u64 {
        u64::try_from(self.written).unwrap_or(u64::MAX).saturating_mul(FUEL_PER_BYTE)
    }

    /// Whether the bytes are at their end, and the values within their limit.
    pub(crate) fn end(&self, values: &[&Value]) -> Read<()> {
        if self.at != self.bytes.len() {
            return Err(Unfit::Forged);
        }
        // Floats were counted for their least.
        if self.written.saturating_mul(FLOAT_BYTES_TIMES) > self.bytes_max {
            let bytes: usize = values.iter().map(|value| text_bytes(value)).sum();
            if bytes > self.bytes_max {
                return Err(Unfit::Long(self.bytes_max));
            }
        }
        Ok(())
    }

    fn json(&mut self, depth: usize) -> Read<Value> {
        if depth > limits::JSON_DEPTH_MAX {
            return Err(Unfit::Deep);
        }
        let (tag, number) = self.tag()?;
        let value = match tag {
            b'N' => self.atom("null", Value::Null)?,
            b'T' => self.atom("true", Value::Bool(true))?,
            b'F' => self.atom("false", Value::Bool(false))?,
            b'i' | b'l' => {
                let whole = self.whole(tag)?;
                let whole = whole.ok_or_else(|| Unfit::value("an int beyond 64 bits"))?;
                self.count(whole.unsigned_abs().checked_ilog10().map_or(1, |digits| digits as usize + 1))?;
                whole.into()
            }
            b'g' => {
                let float = f64::from_le_bytes(self.array()?);
                self.count(FLOAT_BYTES_MIN)?;
                let finite = Number::from_f64(float).map(Value::Number);
                finite.ok_or_else(|| Unfit::value(format!("the float {}", python_float(float))))?
            }
            b'(' | b')' | b'[' => {
                let length = if tag == b')' { usize::from(self.byte()?) } else { self.length()? };
                self.list(length, depth)?
            }
            b'{' => self.dict(depth)?,
            b'r' => self.referred(|reader| reader.json(depth))?,
            tag => match self.text_of(tag)? {
                Some(text) => {
                    self.count(2 + escaped_bytes(text))?;
                    Value::String(text.to_owned())
                }
                None => return Err(Unfit::value(format!("a value of type {}", type_name(tag)?))),
            },
        };
        self.ended(number);
        Ok(value)
    }

    fn atom(&mut self, text: &str, value: Value) -> Read<Value> {
        self.count(text.len())?;
        Ok(value)
    }

    fn list(&mut self, length: usize, depth: usize) -> Read<Value> {
        self.count(2 + length.saturating_sub(1))?;
        let mut items = Vec::with_capacity(length.min(ITEMS_AT_ONCE));
        for at in 0..length {
            items.push(self.json(depth + 1).map_err(|unfit| unfit.within(at))?);
        }
        Ok(Value::Array(items))
    }

    fn dict(&mut self, depth: usize) -> Read<Value> {
        self.count(2)?;
        let mut map = Map::new();
        while self.bytes.get(self.at) != Some(&b'0') {
            let key = self.key()?;
            self.count(escaped_bytes(&key) + 3 + usize::from(!map.is_empty()))?;
            let item = self.json(depth + 1).map_err(|unfit| unfit.within(&key))?;
            if map.insert(key.clone(), item).is_some() {
                return Err(Unfit::value(format!("two keys that both read {key:?}")));
            }
        }
        self.at += 1;
        Ok(Value::Object(map))
    }

    /// A key as Python's `json.dumps` writes it.
    fn key(&mut self) -> Read<String> {
        let (tag, number) = self.tag()?;
        let key = match tag {
            b'N' => "null".to_owned(),
            b'T' => "true".to_owned(),
            b'F' => "false".to_owned(),
            b'i' | b'l' => {
                let whole = self.whole(tag)?;
                whole.ok_or_else(|| Unfit::value("an int beyond 64 bits as a key"))?.to_string()
            }
            b'g' => {
                let float = f64::from_le_bytes(self.array()?);
                if !float.is_finite() {
                    return Err(Unfit::value(format!("the float {} as a key", python_float(float))));
                }
                python_float(float)
            }
            b'r' => self.referred(Self::key)?,
            b'(' | b')' => return Err(Unfit::value("a dict key of type tuple")),
            tag => match self.text_of(tag)? {
                Some(text) => text.to_owned(),
                None => return Err(Unfit::value(format!("a dict key of type {}", type_name(tag)?))),
            },
        };
        self.ended(number);
        Ok(key)
    }

    /// An int; `None` when it has more than 64 bits.
    fn whole(&mut self, tag: u8) -> Read<Option<i64>> {
        if tag == b'i' {
            return Ok(Some(i64::from(i32::from_le_bytes(self.array()?))));
        }
        let count = i32::from_le_bytes(self.array()?);
        let digits = usize::try_from(count.unsigned_abs()).map_err(|_| Unfit::Forged)?;
        let bytes = self.take(digits.checked_mul(2).ok_or(Unfit::Forged)?)?;
        // Five digits are 75 bits.
        if digits > 5 {
            return Ok(None);
        }
        let mut whole = 0_i128;
        for digit in bytes.as_chunks::<2>().0.iter().rev() {
            let digit = u16::from_le_bytes(*digit);
            if digit >> DIGIT_BITS != 0 {
                return Err(Unfit::Forged);
            }
            whole = whole << DIGIT_BITS | i128::from(digit);
        }
        Ok(i64::try_from(if count < 0 { -whole } else { whole }).ok())
    }

    /// The text of a value of such a type; `None` when it is no text.
    fn text_of(&mut self, tag: u8) -> Read<Option<&'a str>> {
        let length = match tag {
            b'z' | b'Z' => usize::from(self.byte()?),
            b'a' | b'A' | b'u' | b't' => self.length()?,
            _ => return Ok(None),
        };
        let bytes = self.take(length)?;
        if matches!(tag, b'z' | b'Z' | b'a' | b'A') && !bytes.is_ascii() {
            return Err(Unfit::Forged);
        }
        // Python's own texts are UTF-8 but for surrogates.
        let text = std::str::from_utf8(bytes).map_err(|_| Unfit::value("a str with a lone surrogate"))?;
        Ok(Some(text))
    }
}

/// Python's name of a type of values that JSON has not.
fn type_name(tag: u8) -> Read<&'static str> {
    Ok(match tag {
        b's' => "bytes",
        b'<' => "set",
        b'>' => "frozenset",
        b'x' | b'y' => "complex",
        b'.' => "ellipsis",
        b'S' => "type",
        b'c' => "code",
        b':' => "slice",
        _ => return Err(Unfit::Forged),
    })
}

/// Bytes of a text within JSON, without its quotes.
fn escaped_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// A float as Python writes it.
fn python_float(float: f64) -> String {
    if !float.is_finite() {
        let text = if float.is_nan() { "nan" } else { "inf" };
        return if float == f64::NEG_INFINITY { format!("-{text}") } else { text.to_owned() };
    }
    // The shortest digits that give the same float, as `1.25e-7`.
    let scientific = format!("{float:e}");
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if (-4..16).contains(&power) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn back(value: &Value) -> Value {
        let mut bytes = Vec::new();
        write(value, &mut bytes);
        let mut reader = Reader::new(&bytes, 1_000_000);
        let value = reader.value().expect("it is JSON");
        reader.end(&[&value]).expect("it ends");
        value
    }

    #[test]
    fn values_come_back_as_they_were() {
        let long = "é".repeat(300);
        for value in [
            json!([null, true, false, 0, -1, i32::MIN, i64::from(i32::MIN) - 1, i64::MAX, i64::MIN]),
            json!([0.0, -0.0, 1e300, 5e-324, 1.0]),
            json!({"z": {"a": []}, "a": {}, "": ["", "é", long, "\u{1F600}", "\n\u{0}"]}),
        ] {
            assert_eq!(back(&value).to_string(), value.to_string());
        }
    }

    #[test]
    fn bytes_are_believed_in_nothing() {
        let told = |bytes: &[u8]| Reader::new(bytes, 1_000).value().expect_err("it is no value").to_string();
        let forged = Unfit::Forged.to_string();
        for bytes in [
            &b""[..],
            b"[\xff\xff\xff\x7f",
            b"[\xff\xff\xff\xff",
            b"u\xff\xff\xff\x7fabc",
            b"z\x05abc",
            b"z\x01\xff",
            b"l\xff\xff\xff\x7f\x01\x00",
            b"l\x01\x00\x00\x00\xff\xff",
            b"r\x00\x00\x00\x00",
            b"r\xff\xff\xff\xff",
            b"{z\x01a",
            b"{z\x01aN",
            b"\x00",
            b"?",
        ] {
            assert_eq!(told(bytes), forged, "{bytes:?}");
        }
        // A list that contains itself, and one that doubles forty times.
        assert!(told(b"\xdb\x01\x00\x00\x00r\x00\x00\x00\x00").contains("contains itself"));
        let mut doubled = Vec::new();
        for level in 0_i32..40 {
            doubled.extend(b"\xdb\x02\x00\x00\x00");
            if level == 39 {
                doubled.extend(b"NN");
            }
        }
        for level in (1_i32..40).rev() {
            doubled.push(b'r');
            doubled.extend(level.to_le_bytes());
        }
        assert!(told(&doubled).contains("more than 1000 bytes"), "{}", told(&doubled));
    }

    #[test]
    fn keys_read_as_in_pythons_json() {
        for (float, text) in [
            (1.0, "1.0"),
            (-0.5, "-0.5"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e15, "1000000000000000.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(python_float(float), text);
        }
    }
}
