//! Worlds whose agents live by themselves: steps a second, punctuality, what sleepers cost, and many
//! threads at one desk.
//!
//! `cargo bench -p oikos-runner --bench loops` prints every figure; `-- lateness idle` only those whose
//! names hold a word. Each is measured once, over seconds or a minute, as a user would meet it: the world
//! is on disk, in a temporary folder. Run it on a machine that does nothing else.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark ends at the first thing that is wrong")]

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use oikos_runner::{
    Goal, Journal, Live, Mind, NotTaken, Signal, Stop, Why,
    config::{self, Overrides},
    kernel::{record::Handle, seed, time::Time, world::World},
    library,
};
use serde_json::{Value, json};

// As in the binary: a quick allocator, and the memory limit of code is counted.
use mimalloc as _;

/// Why these worlds are asked to stop.
const WHY: Why = Why::Signal(Signal::Terminate);
/// A figure's name, and what prints it.
type Figure = (&'static str, fn());

const FIGURES: &[Figure] = &[
    ("steps_native", || {
        steps("nothing", START, "200s", Some(Box::new(Nothing)), NOTHING);
        steps("a transfer", START, "200s", Some(Box::new(Giver)), NOTHING);
    }),
    ("steps_python", || {
        let give = include_str!("../../../worlds/coins/agent.py");
        let nap = include_str!("../../../worlds/coins_autonomous/agent.py");
        steps("nothing", START, "200s", None, NOTHING);
        steps("a look, and a transfer if there is a coin: coins", 1, "200s", None, give);
        steps("a look and a transfer", START, "200s", None, give);
        steps("coins_autonomous", 1, "3h", None, nap);
    }),
    ("million", million),
    ("active", active),
    ("lateness", lateness),
    ("busy_desk", busy_desk),
    ("idle_cpu", idle_cpu),
    ("contention", contention),
];

const NOTHING: &str = "def step(observation):\n    return None\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let work = move |figure: fn()| {
        // Code is parsed on this thread.
        let thread = std::thread::Builder::new().spawn(figure);
        thread.expect("a thread").join().expect("no panic");
    };
    for (name, figure) in FIGURES {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            work(*figure);
        }
    }
}

/// A mind that does nothing.
struct Nothing;

impl Mind for Nothing {
    fn step(&mut self, _: &World, _: Handle, _: Time, _: u64) -> Value {
        Value::Null
    }
}

/// A mind that gives a coin to a random other.
struct Giver;

impl Mind for Giver {
    fn step(&mut self, world: &World, agent: Handle, _: Time, seed: u64) -> Value {
        if world.scrip(agent) == 0 {
            return Value::Null;
        }
        let other = seed::below(seed::mix(seed, 1), world.population()) + 1;
        let width = world.population().to_string().len().max(3);
        json!({ "op": "transfer", "to": format!("p_{other:0width$}"), "amount": 1 })
    }
}

/// A mind that sleeps for a fixed or a random time.
struct Sleeper {
    least_ms: u64,
    most_ms: u64,
}

impl Mind for Sleeper {
    fn step(&mut self, _: &World, _: Handle, _: Time, seed: u64) -> Value {
        let span = usize::try_from(self.most_ms - self.least_ms + 1).expect("a span");
        let nap = self.least_ms + seed::below(seed::mix(seed, 1), span) as u64;
        json!({ "op": "sleep", "for": format!("{nap}ms") })
    }
}

/// Scrip of each agent at the start.
const START: i64 = 1_000_000;

/// A world of so many agents with the same code; in memory if there is no path.
fn found(db: &Path, agents: usize, clock: &str, duration: &str, code: &str) -> Live {
    found_with(START, db, agents, clock, duration, code)
}

fn found_with(scrip: i64, db: &Path, agents: usize, clock: &str, duration: &str, code: &str) -> Live {
    let text = format!(
        "[world]\nname = 'bench'\nclock = '{clock}'\n[execution]\nmode = 'autonomous'\nduration = '{duration}'\n\
         [scrip]\nstart = {scrip}\n[[agents]]\nid = 'p'\ncount = {agents}\ncode = '''\n{code}'''\n"
    );
    let mut no_files = |name: &str| Err(format!("there is no {name}"));
    let file = config::parse("bench.toml", text, &mut no_files, &Overrides::default(), library::founders())
        .unwrap_or_else(|error| panic!("{error:?}"));
    let in_memory = db.as_os_str().is_empty();
    Live::found(file, || if in_memory { Journal::in_memory() } else { Journal::create(db) })
        .expect("the world is founded")
}

fn in_folder<T>(work: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    work(&folder.path().join("bench.oikos"))
}

fn run(live: &mut Live) -> Duration {
    let began = Instant::now();
    let stopped = live.run_until(live.goal().expect("a goal"), &Stop::default(), |_, _| ()).expect("it runs");
    assert!(stopped.is_done());
    began.elapsed()
}

