//! World files that ask for what no world file should: files elsewhere, files that are none, sizes, depths.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod small;

use std::{fs, path::Path, process::Command};

use self::small::{COMMAND, oikos, talk};

/// A folder with a world file in a folder of its own, and what must not be read beside it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir_all(this.path("home/inner")).expect("a folder");
        fs::write(this.path("secret.txt"), "a secret").expect("a file");
        fs::write(this.path("home/inner/fine.txt"), "fine").expect("a file");
        this
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// The verdict of `validate` on a world file: its exit code and its talk.
    fn validate(&self, text: &str, more: &[&str]) -> (Option<i32>, String) {
        fs::write(self.path("home/w.toml"), text).expect("a file");
        let file = self.path("home/w.toml");
        let output = oikos(["validate", file.to_str().expect("UTF-8")].iter().chain(more));
        (output.status.code(), talk(&output))
    }

    fn refused(&self, text: &str, more: &[&str], part: &str) {
        let (code, talk) = self.validate(text, more);
        let shown: String = text.chars().take(120).collect();
        assert!(code == Some(2) && talk.contains(part), "{shown}\nexit {code:?}: {talk:.600}");
        assert!(talk.len() < 6_000, "{shown}\n{} bytes of error", talk.len());
    }
}

const AGENT: &str = "[[agents]]\nid = 'a'\ncode = 'def step(o): return None'\n";

fn content(file: &str) -> String {
    format!("{AGENT}[[artifacts]]\nid = 'loot'\nowner = 'a'\ncontent_file = '{file}'\n")
}

#[test]
fn only_files_below_the_world_file_are_read() {
    let place = Place::new();
    for file in ["inner/fine.txt", "./inner/fine.txt", "inner//fine.txt"] {
        assert_eq!(place.validate(&content(file), &[]).0, Some(0), "{file}");
    }
    let absolute = place.path("secret.txt").to_str().expect("UTF-8").to_owned();
    let below = "only files below the folder of the world file are read";
    for file in ["../secret.txt", "inner/../../secret.txt", "inner/../inner/fine.txt", "/dev/zero", &absolute]
    {
        place.refused(&content(file), &[], below);
        place.refused(&format!("[[agents]]\nid = 'a'\ncode_file = '{file}'\n"), &[], below);
    }
    place.refused(&content(""), &[], "the path is empty");
    place.refused(&content("inner"), &[], "it is a folder");
    place.refused(&content("inner/none.txt"), &[], "`inner/none.txt` can't be read: No such file");
    place.refused(&content("inner/fine.txt/x"), &[], "can't be read: Not a directory");
    place.refused(&content(&"x".repeat(100_000)), &[], "can't be read");
    place.refused(&content("a\\u0000b"), &[], "can't be read");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_what_is_no_regular_file_is_not_opened() {
    let place = Place::new();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, place.path(name)).expect("a link");
    link("inner/fine.txt", "home/good");
    link("../secret.txt", "home/bad");
    link("..", "home/up");
    link("loop", "home/loop");
    link("/dev/zero", "home/zero");
    let fifo = Command::new("mkfifo").arg(place.path("home/fifo")).status();
    assert!(fifo.expect("mkfifo").success());
    assert_eq!(place.validate(&content("good"), &[]).0, Some(0));
    let out = "it leads out of the folder of the world file";
    place.refused(&content("bad"), &[], out);
    place.refused(&content("up/secret.txt"), &[], out);
    place.refused(&content("zero"), &[], out);
    place.refused(&content("loop"), &[], "`loop` can't be read");
    place.refused(&content("fifo"), &[], "it is no regular file");
    // The world file itself.
    for (name, part) in
        [("fifo", "no regular file"), ("zero", "no regular file"), ("inner", "it is a folder")]
    {
        let path = place.path("home").join(name);
        for command in ["validate", "run"] {
            let output = oikos([command, path.to_str().expect("UTF-8")]);
            let talk = talk(&output);
            assert!(output.status.code() == Some(2) && talk.contains(part), "{command} {name}: {talk}");
        }
    }
}

