//! The ledger: how scrip and each resource are distributed, how they flow, and who has run dry.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::{Markup, html};
use oikos_runner::kernel::{
    id::Handle,
    record::Why,
    resource::{ResourceId, ResourceKind, SCRIP},
    time::Time,
};

use super::market;
use crate::{
    chart::{Bar, Line, bars, lines},
    error::Unshown,
    facts::Trade,
    moment::Moment,
    page::Page,
    parts::{MIDDLE, bar, by_time, card, drawn, empty, kind_words},
    text::{amount, count, digits, line, number},
};

/// Bars of a histogram.
const BARS: i64 = 24;
/// Points of a curve.
const POINTS: usize = 200;
/// The holders that are listed.
const ROWS: usize = 20;
/// Groups of a matrix; the others are one.
const GROUPS: usize = 10;
/// Names of those who have run dry.
const NAMES: usize = 6;

pub(super) fn page(m: &Moment<'_>, resource: Option<&str>) -> Result<(String, Markup), Unshown> {
    let rules = m.world.rules();
    let of = match resource.filter(|name| *name != SCRIP) {
        None => None,
        Some(name) => Some(rules.resource(name).ok_or_else(|| {
            let names: Vec<&str> = rules.by_id().map(|(_, rule)| rule.name.as_str()).collect();
            let name = crate::text::first_letters(name, 64);
            Unshown::NotFound(format!("there is no resource `{name}`; there are scrip, {}", names.join(", ")))
        })?),
    };
    let name = of.map_or(SCRIP, |id| rules.resource_name(id));
    let held = held(m, of);
    let title = of.map_or_else(|| "Ledger".to_owned(), |_| format!("Ledger: {name}"));
    Ok((
        title,
        html! {
            @if of.is_some() { p { (m.link(&Page::Ledger(None), "← scrip and all resources")) } }
            (summary(m, of, name, &held))
            @if held.is_empty() {
                (empty("There is nobody whose balance you may see. Agents stand here, with what they have."))
            } @else {
                div class="grid" {
                    div { h2 { "How many have how much" } (histogram(name, &held)?) }
                    div { h2 { "How equal it is" } (lorenz(name, &held)?) }
                }
            }
            @if of.is_none() {
                div class="grid" {
                    div { h2 { "Supply" } (supply(m)?) }
                    div { h2 { "Who has most" } (holders(m, name, &held)) }
                }
                h2 { "Flows between groups" }
                (flows(m))
                h2 { "Resources" }
                (all_resources(m))
            } @else {
                h2 { "Who has most" }
                (holders(m, name, &held))
            }
        },
    ))
}

/// Scrip, or the free amount of a resource, or the use of one that limits nobody, of each agent that is there.
fn held(m: &Moment<'_>, of: Option<ResourceId>) -> Vec<(i64, Handle)> {
    let (world, now) = (m.world, m.world.now());
    let mut all: Vec<(i64, Handle)> = world
        .agents()
        .filter(|agent| agent.state() != "stopped" && m.knows(agent.handle))
        .map(|agent| {
            let who = agent.handle;
            let amount = match of {
                None => world.scrip(who),
                Some(id) if world.rules().kind(id) == ResourceKind::Metered => world.used(who, id),
                Some(id) => world.capacity(who, id, now),
            };
            (amount, who)
        })
        .collect();
    all.sort_unstable();
    all
}

/// The Gini coefficient of sorted amounts, none of which is negative.
#[expect(clippy::cast_precision_loss, reason = "a statistic is no account: it may be rounded")]
fn gini(held: &[(i64, Handle)]) -> f64 {
    let sum: i128 = held.iter().map(|(amount, _)| i128::from(*amount)).sum();
    let weighted: i128 = (1_i128..).zip(held).map(|(rank, (amount, _))| rank * i128::from(*amount)).sum();
    let many = held.len() as f64;
    if sum == 0 { 0.0 } else { 2.0 * weighted as f64 / (many * sum as f64) - (many + 1.0) / many }
}

