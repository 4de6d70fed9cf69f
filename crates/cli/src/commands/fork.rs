//! `oikos fork`.

use anyhow::{Result, bail};
use oikos_runner::{
    Address, Fork, Forked, Forking, Misread, When, Workplace, fork as forked, quoted, report,
};
use serde_json::{Value, json};

use super::{Usage, action, pairs, reading, record_at};
use crate::{args::OverrideArgs, print::Printer, status::ExitStatus};

/// The fork that is wanted.
pub(super) struct Wanted {
    pub(super) at: When,
    pub(super) to: Address,
    /// Each principal with its action.
    pub(super) acts: Vec<String>,
    pub(super) overrides: OverrideArgs,
}

pub(super) fn fork(
    path: &Address,
    wanted: &Wanted,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let Wanted { at, to, acts, overrides } = wanted;
    let journal = reading(path)?;
    let seq = record_at(&journal, *at)?;
    let mut all: Vec<(String, Value)> = Vec::new();
    for pair in acts.chunks(2) {
        let [principal, text] = pair else { continue };
        match action(text)? {
            Ok(action) => all.push((principal.clone(), action)),
            Err(Misread::Unfit(refusal)) => bail!(Usage(refusal.exception_text())),
            Err(Misread::Syntax(error)) => bail!(Usage(error)),
        }
    }
    let set = pairs(&overrides.set)?;
    let wanted = Fork { seq, to, set: &set, seed: overrides.seed, acts: &all };
    match forked(workplace, &journal, &wanted)? {
        Forking::Made(made) => {
            printer.data(|| json(&made, to), || text(&made, to))?;
            Ok(ExitStatus::Done)
        }
        Forking::Refused(refusal) => bail!(Usage(refusal.exception_text())),
        Forking::Failed(receipt) => ExitStatus::answer(false, printer.value(&receipt)),
    }
}

fn json(made: &Forked, to: &Address) -> Value {
    let Forked { parent, seq, journal_hash, receipts } = made;
    json!({
        "world": to.to_string(), "parent": parent, "seq": seq, "journal_hash": report::hex(journal_hash),
        "receipts": receipts,
    })
}

fn text(made: &Forked, to: &Address) -> String {
    let Forked { parent, seq, journal_hash, .. } = made;
    format!(
        "forked   {} after record {}, now at record {seq}\njournal  {}\nworld    {}   (oikos run {})",
        parent.file,
        parent.seq,
        report::hex(journal_hash),
        to,
        quoted(&to.to_string())
    )
}
