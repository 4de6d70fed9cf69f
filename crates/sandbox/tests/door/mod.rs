//! The one door of the sandbox's tests: runs a source and tells what came of it in one line.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use oikos_kernel::{
    code::{CallInfo, CodeAnswer, CodeCall, CodeFailure, CodeLimits, Entry, HostAnswer, HostCall, Meter},
    host_fn::HostFn,
    limits,
    time::Time,
};
use oikos_sandbox::{PythonSandbox, Sandbox};
use serde_json::{Value, json};

/// The sandbox of all tests of a process; its runtime is kept where all tests of the workspace find it.
pub(crate) fn sandbox() -> &'static PythonSandbox {
    static SANDBOX: OnceLock<PythonSandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        PythonSandbox::open(Some(&folder), &mut |_| {}).expect("the runtime opens")
    })
}

/// The end of a run.
pub(crate) struct Ended {
    pub(crate) result: Result<Value, CodeFailure>,
    pub(crate) meter: Meter,
    pub(crate) output: String,
}

impl Ended {
    /// The result as JSON, or `! KIND message`.
    pub(crate) fn text(&self) -> String {
        match &self.result {
            Ok(value) => value.to_string(),
            Err(failure) => {
                let defines = if failure.defines.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", failure.defines.join(", "))
                };
                format!("! {:?} {}{defines}", failure.kind, failure.message)
            }
        }
    }

    /// The failure as told to those who may not read the code.
    pub(crate) fn discreet(&self) -> String {
        match &self.result {
            Ok(value) => panic!("it returned {value}"),
            Err(failure) => failure.discreet(),
        }
    }

    pub(crate) fn kind(&self) -> String {
        self.result.as_ref().map_or_else(|failure| format!("{:?}", failure.kind), |_| "Ok".into())
    }

    /// The traceback of its failure.
    pub(crate) fn report(&self) -> String {
        match &self.result {
            Ok(value) => panic!("it returned {value}"),
            Err(failure) => failure.traceback.clone(),
        }
    }
}

type Host<'a> = &'a mut dyn FnMut(&HostCall) -> HostAnswer;

/// A call of `run` of a source that is about to happen.
pub(crate) fn method(source: &str, args: Value) -> CodeCall {
    call(source, Entry::Method("run".into()), args)
}

/// A call that is about to happen.
pub(crate) fn call(source: &str, entry: Entry, args: Value) -> CodeCall {
    CodeCall {
        source: source.into(),
        file: "tool".into(),
        entry,
        args: args.as_array().cloned().unwrap_or_default(),
        me: "tool".into(),
        call: CallInfo {
            caller: Some("alice".into()),
            origin: Some("origin".into()),
            paid: 7,
            given: vec!["gift".into()],
        },
        parameters: None,
        now: Time::parse("2026-01-01T00:00:00.5Z").expect("a time"),
        seed: 7,
        limits: CodeLimits {
            work: limits::WORK_PER_RUN,
            memory_bytes: limits::CODE_MEMORY_BYTES_MAX,
            output_bytes: limits::OUTPUT_BYTES_MAX,
            measure_cpu: true,
        },
    }
}

/// Runs a call that asks the kernel for nothing.
pub(crate) fn end(call: CodeCall) -> Ended {
    go(call, &mut |call| panic!("{call:?}"))
}

/// Runs a call; each of its host calls is answered while the code waits: it is a value, and may change its thread.
pub(crate) fn go(call: CodeCall, host: Host<'_>) -> Ended {
    let work = call.limits.work;
    let mut progress = sandbox().start(call);
    loop {
        match (progress.answer, progress.suspended) {
            (CodeAnswer::Call { call, .. }, Some(suspended)) => {
                let answer = host(&call);
                let thread = std::thread::spawn(move || suspended.resume(answer, work));
                progress = thread.join().expect("the sandbox never panics");
            }
            (CodeAnswer::Done { result, meter, output }, _) => return Ended { result, meter, output },
            (answer, None) => panic!("{answer:?} can't go on"),
        }
    }
}

/// Runs each `(source, arguments of run, expectation)`; an expectation that begins with `!` names the
/// kind of failure and a part of its message.
pub(crate) fn check(cases: &[(&str, Value, &str)]) {
    let mut problems = Vec::new();
    for (source, args, expected) in cases {
        problems.extend(differs(&end(method(source, args.clone())), expected, source));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The difference from what is expected.
fn differs(ended: &Ended, expected: &str, source: &str) -> Option<String> {
    let text = ended.text();
    let fits = match expected.strip_prefix("! ") {
        None => text == expected,
        Some(rest) => {
            let (kind, part) = rest.split_once(' ').unwrap_or((rest, ""));
            text.starts_with(&format!("! {kind} ")) && text.contains(part)
        }
    };
    (!fits).then(|| format!("{source}\n  {text}\n  {expected}\n"))
}

/// Runs a source whose host calls must be these, each answered with a value or an exception's text.
pub(crate) fn with(source: &str, calls: &[(&str, Result<Value, &str>)], expected: &str) {
    let (entry, args) = if source.contains("def check_permission") {
        (Entry::Check, json!(["alice", "read", "x", {}]))
    } else if source.contains("def step") {
        (Entry::Step, json!([{}]))
    } else {
        (Entry::Method("run".into()), json!([]))
    };
    let mut left = calls.iter();
    let ended = go(call(source, entry, args), &mut |call| {
        let (said, answer) = left.next().unwrap_or_else(|| panic!("unexpected {call:?}"));
        let made =
            format!("{} {} {}", name(call), Value::from(call.args.clone()), Value::from(call.kwargs.clone()));
        assert_eq!(made, *said);
        match answer {
            Ok(value) => HostAnswer::Value(value.clone()),
            Err(text) => HostAnswer::Raise((*text).into()),
        }
    });
    assert!(left.next().is_none(), "{source}: not all calls were made, {}", ended.text());
    assert_eq!(differs(&ended, expected, source), None);
}

/// The function of a call; a method of the ledger with its object.
fn name(call: &HostCall) -> String {
    match call.function {
        HostFn::Ledger(method) => format!("ledger.{}", method.as_str()),
        HostFn::Op(_) | HostFn::Function(_) => call.function.as_str().to_owned(),
    }
}

/// The complaint of `check` about a source; empty when it is fine.
pub(crate) fn check_source(source: &str) -> String {
    let source: Arc<str> = source.into();
    sandbox().check(&source, "tool").map_or_else(|failure| failure.text().to_owned(), |_| String::new())
}

/// The names that `check` finds.
pub(crate) fn defined(source: &str) -> Vec<String> {
    let source: Arc<str> = source.into();
    sandbox().check(&source, "tool").expect("it is Python")
}
