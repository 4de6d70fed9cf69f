//! The tests of worlds that are deleted from a database, and of copies that are ended on their way.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::{
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::{
    Base, good,
    houses::{listed, wait_for},
    refused, report, run_at,
    served::{SHOP, Served, serve_at},
    small::{COMMAND, Small, example, oikos, run, signal_to},
    until,
};

/// All tables in which a world has rows.
const TABLES: [&str; 10] = [
    "worlds",
    "journal",
    "snapshots",
    "pieces",
    "tape",
    "series",
    "agent_series",
    "meta",
    "shards",
    "followers",
];

fn dropped(url: &str) -> Output {
    oikos(["pg", "drop", url, "--yes"])
}

/// All that a database has of a world.
fn rows(base: &mut Base, world: &str) -> Vec<(&'static str, i64)> {
    let mut count = |table: &'static str| {
        (table, base.count(&format!("SELECT count(*) FROM {table} WHERE world = '{world}'")))
    };
    TABLES.map(&mut count).into_iter().filter(|(_, count)| *count > 0).collect()
}

/// A world is deleted whole, where that is confirmed, and another one stays as it is.
pub(crate) fn goes_whole(base: &mut Base) {
    let small = Small::new();
    let (url, other) = (base.world("w"), base.world("other"));
    let ran = run_at(&example("salon"), &url, &[]);
    good(&oikos(["copy", &url, &other]));
    base.client
        .batch_execute("INSERT INTO followers VALUES (1, 'w', 'python', 1), (2, 'other', 'python', 1)")
        .expect("two followers");
    let before = rows(base, "w");
    assert!(before.len() >= 6, "{before:?}");
    let hash = ran["journal_hash"].as_str().expect("a hash");
    refused(&oikos(["pg", "drop", &url]), 2, &["would be gone for good", hash, "--yes"]);
    assert_eq!(rows(base, "w"), before, "without --yes nothing is gone");
    let told = report(&oikos(["pg", "drop", &url, "--yes", "--json"]));
    assert_eq!((&told["seq"], &told["journal_hash"]), (&ran["seq"], &ran["journal_hash"]));
    assert_eq!(rows(base, "w"), []);
    assert_eq!(rows(base, "other"), before);
    good(&oikos(["verify", &other]));
    for (at, part) in [
        (url.as_str(), "there is no world database"),
        (&base.world("never"), "there is no world database"),
        (&small.file(), "deleted as files are"),
        (&base.url, "it names no world"),
    ] {
        refused(&dropped(at), 2, &[part]);
    }
    // One that is damaged can go too.
    base.client.batch_execute("UPDATE worlds SET head = '\\x00'; DELETE FROM journal").expect("damage");
    assert!(good(&dropped(&other)).contains("one that can't be read"));
    assert_eq!(rows(base, "other"), []);
    run_at(&small.file(), &url, &[]);
}

/// A world that somebody writes to, or is about to, is left; whoever else has it comes to know that it is gone.
pub(crate) fn is_left_to_its_writer(base: &mut Base) {
    let url = base.world("w");
    let writer = serve_at(SHOP, &url, &["--paused"]);
    let at = format!("http://{}", writer.address);
    refused(&dropped(&url), 3, &["another process is writing", "127.0.0.1, backend ", &at]);
    let mut follower = writer.beside(&["--follow"]);
    drop(writer.kill());
    until("nobody writes to it", || (oikos(["pg", "drop", &url]).status.code() == Some(2)).then_some(()));
    base.client.batch_execute("BEGIN; SELECT 1 FROM worlds WHERE world = 'w' FOR SHARE").expect("a row");
    refused(&dropped(&url), 3, &["another process is writing"]);
    base.client.batch_execute("ROLLBACK").expect("it ends");
    good(&dropped(&url));
    let ended = follower.child.wait().expect("it ends");
    let talk = follower.talk();
    assert_eq!(ended.code(), Some(3), "{talk}");
    assert!(talk.contains("was dropped, or got another name") && !talk.contains("panicked"), "{talk}");
}

