//! A writer that is cut off from the server and lives on: another takes over, and it acknowledges nothing any more.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::postgres::Cluster;

const NAME: &str = "partition";
const SCRIPT: &str = include_str!("partition.py");

/// Needs network namespaces, which are made by root.
pub(super) fn prove(binary: &Path, folder: &Path) -> Result<()> {
    let cluster = Cluster::start()?;
    cluster.listen_to("10.77.0.0/24")?;
    let (_, (variable, password)) = cluster.make(binary, NAME)?;
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let script = folder.join("partition.py");
    fs::write(&script, SCRIPT)?;
    let mut command = Command::new("python3");
    command.arg(&script).arg(binary).arg(cluster.port().to_string()).arg(&folder).env(variable, password);
    if !command.status().context("Python can't be run")?.success() {
        bail!("a writer that was cut off is not as it should be");
    }
    Ok(())
}
