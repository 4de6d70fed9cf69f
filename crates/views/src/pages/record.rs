//! One record: a step from the observation to its effects.

use std::collections::BTreeMap;

use maud::{Markup, html};
use oikos_runner::{
    kernel::{
        id::Handle,
        mind::MindKind,
        record::{Cause, Outcome, Record},
        resource::ResourceId,
        rules::Execution,
        tape::{Purpose, Taped},
    },
    show_dollars, state_at,
};
use serde_json::Value;

use crate::{
    error::Unshown,
    moment::Moment,
    page::{Page, Wanted},
    text::{amount, block, count, counted, line, value},
    timeline::{self, Shown},
};

/// Effects and charges of one record that are shown.
const ROWS: usize = 60;
/// The most records between a tick's beginning and a step of it that are looked through.
const TICK_RECORDS_MAX: u64 = 200_000;

pub(super) fn page(m: &Moment<'_>, seq: u64) -> Result<(String, Markup), Unshown> {
    let missing = || Unshown::NotFound(format!("there is no record {seq}; the last one is {}", m.seq()));
    let record = timeline::these(m, &[seq])?.pop().ok_or_else(missing)?;
    let Some(shown) = Shown::of(m, &record) else {
        let text = html! {
            p { "Record " (seq) " tells of nothing that you may see: " (cause_words(&record.cause)) "." }
        };
        return Ok((format!("Record {seq}"), text));
    };
    let asked = match shown.actor.filter(|actor| m.is_own(*actor)) {
        Some(actor) => askings(m, actor)?,
        None => Vec::new(),
    };
    let observed = observation(m, &record)?;
    Ok((
        format!("Record {seq}"),
        html! {
            p class="soft" {
                (timeline::when(m, record.time)) " · " (cause_words(&record.cause))
                @if let Some(actor) = shown.actor {
                    " of " (m.id(actor)) " · "
                    (m.link(&Page::Events(Wanted { of: Some(m.world.name(actor).to_owned()), ..Wanted::default() }),
                            "all its events"))
                }
            }
            (turn(m, &record, &of_step(&asked, &record), observed.as_ref()))
            p class="more" {
                @if seq > 1 { (m.link(&Page::Record(seq - 1), "← the record before")) }
                @if seq < m.seq() { (m.link(&Page::Record(seq + 1), "the next →")) }
            }
        },
    ))
}

/// The cause of a record in a word.
fn cause_words(cause: &Cause) -> &'static str {
    match cause {
        Cause::Genesis { .. } | Cause::Founding => "the founding",
        Cause::Tick { .. } => "a tick began",
        Cause::Clock { .. } => "the clock was moved",
        Cause::Act { .. } => "an action from outside",
        Cause::Step { .. } => "a step",
        Cause::Ask { .. } => "a mind was asked",
        Cause::Short { .. } => "a turn without the means for it",
        Cause::Runtime { .. } => "another runtime of code",
        Cause::Due { .. } | Cause::Hook { .. } => "a call by the world",
        Cause::Rules { .. } => "other rules",
        Cause::Regrow => "stocks grew",
    }
}

/// The last askings of a model by an agent, the latest last.
pub(super) fn askings(m: &Moment<'_>, agent: Handle) -> Result<Vec<Taped>, Unshown> {
    let kind = m.world.get(agent).and_then(|artifact| MindKind::of(artifact.content()).ok());
    if kind != Some(MindKind::Llm) {
        return Ok(Vec::new());
    }
    let mut rows: Vec<Taped> = Vec::new();
    m.journal.tape(Some(m.world.name(agent)), |row| {
        let is_used = row.origin != oikos_runner::kernel::tape::Origin::Imported;
        if is_used && row.seq < m.seq() && matches!(row.purpose, Purpose::Step | Purpose::Repair) {
            rows.push(row);
        }
        Ok::<(), oikos_runner::JournalError>(())
    })?;
    rows.sort_by_key(|row| row.seq);
    Ok(rows)
}

/// The askings from which a step came: those at the last state before it at which the agent was asked.
pub(super) fn of_step<'t>(asked: &'t [Taped], record: &Record) -> Vec<&'t Taped> {
    if !matches!(record.cause, Cause::Step { .. }) {
        return Vec::new();
    }
    let before = asked.iter().filter(|row| row.seq < record.seq).map(|row| row.seq).max();
    asked.iter().filter(|row| Some(row.seq) == before).collect()
}

/// The observation of a step, made again from the state that its mind saw.
fn observation(m: &Moment<'_>, record: &Record) -> Result<Option<Value>, Unshown> {
    let Cause::Step { agent, .. } = record.cause else { return Ok(None) };
    if m.is_sheet() || !m.is_own(agent) {
        return Ok(None);
    }
    let at = match m.world.rules().execution {
        Execution::Autonomous { .. } => Some(record.seq.saturating_sub(1)),
        Execution::Tick { .. } => tick_of(m, record)?,
    };
    let Some(at) = at.filter(|at| *at > 0) else { return Ok(None) };
    let before = state_at(m.journal, at)?;
    if before.agent(agent).is_none() {
        return Ok(None);
    }
    Ok(Some(before.observation(agent, record.time, before.population())))
}

