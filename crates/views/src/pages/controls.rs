//! Controls: the course of the world for those who steer it, and forms for those who act in it. They work without
//! script: each is a form that the server answers by another page.

use maud::{Markup, html};
use oikos_runner::{
    QUESTION_BYTES_MAX,
    kernel::{id::Handle, mind::Mind, rules::Execution, world::wire::Viewer},
};

use crate::{
    forms::forms,
    moment::{Hands, Links, Moment},
    parts::empty,
    text::{count, line},
};

/// Speeds to choose from.
const SPEEDS: [&str; 6] = ["1", "10", "60", "600", "3600", "max"];

/// The controls of an operator. An observer is told of the command that forks from a moment of the past.
pub(super) fn helm(m: &Moment<'_>) -> Markup {
    let Hands::Operator(wheel) = m.hands else { return fork_hint(m) };
    let (unit, one) = match m.world.rules().execution {
        Execution::Tick { .. } => ("ticks", "1"),
        Execution::Autonomous { .. } => ("of time", "1m"),
    };
    let steer = format!("{}/steer", m.links.root());
    html! {
        div class="controls" {
            @if let Some(wheel) = wheel {
                form method="post" action=(steer) {
                    @if wheel.is_running {
                        button name="do" value="pause" { "Pause" }
                    } @else {
                        button name="do" value="run" { "Play" }
                    }
                }
                form method="post" action=(steer) {
                    button name="do" value="step" { "Step" }
                    input name="span" value=(one) size="4" aria-label=(format!("how far, in {unit}"));
                    span class="soft" { (unit) }
                }
                @if let Some(speed) = wheel.speed {
                    form method="post" action=(steer) {
                        button name="do" value="speed" { "Speed" }
                        select name="speed" aria-label="seconds of the world in a second" {
                            @if !SPEEDS.contains(&speed) { option value=(speed) selected { (speed) } }
                            @for one in SPEEDS { option value=(one) selected[one == speed] { (one) } }
                        }
                    }
                }
            }
            form method="post" action=(steer) {
                button name="do" value="fork" { "Fork from here" }
                input type="hidden" name="at" value=(m.seq());
                input name="to" required placeholder="name of the new world" aria-label="name of the new world"
                    autocomplete="off" maxlength="100" pattern="[A-Za-z0-9][A-Za-z0-9_.\\-]*";
                span class="soft" { "after record " (count(m.seq())) }
            }
        }
    }
}

/// The command of the fork that an operator would make here by a button.
fn fork_hint(m: &Moment<'_>) -> Markup {
    let Links::Served { at: Some(_), named, .. } = m.links else { return html! {} };
    html! {
        @if m.sees_all() {
            p class="soft" {
                "A world that goes on from here otherwise: "
                code { "oikos fork " (named.world) " --at " (m.seq()) " --to " (named.other) }
            }
        }
    }
}

/// The form by which an operator asks an agent's model, on that agent's page; nothing for others.
pub(super) fn ask(m: &Moment<'_>, who: Handle) -> Markup {
    let Hands::Operator(_) = m.hands else { return html! {} };
    let content =
        m.world.get(who).filter(|artifact| !artifact.is_deleted()).map(|artifact| artifact.content());
    let mind = content.map(|content| Mind::of(content, m.world.rules().llm_model.as_deref()));
    html! {
        h3 { "Ask it" }
        @match mind {
            Some(Ok(Mind::Llm(mind))) => {
                p class="soft" {
                    "Its model, " (line(&mind.model)) ", answers as the agent that it is after record "
                    (count(m.seq())) ". Nothing of the world changes. An answer costs what the model costs, and one \
                     that was given to the same question before costs nothing."
                }
                form class="ask" method="post" action=(format_args!("{}/ask", m.links.root())) {
                    input type="hidden" name="agent" value=(m.world.name(who));
                    input type="hidden" name="at" value=(m.seq());
                    textarea name="question" required rows="2" maxlength=(QUESTION_BYTES_MAX) aria-label="the question"
                        placeholder="Why did you do that?" {}
                    button { "Ask" }
                }
            }
            Some(Ok(Mind::External { .. })) => { (empty("A client decides for it, and has no model that could be asked here.")) }
            Some(Ok(Mind::Script)) => { (empty("It decides by its code, and has no language model that could be asked.")) }
            Some(Err(_)) | None => { (empty("It has no language model that could be asked.")) }
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
            (forms(m.links.root(), key))
        }
    }
}
