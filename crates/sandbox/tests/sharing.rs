//! Steps of many: code that stands unchanged may run its steps one after another in one instance, and then no step
//! finds a word that another left.
//!
//! A row is a mind's code: how a step leaves a word, and what a later step finds of it, which has to be what it would
//! find in an instance of its own. The step may fail to leave it, and the sandbox may give it such an instance.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod door;

use door::{call, sandbox};
use oikos_kernel::code::{CodeAnswer, Entry};
use oikos_sandbox::{Place, Sandbox as _};
use serde_json::{Value, json};

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

fn step(place: &dyn Place, source: &str, leave: bool) -> String {
    let answer = place.start(call(source, Entry::Step, json!([{ "leave": leave }]))).answer;
    match answer {
        CodeAnswer::Done { result, .. } => {
            result.map_or_else(|failure| failure.message, |value| value.to_string())
        }
        CodeAnswer::Call { call, .. } => panic!("{call:?}"),
    }
}

#[test]
fn no_word_is_passed_on() {
    let mut problems = Vec::new();
    for row in ROWS {
        let source = source(row);
        let fresh = step(&*sandbox().batch().expect("a batch"), &source, false);
        let shared = sandbox().batch().expect("a batch");
        let left = step(&*shared, &source, true);
        let found = [step(&*shared, &source, false), step(&*shared, &source, false)];
        if found.iter().any(|found| *found != fresh || found.contains("\"word\"")) {
            problems.push(format!("{source}\n  left {left}\n  fresh {fresh}\n  found {found:?}\n"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Ordinary code does share, and each step has its own arguments, clock, randomness and names.
#[test]
fn steps_of_ordinary_code_have_each_their_own() {
    let source = "import math, random\nfrom collections import Counter\nclass Held:\n    def __init__(self, n):\n        self.n = n\ndef step(seen):\n    return [me, seen['n'], random.random(), now(), Counter('aab')['a'], Held(math.floor(2.5)).n]\n";
    let batch = sandbox().batch().expect("a batch");
    let mut shared = Vec::new();
    let mut alone = Vec::new();
    for at in 0..5_u64 {
        let call = || {
            let call = call(source, Entry::Step, json!([{ "n": at }]));
            oikos_kernel::code::CodeCall { me: format!("agent_{at}").as_str().into(), seed: at, ..call }
        };
        for (answers, progress) in [(&mut shared, batch.start(call())), (&mut alone, sandbox().start(call()))]
        {
            match progress.answer {
                CodeAnswer::Done { result, .. } => answers.push(result.expect("a value")),
                CodeAnswer::Call { call, .. } => panic!("{call:?}"),
            }
        }
    }
    assert_eq!(shared, alone);
    let numbers: std::collections::BTreeSet<String> =
        shared.iter().filter_map(|value| value.get(2)).map(Value::to_string).collect();
    assert_eq!(numbers.len(), 5, "{shared:?}");
}
