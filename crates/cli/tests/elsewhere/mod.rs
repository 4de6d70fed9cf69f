//! Sweeps whose runs are made one by one: the same files as those of a sweep that is made at once.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{Bench, MIND, WORLD, children, dollars, provider::Provider, signal_to, small::talk, talking};

const SWEEP: &str = "dice.toml --seeds 1..2 --set scrip.start=3,-1 --set execution.ticks=6,200";

/// The files of a folder that a sweep at once has too.
fn shared(bench: &Bench, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = bench.files(folder);
    for name in ["plan.json", "rows"] {
        assert!(files.remove(name).is_some(), "{name}");
    }
    files
}

fn runs(bench: &Bench, folder: &str) -> Vec<Value> {
    let text = fs::read_to_string(bench.path(folder).join("plan.json")).expect("a plan");
    let whole: Value = serde_json::from_str(&text).expect("one JSON object");
    let runs = whole["runs"].as_array().expect("runs").clone();
    // A run stands in a line.
    assert_eq!(text.lines().count(), runs.len() + 2);
    runs
}

#[test]
fn runs_made_one_by_one_make_the_same_files() {
    let bench = Bench::new();
    bench.ends(1, &format!("sweep {SWEEP} --out here"));
    let planned = bench.ends(0, &format!("sweep plan {SWEEP} --out there"));
    assert_eq!((&planned["runs"], &planned["cells"]), (&8.into(), &4.into()));
    let listed = runs(&bench, "there");
    assert_eq!(
        (&listed[5]["index"], &listed[5]["cell"], &listed[5]["seed"]),
        (&5.into(), &2.into(), &2.into())
    );
    assert_eq!(listed[5]["set"]["execution.ticks"], "200");
    // Planned again, it is the same plan.
    let plan = fs::read(bench.path("there/plan.json")).expect("a plan");
    bench.ends(0, &format!("sweep plan {SWEEP} --out there"));
    assert!(fs::read(bench.path("there/plan.json")).expect("a plan") == plan);
    let begin = |index: u32| {
        let mut command = bench.command(&format!("sweep run there --index {index}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    };
    // Two processes at once, the second pair at the same run.
    for pair in [[0, 1], [4, 4], [2, 3]] {
        for (child, index) in pair.map(begin).into_iter().zip(pair) {
            let output = child.wait_with_output().expect("an end");
            assert_eq!(output.status.code(), Some(0), "{index}: {}", talk(&output));
        }
    }
    // One is killed while it is at its run, and another one asked to end.
    let ends = [("KILL", None), ("INT", Some(130))];
    for (signal, code) in ends.into_iter().filter(|_| Path::new("/proc/self/stat").exists()) {
        let mut child = begin(5);
        while children(child.id()).is_empty() {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before it was killed");
            std::thread::sleep(Duration::from_millis(2));
        }
        signal_to(&child, signal);
        assert_eq!(child.wait().expect("an end").code(), code);
        let rows = fs::read_to_string(bench.path("there/rows/0/5.jsonl")).expect("rows");
        assert_eq!(rows.lines().count(), 1, "it came to its end");
    }
    let missing = bench.ends(1, "sweep merge there");
    assert_eq!((&missing["ok"], &missing["missing"]), (&false.into(), &Value::from([5, 6, 7])));
    assert!(!bench.path("there/runs.csv").exists());
    for index in 5..8 {
        let made = bench.ends(0, &format!("sweep run there --index {index}"));
        let expected = (index, false, if index == 5 { "done" } else { "failed" });
        assert_eq!(
            (&made["index"], &made["before"], made["status"].as_str()),
            (&expected.0.into(), &expected.1.into(), Some(expected.2)),
            "{made}"
        );
    }
    let merged = bench.ends(1, "sweep merge there");
    assert_eq!(
        (&merged["done"], &merged["failed"], &merged["again"]),
        (&4.into(), &4.into(), &Value::Array(Vec::new()))
    );
    assert!(shared(&bench, "there") == bench.files("here"));
    assert_eq!(bench.rows("there/timings.csv").len(), 8);
    // A run that has its row is not made again, and a row that was cut short is none.
    let rows = bench.path("there/rows/0/0.jsonl");
    let before = fs::read(&rows).expect("rows");
    assert_eq!(bench.ends(0, "sweep run there --index 0")["before"], true);
    assert!(fs::read(&rows).expect("rows") == before);
    fs::write(&rows, &before[..before.len() - 9]).expect("rows");
    assert_eq!(bench.ends(1, "sweep merge there")["missing"], Value::from([0]));
    fs::write(&rows, &before[..9]).expect("rows");
    assert_eq!(bench.ends(1, "sweep merge there")["missing"], Value::from([0]));
    assert_eq!(bench.ends(0, "sweep run there --index 0")["before"], false);
    bench.ends(1, "sweep merge there");
    assert!(shared(&bench, "there") == bench.files("here"));
    // A process that is lost while it makes a run leaves a row that says so, which is made again.
    if Path::new("/proc/self/stat").exists() {
        fs::remove_file(bench.path("there/rows/0/5.jsonl")).expect("rows");
        let mut child = begin(5);
        let lost = loop {
            assert!(child.try_wait().expect("a child").is_none(), "it ended before its process was lost");
            if let Some(lost) = children(child.id()).first().copied() {
                break lost;
            }
        };
        let killed = Command::new("sh").args(["-c", &format!("kill -9 {lost}")]).status();
        assert!(killed.expect("a shell").success());
        assert_eq!(child.wait().expect("an end").code(), Some(1));
        let merged = bench.ends(1, "sweep merge there");
        assert_eq!((&merged["failed"], &merged["again"]), (&5.into(), &Value::from([5])));
        assert_eq!(bench.ends(0, "sweep run there --index 5")["status"], "done");
        bench.ends(1, "sweep merge there");
        assert!(shared(&bench, "there") == bench.files("here"));
    }
    // The folder and the world file may move together, and a merge needs no world file.
    fs::create_dir(bench.path("other")).expect("a folder");
    for name in ["there", "dice.toml", "mind.py"] {
        fs::rename(bench.path(name), bench.path("other").join(name)).expect("it moves");
    }
    fs::remove_file(bench.path("other/there/rows/0/1.jsonl")).expect("rows");
    bench.ends(0, "sweep run other/there --index 1");
    fs::remove_file(bench.path("other/dice.toml")).expect("a world file");
    bench.ends(1, "sweep merge other/there");
    assert!(shared(&bench, "other/there") == bench.files("here"));
}

#[test]
fn plans_that_are_not_those_of_now_are_refused() {
    let bench = Bench::new();
    let sweep = "dice.toml --seeds 1..2";
    bench.ends(0, &format!("sweep plan {sweep} --out a"));
    bench.ends(0, &format!("sweep {sweep} --out b"));
    fs::create_dir(bench.path("c")).expect("a folder");
    let plan = fs::read_to_string(bench.path("a/plan.json")).expect("a plan");
    let says = |code: i32, words: &str, part: &str| {
        let output = bench.oikos(words);
        assert_eq!(output.status.code(), Some(code), "{words}: {}", talk(&output));
        assert!(talk(&output).contains(part), "{words}: {part}: {}", talk(&output));
    };
    for (words, part) in [
        ("sweep run a --index 2", "there is no run 2: those of `a` are numbered from 0 to 1"),
        ("sweep run a --index 18446744073709551615", "there is no run"),
        ("sweep run a --index -1", "--index"),
        ("sweep run a --index x", "--index"),
        ("sweep run a", "--index"),
        ("sweep run", "DIR"),
        ("sweep merge", "DIR"),
        ("sweep plan", "FILE"),
        ("sweep", "FILE"),
        ("sweep run c --index 0", "there is no plan of a sweep in `c`"),
        ("sweep run d --index 0", "there is no plan of a sweep in `d`"),
        ("sweep merge b", "there is no plan of a sweep in `b`"),
        ("sweep plan nothing.toml --out d", "nothing.toml"),
        ("sweep plan dice.toml --seeds 1..2 --jobs 2 --out d", "--jobs"),
        ("sweep plan dice.toml --seeds 1..2 --max-cost much --out d", "dollars"),
        ("sweep plan dice.toml --seeds 1..3 --out a", "the seeds differ"),
        ("sweep plan dice.toml --seeds 1..2 --out b", "holds other files"),
        ("sweep plan dice.toml --seeds 1..2 --out .", "holds other files"),
        ("sweep dice.toml --seeds 1..2 --out a", "was planned, to be made run by run"),
    ] {
        says(2, words, part);
    }
    assert!(!bench.path("d").exists());
    assert!(fs::read_to_string(bench.path("a/plan.json")).expect("a plan") == plan);
    // The world file, or a file that it names, is another one, or gone.
    for (name, text) in [("mind.py", MIND), ("dice.toml", WORLD)] {
        bench.write(name, &format!("{text}\n# Another.\n"));
        says(2, "sweep run a --index 0", "has changed since the sweep was planned");
        fs::remove_file(bench.path(name)).expect("a file");
        says(2, "sweep run a --index 0", name);
        bench.write(name, text);
    }
    // The plan was made by another version, or is damaged.
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
    for (text, code, part) in [
        (plan.replace(version, "\"version\":\"0.0.1\""), 2, "was planned by oikos 0.0.1"),
        (
            plan.replace(version, "\"version\":\"0.0.1\",\"news\":[]").replace("\"plan\":{", "\"sweep\":{"),
            2,
            "0.0.1",
        ),
        (plan.replace("\"runs\":[", "\"runs\":"), 3, "damaged in line 1"),
        (plan.replace("\"seeds\":[1,2]", "\"seeds\":[1,-2]"), 3, "damaged in line 1"),
        (plan.replace("\"seeds\":[1,2]", &"[".repeat(100_000)), 3, "damaged in line 1"),
        (plan.replace("dice", "di\\ud800ce"), 3, "damaged in line 1"),
        (String::new(), 3, "damaged in line 1"),
        ("\u{fffd}\n".repeat(3), 3, "damaged in line 1"),
    ] {
        bench.write("a/plan.json", &text);
        for words in ["sweep run a --index 0", "sweep merge a"] {
            says(code, words, part);
        }
    }
    let changed = plan.replace("{\"index\":1,\"cell\":1,\"seed\":2", "{\"index\":1,\"cell\":1,\"seed\":3");
    bench.write("a/plan.json", &changed);
    says(3, "sweep merge a", "damaged in line 3");
    // The rows of another plan, and rows that are none.
    bench.write("a/plan.json", &plan);
    bench.ends(0, "sweep run a --index 0");
    let rows = fs::read_to_string(bench.path("a/rows/0/0.jsonl")).expect("rows");
    for (text, code, part) in [
        (rows.replacen("\"index\":0", "\"index\":1", 1), 2, "has a row of another plan"),
        (rows.replacen("\"seed\":1", "\"seed\":2", 1), 3, "damaged in line 2"),
        (rows.replacen("\"status\":\"done\"", "\"status\":1", 1), 3, "damaged in line 2"),
    ] {
        bench.write("a/rows/0/0.jsonl", &text);
        for words in ["sweep run a --index 0", "sweep merge a"] {
            says(code, words, part);
        }
    }
    // A world file that has the name of a step.
    bench.write("plan", WORLD);
    let listed = bench.ends(0, "sweep ./plan --dry-run");
    assert_eq!(listed["runs"].as_array().expect("runs").len(), 1);
    assert_eq!(bench.ends(0, "sweep --seeds 1..2 plan --dry-run")["seeds"], 2);
    assert_eq!(bench.ends(0, "sweep plan plan --out d")["command"], "oikos sweep plan --seeds 5");
}

/// Each run has its share of the money; one for which that did not reach goes on with more, and pays for nothing twice.
#[test]
fn money_is_shared_beforehand() {
    let provider = Provider::saying(|_| "{\"ops\": [{\"op\": \"noop\"}]}".into());
    let bench = talking(&provider);
    let whole = bench.ends(0, "sweep dice.toml --seeds 1..2 --out here");
    let (cost, asked) = (whole["micro_dollars"].as_u64().expect("a cost"), provider.asked());
    // It reaches for the first tick of each.
    let most = cost * 21 / 10;
    bench.ends(0, &format!("sweep plan dice.toml --seeds 1..2 --out there --max-cost {}", dollars(most)));
    let sum: u64 = (0..2)
        .map(|index| {
            let made = bench.ends(0, &format!("sweep run there --index {index}"));
            assert_eq!((made["status"].as_str(), &made["final"]), (Some("budget"), &false.into()), "{made}");
            made["micro_dollars"].as_u64().expect("a cost")
        })
        .sum();
    assert!(sum > 0 && sum <= most, "{sum} of {most}");
    let short = bench.ends(0, "sweep merge there");
    assert_eq!((&short["unpaid"], &short["again"]), (&2.into(), &Value::from([0, 1])));
    for index in 0..2 {
        let made =
            bench.ends(0, &format!("sweep run there --index {index} --max-cost {}", dollars(cost * 9)));
        assert_eq!(made["status"], "done");
    }
    assert_eq!(provider.asked(), asked * 2, "what was paid is on the tape");
    bench.ends(0, "sweep merge there");
    assert!(shared(&bench, "there") == bench.files("here"));
}
