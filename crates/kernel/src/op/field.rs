//! The types of the fields of ops: each knows how it is read from JSON and how its schema reads.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    id::{Id, nearest},
    interface,
    json::{Json, Unfit, check, found, text_bytes},
    limits,
    record::Pays,
    refusal::{Code, Refusal},
    time::{DURATION_UNITS, Time, parse_duration_ms},
    words::words,
};

/// A type that a field of an op can have.
pub trait FieldType: Sized {
    /// Whether the field must be given.
    const REQUIRED: bool;

    /// Reads the field `name`; `None` when it was not given.
    ///
    /// # Errors
    /// `invalid_argument` or `limit_exceeded`, naming the field.
    fn take(name: &str, value: Option<Value>) -> Result<Self, Refusal>;

    /// Its JSON Schema.
    fn schema() -> Value;

    /// Whether it was given.
    fn is_given(&self) -> bool;
}

/// A type that is read from a value that was given.
pub(super) trait Given: Sized {
    fn given(name: &str, value: Value) -> Result<Self, Refusal>;
    fn given_schema() -> Value;
}

impl<T: Given> FieldType for T {
    const REQUIRED: bool = true;

    fn take(name: &str, value: Option<Value>) -> Result<Self, Refusal> {
        match value {
            Some(value) => T::given(name, value),
            None => Err(Refusal::invalid(format!("`{name}` is missing"))),
        }
    }

    fn schema() -> Value {
        T::given_schema()
    }

    fn is_given(&self) -> bool {
        true
    }
}

impl<T: Given> FieldType for Option<T> {
    const REQUIRED: bool = false;

    fn take(name: &str, value: Option<Value>) -> Result<Self, Refusal> {
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::given(name, value).map(Some),
        }
    }

    fn schema() -> Value {
        T::given_schema()
    }

    fn is_given(&self) -> bool {
        self.is_some()
    }
}

/// A field whose null means something: leave it out to keep what there is.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep<T> {
    /// Not given.
    Keep,
    /// Given; `None` is null.
    Set(Option<T>),
}

impl<T: Given> FieldType for Keep<T> {
    const REQUIRED: bool = false;

    fn take(name: &str, value: Option<Value>) -> Result<Self, Refusal> {
        match value {
            None => Ok(Self::Keep),
            Some(Value::Null) => Ok(Self::Set(None)),
            Some(value) => T::given(name, value).map(|value| Self::Set(Some(value))),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [T::given_schema(), { "type": "null" }] })
    }

    fn is_given(&self) -> bool {
        match self {
            Self::Keep => false,
            Self::Set(_) => true,
        }
    }
}

/// A field that must be given, and whose null means something.
#[derive(Clone, Debug, PartialEq)]
pub struct OrNull<T>(pub Option<T>);

impl<T: Given> FieldType for OrNull<T> {
    const REQUIRED: bool = true;

    fn take(name: &str, value: Option<Value>) -> Result<Self, Refusal> {
        match value {
            None => Err(Refusal::invalid(format!("`{name}` is missing")).hint("it may be null")),
            Some(Value::Null) => Ok(Self(None)),
            Some(value) => T::given(name, value).map(|value| Self(Some(value))),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [T::given_schema(), { "type": "null" }] })
    }

    fn is_given(&self) -> bool {
        true
    }
}

pub(super) fn wrong(name: &str, expected: &str, value: &Value) -> Refusal {
    Refusal::invalid(format!("`{name}` must be {expected}, not {}", found(value)))
}

pub(super) fn in_field(name: &str, mut refusal: Refusal) -> Refusal {
    refusal.message = format!("`{name}`: {}", refusal.message);
    refusal
}

fn too_large(name: &str, what: &str, most: usize, has: usize) -> Refusal {
    Refusal::new(Code::LimitExceeded, format!("`{name}` is too large: the most is {most} {what}"))
        .numbers(i64::try_from(has).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX))
}

fn text(name: &str, value: Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(wrong(name, "a string", &other)),
    }
}

