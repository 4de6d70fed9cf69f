//! The `delete` op: who holds something can go only if it leaves it to somebody.

use serde_json::{Value, json};

use super::{Told, Transaction, meter, stack::Actor};
use crate::{
    artifact::Artifact,
    id::{Handle, Id},
    op::{Delete, OpKind},
    record::{Effect, Why},
    refusal::Refusal,
    resource::{ResourceId, ResourceKind},
    state::{Held, State, still_held},
};

/// How many artifacts a hint names.
const NAMED_MAX: usize = 3;

impl Transaction<'_> {
    pub(super) fn delete(&mut self, actor: Actor, op: &Delete) -> Result<Value, Refusal> {
        let (artifact, row) = self.artifact(&op.artifact)?;
        let (before, standing) = (self.size_seen(actor, artifact), row.has_standing());
        let heir = match &op.heir {
            Some(id) => Some(self.heir(artifact, standing, id)?),
            None => None,
        };
        self.check_deletable(actor, artifact, heir)?;
        self.look_at_mandates(actor, artifact, true)?;
        if standing {
            self.leave(artifact, heir)?;
        }
        self.put(Effect::Delete { artifact, heir })?;
        self.tell(actor, OpKind::Delete, Told { artifact: Some(artifact), to: heir, ..Told::default() });
        let remains = self.draft.artifact(artifact).map_or(0, Artifact::size);
        Ok(json!({ "artifact": op.artifact.as_str(), "freed": before - remains }))
    }

    /// The principal that is to receive what an artifact holds.
    fn heir(&self, artifact: Handle, standing: bool, id: &Id) -> Result<Handle, Refusal> {
        let (heir, row) = self.artifact(id)?;
        if heir == artifact {
            return Err(Refusal::invalid(format!("`heir`: `{id}` can't be its own heir")));
        }
        if !row.has_standing() {
            let sentence = format!("`heir`: `{id}` has no standing: it can't own or hold anything");
            return Err(Refusal::invalid(sentence));
        }
        if !standing {
            let name = self.name(artifact);
            return Err(Refusal::invalid(format!("`heir`: `{name}` has no standing, so it leaves nothing")));
        }
        Ok(heir)
    }

    /// Refuses to delete an artifact that still holds something for which there is no heir.
    fn check_deletable(&self, actor: Actor, artifact: Handle, heir: Option<Handle>) -> Result<(), Refusal> {
        let stays = |held: &Held| match held {
            Held::Contract { .. } | Held::Owned { .. } | Held::SetAside { .. } => true,
            Held::Scrip { .. } | Held::Resource { .. } => heir.is_none(),
        };
        let held: Vec<Held> = still_held(&self.draft, artifact).into_iter().filter(stays).collect();
        if held.is_empty() {
            return Ok(());
        }
        // The hint looks for what stands in the way.
        self.look(actor, meter::rows(State::len(&self.draft) as usize))?;
        let sentence = |shows: bool| {
            let all: Vec<String> = held.iter().map(|held| self.held_words(*held, shows)).collect();
            format!("`{}` can't be deleted: it still {}", self.name(artifact), all.join(", "))
        };
        let hint = self.how_to_free(artifact, &held);
        Err(Refusal::invalid(sentence(true)).hint(hint.clone()).about(artifact, sentence(false), Some(hint)))
    }

    /// Something that is held, in words, with the amount if it may be shown.
    fn held_words(&self, held: Held, shows: bool) -> String {
        let others = |count: u32| format!("{count} other artifact{}", if count == 1 { "" } else { "s" });
        match held {
            Held::Contract { others: count } => format!("is the access contract of {}", others(count)),
            Held::Owned { others: count } => format!("owns {}", others(count)),
            Held::Scrip { amount } if shows => format!("holds {amount} scrip"),
            Held::Scrip { .. } => "holds scrip".into(),
            Held::Resource { resource, amount } => {
                let name = self.draft.world().rules().resource_name(resource);
                if shows { format!("holds {amount} of `{name}`") } else { format!("holds some `{name}`") }
            }
            Held::SetAside { resource, .. } => {
                let name = self.draft.world().rules().resource_name(resource);
                format!("thinks, and some of its `{name}` is set aside for that")
            }
        }
    }

    /// Moves what an artifact holds to its heir before it is deleted; its rates lapse.
    fn leave(&mut self, artifact: Handle, heir: Option<Handle>) -> Result<(), Refusal> {
        let scrip = self.scrip(artifact);
        if let Some(heir) = heir.filter(|_| scrip > 0) {
            self.put(Effect::Pay { from: artifact, to: heir, amount: scrip, why: Why::Heir, of: None })?;
        }
        let rules = self.draft.world().rules();
        let kinds: Vec<(ResourceId, ResourceKind)> =
            rules.by_id().map(|(id, rule)| (id, rule.kind)).collect();
        for (resource, kind) in kinds {
            let effect = match kind {
                ResourceKind::Renewable { .. } => {
                    let amount = self.limit_of(artifact, resource);
                    (amount > 0).then_some(Effect::Lapse { from: artifact, resource, amount })
                }
                ResourceKind::Depletable => {
                    let amount = self.free_of(artifact, resource);
                    heir.filter(|_| amount > 0).map(|to| Effect::Move {
                        from: artifact,
                        to,
                        resource,
                        amount,
                    })
                }
                // A quota follows with the deletion, which frees the artifact's own bytes of it.
                ResourceKind::Allocatable | ResourceKind::Metered => None,
            };
            if let Some(effect) = effect {
                self.put(effect)?;
            }
        }
        Ok(())
    }

    /// The next thing to do so that an artifact can be deleted, naming the first of those that stand in the way.
    fn how_to_free(&self, handle: Handle, held: &[Held]) -> String {
        let first_of = |fits: &dyn Fn(&Artifact) -> bool| {
            let all = (0..State::len(&self.draft)).map(Handle).filter(|other| *other != handle);
            let found = all.filter_map(|other| self.draft.artifact(other));
            let found = found.filter(|artifact| !artifact.deleted && fits(artifact)).take(NAMED_MAX);
            found.map(|artifact| format!("`{}`", artifact.id)).collect::<Vec<_>>().join(", ")
        };
        let owner = self.draft.artifact(handle).map(|artifact| artifact.owner);
        let of_owner = |artifact: &Artifact| Some(artifact.owner) == owner;
        let mut hints = Vec::new();
        for held in held {
            match held {
                Held::Contract { .. } => {
                    let under =
                        first_of(&|artifact| artifact.access_contract == handle && of_owner(artifact));
                    hints.push(format!("put {under} under another contract by `set_contract`"));
                }
                Held::Owned { .. } => {
                    let owned = first_of(&|artifact| artifact.owner == handle);
                    hints.push(format!("delete {owned}, or hand over by `transfer_ownership`"));
                }
                Held::SetAside { .. } => hints.push("try again when it has acted".into()),
                Held::Scrip { .. } | Held::Resource { .. } => {}
            }
        }
        if held.iter().any(|held| matches!(held, Held::Scrip { .. } | Held::Resource { .. })) {
            hints.push("name an `heir`, who receives what it holds, or move it away by `transfer`".into());
        }
        hints.join("; ")
    }
}
