//! The gifts that an invocation may send along.

use serde_json::{Value, json};

use super::field::{Amount, FieldType, Given, Word, list, unknown_key, wrong};
use crate::{id::Id, limits, refusal::Refusal};

/// One thing that is sent along with an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gift {
    /// An artifact.
    Artifact(Id),
    /// Some of a resource: balance, rate or quota, whichever its kind has.
    Resource {
        /// Of which resource.
        resource: Word<64>,
        /// How much, in base units.
        amount: Amount,
    },
}

/// The gifts sent along with an invocation: artifacts by their ids, and amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gifts(pub Vec<Gift>);

impl Given for Gifts {
    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        let mut gifts: Vec<Gift> = Vec::new();
        for (at, item) in list(name, value, limits::GIVE_MAX)?.into_iter().enumerate() {
            let gift = Gift::given(&format!("{name}[{at}]"), item)?;
            if gifts.iter().any(|other| other.word() == gift.word()) {
                return Err(Refusal::invalid(format!("`{name}` names {} twice", gift.word())));
            }
            gifts.push(gift);
        }
        Ok(Self(gifts))
    }

    fn given_schema() -> Value {
        let resource = json!({ "type": "object", "required": Gift::KEYS, "additionalProperties": false,
            "properties": { "resource": Word::<64>::given_schema(), "amount": Amount::given_schema() } });
        let gift = json!({ "anyOf": [Id::given_schema(), resource] });
        json!({ "type": "array", "items": gift, "maxItems": limits::GIVE_MAX, "uniqueItems": true })
    }
}

impl Gift {
    const KEYS: [&str; 2] = ["resource", "amount"];

    fn given(name: &str, value: Value) -> Result<Self, Refusal> {
        match value {
            Value::String(_) => Id::given(name, value).map(Self::Artifact),
            Value::Object(mut map) => {
                let (resource, amount) = (map.remove("resource"), map.remove("amount"));
                if let Some(key) = map.keys().next() {
                    return Err(unknown_key(name, key, &Self::KEYS));
                }
                Ok(Self::Resource {
                    resource: FieldType::take(&format!("{name}.resource"), resource)?,
                    amount: FieldType::take(&format!("{name}.amount"), amount)?,
                })
            }
            other => {
                let expected = "an artifact's id or {\"resource\": …, \"amount\": …}";
                Err(wrong(name, expected, &other))
            }
        }
    }

    /// The artifact or the resource it gives, in words: two gifts with the same word are of the same thing.
    fn word(&self) -> String {
        match self {
            Self::Artifact(id) => format!("`{id}`"),
            Self::Resource { resource, .. } => format!("the resource `{}`", resource.0),
        }
    }

    /// Whether it gives some of a resource.
    #[must_use]
    pub fn is_of(&self, name: &str) -> bool {
        match self {
            Self::Artifact(_) => false,
            Self::Resource { resource, .. } => &*resource.0 == name,
        }
    }

    /// As the code that receives it sees it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Artifact(id) => id.as_str().into(),
            Self::Resource { resource, amount } => {
                json!({ "resource": &*resource.0, "amount": amount.0 })
            }
        }
    }
}
