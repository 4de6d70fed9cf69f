//! Artifacts: every persistent, addressable thing of a world.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    json::Json,
    limits::BASE_BYTES,
    memory::Memory,
    record::{Change, Handle, Memo, Pays},
    time::Time,
};

/// An artifact as it stands. Its bytes are without the values that others may have too: a world writes those
/// once for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Arc<str>,
    #[serde(skip)]
    pub(crate) content: Json,
    #[serde(skip)]
    pub(crate) code: Option<Arc<str>>,
    /// Whether the code defines `check_permission`.
    pub(crate) decides: bool,
    #[serde(skip)]
    pub(crate) interface: Json,
    pub(crate) owner: Handle,
    pub(crate) creator: Handle,
    /// Whether it ever had another owner: then nobody can tell who wrote it.
    pub(crate) changed_hands: bool,
    pub(crate) access_contract: Handle,
    pub(crate) price: i64,
    pub(crate) pays: Pays,
    pub(crate) has_loop: bool,
    /// The number of its account; it has standing if there is one.
    pub(crate) account: Option<u32>,
    /// The number of its loop, if it has one.
    pub(crate) agent: Option<u32>,
    pub(crate) memory_artifact: Option<Handle>,
    pub(crate) depends_on: Vec<Handle>,
    #[serde(skip)]
    pub(crate) metadata: Json,
    /// Null where there is none.
    pub(crate) policy: Json,
    pub(crate) version: u32,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    pub(crate) storage: OrdMap<Arc<str>, Json>,
    pub(crate) storage_bytes: i64,
    /// How often its storage has changed.
    pub(crate) stored: u64,
    /// Its entries, if it is a memory that ever had some.
    pub(crate) memory: Option<Arc<Memory>>,
    /// Bytes of its fields, storage and entries apart.
    pub(crate) field_bytes: i64,
    pub(crate) deleted: bool,
}

