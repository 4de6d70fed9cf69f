//! The records of the journal: one [`Record`] per action, thought or turn of the clock. These types are
//! the journal's format: a change of them is a change of [`FORMAT`].

mod artifact;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    json::Json,
    limits,
    op_kind::OpKind,
    refusal::{Code, Refusal},
    resource::ResourceId,
    rules::Rules,
    time::Time,
    words::words,
};

pub use self::artifact::{Change, Creation, Pays, Shared};
pub use crate::{
    event::{Event, EventKind, Filter},
    id::Handle,
    kept::{KeptVerdict, KeyPart, WorkStep},
};

/// The version of the journal's format.
pub const FORMAT: u32 = 7;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number; the first is 1, and none is left out.
    pub seq: u64,
    /// When it happened; never earlier than the record before.
    pub time: Time,
    /// Its cause.
    pub cause: Cause,
    /// The resources consumed; they stand even when the action failed.
    pub charges: Vec<Charge>,
    /// The changes; when the action failed, at most those that hold all the same: the `sleep` of a step's list, and
    /// the count of what failed.
    pub effects: Vec<Effect>,
    /// The events that others may be told.
    pub events: Vec<Event>,
    /// How it ended.
    pub outcome: Outcome,
}

/// The cause of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// The founding of the world.
    Genesis {
        /// The rules.
        rules: Box<Rules>,
        /// BLAKE3 of the world file with all it refers to.
        source: [u8; 32],
        /// How many artifacts are founded, in this record and those of [`Cause::Founding`] that follow it.
        artifacts: u32,
        /// The runtime of code, by its name: another one may run it otherwise.
        runtime: String,
    },
    /// The founding goes on: one record does not hold it.
    Founding,
    /// The beginning of a tick.
    Tick {
        /// Its number, counted from 0.
        number: u64,
        /// The phase of it that begins, counted from 0.
        phase: u32,
    },
    /// The clock was moved, or found to have moved.
    Clock {
        /// How much of the time since the record before is no time of a run, in milliseconds: nothing ran,
        /// or the machine's clock was set forward.
        away_ms: i64,
    },
    /// A principal acted from outside: a session, `act`.
    Act {
        /// The submitter.
        actor: Handle,
        /// The action as it was submitted.
        action: Json,
        /// The client's id of the action.
        action_id: Option<String>,
        /// The output of its code.
        output: String,
    },
    /// An agent's step.
    Step {
        /// The agent.
        agent: Handle,
        /// The tick in which it stepped, or, where there are no ticks, how many steps it had taken.
        turn: u64,
        /// The outcome of its thinking.
        thought: Thought,
        /// The output of the action's code.
        output: String,
    },
    /// An agent's turn came, and its mind was asked what to do: it thinks until a step of its own tells.
    Ask {
        /// The agent.
        agent: Handle,
        /// As that of a step.
        turn: u64,
        /// The end of a sleep or a pause that the observation named.
        woke: Option<Woke>,
        /// The hash of the request that was sent; none where the mind is no language model.
        request: Option<[u8; 32]>,
        /// The most that the thought may take of the agent, each resource once: nobody can use it meanwhile.
        holds: Vec<Hold>,
    },
    /// An agent's turn came, and it had not what a thought takes.
    Short {
        /// The agent.
        agent: Handle,
        /// As that of a step.
        turn: u64,
        /// The resource that it lacks, and how much it needs; none is CPU.
        lack: Option<Hold>,
    },
    /// The world was taken over to another runtime of code, which runs it from here on.
    Runtime {
        /// Its name.
        name: String,
    },
    /// Something was due in the library, and the scheduler ran it.
    Due {
        /// The artifact of the library.
        artifact: Handle,
        /// The output of its code.
        output: String,
    },
    /// A hook of the rules was run.
    Hook {
        /// Its place among the hooks of the rules.
        index: u32,
        /// The tick in which it was run; 0 before the first.
        tick: u64,
        /// The artifact that acted.
        artifact: Handle,
        /// The output of its code.
        output: String,
    },
    /// The world goes on by other rules: it was forked.
    Rules {
        /// The rules from here on.
        rules: Box<Rules>,
        /// BLAKE3 of the world file with all it refers to, as it is from here on.
        source: [u8; 32],
    },
    /// Intervals ended in which resources grow back.
    Regrow,
}

