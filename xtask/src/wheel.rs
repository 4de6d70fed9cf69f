//! The wheel of the package in `python/`: assembled by maturin, and installed where there is no Rust.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::environments::{folder_with, succeeds};

/// The builder of wheels.
pub(crate) const MATURIN: &str = "maturin==1.16.0";
/// The packages that the notebook runs with.
const NOTEBOOK: [&str; 3] = ["nbclient==0.11.0", "ipykernel==7.4.0", "pandas==3.1.1"];
/// The notebook of the documentation.
const FIRST_LOOK: &str = "docs/notebooks/first_look.ipynb";

/// Runs a notebook from its folder; an exception of a cell is its own.
const EXECUTE: &str = "\
import pathlib, sys, nbformat, nbclient
path = pathlib.Path(sys.argv[1])
notebook = nbformat.read(path, as_version=4)
nbclient.NotebookClient(notebook, timeout=1800, resources={'metadata': {'path': str(path.parent)}}).execute()
told = [part for cell in notebook.cells if cell.cell_type == 'code' for part in cell.outputs]
assert any('text/html' in part.get('data', {}) for part in told), 'no cell shows a table'
";

/// Builds the wheel with the release binary, installs it and runs the notebook; says where it is.
pub(crate) fn make(root: &Path, target: &Path) -> Result<()> {
    let out = target.join("wheels");
    let python = folder_with(&target.join("tmp/maturin"), &[MATURIN])?;
    let mut maturin = maturin(root, target, &python, &out)?;
    maturin.args(["--release", "--strip"]);
    let wheel = built(maturin, &out)?;
    let python = installed(target, &wheel)?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if !succeeds(Command::new(&python).args(install).args(NOTEBOOK)) {
        bail!("pip can't install {}", NOTEBOOK.join(", "));
    }
    let mut notebook = bare(&python);
    notebook.current_dir(root).args(["-c", EXECUTE, FIRST_LOOK]);
    if !notebook.status().context("Python can't be run")?.success() {
        bail!("{FIRST_LOOK} can't be run");
    }
    println!("{}", wheel.display());
    Ok(())
}

/// Assembles a wheel with the binary that was built for the tests, by a Python that has maturin, and installs it.
pub(crate) fn check(root: &Path, target: &Path, python: &Path) -> Result<()> {
    let out = target.join("tmp/wheels");
    let mut maturin = maturin(root, target, python, &out)?;
    maturin.args(["--profile", "dev"]).env("CARGO", as_built(root, target)?);
    let wheel = built(maturin, &out)?;
    installed(target, &wheel).map(drop)
}

/// A command that builds a wheel into a folder that is empty then.
fn maturin(root: &Path, target: &Path, python: &Path, out: &Path) -> Result<Command> {
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("{} can't be emptied", out.display()))?;
    }
    let mut command = Command::new(python);
    command.current_dir(root.join("python")).args(["-m", "maturin", "build", "--quiet", "--out"]).arg(out);
    command.env("CARGO_TARGET_DIR", target);
    Ok(command)
}

/// The wheel that maturin made.
fn built(mut maturin: Command, out: &Path) -> Result<PathBuf> {
    if !maturin.status().context("maturin can't be run")?.success() {
        bail!("maturin can't build the wheel");
    }
    let made = fs::read_dir(out)?.collect::<Result<Vec<_>, _>>()?;
    let [wheel] = made.as_slice() else { bail!("{} wheels in {}, not one", made.len(), out.display()) };
    Ok(wheel.path())
}

/// A stand-in for cargo, for which the binary of the tests is built already. By itself it would be another one, of
/// crates with other features, and take minutes.
fn as_built(root: &Path, target: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(&cargo);
    build.current_dir(root).args(["test", "--workspace", "--locked", "--no-run", "--message-format", "json"]);
    let told = build.output().context("cargo can't be run")?;
    if !told.status.success() {
        bail!("cargo said no: {}", String::from_utf8_lossy(&told.stderr));
    }
    let told = String::from_utf8_lossy(&told.stdout);
    let is_binary = |line: &&str| {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return false };
        let of = |path: &str| message.pointer(path).cloned().unwrap_or_default();
        of("/target/kind/0") == "bin" && of("/target/name") == "oikos" && of("/profile/test") == false
    };
    let artifact = told.lines().find(is_binary).context("cargo names no binary")?;
    let folder = target.join("tmp/as-built");
    fs::create_dir_all(&folder)?;
    let (message, script) = (folder.join("artifact.json"), folder.join("cargo"));
    fs::write(&message, format!("{artifact}\n"))?;
    let (cargo, message) = (PathBuf::from(cargo), message.display());
    let text =
        format!("#!/bin/sh\n[ \"$1\" = rustc ] && exec cat '{message}'\nexec '{}' \"$@\"\n", cargo.display());
    fs::write(&script, text)?;
    if !succeeds(Command::new("chmod").arg("+x").arg(&script)) {
        bail!("{} can't be made a program", script.display());
    }
    Ok(script)
}

/// The interpreter of a fresh environment with the wheel, in which the command and the module are what was built.
fn installed(target: &Path, wheel: &Path) -> Result<PathBuf> {
    let folder = target.join("tmp/wheel");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let python = folder_with(&folder, &[])?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"];
    if !succeeds(Command::new(&python).args(install).arg(wheel)) {
        bail!("pip can't install {}", wheel.display());
    }
    let told = |mut command: Command| -> Result<String> {
        let output = command.current_dir(&folder).output().context("the wheel's command can't be run")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let mut command = bare(&folder.join("bin/oikos"));
    command.arg("--version");
    let version = told(command)?;
    let mut module = bare(&python);
    module.args(["-c", "import oikos; print('oikos', oikos.version(), oikos.find_binary(), oikos.__file__)"]);
    let from = told(module)?;
    let inside = folder.to_str().context("the target folder has a name that is no text")?;
    if !from.starts_with(&version) || from.matches(inside).count() != 2 {
        bail!("the command says `{version}`, the module `{from}`");
    }
    Ok(python)
}

/// A command that finds nothing but what an environment brings.
fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", "/usr/bin:/bin").env_remove("OIKOS_BINARY").env_remove("PYTHONPATH");
    command
}
