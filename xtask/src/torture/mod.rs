//! Tortures the program: kills it at every call that changes a file, has every such call fail, fills the disk,
//! and cuts the power at every sync; then asks whether what was promised holds.
//!
//! `scenario` says which commands, `shim` how they are harmed, `power` what a disk may hold after a cut, and
//! `check` what is promised.

mod check;
mod log;
mod points;
mod power;
mod scenario;
pub(crate) mod shim;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use self::{
    check::{Asked, Expected, ended_well, hashes, promises},
    log::{Entry, printed},
    points::Point,
    power::{Disk, Found, fingerprint},
    scenario::{DB, FILES, SCENARIOS, Scenario},
    shim::{EIO, ENOSPC, Harm, Tools},
};

/// Failures of one scenario that are shown.
const SHOWN: usize = 6;

const USAGE: &str = "usage: cargo xtask torture [--short | --full] [--scenario NAME] [--binary FILE] [--keep]
         and one point again: --scenario NAME and
           --kill N [--torn]                 killed at the N-th call that changes a file
           --fail N [--errno EIO|ENOSPC]     that call fails; with ENOSPC the disk is full from there on
           --cut N --found STATE             no power after N calls; STATE as a failure names it";

/// How many points are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Some, for the gate.
    Short,
    /// All, where there are not thousands.
    #[default]
    Usual,
    /// All.
    Full,
}

/// The options of the command line.
#[derive(Debug, Default)]
struct Options {
    extent: Extent,
    scenario: Option<String>,
    binary: Option<PathBuf>,
    keep: bool,
    point: Option<Point>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let mut this = Self::default();
        let (mut kill, mut torn, mut fail, mut error, mut cut, mut found) =
            (None, false, None, EIO, None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--short" => this.extent = Extent::Short,
                "--full" => this.extent = Extent::Full,
                "--keep" => this.keep = true,
                "--scenario" => this.scenario = Some(value()?.clone()),
                "--binary" => this.binary = Some(fs::canonicalize(value()?)?),
                "--kill" => kill = Some(value()?.parse()?),
                "--torn" => torn = true,
                "--fail" => fail = Some(value()?.parse()?),
                "--errno" => {
                    error = match value()?.as_str() {
                        "EIO" => EIO,
                        "ENOSPC" => ENOSPC,
                        other => bail!("--errno is EIO or ENOSPC, not {other}"),
                    }
                }
                "--cut" => cut = Some(value()?.parse()?),
                "--found" => found = Some(value()?.parse::<Found>()?),
                other => bail!("there is no option {other}\n{USAGE}"),
            }
        }
        this.point = match (kill, fail, cut, found) {
            (Some(at), None, None, None) => Some(Point::Kill { at, torn }),
            (None, Some(at), None, None) => Some(Point::Fail { at, error }),
            (None, None, Some(after), Some(found)) => Some(Point::Cut { after, found }),
            (None, None, None, None) => None,
            _ => bail!("{USAGE}"),
        };
        if this.point.is_some() && this.scenario.is_none() {
            bail!("a single point needs its --scenario\n{USAGE}");
        }
        Ok(this)
    }
}

/// `cargo xtask torture`.
pub(crate) fn run(root: &Path, words: &[String]) -> Result<()> {
    torture(root, &Options::parse(words)?)
}

/// The short form, as the gate runs it.
pub(crate) fn short(root: &Path) -> Result<()> {
    if !cfg!(target_os = "linux") {
        eprintln!("the torture needs Linux, so it was not run");
        return Ok(());
    }
    torture(root, &Options { extent: Extent::Short, ..Options::default() })
}

