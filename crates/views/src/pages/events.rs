//! The events, the latest first, grouped by the time and by the step.

use maud::{Markup, html};
use oikos_runner::kernel::refusal::Code;

use crate::{
    error::Unshown,
    moment::{Links, Moment},
    page::{Page, Wanted},
    parts::empty,
    text::count,
    timeline,
};

/// Records of one page.
pub(crate) const MOST: usize = 100;

pub(super) fn page(m: &Moment<'_>, wanted: &Wanted) -> Result<(String, Markup), Unshown> {
    let (records, more) = timeline::before(m, wanted, MOST)?;
    let older = |before: u64| Page::Events(Wanted { before: Some(before), ..wanted.clone() });
    let latest = Page::Events(Wanted { before: None, ..wanted.clone() });
    Ok((
        "Events".into(),
        html! {
            @if let Links::Served { at, root, .. } = m.links { (form(root, wanted, at.map(|at| at.to_string()))) }
            @if records.is_empty() { (nothing(wanted, more)) }
            (timeline::places(m, &records))
            @if m.is_sheet() {
                @if let Some(before) = more {
                    p class="cut" { "Records 1 to " (count(before - 1)) " came before; `oikos log` has them all." }
                }
            } @else {
                p class="more" {
                    @if wanted.before.is_some() { (m.link(&latest, "← latest")) }
                    @if let Some(before) = more { (m.link(&older(before), "older →")) }
                }
            }
        },
    ))
}

fn nothing(wanted: &Wanted, more: Option<u64>) -> Markup {
    match (more, wanted.is_all()) {
        (Some(before), _) => empty(format!(
            "Nothing of this kind from record {} on. Older records are behind the link.",
            count(before)
        )),
        (None, true) => {
            empty("Nothing has happened before this. Steps of agents, and actions from outside, stand here.")
        }
        (None, false) => empty("Nothing of this kind has happened. Take a filter away, and there is more."),
    }
}

fn form(root: &str, wanted: &Wanted, at: Option<String>) -> Markup {
    let mut kinds: Vec<&str> = Wanted::kinds().collect();
    kinds.sort_unstable();
    kinds.dedup();
    html! {
        form class="filter" method="get" action=(format_args!("{root}/events")) {
            label { "type " br;
                select name="type" {
                    option value="" { "all" }
                    @for kind in kinds {
                        option value=(kind) selected[wanted.kind.as_deref() == Some(kind)] { (kind) }
                    }
                }
            }
            label { "refused with " br;
                select name="code" {
                    option value="" { "any" }
                    @for code in Code::ALL {
                        option value=(code) selected[wanted.code == Some(code)] { (code) }
                    }
                }
            }
            label { "agent or artifact " br; input name="of" size="16"
                value=(wanted.of.as_deref().unwrap_or_default()); }
            label { "text " br; input name="text" size="16" value=(wanted.text.as_deref().unwrap_or_default()); }
            @if let Some(at) = at { input type="hidden" name="at" value=(at); }
            button { "Show" }
        }
    }
}
