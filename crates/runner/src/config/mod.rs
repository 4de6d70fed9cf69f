//! The world file: TOML that describes a world before it starts (`DESIGN.md §16.1`).
//!
//! Every error names the file, the line and what to write instead. The same text always makes the
//! same founding.

mod artifacts;
mod authors;
mod file;
mod hooks;
mod idle;
mod institutions;
mod keys;
mod llm;
mod measures;
mod minds;
mod named;
mod options;
mod parameters;
mod reader;
mod regrow;
mod source;
mod split;
mod tree;

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use oikos_kernel::{
    founding::{Founder, Founding},
    json::text_bytes,
    limits,
    op::OpKind,
    record::{EventKind, Why},
    rules::{
        Authority, CpuMeter, Execution, Missing, OnExhaustion, Order, Privacy, Renewal, ResourceId,
        ResourceKind, ResourceRule, Rules,
    },
    tape::Taped,
    time::Time,
};
use serde_json::Value;

pub(crate) use self::hooks::WORDS as HOOK_WORDS;
pub use self::{
    authors::Authors,
    llm::LlmPlan,
    named::NamedMethod,
    options::Overrides,
    source::Source,
    tree::{ConfigError, Place},
};
use self::{
    reader::{Read, Reader, amount},
    split::Shares,
    tree::{Document, Node, Table, Tree},
};
use crate::library;

/// How many may run code at once: more than cores of most machines.
pub const WORKERS_MAX: usize = 1_024;

/// A world file as it was read.
#[derive(Clone, Debug)]
pub struct WorldFile {
    /// How the world is run.
    pub plan: Plan,
    /// The founders of the world and their holdings.
    pub founding: Founding,
    /// The measures.
    pub measures: Vec<Measure>,
    /// The numbers of each agent that are taken with them, by name.
    pub columns: Vec<(String, Measured)>,
    /// How often a series of them is taken, in milliseconds; they are taken at the end in any case.
    pub every_ms: Option<i64>,
    /// The text it was read from.
    pub source: Source,
    /// The keys that do nothing where they stand, each in a sentence.
    pub idle: Vec<String>,
    /// The answers that a fresh world begins with; none where the file was read again from a database.
    pub tape: Vec<Taped>,
}

/// How a world is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The world's name.
    pub name: String,
    /// How long it runs, and by which scheduler.
    pub lasts: Lasts,
    /// How far a tick moves the clock, in milliseconds.
    pub tick_ms: i64,
    /// Which clock.
    pub clock: ClockKind,
    /// Where code runs; it changes nothing in the world.
    pub isolation: Isolation,
    /// How many run code at once, if it is not one for each core; it changes nothing in the world.
    pub workers: Option<usize>,
    /// Whether processes that follow the world think for its agents too; it changes nothing in the world.
    pub followers_think: bool,
    /// On the wall clock, how long the turn of an agent waits whose mind is a client, in milliseconds.
    pub external_timeout_ms: i64,
    /// Whether clients decide for agents of the world file.
    pub has_clients: bool,
    /// How models are asked.
    pub llm: LlmPlan,
    /// The condition that ends a run before.
    pub until: Option<Until>,
}

/// A condition that ends a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Until {
    /// The text of the world file.
    pub text: String,
    /// The measure.
    pub what: MeasureKind,
    /// The bound of its number; none where a method returns truth.
    pub bound: Option<(Compare, f64)>,
}

/// How a number is compared with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// It is greater.
    Above,
    /// It is not less.
    AtLeast,
    /// It is less.
    Below,
    /// It is not greater.
    AtMost,
    /// It is the same.
    Equal,
    /// It is another.
    Other,
}

/// The agents that a measure means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All agents but coordinators.
    All,
    /// Those whose id fits a pattern with `*`.
    Id(String),
    /// Those whose kind does.
    Kind(String),
}

/// Where code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// In this process.
    #[default]
    Thread,
    /// In processes of their own, behind a second wall.
    Process,
}

impl Isolation {
    /// Every isolation with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("thread", Self::Thread), ("process", Self::Process)];
}

