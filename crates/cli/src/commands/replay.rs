//! `oikos replay`.

use anyhow::Result;
use oikos_runner::{Address, Difference, Replayed, When, Workplace, replay as replayed, report};
use serde_json::{Value, json};

use crate::{
    print::Printer,
    status::ExitStatus,
    style::{self, styled},
    table::cut,
};

/// Parts of a record that are shown, and the width of a version of one.
const PARTS: usize = 12;
const PART_CHARS: usize = 64;

pub(super) fn replay(
    path: &Address,
    until: Option<When>,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let journal = super::reading(path)?;
    let until = match until {
        Some(until) => super::record_at(&journal, until)?,
        None => journal.head().seq,
    };
    let bar = crate::summary::progress(until, "records", printer.is_for_programs());
    super::clear_on_signal(&bar);
    let found = replayed(workplace, &journal, until, |seq| bar.set_position(seq));
    bar.finish_and_clear();
    let found = found?;
    let told = printer.data(|| json(&found), || text(&found));
    ExitStatus::answer(found.difference.is_none(), told)
}

fn json(found: &Replayed) -> Value {
    let difference = found.difference.as_ref().map(|difference| {
        let parts = difference
            .parts
            .iter()
            .map(|(at, recorded, replayed)| json!({ "at": at, "recorded": recorded, "replayed": replayed }));
        json!({
            "seq": difference.seq, "time": difference.time.to_string(), "cause": difference.cause,
            "why": difference.why, "parts": parts.collect::<Vec<_>>(),
            "recorded": difference.recorded, "replayed": difference.replayed,
        })
    });
    json!({
        "ok": found.difference.is_none(), "seq": found.seq, "time": found.world.now().to_string(),
        "state_digest": report::hex(&found.world.digest()), "difference": difference,
    })
}

fn text(found: &Replayed) -> String {
    match &found.difference {
        None => format!(
            "{}: {} records executed again\nstate_digest {}",
            styled(style::GOOD, "equal"),
            found.seq,
            report::hex(&found.world.digest())
        ),
        Some(difference) => differs(difference),
    }
}

/// The first record that differs, both versions of each part one under the other.
fn differs(difference: &Difference) -> String {
    let Difference { seq, time, cause, why, parts, .. } = difference;
    let mut lines = vec![
        format!("{}: record {seq} differs, {time}", styled(style::ERROR, "not equal")),
        format!("  {cause}"),
    ];
    if let Some(why) = why {
        lines.push(format!("  no such record is made: {}", cut(why, PART_CHARS)));
    } else if difference.replayed.is_null() {
        lines.push("  no record is made".into());
    }
    if !parts.is_empty() {
        lines.push(versions(difference, ["recorded", "replayed"]));
    }
    lines.join("\n")
}

/// Both versions of each part that differs, one under the other.
pub(super) fn versions(difference: &Difference, names: [&str; 2]) -> String {
    let mut lines = Vec::new();
    for (at, left, right) in difference.parts.iter().take(PARTS) {
        lines.push(format!("  {}", cut(at, PART_CHARS)));
        for (name, version) in names.iter().zip([left, right]) {
            lines.push(format!("    {name}  {}", cut(&version.to_string(), PART_CHARS)));
        }
    }
    if difference.parts.len() > PARTS {
        lines.push(format!("  … and {} parts more; --json has all", difference.parts.len() - PARTS));
    }
    lines.join("\n")
}
