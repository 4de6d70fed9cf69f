//! Memories: the ops `remember` and `forget`, and the query `recall`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Told, Transaction, meter,
    stack::{Actor, Ask},
};
use crate::{
    id::{Handle, Id},
    limits,
    memory::{self, Asked, Found, Memory, SUPERSEDED, Words, ranked},
    op::{Forget, OpKind, Permission, Query, Remember, Since},
    record::{Effect, Memo},
    refusal::{Code, Refusal},
    state::State,
};

impl Transaction<'_> {
    /// The permission of a memory that an op needs.
    pub(super) fn ask_memory(
        &self,
        actor: Actor,
        action: Permission,
        artifact: Option<&Id>,
    ) -> Result<Vec<Ask>, Refusal> {
        self.memory_meant(actor, artifact).map(|target| vec![Ask { action, target }])
    }

    /// The artifact that an op about a memory means: the one it names, or the caller's own memory.
    fn memory_meant(&self, actor: Actor, artifact: Option<&Id>) -> Result<Handle, Refusal> {
        if let Some(id) = artifact {
            return self.target(id);
        }
        if actor.me.is_none() {
            let sentence = "an observer has no memory of its own; name one as `artifact`";
            return Err(Refusal::invalid(sentence));
        }
        let me = self.own(actor)?;
        let linked = self.draft.artifact(me).and_then(|artifact| artifact.memory_artifact);
        let Some(linked) = linked else {
            let sentence =
                format!("`{}` has no memory of its own: its `memory_artifact` is null", self.name(me));
            return Err(Refusal::invalid(sentence).hint(
                "name one as `artifact`, or write an artifact of the kind `memory` and link it as your `memory_artifact`",
            ));
        };
        match self.draft.artifact(linked) {
            Some(memory) if memory.deleted => {
                let sentence = format!("`{}`, the memory of `{}`, was deleted", memory.id, self.name(me));
                Err(Refusal::new(Code::NotFound, sentence).hint("link another one as `memory_artifact`"))
            }
            Some(_) | None => Ok(linked),
        }
    }

    /// The memory that an op means, if it is one.
    fn memory(&self, actor: Actor, artifact: Option<&Id>) -> Result<Handle, Refusal> {
        let handle = self.memory_meant(actor, artifact)?;
        match self.draft.artifact(handle) {
            Some(artifact) if *artifact.kind != *memory::KIND => {
                let sentence = format!("`{}` is no memory: its kind is `{}`", artifact.id, artifact.kind);
                Err(Refusal::invalid(sentence).hint("a memory is an artifact written with the kind `memory`"))
            }
            Some(_) | None => Ok(handle),
        }
    }

    fn entries_of(&self, memory: Handle) -> Arc<Memory> {
        self.draft.artifact(memory).and_then(|artifact| artifact.memory.clone()).unwrap_or_default()
    }

    pub(super) fn remember(&mut self, actor: Actor, op: &Remember) -> Result<Value, Refusal> {
        let memory = self.memory(actor, op.artifact.as_ref())?;
        let tags = op.tags.as_ref().map_or(&[][..], |tags| &tags.0);
        if tags.iter().any(|tag| **tag == *SUPERSEDED) {
            let sentence =
                format!("`tags`: `{SUPERSEDED}` is the tag of entries in whose place another stands");
            return Err(Refusal::invalid(sentence).hint("name the old entry as `supersedes` of the new one"));
        }
        let entries = self.entries_of(memory);
        let (count, most) = (entries.len(), limits::MEMORY_ENTRIES_MAX);
        if count >= most {
            let sentence = format!("a memory has at most {most} entries");
            return Err(Refusal::beyond_limit(sentence, count + 1, most)
                .hint("`forget` some, or write another memory"));
        }
        let supersedes = op.supersedes.map(|entry| entry.0);
        if let Some(number) = supersedes {
            let before = entries.get(number).ok_or_else(|| self.no_entry(memory, number))?;
            if let Some(by) = before.superseded_by {
                let sentence = format!("entry {by} stands in the place of entry {number} already");
                return Err(Refusal::invalid(sentence).hint(format!("supersede {by}")));
            }
        }
        let default = u8::try_from(limits::IMPORTANCE).unwrap_or(u8::MAX);
        let memo = Arc::new(Memo {
            text: op.text.0.as_ref().into(),
            importance: op.importance.map_or(default, |importance| importance.0),
            tags: tags.iter().map(|tag| tag.as_ref().into()).collect(),
            supersedes,
        });
        self.put(Effect::Remember { memory, memo })?;
        self.tell(actor, OpKind::Remember, Told { artifact: Some(memory), ..Told::default() });
        Ok(json!({ "artifact": self.name(memory), "entry": entries.next() }))
    }

    pub(super) fn forget(&mut self, actor: Actor, op: &Forget) -> Result<Value, Refusal> {
        let memory = self.memory(actor, op.artifact.as_ref())?;
        let (entries, entry) = (self.entries_of(memory), op.entry.map(|entry| entry.0));
        let forgotten = match entry {
            Some(number) if entries.get(number).is_none() => return Err(self.no_entry(memory, number)),
            Some(_) => 1,
            None => entries.len(),
        };
        self.look(actor, meter::rows(forgotten))?;
        if forgotten > 0 {
            self.put(Effect::Forget { memory, entry })?;
            self.tell(actor, OpKind::Forget, Told { artifact: Some(memory), ..Told::default() });
        }
        Ok(json!({ "artifact": self.name(memory), "forgotten": forgotten }))
    }

    fn no_entry(&self, memory: Handle, number: u64) -> Refusal {
        let sentence = format!("`{}` has no entry {number}", self.name(memory));
        Refusal::new(Code::NotFound, sentence)
            .hint("`query` with what = \"recall\" shows the numbers of entries")
    }

    /// The best entries of a memory.
    pub(super) fn recall(&self, actor: Actor, query: &Query) -> Result<Value, Refusal> {
        let rows = self.rows(actor, query)?;
        let memory = self.memory(actor, query.artifact.as_ref())?;
        let entries = self.entries_of(memory);
        self.look(actor, meter::rows(entries.len()))?;
        let words = match &query.text {
            Some(text) => {
                // Its own words, and those of each entry twice: how many have it, and how much it counts there.
                let stored = usize::try_from(entries.bytes()).unwrap_or(usize::MAX);
                self.look(actor, meter::words(text.0.len()))?;
                self.look(actor, meter::rows(entries.len()).saturating_add(meter::bytes(stored)))?;
                Some(Words::of(&text.0))
            }
            None => None,
        };
        let (after, from) = match query.since {
            None => (0, None),
            Some(Since::Number(number)) => (number.unsigned_abs(), None),
            Some(Since::Time(instant)) => (0, Some(instant)),
        };
        let mut asked = Asked {
            words: words.as_ref(),
            tags: query.tags.iter().flat_map(|tags| tags.0.iter().map(AsRef::as_ref)).collect(),
            after,
            from,
            now: self.now,
            half_life_ms: self.draft.world().rules().memory_half_life_ms,
            rows,
        };
        if query.limit.is_none() && !asked.in_order() {
            asked.rows = limits::RECALL_ROWS;
        }
        let mut shown = Vec::new();
        for found in ranked(&entries, &asked) {
            self.look(actor, limits::PARTS_PER_ROW_SHOWN + meter::bytes(found.entry.memo.text.len()))?;
            shown.push(entry_json(&found));
        }
        Ok(Value::Array(shown))
    }
}

fn entry_json(found: &Found<'_>) -> Value {
    let (entry, memo) = (found.entry, &found.entry.memo);
    let mut shown = Map::new();
    shown.insert("entry".into(), found.number.into());
    shown.insert("time".into(), entry.time.to_string().into());
    shown.insert("text".into(), memo.text.as_str().into());
    shown.insert("importance".into(), memo.importance.into());
    shown.insert("tags".into(), memo.tags.iter().map(String::as_str).collect());
    if let Some(before) = memo.supersedes {
        shown.insert("supersedes".into(), before.into());
    }
    if let Some(by) = entry.superseded_by {
        shown.insert("superseded_by".into(), by.into());
    }
    shown.insert("score".into(), found.why.score().into());
    let why = found.why.terms().map(|(term, part)| (term.to_owned(), part.into()));
    shown.insert("why".into(), Value::Object(why.collect()));
    Value::Object(shown)
}
