//! Waits: the conditions that a `sleep` names, and when they end the wait of somebody, asleep or not.

use std::sync::Arc;

use super::{World, sight::Viewer};
use crate::{
    event::EventRow,
    limits,
    op::{Sleep, Waiting},
    record::{Filter, Handle, Until, Woke},
    refusal::{Code, Refusal},
    resource::{ResourceId, ResourceKind, SCRIP},
    time::Time,
};

/// Resources that a hint names, or looks at for one of a similar name.
const NAMES_SHOWN_MAX: usize = 32;

impl World {
    /// The resource of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn resource_named(&self, name: &str) -> Result<ResourceId, Refusal> {
        let rules = self.rules();
        rules.resource(name).ok_or_else(|| {
            let names = rules.resources.iter().map(|rule| rule.name.as_str());
            let refusal = Refusal::invalid(format!("this world has no resource `{}`", name.escape_debug()));
            let names = names.take(NAMES_SHOWN_MAX);
            match crate::id::nearest(name, names.clone()) {
                Some(near) => refusal.hint(format!("did you mean `{near}`?")),
                None => refusal.hint(format!("it has {}", names.collect::<Vec<_>>().join(", "))),
            }
        })
    }

    /// The conditions that a `sleep` names, counted from an instant; none, if it names none.
    ///
    /// # Errors
    /// When they can't be meant, or are too many.
    pub fn conditions(&self, sleep: &Sleep, now: Time) -> Result<Vec<Until>, Refusal> {
        let first = Waiting {
            duration: sleep.duration,
            until: sleep.until,
            event: sleep.event,
            filter: sleep.filter.clone(),
            resource: sleep.resource.clone(),
            level: sleep.level,
        };
        let more = sleep.any.as_ref().map_or(&[][..], |any| any.0.as_slice());
        let mut until = Vec::new();
        for waiting in std::iter::once(&first).chain(more) {
            self.conditions_of(waiting, now, &mut until)?;
        }
        let most = limits::SLEEP_CONDITIONS_MAX;
        if until.len() > most {
            let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            return Err(Refusal::new(Code::LimitExceeded, format!("a sleep may wait for {most} things"))
                .numbers(number(until.len()), number(most)));
        }
        Ok(until)
    }

    fn conditions_of(&self, waiting: &Waiting, now: Time, until: &mut Vec<Until>) -> Result<(), Refusal> {
        if let Some(duration) = waiting.duration {
            let beyond = || Refusal::invalid("`for` ends beyond the last instant there is");
            until.push(Until::Time(now.after_ms(duration.0).ok_or_else(beyond)?));
        }
        until.extend(waiting.until.map(Until::Time));
        match (&waiting.event, &waiting.filter) {
            (Some(event), filter) => {
                let filter = filter.as_ref().map(|filter| filter.0.clone()).unwrap_or_default();
                if let Some(name) = filter.resource.as_deref().filter(|name| *name != SCRIP) {
                    self.resource_named(name)?;
                }
                until.push(Until::Event(Box::new(Filter { kind: event.0, ..filter })));
            }
            (None, Some(_)) => {
                return Err(Refusal::invalid("`filter` goes with `event`")
                    .hint("`event` may be \"*\", which is any type"));
            }
            (None, None) => {}
        }
        match (&waiting.resource, waiting.level) {
            (Some(name), Some(level)) => {
                let resource = if &*name.0 == SCRIP { None } else { Some(self.resource_named(&name.0)?) };
                let kind = resource.map(|resource| self.rules().kind(resource));
                if kind == Some(ResourceKind::Metered) {
                    let sentence = format!("`{}` is unlimited in this world, so it has no level", name.0);
                    return Err(Refusal::invalid(sentence));
                }
                until.push(Until::Level { resource, bound: level.bound, level: level.level });
            }
            (None, Some(_)) => {
                return Err(Refusal::invalid("`level` goes with `resource`").hint("it may be `scrip`"));
            }
            (Some(_), None) => return Err(Refusal::invalid("`resource` goes with `level`")),
            (None, None) => {}
        }
        Ok(())
    }

    /// The end of a wait of somebody who does not sleep, as a sleep that began with the record `since_seq` would have
    /// ended by `now`; `None` while it goes on.
    #[must_use]
    pub fn waited(&self, who: Handle, until: &[Until], since_seq: u64, now: Time) -> Option<Woke> {
        let fits = |row: &EventRow| {
            until.iter().any(|until| match until {
                Until::Event(filter) => self.row_fits(filter, row, Viewer::Artifact(Some(who))),
                Until::Time(_) | Until::Level { .. } => false,
            })
        };
        let awaits_events = until.iter().any(|until| matches!(until, Until::Event(_)));
        let told = awaits_events.then(|| self.events_after(since_seq).find(|row| fits(row))).flatten();
        let by_itself = || self.sleep_ends(who, until, now).filter(|(end, _)| *end <= now);
        told.map(|row| Woke::Event(row.seq)).or_else(|| by_itself().map(|(_, woke)| woke))
    }

    /// The events after a record that concern somebody and that others caused, oldest first: those that name it, or an
    /// artifact that it owned.
    pub fn concerning(&self, who: Handle, since_seq: u64) -> impl Iterator<Item = &Arc<EventRow>> {
        self.events_after(since_seq).filter(move |row| {
            let event = &row.event;
            event.actor != who && [event.to, event.artifact, row.owner].contains(&Some(who))
        })
    }
}
