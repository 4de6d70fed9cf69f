//! The promises: they are asked of a folder after its program was killed, failed, or lost its power.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Result;
use serde_json::Value;

use super::{
    scenario::{DB, LAST_WORD, OUTSIDE, Scenario},
    shim::{Ended, Harm, Tools},
};

/// The end of an undisturbed run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// Digest and journal hash at the end.
    pub(crate) end: Option<Hashes>,
    /// Those of the old world, where one is moved aside.
    pub(crate) old: Option<Hashes>,
    /// How many calls change files, and how many lines are printed.
    pub(crate) calls: u64,
    pub(crate) lines: usize,
}

pub(crate) type Hashes = (String, String);

/// How the promises are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// A reader looks before a writer goes on.
    pub(crate) reader_first: bool,
    /// The writer that goes on is killed too, at this call.
    pub(crate) killed_again: Option<u64>,
}

/// The broken promise, in words; `Ok(Ok(()))` if there is none.
pub(crate) type Found = Result<Result<(), String>>;

macro_rules! promise {
    ($kept:expr, $($words:tt)+) => {
        if !$kept {
            return Ok(Err(format!($($words)+)));
        }
    };
}

/// Digest and journal hash of a report.
pub(crate) fn hashes(report: &Value) -> Option<Hashes> {
    let text = |key: &str| Some(report.get(key)?.as_str()?.to_owned());
    Some((text("state_digest")?, text("journal_hash")?))
}

/// Asks all promises of a folder in which `printed` had been printed when its program ended.
pub(crate) fn promises(
    tools: &Tools,
    scenario: &Scenario,
    expected: &Expected,
    folder: &Path,
    printed: &str,
    asked: Asked,
) -> Found {
    let told = told(printed);
    if asked.reader_first {
        let read = verify(tools, folder, DB)?;
        let nothing =
            read.talk.contains("holds no world") || read.talk.contains("there is no world database");
        let may_be_nothing = told.seq == 0 && (scenario.before.is_empty() || scenario.keeps_old);
        let is_kept = read.code == Some(0) || (nothing && may_be_nothing && matches!(read.code, Some(2 | 3)));
        promise!(is_kept, "a reader right after it {}", read.text());
        let seq = read.report().and_then(|report| report.get("seq")?.as_u64()).unwrap_or(0);
        promise!(seq >= told.seq, "record {} was told of, but {seq} is the last", told.seq);
    }
    if let Some(old) = &expected.old {
        promise!(is_there(tools, folder, old)?, "the old world is lost");
    }
    let again = (scenario.again.arguments(), scenario.again.input());
    let mut later = String::new();
    if let Some(at) = asked.killed_again {
        let killed = tools.harm(folder, &again.0, &again.1, Harm::Kill { at, torn: false }, None)?;
        promise!(
            matches!(killed.code, None | Some(0)),
            "going on, and to be killed at {at}, it {}",
            killed.text()
        );
        later = killed.out;
    }
    let after = tools.run(folder, &again.0, &again.1)?;
    promise!(after.code == Some(0), "going on it {}", after.text());
    if let (true, Some(end)) = (scenario.ends_alike, &expected.end) {
        let came_to = after.report().as_ref().and_then(hashes);
        promise!(came_to.as_ref() == Some(end), "it ends otherwise: {}", after.text());
    }
    let log = tools.run(folder, &words(&["log", DB, "--json"]), &[])?;
    promise!(log.code == Some(0), "its log {}", log.text());
    let found = told_in(&log.out, &[printed, &later, &after.out]);
    promise!(found.is_ok(), "{}", found.err().unwrap_or_default());
    let verified = verify(tools, folder, DB)?;
    promise!(verified.code == Some(0), "in the end verify {}", verified.text());
    if let Some(old) = &expected.old {
        promise!(is_there(tools, folder, old)?, "the old world is lost in the end");
    }
    Ok(Ok(()))
}

