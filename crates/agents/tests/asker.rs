//! The asker: tape, budgets, turns with looks and a repair, and many agents at once.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use oikos_agents::{
    Answer, Asked, Asker, Billed, End, Failure, FailureKind, Gate, Halt, Later, Limits, Look, Looker,
    MemoryTape, Message, ModelName, Outcome, Place, Price, Prices, Purse, Question, Rates, Request, Role,
    Spent, Stop, TapeMode, Told, Turn, Turned, Usage, Wish,
    fake::{Fake, Scripted, answer},
};
use oikos_kernel::{
    refusal::{Code, Refusal},
    tape::{Purpose, Taped},
    time::Time,
};
use serde_json::{Value, json};
use tokio::time::Instant;

const DEAR: Price = Price { input: 1_000_000, cached_input: 0, output: 2_000_000, internal: false };

fn model() -> ModelName {
    ModelName::parse("fake::m").unwrap()
}

fn request(text: &str) -> Request {
    Request {
        model: model(),
        messages: vec![Message::new(Role::System, "You."), Message::new(Role::User, text)],
        schema: None,
        max_output_tokens: 100,
        temperature: None,
        seed: None,
    }
}

struct Setup {
    fake: Arc<Fake>,
    tape: Arc<MemoryTape>,
    price: Price,
    in_flight: usize,
}

impl Setup {
    fn new(script: impl Fn(u64, &Request) -> Outcome + Send + Sync + 'static) -> Self {
        let latency = Duration::from_secs(2);
        let fake = Fake::new(move |n, request| Scripted { latency, outcome: script(n, request) });
        Self { fake: Arc::new(fake), tape: Arc::default(), price: DEAR, in_flight: 64 }
    }

    fn texts(texts: &'static [&'static str]) -> Self {
        Self::new(move |n, _| Ok(answer(texts[usize::try_from(n).unwrap().min(texts.len() - 1)])))
    }

    fn asker(&self, mode: TapeMode) -> Asker {
        let limits = Limits { in_flight: self.in_flight, rates: Rates::default() };
        let gate = Arc::new(Gate::new("fake", self.fake.clone(), limits));
        let providers = [("fake".to_owned(), Asked { provider: gate, place: Place::Elsewhere })];
        let begin = Instant::now();
        let now = move || Time::from_ms(i64::try_from(begin.elapsed().as_millis()).unwrap()).unwrap();
        Asker::new(providers, Prices::new([(model(), self.price)]), self.tape.clone(), mode, now)
    }
}

/// The rows as another world finds them in a tape file.
fn imported(rows: &[Taped]) -> Arc<MemoryTape> {
    Arc::new(MemoryTape::new(rows.iter().map(|row| Taped::from_line(&row.to_line()).unwrap())))
}

async fn ask(asker: &Asker, agent: &str, text: &str) -> Result<Told, Halt> {
    asker.ask(asker.numbered(Question::new(agent, 7, Purpose::Step, request(text)))).await
}