/// A process that serves many worlds forgets one that is gone, and keeps one that it has loaded.
pub(crate) fn is_forgotten_by_houses(base: &mut Base) {
    let small = Small::new();
    run_at(&small.file(), &base.world("goes"), &[]);
    good(&oikos(["copy", &base.world("goes"), &base.world("stays")]));
    let mut house = Served::of_all(&base.url, small.folder.path(), &["--idle", "300ms"]);
    for world in ["goes", "stays"] {
        wait_for(&house, world, "unloaded");
    }
    // A feed that is open keeps a world loaded.
    let mut feed = house.feed(&house.observer, "/w/stays/api/v1/events?since=0", None);
    feed.next();
    let at = format!("http://{}/w/stays", house.address);
    refused(&dropped(&base.world("stays")), 3, &["another process is writing", &at]);
    good(&dropped(&base.world("goes")));
    until("it is forgotten", || listed(&house, "goes").is_null().then_some(()));
    assert_eq!(house.get(&house.observer, "/w/goes/api/v1/world").status, 404);
    assert_eq!(listed(&house, "stays")["place"], "loaded");
    signal_to(&house.child, "TERM");
    assert_eq!(house.child.wait().expect("it ends").code(), Some(143), "{}", house.talk());
}

fn copying(folder: &Small, from: &str, to: &str) -> Child {
    let mut copy = Command::new(COMMAND);
    copy.current_dir(folder.folder.path()).args(["copy", from, to]).stdout(Stdio::piped());
    copy.stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Sends a signal to a copy that waits, and lets it go on once it may have heard of that.
fn ended(copy: Child, signal: &str, round: u32, go_on: impl FnOnce()) -> Output {
    signal_to(&copy, signal);
    std::thread::sleep(Duration::from_millis(20 << round));
    go_on();
    copy.wait_with_output().expect("it ends")
}

/// Ends copies until one has heard of its signal before it was done.
fn ended_amid(signal: &str, code: i32, mut copy: impl FnMut(u32) -> Output) {
    for round in 0..9 {
        let output = copy(round);
        if !output.status.success() {
            return refused(&output, code, &["nothing is left of the copy"]);
        }
    }
    panic!("no copy heard of {signal}");
}

/// Nothing is left of a copy that a signal ended, in a folder or in a database.
pub(crate) fn leaves_no_half_of_a_copy(base: &mut Base) {
    let small = Small::new();
    let url = base.world("w");
    // One with a tape, which is copied after the journal.
    run(&example("interview"), &small.path("a.oikos"), &[]);
    good(&oikos(["copy", small.path("a.oikos").to_str().expect("UTF-8"), &url]));
    let beside = || {
        let names = std::fs::read_dir(small.folder.path()).expect("a folder");
        names
            .filter(|name| {
                name.as_ref().is_ok_and(|name| name.file_name().to_string_lossy().starts_with(".oikos-"))
            })
            .count()
    };
    let mut other = super::client(&base.url);
    // Each copy waits for a table amid its work.
    ended_amid("INT", 130, |round| {
        other.batch_execute("BEGIN; LOCK TABLE tape IN ACCESS EXCLUSIVE MODE").expect("a lock");
        let name = format!("b{round}.oikos");
        let copy = copying(&small, &url, &name);
        until("a place for the copy", || (beside() == 1).then_some(()));
        let output = ended(copy, "INT", round, || other.batch_execute("ROLLBACK").expect("it ends"));
        assert_eq!((beside(), small.path(&name).exists()), (0, output.status.success()));
        output
    });
    ended_amid("TERM", 143, |round| {
        other.batch_execute("BEGIN; LOCK TABLE tape IN EXCLUSIVE MODE").expect("a lock");
        let (name, making) = (format!("c{round}"), format!("c{round}+making"));
        let copy = copying(&small, "a.oikos", &base.world(&name));
        until("a part of the copy", || (!rows(base, &making).is_empty()).then_some(()));
        let output = ended(copy, "TERM", round, || other.batch_execute("ROLLBACK").expect("it ends"));
        assert_eq!((rows(base, &making), rows(base, &name).is_empty()), (vec![], !output.status.success()));
        output
    });
}
