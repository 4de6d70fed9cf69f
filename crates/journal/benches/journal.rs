//! How fast records reach the disk, by how many share a commit; `cargo bench -p oikos-journal`.
//!
//! Nothing is interpreted or decided here: the records are one and the same transfer, numbered anew.

#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first thing that is wrong")]

use divan::{Bencher, counter::ItemsCount};
use oikos_journal::{Address, Journal, verify};
use oikos_kernel::{
    founding::{Founder, Founding},
    record::{Cause, Effect, Outcome, Record, Why},
    rules::Rules,
    time::Time,
};
use serde_json::json;

fn main() {
    divan::main();
}

/// A founding and `count` transfers.
fn records(count: u64) -> Vec<Record> {
    let founders =
        ["a", "b"].map(|id| Founder { has_standing: true, scrip: 1_000_000_000, ..Founder::new(id) });
    let rules = Rules::unlimited("bench", 7, Time::default());
    let (world, founding) =
        Founding { rules, source: [0; 32], runtime: "toy".into(), founders: founders.into() }
            .found()
            .unwrap();
    let [from, to] = ["a", "b"].map(|id| world.lookup(id).unwrap());
    let transfer = |seq| Record {
        seq,
        time: world.now(),
        cause: Cause::Act {
            actor: from,
            action: json!({ "op": "transfer", "to": "b", "amount": 1 }).into(),
            action_id: None,
            output: String::new(),
        },
        charges: Vec::new(),
        effects: vec![Effect::Pay { from, to, amount: 1, why: Why::Transfer, of: None }],
        events: Vec::new(),
        outcome: Outcome::Done(json!({ "balance": 1 }).into()),
    };
    founding.into_iter().chain((2..=count + 1).map(transfer)).collect()
}

/// Records a second that are on disk before the next batch begins.
#[divan::bench(args = [1, 32, 1_024, 4_096, 16_384], sample_count = 20)]
fn append_durably(bencher: Bencher<'_, '_>, batch: u64) {
    let folder = tempfile::tempdir().unwrap();
    append(bencher, batch, folder.path().join("bench.oikos").into());
}

/// The same in the database of PostgreSQL that a variable names, with `{}` for the world's name.
#[divan::bench(args = [1, 32, 1_024, 4_096, 16_384], sample_count = 20)]
fn append_durably_in_postgres(bencher: Bencher<'_, '_>, batch: u64) {
    let Ok(address) = std::env::var("OIKOS_BENCH_POSTGRES") else { return };
    let mut at = Address::read(address.replace("{}", &format!("bench{batch}")).into()).unwrap();
    at.database_mut().unwrap().set_password(std::env::var("PGPASSWORD").unwrap());
    append(bencher, batch, at);
}

fn append(bencher: Bencher<'_, '_>, batch: u64, at: Address) {
    let mut journal = Journal::create_afresh(at).unwrap();
    let all = records(batch);
    journal.append(all.get(..1).unwrap(), &[]).unwrap();
    let mut batch_records = all.get(1..).unwrap().to_vec();
    bencher.counter(ItemsCount::new(batch)).bench_local(|| {
        let seq = journal.head().seq;
        for (next, record) in (seq + 1..).zip(&mut batch_records) {
            record.seq = next;
        }
        journal.append(&batch_records, &[]).unwrap();
    });
}

/// Records a second that are read back, checked and re-applied.
#[divan::bench(sample_count = 10)]
fn verify_100_000(bencher: Bencher<'_, '_>) {
    let mut journal = Journal::in_memory().unwrap();
    for batch in records(100_000).chunks(1_024) {
        journal.append(batch, &[]).unwrap();
    }
    bencher.counter(ItemsCount::new(100_000_u64)).bench_local(|| verify(&journal, |_| ()).unwrap());
}
