//! A small history, a place for its journal, and a forger who knows the document.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::path::{Path, PathBuf};

use oikos_journal::{Hash, Head, Journal, JournalError, verify};
use oikos_kernel::{
    founding::{Founder, Founding},
    op::Action,
    record::{Cause, Effect, Record},
    rules::Rules,
    time::Time,
    transaction::{Answer, Finished, Need, Transaction},
    world::World,
};
use rusqlite::{Connection, params};
use serde_json::json;

/// A world of three principals who pay each other, and its records, the founding first.
pub(crate) fn history(actions: usize) -> (World, Vec<Record>) {
    let founders =
        ["alice", "bob", "carol"].map(|id| Founder { has_standing: true, scrip: 100, ..Founder::new(id) });
    let rules = Rules::unlimited("test", 7, Time::default());
    let founding = Founding { rules, source: [0; 32], runtime: "toy".into(), founders: founders.into() };
    let (mut world, mut records) = founding.found().unwrap();
    for turn in 0..actions {
        let (from, to) = [("alice", "bob"), ("bob", "carol"), ("carol", "alice")][turn % 3];
        let submitted = json!({ "op": "transfer", "to": to, "amount": 1 + turn % 5 });
        let actor = world.lookup(from).unwrap();
        let action = Action::parse(submitted.clone()).unwrap();
        let mut transaction = Transaction::act(&world, actor, action, world.now(), 1).unwrap();
        let Need::Done(finished) = transaction.step(Answer::Begin) else {
            panic!("a transfer needs nothing")
        };
        let Finished { charges, effects, events, outcome, output, .. } = *finished;
        let cause = Cause::Act { actor, action: submitted.into(), action_id: None, output };
        let record =
            Record { seq: world.seq() + 1, time: world.now(), cause, charges, effects, events, outcome };
        records.push(world.enact(record).unwrap());
    }
    (world, records)
}

pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("w.oikos")
    }

    /// Writes records in batches of so many; each of `opens` writers has its share.
    pub(crate) fn write(&self, records: &[Record], batch: usize) -> Head {
        let mut journal = Journal::create(self.path()).unwrap();
        for records in records.chunks(batch) {
            journal.append(records, &[]).unwrap();
        }
        journal.head()
    }
}

pub(crate) fn verified(path: &Path) -> Result<oikos_journal::Verified, JournalError> {
    verify(&Journal::open_read_only(path)?, |_| ())
}

/// The place and problem of a world that does not verify.
pub(crate) fn problem(path: &Path) -> String {
    match verified(path) {
        Ok(found) => panic!("it verified, with journal hash {:?}", found.journal_hash),
        Err(error) => error.to_string(),
    }
}

/// The forger: reads all rows, lets the records be changed, and writes rows, hashes and head anew.
pub(crate) fn forge(path: &Path, change: impl FnOnce(&mut Vec<Record>)) {
    let db = Connection::open(path).unwrap();
    let mut rows: Vec<(u64, u64, Vec<u8>)> = Vec::new();
    let mut select = db.prepare("SELECT count, epoch, body FROM journal ORDER BY seq_first").unwrap();
    let read = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.extend(read.map(Result::unwrap));
    drop(select);
    let mut records = Vec::new();
    for (_, _, body) in &rows {
        let plain = zstd::stream::decode_all(body.as_slice()).unwrap();
        let mut rest = plain.as_slice();
        while !rest.is_empty() {
            let (length, tail) = rest.split_at(4);
            let length = usize::try_from(u32::from_le_bytes(length.try_into().unwrap())).unwrap();
            records.push(Record::decode(&tail[..length]).unwrap());
            rest = &tail[length..];
        }
    }
    change(&mut records);
    let (mut prev, mut chain, mut seq, mut left) =
        (Hash::default(), Hash::default(), 0_u64, records.as_slice());
    db.execute("DELETE FROM journal", []).unwrap();
    for (count, epoch, _) in &rows {
        let (batch, tail) = left.split_at(usize::try_from(*count).unwrap().min(left.len()));
        left = tail;
        let mut plain = Vec::new();
        for record in batch {
            let bytes = record.encode().unwrap();
            chain = *blake3::hash(&[&chain[..], &bytes].concat()).as_bytes();
            plain.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            plain.extend(bytes);
        }
        let body = zstd::bulk::compress(&plain, 1).unwrap();
        let numbers: Vec<u8> =
            [seq + 1, *count, *epoch].iter().flat_map(|number| number.to_le_bytes()).collect();
        let hash = *blake3::hash(&[&prev[..], &numbers, &body].concat()).as_bytes();
        db.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)",
            params![seq + 1, count, epoch, prev, hash, body],
        )
        .unwrap();
        (prev, seq) = (hash, seq + count);
    }
    let head = [&seq.to_le_bytes()[..], &prev, &chain].concat();
    db.execute("UPDATE meta SET value = ? WHERE key = 'head'", [head]).unwrap();
}

/// The payment of a record of [`history`].
pub(crate) fn payment(record: &mut Record) -> &mut i64 {
    match &mut record.effects[0] {
        Effect::Pay { amount, .. } => amount,
        other => panic!("{other:?} is no payment"),
    }
}

/// The hash of a snapshot, by the document.
pub(crate) fn snapshot_hash(seq: u64, row_hash: Hash, journal_hash: Hash, digest: Hash, body: &[u8]) -> Hash {
    snapshot_hash_of(seq, [row_hash, journal_hash, digest], body, body.len() as u64)
}

/// As [`snapshot_hash`], of one that says that its body has so many bytes.
pub(crate) fn snapshot_hash_of(seq: u64, hashes: [Hash; 3], body: &[u8], bytes: u64) -> Hash {
    let [row_hash, journal_hash, digest] = hashes;
    let bytes = bytes.to_le_bytes();
    let body_hash = *blake3::hash(body).as_bytes();
    let all = [&seq.to_le_bytes()[..], &row_hash, &journal_hash, &digest, &bytes, &body_hash];
    *blake3::hash(&all.concat()).as_bytes()
}

/// All files of a folder by name.
pub(crate) fn listing(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