pub(super) fn integer(name: &str, value: &Value, least: i64) -> Result<i64, Refusal> {
    let expected = format!("an integer from {least} to {}", i64::MAX);
    match value.as_i64() {
        Some(amount) if amount >= least => Ok(amount),
        _ => Err(wrong(name, &expected, value)),
    }
}

/// The refusal of an integer that no world can hold, naming its place.
#[must_use]
pub fn beyond(place: &str, number: &str) -> Refusal {
    let shown: String = number.chars().take(40).collect();
    let rest = if shown.len() < number.len() { "…" } else { "" };
    Refusal::invalid(format!("`{place}`: the integer {shown}{rest} is beyond 64 bits")).hint(format!(
        "integers go from {} to {}; write a longer one as a string",
        i64::MIN,
        i64::MAX
    ))
}

pub(super) fn list(name: &str, value: Value, most: usize) -> Result<Vec<Value>, Refusal> {
    match value {
        Value::Array(items) if items.len() <= most => Ok(items),
        Value::Array(items) => Err(too_large(name, "entries", most, items.len())),
        other => Err(wrong(name, "an array", &other)),
    }
}

/// A key that an object of a field doesn't have.
pub(super) fn unknown_key(name: &str, key: &str, known: &[&str]) -> Refusal {
    let shown: String = key.chars().take(64).collect();
    let refusal = Refusal::invalid(format!("`{name}` has no field `{}`", shown.escape_debug()));
    match nearest(key, known.iter().copied()) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal.hint(format!("its fields are {}", known.join(", "))),
    }
}

/// Checks the size and depth of a JSON value, and that its integers are those of 64 bits.
///
/// # Errors
/// `limit_exceeded` or `invalid_argument`, naming the field and the place in it.
pub fn bounded(name: &str, value: &Value, bytes_max: usize) -> Result<(), Refusal> {
    match check(value) {
        Ok(()) => {}
        Err(Unfit::Deep) => {
            let most = limits::JSON_DEPTH_MAX;
            return Err(too_large(name, "levels of nesting", most, most + 1));
        }
        Err(Unfit::Integer { place, number }) => return Err(beyond(&format!("{name}{place}"), &number)),
    }
    let bytes = match value {
        Value::String(text) => text.len(),
        other => text_bytes(other),
    };
    if bytes > bytes_max { Err(too_large(name, "bytes", bytes_max, bytes)) } else { Ok(()) }
}

impl Given for Id {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let text = text(name, value)?;
        Self::parse(&text).map_err(|error| in_field(name, error.into()))
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$" })
    }
}

impl Given for bool {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        value.as_bool().ok_or_else(|| wrong(name, "true or false", &value))
    }

    fn given_schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// An amount in base units, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub i64);

impl Given for Amount {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        integer(name, &value, 1).map(Self)
    }

    fn given_schema() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX })
    }
}

/// An amount or number that may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Natural(pub i64);

impl Natural {
    /// The number, which is never negative.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the door lets no negative number in")]
    pub fn as_u64(self) -> u64 {
        u64::try_from(self.0).expect("0 or more")
    }
}

impl Given for Natural {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        integer(name, &value, 0).map(Self)
    }

    fn given_schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX })
    }
}

/// Free text, as long as content may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl Given for Text {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::CONTENT_BYTES_MAX)?;
        text(name, value).map(Self)
    }

    fn given_schema() -> Value {
        json!({ "type": "string" })
    }
}

/// Source code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(pub Arc<str>);

impl Given for Source {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::CODE_BYTES_MAX)?;
        text(name, value).map(|text| Self(text.into()))
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "maxLength": limits::CODE_BYTES_MAX })
    }
}

/// The name of a method, an action id or a word: text with a limit on its characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<const MOST: usize>(pub Arc<str>);

impl<const MOST: usize> Given for Word<MOST> {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let text = text(name, value)?;
        if text.is_empty() {
            return Err(Refusal::invalid(format!("`{name}` can't be empty")));
        }
        let chars = text.chars().count();
        if chars > MOST { Err(too_large(name, "characters", MOST, chars)) } else { Ok(Self(text.into())) }
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": MOST })
    }
}

