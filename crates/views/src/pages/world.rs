//! The world at a glance: whether it is alive, what goes wrong in it, what it is worth and what it costs.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::{Markup, html};
use oikos_runner::{
    config::Lasts,
    kernel::{
        id::Handle,
        refusal::Code,
        world::{Tally, World},
    },
    show_dollars,
};

use super::{controls::helm, scrubber::scrubber};
use crate::{
    error::Unshown,
    moment::{Moment, Pulse},
    page::{Page, Wanted},
    parts::{card, empty, small_series},
    text::{amount, count, counted, marked_line, number, refused_line, span},
    timeline,
};

/// Rows of each short list.
const ROWS: usize = 5;
/// Lines of the latest events.
const LATEST: usize = 12;

pub(super) fn page(m: &Moment<'_>) -> Result<(String, Markup), Unshown> {
    let mut series = Vec::new();
    for (name, points) in m.past.series.lines.iter().filter(|_| m.knows_all()) {
        series.push(small_series(m, name, points)?);
    }
    let (latest, _) = timeline::before(m, &Wanted::default(), LATEST)?;
    let title = m.world.rules().name.clone();
    Ok((
        title,
        html! {
            (helm(m))
            (strip(m))
            @if m.sees_all() && !m.is_sheet() {
                p class="more" { (m.link(&Page::Compare(None), "Compare with a fork")) }
            }
            h2 { "Time" }
            (scrubber(m))
            h2 { "Measures" }
            @if !m.knows_all() {
                (empty("Balances are private in this world, and measures could tell of them: observers see them."))
            } @else if series.is_empty() {
                (empty(html! {
                    "This world has no measures. The table " code { "[measures]" } " of its file would: "
                    code { "gini = \"gini(scrip)\"" } " is one."
                }))
            }
            div class="charts" { @for one in &series { (one) } }
            div class="grid" {
                div { h2 { "Refused" } (refused(m)) }
                div { h2 { "Health" } (health(m)) }
                div { h2 { "Richest" } (richest(m)) }
                div { h2 { "Most used" } (used(m)) }
            }
            h2 { "Latest" }
            @if latest.is_empty() { (empty("Nothing has happened yet. Steps of agents, and actions from outside, stand here.")) }
            (timeline::list(m, &latest))
            p class="more" { (m.link(&Page::Events(Wanted::default()), "All events")) }
        },
    ))
}

/// The states of the loops: how many are in each.
pub(super) fn states(world: &World) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for agent in world.agents() {
        *counts.entry(agent.state()).or_default() += 1;
    }
    counts
}

/// The progress of the run in words, and whether it is at its end.
fn progress(m: &Moment<'_>) -> (String, bool) {
    let ran = m.world.now().ms() - m.world.rules().start.ms() - m.world.away_ms();
    match m.past.lasts {
        Lasts::Ticks(goal) => {
            let done = m.world.tick().map_or(0, |tick| tick.number + 1);
            (format!("{} of {}", count(done), count(goal)), done >= goal)
        }
        Lasts::Ms(goal) => (format!("{} of {}", span(ran), span(goal)), ran >= goal),
    }
}

