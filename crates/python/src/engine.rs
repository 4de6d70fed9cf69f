//! The engine: everything that a run's outcome could depend on is decided here.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::{Error, cards::MEMORY_BYTES_MAX};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash as _, Hasher};

/// The stack of a run's own calls. Deeper nesting of C functions is a trap.
const STACK_BYTES: usize = 1 << 20;
/// The stack of a fiber: the run's and the host's functions that it calls.
const FIBER_BYTES: usize = STACK_BYTES + (256 << 10);
/// Runs under way at once, suspended ones among them.
const RUNS_MAX: u32 = 1_000;
/// The ways to allocate instances, the faster first.
#[derive(Clone, Copy, Debug)]
enum Allocation {
    Pool,
    OnDemand,
}

/// An engine, by the fastest way of allocation that the machine has. They differ in speed only.
pub(crate) fn engine() -> Result<Engine, Error> {
    let ways = [Allocation::Pool, Allocation::OnDemand];
    let mut last = String::new();
    for way in ways {
        match Engine::new(&config(way)) {
            Ok(engine) => return Ok(engine),
            Err(error) => last = format!("{error:#}"),
        }
    }
    Err(Error::Engine(last))
}

fn config(allocation: Allocation) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).max_wasm_stack(STACK_BYTES).async_stack_size(FIBER_BYTES);
    config.cranelift_opt_level(OptLevel::None).cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false).wasm_multi_memory(true).memory_init_cow(true).table_lazy_init(true);
    config.wasm_backtrace_max_frames(None).wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.generate_address_map(false).native_unwind_info(false);
    if let Allocation::Pool = allocation {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(RUNS_MAX)
        .total_memories(2 * RUNS_MAX)
        .total_tables(RUNS_MAX)
        .total_stacks(RUNS_MAX);
    pool.max_memories_per_module(2).max_memory_size(MEMORY_BYTES_MAX);
    pool.table_elements(16_000).max_core_instance_size(4 << 20).max_unused_warm_slots(100);
    pool
}

/// A name for compiled code: it changes with the sources, the engine's version, its settings and the machine's
/// instructions.
pub(crate) fn key(engine: &Engine, sources: &str) -> String {
    let mut hash = HashWriter(Sha256::new());
    hash.0.update(sources.as_bytes());
    engine.precompile_compatibility_hash().hash(&mut hash);
    hash.0.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// Feeds a hash of the standard library's kind.
struct HashWriter(Sha256);

impl Hasher for HashWriter {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
