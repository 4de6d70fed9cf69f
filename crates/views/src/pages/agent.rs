//! One agent: what it has, what it did last and why, what it remembers, and whom it trades with.

use std::{cmp::Reverse, collections::BTreeMap};

use maud::{Markup, html};
use oikos_runner::kernel::{
    id::Handle,
    mind::Mind,
    record::{Record, Why},
    tape::Taped,
    world::Artifact,
};

use super::{
    agents::{mind, state, waits},
    artifact::{self, found},
    controls::{act, ask},
    record::{askings, of_step, turn},
    versions::versions,
};
use crate::{
    error::Unshown,
    facts::Trade,
    moment::Moment,
    page::{Page, Part, Wanted},
    parts::{card, empty, resources, scrip},
    text::{block, count, counted, instant, line, number},
    timeline,
};

/// Turns that are shown in full.
const TURNS: usize = 5;
/// Other records that are shown on a line each.
const LINES: usize = 15;
/// Memories, partners and possessions that are shown.
const ROWS: usize = 30;

pub(super) fn page(m: &Moment<'_>, id: &str) -> Result<(String, Markup), Unshown> {
    let (who, artifact) = found(m, id)?;
    let Some(agent) = m.world.agent(who) else {
        return Err(Unshown::NotFound(format!("`{id}` is no agent; it has a page as an artifact")));
    };
    let acts: Vec<u64> = m.past.facts.acts_of(who).collect();
    let full = acts.get(acts.len().saturating_sub(TURNS)..).unwrap_or_default();
    let turns = if m.is_own(who) { timeline::these(m, full)? } else { Vec::new() };
    let told: Vec<u64> = m.past.facts.told_of(who).filter(|seq| !full.contains(seq)).collect();
    let told = timeline::these(m, told.get(told.len().saturating_sub(LINES)..).unwrap_or_default())?;
    let asked = if m.is_own(who) { askings(m, who)? } else { Vec::new() };
    let all = Wanted { of: Some(id.to_owned()), ..Wanted::default() };
    Ok((
        id.to_owned(),
        html! {
            p class="soft" {
                "An agent of the kind " (line(artifact.kind())) ", owned by "
                @if artifact.owner() == who { "itself" } @else { (m.id(artifact.owner())) }
                ", since " (instant(artifact.created_at())) ". "
                (m.link(&Page::Artifact(id.to_owned()), "As an artifact"))
                @if !m.is_sheet() { " · " (m.link(&Page::Events(all), "all its events")) }
            }
            div class="cards" {
                (card("State", state(m, agent), waits(m, agent), agent.state() == "paused"))
                (card("Mind", mind(m, who), format!("{} taken", counted(agent.steps, "step")), false))
                (card("Scrip", m.link(&Page::Ledger(None), scrip(m, who)), earned(m, who), false))
                (card("Uses", count(m.world.use_of(who).0), "by others and by itself", false))
            }
            (act(m, who))
            h2 { "Resources" }
            @if m.knows(who) { (resources(m, who)) } @else { (empty("Balances are private in this world.")) }
            h2 { "Last turns" }
            (last_turns(m, &turns, &asked, who))
            @if !told.is_empty() {
                h2 { "What was done to it" }
                (timeline::list(m, &told))
            }
            div class="grid" {
                div { h2 { "Trades with" } (partners(m, who)) }
                div { h2 { "Owns" } (owns(m, who)) }
            }
            h2 { "Memory" }
            (memory(m, who))
            h2 { "Mind" }
            (prompt(m, who))
            (ask(m, who))
            (artifact::texts(m, who, &[Part::Code, Part::Content, Part::Storage]))
            (versions(m, who)?)
        },
    ))
}

/// The scrip that it earned and spent by prices.
fn earned(m: &Moment<'_>, who: Handle) -> String {
    if !m.knows(who) {
        return "balances are private".into();
    }
    let is_price = |why: Why| matches!(why, Why::Price | Why::ContractCost);
    let mut sums = (0_i64, 0_i64);
    for ((from, to, why), trade) in of_one(m, who) {
        if is_price(*why) {
            if *to == who {
                sums.0 = sums.0.saturating_add(trade.scrip);
            }
            if *from == who {
                sums.1 = sums.1.saturating_add(trade.scrip);
            }
        }
    }
    format!("{} earned, {} spent by prices", number(sums.0), number(sums.1))
}

/// The payments from and to one principal.
fn of_one<'m>(m: &Moment<'m>, who: Handle) -> impl Iterator<Item = (&'m (Handle, Handle, Why), &'m Trade)> {
    let past = m.past;
    past.facts.trades.iter().filter(move |((from, to, _), _)| *from == who || *to == who)
}

fn last_turns(m: &Moment<'_>, turns: &[Record], asked: &[Taped], who: Handle) -> Markup {
    html! {
        @if !m.is_own(who) {
            (empty("The turns of others are their own: their events are public, their reasons are not."))
        } @else if turns.is_empty() {
            (empty("It has not acted yet. Each turn in which it does something stands here: what it saw, decided and got."))
        }
        @for record in turns {
            h3 class="time" {
                (timeline::when(m, record.time)) " · "
                (m.link(&Page::Record(record.seq), format!("record {}", count(record.seq))))
            }
            (turn(m, record, &of_step(asked, record), None))
        }
    }
}

