//! The bytes that actions leave behind: no record is longer than a record may be, long results are kept as
//! size and hash, and the receipt kept for an action's id is small, paid, and nobody else's to push out.

use oikos_kernel::{
    founding::{Founder, Founding},
    json::Json,
    limits,
    record::{Cause, Charge, Outcome, Record, Spending, Thought},
    rules::{Renewal, ResourceId, Rules},
    time::Time,
    world::World,
};
use serde_json::{Value, json};

use crate::{door::check, toy::Toy};

/// Bytes of the last record.
fn last_bytes(toy: &Toy) -> usize {
    toy.journal.last().unwrap().encode().unwrap().len()
}

/// Code that reads `big` and then calls so often with what it holds.
fn with_big(count: usize, call: impl Fn(usize) -> String) -> String {
    let calls: Vec<String> = (0..count).map(call).collect();
    format!("[['call', 'read', ['big']], ['set', 'c', '$last.content'], {}]", calls.join(", "))
}

#[test]
fn no_action_leaves_more_than_a_record_holds() {
    let fits = with_big(12, |at| format!("['call', 'write', ['d{at}', '$c']]"));
    let beyond = with_big(14, |at| format!("['call', 'write', ['e{at}', '$c']]"));
    let same = with_big(26 * 45, |_| "['call', 'write', ['note', '$c']]".into());
    let caught = with_big(100, |at| format!("['try', 'write', ['f{at}', '$c']]"));
    let content = "b".repeat(1_000_000);
    let mut toy = check(&format!(
        r#"
        world: alice, bob
        artifact fits by alice scrip 0 code {fits}
        artifact beyond by alice scrip 0 code {beyond}
        artifact same by alice scrip 0 code {same}
        artifact caught by alice scrip 0 code {caught}
        artifact twice by alice code [['call', 'invoke', ['fits']], ['try', 'invoke', ['fits']], ['return', '$last']]
        alice write {{"artifact": "big", "content": "{content}"}} -> ok
        alice invoke {{"artifact": "beyond"}} -> limit_exceeded "takes at most" "do it in several actions" ; charged alice cpu 52743 ; events
        alice read {{"artifact": "e0"}} -> not_found
        alice invoke {{"artifact": "same"}} -> limit_exceeded "takes at most" ; events
        alice [{{"op": "run", "code": "[]"}}, {{"op": "invoke", "artifact": "beyond"}}] -> limit_exceeded @1
        alice invoke {{"artifact": "fits"}} -> ok
        # Code that catches the refusal goes on, and what it did before stands.
        alice invoke {{"artifact": "twice"}} -> ok
        "#
    ));
    assert!(toy.act("alice", &json!({ "op": "invoke", "artifact": "caught" })).outcome.is_ok());
    assert!(toy.world.lookup("f10").is_some() && toy.world.lookup("f99").is_none());
    assert!((12_000_000..=limits::RECORD_BYTES_MAX).contains(&last_bytes(&toy)), "{}", last_bytes(&toy));
}

#[test]
fn what_contracts_store_and_tell_is_counted_too() {
    let (content, reason) = ("s".repeat(60_000), "r".repeat(2_000));
    let reads = Value::from(vec![json!({ "op": "read", "artifact": "x" }); 300]);
    let mut toy = check(&format!(
        r#"
        world: alice, bob
        artifact stores by bob code [['call', 'read', ['big']], ['return', {{'allowed': true, 'state_updates': {{'k': '$last.content'}}}}]]
        artifact fails by bob code [['raise', '{reason}']]
        artifact x by bob contract stores
        artifact y by bob contract fails
        alice write {{"artifact": "big", "content": "{content}"}} -> ok
        alice {reads} -> limit_exceeded "takes at most" ; events
        "#
    ));
    // A failure of a contract is told; when the record is full, it is not.
    let ask = json!({ "op": "query", "what": "permission", "as": "alice", "action": "read", "target": "y" });
    let receipt = toy.act("alice", &Value::from(vec![ask; 9_000]));
    assert!(receipt.outcome.is_ok() && (5_000..9_000).contains(&receipt.events.len()));
    assert!(last_bytes(&toy) <= limits::RECORD_BYTES_MAX);
}

