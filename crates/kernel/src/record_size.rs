//! How many bytes of a record things take at most, known before they are written: no action may leave more
//! behind than a record holds.
//!
//! Every number is counted with the most bytes that its encoding can take, every text with its length.

use crate::{
    json::Json,
    record::{
        Cause, Change, Charge, Creation, Effect, Event, Filter, KeptVerdict, Memo, Outcome, Record, Shared,
        Thought, Until,
    },
    refusal::{About, Refusal},
};

/// Bytes of the length of a text or a list.
const LENGTH: usize = 10;
/// Bytes of a handle, or of the tag of an alternative.
const HANDLE: usize = 5;
/// Bytes of an amount, a time or a number of a record.
const NUMBER: usize = 10;
/// Bytes of an event, its detail apart.
const EVENT: usize = 96;
/// Bytes of an effect's numbers, tags and lengths, with those of the three events that it can bring upon loops.
const EFFECT: usize = 160 + 3 * EVENT;
/// Bytes of an invocation that is counted.
pub(crate) const COUNT: usize = 40;
/// Bytes of a charge, with those of the two events that it can bring upon loops.
pub(crate) const CHARGE: usize = 56 + 2 * EVENT;

fn text(text: &str) -> usize {
    LENGTH + text.len()
}

fn json(json: &Json) -> usize {
    LENGTH + json.text_bytes()
}

fn shared<T>(value: &Shared<T>, bytes: impl Fn(&T) -> usize) -> usize {
    match value {
        Shared::Own(value) => bytes(value),
        Shared::As(_) => HANDLE,
    }
}

fn maybe<T>(value: Option<&T>, bytes: impl Fn(&T) -> usize) -> usize {
    value.map_or(0, bytes)
}

impl Effect {
    /// Bytes that it takes in a record at most, with those of the events that loops tell because of it.
    pub(crate) fn bytes_max(&self) -> usize {
        let words = match self {
            // A count brings nothing upon loops, and there may be one for every op.
            Self::Use(_) | Self::Fail { .. } => return COUNT,
            Self::Pay { .. }
            | Self::Endow { .. }
            | Self::Allot { .. }
            | Self::Move { .. }
            | Self::Lapse { .. }
            | Self::Rate { .. }
            | Self::Own { .. }
            | Self::Delete { .. }
            | Self::Mandate { .. }
            | Self::Draw { .. }
            | Self::Forget { .. }
            | Self::Grow { .. }
            | Self::Mint { .. } => 0,
            Self::Remember { memo, .. } => memo.bytes_max(),
            Self::Create(creation) => creation.bytes_max(),
            Self::Change { change, .. } => change.bytes_max(),
            Self::Store { key, value, .. } => text(key) + maybe(value.as_ref(), json),
            Self::Verdicts { kept, .. } => kept.iter().map(KeptVerdict::bytes_max).sum(),
            Self::Sleep { until, .. } => until.iter().map(Until::bytes_max).sum(),
        };
        EFFECT + words
    }
}

impl Memo {
    fn bytes_max(&self) -> usize {
        2 * NUMBER + text(&self.text) + self.tags.iter().map(|tag| text(tag)).sum::<usize>()
    }
}

impl KeptVerdict {
    fn bytes_max(&self) -> usize {
        128 + text(&self.reason) + self.key.len() * HANDLE + self.steps.len() * 3 * NUMBER
    }
}

impl Creation {
    fn bytes_max(&self) -> usize {
        text(&self.id)
            + text(&self.kind)
            + shared(&self.content, json)
            + maybe(self.code.as_ref(), |code| shared(code, |code| text(code)))
            + shared(&self.interface, json)
            + shared(&self.metadata, json)
            + json(&self.policy)
            + self.depends_on.len() * HANDLE
    }
}

impl Change {
    fn bytes_max(&self) -> usize {
        maybe(self.content.as_ref(), json)
            + maybe(self.code.as_ref(), |code| maybe(code.as_ref(), |code| text(code)))
            + maybe(self.interface.as_ref(), json)
            + maybe(self.metadata.as_ref(), json)
            + maybe(self.policy.as_ref(), json)
            + maybe(self.depends_on.as_ref(), |on| on.len() * HANDLE)
    }
}

impl Until {
    fn bytes_max(&self) -> usize {
        match self {
            Self::Time(_) | Self::Level { .. } => 4 * NUMBER,
            Self::Event(filter) => 4 * NUMBER + filter.bytes_max(),
        }
    }
}

impl Filter {
    fn bytes_max(&self) -> usize {
        let words = [&self.actor, &self.artifact, &self.to, &self.resource, &self.detail];
        words.into_iter().map(|word| 1 + maybe(word.as_ref(), |word| text(word))).sum()
    }
}

impl Event {
    /// Bytes that it takes in a record at most.
    pub(crate) fn bytes_max(&self) -> usize {
        EVENT + self.detail.as_ref().map_or(0, String::len)
    }
}

impl Refusal {
    fn bytes_max(&self) -> usize {
        let about = |about: &About| {
            2 * NUMBER + text(&about.sentence) + maybe(about.hint.as_ref(), |hint| text(hint))
        };
        8 * NUMBER
            + text(&self.message)
            + maybe(self.traceback.as_deref(), |traceback| text(&traceback.0))
            + maybe(self.hint.as_ref(), |hint| text(hint))
            + maybe(self.about.as_deref(), about)
    }
}

impl Outcome {
    fn bytes_max(&self) -> usize {
        HANDLE
            + match self {
                Self::Nothing => 0,
                Self::Done(result) => json(result),
                Self::Refused(refusal) => refusal.bytes_max(),
            }
    }
}

impl Thought {
    fn bytes_max(&self) -> usize {
        4 * NUMBER
            + json(&self.action)
            + self.charges.len() * CHARGE
            + text(&self.output)
            + text(&self.think)
            + self.looks.iter().map(json).sum::<usize>()
    }
}

impl Cause {
    fn bytes_max(&self) -> usize {
        4 * NUMBER
            + match self {
                // Rules are short and there once; nothing cheaper than writing them tells how long they are.
                Self::Genesis { rules, runtime, .. } => {
                    64 + text(runtime) + postcard::to_stdvec(rules).map_or(0, |bytes| bytes.len())
                }
                Self::Rules { rules, .. } => 40 + postcard::to_stdvec(rules).map_or(0, |bytes| bytes.len()),
                Self::Runtime { name } => text(name),
                Self::Due { output, .. } | Self::Hook { output, .. } => text(output),
                Self::Founding | Self::Tick { .. } | Self::Clock { .. } | Self::Regrow => 0,
                Self::Ask { holds, .. } => 40 + holds.len() * 2 * NUMBER,
                Self::Short { .. } => 2 * NUMBER,
                Self::Act { action, action_id, output, .. } => {
                    json(action) + maybe(action_id.as_ref(), |id| text(id)) + text(output)
                }
                Self::Step { thought, output, .. } => thought.bytes_max() + text(output),
            }
    }
}

impl Charge {
    /// Bytes that charges take in a record at most, with those of the events that loops tell because of them.
    fn bytes_max(charges: &[Self]) -> usize {
        charges.len() * CHARGE
    }
}

impl Record {
    /// Bytes of its encoding at most, without writing it.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        2 * NUMBER
            + 3 * LENGTH
            + self.cause.bytes_max()
            + Charge::bytes_max(&self.charges)
            + self.effects.iter().map(Effect::bytes_max).sum::<usize>()
            + self.events.iter().map(Event::bytes_max).sum::<usize>()
            + self.outcome.bytes_max()
    }
}
