//! Thread isolation: code runs in the thread that asks for it.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use oikos_kernel::{
    code::{CodeAnswer, CodeCall, CodeFailure, CodeLimits, Entry, FailureKind, HostAnswer, HostCall, Meter},
    host_fn::HostFn,
    limits,
    time::Time,
};
use oikos_python::{Limits, Outcome, Runtime, Stage, Step, Trap, Waiting};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::{
    Progress, Sandbox, Suspended,
    driver::{self, Asked, Compiled, Inputs, Raise},
    program::{Code, IsSnippet, Program, Programs},
};

/// Fuel for compiling the longest source.
const COMPILE_FUEL: u64 = 4_000_000_000;

/// Memory for it, in bytes.
const COMPILE_MEMORY_BYTES: usize = 128 * 1024 * 1024;

/// The interpreter of this process: there is one, whoever asks for it first.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// Runs code in the caller's thread, each run in a fresh instance of the interpreter.
#[derive(Clone)]
pub struct PythonSandbox {
    runtime: Runtime,
    name: Arc<str>,
    programs: Arc<Mutex<Programs>>,
}

impl std::fmt::Debug for PythonSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PythonSandbox").field("runtime", &self.name).finish_non_exhaustive()
    }
}

impl PythonSandbox {
    /// A sandbox that has compiled nothing yet. A process has one interpreter: it is loaded from the cache folder, or
    /// prepared and kept there, which takes some ten seconds and is told of, when the first sandbox is opened.
    ///
    /// # Errors
    /// When the machine can't run the interpreter.
    pub fn open(folder: Option<&Path>, tell: &mut dyn FnMut(Stage)) -> Result<Self, oikos_python::Error> {
        let mut opened = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match &*opened {
            Some(runtime) => runtime.clone(),
            None => opened.insert(Runtime::open(folder, tell)?).clone(),
        };
        Ok(Self { runtime, name: Runtime::name().into(), programs: Arc::default() })
    }

    /// The program of a source, compiled now or before. Nobody waits for another's compiling.
    fn program(&self, source: &Arc<str>, file: &str, entry: &Entry) -> Result<Program, CodeFailure> {
        let shape = IsSnippet::of(entry);
        if let Some(program) = self.programs().get(source, shape) {
            return Ok(program);
        }
        let program = self.compile(source, file, shape)?;
        self.programs().keep(source, shape, program.clone());
        Ok(program)
    }

    fn programs(&self) -> MutexGuard<'_, Programs> {
        // A thread that panicked while holding it was looking for a program, and left the table as it was.
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles in an instance in which no code of anybody's has run.
    fn compile(&self, source: &Arc<str>, file: &str, shape: IsSnippet) -> Result<Program, CodeFailure> {
        if source.len() > limits::CODE_BYTES_MAX {
            let (bytes, most) = (source.len(), limits::CODE_BYTES_MAX);
            let message = format!("the code has {bytes} bytes; the most is {most}");
            return Err(CodeFailure::plain(FailureKind::Invalid, message));
        }
        // No text holds a hash of itself, so the name is found where the file's name stands.
        let stand_in = format!("file-{}", blake3::hash(source.as_bytes()).to_hex());
        let limits = Limits {
            fuel: COMPILE_FUEL,
            memory_bytes: COMPILE_MEMORY_BYTES,
            seed: 0,
            now_ns: Some(0),
            output_bytes: limits::OUTPUT_BYTES_MAX,
        };
        let step = self.runtime.start(driver::compile(source, &stand_in, shape.0), limits);
        let answer = match step.outcome {
            Outcome::Done(answer) => driver::compiled(&answer),
            Outcome::Call(..) | Outcome::Trap(_) => {
                let message = "SyntaxError: the code nests too deep, or is too involved, to be compiled";
                Err(CodeFailure::plain(FailureKind::Invalid, message))
            }
        };
        let Compiled { code, defines } = answer.map_err(|failure| named(failure, &stand_in, file))?;
        Ok(Program {
            code: Arc::new(split(&code, &stand_in)),
            defines: defines.into(),
            wants_call: source.contains("call"),
            wants_me: source.contains("me"),
            wants_parameters: source.contains(CodeCall::PARAMETERS),
        })
    }
}

#[expect(clippy::expect_used, reason = "an instance that no code has run in compiles as it does everywhere")]
fn split(code: &[u8], stand_in: &str) -> Code {
    Code::without_file(code, stand_in).expect("compiled code names its file")
}

