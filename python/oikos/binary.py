"""The program `oikos`: where it is, and how its commands are run. No process outlives this one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import IO, Any, TypeAlias

from oikos.errors import Error

Name: TypeAlias = "str | os.PathLike[str]"
Moment: TypeAlias = "int | str | datetime | timedelta"
"""A moment of a world: the number of a record, `6h` from its beginning, `tick:40`, or a time (docs/time-travel.md)."""

_ORDERLY_S = 30
"""Seconds that a process has to end by itself once it was asked to."""

_WORDS_MAX = 60
"""Lines of its last words that are kept."""

_GUARD = 'read -r _; kill -TERM "$1" 2>/dev/null'
"""Waits until its input ends, which it does with this process, and asks the other to end."""


def find_binary(binary: Name | None = None) -> str:
    """The path of the program `oikos`.

    A `binary` that is named is looked for on the path; so is the one that `OIKOS_BINARY` names. Otherwise it is the
    one beside the environment's scripts, where the wheel put it, or else the one on the path. Raises
    `FileNotFoundError` where there is none.
    """
    for named, how in [(binary, "`binary=`"), (os.environ.get("OIKOS_BINARY"), "`OIKOS_BINARY`")]:
        if named:
            found = shutil.which(os.fspath(named))
            if found is None:
                raise FileNotFoundError(f"there is no program `{os.fspath(named)}`, which {how} names")
            return found
    name = "oikos" + (sysconfig.get_config_var("EXE") or "")
    schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
    folders = [sysconfig.get_path("scripts", scheme) for scheme in schemes]
    for folder in [os.path.dirname(sys.executable), *folders]:
        found = shutil.which(os.path.join(folder, name))
        if found is not None:
            return found
    found = shutil.which("oikos")
    if found is None:
        raise FileNotFoundError("there is no program `oikos`: install the wheel, or name it with `binary=`")
    return found


def text_of(value: Any) -> str:
    """A value of the world file as `--set` takes it."""
    if isinstance(value, (datetime, timedelta)):
        return when(value)
    return value if isinstance(value, str) else json.dumps(value)


def when(moment: Moment) -> str:
    """A moment as the command line takes it; a `timedelta` is a time since the world's beginning."""
    if isinstance(moment, timedelta):
        return f"{moment // timedelta(milliseconds=1)}ms"
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"a time needs a zone, such as UTC: {moment!r}")
        return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(moment)


def encoded(value: Any) -> str:
    """The values that JSON has no form for, in a request: moments and durations."""
    if isinstance(value, (datetime, timedelta)):
        return when(value)
    raise TypeError(f"a world can't be told {value!r}")


def options(**given: Any) -> list[str]:
    """Options of the command line from keyword arguments: None and False leave one out, True is one without value."""
    words: list[str] = []
    for name, value in given.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words.append(f"{option}={text_of(value)}")
    return words


def overrides(seed: int | None, set: Mapping[str, Any] | None) -> list[str]:
    """The options for other values of a world file's keys."""
    return options(seed=seed) + [f"--set={key}={text_of(value)}" for key, value in (set or {}).items()]


