//! A world's header names the runtime of its code: another one runs it only once it was taken over.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops where it fails")]

use std::path::{Path, PathBuf};

use oikos_runner::kernel::{
    event::EventKind,
    record::{Cause, Record},
};
use oikos_runner::{Journal, JournalError, Live, RunError, Stop, Workplace, config, verify};

mod door;

use self::door::world_file;

const WORLD: &str = r#"
[world]
name = "aged"
[execution]
ticks = 2
[[agents]]
id = "ann"
code = "def step(observation): return {'op': 'store', 'key': 'tick', 'value': observation['tick']}"
"#;

fn file(ticks: u32) -> config::WorldFile {
    world_file(WORLD.replace("ticks = 2", &format!("ticks = {ticks}")))
}

fn sound(db: &Path) {
    verify(&Journal::open_read_only(db).expect("a journal"), |_| ()).expect("it is sound");
}

fn records(db: &Path) -> Vec<Record> {
    let journal = Journal::open_read_only(db).expect("a journal");
    let mut all = Vec::new();
    let read = journal.records(1, |record| {
        all.push(record);
        Ok::<(), JournalError>(())
    });
    read.expect("it can be read");
    all
}

/// A world that ran its two ticks on another runtime: with all that is recorded of it, but for that name.
fn of_another_runtime(folder: &Path) -> PathBuf {
    let (made, db) = (folder.join("made.oikos"), folder.join("aged.oikos"));
    run(Live::open_or_found(file(2), &made).expect("it is founded"));
    let mut all = records(&made);
    let Some(Record { cause: Cause::Genesis { runtime, .. }, .. }) = all.first_mut() else {
        panic!("the first record founds")
    };
    *runtime = "cpython 2.7".into();
    let source = serde_json::to_vec(&file(2).source).expect("JSON");
    let mut journal = Journal::create(&db).expect("a file");
    journal.append(&all, &[("source", &source)]).expect("it is written");
    db
}

fn run(mut live: Live) -> u64 {
    let goal = live.goal().expect("a goal");
    live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs");
    live.sequencer.commit().expect("it is on disk");
    live.world().seq()
}

fn refused(opened: Result<Live, RunError>) -> String {
    match opened {
        Ok(_) => panic!("it goes on with another runtime"),
        Err(error) => {
            assert!(error.is_config(), "{error:?}");
            error.to_string()
        }
    }
}

#[test]
fn another_runtime_goes_on_only_after_it_was_adopted_and_that_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = of_another_runtime(folder.path());
    let before = records(&db).len() as u64;
    let open = || Live::open(Journal::open(&db).expect("a journal"));
    for told in [refused(open()), refused(Live::open_or_found(file(9), &db))] {
        for part in [
            "runs on `cpython 2.7`",
            "this version of oikos has `",
            "oikos run FILE --adopt-runtime",
            "`verify`",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    // Looking needs no runtime, and nothing was recorded.
    assert_eq!(records(&db).len() as u64, before);
    sound(&db);

    let adopting = Workplace { adopt_runtime: true, ..Workplace::default() };
    let live = adopting.open_or_found(file(4), &db).expect("it is taken over");
    assert_eq!(live.world().seq(), before + 1);
    let here = live.world().runtime().to_owned();
    assert_ne!(here, "cpython 2.7");
    let after = run(live);
    assert!(after > before + 1, "it has gone on");
    // It is recorded once: from then on the world is this runtime's.
    let told = records(&db);
    let adopted: Vec<&Record> =
        told.iter().filter(|record| matches!(record.cause, Cause::Runtime { .. })).collect();
    let [Record { seq, cause: Cause::Runtime { name }, events, .. }] = *adopted else {
        panic!("{adopted:?}")
    };
    assert_eq!((*seq, name), (before + 1, &here));
    assert_eq!(events.first().map(|event| event.kind), Some(EventKind::Runtime));
    assert_eq!(open().expect("it opens as ever").world().runtime(), here);
    assert_eq!(run(adopting.open(Journal::open(&db).expect("a journal")).expect("it opens")), after);
    sound(&db);
}

#[test]
fn a_new_world_names_the_runtime_that_is_here() {
    let live = Live::found(file(1), Journal::in_memory).expect("it is founded");
    assert!(!live.world().runtime().is_empty());
}
