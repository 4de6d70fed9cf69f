//! Every pair of modes runs the same world and keeps the same promises: both schedulers, on both clocks,
//! with both renewals and both policies on exhaustion.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::collections::BTreeMap;

use oikos_runner::{
    Goal, Journal, JournalError, Live, Signal, Stop, Why,
    config::WorldFile,
    kernel::{
        op::OpKind,
        record::{Cause, Event, EventKind, Outcome, Record},
        time::Time,
        world::World,
    },
    verify,
};

use self::door::{workplace, world_file};

/// Why these worlds are asked to stop.
const WHY: Why = Why::Signal(Signal::Terminate);

const WINDOW_MS: i64 = 100;
const RATE: i64 = 5;
const TICK_MS: i64 = 20;
const RUN_MS: i64 = 400;

/// One way to run a world.
#[derive(Clone, Copy, Debug)]
struct Modes {
    autonomous: bool,
    wall: bool,
    tick_renewal: bool,
    skip: bool,
}

/// Everyone of the suite: one who always acts, one who naps, one who waits for payments and one who makes
/// them, one whose mind fails, one who runs dry and one who helps.
const AGENTS: &str = r#"
[[artifacts]]
id = "bystander"
has_standing = true
scrip = 7

[[agents]]
id = "busy"
[agents.resources]
calls = 5
fuel = 0
[[agents]]
id = "napper"
[[agents]]
id = "waiter"
[[agents]]
id = "payer"
scrip = 100
[[agents]]
id = "broken"
[[agents]]
id = "dry"
[agents.resources]
fuel = 2
[[agents]]
id = "helper"
[agents.resources]
fuel = 50
"#;

const MINDS: [(&str, &str); 7] = [
    ("busy", "return {'op': 'noop'}"),
    ("napper", "return {'op': 'sleep', 'for': '30ms'}"),
    (
        "waiter",
        "seen = [{'op': 'store', 'key': 'seen' + str(e['seq']), 'value': 1} for e in observation['events']]
    return seen + [{'op': 'sleep', 'event': 'transfer', 'filter': {'to': 'waiter'}}]",
    ),
    (
        "payer",
        "return [{'op': 'transfer', 'to': 'waiter', 'amount': 1}, {'op': 'sleep', 'for': '50ms'}]",
    ),
    ("broken", "raise ValueError('lost')"),
    ("dry", "return {'op': 'edit', 'artifact': 'nothing', 'field': 'code', 'old': 'a', 'new': 'b'}"),
    (
        "helper",
        "if observation['woke']:
        return [{'op': 'transfer', 'to': 'dry', 'amount': 3, 'resource': 'fuel'}, {'op': 'sleep', 'for': '1h'}]
    return {'op': 'sleep', 'event': 'exhausted', 'filter': {'actor': 'dry', 'amount': 1}}",
    ),
];

impl Modes {
    fn all() -> impl Iterator<Item = Self> {
        let bit = |number: u32, at: u32| number >> at & 1 == 1;
        (0..16).map(move |number| Self {
            autonomous: bit(number, 0),
            tick_renewal: bit(number, 1),
            skip: bit(number, 2),
            wall: bit(number, 3),
        })
    }

    fn world(self) -> String {
        let mode = if self.autonomous { "autonomous" } else { "tick" };
        let clock = if self.wall { "wall" } else { "virtual" };
        let renewal = if self.tick_renewal { "tick" } else { "rolling" };
        let policy = if self.skip { "skip" } else { "block" };
        let mut agents = AGENTS.to_owned();
        for (id, code) in MINDS {
            let head = format!("id = \"{id}\"\n");
            let code = format!("{head}code = \"\"\"\ndef step(observation):\n    {code}\n\"\"\"\n");
            agents = agents.replace(&head, &code);
        }
        format!(
            r#"
[world]
seed = 9
clock = "{clock}"
[execution]
mode = "{mode}"
ticks = {ticks}
tick_duration = "{TICK_MS}ms"
duration = "{RUN_MS}ms"
pace = "3ms"
on_exhaustion = "{policy}"
[resources]
renewal = "{renewal}"
[resources.calls]
kind = "renewable"
rate = {RATE}
window = "{WINDOW_MS}ms"
[resources.fuel]
kind = "depletable"
total = 52
split = "none"
[costs]
noop = {{ calls = 1 }}
edit = {{ fuel = 1 }}
{agents}"#,
            ticks = RUN_MS / TICK_MS,
        )
    }

    fn file(self) -> WorldFile {
        world_file(self.world())
    }

    fn run(self) -> Told {
        let mut live = workplace().found(self.file(), Journal::in_memory).expect("the world is founded");
        let stopped =
            live.run_until(live.goal().expect("a goal"), &Stop::default(), |_, _| ()).expect("it runs");
        assert!(stopped.is_done());
        Told::of(&mut live)
    }
}

