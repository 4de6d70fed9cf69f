//! Verdicts of contracts that are kept to be used again; part of the format.

use serde::{Deserialize, Serialize};

use crate::{id::Handle, time::Time, words::words};

words! {
    /// A part of what a contract is told, or may look up, on which its verdict may depend.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    KeyPart {
        /// The one who asks.
        Caller = "caller",
        /// The permission.
        Action = "action",
        /// The principal whose action started the chain.
        Origin = "origin",
        /// The method that is called.
        Method = "method",
        /// Its arguments.
        Args = "args",
        /// The scrip that is sent along.
        Pay = "pay",
        /// The fields that an op would change.
        Change = "change",
        /// The target's owner.
        Owner = "owner",
        /// The scrip of the one who asks.
        Balance = "balance",
    }
}

/// A verdict that is kept, with what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptVerdict {
    /// The artifact that it is about, as it was.
    pub target: Handle,
    /// Its version.
    pub target_version: u32,
    /// Its owner.
    pub target_owner: Handle,
    /// The version of the contract.
    pub contract_version: u32,
    /// How often the contract's storage had changed.
    pub contract_stored: u64,
    /// On what it depends beside that.
    pub key: Vec<KeyPart>,
    /// BLAKE3 of the values of these.
    pub values: [u8; 32],
    /// The instant at which it ends.
    pub until: Time,
    /// Whether it allows.
    pub allowed: bool,
    /// The reason.
    pub reason: String,
    /// The work that it took, in order.
    pub steps: Vec<WorkStep>,
}

/// A piece of the work of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkStep {
    /// Parts of the host's work.
    Host(u64),
    /// Units of the contract's code, and its microseconds where they were measured.
    Code(u64, Option<i64>),
    /// Bytes that it held.
    Held(u64),
}
