//! Agents whose mind is a client: a run stops for their turns, their decisions are steps like any others, and a
//! world that was shut asks again what it had asked.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use oikos_runner::{
    Journal, Live, Stop,
    guest::{Awaited, Watching},
    request::{Act, Decide, Reply, Request},
    session::respond,
};
use serde_json::{Value, json};

use self::door::world_file;

const AGENTS: &str = r#"
[[agents]]
id = "alice"
mind = "external"
scrip = 10
[[agents]]
id = "bob"
scrip = 10
code = "def step(o): return {'op': 'transfer', 'to': 'alice', 'amount': 1} if o['self']['scrip'] else None"
"#;

const CAROL: &str = r#"
[[agents]]
id = "carol"
scrip = 10
content = { mind = { kind = "external", think_time = "5s" } }
"#;

fn tick() -> String {
    format!("[execution]\nmode = \"tick\"\nticks = 9\n{AGENTS}")
}

fn autonomous(clock: &str, more: &str) -> String {
    format!(
        "[world]\nclock = \"{clock}\"\n[execution]\nmode = \"autonomous\"\nduration = \"1h\"\n{more}{AGENTS}"
    )
}

fn found(text: &str, db: Option<&Path>) -> Live {
    let file = world_file(text);
    Live::found(file, || db.map_or_else(Journal::in_memory, Journal::create)).expect("it is founded")
}

fn ask(live: &mut Live, request: &Value) -> Value {
    let line = respond(live, request.to_string().as_bytes(), &Stop::default()).expect("no fault");
    serde_json::from_str(&line).expect("JSON")
}

fn run(live: &mut Live, span: Value) -> Value {
    ask(live, &json!({ "run": span }))
}

fn decide(live: &mut Live, who: &str, ops: Value) -> Value {
    ask(live, &json!({ "decide": { "as": who, "ops": ops } }))
}

fn scrip(live: &Live, who: &str) -> i64 {
    let world = live.world();
    world.scrip(world.lookup(who).unwrap())
}

fn names(ran: &Value) -> Vec<&str> {
    ran["turns"].as_array().expect("turns").iter().map(|turn| turn["as"].as_str().unwrap()).collect()
}

#[test]
fn a_tick_waits_for_its_clients_and_then_all_act() {
    let mut live = found(&format!("{}{CAROL}", tick()), None);
    let ran = run(&mut live, json!({ "ticks": 2 }));
    assert_eq!(ran["stopped"], "turns");
    let mut both = names(&ran);
    both.sort_unstable();
    assert_eq!(both, ["alice", "carol"], "all of the tick's at once");
    assert_eq!(ran["turns"][0]["observation"]["tick"], 0);
    assert_eq!(scrip(&live, "bob"), 10, "nobody acts before all have decided");
    // A second run stops at once, for the same turns.
    assert_eq!(run(&mut live, json!({ "ticks": 2 })), ran);
    let told = decide(&mut live, "alice", json!([{ "op": "transfer", "to": "carol", "amount": 4 }]));
    assert_eq!((&told["receipt"], &told["pending"]), (&Value::Null, &json!(true)));
    let again = decide(&mut live, "alice", json!([]));
    assert_eq!(again["receipt"]["error"]["code"], "conflict", "{again}");
    assert_eq!(
        names(&run(&mut live, json!({ "ticks": 2 }))),
        ["carol"],
        "who has decided is not asked again"
    );
    decide(&mut live, "carol", Value::Null);
    let ran = run(&mut live, json!({ "ticks": 2 }));
    assert_eq!(ran["stopped"], "turns", "the next tick's");
    let alice = ran["turns"].as_array().unwrap().iter().find(|turn| turn["as"] == "alice").unwrap();
    assert_eq!(alice["observation"]["last"]["ok"], true, "the receipt is `last`: {alice}");
    assert_eq!(["alice", "bob", "carol"].map(|who| scrip(&live, who)), [7, 9, 14]);
    live.world().audit().expect("the books");
}

