//! The life of a world's file: its records are kept and misuse is refused, through all that befalls it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;

use std::path::Path;

use oikos_journal::{Journal, JournalError, Note, verify};
use oikos_kernel::{
    limits::{BATCH_RECORDS_MAX, RECORD_BYTES_MAX},
    record::{Cause, Record},
    world::World,
};
use rusqlite::Connection;
use serde_json::json;

use self::door::*;

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    format!("{}{suffix}", path.display()).into()
}

/// A record of an act whose action has so many bytes of text.
fn large(record: &Record, seq: u64, bytes: usize) -> Record {
    let mut large = Record { seq, ..record.clone() };
    let Cause::Act { action, .. } = &mut large.cause else { unreachable!("an act") };
    *action = json!({ "text": "x".repeat(bytes) }).into();
    large
}

#[test]
fn a_founding_is_in_its_place_whole_or_not_at_all() {
    let (_, records) = history(3);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    assert!(!place.path().exists(), "nothing is there before the first batch");
    journal.append(&records, &[("source", b"text")]).unwrap();
    assert!(journal.notes().is_empty());
    assert!(!beside(&place.path(), ".founding").exists());
    drop(journal);
    assert_eq!(listing(place.folder.path()), ["w.oikos", "w.oikos.lock"], "all is in the main file");
    // A founding that fails leaves nothing.
    let other = place.folder.path().join("other.oikos");
    let mut journal = Journal::create(&other).unwrap();
    assert!(journal.append(&records[1..], &[]).is_err());
    drop(journal);
    assert_eq!(listing(place.folder.path()), ["other.oikos.lock", "w.oikos", "w.oikos.lock"]);
}

#[test]
fn a_founding_that_was_cut_short_is_begun_afresh_and_said() {
    let (_, records) = history(3);
    let half = {
        let place = Place::new();
        let _journal = Journal::create(place.path()).unwrap();
        std::fs::read(beside(&place.path(), ".founding")).unwrap()
    };
    assert!(!half.is_empty());
    for (suffix, bytes) in
        [("", &[][..]), ("", &half), (".founding", &half), (".founding", &[]), (".founding", &[0; 8192])]
    {
        let place = Place::new();
        std::fs::write(beside(&place.path(), suffix), bytes).unwrap();
        let mut journal = Journal::create(place.path()).unwrap();
        assert_eq!(journal.notes(), [Note::BegunAfresh(place.path().canonicalize().unwrap_or(place.path()))]);
        journal.append(&records, &[]).unwrap();
        drop(journal);
        assert_eq!(verified(&place.path()).unwrap().world.seq(), 4);
        assert_eq!(listing(place.folder.path()), ["w.oikos", "w.oikos.lock"]);
    }
    // Something else at that name is neither used nor removed.
    let place = Place::new();
    std::fs::write(beside(&place.path(), ".founding"), [b'x'; 4096]).unwrap();
    assert!(matches!(Journal::create(place.path()), Err(JournalError::Open { .. })));
    assert_eq!(std::fs::read(beside(&place.path(), ".founding")).unwrap(), [b'x'; 4096]);
}

#[test]
fn a_file_that_had_a_world_is_never_begun_afresh() {
    let (_, records) = history(30);
    let place = Place::new();
    place.write(&records, 10);
    let bytes = std::fs::read(place.path()).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..4096], &bytes[..100], &[b'x'; 4096][..]] {
        std::fs::write(place.path(), damaged).unwrap();
        assert!(Journal::create(place.path()).is_err(), "{} bytes", damaged.len());
        assert_eq!(std::fs::read(place.path()).unwrap(), damaged, "it is as it was");
    }
    // Emptied, with its `-wal` still there.
    std::fs::write(place.path(), []).unwrap();
    std::fs::write(beside(&place.path(), "-wal"), [7; 4152]).unwrap();
    assert!(matches!(Journal::create(place.path()), Err(JournalError::NotAWorld { .. })));
    assert!(beside(&place.path(), "-wal").exists());
}

