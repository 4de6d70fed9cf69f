//! Values through a session, real code and the journal: numbers exact or refused, dicts in their order, and
//! nothing told of code that can't be read.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use oikos_runner::{Journal, Live, Stop, session, verify};

use self::door::{workplace, world_file};

const WORLD: &str = r#"
[[agents]]
id = "alice"
code = "def step(observation): return None"
content = { zeta = 1, alpha = { y = 2, x = 1.50 }, big = 9223372036854775807 }

[[agents]]
id = "bob"
code = "def step(observation): return None"

[[artifacts]]
id = "echo"
owner = "alice"
code = """
def run(x):
    storage_set('k', x)
    write('copy', content=storage_get('k'))
    return [x, list(x), invoke(me, x, method='back', max_spend=9)]

def back(x):
    return read('copy')['content']

def big():
    return 2 ** 63

def sends():
    return storage_set('k', {'a': [0, 2 ** 63]})
"""
has_standing = true

[[artifacts]]
id = "use_only"
owner = "alice"
code = """
def check_permission(caller, action, target, context, ledger):
    return {'allowed': action == 'invoke', 'reason': 'use only'}
"""

[[artifacts]]
id = "vault"
owner = "alice"
access_contract = "use_only"
code = """
RESERVE = 4711
def run(bid):
    assert bid >= RESERVE * 3 + 17, "too low"
    return "sold"

def backdoor(key):
    return {'a': 1}[key + RESERVE]
"""
"#;

fn live() -> Live {
    workplace().found(world_file(WORLD), Journal::in_memory).expect("it is founded")
}

/// The answer to one line, as text.
fn answer(live: &mut Live, line: &str) -> String {
    session::respond(live, line.as_bytes(), &Stop::default()).expect("no fault").to_string()
}

/// Sends lines, each with a part of its answer; the books must add up, and the journal make the same world.
fn check(lines: &[(&str, &str)]) {
    let mut live = live();
    for (line, part) in lines {
        let said = answer(&mut live, line);
        assert!(said.contains(part), "{line}\n  answered {said}\n  expected {part}");
    }
    live.sequencer.commit().expect("it is written");
    let found = verify(&live.sequencer.journal().expect("the journal"), |_| ()).expect("it is sound");
    assert_eq!(found.world.digest(), live.world().digest());
}

