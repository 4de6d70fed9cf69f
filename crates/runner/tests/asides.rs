//! Calls of language models by code on the wall clock: others act while an answer is awaited, what is paid is charged, and
//! nobody waits who is asked to stop.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use std::{path::Path, sync::Arc, time::Duration};

use oikos_agents::fake::answer;
use oikos_runner::{
    Access, Journal, Live, ModelProvider, ProviderPlace, RunError, Signal, Stop, Why, Workplace,
    fake::{Fake, Scripted},
    kernel::world::wire::Viewer,
    state,
};
use serde_json::{Value, json};

use self::door::{tape, workplace, world_file};

/// A provider that takes its time.
struct Setup {
    fake: Arc<Fake>,
}

/// A provider that takes `ms` milliseconds for each request, and numbers its answers.
fn slow(ms: u64) -> Setup {
    let fake = Fake::new(move |n, _| Scripted {
        latency: Duration::from_millis(ms),
        outcome: Ok(answer(format!("answer {n}"))),
    });
    Setup { fake: Arc::new(fake) }
}

impl Setup {
    fn workplace(&self) -> Workplace {
        let provider =
            ModelProvider { provider: Arc::clone(&self.fake) as _, place: ProviderPlace::Elsewhere };
        Workplace { access: Access::default().with_provider("fake", provider), ..workplace() }
    }

    fn live(&self, text: &str) -> Live {
        self.workplace().found(world_file(text), Journal::in_memory).expect("it is founded")
    }

    fn on_disk(&self, text: &str, db: &Path) -> Live {
        self.workplace().open_or_found(world_file(text), db).expect("it opens")
    }
}

const COUNTER: &str = "def get():\n    return storage_get('n') or 0\ndef add():\n    storage_set('n', (storage_get('n') or 0) + 1)\n";

/// A world in which `counts` counts while `asks` has its code asked.
fn world(clock: &str, execution: &str, asks: &str, more: &str) -> String {
    format!(
        r#"
[world]
clock = "{clock}"
[execution]
{execution}
[llm]
model = "fake::m"
[llm.prices."fake::m"]
input = "$1"
cached_input = "$0"
output = "$2"
[resources.llm_budget]
kind = "depletable"
total = "$1.00"
split = "none"
[resources.llm_calls]
kind = "renewable"
window = "1h"
rate = 100
[[artifacts]]
id = "ann"
has_standing = true
scrip = 10
resources = {{ llm_budget = "$0.10", llm_calls = 10 }}
[[artifacts]]
id = "counter"
owner = "ann"
code = '''
{COUNTER}'''
[[agents]]
id = "counts"
code = "def step(o): return {{'op': 'invoke', 'artifact': 'counter', 'method': 'add'}}"
[[agents]]
id = "asks"
resources = {{ llm_budget = "$0.20", llm_calls = 50 }}
code = """
def step(o):
    return {{'op': 'run', 'code': '''
{asks}
'''}}
"""
{more}
"#
    )
}

const WALL: &str = "mode = \"autonomous\"\nduration = \"1500ms\"\npace = \"50ms\"";

