//! The conditions of a `sleep`: the fields of the op, read once for it and once for each entry of `any`.

use serde_json::{Map, Value, json};

use super::field::{Duration, FieldType, Fields, Given, Object, Word, in_field, integer, list, unknown_key};
use crate::{
    limits,
    record::{Bound, EventKind, Filter},
    refusal::Refusal,
    time::Time,
};

/// A type of event, or `*` for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType(pub Option<EventKind>);

impl Given for EventType {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let word = Word::<64>::given(name, value)?;
        if &*word.0 == "*" {
            return Ok(Self(None));
        }
        if let Some(kind) = EventKind::from_word(&word.0) {
            return Ok(Self(Some(kind)));
        }
        let shown = word.0.escape_debug();
        let refusal = Refusal::invalid(format!("`{name}`: there is no type of event `{shown}`"));
        Err(match crate::id::nearest(&word.0, EventKind::words()) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint("`*` is any type; the others are in the handbook"),
        })
    }

    fn given_schema() -> Value {
        let words: Vec<&str> = EventKind::words().chain(["*"]).collect();
        json!({ "enum": words })
    }
}

/// Which events of a type: the fields that an event must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitting(pub Filter);

impl Given for Fitting {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let Value::Object(map) = Object::given(name, value)?.0.to_value() else {
            return Err(Refusal::invalid(format!("`{name}` must be an object")));
        };
        let mut filter = Filter::default();
        for (key, value) in map {
            let field = format!("{name}.{key}");
            let slot = match key.as_str() {
                "actor" => &mut filter.actor,
                "artifact" => &mut filter.artifact,
                "to" => &mut filter.to,
                "resource" => &mut filter.resource,
                "detail" => &mut filter.detail,
                "amount" => {
                    filter.amount = Some(integer(&field, &value, 0)?);
                    continue;
                }
                _ => return Err(unknown_key(name, &key, &FILTER_KEYS)),
            };
            *slot = Some(Word::<256>::given(&field, value)?.0.as_ref().to_owned());
        }
        Ok(Self(filter))
    }

    fn given_schema() -> Value {
        let text = || json!({ "type": "string" });
        json!({ "type": "object", "additionalProperties": false, "properties": {
            "actor": text(), "artifact": text(), "to": text(), "resource": text(), "detail": text(),
            "amount": { "type": "integer", "minimum": 0, "description": "at least so much" } } })
    }
}

const FILTER_KEYS: [&str; 6] = ["actor", "artifact", "to", "resource", "detail", "amount"];

/// A level to wait for: a number is at least so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// From which side.
    pub bound: Bound,
    /// How much, in base units.
    pub level: i64,
}

impl Given for Level {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let Value::Object(map) = value else {
            return Ok(Self { bound: Bound::AtLeast, level: integer(name, &value, 0)? });
        };
        let only = (map.len() == 1).then(|| map.into_iter().next()).flatten();
        let (bound, value) = match only.as_ref().map(|(key, value)| (key.as_str(), value)) {
            Some(("at_least", value)) => (Bound::AtLeast, value),
            Some(("at_most", value)) => (Bound::AtMost, value),
            _ => {
                return Err(Refusal::invalid(format!(
                    "`{name}` must be a number, {{\"at_least\": 5}} or {{\"at_most\": 5}}"
                )));
            }
        };
        Ok(Self { bound, level: integer(name, value, 0)? })
    }

    fn given_schema() -> Value {
        let number = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
        json!({ "anyOf": [number,
            { "type": "object", "properties": { "at_least": number }, "required": ["at_least"], "additionalProperties": false },
            { "type": "object", "properties": { "at_most": number }, "required": ["at_most"], "additionalProperties": false }] })
    }
}

/// The conditions that end a sleep: the first of them ends it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    /// So long.
    pub duration: Option<Duration>,
    /// An instant.
    pub until: Option<Time>,
    /// A type of event.
    pub event: Option<EventType>,
    /// Which events of that type.
    pub filter: Option<Fitting>,
    /// The holding that `level` is about: `scrip` or a resource.
    pub resource: Option<Word<64>>,
    /// A level of what it holds.
    pub level: Option<Level>,
}

const WAITING_KEYS: [&str; 6] = ["for", "until", "event", "filter", "resource", "level"];

impl Waiting {
    fn take(fields: &mut Fields) -> Result<Self, Refusal> {
        Ok(Self {
            duration: fields.take("for")?,
            until: fields.take("until")?,
            event: fields.take("event")?,
            filter: fields.take("filter")?,
            resource: fields.take("resource")?,
            level: fields.take("level")?,
        })
    }
}

impl Given for Waiting {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let Value::Object(map) = value else {
            return Err(Refusal::invalid(format!("`{name}` must be an object such as {{\"for\": \"60s\"}}")));
        };
        if let Some(key) = map.keys().find(|key| !WAITING_KEYS.contains(&key.as_str())) {
            return Err(unknown_key(name, key, &WAITING_KEYS));
        }
        let waiting = Self::take(&mut Fields(map)).map_err(|refusal| in_field(name, refusal))?;
        if waiting == Self::default() {
            return Err(Refusal::invalid(format!("`{name}` waits for nothing")));
        }
        Ok(waiting)
    }

    fn given_schema() -> Value {
        fn of<T: FieldType>() -> Value {
            T::schema()
        }
        let properties = Map::from_iter([
            ("for".to_owned(), of::<Option<Duration>>()),
            ("until".to_owned(), of::<Option<Time>>()),
            ("event".to_owned(), of::<Option<EventType>>()),
            ("filter".to_owned(), of::<Option<Fitting>>()),
            ("resource".to_owned(), of::<Option<Word<64>>>()),
            ("level".to_owned(), of::<Option<Level>>()),
        ]);
        json!({ "type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1 })
    }
}

/// Several things to wait for.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyOf(pub Vec<Waiting>);

impl Given for AnyOf {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let items = list(name, value, limits::SLEEP_CONDITIONS_MAX)?.into_iter().enumerate();
        items
            .map(|(at, item)| Waiting::given(&format!("{name}[{at}]"), item))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn given_schema() -> Value {
        json!({ "type": "array", "items": Waiting::given_schema(), "maxItems": limits::SLEEP_CONDITIONS_MAX })
    }
}
