//! The journal as a file: written records are read back, and changed bytes are found.
//!
//! The forger below packs batches by `docs/journal.md` alone, so it also tests the document.

mod door;

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{
    record::{Effect, Outcome, Record},
    time::Time,
    world::World,
};
use rusqlite::{Connection, params};

use self::door::*;

#[test]
fn what_is_written_is_read_back_whatever_the_batches_were() {
    let (world, records) = history(99);
    let mut heads = Vec::new();
    for batch in [1, 7, 100] {
        let place = Place::new();
        let head = place.write(&records, batch);
        let journal = Journal::open_read_only(place.path()).unwrap();
        assert_eq!(journal.head(), head);
        for from in [1, 2, 50, 100] {
            let mut read = Vec::new();
            journal
                .records(from, |record| {
                    read.push(record);
                    Ok::<(), JournalError>(())
                })
                .unwrap();
            assert_eq!(
                read,
                records[usize::try_from(from).unwrap() - 1..],
                "from {from} in batches of {batch}"
            );
        }
        let found = verified(&place.path()).unwrap();
        assert_eq!((found.world.digest(), found.journal_hash), (world.digest(), head.journal_hash));
        assert_eq!(found.batches, 100_u64.div_ceil(batch as u64));
        heads.push(head);
    }
    assert!(heads.iter().all(|head| head.journal_hash == heads[0].journal_hash));
    assert!(heads[0].row_hash != heads[1].row_hash && heads[1].row_hash != heads[2].row_hash);
}

#[test]
fn each_writer_is_an_epoch_and_there_is_one_at_a_time() {
    let (_, records) = history(30);
    let place = Place::new();
    for (at, records) in records.chunks(10).enumerate() {
        let mut journal = match at {
            0 => Journal::create(place.path()).unwrap(),
            _ => Journal::open(place.path()).unwrap(),
        };
        journal.append(records, &[("note", b"kept")]).unwrap();
        assert!(matches!(Journal::open(place.path()), Err(JournalError::Busy { .. })));
        assert!(matches!(Journal::create(place.path()), Err(JournalError::Busy { .. })));
    }
    assert_eq!(verified(&place.path()).unwrap().epochs, 4);
    let journal = Journal::open(place.path()).unwrap();
    assert_eq!(journal.meta("note").unwrap().as_deref(), Some(&b"kept"[..]));
    assert_eq!(journal.meta("nothing").unwrap(), None);
    drop(journal);
    assert!(
        matches!(Journal::create(place.path()), Err(JournalError::Open { .. })),
        "a world is never overwritten"
    );
}

#[test]
fn records_that_do_not_follow_are_refused_and_a_failed_write_ends_it() {
    let (_, records) = history(5);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    assert!(matches!(journal.append(&records[1..], &[]), Err(JournalError::Corrupt { .. })));
    journal.append(&records[..2], &[]).unwrap();
    journal.append(&[], &[]).unwrap();
    assert_eq!(journal.head().seq, 2);
    // The disk fails: here, the table is gone.
    Connection::open(place.path()).unwrap().execute_batch("ALTER TABLE journal RENAME TO lost").unwrap();
    assert!(matches!(journal.append(&records[2..3], &[]), Err(JournalError::Failed { .. })));
    Connection::open(place.path()).unwrap().execute_batch("ALTER TABLE lost RENAME TO journal").unwrap();
    assert!(matches!(journal.append(&records[2..3], &[]), Err(JournalError::Poisoned)));
    assert_eq!(journal.head().seq, 2);
    drop(journal);
    assert_eq!(verified(&place.path()).unwrap().world.seq(), 2);
}

#[test]
fn snapshots_are_kept_few_and_compared() {
    let (_, records) = history(60);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    let mut world = World::empty();
    for records in records.chunks(10) {
        journal.append(records, &[]).unwrap();
        records.iter().for_each(|record| world.apply(record).unwrap());
        journal.put_snapshot(&world).unwrap();
    }
    assert_eq!(journal.last_snapshot().unwrap().0.digest(), world.digest());
    assert!(matches!(journal.put_snapshot(&World::empty()), Err(JournalError::Corrupt { .. })));
    drop(journal);
    assert_eq!(verified(&place.path()).unwrap().snapshots, 5, "the last four, and one of the two before");
    let db = Connection::open(place.path()).unwrap();
    // Every byte of a snapshot counts, and so does what is beside it.
    let body: Vec<u8> =
        db.query_row("SELECT body FROM snapshots WHERE seq = 61", [], |row| row.get(0)).unwrap();
    for at in 0..body.len() {
        let mut forged = body.clone();
        forged[at] ^= 1 << (at % 8);
        db.execute("UPDATE snapshots SET body = ? WHERE seq = 61", [forged]).unwrap();
        assert!(problem(&place.path()).contains("the snapshot at record 61"), "byte {at}");
        let read = Journal::open_read_only(place.path()).unwrap().last_snapshot();
        assert!(read.is_err(), "byte {at}: a damaged snapshot is never passed over");
    }
    db.execute("UPDATE snapshots SET body = ? WHERE seq = 61", [body]).unwrap();
    for sql in [
        "UPDATE snapshots SET seq = 55 WHERE seq = 61",
        "UPDATE snapshots SET digest = zeroblob(32) WHERE seq = 55",
        "UPDATE snapshots SET journal_hash = zeroblob(32) WHERE seq = 55",
    ] {
        db.execute(sql, []).unwrap();
        assert!(problem(&place.path()).contains("snapshot"), "{sql}");
    }
}