#[test]
fn sizes_are_checked_before_anything_is_read() {
    let place = Place::new();
    let sparse = |name: &str, length: u64| {
        let file = fs::File::create(place.path(name)).expect("a file");
        file.set_len(length).expect("a length");
    };
    sparse("home/huge", 1 << 40);
    sparse("home/full", 1 << 20);
    sparse("home/over", (1 << 20) + 1);
    place.refused(&content("huge"), &[], "it has 1099511627776 bytes; the most is 1048576");
    place.refused(&content("over"), &[], "it has 1048577 bytes; the most is 1048576");
    assert_eq!(place.validate(&content("full"), &[]).0, Some(0));
    fs::write(place.path("home/latin"), b"one\ntwo\nd\xe9j\xe0").expect("a file");
    place.refused(&content("latin"), &[], "it is not UTF-8 text; line 3 is the first that is not");
    let huge = place.path("home/huge");
    let output = oikos(["validate", huge.to_str().expect("UTF-8")]);
    assert!(talk(&output).contains("it has 1099511627776 bytes; the most is 4194304"), "{}", talk(&output));
    // So many files together.
    let mut world = AGENT.to_owned();
    for number in 0..17 {
        fs::copy(place.path("home/full"), place.path(&format!("home/full_{number}"))).expect("a copy");
        world.push_str(&format!(
            "[[artifacts]]\nid = 'd{number}'\nowner = 'a'\ncontent_file = 'full_{number}'\n"
        ));
    }
    place.refused(&world, &[], "may have 25165824 bytes together, as JSON");
}

#[test]
fn counts_are_bounded_together_and_at_once() {
    let place = Place::new();
    let agents =
        |id: &str, count: &str| format!("{AGENT}count = {count}\n").replace("'a'", &format!("'{id}'"));
    for count in ["1000000000000", "9223372036854775807", "4000001"] {
        let part = format!("these are {count} agents; a world file may have 4000000 agents together");
        place.refused(&agents("a", count), &[], &part);
    }
    let three: String = ["a", "b", "c"].iter().map(|id| agents(id, "2000000")).collect();
    place.refused(&three, &[], "these are 6000000 agents");
    let max = "9223372036854775807";
    place.refused(&(agents("a", max) + &agents("b", max)), &[], "may have 4000000 agents together");
    place.refused(&agents("a", "18446744073709551616"), &[], "not a number beyond 64 bits");
    let resources: String =
        (0..1_001).map(|n| format!("[resources.r{n}]\nkind = 'renewable'\nrate = 1\n")).collect();
    place.refused(&resources, &[], "a world may name 1000 resources");
}

#[test]
fn errors_have_a_bounded_length_whatever_stands_in_the_file() {
    let place = Place::new();
    let long = "x".repeat(1_000_000);
    for (text, part) in [
        (format!("{long} = 1"), "unknown section `xxx"),
        (format!("[world]\nname = '{long}'"), "`name` must be letters"),
        (format!("[world]\n{long} = 1"), "unknown key `xxx"),
        (format!("[execution]\nmode = '{long}'"), "it is one of"),
        (format!("{AGENT}content = [{}", "1,".repeat(500_000)), "w.toml:4"),
        (format!("x = {{{}}} ]", "a=1,".repeat(200_000)), "w.toml:1"),
        (format!("[measures]\n'{long}' = 'gini({long})'"), "has no resource `xxx"),
        (format!("[[agents]]\nid = 'a'\ncode = '{long}'"), "code"),
        (format!("[[agents]]\nid = 'a'\ncode = 'def step(o): return {}'", "(".repeat(20_000)), "`a`"),
    ] {
        place.refused(&text, &[], part);
    }
    let option = "y".repeat(100_000);
    place.refused(AGENT, &["--set", &format!("{option}=1")], "unknown section `yyy");
    place.refused(AGENT, &["--set", &format!("execution.ticks={option}")], "an integer of at least 0");
    place.refused(AGENT, &["--set", &format!("{}=1", "a.".repeat(40_000) + "b")], "is no key");
    // One line at a time.
    place.refused(AGENT, &["--set", "execution.ticks=3\n[world]\nname='x'"], "an integer of at least 0");
}

