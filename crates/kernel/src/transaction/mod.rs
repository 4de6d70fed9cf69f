//! One action as one atomic transaction: a state machine over an immutable world.
//!
//! [`Transaction::step`] runs until it needs an interpreter, says so by a [`Need`], and goes on when
//! it is given the [`Answer`]. It never waits, and it never changes the world: at the end it yields
//! what would change, as a [`Finished`].

// Its parts:
mod draft;
mod meter;
mod stack;
// Built on it:
mod consent;
mod work;
mod mandate;
mod pay;
mod ask;
mod cached;
mod delete;
mod frame;
mod quote;
mod host;
mod call;
mod memory;
mod ops;
mod hand_over;
mod query;
mod sight;
mod sleep;
mod trial;
mod begin;

use std::{collections::VecDeque, sync::Arc};

use serde_json::Value;

use self::{
    draft::{Draft, Savepoint},
    meter::Metering,
    stack::{Actor, Mode, OpTask, Recording, Task, Trial},
};
use crate::{
    call::{LlmCall, LlmTold, LlmUse},
    code::{CodeAnswer, CodeCall, CodeFailure, Entry, HostAnswer},
    json::{Json, text_bytes},
    limits,
    op::{Action, Op, OpKind, Planned, Sleep},
    record::{Charge, Effect, Event, EventKind, Handle, Outcome, Spending},
    refusal::{Code, Lack, Refusal},
    rules::{ResourceId, ResourceKind},
    state::{self, Guard, State},
    time::{Time, format_duration_ms},
    world::{
        World,
        action_ids::{self, ActionIds},
    },
};

/// A need of a transaction, to be answered before it can go on.
#[derive(Debug)]
pub enum Need {
    /// Start this code; it runs above all suspended code.
    Start(Box<CodeCall>),
    /// Resume the code that made the last host call.
    Resume {
        /// The call's answer.
        answer: HostAnswer,
        /// The code's budget in units of work, counted from its start.
        work_max: u64,
    },
    /// Say whether this source is Python, and which functions it defines.
    Check {
        /// The source.
        source: Arc<str>,
        /// Its name in error reports.
        file: Arc<str>,
    },
    /// Say what this call of a language model may take at most.
    Worst(Arc<LlmCall>),
    /// Ask it. All that it may take is there to be charged. A caller that does not wait drops the transaction, and
    /// begins it again when the answer has come.
    Ask(Arc<LlmCall>),
    /// Nothing: the transaction has ended.
    Done(Box<Finished>),
}

/// The answer to a [`Need`].
#[derive(Debug)]
pub enum Answer {
    /// The first call.
    Begin,
    /// To [`Need::Start`] and [`Need::Resume`].
    Code(CodeAnswer),
    /// To [`Need::Worst`]; a refusal is raised in the code, and the model is not asked.
    Worst(Result<LlmUse, Refusal>),
    /// To [`Need::Ask`].
    Told(Box<LlmTold>),
    /// To [`Need::Check`]: the names of the functions that can be called.
    Checked(Result<Vec<String>, CodeFailure>),
}

/// The outcome of a transaction; the material of a record.
#[derive(Debug)]
pub struct Finished {
    /// The resources consumed; they stand even when the action failed.
    pub charges: Vec<Charge>,
    /// The changes; empty when the action failed.
    pub effects: Vec<Effect>,
    /// The events that others may be told.
    pub events: Vec<Event>,
    /// How it ended, as it is recorded.
    pub outcome: Outcome,
    /// The result, where the record holds its size and hash only.
    pub whole: Option<Json>,
    /// The output of the code.
    pub output: String,
}

impl Finished {
    /// Something that ended before anything was done.
    #[must_use]
    pub fn nothing_done(outcome: Outcome) -> Self {
        let outcome = match outcome {
            Outcome::Refused(refusal) => Outcome::refused(*refusal),
            Outcome::Nothing | Outcome::Done(_) => outcome,
        };
        Self {
            charges: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
            outcome,
            whole: None,
            output: String::new(),
        }
    }

    /// How it ended, for who waits for it now: with the whole result.
    #[must_use]
    pub fn live_outcome(&self) -> Outcome {
        self.whole.clone().map_or_else(|| self.outcome.clone(), Outcome::Done)
    }
}

/// The next move of the state machine.
enum Next {
    Need(Need),
    /// Go on with the op on top.
    Advance,
    /// Take the next submitted op, or end.
    Root,
}

