//! How fast the kernel is by itself: no interpreter, no journal, no disk.
//!
//! `cargo bench -p oikos-kernel`. Each op is executed whole: transaction, record, `World::apply`, receipt.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark ends at the first thing that is wrong"
)]

use std::{hint::black_box, path::Path};

use divan::{Bencher, counter::ItemsCount};
use oikos_kernel::{
    code::{CodeAnswer, Meter},
    founding::{Founder, Founding},
    op::{Action, Noop, Op, OpKind},
    receipt::Receipt,
    record::{Cause, Handle, Record},
    rules::{Renewal, ResourceKind, ResourceRule, Rules},
    time::Time,
    transaction::{Answer, Finished, Need, Transaction},
    world::World,
};
use serde_json::{Value, json};

fn main() {
    idle_memory();
    divan::main();
}

/// A world of `count` principals `p0`…, who are agents if `loops`.
fn world(count: usize, loops: bool, rules: Rules) -> World {
    let founders = (0..count).map(|at| Founder {
        has_standing: true,
        has_loop: loops,
        code: loops.then(|| "def step(observation): return None".into()),
        scrip: 1_000_000_000,
        resources: rules.resources.iter().map(|rule| (rule.name.clone(), 1_000_000_000_000)).collect(),
        ..Founder::new(&format!("p{at}"))
    });
    let founders = founders.collect();
    Founding { rules, source: [0; 32], runtime: "toy".into(), founders }
        .found()
        .unwrap_or_else(|error| panic!("{error}"))
        .0
}

fn plain() -> Rules {
    Rules::unlimited("bench", 1, Time::default())
}

/// Limits on everything, and a cost of every op.
fn scarce(window_ms: i64) -> Rules {
    let mut rules = plain();
    rules.resources[0].kind = ResourceKind::Renewable { window_ms };
    rules.resources[2].kind = ResourceKind::Allocatable;
    let kind = ResourceKind::Renewable { window_ms };
    rules.resources.push(ResourceRule { name: "actions".into(), kind });
    let actions = rules.resource("actions").unwrap();
    rules.costs = OpKind::ALL.into_iter().map(|kind| (kind, actions, 1)).collect();
    rules.renewal = Renewal::Rolling;
    rules
}

/// An answer of `check_permission`; code that speaks of a cache lets it be used again.
fn verdict(source: &str) -> Value {
    let mut verdict = json!({ "allowed": true });
    if source.contains("cache") {
        verdict["cache"] = json!({ "ttl": "1h", "key": ["caller", "action"] });
    }
    verdict
}

/// Runs a transaction whose code does nothing but return what `check_permission` must.
fn drive(mut transaction: Transaction<'_>) -> Finished {
    let mut answer = Answer::Begin;
    loop {
        answer = match transaction.step(answer) {
            Need::Start(call) => Answer::Code(CodeAnswer::Done {
                result: Ok(verdict(&call.source)),
                meter: Meter { work: 1, cpu_ns: 1_000, memory_bytes: 0 },
                output: String::new(),
            }),
            Need::Resume { .. } | Need::Worst(_) | Need::Ask(_) => panic!("no code here calls the host"),
            Need::Check { .. } => Answer::Checked(Ok(vec!["check_permission".into()])),
            Need::Done(done) => return *done,
        };
    }
}

/// One action from outside, whole.
fn act(world: &mut World, actor: Handle, action: Action, submitted: Value, now: Time) -> Receipt {
    let action_id = action.action_id.clone();
    let transaction =
        Transaction::act(world, actor, action, now, 1).unwrap_or_else(|error| panic!("{error}"));
    let Finished { charges, effects, events, outcome, output, .. } = drive(transaction);
    let cause = Cause::Act { actor, action: submitted.into(), action_id, output };
    let record = Record { seq: world.seq() + 1, time: now, cause, charges, effects, events, outcome };
    let record = world.enact(record).unwrap_or_else(|error| panic!("{error}"));
    let receipt = Receipt::of(&record);
    assert!(receipt.outcome.is_ok(), "{:?}", receipt.outcome);
    receipt
}

fn from_json(bencher: Bencher<'_, '_>, rules: Rules, value: &Value) {
    let mut world = world(1_000, false, rules);
    let actor = world.lookup("p1").unwrap();
    let now = world.now();
    bencher.counter(ItemsCount::new(1_usize)).with_inputs(|| value.clone()).bench_local_values(|value| {
        let action = Action::parse(value.clone()).unwrap_or_else(|error| panic!("{error}"));
        act(&mut world, actor, action, value, now)
    });
}

