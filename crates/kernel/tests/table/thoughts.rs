//! Thoughts of language models: what is set aside for them and settled, and the turns that an agent can look back at.

use oikos_kernel::{
    limits::{HISTORY_TURNS_MAX, THINK_BYTES_MAX},
    record::{Cause, Charge, Hold, Outcome, Record, Spending, Thought},
    world::World,
};
use serde_json::{Value, json};

use crate::{door::check, toy::Toy};

const WORLD: &str = r#"
    rules: autonomous 1s
    resources: budget depletable, tokens renewable 60s, disk allocatable
    costs: noop budget 5
    world: alice 10 budget 20 tokens 50 disk 9000
    agent eve scrip 5 budget 100 tokens 300 disk 9000 code [['return', {'op': 'noop'}]]
    "#;

#[test]
fn the_most_that_a_thought_may_take_is_set_aside_and_settled() {
    check(&format!(
        r#"{WORLD}
        asks eve budget 60 tokens 200 -> ok
        loop eve thinking never its mind to answer
        # Nobody can use it, move it or be charged for it meanwhile; it is seen, and in the balance.
        observer {{"what": "resources", "of": "eve"}} -> ok ~{{"budget": {{"balance": 40, "capacity": 40, "used": 0, "held": 60}}, "tokens": {{"rate": 300, "capacity": 100, "held": 200}}}}
        observer {{"what": "supply", "resource": "budget"}} -> ok 120
        eve transfer {{"to": "alice", "amount": 41, "resource": "budget"}} -> insufficient_resource 41/40
        eve transfer {{"to": "alice", "amount": 101, "resource": "tokens"}} -> insufficient_resource 101/100
        eve transfer {{"to": "alice", "amount": 38, "resource": "budget"}} -> ok {{"balance": 2}}
        eve noop {{}} -> insufficient_resource 5/2 unrecorded
        eve query {{"what": "capacity", "resource": "budget", "amount": 3}} -> ok ~{{"has": false, "capacity": 2, "time_until": null}}
        # The step's thought takes of it, the rest is free again: for its own action at once.
        uses budget 44 tokens 30
        step eve -> ok null ; charged eve cpu 3, eve budget 49, eve tokens 30
        observer {{"what": "resources", "of": "eve"}} -> ok ~{{"budget": {{"balance": 13, "used": 49}}, "tokens": {{"capacity": 270}}}}
        observer {{"what": "supply", "resource": "budget"}} -> ok 120
        eve transfer {{"to": "alice", "amount": 13, "resource": "budget"}} -> ok {{"balance": 0}}
        "#
    ));
}

#[test]
fn a_thought_that_takes_all_leaves_nothing_and_one_that_fails_leaves_all() {
    check(&format!(
        r#"{WORLD}
        asks eve budget 100 -> ok
        uses budget 100
        step eve -> insufficient_resource 5/0 ; charged eve cpu 3, eve budget 100
        observer {{"what": "resources", "of": "eve"}} -> ok ~{{"budget": {{"balance": 0, "used": 100}}}}
        "#
    ));
    check(&format!(
        r#"{WORLD}
        asks eve budget 95 tokens 300 -> ok
        eve noop {{}} -> ok
        step eve -> ok null ; charged eve cpu 3, eve budget 5
        observer {{"what": "resources", "of": "eve"}} -> ok ~{{"budget": {{"balance": 90, "used": 10}}, "tokens": {{"capacity": 300}}}}
        "#
    ));
}

#[test]
fn an_agent_that_cant_set_it_aside_waits_or_is_frozen() {
    check(&format!(
        r#"{WORLD}
        # A balance does not come back: it is frozen until somebody helps.
        asks eve budget 101 -> ok
        loop eve blocked never 101 of budget
        observer {{"what": "resources", "of": "eve"}} -> ok ~{{"budget": {{"balance": 100, "capacity": 100}}}}
        alice transfer {{"to": "eve", "amount": 1, "resource": "budget"}} -> ok ~{{}}
        loop eve blocked 1ms 101 of budget
        advance 1ms
        asks eve budget 101 -> ok
        loop eve thinking never its mind to answer
        "#
    ));
    check(&format!(
        r#"{WORLD}
        # A rate does: it waits for just so long.
        asks eve tokens 200 -> ok
        uses tokens 200
        step eve -> ok null
        advance 1s
        asks eve tokens 101 -> ok
        loop eve blocked 60000ms 101 of tokens
        "#
    ));
    // A resource that the world does not limit holds nothing, and none is needed of it.
    let toy = check("world: alice\nagent eve code [['return', null]]\nasks eve cpu 99 -> ok\n");
    assert!(toy.world.agent(toy.handle("eve")).unwrap().holds().is_empty());
    assert_eq!(toy.world.agent(toy.handle("eve")).unwrap().request(), Some([7; 32]));
}

