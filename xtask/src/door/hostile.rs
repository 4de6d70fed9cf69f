//! A world in which every text that an agent can write is meant to do harm: markup, script, signs that turn the line
//! around, and a megabyte of it. Pages and reports show it as text.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::walk::{look, paths, walk};
use crate::served::{Served, fresh};

/// A text that would do harm in a page that trusted it.
const HARM: &str = "</pre></style></title><script>alert(1)</script><img src=x onerror=alert(2)>\" \
    onmouseover=alert(3) ' \u{202e}evil\u{2066}\u{200f}\u{7}\u{feff}";
/// The least of it that is left in a field of few letters.
const SHORT: &str = "<b>\u{202e}</b>";
/// Bytes of the long one.
const LONG: usize = 1 << 20;

/// Agents that write it by their code, in all that code can write.
const WORLD: &str = r#"
[world]
name = "hostile"
[execution]
ticks = 4
[measures]
every = "1m"
rich = "max(scrip)"
[[agents]]
id = "p"
count = 2
scrip = 1000000
memory = true
code = '''
HARM = """@HARM@"""
def run(x):
    print(HARM)
    raise ValueError(HARM)
def step(o):
    print(HARM)
    log(HARM)
    if o["tick"] == 0:
        raise ValueError(HARM)
    if o["tick"] == 1:
        return {"op": HARM, "to": HARM}
    return {"op": "invoke", "artifact": "p_002", "args": [HARM]}
'''
"#;

pub(super) fn prove(binary: &Path, folder: &Path, target: &Path, root: &Path) -> Result<()> {
    let harm = HARM.replace('\u{7}', "\\\\u0007");
    let served = fresh(binary, folder, "hostile", &WORLD.replace("@HARM@", &harm), &["--paused"])?;
    let (seat, operator) = (served.token(&["--as", "p_001"])?, served.token(&["--operator"])?);
    served.json(&operator, "POST", "/api/v1/run?wait=60s", "{\"ticks\": 3}")?;
    let (mut done, mut refused, mut unread) = (0, 0, 0);
    for op in ops(&served)? {
        match served.ask(&seat, "POST", "/api/v1/act", &op.to_string())? {
            (200, body) if body.contains("\"ok\":true") => done += 1,
            (200, _) => refused += 1,
            (400, _) => unread += 1,
            (status, body) => bail!("{status} {body:.300} for {:.300}", op.to_string()),
        }
    }
    if done < 8 || refused == 0 {
        bail!("of the actions {done} were done and {refused} refused: the texts did not get into the world");
    }
    let pages = paths(&served)?;
    for path in &pages {
        let (status, head, body) = served.whole(served.observer(), "GET", path, "")?;
        if status != 200 || !head.contains("content-security-policy: default-src 'self'") {
            bail!("{path}: {status}, {head}");
        }
        check(path, &body, true)?;
    }
    let out = folder.join("hostile/report.html");
    let out = out.to_str().context("the folder has a name")?;
    served.oikos(&["report", "--out", out])?;
    check(out, &std::fs::read_to_string(out)?, false)?;
    eprintln!(
        "{done} hostile actions were done, {refused} refused by the world and {unread} were none: {} pages and the \
         report have them as text",
        pages.len()
    );
    walk(target, root, &folder.join("hostile/pictures"), &served, &["", "tick:1"])?;
    look(target, root, &folder.join("hostile/report"), &[served.link.clone(), format!("file://{out}")])
}

/// The scripts of the pages.
const OWN: [&str; 2] = ["/live.js", "/play.js"];

