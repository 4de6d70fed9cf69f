//! Instances: made from the snapshot, and put back as the snapshot left them when a run has ended.

use std::{
    future::Future as _,
    ops::Range,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use wasmtime::{Engine, Global, InstancePre, Memory, Module, Store, TypedFunc, Val};

use crate::{
    Error, cards,
    run::{self, Host, Limits, Step},
};

/// Instances that are kept for the next runs.
const KEPT_MAX: usize = 32;
/// In a debug build instances that are taken back are compared with the snapshot, byte for byte, which takes longer
/// than most runs: each so many-th of the first, and more seldom after them. A process that runs less code than that
/// has no use for it: the first comparison reads in all memory.
const COMPARED_FIRST: u64 = 1_024;
const COMPARED_FIRST_EVERY: u64 = 8;
const COMPARED_EVERY: u64 = 512;

/// An instance of the snapshot.
pub(crate) struct Instance {
    pub(crate) store: Store<Host>,
    pub(crate) run: TypedFunc<i32, i32>,
    memory: Memory,
    cards: Memory,
    globals: Vec<Global>,
}

/// A module that is ready to be instantiated, and instances that are ready to run.
pub(crate) struct Prepared {
    engine: Engine,
    ready: InstancePre<Host>,
    /// The memory of the snapshot.
    snapshot_bytes: usize,
    /// An instance in which nothing runs: what the others are put back to.
    pristine: Instance,
    /// The values of its globals.
    globals: Vec<i32>,
    kept: Mutex<Vec<Instance>>,
    taken_back: AtomicU64,
}

impl Prepared {
    pub(crate) fn new(module: &Module) -> Result<Self, Error> {
        let failed = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let ready = run::linker(module).and_then(|linker| linker.instantiate_pre(module)).map_err(failed)?;
        let mut memories = module.exports().filter(|export| export.name() == "memory");
        let pages = memories.find_map(|export| export.ty().memory().map(wasmtime::MemoryType::minimum));
        let snapshot_bytes = usize::try_from(pages.unwrap_or(0) * 65_536).unwrap_or(usize::MAX);
        let mut pristine = instance(module.engine(), &ready, snapshot_bytes).map_err(failed)?;
        let globals = values(&mut pristine);
        Ok(Self {
            engine: module.engine().clone(),
            ready,
            snapshot_bytes,
            pristine,
            globals,
            kept: Mutex::default(),
            taken_back: AtomicU64::new(0),
        })
    }

    pub(crate) fn start(self: &Arc<Self>, request: Vec<u8>, limits: Limits) -> Step {
        run::start(self.instance(), Arc::clone(self), request, limits)
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Instance>> {
        // A thread that panicked while it held them left whole instances.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance as the snapshot left it.
    #[expect(clippy::panic, reason = "a machine that has no room for an instance is no outcome of the code")]
    pub(crate) fn instance(&self) -> Instance {
        if let Some(instance) = self.kept().pop() {
            return instance;
        }
        match instance(&self.engine, &self.ready, self.snapshot_bytes) {
            Ok(instance) => instance,
            Err(error) => panic!("the machine has no room to run code: {error:#}"),
        }
    }

    /// Takes an instance whose run has ended, and puts it back as it was. One whose memory has grown goes.
    pub(crate) fn take_back(&self, mut instance: Instance) {
        if instance.memory.data_size(&instance.store) != self.snapshot_bytes || self.kept().len() >= KEPT_MAX
        {
            return;
        }
        self.put_back(&mut instance);
        if cfg!(debug_assertions) {
            let number = self.taken_back.fetch_add(1, Ordering::Relaxed) + 1;
            let every = if number <= COMPARED_FIRST { COMPARED_FIRST_EVERY } else { COMPARED_EVERY };
            if number.is_multiple_of(every) {
                self.compare(&mut instance);
            }
        }
        self.kept().push(instance);
    }

    /// Writes back what the run has written.
    #[expect(clippy::expect_used, reason = "what is not written back would be found by the next run")]
    fn put_back(&self, instance: &mut Instance) {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        cards::take(instance.cards.data_mut(&mut instance.store), self.snapshot_bytes, &mut ranges);
        let was = self.pristine.memory.data(&self.pristine.store);
        let memory = instance.memory.data_mut(&mut instance.store);
        for range in ranges {
            let was = was.get(range.clone()).expect("the snapshot has as much memory");
            memory.get_mut(range).expect("cards are taken of this memory").copy_from_slice(was);
        }
        let Instance { store, globals, .. } = instance;
        for (global, was) in globals.iter().zip(&self.globals) {
            set(store, *global, *was);
        }
    }

    #[expect(clippy::panic, reason = "code must not find what other code has left behind")]
    fn compare(&self, instance: &mut Instance) {
        let was = self.pristine.memory.data(&self.pristine.store);
        let is = instance.memory.data(&instance.store);
        if was != is {
            let at = was.iter().zip(is).position(|(was, is)| was != is);
            panic!("an instance differs from the snapshot after its run: at byte {at:?} of its memory");
        }
        assert_eq!(values(instance), self.globals, "an instance differs from the snapshot in its globals");
    }
}

#[expect(clippy::expect_used, reason = "the snapshot's globals are i32 and can change")]
fn set(store: &mut Store<Host>, global: Global, value: i32) {
    global.set(store, Val::I32(value)).expect("the global takes an i32");
}

fn values(instance: &mut Instance) -> Vec<i32> {
    let Instance { store, globals, .. } = instance;
    globals.iter().filter_map(|global| global.get(&mut *store).i32()).collect()
}

/// A new instance. It is suspended by nothing, since the module has no start function.
fn instance(engine: &Engine, ready: &InstancePre<Host>, snapshot_bytes: usize) -> wasmtime::Result<Instance> {
    let mut store = Store::new(engine, Host::new(snapshot_bytes));
    store.limiter(|host| host);
    store.set_fuel(u64::MAX)?;
    let made = {
        let making = pin!(ready.instantiate_async(&mut store));
        match making.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(made) => made?,
            Poll::Pending => wasmtime::bail!("an instance waits before it has begun"),
        }
    };
    let missing = |what| wasmtime::format_err!("the snapshot has no {what}");
    let memory = made.get_memory(&mut store, "memory").ok_or_else(|| missing("memory"))?;
    let cards = made.get_memory(&mut store, "cards").ok_or_else(|| missing("cards"))?;
    let run = made.get_typed_func(&mut store, "oikos_run")?;
    let globals = made.exports(&mut store).filter_map(wasmtime::Export::into_global).collect();
    store.data_mut().marks(cards);
    Ok(Instance { store, run, memory, cards, globals })
}
