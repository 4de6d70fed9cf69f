//! The command line of the MCP inspector lives in a world: each call is a client of its own, which comes over HTTP.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::environments::succeeds;
use crate::served::{Served, fresh};

/// The inspector, and the Node that it needs, whatever this machine has.
const PACKAGES: [&str; 2] = ["node@22.23.3", "@modelcontextprotocol/inspector@2.12.0"];

/// A world in which bob pays alice, who is decided for by a client.
const WORLD: &str = "[world]\nname = \"shop\"\n\n[execution]\nticks = 9\n\n[scrip]\nstart = 20\n\n[[artifacts]]\nid = \"bread\"\n\
    owner = \"bob\"\nprice = 3\ncontent = \"a loaf\"\ncode = \"def run(): return 'a loaf'\"\n\n[[agents]]\nid = \"alice\"\n\
    mind = \"external\"\n\n[[agents]]\nid = \"bob\"\n\
    code = \"def step(o): return {'op': 'transfer', 'to': 'alice', 'amount': 1} if o['tick'] >= 3 else None\"\n";

pub(super) fn prove(binary: &Path, folder: &Path, target: &Path) -> Result<()> {
    let inspector = installed(&target.join("tmp/inspector"))?;
    for era in ["modern", "legacy"] {
        let served = fresh(binary, folder, "inspect", WORLD, &[])?;
        let token = served.token(&["--as", "alice"])?;
        let visit = Visit { inspector: &inspector, served: &served, token: &token, era };
        visit.whole().with_context(|| format!("the inspector, as a client of the {era} protocol"))?;
        served.oikos(&["verify"])?;
    }
    Ok(())
}

/// Installs the inspector into a folder, where it is not there in its version.
fn installed(folder: &Path) -> Result<PathBuf> {
    let version = |package: &str| {
        let (name, wanted) = package.rsplit_once('@').unwrap_or((package, ""));
        let text = fs::read_to_string(folder.join("node_modules").join(name).join("package.json"));
        let there: Value = text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        there.get("version").and_then(Value::as_str) == Some(wanted)
    };
    if !PACKAGES.iter().all(|package| version(package)) {
        fs::create_dir_all(folder)?;
        let mut install = Command::new("npm");
        install.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(folder).args(PACKAGES);
        ensure!(succeeds(&mut install), "npm can't install {}", PACKAGES.join(", "));
    }
    Ok(folder.to_owned())
}

/// A visit of the inspector.
struct Visit<'v> {
    inspector: &'v Path,
    served: &'v Served,
    token: &'v str,
    era: &'static str,
}

impl Visit<'_> {
    /// It looks, acts, is refused, recovers, sleeps until it is paid, waits and reads.
    fn whole(&self) -> Result<()> {
        let tools = self.done(&["--method", "tools/list", "--strict"])?;
        let many = tools.get("tools").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!((1..=20).contains(&many), "{many} tools");
        let paid = self.call("transfer", &["to=bob", "amount=5"])?;
        is(&paid, "/result/balance", &Value::from(15))?;
        let refused = self.call("invoke", &["artifact=bread", "max_spend=2"])?;
        is(&refused, "/error/code", &Value::from("limit_exceeded"))?;
        let bought = self.call("invoke", &["artifact=bread", "max_spend=3"])?;
        is(&bought, "/result", &Value::from("a loaf"))?;
        let slept = self.call("sleep", &["resource=scrip", "level=13", "for=1h"])?;
        is(&slept, "/ended/by", &Value::from("level"))?;
        let waited = self.call("wait", &["event=transfer"])?;
        is(&waited, "/ended/by", &Value::from("event"))?;
        let read = self.done(&["--method", "resources/read", "--uri", "oikos://artifact/bread"])?;
        is(&read, "/contents/0/text", &Value::from("a loaf"))
    }

    /// The receipt of a tool, refused or not.
    fn call(&self, tool: &str, arguments: &[&str]) -> Result<Value> {
        let mut words = vec!["--method", "tools/call", "--tool-name", tool];
        words.extend(arguments.iter().flat_map(|argument| ["--tool-arg", argument]));
        let output = self.run(&words)?;
        let told = told(&output)?;
        let receipt = told.get("structuredContent").cloned();
        receipt.with_context(|| format!("{tool} is answered by no receipt: {told}"))
    }

    /// The answer to a request that is fine.
    fn done(&self, words: &[&str]) -> Result<Value> {
        let output = self.run(words)?;
        if !output.status.success() {
            bail!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        told(&output)
    }

    fn run(&self, words: &[&str]) -> Result<Output> {
        let modules = self.inspector.join("node_modules");
        let mut command = Command::new(modules.join("node/bin/node"));
        command.arg(modules.join(".bin/mcp-inspector")).arg("--cli");
        command.arg(format!("http://{}/mcp", self.served.address)).args(["--transport", "http"]);
        command.args(["--header", &format!("Authorization: Bearer {}", self.token)]);
        command.args(["--protocol-era", self.era]).args(words);
        command.output().context("the inspector can't be run")
    }
}

/// The JSON that it prints.
fn told(output: &Output) -> Result<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .with_context(|| format!("no JSON: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

/// A part of an answer is this.
fn is(answer: &Value, at: &str, wanted: &Value) -> Result<()> {
    ensure!(answer.pointer(at) == Some(wanted), "{at} is not {wanted}: {answer}");
    Ok(())
}
