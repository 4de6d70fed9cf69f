//! The levels of a transaction's stack: ops and code under way, with the authority they act with.

use std::sync::Arc;

use super::{draft::Savepoint, meter::Bound};
use crate::{
    id::Handle,
    op::{Op, Permission},
    record::{Pays, Spending, WorkStep},
    refusal::Refusal,
    resource::ResourceId,
};

/// The authority with which an op or code acts, and the bearer of its costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    /// The principal or artifact that acts; nobody when an observer looks.
    pub(super) me: Option<Handle>,
    /// The caller of the code that acts; nobody for a principal itself.
    pub(super) caller: Option<Handle>,
    /// The bearer of its costs.
    pub(super) bearer: Bearer,
    /// The principal whose action started the chain.
    pub(super) origin: Option<Handle>,
    pub(super) invoke_depth: u32,
    pub(super) check_depth: u32,
    pub(super) mode: Mode,
}

/// The bearer of the costs of an op or of code; nobody where it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The bearer of the resources that are used.
    pub(super) resources: Option<Handle>,
    /// The payer of prices and contracts' costs.
    pub(super) prices: Option<Handle>,
}

/// The reach of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Anything.
    Act,
    /// Contracts and measures: read, and invoke what only reads.
    Decide,
    /// Minds and observers: look only, free of `[costs]`.
    Look,
}

/// One level of the transaction's stack.
pub(super) enum Task {
    Op(Box<OpTask>),
    Code(Box<CodeTask>),
}

/// An op under way.
pub(super) struct OpTask {
    pub(super) actor: Actor,
    pub(super) op: Arc<Op>,
    /// The most that prices may take from the payer, and what they took.
    pub(super) bound: i64,
    pub(super) spent: i64,
    /// The most that it may take of the resources of their bearer.
    pub(super) agreed: Vec<Agreed>,
    pub(super) savepoint: Savepoint,
    pub(super) prices_from: usize,
    /// Permissions still to be asked, last first.
    pub(super) asks: Vec<Ask>,
    /// Whether its own work was counted, and its new code looked at.
    pub(super) looked_at: bool,
    /// Whether the new code that was looked at defines `check_permission`.
    pub(super) decides: bool,
    pub(super) by_code: bool,
    /// The invocation that it only asks about.
    pub(super) quote: Option<Box<Quote>>,
}

/// An invocation whose cost is asked for.
pub(super) struct Quote {
    /// The one who would invoke.
    pub(super) actor: Actor,
    pub(super) op: Arc<Op>,
    /// The one whose `[costs]` and CPU it would be.
    pub(super) bearer: Handle,
    /// The part of the prices that `max_spend` would have to allow.
    pub(super) spend: i64,
}

impl OpTask {
    /// The one who acts in it, and what is done: of a quote, what it asks about.
    pub(super) fn acting(&self) -> (Actor, Arc<Op>) {
        match &self.quote {
            Some(quote) => (quote.actor, Arc::clone(&quote.op)),
            None => (self.actor, Arc::clone(&self.op)),
        }
    }
}

/// Code under way, suspended at a host call or running.
pub(super) struct CodeTask {
    pub(super) actor: Actor,
    pub(super) purpose: Purpose,
    /// The line of the receipt that tells of its CPU.
    pub(super) of: Spending,
    pub(super) file: Arc<str>,
    /// Units of work, and microseconds of CPU, that it has used and that are charged.
    pub(super) work: u64,
    pub(super) cpu_us: i64,
    /// Memory that it holds while it waits, in bytes.
    pub(super) memory_bytes: u64,
    /// The bound that its budget has come from.
    pub(super) bound: Bound,
    /// Refusals that were raised in it, latest last, each with the text that was: to know one again that was
    /// not caught.
    pub(super) raised: Vec<(String, Refusal)>,
    /// Whether the call under way is an `attempt`.
    pub(super) attempt: bool,
}

/// The work of a contract under way.
pub(super) struct Recording {
    /// The place of its code on the stack.
    pub(super) at: usize,
    pub(super) payer: Option<Handle>,
    pub(super) steps: Vec<WorkStep>,
    pub(super) ops_left: u32,
    pub(super) runs: u64,
    pub(super) draws: u64,
    pub(super) llm_calls: u32,
    pub(super) output: usize,
}

/// Why code runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// For the op below it.
    Op,
    /// To answer a question about the op below it.
    Check { ask: Ask, contract: Handle },
    /// To think or to measure; there is nothing below it.
    Alone,
}

/// The most that an op may take of one resource of its bearer, and what it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) resource: ResourceId,
    pub(super) most: i64,
    pub(super) used: i64,
    /// Of disk, how much was in use when the op began.
    pub(super) before: i64,
}

/// A trial under way: all that is put back when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// The place of its op on the stack.
    pub(super) at: usize,
    pub(super) savepoint: Savepoint,
    pub(super) prices_from: usize,
    /// Units of work that the action may use after it.
    pub(super) left: u64,
    pub(super) unpaid: u64,
    pub(super) ops_left: u32,
    pub(super) draws: u64,
    pub(super) runs: u64,
    /// Bytes of the output, and whether it was cut.
    pub(super) output: (usize, bool),
}

/// One question to a contract: may the op's caller do this to that?
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) action: Permission,
    pub(super) target: Handle,
}

impl Bearer {
    /// Nobody: it is free.
    pub(super) const NOBODY: Self = Self { resources: None, prices: None };

    /// One principal, for all.
    pub(super) const fn of(principal: Handle) -> Self {
        Self { resources: Some(principal), prices: Some(principal) }
    }

    /// The bearer of the costs of an artifact's code: the artifact itself, or the bearer of its caller's.
    /// A look that is charged to nobody stays so.
    pub(super) fn of_code(self, pays: Pays, code: Option<Handle>) -> Self {
        match (pays, code) {
            (Pays::Itself, Some(code)) if self.resources.is_some() => Self::of(code),
            (Pays::Itself | Pays::Caller, _) => self,
        }
    }

    /// The bearer of the costs of a contract's code: its owner bears the resources, if it may be charged for them.
    pub(super) fn of_owner(self, owner: Option<Handle>) -> Self {
        match owner {
            Some(owner) if self.resources.is_some() => Self { resources: Some(owner), ..self },
            Some(_) | None => self,
        }
    }
}

impl Actor {
    pub(super) fn principal(handle: Handle, mode: Mode) -> Self {
        let me = Some(handle);
        Self {
            me,
            caller: None,
            bearer: Bearer::of(handle),
            origin: me,
            invoke_depth: 0,
            check_depth: 0,
            mode,
        }
    }

    pub(super) fn observer(mode: Mode) -> Self {
        Self {
            me: None,
            caller: None,
            bearer: Bearer::NOBODY,
            origin: None,
            invoke_depth: 0,
            check_depth: 0,
            mode,
        }
    }
}
