//! Receipts and events as they are shown: names in the place of numbers, and only the parts that the viewer
//! may see.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use super::World;
pub use super::sight::Viewer;
use crate::{
    event::{Event, EventRow},
    id::Handle,
    json::Json,
    op::Action,
    receipt::{Cut, Payment, Receipt},
    record::{Cause, Charge, Effect, Outcome, Record, Spending},
    resource::{ResourceId, SCRIP},
    time::Time,
    words::words,
};

impl Receipt {
    /// The receipt on the wire, for `viewer`; `world` gives the names.
    #[must_use]
    pub fn to_json(&self, world: &World, viewer: Viewer) -> Value {
        let name = |handle: Handle| world.name(handle);
        let charges = self.charges.iter().filter(|charge| world.may_know(viewer, charge.principal));
        let work: u64 = charges.clone().map(|charge| charge.work).fold(0, u64::saturating_add);
        let payments = self.payments.iter().filter(|payment| world.payment_seen(payment, viewer));
        let lines = lines(world, charges.clone(), payments.clone());
        let charges = summed(charges).into_iter().map(|(principal, resource, amount)| {
            json!({
                "principal": name(principal),
                "resource": world.rules().resource_name(resource),
                "amount": amount,
            })
        });
        let payments = payments.map(|payment| {
            json!({
                "from": name(payment.from),
                "to": name(payment.to),
                "amount": payment.amount,
                "why": payment.why.as_str(),
            })
        });
        let seq = self.seq.unwrap_or(0);
        let events = self.events.iter().filter_map(|event| event_json(world, seq, self.time, event, viewer));
        let mut map = Map::new();
        map.insert("seq".into(), self.seq.into());
        map.insert("time".into(), self.time.to_string().into());
        map.insert("ok".into(), self.outcome.is_ok().into());
        map.insert("result".into(), self.outcome.result());
        let knows = |who: Handle| world.may_know(viewer, who);
        let error = self.refusal().map(|refusal| refusal.as_told(knows).to_json());
        map.insert("error".into(), error.into());
        let or_cut = |cut: Option<Cut>, whole: Value| cut.map_or(whole, Cut::to_json);
        map.insert("charges".into(), or_cut(self.cuts.charges, charges.collect()));
        if work > 0 {
            map.insert("work".into(), work.into());
        }
        map.insert("payments".into(), or_cut(self.cuts.payments, payments.collect()));
        if !lines.is_empty() || self.cuts.payments.or(self.cuts.charges).is_some() {
            map.insert("lines".into(), or_cut(self.cuts.payments.or(self.cuts.charges), lines.into()));
        }
        map.insert("events".into(), or_cut(self.cuts.events, events.collect()));
        if !self.output.is_empty() || self.cuts.output.is_some() {
            map.insert("output".into(), or_cut(self.cuts.output, self.output.clone().into()));
        }
        Value::Object(map)
    }
}

/// The charges by principal and resource, each sum once, in the order of the first.
fn summed<'c>(charges: impl Iterator<Item = &'c Charge>) -> Vec<(Handle, ResourceId, i64)> {
    let mut sums: Vec<(Handle, ResourceId, i64)> = Vec::new();
    let mut places: FxHashMap<(Handle, ResourceId), usize> = FxHashMap::default();
    for charge in charges {
        let (principal, resource) = (charge.principal, charge.resource);
        let at = *places.entry((principal, resource)).or_insert_with(|| {
            sums.push((principal, resource, 0));
            sums.len() - 1
        });
        if let Some((_, _, sum)) = sums.get_mut(at) {
            *sum = sum.saturating_add(charge.amount);
        }
    }
    sums
}

