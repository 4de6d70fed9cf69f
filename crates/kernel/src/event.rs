//! Events, and what their types are and say: one table, from which come the reference in `docs/events.md`,
//! the JSON Schema, and the check of every event that is told.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{id::Handle, op_kind::OpKind, resource::ResourceId, time::Time};

/// The types of events: the ops that change something, and what happens beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// An op succeeded.
    Op(OpKind),
    /// An agent came into being.
    Spawn,
    /// An artifact's contract does not exist.
    MissingContract,
    /// A contract failed while it decided, and so denied.
    ContractError,
    /// The mind of an agent failed.
    MindError,
    /// An agent's sleep ended: it steps.
    Wake,
    /// An agent waits for capacity.
    Block,
    /// An agent has the capacity that it waited for: it steps.
    Unblock,
    /// A principal has nothing left of a resource, or an agent's step needs more than there is.
    Exhausted,
    /// An agent lacks what does not come back by itself: it waits for somebody's help.
    Freeze,
    /// A frozen agent was given what it lacked.
    Rescue,
    /// An agent failed too often in a row: it waits until something about it changes.
    Pause,
    /// The machine's clock and the world's were found apart; nobody did it.
    Clock,
    /// Code runs on another runtime from here on.
    Runtime,
    /// An agent, or the whole run, gets nowhere; said once until it changes.
    Health,
}

impl EventKind {
    /// The type of that name; `None` also for an op that makes no event.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        SPECS.iter().map(|spec| spec.kind).find(|kind| kind.as_str() == word)
    }

    /// Every type's word.
    pub fn words() -> impl Iterator<Item = &'static str> + Clone {
        SPECS.iter().map(|spec| spec.kind.as_str())
    }

    /// The word for it in `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Op(op) => op.as_str(),
            Self::Spawn => "spawn",
            Self::MissingContract => "missing_contract",
            Self::ContractError => "contract_error",
            Self::MindError => "mind_error",
            Self::Wake => "wake",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Exhausted => "exhausted",
            Self::Freeze => "freeze",
            Self::Rescue => "rescue",
            Self::Pause => "pause",
            Self::Clock => "clock",
            Self::Runtime => "runtime",
            Self::Health => "health",
        }
    }
}

/// Something worth telling others; its sequence number and time are its record's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its type.
    pub kind: EventKind,
    /// The immediate caller; [`Handle::NOBODY`] where nobody acted.
    pub actor: Handle,
    /// The artifact it was done to.
    pub artifact: Option<Handle>,
    /// The recipient, if something was handed over.
    pub to: Option<Handle>,
    /// How much was moved, in base units.
    pub amount: Option<i64>,
    /// Of which resource; none is scrip.
    pub resource: Option<ResourceId>,
    /// The method, the storage key or the reason.
    pub detail: Option<String>,
    /// Whether it was sent along with an invocation, which concerns the parties only; not on the wire.
    pub sent: bool,
}

impl Event {
    /// Every artifact that it names.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> + use<> {
        let actor = Some(self.actor).filter(|actor| *actor != Handle::NOBODY);
        [actor, self.artifact, self.to].into_iter().flatten()
    }

    /// An event of which only the type and the actor are known.
    #[must_use]
    pub const fn new(kind: EventKind, actor: Handle) -> Self {
        Self {
            kind,
            actor,
            artifact: None,
            to: None,
            amount: None,
            resource: None,
            detail: None,
            sent: false,
        }
    }
}

/// An event with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// The record's number.
    pub seq: u64,
    /// The record's time.
    pub time: Time,
    /// The owner of its artifact when it was told: a party to it.
    pub owner: Option<Handle>,
    /// The event.
    pub event: Event,
}

impl EventRow {
    /// The type as a word.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.event.kind
    }
}

/// Which events are meant: those that fit all that is given. Ids may be of artifacts yet to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The type; none is any.
    pub kind: Option<EventKind>,
    /// The immediate caller.
    pub actor: Option<String>,
    /// The artifact it was done to.
    pub artifact: Option<String>,
    /// The recipient.
    pub to: Option<String>,
    /// Of which resource.
    pub resource: Option<String>,
    /// The method, the storage key or the reason, exactly.
    pub detail: Option<String>,
    /// At least so much, in base units.
    pub amount: Option<i64>,
}