class Child:
    """A process of the binary that ends with this one, and that only this one's user interrupts."""

    def __init__(self, words: Sequence[str], binary: Name | None = None, **pipes: Any) -> None:
        # Its words are read by this process: how far it is in lines, and sentences without colours, which notebooks
        # would force on it.
        surroundings = {**os.environ, "OIKOS_PROGRESS": "lines", "NO_COLOR": "1"}
        for forced in ("CLICOLOR_FORCE", "FORCE_COLOR"):
            surroundings.pop(forced, None)
        # In a session of its own it is not interrupted twice: by the terminal, and by this process.
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [find_binary(binary), *words], start_new_session=True, env=surroundings, **pipes
        )
        self._guard: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            guard = ["/bin/sh", "-c", _GUARD, "sh", str(self.process.pid)]
            quiet = subprocess.DEVNULL
            self._guard = subprocess.Popen(
                guard, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
            )

    def interrupt(self) -> None:
        """Asks the process to end in an orderly way, and waits; one that does not is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.end(_ORDERLY_S)

    def end(self, patience_s: float) -> int:
        """Waits for the end of the process, and kills it after so many seconds; returns its exit code."""
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
        except BaseException:
            self.process.kill()
            raise
        finally:
            status = self.process.wait()
            self._dismiss()
        return status

    def _dismiss(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            assert guard.stdin is not None
            guard.stdin.close()
            guard.wait()


class _Words(threading.Thread):
    """Reads the standard error of a command: how far it is goes to a bar, notes to the reader, errors are kept."""

    def __init__(self, pipe: IO[bytes], bar: Callable[[Mapping[str, Any]], None] | None, is_told: bool) -> None:
        super().__init__(daemon=True)
        self._pipe, self._bar, self._is_told = pipe, bar, is_told
        self.last: list[str] = []
        self.start()

    def run(self) -> None:
        is_error = False
        for raw in self._pipe:
            line = raw.decode(errors="replace").rstrip("\n")
            far = _progress(line)
            if far is not None:
                if self._bar is not None:
                    self._bar(far)
                continue
            is_error = is_error or line.startswith("error:")
            self.last = [*self.last, line][-_WORDS_MAX:]
            if self._is_told and not is_error and sys.stderr is not None:
                print(line, file=sys.stderr)
        self._pipe.close()

    def problem(self) -> str:
        """The error, or else the last words."""
        self.join()
        begins = [at for at, line in enumerate(self.last) if line.startswith("error:")]
        return "\n".join(self.last[begins[0] if begins else 0 :]).removeprefix("error: ").strip()


def _progress(line: str) -> Mapping[str, Any] | None:
    if not line.startswith('{"progress":'):
        return None
    far = json.loads(line)["progress"]
    return far if isinstance(far, dict) else None


def call(
    words: Sequence[str],
    *,
    binary: Name | None = None,
    may_say_no: bool = False,
    bar: Callable[[Mapping[str, Any]], None] | None = None,
    is_told: bool = False,
    is_json: bool = True,
) -> Any:
    """Runs a command and returns the JSON that it prints.

    Raises `Error` where it fails; where it `may_say_no`, exit code 1 is an answer like another. Notes go to standard
    error if `is_told`.
    """
    pipe = subprocess.PIPE
    more = ["--json"] if is_json else []
    child = Child([*words, *more], binary, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    stdout, stderr = child.process.stdout, child.process.stderr
    assert stdout is not None and stderr is not None
    said = _Words(stderr, bar, is_told)
    try:
        told = stdout.read()
    except BaseException:
        child.interrupt()
        raise
    finally:
        stdout.close()
    status = child.end(_ORDERLY_S)
    if status == 0 or (may_say_no and status == 1 and told):
        said.join()
        return json.loads(told) if is_json else told.decode()
    raise Error(said.problem() or f"`oikos {' '.join(words)}` ended with status {status}", status)


def lines(words: Sequence[str], *, binary: Name | None = None) -> Iterator[dict[str, Any]]:
    """Runs a command that prints a JSON object a line, and yields them as they come."""
    pipe = subprocess.PIPE
    child = Child([*words, "--json"], binary, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    stdout, stderr = child.process.stdout, child.process.stderr
    assert stdout is not None and stderr is not None
    said = _Words(stderr, None, False)
    try:
        for line in stdout:
            yield json.loads(line)
    except BaseException:
        child.interrupt()
        raise
    finally:
        stdout.close()
    status = child.end(_ORDERLY_S)
    if status != 0:
        raise Error(said.problem() or f"`oikos {' '.join(words)}` ended with status {status}", status)


def version(binary: Name | None = None) -> str:
    """The version of the program, such as `0.4.0`."""
    told: str = call(["--version"], binary=binary, is_json=False)
    return told.split()[-1]