/// Line by line the cost of an action, and who bore it: first what was used, then what was paid.
fn lines<'c>(
    world: &World,
    charges: impl Iterator<Item = &'c Charge>,
    payments: impl Iterator<Item = &'c Payment>,
) -> Vec<Value> {
    let line = |payer: Handle, resource: &str, amount: i64, of: &str, artifact: Option<Handle>| {
        let mut map = Map::new();
        map.insert("payer".into(), world.name(payer).into());
        map.insert("resource".into(), resource.into());
        map.insert("amount".into(), amount.into());
        map.insert("for".into(), of.into());
        if let Some(artifact) = artifact {
            map.insert("artifact".into(), world.name(artifact).into());
        }
        map
    };
    let used = charges.map(|charge| {
        let resource = world.rules().resource_name(charge.resource);
        let of = charge.of;
        let mut map = line(charge.principal, resource, charge.amount, of.as_str(), of.artifact());
        if let Spending::Op(kind) = of {
            map.insert("op".into(), kind.as_str().into());
        }
        Value::Object(map)
    });
    let paid = payments.map(|payment| {
        let mut map = line(payment.from, SCRIP, payment.amount, payment.why.as_str(), payment.of);
        map.insert("to".into(), world.name(payment.to).into());
        Value::Object(map)
    });
    used.chain(paid).collect()
}

/// An event on the wire, if the viewer is shown it: the one schema of `docs/events.md`. The owner of its
/// artifact is taken to be who owns it now.
#[must_use]
pub fn event_json(world: &World, seq: u64, time: Time, event: &Event, viewer: Viewer) -> Option<Value> {
    let owner = event.artifact.and_then(|artifact| world.get(artifact)).map(|artifact| artifact.owner);
    world.seen(event, owner, viewer).map(|event| shown_json(world, seq, time, &event))
}

/// A kept event on the wire, if the viewer is shown it.
#[must_use]
pub fn row_json(world: &World, row: &EventRow, viewer: Viewer) -> Option<Value> {
    world.row_seen(row, viewer).map(|event| shown_json(world, row.seq, row.time, &event))
}

words! {
    /// The lines of a log that are no events: their types.
    LineType {
        /// A tick began.
        Tick = "tick",
        /// An action was refused or failed.
        Refused = "refused",
        /// A mind failed, was not reached, or returned no action.
        Thought = "thought",
        /// The reasons that a mind gave for its step; among the lines only where they are asked for.
        Think = "think",
        /// The output of code, as a mind thought or as it acted.
        Print = "print",
        /// A stock has grown by the rules.
        Regrow = "regrow",
    }
}

/// The lines of a log about a record, as observers see them: its events, and what else `docs/events.md` says.
#[must_use]
pub fn log_lines(world: &World, record: &Record) -> Vec<Value> {
    let (seq, time) = (record.seq, record.time);
    let events = record.events.iter();
    let events = events.filter_map(|event| event_json(world, seq, time, event, Viewer::Observer));
    let mut lines: Vec<Value> = print_lines(world, record).into_iter().chain(events).collect();
    let due: Json;
    for effect in &record.effects {
        if let Effect::Grow { to, resource, amount } = effect {
            let mut grown = line(record, LineType::Regrow);
            grown.insert("artifact".into(), world.name(*to).into());
            grown.insert("amount".into(), (*amount).into());
            grown.insert("resource".into(), world.rules().resource_name(*resource).into());
            lines.push(grown.into());
        }
    }
    let (actor, action, failed) = match &record.cause {
        Cause::Tick { number } => {
            let mut tick = line(record, LineType::Tick);
            tick.insert("tick".into(), (*number).into());
            lines.push(tick.into());
            return lines;
        }
        Cause::Act { actor, action, .. } => (*actor, action, false),
        Cause::Step { agent, thought, .. } => (*agent, &thought.action, thought.failed || thought.unanswered),
        Cause::Due { artifact, .. } => {
            due = World::due_call(world.name(*artifact)).into();
            (*artifact, &due, false)
        }
        Cause::Genesis { .. }
        | Cause::Founding
        | Cause::Clock { .. }
        | Cause::Ask { .. }
        | Cause::Short { .. }
        | Cause::Runtime { .. }
        | Cause::Regrow
        | Cause::Rules { .. } => return lines,
    };
    if let Outcome::Refused(refusal) = &record.outcome {
        let mut refused = line(record, if failed { LineType::Thought } else { LineType::Refused });
        refused.insert("actor".into(), world.name(actor).into());
        if !failed {
            refused.extend(refused_op(action.value(), refusal.index));
        }
        refused.insert("error".into(), refusal.to_json());
        lines.push(refused.into());
    }
    lines
}

