//! The native genesis contracts, and what any contract answers.
//!
//! The native ones decide at once what their Python text, which agents can read, says.

use serde_json::Value;

use crate::{op::Permission, record::Handle};

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
        Verdict { allowed, reason: reason.into(), cost: 0, recipient: None, updates: Vec::new() }
    }
}

/// The keys of an answer. A contract that relies on another, or on a value that this version lacks, would
/// decide something else than it says, so it fails.
const KEYS: [&str; 7] = ["allowed", "reason", "cost", "recipient", "cost_model", "state_updates", "cache"];

/// The model by which the `cost` is paid: the only one of this version.
const COST_MODEL: &str = "invoker_pays";

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
    /// Changes of the contract's own storage, which apply with the action; null removes.
    pub updates: Vec<(String, Value)>,
}

impl Verdict {
    /// A refusal.
    #[must_use]
    pub fn denied(reason: impl Into<String>) -> Self {
        Self { allowed: false, reason: reason.into(), cost: 0, recipient: None, updates: Vec::new() }
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
        match map.get("cost_model") {
            None | Some(Value::Null) => {}
            Some(Value::String(model)) if model == COST_MODEL => {}
            Some(_) => {
                return Err(format!("this version of the kernel has only the `cost_model` `{COST_MODEL}`"));
            }
        }
        if map.get("cache").is_some_and(|cache| !cache.is_null()) {
            return Err("this version of the kernel does not have `cache` in an answer".into());
        }
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
        Ok(Self { allowed, reason, cost, recipient, updates })
    }
}
