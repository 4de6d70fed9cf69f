//! The houses of the library in which things are sold: escrow with its listings and deals, the mint's auction.

use maud::{Markup, html};
use oikos_runner::kernel::{id::Handle, record::Why, time::Time, world::Artifact};
use serde_json::Value;

use crate::{
    deals::{Deal, ESCROW},
    moment::Moment,
    page::Page,
    parts::{card, empty},
    text::{count, counted, first_letters, instant, line, number, span},
};

const MINT: &str = "genesis_mint";
/// Rows of each table.
const ROWS: usize = 30;

/// A house that is there.
fn house<'m>(m: &Moment<'m>, id: &str) -> Option<(Handle, &'m Artifact)> {
    let handle = m.world.lookup(id)?;
    m.world.get(handle).filter(|artifact| !artifact.is_deleted()).map(|artifact| (handle, artifact))
}

/// An artifact or a principal by its id, as a link where it is known.
fn named(m: &Moment<'_>, id: &str) -> Markup {
    match m.world.lookup(id) {
        Some(handle) => m.id(handle),
        None => line(id),
    }
}

/// A field of an entry in a storage.
fn field<'v>(entry: &'v Value, name: &str) -> Option<&'v Value> {
    entry.get(name).filter(|value| !value.is_null())
}

fn text<'v>(entry: &'v Value, name: &str) -> &'v str {
    field(entry, name).and_then(Value::as_str).unwrap_or_default()
}

/// A number, which may stand with zeros before it as text.
fn whole(entry: &Value, name: &str) -> Option<i64> {
    let value = field(entry, name)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The entries of a storage whose keys begin so, by what follows.
fn entries<'a>(artifact: &'a Artifact, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    artifact.storage().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value)))
}

/// An instant that stands as text, as other instants are shown.
fn instant_of(text: &str) -> String {
    Time::parse(text).map_or_else(|| first_letters(text, 30).to_owned(), instant)
}

fn cut(many: usize) -> Markup {
    html! { @if many > ROWS { p class="cut" { "The first " (ROWS) " of " (count(many as u64)) "." } } }
}

/// Escrow: what is offered, and what was sold.
pub(super) fn escrow(m: &Moment<'_>) -> Markup {
    let Some((escrow, artifact)) = house(m, ESCROW) else {
        return empty("This world has no `genesis_escrow`: sales without trust would stand here.");
    };
    let deals = &m.past.facts.deals;
    let (many, paid) = deals.all;
    let knows = |deal: &Deal| m.knows_payment(escrow, deal.seller, Why::Transfer);
    html! {
        p class="soft" {
            "Sales without trust, by " (m.id(escrow)) ": the artifact and the price change hands together. "
            (counted(many, "deal"))
            @if m.sees_all() { " for " (number(paid)) " scrip" } " so far."
        }
        div class="grid" {
            div { h3 { "Offered" } (listings(m, escrow, artifact)) }
            div {
                h3 { "Sold" }
                @if deals.last.is_empty() {
                    (empty(html! {
                        "Nothing was sold. Whoever sends the price along to its method " code { "purchase" }
                        " has the artifact, and stands here."
                    }))
                } @else {
                    div class="wide" { table {
                        thead { tr {
                            th { "Artifact" } th class="n" { "price" } th { "seller" } th { "buyer" } th { "when" }
                        } }
                        @for deal in deals.last.iter().rev().take(ROWS) {
                            tr {
                                td { (items(m, &deal.items)) }
                                td class="n" { @if knows(deal) { (number(deal.price)) } @else { "hidden" } }
                                td { (m.id(deal.seller)) } td { (m.id(deal.buyer)) }
                                td { span class="id" { (m.link(&Page::Record(deal.seq), instant(deal.time))) } }
                            }
                        }
                    } }
                    @let shown = deals.last.len().min(ROWS) as u64;
                    @if many > shown { p class="cut" { "The last " (shown) " of " (count(many)) "." } }
                }
            }
        }
    }
}

/// The first of some artifacts, and how many more there are.
fn items(m: &Moment<'_>, items: &[Handle]) -> Markup {
    html! {
        @if let Some(first) = items.first() { (m.id(*first)) }
        @if items.len() > 1 { " and " (count(items.len() as u64 - 1)) " more" }
    }
}