#[test]
fn starting_over_keeps_the_old_world_under_another_name() {
    let (_, records) = history(30);
    let place = Place::new();
    let first = place.write(&records, 10);
    let mut second = first;
    for number in 1..=3 {
        let aside = beside(&place.path(), &format!(".{number}"));
        let mut journal = Journal::create_afresh(place.path()).unwrap();
        assert_eq!(journal.notes().len(), 1);
        assert!(verified(&place.path()).is_ok() && !aside.exists(), "until the new one is whole");
        journal.append(&records[..4], &[]).unwrap();
        second = journal.head();
        drop(journal);
        assert_eq!(verified(&place.path()).unwrap().journal_hash, second.journal_hash);
        let old = if number == 1 { first } else { second };
        assert_eq!(verified(&aside).unwrap().journal_hash, old.journal_hash);
    }
    assert_ne!(first, second);
}

#[cfg(unix)]
#[test]
fn a_world_begun_afresh_is_its_owners() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let (_, records) = history(3);
    let place = Place::new();
    place.write(&records, 10);
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    // Only the administrator can give files away; others own both worlds.
    let _ = chown(place.path(), Some(12_345), Some(12_345));
    let who =
        || std::fs::metadata(place.path()).map(|found| (found.uid(), found.gid(), found.mode())).unwrap();
    let before = who();
    let mut journal = Journal::create_afresh(place.path()).unwrap();
    journal.append(&records, &[]).unwrap();
    drop(journal);
    assert_eq!(who(), before);
}

#[test]
fn starting_over_that_was_cut_short_leaves_the_old_world() {
    let (_, records) = history(30);
    let place = Place::new();
    let head = place.write(&records, 10);
    // Killed when the old world had its second name, and the new one was whole beside.
    std::fs::hard_link(place.path(), beside(&place.path(), ".1")).unwrap();
    std::fs::copy(place.path(), beside(&place.path(), ".founding")).unwrap();
    assert_eq!(verified(&place.path()).unwrap().journal_hash, head.journal_hash);
    let journal = Journal::open(place.path()).unwrap();
    assert!(matches!(journal.notes(), [Note::GoesOn(_)]), "{:?}", journal.notes());
    assert_eq!(journal.head(), head);
    drop(journal);
    assert_eq!(listing(place.folder.path()), ["w.oikos", "w.oikos.lock"]);
    // A name that the user gave it is not taken away, and a world has one name.
    std::fs::hard_link(place.path(), beside(&place.path(), "_too")).unwrap();
    let error = Journal::open(place.path()).unwrap_err().to_string();
    assert!(error.contains("hard link"), "{error}");
    assert!(beside(&place.path(), "_too").exists());
}

#[test]
fn what_happens_to_the_file_stops_its_writer() {
    let (_, records) = history(30);
    type Blow = fn(&Path);
    let blows: [(&str, Blow); 6] = [
        ("deleted or renamed", |path| std::fs::remove_file(path).unwrap()),
        ("deleted or renamed", |path| std::fs::rename(path, beside(path, "_moved")).unwrap()),
        ("replaced by another file", |path| {
            std::fs::copy(path, beside(path, "_copy")).unwrap();
            std::fs::rename(beside(path, "_copy"), path).unwrap();
        }),
        ("another name", |path| std::fs::hard_link(path, beside(path, "_too")).unwrap()),
        ("-wal` was deleted or replaced", |path| std::fs::remove_file(beside(path, "-wal")).unwrap()),
        ("-wal` was deleted or replaced", |path| {
            std::fs::remove_file(beside(path, "-wal")).unwrap();
            std::fs::write(beside(path, "-wal"), b"").unwrap();
        }),
    ];
    for (part, blow) in blows {
        let place = Place::new();
        let mut journal = Journal::create(place.path()).unwrap();
        journal.append(&records[..10], &[]).unwrap();
        blow(&place.path());
        let error = journal.append(&records[10..20], &[]).unwrap_err();
        assert!(matches!(error, JournalError::Moved { seq: 10, .. }), "{part}: {error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(matches!(journal.append(&records[10..20], &[]), Err(JournalError::Poisoned)));
        assert!(matches!(
            journal.put_snapshot(&World::empty()),
            Err(JournalError::Corrupt { .. } | JournalError::Poisoned)
        ));
        assert_eq!(journal.head().seq, 10);
    }
}

#[test]
fn a_renamed_world_and_one_that_lost_its_wal_have_all_that_was_acknowledged() {
    let (_, records) = history(30);
    for renamed in [true, false] {
        let place = Place::new();
        let mut journal = Journal::create(place.path()).unwrap();
        records[..20].chunks(5).for_each(|records| journal.append(records, &[]).unwrap());
        let now = beside(&place.path(), "_moved.oikos");
        if renamed {
            std::fs::rename(place.path(), &now).unwrap();
        } else {
            std::fs::remove_file(beside(&place.path(), "-wal")).unwrap();
        }
        assert!(journal.append(&records[20..], &[]).is_err());
        drop(journal);
        assert_eq!(verified(&if renamed { now } else { place.path() }).unwrap().world.seq(), 20);
    }
}

#[cfg(unix)]
#[test]
fn a_world_has_one_writer_whatever_it_is_called() {
    let (_, records) = history(3);
    let place = Place::new();
    let link = place.folder.path().join("link.oikos");
    place.write(&records, 4);
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let journal = Journal::open(place.path()).unwrap();
    for path in
        [&link, &place.path(), &place.folder.path().join("../").join(place.folder.path()).join("w.oikos")]
    {
        assert!(matches!(Journal::open(path), Err(JournalError::Busy { .. })));
        assert!(matches!(Journal::create_afresh(path), Err(JournalError::Busy { .. })));
    }
    drop(journal);
    assert_eq!(Journal::open(&link).unwrap().head().seq, 4);
}

#[test]
fn whoever_wrote_meanwhile_stops_the_other() {
    let (_, records) = history(20);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    journal.append(&records[..10], &[]).unwrap();
    let db = Connection::open(place.path()).unwrap();
    let head: Vec<u8> =
        db.query_row("SELECT value FROM meta WHERE key = 'head'", [], |row| row.get(0)).unwrap();
    let other = [&11_u64.to_le_bytes()[..], &head[8..]].concat();
    db.execute("UPDATE meta SET value = ? WHERE key = 'head'", [&other]).unwrap();
    let error = journal.append(&records[10..], &[]).unwrap_err().to_string();
    assert!(error.contains("written to by another process"), "{error}");
    let count: u64 = db.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1, "nothing of it was written");
}

