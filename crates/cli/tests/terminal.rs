//! The terminal: widths, colours, completions, worlds in memory, following a world, and help that can be typed.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const WORLD: &str = r#"
[world]
name = "town"
[execution]
ticks = 6
[scrip]
start = 5
[[agents]]
id = "giver"
count = 12
code = """
def step(observation):
    return {"op": "transfer", "to": "giver_001", "amount": 1 if observation["tick"] < 4 else 99}
"""
"#;
/// Every command that a user types, with arguments that can be meant.
const COMMANDS: [&str; 26] = [
    "run",
    "init",
    "validate",
    "inspect",
    "log",
    "ask",
    "cost",
    "tape",
    "tape export",
    "verify",
    "replay",
    "compare",
    "fork",
    "act",
    "session",
    "schema",
    "completions",
    "bench",
    "sweep",
    "sweep plan",
    "sweep run",
    "sweep merge",
    "export",
    "tape import",
    "python",
    "python prepare",
];

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("a folder"));
        std::fs::write(this.path("town.toml"), WORLD).expect("a file");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.0.path()).expect("a folder");
        let mut names: Vec<String> =
            files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn talk(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn help_fits_a_terminal_and_breaks_no_word() {
    let place = Place::new();
    for command in [""].iter().chain(&COMMANDS) {
        let words: Vec<&str> = command.split(' ').filter(|word| !word.is_empty()).chain(["--help"]).collect();
        let text = out(&place.run(&words));
        assert!(text.contains("Usage:"), "{command}: {text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
        // As wide as it likes: the same words.
        let wide = place.command(&words).env("COLUMNS", "300").output().expect("the binary runs");
        let words_of = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words_of(&text), words_of(&out(&wide)), "{command}");
    }
}

#[test]
fn shells_are_told_every_command_and_option() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = place.run(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = out(&output);
        for word in COMMANDS.iter().flat_map(|command| command.split(' ')).chain(["no-db", "follow"]) {
            assert!(script.contains(word), "{shell} is not told of {word}");
        }
    }
    let refused = place.run(&["completions", "tcsh"]);
    assert_eq!(refused.status.code(), Some(2), "{}", talk(&refused));
    assert!(talk(&refused).contains("bash"), "{}", talk(&refused));
}

#[test]
fn colours_are_where_they_are_wanted() {
    let place = Place::new();
    place.run(&["run", "town.toml"]);
    let esc = '\u{1b}';
    for (arguments, status) in [
        (&["inspect", "nowhere.oikos"][..], 2),
        (&["inspect", "town.oikos"], 0),
        (&["run", "town.toml"], 0),
        (&["log", "town.oikos", "--limit", "2"], 0),
        (&["verify", "town.oikos"], 0),
        (&["validate", "town.toml"], 0),
        (&["rnu"], 2),
        (&["log", "--help"], 0),
    ] {
        let both = |more: &[&str], variables: &[&str]| {
            let mut command = place.command(&[arguments, more].concat());
            command.envs(variables.iter().map(|variable| (variable, "1")));
            let output = command.output().expect("the binary runs");
            assert_eq!(output.status.code(), Some(status), "{arguments:?} {more:?}");
            out(&output) + &talk(&output)
        };
        let plain = both(&[], &[]);
        assert!(!plain.contains(esc), "{arguments:?}");
        assert_eq!(both(&["--color", "never"], &["CLICOLOR_FORCE"]), plain, "{arguments:?}");
        let coloured = both(&["--color=always"], &["NO_COLOR"]);
        assert!(coloured.contains(esc), "{arguments:?}: {coloured}");
        // Where colours are forced though nobody looks, `NO_COLOR` alone takes them away.
        for more in [&[][..], &["--color=auto"]] {
            assert_eq!(both(more, &["CLICOLOR_FORCE"]), coloured, "{arguments:?} {more:?}");
            assert_eq!(both(more, &["CLICOLOR_FORCE", "NO_COLOR"]), plain, "{arguments:?} {more:?}");
        }
        let mut bare = String::new();
        for (at, part) in coloured.split(esc).enumerate() {
            bare.push_str(if at == 0 { part } else { part.split_once('m').expect("the end of a style").1 });
        }
        assert_eq!(bare, plain, "{arguments:?}: only the colours differ");
    }
    let json = place.run(&["inspect", "town.oikos", "--json", "--color", "always"]);
    assert!(!out(&json).contains(esc));
    assert_eq!(place.run(&["inspect", "town.oikos", "--color", "green"]).status.code(), Some(2));
}

