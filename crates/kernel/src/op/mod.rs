//! Operations: the one vocabulary of agents, code and clients (`DESIGN.md §5`).
//!
//! One table says every op with its fields. From it come the types, the reading of JSON and of calls
//! in code, the nearest-name hints, the JSON Schema and the op reference of the handbook.

// Its parts:
mod field;
mod gift;
mod memo;
mod policy;
mod wait;
// Built on it:
mod heritage;
mod query;
mod action;
mod schema;
mod profile;

use serde_json::Value;

pub(crate) use self::action::named;
use self::field::Fields;
pub use self::{
    action::{Action, Planned},
    field::{
        ActionId, Amount, Amounts, Args, Content, Data, Duration, Field, FieldType, Ids, Interface, Keep,
        Key, Method, Natural, Object, OrNull, Part, Permission, Remark, Source, Stored, Text, What, Word,
        beyond, bounded,
    },
    gift::{Gift, Gifts},
    heritage::heritage,
    memo::{Entry, Importance, Note, Since, Tags},
    policy::Policy,
    profile::{LOOKS_MAX, Words, arguments_for_models, schema_for_models, without_nulls},
    query::{QUERIES, QuerySpec, answers, queries},
    schema::{reference, schema},
    wait::{AnyOf, EventType, Fitting, Level, Waiting},
};
pub use crate::op_kind::OpKind;
use crate::{id::Id, limits, record::Pays, refusal::Refusal, time::Time};

/// The entry of one op in the table of ops.
#[derive(Debug)]
pub struct OpSpec {
    /// The op.
    pub kind: OpKind,
    /// Its effect, in words.
    pub doc: &'static str,
    /// How many of its fields, from the first, a call in code may give by position.
    pub positional: usize,
    /// Its fields, in order.
    pub fields: &'static [FieldSpec],
}

/// The entry of one field in the table of ops.
pub struct FieldSpec {
    /// Its name.
    pub name: &'static str,
    /// Its meaning.
    pub doc: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Its JSON Schema.
    pub schema: fn() -> Value,
}

impl std::fmt::Debug for FieldSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldSpec").field("name", &self.name).field("required", &self.required).finish()
    }
}

