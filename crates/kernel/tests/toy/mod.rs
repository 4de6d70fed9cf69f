//! A driver for the kernel with a toy in place of the interpreter.
//!
//! Toy code is a JSON array of instructions (with `'` for `"`, so that it fits into JSON), or an object
//! of such arrays by function name. An array alone is the body of any function that is asked for:
//!
//! | instruction | effect |
//! |---|---|
//! | `['call', name, args?, kwargs?]` | calls a host function; `$last` is its result, a refusal is raised |
//! | `['try', name, args?, kwargs?]` | the same, but a refusal is caught: `$last` is its text |
//! | `['set', name, value]` | sets the variable `$name` |
//! | `['if', a, b, [...]]` | runs the instructions if `a` equals `b` |
//! | `['work', units]` | uses so many units of work, each of which takes 7 µs |
//! | `['hold', bytes]` | holds so much memory |
//! | `['print', text]` | prints |
//! | `['fail', kind]` | ends as the interpreter would: `memory`, `recursion`, `output`, `not_json`, `died` |
//! | `['fault', text]` | the interpreter raises `KeyError: text` in line 2, and quotes the line |
//! | `['raise', text]`, `['return', value]` | end it |
//!
//! In values, `$name` stands for a variable: `$arg0`…, `$me`, `$call.paid`, `$last.result`. Code that
//! contains `syntax error` is refused.

use std::{cell::RefCell, collections::VecDeque};

use oikos_kernel::{
    call::{LlmCall, LlmFailure, LlmTold, LlmUse},
    code::{CodeAnswer, CodeCall, CodeFailure, FailureKind, HostAnswer, HostCall, Meter},
    event::{Event, EventKind},
    host_fn::{HostFn, LedgerFn},
    json::Json,
    op::Action,
    receipt::Receipt,
    record::{Cause, Charge, Effect, Handle, Hold, Outcome, Record, Spending, Thought},
    refusal::{Code, Refusal},
    time::Time,
    transaction::{Answer, Finished, Need, Transaction},
    world::{Reservation, World},
};
use serde_json::{Map, Value, json};

/// A world with its journal and its clock.
pub(crate) struct Toy {
    pub(crate) world: World,
    pub(crate) now: Time,
    pub(crate) journal: Vec<Record>,
    /// The amounts set aside, latest last.
    pub(crate) reserved: Vec<Reservation>,
    /// The reasons of the next step.
    pub(crate) thinks: String,
    /// The use of the next step's thought beside its CPU.
    pub(crate) used: Vec<Hold>,
}

impl Toy {
    /// The handle of an id that must exist.
    pub(crate) fn handle(&self, id: &str) -> Handle {
        self.world.lookup(id).unwrap_or_else(|| panic!("the fixture has no `{id}`"))
    }

    /// One action from outside: parse, execute, record, apply.
    pub(crate) fn act(&mut self, actor: &str, submitted: &Value) -> Receipt {
        let actor = self.handle(actor);
        let action = match Action::parse(submitted.clone()) {
            Ok(action) => action,
            Err(refusal) => return Receipt::refused(self.now, refusal),
        };
        let action_id = action.action_id.clone();
        let json = Json::from(submitted.clone());
        if let Some(told) = action_id.as_ref().and_then(|id| self.world.repeated(actor, id, &json)) {
            return told.unwrap_or_else(|refusal| Receipt::refused(self.now, refusal));
        }
        let done = match Transaction::act(&self.world, actor, action, self.now, self.world.seq()) {
            Ok(transaction) => drive(transaction),
            Err(refusal) => return Receipt::refused(self.now, refusal),
        };
        let (action, output) = (json, done.output.clone());
        self.record(Cause::Act { actor, action, action_id, output }, done)
    }

    /// One step of an agent: its `step`, then what that returned, as one record.
    pub(crate) fn step(&mut self, agent: &str) -> Receipt {
        self.step_on(agent, &self.world.clone())
    }