/// The record with which the tick of a step began.
fn tick_of(m: &Moment<'_>, record: &Record) -> Result<Option<u64>, Unshown> {
    let mut end = record.seq;
    while end > 1 && record.seq - end < TICK_RECORDS_MAX {
        let first = end.saturating_sub(1_024).max(1);
        let mut found = None;
        m.journal.records_while(first, |one| {
            if one.seq < end && matches!(one.cause, Cause::Tick { .. }) {
                found = Some(one.seq);
            }
            one.seq < end
        })?;
        if found.is_some() {
            return Ok(found);
        }
        end = first;
    }
    Ok(None)
}

/// A step in parts: observation, prompt, answer, action, receipt, effects.
pub(super) fn turn(m: &Moment<'_>, record: &Record, asked: &[&Taped], observed: Option<&Value>) -> Markup {
    let Some(shown) = Shown::of(m, record) else { return html! {} };
    let is_own = shown.actor.map_or(m.sees_all(), |actor| m.is_own(actor));
    let effects: Vec<Markup> = if is_own {
        record.effects.iter().take(ROWS).filter_map(|effect| timeline::effect(m, effect)).collect()
    } else {
        Vec::new()
    };
    let more = record.effects.len().saturating_sub(ROWS);
    let cut = || html! { "`oikos log --json` has all of it." };
    html! {
        dl class="turn" {
            dt { "In a line" } dd { ol class="steps" { li { span class="seq" { (record.seq) }
            (timeline::words(m, &shown)) } } }
            @if let Some(observed) = observed {
                @let text = value(observed);
                dt { "Observation" }
                dd {
                    details {
                        summary { (counted(text.lines().count() as u64, "line")) " that its mind was given" }
                        (block(&text, || html! { "`oikos session` gives all of it." }))
                    }
                }
            }
            @for row in asked { (asking(m, row)) }
            @if is_own {
                @if !shown.think.is_empty() { dt { "Reasons" } dd { (block(shown.think, cut)) } }
                @match shown.action.as_deref() {
                    Some(Value::Null) | None => {}
                    Some(action) => { dt { "Action" } dd { (block(&value(action), cut)) } }
                }
                @for (of, text) in ["The mind printed", "The action printed"].iter().zip(shown.printed) {
                    @if !text.is_empty() { dt { (of) } dd { (block(text, cut)) } }
                }
                @match &record.outcome {
                    Outcome::Done(result) if result.value().is_null() => { dt { "Receipt" }
                    dd { span class="good" { "done" } } }
                    Outcome::Done(result) => { dt { "Receipt" } dd { span class="good" { "done" }
                    (block(&value(result.value()), cut)) } }
                    Outcome::Refused(refusal) => { dt { "Receipt" } dd { (timeline::refusal(m, refusal)) } }
                    Outcome::Nothing => {}
                }
                (charges(m, record))
            }
            @if !effects.is_empty() || more > 0 {
                dt { "Effects" }
                dd {
                    @for effect in &effects { div { (effect) } }
                    @if more > 0 { p class="cut" { "and " (count(more as u64)) " more" } }
                }
            }
        }
    }
}

/// One asking of a model: the prompt, and the answer.
fn asking(m: &Moment<'_>, row: &Taped) -> Markup {
    let request: Value = serde_json::from_str(&row.request).unwrap_or_default();
    let messages = request.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    let cut = || html! { "`oikos tape export` has all of it." };
    html! {
        dt { "Prompt" }
        dd {
            p class="soft" {
                (m.link(&Page::Cost, format!("{}::{}", row.provider, row.model))) ", " (row.purpose.as_str()) ": "
                (count(row.tokens_in)) " tokens in, " (count(row.tokens_out)) " out, " (show_dollars(row.cost))
            }
            @for message in &messages {
                @let text = |field: &str| message.get(field).map(value).unwrap_or_default();
                h3 { (line(&text("role"))) }
                @let said = ["text", "content"].iter().map(|field| text(field)).find(|text| !text.is_empty());
                (block(&said.unwrap_or_else(|| value(message)), cut))
            }
            @if messages.is_empty() { (block(&row.request, cut)) }
        }
        dt { "Answer" }
        dd {
            @if let Some(failure) = row.failure { p class="bad" { (failure) } }
            (block(&row.answer, cut))
        }
    }
}

/// The charges of a record, by principal and resource.
fn charges(m: &Moment<'_>, record: &Record) -> Markup {
    let mut sums: BTreeMap<(Handle, ResourceId), i64> = BTreeMap::new();
    for charge in &record.charges {
        let sum = sums.entry((charge.principal, charge.resource)).or_default();
        *sum = sum.saturating_add(charge.amount);
    }
    sums.retain(|(principal, _), _| m.knows(*principal));
    let more = sums.len().saturating_sub(ROWS);
    html! {
        @if !sums.is_empty() {
            dt { "Charged" }
            dd {
                @for ((principal, resource), sum) in sums.iter().take(ROWS) {
                    @let name = m.world.rules().resource_name(*resource);
                    div { (m.id(*principal)) ": " (amount(name, *sum)) " of " (name) }
                }
                @if more > 0 { p class="cut" { "and " (count(more as u64)) " more" } }
            }
        }
    }
}
