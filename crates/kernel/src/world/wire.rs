//! Receipts and events as they are shown: names in the place of numbers, and only the parts that the viewer
//! may see.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

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
    pub const fn shown<'r>(&'r self, world: &'r World, viewer: Viewer) -> ShownReceipt<'r> {
        ShownReceipt { receipt: self, world, viewer }
    }

    /// The same as a value.
    #[must_use]
    pub fn to_json(&self, world: &World, viewer: Viewer) -> Value {
        value(&self.shown(world, viewer))
    }
}

/// A receipt as a viewer may see it: it is written as JSON.
#[derive(Clone, Copy, Debug)]
pub struct ShownReceipt<'r> {
    receipt: &'r Receipt,
    world: &'r World,
    viewer: Viewer,
}

impl ShownReceipt<'_> {
    /// The text of it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "all keys are texts, and nothing in a receipt is a float that is no number"
    )]
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("a receipt is JSON")
    }
}

/// A value of something that is shown.
#[expect(
    clippy::expect_used,
    reason = "all keys are texts, and nothing that is shown is a float that is no number"
)]
fn value(shown: &impl Serialize) -> Value {
    serde_json::to_value(shown).expect("what is shown is JSON")
}

impl Serialize for ShownReceipt<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { receipt, world, viewer } = *self;
        let charges = || receipt.charges.iter().filter(|charge| world.may_know(viewer, charge.principal));
        let payments = || receipt.payments.iter().filter(|payment| world.payment_seen(payment, viewer));
        let work: u64 = charges().map(|charge| charge.work).fold(0, u64::saturating_add);
        let seq = receipt.seq.unwrap_or(0);
        let cuts = &receipt.cuts;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &receipt.seq)?;
        map.serialize_entry("time", &Moment(receipt.time))?;
        map.serialize_entry("ok", &receipt.outcome.is_ok())?;
        match &receipt.outcome {
            Outcome::Done(result) => map.serialize_entry("result", result)?,
            Outcome::Nothing | Outcome::Refused(_) => map.serialize_entry("result", &())?,
        }
        let knows = |who: Handle| world.may_know(viewer, who);
        map.serialize_entry("error", &receipt.refusal().map(|refusal| refusal.as_told(knows).to_json()))?;
        let used = Listed(|| summed(charges()).into_iter().map(|charge| Used::of(world, charge)));
        entry(&mut map, "charges", cuts.charges, &used)?;
        if work > 0 {
            map.serialize_entry("work", &work)?;
        }
        let paid = Listed(|| payments().map(|payment| Paid::of(world, payment)));
        entry(&mut map, "payments", cuts.payments, &paid)?;
        let cut = cuts.payments.or(cuts.charges);
        if cut.is_some() || charges().next().is_some() || payments().next().is_some() {
            let used = || charges().map(|charge| Line::of_charge(world, charge));
            let lines = Listed(|| used().chain(payments().map(|payment| Line::of_payment(world, payment))));
            entry(&mut map, "lines", cut, &lines)?;
        }
        let shown = |event| ShownEvent::of(world, seq, receipt.time, event, viewer);
        entry(&mut map, "events", cuts.events, &Listed(|| receipt.events.iter().filter_map(shown)))?;
        if !receipt.output.is_empty() || cuts.output.is_some() {
            entry(&mut map, "output", cuts.output, &receipt.output)?;
        }
        map.end()
    }
}

/// Writes a part of a receipt, or the mark that it was cut.
fn entry<M: SerializeMap>(
    map: &mut M,
    key: &str,
    cut: Option<Cut>,
    whole: &impl Serialize,
) -> Result<(), M::Error> {
    match cut {
        Some(cut) => map.serialize_entry(key, &cut.to_json()),
        None => map.serialize_entry(key, whole),
    }
}

/// A list of what an iterator gives.
struct Listed<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Listed<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// A time as text.
struct Moment(Time);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The use of a resource by a principal in all of an action.
#[derive(Serialize)]
struct Used<'w> {
    principal: &'w str,
    resource: &'w str,
    amount: i64,
}

impl<'w> Used<'w> {
    fn of(world: &'w World, (principal, resource, amount): (Handle, ResourceId, i64)) -> Self {
        Self { principal: world.name(principal), resource: world.rules().resource_name(resource), amount }
    }
}

/// A payment with names.
#[derive(Serialize)]
struct Paid<'w> {
    from: &'w str,
    to: &'w str,
    amount: i64,
    why: &'static str,
}

