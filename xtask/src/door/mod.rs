//! The promises of the door, each proved by a part of `cargo xtask door`, with the binary that was built for release.

mod acks; // what was acknowledged outlives a kill
mod conform; // answers are as the OpenAPI document has them
mod feeds; // readers hold up nothing
mod hostile; // the words of agents are text
mod inspect; // the inspector's command line in a world
mod pages; // pages of a large world
mod speed; // receipts a second, and idleness
mod walk; // every page in a browser

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    environments::folder_with,
    parts::{self, Part},
};

/// The clients of the Model Context Protocol that live in a world.
const MCP_CLIENTS: [&str; 2] = ["mcp==2.3.0", "fastmcp==4.2.3"];

/// The place and the size of what is proved.
struct Proof {
    root: PathBuf,
    target: PathBuf,
    /// Worlds and pictures, which stay.
    folder: PathBuf,
    binary: PathBuf,
    clients: usize,
    seconds: u64,
    readers: usize,
    agents: usize,
}

const PARTS: &[Part<Proof>] = &[
    ("visits", visits),
    ("speed", |proof| speed::measure(&proof.binary, &proof.folder, proof.clients, proof.seconds)),
    ("acks", |proof| acks::prove(&proof.binary, &proof.folder, proof.clients, proof.seconds)),
    ("feeds", |proof| feeds::prove(&proof.binary, &proof.folder, proof.readers, proof.seconds)),
    ("conform", |proof| conform::prove(&proof.binary, &proof.folder, &proof.target)),
    ("walk", |proof| walk::prove(&proof.binary, &proof.folder, &proof.target, &proof.root)),
    ("hostile", |proof| hostile::prove(&proof.binary, &proof.folder, &proof.target, &proof.root)),
    ("pages", |proof| pages::measure(&proof.binary, &proof.folder, proof.agents)),
];

/// `cargo xtask door [PART …] [clients=64] [seconds=60] [readers=1000] [agents=100000] [binary=FILE]`: all parts where
/// none is named.
pub(crate) fn run(root: &Path, target: &Path, words: &[String]) -> Result<()> {
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str, otherwise: u64| match value(key) {
        Some(word) => word
            .parse::<u64>()
            .ok()
            .filter(|number| *number > 0)
            .with_context(|| format!("{key}={word}: that is no whole number above 0")),
        None => Ok(otherwise),
    };
    let count = |key: &str, otherwise: u64| {
        number(key, otherwise).map(|it| usize::try_from(it).unwrap_or(usize::MAX))
    };
    let binary = value("binary").map_or_else(|| target.join("release/oikos"), |name| root.join(name));
    let proof = Proof {
        root: root.to_owned(),
        target: target.to_owned(),
        folder: target.join("door"),
        binary,
        clients: count("clients", 64)?.clamp(1, 64),
        seconds: number("seconds", 60)?,
        readers: count("readers", 1_000)?,
        agents: count("agents", 100_000)?,
    };
    let chosen = parts::chosen(PARTS, words)?;
    let binary = &proof.binary;
    if !binary.is_file() {
        bail!("there is no {}: cargo build --release makes it in {}", binary.display(), root.display());
    }
    fs::create_dir_all(&proof.folder)?;
    parts::run("door", &chosen, &proof)
}

/// Lets others' MCP clients into worlds of the binary.
fn visits(proof: &Proof) -> Result<()> {
    let python = folder_with(&proof.target.join("tmp/mcp"), &MCP_CLIENTS)?;
    let mut command = Command::new(python);
    command.current_dir(proof.root.join("python")).args(["-m", "unittest", "tests.test_mcp"]);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("OIKOS_BINARY", &proof.binary);
    if !command.status().context("Python can't be run")?.success() {
        bail!("clients of the Model Context Protocol don't get on with it");
    }
    inspect::prove(&proof.binary, &proof.folder, &proof.target)
}
