//! Controls: the course of the world for those who steer it, and forms for those who act in it. They work without
//! script: each is a form that the server answers by another page.

use maud::{Markup, html};
use oikos_runner::kernel::{id::Handle, rules::Execution, world::wire::Viewer};

use crate::{
    forms::forms,
    moment::{Hands, Moment},
    text::{count, line},
};

/// Speeds to choose from.
const SPEEDS: [&str; 6] = ["1", "10", "60", "600", "3600", "max"];

/// The controls of an operator; nothing for others.
pub(super) fn helm(m: &Moment<'_>) -> Markup {
    let Hands::Operator(wheel) = m.hands else { return html! {} };
    let (unit, one) = match m.world.rules().execution {
        Execution::Tick { .. } => ("ticks", "1"),
        Execution::Autonomous { .. } => ("of time", "1m"),
    };
    html! {
        div class="controls" {
            @if let Some(wheel) = wheel {
                form method="post" action="/steer" {
                    @if wheel.is_running {
                        button name="do" value="pause" { "Pause" }
                    } @else {
                        button name="do" value="run" { "Play" }
                    }
                }
                form method="post" action="/steer" {
                    button name="do" value="step" { "Step" }
                    input name="span" value=(one) size="4" aria-label=(format!("how far, in {unit}"));
                    span class="soft" { (unit) }
                }
                @if let Some(speed) = wheel.speed {
                    form method="post" action="/steer" {
                        button name="do" value="speed" { "Speed" }
                        select name="speed" aria-label="seconds of the world in a second" {
                            @if !SPEEDS.contains(&speed) { option value=(speed) selected { (speed) } }
                            @for one in SPEEDS { option value=(one) selected[one == speed] { (one) } }
                        }
                    }
                }
            }
            form method="post" action="/steer" {
                button name="do" value="fork" { "Fork from here" }
                input type="hidden" name="at" value=(m.seq());
                input name="to" required placeholder="name of the new world" aria-label="name of the new world"
                    autocomplete="off" maxlength="100" pattern="[A-Za-z0-9][A-Za-z0-9_.\\-]*";
                span class="soft" { "after record " (count(m.seq())) }
            }
        }
    }
}

/// The forms by which a seat acts as its principal, on that one's own page; nothing elsewhere and for others.
pub(super) fn act(m: &Moment<'_>, who: Handle) -> Markup {
    let Hands::Seat { key } = m.hands else { return html! {} };
    if m.viewer != Viewer::Artifact(Some(who)) {
        return html! {};
    }
    html! {
        details class="acts" {
            summary { h2 { "Act as " (line(m.world.name(who))) } }
            p class="soft" {
                "Each form is one action of it, charged and recorded as any other. Its receipt is the page that comes. \
                 Fields with a star are needed; empty ones are not given."
            }
            (forms(key))
        }
    }
}
