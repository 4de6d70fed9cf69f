//! Worlds in PostgreSQL whose followers think for them, through the binary: the world is the same whoever had which
//! thought, and whoever died over it. `cargo xtask postgres` starts a server for them.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod base;
mod given;
mod provider;
mod served;
mod small;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use self::{base::*, given::*, small::*};

/// Agents whose thoughts take a while.
const SLOW: &str = r#"
[world]
name = "slow"
seed = 7

[execution]
ticks = 6
workers = 1

[resources.cpu]
kind = "renewable"
rate = "10s"
window = "60s"

[[agents]]
id = "a"
count = 24
scrip = 100
code = """
def step(observation):
    total = observation["balances"]["scrip"] if "balances" in observation else 1
    for i in range(4000):
        total = (total * 31 + i) % 1000003
    print(total)
    if total % 5 == 0:
        return {"op": "nothing_of_the_kind"}
    return {"op": "transfer", "to": "a_%02d" % (1 + total % 24), "amount": 1 + total % 3}
"""
"#;

#[test]
fn a_world_is_the_same_whoever_thinks() {
    let mut base = Base::new("whoever");
    let file = example("bazaar");
    let far = ["--set", "execution.ticks=12"];
    let alone = hashes(&run_at(&file, &base.world("alone"), &far));
    let db = begun(&base, "together", &file, "execution.ticks=0");
    let followers = [follow(&db), follow(&db), follow(&db)];
    ready(&mut base, 3);
    let together = run_at(&file, &db, &[&far[..], &GIVES].concat());
    assert_eq!(hashes(&together), alone);
    let had: u64 = followers.iter().map(thoughts).sum();
    assert!(had > 0, "nobody was given a thought");
    assert_eq!(base.count("SELECT count(*) FROM shards"), 0);
    // A world that wants none gives none away.
    let none = ["--set", "execution.followers=none"];
    let db = base.world("none");
    run_at(&file, &db, &[&["--set", "execution.ticks=0"][..], &none].concat());
    let follower = follow(&db);
    let report = run_at(&file, &db, &[&far[..], &GIVES, &none].concat());
    assert_eq!((hashes(&report), thoughts(&follower)), (alone, 0));
    good(&oikos(["verify", &base.world("together")]));
}

#[test]
fn followers_that_die_or_stand_still_over_a_thought_change_nothing() {
    let mut base = Base::new("dying");
    let small = Small::of(SLOW, "");
    let alone = hashes(&run_at(&small.file(), &base.world("alone"), &[]));
    let db = begun(&base, "dying", &small.file(), "execution.ticks=0");
    let mut followers = vec![follow(&db), follow(&db), follow(&db)];
    ready(&mut base, 3);
    let mut command = Command::new(COMMAND);
    command.args(["run", &small.file(), "--json", "--db", &db]).args(GIVES);
    let mut writer: Child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    // One is killed over a thought, one is stopped over one, one goes on; the writer is killed over its own.
    until("a part that is taken", || {
        (base.count("SELECT count(*) FROM shards WHERE state = 'taken'") >= 2).then_some(())
    });
    drop(followers.remove(0).kill());
    until("a part that is taken", || {
        (base.count("SELECT count(*) FROM shards WHERE state = 'taken'") >= 1).then_some(())
    });
    signal_to(&followers[0].child, "STOP");
    base.wait(&mut writer, "dying", 60);
    writer.kill().expect("it can be killed");
    writer.wait().expect("it ends");
    let report = run_at(&small.file(), &db, &GIVES);
    assert_eq!(hashes(&report), alone);
    signal_to(&followers[0].child, "CONT");
    assert!(thoughts(&followers[1]) > 0, "the one that lived had no thought");
    good(&oikos(["verify", &db]));
}

#[test]
fn answers_that_are_none_are_had_here() {
    let mut base = Base::new("none");
    let small = Small::of(SLOW, "");
    let alone = hashes(&run_at(&small.file(), &base.world("alone"), &[]));
    let db = begun(&base, "strange", &small.file(), "execution.ticks=0");
    let follower = follow(&db);
    ready(&mut base, 1);
    // One that has the reading of the other, and answers with bytes that are none.
    base.client.execute("SELECT pg_advisory_lock(77)", &[]).expect("a lock");
    let join = "INSERT INTO followers SELECT 77, world, reading, 1 FROM followers LIMIT 1";
    base.client.execute(join, &[]).expect("a follower");
    drop(follower.kill());
    let mut command = Command::new(COMMAND);
    command.args(["run", &small.file(), "--json", "--db", &db]).args(GIVES);
    let mut writer: Child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let answers = [&b""[..], b"\x00", b"\xff\xff\xff\xff\xff\xff", &[1; 300]];
    let mut given = 0;
    while writer.try_wait().expect("a child").is_none() {
        let sql = "UPDATE shards SET state = 'done', taker = 77, body = $1 WHERE state = 'open'";
        given += base.client.execute(sql, &[&answers[given as usize % 4]]).expect("answers");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(given > 0, "nothing was given away");
    assert_eq!(hashes(&report(&writer.wait_with_output().expect("it ends"))), alone);
    good(&oikos(["verify", &db]));
}

#[test]
fn one_that_reads_another_way_is_given_nothing_and_told_why() {
    let mut base = Base::new("reading");
    let small = Small::of(SLOW, "");
    let db = begun(&base, "reading", &small.file(), "execution.ticks=1");
    let follower = follow(&db);
    ready(&mut base, 1);
    let reading = "SELECT reading FROM followers";
    let reading: String = base.client.query_one(reading, &[]).expect("one follower").get(0);
    let give = "INSERT INTO shards (world, giver, seq, turn, part, state, reading, body)
                VALUES ('reading', $1, 26, 0, 0, 'open', $2, '')";
    // Nobody works for one who is gone.
    base.client.execute(give, &[&78_i64, &reading]).expect("a shard");
    base.client.execute("SELECT pg_advisory_lock(77)", &[]).expect("a lock");
    base.client.execute(give, &[&77_i64, &"oikos 0.0.1, format 1, another"]).expect("a shard");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(base.count("SELECT count(*) FROM shards WHERE state = 'open'"), 2);
    let (code, told) = follower.interrupt();
    assert_eq!(code, Some(130), "{told}");
    for part in ["thinks for no agent", "its writer is oikos 0.0.1, format 1, another", "use the same"] {
        assert_eq!(told.matches(part).count(), 1, "{part:?} once in {told}");
    }
}

#[test]
fn models_are_asked_by_followers_and_the_tape_is_whole() {
    asked_elsewhere("asking", 24, 12);
}
