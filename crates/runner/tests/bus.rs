//! Subscribers are told of every event once, in order, from wherever they want; one that is slow holds
//! nobody up.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use std::path::Path;

use oikos_runner::{
    Journal, Live, MAILBOX_MAX, Notice, Stop, Subscription,
    kernel::{
        limits::EVENTS_KEPT_MAX,
        op::OpKind,
        record::{EventKind, Filter},
    },
};
use serde_json::{Value, json};

use self::door::world_file;

const WORLD: &str = r#"
[scrip]
start = 1000000

[execution]
ticks = 3

[[agents]]
id = "alice"
code = "def step(observation): return {'op': 'transfer', 'to': 'bob', 'amount': 2}"

[[agents]]
id = "bob"
code = "def step(observation): return {'op': 'store', 'key': 'k', 'value': 1}"
"#;

fn live(db: Option<&Path>) -> Live {
    let file = world_file(WORLD);
    match db {
        Some(db) => Live::open_or_found(file, db),
        None => Live::found(file, Journal::in_memory),
    }
    .expect("the world is founded")
}

fn subscribe(live: &mut Live, filter: Filter, since: u64) -> Subscription {
    live.sequencer.subscribe(filter, since).expect("no fault")
}

fn from_now(live: &mut Live, filter: Filter) -> Subscription {
    let now = live.world().seq();
    subscribe(live, filter, now)
}

fn any() -> Filter {
    Filter::default()
}

fn run(live: &mut Live) {
    live.run_until(live.goal(), &Stop::default(), |_, _| ()).expect("it runs");
}

/// Lets alice pay bob 1, so many times, and each time makes it leave the process.
fn pay(live: &mut Live, times: usize, together: usize) {
    for time in 1..=times {
        let op = json!({ "op": "transfer", "to": "bob", "amount": 1 });
        live.sequencer.act("alice", op).expect("no fault");
        if time % together == 0 {
            live.sequencer.commit().expect("no fault");
        }
    }
    live.sequencer.commit().expect("no fault");
}

fn events(subscription: Subscription) -> Vec<Value> {
    let told = subscription.map(|notice| match notice.expect("the journal can be read") {
        Notice::Event(event) => event,
        gap @ Notice::Gap { .. } => panic!("{gap:?}"),
    });
    told.collect()
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect()
}

#[test]
fn a_subscriber_is_told_what_fits_and_is_on_disk_in_order() {
    let mut live = live(None);
    let all = subscribe(&mut live, any(), 0);
    let filter = Filter { kind: Some(EventKind::Op(OpKind::Transfer)), to: Some("bob".into()), ..any() };
    let some = from_now(&mut live, Filter { amount: Some(2), ..filter });
    let gone = subscribe(&mut live, any(), 0);
    drop(gone);
    run(&mut live);
    pay(&mut live, 2, 1);
    live.sequencer.close_subscriptions();
    let (all, some) = (events(all), events(some));
    let kinds = |events: &[Value]| -> Vec<String> {
        events.iter().map(|event| event["type"].as_str().expect("a word").to_owned()).collect()
    };
    let count = |kind: &str| kinds(&all).iter().filter(|one| *one == kind).count();
    assert_eq!((all.len(), count("spawn"), count("transfer"), count("store")), (10, 2, 5, 3), "{all:?}");
    assert!(seqs(&all).is_sorted());
    assert_eq!(kinds(&some), ["transfer"; 3]);
    let kept: Vec<u64> = live.world().events().map(|row| row.seq).collect();
    assert_eq!(seqs(&all), kept);
    // Nothing comes after the end.
    pay(&mut live, 1, 1);
    assert!(events(live_and_closed(&mut live)).is_empty());
}

fn live_and_closed(live: &mut Live) -> Subscription {
    let subscription = from_now(live, any());
    live.sequencer.close_subscriptions();
    subscription
}

#[test]
fn what_is_not_on_disk_yet_is_not_told() {
    let mut live = live(None);
    let subscription = from_now(&mut live, any());
    let op = json!({ "op": "transfer", "to": "bob", "amount": 1 });
    live.sequencer.act("alice", op).expect("no fault");
    live.sequencer.close_subscriptions();
    assert!(events(subscription).is_empty());
}

