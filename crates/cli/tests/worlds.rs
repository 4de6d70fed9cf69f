//! The example worlds as acceptance tests: each shows the figures that `docs/worlds.md` states.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{path::Path, process::Command};

use serde_json::Value;

/// Runs a world to its end and gives the object that `run --json` ends with.
fn run(world: &str, db: &Path) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds").join(format!("{world}.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_oikos"))
        .args(["run", "--json", "--db"])
        .args([db, &file])
        .output()
        .expect("the binary runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {talk}"))
}

fn lines(db: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
    command.arg(arguments[0]).arg(db).args(&arguments[1..]).arg("--json");
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Asserts that a measure is within four standard deviations of what was found over many seeds.
fn within(report: &Value, name: &str, mean: f64, deviation: f64) {
    let value = report["measures"][name].as_f64().unwrap_or(f64::NAN);
    assert!((value - mean).abs() <= 4.0 * deviation, "{name} is {value}, not {mean} ± {deviation}");
}

#[test]
fn coins_have_the_stationary_state_of_parallel_updates() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("coins.oikos");
    let report = run("coins", &db);
    // √2 − 1, and what follows from it; one-at-a-time updates would give 1/2 and 2/3.
    within(&report, "share_zero", 0.4142, 0.010);
    within(&report, "gini", 0.5799, 0.012);
    assert_eq!(report["supply"], 1_000);
    let balances = lines(&db, &["inspect", "agents"]).remove(0);
    let sum: i64 =
        balances.as_array().expect("agents").iter().map(|agent| agent["scrip"].as_i64().unwrap()).sum();
    assert_eq!(sum, 1_000);
}

#[test]
fn coins_that_move_one_at_a_time_follow_the_geometric_law() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = run("coins_autonomous", &folder.path().join("coins.oikos"));
    within(&report, "share_zero", 0.5, 0.011);
    within(&report, "gini", 2.0 / 3.0, 0.010);
    assert_eq!(report["supply"], 1_000);
}

#[test]
fn a_day_and_a_night_tell_their_story_and_tell_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let [db, again] = ["one.oikos", "two.oikos"].map(|name| folder.path().join(name));
    let report = run("night_and_day", &db);
    assert_eq!(report, run("night_and_day", &again));
    assert_eq!(report["measures"]["claims"], 1.0);
    let log = lines(&db, &["log"]);
    let of = |kind: &str, actor: &str| {
        let fits = log
            .iter()
            .filter(|line| line["type"] == kind && line["actor"] == actor && line["error"].is_null());
        fits.map(|line| {
            (line["seq"].as_u64().expect("a number"), line["time"].as_str().expect("a time").to_owned())
        })
        .collect::<Vec<_>>()
    };
    let (freezes, rescues) = (of("freeze", "hasty"), of("rescue", "creditor"));
    assert_eq!((freezes.len(), rescues.len()), (3, 2));
    for (freeze, rescue) in freezes.iter().zip(&rescues) {
        assert!(
            freeze.0 < rescue.0 && freeze.1 == rescue.1,
            "help comes at that instant: {freeze:?} {rescue:?}"
        );
    }
    // The opening wakes all who wait for it, and an agent that waits for a call has it at that instant.
    for worker in ["steady", "slow", "hasty"] {
        let opened = of("wake", worker).iter().filter(|(_, at)| at == "2026-01-01T06:00:00.000Z").count();
        assert_eq!(opened, 1, "{worker}");
    }
    let (blocks, unblocks) = (of("block", "hasty"), of("unblock", "hasty"));
    assert!(blocks.len() > 10 && unblocks.len() > 10, "{blocks:?} {unblocks:?}");
}

#[test]
fn the_exchange_is_nearly_efficient_without_clever_traders() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = run("exchange", &folder.path().join("exchange.oikos"));
    // A hundred floors that vary by 0.0465 each.
    within(&report, "efficiency", 0.978, 0.0047);
    within(&report, "trades", 3.82, 0.047);
    assert_eq!(report["supply"], 200_000);
}

#[test]
fn the_bazaar_builds_capital_on_capital() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("bazaar.oikos");
    let report = run("bazaar", &db);
    assert_eq!(report["supply"], 1_300);
    within(&report, "gini", 0.42, 0.07);
    within(&report, "tools", 12.0, 2.0);
    within(&report, "reports", 667.0, 63.0);
    let artifacts = lines(&db, &["inspect", "artifacts"]).remove(0);
    let tools = artifacts.as_array().expect("artifacts").iter().filter(|artifact| artifact["kind"] == "tool");
    assert!(tools.count() >= 3, "tools that agents made stand at the end");
    // An index calls a detector, which calls an analysis: three deep, each paid for.
    let log = lines(&db, &["log"]);
    for (caller, callee) in [("index", "patterns"), ("patterns", "analysis")] {
        let calls = log.iter().any(|line| {
            line["type"] == "invoke"
                && line["actor"].as_str().is_some_and(|actor| actor.starts_with(caller))
                && line["artifact"].as_str().is_some_and(|artifact| artifact.starts_with(callee))
        });
        assert!(calls, "no {caller} ever called a {callee}");
    }
    for code in ["insufficient_scrip", "not_found", "limit_exceeded", "quota_exceeded", "permission_denied"] {
        assert!(log.iter().any(|line| line["error"]["code"] == code), "nobody was ever refused with {code}");
    }
}

#[test]
fn the_readme_shows_what_the_first_command_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let world = root.join("worlds/bazaar.toml").canonicalize().expect("the world file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
    let output = command.current_dir(folder.path()).arg("run").arg(world).output().expect("the binary runs");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let block = readme.split("```\n").find_map(|block| block.split_once("-- run worlds/bazaar.toml\n"));
    assert_eq!(block.map(|(_, shown)| shown), Some(shown.as_str()), "README.md shows another output");
}
