//! The arrows between crates, and the places where a thing may be used (`ARCHITECTURE.md`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The crates of ours that each of our crates may import.
const OURS: &[(&str, &[&str])] = &[
    ("oikos-kernel", &[]),
    ("oikos-python", &[]),
    ("oikos-sandbox", &["oikos-kernel", "oikos-python"]),
    ("oikos-journal", &["oikos-kernel"]),
    ("oikos-agents", &["oikos-kernel"]),
    ("oikos-tables", &[]),
    ("oikos-runner", &["oikos-kernel", "oikos-sandbox", "oikos-journal", "oikos-agents", "oikos-tables"]),
    ("oikos-views", &["oikos-runner"]),
    ("oikos-sweep", &["oikos-runner", "oikos-tables", "oikos-views"]),
    ("oikos-server", &["oikos-runner", "oikos-views"]),
    ("oikos-cli", &["oikos-runner", "oikos-sweep", "oikos-views", "oikos-server"]),
    ("xtask", &[]),
];

/// Libraries that only some of our crates may name.
const THEIRS: &[(&str, &[&str])] = &[
    ("wasmtime", &["oikos-python"]),
    ("rusqlite", &["oikos-journal"]),
    ("postgres", &["oikos-journal"]),
    ("refinery", &["oikos-journal"]),
    ("rustls", &["oikos-journal"]),
    ("async-nats", &["oikos-server"]),
    ("tokio", &["oikos-agents", "oikos-runner", "oikos-server", "oikos-cli"]),
    ("axum", &["oikos-server"]),
    ("rmcp", &["oikos-server"]),
    ("reqwest", &["oikos-agents"]),
    ("genai", &["oikos-agents"]),
    ("anyhow", &["oikos-cli", "xtask"]),
    ("parquet", &["oikos-tables"]),
];

/// Words that may stand only in the sources below these folders.
const WORDS: &[(&str, &[&str])] = &[
    (
        "std::fs",
        &[
            "crates/journal/",
            "crates/python/build/",
            "crates/python/src/cache.rs",
            "crates/runner/src/config/",
            "crates/sandbox/src/worker/probe.rs",
            "crates/server/src/tokens.rs",
            "crates/sweep/src/file.rs",
            "crates/sweep/src/folder.rs",
            "crates/sweep/src/planned.rs",
            "crates/sweep/src/rows.rs",
            "crates/tables/src/beside.rs",
            "crates/cli/",
        ],
    ),
    ("std::env", &["crates/cli/", "crates/python/build/"]),
    (
        "std::net",
        &[
            "crates/agents/",
            "crates/runner/",
            "crates/sandbox/src/worker/probe.rs",
            "crates/server/",
            "crates/cli/",
        ],
    ),
    (
        "std::process",
        &[
            "crates/cli/",
            "crates/python/src/cache.rs",
            "crates/python/examples/",
            "crates/sandbox/src/pool/",
            "crates/sandbox/src/worker/probe.rs",
            "crates/sweep/src/child.rs",
        ],
    ),
    ("SystemTime", &["crates/runner/src/clock.rs"]),
    (
        "Instant",
        &[
            "crates/agents/",
            "crates/runner/",
            "crates/sandbox/src/lookout.rs",
            "crates/server/",
            "crates/sweep/src/crew.rs",
            "crates/cli/",
        ],
    ),
    (
        "std::thread",
        &[
            "crates/journal/src/postgres/",
            "crates/runner/",
            "crates/sandbox/src/pool/keeper.rs",
            "crates/sandbox/src/lookout.rs",
            "crates/sweep/src/child.rs",
            "crates/cli/",
        ],
    ),
    (
        "println!",
        &["crates/cli/", "crates/python/build/", "crates/python/examples/", "crates/python/benches/"],
    ),
    // Nobody looks again and again whether something has come: all waiting on a clock is at the desk, whose
    // bell every sender rings.
    ("recv_timeout", &["crates/runner/src/desk.rs"]),
    // A follower of the log reads the file of another process, which has no bell to ring it with; nor has the reader
    // of a sign, who holds it for an instant.
    ("thread::sleep", &["crates/cli/src/commands/log.rs", "crates/cli/src/commands/sign.rs"]),
    ("sleep_ms", &[]),
    ("park_timeout", &[]),
    // The writer of the journal waits for a batch to fill, and no longer than a record may wait.
    ("wait_timeout", &["crates/runner/src/writer.rs"]),
    ("wait_timeout_while", &[]),
    ("spin_loop", &["crates/sandbox/src/lookout.rs"]),
    ("yield_now", &[]),
];

