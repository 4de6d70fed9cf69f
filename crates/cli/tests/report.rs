//! Reports through the binary: one file, without script or network, the same each time; and hostile texts, which stand
//! in it as text.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{fs, path::Path};

use self::small::{oikos, talk};

/// Makes a report and reads it.
fn report(db: &Path, out: &Path, more: &[&str]) -> String {
    let (db, to) = (db.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
    let output = oikos([&["report", db, "--out", to, "--force"], more].concat());
    assert!(output.status.success(), "{}", talk(&output));
    fs::read_to_string(out).expect("a report")
}

/// Every tag of a document, without its text.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).map(|part| part.split('>').next().unwrap_or_default())
}

/// Checks that a document is one file: nothing in it runs, and nothing is fetched.
fn check_alone(page: &str) {
    let known = [
        "!DOCTYPE html",
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "div",
        "span",
        "nav",
        "a",
        "section",
        "h1",
        "h2",
        "h3",
        "p",
        "pre",
        "code",
        "b",
        "bdi",
        "small",
        "table",
        "thead",
        "tr",
        "th",
        "td",
        "dl",
        "dt",
        "dd",
        "ol",
        "li",
        "figure",
        "figcaption",
        "svg",
        "g",
        "rect",
        "text",
        "line",
        "polyline",
        "polygon",
        "circle",
        "path",
        "form",
        "label",
        "input",
        "select",
        "option",
        "button",
        "br",
    ];
    let mut styles = 0;
    for tag in tags(page) {
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap_or_default();
        assert!(known.contains(&name) || tag == "!DOCTYPE html" || name == "title", "<{tag}>");
        styles += usize::from(tag == "style");
        let attributes = tag.split_once(' ').map_or("", |(_, attributes)| attributes);
        for attribute in attributes.split('"').step_by(2) {
            let word = attribute.trim().trim_end_matches('=').rsplit(' ').next().unwrap_or_default();
            assert!(
                !word.starts_with("on") && !["style", "src", "srcdoc", "action"].contains(&word),
                "<{tag}>"
            );
        }
        if let Some(href) = tag.split_once("href=\"").and_then(|(_, rest)| rest.split('"').next()) {
            assert!(href.starts_with('#'), "<{tag}>");
            let id = format!("id=\"{}\"", &href[1..]);
            assert!(page.contains(&id), "{href} leads nowhere");
        }
    }
    assert_eq!(styles, 1);
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style");
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[test]
fn every_example_world_has_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, set) in [
        ("bazaar", &["--set", "execution.ticks=40"][..]),
        ("jobs", &["--set", "execution.ticks=20"]),
        ("night_and_day", &["--set", "execution.duration=2h"]),
        ("coins", &["--set", "execution.ticks=10"]),
        ("coins_autonomous", &["--set", "execution.duration=10s"]),
        ("guild", &["--set", "execution.ticks=10"]),
        ("auction_house", &["--set", "execution.ticks=5"]),
        ("exchange", &["--set", "execution.ticks=5"]),
        ("salon", &[]),
        ("interview", &[]),
    ] {
        let (db, out) =
            (folder.path().join(format!("{name}.oikos")), folder.path().join(format!("{name}.html")));
        small::run(&small::example(name), &db, set);
        let page = report(&db, &out, &[]);
        check_alone(&page);
        assert!(page.contains(&format!("<title>Report of {name}</title>")), "{name}");
        assert!(page.contains("This file holds what agents wrote"), "{name}");
        for chapter in ["world", "events", "agents", "artifacts", "market", "ledger", "cost"] {
            assert!(page.contains(&format!("id=\"{chapter}\"")), "{name} has no chapter `{chapter}`");
        }
        let again = report(&db, &out, &[]);
        assert!(page == again, "{name}: made twice, it differs");
    }
}

#[test]
fn a_report_of_the_past_knows_nothing_of_what_came_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, db, out) =
        (folder.path().join("w.toml"), folder.path().join("w.oikos"), folder.path().join("r.html"));
    let world = r#"
