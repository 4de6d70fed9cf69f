//! Models that can't be asked, and money that is spent: they stop nobody but those whose they are, nothing is paid twice,
//! and no budget is exceeded.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::{path::Path, sync::Arc, time::Duration};

use oikos_agents::{Failure, FailureKind};
use oikos_runner::{
    Access, Journal, Live, ModelProvider, ProviderPlace, RunError, Stop, Stopped, TapeMode, Workplace,
    fake::{self, Fake, Scripted},
    kernel::world::wire::Viewer,
    session::respond,
    state,
};
use serde_json::{Value, json};

use self::door::{tape, workplace, world_file};

const AUTONOMOUS: &str = "mode = \"autonomous\"\nduration = \"20s\"";
const TICKS: &str = "mode = \"tick\"\nticks = 4";
const GIFT: &str = r#"{"think": "a gift", "ops": [{"op": "transfer", "to": "worker", "amount": 1}]}"#;

/// Two language models and a script, and more.
fn world(execution: &str, llm: &str, more: &str) -> String {
    format!(
        r#"
[execution]
{execution}
[llm]
model = "fake::m"
{llm}
[llm.prices."fake::m"]
input = "$1.00"
output = "$10.00"
[[agents]]
id = "trader"
count = 2
mind = "llm"
max_output_tokens = 50
scrip = 100
[[agents]]
id = "worker"
scrip = 5
code = "def step(o): return {{'op': 'store', 'key': 'k', 'value': o['step']}}"
{more}
"#
    )
}

/// Answers with a gift, but as `bad` and `keyless`, which fail for all who ask them.
fn provider() -> Arc<Fake> {
    Arc::new(Fake::new(|n, request| {
        let outcome = match request.model.model.as_str() {
            "bad" => {
                Err(Failure::new(FailureKind::Invalid, "`fake` does not know the model `bad` (404)").fatal())
            }
            "keyless" => Err(Failure::new(FailureKind::Auth, "`fake` does not accept the key")),
            _ => Ok(fake::answer(GIFT)),
        };
        Scripted { latency: Duration::from_millis(n % 3), outcome }
    }))
}

fn with(provider: &Arc<Fake>, access: Access) -> Workplace {
    let provider = ModelProvider { provider: Arc::clone(provider) as _, place: ProviderPlace::Local };
    Workplace { access: access.with_provider("fake", provider), ..workplace() }
}

fn founded(text: &str, fake: &Arc<Fake>) -> Live {
    with(fake, Access::default()).found(world_file(text), Journal::in_memory).expect("it is founded")
}

fn on_disk(text: &str, fake: &Arc<Fake>, access: Access, db: &Path) -> Live {
    with(fake, access).open_or_found(world_file(text), db).expect("it goes on")
}

fn run(live: &mut Live) -> Result<Stopped, RunError> {
    let goal = live.goal().expect("a goal");
    live.run_to_end(goal, &Stop::default(), |_, _| ())
}

fn act(live: &mut Live, who: &str, action: Value) -> Value {
    let receipt = live.sequencer.act(who, action).expect("no fault");
    receipt.to_json(live.world(), Viewer::Observer)
}

fn asked(live: &mut Live, request: Value) -> Value {
    let line = respond(live, request.to_string().as_bytes(), &Stop::default()).expect("no fault");
    serde_json::from_str(&line).expect("JSON")
}

fn last(live: &Live, who: &str) -> Value {
    let agent = live.world().agent(live.world().lookup(who).unwrap()).unwrap();
    agent.last().map_or(Value::Null, |last| last.to_json(live.world(), Viewer::Observer))
}

fn hash(live: &mut Live) -> String {
    live.sequencer.commit().expect("it is on disk");
    format!("{:?}", live.sequencer.head().journal_hash)
}

fn paid(live: &mut Live) -> u64 {
    tape(live).iter().map(|row| row.cost).sum()
}

