//! Files that somebody has made to be believed, to hang their reader or to eat its memory: each is refused
//! with a sentence, by readers and by writers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;

use std::{io::Write as _, path::Path};

use oikos_journal::{Hash, Journal};
use oikos_kernel::{resource::ResourceId, world::World};
use rusqlite::{Connection, params};

use self::door::*;

/// A world of 61 records in batches of ten, with a snapshot at the end, all in its main file.
fn whole() -> Place {
    let (world, records) = history(60);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    records.chunks(10).for_each(|records| journal.append(records, &[]).unwrap());
    journal.put_snapshot(&world).unwrap();
    drop(journal);
    place
}

/// A way to open a world.
type Way = fn(&Path) -> Result<Journal, oikos_journal::JournalError>;

/// The answers to a reader and then a writer who open the world and go on from its last snapshot.
fn told(place: &Place) -> [String; 2] {
    let ways: [Way; 2] = [|path| Journal::open_read_only(path), |path| Journal::open(path)];
    ways.map(|open| {
        let read = open(&place.path()).and_then(|journal| {
            let (world, at) = journal.last_snapshot()?;
            journal.records_after(at, |_| Ok::<(), oikos_journal::JournalError>(()))?;
            Ok(world.seq())
        });
        match read {
            Ok(seq) => format!("believed, up to record {seq}"),
            Err(error) => error.to_string(),
        }
    })
}

#[test]
fn only_the_schema_of_a_world_is_a_worlds() {
    let place = whole();
    let bytes = std::fs::read(place.path()).unwrap();
    assert_eq!(told(&place), ["believed, up to record 61"; 2]);
    let all = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    let journal = "i AS seq_first, 1 AS count, 1 AS epoch, zeroblob(32) AS prev_hash, zeroblob(32) AS hash";
    for (sql, part) in [
        (
            format!(
                "ALTER TABLE journal RENAME TO j; CREATE VIEW journal AS {all} SELECT {journal}, zeroblob(9) AS body FROM n"
            ),
            "has the",
        ),
        (
            format!(
                "DROP TABLE journal; CREATE VIEW journal AS {all} SELECT {journal}, zeroblob(9) AS body FROM n WHERE i < 0"
            ),
            "the view `journal`",
        ),
        ("CREATE TRIGGER t AFTER INSERT ON journal BEGIN DELETE FROM meta; END".into(), "the trigger `t`"),
        (
            "CREATE TRIGGER t BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no'); END".into(),
            "the trigger `t`",
        ),
        ("CREATE TABLE x (a)".into(), "the table `x`"),
        ("CREATE INDEX i ON journal (count)".into(), "the index `i`"),
        ("CREATE VIRTUAL TABLE v USING fts5(a)".into(), "`v`"),
        ("DROP TABLE snapshots".into(), "no table `snapshots`"),
        (
            "DROP TABLE meta; CREATE TABLE meta (key, value)".into(),
            "its table `meta` is not made as a world's",
        ),
        (
            "DROP TABLE meta; CREATE TABLE meta (key TEXTPRIMARYKEY, value BLOB NOT NULL)".into(),
            "its table `meta` is not made as a world's",
        ),
        (
            "DROP TABLE meta; CREATE TABLE meta (key \"TEXT PRIMARY KEY\", value BLOB NOT NULL)".into(),
            "its table `meta` is not made as a world's",
        ),
        (
            "DROP TABLE meta; CREATE TABLE meta (key \"TEXT\" \"PRIMARY\" \"KEY\", value BLOB NOT NULL)"
                .into(),
            "its table `meta` is not made as a world's",
        ),
        (
            "DROP TABLE meta; CREATE TABLE meta (key TEXT\u{a0}PRIMARY\u{a0}KEY, value BLOB NOT NULL)".into(),
            "its table `meta` is not made as a world's",
        ),
        ("ALTER TABLE journal ADD COLUMN more BLOB".into(), "its table `journal` is not made as a world's"),
        ("PRAGMA user_version = 99".into(), "journal format 99"),
        ("PRAGMA user_version = 3".into(), "journal format 3, which oikos 0.1 reads"),
        ("PRAGMA user_version = 4".into(), "journal format 4, which oikos 0.2 reads"),
        ("PRAGMA user_version = 5".into(), "journal format 5, which oikos 0.3 reads"),
        ("PRAGMA application_id = 7".into(), "another application"),
        ("PRAGMA application_id = 0".into(), "another application"),
    ] {
        std::fs::write(place.path(), &bytes).unwrap();
        let db = Connection::open(place.path()).unwrap();
        db.execute_batch(&sql).unwrap();
        drop(db);
        for said in told(&place) {
            assert!(said.contains(part), "{sql}: {said}");
        }
    }
}