#[test]
fn an_action_is_as_long_as_a_line_and_a_refusal_as_long_as_it_is_worth() {
    let mut toy = check("world: alice, bob");
    let long = json!({ "op": "invoke", "artifact": "bob", "args": ["x".repeat(limits::ACTION_BYTES_MAX)] });
    let refused = toy.act("alice", &long);
    assert_eq!(refused.refusal().unwrap().code.as_str(), "limit_exceeded");
    assert_eq!(refused.seq, None);
    let raised = json!({ "op": "run", "code": format!("[['raise', '{}']]", "é".repeat(20_000)) });
    let receipt = toy.act("alice", &raised);
    let message = &receipt.refusal().unwrap().message;
    assert!(message.len() <= limits::MESSAGE_BYTES_MAX && message.ends_with(" …"), "{}", message.len());
}

#[test]
fn a_long_result_is_whole_in_the_first_answer_only() {
    let content = "a".repeat(5_000);
    let whole = json!({ "artifact": "long", "kind": "data", "version": 1, "content": content });
    let empty = json!({ "artifact": "short", "kind": "data", "version": 1, "content": "" });
    let text = whole.to_string();
    let cut = json!({ "cut": text.len(), "hash": blake3::hash(text.as_bytes()).to_hex().as_str() });
    let mut toy = check(&format!(
        r#"
        world: alice
        agent eve code [['return', [{{'op': 'read', 'artifact': 'long'}}, {{'op': 'noop'}}]]]
        alice write {{"artifact": "long", "content": "{content}"}} -> ok
        alice write {{"artifact": "short", "content": "{}"}} -> ok
        alice read {{"artifact": "long", "action_id": "l"}} -> ok {whole}
        alice read {{"artifact": "long", "action_id": "l"}} -> ok {cut}
        # A result of just so many bytes is kept whole.
        alice invoke {{"artifact": "short"}} -> invalid_argument
        alice read {{"artifact": "short", "action_id": "s"}} -> ok
        alice read {{"artifact": "short", "action_id": "s"}} -> ok ~{{"version": 1}}
        step eve -> ok [{whole}, null]
        "#,
        "b".repeat(limits::RESULT_KEPT_BYTES_MAX - empty.to_string().len())
    ));
    // The result of a list is one.
    let list = json!([whole, null]).to_string();
    let cut = json!({ "cut": list.len(), "hash": blake3::hash(list.as_bytes()).to_hex().as_str() });
    let eve = toy.handle("eve");
    let seen = toy.world.observation(eve, toy.now, 1);
    assert_eq!(seen["last"]["result"], cut);
    assert_eq!(toy.journal.last().unwrap().outcome, Outcome::Done(Json::from(cut)));
    assert!(last_bytes(&toy) < 1_000);
    // Reading costs the journal nothing, however often and however much.
    let before = toy.journal.len();
    for _ in 0..40 {
        assert!(toy.act("alice", &json!({ "op": "read", "artifact": "long" })).outcome.is_ok());
    }
    let bytes: usize = toy.journal[before..].iter().map(|record| record.encode().unwrap().len()).sum();
    assert!(bytes < 40 * 400, "{bytes}");
}

#[test]
fn kept_receipts_are_short_whatever_an_action_did() {
    let prints = format!("[['print', '{}']]", "p".repeat(10_000));
    let mut toy = check(&format!("world: alice 2000, bob\nartifact loud by alice code {prints}"));
    let many: Vec<Value> =
        (0..1_500).map(|_| json!({ "op": "transfer", "to": "bob", "amount": 1 })).collect();
    let mut many = Value::from(many);
    many[0]["action_id"] = "many".into();
    let loud = json!({ "op": "invoke", "artifact": "loud", "action_id": "loud" });
    for (action, cut) in [(&many, vec!["events", "lines", "payments", "result"]), (&loud, vec!["output"])] {
        let first = toy.act("alice", action).to_json(&toy.world, oikos_kernel::world::wire::Viewer::Observer);
        let again = toy.act("alice", action).to_json(&toy.world, oikos_kernel::world::wire::Viewer::Observer);
        for (field, value) in first.as_object().unwrap() {
            if cut.contains(&field.as_str()) {
                assert!(again[field]["cut"].as_u64().unwrap() > 4_096, "{field}: {again}");
            } else {
                assert_eq!(&again[field], value, "{field}");
            }
        }
    }
}

