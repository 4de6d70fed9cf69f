//! Agents whose mind is a language model: a world asks, goes on, and is the same however fast the answers come; they are
//! paid once, and a run that stopped for money goes on with more of it.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use oikos_runner::{
    Access, Journal, Live, ModelProvider, ProviderPlace, RunError, Stop, Stopped, TapeMode, Workplace,
    fake::{self, Fake, Scripted},
    kernel::{tape::Origin, world::wire::Viewer},
    session::respond,
};
use serde_json::{Value, json};

use self::door::{tape, workplace, world_file};

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
    let stopped = live.run_to_end(goal, &Stop::default(), |_, _| ())?;
    Ok(stopped)
}

fn hash(live: &mut Live) -> String {
    live.sequencer.commit().expect("it is on disk");
    format!("{:?}", live.sequencer.head().journal_hash)
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

/// A provider that answers as `say` does, and keeps each request.
fn keeper(say: impl Fn(u64, &str) -> String + Send + Sync + 'static) -> (Arc<Fake>, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let fake = Fake::new(move |n, request| {
        let text = request.canonical();
        kept.lock().unwrap().push(text.clone());
        Scripted { latency: Duration::from_millis(n % 3), outcome: Ok(fake::answer(say(n, &text))) }
    });
    (Arc::new(fake), asked)
}

fn act(live: &mut Live, who: &str, action: Value) -> Value {
    let receipt = live.sequencer.act(who, action).expect("no fault");
    receipt.to_json(live.world(), Viewer::Observer)
}

fn run_for(live: &mut Live, span: &str) -> Value {
    let request = json!({ "run": { "for": span } }).to_string();
    let line = respond(live, request.as_bytes(), &Stop::default()).expect("no fault");
    serde_json::from_str(&line).expect("JSON")
}

/// The use of a resource by an agent.
fn spent(live: &Live, who: &str, resource: &str) -> i64 {
    let world = live.world();
    let id = world.rules().resource(resource).expect("a resource");
    world.used(world.lookup(who).expect("it is there"), id)
}

const GIFT: &str = r#"{"think": "a gift", "ops": [{"op": "transfer", "to": "worker_001", "amount": 1}]}"#;

#[test]
fn an_agent_that_can_t_pay_for_its_next_thought_is_frozen_and_goes_on_with_more() {
    for execution in [AUTONOMOUS, TICKS] {
        // Enough for some requests, and for no more.
        let budget = "[resources.llm_budget]\nkind = \"depletable\"\ntotal = \"$0.40\"";
        let text = world(2, execution, "")
            .replace("[[agents]]\nid = \"trader\"", &format!("{budget}\n[[agents]]\nid = \"trader\""));
        let dear =
            |_, _: &_| Scripted { latency: Duration::ZERO, outcome: Ok(fake::billed(GIFT, 25_000, 40)) };
        let fake = Arc::new(Fake::new(move |n, request| dear(n, request)));
        let mut live = founded(&text, &with(&fake, Access::default()), None);
        run(&mut live).expect("it runs");
        let rows = tape(&mut live);
        for who in ["trader_001", "trader_002"] {
            let cost: u64 = rows.iter().filter(|row| row.agent == who).map(|row| row.cost).sum();
            let left = live.world().capacity(
                live.world().lookup(who).unwrap(),
                live.world().rules().resource("llm_budget").unwrap(),
                live.sequencer.now(),
            );
            assert!(cost > 0 && left >= 0, "{who}: {cost}, {left}");
            assert_eq!(left + cost as i64, 100_000, "{execution}: {who} is charged what was paid");
            let agent = live.world().agent(live.world().lookup(who).unwrap()).unwrap();
            assert_eq!(agent.state(), "blocked", "{execution}: {who} has {left} left");
        }
        let steps =
            |live: &Live| live.world().agent(live.world().lookup("trader_001").unwrap()).unwrap().steps;
        let before = steps(&live);
        let gift =
            json!({ "op": "transfer", "to": "trader_001", "resource": "llm_budget", "amount": 90_000 });
        assert_eq!(act(&mut live, "worker_001", gift)["ok"], true);
        let request = if execution == TICKS {
            json!({ "run": { "ticks": 2 } })
        } else {
            json!({ "run": { "for": "10s" } })
        };
        respond(&mut live, request.to_string().as_bytes(), &Stop::default()).expect("no fault");
        assert!(steps(&live) > before, "{execution}: it goes on");
    }
}

