//! Thread isolation: code runs in the thread that asks for it.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use monty::{FunctionCall, RunProgress};
use monty_types::{
    ExcType, ExtFunctionResult, MontyException, MontyObject, OsFunctionCall, PrintWriter,
    PrintWriterCallback, ResourceLimits, ResourceTracker,
};
use oikos_kernel::code::{
    CodeAnswer, CodeCall, CodeFailure, CodeLimits, Entry, FailureKind, HostAnswer, HostCall, Meter,
};
use oikos_kernel::host_fn::HostFn;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::{
    Progress, Sandbox, Suspended,
    allocator::Live,
    convert::{to_json, to_python},
    host::{self, Answerer, Local, answerer, only_thinks, raise},
    program::{Lines, Program, Programs, compile, defines},
    report,
};

/// Host calls are limited by the kernel, which counts ops; this only keeps the interpreter's own
/// limit out of the way.
const SUSPENSIONS_MAX: usize = 10_000_000;

/// Depth of function calls.
const RECURSION_MAX: usize = 400;

/// Runs code in the caller's thread, whose stack should have [`crate::STACK_BYTES`].
///
/// The memory limit binds when the process counts its allocations by [`crate::CountingAllocator`];
/// without that only single large values are refused.
#[derive(Default)]
pub struct ThreadSandbox {
    programs: Mutex<Programs>,
}

impl std::fmt::Debug for ThreadSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadSandbox").finish_non_exhaustive()
    }
}

impl ThreadSandbox {
    /// A sandbox that has compiled nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The program of a call, compiled now or before. Nobody waits for another's compiling.
    fn program(&self, call: &CodeCall) -> Result<Program, CodeFailure> {
        if let Some(program) = self.programs().get(&call.source, &call.entry) {
            return Ok(program);
        }
        let program = guarded(|| compile(&call.source, &call.file, &call.entry));
        let program = program.unwrap_or_else(|| Err(died()))?;
        self.programs().keep(&call.source, &call.entry, program.clone());
        Ok(program)
    }

    fn programs(&self) -> MutexGuard<'_, Programs> {
        // A thread that panicked while holding it was looking for a program, and left the table as it was.
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox for ThreadSandbox {
    fn runtime(&self) -> &str {
        "monty 0.0.23"
    }

    fn check(&self, source: &Arc<str>, file: &str) -> Result<Vec<String>, CodeFailure> {
        guarded(|| compile(source, file, &Entry::Snippet).map(|_| defines(source)))
            .unwrap_or_else(|| Err(died()))
    }

    fn start(&self, call: CodeCall) -> Progress {
        let limits = call.limits;
        let program = match self.program(&call) {
            Ok(program) => program,
            Err(failure) => return done(Err(failure), Meter::default(), String::new()),
        };
        let mut run = Run {
            entry: call.entry.clone(),
            file: Arc::clone(&call.file),
            lines: program.lines,
            local: Local::new(call.now, call.seed),
            io: Io {
                output: String::new(),
                output_max: limits.output_bytes,
                work: 0,
                work_max: limits.work,
                stop: None,
            },
            measure_cpu: limits.measure_cpu,
            cpu_ns: 0,
            live: Live::NONE,
            memory_peak: 0,
        };
        let inputs = inputs(&program, call);
        let tracker = tracker(limits);
        let progress =
            run.timed(|run| program.code.start(inputs, tracker, PrintWriter::Callback(&mut run.io)));
        run.go_on(progress)
    }
}

fn tracker(limits: CodeLimits) -> ResourceTracker {
    let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
    ResourceTracker::new(ResourceLimits {
        max_duration: None,
        max_memory: Some(Live::at(memory)),
        gc_interval: None,
        max_recursion_depth: RECURSION_MAX,
        max_suspensions: SUSPENSIONS_MAX,
    })
}

fn inputs(program: &Program, call: CodeCall) -> Vec<MontyObject> {
    let mut inputs = Vec::with_capacity(3);
    let ledger = (call.entry == Entry::Check).then(host::ledger);
    inputs.push(MontyObject::List(call.args.into_iter().map(to_python).chain(ledger).collect()));
    if program.wants_call {
        let text = |id: &Option<Arc<str>>| id.as_deref().map_or(Value::Null, Value::from);
        inputs.push(to_python(serde_json::json!({
            "caller": text(&call.call.caller),
            "origin": text(&call.call.origin),
            "paid": call.call.paid,
            "given": call.call.given,
        })));
    }
    if program.wants_me {
        inputs.push(MontyObject::String((*call.me).to_owned()));
    }
    inputs
}

/// Runs interpreter code; a panic in it is its failure, not ours.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn died() -> CodeFailure {
    CodeFailure::plain(FailureKind::Died, "the interpreter failed on this code")
}

