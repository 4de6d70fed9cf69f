//! Parts that many pages have.

use maud::{Markup, PreEscaped, Render, html};
use oikos_runner::kernel::{id::Handle, resource::ResourceKind, time::Time};

use crate::{
    chart::{self, ChartError, Line, Size},
    error::Unshown,
    moment::Moment,
    page::Page,
    text::{amount, count, digits, number},
};

/// Pixels of a small chart.
pub(crate) const SMALL: Size = Size { width: 380, height: 170 };
/// Pixels of a chart that has half of a wide page.
pub(crate) const MIDDLE: Size = Size { width: 500, height: 260 };

/// A number with its name, and a sentence below.
pub(crate) fn card(name: &str, value: impl Render, note: impl Render, is_loud: bool) -> Markup {
    html! {
        div class=(if is_loud { "card loud" } else { "card" }) {
            span { (name) }
            b { (value) }
            small { (note) }
        }
    }
}

/// A sentence in place of what is not there: it says what would fill it.
pub(crate) fn empty(sentence: impl Render) -> Markup {
    html! { p class="empty" { (sentence) } }
}

/// A drawing that was made here.
pub(crate) fn drawn(svg: String) -> Markup {
    PreEscaped(svg)
}

/// A measure by time, small, with its last value.
pub(crate) fn small_series(m: &Moment<'_>, name: &str, points: &[(Time, f64)]) -> Result<Markup, Unshown> {
    let start = m.world.rules().start;
    let last = points.last().map(|(_, value)| *value);
    let chart = if points.len() > 1 {
        Some(by_time(SMALL, start, &[(String::new(), points.to_vec())])?)
    } else {
        None
    };
    Ok(html! {
        figure {
            figcaption { (crate::text::plain(name)) " " b { (last.map_or("no value".into(), digits)) } }
            @if let Some(chart) = chart { (drawn(chart)) }
        }
    })
}

/// Lines by time since the beginning.
pub(crate) fn by_time(
    size: Size,
    start: Time,
    named: &[(String, Vec<(Time, f64)>)],
) -> Result<String, ChartError> {
    let after = |time: Time| time.ms().saturating_sub(start.ms()).max(0);
    let end = named.iter().flat_map(|(_, points)| points).map(|(time, _)| after(*time)).max().unwrap_or(0);
    let (unit, ms) = chart::unit(end);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    let x = |time: Time| after(time) as f64 / ms;
    let lines: Vec<Line> = named
        .iter()
        .map(|(label, points)| {
            Line::plain(label.clone(), points.iter().map(|(time, value)| (x(*time), *value)))
        })
        .collect();
    chart::lines(size, (unit, ""), &lines)
}

/// A share as a bar.
pub(crate) fn bar(part: i64, whole: i64) -> Markup {
    let share = if whole > 0 { (i128::from(part.max(0)) * 100 / i128::from(whole)).min(100) } else { 0 };
    let class = if share >= 95 { "full" } else { "used" };
    html! {
        svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(format!("{share} %")) {
            rect class=(class) x="0" y="0" width=(share) height="10" {}
        }
    }
}

/// The resources of a principal: how much it has free, and how much it may use.
pub(crate) fn resources(m: &Moment<'_>, who: Handle) -> Markup {
    let rules = m.world.rules();
    let now = m.world.now();
    let all = m.world.resources_json(who, now);
    html! {
        div class="wide" { table {
            thead { tr {
                th { "Resource" } th { "kind" } th class="n" { "free" } th class="n" { "of" } th { "used" }
                th class="n" { "burn a minute" } th { "lasts" }
            } }
            @for (id, rule) in rules.by_id() {
                @let shown = all.get(&rule.name);
                @let text = |field: &str| shown.and_then(|shown| shown.get(field));
                @let whole = |field: &str| text(field).and_then(serde_json::Value::as_i64);
                @if shown.is_some() {
                    tr {
                        td { (m.link(&Page::Ledger(Some(rule.name.clone())), &rule.name)) }
                        td { (kind_words(rule.kind)) }
                        @if rule.kind == ResourceKind::Metered {
                            td class="n" { "no limit" } td {} td { (amount(&rule.name, m.world.used(who, id))) }
                        } @else {
                            @let limit = m.world.limit(who, id);
                            @let free = m.world.capacity(who, id, now);
                            td class="n" { (amount(&rule.name, free)) }
                            td class="n" { (amount(&rule.name, limit)) }
                            td { (bar(limit.saturating_sub(free), limit)) }
                        }
                        td class="n" { (whole("burn_per_minute").map_or(String::new(), |burn| amount(&rule.name,
                            burn))) }
                        td {
                            @for field in ["time_until_exhaustion", "time_until_capacity"] {
                                @let told = text(field).and_then(serde_json::Value::as_str);
                                @if let Some(told) = told.filter(|told| *told != "0s") { (told) }
                            }
                        }
                    }
                }
            }
        } }
    }
}

/// The kind of a resource's scarcity, in words.
pub(crate) fn kind_words(kind: ResourceKind) -> String {
    match kind {
        ResourceKind::Renewable { window_ms } => format!("a rate per {}", crate::text::span(window_ms)),
        ResourceKind::Depletable => "a balance that is used up".into(),
        ResourceKind::Allocatable => "a quota".into(),
        ResourceKind::Metered => "metered".into(),
    }
}

/// The scrip of a principal, if the viewer may know it.
pub(crate) fn scrip(m: &Moment<'_>, who: Handle) -> String {
    if m.knows(who) { number(m.world.scrip(who)) } else { "hidden".into() }
}

/// Links to the parts before and behind one part of a list.
pub(crate) fn pages(
    m: &Moment<'_>,
    (from, most, all): (usize, usize, usize),
    page: impl Fn(usize) -> Page,
) -> Markup {
    let last = (from + most).min(all);
    html! {
        @if all > most {
            p class="more" {
                @if from > 0 { (m.link(&page(from.saturating_sub(most)), "← before")) }
                span class="soft" {
                    (count((from + 1).min(all) as u64)) " to " (count(last as u64)) " of " (count(all as u64))
                }
                @if last < all { (m.link(&page(last), "more →")) }
            }
        }
    }
}