#[test]
fn a_void_thought_stays_charged() {
    let mut toy = check(&format!(
        r#"{WORLD}
        asks eve budget 60 -> ok
        eve write {{"artifact": "eve", "content": {{"mood": "other"}}}} -> ok
        "#
    ));
    let eve = toy.handle("eve");
    let record = step(
        &toy,
        40,
        Outcome::Refused(Box::new(oikos_kernel::refusal::Refusal::new(
            oikos_kernel::refusal::Code::Conflict,
            "the mind was changed while it thought, so its action is void",
        ))),
    );
    let record = toy.world.enact(record).unwrap();
    toy.journal.push(record);
    assert_eq!(toy.world.limit(eve, budget(&toy)), 60);
    assert_eq!(toy.world.set_aside_of(eve, budget(&toy)), 0);
    toy.world.audit().unwrap();
}

#[test]
fn who_thinks_cant_be_deleted_before_the_cost_is_known() {
    check(&format!(
        r#"{WORLD}
        asks eve budget 60 tokens 10 -> ok
        eve delete {{"artifact": "eve", "heir": "alice"}} -> invalid_argument "thinks, and some of its `budget` is set aside" "try again when it has acted"
        uses budget 10
        step eve -> ok null
        eve delete {{"artifact": "eve", "heir": "alice"}} -> ok
        observer {{"what": "supply", "resource": "budget"}} -> ok 120
        alice query {{"what": "balance"}} -> ok 15
        "#
    ));
    // A rate goes with its holder.
    check(&format!(
        r#"{WORLD}
        asks eve tokens 10 -> ok
        eve delete {{"artifact": "eve", "heir": "alice"}} -> ok
        "#
    ));
}

#[test]
fn a_killed_world_knows_who_thinks_about_what() {
    let toy = check(&format!("{WORLD}\nasks eve budget 60 tokens 200 -> ok\n"));
    let eve = toy.handle("eve");
    let mut again = World::empty();
    toy.journal.iter().for_each(|record| again.apply(record).unwrap());
    let image = World::from_image(&toy.world.to_image()).unwrap();
    for world in [&toy.world, &again, &image] {
        let row = world.agent(eve).unwrap();
        assert!(row.is_thinking());
        assert_eq!(row.request(), Some([7; 32]));
        let holds =
            [Hold { resource: budget(&toy), amount: 60 }, Hold { resource: tokens(&toy), amount: 200 }];
        assert_eq!(row.holds(), holds);
        assert_eq!(world.set_aside_of(eve, budget(&toy)), 60);
        assert_eq!(world.capacity(eve, budget(&toy), toy.now), 40);
        world.audit().unwrap();
    }
    assert_eq!(image.digest(), toy.world.digest());
}

fn budget(toy: &Toy) -> oikos_kernel::resource::ResourceId {
    toy.world.rules().resource("budget").unwrap()
}

fn tokens(toy: &Toy) -> oikos_kernel::resource::ResourceId {
    toy.world.rules().resource("tokens").unwrap()
}

/// The step of `eve` whose thought used so much of its budget.
fn step(toy: &Toy, used: i64, outcome: Outcome) -> Record {
    let charge = Charge {
        principal: toy.handle("eve"),
        resource: budget(toy),
        amount: used,
        work: 0,
        of: Spending::Thought,
    };
    let thought = Thought {
        action: json!(null).into(),
        charges: vec![charge],
        output: String::new(),
        think: String::new(),
        looks: Vec::new(),
        unanswered: false,
        failed: false,
        woke: None,
    };
    Record {
        seq: toy.world.seq() + 1,
        time: toy.now,
        cause: Cause::Step { agent: toy.handle("eve"), turn: 0, thought, output: String::new() },
        charges: vec![charge],
        effects: Vec::new(),
        events: Vec::new(),
        outcome,
    }
}

#[test]
fn a_journal_that_takes_more_than_was_set_aside_is_corrupt() {
    let mut toy = check(&format!("{WORLD}\nasks eve budget 60 -> ok\n"));
    let told = |toy: &Toy, record: Record| toy.world.clone().enact(record).unwrap_err().problem;
    let record = step(&toy, 61, Outcome::Nothing);
    assert!(told(&toy, record).contains("its thought took 61, and 60 was set aside for it"));
    let mut record = step(&toy, 60, Outcome::Nothing);
    if let Cause::Step { thought, .. } = &mut record.cause {
        thought.think = "x".repeat(THINK_BYTES_MAX + 1);
    }
    assert!(told(&toy, record).contains("its reasons are longer than are kept"));
    let eve = toy.handle("eve");
    let (budget, tokens) = (budget(&toy), tokens(&toy));
    let ask = |holds: &[(_, i64)]| {
        let holds =
            holds.iter().map(|(resource, amount)| Hold { resource: *resource, amount: *amount }).collect();
        Cause::Ask { agent: eve, turn: 0, woke: None, request: None, holds }
    };
    let marked =
        |toy: &Toy, cause: Cause| Record { cause, charges: Vec::new(), ..step(toy, 1, Outcome::Nothing) };
    // An agent that is asked again, because its thought was lost, has only the new amounts set aside.
    let mut again = toy.world.clone();
    again.enact(marked(&toy, ask(&[(budget, 1)]))).unwrap();
    again.audit().unwrap();
    assert_eq!(again.capacity(eve, budget, again.now()), 99);
    // Amounts that are not there, not limited, or there twice.
    toy.used = toy.holds("budget 60");
    toy.step("eve");
    for holds in [
        vec![(budget, 41)],
        vec![(budget, 0)],
        vec![(tokens, 301)],
        vec![(tokens, 1), (tokens, 1)],
        vec![(oikos_kernel::resource::ResourceId::DISK, 1)],
        vec![(oikos_kernel::resource::ResourceId(99), 1)],
    ] {
        let record = marked(&toy, ask(&holds));
        assert!(toy.world.clone().enact(record).is_err(), "{holds:?}");
    }
}

