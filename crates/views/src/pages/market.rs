//! The market: prices and sales over time, what is used most, and who trades with whom.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::{Markup, html};
use oikos_runner::kernel::{
    id::{Handle, reserved_prefix},
    record::Why,
};

use super::{
    artifact::steps,
    houses::{auction, escrow},
    world::first,
};
use crate::{
    chart::{Bar, Flow, Node, bars, circle, unit},
    error::Unshown,
    facts::Trade,
    moment::Moment,
    parts::{MIDDLE, by_time, card, drawn, empty},
    text::{count, counted, line, number},
};

/// Rows of the most used, and lines of prices.
const ROWS: usize = 25;
const PRICES: usize = 6;
/// Principals of the matrix; the others are one.
const TRADERS: usize = 10;
/// Lines of the graph.
const FLOWS: usize = 40;

pub(super) fn page(m: &Moment<'_>) -> Result<(String, Markup), Unshown> {
    let facts = &m.past.facts;
    let paid = |why: Why| facts.totals.paid.get(why.as_str()).copied().unwrap_or_default();
    let cards = [
        ("Prices", Why::Price, "for invocations"),
        ("Contracts", Why::ContractCost, "asked by contracts"),
        ("Transfers", Why::Transfer, "given"),
        ("Sent along", Why::Pay, "with invocations"),
        ("Charges", Why::Charge, "taken by mandates"),
    ];
    let (graph, matrix) = who_pays_whom(m);
    Ok((
        "Market".into(),
        html! {
            div class="cards" {
                @for (name, why, note) in cards.into_iter().filter(|(_, why, _)| is_public(m, *why)) {
                    (card(name, number(paid(why).1), format!("scrip {note}, in {} payments", count(paid(why).0)),
                        false))
                }
            }
            div class="grid" {
                div { h2 { "Sales over time" } (sales(m)?) }
                div { h2 { "Prices over time" } (prices(m)?) }
            }
            div class="grid" {
                div { h2 { "Most used" } (used(m)) }
                div { h2 { "Who pays whom" } (graph) }
            }
            (matrix)
            h2 { "Escrow" }
            (escrow(m))
            h2 { "Auction of the mint" }
            (auction(m))
            h2 { "Institutions" }
            (institutions(m))
        },
    ))
}

