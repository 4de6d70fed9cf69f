//! Decisions that contracts in Python have taken, as records tell of them: whom they let, and whom they refused.
//!
//! Native contracts are told in words instead: what they say follows from who asks.

use std::collections::{BTreeMap, BTreeSet};

use oikos_runner::kernel::{
    contract::Native,
    event::EventKind,
    id::Handle,
    op::Permission,
    op_kind::OpKind,
    record::{Cause, Effect, Outcome, Record},
    refusal::{Code, Refusal},
    world::World,
};
use serde_json::Value;

use crate::text::{LINE_LETTERS, first_letters};

/// Decisions, by what was asked for, who asked, and the action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions {
    /// The artifacts under contracts that are not native.
    under: BTreeSet<Handle>,
    taken: BTreeMap<(Handle, Handle, &'static str), Decision>,
}

/// The decisions about one action of one caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// How often it was let, and the last record of it.
    pub(crate) allowed: (u64, u64),
    /// How often it was refused, and the last record of it.
    pub(crate) refused: (u64, u64),
    /// The reason of the last refusal.
    pub(crate) reason: String,
}

impl Decisions {
    /// An artifact is under a contract from here on.
    pub(crate) fn put_under(&mut self, artifact: Handle, contract: Handle) {
        if Native::of(contract).is_none() {
            self.under.insert(artifact);
        } else {
            self.under.remove(&artifact);
        }
    }

    /// Adds the decisions that a record tells of.
    pub(crate) fn add(&mut self, record: &Record, world: &World) {
        if self.under.is_empty() {
            return;
        }
        match &record.outcome {
            Outcome::Refused(refusal) => self.add_refusal(record.seq, refusal, world),
            Outcome::Done(_) => self.add_done(record, world),
            Outcome::Nothing => {}
        }
    }

    fn add_done(&mut self, record: &Record, world: &World) {
        let made = record.effects.iter().filter_map(|effect| match effect {
            Effect::Create(new) => world.lookup(&new.id),
            _ => None,
        });
        // Nobody is asked about an artifact that the action itself makes.
        let made: BTreeSet<Handle> = made.collect();
        for event in &record.events {
            let EventKind::Op(op) = event.kind else { continue };
            let (Some(action), Some(target)) = (action_of(op), event.artifact) else { continue };
            if !made.contains(&target) {
                self.allow(target, event.actor, action, record.seq);
            }
        }
        // Reading leaves no event.
        let (actor, action) = match &record.cause {
            Cause::Act { actor, action, .. } => (*actor, action.value()),
            Cause::Step { agent, thought, .. } => (*agent, thought.action.value()),
            _ => return,
        };
        let ops = action.as_array().map_or(std::slice::from_ref(action), Vec::as_slice);
        for op in ops {
            let text = |field: &str| op.get(field).and_then(Value::as_str);
            if text("op") == Some(OpKind::Read.as_str())
                && let Some(target) = text("artifact").and_then(|id| world.lookup(id))
            {
                self.allow(target, actor, Permission::Read, record.seq);
            }
        }
    }

    fn allow(&mut self, target: Handle, caller: Handle, action: Permission, seq: u64) {
        if self.under.contains(&target) {
            let decision = self.taken.entry((target, caller, action.word())).or_default();
            decision.allowed = (decision.allowed.0 + 1, seq);
        }
    }

    fn add_refusal(&mut self, seq: u64, refusal: &Refusal, world: &World) {
        let Some((caller, action, target, reason)) = told(refusal) else { return };
        let (Some(caller), Some(target)) = (world.lookup(caller), world.lookup(target)) else { return };
        if self.under.contains(&target) {
            let decision = self.taken.entry((target, caller, action.word())).or_default();
            decision.refused = (decision.refused.0 + 1, seq);
            decision.reason = first_letters(reason, LINE_LETTERS).to_owned();
        }
    }

    /// The decisions about an artifact, by caller and action.
    pub(crate) fn about(&self, target: Handle) -> impl Iterator<Item = (Handle, &'static str, &Decision)> {
        let all =
            self.taken.range((target, Handle(0), "")..(Handle(target.0.saturating_add(1)), Handle(0), ""));
        all.map(|((_, caller, action), decision)| (*caller, *action, decision))
    }
}

/// The permission that an op asks for.
const fn action_of(op: OpKind) -> Option<Permission> {
    Some(match op {
        OpKind::Write | OpKind::Edit | OpKind::SetContract | OpKind::Remember | OpKind::Forget => {
            Permission::Write
        }
        OpKind::Invoke => Permission::Invoke,
        OpKind::Delete => Permission::Delete,
        OpKind::TransferOwnership => Permission::Transfer,
        _ => return None,
    })
}

/// The caller, the action, the target and the reason that the words of a refusal by a contract name.
fn told(refusal: &Refusal) -> Option<(&str, Permission, &str, &str)> {
    if refusal.code != Code::PermissionDenied {
        return None;
    }
    let (caller, rest) = refusal.message.strip_prefix('`')?.split_once("` may not ")?;
    let (action, rest) = rest.split_once(" `")?;
    let (target, reason) = rest.split_once("`: ")?;
    Some((caller, Permission::from_word(action)?, target, reason))
}
