"""The driver: compiles and runs an agent's code inside the interpreter, one request at a time.

It is run once, before the snapshot is taken, and leaves `builtins._oikos_driver`, a function from the bytes of a
request to the bytes of an answer. Requests and answers are marshalled tuples; `crates/sandbox/src/driver.rs` is
their other side. Nothing here is trusted by the host: code can change all of it, for its own instance.

All that can be done before the snapshot is done before it, since a fresh instance begins there.
"""

import builtins
import linecache
import marshal
import opcode
import sys
import traceback
import types
import warnings

from ast import Expr, Expression, parse
from itertools import groupby
from operator import attrgetter

# ---------------------------------------------------------------------------------------------------------------
# Values: those that are not plain are copied as plain ones.

dumps, loads = marshal.dumps, marshal.loads
host = builtins._oikos_call

# The version in which values leave: what is shared is written once, so that its size is the host's to count.
SHARED = 4
# The version of compiled code.
CODE = marshal.version

DEPTH_MAX = 100
STEPS_SHOWN = 8


class Unfit(Exception):
    """A value that JSON can't hold."""


def unfit(what, path):
    place = "".join(f"[{step}]" for step in path[:STEPS_SHOWN])
    return Unfit(f"JSON can't hold {what}" + (f" at {place}" if place else ""))


def plain(value, path, done):
    """A copy of a value without subclasses, or `Unfit`. `done` holds the copies by the identity of what they copy."""
    kind = type(value)
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__int__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if not issubclass(kind, (dict, list, tuple)):
        raise unfit(f"a value of type {kind.__name__}", path)
    known = done.get(id(value))
    if known is not None:
        if known[1] is None:
            raise unfit("a value that contains itself", path)
        return known[1]
    if len(path) >= DEPTH_MAX:
        raise Unfit(f"the value nests deeper than {DEPTH_MAX} levels")
    done[id(value)] = value, None
    if issubclass(kind, dict):
        copy = {}
        for key, item in value.items():
            key = plain_key(key, path)
            path.append(key)
            copy[key] = plain(item, path, done)
            path.pop()
    else:
        copy = []
        items = list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value)
        for at, item in enumerate(items):
            path.append(at)
            copy.append(plain(item, path, done))
            path.pop()
    done[id(value)] = value, copy
    return copy


def plain_key(key, path):
    kind = type(key)
    if kind is str or kind is int or kind is float or kind is bool or key is None:
        return key
    for base, copy in ((str, str.__str__), (int, int.__int__), (float, float.__float__)):
        if issubclass(kind, base):
            return copy(key)
    raise unfit(f"a dict key of type {kind.__name__}", path)


# ---------------------------------------------------------------------------------------------------------------
# The functions of the host.

HOST_FUNCTIONS = """
    noop read write edit delete invoke run transfer transfer_ownership set_contract store query sleep mint charge mandate
    remember forget
    attempt get_balance pay storage_get storage_set storage_delete storage_list call_llm get_artifact_info
""".split()
LEDGER_FUNCTIONS = """
    principal_exists get_scrip can_afford_scrip get_resource can_spend_resource get_all_resources
""".split()

# The exceptions that an answer of the host raises, where it is a tuple.
RAISED = (RuntimeError, TypeError)


def host_function(word, name):
    def call(*args, **kwargs):
        try:
            asked = dumps((word, args, kwargs), SHARED)
        except ValueError:
            try:
                args = [plain(arg, [], {}) for arg in args]
                asked = dumps((word, args, {key: plain(arg, [], {}) for key, arg in kwargs.items()}), SHARED)
            except Unfit as error:
                raise TypeError(f"{name}(): {error}") from None
        answer = loads(host(asked))
        if type(answer) is tuple:
            kind, text = answer
            raise RAISED[kind](text)
        return answer

    call.__name__ = call.__qualname__ = name
    call.__module__ = "builtins"
    return call


def ledger_method(name):
    return staticmethod(host_function("ledger." + name, name))


Ledger = type("Ledger", (), {"__slots__": (), **{name: ledger_method(name) for name in LEDGER_FUNCTIONS}})
ledger = Ledger()


def asked_once(word):
    """An answer of the host about this run; it is asked for when it is first needed."""
    try:
        return told[word]
    except KeyError:
        answer = told[word] = loads(host(dumps((word,))))
        return answer


told = {}


def now():
    """The action's time, as text."""
    return asked_once("now")


def random():
    """A number in [0, 1) from the action's seed."""
    return unseeded.random()


def log(*args):
    """Writes a line into the receipt's output."""
    print(*args, file=output)


def source_lines(filename, module_globals=None):
    """The lines of the code that runs, for tracebacks; no other file has any."""
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) != 1:
        return entry[2]
    if filename != file_now:
        return []
    source = asked_once("source")
    lines = [shortened(line) + "\n" for line in source.split("\n")]
    linecache.cache[filename] = len(source), None, lines, filename
    return lines


