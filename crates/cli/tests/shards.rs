//! Worlds in PostgreSQL whose followers think for them, through the binary: the world is the same whoever had which
//! thought, and whoever died over it. `cargo xtask postgres` starts a server for them.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod base;
mod provider;
mod served;
mod small;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use self::{
    base::*,
    provider::{Provider, Way},
    served::{Served, serve_db},
    small::*,
};

/// Thoughts of a tick are given away however quick they are.
const GIVES: [&str; 2] = ["--give-from", "1ms"];

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

fn follow(db: &str) -> Served {
    serve_db(db, &["--follow"])
}

/// How many thoughts and answers a follower has had for the writer.
fn thoughts(follower: &Served) -> u64 {
    let metrics = follower.get(&follower.observer, "/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("oikos_thoughts_for_writer "));
    line.expect("a metric").parse().expect("a number")
}

fn until(mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "it never comes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Begins a world in a database, so that it can be followed.
fn begun(base: &Base, name: &str, file: &str, short: &str) -> String {
    let db = base.world(name);
    run_at(file, &db, &["--set", short]);
    db
}

/// Waits until so many followers take work.
fn ready(base: &mut Base, followers: i64) {
    until(|| base.count("SELECT count(DISTINCT number) FROM followers") >= followers);
}

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
    until(|| base.count("SELECT count(*) FROM shards WHERE state = 'taken'") >= 2);
    drop(followers.remove(0).kill());
    until(|| base.count("SELECT count(*) FROM shards WHERE state = 'taken'") >= 1);
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
fn one_that_reads_another_way_is_given_nothing_and_told_why() {
    let mut base = Base::new("reading");
    let small = Small::of(SLOW, "");
    let db = begun(&base, "reading", &small.file(), "execution.ticks=1");
    let follower = follow(&db);
    ready(&mut base, 1);
    let give = "INSERT INTO shards (world, seq, turn, part, state, reading, body)
                VALUES ('reading', 2, 0, 0, 'open', 'oikos 0.0.1, format 1, another', '')";
    base.client.execute(give, &[]).expect("a shard");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(base.count("SELECT count(*) FROM shards WHERE state = 'open'"), 1);
    let (code, told) = follower.interrupt();
    assert_eq!(code, Some(130), "{told}");
    for part in ["thinks for no agent", "its writer is oikos 0.0.1, format 1, another", "use the same"] {
        assert_eq!(told.matches(part).count(), 1, "{part:?} once in {told}");
    }
}

#[test]
fn models_are_asked_by_followers_and_the_tape_is_whole() {
    let mut base = Base::new("asking");
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
in_flight = 12
[llm.prices."local::m"]
input = "$1.00"
output = "$4.00"
[[agents]]
id = "model"
count = 24
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
    // One of them dies over a request, which is sent again.
    until(|| thoughts(&followers[0]) >= 5 && thoughts(&followers[1]) >= 5);
    drop(followers.remove(0).kill());
    let report = report(&writer.wait_with_output().expect("it ends"));
    assert_eq!(hashes(&report), alone);
    assert!(thoughts(&followers[0]) > 5);
    let (whole, expected) = (taped(&db), taped(&base.world("alone")));
    assert!(whole.len() >= 72 && whole == expected, "{} rows of {}", whole.len(), expected.len());
    // Those that were lost with a follower are all that was asked twice.
    let (asked, rows) = (provider.asked(), whole.len() as u64);
    assert!((rows..rows + 12).contains(&(asked - before)), "{rows} rows, asked {}", asked - before);
    // Nobody is asked where the tape has all of it.
    good(&oikos(["replay", &db]));
    assert_eq!(provider.asked(), asked);
}

/// The tape of a world, in order, without the times.
fn taped(db: &str) -> Vec<[serde_json::Value; 6]> {
    let tape = good(&oikos(["tape", "export", db]));
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row is JSON");
        ["agent", "seq", "hash", "n", "outcome", "answer"].map(|key| row[key].clone())
    };
    let mut rows: Vec<_> = tape.lines().map(row).collect();
    rows.sort_by_key(|row| row[..4].iter().map(ToString::to_string).collect::<Vec<String>>());
    rows
}

/// Every example world with no, one and three followers, one of which is killed and begun again all the time. It takes
/// long: `cargo xtask scale thoughts` runs it.
#[test]
#[ignore = "it takes long"]
fn every_example_world_is_the_same_with_any_number_of_followers() {
    let mut base = Base::new("every");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds");
    let mut files: Vec<_> = ["", "science"]
        .iter()
        .flat_map(|part| std::fs::read_dir(folder.join(part)).expect("a folder").flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let (name, file) = (
            file.file_stem().expect("a name").to_str().expect("UTF-8").to_owned(),
            file.to_str().expect("UTF-8"),
        );
        let text = std::fs::read_to_string(file).expect("a file");
        if text.contains("local::smollm2") {
            // Its model is not there: `models_are_asked_by_followers_and_the_tape_is_whole` is of those.
            continue;
        }
        let is_autonomous = text.lines().any(|line| line.replace(' ', "") == "mode=\"autonomous\"");
        let short = if is_autonomous { "execution.duration=1ms" } else { "execution.ticks=0" };
        let in_file = {
            let at = tempfile::tempdir().expect("a folder");
            hashes(&run(file, &at.path().join("w.oikos"), &[]))
        };
        for count in [0, 1, 3] {
            let db = begun(&base, &format!("{name}_{count}"), file, short);
            let mut followers: Vec<Served> = (0..count).map(|_| follow(&db)).collect();
            let mut command = Command::new(COMMAND);
            command.args(["run", file, "--json", "--db", &db]).args(GIVES);
            let mut writer =
                command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
            let (mut kills, mut had) = (0_u32, 0);
            while writer.try_wait().expect("a child").is_none() {
                std::thread::sleep(Duration::from_millis(200 + 97 * u64::from(kills % 7)));
                if count == 3 {
                    had += thoughts(&followers[0]);
                    drop(followers.remove(0).kill());
                    followers.push(follow(&db));
                    kills += 1;
                }
            }
            had += followers.iter().map(thoughts).sum::<u64>();
            let report = report(&writer.wait_with_output().expect("it ends"));
            assert_eq!(hashes(&report), in_file, "{name} with {count}");
            println!(
                "{name} with {count} followers, {kills} of them killed: the same; they had {had} thoughts"
            );
            drop(followers);
        }
    }
    base.wait_for_nobody();
}