fn torture(root: &Path, options: &Options) -> Result<()> {
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| match options.scenario.as_deref() {
            Some(name) => name == scenario.name,
            None => scenario.sample > 0 || options.extent != Extent::Short,
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        bail!("there is no such scenario; they are {}", names.join(", "));
    }
    let target =
        cargo_metadata::MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    let target = target.target_directory.into_std_path_buf();
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => {
            super::build(root)?;
            target.join("debug/oikos")
        }
    };
    // The shim knows files by their real names.
    let home = target.join(format!("torture-{}", std::process::id()));
    fs::create_dir_all(&home)?;
    let home = fs::canonicalize(home)?;
    let tools = Tools { binary, shim: shim::compile(&home)? };
    let begun = Instant::now();
    let mut bad = 0;
    for scenario in chosen {
        let bench = Bench::set_up(&tools, scenario, &home.join(scenario.name))?;
        bad += bench.try_all(options)?;
        if !options.keep {
            fs::remove_dir_all(&bench.home)?;
        }
    }
    if options.keep {
        eprintln!("the folders are kept in {}", home.display());
    } else {
        fs::remove_dir_all(&home)?;
    }
    eprintln!("torture took {} s", begun.elapsed().as_secs());
    if bad > 0 { bail!("{bad} points broke a promise") } else { Ok(()) }
}

/// A scenario that is set up: the folder as it is before the command, and what comes of it undisturbed.
struct Bench<'a> {
    tools: &'a Tools,
    scenario: &'a Scenario,
    home: PathBuf,
    expected: Expected,
    disk: Disk,
    entries: Vec<Entry>,
}

impl<'a> Bench<'a> {
    fn set_up(tools: &'a Tools, scenario: &'a Scenario, home: &Path) -> Result<Self> {
        let base = home.join("base");
        fs::create_dir_all(&base)?;
        for (name, text) in FILES {
            fs::write(base.join(name), text)?;
        }
        for step in scenario.before {
            let ended = tools.run(&base, &step.arguments(), &step.input())?;
            if ended.code != Some(0) {
                bail!("{}: what comes before it {}", scenario.name, ended.text());
            }
        }
        let mut expected = Expected::default();
        if scenario.keeps_old {
            let old = tools.run(&base, &["verify".into(), DB.into(), "--json".into()], &[])?;
            expected.old = old.report().as_ref().and_then(hashes);
        }
        let mut this =
            Self { tools, scenario, home: home.into(), expected, disk: Disk::default(), entries: Vec::new() };
        let folder = this.fresh("recorded")?;
        let log = home.join("recorded.log");
        this.disk = Disk::of(&folder)?;
        let (arguments, input) = (scenario.step.arguments(), scenario.step.input());
        let ended = tools.harm(&folder, &arguments, &input, Harm::None, Some(&log))?;
        if ended.code != Some(0) {
            bail!("{}: undisturbed it {}", scenario.name, ended.text());
        }
        this.entries = log::read(&log, &folder)?;
        this.expected.calls = this.entries.iter().map(|entry| entry.number).max().unwrap_or(0);
        this.expected.lines = ended.out.lines().count();
        this.expected.end = ended.report().as_ref().and_then(hashes).filter(|_| scenario.ends_alike);
        if this.expected.calls == 0 {
            bail!("{}: no call changed a file; does the shim stand in between?", scenario.name);
        }
        Ok(this)
    }

