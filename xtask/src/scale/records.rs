//! How fast records come to be in PostgreSQL on this machine, each batch in its own durable commit, beside a file.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::postgres::Cluster;

pub(super) fn measure(binary: &Path, root: &Path) -> Result<()> {
    let cluster = Cluster::start()?;
    let (database, (variable, password)) = cluster.make(binary, "records")?;
    let mut bench = Command::new("cargo");
    bench.current_dir(root).args(["bench", "-p", "oikos-journal", "--locked", "--bench", "journal", "--"]);
    bench.arg("append_durably").env(variable, password);
    bench.env("OIKOS_BENCH_POSTGRES", format!("{database}?world={{}}"));
    if !bench.status().context("cargo can't be run")?.success() {
        bail!("the measure failed");
    }
    Ok(())
}
