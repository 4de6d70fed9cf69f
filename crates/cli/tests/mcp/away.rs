//! A world that is served, and entered by MCP: over HTTP, and by a process that a client starts.

use std::process::Stdio;

use serde_json::{Value, json};

use super::{
    TICKS, Talk, hello,
    served::{Answer, Served, oikos, serve},
    told,
};

/// The message of an answer over HTTP: the last of a stream, or the body.
fn spoken(answer: &Answer) -> Value {
    let mut data = answer.body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let last = data.rfind(|text| text.starts_with('{')).unwrap_or(&answer.body);
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {} {}", answer.status, answer.body))
}

#[test]
fn a_served_world_is_entered_with_a_token() {
    let shop = serve(TICKS, &["--paused"]);
    let (alice, bob) = (shop.token(&["--as", "alice"]), shop.token(&["--as", "bob"]));
    let post = |token: &str, session: Option<&str>, body: &str| post_text(&shop, token, session, body);
    let message = |id: u64, method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
    };
    let begun = post(&alice, None, &message(0, "initialize", hello("2025-06-18")));
    assert_eq!(spoken(&begun)["result"]["protocolVersion"], "2025-06-18", "{}", begun.body);
    let session = begun.header("mcp-session-id").expect("a session").to_owned();
    let noted = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    assert_eq!(post(&alice, Some(&session), &noted).status, 202);
    let pay = |id: u64, amount: u64| {
        let arguments = json!({ "to": "till", "amount": amount });
        message(id, "tools/call", json!({ "name": "transfer", "arguments": arguments }))
    };
    let paid = told(&spoken(&post(&alice, Some(&session), &pay(1, 5))));
    assert_eq!((&paid.0["result"]["balance"], paid.1), (&json!(15), false));
    // A call that is repeated is done once.
    assert_eq!(told(&spoken(&post(&alice, Some(&session), &pay(1, 5)))), paid);
    // The session of another's token is none.
    assert_eq!(post(&bob, Some(&session), &pay(1, 5)).status, 404);
    let (no, is_error) = told(&spoken(&post(&alice, Some(&session), &pay(2, 500))));
    assert!(is_error && no["error"]["code"] == "insufficient_scrip", "{no}");
    let flawed = pay(3, 77).replace("77", "99999999999999999999");
    let (no, is_error) = told(&spoken(&post(&alice, Some(&session), &flawed)));
    assert!(is_error && no["error"]["message"].as_str().expect("a text").contains("64 bits"), "{no}");
    for (body, code) in
        [("nonsense", -32700), ("{}", -32600), ("[]", -32600), (r#"{"a": 1, "a": 2}"#, -32700)]
    {
        let no = post(&alice, Some(&session), body);
        assert_eq!((no.status, &spoken(&no)["error"]["code"]), (400, &json!(code)), "{body}: {}", no.body);
    }
    // Without a seat one speaks with nobody.
    assert_eq!(post(&shop.observer, None, &message(0, "initialize", hello("2025-06-18"))).status, 403);
    assert_eq!(shop.request("POST", "/mcp", &[], pay(4, 1).as_bytes()).status, 401);
    let calls = message(5, "tools/call", json!({ "name": "query", "arguments": { "what": "balance" } }));
    assert_eq!(told(&spoken(&post(&alice, Some(&session), &calls))).0["result"], 15);
}

/// A message of the protocol over HTTP.
fn post(shop: &Served, token: &str, session: Option<&str>, message: &Value) -> Answer {
    post_text(shop, token, session, &message.to_string())
}

fn post_text(shop: &Served, token: &str, session: Option<&str>, text: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    headers.extend(session.map(|session| ("mcp-session-id", session)));
    shop.request("POST", "/mcp", &headers, text.as_bytes())
}

/// Begins a session.
fn begin(shop: &Served, token: &str) -> String {
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello("2025-06-18") });
    let begun = post(shop, token, None, &message);
    let session = begun.header("mcp-session-id").expect("a session").to_owned();
    let noted = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(shop, token, Some(&session), &noted).status, 202);
    session
}