    /// A step of an agent that thought on an earlier world.
    pub(crate) fn step_on(&mut self, agent: &str, snapshot: &World) -> Receipt {
        let (agent, seed) = (self.handle(agent), self.world.seq());
        let observation = snapshot.observation(agent, self.now, snapshot.population());
        let woke = snapshot.woke_before(agent, self.now);
        let thought = drive(Transaction::think(snapshot, agent, observation, self.now, seed));
        let mut charges = thought.charges.clone();
        charges.extend(std::mem::take(&mut self.used).into_iter().map(|used| Charge {
            principal: agent,
            resource: used.resource,
            amount: used.amount,
            work: 0,
            of: Spending::Thought,
        }));
        let thought = Finished { charges: charges.clone(), ..thought };
        let submitted = match &thought.outcome {
            Outcome::Done(action) => action.to_value(),
            Outcome::Nothing | Outcome::Refused(_) => Value::Null,
        };
        let thought_outcome = thought.outcome.clone();
        let malformed = !submitted.is_null() && Action::parse(submitted.clone()).is_err();
        let mut done = match (&submitted, Action::parse(submitted.clone())) {
            (Value::Null, _) => thought,
            (_, Err(refusal)) => Finished { outcome: Outcome::Refused(Box::new(refusal)), ..thought },
            (_, Ok(action)) => {
                let acted = Transaction::act_after(&self.world, agent, action, self.now, seed, &charges);
                match acted {
                    Ok(transaction) => drive(transaction),
                    Err(refusal) => Finished { outcome: Outcome::Refused(Box::new(refusal)), ..thought },
                }
            }
        };
        if done.outcome == Outcome::Done(Json::default()) && submitted.is_null() {
            done.outcome = Outcome::Nothing;
        }
        let failed = matches!(thought_outcome, Outcome::Refused(_)) || malformed;
        let turn = self.turn(agent);
        let think = Thought::kept(&std::mem::take(&mut self.thinks));
        let thought = Thought {
            action: submitted.into(),
            charges,
            output: String::new(),
            think,
            looks: Vec::new(),
            unanswered: false,
            failed,
            woke,
        };
        self.record(Cause::Step { agent, turn, thought, output: done.output.clone() }, done)
    }

    /// The number of an agent's turn.
    fn turn(&self, agent: Handle) -> u64 {
        let tick = self.world.tick().map(|tick| tick.number);
        tick.unwrap_or_else(|| self.world.agent(agent).map_or(0, |row| row.steps))
    }

    /// An agent's mind is asked; its next step is the answer.
    pub(crate) fn ask(&mut self, agent: &str) -> Receipt {
        let agent = self.handle(agent);
        let cause = Cause::Ask {
            agent,
            turn: self.turn(agent),
            woke: self.world.woke_before(agent, self.now),
            request: None,
            holds: Vec::new(),
        };
        self.record(cause, nothing())
    }

    /// An agent's language model is asked, with so much set aside for its thought; or it lacks that.
    pub(crate) fn asks(&mut self, what: &str) -> Receipt {
        let (agent, holds) = what.split_once(' ').unwrap_or((what, ""));
        let (agent, holds) = (self.handle(agent), self.holds(holds));
        let cause = self.world.ask(agent, self.turn(agent), self.now, [7; 32], &holds);
        self.record(cause, nothing())
    }

