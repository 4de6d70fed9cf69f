//! Rules that no compiler checks: files begin with a word about themselves, stay short, leave nothing
//! open and say nouns, and the README and the gate name the same commands.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

/// Lines of a source file; a longer one is two files.
const LINES_MAX: usize = 700;
/// Characters of a source line.
const WIDTH_MAX: usize = 120;

/// Files that may be longer, with the reason.
const LONG: &[(&str, &str)] = &[];

/// Folder names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "common", "types", "manager", "helpers"];

/// Words that must not stand in a source, in pieces so that this file does not hold them.
const OPEN_ENDS: &[[&str; 2]] = &[
    ["TO", "DO"],
    ["FIX", "ME"],
    ["XX", "X:"],
    ["todo", "!("],
    ["unimplemented", "!("],
    ["dbg", "!("],
    ["#[ign", "ore"],
];

/// Words with which a clause in the place of a noun begins.
const CLAUSES: &[&str] = &["What", "Whatever", "Who", "Whoever", "Whom", "Whose"];

/// Paths of one machine.
const MACHINE_PATHS: &[[&str; 2]] = &[["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/tm", "p/"]];

/// The first command of a new user, and the one that checks everything.
const COMMANDS: [&str; 2] = ["cargo run --release -- run worlds/bazaar.toml", "cargo xtask ci"];

pub(crate) fn check(root: &Path) -> Result<()> {
    let mut problems = Vec::new();
    for file in tracked(root)? {
        let path = root.join(&file);
        // A tracked file may have been removed, or be no text.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        problems.extend(look(&file, &text));
    }
    let readme = fs::read_to_string(root.join("README.md")).context("README.md can't be read")?;
    let gate = fs::read_to_string(root.join(".ci/run")).context(".ci/run can't be read")?;
    for command in COMMANDS {
        if !readme.contains(command) {
            problems.push(format!("README.md does not show `{command}`"));
        }
    }
    if !gate.lines().any(|line| line == "cargo xtask ci") {
        problems.push(".ci/run does not run `cargo xtask ci`".into());
    }
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md can't be read")?;
    if map.lines().count() > 280 {
        problems.push("ARCHITECTURE.md has more than 280 lines: it is a map, not a book".into());
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}

/// Files that git tracks, or would.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().context("git can't be run")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn look(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut say = |problem: String| problems.push(format!("{file}: {problem}"));
    if file.split('/').any(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"))) {
        say("its name says nothing about what is in it".into());
    }
    let [code, prose] = [[".rs", ".py"].as_slice(), &[".md", ".toml", ".py", ".rs", ".json"]]
        .map(|endings| endings.iter().any(|ending| file.ends_with(ending)));
    if file.ends_with(".rs") {
        if !text.starts_with("//!") {
            say("it does not begin with a word about itself (`//!`)".into());
        }
        let lines = text.lines().count();
        if lines > LINES_MAX && !LONG.iter().any(|(long, _)| *long == file) {
            say(format!("{lines} lines; more than {LINES_MAX} is two files"));
        }
        // Tables of tests hold rows as wide as what they say; code is kept narrow by the formatter.
        let tables = file.contains("/tests/");
        for (number, line) in (1..).zip(text.lines()).filter(|_| !tables) {
            if line.chars().count() > WIDTH_MAX && !line.contains('"') {
                say(format!("line {number} is wider than {WIDTH_MAX}"));
            }
        }
    }
    for word in OPEN_ENDS.iter().filter(|_| code).map(|parts| parts.concat()) {
        if text.contains(&word) {
            say(format!("`{word}` leaves something open"));
        }
    }
    for path in MACHINE_PATHS.iter().filter(|_| prose).map(|parts| parts.concat()) {
        if text.contains(&path) {
            say(format!("`{path}` is a path of one machine"));
        }
    }
    for number in clauses(file, text) {
        say(format!("line {number} begins a sentence with a clause; say the noun"));
    }
    problems
}

