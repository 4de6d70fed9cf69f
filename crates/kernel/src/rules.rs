//! The rules of a world: what its world file fixed once and for all.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    json::{self, Json},
    limits,
    mind::check_model,
    op_kind::OpKind,
    time::Time,
};

pub use crate::resource::{ResourceId, ResourceKind, ResourceRule, SCRIP};

/// When renewable resources come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// Each use comes back one window after it was made.
    Rolling,
    /// All use comes back at every multiple of the tick, counted from the start of the world.
    Tick {
        /// The tick, in milliseconds, at least 1.
        ms: i64,
    },
}

/// The scheduler of agents' steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// All agents in turns.
    Tick {
        /// How far a tick moves the clock, in milliseconds, at least 1.
        ms: i64,
    },
    /// Each agent by itself.
    Autonomous {
        /// From one step to the next, in milliseconds, at least 1.
        pace_ms: i64,
    },
}

/// The order in which those act whose turn comes at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One that the seed decides, anew at each instant.
    Random,
    /// As they were made.
    Fixed,
    /// One kind after the other, and each in an order that the seed decides.
    ByKind {
        /// The kinds in their order; all others come after them.
        kinds: Vec<String>,
    },
}

/// The moment at which a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookAt {
    /// Once, before the first turn of anybody.
    Setup,
    /// As each tick begins, before anybody thinks.
    TickStart,
    /// As each tick ends, when all have acted.
    TickEnd,
}

/// A method that the scheduler invokes at a moment, as the artifact itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// The moment.
    pub at: HookAt,
    /// The id of the artifact.
    pub artifact: String,
    /// The method.
    pub method: String,
    /// Its arguments, an array.
    pub args: Json,
}

/// The behaviour of an agent's loop when a step needs more of a resource than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExhaustion {
    /// It waits until there is enough.
    Block,
    /// It lets the turn pass.
    Skip,
}

/// The decision where an access contract is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// As `genesis_contract_freeware` would decide.
    Freeware,
    /// Nobody may do anything.
    Deny,
}

/// The authority over permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Each artifact's access contract.
    Contracts,
    /// Each artifact's policy: lists, beneath its owner.
    Policy,
}

/// The balances and resources that agents may see; observers see all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// Everybody's.
    Public,
    /// Their own, and code those of its caller.
    Own,
}

/// How CPU is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuMeter {
    /// By units of work: deterministic, for the virtual clock.
    Work,
    /// By measured CPU time, for the wall clock.
    Measured,
}

/// The rules of a world. They are part of its first record, and change only where a world is forked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// The world's name.
    pub name: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The first instant.
    pub start: Time,
    /// Every resource; the first three are [`ResourceId::BUILT_IN`].
    pub resources: Vec<ResourceRule>,
    /// The consumption of each kind of op: `(op, resource, amount)`, amounts at least 1.
    pub costs: Vec<(OpKind, ResourceId, i64)>,
    /// When renewable resources come back.
    pub renewal: Renewal,
    /// The authority over permissions.
    pub authority: Authority,
    /// The decision where a contract is missing.
    pub missing: Missing,
    /// The balances and resources that agents may see.
    pub privacy: Privacy,
    /// How CPU is charged.
    pub cpu_meter: CpuMeter,
    /// CPU of one unit of work, in nanoseconds, at least 1.
    pub cpu_ns_per_work: u64,
    /// Units of work one run of code may use, at least 1.
    pub work_per_run: u64,
    /// Units of work one action may use, with all that it calls, at least 1.
    pub work_per_action: u64,
    /// The most of each resource that an invocation may take of its caller where it says nothing.
    pub resources_per_invoke: Vec<(ResourceId, i64)>,
    /// CPU an agent must have before it thinks, in microseconds.
    pub step_reserve_us: i64,
    /// Artifacts that may `mint`.
    pub mint_authorities: Vec<String>,
    /// The scheduler of agents' steps.
    pub execution: Execution,
    /// The behaviour of a loop that lacks a resource.
    pub on_exhaustion: OnExhaustion,
    /// The language model of agents that name none, as `PROVIDER::MODEL`.
    pub llm_model: Option<String>,
    /// The time between the observation of a language model and its act, in milliseconds, at least 1, for agents
    /// that name none.
    pub think_time_ms: i64,
    /// The time in which an entry of a memory becomes half as recent, in milliseconds, at least 1.
    pub memory_half_life_ms: i64,
    /// The resources that grow back, each once.
    pub regrow: Vec<Regrow>,
    /// The parameters, by name: values that code and minds read; an object.
    pub parameters: Json,
    /// The order of turns of one instant.
    pub order: Order,
    /// The methods of minds that the parts of a tick call, one after the other; none is `step` alone.
    pub phases: Vec<String>,
    /// The hooks, in their order.
    pub hooks: Vec<Hook>,
}