/// Whether a page has only text of others.
fn check(name: &str, page: &str, has_script: bool) -> Result<()> {
    let scripts = page.matches("<script").count();
    let of = |file: &&str| page.matches(&format!("<script type=\"module\" src=\"{file}\"")).count();
    let own: usize = OWN.iter().map(of).sum();
    if scripts != own || (scripts > 0 && !has_script) {
        bail!("{name}: {scripts} scripts stand in it, and {own} of its own");
    }
    for odd in ["<img src=x", "onmouseover=alert(3) '\"", "<b>\u{202e}"] {
        if page.contains(odd) {
            bail!("{name}: {odd:?} stands in it");
        }
    }
    if let Some(odd) =
        ['\u{202e}', '\u{2066}', '\u{200f}', '\u{7}', '\u{feff}'].iter().find(|odd| page.contains(**odd))
    {
        bail!("{name}: {odd:?} stands in it as it is");
    }
    Ok(())
}

/// Each op with the text in each of its fields in turn, and some that have it wherever it is taken.
fn ops(served: &Served) -> Result<Vec<Value>> {
    let told = std::process::Command::new(&served.binary).args(["schema", "op"]).output()?;
    let schema: Value = serde_json::from_slice(&told.stdout)?;
    let mut all = Vec::new();
    collect(&schema, &mut all);
    if all.len() < 10 {
        bail!("the schema of ops has another form than is known here");
    }
    let mut ops = Vec::new();
    for properties in all {
        let op = properties.pointer("/op/const").cloned().unwrap_or_default();
        let Some(fields) = properties.as_object() else { continue };
        // `as` is the token's affair.
        for name in fields.keys().filter(|name| !["op", "as"].contains(&name.as_str())) {
            for text in [HARM, SHORT] {
                let mut action = Map::from_iter([("op".to_owned(), op.clone())]);
                action.extend(plausible(fields));
                action.insert(name.clone(), text.into());
                ops.push(Value::Object(action));
            }
        }
    }
    let long: String = HARM.chars().cycle().take(LONG / 2).collect();
    let code = format!("def run(x):\n    print(x)\n    return x  # {}", HARM.replace('\u{7}', ""));
    ops.extend([
        json!({ "op": "write", "artifact": "bad", "kind": SHORT, "content": HARM, "metadata": { HARM: HARM, "x": [HARM] } }),
        json!({ "op": "write", "artifact": "bad_code", "kind": "tool", "code": code, "content": { HARM: HARM } }),
        json!({ "op": "write", "artifact": "bad_long", "content": long }),
        json!({ "op": "edit", "artifact": "bad", "content": [HARM, { HARM: SHORT }] }),
        json!({ "op": "invoke", "artifact": "bad_code", "args": [HARM] }),
        json!({ "op": "invoke", "artifact": "p_002", "args": [HARM] }),
        json!({ "op": "store", "key": SHORT, "value": HARM }),
        json!({ "op": "store", "key": "long", "value": long }),
        json!({ "op": "remember", "text": HARM, "tags": [SHORT] }),
        json!({ "op": "read", "artifact": "bad_long" }),
        json!({ "op": "noop", "action_id": HARM }),
        json!({ "op": "transfer", "to": "p_002", "amount": 1, "memo": HARM }),
        json!({ "op": "transfer", "to": HARM, "amount": 1 }),
    ]);
    Ok(ops)
}

/// The properties of each op in a schema, wherever they stand.
fn collect(schema: &Value, all: &mut Vec<Value>) {
    match schema {
        Value::Object(map) => {
            if let Some(properties) = map.get("properties").filter(|it| it.pointer("/op/const").is_some()) {
                all.push(properties.clone());
            }
            map.values().for_each(|value| collect(value, all));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, all)),
        _ => {}
    }
}

/// Values for the fields that many ops need.
fn plausible(fields: &Map<String, Value>) -> Map<String, Value> {
    let known = [
        ("artifact", json!("bad")),
        ("to", json!("p_002")),
        ("amount", json!(1)),
        ("what", json!("balance")),
        ("key", json!("k")),
        ("text", json!("t")),
        ("code", json!("def run(x):\n    return x")),
    ];
    known
        .into_iter()
        .filter(|(name, _)| fields.contains_key(*name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
