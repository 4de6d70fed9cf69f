//! The native genesis contracts, and what any contract answers.
//!
//! The native ones decide at once what their Python text, which agents can read, says.

use serde_json::{Map, Value};

use crate::{
    op::Permission,
    record::{Handle, KeyPart},
    time::parse_duration_ms,
    words::words,
};

/// A contract that the kernel evaluates itself. Its artifact's handle is its place in [`Native::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// Anyone reads and invokes; the owner does the rest. The default.
    Freeware,
    /// The artifact itself or its owner.
    SelfOwned,
    /// The owner only.
    Private,
    /// Anyone, anything.
    Public,
}

impl Native {
    /// Every native contract, in the order of their handles.
    pub const ALL: [Self; 4] = [Self::Freeware, Self::SelfOwned, Self::Private, Self::Public];

    /// The native contract of a handle.
    #[must_use]
    pub fn of(handle: Handle) -> Option<Self> {
        Self::ALL.get(handle.0 as usize).copied()
    }

    /// Its handle in every world.
    #[must_use]
    pub const fn handle(self) -> Handle {
        Handle(self as u32)
    }

    /// Its id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Freeware => "genesis_contract_freeware",
            Self::SelfOwned => "genesis_contract_self_owned",
            Self::Private => "genesis_contract_private",
            Self::Public => "genesis_contract_public",
        }
    }

    /// The same rule in Python, for agents to read and copy.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::Freeware => include_str!("../../../genesis/contracts/freeware.py"),
            Self::SelfOwned => include_str!("../../../genesis/contracts/self_owned.py"),
            Self::Private => include_str!("../../../genesis/contracts/private.py"),
            Self::Public => include_str!("../../../genesis/contracts/public.py"),
        }
    }

    /// Decides. An observer (`None`) is nobody's owner.
    #[must_use]
    pub fn decide(
        self,
        caller: Option<Handle>,
        action: Permission,
        target: Handle,
        owner: Handle,
    ) -> Verdict {
        let is_owner = caller == Some(owner);
        let open = matches!(action, Permission::Read | Permission::Invoke | Permission::Execute);
        let (allowed, reason) = match self {
            Self::Freeware if open => (true, "anyone may read and invoke"),
            Self::Freeware if is_owner => (true, "the owner may"),
            Self::Freeware => (false, "only the owner may do this; anyone may read and invoke"),
            Self::SelfOwned if is_owner => (true, "the owner may"),
            Self::SelfOwned if caller == Some(target) => (true, "the artifact itself may"),
            Self::SelfOwned => (false, "only the artifact itself and its owner may"),
            Self::Private if is_owner => (true, "the owner may"),
            Self::Private => (false, "only the owner may"),
            Self::Public => (true, "anyone may do anything"),
        };
        if allowed { Verdict::allowed(reason) } else { Verdict::denied(reason) }
    }
}

/// The keys of an answer. A contract that relies on another would decide something else than it says, so it
/// fails.
const KEYS: [&str; 8] =
    ["allowed", "reason", "cost", "recipient", "cost_model", "shares", "state_updates", "cache"];

words! {
    /// The cost models that have a word.
    Model {
        /// The one who bears the prices of the op.
        Invoker = "invoker_pays",
        /// The target's owner.
        Owner = "owner_pays",
        /// The target.
        Artifact = "artifact_pays",
        /// The invoker and the target's owner, by shares.
        Split = "split",
    }
}

/// The payer of the cost of a permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CostModel {
    /// The one who bears the prices of the op.
    #[default]
    InvokerPays,
    /// The target's owner.
    OwnerPays,
    /// The target.
    ArtifactPays,
    /// The invoker and the target's owner, by shares of which at least one is more than 0.
    Split {
        /// The share of the invoker, who pays the remainder too.
        invoker: i64,
        /// The share of the target's owner.
        owner: i64,
    },
    /// A principal that is named.
    Payer(String),
}