/// How long a world runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// So many ticks, under the tick scheduler.
    Ticks(u64),
    /// So many milliseconds, under the autonomous scheduler.
    Ms(i64),
}

/// The clock of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// Time jumps to the next event.
    Virtual,
    /// Time passes.
    Wall,
}

/// Something that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub what: MeasureKind,
}

/// The kinds of measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// A function over what the agents hold.
    Statistic {
        /// Which.
        function: Statistic,
        /// The number that each agent has.
        of: Measured,
        /// Those who are meant.
        whom: Whom,
    },
    /// A rate: how much of something happened since the moment before, or in the whole run.
    Rate {
        /// Of what.
        flow: Flow,
        /// Those who did it; all of them are whoever it was.
        whom: Whom,
    },
    /// A method of an artifact that returns a number.
    Method {
        /// The artifact.
        artifact: String,
        /// The method.
        method: String,
    },
}

/// Things that happen, and are counted or added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Events, of one type or of all.
    Events(Option<EventKind>),
    /// Payments, for one reason or for all.
    Payments(Option<Why>),
    /// The scrip of payments, for one reason or for all.
    Paid(Option<Why>),
}

/// The number of each agent that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Its scrip.
    Scrip,
    /// Its free amount of a resource, or its use of one that limits nobody.
    Resource(ResourceId),
    /// A number in its content, below these keys.
    Content(Vec<String>),
}

/// A function over a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The Gini coefficient: 0 when all have the same, near 1 when one has all.
    Gini,
    /// The share of those who have nothing.
    ShareZero,
    /// The mean.
    Mean,
    /// The sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The number below which a share of them is, in parts per million, between the two nearest ones where it is none.
    Quantile {
        /// The share.
        ppm: u32,
    },
    /// How many have such a number.
    Count,
    /// The part of the sum that the richest share has, in parts per million of all, one at least.
    TopShare {
        /// The share.
        ppm: u32,
    },
}

/// Reads a world file from disk. `library` are the artifacts that come before its own.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn load(path: &Path, overrides: &Overrides, library: Vec<Founder>) -> Read<WorldFile> {
    let file = path.display().to_string();
    let plain =
        |message: String| Box::new(ConfigError { file: file.clone(), place: None, message, help: None });
    let text = file::world(path).map_err(plain)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = |name: &str| file::below(folder, name);
    let mut world = parse(&file, text, &mut files, overrides, library)?;
    if let Some(name) = &world.plan.llm.tape_file {
        let wrong = |problem: String| plain(format!("`tape_file` {name:?}: {problem}"));
        let text = file::tape(folder, name).map_err(wrong)?;
        world.tape =
            Taped::from_lines(&text).map_err(|(line, problem)| wrong(format!("line {line}: {problem}")))?;
    }
    Ok(world)
}

/// Reads a world file again from what a database recorded.
///
/// # Errors
/// As [`load`]; a recorded source that was ever loaded is fine.
pub fn reload(source: &Source, library: Vec<Founder>) -> Read<WorldFile> {
    let overrides = Overrides { seed: source.seed, set: source.set.clone() };
    let mut files =
        |name: &str| source.files.get(name).cloned().ok_or_else(|| "it was not recorded".to_owned());
    parse(&source.file, source.text.clone(), &mut files, &overrides, library)
}

/// Where the files come from that a world file refers to.
type Files<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// Reads the text of a world file.
///
/// # Errors
/// As [`load`].
pub fn parse(
    file: &str,
    text: String,
    files: Files<'_>,
    overrides: &Overrides,
    library: Vec<Founder>,
) -> Read<WorldFile> {
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let mut document = Document { file, text: &text, options: Vec::new() };
    if text.len() > limits::WORLD_FILE_BYTES_MAX {
        let (size, most) = (text.len(), limits::WORLD_FILE_BYTES_MAX);
        return Err(document.error(&(0..0), format!("the world file has {size} bytes; the most is {most}")));
    }
    let mut root = document.parse()?;
    options::apply(&mut document, &mut root, overrides)?;
    check_top(&document, &root)?;
    // They are kept with the world as JSON, so that is what counts.
    let kept_bytes = |text: &str| text_bytes(&Value::from(text));
    let (mut files_read, mut bytes) = (BTreeMap::<String, String>::new(), kept_bytes(&text));
    let mut world = build(&document, &root, overrides, library, &mut |name: &str| {
        if let Some(text) = files_read.get(name) {
            return Ok(text.clone());
        }
        let text = files(name)?;
        bytes += kept_bytes(&text);
        if bytes > limits::WORLD_FILES_BYTES_MAX {
            let most = limits::WORLD_FILES_BYTES_MAX;
            return Err(format!(
                "a world file and the files that it names may have {most} bytes together, as JSON"
            ));
        }
        files_read.insert(name.to_owned(), text.clone());
        Ok(text)
    })?;
    let set = overrides.set.clone();
    world.source =
        Source { file: file.into(), text: text.clone(), files: files_read, seed: overrides.seed, set };
    world.founding.source = world.source.digest();
    Ok(world)
}

