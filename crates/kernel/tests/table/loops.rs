//! Loops: sleeping and waking, waiting for capacity, failing too often. Times are in milliseconds
//! since the beginning; `loop` shows an agent's state, the time of its turn, and the condition it waits for.

use oikos_kernel::limits::EVENTS_KEPT_MAX;

use serde_json::json;

use crate::door::check;

#[test]
fn a_sleeper_wakes_at_the_first_of_what_it_waits_for() {
    check(
        r#"
        rules: autonomous 1s
        world: alice 50
        agent eve code [['return', {'op': 'sleep', 'for': '1m', 'event': 'transfer', 'filter': {'to': 'eve'}}]]
        agent sam code [['return', null]]
        loop eve starting 0ms
        step eve -> ok {"until": "2026-01-01T00:01:00.000Z"} ; events sleep eve until 2026-01-01T00:01:00.000Z, or event transfer to=eve
        loop eve sleeping 60000ms until 2026-01-01T00:01:00.000Z, or event transfer to=eve
        step sam -> ok null
        loop sam running 1000ms
        # Another event than the one awaited, then the one: it wakes at that instant.
        alice transfer {"to": "sam", "amount": 1} -> ok
        loop eve sleeping 60000ms until 2026-01-01T00:01:00.000Z, or event transfer to=eve
        advance 30s
        alice transfer {"to": "eve", "amount": 1} -> ok
        loop eve running 30000ms
        sees eve {"woke": {"by": "event", "seq": 5}, "step": 1}
        step eve -> ok ; events wake eve event 5, sleep eve until 2026-01-01T00:01:30.000Z, or event transfer to=eve
        # By its time.
        advance 60s
        sees eve {"woke": {"by": "time"}, "events": []}
        step eve -> ok ; events wake eve time, sleep eve until 2026-01-01T00:02:30.000Z, or event transfer to=eve
        "#,
    );
}

#[test]
fn a_sleeper_waits_for_levels_of_what_it_has() {
    check(
        r#"
        rules: autonomous 1s
        resources: fuel depletable, actions renewable 60s
        world: alice 50 fuel 10
        agent eve scrip 5 actions 10 code [['return', null]]
        eve sleep {"resource": "scrip", "level": 8} -> ok {"until": null}
        loop eve sleeping never scrip at least 8
        alice transfer {"to": "eve", "amount": 2} -> ok
        loop eve sleeping never scrip at least 8
        alice transfer {"to": "eve", "amount": 1} -> ok
        loop eve starting 0ms
        sees eve {"woke": {"by": "level", "resource": "scrip"}}
        step eve -> ok ; events wake eve level of scrip
        # A level that is there already ends the sleep at once, but never twice in one instant.
        eve sleep {"resource": "scrip", "level": {"at_most": 8}} -> ok
        loop eve running 1ms
        advance 1ms
        step eve -> ok
        eve sleep {"resource": "scrip", "level": {"at_most": 4}} -> ok
        eve transfer {"to": "alice", "amount": 4} -> ok
        loop eve running 2ms
        step eve -> ok
        eve sleep {"resource": "fuel", "level": 3} -> ok
        alice transfer {"to": "eve", "amount": 3, "resource": "fuel"} -> ok
        loop eve running 2ms
        # A resource that comes back by itself has a time, which moves with its use.
        eve sleep {"resource": "actions", "level": 10} -> ok
        loop eve running 2ms
        "#,
    );
    check(
        r#"
        rules: autonomous 1s
        resources: actions renewable 60s
        costs: noop actions 4
        world: alice
        agent eve actions 10 code [['return', null]]
        eve noop -> ok
        advance 10s
        eve [{"op": "noop"}, {"op": "sleep", "resource": "actions", "level": 7}] -> ok
        loop eve sleeping 70000ms actions at least 7
        advance 40s
        eve transfer {"to": "alice", "amount": 2, "resource": "actions"} -> ok
        loop eve sleeping 70000ms actions at least 7
        advance 10s
        eve transfer {"to": "alice", "amount": 2, "resource": "actions"} -> ok
        loop eve sleeping never actions at least 7
        alice transfer {"to": "eve", "amount": 1, "resource": "actions"} -> ok
        loop eve sleeping 70000ms actions at least 7
        "#,
    );
}