/// A remark: text with a limit on its characters, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark<const MOST: usize>(pub Arc<str>);

impl<const MOST: usize> Given for Remark<MOST> {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let text = text(name, value)?;
        let chars = text.chars().count();
        if chars > MOST { Err(too_large(name, "characters", MOST, chars)) } else { Ok(Self(text.into())) }
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "maxLength": MOST })
    }
}

/// A method's name.
pub type Method = Word<{ limits::METHOD_CHARS_MAX }>;
/// A client's id of an action.
pub type ActionId = Word<{ limits::ACTION_ID_CHARS_MAX }>;
/// A storage key.
pub type Key = Word<{ limits::STORAGE_KEY_BYTES_MAX }>;

/// JSON up to a number of bytes; null is a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Data<const BYTES: usize>(pub Json);

impl<const BYTES: usize> Given for Data<BYTES> {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, BYTES)?;
        Ok(Self(value.into()))
    }

    fn given_schema() -> Value {
        Value::Bool(true)
    }
}

/// The content of an artifact.
pub type Content = Data<{ limits::CONTENT_BYTES_MAX }>;
/// A value in storage.
pub type Stored = Data<{ limits::STORAGE_VALUE_BYTES_MAX }>;

/// A JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(pub Json);

impl Given for Object {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::METADATA_BYTES_MAX)?;
        if value.is_object() { Ok(Self(value.into())) } else { Err(wrong(name, "an object", &value)) }
    }

    fn given_schema() -> Value {
        json!({ "type": "object" })
    }
}

/// An MCP-style list of tools.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface(pub Json);

impl Given for Interface {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::INTERFACE_BYTES_MAX)?;
        interface::check(name, &value)?;
        Ok(Self(value.into()))
    }

    fn given_schema() -> Value {
        json!({ "type": "array", "items": { "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string" }, "description": { "type": "string" },
            "inputSchema": { "type": "object" }, "deposit": { "type": "integer", "minimum": 0 },
            "price": { "type": "integer", "minimum": 0 } } } })
    }
}

/// Positional arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Args(pub Vec<Value>);

impl Given for Args {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        bounded(name, &value, limits::ARGS_BYTES_MAX)?;
        list(name, value, usize::MAX).map(Self)
    }

    fn given_schema() -> Value {
        json!({ "type": "array" })
    }
}

/// A list of ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Ids<const MOST: usize>(pub Vec<Id>);

impl<const MOST: usize> Given for Ids<MOST> {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let mut ids = Vec::new();
        for (at, item) in list(name, value, MOST)?.into_iter().enumerate() {
            let id = Id::given(&format!("{name}[{at}]"), item)?;
            if ids.contains(&id) {
                return Err(Refusal::invalid(format!("`{name}` names `{id}` twice")));
            }
            ids.push(id);
        }
        Ok(Self(ids))
    }

    fn given_schema() -> Value {
        json!({ "type": "array", "items": Id::given_schema(), "maxItems": MOST, "uniqueItems": true })
    }
}

/// A duration in milliseconds, written as `60s` or as a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub i64);

impl Given for Duration {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let ms = match &value {
            Value::String(text) => parse_duration_ms(text),
            other => other.as_i64().and_then(|seconds| seconds.checked_mul(1_000)),
        };
        match ms {
            Some(ms) if ms >= 0 => Ok(Self(ms)),
            _ => {
                let refusal = wrong(name, "a duration such as \"60s\"", &value);
                Err(refusal.hint(format!("its units are {DURATION_UNITS}")))
            }
        }
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "examples": ["60s", "1h 30m"] })
    }
}

impl Given for Time {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let time = value.as_str().and_then(Self::parse);
        time.ok_or_else(|| wrong(name, "an RFC 3339 time", &value))
    }

    fn given_schema() -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