#[tokio::test(start_paused = true)]
async fn equal_questions_have_their_own_answers_which_come_back_in_their_places() {
    let setup = Setup::new(|n, _| {
        if n == 2 { Err(Failure::new(FailureKind::Refused, "no")) } else { Ok(answer(format!("{n}"))) }
    });
    let asker = setup.asker(TapeMode::Auto);
    let order = [("a", "x"), ("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")];
    let mut first = Vec::new();
    for (agent, text) in order {
        let told = ask(&asker, agent, text).await.unwrap();
        assert!(!told.is_replayed);
        first.push(told.row);
    }
    let outcomes: Vec<&str> = first.iter().map(|row| row.answer.as_str()).collect();
    assert_eq!(outcomes, ["0", "1", "no", "3", "4"]);
    assert_eq!(first.iter().map(|row| row.n).collect::<Vec<_>>(), [0, 1, 0, 0, 2]);
    assert_eq!(first[2].failure, Some(FailureKind::Refused));
    assert_eq!(setup.tape.all(), first, "every answer was on the tape before it was seen");
    assert!(first.iter().all(|row| row.latency_ms >= 2_000 && row.check().is_ok()));
    let paid = asker.spent();
    assert!(paid.0 > 0 && paid.0 == paid.1);

    for mode in [TapeMode::Auto, TapeMode::Replay] {
        let other = Setup { tape: imported(&first), fake: setup.fake.clone(), ..Setup::texts(&[]) };
        // The tape of another world, and its own, whose rows the budget knows of since they were asked.
        for (setup, counts) in [(&other, paid.0), (&setup, 0)] {
            let again = setup.asker(mode);
            for ((agent, text), row) in order.into_iter().zip(&first) {
                let told = ask(&again, agent, text).await.unwrap();
                assert!(told.is_replayed);
                let expected = Taped { origin: told.row.origin, ..row.clone() };
                assert_eq!(told.row, expected, "failures come back too");
            }
            assert_eq!(setup.fake.asked(), 5, "nobody was asked");
            assert_eq!(again.spent(), (counts, 0), "it is charged as recorded, and nobody is paid");
        }
    }
    let fresh = setup.asker(TapeMode::Record);
    let told = ask(&fresh, "a", "x").await.unwrap();
    assert!(told.is_replayed, "a question of this very state goes on with what was paid");
    let later = Question::new("a", 8, Purpose::Step, request("x"));
    assert_eq!(setup.asker(TapeMode::Record).ask(later).await.unwrap().row.answer, "5");
    let other = Setup { tape: imported(&first), fake: setup.fake.clone(), ..Setup::texts(&[]) };
    assert_eq!(ask(&other.asker(TapeMode::Record), "b", "x").await.unwrap().row.answer, "6");
    // A world that goes on knows how often each was asked.
    let hash = request("x").hash();
    let on = setup.asker(TapeMode::Auto).with_numbers([(("a".to_owned(), hash), 3)]);
    assert_eq!(ask(&on, "a", "x").await.unwrap().row.n, 3);
}