fn strip(m: &Moment<'_>) -> Markup {
    let world = m.world;
    let states = states(world);
    let of = |state: &str| states.get(state).copied().unwrap_or(0);
    let totals = &m.past.facts.totals;
    let (far, is_over) = progress(m);
    let unit = match m.past.lasts {
        Lasts::Ticks(_) => "ticks",
        Lasts::Ms(_) => "of the run",
    };
    let word = match m.pulse {
        None if m.whole.is_some() => "a moment of the past".into(),
        Some(Pulse { behind: Some(behind), .. }) => {
            format!("followed, {} behind", span(i64::try_from(behind.as_millis()).unwrap_or(i64::MAX)))
        }
        _ if is_over => "at its end".into(),
        Some(pulse) if pulse.is_paused => "paused".into(),
        Some(_) => "running".into(),
        None => "not at its end".to_owned(),
    };
    let speed = m.pulse.and_then(|pulse| pulse.steps_per_second);
    let steps: u64 = world.agents().map(|agent| agent.steps).sum();
    let stuck = of("blocked") + of("paused");
    let ill = world.health().iter().map(|tally| u64::from(tally.agents.max(1))).sum::<u64>();
    let done = totals.actions + totals.failures;
    let share = (totals.failures * 100).checked_div(done).unwrap_or(0);
    let all = states.values().sum::<u64>() - of("stopped");
    let words: Vec<String> = states.iter().map(|(state, many)| format!("{} {state}", count(*many))).collect();
    html! {
        div class="cards row" {
            (card("Run", far, format!("{unit}, {word}"), false))
            (card("Steps", match speed { Some(speed) => format!("{speed:.0} a second"), None => count(steps) },
                  match speed {
                      Some(_) => format!("{} in all, {} records", count(steps), count(world.seq())),
                      None => format!("{} records", count(world.seq())),
                  }, false))
            (card("Agents", m.link(&Page::Agents(0), count(all)), words.join(", "), false))
            (card("Stuck", m.link(&Page::Agents(0), count(stuck)),
                  format!("{} blocked, {} paused", of("blocked"), of("paused")), stuck > 0))
            (card("Actions", m.link(&Page::Events(Wanted::default()), count(totals.actions)),
                  counted(totals.built.len() as u64, "artifact").replace("artifact", "new artifact"), false))
            (card("Refused", m.link(&refused_page(), count(totals.failures)),
                  format!("{share} % of what was tried"), share >= 50))
            (card("Health", count(ill),
                  if ill == 0 { "nobody is unwell" } else { "unwell: see below" }, ill > 0))
            (card("Scrip", m.link(&Page::Ledger(None), number(world.supply())),
                  format!("{} paid as prices", number(totals.price_volume())), false))
            @if m.knows_all() { (card("CPU", burn(m), "for each minute of world time", false)) }
            (dollars(m))
        }
    }
}

fn refused_page() -> Page {
    Page::Events(Wanted { kind: Some("refused".into()), ..Wanted::default() })
}

/// The CPU that was charged, by the minute.
fn burn(m: &Moment<'_>) -> Markup {
    let ran = (m.world.now().ms() - m.world.rules().start.ms() - m.world.away_ms()).max(1);
    let cpu: i64 = m.past.facts.buckets.parts.iter().map(|part| part.cpu_us).sum();
    let a_minute = i128::from(cpu) * 60_000 / i128::from(ran);
    let text = amount("cpu", i64::try_from(a_minute).unwrap_or(i64::MAX));
    m.link(&Page::Ledger(Some("cpu".into())), text)
}

fn dollars(m: &Moment<'_>) -> Markup {
    if !m.sees_all() {
        return html! {};
    }
    let sums = m.past.bills.sum(|bill| !bill.kind.is_internal && !bill.kind.is_replayed);
    let note = match m.past.forecast {
        Some(forecast) if forecast.low == forecast.high => {
            format!("about {} by the end", show_dollars(forecast.low))
        }
        Some(forecast) => {
            format!("{} to {} by the end", show_dollars(forecast.low), show_dollars(forecast.high))
        }
        None if m.past.bills.bills.is_empty() => "no model was asked".into(),
        None => {
            let replayed = m.past.bills.sum(|bill| !bill.kind.is_internal && bill.kind.is_replayed);
            format!("{} paid, {} replayed", counted(sums.calls, "call"), count(replayed.calls))
        }
    };
    card("Dollars", m.link(&Page::Cost, show_dollars(sums.cost)), note, false)
}

