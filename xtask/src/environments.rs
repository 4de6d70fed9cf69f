//! The package in `python/`, tested against the binary that was built for the tests. PettingZoo is installed by pip
//! into a folder of its own, and so are the programs that read exports; where some can't be had, their part is left
//! out, and that is said.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The packages that the environments are tested with.
const PACKAGES: [&str; 2] = ["pettingzoo==1.27.0", "gymnasium==1.4.0"];
/// The packages that read exports in the tests.
const READERS: [&str; 4] = ["pandas==3.1.1", "pyarrow==26.0.1", "polars==2.1.0", "duckdb==2.0.1"];

pub(crate) fn check(root: &Path, target: &Path) -> Result<()> {
    if !succeeds(Command::new("python3").arg("--version")) {
        eprintln!("== environments: there is no python3 here, so the package in python/ is not tested");
        return Ok(());
    }
    let python = match installed(target) {
        Ok(python) => python,
        Err(problem) => {
            eprintln!("== environments: {problem}, so sessions are tested, and PettingZoo's forms are not");
            "python3".into()
        }
    };
    if let Err(problem) = with_readers(&python) {
        eprintln!("== environments: {problem}, so exports are read back only by those that are there");
    }
    let mut command = Command::new(&python);
    command.current_dir(root.join("python")).args(["-m", "unittest", "discover", "-s", "tests", "-t", "."]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("OIKOS_BINARY", target.join("debug/oikos")).env("OIKOS_CACHE", target.join("tmp/python"));
    if !command.status().context("Python can't be run")?.success() {
        bail!("the tests of python/ fail");
    }
    Ok(())
}

/// The interpreter that has the packages.
fn installed(target: &Path) -> Result<PathBuf> {
    let folder = target.join("tmp/environments");
    let python = folder.join("bin/python");
    let found = "import pettingzoo, gymnasium";
    if succeeds(Command::new(&python).args(["-c", found])) {
        return Ok(python);
    }
    if !succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder)) {
        bail!("python3 can't make a folder for packages");
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if !succeeds(Command::new(&python).args(install).args(PACKAGES)) {
        bail!("pip can't install {}", PACKAGES.join(" and "));
    }
    Ok(python)
}

/// Has the readers of exports at hand, in the folder of the packages.
fn with_readers(python: &Path) -> Result<()> {
    if succeeds(Command::new(python).args(["-c", "import pandas, pyarrow, polars, duckdb"])) {
        return Ok(());
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if python.is_absolute() && succeeds(Command::new(python).args(install).args(READERS)) {
        return Ok(());
    }
    bail!("pip can't install {}", READERS.join(", "))
}

/// Whether a command can be run and succeeds; its output goes nowhere.
fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
