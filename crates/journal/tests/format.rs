//! The bytes of one golden batch: every kind of cause, effect, condition and outcome that a record can have.
//!
//! A world that was written is read by these bytes. If this test fails, the format has changed: raise
//! `record::FORMAT`, pin the new bytes, and say so in `docs/journal.md` and `CHANGELOG.md`.

#![expect(clippy::expect_used, reason = "a test stops where it fails")]

use std::sync::Arc;

use oikos_journal::Journal;
use oikos_kernel::{
    event::{Event, EventKind, Filter},
    id::Handle,
    op::OpKind,
    record::{
        Bound, Cause, Change, Charge, Creation, Effect, FORMAT, Hold, KeptVerdict, KeyPart, Memo, Outcome,
        Pays, Record, Shared, Spending, Terms, Thought, Until, Use, Why, Woke, WorkStep,
    },
    refusal::{Code, Lack, Refusal, Traceback},
    rules::{
        Authority, CpuMeter, Execution, Hook, HookAt, Missing, OnExhaustion, Order, Privacy, Regrow, Renewal,
        ResourceId, ResourceKind, ResourceRule, Rules,
    },
    time::Time,
};
use serde_json::json;

/// The format, and of each record of the batch its number, the length of its bytes and how their BLAKE3 begins.
const PINNED: &str = "\
format 7
1 409 e05a7a9b033ef071
2 116 11e25e5940d2e24e
3 10 95edc008ab6bc462
4 19 9bbcef275e60a966
5 120 4ffc42c9c5c2ad23
6 395 f1b622551038c53c
7 102 e6c450573d8e9808
8 56 973018f9bd61ed2d
9 15 189c84a603487a0c
10 22 8929f3503763446c
11 33 6217f37be498b6e9
12 28 edc222ca8323525f
13 280 033e50dc88ab32d3
14 20 be2a4d51b49f87d1
";

#[test]
fn the_bytes_of_records_are_those_of_the_format() {
    let mut found = format!("format {FORMAT}\n");
    for record in &golden() {
        let bytes = record.encode().unwrap();
        assert_eq!(&Record::decode(&bytes).unwrap(), record);
        let hash = blake3::hash(&bytes).to_hex();
        found.push_str(&format!("{} {} {}\n", record.seq, bytes.len(), hash.get(..16).unwrap()));
    }
    assert_eq!(found, PINNED, "\n{found}");
}

#[test]
fn the_chain_over_a_batch_is_that_of_the_format() {
    let mut journal = Journal::in_memory().unwrap();
    journal.append(&golden(), &[]).unwrap();
    let hash = blake3::Hash::from(journal.head().journal_hash).to_hex();
    assert_eq!(hash.as_str(), "dd403dd4c165ee40fa39b78470aaf16f754241fbc8fe9fafb7dfe2262bc410ff");
}

/// A number for each variant, so that a new one can't be forgotten here.
fn kind_of(effect: &Effect) -> usize {
    match effect {
        Effect::Pay { .. } => 0,
        Effect::Endow { .. } => 1,
        Effect::Allot { .. } => 2,
        Effect::Move { .. } => 3,
        Effect::Lapse { .. } => 4,
        Effect::Create(_) => 5,
        Effect::Change { .. } => 6,
        Effect::Own { .. } => 7,
        Effect::Delete { .. } => 8,
        Effect::Store { .. } => 9,
        Effect::Sleep { .. } => 10,
        Effect::Mint { .. } => 11,
        Effect::Use(_) => 12,
        Effect::Fail { .. } => 13,
        Effect::Mandate { .. } => 14,
        Effect::Draw { .. } => 15,
        Effect::Remember { .. } => 16,
        Effect::Forget { .. } => 17,
        Effect::Verdicts { .. } => 18,
        Effect::Rate { .. } => 19,
        Effect::Grow { .. } => 20,
    }
}