/// The JSON Schema of the world file.
#[must_use]
pub fn schema() -> Value {
    keys::schema()
}

/// The reference of every key, as `docs/world-file.md` has it.
#[must_use]
pub fn reference() -> String {
    keys::reference()
}

fn check_top(document: &Document<'_>, root: &Table) -> Read<()> {
    for (key, span, _) in &root.0 {
        if keys::TOP.contains(&key.as_str()) {
            continue;
        }
        let error = document.error(span, format!("unknown section `{key}`"));
        return Err(match oikos_kernel::id::nearest(key, keys::TOP.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("the sections are {}", keys::TOP.join(", "))),
        });
    }
    Ok(())
}

fn build(
    document: &Document<'_>,
    root: &Table,
    overrides: &Overrides,
    library: Vec<Founder>,
    files: Files<'_>,
) -> Read<WorldFile> {
    let empty = Node { span: 0..0, value: Tree::Table(Table::default()) };
    let section = |name: &'static str| Reader::new(document, name, root.get(name).unwrap_or(&empty));
    let world = section("world")?;
    let stem = Path::new(document.file)
        .file_stem()
        .map_or("world".into(), |stem| stem.to_string_lossy().into_owned());
    let name = world.text("name")?.map_or(stem, str::to_owned);
    if oikos_kernel::id::Id::parse(&name).is_err() {
        return world.node("name").map_or_else(
            || world.missing("name"),
            |node| world.wrong(node, "name", "letters, digits and `_ . : -`, as in an id"),
        );
    }
    let clock = world.word("clock", &[("virtual", ClockKind::Virtual), ("wall", ClockKind::Wall)])?;
    let clock = clock.unwrap_or(ClockKind::Virtual);
    let seed = match world.integer("seed", 0)? {
        Some(seed) => u64::try_from(seed).unwrap_or(0),
        None => 0,
    };
    let start = world.time("start")?.or_else(|| Time::parse("2026-01-01T00:00:00Z")).unwrap_or_default();
    let mut rules = Rules::unlimited(&name, overrides.seed.unwrap_or(seed), start);
    if clock == ClockKind::Wall {
        rules.cpu_meter = CpuMeter::Measured;
    }
    let mut plan = execution(&section("execution")?, name, clock, &mut rules)?;
    rules.parameters = parameters::read(&section("parameters")?)?;
    permissions(&section("permissions")?, &mut rules)?;
    let balances = [("public", Privacy::Public), ("own", Privacy::Own)];
    rules.privacy = section("privacy")?.word("balances", &balances)?.unwrap_or(Privacy::Public);
    plan.llm = llm::read(&section("llm")?, &mut rules)?;
    let half_life = section("memory")?.duration_ms("half_life", 1)?;
    rules.memory_half_life_ms = half_life.unwrap_or(limits::MEMORY_HALF_LIFE_MS);
    let mut shares = resources(&section("resources")?, &plan, &mut rules)?;
    costs(&section("costs")?, &mut rules)?;
    per_invoke(&section("execution")?, &mut rules)?;
    rules.mint_authorities = institutions::authorities(&section("mint")?, &library)?;
    let scrip_start = section("scrip")?.integer("start", 0)?.unwrap_or(0);
    let mut founders = library_with(&section("genesis")?, library, &rules)?;
    let scorer = institutions::mint(&section("mint")?, plan.tick_ms, &mut founders)?;
    institutions::market(&section("market")?, &rules, &mut founders)?;
    let parts = artifacts::Parts { document, root, rules: &rules, scrip_start };
    let own = artifacts::read(&parts, files, &founders, &mut shares)?;
    let regrow = regrow::read(&section("resources")?, &rules, &own)?;
    rules.regrow = regrow;
    founders.extend(own);
    if let Order::ByKind { kinds } = &mut rules.order {
        *kinds = kinds_of(&founders);
    }
    rules.hooks = hooks::read(document, root, &rules, &founders)?;
    let measures::Taken { measures, columns, every_ms } =
        measures::read(&section("measures")?, &rules, &founders)?;
    plan.until = measures::until(&section("execution")?, (&measures, every_ms), &rules, &founders)?;
    let ids: HashSet<&str> = founders.iter().map(|founder| founder.id.as_str()).collect();
    for id in &rules.mint_authorities {
        if !ids.contains(id.as_str()) {
            let mint = section("mint")?;
            let span = mint.node("authorities").map_or(0..0, |node| node.span.clone());
            return Err(document.error(&span, format!("there is no artifact `{id}`")));
        }
    }
    institutions::check_scorer(&section("mint")?, &scorer, &founders)?;
    (plan.llm.models, plan.has_clients) = llm::named(&rules, &founders);
    let idle = idle::keys(&section("execution")?, plan.lasts, clock, &rules);
    let founding = Founding { rules, source: [0; 32], runtime: String::new(), founders };
    let source = Source::default();
    Ok(WorldFile { plan, founding, measures, columns, every_ms, source, idle, tape: Vec::new() })
}

