//! The summary that a person reads at the end of a run, and the progress bar on the way.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oikos_runner::kernel::{
    record::Handle,
    rules::ResourceId,
    time::format_duration_ms,
    world::{Tally, World},
};
use oikos_runner::{Address, Live, Summary, config::Lasts, counted, number, quoted, report};
use serde_json::Value;

use crate::{
    print::{COLUMNS, amount},
    progress::as_lines,
    table::{Column, table},
};

/// Before the commands that look at a world.
const NEXT: &str = "         ";
/// Rows of each list.
const ROWS: usize = 5;

/// A bar that goes away with whoever has it, however that ends.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl std::ops::Deref for Bar {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.0
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar on standard error, when that is a terminal and the output is for people.
pub(crate) fn progress(length: u64, unit: &str, json: bool) -> Bar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = as_lines(&bar, unit)
        .unwrap_or_else(|| format!("{{bar:40}} {{pos}}/{{len}} {unit}  {{elapsed}} (left {{eta}})"));
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    Bar(bar)
}

/// The summary as text.
pub(crate) fn text(
    live: &Live,
    totals: &Summary,
    measures: &[(String, Result<f64, String>)],
    db: Option<&Address>,
) -> String {
    let world = live.world();
    let span_ms = live.ran_ms();
    let ran = match (live.file.plan.lasts, live.ticks_done()) {
        (Lasts::Ms(ms), _) => {
            let steps: u64 = world.agents().map(|agent| agent.steps).sum();
            format!("{} of {}, {} steps", span(span_ms), span(ms), number(steps))
        }
        (Lasts::Ticks(ticks), done) => format!(
            "{} of {}, {} of world time",
            number(done.unwrap_or(0)),
            counted(ticks, "tick"),
            format_duration_ms(span_ms)
        ),
    };
    let head = format!("{}: {ran}, {}", live.file.plan.name, counted(world.population(), "agent"));
    let done = format!(
        "{}, {} refused, {} built, {} scrip in the world",
        counted(totals.actions, "action"),
        number(totals.failures),
        counted(totals.built.len(), "artifact"),
        number(world.supply()),
    );
    let mut parts = vec![format!("{head}\n{done}")];
    parts.extend(loops(live));
    if !measures.is_empty() {
        let rows = measures.iter().map(|(name, value)| {
            vec![name.clone(), value.as_ref().map_or("no value".into(), |value| format!("{value:.4}"))]
        });
        parts.push(table(&[Column::Name("Measures"), Column::Number("")], &rows.collect::<Vec<_>>()));
    }
    parts.extend(richest(live));
    parts.extend(most_called(live, totals));
    parts.extend(refused(totals));
    parts.extend(ailments(live.world()));
    parts.extend(costs(live, totals));
    let world_hashes = format!(
        "state    {}\njournal  {}",
        report::hex(&world.digest()),
        report::hex(&live.sequencer.head().journal_hash)
    );
    parts.push(format!("{world_hashes}\n{}", place(db)));
    parts.join("\n\n")
}

/// Where the world is, and the commands that look at it, within the terminal's width.
fn place(db: Option<&Address>) -> String {
    let Some(db) = db else { return "world    in memory, and gone with this command".into() };
    let name = quoted(&db.to_string());
    let mut lines = vec![format!("world    {db}")];
    let mut line = String::new();
    for (command, what) in [("inspect", " agents"), ("log", ""), ("verify", "")] {
        let command = format!("oikos {command} {name}{what}");
        let more = if line.is_empty() { command.clone() } else { format!("{line} · {command}") };
        if more.chars().count() + NEXT.len() > COLUMNS && !line.is_empty() {
            lines.push(format!("{NEXT}{line}"));
            line = command;
        } else {
            line = more;
        }
    }
    lines.push(format!("{NEXT}{line}"));
    lines.join("\n")
}

/// A span of time, to the second if it is long: `3h 20m`.
fn span(ms: i64) -> String {
    if ms < 60_000 {
        return format_duration_ms(ms);
    }
    let parts = [(ms / 3_600_000, "h"), (ms / 60_000 % 60, "m"), (ms / 1_000 % 60, "s")];
    let words = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}"));
    words.collect::<Vec<_>>().join(" ")
}