/// Whether the viewer may know how much was paid in all for a reason: facts count prices for everybody.
fn is_public(m: &Moment<'_>, why: Why) -> bool {
    match why {
        Why::Price => true,
        Why::Pay => m.sees_all(),
        Why::Transfer | Why::ContractCost | Why::Heir | Why::Charge => m.knows_all(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn sales(m: &Moment<'_>) -> Result<Markup, Unshown> {
    let buckets = &m.past.facts.buckets;
    if !m.knows_all() {
        return Ok(empty("Balances are private in this world: observers see what was paid when."));
    }
    if buckets.parts.iter().all(|part| part.paid == 0) {
        return Ok(empty(
            "Nothing was sold. Prices of invocations, and what contracts ask, stand here over time.",
        ));
    }
    let many = i64::try_from(buckets.parts.len()).unwrap_or(i64::MAX);
    let length = buckets.length_ms as f64;
    let (name, ms) = unit(buckets.length_ms.saturating_mul(many));
    let shown: Vec<Bar> = (0_u32..)
        .zip(&buckets.parts)
        .map(|(at, part)| {
            let from = f64::from(at) * length / ms;
            Bar { from, to: from + length / ms, height: part.paid as f64 }
        })
        .collect();
    let svg = bars(MIDDLE, (name, "scrip"), &shown)?;
    Ok(html! {
        figure {
            (drawn(svg))
            figcaption { "Scrip paid as prices and costs of contracts, by the time since the beginning; each bar is " (crate::text::span(buckets.length_ms)) "." }
        }
    })
}

fn prices(m: &Moment<'_>) -> Result<Markup, Unshown> {
    let facts = &m.past.facts;
    let mut sold: Vec<(i64, Handle)> = facts
        .sales
        .iter()
        .filter(|(artifact, _)| facts.prices.contains_key(artifact))
        .map(|(artifact, trade)| (trade.scrip, *artifact))
        .collect();
    let lines: Vec<_> = first(&mut sold, PRICES)
        .iter()
        .filter_map(|(_, artifact)| {
            let prices = facts.prices.get(artifact)?;
            Some((m.world.name(*artifact).to_owned(), steps(prices, m.world.now())))
        })
        .collect();
    if lines.is_empty() {
        return Ok(empty(html! {
            "Nothing with a price was sold. " code { "\"price\": 2" } " in a " code { "write" }
            " gives an artifact one."
        }));
    }
    let svg = by_time(MIDDLE, m.world.rules().start, &lines)?;
    Ok(html! {
        figure { (drawn(svg)) figcaption { "The prices of what earned most, in scrip, by the time since the beginning." } }
    })
}

fn used(m: &Moment<'_>) -> Markup {
    let mut all: Vec<((i64, u64), Handle)> = m
        .world
        .artifacts()
        .map(|(handle, _)| {
            let (uses, earned) = m.world.use_of(handle);
            ((earned, uses), handle)
        })
        .filter(|((_, uses), _)| *uses > 0)
        .collect();
    let many = all.len();
    let users =
        |handle: Handle| m.past.facts.users.range((handle, Handle(0))..=(handle, Handle(u32::MAX))).count();
    let shown = first(&mut all, ROWS);
    html! {
        @if shown.is_empty() {
            (empty("No artifact was invoked. Those that earn most stand here."))
        } @else {
            div class="wide" { table {
                thead { tr {
                    th { "Artifact" } th { "kind" } th { "owner" } th class="n" { "price" } th class="n" { "calls" }
                    th class="n" { "users" } th class="n" { "earned" }
                } }
                @for ((earned, uses), handle) in shown {
                    @if let Some(artifact) = m.world.get(*handle) {
                        tr {
                            td { (m.id(*handle)) } td { (line(artifact.kind())) } td { (m.id(artifact.owner())) }
                            td class="n" { @if artifact.is_deleted() { "deleted" }
                            @else { (number(artifact.price())) } }
                            td class="n" { (count(*uses)) }
                            td class="n" { (count(users(*handle) as u64)) } td class="n" { (number(*earned)) }
                        }
                    }
                }
            } }
            @if many > ROWS { p class="cut" { "The first " (ROWS) " of " (count(many as u64)) "." } }
        }
    }
}

/// Payments between two of them, in one direction.
type Flows<K> = BTreeMap<(K, K), Trade>;

/// The payments that the viewer may know, between those that pay and are paid most: as a graph and as a matrix.
fn who_pays_whom(m: &Moment<'_>) -> (Markup, Markup) {
    // By handle: there may be very many.
    let mut volume: Vec<i64> = Vec::new();
    let seen =
        m.past.facts.trades.iter().filter(|((from, to, why), _)| {
            from != to && *why != Why::Heir && m.knows_payment(*from, *to, *why)
        });
    for ((from, to, _), trade) in seen.clone() {
        for at in [from, to].map(|who| who.0 as usize) {
            if volume.len() <= at {
                volume.resize(at + 1, 0);
            }
            volume.get_mut(at).into_iter().for_each(|sum| *sum = sum.saturating_add(trade.scrip));
        }
    }
    let handles = (0_u32..).map(Handle);
    let mut all: Vec<(i64, Handle)> =
        volume.into_iter().zip(handles).filter(|(scrip, _)| *scrip > 0).collect();
    let many = all.len();
    let names: Vec<(i64, Handle)> = first(&mut all, TRADERS).to_vec();
    let place = |who: Handle| names.iter().position(|(_, name)| *name == who).unwrap_or(names.len());
    let mut flows: Flows<usize> = BTreeMap::new();
    for ((from, to, _), trade) in seen {
        let flow = flows.entry((place(*from), place(*to))).or_default();
        flow.count += trade.count;
        flow.scrip = flow.scrip.saturating_add(trade.scrip);
    }
    let more = many - names.len();
    let mut heads: Vec<Markup> = names.iter().map(|(_, who)| m.id(*who)).collect();
    if more > 0 {
        heads.push(html! { (count(more as u64)) " others" });
    }
    if flows.is_empty() {
        let none = "Nobody has paid anybody. Prices, transfers and what is sent along stand here, from whom to whom.";
        return (empty(none), html! {});
    }
    let matrix = html! {
        (table(&heads, &flows))
        p class="soft" { "Scrip from those at the left to those above, those with the most first." }
    };
    (graph(m, &names, more, &flows), matrix)
}

/// The flows among those that trade most as a graph.
#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn graph(m: &Moment<'_>, names: &[(i64, Handle)], more: usize, flows: &Flows<usize>) -> Markup {
    let name = |who: Handle| m.world.name(who).to_owned();
    let nodes: Vec<Node> = names
        .iter()
        .map(|(size, who)| Node { name: name(*who), href: m.links.to(&m.page_of(*who)), size: *size as f64 })
        .collect();
    // All others would be joined to everybody.
    let among = |at: usize| at < names.len();
    let mut between: Vec<(&(usize, usize), &Trade)> =
        flows.iter().filter(|((from, to), _)| from != to && among(*from) && among(*to)).collect();
    between.sort_by_key(|(ends, flow)| (Reverse(flow.scrip), **ends));
    let left: i64 = between.iter().skip(FLOWS).fold(0, |sum, (_, flow)| sum.saturating_add(flow.scrip));
    let lines: Vec<Flow> = between
        .iter()
        .take(FLOWS)
        .map(|((from, to), flow)| {
            let [payer, payee] = [from, to].map(|at| nodes.get(*at).map_or("", |node| node.name.as_str()));
            let told =
                format!("{payer} to {payee}: {} scrip in {} payments", number(flow.scrip), count(flow.count));
            Flow { from: *from, to: *to, size: flow.scrip as f64, told }
        })
        .collect();
    let hidden = between.len().saturating_sub(FLOWS);
    html! {
        figure {
            (circle(&nodes, &lines))
            figcaption {
                "The wider a line, the more scrip goes along it. "
                @if hidden > 0 {
                    (counted(hidden as u64, "thinner line")) " with " (number(left)) " scrip are left out. "
                }
                @if more > 0 { (count(more as u64)) " with less are left out." }
            }
        }
    }
}

/// Flows as a matrix; the deeper a cell, the more flows.
pub(super) fn table(heads: &[Markup], flows: &Flows<usize>) -> Markup {
    let most = flows.values().map(|flow| flow.scrip).max().unwrap_or(0).max(1);
    let class = |scrip: i64| match i128::from(scrip) * 100 / i128::from(most) {
        60.. => "n w4",
        25.. => "n w3",
        8.. => "n w2",
        1.. => "n w1",
        _ => "n",
    };
    html! {
        div class="wide" { table class="matrix" {
            thead { tr { th {} @for head in heads { th class="n" { (head) } } } }
            @for (row, head) in heads.iter().enumerate() {
                tr {
                    th { (head) }
                    @for column in 0..heads.len() {
                        @match flows.get(&(row, column)) {
                            Some(flow) => {
                                td class=(class(flow.scrip)) title=(format!("{} payments", count(flow.count))) {
                                    (number(flow.scrip)) }
                            }
                            None => { td class="n" {} }
                        }
                    }
                }
            }
        } }
    }
}

/// The library's artifacts that were used.
fn institutions(m: &Moment<'_>) -> Markup {
    let used: Vec<(Handle, (u64, i64))> = m
        .world
        .artifacts()
        .filter(|(_, artifact)| reserved_prefix(artifact.id()).is_some() && !artifact.is_deleted())
        .map(|(handle, _)| (handle, m.world.use_of(handle)))
        .filter(|(_, (uses, _))| *uses > 0)
        .collect();
    html! {
        @if used.is_empty() {
            (empty("No institution was used. Escrow, order book, mint, tasks, debt and votes stand here once they are called."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Institution" } th class="n" { "calls" } th class="n" { "holds" }
                th { "storage keys" } } }
                @for (handle, (uses, _)) in used {
                    @let keys = m.world.get(handle).map_or(0, |artifact| artifact.storage().count());
                    tr {
                        td { (m.id(handle)) } td class="n" { (count(uses)) }
                        td class="n" { @if m.knows(handle) { (number(m.world.scrip(handle))) " scrip" } }
                        td class="n" { (keys) }
                    }
                }
            } }
        }
    }
}
