//! The one door of the sandbox's tests: runs a source and tells what came of it in one line.

use std::sync::Arc;

use oikos_kernel::{
    code::{CallInfo, CodeAnswer, CodeCall, CodeFailure, CodeLimits, Entry, HostAnswer, HostCall, Meter},
    host_fn::HostFn,
    limits,
    time::Time,
};
use oikos_sandbox::{CountingAllocator, STACK_BYTES, Sandbox, ThreadSandbox};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The end of a run.
pub(crate) struct Ended {
    pub(crate) result: Result<Value, CodeFailure>,
    pub(crate) meter: Meter,
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
}

type Host<'a> = &'a mut dyn FnMut(&HostCall) -> HostAnswer;

/// A run that is about to happen.
pub(crate) struct Case {
    source: String,
    seed: u64,
}

impl Case {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.into(), seed: 7 }
    }

    pub(crate) fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    pub(crate) fn text(&self) -> String {
        self.end(limits::WORK_PER_RUN).text()
    }

    pub(crate) fn work(&self, work: u64) -> Ended {
        self.end(work)
    }

    pub(crate) fn report(&self) -> String {
        match self.end(limits::WORK_PER_RUN).result {
            Ok(value) => panic!("it returned {value}"),
            Err(failure) => failure.traceback,
        }
    }

    fn end(&self, work: u64) -> Ended {
        let entry = Entry::Method("run".into());
        go(&self.source, entry, Vec::new(), self.seed, work, &mut |call| panic!("{call:?}"))
    }
}

/// Runs each `(source, arguments of run, expectation)`; an expectation that begins with `!` names the
/// kind of failure and a part of its message.
pub(crate) fn check(cases: &[(&str, Value, &str)]) {
    for (source, args, expected) in cases {
        let ended = run(source, Entry::Method("run".into()), args.clone(), &mut |call| panic!("{call:?}"));
        expect(&ended, expected, source);
    }
}

fn expect(ended: &Ended, expected: &str, source: &str) {
    let text = ended.text();
    match expected.strip_prefix("! ") {
        None => assert_eq!(text, expected, "{source}"),
        Some(rest) => {
            let (kind, part) = rest.split_once(' ').unwrap_or((rest, ""));
            assert!(
                text.starts_with(&format!("! {kind} ")) && text.contains(part),
                "{source}\n{text}\n{expected}"
            );
        }
    }
}

/// Runs a source whose host calls must be these, each answered with a value or an exception's text.
pub(crate) fn with(source: &str, calls: &[(&str, Result<Value, &str>)], expected: &str) {
    let (entry, args) = if source.starts_with("def check_permission") {
        (Entry::Check, json!(["alice", "read", "x", {}]))
    } else if source.starts_with("def step") {
        (Entry::Step, json!([{}]))
    } else {
        (Entry::Method("run".into()), json!([]))
    };
    let mut left = calls.iter();
    let ended = run(source, entry, args, &mut |call| {
        let (said, answer) = left.next().unwrap_or_else(|| panic!("unexpected {call:?}"));
        let made =
            format!("{} {} {}", name(call), Value::from(call.args.clone()), Value::from(call.kwargs.clone()));
        assert_eq!(made, *said);
        match answer {
            Ok(value) => HostAnswer::Value(value.clone()),
            Err(text) => HostAnswer::Raise((*text).into()),
        }
    });
    assert!(left.next().is_none(), "{source}: not all calls were made");
    expect(&ended, expected, source);
}

/// The function of a call; a method of the ledger with its object.
fn name(call: &HostCall) -> String {
    match call.function {
        HostFn::Ledger(method) => format!("ledger.{}", method.as_str()),
        HostFn::Op(_) | HostFn::Function(_) => call.function.as_str().to_owned(),
    }
}

pub(crate) fn run(source: &str, entry: Entry, args: Value, host: Host<'_>) -> Ended {
    let args = args.as_array().cloned().unwrap_or_default();
    go(source, entry, args, 7, limits::WORK_PER_RUN, host)
}

/// Runs `run(at)` of a source that asks for nothing on a sandbox that others use too.
pub(crate) fn on(sandbox: &ThreadSandbox, source: &str, at: i64) -> String {
    let entry = Entry::Method("run".into());
    match sandbox.start(call(source, entry, vec![at.into()], 7, limits::WORK_PER_RUN)).answer {
        CodeAnswer::Done { result, .. } => result.expect("a value").to_string(),
        CodeAnswer::Call { call, .. } => panic!("{call:?}"),
    }
}

fn call(source: &str, entry: Entry, args: Vec<Value>, seed: u64, work: u64) -> CodeCall {
    CodeCall {
        source: source.into(),
        file: "tool".into(),
        entry,
        args,
        me: "tool".into(),
        call: CallInfo {
            caller: Some("alice".into()),
            origin: Some("origin".into()),
            paid: 7,
            given: vec!["gift".into()],
        },
        now: Time::parse("2026-01-01T00:00:00.5Z").expect("a time"),
        seed,
        limits: CodeLimits {
            work,
            memory_bytes: limits::CODE_MEMORY_BYTES_MAX,
            output_bytes: limits::OUTPUT_BYTES_MAX,
            measure_cpu: true,
        },
    }
}

fn go(source: &str, entry: Entry, args: Vec<Value>, seed: u64, work: u64, host: Host<'_>) -> Ended {
    let call = call(source, entry, args, seed, work);
    // Host calls are answered here while the code waits: it is a value, and may change its thread.
    let mut progress = on_deep_stack(move || ThreadSandbox::new().start(call));
    loop {
        match (progress.answer, progress.suspended) {
            (CodeAnswer::Call { call, .. }, Some(suspended)) => {
                let answer = host(&call);
                progress = on_deep_stack(move || suspended.resume(answer, work));
            }
            (CodeAnswer::Done { result, meter, .. }, _) => return Ended { result, meter },
            (answer, None) => panic!("{answer:?} can't go on"),
        }
    }
}

/// The complaint of `check` about a source; empty when it is fine.
pub(crate) fn check_source(source: &str) -> String {
    let source: Arc<str> = source.into();
    let result = on_deep_stack(move || ThreadSandbox::new().check(&source, "tool"));
    result.map_or_else(|failure| format!("{}\n{}", failure.message, failure.traceback), |_| String::new())
}

/// The names that `check` finds.
pub(crate) fn defined(source: &str) -> Vec<String> {
    let source: Arc<str> = source.into();
    on_deep_stack(move || ThreadSandbox::new().check(&source, "tool")).expect("it is in the dialect")
}

fn on_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    thread.expect("a thread").join().expect("the sandbox never panics")
}