[world]
name = "w"
[execution]
ticks = 6
[[agents]]
id = "ann"
scrip = 10
code = "def step(o): return {'op': 'transfer', 'to': 'bob', 'amount': 1} if o['tick'] < 3 else {'op': 'write', 'artifact': 'zeb' + 'ra', 'kind': 'note', 'content': 'news'}"
[[agents]]
id = "bob"
code = "def step(o): return None"
"#;
    fs::write(&file, world).expect("a file");
    small::run(file.to_str().expect("UTF-8"), &db, &[]);
    let whole = report(&db, &out, &[]);
    assert!(whole.contains("id=\"artifact-zebra\""));
    let past = report(&db, &out, &["--at", "tick:1"]);
    check_alone(&past);
    assert!(!past.contains("zebra"), "it knows of what came after");
    // Two transfers, and the one who got them.
    assert!(past.contains("<td class=\"n\">8</td>"), "{past}");
    let refused = |more: &[&str]| {
        let output = oikos([&["report", db.to_str().expect("UTF-8")], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
        talk(&output)
    };
    let to = out.to_str().expect("UTF-8");
    assert!(refused(&["--out", to]).contains("is there already; --force replaces it"));
    assert!(refused(&["--out", folder.path().to_str().expect("UTF-8")]).contains("is a folder"));
    assert!(refused(&["--out", to, "--force", "--at", "tick:99"]).contains("there is no tick 99"));
    assert!(refused(&[]).contains("--out"));
    // The file that was there is still whole, and nothing lies beside it.
    assert_eq!(fs::read_to_string(&out).expect("a report"), past);
    let files = fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok);
    assert!(files.map(|file| file.file_name()).all(|name| !name.to_string_lossy().contains("partial")));
}

#[test]
fn a_fork_stands_beside_its_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let db = path("a.oikos");
    small::run(&small::example("bazaar"), &db, &["--set", "execution.ticks=20"]);
    let words = ["fork", db.to_str().expect("UTF-8"), "--at", "tick:5", "--to"].map(str::to_owned);
    let to = path("b.oikos");
    let mut words: Vec<String> = words.to_vec();
    words.push(to.to_str().expect("UTF-8").into());
    words.extend(["--set".to_owned(), "resources.actions.window=30s".to_owned()]);
    let output = oikos(words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", talk(&output));
    let output = oikos(vec!["run", to.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", talk(&output));
    let page = report(&db, &path("r.html"), &["--beside", to.to_str().expect("UTF-8")]);
    check_alone(&page);
    assert!(page.contains("id=\"compare\"") && page.contains("Where they part"));
}

/// A text that would do harm in a page that trusted it.
const HARM: &str =
    "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)>\\u202eevil\\u2066\\u0007\\ufeff";

#[test]
fn what_agents_wrote_stands_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, db, out) =
        (folder.path().join("w.toml"), folder.path().join("w.oikos"), folder.path().join("r.html"));
    let world = format!(
        r#"
[world]
name = "hostile"
[execution]
ticks = 3
[measures]
every = "1m"
rich = "max(scrip)"
[[artifacts]]
id = "tool"
owner = "ann"
kind = "tool"
price = 1
code = '''
def run(x):
    print("{HARM}")
    raise ValueError("{HARM}")
'''
[[agents]]
id = "ann"
scrip = 100
content = {{ harm = "{HARM}", "{HARM}" = "x" }}
memory = true
code = '''
HARM = "{HARM}"
def step(o):
    print(HARM)
    log(HARM)
    if o["tick"] == 0:
        return [
            {{"op": "write", "artifact": "big", "kind": HARM[:40].replace("\n", ""), "content": HARM + "x" * 1000000,
              "metadata": {{HARM: HARM}}, "code": "def run(x):\n    return 1  # " + HARM.replace("\\n", "")}},
            {{"op": "store", "key": "k<b>", "value": HARM}},
        ]
    if o["tick"] == 1:
        return [{{"op": "remember", "text": HARM, "tags": ["<i>"]}}]
    return {{"op": "invoke", "artifact": "tool", "args": [HARM]}}
'''
[[agents]]
id = "bob"
scrip = 10
code = '''
def step(o):
    if o["tick"] == 0:
        raise ValueError("{HARM}")
    if o["tick"] == 1:
        return {{"op": "{HARM}", "to": "<u>nobody</u>"}}
    return {{"op": "transfer", "to": "ann", "amount": 1}}
'''
"#
    );
    fs::write(&file, world).expect("a file");
    small::run(file.to_str().expect("UTF-8"), &db, &[]);
    let page = report(&db, &out, &[]);
    check_alone(&page);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it does not stand as text");
    for odd in ['\u{202e}', '\u{2066}', '\u{7}', '\u{feff}'] {
        assert!(!page.contains(odd), "{odd:?} stands in it");
    }
    assert!(page.contains("<span class=\"odd\">U+202E</span>"));
    // A long text is cut, with a way to all of it.
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("--content --at"));
}
