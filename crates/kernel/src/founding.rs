//! The founding of a world: what its world file says, in the kernel's terms.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::{
    contract::Native,
    id::Id,
    limits,
    op::bounded,
    record::{Cause, Creation, Effect, Event, EventKind, Handle, Outcome, Pays, Record},
    rules::{Execution, ResourceKind, Rules},
    world::World,
};

/// All that a new world starts with. The native genesis contracts come before the founders by themselves.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The rules.
    pub rules: Rules,
    /// BLAKE3 of the world file with all it refers to.
    pub source: [u8; 32],
    /// The artifacts, in the order of their handles; references may point forward.
    pub founders: Vec<Founder>,
}

/// One artifact of a new world.
#[derive(Clone, Debug, PartialEq)]
pub struct Founder {
    /// Its id; here, and only here, `genesis_` is allowed.
    pub id: String,
    /// Its kind; `data` when nothing else was said.
    pub kind: String,
    /// Text or JSON.
    pub content: Value,
    /// Its code, if it can execute.
    pub code: Option<String>,
    /// MCP-style tool list; null is none.
    pub interface: Value,
    /// Whether the code defines `check_permission`: whoever founds has had it looked at.
    pub decides: bool,
    /// Its owner; `None` is itself.
    pub owner: Option<String>,
    /// Whether it may own itself without standing, as the library does.
    pub owns_itself: bool,
    /// Its access contract; `None` is `genesis_contract_self_owned` for agents, else `genesis_contract_freeware`.
    pub access_contract: Option<String>,
    /// Scrip per invocation.
    pub price: i64,
    /// Who bears the cost of its code; `None` is itself for agents, else the caller.
    pub pays: Option<Pays>,
    /// Whether it is a principal.
    pub has_standing: bool,
    /// Whether it acts by itself; implies standing.
    pub has_loop: bool,
    /// The artifact that is its memory.
    pub memory_artifact: Option<String>,
    /// Artifacts it builds on.
    pub depends_on: Vec<String>,
    /// Free-form JSON object, or null.
    pub metadata: Value,
    /// Scrip it starts with.
    pub scrip: i64,
    /// Balances, rates and quotas it starts with, by resource name, in base units.
    pub resources: BTreeMap<String, i64>,
}

impl Founder {
    /// A plain artifact of that id that owns nothing and does nothing.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            kind: "data".into(),
            content: Value::Null,
            code: None,
            decides: false,
            interface: Value::Null,
            owner: None,
            owns_itself: false,
            access_contract: None,
            price: 0,
            pays: None,
            has_standing: false,
            has_loop: false,
            memory_artifact: None,
            depends_on: Vec::new(),
            metadata: Value::Null,
            scrip: 0,
            resources: BTreeMap::new(),
        }
    }
}

/// Why a world can't be founded: which artifact, which of its fields, and what is wrong with it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{id}`: `{field}`: {problem}")]
pub struct FoundingError {
    /// The artifact.
    pub id: String,
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
}

impl FoundingError {
    fn new(id: &str, field: &'static str, problem: impl Into<String>) -> Self {
        Self { id: id.into(), field, problem: problem.into() }
    }
}

