//! An instance of the interpreter serves one run after another, and no run finds a word that another left.
//!
//! A row is a mind's code: how a step leaves a word, and how a later step looks for it. The later one finds nothing, and
//! is served by the same memory: the fuel that it takes says that nothing in it was different either.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use door::{call, sandbox};
use oikos_kernel::code::{CodeAnswer, Entry};
use oikos_sandbox::Sandbox as _;
use serde_json::json;

/// The lines above the function, those of a step that leaves a word, and the expression that looks for it.
#[rustfmt::skip]
const ROWS: &[(&str, &str, &str)] = &[
    ("kept = []", "kept.append('word')", "kept[0] if kept else None"),
    ("", "globals()['word'] = 'word'", "globals().get('word')"),
    ("", "global word; word = 'word'", "globals().get('word')"),
    ("def f(x=[]): return x", "f().append('word')", "f()[0] if f() else None"),
    ("class A: word = None", "A.word = 'word'", "A.word"),
    ("def f(): pass", "f.word = 'word'", "getattr(f, 'word', None)"),
    ("import math", "math.word = 'word'", "getattr(math, 'word', None)"),
    ("import math", "setattr(math, 'word', 'word')", "getattr(math, 'word', None)"),
    ("import math", "math.__dict__['word'] = 'word'", "math.__dict__.get('word')"),
    ("import math", "vars(math)['word'] = 'word'", "vars(math).get('word')"),
    ("import builtins", "builtins.word = 'word'", "getattr(builtins, 'word', None)"),
    ("", "__builtins__.word = 'word'", "getattr(__builtins__, 'word', None)"),
    ("import sys", "sys.modules['word'] = 'word'", "sys.modules.get('word')"),
    ("import sys", "sys.path.append('word')", "sys.path[-1] if sys.path else None"),
    ("import sys", "sys.setswitchinterval(0.5)", "'word' if sys.getswitchinterval() == 0.5 else None"),
    ("import os", "os.environ['word'] = 'word'", "os.environ.get('word')"),
    ("import re", "re.compile('swordfish')", "'word' if any('swordfish' in str(k) for k in list(re._cache)) else None"),
    ("import re", "re._cache['word'] = 'word'", "re._cache.get('word')"),
    ("import json", "json.word = 'word'", "getattr(json, 'word', None)"),
    ("import json", "json.decoder.word = 'word'", "getattr(json.decoder, 'word', None)"),
    ("from json import decoder", "decoder.word = 'word'", "getattr(decoder, 'word', None)"),
    ("import random", "random.seed(4); random.word = 'word'", "getattr(random, 'word', None)"),
    ("import random", "random.seed(4)", "'word' if random.random() == 0.23604808973743452 else None"),
    ("import random", "random._inst.gauss_next = 77.0", "'word' if random.gauss(0, 1) == 77.0 else None"),
    ("import decimal", "decimal.getcontext().prec = 7", "'word' if decimal.getcontext().prec == 7 else None"),
    ("import copy", "copy._deepcopy_dispatch['word'] = 'word'", "copy._deepcopy_dispatch.get('word')"),
    ("import collections", "collections.Counter.word = 'word'", "getattr(collections.Counter, 'word', None)"),
    ("from collections import Counter", "Counter.update = lambda *a, **k: None", "None if Counter('a')['a'] else 'word'"),
    ("from functools import lru_cache\n@lru_cache\ndef f(): return []", "f().append('word')", "f()[0] if f() else None"),
    ("import functools", "functools.reduce.__self__.word = 'word'", "getattr(functools.reduce.__self__, 'word', None)"),
    ("from enum import Enum\nclass E(Enum):\n    A = []", "E.A.value.append('word')", "E.A.value[0] if E.A.value else None"),
    ("import typing", "typing.cast.word = 'word'", "getattr(typing.cast, 'word', None)"),
    ("import typing", "typing._overload_registry['word'] = 'word'", "typing._overload_registry.get('word')"),
    ("import datetime", "datetime.datetime.word = 'word'", "getattr(datetime.datetime, 'word', None)"),
    ("import statistics", "statistics.mean.__globals__['word'] = 'word'", "statistics.mean.__globals__.get('word')"),
    ("import heapq", "heapq.merge.__kwdefaults__['key'] = 'word'", "heapq.merge.__kwdefaults__['key']"),
    ("import textwrap", "textwrap.dedent.__code__ = (lambda text: 'word').__code__", "textwrap.dedent('') or None"),
    ("import string", "string.Formatter.format = lambda *a: 'word'", "string.Formatter().format('') or None"),
    ("import gc", "gc.callbacks.append('word')", "gc.callbacks[0] if gc.callbacks else None"),
    ("import gc", "gc.set_threshold(77)", "'word' if gc.get_threshold()[0] == 77 else None"),
    ("import warnings", "warnings.filters.insert(0, 'word')", "'word' if 'word' in warnings.filters else None"),
    ("import logging", "logging.root.handlers.append('word')", "logging.root.handlers[0] if logging.root.handlers else None"),
    ("import contextvars\nv = contextvars.ContextVar('v', default=None)", "v.set('word')", "v.get()"),
    ("import contextvars", "contextvars.ContextVar('v').set('word')", "next((str(x) for x in contextvars.copy_context().values()), None)"),
    ("import codecs", "codecs.register_error('word', lambda e: ('word', e.end))", "'\\ud800'.encode('ascii', 'word').decode() if 'word' in str(codecs.lookup_error('word')) else None"),
    ("import atexit", "atexit.register(print, 'word')", "atexit._ncallbacks()"),
    ("import sys", "sys.stdout.word = 'word'", "getattr(sys.stdout, 'word', None)"),
    ("import sys", "sys.stdout = None", "'word' if sys.stdout is None else None"),
    ("import sys", "sys.settrace(lambda *a: None)", "'word' if sys.gettrace() else None"),
    ("import sys", "sys.excepthook = 'word'", "sys.excepthook if type(sys.excepthook) is str else None"),
    ("import sys", "sys._getframe().f_back.f_globals['word'] = 'word'", "sys._getframe().f_back.f_globals.get('word')"),
    ("import linecache", "linecache.cache['word'] = 'word'", "linecache.cache.get('word')"),
    ("import weakref\nclass A: pass", "a = A(); weakref.finalize(a, print, 'word')", "'word' if weakref.finalize._registry else None"),
    ("class A:\n    def __del__(self):\n        globals()['word'] = 'word'", "a = A(); a.a = a", "globals().get('word')"),
    ("import abc\nclass B(abc.ABC): pass", "B.register(int)", "'word' if isinstance(1, B) else None"),
    ("import numbers\nclass A: pass", "numbers.Number.register(str)", "'word' if isinstance('', numbers.Number) else None"),
    ("import asyncio", "asyncio.set_event_loop('word')", "asyncio.events._get_event_loop_policy()._local.__dict__.get('_loop')"),
    ("class M(type):\n    def __setattr__(c, n, v): pass\nclass A(metaclass=M): pass", "type.__setattr__(A, 'word', 'word')", "getattr(A, 'word', None)"),
    ("", "query.word = 'word'", "getattr(query, 'word', None)"),
    ("", "query.__defaults__ = ('word',)", "query.__defaults__[0] if query.__defaults__ else None"),
    ("", "now.__globals__['told']['now'] = 'word'", "now() if now() == 'word' else None"),
    ("", "object.__setattr__(query, 'word', 'word')", "getattr(query, 'word', None)"),
    ("", "exec('import math; math.word = 1')", "__import__('math').__dict__.get('word')"),
    ("", "eval('setattr')(__import__('math'), 'word', 'word')", "getattr(__import__('math'), 'word', None)"),
    ("import operator", "operator.attrgetter('__dict__')(operator)['word'] = 'word'", "operator.attrgetter('__dict__')(operator).get('word')"),
    ("import operator, math", "operator.methodcaller('__setattr__', 'word', 'word')(math)", "getattr(math, 'word', None)"),
    ("import math\nclass A:\n    def __init__(self):\n        self.word = 'word'", "A.__init__(math)", "getattr(math, 'word', None)"),
    ("import math\nclass A:\n    def __init__(self):\n        self.word = 'word'", "f = A.__init__; f(math)", "getattr(math, 'word', None)"),
    ("import math\nclass A:\n    def set(self):\n        self.word = 'word'", "A.set(math)", "getattr(math, 'word', None)"),
    ("import math\ndef f(m):\n    m.word = 'word'", "f(math)", "getattr(math, 'word', None)"),
    ("import math", "match_ = [setattr]; match_[0](math, 'word', 'word')", "getattr(math, 'word', None)"),
    ("import math", "for math.word in ['word']: pass", "getattr(math, 'word', None)"),
    ("import math, contextlib", "with contextlib.nullcontext('word') as math.word: pass", "getattr(math, 'word', None)"),
    ("import math", "[0 for math.word in ['word']]", "getattr(math, 'word', None)"),
    ("import math", "math.word, x = 'word', 1", "getattr(math, 'word', None)"),
    ("import math", "math.pi = 3", "'word' if math.pi == 3 else None"),
    ("import math", "del math.tau", "None if hasattr(math, 'tau') else 'word'"),
];

