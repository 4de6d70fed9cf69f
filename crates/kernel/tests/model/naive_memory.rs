//! The naive model's memories: plain lists of entries.

use oikos_kernel::limits;
use serde_json::{Value, json};

use super::{
    naive::{Art, Fail, Model, fail},
    naive_ops::{Actor, Fields, text},
};

/// An entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    pub(crate) time: i64,
    pub(crate) text: String,
    pub(crate) importance: i64,
    pub(crate) tags: Vec<String>,
    pub(crate) supersedes: Option<i64>,
}

impl Entry {
    /// Sixteen for itself and for each tag, and their letters.
    pub(crate) fn size(&self) -> usize {
        16 + self.text.len() + self.tags.iter().map(|tag| 16 + tag.len()).sum::<usize>()
    }
}

fn tags_of(fields: &Fields) -> Vec<String> {
    let tags = fields.get("tags").and_then(Value::as_array).into_iter().flatten();
    tags.map(|tag| tag.as_str().unwrap().into()).collect()
}

fn number(fields: &Fields, name: &str) -> Option<i64> {
    fields.get(name).and_then(Value::as_i64)
}

/// The entry that stands in the place of another.
fn successor(art: &Art, number: i64) -> Option<i64> {
    art.entries.iter().find(|entry| entry.supersedes == Some(number)).map(|entry| entry.number)
}

impl Model {
    /// The artifact that is meant: the one that is named, or the one that the caller has linked.
    pub(crate) fn memory_meant(&self, actor: &Actor, fields: &Fields) -> Result<String, Fail> {
        if let Some(id) = fields.get("artifact").and_then(Value::as_str) {
            return self.live(id).map(|_| id.into());
        }
        match self.live(&actor.me)?.memory.clone() {
            Some(id) => self.live(&id).map(|_| id.clone()),
            None => fail("invalid_argument"),
        }
    }

    fn memory(&self, actor: &Actor, fields: &Fields) -> Result<String, Fail> {
        let id = self.memory_meant(actor, fields)?;
        if self.get(&id).kind == "memory" { Ok(id) } else { fail("invalid_argument") }
    }

    pub(crate) fn remember(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        let id = self.memory(actor, fields)?;
        let mut art = Art::clone(self.get(&id));
        let (tags, supersedes) = (tags_of(fields), number(fields, "supersedes"));
        if tags.iter().any(|tag| tag == "superseded") {
            return fail("invalid_argument");
        }
        if let Some(before) = supersedes {
            if !art.entries.iter().any(|entry| entry.number == before) {
                return fail("not_found");
            }
            if successor(&art, before).is_some() {
                return fail("invalid_argument");
            }
        }
        art.last_entry += 1;
        let number_of = art.last_entry;
        art.entries.push(Entry {
            number: number_of,
            time: self.now,
            text: text(fields, "text").into(),
            importance: number(fields, "importance").unwrap_or(5),
            tags,
            supersedes,
        });
        self.replace(&id, art)?;
        Ok(json!({ "artifact": id, "entry": number_of }))
    }

    pub(crate) fn forget(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        let id = self.memory(actor, fields)?;
        let mut art = Art::clone(self.get(&id));
        let before = art.entries.len();
        match number(fields, "entry") {
            None => art.entries.clear(),
            Some(number) => art.entries.retain(|entry| entry.number != number),
        }
        let forgotten = before - art.entries.len();
        if forgotten == 0 && fields.contains_key("entry") {
            return fail("not_found");
        }
        self.look(&actor.payer, forgotten as u64 * limits::PARTS_PER_ROW)?;
        self.replace(&id, art)?;
        Ok(json!({ "artifact": id, "forgotten": forgotten }))
    }

    /// Entries of which no word is asked for, or none that there is.
    pub(crate) fn recall(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        let id = self.memory(actor, fields)?;
        let art = Art::clone(self.get(&id));
        let rows = art.entries.len() as u64 * limits::PARTS_PER_ROW;
        self.look(&actor.payer, rows)?;
        if let Some(text) = fields.get("text").and_then(Value::as_str) {
            let stored: usize = art.entries.iter().map(Entry::size).sum();
            self.look(&actor.payer, text.len() as u64 * limits::PARTS_PER_BYTE_OF_WORDS)?;
            self.look(&actor.payer, rows + stored as u64 * limits::PARTS_PER_BYTE)?;
        }
        let tags = tags_of(fields);
        let has = |entry: &Entry, tag: &String| match tag.as_str() {
            "superseded" => successor(&art, entry.number).is_some(),
            _ => entry.tags.contains(tag),
        };
        let asked_for = tags.iter().any(|tag| tag == "superseded");
        let since = number(fields, "since").unwrap_or(0);
        let wanted = art.entries.iter().filter(|entry| {
            entry.number > since
                && (asked_for || successor(&art, entry.number).is_none())
                && tags.iter().all(|tag| has(entry, tag))
        });
        let mut found: Vec<(i64, &Entry)> = wanted.map(|entry| (self.score(entry), entry)).collect();
        let in_order = tags.iter().any(|tag| tag == "pinned") && !fields.contains_key("text");
        if !in_order {
            found.sort_by_key(|(score, entry)| (-score, -entry.number));
        }
        let most = number(fields, "limit").unwrap_or(if in_order { i64::MAX } else { 10 });
        found.truncate(usize::try_from(most).unwrap());
        let mut shown = Vec::new();
        for (score, entry) in found {
            let bytes = entry.text.len() as u64 * limits::PARTS_PER_BYTE;
            self.look(&actor.payer, limits::PARTS_PER_ROW_SHOWN + bytes)?;
            let mut row = json!({
                "entry": entry.number, "text": entry.text, "importance": entry.importance, "tags": entry.tags,
                "score": score,
                "why": { "words": 0, "recency": self.recency(entry), "importance": entry.importance * 100 },
            });
            if let Some(before) = entry.supersedes {
                row["supersedes"] = before.into();
            }
            if let Some(by) = successor(&art, entry.number) {
                row["superseded_by"] = by.into();
            }
            shown.push(row);
        }
        Ok(shown.into())
    }

    fn recency(&self, entry: &Entry) -> i64 {
        let (mut recency, mut age, half) = (1_000, self.now - entry.time, self.rules.memory_half_life_ms);
        while age >= half {
            (recency, age) = (recency / 2, age - half);
        }
        recency - recency * age / (2 * half)
    }

    fn score(&self, entry: &Entry) -> i64 {
        (2 * self.recency(entry) + 2 * entry.importance * 100) / 10
    }
}