/// Numbers of the lines that begin a sentence of prose with a clause in the place of a noun. Questions may.
fn clauses(file: &str, text: &str) -> Vec<usize> {
    let lines: Vec<_> = text.lines().map(|line| prose(file, line).unwrap_or("")).collect();
    let begins = |line: &str| {
        let word = line.split(|letter: char| !letter.is_alphabetic()).next().unwrap_or("");
        CLAUSES.contains(&word) && line[word.len()..].starts_with(' ')
    };
    // A sentence goes on in the next lines of its paragraph.
    let asks = |sentence: &str, at: usize| {
        let rest = lines.iter().skip(at + 1).take_while(|line| !line.is_empty());
        let words = std::iter::once(&sentence).chain(rest).flat_map(|line| line.split(' '));
        let mut bare = words.map(|word| word.trim_end_matches(['"', '*', ')']));
        bare.find(|word| word.ends_with(['.', '?', '!'])).is_some_and(|word| word.ends_with('?'))
    };
    let is_bad = |at: usize, line: &str| {
        let ends = line.match_indices(". ").chain(line.match_indices(".** "));
        let sentences = ends.map(|(dot, mark)| &line[dot + mark.len()..]);
        std::iter::once(line).chain(sentences).any(|sentence| begins(sentence) && !asks(sentence, at))
    };
    lines.iter().enumerate().filter(|(at, line)| is_bad(*at, line)).map(|(at, _)| at + 1).collect()
}

/// The prose of a line: of code its comment, of a document all but the marks before it.
fn prose<'a>(file: &str, line: &'a str) -> Option<&'a str> {
    let line = line.trim();
    let marks: &[char] = match file.rsplit_once('.')?.1 {
        "rs" => {
            let comment =
                ["//!", "///", "//", "# ", "doc: \""].iter().find_map(|mark| line.strip_prefix(mark));
            return comment.map(str::trim);
        }
        "py" if line.starts_with("\"\"\"") => &['"'],
        "py" | "toml" if line.starts_with('#') => &['#'],
        "md" => &['#', '-', '*', '|', '>', ' '],
        _ => return None,
    };
    Some(line.trim_start_matches(marks).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_faults_are_found() {
        let open = format!("//! x\n// {}\n", OPEN_ENDS[0].concat());
        let path = format!("run it in {}here", MACHINE_PATHS[0].concat());
        let long = format!("//! x\n{}", "a\n".repeat(LINES_MAX));
        let wide = format!("//! x\n{}\n", "a".repeat(WIDTH_MAX + 1));
        for (file, text, problems) in [
            ("crates/a/src/lib.rs", "//! x\n", 0),
            ("crates/a/src/lib.rs", "use a;\n", 1),
            ("crates/a/src/utils.rs", "//! x\n", 1),
            ("crates/a/src/lib.rs", open.as_str(), 1),
            ("crates/a/src/lib.rs", long.as_str(), 1),
            ("crates/a/src/lib.rs", wide.as_str(), 1),
            ("docs/a.md", path.as_str(), 1),
            ("docs/a.md", "run it here", 0),
            ("crates/a/src/lib.rs", "//! What it is.\n", 1),
            ("crates/a/src/lib.rs", "//! x\n/// A word. Whoever reads it\n/// knows.\n", 1),
            ("crates/a/src/lib.rs", "//! x\n// What can it be,\n// if not this?\n", 0),
            ("crates/a/src/lib.rs", "//! x\nenum What { A }\n", 0),
            ("crates/a/src/lib.rs", "//! x. `What` is an enum, whatever it holds.\n", 0),
            ("docs/a.md", "## What it lacks\n\nIs it much?\n", 1),
            ("docs/a.md", "# What is in it?\n", 0),
            ("docs/a.md", "- **Whose** it is. Whatever!\n", 0),
            ("docs/a.md", "**Consequence.** Who asks is told.\n", 1),
            ("worlds/a.toml", "# What happens. Much.\nwhat = \"What a\"\n", 1),
            ("genesis/a.py", "def a():\n    \"\"\"What one use costs.\"\"\"\n", 1),
        ] {
            assert_eq!(look(file, text).len(), problems, "{file}: {text:.40}");
        }
    }
}
