//! `oikos mcp`: a client that started the process speaks the Model Context Protocol with it, line by line.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "mcp/away.rs"]
mod away;
mod served;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use serde_json::{Value, json};

/// A shop, a customer who pays alice a coin in each tick, and alice, whose mind is a client.
const TICKS: &str = r#"
[world]
name = "shop"

[execution]
mode = "tick"
ticks = 9

[scrip]
start = 20

[resources.disk]
kind = "allocatable"
total = "60 kB"
split = "equal"

[resources.calls]
kind = "renewable"
rate = 20
window = "60s"

[costs]
read = { calls = 1 }
invoke = { calls = 5 }

[[artifacts]]
id = "bread"
owner = "bob"
price = 3
content = "a loaf"
code = "def run(): return 'a loaf'"

[[artifacts]]
id = "diary"
owner = "bob"
content = "dear diary"
access_contract = "genesis_contract_private"

[[artifacts]]
id = "till"
owner = "till"
has_standing = true
resources = { disk = "2 kB" }

[[agents]]
id = "alice"
mind = "external"

[[agents]]
id = "bob"
code = """
def step(observation):
    return {"op": "transfer", "to": "alice", "amount": 1} if observation["tick"] >= 3 else None
"""
"#;

/// The same, each agent by itself.
fn autonomous(clock: &str) -> String {
    let text = TICKS.replace("mode = \"tick\"\nticks = 9", "mode = \"autonomous\"\nduration = \"1h\"");
    let text = text.replace("name = \"shop\"", &format!("name = \"shop\"\nclock = \"{clock}\""));
    text.replace("observation[\"tick\"] >= 3", "observation[\"step\"] >= 3")
}

/// A folder with a world file.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(world: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("shop.toml"), world).expect("a file");
        Self { folder }
    }

    fn db(&self) -> PathBuf {
        self.folder.path().join("shop.oikos")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
        command.args(words).current_dir(self.folder.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// A client that has said hello.
    fn enter(&self, who: &str) -> Talk {
        let world = if self.db().exists() { "shop.oikos" } else { "shop.toml" };
        let mut talk = Talk::begin(&mut self.command(&["mcp", world, "--as", who]));
        let hello = talk.ask("initialize", hello("2025-11-25"));
        assert_eq!(hello["result"]["protocolVersion"], "2025-11-25", "{hello}");
        talk.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        talk
    }
}

fn hello(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } })
}

/// A client's side.
struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    id: u64,
}

impl Talk {
    fn begin(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the binary runs");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, input, output, id: 0 }
    }

    fn say_bytes(&mut self, line: &[u8]) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(line).and_then(|()| input.write_all(b"\n")).expect("it reads");
    }

    fn say(&mut self, message: &Value) {
        self.say_bytes(message.to_string().as_bytes());
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("UTF-8");
        assert!(!line.is_empty(), "it has ended: {}", self.talk_of());
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    fn talk_of(&mut self) -> String {
        let mut talk = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            std::io::Read::read_to_string(&mut errors, &mut talk).expect("UTF-8");
        }
        talk
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let answer = self.hear();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(id)), "{answer}");
        answer
    }

    /// Calls a tool; the structure of its result, and whether it is an error.
    fn call(&mut self, tool: &str, arguments: Value) -> (Value, bool) {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        told(&answer)
    }

    /// Calls a tool that does not refuse.
    fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let (shown, is_error) = self.call(tool, arguments);
        assert!(!is_error, "{tool}: {shown}");
        shown
    }

    /// Ends the talk; the exit code, and what was said on standard error.
    fn leave(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let talk = self.talk_of();
        (self.child.wait().expect("it ends").code(), talk)
    }
}

/// The structure of a result, which its text says too, and whether it is an error.
fn told(answer: &Value) -> (Value, bool) {
    let result = &answer["result"];
    let shown = result["structuredContent"].clone();
    assert!(shown.is_object(), "{answer}");
    let text = result["content"][0]["text"].as_str().expect("a text");
    let is_page = serde_json::from_str::<Value>(text).is_err();
    assert!(is_page || serde_json::from_str::<Value>(text).expect("JSON") == shown, "{answer}");
    (shown, result["isError"].as_bool().expect("it says whether it is one"))
}