    /// A copy of the folder as it is before the command.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.home.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(self.home.join("base"))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
        Ok(folder)
    }

    /// Tries its points on all cores. How many broke a promise.
    fn try_all(&self, options: &Options) -> Result<usize> {
        let begun = Instant::now();
        let points = match options.point {
            Some(point) => vec![point],
            None => points::choose(&self.entries, self.expected.calls, self.scenario.sample, options.extent),
        };
        let (next, seen) = (AtomicUsize::new(0), Mutex::new(std::collections::HashSet::new()));
        let problems = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let work = |worker: usize| -> Result<()> {
            while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                let folder = if options.keep { format!("{point}") } else { format!("worker-{worker}") };
                let is_new = |state| seen.lock().unwrap_or_else(PoisonError::into_inner).insert(state);
                if let Err(problem) = self.attempt(point, &folder.replace(' ', ""), is_new)? {
                    problems.lock().unwrap_or_else(PoisonError::into_inner).push((*point, problem));
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
            handles.into_iter().try_for_each(|handle| match handle.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let mut problems = problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        problems.sort_by_key(|(point, _)| point.to_string());
        let (name, seconds) = (self.scenario.name, begun.elapsed().as_secs_f64());
        eprintln!(
            "{name:>12}  {}, {} broke a promise, {seconds:.1} s",
            points::count(&points),
            problems.len()
        );
        for (point, problem) in problems.iter().take(SHOWN) {
            eprintln!("    {problem}\n      at {}", point.place(&self.entries));
            eprintln!("      again: cargo xtask torture --scenario {name} {point}");
        }
        if problems.len() > SHOWN {
            eprintln!("    and {} more", problems.len() - SHOWN);
        }
        Ok(problems.len())
    }

    /// Tries one point in a folder of its own. Returns the broken promise, in words.
    fn attempt(&self, point: &Point, name: &str, mut is_new: impl FnMut(u64) -> bool) -> check::Found {
        let asked = point.asked();
        let (arguments, input) = (self.scenario.step.arguments(), self.scenario.step.input());
        match *point {
            Point::Kill { at, torn } => {
                let folder = self.fresh(name)?;
                let ended = self.tools.harm(&folder, &arguments, &input, Harm::Kill { at, torn }, None)?;
                // Nobody promises that it gets so far: what is written together depends on the moment.
                if !matches!(ended.code, None | Some(0)) {
                    return Ok(Err(format!("to be killed, it {}", ended.text())));
                }
                self.promises(&folder, &ended.out, asked)
            }
            Point::Fail { at, error } => {
                let folder = self.fresh(name)?;
                let (log, mut disk) = (self.home.join(format!("{name}.log")), Disk::of(&folder)?);
                let _ = fs::remove_file(&log);
                let harm = Harm::Fail { at, error };
                let ended = self.tools.harm(&folder, &arguments, &input, harm, Some(&log))?;
                if let Err(problem) = ended_well(self.scenario, &self.expected, &folder, &ended) {
                    return Ok(Err(problem));
                }
                let entries = log::read(&log, &folder)?;
                entries.iter().for_each(|entry| disk.take(entry));
                if let Err(problem) = self.promises(&folder, &ended.out, asked)? {
                    return Ok(Err(problem));
                }
                // Nor is anything lost if the power goes now: a sync that failed made nothing sure.
                self.lay_out(&folder, &disk, Found::Nothing)?;
                let kept = self.promises(&folder, &printed(&entries), asked)?;
                Ok(kept.map_err(|problem| format!("and then without power: {problem}")))
            }
            Point::Cut { after, found } => {
                let happened = self.entries.get(..after).unwrap_or(&self.entries);
                let mut disk = self.disk.clone();
                happened.iter().for_each(|entry| disk.take(entry));
                let told = printed(happened);
                if !is_new(fingerprint(&disk.found(found)) ^ (told.len() as u64).rotate_left(32)) {
                    return Ok(Ok(()));
                }
                let folder = self.fresh(name)?;
                self.lay_out(&folder, &disk, found)?;
                self.promises(&folder, &told, asked)
            }
        }
    }

    fn promises(&self, folder: &Path, printed: &str, asked: Asked) -> check::Found {
        promises(self.tools, self.scenario, &self.expected, folder, printed, asked)
    }

    /// Makes the folder hold what a disk may be found with.
    fn lay_out(&self, folder: &Path, disk: &Disk, found: Found) -> Result<()> {
        fs::remove_dir_all(folder)?;
        fs::create_dir_all(folder)?;
        for (name, bytes) in disk.found(found) {
            fs::write(folder.join(name), bytes)?;
        }
        Ok(())
    }
}
