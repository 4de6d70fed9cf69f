//! The raw runtime's speed: a fresh instance, a request, its answer.

use std::{path::Path, time::Instant};

use oikos_python::{Limits, Outcome, Runtime};

const LIMITS: Limits = Limits { fuel: 1 << 40, memory_bytes: 64 << 20, seed: 7, now_ns: 1_000_000_000 };

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let runtime = Runtime::open(Some(&folder), &mut |_| {}).expect("the runtime opens");
    for name in std::env::args().skip(1).filter(|a| !a.starts_with("--")) {
        let request = std::fs::read(&name).unwrap();
        let mut best = f64::MAX;
        let (mut fuel, mut warm) = (0, f64::MAX);
        for _ in 0..10 {
            let begun = Instant::now();
            for _ in 0..500 {
                let step = runtime.start(request.clone(), LIMITS);
                fuel = step.fuel;
                assert!(matches!(step.outcome, Outcome::Done(..)), "{step:?}");
            }
            best = best.min(begun.elapsed().as_secs_f64() * 1e6 / 500.0);
            let Outcome::Done(_, mut idle) = runtime.start(request.clone(), LIMITS).outcome else { panic!() };
            let begun = Instant::now();
            for _ in 0..500 {
                let Outcome::Done(_, next) = idle.start(request.clone(), LIMITS).outcome else { panic!() };
                idle = next;
            }
            warm = warm.min(begun.elapsed().as_secs_f64() * 1e6 / 500.0);
        }
        println!("{name}: fresh {best:.1} us, warm {warm:.1} us, fuel {fuel}");
    }
}
