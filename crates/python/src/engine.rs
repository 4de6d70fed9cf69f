//! The engine: everything that a run's outcome could depend on is decided here.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::Error;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash as _, Hasher};

/// The stack of a run's own calls. Deeper nesting of C functions is a trap.
const STACK_BYTES: usize = 1 << 20;
/// The stack of a fiber: the run's and the host's functions that it calls.
const FIBER_BYTES: usize = STACK_BYTES + (256 << 10);
/// The address space of an instance's memory, the most that any limit can grant.
pub(crate) const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Runs under way at once, suspended ones among them.
const RUNS_MAX: u32 = 1_000;
/// Memory of an instance that is put back in place for the next, rather than faulted in again.
const KEPT_BYTES: usize = 8 << 20;

/// The ways to allocate instances, the fastest first.
#[derive(Clone, Copy, Debug)]
enum Allocation {
    /// A pool whose pages are put back by asking the system which were written (Linux 6.7).
    Scanned,
    Pool,
    OnDemand,
}

/// An engine, by the fastest way of allocation that the machine has. They differ in speed only.
pub(crate) fn engine() -> Result<Engine, Error> {
    let ways = [Allocation::Scanned, Allocation::Pool, Allocation::OnDemand];
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
    config.wasm_relaxed_simd(false).memory_init_cow(true).table_lazy_init(true);
    config.wasm_backtrace_max_frames(None).wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.generate_address_map(false).native_unwind_info(false);
    if let Some(pool) = pool(allocation) {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(allocation: Allocation) -> Option<PoolingAllocationConfig> {
    let scan = match allocation {
        Allocation::Scanned => Enabled::Yes,
        Allocation::Pool => Enabled::No,
        Allocation::OnDemand => return None,
    };
    let kept = if matches!(allocation, Allocation::Scanned) { KEPT_BYTES } else { 0 };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(RUNS_MAX)
        .total_memories(RUNS_MAX)
        .total_tables(RUNS_MAX)
        .total_stacks(RUNS_MAX);
    pool.max_memory_size(MEMORY_BYTES_MAX).table_elements(16_000).max_core_instance_size(4 << 20);
    pool.linear_memory_keep_resident(kept)
        .table_keep_resident(kept)
        .async_stack_keep_resident(kept.min(256 << 10));
    pool.pagemap_scan(scan).max_unused_warm_slots(100);
    Some(pool)
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
