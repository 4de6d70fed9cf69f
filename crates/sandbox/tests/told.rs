//! Failures as their authors and others are told of them.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use door::{check, check_source, end, method};
use serde_json::json;

#[test]
fn tracebacks_are_those_of_python() {
    let report = |source: &str| end(method(source, json!([]))).report();
    assert_eq!(
        report("def inner(d):\n    return d['a']['b']\ndef run():\n    return inner({'a': {}}) + 1\n"),
        r#"Traceback (most recent call last):
  File "tool", line 4, in run
    return inner({'a': {}}) + 1
           ~~~~~^^^^^^^^^^^
  File "tool", line 2, in inner
    return d['a']['b']
           ~~~~~~^^^^^
KeyError: 'b'"#
    );
    assert_eq!(
        report(
            "class E(Exception):\n    pass\ndef run():\n    try:\n        {}['a']\n    except KeyError:\n        raise E('mine')\n"
        ),
        r#"Traceback (most recent call last):
  File "tool", line 5, in run
    {}['a']
    ~~^^^^^
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "tool", line 7, in run
    raise E('mine')
E: mine"#
    );
    let deep = report("def run():\n    return run()\n");
    assert!(deep.contains("  [Previous line repeated 99"), "{deep}");
    let two = report("def a():\n    b()\ndef b():\n    a()\ndef run():\n    a()\n");
    assert!(two.contains(" calls left out]") && two.len() < 8_000, "{two}");
    let long = format!("def run():\n    return [{}][99999]\n", "1, ".repeat(2_000));
    assert!(report(&long).len() < 500, "{}", report(&long));
    assert_eq!(
        check_source("x = 1\ndef run(:\n    pass\n"),
        "  File \"tool\", line 2\n    def run(:\n            ^\nSyntaxError: invalid syntax"
    );
    let own = "import traceback\ndef run():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        return traceback.format_exc()\n";
    let told = end(method(own, json!([]))).text();
    assert!(told.contains("    1 / 0\\n    ~~^~~\\n"), "{told}");
}

#[test]
fn tracebacks_show_the_agents_own_lines() {
    let source = "import random\nimport heapq\n\ndef inner(x):\n    return random.choice(x)[5]\n\ndef run():\n    return inner([[1]])\n";
    let report = end(method(source, json!([]))).report();
    for part in [
        "Traceback (most recent call last):",
        "File \"tool\", line 8, in run",
        "return inner([[1]])",
        "File \"tool\", line 5, in inner",
        "IndexError",
    ] {
        assert!(report.contains(part), "{part} is missing:\n{report}");
    }
    assert!(!report.contains("_oikos"), "{report}");
    let report = check_source("import random\n\ndef run(:\n    pass\n");
    assert!(report.contains("line 3") && !report.contains("_oikos"), "{report}");
    let empty = end(method("import random\ndef run():\n    return random.choice([])", json!([]))).report();
    assert!(empty.contains("line 3") && !empty.contains("oikos") && !empty.contains("random.py"), "{empty}");
}

#[test]
fn strangers_are_told_the_author_s_words_and_nothing_of_the_code() {
    let discreet = |body: &str| {
        let source = format!(
            "SECRET = {{'key': 4711}}\nclass Hidden:\n    pass\ndef _inner(price):\n    {body}\ndef run(floor=14150):\n    return _inner(floor)\n"
        );
        end(method(&source, json!([]))).discreet()
    };
    for (body, says) in [
        ("assert price < 14150, 'too high'", "AssertionError: too high"),
        ("assert price < 14150", "AssertionError"),
        ("raise ValueError('my words')", "ValueError: my words"),
        ("raise KeyError", "KeyError"),
        ("x = 1\n    if x: raise ValueError(f'at most {x}')", "ValueError: at most 1"),
        ("return SECRET['hidden_key']", "KeyError"),
        ("return secret_name", "NameError"),
        ("return Hidden().secret_attribute", "AttributeError"),
        ("return price.secret_attribute", "AttributeError"),
        ("return int('4711 secrets')", "ValueError"),
        ("raise ValueError(SECRET['hidden_key'])", "KeyError"),
        ("raise secret_name", "NameError"),
        ("try:\n        SECRET['hidden_key']\n    except KeyError as e:\n        raise e", "KeyError"),
        ("try:\n        SECRET['hidden_key']\n    except KeyError:\n        raise", "KeyError"),
        (
            "try:\n        SECRET['hidden_key']\n    except KeyError as e:\n        raise ValueError('no such thing') from e",
            "ValueError: no such thing",
        ),
        ("return {'hidden_key': {1, 2}}", "TypeError: the result is no JSON"),
        ("return run(1, 2, 3)", "TypeError"),
        ("import json\n    return json.loads('hidden_key')", "JSONDecodeError"),
        ("return storage_get('hidden_key', {1})", "TypeError"),
        ("return [][4711]", "IndexError"),
    ] {
        let told = discreet(body);
        assert!(told.ends_with(says), "{body}: {told}");
        for word in
            ["hidden", "SECRET", "secret", "4711", "14150", "_inner", "price", "run", "Hidden", "    "]
        {
            assert!(!told.contains(word), "{body}: {told}");
        }
    }
}

#[test]
fn an_assert_says_what_its_author_wrote() {
    let caught = |statement: &str| {
        format!(
            "def run():\n    try:\n        {statement}\n    except AssertionError as e:\n        return str(e)"
        )
    };
    check(&[
        (
            "SECRET = 3\ndef run():\n    assert SECRET > 9, 'too low'",
            json!([]),
            "! Raised AssertionError: too low",
        ),
        (&caught("assert 1 == 2, 'nope'"), json!([]), "\"nope\""),
        (&caught("assert 1 == 2"), json!([]), "\"\""),
        (&caught("assert (lambda: [])(), f'{1 + 1} is few'"), json!([]), "\"2 is few\""),
    ]);
    let bare = end(method("SECRET = 3\ndef run():\n    assert SECRET > 9", json!([])));
    assert_eq!(bare.text(), "! Raised AssertionError");
}

#[test]
fn sources_that_are_no_sources() {
    for source in [
        "\0".to_owned(),
        "x".repeat(70_000),
        format!("x = {}1", "1+".repeat(30_000)),
        format!("x = {}", "(".repeat(60_000)),
        format!("x = {}1{}", "[".repeat(20_000), "]".repeat(20_000)),
        "def run(:".to_owned(),
        "\u{feff}def run(): return 1 +".to_owned(),
        "   x = 1\n  y = 2".to_owned(),
    ] {
        // It is refused or it is fine; it never takes the process down.
        let report = check_source(&source);
        assert!(report.len() < 2_000, "{report}");
        assert!(!report.contains("file-"), "{report}");
    }
    assert!(check_source(&"x".repeat(70_000)).contains("the most is 65536"));
}