/// Features whose presence anywhere would change what our own types do.
const FEATURES: &[(&str, &str, &str)] =
    &[("serde_json", "arbitrary_precision", "numbers are compared and hashed as 64-bit values")];

pub(crate) fn check(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(vec!["--locked".into()])
        .exec();
    let mut problems = edges(&metadata.context("cargo metadata failed")?);
    for (file, text) in sources(root)? {
        problems.extend(words(&file, &text));
    }
    problems.extend(crate::floors::check(root)?);
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}

fn edges(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    let allowed: BTreeMap<&str, &[&str]> = OURS.iter().copied().collect();
    for package in metadata.workspace_packages() {
        let Some(ours) = allowed.get(package.name.as_str()) else {
            problems.push(format!("`{}` is missing in the table of layers", package.name));
            continue;
        };
        let dependencies =
            package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        for dependency in dependencies {
            let name = dependency.name.as_str();
            if allowed.contains_key(name) && !ours.contains(&name) {
                problems.push(format!("`{}` may not import `{name}`", package.name));
            }
            let owners = THEIRS.iter().find(|(theirs, _)| *theirs == name).map(|(_, owners)| owners);
            if owners.is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                problems.push(format!("`{}` may not use `{name}`", package.name));
            }
        }
    }
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    for node in nodes {
        let package = metadata.packages.iter().find(|package| package.id == node.id);
        for (name, feature, why) in FEATURES {
            let on = node.features.iter().any(|on| on.as_str() == *feature);
            if on && package.is_some_and(|package| package.name.as_str() == *name) {
                problems.push(format!("the feature `{feature}` of `{name}` is on: {why}"));
            }
        }
    }
    problems
}

fn words(file: &str, text: &str) -> Vec<String> {
    let used: BTreeSet<usize> =
        (0..WORDS.len()).filter(|at| WORDS.get(*at).is_some_and(|(word, _)| used(text, word))).collect();
    let stray = WORDS.iter().enumerate().filter(|(at, (_, folders))| {
        used.contains(at) && !folders.iter().any(|folder| file.starts_with(folder))
    });
    stray.map(|(_, (word, _))| format!("{file}: `{word}` has no place here")).collect()
}

/// Whether a word stands in code, as a whole word; comments don't count.
fn used(text: &str, word: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(word).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
            let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !is_part(before) && !is_part(after)
        })
    })
}

/// The sources of our crates; tests and benches may use what they like.
fn sources(root: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if !name.ends_with("/tests") && !name.ends_with("/benches") && !name.ends_with("/target") {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path)?;
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((name, code));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_out_of_place_are_found() {
        for (file, text, problems) in [
            ("crates/kernel/src/a.rs", "use std::fs::File;", 1),
            ("crates/kernel/src/a.rs", "// std::fs is not used", 0),
            ("crates/kernel/src/a.rs", "let t = std::time::Instant::now();", 1),
            ("crates/kernel/src/a.rs", "fn instant_of() {}", 0),
            ("crates/kernel/src/a.rs", "FailureKind::Instructions", 0),
            ("crates/journal/src/a.rs", "use std::fs::File;", 0),
            ("crates/sandbox/src/a.rs", "println!(\"x\")", 1),
            ("crates/sandbox/src/a.rs", "std::env::var(\"X\")", 1),
            ("crates/runner/src/a.rs", "thread::sleep(tick); receiver.recv_timeout(tick);", 2),
            ("crates/runner/src/desk.rs", "receiver.recv_timeout(left)", 0),
        ] {
            assert_eq!(words(file, text).len(), problems, "{file}: {text}");
        }
    }
}