/// The kinds of agents, in the order in which they stand first.
fn kinds_of(founders: &[Founder]) -> Vec<String> {
    let mut seen = HashSet::new();
    let agents = founders.iter().filter(|founder| founder.has_loop);
    agents.filter(|agent| seen.insert(&*agent.kind)).map(|agent| agent.kind.clone()).collect()
}

fn execution(section: &Reader<'_>, name: String, clock: ClockKind, rules: &mut Rules) -> Read<Plan> {
    let autonomous = section.word("mode", &[("tick", false), ("autonomous", true)])?.unwrap_or(false);
    let isolation = section.word("isolation", &Isolation::WORDS)?.unwrap_or_default();
    let workers = workers(section)?;
    let followers_think = section.word("followers", &[("any", true), ("none", false)])?.unwrap_or(true);
    let policies = [("block", OnExhaustion::Block), ("skip", OnExhaustion::Skip)];
    rules.on_exhaustion = section.word("on_exhaustion", &policies)?.unwrap_or(OnExhaustion::Block);
    let ticks = section.integer("ticks", 0)?.map_or(100, i64::unsigned_abs);
    let duration_ms = section.duration_ms("duration", 1)?.unwrap_or(3_600_000);
    let pace_ms = section.duration_ms("pace", 1)?.unwrap_or(1_000);
    let tick_ms = section.duration_ms("tick_duration", 1)?.unwrap_or(60_000);
    rules.execution =
        if autonomous { Execution::Autonomous { pace_ms } } else { Execution::Tick { ms: tick_ms } };
    let orders = [("random", 0), ("fixed", 1), ("by_kind", 2)];
    rules.order = match section.word("order", &orders)? {
        Some(1) => Order::Fixed,
        Some(2) => Order::ByKind { kinds: Vec::new() },
        Some(_) | None => Order::Random,
    };
    rules.phases = hooks::phases(section, autonomous)?;
    let lasts = if autonomous { Lasts::Ms(duration_ms) } else { Lasts::Ticks(ticks) };
    if let Some(us) = section.duration_us("step_reserve")? {
        rules.step_reserve_us = us;
    }
    work(section, rules)?;
    let external_timeout_ms = section.duration_ms("external_timeout", 1)?.unwrap_or(60_000);
    let llm = LlmPlan::default();
    let has_clients = false;
    Ok(Plan {
        name,
        lasts,
        tick_ms,
        clock,
        isolation,
        workers,
        followers_think,
        external_timeout_ms,
        has_clients,
        llm,
        until: None,
    })
}