#[test]
fn names_that_are_no_files_are_refused_and_nothing_is_touched() {
    let place = Place::new();
    let folder = place.folder.path();
    let listed = listing(folder);
    let within = |name: &str| folder.join(name);
    for path in [
        within("w.oikos-wal"),
        within("w.oikos-shm"),
        within("w.oikos-journal"),
        within("w.oikos.lock"),
        within("w.oikos.founding"),
        within("no/"),
        folder.to_path_buf(),
        ":memory:".into(),
        "file:w.oikos".into(),
        "file:w.oikos?mode=memory".into(),
        "".into(),
        "..".into(),
    ] {
        for open in [Journal::create, Journal::create_afresh, Journal::open, Journal::open_read_only] {
            let error = open(&path).unwrap_err();
            assert!(matches!(error, JournalError::Name { .. }), "{}: {error}", path.display());
        }
    }
    assert_eq!(listing(folder), listed);
    assert!(matches!(Journal::create(within("no/w.oikos")), Err(JournalError::Open { .. })));
}

/// Puts the world into a state, reads it whole, and asserts that its folder is as it was.
fn read_as_it_is(folder: &Path, seq: u64) {
    let before = listing(folder);
    let bytes = std::fs::read(folder.join("w.oikos")).unwrap();
    assert_eq!(verified(&folder.join("w.oikos")).unwrap().world.seq(), seq);
    assert_eq!(listing(folder), before);
    assert_eq!(std::fs::read(folder.join("w.oikos")).unwrap(), bytes);
}