fn done(result: Result<Value, CodeFailure>, meter: Meter, output: String) -> Progress {
    Progress { answer: CodeAnswer::Done { result, meter, output }, suspended: None }
}

/// The limit that stops code which the interpreter would let go on.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Work,
    Output,
}

/// The output of code, and its budget, checked every 256 instructions.
struct Io {
    output: String,
    output_max: usize,
    work: u64,
    work_max: u64,
    stop: Option<Stop>,
}

impl Io {
    fn print(&mut self, text: &str) -> Result<(), MontyException> {
        if self.output.len() + text.len() > self.output_max {
            self.stop = Some(Stop::Output);
            return Err(raise(ExcType::RuntimeError, "printed too much"));
        }
        self.output.push_str(text);
        Ok(())
    }
}

impl PrintWriterCallback for Io {
    fn stdout_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.print(&output)
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.print(end.encode_utf8(&mut [0; 4]))
    }

    fn poll_flush(&mut self) -> Result<(), MontyException> {
        // Code that catches what a print raised is stopped here, where it can't.
        if self.stop.is_none() && self.work >= self.work_max {
            self.stop = Some(Stop::Work);
        }
        if self.stop.is_some() {
            return Err(raise(ExcType::TimeoutError, "stopped"));
        }
        self.work += 1;
        Ok(())
    }
}

/// Code under way, apart from the interpreter's own state.
struct Run {
    entry: Entry,
    file: Arc<str>,
    lines: Lines,
    local: Local,
    io: Io,
    measure_cpu: bool,
    cpu_ns: u64,
    live: Live,
    memory_peak: u64,
}

type Stepped = Option<Result<RunProgress, MontyException>>;

/// Code that waits for the kernel.
struct Waiting {
    run: Run,
    call: FunctionCall,
}

impl Suspended for Waiting {
    fn resume(self: Box<Self>, answer: HostAnswer, work_max: u64) -> Progress {
        let Self { mut run, call } = *self;
        run.io.work_max = work_max;
        let answer: ExtFunctionResult = match answer {
            HostAnswer::Value(value) => to_python(value).into(),
            HostAnswer::Raise(text) => raise(ExcType::RuntimeError, text).into(),
        };
        let progress = run.timed(|run| call.resume(answer, PrintWriter::Callback(&mut run.io)));
        run.go_on(progress)
    }
}

impl Run {
    /// Runs a piece of interpreter work and meters it.
    fn timed(&mut self, work: impl FnOnce(&mut Self) -> Result<RunProgress, MontyException>) -> Stepped {
        let before = self.measure_cpu.then(thread_cpu_ns);
        let mut live = self.live;
        let progress = live.counting(|| guarded(AssertUnwindSafe(|| work(self))));
        self.live = live;
        self.cpu_ns += before.map_or(0, |before| thread_cpu_ns().saturating_sub(before));
        self.memory_peak = self.memory_peak.max(u64::try_from(live.bytes()).unwrap_or(u64::MAX));
        progress
    }

    fn meter(&self) -> Meter {
        Meter { work: self.io.work, cpu_ns: self.cpu_ns, memory_bytes: self.memory_peak }
    }

