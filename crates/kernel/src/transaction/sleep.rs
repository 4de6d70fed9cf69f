//! The `sleep` op: what an agent's loop is to wait for.

use serde_json::{Value, json};

use super::{Told, Transaction, stack::Actor};
use crate::{
    op::{Op, OpKind, Sleep},
    record::{Effect, Until},
    refusal::{Code, Refusal},
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
        let until = self.draft.world().conditions(op, self.now)?;
        if until.is_empty() {
            return Err(Refusal::invalid("a sleep needs something that ends it")
                .hint("name `for`, `until`, `event`, or `resource` with `level`"));
        }
        let rules = self.draft.world().rules();
        let latest = until.iter().filter_map(Until::time).min();
        let words: Vec<String> = until.iter().map(|until| until.words(rules)).collect();
        self.put(Effect::Sleep { agent, until })?;
        let detail = Some(words.join(", or "));
        self.tell(actor, OpKind::Sleep, Told { detail, ..Told::default() });
        Ok(json!({ "until": latest.map(|time| time.to_string()) }))
    }
}
