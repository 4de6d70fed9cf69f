//! The scrubber: all of a world's time, part by part, each a link to the world as it was then.

use maud::{Markup, html};
use oikos_runner::{When, kernel::event::EventKind};

use crate::{
    buckets::Part,
    facts::Mark,
    moment::{Links, Moment},
    page::Page,
    text::{count, first_letters, instant},
};

/// The height of the drawing, and of its bars.
const HEIGHT: u64 = 70;
const BARS: u64 = 58;
/// Links to events that stand out.
const MARKS: usize = 12;

pub(super) fn scrubber(m: &Moment<'_>) -> Markup {
    let past = m.whole.unwrap_or(m.past);
    let buckets = &past.facts.buckets;
    let parts = &buckets.parts;
    let most = parts.iter().map(|part| part.actions + part.refused).max().unwrap_or(0).max(1);
    let here = parts.iter().position(|part| part.last_seq >= m.seq());
    let start = m.world.rules().start;
    html! {
        svg class="strip" viewBox=(format!("0 0 {} {HEIGHT}",
            parts.len().max(1) * 10)) preserveAspectRatio="none" role="img"
            aria-label="actions and refusals over the world's time" {
            @for (at, part) in parts.iter().enumerate() {
                @if part.last_seq > 0 { (drawn(m, at, part, most, buckets.begins(at).map(instant))) }
            }
            @if let (Some(here), true) = (here, m.whole.is_some()) {
                line class="here" x1=(here * 10 + 5) x2=(here * 10 + 5) y1="0" y2=(HEIGHT) {}
            }
        }
        p class="scale" {
            span { (instant(start)) }
            span {
                "each bar is " (crate::text::span(buckets.length_ms)) ": actions, and "
                span class="bad" { "refusals" } " above them"
                @if matches!(m.links, Links::Served { .. }) { "; each leads to the world as it was then" }
            }
            span { (instant(m.whole.map_or(m.world.now(), |_| end(m)))) }
        }
        (marks(m, &past.facts.marks, past.facts.marks_more))
    }
}

/// The end of the world's time, where this is an earlier moment: the beginning of its last part.
fn end(m: &Moment<'_>) -> oikos_runner::kernel::time::Time {
    let buckets = &m.whole.unwrap_or(m.past).facts.buckets;
    buckets.begins(buckets.parts.len()).unwrap_or(m.world.now())
}

fn drawn(m: &Moment<'_>, at: usize, part: &Part, most: u64, begins: Option<String>) -> Markup {
    let x = at * 10;
    let height = |many: u64| (many * BARS).div_ceil(most);
    let (done, refused) = (height(part.actions), height(part.refused));
    let (done, refused) = (done.min(BARS), refused.min(BARS - done.min(BARS)));
    let told = format!(
        "{}: {} done, {} refused",
        begins.unwrap_or_default(),
        count(part.actions),
        count(part.refused)
    );
    let drawing = html! {
        rect class="done" x=(x + 1) y=(HEIGHT - done) width="8" height=(done) {}
        rect class="refused" x=(x + 1) y=(HEIGHT - done - refused) width="8" height=(refused) {}
        @if part.ills > 0 { rect class="ill" x=(x + 3) y="2" width="4" height="6" {} }
        rect class="hit" x=(x) y="0" width="10" height=(HEIGHT) { title { (told) } }
    };
    match m.links {
        Links::Served { .. } => {
            html! { a href=(m.links.then(&Page::World, Some(When::Seq(part.last_seq)))) { (drawing) } }
        }
        Links::Sheet { .. } => drawing,
    }
}

/// Events that stand out, each with a link to the world as it was after it.
fn marks(m: &Moment<'_>, marks: &[Mark], more: u64) -> Markup {
    let seen: Vec<&Mark> =
        marks.iter().filter(|mark| m.sees_all() || mark.kind != EventKind::Health).collect();
    let left = seen.len().saturating_sub(MARKS) as u64 + more;
    html! {
        @if !seen.is_empty() {
            p class="marks" {
                @for mark in seen.iter().rev().take(MARKS).rev() {
                    span {
                        @match m.links {
                            Links::Served { .. } => {
                                a href=(m.links.then(&Page::World, Some(When::Seq(mark.seq))))
                                    title="the world as it was then" {
                                    (instant(mark.time))
                                }
                            }
                            Links::Sheet { .. } => { (instant(mark.time)) }
                        }
                        " " (m.id(mark.artifact.unwrap_or(mark.actor))) " "
                        @match mark.detail.as_deref().filter(|_| mark.kind == EventKind::Health) {
                            Some(detail) => {
                                span class="tag warn" { (first_letters(detail, 60).split(':').next().unwrap_or_default()) }
                            }
                            None => { span class="tag" { (mark.kind.as_str()) } }
                        }
                    }
                }
                @if left > 0 { span class="soft" { "and " (count(left)) " more that stand out" } }
            }
        }
    }
}
