//! A sweep by Ray, by GNU parallel, and by the texts of `docs/sweeps.md` for clusters, against one on this machine.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::environments::folder_with;

/// Ray, which brings the reader of YAML along.
const PACKAGES: [&str; 2] = ["ray==2.60.0", "PyYAML==6.0.4"];
/// The sweeps and their comparison.
const SCRIPT: &str = include_str!("sweeps.py");

pub(super) fn prove(binary: &Path, folder: &Path, target: &Path, root: &Path) -> Result<()> {
    let python = folder_with(&target.join("tmp/ray"), &PACKAGES)?;
    let (place, script) = (folder.join("sweeps"), folder.join("sweeps.py"));
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    fs::write(&script, SCRIPT)?;
    let mut command = Command::new(python);
    command.arg(&script).arg(&place).arg(root.join("docs/sweeps.md"));
    command.env("PYTHONPATH", root.join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("OIKOS_BINARY", binary).env("OIKOS_CACHE", target.join("tmp/python"));
    command
        .env("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        .env("RAY_USAGE_STATS_ENABLED", "0")
        .env("RAY_AUTH_MODE", "disabled");
    if !command.status().context("Python can't be run")?.success() {
        bail!("a sweep elsewhere is not the one on this machine");
    }
    Ok(())
}