fn workers(section: &Reader<'_>) -> Read<Option<usize>> {
    let key = "workers";
    let Some(workers) = section.integer(key, 1)? else { return Ok(None) };
    let fits = usize::try_from(workers).ok().filter(|workers| *workers <= WORKERS_MAX);
    match (fits, section.node(key)) {
        (None, Some(node)) => section.wrong(node, key, &format!("an integer from 1 to {WORKERS_MAX}")),
        (fits, _) => Ok(fits),
    }
}

/// How much work code and actions may use, and its price.
fn work(section: &Reader<'_>, rules: &mut Rules) -> Read<()> {
    let key = "cpu_per_work";
    if let (Some(text), Some(node)) = (section.text(key)?, section.node(key)) {
        let span: Option<jiff::SignedDuration> = text.trim().parse().ok();
        let ns = span.and_then(|span| u64::try_from(span.as_nanos()).ok());
        match ns.filter(|ns| (1..=1_000_000_000).contains(ns)) {
            Some(ns) => rules.cpu_ns_per_work = ns,
            None => return section.wrong(node, key, "a duration from 1ns to 1s, such as \"5us\""),
        }
    }
    if let Some(units) = section.integer("work_per_run", 1)? {
        rules.work_per_run = units.unsigned_abs();
    }
    if let Some(units) = section.integer("work_per_action", 1)? {
        rules.work_per_action = units.unsigned_abs();
    }
    Ok(())
}

/// The most that an invocation may take of its caller where it says nothing; the resources are known by now.
fn per_invoke(section: &Reader<'_>, rules: &mut Rules) -> Read<()> {
    for (name, node) in section.amounts("resources_per_invoke")? {
        let Some(id) = rules.resource(name) else {
            return Err(no_resource(section.document, &node.span, name, rules));
        };
        rules.resources_per_invoke.push((id, amount(section.document, name, node)?));
    }
    // The order of the file decides nothing.
    rules.resources_per_invoke.sort_unstable();
    Ok(())
}

fn no_resource(
    document: &Document<'_>,
    span: &std::ops::Range<usize>,
    name: &str,
    rules: &Rules,
) -> Box<ConfigError> {
    let names = rules.resources.iter().map(|rule| rule.name.as_str());
    let error = document.error(span, format!("this world has no resource `{name}`"));
    match oikos_kernel::id::nearest(name, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("declare it in [resources.{name}]")),
    }
}

fn permissions(section: &Reader<'_>, rules: &mut Rules) -> Read<()> {
    let authority =
        section.word("mode", &[("contracts", Authority::Contracts), ("policy", Authority::Policy)])?;
    rules.authority = authority.unwrap_or(Authority::Contracts);
    let missing = section.word("missing", &[("freeware", Missing::Freeware), ("deny", Missing::Deny)])?;
    rules.missing = missing.unwrap_or(Missing::Freeware);
    Ok(())
}

/// The kinds of resources, before their windows are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scarcity {
    Renewable,
    Depletable,
    Allocatable,
}