impl Filter {
    /// The filter in words.
    pub(crate) fn words(&self) -> String {
        let mut text = format!("event {}", self.kind.map_or("*", |kind| kind.as_str()));
        let fields = [
            ("actor", &self.actor),
            ("artifact", &self.artifact),
            ("to", &self.to),
            ("resource", &self.resource),
            ("detail", &self.detail),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                text.push_str(&format!(" {name}={value}"));
            }
        }
        if let Some(amount) = self.amount {
            text.push_str(&format!(" amount>={amount}"));
        }
        text
    }
}

/// The entry of one type in the table of events.
#[derive(Debug)]
pub struct EventSpec {
    /// The type.
    pub kind: EventKind,
    /// When it is told.
    pub when: &'static str,
    /// The fields it has beside `seq`, `time`, `type` and `actor`.
    pub fields: &'static [FieldSpec],
    /// The viewers it is shown to.
    pub shown: Shown,
}

/// The entry of one field of a type.
#[derive(Debug)]
pub struct FieldSpec {
    /// The field.
    pub part: Part,
    /// Its meaning, where the name does not say it.
    pub doc: &'static str,
    /// Whether each event of the type has it.
    pub always: bool,
    /// The viewers it is shown to.
    pub shown: Shown,
}

/// The viewers of an event, or of a field of one. Observers are shown all. The parties are the actor, the
/// recipient, the artifact it was done to and that artifact's owner at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Everybody.
    All,
    /// Everybody where balances are public, else the parties.
    AsBalances,
    /// The parties.
    Parties,
    /// The artifact and its owner: it may quote the artifact's code.
    Inside,
}

/// A field that only some types have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The id of what it was done to.
    Artifact,
    /// The id of who received something by it.
    To,
    /// How much was moved, in base units.
    Amount,
    /// Of which resource.
    Resource,
    /// A word or a sentence.
    Detail,
}

impl Part {
    /// Every field, in the order of the schema.
    pub const ALL: [Self; 5] = [Self::Artifact, Self::To, Self::Amount, Self::Resource, Self::Detail];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::To => "to",
            Self::Amount => "amount",
            Self::Resource => "resource",
            Self::Detail => "detail",
        }
    }

    fn is_in(self, event: &Event) -> bool {
        match self {
            Self::Artifact => event.artifact.is_some(),
            Self::To => event.to.is_some(),
            Self::Amount => event.amount.is_some(),
            Self::Resource => event.resource.is_some(),
            Self::Detail => event.detail.is_some(),
        }
    }

    const fn schema(self) -> (&'static str, &'static str) {
        match self {
            Self::Artifact => ("string", "the id of the artifact it was done to"),
            Self::To => ("string", "the id of the recipient"),
            Self::Amount => ("integer", "how much was moved, in base units"),
            Self::Resource => ("string", "the resource that was moved; scrip if it is not there"),
            Self::Detail => ("string", "a word or a sentence"),
        }
    }
}

const fn has(part: Part) -> FieldSpec {
    FieldSpec { part, doc: "", always: true, shown: Shown::All }
}

const fn is(part: Part, doc: &'static str) -> FieldSpec {
    FieldSpec { part, doc, always: true, shown: Shown::All }
}

const fn maybe(part: Part, doc: &'static str) -> FieldSpec {
    FieldSpec { part, doc, always: false, shown: Shown::All }
}

const fn spec(kind: EventKind, when: &'static str, fields: &'static [FieldSpec]) -> EventSpec {
    EventSpec { kind, when, fields, shown: Shown::All }
}

impl EventSpec {
    const fn to(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }
}

impl FieldSpec {
    const fn to(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }
}

use Part::{Amount, Artifact, Detail, Resource, To};