#[test]
fn depths_and_numbers_beyond_reason_are_refused() {
    let place = Place::new();
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let deep = format!("{AGENT}content = {}1{}\n", open.repeat(100_000), close.repeat(100_000));
        place.refused(&deep, &[], "w.toml:4");
    }
    place.refused(&format!("{AGENT}content.{} = 1\n", "a.".repeat(100_000) + "b"), &[], "");
    place.refused(&format!("[{}]\n", "a.".repeat(100_000) + "b"), &[], "");
    place.refused(&format!("{AGENT}content = 1{}\n", "0".repeat(100_000)), &[], "beyond 64 bits");
    place.refused(&format!("{AGENT}content = 1e{}\n", "9".repeat(100_000)), &[], "JSON can't hold");
    place.refused("[world]\nseed = 1\nseed = 2\n", &[], "w.toml:3");
    place.refused("[world]\n[world]\n", &[], "w.toml:2");
}

#[test]
fn a_database_is_not_taken_for_a_world_file() {
    let place = Place::new();
    place.validate(AGENT, &[]);
    let run = |arguments: &[&str]| {
        Command::new(COMMAND).current_dir(place.path("home")).args(arguments).output().expect("it runs")
    };
    assert!(run(&["run", "w.toml", "--json", "--set", "execution.ticks=1"]).status.success());
    let output = run(&["validate", "w.oikos"]);
    let said = talk(&output);
    assert!(output.status.code() == Some(2) && said.contains("it is a database, not a world file"), "{said}");
    // To run it is to go on with its world.
    let output = run(&["run", "w.oikos"]);
    assert!(output.status.success(), "{}", talk(&output));
    assert!(!Path::new(&place.path("home/w.oikos.oikos")).exists());
}

/// A world file with the mind of an agent, and more.
fn minded(code: &str, more: &str) -> String {
    format!("[[agents]]\nid = 'poet'\ncode = \"\"\"\n{code}\n\"\"\"\n{more}")
}

#[test]
fn code_that_could_not_be_entered_as_it_will_be_is_refused() {
    let place = Place::new();
    let shop =
        |code: &str| format!("[[artifacts]]\nid = 'shop'\nowner = 'poet'\ncode = \"\"\"\n{code}\n\"\"\"\n");
    let law = |code: &str| shop(code).replace("owner =", "kind = 'contract'\nowner =");
    let measure = "[measures]\nsold = 'shop.sold'\n";
    let step = "def step(observation):\n    return None";
    for (code, more, part) in [
        (
            "def Step(observation):\n    return None",
            String::new(),
            "the code of `poet` defines no `step(observation)`; did you mean `Step`?",
        ),
        (
            "def step():\n    return None",
            String::new(),
            "line 1: it is called as `step(observation)`, and takes 0",
        ),
        (
            "def step(a, b):\n    return None",
            String::new(),
            "it is called as `step(observation)`, and needs 2",
        ),
        ("def step(a, *, b):\n    return None", String::new(), "has arguments that must be named"),
        (
            &format!("import numpy\n{step}"),
            String::new(),
            "the code of `poet`, line 1: No module named 'numpy'",
        ),
        (
            &format!("import math\nfrom itertools import cycel\n{step}"),
            String::new(),
            "line 2: cannot import name 'cycel'",
        ),
        (
            step,
            law("def check_permission(caller, action):\n    return None"),
            "it is called as `check_permission(caller, action, target, context, ledger)`, and takes 2",
        ),
        (step, law("def run():\n    return 1"), "the code of `shop` defines no `check_permission("),
        (
            step,
            shop("def sald():\n    return 1") + measure,
            "its code has no function `sold`, which the measure `sold` names; did you mean `sald`?",
        ),
        (
            step,
            shop("def sold(day):\n    return 1") + measure,
            "the measure `sold`: the code of `shop`, line 1: it is called as `sold()`, and needs 1",
        ),
        (
            step,
            "[[artifacts]]\nid = 'shop'\nowner = 'poet'\n".to_owned() + measure,
            "`shop`: it has no code, and the measure `sold` names its function `sold`",
        ),
    ] {
        place.refused(&minded(code, &more), &[], part);
    }
}

