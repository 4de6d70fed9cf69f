//! The checks that run before anything lands: `cargo xtask ci` runs all of them.

mod door;
mod environments;
mod floors;
mod layers;
mod llm;
mod parts;
mod postgres;
mod scale;
mod served;
mod tidy;
mod torture;
mod wheel;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

/// One check: its name, and what it does.
type Check = (&'static str, fn(&Path) -> Result<()>);

const CHECKS: &[Check] = &[
    ("format", |root| cargo(root, &["fmt", "--all", "--check"], &[])),
    ("layers", |root| layers::check(root)),
    ("tidy", |root| tidy::check(root)),
    ("clippy", |root| {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])?;
        // Tests that need a server are not among the targets.
        let of_servers = ["--test", "postgres", "--test", "shards", "--test", "thoughts"];
        let lint =
            [&["clippy", "--workspace", "--locked"][..], &of_servers, &["--", "-D", "warnings"]].concat();
        cargo(root, &lint, &[])
    }),
    ("build", build),
    ("python", prepare_python),
    ("test", |root| {
        let cache = python_folder(root)?;
        cargo(root, &["test", "--workspace", "--locked"], &[("OIKOS_CACHE", cache.as_str())])
    }),
    ("postgres", |root| postgres::check(root, &target(root))),
    ("environments", |root| environments::check(root, &target(root))),
    ("short torture", |root| torture::short(root)),
    ("llm", |root| llm::check(root)),
    ("doc", |root| {
        cargo(root, &["doc", "--workspace", "--no-deps", "--locked"], &[("RUSTDOCFLAGS", "-D warnings")])
    }),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let root = root()?;
    let wanted = words.first().map_or("", String::as_str);
    if wanted == "torture" {
        return torture::run(&root, words.get(1..).unwrap_or_default());
    }
    if wanted == "llm" {
        return llm::run(&root, words.get(1..).unwrap_or_default());
    }
    if wanted == "door" {
        return door::run(&root, &target(&root), words.get(1..).unwrap_or_default());
    }
    if wanted == "scale" {
        return scale::run(&root, &target(&root), words.get(1..).unwrap_or_default());
    }
    if wanted == "wheel" {
        return wheel::make(&root, &target(&root));
    }
    let chosen: Vec<&Check> = CHECKS.iter().filter(|(name, _)| wanted == "ci" || wanted == *name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
        bail!("usage: cargo xtask ci, torture, door, scale, wheel, or one of {}", names.join(", "));
    }
    let begun = Instant::now();
    for (name, check) in chosen {
        eprintln!("== {name}");
        let started = Instant::now();
        check(&root).with_context(|| format!("{name} failed"))?;
        eprintln!("== {name} passed in {} s", started.elapsed().as_secs());
    }
    eprintln!("== all passed in {} s", begun.elapsed().as_secs());
    Ok(())
}

/// The workspace's folder.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).context("xtask stands outside of a workspace")
}

fn target(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

/// Where the tests of all crates keep Python.
fn python_folder(root: &Path) -> Result<String> {
    let folder = target(root).join("tmp/python");
    folder.to_str().map(str::to_owned).context("the target folder has a name that is no text")
}

/// Builds all tests, and with them the binary that they run: built by itself, it would be another one, of other
/// features, and most of its dependencies would be built anew.
fn build(root: &Path) -> Result<()> {
    cargo(root, &["test", "--workspace", "--locked", "--no-run"], &[])
}

/// Prepares Python once, by the binary that was built for the tests.
fn prepare_python(root: &Path) -> Result<()> {
    let mut command = Command::new(target(root).join("debug/oikos"));
    let status = command.args(["python", "prepare"]).env("OIKOS_CACHE", python_folder(root)?).status();
    if !status.context("the binary can't be run: `cargo xtask build` makes it")?.success() {
        bail!("Python can't be prepared");
    }
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(arguments).envs(variables.iter().copied());
    let status = command.status().with_context(|| format!("cargo {} can't be run", arguments.join(" ")))?;
    if !status.success() {
        bail!("cargo {} said no", arguments.join(" "));
    }
    Ok(())
}
