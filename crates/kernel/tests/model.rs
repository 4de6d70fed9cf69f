//! The kernel against a naive model of the same rules: random actions, random windows, random JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "model/bytes.rs"]
mod bytes;
#[path = "model/cached.rs"]
mod cached;
#[path = "model/generate.rs"]
mod generate;
#[path = "model/interpret.rs"]
mod interpret;
#[path = "model/naive.rs"]
mod naive;
#[path = "model/naive_memory.rs"]
mod naive_memory;
#[path = "model/naive_mandates.rs"]
mod naive_mandates;
#[path = "model/naive_ops.rs"]
mod naive_ops;
#[path = "model/naive_queries.rs"]
mod naive_queries;
#[path = "model/parse.rs"]
mod parse;
mod support;
#[path = "model/windows.rs"]
mod windows;
#[path = "model/work.rs"]
mod work;

use std::collections::{BTreeMap, BTreeSet};

use oikos_kernel::{
    op::{Action, Op},
    receipt::Receipt,
    record::{Cause, Charge, Event, EventKind, Handle, Hold, Outcome, Record, Spending, Thought},
    rules::{ResourceId, ResourceKind},
    time::Time,
    world::World,
};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::{Value, json};

use self::{
    generate::{Tape, founding},
    naive::{Fail, Key, Model, Told},
    support::Toy,
};

/// At least so many cases; `PROPTEST_CASES` may ask for more. A failing case is printed with all it
/// takes to repeat it, and no file is kept.
pub(crate) fn config(cases: u32) -> Config {
    let default = Config::default();
    Config { cases: default.cases.max(cases), failure_persistence: None, max_shrink_iters: 20_000, ..default }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn the_kernel_does_what_the_naive_model_does(
        kind in 0_u8..4,
        tapes in vec(vec(any::<u16>(), 0..120), 5..25),
    ) {
        check(kind, &tapes);
    }
}

/// Acts in both, and compares all there is to see after every action.
fn check(kind: u8, tapes: &[Vec<u16>]) {
    let founding = founding(kind);
    let mut model = Model::new(&founding.rules, &founding.founders);
    let (mut world, founded) = founding.found().unwrap();
    let (supply, mut toy) = (world.supply(), Toy::new(&world));
    for tape in tapes {
        let mut tape = Tape::new(tape);
        let (who, wait_ms, action) = tape.step();
        toy.wait_ms(wait_ms);
        model.now = toy.now.ms();
        if let Some(most) = tape.thought() {
            think(&mut world, &mut toy, &mut model, most);
        }
        let receipt = toy.act(&mut world, who, action.clone());
        let ended = model.act(who, &action);
        let told = format!("{who}: {action}\nkernel: {receipt:?}\nmodel: {:?}", ended.result);
        assert_eq!(receipt.seq.is_some(), ended.admitted, "admission: {told}");
        compare_outcome(&receipt, &ended.result, &told);
        compare_receipt(&world, &model, &receipt, &told);
        compare_worlds(&world, &model, &told);
        compare_mandates(&world, &toy, &model, &told);
        world.audit().unwrap_or_else(|error| panic!("{error}: {told}"));
        assert_eq!(world.supply(), supply, "{told}");
    }
    let digest = world.digest();
    assert_eq!(replayed(&founded, &toy.records).digest(), digest, "a replay gives the same world");
    let image = World::from_image(&world.to_image()).unwrap();
    assert_eq!(image.digest(), digest, "an image gives the same world");
    image.audit().unwrap();
}

/// The one agent is asked, or answers: in both.
fn think(world: &mut World, toy: &mut Toy, model: &mut Model, most: [(usize, i64); 2]) {
    let carol = world.lookup("carol").unwrap();
    let Some(row) = world.agent(carol).filter(|_| !world.get(carol).unwrap().is_deleted()) else { return };
    let resource = |at: usize| ResourceId(u16::try_from(at).unwrap());
    if !row.is_thinking() {
        let holds = most.map(|(at, amount)| Hold { resource: resource(at), amount });
        let cause = world.ask(carol, 0, toy.now, [7; 32], &holds);
        let asked = matches!(cause, Cause::Ask { .. });
        assert_eq!(asked, model.set_aside("carol", &most), "asked: {most:?}");
        // A loop that waits is not the model's: a turn that would pass is left out.
        if asked {
            toy.mark(world, cause, Vec::new());
        }
    } else {
        let held: Vec<Hold> = row.holds().to_vec();
        let used = held.iter().filter_map(|hold| {
            let (at, most) = most.into_iter().find(|(at, _)| resource(*at) == hold.resource)?;
            Some((at, most.min(hold.amount))).filter(|(_, used)| *used > 0)
        });
        let used: Vec<(usize, i64)> = used.collect();
        let charges: Vec<Charge> = used
            .iter()
            .map(|(at, amount)| Charge {
                principal: carol,
                resource: resource(*at),
                amount: *amount,
                work: 0,
                of: Spending::Thought,
            })
            .collect();
        let thought = Thought {
            action: Value::Null.into(),
            charges: charges.clone(),
            output: String::new(),
            think: "so be it".into(),
            looks: Vec::new(),
            unanswered: false,
            failed: false,
            woke: None,
        };
        toy.mark(world, Cause::Step { agent: carol, turn: 0, thought, output: String::new() }, charges);
        model.answered("carol", &used);
    }
    compare_worlds(world, model, "after a thought");
    world.audit().unwrap();
}