/// One action under way.
pub struct Transaction<'w> {
    draft: Draft<'w>,
    actor: Actor,
    now: Time,
    seed: u64,
    stack: Vec<Task>,
    queue: VecDeque<Planned>,
    is_list: bool,
    index: u32,
    results: Vec<Value>,
    result_bytes: usize,
    ops_left: u32,
    metering: Metering,
    draws: u64,
    runs: u64,
    /// Calls of language models so far, those that were refused too, and the one under way.
    llm_calls: u32,
    call: Option<Arc<LlmCall>>,
    /// Prices paid so far: who paid, how much.
    prices: Vec<(Handle, i64)>,
    output: String,
    /// Whether output was left out, so that no more is kept.
    is_output_cut: bool,
    outcome: Option<Result<Value, Refusal>>,
    /// Whether it is an agent's own step.
    is_step: bool,
    /// The sleeps of a step's list, each with its place: they hold though the rest is refused.
    sleeps: Vec<(u32, Sleep)>,
    /// The trial under way.
    trial: Option<Trial>,
    /// The work of the contract that decides.
    recording: Option<Recording>,
    /// The code of a thought or a measure, until it is started.
    alone: Option<(Arc<str>, Entry, Vec<Value>)>,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("depth", &self.stack.len()).finish_non_exhaustive()
    }
}

impl<'w> Transaction<'w> {
    fn new(world: &'w World, now: Time, seed: u64, actor: Actor) -> Self {
        let bytes_max = match actor.mode {
            Mode::Act | Mode::Decide => limits::EFFECTS_BYTES_MAX,
            Mode::Look => limits::THOUGHT_BYTES_MAX,
        };
        Self {
            draft: Draft::new(world, now, bytes_max),
            actor,
            now,
            seed,
            stack: Vec::new(),
            queue: VecDeque::new(),
            is_list: false,
            index: 0,
            results: Vec::new(),
            result_bytes: 0,
            ops_left: limits::OPS_PER_ACTION_MAX,
            metering: Metering::new(world.rules().work_per_action),
            draws: 0,
            runs: 0,
            llm_calls: 0,
            call: None,
            prices: Vec::new(),
            output: String::new(),
            is_output_cut: false,
            outcome: None,
            is_step: false,
            sleeps: Vec::new(),
            trial: None,
            recording: None,
            alone: None,
        }
    }

    /// Refuses, before anything is consumed, an action whose ops' costs can't be borne, or whose receipt could
    /// not be kept.
    fn admit(&mut self, actor: Handle, action: &Action) -> Result<(), Refusal> {
        let mut sums: Vec<(ResourceId, i64)> = Vec::new();
        for planned in &action.ops {
            for (_, resource, amount) in self.costs(planned.op.kind()) {
                match sums.iter_mut().find(|(of, _)| of == resource) {
                    Some((_, sum)) => *sum = sum.saturating_add(*amount),
                    None => sums.push((*resource, *amount)),
                }
            }
        }
        for (resource, amount) in sums {
            if self.draft.chargeable(actor, resource) < amount {
                return Err(self.shortage(actor, resource, amount));
            }
        }
        let Some(id) = &action.action_id else { return Ok(()) };
        let freed = self.draft.world().action_ids(actor).map_or(0, ActionIds::next_frees);
        let needed = (action_ids::bytes_needed(id) - freed).max(0);
        self.draft.set_disk_aside(actor, needed).map_err(|guard| {
            self.refusal(guard).hint("what comes of an action with an `action_id` is kept on your disk: free some, or leave the id out")
        })
    }

    pub(self) fn costs(&self, kind: OpKind) -> impl Iterator<Item = &(OpKind, ResourceId, i64)> {
        self.draft.world().rules().costs.iter().filter(move |(of, _, _)| *of == kind)
    }