fn typed(bencher: Bencher<'_, '_>, rules: Rules, value: &Value) {
    let mut world = world(1_000, false, rules);
    let actor = world.lookup("p1").unwrap();
    let now = world.now();
    let action = Action::parse(value.clone()).unwrap_or_else(|error| panic!("{error}"));
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| action.clone())
        .bench_local_values(|action| act(&mut world, actor, action, Value::Null, now));
}

fn transfer() -> Value {
    json!({ "op": "transfer", "to": "p2", "amount": 1 })
}

mod cheap {
    use super::*;

    #[divan::bench]
    fn noop_typed(bencher: Bencher<'_, '_>) {
        let mut world = world(1_000, false, plain());
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        bencher
            .counter(ItemsCount::new(1_usize))
            .bench_local(|| act(&mut world, actor, Action::one(Op::Noop(Noop {})), Value::Null, now));
    }

    #[divan::bench]
    fn noop_json(bencher: Bencher<'_, '_>) {
        from_json(bencher, plain(), &json!({ "op": "noop" }));
    }

    #[divan::bench]
    fn transfer_typed(bencher: Bencher<'_, '_>) {
        typed(bencher, plain(), &transfer());
    }

    #[divan::bench]
    fn transfer_json(bencher: Bencher<'_, '_>) {
        from_json(bencher, plain(), &transfer());
    }

    #[divan::bench]
    fn transfer_json_with_costs(bencher: Bencher<'_, '_>) {
        from_json(bencher, scarce(60_000), &transfer());
    }

    #[divan::bench]
    fn query_balance_typed(bencher: Bencher<'_, '_>) {
        typed(bencher, plain(), &json!({ "op": "query", "what": "balance" }));
    }

    #[divan::bench]
    fn query_balance_json(bencher: Bencher<'_, '_>) {
        from_json(bencher, plain(), &json!({ "op": "query", "what": "balance" }));
    }

    /// 20 transfers as one action.
    #[divan::bench]
    fn list_of_20_transfers(bencher: Bencher<'_, '_>) {
        from_json(bencher, plain(), &json!(vec![transfer(); 20]));
    }
}

mod contracts {
    use super::*;

    /// How many reads an action of many has.
    const MANY: usize = 100;

    fn read_under(bencher: Bencher<'_, '_>, contract: &str) {
        reads_under(bencher, contract, &json!({ "op": "read", "artifact": "x" }));
    }

    fn many_under(bencher: Bencher<'_, '_>, contract: &str) {
        let reads = vec![json!({ "op": "read", "artifact": "x" }); MANY];
        reads_under(bencher.counter(ItemsCount::new(MANY)), contract, &json!(reads));
    }

    fn reads_under(bencher: Bencher<'_, '_>, contract: &str, reads: &Value) {
        let mut world = world(1_000, false, plain());
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        for value in [
            json!({ "op": "write", "artifact": "c", "code": "def check_permission(*a): ..." }),
            json!({ "op": "write", "artifact": "k", "code": "def check_permission(*a): cache" }),
            json!({ "op": "write", "artifact": "x", "content": "hello", "access_contract": contract }),
        ] {
            let action = Action::parse(value).unwrap_or_else(|error| panic!("{error}"));
            act(&mut world, actor, action, Value::Null, now);
        }
        let action = Action::parse(reads.clone()).unwrap();
        bencher
            .with_inputs(|| action.clone())
            .bench_local_values(|action| act(&mut world, actor, action, Value::Null, now));
    }

    #[divan::bench]
    fn read_native(bencher: Bencher<'_, '_>) {
        read_under(bencher, "genesis_contract_freeware");
    }

    /// The kernel's share of a check: the interpreter answers at once.
    #[divan::bench]
    fn read_custom(bencher: Bencher<'_, '_>) {
        read_under(bencher, "c");
    }

    /// A verdict that is used again: all but the first ask nobody.
    #[divan::bench]
    fn read_cached(bencher: Bencher<'_, '_>) {
        read_under(bencher, "k");
    }

    /// Reads of one action, so that what an action costs by itself is no part of it.
    #[divan::bench]
    fn many_native(bencher: Bencher<'_, '_>) {
        many_under(bencher, "genesis_contract_freeware");
    }

    /// The same with a verdict that is used again.
    #[divan::bench]
    fn many_cached(bencher: Bencher<'_, '_>) {
        many_under(bencher, "k");
    }

    /// As many ops that ask nobody.
    #[divan::bench]
    fn many_without(bencher: Bencher<'_, '_>) {
        let noops = vec![json!({ "op": "noop" }); MANY];
        reads_under(bencher.counter(ItemsCount::new(MANY)), "genesis_contract_freeware", &json!(noops));
    }
}

/// The work of the host, by what it is counted: beside each stands what a unit of work takes, by `limits`.
mod host {
    use super::*;