/// A depletable resource that grows back where it is held: at every multiple of `every_ms`, counted from the start of
/// the world, a stock below the cap grows by `stock · rate_ppm · (cap − stock) / (cap · 10⁶)`, rounded down. A stock at
/// the cap or above it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regrow {
    /// The resource.
    pub resource: ResourceId,
    /// The growth of a small stock in an interval, in parts per million of it, at most a million.
    pub rate_ppm: u32,
    /// The stock that does not grow any more, at most [`limits::REGROW_CAP_MAX`].
    pub cap: i64,
    /// The interval in milliseconds, at least 1.
    pub every_ms: i64,
    /// The ids of those whose stock grows.
    pub holders: Vec<String>,
}

impl Regrow {
    /// The growth of a stock in so many intervals.
    #[must_use]
    pub fn growth(&self, stock: i64, intervals: u64) -> i64 {
        let cap = u128::from(self.cap.unsigned_abs());
        let (rate, begun) = (u128::from(self.rate_ppm), u128::from(stock.unsigned_abs()));
        let mut now = begun;
        if stock > 0 {
            for _ in 0..intervals {
                // INVARIANT: with a rate of a million at most no stock grows beyond the cap, and with the largest cap
                // the product has 118 bits.
                let grows = if now < cap { now * rate * (cap - now) / (cap * 1_000_000) } else { 0 };
                if grows == 0 {
                    break;
                }
                now += grows;
            }
        }
        i64::try_from(now - begun).unwrap_or_default()
    }

    /// The intervals that end after one instant, and at or before another, in a world that began at `start`.
    #[must_use]
    pub fn intervals(&self, start: Time, after: Time, until: Time) -> u64 {
        let ended = |time: Time| (time.ms() - start.ms()).div_euclid(self.every_ms);
        u64::try_from(ended(until) - ended(after)).unwrap_or_default()
    }

    /// The end of the interval under way at an instant; none where there is no such time.
    #[must_use]
    pub fn next(&self, start: Time, after: Time) -> Option<Time> {
        let ended = (after.ms() - start.ms()).div_euclid(self.every_ms);
        start.after_ms((ended + 1).checked_mul(self.every_ms)?)
    }
}

