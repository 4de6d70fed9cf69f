//! This world beside another: where they part, and how they differ at their ends.

use std::cmp::Reverse;

use maud::{Markup, html};
use oikos_runner::{Comparison, Kin, Kinship, kernel::time::Time};

use crate::{
    error::Unshown,
    moment::{Hands, Links, Moment},
    page::Page,
    parts::{MIDDLE, by_time, card, drawn, empty},
    text::{count, digits, instant, line, marked_line, number, short_value},
};

/// Rows of each table.
const ROWS: usize = 30;

/// The page; `with` is the name by which a server was asked for another world.
pub(super) fn page(m: &Moment<'_>, with: Option<&str>) -> Result<(String, Markup), Unshown> {
    if !m.sees_all() {
        let sentence = "Another world is shown to those alone who see all of both.";
        return Err(Unshown::Hidden(sentence.into()));
    }
    let Some(beside) = m.beside else {
        return match with {
            // A name that stands in an address may be anything.
            Some(with) => {
                let with = crate::text::first_letters(with, 64);
                Err(Unshown::NotFound(format!("no world beside this one that is its kin is named `{with}`")))
            }
            None => Ok(("Compare".into(), choice(m))),
        };
    };
    let Comparison { common, seqs, parted, diverged, .. } = &beside.comparison;
    let difference = diverged.as_ref().map(|(difference, _)| difference).or(parted.as_ref());
    let since = difference.map(|difference| difference.time);
    let mut charts = Vec::new();
    for (name, ours) in &m.past.series.lines {
        let theirs = beside.series.lines.iter().find(|(other, _)| other == name).map(|(_, points)| points);
        let lines: Vec<_> = [("this world", Some(ours)), ("the other", theirs)]
            .into_iter()
            .filter_map(|(label, points)| Some((label.to_owned(), after(points?, since).to_vec())))
            .filter(|(_, points)| points.len() > 1)
            .collect();
        if !lines.is_empty() {
            charts.push((name, by_time(MIDDLE, m.world.rules().start, &lines)?));
        }
    }
    Ok((
        "Compare".into(),
        html! {
            p {
                "This world beside " (line(beside.name()))
                @if let Links::Served { .. } = m.links {
                    ", each as it stood at the same time, after record " (m.record(seqs.0)) " of this one and "
                    (count(seqs.1)) " of the other"
                }
                "."
            }
            @if !m.is_sheet() { p class="more" { (m.link(&Page::Compare(None), "Another world")) } }
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
                        "At record " (m.record(difference.seq)) ", " (instant(difference.time)) ", "
                        (marked_line(&difference.cause)) ":"
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

/// The values of a measure from where two worlds part: all before are the same in both.
fn after(points: &[(Time, f64)], since: Option<Time>) -> &[(Time, f64)] {
    let Some(since) = since else { return points };
    let parted = points.iter().take_while(|(time, _)| *time < since).count();
    points.get(parted.saturating_sub(1)..).unwrap_or_default()
}

/// The worlds that can be compared with this one, to choose from.
fn choice(m: &Moment<'_>) -> Markup {
    let Links::Served { named, .. } = m.links else {
        return empty(html! {
            "No other world is at hand. " code { "oikos report A --beside B" }
            " shows two worlds, such as a fork and its parent, side by side."
        });
    };
    let (world, other) = (&named.world, &named.other);
    let makes = html! {
        @if let Hands::Operator(_) = m.hands {
            (m.link(&Page::World, "Fork from here")) " on the first page makes one, of any moment, and so does "
        }
        code { "oikos fork " (world) " --at " (m.seq()) " --to " (other) }
        @if !matches!(m.hands, Hands::Operator(_)) { " makes one" }
        "; " code { "oikos run " (other) } " lets it go its own way"
    };
    if named.in_database.is_some() {
        return empty(html! {
            "Worlds of a database are compared by commands, with its address in the place of the dots. A fork of this \
             world stands in the same database: "
            (makes) ", and " code { "oikos compare " (world) " " (other) } " says where the two part and how they differ."
        });
    }
    if m.kin.is_empty() {
        return empty(html! {
            "There is no fork of this world in its folder yet, nor the world that it was forked from. "
            (makes) ", and then it can be compared here."
        });
    }
    html! {
        p { "Worlds in the folder of this one that it was forked from, or that were forked from it:" }
        div class="wide" { table {
            thead { tr { th { "World" } th { "" } th class="n" { "records in common, at least" }
            th class="n" { "its records" } } }
            @for Kin { name, kinship, shared, head, .. } in m.kin {
                tr {
                    td { (m.link(&Page::Compare(Some(name.clone())), line(name))) }
                    td { (match kinship { Kinship::Parent => "its parent", Kinship::Fork => "a fork" }) }
                    td class="n" { (count(*shared)) } td class="n" { (count(*head)) }
                }
            }
        } }
    }
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