fn summary(m: &Moment<'_>, of: Option<ResourceId>, name: &str, held: &[(i64, Handle)]) -> Markup {
    let sum: i128 = held.iter().map(|(amount, _)| i128::from(*amount)).sum();
    let sum = i64::try_from(sum).unwrap_or(i64::MAX);
    let dry = held.iter().filter(|(amount, _)| *amount <= 0).count();
    let middle = held.get(held.len() / 2).map_or(0, |(amount, _)| *amount);
    let most = held.last().map_or(0, |(amount, _)| *amount);
    html! {
        div class="cards" {
            @match of {
                None => {
                    (card("Supply", number(m.world.supply()), "scrip in the world, conserved", false))
                    (card("With agents", number(sum), format!("of {} agents", count(held.len() as u64)), false))
                }
                Some(id) => {
                    (card("Kind", kind_words(m.world.rules().kind(id)), "of scarcity", false))
                    (card("Together", amount(name, sum), if m.world.rules().kind(id) == ResourceKind::Metered {
                        "used" } else { "free" }, false))
                }
            }
            @if !held.is_empty() {
                (card("Median", amount(name, middle), format!("the most is {}", amount(name, most)), false))
                (card("With nothing", count(dry as u64), "agents", false))
                (card("Gini", digits(gini(held)), "0 is equal, 1 is all with one", false))
            }
        }
    }
}

