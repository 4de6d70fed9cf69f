//! Agents whose mind is a language model: a world asks, goes on, and is the same however fast the answers come; they are
//! paid once, and a run that stopped for money goes on with more of it.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use oikos_runner::{
    Access, Goal, Journal, Live, ModelProvider, ProviderPlace, RunError, Stop, Stopped, TapeMode, Workplace,
    fake::{self, Fake, Scripted},
    kernel::tape::{Origin, Taped},
};
use serde_json::Value;

use self::door::{workplace, world_file};

/// A world of so many language models, of `mode` and for so long.
fn world(count: usize, execution: &str, more: &str) -> String {
    format!(
        r#"
[execution]
{execution}
[llm]
model = "fake::m"
{more}
[llm.prices."fake::m"]
input = "$1.00"
output = "$10.00"
[[agents]]
id = "trader"
count = {count}
mind = "llm"
prompt = "You give."
max_output_tokens = 50
scrip = 100
memory = true
[[agents]]
id = "worker"
count = 2
scrip = 5
code = "def step(o): return {{'op': 'store', 'key': 'k', 'value': o['step']}}"
"#
    )
}

const AUTONOMOUS: &str = "mode = \"autonomous\"\nduration = \"20s\"";
const TICKS: &str = "mode = \"tick\"\nticks = 6";

/// An answer that depends on nothing but the request: sometimes a look, sometimes nonsense, mostly a gift.
fn answer(request: &fake::Request) -> String {
    let text = request.canonical();
    let hash = request.hash();
    let whom = format!("trader_{:03}", 1 + usize::from(hash[0]) % 3);
    if text.contains("Your looks:") || text.contains("can't be used") {
        return format!(
            r#"{{"think": "so be it", "ops": [{{"op": "transfer", "to": "{whom}", "amount": 1}}]}}"#
        );
    }
    match hash[1] % 5 {
        0 => r#"{"think": "who is there?", "looks": [{"op": "query", "what": "agents"}]}"#.into(),
        1 => "I would rather not say.".into(),
        2 => r#"{"think": "to be kept", "ops": [{"op": "remember", "text": "bread is cheap"}]}"#.into(),
        _ => format!(r#"{{"ops": [{{"op": "transfer", "to": "{whom}", "amount": 1}}]}}"#),
    }
}

/// A provider that takes its time, no longer than `most` milliseconds.
fn provider(most_ms: u64, salt: u8) -> Arc<Fake> {
    Arc::new(Fake::new(move |n, request| {
        let hash = request.hash();
        let ms = (u64::from(hash[2] ^ salt) + 7 * n) % (most_ms + 1);
        Scripted { latency: Duration::from_millis(ms), outcome: Ok(fake::answer(answer(request))) }
    }))
}

fn with(provider: &Arc<Fake>, access: Access) -> Workplace {
    let provider = ModelProvider { provider: Arc::clone(provider) as _, place: ProviderPlace::Local };
    Workplace { access: access.with_provider("fake", provider), ..workplace() }
}

fn founded(text: &str, workplace: &Workplace, db: Option<&Path>) -> Live {
    let journal = || db.map_or_else(Journal::in_memory, Journal::create);
    workplace.found(world_file(text), journal).expect("it is founded")
}

fn run(live: &mut Live) -> Result<Stopped, RunError> {
    let goal = live.goal().expect("a goal");
    let stopped = live.run_until(goal, &Stop::default(), |_, _| ())?;
    live.await_models(&Stop::default())?;
    Ok(stopped)
}

fn hash(live: &mut Live) -> String {
    live.sequencer.commit().expect("it is on disk");
    format!("{:?}", live.sequencer.head().journal_hash)
}

fn tape(live: &mut Live) -> Vec<Taped> {
    let journal = live.sequencer.journal().expect("the journal");
    let mut rows = Vec::new();
    journal
        .tape(None, |row| {
            rows.push(row);
            Ok::<(), oikos_runner::JournalError>(())
        })
        .expect("the tape");
    rows
}

#[test]
fn a_world_is_the_same_however_fast_the_answers_come() {
    for (count, execution) in [(100, AUTONOMOUS), (12, TICKS)] {
        let text = world(count, execution, "");
        let mut ends = Vec::new();
        for (most_ms, salt) in [(0, 0), (30, 5), (9, 77)] {
            let fake = provider(most_ms, salt);
            let mut live = founded(&text, &with(&fake, Access::default()), None);
            let stopped = run(&mut live).expect("it runs");
            assert!(stopped.is_done(), "{stopped:?}");
            assert!(fake.asked() > 3 * count as u64, "{} were asked", fake.asked());
            ends.push((hash(&mut live), fake.asked()));
            assert_eq!(live.world().supply(), 100 * count as i64 + 10);
        }
        assert!(ends.iter().all(|end| *end == ends[0]), "{execution}: {ends:?}");
    }
}

#[test]
fn a_replay_asks_nobody_and_is_the_same() {
    for execution in [AUTONOMOUS, TICKS] {
        let text = world(7, execution, "");
        let fake = provider(3, 1);
        let mut live = founded(&text, &with(&fake, Access::default()), None);
        run(&mut live).expect("it runs");
        let rows = tape(&mut live);
        assert_eq!(rows.len() as u64, fake.asked(), "each answer is on the tape");
        assert!(rows.iter().all(|row| row.origin == Origin::Asked && row.cost > 0));
        let end = hash(&mut live);
        let nobody = provider(0, 0);
        let access = Access::default().with_tape(Some(TapeMode::Replay));
        let mut file = world_file(&text);
        file.tape.clone_from(&rows);
        let mut again = with(&nobody, access.clone()).found(file, Journal::in_memory).expect("it is founded");
        run(&mut again).expect("it runs");
        assert_eq!(hash(&mut again), end, "{execution}");
        assert_eq!(nobody.asked(), 0);
        let used = tape(&mut again);
        assert!(used.iter().all(|row| row.origin == Origin::Replayed), "{execution}");
        // An answer that is missing ends the run, and says what the nearest one was.
        let mut file = world_file(&text);
        file.tape = rows;
        file.tape.remove(file.tape.len() / 2);
        let mut cut = with(&nobody, access).found(file, Journal::in_memory).expect("it is founded");
        let error = run(&mut cut).expect_err("an answer is missing").to_string();
        assert!(error.contains("the tape has no answer for `trader_"), "{error}");
        assert_eq!(nobody.asked(), 0);
    }
}
