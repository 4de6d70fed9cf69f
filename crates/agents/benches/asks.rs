//! The system's own share of a question: all but the provider.

use std::{sync::Arc, time::Duration};

use oikos_agents::{
    Asked, Asker, DEFAULT_TEMPLATE, Gate, Later, Limits, Look, Looker, MemoryTape, Message, ModelName, Place,
    Prices, Purse, Rates, Request, Role, Schema, Spent, TapeMode, Template, Told, Turn, View, fake::Fake,
};
use oikos_kernel::{
    op::{Words, schema_for_models},
    refusal::Refusal,
    time::Time,
};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const ANSWER: &str =
    r#"{"think":"I buy it","looks":null,"ops":[{"op":"invoke","artifact":"tool","args":[1,"x"]}]}"#;

struct World;

impl Looker for World {
    fn look<'a>(&'a mut self, looks: &'a [Look]) -> Later<'a, Vec<Value>> {
        Box::pin(std::future::ready(looks.iter().map(|_| Value::Null).collect()))
    }
}

impl Purse for World {
    fn hold(&mut self, _worst: &Spent) -> Result<(), Refusal> {
        Ok(())
    }

    fn release(&mut self, _worst: &Spent) {}

    fn settle(&mut self, _worst: &Spent, _told: &Told) {}
}

fn asker(mode: TapeMode, tape: Arc<MemoryTape>, latency: Duration) -> Asker {
    let limits = Limits { in_flight: 200, rates: Rates::default() };
    let gate = Gate::new("local", Arc::new(Fake::always(ANSWER, latency)), limits);
    let providers = [("local".to_owned(), Asked { provider: Arc::new(gate), place: Place::Local })];
    Asker::new(providers, Prices::default(), tape, mode, Time::default)
}

fn observation(step: usize) -> Value {
    let events: Vec<Value> = (0..20)
        .map(|seq| json!({ "seq": seq, "type": "transfer", "actor": "bob", "to": "alice", "amount": 3 }))
        .collect();
    json!({
        "now": "2026-01-01T00:05:00.000Z", "tick": step, "step": step, "woke": null, "population": 100,
        "self": { "id": "alice", "owner": "alice", "scrip": 93, "content": { "style": "bold" }, "storage_keys": [],
                  "resources": { "cpu": { "kind": "renewable", "rate": 100, "capacity": 60, "used": 40 } } },
        "last": null, "events": events, "events_missed": 0, "missed": {},
    })
}

/// One whole turn: prompt, request, hash, tape, gate, answer, row.
async fn turn(asker: &Asker, template: &Template, schema: &Schema, step: usize) {
    let observation = observation(step);
    let view = View { observation: Some(&observation), prompt: "You keep a shop.", ..View::default() };
    let rendered = template.render(&view).ok();
    let (system, user) = rendered.map_or_else(Default::default, |rendered| (rendered.system, rendered.user));
    let Some(model) = ModelName::parse("local::m") else { return };
    let request = Request {
        model,
        messages: vec![Message::new(Role::System, system), Message::new(Role::User, user)],
        schema: Some(schema.clone()),
        max_output_tokens: 600,
        temperature: Some(0.7),
        seed: None,
    };
    let turn = Turn { agent: "alice".into(), seq: 1, request };
    let turned = asker.turn(turn, &mut World, &mut World).await;
    assert!(turned.is_ok_and(|turned| turned.told.len() == 1), "one question is one answer");
}

/// A hundred turns that are answered at once, on a clock that stands while somebody works.
#[divan::bench(args = [TapeMode::Auto, TapeMode::Replay], sample_count = 20)]
fn hundred_turns(bencher: divan::Bencher<'_, '_>, mode: TapeMode) {
    let (template, schema) =
        (Template::new(DEFAULT_TEMPLATE), Schema::new(schema_for_models(Words::Without)));
    let Ok(template) = template else { return };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime() else { return };
    let tape = Arc::new(MemoryTape::default());
    let ask = |mode| {
        let asker = asker(mode, tape.clone(), Duration::ZERO);
        runtime.block_on(async {
            for step in 0..100 {
                turn(&asker, &template, &schema, step).await;
            }
        });
    };
    ask(TapeMode::Record);
    let mode = if mode == TapeMode::Auto { TapeMode::Record } else { mode };
    bencher.counter(100_usize).bench_local(|| ask(mode));
}

/// The template alone.
#[divan::bench]
fn prompt(bencher: divan::Bencher<'_, '_>) {
    let Ok(template) = Template::new(DEFAULT_TEMPLATE) else { return };
    let observation = observation(1);
    let view = View { observation: Some(&observation), prompt: "You keep a shop.", ..View::default() };
    bencher.bench_local(|| template.render(&view));
}
