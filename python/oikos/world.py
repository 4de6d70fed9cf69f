"""Worlds that were run: measures, series, events and accounts as data frames, and travel in their time."""

from __future__ import annotations

import csv
import itertools
import json
import os
import pathlib
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from oikos import progress as bars
from oikos.base import Duration
from oikos.binary import Moment, Name, call, lines, options, overrides, text_of, when
from oikos.errors import Error
from oikos.frames import Frame, frame
from oikos.outcomes import Comparison, Measures, Replay
from oikos.receipt import Receipt, refusal
from oikos.session import Session

_EVENT = ("seq", "time", "type", "actor", "artifact", "to", "amount", "resource", "detail")
_ACCOUNT = ("id", "owner", "kind", "scrip")
_TIMES = ("time", "created_at", "updated_at", "asked_at", "answered_at")
"""Columns of tables that are moments."""
_NOTES = ("tick", "refused", "thought", "print", "regrow", "think")
"""Types of lines of a log that are no events (docs/events.md)."""
_TABLES = ("principals", "agents", "artifacts", "balances")

_SLICES = 50
"""Parts of a run that is told by how many ticks, so that the bar moves."""


def run(
    file: Name,
    *,
    seed: int | None = None,
    set: Mapping[str, Any] | None = None,
    db: Name | None = None,
    fresh: bool = False,
    tape: str | None = None,
    max_cost: str | None = None,
    isolation: str | None = None,
    progress: bool | None = None,
    binary: Name | None = None,
) -> World:
    """Runs the world of a world file to its end.

    file: A world file, or a world database that is to go on.
    seed, set: Another seed, and other values for keys of the file, as `{"execution.ticks": 50}`.
    db: The world's database; a second run goes on with it, and does nothing where it is at its end. Without one the
        world is in a folder for its time, and gone with the last reference to the `World`: a run is a new one each
        time. `World.save` keeps it.
    fresh: With `db`: begin anew; the old database is moved aside.
    tape, max_cost, isolation: As in `oikos run`: `auto`, `replay` or `record`; dollars, as `"$0.50"`; `thread` or
        `process`.
    progress: Whether to show how far it is and what is to be noted; by default a bar in a terminal or a notebook.
    binary: The program `oikos`; by default `find_binary()`.

    Raises `Error` with the sentence of the binary. An interrupt ends the run in an orderly way; with `db`, the same
    call goes on from there.
    """
    how = options(tape=tape, max_cost=max_cost, isolation=isolation)
    if pathlib.Path(file).suffix != ".toml" and db is None and not (fresh or set) and seed is None:
        world = World(file, binary=binary)
        world._go_on(how, progress)
        return world
    folder = None
    if db is None:
        folder = tempfile.mkdtemp(prefix="oikos-")
        db = pathlib.Path(folder, pathlib.Path(file).stem + ".oikos")
    world = World(db, binary=binary, folder=folder)
    words = ["run", os.fspath(file), "--db", os.fspath(db), *options(fresh=fresh), *overrides(seed, set), *how]
    try:
        world._summary = _with_bar(words, progress, binary)
    except Error as error:
        hint = "\n  = in Python: `fresh=True`" if "--fresh" in error.message else ""
        raise Error(error.message + hint, error.status) from None
    return world


def open_world(path: Name, *, binary: Name | None = None) -> World:
    """The world of a database that exists, such as `coins.oikos`. Raises `Error` where there is none."""
    world = World(path, binary=binary)
    world._summary = world._read_summary(None)
    return world


def validate(
    file: Name, *, seed: int | None = None, set: Mapping[str, Any] | None = None, binary: Name | None = None
) -> dict[str, Any]:
    """Checks a world file; returns its `name`, and how many `agents` and `artifacts` it has.

    Raises `Error`, whose message says what is wrong and where.
    """
    found: dict[str, Any] = call(["validate", os.fspath(file), *overrides(seed, set)], binary=binary)
    return found