/// The table of types.
pub const SPECS: &[EventSpec] = &[
    spec(EventKind::Op(OpKind::Write), "an artifact was created or changed", &[has(Artifact)]),
    spec(EventKind::Spawn, "an agent came into being; follows its `write`", &[has(Artifact)]),
    spec(
        EventKind::Op(OpKind::Edit),
        "content or code was edited",
        &[has(Artifact), is(Detail, "`content` or `code`")],
    ),
    spec(
        EventKind::Op(OpKind::Delete),
        "an artifact became a tombstone",
        &[has(Artifact), maybe(To, "the heir, if one was named")],
    ),
    spec(
        EventKind::Op(OpKind::Invoke),
        "a method was called",
        &[has(Artifact), is(Detail, "the method"), maybe(Amount, "the scrip sent along, if any").to(Shown::Parties)],
    ),
    spec(EventKind::Op(OpKind::Remember), "an entry was added to a memory", &[has(Artifact)]).to(Shown::Parties),
    spec(
        EventKind::Op(OpKind::Forget),
        "an entry of a memory was forgotten, or all of them",
        &[has(Artifact)],
    )
    .to(Shown::Parties),
    spec(EventKind::Op(OpKind::Run), "a snippet was run", &[]),
    spec(
        EventKind::Op(OpKind::Transfer),
        "scrip or a resource was moved, by itself or, if a resource, sent along with `give`",
        &[has(To), has(Amount).to(Shown::AsBalances), maybe(Resource, "if it was not scrip")],
    ),
    spec(
        EventKind::Op(OpKind::Mandate),
        "a principal gave a mandate, gave it anew or withdrew it",
        &[is(To, "the holder"), maybe(Resource, "if it is not of scrip"), is(Detail, "`given` or `withdrawn`")],
    ),
    spec(
        EventKind::Op(OpKind::Charge),
        "a mandate was used; `actor` is its holder, the contract or the artifact that charged",
        &[
            is(Artifact, "the payer"),
            is(To, "who received it"),
            has(Amount).to(Shown::AsBalances),
            maybe(Resource, "if it was not scrip"),
            maybe(Detail, "the reason, if one was given").to(Shown::Parties),
        ],
    ),
    spec(
        EventKind::Op(OpKind::Mint),
        "an authority created scrip",
        &[has(To), has(Amount).to(Shown::AsBalances)],
    ),
    spec(
        EventKind::Op(OpKind::TransferOwnership),
        "an artifact changed hands, by itself or sent along with `give`",
        &[has(Artifact), has(To)],
    ),
    spec(
        EventKind::Op(OpKind::SetContract),
        "an artifact was put under another contract",
        &[has(Artifact), is(Detail, "the contract's id")],
    ),
    spec(
        EventKind::Op(OpKind::Store),
        "a principal set or removed a key of its own storage; what code keeps for itself makes no event",
        &[has(Artifact), is(Detail, "the key")],
    ),
    spec(
        EventKind::MissingContract,
        "an artifact's access contract does not exist",
        &[is(Artifact, "the one that was asked for"), is(Detail, "that it does not exist")],
    ),
    spec(
        EventKind::ContractError,
        "a contract failed while it decided, and so denied",
        &[is(Artifact, "the contract"), is(Detail, "what went wrong").to(Shown::Inside)],
    ),
    spec(
        EventKind::MindError,
        "the code of an agent's mind failed",
        &[is(Artifact, "the agent"), is(Detail, "what went wrong").to(Shown::Inside)],
    ),
    spec(
        EventKind::Op(OpKind::Sleep),
        "an agent's loop waits",
        &[is(Detail, "for what").to(Shown::AsBalances)],
    ),
    spec(
        EventKind::Wake,
        "an agent's sleep or pause has ended: this is its turn",
        &[is(Detail, "`time`, `event` and its record, `level of` a resource, or `change`").to(Shown::AsBalances)],
    ),
    spec(
        EventKind::Exhausted,
        "a principal has nothing left of a renewable or depletable resource, or an agent's turn needs more than there is",
        &[has(Resource), maybe(Amount, "what the turn needs, if it was a turn")],
    )
    .to(Shown::AsBalances),
    spec(
        EventKind::Block,
        "an agent waits until there is enough of a resource",
        &[has(Resource), is(Amount, "what it needs"), is(Detail, "until when")],
    )
    .to(Shown::AsBalances),
    spec(
        EventKind::Unblock,
        "an agent has the capacity that it waited for: this is its turn",
        &[has(Resource)],
    )
    .to(Shown::AsBalances),
    spec(
        EventKind::Freeze,
        "an agent waits for what does not come back by itself, until somebody gives it",
        &[has(Resource), is(Amount, "what it needs")],
    )
    .to(Shown::AsBalances),
    spec(
        EventKind::Rescue,
        "a transfer gave a frozen agent what it lacked; `actor` is the giver",
        &[is(To, "the agent"), has(Resource), is(Amount, "what was given")],
    )
    .to(Shown::AsBalances),
    spec(
        EventKind::Pause,
        "an agent's mind failed five times in a row; it waits until something about it changes",
        &[is(Detail, "how often")],
    ),
    spec(
        EventKind::Clock,
        "under the wall clock, nothing had run for a second or more, or the machine's clock was moved by as much; there is no `actor`",
        &[is(Detail, "`away`, `forward` or `back`, and by how much: `back 1h`")],
    ),
    spec(
        EventKind::Runtime,
        "code runs on another runtime from here on; there is no `actor`",
        &[is(Detail, "the name of the runtime")],
    ),
    spec(
        EventKind::Health,
        "an agent gets nowhere, said once until it changes; or the whole run, and then there is no `actor`",
        &[
            maybe(Artifact, "the agent"),
            is(Detail, "`silent`, `repeating`, `refused`, `malformed` or `starved`, and the likely cause"),
        ],
    )
    .to(Shown::Parties),
];