#[test]
fn values_of_any_type_and_size_are_damage() {
    let place = whole();
    let bytes = std::fs::read(place.path()).unwrap();
    for (sql, part) in [
        ("UPDATE meta SET value = zeroblob(200000000) WHERE key = 'head'", "meta"),
        ("UPDATE meta SET value = 'text' WHERE key = 'head'", "meta"),
        ("UPDATE meta SET value = x'00' WHERE key = 'head'", "meta"),
        ("DELETE FROM meta WHERE key = 'head'", "meta"),
        ("UPDATE journal SET body = zeroblob(200000000) WHERE seq_first = 61", "journal"),
        ("UPDATE journal SET count = -5 WHERE seq_first = 61", "journal"),
        ("UPDATE journal SET count = 0 WHERE seq_first = 61", "record 61"),
        ("UPDATE journal SET count = 9223372036854775807 WHERE seq_first = 61", "record 61"),
        (
            "UPDATE journal SET seq_first = 9223372036854775807 WHERE seq_first = 61",
            "record 9223372036854775807",
        ),
        ("UPDATE journal SET epoch = 0 WHERE seq_first = 61", "record 61"),
        ("UPDATE snapshots SET seq = 9223372036854775807", "the snapshot at record 9223372036854775807"),
        ("UPDATE snapshots SET bytes = -1", "snapshots"),
        ("UPDATE snapshots SET bytes = 9223372036854775807", "the snapshot at record 61"),
        ("UPDATE snapshots SET body = zeroblob(200000000)", "snapshot"),
        ("UPDATE snapshots SET seq = 40", "the snapshot at record 40"),
        ("UPDATE snapshots SET row_hash = zeroblob(32)", "stands on no batch"),
        ("UPDATE snapshots SET journal_hash = zeroblob(32)", "it is not of the journal's end"),
        ("UPDATE snapshots SET digest = zeroblob(32)", "its hash does not fit"),
        ("DELETE FROM journal WHERE seq_first = 61", "the head"),
    ] {
        std::fs::write(place.path(), &bytes).unwrap();
        let db = Connection::open(place.path()).unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        for said in told(&place) {
            assert!(said.contains("corrupt") && said.contains(part), "{sql}: {said}");
        }
    }
}

#[test]
fn a_last_epoch_has_none_after_it() {
    let place = whole();
    let db = Connection::open(place.path()).unwrap();
    let epoch = u64::try_from(i64::MAX).unwrap();
    rehash(&db, epoch, None);
    db.execute("DELETE FROM snapshots", []).unwrap();
    drop(db);
    assert!(Journal::open(place.path()).unwrap_err().to_string().contains("epoch has none after it"));
}

/// Gives the last row another epoch, or another body, and its hashes and the head anew.
fn rehash(db: &Connection, epoch: u64, body: Option<&[u8]>) {
    let sql = "SELECT seq_first, count, prev_hash, body FROM journal ORDER BY seq_first DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let (first, count, prev, old): (u64, u64, Hash, Vec<u8>) = db.query_row(sql, [], read).unwrap();
    let body = body.unwrap_or(&old);
    let numbers: Vec<u8> = [first, count, epoch].iter().flat_map(|number| number.to_le_bytes()).collect();
    let hash = *blake3::hash(&[&prev[..], &numbers, body].concat()).as_bytes();
    let set = "UPDATE journal SET epoch = ?, body = ?, hash = ? WHERE seq_first = ?";
    db.execute(set, params![epoch, body, hash, first]).unwrap();
    let head: Vec<u8> =
        db.query_row("SELECT value FROM meta WHERE key = 'head'", [], |row| row.get(0)).unwrap();
    let head = [&head[..8], &hash, &head[40..]].concat();
    db.execute("UPDATE meta SET value = ? WHERE key = 'head'", [head]).unwrap();
}

/// So many zeros, compressed as small as they go.
fn zeros(count: usize, begin: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(begin).unwrap();
    let piece = vec![0; 1 << 20];
    (0..count >> 20).for_each(|_| encoder.write_all(&piece).unwrap());
    encoder.finish().unwrap()
}

#[test]
fn a_small_batch_never_unpacks_to_a_large_one() {
    for (begin, part) in [
        // Records without a byte, one of them as large as can be said, and a long one that is allowed.
        (Vec::new(), "record 61"),
        (u32::MAX.to_le_bytes().to_vec(), "announces a record of 4294967295 bytes"),
        ((16_u32 << 20).to_le_bytes().to_vec(), "unpacks to more than its size allows"),
    ] {
        let place = whole();
        let db = Connection::open(place.path()).unwrap();
        db.execute("DELETE FROM snapshots", []).unwrap();
        rehash(&db, 1, Some(&zeros(1 << 29, &begin)));
        drop(db);
        for said in told(&place) {
            assert!(said.contains(part), "{said}");
        }
        assert!(problem(&place.path()).contains(part));
    }
}

/// Replaces the snapshot's body, with all its hashes right.
fn forge_snapshot(place: &Place, body: &[u8], digest: Hash) {
    forge_snapshot_of(place, body, body.len() as u64, digest);
}