#[test]
fn readers_write_nothing_in_whatever_state_the_file_is() {
    let (_, records) = history(30);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    records.chunks(10).for_each(|records| journal.append(records, &[]).unwrap());
    // Copied while it was open, as a kill would leave it: with and without SQLite's index, and without the `-wal`.
    let copy = |suffixes: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        for suffix in suffixes {
            std::fs::copy(beside(&place.path(), suffix), folder.path().join(format!("w.oikos{suffix}")))
                .unwrap();
        }
        folder
    };
    read_as_it_is(copy(&["", "-wal", "-shm"]).path(), 31);
    read_as_it_is(copy(&["", "-wal"]).path(), 31);
    let lost = copy(&[""]);
    read_as_it_is(lost.path(), 10);
    // The loss is told, to a writer too.
    let lost = lost.path().join("w.oikos");
    assert!(matches!(Journal::open_read_only(&lost).unwrap().notes(), [Note::WalMissing(_)]));
    assert!(matches!(Journal::open(&lost).unwrap().notes(), [Note::WalMissing(_)]));
    read_as_it_is(place.folder.path(), 31);
    drop(journal);
    read_as_it_is(place.folder.path(), 31);
    assert!(Journal::open_read_only(place.path()).unwrap().notes().is_empty());
    // Restored by other means, in rollback mode, and with a change of it cut short.
    let folder = tempfile::tempdir().unwrap();
    let restored = folder.path().join("w.oikos");
    let db = Connection::open(place.path()).unwrap();
    db.execute("VACUUM INTO ?", [restored.to_str().unwrap()]).unwrap();
    drop(db);
    read_as_it_is(folder.path(), 31);
    let db = Connection::open(&restored).unwrap();
    // So small a cache that a change comes into the file before it is committed.
    db.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE journal SET epoch = 9; CREATE TABLE x (a); INSERT INTO x VALUES (zeroblob(99999))").unwrap();
    let killed = tempfile::tempdir().unwrap();
    for suffix in ["", "-journal"] {
        std::fs::copy(beside(&restored, suffix), killed.path().join(format!("w.oikos{suffix}"))).unwrap();
    }
    drop(db);
    read_as_it_is(killed.path(), 31);
    // A writer takes it back, and leaves WAL mode behind.
    assert_eq!(Journal::open(killed.path().join("w.oikos")).unwrap().head().seq, 31);
    assert_eq!(listing(killed.path()), ["w.oikos", "w.oikos.lock"]);
    read_as_it_is(killed.path(), 31);
}

#[test]
fn a_reader_ends_at_its_head_and_misses_only_snapshots_that_were_let_go() {
    let (_, records) = history(60);
    let place = Place::new();
    let mut writer = Journal::create(place.path()).unwrap();
    let mut world = World::empty();
    for records in records[..20].chunks(10) {
        writer.append(records, &[]).unwrap();
        records.iter().for_each(|record| world.apply(record).unwrap());
        writer.put_snapshot(&world).unwrap();
    }
    let mut reader = Journal::open_read_only(place.path()).unwrap();
    let mut more = records[20..].chunks(5);
    // While it is verified, the writer goes on and lets go of the snapshots.
    let found = verify(&reader, |_| {
        for records in more.by_ref().take(5) {
            writer.append(records, &[]).unwrap();
            records.iter().for_each(|record| world.apply(record).unwrap());
            writer.put_snapshot(&world).unwrap();
        }
    })
    .unwrap();
    assert_eq!((found.world.seq(), found.batches, found.snapshots), (20, 2, 1));
    let mut read = 0;
    reader
        .records_while(1, |record| {
            read = record.seq;
            true
        })
        .unwrap();
    assert_eq!(read, 20);
    reader.refresh().unwrap();
    assert_eq!(reader.head(), writer.head());
    assert_eq!(verify(&reader, |_| ()).unwrap().snapshots, 6, "the last four, and two of those before");
}

#[test]
fn what_can_not_be_read_again_is_not_written() {
    let (_, records) = history(3);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    journal.append(&records[..1], &[]).unwrap();
    let head = journal.head();
    let error = journal.append(&[large(&records[1], 2, RECORD_BYTES_MAX)], &[]).unwrap_err().to_string();
    assert!(error.contains("record 2 has") && error.contains("not written"), "{error}");
    drop(journal);
    let mut journal = Journal::open(place.path()).unwrap();
    assert_eq!(journal.head(), head);
    // As many as one likes, in one commit and as many batches as they need.
    let many: Vec<Record> = (2..8).map(|seq| large(&records[1], seq, RECORD_BYTES_MAX - 4096)).collect();
    journal.append(&many, &[]).unwrap();
    let small: Vec<Record> =
        (8..).take(BATCH_RECORDS_MAX + 1).map(|seq| large(&records[1], seq, 1)).collect();
    journal.append(&small, &[]).unwrap();
    assert_eq!(journal.head().seq, 7 + BATCH_RECORDS_MAX as u64 + 1);
    let read = |journal: &Journal| {
        let mut read = Vec::new();
        journal
            .records(2, |record| {
                read.push(record);
                Ok::<(), JournalError>(())
            })
            .unwrap();
        read
    };
    assert!(read(&journal) == [many, small].concat());
    drop(journal);
    let db = Connection::open(place.path()).unwrap();
    let rows: u64 = db.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1 + 3 + 2, "two such records are a batch");
}