/// A journal, read back.
struct Told {
    world: World,
    records: Vec<Record>,
    journal_hash: [u8; 32],
}

impl Told {
    fn of(live: &mut Live) -> Self {
        let mut records = Vec::new();
        let journal = live.sequencer.journal().expect("no fault");
        journal
            .records(1, |record| {
                records.push(record);
                Ok::<(), JournalError>(())
            })
            .expect("the journal is read");
        let verified = verify(&journal, |_| ()).expect("the journal verifies");
        drop(journal);
        assert_eq!(verified.world.digest(), live.world().digest(), "the journal gives the same world");
        live.world().audit().expect("the books add up");
        Self { world: live.world().clone(), records, journal_hash: live.sequencer.head().journal_hash }
    }

    /// The events of a kind by an agent, with their times.
    fn events<'a>(&'a self, kind: EventKind, actor: &'a str) -> Vec<(Time, &'a Event)> {
        let all = self
            .records
            .iter()
            .flat_map(|record| record.events.iter().map(|event| (record.time, event)).collect::<Vec<_>>());
        all.filter(|(_, event)| event.kind == kind && self.world.name(event.actor) == actor).collect()
    }

    /// The records of an agent's steps.
    fn steps<'a>(&'a self, agent: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(move |record| {
            matches!(&record.cause, Cause::Step { agent: of, .. } if self.world.name(*of) == agent)
        })
    }

    /// When an agent used a resource, once for each unit.
    fn uses(&self, agent: &str, resource: &str) -> Vec<i64> {
        let of = self.world.rules().resource(resource).expect("a resource");
        let charges = self.records.iter().flat_map(|record| {
            let charges = record.charges.iter().filter(|charge| charge.resource == of);
            charges
                .filter(|charge| self.world.name(charge.principal) == agent)
                .flat_map(|charge| vec![record.time.ms(); usize::try_from(charge.amount).unwrap()])
                .collect::<Vec<_>>()
        });
        charges.collect()
    }
}

#[test]
fn every_pair_of_modes_keeps_the_same_promises() {
    for modes in Modes::all() {
        let told = modes.run();
        println!("{modes:?}: {} records", told.records.len());
        limits_bind(modes, &told);
        capacity_is_waited_for_or_let_pass(modes, &told);
        sleepers_wake_in_time(modes, &told);
        events_are_seen_once(&told);
        failures_pause(&told);
        the_dry_are_helped(modes, &told);
        assert_eq!(told.world.supply(), 107);
    }
}

fn limits_bind(modes: Modes, told: &Told) {
    let uses = told.uses("busy", "calls");
    let start = told.world.rules().start.ms();
    let counts = |used: i64, at: i64| {
        if modes.tick_renewal {
            (used - start).div_euclid(TICK_MS) == (at - start).div_euclid(TICK_MS)
        } else {
            used <= at && at < used + WINDOW_MS
        }
    };
    for at in &uses {
        let live = uses.iter().filter(|used| counts(**used, *at)).count();
        assert!(live <= usize::try_from(RATE).unwrap(), "{modes:?}: {live} at once, {uses:?}");
    }
    // An agent that always wants to act gets all there is, where time is exact.
    if modes.autonomous && !modes.wall && !modes.skip && !modes.tick_renewal {
        let whole = usize::try_from(RATE * RUN_MS / WINDOW_MS).unwrap();
        assert_eq!(uses.len(), whole, "{modes:?}: {uses:?}");
    }
    // A refused action consumed nothing of the resource that it lacked.
    let calls = told.world.rules().resource("calls").unwrap();
    for step in told.steps("busy").filter(|step| !step.outcome.is_ok()) {
        assert!(step.charges.iter().all(|charge| charge.resource != calls), "{modes:?}: {step:?}");
    }
}

fn capacity_is_waited_for_or_let_pass(modes: Modes, told: &Told) {
    let short =
        told.events(EventKind::Exhausted, "busy").into_iter().filter(|(_, event)| event.amount.is_some());
    let (short, blocks) = (short.count(), told.events(EventKind::Block, "busy"));
    let unblocks = told.events(EventKind::Unblock, "busy");
    if modes.skip {
        assert!(blocks.is_empty() && unblocks.is_empty(), "{modes:?}");
    } else {
        assert_eq!(short, blocks.len(), "{modes:?}");
        assert!(blocks.len() - unblocks.len() <= 1, "{modes:?}");
    }
    // A tick of 20 ms takes one call, and 5 in 100 ms are enough for that.
    if modes.autonomous && !modes.wall {
        assert!(short > 0, "{modes:?}");
    }
    for ((_, block), (at, _)) in blocks.iter().zip(&unblocks) {
        let until = block.detail.as_deref().and_then(|detail| detail.strip_prefix("until "));
        let until = until.and_then(Time::parse).expect("a block says until when");
        assert!(*at >= until, "{modes:?}: {at} is before {until}");
        if modes.autonomous && !modes.wall {
            assert_eq!(*at, until, "{modes:?}: it acts at the first instant");
        }
    }
}

