//! Health: each way to get nowhere is told once, with its cause, and again only after it was over.

use oikos_kernel::{
    limits::HEALTH_SILENT_STEPS,
    record::{EventKind, Record},
    world::{Ailment, World, wire::Viewer},
};
use serde_json::json;

use crate::{door::check, toy::Toy};

/// Runs a fixture in which `9x LINE` stands for nine such lines; and sees to it that a world which is read from its
/// image, or forked, at any record goes on as this one did.
fn runs(fixture: &str) -> Toy {
    let mut text = String::new();
    for line in fixture.lines().map(str::trim) {
        let times = line.split_once("x ").and_then(|(times, rest)| Some((times.parse().ok()?, rest)));
        let (times, line) = times.unwrap_or((1_usize, line));
        (0..times).for_each(|_| text.extend([line, "\n"]));
    }
    let toy = check(&text);
    let mut world = World::empty();
    for (at, record) in toy.journal.iter().enumerate() {
        world.apply(record).unwrap();
        let read = World::from_image(&world.to_image()).unwrap();
        let rest = &toy.journal[at + 1..];
        assert_eq!(end(read, rest), toy.world.digest(), "read after record {at}");
        assert_eq!(end(world.clone(), rest), toy.world.digest(), "forked after record {at}");
    }
    toy
}

fn end(mut world: World, rest: &[Record]) -> [u8; 32] {
    rest.iter().for_each(|record| world.apply(record).unwrap());
    world.digest()
}

/// The words of the health events that were told.
fn told(toy: &Toy) -> Vec<String> {
    let rows = toy.world.events().filter(|row| row.kind() == EventKind::Health);
    rows.map(|row| row.event.detail.clone().unwrap().split(':').next().unwrap().to_owned()).collect()
}

const NOTHING: &str = "rules: autonomous 1s\nworld: alice 50\nagent eve scrip 5 code [['return', null]]\n";

#[test]
fn first_steps_without_effect_are_silent() {
    let toy = runs(&format!(
        r#"{NOTHING}
        9x step eve -> ok null ; events
        step eve -> ok null ; events health eve eve silent: its first 10 steps had no effect; its mind decides to do nothing
        20x step eve -> ok null ; events
        # An effect ends it, and the first steps do not come again.
        eve write {{"artifact": "eve", "code": "[['return', {{'op': 'transfer', 'to': 'alice', 'amount': 1}}]]"}} -> ok
        step eve -> ok ; events transfer eve alice 1
        eve write {{"artifact": "eve", "code": "[['return', null]]"}} -> ok
        30x step eve -> ok null ; events
        "#
    ));
    assert_eq!(told(&toy), ["silent"]);
    assert_eq!(toy.world.ailments(toy.handle("eve")).count(), 0);
    // One effect among the first steps is enough; so is to rest by sleeping.
    for deed in ["{'op': 'transfer', 'to': 'alice', 'amount': 1}", "{'op': 'sleep', 'for': '1s'}"] {
        let toy = runs(&format!(
            r#"{NOTHING}
            9x step eve -> ok null
            eve write {{"artifact": "eve", "code": "[['return', {deed}]]"}} -> ok
            step eve -> ok
            eve write {{"artifact": "eve", "code": "[['return', null]]"}} -> ok
            30x step eve -> ok null
            "#
        ));
        assert_eq!(told(&toy), [""; 0], "{deed}");
    }
}

#[test]
fn silence_says_by_which_kind_of_step() {
    for (code, status, cause) in [
        ("{'op': 'noop'}", "ok null", "its mind decides to do nothing"),
        ("{'op': 'query', 'what': 'balance'}", "ok 5", "it looks, and does not act"),
        (
            "{'op': 'read', 'artifact': 'lost'}",
            "not_found",
            "the last was refused by `not_found`: its ids may be wrong",
        ),
        ("{'op': 'nop'}", "invalid_argument", "its answers are no actions"),
        ("{'op': 'delete', 'artifact': 'eve'}", "insufficient_resource", "it lacks `fuel`"),
    ] {
        let toy = check(&format!(
            "rules: skip\nresources: fuel depletable\ncosts: delete fuel 5\nworld: alice\nagent eve scrip 5 fuel 1 code [['return', {code}]]\n{}",
            format!("step eve -> {status}\n").repeat(HEALTH_SILENT_STEPS.into())
        ));
        let said = toy.world.events().filter_map(|row| row.event.detail.as_deref());
        let said: Vec<&str> = said.filter(|detail| detail.starts_with("silent")).collect();
        assert_eq!(said, [format!("silent: its first 10 steps had no effect; {cause}")], "{code}");
    }
    // A mind that fails.
    let toy = check(&format!(
        "world: alice\nagent eve code [['raise', 'lost']]\n{}",
        "step eve -> code_error\n".repeat(HEALTH_SILENT_STEPS.into())
    ));
    assert_eq!(told(&toy), ["silent"], "a mind that fails answers nothing malformed");
}