    /// The number of the last record of the world that it acts on.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.draft.world().seq()
    }

    /// Goes on with the answer to the last need; [`Answer::Begin`] first.
    pub fn step(&mut self, answer: Answer) -> Need {
        let mut next = match answer {
            Answer::Begin => self.begin_alone().unwrap_or(Next::Root),
            Answer::Code(CodeAnswer::Call { call, meter }) => self.host_call(call, meter),
            Answer::Code(CodeAnswer::Done { result, meter, output }) => {
                self.code_done(result, meter, &output)
            }
            Answer::Checked(result) => self.checked(result),
            Answer::Worst(worst) => self.call_weighed(worst),
            Answer::Told(told) => self.call_told(*told),
        };
        loop {
            next = match next {
                Next::Need(need) => return need,
                Next::Advance => self.advance(),
                Next::Root => self.root(),
            };
        }
    }

    fn root(&mut self) -> Next {
        if self.outcome.is_none()
            && let Some(planned) = self.queue.pop_front()
        {
            return self.begin(self.actor, planned, false);
        }
        let outcome = self.outcome.take().unwrap_or_else(|| {
            let mut results = std::mem::take(&mut self.results);
            Ok(if self.is_list { results.into() } else { results.pop().unwrap_or_default() })
        });
        Next::Need(Need::Done(Box::new(self.finish(outcome))))
    }

    fn finish(&mut self, outcome: Result<Value, Refusal>) -> Finished {
        let (world, now) = (self.draft.world(), self.now);
        let draft = std::mem::replace(&mut self.draft, Draft::new(world, now, 0));
        let (charges, effects, events) = draft.finish();
        let output = std::mem::take(&mut self.output);
        let (outcome, whole) = match outcome {
            // Only actions have a recorded result: that of a thought is its action, and a look is only told.
            Ok(value) if self.actor.mode == Mode::Act => {
                let whole = Json::from(value);
                let kept = whole.within(limits::RESULT_KEPT_BYTES_MAX);
                let is_cut = !kept.is_shared_with(&whole);
                (Outcome::Done(kept), is_cut.then_some(whole))
            }
            Ok(value) => (Outcome::Done(value.into()), None),
            Err(refusal) => (Outcome::refused(refusal), None),
        };
        Finished { charges, effects, events, outcome, whole, output }
    }

    /// Begins an op: counts it, charges its costs, finds what must be asked.
    #[expect(clippy::expect_used, reason = "an op begins by being put on top")]
    fn begin(&mut self, actor: Actor, planned: Planned, by_code: bool) -> Next {
        // The call itself was its caller's, and is no part of what is agreed about the op.
        self.settle(actor);
        let agreed = self.agreed(&planned, actor.bearer.resources);
        let task = OpTask {
            actor,
            bound: planned.max_spend.unwrap_or_else(|| self.default_bound(&planned.op)),
            spent: 0,
            agreed: agreed.as_ref().map_or_else(|_| Vec::new(), Clone::clone),
            op: Arc::new(planned.op),
            savepoint: self.draft.savepoint(),
            prices_from: self.prices.len(),
            asks: Vec::new(),
            looked_at: false,
            decides: false,
            by_code,
            quote: None,
        };
        let op = Arc::clone(&task.op);
        self.stack.push(Task::Op(Box::new(task)));
        let asks =
            agreed.map(drop).and_then(|()| self.check_alive(actor)).and_then(|()| self.count_op(actor, &op));
        // An op that code calls was counted as a call.
        let called = if by_code { 0 } else { limits::PARTS_PER_CALL };
        let asks = asks.and_then(|()| self.look(actor, called));
        let asks = asks.and_then(|()| self.begin_quote(actor, &op));
        let asks = asks.and_then(|asked| self.asks(actor, asked.as_deref().unwrap_or(&op)));
        match asks {
            Ok(mut asks) => {
                asks.reverse();
                let task = self.top_op().expect("the op that begins is on top of the stack");
                task.asks = asks;
                Next::Advance
            }
            Err(refusal) => self.end_op(Err(refusal)),
        }
    }

    /// Refuses an op of an actor that was deleted earlier in the action.
    fn check_alive(&self, actor: Actor) -> Result<(), Refusal> {
        let row = actor.me.and_then(|me| self.draft.artifact(me));
        match row.filter(|artifact| artifact.deleted) {
            Some(artifact) => {
                let sentence = format!("`{}` was deleted, so it can do nothing more", artifact.id);
                Err(Refusal::new(Code::NotFound, sentence).hint("let the `delete` come last"))
            }
            None => Ok(()),
        }
    }

    fn count_op(&mut self, actor: Actor, op: &Op) -> Result<(), Refusal> {
        let most = limits::OPS_PER_ACTION_MAX;
        self.ops_left = self.ops_left.checked_sub(1).ok_or_else(|| {
            Refusal::new(Code::LimitExceeded, format!("an action may execute {most} ops"))
                .numbers(i64::from(most) + 1, i64::from(most))
        })?;
        let told_most = limits::EVENTS_PER_ACTION_MAX;
        if self.draft.events_told() >= told_most {
            let sentence = format!("an action may make {told_most} events");
            return Err(Refusal::new(Code::LimitExceeded, sentence).hint("do the rest in another action"));
        }
        let kind = op.kind();
        let allowed = match actor.mode {
            Mode::Act => true,
            Mode::Decide | Mode::Look => {
                matches!(kind, OpKind::Noop | OpKind::Read | OpKind::Query | OpKind::Invoke)
            }
        };
        let sent = match op {
            Op::Invoke(invoke) if actor.mode != Mode::Act => invoke.sent(),
            _ => None,
        };
        if let Some(changes) = sent.or((!allowed).then_some(kind.as_str())) {
            return Err(Refusal::new(
                Code::PermissionDenied,
                format!("`{changes}` changes the world; this code only reads"),
            )
            .hint("return what should be done, or do it from a method that is invoked"));
        }
        if actor.mode == Mode::Look {
            return Ok(());
        }
        let Some(payer) = actor.bearer.resources else {
            return Ok(());
        };
        let costs: Vec<(ResourceId, i64)> =
            self.costs(kind).map(|(_, resource, amount)| (*resource, *amount)).collect();
        self.draft.has_room_for_charges(costs.len()).map_err(|guard| self.refusal(guard))?;
        for (resource, amount) in &costs {
            if self.draft.chargeable(payer, *resource) < *amount {
                return Err(self.shortage(payer, *resource, *amount));
            }
            self.check_agreed(payer, *resource, *amount)?;
        }
        for (resource, amount) in costs {
            self.consume(Charge { principal: payer, resource, amount, work: 0, of: Spending::Op(kind) });
        }
        Ok(())
    }

    /// Asks what is still to be asked of the op on top, then performs it.
    #[expect(clippy::expect_used, reason = "an op goes on only while it is on top")]
    fn advance(&mut self) -> Next {
        let task = self.top_op().expect("the op that goes on is on top of the stack");
        let ((actor, op), ask, is_quote) = (task.acting(), task.asks.pop(), task.quote.is_some());
        match ask {
            Some(ask) => self.judge(actor, &op, ask),
            None if is_quote => self.quote(actor, &op),
            None => self.perform(actor, &op),
        }
    }

    fn top_op(&mut self) -> Option<&mut OpTask> {
        match self.stack.last_mut() {
            Some(Task::Op(task)) => Some(task),
            _ => None,
        }
    }

    /// Ends the op on top and answers its asker.
    #[expect(clippy::panic, reason = "an op ends only while it is on top")]
    fn end_op(&mut self, result: Result<Value, Refusal>) -> Next {
        if let Some(actor) = self.top_op().map(|task| task.actor) {
            self.settle(actor);
        }
        let result = self.end_quote(result);
        let Some(Task::Op(task)) = self.stack.pop() else {
            panic!("the op that ends is not on top of the stack");
        };
        let result = match &*task.op {
            Op::Invoke(op) => self.end_trial(result, op),
            _ => result,
        };
        let submitted = self.stack.is_empty() && task.actor.me.is_some();
        // Some events come without an effect, and some only when all is done.
        let result = result
            .and_then(|value| self.draft.has_room(0).map(|()| value).map_err(|guard| self.refusal(guard)));
        let result = if submitted { result.and_then(|value| self.returnable(value)) } else { result };
        if result.is_err() {
            self.draft.rollback(task.savepoint);
            self.refund(task.prices_from);
        }
        if !self.stack.is_empty() {
            return self.answer(result);
        }
        match result {
            Ok(value) => self.results.push(value),
            Err(mut refusal) => {
                refusal.index = self.is_list.then_some(self.index);
                self.draft.rollback(Savepoint::START);
                self.hold_sleeps(&refusal, self.index, Some(self.index));
                self.outcome = Some(Err(refusal));
            }
        }
        self.index += 1;
        Next::Root
    }

    /// Takes back the effects of the op on top: a question may have led a contract to invoke an artifact with
    /// a price, and a question changes nothing.
    #[expect(clippy::expect_used, reason = "a question is asked for the op on top")]
    fn undo_top(&mut self) {
        let task = self.top_op().expect("the op that asked is on top of the stack");
        let (savepoint, prices_from) = (task.savepoint, task.prices_from);
        self.draft.rollback(savepoint);
        self.refund(prices_from);
    }

    /// The result of a submitted op, if the action's results together are not too large.
    fn returnable(&mut self, value: Value) -> Result<Value, Refusal> {
        let most = limits::RESULT_BYTES_MAX;
        self.result_bytes = self.result_bytes.saturating_add(text_bytes(&value));
        if self.result_bytes <= most {
            return Ok(value);
        }
        let sentence = format!("the result is too large: the most is {most} bytes");
        Err(Refusal::beyond_limit(sentence, self.result_bytes, most)
            .hint("ask for less, or in several actions"))
    }

    fn put(&mut self, effect: Effect) -> Result<(), Refusal> {
        self.draft.put(effect).map_err(|guard| self.refusal(guard))?;
        self.check_disk_agreed()
    }

    /// A guard that failed, as the one who acted is told.
    fn refusal(&self, guard: Guard) -> Refusal {
        state::refusal(&self.draft, guard)
    }

    /// A resource that does not suffice for use (not for a transfer).
    fn shortage(&self, who: Handle, resource: ResourceId, need: i64) -> Refusal {
        let rules = self.draft.world().rules();
        let (name, kind) = (rules.resource_name(resource), rules.kind(resource));
        let have = self.draft.chargeable(who, resource).max(0);
        let sentence = format!("`{}` may use {have} of `{name}` now and needs {need}", self.name(who));
        let (code, hint) = match kind {
            ResourceKind::Renewable { .. } => {
                let hint = match self.free_at(who, resource, need) {
                    Some(back) if back > self.now => {
                        format!("wait {}, until {back}", format_duration_ms(back.ms() - self.now.ms()))
                    }
                    _ => {
                        format!("its rate never allows so much; get rate of `{name}` by `transfer`")
                    }
                };
                (Code::RateLimited, hint)
            }
            ResourceKind::Allocatable => (Code::QuotaExceeded, format!("free some `{name}`")),
            ResourceKind::Depletable | ResourceKind::Metered => {
                (Code::InsufficientResource, format!("get some `{name}` by `transfer`"))
            }
        };
        let without = format!("`{}` may not use so much of `{name}` now", self.name(who));
        let mut refusal =
            Refusal::new(code, sentence).numbers(need, have).hint(hint).about(who, without, None);
        refusal.lack = Some(Lack { principal: who, resource });
        refusal
    }

    fn name(&self, handle: Handle) -> &str {
        self.draft.artifact(handle).map_or("?", |artifact| &artifact.id)
    }

    fn shared_name(&self, handle: Option<Handle>) -> Option<Arc<str>> {
        self.draft.artifact(handle?).map(|artifact| Arc::clone(&artifact.id))
    }

    /// Tells of something that happened; it vanishes if the op fails.
    fn tell(&mut self, actor: Actor, kind: OpKind, event: Told) {
        self.tell_of(actor, EventKind::Op(kind), event);
    }

    fn tell_of(&mut self, actor: Actor, kind: EventKind, event: Told) {
        if let Some(actor) = actor.me {
            let Told { artifact, to, amount, resource, detail, sent } = event;
            let event = Event { artifact, to, amount, resource, detail, sent, ..Event::new(kind, actor) };
            self.draft.tell(event);
        }
    }

    /// Tells of something that happened though the action may fail.
    fn notice(&mut self, actor: Actor, kind: EventKind, artifact: Handle, detail: String) {
        // The subject of a query has done nothing: the actor is the one who asks.
        let actor = self.top_op().map_or(actor, |task| task.actor);
        if self.trial.is_some() {
            return;
        }
        // An artifact that the action itself created may not outlive it, so nothing that stays can name it.
        let Some(actor) = actor.me.filter(|handle| self.draft.exists_before(*handle)) else {
            return;
        };
        if self.draft.exists_before(artifact) {
            let (artifact, detail) = (Some(artifact), Some(detail));
            self.draft.notice(Event { artifact, detail, ..Event::new(kind, actor) });
        }
    }

    /// The next number of this action's own random sequence.
    fn draw(&mut self) -> u64 {
        self.draws += 1;
        crate::seed::mix(self.seed, self.draws)
    }
}

/// The fields of an event that an op may fill.
#[derive(Default)]
struct Told {
    artifact: Option<Handle>,
    to: Option<Handle>,
    amount: Option<i64>,
    resource: Option<ResourceId>,
    detail: Option<String>,
    /// Whether it was sent along with an invocation.
    sent: bool,
}