#[test]
fn code_that_can_be_entered_is_fine_however_it_is_written() {
    let place = Place::new();
    for code in [
        "def step(observation):\n    return None",
        "def step(observation, depth=2):\n    return None",
        "def step(*observations):\n    return None",
        "step = lambda observation: None",
        "def made():\n    return lambda observation: None\nstep = made()",
        "exec('def step(observation): return None')",
        "class Mind:\n    def __call__(self, observation): return None\nstep = Mind()",
        "if True:\n    def step(observation): return None",
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None\ndef step(observation): return None",
        "import json, math, re\nfrom collections import Counter\ndef step(observation): return None",
        "from math import *\ndef step(observation): return None",
    ] {
        assert_eq!(place.validate(&minded(code, ""), &[]), (Some(0), String::new()), "{code}");
    }
    let shop = "[[artifacts]]\nid = 'shop'\nowner = 'poet'\ncode = 'def sold(): return 1'\n[measures]\nsold = 'shop.sold'\n";
    let step = "def step(observation): return None";
    assert_eq!(place.validate(&minded(step, shop), &[]), (Some(0), String::new()));
}

#[test]
fn what_does_nothing_is_warned_of_and_refuses_nothing() {
    let place = Place::new();
    let inner = "def step(observation):\n    import numpy";
    for (text, more, part) in [
        (
            "[execution]\nmode = 'autonomous'\nticks = 5\n".to_owned(),
            "",
            "warning: `ticks` in `[execution]` does nothing here: agents go by themselves",
        ),
        (
            "[execution]\nmode = 'autonomous'\ntick_duration = '5s'\n".to_owned(),
            "",
            "`tick_duration` in `[execution]` does nothing",
        ),
        (
            "[execution]\nduration = '2d'\n".to_owned(),
            "",
            "`duration` in `[execution]` does nothing here: agents go by ticks",
        ),
        ("[execution]\npace = '2s'\n".to_owned(), "", "`pace` in `[execution]` does nothing"),
        (
            "[execution]\nexternal_timeout = '2s'\n".to_owned(),
            "",
            "`external_timeout` in `[execution]` does nothing here: the virtual clock waits",
        ),
        (String::new(), "execution.duration=1h", "`duration` in `[execution]` does nothing"),
        (minded(inner, ""), "", "warning: the code of `poet`, line 2: No module named 'numpy'"),
    ] {
        let set = ["--set", more];
        let (code, talk) = place.validate(&text, if more.is_empty() { &[] } else { &set });
        assert!(code == Some(0) && talk.contains(part), "{text} {more}: exit {code:?}: {talk}");
    }
    for quiet in [
        "[execution]\nmode = 'autonomous'\nduration = '1w'\npace = '2s'\n",
        "[execution]\nticks = 5\ntick_duration = '1d12h'\n",
    ] {
        assert_eq!(place.validate(quiet, &[]), (Some(0), String::new()), "{quiet}");
    }
}

#[test]
fn a_duration_names_the_units_that_there_are() {
    let place = Place::new();
    for text in ["5 parsecs", "-1d", "1mo", "", "7", "1.0000001s"] {
        let world = format!("[execution]\ntick_duration = '{text}'\n");
        place.refused(&world, &[], "its units are us, ms, s, m, h, d (24 hours), w (7 days)");
    }
}
