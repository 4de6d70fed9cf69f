//! Worlds in PostgreSQL whose followers think for them, and ask their models.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::process::{Command, Stdio};

use super::{
    base::*,
    provider::{Provider, Way},
    served::{Served, serve_db},
    small::*,
};

/// Thoughts of a tick are given away however quick they are.
pub(crate) const GIVES: [&str; 2] = ["--give-from", "1ms"];

pub(crate) fn follow(db: &str) -> Served {
    serve_db(db, &["--follow"])
}

/// How many thoughts and answers a follower has had for the writer.
pub(crate) fn thoughts(follower: &Served) -> u64 {
    let metrics = follower.get(&follower.observer, "/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("oikos_thoughts_for_writer "));
    line.expect("a metric").parse().expect("a number")
}

/// Begins a world in a database, so that it can be followed.
pub(crate) fn begun(base: &Base, name: &str, file: &str, short: &str) -> String {
    let db = base.world(name);
    run_at(file, &db, &["--set", short]);
    db
}

/// Waits until so many followers take work.
pub(crate) fn ready(base: &mut Base, followers: i64) {
    until("followers", || {
        (base.count("SELECT count(DISTINCT number) FROM followers") >= followers).then_some(())
    });
}

/// Models of so many agents are asked by two followers, one of which dies over a request.
pub(crate) fn asked_elsewhere(name: &str, agents: u64, in_flight: u64) {
    let mut base = Base::new(name);
    let provider = Provider::start(|_| Way::Well(30));
    let world = format!(
        r#"
[world]
name = "asking"
[execution]
ticks = 3
[llm]
model = "local::m"
[llm.providers.local]
api = "openai"
url = "{}"
in_flight = {in_flight}
[llm.prices."local::m"]
input = "$1.00"
output = "$4.00"
[[agents]]
id = "model"
count = {agents}
mind = "llm"
prompt = "Say something."
max_output_tokens = 80
scrip = 100
"#,
        provider.url()
    );
    let small = Small::of(&world, "");
    let alone = hashes(&run_at(&small.file(), &base.world("alone"), &[]));
    let before = provider.asked();
    let db = begun(&base, "asking", &small.file(), "execution.ticks=0");
    let mut followers = vec![follow(&db), follow(&db)];
    ready(&mut base, 2);
    let mut command = Command::new(COMMAND);
    command.args(["run", &small.file(), "--json", "--db", &db]);
    let writer = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let enough = agents / 5;
    until("thoughts", || followers.iter().all(|follower| thoughts(follower) >= enough).then_some(()));
    // One of them dies over requests, which are sent again.
    let killed = thoughts(&followers[0]);
    drop(followers.remove(0).kill());
    let report = report(&writer.wait_with_output().expect("it ends"));
    assert_eq!(hashes(&report), alone);
    let lived = thoughts(&followers[0]);
    assert!(lived > enough);
    let (whole, expected) = (taped(&db), taped(&base.world("alone")));
    assert!(whole.len() as u64 >= 3 * agents && whole == expected, "{} of {}", whole.len(), expected.len());
    // Those that were lost with a follower are all that was asked twice.
    let (asked, rows) = (provider.asked() - before, whole.len() as u64);
    assert!((rows..rows + in_flight).contains(&asked), "{rows} rows, asked {asked}");
    println!("{rows} requests, {asked} sent; the one that was killed had {killed}, the other {lived}");
    // Nobody is asked where the tape has all of it.
    let asked = provider.asked();
    good(&oikos(["replay", &db]));
    assert_eq!(provider.asked(), asked);
}

/// The tape of a world, in order, without the times.
pub(crate) fn taped(db: &str) -> Vec<[serde_json::Value; 6]> {
    let tape = good(&oikos(["tape", "export", db]));
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row is JSON");
        ["agent", "seq", "hash", "n", "outcome", "answer"].map(|key| row[key].clone())
    };
    let mut rows: Vec<_> = tape.lines().map(row).collect();
    rows.sort_by_key(|row| row[..4].iter().map(ToString::to_string).collect::<Vec<String>>());
    rows
}