impl Founding {
    /// The first record of the world, and the world it makes.
    ///
    /// # Errors
    /// The artifact and the field that can't be.
    pub fn found(self) -> Result<(World, Record), FoundingError> {
        check_rules(&self.rules)?;
        let mut founders: Vec<Founder> = Native::ALL.into_iter().map(native).collect();
        founders.extend(self.founders);
        let order = order(&founders)?;
        let mut handles = HashMap::new();
        for (at, founder) in order.iter().enumerate() {
            let handle =
                u32::try_from(at).map_err(|_| FoundingError::new(&founder.id, "id", "too many artifacts"))?;
            if handles.insert(founder.id.as_str(), Handle(handle)).is_some() {
                return Err(FoundingError::new(&founder.id, "id", "this id stands twice"));
            }
        }
        let mut effects = Vec::new();
        let mut events = Vec::new();
        for founder in &order {
            let (creation, handle) = creation(founder, &handles)?;
            let contract = order.get(creation.access_contract.0 as usize);
            if let Some(contract) = contract.filter(|contract| !contract.decides) {
                let problem =
                    format!("`{}` can't be a contract: it has no code that defines check_permission", contract.id);
                return Err(FoundingError::new(&founder.id, "access_contract", problem));
            }
            if creation.has_loop {
                events.push(Event { artifact: Some(handle), ..Event::new(EventKind::Spawn, handle) });
            }
            effects.push(Effect::Create(Box::new(creation)));
            endowment(founder, handle, &self.rules, &mut effects)?;
        }
        let record = Record {
            seq: 1,
            time: self.rules.start,
            cause: Cause::Genesis { rules: Box::new(self.rules), source: self.source },
            charges: Vec::new(),
            effects,
            events,
            outcome: Outcome::Nothing,
        };
        let mut world = World::empty();
        world.apply(&record).map_err(|error| FoundingError::new("world", "founding", error.problem))?;
        Ok((world, record))
    }
}

fn check_rules(rules: &Rules) -> Result<(), FoundingError> {
    let wrong = |field, problem: &str| Err(FoundingError::new("world", field, problem));
    let names: Vec<&str> = rules.resources.iter().map(|rule| rule.name.as_str()).collect();
    if !names.starts_with(&crate::rules::ResourceId::BUILT_IN) {
        return wrong("resources", "cpu, memory and disk come first");
    }
    if rules.cpu_ns_per_poll == 0 {
        return wrong("cpu_per_256_instructions", "it must be at least 1ns");
    }
    let (Execution::Tick { ms } | Execution::Autonomous { pace_ms: ms }) = rules.execution;
    if ms < limits::STEP_MS_MIN {
        return wrong("execution", "agents step at most once a millisecond");
    }
    for rule in &rules.resources {
        let fits = match (rule.name.as_str(), rule.kind) {
            (_, ResourceKind::Metered) => true,
            ("cpu", ResourceKind::Renewable { window_ms }) => window_ms >= 1,
            ("cpu", _) => return wrong("resources", "`cpu` can only be renewable"),
            ("memory" | "disk", kind) => kind == ResourceKind::Allocatable,
            (_, ResourceKind::Renewable { window_ms }) => window_ms >= 1,
            _ => true,
        };
        if !fits {
            return wrong("resources", "`memory` and `disk` are allocatable, and a window is at least 1ms");
        }
    }
    for (_, resource, amount) in &rules.costs {
        if *amount < 1 || matches!(rules.kind(*resource), ResourceKind::Allocatable) {
            return wrong("costs", "an op consumes at least 1 of a resource that is not allocatable");
        }
    }
    Ok(())
}

/// A native contract as an artifact: it belongs to itself, and anyone may read it.
fn native(native: Native) -> Founder {
    Founder {
        kind: "contract".into(),
        code: Some(native.source().into()),
        decides: true,
        owns_itself: true,
        access_contract: Some(Native::Freeware.id().into()),
        ..Founder::new(native.id())
    }
}

/// Founders such that each comes after its owner; otherwise in the order they were given.
fn order(founders: &[Founder]) -> Result<Vec<&Founder>, FoundingError> {
    let mut placed: HashMap<&str, ()> = HashMap::new();
    let mut order = Vec::with_capacity(founders.len());
    let mut rest: Vec<&Founder> = founders.iter().collect();
    while !rest.is_empty() {
        let before = order.len();
        let (now, later): (Vec<&Founder>, Vec<&Founder>) = rest.into_iter().partition(|founder| {
            founder.owner.as_deref().is_none_or(|owner| owner == founder.id || placed.contains_key(owner))
        });
        for founder in now {
            placed.insert(&founder.id, ());
            order.push(founder);
        }
        rest = later;
        if let (Some(stuck), true) = (rest.first(), order.len() == before) {
            let owner = stuck.owner.as_deref().unwrap_or_default();
            return Err(FoundingError::new(&stuck.id, "owner", format!("there is no principal `{owner}`")));
        }
    }
    Ok(order)
}