    /// `RESOURCE AMOUNT …`.
    pub(crate) fn holds(&self, text: &str) -> Vec<Hold> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let hold = |pair: &[&str]| Hold {
            resource: self.world.rules().resource(pair[0]).unwrap(),
            amount: pair[1].parse().unwrap(),
        };
        words.chunks(2).map(hold).collect()
    }

    /// An agent's turn for which it lacks the CPU.
    pub(crate) fn short(&mut self, agent: &str) -> Receipt {
        let agent = self.handle(agent);
        let cause = Cause::Short { agent, turn: self.turn(agent), lack: None };
        self.record(cause, nothing())
    }

    /// The things that are due of an artifact are run.
    pub(crate) fn due(&mut self, id: &str) -> Receipt {
        let artifact = self.handle(id);
        let done = match Transaction::due(&self.world, artifact, self.now, self.world.seq()) {
            Ok(transaction) => drive(transaction),
            Err(refusal) => Finished::nothing_done(Outcome::Refused(Box::new(refusal))),
        };
        self.record(Cause::Due { artifact, output: done.output.clone() }, done)
    }

    /// The machine's clock was moved.
    pub(crate) fn clock_moved(&mut self, detail: &str) {
        let event = Event { detail: Some(detail.into()), ..Event::new(EventKind::Clock, Handle::NOBODY) };
        self.record(Cause::Clock { away_ms: 0 }, Finished { events: vec![event], ..nothing() });
    }

    /// Code runs on another runtime.
    pub(crate) fn run_on(&mut self, name: &str) {
        let event = Event { detail: Some(name.into()), ..Event::new(EventKind::Runtime, Handle::NOBODY) };
        self.record(Cause::Runtime { name: name.into() }, Finished { events: vec![event], ..nothing() });
    }

    /// A record of effects that no action would have.
    pub(crate) fn force(&mut self, effect: Effect) {
        self.record(Cause::Clock { away_ms: 0 }, Finished { effects: vec![effect], ..nothing() });
    }

    /// Begins the next tick.
    pub(crate) fn tick(&mut self) {
        let number = self.world.tick().map_or(0, |tick| tick.number + 1);
        self.record(Cause::Tick { number, phase: 0 }, nothing());
    }

    fn record(&mut self, cause: Cause, done: Finished) -> Receipt {
        let Finished { charges, effects, events, outcome, whole, output: _ } = done;
        let record =
            Record { seq: self.world.seq() + 1, time: self.now, cause, charges, effects, events, outcome };
        let record = self.world.enact(record).unwrap();
        let receipt = Receipt::of(&record).with_whole(whole);
        self.journal.push(record);
        receipt
    }
}

fn nothing() -> Finished {
    Finished::nothing_done(Outcome::Nothing)
}

/// Runs a transaction to its end.
pub(crate) fn drive(mut transaction: Transaction<'_>) -> Finished {
    let mut frames: Vec<Frame> = Vec::new();
    let mut answer = Answer::Begin;
    loop {
        answer = match transaction.step(answer) {
            Need::Start(call) => {
                let (frame, begun) = Frame::new(*call);
                frames.push(frame);
                Answer::Code(go_on(&mut frames, begun))
            }
            Need::Resume { answer, work_max } => {
                let frame = frames.last_mut().unwrap();
                frame.work_max = work_max;
                let given = frame.take(answer);
                Answer::Code(go_on(&mut frames, given))
            }
            Need::Check { source, .. } if source.contains("syntax error") => {
                let message = "SyntaxError: invalid syntax";
                let traceback = format!("  File \"toy\", line 1\n    {source}\n{message}");
                Answer::Checked(Err(CodeFailure { traceback, ..failure(FailureKind::Invalid, message) }))
            }
            Need::Check { source, .. } => Answer::Checked(Ok(defines(&source))),
            Need::Worst(call) => Answer::Worst(weighed(&call)),
            Need::Ask(call) => Answer::Told(Box::new(told(&call))),
            Need::Done(done) => return *done,
        };
    }
}

thread_local! {
    /// The calls that the toy model has answered, latest last.
    pub(crate) static TOLD: RefCell<Vec<LlmCall>> = const { RefCell::new(Vec::new()) };
}

/// The worst case of a call of the toy model: a token for each byte of the prompt and each one of the answer, and two
/// micro-dollars for each. There is no model `none::…`.
fn weighed(call: &LlmCall) -> Result<LlmUse, Refusal> {
    if call.model.starts_with("none::") {
        return Err(Refusal::new(Code::Unsupported, format!("there is no provider for `{}`", call.model)));
    }
    let tokens = call.prompt.len() as u64 + u64::from(call.max_output_tokens);
    Ok(LlmUse { calls: 1, tokens, cost: 2 * tokens })
}

/// The toy model uses a token for each byte of the prompt, at two micro-dollars each. A prompt `fail KIND` fails so,
/// `dear` uses a million, `json VALUE` answers that value, and any other is answered by itself.
fn told(call: &LlmCall) -> LlmTold {
    TOLD.with_borrow_mut(|told| told.push(call.clone()));
    let tokens = call.prompt.len() as u64;
    let used = LlmUse { calls: 1, tokens, cost: 2 * tokens };
    let (word, rest) = call.prompt.split_once(' ').unwrap_or((&call.prompt, ""));
    let (outcome, used) = match word {
        "fail" => {
            let kind = oikos_kernel::tape::FailureKind::from_word(rest).unwrap();
            (Err(LlmFailure { kind, sentence: "the toy model does not answer".into() }), used)
        }
        "dear" => (Ok("gold".into()), LlmUse { calls: 1, tokens: 1_000_000, cost: 1_000_000 }),
        "json" => (Ok(serde_json::from_str(rest).unwrap()), used),
        _ => (Ok(format!("heard {}", call.prompt).into()), used),
    };
    LlmTold { outcome, used }
}