/// Runs it to its end; its journal makes the same world again.
fn run(live: &mut Live) {
    let goal = live.goal().expect("a goal");
    assert!(live.run_to_end(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
    live.sequencer.commit().expect("the books add up");
    let digest = live.world().digest();
    let journal = live.sequencer.journal().expect("no fault");
    assert_eq!(state(&journal).expect("it can be read").digest(), digest);
}

fn stored(live: &Live, who: &str, key: &str) -> Value {
    let artifact = live.world().lookup(who).and_then(|who| live.world().get(who)).expect("it is there");
    artifact.storage().find(|(known, _)| *known == key).map_or(Value::Null, |(_, value)| value.clone())
}

fn steps(live: &Live, who: &str) -> u64 {
    live.world().agent(live.world().lookup(who).expect("it is there")).expect("an agent").steps
}

/// The calls and micro-dollars that a principal was charged, of what it had.
fn charged(live: &Live, who: &str, had: i64) -> (i64, i64) {
    let world = live.world();
    let id = |name: &str| world.rules().resource(name).expect("a resource");
    let who = world.lookup(who).expect("it is there");
    let left = world.capacity(who, id("llm_budget"), live.sequencer.now());
    (world.used(who, id("llm_calls")), had - left)
}

/// The calls and micro-dollars that were paid.
fn paid(live: &mut Live) -> (i64, i64) {
    let rows = tape(live);
    (rows.len() as i64, rows.iter().map(|row| row.cost as i64).sum())
}

#[test]
fn others_act_while_a_model_is_asked() {
    for workers in [1, 2] {
        let setup = slow(400);
        // It asks for what it sees, and is executed anew on the state as it is when the answer is there.
        let asks = "seen = invoke('counter', method='get')\nfirst = call_llm('hi', max_output_tokens=100)\nstorage_set('said', [seen, first, invoke('counter', method='get')])";
        let mut live = setup.live(&world("wall", &format!("{WALL}\nworkers = {workers}"), asks, ""));
        run(&mut live);
        let (asked, counted) = (steps(&live, "asks"), steps(&live, "counts"));
        assert!((1..=4).contains(&asked), "{asked}");
        assert!(counted > 2 * asked, "{counted} while {asked}: it goes on meanwhile");
        let said = stored(&live, "asks", "said");
        assert_eq!(said[0], said[2], "all of an action is on one state: {said}");
        assert!(said[0].as_i64() > Some(0), "and it is that of its end: {said}");
        let (calls, dollars) = paid(&mut live);
        assert_eq!(calls as u64, setup.fake.asked(), "each is asked once");
        // The last one may be awaited at the end, with its worst case set aside.
        let (known, spent) = charged(&live, "asks", 200_000);
        assert!((known, spent) == (calls, dollars) || known == calls - 1, "{known} of {calls}, {spent}");
    }
}

#[test]
fn an_answer_that_an_action_does_not_need_any_more_is_charged_all_the_same() {
    for (then, words) in [
        ("storage_set('said', 'enough')", "enough"),
        // An amount that is owed can't be given away.
        ("storage_set('said', 'enough')\n    transfer('counts', 200000, resource='llm_budget')", ""),
        ("storage_set('said', 'enough')\n    transfer('counts', 50, resource='llm_calls')", ""),
        ("1 / 0", ""),
    ] {
        let setup = slow(300);
        let asks = format!(
            "if invoke('counter', method='get') < 3:\n    call_llm('hi', max_output_tokens=100)\nelse:\n    {then}"
        );
        let mut live = setup.live(&world("wall", WALL, &asks, ""));
        run(&mut live);
        let paid = paid(&mut live);
        assert!(paid.0 > 0 && steps(&live, "asks") > 2, "{then}: {paid:?}");
        assert_eq!(charged(&live, "asks", 200_000), paid, "{then}");
        if !words.is_empty() {
            assert_eq!(stored(&live, "asks", "said"), json!(words));
        }
    }
}

#[test]
fn a_question_that_changes_with_the_world_is_not_asked_without_end() {
    let setup = slow(60);
    let asks = "call_llm('the counter is at ' + str(invoke('counter', method='get')), max_output_tokens=100)\nstorage_set('said', 1)";
    let execution = "mode = \"autonomous\"\nduration = \"3s\"\npace = \"50ms\"";
    let mut live = setup.live(&world("wall", execution, asks, ""));
    run(&mut live);
    let steps = steps(&live, "asks");
    assert!(steps > 0, "it comes to an end");
    let last = live.world().agent(live.world().lookup("asks").expect("it is there")).expect("an agent");
    let last = last.last().expect("it has acted").to_json(live.world(), Viewer::Observer);
    assert!(setup.fake.asked() <= 16 * (steps + 1), "{} in {steps} steps: {last}", setup.fake.asked());
    let (calls, _) = charged(&live, "asks", 200_000);
    assert!(calls > 0 && calls as u64 + 16 >= setup.fake.asked(), "{calls} of {}", setup.fake.asked());
}

#[test]
fn a_call_in_flight_keeps_its_worst_case_from_others() {
    let setup = slow(200);
    let more = r#"
[[artifacts]]
id = "oracle"
owner = "ann"
pays = "self"
has_standing = true
resources = { llm_budget = "$0.0013", llm_calls = 1 }
code = """
def say():
    return call_llm('what is it?', max_output_tokens=100)
"""
[[agents]]
id = "guest"
count = 10
code = "def step(o): return {'op': 'invoke', 'artifact': 'oracle', 'method': 'say'}"
"#;
    let mut live = setup.live(&world("wall", WALL, "1", more));
    run(&mut live);
    assert_eq!(setup.fake.asked(), 1, "the oracle can bear one");
    assert_eq!(charged(&live, "oracle", 1_300), paid(&mut live), "who promised to bear it does");
    for guest in 1..=10 {
        assert_eq!(charged(&live, &format!("guest_{guest:03}"), 0), (0, 0));
    }
}

#[test]
fn a_world_that_was_shut_while_a_step_waited_goes_on() {
    let setup = slow(700);
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let asks = "storage_set('said', call_llm('hi', max_output_tokens=100))";
    let text = world("wall", WALL, asks, "");
    let stop = Stop::default();
    let mut live = setup.on_disk(&text, &db);
    let goal = live.goal().expect("a goal");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while setup.fake.asked() == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.ask(Why::Signal(Signal::Interrupt));
        });
        live.run_to_end(goal, &stop, |_, _| ()).expect("no fault");
    });
    live.sequencer.commit().expect("it is on disk");
    let before = (steps(&live, "asks"), steps(&live, "counts"));
    assert_eq!(before.0, 0);
    drop(live);
    // Longer than it has still to run: the time in which nothing ran is not counted.
    std::thread::sleep(Duration::from_millis(1_600));
    let mut live = setup.on_disk(&text, &db);
    run(&mut live);
    let after = (steps(&live, "asks"), steps(&live, "counts"));
    assert!(after.0 > 0 && after.1 > before.1 + 3, "{before:?} {after:?}");
}