macro_rules! ops {
    ($(
        $(#[doc = $doc:literal])+
        $Kind:ident $positional:literal {
            $( $(#[doc = $fdoc:literal])+ $field:ident $key:literal : $ty:ty, )*
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Kind { $( $(#[doc = $fdoc])+ pub $field: $ty, )* }

            impl $Kind {
                #[allow(unused_variables, reason = "an op may have no fields")]
                fn take(fields: &mut Fields) -> Result<Self, Refusal> {
                    Ok(Self { $( $field: fields.take($key)?, )* })
                }

                /// The names of the fields that were given.
                #[must_use]
                pub fn given(&self) -> Vec<&'static str> {
                    let all: &[(&'static str, bool)] = &[ $( ($key, self.$field.is_given()), )* ];
                    all.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
                }
            }
        )+

        /// An op with its fields.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op { $( $(#[doc = $doc])+ $Kind($Kind), )+ }

        impl Op {
            /// Which op it is.
            #[must_use]
            pub const fn kind(&self) -> OpKind {
                match self { $( Self::$Kind(_) => OpKind::$Kind, )+ }
            }

            fn take(kind: OpKind, fields: &mut Fields) -> Result<Self, Refusal> {
                match kind {
                    $( OpKind::$Kind => $Kind::take(fields).map(Self::$Kind), )+
                }
            }
        }

        /// The table of ops.
        pub const SPECS: &[OpSpec] = &[ $( OpSpec {
            kind: OpKind::$Kind,
            doc: concat!($($doc),+),
            positional: $positional,
            fields: &[ $( FieldSpec {
                name: $key,
                doc: concat!($($fdoc),+),
                required: <$ty as FieldType>::REQUIRED,
                schema: <$ty as FieldType>::schema,
            }, )* ],
        }, )+ ];
    };
}

ops! {
    /// Does nothing.
    Noop 0 {}

    /// Shows an artifact's content, and its code and interface if asked.
    Read 2 {
        /// The artifact to read.
        artifact "artifact": Id,
        /// Whether to show code and interface too; default false.
        code "code": Option<bool>,
    }

    /// Creates an artifact, or replaces the named fields of one that exists.
    Write 2 {
        /// The artifact to create or change.
        artifact "artifact": Id,
        /// Text or JSON.
        content "content": Keep<Content>,
        /// A word for what it is, fixed at creation; default `data`.
        kind "kind": Option<Word<64>>,
        /// Python code, which makes it executable; null removes it.
        code "code": Keep<Source>,
        /// MCP-style list of tools; null removes it.
        interface "interface": Keep<Interface>,
        /// Scrip that an invocation costs; goes to the owner.
        price "price": Option<Natural>,
        /// The contract that decides all access to this one.
        access_contract "access_contract": Option<Id>,
        /// The bearer of the resources its code uses: `self` or `caller`.
        pays "pays": Option<Pays>,
        /// Whether it can own and hold things; fixed at creation.
        has_standing "has_standing": Option<bool>,
        /// Whether it acts by itself, which makes it an agent; fixed at creation.
        has_loop "has_loop": Option<bool>,
        /// The artifact that is its memory; null unlinks it.
        memory_artifact "memory_artifact": Keep<Id>,
        /// Artifacts it builds on.
        depends_on "depends_on": Option<Ids<{ limits::DEPENDS_ON_MAX }>>,
        /// A free-form JSON object; null clears it.
        metadata "metadata": Keep<Object>,
        /// Lists of those who may read, write and invoke it, in worlds that go by policies; null clears it.
        policy "policy": Keep<Policy>,
    }

    /// Replaces the one exact occurrence of a string in an artifact's content or code.
    Edit 4 {
        /// The artifact to change.
        artifact "artifact": Id,
        /// Which text: `content` or `code`.
        field "field": Field,
        /// The string to replace; it must occur exactly once.
        old "old": Text,
        /// The string to put in its place.
        new "new": Text,
    }

    /// Makes an artifact a tombstone; its id is never used again.
    /// Its rates lapse; scrip, balances and quotas need an heir.
    Delete 1 {
        /// The artifact to delete.
        artifact "artifact": Id,
        /// The principal that receives the scrip, balances and quotas that it holds.
        heir "heir": Option<Id>,
    }

    /// Calls a method of an artifact's code.
    Invoke 1 {
        /// The artifact to call.
        artifact "artifact": Id,
        /// The function of its code; default `run`.
        method "method": Option<Method>,
        /// Positional arguments, any JSON.
        args "args": Option<Args>,
        /// Scrip to send along; goes to the artifact itself.
        pay "pay": Option<Natural>,
        /// Artifacts to send along, and resources as {"resource": …, "amount": …}; the artifact becomes their owner.
        give "give": Option<Gifts>,
        /// Units of work in which its code is only tried: it reads, changes nothing and pays nothing. All of them are
        /// charged, and nothing of it is shown but the result.
        trial "trial": Option<Amount>,
        /// With `trial`: the result that is to come. The answer is then whether it came; an error is another result.
        expect "expect": Keep<Stored>,
    }

    /// Runs a Python snippet as the caller: many ops in one atomic action.
    Run 1 {
        /// The snippet.
        code "code": Source,
    }

    /// Moves own scrip, or own resource balance, rate or quota, to a principal.
    Transfer 4 {
        /// The principal who receives it.
        to "to": Id,
        /// How much, in base units.
        amount "amount": Amount,
        /// Which resource; default is scrip.
        resource "resource": Option<Word<64>>,
        /// Which part of the resource; default is the one its kind has.
        part "part": Option<Part>,
    }

    /// Lets an artifact charge the caller, within bounds that roll with time.
    /// There is one for each holder and resource: given anew, its use counts on. It ends when the holder changes hands.
    Mandate 4 {
        /// The holder: a contract, an artifact or a principal.
        to "to": Id,
        /// The most of one charge, or of one answer of a contract; 0 withdraws the mandate.
        per_call "per_call": Natural,
        /// The most within any window.
        per_window "per_window": Option<Amount>,
        /// The window, such as `1h`.
        window "window": Option<Duration>,
        /// Of which depletable resource; default is scrip.
        resource "resource": Option<Word<64>>,
        /// The instant at which it ends.
        until "until": Option<Time>,
    }

    /// Takes scrip, or some of a depletable resource, from a principal that gave the caller a mandate.
    Charge 4 {
        /// The principal that gave the mandate.
        payer "payer": Id,
        /// How much, in base units.
        amount "amount": Amount,
        /// Which resource; default is scrip.
        resource "resource": Option<Word<64>>,
        /// The reason, which the payer is told.
        reason "reason": Option<Remark<256>>,
    }

    /// Changes the owner of an artifact.
    TransferOwnership 2 {
        /// The artifact to hand over.
        artifact "artifact": Id,
        /// The new owner, a principal.
        to "to": Id,
    }

    /// Changes the access contract of an artifact.
    SetContract 2 {
        /// The artifact to put under another contract.
        artifact "artifact": Id,
        /// The artifact that decides from now on.
        contract "contract": Id,
    }

    /// Sets or removes a key of the caller's own storage.
    Store 2 {
        /// The key.
        key "key": Key,
        /// Any JSON; null removes the key.
        value "value": OrNull<Stored>,
    }

    /// Ends an agent's step until the first of what is named; only an agent can sleep.
    /// In the list that a step returns it holds though another op of the list is refused.
    Sleep 1 {
        /// So long, such as `60s`; in code by position, `sleep("60s")`, for `for` is a word of Python.
        duration "for": Option<Duration>,
        /// Until an instant.
        until "until": Option<Time>,
        /// Until an event of this type comes; `*` is any type.
        event "event": Option<EventType>,
        /// Only events with these fields: actor, artifact, to, resource, detail, and an amount of at least so much.
        filter "filter": Option<Fitting>,
        /// Until what it has of this resource, or of `scrip`, is at the `level`.
        resource "resource": Option<Word<64>>,
        /// At least so much, or {"at_least": 5}, or {"at_most": 5}.
        level "level": Option<Level>,
        /// More to wait for: a list of objects with the fields above.
        any "any": Option<AnyOf>,
    }

    /// Adds an entry to a memory.
    Remember 1 {
        /// The text.
        text "text": Note,
        /// The memory, an artifact of the kind `memory`; default is the caller's own, its `memory_artifact`.
        artifact "artifact": Option<Id>,
        /// How important it is, 0 to 10; default 5.
        importance "importance": Option<Importance>,
        /// Words by which it is found; `pinned` entries are always before the mind of the agent whose memory it is.
        tags "tags": Option<Tags>,
        /// The number of the entry in whose place it stands: that one is not recalled any more.
        supersedes "supersedes": Option<Entry>,
    }

    /// Takes an entry out of a memory, or all of them.
    Forget 1 {
        /// The number of the entry; left out, all are forgotten.
        entry "entry": Option<Entry>,
        /// The memory, an artifact of the kind `memory`; default is the caller's own, its `memory_artifact`.
        artifact "artifact": Option<Id>,
    }

    /// Creates scrip; only the artifacts may that the world file names as mint authorities.
    Mint 2 {
        /// The principal who receives it.
        to "to": Id,
        /// How much scrip.
        amount "amount": Amount,
    }

    /// Reads kernel facts; changes nothing.
    Query 1 {
        /// The subject to look up.
        what "what": What,
        /// The principal or owner it is about; default is the caller.
        of "of": Option<Id>,
        /// The artifact it is about.
        artifact "artifact": Option<Id>,
        /// The resource it is about.
        resource "resource": Option<Word<64>>,
        /// An amount in base units.
        amount "amount": Option<Amount>,
        /// Words to search for.
        text "text": Option<Word<256>>,
        /// Only events after this sequence number; only entries of a memory after this one, or since an instant.
        since "since": Option<Since>,
        /// Only this kind of artifact or type of event.
        kind "type": Option<Word<64>>,
        /// At most so many rows.
        limit "limit": Option<Natural>,
        /// So many others, drawn by the seed.
        sample "sample": Option<Natural>,
        /// Only agents of this kind.
        agents "kind": Option<Word<64>>,
        /// The principal who would act.
        principal "as": Option<Id>,
        /// The action in question: read, write, invoke, delete or transfer.
        action "action": Option<Permission>,
        /// The artifact it would be done to.
        target "target": Option<Id>,
        /// The method that would be called; default `run`.
        method "method": Option<Method>,
        /// The arguments that it would be called with.
        args "args": Option<Args>,
        /// The scrip that would be sent along.
        pay "pay": Option<Natural>,
        /// Only entries with all of these tags; superseded ones have the tag `superseded`.
        tags "tags": Option<Tags>,
    }
}

/// The most that an op can do to a world beside its costs, for those who ask a person before they act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It only looks.
    Nothing,
    /// It adds, and takes nothing away that was there.
    Adds,
    /// It takes away, moves or replaces, or runs code that may.
    Changes,
}

impl OpKind {
    /// The most that it can do.
    #[must_use]
    pub const fn touch(self) -> Touch {
        match self {
            Self::Noop | Self::Read | Self::Query => Touch::Nothing,
            Self::Sleep | Self::Remember | Self::Mint => Touch::Adds,
            Self::Write
            | Self::Edit
            | Self::Delete
            | Self::Invoke
            | Self::Run
            | Self::Transfer
            | Self::TransferOwnership
            | Self::SetContract
            | Self::Store
            | Self::Charge
            | Self::Mandate
            | Self::Forget => Touch::Changes,
        }
    }

    /// Its row in the table; `None` for the ops that this version lacks.
    #[must_use]
    pub fn spec(self) -> Option<&'static OpSpec> {
        SPECS.iter().find(|spec| spec.kind == self)
    }
}

impl Op {
    /// An invocation of `run` with nothing sent along.
    #[must_use]
    pub fn invoke(artifact: Id, method: Option<Method>, args: Vec<Value>) -> Self {
        Self::Invoke(Invoke { args: Some(Args(args)), ..Invoke::of(artifact, method) })
    }
}

impl Invoke {
    /// A call of a method, without arguments and with nothing sent along.
    #[must_use]
    pub fn of(artifact: Id, method: Option<Method>) -> Self {
        Self { artifact, method, args: None, pay: None, give: None, trial: None, expect: Keep::Keep }
    }

    /// The function to call.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_ref().map_or("run", |method| &method.0)
    }

    /// The gifts it sends along beside scrip.
    #[must_use]
    pub fn gifts(&self) -> &[Gift] {
        self.give.as_ref().map_or(&[], |give| &give.0)
    }

    /// The field by which it sends something along, if it does.
    #[must_use]
    pub fn sent(&self) -> Option<&'static str> {
        let pays = self.pay.is_some_and(|pay| pay.0 > 0);
        let gives = !self.gifts().is_empty();
        if pays { Some("pay") } else { gives.then_some("give") }
    }
}