#[test]
fn a_world_in_memory_is_the_same_and_leaves_nothing() {
    let place = Place::new();
    let before = place.files();
    let memory = place.run(&["run", "town.toml", "--no-db", "--json"]);
    assert!(memory.status.success(), "{}", talk(&memory));
    assert_eq!(place.files(), before, "no file is left");
    let text = place.run(&["run", "town.toml", "--no-db"]);
    assert!(out(&text).ends_with("world    in memory, and gone with this command\n"), "{}", out(&text));
    assert!(out(&text).lines().all(|line| line.chars().count() <= 80), "{}", out(&text));
    let events = place.run(&["run", "town.toml", "--no-db", "--events=transfer", "--json"]);
    assert_eq!(out(&events).lines().count(), 12 * 4 + 1);
    assert_eq!(place.files(), before);
    let kept = place.run(&["run", "town.toml", "--json"]);
    assert_eq!(json(&out(&memory)), json(&out(&kept)), "the same figures and hashes");
    for more in [&["--db", "a.oikos"][..], &["--fresh"], &["--adopt-runtime"]] {
        let refused = place.run(&[&["run", "town.toml", "--no-db"], more].concat());
        assert_eq!(refused.status.code(), Some(2), "{more:?}");
        assert!(talk(&refused).contains("cannot be used with"), "{}", talk(&refused));
    }
    let refused = place.run(&["run", "town.oikos", "--no-db", "--seed", "7", "--set", "scrip.start=a b"]);
    assert_eq!(refused.status.code(), Some(2));
    let help = "oikos fork town.oikos --at WHEN --to FILE --seed 7 --set 'scrip.start=a b'";
    assert!(talk(&refused).contains(help), "{}", talk(&refused));
}

#[test]
fn a_founding_is_one_line_and_every_event_for_programs() {
    let place = Place::new();
    let told = out(&place.run(&["run", "town.toml", "--events=spawn"]));
    let line = "spawn of 12 agents, giver_001 to giver_012";
    assert!(told.lines().next().is_some_and(|first| first.ends_with(line)), "{told}");
    assert_eq!(told.matches("spawn").count(), 1, "{told}");
    let log = out(&place.run(&["log", "town.oikos"]));
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert_eq!(log.matches("spawn").count(), 1, "{log}");
    let one = out(&place.run(&["log", "town.oikos", "--of", "giver_003", "--type", "spawn"]));
    assert!(one.trim_end().ends_with("giver_003 spawn giver_003"), "{one}");
    let lines = out(&place.run(&["log", "town.oikos", "--json", "--type", "spawn"]));
    assert_eq!(lines.lines().count(), 12);
    let lines = out(&place.run(&["run", "town.toml", "--no-db", "--events=spawn", "--json"]));
    assert_eq!(lines.lines().filter(|line| json(line)["type"] == "spawn").count(), 12);
    // A world that has begun does not tell of its founding again.
    let more = out(&place.run(&["run", "town.toml", "--set", "execution.ticks=7", "--events"]));
    assert!(!more.contains("spawn") && more.contains("town: 7 of 7 ticks"), "{more}");
}

#[test]
fn the_end_of_a_log_is_its_last_lines() {
    let place = Place::new();
    place.run(&["run", "town.toml"]);
    let all = out(&place.run(&["log", "town.oikos"]));
    let all: Vec<&str> = all.lines().collect();
    for count in [0, 1, 5, all.len(), all.len() + 9] {
        let tail = out(&place.run(&["log", "town.oikos", "--tail", &count.to_string()]));
        assert_eq!(tail.lines().collect::<Vec<_>>(), all[all.len().saturating_sub(count)..], "{count}");
    }
    let of_kind = out(&place.run(&["log", "town.oikos", "--refused", "--tail", "3"]));
    assert_eq!(of_kind.lines().count(), 3);
    assert!(of_kind.lines().all(|line| line.contains("refused: insufficient_scrip")), "{of_kind}");
    assert_eq!(place.run(&["log", "town.oikos", "--tail", "1", "--limit", "1"]).status.code(), Some(2));
    // Nobody runs it, so there is nothing to wait for.
    let followed = out(&place.run(&["log", "town.oikos", "--follow"]));
    assert_eq!(followed.lines().collect::<Vec<_>>(), all);
}

