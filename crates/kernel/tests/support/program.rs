//! The toy language: a program is the text of a JSON array of instructions, each an array that
//! begins with its name. An object of such arrays has one program per entry point.
//!
//! | instruction | what it does |
//! |---|---|
//! | `["call", name, args, kwargs]` | calls a host function and logs its value |
//! | `["attempt", name, args, kwargs]` | the same by `attempt`; logs `{"ok", "result"}` or `{"ok", "code", "need", "have"}` |
//! | `["try", [...]]` | runs instructions; logs `{"caught": code}` if one raises |
//! | `["raise", text]` | raises |
//! | `["return", value]` | ends with that value |
//! | `["return_arg", index]` | ends with an argument |
//! | `["return_call"]` | ends with the mapping `call` and `me` |
//! | `["decide", {...}]` | ends with a contract's answer: see [`decide`] |
//! | `["balance_of_caller"]` | looks up and logs the scrip of the first argument |
//! | `["burn", units]` | uses so many units of work more |
//!
//! Every instruction uses one unit of work. A program that ends without `return` has its log as its result.

use std::cell::Cell;

use oikos_kernel::{
    code::{CodeAnswer, CodeCall, CodeFailure, FailureKind, HostAnswer, HostCall, Meter},
    host_fn::{Function, HostFn},
};
use serde_json::{Map, Value, json};

thread_local! {
    /// Whether contracts leave `cache` out of what they answer.
    pub(crate) static WITHOUT_CACHE: Cell<bool> = const { Cell::new(false) };
}

/// One run of a program.
pub(crate) struct Machine {
    args: Vec<Value>,
    call: Value,
    frames: Vec<Frame>,
    log: Vec<Value>,
    attempt: bool,
    work: u64,
    /// The budget, which the kernel sets anew at every answer.
    pub(crate) work_max: u64,
}

/// Instructions under way: the program, or the inside of a `try`.
struct Frame {
    instructions: Vec<Value>,
    at: usize,
    catches: bool,
}

/// The entry points that a program defines: an array is the one that is asked for.
pub(crate) fn defines(source: &str) -> Vec<String> {
    match serde_json::from_str(source) {
        Ok(Value::Object(entries)) => entries.keys().cloned().collect(),
        Ok(Value::Array(_)) => vec!["check_permission".into()],
        _ => Vec::new(),
    }
}

/// Whether it can be a contract.
pub(crate) fn decides(source: &str) -> bool {
    defines(source).iter().any(|name| name == "check_permission")
}

impl Machine {
    /// Reads the program of a call; the answer is the failure if there is none.
    pub(crate) fn start(call: &CodeCall) -> Result<Self, Box<CodeAnswer>> {
        let done = |kind, message: String| {
            Box::new(CodeAnswer::Done {
                result: Err(CodeFailure::plain(kind, message)),
                meter: Meter::default(),
                output: String::new(),
            })
        };
        let program: Value = serde_json::from_str(&call.source)
            .map_err(|error| done(FailureKind::Invalid, format!("SyntaxError: {error}")))?;
        let entry = call.entry.function().unwrap_or("main");
        let instructions = match program {
            Value::Array(instructions) => instructions,
            Value::Object(mut entries) => match entries.remove(entry) {
                Some(Value::Array(instructions)) => instructions,
                _ => return Err(done(FailureKind::NoEntry, format!("`{entry}` is not defined"))),
            },
            _ => return Err(done(FailureKind::Invalid, "SyntaxError: no program".into())),
        };
        let info = &call.call;
        Ok(Self {
            args: call.args.clone(),
            call: json!({
                "me": &*call.me, "caller": info.caller.as_deref(), "origin": info.origin.as_deref(),
                "paid": info.paid, "given": info.given,
            }),
            frames: vec![Frame { instructions, at: 0, catches: false }],
            log: Vec::new(),
            attempt: false,
            work: 0,
            work_max: call.limits.work,
        })
    }

    /// Runs on, with the answer to the last host call, until the next one or the end.
    pub(crate) fn go(&mut self, answer: Option<HostAnswer>) -> CodeAnswer {
        match answer {
            Some(HostAnswer::Value(value)) => {
                let value = if self.attempt { attempted(&value) } else { value };
                self.log.push(value);
            }
            Some(HostAnswer::Raise(text)) => {
                if let Some(done) = self.throw(text) {
                    return done;
                }
            }
            None => {}
        }
        loop {
            let Some(frame) = self.frames.last_mut() else {
                let log = std::mem::take(&mut self.log);
                return self.done(Ok(log.into()));
            };
            let Some(instruction) = frame.instructions.get(frame.at).cloned() else {
                self.frames.pop();
                continue;
            };
            frame.at += 1;
            if let Some(answer) = self.perform(&instruction) {
                return answer;
            }
        }
    }