impl Cause {
    /// The one that acts, with the output of its action's code; `None` where nobody does.
    #[must_use]
    pub fn act(&self) -> Option<(Handle, &str)> {
        match self {
            Self::Act { actor: one, output, .. }
            | Self::Step { agent: one, output, .. }
            | Self::Due { artifact: one, output }
            | Self::Hook { artifact: one, output, .. } => Some((*one, output)),
            Self::Genesis { .. }
            | Self::Founding
            | Self::Tick { .. }
            | Self::Clock { .. }
            | Self::Ask { .. }
            | Self::Short { .. }
            | Self::Runtime { .. }
            | Self::Regrow
            | Self::Rules { .. } => None,
        }
    }
}

/// An amount of a resource that is set aside, or would have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Of what.
    pub resource: ResourceId,
    /// How much, in base units, at least 1.
    pub amount: i64,
}

/// The outcome of one act of thinking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thought {
    /// The value that the mind returned; null is nothing.
    pub action: Json,
    /// Costs of the thinking, all borne by the agent; part of the record's charges.
    pub charges: Vec<Charge>,
    /// The lines it printed and logged.
    pub output: String,
    /// The reasons that it gave, at most [`limits::THINK_BYTES_MAX`]; empty where it gave none, as code does.
    pub think: String,
    /// The looks that it took before it decided, as it wrote them; their answers are on the tape.
    pub looks: Vec<Json>,
    /// Whether the mind failed: it raised, or returned what is no action.
    pub failed: bool,
    /// Whether its mind was not reached, so that the loop waits longer the more often, and is not paused for it.
    pub unanswered: bool,
    /// The end of a sleep or a pause that the observation named.
    pub woke: Option<Woke>,
}

impl Thought {
    /// The part of the reasons of a thought that is kept.
    #[must_use]
    pub fn kept(think: &str) -> String {
        think.get(..think.floor_char_boundary(limits::THINK_BYTES_MAX)).unwrap_or_default().into()
    }
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// There was nothing to do.
    Nothing,
    /// It succeeded with this result.
    Done(Json),
    /// It was refused or failed; only its charges remain.
    Refused(Box<Refusal>),
}

/// A consumption of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The principal who bears it.
    pub principal: Handle,
    /// The resource used.
    pub resource: ResourceId,
    /// How much, in base units, at least 1.
    pub amount: i64,
    /// Of CPU: the units of work that it was for.
    pub work: u64,
    /// The use that it was for.
    pub of: Spending,
}

/// The use that a charge is for. An artifact that the action itself made is not named: the charge stands though
/// the action fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Spending {
    /// The `[costs]` of an op.
    Op(OpKind),
    /// The code of an artifact that was invoked.
    Code(Option<Handle>),
    /// The code of an access contract that decided.
    Contract(Option<Handle>),
    /// A snippet.
    Snippet,
    /// The work of the host.
    Host,
    /// Thinking, with all that it looked at.
    Thought,
    /// Memory that code held at once.
    Held,
    /// A language model that code called: the artifact whose code it is, or the principal whose snippet.
    Llm(Option<Handle>),
}

impl Spending {
    /// Every word for it.
    pub const WORDS: [&str; 8] = ["op", "code", "contract", "snippet", "host", "thought", "held", "llm"];

    /// The word for it in a line of a receipt.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Op(_) => "op",
            Self::Code(_) => "code",
            Self::Contract(_) => "contract",
            Self::Snippet => "snippet",
            Self::Host => "host",
            Self::Thought => "thought",
            Self::Held => "held",
            Self::Llm(_) => "llm",
        }
    }

    /// The artifact that it names.
    #[must_use]
    pub const fn artifact(self) -> Option<Handle> {
        match self {
            Self::Code(artifact) | Self::Contract(artifact) | Self::Llm(artifact) => artifact,
            Self::Op(_) | Self::Snippet | Self::Host | Self::Thought | Self::Held => None,
        }
    }
}

