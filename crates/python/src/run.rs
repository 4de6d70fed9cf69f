//! Running the driver: in an instance that is as the snapshot left it, as a future that is suspended at host calls.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use wasmtime::{Caller, Linker, Memory, Module, ResourceLimiter, Store};

use crate::{
    cards::{self, MEMORY_BYTES_MAX},
    instance::{Instance, Prepared},
    wasi::{BAD_FD, Guest, NO_ENTRY, Written},
};

const PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The file to which code prints.
const STDOUT: i32 = 1;
/// The clock is told in milliseconds.
const CLOCK_STEP_NS: u64 = 1_000_000;
/// The error of a clock that shows no instant that can be told.
const OVERFLOW: i32 = 61;
/// Fuel for a byte of memory that a run adds to its instance's.
const FUEL_PER_NEW_BYTE: u64 = 6;
/// Memory that the least of runs writes: the interpreter's own.
const EVERY_RUN_BYTES: usize = 512 << 10;
/// More than the interpreter's table has.
const TABLE_MAX: usize = 16_000;

/// The limits and surroundings of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fuel in all.
    pub fuel: u64,
    /// Memory that it may write, in bytes, beside what every run does.
    pub memory_bytes: usize,
    /// The seed of all randomness.
    pub seed: u64,
    /// The clock, in nanoseconds since 1970; `None` where it shows an instant that can't be told so.
    pub now_ns: Option<u64>,
    /// Bytes that it may write to its standard output.
    pub output_bytes: usize,
}

/// How far a run came.
#[derive(Debug)]
pub struct Step {
    /// Its call, its end, or its failure.
    pub outcome: Outcome,
    /// Fuel used since its start, with that for memory which was new.
    pub fuel: u64,
    /// Memory that it has written, in bytes, beside what every run does.
    pub memory_bytes: u64,
    /// The bytes that it wrote to its standard output since the step before.
    pub output: Vec<u8>,
}

/// The ways in which a step ends.
#[derive(Debug)]
pub enum Outcome {
    /// It calls the host with these bytes, and waits.
    Call(Vec<u8>, Waiting),
    /// It has ended, with this answer.
    Done(Vec<u8>),
    /// It was ended.
    Trap(Trap),
}

/// Why a run was ended from outside; nothing inside can catch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Out of fuel.
    Fuel,
    /// The calls of C functions nested too deep.
    Stack,
    /// The driver itself ran out of memory, or the interpreter did not survive that there was no more.
    Memory,
    /// It wrote more than it may.
    Output,
    /// It ended the process that it thinks it has.
    Exit(i32),
    /// It called a function of the system that is not there.
    Missing(String),
    /// It broke its own memory, or the like.
    Other(String),
}

/// Passed between a run and those who drive it, at a host call.
#[derive(Default)]
pub(crate) struct Mail {
    /// The bytes of the call, with the use of the run so far, and the bytes printed since the last.
    called: Option<(Vec<u8>, Used, Vec<u8>)>,
    /// The bytes of the answer, and the fuel in all from now on.
    answered: Option<(Vec<u8>, u64)>,
}

pub(crate) type Shared = Arc<Mutex<Mail>>;

fn open(mail: &Mutex<Mail>) -> MutexGuard<'_, Mail> {
    mail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The host of a run.
pub(crate) struct Host {
    /// The bytes that the guest takes next: a request, or an answer.
    due: Vec<u8>,
    /// The answer of the whole run.
    given: Vec<u8>,
    mail: Shared,
    fuel: u64,
    random: u64,
    now_ns: Option<u64>,
    output: Vec<u8>,
    output_left: usize,
    memory_max: usize,
    /// The size of the guest's memory.
    memory_bytes: usize,
    /// Whether it was refused more.
    memory_refused: bool,
    snapshot_bytes: usize,
    /// Where it marks what it writes into the guest's memory.
    cards: Option<Memory>,
}

impl Written for Host {
    fn cards(&self) -> Option<Memory> {
        self.cards
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.memory_max;
        if fits {
            self.memory_bytes = self.memory_bytes.max(desired);
        }
        self.memory_refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_MAX)
    }
}

impl Host {
    /// The host of an instance that has not begun.
    pub(crate) fn new(snapshot_bytes: usize) -> Self {
        Self {
            due: Vec::new(),
            given: Vec::new(),
            mail: Shared::default(),
            fuel: 0,
            random: 0,
            now_ns: None,
            output: Vec::new(),
            output_left: 0,
            memory_max: snapshot_bytes,
            memory_bytes: snapshot_bytes,
            memory_refused: false,
            snapshot_bytes,
            cards: None,
        }
    }

    /// Tells it where it marks what it writes.
    pub(crate) fn marks(&mut self, cards: Memory) {
        self.cards = Some(cards);
    }