/// Bob bakes another loaf, over HTTP.
fn bake(shop: &Served, bob: &str, loaf: &str) {
    let op = json!({ "op": "write", "artifact": "bread", "content": loaf }).to_string();
    let done = shop.post(bob, "/api/v1/act", &op).json();
    assert_eq!(done["ok"], true, "{done}");
}

const BREAD: &str = "oikos://artifact/bread";

#[test]
fn a_session_is_heard_from_and_ends_with_its_client_or_its_token() {
    let shop = serve(TICKS, &["--paused"]);
    let (alice, bob) = (shop.token(&["--as", "alice", "--label", "laptop"]), shop.token(&["--as", "bob"]));
    let session = begin(&shop, &alice);
    let own = [("mcp-session-id", session.as_str())];
    let mut feed = shop.feed_with(&alice, "/mcp", &own);
    let subscribe =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": BREAD } });
    let subscribed = spoken(&post(&shop, &alice, Some(&session), &subscribe));
    assert_eq!(subscribed["result"], json!({}), "{subscribed}");
    for loaf in ["a new loaf", "another"] {
        bake(&shop, &bob, loaf);
        let heard = feed.message().expect("it goes on");
        assert_eq!(heard["method"], "notifications/resources/updated", "{heard}");
        assert_eq!(heard["params"]["uri"], BREAD, "{heard}");
    }
    // Nobody else hears, speaks in it, or ends it.
    let bearer = |token: &str| format!("Bearer {token}");
    let ask = |method: &str, token: &str, session: Option<&str>| {
        let bearer = bearer(token);
        let mut headers = vec![("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        headers.extend(session.map(|session| ("mcp-session-id", session)));
        shop.request(method, "/mcp", &headers, b"").status
    };
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(method, &bob, Some(&session)), 404, "{method}");
        assert_eq!(ask(method, &alice, Some("nonsense")), 404, "{method}");
        assert_eq!(ask(method, &alice, None), 400, "{method}");
        assert_eq!(ask(method, &shop.observer, Some(&session)), 403, "{method}");
    }
    // It ends with its client, and what was open ends.
    assert_eq!(ask("DELETE", &alice, Some(&session)), 204);
    assert_eq!(feed.message(), None);
    assert_eq!(ask("GET", &alice, Some(&session)), 404);
    assert_eq!(post(&shop, &alice, Some(&session), &subscribe).status, 404);
    // And with its token.
    let session = begin(&shop, &alice);
    let mut feed = shop.feed_with(&alice, "/mcp", &[("mcp-session-id", session.as_str())]);
    let revoked = oikos().arg("token").arg(&shop.db).args(["--revoke", "laptop"]).output().expect("it runs");
    assert!(revoked.status.success());
    assert_eq!(feed.message(), None);
    assert_eq!(post(&shop, &alice, Some(&session), &subscribe).status, 401);
}

#[test]
fn feeds_of_the_protocol_count_among_those_of_their_token() {
    let shop = serve(TICKS, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let feeds: Vec<_> = (0..32).map(|_| shop.feed(&alice, "/api/v1/events", None)).collect();
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello("2025-06-18") });
    let no = post(&shop, &alice, None, &message);
    assert!(no.status == 429 && no.body.contains("feeds"), "{} {}", no.status, no.body);
    drop(feeds);
    // Of more sessions than one token may have the oldest ends.
    let first = begin_when_there_is_room(&shop, &alice);
    let rest: Vec<String> = (0..32).map(|_| begin(&shop, &alice)).collect();
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(post(&shop, &alice, Some(&first), &ping).status, 404);
    assert_eq!(post(&shop, &alice, rest.first().map(String::as_str), &ping).status, 200);
}

