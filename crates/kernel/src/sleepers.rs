//! Sleepers that wait for events: how those whom an event wakes are found.

use std::sync::Arc;

use imbl::OrdSet;

use crate::{
    loops::{Phase, Woke},
    record::{Cause, Event, EventKind, Filter, Handle, Record, Until},
    rules::Execution,
    world::{EventRow, World},
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
pub(crate) struct SleepKey(Option<EventKind>, Part, Arc<str>);

impl SleepKey {
    fn of(filter: &Filter) -> Self {
        let parts =
            [(Part::To, &filter.to), (Part::Artifact, &filter.artifact), (Part::Actor, &filter.actor)];
        let found = parts.into_iter().find_map(|(part, id)| Some((part, id.as_deref()?)));
        let (part, id) = found.unwrap_or((Part::None, ""));
        Self(filter.kind, part, id.into())
    }
}

impl World {
    pub(crate) fn index_sleeper(&mut self, number: u32, until: &[Until]) {
        for filter in events_of(until) {
            self.sleepers.entry(SleepKey::of(filter)).or_default().insert(number);
        }
    }

    pub(crate) fn forget_sleeper(&mut self, number: u32, until: &[Until]) {
        for filter in events_of(until) {
            let key = SleepKey::of(filter);
            let empty = self.sleepers.get_mut(&key).is_some_and(|sleepers| {
                sleepers.remove(&number);
                sleepers.is_empty()
            });
            if empty {
                self.sleepers.remove(&key);
            }
        }
    }

    /// Settles when a loop that a record put to sleep wakes: at once if what it waits for is so already.
    pub(crate) fn fall_asleep(&mut self, record: &Record, agent: Handle) {
        let Some(number) = self.loop_of(agent) else { return };
        self.reconsider(number);
        let (Some(row), Some(tick)) = (self.row(number), self.tick()) else { return };
        let (Phase::Asleep { until, .. }, Cause::Step { .. }) = (&row.phase, &record.cause) else { return };
        if !matches!(self.rules().execution, Execution::Tick { .. }) || events_of(until).next().is_none() {
            return;
        }
        // It decided on the snapshot of the tick, and may have missed what it waits for since.
        let since = self.events().rev().take_while(|event| event.seq > tick.seq);
        let missed = since.filter(|event| events_of(until).any(|filter| self.fits(filter, &event.event)));
        if let Some(row) = missed.last().map(Arc::clone) {
            self.rouse_by(number, &row, tick.seq);
        }
    }

    /// Wakes a sleeper by an event, and shows it to it.
    fn rouse_by(&mut self, number: u32, row: &Arc<EventRow>, looked_seq: u64) {
        self.rouse(number, Woke::Event(row.seq));
        if let Some(agent) = self.agent_mut(number) {
            Arc::make_mut(agent.inbox.get_or_insert_default()).push_once(row, looked_seq);
        }
    }

    /// Wakes those who wait for an event.
    pub(crate) fn wake_by(&mut self, row: &Arc<EventRow>, looked_seq: u64) {
        if self.sleepers.is_empty() {
            return;
        }
        let event = &row.event;
        let id = |handle: Handle| self.get(handle).map(|artifact| Arc::clone(&artifact.id));
        let nobody: Arc<str> = Arc::from("");
        let parts = [
            (Part::None, Some(nobody)),
            (Part::Actor, id(event.actor)),
            (Part::Artifact, event.artifact.and_then(id)),
            (Part::To, event.to.and_then(id)),
        ];
        let mut woken = OrdSet::new();
        for (part, id) in parts.into_iter().filter_map(|(part, id)| Some((part, id?))) {
            for kind in [Some(event.kind), None] {
                let sleepers = self.sleepers.get(&SleepKey(kind, part, Arc::clone(&id)));
                woken.extend(
                    sleepers.into_iter().flatten().copied().filter(|number| self.waits_for(*number, row)),
                );
            }
        }
        for number in woken {
            self.rouse_by(number, row, looked_seq);
        }
    }

    /// Whether a sleeper waits for an event that came after it fell asleep.
    fn waits_for(&self, number: u32, row: &EventRow) -> bool {
        let Some(Phase::Asleep { until, since_seq }) = self.row(number).map(|row| &row.phase) else {
            return false;
        };
        row.seq > *since_seq && events_of(until).any(|filter| self.fits(filter, &row.event))
    }

    /// Whether an event is one of those that a filter means.
    #[must_use]
    pub fn fits(&self, filter: &Filter, event: &Event) -> bool {
        let id = |wanted: &Option<String>, handle: Option<Handle>| {
            wanted.as_deref().is_none_or(|wanted| handle.is_some_and(|handle| self.name(handle) == wanted))
        };
        let detail = |wanted: &str| event.detail.as_deref() == Some(wanted);
        let resource = |wanted: &str| self.level_name(event.resource) == wanted;
        filter.kind.is_none_or(|kind| kind == event.kind)
            && id(&filter.actor, Some(event.actor))
            && id(&filter.artifact, event.artifact)
            && id(&filter.to, event.to)
            && filter.resource.as_deref().is_none_or(resource)
            && filter.detail.as_deref().is_none_or(detail)
            && filter.amount.is_none_or(|least| event.amount.is_some_and(|amount| amount >= least))
    }
}

fn events_of(until: &[Until]) -> impl Iterator<Item = &Filter> {
    until.iter().filter_map(|until| match until {
        Until::Event(filter) => Some(&**filter),
        Until::Time(_) | Until::Level { .. } => None,
    })
}