fn resources(section: &Reader<'_>, plan: &Plan, rules: &mut Rules) -> Read<Shares> {
    if section.word("renewal", &[("rolling", false), ("tick", true)])? == Some(true) {
        rules.renewal = Renewal::Tick { ms: plan.tick_ms };
    }
    let mut shares = Shares::default();
    for (name, span, node) in &section.table.0 {
        if name == "renewal" {
            continue;
        }
        let one = Reader::new(section.document, "resources.NAME", node)?;
        if rules.resources.len() >= limits::RESOURCES_MAX {
            let most = limits::RESOURCES_MAX;
            return Err(section.document.error(span, format!("a world may name {most} resources")));
        }
        let kinds = [
            ("renewable", Scarcity::Renewable),
            ("depletable", Scarcity::Depletable),
            ("allocatable", Scarcity::Allocatable),
        ];
        let Some(scarcity) = one.word("kind", &kinds)? else { return one.missing("kind") };
        let wanted = match name.as_str() {
            "cpu" => Some((Scarcity::Renewable, "renewable")),
            "disk" | "memory" => Some((Scarcity::Allocatable, "allocatable")),
            _ => None,
        };
        if let Some((_, word)) = wanted.filter(|(wanted, _)| *wanted != scarcity) {
            return Err(section.document.error(span, format!("`{name}` can only be {word}")));
        }
        let window_ms = one.duration_ms("window", 1)?.unwrap_or(60_000);
        let kind = match scarcity {
            Scarcity::Renewable => ResourceKind::Renewable { window_ms },
            Scarcity::Depletable => ResourceKind::Depletable,
            Scarcity::Allocatable => ResourceKind::Allocatable,
        };
        let strange = match scarcity {
            Scarcity::Renewable => &["total", "split", "regrow"][..],
            Scarcity::Depletable => &["rate", "window"],
            Scarcity::Allocatable => &["rate", "window", "regrow"],
        };
        for key in strange {
            if let Some(node) = one.node(key) {
                let message = format!("`{key}` does not go with a resource of this kind");
                return Err(section.document.error(&node.span, message));
            }
        }
        match rules.resources.iter_mut().find(|rule| rule.name == *name) {
            Some(rule) => rule.kind = kind,
            None => rules.resources.push(ResourceRule { name: name.clone(), kind }),
        }
        shares.add(name, scarcity == Scarcity::Renewable, &one)?;
    }
    // Beyond the built-in ones the order of the names decides, not that of the file.
    if let Some(named) = rules.resources.get_mut(ResourceId::BUILT_IN.len()..) {
        named.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(shares)
}

fn costs(section: &Reader<'_>, rules: &mut Rules) -> Read<()> {
    let document = section.document;
    let mut costs: BTreeMap<OpKind, Vec<(ResourceId, i64)>> = BTreeMap::new();
    let mut rest: Vec<(ResourceId, i64)> = Vec::new();
    for (name, span, node) in &section.table.0 {
        let Tree::Table(table) = &node.value else {
            return section.wrong(node, name, "a table such as { actions = 1 }");
        };
        let mut list = Vec::new();
        for (resource, span, node) in &table.0 {
            let Some(id) = rules.resource(resource) else {
                return Err(no_resource(document, span, resource, rules));
            };
            // Also where they limit nobody, `disk` and `memory` are held, not used up.
            let held = matches!(resource.as_str(), "disk" | "memory");
            if held || rules.kind(id) == ResourceKind::Allocatable {
                return Err(
                    document.error(span, format!("`{resource}` is allocatable: an op can't consume it"))
                );
            }
            let value = amount(document, resource, node)?;
            if value > 0 {
                list.push((id, value));
            }
        }
        if name == "*" {
            rest = list;
        } else if let Some(kind) = OpKind::from_word(name) {
            costs.insert(kind, list);
        } else {
            let names = OpKind::ALL.iter().map(|kind| kind.as_str());
            let error = document.error(span, format!("there is no op `{name}`"));
            return Err(match oikos_kernel::id::nearest(name, names) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            });
        }
    }
    for kind in OpKind::ALL {
        let list = costs.get(&kind).unwrap_or(&rest);
        rules.costs.extend(list.iter().map(|(resource, amount)| (kind, *resource, *amount)));
    }
    Ok(())
}

/// The library with what the world file allots to each of its artifacts.
fn library_with(section: &Reader<'_>, mut library: Vec<Founder>, rules: &Rules) -> Read<Vec<Founder>> {
    let mut given: BTreeMap<String, i64> = BTreeMap::from([("disk".into(), 10_000_000)]);
    for (name, node) in section.amounts("resources")? {
        if rules.resource(name).is_none() {
            return Err(section.document.error(&node.span, format!("this world has no resource `{name}`")));
        }
        given.insert(name.to_owned(), amount(section.document, name, node)?);
    }
    let ample = institutions::ample(rules);
    for founder in library.iter_mut().filter(|founder| founder.has_standing) {
        if library::acts_by_itself(founder) {
            founder.resources.extend(ample.clone());
        }
        founder.resources.extend(given.clone());
    }
    Ok(library)
}
