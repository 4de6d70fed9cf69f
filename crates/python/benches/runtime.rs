//! The raw runtime: requests in files, each run in fresh instances and again and again in one.
//! `cargo bench -p oikos-python --bench runtime -- FILE…`

#![expect(clippy::expect_used, clippy::panic, reason = "a bench may stop")]

use std::{path::Path, time::Duration};

use oikos_python::{Idle, Limits, Outcome, Runtime, Step};
use rustix::time::{ClockId, clock_gettime};

const LIMITS: Limits = Limits {
    fuel: 1 << 40,
    memory_bytes: 64 << 20,
    seed: 7,
    now_ns: Some(1_000_000_000),
    output_bytes: 1 << 16,
};
const ROUNDS: usize = 10;
const RUNS: u32 = 500;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let runtime = Runtime::open(Some(&folder), &mut |_| {}).expect("the runtime opens");
    for file in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        let request = std::fs::read(&file).expect("the request can be read");
        let fuel = runtime.start(request.clone(), LIMITS).fuel;
        let fresh = best(|| {
            for _ in 0..RUNS {
                drop(done(runtime.start(request.clone(), LIMITS)));
            }
        });
        let mut idle = Some(done(runtime.start(request.clone(), LIMITS)));
        let again = best(|| {
            for _ in 0..RUNS {
                idle = idle.take().map(|idle| done(idle.start(request.clone(), LIMITS)));
            }
        });
        println!("{file}: fuel {fuel}, fresh {:?}, again {:?}", fresh / RUNS, again / RUNS);
    }
}

fn done(step: Step) -> Idle {
    match step.outcome {
        Outcome::Done(_, idle) => idle,
        other => panic!("the request does not end: {other:?}"),
    }
}

/// The least CPU time of some rounds.
fn best(mut round: impl FnMut()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let begun = cpu();
        round();
        cpu().saturating_sub(begun)
    });
    times.min().unwrap_or_default()
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