/// As [`kind_of`], of causes.
fn cause_of(record: &Record) -> usize {
    match record.cause {
        Cause::Genesis { .. } => 0,
        Cause::Founding => 1,
        Cause::Tick { .. } => 2,
        Cause::Clock { .. } => 3,
        Cause::Act { .. } => 4,
        Cause::Step { .. } => 5,
        Cause::Ask { .. } => 6,
        Cause::Short { .. } => 7,
        Cause::Runtime { .. } => 8,
        Cause::Due { .. } => 9,
        Cause::Hook { .. } => 10,
        Cause::Rules { .. } => 11,
        Cause::Regrow => 12,
    }
}

#[test]
fn the_batch_has_every_cause_and_effect() {
    let batch = golden();
    let mut causes: Vec<usize> = batch.iter().map(cause_of).collect();
    causes.sort_unstable();
    causes.dedup();
    assert_eq!(causes, (0..13).collect::<Vec<_>>());
    let mut effects: Vec<usize> = batch.iter().flat_map(|record| &record.effects).map(kind_of).collect();
    effects.sort_unstable();
    effects.dedup();
    assert_eq!(effects, (0..21).collect::<Vec<_>>());
}

fn golden() -> Vec<Record> {
    let (ann, bob, tool) = (Handle(4), Handle(5), Handle(6));
    let cpu = Charge {
        principal: ann,
        resource: ResourceId::CPU,
        amount: 12,
        work: 4,
        of: Spending::Code(Some(ann)),
    };
    let records = [
        (
            Cause::Genesis {
                rules: Box::new(rules()),
                source: [7; 32],
                artifacts: 3,
                runtime: "toy 1".into(),
            },
            vec![
                Effect::Create(Box::new(creation("ann", Shared::Own(json!({ "z": 1, "a": [2.5] }).into())))),
                Effect::Endow { to: ann, amount: 100 },
                Effect::Allot { to: ann, resource: ResourceId::DISK, amount: 1_000 },
            ],
            Outcome::Nothing,
        ),
        (Cause::Founding, vec![Effect::Create(Box::new(creation("bob", Shared::As(ann))))], Outcome::Nothing),
        (Cause::Tick { number: 3, phase: 1 }, Vec::new(), Outcome::Nothing),
        (Cause::Clock { away_ms: 3_600_000 }, Vec::new(), Outcome::Nothing),
        (
            Cause::Act {
                actor: ann,
                action: json!({ "op": "transfer", "to": "bob", "amount": 5 }).into(),
                action_id: Some("rent".into()),
                output: "printed".into(),
            },
            Why::ALL
                .into_iter()
                .map(|why| Effect::Pay { from: ann, to: bob, amount: 5, why, of: Some(tool) })
                .collect(),
            Outcome::Done(json!({ "balance": 95 }).into()),
        ),
        (
            Cause::Step {
                agent: ann,
                turn: 9,
                thought: Thought {
                    action: json!([{ "op": "noop" }]).into(),
                    charges: vec![cpu],
                    output: "thought".into(),
                    think: "bread is cheap".into(),
                    looks: vec![json!({ "op": "query", "what": "agents" }).into()],
                    unanswered: false,
                    failed: false,
                    woke: Some(Woke::Event(5)),
                },
                output: String::new(),
            },
            changes(ann, bob, tool),
            Outcome::Done(json!([null]).into()),
        ),
        (
            Cause::Step {
                agent: bob,
                turn: 10,
                thought: Thought {
                    action: json!(null).into(),
                    charges: Vec::new(),
                    output: String::new(),
                    think: String::new(),
                    looks: Vec::new(),
                    unanswered: true,
                    failed: true,
                    woke: Some(Woke::Level(Some(ResourceId::CPU))),
                },
                output: String::new(),
            },
            Vec::new(),
            Outcome::Refused(Box::new(refusal(bob))),
        ),
        (
            Cause::Ask {
                agent: ann,
                turn: 11,
                woke: Some(Woke::Time),
                request: Some([8; 32]),
                holds: vec![Hold { resource: ResourceId(4), amount: 900 }],
            },
            Vec::new(),
            Outcome::Nothing,
        ),
        (
            Cause::Short { agent: bob, turn: 12, lack: Some(Hold { resource: ResourceId(4), amount: 900 }) },
            Vec::new(),
            Outcome::Nothing,
        ),
        (Cause::Runtime { name: "toy 2".into() }, Vec::new(), Outcome::Nothing),
        (
            Cause::Due { artifact: tool, output: "resolved".into() },
            vec![
                Effect::Mint { by: tool, to: ann, amount: 7 },
                Effect::Use(Use { artifact: tool, customer: Some(ann), price: 3 }),
                Effect::Fail { artifact: tool, times: 2 },
            ],
            Outcome::Done(json!(1).into()),
        ),
        (
            Cause::Hook { index: 2, tick: 3, artifact: tool, output: "filled".into() },
            Vec::new(),
            Outcome::Done(json!(2).into()),
        ),
        (
            Cause::Rules { rules: Box::new(rules()), source: [9; 32] },
            vec![Effect::Rate { of: ann, resource: ResourceId(3), limit: 40 }],
            Outcome::Nothing,
        ),
        (
            Cause::Regrow,
            vec![Effect::Grow { to: tool, resource: ResourceId(4), amount: 61 }],
            Outcome::Nothing,
        ),
    ];
    let records = (1_u64..).zip(records);
    records
        .map(|(seq, (cause, effects, outcome))| Record {
            seq,
            time: time(1_000 * seq.cast_signed()),
            cause,
            charges: if seq % 2 == 0 { vec![cpu] } else { Vec::new() },
            effects,
            events: if seq == 6 { events(ann, bob, tool) } else { Vec::new() },
            outcome,
        })
        .collect()
}

