//! One artifact: its texts, the rules that hold for it, its history, its use and what hangs on it.

use std::cmp::Reverse;

use maud::{Markup, html};
use oikos_runner::kernel::{id::Handle, record::Why, world::Artifact};
use serde_json::{Map, Value};

use super::{agent::memos, builds::builds, controls::act, permissions::rules, versions::versions};
use crate::{
    error::Unshown,
    facts::Trade,
    moment::Moment,
    page::{Page, Part, Wanted},
    parts::{MIDDLE, by_time, card, drawn, empty},
    text::{amount, block, count, first_bytes, instant, line, number, plain, value},
    timeline,
};

/// Bytes of a long text on one page.
const PART_BYTES: usize = 64 * 1024;
/// Users and neighbours that are shown.
const ROWS: usize = 30;
/// Records about it that are shown.
const LINES: usize = 15;

/// An artifact by its id.
pub(super) fn found<'m>(m: &Moment<'m>, id: &str) -> Result<(Handle, &'m Artifact), Unshown> {
    let missing =
        || Unshown::NotFound(format!("there never was an artifact `{id}` up to record {}", m.seq()));
    let handle = m.world.lookup(id).ok_or_else(missing)?;
    Ok((handle, m.world.get(handle).ok_or_else(missing)?))
}

pub(super) fn page(m: &Moment<'_>, id: &str) -> Result<(String, Markup), Unshown> {
    let (this, artifact) = found(m, id)?;
    let (calls, earned) = m.world.use_of(this);
    let told: Vec<u64> = m.past.facts.told_of(this).collect();
    let told = timeline::these(m, told.get(told.len().saturating_sub(LINES)..).unwrap_or_default())?;
    let sales = m.past.facts.sales.get(&this).copied().unwrap_or_default();
    let all = Wanted { of: Some(id.to_owned()), ..Wanted::default() };
    Ok((
        id.to_owned(),
        html! {
            p class="soft" {
                "An artifact of the kind " (line(artifact.kind())) ", owned by "
                @if artifact.owner() == this { "itself" } @else { (m.id(artifact.owner())) }
                ", made by " (m.id(artifact.creator())) ", " (instant(artifact.created_at())) ". "
                @if m.world.agent(this).is_some() { (m.link(&Page::Agent(id.to_owned()), "As an agent")) " · " }
                @if !m.is_sheet() { (m.link(&Page::Events(all), "all its events")) }
            }
            @if artifact.is_deleted() { p class="past" { "It was deleted. Its history is kept." } }
            div class="cards" {
                (card("Calls", count(calls), format!("{} scrip earned by them", number(earned)), false))
                (card("Price", number(artifact.price()), "scrip a call", false))
                @if m.knows_all() { (card("Paid", number(sales.scrip),
                    format!("in {} payments for it or by its word", count(sales.count)), false)) }
                (card("Version", artifact.version(), format!("changed last {}", instant(artifact.updated_at())),
                    false))
                @if m.is_own(this) { (card("Size", amount("disk", artifact.size()), "of its owner's disk", false)) }
            }
            @if m.world.agent(this).is_none() { (act(m, this)) }
            (prices(m, this)?)
            h2 { "Who may do what" }
            (rules(m, this, artifact))
            @if artifact.memos().next().is_some() && m.is_own(this) { h2 { "Entries" } (memos(artifact)) }
            (texts(m, this, &[Part::Code, Part::Content, Part::Storage]))
            @if !artifact.interface().is_null() {
                h2 { "Interface" }
                (block(&value(artifact.interface()), || html! { "`oikos inspect` has all of it." }))
            }
            div class="grid" {
                div { h2 { "Users" } (users(m, this)) }
                div { h2 { "Decides about" } (guarded(m, this, artifact)) }
            }
            h2 { "Builds on, and is built on" }
            (builds(m, this))
            h2 { "History" }
            @if told.is_empty() { (empty("Nothing has been done to it since the founding. Calls, changes and sales stand here.")) }
            (timeline::list(m, &told))
            (versions(m, this)?)
        },
    ))
}

/// The prices that it had.
fn prices(m: &Moment<'_>, this: Handle) -> Result<Markup, Unshown> {
    let Some(prices) = m.past.facts.prices.get(&this).filter(|prices| prices.len() > 1) else {
        return Ok(html! {});
    };
    let svg = by_time(MIDDLE, m.world.rules().start, &[(String::new(), steps(prices, m.world.now()))])?;
    Ok(html! {
        h2 { "Price over time" }
        figure { (drawn(svg)) figcaption { "Its price in scrip, in the time since the beginning." } }
    })
}

/// Prices as a line that goes level from one to the next, to the end.
#[expect(clippy::cast_precision_loss, reason = "a drawing")]
pub(super) fn steps(
    prices: &[(u64, oikos_runner::kernel::time::Time, i64)],
    end: oikos_runner::kernel::time::Time,
) -> Vec<(oikos_runner::kernel::time::Time, f64)> {
    let mut points = Vec::new();
    let mut before: Option<i64> = None;
    for (_, time, price) in prices {
        points.extend(before.map(|before| (*time, before as f64)));
        points.push((*time, *price as f64));
        before = Some(*price);
    }
    points.extend(before.map(|before| (end, before as f64)));
    points
}