    /// A world of a thousand principals with text of so many bytes in all.
    fn texts(count: usize, bytes: usize) -> World {
        let mut world = world(1_000, false, plain());
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        for at in 0..count {
            let content = "lorem ipsum dolor sit amet ".repeat(bytes / 27);
            let value = json!({ "op": "write", "artifact": format!("t{at}"), "content": content });
            act(&mut world, actor, Action::parse(value).unwrap(), Value::Null, now);
        }
        world
    }

    fn units_a_second(bencher: Bencher<'_, '_>, mut world: World, value: &Value) {
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        let action = Action::parse(value.clone()).unwrap_or_else(|error| panic!("{error}"));
        let receipt = act(&mut world, actor, action.clone(), Value::Null, now);
        let units: u64 = receipt.charges.iter().map(|charge| charge.work).sum();
        bencher
            .counter(ItemsCount::new(units.max(1)))
            .with_inputs(|| action.clone())
            .bench_local_values(|action| act(&mut world, actor, action, Value::Null, now));
    }

    #[divan::bench]
    fn search(bencher: Bencher<'_, '_>) {
        units_a_second(
            bencher,
            texts(100, 20_000),
            &json!({ "op": "query", "what": "search", "text": "zz" }),
        );
    }

    #[divan::bench]
    fn search_four_words(bencher: Bencher<'_, '_>) {
        let query = json!({ "op": "query", "what": "search", "text": "lorem ipsum dolor zz" });
        units_a_second(bencher, texts(100, 20_000), &query);
    }

    #[divan::bench]
    fn rows_passed_over(bencher: Bencher<'_, '_>) {
        units_a_second(bencher, texts(0, 0), &json!({ "op": "query", "what": "artifacts", "type": "zz" }));
    }

    #[divan::bench]
    fn rows_shown(bencher: Bencher<'_, '_>) {
        units_a_second(bencher, texts(0, 0), &json!({ "op": "query", "what": "artifacts" }));
    }

    #[divan::bench]
    fn balances(bencher: Bencher<'_, '_>) {
        units_a_second(bencher, texts(0, 0), &json!({ "op": "query", "what": "balances" }));
    }

    #[divan::bench]
    fn events_shown(bencher: Bencher<'_, '_>) {
        units_a_second(bencher, texts(200, 27), &json!({ "op": "query", "what": "events", "limit": 100 }));
    }

    #[divan::bench]
    fn events_passed_over(bencher: Bencher<'_, '_>) {
        units_a_second(
            bencher,
            texts(3_000, 27),
            &json!({ "op": "query", "what": "events", "type": "edit" }),
        );
    }

    #[divan::bench]
    fn read_1mb(bencher: Bencher<'_, '_>) {
        units_a_second(bencher, texts(1, 1_000_000), &json!({ "op": "read", "artifact": "t0" }));
    }

    #[divan::bench]
    fn write_1mb(bencher: Bencher<'_, '_>) {
        let content = "lorem ipsum dolor sit amet ".repeat(37_000);
        units_a_second(
            bencher,
            texts(1, 27),
            &json!({ "op": "write", "artifact": "t0", "content": content }),
        );
    }

    #[divan::bench]
    fn calls(bencher: Bencher<'_, '_>) {
        units_a_second(bencher, texts(0, 0), &json!(vec![transfer(); 1_000]));
    }
}

mod growth {
    use super::*;

    /// A new artifact of 1 KB beside so many that are there: flat.
    #[divan::bench(args = [100, 10_000, 100_000])]
    fn write_1kb(bencher: Bencher<'_, '_>, existing: usize) {
        let mut world = world(existing, false, scarce(60_000));
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        let content = "x".repeat(1_024);
        let mut count = 0;
        let next = || {
            count += 1;
            json!({ "op": "write", "artifact": format!("new-{count}"), "content": content })
        };
        bencher.with_inputs(next).bench_local_values(|value| {
            let action = Action::parse(value.clone()).unwrap_or_else(|error| panic!("{error}"));
            act(&mut world, actor, action, value, now)
        });
    }

    /// An op whose cost is checked against a window of so many uses: flat.
    #[divan::bench(args = [1, 100, 10_000])]
    fn quota_check(bencher: Bencher<'_, '_>, entries: i64) {
        let mut world = world(100, false, scarce(entries));
        let actor = world.lookup("p1").unwrap();
        let mut now = world.now();
        let mut go_on = || {
            now = now.after_ms(1).unwrap();
            act(&mut world, actor, Action::one(Op::Noop(Noop {})), Value::Null, now)
        };
        (0..entries).for_each(|_| drop(go_on()));
        bencher.bench_local(go_on);
    }
}

mod memories {
    use super::*;