#[test]
fn an_id_is_forgotten_only_for_another_of_the_same_principal() {
    let mut toy = check("world: alice 5, bob");
    let rent = json!({ "op": "transfer", "to": "bob", "amount": 1, "action_id": "rent-june" });
    let noop = |id: usize| json!({ "op": "noop", "action_id": format!("n{id}") });
    let balance = |toy: &mut Toy| toy.act("alice", &rent).outcome.result()["balance"].as_i64().unwrap();
    assert_eq!([balance(&mut toy), balance(&mut toy)], [4, 4]);
    for id in 0..3 * limits::ACTION_IDS_MAX {
        assert!(toy.act("bob", &noop(id)).outcome.is_ok());
    }
    assert_eq!(balance(&mut toy), 4, "nobody pushes out another's id");
    for id in 1..limits::ACTION_IDS_MAX {
        assert!(toy.act("alice", &noop(id)).outcome.is_ok());
    }
    assert_eq!(balance(&mut toy), 4, "the last that has room");
    assert!(toy.act("alice", &noop(0)).outcome.is_ok());
    assert_eq!(balance(&mut toy), 3, "at the bound the oldest is forgotten, as the documentation says");
    let image = World::from_image(&toy.world.to_image()).unwrap();
    let told = image.repeated(toy.handle("bob"), "n3000", &Json::from(noop(3_000)));
    assert!(told.is_some_and(|told| told.is_ok()), "what is kept comes back from a snapshot");
    toy.world.audit().unwrap();
}

#[test]
fn what_is_kept_for_an_id_is_paid_and_freed() {
    let mut toy = check(
        r#"
        resources: disk allocatable
        # Alice takes 43 herself; an id needs 16, its own length and 1,024 free before anything is begun.
        world: alice 9 disk 1083, bob 9 disk 1100, carl 9 disk 2000
        alice transfer {"to": "bob", "amount": 1, "action_id": "i"} -> quota_exceeded 1041/1040 unrecorded "what comes of an action with an `action_id` is kept on your disk"
        alice transfer {"to": "bob", "amount": 1} -> ok {"balance": 8}
        # The room is held while the action runs: it can't be filled or given away meanwhile.
        bob [{"op": "write", "artifact": "b", "content": "1", "action_id": "w"}] -> quota_exceeded 22/18 @0
        bob noop {"action_id": "x"} -> quota_exceeded unrecorded
        carl [{"op": "transfer", "to": "alice", "amount": 918, "resource": "disk", "action_id": "t"}] -> quota_exceeded 918/917
        "#,
    );
    // The receipt's bytes are on the disk, and come back with the principal's quota when the id is forgotten.
    let (carl, disk) = (toy.handle("carl"), toy.world.rules().resource("disk").unwrap());
    let used = toy.world.used(carl, disk);
    assert!((42 + 16 + 1 + 32..42 + 16 + 1 + limits::BASE_BYTES as i64 + 400).contains(&used), "{used}");
    for id in 0..5 {
        let receipt = toy.act("carl", &json!({ "op": "noop", "action_id": format!("n{id}") }));
        assert!(receipt.outcome.is_ok() || toy.world.used(carl, disk) > 900, "{receipt:?}");
    }
    toy.world.audit().unwrap();
}

fn founders(count: usize, make: impl Fn(usize) -> Founder) -> Founding {
    let rules = Rules::unlimited("many", 1, Time::from_ms(0).unwrap());
    Founding { rules, source: [0; 32], runtime: "toy".into(), founders: (0..count).map(make).collect() }
}