/// Begins a session, once the server has seen that feeds were left.
fn begin_when_there_is_room(shop: &Served, token: &str) -> String {
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello("2025-06-18") });
    loop {
        let begun = post(shop, token, None, &message);
        if begun.status == 200 {
            return begun.header("mcp-session-id").expect("a session").to_owned();
        }
        assert_eq!(begun.status, 429, "{}", begun.body);
    }
}

/// A client that started a process for a world that is served.
fn enter(shop: &Served, token: &str, version: &str) -> Talk {
    let mut talk =
        Talk::begin(oikos().arg("mcp").arg(&shop.db).args(["--as", "alice"]).env("OIKOS_TOKEN", token));
    let hello = talk.ask("initialize", hello(version));
    assert_eq!(hello["result"]["protocolVersion"], version, "{hello}");
    talk.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    talk
}

#[test]
fn a_process_enters_a_world_that_another_serves() {
    let shop = serve(TICKS, &["--paused"]);
    let (token, bob) = (shop.token(&["--as", "alice"]), shop.token(&["--as", "bob"]));
    let mut alice = enter(&shop, &token, "2025-11-25");
    let tools = alice.ask("tools/list", json!({}));
    assert_eq!(tools["result"]["tools"].as_array().expect("tools").len(), 20);
    assert_eq!(alice.done("observe", json!({}))["self"]["id"], "alice");
    let paid = alice.done("transfer", json!({ "to": "bob", "amount": 5, "resource": null }));
    assert_eq!(paid["result"]["balance"], 15);
    let (no, is_error) = alice.call("invoke", json!({ "artifact": "bread", "max_spend": 2 }));
    assert_eq!((is_error, &no["error"]["code"]), (true, &json!("limit_exceeded")), "{no}");
    let read = alice.ask("resources/read", json!({ "uri": BREAD }));
    assert_eq!(read["result"]["contents"][0]["text"], "a loaf", "{read}");
    let waited = alice.done("wait", json!({ "resource": "scrip", "level": 1 }));
    assert_eq!(waited["ended"]["by"], "level", "{waited}");
    // Calls that come together are done in their order.
    for id in 100..120 {
        alice.say(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
                           "params": { "name": "store", "arguments": { "key": "last", "value": id } } }));
    }
    let mut seqs: Vec<(i64, i64)> = (100..120)
        .map(|_| {
            let answer = alice.hear();
            (told(&answer).0["seq"].as_i64().expect("a record"), answer["id"].as_i64().expect("a number"))
        })
        .collect();
    seqs.sort_unstable();
    assert!(seqs.windows(2).all(|pair| pair[0].1 < pair[1].1), "{seqs:?}");
    // It hears of what it subscribed to.
    assert_eq!(alice.ask("resources/subscribe", json!({ "uri": BREAD }))["result"], json!({}));
    bake(&shop, &bob, "a new loaf");
    assert_eq!(alice.hear()["params"]["uri"], BREAD);
    // Strange lines are answered as by a world of one's own.
    for (line, code) in [
        ("nonsense", -32700),
        ("[]", -32600),
        (r#"{"id": 7, "method": "tools/list"}"#, -32600),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "shutdown"}"#, -32601),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "tools/call"}"#, -32602),
    ] {
        alice.say_bytes(line.as_bytes());
        assert_eq!(alice.hear()["error"]["code"], code, "{line}");
    }
    alice.say_bytes(
        br#"{"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "transfer", "arguments": {"to": "\ud800", "amount": 1}}}"#,
    );
    let (no, is_error) = told(&alice.hear());
    assert!(is_error && no["error"]["message"].as_str().expect("a text").contains("lone surrogate"), "{no}");
    assert_eq!(alice.leave(), (Some(0), String::new()));
    // The last version has no greeting.
    let mut talk = Talk::begin(oikos().arg("mcp").arg(&shop.db).args(["--token", &token]));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = talk.ask("server/discover", json!({ "_meta": meta }));
    assert!(found["result"]["supportedVersions"].is_array(), "{found}");
    let call = json!({ "name": "query", "arguments": { "what": "balance" }, "_meta": meta });
    assert_eq!(told(&talk.ask("tools/call", call)).0["result"], 15);
    let strange = talk.ask("tools/call", json!({ "name": "st\u{e9}al", "arguments": {}, "_meta": meta }));
    assert_eq!(strange["error"]["code"], -32602, "{strange}");
    let listen = json!({ "notifications": { "resourceSubscriptions": [BREAD] }, "_meta": meta });
    talk.say(&json!({ "jsonrpc": "2.0", "id": 50, "method": "subscriptions/listen", "params": listen }));
    let acknowledged = talk.hear();
    assert!(acknowledged["method"].is_string(), "{acknowledged}");
    bake(&shop, &bob, "yet another");
    assert_eq!(talk.hear()["params"]["uri"], BREAD);
    assert_eq!(talk.leave(), (Some(0), String::new()));
}