fn sleepers_wake_in_time(modes: Modes, told: &Told) {
    let wakes = told.events(EventKind::Wake, "napper");
    assert!(wakes.len() >= 5, "{modes:?}: {} naps", wakes.len());
    for (sleep, (at, _)) in told.events(EventKind::Op(OpKind::Sleep), "napper").iter().zip(&wakes) {
        let due = sleep.0.ms() + 30;
        assert!(at.ms() >= due, "{modes:?}");
        if modes.autonomous && !modes.wall {
            assert_eq!(at.ms(), due, "{modes:?}");
        }
    }
}

/// No payment is lost on the one who waits for it, and none is seen in two steps.
fn events_are_seen_once(told: &Told) {
    let paid: Vec<u64> = told
        .records
        .iter()
        .filter(|record| record.events.iter().any(|event| event.kind == EventKind::Op(OpKind::Transfer)))
        .filter(|record| {
            record.events.iter().any(|event| event.to.is_some_and(|to| told.world.name(to) == "waiter"))
        })
        .map(|record| record.seq)
        .collect();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last = 0;
    for step in told.steps("waiter") {
        let Cause::Step { thought, .. } = &step.cause else { continue };
        for op in thought.action.value().as_array().into_iter().flatten() {
            let key = op["key"].as_str().and_then(|key| key.strip_prefix("seen")?.parse().ok());
            *seen.entry(key.unwrap_or(0)).or_default() += usize::from(key.is_some());
        }
        last = step.seq;
    }
    seen.remove(&0);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert!(seen.len() >= 3, "{seen:?}");
    // In a tick the last ones may have come after the mind has looked.
    let missing: Vec<&u64> = paid.iter().filter(|seq| !seen.contains_key(seq)).collect();
    let tick = told.world.tick().map_or(last, |tick| tick.seq);
    assert!(missing.iter().all(|seq| **seq + 1 >= tick.min(last)), "{missing:?} of {paid:?}, last {last}");
}

fn failures_pause(told: &Told) {
    // Where ticks are rare or steps slow, the five may not be complete.
    let errors = told.events(EventKind::MindError, "broken").len();
    let row = told.world.agent(told.world.lookup("broken").unwrap()).unwrap();
    assert_eq!(usize::from(row.errors()), errors);
    assert!((2..=5).contains(&errors), "{errors}");
    let times: Vec<i64> = told.steps("broken").map(|step| step.time.ms()).collect();
    for (wait, pair) in [100, 200, 400].into_iter().zip(times.windows(2)) {
        assert!(pair.last().unwrap() - pair.first().unwrap() >= wait, "{times:?}");
    }
}

fn the_dry_are_helped(modes: Modes, told: &Told) {
    let (freezes, rescues) =
        (told.events(EventKind::Freeze, "dry"), told.events(EventKind::Rescue, "helper"));
    if modes.skip {
        assert!(freezes.is_empty() && rescues.is_empty(), "{modes:?}");
    } else {
        assert!(!freezes.is_empty() && rescues.len() == 1, "{modes:?}: {freezes:?} {rescues:?}");
    }
    // Two units of its own, and the three that were sent.
    assert_eq!(told.uses("dry", "fuel").len(), 5, "{modes:?}");
    let tries = told.steps("dry").filter(|step| matches!(&step.outcome, Outcome::Refused(_))).count();
    assert!(tries >= 5, "{modes:?}");
}

#[test]
fn the_same_seed_gives_the_same_journal_also_in_many_goes() {
    for modes in Modes::all().filter(|modes| !modes.wall) {
        let (first, again) = (modes.run(), modes.run());
        assert_eq!(first.journal_hash, again.journal_hash, "{modes:?}");
        // Stopped and opened again, over and over: the same journal.
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        let (mut goes, mut far_ms) = (0, 0);
        let broken = loop {
            let mut live = workplace().open_or_found(modes.file(), &db).expect("it opens");
            let (stop, goal) = (Stop::default(), live.goal().expect("a goal"));
            let asking = stop.clone();
            far_ms += 13;
            let start = live.world().rules().start;
            // Tick by tick; else up to odd instants.
            let (goal, last) = match goal {
                Goal::Time(end) => {
                    let here = start.after_ms(far_ms).expect("an instant");
                    (Goal::Time(here.min(end)), here >= end)
                }
                ticks @ Goal::Ticks(_) => (ticks, goes >= 15),
            };
            let stopped = live
                .run_until(goal, &stop, |_, _| {
                    if matches!(goal, Goal::Ticks(_)) && !last {
                        asking.ask(WHY)
                    }
                })
                .expect("it runs");
            goes += 1;
            if last {
                assert!(stopped.is_done());
                break Told::of(&mut live);
            }
        };
        assert_eq!(broken.journal_hash, first.journal_hash, "{modes:?} in {goes} goes");
    }
}
