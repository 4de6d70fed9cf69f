//! Clients act, and the server is killed half-way: every receipt that any of them was given is in the journal.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::speed::{AGENTS, WORLD, act};
use crate::served::fresh;

/// For so many seconds, unless it is killed before.
pub(super) fn prove(binary: &Path, folder: &Path, clients: usize, seconds: u64) -> Result<()> {
    let mut served = fresh(binary, folder, "acks", WORLD, &["--paused"])?;
    let tokens = served.seats(clients)?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let address = served.address.clone();
    // Each amount says whose it is, so that a receipt is found by more than its number.
    let pay = |client: usize, _: usize| {
        let (next, amount) = ((client + 1) % AGENTS + 1, client + 1);
        format!("{{\"op\":\"transfer\",\"to\":\"p_{next:03}\",\"amount\":{amount}}}")
    };
    let told = std::thread::scope(|scope| {
        let acting = scope.spawn(|| act(&address, &tokens, until, &pay));
        std::thread::sleep(Duration::from_secs(seconds) / 2);
        let killed = served.kill();
        let told = acting.join().unwrap_or_else(|_| bail!("the clients failed"));
        killed.and(told)
    })?;
    if let Some(at) = told.iter().position(|told| told.cut.is_none()) {
        bail!("client {at} went on after the kill");
    }
    let mut kept: BTreeMap<u64, u64> = BTreeMap::new();
    for line in served.oikos(&["log", "--type", "transfer", "--json"])?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let number = |key: &str| line.get(key).and_then(Value::as_u64);
        kept.insert(number("seq").context("a line has its record")?, number("amount").unwrap_or(0));
    }
    let mut count = 0;
    for (client, told) in told.iter().enumerate() {
        for seq in &told.seqs {
            count += 1;
            if kept.get(seq) != Some(&(client as u64 + 1)) {
                bail!(
                    "client {client} was told of record {seq}, and the journal has {:?} there",
                    kept.get(seq)
                );
            }
        }
    }
    if count == 0 {
        bail!("nobody was told anything");
    }
    let verified = served.oikos(&["verify"])?;
    eprintln!(
        "{clients} clients were given {count} receipts before the kill: all are in the journal, which has {}; {}",
        kept.len(),
        verified.lines().next().unwrap_or_default()
    );
    Ok(())
}
