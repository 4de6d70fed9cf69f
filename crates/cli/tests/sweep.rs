//! Sweeps, through the binary: the same files however many runs go on at once and however often it is killed, failed
//! runs, folders that hold something else, money; and the same files where each run is made by itself (`elsewhere`).

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod elsewhere;
mod provider;
mod small;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    provider::Provider,
    small::{COMMAND, signal_to, talk},
};

const WORLD: &str = r#"
[world]
name = "dice"
seed = 5
[execution]
ticks = 6
tick_duration = "60s"
[scrip]
start = 3
[measures]
every = "2m"
gini = "gini(scrip)"
"status" = "count(scrip)"
[[agents]]
id = "person"
count = 4
code_file = "mind.py"
"#;

const MIND: &str = "
import random

def step(observation):
    if observation['self']['scrip'] == 0:
        return {'op': 'delete', 'artifact': 'nothing'}
    other = query('agents', sample=1)[0]['id']
    return {'op': 'transfer', 'to': other, 'amount': random.randint(1, observation['self']['scrip'])}
";

/// A folder with a world and sweeps of it.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self::of(WORLD, MIND)
    }

    fn of(world: &str, mind: &str) -> Self {
        let this = Self(tempfile::tempdir().expect("a folder"));
        this.write("dice.toml", world);
        this.write("mind.py", mind);
        this
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(COMMAND);
        command.current_dir(self.0.path()).args(words.split_whitespace()).stdin(Stdio::null());
        command
    }

    fn oikos(&self, words: &str) -> Output {
        self.command(words).output().expect("the binary runs")
    }

    /// The report of a command that ends with an exit code.
    fn ends(&self, code: i32, words: &str) -> Value {
        let output = self.oikos(&format!("{words} --json"));
        assert_eq!(output.status.code(), Some(code), "{words}: {}", talk(&output));
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }

    /// Every file of a folder but the wall times.
    fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let entries =
            fs::read_dir(self.path(folder)).expect("a folder").map(|entry| entry.expect("an entry"));
        let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
        let read = named.filter(|(name, _)| name != "timings.csv").map(|(name, path)| {
            (name, if path.is_file() { fs::read(path).expect("a file") } else { Vec::new() })
        });
        read.collect()
    }

    /// The rows of a table, each by the names of its columns.
    fn rows(&self, file: &str) -> Vec<BTreeMap<String, String>> {
        let text = fs::read_to_string(self.path(file)).expect("a table");
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let names = lines.next().expect("names");
        lines.map(|values| names.iter().cloned().zip(values).collect()).collect()
    }

    fn stored(&self, folder: &str) -> usize {
        let text = fs::read_to_string(self.path(folder).join("sweep.jsonl")).unwrap_or_default();
        text.matches('\n').count().saturating_sub(1)
    }

    /// Waits until so many rows are stored, or the process has ended.
    fn wait(&self, child: &mut Child, folder: &str, rows: usize) {
        let begun = Instant::now();
        while self.stored(folder) < rows && child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(600), "nothing is stored");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The processes that a process has started and that go on.
fn children(parent: u32) -> BTreeSet<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    numbers.filter(|number| stat(*number).is_some_and(|(state, of)| of == parent && state != "Z")).collect()
}