/// Checks a program whose calls met errors, before the folder is looked at.
pub(crate) fn ended_well(
    scenario: &Scenario,
    expected: &Expected,
    folder: &Path,
    ended: &Ended,
) -> Result<(), String> {
    let talk = ended.talk.to_lowercase();
    match ended.code {
        // It could do without the call: then nothing is missing.
        Some(0) => {
            let lines = ended.out.lines().count();
            if lines < expected.lines {
                return Err(format!("it ended with 0, though only {lines} lines were printed"));
            }
            let end = ended.report().as_ref().and_then(hashes);
            if scenario.ends_alike && end != expected.end {
                return Err(format!("it ended with 0, but otherwise: {}", ended.text()));
            }
            Ok(())
        }
        Some(3) => {
            // SQLite keeps to itself why it can't open a file.
            let reasons = [
                "input/output error",
                "i/o error",
                "no space left",
                "disk is full",
                "unable to open database",
            ];
            let names_file = talk.contains(DB) || talk.contains(&folder.display().to_string().to_lowercase());
            if !names_file || !reasons.iter().any(|reason| talk.contains(reason)) {
                return Err(format!("the message names not both file and reason: {}", ended.text()));
            }
            if talk.contains("panicked") {
                return Err(format!("it panicked: {}", ended.text()));
            }
            Ok(())
        }
        _ => Err(ended.text()),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn verify(tools: &Tools, folder: &Path, db: &str) -> Result<Ended> {
    tools.run(folder, &words(&["verify", db, "--json"]), &[])
}

/// Whether a world of those hashes lies in the folder, under any name.
fn is_there(tools: &Tools, folder: &Path, wanted: &Hashes) -> Result<bool> {
    for entry in fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let beside = ["-wal", "-shm", "-journal", ".lock"].iter().any(|suffix| name.ends_with(suffix));
        if name.starts_with(DB) && !beside {
            let verified = verify(tools, folder, &name)?;
            if verified.code == Some(0)
                && verified.report().as_ref().and_then(hashes).as_ref() == Some(wanted)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The facts that lines of output tell.
#[derive(Default)]
struct Told {
    /// The last record.
    seq: u64,
    /// Records of transfers from outside, by amount.
    transfers: BTreeMap<i64, u64>,
    /// Events, as they were printed.
    events: Vec<Value>,
}

/// Reads lines of output; one that was cut short tells nothing.
fn told(printed: &str) -> Told {
    let mut told = Told::default();
    for line in printed.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
        if value.get("type").is_some() {
            told.take_seq(&value);
            told.events.push(value);
            continue;
        }
        told.take_receipt(&value);
        value.get("receipt").iter().for_each(|receipt| told.take_receipt(receipt));
        let receipts = value.get("receipts").and_then(Value::as_array);
        receipts.into_iter().flatten().for_each(|receipt| told.take_receipt(receipt));
    }
    told
}

impl Told {
    fn take_seq(&mut self, value: &Value) {
        self.seq = self.seq.max(value.get("seq").and_then(Value::as_u64).unwrap_or(0));
    }

    fn take_receipt(&mut self, receipt: &Value) {
        self.take_seq(receipt);
        let seq = receipt.get("seq").and_then(Value::as_u64);
        let events = receipt.get("events").and_then(Value::as_array);
        for event in events.into_iter().flatten() {
            let amount = event.get("amount").and_then(Value::as_i64).filter(|amount| *amount > OUTSIDE);
            if let (Some(amount), Some(seq)) = (amount, seq) {
                self.transfers.insert(amount, seq);
            }
        }
    }
}

/// Whether a log has all that was printed, and nothing twice.
fn told_in(log: &str, printed: &[&str]) -> Result<(), String> {
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut transfers: BTreeMap<i64, u64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.get("type") == Some(&"transfer".into())) {
        let amount = line.get("amount").and_then(Value::as_i64).unwrap_or(0);
        let seq = line.get("seq").and_then(Value::as_u64).unwrap_or(0);
        if amount > OUTSIDE && transfers.insert(amount, seq).is_some() && amount != LAST_WORD {
            return Err(format!("the transfer of {amount} is in the journal twice"));
        }
    }
    for told in printed.iter().map(|printed| told(printed)) {
        for (amount, seq) in &told.transfers {
            // A client that was cut off may say its last word again, as another action.
            let is_kept = transfers.get(amount).is_some_and(|kept| kept == seq || *amount == LAST_WORD);
            if !is_kept {
                return Err(format!("the transfer of {amount}, acknowledged as record {seq}, is lost"));
            }
        }
        // Both are in order, so one look at the log finds them all.
        let mut rest = lines.iter();
        for event in &told.events {
            if !rest.any(|line| line == event) {
                return Err(format!("the event {event} was told, and is lost"));
            }
        }
    }
    Ok(())
}