impl EventSpec {
    /// The table's entry for a type; `None` for the ops that make no event.
    #[must_use]
    pub fn of(kind: EventKind) -> Option<&'static Self> {
        SPECS.iter().find(|spec| spec.kind == kind)
    }

    pub(crate) fn field(&self, part: Part) -> Option<&FieldSpec> {
        self.fields.iter().find(|field| field.part == part)
    }
}

impl Shown {
    /// The words for it in the reference.
    const fn words(self) -> &'static str {
        match self {
            Self::All => "",
            Self::AsBalances => " (as balances)",
            Self::Parties => " (shown to the parties)",
            Self::Inside => " (shown to the artifact and its owner)",
        }
    }
}

/// Whether an event has just the fields that the table gives its type.
#[must_use]
pub fn is_as_specified(event: &Event) -> bool {
    let Some(spec) = EventSpec::of(event.kind) else { return false };
    Part::ALL.into_iter().all(|part| match (spec.field(part), part.is_in(event)) {
        (Some(field), there) => there || !field.always,
        (None, there) => !there,
    })
}

/// The JSON Schema of an event, as `oikos schema event` prints it: one alternative per type.
#[must_use]
pub fn schema() -> Value {
    let alternatives: Vec<Value> = SPECS.iter().map(type_schema).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Oikos event",
        "oneOf": alternatives,
    })
}

fn type_schema(spec: &EventSpec) -> Value {
    let mut properties = Map::new();
    let mut required = vec!["seq", "time", "type"];
    let mut property = |name: &str, schema: Value| properties.insert(name.into(), schema);
    property(
        "seq",
        json!({ "type": "integer", "minimum": 1, "description": "the number of the record that holds it" }),
    );
    property("time", json!({ "type": "string", "format": "date-time" }));
    property("type", json!({ "const": spec.kind.as_str() }));
    if !matches!(spec.kind, EventKind::Clock | EventKind::Runtime) {
        if spec.kind != EventKind::Health {
            required.push("actor");
        }
        property("actor", json!({ "type": "string", "description": "the id of the immediate caller" }));
    }
    for field in spec.fields {
        let (kind, general) = field.part.schema();
        let doc = if field.doc.is_empty() { general } else { field.doc };
        property(field.part.as_str(), json!({ "type": kind, "description": doc }));
        if field.always && field.shown == Shown::All {
            required.push(field.part.as_str());
        }
    }
    json!({
        "title": spec.kind.as_str(),
        "description": spec.when,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

/// The table as Markdown, for `docs/events.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from("| type | when | fields |\n|---|---|---|\n");
    for spec in SPECS {
        let fields: Vec<String> = spec.fields.iter().map(FieldSpec::text).collect();
        let fields = if fields.is_empty() { "none".into() } else { fields.join("; ") };
        let (kind, when, shown) = (spec.kind.as_str(), spec.when, spec.shown.words());
        let _ = writeln!(text, "| `{kind}` | {when}{shown} | {fields} |");
    }
    text
}

impl FieldSpec {
    fn text(&self) -> String {
        let (name, shown) = (self.part.as_str(), self.shown.words());
        if self.doc.is_empty() {
            format!("`{name}`{shown}")
        } else {
            format!("`{name}`: {}{shown}", self.doc)
        }
    }
}