# Characters shown of a source line; a longer one is shown without a mark under the place.
LINE_CHARS_MAX = 160


def shortened(line):
    line = line.removesuffix("\r")
    return line if len(line) <= LINE_CHARS_MAX else line[:LINE_CHARS_MAX] + " ..."


# ---------------------------------------------------------------------------------------------------------------
# Failures.

# Their kinds, as `driver.rs` numbers them.
INVALID, NO_ENTRY, RAISED_BY_CODE, MEMORY, RECURSION, NOT_JSON = range(6)

# Calls shown of a traceback at each of its ends, of those at one place, and exceptions shown of a chain.
FRAMES_EACH_END = 10
SAME_SHOWN = 3
CHAIN_MAX = 4
# Characters of an exception's text.
TEXT_CHARS_MAX = 16_384
MESSAGE_CHARS_MAX = 4_096

RAISE_VARARGS = opcode.opmap["RAISE_VARARGS"]
DRIVER = globals()
file_now = ""
MODULE = "artifact"
OUT_OF_MEMORY = "MemoryError: the code used more memory than it may"


def is_own(code, names):
    """Whether a frame is of interest to the author: neither the driver's nor the library's."""
    return names is not DRIVER and not code.co_filename.startswith(("/", "<frozen "))


def calls(error):
    """The entries of a traceback, the outermost first."""
    entries = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    return entries


def has_own_words(error):
    """Whether a `raise` or an `assert` of the code made the exception: then its text is the author's."""
    entry = innermost(error)
    if entry is None:
        return False
    code = entry.tb_frame.f_code
    return code.co_filename == file_now and code.co_code[entry.tb_lasti] == RAISE_VARARGS


def runs_shown(error):
    """The calls of a traceback that are shown of it: entries, and after them a line for those that are not."""
    runs = [(frame, list(run)) for frame, run in groupby(calls(error), same_place)]
    runs = [run for (code, names, _), run in runs if is_own(code, names)]
    hidden = 0
    if len(runs) > 2 * FRAMES_EACH_END:
        hidden = sum(map(len, runs[FRAMES_EACH_END:-FRAMES_EACH_END]))
        runs[FRAMES_EACH_END:-FRAMES_EACH_END] = []
    shown = []
    for at, run in enumerate(runs):
        more = len(run) - SAME_SHOWN
        after = f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]\n" if more > 0 else ""
        if hidden and at == FRAMES_EACH_END - 1:
            after += f"  [{hidden} calls left out]\n"
        shown.append((run[:SAME_SHOWN], after))
    return shown


same_place = attrgetter("tb_frame.f_code", "tb_frame.f_globals", "tb_lineno")


def stack_text(shown):
    """The calls of a traceback as text."""
    text = ""
    for run, after in shown:
        chain = None
        for entry in reversed(run):
            chain = types.TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
        frames = traceback.TracebackException(Exception, None, chain, lookup_lines=False).stack
        for frame in frames:
            if len(frame.line or "") >= LINE_CHARS_MAX:
                frame.colno = frame.end_colno = None
        text += "".join(frames.format()) + after
    return text


def last_words(shown):
    """An exception as its traceback ends: type and text."""
    if shown.exc_type_module == MODULE:
        shown.exc_type_module = "builtins"
    text = "".join(shown.format_exception_only()).rstrip("\n")
    return text if len(text) <= MESSAGE_CHARS_MAX else text[:MESSAGE_CHARS_MAX] + " ..."


BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"


def innermost(error):
    """The last entry of a traceback: its frame has the names that were meant, perhaps, by one that is not there."""
    entries = calls(error)
    return entries[-1] if entries else None


def links(error):
    """An exception and those behind it, the last one first, each with the words that lead to the next."""
    chain, seen = [(error, "")], {id(error)}
    while len(chain) < CHAIN_MAX:
        error = chain[-1][0]
        behind, words = error.__cause__, BECAUSE
        if behind is None and not error.__suppress_context__:
            behind, words = error.__context__, MEANWHILE
        if behind is None or id(behind) in seen:
            break
        seen.add(id(behind))
        chain.append((behind, words))
    return chain


def described(error):
    """The message of an exception and its traceback."""
    message, report = "", ""
    for link, words in links(error):
        stack = stack_text(runs_shown(link))
        cause, context = link.__cause__, link.__context__
        suppressed = link.__suppress_context__
        # One link at a time: the formatter would walk the whole chain.
        link.__cause__ = link.__context__ = None
        shown = traceback.TracebackException(type(link), link, innermost(link), lookup_lines=False)
        link.__cause__, link.__context__, link.__suppress_context__ = cause, context, suppressed
        text = last_words(shown)
        if link is error:
            message = text
            if not stack:
                return message, ""
        head = "Traceback (most recent call last):\n" if stack else ""
        report = head + stack + text + (words and "\n" + words) + report
    return message, report


