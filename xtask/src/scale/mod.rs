//! The promises beyond one machine, each proved by a part of `cargo xtask scale`, with the parts that people run
//! elsewhere: launchers of jobs, and the like.

mod sweeps; // sweeps by other launchers

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// The place of what is proved.
struct Proof {
    root: PathBuf,
    target: PathBuf,
    /// Worlds and results, which stay.
    folder: PathBuf,
    binary: PathBuf,
}

/// A part: its name, and the function that fails where the promise is broken.
type Part = (&'static str, fn(&Proof) -> Result<()>);

const PARTS: &[Part] =
    &[("sweeps", |proof| sweeps::prove(&proof.binary, &proof.folder, &proof.target, &proof.root))];

/// `cargo xtask scale [PART …] [binary=FILE]`: all parts where none is named. The binary is that of the tests where no
/// other is named.
pub(crate) fn run(root: &Path, target: &Path, words: &[String]) -> Result<()> {
    let binary = words.iter().find_map(|word| word.strip_prefix("binary="));
    let proof = Proof {
        root: root.to_owned(),
        target: target.to_owned(),
        folder: target.join("scale"),
        binary: binary.map_or_else(|| target.join("debug/oikos"), PathBuf::from),
    };
    let named: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.contains('=')).collect();
    let parts = PARTS.iter().map(|(name, _)| *name);
    if let Some(strange) = named.iter().find(|name| !parts.clone().any(|part| part == **name)) {
        bail!("there is no part {strange}; there are {}", parts.collect::<Vec<_>>().join(", "));
    }
    if !proof.binary.is_file() {
        bail!("there is no {}: cargo xtask build makes it in {}", proof.binary.display(), root.display());
    }
    fs::create_dir_all(&proof.folder)?;
    let mut broken = Vec::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| named.is_empty() || named.contains(name)) {
        eprintln!("== scale: {name}");
        if let Err(error) = part(&proof) {
            eprintln!("== scale: {name} failed: {error:#}");
            broken.push(*name);
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}", broken.join(", "));
    }
    Ok(())
}
