//! The JSON Schemas that `oikos schema` prints, held against what the binary takes in and gives out.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

const WORLD: &str = r#"
[world]
name = "shop"
[scrip]
start = 20
[execution]
ticks = 9
phases = ["step"]
[resources.fuel]
kind = "depletable"
total = 100
[resources.calls]
kind = "renewable"
rate = 50
window = "10m"
[costs]
invoke = { calls = 1 }
[[artifacts]]
id = "bread"
owner = "baker"
price = 3
code = "def run(n=1):\n    print('baked')\n    return 'x' * n"
[[agents]]
id = "baker"
content = { bakes = "bread" }
code = "def step(observation): return {'op': 'store', 'key': 'k', 'value': 1}"
[[agents]]
id = "eater"
code = "def step(observation): return {'op': 'invoke', 'artifact': 'bread'}"
[[agents]]
id = "dreamer"
code = "def step(observation): return {'op': 'sleep', 'until': '2m'} if observation['woke'] is None else None"
[[agents]]
id = "client"
mind = "external"
"#;

/// A schema of the binary.
fn schema(of: &str) -> Value {
    let output = oikos(Path::new("."), &["schema", of], "");
    serde_json::from_str(&output).expect("a schema")
}

fn oikos(folder: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oikos"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Why a value is not as a schema says. A word that is not checked here stops the test.
fn flaw(value: &Value, schema: &Value, whole: &Value) -> Option<String> {
    let Value::Object(words) = schema else {
        return (schema == &Value::Bool(false)).then(|| "nothing fits".into());
    };
    words.iter().find_map(|(word, said)| flaw_by(word, said, value, schema, whole))
}

fn flaw_by(word: &str, said: &Value, value: &Value, schema: &Value, whole: &Value) -> Option<String> {
    let wrong = |is_right: bool| (!is_right).then(|| format!("{value:.300} is not {word} {said:.300}"));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match word {
        "$schema" | "$defs" | "title" | "description" | "examples" | "format" | "default" | "x-fields" => {
            None
        }
        "$ref" => {
            let at = said.as_str().and_then(|text| text.strip_prefix('#')).expect("a place in this schema");
            flaw(value, whole.pointer(at).unwrap_or_else(|| panic!("{at} is there")), whole)
        }
        "oneOf" | "anyOf" => {
            let flaws: Vec<_> = list(said).iter().map(|choice| flaw(value, choice, whole)).collect();
            let fits = flaws.iter().filter(|flaw| flaw.is_none()).count();
            let is_right = if word == "oneOf" { fits == 1 } else { fits > 0 };
            (!is_right).then(|| format!("{value:.300}: {fits} choices fit; {flaws:.600?}"))
        }
        "const" => wrong(value == said),
        "enum" => wrong(list(said).contains(value)),
        "type" => {
            let kinds = if said.is_array() { list(said) } else { vec![said.clone()] };
            wrong(kinds.iter().any(|kind| is(value, kind.as_str().expect("a word"))))
        }
        "minimum" => wrong(value.as_i64().is_none_or(|number| Some(number) >= said.as_i64())),
        "maximum" => wrong(value.as_i64().is_none_or(|number| Some(number) <= said.as_i64())),
        "minLength" => {
            wrong(value.as_str().is_none_or(|text| text.chars().count() as u64 >= said.as_u64().unwrap_or(0)))
        }
        "maxLength" => {
            wrong(value.as_str().is_none_or(|text| text.chars().count() as u64 <= said.as_u64().unwrap_or(0)))
        }
        "minItems" => {
            wrong(value.as_array().is_none_or(|items| items.len() as u64 >= said.as_u64().unwrap_or(0)))
        }
        "maxItems" => {
            wrong(value.as_array().is_none_or(|items| items.len() as u64 <= said.as_u64().unwrap_or(0)))
        }
        "uniqueItems" | "pattern" => None,
        "items" => list(value).iter().find_map(|item| flaw(item, said, whole)),
        "required" => {
            let fields = value.as_object()?;
            list(said)
                .iter()
                .find(|name| !fields.contains_key(name.as_str().expect("a name")))
                .map(|name| format!("{name} is missing in {value:.300}"))
        }
        "properties" => {
            value.as_object()?.iter().find_map(|(name, field)| flaw(field, said.get(name)?, whole))
        }
        "additionalProperties" => {
            let known = schema["properties"].as_object();
            let mut stray = value
                .as_object()?
                .iter()
                .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
            stray.find_map(|(name, field)| flaw(field, said, whole).map(|flaw| format!("`{name}`: {flaw}")))
        }
        _ => panic!("the schema says `{word}`, which is not checked here"),
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("there is no type `{kind}`"),
    }
}

#[track_caller]
fn fits(value: &Value, schema: &Value) {
    if let Some(flaw) = flaw(value, schema, schema) {
        panic!("{flaw}\nin {value:.2000}");
    }
}

/// Lines that a session is sent, and whether each is a request at all.
fn requests() -> Vec<(Value, bool)> {
    let act = |op: Value| {
        let mut act = op;
        act["as"] = "eater".into();
        json!({ "id": 1, "act": act })
    };
    let good = [
        json!({ "id": "x", "run": { "ticks": 1 } }),
        json!({ "decide": { "as": "client", "ops": [{ "op": "transfer", "to": "baker", "amount": 1 }] } }),
        json!({ "run": { "for": "3m" } }),
        json!({ "decide": { "as": "client", "ops": null } }),
        json!({ "id": 2, "run": { "ticks": 1 } }),
        act(json!({ "op": "transfer", "to": "baker", "amount": 1 })),
        act(json!({ "op": "transfer", "to": "baker", "amount": 1000 })),
        act(json!({ "op": "transfer", "to": "baker", "amount": 1, "resource": "fuel" })),
        act(json!({ "op": "invoke", "artifact": "bread", "args": [5000] })),
        act(json!({ "op": "invoke", "artifact": "bread", "args": [5000], "action_id": "one" })),
        act(json!({ "op": "invoke", "artifact": "bread", "args": [5000], "action_id": "one" })),
        act(json!({ "op": "run", "code": "def f():\n    return 1 / 0\nf()" })),
        act(json!({ "op": "write", "artifact": "note", "content": [1, 2] })),
        json!({ "act": { "as": "eater", "ops": [{ "op": "noop" }, { "op": "read", "artifact": "nothing" }] } }),
        json!({ "batch": [{ "as": "eater", "op": "noop" }, { "as": "nobody", "op": "noop" }] }),
        json!({ "query": { "what": "balances" } }),
        json!({ "query": { "what": "events", "since": 0, "limit": 5 } }),
        json!({ "observe": "eater" }),
        json!({ "observe": "dreamer" }),
        json!({ "observe": "nobody" }),
        json!({ "inspect": "bread" }),
        json!({ "inspect": { "artifact": "bread", "storage": true } }),
        json!({ "advance": "1d" }),
        json!({ "verify": true }),
    ];
    let bad = [
        json!({ "advance": 5 }),
        json!({ "run": { "ticks": 1, "for": "1m" } }),
        json!({ "run": {}, "verify": true }),
        json!({ "query": { "what": "nothing" } }),
        json!({ "act": { "op": "noop" } }),
        json!({ "fly": true }),
        json!({ "inspect": { "artifact": "bread", "nothing": true } }),
        json!({ "decide": { "as": "client" } }),
        json!({ "verify": false }),
    ];
    good.into_iter()
        .map(|request| (request, true))
        .chain(bad.into_iter().map(|request| (request, false)))
        .collect()
}

#[test]
fn requests_answers_receipts_and_observations_are_as_their_schemas_say() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("shop.toml"), WORLD).expect("a file");
    let [request, answer, receipt, observation] = ["request", "answer", "receipt", "observation"].map(schema);
    let requests = requests();
    let input: String = requests.iter().map(|(line, _)| format!("{line}\n")).collect();
    let output = oikos(folder.path(), &["session", "shop.toml"], &input);
    let answers: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), requests.len(), "{output}");
    let (mut receipts, mut observed, mut codes) = (0, 0, Vec::new());
    for ((asked, is_one), told) in requests.iter().zip(&answers) {
        assert_eq!(flaw(asked, &request, &request).is_none(), *is_one, "{asked}");
        fits(told, &answer);
        let one = told.get("receipt").filter(|receipt| !receipt.is_null()).cloned();
        for told in one.into_iter().chain(told["receipts"].as_array().cloned().unwrap_or_default()) {
            fits(&told, &receipt);
            receipts += 1;
            codes.extend(told["error"]["code"].as_str().map(str::to_owned));
            assert!(!told["error"]["message"].as_str().unwrap_or_default().contains('\n'), "{told}");
        }
        let turns = told["turns"].as_array().cloned().unwrap_or_default();
        let seen = turns.iter().map(|turn| &turn["observation"]);
        for seen in seen.chain(told.get("result").filter(|_| asked.get("observe").is_some())) {
            fits(seen, &observation);
            observed += 1;
        }
    }
    assert!(receipts >= 12 && observed >= 4, "{receipts} receipts, {observed} observations\n{output}");
    for code in ["insufficient_scrip", "code_error", "not_found"] {
        assert!(codes.iter().any(|found| found == code), "no {code} among {codes:?}\n{output}");
    }
    let failed =
        answers.iter().find(|told| told["receipt"]["error"]["code"] == "code_error").expect("one fails");
    let error = &failed["receipt"]["error"];
    assert!(
        error["message"].as_str().is_some_and(|line| line.ends_with("ZeroDivisionError: division by zero")),
        "{error}"
    );
    assert!(error["traceback"].as_str().is_some_and(|text| text.contains("line 2, in f")), "{error}");
    // A schema that takes everything would be none.
    let mut good = failed["receipt"].clone();
    good["stray"] = 1.into();
    assert!(flaw(&good, &receipt, &receipt).is_some_and(|flaw| flaw.contains("stray")));
    let mut short = failed["receipt"].clone();
    short.as_object_mut().expect("an object").remove("charges");
    assert!(flaw(&short, &receipt, &receipt).is_some_and(|flaw| flaw.contains("charges")));
    assert!(flaw(&json!({ "now": 1 }), &observation, &observation).is_some());
    assert!(flaw(&json!({ "id": 1 }), &answer, &answer).is_some());
}