    const WORDS: [&str; 24] = [
        "bread", "price", "market", "bob", "alice", "shop", "debt", "paid", "late", "offer", "iron", "nails",
        "baker", "smith", "well", "mill", "road", "north", "winter", "harvest", "trust", "broken",
        "contract", "auction",
    ];

    /// A world in which `p1` has a memory of so many entries of a dozen words.
    fn remembering(entries: usize) -> World {
        let mut world = world(10, false, plain());
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        let mut act = |value: Value| {
            let action = Action::parse(value.clone()).unwrap_or_else(|error| panic!("{error}"));
            drop(super::act(&mut world, actor, action, value, now));
        };
        act(json!({ "op": "write", "artifact": "m", "kind": "memory" }));
        act(json!({ "op": "write", "artifact": "p1", "memory_artifact": "m" }));
        for at in 0..entries {
            let words = (0..12).map(|word| WORDS[(at * 7 + word * word * (at % 5 + 1)) % WORDS.len()]);
            let text = format!("{} {at}", words.collect::<Vec<_>>().join(" "));
            act(json!({ "op": "remember", "text": text, "importance": at % 11 }));
        }
        world
    }

    fn recall(bencher: Bencher<'_, '_>, entries: usize, query: Value) {
        let world = remembering(entries);
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        let action = Action::parse(query).unwrap_or_else(|error| panic!("{error}"));
        bencher.with_inputs(|| action.clone()).bench_local_values(|action| {
            let transaction = Transaction::act(&world, actor, action, now, 1);
            let done = drive(transaction.unwrap_or_else(|error| panic!("{error}")));
            assert!(done.outcome.is_ok(), "{:?}", done.outcome);
        });
    }

    #[divan::bench(args = [100, 10_000])]
    fn recall_by_words(bencher: Bencher<'_, '_>, entries: usize) {
        let text = "what did bob say about the price of bread at the market in winter";
        recall(bencher, entries, json!({ "op": "query", "what": "recall", "text": text, "limit": 8 }));
    }

    #[divan::bench(args = [100, 10_000])]
    fn recall_latest(bencher: Bencher<'_, '_>, entries: usize) {
        recall(bencher, entries, json!({ "op": "query", "what": "recall", "limit": 8 }));
    }

    #[divan::bench(args = [100, 10_000])]
    fn remember(bencher: Bencher<'_, '_>, entries: usize) {
        let mut world = remembering(entries);
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        let value = json!({ "op": "remember", "text": "bob pays late, and in iron" });
        let action = Action::parse(value.clone()).unwrap_or_else(|error| panic!("{error}"));
        bencher
            .with_inputs(|| action.clone())
            .bench_local_values(|action| act(&mut world, actor, action, value.clone(), now));
    }
}

mod snapshots {
    use super::*;

    const MILLION: usize = 1_000_000;

    #[divan::bench(sample_count = 20, sample_size = 1)]
    fn clone_of_1m_accounts(bencher: Bencher<'_, '_>) {
        let world = world(MILLION, false, plain());
        bencher.bench_local(|| black_box(world.clone()));
    }

    /// The first change after a snapshot copies the pages it touches.
    #[divan::bench(sample_count = 20, sample_size = 1)]
    fn clone_and_one_transfer(bencher: Bencher<'_, '_>) {
        let mut world = world(MILLION, false, plain());
        let (actor, now) = (world.lookup("p1").unwrap(), world.now());
        let action = Action::parse(transfer()).unwrap();
        // The allocator tidies up after the founding.
        act(&mut world, actor, action.clone(), Value::Null, now);
        drop(world.clone());
        bencher.bench_local(|| {
            let snapshot = world.clone();
            drop(act(&mut world, actor, action.clone(), Value::Null, now));
            black_box(snapshot)
        });
    }

    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn digest_of_1m_accounts(bencher: Bencher<'_, '_>) {
        let world = world(MILLION, false, plain());
        bencher.bench_local(|| black_box(world.digest()));
    }
}

/// Prints what an idle agent weighs, by how much the process grows.
fn idle_memory() {
    const AGENTS: usize = 50_000;
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") || !Path::new("/proc").exists() {
        return;
    }
    let rss = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: usize = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        pages * 4096
    };
    // The first copies fill what the founding left free; the growth by the last ones is theirs alone.
    let image = world(AGENTS, true, scarce(60_000)).to_image();
    let copy = |_| World::from_image(&image).unwrap_or_else(|error| panic!("{error}"));
    let mut worlds: Vec<World> = (0..4).map(copy).collect();
    let before = rss();
    worlds.extend((0..4).map(copy));
    let bytes = rss().saturating_sub(before) / (4 * AGENTS);
    println!("an idle agent: about {bytes} bytes, with four resources");
    black_box(worlds);
}
