//! The permissions of an artifact in words: who may do what, why, and what was decided so far.

use maud::{Markup, html};
use oikos_runner::kernel::{contract::Native, id::Handle, op::Permission, rules::Authority, world::Artifact};

use crate::{
    moment::Moment,
    page::Part,
    parts::empty,
    questions::{ACTIONS, Verdict},
    text::{block, count, line, number, value},
};

/// Decisions that are shown.
const ROWS: usize = 40;

/// The permissions in words.
pub(super) fn rules(m: &Moment<'_>, this: Handle, artifact: &Artifact) -> Markup {
    let contract = artifact.access_contract();
    let policy = m.world.metadata(this).get("policy").cloned();
    if m.world.rules().authority == Authority::Policy {
        return html! {
            p { "In this world the owner may do all, and the policy of an artifact says what others may." }
            @match policy {
                Some(policy) => { (block(&value(&policy), || html! {})) }
                None => { (empty("It has no policy of its own.")) }
            }
        };
    }
    html! {
        p {
            "Its contract " (m.id(contract)) " decides alone; nobody is above it, not its owner."
            @if let Some((hits, asked)) = m.world.verdicts(contract) {
                " It was asked " (count(asked)) " times, and its verdicts were used again " (count(hits)) " times."
            }
        }
        @match Native::of(contract) {
            Some(native) => { (native_rules(m, native, this, artifact.owner())) }
            None => {
                (verdicts(m, this))
                (contract_text(m, contract))
                h3 { "Decided so far" }
                (decisions(m, this))
            }
        }
    }
}

/// One answer in a cell.
fn answer(allowed: bool, reason: &str, cost: i64) -> Markup {
    html! {
        td class="said" {
            @if allowed { span class="good" { "yes" } } @else { span class="bad" { "no" } }
            @if allowed && cost > 0 { ", for " (number(cost)) " scrip" }
            @if !reason.is_empty() { span class="soft" { " – " (line(reason)) } }
        }
    }
}

/// The answers of a native contract to the owner, to the artifact itself and to all others.
fn native_rules(m: &Moment<'_>, native: Native, this: Handle, owner: Handle) -> Markup {
    // No artifact has the last number.
    let others = Handle(u32::MAX - 1);
    let is_its_own = owner == this;
    let verdict = |caller: Handle, action: Permission| {
        let verdict = native.decide(Some(caller), action, this, owner);
        answer(verdict.allowed, &verdict.reason, 0)
    };
    html! {
        div class="wide" { table class="may" {
            thead { tr {
                th { "May" } th { (m.id(owner)) @if !is_its_own { ", its owner" } }
                @if !is_its_own { th { "it itself" } }
                th { "anybody else" }
            } }
            @for action in ACTIONS {
                tr {
                    td { (action.as_str()) }
                    (verdict(owner, action))
                    @if !is_its_own { (verdict(this, action)) }
                    (verdict(others, action))
                }
            }
        } }
    }
}

/// The answers of a contract in Python, as it was asked for this page.
fn verdicts(m: &Moment<'_>, this: Handle) -> Markup {
    let ours: Vec<&Verdict> = m.verdicts.iter().filter(|verdict| verdict.question.target == this).collect();
    let mut callers: Vec<Handle> = ours.iter().map(|verdict| verdict.question.caller).collect();
    callers.dedup();
    let owner = m.world.get(this).map(|artifact| artifact.owner());
    let found = |caller: Handle, action: Permission| {
        ours.iter().find(|one| one.question.caller == caller && one.question.action == action)
    };
    html! {
        @if callers.is_empty() {
            p class="soft" { "Its code decides each time anew; it was not asked for this page." }
        } @else {
            p class="soft" { "It was asked for this page, and nothing came of it:" }
            div class="wide" { table class="may" {
                thead { tr {
                    th { "May" }
                    @for action in ACTIONS { th { (action.as_str()) } }
                } }
                @for caller in &callers {
                    tr {
                        td {
                            (m.id(*caller))
                            @if *caller == this { ", it itself" } @else if Some(*caller) == owner { ", its owner" }
                        }
                        @for action in ACTIONS {
                            @match found(*caller, action) {
                                Some(one) => { (answer(one.allowed, &one.reason, one.cost)) }
                                None => { td class="soft" { "not asked: it took too long" } }
                            }
                        }
                    }
                }
            } }
        }
    }
}

/// The code of a contract in Python, which is its law.
fn contract_text(m: &Moment<'_>, contract: Handle) -> Markup {
    let Some(artifact) = m.world.get(contract).filter(|artifact| !artifact.is_deleted()) else {
        return empty("Its contract is not there: the rules of the world say what holds then.");
    };
    html! {
        @match artifact.code().filter(|_| m.is_own(contract)) {
            Some(code) => {
                p { "It answers each question by this code:" }
                (block(code, || m.whole(artifact.id(), Part::Code)))
            }
            None => { (empty("Its code is read by `read`, as its own contract allows.")) }
        }
    }
}

/// The decisions about it that records tell of, those with the most refusals first.
fn decisions(m: &Moment<'_>, this: Handle) -> Markup {
    let mut all: Vec<_> =
        m.past.facts.decisions.about(this).filter(|(caller, ..)| m.is_own(*caller)).collect();
    all.sort_by_key(|(caller, action, one)| {
        (std::cmp::Reverse((one.refused.0, one.allowed.0)), *caller, *action)
    });
    let many = all.len();
    let told = |(times, last): (u64, u64)| {
        html! { td class="n" { @if times > 0 { (count(times)) } } td class="n" { @if times > 0 { (m.record(last)) } } }
    };
    html! {
        @if all.is_empty() {
            (empty(if m.sees_all() {
                "Nobody has asked it for anything. Those whom it lets, and those whom it refuses, stand here with the record."
            } else {
                "You have asked it for nothing. Its decisions about others are theirs."
            }))
        } @else {
            div class="wide" { table {
                thead { tr {
                    th { "Caller" } th { "wanted to" } th class="n" { "let" } th class="n" { "last" }
                    th class="n" { "refused" } th class="n" { "last" } th { "why" }
                } }
                @for (caller, action, one) in all.iter().take(ROWS) {
                    tr {
                        td { (m.id(*caller)) } td { (action) } (told(one.allowed)) (told(one.refused))
                        td class="said" { (line(&one.reason)) }
                    }
                }
            } }
            @if many > ROWS { p class="cut" { "The first " (ROWS) " of " (count(many as u64)) "." } }
            p class="cut" {
                "Calls, changes and readings that records tell of; questions within code that went on after a no are not among them."
            }
        }
    }
}