/// The bearer of the CPU and the model calls of a contract's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resources {
    /// The one who bears those of the op.
    Caller,
    /// The contract's owner, where it may be.
    Owner,
}

impl Resources {
    /// The bearer that a contract's content names.
    ///
    /// # Errors
    /// The flaw, in words.
    pub fn of_content(content: &Value) -> Result<Self, String> {
        match content.get("resources") {
            None => Ok(Self::Caller),
            Some(Value::String(word)) if word == "caller" => Ok(Self::Caller),
            Some(Value::String(word)) if word == "owner" => Ok(Self::Owner),
            Some(_) => Err("`resources` of its content is neither \"caller\" nor \"owner\"".into()),
        }
    }
}

/// The leave to use a verdict again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// For so long, in milliseconds.
    pub ttl_ms: i64,
    /// As long as these are the same.
    pub key: Vec<KeyPart>,
}

/// The answer of a contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether it may be done.
    pub allowed: bool,
    /// Why, for the one who asked.
    pub reason: String,
    /// Scrip asked for the permission.
    pub cost: i64,
    /// The recipient of the cost; the target's owner if nobody is named.
    pub recipient: Option<String>,
    /// The payer of the cost.
    pub cost_model: CostModel,
    /// Changes of the contract's own storage, which apply with the action; null removes.
    pub updates: Vec<(String, Value)>,
    /// How long, and for what, it may be used again.
    pub cache: Option<Cache>,
    /// For who is refused: what would help. Only the kernel's own denials have one.
    pub hint: Option<String>,
}

impl Verdict {
    /// A refusal.
    #[must_use]
    pub fn denied(reason: impl Into<String>) -> Self {
        Self { allowed: false, ..Self::allowed(reason) }
    }

    /// A permission that costs nothing.
    #[must_use]
    pub fn allowed(reason: impl Into<String>) -> Self {
        Self {
            allowed: true,
            reason: reason.into(),
            cost: 0,
            recipient: None,
            cost_model: CostModel::InvokerPays,
            updates: Vec::new(),
            cache: None,
            hint: None,
        }
    }

    /// Adds what would help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Reads what `check_permission` returned.
    ///
    /// # Errors
    /// The flaw of its shape, in words.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let map = value.as_object().ok_or("it returned no dict")?;
        if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let shown: String = key.chars().take(64).collect();
            let known = KEYS.join(", ");
            return Err(format!(
                "it returned the unknown key `{}`; the keys are {known}",
                shown.escape_debug()
            ));
        }
        let cost_model = cost_model(map)?;
        let cache = cache(map.get("cache"))?;
        let allowed = map.get("allowed").and_then(Value::as_bool).ok_or("`allowed` is not True or False")?;
        let reason = match map.get("reason") {
            Some(Value::String(reason)) => reason.chars().take(1_000).collect(),
            None | Some(Value::Null) => String::new(),
            Some(_) => return Err("`reason` is not a string".into()),
        };
        let cost = match map.get("cost") {
            None | Some(Value::Null) => 0,
            Some(cost) => {
                cost.as_i64().filter(|cost| *cost >= 0).ok_or("`cost` is not an integer of at least 0")?
            }
        };
        let recipient = match map.get("recipient") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err("`recipient` is not an id".into()),
        };
        let updates = match map.get("state_updates") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(map)) => map.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            Some(_) => return Err("`state_updates` is not a dict".into()),
        };
        Ok(Self { allowed, reason, cost, recipient, cost_model, updates, cache, hint: None })
    }
}