/// A second world from the same records, as the journal keeps them.
fn replayed(founded: &[Record], records: &[Record]) -> World {
    let mut world = World::empty();
    for record in founded.iter().chain(records) {
        let bytes = record.encode().unwrap();
        assert!(bytes.len() <= record.bytes_max(), "a record has more bytes than were counted: {record:?}");
        let read = Record::decode(&bytes).unwrap();
        world.apply(&read).unwrap();
    }
    world
}

fn compare_outcome(receipt: &Receipt, expected: &Result<Value, Fail>, told: &str) {
    match (&receipt.outcome, expected) {
        (Outcome::Done(result), Ok(expected)) => {
            assert_eq!(comparable(result.value()), comparable(expected), "result: {told}");
        }
        (Outcome::Refused(refusal), Err(expected)) => {
            assert_eq!(refusal.code.as_str(), expected.code, "code: {told}");
            // Refusals in words only, and those at the edge of a field, have no numbers to compare.
            if let Some((need, have)) = expected.numbers {
                assert_eq!((refusal.need, refusal.have), (Some(need), Some(have)), "numbers: {told}");
                assert!(need > have || need == i64::MAX, "a shortage is short of something: {told}");
            }
        }
        _ => panic!("one went well and the other did not: {told}"),
    }
}

/// A result without its sentences, which the model doesn't write.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Object(map) => {
            let kept =
                map.iter().filter(|(key, _)| !["reason", "time_until", "time"].contains(&key.as_str()));
            kept.map(|(key, value)| (key.clone(), comparable(value))).collect()
        }
        other => other.clone(),
    }
}

fn compare_receipt(world: &World, model: &Model, receipt: &Receipt, told: &str) {
    let name = |handle: Handle| world.name(handle).to_owned();
    let mut charges: BTreeMap<(String, usize), i64> = BTreeMap::new();
    for charge in &receipt.charges {
        let sum = charges.entry((name(charge.principal), usize::from(charge.resource.0))).or_insert(0);
        *sum = sum.saturating_add(charge.amount);
    }
    assert_eq!(charges, model.charges, "charges: {told}");
    for charge in receipt.charges.iter().filter(|charge| charge.resource == ResourceId::CPU) {
        // No op costs CPU in these worlds: all of it is for work, and all work is charged.
        assert_eq!(charge.amount, model.cpu_us(charge.work), "work: {told}");
    }
    let units: u64 = receipt.charges.iter().map(|charge| charge.work).sum();
    assert_eq!(units, model.rules.work_per_action - model.work_left, "the meter: {told}");
    let payments: Vec<(String, String, i64, &str)> = receipt
        .payments
        .iter()
        .map(|paid| (name(paid.from), name(paid.to), paid.amount, paid.why.as_str()))
        .collect();
    let expected = if receipt.outcome.is_ok() { model.state.payments.clone() } else { Vec::new() };
    assert_eq!(payments, expected, "payments: {told}");
    let (exhausted, others): (Vec<&Event>, Vec<&Event>) =
        receipt.events.iter().partition(|event| event.kind == EventKind::Exhausted);
    let exhausted: BTreeSet<(String, usize)> =
        exhausted.iter().map(|event| (name(event.actor), usize::from(event.resource.unwrap().0))).collect();
    assert_eq!(exhausted, model.exhausted(receipt.outcome.is_ok()), "exhausted: {told}");
    let events: Vec<Told> = others.into_iter().map(|event| told_of(world, event)).collect();
    let mut expected = model.notices.clone();
    if receipt.outcome.is_ok() {
        expected.extend(model.state.events.iter().cloned());
    }
    assert_eq!(events, expected, "events: {told}");
}

