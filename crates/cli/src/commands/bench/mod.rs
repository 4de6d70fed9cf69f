//! `oikos bench`: the speed of steps and of sessions on this machine, in CPU time, beside Mesa where it is installed.

use std::{
    fmt::Write as _,
    io::{self, BufReader, Cursor},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use oikos_runner::{
    Journal, Live, RunError, Stop,
    config::{self, Overrides, WorldFile},
    library, number, session,
};
use serde_json::{Value, json};

use super::Usage;
use crate::{
    print::{self, Printer},
    status::ExitStatus,
    table::{Column, table},
};

/// The same models in Mesa.
const MODELS: &str = include_str!("models.py");

/// A world whose steps are timed.
struct Steps {
    name: &'static str,
    text: &'static str,
    /// Its files of code.
    files: &'static [(&'static str, &'static str)],
    agents: u64,
    ticks: u64,
    /// Whether Mesa has the same model.
    is_compared: bool,
}

const COINS: &[(&str, &str)] = &[("coins/agent.py", include_str!("../../../../../worlds/coins/agent.py"))];

const RESHUFFLE: &[(&str, &str)] =
    &[("reshuffle/person.py", include_str!("../../../../../worlds/science/reshuffle/person.py"))];

const fn noop(agents: u64, ticks: u64, is_compared: bool) -> Steps {
    Steps { name: "noop", text: include_str!("noop.toml"), files: &[], agents, ticks, is_compared }
}

/// The same number of steps in all sizes of one world.
const STEPS: [Steps; 5] = [
    noop(1_000, 200, true),
    noop(10_000, 20, false),
    noop(100_000, 2, false),
    Steps {
        name: "coins",
        text: include_str!("../../../../../worlds/coins.toml"),
        files: COINS,
        agents: 1_000,
        ticks: 50,
        is_compared: true,
    },
    Steps {
        name: "reshuffle",
        text: include_str!("../../../../../worlds/science/reshuffle.toml"),
        files: RESHUFFLE,
        agents: 10_000,
        ticks: 2,
        is_compared: true,
    },
];

/// Requests of a session that is timed: their name, one of them, how many.
const SESSIONS: [(&str, &str, usize); 2] = [
    ("noop", r#"{"act":{"as":"alice","op":"noop"}}"#, 300_000),
    ("transfer", r#"{"act":{"as":"alice","op":"transfer","to":"bob","amount":1}}"#, 200_000),
];

/// How a bench is to be run.
pub(super) struct Wanted {
    pub(super) rounds: u32,
    /// The interpreter that may have Mesa.
    pub(super) python: String,
}

/// The figures of a world's steps.
struct Timed {
    agents: u64,
    /// Of each round, in microseconds a step.
    ours: Vec<f64>,
    mesa: Vec<f64>,
}

/// Times everything, one round after the other, so that what else the machine does meets all alike.
pub(super) fn bench(wanted: &Wanted, printer: Printer) -> Result<ExitStatus> {
    if wanted.rounds == 0 {
        bail!(Usage("--rounds 0: there is nothing to time; give at least 1".into()));
    }
    if cfg!(debug_assertions) {
        print::note("this is no release build: its figures say little (cargo run --release -- bench)");
    }
    let mesa = mesa(&wanted.python, &[]).ok();
    if mesa.is_none() {
        let python = &wanted.python;
        print::note(&format!(
            "{python} has no Mesa, so nothing is compared: `pip install mesa==3.3.1`, or name another by --python"
        ));
    }
    let mut steps: Vec<Timed> = STEPS
        .iter()
        .map(|steps| Timed { agents: steps.agents, ours: Vec::new(), mesa: Vec::new() })
        .collect();
    let mut sessions: Vec<Vec<Spoken>> = SESSIONS.iter().map(|_| Vec::new()).collect();
    for round in 1..=wanted.rounds {
        print::note(&format!("round {round} of {}", wanted.rounds));
        for (world, timed) in STEPS.iter().zip(&mut steps) {
            timed.ours.push(world.time()?);
            if mesa.is_some() && world.is_compared {
                timed.mesa.push(world.time_in_mesa(&wanted.python)?);
            }
        }
        for ((_, line, count), figures) in SESSIONS.iter().zip(&mut sessions) {
            figures.push(talk(line, *count)?);
        }
    }
    let told = Told { mesa, steps, sessions };
    if printer.is_for_programs() {
        printer.value(&told.to_json())?;
    } else {
        printer.line(&told.text())?;
    }
    Ok(ExitStatus::Done)
}

impl Steps {
    fn file(&self) -> Result<WorldFile> {
        let sizes = [("execution.ticks", self.ticks), ("agents.person.count", self.agents)];
        let set = sizes.map(|(key, size)| (key.to_owned(), size.to_string())).to_vec();
        parse(self.name, self.text.to_owned(), self.files, Overrides { seed: None, set })
    }

    /// Microseconds of CPU for a step, the founding left out.
    fn time(&self) -> Result<f64> {
        let mut live = Live::found(self.file()?, Journal::in_memory)?;
        let (goal, stop) = (live.goal()?, Stop::default());
        let (stopped, cpu) = timed(|| live.run_to_end(goal, &stop, |_, _| ()));
        stopped?;
        let done = live.ticks_done().unwrap_or(0) * self.agents;
        Ok(micros(cpu, done))
    }

    /// The same in Mesa.
    fn time_in_mesa(&self, python: &str) -> Result<f64> {
        let said = mesa(python, &[self.name, &self.agents.to_string(), &self.ticks.to_string()])?;
        let seconds: f64 = said.parse().with_context(|| format!("Mesa said {said:?} instead of a time"))?;
        Ok(seconds * 1e6 / count(self.agents * self.ticks))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^53")]
const fn count(of: u64) -> f64 {
    of as f64
}

fn micros(cpu: std::time::Duration, steps: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / count(steps.max(1))
}

fn parse(name: &str, text: String, files: &[(&str, &str)], overrides: Overrides) -> Result<WorldFile> {
    let mut read = |wanted: &str| {
        let found = files.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "it is not there".to_owned())
    };
    let file = config::parse(&format!("{name}.toml"), text, &mut read, &overrides, library::founders());
    Ok(file.map_err(RunError::from)?)
}

/// A piece of work, and the CPU time of all threads meanwhile.
fn timed<T>(work: impl FnOnce() -> T) -> (T, std::time::Duration) {
    let begun = cpu();
    let done = work();
    (done, cpu().saturating_sub(begun))
}

/// The CPU time of this process.
#[cfg(unix)]
fn cpu() -> std::time::Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    std::time::Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time that passes: CPU time can't be had here.
#[cfg(not(unix))]
fn cpu() -> std::time::Duration {
    static BEGUN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    BEGUN.elapsed()
}

/// The bytes of a session, and how long it took.
struct Spoken {
    actions: usize,
    read: usize,
    written: usize,
    cpu: std::time::Duration,
}

/// Takes answers, and counts them.
#[derive(Default)]
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session from the bytes of its requests to those of its answers.
fn talk(line: &str, actions: usize) -> Result<Spoken> {
    let file = parse("session", include_str!("session.toml").to_owned(), &[], Overrides::default())?;
    let mut live = Live::found(file, Journal::in_memory)?;
    let requests = format!("{line}\n").repeat(actions).into_bytes();
    let read = requests.len();
    let input = BufReader::with_capacity(session::READ_BYTES, Cursor::new(requests));
    let mut answers = Counted::default();
    let (served, cpu) = timed(|| session::serve(&mut live, input, &mut answers, &Stop::default()));
    served?;
    Ok(Spoken { actions, read, written: answers.0, cpu })
}

/// Runs the models in Mesa: without words they say its version.
fn mesa(python: &str, words: &[&str]) -> Result<String> {
    let output = Command::new(python).arg("-c").arg(MODELS).args(words).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{python} can't run the models in Mesa: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The middle of some figures, which stand in no order.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// All figures.
struct Told {
    mesa: Option<String>,
    steps: Vec<Timed>,
    sessions: Vec<Vec<Spoken>>,
}

impl Timed {
    fn mesa(&self) -> Option<f64> {
        (!self.mesa.is_empty()).then(|| median(&self.mesa))
    }
}

/// Of a session's rounds the medians: actions, bytes read and bytes written, each for a second of CPU.
fn rates(rounds: &[Spoken]) -> [f64; 3] {
    let rate = |of: fn(&Spoken) -> usize| {
        let each: Vec<f64> = rounds
            .iter()
            .map(|round| count(of(round) as u64) / round.cpu.as_secs_f64().max(f64::MIN_POSITIVE))
            .collect();
        median(&each)
    };
    [rate(|round| round.actions), rate(|round| round.read), rate(|round| round.written)]
}

impl Told {
    fn to_json(&self) -> Value {
        let steps: Vec<Value> = STEPS
            .iter()
            .zip(&self.steps)
            .map(|(world, timed)| {
                let ours = median(&timed.ours);
                let mesa = timed.mesa();
                let ratio = mesa.map(|mesa| ours / mesa);
                json!({ "world": world.name, "agents": timed.agents, "us": ours, "mesa_us": mesa, "ratio": ratio })
            })
            .collect();
        let sessions: Vec<Value> = SESSIONS
            .iter()
            .zip(&self.sessions)
            .map(|((name, ..), rounds)| {
                let [actions, read, written] = rates(rounds);
                json!({
                    "op": name,
                    "actions_per_cpu_s": actions,
                    "bytes_in_per_cpu_s": read,
                    "bytes_out_per_cpu_s": written,
                })
            })
            .collect();
        json!({ "mesa": self.mesa, "steps": steps, "sessions": sessions })
    }

    fn text(&self) -> String {
        let of = |version: &String| format!("mesa {version}");
        let mesa = self.mesa.as_ref().map_or_else(String::new, of);
        let columns = [
            Column::Name("steps"),
            Column::Number("agents"),
            Column::Number("us a step"),
            Column::Number(&mesa),
            Column::Number("ratio"),
        ];
        let rows: Vec<Vec<String>> = STEPS
            .iter()
            .zip(&self.steps)
            .map(|(world, timed)| {
                let ours = median(&timed.ours);
                let mesa = timed.mesa();
                vec![
                    world.name.to_owned(),
                    number(timed.agents),
                    format!("{ours:.2}"),
                    mesa.map_or_else(String::new, |mesa| format!("{mesa:.2}")),
                    mesa.map_or_else(String::new, |mesa| format!("{:.1}", ours / mesa)),
                ]
            })
            .collect();
        let mut text = table(&columns, &rows);
        let columns = [
            Column::Name("sessions"),
            Column::Number("actions"),
            Column::Number("MB in"),
            Column::Number("MB out"),
        ];
        let rows: Vec<Vec<String>> = SESSIONS
            .iter()
            .zip(&self.sessions)
            .map(|((name, ..), rounds)| {
                let [actions, read, written] = rates(rounds);
                vec![
                    (*name).to_owned(),
                    format!("{actions:.0}"),
                    format!("{:.1}", read / 1e6),
                    format!("{:.1}", written / 1e6),
                ]
            })
            .collect();
        let _ = write!(text, "\n\n{}\n\n", table(&columns, &rows));
        text.push_str("medians; CPU of all threads; sessions from bytes to bytes, for a second of CPU");
        text
    }
}