fn creation(founder: &Founder, handles: &HashMap<&str, Handle>) -> Result<(Creation, Handle), FoundingError> {
    let wrong = |field, problem: String| Err(FoundingError::new(&founder.id, field, problem));
    let resolve = |field, id: &str| match handles.get(id) {
        Some(handle) => Ok(*handle),
        None => Err(FoundingError::new(&founder.id, field, format!("there is no artifact `{id}`"))),
    };
    if let Err(error) = Id::parse(&founder.id) {
        return wrong("id", error.0);
    }
    let sizes = [
        ("content", &founder.content, limits::CONTENT_BYTES_MAX),
        ("interface", &founder.interface, limits::INTERFACE_BYTES_MAX),
        ("metadata", &founder.metadata, limits::METADATA_BYTES_MAX),
    ];
    for (field, value, most) in sizes {
        if let Err(refusal) = bounded(field, value, most) {
            return wrong(field, refusal.message);
        }
    }
    if founder.code.as_ref().is_some_and(|code| code.len() > limits::CODE_BYTES_MAX) {
        return wrong("code", format!("the most is {} bytes", limits::CODE_BYTES_MAX));
    }
    if founder.has_loop && founder.code.is_none() {
        return wrong("code", "a scripted agent needs code that defines step".into());
    }
    let standing = founder.has_standing || founder.has_loop;
    let pays = founder.pays.unwrap_or(if founder.has_loop { Pays::Itself } else { Pays::Caller });
    if pays == Pays::Itself && !standing {
        return wrong("pays", "only an artifact with standing can pay for itself".into());
    }
    if founder.price < 0 {
        return wrong("price", "a price is at least 0".into());
    }
    if !standing && (founder.scrip != 0 || !founder.resources.is_empty()) && founder.owner.is_some() {
        return wrong("scrip", "only an artifact with standing can hold scrip or resources".into());
    }
    let handle = resolve("id", &founder.id)?;
    let owner = founder.owner.as_deref().map_or(Ok(handle), |owner| resolve("owner", owner))?;
    if owner == handle && !standing && !founder.owns_itself {
        return wrong("owner", "name an owner, or give it standing so that it owns itself".into());
    }
    let default = if founder.has_loop { Native::SelfOwned } else { Native::Freeware };
    let contract = founder.access_contract.as_deref();
    let access_contract = contract.map_or(Ok(default.handle()), |id| resolve("access_contract", id))?;
    let memory = founder.memory_artifact.as_deref();
    let creation = Creation {
        id: founder.id.clone(),
        kind: founder.kind.clone(),
        content: founder.content.clone().into(),
        code: founder.code.clone(),
        decides: founder.decides,
        interface: founder.interface.clone().into(),
        owner,
        creator: owner,
        access_contract,
        price: founder.price,
        pays,
        has_standing: standing,
        has_loop: founder.has_loop,
        memory_artifact: memory.map(|id| resolve("memory_artifact", id)).transpose()?,
        depends_on: founder
            .depends_on
            .iter()
            .map(|id| resolve("depends_on", id))
            .collect::<Result<_, _>>()?,
        metadata: founder.metadata.clone().into(),
    };
    Ok((creation, handle))
}

fn endowment(
    founder: &Founder,
    to: Handle,
    rules: &Rules,
    effects: &mut Vec<Effect>,
) -> Result<(), FoundingError> {
    let wrong = |field, problem: String| Err(FoundingError::new(&founder.id, field, problem));
    if founder.scrip < 0 {
        return wrong("scrip", "scrip is at least 0".into());
    }
    if founder.scrip > 0 {
        effects.push(Effect::Endow { to, amount: founder.scrip });
    }
    for (name, amount) in &founder.resources {
        let Some(resource) = rules.resource(name) else {
            return wrong("resources", format!("this world has no resource `{name}`"));
        };
        if *amount < 0 {
            return wrong("resources", format!("`{name}` is at least 0"));
        }
        if *amount > 0 && rules.kind(resource) != ResourceKind::Metered {
            effects.push(Effect::Allot { to, resource, amount: *amount });
        }
    }
    Ok(())
}
