//! Sight within an action, where balances are private.

use super::{Transaction, stack::Actor};
use crate::{
    id::Handle,
    refusal::{Code, Refusal},
    rules::Privacy,
    state::State as _,
    world::wire::Viewer,
};

impl Transaction<'_> {
    /// The viewer of an actor. Nobody started a look of an observer, nor a measure.
    pub(super) fn viewer(&self, actor: Actor) -> Viewer {
        if actor.origin.is_none() { Viewer::Observer } else { Viewer::Artifact(actor.me) }
    }

    /// Whether something is for observers only, and this is none.
    pub(super) fn keeps_from(&self, actor: Actor) -> bool {
        self.draft.world().rules().privacy == Privacy::Own && self.viewer(actor) != Viewer::Observer
    }

    /// Whether somebody may know how much a principal has, uses and may use: its own affairs, and for code
    /// those of its caller.
    pub(super) fn may_know(&self, actor: Actor, who: Handle) -> bool {
        !self.keeps_from(actor) || [actor.me, actor.caller].contains(&Some(who))
    }

    /// Refuses to tell somebody of the affairs of a principal that it may not know.
    pub(super) fn check_known(&self, actor: Actor, who: Handle) -> Result<(), Refusal> {
        if self.may_know(actor, who) {
            return Ok(());
        }
        let sentence =
            format!("balances are private in this world: those of `{}` can't be seen", self.name(who));
        Err(private(sentence))
    }

    /// Refuses to tell anybody but observers.
    pub(super) fn check_observer(&self, actor: Actor, what: &str) -> Result<(), Refusal> {
        if self.keeps_from(actor) {
            return Err(private(format!("balances are private in this world: {what} is for observers")));
        }
        Ok(())
    }

    /// A refusal as somebody is told of it.
    pub(super) fn told(&self, actor: Actor, refusal: &Refusal) -> Refusal {
        refusal.as_told(|who| self.may_know(actor, who))
    }

    /// The size of an artifact as somebody may know it: its storage is as private as balances.
    pub(super) fn size_seen(&self, actor: Actor, handle: Handle) -> i64 {
        self.draft.artifact(handle).map_or(0, |artifact| {
            let knows = self.may_know(actor, handle) || actor.me == Some(artifact.owner);
            if knows { artifact.size() } else { artifact.size_apart() }
        })
    }
}

fn private(sentence: String) -> Refusal {
    Refusal::new(Code::PermissionDenied, sentence)
        .hint("ask about yourself; code may also ask about its caller")
}
