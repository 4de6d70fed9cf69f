//! A world that is served: who may ask for what, what comes of it, and what is on disk when somebody is told.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[cfg(unix)]
#[path = "served/files.rs"]
mod files;
#[path = "served/forms.rs"]
mod forms;
#[path = "served/people.rs"]
mod people;
mod served;

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use oikos_runner::{Journal, kernel::record::Cause, verify};
use oikos_server::{BODY_BYTES_MAX, ROUTES, Rank, Verb};
use serde_json::{Value, json};

use self::served::{SHOP, oikos, serve, transfer};

/// A world in which a client decides for alice.
const CLIENT: &str = r#"
[world]
name = "client"

[execution]
ticks = 2

[[agents]]
id = "alice"
scrip = 10
mind = "external"

[[agents]]
id = "bob"
code = "def step(observation): return None"
"#;

#[test]
fn each_route_is_for_its_ranks_alone() {
    let shop = serve(SHOP, &["--paused"]);
    let seat = shop.token(&["--as", "alice"]);
    let operator = shop.token(&["--operator"]);
    let mut wrong = Vec::new();
    for route in ROUTES {
        let id = if route.path.contains("agents") { "alice" } else { "page" };
        let path = route.path.replace("{id}", id).replace("{seq}", "1");
        let waits = route.fields.iter().any(|field| field.name == "wait");
        let of = if path.ends_with("/observe") { "?of=alice" } else { "" };
        let path = if waits { format!("{path}?wait=0s") } else { format!("{path}{of}") };
        for rank in Rank::ALL {
            let token = match rank {
                Rank::Stranger => None,
                Rank::Observer => Some(&shop.observer),
                Rank::Seat => Some(&seat),
                Rank::Operator => Some(&operator),
            };
            let bearer = token.map(|token| format!("Bearer {token}"));
            let headers: Vec<(&str, &str)> =
                bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
            let body: &[u8] = if route.body.is_some() { b"{}" } else { b"" };
            let path = if rank == Rank::Seat { path.replace("?of=alice", "") } else { path.clone() };
            let answer = shop.request(route.method.word(), &path, &headers, body);
            let is_fine = match (route.ranks.contains(&rank), rank) {
                // An empty object is no action, query or fork, which is told to those who may make one; and none is
                // in the midst of a session.
                (true, _) => {
                    let needs_more = route.body.is_some() || route.path == "/mcp";
                    [200, 202, 204].contains(&answer.status) || (answer.status == 400 && needs_more)
                }
                (false, Rank::Stranger) => answer.status == 401,
                (false, _) => answer.status == 403,
            };
            if !is_fine {
                wrong.push(format!("{route:?} {}: {} {}", rank.word(), answer.status, answer.body));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A path that is none tells a stranger nothing either.
    assert_eq!(shop.request("GET", "/nothing", &[], b"").status, 401);
    assert_eq!(shop.request("GET", "/healthz", &[], b"").body, "ok\n");
    assert_eq!(shop.get(&shop.observer, "/nothing").status, 404);
    assert_eq!(shop.post(&shop.observer, "/api/v1/world", "").status, 405);
    assert!(ROUTES.iter().any(|route| route.method == Verb::Post));
}

#[test]
fn a_seat_acts_as_its_principal_once() {
    let shop = serve(SHOP, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let bob = shop.token(&["--as", "bob"]);
    let done = shop.post(&alice, "/api/v1/act", &transfer(5));
    assert_eq!((done.status, &done.json()["ok"]), (200, &json!(true)), "{}", done.body);
    assert_eq!(done.header("oikos-seq"), Some(done.json()["seq"].to_string().as_str()));
    // Its name may be given, and no other.
    let named = r#"{"as": "alice", "op": "noop"}"#;
    assert_eq!(shop.post(&alice, "/api/v1/act", named).status, 200);
    let other = shop.post(&bob, "/api/v1/act", named);
    assert_eq!((other.status, &other.json()["code"]), (403, &json!("permission_denied")));
    // A refusal by the world is an answer.
    let poor = shop.post(&bob, "/api/v1/act", r#"{"op": "transfer", "to": "alice", "amount": 500}"#);
    assert_eq!(
        (poor.status, &poor.json()["error"]["code"]),
        (200, &json!("insufficient_scrip")),
        "{}",
        poor.body
    );
    // A repeat is the same action; another one is none.
    let bearer = format!("Bearer {alice}");
    let keyed = |body: &str| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k-1")];
        shop.request("POST", "/api/v1/act", &headers, body.as_bytes())
    };
    let first = keyed(&transfer(7)).json();
    assert_eq!(first["ok"], true, "{first}");
    assert_eq!(keyed(&transfer(7)).json()["seq"], first["seq"]);
    assert_eq!(keyed(&transfer(8)).json()["error"]["code"], "conflict");
    let list = format!(r#"{{"ops": [{}, {{"op": "noop"}}]}}"#, transfer(1));
    assert_eq!(keyed(&list).json()["error"]["code"], "conflict");
    let both = r#"{"op": "noop", "action_id": "k-2"}"#;
    assert_eq!(keyed(both).status, 400);
    let balances = shop.post(&bob, "/api/v1/query", r#"{"what": "balance", "of": "bob"}"#);
    assert_eq!(balances.json()["result"], 12, "{}", balances.body);
    // A look holds all that was told before.
    let row = shop.get(&shop.observer, "/api/v1/agents/bob").json();
    assert_eq!((&row["scrip"], &row["id"]), (&json!(12), &json!("bob")), "{row}");
}

#[test]
fn what_is_no_request_is_told_and_changes_nothing() {
    let shop = serve(SHOP, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let operator = shop.token(&["--operator"]);
    let before = shop.get(&alice, "/api/v1/world").json()["seq"].clone();
    let deep =
        format!(r#"{{"op": "store", "key": "k", "value": {}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let mut wrong = Vec::new();
    let (act, query, decide, run) = ("/api/v1/act", "/api/v1/query", "/api/v1/decide", "/api/v1/run");
    for (token, path, body, part) in [
        (&alice, act, "", "empty"),
        (&alice, act, "   ", "empty"),
        (&alice, act, "{", "not JSON"),
        (&alice, act, "[]", "JSON object"),
        (&alice, act, "null", "JSON object"),
        (&alice, act, "{}", "op"),
        (&alice, act, r#"{"op": "nop"}"#, "noop"),
        (&alice, act, r#"{"op": 1}"#, "op"),
        (&alice, act, r#"{"op": "transfer", "to": "bob", "amount": 1, "amuont": 2}"#, "amuont"),
        (&alice, act, r#"{"op": "transfer", "to": "bob", "amount": "1"}"#, "amount"),
        (&alice, act, r#"{"op": "transfer", "to": "bob", "amount": -1}"#, "amount"),
        (&alice, act, r#"{"op": "transfer", "to": "bob", "amount": 1e400}"#, "amount"),
        (&alice, act, r#"{"op": "transfer", "to": "bob", "amount": 99999999999999999999}"#, "amount"),
        (&alice, act, r#"{"op": "noop", "op": "noop"}"#, "op"),
        (&alice, act, r#"{"op": "store", "key": "\ud800", "value": 1}"#, "surrogate"),
        (&alice, act, r#"{"\ud800": "noop"}"#, "surrogate"),
        (&alice, act, r#"{"op": "noop", "ops": []}"#, "ops"),
        (&alice, act, r#"{"ops": 1}"#, "ops"),
        (&alice, act, &deep, "deep"),
        (&alice, query, "", "empty"),
        (&alice, query, r#"{"what": "everything"}"#, "what"),
        (&alice, query, r#"{"what": "balances", "sample": 3, "x": 1}"#, "x"),
        (&alice, query, r#"{"what": "balances", "max_spend": 3}"#, "max_spend"),
        (&alice, decide, "{}", "ops"),
        (&alice, decide, r#"{"ops": 1}"#, "ops"),
        (&alice, decide, r#"{"ops": [{"op": "nop"}]}"#, "noop"),
        (&operator, run, r#"{"ticks": -1}"#, "run"),
        (&operator, run, r#"{"ticks": 1, "for": "1s"}"#, "run"),
        (&operator, run, r#"{"until": "yesterday"}"#, "run"),
        (&operator, run, r#"{"until": "17"}"#, "until"),
        (&operator, "/api/v1/speed", r#"{"speed": 0}"#, "speed"),
        (&operator, "/api/v1/speed", r#"{"sped": 1}"#, "sped"),
        (&operator, "/api/v1/fork", r#"{"at": "tick:0"}"#, "to"),
        (&operator, "/api/v1/fork", r#"{"at": "tick:0", "to": "../evil"}"#, "to"),
        (&operator, "/api/v1/fork", r#"{"at": "tick:0", "to": "x", "set": 1}"#, "set"),
        (&operator, "/api/v1/pause", "{}", "no body"),
    ] {
        let answer = shop.post(token, path, body);
        let told = answer.json();
        let is_problem = answer.status == 400
            && answer.header("content-type") == Some("application/problem+json")
            && (&told["status"], &told["code"]) == (&json!(400), &json!("invalid_argument"))
            && format!("{}{}", told["detail"], told["hint"]).contains(part);
        if !is_problem {
            wrong.push(format!("{path} {body:.80}: {} {told}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (path, part) in [
        ("/api/v1/agents?limit=x", "limit"),
        ("/api/v1/agents?limit=1001", "limit"),
        ("/api/v1/agents?limti=1", "did you mean `limit`"),
        ("/api/v1/agents?limit=1&limit=2", "twice"),
        ("/api/v1/events?since=x", "since"),
        ("/api/v1/events?type=transfre", "did you mean `transfer`"),
        ("/api/v1/world?at=never", "at"),
        ("/api/v1/turn?wait=2h", "wait"),
    ] {
        let answer = shop.get(&alice, path);
        assert!(
            answer.status == 400 && answer.body.contains(part),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    for (path, status) in
        [("/api/v1/agents/nobody", 404), ("/api/v1/world?at=9999", 404), ("/api/v1/world?at=1", 404)]
    {
        // Before the record that founds them nobody is there, not even the principal of this token.
        let answer = shop.get(&alice, path);
        let is_there = path.ends_with("at=1") && answer.status == 200;
        assert!(answer.status == status || is_there, "{path}: {}", answer.body);
    }
    // A body that is too long is refused before it is read, and after.
    let length = BODY_BYTES_MAX + 1;
    let head = format!(
        "POST {act} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {alice}\r\nconnection: close\r\n",
        shop.address
    );
    let told = shop.raw(format!("{head}content-length: {length}\r\n\r\n").as_bytes());
    assert_eq!(told.status, 413, "{}", told.body);
    let pieces =
        format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(length));
    assert_eq!(shop.raw(pieces.as_bytes()).status, 413);
    let not_text =
        shop.request("POST", act, &[("authorization", &format!("Bearer {alice}"))], b"{\"op\": \"\xff\"}");
    assert!(not_text.status == 400 && not_text.body.contains("UTF-8"), "{}", not_text.body);
    assert_eq!(shop.get(&alice, "/api/v1/world").json()["seq"], before, "nothing of it left a record");
}

#[test]
fn a_token_that_asks_too_often_is_told_when_to_come_again() {
    let shop = serve(SHOP, &["--paused", "--rate", "2"]);
    let seat = shop.token(&["--as", "alice"]);
    // The rate is that of a second: of so many at once most are refused, however slow this machine is.
    let host = &shop.address;
    let one = format!("GET /api/v1/observe HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {seat}\r\n\r\n");
    let mut text = one.repeat(200);
    text.push_str(&format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", shop.address));
    let mut stream = shop.connect();
    stream.write_all(text.as_bytes()).expect("it listens");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("answers");
    let told: Vec<&str> =
        all.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.split(' ').next()).collect();
    let refused = told.iter().filter(|status| **status == "429").count();
    assert!(refused > 0 && told.len() == 201, "{told:?}");
    assert!(all.to_lowercase().contains("retry-after: 1"), "{all:.2000}");
    // Others are not held up by it.
    assert_eq!(shop.get(&shop.observer, "/api/v1/agents").status, 200);
}

#[test]
fn a_feed_goes_on_where_it_was_cut_off() {
    let shop = serve(SHOP, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    // One reader never reads, and holds up nobody.
    let mut idle = shop.feed(&shop.observer, "/api/v1/events?since=0", None);
    let mut feed = shop.feed(&shop.observer, "/api/v1/events?since=0", None);
    let mut told: Vec<(String, Value)> = Vec::new();
    for round in 1..=5 {
        for _ in 0..20 {
            let two = format!(r#"{{"ops": [{}, {}]}}"#, transfer(1), transfer(2));
            assert_eq!(shop.post(&alice, "/api/v1/act", &two).json()["ok"], true);
        }
        // It is cut off in the midst of a record, too.
        told.extend((0..7 * round).map(|_| feed.next()));
        let last = told.last().map(|(id, _)| id.clone());
        feed = shop.feed(&shop.observer, "/api/v1/events", last.as_deref());
    }
    let page =
        |since: &str| shop.get(&shop.observer, &format!("/api/v1/events?since={since}&limit=7")).json();
    let (mut all, mut since) = (Vec::new(), "0".to_owned());
    loop {
        let page = page(&since);
        let events = page["events"].as_array().expect("events").clone();
        all.extend(events.into_iter().map(|event| (event["id"].as_str().expect("an id").to_owned(), event)));
        since = page["next"].as_str().expect("a place").to_owned();
        if page["more"] == false {
            break;
        }
    }
    assert!(all.len() > 200, "{}", all.len());
    told.extend((told.len()..all.len()).map(|_| feed.next()));
    let late: Vec<String> = (0..all.len()).map(|_| idle.next().0).collect();
    let ids = |lines: &[(String, Value)]| lines.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&told), ids(&all), "nothing is lost, and nothing comes twice");
    assert_eq!(late, ids(&all), "who reads late reads all");
    let distinct: BTreeSet<&String> = all.iter().map(|(id, _)| id).collect();
    assert_eq!(distinct.len(), all.len());
    // A filter leaves the places as they are.
    let transfers = shop.get(&shop.observer, "/api/v1/events?since=0&type=transfer&of=bob&limit=1000").json();
    let transfers = transfers["events"].as_array().expect("events");
    assert!(
        transfers.len() == 200 && transfers.iter().all(|event| all.iter().any(|(id, _)| event["id"] == **id))
    );
}

#[test]
fn many_readers_of_a_world_that_runs_read_every_line_once() {
    let pays = "return {'op': 'transfer', 'to': 'bob', 'amount': 1}";
    let world =
        serve(&SHOP.replace("ticks = 3", "ticks = 200").replacen("return None", pays, 1), &["--paused"]);
    let operator = world.token(&["--operator"]);
    let feed = || world.feed(&world.observer, "/api/v1/events?since=0", None);
    let (mut slow, feeds) = (feed(), (0..24).map(|_| feed()).collect::<Vec<_>>());
    let told: Vec<Vec<String>> = std::thread::scope(|scope| {
        let read = |mut feed: served::Feed| {
            // The last tick's payment is the last line but what ends the run.
            let mut ids = Vec::new();
            let mut payments = 0;
            while payments < 200 {
                let (id, line) = feed.next();
                payments += u32::from(line["type"] == "transfer");
                ids.push(id);
            }
            ids
        };
        let reading: Vec<_> = feeds.into_iter().map(|feed| scope.spawn(move || read(feed))).collect();
        let ran = world.post(&operator, "/api/v1/run?wait=60s", "{}");
        assert_eq!(ran.json()["stopped"], "ticks", "{}", ran.body);
        reading.into_iter().map(|reader| reader.join().expect("no panic")).collect()
    });
    let page = world.get(&world.observer, "/api/v1/events?since=0&limit=1000").json();
    let all = page["events"].as_array().expect("events").iter();
    let all: Vec<String> = all.map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    for ids in told {
        assert_eq!(ids.get(..), all.get(..ids.len()), "each line once, and in order");
    }
    let late: Vec<String> = (0..all.len()).map(|_| slow.next().0).collect();
    assert_eq!(late, all);
}

#[test]
fn a_client_waits_for_its_turn_and_decides() {
    let world = serve(CLIENT, &[]);
    let (alice, bob) = (world.token(&["--as", "alice"]), world.token(&["--as", "bob"]));
    let turn = world.get(&alice, "/api/v1/turn?wait=60s").json();
    assert_eq!((&turn["open"], &turn["observation"]["self"]["scrip"]), (&json!(true), &json!(10)), "{turn}");
    assert_eq!(world.get(&bob, "/api/v1/turn?wait=0s").json()["open"], false);
    let wrong = world.post(&alice, "/api/v1/decide", r#"{"ops": [{"op": "transfer", "to": "bob"}]}"#);
    assert!(wrong.status == 200 && wrong.json()["ok"] == false || wrong.status == 400, "{}", wrong.body);
    let decided = world.post(&alice, "/api/v1/decide", &format!(r#"{{"ops": [{}]}}"#, transfer(4)));
    assert_eq!((decided.status, &decided.json()["pending"]), (202, &json!(true)), "{}", decided.body);
    // The next tick asks again, and what came of the first is known.
    let next = world.get(&alice, "/api/v1/turn?wait=60s").json();
    assert_eq!(next["observation"]["self"]["scrip"], 6, "{next}");
    let nothing = world.post(&alice, "/api/v1/decide", r#"{"ops": null}"#);
    assert_eq!(nothing.status, 202, "{}", nothing.body);
    let operator = world.token(&["--operator"]);
    let ended = world.post(&operator, "/api/v1/run?wait=60s", "");
    assert_eq!(ended.json()["stopped"], "ticks", "{}", ended.body);
    assert_eq!(world.get(&alice, "/api/v1/world").json()["state"], "ended");
    let late = world.post(&alice, "/api/v1/decide", r#"{"ops": null}"#).json();
    assert_eq!(late["error"]["code"], "conflict", "{late}");
}

#[test]
fn an_operator_steers() {
    let shop = serve(SHOP, &["--paused"]);
    let operator = shop.token(&["--operator"]);
    let state = || shop.get(&shop.observer, "/api/v1/world").json();
    assert_eq!((&state()["state"], &state()["tick"]), (&json!("paused"), &Value::Null));
    let ran = shop.post(&operator, "/api/v1/run?wait=60s", r#"{"ticks": 2}"#).json();
    assert_eq!(ran["stopped"], "ticks", "{ran}");
    assert_eq!((&state()["state"], &state()["tick"]), (&json!("paused"), &json!(1)));
    let slow = shop.post(&operator, "/api/v1/speed", r#"{"speed": 0.001}"#).json();
    assert_eq!(slow["speed"], 0.001, "{slow}");
    // A tick is a minute: at that speed the third but one is far away.
    let asked = shop.post(&operator, "/api/v1/run?wait=0s", r#"{"until": "tick:9"}"#);
    assert_eq!((asked.status, &asked.json()["state"]), (202, &json!("running")), "{}", asked.body);
    let paused = shop.post(&operator, "/api/v1/pause", "").json();
    assert_eq!(paused["state"], "paused", "{paused}");
    shop.post(&operator, "/api/v1/speed", r#"{"speed": "max"}"#);
    let ran = shop.post(&operator, "/api/v1/run?wait=60s", r#"{"until": "tick:4"}"#).json();
    assert_eq!(ran["stopped"], "moment", "{ran}");
    assert_eq!(state()["tick"], 4);
    let seat = shop.token(&["--as", "alice"]);
    let then = shop.get(&seat, "/api/v1/world?at=tick:0").json();
    assert_eq!(then["tick"], 0, "{then}");
    let made = shop.post(&operator, "/api/v1/fork", r#"{"at": "tick:1", "to": "other"}"#);
    assert_eq!((made.status, &made.json()["world"]), (201, &json!("other.oikos")), "{}", made.body);
    let again = shop.post(&operator, "/api/v1/fork", r#"{"at": "tick:1", "to": "other"}"#);
    assert_eq!(again.status, 409, "{}", again.body);
    let verified =
        oikos().arg("verify").arg(shop.db.with_file_name("other.oikos")).status().expect("it runs");
    assert!(verified.success());
}

#[test]
fn what_was_acknowledged_is_in_the_journal_however_it_ends() {
    let shop = serve(SHOP, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let stopped = AtomicBool::new(false);
    let told: Vec<(u64, String)> = std::thread::scope(|scope| {
        let (shop, alice, stopped) = (&shop, &alice, &stopped);
        let clients: Vec<_> = (0..8)
            .map(|client| {
                scope.spawn(move || {
                    let mut told = Vec::new();
                    let mut stream = shop.connect();
                    for at in 0.. {
                        let key = format!("{client}-{at}");
                        let body = json!({ "op": "noop" }).to_string();
                        let request = format!(
                            "POST /api/v1/act HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {alice}\r\n\
                             idempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
                            shop.address,
                            body.len()
                        );
                        if stream.write_all(request.as_bytes()).is_err() {
                            return told;
                        }
                        let Some(receipt) = answer_of(&mut stream) else { return told };
                        let seq = receipt["seq"].as_u64().expect("it is done");
                        told.push((seq, key));
                        if told.len() > 40 {
                            stopped.store(true, Ordering::SeqCst);
                        }
                    }
                    told
                })
            })
            .collect();
        while !stopped.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let id = shop.child.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-KILL", &id]).status().expect("kill runs").success()
        );
        clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect()
    });
    let (db, _folder) = shop.kill();
    let journal = Journal::open_read_only(&db).expect("it opens");
    verify(&journal, |_| ()).expect("it is sound");
    let mut kept = BTreeSet::new();
    journal
        .records_while(1, |record| {
            if let Cause::Act { action_id: Some(id), .. } = record.cause {
                kept.insert((record.seq, id));
            }
            true
        })
        .expect("it can be read");
    let lost: Vec<_> = told.iter().filter(|told| !kept.contains(*told)).collect();
    assert!(told.len() > 40 && lost.is_empty(), "{} told, lost: {lost:?}", told.len());
}

/// The receipt that comes next on a connection; nothing if it breaks.
fn answer_of(stream: &mut std::net::TcpStream) -> Option<Value> {
    let (mut all, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            })?;
            if body.len() >= length {
                return serde_json::from_str(body).ok();
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => all.extend_from_slice(&piece[..count]),
        }
    }
}

#[cfg(unix)]
#[test]
fn a_token_is_shown_once_and_known_to_its_bearer_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let shop = serve(SHOP, &["--paused"]);
    let seat = shop.token(&["--as", "alice", "--label", "laptop"]);
    let short = shop.token(&["--observer", "--expires", "1ms"]);
    let file = shop.db.with_file_name("w.oikos.tokens");
    let kept = std::fs::read_to_string(&file).expect("the tokens");
    assert!(!kept.contains(&seat) && kept.contains("laptop"), "{kept}");
    assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(shop.get(&seat, "/api/v1/world").status, 200);
    assert_eq!(shop.get(&short, "/api/v1/world").status, 401, "it has expired");
    for token in ["", "oikos_", "Bearer", &seat[..seat.len() - 1], &format!("{seat}0")] {
        assert_eq!(shop.get(token, "/api/v1/world").status, 401, "{token}");
    }
    let list = |options: &[&str]| {
        let told = oikos().args(["--json", "token"]).arg(&shop.db).args(options).output().expect("it runs");
        String::from_utf8(told.stdout).expect("text")
    };
    let listed = list(&["--list"]);
    assert!(!listed.contains(&seat) && listed.contains("laptop"), "{listed}");
    // A link becomes a cookie, and the token goes from the address.
    let entered = shop.request("GET", &format!("/api/v1/world?at=1&token={seat}"), &[], b"");
    assert_eq!((entered.status, entered.header("location")), (303, Some("/api/v1/world?at=1")));
    let cookie = entered.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.contains("SameSite=Strict") && cookie.contains("HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().expect("its value");
    assert_eq!(shop.request("GET", "/api/v1/world", &[("cookie", cookie)], b"").status, 200);
    // A page of another origin is refused, and a host of another name.
    let noop = br#"{"op": "noop"}"#;
    let with = |more: &[(&str, &str)]| {
        let headers: Vec<_> = [("cookie", cookie)].into_iter().chain(more.iter().copied()).collect();
        shop.request("POST", "/api/v1/act", &headers, noop).status
    };
    let origin = format!("http://{}", shop.address);
    assert_eq!(with(&[]), 403);
    assert_eq!(with(&[("origin", "http://evil.example")]), 403);
    assert_eq!(with(&[("origin", &origin)]), 200);
    let bearer = format!("Bearer {seat}");
    let rebound = [("host", "evil.example"), ("authorization", bearer.as_str())];
    assert_eq!(shop.request("GET", "/api/v1/world", &rebound, b"").status, 403);
    // One that is revoked is worth nothing from then on.
    assert!(list(&["--revoke", "laptop"]).contains("alice"));
    assert_eq!(shop.get(&seat, "/api/v1/world").status, 401);
    // A line that can't be read lets nobody in; nor does a file that others may read.
    let good = shop.token(&["--observer"]);
    assert_eq!(shop.get(&good, "/api/v1/world").status, 200);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert_eq!(shop.get(&good, "/api/v1/world").status, 503);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    std::fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .expect("it is there")
        .write_all(b"nonsense\n")
        .expect("text");
    assert_eq!(shop.get(&good, "/api/v1/world").status, 503);
    assert_eq!(shop.get(&shop.observer, "/api/v1/world").status, 200, "the link's is not in the file");
    let (told, link) = (shop.told.clone(), shop.observer.clone());
    let (code, talk) = shop.interrupt();
    assert_eq!(code, Some(130), "{talk}");
    assert_eq!(told.matches(&link).count(), 1);
    for secret in [&link, &seat, &good] {
        assert!(!talk.contains(secret.as_str()), "{talk}");
    }
}

#[test]
fn what_agents_wrote_is_plain_text() {
    let shop = serve(SHOP, &["--paused"]);
    let content = shop.get(&shop.observer, "/api/v1/artifacts/page/content");
    assert!(content.body.contains("<script>alert(1)</script>"), "{}", content.body);
    assert_eq!(content.header("content-type"), Some("text/plain; charset=utf-8"));
    for path in ["/api/v1/artifacts/page/content", "/api/v1/artifacts/page/code", "/api/v1/world", "/nothing"]
    {
        let answer = shop.get(&shop.observer, path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(!answer.header("content-type").expect("a type").contains("html"), "{path}");
    }
    // A seat reads what the contract lets it read, by the op.
    let bob = shop.token(&["--as", "bob"]);
    assert_eq!(shop.get(&bob, "/api/v1/artifacts/page/content").status, 403);
    assert!(shop.get(&bob, "/api/v1/artifacts/page").json().get("content").is_none());
    assert_eq!(shop.post(&bob, "/api/v1/act", r#"{"op": "read", "artifact": "page"}"#).json()["ok"], true);
}

#[test]
fn people_read_pages_of_the_present_and_of_the_past() {
    let shop = serve(SHOP, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let get = |path: &str| shop.get(&shop.observer, path);
    let before = get("/agents/bob");
    assert_eq!((before.status, before.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(before.body.contains("src=\"/live.js\"") && !before.body.contains("<style"), "{}", before.body);
    let seq = before.header("oikos-seq").expect("a record").to_owned();
    // Something happens, and is there.
    assert_eq!(shop.post(&alice, "/api/v1/act", &transfer(77)).status, 200);
    let after = get("/agents/bob");
    assert!(after.body.contains("77") && !before.body.contains("77"), "{}", after.body);
    // The past is as it was, however often it is looked at, and stays as it is.
    for _ in 0..2 {
        let past = get(&format!("/agents/bob?at={seq}"));
        assert_eq!(past.header("oikos-seq"), Some(seq.as_str()));
        assert!(past.body.contains("This is the past") && !past.body.contains("77"), "{}", past.body);
        assert!(!past.body.contains("<script"), "{}", past.body);
    }
    // A page that there is not is a page too, for people.
    for (path, status) in [
        ("/agents/nowhere", 404),
        ("/agents/%3Cscript%3E", 404),
        ("/artifacts/page?part=strange", 400),
        ("/events?typ=transfer", 400),
        ("/events?type=transfr", 400),
        ("/events/999999", 404),
        ("/?at=record", 400),
        ("/?at=999999", 404),
    ] {
        let answer = get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    // The words of agents stand there as text.
    let text = get("/artifacts/page");
    assert!(text.body.contains("&lt;script&gt;alert(1)") && !text.body.contains("<script>"), "{}", text.body);
    for (path, kind) in [
        ("/style.css", "text/css"),
        ("/live.js", "text/javascript"),
        ("/play.js", "text/javascript"),
        ("/icon.svg", "image/svg"),
    ] {
        let file = get(path);
        assert!(file.header("content-type").is_some_and(|it| it.starts_with(kind)), "{path}");
    }
}

#[test]
fn a_seat_sees_no_more_than_its_principal() {
    let private = SHOP.replace("[execution]", "[privacy]\nbalances = \"own\"\n\n[execution]");
    let shop = serve(&private, &["--paused"]);
    let (alice, bob) = (shop.token(&["--as", "alice"]), shop.token(&["--as", "bob"]));
    shop.post(&alice, "/api/v1/act", &transfer(5));
    shop.post(&alice, "/api/v1/act", r#"{"op": "store", "key": "plan", "value": "secret"}"#);
    let seen = |token: &str, path: &str| shop.get(token, path).body;
    assert!(seen(&bob, "/api/v1/agents/bob").contains("\"scrip\":5"));
    assert!(
        !seen(&bob, "/api/v1/agents/alice").contains("\"scrip\""),
        "{}",
        seen(&bob, "/api/v1/agents/alice")
    );
    assert!(seen(&shop.observer, "/api/v1/agents/alice").contains("\"scrip\":995"));
    for path in ["/api/v1/artifacts/alice", "/api/v1/agents/alice", "/api/v1/events?since=0&limit=1000"] {
        assert!(!seen(&bob, path).contains("secret"), "{path}");
    }
    assert!(seen(&alice, "/api/v1/artifacts/alice").contains("secret"));
    assert_eq!(shop.get(&bob, "/api/v1/series").status, 403);
    let refused = shop.post(&bob, "/api/v1/query", r#"{"what": "balance", "of": "alice"}"#).json();
    assert_eq!(refused["error"]["code"], "permission_denied", "{refused}");
    let told = shop.post(&shop.observer, "/api/v1/query", r#"{"what": "balance", "of": "alice"}"#).json();
    assert_eq!(told["result"], 995, "{told}");
}

#[test]
fn a_door_to_other_machines_needs_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("w.toml");
    std::fs::write(&file, SHOP).expect("a file");
    let db = folder.path().join("w.oikos");
    let told = oikos()
        .arg("serve")
        .arg(&file)
        .arg("--db")
        .arg(&db)
        .args(["--listen", "0.0.0.0:0"])
        .output()
        .expect("the binary runs");
    let talk = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(2), "{talk}");
    assert!(talk.contains("oikos token") && !db.exists(), "{talk}");
}

#[test]
fn the_document_has_the_reference_of_every_route() {
    let document = include_str!("../../../docs/http.md");
    let reference = oikos_server::reference();
    assert!(
        document.contains(reference.trim()),
        "docs/http.md lacks the reference as it is now:\n{reference}"
    );
    let of_many = oikos_server::house_reference();
    assert!(document.contains(of_many.trim()), "docs/http.md lacks the paths of many worlds:\n{of_many}");
    let shown = oikos_server::document();
    for route in ROUTES {
        let at = format!("/paths/{}/{}", route.path.replace('/', "~1"), route.method.word().to_lowercase());
        assert!(shown.pointer(&at).is_some(), "{at}");
    }
}
