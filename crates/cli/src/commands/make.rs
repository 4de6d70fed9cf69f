//! `oikos init` and `oikos validate`.

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, Result, bail};
use oikos_runner::kernel::{id::Id, mind::Mind, time::format_duration_ms};
use oikos_runner::{
    Journal, Workplace,
    config::{Isolation, Lasts, WorldFile},
    mind, preview,
};
use serde_json::{Value, json};

use super::{Usage, sweep, workplace, world_file};
use crate::{
    args::{OverrideArgs, WorkplaceArgs},
    print::{self, Printer, number},
    status::ExitStatus,
    style::{self, styled},
    summary::counted,
};

/// Agents of whose minds a problem is told.
const PROBLEMS: usize = 10;

const WORLD: &str = r#"# A world of ten agents who give each other scrip. Change it, then: oikos run NAME.toml

[world]
name = "NAME"
seed = 1

[execution]
ticks         = 20
tick_duration = "60s"

[scrip]
start = 10

[measures]
gini = "gini(scrip)"

[[agents]]
id        = "agent"
count     = 10
code_file = "NAME/agent.py"
"#;

const AGENT: &str = r#"import random


def step(observation):
    """Thinks on the observation, and returns an action: one op, a list of ops, or None."""
    if observation["self"]["scrip"] == 0:
        return None
    other = query("agents", sample=1)[0]["id"]
    return {"op": "transfer", "to": other, "amount": random.randint(1, observation["self"]["scrip"])}
"#;

pub(super) fn init(name: &str, printer: Printer) -> Result<ExitStatus> {
    let name = name.strip_suffix(".toml").unwrap_or(name);
    if let Err(error) = Id::parse(name) {
        bail!(Usage(error.0));
    }
    let (world, folder) = (format!("{name}.toml"), Path::new(name));
    let agent = folder.join("agent.py");
    let files = [(Path::new(&world), WORLD.replace("NAME", name)), (&agent, AGENT.to_owned())];
    // A file that was made before and not changed since is as good as new.
    let stands = |path: &Path, text: &str| std::fs::read_to_string(path).is_ok_and(|found| found == text);
    for (path, text) in &files {
        if path.exists() && !stands(path, text) {
            bail!(Usage(format!("`{}` is there already", path.display())));
        }
    }
    std::fs::create_dir_all(folder).with_context(|| format!("`{name}` can't be made"))?;
    let mut done = "they are there:";
    for (path, text) in &files {
        if !stands(path, text) {
            write(path, text)?;
            done = "wrote";
        }
    }
    printer.data(
        || json!({ "ok": true, "name": name, "files": [world, agent] }),
        || format!("{done} {world} and {}; next: oikos run {world}", agent.display()),
    )?;
    Ok(ExitStatus::Done)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::File::options().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("`{}` can't be written", path.display()))
}

pub(super) fn validate(path: &Path, overrides: &OverrideArgs, printer: Printer) -> Result<ExitStatus> {
    if oikos_sweep::is_sweep(path) {
        return sweep::validate(path, overrides, printer);
    }
    let file = world_file(path, overrides)?;
    // Founding compiles all code; where it would run later is the run's affair.
    let thread = Some(Isolation::Thread);
    let workplace = Workplace { isolation: thread, ..workplace::of(WorkplaceArgs::default()) };
    let live = workplace.found(file.clone(), Journal::in_memory)?;
    let world = live.world();
    let asks = |agent| matches!(mind(world, agent), Some(Mind::Llm(_)));
    if world.agents().any(|agent| asks(agent.handle)) {
        check_minds(&workplace, file.clone())?;
    }
    let found = oikos_runner::check(&workplace, &file)?;
    let wrong: Vec<&str> =
        found.iter().filter(|found| found.is_wrong).map(|found| &*found.sentence).collect();
    if !wrong.is_empty() {
        bail!(Usage(wrong.join("\n")));
    }
    let warnings: Vec<String> = found.into_iter().map(|found| found.sentence).collect();
    if !printer.is_for_programs() {
        warnings.iter().for_each(|sentence| print::warning(sentence));
    }
    let (agents, artifacts) = (world.population(), world.artifacts().count());
    let (name, supply) = (&live.file.plan.name, world.supply());
    let (key, value, lasts) = match live.file.plan.lasts {
        Lasts::Ticks(ticks) => {
            let count = i64::try_from(ticks).unwrap_or(i64::MAX);
            ("ticks", Value::from(ticks), counted(count, "tick"))
        }
        Lasts::Ms(ms) => {
            let duration = format_duration_ms(ms);
            ("duration", Value::from(duration.as_str()), format!("{duration} of independent loops"))
        }
    };
    printer.data(
        || {
            json!({ "ok": true, "name": name, "agents": agents, "artifacts": artifacts, key: value,
                    "supply": supply, "warnings": warnings })
        },
        || {
            let count = |count: usize, word: &str| counted(i64::try_from(count).unwrap_or(i64::MAX), word);
            let (agents, artifacts) = (count(agents, "agent"), count(artifacts, "artifact"));
            let yes = styled(style::GOOD, "is fine");
            format!("{name} {yes}: {agents}, {artifacts}, {} scrip, {lasts}", number(supply))
        },
    )?;
    Ok(ExitStatus::Done)
}

/// Refuses a world file whose agents could not ask their models.
fn check_minds(workplace: &Workplace, file: WorldFile) -> Result<()> {
    let previews = preview(workplace, file, None)?;
    let problems = previews.iter().filter(|preview| !preview.is_taped).filter_map(|preview| {
        let problem = preview.problem.as_deref()?;
        let provider = preview.model.split_once("::").map_or("", |(provider, _)| provider);
        let is_unknown = preview.cost_max.is_none() && !problem.contains("[llm.");
        let line = if is_unknown {
            format!("; declare it:\n[llm.providers.{provider}]\napi = \"openai\"\nurl = \"…\"")
        } else {
            String::new()
        };
        Some(format!("`{}`, whose model is `{}`: {problem}{line}", preview.agent, preview.model))
    });
    let problems: Vec<String> = problems.collect();
    if problems.is_empty() {
        return Ok(());
    }
    let left_out = problems.len().saturating_sub(PROBLEMS);
    let more = (left_out > 0).then(|| format!("… and {left_out} agents more"));
    let shown: Vec<String> = problems.into_iter().take(PROBLEMS).chain(more).collect();
    bail!(Usage(shown.join("\n")))
}