#[test]
fn a_world_is_followed_to_the_end_of_its_run() {
    let place = Place::new();
    let mut run = place
        .command(&["run", "town.toml", "--set", "execution.ticks=400", "--json"])
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    // From its first record on.
    while !place.run(&["log", "town.oikos", "--limit", "1"]).status.success() {
        assert!(run.try_wait().expect("a child").is_none_or(|status| status.success()));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let followed = place.run(&["log", "town.oikos", "--follow", "--json"]);
    assert!(followed.status.success(), "{}", talk(&followed));
    assert!(run.wait().expect("a child").success());
    let whole = place.run(&["log", "town.oikos", "--json"]);
    assert!(out(&whole) == out(&followed), "each line once, in order, none left out");
    assert!(out(&whole).lines().count() > 4_000);
}

#[test]
fn a_refused_run_is_helped_by_the_command_that_was_typed() {
    let place = Place::new();
    place.run(&["run", "town.toml"]);
    for (arguments, help) in [
        (&["run", "town.toml", "--seed", "7"][..], "oikos run town.toml --seed 7 --fresh\n"),
        (
            &["run", "--set", "scrip.start=9", "town.toml", "--db", "./town.oikos"],
            "oikos run --set scrip.start=9 town.toml --db ./town.oikos --fresh\n",
        ),
        (
            &["inspect", "town.toml", "agents"],
            "whose world is `town.oikos`: oikos inspect town.oikos agents\n",
        ),
        (&["log", "town.toml", "--limit", "3"], "oikos log town.oikos --limit 3\n"),
        (&["verify", "town.toml"], "oikos verify town.oikos\n"),
        (
            &["act", "town.toml", "--as", "giver_001", r#"{"op": "noop"}"#],
            r#"oikos act town.oikos --as giver_001 '{"op": "noop"}'"#,
        ),
        (
            &["fork", "town.toml", "--at", "3", "--to", "new.oikos"],
            "oikos fork town.oikos --at 3 --to new.oikos\n",
        ),
        (&["compare", "town.oikos", "town.toml"], "oikos compare town.oikos town.oikos\n"),
        (&["cost", "town.toml"], "oikos cost town.oikos\n"),
        (&["replay", "town.toml"], "oikos replay town.oikos\n"),
        (&["inspect", "town"], "there is `"),
        (&["validate", "town.oikos"], "`oikos run`, `oikos inspect`, `oikos log` and `oikos act` take it"),
    ] {
        let refused = place.run(arguments);
        assert!(matches!(refused.status.code(), Some(2 | 3)), "{arguments:?}");
        assert!(talk(&refused).contains(help), "{arguments:?}: {}", talk(&refused));
    }
    std::fs::remove_file(place.path("town.oikos")).expect("a file");
    let refused = place.run(&["inspect", "town.toml"]);
    assert!(talk(&refused).contains("oikos run town.toml"), "{}", talk(&refused));
}

#[test]
fn every_command_tells_programs_that_it_failed() {
    let place = Place::new();
    place.run(&["run", "town.toml"]);
    let object = |text: &str, arguments: &[&str]| {
        let told = json(text.trim_end().lines().last().unwrap_or_default());
        assert_eq!(told["ok"], false, "{arguments:?}: {told}");
        assert!(told["problem"].as_str().is_some_and(|problem| !problem.is_empty()), "{arguments:?}: {told}");
        told
    };
    for arguments in [
        &["run", "nowhere.toml"][..],
        &["run", "town.toml", "--seed", "9"],
        &["run", "town.toml", "--seed", "nine"],
        &["validate", "town.toml", "--set", "scrip.stort=1"],
        &["inspect", "town.oikos", "nobody"],
        &["verify", "nowhere.oikos"],
        &["replay", "nowhere.oikos"],
        &["compare", "town.oikos", "nowhere.oikos"],
        &["fork", "town.oikos", "--at", "yesterday", "--to", "x.oikos"],
        &["act", "town.oikos", "--as", "giver_001", "noop"],
        &["act", "town.oikos"],
        &["cost", "nowhere.oikos"],
        &["ask", "nowhere.oikos", "giver_001", "why?"],
        &["tape", "import", "town.oikos", "nowhere.jsonl"],
        &["schema", "nothing"],
        &["completions", "tcsh"],
        &["init", "bad name"],
        &["rnu"],
    ] {
        let output = place.run(&[arguments, &["--json"]].concat());
        let told = object(&out(&output), arguments);
        assert_eq!(output.status.code().map(i64::from), told["exit"].as_i64(), "{arguments:?}");
        assert!(talk(&output).contains("error:"), "{arguments:?}: {}", talk(&output));
    }
    for arguments in [
        &["log", "nowhere.oikos"][..],
        &["log", "town.oikos", "--type", "transfr"],
        &["run", "town.toml", "--seed", "9", "--events"],
        &["tape", "export", "nowhere.oikos"],
    ] {
        let output = place.run(&[arguments, &["--json"]].concat());
        assert_eq!(out(&output), "", "{arguments:?}");
        let told = object(&talk(&output), arguments);
        assert_eq!(output.status.code().map(i64::from), told["exit"].as_i64(), "{arguments:?}");
    }
    let helped = place.run(&["inspect", "town.toml", "--json"]);
    let help = json(out(&helped).trim_end())["help"].clone();
    assert!(help.as_str().is_some_and(|help| help.ends_with("oikos inspect town.oikos --json")), "{help}");
}

#[test]
fn a_world_that_was_begun_is_begun_again_by_the_same_commands() {
    let place = Place::new();
    for _ in 0..2 {
        for arguments in [&["init", "village"][..], &["run", "village.toml"], &["verify", "village.oikos"]] {
            let output = place.run(arguments);
            assert!(output.status.success(), "{arguments:?}: {}", talk(&output));
        }
    }
    std::fs::write(place.path("village/agent.py"), "def step(observation): return None\n").expect("a file");
    let refused = place.run(&["init", "village"]);
    assert_eq!(refused.status.code(), Some(2), "what was changed is not written over");
    let kept = std::fs::read_to_string(Path::new(&place.path("village/agent.py"))).expect("a file");
    assert_eq!(kept, "def step(observation): return None\n");
}
