//! The gate before a provider, on a clock that stands until somebody waits: attempts, pauses, limits, the breaker.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oikos_agents::{
    Billed, Failure, FailureKind, Gate, Limits, Message, ModelName, Outcome, Provider, Rates, Request, Role,
    Schema, Usage,
    fake::{Fake, Scripted, answer, billed},
};
use serde_json::json;
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
}

/// Limits of tokens and of requests in a minute.
fn paced(in_flight: usize, requests: Option<u32>, tokens: u64) -> Limits {
    let rates = Rates { requests_per_minute: requests, tokens_per_minute: Some(tokens) };
    Limits { in_flight, rates }
}

/// The outcome of a request that is billed so many tokens, nine of ten for its text.
fn bill(tokens: u64) -> Outcome {
    Ok(billed("x", tokens - tokens / 10, tokens / 10))
}

#[tokio::test(start_paused = true)]
async fn tokens_go_out_as_they_flow_in() {
    // 660 in a minute are 11 in a second, beside the store of a minute that is there at the start.
    let (gate, _) = gate(paced(1, None, 660), |_| bill(66));
    let begin = Instant::now();
    let mut used = 0;
    for _ in 0..50 {
        gate.ask(&request()).await.unwrap();
        used += 66;
        let flowed = 660 + 11 * begin.elapsed().as_secs();
        assert!(used <= flowed + 66, "{used} tokens were used of {flowed}");
    }
    let spent = begin.elapsed().as_secs();
    assert!((240..=260).contains(&spent), "50 requests of 66 tokens took {spent} s");
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_the_documents_do_not_slow_small_answers_down() {
    let request = || Request {
        messages: vec![
            Message::new(Role::System, "s".repeat(3_000)),
            Message::new(Role::User, "u".repeat(1_000)),
        ],
        schema: Some(Schema::new(json!({ "description": "d".repeat(17_500) }))),
        max_output_tokens: 600,
        ..request()
    };
    let ends = async |limits| {
        let (gate, fake) = gate(limits, |_| bill(120));
        let begin = Instant::now();
        let agents: Vec<_> = (0..6)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move {
                    let mut ends = Vec::new();
                    for _ in 0..10 {
                        gate.ask(&request()).await.unwrap();
                        ends.push(begin.elapsed().as_millis());
                    }
                    ends
                })
            })
            .collect();
        let mut ends = Vec::new();
        for agent in agents {
            ends.extend(agent.await.unwrap());
        }
        assert_eq!(fake.asked(), 60);
        ends
    };
    let per_minute = Some(60);
    let rates = Rates { requests_per_minute: per_minute, tokens_per_minute: None };
    let unbound = ends(Limits { in_flight: 4, rates }).await;
    assert_eq!(ends(paced(4, per_minute, 100_000)).await, unbound);
    assert_ne!(ends(paced(4, per_minute, 5_000)).await, unbound, "a limit below the need is felt");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_smaller_than_a_request_lets_one_through_at_a_time() {
    // The store is refilled for 66 s after each.
    let (gate, fake) = gate(paced(5, None, 10), |_| bill(11));
    let mut ends: Vec<u128> = ask_all(&gate, 5).await.into_iter().map(|(_, at)| at).collect();
    ends.sort_unstable();
    assert_eq!(fake.in_flight_max(), 1);
    for (at, end) in ends.iter().enumerate() {
        let expected = at as u128 * 67_000 + 1_000;
        assert!(end.abs_diff(expected) <= 10, "{ends:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_hold_what_they_may_take() {
    // Each may take 100, and takes 10: three fit at the start, and more when the first have come back.
    let (gate, fake) = gate(paced(50, None, 350), |_| bill(10));
    let ends: Vec<u128> = ask_all(&gate, 9).await.into_iter().map(|(_, at)| at).collect();
    assert_eq!(fake.in_flight_max(), 3);
    assert!(ends.iter().all(|end| *end < 4_000), "it is given back at the end, not in time: {ends:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_the_tokens_of_its_bill_alone() {
    let refused = |billed| Err(Failure { billed, ..Failure::new(FailureKind::Refused, "no") });
    let counted = |tokens_in, tokens_out| Billed::Counted(Usage { tokens_in, tokens_cached: 0, tokens_out });
    for (name, outcome, tokens) in [
        ("answered and counted", bill(50), 50),
        ("not billed", refused(Billed::Nothing), 0),
        ("not answered and counted", refused(counted(40, 10)), 50),
        ("nobody knows", refused(Billed::Unknown), 100),
    ] {
        // A token flows in each second. A request may take 100, which is more than the store has.
        let (gate, fake) = gate(paced(1, None, 60), move |_| outcome.clone());
        let begin = Instant::now();
        for _ in 0..5 {
            let _ = gate.ask(&request()).await;
        }
        assert_eq!(fake.asked(), 5);
        assert_eq!(begin.elapsed().as_secs(), 4 * (1 + tokens) + 1, "{name}");
    }
    // One that was given up may have been billed.
    let (gate, _) = gate(paced(1, None, 60), |_| bill(50));
    let begin = Instant::now();
    tokio::time::timeout(Duration::from_secs(0), gate.ask(&request())).await.unwrap_err();
    gate.ask(&request()).await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_breaker_stops_takes_no_tokens_and_waits_for_none() {
    let begin = Instant::now();
    let (gate, fake) = gate(paced(1, None, 1), move |_| {
        if begin.elapsed() < Duration::from_secs(300) { fail(FailureKind::Server) } else { bill(50) }
    });
    while fake.asked() < 10 {
        gate.ask(&request()).await.unwrap_err();
    }
    // Nothing was billed, so nothing is waited for but the pauses between the attempts.
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    let mut told = 0;
    for _ in 0..3 {
        let failure = gate.ask(&request()).await.unwrap_err();
        told += u32::from(failure.sentence.contains("left alone"));
    }
    assert!(told > 0 && begin.elapsed() < Duration::from_secs(200), "{told} {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let back = Instant::now();
    gate.ask(&request()).await.unwrap();
    assert_eq!(back.elapsed().as_secs(), 1, "the store is full");
    // The store lacks 50 minutes, of which ten at most hold others up.
    gate.ask(&request()).await.unwrap();
    assert_eq!(back.elapsed().as_secs(), 602);
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