#[test]
fn a_model_that_a_mind_names_by_itself_fails_that_mind_alone() {
    for execution in [TICKS, AUTONOMOUS] {
        for (model, code, says) in [
            ("nobody::x", "unsupported", "there is no provider `nobody`"),
            // A key in the environment is no consent: the world file does not name it.
            ("openai::gpt-4o-mini", "unsupported", "there is no provider `openai`"),
            ("fake::bad", "code_error", "llm invalid: `fake` does not know the model `bad`"),
            ("fake::keyless", "code_error", "llm auth: `fake` does not accept the key"),
        ] {
            let (fake, text) = (provider(), world(execution, "", ""));
            let mut live = founded(&text, &fake);
            let mind = json!({ "mind": { "kind": "llm", "model": model } });
            let write = json!({ "op": "write", "artifact": "trader_001", "content": mind });
            assert_eq!(act(&mut live, "trader_001", write.clone())["ok"], true);
            run(&mut live).expect("the others go on");
            let error = last(&live, "trader_001")["error"].clone();
            assert_eq!(error["code"], code, "{model}: {error}");
            assert!(error["message"].as_str().unwrap().starts_with(says), "{model}: {error}");
            assert_eq!(last(&live, "trader_002")["ok"], true, "{execution}");
            // It failed by its own mind, so it is asked less and less.
            let failed = live.world().agent(live.world().lookup("trader_001").unwrap()).unwrap();
            assert!(failed.steps > 1 && failed.steps <= 6, "{execution} {model}: {}", failed.steps);
            // From the tape alone it goes the same way.
            let (end, rows) = (hash(&mut live), tape(&mut live));
            let mut file = world_file(&text);
            file.tape = rows;
            let access = Access::default().with_tape(Some(TapeMode::Replay));
            let mut again = with(&fake, access).found(file, Journal::in_memory).expect("it is founded");
            assert_eq!(act(&mut again, "trader_001", write)["ok"], true);
            run(&mut again).expect("it runs");
            assert_eq!(hash(&mut again), end, "{execution} {model}");
        }
    }
}

#[test]
fn a_model_that_code_names_by_itself_is_a_failure_which_the_code_catches() {
    for (model, says) in [
        ("nobody::x", "unsupported: there is no provider `nobody`"),
        ("openai::gpt-4o-mini", "unsupported: there is no provider `openai`"),
        ("fake::bad", "llm invalid: `fake` does not know the model `bad`"),
        ("fake::keyless", "llm auth: `fake` does not accept the key"),
    ] {
        let mut live = founded(&world(TICKS, "", ""), &provider());
        let code = format!(
            "try:\n    call_llm('hi', model='{model}')\nexcept Exception as e:\n    result = str(e)\nresult"
        );
        let receipt = act(&mut live, "worker", json!({ "op": "run", "code": code }));
        let said = receipt["result"].as_str().unwrap_or_default();
        assert!(said.contains(says), "{model}: {receipt}");
    }
}

#[test]
fn what_the_world_file_names_stops_the_run_when_all_others_have_answered() {
    let bad = "[[agents]]\nid = \"bad\"\nmind = \"llm\"\nmodel = \"fake::bad\"";
    for execution in [TICKS, AUTONOMOUS] {
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        let (fake, text) = (provider(), world(execution, "", bad));
        for times in 1..4_u64 {
            let mut live = on_disk(&text, &fake, Access::default(), &db);
            let halt = run(&mut live).expect_err("all would meet it").to_string();
            assert!(halt.contains("does not know the model `bad`"), "{halt}");
            // In a tick all are asked before anybody is heard. Alone one may fail before another has a turn.
            let answered = tape(&mut live).len();
            assert!(
                answered == 2 || (answered < 2 && execution != TICKS),
                "{execution}: {answered} have answered"
            );
            assert_eq!(
                fake.asked(),
                answered as u64 + times,
                "{execution}: who was asked has answered, once"
            );
        }
    }
    // Where it is known before anybody is asked, nobody is.
    let nobody = "[[agents]]\nid = \"unknown\"\nmind = \"llm\"\nmodel = \"nobody::x\"";
    let fake = provider();
    let mut live = founded(&world(TICKS, "", nobody), &fake);
    run(&mut live).expect_err("there is no such provider");
    assert_eq!(fake.asked(), 0);
}

#[test]
fn answers_that_are_under_way_when_clients_are_to_decide_are_kept() {
    let client = "[[agents]]\nid = \"client\"\nmind = \"external\"";
    for execution in [TICKS, AUTONOMOUS] {
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        // The client's turn comes after those of the models.
        let fixed = format!("{execution}\norder = \"fixed\"");
        let (fake, text) = (provider(), world(&fixed, "", client));
        for at in 0..4 {
            let mut live = on_disk(&text, &fake, Access::default(), &db);
            if at % 2 == 0 {
                assert_eq!(run(&mut live).expect("it stops"), Stopped::Turns, "{execution}");
            } else {
                let input = std::io::BufReader::new(&b"{\"run\":{\"for\":\"1s\"}}\n"[..]);
                let mut output = Vec::new();
                oikos_runner::session::serve(&mut live, input, &mut output, &Stop::default())
                    .expect("no fault");
                let told: Value = serde_json::from_slice(&output).expect("one line of JSON");
                assert_eq!(told["stopped"], "turns", "{told}");
            }
            assert_eq!(fake.asked(), 2, "{execution}");
            assert_eq!(tape(&mut live).len(), 2, "{execution}: paid is recorded");
        }
    }
}

