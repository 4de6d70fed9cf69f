//! The artifacts: those that are used most first.

use std::cmp::Reverse;

use maud::{Markup, html};
use oikos_runner::kernel::id::Handle;

use crate::{
    error::Unshown,
    moment::Moment,
    page::Page,
    parts::{empty, pages},
    text::{amount, count, line, number},
};

/// Rows of one page.
pub(crate) const MOST: usize = 100;

/// The artifacts that are there and are no agents, those that are used most first.
pub(crate) fn order(m: &Moment<'_>) -> Vec<Handle> {
    let mut all: Vec<(Reverse<u64>, Handle)> = m
        .world
        .artifacts()
        .filter(|(_, artifact)| !artifact.is_deleted() && !artifact.has_loop())
        .map(|(handle, _)| (Reverse(m.world.use_of(handle).0), handle))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, handle)| handle).collect()
}

pub(super) fn page(m: &Moment<'_>, from: usize) -> Result<(String, Markup), Unshown> {
    let all = order(m);
    let shown = all.get(from..(from + MOST).min(all.len())).unwrap_or_default();
    Ok((
        "Artifacts".into(),
        html! {
            @if all.is_empty() {
                (empty("There are no artifacts. Works of agents stand here, and the library of the world."))
            } @else {
                p class="soft" { "All but agents, those that are used most first." }
                div class="wide" { table {
                    thead { tr {
                        th { "Artifact" } th { "kind" } th class="n" { "price" } th class="n" { "calls" }
                        th class="n" { "earned" } th { "owner" } th { "contract" } th class="n" { "version" }
                        th class="n" { "size" }
                    } }
                    @for handle in shown {
                        @if let Some(artifact) = m.world.get(*handle) {
                            @let (calls, earned) = m.world.use_of(*handle);
                            tr {
                                td { (m.id(*handle)) } td { (line(artifact.kind())) }
                                td class="n" { (number(artifact.price())) } td class="n" { (count(calls)) }
                                td class="n" { (number(earned)) } td { (m.id(artifact.owner())) }
                                td { (m.id(artifact.access_contract())) }
                                td class="n" { (artifact.version()) }
                                td class="n" { @if m.is_own(*handle) { (amount("disk", artifact.size())) } }
                            }
                        }
                    }
                } }
                @if m.is_sheet() {
                    @if all.len() > shown.len() {
                        p class="cut" { "The first " (shown.len()) " of " (count(all.len() as u64))
                            "; `oikos inspect WORLD artifacts` has all." }
                    }
                } @else {
                    (pages(m, (from, MOST, all.len()), Page::Artifacts))
                }
            }
        },
    ))
}
