//! The library end to end: a purchase and a match, beside a bare invocation in the same world, and a match in books of
//! different sizes.
//!
//! `cargo bench -p oikos-runner --bench library`. The world is in memory; each figure is a mean over some hundred
//! calls.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark ends at the first thing that is wrong")]

use std::time::Instant;

use oikos_runner::{
    Journal, Live,
    config::{self, Overrides},
    library,
};
use serde_json::{Value, json};

// As in the binary: a quick allocator, and the memory limit of code is counted.
use mimalloc as _;

/// Calls of each figure.
const CALLS: usize = 400;
/// Orders of the books.
const BOOKS: [usize; 3] = [100, 10_000, 100_000];

const WORLD: &str = r#"
[world]
name = "bench"
[resources.fuel]
kind = "depletable"
total = 10000000
split = "none"
[[artifacts]]
id = "ann"
has_standing = true
scrip = 100000000
resources = { fuel = 5000000 }
[[artifacts]]
id = "bob"
has_standing = true
scrip = 100000000
[[artifacts]]
id = "thing"
owner = "ann"
[[artifacts]]
id = "plus"
owner = "ann"
code = "def run(x): return x + 1"
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let mut live = found();
    let bare = mean(&mut live, |_| (None, call("plus", "run", json!([1]), 0, json!([]))));
    println!("library: a bare invoke takes {bare:.0} µs");
    let purchase = mean(&mut live, |number| {
        let (seller, buyer) = if number % 2 == 0 { ("ann", "bob") } else { ("bob", "ann") };
        let list = call("genesis_escrow", "list", json!([3]), 0, json!(["thing"]));
        let purchase = call("genesis_escrow", "purchase", json!(["thing"]), 3, json!([]));
        (Some((seller, list)), (buyer, purchase.1))
    });
    println!(
        "library: genesis_escrow.purchase takes {purchase:.0} µs, {:.1} times a bare invoke",
        purchase / bare
    );
    let mut orders = 0;
    for size in BOOKS {
        while orders < size {
            let price = 2 + orders;
            let gift = json!([{ "resource": "fuel", "amount": 10 }]);
            act(
                &mut live,
                "ann",
                &call("genesis_market", "ask", json!(["fuel", "balance", 10, price]), 0, gift).1,
            );
            orders += 1;
        }
        // Each meets a part of the best order.
        let matched = mean(&mut live, |_| {
            let bid = call("genesis_market", "bid", json!(["fuel", "balance", 1, 1_000]), 1_000, json!([]));
            (None, ("bob", bid.1))
        });
        println!("library: a match in a book of {size} orders takes {matched:.0} µs");
    }
}

fn found() -> Live {
    let mut no_files = |name: &str| Err(format!("there is no {name}"));
    let file =
        config::parse("bench.toml", WORLD.into(), &mut no_files, &Overrides::default(), library::founders())
            .unwrap_or_else(|error| panic!("{error:?}"));
    Live::found(file, Journal::in_memory).expect("the world is founded")
}

fn call(artifact: &str, method: &str, args: Value, pay: i64, give: Value) -> (&'static str, Value) {
    let op = json!({ "op": "invoke", "artifact": artifact, "method": method, "args": args, "pay": pay, "give": give });
    ("bob", op)
}

/// The mean time of some calls in microseconds; what goes before each is not counted.
fn mean(
    live: &mut Live,
    next: impl Fn(usize) -> (Option<(&'static str, (&'static str, Value))>, (&'static str, Value)),
) -> f64 {
    let mut total_us = 0.0;
    for number in 0..CALLS {
        let (before, (who, op)) = next(number);
        if let Some((who, (_, op))) = before {
            act(live, who, &op);
        }
        let began = Instant::now();
        act(live, who, &op);
        total_us += began.elapsed().as_secs_f64() * 1e6;
    }
    total_us / CALLS as f64
}

fn act(live: &mut Live, who: &str, op: &Value) {
    let receipt = live.sequencer.act(who, op.clone()).expect("no fault");
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
}