fn taken(live: &Live) -> u64 {
    live.world().agents().map(|agent| agent.steps).sum()
}

/// Steps a second of a thousand agents under the virtual clock.
fn steps(what: &str, scrip: i64, duration: &str, mind: Option<Box<dyn Mind>>, code: &str) {
    in_folder(|db| {
        let by = if mind.is_some() { "Rust" } else { "Python" };
        let mut live = found_with(scrip, db, 1_000, "virtual", duration, code);
        if let Some(mind) = mind {
            live.sequencer.set_mind(mind);
        }
        let (spent, steps) = (run(&mut live), taken(&live));
        let each = per_second(steps, spent);
        println!("steps_{}: {each} steps/s, {what}, {steps} steps", by.to_lowercase());
        live.world().audit().expect("the books add up");
    });
}

fn per_second(count: u64, spent: Duration) -> u64 {
    u64::try_from(u128::from(count) * 1_000_000_000 / spent.as_nanos().max(1)).unwrap_or(u64::MAX)
}

/// A million agents, each of which wakes once.
fn million() {
    const AGENTS: usize = 1_000_000;
    in_folder(|db| {
        let (began, before) = (Instant::now(), rss());
        let mut live = found(db, AGENTS, "virtual", "2h", NOTHING);
        let founding = began.elapsed();
        live.sequencer.set_mind(Box::new(Sleeper { least_ms: 3_600_000, most_ms: 7_100_000 }));
        // The first step of all, which puts them to sleep; then each wakes once, and sleeps on.
        let spent = run(&mut live);
        assert_eq!(taken(&live), 2 * AGENTS as u64);
        let each = rss().saturating_sub(before) / AGENTS;
        println!(
            "million: {AGENTS} agents founded in {:.1} s; each slept, woke once and slept on, in {:.1} s; the \
             process grew by {each} bytes an agent",
            founding.as_secs_f64(),
            spent.as_secs_f64(),
        );
    });
}

/// A mind that lets one agent in eleven act all the time, and the others sleep.
struct FewActive;

impl Mind for FewActive {
    fn step(&mut self, world: &World, agent: Handle, now: Time, seed: u64) -> Value {
        if agent.0.is_multiple_of(11) {
            Giver.step(world, agent, now, seed)
        } else {
            json!({ "op": "sleep", "for": "10h" })
        }
    }
}

/// A hundred thousand agents that act all the time, beside a million that sleep.
fn active() {
    const AGENTS: usize = 1_100_000;
    in_folder(|db| {
        let mut live = found(db, AGENTS, "virtual", "11s", NOTHING);
        live.sequencer.set_mind(Box::new(FewActive));
        let start = live.world().rules().start;
        let go = |live: &mut Live, ms: i64| {
            let began = Instant::now();
            let goal = Goal::Time(start.after_ms(ms).expect("an instant"));
            live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs");
            began.elapsed()
        };
        // All step once; then only the active ones do.
        let asleep = go(&mut live, 500);
        let before = taken(&live);
        let spent = go(&mut live, 10_500);
        let steps = taken(&live) - before;
        println!(
            "active: {steps} steps of 100,000 beside 1,000,000 asleep, {} steps/s; the first step of all took {:.1} s; {:.2} GB",
            per_second(steps, spent),
            asleep.as_secs_f64(),
            gb(rss())
        );
    });
}

/// How late ten thousand sleepers wake under the wall clock.
fn lateness() {
    in_folder(|db| {
        let mut live = found(db, 10_000, "wall", "40s", NOTHING);
        let mind = || Box::new(Sleeper { least_ms: 5_000, most_ms: 25_000 });
        live.sequencer.set_mind(mind());
        // The founding makes all of them due at once; how late they are then says nothing.
        let start = live.world().rules().start;
        let settled = Goal::Time(start.after_ms(4_000).expect("an instant"));
        live.run_until(settled, &Stop::default(), |_, _| ()).expect("it runs");
        drop(live);
        let mut live = Live::open(Journal::open(db).expect("a journal")).expect("it opens");
        live.sequencer.set_mind(mind());
        run(&mut live);
        let late = live.lateness().expect("loops of their own");
        let us = |permille| late.permille(permille).map_or(0, |late| late.as_micros());
        println!(
            "lateness: {} turns of 10,000 sleepers, median {} us, 99 % {} us, most {} us",
            late.turns(),
            us(500),
            us(990),
            us(1_000)
        );
    });
}