#[tokio::test(start_paused = true)]
async fn a_miss_shows_the_difference_from_the_nearest_request() {
    let setup = Setup::texts(&["x"]);
    let asker = setup.asker(TapeMode::Auto);
    for text in [
        "it is noon and you have 17 scrip left",
        "something else altogether",
        "it is noon and you have 18 scrip left",
    ] {
        ask(&asker, "a", text).await.unwrap();
    }
    let replay = setup.asker(TapeMode::Replay);
    let miss = async |agent: &str, text: &str| ask(&replay, agent, text).await.unwrap_err().to_string();
    let text = miss("a", "it is noon and you have 99 scrip left").await;
    assert!(text.contains("- messages[1], recorded: …") && text.contains("18 scrip left"), "{text}");
    assert!(text.contains("+ messages[1], asked:") && text.contains("99 scrip left"), "{text}");
    assert!(text.contains("of record 7"), "{text}");
    assert!(miss("b", "x").await.contains("the tape holds no request of `b`"));
    ask(&replay, "a", "something else altogether").await.unwrap();
    assert!(miss("a", "something else altogether").await.contains("not its repetition number 1"));
    assert_eq!(setup.fake.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_for_everybody_stops_the_run_and_is_not_taped() {
    let setup = Setup::new(|_, _| Err(Failure::new(FailureKind::Auth, "wrong key")));
    let asker = setup.asker(TapeMode::Auto).with_budget(Some(1_000_000), 0);
    assert_eq!(ask(&asker, "a", "x").await.unwrap_err(), Halt::Provider("wrong key".into()));
    assert_eq!((setup.tape.all(), asker.spent()), (vec![], (0, 0)));
    for (model, says) in
        [("nobody::m", "[llm.providers.nobody]"), ("fake::other", "[llm.prices.\"fake::other\"]")]
    {
        let request = Request { model: ModelName::parse(model).unwrap(), ..request("x") };
        let question = Question::new("a", 1, Purpose::Ask, request);
        let halt = asker.ask(question).await.unwrap_err();
        assert!(halt.to_string().contains(says) && !halt.is_budget(), "{halt}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_the_world_file_does_not_name_fails_those_who_name_it() {
    for failure in [
        Failure::new(FailureKind::Auth, "wrong key"),
        Failure::new(FailureKind::Invalid, "no such model").fatal(),
    ] {
        let (kind, sentence) = (failure.kind, failure.sentence.clone());
        let setup = Setup::new(move |_, _| Err(failure.clone()));
        let asker = setup.asker(TapeMode::Auto).with_named([ModelName::parse("fake::own").unwrap()]);
        let told = ask(&asker, "a", "x").await.unwrap();
        assert_eq!((told.row.failure, &told.row.answer), (Some(kind), &sentence));
        let replayed = ask(&setup.asker(TapeMode::Replay), "a", "x").await.unwrap();
        assert!(replayed.is_replayed && replayed.row == told.row, "a replay goes the same way");
        assert!(!asker.stops(&Halt::Provider(sentence.clone()), &model()));
        let own = setup.asker(TapeMode::Auto).with_named([model()]);
        assert_eq!(ask(&own, "b", "x").await.unwrap_err(), Halt::Provider(sentence));
    }
}

#[tokio::test(start_paused = true)]
async fn no_budget_is_exceeded_by_sixty_four_at_once() {
    for bill in [
        Billed::Counted(Usage { tokens_in: 1_500, tokens_cached: 9, tokens_out: 100 }),
        Billed::Counted(Usage { tokens_in: u64::MAX, tokens_cached: 0, tokens_out: u64::MAX }),
        Billed::Unknown,
    ] {
        let setup = Setup::new(move |_, _| Ok(Answer { text: "x".into(), stop: Stop::End, billed: bill }));
        let (limit, cap) = (40_000, 30_000);
        let asker = Arc::new(setup.asker(TapeMode::Auto).with_budget(Some(limit), 5_000).with_cap(Some(cap)));
        let tasks: Vec<_> = (0..64)
            .map(|at| {
                let asker = asker.clone();
                tokio::spawn(async move { ask(&asker, &format!("agent-{at}"), "x").await })
            })
            .collect();
        let (mut told, mut refused) = (0, 0);
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => told += 1,
                Err(halt) => {
                    assert!(halt.is_budget(), "{halt}");
                    refused += 1;
                }
            }
        }
        let (spent, paid) = asker.spent();
        assert!(spent <= limit && paid <= cap, "{spent} {paid}");
        assert_eq!(spent - 5_000, paid);
        assert_eq!(paid, setup.tape.all().iter().map(|row| row.cost).sum::<u64>());
        assert!(told > 0 && refused > 0, "{told} {refused} {spent} {paid}");
        // All that fits was asked: another worst case would not fit into what is left.
        let worst = asker.worst(&request("x")).unwrap();
        assert!(spent + worst.cost > limit || paid + worst.cost > cap);
    }
}

#[tokio::test(start_paused = true)]
async fn an_internal_price_is_charged_in_the_world_and_is_no_dollars() {
    let setup = Setup { price: Price { internal: true, ..DEAR }, ..Setup::texts(&["x"]) };
    let asker = setup.asker(TapeMode::Auto).with_budget(Some(1), 0).with_cap(Some(1));
    let told = ask(&asker, "a", "x").await.unwrap();
    assert_eq!(told.spent().cost, 10 + 2, "10 tokens at 1 and 1 token at 2");
    assert_eq!(asker.spent(), (0, 0));
}

/// Looks that are answered by a function, and an account that can run out.
struct World {
    left: u64,
    held: Vec<u64>,
    settled: Vec<Spent>,
}

struct Answers;

impl Looker for Answers {
    fn look<'a>(&'a mut self, looks: &'a [Look]) -> Later<'a, Vec<Value>> {
        let answers = looks.iter().map(|look| match &look.op {
            Ok(action) => json!({ "result": format!("{}!", action.ops[0].op.kind()) }),
            Err(refusal) => json!({ "error": refusal.to_json() }),
        });
        Box::pin(std::future::ready(answers.collect()))
    }
}

impl Purse for World {
    fn hold(&mut self, worst: &Spent) -> Result<(), Refusal> {
        if worst.cost > self.left {
            return Err(Refusal::new(Code::InsufficientResource, "too little `llm_budget`"));
        }
        self.left -= worst.cost;
        self.held.push(worst.cost);
        Ok(())
    }

    fn release(&mut self, worst: &Spent) {
        assert_eq!(self.held.pop(), Some(worst.cost));
        self.left += worst.cost;
    }

    fn settle(&mut self, worst: &Spent, told: &Told) {
        assert_eq!(self.held.pop(), Some(worst.cost));
        assert!(told.spent().cost <= worst.cost);
        self.left += worst.cost - told.spent().cost;
        self.settled.push(told.spent());
    }
}

async fn turn_with(asker: &Asker, left: u64) -> (Turned, World) {
    let mut world = World { left, held: Vec::new(), settled: Vec::new() };
    let turn = Turn { agent: "a".into(), seq: 9, request: request("what now?") };
    let turned = asker.turn(turn, &mut world, &mut Answers).await.unwrap();
    assert!(world.held.is_empty(), "all that was held is settled");
    (turned, world)
}

async fn turn(texts: &'static [&'static str]) -> Turned {
    turn_with(&Setup::texts(texts).asker(TapeMode::Auto), u64::MAX).await.0
}

fn purposes(turned: &Turned) -> Vec<&'static str> {
    turned.told.iter().map(|told| told.row.purpose.as_str()).collect()
}