#[test]
fn a_client_acts_when_it_decides_and_sees_what_came_of_it() {
    let mut live = found(&autonomous("virtual", ""), None);
    let ran = run(&mut live, json!({ "for": "10s" }));
    assert_eq!((ran["stopped"].as_str(), names(&ran)), (Some("turns"), vec!["alice"]));
    // Nothing of this changes the world, and the turn stays open.
    let seq = live.world().seq();
    for (bad, code) in [
        (json!({ "as": "alice", "ops": [{ "op": "trnsfer" }] }), "invalid_argument"),
        (json!({ "as": "alice", "ops": [5] }), "invalid_argument"),
        (json!({ "as": "alice", "ops": "noop" }), "invalid_argument"),
        (json!({ "as": "alice", "ops": { "op": "noop" } }), "invalid_argument"),
        (json!({ "as": "alice" }), "invalid_argument"),
        (json!({ "ops": [] }), "invalid_argument"),
        (json!({ "as": 5, "ops": [] }), "invalid_argument"),
        (json!({ "as": "alice", "ops": [], "more": 1 }), "invalid_argument"),
        (json!([]), "invalid_argument"),
        (json!({ "as": "nobody", "ops": [] }), "not_found"),
        (json!({ "as": "bob", "ops": [] }), "conflict"),
    ] {
        let told = ask(&mut live, &json!({ "decide": bad }));
        assert_eq!(told["receipt"]["error"]["code"], code, "{bad}: {told}");
        assert_eq!(told["receipt"]["seq"], Value::Null);
    }
    assert_eq!(live.world().seq(), seq);
    let told = decide(&mut live, "alice", json!([{ "op": "transfer", "to": "bob", "amount": 3 }]));
    assert_eq!(told["receipt"]["ok"], true, "{told}");
    assert_eq!(decide(&mut live, "alice", Value::Null)["receipt"]["error"]["code"], "conflict");
    // A refused action is a step as well.
    run(&mut live, json!({ "for": "10s" }));
    let told = decide(&mut live, "alice", json!([{ "op": "transfer", "to": "bob", "amount": 300 }]));
    assert_eq!(told["receipt"]["error"]["code"], "insufficient_scrip");
    let ran = run(&mut live, json!({ "for": "10s" }));
    let observed = &ran["turns"][0]["observation"];
    assert_eq!((&observed["step"], &observed["last"]["ok"]), (&json!(2), &json!(false)));
    // An observation at any time is what a turn would show.
    let seen = ask(&mut live, &json!({ "observe": "alice" }));
    assert_eq!(seen["result"]["self"], observed["self"]);
    assert_eq!(ask(&mut live, &json!({ "observe": "nobody" }))["error"]["code"], "not_found");
    assert_eq!(ask(&mut live, &json!({ "observe": 5 }))["error"]["code"], "invalid_argument");
    assert_eq!(scrip(&live, "alice") + scrip(&live, "bob"), 20);
}

fn nap_or_step(decide: Decide, act: Act) -> Request {
    Request::DecideOrAct(decide, act, Arc::new(Watching::new("alice", Awaited::Turn)))
}

/// Asks for a nap of alice, by a request that is made of her decision and her action.
fn naps(live: &mut Live, request: impl Fn(Decide, Act) -> Request) -> Value {
    let op = json!({ "op": "sleep", "for": "3s" });
    let (decide, act) =
        (Decide::new("alice".into(), json!([op.clone()])), Act::new("alice".into(), op.clone()));
    match live.answer(request(decide, act), &Stop::default()).expect("no fault") {
        Reply::Receipt(shown) => serde_json::from_str(&shown.text).expect("JSON"),
        reply => reply.to_json(),
    }
}

#[test]
fn a_nap_is_the_step_of_a_turn_that_is_open_and_an_action_where_none_is() {
    let mut live = found(&autonomous("virtual", ""), None);
    for turn in 0..3 {
        let nap = naps(&mut live, nap_or_step);
        assert_eq!(nap["ok"], true, "{turn}: {nap}");
        let ran = run(&mut live, json!({ "for": "1m" }));
        assert_eq!(names(&ran), ["alice"], "{turn}: awake, and asked");
        // Neither fits always, so that two requests would have a gap between them.
        let nap = naps(&mut live, |_, act| Request::Act(act));
        assert_eq!(nap["error"]["code"], "conflict", "{turn}: {nap}");
    }
    assert_eq!(naps(&mut live, nap_or_step)["ok"], true);
    let nap = naps(&mut live, |decide, _| Request::Decide(decide));
    assert_eq!(nap["error"]["code"], "conflict", "{nap}");
    assert_eq!(naps(&mut live, nap_or_step)["ok"], true);
    live.world().audit().expect("the books");
}

#[test]
fn a_turn_that_opens_before_anybody_looks_ends_the_wait_for_it() {
    let mut live = found(&tick(), None);
    assert_eq!(names(&run(&mut live, json!({ "ticks": 1 }))), ["alice"]);
    let watching = Arc::new(Watching::new("alice", Awaited::Turn));
    let op = json!({ "op": "sleep", "resource": "scrip", "level": 11, "for": "1h" });
    let (decide, act) =
        (Decide::new("alice".into(), json!([op.clone()])), Act::new("alice".into(), op.clone()));
    let asked = Request::DecideOrAct(decide, act, Arc::clone(&watching));
    assert!(matches!(live.answer(asked, &Stop::default()).expect("no fault"), Reply::Pending));
    // The world is quick: bob pays, and alice is awake and asked, before her client waits.
    assert_eq!(names(&run(&mut live, json!({ "ticks": 9 }))), ["alice"]);
    let looked = live.answer(Request::Watch(watching), &Stop::default()).expect("no fault").to_json();
    assert_eq!(looked["result"]["ended"]["by"], "level", "{looked}");
    assert_eq!(names(&run(&mut live, json!({ "ticks": 9 }))), ["alice"], "her turn is still hers");
}

