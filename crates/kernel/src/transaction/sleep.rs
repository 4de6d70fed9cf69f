//! The `sleep` op: what an agent's loop is to wait for.

use serde_json::{Value, json};

use super::{Told, Transaction, stack::Actor};
use crate::{
    limits,
    op::{Op, OpKind, Sleep, Waiting},
    record::{Effect, Filter, Until},
    refusal::{Code, Refusal},
    resource::{ResourceKind, SCRIP},
    rules::OnExhaustion,
    state::State,
    world::Agent,
};

impl Transaction<'_> {
    /// Lets the sleeps of a step's list hold after the rest was refused; says whether any does. Those before
    /// the op at `executed` have borne their costs already, the others bear them now; the one that was itself
    /// refused is none. A loop that blocks until it has what it lacked waits for that, and none holds.
    pub(super) fn hold_sleeps(&mut self, refusal: &Refusal, executed: u32, refused: Option<u32>) -> bool {
        let (actor, mut holds) = (self.actor, false);
        let lacks = refusal.lack.is_some_and(|lack| Some(lack.principal) == actor.me);
        if lacks && self.draft.world().rules().on_exhaustion == OnExhaustion::Block {
            return false;
        }
        for (at, sleep) in std::mem::take(&mut self.sleeps) {
            if Some(at) == refused {
                continue;
            }
            let borne = at < executed || self.count_op(actor, &Op::Sleep(sleep.clone())).is_ok();
            if borne {
                holds |= self.sleep(actor, &sleep).is_ok();
            }
        }
        holds
    }

    pub(super) fn sleep(&mut self, actor: Actor, op: &Sleep) -> Result<Value, Refusal> {
        let agent = self.own(actor)?;
        if !self.draft.artifact(agent).is_some_and(|artifact| artifact.has_loop) {
            let sentence = format!("`{}` has no loop: only an agent can sleep", self.name(agent));
            return Err(Refusal::invalid(sentence));
        }
        let thinks = self.draft.world().agent(agent).is_some_and(Agent::is_thinking);
        if thinks && !(self.is_step && self.actor.me == Some(agent)) {
            let sentence = format!("`{}` thinks, and its own step says whether it sleeps", self.name(agent));
            return Err(Refusal::new(Code::Conflict, sentence).hint("try again when it has acted"));
        }
        let first = Waiting {
            duration: op.duration,
            until: op.until,
            event: op.event,
            filter: op.filter.clone(),
            resource: op.resource.clone(),
            level: op.level,
        };
        let more = op.any.as_ref().map_or(&[][..], |any| any.0.as_slice());
        let mut until = Vec::new();
        for waiting in std::iter::once(&first).chain(more) {
            self.conditions(waiting, &mut until)?;
        }
        if until.is_empty() {
            return Err(Refusal::invalid("a sleep needs something that ends it")
                .hint("name `for`, `until`, `event`, or `resource` with `level`"));
        }
        let most = limits::SLEEP_CONDITIONS_MAX;
        if until.len() > most {
            let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            return Err(Refusal::new(Code::LimitExceeded, format!("a sleep may wait for {most} things"))
                .numbers(number(until.len()), number(most)));
        }
        let rules = self.draft.world().rules();
        let latest = until.iter().filter_map(Until::time).min();
        let words: Vec<String> = until.iter().map(|until| until.words(rules)).collect();
        self.put(Effect::Sleep { agent, until })?;
        let detail = Some(words.join(", or "));
        self.tell(actor, OpKind::Sleep, Told { detail, ..Told::default() });
        Ok(json!({ "until": latest.map(|time| time.to_string()) }))
    }

    fn conditions(&self, waiting: &Waiting, until: &mut Vec<Until>) -> Result<(), Refusal> {
        if let Some(duration) = waiting.duration {
            let beyond = || Refusal::invalid("`for` ends beyond the last instant there is");
            until.push(Until::Time(self.now.after_ms(duration.0).ok_or_else(beyond)?));
        }
        until.extend(waiting.until.map(Until::Time));
        match (&waiting.event, &waiting.filter) {
            (Some(event), filter) => {
                let filter = filter.as_ref().map(|filter| filter.0.clone()).unwrap_or_default();
                if let Some(name) = filter.resource.as_deref().filter(|name| *name != SCRIP) {
                    self.resource(name)?;
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
                let resource = if &*name.0 == SCRIP { None } else { Some(self.resource(&name.0)?) };
                let kind = resource.map(|resource| self.draft.world().rules().kind(resource));
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
}
