//! The runtime from outside: a request in, and what comes of it. The requests here are those of a driver that takes
//! a source and an argument.

use std::{path::Path, sync::OnceLock};

use oikos_python::{Limits, Outcome, Runtime, Step, Trap};

const LIMITS: Limits = Limits { fuel: 1 << 40, memory_bytes: 64 << 20, seed: 7, now_ns: 1_000_000_000 };

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        Runtime::open(Some(&folder), &mut |_| {}).expect("the runtime opens")
    })
}

#[test]
fn the_snapshot_is_the_pinned_one() {
    runtime();
}

#[test]
fn bench() {
    let request = std::fs::read("/tmp/oikos/x1.req").unwrap();
    for _ in 0..3 {
        let begun = std::time::Instant::now();
        let mut fuel = 0;
        for _ in 0..2000 {
            let step = runtime().start(request.clone(), LIMITS);
            match step.outcome { Outcome::Done(ref b, _) => { if fuel == 0 { eprintln!("{b:?}") } } ref o => panic!("{o:?}") }
            fuel = step.fuel;
        }
        eprintln!("{} us, fuel {fuel}", begun.elapsed().as_secs_f64() * 1e6 / 2000.0);
    }
}
