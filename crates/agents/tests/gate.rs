//! The gate before a provider, on a clock that stands until somebody waits: attempts, pauses, limits, the breaker.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oikos_agents::{
    Billed, Failure, FailureKind, Gate, Limits, Message, ModelName, Outcome, Provider, Rates, Request, Role,
    fake::{Fake, Scripted, answer},
};
use tokio::time::Instant;

fn request() -> Request {
    Request {
        model: ModelName::parse("fake::m").unwrap(),
        messages: vec![Message::new(Role::User, "?")],
        schema: None,
        max_output_tokens: 100,
        temperature: None,
        seed: None,
    }
}

fn limits(in_flight: usize) -> Limits {
    Limits { in_flight, rates: Rates::default() }
}

fn fail(kind: FailureKind) -> Outcome {
    Err(Failure::new(kind, "as scripted"))
}

/// A gate before a script; the provider is given too, to be counted.
fn gate(limits: Limits, script: impl Fn(u64) -> Outcome + Send + Sync + 'static) -> (Arc<Gate>, Arc<Fake>) {
    let fake =
        Arc::new(Fake::new(move |n, _| Scripted { latency: Duration::from_secs(1), outcome: script(n) }));
    (Arc::new(Gate::new("fake", fake.clone(), limits)), fake)
}

/// Asks so many times at once; gives the outcomes and when each came, in milliseconds.
async fn ask_all(gate: &Arc<Gate>, count: usize) -> Vec<(Outcome, u128)> {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(async move { (gate.ask(&request()).await, begin.elapsed().as_millis()) })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_asked_again_and_what_does_not_is_not() {
    use FailureKind::{Auth, Invalid, Length, Network, RateLimited, Refused, Server, Timeout};
    for (kind, attempts) in [
        (RateLimited, 5),
        (Timeout, 5),
        (Server, 5),
        (Network, 5),
        (Auth, 1),
        (Refused, 1),
        (Length, 1),
        (Invalid, 1),
    ] {
        let (gate, fake) = gate(limits(1), move |_| fail(kind));
        assert_eq!(gate.ask(&request()).await.unwrap_err().kind, kind);
        assert_eq!(fake.asked(), attempts, "{kind}");
    }
    let (gate, fake) =
        gate(limits(1), |n| if n < 3 { fail(FailureKind::Server) } else { Ok(answer("at last")) });
    assert_eq!(gate.ask(&request()).await.unwrap().text, "at last");
    assert_eq!(fake.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_billed_is_never_asked_twice() {
    for kind in [FailureKind::Timeout, FailureKind::Network, FailureKind::Server] {
        let (gate, fake) = gate(limits(1), move |_| Err(Failure::new(kind, "cut").maybe_billed()));
        assert_eq!(gate.ask(&request()).await.unwrap_err().billed, Billed::Unknown);
        assert_eq!(fake.asked(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_left_alone_for_as_long_as_it_says() {
    let begin = Instant::now();
    let came: Arc<Mutex<Vec<u128>>> = Arc::default();
    let log = came.clone();
    let fake = Fake::new(move |n, _| {
        log.lock().unwrap().push(begin.elapsed().as_millis());
        let wait = Failure {
            retry_after: Some(Duration::from_secs(40)),
            ..Failure::new(FailureKind::RateLimited, "")
        };
        Scripted { latency: Duration::ZERO, outcome: if n == 0 { Err(wait) } else { Ok(answer("now")) } }
    });
    let gate = Arc::new(Gate::new("fake", Arc::new(fake), limits(4)));
    let outcomes = ask_all(&gate, 3).await;
    assert!(outcomes.iter().all(|(outcome, _)| outcome.is_ok()));
    let came = came.lock().unwrap().clone();
    assert_eq!(came.len(), 4);
    assert!(came[1..].iter().all(|at| *at >= 40_000), "the others wait too: {came:?}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_wants_too_much_patience_fails_at_once() {
    let (gate, fake) = gate(limits(1), |_| {
        let wait = Some(Duration::from_secs(3_600));
        Err(Failure { retry_after: wait, ..Failure::new(FailureKind::RateLimited, "") })
    });
    assert_eq!(gate.ask(&request()).await.unwrap_err().kind, FailureKind::RateLimited);
    assert_eq!(fake.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_asked_at_once_than_the_limit() {
    let (gate, fake) = gate(limits(7), |_| Ok(answer("x")));
    let outcomes = ask_all(&gate, 70).await;
    assert!(outcomes.iter().all(|(outcome, _)| outcome.is_ok()));
    assert_eq!(fake.in_flight_max(), 7);
}

#[tokio::test(start_paused = true)]
async fn requests_and_tokens_are_spread_over_the_minute() {
    let rates = Rates { requests_per_minute: Some(60), tokens_per_minute: None };
    let (gate, _) = gate(Limits { in_flight: 100, rates }, |_| Ok(answer("x")));
    let mut ends: Vec<u128> = ask_all(&gate, 10).await.into_iter().map(|(_, at)| at).collect();
    ends.sort_unstable();
    assert!(ends.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "{ends:?}");

    // Each answer is billed 11 tokens; 660 in a minute are 11 in a second, once the bills are known.
    let rates = Rates { requests_per_minute: None, tokens_per_minute: Some(660) };
    let (gate, _) = self::gate(Limits { in_flight: 1, rates }, |_| Ok(answer("x")));
    let begin = Instant::now();
    for _ in 0..30 {
        gate.ask(&request()).await.unwrap();
    }
    assert!(begin.elapsed() >= Duration::from_secs(29), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_only_fails_is_left_alone_then_tried_once() {
    let begin = Instant::now();
    let (gate, fake) = gate(limits(50), move |_| {
        if begin.elapsed() < Duration::from_secs(600) {
            fail(FailureKind::Server)
        } else {
            Ok(answer("back"))
        }
    });
    for _ in 0..2 {
        gate.ask(&request()).await.unwrap_err();
    }
    assert_eq!(fake.asked(), 10, "the breaker opens");
    let mut told = 0;
    for _ in 0..20 {
        let failure = gate.ask(&request()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Server);
        told += u32::from(failure.sentence.contains("left alone"));
    }
    assert!(told > 0, "nobody was told why nobody was asked");
    assert!(fake.asked() < 25, "few probes: {}", fake.asked());
    tokio::time::sleep(Duration::from_secs(1_200)).await;
    assert_eq!(gate.ask(&request()).await.unwrap().text, "back");
    assert_eq!(gate.ask(&request()).await.unwrap().text, "back");
}

#[tokio::test(start_paused = true)]
async fn an_answer_closes_the_breaker_and_a_no_does_not_open_it() {
    let (gate, fake) = gate(limits(1), |_| fail(FailureKind::Refused));
    for _ in 0..40 {
        gate.ask(&request()).await.unwrap_err();
    }
    assert_eq!(fake.asked(), 40);
    let (gate, fake) =
        self::gate(limits(1), |n| if n % 5 == 4 { Ok(answer("x")) } else { fail(FailureKind::Network) });
    for _ in 0..20 {
        assert!(gate.ask(&request()).await.is_ok());
    }
    assert_eq!(fake.asked(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_leaves_its_place() {
    let (gate, _) = gate(limits(1), |_| Ok(answer("x")));
    let hasty = tokio::time::timeout(Duration::from_millis(10), gate.ask(&request())).await;
    assert!(hasty.is_err());
    assert!(gate.ask(&request()).await.is_ok());
}
