//! The tables of an export, each as the type of its rows: columns, their kinds and the page that tells of them.

use oikos_kernel::time::Time;
use oikos_tables::{Column, Kind, Table, TableError, Value};

/// A value of a row: its type says the kind of its column.
trait Cell {
    const KIND: Kind;
    const IS_NULLABLE: bool = false;

    fn value(&self) -> Value<'_>;
}

/// Text of which the same values come again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a>(pub(super) &'a str);

/// Text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl Cell for i64 {
    const KIND: Kind = Kind::Int;

    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}

impl Cell for f64 {
    const KIND: Kind = Kind::Float;

    fn value(&self) -> Value<'_> {
        Value::Float(*self)
    }
}

impl Cell for bool {
    const KIND: Kind = Kind::Bool;

    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl Cell for Time {
    const KIND: Kind = Kind::Time;

    fn value(&self) -> Value<'_> {
        Value::Time(self.ms())
    }
}

impl Cell for Word<'_> {
    const KIND: Kind = Kind::Word;

    fn value(&self) -> Value<'_> {
        Value::Text(self.0)
    }
}

impl Cell for Text<'_> {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value<'_> {
        Value::Text(self.0)
    }
}

impl<T: Cell> Cell for Option<T> {
    const KIND: Kind = T::KIND;
    const IS_NULLABLE: bool = true;

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, T::value)
    }
}

/// A row of a table.
pub(super) trait Row {
    /// Its values.
    fn values(&self) -> Vec<Value<'_>>;

    /// Adds it to its table.
    fn push(&self, table: &mut Table) -> Result<(), TableError>;
}

/// The types of rows, and the tables that they make.
macro_rules! tables {
    ($(
        $(#[doc = $doc:literal])+
        $Name:ident $name:literal $Row:ident {
            $( $(#[doc = $meaning:literal])+ $field:ident $key:literal : $type:ty, )+
        }
    )+) => {
        /// A table of an export.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ExportTable { $( $(#[doc = $doc])+ $Name, )+ }

        impl ExportTable {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$Name, )+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$Name => $name, )+ }
            }

            /// The columns that it has in every world, as they are declared.
            pub(super) fn columns(self) -> Vec<Column> {
                match self { $( Self::$Name => $Row::columns(), )+ }
            }

            /// The sentences about it, and about each of its columns.
            fn meanings(self) -> (String, Vec<String>) {
                match self { $( Self::$Name => (
                    concat!($($doc, "\n"),+).into(),
                    vec![$( concat!($($meaning, "\n"),+).into(), )+],
                ), )+ }
            }
        }

        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub(super) struct $Row<'a> { $( $(#[doc = $meaning])+ pub(super) $field: $type, )+ }

            impl<'a> $Row<'a> {
                fn columns() -> Vec<Column> {
                    vec![$( column::<$type>($key), )+]
                }

            }

            impl Row for $Row<'_> {
                fn values(&self) -> Vec<Value<'_>> {
                    vec![$( self.$field.value(), )+]
                }

                fn push(&self, table: &mut Table) -> Result<(), TableError> {
                    table.push(&[$( self.$field.value(), )+])
                }
            }
        )+
    };
}

fn column<T: Cell>(name: &str) -> Column {
    Column { name: name.into(), kind: T::KIND, is_nullable: T::IS_NULLABLE }
}

