"""The surroundings of code: no files, no network, no other processes, and no modules but those that are loaded; a clock
that stands, and randomness of the action's seed.

It is run once, before the driver and in one namespace with it. That nothing is reachable is not decided here: the
runtime answers no call of the system. Here it is said in words.
"""

import asyncio
import builtins
import io
import os
import posix
import random as seeded
import sys
import time
import types

# ---------------------------------------------------------------------------------------------------------------
# Out of reach.

# Modules that others need and that have no use here: code can't import them.
HIDDEN = """
    _asyncio _signal _socket _thread faulthandler posix select selectors signal site socket socketserver ssl
    subprocess zipimport
""".split()

FILES = "code has no files, environment or processes"
NETWORK = "code has no network; it acts on the world by `invoke`, `transfer` and the other ops"
PROCESSES = "code starts no processes; it acts on the world by `invoke`, `transfer` and the other ops"
KEPT = FILES + "; keep things by `storage_set`, or in artifacts by `write`"
THREADS = "code has no threads; call the function plainly"

# Why a module is not there.
MISSING = {
    name: why
    for names, why in (
        ("socket socketserver ssl select selectors http ftplib smtplib imaplib requests aiohttp httpx", NETWORK),
        ("subprocess multiprocessing signal pty posix fcntl resource", PROCESSES),
        ("sqlite3 dbm shelve tempfile shutil glob fileinput mmap zipfile tarfile gzip bz2 lzma", KEPT),
        ("ctypes cffi _ctypes _testcapi faulthandler", "code has no machine below it"),
        ("_thread", THREADS),
    )
    for name in names.split()
}
ELSE = "only modules of Python's own library are here, as far as they need no files, network or processes"


class Finder:
    """Finds no module: those that are there are all loaded."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        why = MISSING.get(name) or MISSING.get(name.partition(".")[0], ELSE)
        raise ModuleNotFoundError(f"No module named {name!r} ({why})", name=name)


def refusing(kind, sentence):
    """A function that raises, whatever it is given."""

    def refused(*args, **kwargs):
        raise kind(sentence)

    return refused


# Functions of `os` that touch nothing.
HARMLESS = """
    _exit _path_normpath _path_splitroot_ex abort cpu_count fspath getcwd getcwdb getpid sched_yield strerror times
    uname urandom confstr sysconf device_encoding putenv unsetenv
""".split()

# Functions that `os` has elsewhere.
ELSEWHERE = "system popen fork kill killpg pipe execv execve execvp spawnl spawnv posix_spawn startfile".split()


def put_out_of_reach():
    """Puts a function that says what is missing into the place of each that would ask the machine."""
    no_files = refusing(PermissionError, FILES)
    for module in (posix, os):
        for name, value in list(vars(module).items()):
            if isinstance(value, types.BuiltinFunctionType) and name not in HARMLESS:
                setattr(module, name, no_files)
    for name in ELSEWHERE:
        setattr(os, name, no_files)
    os.environ.clear()
    os.get_terminal_size = lambda fd=1: os.terminal_size((80, 24))
    builtins.open = io.open = sys.modules["_io"].open = io.open_code = sys.modules["_io"].open_code = no_files
    builtins.input = refusing(EOFError, "nobody answers `input`; take arguments")
    builtins.breakpoint = refusing(RuntimeError, "there is no debugger here; use `print`")
    builtins.help = refusing(RuntimeError, "there is no help here; read `handbook_code`")
    builtins.exit = builtins.quit = refusing(RuntimeError, "code can't exit; `return` from the function")
    for name in ("copyright", "credits", "license"):
        vars(builtins).pop(name, None)
    no_sleep = refusing(
        RuntimeError, "unsupported: code can't sleep; end this step and act again in a later one"
    )
    time.sleep = no_sleep
    no_threads = refusing(RuntimeError, THREADS)
    import _thread
    import threading

    for name in ("start_new_thread", "start_new", "start_joinable_thread"):
        setattr(_thread, name, no_threads)
    threading._start_joinable_thread = no_threads
    no_limit = refusing(RuntimeError, "the recursion limit is 1,000 calls and can't be changed")
    sys.setrecursionlimit(1000)
    sys.setrecursionlimit = no_limit
    import _imp

    # Otherwise a module that is built in could be made anew, without what was put into it here.
    _imp.create_builtin = _imp.create_dynamic = _imp.init_frozen = refusing(ImportError, ELSE)
    asyncio.new_event_loop = asyncio.events.new_event_loop = Loop
    import uuid

    uuid._GETTERS = uuid._OS_GETTERS = ()
    sys.meta_path[:] = [Finder]
    sys.path_hooks.clear()
    sys.path.clear()
    sys.path_importer_cache.clear()
    for name in HIDDEN:
        sys.modules.pop(name, None)


def use_output():
    """Writes at once what is printed: what precedes the end of a run that is stopped is kept."""
    def stream(errors):
        raw = io.FileIO(1, "w", closefd=False)
        return io.TextIOWrapper(raw, "utf-8", errors, newline="\n", write_through=True)

    sys.stdout = sys.__stdout__ = stream("strict")
    sys.stderr = sys.__stderr__ = stream("backslashreplace")
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BytesIO(), "utf-8")
    return sys.stdout


class Loop(asyncio.BaseEventLoop):
    """An event loop without events: where nothing can be done but wait, its own clock goes on at once."""

    def __init__(self):
        super().__init__()
        self._selector, self._passed = self, 0.0

    def time(self):
        return self._passed

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("what is awaited never comes: no task is left that could go on")
        self._passed += timeout
        return ()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


# ---------------------------------------------------------------------------------------------------------------
# Randomness: the generator of the module `random` is seeded by the action when code first looks into the module.

seeded_attributes = vars(seeded)
unseeded = types.ModuleType("random", seeded.__doc__)


def seeding(name):
    """The attribute of a module `random` that nobody has looked into yet."""
    known = vars(unseeded)
    if known.pop("__getattr__", None) is not None:
        seeded._inst.seed(int.from_bytes(os.urandom(16), "little"))
        for key, value in seeded_attributes.items():
            known.setdefault(key, value)
    try:
        return known[name]
    except KeyError:
        raise AttributeError(f"module 'random' has no attribute {name!r}") from None


for name in ("__name__", "__doc__", "__spec__", "__loader__"):
    vars(unseeded)[name] = seeded_attributes[name]
unseeded.__getattr__ = seeding


def without_seed():
    """Puts the module that seeds itself into the place of `random`, everywhere."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if module is seeded or vars(module) is globals():
                continue
            if value is seeded:
                setattr(module, name, unseeded)
            assert getattr(value, "__self__", None) is not seeded._inst, f"{module} holds random.{name}"
    sys.modules["random"] = unseeded