    /// Fuel for memory that is new to the machine: it is cleared, and its pages are found.
    fn fuel_for_memory(&self) -> u64 {
        let grown = self.memory_bytes.saturating_sub(self.snapshot_bytes);
        u64::try_from(grown).unwrap_or(u64::MAX).saturating_mul(FUEL_PER_NEW_BYTE)
    }

    /// The next eight random bytes: the generator splitmix64.
    fn random(&mut self) -> [u8; 8] {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

/// Runs the driver in an instance, up to its first host call or its end.
pub(crate) fn start(mut instance: Instance, home: Arc<Prepared>, request: Vec<u8>, limits: Limits) -> Step {
    let mail = Shared::default();
    let length = prepare(&mut instance.store, Arc::clone(&mail), request, limits);
    let run = async move {
        let result = instance.run.call_async(&mut instance.store, length).await;
        Ended { result, instance }
    };
    Waiting { run: Box::pin(run), mail, home }.go_on()
}

/// Puts the request where the guest takes it, with its limits. Answers with its length.
fn prepare(store: &mut Store<Host>, mail: Shared, request: Vec<u8>, limits: Limits) -> i32 {
    let length = i32::try_from(request.len()).unwrap_or(i32::MAX);
    let host = store.data_mut();
    let (snapshot_bytes, cards) = (host.snapshot_bytes, host.cards);
    *host = Host {
        due: request,
        mail,
        fuel: limits.fuel,
        random: limits.seed,
        now_ns: limits.now_ns,
        output_left: limits.output_bytes,
        memory_max: snapshot_bytes.saturating_add(limits.memory_bytes).min(MEMORY_BYTES_MAX),
        cards,
        ..Host::new(snapshot_bytes)
    };
    set_fuel(store, limits.fuel);
    length
}

#[expect(clippy::expect_used, reason = "the engine counts fuel: `engine::config` says so")]
fn set_fuel(mut store: impl wasmtime::AsContextMut, fuel: u64) {
    store.as_context_mut().set_fuel(fuel).expect("an engine that counts fuel takes it");
}

#[expect(clippy::expect_used, reason = "the engine counts fuel: `engine::config` says so")]
fn fuel_left(store: impl wasmtime::AsContext) -> u64 {
    store.as_context().get_fuel().expect("an engine that counts fuel tells it")
}

/// The use of a run so far.
struct Used {
    fuel: u64,
    memory_bytes: u64,
    /// Whether that is more memory than it may.
    memory_refused: bool,
}

fn used(mut store: impl wasmtime::AsContextMut<Data = Host>) -> Used {
    let left = fuel_left(&store);
    let (cards, memory_bytes) = (store.as_context().data().cards, store.as_context().data().memory_bytes);
    let cards = cards.map(|cards| cards.data_mut(store.as_context_mut())).unwrap_or_default();
    let written = cards::pages(cards, memory_bytes).saturating_mul(cards::PAGE_BYTES);
    let store = store.as_context();
    let host = store.data();
    let memory_bytes = written.saturating_sub(EVERY_RUN_BYTES);
    let most = host.memory_max - host.snapshot_bytes;
    Used {
        fuel: host.fuel.saturating_sub(left).saturating_add(host.fuel_for_memory()),
        memory_bytes: u64::try_from(memory_bytes.min(most)).unwrap_or(u64::MAX),
        // One that was refused more, and lives with that, keeps what it has.
        memory_refused: memory_bytes > most && !host.memory_refused,
    }
}

/// A run that has ended.
struct Ended {
    result: wasmtime::Result<i32>,
    instance: Instance,
}

type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// A run that waits for the answer to its host call.
pub struct Waiting {
    run: Running,
    mail: Shared,
    home: Arc<Prepared>,
}

impl Waiting {
    /// Goes on with the answer; `fuel` is the limit from the start of the run.
    #[must_use]
    pub fn resume(self, answer: Vec<u8>, fuel: u64) -> Step {
        open(&self.mail).answered = Some((answer, fuel));
        self.go_on()
    }

    fn go_on(mut self) -> Step {
        loop {
            match self.run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(ended) => return ended.into_step(&self.home),
                Poll::Pending => {}
            }
            let called = open(&self.mail).called.take();
            if let Some((bytes, used, output)) = called {
                let Used { fuel, memory_bytes, .. } = used;
                return Step { outcome: Outcome::Call(bytes, self), fuel, memory_bytes, output };
            }
        }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

impl Ended {
    fn into_step(self, home: &Prepared) -> Step {
        let Self { result, mut instance } = self;
        let Used { fuel, memory_bytes, memory_refused } = used(&mut instance.store);
        let host = instance.store.data_mut();
        let output = std::mem::take(&mut host.output);
        let outcome = match result {
            Ok(_) if memory_refused => Outcome::Trap(Trap::Memory),
            Ok(0) if host.memory_refused => Outcome::Trap(Trap::Memory),
            Ok(0) => Outcome::Trap(Trap::Other("its driver raised an exception".into())),
            Ok(_) => {
                let given = std::mem::take(&mut host.given);
                home.take_back(instance);
                Outcome::Done(given)
            }
            Err(error) => Outcome::Trap(match trap(&error) {
                // CPython checks most allocations, not all.
                Trap::Other(_) if host.memory_refused => Trap::Memory,
                trap => trap,
            }),
        };
        Step { outcome, fuel, memory_bytes, output }
    }
}

/// Ends a run as if its process ended.
#[derive(Debug, thiserror::Error)]
#[error("the code ended its process with status {0}")]
struct Exit(i32);

/// Ends a run that has written more memory than it may.
#[derive(Debug, thiserror::Error)]
#[error("the code used more memory than it may")]
struct Full;

/// Ends a run that prints too much.
#[derive(Debug, thiserror::Error)]
#[error("the code wrote more than it may")]
struct Flood;

/// Ends a run that calls for what there is not.
#[derive(Debug, thiserror::Error)]
#[error("the code called `{0}`")]
struct Missing(String);

fn trap(error: &wasmtime::Error) -> Trap {
    if let Some(Exit(status)) = error.downcast_ref() {
        return Trap::Exit(*status);
    }
    if error.is::<Full>() {
        return Trap::Memory;
    }
    if error.is::<Flood>() {
        return Trap::Output;
    }
    if let Some(Missing(name)) = error.downcast_ref() {
        return Trap::Missing(name.clone());
    }
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::OutOfFuel) => Trap::Fuel,
        Some(wasmtime::Trap::StackOverflow) => Trap::Stack,
        Some(other) => Trap::Other(other.to_string()),
        None => Trap::Other(error.to_string()),
    }
}

/// Waits until the answer is there.
struct Answer(Shared);

impl Future for Answer {
    type Output = (Vec<u8>, u64);

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        open(&self.0).answered.take().map_or(Poll::Pending, Poll::Ready)
    }
}

