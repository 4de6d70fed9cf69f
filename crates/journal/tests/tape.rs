//! The tape: rows that are written are on disk and come back, and strange rows are found.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;

use oikos_journal::{Journal, JournalError};
use oikos_kernel::{
    tape::{FailureKind, Purpose, Taped},
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
    let mut journal = Journal::create(&place.path()).unwrap();
    journal.append(&records, &[]).unwrap();
    journal.put_tape(&rows[..3]).unwrap();
    journal.put_tape(&rows[3..]).unwrap();
    (place, rows)
}

#[test]
fn an_asking_comes_back_by_agent_request_and_number() {
    let (place, rows) = taped();
    let journal = Journal::open_read_only(&place.path()).unwrap();
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
    let mut journal = Journal::create(&place.path()).unwrap();
    journal.append(&records, &[]).unwrap();
    let one = row("alice", "who?", 0, "me");
    journal.put_tape(std::slice::from_ref(&one)).unwrap();
    // The writer still has the world open: a reader sees the row, as a process after a kill would.
    let reader = Journal::open_read_only(&place.path()).unwrap();
    assert_eq!(all(&reader, None), [one]);
}

#[test]
fn asking_again_replaces_and_importing_keeps() {
    let (place, rows) = taped();
    let mut journal = Journal::open(&place.path()).unwrap();
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
fn the_tape_changes_no_hash() {
    let (place, _) = taped();
    let other = Place::new();
    let (_, records) = history(5);
    let head = other.write(&records, 100);
    assert_eq!(Journal::open_read_only(&place.path()).unwrap().head(), head);
}

#[test]
fn a_tape_leaves_as_lines_and_comes_in_again() {
    let (place, rows) = taped();
    let lines: Vec<String> =
        all(&Journal::open_read_only(&place.path()).unwrap(), None).iter().map(Taped::to_line).collect();
    let mut journal = Journal::in_memory().unwrap();
    let read: Vec<Taped> = lines.iter().map(|line| Taped::from_line(line).unwrap()).collect();
    assert_eq!(journal.import_tape(&read).unwrap(), 4);
    assert_eq!(all(&journal, None), rows);
}

#[test]
fn a_strange_row_is_damage() {
    for (sql, says) in [
        ("UPDATE tape SET request = 'x' WHERE agent = 'bob'", "not the BLAKE3"),
        ("UPDATE tape SET hash = x'00' WHERE agent = 'bob'", "32 byte"),
        ("UPDATE tape SET outcome = 'well' WHERE agent = 'bob'", "`outcome`"),
        ("UPDATE tape SET purpose = 'joke' WHERE agent = 'bob'", "`purpose`"),
        ("UPDATE tape SET asked_at = 'now' WHERE agent = 'bob'", "`asked_at`"),
        ("UPDATE tape SET cost = -1 WHERE agent = 'bob'", "tape"),
        ("UPDATE tape SET tokens_cached = 6 WHERE agent = 'bob'", "`tokens_cached`"),
        ("UPDATE tape SET answer = CAST(x'ff' AS TEXT) WHERE agent = 'bob'", "tape"),
        ("UPDATE tape SET answer = x'ff' WHERE agent = 'bob'", "tape"),
    ] {
        let (place, rows) = taped();
        Connection::open(place.path()).unwrap().execute_batch(sql).unwrap();
        let problem = problem(&place.path());
        assert!(problem.contains(says) && problem.contains("tape"), "{sql}: {problem}");
        let journal = Journal::open_read_only(&place.path()).unwrap();
        assert_eq!(journal.taped("alice", &rows[0].hash, 0).unwrap().as_ref(), Some(&rows[0]));
    }
}