impl Rules {
    /// Whether a world can go by these rules.
    ///
    /// # Errors
    /// The part that is wrong, and how.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let names: Vec<&str> = self.resources.iter().map(|rule| rule.name.as_str()).collect();
        if !names.starts_with(&ResourceId::BUILT_IN) {
            return Err(("resources", "cpu, memory and disk come first"));
        }
        if names.len() > limits::RESOURCES_MAX {
            return Err(("resources", "there are more than a world may name"));
        }
        if self.cpu_ns_per_work == 0 {
            return Err(("cpu_per_work", "it must be at least 1ns"));
        }
        if self.work_per_run == 0 || self.work_per_action == 0 {
            return Err(("work_per_run", "code and actions may use at least 1 unit of work"));
        }
        if self.resources_per_invoke.iter().any(|(id, most)| usize::from(id.0) >= names.len() || *most < 0) {
            return Err(("resources_per_invoke", "it names amounts of resources that there are"));
        }
        let (Execution::Tick { ms } | Execution::Autonomous { pace_ms: ms }) = self.execution;
        if ms < limits::STEP_MS_MIN {
            return Err(("execution", "agents step at most once a millisecond"));
        }
        if self.think_time_ms < 1 {
            return Err(("llm", "a thought takes a millisecond at least"));
        }
        if self.llm_model.as_deref().is_some_and(|model| check_model(model).is_err()) {
            return Err(("llm", "its model is named as `PROVIDER::MODEL`"));
        }
        if self.memory_half_life_ms < 1 {
            return Err(("memory", "an entry becomes half as recent after a millisecond at the earliest"));
        }
        if !self.parameters.value().is_object() || json::check(self.parameters.value()).is_err() {
            return Err(("parameters", "they are values by name"));
        }
        if self.parameters.text_bytes() > limits::PARAMETERS_BYTES_MAX {
            return Err(("parameters", "they have more bytes than a world may name"));
        }
        self.check_turns()?;
        if matches!(self.renewal, Renewal::Tick { ms } if ms < 1) {
            return Err(("renewal", "what was used comes back after a millisecond at the earliest"));
        }
        for rule in &self.resources {
            let fits = match (rule.name.as_str(), rule.kind) {
                (_, ResourceKind::Metered) => true,
                ("cpu", ResourceKind::Renewable { window_ms }) => window_ms >= 1,
                ("cpu", _) => return Err(("resources", "`cpu` can only be renewable")),
                ("memory" | "disk", kind) => kind == ResourceKind::Allocatable,
                (
                    ResourceId::LLM_BUDGET | ResourceId::LLM_TOKENS | ResourceId::LLM_CALLS,
                    ResourceKind::Allocatable,
                ) => return Err(("resources", "what language models use is used up, and not allocatable")),
                (_, ResourceKind::Renewable { window_ms }) => window_ms >= 1,
                _ => true,
            };
            if !fits {
                return Err((
                    "resources",
                    "`memory` and `disk` are allocatable, and a window is at least 1ms",
                ));
            }
        }
        let mut grown = Vec::new();
        for Regrow { resource, rate_ppm, cap, every_ms, .. } in &self.regrow {
            if self.kind(*resource) != ResourceKind::Depletable || grown.contains(resource) {
                return Err(("regrow", "depletable resources grow back, each by one rule"));
            }
            let caps = 0..=limits::REGROW_CAP_MAX;
            if *rate_ppm > limits::REGROW_RATE_PPM_MAX || !caps.contains(cap) || *every_ms < 1 {
                return Err(("regrow", "its rate, cap or interval is none that there can be"));
            }
            grown.push(*resource);
        }
        for (_, resource, amount) in &self.costs {
            if *amount < 1 || matches!(self.kind(*resource), ResourceKind::Allocatable) {
                return Err(("costs", "an op consumes at least 1 of a resource that is not allocatable"));
            }
        }
        Ok(())
    }

    /// Whether phases and hooks fit the scheduler.
    fn check_turns(&self) -> Result<(), (&'static str, &'static str)> {
        let has_ticks = matches!(self.execution, Execution::Tick { .. });
        let twice = |at: usize, name: &String| self.phases.iter().take(at).any(|before| before == name);
        if self.phases.iter().enumerate().any(|(at, name)| name.is_empty() || twice(at, name)) {
            return Err(("phases", "each is named once"));
        }
        if self.phases.len() > limits::PHASES_MAX || self.hooks.len() > limits::HOOKS_MAX {
            return Err(("phases", "there are more phases or hooks than a world may have"));
        }
        if !has_ticks && !self.phases.is_empty() {
            return Err((
                "phases",
                "where each agent has its own turns, there is no phase that all have together",
            ));
        }
        if !has_ticks && self.hooks.iter().any(|hook| hook.at != HookAt::Setup) {
            return Err((
                "hooks",
                "where each agent has its own turns, there are no ticks that begin and end",
            ));
        }
        if self
            .hooks
            .iter()
            .any(|hook| !hook.args.value().is_array() || json::check(hook.args.value()).is_err())
        {
            return Err(("hooks", "the arguments of a hook are an array"));
        }
        Ok(())
    }

    /// How many turns each agent has in a tick.
    #[must_use]
    pub fn turns_per_tick(&self) -> u64 {
        self.phases.len().max(1) as u64
    }

    /// The method of a mind that a phase calls; none where it is `step`.
    #[must_use]
    pub fn phase(&self, phase: u32) -> Option<&str> {
        self.phases.get(phase as usize).map(String::as_str)
    }

    /// Whether a world that goes by these rules can go on by others.
    ///
    /// # Errors
    /// The part that no running world can change, and the reason.
    pub fn may_become(&self, other: &Self) -> Result<(), (&'static str, &'static str)> {
        let fixed = |rule: &ResourceRule| {
            let window_ms = 0;
            let kind = match rule.kind {
                ResourceKind::Renewable { .. } => ResourceKind::Renewable { window_ms },
                ResourceKind::Depletable | ResourceKind::Allocatable | ResourceKind::Metered => rule.kind,
            };
            (rule.name.clone(), kind)
        };
        let of = |rules: &Self| rules.resources.iter().map(fixed).collect::<Vec<_>>();
        if self.name != other.name {
            return Err(("world.name", "a world keeps its name"));
        }
        if (self.start, self.cpu_meter) != (other.start, other.cpu_meter) {
            return Err((
                "world.clock",
                "all that has happened has its time by the clock that the world began with",
            ));
        }
        if of(self) != of(other) {
            return Err((
                "resources",
                "balances are kept by the resources, and the kinds, that the world began with",
            ));
        }
        let grows = |rules: &Self| -> Vec<(ResourceId, Vec<String>)> {
            rules.regrow.iter().map(|one| (one.resource, one.holders.clone())).collect()
        };
        if grows(self) != grows(other) {
            return Err(("resources", "the same resources grow back, where the founding put them"));
        }
        if self.phases != other.phases {
            return Err(("execution.phases", "turns are counted by the phases that the world began with"));
        }
        if self.mint_authorities != other.mint_authorities {
            return Err(("mint.authorities", "scrip is made by those whom the founding names"));
        }
        if self.authority != other.authority {
            return Err(("permissions.mode", "each artifact has its contract, or policy, already"));
        }
        if matches!(self.execution, Execution::Tick { .. })
            != matches!(other.execution, Execution::Tick { .. })
        {
            return Err((
                "execution.mode",
                "turns under way are those of the mode that the world began with",
            ));
        }
        Ok(())
    }

    /// The rules of a world in which nothing is limited.
    #[must_use]
    pub fn unlimited(name: &str, seed: u64, start: Time) -> Self {
        let resources = ResourceId::BUILT_IN
            .iter()
            .map(|name| ResourceRule { name: (*name).into(), kind: ResourceKind::Metered })
            .collect();
        Self {
            name: name.into(),
            seed,
            start,
            resources,
            costs: Vec::new(),
            renewal: Renewal::Rolling,
            authority: Authority::Contracts,
            missing: Missing::Freeware,
            privacy: Privacy::Public,
            cpu_meter: CpuMeter::Work,
            cpu_ns_per_work: limits::CPU_NS_PER_WORK,
            work_per_run: limits::WORK_PER_RUN,
            work_per_action: limits::WORK_PER_ACTION,
            resources_per_invoke: Vec::new(),
            step_reserve_us: 1_000,
            mint_authorities: Vec::new(),
            execution: Execution::Tick { ms: 60_000 },
            on_exhaustion: OnExhaustion::Block,
            llm_model: None,
            think_time_ms: limits::THINK_TIME_MS,
            memory_half_life_ms: limits::MEMORY_HALF_LIFE_MS,
            regrow: Vec::new(),
            parameters: Value::Object(Map::new()).into(),
            order: Order::Random,
            phases: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// The parameters, where there are any.
    #[must_use]
    pub fn named_parameters(&self) -> Option<&Json> {
        Some(&self.parameters)
            .filter(|named| named.value().as_object().is_some_and(|named| !named.is_empty()))
    }

    /// The resource of that name.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<ResourceId> {
        let at = self.resources.iter().position(|rule| rule.name == name)?;
        u16::try_from(at).ok().map(ResourceId)
    }

    /// Every resource with its id.
    pub fn by_id(&self) -> impl Iterator<Item = (ResourceId, &ResourceRule)> {
        (0..=u16::MAX).map(ResourceId).zip(&self.resources)
    }

    /// The rule of a resource; ids come from this table, so an unknown one is metered only.
    #[must_use]
    pub fn kind(&self, resource: ResourceId) -> ResourceKind {
        self.resources.get(usize::from(resource.0)).map_or(ResourceKind::Metered, |rule| rule.kind)
    }

    /// The name of a resource.
    #[must_use]
    pub fn resource_name(&self, resource: ResourceId) -> &str {
        self.resources.get(usize::from(resource.0)).map_or("unknown", |rule| &rule.name)
    }

    /// The name of a resource, or of scrip, which is none.
    #[must_use]
    pub fn unit_name(&self, resource: Option<ResourceId>) -> &str {
        resource.map_or(SCRIP, |resource| self.resource_name(resource))
    }

    /// How long a use of a renewable resource counts at most, in milliseconds.
    pub(crate) fn counts_ms(&self, window_ms: i64) -> i64 {
        match self.renewal {
            Renewal::Rolling => window_ms,
            Renewal::Tick { ms } => ms,
        }
    }

    /// Microseconds of CPU for units of work: rounded up.
    #[must_use]
    pub fn cpu_us(&self, work: u64) -> i64 {
        let ns = u128::from(work) * u128::from(self.cpu_ns_per_work);
        i64::try_from(ns.div_ceil(1_000)).unwrap_or(i64::MAX)
    }
}