/// How late the turns of ten thousand agents come at a pace of a second, while 64 threads submit all the time.
fn busy_desk() {
    const THREADS: usize = 64;
    const AGENTS: usize = 10_000;
    in_folder(|db| {
        let mut live = found(db, AGENTS, "wall", "30s", NOTHING);
        live.sequencer.set_mind(Box::new(Nothing));
        let (desk, done) = (live.desk(), AtomicU64::new(0));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for number in 1..=THREADS {
                let (desk, done) = (desk.clone(), &done);
                scope.spawn(move || {
                    let me = format!("p_{number:05}");
                    loop {
                        match desk.submit(&me, json!({ "op": "transfer", "to": "p_00001", "amount": 1 })) {
                            Ok(receipt) => assert!(receipt.outcome.is_ok(), "{receipt:?}"),
                            Err(NotTaken::Busy(_)) => continue,
                            Err(NotTaken::Closed) => return,
                            Err(error) => panic!("{error:?}"),
                        }
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            run(&mut live);
        });
        let late = live.lateness().expect("loops of their own");
        let ms = |permille| late.permille(permille).map_or(0.0, |late| late.as_secs_f64() * 1_000.0);
        println!(
            "busy_desk: {} turns of {AGENTS} agents in 30 s, late by {:.2} ms (median), {:.2} ms (99 %), {:.2} ms (most), \
             beside {} actions/s of {THREADS} threads, each on disk before its receipt",
            late.turns(),
            ms(500),
            ms(990),
            ms(1_000),
            per_second(done.into_inner(), began.elapsed()),
        );
    });
}

/// CPU of a hundred thousand sleepers under the wall clock.
fn idle_cpu() {
    const SECONDS: u64 = 20;
    in_folder(|db| {
        let mut live = found(db, 100_000, "wall", "1h", NOTHING);
        live.sequencer.set_mind(Box::new(Sleeper { least_ms: 3_600_000, most_ms: 3_600_000 }));
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let asking = stop.clone();
            scope.spawn(move || {
                // By then all of them sleep.
                std::thread::sleep(Duration::from_secs(10));
                let before = cpu();
                std::thread::sleep(Duration::from_secs(SECONDS));
                let used = cpu().saturating_sub(before);
                let share = 100.0 * used.as_secs_f64() / Duration::from_secs(SECONDS).as_secs_f64();
                println!("idle_cpu: 100,000 sleepers use {share:.2} % of a core, over {SECONDS} s");
                asking.ask(WHY);
            });
            live.run_until(live.goal().expect("a goal"), &stop, |_, _| ()).expect("it runs");
        });
        assert_eq!(taken(&live), 100_000, "all of them have gone to sleep, and none has woken");
    });
}

/// 64 threads at one desk for a minute, with so many of a hundred transfers to one account.
fn contention() {
    for on_disk in [false, true] {
        let quiet = submit(on_disk, 0);
        for percent in [10, 100] {
            let busy = submit(on_disk, percent);
            let decline = 100.0 - 100.0 * busy as f64 / quiet.max(1) as f64;
            println!("contention: a decline of {decline:.1} % at {percent} % on one account");
        }
    }
}

fn submit(on_disk: bool, percent: usize) -> u64 {
    const THREADS: usize = 64;
    const SECONDS: u64 = 60;
    in_folder(|db| {
        let mut live = match on_disk {
            true => found(db, THREADS, "virtual", "1h", NOTHING),
            false => found(Path::new(""), THREADS, "virtual", "1h", NOTHING),
        };
        let (desk, stop) = (live.desk(), Stop::default());
        let (done, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for number in 1..=THREADS {
                let (desk, stop, done, ended) = (desk.clone(), stop.clone(), &done, &ended);
                scope.spawn(move || {
                    let me = format!("p_{number:03}");
                    let mut count = 0;
                    while began.elapsed() < Duration::from_secs(SECONDS) {
                        let draw = |of| seed::below(seed::mix(number as u64, 2 * count + of), 100);
                        let to = if draw(0) < percent { 1 } else { draw(1) * THREADS / 100 + 1 };
                        let op = json!({ "op": "transfer", "to": format!("p_{to:03}"), "amount": 1 });
                        match desk.submit(&me, op) {
                            Ok(receipt) => assert!(receipt.outcome.is_ok(), "{receipt:?}"),
                            Err(NotTaken::Busy(_)) => continue,
                            Err(error) => panic!("{error:?}"),
                        }
                        count += 1;
                    }
                    done.fetch_add(count, Ordering::SeqCst);
                    if ended.fetch_add(1, Ordering::SeqCst) + 1 == THREADS as u64 {
                        stop.ask(WHY);
                    }
                });
            }
            live.attend(&stop).expect("no fault");
        });
        let each = per_second(done.into_inner(), began.elapsed());
        live.world().audit().expect("the books add up");
        assert_eq!(live.world().supply(), THREADS as i64 * START);
        let place = if on_disk { "each on disk before its receipt" } else { "in memory" };
        println!("contention: {each} actions/s of {THREADS} threads, {percent} % on one account, {place}");
        each
    })
}

fn gb(bytes: usize) -> f64 {
    bytes as f64 / 1e9
}

/// Memory of this process.
fn rss() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages * 4_096
}

/// CPU time of this process, to a hundredth of a second.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
