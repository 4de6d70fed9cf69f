//! Pages of the documentation that show commands and what they print, followed as a reader would.
//!
//! A block whose first line is `# file: NAME` is a file; a block of `console` has commands, each behind `$ `, with what
//! it prints. A line `…` stands for any lines. Hashes are any hashes, and a folder's name is any folder's.
//! With `OIKOS_PAGES=write` the pages are given what the commands print.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod provider;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use self::provider::Provider;

/// A page, and the folder in which it is followed.
struct Page {
    path: PathBuf,
    folder: tempfile::TempDir,
    /// Words that stand in the page, and those typed in their place.
    instead: Vec<(String, String)>,
}

/// Follows a page.
fn follow(name: &str) {
    Page::new(name).follow();
}

impl Page {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project");
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["worlds", "docs"] {
            std::os::unix::fs::symlink(root.join(part), folder.path().join(part)).expect("a link");
        }
        Self { path: root.join(name), folder, instead: Vec::new() }
    }

    fn follow(&self) {
        let text = std::fs::read_to_string(&self.path).expect("the page");
        let mut written = String::new();
        let mut lines = text.split_inclusive('\n').peekable();
        while let Some(line) = lines.next() {
            written.push_str(line);
            let Some(language) = line.trim_end().strip_prefix("```").filter(|language| !language.is_empty())
            else {
                continue;
            };
            let mut block = String::new();
            while let Some(line) = lines.next_if(|line| line.trim_end() != "```") {
                block.push_str(line);
            }
            if language == "console" {
                written.push_str(&self.session(&block));
            } else {
                self.write(&block);
                written.push_str(&block);
            }
        }
        if std::env::var("OIKOS_PAGES").is_ok_and(|how| how == "write") {
            std::fs::write(&self.path, written).expect("the page is written");
        }
    }

    /// Writes a block that is a file.
    fn write(&self, block: &str) {
        let Some((name, _)) = block.strip_prefix("# file: ").and_then(|rest| rest.split_once('\n')) else {
            return;
        };
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, self.typed(block)).expect("a file");
    }

    /// Types the commands of a block, and compares what they print.
    fn session(&self, block: &str) -> String {
        let mut written = String::new();
        for part in block.split("$ ").skip(1).fold(Vec::new(), joined) {
            let (command, shown) = part.split_once('\n').unwrap_or((&part, ""));
            let printed = self.run(command);
            if std::env::var("OIKOS_PAGES").is_ok_and(|how| how == "write") {
                let kept = if fits(shown, &printed) { shown.to_owned() } else { printed };
                written.push_str(&format!("$ {command}\n{kept}"));
                continue;
            }
            assert!(
                fits(shown, &printed),
                "{}: `{command}` prints\n{printed}\nand the page shows\n{shown}",
                self.path.display()
            );
            written.push_str(&format!("$ {command}\n{shown}"));
        }
        written
    }

    /// Text of the page as it is typed.
    fn typed(&self, text: &str) -> String {
        self.instead.iter().fold(text.to_owned(), |text, (word, other)| text.replace(word, other))
    }

    /// The output of a command, on both streams.
    fn run(&self, command: &str) -> String {
        let typed = self.typed(command.split_once("   # ").map_or(command, |(command, _)| command));
        let binaries = Path::new(env!("CARGO_BIN_EXE_oikos")).parent().expect("a folder");
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {typed}")])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let here = self.folder.path().canonicalize().expect("a folder");
        let mut printed = printed.replace(&format!("{}/", here.display()), "");
        for (word, other) in &self.instead {
            printed = printed.replace(other, word);
        }
        printed
    }
}

/// Puts together what was parted within a command or its output: a command begins a line.
fn joined(mut parts: Vec<String>, part: &str) -> Vec<String> {
    match parts.last_mut() {
        Some(before) if !before.ends_with('\n') => before.push_str(&format!("$ {part}")),
        Some(_) | None => parts.push(part.to_owned()),
    }
    parts
}

/// Whether a page shows what was printed.
fn fits(shown: &str, printed: &str) -> bool {
    let [shown, printed] = [shown, printed]
        .map(|text| text.lines().map(|line| without_hashes(line.trim_end())).collect::<Vec<_>>());
    fit(&shown, &printed)
}

fn fit(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == "…" => (0..=printed.len()).any(|at| fit(rest, &printed[at..])),
        Some((line, rest)) => match (line.strip_suffix('…'), printed.split_first()) {
            (Some(begun), Some((other, left))) => other.starts_with(begun) && fit(rest, left),
            (None, Some((other, left))) => line == other && fit(rest, left),
            (_, None) => false,
        },
    }
}

/// Hashes are those of the version.
fn without_hashes(line: &str) -> String {
    let is_hash = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut shown = String::new();
    for piece in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        shown.push_str(if is_hash(word) { "HASH" } else { word });
        shown.push_str(piece.strip_prefix(word).unwrap_or_default());
    }
    shown
}

#[test]
fn a_page_that_shows_other_than_what_is_printed_is_found() {
    for (shown, printed, does) in [
        ("a\nb\n", "a\nb\n", true),
        ("a\n", "a\nb\n", false),
        ("a\n…\n", "a\nb\nc\n", true),
        ("…\nc\n", "a\nb\nc\n", true),
        ("…\nd\n", "a\nb\nc\n", false),
        ("abc…\n", "abcdef\n", true),
        ("abd…\n", "abcdef\n", false),
        ("", "a\n", false),
    ] {
        assert_eq!(fits(shown, printed), does, "{shown:?} {printed:?}");
    }
    let (one, other) = ("0".repeat(64), "a".repeat(64));
    assert!(fits(&format!("state {one}"), &format!("state {other}")));
}

#[test]
fn the_first_hour_is_as_it_is_told() {
    follow("docs/first-hour.md");
}

#[test]
fn an_observation_is_as_it_is_shown() {
    follow("docs/observation.md");
}

#[test]
fn every_query_is_answered_as_it_is_shown() {
    follow("docs/queries.md");
}

#[test]
fn state_is_kept_as_its_page_says() {
    follow("docs/state.md");
}

#[test]
fn a_client_visits_the_bazaar_as_its_page_tells() {
    follow("docs/mcp.md");
}

#[test]
fn a_model_of_mesa_is_run() {
    follow("docs/from-mesa.md");
}

#[test]
fn a_model_of_netlogo_is_run() {
    follow("docs/from-netlogo.md");
}

#[test]
fn a_model_of_concordia_is_run() {
    // An answer that a small model could give.
    let provider = Provider::saying(|request| {
        let asked = request.to_string();
        let to = if asked.contains("You are giver_001") { "giver_002" } else { "giver_001" };
        let ops = json!([{ "op": "transfer", "to": to, "amount": 1 }]);
        json!({ "think": "they have less than I", "ops": ops }).to_string()
    });
    let mut page = Page::new("docs/from-concordia.md");
    page.instead.push(("127.0.0.1:11434".into(), provider.address.to_string()));
    page.follow();
}