impl<'w> Paid<'w> {
    fn of(world: &'w World, payment: &Payment) -> Self {
        let Payment { from, to, amount, why, .. } = *payment;
        Self { from: world.name(from), to: world.name(to), amount, why: why.as_str() }
    }
}

/// A line of the cost of an action, and who bore it: first what was used, then what was paid.
#[derive(Serialize)]
struct Line<'w> {
    payer: &'w str,
    resource: &'w str,
    amount: i64,
    r#for: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'w str>,
}

impl<'w> Line<'w> {
    fn of_charge(world: &'w World, charge: &Charge) -> Self {
        let of = charge.of;
        Self {
            payer: world.name(charge.principal),
            resource: world.rules().resource_name(charge.resource),
            amount: charge.amount,
            r#for: of.as_str(),
            artifact: of.artifact().map(|artifact| world.name(artifact)),
            op: if let Spending::Op(kind) = of { Some(kind.as_str()) } else { None },
            to: None,
        }
    }

    fn of_payment(world: &'w World, payment: &Payment) -> Self {
        Self {
            payer: world.name(payment.from),
            resource: SCRIP,
            amount: payment.amount,
            r#for: payment.why.as_str(),
            artifact: payment.of.map(|artifact| world.name(artifact)),
            op: None,
            to: Some(world.name(payment.to)),
        }
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

/// An event on the wire: the one schema of `docs/events.md`.
#[derive(Serialize)]
struct ShownEvent<'e> {
    seq: u64,
    time: Moment,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'e, str>>,
}

impl<'e> ShownEvent<'e> {
    /// An event, if the viewer is shown it. The owner of its artifact is taken to be who owns it now.
    fn of(world: &'e World, seq: u64, time: Time, event: &'e Event, viewer: Viewer) -> Option<Self> {
        let owner = event.artifact.and_then(|artifact| world.get(artifact)).map(|artifact| artifact.owner);
        world.seen(event, owner, viewer).map(|event| Self::named(world, seq, time, event))
    }

    fn named(world: &'e World, seq: u64, time: Time, event: Cow<'e, Event>) -> Self {
        let Event { kind, actor, artifact, to, amount, resource, .. } = *event;
        Self {
            seq,
            time: Moment(time),
            r#type: kind.as_str(),
            actor: (actor != Handle::NOBODY).then(|| world.name(actor)),
            artifact: artifact.map(|artifact| world.name(artifact)),
            to: to.map(|to| world.name(to)),
            amount,
            resource: resource.map(|resource| world.rules().resource_name(resource)),
            detail: match event {
                Cow::Borrowed(event) => event.detail.as_deref().map(Cow::Borrowed),
                Cow::Owned(event) => event.detail.map(Cow::Owned),
            },
        }
    }
}

/// An event on the wire, if the viewer is shown it. The owner of its artifact is taken to be who owns it now.
#[must_use]
pub fn event_json(world: &World, seq: u64, time: Time, event: &Event, viewer: Viewer) -> Option<Value> {
    ShownEvent::of(world, seq, time, event, viewer).map(|event| value(&event))
}

/// A kept event on the wire, if the viewer is shown it.
#[must_use]
pub fn row_json(world: &World, row: &EventRow, viewer: Viewer) -> Option<Value> {
    world.row_seen(row, viewer).map(|event| value(&ShownEvent::named(world, row.seq, row.time, event)))
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
        Cause::Tick { number, phase } => {
            let mut tick = line(record, LineType::Tick);
            tick.insert("tick".into(), (*number).into());
            if let Some(name) = world.rules().phase(*phase) {
                tick.insert("phase".into(), name.into());
            }
            lines.push(tick.into());
            return lines;
        }
        Cause::Act { actor, action, .. } => (*actor, action, false),
        Cause::Step { agent, thought, .. } => (*agent, &thought.action, thought.failed || thought.unanswered),
        Cause::Due { artifact, .. } => {
            due = World::due_call(world.name(*artifact)).into();
            (*artifact, &due, false)
        }
        Cause::Hook { index, artifact, .. } => {
            due = world.rules().hooks.get(*index as usize).map(World::hook_call).unwrap_or_default().into();
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
    let Some((actor, of_action)) = record.cause.act() else { return Vec::new() };
    let of_thought = match &record.cause {
        Cause::Step { thought, .. } => thought.output.as_str(),
        _ => "",
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