#[test]
fn the_same_refusal_is_told_until_something_else_comes() {
    let toy = runs(
        r#"
        rules: autonomous 1s
        world: alice 50
        agent eve scrip 5 code [['return', {'op': 'read', 'artifact': 'lost'}]]
        eve transfer {"to": "alice", "amount": 5} -> ok
        4x step eve -> not_found ; events
        step eve -> not_found ; events health eve eve repeating: the same refusal 5 times: `not_found`; its ids may be wrong
        3x step eve -> not_found ; events
        # Another id, and the same refusal: it goes on. Rest is no other action.
        eve write {"artifact": "eve", "code": "[['return', {'op': 'read', 'artifact': 'gone'}]]"} -> ok
        step eve -> not_found ; events
        # Another refusal.
        eve write {"artifact": "eve", "code": "[['return', {'op': 'transfer', 'to': 'alice', 'amount': 1}]]"} -> ok
        step eve -> insufficient_scrip ; events health eve eve silent: its first 10 steps had no effect; the last was refused by `insufficient_scrip`: it has too little scrip for what it wants
        step eve -> insufficient_scrip ; events
        # By now most of its last actions were refused, which is another ailment.
        step eve -> insufficient_scrip ; events health eve eve refused: 12 of its last 16 actions were refused, the last by `insufficient_scrip`: it has too little scrip for what it wants
        step eve -> insufficient_scrip ; events
        step eve -> insufficient_scrip ; events health eve eve repeating: the same refusal 5 times: `insufficient_scrip`; it has too little scrip for what it wants
        alice transfer {"to": "eve", "amount": 50} -> ok
        step eve -> ok ; events transfer eve alice 1
        # Told again, when it was over.
        eve write {"artifact": "eve", "code": "[['return', {'op': 'read', 'artifact': 'lost'}]]"} -> ok
        4x step eve -> not_found ; events
        step eve -> not_found ; events health eve eve repeating: the same refusal 5 times: `not_found`; its ids may be wrong
        "#,
    );
    assert_eq!(told(&toy), ["repeating", "silent", "refused", "repeating", "repeating"]);
    let ill: Vec<Ailment> = toy.world.ailments(toy.handle("eve")).collect();
    assert_eq!(ill, [Ailment::Repeating, Ailment::Refused]);
    let tallies = toy.world.health().iter().map(|tally| (tally.ailment.as_str(), tally.agents));
    assert_eq!(
        tallies.collect::<Vec<_>>(),
        [("silent", 1), ("repeating", 1), ("refused", 1)],
        "an agent counts once"
    );
}