#[test]
fn a_served_world_that_cannot_be_entered_says_why() {
    let shop = serve(TICKS, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let says = |words: &[&str]| {
        let mut command = oikos();
        command.arg("mcp").arg(&shop.db).args(words).env_remove("OIKOS_TOKEN").stdin(Stdio::null());
        let output = command.output().expect("the binary runs");
        assert!(output.stdout.is_empty(), "standard output is the protocol's");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, talk) = says(&["--as", "alice"]);
    let at = format!("http://{}/mcp", shop.address);
    assert!(code == Some(2) && talk.contains(&at) && talk.contains("OIKOS_TOKEN"), "{talk}");
    let (code, talk) = says(&["--as", "bob", "--token", &alice]);
    assert!(code == Some(2) && talk.contains("`alice`") && !talk.contains(&alice), "{talk}");
    let (code, talk) = says(&["--token", &shop.observer]);
    assert!(code != Some(0) && talk.contains("observer") && !talk.contains(&shop.observer), "{talk}");
    let (code, talk) = says(&["--token", "oikos_nonsense"]);
    assert!(code != Some(0) && talk.contains("token"), "{talk}");
    let (code, talk) = says(&["--token", "two\nlines"]);
    assert!(code != Some(0) && talk.contains("header"), "{talk}");
    assert_eq!(says(&["--token", &alice]), (Some(0), String::new()));
    // It is killed in the midst of a call.
    let mut talk = enter(&shop, &alice, "2025-11-25");
    assert_eq!(talk.done("transfer", json!({ "to": "bob", "amount": 5 }))["ok"], true);
    talk.say(&json!({ "jsonrpc": "2.0", "id": 99, "method": "tools/call",
                      "params": { "name": "wait", "arguments": { "for": "20h" } } }));
    let address = shop.address.clone();
    let (db, _folder) = shop.kill();
    let answer = talk.hear();
    let sentence = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(answer["id"] == 99 && sentence.contains("not served any more"), "{answer}");
    let (code, told) = talk.leave();
    assert!(code == Some(3) && told.contains(&address) && told.contains("not served any more"), "{told}");
    // The payment is there, and the world is entered by itself.
    let mut balance = oikos();
    balance.arg("act").arg(&db).args(["--as", "alice", r#"{"op": "transfer", "to": "bob", "amount": 1}"#]);
    let balance = balance.output().expect("the binary runs");
    assert!(String::from_utf8_lossy(&balance.stdout).contains("\"balance\": 14"), "{balance:?}");
    let mut alone = Talk::begin(oikos().arg("mcp").arg(&db).args(["--as", "alice"]));
    alone.ask("initialize", hello("2025-11-25"));
    assert_eq!(alone.done("query", json!({ "what": "balance" }))["result"], 14);
    assert_eq!(alone.leave(), (Some(0), String::new()));
    let only = oikos().arg("mcp").arg(&db).args(["--token", &alice]).output().expect("the binary runs");
    let talk = String::from_utf8_lossy(&only.stderr);
    assert!(only.status.code() == Some(2) && talk.contains("not being served"), "{talk}");
}