#[test]
fn a_budget_is_not_exceeded_by_actions_that_leave_no_record() {
    // One answer costs 100 micro-dollars; the second call of each action can't fit.
    let text = world(TICKS, "budget = \"$0.0030\"", "");
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let fake = provider();
    let (mut refused, mut before) = (0, 0);
    for at in 0..40 {
        let mut live = on_disk(&text, &fake, Access::default(), &db);
        let ask = "x".repeat(300);
        let code =
            format!("call_llm('{ask} {at}', max_output_tokens=9)\ncall_llm('y', max_output_tokens=30000)");
        for _ in 0..2 {
            let receipt = act(&mut live, "worker", json!({ "op": "run", "code": code }));
            assert_eq!(receipt["error"]["code"], "budget_exhausted", "{receipt}");
            let paid = paid(&mut live);
            assert!(paid <= 3_000, "{at}: {paid} micro-dollars were paid");
            refused += usize::from(paid == before);
            before = paid;
        }
    }
    assert!(before > 1_000, "most of it was used: {before}");
    assert!(refused > 40, "the second of two asks nobody, and at the end nobody is asked at all: {refused}");
}

#[test]
fn an_answer_is_counted_once_however_often_its_action_is_tried() {
    let mut live = founded(&world(TICKS, "budget = \"$0.0100\"", ""), &provider());
    let mut left = Vec::new();
    for _ in 0..5 {
        let code = "call_llm('hi', max_output_tokens=9)\ncall_llm('y', max_output_tokens=30000)";
        let receipt = act(&mut live, "worker", json!({ "op": "run", "code": code }));
        left.push(receipt["error"]["message"].as_str().unwrap().to_owned());
    }
    assert!(left.iter().all(|told| *told == left[0]), "{left:?}");
}

#[test]
fn a_decision_that_the_budget_does_not_reach_for_is_refused_and_its_turn_stays_open() {
    let client = "[[agents]]\nid = \"client\"\nmind = \"external\"";
    let text = world(AUTONOMOUS, "budget = \"$0.1000\"", client);
    let mut live = founded(&text, &provider());
    assert_eq!(asked(&mut live, json!({ "run": { "for": "5s" } }))["stopped"], "turns");
    let dear = json!([{ "op": "run", "code": "call_llm('y', max_output_tokens=30000)" }]);
    for _ in 0..2 {
        let told = asked(&mut live, json!({ "id": 1, "decide": { "as": "client", "ops": dear } }));
        assert_eq!(told["receipt"]["error"]["code"], "budget_exhausted", "{told}");
    }
    let told = asked(
        &mut live,
        json!({ "decide": { "as": "client", "ops": [{ "op": "query", "what": "agents" }] } }),
    );
    assert_eq!(told["receipt"]["ok"], true, "{told}");
}

#[test]
fn a_session_outlives_models_that_can_t_be_asked() {
    let bad = "[[agents]]\nid = \"bad\"\nmind = \"llm\"\nmodel = \"fake::bad\"";
    let mut live = founded(&world(TICKS, "", bad), &provider());
    let gift = json!({ "id": 1, "act": { "as": "worker", "ops": [{ "op": "transfer", "to": "trader_001", "amount": 1 }] } });
    assert_eq!(asked(&mut live, gift)["receipt"]["ok"], true);
    for _ in 0..2 {
        let told = asked(&mut live, json!({ "id": 2, "run": { "ticks": 1 } }));
        assert_eq!((&told["id"], &told["error"]["code"]), (&json!(2), &json!("unsupported")), "{told}");
    }
    let call = json!({ "act": { "as": "worker", "op": "run", "code": "call_llm('hi', model='fake::bad')" } });
    assert_eq!(asked(&mut live, call)["receipt"]["error"]["code"], "unsupported");
    assert_eq!(asked(&mut live, json!({ "query": { "what": "balances" } }))["error"], Value::Null);
}

