//! `oikos compare`.

use anyhow::Result;
use oikos_runner::{Address, Comparison, Difference, Workplace, compare as compared, number};
use serde_json::{Value, json};

use super::{reading, replay::versions};
use crate::{
    print::Printer,
    status::ExitStatus,
    table::{Column, table},
};

/// Rows of each table.
const ROWS: usize = 20;

pub(super) fn compare(
    first: &Address,
    second: &Address,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let found = compared(workplace, &reading(first)?, &reading(second)?)?;
    printer.data(|| json(&found), || text(&found))?;
    Ok(ExitStatus::Done)
}

fn json(found: &Comparison) -> Value {
    let parted = found.parted.as_ref().map(|parted| difference(parted, parted.seq));
    let diverged = found.diverged.as_ref().map(|(diverged, seq)| difference(diverged, *seq));
    let pair = |key: &str, name: &str, a: Value, b: Value| json!({ key: name, "a": a, "b": b });
    let measures = found.measures.iter().map(|(name, a, b)| pair("name", name, json!(a), json!(b)));
    let balances = found.balances.iter().map(|(id, a, b)| pair("id", id, json!(a), json!(b)));
    let artifacts = found.artifacts.iter().map(|(id, parts)| json!({ "id": id, "differs": parts }));
    let refusals = found.refusals.iter().map(|refused| {
        json!({ "id": refused.principal, "code": refused.code.as_str(), "a": refused.counts.0, "b": refused.counts.1 })
    });
    json!({
        "common": found.common, "seq": { "a": found.seqs.0, "b": found.seqs.1 }, "parted": parted,
        "diverged": diverged, "measures": measures.collect::<Vec<_>>(), "balances": balances.collect::<Vec<_>>(),
        "artifacts": { "only_a": found.only.0, "only_b": found.only.1, "differ": artifacts.collect::<Vec<_>>() },
        "refusals": refusals.collect::<Vec<_>>(),
    })
}

/// A record of both that differs, with its number in the second.
fn difference(found: &Difference, there: u64) -> Value {
    let parts = found.parts.iter().map(|(at, a, b)| json!({ "at": at, "a": a, "b": b }));
    json!({
        "seq": found.seq, "seq_b": there, "time": found.time.to_string(), "cause": found.cause,
        "parts": parts.collect::<Vec<_>>(), "a": found.recorded, "b": found.replayed,
    })
}

fn text(found: &Comparison) -> String {
    let mut parts = vec![parting(found)];
    let name = |word| Column::Name(word);
    let (a, b) = (Column::Number("A"), Column::Number("B"));
    let measure = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let rows = found.measures.iter().map(|(name, a, b)| vec![name.clone(), measure(a), measure(b)]);
    parts.extend(rows_of(&[name("measure"), a, b], rows.collect()));
    let scrip = |value: &Option<i64>| value.map_or_else(|| "-".to_owned(), number);
    let rows = found.balances.iter().map(|(id, a, b)| vec![id.clone(), scrip(a), scrip(b)]);
    parts.extend(rows_of(&[name("principal"), a, b], rows.collect()));
    let only = [(&found.only.0, "only in A"), (&found.only.1, "only in B")];
    let rows = only.iter().flat_map(|(ids, word)| ids.iter().map(|id| vec![id.clone(), (*word).to_owned()]));
    let differing = found.artifacts.iter().map(|(id, parts)| vec![id.clone(), parts.join(", ")]);
    parts.extend(rows_of(&[name("artifact"), Column::Text("differs in")], rows.chain(differing).collect()));
    let rows = found.refusals.iter().map(|refused| {
        let (a, b) = refused.counts;
        vec![refused.principal.clone(), refused.code.as_str().to_owned(), number(a), number(b)]
    });
    parts.extend(rows_of(&[name("refused"), Column::Word("code"), a, b], rows.collect()));
    parts.join("\n\n")
}

/// Where the worlds part, in words.
fn parting(found: &Comparison) -> String {
    let (a, b) = found.seqs;
    match &found.parted {
        None if a == b => format!("equal: the same {a} records"),
        None => format!(
            "the same {} records, and then only {} goes on",
            found.common,
            if a > b { "A" } else { "B" }
        ),
        Some(parted) if found.common == 0 => {
            format!("nothing in common: they were founded otherwise\n{}", versions(parted, ["A", "B"]))
        }
        Some(parted) => {
            format!(
                "they part at record {}, {}\n  {}\n{}",
                parted.seq,
                parted.time,
                parted.cause,
                versions(parted, ["A", "B"])
            ) + &diverging(found)
        }
    }
}

/// The first thing that goes otherwise under other rules, in words.
fn diverging(found: &Comparison) -> String {
    let Some((first, there)) = &found.diverged else { return String::new() };
    format!(
        "\nthen they differ at record {} of A, {there} of B, {}\n  {}\n{}",
        first.seq,
        first.time,
        first.cause,
        versions(first, ["A", "B"])
    )
}

/// A table, if it has rows, and how many are left out.
fn rows_of(columns: &[Column<'_>], mut rows: Vec<Vec<String>>) -> Option<String> {
    let left_out = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let more =
        if left_out > 0 { format!("\n… and {left_out} more; --json has all") } else { String::new() };
    (!rows.is_empty()).then(|| format!("{}{more}", table(columns, &rows)))
}
