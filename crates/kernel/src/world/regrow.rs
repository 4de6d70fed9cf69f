//! Resources that grow back: the growth that is due follows from the rules, the stocks, and the times of the record
//! before and of the one to come.

use super::World;
use crate::{
    record::{Cause, Effect, Handle, Record},
    rules::{Regrow, ResourceId},
    state::{Guard, State},
    time::Time,
};

impl World {
    /// The growth from the last record up to an instant. It is to be recorded before anything else is.
    #[must_use]
    pub fn growth(&self, until: Time) -> Vec<Effect> {
        let (start, after) = (self.rules().start, State::now(self));
        let mut effects = Vec::new();
        for regrow in &self.rules().regrow {
            let intervals = regrow.intervals(start, after, until);
            if intervals == 0 {
                continue;
            }
            for (to, stock) in self.stocks(regrow) {
                let (resource, amount) = (regrow.resource, regrow.growth(stock, intervals));
                effects.extend((amount > 0).then_some(Effect::Grow { to, resource, amount }));
            }
        }
        effects
    }

    /// When a stock grows next, if none changes until then.
    #[must_use]
    pub fn next_growth(&self) -> Option<Time> {
        let (start, after) = (self.rules().start, State::now(self));
        let grows = |regrow: &&Regrow| self.stocks(regrow).any(|(_, stock)| regrow.growth(stock, 1) > 0);
        let next = self.rules().regrow.iter().filter(grows).filter_map(|regrow| regrow.next(start, after));
        next.min()
    }

    /// The stocks that grow by a rule: of those holders that there are still.
    fn stocks<'a>(&'a self, regrow: &'a Regrow) -> impl Iterator<Item = (Handle, i64)> + 'a {
        regrow.holders.iter().filter_map(|id| {
            let handle = self.lookup(id)?;
            let number = self.get(handle).filter(|artifact| !artifact.is_deleted())?.account?;
            Some((handle, self.cell(number, regrow.resource)?.limit))
        })
    }

    /// So much more of a resource has come into being.
    pub(super) fn allot_more(&mut self, resource: ResourceId, amount: i64) -> Result<(), Guard> {
        let total = self.allotted.get_mut(usize::from(resource.0));
        let total = total.ok_or_else(|| Guard::Broken("no such resource".into()))?;
        *total = total.checked_add(amount).ok_or_else(|| Guard::Broken("too much of everything".into()))?;
        Ok(())
    }

    /// Whether a record makes grow what grows by the rules, no more and no less.
    pub(super) fn check_growth(&self, record: &Record) -> Result<(), String> {
        let is_growth = |effect: &Effect| matches!(effect, Effect::Grow { .. });
        let fits = match &record.cause {
            Cause::Regrow => !record.effects.is_empty() && record.effects == self.growth(record.time),
            // It tells of time that has passed, and so of what has grown in it.
            Cause::Clock { .. } => {
                record.effects.iter().filter(|effect| is_growth(effect)).eq(&self.growth(record.time))
            }
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Act { .. }
            | Cause::Step { .. }
            | Cause::Ask { .. }
            | Cause::Short { .. }
            | Cause::Due { .. }
            | Cause::Hook { .. }
            | Cause::Runtime { .. }
            | Cause::Rules { .. } => !record.effects.iter().any(is_growth),
        };
        if fits { Ok(()) } else { Err("it grows what does not grow by the rules".into()) }
    }
}
