//! Many threads at one desk: conserved, in one order, answered once, and refused when there are too many.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use std::sync::atomic::{AtomicU64, Ordering};

use oikos_runner::{
    Journal, JournalError, Live, NotTaken, SERVED_MAX, Signal, Stop, Why,
    kernel::{
        id::Handle,
        record::{Cause, Record},
    },
    verify,
};
use serde_json::json;

use self::door::{workplace, world_file};

/// Why these worlds are asked to stop.
const WHY: Why = Why::Signal(Signal::Terminate);

const THREADS: usize = 64;
const ACTIONS: usize = 40;

const WORLD: &str = r#"
[[artifacts]]
id = "till"
has_standing = true

[[artifacts]]
id = "shop"
has_standing = true
code = """
def buy():
    buyer = storage_get('sold_to')
    if buyer is not None:
        raise ValueError(f'the painting was sold to {buyer}')
    storage_set('sold_to', call['caller'])
    return call['paid']
"""

[[agents]]
id = "p"
count = 64
scrip = 100
code = "def step(observation): return None"
"#;

fn live() -> Live {
    workplace().found(world_file(WORLD), Journal::in_memory).expect("the world is founded")
}

#[test]
fn threads_submit_at_once_and_nothing_is_lost() {
    let mut live = live();
    let (desk, stop) = (live.desk(), Stop::default());
    let (sold, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let submitters: Vec<_> = (1..=THREADS)
            .map(|number| {
                let (desk, sold, refused) = (desk.clone(), &sold, &refused);
                scope.spawn(move || {
                    let me = format!("p_{number:03}");
                    // Real threads race for one thing: one has it, the others are told who.
                    let buy = json!({ "op": "invoke", "artifact": "shop", "method": "buy", "pay": 7 });
                    let receipt = desk.submit(&me, buy).expect("the desk is open");
                    match receipt.refusal() {
                        None => sold.fetch_add(1, Ordering::SeqCst),
                        Some(refusal) => {
                            assert!(refusal.message.contains("the painting was sold to p_"), "{refusal}");
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                    for turn in 0..ACTIONS {
                        // One in ten goes to one account.
                        let to = if turn % 10 == 0 { "till".into() } else { format!("p_{:03}", turn % THREADS + 1) };
                        let pay = json!({ "op": "transfer", "to": to, "amount": 1, "action_id": format!("a{turn}") });
                        let first = desk.submit(&me, pay.clone()).expect("the desk is open");
                        let again = desk.submit(&me, pay).expect("the desk is open");
                        assert_eq!(first.seq, again.seq, "an action id is one action");
                    }
                })
            })
            .collect();
        let asking = stop.clone();
        scope.spawn(move || {
            for submitter in submitters {
                submitter.join().expect("no thread fails");
            }
            asking.ask(WHY);
        });
        live.attend(&stop).expect("no fault");
    });
    assert_eq!((sold.into_inner(), refused.into_inner()), (1, 63));
    live.world().audit().expect("the books add up");
    assert_eq!(live.world().supply(), 6_400);
    let verified =
        verify(&live.sequencer.journal().expect("no fault"), |_| ()).expect("the journal verifies");
    assert_eq!(verified.world.digest(), live.world().digest());
    drop(live);
    let late = desk.submit("p_001", json!({ "op": "noop" }));
    assert!(matches!(late, Err(NotTaken::Closed)), "{late:?}");
}

/// One agent that always has a turn, or a tick of many, beside a desk that is never empty.
fn flooded(world: &str) -> Vec<Record> {
    let mut live = workplace().found(world_file(world), Journal::in_memory).expect("the world is founded");
    let (desk, goal) = (live.desk(), live.goal().expect("a goal"));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let desk = desk.clone();
            scope.spawn(move || while desk.submit("p_001", json!({ "op": "noop" })).is_ok() {});
        }
        let stopped = live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs");
        assert!(stopped.is_done());
    });
    let mut records = Vec::new();
    let journal = live.sequencer.journal().expect("no fault");
    let read = journal.records(1, |record| {
        records.push(record);
        Ok::<(), JournalError>(())
    });
    read.expect("the journal is read");
    records
}

