//! The founding of a world: what its world file says, in the kernel's terms.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    contract::Native,
    id::Id,
    interface,
    json::Json,
    limits,
    mind::{Mind, MindKind},
    op::bounded,
    record::{Cause, Creation, Effect, Event, EventKind, Handle, Outcome, Pays, Record, Shared},
    rules::{ResourceKind, Rules},
    time::Time,
    world::World,
};

/// All that a new world starts with. The native genesis contracts come before the founders by themselves.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The rules.
    pub rules: Rules,
    /// BLAKE3 of the world file with all it refers to.
    pub source: [u8; 32],
    /// The name of the runtime on which its code runs.
    pub runtime: String,
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
    pub content: Json,
    /// Its code, if it can execute.
    pub code: Option<Arc<str>>,
    /// MCP-style tool list; null is none.
    pub interface: Json,
    /// Whether the code defines `check_permission`; the founder of the world has had it checked.
    pub decides: bool,
    /// Its owner; `None` is itself.
    pub owner: Option<String>,
    /// Whether it may own itself without standing, as the library does.
    pub owns_itself: bool,
    /// Its access contract; `None` is `genesis_contract_self_owned` for agents, else `genesis_contract_freeware`.
    pub access_contract: Option<String>,
    /// Scrip per invocation.
    pub price: i64,
    /// The bearer of its code's cost; `None` is itself for agents, else the caller.
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
    pub metadata: Json,
    /// Its policy as it is kept; null where there is none.
    pub policy: Json,
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
            content: Json::default(),
            code: None,
            decides: false,
            interface: Json::default(),
            owner: None,
            owns_itself: false,
            access_contract: None,
            price: 0,
            pays: None,
            has_standing: false,
            has_loop: false,
            memory_artifact: None,
            depends_on: Vec::new(),
            metadata: Json::default(),
            policy: Json::default(),
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
    /// The problem, in words.
    pub problem: String,
}

impl FoundingError {
    fn new(id: &str, field: &'static str, problem: impl Into<String>) -> Self {
        Self { id: id.into(), field, problem: problem.into() }
    }
}

impl Founding {
    /// The first records of the world, one if it holds all, and the world they make.
    ///
    /// # Errors
    /// The artifact and the field that can't be.
    pub fn found(self) -> Result<(World, Vec<Record>), FoundingError> {
        self.rules.check().map_err(|(field, problem)| FoundingError::new("world", field, problem))?;
        let mut founders: Vec<Founder> = Native::ALL.into_iter().map(native).collect();
        founders.extend(self.founders);
        let order = order(&founders)?;
        let too_many = |_| FoundingError::new("world", "founding", "too many artifacts");
        let artifacts = u32::try_from(order.len()).map_err(too_many)?;
        let mut handles = HashMap::with_capacity(order.len());
        for (founder, handle) in order.iter().zip((0..artifacts).map(Handle)) {
            if handles.insert(founder.id.as_str(), handle).is_some() {
                return Err(FoundingError::new(&founder.id, "id", "this id stands twice"));
            }
        }
        let start = self.rules.start;
        let runtime = self.runtime;
        let genesis =
            Cause::Genesis { rules: Box::new(self.rules.clone()), source: self.source, artifacts, runtime };
        let mut records = Records::beginning_with(genesis, start)?;
        let mut alike = Alike::default();
        let decides: Vec<bool> = order.iter().map(|founder| founder.decides).collect();
        for (founder, handle) in order.into_iter().zip((0..artifacts).map(Handle)) {
            let creation = creation(founder, handle, &self.rules, &handles, &mut alike)?;
            if !decides.get(creation.access_contract.0 as usize).is_some_and(|decides| *decides) {
                let contract = founder.access_contract.as_deref().unwrap_or_default();
                let problem =
                    format!("`{contract}` can't be a contract: it has no code that defines check_permission");
                return Err(FoundingError::new(&founder.id, "access_contract", problem));
            }
            let spawn = creation
                .has_loop
                .then(|| Event { artifact: Some(handle), ..Event::new(EventKind::Spawn, handle) });
            let mut effects = vec![Effect::Create(Box::new(creation))];
            endowment(founder, handle, &self.rules, &mut effects)?;
            records.add(&founder.id, effects, spawn)?;
        }
        let records = records.done;
        let mut world = World::empty();
        for record in &records {
            world.apply(record).map_err(|error| FoundingError::new("world", "founding", error.problem))?;
        }
        Ok((world, records))
    }
}