#[test]
fn dicts_keep_their_order_and_numbers_are_what_they_were() {
    check(&[
        (
            r#"{"act": {"as": "alice", "op": "invoke", "artifact": "echo", "args": [{"z": 1, "a": {"y": [1.0, -0.0], "b": 1e300}, "m": -9223372036854775808}]}}"#,
            r#""result":[{"z":1,"a":{"y":[1.0,-0.0],"b":1e+300},"m":-9223372036854775808},["z","a","m"],{"z":1,"a":{"y":[1.0,-0.0],"b":1e+300},"m":-9223372036854775808}]"#,
        ),
        (
            r#"{"act": {"as": "alice", "op": "write", "artifact": "copy2", "content": {"b": 1, "a": 2}}}"#,
            r#""ok":true"#,
        ),
        (
            r#"{"act": {"as": "alice", "op": "write", "artifact": "copy2", "content": {"a": 2, "b": 1}}}"#,
            r#""version":2"#,
        ),
        (r#"{"act": {"as": "bob", "op": "read", "artifact": "copy2"}}"#, r#""content":{"a":2,"b":1}"#),
        (
            r#"{"act": {"as": "alice", "op": "read", "artifact": "alice"}}"#,
            r#""content":{"zeta":1,"alpha":{"y":2,"x":1.5},"big":9223372036854775807}"#,
        ),
    ]);
}

#[test]
fn an_integer_beyond_64_bits_is_refused_with_its_place() {
    let act = |fields: &str| format!(r#"{{"id": 1, "act": {{"as": "alice", {fields}}}}}"#);
    let refused = |place: &str, number: &str| {
        format!(r#""code":"invalid_argument","message":"`{place}`: the integer {number} is beyond 64 bits"#)
    };
    let big = "123456789012345678901234567890";
    let cases = [
        (
            act(&format!(r#""op": "write", "artifact": "x", "content": {{"a": [1, {big}]}}"#)),
            refused("content.a[1]", big),
        ),
        (
            act(r#""op": "write", "artifact": "x", "content": 9223372036854775808"#),
            refused("content", "9223372036854775808"),
        ),
        (
            act(&format!(r#""op": "invoke", "artifact": "echo", "args": [-{big}]"#)),
            refused("args[0]", &format!("-{big}")),
        ),
        (act(&format!(r#""op": "store", "key": "k", "value": {big}"#)), refused("value", big)),
        (act(&format!(r#""op": "transfer", "to": "bob", "amount": {big}"#)), refused("amount", big)),
        (
            act(&format!(r#""ops": [{{"op": "noop"}}, {{"op": "store", "key": "k", "value": {big}}}]"#)),
            refused("ops[1].value", big),
        ),
        (format!(r#"{{"id": {big}, "verify": true}}"#), refused("id", big)),
        (format!(r#"{{"id": 1, "query": {{"what": "events", "since": {big}}}}}"#), refused("since", big)),
        (format!(r#"{{"id": 1, "run": {{"ticks": {big}}}}}"#), refused("run.ticks", big)),
        (
            act(r#""op": "store", "key": "k", "value": [1e400]"#),
            r#""message":"`value[0]`: the number 1e400 is beyond what a float can hold""#.into(),
        ),
        (act(r#""op": "invoke", "artifact": "echo", "method": "big""#), "an int beyond 64 bits".into()),
        (
            act(r#""op": "invoke", "artifact": "echo", "method": "sends""#),
            "an int beyond 64 bits at [a][1]".into(),
        ),
    ];
    let lines: Vec<(&str, &str)> = cases.iter().map(|(line, part)| (line.as_str(), part.as_str())).collect();
    check(&lines);
}

#[test]
fn strangers_learn_nothing_of_code_but_its_author_s_words() {
    let mut live = live();
    for (args, method, says) in [
        (
            "[1]",
            "run",
            "\"message\":\"in `vault`, line 3: AssertionError: too low\",\"traceback\":\"Traceback (most recent call last):\\n  File \\\"vault\\\", line 3\\nAssertionError: too low\"",
        ),
        ("[]", "run", "TypeError"),
        ("[1]", "backdoor", "KeyError"),
        ("[1]", "other", "in `vault`: the code has no function `other`"),
    ] {
        let line = format!(
            r#"{{"act": {{"as": "bob", "op": "invoke", "artifact": "vault", "method": "{method}", "args": {args}}}}}"#
        );
        let said = answer(&mut live, &line);
        assert!(said.contains(says), "{said}");
        for word in ["4711", "14150", "RESERVE", "bid", "4712", "sold"] {
            assert!(!said.contains(word), "{method}: {said}");
        }
        assert!(!said.contains("backdoor"), "{said}");
    }
}

#[test]
fn a_world_file_names_only_what_decides_as_a_contract() {
    let founded = |code: &str| {
        let text = format!(
            "[[agents]]\nid = 'a'\ncode = 'def step(o): return None'\n[[artifacts]]\nid = 'c'\nowner = 'a'\ncode = '''{code}'''\n[[artifacts]]\nid = 'x'\nowner = 'a'\naccess_contract = 'c'\n"
        );
        workplace().found(world_file(text), Journal::in_memory).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(founded("def check_permission(a, b, c, d, e):\n    return {'allowed': True}"), Ok(()));
    let problem = founded("def run(): return 1").expect_err("it decides nothing");
    assert!(problem.contains("`x`: `access_contract`: `c` can't be a contract"), "{problem}");
}

#[test]
fn the_same_text_makes_the_same_world() {
    let act = |live: &mut Live, content: &str| {
        answer(
            live,
            &format!(r#"{{"act": {{"as": "alice", "op": "write", "artifact": "x", "content": {content}}}}}"#),
        );
    };
    let digest = |content: &str| {
        let mut live = live();
        act(&mut live, content);
        live.world().digest()
    };
    assert_eq!(digest(r#"{"b": 1, "a": 2}"#), digest(r#"{"b":1,"a":2}"#));
    assert_ne!(digest(r#"{"b": 1, "a": 2}"#), digest(r#"{"a": 2, "b": 1}"#));
}