/// A change of the world, as a delta with a guard where it can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// Scrip moves, if `from` has it: conserved by construction.
    Pay {
        /// The payer.
        from: Handle,
        /// The payee.
        to: Handle,
        /// How much scrip, at least 1.
        amount: i64,
        /// For what.
        why: Why,
        /// The artifact that asks for it: the one whose price it is, or the contract.
        of: Option<Handle>,
    },
    /// Scrip comes into being; in the founding only.
    Endow {
        /// The recipient.
        to: Handle,
        /// How much scrip.
        amount: i64,
    },
    /// A balance, rate or quota comes into being; in the founding only.
    Allot {
        /// The recipient.
        to: Handle,
        /// Of what.
        resource: ResourceId,
        /// How much, in base units.
        amount: i64,
    },
    /// A balance, rate or quota moves, if `from` has it free.
    Move {
        /// The giver.
        from: Handle,
        /// The recipient.
        to: Handle,
        /// Of what.
        resource: ResourceId,
        /// How much, in base units, at least 1.
        amount: i64,
    },
    /// The rate of a principal that is about to be deleted ends, with its use.
    Lapse {
        /// The holder of the rate.
        from: Handle,
        /// Of what.
        resource: ResourceId,
        /// All of it, in base units, at least 1.
        amount: i64,
    },
    /// The rate of a principal becomes another: the world was forked. Use beyond that has come back.
    Rate {
        /// The holder of the rate.
        of: Handle,
        /// Of what.
        resource: ResourceId,
        /// The rate from here on, in base units, at least 0.
        limit: i64,
    },
    /// An artifact comes into being under the next handle.
    Create(Box<Creation>),
    /// Fields of an artifact change.
    Change {
        /// Which artifact.
        artifact: Handle,
        /// The version the change was made on.
        version: u32,
        /// The new values.
        change: Box<Change>,
    },
    /// An artifact changes hands.
    Own {
        /// Which artifact.
        artifact: Handle,
        /// The owner before.
        from: Handle,
        /// The owner now.
        to: Handle,
    },
    /// An artifact becomes a tombstone.
    Delete {
        /// Which artifact.
        artifact: Handle,
        /// The principal that receives its quotas, as far as they are free once its own bytes are gone.
        heir: Option<Handle>,
    },
    /// A key of an artifact's storage is set, or removed.
    Store {
        /// The artifact of the storage.
        artifact: Handle,
        /// The key.
        key: String,
        /// The value; `None` removes.
        value: Option<Json>,
    },
    /// An agent's loop waits for the first of these.
    Sleep {
        /// The agent.
        agent: Handle,
        /// The conditions that end its sleep, at least one.
        until: Vec<Until>,
    },
    /// Scrip comes into being, made by a mint authority.
    Mint {
        /// The authority.
        by: Handle,
        /// The recipient.
        to: Handle,
        /// How much scrip, at least 1.
        amount: i64,
    },
    /// An invocation succeeded, which is counted.
    Use(Use),
    /// Invocations failed by an artifact's own code, which is counted though the action fails.
    Fail {
        /// The artifact.
        artifact: Handle,
        /// How many invocations.
        times: u32,
    },
    /// A mandate is given, given anew, or withdrawn.
    Mandate {
        /// The giver.
        from: Handle,
        /// The holder.
        to: Handle,
        /// Of what; none is scrip.
        resource: Option<ResourceId>,
        /// Its bounds; none withdraws it.
        terms: Option<Terms>,
    },
    /// A mandate is used, if it allows so much; what is taken by it moves by an effect of its own.
    Draw {
        /// The giver.
        from: Handle,
        /// The holder.
        to: Handle,
        /// Of what; none is scrip.
        resource: Option<ResourceId>,
        /// How much, at least 1.
        amount: i64,
    },
    /// An entry is added to a memory, under its next number and with the time of the record.
    Remember {
        /// The artifact that is the memory.
        memory: Handle,
        /// The entry.
        memo: Arc<Memo>,
    },
    /// Entries of a memory are forgotten.
    Forget {
        /// The artifact that is the memory.
        memory: Handle,
        /// Which entry; none is all.
        entry: Option<u64>,
    },
    /// Verdicts of a contract were used again, or are kept to be.
    Verdicts {
        /// The contract.
        contract: Handle,
        /// How many were used again.
        hits: u32,
        /// Those that are kept from now on.
        kept: Vec<KeptVerdict>,
    },
    /// A stock has grown by the rules.
    Grow {
        /// The holder of the stock.
        to: Handle,
        /// Of what.
        resource: ResourceId,
        /// How much, in base units, at least 1.
        amount: i64,
    },
}

/// The entry of a memory as it was remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// The text.
    pub text: String,
    /// How important it is, 0 to [`limits::IMPORTANCE_MAX`].
    pub importance: u8,
    /// Words by which it is found.
    pub tags: Vec<String>,
    /// The entry in whose place it stands.
    pub supersedes: Option<u64>,
}

/// The bounds of a mandate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The most of one charge, or of one verdict, at least 1.
    pub per_call: i64,
    /// The most within a window, at least 1.
    pub per_window: i64,
    /// The window in milliseconds, at least 1.
    pub window_ms: i64,
    /// The instant at which it ends.
    pub until: Option<Time>,
}