/// One run of toy code.
struct Frame {
    program: VecDeque<Value>,
    variables: Map<String, Value>,
    catching: bool,
    meter: Meter,
    work_max: u64,
    memory_max: u64,
    output: String,
}

fn failure(kind: FailureKind, message: &str) -> CodeFailure {
    CodeFailure::plain(kind, message)
}

/// The functions that toy code defines: an array is the one that is asked for.
pub(crate) fn defines(source: &str) -> Vec<String> {
    match serde_json::from_str(&source.replace('\'', "\"")) {
        Ok(Value::Object(functions)) => functions.keys().cloned().collect(),
        Ok(Value::Array(_)) => ["run", "step", "check_permission"].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    }
}

fn raised(text: &str) -> CodeFailure {
    let message = format!("RuntimeError: {text}");
    CodeFailure { exception: Some(text.into()), own_words: true, ..failure(FailureKind::Raised, &message) }
}

/// An exception that the interpreter raises, with all that it tells of the code.
fn fault(text: &str) -> CodeFailure {
    let message = format!("KeyError: {text}");
    let line = format!("  File \"toy\", line 2, in secretly\n    return hidden[{text:?}]\n");
    CodeFailure {
        exception: Some(text.into()),
        traceback: format!("Traceback (most recent call last):\n{line}{message}"),
        ..failure(FailureKind::Raised, &message)
    }
}

fn go_on(frames: &mut Vec<Frame>, begun: Result<(), CodeFailure>) -> CodeAnswer {
    let frame = frames.last_mut().unwrap();
    let (result, meter, output) = match begun.and_then(|()| frame.run()) {
        Ok(Ran::Call(call)) => return CodeAnswer::Call { call, meter: frame.meter },
        Ok(Ran::Value(value)) => (Ok(value), frame.meter, std::mem::take(&mut frame.output)),
        Err(failure) => (Err(failure), frame.meter, std::mem::take(&mut frame.output)),
    };
    frames.pop();
    CodeAnswer::Done { result, meter, output }
}

/// The host function of a name; `ledger.NAME` is a method of a contract's ledger.
fn host_fn(name: &str) -> Option<HostFn> {
    match name.strip_prefix("ledger.") {
        Some(method) => LedgerFn::from_word(method).map(HostFn::Ledger),
        None => HostFn::from_word(name),
    }
}

/// Why toy code stopped.
enum Ran {
    Call(HostCall),
    Value(Value),
}

impl Frame {
    fn new(call: CodeCall) -> (Self, Result<(), CodeFailure>) {
        let mut variables = Map::new();
        for (at, value) in call.args.into_iter().enumerate() {
            variables.insert(format!("arg{at}"), value);
        }
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map_or(Value::Null, Value::from);
        variables.insert("me".into(), (*call.me).into());
        variables.insert("now".into(), call.now.to_string().into());
        variables.insert(
            "call".into(),
            json!({ "caller": text(&call.call.caller), "origin": text(&call.call.origin),
                    "paid": call.call.paid, "given": call.call.given }),
        );
        let mut frame = Self {
            program: VecDeque::new(),
            variables,
            catching: false,
            meter: Meter::default(),
            work_max: call.limits.work,
            memory_max: call.limits.memory_bytes,
            output: String::new(),
        };
        let program = match serde_json::from_str(&call.source.replace('\'', "\"")) {
            Ok(Value::Array(body)) => Ok(body),
            Ok(Value::Object(mut functions)) => {
                let name = call.entry.function().unwrap_or("");
                match functions.remove(name) {
                    Some(Value::Array(body)) => Ok(body),
                    _ => {
                        let failure =
                            failure(FailureKind::NoEntry, &format!("it defines no function `{name}`"));
                        Err(CodeFailure { defines: defines(&call.source), ..failure })
                    }
                }
            }
            _ => Err(failure(FailureKind::Invalid, "SyntaxError: this is no toy code")),
        };
        let begun = program.map(|body| frame.program = body.into());
        (frame, begun)
    }