#[test]
fn the_same_action_is_told_where_nothing_comes_of_it() {
    // Looks, and writes of the same.
    for (code, status) in [
        ("{'op': 'read', 'artifact': 'note'}", "ok"),
        ("{'op': 'query', 'what': 'balance'}", "ok"),
        ("{'op': 'store', 'key': 'k', 'value': 1}", "ok"),
        ("{'op': 'write', 'artifact': 'note', 'content': 'x'}", "ok"),
        ("{'op': 'remember', 'artifact': 'diary', 'text': 'x'}", "ok"),
        ("[{'op': 'read', 'artifact': 'note'}, {'op': 'store', 'key': 'k', 'value': 1}]", "ok"),
    ] {
        let toy = runs(&format!(
            r#"
            world: alice 50
            agent eve scrip 5 code [['return', {code}]]
            artifact note by eve content x
            artifact diary by eve kind memory
            9x step eve -> {status}
            observer {{"what": "events", "type": "health"}} -> ok []
            step eve -> {status}
            20x step eve -> {status}
            eve write {{"artifact": "eve", "code": "[['return', {{'op': 'transfer', 'to': 'alice', 'amount': 1}}]]"}} -> ok
            step eve -> ok
            eve write {{"artifact": "eve", "code": "[['return', {code}]]"}} -> ok
            9x step eve -> {status}
            "#
        ));
        let said: Vec<String> = told(&toy).into_iter().filter(|word| word != "silent").collect();
        assert_eq!(said, ["repeating"], "{code}");
    }
    // None of these is sick: calls, payments, changes, and rest.
    for code in [
        "{'op': 'transfer', 'to': 'alice', 'amount': 1}",
        "{'op': 'invoke', 'artifact': 'shop'}",
        "{'op': 'run', 'code': '[]'}",
        "{'op': 'sleep', 'for': '1s'}",
    ] {
        let toy = runs(&format!(
            r#"
            rules: autonomous 1s
            world: alice 50
            agent eve scrip 50 code [['return', {code}]]
            artifact shop by alice code [['return', 1]]
            30x step eve -> ok
            "#
        ));
        assert_eq!(told(&toy), [""; 0], "{code}");
    }
}

#[test]
fn answers_that_are_no_actions_are_malformed() {
    let toy = runs(
        r#"
        rules: autonomous 1s
        world: alice 50
        agent eve scrip 5 code [['return', {'op': 'transfer', 'to': 'alice', 'amount': 1}]]
        step eve -> ok
        eve write {"artifact": "eve", "code": "[['return', 5]]"} -> ok
        2x step eve -> invalid_argument ; events
        step eve -> invalid_argument ; events health eve eve malformed: 3 answers in a row were no actions; its mind may not know the form, or be too weak for it
        # The fifth pauses its loop; that is told by itself.
        step eve -> invalid_argument ; events
        step eve -> invalid_argument ; events pause eve 5 errors in a row
        # A mind that fails has not answered well either; one that answers has.
        eve write {"artifact": "eve", "code": "[['raise', 'lost']]"} -> ok
        step eve -> code_error ; events wake eve change, mind_error eve eve in `eve`: RuntimeError: lost
        eve write {"artifact": "eve", "code": "[['return', {'op': 'transfer', 'to': 'alice', 'amount': 1}]]"} -> ok
        step eve -> ok ; events transfer eve alice 1
        eve write {"artifact": "eve", "code": "[['return', 'x']]"} -> ok
        2x step eve -> invalid_argument ; events
        step eve -> invalid_argument ; events health eve eve malformed: 3 answers in a row were no actions; its mind may not know the form, or be too weak for it
        "#,
    );
    assert_eq!(told(&toy), ["malformed", "malformed"]);
}

#[test]
fn most_of_the_last_actions_refused_is_told_until_half_of_them_succeed() {
    let good = r#"eve write {"artifact": "eve", "code": "[['return', {'op': 'transfer', 'to': 'alice', 'amount': 1}]]"} -> ok"#;
    let bad =
        r#"eve write {"artifact": "eve", "code": "[['return', {'op': 'read', 'artifact': 'lost'}]]"} -> ok"#;
    // Three refusals, one success: never five of the same in a row, and twelve of sixteen.
    let mixed = format!(
        "{bad}\n3x step eve -> not_found ; events\n{good}\nstep eve -> ok ; events transfer eve alice 1\n"
    );
    let toy = runs(&format!(
        r#"
        world: alice 50
        agent eve scrip 90 code [['return', null]]
        {good}
        step eve -> ok
        {mixed}{mixed}{mixed}{bad}
        2x step eve -> not_found ; events
        step eve -> not_found ; events health eve eve refused: 12 of its last 16 actions were refused, the last by `not_found`: its ids may be wrong
        {good}
        6x step eve -> ok ; events transfer eve alice 1
        # Eight of the last sixteen are left, which is not most.
        observer {{"what": "events", "type": "health"}} -> ok ~[{{"actor": "eve"}}]
        {mixed}{mixed}{mixed}{bad}
        3x step eve -> not_found
        "#
    ));
    assert_eq!(told(&toy), ["refused", "refused"]);
}