/// As [`forge_snapshot`], and says that the body has so many bytes.
fn forge_snapshot_of(place: &Place, body: &[u8], bytes: u64, digest: Hash) {
    let db = Connection::open(place.path()).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let sql = "SELECT seq, row_hash, journal_hash FROM snapshots";
    let (seq, row, chain): (u64, Hash, Hash) = db.query_row(sql, [], read).unwrap();
    let hash = snapshot_hash_of(seq, [row, chain, digest], body, bytes);
    let sql = "UPDATE snapshots SET digest = ?, hash = ?, body = ?, bytes = ?";
    db.execute(sql, params![digest, hash, body, bytes]).unwrap();
}

#[test]
fn a_small_snapshot_never_unpacks_to_a_large_one() {
    let place = whole();
    let (world, _) = Journal::open_read_only(place.path()).unwrap().last_snapshot().unwrap();
    forge_snapshot(&place, &zeros(1 << 30, &world.to_image()), world.digest());
    for said in told(&place) {
        assert!(said.contains("the snapshot at record 61"), "{said}");
    }
}

#[test]
fn the_size_that_a_snapshot_says_gives_it_no_room() {
    let place = whole();
    let (world, _) = Journal::open_read_only(place.path()).unwrap().last_snapshot().unwrap();
    for bytes in [1 << 32, 1 << 50] {
        forge_snapshot_of(&place, &zeros(1 << 30, &world.to_image()), bytes, world.digest());
        for said in told(&place) {
            assert!(said.contains(&format!("it says that it has {bytes} bytes")), "{said}");
        }
    }
}

#[test]
fn small_batches_unpack_to_little_together() {
    let (_, records) = history(3);
    let place = Place::new();
    let mut journal = Journal::create(place.path()).unwrap();
    journal.append(&records[..1], &[]).unwrap();
    for record in &records[1..] {
        let mut record = record.clone();
        if let oikos_kernel::record::Cause::Act { output, .. } = &mut record.cause {
            *output = "x".repeat(60 << 10);
        }
        journal.append(&[record], &[]).unwrap();
    }
    drop(journal);
    let db = Connection::open(place.path()).unwrap();
    let sql = "SELECT min(length(body)) FROM journal WHERE seq_first > 1";
    let least: usize = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(least >= (44 << 10) / 128, "{least} bytes stand for 60 KiB");
    drop(db);
    verified(&place.path()).unwrap();
}

#[test]
fn no_length_in_a_snapshot_takes_memory() {
    let place = whole();
    let (world, _) = Journal::open_read_only(place.path()).unwrap().last_snapshot().unwrap();
    let image = world.to_image();
    // Each byte becomes the beginning of a number near 2^63, which is a length in many places.
    for at in 0..image.len() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let forged = [&image[..at], &huge, &image[at + 1..]].concat();
        if let Ok(other) = World::from_image(&forged) {
            assert_ne!(other.digest(), world.digest(), "byte {at}");
        }
        if at % 16 == 0 {
            forge_snapshot(&place, &zstd::bulk::compress(&forged, 1).unwrap(), world.digest());
            for said in told(&place) {
                assert!(said.contains("the snapshot at record 61"), "byte {at}: {said}");
            }
        }
    }
}

#[test]
fn a_snapshot_of_another_state_is_not_believed() {
    let place = whole();
    let (world, _) = Journal::open_read_only(place.path()).unwrap().last_snapshot().unwrap();
    // The state at record 61 of a world in which bob was paid more.
    let (_, mut records) = history(60);
    *payment(&mut records[60]) += 5;
    let mut other = World::empty();
    records.iter().for_each(|record| other.apply(record).unwrap());
    forge_snapshot(&place, &zstd::bulk::compress(&other.to_image(), 1).unwrap(), world.digest());
    for said in told(&place) {
        assert!(said.contains("its state is not the one of its digest"), "{said}");
    }
}

/// Looks at all there is to see of a world.
fn look_at(world: &World) {
    let _ = (world.audit(), world.digest(), world.events().count(), world.supply());
    for (handle, artifact) in world.artifacts() {
        let _ =
            (world.scrip(handle), world.name(artifact.owner()), artifact.size(), artifact.storage().count());
        for at in 0..world.rules().resources.len() {
            let resource = ResourceId(u16::try_from(at).unwrap());
            let _ = (world.limit(handle, resource), world.used(handle, resource));
            let _ = world.capacity(handle, resource, world.now());
        }
    }
}

#[test]
fn a_state_that_contradicts_itself_is_refused_or_can_be_looked_at() {
    let (world, _) = history(20);
    let image = world.to_image();
    let mut believed = 0;
    for at in 0..image.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, image[at] ^ 1, image[at].wrapping_add(2)] {
            let mut forged = image.clone();
            forged[at] = byte;
            if let Ok(other) = World::from_image(&forged) {
                look_at(&other);
                believed += 1;
            }
        }
    }
    assert!(believed > 0, "a digest is what tells them apart");
}