#[test]
fn who_comes_late_or_is_slow_reads_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let mut live = live(Some(&db));
    let slow = subscribe(&mut live, any(), 0);
    run(&mut live);
    let half = live.world().seq();
    let late = subscribe(&mut live, any(), 0);
    let from_half = subscribe(&mut live, any(), half);
    // More than any mailbox holds, in batches that are larger and smaller than what is read at a time.
    pay(&mut live, MAILBOX_MAX + 3_000, 700);
    let next = live.world().seq() + 5;
    let ahead = subscribe(&mut live, any(), next);
    pay(&mut live, 10, 3);
    live.sequencer.close_subscriptions();
    let (slow, late, from_half) = (events(slow), events(late), events(from_half));
    // Two were founded, and did something in each of three ticks.
    assert_eq!(slow.len(), 2 + 6 + MAILBOX_MAX + 3_000 + 10);
    assert_eq!(slow, late);
    let rest: Vec<&Value> = slow.iter().filter(|event| event["seq"].as_u64() > Some(half)).collect();
    assert_eq!(rest, from_half.iter().collect::<Vec<_>>());
    let mut numbers = seqs(&slow);
    numbers.dedup();
    assert_eq!(numbers.len(), slow.len() - 1, "each record but the founding tells of one event, once");
    assert!(numbers.is_sorted());
    assert_eq!(events(ahead).len(), 5);
}

#[test]
fn a_slow_one_and_a_quick_one_are_told_the_same_while_the_world_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut live = live(Some(&folder.path().join("w.oikos")));
    let (one, other) = (subscribe(&mut live, any(), 0), subscribe(&mut live, any(), 0));
    let (one, other) = std::thread::scope(|scope| {
        let quick = scope.spawn(|| events(one));
        pay(&mut live, 3 * MAILBOX_MAX, 500);
        live.sequencer.close_subscriptions();
        (quick.join().expect("no panic"), events(other))
    });
    assert_eq!(one.len(), 2 + 3 * MAILBOX_MAX);
    assert_eq!(one, other);
}

#[test]
fn where_there_is_no_file_a_slow_one_is_told_what_it_lost() {
    let mut live = live(None);
    let first = live.world().seq() + 1;
    let mut slow = from_now(&mut live, any());
    // Its mailbox is full, then the world's memory, and then some.
    pay(&mut live, MAILBOX_MAX + EVENTS_KEPT_MAX + 100, 50);
    for number in 0..MAILBOX_MAX as u64 {
        match slow.next() {
            Some(Ok(Notice::Event(event))) => assert_eq!(event["seq"], first + number),
            other => panic!("{other:?}"),
        }
    }
    let lost = first + MAILBOX_MAX as u64;
    let until = match slow.next() {
        Some(Ok(Notice::Gap { since, until })) if since == lost - 1 => until,
        other => panic!("{other:?}"),
    };
    assert!((lost + 99..=lost + 100).contains(&until), "{until}, lost from {lost}");
    // And it goes on from there.
    pay(&mut live, 1, 1);
    live.sequencer.close_subscriptions();
    let rest: Vec<u64> = (until + 1..=live.world().seq()).collect();
    assert_eq!(seqs(&events(slow)), rest);
}

#[test]
fn one_can_be_asked_for_at_the_desk() {
    let mut live = live(None);
    let (desk, stop) = (live.desk(), Stop::default());
    let kinds = std::thread::scope(|scope| {
        let asking = stop.clone();
        let listener = scope.spawn(move || {
            let subscription = desk.subscribe(any(), 0).expect("the desk is open");
            desk.submit("alice", json!({ "op": "store", "key": "k", "value": 1 })).expect("the desk is open");
            let heard: Vec<_> = subscription.take(3).collect();
            asking.ask(oikos_runner::Why::ClosedPipe);
            heard
                .into_iter()
                .map(|notice| match notice {
                    Ok(Notice::Event(event)) => event["type"].as_str().expect("a word").to_owned(),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        });
        live.attend(&stop).expect("no fault");
        listener.join().expect("no panic")
    });
    assert_eq!(kinds, ["spawn", "spawn", "store"]);
}
