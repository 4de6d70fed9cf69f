//! The package in `python/`, tested against the binary that was built for the tests, and as a wheel. The packages that
//! it is tested with are installed by pip into a folder of their own; where they can't be had, their part is left out,
//! and that is said.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::wheel;

/// The packages that it is tested with.
const PACKAGES: [&str; 8] = [
    "pettingzoo==1.27.0",
    "gymnasium==1.4.0",
    "mypy==2.4.1",
    "pandas==3.1.1",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "duckdb==2.0.1",
    wheel::MATURIN,
];
/// Ends well where each word's package is there in the version that it names.
const HAS: &str = "import sys, importlib.metadata as packages
sys.exit(any(packages.version(name) != version for name, version in (word.split('==') for word in sys.argv[1:])))";

pub(crate) fn check(root: &Path, target: &Path) -> Result<()> {
    if !succeeds(Command::new("python3").arg("--version")) {
        eprintln!("== environments: there is no python3 here, so the package in python/ is not tested");
        return Ok(());
    }
    let python = match folder_with(&target.join("tmp/environments"), &PACKAGES) {
        Ok(python) => {
            types(root, target, &python)?;
            wheel::check(root, target, &python)?;
            python
        }
        Err(problem) => {
            let left_out =
                "types, data frames, files of tables, PettingZoo's forms and the wheel are not tested";
            eprintln!("== environments: {problem}, so {left_out}");
            "python3".into()
        }
    };
    let mut command = Command::new(python);
    command.current_dir(root.join("python")).args(["-m", "unittest", "discover", "-s", "tests", "-t", "."]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("OIKOS_BINARY", target.join("debug/oikos")).env("OIKOS_CACHE", target.join("tmp/python"));
    if !command.status().context("Python can't be run")?.success() {
        bail!("the tests of python/ fail");
    }
    Ok(())
}

/// Checks the types of the package.
fn types(root: &Path, target: &Path, python: &Path) -> Result<()> {
    let mut command = Command::new(python);
    command.current_dir(root.join("python")).args(["-m", "mypy", "--no-error-summary", "--cache-dir"]);
    if !command.arg(target.join("tmp/mypy")).status().context("mypy can't be run")?.success() {
        bail!("the types of python/ are wrong");
    }
    Ok(())
}

/// The interpreter of a folder that has packages, which pip installs into it where they are not there, or are so in
/// another version.
pub(crate) fn folder_with(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if succeeds(Command::new(&python).args(["-c", HAS]).args(packages)) {
        return Ok(python);
    }
    if !succeeds(Command::new("python3").args(["-m", "venv"]).arg(folder)) {
        bail!("python3 can't make a folder for packages");
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if !packages.is_empty() && !succeeds(Command::new(&python).args(install).args(packages)) {
        bail!("pip can't install {}", packages.join(", "));
    }
    Ok(python)
}

/// Whether a command can be run and succeeds; its output goes nowhere.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
