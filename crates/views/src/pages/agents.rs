//! The agents: their states and what they have, those first that need a look.

use maud::{Markup, html};
use oikos_runner::kernel::{id::Handle, mind::Mind, resource::ResourceKind, world::Agent};

use super::world::states;
use crate::{
    error::Unshown,
    moment::Moment,
    page::Page,
    parts::{empty, pages, scrip},
    text::{amount, count, line},
};

/// Rows of one page.
pub(crate) const MOST: usize = 100;

/// Resources whose free amounts have a column.
const RESOURCES: usize = 4;

/// The agents that were not deleted: those that wait for help first, then the richest.
pub(crate) fn order(m: &Moment<'_>) -> Vec<Handle> {
    let mut all: Vec<(u8, i64, Handle)> = m
        .world
        .agents()
        .filter(|agent| agent.state() != "stopped")
        .map(|agent| {
            let handle = agent.handle;
            let scrip = if m.knows(handle) { m.world.scrip(handle) } else { 0 };
            let need = match agent.state() {
                "paused" => 0,
                "blocked" => 1,
                _ if m.world.ailments(handle).next().is_some() => 2,
                _ => 3,
            };
            (need, scrip.saturating_neg(), handle)
        })
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(.., handle)| handle).collect()
}

pub(super) fn page(m: &Moment<'_>, from: usize) -> Result<(String, Markup), Unshown> {
    let all = order(m);
    let shown = all.get(from..(from + MOST).min(all.len())).unwrap_or_default();
    let limited: Vec<_> = m
        .world
        .rules()
        .by_id()
        .filter(|(_, rule)| rule.kind != ResourceKind::Metered)
        .take(RESOURCES)
        .collect();
    let words: Vec<String> =
        states(m.world).iter().map(|(state, many)| format!("{} {state}", count(*many))).collect();
    Ok((
        "Agents".into(),
        html! {
            @if all.is_empty() {
                (empty(html! {
                    "There are no agents. An entry " code { "[[agents]]" }
                    " of the world file makes some, and so does \
                     an artifact that is written with " code { "has_loop" } "."
                }))
            } @else {
                p class="soft" { (words.join(", ")) ". Those that need a look come first, then the richest." }
                div class="wide" { table {
                    thead { tr {
                        th { "Agent" } th { "mind" } th { "state" } th class="n" { "steps" } th class="n" { "scrip" }
                        @for (_, rule) in &limited { th class="n" { (rule.name) " free" } }
                        th { "waits for" }
                    } }
                    @for handle in shown {
                        @if let Some(agent) = m.world.agent(*handle) {
                            tr {
                                td { (m.id(*handle)) }
                                td { (mind(m, *handle)) }
                                td { (state(m, agent)) }
                                td class="n" { (count(agent.steps)) }
                                td class="n" { (scrip(m, *handle)) }
                                @for (id, rule) in &limited {
                                    td class="n" {
                                        @if m.knows(*handle) {
                                            (amount(&rule.name, m.world.capacity(*handle, *id, m.world.now())))
                                        }
                                    }
                                }
                                td { (waits(m, agent)) }
                            }
                        }
                    }
                } }
                @if m.is_sheet() {
                    @if all.len() > shown.len() {
                        p class="cut" { "The first " (shown.len()) " of " (count(all.len() as u64))
                            "; `oikos inspect WORLD agents` has all." }
                    }
                } @else {
                    (pages(m, (from, MOST, all.len()), Page::Agents))
                }
            }
        },
    ))
}

/// The state of an agent, loud where it needs help.
pub(super) fn state(m: &Moment<'_>, agent: &Agent) -> Markup {
    let state = agent.state();
    html! {
        @match state {
            "paused" | "stopped" => { span class="tag bad" { (state) } }
            "blocked" => { span class="tag warn" { (state) } }
            _ => { (state) }
        }
        @if m.is_own(agent.handle) {
            @for ailment in m.world.ailments(agent.handle) { " " span class="tag warn" { (ailment.as_str()) } }
        }
    }
}

/// The condition that an agent waits for.
pub(super) fn waits(m: &Moment<'_>, agent: &Agent) -> Markup {
    if !m.is_own(agent.handle) {
        return html! {};
    }
    let lacks = agent.lacks().map(|(resource, need)| {
        let name = m.world.rules().resource_name(resource);
        format!("{} of {name}", amount(name, need))
    });
    let waits = lacks.or_else(|| agent.waits(m.world.rules()));
    html! {
        @if let Some(waits) = waits { (line(&waits)) }
        @if let (Some(due), "blocked") = (agent.due(), agent.state()) { " until " (crate::text::instant(due)) }
    }
}

/// The mind of an agent in a word: its kind, or its model.
pub(super) fn mind(m: &Moment<'_>, agent: Handle) -> Markup {
    let content = m.world.get(agent).map(|artifact| artifact.content());
    let mind = content.and_then(|content| Mind::of(content, m.world.rules().llm_model.as_deref()).ok());
    match mind {
        Some(Mind::Llm(mind)) => html! { (line(&mind.model)) },
        Some(mind @ (Mind::Script | Mind::External { .. })) => html! { (mind.kind().as_str()) },
        None => html! { span class="bad" { "none that can be" } },
    }
}
