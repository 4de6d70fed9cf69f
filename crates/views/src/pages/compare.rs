//! This world beside another: where they part, and how they differ at their ends.

use std::cmp::Reverse;

use maud::{Markup, html};
use oikos_runner::Comparison;

use crate::{
    error::Unshown,
    moment::Moment,
    parts::{MIDDLE, by_time, card, drawn, empty},
    text::{count, digits, line, number, short_value},
};

/// Rows of each table.
const ROWS: usize = 30;

pub(super) fn page(m: &Moment<'_>) -> Result<(String, Markup), Unshown> {
    let Some(beside) = m.beside.filter(|_| m.sees_all()) else {
        let sentence = html! {
            "No other world is at hand. " code { "oikos report A --beside B" }
            " shows two worlds, such as a fork and \
             its parent, side by side."
        };
        return Ok(("Compare".into(), empty(sentence)));
    };
    let Comparison { common, seqs, parted, diverged, .. } = &beside.comparison;
    let difference = diverged.as_ref().map(|(difference, _)| difference).or(parted.as_ref());
    let mut charts = Vec::new();
    for (name, ours) in &m.past.series {
        let theirs = beside.past.series.iter().find(|(other, _)| other == name).map(|(_, points)| points);
        let lines: Vec<_> = [("this world", Some(ours)), ("the other", theirs)]
            .into_iter()
            .filter_map(|(label, points)| Some((label.to_owned(), points?.clone())))
            .filter(|(_, points)| points.len() > 1)
            .collect();
        if !lines.is_empty() {
            charts.push((name, by_time(MIDDLE, m.world.rules().start, &lines)?));
        }
    }
    Ok((
        "Compare".into(),
        html! {
            p { "This world beside " (line(&beside.name)) "." }
            div class="cards" {
                (card("In common", count(*common), "records, from the first on", false))
                (card("This world", count(seqs.0), "records", false))
                (card("The other", count(seqs.1), "records", false))
            }
            h2 { "Where they part" }
            @match difference {
                None if parted.is_none() && seqs.0 == seqs.1 => { (empty("They are the same.")) }
                None => { (empty("One is the beginning of the other, but for its rules.")) }
                Some(difference) => {
                    p {
                        "At record " (m.record(difference.seq)) ", " (crate::text::instant(difference.time)) ", "
                        (line(&difference.cause)) ":"
                    }
                    div class="wide" { table {
                        thead { tr { th { "Part" } th { "this world" } th { "the other" } } }
                        @for (part, ours, theirs) in difference.parts.iter().take(ROWS) {
                            tr {
                                td { (line(part)) } td class="said" { (line(&short_value(ours))) }
                                td class="said" { (line(&short_value(theirs))) }
                            }
                        }
                    } }
                }
            }
            h2 { "Measures" }
            (measures(&beside.comparison))
            div class="charts" { @for (name, svg) in charts { figure { figcaption { (line(name)) } (drawn(svg)) } } }
            div class="grid" {
                div { h2 { "Balances" } (balances(&beside.comparison)) }
                div { h2 { "Refusals" } (refusals(&beside.comparison)) }
            }
        },
    ))
}

fn measures(comparison: &Comparison) -> Markup {
    let shown = |value: Option<f64>| value.map_or("no value".into(), digits);
    html! {
        @if comparison.measures.is_empty() {
            (empty("Neither world has measures."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Measure" } th class="n" { "this world" } th class="n" { "the other" }
                th class="n" { "difference" } } }
                @for (name, ours, theirs) in &comparison.measures {
                    tr {
                        td { (line(name)) } td class="n" { (shown(*ours)) } td class="n" { (shown(*theirs)) }
                        td class="n" { (shown(ours.zip(*theirs).map(|(ours, theirs)| theirs - ours))) }
                    }
                }
            } }
        }
    }
}

fn balances(comparison: &Comparison) -> Markup {
    let mut rows: Vec<_> = comparison.balances.iter().collect();
    let apart = |ours: Option<i64>, theirs: Option<i64>| ours.unwrap_or(0).abs_diff(theirs.unwrap_or(0));
    rows.sort_by_key(|(name, ours, theirs)| (Reverse(apart(*ours, *theirs)), name.clone()));
    let shown = |scrip: Option<i64>| scrip.map_or("–".into(), number);
    html! {
        @if rows.is_empty() { (empty("Everybody has the same in both.")) } @else {
            div class="wide" { table {
                thead { tr { th { "Principal" } th class="n" { "this world" } th class="n" { "the other" } } }
                @for (name, ours, theirs) in rows.iter().take(ROWS) {
                    tr { td { (line(name)) } td class="n" { (shown(*ours)) } td class="n" { (shown(*theirs)) } }
                }
            } }
            @if rows.len() > ROWS { p class="cut" { "The first " (ROWS) " of " (count(rows.len() as u64)) "." } }
        }
    }
}

fn refusals(comparison: &Comparison) -> Markup {
    html! {
        @if comparison.refusals.is_empty() { (empty("Everybody was refused as often in both.")) } @else {
            div class="wide" { table {
                thead { tr { th { "Principal" } th { "code" } th class="n" { "this world" }
                th class="n" { "the other" } } }
                @for refused in comparison.refusals.iter().take(ROWS) {
                    tr {
                        td { (line(&refused.principal)) } td { (refused.code) }
                        td class="n" { (count(refused.counts.0)) } td class="n" { (count(refused.counts.1)) }
                    }
                }
            } }
            @if comparison.refusals.len() > ROWS {
                p class="cut" { "The first " (ROWS) " of " (count(comparison.refusals.len() as u64)) "." }
            }
        }
    }
}