const LOOK: &str =
    r#"{"think":"I look","looks":[{"op":"read","artifact":"tool"},{"op":"transfer","to":"b","amount":1}]}"#;
const ACT: &str = r#"{"think":"I act","ops":[{"op":"transfer","to":"b","amount":1}]}"#;

#[tokio::test(start_paused = true)]
async fn a_turn_looks_is_repaired_once_and_decides() {
    let turned = turn(&[ACT]).await;
    let End::Decided(Wish::Act(wanted)) = &turned.end else { panic!("{:?}", turned.end) };
    assert_eq!(wanted.written, json!([{ "op": "transfer", "to": "b", "amount": 1 }]));
    assert_eq!((turned.think.as_deref(), purposes(&turned)), (Some("I act"), vec!["step"]));

    let turned = turn(&[LOOK, "Hm.", ACT]).await;
    assert!(matches!(turned.end, End::Decided(Wish::Act(_))));
    assert_eq!(purposes(&turned), ["step", "step", "repair"]);
    assert_eq!(turned.looks.len(), 2);
    assert_eq!(turned.looks[0].1, json!({ "result": "read!" }));
    assert!(turned.looks[1].1["error"]["hint"].as_str().unwrap().contains("as an action"));
    let last = &turned.told[2].row.request;
    for part in [
        "Your looks:",
        "read!",
        "You may look 2 more times",
        "Your answer can't be used",
        "one whole JSON object",
    ] {
        assert!(last.contains(part), "{part} is missing in {last}");
    }

    let turned = turn(&["Hm.", "Hm, hm."]).await;
    let End::Malformed(refusal) = &turned.end else { panic!("{:?}", turned.end) };
    assert!(refusal.message.contains("no JSON object") && refusal.hint.is_some());
    assert_eq!(purposes(&turned), ["step", "repair"]);

    // Four looks are all: the fifth is a mistake to repair.
    let turned = turn(&[LOOK, LOOK, LOOK, r#"{"ops":[]}"#]).await;
    assert_eq!(turned.end, End::Decided(Wish::Nothing));
    assert_eq!((purposes(&turned), turned.looks.len()), (vec!["step", "step", "step", "repair"], 4));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_is_repaired_or_fails_by_its_length() {
    let cut = |text: &'static str| Ok(Answer { stop: Stop::Length, ..answer(text) });
    let setup = Setup::new(move |n, _| if n == 0 { cut("{\"think\":\"so lo") } else { Ok(answer(ACT)) });
    let (turned, _) = turn_with(&setup.asker(TapeMode::Auto), u64::MAX).await;
    assert!(matches!(turned.end, End::Decided(Wish::Act(_))));
    assert!(turned.told[1].row.request.contains("It was cut at 100 tokens"));
    let setup = Setup::new(move |_, _| cut("{\"think\":\"so lo"));
    let (turned, _) = turn_with(&setup.asker(TapeMode::Auto), u64::MAX).await;
    assert!(matches!(turned.end, End::Failed { kind: FailureKind::Length, .. }), "{:?}", turned.end);
    // The reason was wrong: the answer is whole.
    let setup = Setup::new(move |_, _| cut(ACT));
    let (turned, _) = turn_with(&setup.asker(TapeMode::Auto), u64::MAX).await;
    assert!(matches!(turned.end, End::Decided(Wish::Act(_))));
    // It was told as complete, and is not.
    let turned = turn(&["{\"think\":\"so lo", ACT]).await;
    assert_eq!(purposes(&turned), ["step", "repair"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_an_empty_purse_end_a_turn() {
    let setup = Setup::new(|_, _| Err(Failure::new(FailureKind::Refused, "`fake` declined to answer")));
    let (turned, world) = turn_with(&setup.asker(TapeMode::Auto), u64::MAX).await;
    assert_eq!(
        turned.end,
        End::Failed { kind: FailureKind::Refused, sentence: "`fake` declined to answer".into() }
    );
    assert_eq!(world.settled, [Spent::default()]);

    let setup = Setup::texts(&[LOOK]);
    let asker = setup.asker(TapeMode::Auto);
    let worst = asker.worst(&request("what now?")).unwrap().cost;
    let (turned, world) = turn_with(&asker, worst - 1).await;
    assert!(matches!(&turned.end, End::Frozen(refusal) if refusal.code == Code::InsufficientResource));
    assert_eq!((turned.told.len(), world.left, setup.fake.asked()), (0, worst - 1, 0));
    // The second request is longer than the first, and does not fit any more.
    let (turned, _) = turn_with(&asker, worst).await;
    assert!(matches!(turned.end, End::Frozen(_)));
    assert_eq!((turned.told.len(), turned.looks.len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_killed_goes_on_from_its_tape() {
    let texts: &[&str] = &[LOOK, "Hm.", ACT];
    let setup = Setup::texts(&[LOOK, "Hm.", ACT]);
    let (whole, world) = turn_with(&setup.asker(TapeMode::Auto), u64::MAX).await;
    let rows = setup.tape.all();
    for kept in 0..=rows.len() {
        let script = move |n: u64, _: &Request| Ok(answer(texts[usize::try_from(n).unwrap() + kept]));
        let again = Setup { tape: Arc::new(MemoryTape::new(rows[..kept].to_vec())), ..Setup::new(script) };
        let (turned, paid) = turn_with(&again.asker(TapeMode::Auto), u64::MAX).await;
        assert_eq!((&turned.end, &turned.think, &turned.looks), (&whole.end, &whole.think, &whole.looks));
        assert_eq!(paid.settled, world.settled, "the world is charged the same");
        assert_eq!(again.fake.asked(), (rows.len() - kept) as u64, "what was answered is not asked again");
        let hashes = |rows: &[Taped]| rows.iter().map(|row| (row.hash, row.n)).collect::<Vec<_>>();
        assert_eq!(hashes(&again.tape.all()), hashes(&rows));
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_had_to_stop_is_taken_again_in_the_same_process() {
    let setup = Setup::new(|n, _| match n {
        0 => Ok(answer(LOOK)),
        1 => Err(Failure::new(FailureKind::Auth, "the key has run out")),
        _ => Ok(answer(ACT)),
    });
    let asker = setup.asker(TapeMode::Auto);
    let mut world = World { left: 1_000_000, held: Vec::new(), settled: Vec::new() };
    let turn = || Turn { agent: "a".into(), seq: 9, request: request("what now?") };
    assert!(asker.turn(turn(), &mut world, &mut Answers).await.is_err());
    assert!(world.held.is_empty() && world.settled.len() == 1, "what nothing came of is given back");
    let turned = asker.turn(turn(), &mut world, &mut Answers).await.unwrap();
    assert!(matches!(turned.end, End::Decided(Wish::Act(_))));
    assert_eq!(
        turned.told.iter().map(|told| (told.row.n, told.is_replayed)).collect::<Vec<_>>(),
        [(0, true), (0, false)]
    );
    assert_eq!(setup.fake.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_agents_keep_two_hundred_places_busy() {
    let busy = Arc::new(Mutex::new(Duration::ZERO));
    let counted = busy.clone();
    let latency = Duration::from_secs(2);
    let mut setup = Setup::new(move |_, _| {
        *counted.lock().unwrap() += latency;
        Ok(answer(r#"{"ops":[]}"#))
    });
    setup.in_flight = 200;
    let asker = Arc::new(setup.asker(TapeMode::Auto));
    let (begin, rounds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..1_000)
        .map(|at| {
            let (asker, rounds) = (asker.clone(), rounds.clone());
            tokio::spawn(async move {
                ask(&asker, &format!("agent-{at}"), "x").await.unwrap();
                rounds.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((rounds.load(Ordering::SeqCst), setup.fake.in_flight_max()), (1_000, 200));
    let share = busy.lock().unwrap().as_secs_f64() / (200.0 * begin.elapsed().as_secs_f64());
    assert!(share >= 0.95, "the places are busy {:.1} % of the time", share * 100.0);
}
