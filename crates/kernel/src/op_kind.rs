//! The kinds of ops: the one list of their words.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// The kinds of ops, those that this version refuses as `unsupported` too.
    #[derive(PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(missing_docs, reason = "each name is the op itself")]
    OpKind {
        Noop = "noop",
        Read = "read",
        Write = "write",
        Edit = "edit",
        Delete = "delete",
        Invoke = "invoke",
        Run = "run",
        Transfer = "transfer",
        TransferOwnership = "transfer_ownership",
        SetContract = "set_contract",
        Store = "store",
        Query = "query",
        Sleep = "sleep",
        Mint = "mint",
        Charge = "charge",
        Mandate = "mandate",
        Remember = "remember",
        Forget = "forget",
    }
}

impl OpKind {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();
}