#[test]
fn who_lacks_capacity_for_long_is_starved() {
    // It waits for what does not come back, and is told of by the first record after that long.
    let toy = runs(
        r#"
        rules: autonomous 1s
        resources: fuel depletable
        costs: noop fuel 5
        world: alice 50 fuel 50
        agent eve scrip 5 fuel 3 code [['return', {'op': 'noop'}]]
        step eve -> insufficient_resource ; events exhausted eve 5 fuel, freeze eve 5 fuel
        advance 19s
        alice transfer {"to": "eve", "amount": 1} -> ok ; events transfer alice eve 1
        advance 1s
        alice transfer {"to": "eve", "amount": 1} -> ok ; events transfer alice eve 1, health eve eve starved: no step for 20s for want of `fuel`; it does not come back unless somebody gives some
        advance 1h
        alice transfer {"to": "eve", "amount": 1} -> ok ; events transfer alice eve 1
        # Once it is helped and has had its turn, it is over; it may starve again.
        alice transfer {"to": "eve", "amount": 2, "resource": "fuel"} -> ok
        advance 1s
        step eve -> ok ; events unblock eve fuel, exhausted eve fuel
        step eve -> insufficient_resource
        advance 20s
        alice transfer {"to": "eve", "amount": 1} -> ok ; events transfer alice eve 1, health eve eve starved: no step for 20s for want of `fuel`; it does not come back unless somebody gives some
        # It is deleted, and starves no more.
        eve delete {"artifact": "eve", "heir": "alice"} -> ok
        "#,
    );
    assert_eq!(told(&toy), ["starved", "starved"]);
    // A rate comes back within its window; to wait so long is a matter of course.
    let toy = runs(
        r#"
        rules: autonomous 1s
        resources: actions renewable 60s
        costs: noop actions 3
        world: alice 50 actions 9
        agent eve scrip 5 actions 3 code [['return', {'op': 'noop'}]]
        step eve -> ok
        step eve -> rate_limited
        advance 59s
        alice noop -> ok
        advance 1s
        alice noop -> ok
        step eve -> ok
        step eve -> rate_limited
        # One who has given its rate away waits in vain.
        eve transfer {"to": "alice", "amount": 1, "resource": "actions"} -> insufficient_resource
        advance 60s
        eve transfer {"to": "alice", "amount": 1, "resource": "actions"} -> ok
        advance 1s
        alice noop -> ok
        "#,
    );
    assert_eq!(told(&toy), ["starved"]);
}

#[test]
fn turns_that_pass_for_want_of_capacity_are_counted_by_the_clock() {
    let toy = runs(
        r#"
        rules: skip, autonomous 1s
        resources: fuel depletable
        costs: noop fuel 5
        world: alice 50 fuel 50
        agent eve scrip 5 fuel 3 code [['return', {'op': 'noop'}]]
        agent sam scrip 5 code [['return', {'op': 'transfer', 'to': 'alice', 'amount': 1}]]
        step sam -> ok
        step eve -> insufficient_resource ; events exhausted eve 5 fuel
        advance 20s
        # Nobody looks at it in between: its own next turn tells.
        alice transfer {"to": "sam", "amount": 1} -> ok ; events transfer alice sam 1
        step eve -> insufficient_resource ; events exhausted eve 5 fuel, health eve eve starved: no step for 20s for want of `fuel`; it does not come back unless somebody gives some
        advance 20s
        step eve -> insufficient_resource ; events exhausted eve 5 fuel
        "#,
    );
    assert_eq!(told(&toy), ["starved"]);
}

#[test]
fn many_who_starve_are_told_some_at_a_time() {
    let agents: String =
        (0..40).map(|at| format!("agent a{at} fuel 1 code [['return', {{'op': 'noop'}}]]\n")).collect();
    let steps: String = (0..40).map(|at| format!("step a{at} -> insufficient_resource\n")).collect();
    let toy = runs(&format!(
        "rules: autonomous 1s\nresources: fuel depletable\ncosts: noop fuel 5\nworld: alice 50 fuel 9\n{agents}{steps}\
         advance 1m\nalice transfer {{\"to\": \"a0\", \"amount\": 1}} -> ok\nalice transfer {{\"to\": \"a0\", \"amount\": 1}} -> ok\n\
         alice transfer {{\"to\": \"a0\", \"amount\": 1}} -> ok\nalice transfer {{\"to\": \"a0\", \"amount\": 1}} -> ok\n"
    ));
    let per_record: Vec<usize> =
        toy.journal.iter().rev().take(4).map(|record| record.events.len() - 1).collect();
    assert_eq!(per_record, [0, 8, 16, 16], "with the transfer's own");
    assert_eq!(toy.world.health()[0].agents, 40);
    assert_eq!(toy.world.name(toy.world.health()[0].first), "a0");
}

