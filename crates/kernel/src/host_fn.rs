//! The functions that code may call and that the kernel answers: the ops, and one table of the few beside them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::{op_kind::OpKind, words::words};

/// A host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostFn {
    /// An op, by its own name.
    Op(OpKind),
    /// A function beside the ops.
    Function(Function),
    /// A method of the `ledger` that contracts are handed.
    Ledger(LedgerFn),
}

words! {
    /// The functions beside the ops.
    #[derive(Serialize, Deserialize)]
    Function {
        /// Any op, without raising.
        Attempt = "attempt",
        /// Somebody's scrip.
        GetBalance = "get_balance",
        /// The op `transfer`.
        Pay = "pay",
        /// A value of the own storage.
        StorageGet = "storage_get",
        /// The op `store`.
        StorageSet = "storage_set",
        /// The op `store` of null.
        StorageDelete = "storage_delete",
        /// Keys of the own storage.
        StorageList = "storage_list",
        /// A language model.
        CallLlm = "call_llm",
        /// Metadata of an artifact.
        GetArtifactInfo = "get_artifact_info",
    }
}

words! {
    /// The methods of a contract's `ledger`.
    #[derive(Serialize, Deserialize)]
    LedgerFn {
        /// Whether there is such a principal.
        PrincipalExists = "principal_exists",
        /// Its scrip.
        GetScrip = "get_scrip",
        /// Whether it has so much scrip.
        CanAffordScrip = "can_afford_scrip",
        /// Its free amount of a resource.
        GetResource = "get_resource",
        /// Whether it has so much free.
        CanSpendResource = "can_spend_resource",
        /// Its free amount of every resource.
        GetAllResources = "get_all_resources",
    }
}

/// The table's entry for a host function that is no op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// Its arguments, by position or by name.
    pub args: &'static [&'static str],
    /// How it is called, as the documentation shows it.
    pub call: &'static str,
    /// Its answer, in words.
    pub doc: &'static str,
    /// Whether a mind may call it while it thinks: it only looks, or does when a thought calls it.
    pub looks: bool,
}

impl Function {
    /// Its row of the table.
    #[must_use]
    pub const fn spec(self) -> HostSpec {
        let (args, call, doc, looks): (&[&str], _, _, _) = match self {
            Self::Attempt => (
                &["op"],
                "attempt(\"invoke\", artifact, …)",
                "any op without raising: `{\"ok\", \"result\", \"error\"}`",
                true,
            ),
            Self::GetBalance => {
                (&["of"], "get_balance(of=None)", "the scrip of a principal, or the own", true)
            }
            Self::Pay => (
                &["to", "amount"],
                "pay(to, amount)",
                "as `transfer`, from this artifact's own account",
                false,
            ),
            Self::StorageGet => (
                &["key", "default"],
                "storage_get(key, default=None)",
                "a value of this artifact's own storage",
                true,
            ),
            Self::StorageSet => (&["key", "value"], "storage_set(key, value)", "as the op `store`", false),
            Self::StorageDelete => (&["key"], "storage_delete(key)", "removes a key", false),
            Self::StorageList => (
                &["prefix", "after", "limit"],
                "storage_list(prefix=\"\", after=None, limit=None)",
                "the keys of this artifact's own storage, in order: those with a prefix, after a key, so many",
                true,
            ),
            Self::CallLlm => (
                &["prompt", "model", "schema", "max_output_tokens"],
                "call_llm(prompt, model=None, schema=None, max_output_tokens=600)",
                "the text that a language model answers, or with a `schema` the JSON that fits it",
                false,
            ),
            Self::GetArtifactInfo => {
                (&["artifact"], "get_artifact_info(artifact)", "metadata without content", true)
            }
        };
        HostSpec { args, call, doc, looks }
    }
}

impl LedgerFn {
    /// Its row of the table.
    #[must_use]
    pub const fn spec(self) -> HostSpec {
        let (args, call, doc): (&[&str], _, _) = match self {
            Self::PrincipalExists => {
                (&["principal"], "ledger.principal_exists(principal)", "whether it is one, and not deleted")
            }
            Self::GetScrip => (&["principal"], "ledger.get_scrip(principal)", "its scrip"),
            Self::CanAffordScrip => (
                &["principal", "amount"],
                "ledger.can_afford_scrip(principal, amount)",
                "whether it has so much",
            ),
            Self::GetResource => {
                (&["principal", "resource"], "ledger.get_resource(principal, resource)", "what it has free")
            }
            Self::CanSpendResource => (
                &["principal", "resource", "amount"],
                "ledger.can_spend_resource(principal, resource, amount)",
                "whether it has so much free",
            ),
            Self::GetAllResources => {
                (&["principal"], "ledger.get_all_resources(principal)", "what it has free, by resource")
            }
        };
        HostSpec { args, call, doc, looks: true }
    }
}

impl HostFn {
    /// The function of a name in code. Methods of the `ledger` have none of their own.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        OpKind::from_word(word).map(Self::Op).or_else(|| Function::from_word(word).map(Self::Function))
    }

    /// Its name, that of its method for the `ledger`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Op(kind) => kind.as_str(),
            Self::Function(function) => function.as_str(),
            Self::Ledger(function) => function.as_str(),
        }
    }

    /// Whether a mind may call it while it thinks: it only looks, or does when a thought calls it.
    #[must_use]
    pub const fn looks(self) -> bool {
        match self {
            Self::Op(kind) => matches!(kind, OpKind::Query | OpKind::Read | OpKind::Invoke),
            Self::Function(function) => function.spec().looks,
            Self::Ledger(function) => function.spec().looks,
        }
    }
}

/// The table as Markdown, for the documentation.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from("| function | |\n|---|---|\n");
    let rows = Function::ALL.map(Function::spec).into_iter().chain(LedgerFn::ALL.map(LedgerFn::spec));
    for spec in rows {
        let _ = writeln!(text, "| `{}` | {} |", spec.call, spec.doc);
    }
    text
}
