//! Sleepers that wait for events, found by the events that may wake them. It knows no world.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::{
    event::{EventKind, Filter},
    record::{Bound, Until},
    rules::Rules,
    time::Time,
};

/// By which part of an event its sleepers are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    None,
    Actor,
    Artifact,
    To,
}

/// Where a sleeper stands that waits for an event: the type, and one id that the event must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Option<EventKind>, Part, Arc<str>);

/// The parts of an event by which sleepers are found.
pub(crate) struct Signs {
    pub(crate) kind: EventKind,
    pub(crate) actor: Option<Arc<str>>,
    pub(crate) artifact: Option<Arc<str>>,
    pub(crate) to: Option<Arc<str>>,
}

/// The loops that wait for events, by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sleepers(OrdMap<Key, OrdSet<u32>>);

impl Key {
    fn of(filter: &Filter) -> Self {
        let parts =
            [(Part::To, &filter.to), (Part::Artifact, &filter.artifact), (Part::Actor, &filter.actor)];
        let found = parts.into_iter().find_map(|(part, id)| Some((part, id.as_deref()?)));
        let (part, id) = found.unwrap_or((Part::None, ""));
        Self(filter.kind, part, id.into())
    }
}

impl Sleepers {
    /// Adds a loop for each event that it waits for.
    pub(crate) fn insert(&mut self, number: u32, until: &[Until]) {
        for filter in events_of(until) {
            self.0.entry(Key::of(filter)).or_default().insert(number);
        }
    }

    /// Takes a loop out, which was added with the same conditions.
    pub(crate) fn remove(&mut self, number: u32, until: &[Until]) {
        for filter in events_of(until) {
            let key = Key::of(filter);
            let empty = self.0.get_mut(&key).is_some_and(|sleepers| {
                sleepers.remove(&number);
                sleepers.is_empty()
            });
            if empty {
                self.0.remove(&key);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The loops that may wait for an event, by number: their filters have still to be asked.
    pub(crate) fn candidates(&self, signs: Signs) -> OrdSet<u32> {
        let Signs { kind, actor, artifact, to } = signs;
        let parts = [
            (Part::None, Some(Arc::from(""))),
            (Part::Actor, actor),
            (Part::Artifact, artifact),
            (Part::To, to),
        ];
        let mut found = OrdSet::new();
        for (part, id) in parts.into_iter().filter_map(|(part, id)| Some((part, id?))) {
            for kind in [Some(kind), None] {
                found.extend(self.0.get(&Key(kind, part, Arc::clone(&id))).into_iter().flatten().copied());
            }
        }
        found
    }
}

/// The events that are waited for.
pub(crate) fn events_of(until: &[Until]) -> impl Iterator<Item = &Filter> {
    until.iter().filter_map(|until| match until {
        Until::Event(filter) => Some(&**filter),
        Until::Time(_) | Until::Level { .. } => None,
    })
}

impl Until {
    /// The instant it names.
    pub(crate) fn time(&self) -> Option<Time> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Event(_) | Self::Level { .. } => None,
        }
    }

    /// The condition in words.
    pub(crate) fn words(&self, rules: &Rules) -> String {
        match self {
            Self::Time(time) => format!("until {time}"),
            Self::Event(filter) => filter.words(),
            Self::Level { resource, bound, level } => {
                let name = rules.unit_name(*resource);
                let bound = match bound {
                    Bound::AtLeast => "at least",
                    Bound::AtMost => "at most",
                };
                format!("{name} {bound} {level}")
            }
        }
    }
}