#[test]
fn who_asks_to_stop_waits_for_no_model() {
    for (clock, mode) in [
        ("virtual", "mode = 'tick'\nticks = 3"),
        ("wall", "mode = 'tick'\nticks = 3\ntick_duration = '10ms'"),
        ("virtual", "mode = 'autonomous'\nduration = '3m'\npace = '1m'"),
        ("wall", "mode = 'autonomous'\nduration = '3m'\npace = '10ms'"),
    ] {
        let asks = "storage_set('said', call_llm('hi', max_output_tokens=100))";
        let setup = slow(3_600_000);
        let mut live = setup.live(&world(clock, mode, asks, ""));
        let (goal, stop) = (live.goal().expect("a goal"), Stop::default());
        let seq = live.world().seq();
        let stopped = std::thread::scope(|scope| {
            scope.spawn(|| {
                while setup.fake.asked() == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                stop.ask(Why::Signal(Signal::Interrupt));
            });
            live.run_to_end(goal, &stop, |_, _| ()).expect("no fault")
        });
        assert!(stopped.asked().is_some(), "{clock} {mode}: {stopped:?}");
        live.sequencer.commit().expect("the books add up");
        assert!(live.world().seq() >= seq && tape(&mut live).is_empty());
        // An action from outside waits no more either, and has not happened.
        let seq = live.world().seq();
        let fault = live.sequencer.act("ann", json!({ "op": "run", "code": "call_llm('hi')" }));
        assert!(matches!(fault, Err(RunError::Stopped)), "{fault:?}");
        assert_eq!(live.world().seq(), seq);
    }
}