#[test]
fn a_turn_that_is_due_waits_for_a_bounded_number_of_actions() {
    for (execution, is_tick) in [
        ("mode = 'autonomous'\nduration = '1500ms'\npace = '1ms'", false),
        ("mode = 'tick'\nticks = 300", true),
    ] {
        let code = "code = 'def step(observation): return None'";
        let world = format!("[execution]\n{execution}\n[[agents]]\nid = 'p'\ncount = 5\n{code}\n");
        let records = flooded(&world);
        let (mut in_a_row, mut acts, mut between) = (0, 0, 0);
        for record in &records {
            match record.cause {
                Cause::Act { .. } => {
                    in_a_row += 1;
                    acts += 1;
                }
                Cause::Step { .. } => {
                    between += usize::from(in_a_row > 0);
                    // In a tick it is looked at the desk before each thought, too.
                    assert!(
                        is_tick || in_a_row <= SERVED_MAX,
                        "{in_a_row} actions before a turn that was due"
                    );
                    in_a_row = 0;
                }
                _ => {}
            }
        }
        assert!(acts > 0 && between > 0, "{execution}: {acts} actions, {between} times between turns");
    }
}

/// One agent whose code takes long, and others whose code does not, on the wall clock.
const SLOW: &str = "[world]\nclock = 'wall'\n[execution]\nmode = 'autonomous'\nduration = '1500ms'\npace = '1ms'\n\
    workers = 2\n[[agents]]\nid = 'slow'\ncode = '''\ndef step(observation):\n    for number in range(4000000):\n\
    \x20       pass\n    return {'op': 'noop'}\n'''\n[[agents]]\nid = 'quick'\ncount = 3\n\
    code = \"def step(observation): return {'op': 'noop'}\"\n";

#[test]
fn slow_code_delays_nobody_elses_turn() {
    let mut live = workplace().found(world_file(SLOW), Journal::in_memory).expect("the world is founded");
    let goal = live.goal().expect("a goal");
    assert!(live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
    let slow = live.world().lookup("slow").expect("it is there");
    let (mut steps, mut asked) = (Vec::new(), Vec::new());
    let journal = live.sequencer.journal().expect("no fault");
    let read = journal.records(1, |record| {
        match record.cause {
            Cause::Step { agent, turn, .. } => steps.push((agent, turn)),
            Cause::Ask { agent, turn, .. } => asked.push((agent, turn)),
            _ => {}
        }
        Ok::<(), JournalError>(())
    });
    read.expect("the journal is read");
    drop(journal);
    let first =
        steps.iter().position(|(agent, _)| *agent == slow).expect("it comes to an end of its thought");
    // One after the other, each of the quick ones would have had one turn at most.
    assert!(first > 6, "{first} turns of others while it thought");
    // It is known who thought while others acted.
    let slow_steps: Vec<(Handle, u64)> = steps.iter().copied().filter(|(agent, _)| *agent == slow).collect();
    assert!(slow_steps.iter().all(|step| asked.contains(step)), "{slow_steps:?}, asked {asked:?}");
    // Nobody has two thoughts at a time, and none is lost.
    for agent in live.world().agents() {
        let turns = steps.iter().filter(|(of, _)| *of == agent.handle).map(|(_, turn)| *turn);
        assert!(turns.eq(0..agent.steps), "the turns of one agent come one after the other");
    }
    verify(&live.sequencer.journal().expect("no fault"), |_| ()).expect("the journal verifies");
}

#[test]
fn those_who_think_as_it_is_asked_to_stop_act_first() {
    let mut live = workplace()
        .found(world_file(SLOW.replace("1500ms", "1h")), Journal::in_memory)
        .expect("it is founded");
    let (goal, stop, desk) = (live.goal().expect("a goal"), Stop::default(), live.desk());
    let stopped = std::thread::scope(|scope| {
        let asking = stop.clone();
        scope.spawn(move || {
            for _ in 0..50 {
                desk.submit("quick_001", json!({ "op": "noop" })).expect("the desk is open");
            }
            asking.ask(WHY);
        });
        live.run_until(goal, &stop, |_, _| ()).expect("it runs")
    });
    assert_eq!(stopped.asked(), Some(WHY));
    let slow = live.world().lookup("slow").expect("it is there");
    assert!(live.world().agent(slow).expect("it has a loop").steps >= 1, "its thought was not thrown away");
    live.world().audit().expect("the books add up");
}
