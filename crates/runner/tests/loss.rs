//! The records that a kill at any instant would lose, and those that a fault leaves: counted, not timed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;
mod records;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oikos_runner::{
    Journal, JournalError, Live, Mind, RunError, Stop,
    kernel::{
        event::{EventKind, Filter},
        id::Handle,
        record::Cause,
        time::Time,
        world::World,
    },
    verify,
};
use serde_json::{Value, json};

use self::{door::world_file, records::records};

/// How long a test waits for what must come; it comes in a small part of that.
const PATIENCE: Duration = Duration::from_secs(60);

fn world(mode: &str, clock: &str) -> String {
    format!(
        "[world]\nclock = '{clock}'\n[execution]\nmode = '{mode}'\nticks = 3\ntick_duration = '1ms'\n\
         duration = '5ms'\npace = '1ms'\n[[agents]]\nid = 'a'\ncount = 3\ncode = 'def step(o): return None'\n"
    )
}

fn live(text: &str, db: &Path) -> Live {
    Live::open_or_found(world_file(text), db).expect("it opens")
}

fn on_disk(db: &Path) -> u64 {
    Journal::open_read_only(db).expect("it can be read").head().seq
}

/// A mind whose thought goes on until all that happened before it is on disk, as one does that takes long.
struct Thorough {
    db: PathBuf,
    thoughts: Arc<AtomicU64>,
}

impl Mind for Thorough {
    fn step(&mut self, world: &World, _: Handle, _: Time, _: u64) -> Value {
        let began = Instant::now();
        while on_disk(&self.db) < world.seq() {
            assert!(began.elapsed() < PATIENCE, "{} of {} records", on_disk(&self.db), world.seq());
        }
        self.thoughts.fetch_add(1, Ordering::SeqCst);
        json!({ "op": "noop" })
    }
}

#[test]
fn what_happened_comes_to_be_on_disk_while_somebody_thinks() {
    for (mode, subscribed) in [("tick", false), ("tick", true), ("autonomous", false), ("autonomous", true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        let mut live = live(&world(mode, "virtual"), &db);
        let thoughts = Arc::new(AtomicU64::new(0));
        live.sequencer.set_mind(Box::new(Thorough { db: db.clone(), thoughts: Arc::clone(&thoughts) }));
        let told = subscribed.then(|| live.sequencer.subscribe(Filter::default(), 0).expect("no fault"));
        let goal = live.goal().expect("a goal");
        assert!(live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
        drop(told);
        assert!(thoughts.load(Ordering::SeqCst) >= 9, "{mode}");
    }
}

#[test]
fn snapshots_come_whoever_acts_and_in_however_many_goes() {
    for mode in ["tick", "autonomous"] {
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        // Nobody's loop runs.
        for _ in 0..3 {
            let mut live = live(&world(mode, "virtual"), &db);
            for _ in 0..20_000 {
                live.sequencer.act("a_001", json!({ "op": "noop" })).expect("no fault");
            }
        }
        let journal = Journal::open_read_only(&db).expect("it can be read");
        let (head, snapshot) = (journal.head().seq, journal.snapshot_seq().expect("it can be read"));
        assert!(head > 60_000 && snapshot >= 50_000 && snapshot < head, "{mode}: {snapshot} of {head}");
        verify(&journal, |_| ()).expect("the snapshot is the state that the records make");
        let digest = live(&world(mode, "virtual"), &db).world().digest();
        assert_eq!(verify(&journal, |_| ()).expect("it verifies").world.digest(), digest);
    }
}

#[test]
fn after_a_fault_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let mut live = live(&world("autonomous", "virtual"), &db);
    live.sequencer.commit().expect("no fault yet");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("w.oikos{suffix}")));
    }
    let noop = || json!({ "op": "noop" });
    // It may be known at once, or when it is to be on disk.
    let acted = live.sequencer.act("a_001", noop());
    let committed = live.sequencer.commit();
    assert!(committed.is_err(), "{acted:?}");
    for _ in 0..3 {
        assert!(matches!(live.sequencer.commit(), Err(RunError::Journal(JournalError::Poisoned))));
        let acted = live.sequencer.act("a_001", noop());
        assert!(matches!(acted, Err(RunError::Journal(JournalError::Poisoned))), "{acted:?}");
        assert!(live.sequencer.subscribe(Filter::default(), 0).is_err());
        assert!(live.sequencer.journal().is_err());
    }
}

#[test]
fn turns_keep_the_grid_of_the_pace() {
    let text = "[execution]\nmode = 'autonomous'\nduration = '10s'\npace = '100ms'\n\
                [[agents]]\nid = 'a'\ncode = 'def step(o): return None'\n";
    let mut live = Live::found(world_file(text), Journal::in_memory).expect("the world is founded");
    let start = live.world().rules().start.ms();
    // The turn due at 300 comes 250 ms late, and then 20 ms.
    for (run_ms, advance_ms) in [(300, 250), (150, 20), (300, 0)] {
        let end = live.sequencer.now().after_ms(run_ms).expect("an instant");
        live.run_until(oikos_runner::Goal::Time(end), &Stop::default(), |_, _| ()).expect("it runs");
        live.advance(advance_ms).expect("no fault").expect("it can be moved");
    }
    let steps: Vec<i64> = records(&mut live)
        .iter()
        .filter(|record| matches!(record.cause, Cause::Step { .. }))
        .map(|record| record.time.ms() - start)
        .collect();
    assert_eq!(steps, [0, 100, 200, 550, 600, 720, 800, 900, 1_000]);
}

#[test]
fn time_in_which_nothing_ran_is_no_run_time() {
    for mode in ["tick", "autonomous"] {
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        let text = world(mode, "wall").replace("5ms", "400ms").replace("'1ms'", "'100ms'");
        let mut first = live(&text, &db);
        first.sequencer.act("a_001", json!({ "op": "noop" })).expect("no fault");
        drop(first);
        // The world is shut for longer than any difference between two clocks.
        let shut = Instant::now();
        while shut.elapsed() < Duration::from_millis(1_300) {
            std::thread::yield_now();
        }
        let mut again = live(&text, &db);
        let goal = again.goal().expect("a goal");
        assert!(again.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
        let records = records(&mut again);
        let away_ms = again.world().away_ms();
        assert!(away_ms >= 1_300, "{mode}: {away_ms}");
        let told =
            records.iter().flat_map(|record| &record.events).filter(|event| event.kind == EventKind::Clock);
        let told: Vec<_> = told.filter_map(|event| event.detail.clone()).collect();
        assert!(matches!(told.as_slice(), [one] if one.starts_with("away ")), "{mode}: {told:?}");
        let ticks: Vec<i64> = records
            .iter()
            .filter(|record| matches!(record.cause, Cause::Tick { .. }))
            .map(|record| record.time.ms())
            .collect();
        // No flood: each tick comes its time after the one before, give or take how late that was.
        let last = again.world().now().ms() - again.world().rules().start.ms() - away_ms;
        match mode {
            "tick" => assert!(ticks.len() == 3 && last >= 200, "{ticks:?}, {last}"),
            "autonomous" => assert!(last >= 400, "{last}"),
            other => panic!("{other}"),
        }
        // It has ended, and is not gone on with.
        let seq = again.world().seq();
        drop(again);
        let mut once_more = live(&text, &db);
        let goal = once_more.goal().expect("a goal");
        assert!(once_more.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
        assert_eq!(once_more.world().seq(), seq, "{mode}");
    }
}