fn time(ms: i64) -> Time {
    Time::from_ms(ms).expect("an instant")
}

fn rules() -> Rules {
    let calls = ResourceRule { name: "calls".into(), kind: ResourceKind::Renewable { window_ms: 60_000 } };
    let fuel = ResourceRule { name: "fuel".into(), kind: ResourceKind::Depletable };
    let mut rules = Rules::unlimited("golden", 42, time(1_000));
    rules.resources.extend([calls, fuel]);
    rules.costs = OpKind::ALL.into_iter().map(|kind| (kind, ResourceId(3), 1)).collect();
    rules.renewal = Renewal::Tick { ms: 60_000 };
    rules.authority = Authority::Policy;
    rules.missing = Missing::Deny;
    rules.privacy = Privacy::Own;
    rules.cpu_meter = CpuMeter::Measured;
    rules.work_per_run = 7_000;
    rules.work_per_action = 9_000;
    rules.resources_per_invoke = vec![(ResourceId::CPU, 5_000)];
    rules.mint_authorities = vec!["genesis_mint".into()];
    let (rate_ppm, cap, every_ms) = (250_000, 1_000, 3_600_000);
    rules.regrow =
        vec![Regrow { resource: ResourceId(4), rate_ppm, cap, every_ms, holders: vec!["pond".into()] }];
    rules.execution = Execution::Autonomous { pace_ms: 1_000 };
    rules.on_exhaustion = OnExhaustion::Skip;
    rules.llm_model = Some("local::small".into());
    rules.think_time_ms = 3_000;
    rules.memory_half_life_ms = 1_800_000;
    rules.order = Order::ByKind { kinds: vec!["fisher".into()] };
    rules.hooks = vec![Hook {
        at: HookAt::Setup,
        artifact: "lake".into(),
        method: "fill".into(),
        args: json!([1]).into(),
    }];
    rules.parameters = json!({ "harvest": 11, "names": ["a", 1.5] }).into();
    rules
}

fn creation(id: &str, content: Shared<oikos_kernel::json::Json>) -> Creation {
    let empty = || Shared::Own(json!(null).into());
    Creation {
        id: id.into(),
        kind: "agent".into(),
        content,
        code: Some(Shared::Own("def step(observation):\n    return None\n".into())),
        decides: false,
        interface: empty(),
        owner: Handle(4),
        creator: Handle(4),
        access_contract: Handle(1),
        price: 2,
        pays: Pays::Itself,
        has_standing: true,
        has_loop: true,
        memory_artifact: Some(Handle(5)),
        depends_on: vec![Handle(0), Handle(6)],
        metadata: empty(),
        policy: json!({ "allow_read": ["*"] }).into(),
    }
}