#[test]
fn calls_and_tokens_are_windows_like_others() {
    let windows = "[resources.llm_calls]\nkind = \"renewable\"\nrate = 2\nwindow = \"60s\"\n[resources.llm_tokens]\nkind = \"renewable\"\nrate = 1000000\nwindow = \"60s\"";
    let text = world(3, AUTONOMOUS, "")
        .replace("[[agents]]\nid = \"trader\"", &format!("{windows}\n[[agents]]\nid = \"trader\""));
    let (fake, _) = keeper(|_, _| GIFT.into());
    let mut live = founded(&text, &with(&fake, Access::default()), None);
    run(&mut live).expect("it runs");
    assert_eq!(fake.asked(), 6, "two in a minute for each of three");
    for row in tape(&mut live) {
        assert!(row.tokens_in + row.tokens_out > 0);
    }
    assert_eq!(spent(&live, "trader_001", "llm_calls"), 2);
    let tokens: u64 = tape(&mut live)
        .iter()
        .filter(|row| row.agent == "trader_001")
        .map(|row| row.tokens_in + row.tokens_out)
        .sum();
    assert_eq!(spent(&live, "trader_001", "llm_tokens"), tokens as i64);
    run_for(&mut live, "60s");
    assert!(fake.asked() > 6, "they come back");
}

#[test]
fn a_mind_that_is_changed_while_it_thinks_is_void_and_one_that_is_gone_thinks_no_more() {
    let (fake, _) = keeper(|_, _| GIFT.into());
    let mut live = founded(&world(2, AUTONOMOUS, ""), &with(&fake, Access::default()), None);
    run_for(&mut live, "1s");
    let mind = json!({ "mind": { "kind": "llm", "model": "fake::m", "prompt": "You take." } });
    assert_eq!(
        act(&mut live, "trader_001", json!({ "op": "write", "artifact": "trader_001", "content": mind }))["ok"],
        true
    );
    let gone = act(
        &mut live,
        "trader_002",
        json!([{ "op": "delete", "artifact": "trader_002_memory" }, { "op": "delete", "artifact": "trader_002", "heir": "worker_001" }]),
    );
    assert_eq!(gone["ok"], true, "{gone}");
    run_for(&mut live, "2s");
    let last = live.world().agent(live.world().lookup("trader_001").unwrap()).unwrap().last().unwrap();
    let last = last.to_json(live.world(), Viewer::Observer);
    assert_eq!(last["error"]["code"], "conflict", "{last}");
    run_for(&mut live, "5s");
    live.sequencer.commit().expect("the books add up");
    let rows = tape(&mut live);
    assert!(rows.iter().any(|row| row.agent == "trader_001" && row.request.contains("You take.")));
    assert_eq!(rows.iter().filter(|row| row.agent == "trader_002").count(), 1, "it was asked once");
}

#[test]
fn looks_are_answered_from_the_state_of_the_turn_and_pay_for_nothing() {
    let shop = r#"
[[artifacts]]
id = "shop"
owner = "worker_001"
price = 3
code = "def run(): return 1"
[[artifacts]]
id = "free"
owner = "worker_001"
content = "the word is bread"
"#;
    let looks = r#"{"think": "first a look", "looks": [{"op": "read", "artifact": "free"}, {"op": "invoke", "artifact": "shop", "max_spend": 9}, {"op": "transfer", "to": "worker_001", "amount": 5}]}"#;
    let (fake, asked) =
        keeper(move |_, text| if text.contains("Your looks:") { GIFT.into() } else { looks.into() });
    let mut live = founded(&format!("{}{shop}", world(1, TICKS, "")), &with(&fake, Access::default()), None);
    let request = json!({ "run": { "ticks": 1 } }).to_string();
    respond(&mut live, request.as_bytes(), &Stop::default()).expect("no fault");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "the looks, and the act");
    for says in ["the word is bread", "costs 3 scrip", "a look"] {
        assert!(asked[1].contains(says), "{says}: {}", asked[1]);
    }
    let trader = live.world().lookup("trader_001").unwrap();
    assert_eq!(live.world().scrip(trader), 99, "only the gift was paid");
}

