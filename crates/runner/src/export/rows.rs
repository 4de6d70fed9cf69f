//! The rows of a record.

use oikos_kernel::{
    id::{Handle, Id},
    op::Action,
    op_kind::OpKind,
    record::{Cause, Effect, Outcome, Record, Spending},
    resource::ResourceId,
    world::World,
};
use oikos_tables::Table;
use serde_json::Value;

use super::{
    ExportTable, Tables, int,
    spec::{ActionRow, ChargeRow, EventRow, PaymentRow, Row as _, Text, Word},
};
use crate::error::RunError;

/// The tables whose rows come from records.
pub(super) const TABLES: [ExportTable; 4] =
    [ExportTable::Actions, ExportTable::Payments, ExportTable::Charges, ExportTable::Events];

/// Writes the rows of a record; `names` is a world that knows all that it names.
pub(super) fn of(names: &World, record: &Record, tables: &mut Tables) -> Result<(), RunError> {
    tables.with(ExportTable::Actions, |table| action(names, record, table))?;
    tables.with(ExportTable::Payments, |table| payments(names, record, table))?;
    tables.with(ExportTable::Charges, |table| charges(names, record, table))?;
    tables.with(ExportTable::Events, |table| events(names, record, table))
}

/// The cause of a record as a row has it: its word, the one who acted, the turn, and the action.
struct Told<'a> {
    cause: &'static str,
    actor: Option<Handle>,
    turn: Option<u64>,
    action: Option<&'a Value>,
}

fn told<'a>(names: &World, cause: &'a Cause) -> Told<'a> {
    let none = |cause| Told { cause, actor: None, turn: None, action: None };
    // A tick has a turn of each agent for each of its phases.
    let per_tick = names.rules().turns_per_tick();
    let of = |cause, agent: &Handle, turn: u64| Told {
        actor: Some(*agent),
        turn: Some(turn / per_tick),
        ..none(cause)
    };
    match cause {
        Cause::Genesis { .. } | Cause::Founding => none("founding"),
        Cause::Tick { number, phase: _ } => Told { turn: Some(*number), ..none("tick") },
        Cause::Clock { .. } => none("clock"),
        Cause::Act { actor, action, .. } => {
            Told { actor: Some(*actor), action: Some(action.value()), ..none("act") }
        }
        Cause::Step { agent, turn, thought, .. } => {
            Told { action: Some(thought.action.value()), ..of("step", agent, *turn) }
        }
        Cause::Ask { agent, turn, .. } => of("ask", agent, *turn),
        Cause::Short { agent, turn, .. } => of("short", agent, *turn),
        Cause::Runtime { .. } => none("runtime"),
        Cause::Hook { artifact, tick, .. } => {
            Told { actor: Some(*artifact), turn: Some(*tick), ..none("hook") }
        }
        Cause::Due { artifact, .. } => Told { actor: Some(*artifact), ..none("due") },
        Cause::Regrow => none("regrow"),
        Cause::Rules { .. } => none("rules"),
    }
}

/// The op of an action: its word, the id that it names, its method, and how many ops there are.
#[derive(Default)]
struct Shown<'a> {
    op: Option<&'static str>,
    target: Option<&'a str>,
    method: Option<&'a str>,
    ops: usize,
}

fn shown<'a>(action: Option<&'a Value>, outcome: &Outcome) -> Shown<'a> {
    let refused = match outcome {
        Outcome::Refused(refusal) => refusal.index.and_then(|index| usize::try_from(index).ok()),
        Outcome::Nothing | Outcome::Done(_) => None,
    };
    match action {
        None | Some(Value::Null) => Shown::default(),
        Some(Value::Array(list)) => {
            let one = match (list.as_slice(), refused) {
                ([only], _) => Some(only),
                (_, Some(index)) => list.get(index),
                (_, None) => None,
            };
            match one {
                Some(one) => Shown { ops: list.len(), ..one_op(one) },
                None => {
                    Shown { op: (!list.is_empty()).then_some("list"), ops: list.len(), ..Shown::default() }
                }
            }
        }
        Some(one) => one_op(one),
    }
}

