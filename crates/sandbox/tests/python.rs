//! Python as it is here, in tables: a source, an entry point, and the outcome.
//!
//! A case is `source => result`, the result as JSON, or `source => ! KIND part of the message`.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use door::{call, check, defined, end, method, with};
use oikos_kernel::{
    code::{CodeCall, CodeLimits, Entry},
    host_fn::{Function, LedgerFn},
    op_kind::OpKind,
    time::Time,
};
use serde_json::json;

#[test]
fn values_and_entries() {
    check(&[
        ("def run(x):\n    return x + 1", json!([41]), "42"),
        (
            "def run(*xs):\n    return list(xs)",
            json!([1, "a", null, true, 2.5, {"k": [1]}]),
            r#"[1,"a",null,true,2.5,{"k":[1]}]"#,
        ),
        ("def run():\n    return (1, [2, (3,)])", json!([]), "[1,[2,[3]]]"),
        ("def run():\n    return {1: 'a', '1': 'b'}", json!([]), "! NotJson two keys"),
        ("def run():\n    return {2: 'a', None: 'b'}", json!([]), r#"{"2":"a","null":"b"}"#),
        (
            "def run():\n    return [2 ** 63 - 1, -2 ** 63]",
            json!([]),
            "[9223372036854775807,-9223372036854775808]",
        ),
        ("def run():\n    return 2 ** 64 - 2 ** 63 - 1 - 2 ** 62", json!([]), "4611686018427387903"),
        ("def run():\n    return {'a': [2 ** 63]}", json!([]), "! NotJson an int beyond 64 bits at [a][0]"),
        ("def run():\n    return -2 ** 63 - 1", json!([]), "! NotJson an int beyond 64 bits"),
        ("def run():\n    return 2 ** 64", json!([]), "! NotJson an int beyond 64 bits"),
        (
            "def run(x):\n    return x",
            json!([[0.1, -0.0, 1e300, 5e-324, 1.0]]),
            "[0.1,-0.0,1e+300,5e-324,1.0]",
        ),
        (
            "def run(x):\n    x['c'] = 0\n    return [x, list(x), {'b': 1, **x}]",
            json!([{"z": 1, "a": {"y": 2, "b": 3}}]),
            r#"[{"z":1,"a":{"y":2,"b":3},"c":0},["z","a","c"],{"b":1,"z":1,"a":{"y":2,"b":3},"c":0}]"#,
        ),
        ("def run():\n    return [1.0, float('nan')]", json!([]), "! NotJson the float nan at [1]"),
        ("def run():\n    return float('inf')", json!([]), "! NotJson"),
        ("def run():\n    return {'a': {1, 2}}", json!([]), "! NotJson a value of type set at [a]"),
        ("def run():\n    return b'x'", json!([]), "! NotJson a value of type bytes"),
        ("def run():\n    return run", json!([]), "! NotJson"),
        ("class A:\n    pass\ndef run():\n    return A()", json!([]), "! NotJson"),
        (
            "def run():\n    x = []\n    for i in range(200):\n        x = [x]\n    return x",
            json!([]),
            "! NotJson nests deeper",
        ),
        ("def run():\n    return 'x' * 5000000", json!([]), "! NotJson bytes as JSON"),
        ("def run(a, b):\n    return a", json!([1]), "! Raised missing 1 required positional argument"),
        ("def price():\n    return 5", json!([]), "! NoEntry the code has no function `run` [price]"),
        ("x = 1", json!([]), "! NoEntry"),
        ("run = lambda x: x * 2", json!([4]), "8"),
        ("", json!([]), "! NoEntry the code has no function `run`"),
        ("'''\ndef run():\n    return 1\n'''", json!([]), "! NoEntry the code has no function `run`"),
        ("def run():\r\n    return 1\r\n", json!([]), "1"),
        ("def run():\n\treturn 'ü' + '\\u00e9'", json!([]), "\"üé\""),
    ]);
}

#[test]
fn snippets_end_with_a_value() {
    let snippet = |source: &str| end(call(source, Entry::Snippet, json!([]))).text();
    assert_eq!(snippet("x = 2\nx * 21"), "42");
    assert_eq!(snippet("x = 2"), "null");
    assert_eq!(snippet("x = 2\nif x:\n    x"), "null");
    assert_eq!(snippet("'only text'"), "\"only text\"");
    assert_eq!(snippet("def f():\n    return [1, 2]\nf()  # the last"), "[1,2]");
    assert_eq!(snippet("import math\nmath.floor(2.5); math.ceil(2.5)"), "3");
    assert_eq!(snippet(""), "null");
    assert!(snippet("1 +").starts_with("! Invalid"));
}

#[test]
fn globals_tell_who_calls_whom() {
    let source = "def run():\n    return [me, call['caller'], call['origin'], call['paid'], call['given']]";
    check(&[(source, json!([]), r#"["tool","alice","origin",7,["gift"]]"#)]);
}

#[test]
fn parameters_are_a_dict_that_stays() {
    let named = json!({ "harvest": 11, "names": ["a"], "shore": { "fee": 0.5 } });
    let parameters = |source: &str| {
        let call = method(&format!("def run():\n    {source}"), json!([]));
        end(CodeCall { parameters: Some(named.clone().into()), ..call }).text()
    };
    for (source, result) in [
        ("return parameters", r#"{"harvest":11,"names":["a"],"shore":{"fee":0.5}}"#),
        (
            "return [parameters['harvest'], parameters.get('x', 5), 'names' in parameters, len(parameters)]",
            "[11,5,true,3]",
        ),
        (
            "import json\n    return json.dumps(parameters)",
            r#""{\"harvest\": 11, \"names\": [\"a\"], \"shore\": {\"fee\": 0.5}}""#,
        ),
        (
            "import copy\n    mine = copy.deepcopy(parameters); mine['x'] = 1\n    return [len(mine), len(parameters)]",
            "[4,3]",
        ),
        ("return list(parameters | {'x': 1})", r#"["harvest","names","shore","x"]"#),
        ("return isinstance(parameters, dict) and parameters == dict(parameters)", "true"),
        ("return {'inner': [parameters]}['inner'][0]['names']", r#"["a"]"#),
        ("parameters = {'harvest': 2}\n    return parameters", r#"{"harvest":2}"#),
    ] {
        assert_eq!(parameters(source), result, "{source}");
    }
    for source in [
        "parameters['harvest'] = 5",
        "del parameters['harvest']",
        "parameters.update(harvest=5)",
        "parameters.clear()",
        "parameters.pop('harvest')",
        "parameters.setdefault('x', 1)",
        "parameters.__ior__({'x': 1})",
    ] {
        let error = parameters(source);
        assert!(error.contains("code can't change them"), "{source}: {error}");
    }
    let error = parameters("return parameters['harvst']");
    assert!(error.contains("KeyError: 'harvst'"), "{error}");
    // A world without any has none, and code that names none is handed none.
    check(&[("def run():\n    return [parameters, parameters.get('x', 3)]", json!([]), "[{},3]")]);
}

#[test]
fn host_calls_suspend_and_go_on() {
    with(
        "def run():\n    a = transfer('bob', 5, resource='cpu')\n    return [a, invoke('x', 1, method='m', pay=2)]",
        &[
            (r#"transfer ["bob",5] {"resource":"cpu"}"#, Ok(json!({"balance": 3}))),
            (r#"invoke ["x",1] {"method":"m","pay":2}"#, Ok(json!("done"))),
        ],
        r#"[{"balance":3},"done"]"#,
    );
    with(
        "def run():\n    try:\n        transfer('bob', 5)\n    except Exception as e:\n        return str(e)",
        &[("transfer [\"bob\",5] {}", Err("insufficient_scrip: no"))],
        "\"insufficient_scrip: no\"",
    );
    with(
        "def run():\n    transfer('bob', 5)",
        &[("transfer [\"bob\",5] {}", Err("insufficient_scrip: no"))],
        "! Raised RuntimeError: insufficient_scrip: no",
    );
    with(
        "def run():\n    return storage_get('k', {1})",
        &[],
        "! Raised TypeError: storage_get(): JSON can't hold",
    );
    with(
        "def check_permission(caller, action, target, context, ledger):\n    return {'allowed': ledger.get_scrip(caller) > 3}",
        &[("ledger.get_scrip [\"alice\"] {}", Ok(json!(5)))],
        r#"{"allowed":true}"#,
    );
}

#[test]
fn a_mind_thinks_and_does_not_act() {
    with("def step(o):\n    transfer('bob', 1)", &[], "! Raised a mind thinks and does not act");
    with("def step(o):\n    call_llm('hi')", &[], "! Raised a mind thinks and does not act");
    with("def step(o):\n    return query('supply')", &[("query [\"supply\"] {}", Ok(json!(9)))], "9");
    with("def step(o):\n    return read('board')", &[("read [\"board\"] {}", Ok(json!(9)))], "9");
    with("def step(o):\n    return invoke('board', 2)", &[("invoke [\"board\",2] {}", Ok(json!(9)))], "9");
}

#[test]
fn modules_work_and_are_seeded_and_clocked() {
    check(&[
        ("import random\ndef run():\n    return random.randint(1, 6) in range(1, 7)", json!([]), "true"),
        ("from random import choice as c\ndef run():\n    return c(['x'])", json!([]), "\"x\""),
        (
            "def run():\n    import random as r\n    x = [1, 2, 3]\n    r.shuffle(x)\n    return sorted(x)",
            json!([]),
            "[1,2,3]",
        ),
        ("import random\ndef run():\n    return len(set(random.sample(range(50), 10)))", json!([]), "10"),
        (
            "import random\ndef run():\n    random.seed(4)\n    a = random.random()\n    random.seed(4)\n    return a == random.random()",
            json!([]),
            "true",
        ),
        (
            "import random\ndef run():\n    return [random.gauss(0, 1) < 9, random.expovariate(2) >= 0, random.uniform(1, 2) < 2]",
            json!([]),
            "[true,true,true]",
        ),
        (
            "import random\ndef run():\n    return random.choices(['a', 'b'], weights=[0, 1], k=3)",
            json!([]),
            r#"["b","b","b"]"#,
        ),
        ("import time\ndef run():\n    return time.time()", json!([]), "1767225600.5"),
        ("import time\ndef run():\n    time.sleep(1)", json!([]), "! Raised code can't sleep"),
        (
            "from datetime import datetime, date\ndef run():\n    return [str(datetime.now()), str(date.today())]",
            json!([]),
            r#"["2026-01-01 00:00:00.500000","2026-01-01"]"#,
        ),
        (
            "import time\ndef run():\n    return [time.time_ns(), time.monotonic(), time.perf_counter()]",
            json!([]),
            "[1767225600500000000,1767225600.5,1767225600.5]",
        ),
        ("def run():\n    return now()", json!([]), "\"2026-01-01T00:00:00.500Z\""),
        (
            "import statistics as s\ndef run():\n    return [s.mean([1, 2, 6]), s.median([3, 1, 2]), s.mode([1, 2, 2]), s.pstdev([2, 2])]",
            json!([]),
            "[3,2,2,0.0]",
        ),
        (
            "import string\ndef run():\n    return string.digits + string.ascii_lowercase[:3]",
            json!([]),
            "\"0123456789abc\"",
        ),
        (
            "import copy\ndef run():\n    a = [[1]]\n    b = copy.deepcopy(a)\n    b[0].append(2)\n    return [a, b]",
            json!([]),
            "[[[1]],[[1,2]]]",
        ),
        (
            "import heapq\ndef run():\n    h = [5, 1, 4]\n    heapq.heapify(h)\n    heapq.heappush(h, 0)\n    return [heapq.heappop(h) for _ in range(4)]",
            json!([]),
            "[0,1,4,5]",
        ),
        (
            "import hashlib\ndef run():\n    return hashlib.md5('abc'.encode()).hexdigest()",
            json!([]),
            "\"900150983cd24fb0d6963f7d28e17f72\"",
        ),
        (
            "import hashlib\ndef run():\n    return hashlib.sha256(b'abc').hexdigest()[:16]",
            json!([]),
            "\"ba7816bf8f01cfea\"",
        ),
        (
            "import uuid\ndef run():\n    u = str(uuid.uuid4())\n    return [len(u), u[14], u[8], u[13]]",
            json!([]),
            r#"[36,"4","-","-"]"#,
        ),
        (
            "import itertools\ndef run():\n    return [list(itertools.combinations('abc', 2)), list(itertools.chain([1], [2]))]",
            json!([]),
            r#"[[["a","b"],["a","c"],["b","c"]],[1,2]]"#,
        ),
        (
            "from collections import (\n    Counter,\n    OrderedDict,\n)\ndef run():\n    return [Counter('aab')['a'], OrderedDict({'x': 1})]",
            json!([]),
            r#"[2,{"x":1}]"#,
        ),
        (
            "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\ndef run():\n    return f(40)",
            json!([]),
            "102334155",
        ),
        (
            "import math, json, re\ndef run():\n    return [math.sqrt(9), json.loads('[1]'), re.sub('a', 'b', 'aa')]",
            json!([]),
            r#"[3.0,[1],"bb"]"#,
        ),
    ]);
}

#[test]
fn distributions_of_a_seed_are_those_of_python() {
    // As CPython on any machine has them, to twelve digits.
    let drawn = r#"def run():
    import random
    r = random.Random(42)
    return [round(x, 12) for x in (
        r.random(), r.gauss(0, 1), r.expovariate(2), r.betavariate(2, 3), r.paretovariate(3), r.lognormvariate(0, 1),
        r.normalvariate(5, 2), r.weibullvariate(1, 2), r.gammavariate(2, 1), r.triangular(0, 10, 3),
        r.vonmisesvariate(0, 4), r.uniform(2, 3))]"#;
    let picked = r#"def run():
    import random
    r = random.Random(42)
    picked = [r.choices("abc", weights=[1, 2, 3], k=5), r.sample(range(100), 4), r.randint(1, 6), r.randrange(10),
              r.choice([1, 2, 3]), r.getrandbits(16)]
    r, xs = random.Random(42), list(range(6))
    r.shuffle(xs)
    return picked + [xs]"#;
    check(&[
        (
            drawn,
            json!([]),
            "[0.639426798458,0.79214474095,0.126293092835,0.581444201095,1.085715154738,1.00948225521,\
             2.048675184701,0.887315757914,0.964539757267,6.347621592366,0.005094378411,2.340250516518]",
        ),
        (picked, json!([]), r#"[["c","a","b","b","c"],[86,94,69,11],5,6,1,1952,[3,1,2,4,0,5]]"#),
    ]);
    // The generator of the module, and one without a seed, go by the seed of the action.
    let source = "import random\ndef run():\n    return [f() for r in (random, random.Random()) for f in (r.random, lambda: r.gauss(0, 1), lambda: r.betavariate(2, 3))]";
    let drawn = |seed: u64| end(CodeCall { seed, ..method(source, json!([])) }).text();
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let source = "import random\ndef run():\n    return [random.random(), random.randint(0, 10**9), hash('x'), str({'b', 'a', 'c'})]";
    let numbers = |seed: u64| end(CodeCall { seed, ..method(source, json!([])) }).text();
    assert_eq!(numbers(1), numbers(1));
    assert_ne!(numbers(1), numbers(2));
}

#[test]
fn what_is_out_of_reach_says_so() {
    let no_files = "! Raised PermissionError: code has no files, environment or processes";
    check(&[
        ("import subprocess\ndef run():\n    return 1", json!([]), "! Raised code starts no processes"),
        (
            "import socket\ndef run():\n    return 1",
            json!([]),
            "! Raised No module named 'socket' (code has no network",
        ),
        ("import http.client\ndef run():\n    return 1", json!([]), "! Raised code has no network"),
        (
            "from sqlite3 import connect\ndef run():\n    return 1",
            json!([]),
            "! Raised keep things by `storage_set`",
        ),
        ("import ctypes\ndef run():\n    return 1", json!([]), "! Raised code has no machine below it"),
        ("import _thread\ndef run():\n    return 1", json!([]), "! Raised code has no threads"),
        (
            "import numpy\ndef run():\n    return 1",
            json!([]),
            "! Raised only modules of Python's own library",
        ),
        (
            "try:\n    import numpy\nexcept ImportError:\n    numpy = None\ndef run():\n    return numpy",
            json!([]),
            "null",
        ),
        (
            "import threading\ndef run():\n    threading.Thread(target=print).start()",
            json!([]),
            "! Raised code has no threads; call the function plainly",
        ),
        ("import threading\ndef run():\n    with threading.Lock():\n        return 1", json!([]), "1"),
        ("import os\ndef run():\n    return os.listdir('.')", json!([]), no_files),
        ("import os\ndef run():\n    return os.system('ls')", json!([]), no_files),
        ("def run():\n    return open('x').read()", json!([]), no_files),
        ("import io\ndef run():\n    return io.open('/etc/passwd')", json!([]), no_files),
        (
            "from pathlib import Path\ndef run():\n    return Path('/etc/passwd').read_text()",
            json!([]),
            no_files,
        ),
        ("import io\ndef run():\n    return io.FileIO('/etc/passwd')", json!([]), "! Raised OSError"),
        (
            "import os\ndef run():\n    return [os.getenv('HOME'), dict(os.environ), os.path.exists('/')]",
            json!([]),
            "[null,{},false]",
        ),
        ("def run():\n    return input()", json!([]), "! Raised EOFError: nobody answers `input`"),
        ("def run():\n    exit()", json!([]), "! Raised code can't exit"),
        ("import sys\ndef run():\n    sys.exit('x')", json!([]), "! Raised SystemExit: x"),
        (
            "import os\ndef run():\n    os._exit(3)",
            json!([]),
            "! Raised the code tried to end its process with status 3",
        ),
        ("import os\ndef run():\n    os.abort()", json!([]), "! Raised "),
        ("def run():\n    raise KeyboardInterrupt()", json!([]), "! Raised KeyboardInterrupt"),
        ("def run():\n    return call_me()", json!([]), "! Raised NameError"),
        (
            "import sys\ndef run():\n    sys.setrecursionlimit(10 ** 6)",
            json!([]),
            "! Raised the recursion limit is 1,000 calls",
        ),
        (
            "import sys, importlib\ndef run():\n    importlib.reload(sys)\n    sys.setrecursionlimit(10 ** 6)",
            json!([]),
            "! Raised ",
        ),
    ]);
}

#[test]
fn the_language_is_whole() {
    check(&[
        ("def run(d):\n    del d['a']\n    return d", json!([{"a": 1, "b": 2}]), r#"{"b":2}"#),
        (
            "def run(x):\n    match x:\n        case {'n': n}:\n            return n\n        case _:\n            return 0",
            json!([{"n": 5}]),
            "5",
        ),
        (
            "def numbers():\n    yield 1\n    yield 2\ndef run():\n    return list(numbers())",
            json!([]),
            "[1,2]",
        ),
        (
            "class A(dict):\n    @property\n    def x(self):\n        return self['x']\ndef run():\n    return A(x=3).x",
            json!([]),
            "3",
        ),
        ("def run(x):\n    x[0], x[1] = x[1], x[0]\n    return x", json!([[1, 2]]), "[2,1]"),
        (
            "def run():\n    return ['%s' % 3, {'a': 1} | {'b': 2}, callable(run)]",
            json!([]),
            r#"["3",{"a":1,"b":2},true]"#,
        ),
        ("def run():\n    return sorted([3, 1], key=lambda x: (random(), x) and x)", json!([]), "[1,3]"),
        (
            "def run():\n    return [eval('1 + 1'), -7 // 2, round(2.5), round(1.115, 2)]",
            json!([]),
            "[2,-4,2,1.11]",
        ),
        (
            "import asyncio\nasync def f():\n    await asyncio.sleep(3)\n    return 3\ndef run():\n    return asyncio.run(f())",
            json!([]),
            "3",
        ),
    ]);
}

/// Snippets that an older Python, or one with a system below it, does otherwise.
#[test]
fn this_is_python_3_14_without_a_system() {
    check(&[
        ("def run():\n    return [sum([0.1] * 10), sum([1e16, 1.0, -1e16])]", json!([]), "[1.0,1.0]"),
        (
            "def run():\n    told = []\n    for f in (lambda: 1 // 0, lambda: 1 % 0, lambda: 1.0 / 0, lambda: 1.0 % 0):\n        try:\n            f()\n        except ZeroDivisionError as e:\n            told.append(str(e))\n    return set(told) == {'division by zero'}",
            json!([]),
            "true",
        ),
        (
            "import itertools\ndef run():\n    return list(itertools.batched('abc', 2))",
            json!([]),
            r#"[["a","b"],["c"]]"#,
        ),
        ("import random\ndef run():\n    return random.binomialvariate(10, 1.0)", json!([]), "10"),
        (
            "def run():\n    try:\n        return 10.0 ** 400\n    except OverflowError as e:\n        return str(e)",
            json!([]),
            "\"(68, 'Result not representable')\"",
        ),
        (
            "import sys\ndef run():\n    return [sys.maxsize, list(sys.version_info[:2])]",
            json!([]),
            "[2147483647,[3,14]]",
        ),
        ("def run():\n    return f'{'x'}' + t'{1}'.strings[0]", json!([]), "\"x\""),
        (
            "import random\ndef run():\n    random.seed(4)\n    return [random.random(), random.randint(1, 100)]",
            json!([]),
            "[0.23604808973743452,14]",
        ),
        ("def run():\n    return hash('a') == hash('a') and id(None) > 0", json!([]), "true"),
    ]);
}

#[test]
fn copies_of_classes_leave_and_others_do_not() {
    check(&[
        (
            "from collections import *\ndef run():\n    d = defaultdict(list)\n    d['a'].append(1)\n    o = OrderedDict(x=1, y=2)\n    o.move_to_end('x')\n    return [Counter('aab'), d, o]",
            json!([]),
            r#"[{"a":2,"b":1},{"a":[1]},{"y":2,"x":1}]"#,
        ),
        (
            "from collections import namedtuple\nP = namedtuple('P', 'x y')\nclass L(list):\n    pass\ndef run():\n    return [P(1, 2), L([3])]",
            json!([]),
            "[[1,2],[3]]",
        ),
        (
            "import enum\nclass N(enum.IntEnum):\n    A = 3\nclass S(enum.StrEnum):\n    A = 'a'\nclass F(float):\n    pass\ndef run():\n    return [N.A, S.A, F(1.5), {N.A: S.A, S.A: 1}]",
            json!([]),
            r#"[3,"a",1.5,{"3":"a","a":1}]"#,
        ),
        (
            "import enum\nclass E(enum.Enum):\n    A = 1\ndef run():\n    return [E.A]",
            json!([]),
            "! NotJson a value of type E at [0]",
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = 1\ndef run():\n    return {'p': [P()]}",
            json!([]),
            "! NotJson a value of type P at [p][0]",
        ),
        ("def run():\n    return {(1, 2): 3}", json!([]), "! NotJson a dict key of type tuple"),
        (
            "from collections import Counter\ndef run():\n    return {'a': Counter([(1, 2)])}",
            json!([]),
            "! NotJson a dict key of type tuple at [a]",
        ),
        (
            "def run():\n    return {1.5: 1, 1e16: 2, True: 3, None: 4}",
            json!([]),
            r#"{"1.5":1,"1e+16":2,"true":3,"null":4}"#,
        ),
        (
            "def run():\n    return {1: 'a', True: 'b', '1': 'c'}",
            json!([]),
            "! NotJson two keys that both read",
        ),
        ("def run():\n    x = []\n    x.append(x)\n    return [x]", json!([]), "! NotJson contains itself"),
        (
            "from collections import Counter\ndef run():\n    x = [Counter()]\n    x.append(x)\n    return x",
            json!([]),
            "! NotJson contains itself",
        ),
        (
            "from collections import Counter\ndef run():\n    x = Counter()\n    for _ in range(60):\n        x = [x, x]\n    return x",
            json!([]),
            "! NotJson more than",
        ),
        (
            "from collections import Counter\ndef run():\n    x = Counter()\n    for _ in range(200):\n        x = [x]\n    return x",
            json!([]),
            "! NotJson nests deeper than 100",
        ),
        (
            "def run():\n    shared = [1, {'a': 'é'}]\n    return [shared, shared, (shared,)]",
            json!([]),
            r#"[[1,{"a":"é"}],[1,{"a":"é"}],[[1,{"a":"é"}]]]"#,
        ),
        (
            "def run():\n    return storage_get('k', [float('nan')])",
            json!([]),
            "! Raised TypeError: storage_get(): JSON can't hold the float nan at [0]",
        ),
        (
            "def run():\n    return storage_get('k', run)",
            json!([]),
            "! Raised TypeError: storage_get(): JSON can't hold a value of type function",
        ),
        ("def run():\n    return [1, ..., 2]", json!([]), "! NotJson a value of type ellipsis at [1]"),
        (
            "def run():\n    return ['a', '\\ud800']",
            json!([]),
            "! NotJson a str with a lone surrogate at [1]",
        ),
    ]);
}

#[test]
fn what_a_source_defines_is_named() {
    let source = "import math\nLIMIT = 3\ndef run(): pass\nasync def later(): pass\ndef _hidden(): pass\nclass Shop:\n    def sell(self): pass\ndouble = lambda x: x\n";
    let named = defined(source);
    for (name, is) in [("run", true), ("later", true), ("double", true), ("_hidden", false), ("sell", false)]
    {
        assert_eq!(named.iter().any(|defined| defined == name), is, "{name}: {named:?}");
    }
}

#[test]
fn one_sandbox_serves_many_threads() {
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|at| scope.spawn(move || end(method("def run(x):\n    return x * 2", json!([at]))).text()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(answers, ["0", "2", "4", "6"]);
}

#[test]
fn limits_stop_what_never_ends() {
    let limited = |source: &str, work: u64| {
        let call = method(source, json!([]));
        end(CodeCall { limits: CodeLimits { work, ..call.limits }, ..call })
    };
    for source in [
        "def run():\n    while True:\n        pass",
        "def run():\n    for i in range(10**12):\n        pass",
        "def run():\n    return sum(range(10**12))",
        "def run():\n    while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n            pass",
        "def run():\n    while True:\n        print('', end='')",
    ] {
        let (first, second) = (limited(source, 50), limited(source, 50));
        assert_eq!((first.kind(), first.meter.work), ("Work".into(), 50), "{source}");
        assert_eq!(first.meter.work, second.meter.work);
    }
    check(&[
        ("def run():\n    return run()", json!([]), "! Recursion RecursionError"),
        ("def run():\n    return 'a' * 10**9", json!([]), "! Memory"),
        (
            "def run():\n    x = 'ab'\n    while True:\n        y = x + x\n        x = y",
            json!([]),
            "! Memory",
        ),
        ("def run():\n    x = []\n    while True:\n        x.append('y' * 1000)", json!([]), "! Memory"),
        ("def run():\n    x = 'ab'\n    while True:\n        x = x + x", json!([]), "! Memory"),
        (
            "def run():\n    try:\n        x = 'ab' * 10**9\n    except MemoryError:\n        return 'too much'",
            json!([]),
            "\"too much\"",
        ),
        ("def run():\n    while True:\n        log('x' * 1000)", json!([]), "! Output printed more than"),
        (
            "def run():\n    while True:\n        try:\n            print('x' * 1000)\n        except BaseException:\n            pass",
            json!([]),
            "! Output",
        ),
    ]);
}

#[test]
fn what_is_printed_before_the_end_is_kept() {
    for (body, kind) in [
        ("return 1", "Ok"),
        ("raise ValueError('no')", "Raised"),
        ("while True: pass", "Work"),
        ("return 'x' * 10**9", "Memory"),
        ("import os; os._exit(0)", "Raised"),
    ] {
        let source = format!("def run():\n    print('one', 2)\n    log('three', [4])\n    {body}");
        let ended = end(method(&source, json!([])));
        assert_eq!((ended.kind().as_str(), ended.output.as_str()), (kind, "one 2\nthree [4]\n"), "{body}");
    }
}

#[test]
fn each_run_is_fresh() {
    let source = "import math, random\nseen = []\ndef run():\n    seen.append(1)\n    was = getattr(math, 'left', 0), len(seen)\n    math.left = 1\n    random.choice = None\n    __builtins__.len = None\n    return was";
    for _ in 0..3 {
        assert_eq!(end(method(source, json!([]))).text(), "[0,1]");
    }
}

#[test]
fn the_functions_are_those_of_the_table() {
    let names: Vec<String> = OpKind::ALL
        .map(OpKind::as_str)
        .into_iter()
        .chain(Function::ALL.map(Function::as_str))
        .map(str::to_owned)
        .collect();
    let source = format!(
        "def run():\n    return [f for f in {names:?} if not callable(globals()['__builtins__'].__dict__.get(f))]"
    );
    assert_eq!(end(method(&source, json!([]))).text(), "[]");
    let methods = LedgerFn::ALL.map(LedgerFn::as_str);
    let source = format!(
        "def check_permission(c, a, t, x, ledger):\n    return [f for f in {methods:?} if not hasattr(ledger, f)] + [f for f in dir(ledger) if f[0] != '_' and f not in {methods:?}]"
    );
    with(&source, &[], "[]");
}

#[test]
fn the_clock_is_the_actions() {
    let at = |time: &str, source: &str| {
        let now = Time::parse(time).expect("a time");
        end(CodeCall { now, ..method(source, json!([])) }).text()
    };
    let source = "import time\nfrom datetime import datetime, timezone\ndef run():\n    return [now(), time.strftime('%Y-%m-%d'), datetime.now(timezone.utc).isoformat()]";
    assert_eq!(
        at("2031-05-06T07:08:09.25Z", source),
        r#"["2031-05-06T07:08:09.250Z","2031-05-06","2031-05-06T07:08:09.250000+00:00"]"#
    );
    for time in ["1800-01-01T00:00:00Z", "9000-01-01T00:00:00Z"] {
        assert_eq!(at(time, "def run():\n    return now()[:4]"), format!("{:?}", &time[..4]));
        let told = at(time, "import time\ndef run():\n    return time.time()");
        assert!(told.starts_with("! Raised "), "{told}");
    }
}
