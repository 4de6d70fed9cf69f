//! Running code within a transaction: its budget, its charges, its result.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Need, Next, Told, Transaction,
    meter::{self, Bound, RUN_CPU_US_MIN, RUN_WORK_MIN},
    stack::{Actor, Ask, Bearer, CodeTask, Mode, Purpose, Task},
};
use crate::{
    artifact::Artifact,
    code::{CallInfo, CodeCall, CodeFailure, CodeLimits, Entry, FailureKind, HostAnswer, Meter},
    contract::Verdict,
    interface,
    json::Json,
    limits,
    op::{Amount, Gift, Invoke, Op, OpKind, Run, Word},
    record::{Effect, EventKind, Handle, Spending, Use, Why},
    refusal::{Code, Refusal},
    rules::{CpuMeter, ResourceId, ResourceKind},
    state::State,
};

/// Methods that a hint names.
const METHODS_NAMED_MAX: usize = 20;

/// Refusals remembered per run; more than this are raised only by code that catches them.
const RAISED_MAX: usize = 16;

/// An invocation of which all is done but the run of its code.
pub(super) struct Entered {
    /// The code as it acts.
    inner: Actor,
    source: Arc<str>,
    call: CallInfo,
}

impl Transaction<'_> {
    /// Asks for code to be run within its budget.
    pub(super) fn start_code(
        &mut self,
        actor: Actor,
        source: Arc<str>,
        entry: Entry,
        args: Vec<Value>,
        call: CallInfo,
        purpose: Purpose,
    ) -> Result<Need, Refusal> {
        let payer = actor.bearer.resources;
        self.settle_top();
        if matches!(purpose, Purpose::Check { .. }) {
            self.begin_recording(payer);
        }
        let parameters = self.parameters_of(&source);
        self.look(actor, meter::converted(args.iter().chain(parameters.as_ref().map(Json::value))))?;
        self.settle(actor);
        let of = self.spending(actor, &entry, purpose);
        self.begin_run(payer, of)?;
        let (work, bound) = self.run_budget(payer, RUN_WORK_MIN);
        let memory = self.memory_max(payer);
        let me = self.shared_name(actor.me).unwrap_or_else(|| Arc::from(""));
        let file = if entry == Entry::Snippet { Arc::from("<run>") } else { Arc::clone(&me) };
        self.runs += 1;
        let task = CodeTask {
            actor,
            purpose,
            of,
            file: Arc::clone(&file),
            work: RUN_WORK_MIN,
            cpu_us: RUN_CPU_US_MIN,
            memory_bytes: 0,
            bound,
            raised: Vec::new(),
            attempt: false,
        };
        self.stack.push(Task::Code(Box::new(task)));
        Ok(Need::Start(Box::new(CodeCall {
            source,
            file,
            entry,
            args,
            me,
            call,
            parameters,
            now: self.now,
            seed: crate::seed::mix(self.seed ^ 0x0069_6b6f_7300, self.runs),
            limits: CodeLimits {
                work,
                memory_bytes: memory,
                output_bytes: limits::OUTPUT_BYTES_MAX,
                measure_cpu: self.draft.world().rules().cpu_meter == CpuMeter::Measured,
            },
        })))
    }

    /// The parameters of the world, if there are any and a source names them.
    fn parameters_of(&self, source: &str) -> Option<Json> {
        let named = self.draft.world().rules().named_parameters()?;
        source.contains(CodeCall::PARAMETERS).then(|| named.clone())
    }

    /// The line of the receipt that tells of the CPU of a run.
    fn spending(&self, actor: Actor, entry: &Entry, purpose: Purpose) -> Spending {
        let me = actor.me.filter(|me| self.draft.exists_before(*me));
        match (purpose, entry) {
            (Purpose::Check { .. }, _) => Spending::Contract(me),
            (Purpose::Op | Purpose::Alone, Entry::Snippet) => Spending::Snippet,
            (Purpose::Op | Purpose::Alone, _) => Spending::Code(me),
        }
    }

    pub(super) fn top_code(&mut self) -> Option<&mut CodeTask> {
        match self.stack.last_mut() {
            Some(Task::Code(task)) => Some(task),
            _ => None,
        }
    }

    /// Answers the code on top: a value, or an exception.
    pub(super) fn answer(&mut self, result: Result<Value, Refusal>) -> Next {
        self.answer_in(result, Refusal::exception_text)
    }

    /// As [`Self::answer`], with the words of an exception.
    pub(super) fn answer_in(
        &mut self,
        result: Result<Value, Refusal>,
        words: impl Fn(&Refusal) -> String,
    ) -> Next {
        let Some(reader) = self.top_code().map(|task| task.actor) else {
            return Next::Root;
        };
        let told = result.as_ref().err().map(|refusal| self.told(reader, refusal));
        let Some(task) = self.top_code() else {
            return Next::Root;
        };
        let attempt = std::mem::take(&mut task.attempt);
        let answer = match result {
            Ok(value) if attempt => {
                HostAnswer::Value(serde_json::json!({ "ok": true, "result": value, "error": null }))
            }
            Ok(value) => HostAnswer::Value(value),
            Err(refusal) if attempt => {
                let error = told.unwrap_or(refusal).to_json();
                HostAnswer::Value(serde_json::json!({ "ok": false, "result": null, "error": error }))
            }
            Err(refusal) => {
                let text = words(told.as_ref().unwrap_or(&refusal));
                if task.raised.len() == RAISED_MAX {
                    task.raised.remove(0);
                }
                task.raised.push((text.clone(), refusal));
                HostAnswer::Raise(text)
            }
        };
        if let HostAnswer::Value(value) = &answer {
            self.look_at_last(reader, meter::converted([value]));
        }
        self.settle(reader);
        let so_far = self.top_code().map_or(0, |task| task.work);
        let (work_max, bound) = self.run_budget(reader.bearer.resources, so_far);
        if let Some(task) = self.top_code() {
            task.bound = bound;
        }
        Next::Need(Need::Resume { answer, work_max })
    }

    /// Goes on when the code on top has ended.
    pub(super) fn code_done(
        &mut self,
        result: Result<Value, CodeFailure>,
        meter: Meter,
        output: &str,
    ) -> Next {
        self.charge_code(meter);
        if let (Some(actor), Ok(value)) = (self.top_code().map(|task| task.actor), &result) {
            self.look_at_last(actor, meter::converted([value]));
            self.settle(actor);
        }
        let Some(Task::Code(task)) = self.stack.pop() else {
            return Next::Root;
        };
        let is_cut = result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Output);
        self.keep_output(task.actor, output, is_cut);
        let detail = result.as_ref().err().map(|failure| failure.text().to_owned());
        let asker = self.top_op().and_then(|below| below.actor.bearer.resources);
        let is_askers = match task.bound {
            Bound::Run => false,
            Bound::Action => true,
            Bound::Agreed(_) | Bound::Cpu => task.actor.bearer.resources == asker,
        };
        let asker_is_out =
            is_askers && result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Work);
        if let Err(failure) = &result {
            self.count_failure(&task, failure.kind, asker_is_out);
        }
        let result = result.map_err(|failure| self.failure(&task, &failure));
        match task.purpose {
            Purpose::Alone => {
                if let (Err(refusal), Mode::Look, Some(me)) = (&result, task.actor.mode, task.actor.me) {
                    let detail = refusal.text().chars().take(2_000).collect();
                    self.notice(task.actor, EventKind::MindError, me, detail);
                }
                self.outcome = Some(result);
                Next::Root
            }
            Purpose::Op => self.op_code_done(result),
            // The asker's CPU or its action's budget ran out: that is the asker's, and told as such.
            Purpose::Check { .. } if asker_is_out => self.end_op(result),
            Purpose::Check { ask, contract } => {
                self.check_done(ask, contract, result, detail, !output.is_empty())
            }
        }
    }

    /// Keeps the output of code, as far as there is room, for which the one pays who pays for the code.
    fn keep_output(&mut self, actor: Actor, output: &str, is_cut: bool) {
        if self.is_output_cut {
            return;
        }
        let room = limits::OUTPUT_BYTES_MAX.saturating_sub(self.output.len());
        let kept = output.get(..output.floor_char_boundary(room)).unwrap_or("");
        self.is_output_cut = is_cut || kept.len() < output.len();
        self.output.push_str(kept);
        if self.is_output_cut {
            self.output.push_str(limits::OUTPUT_CUT);
        }
        if !kept.is_empty() {
            self.look_at_last(actor, meter::written(kept.len()));
            self.settle(actor);
        }
    }

    /// Counts an invocation that failed by the artifact's own code: not because its caller ran out of work, or
    /// asked for a method that there is not.
    fn count_failure(&mut self, task: &CodeTask, kind: FailureKind, asker_is_out: bool) {
        let is_own = !asker_is_out && kind != FailureKind::NoEntry;
        let invoked = match self.top_op().map(|task| &*task.op) {
            Some(Op::Invoke(_)) => task.actor.me,
            Some(_) | None => None,
        };
        if let (true, Purpose::Op, Some(artifact)) = (is_own && self.trial.is_none(), &task.purpose, invoked)
        {
            self.draft.fail(artifact);
        }
    }

    fn check_done(
        &mut self,
        ask: Ask,
        contract: Handle,
        result: Result<Value, Refusal>,
        detail: Option<String>,
        printed: bool,
    ) -> Next {
        let Some(below) = self.top_op() else {
            return Next::Root;
        };
        let (actor, op) = below.acting();
        let verdict = match result {
            Ok(value) => Verdict::parse(&value),
            Err(refusal) => Err(detail.unwrap_or(refusal.message)),
        };
        if let Ok(verdict) = &verdict {
            self.keep_verdict(actor, &op, ask, contract, verdict, printed);
        }
        let verdict = verdict.unwrap_or_else(|problem| self.contract_failed(actor, contract, &problem));
        self.verdict(actor, &op, ask, Some(contract), verdict)
    }

    /// A failure of code, as its caller is told.
    fn failure(&self, task: &CodeTask, failure: &CodeFailure) -> Refusal {
        let (file, open) = (&task.file, self.may_see_lines(task));
        let (sentence, traceback) = failure.told(file, open);
        let uncaught = failure.exception.as_ref();
        if let Some(text) = uncaught.filter(|_| failure.kind == FailureKind::Raised)
            && let Some((_, refusal)) = task.raised.iter().rev().find(|(raised, _)| raised == &**text)
        {
            // A refusal that the code let through keeps its code and numbers. Its words would tell of the
            // code's dealings, unless they tell the payer of its own lack.
            let traceback =
                traceback.filter(|_| open).map(|traceback| joined(traceback, refusal.traceback()));
            if open || refusal.lack.is_some() || refusal.bound {
                return refusal.clone().at(traceback);
            }
            let code = refusal.code;
            return Refusal::new(code, format!("in `{file}`: an op of its code was refused as `{code}`"));
        }
        let code = match failure.kind {
            FailureKind::Invalid => Code::InvalidCode,
            FailureKind::NoEntry => Code::NotFound,
            FailureKind::Raised | FailureKind::Recursion | FailureKind::NotJson => Code::CodeError,
            FailureKind::Work => return self.code_out_of_work(task),
            FailureKind::Memory => Code::MemoryExceeded,
            FailureKind::Output => Code::LimitExceeded,
            FailureKind::Died => Code::WorkerDied,
        };
        let mut refusal = Refusal::new(code, sentence).at(traceback);
        refusal.is_crash = !failure.own_words && failure.kind != FailureKind::NoEntry;
        match (failure.kind, open) {
            (FailureKind::NoEntry, true) if failure.defines.is_empty() => {
                refusal.hint("its code defines no function that can be called")
            }
            (FailureKind::NoEntry, true) => {
                let named: Vec<&str> =
                    failure.defines.iter().take(METHODS_NAMED_MAX).map(String::as_str).collect();
                refusal.hint(format!("it defines {}", named.join(", ")))
            }
            (FailureKind::NoEntry, false) => refusal.hint(self.listed_methods(task)),
            _ => refusal,
        }
    }

    /// The methods that an artifact's interface lists, for those who may not read its code.
    fn listed_methods(&self, task: &CodeTask) -> String {
        let artifact = task.actor.me.and_then(|me| self.draft.artifact(me));
        let tools = artifact.and_then(|artifact| artifact.interface.value().as_array());
        let names = tools.into_iter().flatten().filter_map(|tool| tool.get("name")?.as_str());
        let named: Vec<&str> = names.take(METHODS_NAMED_MAX).collect();
        if named.is_empty() {
            return "its code can't be read, and it has no `interface` that lists its methods".into();
        }
        format!("its interface lists {}", named.join(", "))
    }

    /// Whether all whom a failure of code may reach surely may read that code: its message quotes it.
    fn may_see_lines(&self, task: &CodeTask) -> bool {
        let Some(me) = task.actor.me else { return true };
        let callers = self.stack.iter().filter_map(|below| match below {
            Task::Op(op) => Some(op.actor),
            Task::Code(_) => None,
        });
        callers.into_iter().all(|caller| caller.me == Some(me) || self.may_surely_read(caller, me))
    }

    /// Runs a snippet as the caller. One inside other code is a level of its own, or there would be no end.
    pub(super) fn snippet(&mut self, actor: Actor, op: &Run) -> Result<Next, Refusal> {
        let within = self.top_op().is_some_and(|task| task.by_code);
        let invoke_depth = if within { deeper(actor)? } else { actor.invoke_depth };
        let (caller, origin) = (self.shared_name(actor.me), self.shared_name(actor.origin));
        let call = CallInfo { caller, origin, ..CallInfo::default() };
        let (inner, source) = (Actor { invoke_depth, ..actor }, Arc::clone(&op.code.0));
        self.look(actor, meter::compiled(&source))?;
        self.start_code(inner, source, Entry::Snippet, Vec::new(), call, Purpose::Op).map(Next::Need)
    }

    /// Runs the code of an invocation for the op on top.
    pub(super) fn invoke(&mut self, actor: Actor, op: &Invoke) -> Result<Next, Refusal> {
        let Entered { inner, source, call } = self.enter(actor, op)?;
        let args = op.args.as_ref().map_or_else(Vec::new, |args| args.0.clone());
        let entry = Entry::Method(op.method().into());
        self.start_code(inner, source, entry, args, call, Purpose::Op).map(Next::Need)
    }

    /// All of an invocation but the run of its code: what is paid, and sent along.
    pub(super) fn enter(&mut self, actor: Actor, op: &Invoke) -> Result<Entered, Refusal> {
        let (handle, artifact) = self.artifact(&op.artifact)?;
        let Some(source) = artifact.code.clone() else {
            return Err(Refusal::invalid(format!("`{}` has no code to invoke", op.artifact))
                .hint("`read` shows what it holds"));
        };
        let (price, owner, pays, standing) =
            (artifact.price, artifact.owner, artifact.pays, artifact.account.is_some());
        let interface = artifact.interface.clone();
        op.check_trial()?;
        self.check_free(price)?;
        let is_trial = op.trial.is_some();
        self.check_looks_at_price(handle, owner, price)?;
        // The arguments of a trial may be a secret, and then nothing outside it tells whether they fit.
        let mut deposit = None;
        if !is_trial {
            deposit = self.fit_interface(actor, &interface, op)?;
        }
        let depth = deeper(actor)?;
        self.pay_price(actor, handle, owner, price)?;
        let paid = op.pay.map_or(0, |pay| pay.0);
        let given = self.send_along(actor, handle, standing, paid, deposit, op)?;
        let bears = standing && self.draft.exists_before(handle) && !self.is_thought();
        let code = Some(handle).filter(|_| bears);
        let inner = Actor {
            me: Some(handle),
            caller: actor.me,
            bearer: if is_trial { Bearer::NOBODY } else { actor.bearer.of_code(pays, code) },
            origin: actor.origin,
            invoke_depth: depth,
            check_depth: actor.check_depth,
            mode: if is_trial { Mode::Decide } else { actor.mode },
        };
        if is_trial {
            self.begin_trial(actor, op)?;
            self.fit_interface(inner, &interface, op)?;
        }
        let caller = self.shared_name(actor.me);
        let call = CallInfo { caller, origin: self.shared_name(actor.origin), paid, given };
        Ok(Entered { inner, source, call })
    }

    /// Pays the price of an invocation, and counts it.
    fn pay_price(
        &mut self,
        actor: Actor,
        artifact: Handle,
        owner: Handle,
        price: i64,
    ) -> Result<(), Refusal> {
        let customer = actor.bearer.prices;
        let payer = customer.filter(|payer| price > 0 && *payer != owner);
        if let Some(payer) = payer {
            self.consent(payer, price)?;
            let (why, of) = (Why::Price, Some(artifact));
            self.put(Effect::Pay { from: payer, to: owner, amount: price, why, of })?;
        }
        let price = payer.map_or(0, |_| price);
        self.put(Effect::Use(Use { artifact, customer, price }))
    }

    /// Looks whether the arguments fit what the artifact's interface says of the method. The answer is the gift of
    /// `disk` that the interface asks for, if the world limits it and the call gives none itself.
    fn fit_interface(&self, actor: Actor, interface: &Json, op: &Invoke) -> Result<Option<Gift>, Refusal> {
        let count = |parts| self.look(actor, parts);
        let Some(tool) = interface::tool(interface.value(), op.method(), count)? else {
            return Ok(None);
        };
        let args = op.args.as_ref().map_or(&[][..], |args| &args.0);
        interface::fits(tool, args, count).map_err(|mut refusal| {
            refusal.message = format!("in `{}`: {}", op.artifact, refusal.message);
            refusal
        })?;
        let rules = self.draft.world().rules();
        let disk = rules.resource_name(ResourceId::DISK);
        let gives = op.gifts().iter().any(|gift| gift.is_of(disk));
        let is_limited = rules.kind(ResourceId::DISK) != ResourceKind::Metered;
        let Some(bytes) =
            interface::deposit(tool).filter(|_| is_limited && !gives && actor.mode == Mode::Act)
        else {
            return Ok(None);
        };
        let given = op.gifts().iter().filter_map(|gift| match gift {
            Gift::Artifact(id) => self.draft.find(id.as_str()).and_then(|handle| self.draft.artifact(handle)),
            Gift::Resource { .. } => None,
        });
        let bytes = given.map(Artifact::size).fold(bytes, i64::saturating_add);
        Ok((bytes > 0).then(|| Gift::Resource { resource: Word(disk.into()), amount: Amount(bytes) }))
    }

    /// Moves what an invocation sends along; all of it comes back if the invocation fails.
    fn send_along(
        &mut self,
        actor: Actor,
        to: Handle,
        standing: bool,
        paid: i64,
        deposit: Option<Gift>,
        op: &Invoke,
    ) -> Result<Vec<Value>, Refusal> {
        let Some(field) = op.sent().or(deposit.as_ref().map(|_| "deposit")) else {
            return Ok(Vec::new());
        };
        let Some(from) = actor.me.filter(|_| standing) else {
            return Err(Refusal::invalid(format!(
                "`{field}`: `{}` has no standing to receive anything",
                op.artifact
            )));
        };
        if paid > 0 {
            self.put(Effect::Pay { from, to, amount: paid, why: Why::Pay, of: None })?;
        }
        // The artifacts that are given lie on the deposit; where it is free only without them they go first.
        let mut later = None;
        if let Some(gift) = &deposit
            && self.give(actor, gift, (from, to)).is_err()
        {
            later = Some(gift);
        }
        for gift in op.gifts().iter().chain(later) {
            self.give(actor, gift, (from, to))?;
        }
        Ok(op.gifts().iter().chain(&deposit).map(Gift::to_json).collect())
    }

    fn give(&mut self, actor: Actor, gift: &Gift, (from, to): (Handle, Handle)) -> Result<(), Refusal> {
        match gift {
            Gift::Artifact(id) => {
                let artifact = self.target(id)?;
                self.hand_over(actor, artifact, to)
            }
            Gift::Resource { resource, amount } => {
                let resource = self.resource(&resource.0)?;
                self.shift(actor, (from, to), resource, amount.0, true)
            }
        }
    }

    /// Ends the op on top whose code has ended.
    fn op_code_done(&mut self, result: Result<Value, Refusal>) -> Next {
        let Some(task) = self.top_op() else {
            return Next::Root;
        };
        let (actor, op) = (task.actor, Arc::clone(&task.op));
        if result.is_ok() && actor.mode == Mode::Act {
            match &*op {
                Op::Invoke(op) => {
                    let artifact = self.draft.find(op.artifact.as_str());
                    let amount = op.pay.map(|pay| pay.0).filter(|pay| *pay > 0);
                    let detail = Some(op.method().to_owned());
                    self.tell(actor, OpKind::Invoke, Told { artifact, amount, detail, ..Told::default() });
                }
                _ => self.tell(actor, OpKind::Run, Told::default()),
            }
        }
        self.end_op(result)
    }

    /// Prepares an agent's thought; [`super::Answer::Begin`] starts it.
    pub(super) fn start_thought(&mut self, agent: Handle, observation: Value) {
        let source = self.draft.artifact(agent).and_then(|artifact| artifact.code.clone());
        let Some(source) = source else {
            let refusal = Refusal::invalid(format!("`{}` has no code to think with", self.name(agent)));
            self.outcome = Some(Err(refusal));
            return;
        };
        let world = self.draft.world();
        let phase = world.tick().and_then(|tick| world.rules().phase(tick.phase));
        let entry = phase.map_or(Entry::Step, |method| Entry::Method(method.into()));
        self.prepare(source, entry, vec![observation]);
    }

    /// Prepares a measure; [`super::Answer::Begin`] starts it.
    pub(super) fn start_measure(&mut self, artifact: Handle, method: &str) {
        let found = self.draft.artifact(artifact).filter(|artifact| !artifact.deleted);
        let Some(source) = found.and_then(|artifact| artifact.code.clone()) else {
            let refusal = Refusal::new(
                Code::NotFound,
                format!("`{}` has no code to measure with", self.name(artifact)),
            );
            self.outcome = Some(Err(refusal));
            return;
        };
        self.actor.me = Some(artifact);
        self.prepare(source, Entry::Method(method.into()), Vec::new());
    }

    fn prepare(&mut self, source: Arc<str>, entry: Entry, args: Vec<Value>) {
        self.alone = Some((source, entry, args));
    }

    /// Starts the code of a thought or a measure.
    pub(super) fn begin_alone(&mut self) -> Option<Next> {
        let (source, entry, args) = self.alone.take()?;
        let call = CallInfo::default();
        Some(match self.start_code(self.actor, source, entry, args, call, Purpose::Alone) {
            Ok(need) => Next::Need(need),
            Err(refusal) => {
                self.outcome = Some(Err(refusal));
                Next::Root
            }
        })
    }
}

/// The traceback of code that let a refusal through, with that of the code in which the refusal arose.
fn joined(outer: String, inner: Option<&str>) -> String {
    const HEAD: &str = "Traceback (most recent call last):\n";
    let Some(inner) = inner.and_then(|inner| inner.strip_prefix(HEAD)) else { return outer };
    // The last line of the outer one says only that the inner one happened.
    let frames = outer.trim_end().rsplit_once('\n').map_or("", |(frames, _)| frames);
    if frames.is_empty() { format!("{HEAD}{inner}") } else { format!("{frames}\n{inner}") }
}

/// The depth of what is invoked next.
fn deeper(actor: Actor) -> Result<u32, Refusal> {
    let (depth, most) = (actor.invoke_depth + 1, limits::INVOKE_DEPTH_MAX);
    if depth <= most {
        return Ok(depth);
    }
    let refusal = Refusal::new(Code::DepthExceeded, format!("invocations nest at most {most} deep"));
    Err(refusal.numbers(i64::from(depth), i64::from(most)))
}
