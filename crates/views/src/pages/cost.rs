//! Dollars and tokens: what models were asked, by whom and for what, and what the rest will cost.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::{Markup, html};
use oikos_runner::{Bill, Forecast, Sums, kernel::time::format_duration_ms, show_dollars};

use crate::{
    error::Unshown,
    moment::Moment,
    parts::{card, empty},
    text::{count, counted, line},
};

/// Rows of each table; the dearest come first.
const ROWS: usize = 25;

pub(super) fn page(m: &Moment<'_>) -> Result<(String, Markup), Unshown> {
    let own = |bill: &&Bill| m.sees_all() || m.world.lookup(&bill.agent).is_some_and(|agent| m.is_own(agent));
    let bills: Vec<&Bill> = m.past.bills.bills.iter().filter(own).collect();
    let sum = |wanted: &dyn Fn(&Bill) -> bool| {
        let mut all = Sums::default();
        bills.iter().filter(|bill| wanted(bill)).for_each(|bill| all.add(bill.sums));
        all
    };
    let paid = sum(&|bill| !bill.kind.is_internal && !bill.kind.is_replayed);
    let replayed = sum(&|bill| !bill.kind.is_internal && bill.kind.is_replayed);
    let internal = sum(&|bill| bill.kind.is_internal);
    let calls = |sums: Sums| format!("{}, {} failed", counted(sums.calls, "call"), count(sums.failures));
    Ok((
        "Cost".into(),
        html! {
            @if bills.is_empty() {
                (empty(html! {
                    "No model was asked" @if !m.sees_all() { " by you" } ". Agents with " code { "mind = \"llm\"" }
                    " in the world file ask one at each step, and code asks by " code { "call_llm" }
                    ". Their cost stands here, by agent, model and purpose."
                }))
            } @else {
                div class="cards" {
                    (card("Paid", show_dollars(paid.cost), calls(paid), false))
                    (card("Replayed", show_dollars(replayed.cost), format!("{}, from a tape: nobody was paid",
                        calls(replayed)), false))
                    @if internal.calls > 0 {
                        (card("Internal", show_dollars(internal.cost), format!("{}: no provider bills it",
                            calls(internal)), false))
                    }
                    (card("Tokens", count(paid.tokens() + replayed.tokens() + internal.tokens()),
                          format!("{} in, {} out", count(paid.tokens_in + replayed.tokens_in + internal.tokens_in),
                                  count(paid.tokens_out + replayed.tokens_out + internal.tokens_out)), false))
                    @if let Some(forecast) = m.past.forecast.filter(|_| m.sees_all()) { (told(&forecast)) }
                }
                @if m.past.bills.unused > 0 && m.sees_all() {
                    p class="soft" { (counted(m.past.bills.unused,
                        "row")) " of the tape came from elsewhere and wait to be used." }
                }
                (group(m, &bills, "Agent", |bill| bill.agent.clone()))
                (group(m, &bills, "Model", |bill| bill.model.clone()))
                (group(m, &bills, "Purpose", |bill| bill.purpose.as_str().to_owned()))
            }
        },
    ))
}

fn told(forecast: &Forecast) -> Markup {
    let (low, high) = (show_dollars(forecast.low), show_dollars(forecast.high));
    let range = if low == high { low } else { format!("{low} to {high}") };
    let span = |value: u64| {
        if forecast.is_ticks {
            counted(value, "tick")
        } else {
            format_duration_ms(i64::try_from(value).unwrap_or(i64::MAX))
        }
    };
    card("Forecast", range, format!("by {}, from {} so far", span(forecast.goal), span(forecast.done)), false)
}

fn group(m: &Moment<'_>, bills: &[&Bill], heading: &str, name: impl Fn(&Bill) -> String) -> Markup {
    let mut groups: BTreeMap<String, Sums> = BTreeMap::new();
    bills.iter().for_each(|bill| groups.entry(name(bill)).or_default().add(bill.sums));
    let mut rows: Vec<(String, Sums)> = groups.into_iter().collect();
    rows.sort_by_key(|(_, sums)| Reverse((sums.cost, sums.tokens(), sums.calls)));
    let most = rows.first().map_or(0, |(_, sums)| sums.cost);
    let many = rows.len();
    let bar = |cost: u64| {
        let part = |cost: u64| i64::try_from(cost).unwrap_or(i64::MAX);
        crate::parts::bar(part(cost / 100 * 94), part(most))
    };
    html! {
        h2 { "By " (heading.to_lowercase()) }
        div class="wide" { table {
            thead { tr {
                th { (heading) } th class="n" { "calls" } th class="n" { "failed" } th class="n" { "tokens in" }
                th class="n" { "cached" } th class="n" { "tokens out" } th class="n" { "dollars" } th {}
            } }
            @for (name, sums) in rows.iter().take(ROWS) {
                @let who = m.world.lookup(name).filter(|_| heading == "Agent");
                tr {
                    td { @match who { Some(who) => { (m.id(who)) } None => { (line(name)) } } }
                    td class="n" { (count(sums.calls)) }
                    td class=(if sums.failures > 0 { "n bad" } else { "n" }) { (count(sums.failures)) }
                    td class="n" { (count(sums.tokens_in)) } td class="n" { (count(sums.tokens_cached)) }
                    td class="n" { (count(sums.tokens_out)) } td class="n" { (show_dollars(sums.cost)) }
                    td { @if most > 0 { (bar(sums.cost)) } }
                }
            }
        } }
        @if many > ROWS { p class="cut" { "The first " (ROWS) " of " (count(many as u64)) "." } }
        @if heading == "Agent" && m.is_sheet() { p class="soft" { "`oikos cost` has all of it." } }
    }
}
