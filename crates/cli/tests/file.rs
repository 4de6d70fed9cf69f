//! A world's file through the binary: the files that may bear its name, the processes that may use it at
//! once, and its fate while it is used.

#![cfg(unix)]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

use self::small::*;

/// A session that is asked one thing at a time.
struct Session {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Session {
    fn start(small: &Small, db: &Path) -> Self {
        let mut command = Command::new(COMMAND);
        command.args(["session", &small.file(), "--db"]).arg(db);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary runs");
        let input = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, input, answers }
    }

    /// Acts, and gives the number of the record; `None` when there is no answer.
    fn act(&mut self) -> Option<u64> {
        self.input.write_all(b"{\"act\": {\"as\": \"agent_001\", \"op\": \"noop\"}}\n").ok()?;
        let answer: Value = serde_json::from_str(&self.answers.next()?.ok()?).expect("JSON");
        answer["receipt"]["seq"].as_u64()
    }

    fn end(self) -> Output {
        drop(self.input);
        self.child.wait_with_output().expect("it ends")
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

fn listing(folder: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn no_name_but_a_files_is_a_worlds_and_nothing_is_put_in_its_place() {
    let small = Small::new();
    let pipe = small.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    std::os::unix::fs::symlink(small.path("nothing"), small.path("dangling")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(small.path("socket")).expect("a socket");
    std::fs::create_dir(small.path("folder")).expect("a folder");
    let before = listing(small.folder.path());
    let names = [
        "pipe",
        "dangling",
        "socket",
        "folder",
        "a-wal",
        "a-shm",
        "a-journal",
        "a.lock",
        "a.founding",
        "no/",
    ];
    let paths = names.map(|name| small.path(name));
    for path in paths.iter().map(|path| path.to_str().expect("UTF-8")).chain([":memory:", "file:a.oikos"]) {
        let file = small.file();
        for command in [
            &["run", &file, "--db", path][..],
            &["run", &file, "--fresh", "--db", path],
            &["session", &file, "--db", path],
            &["session", path],
            &["verify", path],
            &["inspect", path],
            &["log", path],
            &["act", path, "--as", "agent_001", "{}"],
        ] {
            let output = oikos(command);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {}", talk(&output));
            assert!(talk(&output).contains("can't be a world database"), "{command:?}: {}", talk(&output));
        }
    }
    assert_eq!(listing(small.folder.path()), before);
}

#[test]
fn what_happens_to_the_file_under_a_session_ends_it_before_it_acknowledges_more() {
    type Blow = fn(&Path);
    let blows: [(&str, Blow); 5] = [
        ("was deleted", |path| {
            for suffix in ["", "-wal", "-shm"] {
                std::fs::remove_file(beside(path, suffix)).expect("a file");
            }
        }),
        ("was deleted or renamed", |path| std::fs::rename(path, beside(path, "_moved")).expect("renamed")),
        ("was replaced", |path| {
            std::fs::copy(path, beside(path, "_copy")).expect("a copy");
            std::fs::rename(beside(path, "_copy"), path).expect("replaced");
        }),
        ("got another name", |path| std::fs::hard_link(path, beside(path, "_too")).expect("a link")),
        ("-wal` was deleted", |path| std::fs::remove_file(beside(path, "-wal")).expect("a file")),
    ];
    let small = Small::new();
    for (number, (part, blow)) in blows.into_iter().enumerate() {
        let db = small.path(&format!("{number}.oikos"));
        let mut session = Session::start(&small, &db);
        let acknowledged = (0..5).filter_map(|_| session.act()).last().expect("receipts");
        blow(&db);
        assert_eq!(session.act(), None, "{part}");
        let output = session.end();
        assert_eq!(output.status.code(), Some(3), "{part}: {}", talk(&output));
        let told = format!("nothing after record {acknowledged} was acknowledged");
        assert!(talk(&output).contains(part) && talk(&output).contains(&told), "{part}: {}", talk(&output));
        // It is all there, wherever the file is, unless that is gone.
        let now = match number {
            0 | 2 => continue,
            1 => beside(&db, "_moved"),
            _ => db,
        };
        let verified = oikos([Path::new("verify"), &now, Path::new("--json")]);
        let verified: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
        assert!(verified["seq"].as_u64() >= Some(acknowledged), "{part}: {verified}");
    }
}

#[test]
fn a_world_has_one_writer_by_any_name_and_with_its_lock_removed() {
    let small = Small::new();
    let (db, link) = (small.path("a.oikos"), small.path("link.oikos"));
    let mut session = Session::start(&small, &db);
    let first = session.act().expect("a receipt");
    std::os::unix::fs::symlink(&db, &link).expect("a link");
    for remove_lock in [false, true] {
        if remove_lock {
            std::fs::remove_file(beside(&db, ".lock")).expect("a file");
        }
        for path in [&link, &db] {
            let path = path.to_str().expect("UTF-8");
            for command in [
                &["act", path, "--as", "agent_001", "{\"op\": \"noop\"}"][..],
                &["session", path],
                &["run", &small.file(), "--db", path],
            ] {
                let output = oikos(command);
                assert_eq!(output.status.code(), Some(3), "{command:?}: {}", talk(&output));
                assert!(talk(&output).contains("another process is writing"), "{}", talk(&output));
            }
        }
    }
    assert_eq!(session.act(), Some(first + 1), "the first is not disturbed");
    assert!(session.end().status.success());
    assert!(oikos([Path::new("verify"), &link]).status.success());
}

#[test]
fn readers_leave_the_folder_of_a_killed_world_as_it_is() {
    let small = Small::new();
    let db = small.path("a.oikos");
    let mut session = Session::start(&small, &db);
    let acknowledged = (0..5).filter_map(|_| session.act()).last().expect("receipts");
    session.child.kill().expect("it is ours");
    session.end();
    // As it was left, then without the index, then without the `-wal`.
    for (gone, least, told) in [("", acknowledged, false), ("-shm", acknowledged, false), ("-wal", 1, true)] {
        if !gone.is_empty() {
            std::fs::remove_file(beside(&db, gone)).expect("a file");
        }
        let before = listing(small.folder.path());
        let path = db.to_str().expect("UTF-8");
        for command in [&["verify", path, "--json"][..], &["inspect", path], &["log", path]] {
            let output = oikos(command);
            assert!(output.status.success(), "{command:?} without {gone}: {}", talk(&output));
            assert_eq!(talk(&output).contains("the last records may be missing"), told, "{}", talk(&output));
        }
        let verified: Value =
            serde_json::from_slice(&oikos(["verify", path, "--json"]).stdout).expect("JSON");
        assert!(verified["seq"].as_u64() >= Some(least), "without {gone}: {verified}");
        assert_eq!(listing(small.folder.path()), before);
    }
}

#[test]
fn a_founding_that_was_cut_short_is_begun_afresh_and_starting_over_is_undone() {
    let small = Small::new();
    let whole = small.run("whole.oikos", &[]);
    std::fs::write(small.path("a.oikos.founding"), [0; 8192]).expect("a file");
    let output = small.try_run("a.oikos", &[]);
    assert!(output.status.success() && talk(&output).contains("begun afresh"), "{}", talk(&output));
    assert_eq!(hashes(&whole), hashes(&small.run("a.oikos", &[])));
    // Killed when the old world had its second name.
    std::fs::hard_link(small.path("a.oikos"), small.path("a.oikos.1")).expect("a link");
    let output = small.try_run("a.oikos", &[]);
    assert!(
        output.status.success() && talk(&output).contains("is the old world, and goes on"),
        "{}",
        talk(&output)
    );
    assert!(!small.path("a.oikos.1").exists());
    let output = small.try_run("a.oikos", &["--fresh"]);
    assert!(output.status.success() && talk(&output).contains("the old world is now"), "{}", talk(&output));
    assert!(small.verify("a.oikos.1").status.success() && small.verify("a.oikos").status.success());
    assert!(!small.path("a.oikos.founding").exists());
    // A world of an older version is kept by `--fresh`, and else refused.
    let old = rusqlite::Connection::open(small.path("a.oikos")).expect("a database");
    old.execute_batch("PRAGMA user_version = 3").expect("SQL");
    drop(old);
    let output = small.try_run("a.oikos", &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(talk(&output).contains("oikos 0.1 reads"), "{}", talk(&output));
    assert!(small.try_run("a.oikos", &["--fresh"]).status.success());
    assert!(small.path("a.oikos.2").exists());
}

#[test]
fn a_world_file_that_a_world_was_not_founded_from_is_not_read() {
    let small = Small::new();
    small.run("a.oikos", &["--set", "execution.ticks=1"]);
    let db = rusqlite::Connection::open(small.path("a.oikos")).expect("a database");
    let text = "[[agents]]\nid = 'a'\ncount = 4000000\ncode = 'def step(o): return None'\n";
    let source = serde_json::json!({ "file": "a.toml", "text": text, "files": {}, "seed": null, "set": [] })
        .to_string();
    db.execute("UPDATE meta SET value = ? WHERE key = 'source'", [source.as_bytes()]).expect("SQL");
    drop(db);
    let verified = small.verify("a.oikos");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(said.contains("is not the one that the world was founded from"), "{said}");
    let db = small.path("a.oikos");
    let acted = oikos(["act", db.to_str().expect("UTF-8"), "--as", "agent_001", r#"{"op": "noop"}"#]);
    assert_eq!(acted.status.code(), Some(3));
    assert!(talk(&acted).contains("is not the one that the world was founded from"), "{}", talk(&acted));
}