fn verify(place: &Place) {
    let verified = place.run(&["verify", "shop.oikos"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

fn count(place: &Place, kind: &str) -> usize {
    let log = place.run(&["log", "shop.oikos", "--type", kind, "--json"]);
    String::from_utf8(log.stdout).expect("UTF-8").lines().count()
}

#[test]
fn a_client_looks_acts_is_refused_and_leaves() {
    let place = Place::new(TICKS);
    let mut alice = place.enter("alice");
    let tools = alice.ask("tools/list", json!({}));
    let tools = tools["result"]["tools"].as_array().expect("tools");
    assert!((15..=20).contains(&tools.len()), "{}", tools.len());
    let seen = alice.done("observe", json!({}));
    assert_eq!((&seen["self"]["id"], &seen["self"]["scrip"]), (&json!("alice"), &json!(20)));
    let pages = alice.done("handbook", json!({}));
    assert!(pages["pages"].as_array().expect("pages").contains(&json!("start")), "{pages}");
    let page = alice.ask("tools/call", json!({ "name": "handbook", "arguments": { "page": "start" } }));
    let text = page["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(text.starts_with("# You and your world"), "{text}");
    // An op is an action: it is charged, and what is absent may be null.
    let paid = alice.done("transfer", json!({ "to": "bob", "amount": 5, "resource": null, "part": null }));
    assert_eq!((&paid["ok"], &paid["result"]["balance"]), (&json!(true), &json!(15)));
    let read = alice.done("read", json!({ "artifact": "bread" }));
    assert_eq!((&read["result"]["content"], &read["charges"][0]["amount"]), (&json!("a loaf"), &json!(1)));
    // The world's no is a result; the same world's yes comes after it.
    let (no, is_error) = alice.call("invoke", json!({ "artifact": "bread", "max_spend": 2 }));
    assert_eq!((is_error, &no["error"]["code"]), (true, &json!("limit_exceeded")), "{no}");
    let bought = alice.done("invoke", json!({ "artifact": "bread", "max_spend": 3 }));
    assert_eq!(bought["payments"][0]["to"], "bob", "{bought}");
    for (tool, arguments, code, says) in [
        ("transfer", json!({ "to": "bob", "amount": 500 }), "insufficient_scrip", "needs 500"),
        ("transfer", json!({ "to": "bob" }), "invalid_argument", "amount"),
        ("transfer", json!({ "to": "bob", "amount": -1 }), "invalid_argument", "amount"),
        ("transfer", json!({ "to": "bob", "amount": 1.5 }), "invalid_argument", "amount"),
        ("transfer", json!({ "to": 7, "amount": 1 }), "invalid_argument", "to"),
        ("transfer", json!({ "to": "bob", "amount": 1, "more": 1 }), "invalid_argument", "more"),
        ("transfer", json!({ "op": "noop", "to": "bob", "amount": 1 }), "invalid_argument", "tool's name"),
        ("transfer", json!({ "to": "nobody", "amount": 1 }), "not_found", "nobody"),
        ("read", json!({ "artifact": "diary" }), "permission_denied", "diary"),
        ("query", json!({ "what": "everything" }), "invalid_argument", "everything"),
        ("observe", json!({ "of": "bob" }), "invalid_argument", "of"),
        ("handbook", json!({ "page": "nothing" }), "not_found", "handbook_nothing"),
        ("handbook", json!({ "page": 5 }), "invalid_argument", "page"),
        ("handbook", json!({ "chapter": "start" }), "invalid_argument", "chapter"),
        ("recall", json!({ "what": "balances" }), "invalid_argument", "what"),
        ("wait", json!({ "for": "soon" }), "invalid_argument", "for"),
        ("wait", json!({ "event": "party" }), "invalid_argument", "party"),
        ("wait", json!({ "level": 5 }), "invalid_argument", "resource"),
        ("sleep", json!({}), "invalid_argument", "something that ends it"),
    ] {
        let (no, is_error) = alice.call(tool, arguments.clone());
        assert!(is_error, "{tool} {arguments}: {no}");
        let told = format!("{} {}", no["error"]["message"], no["error"]["hint"]);
        assert_eq!(no["error"]["code"], code, "{tool} {arguments}: {told}");
        assert!(told.contains(says), "{tool} {arguments}: {told}");
    }
    let own = alice.done("query", json!({ "what": "balance" }));
    assert_eq!(own["result"], 12);
    assert_eq!(alice.leave(), (Some(0), String::new()));
    verify(&place);
}

#[test]
fn a_client_sleeps_until_it_is_paid_and_waits_for_what_it_names() {
    for (world, paid_at) in
        [(TICKS.to_owned(), "2026-01-01T00:03:00.000Z"), (autonomous("virtual"), "2026-01-01T00:00:03.000Z")]
    {
        let place = Place::new(&world);
        let mut alice = place.enter("alice");
        let slept =
            alice.done("sleep", json!({ "event": "transfer", "filter": { "to": "alice" }, "for": "1h" }));
        assert_eq!(slept["ended"]["by"], "event", "{slept}");
        assert_eq!(slept["events"][0]["amount"], 1, "{slept}");
        assert_eq!(slept["events"][0]["time"], paid_at, "{slept}");
        assert_eq!(slept["receipt"]["ok"], true, "{slept}");
        let has = |talk: &mut Talk| talk.done("observe", json!({}))["self"]["scrip"].as_i64();
        assert_eq!(has(&mut alice), Some(21));
        // Nothing has passed while it thought; a wait leaves no sleep behind.
        let waited = alice.done("wait", json!({ "resource": "scrip", "level": 24 }));
        assert_eq!(waited["ended"], json!({ "by": "level", "resource": "scrip" }), "{waited}");
        assert_eq!(has(&mut alice), Some(24));
        let waited = alice.done("wait", json!({ "for": "2m" }));
        assert_eq!(waited["ended"]["by"], "time", "{waited}");
        let waited = alice.done("wait", json!({}));
        assert_eq!(waited["ended"]["by"], "turn", "{waited}");
        // Its turn is open: the sleep is its step.
        let slept = alice.done("sleep", json!({ "for": "5m" }));
        assert_eq!(slept["ended"]["by"], "time", "{slept}");
        assert_eq!(alice.leave(), (Some(0), String::new()));
        assert_eq!(count(&place, "sleep"), 2);
        verify(&place);
    }
}

#[test]
fn who_has_no_loop_waits_too_and_cannot_sleep() {
    let place = Place::new(TICKS);
    let mut till = place.enter("till");
    let seen = till.done("observe", json!({}));
    assert_eq!((&seen["self"]["id"], &seen["self"]["scrip"]), (&json!("till"), &json!(0)));
    let (no, is_error) = till.call("sleep", json!({ "for": "1m" }));
    assert!(is_error && no["error"]["message"].as_str().expect("a text").contains("no loop"), "{no}");
    let (no, _) = till.call("wait", json!({}));
    assert!(no["error"]["message"].as_str().expect("a text").contains("no loop"), "{no}");
    let waited = till.done("wait", json!({ "event": "transfer", "for": "1h" }));
    assert_eq!(waited["ended"]["by"], "event", "{waited}");
    // The transfer was between others.
    assert_eq!(waited["events"], json!([]));
    assert_eq!(till.leave(), (Some(0), String::new()));
}

#[test]
fn strange_lines_are_answered_and_change_nothing() {
    let place = Place::new(TICKS);
    let mut alice = place.enter("alice");
    let call = |id: &str, arguments: &str| {
        format!(
            r#"{{"jsonrpc": "2.0", "id": {id}, "method": "tools/call", "params": {{"name": "transfer", "arguments": {arguments}}}}}"#
        )
    };
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let lines = [
        ("nonsense".to_owned(), -32700, "not JSON"),
        (r#"{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "tools/list"}"#.into(), -32700, "twice"),
        (call("1", &format!("{{\"to\": {deep}}}")), -32700, "too deep"),
        ("x".repeat(3 * 1024 * 1024), -32600, "bytes"),
        ("[]".into(), -32600, "one by one"),
        ("5".into(), -32600, "JSON object"),
        (r#"{"id": 7, "method": "tools/list"}"#.into(), -32600, "jsonrpc"),
        (r#"{"jsonrpc": "2.0", "id": "\ud800", "method": "tools/list"}"#.into(), -32600, "lone surrogate"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "tools/lists"}"#.into(), -32601, "tools/lists"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "shutdown"}"#.into(), -32601, "shutdown"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "tools/call"}"#.into(), -32602, "parameters"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 5}}"#.into(), -32602, "parameters"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "transfer", "arguments": []}}"#.into(), -32602, "parameters"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "steal"}}"#.into(), -32602, "no tool"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}"#.into(), -32002, "no resource"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {}}"#.into(), -32602, "parameters"),
        (r#"{"jsonrpc": "2.0", "id": 7, "method": "prompts/get", "params": {"name": "x"}}"#.into(), -32601, "prompts/get"),
    ];
    for (line, code, says) in lines {
        let shown: String = line.chars().take(120).collect();
        alice.say_bytes(line.as_bytes());
        let answer = alice.hear();
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        assert!(answer["error"]["message"].as_str().expect("a text").contains(says), "{shown}: {answer}");
    }
    alice.say_bytes(b"\xff\xfe");
    assert_eq!(alice.hear()["error"]["code"], -32700);
    // No line, and what is no request and no answer to one, means nothing.
    for line in [
        "",
        "  ",
        r#"{"jsonrpc": "2.0", "method": "notifications/strange"}"#,
        r#"{"jsonrpc": "2.0", "id": 9, "result": {}}"#,
    ] {
        alice.say_bytes(line.as_bytes());
    }
    // A thing that no world can hold is refused as an action is, and its place is named.
    for (arguments, says) in [
        (r#"{"to": "\ud800", "amount": 1}"#, "lone surrogate"),
        (r#"{"to": "bob", "amount": 99999999999999999999}"#, "beyond 64 bits"),
        (r#"{"to": "bob", "amount": 1e999}"#, "beyond what a float"),
    ] {
        alice.say_bytes(call("8", arguments).as_bytes());
        let (no, is_error) = told(&alice.hear());
        assert!(is_error && no["error"]["message"].as_str().expect("a text").contains(says), "{no}");
    }
    assert_eq!(alice.done("query", json!({ "what": "balance" }))["result"], 20);
    assert_eq!(alice.leave(), (Some(0), String::new()));
    assert_eq!(count(&place, "transfer"), 0);
}

#[test]
fn the_versions_of_the_protocol_from_the_first_to_the_last() {
    let place = Place::new(TICKS);
    for (asked, spoken) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let world = if place.db().exists() { "shop.oikos" } else { "shop.toml" };
        let mut talk = Talk::begin(&mut place.command(&["mcp", world, "--as", "alice"]));
        let hello = talk.ask("initialize", hello(asked));
        assert_eq!(hello["result"]["protocolVersion"], spoken, "{hello}");
        assert_eq!(hello["result"]["serverInfo"]["name"], "oikos");
        assert!(hello["result"]["instructions"].as_str().expect("a text").contains("`alice`"), "{hello}");
        assert_eq!(talk.ask("ping", json!({}))["result"], json!({}));
        assert_eq!(talk.done("query", json!({ "what": "supply" }))["result"], 40);
        assert_eq!(talk.leave(), (Some(0), String::new()));
    }
    // The last has no greeting: each request says what it speaks.
    let mut talk = Talk::begin(&mut place.command(&["mcp", "shop.oikos", "--as", "alice"]));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = talk.ask("server/discover", json!({ "_meta": meta }));
    let versions = found["result"]["supportedVersions"].as_array().expect("versions");
    assert!(versions.contains(&json!("2026-07-28")) && versions.contains(&json!("2024-11-05")), "{found}");
    let call = json!({ "name": "query", "arguments": { "what": "supply" }, "_meta": meta });
    assert_eq!(told(&talk.ask("tools/call", call)).0["result"], 40);
    let early = talk.ask("tools/list", json!({}));
    assert_eq!(early["error"]["code"], -32602, "{early}");
    assert_eq!(talk.leave(), (Some(0), String::new()));
    // A client that says nothing at all, or only what is no request, is let go.
    let mut talk = Talk::begin(&mut place.command(&["mcp", "shop.oikos", "--as", "alice"]));
    talk.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert_eq!(talk.leave(), (Some(0), String::new()));
}

#[test]
fn a_call_that_is_repeated_is_one_action() {
    let place = Place::new(TICKS);
    let mut alice = place.enter("alice");
    let call = |id: u64, amount: u64| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
                "params": { "name": "transfer", "arguments": { "to": "bob", "amount": amount } } })
    };
    alice.say(&call(100, 2));
    let first = alice.hear();
    alice.say(&call(100, 2));
    assert_eq!(alice.hear(), first, "the same call under the same id");
    alice.say(&call(100, 3));
    assert_eq!(told(&alice.hear()).0["result"]["balance"], 15, "another call is another action");
    alice.say(&call(101, 2));
    assert_eq!(told(&alice.hear()).0["result"]["balance"], 13);
    // An id of the client's own outlives the process.
    let named = json!({ "to": "bob", "amount": 1, "action_id": "once" });
    let once = alice.done("transfer", named.clone());
    assert_eq!(alice.leave(), (Some(0), String::new()));
    let mut alice = place.enter("alice");
    assert_eq!(alice.done("transfer", named), once);
    assert_eq!(alice.done("query", json!({ "what": "balance" }))["result"], 12);
    assert_eq!(alice.leave(), (Some(0), String::new()));
    assert_eq!(count(&place, "transfer"), 4);
}

#[test]
fn calls_that_are_sent_together_are_done_in_their_order() {
    let place = Place::new(TICKS);
    let mut alice = place.enter("alice");
    for id in 1..=40 {
        let arguments = json!({ "key": "last", "value": id });
        alice.say(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
                           "params": { "name": "store", "arguments": arguments } }));
    }
    let seqs: Vec<(i64, i64)> = (1..=40)
        .map(|_| {
            let answer = alice.hear();
            let id = answer["id"].as_i64().expect("a number");
            (told(&answer).0["seq"].as_i64().expect("a record"), id)
        })
        .collect();
    let mut in_order = seqs.clone();
    in_order.sort_unstable();
    assert!(in_order.windows(2).all(|pair| pair[0].1 < pair[1].1), "{in_order:?}");
    assert_eq!(alice.leave(), (Some(0), String::new()));
}

#[test]
fn reading_a_resource_is_a_read() {
    let place = Place::new(TICKS);
    let mut alice = place.enter("alice");
    let listed = alice.ask("resources/list", json!({}));
    let uris: Vec<&str> = listed["result"]["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .filter_map(|resource| resource["uri"].as_str())
        .collect();
    assert!(uris.contains(&"oikos://handbook/start"), "{uris:?}");
    let forms = alice.ask("resources/templates/list", json!({}));
    let forms = forms["result"]["resourceTemplates"].as_array().expect("templates").len();
    assert_eq!(forms, 2);
    let read = |talk: &mut Talk, uri: &str| talk.ask("resources/read", json!({ "uri": uri }));
    let page = read(&mut alice, "oikos://handbook/trade");
    let contents = &page["result"]["contents"][0];
    assert_eq!(
        (&contents["mimeType"], &contents["uri"]),
        (&json!("text/markdown"), &json!("oikos://handbook/trade"))
    );
    let bread = read(&mut alice, "oikos://artifact/bread");
    assert_eq!(bread["result"]["contents"][0]["text"], "a loaf");
    // It was asked of the contract, and charged.
    let seen = alice.done("observe", json!({}));
    assert_eq!(seen["self"]["resources"]["calls"]["used"], 2, "{seen}");
    for (uri, code, refused) in [
        ("oikos://artifact/diary", -32602, json!("permission_denied")),
        ("oikos://artifact/nobody", -32002, json!("not_found")),
        ("oikos://artifact/", -32002, Value::Null),
        ("oikos://artifact/a/b", -32002, Value::Null),
        ("oikos://elsewhere/x", -32002, Value::Null),
    ] {
        let no = read(&mut alice, uri);
        assert_eq!(
            (&no["error"]["code"], &no["error"]["data"]["error"]["code"]),
            (&json!(code), &refused),
            "{no}"
        );
    }
    assert_eq!(alice.leave(), (Some(0), String::new()));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let place = Place::new(TICKS);
    let mut alice = place.enter("alice");
    let told: Vec<i64> = (0..20)
        .map(|at| alice.done("store", json!({ "key": "k", "value": at }))["seq"].as_i64().expect("a record"))
        .collect();
    // A call is under way.
    alice.say(&json!({ "jsonrpc": "2.0", "id": 99, "method": "tools/call",
                       "params": { "name": "wait", "arguments": { "for": "20h" } } }));
    alice.child.kill().expect("it is killed");
    alice.child.wait().expect("it ends");
    let log = place.run(&["log", "shop.oikos", "--type", "store", "--json"]);
    let log = String::from_utf8(log.stdout).expect("UTF-8");
    let there: Vec<i64> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_i64().expect("a number"))
        .collect();
    assert_eq!(there, told);
    verify(&place);
    let mut alice = place.enter("alice");
    assert_eq!(alice.done("transfer", json!({ "to": "bob", "amount": 1 }))["ok"], true);
    assert_eq!(alice.leave(), (Some(0), String::new()));
}

#[test]
fn a_world_on_the_wall_clock_goes_on_by_itself() {
    let place = Place::new(&autonomous("wall"));
    let mut alice = place.enter("alice");
    let slept = alice.done("sleep", json!({ "event": "transfer", "filter": { "to": "alice" }, "for": "1h" }));
    assert_eq!(slept["ended"]["by"], "event", "{slept}");
    assert_eq!(slept["events"][0]["amount"], 1, "{slept}");
    let waited = alice.done("wait", json!({ "resource": "scrip", "level": 23, "for": "1h" }));
    assert_eq!(waited["ended"]["by"], "level", "{waited}");
    let waited = alice.done("wait", json!({ "for": "10ms" }));
    assert_eq!(waited["ended"]["by"], "time", "{waited}");
    assert_eq!(alice.done("transfer", json!({ "to": "bob", "amount": 1 }))["ok"], true);
    assert_eq!(alice.leave(), (Some(0), String::new()));
    verify(&place);
}

#[test]
fn a_world_that_cannot_be_entered_says_why() {
    let place = Place::new(TICKS);
    let says = |words: &[&str]| {
        let output = place.run(words);
        assert!(output.stdout.is_empty(), "standard output is the protocol's");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, talk) = says(&["mcp", "shop.toml", "--as", "alise"]);
    assert!(code == Some(2) && talk.contains("did you mean `alice`"), "{talk}");
    let (code, talk) = says(&["mcp", "shop.toml", "--as", "bread"]);
    assert!(code == Some(2) && talk.contains("no such principal"), "{talk}");
    let (code, talk) = says(&["mcp", "nowhere.oikos", "--as", "alice"]);
    assert!(code != Some(0) && talk.contains("nowhere.oikos"), "{talk}");
    let (code, talk) = says(&["mcp", "shop.oikos", "--as", "alice", "--seed", "7"]);
    assert!(code == Some(2) && talk.contains("world file"), "{talk}");
    let alice = place.enter("alice");
    let (code, talk) = says(&["mcp", "shop.oikos", "--as", "bob"]);
    assert!(code == Some(3) && talk.contains("another process"), "{talk}");
    assert_eq!(alice.leave(), (Some(0), String::new()));
    assert!(Path::new(&place.db()).exists());
}