type Calls<'a> = Caller<'a, Host>;

/// Takes the fuel for work of the host on so many bytes, before it is done: as much as the instructions that fill and
/// copy memory take.
fn charge(caller: &mut Calls<'_>, bytes: i32) -> wasmtime::Result<()> {
    let left = fuel_left(&*caller).checked_sub(u64::from(bytes.cast_unsigned()));
    set_fuel(&mut *caller, left.unwrap_or(0));
    left.map(drop).ok_or_else(|| wasmtime::Trap::OutOfFuel.into())
}

fn bad_pointer(_: i32) -> wasmtime::Error {
    wasmtime::Error::new(Missing("the host, with a bad pointer".into()))
}

/// All that the guest can call.
pub(crate) fn linker(module: &Module) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(module.engine());
    linker.func_wrap_async("oikos", "call", |mut caller: Calls<'_>, (at, length): (i32, i32)| {
        Box::new(async move {
            charge(&mut caller, length)?;
            let guest = Guest::new(&mut caller).map_err(bad_pointer)?;
            let called = guest.read(at, length.cast_unsigned() as usize).map_err(bad_pointer)?.to_vec();
            let used = used(&mut caller);
            if used.memory_refused {
                return Err(wasmtime::Error::new(Full));
            }
            let mail = Arc::clone(&caller.data().mail);
            let output = std::mem::take(&mut caller.data_mut().output);
            let used_so_far = used.fuel;
            open(&mail).called = Some((called, used, output));
            let (answer, fuel) = Answer(mail).await;
            let length = i32::try_from(answer.len()).unwrap_or(i32::MAX);
            let host = caller.data_mut();
            (host.due, host.fuel) = (answer, fuel);
            set_fuel(&mut caller, fuel.saturating_sub(used_so_far));
            Ok(length)
        })
    })?;
    linker.func_wrap("oikos", "take", |mut caller: Calls<'_>, at: i32| -> wasmtime::Result<()> {
        let due = std::mem::take(&mut caller.data_mut().due);
        charge(&mut caller, i32::try_from(due.len()).unwrap_or(i32::MAX))?;
        Guest::new(&mut caller).and_then(|mut guest| guest.write(at, &due)).map_err(bad_pointer)
    })?;
    linker.func_wrap(
        "oikos",
        "give",
        |mut caller: Calls<'_>, at: i32, length: i32| -> wasmtime::Result<()> {
            charge(&mut caller, length)?;
            let mut guest = Guest::new(&mut caller).map_err(bad_pointer)?;
            let given = guest.read(at, length.cast_unsigned() as usize).map_err(bad_pointer)?.to_vec();
            guest.host().given = given;
            Ok(())
        },
    )?;
    system(&mut linker, module)?;
    linker.define_unknown_imports_as_traps(module)?;
    Ok(linker)
}