/// An invocation as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The artifact that was invoked.
    pub artifact: Handle,
    /// The principal who bears its prices.
    pub customer: Option<Handle>,
    /// The price that was paid.
    pub price: i64,
}

/// A condition that a sleeping agent waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// An instant.
    Time(Time),
    /// An event that comes after what the agent last saw.
    Event(Box<Filter>),
    /// A level of its own scrip (`None`), or of what it has free of a resource.
    Level {
        /// Of what.
        resource: Option<ResourceId>,
        /// Whether it waits for at least so much, or for at most so much.
        bound: Bound,
        /// How much, in base units.
        level: i64,
    },
}

/// The cause that ended a sleep or a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Woke {
    /// Its time.
    Time,
    /// The event that the record of this number tells.
    Event(u64),
    /// Scrip (`None`) or a resource came to the level.
    Level(Option<ResourceId>),
    /// Something about the agent changed.
    Change,
}

/// From which side a level is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// So much or more.
    AtLeast,
    /// So much or less.
    AtMost,
}

words! {
    /// The reason of a payment; the words are those of receipts.
    #[derive(PartialOrd, Ord, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    Why {
        /// A `transfer`.
        Transfer = "transfer",
        /// Sent along with an invocation.
        Pay = "pay",
        /// The price of an invocation.
        Price = "price",
        /// The cost that a contract asked for its permission.
        ContractCost = "contract_cost",
        /// Left to an heir by who was deleted.
        Heir = "heir",
        /// Taken by a mandate, with `charge`.
        Charge = "charge",
    }
}

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They can't be read as one.
    #[error("the record can't be read: {0}")]
    Bytes(#[from] postcard::Error),
    /// They are more than a record may have.
    #[error("the record has {0} bytes; the most is {max}", max = limits::RECORD_BYTES_MAX)]
    TooLarge(usize),
}

impl Effect {
    /// Every artifact that it puts into a field of another.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle> {
        let (fields, many) = match self {
            Self::Create(new) => (
                [Some(new.creator), Some(new.access_contract), new.memory_artifact],
                new.depends_on.as_slice(),
            ),
            Self::Change { change, .. } => {
                let depends_on = change.depends_on.as_deref().unwrap_or_default();
                ([change.access_contract, change.memory_artifact.flatten(), None], depends_on)
            }
            Self::Pay { of, .. } => ([*of, None, None], [].as_slice()),
            Self::Endow { .. }
            | Self::Allot { .. }
            | Self::Move { .. }
            | Self::Lapse { .. }
            | Self::Rate { .. }
            | Self::Own { .. }
            | Self::Delete { .. }
            | Self::Store { .. }
            | Self::Sleep { .. }
            | Self::Mandate { .. }
            | Self::Draw { .. }
            | Self::Remember { .. }
            | Self::Forget { .. }
            | Self::Verdicts { .. }
            | Self::Mint { .. }
            | Self::Grow { .. }
            | Self::Use(_)
            | Self::Fail { .. } => ([None; 3], [].as_slice()),
        };
        fields.into_iter().flatten().chain(many.iter().copied())
    }
}

impl Record {
    /// The canonical bytes of the record, at most [`limits::RECORD_BYTES_MAX`].
    ///
    /// # Errors
    /// Never for records that the kernel made, which refuses what would make one too large; the encoder's own
    /// error otherwise.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let bytes = postcard::to_stdvec(self)?;
        if bytes.len() > limits::RECORD_BYTES_MAX {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a record from its canonical bytes.
    ///
    /// # Errors
    /// When the bytes are no record, more than one, or more than a record may have.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > limits::RECORD_BYTES_MAX {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let (record, rest) = postcard::take_from_bytes(bytes)?;
        if rest.is_empty() { Ok(record) } else { Err(postcard::Error::DeserializeBadEncoding.into()) }
    }
}

impl Outcome {
    /// A refusal whose words are as long as a record holds.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal.shortened()))
    }

    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// Whether the mind was changed while it thought, so that nothing came of its step.
    pub(crate) fn is_void(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == Code::Conflict)
    }

    /// The `result` of a receipt.
    #[must_use]
    pub fn result(&self) -> Value {
        match self {
            Self::Done(result) => result.to_value(),
            Self::Nothing | Self::Refused(_) => Value::Null,
        }
    }
}