fn one_op(one: &Value) -> Shown<'_> {
    let text = |field: &str| one.get(field).and_then(Value::as_str);
    let known = text("op").and_then(OpKind::from_word);
    // An earlier spelling is read as the kernel reads it.
    let read = || Action::parse(one.clone()).ok()?.ops.first().map(|planned| planned.op.kind());
    let op = known.or_else(read).map(OpKind::as_str);
    let named = ["artifact", "artifact_id", "to"].iter().find_map(|field| text(field));
    let target = named.filter(|id| Id::parse(id).is_ok());
    let method =
        text("method").filter(|method| op == Some(OpKind::Invoke.as_str()) && Id::parse(method).is_ok());
    Shown { op, target, method, ops: 1 }
}

fn action(names: &World, record: &Record, table: &mut Table) -> Result<(), RunError> {
    let Told { cause, actor, turn, action } = told(names, &record.cause);
    let mut seen = shown(action, &record.outcome);
    if let Cause::Due { artifact, .. } | Cause::Hook { artifact, .. } = &record.cause {
        let (op, target) = (Some(OpKind::Invoke.as_str()), Some(names.name(*artifact)));
        seen = Shown { op, target, method: None, ops: 1 };
    }
    let Shown { op, target, method, ops } = seen;
    let cpu = record.charges.iter().filter(|charge| charge.resource == ResourceId::CPU);
    let paid = record.effects.iter().filter_map(|effect| {
        let Effect::Pay { from, amount, .. } = effect else { return None };
        (Some(*from) == actor).then_some(*amount)
    });
    let refusal = match &record.outcome {
        Outcome::Refused(refusal) => Some(refusal),
        Outcome::Nothing | Outcome::Done(_) => None,
    };
    let row = ActionRow {
        seq: int(record.seq),
        time: record.time,
        cause: Word(cause),
        turn: turn.map(int),
        actor: actor.map(|actor| Word(names.name(actor))),
        op: op.map(Word),
        target: target.map(Word),
        method: method.map(Word),
        ops: int(ops as u64),
        ok: record.outcome.is_ok(),
        code: refusal.map(|refusal| Word(refusal.code.as_str())),
        message: refusal.map(|refusal| Text(&refusal.message)),
        cpu: cpu.map(|charge| charge.amount).fold(0, i64::saturating_add),
        work: int(record.charges.iter().map(|charge| charge.work).fold(0, u64::saturating_add)),
        scrip_paid: paid.fold(0, i64::saturating_add),
    };
    Ok(row.push(table)?)
}

fn payments(names: &World, record: &Record, table: &mut Table) -> Result<(), RunError> {
    for effect in &record.effects {
        let Effect::Pay { from, to, amount, why, of } = effect else { continue };
        let row = PaymentRow {
            seq: int(record.seq),
            time: record.time,
            payer: Word(names.name(*from)),
            payee: Word(names.name(*to)),
            amount: *amount,
            why: Word(why.as_str()),
            of: of.map(|of| Word(names.name(of))),
        };
        row.push(table)?;
    }
    Ok(())
}

fn charges(names: &World, record: &Record, table: &mut Table) -> Result<(), RunError> {
    for charge in &record.charges {
        let op = if let Spending::Op(kind) = charge.of { Some(Word(kind.as_str())) } else { None };
        let row = ChargeRow {
            seq: int(record.seq),
            time: record.time,
            principal: Word(names.name(charge.principal)),
            resource: Word(names.rules().resource_name(charge.resource)),
            amount: charge.amount,
            work: int(charge.work),
            of: Word(charge.of.as_str()),
            op,
            artifact: charge.of.artifact().map(|artifact| Word(names.name(artifact))),
        };
        row.push(table)?;
    }
    Ok(())
}

fn events(names: &World, record: &Record, table: &mut Table) -> Result<(), RunError> {
    for event in &record.events {
        let named = |handle: Handle| Word(names.name(handle));
        let row = EventRow {
            seq: int(record.seq),
            time: record.time,
            kind: Word(event.kind.as_str()),
            actor: Some(event.actor).filter(|actor| *actor != Handle::NOBODY).map(named),
            artifact: event.artifact.map(named),
            to: event.to.map(named),
            amount: event.amount,
            resource: event.resource.map(|resource| Word(names.rules().resource_name(resource))),
            detail: event.detail.as_deref().map(Text),
        };
        row.push(table)?;
    }
    Ok(())
}