    fn take(&mut self, answer: HostAnswer) -> Result<(), CodeFailure> {
        let caught = std::mem::take(&mut self.catching);
        let value = match answer {
            HostAnswer::Value(value) => value,
            HostAnswer::Raise(text) if caught => text.into(),
            HostAnswer::Raise(text) => return Err(raised(&text)),
        };
        self.variables.insert("last".into(), value);
        Ok(())
    }

    fn run(&mut self) -> Result<Ran, CodeFailure> {
        while let Some(Value::Array(words)) = self.program.pop_front() {
            let mut words: VecDeque<Value> = words.into();
            let Some(Value::String(word)) = words.pop_front() else {
                return Err(failure(FailureKind::Invalid, "SyntaxError: an instruction begins with a word"));
            };
            if word == "if" {
                let (a, b) = (words.pop_front(), words.pop_front());
                let same = a.map(|a| self.value(a)) == b.map(|b| self.value(b));
                if let (true, Some(Value::Array(body))) = (same, words.pop_front()) {
                    body.into_iter().rev().for_each(|step| self.program.push_front(step));
                }
                continue;
            }
            let words: Vec<Value> = words.into_iter().map(|word| self.value(word)).collect();
            let text = |at: usize| words.get(at).and_then(Value::as_str).unwrap_or("").to_owned();
            match word.as_str() {
                "call" | "try" => {
                    self.catching = word == "try";
                    let args = words.get(1).and_then(Value::as_array).cloned().unwrap_or_default();
                    let kwargs = words.get(2).and_then(Value::as_object).cloned().unwrap_or_default();
                    let name = text(0);
                    let Some(function) = host_fn(&name) else {
                        return Err(raised(&format!("name {name} is not defined")));
                    };
                    return Ok(Ran::Call(HostCall { function, args, kwargs }));
                }
                "set" => {
                    self.variables.insert(text(0), words.get(1).cloned().unwrap_or_default());
                }
                "work" => {
                    let units = words.first().and_then(Value::as_u64).unwrap_or(0);
                    self.meter.work += units;
                    self.meter.cpu_ns += 7_000 * units;
                    if self.meter.work > self.work_max {
                        self.meter.work = self.work_max;
                        return Err(failure(FailureKind::Work, "TimeoutError: too much work"));
                    }
                }
                "hold" => {
                    let bytes = words.first().and_then(Value::as_u64).unwrap_or(0);
                    if bytes > self.memory_max {
                        return Err(failure(FailureKind::Memory, "MemoryError"));
                    }
                    self.meter.memory_bytes = self.meter.memory_bytes.max(bytes);
                }
                "print" => self.output.push_str(&text(0)),
                "raise" => return Err(raised(&text(0))),
                "fault" => return Err(fault(&text(0))),
                "return" => return Ok(Ran::Value(words.first().cloned().unwrap_or_default())),
                "fail" => {
                    let kind = match text(0).as_str() {
                        "memory" => FailureKind::Memory,
                        "recursion" => FailureKind::Recursion,
                        "output" => FailureKind::Output,
                        "not_json" => FailureKind::NotJson,
                        _ => FailureKind::Died,
                    };
                    return Err(failure(kind, &format!("ToyError: {}", text(0))));
                }
                _ => return Err(failure(FailureKind::Invalid, "SyntaxError: no such instruction")),
            }
        }
        Ok(Ran::Value(Value::Null))
    }

    /// The value with its variables filled in.
    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(path) => {
                    let pointer = format!("/{}", path.replace('.', "/"));
                    // A view of all variables as one object would have to be built, so take the first apart.
                    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
                    let found = self.variables.get(first);
                    let rest = if rest.is_empty() { "" } else { &pointer[first.len() + 1..] };
                    found.and_then(|value| value.pointer(rest)).cloned().unwrap_or_default()
                }
                None => Value::String(text),
            },
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, item)| (key, self.value(item))).collect(),
            other => other,
        }
    }
}