fn word<T>(name: &str, value: Value, words: &[&str], read: fn(&str) -> Option<T>) -> Result<T, Refusal> {
    let text = text(name, value)?;
    if let Some(value) = read(&text) {
        return Ok(value);
    }
    let refusal = Refusal::invalid(format!("`{name}` can't be {text:?}; it is one of {}", words.join(", ")));
    Err(match nearest(&text, words.iter().copied()) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal,
    })
}

words! {
    /// Which part of a resource account moves.
    Part {
        /// A depletable balance.
        Balance = "balance",
        /// A renewable rate.
        Rate = "rate",
        /// An allocatable quota.
        Quota = "quota",
    }
}

words! {
    /// Which text an edit changes.
    Field {
        /// The content, which must be text.
        Content = "content",
        /// The code.
        Code = "code",
    }
}

words! {
    /// The kinds of permission that an access contract is asked for.
    Permission {
        /// To see content and code.
        Read = "read",
        /// To change fields.
        Write = "write",
        /// To call its code.
        Invoke = "invoke",
        /// An alias of `invoke`.
        Execute = "execute",
        /// To make it a tombstone.
        Delete = "delete",
        /// To change its owner.
        Transfer = "transfer",
    }
}

impl Permission {
    /// The word by which contracts are asked.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Execute => Self::Invoke.as_str(),
            Self::Read | Self::Write | Self::Invoke | Self::Delete | Self::Transfer => self.as_str(),
        }
    }
}

words! {
    /// The subjects of queries.
    What {
        /// Scrip of every principal.
        Balances = "balances",
        /// Scrip of one principal.
        Balance = "balance",
        /// Resources of one principal.
        Resources = "resources",
        /// Whether a principal could use an amount now, and if not, when.
        Capacity = "capacity",
        /// Metadata of one artifact.
        Artifact = "artifact",
        /// Metadata of artifacts.
        Artifacts = "artifacts",
        /// Artifacts whose id, kind, text or description holds some words.
        Search = "search",
        /// Agents and their states.
        Agents = "agents",
        /// Recent events.
        Events = "events",
        /// All the scrip there is.
        Supply = "supply",
        /// The decision of a contract, without acting.
        Permission = "permission",
        /// The posted price of an invocation.
        Price = "price",
        /// The cost of an invocation, and whether it would be allowed, without acting.
        Quote = "quote",
        /// The mandates that somebody gave and holds.
        Mandates = "mandates",
        /// The counted facts of an artifact or a principal.
        Reputation = "reputation",
        /// The customers of an artifact.
        Customers = "customers",
        /// The best entries of a memory.
        Recall = "recall",
        /// The last turns of an agent.
        History = "history",
    }
}

macro_rules! given_words {
    ($($Name:ident),+) => { $(
        impl Given for $Name {
            fn given(name: &str, value: Value) -> Result<Self, Refusal> {
                word(name, value, Self::WORDS, Self::from_word)
            }

            fn given_schema() -> Value {
                json!({ "enum": Self::WORDS })
            }
        }
    )+ };
}

/// Amounts of resources by their names, at most one of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amounts(pub Vec<(Box<str>, i64)>);

impl Given for Amounts {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let Value::Object(map) = value else {
            return Err(wrong(name, "an object {\"resource\": amount}", &value));
        };
        if map.len() > limits::RESOURCES_MAX {
            let sentence = format!("`{name}` names more resources than a world has");
            return Err(Refusal::beyond_limit(sentence, map.len(), limits::RESOURCES_MAX));
        }
        let amounts = map.into_iter().map(|(resource, amount)| {
            let amount = integer(&format!("{name}.{}", resource.escape_debug()), &amount, 0)?;
            Ok((resource.into(), amount))
        });
        amounts.collect::<Result<_, _>>().map(Self)
    }

    fn given_schema() -> Value {
        json!({ "type": "object", "additionalProperties": Natural::given_schema() })
    }
}

given_words!(Part, Field, Permission, What, Pays);

/// The fields of one op, taken out one by one.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    pub(super) fn take<T: FieldType>(&mut self, name: &str) -> Result<T, Refusal> {
        T::take(name, self.0.remove(name))
    }
}
