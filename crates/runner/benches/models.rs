//! Language models: how busy their limit is kept, and how much of a step is the world's own.
//!
//! `cargo bench -p oikos-runner --bench models` prints a line for each.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oikos_agents::{Gate, Limits, Rates};
use oikos_runner::{
    Access, Journal, Live, ModelProvider, ProviderPlace, Stop, TapeMode, Workplace,
    config::{self, Overrides, WorldFile},
    fake::{self, Fake, Scripted},
    kernel::tape::Taped,
    library,
};

const GIFT: &str = r#"{"think": "so", "ops": [{"op": "transfer", "to": "worker", "amount": 1}]}"#;

fn file(count: usize, execution: &str) -> WorldFile {
    let text = format!(
        "[execution]\n{execution}\n[llm]\nmodel = \"fake::m\"\n[[agents]]\nid = \"trader\"\ncount = {count}\n\
         mind = \"llm\"\nprompt = \"You give.\"\nscrip = 1000\nmemory = true\n[[agents]]\nid = \"worker\"\n\
         code = \"def step(o): return None\"\n"
    );
    let mut no_files = |_: &str| Err("there is none".to_owned());
    config::parse("w.toml", text, &mut no_files, &Overrides::default(), library::founders())
        .expect("a world file")
}

fn workplace(latency: Duration, in_flight: usize, tape: Option<TapeMode>) -> (Workplace, Arc<Fake>) {
    let fake = Arc::new(Fake::new(move |_, _| Scripted { latency, outcome: Ok(fake::answer(GIFT)) }));
    let gate = Gate::new("fake", Arc::clone(&fake) as _, Limits { in_flight, rates: Rates::default() });
    let provider = ModelProvider { provider: Arc::new(gate), place: ProviderPlace::Local };
    let access = Access::default().with_tape(tape).with_provider("fake", provider);
    let cache = Some(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("python"));
    (Workplace { access, cache, ..Workplace::default() }, fake)
}

fn run(live: &mut Live) -> Duration {
    let goal = live.goal().expect("a goal");
    let begin = Instant::now();
    live.run_to_end(goal, &Stop::default(), |_, _| ()).expect("it runs");
    live.sequencer.commit().expect("it is on disk");
    begin.elapsed()
}

fn tape(live: &mut Live) -> Vec<Taped> {
    let mut rows = Vec::new();
    let journal = live.sequencer.journal().expect("the journal");
    let read = journal.tape(None, |row| {
        rows.push(row);
        Ok::<(), oikos_runner::JournalError>(())
    });
    read.expect("the tape");
    rows
}

/// How busy the limit of a provider is kept by a thousand agents.
fn busy() {
    const LATENCY: Duration = Duration::from_secs(2);
    const IN_FLIGHT: usize = 200;
    for (name, execution) in [
        ("tick", "mode = \"tick\"\nticks = 2"),
        ("autonomous", "mode = \"autonomous\"\nduration = \"5s\"\npace = \"1s\""),
    ] {
        let (workplace, fake) = workplace(LATENCY, IN_FLIGHT, None);
        let mut live = workplace.found(file(1_000, execution), Journal::in_memory).expect("a world");
        let took = run(&mut live);
        let ideal = LATENCY.as_secs_f64() * fake.asked() as f64 / IN_FLIGHT as f64;
        let share = 100.0 * ideal / took.as_secs_f64();
        println!(
            "1,000 agents, {name}: {} requests of 2 s, {IN_FLIGHT} in flight (most {}), in {:.2} s: {share:.1} % busy",
            fake.asked(),
            fake.in_flight_max(),
            took.as_secs_f64(),
        );
    }
}

/// The world's own part of a step, and that of a replay, on disk.
fn overhead() {
    for (name, execution) in [
        ("tick", "mode = \"tick\"\nticks = 20"),
        ("autonomous", "mode = \"autonomous\"\nduration = \"60s\"\npace = \"1s\""),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (workplace_live, fake) = workplace(Duration::ZERO, 100, None);
        let db = folder.path().join("a.oikos");
        let mut live = workplace_live.found(file(100, execution), || Journal::create(&db)).expect("a world");
        let took = run(&mut live);
        let each = took.as_secs_f64() * 1_000.0 / fake.asked() as f64;
        println!(
            "100 agents, {name}: {} steps in {:.2} s: {each:.3} ms each",
            fake.asked(),
            took.as_secs_f64()
        );
        let mut again = file(100, execution);
        again.tape = tape(&mut live);
        let (replaying, nobody) = workplace(Duration::ZERO, 100, Some(TapeMode::Replay));
        let db = folder.path().join("b.oikos");
        let mut replay = replaying.found(again, || Journal::create(&db)).expect("a world");
        let took = run(&mut replay);
        let each = took.as_secs_f64() * 1_000.0 / fake.asked() as f64;
        println!("  replayed in {:.2} s: {each:.3} ms each, {} asked", took.as_secs_f64(), nobody.asked());
    }
}

fn main() {
    overhead();
    busy();
}
