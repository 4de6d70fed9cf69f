//! Followers that think for the writer of a world: models of a thousand agents are asked by two, and a tick is thought
//! sooner with one.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    postgres::{Cluster, tests},
    served::Served,
};

const NAME: &str = "thoughts";
/// How many times as fast a tick is thought with one follower beside the writer, on two processors.
const TIMES: f64 = 1.7;
const TICKS: u32 = 5;
/// Agents whose thoughts take some ten milliseconds each.
const WORLD: &str = r#"[world]
name = "thoughts"
seed = 7

[execution]
workers = 1

[resources.cpu]
kind = "renewable"
rate = "10s"
window = "60s"

[[agents]]
id = "a"
count = 200
scrip = 100
code = """
def step(observation):
    total = 0
    for i in range(60000):
        total = (total * 31 + i) % 1000003
    print(total)
    return {"op": "transfer", "to": "a_%03d" % (1 + total % 200), "amount": 1}
"""
"#;

pub(super) fn prove(binary: &Path, folder: &Path, root: &Path, target: &Path) -> Result<()> {
    let cluster = Cluster::start()?;
    let sooner = measure(&cluster, binary, &folder.join(NAME));
    let long = ["--test", "thoughts", "--", "--nocapture", "--test-threads", "1"];
    tests(&cluster, root, target, &long).and(sooner)
}

/// How much sooner a tick is thought with one follower.
fn measure(cluster: &Cluster, binary: &Path, folder: &Path) -> Result<()> {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder)?;
    fs::write(folder.join("w.toml"), WORLD)?;
    let (database, (variable, password)) = cluster.make(binary, NAME)?;
    let run = |world: &str, ticks: u32| -> Result<(Duration, serde_json::Value)> {
        let begun = Instant::now();
        let mut run = Command::new(binary);
        run.current_dir(folder).env(variable, password).args(["run", "w.toml", "--json", "--db", world]);
        let told = run.args(["--set", &format!("execution.ticks={ticks}")]).output()?;
        if !told.status.success() {
            bail!("{}", String::from_utf8_lossy(&told.stderr));
        }
        Ok((begun.elapsed(), serde_json::from_slice(&told.stdout)?))
    };
    let (alone, beside) = (format!("{database}?world=alone"), format!("{database}?world=beside"));
    for world in [&alone, &beside] {
        run(world, 0)?;
    }
    let mut serve = Command::new(binary);
    serve.env(variable, password).args(["--json", "serve", "--listen", "127.0.0.1:0", "--follow", &beside]);
    let follower = Served::begin(serve, binary, Path::new(&beside), folder)?;
    std::thread::sleep(Duration::from_secs(1));
    let (with_one, report) = run(&beside, TICKS)?;
    let had = super::examples::thoughts_of(&follower)?;
    drop(follower);
    let (with_none, expected) = run(&alone, TICKS)?;
    for hash in ["state_digest", "journal_hash"] {
        if report.get(hash) != expected.get(hash) {
            bail!("the {hash} is another one with a follower");
        }
    }
    let times = with_none.as_secs_f64() / with_one.as_secs_f64();
    eprintln!(
        "{TICKS} ticks of 200 agents: {with_none:.1?} alone, {with_one:.1?} with a follower, which had {had} thoughts: \
         {times:.2} times as fast"
    );
    if times < TIMES {
        bail!(
            "a tick is thought {times:.2} times as fast with a follower, and {TIMES} are promised on two processors"
        );
    }
    Ok(())
}