fn changes(ann: Handle, bob: Handle, tool: Handle) -> Vec<Effect> {
    let filter = Filter {
        kind: Some(EventKind::Op(OpKind::Transfer)),
        to: Some("ann".into()),
        amount: Some(3),
        ..Filter::default()
    };
    let change = Change {
        content: Some(json!("text").into()),
        code: Some(None),
        price: Some(7),
        pays: Some(Pays::Caller),
        memory_artifact: Some(None),
        depends_on: Some(vec![ann]),
        policy: Some(json!(null).into()),
        ..Change::default()
    };
    vec![
        Effect::Move { from: ann, to: bob, resource: ResourceId(4), amount: 8 },
        Effect::Change { artifact: tool, version: 3, change: Box::new(change) },
        Effect::Own { artifact: tool, from: ann, to: bob },
        Effect::Store { artifact: ann, key: "k".into(), value: Some(json!(1).into()) },
        Effect::Store { artifact: ann, key: "k".into(), value: None },
        Effect::Sleep {
            agent: ann,
            until: vec![
                Until::Time(time(90_000)),
                Until::Event(Box::new(filter)),
                Until::Level { resource: None, bound: Bound::AtMost, level: 5 },
            ],
        },
        Effect::Mandate {
            from: ann,
            to: tool,
            resource: Some(ResourceId(4)),
            terms: Some(Terms {
                per_call: 5,
                per_window: 50,
                window_ms: 3_600_000,
                until: Some(time(90_000)),
            }),
        },
        Effect::Draw { from: ann, to: tool, resource: Some(ResourceId(4)), amount: 5 },
        Effect::Mandate { from: ann, to: tool, resource: None, terms: None },
        Effect::Remember {
            memory: bob,
            memo: Arc::new(Memo {
                text: "bread costs 3".into(),
                importance: 7,
                tags: vec!["pinned".into()],
                supersedes: Some(4),
            }),
        },
        Effect::Forget { memory: bob, entry: Some(5) },
        Effect::Forget { memory: bob, entry: None },
        Effect::Verdicts {
            contract: tool,
            hits: 2,
            kept: vec![KeptVerdict {
                target: ann,
                target_version: 3,
                target_owner: bob,
                contract_version: 4,
                contract_stored: 5,
                key: KeyPart::ALL.to_vec(),
                values: [9; 32],
                until: time(90_000),
                allowed: true,
                reason: "the members may".into(),
                steps: vec![
                    WorkStep::Host(6),
                    WorkStep::Code(7, None),
                    WorkStep::Code(7, Some(8)),
                    WorkStep::Held(9),
                ],
            }],
        },
        Effect::Lapse { from: bob, resource: ResourceId(3), amount: 30 },
        Effect::Delete { artifact: bob, heir: Some(ann) },
    ]
}

fn events(ann: Handle, bob: Handle, tool: Handle) -> Vec<Event> {
    vec![
        Event { detail: Some("event 5".into()), ..Event::new(EventKind::Wake, ann) },
        Event {
            artifact: Some(tool),
            amount: Some(4),
            detail: Some("run".into()),
            ..Event::new(EventKind::Op(OpKind::Invoke), ann)
        },
        Event {
            to: Some(bob),
            amount: Some(8),
            resource: Some(ResourceId(4)),
            sent: true,
            ..Event::new(EventKind::Op(OpKind::Transfer), ann)
        },
        Event::new(EventKind::Clock, Handle::NOBODY),
    ]
}

fn refusal(who: Handle) -> Refusal {
    let mut refusal = Refusal::new(Code::RateLimited, "`bob` may use 0 of `calls` now and needs 1")
        .numbers(1, 0)
        .hint("wait 5s");
    refusal.index = Some(2);
    refusal.traceback = Some(Box::new(Traceback("Traceback".into())));
    refusal.is_crash = true;
    refusal.lack = Some(Lack { principal: who, resource: ResourceId(3) });
    refusal
}