/// A failure whose file has its own name.
fn named(failure: CodeFailure, stand_in: &str, file: &str) -> CodeFailure {
    let named = |text: String| text.replace(stand_in, file);
    CodeFailure { message: named(failure.message), traceback: named(failure.traceback), ..failure }
}

impl Sandbox for PythonSandbox {
    fn runtime(&self) -> &str {
        &self.name
    }

    fn check(&self, source: &Arc<str>, file: &str) -> Result<Vec<String>, CodeFailure> {
        let module = Entry::Method("run".into());
        self.program(source, file, &module).map(|program| program.defines.to_vec())
    }

    fn start(&self, call: CodeCall) -> Progress {
        let program = match self.program(&call.source, &call.file, &call.entry) {
            Ok(program) => program,
            Err(failure) => return done(Err(failure), least(), String::new()),
        };
        if let Some(name) = call.entry.function().filter(|name| !program.defines.iter().any(|is| is == name))
        {
            let failure =
                CodeFailure::plain(FailureKind::NoEntry, format!("the code has no function `{name}`"));
            let failure = CodeFailure { defines: program.defines.to_vec(), ..failure };
            return done(Err(failure), least(), String::new());
        }
        let CodeCall { source, file, entry, args, me, call, parameters, now, seed, limits } = call;
        let parameters = parameters.as_ref();
        let inputs = Inputs { file: &file, entry: &entry, args: &args, me: &me, call: &call, parameters };
        let request = driver::run(&program, &inputs);
        let mut run = Run {
            source,
            entry,
            now,
            limits,
            work_max: limits.work,
            fuel: 0,
            beside: 0,
            cpu_ns: 0,
            memory_bytes: 0,
            output: Vec::new(),
        };
        let limits = run.runtime_limits(seed);
        let step = run.timed(|| self.runtime.start(request, limits));
        run.go_on(step)
    }
}

fn done(result: Result<Value, CodeFailure>, meter: Meter, output: String) -> Progress {
    Progress { answer: CodeAnswer::Done { result, meter, output }, suspended: None }
}

/// The use of a run that did not begin.
fn least() -> Meter {
    Meter { work: 1, ..Meter::default() }
}

/// Code under way, apart from the interpreter's own state.
struct Run {
    source: Arc<str>,
    entry: Entry,
    now: Time,
    limits: CodeLimits,
    work_max: u64,
    fuel: u64,
    /// Fuel for the work of this side on what the code handed over.
    beside: u64,
    cpu_ns: u64,
    memory_bytes: u64,
    output: Vec<u8>,
}

/// Code that waits for the kernel.
struct Suspension {
    run: Run,
    waiting: Waiting,
}

impl Suspended for Suspension {
    fn resume(self: Box<Self>, answer: HostAnswer, work_max: u64) -> Progress {
        let Self { mut run, waiting } = *self;
        run.work_max = work_max;
        let answer = match answer {
            HostAnswer::Value(value) => driver::value(&value),
            HostAnswer::Raise(text) => driver::raise(Raise::Runtime, &text),
        };
        let step = run.resumed(waiting, answer);
        run.go_on(step)
    }
}

/// The way a call is answered.
enum Answered {
    /// It is answered here.
    Here(Vec<u8>),
    /// The kernel answers it.
    Kernel(HostCall),
    /// No driver makes it.
    Nobody,
}