#[test]
fn a_sleep_that_makes_no_sense_is_refused() {
    check(
        r#"
        resources: fuel depletable
        world: alice
        agent eve code [['return', null]]
        artifact tool by eve code [['call', 'sleep', ['60s']]]
        artifact mine by eve code [['call', 'invoke', ['eve']]]
        alice sleep {"for": "60s"} -> invalid_argument "has no loop"
        eve sleep {} -> invalid_argument "needs something that ends it"
        eve sleep {"any": []} -> invalid_argument "needs something that ends it"
        eve sleep {"filter": {"to": "eve"}} -> invalid_argument "`filter` goes with `event`"
        eve sleep {"event": "transfers"} -> invalid_argument unrecorded "did you mean `transfer`?"
        eve sleep {"event": "transfer", "filter": {"resource": "fule"}} -> invalid_argument "did you mean `fuel`?"
        eve sleep {"event": "transfer", "filter": {"form": "a"}} -> invalid_argument unrecorded
        eve sleep {"resource": "fuel"} -> invalid_argument "`resource` goes with `level`"
        eve sleep {"level": 5} -> invalid_argument "`level` goes with `resource`"
        eve sleep {"resource": "cpu", "level": 5} -> invalid_argument "unlimited"
        eve sleep {"resource": "fule", "level": 5} -> invalid_argument "did you mean `fuel`?"
        eve sleep {"for": "9000000h"} -> ok
        eve sleep {"for": "90000000h"} -> invalid_argument "beyond the last instant"
        eve sleep {"any": [{"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}, {"for": "1s"}], "for": "1s"} -> limit_exceeded 17/16
        # A tool has no loop of its own, and can't put its caller to sleep; an agent's own snippet can.
        eve invoke {"artifact": "tool"} -> invalid_argument "`tool` has no loop"
        eve run {"code": "[['call', 'sleep', ['60s']]]"} -> ok
        loop eve sleeping 60000ms until 2026-01-01T00:01:00.000Z
        # A list that fails as a whole puts nobody to sleep, and the last of two sleeps counts.
        eve [{"op": "sleep", "for": "1s"}, {"op": "transfer", "to": "alice", "amount": 1}] -> insufficient_scrip @1
        loop eve sleeping 60000ms until 2026-01-01T00:01:00.000Z
        eve [{"op": "sleep", "for": "1s"}, {"op": "sleep", "for": "2s"}] -> ok
        loop eve sleeping 2000ms until 2026-01-01T00:00:02.000Z
        "#,
    );
}

#[test]
fn filters_fit_all_that_they_name() {
    check(
        r#"
        rules: autonomous 1s
        resources: fuel depletable
        world: alice 50 fuel 5, bob 50
        agent eve code [['return', null]]
        artifact shop by bob code [['return', 1]]
        eve sleep {"event": "*", "filter": {"actor": "bob"}} -> ok
        alice transfer {"to": "bob", "amount": 1} -> ok
        loop eve sleeping never event * actor=bob
        bob store {"key": "k", "value": 1} -> ok
        loop eve starting 0ms
        eve sleep {"event": "transfer", "filter": {"amount": 5, "resource": "scrip"}} -> ok
        alice transfer {"to": "bob", "amount": 4} -> ok
        alice transfer {"to": "bob", "amount": 5, "resource": "fuel"} -> ok
        loop eve sleeping never event transfer resource=scrip amount>=5
        alice transfer {"to": "bob", "amount": 5} -> ok
        loop eve starting 0ms
        eve sleep {"any": [{"event": "invoke", "filter": {"artifact": "shop", "detail": "sell"}}, {"event": "write", "filter": {"artifact": "new"}}]} -> ok
        alice invoke {"artifact": "shop"} -> ok
        loop eve sleeping never event invoke artifact=shop detail=sell, or event write artifact=new
        bob write {"artifact": "new", "content": 1} -> ok
        loop eve starting 0ms
        # The event that wakes is seen, though it concerns somebody else.
        sees eve {"woke": {"by": "event", "seq": 11}, "events": [{"seq": 4}, {"seq": 8}, {"seq": 11, "type": "write"}]}
        # Its own falling asleep wakes nobody.
        eve [{"op": "store", "key": "k", "value": 1}, {"op": "sleep", "event": "*"}] -> ok
        loop eve sleeping never event *
        "#,
    );
}

#[test]
fn what_happened_since_a_mind_looked_still_wakes_it() {
    check(
        r#"
        world: alice 50
        agent eve code [['return', {'op': 'sleep', 'event': 'transfer', 'filter': {'to': 'eve'}}]]
        agent sam code [['return', null]]
        tick
        alice transfer {"to": "eve", "amount": 1} -> ok
        step eve -> ok
        # It thought on the beginning of the tick: the transfer is news to it.
        loop eve running 0ms
        advance 60s
        tick
        sees eve {"woke": {"by": "event", "seq": 3}, "events": [{"seq": 3}]}
        step eve -> ok ; events wake eve event 3, sleep eve event transfer to=eve
        loop eve sleeping never event transfer to=eve
        "#,
    );
}

#[test]
fn a_sleeper_is_shown_what_woke_it_though_it_concerns_somebody_else() {
    check(
        r#"
        world: alice 50, bob
        agent eve code [['return', {'op': 'sleep', 'event': 'store', 'filter': {'actor': 'bob'}}]]
        agent sam code [['return', {'op': 'sleep', 'event': '*', 'filter': {'to': 'sam'}}]]
        tick
        bob store {"key": "k", "value": 1} -> ok
        alice transfer {"to": "sam", "amount": 1} -> ok
        alice transfer {"to": "sam", "amount": 2} -> ok
        step eve -> ok
        step sam -> ok
        advance 60s
        tick
        sees eve {"woke": {"by": "event", "seq": 3}, "events": [{"seq": 3, "type": "store", "actor": "bob"}], "events_missed": 0}
        # An event that concerns it anyway is not shown twice.
        sees sam {"woke": {"by": "event", "seq": 4}, "events": [{"seq": 4}, {"seq": 5}], "events_missed": 0}
        "#,
    );
}

#[test]
fn a_sleeper_in_a_tick_of_many_events_misses_none() {
    let mut text = String::from(
        "world: alice, bob
agent eve code [['return', {'op': 'sleep', 'event': 'store', 'filter': {'actor': 'bob'}}]]
tick
bob store {\"key\": \"k\", \"value\": 1} -> ok
",
    );
    for _ in 0..=EVENTS_KEPT_MAX {
        text.push_str("alice store {\"key\": \"k\", \"value\": 1} -> ok\n");
    }
    text.push_str("step eve -> ok\nadvance 60s\ntick\n");
    text.push_str(r#"sees eve {"woke": {"by": "event", "seq": 3}, "events": [{"seq": 3, "actor": "bob"}]}"#);
    let toy = check(&text);
    assert_eq!(toy.world.events().count(), EVENTS_KEPT_MAX, "the next tick lets go of the rest");
}

#[test]
fn a_sleeper_waits_for_disk_that_anybody_frees() {
    check(
        r#"
        rules: autonomous 1s
        resources: disk allocatable
        world: alice 0 disk 100, bob 0 disk 100
        agent eve disk 200 code [['return', null]]
        eve write {"artifact": "note", "content": "0123456789", "access_contract": "genesis_contract_public"} -> ok
        eve write {"artifact": "page", "content": "0123456789", "access_contract": "genesis_contract_public"} -> ok
        eve sleep {"resource": "disk", "level": 80} -> ok
        loop eve sleeping never disk at least 80
        alice write {"artifact": "note", "content": "01234567"} -> ok
        loop eve sleeping never disk at least 80
        alice write {"artifact": "note", "content": "0"} -> ok
        loop eve starting 0ms
        eve sleep {"resource": "disk", "level": 100} -> ok
        eve transfer_ownership {"artifact": "page", "to": "bob"} -> ok
        loop eve starting 0ms
        eve sleep {"resource": "disk", "level": {"at_most": 70}} -> ok
        bob transfer_ownership {"artifact": "page", "to": "eve"} -> ok
        loop eve sleeping never disk at most 70
        eve write {"artifact": "new", "content": "0123456789012345678901"} -> ok
        loop eve starting 0ms
        "#,
    );
}

#[test]
fn a_sleeper_that_wakes_without_cpu_is_told_why_it_woke_when_it_steps() {
    for (policy, short, step) in [
        ("", "blocked 60000ms 9 of cpu", "wake eve event 5, unblock eve cpu"),
        (", skip", "running 2000ms", "wake eve event 5"),
    ] {
        check(&format!(
            r#"
            rules: autonomous 1s{policy}
            resources: cpu renewable 60s
            world: alice 9 cpu 50
            agent eve cpu 9 code [['work', 1], ['return', null]]
            step eve -> ok ; charged eve cpu 3
            eve sleep {{"event": "transfer", "filter": {{"to": "eve"}}}} -> ok
            eve run {{"code": "[]"}} -> ok ; charged eve cpu 6
            advance 1s
            alice transfer {{"to": "eve", "amount": 1}} -> ok
            short eve
            loop eve {short}
            advance 60s
            sees eve {{"woke": {{"by": "event", "seq": 5}}, "events": [{{"seq": 5}}]}}
            step eve -> ok ; events {step}
            "#
        ));
    }
}

#[test]
fn a_loop_that_lacks_capacity_waits_for_exactly_that_instant() {
    let script = |policy: &str| {
        format!(
            r#"
        rules: autonomous 1s{policy}
        resources: actions renewable 60s, fuel depletable
        costs: noop actions 2, store fuel 1
        world: alice 9 actions 9 fuel 9
        agent eve actions 4 code [['return', {{'op': 'noop'}}]]
        agent sam actions 4 code [['return', {{'op': 'store', 'key': 'k', 'value': 1}}]]
        step eve -> ok
        advance 10s
        step eve -> ok ; events exhausted eve actions
        advance 1s
        "#
        )
    };
    check(&format!(
        "{}{}",
        script(""),
        r#"
        step eve -> rate_limited 2/0 unrecorded2 ; charged eve cpu 3 ; events exhausted eve 2 actions, block eve 2 actions until 2026-01-01T00:01:00.000Z
        loop eve blocked 60000ms 2 of actions
        # More rate brings the instant nearer, less of it puts it off.
        alice transfer {"to": "eve", "amount": 2, "resource": "actions"} -> ok
        loop eve blocked 11001ms 2 of actions
        eve transfer {"to": "alice", "amount": 2, "resource": "actions"} -> ok ; events transfer eve alice 2 actions, exhausted eve actions
        loop eve blocked 60000ms 2 of actions
        advance 49s
        step eve -> ok ; events unblock eve actions, exhausted eve actions
        loop eve running 61000ms
        # A lack that does not end by itself freezes; enough of the resource from anyone thaws.
        step sam -> insufficient_resource 1/0 ; events exhausted sam 1 fuel, freeze sam 1 fuel
        loop sam blocked never 1 of fuel
        alice transfer {"to": "sam", "amount": 1} -> ok
        loop sam blocked never 1 of fuel
        alice transfer {"to": "sam", "amount": 3, "resource": "fuel"} -> ok ; events transfer alice sam 3 fuel, rescue alice sam 3 fuel
        loop sam blocked 60001ms 1 of fuel
        step sam -> ok ; events unblock sam fuel, store sam sam k
        "#
        .replace(" unrecorded2", "")
    ));
    check(&format!(
        "{}{}",
        script(", skip"),
        r#"
        step eve -> rate_limited 2/0 ; charged eve cpu 3 ; events exhausted eve 2 actions
        loop eve running 12000ms
        step sam -> insufficient_resource 1/0 ; events exhausted sam 1 fuel
        loop sam running 12000ms
        "#
    ));
}

#[test]
fn a_turn_without_cpu_is_no_step() {
    check(
        r#"
        rules: autonomous 1s
        resources: cpu renewable 60s
        world: alice 0 cpu 5000
        agent eve code [['return', null]]
        agent sam cpu 5000 code [['work', 1500], ['return', null]]
        # A newcomer has nothing: it begins to live when somebody gives it what its first step takes.
        short eve
        loop eve blocked never 1 of cpu
        alice transfer {"to": "eve", "amount": 2000, "resource": "cpu"} -> ok ; events transfer alice eve 2000 cpu, rescue alice eve 2000 cpu
        loop eve blocked 1ms 1 of cpu
        step eve -> ok null ; charged eve cpu 3 ; events unblock eve cpu
        # It waits for what its last step used.
        step sam -> ok null ; charged sam cpu 4500
        short sam
        loop sam blocked 60000ms 4500 of cpu
        sees sam {"self": {"resources": {"cpu": {"capacity": 500, "burn_per_minute": 4500, "time_until_capacity": "1m"}}}}
        # When its whole rate is gone it is frozen, and told so.
        sam transfer {"to": "alice", "amount": 500, "resource": "cpu"} -> ok
        loop sam blocked 60000ms 4500 of cpu
        advance 60s
        sam transfer {"to": "alice", "amount": 4500, "resource": "cpu"} -> ok ; events transfer sam alice 4500 cpu, exhausted sam cpu, freeze sam 4500 cpu
        loop sam blocked never 4500 of cpu
        "#,
    );
}

#[test]
fn failures_back_off_and_then_pause() {
    let mut text = String::from(
        "rules: autonomous 1ms
world: alice 9
agent eve code [['raise', 'lost']]
agent sam code [['return', 5]]
",
    );
    let mut at = 0;
    for wait in [100, 200, 400, 800] {
        at += wait;
        text.push_str(&format!("step eve -> code_error\nloop eve running {at}ms\nadvance {wait}ms\n"));
    }
    text.push_str(
        r#"
        step eve -> code_error ; events mind_error eve eve in `eve`: RuntimeError: lost, pause eve 5 errors in a row
        loop eve paused never something about it to change
        sees eve {"last": {"ok": false, "error": {"code": "code_error"}}}
        # Money is a change, and so is new code.
        alice transfer {"to": "eve", "amount": 1} -> ok
        loop eve running 1501ms
        advance 1s
        step eve -> code_error ; events wake eve change, mind_error eve eve in `eve`: RuntimeError: lost
        eve write {"artifact": "eve", "code": "[['return', null]]"} -> ok
        step eve -> ok null
        # A value that is no action is a failure of the mind; a refusal is none.
        step sam -> invalid_argument
        loop sam running 2600ms
        step sam -> invalid_argument
        loop sam running 2700ms
        sam write {"artifact": "sam", "code": "[['return', {'op': 'transfer', 'to': 'alice', 'amount': 1}]]"} -> ok
        step sam -> insufficient_scrip
        loop sam running 2501ms
        "#,
    );
    check(&text);
}

#[test]
fn a_deleted_loop_stops_and_a_new_one_starts_one_pace_later() {
    check(
        r#"
        rules: autonomous 5s
        world: alice
        agent eve code [['return', null]]
        alice write {"artifact": "kid", "has_loop": true, "code": "[['return', null]]"} -> ok
        loop kid starting 5000ms
        sees eve {"population": 2}
        kid sleep {"for": "1h"} -> ok
        eve sleep {"event": "delete"} -> ok
        alice delete {"artifact": "kid"} -> ok
        loop kid stopped never
        loop eve starting 0ms
        sees eve {"population": 1}
        alice query {"what": "agents"} -> ok [{"id": "eve", "owner": "eve", "kind": "data", "state": "starting", "steps": 0}]
        "#,
    );
}

#[test]
fn an_agent_that_was_asked_thinks_until_it_steps() {
    check(
        r#"
        rules: autonomous 1s
        world: alice 50
        agent eve code [['return', {'op': 'sleep', 'for': '1m', 'event': 'transfer', 'filter': {'to': 'eve'}}]]
        ask eve -> ok
        loop eve thinking never its mind to answer
        # Nothing that happens meanwhile ends the thought, but it is seen by the next one.
        advance 30s
        alice transfer {"to": "eve", "amount": 1} -> ok
        loop eve thinking never its mind to answer
        step eve -> ok {"until": "2026-01-01T00:01:30.000Z"} ; events sleep eve until 2026-01-01T00:01:30.000Z, or event transfer to=eve
        sees eve {"step": 1, "events": [{"type": "transfer", "to": "eve", "amount": 1}]}
        # It missed what it waits for while it thought, so it does not sleep on.
        loop eve running 30001ms
        sees eve {"woke": {"by": "event", "seq": 3}}
        # The end of a wait is told when the mind is asked, and once.
        advance 1s
        ask eve -> ok ; events wake eve event 3
        step eve -> ok ; events sleep eve until 2026-01-01T00:01:31.000Z, or event transfer to=eve
        loop eve sleeping 91000ms until 2026-01-01T00:01:31.000Z, or event transfer to=eve
        "#,
    );
}

#[test]
fn a_sleep_in_a_steps_list_holds_though_the_rest_is_refused() {
    let pay = "{'op': 'transfer', 'to': 'alice', 'amount': 1}";
    let sleep = |event: &str| format!("{{'op': 'sleep', 'event': '{event}'}}");
    let (short, long) = (sleep("write"), sleep("edit"));
    let bad = "{'op': 'sleep'}";
    // The list, the place of the refusal, the sleep that holds, and the actions charged.
    for (list, refused, holds, charged) in [
        (format!("{pay}, {short}"), "insufficient_scrip 1/0 @0", "write", 2),
        (format!("{short}, {pay}"), "insufficient_scrip 1/0 @1", "write", 2),
        (format!("{short}, {pay}, {long}"), "insufficient_scrip 1/0 @1", "write edit", 3),
        (format!("{short}, {long}, {pay}"), "insufficient_scrip 1/0 @2", "write edit", 3),
        (format!("{short}, {bad}"), "invalid_argument @1", "write", 2),
        (format!("{bad}, {short}"), "invalid_argument @0", "write", 2),
        (
            format!("{short}, {{'op': 'store', 'key': 'k', 'value': 1}}, {pay}"),
            "insufficient_scrip 1/0 @2",
            "write",
            3,
        ),
        (format!("{short}, {{'op': 'delete', 'artifact': 'eve'}}, {pay}"), "not_found @2", "write", 1),
    ] {
        // Of two the last one counts.
        let told: Vec<String> = holds.split(' ').map(|event| format!("sleep eve event {event}")).collect();
        let (told, last) = (told.join(", "), holds.split(' ').next_back().unwrap());
        let toy = check(&format!(
            "rules: autonomous 1s
             resources: actions renewable 60s
             costs: sleep actions 1, transfer actions 1, store actions 1
             world: alice
             agent eve actions 9 code [['return', [{list}]]]
             step eve -> {refused} ; charged eve cpu 3, eve actions {charged} ; events {told}
             loop eve sleeping never event {last}
             sees eve {{\"self\": {{\"storage_keys\": []}}, \"last\": {{\"ok\": false}}}}"
        ));
        assert_eq!(toy.world.population(), 1);
    }
    // It is the step's, and nobody else's: not of an action from outside, nor of code that failed. A sleep alone
    // that is refused is none, nor is one whose cost can't be borne.
    check(
        r#"
        rules: autonomous 1s
        resources: actions renewable 60s
        costs: sleep actions 1, noop actions 5
        world: alice
        agent eve actions 9 code {'step': [['return', [{'op': 'invoke', 'artifact': 'eve', 'method': 'nap'}, {'op': 'noop'}]]], 'nap': [['call', 'sleep', ['60s']], ['raise', 'x']]}
        agent sam actions 2 code [['return', [{'op': 'noop'}, {'op': 'sleep', 'event': 'edit'}]]]
        agent tim actions 0 code [['return', [{'op': 'transfer', 'to': 'alice', 'amount': 1}, {'op': 'sleep', 'event': 'edit'}]]]
        eve [{"op": "sleep", "event": "edit"}, {"op": "transfer", "to": "alice", "amount": 1}] -> insufficient_scrip @1
        loop eve starting 0ms
        step eve -> code_error @0
        loop eve running 1000ms
        # A loop that blocks waits for what it lacked, and for nothing else.
        step sam -> rate_limited 6/2 ; charged sam cpu 3
        loop sam blocked never 6 of actions
        step tim -> rate_limited 1/0
        loop tim blocked never 1 of actions
        "#,
    );
    check(
        r#"
        rules: autonomous 1s, skip
        resources: actions renewable 60s
        costs: sleep actions 1, noop actions 5
        world: alice
        agent sam actions 2 code [['return', [{'op': 'noop'}, {'op': 'sleep', 'event': 'edit'}]]]
        # Refused at admission as a whole, its sleep holds all the same, and is charged.
        step sam -> rate_limited 6/2 ; charged sam cpu 3, sam actions 1 ; events sleep sam event edit
        loop sam sleeping never event edit
        "#,
    );
}

#[test]
fn a_wake_names_what_the_mind_saw() {
    let mut toy = check(
        r#"
        world: alice 50
        agent eve code [['return', {'op': 'sleep', 'for': '60s', 'event': 'transfer'}]]
        tick
        step eve -> ok
        advance 60s
        tick
        "#,
    );
    let snapshot = toy.world.clone();
    let eve = toy.handle("eve");
    assert_eq!(snapshot.observation(eve, toy.now, 1)["woke"], json!({ "by": "time" }));
    // It is paid after it thought and before it acts.
    toy.act("alice", &json!({ "op": "transfer", "to": "eve", "amount": 1 }));
    let paid_seq = toy.world.seq();
    let receipt = toy.step_on("eve", &snapshot);
    let wake = receipt.events.iter().find(|event| event.kind.as_str() == "wake").unwrap();
    assert_eq!(wake.detail.as_deref(), Some("time"));
    // The payment that it has not seen wakes it again, and is named then.
    assert_eq!(toy.world.observation(eve, toy.now, 1)["woke"], json!({ "by": "event", "seq": paid_seq }));
}