#[test]
fn a_mind_reads_what_it_remembers_and_what_is_pinned() {
    let (fake, asked) = keeper(|n, _| {
        match n {
        0 => r#"{"ops": [{"op": "remember", "text": "my contract is number 7", "tags": ["pinned"]}, {"op": "remember", "text": "bread is cheap"}]}"#.into(),
        _ => GIFT.into(),
    }
    });
    let mut live = founded(&world(1, AUTONOMOUS, ""), &with(&fake, Access::default()), None);
    run_for(&mut live, "8s");
    let asked = asked.lock().unwrap();
    assert!(!asked[0].contains("bread is cheap") && asked.len() > 1);
    for says in ["my contract is number 7", "bread is cheap"] {
        assert!(asked[1].contains(says), "{says}: {}", asked[1]);
    }
}

#[test]
fn on_the_wall_clock_an_answer_takes_effect_when_it_is_there() {
    let text = world(4, "mode = \"autonomous\"\nduration = \"2s\"\npace = \"200ms\"", "");
    let (fake, _) = keeper(|_, _| GIFT.into());
    let mut live =
        founded(&format!("[world]\nclock = \"wall\"\n{text}"), &with(&fake, Access::default()), None);
    run(&mut live).expect("it runs");
    let worker = live.world().lookup("worker_001").unwrap();
    let gifts = live.world().scrip(worker) - 5;
    assert!(gifts > 3 && gifts as u64 <= fake.asked(), "{gifts} gifts, {} asked", fake.asked());
    live.sequencer.commit().expect("the books add up");
}

/// A mind that remembers two things at first; those who pay it are as many as an inbox holds, with long names.
fn remembering(recall: u32) -> (Arc<Fake>, Live) {
    let fake = Arc::new(Fake::new(|n, _| {
        let first = r#"{"ops": [{"op": "remember", "text": "bread is cheap"},
            {"op": "remember", "text": "payer_of_a_very_long_name_003 pays late"}]}"#;
        let answer = if n == 0 { first } else { r#"{"ops": [{"op": "store", "key": "k", "value": "v"}]}"# };
        Scripted { latency: Duration::ZERO, outcome: Ok(fake::answer(answer)) }
    }));
    let text = format!(
        r#"
[execution]
ticks = 6
[llm]
model = "fake::m"
[[agents]]
id = "keeper"
mind = "llm"
recall = {recall}
memory = true
[[agents]]
id = "payer_of_a_very_long_name"
count = 40
scrip = 100
code = "def step(o): return [{{'op': 'transfer', 'to': 'keeper', 'amount': 1}}] * 2"
"#
    );
    let live = founded(&text, &with(&fake, Access::default()), None);
    (fake, live)
}

#[test]
fn a_memory_is_before_its_mind_however_much_happened() {
    for recall in [0, 1, 2] {
        let (_, mut live) = remembering(recall);
        assert!(run(&mut live).expect("it runs").is_done());
        let rows = tape(&mut live);
        let asked: Vec<&str> = rows.iter().map(|row| row.request.as_str()).collect();
        assert_eq!(asked.len(), 6);
        let count = |words: &str| asked.iter().filter(|request| request.contains(words)).count();
        // The entry of whom the events tell comes first, and the other one where there is room for two.
        let (late, cheap) = (count("pays late"), count("bread is cheap"));
        assert_eq!((late, cheap), [(0, 0), (5, 0), (5, 5)][recall as usize], "recall = {recall}");
    }
}