#[test]
fn a_decision_takes_effect_after_the_time_to_think() {
    let mut live = found(&format!("{}{CAROL}", autonomous("virtual", "pace = \"1s\"\n")), None);
    let begun = live.world().now();
    let mut took = Vec::new();
    for _ in 0..20 {
        let ran = run(&mut live, json!({ "for": "1m" }));
        let now = live.sequencer.now().ms() - begun.ms();
        for who in names(&ran) {
            took.push((now, who.to_owned()));
            let told = decide(&mut live, who, json!([{ "op": "noop" }]));
            assert_eq!(told["pending"] == true, who == "carol", "{told}");
        }
    }
    // Alice acts when she decides, each second. Carol is asked at once, and her answer is waited for when it is due.
    let alices = took.iter().filter(|(_, who)| who == "alice").map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(alices.get(..5), Some(&[0, 1_000, 2_000, 3_000, 4_000][..]), "{took:?}");
    let carol = live.world().lookup("carol").unwrap();
    assert!(live.world().agent(carol).unwrap().steps >= 2, "{took:?}");
}

#[test]
fn a_world_that_was_shut_asks_again_what_it_had_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, text) in [tick(), format!("{}{CAROL}", autonomous("virtual", ""))].into_iter().enumerate() {
        let db = folder.path().join(format!("{at}.oikos"));
        let span = if at == 0 { json!({ "ticks": 3 }) } else { json!({ "for": "7s" }) };
        let mut live = found(&text, Some(&db));
        let mut hashes = Vec::new();
        // Shut after each answer; and the same without.
        for shut in [true, false] {
            if !shut {
                live = found(&text, None);
            }
            let mut seen = BTreeMap::new();
            for _ in 0..12 {
                let mut ran = run(&mut live, span.clone());
                for turn in ran["turns"].as_array().unwrap() {
                    seen.insert(turn["as"].as_str().unwrap().to_owned(), turn.clone());
                }
                if shut {
                    drop(live);
                    live = Live::open(Journal::open(&db).expect("it opens")).expect("it goes on");
                    let again = run(&mut live, span.clone());
                    // A decision that was pending is asked for again.
                    for turn in again["turns"].as_array().unwrap() {
                        assert_eq!(Some(turn), seen.get(turn["as"].as_str().unwrap()), "world {at}");
                    }
                    assert!(names(&ran).iter().all(|who| names(&again).contains(who)), "world {at}");
                    ran = again;
                }
                for who in names(&ran) {
                    decide(&mut live, who, json!([{ "op": "transfer", "to": "bob", "amount": 1 }]));
                }
            }
            live.sequencer.commit().expect("it is on disk");
            hashes.push(live.world().digest());
        }
        assert_eq!(hashes[0], hashes[1], "world {at}");
    }
}

#[test]
fn a_thought_of_an_agent_that_was_rewritten_is_void_and_one_of_a_deleted_agent_is_nothing() {
    let mut live = found(&autonomous("virtual", ""), None);
    run(&mut live, json!({ "for": "10s" }));
    let content = json!({ "mind": { "kind": "external" }, "more": 1 });
    let act = json!({ "act": { "as": "alice", "op": "write", "artifact": "alice", "content": content } });
    assert_eq!(ask(&mut live, &act)["receipt"]["ok"], true);
    let told = decide(&mut live, "alice", json!([{ "op": "transfer", "to": "bob", "amount": 3 }]));
    assert_eq!(told["receipt"]["error"]["code"], "conflict", "{told}");
    assert_eq!(names(&run(&mut live, json!({ "for": "10s" }))), ["alice"]);
    for act in [
        json!({ "op": "transfer", "to": "bob", "amount": scrip(&live, "alice") }),
        json!({ "op": "delete", "artifact": "alice" }),
    ] {
        let mut act = act;
        act["as"] = "alice".into();
        let told = ask(&mut live, &json!({ "act": act }));
        assert_eq!(told["receipt"]["ok"], true, "{told}");
    }
    let ran = run(&mut live, json!({ "for": "10s" }));
    assert_eq!(ran["stopped"], "for", "nobody is waited for who is no more: {ran}");
    assert!(decide(&mut live, "alice", Value::Null)["receipt"]["error"]["code"].is_string());
}

#[test]
fn on_the_wall_clock_a_turn_passes_without_its_client() {
    for text in [
        autonomous("wall", "external_timeout = \"30ms\"\npace = \"10ms\"\n"),
        format!(
            "[world]\nclock = \"wall\"\n[execution]\nmode = \"tick\"\nticks = 3\ntick_duration = \"10ms\"\n\
             external_timeout = \"30ms\"\n{AGENTS}"
        ),
    ] {
        let mut live = found(&text, None);
        let span = if live.ticks_done().is_some() { json!({ "ticks": 3 }) } else { json!({ "for": "1h" }) };
        let ran = run(&mut live, span.clone());
        assert_eq!(ran["stopped"], "turns", "{ran}");
        let alice = live.world().lookup("alice").unwrap();
        // However fast or slow the machine is, it passes some time.
        while live.world().agent(alice).unwrap().steps == 0 {
            run(&mut live, span.clone());
        }
        let last = live.world().agent(alice).unwrap().last().expect("a step that did nothing is told of");
        let refusal = last.refusal().expect("why it passed").clone();
        assert_eq!(refusal.code.as_str(), "code_timeout", "{refusal:?}");
        assert!(live.world().agent(alice).unwrap().state() != "paused");
    }
}