    fn perform(&mut self, instruction: &Value) -> Option<CodeAnswer> {
        let name = instruction[0].as_str().unwrap_or("");
        let work = if name == "burn" { instruction[1].as_u64().unwrap_or(0) } else { 1 };
        if self.work + work > self.work_max {
            self.work = self.work.max(self.work_max);
            return Some(self.fail(FailureKind::Work, "the budget ran out".into(), None));
        }
        self.work += work;
        match name {
            "burn" => None,
            "call" | "attempt" => {
                self.attempt = name == "attempt";
                let word = instruction[1].as_str().unwrap_or("").to_owned();
                let mut args = instruction[2].as_array().cloned().unwrap_or_default();
                let kwargs = instruction[3].as_object().cloned().unwrap_or_else(Map::new);
                let call = if self.attempt {
                    args.insert(0, word.into());
                    HostCall { function: HostFn::Function(Function::Attempt), args, kwargs }
                } else {
                    let function = HostFn::from_word(&word).expect("programs call what there is");
                    HostCall { function, args, kwargs }
                };
                Some(CodeAnswer::Call { call, meter: self.meter() })
            }
            "try" => {
                let instructions = instruction[1].as_array().cloned().unwrap_or_default();
                self.frames.push(Frame { instructions, at: 0, catches: true });
                None
            }
            "raise" => self.throw(instruction[1].as_str().unwrap_or("").to_owned()),
            "return" => Some(self.done(Ok(instruction[1].clone()))),
            "return_arg" => {
                let at = usize::try_from(instruction[1].as_u64().unwrap_or(0)).unwrap_or(0);
                let value = self.args.get(at).cloned().unwrap_or_default();
                Some(self.done(Ok(value)))
            }
            "return_call" => {
                let call = self.call.clone();
                Some(self.done(Ok(call)))
            }
            "balance_of_caller" => {
                self.attempt = false;
                let function = HostFn::Function(Function::GetBalance);
                let call = HostCall {
                    function,
                    args: self.args.iter().take(1).cloned().collect(),
                    kwargs: Map::new(),
                };
                Some(CodeAnswer::Call { call, meter: self.meter() })
            }
            "decide" => {
                let mut verdict = decide(&instruction[1], &self.args);
                if let Some(least) = instruction[1]["least"].as_i64() {
                    let seen = self.log.last().and_then(Value::as_i64).unwrap_or(0);
                    verdict["allowed"] = (seen >= least).into();
                }
                if WITHOUT_CACHE.get() {
                    verdict["cache"] = Value::Null;
                }
                Some(self.done(Ok(verdict)))
            }
            other => self.throw(format!("there is no instruction {other}")),
        }
    }

    /// Raises: goes on after the innermost `try`, or ends.
    fn throw(&mut self, text: String) -> Option<CodeAnswer> {
        while let Some(frame) = self.frames.pop() {
            if frame.catches {
                self.log.push(json!({ "caught": first_word(&text) }));
                return None;
            }
        }
        Some(self.fail(FailureKind::Raised, format!("Exception: {text}"), Some(text)))
    }

    fn fail(&self, kind: FailureKind, message: String, exception: Option<String>) -> CodeAnswer {
        self.done(Err(CodeFailure { exception, own_words: true, ..CodeFailure::plain(kind, message) }))
    }

    fn done(&self, result: Result<Value, CodeFailure>) -> CodeAnswer {
        CodeAnswer::Done { result, meter: self.meter(), output: String::new() }
    }

    fn meter(&self) -> Meter {
        Meter { work: self.work, ..Meter::default() }
    }
}

/// The code of a refusal's exception text, or the text of any other exception.
pub(crate) fn first_word(text: &str) -> &str {
    text.split(':').next().unwrap_or(text)
}

fn attempted(value: &Value) -> Value {
    if value["ok"] == true {
        return json!({ "ok": true, "result": value["result"] });
    }
    let error = &value["error"];
    json!({ "ok": false, "code": error["code"], "need": error["need"], "have": error["have"] })
}

/// The answer of `check_permission(caller, action, …)` by a rule `{"deny": [actions], "only": [callers]}`;
/// the rest of the rule is passed on.
pub(crate) fn decide(rule: &Value, args: &[Value]) -> Value {
    let holds = |list: &Value, at: usize| {
        list.as_array().zip(args.get(at)).is_some_and(|(list, value)| list.contains(value))
    };
    let allowed = !holds(&rule["deny"], 1) && (rule["only"].is_null() || holds(&rule["only"], 0));
    json!({
        "allowed": allowed, "reason": "the rule says so", "cost": rule["cost"],
        "recipient": rule["recipient"], "state_updates": rule["state_updates"],
        "cost_model": rule["cost_model"], "shares": rule["shares"], "cache": rule["cache"],
    })
}