#[test]
fn a_run_in_which_nothing_happens_is_told_once() {
    let quiet = "tick\nstep eve -> ok null ; events\n";
    let toy = runs(&format!(
        "world: alice 50\nagent eve code [['return', null]]\n{}tick\nstep eve -> ok null ; events health eve eve silent: its first 10 steps had no effect; its mind decides to do nothing\ntick\ntick\n",
        quiet.repeat(9)
    ));
    let ticks: Vec<_> = toy.journal.iter().flat_map(|record| &record.events).collect();
    assert_eq!(ticks.len(), 3, "{ticks:?}: the founding's, the agent's and the run's");
    let tally = &toy.world.health()[0];
    assert_eq!((tally.agents, tally.ailment), (0, Ailment::Silent));
    assert_eq!(
        &*tally.detail,
        "silent: nothing had an effect in the first 10 ticks; `oikos log --refused` shows what was tried"
    );
    let row = toy.world.events().next_back().unwrap();
    let json =
        oikos_kernel::world::wire::event_json(&toy.world, row.seq, row.time, &row.event, Viewer::Observer);
    assert_eq!(json.unwrap().get("actor"), None);
    // By paces where there are no ticks; and any effect, of whomever, is one.
    for (act, words) in [
        ("", &["silent", "silent"][..]),
        ("alice transfer {\"to\": \"eve\", \"amount\": 1} -> ok\n", &["silent"]),
    ] {
        let toy = runs(&format!(
            "rules: autonomous 1s\nworld: alice 50\nagent eve code [['return', null]]\n{act}{}",
            "step eve -> ok null\nadvance 1s\n".repeat(13)
        ));
        assert_eq!(told(&toy), words, "{act}");
    }
    // Nobody is silent where nobody has a turn.
    assert_eq!(told(&runs("world: alice 50\n20x tick\n")), [""; 0]);
}

#[test]
fn health_is_for_the_parties_and_wakes_those_who_wait_for_it() {
    let toy = runs(
        r#"
        rules: autonomous 1s
        world: alice 50
        agent keeper scrip 1 code [['return', null]]
        agent eve scrip 5 code [['return', {'op': 'read', 'artifact': 'lost'}]]
        agent spy scrip 1 code [['return', null]]
        eve transfer_ownership {"artifact": "eve", "to": "keeper"} -> ok
        keeper sleep {"event": "health", "filter": {"artifact": "eve"}} -> ok
        spy sleep {"event": "health"} -> ok
        5x step eve -> not_found
        loop keeper starting 0ms
        loop spy sleeping never event health
        sees keeper {"woke": {"by": "event"}, "events": [{"type": "transfer_ownership"}, {"type": "health", "actor": "eve", "artifact": "eve", "detail": "repeating: the same refusal 5 times: `not_found`; its ids may be wrong"}]}
        keeper query {"what": "events", "type": "health"} -> ok ~[{"artifact": "eve"}]
        eve query {"what": "events", "type": "health"} -> ok ~[{"artifact": "eve"}]
        spy query {"what": "events", "type": "health"} -> ok []
        alice query {"what": "events", "type": "health"} -> ok []
        observer {"what": "events", "type": "health"} -> ok ~[{"artifact": "eve"}]
        "#,
    );
    assert_eq!(told(&toy), ["repeating"]);
    assert_eq!(
        oikos_kernel::event::schema()["oneOf"].as_array().unwrap().last().unwrap()["title"],
        json!("health")
    );
}

#[test]
fn a_fork_falls_ill_by_itself() {
    let mut toy = check(&format!("{NOTHING}{}", "step eve -> ok null ; events\n".repeat(9)));
    let before = toy.world.clone();
    let record = |world: &World| world.events().filter(|row| row.kind() == EventKind::Health).count();
    toy.step("eve");
    assert_eq!((record(&toy.world), record(&before)), (1, 0));
    toy.world = before;
    toy.step("eve");
    toy.step("eve");
    assert_eq!(record(&toy.world), 1);
}