#[test]
fn an_agent_looks_back_at_its_last_turns() {
    let toy = check(
        r#"
        world: alice 10, olga 10
        artifact deeds by olga
        agent eve scrip 5 code [['return', {'op': 'transfer', 'to': 'alice', 'amount': 3}]]
        agent idle code [['return', null]]
        eve query {"what": "history"} -> ok []
        thinks alice is owed three
        step eve -> ok
        step eve -> insufficient_scrip
        thinks nothing to do
        step idle -> ok null
        step idle -> ok null
        eve query {"what": "history"} -> ok [{"turn": 0, "time": "2026-01-01T00:00:00.000Z", "think": "alice is owed three", "action": {"op": "transfer", "to": "alice", "amount": 3}, "ok": true, "error": null}, {"turn": 1, "time": "2026-01-01T00:00:00.000Z", "think": null, "action": {"op": "transfer", "to": "alice", "amount": 3}, "ok": false, "error": {"code": "insufficient_scrip", "message": "`eve` has 2 scrip and needs 3", "need": 3, "have": 2, "hint": "earn or borrow scrip, or ask for less"}}]
        eve query {"what": "history", "limit": 1} -> ok ~[{"turn": 1}]
        eve query {"what": "history", "limit": 0} -> ok []
        # A turn in which nothing was thought or done leaves nothing to look back at.
        idle query {"what": "history"} -> ok ~[{"think": "nothing to do", "action": null, "ok": true}]
        # They are its own affair and its owner's, and observers see all.
        alice query {"what": "history", "of": "eve"} -> permission_denied "the turns of `eve`" "ask about yourself"
        idle query {"what": "history", "of": "eve"} -> permission_denied
        observer {"what": "history", "of": "eve"} -> ok ~[{"turn": 0}, {"turn": 1}]
        observer {"what": "history"} -> invalid_argument
        alice query {"what": "history"} -> invalid_argument "`alice` has no loop"
        alice query {"what": "history", "of": "deeds"} -> invalid_argument
        alice query {"what": "history", "of": "nobody"} -> not_found
        eve transfer_ownership {"artifact": "eve", "to": "olga"} -> ok
        olga query {"what": "history", "of": "eve"} -> ok ~[{"think": "alice is owed three"}, {"turn": 1}]
        eve query {"what": "history"} -> ok ~[{"turn": 0}, {"turn": 1}]
        "#,
    );
    drop(toy);
}

#[test]
fn the_oldest_turns_and_the_end_of_long_reasons_are_let_go() {
    let mut toy = check("world: alice\nagent eve code [['raise', 'lost']]\n");
    for at in 0..HISTORY_TURNS_MAX + 3 {
        toy.thinks = format!("{at} {}", "é".repeat(THINK_BYTES_MAX));
        toy.step("eve");
    }
    let history = toy.act("eve", &json!({ "op": "query", "what": "history" })).outcome.result();
    let Value::Array(turns) = &history else { panic!("{history}") };
    assert_eq!(turns.len(), HISTORY_TURNS_MAX);
    assert_eq!((&turns[0]["turn"], &turns[0]["error"]["code"]), (&json!(3), &json!("code_error")));
    for turn in turns {
        let think = turn["think"].as_str().unwrap();
        assert!(think.len() <= THINK_BYTES_MAX && think.len() > THINK_BYTES_MAX - 2, "{}", think.len());
    }
}

#[test]
fn an_agent_is_told_that_it_has_nothing_left_when_its_thought_has_used_all_and_not_when_all_is_set_aside() {
    check(
        r#"
        rules: autonomous 1s
        resources: calls renewable 60s
        world: alice 10 calls 5
        agent eve scrip 5 calls 14 code [['return', {'op': 'noop'}]]
        # All is set aside, and two are used.
        asks eve calls 14 -> ok ; events
        alice noop -> ok ; events
        uses calls 2
        step eve -> ok ; charged eve cpu 3, eve calls 2 ; events
        advance 1s
        # Gifts that come meanwhile count too: all that was set aside is used, and there is more.
        asks eve calls 12 -> ok ; events
        alice transfer {"to": "eve", "amount": 1, "resource": "calls"} -> ok ~{}
        uses calls 12
        step eve -> ok ; charged eve cpu 3, eve calls 12 ; events
        advance 1s
        # The last one: it is told, once.
        asks eve calls 1 -> ok ; events
        uses calls 1
        step eve -> ok ; charged eve cpu 3, eve calls 1 ; events exhausted eve calls
        "#,
    );
}
