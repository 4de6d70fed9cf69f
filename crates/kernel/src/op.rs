//! Operations.
use serde::{Deserialize, Serialize};
/// Kinds of ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each name is the op itself")]
pub enum OpKind { Noop, Read, Write, Edit, Delete, Invoke, Run, Transfer, TransferOwnership, SetContract, Store, Query, Sleep, Mint, Charge }
impl OpKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [Self::Noop, Self::Read, Self::Write, Self::Edit, Self::Delete, Self::Invoke, Self::Run, Self::Transfer, Self::TransferOwnership, Self::SetContract, Self::Store, Self::Query, Self::Sleep, Self::Mint, Self::Charge];
    /// The op as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Noop => "noop", Self::Read => "read", Self::Write => "write", Self::Edit => "edit", Self::Delete => "delete", Self::Invoke => "invoke", Self::Run => "run", Self::Transfer => "transfer",
            Self::TransferOwnership => "transfer_ownership", Self::SetContract => "set_contract", Self::Store => "store", Self::Query => "query", Self::Sleep => "sleep", Self::Mint => "mint", Self::Charge => "charge",
        }
    }
}
