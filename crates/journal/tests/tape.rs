//! The tape: rows that are written are on disk and come back, and strange rows are found.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{
    tape::{FailureKind, Origin, Purpose, Taped},
    time::Time,
};
use rusqlite::Connection;

use self::door::*;

fn row(agent: &str, question: &str, n: u64, answer: &str) -> Taped {
    let request = format!("{{\"messages\":[{question:?}],\"model\":\"m\"}}");
    Taped {
        hash: *blake3::hash(request.as_bytes()).as_bytes(),
        n,
        seq: 3,
        agent: agent.into(),
        purpose: Purpose::Step,
        provider: "local".into(),
        model: "m".into(),
        request,
        failure: None,
        answer: answer.into(),
        tokens_in: 5,
        tokens_cached: 1,
        tokens_out: 2,
        cost: 7,
        latency_ms: 12,
        asked_at: Time::from_ms(1_000).unwrap(),
        answered_at: Time::from_ms(1_012).unwrap(),
        origin: Origin::Asked,
    }
}

fn all(journal: &Journal, agent: Option<&str>) -> Vec<Taped> {
    let mut rows = Vec::new();
    journal
        .tape(agent, |row| {
            rows.push(row);
            Ok::<(), JournalError>(())
        })
        .unwrap();
    rows
}

/// A world with a tape of four rows.
fn taped() -> (Place, Vec<Taped>) {
    let place = Place::new();
    let (_, records) = history(5);
    let rows = vec![
        row("alice", "who?", 0, "me"),
        row("alice", "who?", 1, "me again"),
        row("bob", "who?", 0, "bob"),
        Taped {
            failure: Some(FailureKind::Length),
            purpose: Purpose::Repair,
            ..row("alice", "why?", 0, "{")
        },
    ];
    let mut journal = Journal::create(place.path()).unwrap();
    journal.append(&records, &[]).unwrap();
    journal.put_tape(&rows[..3]).unwrap();
    journal.put_tape(&rows[3..]).unwrap();
    (place, rows)
}

#[test]
fn an_asking_comes_back_by_agent_request_and_number() {
    let (place, rows) = taped();
    let journal = Journal::open_read_only(place.path()).unwrap();
    for row in &rows {
        assert_eq!(journal.taped(&row.agent, &row.hash, row.n).unwrap().as_ref(), Some(row));
    }
    for (agent, hash, n) in [
        ("alice", rows[0].hash, 2),
        ("bob", rows[0].hash, 1),
        ("carol", rows[0].hash, 0),
        ("alice", [0; 32], 0),
    ] {
        assert_eq!(journal.taped(agent, &hash, n).unwrap(), None, "{agent} {n}");
    }
    assert_eq!(all(&journal, None), rows);
    assert_eq!(all(&journal, Some("bob")), rows[2..3]);
    assert_eq!(all(&journal, Some("nobody")), []);
}

#[test]
fn a_row_is_on_disk_when_the_call_returns() {
    let place = Place::new();
    let (_, records) = history(5);
    let mut journal = Journal::create(place.path()).unwrap();
    journal.append(&records, &[]).unwrap();
    let one = row("alice", "who?", 0, "me");
    journal.put_tape(std::slice::from_ref(&one)).unwrap();
    // The writer still has the world open: a reader sees the row, as a process after a kill would.
    let reader = Journal::open_read_only(place.path()).unwrap();
    assert_eq!(all(&reader, None), [one]);
}