/// The states of the loops as the run ends, and their punctuality; nothing where there are ticks and all
/// of them run.
fn loops(live: &Live) -> Option<String> {
    let states = report::states(live.world());
    let rows: Vec<(&String, &Value)> = states.as_object()?.iter().collect();
    let idle = rows.iter().all(|(state, _)| matches!(state.as_str(), "starting" | "running"));
    if rows.is_empty() || (live.ticks_done().is_some() && idle) {
        return None;
    }
    let words: Vec<String> = rows
        .iter()
        .map(|(state, count)| format!("{} {state}", number(count.as_i64().unwrap_or(i64::MAX))))
        .collect();
    let late = live.lateness().filter(|late| late.turns() > 0).and_then(|late| {
        let ms = |permille| late.permille(permille).map(|late| late.as_secs_f64() * 1_000.0);
        Some(format!("; turns were late by {:.2} ms (median), {:.2} ms (99 %)", ms(500)?, ms(990)?))
    });
    Some(format!("loops    {}{}", words.join(", "), late.unwrap_or_default()))
}

fn richest(live: &Live) -> Option<String> {
    let world = live.world();
    let mut agents: Vec<(i64, Handle)> = world
        .agents()
        .filter(|agent| world.get(agent.handle).is_some_and(|artifact| !artifact.is_deleted()))
        .map(|agent| (world.scrip(agent.handle), agent.handle))
        .collect();
    agents.sort_by_key(|(scrip, handle)| (std::cmp::Reverse(*scrip), *handle));
    if agents.iter().all(|(scrip, _)| *scrip == 0) {
        return None;
    }
    let rows =
        agents.iter().take(ROWS).map(|(scrip, handle)| vec![world.name(*handle).into(), number(*scrip)]);
    Some(table(&[Column::Name("Richest"), Column::Number("scrip")], &rows.collect::<Vec<_>>()))
}

fn most_called(live: &Live, totals: &Summary) -> Option<String> {
    let world = live.world();
    let mut calls: Vec<_> = totals.calls.iter().collect();
    calls.sort_by_key(|(handle, calls)| (std::cmp::Reverse(calls.count), **handle));
    if calls.is_empty() {
        return None;
    }
    let rows = calls.iter().take(ROWS).map(|(handle, calls)| {
        let owner = world.get(**handle).map_or("", |artifact| world.name(artifact.owner()));
        vec![world.name(**handle).into(), owner.into(), number(calls.count), number(calls.by_others)]
    });
    let columns = [
        Column::Name("Most called"),
        Column::Name("owner"),
        Column::Number("calls"),
        Column::Number("by others"),
    ];
    Some(table(&columns, &rows.collect::<Vec<_>>()))
}

fn refused(totals: &Summary) -> Option<String> {
    if totals.reasons.is_empty() {
        return None;
    }
    let mut reasons: Vec<_> = totals.reasons.iter().collect();
    reasons.sort_by_key(|(code, (count, _))| (std::cmp::Reverse(*count), **code));
    let rows = reasons.iter().map(|(code, (count, example))| {
        // The last line of a traceback says what happened.
        let line = example.lines().last().unwrap_or_default();
        let short: String = line.chars().take(90).collect();
        let short = if short.len() < line.len() { format!("{short}…") } else { short };
        vec![code.to_string(), number(*count), short]
    });
    let columns = [Column::Word("Refused"), Column::Number("times"), Column::Text("the first")];
    Some(table(&columns, &rows.collect::<Vec<_>>()))
}

/// The ailments that agents had: how many, and the first of them with the likely cause.
fn ailments(world: &World) -> Option<String> {
    let mut rows = Vec::new();
    for Tally { ailment, agents, first, detail } in world.health() {
        let word = ailment.as_str();
        let cause = detail.strip_prefix(word).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(detail);
        let (count, text) = if *first == Handle::NOBODY {
            ("the run".into(), cause.to_owned())
        } else {
            (number(*agents), format!("{}: {cause}", world.name(*first)))
        };
        rows.push(vec![word.to_owned(), count, text]);
    }
    let columns = [Column::Word("Health"), Column::Number("agents"), Column::Text("the first")];
    (!rows.is_empty()).then(|| table(&columns, &rows))
}

fn costs(live: &Live, totals: &Summary) -> Option<String> {
    let rules = live.world().rules();
    let mut rows: Vec<Vec<String>> = totals
        .consumed
        .iter()
        .map(|(resource, used)| {
            let name = rules.resource_name(*resource);
            let value = if *resource == ResourceId::CPU { micros(*used) } else { amount(name, *used) };
            vec![name.to_owned(), value, String::new()]
        })
        .collect();
    for (why, (count, volume)) in &totals.paid {
        let count = number(*count);
        rows.push(vec![
            format!("scrip ({})", why.replace('_', " ")),
            number(*volume),
            format!("in {count} payments"),
        ]);
    }
    let columns = [Column::Name("Costs"), Column::Number(""), Column::Word("")];
    (!rows.is_empty()).then(|| table(&columns, &rows))
}

/// Microseconds as milliseconds with three digits.
fn micros(us: i64) -> String {
    format!("{}.{:03} ms", number(us / 1_000), us % 1_000)
}
