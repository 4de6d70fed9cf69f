//! schemathesis asks for everything that the OpenAPI document has, with values that it makes up: no answer is a fault
//! of the server, and each is as the document says.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::environments::folder_with;
use crate::served::fresh;

const PACKAGES: [&str; 1] = ["schemathesis==4.32.5"];

/// A world with something of everything.
const WORLD: &str = "[world]\nname = \"door\"\n\n[execution]\nticks = 3\n\n[scrip]\nstart = 100\n\n[measures]\nevery = \"1m\"\n\
    rich = \"max(scrip)\"\n\n[[artifacts]]\nid = \"bread\"\nowner = \"bob\"\nprice = 3\ncontent = \"a loaf\"\n\
    code = \"def run(): return 'a loaf'\"\n\n[[agents]]\nid = \"alice\"\nmind = \"external\"\n\n[[agents]]\nid = \"bob\"\n\
    code = \"def step(o): return {'op': 'transfer', 'to': 'alice', 'amount': 1}\"\n";

/// The checks: the others ask for what the document does not promise.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance,ignored_auth";

pub(super) fn prove(binary: &Path, folder: &Path, target: &Path) -> Result<()> {
    let python = folder_with(&target.join("tmp/schemathesis"), &PACKAGES)?;
    let served = fresh(binary, folder, "conform", WORLD, &["--paused"])?;
    let mut broken = Vec::new();
    for role in [&["--as", "alice"][..], &["--operator"], &["--observer"]] {
        let token = served.token(role)?;
        let mut command = Command::new(&python);
        command.current_dir(folder.join("conform"));
        command.args([
            "-m",
            "schemathesis.cli",
            "run",
            "--checks",
            CHECKS,
            "--max-examples",
            "10",
            "--seed",
            "1",
        ]);
        command.args(["--header", &format!("Authorization: Bearer {token}"), "--request-timeout", "90"]);
        command.arg(format!("http://{}/api/v1/openapi.json", served.address));
        if !command.status().context("schemathesis can't be run")?.success() {
            broken.push(role.join(" "));
        }
    }
    served.oikos(&["verify"])?;
    if !broken.is_empty() {
        bail!("answers are not as the document has them, for a token of {}", broken.join(", of "));
    }
    Ok(())
}