#[test]
fn asking_again_replaces_and_importing_keeps() {
    let (place, rows) = taped();
    let mut journal = Journal::open(place.path()).unwrap();
    let other = row("alice", "who?", 0, "somebody else");
    let new = row("carol", "who?", 0, "carol");
    assert_eq!(journal.import_tape(&[other.clone(), new.clone()]).unwrap(), 1);
    assert_eq!(journal.taped("alice", &other.hash, 0).unwrap().as_ref(), Some(&rows[0]));
    journal.put_tape(std::slice::from_ref(&other)).unwrap();
    assert_eq!(journal.taped("alice", &other.hash, 0).unwrap(), Some(other));
    assert_eq!(all(&journal, None).len(), 5);
    let strange = Taped { hash: [7; 32], ..new };
    assert!(journal.import_tape(&[strange]).is_err(), "its hash is not that of its request");
    assert_eq!(all(&journal, None).len(), 5);
    let (_, records) = history(6);
    journal.append(&records[6..], &[]).unwrap();
    assert_eq!(
        verified(&place.path()).unwrap().taped,
        5,
        "a row that is refused leaves the journal as it was"
    );
}

#[test]
fn a_row_that_is_used_says_so() {
    let (place, rows) = taped();
    let mut journal = Journal::open(place.path()).unwrap();
    let strange = Taped { origin: Origin::Asked, ..row("carol", "who?", 0, "carol") };
    journal.import_tape(&[strange.clone(), Taped { n: 1, ..strange.clone() }]).unwrap();
    let origin = |journal: &Journal, row: &Taped| {
        let found = journal.taped(&row.agent, &row.hash, row.n).unwrap().unwrap();
        (found.origin, found.seq)
    };
    assert_eq!(origin(&journal, &strange), (Origin::Imported, 3), "a file does not say what was paid here");
    journal.use_tape(&[Taped { seq: 5, ..strange.clone() }]).unwrap();
    journal.use_tape(&[Taped { seq: 4, ..rows[0].clone() }]).unwrap();
    // A world that was killed uses a row once more.
    journal.use_tape(&[Taped { seq: 5, ..strange.clone() }]).unwrap();
    journal.import_tape(std::slice::from_ref(&strange)).unwrap();
    let reader = Journal::open_read_only(place.path()).unwrap();
    for journal in [&journal, &reader] {
        assert_eq!(origin(journal, &strange), (Origin::Replayed, 5));
        assert_eq!(origin(journal, &rows[0]), (Origin::Asked, 4), "it stays paid");
        assert_eq!(origin(journal, &rows[1]), (Origin::Asked, 3), "another asking of the same");
        assert_eq!(origin(journal, &rows[2]), (Origin::Asked, 3), "another agent's");
        assert_eq!(origin(journal, &Taped { n: 1, ..strange.clone() }), (Origin::Imported, 3));
    }
    let order: Vec<(String, u64)> = all(&journal, None).into_iter().map(|row| (row.agent, row.n)).collect();
    let wanted = [("alice", 0), ("alice", 1), ("bob", 0), ("alice", 0), ("carol", 0), ("carol", 1)];
    assert_eq!(order, wanted.map(|(agent, n)| (agent.to_owned(), n)), "rows keep their order");
    for (agent, hash, n) in [("dave", strange.hash, 0), ("carol", [0; 32], 0), ("carol", strange.hash, 2)] {
        let row = Taped { agent: agent.into(), hash, n, ..strange.clone() };
        let error = journal.use_tape(&[row]).unwrap_err().to_string();
        assert!(error.contains(agent) && error.contains(&n.to_string()), "{error}");
    }
    journal.put_tape(&[row("erin", "who?", 0, "erin")]).unwrap();
    assert_eq!(all(&journal, None).len(), 7, "it goes on after a row that was not there");
}