#[test]
fn nobody_waits_for_a_client_that_no_world_file_declares() {
    for execution in [TICKS, AUTONOMOUS] {
        let mut live = founded(&world(execution, "", ""), &provider());
        let mind = json!({ "mind": { "kind": "external" } });
        let write = json!({ "op": "write", "artifact": "trader_001", "content": mind });
        assert_eq!(act(&mut live, "trader_001", write)["ok"], true);
        assert!(run(&mut live).expect("it runs").is_done(), "{execution}");
        assert_eq!(last(&live, "trader_001")["error"]["code"], "unsupported", "{execution}");
        assert!(last(&live, "worker")["ok"] == true);
    }
    // Where a client may be, it is told.
    let mut live = founded(&world(AUTONOMOUS, "", ""), &provider());
    let mind = json!({ "mind": { "kind": "external" } });
    act(&mut live, "trader_001", json!({ "op": "write", "artifact": "trader_001", "content": mind }));
    let told = asked(&mut live, json!({ "run": { "for": "5s" } }));
    assert_eq!((&told["stopped"], &told["turns"][0]["as"]), (&json!("turns"), &json!("trader_001")));
}

#[test]
fn a_turn_whose_client_is_replaced_by_another_mind_is_not_waited_for() {
    let client = "[[agents]]\nid = \"client\"\nmind = \"external\"";
    for execution in [TICKS, AUTONOMOUS] {
        let mut live = founded(&world(execution, "", client), &provider());
        assert_eq!(run(&mut live).expect("it stops"), Stopped::Turns, "{execution}");
        let script =
            json!({ "op": "write", "artifact": "client", "content": {}, "code": "def step(o): return None" });
        let written = act(&mut live, "client", script);
        assert_eq!(written["ok"], true, "{written}");
        assert!(run(&mut live).expect("it runs").is_done(), "{execution}");
        let client = live.world().agent(live.world().lookup("client").unwrap()).unwrap();
        assert!(client.steps > 2, "{execution}: its own code decides now");
    }
}

#[test]
fn a_recording_that_goes_on_does_not_ask_an_open_turn_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let fake = provider();
    for seconds in [2, 3, 5] {
        let text = world(&AUTONOMOUS.replace("20s", &format!("{seconds}s")), "", "");
        let record = Access::default().with_tape(Some(TapeMode::Record));
        let mut live = on_disk(&text, &fake, record, &db);
        run(&mut live).expect("it runs");
        assert_eq!(tape(&mut live).len() as u64, fake.asked(), "{seconds}: paid is recorded");
    }
}

#[test]
fn a_replay_that_lacks_an_answer_leaves_the_world_as_it_was() {
    for execution in [TICKS, AUTONOMOUS] {
        let access = Access::default().with_tape(Some(TapeMode::Replay));
        let file = world_file(world(execution, "", ""));
        let mut live = with(&provider(), access).found(file, Journal::in_memory).expect("it is founded");
        for _ in 0..2 {
            run(&mut live).expect_err("the tape is empty");
            let thinking = live.world().agents().filter(|agent| agent.is_thinking()).count();
            assert_eq!(thinking, 0, "{execution}");
        }
    }
}

#[test]
fn a_snapshot_that_is_stored_while_models_think_changes_nothing() {
    let client =
        "[[agents]]\nid = \"client\"\ncontent = { mind = { kind = \"external\", think_time = \"3s\" } }";
    for more in ["", client] {
        let mut end = None;
        for is_cut in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let db = folder.path().join("w.oikos");
            let fake = provider();
            let text = world(AUTONOMOUS, "", more);
            let mut live = on_disk(&text, &fake, Access::default(), &db);
            let mut snapshots = 0;
            for _ in 0..20 {
                // The client decides nothing whenever it is asked.
                let told = asked(&mut live, json!({ "run": { "for": "1s" } }));
                let seen = told["turns"].as_array().cloned().unwrap_or_default();
                for turn in &seen {
                    let told = asked(&mut live, json!({ "decide": { "as": turn["as"], "ops": null } }));
                    assert_eq!(told["pending"], true, "{told}");
                }
                if !is_cut {
                    continue;
                }
                live.sequencer.commit().expect("it is on disk");
                let thinks = live.world().agents().any(|agent| agent.is_thinking());
                let is_open = live.world().agents().any(|agent| agent.is_thinking() && seen.is_empty());
                if !is_open {
                    continue;
                }
                drop(live);
                let mut journal = Journal::open(&db).expect("the journal");
                let world = state(&journal).expect("the world");
                journal.put_snapshot(&world).expect("it is stored");
                snapshots += usize::from(thinks);
                drop(journal);
                live = on_disk(&text, &fake, Access::default(), &db);
            }
            let hash = hash(&mut live);
            assert_eq!(*end.get_or_insert(hash.clone()), hash, "{more}");
            assert_eq!(snapshots > 3, is_cut, "{snapshots}");
        }
    }
}
