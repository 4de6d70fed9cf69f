//! Artifacts that change hands.

use serde_json::{Value, json};

use super::{Told, Transaction, stack::Actor};
use crate::{
    artifact::Artifact,
    id::reserved_prefix,
    op::{OpKind, TransferOwnership},
    record::{Effect, Handle},
    refusal::Refusal,
    rules::{ResourceId, ResourceKind},
    state::State,
};

impl Transaction<'_> {
    pub(super) fn transfer_ownership(
        &mut self,
        actor: Actor,
        op: &TransferOwnership,
    ) -> Result<Value, Refusal> {
        let (artifact, to) = (self.target(&op.artifact)?, self.recipient(&op.to)?);
        match self.room_for_the_library(actor, artifact, to) {
            None => self.hand_over(actor, artifact, to)?,
            Some(room) => {
                // It lies on the room that comes with it; where that is free only without it, it goes first.
                let comes_first = self.bring(actor, room, to).is_ok();
                self.hand_over(actor, artifact, to)?;
                if !comes_first {
                    self.bring(actor, room, to)?;
                }
            }
        }
        Ok(json!({ "artifact": op.artifact.as_str(), "owner": op.to.as_str() }))
    }

    /// The room that must come with an artifact which is pushed onto one of the library, where disk is limited: the
    /// library keeps things for others, and who fills it bears the bytes.
    fn room_for_the_library(&self, actor: Actor, artifact: Handle, to: Handle) -> Option<i64> {
        let rules = self.draft.world().rules();
        let is_limited = rules.kind(ResourceId::DISK) != ResourceKind::Metered;
        let into = self.draft.artifact(to).filter(|row| reserved_prefix(row.id()).is_some())?;
        let row = self.draft.artifact(artifact).filter(|row| row.owner != to)?;
        (is_limited && actor.me != Some(to) && into.account.is_some()).then(|| row.size())
    }

    /// Moves disk along with an artifact, of the one who pushes it.
    fn bring(&mut self, actor: Actor, bytes: i64, to: Handle) -> Result<(), Refusal> {
        let pushes = actor.me.filter(|me| self.draft.artifact(*me).is_some_and(Artifact::has_standing));
        let Some(from) = pushes else {
            return Err(Refusal::invalid("`to`: who hands things to the library lends the disk for them")
                .hint("call a method of it that takes them, and send them along as `give`"));
        };
        self.shift(actor, (from, to), ResourceId::DISK, bytes, false)
    }

    /// Makes an artifact another principal's.
    pub(super) fn hand_over(&mut self, actor: Actor, artifact: Handle, to: Handle) -> Result<(), Refusal> {
        let from = self.draft.artifact(artifact).map_or(to, |artifact| artifact.owner);
        self.look_at_mandates(actor, artifact, false)?;
        self.put(Effect::Own { artifact, from, to })?;
        let told = Told { artifact: Some(artifact), to: Some(to), ..Told::default() };
        self.tell(actor, OpKind::TransferOwnership, told);
        Ok(())
    }
}