fn listings(m: &Moment<'_>, escrow: Handle, artifact: &Artifact) -> Markup {
    if !m.is_own(escrow) {
        return empty(html! { "Its method " code { "list_active" } " tells what is offered." });
    }
    let all: Vec<(&str, &Value)> = entries(artifact, "lot:").collect();
    html! {
        @if all.is_empty() {
            (empty(html! {
                "Nothing is offered. Whoever gives an artifact along to its method " code { "list" }
                ", with a price, stands here."
            }))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Artifact" } th class="n" { "price" } th { "seller" } th { "for" } } }
                @for (id, lot) in all.iter().take(ROWS) {
                    @let parts = field(lot, "items").and_then(Value::as_array).map_or(1, Vec::len);
                    tr {
                        td { (named(m, id)) @if parts > 1 { " and " (count(parts as u64 - 1)) " more" } }
                        td class="n" { @if let Some(price) = whole(lot, "price") { (number(price)) } }
                        td { (named(m, text(lot, "seller"))) }
                        td {
                            @match field(lot, "buyer").and_then(Value::as_str) {
                                Some(buyer) => { (named(m, buyer)) " alone" }
                                None => "anybody",
                            }
                        }
                    }
                }
            } }
            (cut(all.len()))
        }
    }
}

/// The mint's auction: its terms, the bids, and what came of those before.
pub(super) fn auction(m: &Moment<'_>) -> Markup {
    let Some((mint, artifact)) = house(m, MINT) else {
        return empty("This world has no `genesis_mint`: bids for new scrip would stand here.");
    };
    if !m.is_own(mint) {
        return empty(html! {
            "Bids are sealed. The methods " code { "status" } " and " code { "check" } " of " (m.id(mint))
            " tell when the auction resolves, and what came of a bid."
        });
    }
    let terms = artifact.content();
    let due = artifact.storage().find(|(key, _)| *key == "due").and_then(|(_, due)| due.as_str());
    let bids: Vec<(&str, &Value)> = entries(artifact, "bid:").collect();
    let number_of = |name: &str| whole(terms, name).map_or(String::new(), number);
    html! {
        p class="soft" {
            "Sealed bids for new scrip, by " (m.id(mint)) ": the best win, all winners pay what the best loser bid, and the \
             owner of each winner gets the points of its artifact in scrip."
        }
        div class="cards" {
            (card("Open bids", count(bids.len() as u64), "shown to observers alone", false))
            (card("Resolves", due.map_or("when there are bids".into(), instant_of),
                whole(terms, "every_ms").map_or(String::new(), |every| format!("every {}", span(every))), false))
            (card("Slots", number_of("slots"), "winners each time", false))
            (card("Reserve", number_of("reserve"), "scrip, the least bid", false))
        }
        div class="grid" {
            div { h3 { "Bids" } (open_bids(m, &bids)) }
            div { h3 { "Resolved" } (results(m, artifact)) }
        }
    }
}

fn open_bids(m: &Moment<'_>, bids: &[(&str, &Value)]) -> Markup {
    let mut order: Vec<_> =
        bids.iter().map(|(id, bid)| (whole(bid, "amount").unwrap_or(0), *id, *bid)).collect();
    order.sort_by_key(|(amount, id, _)| (std::cmp::Reverse(*amount), *id));
    html! {
        @if order.is_empty() {
            (empty(html! {
                "Nobody bids. Whoever sends scrip along to its method " code { "bid" }
                ", for an artifact of its own with code, stands here."
            }))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Artifact" } th class="n" { "bid" } th { "bidder" } } }
                @for (amount, id, bid) in order.iter().take(ROWS) {
                    tr { td { (named(m, id)) } td class="n" { (number(*amount)) } td { (named(m, text(bid, "bidder"))) } }
                }
            } }
            (cut(order.len()))
        }
    }
}

fn results(m: &Moment<'_>, artifact: &Artifact) -> Markup {
    let mut all: Vec<(i64, &str, &Value)> = entries(artifact, "res:")
        .filter_map(|(id, kept)| Some((kept.get(0)?.as_i64()?, id, kept.get(1)?)))
        .collect();
    all.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let told = |entry: &Value, name: &str| whole(entry, name).map_or(String::new(), number);
    html! {
        @if all.is_empty() {
            (empty("No auction has resolved. Winners with their score, their price and their new scrip stand here, and losers."))
        } @else {
            div class="wide" { table {
                thead { tr {
                    th { "Artifact" } th { "came of it" } th class="n" { "score" } th class="n" { "price" }
                    th class="n" { "minted" }
                } }
                @for (_, id, result) in all.iter().take(ROWS) {
                    tr {
                        td { (named(m, id)) } td { (line(text(result, "status"))) } td class="n" { (told(result, "score")) }
                        td class="n" { (told(result, "price")) } td class="n" { (told(result, "minted")) }
                    }
                }
            } }
            (cut(all.len()))
        }
    }
}