fn partners(m: &Moment<'_>, who: Handle) -> Markup {
    let mut sums: BTreeMap<Handle, (Trade, Trade)> = BTreeMap::new();
    for ((from, to, why), trade) in of_one(m, who) {
        if from == to || !m.knows_payment(*from, *to, *why) {
            continue;
        }
        let is_paid = *from == who;
        let both = sums.entry(if is_paid { *to } else { *from }).or_default();
        let one = if is_paid { &mut both.0 } else { &mut both.1 };
        one.count += trade.count;
        one.scrip = one.scrip.saturating_add(trade.scrip);
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(handle, (paid, got))| (Reverse(paid.scrip.saturating_add(got.scrip)), *handle));
    let more = rows.len().saturating_sub(ROWS);
    html! {
        @if rows.is_empty() {
            (empty("It has paid nobody, and nobody has paid it. Prices, transfers and what is sent along stand here."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "With" } th class="n" { "paid" } th class="n" { "times" } th class="n" { "got" }
                th class="n" { "times" } } }
                @for (other, (paid, got)) in rows.iter().take(ROWS) {
                    tr {
                        td { (m.id(*other)) }
                        td class="n" { (number(paid.scrip)) } td class="n" { (count(paid.count)) }
                        td class="n" { (number(got.scrip)) } td class="n" { (count(got.count)) }
                    }
                }
            } }
            @if more > 0 { p class="cut" { "and " (count(more as u64)) " more" } }
        }
    }
}

fn owns(m: &Moment<'_>, who: Handle) -> Markup {
    let mut all: Vec<(i64, Handle)> = m
        .world
        .artifacts()
        .filter(|(handle, artifact)| artifact.owner() == who && *handle != who && !artifact.is_deleted())
        .map(|(handle, _)| (m.world.use_of(handle).1, handle))
        .collect();
    let many = all.len();
    let first = super::world::first(&mut all, ROWS);
    html! {
        @if first.is_empty() {
            (empty("It owns nothing but itself. Artifacts that it writes, buys or is given stand here."))
        } @else {
            div class="wide" { table {
                thead { tr { th { "Artifact" } th { "kind" } th class="n" { "price" } th class="n" { "calls" }
                th class="n" { "earned" } } }
                @for (earned, handle) in first {
                    @let artifact = m.world.get(*handle);
                    tr {
                        td { (m.id(*handle)) } td { (line(artifact.map_or("", |one| one.kind()))) }
                        td class="n" { (number(artifact.map_or(0, |one| one.price()))) }
                        td class="n" { (count(m.world.use_of(*handle).0)) } td class="n" { (number(*earned)) }
                    }
                }
            } }
            @if many > ROWS { p class="cut" { "The first " (ROWS) " of " (count(many as u64)) "." } }
        }
    }
}

fn memory(m: &Moment<'_>, who: Handle) -> Markup {
    let memory = m.world.get(who).and_then(|artifact| artifact.memory_artifact());
    let Some((handle, artifact)) = memory.and_then(|handle| Some((handle, m.world.get(handle)?))) else {
        return empty(html! {
            "It has no memory. " code { "memory = true" } " in its entry of the world file gives it one."
        });
    };
    html! {
        p class="soft" { "In " (m.id(handle)) "." }
        @if m.is_own(who) { (memos(artifact)) } @else { (empty("What others remember is their own.")) }
    }
}

/// The entries of a memory, the latest first.
pub(super) fn memos(artifact: &Artifact) -> Markup {
    let shown: Vec<_> = artifact.memos().rev().take(ROWS).collect();
    let many = artifact.memos().count();
    html! {
        @if shown.is_empty() { (empty("It remembers nothing yet. Entries that it keeps by `remember` stand here.")) } @else {
            div class="wide" { table {
                thead { tr { th class="n" { "Entry" } th { "when" } th class="n" { "weight" } th { "text" }
                th { "tags" } } }
                @for (number, time, memo, superseded) in shown {
                    tr class=[superseded.map(|_| "soft")] {
                        td class="n" { (number) } td { span class="id" { (instant(time)) } }
                        td class="n" { (memo.importance) }
                        td class="said" {
                            (line(&memo.text))
                            @if let Some(by) = superseded { span class="soft" {
                                " (entry " (by) " stands in its place)" } }
                        }
                        td { @for tag in &memo.tags { span class="tag" { (line(tag)) } " " } }
                    }
                }
            } }
            @if many > ROWS { p class="cut" { "The last " (ROWS) " of " (count(many as u64)) "." } }
        }
    }
}

/// The prompt of a mind that is a model.
fn prompt(m: &Moment<'_>, who: Handle) -> Markup {
    if !m.is_own(who) {
        return html! {};
    }
    let content = m.world.get(who).map(|artifact| artifact.content());
    let mind = content.and_then(|content| Mind::of(content, m.world.rules().llm_model.as_deref()).ok());
    html! {
        @if let Some(Mind::Llm(mind)) = mind {
            p { "A language model, " (line(&mind.model)) ", with this prompt:" }
            (block(&mind.prompt, || m.whole(m.world.name(who), Part::Content)))
        } @else if let Some(Mind::External { .. }) = mind {
            p { "A client decides for it." }
        }
    }
}