/// The system as code finds it: a clock that stands, randomness of its seed, a sink for what C prints.
fn system(linker: &mut Linker<Host>, module: &Module) -> wasmtime::Result<()> {
    const OURS: &[&str] =
        &["clock_time_get", "clock_res_get", "random_get", "fd_write", "proc_exit", "poll_oneoff"];
    linker.func_wrap(PREVIEW_1, "clock_res_get", |mut caller: Calls<'_>, _: i32, out: i32| -> i32 {
        Guest::new(&mut caller)
            .and_then(|mut guest| guest.write(out, &CLOCK_STEP_NS.to_le_bytes()))
            .map_or_else(|errno| errno, |()| 0)
    })?;
    linker.func_wrap(
        PREVIEW_1,
        "clock_time_get",
        |mut caller: Calls<'_>, _: i32, _: i64, out: i32| -> i32 {
            let Some(now) = caller.data().now_ns.map(u64::to_le_bytes) else { return OVERFLOW };
            Guest::new(&mut caller)
                .and_then(|mut guest| guest.write(out, &now))
                .map_or_else(|errno| errno, |()| 0)
        },
    )?;
    linker.func_wrap(
        PREVIEW_1,
        "random_get",
        |mut caller: Calls<'_>, at: i32, length: i32| -> wasmtime::Result<i32> {
            charge(&mut caller, length)?;
            let inside = Guest::new(&mut caller)
                .and_then(|guest| guest.read(at, length.cast_unsigned() as usize).map(drop));
            if let Err(errno) = inside {
                return Ok(errno);
            }
            let length = length.cast_unsigned() as usize;
            let mut bytes: Vec<u8> = Vec::with_capacity(length.next_multiple_of(8));
            while bytes.len() < length {
                bytes.extend(caller.data_mut().random());
            }
            bytes.truncate(length);
            let written = Guest::new(&mut caller).and_then(|mut guest| guest.write(at, &bytes));
            Ok(written.map_or_else(|errno| errno, |()| 0))
        },
    )?;
    linker.func_wrap(
        PREVIEW_1,
        "fd_write",
        |mut caller: Calls<'_>, fd: i32, list: i32, count: i32, out: i32| -> wasmtime::Result<i32> {
            let left = (fd == STDOUT).then_some(caller.data().output_left);
            let written =
                Guest::new(&mut caller).and_then(|mut guest| write(&mut guest, list, count, out, left));
            match written {
                Ok(Some(output)) => {
                    let host = caller.data_mut();
                    host.output_left = host.output_left.saturating_sub(output.len());
                    host.output.extend(output);
                    Ok(0)
                }
                Ok(None) => Err(wasmtime::Error::new(Flood)),
                Err(errno) => Ok(errno),
            }
        },
    )?;
    linker.func_wrap(PREVIEW_1, "proc_exit", |status: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Exit(status)))
    })?;
    for import in module.imports().filter(|import| import.module() == PREVIEW_1) {
        let name = import.name();
        let (wasmtime::ExternType::Func(of), false) = (import.ty(), OURS.contains(&name)) else { continue };
        if of.results().len() != 1 {
            continue;
        }
        let errno = if name.starts_with("path_") { NO_ENTRY } else { BAD_FD };
        linker.func_new(PREVIEW_1, name, of, move |_, _, results| {
            if let Some(result) = results.first_mut() {
                *result = wasmtime::Val::I32(errno);
            }
            Ok(())
        })?;
    }
    missing(linker, module)
}

/// Takes what is written, of a file of which so many bytes more are wanted; of another file none is. `None` when it
/// is more.
fn write(
    guest: &mut Guest<'_, '_, Host>,
    list: i32,
    count: i32,
    out: i32,
    left: Option<usize>,
) -> Result<Option<Vec<u8>>, i32> {
    let mut output = Vec::new();
    let mut total = 0_usize;
    for (at, length) in guest.buffers(list, count.clamp(0, 1_024))? {
        total = total.saturating_add(length);
        match left {
            Some(left) if total > left => return Ok(None),
            Some(_) => output.extend_from_slice(guest.read(at, length)?),
            None => {}
        }
    }
    guest.write(out, &u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes())?;
    Ok(Some(output))
}

/// Every other function ends the run and says its name.
fn missing(linker: &mut Linker<Host>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports() {
        let name = import.name().to_owned();
        let ours = import.module() == "oikos" || (import.module() == PREVIEW_1 && name != "poll_oneoff");
        let (wasmtime::ExternType::Func(of), false) = (import.ty(), ours) else { continue };
        linker.func_new(import.module(), import.name(), of, move |_, _, _| {
            Err(wasmtime::Error::new(Missing(name.clone())))
        })?;
    }
    Ok(())
}