fn refused(m: &Moment<'_>) -> Markup {
    let totals = &m.past.facts.totals;
    let mut reasons: Vec<(&Code, &(u64, String))> = totals.reasons.iter().collect();
    reasons.sort_by_key(|(code, (many, _))| (Reverse(*many), **code));
    html! {
        @if reasons.is_empty() {
            (empty("Nothing was refused. Refusals by contracts, balances and limits stand here, by their reason."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Code" } th class="n" { "times" } th { "the first" } } }
                @for (code, (many, first)) in reasons {
                    @let page = Page::Events(Wanted { code: Some(*code), ..Wanted::default() });
                    tr {
                        td { (code) } td class="n" { (m.link(&page, count(*many))) }
                        td class="said" { @if m.sees_all() { (refused_line(*code, first)) } }
                    }
                }
            } }
        }
    }
}

fn health(m: &Moment<'_>) -> Markup {
    let tallies = m.world.health();
    html! {
        @if tallies.is_empty() {
            (empty("Nobody is unwell. Agents that are silent, repeat themselves, are refused again and again or starve \
                    stand here, each with the likely cause."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Ailment" } th class="n" { "agents" } th { "the first, and the likely cause" } } }
                @for Tally { ailment, agents, first, detail } in tallies {
                    @let word = ailment.as_str();
                    @let cause = detail.strip_prefix(word).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(detail);
                    tr {
                        td { span class="tag warn" { (word) } }
                        td class="n" { @if *first == Handle::NOBODY { "the run" } @else { (agents) } }
                        td class="said" {
                            @if *first != Handle::NOBODY { (m.id(*first)) ": " }
                            @if m.is_own(*first) { (marked_line(cause)) }
                        }
                    }
                }
            } }
        }
    }
}

fn richest(m: &Moment<'_>) -> Markup {
    let mut all: Vec<(i64, Handle)> = m
        .world
        .agents()
        .filter(|agent| agent.state() != "stopped" && m.knows(agent.handle))
        .map(|agent| (m.world.scrip(agent.handle), agent.handle))
        .collect();
    let first = first(&mut all, ROWS);
    html! {
        @if first.is_empty() {
            (empty("Nobody has anything that you may see. Agents with scrip stand here."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Agent" } th class="n" { "scrip" } th class="n" { "steps" } th { "state" } } }
                @for (scrip, handle) in first {
                    @let agent = m.world.agent(*handle);
                    tr {
                        td { (m.id(*handle)) } td class="n" { (number(*scrip)) }
                        td class="n" { (agent.map_or(0, |agent| agent.steps)) }
                        td { (agent.map_or("", |agent| agent.state())) }
                    }
                }
            } }
        }
    }
}

fn used(m: &Moment<'_>) -> Markup {
    let mut all: Vec<(u64, Handle)> = m
        .world
        .artifacts()
        .map(|(handle, _)| (m.world.use_of(handle).0, handle))
        .filter(|(uses, _)| *uses > 0)
        .collect();
    let first = first(&mut all, ROWS);
    html! {
        @if first.is_empty() {
            (empty("No artifact was invoked. Those that are called most stand here."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Artifact" } th { "owner" } th class="n" { "calls" } th class="n" { "earned" } } }
                @for (uses, handle) in first {
                    @let owner = m.world.get(*handle).map(|artifact| artifact.owner());
                    tr {
                        td { (m.id(*handle)) }
                        td { @if let Some(owner) = owner { (m.id(owner)) } }
                        td class="n" { (count(*uses)) } td class="n" { (number(m.world.use_of(*handle).1)) }
                    }
                }
            } }
        }
    }
}

/// The rows with the most, in a list that may be long.
pub(super) fn first<T: Ord + Copy>(all: &mut [(T, Handle)], most: usize) -> &[(T, Handle)] {
    let key = |(many, handle): &(T, Handle)| (Reverse(*many), *handle);
    if all.len() > most && most > 0 {
        all.select_nth_unstable_by_key(most - 1, key);
    }
    let shown = all.get_mut(..most.min(all.len())).unwrap_or_default();
    shown.sort_unstable_by_key(key);
    shown
}