impl Run {
    fn runtime_limits(&self, seed: u64) -> Limits {
        // The interpreter's own clock counts nanoseconds from 1970 in 63 bits.
        let now_ns = self.now.ms().checked_mul(1_000_000).and_then(|ns| u64::try_from(ns).ok());
        Limits {
            fuel: self.fuel_max(),
            memory_bytes: usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX),
            seed,
            now_ns,
            output_bytes: self.limits.output_bytes,
        }
    }

    fn fuel_max(&self) -> u64 {
        self.work_max.saturating_mul(limits::FUEL_PER_WORK).saturating_sub(self.beside)
    }

    fn fuel_left(&self) -> u64 {
        self.fuel_max().saturating_sub(self.fuel)
    }

    /// Runs a piece of interpreter work and meters it.
    fn timed(&mut self, work: impl FnOnce() -> Step) -> Step {
        let before = self.limits.measure_cpu.then(thread_cpu_ns);
        let step = work();
        self.cpu_ns += before.map_or(0, |before| thread_cpu_ns().saturating_sub(before));
        (self.fuel, self.memory_bytes) = (step.fuel, step.memory_bytes);
        self.output.extend_from_slice(&step.output);
        step
    }

    fn resumed(&mut self, waiting: Waiting, answer: Vec<u8>) -> Step {
        let fuel = self.fuel_max();
        self.timed(|| waiting.resume(answer, fuel))
    }

    fn meter(&self) -> Meter {
        Meter {
            work: (self.fuel + self.beside).div_ceil(limits::FUEL_PER_WORK).clamp(1, self.work_max.max(1)),
            cpu_ns: self.cpu_ns,
            memory_bytes: self.memory_bytes,
        }
    }

    /// Answers what can be answered here, up to a host call or the end.
    fn go_on(mut self, mut step: Step) -> Progress {
        loop {
            step = match step.outcome {
                Outcome::Done(answer) => {
                    let (result, fuel) = driver::result(&answer, self.fuel_left());
                    self.beside += fuel;
                    let meter = self.meter();
                    return self.end(result, meter);
                }
                Outcome::Trap(trap) => return self.trapped(trap),
                Outcome::Call(asked, waiting) => {
                    match self.answered(driver::asked(&asked, self.fuel_left())) {
                        Answered::Here(answer) => self.resumed(waiting, answer),
                        Answered::Kernel(call) => {
                            let answer = CodeAnswer::Call { call, meter: self.meter() };
                            return Progress {
                                answer,
                                suspended: Some(Box::new(Suspension { run: self, waiting })),
                            };
                        }
                        Answered::Nobody => {
                            let message = "SystemError: the code took its driver apart, and asked for what there is not";
                            let meter = self.meter();
                            return self.end(Err(CodeFailure::plain(FailureKind::Raised, message)), meter);
                        }
                    }
                }
            };
        }
    }

    fn answered(&mut self, asked: Asked) -> Answered {
        let raise = |kind, text: &str| Answered::Here(driver::raise(kind, text));
        match asked {
            Asked::Now => Answered::Here(driver::value(&self.now.to_string().into())),
            Asked::Source => Answered::Here(driver::value(&Value::from(&*self.source))),
            Asked::Unfit(problem, fuel) => {
                self.beside += fuel;
                raise(Raise::Type, &problem)
            }
            Asked::Nothing => Answered::Nobody,
            Asked::Host(HostCall { function: HostFn::Ledger(_), .. }) if self.entry != Entry::Check => {
                Answered::Nobody
            }
            Asked::Host(call) if self.entry == Entry::Step && !call.function.looks() => {
                let name = call.function.as_str();
                let instead = match call.function {
                    HostFn::Op(_) => format!("{{\"op\": \"{name}\", ...}}"),
                    HostFn::Function(_) | HostFn::Ledger(_) => {
                        format!("{{\"op\": \"run\", \"code\": \"{name}(...)\"}}")
                    }
                };
                raise(
                    Raise::Runtime,
                    &format!(
                        "permission_denied: a mind thinks and does not act; return the op instead, as in return {instead}"
                    ),
                )
            }
            Asked::Host(call) => Answered::Kernel(call),
        }
    }

    fn trapped(self, trap: Trap) -> Progress {
        let raised = |message: String| CodeFailure::plain(FailureKind::Raised, message);
        // The fuel of a run whose native calls nest too deep depends on the machine's frames: it pays for all.
        let whole = Meter { work: self.work_max.max(1), ..self.meter() };
        let (failure, meter) = match trap {
            Trap::Fuel => (driver::out_of_work(), whole),
            Trap::Stack => {
                let message = "RecursionError: maximum recursion depth exceeded in native calls";
                (CodeFailure::plain(FailureKind::Recursion, message), whole)
            }
            Trap::Memory => {
                let message = "MemoryError: the code used more memory than it may";
                (CodeFailure::plain(FailureKind::Memory, message), self.meter())
            }
            Trap::Output => {
                let message = format!("the code printed more than {} bytes", self.limits.output_bytes);
                (CodeFailure::plain(FailureKind::Output, message), self.meter())
            }
            Trap::Exit(status) => {
                let message = format!(
                    "SystemExit: the code tried to end its process with status {status}; `return` instead"
                );
                (raised(message), self.meter())
            }
            Trap::Missing(name) => {
                let message = format!(
                    "OSError: the code called `{name}` of the system, and there is no system below it"
                );
                (raised(message), self.meter())
            }
            Trap::Other(what) => (
                raised(format!("SystemError: the code broke the interpreter that it ran in: {what}")),
                self.meter(),
            ),
        };
        self.end(Err(failure), meter)
    }

    fn end(self, result: Result<Value, CodeFailure>, meter: Meter) -> Progress {
        done(result, meter, String::from_utf8_lossy(&self.output).into_owned())
    }
}

fn thread_cpu_ns() -> u64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(spent.tv_nsec).unwrap_or(0))
}