#[test]
fn a_founding_takes_as_many_records_as_it_needs() {
    let large = founders(3_000, |at| Founder {
        has_standing: true,
        scrip: 1,
        content: Value::from(format!("{at:010}").repeat(1_000)).into(),
        ..Founder::new(&format!("p{at}"))
    });
    let (world, records) = large.found().unwrap();
    assert_eq!(records.len(), 2);
    let mut again = World::empty();
    for record in &records {
        let bytes = record.encode().unwrap();
        assert!(bytes.len() <= record.bytes_max() && record.bytes_max() <= limits::RECORD_BYTES_MAX);
        again.apply(&Record::decode(&bytes).unwrap()).unwrap();
    }
    assert_eq!(again.digest(), world.digest());
    assert_eq!((again.supply(), again.principals().count()), (3_000, 3_000));
    again.audit().unwrap();
    // The founding is one: nothing happens before its end, and nothing is founded after it.
    let clock = |seq| Record {
        seq,
        time: records[0].time,
        cause: Cause::Clock { away_ms: 0 },
        charges: vec![],
        effects: vec![],
        events: vec![],
        outcome: Outcome::Nothing,
    };
    let mut early = World::empty();
    early.apply(&records[0]).unwrap();
    assert!(early.apply(&clock(2)).unwrap_err().problem.contains("artifacts are founded"));
    again.apply(&clock(3)).unwrap();
    let late = Record { cause: Cause::Founding, ..clock(4) };
    assert!(again.apply(&late).unwrap_err().problem.contains("artifacts are founded"));
}

#[test]
fn a_record_that_nobody_made_is_refused_or_does_no_harm() {
    let agent = |at| Founder { has_loop: true, code: Some("x".into()), ..Founder::new(&format!("a{at}")) };
    let (world, records) = founders(2, agent).found().unwrap();
    let refused = |rules: Rules| {
        let mut genesis = records[0].clone();
        let Cause::Genesis { source, artifacts, runtime, .. } = genesis.cause else {
            panic!("the first record")
        };
        genesis.cause = Cause::Genesis { rules: Box::new(rules), source, artifacts, runtime };
        World::empty().apply(&genesis).unwrap_err().problem
    };
    let mut rules = world.rules().clone();
    rules.renewal = Renewal::Tick { ms: 0 };
    assert!(refused(rules).contains("comes back after a millisecond"));
    let mut rules = world.rules().clone();
    rules.resources.clear();
    assert!(refused(rules).contains("cpu, memory and disk come first"));
    // Nobody is charged twice for one thing, and a sum beyond all numbers is no panic.
    let (agent, resource) = (world.lookup("a0").unwrap(), ResourceId::CPU);
    let charge = Charge {
        principal: agent,
        resource,
        amount: i64::MAX,
        work: u64::MAX,
        of: Spending::Contract(Some(agent)),
    };
    let thought = Thought {
        action: Json::default(),
        charges: vec![],
        output: String::new(),
        think: String::new(),
        looks: Vec::new(),
        unanswered: false,
        failed: false,
        woke: None,
    };
    let step = Record {
        seq: 2,
        time: world.now(),
        cause: Cause::Step { agent, turn: 0, thought, output: String::new() },
        charges: vec![charge; 2],
        effects: vec![],
        events: vec![],
        outcome: Outcome::Nothing,
    };
    let mut again = world;
    again.apply(&step).unwrap();
    assert_eq!(again.used(agent, resource), i64::MAX);
}

#[test]
fn what_founders_have_alike_is_stored_once() {
    let (code, content) = ("x".repeat(60_000), Json::from(json!({ "text": "y".repeat(60_000) })));
    let code: std::sync::Arc<str> = code.into();
    let alike = founders(2_000, |at| Founder {
        has_loop: true,
        code: Some(code.clone()),
        content: content.clone(),
        ..Founder::new(&format!("a{at}"))
    });
    let (world, records) = alike.found().unwrap();
    assert_eq!(records.len(), 1);
    assert!(records[0].encode().unwrap().len() < 120_000 + 2_000 * 100);
    let image = world.to_image();
    assert!(image.len() < 120_000 + 2_000 * 200, "{}", image.len());
    let read = World::from_image(&image).unwrap();
    assert_eq!(read.digest(), world.digest());
    let artifact = read.get(read.lookup("a1999").unwrap()).unwrap();
    assert_eq!((artifact.code().map(|code| code.len()), artifact.content()), (Some(60_000), content.value()));
}