/// The records of a founding: as many as it needs, each as full as it may be.
struct Records {
    done: Vec<Record>,
    /// Bytes of the last one, at most.
    bytes: usize,
}

impl Records {
    fn beginning_with(genesis: Cause, start: Time) -> Result<Self, FoundingError> {
        let mut records = Self { done: Vec::new(), bytes: 0 };
        records.begin(genesis, start);
        if records.bytes > limits::EFFECTS_BYTES_MAX {
            return Err(FoundingError::new("world", "rules", "a record does not hold so many rules"));
        }
        Ok(records)
    }

    fn begin(&mut self, cause: Cause, time: Time) {
        let record = Record {
            seq: self.done.len() as u64 + 1,
            time,
            cause,
            charges: Vec::new(),
            effects: Vec::new(),
            events: Vec::new(),
            outcome: Outcome::Nothing,
        };
        self.bytes = record.bytes_max();
        self.done.push(record);
    }

    /// Adds an artifact with all that it starts with: that is never parted, for its own bytes are counted on its
    /// disk when the record that brings it has been applied.
    fn add(&mut self, id: &str, effects: Vec<Effect>, spawn: Option<Event>) -> Result<(), FoundingError> {
        let bytes: usize =
            effects.iter().map(Effect::bytes_max).chain(spawn.iter().map(Event::bytes_max)).sum();
        if bytes > limits::EFFECTS_BYTES_MAX {
            let problem = format!("it takes {bytes} bytes; the most is {}", limits::EFFECTS_BYTES_MAX);
            return Err(FoundingError::new(id, "content", problem));
        }
        if self.bytes + bytes > limits::RECORD_BYTES_MAX
            && let Some(time) = self.done.last().map(|record| record.time)
        {
            self.begin(Cause::Founding, time);
        }
        self.bytes += bytes;
        if let Some(record) = self.done.last_mut() {
            record.effects.extend(effects);
            record.events.extend(spawn);
        }
        Ok(())
    }
}

/// Which artifact was the first with a value, by where the value lies in memory: founders that were made of one
/// entry share theirs.
#[derive(Default)]
struct Alike(HashMap<usize, Handle>);

impl Alike {
    fn code(&mut self, code: &Arc<str>, of: Handle) -> Shared<Arc<str>> {
        self.share(Arc::as_ptr(code).addr(), of, code)
    }

    fn json(&mut self, value: &Json, of: Handle) -> Shared<Json> {
        if value.value().is_null() {
            return Shared::Own(value.clone());
        }
        self.share(value.address(), of, value)
    }

    fn share<T: Clone>(&mut self, address: usize, of: Handle, value: &T) -> Shared<T> {
        match *self.0.entry(address).or_insert(of) {
            first if first == of => Shared::Own(value.clone()),
            first => Shared::As(first),
        }
    }
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

fn creation(
    founder: &Founder,
    handle: Handle,
    rules: &Rules,
    handles: &HashMap<&str, Handle>,
    alike: &mut Alike,
) -> Result<Creation, FoundingError> {
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
        if let Err(refusal) = bounded(field, value.value(), most) {
            return wrong(field, refusal.message);
        }
    }
    if !founder.interface.value().is_null()
        && let Err(refusal) = interface::check("interface", founder.interface.value())
    {
        return wrong("interface", refusal.message);
    }
    if founder.code.as_ref().is_some_and(|code| code.len() > limits::CODE_BYTES_MAX) {
        return wrong("code", format!("the most is {} bytes", limits::CODE_BYTES_MAX));
    }
    if founder.has_loop {
        match Mind::of(founder.content.value(), rules.llm_model.as_deref()) {
            Err(refusal) => return wrong("content", refusal.message),
            Ok(mind) if mind.kind() == MindKind::Script && founder.code.is_none() => {
                return wrong("code", "a scripted agent needs code that defines step".into());
            }
            Ok(_) => {}
        }
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
        content: alike.json(&founder.content, handle),
        code: founder.code.as_ref().map(|code| alike.code(code, handle)),
        decides: founder.decides,
        interface: alike.json(&founder.interface, handle),
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
        metadata: alike.json(&founder.metadata, handle),
        policy: founder.policy.clone(),
    };
    Ok(creation)
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