def failure(kind, message, exception=None, own_words=False, report=""):
    return dumps((kind, message, exception, own_words, report), SHARED)


def text_of(error):
    try:
        return str(error)[:TEXT_CHARS_MAX]
    except Exception:
        return ""


def is_lack_of_memory(error):
    """Whether an exception stands for a `MemoryError`: where `text + text` finds no memory, CPython 3.14.0 goes on with a
    value that is none, and finds that its type has no name."""
    text = str(error) if type(error) is TypeError else ""
    return text.startswith("unsupported operand type(s) for +") and "''" in text


def raised(error):
    """The answer for an exception that the code did not catch."""
    try:
        if is_lack_of_memory(error):
            return out_of_memory(places(error))
        own_words = has_own_words(error)
        message, report = described(error)
        kind = RECURSION if isinstance(error, RecursionError) else RAISED_BY_CODE
        return failure(kind, clean(message), clean(text_of(error)), own_words, clean(report))
    except MemoryError:
        return failure(MEMORY, OUT_OF_MEMORY)
    except BaseException as another:
        # The exception is made so that it can't be told; its type says what there is to say.
        return failure(RAISED_BY_CODE, type(error).__name__, None, False, "")


def clean(text):
    """Text without lone surrogates, which no answer can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def places(error):
    """Where an exception came from, without its frames: they would keep what fills the memory."""
    codes = [(entry.tb_frame.f_code, entry.tb_frame.f_globals, entry.tb_lineno) for entry in calls(error)]
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return [(code.co_filename, line, code.co_name) for code, names, line in codes if is_own(code, names)]


def out_of_memory(entries):
    if not entries:
        return failure(MEMORY, OUT_OF_MEMORY)
    if len(entries) > 2 * FRAMES_EACH_END:
        entries[FRAMES_EACH_END:-FRAMES_EACH_END] = []
    try:
        stack = traceback.StackSummary.from_list([traceback.FrameSummary(*entry) for entry in entries])
        report = "Traceback (most recent call last):\n" + "".join(stack.format()) + OUT_OF_MEMORY
    except MemoryError:
        report = ""
    return failure(MEMORY, OUT_OF_MEMORY, None, False, clean(report))


# ---------------------------------------------------------------------------------------------------------------
# Compiling.

STORE_NAME, EXTENDED_ARG = opcode.opmap["STORE_NAME"], opcode.opmap["EXTENDED_ARG"]
# A name that is stored right after one of these is no function of the code's own.
NO_FUNCTION = frozenset(
    opcode.opmap[name] for name in ("LOAD_CONST", "LOAD_SMALL_INT", "IMPORT_NAME", "IMPORT_FROM")
)
OPTIMIZED = 1


def defined(code):
    """The names at the top of a module's code that may be called from outside, in their order."""
    classes = {
        const.co_name
        for const in code.co_consts
        if isinstance(const, types.CodeType) and not const.co_flags & OPTIMIZED
    }
    bytecode = code.co_code
    operations, arguments = bytecode[::2], bytecode[1::2]
    names = {}
    at = operations.find(STORE_NAME)
    while at >= 0:
        index, before = arguments[at], at - 1
        shift = 8
        while before >= 0 and operations[before] == EXTENDED_ARG:
            index |= arguments[before] << shift
            shift, before = shift + 8, before - 1
        name = code.co_names[index]
        if name[:1] != "_" and name not in classes and (before < 0 or operations[before] not in NO_FUNCTION):
            names[name] = None
        at = operations.find(STORE_NAME, at + 1)
    return list(names)


def compiled(source, file, is_snippet):
    """The answer to a request to compile: code and the names it defines, or why it is no Python."""
    warnings.simplefilter("ignore")
    try:
        if not is_snippet:
            code = compile(source, file, "exec", dont_inherit=True)
            return dumps((dumps(code, CODE), defined(code)), SHARED)
        tree = parse(source, file)
        last = None
        if tree.body and isinstance(tree.body[-1], Expr):
            last = compile(Expression(tree.body.pop().value), file, "eval", dont_inherit=True)
        code = compile(tree, file, "exec", dont_inherit=True), last
        return dumps((dumps(code, CODE), []), SHARED)
    except BaseException as error:
        error.__traceback__ = None
        if isinstance(error, SyntaxError) and len(error.text or "") > LINE_CHARS_MAX:
            error.text = None
        shown = traceback.TracebackException(type(error), error, None)
        report = clean("".join(shown.format_exception_only()).rstrip("\n"))
        message = report.rpartition("\n")[2]
        return failure(INVALID, message, None, False, report)


# ---------------------------------------------------------------------------------------------------------------
# Running.