/// The texts of an artifact, as far as it has them and the viewer may see them.
pub(super) fn texts(m: &Moment<'_>, this: Handle, parts: &[Part]) -> Markup {
    let Some(artifact) = m.world.get(this) else { return html! {} };
    let is_own = m.is_own(this);
    html! {
        @if !is_own && (artifact.code().is_some() || !artifact.content().is_null()) {
            h2 { "Code and content" }
            (empty("They are read by `read`: its contract is asked, and it may cost something."))
        }
        @if is_own {
            @for part in parts {
                @if let Some(text) = text_of(artifact, *part) {
                    h2 { (heading(*part)) }
                    (block(&text, || m.whole(artifact.id(), *part)))
                }
            }
        }
    }
}

const fn heading(part: Part) -> &'static str {
    match part {
        Part::Content => "Content",
        Part::Code => "Code",
        Part::Storage => "Storage",
    }
}

/// A text of an artifact; none where it has none.
fn text_of(artifact: &Artifact, part: Part) -> Option<String> {
    match part {
        Part::Content => Some(artifact.content()).filter(|content| !content.is_null()).map(value),
        Part::Code => artifact.code().map(|code| code.to_string()),
        Part::Storage => {
            let all: Map<String, Value> =
                artifact.storage().map(|(key, value)| (key.to_owned(), value.clone())).collect();
            (!all.is_empty()).then(|| value(&Value::Object(all)))
        }
    }
}

/// A long text of an artifact, page by page.
pub(super) fn part(m: &Moment<'_>, id: &str, part: Part, from: usize) -> Result<(String, Markup), Unshown> {
    let (this, artifact) = found(m, id)?;
    if !m.is_own(this) {
        return Err(Unshown::Hidden(format!("the {} of `{id}` is read by `read`", part.as_str())));
    }
    let text = text_of(artifact, part)
        .ok_or_else(|| Unshown::NotFound(format!("`{id}` has no {} at record {}", part.as_str(), m.seq())))?;
    let from = text.floor_char_boundary(from.min(text.len()));
    let shown = first_bytes(text.get(from..).unwrap_or_default(), PART_BYTES);
    let next = from + shown.len();
    let other = |from| Page::Part(id.to_owned(), part, from);
    Ok((
        format!("{} of {id}", heading(part)),
        html! {
            p class="soft" {
                "Bytes " (count(from as u64)) " to " (count(next as u64)) " of " (count(text.len() as u64)) ", of "
                (m.id(this)) "."
            }
            pre dir="ltr" { (plain(shown)) }
            p class="more" {
                @if from > 0 { (m.link(&other(from.saturating_sub(PART_BYTES)), "← before")) }
                @if next < text.len() { (m.link(&other(next), "more →")) }
            }
        },
    ))
}

fn users(m: &Moment<'_>, this: Handle) -> Markup {
    let all = m.past.facts.users.range((this, Handle(0))..=(this, Handle(u32::MAX)));
    let owner = m.world.get(this).map_or(Handle::NOBODY, |artifact| artifact.owner());
    let seen = all.filter(|((_, user), _)| m.knows_payment(*user, owner, Why::Price));
    let mut rows: Vec<(Trade, Handle)> = seen.map(|((_, user), trade)| (*trade, *user)).collect();
    let many = rows.len();
    rows.sort_by_key(|(trade, user)| (Reverse((trade.scrip, trade.count)), *user));
    html! {
        @if rows.is_empty() {
            (empty("Nobody has called it. Those who do stand here, with what they paid."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "User" } th class="n" { "calls" } th class="n" { "paid" } } }
                @for (trade, user) in rows.iter().take(ROWS) {
                    tr { td { (m.id(*user)) } td class="n" { (count(trade.count)) }
                    td class="n" { (number(trade.scrip)) } }
                }
            } }
            @if many > ROWS { p class="cut" { "The first " (ROWS) " of " (count(many as u64)) "." } }
        }
    }
}

/// The artifacts for which it is the contract.
fn guarded(m: &Moment<'_>, this: Handle, artifact: &Artifact) -> Markup {
    if artifact.code().is_none() {
        return empty(
            "It has no code, so it can be no contract. Artifacts that name it as theirs would stand here.",
        );
    }
    let under =
        m.world.artifacts().filter(|(_, other)| !other.is_deleted() && other.access_contract() == this);
    let under: Vec<Handle> = under.map(|(handle, _)| handle).take(ROWS + 1).collect();
    html! {
        @if under.is_empty() {
            (empty(html! { "It is nobody's contract. Artifacts whose " code { "access_contract" } " it is stand here." }))
        } @else {
            p {
                @for handle in under.iter().take(ROWS) { (m.id(*handle)) " " }
                @if under.len() > ROWS { "and more" }
            }
        }
    }
}