class World:
    """A world in a database. It may be given wherever a path is wanted."""

    def __init__(self, path: Name, *, binary: Name | None = None, folder: str | None = None) -> None:
        self.path: pathlib.Path = pathlib.Path(path)
        # A world in a folder for its time is there as long as somebody holds it.
        self._world: object = path
        self._binary = binary
        self._summary: dict[str, Any] | None = None
        if folder is not None:
            self._gone = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    # How it stands.

    @property
    def summary(self) -> dict[str, Any]:
        """How the world stands at its end, as `oikos run --json` prints it.

        `seq` (records), `time`, `ticks` (in worlds with ticks), `supply` (scrip), `state_digest`, `journal_hash`,
        `measures`, `agents` (how many are in which state), `health`; `finished` and `stopped` after a run.
        """
        # A session, or another process, may have gone on with it.
        if self._summary is None or self._summary["seq"] != self._last():
            self._summary = self._read_summary(None)
        return self._summary

    @property
    def measures(self) -> Measures:
        """The measures of the world file at the end, by name; None where one has no value."""
        return Measures(self.summary["measures"])

    @property
    def seq(self) -> int:
        """How many records there are."""
        return int(self.summary["seq"])

    @property
    def time(self) -> str:
        """The world's time, as `2026-01-01T00:00:00.000Z`."""
        return str(self.summary["time"])

    @property
    def state_digest(self) -> str:
        """The hash of the state."""
        return str(self.summary["state_digest"])

    @property
    def journal_hash(self) -> str:
        """The hash of all that happened."""
        return str(self.summary["journal_hash"])

    def measures_at(self, at: Moment) -> Measures:
        """The measures as they were at a moment."""
        return Measures(self._read_summary(at)["measures"])

    # Data frames.

    def series(self, *names: str, wide: bool = False) -> Frame:
        """The measures as they were taken while the world went on, `[measures] every`.

        One row a moment and measure, oldest first: `seq`, `time`, `name`, `value`; with `wide` one row a moment:
        `seq`, `time`, and a column for each measure. With `names` only those.
        """
        db = self._file()
        try:
            found = db.execute("SELECT seq, time, name, value FROM series ORDER BY time, rowid").fetchall()
        finally:
            db.close()
        rows = [dict(zip(("seq", "time", "name", "value"), row)) for row in found]
        known = list(dict.fromkeys(row["name"] for row in rows))
        for name in names:
            if name not in known:
                raise KeyError(f"there is no series {name!r}; the measures are {', '.join(known) or 'none'}")
        rows = [row for row in rows if not names or row["name"] in names]
        if not wide:
            return frame(rows, ("seq", "time", "name", "value"))
        moments: dict[str, dict[str, Any]] = {}
        for row in rows:
            moments.setdefault(row["time"], {"seq": row["seq"], "time": row["time"]})[row["name"]] = row["value"]
        return frame(moments.values(), ("seq", "time", *(names or known)))

    def events(
        self,
        type: str | None = None,
        *,
        of: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int | None = None,
    ) -> Frame:
        """The events, oldest first: `seq`, `time`, `type`, `actor`, `artifact`, `to`, `amount`, `resource`, `detail`.

        type: Only events of this type, such as `transfer` (docs/events.md).
        of: Only those that this artifact did or had done to it.
        since, until: Only after a moment, and up to another and with it.
        limit: The first so many.
        """
        # The binary counts all lines, of which only those of one type are surely events.
        words = self._log(since, until, type=type, of=of, limit=None if type is None else limit)
        kept = (line for line in lines(words, binary=self._binary) if line["type"] not in _NOTES)
        return frame(itertools.islice(kept, limit), _EVENT)

    def log(
        self,
        type: str | None = None,
        *,
        of: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int | None = None,
        refused: bool = False,
        thoughts: bool = False,
    ) -> Frame:
        """The lines of `oikos log`: events, ticks, and actions that were refused or failed, oldest first.

        The columns are those of `events`, and those that the lines have beside them: `tick`, `op`, `error` (a dict
        with `code` and `message`), and more with `thoughts`, the reasons that minds gave. With `refused` only what
        was refused or failed; `type` is the op then.
        """
        words = self._log(since, until, type=type, of=of, limit=limit, refused=refused, thoughts=thoughts)
        return frame(lines(words, binary=self._binary), ("seq", "time", "type", "actor"))

    def _log(self, since: Moment | None, until: Moment | None, **more: Any) -> list[str]:
        span = {"since": since, "until": until}
        moments = {name: when(moment) for name, moment in span.items() if moment is not None}
        return ["log", os.fspath(self.path), *options(**moments, **more)]

    def accounts(self, at: Moment | None = None, *, kind: str | None = None) -> Frame:
        """The holdings of every principal, at the end or at a moment.

        One row a principal: `id`, `owner`, `kind`, `scrip`, and for each resource its figures, as `cpu.used` or
        `disk.quota`, whole numbers in base units (microseconds, bytes, units). With `kind` only those of one kind,
        such as `trader`.
        """
        rows = self._rows("principals", at)
        accounts = []
        for row in rows:
            if kind is None or row["kind"] == kind:
                account = {name: row[name] for name in _ACCOUNT}
                for resource, figures in row["resources"].items():
                    account |= {f"{resource}.{name}": figures[name] for name in figures if name != "kind"}
                accounts.append(account)
        return frame(accounts, _ACCOUNT)

    def agents(self, at: Moment | None = None) -> Frame:
        """The agents, at the end or at a moment: `id`, `state`, `steps`, `scrip`, `last_error` and more."""
        return frame(self._rows("agents", at), ("id", "state", "steps", "scrip"), times=("due",))

    def artifacts(self, at: Moment | None = None) -> Frame:
        """The artifacts, at the end or at a moment: `id`, `owner`, `kind`, `size` in bytes and more."""
        return frame(self._rows("artifacts", at), ("id", "owner", "kind"))

    def inspect(self, what: str = "principals", at: Moment | None = None) -> Any:
        """As `oikos inspect`: `principals`, `agents`, `artifacts` or `balances` as a data frame, or one artifact as a
        dict, with its content and code, at the end or at a moment."""
        found = self._inspect(what, at)
        return frame(found, ("id",), times=()) if what in _TABLES else found

    def _inspect(self, what: str, at: Moment | None) -> Any:
        moment = None if at is None else when(at)
        return call(["inspect", os.fspath(self.path), what, *options(at=moment)], binary=self._binary)

    def _rows(self, what: str, at: Moment | None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._inspect(what, at)
        return rows

    # Travel.

    def resume(self, *, max_cost: str | None = None, progress: bool | None = None) -> World:
        """Goes on to the end that the world file says; returns this world. At its end nothing happens."""
        self._go_on(options(max_cost=max_cost), progress)
        return self

    def run(
        self, ticks: int | None = None, *, for_: Duration | None = None, progress: bool | None = None, max_cost: str | None = None
    ) -> World:
        """Goes on by so many ticks, or `for_` so much time of the world, as `6h`, whatever the world file says.

        Without either it goes on to the end, as `resume`. It stops before where clients are to decide for their
        agents, or the money for models does not reach: `summary["stopped"]` says so.
        """
        if ticks is None and for_ is None:
            return self.resume(max_cost=max_cost, progress=progress)
        if ticks is not None and for_ is not None:
            raise ValueError("a run goes on by ticks or by time, not both")
        stopped = None
        bar = bars.bar(progress)
        with self.session(max_cost=max_cost) as session:
            try:
                spans: list[dict[str, Any]] = [{"for": for_}] if ticks is None else [{"ticks": part} for part in _parts(ticks)]
                for at, span in enumerate(spans):
                    bar({"done": at, "of": len(spans), "unit": "parts"})
                    stopped = session.run(**span)["stopped"]
                    if stopped not in ("ticks", "for"):
                        break
            finally:
                bar.close()
        self._summary = {**self._read_summary(None), "stopped": stopped}
        return self

    def fork(
        self,
        at: Moment | None = None,
        *,
        set: Mapping[str, Any] | None = None,
        seed: int | None = None,
        act: Iterable[tuple[str, Mapping[str, Any]]] = (),
        to: Name | None = None,
    ) -> World:
        """A new world that goes on from a moment of this one, as it is or under changed rules; `resume` runs it.

        at: The moment, such as `tick:40` or `6h`; by default the end.
        set, seed: Other values for keys of the world file, and another seed, from the moment on.
        act: Actions from outside at the moment: `(principal, op)`, as `("alice", oikos.op.transfer("bob", 5))`.
        to: The file of the new world; by default it is in a folder for its time, as in `oikos.run`.

        Raises `Error` where it can't be, and `Refused` where an action is refused; then there is no new world.
        """
        moment = str(self.seq) if at is None else when(at)
        acts = [word for who, op in act for word in ("--act", who, text_of(dict(op)))]
        folder = None
        if to is None:
            folder = tempfile.mkdtemp(prefix="oikos-")
            to = pathlib.Path(folder, f"{self.path.stem}-fork.oikos")
        fork = World(to, binary=self._binary, folder=folder)
        words = ["fork", os.fspath(self.path), "--at", moment, "--to", os.fspath(to), *overrides(seed, set), *acts]
        made = call(words, binary=self._binary, may_say_no=True)
        if "world" not in made:
            raise refusal(made["error"], Receipt(made))
        return fork

    def compare(self, other: Name) -> Comparison:
        """Where this world and another part, and how they differ at their ends."""
        found = call(["compare", os.fspath(self.path), os.fspath(other)], binary=self._binary)
        return Comparison(found)

    def replay(self, until: Moment | None = None, *, progress: bool | None = None) -> Replay:
        """Executes the world again, code included, and compares each record with the journal."""
        moment = None if until is None else when(until)
        words = ["replay", os.fspath(self.path), *options(until=moment)]
        return Replay(_with_bar(words, progress, self._binary, may_say_no=True))

    def verify(self) -> dict[str, Any]:
        """Applies the journal again from its first record and checks everything against it; `ok` says no or yes."""
        found: dict[str, Any] = call(["verify", os.fspath(self.path)], binary=self._binary, may_say_no=True)
        return found

    def session(self, *, at: Moment | None = None, **more: Any) -> Session:
        """Serves this world: acts change it, unless they happen on a copy of it as it was `at` a moment."""
        return Session(self, at=at, binary=self._binary, **more)

    # Files.

    def export(
        self,
        out: Name,
        *,
        format: str | None = None,
        tables: Iterable[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        every: Duration | None = None,
        measures: Mapping[str, Any] | None = None,
        force: bool = False,
        progress: bool | None = None,
    ) -> pathlib.Path:
        """Writes the world's tables into a folder, as `oikos export`; returns the folder.

        format: `parquet`, by default, `csv` or `jsonl`.
        tables: Only these, such as `["actions", "payments"]`.
        since, until: Only records after a moment, and up to another and with it.
        every: Accounts so often too, as `1h`, beside those at the end.
        measures: Takes the series from the journal again, by the world's measures and these, such as
            `{"every": "1h", "poorest": "min(scrip)"}`; with `{}` by the world's alone.
        force: Whether files of these tables that are there are replaced; otherwise that is an `Error`.
        """
        span = {"since": since, "until": until, "every": every}
        moments = {name: when(moment) for name, moment in span.items() if moment is not None}
        listed = None if tables is None else ",".join(tables)
        more = options(format=format, tables=listed, force=force, anew=measures is not None, **moments)
        more += overrides(None, {f"measures.{key}": value for key, value in (measures or {}).items()})
        _with_bar(["export", os.fspath(self.path), "--out", os.fspath(out), *more], progress, self._binary)
        return pathlib.Path(out)

    def table(
        self,
        name: str,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        every: Duration | None = None,
        measures: Mapping[str, Any] | None = None,
    ) -> Frame:
        """One table of `export` as a data frame: `actions`, `payments`, `charges`, `events`, `accounts`, `artifacts`,
        `series`, `agent_series`, `thoughts` or `meta`."""
        with tempfile.TemporaryDirectory(prefix="oikos-") as folder:
            out = pathlib.Path(folder)
            span: dict[str, Any] = {"since": since, "until": until, "every": every, "measures": measures}
            self.export(out, format="jsonl", tables=[name], progress=False, **span)
            with (out / f"{name}.jsonl").open(encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
            columns = [] if rows else self._columns(name, out, span)
        return frame(rows, columns, times=_TIMES)

    def _columns(self, name: str, out: pathlib.Path, span: dict[str, Any]) -> list[str]:
        """The columns of a table, which only CSV names where there are no rows."""
        self.export(out, format="csv", tables=[name], progress=False, **span)
        with (out / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file))

    def save(self, path: Name) -> World:
        """Copies the world into a new file, which stays; returns the world of that file."""
        if os.path.exists(path):
            raise FileExistsError(f"`{os.fspath(path)}` is there already")
        source = self._file()
        target = sqlite3.connect(os.fspath(path))
        try:
            source.backup(target)
        finally:
            target.close()
            source.close()
        return World(path, binary=self._binary)

    def _file(self) -> sqlite3.Connection:
        """The database, to read it. Where nobody has it open nothing is written beside it, so it may be anywhere."""
        path = self.path.absolute()
        is_open = path.with_name(f"{path.name}-wal").exists()
        return sqlite3.connect(f"{path.as_uri()}?mode=ro{'' if is_open else '&immutable=1'}", uri=True)

    def _last(self) -> int:
        """The number of the last record in the file."""
        file = self._file()
        try:
            row = file.execute("SELECT seq_first + count - 1 FROM journal ORDER BY seq_first DESC LIMIT 1").fetchone()
        finally:
            file.close()
        return int(row[0])

    def _go_on(self, how: list[str], progress: bool | None) -> None:
        self._summary = _with_bar(["run", os.fspath(self.path), *how], progress, self._binary)

    def _read_summary(self, at: Moment | None) -> dict[str, Any]:
        found: dict[str, Any] = self._inspect("summary", at)
        return found

    def __repr__(self) -> str:
        if self._summary is None:
            return f"World({os.fspath(self.path)!r})"
        told = [f"{name} {value:.4g}" for name, value in self.measures.items() if value is not None]
        return f"World({', '.join([repr(os.fspath(self.path)), f'{self.seq} records', self.time, *told])})"


def _parts(ticks: int) -> list[int]:
    """A number of ticks in parts that are about the same, of at least one tick."""
    count = max(1, min(_SLICES, ticks))
    return [ticks * (at + 1) // count - ticks * at // count for at in range(count)]


def _with_bar(words: list[str], progress: bool | None, binary: Name | None, may_say_no: bool = False) -> dict[str, Any]:
    """Runs a command and shows meanwhile how far it is."""
    bar = bars.bar(progress)
    try:
        told: dict[str, Any] = call(
            words, binary=binary, may_say_no=may_say_no, bar=bar, is_told=progress is not False
        )
    finally:
        bar.close()
    return told