/// The state and parent of a process.
fn stat(number: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

fn seeds() -> u32 {
    std::env::var("OIKOS_SWEEP_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3)
}

#[test]
fn killed_sweeps_and_jobs_change_no_file() {
    let bench = Bench::new();
    let seeds = seeds();
    let sweep =
        format!("sweep dice.toml --seeds 1..{seeds} --set scrip.start=1,2,5 --set execution.ticks=6,9");
    let whole = bench.ends(0, &format!("{sweep} --jobs 1 --out one"));
    let runs = usize::try_from(6 * seeds).expect("a few");
    assert_eq!((&whole["runs"], &whole["done"], &whole["failed"]), (&runs.into(), &runs.into(), &0.into()));
    bench.ends(0, &format!("{sweep} --jobs 2 --out two"));
    let mut kills = 0;
    for part in 1..=5 {
        let mut command = bench.command(&format!("{sweep} --jobs 2 --out killed"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
        bench.wait(&mut child, "killed", part * runs / 7);
        let own = children(child.id());
        if child.try_wait().expect("a child").is_none() {
            kills += 1;
            child.kill().expect("a kill");
        }
        child.wait().expect("an end");
        let begun = Instant::now();
        while own.iter().any(|number| stat(*number).is_some_and(|(state, _)| state != "Z")) {
            assert!(begun.elapsed() < Duration::from_secs(60), "children outlive their parent");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(kills, 5, "it ended before it was killed");
    assert!(bench.stored("killed") < runs);
    // A row that was cut short, as by a power cut, was never stored.
    let rows = bench.path("killed").join("sweep.jsonl");
    let mut text = fs::read(&rows).expect("rows");
    text.extend_from_slice(b"{\"cell\":1,\"seed\":");
    fs::write(&rows, text).expect("rows");
    let resumed = bench.ends(0, &format!("{sweep} --jobs 1 --out killed"));
    assert!(resumed["before"].as_u64().expect("a number") > 0, "{resumed}");
    let expected = bench.files("one");
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [".lock", "report.html", "runs.csv", "runs.parquet", "series.parquet", "summary.csv", "sweep.jsonl"]
    );
    for other in ["two", "killed"] {
        let files = bench.files(other);
        assert_eq!(files.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &files {
            assert!(expected[name] == *bytes, "{other}/{name} differs");
        }
    }
    // Runs that are there are not made again.
    let again = bench.ends(0, &format!("{sweep} --out one"));
    assert_eq!(again["before"], runs);
    assert!(bench.files("one") == expected);
    check_tables(&bench, seeds);
}

/// The tables of the sweep above: each run is that of `oikos run`, in order, with the figures that follow.
fn check_tables(bench: &Bench, seeds: u32) {
    let rows = bench.rows("one/runs.csv");
    let places: Vec<(u32, u32)> = rows
        .iter()
        .map(|row| (row["cell"].parse().expect("a number"), row["seed"].parse().expect("a number")))
        .collect();
    let expected: Vec<(u32, u32)> =
        (1..=6).flat_map(|cell| (1..=seeds).map(move |seed| (cell, seed))).collect();
    assert_eq!(places, expected);
    let row = rows.iter().find(|row| row["cell"] == "4" && row["seed"] == "2").expect("a run");
    let words = "run dice.toml --db a.oikos --seed 2 --set scrip.start=2 --set execution.ticks=9";
    let report = bench.ends(0, words);
    assert_eq!((row["scrip.start"].as_str(), row["execution.ticks"].as_str()), ("2", "9"));
    for name in ["state_digest", "journal_hash"] {
        assert_eq!(report[name], row[name].as_str(), "{name}");
    }
    let gini: f64 = row["gini"].parse().expect("a number");
    assert_eq!(report["measures"]["gini"], gini);
    // A measure that is called as a column of ours has another name there; counts are whole.
    assert_eq!(
        (row["measure.status"].as_str(), row["status"].as_str(), row["reason"].as_str()),
        ("4", "done", "")
    );
    let counted: u64 =
        row["actions"].parse::<u64>().expect("a count") + row["refusals"].parse::<u64>().expect("a count");
    assert_eq!(counted, 4 * 9);
    let summary = bench.rows("one/summary.csv");
    let line = |cell: &str, minus: &str| {
        let is = |line: &&BTreeMap<String, String>| {
            line["cell"] == cell && line["minus"] == minus && line["measure"] == "gini"
        };
        summary.iter().find(is).expect("a line")
    };
    let of = |cell: &str| {
        let values =
            rows.iter().filter(|row| row["cell"] == cell).map(|row| row["gini"].parse().expect("a number"));
        values.collect::<Vec<f64>>()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / f64::from(seeds);
    let near = |line: &BTreeMap<String, String>, value: f64| {
        let found: f64 = line["mean"].parse().expect("a number");
        assert!((found - value).abs() < 1e-12, "{found} {value}");
        let [low, high] = ["ci95_low", "ci95_high"].map(|end| line[end].parse::<f64>().expect("a number"));
        assert!(low <= found && found <= high, "{line:?}");
    };
    near(line("4", ""), mean(&of("4")));
    let differences: Vec<f64> = of("4").iter().zip(of("3")).map(|(one, other)| one - other).collect();
    near(line("4", "3"), mean(&differences));
    assert_eq!(line("4", "3")["n"], seeds.to_string());
    // Six cells, each pair of them, for two measures and three counts.
    assert_eq!(summary.len(), (6 + 15) * 5);
    let timings = bench.rows("one/timings.csv");
    assert_eq!(timings.len(), rows.len());
    let page = fs::read_to_string(bench.path("one").join("report.html")).expect("a page");
    for part in ["oikos sweep dice.toml --seeds 1..", "<svg", "count = 4", "Differences on the same seeds"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("http-equiv"));
}

#[test]
fn a_failed_run_is_a_row_and_fails_nothing_else() {
    let bench = Bench::new();
    let report = bench.ends(1, "sweep dice.toml --seeds 1..2 --set scrip.start=1,-1,2 --out a");
    assert_eq!((&report["done"], &report["failed"]), (&4.into(), &2.into()));
    let rows = bench.rows("a/runs.csv");
    assert_eq!(rows.len(), 6);
    for row in &rows {
        let (status, reason, hash) =
            (row["status"].as_str(), row["reason"].as_str(), row["journal_hash"].as_str());
        if row["cell"] == "2" {
            assert_eq!((status, hash, row["gini"].as_str()), ("failed", "", ""));
            assert!(
                reason.contains("scrip") || reason.contains("start") || reason.contains("whole"),
                "{reason}"
            );
        } else {
            assert_eq!((status, reason), ("done", ""));
        }
    }
    let summary = bench.rows("a/summary.csv");
    assert!(summary.iter().any(|line| line["cell"] == "2" && line["n"] == "0" && line["mean"].is_empty()));
    // It would fail again: it is not tried again.
    assert_eq!(bench.ends(1, "sweep dice.toml --seeds 1..2 --set scrip.start=1,-1,2 --out a")["before"], 6);
    // A process that is lost takes its run along, which is made by the same command later.
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    let slow = "sweep dice.toml --seeds 1..3 --set execution.ticks=400";
    let mut command = bench.command(&format!("{slow} --jobs 1 --out b"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    bench.wait(&mut child, "b", 1);
    let lost = *children(child.id()).first().expect("a process that makes runs");
    assert!(Command::new("sh").args(["-c", &format!("kill -9 {lost}")]).status().expect("a shell").success());
    assert_eq!(child.wait().expect("an end").code(), Some(1));
    let statuses = |bench: &Bench| {
        let rows = bench.rows("b/runs.csv");
        rows.iter().map(|row| row["status"].clone()).collect::<Vec<String>>()
    };
    let mut first = statuses(&bench);
    first.sort_unstable();
    assert_eq!(first, ["crashed", "done", "done"]);
    assert_eq!(bench.ends(0, &format!("{slow} --jobs 1 --out b"))["before"], 2);
    assert_eq!(statuses(&bench), ["done", "done", "done"]);
    bench.ends(0, &format!("{slow} --out c"));
    assert!(bench.files("b") == bench.files("c"));
}

#[test]
fn a_folder_holds_one_sweep_and_one_process() {
    let bench = Bench::new();
    bench.ends(0, "sweep dice.toml --seeds 1..2 --out a");
    let before = bench.files("a");
    for (words, parts) in [
        ("sweep dice.toml --seeds 1..3 --out a", &["the seeds differ", "--seeds 1..2", "--seeds 1..3"][..]),
        (
            "sweep dice.toml --seeds 1..2 --set scrip.start=4 --out a",
            &["the cells differ", "--set scrip.start=4"],
        ),
        ("sweep dice.toml --seeds 1..2 --keep worlds --out a", &["keeps its worlds"]),
    ] {
        let output = bench.oikos(words);
        assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
        parts.iter().for_each(|part| assert!(talk(&output).contains(part), "{part}: {}", talk(&output)));
    }
    bench.write("mind.py", &MIND.replace("randint(1,", "randint(0,"));
    let output = bench.oikos("sweep dice.toml --seeds 1..2 --out a");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        talk(&output).contains("the file `mind.py` that the world file names differs"),
        "{}",
        talk(&output)
    );
    bench.write("mind.py", MIND);
    assert!(bench.files("a") == before);
    // The folder of something else is left alone.
    let output = bench.oikos("sweep dice.toml --seeds 1 --out .");
    assert_eq!(output.status.code(), Some(2));
    assert!(talk(&output).contains("holds other files"), "{}", talk(&output));
    // While one process is at it, another is turned away; asked to end, it ends, and the same command goes on.
    let slow = "sweep dice.toml --seeds 1..200 --jobs 1 --out b";
    let mut command = bench.command(slow);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    bench.wait(&mut child, "b", 1);
    let output = bench.oikos(slow);
    assert_eq!(output.status.code(), Some(3), "{}", talk(&output));
    assert!(talk(&output).contains("another process"), "{}", talk(&output));
    signal_to(&child, "INT");
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(130), "{}", talk(&output));
    assert!(talk(&output).contains("the same command goes on from here"), "{}", talk(&output));
}

#[test]
fn the_same_sweep_as_a_file() {
    let bench = Bench::new();
    fs::create_dir(bench.path("sweeps")).expect("a folder");
    let text = r#"
[sweep]
world = "../dice.toml"
seeds = "1..2"
[sweep.set]
scrip.start = [1, 2]
"#;
    bench.write("sweeps/dice.toml", text);
    bench.ends(0, "sweep sweeps/dice.toml --out a");
    let typed = bench.ends(0, "sweep dice.toml --seeds 1..2 --set scrip.start=1,2 --out b");
    assert_eq!(typed["runs"], 4);
    for name in ["runs.csv", "runs.parquet", "series.parquet", "summary.csv"] {
        assert!(bench.files("a")[name] == bench.files("b")[name], "{name}");
    }
    // The command line has the last word.
    let listed = bench.ends(0, "sweep sweeps/dice.toml --seeds 7 --set scrip.start=4 --dry-run");
    assert_eq!(listed["runs"].as_array().expect("a list").len(), 1);
    assert_eq!(
        (&listed["runs"][0]["seed"], &listed["runs"][0]["set"]["scrip.start"]),
        (&7.into(), &"4".into())
    );
    let fine = bench.ends(0, "validate sweeps/dice.toml");
    assert_eq!((&fine["cells"], &fine["seeds"], &fine["runs"]), (&2.into(), &2.into(), &4.into()));
    for (change, command, part) in [
        (("seeds = ", "seed = "), "sweep", "unknown field `seed`"),
        (("world = \"../dice.toml\"", ""), "sweep", "missing field `world`"),
        (("[1, 2]", "[1, 2]\nscrip.strat = 3"), "sweep", "did you mean"),
        (("[1, 2]", "[1, -2]"), "validate", "cell 2"),
        (("\"1..2\"", "[1, 2.5]"), "sweep", "seeds 2.5"),
        (("\"1..2\"", "\"2..1\""), "sweep", "greater than the last"),
        (("\"1..2\"", "\"1..2\"\ndesign = \"cube\""), "sweep", "unknown variant `cube`"),
        (("\"1..2\"", "\"1..2\""), "run", "is a sweep file"),
    ] {
        bench.write("sweeps/other.toml", &text.replace(change.0, change.1));
        let output = bench.oikos(&format!("{command} sweeps/other.toml"));
        assert_eq!(output.status.code(), Some(2), "{change:?}: {}", talk(&output));
        assert!(talk(&output).contains(part), "{part}: {}", talk(&output));
    }
}

#[test]
fn commands_that_cannot_be_meant_leave_nothing() {
    let bench = Bench::new();
    for (words, part) in [
        ("--seeds 3..1", "greater than the last"),
        ("--seeds -1", "both ends are in"),
        ("--seeds 1,1", "stands twice"),
        ("--seeds 1..2000000", "at most"),
        ("--jobs 0", "--jobs"),
        ("--set scrip.start", "KEY=VALUE"),
        ("--set scrip.start=1,1", "stands twice"),
        ("--set scrip.start=1 --set scrip.start=2", "set twice"),
        ("--set scrip.strat=1,2", "did you mean"),
        ("--set scrip.start=-1", "scrip"),
        ("--set world.seed=1,2", "--seeds"),
        ("--design cube", "latin"),
        ("--design latin --set scrip.start=1..9", "needs `samples`"),
        ("--samples 3", "goes with the design `latin`"),
        ("--keep all", "worlds"),
    ] {
        let output = bench.oikos(&format!("sweep dice.toml {words} --out a"));
        assert_eq!(output.status.code(), Some(2), "{words}: {}", talk(&output));
        assert!(talk(&output).contains(part), "{words}: {}", talk(&output));
        assert!(!bench.path("a").exists(), "{words}");
    }
    let listed = bench.ends(0, "sweep dice.toml --design latin --samples 3 --set scrip.start=1..9 --dry-run");
    let cells: BTreeSet<u64> = listed["runs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| run["cell"].as_u64().expect("a cell"))
        .collect();
    assert_eq!(cells, BTreeSet::from([1, 2, 3]));
    // Without --seeds there is that of the world file.
    assert_eq!(listed["runs"][0]["seed"], 5);
    assert_eq!(fs::read_dir(bench.0.path()).expect("a folder").count(), 2);
}

#[test]
fn kept_worlds_are_those_of_the_rows() {
    let bench = Bench::new();
    bench.ends(0, "sweep dice.toml --seeds 3,9 --keep worlds --out a");
    for row in bench.rows("a/runs.csv") {
        let db = format!("a/worlds/cell-1-seed-{}.oikos", row["seed"]);
        assert_eq!(bench.ends(0, &format!("verify {db}"))["journal_hash"], row["journal_hash"].as_str());
    }
}

/// A world of two agents that ask a model four times.
fn talking(provider: &Provider) -> Bench {
    let world = format!(
        r#"
[world]
name = "talk"
[execution]
ticks = 2
tick_duration = "60s"
[llm]
model = "local::m"
[llm.providers.local]
api = "openai"
url = "{}"
[llm.prices."local::m"]
input = "$1.00"
output = "$4.00"
[[agents]]
id = "model"
count = 2
mind = "llm"
prompt = "Say something."
max_output_tokens = 80
"#,
        provider.url()
    );
    Bench::of(&world, MIND)
}

/// Micro-dollars, as they are typed.
fn dollars(micros: u64) -> String {
    format!("${}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// All runs together pay no more than there is, whether they go on at once or not; with more money nothing is paid
/// twice.
#[test]
fn money_is_that_of_the_whole_sweep() {
    let provider = Provider::saying(|_| "{\"ops\": [{\"op\": \"noop\"}]}".into());
    let bench = talking(&provider);
    let whole = bench.ends(0, "sweep dice.toml --seeds 1..3 --jobs 2 --out a");
    let (cost, asked) = (whole["micro_dollars"].as_u64().expect("a cost"), provider.asked());
    assert!(cost > 0 && asked == 12, "{asked}");
    let most = cost / 2;
    let short =
        bench.ends(0, &format!("sweep dice.toml --seeds 1..3 --jobs 2 --out b --max-cost {}", dollars(most)));
    assert!(short["micro_dollars"].as_u64().expect("a cost") <= most, "{short}");
    assert_eq!((&short["stopped"], &short["finished"]), (&"budget".into(), &false.into()));
    assert!(bench.rows("b/runs.csv").iter().any(|row| row["status"] == "budget"));
    // Worst cases are set aside before anybody is asked, so the end needs more than it costs.
    let more = bench
        .ends(0, &format!("sweep dice.toml --seeds 1..3 --jobs 2 --out b --max-cost {}", dollars(cost * 9)));
    assert_eq!((&more["stopped"], &more["micro_dollars"]), (&"done".into(), &cost.into()));
    assert_eq!(provider.asked() - asked, asked, "what was paid is on the tape");
    assert!(bench.files("a") == bench.files("b"));
}