/// The unit in which amounts of a resource stand at an axis, and how many base units it has.
fn axis(name: &str) -> (String, f64) {
    match name {
        "cpu" => ("ms of cpu".into(), 1_000.0),
        "memory" | "disk" => (format!("kB of {name}"), 1_000.0),
        ResourceId::LLM_BUDGET => ("dollars".into(), 1_000_000.0),
        _ => (name.to_owned(), 1.0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn histogram(name: &str, held: &[(i64, Handle)]) -> Result<Markup, Unshown> {
    let (low, high) =
        (held.first().map_or(0, |(amount, _)| *amount), held.last().map_or(0, |(amount, _)| *amount));
    let span = i128::from(high) - i128::from(low) + 1;
    let width = (span + i128::from(BARS) - 1) / i128::from(BARS);
    let mut heights: BTreeMap<i128, u32> = BTreeMap::new();
    for (amount, _) in held {
        *heights.entry((i128::from(*amount) - i128::from(low)) / width.max(1)).or_default() += 1;
    }
    let (unit, scale) = axis(name);
    let shown: Vec<Bar> = (0..=(span - 1) / width.max(1))
        .map(|at| {
            let from = (i128::from(low) + at * width) as f64 / scale;
            let height = f64::from(heights.get(&at).copied().unwrap_or(0));
            Bar { from, to: from + width as f64 / scale, height }
        })
        .collect();
    let svg = bars(MIDDLE, (&unit, "agents"), &shown)?;
    Ok(html! { figure { (drawn(svg)) figcaption { "How many agents have how much." } } })
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn lorenz(name: &str, held: &[(i64, Handle)]) -> Result<Markup, Unshown> {
    let sum: i128 = held.iter().map(|(amount, _)| i128::from(*amount)).sum();
    if sum <= 0 {
        return Ok(empty("Nobody has any of it."));
    }
    let each = held.len().div_ceil(POINTS).max(1);
    let mut points = vec![(0.0, 0.0)];
    let mut so_far = 0_i128;
    for (at, (amount, _)) in (1_usize..).zip(held) {
        so_far += i128::from(*amount);
        if at % each == 0 || at == held.len() {
            points.push((at as f64 * 100.0 / held.len() as f64, so_far as f64 * 100.0 / sum as f64));
        }
    }
    let curve = Line::plain("as it is", points);
    let equal = Line::plain("if all had the same", [(0.0, 0.0), (100.0, 100.0)]);
    let svg = lines(MIDDLE, ("% of agents, the poorest first", &format!("% of {name}")), &[curve, equal])?;
    Ok(
        html! { figure { (drawn(svg)) figcaption { "The Lorenz curve: how much of all the poorest have together." }
        } },
    )
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn supply(m: &Moment<'_>) -> Result<Markup, Unshown> {
    let buckets = &m.past.facts.buckets;
    let mut sum = 0_i64;
    let mut points: Vec<(Time, f64)> = Vec::new();
    for (at, part) in buckets.parts.iter().enumerate() {
        sum = sum.saturating_add(part.minted);
        if let Some(time) = buckets.begins(at) {
            points.push((time, sum as f64));
        }
    }
    points.push((m.world.now(), sum as f64));
    let svg = by_time(MIDDLE, m.world.rules().start, &[(String::new(), points)])?;
    Ok(html! {
        figure { (drawn(svg)) figcaption { "Scrip that was founded and minted, by the time since the beginning." } }
    })
}

fn holders(m: &Moment<'_>, name: &str, held: &[(i64, Handle)]) -> Markup {
    let most = held.last().map_or(0, |(amount, _)| *amount);
    let mut rows: Vec<&(i64, Handle)> = held.iter().rev().take(ROWS).collect();
    rows.sort_by_key(|(amount, who)| (Reverse(*amount), *who));
    html! {
        @if !rows.is_empty() {
            div class="wide" { table {
                thead { tr { th { "Agent" } th class="n" { (name) } th {} } }
                @for (held, who) in rows {
                    tr { td { (m.id(*who)) } td class="n" { (amount(name, *held)) } td { (bar_of(*held, most)) } }
                }
            } }
        }
    }
}

/// A bar that says how much, and is never alarming.
fn bar_of(part: i64, most: i64) -> Markup {
    bar(i64::try_from(i128::from(part) * 94 / 100).unwrap_or(part), most)
}

/// The name of the group to which an artifact belongs: its id without the number at its end.
pub(super) fn group(id: &str) -> &str {
    let bare = id.trim_end_matches(|letter: char| letter.is_ascii_digit());
    match bare.strip_suffix(['_', '-', '.', ':']) {
        Some(group) if bare.len() < id.len() && !group.is_empty() => group,
        _ => id,
    }
}

/// Payments between groups of principals whose ids differ by a number only.
fn flows(m: &Moment<'_>) -> Markup {
    let seen =
        m.past.facts.trades.iter().filter(|((from, to, why), _)| {
            from != to && *why != Why::Heir && m.knows_payment(*from, *to, *why)
        });
    // The group of a principal is found once: there may be very many payments.
    let (mut groups, mut numbers) = (Vec::<&str>::new(), BTreeMap::<&str, usize>::new());
    let mut found: Vec<Option<usize>> = Vec::new();
    let mut group_of = |who: Handle| {
        let at = who.0 as usize;
        if found.len() <= at {
            found.resize(at + 1, None);
        }
        let name = || group(m.world.name(who));
        let number = found.get(at).copied().flatten().unwrap_or_else(|| {
            *numbers.entry(name()).or_insert_with(|| {
                groups.push(name());
                groups.len() - 1
            })
        });
        found.get_mut(at).into_iter().for_each(|place| *place = Some(number));
        number
    };
    let mut by_number: BTreeMap<(usize, usize), Trade> = BTreeMap::new();
    for ((from, to, _), trade) in seen {
        let flow = by_number.entry((group_of(*from), group_of(*to))).or_default();
        flow.count += trade.count;
        flow.scrip = flow.scrip.saturating_add(trade.scrip);
    }
    let name = |number: usize| groups.get(number).copied().unwrap_or_default();
    let between: BTreeMap<(&str, &str), Trade> =
        by_number.into_iter().map(|((from, to), trade)| ((name(from), name(to)), trade)).collect();
    let mut volume: BTreeMap<&str, i64> = BTreeMap::new();
    for ((from, to), trade) in &between {
        for name in [from, to] {
            let sum = volume.entry(name).or_default();
            *sum = sum.saturating_add(trade.scrip);
        }
    }
    let mut names: Vec<(Reverse<i64>, &str)> =
        volume.into_iter().map(|(name, sum)| (Reverse(sum), name)).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(GROUPS);
    names.truncate(GROUPS);
    let place = |name: &str| names.iter().position(|(_, one)| *one == name).unwrap_or(names.len());
    let mut cells: BTreeMap<(usize, usize), Trade> = BTreeMap::new();
    for ((from, to), trade) in &between {
        let cell = cells.entry((place(from), place(to))).or_default();
        cell.count += trade.count;
        cell.scrip = cell.scrip.saturating_add(trade.scrip);
    }
    let mut heads: Vec<Markup> = names.iter().map(|(_, name)| html! { (name) }).collect();
    if more > 0 {
        heads.push(html! { (more) " others" });
    }
    html! {
        @if cells.is_empty() {
            (empty("Nobody has paid anybody. Payments between groups stand here; a group has one name and many numbers."))
        } @else {
            (market::table(&heads, &cells))
            p class="soft" { "Scrip from those at the left to those above. Principals whose ids differ by a number only are one group." }
        }
    }
}

/// Every resource: how scarce it is, how much is in use, and who has run dry.
fn all_resources(m: &Moment<'_>) -> Markup {
    let (world, now) = (m.world, m.world.now());
    let agents: Vec<Handle> =
        world.agents().filter(|agent| agent.state() != "stopped").map(|agent| agent.handle).collect();
    html! {
        div class="wide" { table {
            thead { tr {
                th { "Resource" } th { "kind" } th class="n" { "limits together" } th class="n" { "free" }
                th { "in use" }
                th class="n" { "charged in all" } th class="n" { "run dry" } th { "such as" }
            } }
            @for (id, rule) in world.rules().by_id() {
                @let charged = m.past.facts.totals.consumed.get(&id).copied().filter(|_| m.knows_all()).unwrap_or(0);
                @let link = m.link(&Page::Ledger(Some(rule.name.clone())), &rule.name);
                @if rule.kind == ResourceKind::Metered {
                    tr {
                        td { (link) } td { (kind_words(rule.kind)) } td class="n" { "none" } td {} td {}
                        td class="n" { (amount(&rule.name, charged)) } td {} td {}
                    }
                } @else {
                    @let sums = sums(m, id, &agents, now);
                    tr {
                        td { (link) } td { (kind_words(rule.kind)) }
                        td class="n" { (amount(&rule.name, sums.limit)) }
                        td class="n" { (amount(&rule.name, sums.free)) }
                        td { (bar(sums.limit.saturating_sub(sums.free), sums.limit)) }
                        td class="n" { (amount(&rule.name, charged)) }
                        td class="n" { (count(sums.dry)) }
                        td { @for who in &sums.first { (m.id(*who)) " " } @if sums.dry > NAMES as u64 { "…" } }
                    }
                }
            }
        } }
        p class="soft" { "Of the agents' own limits: " (line("an agent has run dry where nothing is free.")) }
    }
}

#[derive(Default)]
struct Sums {
    limit: i64,
    free: i64,
    dry: u64,
    first: Vec<Handle>,
}

fn sums(m: &Moment<'_>, id: ResourceId, agents: &[Handle], now: Time) -> Sums {
    let mut sums = Sums::default();
    for who in agents.iter().copied().filter(|who| m.knows(*who)) {
        let (limit, free) = (m.world.limit(who, id), m.world.capacity(who, id, now));
        sums.limit = sums.limit.saturating_add(limit);
        sums.free = sums.free.saturating_add(free);
        if free <= 0 {
            sums.dry += 1;
            if sums.first.len() < NAMES {
                sums.first.push(who);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_a_name_and_many_numbers() {
        for (id, name) in [
            ("trader_001", "trader"),
            ("copy_001_9", "copy_001"),
            ("alice", "alice"),
            ("r2d2", "r2d2"),
            ("house-7", "house"),
            ("17", "17"),
            ("_1", "_1"),
        ] {
            assert_eq!(group(id), name);
        }
    }

    #[test]
    fn the_gini_coefficient_of_small_distributions() {
        for (amounts, value) in
            [(vec![5, 5, 5], 0.0), (vec![0, 0, 0, 12], 0.75), (vec![1, 3], 0.25), (vec![0], 0.0)]
        {
            let held: Vec<_> = amounts.iter().map(|amount| (*amount, Handle(0))).collect();
            assert!((gini(&held) - value).abs() < 1e-12, "{amounts:?}");
        }
    }
}