/// The answer of a stored policy, or of none: the owner is above its lists.
pub(crate) fn by_policy(kept: &Value, caller: Option<&str>, is_owner: bool, action: Permission) -> Verdict {
    if is_owner {
        return Verdict::allowed("the owner may");
    }
    let (list, open) = match action {
        Permission::Read => ("allow_read", true),
        Permission::Invoke | Permission::Execute => ("allow_invoke", true),
        Permission::Write => ("allow_write", false),
        Permission::Delete | Permission::Transfer => {
            return Verdict::denied("only the owner may do this");
        }
    };
    let named = |id: &Value| id == "*" || (id.is_string() && id.as_str() == caller);
    let listed = kept.get(list).and_then(Value::as_array).map_or(open, |ids| ids.iter().any(named));
    if !listed {
        return Verdict::denied(format!("its policy's `{list}` does not name it"));
    }
    let price = kept.get("read_price").and_then(Value::as_i64).filter(|_| action == Permission::Read);
    Verdict { cost: price.unwrap_or(0), ..Verdict::allowed("its policy says so") }
}

/// The `cache` of an answer.
fn cache(value: Option<&Value>) -> Result<Option<Cache>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let wrong = || {
        let words = KeyPart::WORDS.join(", ");
        format!(
            "`cache` is not as {{\"ttl\": \"60s\", \"key\": [\"caller\", …]}}; the words of `key` are {words}"
        )
    };
    let map = value.as_object().ok_or_else(wrong)?;
    if map.keys().any(|key| key != "ttl" && key != "key") {
        return Err(wrong());
    }
    let ttl_ms = match map.get("ttl") {
        Some(Value::String(text)) => parse_duration_ms(text),
        Some(seconds) => seconds.as_i64().and_then(|seconds| seconds.checked_mul(1_000)),
        None => None,
    };
    let ttl_ms = ttl_ms.filter(|ms| *ms >= 0).ok_or_else(wrong)?;
    let key = match map.get("key") {
        None | Some(Value::Null) => Some(KeyPart::ALL.to_vec()),
        Some(Value::Array(words)) => {
            words.iter().map(|word| word.as_str().and_then(KeyPart::from_word)).collect()
        }
        Some(_) => None,
    };
    let mut key: Vec<KeyPart> = key.ok_or_else(wrong)?;
    key.sort_unstable_by_key(|part| *part as u8);
    key.dedup();
    Ok(Some(Cache { ttl_ms, key }))
}

/// The cost model of an answer, with its shares.
fn cost_model(map: &Map<String, Value>) -> Result<CostModel, String> {
    let shares = map.get("shares").filter(|shares| !shares.is_null());
    let model = match map.get("cost_model") {
        None | Some(Value::Null) => CostModel::InvokerPays,
        Some(Value::String(word)) => match Model::from_word(word) {
            Some(Model::Invoker) => CostModel::InvokerPays,
            Some(Model::Owner) => CostModel::OwnerPays,
            Some(Model::Artifact) => CostModel::ArtifactPays,
            Some(Model::Split) => return split(shares),
            None => return Err(unknown_model()),
        },
        Some(Value::Object(named)) => match (named.get("payer"), named.len()) {
            (Some(Value::String(id)), 1) => CostModel::Payer(id.clone()),
            _ => return Err(unknown_model()),
        },
        Some(_) => return Err(unknown_model()),
    };
    match shares {
        Some(_) => Err("`shares` goes with the `cost_model` `split`".into()),
        None => Ok(model),
    }
}

fn unknown_model() -> String {
    format!("`cost_model` is none of {}, and not {{\"payer\": an id}}", Model::WORDS.join(", "))
}

fn split(shares: Option<&Value>) -> Result<CostModel, String> {
    let wrong =
        "`shares` is not as {\"invoker\": 1, \"owner\": 3}: integers of at least 0, not all of them 0";
    let shares = shares.and_then(Value::as_object).ok_or(wrong)?;
    if shares.keys().any(|key| key != "invoker" && key != "owner") {
        return Err(wrong.into());
    }
    let share = |name: &str| match shares.get(name) {
        None => Some(0),
        Some(share) => share.as_i64().filter(|share| *share >= 0),
    };
    match (share("invoker"), share("owner")) {
        (Some(invoker), Some(owner)) if invoker > 0 || owner > 0 => Ok(CostModel::Split { invoker, owner }),
        _ => Err(wrong.into()),
    }
}
