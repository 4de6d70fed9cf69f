//! The tests of worlds that are followed and taken over, whatever their journal is kept in.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test uses its part, and fails by panicking"
)]

use std::time::{Duration, Instant};

use oikos_server::{ROUTES, Rank, Route, Verb};
use serde_json::{Value, json};

use super::served::{Answer, Served, transfer};

/// How long something may take before a test says that it never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pays once, under a key.
fn paid(door: &Served, token: &str, key: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
    door.request("POST", "/api/v1/act", &headers, transfer(1).as_bytes())
}

/// Asks until the answer is the one that is waited for.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "it never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn world(door: &Served) -> Value {
    door.get(&door.observer, "/api/v1/world").json()
}

fn scrip(door: &Served, of: &str) -> Value {
    door.get(&door.observer, &format!("/api/v1/agents/{of}")).json()["scrip"].clone()
}

/// Whether a route is for the writer alone: those by which nothing of the world changes are for all.
fn is_of_writer(route: &Route) -> bool {
    match route.method {
        Verb::Get => ["/api/v1/turn", "/mcp"].contains(&route.path),
        Verb::Post => !["/api/v1/query", "/api/v1/fork", "/steer"].contains(&route.path),
        // It ends a session, and there are none.
        Verb::Delete => false,
    }
}

/// A body that a route can read.
fn body_of(path: &str) -> &'static str {
    match path {
        "/api/v1/act" => r#"{"op": "noop"}"#,
        "/api/v1/decide" => r#"{"ops": null}"#,
        "/api/v1/speed" => r#"{"speed": 60}"#,
        "/api/v1/run" => "{}",
        "/mcp" => r#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#,
        "/act" => "op=noop",
        "/ask" => "agent=alice&at=1&question=why",
        _ => "",
    }
}

/// A follower shows what the writer does, and sends those to it who want to do something.
pub(crate) fn shows(writer: Served) {
    let alice = writer.token(&["--as", "alice"]);
    let operator = writer.token(&["--operator"]);
    let follower = writer.beside(&["--follow"]);
    let mut feed = follower.feed(&follower.observer, "/api/v1/events?since=0&type=transfer", None);
    for amount in 1..=20 {
        assert_eq!(writer.post(&alice, "/api/v1/act", &transfer(amount)).status, 200);
        assert_eq!(feed.next().1["amount"], amount);
    }
    assert_eq!(scrip(&follower, "bob"), 210);
    let url = format!("http://{}", writer.address);
    let shown = until(|| Some(world(&follower)).filter(|shown| shown["follows"]["writer"] == url.as_str()));
    assert_eq!(shown["state"], "following");
    assert!(shown["follows"]["behind_ms"].is_u64(), "{shown}");
    assert!(world(&writer).get("follows").is_none());
    for path in ["/", "/agents/alice", "/ledger", "/events", "/market", "/?at=1"] {
        assert_eq!(follower.get(&follower.observer, path).status, 200, "{path}");
    }
    assert!(follower.get(&follower.observer, "/").body.contains("followed, "));
    assert!(follower.get(&follower.observer, "/metrics").body.contains("oikos_world_behind_seconds"));
    let mut sent = 0;
    for route in ROUTES.iter().filter(|route| is_of_writer(route)) {
        let token = if route.ranks.contains(&Rank::Seat) { &alice } else { &operator };
        let body = body_of(route.path).as_bytes();
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = follower.request(route.method.word(), route.path, &headers, body);
        assert_eq!(answer.status, 421, "{route:?}: {}", answer.body);
        assert_eq!(answer.header("location"), Some(format!("{url}{}", route.path).as_str()), "{route:?}");
        sent += 1;
    }
    assert!(sent >= 10, "{sent}");
    // The forms of pages are told the same; a fork changes nothing of this world.
    let steer = |body: &str| follower.post(&operator, "/steer", body);
    assert_eq!(steer("do=run").status, 421);
    assert_eq!(follower.post(&operator, "/api/v1/fork", r#"{"at": "2", "to": "other"}"#).status, 201);
    // Nothing of it reached the world.
    assert_eq!(world(&follower)["seq"], world(&writer)["seq"]);
    let pages = follower.get(&operator, "/").body;
    assert!(pages.contains("Fork") && !pages.contains("value=\"run\""), "{pages}");
    // The writer goes, and comes back elsewhere.
    let (_, folder) = writer.kill();
    let refused =
        until(|| Some(follower.post(&alice, "/api/v1/act", &transfer(1))).filter(|it| it.status == 503));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let back = follower.beside_at(folder.path(), &["--paused"]);
    let told =
        until(|| Some(follower.post(&alice, "/api/v1/act", &transfer(1))).filter(|it| it.status == 421));
    assert_eq!(told.header("location"), Some(format!("http://{}/api/v1/act", back.address).as_str()));
    assert_eq!(back.post(&alice, "/api/v1/act", &transfer(790)).json()["ok"], true);
    assert_eq!(feed.next().1["amount"], 790);
}

/// The writer is killed again and again, and one who stands by takes over: nothing that was acknowledged is lost, and
/// nothing is done twice.
pub(crate) fn takes_over(first: Served, rounds: u32) -> (Served, tempfile::TempDir) {
    let alice = first.token(&["--as", "alice"]);
    let mut feed_id: Option<String> = None;
    let (mut done, mut told) = (0_u64, 0_u64);
    let mut writer = first;
    let mut folder = None;
    for round in 0..rounds {
        let at = folder.as_ref().map(|folder: &tempfile::TempDir| folder.path().to_owned());
        let standby = |writer: &Served| match &at {
            None => writer.beside(&["--standby", "--paused"]),
            Some(at) => writer.beside_at(at, &["--standby", "--paused"]),
        };
        let mut doors = [standby(&writer), standby(&writer)];
        // Nobody reads what they say later: they take over all the same.
        doors.iter_mut().for_each(|door| drop(door.child.stdout.take()));
        let [next, other] = doors;
        for turn in 0..10 {
            let answer = paid(&writer, &alice, &format!("{round}:{turn}"));
            assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)), "{}", answer.body);
            done += 1;
        }
        // A reader goes on at another door after the last line that it read.
        let mut feed = next.feed(&next.observer, "/api/v1/events?since=0&type=transfer", feed_id.as_deref());
        while told < done {
            let (id, line) = feed.next();
            (feed_id, told) = (Some(id), told + 1);
            assert_eq!(line["amount"], 1);
        }
        let (_, ended) = writer.kill();
        folder.get_or_insert(ended);
        // The last action may have been acknowledged, or not: it is repeated, at whichever of the two takes over.
        let key = format!("{round}:9");
        let doors = [next, other];
        let over = until(|| {
            doors.iter().position(|door| {
                let answer = paid(door, &alice, &key);
                assert!([200, 421, 503].contains(&answer.status), "{}", answer.body);
                answer.status == 200
            })
        });
        let [next, other] = doors;
        let (over, other) = if over == 0 { (next, other) } else { (other, next) };
        assert_eq!(scrip(&over, "bob"), done);
        // The other one goes on following.
        let url = format!("http://{}", over.address);
        until(|| Some(world(&other)).filter(|shown| shown["follows"]["writer"] == url.as_str()));
        assert_ne!(world(&over)["state"], "following");
        writer = over;
    }
    (writer, folder.expect("a round"))
}
