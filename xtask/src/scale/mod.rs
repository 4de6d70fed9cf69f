//! The promises beyond one machine, each proved by a part of `cargo xtask scale`, with the parts that people run
//! elsewhere: launchers of jobs, and the like.

mod clocks; // clocks of two machines that are apart
mod examples; // every example world, with followers that think for it
mod full; // a disk that is full
mod nats; // events in a stream of NATS
mod poolers; // proxies between a writer and its database
mod partition; // a writer that is cut off and lives on
mod records; // how fast records come to be in a database
mod kills; // one writes, one stands by, and either is killed
mod sweeps; // sweeps by other launchers
mod thoughts; // followers that think for the writer
mod worlds; // many worlds in one process, and in two
mod texts; // the unit and the compose file of the documents

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    parts::{self, Part},
    postgres,
};

/// The place of what is proved.
struct Proof {
    root: PathBuf,
    target: PathBuf,
    /// Worlds and results, which stay.
    folder: PathBuf,
    binary: PathBuf,
    rounds: u32,
}

const PARTS: &[Part<Proof>] = &[
    ("sweeps", |proof| sweeps::prove(&proof.binary, &proof.folder, &proof.target, &proof.root)),
    ("texts", |proof| texts::prove(&proof.folder, &proof.target, &proof.root)),
    ("kills", |proof| kills::prove(&proof.binary, &proof.folder, proof.rounds)),
    ("worlds", |proof| worlds::prove(&proof.binary, &proof.folder)),
    ("partition", |proof| partition::prove(&proof.binary, &proof.folder)),
    ("clocks", |proof| clocks::prove(&proof.binary, &proof.folder)),
    ("full", |proof| full::prove(&proof.binary, &proof.folder)),
    ("nats", |proof| nats::prove(&proof.binary, &proof.folder, &proof.target, proof.rounds)),
    ("poolers", |proof| poolers::prove(&proof.binary, &proof.folder)),
    ("records", |proof| records::measure(&proof.binary, &proof.root)),
    ("examples", |proof| examples::prove(&proof.binary, &proof.folder, &proof.root)),
    ("thoughts", |proof| thoughts::prove(&proof.binary, &proof.folder, &proof.root, &proof.target)),
    ("postgres", |proof| postgres::prove(&proof.root, &proof.target)),
];

/// `cargo xtask scale [PART …] [rounds=200] [binary=FILE]`: all parts where none is named. The binary is that of the
/// tests where no other is named.
pub(crate) fn run(root: &Path, target: &Path, words: &[String]) -> Result<()> {
    let binary = words.iter().find_map(|word| word.strip_prefix("binary="));
    let rounds = words.iter().find_map(|word| word.strip_prefix("rounds=")).unwrap_or("200");
    let proof = Proof {
        rounds: rounds.parse().with_context(|| format!("rounds={rounds}: that is no whole number"))?,
        root: root.to_owned(),
        target: target.to_owned(),
        folder: target.join("scale"),
        binary: binary.map_or_else(|| target.join("debug/oikos"), |name| root.join(name)),
    };
    let chosen = parts::chosen(PARTS, words)?;
    if !proof.binary.is_file() {
        bail!("there is no {}: cargo xtask build makes it in {}", proof.binary.display(), root.display());
    }
    fs::create_dir_all(&proof.folder)?;
    parts::run("scale", &chosen, &proof)
}