tables! {
    /// One row for each record of the journal. Actions are the rows whose `cause` is `step`, `act`, `due` or `hook`.
    Actions "actions" ActionRow {
        /// The number of the record.
        seq "seq": i64,
        /// The time of the record.
        time "time": Time,
        /// The cause of the record: `step` (an agent's own), `act` (from outside), `due` (the library's), `hook` (of
        /// the rules), `tick`, `ask` (a model or a client was asked), `short` (an agent had not enough to think),
        /// `regrow`, `clock`, `founding`, `runtime` or `rules`.
        cause "cause": Word<'a>,
        /// The tick; where there are no ticks, the number of steps that the agent had taken before.
        turn "turn": Option<i64>,
        /// The agent or principal who acted.
        actor "actor": Option<Word<'a>>,
        /// The op; of a list of several `list`, or the op that was refused. Null where a mind returned nothing, or no
        /// op.
        op "op": Option<Word<'a>>,
        /// The artifact that the op names, or else the recipient.
        target "target": Option<Word<'a>>,
        /// The method that was invoked.
        method "method": Option<Word<'a>>,
        /// How many ops the action has.
        ops "ops": i64,
        /// Whether nothing was refused and nothing failed.
        ok "ok": bool,
        /// The code of the refusal.
        code "code": Option<Word<'a>>,
        /// The words of the refusal.
        message "message": Option<Text<'a>>,
        /// CPU that was charged, to all who bore some, in microseconds.
        cpu "cpu": i64,
        /// Units of work that were charged.
        work "work": i64,
        /// Scrip that the actor paid.
        scrip_paid "scrip_paid": i64,
    }
    /// One row for each payment of scrip from one principal to another. Scrip that comes into being is none: `events`
    /// tells of `mint`.
    Payments "payments" PaymentRow {
        /// The number of the record.
        seq "seq": i64,
        /// The time of the record.
        time "time": Time,
        /// The payer.
        payer "payer": Word<'a>,
        /// The recipient.
        payee "payee": Word<'a>,
        /// How much scrip.
        amount "amount": i64,
        /// The reason: `transfer`, `pay` (sent along), `price`, `contract_cost`, `charge` (by a mandate) or `heir`.
        why "why": Word<'a>,
        /// The artifact whose price it is, or the contract that asked for it.
        of "of": Option<Word<'a>>,
    }
    /// One row for each use of a resource that somebody was charged for. They stand though the action failed.
    Charges "charges" ChargeRow {
        /// The number of the record.
        seq "seq": i64,
        /// The time of the record.
        time "time": Time,
        /// The principal who bore it.
        principal "principal": Word<'a>,
        /// The resource.
        resource "resource": Word<'a>,
        /// How much, in base units: microseconds of CPU, bytes, tokens.
        amount "amount": i64,
        /// Of CPU, the units of work that it was for.
        work "work": i64,
        /// The use: `op`, `code`, `contract`, `snippet`, `host`, `thought`, `held` or `llm`.
        of "for": Word<'a>,
        /// The op whose cost it is.
        op "op": Option<Word<'a>>,
        /// The artifact whose code it was.
        artifact "artifact": Option<Word<'a>>,
    }
    /// One row for each event, with the fields of `docs/events.md`.
    Events "events" EventRow {
        /// The number of the record.
        seq "seq": i64,
        /// The time of the record.
        time "time": Time,
        /// The type.
        kind "type": Word<'a>,
        /// The immediate caller.
        actor "actor": Option<Word<'a>>,
        /// The artifact that it was done to.
        artifact "artifact": Option<Word<'a>>,
        /// The recipient.
        to "to": Option<Word<'a>>,
        /// How much was moved, in base units.
        amount "amount": Option<i64>,
        /// The resource that was moved; null is scrip where there is an amount.
        resource "resource": Option<Word<'a>>,
        /// A word or a sentence, by type.
        detail "detail": Option<Text<'a>>,
    }
    /// One row for each principal and resource, scrip among them, at the end; with `--every`, at each multiple of it
    /// from the world's beginning too.
    Accounts "accounts" AccountRow {
        /// The last record at or before the moment.
        seq "seq": i64,
        /// The moment.
        time "time": Time,
        /// The principal.
        principal "principal": Word<'a>,
        /// Whether it is an agent.
        is_agent "is_agent": bool,
        /// The resource, or `scrip`.
        resource "resource": Word<'a>,
        /// How much it has free, in base units; of a resource that limits nobody, how much it has used.
        amount "amount": i64,
        /// Its rate or quota, or the balance that is left.
        limit "limit": Option<i64>,
        /// How much it has used in all; of a quota, how much is in use.
        used "used": Option<i64>,
    }
    /// One row for each artifact that ever was, agents and the library among them, as it stands at the end.
    Artifacts "artifacts" ArtifactRow {
        /// The id.
        id "id": Word<'a>,
        /// The kind.
        kind "kind": Word<'a>,
        /// The owner.
        owner "owner": Word<'a>,
        /// The artifact that created it; of those of the founding, the owner then.
        creator "creator": Word<'a>,
        /// The contract that decides about it.
        access_contract "access_contract": Word<'a>,
        /// The price of an invocation, in scrip.
        price "price": i64,
        /// Whether it is a principal.
        has_standing "has_standing": bool,
        /// Whether it is an agent.
        has_loop "has_loop": bool,
        /// Whether it was deleted.
        is_deleted "is_deleted": bool,
        /// The number of its changes, plus one.
        version "version": i64,
        /// The time at which it came into being.
        created_at "created_at": Time,
        /// The time of its last change.
        updated_at "updated_at": Time,
        /// Bytes that it takes on its owner's disk.
        size "size": i64,
        /// The code.
        code "code": Option<Word<'a>>,
        /// The content, as JSON.
        content "content": Text<'a>,
        /// The metadata, as JSON.
        metadata "metadata": Text<'a>,
        /// The storage, as a JSON object.
        storage "storage": Text<'a>,
    }
    /// One row for each measure and moment, as the world's database has them.
    Series "series" SeriesRow {
        /// The last record at or before the moment.
        seq "seq": i64,
        /// The moment.
        time "time": Time,
        /// The measure.
        name "name": Word<'a>,
        /// Its value; null where it had none.
        value "value": Option<f64>,
    }
    /// One row for each agent and moment, as the world's database has them; after these columns one for each key of
    /// `[measures.agents]`: scrip and resources as int64, numbers in the content as double, all or null.
    AgentSeries "agent_series" AgentSeriesRow {
        /// The last record at or before the moment.
        seq "seq": i64,
        /// The moment.
        time "time": Time,
        /// The agent.
        agent "agent": Word<'a>,
    }
    /// One row for each asking of a model that the world used, as `docs/journal.md` has the tape.
    Thoughts "thoughts" ThoughtRow {
        /// The record at whose state it was asked.
        seq "seq": i64,
        /// The agent, or the artifact whose code called.
        agent "agent": Word<'a>,
        /// The purpose: `step`, `repair`, `call_llm`, `ask` or `embed`.
        purpose "purpose": Word<'a>,
        /// The provider.
        provider "provider": Word<'a>,
        /// The model.
        model "model": Word<'a>,
        /// `ok`, or the kind of failure.
        outcome "outcome": Word<'a>,
        /// Tokens of the request.
        tokens_in "tokens_in": i64,
        /// Those of them that the provider had in its cache.
        tokens_cached "tokens_cached": i64,
        /// Tokens of the answer.
        tokens_out "tokens_out": i64,
        /// The cost, in micro-dollars.
        cost "cost": i64,
        /// Milliseconds until the outcome.
        latency_ms "latency_ms": i64,
        /// The wall time at which it was asked.
        asked_at "asked_at": Time,
        /// The wall time of the outcome.
        answered_at "answered_at": Time,
        /// `asked` here, or `replayed` from a tape.
        origin "origin": Word<'a>,
        /// The request, as JSON.
        request "request": Text<'a>,
        /// The answer.
        answer "answer": Text<'a>,
    }
    /// Facts about the world and the export, one a row.
    Meta "meta" MetaRow {
        /// The name of the fact.
        key "key": Word<'a>,
        /// The fact.
        value "value": Text<'a>,
    }
}

impl ExportTable {
    /// The table of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|table| table.name() == name)
    }
}

/// The tables and their columns as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    for table in ExportTable::ALL {
        let (doc, meanings) = table.meanings();
        let doc = line(&doc);
        text.push_str(&format!(
            "\n### `{}`\n\n{doc}\n\n| column | type | meaning |\n|---|---|---|\n",
            table.name()
        ));
        for (column, meaning) in table.columns().iter().zip(&meanings) {
            let kind = match column.kind {
                Kind::Int => "int64",
                Kind::Float => "double",
                Kind::Text => "text",
                Kind::Word => "text, in a dictionary",
                Kind::Bool => "bool",
                Kind::Time => "timestamp, ms, UTC",
            };
            let or_null = if column.is_nullable { ", or null" } else { "" };
            text.push_str(&format!("| `{}` | {kind}{or_null} | {} |\n", column.name, line(meaning)));
        }
    }
    text
}

/// A comment as one line.
fn line(comment: &str) -> String {
    comment.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}