#[test]
fn a_forger_with_all_the_hashes_is_still_caught_by_the_books() {
    let (_, records) = history(60);
    type Forgery = fn(&mut Vec<Record>);
    let forgeries: [(&str, Forgery, &str); 9] = [
        ("nothing changed", |_| (), ""),
        ("paying what one does not have", |records| *payment(&mut records[40]) = 5_000, "record 41"),
        ("paying less than nothing", |records| *payment(&mut records[40]) = -5, "record 41"),
        ("an amount that overflows", |records| *payment(&mut records[40]) = i64::MAX, "record 41"),
        (
            "money out of nothing",
            |records| {
                let Effect::Pay { to, .. } = records[40].effects[0] else { panic!("a payment") };
                records[40].effects.push(Effect::Endow { to, amount: 5 });
            },
            "record 41",
        ),
        (
            "an artifact that changes hands behind its owner",
            |records| {
                let Effect::Pay { from, to, .. } = records[40].effects[0] else { panic!("a payment") };
                records[40].effects.push(Effect::Own { artifact: to, from, to: from });
            },
            "record 41",
        ),
        ("two records in another order", |records| records.swap(40, 41), "record 42 where 41 should be"),
        ("time that runs backwards", |records| records[40].time = Time::from_ms(-1).unwrap(), "record 41"),
        (
            "a second founding",
            |records| {
                let first = records[0].clone();
                records[40] = Record { seq: 41, ..first };
            },
            "record 41",
        ),
    ];
    for (what, forgery, part) in forgeries {
        let place = Place::new();
        let head = place.write(&records, 10);
        forge(&place.path(), forgery);
        if part.is_empty() {
            assert_eq!(
                verified(&place.path()).unwrap().journal_hash,
                head.journal_hash,
                "the document is right"
            );
        } else {
            let problem = problem(&place.path());
            assert!(problem.contains(part), "{what}: {problem}");
        }
    }
}

#[test]
fn a_forged_balance_in_a_snapshot_is_caught_and_one_in_the_records_changes_the_journal_hash() {
    let (world, records) = history(60);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    journal.append(&records, &[]).unwrap();
    journal.put_snapshot(&world).unwrap();
    let (honest, row) = (journal.head().journal_hash, journal.head().row_hash);
    drop(journal);
    // A world in which alice has five more and bob five less, with all hashes of the snapshot right.
    let (mut other, mut last) = (World::empty(), records[60].clone());
    *payment(&mut last) += 5;
    records[..60].iter().chain([&last]).for_each(|record| other.apply(record).unwrap());
    let body = zstd::bulk::compress(&other.to_image(), 3).unwrap();
    let (digest, seq) = (other.digest(), 61_u64);
    let hash = snapshot_hash(seq, row, honest, digest, &body);
    let db = Connection::open(place.path()).unwrap();
    let sql = "UPDATE snapshots SET digest = ?, hash = ?, body = ?, bytes = ?";
    db.execute(sql, params![digest, hash, body, body.len()]).unwrap();
    assert!(problem(&place.path()).contains("it is not the state that the records make"));
    // The same in the records is a possible history; it has another hash, which is what one compares.
    forge(&place.path(), |records| *payment(&mut records[60]) += 5);
    db.execute("DELETE FROM snapshots", []).unwrap();
    assert_ne!(verified(&place.path()).unwrap().journal_hash, honest);
}

#[test]
fn one_flipped_bit_in_any_byte_of_any_body_is_found() {
    let (_, records) = history(40);
    let place = Place::new();
    place.write(&records, 12);
    let db = Connection::open(place.path()).unwrap();
    let bodies: Vec<(u64, Vec<u8>)> = {
        let mut select = db.prepare("SELECT seq_first, body FROM journal").unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    for (first, body) in bodies {
        for at in 0..body.len() {
            let mut forged = body.clone();
            forged[at] ^= 1 << (at % 8);
            db.execute("UPDATE journal SET body = ? WHERE seq_first = ?", params![forged, first]).unwrap();
            let problem = problem(&place.path());
            let place = format!("the batch that begins with record {first}:");
            assert!(problem.contains(&place), "byte {at}: {problem}");
        }
        db.execute("UPDATE journal SET body = ? WHERE seq_first = ?", params![body, first]).unwrap();
    }
    assert!(verified(&place.path()).is_ok());
}

#[test]
fn an_empty_outcome_is_an_outcome() {
    // The history is made of the records that the tests above rely on.
    let (world, records) = history(3);
    assert_eq!(records.len(), 4);
    assert!(records[1..].iter().all(|record| matches!(record.outcome, Outcome::Done(_))));
    assert_eq!(world.supply(), 300);
}