# The kinds of requests, as `driver.rs` numbers them.
COMPILE, METHOD, CHECK, SNIPPET = range(4)

class Parameters(dict):
    """The parameters of the world: a dict that code reads."""

    __slots__ = ()

    def _fixed(self, *args, **kwargs):
        raise TypeError("parameters are the world's, and code can't change them; dict(parameters) is a copy")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _fixed

    def __reduce__(self):
        return dict, (dict(self),)


Parameters.__module__ = "builtins"

# The first namespace; its module is found where `typing`, `pickle` and others look for it.
module = types.ModuleType(MODULE)
namespace = vars(module)
namespace.clear()
namespace.update(__name__=MODULE, __builtins__=builtins)


def drive(request):
    kind, code, name, args, me, call, parameters = loads(request)
    if kind == COMPILE:
        return compiled(code, name, args)
    return answered(kind, code, name, args, me, call, parameters)


def answered(kind, code, name, args, me, call, parameters):
    global file_now
    if me is not None:
        namespace["me"] = me
    if call is not None:
        namespace["call"] = call
    if parameters is not None:
        namespace["parameters"] = Parameters(parameters)
    try:
        if kind == SNIPPET:
            code, last = code
            file_now = code.co_filename
            exec(code, namespace)
            value = None if last is None else eval(last, namespace)
        else:
            file_now = code.co_filename
            exec(code, namespace)
            try:
                function = namespace[name]
            except KeyError:
                return failure(NO_ENTRY, f"the code has no function `{name}`")
            value = function(*args, ledger) if kind == CHECK else function(*args)
        try:
            return dumps((value,), SHARED)
        except ValueError:
            return dumps((plain(value, [], {}),), SHARED)
    except Unfit as error:
        return failure(NOT_JSON, clean(str(error)))
    except MemoryError as error:
        entries = places(error)
    except BaseException as error:
        return raised(error)
    namespace.clear()
    return out_of_memory(entries)


# ---------------------------------------------------------------------------------------------------------------
# The contents of the snapshot.

def warm(kind, source, name, *args):
    """Runs a source as the host asks for it, so that the snapshot holds what the interpreter learns by it."""
    filters = warnings.filters[:]
    answer = loads(drive(dumps((COMPILE, source, "warm", kind == SNIPPET, None, None, None))))
    warnings.filters[:] = filters
    if len(answer) == 2:
        code = loads(answer[0])
        answer = loads(drive(dumps((kind, code, name, list(args), "me", {"caller": None}, None), CODE)))
    namespace.clear()
    namespace.update(__name__=MODULE, __builtins__=builtins)
    linecache.cache.clear()
    told.clear()
    return answer


WARMTH = """
import json, math
from collections import Counter
class Offer:
    def __init__(self, price): self.price = price
def rate(x, *, by=2): return round(x * 1.5 / by, 1)
def step(seen):
    offers = sorted((Offer(n) for n in range(5)), key=lambda offer: -offer.price)
    text = f"{offers[0].price:.2f} {seen['name']!r}".upper().split()
    held = {str(k): [v, float(v), {"at": (k, v)}] for k, v in enumerate(range(20)) if v % 2}
    held.update(a=1); held.pop("a", None); count = Counter("aab")
    try:
        held["none"]
    except KeyError as error:
        text.append(str(error))
    get_balance("a")
    return {"op": "transfer", "to": text[0], "amount": rate(10), "n": [x for x in held.items()][:2], "c": count}
"""


def _boot_warm():
    """Called once by the boot."""
    global host, file_now
    asking, host = host, lambda asked: dumps(WARMTH if loads(asked) == ("source",) else None)
    for _ in range(20):
        warm(METHOD, "def run(x):\n    return x + 1\n", "run", 1)
        warm(METHOD, WARMTH, "step", {"name": "a"})
        warm(CHECK, "def check_permission(c, a, t, x, ledger):\n    ledger.get_scrip(c)\n    return {'allowed': c == t}", "check_permission", "a", "read", "b", {})
        warm(SNIPPET, "x = 1\nx + 1", None)
        warm(METHOD, "def f(d):\n    return d['a']\ndef run():\n    try:\n        f({})\n    except KeyError:\n        raise ValueError('no')", "run")
        warm(METHOD, "def run():\n    return nam", "run")
    warm(SNIPPET, "1 +", None)
    host, file_now = asking, ""


for name in HOST_FUNCTIONS:
    setattr(builtins, name, host_function(name, name))
for function in (now, random, log):
    function.__module__ = "builtins"
    setattr(builtins, function.__name__, function)
sys.modules[MODULE] = module
linecache.updatecache = linecache.getlines = source_lines
linecache.checkcache = lambda filename=None: None
output = use_output()
without_seed()
put_out_of_reach()
builtins._oikos_driver = drive