/// A source whose first step leaves a word, and whose later one looks for it.
fn source((above, leave, find): &(&str, &str, &str)) -> String {
    format!(
        "{above}\ndef step(seen):\n    if seen['leave']:\n        {leave}\n        return None\n    return {find}\n"
    )
}

fn step(source: &str, leave: bool) -> (String, u64) {
    match sandbox().start(call(source, Entry::Step, json!([{ "leave": leave }]))).answer {
        CodeAnswer::Done { result, meter, .. } => {
            (result.map_or_else(|failure| failure.message, |value| value.to_string()), meter.work)
        }
        CodeAnswer::Call { call, .. } => panic!("{call:?}"),
    }
}

#[test]
fn no_word_is_passed_on() {
    let mut problems = Vec::new();
    for row in ROWS {
        let source = source(row);
        let before = step(&source, false);
        let left = step(&source, true);
        let found = [step(&source, false), step(&source, false)];
        if found.iter().any(|found| *found != before || found.0.contains("\"word\"")) {
            problems.push(format!("{source}\n  before {before:?}\n  left {left:?}\n  found {found:?}\n"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Each run has its own arguments, clock, randomness and names.
#[test]
fn runs_have_each_their_own() {
    let source = "import math, random\nfrom collections import Counter\nclass Held:\n    def __init__(self, n):\n        self.n = n\ndef step(seen):\n    return [me, seen['n'], random.random(), now(), Counter('aab')['a'], Held(math.floor(2.5)).n]\n";
    let mut numbers = std::collections::BTreeSet::new();
    for at in 0..5_u64 {
        let call = call(source, Entry::Step, json!([{ "n": at }]));
        let me = format!("agent_{at}");
        let call = oikos_kernel::code::CodeCall { me: me.as_str().into(), seed: at, ..call };
        let CodeAnswer::Done { result: Ok(value), .. } = sandbox().start(call).answer else {
            panic!("the step has no value");
        };
        assert_eq!((&value[0], &value[1]), (&json!(me), &json!(at)), "{value}");
        numbers.insert(value[2].to_string());
    }
    assert_eq!(numbers.len(), 5, "{numbers:?}");
}
