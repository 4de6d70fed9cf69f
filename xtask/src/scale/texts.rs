//! The texts of `docs/scale.md` for those who serve worlds: they are what their programs can read.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::environments::folder_with;

const PACKAGES: [&str; 1] = ["PyYAML==6.0.4"];
/// A compose file has services, each made of something.
const COMPOSE: &str = "import sys, yaml\nfile = yaml.safe_load(sys.stdin)\n\
    assert set(file) <= {'services', 'volumes', 'x-oikos'}, list(file)\n\
    assert all(service.get('image') for service in file['services'].values()), file\n\
    print(len(file['services']), 'services')\n";

pub(super) fn prove(folder: &Path, target: &Path, root: &Path) -> Result<()> {
    let document = fs::read_to_string(root.join("docs/scale.md"))?;
    let block = |kind: &str| {
        let (_, rest) = document.split_once(&format!("```{kind}\n")).with_context(|| format!("no {kind}"))?;
        rest.split_once("```").map(|(text, _)| text).with_context(|| format!("{kind} has no end"))
    };
    let python = folder_with(&target.join("tmp/yaml"), &PACKAGES)?;
    let mut reader = Command::new(python).arg("-c").arg(COMPOSE).stdin(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut reader.stdin.take().context("its input")?, block("yaml")?.as_bytes())?;
    if !reader.wait()?.success() {
        bail!("the compose file of docs/scale.md is none");
    }
    // Programs and users that this machine lacks are no fault of a unit.
    let unit = block("ini")?.replace("/usr/local/bin/oikos", "/bin/true").replace("User=oikos", "User=root");
    let at = folder.join("oikos@world.service");
    fs::write(&at, unit)?;
    let verify = match Command::new("systemd-analyze").arg("verify").arg(&at).output() {
        Ok(verify) => verify,
        Err(_) => {
            eprintln!("== scale: there is no systemd-analyze, so the unit of docs/scale.md is not looked at");
            return Ok(());
        }
    };
    let told = String::from_utf8_lossy(&verify.stderr);
    if !verify.status.success() || told.contains("oikos@world.service:") {
        bail!("the unit of docs/scale.md is none: {told}");
    }
    Ok(())
}