fn bytes(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Bytes that a key with its value counts for.
pub(crate) fn stored_bytes(key: &str, value: &Json) -> i64 {
    bytes(BASE_BYTES + key.len() + value.text_bytes())
}

impl Artifact {
    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The kind of agents that keep a world going and are none of those that are studied: a bank, an auctioneer. No
    /// sample and no measure means them where it names nobody.
    pub const COORDINATOR: &str = "coordinator";

    /// Whether it is of the kind [`Self::COORDINATOR`].
    #[must_use]
    pub fn is_coordinator(&self) -> bool {
        *self.kind == *Self::COORDINATOR
    }

    /// The content.
    #[must_use]
    pub fn content(&self) -> &Value {
        self.content.value()
    }

    /// The code, if it can execute.
    #[must_use]
    pub fn code(&self) -> Option<&Arc<str>> {
        self.code.as_ref()
    }

    /// Whether it is a principal.
    #[must_use]
    pub fn has_standing(&self) -> bool {
        self.account.is_some()
    }

    /// Whether it acts by itself.
    #[must_use]
    pub fn has_loop(&self) -> bool {
        self.has_loop
    }

    /// Whether it was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> Handle {
        self.owner
    }

    /// The artifact that created it; of one of the founding, its owner then.
    #[must_use]
    pub fn creator(&self) -> Handle {
        self.creator
    }

    /// The contract that decides about it.
    #[must_use]
    pub fn access_contract(&self) -> Handle {
        self.access_contract
    }

    /// The price of an invocation, in scrip.
    #[must_use]
    pub fn price(&self) -> i64 {
        self.price
    }

    /// The time at which it came into being.
    #[must_use]
    pub fn created_at(&self) -> Time {
        self.created_at
    }

    /// The time of its last change.
    #[must_use]
    pub fn updated_at(&self) -> Time {
        self.updated_at
    }

    /// The artifact that is its memory, if it has one.
    #[must_use]
    pub fn memory_artifact(&self) -> Option<Handle> {
        self.memory_artifact
    }

    /// The artifacts that it says it depends on.
    #[must_use]
    pub fn depends_on(&self) -> &[Handle] {
        &self.depends_on
    }

    /// Its interface.
    #[must_use]
    pub fn interface(&self) -> &Value {
        self.interface.value()
    }

    /// The entries of a memory in the order in which they were remembered: the number of each, when it was remembered,
    /// the entry, and the number of the one that stands in its place.
    pub fn memos(&self) -> impl DoubleEndedIterator<Item = (u64, Time, &Memo, Option<u64>)> {
        let entries = self.memory.iter().flat_map(|memory| memory.entries());
        entries.map(|(number, entry)| (number, entry.time, &*entry.memo, entry.superseded_by))
    }

    /// The private storage, by key.
    pub fn storage(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.storage.iter().map(|(key, value)| (&**key, value.value()))
    }

    /// The number of changes since creation, plus one.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes it counts for on its owner's disk.
    #[must_use]
    pub fn size(&self) -> i64 {
        self.field_bytes + self.storage_bytes + self.memory.as_ref().map_or(0, |memory| memory.bytes())
    }

    /// Shares with another the values in which they are equal.
    pub(crate) fn share(&mut self, other: &Self) {
        fn one<T: Clone + PartialEq>(mine: &mut T, theirs: &T) {
            if mine == theirs {
                mine.clone_from(theirs);
            }
        }
        one(&mut self.kind, &other.kind);
        one(&mut self.content, &other.content);
        one(&mut self.code, &other.code);
        one(&mut self.interface, &other.interface);
        one(&mut self.metadata, &other.metadata);
    }

    /// Every artifact that it names.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> {
        let fields = [self.owner, self.creator, self.access_contract];
        fields.into_iter().chain(self.memory_artifact).chain(self.depends_on.iter().copied())
    }

    /// Counts the bytes of its fields: the one place that says what an artifact or a tombstone takes.
    pub(crate) fn measure(&mut self) {
        let rows = 1 + usize::from(self.account.is_some()) + self.depends_on.len();
        let words = self.id.len() + self.kind.len() + self.code.as_ref().map_or(0, |code| code.len());
        let json = [&self.content, &self.interface, &self.metadata, &self.policy];
        self.field_bytes =
            bytes(rows * BASE_BYTES + words + json.map(Json::size_bytes).iter().sum::<usize>());
    }

    /// Takes from it all that a tombstone doesn't keep.
    pub(crate) fn bury(&mut self) {
        self.deleted = true;
        self.content = Json::default();
        self.interface = Json::default();
        self.metadata = Json::default();
        self.policy = Json::default();
        self.code = None;
        self.decides = false;
        self.storage = OrdMap::new();
        self.storage_bytes = 0;
        self.memory = None;
        self.depends_on = Vec::new();
        self.memory_artifact = None;
        self.measure();
    }

    pub(crate) fn set(&mut self, change: &Change) {
        fn put<T: Clone>(field: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                field.clone_from(value);
            }
        }
        put(&mut self.content, &change.content);
        put(&mut self.interface, &change.interface);
        put(&mut self.access_contract, &change.access_contract);
        put(&mut self.price, &change.price);
        put(&mut self.pays, &change.pays);
        put(&mut self.memory_artifact, &change.memory_artifact);
        put(&mut self.depends_on, &change.depends_on);
        put(&mut self.metadata, &change.metadata);
        put(&mut self.policy, &change.policy);
        if let Some(code) = &change.code {
            self.code = code.as_deref().map(Arc::from);
            self.decides = change.decides;
        }
        self.measure();
    }

    /// The size that is shown to those who may not know how much it stores and remembers.
    #[must_use]
    pub fn size_apart(&self) -> i64 {
        self.field_bytes
    }

    /// The metadata that a query shows; `name` gives the id of a handle.
    pub(crate) fn metadata(&self, name: impl Fn(Handle) -> Value, size: i64) -> Value {
        let mut shown = json!({
            "id": &*self.id,
            "kind": &*self.kind,
            "owner": name(self.owner),
            "creator": name(self.creator),
            "access_contract": name(self.access_contract),
            "price": self.price,
            "pays": self.pays.as_str(),
            "has_standing": self.has_standing(),
            "can_execute": self.code.is_some(),
            "has_loop": self.has_loop,
            "memory_artifact": self.memory_artifact.map(&name),
            "depends_on": self.depends_on.iter().map(|on| name(*on)).collect::<Vec<_>>(),
            "interface": self.interface.value(),
            "metadata": self.metadata.value(),
            "version": self.version,
            "created_at": self.created_at.to_string(),
            "updated_at": self.updated_at.to_string(),
            "size": size,
        });
        if let (false, Value::Object(map)) = (self.policy.value().is_null(), &mut shown) {
            map.insert("policy".into(), self.policy.to_value());
        }
        shown
    }
}