/// The lines with the output of code: of the mind, then of the action. An observer's, as no bystander knows them; who
/// acted is told the output of its action by its receipt.
#[must_use]
pub fn print_lines(world: &World, record: &Record) -> Vec<Value> {
    let (actor, of_thought, of_action) = match &record.cause {
        Cause::Step { agent, thought, output, .. } => (*agent, thought.output.as_str(), output),
        Cause::Act { actor, output, .. } => (*actor, "", output),
        Cause::Due { artifact, output } => (*artifact, "", output),
        Cause::Genesis { .. }
        | Cause::Founding
        | Cause::Tick { .. }
        | Cause::Clock { .. }
        | Cause::Ask { .. }
        | Cause::Short { .. }
        | Cause::Runtime { .. }
        | Cause::Regrow
        | Cause::Rules { .. } => return Vec::new(),
    };
    let outputs = [("thought", of_thought), ("action", of_action)].into_iter();
    let line = |(of, text): (&str, &str)| {
        let mut line = line(record, LineType::Print);
        line.insert("actor".into(), world.name(actor).into());
        line.insert("of".into(), of.into());
        line.insert("text".into(), text.into());
        line.into()
    };
    outputs.filter(|(_, text)| !text.is_empty()).map(line).collect()
}

/// The line with the reasons that a mind gave for a step, and the looks that it took before, if there were any: an
/// observer's, as no bystander knows them.
#[must_use]
pub fn think_line(world: &World, record: &Record) -> Option<Value> {
    let Cause::Step { agent, thought, .. } = &record.cause else { return None };
    if thought.think.is_empty() && thought.looks.is_empty() {
        return None;
    }
    let mut line = line(record, LineType::Think);
    line.insert("actor".into(), world.name(*agent).into());
    line.insert("think".into(), thought.think.as_str().into());
    if !thought.looks.is_empty() {
        line.insert("looks".into(), thought.looks.iter().map(|look| look.value().clone()).collect());
    }
    line.insert("ok".into(), (!matches!(record.outcome, Outcome::Refused(_))).into());
    Some(line.into())
}

/// A line about a record, with what all have.
fn line(record: &Record, kind: LineType) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("seq".into(), record.seq.into());
    map.insert("time".into(), record.time.to_string().into());
    map.insert("type".into(), kind.as_str().into());
    map
}

/// The op of an action that was refused, if it is known which, and the ids that it names.
fn refused_op(action: &Value, index: Option<u32>) -> Map<String, Value> {
    let mut map = Map::new();
    let at = index.and_then(|index| usize::try_from(index).ok());
    let (Ok(parsed), Some(submitted)) = (
        Action::parse(action.clone()),
        if action.is_array() { at.and_then(|at| action.get(at)) } else { Some(action) },
    ) else {
        return map;
    };
    if let Some(planned) = parsed.ops.get(at.unwrap_or(0)) {
        map.insert("op".into(), planned.op.kind().as_str().into());
    }
    for field in ["artifact", "to"] {
        if let Some(id) = submitted.get(field).filter(|id| id.is_string()) {
            map.insert(field.into(), id.clone());
        }
    }
    map
}

fn shown_json(world: &World, seq: u64, time: Time, event: &Event) -> Value {
    let mut map = Map::new();
    map.insert("seq".into(), seq.into());
    map.insert("time".into(), time.to_string().into());
    map.insert("type".into(), event.kind.as_str().into());
    if event.actor != Handle::NOBODY {
        map.insert("actor".into(), world.name(event.actor).into());
    }
    if let Some(artifact) = event.artifact {
        map.insert("artifact".into(), world.name(artifact).into());
    }
    if let Some(to) = event.to {
        map.insert("to".into(), world.name(to).into());
    }
    if let Some(amount) = event.amount {
        map.insert("amount".into(), amount.into());
    }
    if let Some(resource) = event.resource {
        map.insert("resource".into(), world.rules().resource_name(resource).into());
    }
    if let Some(detail) = &event.detail {
        map.insert("detail".into(), detail.clone().into());
    }
    Value::Object(map)
}
