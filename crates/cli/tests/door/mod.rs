//! The one door of the session tests: a world, and lines of `request => answer`, through the binary.
//!
//! A request is sent as it stands, JSON or not. An answer is compared as a pattern: an object must have
//! at least the named fields, an array exactly those entries, a string that begins with `~` must occur.
//! Three short forms spare typing:
//!
//! ```text
//! alice {"op": "noop"} => ok null          an action, and the result of its receipt
//! alice {"op": "nop"} => invalid_argument did you mean `noop`     the code, and a part of sentence and hint
//! ? {"what": "supply"} => 10               a query, and its result
//! ```

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// Runs the script on a fresh world in memory, and checks at the end that its books add up.
pub(crate) fn check(world: &str, script: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.toml");
    std::fs::write(&file, world).expect("a file");
    let lines: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let cases: Vec<(&str, &str)> = lines
        .iter()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(" => ").unwrap_or_else(|| panic!("no answer in: {line}")))
        .collect();
    let mut requests: Vec<Vec<u8>> = cases.iter().map(|(request, _)| spelled(request).into_bytes()).collect();
    requests.push(br#"{"id": "last", "verify": true}"#.to_vec());
    let answers = session(&file, &requests);
    let problems: Vec<String> = cases
        .iter()
        .zip(&answers)
        .filter_map(|((request, expected), answer)| {
            let problem = fits(expected, answer).err()?;
            Some(format!("{request}\n  expected {expected}\n  answered {answer}\n  {problem}\n"))
        })
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    let verified = answers.last().expect("an answer");
    assert_eq!(verified["result"]["ok"], true, "{verified}");
}

/// Sends lines to a session, and gives its answers: as many as there are lines, and the same wherever code runs.
pub(crate) fn session(world: &Path, requests: &[Vec<u8>]) -> Vec<Value> {
    let [within, apart] = ["thread", "process"].map(|isolation| session_in(isolation, world, requests));
    for (at, (within, apart)) in within.iter().zip(&apart).enumerate() {
        let request = String::from_utf8_lossy(requests.get(at).expect("a request"));
        let alike = timeless(within) == timeless(apart);
        assert!(alike, "{request} is answered otherwise in a process of its own:\n{within}\n{apart}");
    }
    within
}

/// An answer without the number of batches, which depends on how quick the disk is.
fn timeless(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(result) = answer.get_mut("result").and_then(Value::as_object_mut) {
        result.remove("batches");
    }
    answer
}

fn session_in(isolation: &str, world: &Path, requests: &[Vec<u8>]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oikos"))
        .args(["session", "--isolation", isolation])
        .arg(world)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("its input");
    let lines: Vec<u8> = requests.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect();
    // The session answers while it reads, so somebody must listen meanwhile.
    let writer = std::thread::spawn(move || input.write_all(&lines));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads all");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && talk.is_empty(), "{talk}");
    let text = String::from_utf8(output.stdout).expect("answers are UTF-8");
    let answers: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("answers are JSON")).collect();
    assert_eq!(answers.len(), requests.len(), "one answer to each line");
    answers
}

/// A request with its short form written out.
fn spelled(request: &str) -> String {
    let (word, rest) = request.split_once(' ').unwrap_or((request, ""));
    let Ok(body) = serde_json::from_str::<Value>(rest) else { return request.into() };
    match (word, body) {
        ("?", query) => json!({ "id": 1, "query": query }).to_string(),
        (name, Value::Object(mut op)) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            op.insert("as".into(), name.into());
            json!({ "id": 1, "act": op }).to_string()
        }
        (name, ops @ Value::Array(_)) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            json!({ "id": 1, "act": { "as": name, "ops": ops } }).to_string()
        }
        _ => request.into(),
    }
}

fn fits(expected: &str, answer: &Value) -> Result<(), String> {
    if let Ok(pattern) = serde_json::from_str::<Value>(expected) {
        let whole = pattern.as_object().is_some_and(|map| {
            ["id", "error", "receipt", "receipts", "result", "now"].iter().any(|key| map.contains_key(*key))
        });
        let inner = if whole { answer } else { answer.get("result").unwrap_or(answer) };
        return matches(&pattern, inner, "");
    }
    let (word, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    let receipt = answer.get("receipt").unwrap_or(&Value::Null);
    if word == "ok" {
        if receipt["ok"] != true {
            return Err("it is not ok".into());
        }
        let rest = if rest.is_empty() { "{}" } else { rest };
        let pattern: Value = serde_json::from_str(rest).map_err(|error| error.to_string())?;
        return if rest == "{}" { Ok(()) } else { matches(&pattern, &receipt["result"], "result") };
    }
    let error = answer.get("error").unwrap_or(&receipt["error"]);
    let text = |key: &str| error[key].as_str().unwrap_or("");
    let told = format!("{} ({})\n{}", text("message"), text("hint"), text("traceback"));
    if error["code"] != *word {
        return Err(format!("the code is {}", error["code"]));
    }
    if told.contains(rest) { Ok(()) } else { Err("the sentence is another".into()) }
}

fn matches(pattern: &Value, value: &Value, at: &str) -> Result<(), String> {
    match (pattern, value) {
        (Value::Object(fields), Value::Object(found)) => fields.iter().try_for_each(|(key, pattern)| {
            let value = found.get(key).ok_or_else(|| format!("{at} has no {key}"))?;
            matches(pattern, value, &format!("{at}.{key}"))
        }),
        (Value::Array(patterns), Value::Array(found)) if patterns.len() == found.len() => {
            let mut pairs = patterns.iter().zip(found).enumerate();
            pairs.try_for_each(|(index, (pattern, value))| matches(pattern, value, &format!("{at}[{index}]")))
        }
        (Value::String(part), Value::String(text)) if part.starts_with('~') => {
            if text.contains(&part[1..]) {
                Ok(())
            } else {
                Err(format!("{at} is {text:?}"))
            }
        }
        _ if pattern == value => Ok(()),
        _ => Err(format!("{at} is {value}")),
    }
}