#[test]
fn a_world_knows_what_of_its_tape_it_has_used() {
    let (place, rows) = taped();
    let mut journal = Journal::open(place.path()).unwrap();
    let other = Taped { model: "n".into(), cost: 100, ..row("carol", "who?", 0, "carol") };
    journal.import_tape(&[other.clone(), Taped { n: 1, ..other.clone() }]).unwrap();
    let hash = rows[0].hash;
    let asked = |used: &oikos_journal::TapeUsed, agent: &str| {
        used.asked.get(&(agent.to_owned(), hash)).copied().unwrap_or_default()
    };
    let cost = |used: &oikos_journal::TapeUsed, model: &str| {
        used.costs.get(&("local".to_owned(), model.to_owned())).copied()
    };
    let used = journal.tape_used(|_| true).unwrap();
    assert_eq!((asked(&used, "alice"), asked(&used, "bob"), asked(&used, "carol")), (2, 1, 0));
    assert_eq!(used.asked.len(), 3, "alice has asked something else too");
    assert_eq!((cost(&used, "m"), cost(&used, "n")), (Some(28), None), "an imported row is not used");

    let used = [("carol", 0), ("alice", 1)];
    let used = used.map(|(agent, n)| Taped { agent: agent.into(), hash, n, seq: 9, ..rows[0].clone() });
    journal.use_tape(&used).unwrap();
    for (bound, times) in [(0, (0, 0, 0)), (3, (0, 0, 0)), (4, (1, 1, 0)), (10, (2, 1, 1))] {
        let used = journal.tape_used(|row| row.seq < bound).unwrap();
        assert_eq!((asked(&used, "alice"), asked(&used, "bob"), asked(&used, "carol")), times, "{bound}");
        let costs = (cost(&used, "m"), cost(&used, "n"));
        assert_eq!(costs, (Some(28), Some(100)), "{bound}: paid is paid, whatever came of it");
    }
    let used = journal.tape_used(|row| row.purpose != Purpose::Repair).unwrap();
    assert_eq!(used.asked.values().sum::<u64>(), 4, "the caller says which askings count");
}

#[test]
fn the_tape_changes_no_hash() {
    let (place, _) = taped();
    let other = Place::new();
    let (_, records) = history(5);
    let head = other.write(&records, 100);
    assert_eq!(Journal::open_read_only(place.path()).unwrap().head(), head);
}

#[test]
fn a_tape_leaves_as_lines_and_comes_in_again() {
    let (place, rows) = taped();
    let lines: Vec<String> =
        all(&Journal::open_read_only(place.path()).unwrap(), None).iter().map(Taped::to_line).collect();
    let mut journal = Journal::in_memory().unwrap();
    let read: Vec<Taped> = lines.iter().map(|line| Taped::from_line(line).unwrap()).collect();
    assert_eq!(journal.import_tape(&read).unwrap(), 4);
    let imported: Vec<Taped> =
        rows.into_iter().map(|row| Taped { origin: Origin::Imported, ..row }).collect();
    assert_eq!(all(&journal, None), imported);
}

#[test]
fn a_strange_row_is_damage() {
    for (sql, says) in [
        ("UPDATE tape SET request = 'x' WHERE agent = 'bob'", "not the BLAKE3"),
        ("UPDATE tape SET hash = x'00' WHERE agent = 'bob'", "32 byte"),
        ("UPDATE tape SET outcome = 'well' WHERE agent = 'bob'", "`outcome`"),
        ("UPDATE tape SET purpose = 'joke' WHERE agent = 'bob'", "`purpose`"),
        ("UPDATE tape SET asked_at = 'now' WHERE agent = 'bob'", "`asked_at`"),
        ("UPDATE tape SET origin = 'found' WHERE agent = 'bob'", "`origin`"),
        ("UPDATE tape SET cost = -1 WHERE agent = 'bob'", "tape"),
        ("UPDATE tape SET tokens_cached = 6 WHERE agent = 'bob'", "`tokens_cached`"),
        ("UPDATE tape SET answer = CAST(x'ff' AS TEXT) WHERE agent = 'bob'", "tape"),
        ("UPDATE tape SET answer = x'ff' WHERE agent = 'bob'", "tape"),
    ] {
        let (place, rows) = taped();
        Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        let problem = problem(&place.path());
        assert!(problem.contains(says) && problem.contains("tape"), "{sql}: {problem}");
        let journal = Journal::open_read_only(place.path()).unwrap();
        assert_eq!(journal.taped("alice", &rows[0].hash, 0).unwrap().as_ref(), Some(&rows[0]));
    }
}