    /// Answers what can be answered here, up to a host call or the end.
    fn go_on(mut self, mut stepped: Stepped) -> Progress {
        loop {
            let progress = match stepped {
                None => return self.end(Err(died())),
                Some(Err(error)) => return self.fail(&error),
                // A stop whose exception the code swallowed still ends it.
                Some(Ok(_)) if self.io.stop.is_some() => return self.stopped(),
                Some(Ok(progress)) => progress,
            };
            stepped = match progress {
                RunProgress::Complete(value) => {
                    let result = to_json(value).map_err(|problem| {
                        CodeFailure::plain(
                            FailureKind::NotJson,
                            format!("TypeError: the result can't be returned: {problem}"),
                        )
                    });
                    return self.end(result);
                }
                RunProgress::NameLookup(lookup) => {
                    let answer = host::lookup(&lookup.name, lookup.object_id(), &self.entry);
                    self.timed(|run| lookup.resume(answer, PrintWriter::Callback(&mut run.io)))
                }
                RunProgress::FunctionCall(call) => match self.function(call) {
                    Ok(progress) => return progress,
                    Err(rest) => {
                        let (run, next) = *rest;
                        self = run;
                        next
                    }
                },
                RunProgress::OsCall(call) => {
                    let answer: ExtFunctionResult = match call.function_call {
                        OsFunctionCall::DateTimeNow(_) => self.local.date_time().into(),
                        OsFunctionCall::DateToday => self.local.date().into(),
                        _ => raise(ExcType::PermissionError, "code has no files, environment or processes")
                            .into(),
                    };
                    self.timed(|run| call.resume(answer, PrintWriter::Callback(&mut run.io)))
                }
                RunProgress::ResolveFutures(futures) => {
                    let error =
                        raise(ExcType::RuntimeError, "nothing can be awaited here; call functions plainly");
                    self.timed(|run| futures.abort(error, PrintWriter::Callback(&mut run.io)))
                }
            };
        }
    }

    /// A call of a function that the code does not define: suspends for the kernel, or goes on here.
    fn function(mut self, call: FunctionCall) -> Result<Progress, Box<(Self, Stepped)>> {
        let name = call.function_name.clone();
        let answer: ExtFunctionResult = match answerer(&name, call.object_id, &self.entry) {
            Answerer::Nobody => ExtFunctionResult::NotFound(name),
            Answerer::Local => match self.local.call(&name, &call.args) {
                Ok((value, logged)) => match logged.map_or(Ok(()), |text| self.io.print(&text)) {
                    Ok(()) => value.into(),
                    Err(error) => error.into(),
                },
                Err(error) => error.into(),
            },
            Answerer::Kernel(function) => match only_thinks(function, &self.entry)
                .map_or_else(|| host_call(function, &call), Err)
            {
                Ok(host) => {
                    let answer = CodeAnswer::Call { call: host, meter: self.meter() };
                    return Ok(Progress { answer, suspended: Some(Box::new(Waiting { run: self, call })) });
                }
                Err(error) => error.into(),
            },
        };
        let stepped = self.timed(|run| call.resume(answer, PrintWriter::Callback(&mut run.io)));
        Err(Box::new((self, stepped)))
    }

    fn fail(self, error: &MontyException) -> Progress {
        if self.io.stop.is_some() {
            return self.stopped();
        }
        let failure = report::raised(error, &self.file, self.lines);
        self.end(Err(failure))
    }

    fn stopped(self) -> Progress {
        let failure = match self.io.stop {
            Some(Stop::Output) => {
                let most = self.io.output_max;
                CodeFailure::plain(FailureKind::Output, format!("the code printed more than {most} bytes"))
            }
            _ => CodeFailure::plain(FailureKind::Work, "the code ran out of its budget of work"),
        };
        self.end(Err(failure))
    }

    fn end(self, result: Result<Value, CodeFailure>) -> Progress {
        let meter = self.meter();
        done(result, meter, self.io.output)
    }
}

/// A host call with JSON arguments.
fn host_call(function: HostFn, call: &FunctionCall) -> Result<HostCall, MontyException> {
    let unfit = |problem: String| raise(ExcType::TypeError, format!("{}(): {problem}", function.as_str()));
    let args = call.args.iter().cloned().map(to_json).collect::<Result<_, _>>().map_err(unfit)?;
    let mut kwargs = serde_json::Map::new();
    for (key, value) in &call.kwargs {
        kwargs.insert(key.to_string(), to_json(value.clone()).map_err(unfit)?);
    }
    Ok(HostCall { function, args, kwargs })
}

fn thread_cpu_ns() -> u64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(spent.tv_nsec).unwrap_or(0))
}