#[test]
fn models_that_get_nowhere_are_told_of_with_the_likely_cause() {
    const GUESS: &str = r#"{"ops": [{"op": "read", "artifact": "shop"}]}"#;
    for (answer, words) in [
        ("I would rather not say.", "malformed: 3 answers in a row were no actions"),
        (GUESS, "repeating: the same refusal 5 times: `not_found`; its ids may be wrong"),
        (r#"{"ops": []}"#, "silent: its first 10 steps had no effect; its mind decides to do nothing"),
    ] {
        for execution in [AUTONOMOUS.replace("20s", "1m"), TICKS.replace('6', "12")] {
            let (fake, _) = keeper(move |_, _| answer.into());
            let mut live = founded(&world(1, &execution, ""), &with(&fake, Access::default()), None);
            run(&mut live).expect("it runs");
            let world = live.world();
            let said: Vec<&str> = world.health().iter().map(|tally| &*tally.detail).collect();
            let found = said.iter().filter(|detail| detail.starts_with(words)).count();
            assert_eq!(found, 1, "{execution}: {answer}: {said:?}");
            let ill = |who: &str| world.ailments(world.lookup(who).unwrap()).count();
            assert!(ill("trader_001") > 0, "{execution}");
            assert_eq!(ill("worker_001"), 0, "those who do well are not told of");
        }
    }
}

#[test]
fn a_session_says_that_the_money_is_spent() {
    for (execution, request) in [(TICKS, json!({ "ticks": 2 })), (AUTONOMOUS, json!({ "for": "10s" }))] {
        let text = world(2, execution, "budget = \"$0.00\"");
        let (fake, _) = keeper(|_, _| GIFT.into());
        let mut live = founded(&text, &with(&fake, Access::default()), None);
        let line = json!({ "run": request }).to_string();
        for _ in 0..2 {
            let answer = respond(&mut live, line.as_bytes(), &Stop::default()).expect("no fault");
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            assert_eq!(answer["stopped"], "budget", "{execution}: {answer}");
        }
        assert_eq!(fake.asked(), 0, "{execution}");
    }
}

#[test]
fn a_preview_tells_what_a_first_round_would_ask_and_asks_nobody() {
    let text = world(3, TICKS, "");
    let (fake, _) = keeper(|_, _| GIFT.into());
    let workplace = with(&fake, Access::default());
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let see = |file| oikos_runner::preview(&workplace, file, Some(&(&db).into())).expect("it can be told");
    let fresh = see(world_file(&text));
    assert_eq!(
        fresh.iter().map(|one| one.agent.as_str()).collect::<Vec<_>>(),
        ["trader_001", "trader_002", "trader_003"]
    );
    for one in &fresh {
        assert!(one.problem.is_none() && !one.is_taped && one.bytes > 1_000, "{one:?}");
        let bound = one.tokens_max + 9 * 50;
        assert_eq!(one.cost_max, Some(bound), "a dollar for a million, and ten for an answer's 50: {one:?}");
    }
    assert_eq!((fake.asked(), db.exists()), (0, false));
    // The answers of its tape are there, and those of its own database, each to its own asking.
    let mut live = founded(&text, &workplace, Some(&db));
    let request = json!({ "run": { "ticks": 1 } }).to_string();
    respond(&mut live, request.as_bytes(), &Stop::default()).expect("no fault");
    let mut file = world_file(&text);
    file.tape = tape(&mut live);
    drop(live);
    let elsewhere = folder.path().join("other.oikos");
    let taped = oikos_runner::preview(&workplace, file, Some(&(&elsewhere).into())).expect("it can be told");
    assert!(taped.iter().all(|one| one.is_taped), "{taped:?}");
    assert!(see(world_file(&text)).iter().all(|one| !one.is_taped), "the second round is not there");
    assert_eq!(fake.asked(), 3);
}

#[test]
fn a_turn_that_breaks_off_by_a_fault_of_ours_ends_the_run_and_does_not_hang_it() {
    for execution in [AUTONOMOUS, TICKS] {
        let fake = Arc::new(Fake::new(|n, _| {
            assert!(n < 3, "a provider that is broken");
            Scripted { latency: Duration::ZERO, outcome: Ok(fake::answer(GIFT)) }
        }));
        let mut live = founded(&world(2, execution, ""), &with(&fake, Access::default()), None);
        let error = run(&mut live).expect_err("it ends").to_string();
        assert!(error.contains("internal error") && error.contains("broke off"), "{execution}: {error}");
        live.sequencer.commit().expect("the books add up");
    }
}