fn told_of(world: &World, event: &Event) -> Told {
    let name = |handle: Handle| world.name(handle).to_owned();
    Told {
        kind: event.kind.as_str().into(),
        actor: name(event.actor),
        artifact: event.artifact.map(name),
        to: event.to.map(name),
        amount: event.amount,
        resource: event.resource.map(|resource| world.rules().resource_name(resource).into()),
        detail: event.detail.clone().filter(|_| event.kind != EventKind::ContractError),
    }
}

/// As queries show them to an observer.
fn compare_mandates(world: &World, toy: &Toy, model: &Model, told: &str) {
    for (who, art) in model.state.arts.iter().filter(|(_, art)| art.standing && !art.deleted) {
        let given = |key: &Key| key.0 == *who;
        if !model.state.mandates.keys().any(given) && !art.id.starts_with('a') {
            continue;
        }
        let query = json!({ "op": "query", "what": "mandates", "of": who });
        let Op::Query(query) = Action::parse(query).unwrap().ops.remove(0).op else { panic!("a query") };
        let Outcome::Done(shown) = toy.observe(world, query) else { panic!("{told}") };
        let mut found: Vec<(&str, &str, i64, i64)> = Vec::new();
        for row in shown.value()["given"].as_array().unwrap() {
            let (to, unit) = (row["to"].as_str().unwrap(), row["resource"].as_str().unwrap());
            found.push((to, unit, row["used"].as_i64().unwrap(), row["left"].as_i64().unwrap()));
        }
        found.sort_unstable();
        let all = model.state.mandates.iter().filter(|(key, _)| given(key));
        let mut expected: Vec<(&str, &str, i64, i64)> = all
            .map(|((_, to, resource), mandate)| {
                let unit = resource.map_or("scrip", |at| &model.rules.resources[at].name);
                let used = mandate.used(model.now);
                (to.as_str(), unit, used, (mandate.per_window - used).clamp(0, mandate.per_call))
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "mandates of `{who}`: {told}");
    }
}

fn compare_worlds(world: &World, model: &Model, told: &str) {
    let names: Vec<&str> = world.artifacts().map(|(_, artifact)| artifact.id()).collect();
    assert_eq!(names.len(), model.state.arts.len(), "which artifacts there are: {told}");
    let now = Time::from_ms(model.now).unwrap();
    for (handle, artifact) in world.artifacts() {
        let (id, expected) = (artifact.id(), model.get(artifact.id()));
        let told = format!("`{id}`: {told}");
        assert_eq!(artifact.is_deleted(), expected.deleted, "deleted {told}");
        assert_eq!(world.scrip(handle), expected.scrip, "scrip of {told}");
        assert_eq!(world.name(artifact.owner()), expected.owner, "owner of {told}");
        assert_eq!(artifact.has_standing(), expected.standing, "standing of {told}");
        assert_eq!(artifact.has_loop(), expected.has_loop, "loop of {told}");
        assert_eq!(artifact.kind(), expected.kind, "kind of {told}");
        if !expected.deleted {
            assert_eq!(i64::from(artifact.version()), expected.version, "version of {told}");
        }
        assert_eq!(artifact.size(), expected.size(), "size of {told}");
        assert_eq!(artifact.content(), &expected.content, "content of {told}");
        assert_eq!(artifact.code().map(AsRef::as_ref), expected.code.as_deref(), "code of {told}");
        let storage: BTreeMap<String, Value> =
            artifact.storage().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        assert_eq!(storage, expected.storage, "storage of {told}");
        if !expected.standing {
            continue;
        }
        for (at, rule) in world.rules().resources.iter().enumerate() {
            let resource = ResourceId(u16::try_from(at).unwrap());
            let metered = rule.kind == ResourceKind::Metered;
            let limit = if metered { 0 } else { expected.limits[at] };
            assert_eq!(world.limit(handle, resource), limit, "limit of `{}` of {told}", rule.name);
            let used = match rule.kind {
                _ if at == model.disk() => model.bytes_of(&model.state, id),
                ResourceKind::Depletable => continue,
                _ => expected.uses[at].iter().fold(0, |sum: i64, (_, more)| sum.saturating_add(*more)),
            };
            assert_eq!(world.used(handle, resource), used, "use of `{}` of {told}", rule.name);
            let asked = if expected.deleted { 0 } else { expected.asked[at] };
            assert_eq!(world.set_aside_of(handle, resource), asked, "held `{}` of {told}", rule.name);
            if matches!(rule.kind, ResourceKind::Renewable { .. }) {
                let free = limit - model.live_uses(&model.state, id, at, model.now) - expected.asked[at];
                assert_eq!(world.capacity(handle, resource, now), free, "free `{}` of {told}", rule.name);
            }
        }
    }
}
